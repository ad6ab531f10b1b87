package simulator_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/simulator"
)

// control calls the control API without a signature.
func (c *client) control(method, path, body string, changes ...change) result {
	c.t.Helper()
	r, err := http.NewRequest(method, c.base+"/_simulator/"+path, strings.NewReader(body))
	require.NoError(c.t, err)
	for _, change := range changes {
		change(r)
	}
	response, err := c.transport.RoundTrip(r)
	require.NoError(c.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	return result{status: response.StatusCode, header: response.Header, body: text}
}

// told is control for a call that must succeed.
func (c *client) told(method, path, body string) map[string]any {
	c.t.Helper()
	r := c.control(method, path, body)
	require.Less(c.t, r.status, 300, "%s", r.body)
	return r.json(c.t)
}

// webhookLog records the webhooks that a receiver got.
type webhookLog struct {
	mu     sync.Mutex
	bodies []string
	refuse bool
	got    chan struct{}
}

// newWebhookLog starts a receiver of webhooks and returns its log and its URL.
func newWebhookLog(t *testing.T) (*webhookLog, string) {
	t.Helper()
	log := &webhookLog{got: make(chan struct{}, 100)}
	server := httptest.NewServer(log)
	t.Cleanup(server.Close)
	return log, server.URL
}

func (l *webhookLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bodies = append(l.bodies, string(body))
	if l.refuse {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "bad digest")
	}
	l.got <- struct{}{}
}

// setRefuse sets whether the receiver refuses the next deliveries.
func (l *webhookLog) setRefuse(refuse bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = refuse
}

