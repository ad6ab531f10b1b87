package idngo_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

func TestNewClientRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		opt   idngo.Option
		names string
	}{
		"nil option":          {names: "option"},
		"http off loopback":   {opt: idngo.WithBaseURL("http://api.idngo.kz"), names: "https"},
		"http like loopback":  {opt: idngo.WithBaseURL("http://127.0.0.1.example.com"), names: "https"},
		"http 10.x":           {opt: idngo.WithBaseURL("http://10.0.0.1"), names: "https"},
		"query":               {opt: idngo.WithBaseURL("https://h/?a=b"), names: "query"},
		"empty query":         {opt: idngo.WithBaseURL("https://h/?"), names: "query"},
		"fragment":            {opt: idngo.WithBaseURL("https://h/#x"), names: "fragment"},
		"empty fragment":      {opt: idngo.WithBaseURL("https://h/#"), names: "fragment"},
		"user info":           {opt: idngo.WithBaseURL("https://user:hunter2@h"), names: "user info"},
		"no host":             {opt: idngo.WithBaseURL("https:///x"), names: "host"},
		"port only":           {opt: idngo.WithBaseURL("https://:443"), names: "host"},
		"no scheme":           {opt: idngo.WithBaseURL("api.idngo.kz"), names: "https"},
		"other scheme":        {opt: idngo.WithBaseURL("ftp://h"), names: "https"},
		"empty":               {opt: idngo.WithBaseURL(""), names: "https"},
		"opaque":              {opt: idngo.WithBaseURL("https:h"), names: "host"},
		"no URL":              {opt: idngo.WithBaseURL("https://h\x7f"), names: "URL"},
		"dot segments":        {opt: idngo.WithBaseURL("https://h/a/../b"), names: "dot segment"},
		"nil HTTP client":     {opt: idngo.WithHTTPClient(nil), names: "HTTP client"},
		"empty user agent":    {opt: idngo.WithUserAgent(""), names: "user agent"},
		"user agent CRLF":     {opt: idngo.WithUserAgent("a\r\nX: y"), names: "user agent"},
		"zero timeout":        {opt: idngo.WithTimeout(0), names: "timeout"},
		"negative timeout":    {opt: idngo.WithTimeout(-1), names: "timeout"},
		"negative attempts":   {opt: idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: -1}), names: "retry policy"},
		"negative delay":      {opt: idngo.WithRetryPolicy(idngo.RetryPolicy{MinDelay: -1}), names: "retry policy"},
		"min above max delay": {opt: idngo.WithRetryPolicy(idngo.RetryPolicy{MinDelay: 2, MaxDelay: 1}), names: "retry policy"},
		"nil rate limiter":    {opt: idngo.WithRateLimiter(nil), names: "rate limiter"},
		"nil logger":          {opt: idngo.WithLogger(nil), names: "logger"},
		"nil clock":           {opt: idngo.WithClock(nil), names: "clock"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := idngo.NewClient(faultnet.Credentials, tt.opt)
			require.ErrorIs(t, err, idngo.ErrInvalidArgument)
			require.ErrorContains(t, err, tt.names)
			assert.NotContains(t, err.Error(), "hunter2")
			assert.Nil(t, client)
		})
	}
	_, err := idngo.NewClient(idngo.Credentials{})
	require.ErrorIs(t, err, idngo.ErrInvalidArgument)
}

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"https://api.idngo.kz":    "https://api.idngo.kz/x",
		"https://h/":              "https://h/x",
		"https://h:8443/a%20b/c/": "https://h:8443/a%20b/c/x",
		"http://127.0.0.9:80":     "http://127.0.0.9:80/x",
		"http://[::1]:1/p":        "http://[::1]:1/p/x",
		"http://localhost":        "http://localhost/x",
		"HTTPS://H":               "https://H/x",
	} {
		mock := httpmock.NewMockTransport()
		client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(base), idngo.WithHTTPClient(&http.Client{Transport: mock}))
		require.NoError(t, err, base)
		var got *http.Request
		mock.RegisterNoResponder(func(req *http.Request) (*http.Response, error) {
			got = req
			return httpmock.NewStringResponse(204, ""), nil
		})
		require.NoError(t, client.Do(t.Context(), "GET", "/x", nil, nil, nil))
		assert.Equal(t, want, got.URL.String())
		faultnet.AssertSigned(t, "GET", got.URL.RequestURI(), got.Header, nil)
	}
}

