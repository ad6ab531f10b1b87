package idngo_test

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
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/simulator"
)

const (
	testToken  = "sbx:dGVzdC10b2tlbg.cHJpdmF0ZS1wYXJ0"
	testSecret = "Hf3kTq9ZsYw27LmNcPvBx0RgDj5EaUiK"
	mockBase   = "https://mock.test"
)

// noContext is a nil context, which is refused.
var noContext context.Context

// newMock gives a client with a mock transport of its own, so that tests run in
// parallel.
func newMock(t *testing.T, opts ...idngo.Option) (*idngo.Client, *httpmock.MockTransport) {
	t.Helper()
	mock := httpmock.NewMockTransport()
	opts = append([]idngo.Option{
		idngo.WithBaseURL(mockBase), idngo.WithHTTPClient(&http.Client{Transport: mock}), once(),
	}, opts...)
	client, err := idngo.NewClient(idngo.Credentials{AppToken: testToken, SecretKey: testSecret}, opts...)
	require.NoError(t, err)
	return client, mock
}

// once makes a client that never tries again, for tests of other things.
func once() idngo.Option { return idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: 1}) }

// on answers a method and a target, query included, after it has recomputed the
// signature by itself. A mock without the query would match any.
func on(t *testing.T, mock *httpmock.MockTransport, method, target string, status int, body string) {
	t.Helper()
	onDo(t, mock, method, target, func(*http.Request, []byte) (*http.Response, error) {
		return httpmock.NewStringResponse(status, body), nil
	})
}

func onDo(t *testing.T, mock *httpmock.MockTransport, method, target string, answer func(*http.Request, []byte) (*http.Response, error)) {
	t.Helper()
	path, rawQuery, _ := strings.Cut(target, "?")
	query, err := url.ParseQuery(rawQuery)
	require.NoError(t, err)
	mock.RegisterResponderWithQuery(method, mockBase+path, query, func(req *http.Request) (*http.Response, error) {
		var body []byte
		if req.Body != nil {
			var err error
			if body, err = io.ReadAll(req.Body); err != nil {
				return nil, err
			}
		}
		assert.Equal(t, target, req.URL.RequestURI())
		assertSigned(t, req.Method, req.URL.RequestURI(), req.Header, body)
		assert.Equal(t, int64(len(body)), req.ContentLength, "Content-Length")
		return answer(req, body)
	})
}

// assertSigned recomputes a signature without the code under test.
func assertSigned(t *testing.T, method, uri string, header http.Header, body []byte) {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(testSecret))
	_, _ = io.WriteString(mac, header.Get("X-App-Access-Ts")+method+uri+string(body))
	assert.Equal(t, testToken, header.Get("X-App-Token"))
	assert.Equal(t, hex.EncodeToString(mac.Sum(nil)), header.Get("X-App-Access-Sig"))
}

// newSimulator starts a simulator on loopback and gives a client of it.
func newSimulator(t *testing.T, cfg simulator.Config, opts ...idngo.Option) (*idngo.Client, *simulator.Server) {
	t.Helper()
	sb, err := simulator.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, sb.Close()) })
	base, err := sb.Start("")
	require.NoError(t, err)
	opts = append([]idngo.Option{idngo.WithBaseURL(base)}, opts...)
	client, err := idngo.NewClient(idngo.Credentials{AppToken: simulator.DefaultAppToken, SecretKey: simulator.DefaultSecretKey}, opts...)
	require.NoError(t, err)
	return client, sb
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return data
}

func readJSON(t *testing.T, name string, out any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(readFile(t, name), out))
}
