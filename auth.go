package idngo

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Secret is a text that must not be shown: an app token, a signing key, a
// webhook secret. It prints as [redacted] under every verb of fmt, in slog and
// in JSON; a conversion, string(s), gives the text itself.
//
// fmt reads unexported fields of a struct without asking their type: a Secret
// in an unexported field of your own struct is printed as it is. Keep it in an
// exported field, or behind a pointer. Nor does fmt ask for %p and a misplaced
// %w, which go vet reports, or encoding/json for the key of a map.
type Secret string

// String returns [redacted].
func (Secret) String() string { return redacted }

// GoString returns [redacted], for %#v.
func (Secret) GoString() string { return redacted }

// Format writes [redacted] for every verb and flag.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is [redacted].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns [redacted], so that JSON and XML show no more than a log.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

const redacted = "[redacted]"

// Credentials are an app token and its secret key, both from the dashboard's
// "Dev space". Sandbox and production have their own pairs; the token decides
// which environment answers.
type Credentials struct {
	// AppToken goes into the X-App-Token header of every request.
	AppToken Secret
	// SecretKey keys the signature, as the text that it is: it is neither
	// decoded from hex nor from base64. It never leaves the machine.
	SecretKey Secret
}

// Signer signs requests as IDnGO asks for it. [Client] has one of its own; a
// Signer by itself serves other HTTP clients and, through Verify, fakes of the
// service in tests. It is safe for concurrent use and prints no secret.
//
// The signature is the lower-case hex HMAC-SHA256, keyed with the secret key, of
//
//	timestamp + METHOD + request URI + body
//
// with the timestamp in Unix seconds, the request URI from the leading slash on,
// query included, exactly as it is sent, and every byte of the body, multipart
// boundaries too.
type Signer struct {
	state *signerState // behind a pointer: fmt prints no fields of it
}

type signerState struct {
	token string
	key   []byte
	macs  sync.Pool // of *mac
}

// mac is a keyed hash that is used again: keying costs more than hashing a
// small request.
type mac struct {
	hash.Hash
	buf   []byte // what is hashed before the body
	sum   [sha256.Size]byte
	piece [256]byte
}

// NewSigner makes a Signer. It returns [ErrInvalidArgument], naming the field,
// for an empty token or key and for one with spaces or line breaks around it.
func NewSigner(creds Credentials) (*Signer, error) {
	if err := checkCredential("AppToken", creds.AppToken); err != nil {
		return nil, err
	}
	if err := checkCredential("SecretKey", creds.SecretKey); err != nil {
		return nil, err
	}
	s := &signerState{token: string(creds.AppToken), key: []byte(creds.SecretKey)}
	s.macs.New = func() any {
		return &mac{Hash: hmac.New(sha256.New, s.key), buf: make([]byte, 0, 256)}
	}
	return &Signer{state: s}, nil
}

// Sign sets the three signing headers of req for the time at: X-App-Token,
// X-App-Access-Ts and X-App-Access-Sig. Call it last: whatever changes the URL,
// the method or the body afterwards breaks the signature. It is valid for 60
// seconds.
//
// A body is read through GetBody, which [http.NewRequest] sets for the readers
// of bytes and strings; req.Body itself is left alone. A request with a body and
// without GetBody is an [ErrInvalidArgument].
func (s *Signer) Sign(req *http.Request, at time.Time) error {
	if err := s.check(req); err != nil {
		return err
	}
	m := s.state.get()
	defer s.state.put(m)
	stamp := m.start(req, at)
	if req.Body != nil && req.Body != http.NoBody {
		if req.GetBody == nil {
			return invalid("req", "has a body but no GetBody, so that it cannot be both signed and sent")
		}
		body, err := req.GetBody()
		if err != nil {
			return fmt.Errorf("idngo: sign: %w", err)
		}
		if err := m.read(body); err != nil {
			return fmt.Errorf("idngo: sign: %w", err)
		}
	}
	s.state.setHeaders(req, m, stamp)
	return nil
}