func TestNewClientFromEnv(t *testing.T) {
	t.Setenv("IDNGO_APP_TOKEN", "")
	t.Setenv("IDNGO_SECRET_KEY", faultnet.SecretKey+"\n")
	t.Setenv("IDNGO_BASE_URL", "")
	_, err := idngo.NewClientFromEnv()
	require.ErrorIs(t, err, idngo.ErrInvalidArgument)
	require.ErrorContains(t, err, "IDNGO_APP_TOKEN")
	t.Setenv("IDNGO_APP_TOKEN", faultnet.AppToken)
	_, err = idngo.NewClientFromEnv()
	require.ErrorIs(t, err, idngo.ErrInvalidArgument)
	require.ErrorContains(t, err, "IDNGO_SECRET_KEY")
	assert.NotContains(t, err.Error(), faultnet.SecretKey)
	t.Setenv("IDNGO_SECRET_KEY", faultnet.SecretKey)
	client, err := idngo.NewClientFromEnv()
	require.NoError(t, err)
	assert.Equal(t, "idngo.Client{https://api.idngo.kz}", client.String())
	t.Setenv("IDNGO_BASE_URL", "https://other.test/p/")
	client, err = idngo.NewClientFromEnv()
	require.NoError(t, err)
	assert.Equal(t, "idngo.Client{https://other.test/p}", client.String())
	t.Setenv("IDNGO_BASE_URL", "http://other.test")
	_, err = idngo.NewClientFromEnv()
	require.ErrorIs(t, err, idngo.ErrInvalidArgument)
	require.ErrorContains(t, err, "IDNGO_BASE_URL")
	_, err = idngo.NewClientFromEnv(idngo.WithBaseURL("http://another.test"))
	require.ErrorIs(t, err, idngo.ErrInvalidArgument)
	assert.NotContains(t, err.Error(), "IDNGO_BASE_URL", "the option is wrong, not the variable")
	client, err = idngo.NewClientFromEnv(idngo.WithBaseURL(idngo.DefaultBaseURL))
	require.NoError(t, err, "options beat the environment")
	assert.Equal(t, "idngo.Client{https://api.idngo.kz}", client.String())
}

func TestClientPrints(t *testing.T) {
	t.Parallel()
	client, err := idngo.NewClient(faultnet.Credentials)
	require.NoError(t, err)
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "c", client)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "c", client)
	text := out.String() + fmt.Sprintf("%v %+v %#v %s %q", client, client, client, client, client)
	assert.NotContains(t, text, faultnet.AppToken)
	assert.NotContains(t, text, faultnet.SecretKey)
	assert.Contains(t, text, "idngo.Client{https://api.idngo.kz}")
}

func TestHTTPClientIsCopied(t *testing.T) {
	t.Parallel()
	called := false
	mine := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { called = true; return nil }}
	before := *mine
	_, err := idngo.NewClient(faultnet.Credentials, idngo.WithHTTPClient(mine))
	require.NoError(t, err)
	assert.Nil(t, mine.Transport)
	assert.Equal(t, before.Timeout, mine.Timeout)
	require.NoError(t, mine.CheckRedirect(nil, nil))
	assert.True(t, called)
}