func TestControl(t *testing.T) {
	t.Parallel()
	s, c := start(t, simulator.Config{KnownOnly: true, ReviewDelay: -1})
	t.Run("applicants", func(t *testing.T) {
		added := c.told("POST", "applicants", `{"id":"a1","externalUserId":"alice"}`)
		assert.Equal(t, "alice", added["externalUserId"])
		assert.Equal(t, "completed", at(t, added, "review", "reviewStatus"))
		assert.Len(t, c.told("GET", "applicants", "")["items"], 2)
		assert.Equal(t, 200, c.do("GET", "/resources/applicants/a1/one", nil).status)
	})
	t.Run("levels", func(t *testing.T) {
		assert.Equal(t, "selfieAuth", c.told("PUT", "levels", `{"name":"my level"}`)["type"])
		assert.Equal(t, "questionnaire", c.told("POST", "levels", `{"name":"q","type":"questionnaire"}`)["type"])
		assert.Len(t, c.told("GET", "levels", "")["items"], 5)
	})
	t.Run("outcome", func(t *testing.T) {
		assert.Equal(t, "GREEN", c.told("GET", "outcome", "")["outcome"])
		const final = `{"reviewAnswer":"RED","rejectLabels":["FORGERY"],"reviewRejectType":"FINAL","moderationComment":"no"}`
		assert.Equal(t, "RED-FINAL:FORGERY", c.told("POST", "outcome", final)["outcome"])
		red := c.told("PUT", "outcome", `{"outcome":"RED:PEP"}`)
		assert.Equal(t, "RETRY", red["reviewRejectType"])
		id := c.create("outcome")
		c.addImage(id, "face")
		assert.Equal(t, "PEP", at(t, c.submit(id).json(t), "review", "reviewResult", "rejectLabels", 0))
		c.told("PUT", "outcome", `{"outcome":"GREEN"}`)
	})
	t.Run("faults", func(t *testing.T) {
		assert.Equal(t, "503@GetAction#2", c.told("POST", "faults", `{"faults":"503@GetAction#2"}`)["faults"])
		assert.Equal(t, 503, c.do("GET", "/resources/applicantActions/x/one", nil).status)
		assert.Equal(t, "503@GetAction#1", c.told("GET", "faults", "")["faults"])
		assert.Empty(t, c.told("DELETE", "faults", "")["faults"])
		assert.Equal(t, 404, c.do("GET", "/resources/applicantActions/x/one", nil).status)
	})
	t.Run("clock", func(t *testing.T) {
		assert.Equal(t, "-2m0s", c.told("POST", "clock", `{"offset":"-2m"}`)["offset"])
		assert.Equal(t, 401, c.do("GET", listTarget, nil).status)
		assert.Equal(t, "0s", c.told("POST", "clock", `{"offset":"0s"}`)["offset"])
		assert.Equal(t, 200, c.do("GET", listTarget, nil).status)
		assert.NotEmpty(t, c.told("GET", "clock", "")["time"])
	})
	t.Run("actions", func(t *testing.T) {
		id := c.create("mine")
		image := c.addImage(id, jpeg(t)).json(t)
		all := c.told("GET", "actions?applicantId="+simulator.DefaultApplicantID, "")["items"].([]any)
		assert.Equal(t, id, at(t, all, len(all)-1, "id"))
		assert.Empty(t, c.told("GET", "actions?applicantId=nobody", "")["items"])
		assert.Equal(t, "mine", c.told("GET", "actions/"+id, "")["externalActionId"])
		assert.Equal(t, "onHold", at(t, c.told("POST", "actions/"+id+"/review", `{"outcome":"onHold"}`), "review", "reviewStatus"))
		decided := c.told("POST", "actions/"+id+"/review", `{"reviewAnswer":"GREEN"}`)
		assert.Equal(t, "GREEN", at(t, decided, "review", "reviewResult", "reviewAnswer"))
		assert.Equal(t, 1.0, decided["reviews"])
		shown := c.control("GET", fmt.Sprintf("actions/%s/images/%.0f", id, image["imageId"]), "")
		assert.Equal(t, "image/jpeg", shown.header.Get("Content-Type"))
		assert.Contains(t, shown.header.Get("Content-Security-Policy"), "sandbox")
		assert.Equal(t, jpeg(t), string(shown.body))
		var list []struct{ ID string }
		require.NoError(t, json.Unmarshal(s.ActionsJSON(""), &list))
		assert.Equal(t, id, list[len(list)-1].ID)
	})
	t.Run("tokens", func(t *testing.T) {
		const target = "/resources/accessTokens?userId=alice&levelName=action-liveness&externalActionId=login"
		token := c.do("POST", target, nil).json(t)["token"].(string)
		done := c.told("POST", "tokens/"+token+"/complete", "")
		assert.Equal(t, "completed", at(t, done, "review", "reviewStatus"))
		assert.Equal(t, "alice", done["externalUserId"])
	})
	t.Run("requests", func(t *testing.T) {
		c.do("GET", listTarget, nil, header("X-App-Access-Sig", "00"))
		all := c.told("GET", "requests?operation=ListActions", "")
		items := all["items"].([]any)
		last := items[len(items)-1]
		assert.Equal(t, "signature", at(t, last, "signature"))
		assert.Equal(t, 401.0, at(t, last, "status"))
		assert.Regexp(t, `^\d+GET`+listTarget+`$`, at(t, last, "stringToSign"))
		assert.Equal(t, float64(len(items)), at(t, all, "counts", "ListActions"))
	})
	t.Run("texts", func(t *testing.T) { // curl -d sends a body like this
		assert.Equal(t, "RED:PEP", c.told("POST", "outcome", "RED:PEP")["outcome"])
		assert.Equal(t, "GREEN", c.told("POST", "outcome", `"GREEN"`)["outcome"])
		assert.Equal(t, "429@GetAction#1", c.told("POST", "faults", "429@GetAction#1")["faults"])
		assert.Empty(t, c.told("POST", "faults", `""`)["faults"])
		assert.Equal(t, "1m0s", c.told("POST", "clock", "1m")["offset"])
		c.told("POST", "clock", "0s")
		assert.Equal(t, "http://127.0.0.1:1", c.told("POST", "webhook-url", "http://127.0.0.1:1")["url"])
		assert.Empty(t, c.told("POST", "webhook-url", `{"url":""}`)["url"])
	})
	t.Run("state", func(t *testing.T) {
		state := c.told("GET", "", "")
		assert.Equal(t, true, state["knownOnly"])
		assert.Equal(t, 2.0, state["applicantCount"])
	})
	t.Run("reset", func(t *testing.T) {
		c.told("POST", "reset", "")
		assert.Empty(t, c.told("GET", "actions", "")["items"])
		assert.Empty(t, c.told("GET", "requests", "")["items"])
		assert.Empty(t, c.told("GET", "requests", "")["counts"])
		assert.Equal(t, 404, c.do("GET", "/resources/applicants/a1/one", nil).status)
	})
}

