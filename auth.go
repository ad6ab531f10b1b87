package idngo

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/idngo-go/idngo/internal/exchange"
	"github.com/idngo-go/idngo/internal/redact"
)

// Secret is a text that must not be shown: an app token, a secret key, a webhook secret. fmt, slog
// and encoding/json print it as [redacted]. The conversion string(s) returns the text itself.
//
// fmt prints the unexported fields of a struct without calling their methods. Keep a Secret of your
// own in an exported field, or behind a pointer. A Secret is still shown by %p, by %w, and as the
// key of a JSON map. go vet reports the first two.
type Secret string

// String returns [redacted].
func (Secret) String() string { return redacted }

// Format writes [redacted] for every verb and flag.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns [redacted].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns [redacted], which JSON and XML then show.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

const redacted = redact.Mark

// Credentials are an app token and its secret key, both from the "Dev space" of the dashboard.
// Sandbox and production have their own pairs. The token decides which environment answers.
type Credentials struct {
	// AppToken goes into the X-App-Token header of every request.
	AppToken Secret
	// SecretKey is the key of the signature. The text itself is the key: it is not decoded from hex
	// or base64. It never leaves the machine.
	SecretKey Secret
}

// Signer signs requests as IDnGO requires it. A [Client] has one of its own. Use a Signer with
// another HTTP client or, with Verify, in a fake of the service. It is safe for concurrent use and
// prints no secret.
//
// The signature is the HMAC-SHA256, keyed with the secret key and written in lower-case hexadecimal
// digits, of
//
//	timestamp + METHOD + request URI + body
//
// The timestamp is in Unix seconds. The request URI begins with the leading slash, includes the
// query, and is exactly what is sent. The body includes every byte, also multipart boundaries.
type Signer struct {
	state *signerState // behind a pointer: fmt prints no fields of it
}

type signerState struct {
	creds  Credentials
	signer *exchange.Signer
}

// NewSigner returns a Signer. It returns [ErrInvalidArgument], naming the field, for a token or key
// that is empty or has quotes, spaces or line breaks around it. It also refuses a key that the Go
// runtime refuses in FIPS 140-only mode.
func NewSigner(creds Credentials) (*Signer, error) {
	err := checkArguments("NewSigner", checkCredential("AppToken", creds.AppToken), checkCredential("SecretKey", creds.SecretKey))
	if err != nil {
		return nil, err
	}
	signer, err := exchange.NewSigner(string(creds.AppToken), []byte(creds.SecretKey))
	if err != nil {
		return nil, checkArguments("NewSigner", invalid("SecretKey", "is refused by the Go runtime (FIPS 140-only mode)"))
	}
	return &Signer{state: &signerState{creds: creds, signer: signer}}, nil
}

// Sign sets the three signing headers of req for the time at: X-App-Token, X-App-Access-Ts and
// X-App-Access-Sig. Call it last: a later change of the URL, the method or the body breaks the
// signature. The service accepts it within 60 seconds of that time, before or after.
//
// Sign reads the body through GetBody, which [http.NewRequest] sets for the readers of bytes and
// strings. It does not read req.Body. It returns [ErrInvalidArgument] for a request with a body and
// without GetBody.
func (s *Signer) Sign(req *http.Request, at time.Time) error {
	if err := s.check("Sign", req); err != nil {
		return err
	}
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return checkArguments("Sign", invalid("req", "has a body but no GetBody, so that it cannot be both signed and sent"))
	}
	if err := s.state.signer.Sign(req, at); err != nil {
		return methodError("Sign", "reading the body", err)
	}
	return nil
}

