package simulator_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"

	"mime/multipart"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/simulator"
)

// client signs requests itself. It shares no code with the simulator.
type client struct {
	t             testing.TB
	base          string // the base URL without the path prefix
	token, secret string
	transport     http.RoundTripper
	now           func() time.Time
}

// result is an answer that was read to its end.
type result struct {
	status int
	header http.Header
	body   []byte
	err    error // the error of reading the body
}

// json decodes the body as a JSON object.
func (r result) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal(r.body, &v), "%s", r.body)
	return v
}

// at returns the value at a path of member names and indices.
func at(t testing.TB, v any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			require.True(t, ok, "%v in %v", step, v)
			v = m[step]
		case int:
			list, ok := v.([]any)
			require.True(t, ok && step < len(list), "%v in %v", step, v)
			v = list[step]
		}
	}
	return v
}

// start starts a simulator on loopback and returns a client of it.
func start(t testing.TB, cfg simulator.Config) (*simulator.Server, *client) {
	t.Helper()
	s, err := simulator.New(cfg)
	require.NoError(t, err)
	base, err := s.Start("")
	require.NoError(t, err)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		require.NoError(t, s.Close())
	})
	return s, &client{
		t: t, base: strings.TrimSuffix(base, cfg.PathPrefix), transport: transport, now: cfg.Clock,
		token: cmp.Or(cfg.AppToken, simulator.DefaultAppToken), secret: cmp.Or(cfg.SecretKey, simulator.DefaultSecretKey),
	}
}

// direct returns a client that passes requests to a simulator without a network, for virtual time.
func direct(t testing.TB, s *simulator.Server) *client {
	return &client{
		t: t, base: "http://simulator.test", transport: handlerTransport{s},
		token: simulator.DefaultAppToken, secret: simulator.DefaultSecretKey,
	}
}

type handlerTransport struct{ http.Handler }

func (h handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := newRecorder()
	defer func() { _ = recover() }() // a fault may panic with http.ErrAbortHandler
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// change is a change of a signed request before it is sent.
type change func(*http.Request)

// header sets a header of the request, or removes it when the value is empty.
func header(name, value string) change {
	return func(r *http.Request) {
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
}

// request returns a signed request with the changes.
func (c *client) request(method, target string, body []byte, changes ...change) *http.Request {
	c.t.Helper()
	now := time.Now
	if c.now != nil {
		now = c.now
	}
	r, err := http.NewRequestWithContext(context.Background(), method, c.base+target, bytes.NewReader(body))
	require.NoError(c.t, err)
	stamp := strconv.FormatInt(now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(c.secret))
	fmt.Fprint(mac, stamp, method, target)
	mac.Write(body)
	r.Header.Set("X-App-Token", c.token)
	r.Header.Set("X-App-Access-Ts", stamp)
	r.Header.Set("X-App-Access-Sig", hex.EncodeToString(mac.Sum(nil)))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	if !strings.Contains(target, "/images/") {
		r.Header.Set("Accept", "application/json")
	}
	for _, change := range changes {
		change(r)
	}
	return r
}

// try sends a request. It returns an error only if the connection fails.
func (c *client) try(method, target string, body []byte, changes ...change) (result, error) {
	response, err := c.transport.RoundTrip(c.request(method, target, body, changes...))
	if err != nil {
		return result{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return result{response.StatusCode, response.Header, content, err}, nil
}

// do sends a signed request and returns the answer.
func (c *client) do(method, target string, body []byte, changes ...change) result {
	c.t.Helper()
	r, err := c.try(method, target, body, changes...)
	require.NoError(c.t, err)
	return r
}

// memoryDial is the DialContext of a transport to a simulator in memory.
func memoryDial(s *simulator.Server) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return s.Dial(ctx) }
}

const (
	createTarget = "/resources/applicantActions/-/forApplicant/" + simulator.DefaultApplicantID + "?levelName=" + simulator.LevelFaceAuth
	listTarget   = "/resources/applicantActions/-;applicantId=" + simulator.DefaultApplicantID
)

// create creates an action and returns its ID.
func (c *client) create(external string) string {
	c.t.Helper()
	r := c.do("POST", createTarget, fmt.Appendf(nil, `{"externalActionId":%q}`, external))
	require.Equal(c.t, 200, r.status, "%s", r.body)
	return r.json(c.t)["id"].(string)
}

// get fetches an action.
func (c *client) get(actionID string) map[string]any {
	c.t.Helper()
	r := c.do("GET", "/resources/applicantActions/"+actionID+"/one", nil)
	require.Equal(c.t, 200, r.status, "%s", r.body)
	return r.json(c.t)
}

// submit submits an action for review.
func (c *client) submit(actionID string) result {
	c.t.Helper()
	r := c.do("POST", "/resources/applicantActions/"+actionID+"/review/status/pending", nil)
	require.Equal(c.t, 200, r.status, "%s", r.body)
	return r
}

// part is one part of a multipart body.
type part struct{ disposition, contentType, content string }

// metadata returns the metadata part of an upload.
func metadata(text string) part { return part{`form-data; name="metadata"`, "", text} }

// content returns the image part of an upload.
func content(name, contentType, bytes string) part {
	return part{`form-data; name="content"; filename="` + name + `"`, contentType, bytes}
}

// multipartBody returns a form of the parts and the change that sets its content type.
func multipartBody(t testing.TB, parts ...part) ([]byte, change) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{"Content-Disposition": {p.disposition}}
		if p.contentType != "" {
			h.Set("Content-Type", p.contentType)
		}
		into, err := w.CreatePart(h)
		require.NoError(t, err)
		_, err = io.WriteString(into, p.content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes(), header("Content-Type", w.FormDataContentType())
}

const selfie = `{"idDocType":"SELFIE","country":"GBR"}`

// addParts uploads the parts to an action.
func (c *client) addParts(actionID string, parts ...part) result {
	c.t.Helper()
	body, form := multipartBody(c.t, parts...)
	return c.do("POST", "/resources/applicantActions/"+actionID+"/images", body, form)
}

// addImage uploads a JPEG selfie of these bytes to an action.
func (c *client) addImage(actionID, bytes string) result {
	c.t.Helper()
	return c.addParts(actionID, metadata(selfie), content("name.jpg", "image/jpeg", bytes))
}
