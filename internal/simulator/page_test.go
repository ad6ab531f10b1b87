package simulator_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/simulator"
)

// link creates a link to the verification page for an external id.
func (c *client) link(t testing.TB, external string) string {
	t.Helper()
	const path = "/resources/sdkIntegrations/levels/action-liveness/websdkLink"
	r := c.do("POST", path+"?externalUserId=JamesBond007&ttlInSecs=60&externalActionId="+external, nil)
	require.Equal(t, 200, r.status, "%s", r.body)
	return r.json(t)["url"].(string)
}

// browser makes the requests of the script of the page.
type browser struct {
	*client
	page, code string
}

// open returns a browser at the page of the link.
func (c *client) open(t testing.TB, link string) browser {
	page, code, ok := strings.Cut(link, "#/")
	require.True(t, ok)
	require.Regexp(t, `^[A-Z2-7]{26}$`, code)
	return browser{c, page, code}
}

// post calls the API of the page with the code of the link.
func (b browser) post(path string, body map[string]any, changes ...change) result {
	b.t.Helper()
	body["code"] = b.code
	text, err := json.Marshal(body)
	require.NoError(b.t, err)
	r, err := http.NewRequest("POST", b.page+"api/"+path, strings.NewReader(string(text)))
	require.NoError(b.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", strings.TrimSuffix(b.page, "/idensic/l/"))
	for _, change := range changes {
		change(r)
	}
	response, err := (&http.Client{Transport: b.transport}).Do(r)
	require.NoError(b.t, err)
	defer response.Body.Close()
	var view json.RawMessage
	require.NoError(b.t, json.NewDecoder(response.Body).Decode(&view))
	return result{status: response.StatusCode, header: response.Header, body: view}
}

func TestPageFiles(t *testing.T) {
	_, c := start(t, simulator.Config{})
	for name, contentType := range map[string]string{"": "text/html", "page.js": "text/javascript", "page.css": "text/css"} {
		r := c.do("GET", "/idensic/l/"+name, nil)
		assert.Equal(t, 200, r.status)
		assert.Equal(t, contentType+"; charset=utf-8", r.header.Get("Content-Type"))
		policy := r.header.Get("Content-Security-Policy")
		assert.Contains(t, policy, "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
		assert.NotContains(t, policy, "unsafe")
		assert.Equal(t, "nosniff", r.header.Get("X-Content-Type-Options"))
		assert.Equal(t, "no-referrer", r.header.Get("Referrer-Policy"))
		assert.Equal(t, "no-store", r.header.Get("Cache-Control"))
		assert.NotEmpty(t, r.header.Get("Date"))
		file := name
		if file == "" {
			file = "page.html"
		}
		want, err := os.ReadFile("page/" + file)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(r.body))
		assert.Empty(t, c.do("HEAD", "/idensic/l/"+name, nil).body)
		assert.Equal(t, 405, c.do("POST", "/idensic/l/"+name, nil).status)
	}
	assert.Equal(t, 404, c.do("GET", "/idensic/l/page.html", nil).status)
	assert.Equal(t, 405, c.do("GET", "/idensic/l/api/session", nil).status)
}

// TestPageKeepsItsPolicy searches the pages for parts that the policy would block,
// and for parts that could turn data into markup.
func TestPageKeepsItsPolicy(t *testing.T) {
	for _, name := range []string{"page/page", "console/console"} {
		html, err := os.ReadFile(name + ".html")
		require.NoError(t, err)
		assert.NotRegexp(t, `(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script[^>]*>[^<]`, string(html))
		assert.Contains(t, string(html), `<meta name="viewport" content="width=device-width, initial-scale=1">`)
		script, err := os.ReadFile(name + ".js")
		require.NoError(t, err)
		assert.NotRegexp(t, `innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|\.style`, string(script))
	}
}

func TestPageDecides(t *testing.T) {
	for outcome, want := range map[string]struct {
		body   map[string]any
		status string
		result simulator.Outcome
		events []string
	}{
		"approve": {status: "completed", result: simulator.Outcome{Answer: "GREEN"}, events: []string{"Pending", "Reviewed"}},
		"error":   {status: "completed", result: simulator.Outcome{Answer: "ERROR"}, events: []string{"Pending", "Reviewed"}},
		"hold":    {status: "onHold", result: simulator.Outcome{}, events: []string{"Pending", "OnHold"}},
		"reject": {
			body: map[string]any{"rejectLabels": []string{"BAD_SELFIE", "OTHER"}, "final": true, "comment": "<b>Нет</b>"}, status: "completed",
			result: simulator.Outcome{
				Answer: "RED", RejectLabels: []string{"BAD_SELFIE", "OTHER"}, RejectType: "FINAL", ModerationComment: "<b>Нет</b>",
			},
			events: []string{"Pending", "Reviewed"},
		},
	} {
		t.Run(outcome, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r receiver
				s, c, stop := servePipe(t, simulator.Config{WebhookURL: "http://127.0.0.1/", WebhookTransport: &r, PathPrefix: ""})
				defer stop()
				b := c.open(t, c.link(t, "new%20one"))
				assert.Empty(t, s.Actions())
				view := b.post("session", map[string]any{}).json(t)
				require.Len(t, s.Actions(), 1)
				a := s.Actions()[0]
				assert.Equal(t, a.ID, view["actionId"])
				assert.Equal(t, "new one", view["externalActionId"])
				assert.Equal(t, "JamesBond007", view["externalUserId"])
				assert.Equal(t, simulator.DefaultApplicantID, view["applicantId"])
				assert.Equal(t, "init", view["reviewStatus"])
				assert.Contains(t, view["labels"], "BAD_FACE_MATCHING")
				assert.Equal(t, view, b.post("session", map[string]any{}).json(t), "opened again")

				body := map[string]any{"outcome": outcome}
				for name, value := range want.body {
					body[name] = value
				}
				view = b.post("decision", body).json(t)
				assert.Equal(t, want.status, view["reviewStatus"])
				synctest.Wait()
				assert.Equal(t, want.events, r.types())
				a = s.Actions()[0]
				assert.Equal(t, want.status, a.ReviewStatus)
				assert.Equal(t, want.result, a.Outcome)
				assert.Equal(t, 4, s.Stats().ByOperation["Page"]+s.Stats().ByOperation["CreateWebSDKLink"])
			})
		})
	}
}