// Verify checks the signature and the timestamp of a request, for fakes of the
// service in tests: of one that an [http.Server] has received, or of one that a
// RoundTripper is about to answer. It returns nil, [ErrSignatureMismatch]
// (wrong or missing token, timestamp or signature) or [ErrTimestampExpired]
// (more than 60 seconds from now), and leaves the body readable.
//
// Without GetBody the body is kept in memory, 128 MiB at most.
func (s *Signer) Verify(req *http.Request, now time.Time) error {
	if err := s.check(req); err != nil {
		return err
	}
	token, stamp, signature := req.Header[headerToken], req.Header[headerStamp], req.Header[headerSignature]
	if len(token) != 1 || len(stamp) != 1 || len(signature) != 1 {
		return fmt.Errorf("idngo: %w: each of the three signing headers is needed once", ErrSignatureMismatch)
	}
	seconds, err := strconv.ParseInt(stamp[0], 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != stamp[0] {
		return fmt.Errorf("idngo: %w: the timestamp is not a number of seconds", ErrSignatureMismatch)
	}
	m := s.state.get()
	defer s.state.put(m)
	m.begin(stamp[0], req.Method, requestURI(req))
	if err := m.readBody(req); err != nil {
		return fmt.Errorf("idngo: %w: reading the body: %w", ErrSignatureMismatch, err)
	}
	var want [2 * sha256.Size]byte
	hex.Encode(want[:], m.Sum(m.sum[:0]))
	if !hmac.Equal([]byte(signature[0]), want[:]) || !hmac.Equal([]byte(token[0]), []byte(s.state.token)) {
		return fmt.Errorf("idngo: %w", ErrSignatureMismatch)
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > stampWindow || age < -stampWindow {
		return fmt.Errorf("idngo: %w: it is %v from the clock", ErrTimestampExpired, age.Round(time.Second).Abs())
	}
	return nil
}

// StringToSign is the text whose HMAC is the signature of req at the time at,
// to lay beside what the other side has signed. In place of a body stand its
// length and SHA-256; after a timestamp, a method and a URI without body
// nothing follows. The URI shows its query: mind where you print it.
func (s *Signer) StringToSign(req *http.Request, at time.Time) (string, error) {
	if err := s.check(req); err != nil {
		return "", err
	}
	text := strconv.FormatInt(at.Unix(), 10) + method(req) + requestURI(req)
	sum := mac{Hash: sha256.New()}
	counted := &countingHash{Hash: sum.Hash}
	sum.Hash = counted
	if err := sum.readBody(req); err != nil {
		return "", fmt.Errorf("idngo: string to sign: %w", err)
	}
	if counted.n > 0 {
		text += fmt.Sprintf("<body: %d bytes, SHA-256 %x>", counted.n, sum.Sum(nil))
	}
	return text, nil
}

// String names the type and nothing else.
func (Signer) String() string { return "idngo.Signer" }

// GoString is String, for %#v.
func (s Signer) GoString() string { return s.String() }

// Format writes String for every verb and flag.
func (s Signer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is String.
func (s Signer) LogValue() slog.Value { return slog.StringValue(s.String()) }

// AccessTokenParams say for whom an access token is and what it opens.
type AccessTokenParams struct {
	// UserID is your own id of the applicant (externalUserId elsewhere in the
	// API). Required.
	UserID string
	// ExternalActionID is your own id of the action. The SDK that gets the
	// token works on that action; without it, on the applicant's main
	// verification.
	ExternalActionID string
	// LevelName is the level as the dashboard names it, case included. Required.
	LevelName string
	// TTL is how long the token lives, in whole seconds; 0 means 10 minutes. It
	// is always sent, since the vendor's pages disagree on the default.
	TTL time.Duration
}

// AccessToken opens one user's verification to a WebSDK or mobile SDK. It
// prints redacted in fmt and slog; its JSON is whole, since a token is made to
// be handed to an app.
type AccessToken struct {
	Token string `json:"token"`
	// UserID and ExternalActionID are the answer's, or what was asked for when
	// the answer leaves them out.
	UserID           string `json:"userId"`
	ExternalActionID string `json:"externalActionId,omitzero"`
	// ExpiresAt is computed on this side: the time of the call plus the TTL.
	ExpiresAt time.Time `json:"expiresAt"`
}

// CreateAccessToken makes a token for a WebSDK or mobile SDK:
//
//	POST /resources/accessTokens?userId=&externalActionId=&levelName=&ttlInSecs=
//
// It is repeatable. Errors: [ErrInvalidArgument], [*APIError].
func (c *Client) CreateAccessToken(ctx context.Context, p AccessTokenParams, opts ...RequestOption) (*AccessToken, error) {
	if p.TTL == 0 {
		p.TTL = defaultTokenTTL
	}
	ttl, err := wholeSeconds(p.TTL)
	if err := errors.Join(required("UserID", p.UserID), required("LevelName", p.LevelName), err); err != nil {
		return nil, err
	}
	query := encodeQuery(struct {
		UserID           string `url:"userId"`
		ExternalActionID string `url:"externalActionId,omitempty"`
		LevelName        string `url:"levelName"`
		TTL              int64  `url:"ttlInSecs"`
	}{p.UserID, p.ExternalActionID, p.LevelName, ttl})
	sent := c.clock()
	answer := new(tokenAnswer)
	err = c.call(ctx, &call{
		operation: opCreateAccessToken, method: http.MethodPost, path: "/resources/accessTokens", query: query,
		usable: func() bool { return answer.Token != "" },
	}, answer, opts)
	if err != nil {
		return nil, err
	}
	token := &AccessToken{Token: answer.Token, UserID: answer.UserID, ExternalActionID: answer.ExternalActionID, ExpiresAt: sent.Add(p.TTL)}
	if token.UserID == "" {
		token.UserID = p.UserID
	}
	if token.ExternalActionID == "" {
		token.ExternalActionID = p.ExternalActionID
	}
	return token, nil
}

// tokenAnswer is what the service says of a token. An expiry of its own, should
// it send one, is in no documented form.
type tokenAnswer struct {
	Token            string `json:"token"`
	UserID           string `json:"userId"`
	ExternalActionID string `json:"externalActionId"`
}

// String names the type and the expiry, not the token.
func (t AccessToken) String() string {
	return "idngo.AccessToken{" + redacted + ", expires " + t.ExpiresAt.UTC().Format(time.RFC3339) + "}"
}

// GoString is String, for %#v.
func (t AccessToken) GoString() string { return t.String() }

// Format writes String for every verb and flag.
func (t AccessToken) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue is String.
func (t AccessToken) LogValue() slog.Value { return slog.StringValue(t.String()) }

const (
	headerToken     = "X-App-Token"
	headerStamp     = "X-App-Access-Ts"
	headerSignature = "X-App-Access-Sig"

	stampWindow     = time.Minute // the service's, both ways
	defaultTokenTTL = 10 * time.Minute
	maxVerifyBody   = 128 << 20
)

func checkCredential(name string, value Secret) error {
	switch s := string(value); {
	case s == "":
		return invalid(name, "is empty")
	case strings.TrimSpace(s) != s:
		return invalid(name, "has spaces or line breaks around it")
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return invalid(name, "has control characters in it")
	}
	return nil
}

func (s *Signer) check(req *http.Request) error {
	if s == nil || s.state == nil {
		return invalid("Signer", "was not made by NewSigner")
	}
	if req == nil || req.URL == nil {
		return invalid("req", "is nil or has no URL")
	}
	return nil
}

// signBytes is Sign for a body that is at hand.
func (s *Signer) signBytes(req *http.Request, at time.Time, body []byte) {
	m := s.state.get()
	defer s.state.put(m)
	stamp := m.start(req, at)
	_, _ = m.Write(body)
	s.state.setHeaders(req, m, stamp)
}

func (s *signerState) get() *mac  { return s.macs.Get().(*mac) }
func (s *signerState) put(m *mac) { s.macs.Put(m) }

// setHeaders finishes the sum and sets the three headers. Their values share
// one string and one slice, so that signing costs two allocations.
func (s *signerState) setHeaders(req *http.Request, m *mac, stampLen int) {
	text := hex.AppendEncode(m.buf[:stampLen], m.Sum(m.sum[:0]))
	m.buf = text[:0]
	both := string(text)
	values := [...]string{s.token, both[:stampLen], both[stampLen:]}
	if req.Header == nil {
		req.Header = make(http.Header, 3)
	}
	// The full slice expressions keep an append to one from reaching the next.
	req.Header[headerToken] = values[0:1:1]
	req.Header[headerStamp] = values[1:2:2]
	req.Header[headerSignature] = values[2:3:3]
}

// start hashes what comes before the body: the timestamp, the method and the
// request URI. It gives the length of the timestamp, which stays in m.buf.
func (m *mac) start(req *http.Request, at time.Time) int {
	m.buf = strconv.AppendInt(m.buf[:0], at.Unix(), 10)
	stamp := len(m.buf)
	m.buf = append(m.buf, method(req)...)
	m.buf = appendRequestURI(m.buf, req.URL)
	m.Reset()
	_, _ = m.Write(m.buf)
	return stamp
}

func (m *mac) begin(stamp, method, uri string) {
	m.buf = append(append(append(m.buf[:0], stamp...), method...), uri...)
	m.Reset()
	_, _ = m.Write(m.buf)
}

// appendRequestURI appends u.RequestURI() without building it first.
func appendRequestURI(dst []byte, u *url.URL) []byte {
	if u.Opaque != "" {
		return append(dst, u.RequestURI()...)
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	dst = append(dst, path...)
	if u.ForceQuery || u.RawQuery != "" {
		dst = append(append(dst, '?'), u.RawQuery...)
	}
	return dst
}

// readBody hashes the body of req and leaves it readable.
func (m *mac) readBody(req *http.Request) error {
	if req.Body == nil || req.Body == http.NoBody {
		return nil
	}
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return err
		}
		return m.read(body)
	}
	original := req.Body
	kept, err := io.ReadAll(io.LimitReader(original, maxVerifyBody+1))
	req.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(kept), original), original}
	if err != nil {
		return err
	}
	if len(kept) > maxVerifyBody {
		return errors.New("it is larger than 128 MiB")
	}
	_, _ = m.Write(kept)
	return nil
}

