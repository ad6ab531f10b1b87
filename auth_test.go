package idngo_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// signatureVector is a request of testdata/vectors and its signature.
type signatureVector struct {
	ID          string `json:"id"`
	Secret      string `json:"secret"`
	Timestamp   string `json:"timestamp"`
	Method      string `json:"method"`
	RequestURI  string `json:"request_uri"`
	ContentType string `json:"content_type"`
	BodyHex     string `json:"body_hex"`
	Signature   string `json:"signature"`
}

// signatureVectors returns the vectors of testdata/vectors.
func signatureVectors(t *testing.T) []signatureVector {
	t.Helper()
	var file struct{ Vectors []signatureVector }
	faultnet.ReadJSON(t, "testdata/vectors/request-signatures.json", &file)
	require.Len(t, file.Vectors, 32)
	return file.Vectors
}

// signer returns a Signer with the secret key of the vector.
func (v signatureVector) signer(t *testing.T) *idngo.Signer {
	t.Helper()
	signer, err := idngo.NewSigner(idngo.Credentials{AppToken: faultnet.AppToken, SecretKey: idngo.Secret(v.Secret)})
	require.NoError(t, err)
	return signer
}

// request returns the request of the vector, its body and the time of its signature.
func (v signatureVector) request(t *testing.T) (*http.Request, []byte, time.Time) {
	t.Helper()
	body, err := hex.DecodeString(v.BodyHex)
	require.NoError(t, err)
	seconds, err := strconv.ParseInt(v.Timestamp, 10, 64)
	require.NoError(t, err)
	var reader io.Reader
	if len(body) > 0 {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), v.Method, "https://api.idngo.kz"+v.RequestURI, reader)
	require.NoError(t, err)
	return req, body, time.Unix(seconds, 0)
}

func TestSignerVectors(t *testing.T) {
	t.Parallel()
	for _, v := range signatureVectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			signer := v.signer(t)
			req, body, at := v.request(t)
			for range 2 { // the second signature uses the hash of the first one again
				require.NoError(t, signer.Sign(req, at))
				assert.Equal(t, v.Signature, req.Header.Get("X-App-Access-Sig"))
				assert.Equal(t, v.Timestamp, req.Header.Get("X-App-Access-Ts"))
				assert.Equal(t, faultnet.AppToken, req.Header.Get("X-App-Token"))
			}
			if req.Body != nil {
				sent, err := io.ReadAll(req.Body)
				require.NoError(t, err)
				assert.Equal(t, body, sent, "signing leaves the body alone")
			}
			assert.NoError(t, signer.Verify(req, at))

			// A server receives the same request.
			received := httptest.NewRequestWithContext(t.Context(), v.Method, v.RequestURI, bytes.NewReader(body))
			received.Header = req.Header.Clone()
			require.NoError(t, signer.Verify(received, at))
			left, err := io.ReadAll(received.Body)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(body, left), "verifying leaves the body readable")
			assert.NoError(t, received.Body.Close())
		})
	}
}