func TestControlWebhooks(t *testing.T) {
	t.Parallel()
	log, url := newWebhookLog(t)
	_, c := start(t, simulator.Config{})
	const event = `{ "type": "applicantReviewed",  "applicantId": "a1", "createdAtMs": "2026-03-01 12:00:00.000" }`
	assert.Equal(t, 409, c.control("POST", "events", event).status, "there is no URL")
	assert.Equal(t, url+"/hook", c.told("PUT", "webhook-url", `{"url":"`+url+`/hook"}`)["url"])
	assert.Equal(t, url+"/hook", c.told("GET", "webhook-url", "")["url"])

	log.setRefuse(true)
	assert.Equal(t, 1.0, c.told("POST", "events", event)["n"])
	<-log.got
	// delivery waits until the only delivery has a state, and returns the delivery.
	delivery := func(state string) (d any) {
		require.Eventually(t, func() bool {
			d = at(t, c.told("GET", "deliveries", ""), "items", 0)
			return at(t, d, "state") == state
		}, time.Minute, time.Millisecond)
		return d
	}
	delivery("retrying")
	log.setRefuse(false)
	assert.Equal(t, 1.0, c.told("POST", "deliveries/1/resend", "")["n"])
	<-log.got
	assert.Equal(t, []string{event, event}, log.bodies, "as it was sent, byte by byte")

	accepted := delivery("accepted")
	assert.Equal(t, "applicantReviewed", at(t, accepted, "type"))
	assert.Equal(t, event, at(t, accepted, "body"))
	assert.Equal(t, 401.0, at(t, accepted, "attempts", 0, "status"))
	assert.Equal(t, "bad digest", at(t, accepted, "attempts", 0, "answer"))
	assert.Equal(t, "30s", at(t, accepted, "attempts", 0, "next"))
	assert.Equal(t, 200.0, at(t, accepted, "attempts", 1, "status"))
	assert.Equal(t, 2.0, at(t, accepted, "attempts", 1, "attempt"))

	c.told("PUT", "webhook-url", `{"url":""}`)
	assert.Equal(t, 409, c.control("POST", "deliveries/1/resend", "").status)
	assert.Equal(t, 404, c.control("POST", "deliveries/2/resend", "").status)
	assert.Equal(t, 404, c.control("POST", "deliveries/x/resend", "").status)
}

