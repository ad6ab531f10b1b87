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

// A DigestAlgorithm names how the digest of a webhook was made, in the words of the
// X-Payload-Digest-Alg header. The service writes them in capitals, and only so are they
// understood.
type DigestAlgorithm string

// The algorithms that the service can be set to use.
const (
	// HMACSHA256 is the service's default.
	HMACSHA256 DigestAlgorithm = "HMAC_SHA256_HEX"
	HMACSHA512 DigestAlgorithm = "HMAC_SHA512_HEX"
	// HMACSHA1 is for old configurations: a verifier accepts it only when [WithDigestAlgorithms]
	// names it.
	HMACSHA1 DigestAlgorithm = "HMAC_SHA1_HEX"
)

// ParseWebhook decodes the body of a webhook. It verifies nothing: it is for bodies whose signature
// was checked already, as [WebhookVerifier.Parse] and [WebhookVerifier.Handler] do in one step.
//
// An event is a JSON object with a type that is not empty, known or not; anything else is an
// [ErrWebhookMalformed]. An id that [WebhookEvent.Key] is made from, ExternalUserID and ClientID
// too, is taken as its text when it is a number. Any other member of a JSON type that nobody
// expects is left zero and does not cost the event, as an unknown member does not: an endpoint that
// refuses deliveries for that gets disabled. Raw, a copy of body, has it all.
func ParseWebhook(body []byte) (*WebhookEvent, error) {
	e := new(WebhookEvent)
	// The usual body fits into the plain struct, which is the fastest.
	if json.Unmarshal(body, (*plainWebhookEvent)(e)) != nil && decodeWebhookEvent(body, e) != nil {
		// That error is not wrapped: its text quotes the body.
		return nil, fmt.Errorf("idngo: %w: not a JSON object, or its type is not a string", ErrWebhookMalformed)
	}
	if e.Type == "" {
		return nil, fmt.Errorf("idngo: %w: no type", ErrWebhookMalformed)
	}
	lenient.ClearNull(&e.ApplicantMemberOf)
	e.Raw = bytes.Clone(body)
	return e, nil
}

// Key identifies the event: it is the same for every delivery of one event and differs between
// events. Act once for each key.
//
// The service delivers an event again after 30 s, 30 s, 1 min and 5 min when the answer was late or
// not a 2xx. It sends events about applicants again for a day, and any event by hand at any time.
// Deliveries are not always in order. So keep the keys for a week at least, in a place that all
// receivers share, and write a key in the same transaction as its effect. Ignore an event that is
// older than what you have of the same action; see [WebhookEvent.Time].
//
// It is 32 hexadecimal digits, the first half of a SHA-256, and holds nothing personal: safe as a
// primary key, a job id, or in a log. It will stay the same in later versions of this package.
//
// It is made from what tells events apart and never changes on the way: the type, the ids of
// applicant, action, inspection, network and transaction, your own id of the action, and the time,
// which is CreatedAtMs, or else CreatedAt, or the text of either if its form is unknown.
// ReviewStatus, levels and results are left out, since the service may fill those in as they are
// when it sends, not as they were when it happened. CorrelationID counts only where there is no
// time at all: it belongs to the request that caused the event, and whether a second delivery keeps
// it is not documented. For an event with an id of yet another kind, add that id from Raw.
func (e *WebhookEvent) Key() string {
	// Every part carries its length, so that no value can pass for the end of one part and the
	// start of the next.
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
	if e.NetworkID != "" { // only there are events without any of the others
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
	case !at.IsZero(): // a form that nobody knows
		add("text")
		add(at.Text)
	default:
		add("correlation")
		add(e.CorrelationID)
	}
	sum := sha256.Sum256(buf)
	return hex.EncodeToString(sum[:16])
}