func TestSignerVerifyRefuses(t *testing.T) {
	t.Parallel()
	signer, err := idngo.NewSigner(idngo.Credentials{AppToken: faultnet.AppToken, SecretKey: faultnet.SecretKey})
	require.NoError(t, err)
	at := time.Unix(1700000000, 0)
	tests := []struct {
		name   string
		change func(*http.Request)
		now    time.Time
		want   error
	}{
		{name: "nothing changed", change: func(*http.Request) {}, now: at},
		{name: "59 s late", change: func(*http.Request) {}, now: at.Add(59 * time.Second)},
		{name: "60 s early", change: func(*http.Request) {}, now: at.Add(-time.Minute)},
		{name: "61 s late", change: func(*http.Request) {}, now: at.Add(61 * time.Second), want: idngo.ErrTimestampExpired},
		{name: "61 s early", change: func(*http.Request) {}, now: at.Add(-61 * time.Second), want: idngo.ErrTimestampExpired},
		{name: "method", change: func(r *http.Request) { r.Method = http.MethodPut }, now: at, want: idngo.ErrSignatureMismatch},
		{name: "query", change: func(r *http.Request) { r.RequestURI += "&a=b" }, now: at, want: idngo.ErrSignatureMismatch},
		{
			name: "body", change: func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"a":2}`)) }, now: at,
			want: idngo.ErrSignatureMismatch,
		},
		{
			name: "body cut off", change: func(r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)) }, now: at,
			want: idngo.ErrSignatureMismatch,
		},
		{name: "token", change: func(r *http.Request) { r.Header.Set("X-App-Token", "sbx:other") }, now: at, want: idngo.ErrSignatureMismatch},
		{
			name: "signature", change: func(r *http.Request) { r.Header.Set("X-App-Access-Sig", strings.Repeat("0", 64)) }, now: at,
			want: idngo.ErrSignatureMismatch,
		},
		{name: "signature in capitals", change: func(r *http.Request) {
			r.Header.Set("X-App-Access-Sig", strings.ToUpper(r.Header.Get("X-App-Access-Sig")))
		}, now: at, want: idngo.ErrSignatureMismatch},
		{name: "no signature", change: func(r *http.Request) { r.Header.Del("X-App-Access-Sig") }, now: at, want: idngo.ErrSignatureMismatch},
		{
			name: "two tokens", change: func(r *http.Request) { r.Header.Add("X-App-Token", faultnet.AppToken) }, now: at,
			want: idngo.ErrSignatureMismatch,
		},
		{name: "no timestamp", change: func(r *http.Request) { r.Header.Del("X-App-Access-Ts") }, now: at, want: idngo.ErrSignatureMismatch},
		{
			name: "timestamp with a sign", change: func(r *http.Request) { r.Header.Set("X-App-Access-Ts", "+1700000000") }, now: at,
			want: idngo.ErrSignatureMismatch,
		},
		{
			name: "timestamp that is none", change: func(r *http.Request) { r.Header.Set("X-App-Access-Ts", "now") }, now: at,
			want: idngo.ErrSignatureMismatch,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const uri, body = "/resources/accessTokens?userId=a%20b", `{"a":1}`
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://h"+uri, strings.NewReader(body))
			require.NoError(t, err)
			require.NoError(t, signer.Sign(req, at))
			received := httptest.NewRequestWithContext(t.Context(), http.MethodPost, uri, strings.NewReader(body))
			received.Header = req.Header
			tt.change(received)
			assert.ErrorIs(t, signer.Verify(received, tt.now), tt.want)
		})
	}
}

func TestSignerSignRefuses(t *testing.T) {
	t.Parallel()
	signer, err := idngo.NewSigner(idngo.Credentials{AppToken: faultnet.AppToken, SecretKey: faultnet.SecretKey})
	require.NoError(t, err)
	require.ErrorIs(t, signer.Sign(nil, time.Now()), idngo.ErrInvalidArgument)
	require.ErrorIs(t, signer.Sign(&http.Request{}, time.Now()), idngo.ErrInvalidArgument)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://h/", io.NopCloser(strings.NewReader("x")))
	require.NoError(t, err)
	require.ErrorIs(t, signer.Sign(req, time.Now()), idngo.ErrInvalidArgument, "a body that cannot be read twice")
	broken := errors.New("broken")
	req.GetBody = func() (io.ReadCloser, error) { return nil, broken }
	require.ErrorIs(t, signer.Sign(req, time.Now()), broken)
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)), nil }
	require.ErrorIs(t, signer.Sign(req, time.Now()), io.ErrUnexpectedEOF)
	assert.Empty(t, req.Header, "nothing is signed by halves")
}

func TestSignerZeroRequest(t *testing.T) {
	t.Parallel()
	signer, err := idngo.NewSigner(idngo.Credentials{AppToken: faultnet.AppToken, SecretKey: faultnet.SecretKey})
	require.NoError(t, err)
	plain, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://h/", nil)
	require.NoError(t, err)
	at := time.Unix(1700000000, 0)
	require.NoError(t, signer.Sign(plain, at))
	// An empty method means GET, an empty path means /, and Sign makes a header if it is nil.
	bare := &http.Request{URL: plain.URL.ResolveReference(plain.URL)}
	bare.URL.Path = ""
	require.NoError(t, signer.Sign(bare, at))
	assert.Equal(t, plain.Header, bare.Header)
	// An append to the values of one header does not change another header.
	_ = append(bare.Header["X-App-Token"], "x")
	assert.Equal(t, plain.Header, bare.Header)

	opaque, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https:opaque?x=1", nil)
	require.NoError(t, err)
	require.NoError(t, signer.Sign(opaque, at))
	assert.NoError(t, signer.Verify(opaque, at))
}

func TestStringToSign(t *testing.T) {
	t.Parallel()
	signer, err := idngo.NewSigner(idngo.Credentials{AppToken: faultnet.AppToken, SecretKey: faultnet.SecretKey})
	require.NoError(t, err)
	at := time.Unix(1700000000, 0)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://h/a/-;b=c?d=e%20f", nil)
	require.NoError(t, err)
	text, err := signer.StringToSign(req, at)
	require.NoError(t, err)
	assert.Equal(t, "1700000000GET/a/-;b=c?d=e%20f", text)

	req, err = http.NewRequestWithContext(t.Context(), http.MethodPost, "https://h/a", strings.NewReader("abc"))
	require.NoError(t, err)
	text, err = signer.StringToSign(req, at)
	require.NoError(t, err)
	assert.Equal(t, "1700000000POST/a<body: 3 bytes, SHA-256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad>", text)

	req.GetBody = nil
	req.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
	_, err = signer.StringToSign(req, at)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// The signature covers the request URI that net/http sends, for any path and query.
func FuzzSignedTarget(f *testing.F) {
	f.Add("/resources/applicantActions/-;applicantId=5e5f9ab10a975a6e224dc286", "limit=100&offset=0&order=-createdAt")
	f.Add("/a%2Fb/%D0%B6 x/%zz", "level name=a+b%20c")
	f.Add("", "?")
	f.Add("//host/a", "a=%")
	signer, err := idngo.NewSigner(idngo.Credentials{AppToken: faultnet.AppToken, SecretKey: faultnet.SecretKey})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, path, query string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://h"+path+"?"+query, nil)
		if err != nil {
			return
		}
		at := time.Unix(1700000000, 0)
		if err := signer.Sign(req, at); err != nil {
			t.Fatal(err)
		}
		faultnet.AssertSigned(t, http.MethodGet, req.URL.RequestURI(), req.Header, nil)
	})
}

func TestNewSignerRefuses(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", " ", "x ", "\tx", "x\n", "\r\nx", "a\nb", "a\x7fb"} {
		_, err := idngo.NewSigner(idngo.Credentials{AppToken: idngo.Secret(bad), SecretKey: faultnet.SecretKey})
		require.ErrorIs(t, err, idngo.ErrInvalidArgument, "%q", bad)
		require.ErrorContains(t, err, "AppToken")
		_, err = idngo.NewSigner(idngo.Credentials{AppToken: faultnet.AppToken, SecretKey: idngo.Secret(bad)})
		require.ErrorIs(t, err, idngo.ErrInvalidArgument, "%q", bad)
		require.ErrorContains(t, err, "SecretKey")
	}
	for _, quoted := range []idngo.Secret{`""`, `''`, `"key"`, `'key'`} {
		_, err := idngo.NewSigner(idngo.Credentials{AppToken: "a", SecretKey: quoted})
		require.ErrorContains(t, err, "has quotes around it", string(quoted))
	}
	for _, good := range []idngo.Secret{"two words", `"`, `'`, `"key`, `key'`, `"key'`, `k"e"y`} {
		_, err := idngo.NewSigner(idngo.Credentials{AppToken: "a", SecretKey: good})
		require.NoError(t, err, "a space or a quote that is not around the key is a character like any other: %s", string(good))
	}
}

func TestCreateAccessToken(t *testing.T) {
	t.Parallel()
	at := time.Unix(1700000000, 0)
	client, mock := faultnet.NewMock(t, idngo.WithClock(func() time.Time { return at }))
	const target = "/resources/accessTokens?externalActionId=A%2F%201&levelName=action-liveness&ttlInSecs=600&userId=JamesBond007"
	faultnet.Respond(t, mock, "POST", target, 200, `{"token":"_act-80bbf59b","userId":"JamesBond007","externalActionId":"A/ 1"}`)
	token, err := client.CreateAccessToken(
		t.Context(), idngo.AccessTokenParams{UserID: "JamesBond007", ExternalActionID: "A/ 1", LevelName: "action-liveness"},
	)
	require.NoError(t, err)
	assert.Equal(
		t, &idngo.AccessToken{Token: "_act-80bbf59b", UserID: "JamesBond007", ExternalActionID: "A/ 1", ExpiresAt: at.Add(10 * time.Minute)},
		token,
	)

	// This token is for no action and has a TTL, and the answer has fewer members.
	faultnet.Respond(t, mock, "POST", "/resources/accessTokens?levelName=L&ttlInSecs=90&userId=u", 201, `{"token":"_act-2","new":[1]}`)
	token, err = client.CreateAccessToken(t.Context(), idngo.AccessTokenParams{UserID: "u", LevelName: "L", TTL: 90 * time.Second})
	require.NoError(t, err)
	assert.Equal(t, &idngo.AccessToken{Token: "_act-2", UserID: "u", ExpiresAt: at.Add(90 * time.Second)}, token)

	mock.Reset()
	faultnet.Respond(t, mock, "POST", "/resources/accessTokens?levelName=L&ttlInSecs=600&userId=u", 200, `{"userId":"u"}`)
	_, err = client.CreateAccessToken(t.Context(), idngo.AccessTokenParams{UserID: "u", LevelName: "L"})
	require.ErrorContains(t, err, "lacks", "an answer without a token is none")
}

func TestCreateAccessTokenRefuses(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	good := idngo.AccessTokenParams{UserID: "u", LevelName: "L"}
	for field, p := range map[string]idngo.AccessTokenParams{
		"UserID":    {LevelName: "L"},
		"LevelName": {UserID: "u"},
		"TTL":       {UserID: "u", LevelName: "L", TTL: -time.Second},
		"second":    {UserID: "u", LevelName: "L", TTL: time.Millisecond},
		"whole":     {UserID: "u", LevelName: "L", TTL: 1500 * time.Millisecond},
	} {
		_, err := client.CreateAccessToken(t.Context(), p)
		require.ErrorIs(t, err, idngo.ErrInvalidArgument, field)
		require.ErrorContains(t, err, field)
	}
	_, err := client.CreateAccessToken(t.Context(), good, nil)
	require.ErrorIs(t, err, idngo.ErrInvalidArgument)
	assert.Zero(t, mock.GetTotalCallCount())
}

// A zero Signer and a request that is not valid have errors of their own, not that of a wrong
// signature.
func TestSignerRefuses(t *testing.T) {
	t.Parallel()
	good, err := idngo.NewSigner(faultnet.Credentials)
	require.NoError(t, err)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/a", strings.NewReader("x"))
	for name, tt := range map[string]struct {
		signer *idngo.Signer
		req    *http.Request
	}{
		"nil signer": {req: req}, "zero signer": {signer: new(idngo.Signer), req: req}, "nil request": {signer: good},
		"no URL": {signer: good, req: new(http.Request)},
	} {
		_, err := tt.signer.StringToSign(tt.req, time.Now())
		for _, err := range []error{tt.signer.Sign(tt.req, time.Now()), tt.signer.Verify(tt.req, time.Now()), err} {
			require.ErrorIs(t, err, idngo.ErrInvalidArgument, name)
		}
	}

	broken := errors.New("the disk is gone")
	req.GetBody = func() (io.ReadCloser, error) { return nil, broken }
	require.ErrorIs(t, good.Sign(req, time.Now()), broken)
	req.Header = http.Header{"X-App-Token": {faultnet.AppToken}, "X-App-Access-Ts": {"1700000000"}, "X-App-Access-Sig": {"00"}}
	require.ErrorIs(t, good.Verify(req, time.Unix(1700000000, 0)), broken)
	_, err = good.StringToSign(req, time.Now())
	require.ErrorIs(t, err, broken)
}

func TestSecretsPrintRedacted(t *testing.T) {
	t.Parallel()
	signer, err := idngo.NewSigner(idngo.Credentials{AppToken: "app-token-value", SecretKey: "secret-key-value"})
	require.NoError(t, err)
	token := idngo.AccessToken{Token: "_act-token-value", UserID: "user-value", ExternalActionID: "action-value"}
	for _, v := range []any{
		idngo.Secret("secret-value"), idngo.Credentials{AppToken: "app-token-value", SecretKey: "secret-key-value"},
		signer, *signer, token, &token, struct{ S idngo.Secret }{"secret-value"}, []idngo.Secret{"secret-value"},
	} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		if s, ok := v.(interface {
			fmt.Stringer
		}); ok { // printers other than fmt call String
			fmt.Fprintln(&out, s.String())
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		if _, ok := v.(idngo.AccessToken); !ok && v != any(&token) {
			slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
			require.NoError(t, json.NewEncoder(&out).Encode(v))
		}
		assert.NotContains(t, out.String(), "-value", "%T", v)
	}
	assert.Equal(t, "idngo.Signer idngo.Signer", fmt.Sprintf("%v %#v", signer, *signer))
	encoded, err := json.Marshal(token)
	require.NoError(t, err)
	assert.JSONEq(
		t, `{"token":"_act-token-value","userId":"user-value","externalActionId":"action-value","expiresAt":"0001-01-01T00:00:00Z"}`,
		string(encoded),
	)
	assert.Equal(t, "secret-value", string(idngo.Secret("secret-value")))
}

// Verify reads a body of 128 MiB, and does not read a larger one to its end.
func TestSignerVerifyLimit(t *testing.T) {
	t.Parallel()
	signer, err := idngo.NewSigner(idngo.Credentials{AppToken: faultnet.AppToken, SecretKey: faultnet.SecretKey})
	require.NoError(t, err)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", io.LimitReader(faultnet.Endless(0), 1<<40))
	req.Header = http.Header{"X-App-Token": {faultnet.AppToken}, "X-App-Access-Ts": {"1700000000"}, "X-App-Access-Sig": {"00"}}
	require.ErrorIs(t, signer.Verify(req, time.Unix(1700000000, 0)), idngo.ErrSignatureMismatch)

	req.Body = io.NopCloser(io.LimitReader(faultnet.Endless(0), 128<<20))
	text, err := signer.StringToSign(req, time.Unix(1700000000, 0))
	require.NoError(t, err)
	assert.Contains(t, text, "<body: 134217728 bytes, ")
}

// Sign, Verify and StringToSign close each body that GetBody has opened, also one that cannot be
// read: it may be a file.
func TestSignerClosesWhatGetBodyOpens(t *testing.T) {
	t.Parallel()
	signer, err := idngo.NewSigner(faultnet.Credentials)
	require.NoError(t, err)
	at := time.Unix(1700000000, 0)
	broken := errors.New("the disk is gone")
	for name, tt := range map[string]struct {
		content func() io.Reader
		want    error
	}{
		"readable": {content: func() io.Reader { return strings.NewReader(`{"a":1}`) }},
		"broken":   {content: func() io.Reader { return iotest.ErrReader(broken) }, want: broken},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://h/", strings.NewReader(`{"a":1}`))
		require.NoError(t, err)
		require.NoError(t, signer.Sign(req, at))
		var opened []*faultnet.Body
		req.GetBody = func() (io.ReadCloser, error) {
			opened = append(opened, &faultnet.Body{Reader: tt.content()})
			return opened[len(opened)-1], nil
		}
		require.ErrorIs(t, signer.Sign(req, at), tt.want, name)
		require.ErrorIs(t, signer.Verify(req, at), tt.want, name)
		_, err = signer.StringToSign(req, at)
		require.ErrorIs(t, err, tt.want, name)
		require.Len(t, opened, 3, name)
		for i, body := range opened {
			assert.Equal(t, 1, body.Closes(), "%s: %s", name, []string{"Sign", "Verify", "StringToSign"}[i])
		}
	}
}