func TestControlRefusals(t *testing.T) {
	t.Parallel()
	_, c := start(t, simulator.Config{})
	id := c.create("a")
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		change                   change
	}{
		{name: "foreign origin", method: "POST", path: "reset", status: 403, change: header("Origin", "https://evil.example")},
		{name: "opaque origin", method: "POST", path: "reset", status: 403, change: header("Origin", "null")},
		{name: "foreign origin reads", method: "GET", path: "requests", status: 403, change: header("Origin", "http://localhost:1")},
		{name: "foreign page without an origin", method: "GET", path: "requests", status: 403, change: header("Sec-Fetch-Site", "cross-site")},
		{name: "page of the same site", method: "GET", path: "requests", status: 403, change: header("Sec-Fetch-Site", "same-site")},
		{name: "host of somebody else", method: "GET", path: "requests", status: 403, change: func(r *http.Request) { r.Host = "evil.example" }},
		{
			name: "host of somebody else with a port", method: "POST", path: "reset", status: 403,
			change: func(r *http.Request) { r.Host = "evil.example:8090" },
		},
		{
			name: "host that begins well", method: "POST", path: "reset", status: 403,
			change: func(r *http.Request) { r.Host = "localhost.evil.example" },
		},
		{name: "address of somebody else", method: "POST", path: "reset", status: 403, change: func(r *http.Request) { r.Host = "192.0.2.1" }},
		{
			name: "form of a browser", method: "POST", path: "outcome", body: `{"outcome":"RED"}`, status: 415,
			change: header("Sec-Fetch-Site", "same-origin"),
		},
		{name: "unknown path", method: "GET", path: "nothing", status: 404},
		{name: "unknown path below", method: "GET", path: "actions/" + id + "/nothing", status: 404},
		{name: "method", method: "DELETE", path: "actions", status: 405},
		{name: "method of the console", method: "POST", path: "console.js", status: 405},
		{name: "huge", method: "POST", path: "events", body: strings.Repeat("x", 65<<10), status: 413},
		{name: "applicant without an id", method: "POST", path: "applicants", body: `{"externalUserId":"x"}`, status: 400},
		{name: "applicant no object", method: "POST", path: "applicants", body: `x`, status: 400},
		{name: "level without a name", method: "POST", path: "levels", body: `{}`, status: 400},
		{name: "level no object", method: "POST", path: "levels", body: `[]`, status: 400},
		{name: "outcome empty", method: "POST", path: "outcome", body: ``, status: 400},
		{name: "outcome of nothing", method: "POST", path: "outcome", body: `{}`, status: 400},
		{name: "outcome misspelt", method: "POST", path: "outcome", body: `{"answer":"RED"}`, status: 400},
		{name: "outcome unknown", method: "POST", path: "outcome", body: `{"outcome":"PURPLE"}`, status: 400},
		{name: "outcome twice", method: "POST", path: "outcome", body: `{"outcome":"RED","rejectLabels":["PEP"]}`, status: 400},
		{name: "outcome two values", method: "POST", path: "outcome", body: `{"outcome":"RED"}{}`, status: 400},
		{name: "outcome label", method: "POST", path: "outcome", body: `{"reviewAnswer":"RED","rejectLabels":["<b>"]}`, status: 400},
		{
			name: "outcome comment", method: "POST", path: "outcome",
			body: `{"reviewAnswer":"RED","moderationComment":"` + strings.Repeat("x", 5000) + `"}`, status: 400,
		},
		{name: "faults", method: "POST", path: "faults", body: `{"faults":"flood#1"}`, status: 400},
		{name: "faults missing", method: "POST", path: "faults", body: `{}`, status: 400},
		{name: "faults no object", method: "POST", path: "faults", body: `1`, status: 400},
		{name: "faults above one", method: "POST", path: "faults", body: `{"faults":"429=0.9,500=0.9"}`, status: 400},
		{name: "faults of another name", method: "POST", path: "faults", body: `{"fault":"429#1"}`, status: 400},
		{name: "faults malformed", method: "POST", path: "faults", body: `"429#1`, status: 400},
		{name: "outcome text", method: "POST", path: "outcome", body: `PURPLE`, status: 400},
		{name: "clock", method: "POST", path: "clock", body: `{"offset":"soon"}`, status: 400},
		{name: "clock no object", method: "POST", path: "clock", body: `[]`, status: 400},
		{name: "review of nothing", method: "POST", path: "actions/x/review", body: `{"outcome":"GREEN"}`, status: 404},
		{name: "review without an outcome", method: "POST", path: "actions/" + id + "/review", body: ``, status: 400},
		{name: "review with a bad answer", method: "POST", path: "actions/" + id + "/review", body: `{"reviewAnswer":"green"}`, status: 400},
		{name: "unknown action", method: "GET", path: "actions/x", status: 404},
		{name: "image of an unknown action", method: "GET", path: "actions/x/images/1", status: 404},
		{name: "unknown image", method: "GET", path: "actions/" + id + "/images/1", status: 404},
		{name: "unknown token", method: "POST", path: "tokens/x/complete", status: 404},
		{name: "event without a type", method: "POST", path: "events", body: `{}`, status: 409},
		{name: "URL", method: "POST", path: "webhook-url", body: `{"url":"https://example.com"}`, status: 400},
		{name: "URL missing", method: "POST", path: "webhook-url", body: `{}`, status: 400},
		{name: "URL no object", method: "POST", path: "webhook-url", body: `x`, status: 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			var changes []change
			if test.change != nil {
				changes = append(changes, test.change)
			}
			r := c.control(test.method, test.path, test.body, changes...)
			assert.Equal(t, test.status, r.status, "%s", r.body)
			assert.NotEmpty(t, r.json(t)["description"])
			assert.Contains(t, r.header.Get("Content-Security-Policy"), "default-src 'none'")
		})
	}
	assert.Equal(t, id, at(t, c.told("GET", "actions", ""), "items", 0, "id"), "nothing was reset")
	assert.Equal(t, "GREEN", c.told("GET", "outcome", "")["outcome"])
	own := c.control("POST", "outcome", `{"outcome":"GREEN"}`,
		header("Sec-Fetch-Site", "same-origin"), header("Content-Type", "application/json"), header("Origin", c.base))
	assert.Equal(t, 200, own.status, "the console itself")
}

