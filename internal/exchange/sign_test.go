package exchange

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	testToken = "token-of-the-tests"
	testKey   = "key-of-the-tests"
)

// newTestSigner returns a Signer with the token and the key of these tests.
func newTestSigner(t *testing.T) *Signer {
	t.Helper()
	signer, err := NewSigner(testToken, []byte(testKey))
	require.NoError(t, err)
	return signer
}

// signatureOf computes a signature without the code under test.
func signatureOf(stamp, method, uri, body string) string {
	mac := hmac.New(sha256.New, []byte(testKey))
	mac.Write([]byte(stamp + method + uri + body))
	return hex.EncodeToString(mac.Sum(nil))
}

// Every way to sign gives the signature of the vectors.
func TestSignerVectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "vectors", "request-signatures.json"))
	require.NoError(t, err)
	var file struct {
		Vectors []struct {
			ID        string `json:"id"`
			Secret    string `json:"secret"`
			Timestamp string `json:"timestamp"`
			Method    string `json:"method"`
			URI       string `json:"request_uri"`
			Body      string `json:"body_hex"`
			Signature string `json:"signature"`
		} `json:"vectors"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotEmpty(t, file.Vectors)
	for _, vector := range file.Vectors {
		t.Run(vector.ID, func(t *testing.T) {
			t.Parallel()
			signer, err := NewSigner(testToken, []byte(vector.Secret))
			require.NoError(t, err)
			body, err := hex.DecodeString(vector.Body)
			require.NoError(t, err)
			digest, err := signer.Digest(vector.Timestamp, vector.Method, vector.URI, bytes.NewReader(body))
			require.NoError(t, err)
			assert.Equal(t, vector.Signature, string(digest))

			seconds, err := strconv.ParseInt(vector.Timestamp, 10, 64)
			require.NoError(t, err)
			target, err := url.ParseRequestURI(vector.URI)
			require.NoError(t, err)
			signs := map[string]func(req *http.Request, at time.Time) error{
				"Sign": func(req *http.Request, at time.Time) error {
					req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
					req.Body, _ = req.GetBody()
					return signer.Sign(req, at)
				},
				"SignBytes": func(req *http.Request, at time.Time) error {
					signer.SignBytes(req, at, body)
					return nil
				},
				"SignReader": func(req *http.Request, at time.Time) error {
					return signer.SignReader(req, at, io.NopCloser(iotest.OneByteReader(bytes.NewReader(body))))
				},
			}
			for name, sign := range signs {
				req := &http.Request{Method: vector.Method, URL: target}
				require.NoError(t, sign(req, time.Unix(seconds, 999_999_999)), name)
				assert.Equal(t, http.Header{
					HeaderToken: {testToken}, HeaderStamp: {vector.Timestamp}, HeaderSignature: {vector.Signature},
				}, req.Header, name)
			}
		})
	}
}

func TestSignerRequestURI(t *testing.T) {
	t.Parallel()
	signer := newTestSigner(t)
	for name, test := range map[string]struct {
		method string
		url    url.URL
		signed string // the signed method and request URI
		noBody bool   // whether the body is http.NoBody
	}{
		"path and query":    {method: "POST", url: url.URL{Path: "/a", RawQuery: "b=c"}, signed: "POST/a?b=c"},
		"no method":         {url: url.URL{Path: "/a"}, signed: "GET/a"},
		"no path":           {method: "GET", url: url.URL{Host: "h"}, signed: "GET/"},
		"a bare ?":          {method: "GET", url: url.URL{Path: "/a", ForceQuery: true}, signed: "GET/a?"},
		"an escaped slash":  {method: "GET", url: url.URL{Path: "/a/b", RawPath: "/a%2Fb"}, signed: "GET/a%2Fb"},
		"an opaque URL":     {method: "GET", url: url.URL{Scheme: "https", Opaque: "//h/a%2Fb", RawQuery: "c"}, signed: "GEThttps://h/a%2Fb?c"},
		"a body of nothing": {method: "GET", url: url.URL{Path: "/a"}, signed: "GET/a", noBody: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := &http.Request{Method: test.method, URL: &test.url}
			if test.noBody {
				req.Body = http.NoBody
			}
			require.NoError(t, signer.Sign(req, time.Unix(1700000000, 0)))
			assert.Equal(t, signatureOf("1700000000", test.signed, "", ""), req.Header.Get(HeaderSignature))
		})
	}
}

// A value that is appended to one header must not change the next header.
func TestSignerHeadersDoNotShareRoom(t *testing.T) {
	t.Parallel()
	req := &http.Request{URL: &url.URL{Path: "/"}, Header: http.Header{"Accept": {"x"}}}
	newTestSigner(t).SignBytes(req, time.Unix(1, 0), nil)
	want := req.Header.Clone()
	for _, name := range []string{HeaderToken, HeaderStamp, HeaderSignature} {
		_ = append(req.Header[name], "more")
	}
	assert.Equal(t, want, req.Header)
}

// A body that cannot be read or closed is not signed.
func TestSignerRefuses(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	signer := newTestSigner(t)
	for name, sign := range map[string]func(req *http.Request) error{
		"no second body": func(req *http.Request) error {
			req.Body = io.NopCloser(strings.NewReader("x"))
			req.GetBody = func() (io.ReadCloser, error) { return nil, broken }
			return signer.Sign(req, time.Now())
		},
		"a body that fails": func(req *http.Request) error {
			return signer.SignReader(req, time.Now(), io.NopCloser(iotest.ErrReader(broken)))
		},
		"a body that does not close": func(req *http.Request) error {
			return signer.SignReader(req, time.Now(), struct {
				io.Reader
				io.Closer
			}{strings.NewReader("x"), closerFunc(func() error { return broken })})
		},
		"a digest of what fails": func(*http.Request) error {
			_, err := signer.Digest("1", "GET", "/", iotest.ErrReader(broken))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := &http.Request{URL: &url.URL{Path: "/"}}
			require.ErrorIs(t, sign(req), broken)
			assert.Empty(t, req.Header)
		})
	}
}

func TestSignerDigestWithoutABody(t *testing.T) {
	t.Parallel()
	digest, err := newTestSigner(t).Digest("1700000000", "GET", "/a?b", nil)
	require.NoError(t, err)
	assert.Equal(t, signatureOf("1700000000", "GET", "/a?b", ""), string(digest))
}
