package exchange

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/idngo-go/idngo/internal/keyedhash"
)

// The three headers of a signed request.
const (
	HeaderToken     = "X-App-Token"
	HeaderStamp     = "X-App-Access-Ts"
	HeaderSignature = "X-App-Access-Sig"
)

// A Signer signs requests with one token and key. It is safe for concurrent use.
type Signer struct {
	token  string
	hashes *keyedhash.Pool
}

// NewSigner returns a signer. The error is keyedhash.ErrRefused or nil.
func NewSigner(token string, key []byte) (*Signer, error) {
	hashes, err := keyedhash.New(sha256.New, key)
	if err != nil {
		return nil, err
	}
	return &Signer{token: token, hashes: hashes}, nil
}

// Sign sets the signing headers of req for the time at. It reads the body through GetBody, which
// must be set where there is a body.
func (s *Signer) Sign(req *http.Request, at time.Time) error {
	if req.Body == nil || req.Body == http.NoBody {
		s.SignBytes(req, at, nil)
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return err
	}
	return s.SignReader(req, at, body)
}

// SignBytes sets the signing headers of req, whose body is body.
func (s *Signer) SignBytes(req *http.Request, at time.Time, body []byte) {
	state := s.hashes.Get()
	defer s.hashes.Put(state)
	stamp := hashTarget(state, req, at)
	_, _ = state.Write(body) // a hash never fails
	s.setHeaders(req, state, stamp)
}

// SignReader sets the signing headers of req, whose body is what body reads. It closes body.
func (s *Signer) SignReader(req *http.Request, at time.Time, body io.ReadCloser) error {
	state := s.hashes.Get()
	defer s.hashes.Put(state)
	stamp := hashTarget(state, req, at)
	_, err := Copy(state, body)
	if closing := body.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	s.setHeaders(req, state, stamp)
	return nil
}

// Digest returns the signature of the given parts, in hexadecimal digits. body may be nil.
func (s *Signer) Digest(stamp, method, uri string, body io.Reader) ([]byte, error) {
	state := s.hashes.Get()
	defer s.hashes.Put(state)
	state.Buffer = append(append(append(state.Buffer[:0], stamp...), method...), uri...)
	_, _ = state.Write(state.Buffer) // a hash never fails
	if body != nil {
		if _, err := Copy(state, body); err != nil {
			return nil, err
		}
	}
	return hex.AppendEncode(nil, state.Total()), nil
}

// setHeaders sets the three headers. Their values share one string and one array, so that signing
// costs two allocations.
func (s *Signer) setHeaders(req *http.Request, state *keyedhash.State, stampLength int) {
	text := hex.AppendEncode(state.Buffer[:stampLength], state.Total())
	state.Buffer = text[:0]
	both := string(text)
	values := [...]string{s.token, both[:stampLength], both[stampLength:]}
	if req.Header == nil {
		req.Header = make(http.Header, 3)
	}
	// The full slice expressions keep an append to one from reaching the next.
	req.Header[HeaderToken] = values[0:1:1]
	req.Header[HeaderStamp] = values[1:2:2]
	req.Header[HeaderSignature] = values[2:3:3]
}

// hashTarget hashes what precedes the body: the timestamp, the method and the request URI. It
// returns the length of the timestamp, which stays in the buffer.
func hashTarget(state *keyedhash.State, req *http.Request, at time.Time) (stampLength int) {
	state.Buffer = strconv.AppendInt(state.Buffer[:0], at.Unix(), 10)
	stampLength = len(state.Buffer)
	state.Buffer = append(state.Buffer, Method(req)...)
	state.Buffer = appendRequestURI(state.Buffer, req.URL)
	_, _ = state.Write(state.Buffer) // a hash never fails
	return stampLength
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

// Method returns the method that net/http sends.
func Method(req *http.Request) string {
	if req.Method == "" {
		return http.MethodGet
	}
	return req.Method
}

// Copy copies as io.Copy does, through a buffer that is used again.
func Copy(dst io.Writer, src io.Reader) (int64, error) {
	buffer := copyBuffers.Get().(*[64 << 10]byte)
	defer copyBuffers.Put(buffer)
	return io.CopyBuffer(dst, src, buffer[:])
}

var copyBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}