func TestDo(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	ctx := t.Context()
	echo := func(contentType string) func(*http.Request, []byte) (*http.Response, error) {
		return func(req *http.Request, body []byte) (*http.Response, error) {
			assert.Equal(t, contentType, req.Header.Get("Content-Type"))
			assert.Equal(t, "application/json", req.Header.Get("Accept"))
			return httpmock.NewBytesResponse(200, body), nil
		}
	}
	faultnet.RespondFunc(t, mock, "POST", "/resources/-;a=b/%D0%B6?q=1%202", echo("application/json"))
	var out struct{ A int }
	require.NoError(t, client.Do(ctx, "POST", "/resources/-;a=b/%D0%B6", url.Values{"q": {"1 2"}}, map[string]int{"a": 7}, &out))
	assert.Equal(t, 7, out.A)
	var raw []byte
	require.NoError(t, client.Do(ctx, "POST", "/resources/-;a=b/%D0%B6", url.Values{"q": {"1 2"}}, []byte(" raw "), &raw))
	assert.Equal(t, " raw ", string(raw))
	require.NoError(t, client.Do(ctx, "POST", "/resources/-;a=b/%D0%B6", url.Values{"q": {"1 2"}}, nil, &raw))
	assert.Equal(t, " raw ", string(raw), "an empty answer leaves it unchanged")
	require.NoError(t, client.Do(ctx, "POST", "/resources/-;a=b/%D0%B6", url.Values{"q": {"1 2"}}, nil, &out))
	assert.Equal(t, 7, out.A, "an empty answer leaves it unchanged")

	faultnet.RespondFunc(t, mock, "GET", "/plain", echo(""))
	require.NoError(t, client.Do(ctx, "GET", "/plain", nil, nil, nil))
	faultnet.RespondFunc(t, mock, "PUT", "/plain", echo("text/plain"))
	require.NoError(t, client.Do(ctx, "PUT", "/plain", nil, []byte("x"), nil, idngo.WithHeader("Content-Type", "text/plain")))

	calls := mock.GetTotalCallCount()
	for name, err := range map[string]error{
		"method":  client.Do(ctx, "GE T", "/x", nil, nil, nil),
		"empty":   client.Do(ctx, "", "/x", nil, nil, nil),
		"slash":   client.Do(ctx, "GET", "x", nil, nil, nil),
		"host":    client.Do(ctx, "GET", "https://evil.test/x", nil, nil, nil),
		"query":   client.Do(ctx, "GET", "/x?y=z", nil, nil, nil),
		"frag":    client.Do(ctx, "GET", "/x#y", nil, nil, nil),
		"dots":    client.Do(ctx, "GET", "/a/../b", nil, nil, nil),
		"escaped": client.Do(ctx, "GET", "/a/%2e%2E/b", nil, nil, nil),
		"percent": client.Do(ctx, "GET", "/a/%zz", nil, nil, nil),
		"control": client.Do(ctx, "GET", "/a/\n", nil, nil, nil),
		"space":   client.Do(ctx, "GET", "/a b", nil, nil, nil),
		"half":    client.Do(ctx, "GET", "/a%2Fb/é", nil, nil, nil), // net/http would send it as /a/b/%C3%A9
		"body":    client.Do(ctx, "POST", "/x", nil, func() {}, nil),
		"reader":  client.Do(ctx, "POST", "/x", nil, strings.NewReader("{}"), nil), // encoding/json would encode it as {}
		"buffer":  client.Do(ctx, "POST", "/x", nil, new(bytes.Buffer), nil),
		"out":     client.Do(ctx, "GET", "/x", nil, nil, (*[]byte)(nil)),
		"option":  client.Do(ctx, "GET", "/x", nil, nil, nil, nil),
		"dst":     client.Do(ctx, "GET", "/x", nil, nil, nil, idngo.WithResponse(nil)),
		"signing": client.Do(ctx, "GET", "/x", nil, nil, nil, idngo.WithHeader("x-app-token", "x")),
		"length":  client.Do(ctx, "GET", "/x", nil, nil, nil, idngo.WithHeader("Content-Length", "1")),
		"key":     client.Do(ctx, "GET", "/x", nil, nil, nil, idngo.WithHeader("a b", "x")),
		"value":   client.Do(ctx, "GET", "/x", nil, nil, nil, idngo.WithHeader("a", "x\ny")),
	} {
		require.ErrorIs(t, err, idngo.ErrInvalidArgument, name)
	}
	assert.Equal(t, calls, mock.GetTotalCallCount(), "nothing was sent")
}

// Do refuses a web page even if the caller wants no answer. It decodes JSON whose Content-Type says
// text/html, and hands out raw bytes whatever they are.
func TestDoAnsweredWithTextHTML(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	respond := func(body string) {
		mock.RegisterNoResponder(httpmock.NewStringResponder(200, body).HeaderSet(http.Header{"Content-Type": {"text/html"}}))
	}
	var out struct{ A int }
	var raw []byte
	respond("<p>Log in")
	require.ErrorContains(t, client.Do(t.Context(), "GET", "/x", nil, nil, nil), "it is text/html")
	require.ErrorContains(t, client.Do(t.Context(), "GET", "/x", nil, nil, &out), "it is text/html")
	require.NoError(t, client.Do(t.Context(), "GET", "/x", nil, nil, &raw))
	assert.Equal(t, "<p>Log in", string(raw))
	respond(`{"a":7}`)
	require.NoError(t, client.Do(t.Context(), "GET", "/x", nil, nil, &out))
	assert.Equal(t, 7, out.A)
}

// Do ignores what a transport gives as the body of a 204 or a 205, which have none.
func TestDoIgnoresABodyThatHasNoPlace(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	for _, status := range []int{http.StatusNoContent, http.StatusResetContent} {
		mock.RegisterNoResponder(httpmock.NewStringResponder(status, "no JSON"))
		out, raw := struct{ A int }{7}, []byte("as before")
		require.NoError(t, client.Do(t.Context(), "GET", "/x", nil, nil, &out), status)
		require.NoError(t, client.Do(t.Context(), "GET", "/x", nil, nil, &raw), status)
		assert.Equal(t, 7, out.A, status)
		assert.Equal(t, "as before", string(raw), status)
	}
}

func TestOperationFromContext(t *testing.T) {
	t.Parallel()
	assert.Empty(t, idngo.OperationFromContext(context.Background()))
	client, mock := faultnet.NewMock(t)
	var got string
	mock.RegisterNoResponder(func(req *http.Request) (*http.Response, error) {
		got = idngo.OperationFromContext(req.Context())
		return httpmock.NewStringResponse(200, `{"id":"a1"}`), nil
	})
	_, err := client.GetAction(t.Context(), "a1")
	require.NoError(t, err)
	assert.Equal(t, "GetAction", got)
}