func TestPageTakesAnExistingAction(t *testing.T) {
	s, c := start(t, simulator.Config{})
	c.create("a")
	newest := c.create("a")
	b := c.open(t, c.link(t, "a"))
	assert.Equal(t, newest, b.post("session", map[string]any{}).json(t)["actionId"])
	assert.Equal(t, "RED", b.post("decision", map[string]any{"outcome": "reject"}).json(t)["reviewAnswer"])
	assert.Equal(t, "GREEN", b.post("decision", map[string]any{"outcome": "approve"}).json(t)["reviewAnswer"], "decided again")
	assert.Len(t, s.Actions(), 2)
}

func TestPageRefusals(t *testing.T) {
	clock := time.Now()
	s, c := start(t, simulator.Config{KnownOnly: true, Clock: func() time.Time { return clock }, Limits: simulator.Limits{Actions: 1}})
	b := c.open(t, c.link(t, "a"))
	approve := func() map[string]any { return map[string]any{"outcome": "approve"} }
	for name, test := range map[string]struct {
		body   map[string]any
		change change
		status int
	}{
		"form of another site": {body: approve(), change: header("Content-Type", "text/plain"), status: 415},
		"script of another":    {body: approve(), change: header("Origin", "https://evil.example"), status: 403},
		"opaque origin":        {body: approve(), change: header("Origin", "null"), status: 403},
		"no outcome":           {body: map[string]any{}, status: 400},
		"unknown outcome":      {body: map[string]any{"outcome": "maybe"}, status: 400},
		"label":                {body: map[string]any{"outcome": "reject", "rejectLabels": []string{"<b>"}}, status: 400},
		"too many labels": {
			body:   map[string]any{"outcome": "reject", "rejectLabels": strings.Split(strings.Repeat("A,", 20)+"A", ",")},
			status: 400,
		},
		"comment":               {body: map[string]any{"outcome": "reject", "comment": strings.Repeat("ы", 501)}, status: 400},
		"huge":                  {body: map[string]any{"outcome": "approve", "x": strings.Repeat("x", 65<<10)}, status: 400},
		"another kind of thing": {body: map[string]any{"outcome": 1}, status: 400},
	} {
		t.Run(name, func(t *testing.T) {
			var changes []change
			if test.change != nil {
				changes = append(changes, test.change)
			}
			r := b.post("decision", test.body, changes...)
			assert.Equal(t, test.status, r.status, "%s", r.body)
			assert.NotEmpty(t, r.json(t)["description"])
		})
	}
	assert.Empty(t, s.Actions())

	unknown := b
	unknown.code = "NOTHING"
	assert.Equal(t, 404, unknown.post("session", map[string]any{}).status)

	c.create("other")
	r := b.post("session", map[string]any{})
	assert.Equal(t, 400, r.status, "full")

	require.NoError(t, s.AddApplicant(simulator.DefaultApplicantID, "renamed"))
	assert.Equal(t, 404, b.post("session", map[string]any{}).status)
	require.NoError(t, s.AddApplicant(simulator.DefaultApplicantID, "JamesBond007"))

	clock = clock.Add(time.Minute)
	r = b.post("decision", approve())
	assert.Equal(t, 410, r.status)
	assert.Contains(t, r.json(t)["description"], "expired")
}
