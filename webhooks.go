package idngo

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/idngo-go/idngo/internal/exchange"
	"github.com/idngo-go/idngo/internal/keyedhash"
	"github.com/idngo-go/idngo/internal/lenient"
	"github.com/idngo-go/idngo/internal/oneline"
	"github.com/idngo-go/idngo/internal/redact"
)

// A DigestAlgorithm is the algorithm of a webhook's digest, as the X-Payload-Digest-Alg header
// names it. The name must be in capitals, as the service writes it.
type DigestAlgorithm string

// The algorithms that the service can be set to use.
const (
	// HMACSHA256 is the service's default.
	HMACSHA256 DigestAlgorithm = "HMAC_SHA256_HEX"
	HMACSHA512 DigestAlgorithm = "HMAC_SHA512_HEX" // with the longer SHA-512
	// HMACSHA1 is for old configurations: a verifier accepts it only when [WithDigestAlgorithms]
	// names it.
	HMACSHA1 DigestAlgorithm = "HMAC_SHA1_HEX"
)

// ParseWebhook decodes the body of a webhook whose digest has been verified.
// [WebhookVerifier.Parse] and [WebhookVerifier.Handler] verify and decode; ParseWebhook only
// decodes.
//
// It returns [ErrWebhookMalformed] if body is not a JSON object with a type. The type may be
// unknown. An id may be a number. A field of another JSON type than expected stays zero. Unknown
// fields are ignored: related products disable an endpoint that refuses deliveries. If a field
// comes twice, its last readable value counts. Raw is a copy of body.
func ParseWebhook(body []byte) (*WebhookEvent, error) {
	e := new(WebhookEvent)
	// The usual body fits into the plain struct, which is the fastest.
	if json.Unmarshal(body, (*plainWebhookEvent)(e)) != nil && decodeWebhookEvent(body, e) != nil {
		// The error of encoding/json is not wrapped, since its text may quote the body.
		return nil, fmt.Errorf("idngo: %w: not a JSON object, or its type is not a string", ErrWebhookMalformed)
	}
	if e.Type == "" {
		return nil, fmt.Errorf("idngo: %w: no type", ErrWebhookMalformed)
	}
	lenient.ClearNull(&e.ApplicantMemberOf)
	e.Raw = bytes.Clone(body)
	return e, nil
}

// Key returns a text that is the same for every delivery of one event and differs between events.
// This relies on CreatedAtMs being the same in every delivery, which is inferred. Act once for each
// key.
//
// Related products send an event again after 30 s, 30 s, 1 min and 5 min when the answer was late
// or not a 2xx. Events about applicants come again for up to a day. Your staff can send any event
// again at any time. Deliveries are not always in order. So keep the keys for a week at least, in a
// place that all receivers share, and write a key in the same transaction as its effect. Ignore an
// event that is older than what you have of the same action; see [WebhookEvent.Time].
//
// A key has 32 hexadecimal digits, the first half of a SHA-256, and shows nothing personal. You can
// use it as a primary key or a job id, and log it. Later versions of this package return the same
// keys.
//
// The key is a digest of the type, the ids of applicant, action, inspection, network and
// transaction, your own id of the action, and the time. The time is CreatedAtMs, or else CreatedAt,
// or the text of either if its form is unknown. The key ignores ReviewStatus, levels and results,
// which may differ between deliveries of one event. It includes CorrelationID only if there is no
// time, since it is not documented whether a second delivery keeps it. Related products have events
// about other objects. If you handle those, append the id of the object, from Raw, to the key.
func (e *WebhookEvent) Key() string {
	// The length of each part is included, so that different parts never give the same bytes.
	buf := make([]byte, 0, 256)
	add := func(part string) {
		buf = binary.AppendUvarint(buf, uint64(len(part)))
		buf = append(buf, part...)
	}
	add(string(e.Type))
	add(e.ApplicantID)
	add(e.ApplicantActionID)
	add(e.ExternalApplicantActionID)
	add(e.InspectionID)
	if e.NetworkID != "" { // events about networks have no other id
		add("network")
		add(e.NetworkID)
	}
	if e.KytTxnID != "" {
		add("kytTxn")
		add(e.KytTxnID)
	}

	at := e.CreatedAtMs
	if at.IsZero() {
		at = e.CreatedAt
	}
	switch {
	case !at.Time.IsZero():
		add("time")
		buf = binary.BigEndian.AppendUint64(buf, uint64(at.Unix()))
		buf = binary.BigEndian.AppendUint32(buf, uint32(at.Nanosecond()))
	case !at.IsZero(): // the time has an unknown form
		add("text")
		add(at.Text)
	default:
		add("correlation")
		add(e.CorrelationID)
	}
	sum := sha256.Sum256(buf)
	return hex.EncodeToString(sum[:16])
}