// Verify checks the signature and the timestamp of a request. It is for fakes of the service in
// tests: the request is one that an [http.Server] has received, or one that a RoundTripper is about
// to answer. It returns nil, [ErrSignatureMismatch] (wrong or missing token, timestamp or
// signature) or [ErrTimestampExpired] (over 60 seconds before or after the time now). The body
// stays readable.
//
// Without GetBody the body is kept in memory. If it is larger than 128 MiB, Verify returns
// [ErrSignatureMismatch].
func (s *Signer) Verify(req *http.Request, now time.Time) error {
	if err := s.check("Verify", req); err != nil {
		return err
	}
	token, stamp, signature := req.Header[exchange.HeaderToken], req.Header[exchange.HeaderStamp], req.Header[exchange.HeaderSignature]
	if len(token) != 1 || len(stamp) != 1 || len(signature) != 1 {
		return fmt.Errorf("idngo: Verify: %w: each of the three signing headers is needed once", ErrSignatureMismatch)
	}
	seconds, err := strconv.ParseInt(stamp[0], 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != stamp[0] {
		return fmt.Errorf("idngo: Verify: %w: the timestamp is not a number of seconds", ErrSignatureMismatch)
	}
	body, err := openBody(req)
	if err != nil {
		return methodError("Verify", "", ErrSignatureMismatch, fmt.Errorf("reading the body: %w", err))
	}
	defer body.Close()
	want, err := s.state.signer.Digest(stamp[0], exchange.Method(req), requestURI(req), body)
	if err != nil {
		return methodError("Verify", "", ErrSignatureMismatch, fmt.Errorf("reading the body: %w", err))
	}
	if !hmac.Equal([]byte(signature[0]), want) || !hmac.Equal([]byte(token[0]), []byte(s.state.creds.AppToken)) {
		return fmt.Errorf("idngo: Verify: %w", ErrSignatureMismatch)
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > stampWindow || age < -stampWindow {
		return fmt.Errorf("idngo: Verify: %w: it is %v from the clock", ErrTimestampExpired, age.Round(time.Second).Abs())
	}
	return nil
}

// StringToSign returns a printable form of the text that is signed for req at the time at. Compare
// it with what the other side has signed. It has the length and the SHA-256 of the body instead of
// the body; without a body it ends after the URI. Do not log the text: the query in it may have
// ids. It returns [ErrInvalidArgument] for a nil request or one without a URL, or the error of
// reading the body. Without GetBody the body may have 128 MiB at most.
func (s *Signer) StringToSign(req *http.Request, at time.Time) (string, error) {
	if err := s.check("StringToSign", req); err != nil {
		return "", err
	}
	text := strconv.FormatInt(at.Unix(), 10) + exchange.Method(req) + requestURI(req)
	body, err := openBody(req)
	if err != nil {
		return "", methodError("StringToSign", "reading the body", err)
	}
	defer body.Close()
	hash := sha256.New()
	size, err := exchange.Copy(hash, body)
	if err != nil {
		return "", methodError("StringToSign", "reading the body", err)
	}
	if size > 0 {
		text += fmt.Sprintf("<body: %d bytes, SHA-256 %x>", size, hash.Sum(nil))
	}
	return text, nil
}

// String returns the name of the type.
func (Signer) String() string { return "idngo.Signer" }

// Format writes String for every verb and flag.
func (s Signer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue returns String.
func (s Signer) LogValue() slog.Value { return slog.StringValue(s.String()) }

// CheckCredentials returns nil if the service accepts the app token and the signature. Call it at
// start-up. It makes a GetAction for an action that cannot exist, and expects a 404 in the
// service's JSON form, or a 2xx. If the service refuses the timestamp, the client corrects its
// clock; see [WithClock].
//
// Its errors say what to do:
//
//   - [ErrUnauthorized] for an app token that is mistyped, deactivated, unknown, or of the other
//     environment (codes 4000 to 4002),
//   - [ErrSignatureMismatch] for a wrong secret key, or that of another token,
//   - [ErrTimestampExpired] for a clock that could not be corrected,
//   - [ErrForbidden] for a missing permission,
//   - [ErrServer] for an answer with 5xx.
//
// A web page, or a 404 in another form, is an error too: another server has answered. Check the
// base URL.
func (c *Client) CheckCredentials(ctx context.Context, opts ...RequestOption) error {
	const method = "CheckCredentials"
	_, _, err := c.fetchAction(ctx, "000000000000000000000000", append(slices.Clone(opts), calledBy(method)))
	if err == nil || errors.Is(err, ErrInvalidArgument) || errors.Is(err, context.Canceled) {
		return err
	}
	var api *APIError
	if errors.As(err, &api) && api.StatusCode == http.StatusNotFound && api.documented {
		return nil
	}
	return methodError(method, credentialsAdvice(err, api), err)
}

// errUnusable marks the error of a 2xx that cannot be used.
var errUnusable = errors.New("unusable answer")

// credentialsAdvice returns the advice for an error of CheckCredentials. api is nil if there was no
// answer other than 2xx.
func credentialsAdvice(err error, api *APIError) string {
	const notTheService = "something other than the service answered: check the base URL"
	switch {
	case errors.Is(err, errUnusable), errors.Is(err, ErrResponseTooLarge):
		return notTheService
	case api == nil:
		return "the service cannot be reached: check the network and the base URL"
	case errors.Is(api, ErrServer), errors.Is(api, ErrRateLimited), api.StatusCode == http.StatusRequestTimeout:
		return "the service does not answer now: check again later"
	case api.html:
		return notTheService
	case errors.Is(api, ErrSignatureMismatch):
		return "the secret key does not belong to the app token, or a proxy changes requests"
	case errors.Is(api, ErrTimestampExpired):
		return "the clock of this machine is wrong: set it"
	case errors.Is(api, ErrUnauthorized):
		return "the service does not know the app token: copy the token and its key from the dashboard of the right environment again"
	case errors.Is(api, ErrForbidden):
		return "the app token lacks a permission: compare its permissions in the dashboard"
	}
	return notTheService
}

// AccessTokenParams are the arguments of [Client.CreateAccessToken].
type AccessTokenParams struct {
	// UserID is your own id of the applicant (externalUserId elsewhere in the API). Required.
	UserID string
	// ExternalActionID is your own id of the action that the SDK works on. If it is empty, the SDK
	// works on the applicant's main verification.
	ExternalActionID string
	// LevelName is the name of the level in the dashboard. Capitals count. Required.
	LevelName string
	// TTL is the lifetime of the token in whole seconds, from 1 s. 0 means 10 minutes. It is always
	// sent, since the vendor's pages disagree on the default.
	TTL time.Duration
}

// AccessToken lets a WebSDK or mobile SDK open the verification of one user. fmt and slog print it
// redacted. Its JSON shows the token, which an app needs. Take care with a struct that has one in a
// field: encoding/json and slog's JSON handler print the token.
type AccessToken struct {
	// Token is the token itself, for the SDK.
	Token string `json:"token"`
	// UserID is your id of the user, from the answer or else from the request.
	UserID string `json:"userId"`
	// ExternalActionID is your id of the action, from the answer or else from the request.
	ExternalActionID string `json:"externalActionId,omitzero"`
	// ExpiresAt is the time of the call plus the TTL, by the corrected clock of [WithClock]. The
	// service does not report it.
	ExpiresAt time.Time `json:"expiresAt"`
}

// CreateAccessToken creates a token for a WebSDK or mobile SDK:
//
//	POST /resources/accessTokens?userId=&externalActionId=&levelName=&ttlInSecs=
//
// It is idempotent. Errors: [ErrInvalidArgument], [*APIError].
func (c *Client) CreateAccessToken(ctx context.Context, p AccessTokenParams, opts ...RequestOption) (*AccessToken, error) {
	if p.TTL == 0 {
		p.TTL = defaultTokenTTL
	}
	ttl, problem := wholeSeconds(p.TTL)
	query := exchange.EncodeQuery(
		"externalActionId", p.ExternalActionID, "levelName", p.LevelName, "ttlInSecs", strconv.FormatInt(ttl, 10), "userId", p.UserID,
	)
	if err := checkArguments(opCreateAccessToken, c.check()); err != nil {
		return nil, err
	}
	sent := c.clock.Local()
	answer := new(tokenAnswer)
	err := c.call(ctx, &request{
		operation: opCreateAccessToken, method: http.MethodPost, path: "/resources/accessTokens", query: query, idempotent: true,
		arguments: []argument{{"UserID", p.UserID, elsewhere}, {"LevelName", p.LevelName, elsewhere}}, problem: problem,
	}, answer, opts)
	if err != nil {
		return nil, err
	}
	return &AccessToken{
		Token:            answer.Token,
		UserID:           cmp.Or(answer.UserID, p.UserID),
		ExternalActionID: cmp.Or(answer.ExternalActionID, p.ExternalActionID),
		ExpiresAt:        sent.Add(c.clock.Offset()).Add(p.TTL),
	}, nil
}

// tokenAnswer is the answer of the service. IDnGO documents no expiry in it.
type tokenAnswer struct {
	Token            string `json:"token"`
	UserID           string `json:"userId"`
	ExternalActionID string `json:"externalActionId"`
}

func (t *tokenAnswer) usable() bool { return t.Token != "" }

// String returns the type and the expiry without the token.
func (t AccessToken) String() string {
	return "idngo.AccessToken{" + redacted + ", expires " + t.ExpiresAt.UTC().Format(time.RFC3339) + "}"
}

// Format writes String for every verb and flag.
func (t AccessToken) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue returns String.
func (t AccessToken) LogValue() slog.Value { return slog.StringValue(t.String()) }

const (
	stampWindow     = time.Minute // the service accepts this much in both directions
	defaultTokenTTL = 10 * time.Minute
	maxVerifyBody   = 128 << 20
)

func checkCredential(name string, value Secret) error {
	text := string(value)
	switch {
	case text == "":
		return invalid(name, "is empty")
	case text == redacted:
		return invalid(name, "is the text that a secret prints as, not the secret")
	case strings.TrimSpace(text) != text:
		return invalid(name, "has spaces or line breaks around it")
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return invalid(name, "has control characters in it")
	case len(text) > 1 && (text[0] == '"' || text[0] == '\'') && text[len(text)-1] == text[0]:
		return invalid(name, "has quotes around it")
	}
	return nil
}

func (s *Signer) check(method string, req *http.Request) error {
	if s == nil || s.state == nil {
		return checkArguments(method, invalid("Signer", "was not made by NewSigner"))
	}
	if req == nil || req.URL == nil {
		return checkArguments(method, invalid("req", "is nil or has no URL"))
	}
	return nil
}

// openBody returns the body of req for reading once, and leaves it readable.
func openBody(req *http.Request) (io.ReadCloser, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return http.NoBody, nil
	}
	if req.GetBody != nil {
		return req.GetBody()
	}
	original := req.Body
	kept, err := io.ReadAll(io.LimitReader(original, maxVerifyBody+1))
	req.Body = exchange.Replay(kept, original, original)
	if err != nil {
		return nil, err
	}
	if len(kept) > maxVerifyBody {
		return nil, errors.New("it is larger than 128 MiB")
	}
	return io.NopCloser(bytes.NewReader(kept)), nil
}

// requestURI returns the request URI as it came over the wire if that is known, else as net/http
// will send it.
func requestURI(req *http.Request) string {
	if req.RequestURI != "" {
		return req.RequestURI
	}
	return req.URL.RequestURI()
}

func wholeSeconds(ttl time.Duration) (int64, error) {
	switch {
	case ttl < 0:
		return 0, invalid("TTL", "is negative")
	case ttl > 0 && ttl < time.Second:
		return 0, invalid("TTL", "is below a second")
	case ttl%time.Second != 0:
		return 0, invalid("TTL", "is not a whole number of seconds")
	}
	return int64(ttl / time.Second), nil
}

// redact removes the values that a call has sent from texts; see APIError. It reads everything that
// was sent, unless the texts are those of the attempt before.
func (c *Client) redact(r *request, texts ...string) []string {
	if slices.Equal(texts, r.redacted.texts) {
		return slices.Clone(r.redacted.clean)
	}
	redactor := redact.New(texts...)
	for _, a := range r.arguments {
		redactor.Value(a.value)
	}
	if r.operation == opDo {
		redactor.Path(r.path)
	}
	redactor.Form(r.query)
	redactor.Headers(r.options.header)
	redactor.Values(string(c.signer.state.creds.AppToken), string(c.signer.state.creds.SecretKey))
	redactor.Values(r.sentTexts...)
	if len(r.keyed) != len(r.body) { // otherwise keyed is the body
		redactor.Body(r.body)
	}
	redactor.Encoded(r.keyed, r.keys)
	r.redacted.texts, r.redacted.clean = texts, redactor.Texts()
	return slices.Clone(r.redacted.clean)
}

// remember keeps the signature and the timestamp of a request that was sent, which no text about
// the call may show. sent may be nil.
func (r *request) remember(sent *http.Request) {
	if sent != nil {
		r.sentTexts = append(r.sentTexts, sent.Header.Get(exchange.HeaderSignature), sent.Header.Get(exchange.HeaderStamp))
	}
}

// shortly returns err with the text of the context's own error if the context has ended. err may be
// the cause of the context, which may have any text.
func shortly(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return redact.Reword(err, ctx.Err().Error())
}
