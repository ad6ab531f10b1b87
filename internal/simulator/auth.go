package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Verdict is the result of checking the three X-App headers of a request.
type Verdict string

// The verdicts. All but VerdictOK and VerdictUnsigned mean that the answer was 401.
const (
	VerdictOK        Verdict = "ok"
	VerdictUnsigned  Verdict = "unsigned"  // the page, or a fault before the body was read
	VerdictMissing   Verdict = "missing"   // 4006: a header is not there
	VerdictMalformed Verdict = "malformed" // 4005: a header is doubled, or the timestamp is not decimal digits
	VerdictToken     Verdict = "token"     // 4000, 4001, 4002: another app token
	VerdictTimestamp Verdict = "timestamp" // 4004: more than 60 s from the server's clock
	VerdictSignature Verdict = "signature" // 4003: signed something else, or with another key
)

// timeWindow is how far a timestamp may be from the server's clock.
const timeWindow = 60 * time.Second

var errBodyTooLarge = errors.New("body too large")

// signedBody hashes the body of a request while it is read. The signature covers timestamp, method,
// raw request URI and raw body, so it can be checked only after the last byte.
type signedBody struct {
	source io.Reader
	prefix string // the text that is signed before the body
	mac    hash.Hash
	sum    hash.Hash
	size   int64
	limit  int64
	err    error // the first error other than io.EOF
}

func (s *Server) newSignedBody(r *http.Request) *signedBody {
	b := &signedBody{
		source: r.Body,
		prefix: r.Header.Get("X-App-Access-Ts") + r.Method + requestTarget(r),
		mac:    hmac.New(sha256.New, []byte(s.cfg.SecretKey)),
		sum:    sha256.New(),
		limit:  s.cfg.Limits.RequestBody,
	}
	if b.source == nil {
		b.source = http.NoBody
	}
	_, _ = io.WriteString(b.mac, b.prefix) // a hash never fails
	return b
}