// Time returns when the event happened: CreatedAtMs, or else CreatedAt, or else the zero time. It
// ignores dates of an unknown form. Events can arrive in any order: keep the time of an event with
// the state that it has set, and ignore events that are older.
func (e *WebhookEvent) Time() time.Time {
	if !e.CreatedAtMs.Time.IsZero() {
		return e.CreatedAtMs.Time
	}
	return e.CreatedAt.Time
}

// A WebhookVerifier checks that webhooks come from the service. It is made by [NewWebhookVerifier],
// is safe for concurrent use, and prints without its secrets.
type WebhookVerifier struct {
	rules *webhookRules // behind a pointer: fmt prints unexported fields without calling Format
}

// NewWebhookVerifier returns a verifier for webhooks signed with secret: the secret of the webhook
// in the dashboard, not the secret key of the app token. It returns [ErrInvalidArgument] for a
// secret that is empty, quoted or has spaces around it, and for an option that is not valid.
func NewWebhookVerifier(secret Secret, opts ...WebhookOption) (*WebhookVerifier, error) {
	const method = "NewWebhookVerifier"
	settings := webhookSettings{algorithms: []DigestAlgorithm{HMACSHA256, HMACSHA512}, maxBodySize: defaultMaxBodySize}
	problems := []error{checkCredential("webhook secret", secret)}
	for i, opt := range opts {
		if opt == nil {
			problems = append(problems, invalid(fmt.Sprintf("webhook option %d", i+1), "is nil"))
		} else {
			problems = append(problems, opt(&settings))
		}
	}
	if err := checkArguments(method, problems...); err != nil {
		return nil, err
	}
	keys := [][]byte{[]byte(secret)}
	for _, secret := range settings.previous {
		keys = append(keys, []byte(secret))
	}
	rules := &webhookRules{
		maxBodySize: settings.maxBodySize, onError: settings.onError, unnamed: settings.algorithms[0],
		allowed: make(map[DigestAlgorithm]*keyedhash.Set),
	}
	for _, alg := range settings.algorithms {
		set, err := keyedhash.NewSet(alg.newHash(), keys...)
		if err != nil {
			return nil, checkArguments(method, invalid("webhook secret or algorithm", "is refused by the Go runtime (FIPS 140-only mode)"))
		}
		rules.allowed[alg] = set
	}
	if rules.allowed[HMACSHA256] != nil {
		rules.unnamed = HMACSHA256
	} else if len(rules.allowed) > 1 {
		rules.unnamed = ""
	}
	return &WebhookVerifier{rules: rules}, nil
}

// A WebhookOption is a setting of a [WebhookVerifier]. If its value is nil, empty, unknown or out
// of range, [NewWebhookVerifier] returns [ErrInvalidArgument].
type WebhookOption func(*webhookSettings) error

// WithPreviousSecrets also accepts deliveries that were signed with one of the secrets s. Use it
// while you rotate a secret, until the service no longer sends deliveries signed with the old one.
// If you give the option more than once, all the secrets are accepted.
func WithPreviousSecrets(s ...Secret) WebhookOption {
	s = slices.Clone(s)
	return func(set *webhookSettings) error {
		for i, secret := range s {
			if err := checkCredential(fmt.Sprintf("WithPreviousSecrets: secret %d", i+1), secret); err != nil {
				return err
			}
		}
		set.previous = append(set.previous, s...)
		return nil
	}
}