func TestControlHosts(t *testing.T) {
	t.Parallel()
	ask := func(cfg simulator.Config, local, host string) int {
		s, err := simulator.New(cfg)
		require.NoError(t, err)
		r := httptest.NewRequest("GET", "/_simulator/outcome", nil)
		r.Host = host
		if local != "" {
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP(local)}))
		}
		w := newRecorder()
		s.ServeHTTP(w, r)
		return w.Code
	}
	for _, test := range []struct {
		cfg         simulator.Config
		local, host string
		want        int
	}{
		{cfg: simulator.Config{}, local: "127.0.0.1", host: "localhost:8090", want: 200},
		{cfg: simulator.Config{}, local: "127.0.0.1", host: "127.0.0.2", want: 200},
		{cfg: simulator.Config{}, local: "::1", host: "[::1]:8090", want: 200},
		{cfg: simulator.Config{}, local: "127.0.0.1", host: "simulator.localhost", want: 200},
		{cfg: simulator.Config{}, local: "127.0.0.1", host: "simulator", want: 403},
		{cfg: simulator.Config{}, host: "example.com", want: 403},
		{cfg: simulator.Config{AllowedHosts: []string{"kyc.example.com"}}, local: "127.0.0.1", host: "KYC.example.com:80", want: 200},
		{cfg: simulator.Config{}, local: "172.17.0.2", host: "172.17.0.2:8090", want: 200},
		{cfg: simulator.Config{}, local: "172.17.0.2", host: "simulator:8090", want: 200},
		{cfg: simulator.Config{}, local: "172.17.0.2", host: "host.docker.internal", want: 200},
		{cfg: simulator.Config{}, local: "172.17.0.2", host: "evil.example", want: 403},
		{cfg: simulator.Config{Remote: true}, local: "127.0.0.1", host: "simulator", want: 200},
		{cfg: simulator.Config{Remote: true}, local: "127.0.0.1", host: "192.0.2.1", want: 200},
		{cfg: simulator.Config{Remote: true}, local: "127.0.0.1", host: "evil.example", want: 403},
		{cfg: simulator.Config{Remote: true}, local: "127.0.0.1", want: 403},
	} {
		assert.Equal(t, test.want, ask(test.cfg, test.local, test.host), "%s on %s, remote %v", test.host, test.local, test.cfg.Remote)
	}
}

