package faultnet

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/simulator"
)

// The credentials of the tests. MockURL is the base URL of clients with a mock as their transport.
const (
	AppToken  = "sbx:dGVzdC10b2tlbg.cHJpdmF0ZS1wYXJ0"
	SecretKey = "Hf3kTq9ZsYw27LmNcPvBx0RgDj5EaUiK"
	MockURL   = "https://mock.test"
)

// Credentials are AppToken and SecretKey.
var Credentials = idngo.Credentials{AppToken: AppToken, SecretKey: SecretKey}

// SimulatorCredentials are the default credentials of a simulator.
var SimulatorCredentials = idngo.Credentials{AppToken: simulator.DefaultAppToken, SecretKey: simulator.DefaultSecretKey}

// NilContext is a nil context, which is refused.
var NilContext context.Context

// NewMock returns a client with one attempt and its mock transport. Each test has a transport of
// its own, so tests can run in parallel.
func NewMock(t *testing.T, opts ...idngo.Option) (*idngo.Client, *httpmock.MockTransport) {
	t.Helper()
	mock := httpmock.NewMockTransport()
	opts = append([]idngo.Option{
		idngo.WithBaseURL(MockURL), idngo.WithHTTPClient(&http.Client{Transport: mock}), OneAttempt(),
	}, opts...)
	client, err := idngo.NewClient(Credentials, opts...)
	require.NoError(t, err)
	return client, mock
}

// OneAttempt returns the option for a client that never retries.
func OneAttempt() idngo.Option { return idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: 1}) }

// Respond answers a method and a request URI, with its query, with a status and a body. It checks
// the signature as AssertSigned does.
func Respond(t *testing.T, mock *httpmock.MockTransport, method, target string, status int, body string) {
	t.Helper()
	RespondFunc(t, mock, method, target, func(*http.Request, []byte) (*http.Response, error) {
		return httpmock.NewStringResponse(status, body), nil
	})
}

// RespondFunc answers as Respond does, with the response that answer returns.
func RespondFunc(
	t *testing.T, mock *httpmock.MockTransport, method, target string,
	answer func(req *http.Request, body []byte) (*http.Response, error),
) {
	t.Helper()
	path, rawQuery, _ := strings.Cut(target, "?")
	query, err := url.ParseQuery(rawQuery)
	require.NoError(t, err)
	// A responder without the query would match any query.
	mock.RegisterResponderWithQuery(method, MockURL+path, query, func(req *http.Request) (*http.Response, error) {
		var body []byte
		if req.Body != nil {
			var err error
			if body, err = io.ReadAll(req.Body); err != nil {
				return nil, err
			}
		}
		assert.Equal(t, target, req.URL.RequestURI())
		AssertSigned(t, req.Method, req.URL.RequestURI(), req.Header, body)
		assert.Equal(t, int64(len(body)), req.ContentLength, "Content-Length")
		return answer(req, body)
	})
}

// AssertSigned recomputes a signature without the code under test.
func AssertSigned(t *testing.T, method, uri string, header http.Header, body []byte) {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(SecretKey))
	_, _ = io.WriteString(mac, header.Get("X-App-Access-Ts")+method+uri+string(body))
	assert.Equal(t, AppToken, header.Get("X-App-Token"))
	assert.Equal(t, hex.EncodeToString(mac.Sum(nil)), header.Get("X-App-Access-Sig"))
}

// StartSimulator starts a simulator on loopback and returns a client of it.
func StartSimulator(t *testing.T, cfg simulator.Config, opts ...idngo.Option) (*idngo.Client, *simulator.Server) {
	t.Helper()
	server, err := simulator.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	base, err := server.Start("")
	require.NoError(t, err)
	opts = append([]idngo.Option{idngo.WithBaseURL(base)}, opts...)
	client, err := idngo.NewClient(SimulatorCredentials, opts...)
	require.NoError(t, err)
	return client, server
}

// Path returns the path of a file of the repository.
func Path(t testing.TB, elements ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(append([]string{dir}, elements...)...)
		}
		parent := filepath.Dir(dir)
		require.NotEqual(t, parent, dir, "the tests run outside of the repository")
		dir = parent
	}
}

// Testdata returns the path of a file of the repository's testdata.
func Testdata(t testing.TB, elements ...string) string {
	t.Helper()
	return Path(t, append([]string{"testdata"}, elements...)...)
}

// ReadFile returns the content of a file.
func ReadFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return data
}

// ReadJSON decodes a file.
func ReadJSON(t testing.TB, name string, out any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(ReadFile(t, name), out))
}

// RoundTripFunc is a function as a transport.
type RoundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f RoundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// NewClient returns a client with a transport.
func NewClient(t testing.TB, transport http.RoundTripper, opts ...idngo.Option) *idngo.Client {
	t.Helper()
	client, err := idngo.NewClient(Credentials, append([]idngo.Option{
		idngo.WithBaseURL(MockURL), idngo.WithHTTPClient(&http.Client{Transport: transport}),
	}, opts...)...)
	require.NoError(t, err)
	return client
}

// RetryAtOnce returns the option for a client that retries without waiting.
func RetryAtOnce(attempts int) idngo.Option {
	return idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: attempts, MinDelay: 1, MaxDelay: 1})
}

// LimiterFunc is a function as a RateLimiter.
type LimiterFunc func(ctx context.Context) error

// Wait calls f.
func (f LimiterFunc) Wait(ctx context.Context) error { return f(ctx) }