func (m *mac) read(body io.ReadCloser) error {
	buf := copyBuffers.Get().(*[copyBufferSize]byte)
	defer copyBuffers.Put(buf)
	_, err := io.CopyBuffer(m, body, buf[:])
	return errors.Join(err, body.Close())
}

// WriteString spares the copy of a whole string that Write would need: a
// strings.Reader hands itself over in one piece.
func (m *mac) WriteString(s string) (int, error) {
	for rest := s; rest != ""; {
		n := copy(m.piece[:], rest)
		_, _ = m.Write(m.piece[:n]) // a hash never fails
		rest = rest[n:]
	}
	return len(s), nil
}

// copyBuffers serve what streams through: hashing an upload, writing a download.
var copyBuffers = sync.Pool{New: func() any { return new([copyBufferSize]byte) }}

const copyBufferSize = 64 << 10

type countingHash struct {
	hash.Hash
	n int64
}

func (c *countingHash) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.Hash.Write(p)
}

// method is the method that net/http will send.
func method(req *http.Request) string {
	if req.Method == "" {
		return http.MethodGet
	}
	return req.Method
}

// requestURI is the request target as it went over the wire where that is
// known, and as net/http will send it otherwise.
func requestURI(req *http.Request) string {
	if req.RequestURI != "" {
		return req.RequestURI
	}
	return req.URL.RequestURI()
}