func TestRemote(t *testing.T) {
	t.Parallel()
	s, err := simulator.New(simulator.Config{Remote: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	base, err := s.Start("0.0.0.0:0")
	require.NoError(t, err)
	assert.Regexp(t, `^http://127\.0\.0\.1:\d+$`, base)
	c := direct(t, s)
	c.base, c.transport = base, &http.Transport{}
	assert.Equal(t, 200, c.do("GET", listTarget, nil).status)
	assert.Regexp(t, "^"+base+"/idensic/l/#/", c.link(t, "a"))
	for url, want := range map[string]int{
		"http://app:8080/hook": 200, "http://host.docker.internal/": 200, "http://10.1.2.3/": 200, "http://localhost/": 200,
		"http://example.com/": 400, "http://192.0.2.1/": 400, "http://user@app/": 400,
		"http://169.254.169.254/": 400, "http://[::ffff:169.254.169.254]/": 400, "http://[fe80::1%25eth0]/": 400,
		"http://metadata.google.internal/": 400, "http://Metadata/": 400, "http://instance-data.ec2.internal/": 400,
		"http://[fd00:ec2::254]/": 400, "http://[fd00:ec2:0::254]/": 400,
	} {
		text, err := json.Marshal(map[string]string{"url": url})
		require.NoError(t, err)
		assert.Equal(t, want, c.control("POST", "webhook-url", string(text)).status, url)
	}
}

// stream reads the messages of the console's stream.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
}

type streamMessage struct {
	Reset      bool
	Settings   *struct{ Faults string }
	Total      int
	Requests   []struct{ N int }
	Actions    []struct{ ID, Status, Note string }
	Deliveries []struct{ N int }
}

// stream opens the stream of the console.
func (c *client) stream(t *testing.T) *stream {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", c.base+"/_simulator/stream", nil)
	require.NoError(t, err)
	response, err := c.transport.RoundTrip(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	require.Equal(t, 200, response.StatusCode)
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	return &stream{t, lines}
}

// next waits for the next message and returns it.
func (s *stream) next() (m streamMessage) {
	s.t.Helper()
	for s.lines.Scan() {
		if data, ok := strings.CutPrefix(s.lines.Text(), "data: "); ok {
			require.NoError(s.t, json.Unmarshal([]byte(data), &m))
			return m
		}
	}
	require.FailNow(s.t, "the stream has ended")
	return m
}

func TestStream(t *testing.T) {
	t.Parallel()
	s, c := start(t, simulator.Config{ReviewDelay: -1})
	c.create("a")
	events := c.stream(t)
	first := events.next()
	assert.True(t, first.Reset)
	assert.Len(t, first.Requests, 1)
	assert.Len(t, first.Actions, 1)
	assert.NotNil(t, first.Settings)

	c.submit(first.Actions[0].ID)
	m := events.next()
	assert.False(t, m.Reset)
	assert.Nil(t, m.Settings)
	require.Len(t, m.Actions, 1)
	assert.Equal(t, "completed", m.Actions[0].Status)
	assert.Contains(t, m.Actions[0].Note, "without an image")

	script(t, s, simulator.Fault{Kind: simulator.FaultStatus})
	assert.NotNil(t, events.next().Settings)
	s.Reset()
	m = events.next()
	assert.True(t, m.Reset)
	assert.Empty(t, m.Actions)
	require.NoError(t, s.Close())
	for events.lines.Scan() { // the stream ends with the simulator
		assert.Empty(t, events.lines.Text())
	}
}

// A console gets the last 500 requests in the end, however fast they arrive.
func TestStreamKeepsUp(t *testing.T) {
	t.Parallel()
	s, c := start(t, simulator.Config{})
	events := c.stream(t)
	events.next()
	const total = 3000
	done := make(chan struct{})
	go func() {
		defer close(done)
		busy := direct(t, s)
		for range total {
			_, _ = busy.try("GET", listTarget, nil)
		}
	}()
	last, messages := 0, 0
	for last < total {
		m := events.next()
		require.LessOrEqual(t, len(m.Requests), 500)
		for _, r := range m.Requests {
			require.GreaterOrEqual(t, r.N, last)
			last = r.N
		}
		messages++
	}
	<-done
	assert.Less(t, messages, total/10, "what comes fast comes together")
	items := c.told("GET", "requests", "")["items"].([]any)
	assert.Len(t, items, 500)
	assert.Equal(t, float64(total), at(t, items, 499, "n"))
}

func TestTooManyStreams(t *testing.T) {
	t.Parallel()
	_, c := start(t, simulator.Config{})
	for range 32 {
		c.stream(t).next()
	}
	assert.Equal(t, 503, c.control("GET", "stream", "").status)
}

func TestConsoleFiles(t *testing.T) {
	t.Parallel()
	_, c := start(t, simulator.Config{PathPrefix: "/idngo"})
	get := func(path string) result { return c.do("GET", path, nil) }
	html := get("/idngo/")
	assert.Equal(t, 200, html.status)
	assert.Equal(t, "text/html; charset=utf-8", html.header.Get("Content-Type"))
	assert.Equal(t, "text/javascript; charset=utf-8", get("/idngo/_simulator/console.js").header.Get("Content-Type"))
	assert.Equal(t, "text/css; charset=utf-8", get("/idngo/_simulator/console.css").header.Get("Content-Type"))
	assert.Equal(t, 404, get("/idngo/_simulator/console.html").status)
	assert.Equal(t, "/idngo/", get("/idngo").header.Get("Location"))
	assert.NotContains(t, html.header.Get("Content-Security-Policy"), "unsafe")
	opened := c.do("GET", "/idngo/", nil, header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate"))
	assert.Equal(t, 200, opened.status, "a link of another page leads here")
}