// WithDigestAlgorithms sets the algorithms that are accepted. The default is [HMACSHA256] and
// [HMACSHA512]. The sender chooses among them, so the receiver is as strong as the weakest one. A
// delivery that names none uses HMACSHA256 if that is accepted, or else the accepted one if there
// is only one. Otherwise it is refused.
func WithDigestAlgorithms(a ...DigestAlgorithm) WebhookOption {
	a = slices.Clone(a)
	return func(set *webhookSettings) error {
		if len(a) == 0 {
			return invalid("WithDigestAlgorithms", "names no algorithm")
		}
		for i, alg := range a {
			if alg.newHash() == nil {
				return invalid(fmt.Sprintf("WithDigestAlgorithms: algorithm %d", i+1), "is unknown")
			}
		}
		set.algorithms = a
		return nil
	}
}

// WithMaxBodySize sets the largest body that is accepted, in bytes. The default is 1 MiB. If
// Content-Length is larger, the body is not read. Otherwise at most n+1 bytes are read.
func WithMaxBodySize(n int64) WebhookOption {
	return func(set *webhookSettings) error {
		if n < 1 {
			return invalid("WithMaxBodySize", "is below 1")
		}
		set.maxBodySize = n
		return nil
	}
}

// WithWebhookErrors makes [WebhookVerifier.Handler] call f for every delivery that it does not
// answer with 200. A refused delivery gives an error that matches [ErrWebhookSignature],
// [ErrWebhookAlgorithm], [ErrWebhookTooLarge] or [ErrWebhookMalformed], or says that the method is
// not POST. An error of the handler function or of reading the body is wrapped. The text shows
// nothing of the delivery, except what the error of the handler function shows.
//
// The body of r can be read from its first byte. f is called before the answer is sent, so it must
// be fast. If f panics, the answer stays the same and the panic continues. Log the error where
// somebody reads it: if the secret is wrong, every delivery ends here.
func WithWebhookErrors(f func(r *http.Request, err error)) WebhookOption {
	return func(set *webhookSettings) error {
		if f == nil {
			return invalid("WithWebhookErrors", "has a nil function")
		}
		set.onError = f
		return nil
	}
}

// Verify checks the digest in header against body. body must have the bytes as they were received:
// a body that was decoded and encoded again does not match. Verify is for bodies that something
// else has read. [WebhookVerifier.Parse] reads the body itself.
//
// The error matches [ErrWebhookAlgorithm] if the algorithm is sent twice, unknown or not allowed,
// and [ErrWebhookSignature] if the digest is wrong in another way. Its text shows nothing of the
// body, the header or the secret. Log it, and answer 401 without a reason.
//
// Verify compares in constant time, and with every secret, even after one has matched.
func (v *WebhookVerifier) Verify(body []byte, header http.Header) error {
	rules, err := v.use("Verify")
	if err != nil {
		return err
	}
	declared := int64(0)
	if len(body) == 0 {
		length, _ := exchange.HeaderValue(header, "Content-Length")
		declared, _ = strconv.ParseInt(length, 10, 64) // a missing length is 0
	}
	return rules.verify(body, header, declared)
}

// Parse reads the body of r, verifies it as [WebhookVerifier.Verify] does, and then decodes it. It
// returns the errors of Verify and [ParseWebhook], [ErrWebhookTooLarge] for a body above the limit
// or above that of an [http.MaxBytesReader], and the wrapped error of reading the body.
//
// Afterwards r.Body can be read from its first byte, even if Parse has returned an error. Parse
// closes the original body when it has read all of it. Otherwise the new r.Body closes the original
// when you close it.
func (v *WebhookVerifier) Parse(r *http.Request) (*WebhookEvent, error) {
	rules, err := v.use("Parse")
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, checkArguments("Parse", invalid("request", "is nil"))
	}
	body, err := rules.readBody(r)
	if err != nil {
		return nil, err
	}
	if err := rules.verify(body, r.Header, r.ContentLength); err != nil {
		return nil, err
	}
	return ParseWebhook(body)
}