// Time returns when the event happened: CreatedAtMs, or CreatedAt when there is no CreatedAtMs or
// it is in an unknown form, or the zero time. Deliveries arrive out of order: keep the time of an
// event with the state that it has set, and ignore events that are older.
func (e *WebhookEvent) Time() time.Time {
	if !e.CreatedAtMs.Time.IsZero() {
		return e.CreatedAtMs.Time
	}
	return e.CreatedAt.Time
}

// A WebhookVerifier checks that webhooks come from the service. It is made by [NewWebhookVerifier],
// is safe for concurrent use, and prints without its secrets.
type WebhookVerifier struct {
	// Behind a pointer, and the secrets in closures behind that: fmt prints unexported fields
	// without asking.
	rules *webhookRules
}

// NewWebhookVerifier returns a verifier for webhooks signed with secret. That is the secret of the
// webhook, as it was set in the dashboard, and not the secret key of the app token.
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

// A WebhookOption sets up a [WebhookVerifier]. A bad value makes [NewWebhookVerifier] fail with
// [ErrInvalidArgument].
type WebhookOption func(*webhookSettings) error

// WithPreviousSecrets accepts deliveries that were signed with one of these secrets as well: while
// a secret is being rotated, the old one, until the last delivery signed with it has been repeated
// for the last time. Given twice, it adds.
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

// WithDigestAlgorithms names the algorithms that are accepted, instead of the default [HMACSHA256]
// and [HMACSHA512]. The sender chooses among these and no others, so the weakest one named here is
// what the receiver is worth. A delivery that names no algorithm uses HMACSHA256 if that is
// accepted, or else the only one that is accepted. Otherwise it is refused.
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

// WithMaxBodySize sets the size, in bytes, above which a body is refused; the default is 1 MiB.
// Nothing is allocated for a body that is declared larger, and of one that turns out larger no more
// than a byte above n is read.
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
// answer with 200. The error matches [ErrWebhookSignature], [ErrWebhookAlgorithm],
// [ErrWebhookTooLarge] or [ErrWebhookMalformed], wraps the error of the handler function or of
// reading the body, or says that the method is not POST. It shows nothing of the delivery, but the
// handler function's own words.
//
// The body of r can be read from its first byte. f is called before the answer is sent, so it must
// be fast. If f panics, the answer stays the same and the panic goes on, as one of the handler
// function does. Log the error where somebody sees it: if the secret is wrong, every delivery ends
// here.
func WithWebhookErrors(f func(r *http.Request, err error)) WebhookOption {
	return func(set *webhookSettings) error {
		if f == nil {
			return invalid("WithWebhookErrors", "has a nil function")
		}
		set.onError = f
		return nil
	}
}

// Verify checks the digest in header against body, which must be the bytes as they came: once
// decoded and encoded again, they never match. It is for bodies that something else has read;
// [WebhookVerifier.Parse] reads them itself.
//
// The error matches [ErrWebhookAlgorithm] when the algorithm is doubled, unknown or not allowed,
// and [ErrWebhookSignature] for anything else that is wrong with the digest. Its text says what,
// without a byte of body, header or secret, and is for your own log: the sender should be told 401
// and no more.
//
// The digest is compared in constant time and with every secret, also after one of them has
// matched.
func (v *WebhookVerifier) Verify(body []byte, header http.Header) error {
	rules, err := v.use()
	if err != nil {
		return err
	}
	declared := int64(0)
	if len(body) == 0 {
		length, _ := exchange.HeaderValue(header, "Content-Length")
		declared, _ = strconv.ParseInt(length, 10, 64) // none is 0
	}
	return rules.verify(body, header, declared)
}