// Read reads from the body and hashes what it returns.
func (b *signedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.source.Read(p)
	b.mac.Write(p[:n])
	b.sum.Write(p[:n])
	if b.size += int64(n); b.size > b.limit {
		err = errBodyTooLarge
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// drain reads and hashes the rest of the body. An error is kept in err.
func (b *signedBody) drain() { _, _ = io.Copy(io.Discard, b) }

// stringToSign returns the string to sign. The length and SHA-256 of the body stand for
// the body, which may hold personal data.
func (b *signedBody) stringToSign() string {
	if b.size == 0 {
		return b.prefix
	}
	return fmt.Sprintf("%s<body: %d bytes, SHA-256 %x>", b.prefix, b.size, b.sum.Sum(nil))
}

// authorize checks the three headers of a request whose body was read to its end. The
// reply is nil if they are right.
func (s *Server) authorize(r *http.Request, b *signedBody) (Verdict, *reply) {
	for _, name := range []string{"X-App-Token", "X-App-Access-Sig", "X-App-Access-Ts"} {
		switch values := r.Header.Values(name); {
		case len(values) > 1:
			return VerdictMalformed, unauthorized(4005, "invalid-auth-values", "Header "+name+" is given more than once")
		case len(values) == 0 || values[0] == "":
			return VerdictMissing, unauthorized(4006, "not-all-auth-parameters", "Header "+name+" is missing")
		}
	}
	if refused := s.checkToken(r.Header.Get("X-App-Token")); refused != nil {
		return VerdictToken, refused
	}
	stamp := r.Header.Get("X-App-Access-Ts")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || strings.Trim(stamp, "0123456789") != "" {
		return VerdictMalformed, unauthorized(4005, "invalid-auth-values", "X-App-Access-Ts is not a number of seconds")
	}
	// The difference is in seconds, since a stamp in milliseconds would overflow a Duration.
	if away := seconds - s.now().Unix(); away > int64(timeWindow/time.Second) || away < -int64(timeWindow/time.Second) {
		return VerdictTimestamp, unauthorized(4004, "app-token-timestamp-expired", "Request timestamp is too far from the server's time")
	}
	want := hex.EncodeToString(b.mac.Sum(nil))
	if !hmac.Equal([]byte(want), []byte(r.Header.Get("X-App-Access-Sig"))) {
		return VerdictSignature, unauthorized(4003, "app-token-signature mismatch", "Request signature mismatch")
	}
	return VerdictOK, nil
}

// explainSignature returns how a wrong signature was made, if that is a usual mistake, or
// "". Uploads are not kept, so for them it finds only mistakes that leave out the body.
func (s *Server) explainSignature(r *http.Request, c *call) string {
	given := strings.TrimSpace(r.Header.Get("X-App-Access-Sig"))
	stamp, target, body := r.Header.Get("X-App-Access-Ts"), requestTarget(r), string(c.body)
	path, _, _ := strings.Cut(target, "?")
	decoded, _ := url.PathUnescape(target)
	withoutPrefix := strings.TrimPrefix(target, s.cfg.PathPrefix)
	for _, mistake := range []struct{ text, signed string }{
		{"it is the right one, but not in lowercase hex", stamp + r.Method + target + body},
		{"it was made without the body", stamp + r.Method + target},
		{"it was made without the query", stamp + r.Method + path + body},
		{"it was made without query and body", stamp + r.Method + path},
		{"it was made with the method in lowercase", stamp + strings.ToLower(r.Method) + target + body},
		{"it was made without the method", stamp + target + body},
		{"it was made without the timestamp", r.Method + target + body},
		{"it was made over the unescaped target", stamp + r.Method + decoded + body},
		{"it was made with + for a space, where the target has %20", stamp + r.Method + strings.ReplaceAll(target, "%20", "+") + body},
		{"it was made with %20 for a space, where the target has +", stamp + r.Method + strings.ReplaceAll(target, "+", "%20") + body},
		{"it was made with the host", stamp + r.Method + r.Host + target + body},
		{"it was made with scheme and host", stamp + r.Method + "http://" + r.Host + target + body},
		{"it was made without the path prefix", stamp + r.Method + withoutPrefix + body},
		{"it was made without the leading slash", stamp + r.Method + strings.TrimPrefix(target, "/") + body},
		{"it was made with {} as the body of a request without one", stamp + r.Method + target + "{}"},
	} {
		mac := hmac.New(sha256.New, []byte(s.cfg.SecretKey))
		_, _ = io.WriteString(mac, mistake.signed) // a hash never fails
		sum := mac.Sum(nil)
		inBase64 := given == base64.StdEncoding.EncodeToString(sum)
		if inBase64 || strings.EqualFold(given, hex.EncodeToString(sum)) {
			return "the signature is wrong: " + mistake.text
		}
	}
	return ""
}

// splitToken returns the public and the private part of an app token of the form
// prefix:public.private.
func splitToken(token string) (public, private string, ok bool) {
	if prefix, rest, found := strings.Cut(token, ":"); found {
		if prefix == "" || strings.Trim(prefix, lower) != "" {
			return "", "", false
		}
		token = rest
	}
	public, private, ok = strings.Cut(token, ".")
	return public, private, ok && public != "" && private != "" && !strings.ContainsAny(public+private, ".:")
}

// checkToken returns one of three refusals for a wrong app token, or nil.
func (s *Server) checkToken(token string) *reply {
	if token == s.cfg.AppToken {
		return nil
	}
	public, private, ok := splitToken(token)
	ownPublic, ownPrivate, ownOK := splitToken(s.cfg.AppToken)
	switch {
	case !ok:
		return unauthorized(4000, "app-token-invalid-format", "Invalid format of the app token")
	case ownOK && public == ownPublic && private != ownPrivate:
		return unauthorized(4002, "app-token-private-part-mismatch", "Private part of the app token mismatch")
	default:
		return unauthorized(4001, "app-token-not-found", "App token is not found in this environment")
	}
}

// requestTarget returns the request URI as it was on the wire. A request that no server has read
// has none. For it the URI is the one that a client would send.
func requestTarget(r *http.Request) string {
	if r.RequestURI != "" {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}