// Handler returns an HTTP handler that calls handle for every event whose digest is right. The type
// of the event may be unknown to this package. The handler answers
//
//   - 405 to every method except POST,
//   - 413 to a body above the limit,
//   - 401 if the digest or its algorithm is refused,
//   - 400 if the body could not be read to its end or is no event,
//   - 500 if handle returned an error, so that the event is sent again,
//   - 200 otherwise.
//
// [WithWebhookErrors] reports the reason; the answer never shows it.
//
// Related products treat an answer after more than 5 s as a failure. So check the
// [WebhookEvent.Key], store or queue the work, and return. The context of handle ends when the
// sender closes the connection; use [context.WithoutCancel] for work that must continue. A panic in
// handle is not recovered. Act on the Type: ReviewStatus may contradict it.
//
// Handler panics if handle is nil or v was not made by [NewWebhookVerifier]. The example shows
// how to test a receiver with [SignWebhook].
func (v *WebhookVerifier) Handler(handle func(context.Context, *WebhookEvent) error) http.Handler {
	if _, err := v.use("Handler"); err != nil {
		panic(err)
	}
	if handle == nil {
		panic("idngo: WebhookVerifier.Handler: handle is nil")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := v.serve(r, handle)
		if err == nil {
			w.WriteHeader(status)
			return
		}
		if status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		defer http.Error(w, http.StatusText(status), status) // deferred, so that the sender gets an answer also if onError panics
		if v.rules.onError != nil {
			v.rules.onError(r, err)
		}
	})
}

// serve gives an event to handle. It returns the status of the answer, and an error if that is not
// 200.
func (v *WebhookVerifier) serve(r *http.Request, handle func(context.Context, *WebhookEvent) error) (int, error) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, errors.New("idngo: webhook: the method is not POST")
	}
	e, err := v.Parse(r)
	if err != nil {
		return webhookStatus(err), err
	}
	if err := handle(r.Context(), e); err != nil {
		return http.StatusInternalServerError, &oneline.Error{
			Method: "webhook", Step: "handler function", Text: redact.OneLine(err.Error()), Causes: []error{err},
		}
	}
	return http.StatusOK, nil
}

// SignWebhook returns the two headers that the service sends with body: X-Payload-Digest and
// X-Payload-Digest-Alg. It is for tests of a receiver, as in the example of
// [WebhookVerifier.Handler]. It panics if alg is not one of the constants.
func SignWebhook(body []byte, secret Secret, alg DigestAlgorithm) http.Header {
	newHash := alg.newHash()
	if newHash == nil {
		panic("idngo: SignWebhook: unknown digest algorithm")
	}
	mac := hmac.New(newHash, []byte(secret))
	mac.Write(body)
	return http.Header{headerDigest: {hex.EncodeToString(mac.Sum(nil))}, headerDigestAlg: {string(alg)}}
}

// String returns idngo.WebhookVerifier([redacted]).
func (WebhookVerifier) String() string { return "idngo.WebhookVerifier(" + redacted + ")" }

// Format writes String for every verb and flag.
func (v WebhookVerifier) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, v.String()) }

// LogValue returns String.
func (v WebhookVerifier) LogValue() slog.Value { return slog.StringValue(v.String()) }

// The two headers of a delivery. The digest is the HMAC of the bytes of the body, in hexadecimal
// digits. It does not cover headers, the URL or a time.
const (
	headerDigest    = "X-Payload-Digest"
	headerDigestAlg = "X-Payload-Digest-Alg"
)

const readBefore = "the body was read before: verify it first, or give its bytes to Verify"

// defaultMaxBodySize is a thousand times the usual webhook.
const defaultMaxBodySize = 1 << 20