// Parse reads the body of r, verifies it as [WebhookVerifier.Verify] does, and only then decodes
// it. Besides the errors of Verify and [ParseWebhook] there is [ErrWebhookTooLarge], before
// anything was read when the size is declared, and whatever error reading the body gave, wrapped. A
// limit that was put around the body by [http.MaxBytesReader] counts as ErrWebhookTooLarge too.
//
// Whatever the outcome, r.Body can be read from its first byte afterwards. The body that r came
// with is closed once it was read to its end, else when r.Body is closed.
func (v *WebhookVerifier) Parse(r *http.Request) (*WebhookEvent, error) {
	rules, err := v.use()
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, invalid("request", "is nil")
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

// Handler returns a handler that gives handle every event whose signature is good, of types that
// this package does not know too. It answers
//
//   - 405 to anything but POST,
//   - 413 to a body above the limit,
//   - 401 when the signature or its algorithm is refused,
//   - 400 when the body could not be read to its end or is no event,
//   - 500 when handle returned an error, so that the event is sent again,
//   - 200 otherwise,
//
// and no more than that. [WithWebhookErrors] tells you what was wrong.
//
// The service takes an answer later than 5 s for a failure: check the [WebhookEvent.Key], store or
// queue what is to be done, return. The context is the request's, and ends when the sender hangs
// up; what must go on after that needs [context.WithoutCancel]. A panic in handle is not caught, so
// it goes to the middleware around, or to net/http. Act on the Type: ReviewStatus may contradict
// it.
//
// Handler panics if handle is nil or v was not made by [NewWebhookVerifier]. The example tests a
// receiver in ten lines, with [SignWebhook].
func (v *WebhookVerifier) Handler(handle func(context.Context, *WebhookEvent) error) http.Handler {
	if _, err := v.use(); err != nil {
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
		defer http.Error(w, http.StatusText(status), status) // also when onError panics
		if v.rules.onError != nil {
			v.rules.onError(r, err)
		}
	})
}

// serve gives an event to handle. It returns the status of the answer, and what was wrong if it is
// not 200.
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

// SignWebhook returns the two headers with which the service would deliver body: X-Payload-Digest
// and X-Payload-Digest-Alg. It is for tests of a receiver, as in the example of
// [WebhookVerifier.Handler]; a receiver itself has nothing to sign. It panics if alg is not one of
// the constants.
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

// LogValue is String.
func (v WebhookVerifier) LogValue() slog.Value { return slog.StringValue(v.String()) }

// The two headers of a delivery. The digest is the HMAC of the body's bytes, in hex, and of nothing
// else: no header, no address, no time.
const (
	headerDigest    = "X-Payload-Digest"
	headerDigestAlg = "X-Payload-Digest-Alg"
)

// defaultMaxBodySize is a thousand times the usual webhook.
const defaultMaxBodySize = 1 << 20

// newHash returns the constructor of the hash inside, nil for an algorithm that nobody knows.
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
	unnamed     DigestAlgorithm            // of a delivery that names none, "" if it is refused
	allowed     map[DigestAlgorithm]*keyedhash.Set
}

// use returns the rules. There are none in a WebhookVerifier that NewWebhookVerifier did not make,
// and such a one accepts nothing.
func (v *WebhookVerifier) use() (*webhookRules, error) {
	if v == nil || v.rules == nil {
		return nil, invalid("WebhookVerifier", "was not made by NewWebhookVerifier")
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
	case !matches && len(body) == 0 && declared > 0:
		return fmt.Errorf("idngo: %w: the body was read before: verify it first, or give its bytes to Verify", ErrWebhookSignature)
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
	case err == exchange.ErrTooLarge && r.ContentLength > rules.maxBodySize: //nolint:errorlint // and not one of the body's own
		return nil, fmt.Errorf("idngo: %w: %d bytes declared", ErrWebhookTooLarge, r.ContentLength)
	case err == exchange.ErrTooLarge: //nolint:errorlint // likewise
		return nil, fmt.Errorf("idngo: %w", ErrWebhookTooLarge)
	case errors.As(err, &tooLarge):
		return nil, fmt.Errorf("idngo: %w: %w", ErrWebhookTooLarge, err)
	}
	return nil, fmt.Errorf("idngo: reading the webhook: %w", err)
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