// newHash returns the constructor of the hash function, nil for an unknown algorithm.
func (a DigestAlgorithm) newHash() func() hash.Hash {
	switch a {
	case HMACSHA256:
		return sha256.New
	case HMACSHA512:
		return sha512.New
	case HMACSHA1:
		return sha1.New
	}
	return nil
}

type webhookRules struct {
	maxBodySize int64
	onError     func(*http.Request, error) // nil: none
	unnamed     DigestAlgorithm            // the algorithm of a delivery that names none, "" if it is refused
	allowed     map[DigestAlgorithm]*keyedhash.Set
}

// use returns the rules, or an error for a WebhookVerifier that NewWebhookVerifier did not make.
func (v *WebhookVerifier) use(method string) (*webhookRules, error) {
	if v == nil || v.rules == nil {
		return nil, checkArguments(method, invalid("WebhookVerifier", "was not made by NewWebhookVerifier"))
	}
	return v.rules, nil
}

// verify checks a digest. declared is the Content-Length, if there is one.
func (rules *webhookRules) verify(body []byte, header http.Header, declared int64) error {
	digest, digests := exchange.HeaderValue(header, headerDigest)
	name, names := exchange.HeaderValue(header, headerDigestAlg)
	switch {
	case digests == 0:
		return fmt.Errorf("idngo: %w: no "+headerDigest+" header", ErrWebhookSignature)
	case digests > 1:
		return fmt.Errorf("idngo: %w: more than one "+headerDigest+" header", ErrWebhookSignature)
	case names > 1:
		return fmt.Errorf("idngo: %w: more than one "+headerDigestAlg+" header", ErrWebhookAlgorithm)
	case names == 0:
		name = string(rules.unnamed)
	}
	keys, ok := rules.allowed[DigestAlgorithm(name)]
	if !ok {
		return fmt.Errorf("idngo: %w", ErrWebhookAlgorithm)
	}
	var decoded [sha512.Size]byte
	if len(digest) != hex.EncodedLen(keys.Size()) {
		return fmt.Errorf("idngo: %w: the digest has the wrong length", ErrWebhookSignature)
	}
	if _, err := hex.Decode(decoded[:], []byte(digest)); err != nil {
		return fmt.Errorf("idngo: %w: the digest is not hexadecimal", ErrWebhookSignature)
	}
	switch matches := keys.Matches(body, decoded[:keys.Size()]); {
	case !matches && int64(len(body)) < declared:
		return fmt.Errorf("idngo: %w: "+readBefore, ErrWebhookSignature)
	case !matches:
		return fmt.Errorf("idngo: %w: the digest belongs to another body or another secret", ErrWebhookSignature)
	}
	return nil
}

// readBody reads the body of r, within the limit.
func (rules *webhookRules) readBody(r *http.Request) ([]byte, error) {
	body, err := exchange.ReadRequest(r, rules.maxBodySize)
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return body, nil
	case err == exchange.ErrTooLarge && r.ContentLength > rules.maxBodySize: //nolint:errorlint // a body may return an error that wraps it
		return nil, fmt.Errorf("idngo: %w: %d bytes declared", ErrWebhookTooLarge, r.ContentLength)
	case err == exchange.ErrTooLarge: //nolint:errorlint // likewise
		return nil, fmt.Errorf("idngo: %w", ErrWebhookTooLarge)
	case errors.As(err, &tooLarge):
		return nil, fmt.Errorf("idngo: %w: %w", ErrWebhookTooLarge, err)
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return nil, fmt.Errorf("idngo: %w: "+readBefore, ErrWebhookSignature)
	}
	return nil, methodError("Parse", "reading the webhook", err)
}

type webhookSettings struct {
	previous    []Secret
	onError     func(*http.Request, error)
	algorithms  []DigestAlgorithm
	maxBodySize int64
}

func webhookStatus(err error) int {
	if errors.Is(err, ErrWebhookTooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	if errors.Is(err, ErrWebhookSignature) || errors.Is(err, ErrWebhookAlgorithm) {
		return http.StatusUnauthorized
	}
	return http.StatusBadRequest
}
