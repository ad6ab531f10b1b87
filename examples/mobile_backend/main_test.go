package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/simulator"
)

// TestMain checks the log of all tests. It must show no personal data and no secret.
func TestMain(m *testing.M) {
	var logged bytes.Buffer
	log.SetOutput(&logged)
	code := m.Run()
	for _, secret := range []string{
		"James", "Moneypenny", "63e096c51b6b4030f2e0115", "demo-", "_act-", "key-of-", webhookSecret,
		simulator.DefaultAppToken, simulator.DefaultSecretKey,
	} {
		if strings.Contains(logged.String(), secret) {
			fmt.Printf("%q was logged:\n%s", secret, &logged)
			code = 1
		}
	}
	os.Exit(code)
}

// A report of an SDK in the form of the specification only makes the backend fetch the action. The
// answer of the service decides, whatever the report contains.
func TestResults(t *testing.T) {
	t.Parallel()
	verdicts := []struct {
		outcome *simulator.Outcome // nil: there is none yet
		status  string
	}{
		{status: "pending"},
		{outcome: &simulator.Outcome{OnHold: true}, status: "pending"},
		{outcome: &simulator.Outcome{Answer: "GREEN"}, status: "approved"},
		{outcome: &simulator.Outcome{Answer: "RED", RejectLabels: []string{"BAD_FACE_MATCHING"}, RejectType: "FINAL"}, status: "rejected"},
		{outcome: &simulator.Outcome{Answer: "RED", RejectLabels: []string{"BAD_FACE_MATCHING"}, RejectType: "RETRY"}, status: "retry"},
		{outcome: &simulator.Outcome{Answer: "YELLOW"}, status: "rejected"},
		{outcome: &simulator.Outcome{Answer: "ERROR"}, status: "error"},
	}
	reports := map[string]string{ // %s is the action's id
		"Android, ActionCompleted":           `{"actionId":"%s","type":"FaceAuth","answer":"GREEN","payload":{"a":{"b":[1]}}}`,
		"Android, no answer":                 `{"actionId":"%s","type":"FaceAuth","answer":null,"payload":{}}`,
		"Android, null":                      `{"actionId":"%s","type":null,"answer":null,"payload":null}`,
		"Android, YELLOW":                    `{"actionId":"%s","type":"FaceAuth","answer":"YELLOW","payload":{}}`,
		"Android, onActionResult":            `{"actionId":"%s","actionType":"FaceAuth","answer":"RED","allowContinuing":true}`,
		"iOS, actionResult":                  `{"actionId":"%s","answer":"GREEN"}`,
		"iOS, ERROR":                         `{"actionId":"%s","answer":"ERROR"}`,
		"iOS, no answer":                     `{"actionId":"%s"}`,
		"iOS, cancelled, nil encoded":        `null`,
		"iOS, cancelled, nothing to tell":    ``,
		"WebSDK, onApplicantActionCompleted": `{"action":"FaceAuth","applicantActionId":"%s","answer":"GREEN"}`,
		"an answer that nobody knows":        `{"actionId":"%s","answer":"PURPLE"}`,
	}
	for _, verdict := range verdicts {
		for name, report := range reports {
			t.Run(verdict.status+", "+name, func(t *testing.T) {
				t.Parallel()
				s := newService(t, simulator.Config{ManualReview: true})
				id := s.bond.start("payout", "key-of-the-payout").ID
				if verdict.outcome != nil {
					require.NoError(t, s.simulator.Review(id, *verdict.outcome))
				}
				if strings.Contains(report, "%s") {
					report = fmt.Sprintf(report, id)
				}
				status, got := s.bond.call("POST", "/actions/"+id+"/result", report)
				require.Equal(t, http.StatusOK, status)
				require.Equal(t, answer{ID: id, Status: verdict.status}, got)
				status, again := s.bond.call("GET", "/actions/"+id, "")
				require.Equal(t, http.StatusOK, status)
				require.Equal(t, got, again)

				// The backend returns a token only while the user has something to do.
				for _, path := range []string{"/actions", "/actions/" + id + "/token"} {
					status, more := s.bond.call("POST", path, `{"purpose":"payout"}`, "key-of-the-payout")
					switch verdict.status {
					case "approved":
						require.Equal(t, http.StatusConflict, status)
					case "pending", "retry":
						require.Equal(t, http.StatusOK, status)
						require.NotEmpty(t, more.Token)
						require.Equal(t, verdict.status, more.Status)
					default:
						require.Equal(t, http.StatusOK, status)
						require.Equal(t, got, more)
					}
				}
				want := map[bool]int32{true: 1}[verdict.status == "approved"]
				require.Equal(t, want, s.approved.Load(), "done once, and only for an approved action")
			})
		}
	}
}

// A report may come before the verdict. The app then polls.
func TestPolling(t *testing.T) {
	t.Parallel()
	s := newService(t, simulator.Config{ReviewDelay: 50 * time.Millisecond})
	id := s.bond.start("payout", "key-of-the-payout").ID
	s.submit(id)
	s.bond.call("POST", "/actions/"+id+"/result", `{"actionId":"`+id+`"}`)
	require.Eventually(t, func() bool {
		_, got := s.bond.call("GET", "/actions/"+id, "")
		return got.Status == "approved"
	}, time.Minute, 20*time.Millisecond)
}

// The user has closed the app. The webhook of the review approves the action once, whatever arrives
// before or after it.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	s := newService(t, simulator.Config{ManualReview: true})
	id := s.bond.start("payout", "key-of-the-payout").ID
	deliver := func(secret idngo.Secret, eventType idngo.WebhookType, actionID string) int {
		body := fmt.Appendf(nil, `{"type":%q,"applicantActionId":%q,"reviewResult":{"reviewAnswer":"GREEN"}}`, eventType, actionID)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/idngo", bytes.NewReader(body))
		require.NoError(t, err)
		r.Header = idngo.SignWebhook(body, secret, idngo.HMACSHA256)
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	const reviewed = idngo.WebhookTypeApplicantActionReviewed
	require.Equal(t, 200, deliver(webhookSecret, reviewed, id))
	require.Zero(t, s.approved.Load(), "the event says GREEN, and IDnGO does not")
	require.NoError(t, s.simulator.Review(id, simulator.Outcome{Answer: "GREEN"}))
	require.Equal(t, 401, deliver("another-secret", reviewed, id))
	require.Equal(t, 200, deliver(webhookSecret, idngo.WebhookTypeApplicantActionPending, id))
	require.Equal(t, 200, deliver(webhookSecret, reviewed, "an-action-of-another-program"))
	require.Zero(t, s.approved.Load())

	require.NoError(t, s.simulator.SetFaults(&simulator.Faults{Chances: []simulator.Chance{
		{Fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 400, Operation: "GetAction"}, Probability: 1},
	}}))
	require.Equal(t, 500, deliver(webhookSecret, reviewed, id), "so that the event comes again")
	require.NoError(t, s.simulator.SetFaults(nil))
	for range 3 {
		require.Equal(t, 200, deliver(webhookSecret, reviewed, id))
		require.EqualValues(t, 1, s.approved.Load())
	}
}

// An action of another user is not found, and neither is an action that this backend has not
// started.
func TestOwners(t *testing.T) {
	t.Parallel()
	s := newService(t, simulator.Config{ManualReview: true})
	id := s.bond.start("payout", "key-of-the-payout").ID
	require.NoError(t, s.simulator.Review(id, simulator.Outcome{Answer: "GREEN"}))
	elsewhere, err := s.client.CreateAction(t.Context(), simulator.DefaultApplicantID, idngo.CreateActionParams{
		LevelName: simulator.LevelFaceAuth, ExternalActionID: "made by another program",
	})
	require.NoError(t, err)
	require.NoError(t, s.simulator.Review(elsewhere.ID, simulator.Outcome{Answer: "GREEN"}))

	for _, c := range []struct {
		app *app
		id  string
	}{
		{
			app: s.penny, id: id,
		}, {
			app: s.bond, id: elsewhere.ID,
		}, {app: s.bond, id: "0123456789abcdef01234567"}, {app: s.bond, id: "%2e%2e"}, {app: s.bond, id: strings.Repeat("x", 4000)},
	} {
		for _, endpoint := range []string{"GET ", "POST /result", "POST /token"} {
			method, path, _ := strings.Cut(endpoint, " ")
			status, got := c.app.call(method, "/actions/"+c.id+path, `{"actionId":"`+id+`","answer":"GREEN"}`)
			require.Equal(t, http.StatusNotFound, status)
			require.Equal(t, answer{Error: "no such action"}, got)
		}
	}
	require.Zero(t, s.approved.Load())

	// Another user gets another action for the same key and purpose.
	require.NotEqual(t, id, s.penny.start("payout", "key-of-the-payout").ID)
	ids := map[string]bool{}
	for _, a := range s.simulator.Actions() {
		ids[a.ExternalActionID] = true
	}
	require.Len(t, ids, 3)
}

// Only users that IDnGO knows and has approved can start an action.
func TestUnapprovedUsers(t *testing.T) {
	t.Parallel()
	s := newService(t, simulator.Config{KnownOnly: true})
	for _, test := range []struct{ name, user, applicant string }{
		{name: "unknown", user: "Nobody"},
		{name: "under review", user: "Q", applicant: `{"id":"63e096c51b6b4030f2e01156","externalUserId":"Q",
			"review":{"reviewStatus":"pending"}}`},
		{name: "on hold beside GREEN", user: "M", applicant: `{"id":"63e096c51b6b4030f2e01158","externalUserId":"M",
			"review":{"reviewStatus":"onHold","reviewResult":{"reviewAnswer":"GREEN"}}}`},
		{name: "init beside RED", user: "R", applicant: `{"id":"63e096c51b6b4030f2e01159","externalUserId":"R",
			"review":{"reviewStatus":"init","reviewResult":{"reviewAnswer":"RED"}}}`},
		{name: "rejected", user: "Blofeld", applicant: `{"id":"63e096c51b6b4030f2e01157","externalUserId":"Blofeld",
			"review":{"reviewStatus":"completed","reviewResult":{"reviewAnswer":"RED"}}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.applicant != "" {
				require.NoError(t, s.simulator.AddApplicantJSON([]byte(test.applicant)))
			}
			s.backend.authenticate = func(*http.Request) (user, bool) { return user{test.user}, true }
			status, got := s.bond.call("POST", "/actions", `{"purpose":"payout"}`, "a-key-of-16-characters")
			require.Equal(t, http.StatusForbidden, status)
			require.Equal(t, answer{Error: "verify your identity first"}, got)
			require.Empty(t, s.simulator.Actions())
		})
	}
}

func TestCheckCredentials(t *testing.T) {
	t.Parallel()
	s := newService(t, simulator.Config{})
	require.NoError(t, checkCredentials(t.Context(), s.client))
	credentials := idngo.Credentials{AppToken: simulator.DefaultAppToken, SecretKey: "another"}
	wrong, err := idngo.NewClient(credentials, idngo.WithBaseURL(s.simulatorURL))
	require.NoError(t, err)
	require.ErrorIs(t, checkCredentials(t.Context(), wrong), idngo.ErrSignatureMismatch)
}

// An approval for one purpose is not valid for another purpose.
func TestPurposes(t *testing.T) {
	t.Parallel()
	s := newService(t, simulator.Config{ManualReview: true})
	payout := s.bond.start("payout", "key-of-both-things").ID
	phone := s.bond.start("change-phone", "key-of-both-things").ID
	form := s.bond.start("questionnaire", "key-of-both-things").ID
	require.Len(t, s.simulator.Actions(), 3)
	for _, id := range []string{phone, form} {
		require.NoError(t, s.simulator.Review(id, simulator.Outcome{Answer: "GREEN"}))
		status, got := s.bond.call("POST", "/actions/"+payout+"/result", `{"actionId":"`+id+`","type":"FaceAuth","answer":"GREEN","payload":{}}`)
		require.Equal(t, http.StatusConflict, status)
		require.Equal(t, answer{Error: "the result is of another action"}, got)
	}
	_, got := s.bond.call("GET", "/actions/"+payout, "")
	require.Equal(t, "pending", got.Status)
	require.Zero(t, s.approved.Load())
	_, got = s.bond.call("GET", "/actions/"+phone, "")
	require.Equal(t, "approved", got.Status)
	require.EqualValues(t, 1, s.approved.Load())
}

// The backend refuses an action with the right id and another level, when it starts the action and
// when the level has changed later.
func TestLevels(t *testing.T) {
	t.Parallel()
	s := newService(t, simulator.Config{ManualReview: true})
	id := s.bond.start("payout", "key-of-the-payout").ID
	require.NoError(t, s.simulator.Review(id, simulator.Outcome{Answer: "GREEN"}))

	a, _ := s.backend.actions.get(id)
	a.level = simulator.LevelQuestionnaire
	s.backend.actions.actions[id] = a
	status, got := s.bond.call("GET", "/actions/"+id, "")
	require.Equal(t, http.StatusConflict, status)
	require.Equal(t, answer{Error: "IDnGO has returned another action"}, got)
	require.Zero(t, s.approved.Load())

	restarted := s.restart()
	restarted.backend.levels["payout"] = simulator.LevelQuestionnaire
	status, _ = restarted.bond.call("POST", "/actions", `{"purpose":"payout"}`, "key-of-the-payout")
	require.Equal(t, http.StatusConflict, status)
	require.Len(t, s.simulator.Actions(), 1)
}

// There is one action, however often an app asks and whichever answer is lost.
func TestRepeatedStart(t *testing.T) {
	t.Parallel()
	s := newService(t, simulator.Config{ManualReview: true, Faults: &simulator.Faults{Script: []simulator.Fault{
		{Kind: simulator.FaultResetAfter, Operation: "CreateAction"}, // the action is made, and the answer is lost
	}}})
	first := s.bond.start("payout", "key-of-the-payout")
	require.Equal(t, "pending", first.Status)
	require.Equal(t, first.ID, s.bond.start("payout", "key-of-the-payout").ID)
	s = s.restart()
	require.Equal(t, first.ID, s.bond.start("payout", "key-of-the-payout").ID)
	require.Len(t, s.simulator.Actions(), 1)

	var apps sync.WaitGroup
	var ids sync.Map
	for range 8 {
		apps.Go(func() { ids.Store(s.bond.start("payout", "key-of-the-next-payout").ID, nil) })
	}
	apps.Wait()
	require.Len(t, s.simulator.Actions(), 2)

	// An approval can be used only once: the same key does not lead to a second payout.
	require.NoError(t, s.simulator.Review(first.ID, simulator.Outcome{Answer: "GREEN"}))
	for range 8 {
		apps.Go(func() {
			_, got := s.bond.call("POST", "/actions/"+first.ID+"/result", `{"actionId":"`+first.ID+`"}`)
			assert.Equal(t, "approved", got.Status)
		})
	}
	apps.Wait()
	require.EqualValues(t, 1, s.approved.Load())
	for _, path := range []string{"/actions", "/actions/" + first.ID + "/token"} {
		status, got := s.bond.call("POST", path, `{"purpose":"payout"}`, "key-of-the-payout")
		require.Equal(t, http.StatusConflict, status)
		require.Equal(t, answer{Error: "this action has been used: start another"}, got)
	}
}

// A token is for one user, action and level. An expired token is replaced.
func TestTokens(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	began := time.Now()
	clock := func() time.Time { return began.Add(time.Duration(passed.Load())) }
	s := newService(t, simulator.Config{ManualReview: true, Clock: clock}, idngo.WithClock(clock))
	started := s.bond.start("payout", "key-of-the-payout")
	token, valid := s.simulator.AccessToken(started.Token)
	require.True(t, valid)
	require.Equal(t, simulator.DefaultExternalUserID, token.UserID)
	require.Equal(t, simulator.LevelFaceAuth, token.LevelName)
	require.Equal(t, s.simulator.Actions()[0].ExternalActionID, token.ExternalActionID)
	require.WithinDuration(t, token.ExpiresAt, started.ExpiresAt, time.Second)

	passed.Add(int64(11 * time.Minute))
	_, valid = s.simulator.AccessToken(started.Token)
	require.False(t, valid)
	status, renewed := s.bond.call("POST", "/actions/"+started.ID+"/token", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, started.ID, renewed.ID)
	again, valid := s.simulator.AccessToken(renewed.Token)
	require.True(t, valid)
	again.ExpiresAt = token.ExpiresAt
	require.Equal(t, token, again)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newService(t, simulator.Config{ManualReview: true})
	id := s.bond.start("payout", "key-of-the-payout").ID
	const key = "key-of-something"
	for name, c := range map[string]struct {
		app                *app
		method, path, body string
		key                string
		status             int
	}{
		"nobody":              {app: &app{s: s}, method: "POST", path: "/actions", body: `{"purpose":"payout"}`, key: key, status: 401},
		"nobody is signed in": {app: &app{s: s, session: "demo-blofeld"}, method: "GET", path: "/actions/" + id, status: 401},
		"no key":              {app: s.bond, method: "POST", path: "/actions", body: `{"purpose":"payout"}`, status: 400},
		"a long key": {
			app: s.bond, method: "POST", path: "/actions", body: `{"purpose":"payout"}`, key: strings.Repeat("k", 65),
			status: 400,
		},
		"unknown purpose": {app: s.bond, method: "POST", path: "/actions", body: `{"purpose":"licence"}`, key: key, status: 400},
		"a level":         {app: s.bond, method: "POST", path: "/actions", body: `{"level":"action-liveness"}`, key: key, status: 400},
		"no body":         {app: s.bond, method: "POST", path: "/actions", body: ``, key: key, status: 400},
		"no JSON":         {app: s.bond, method: "POST", path: "/actions", body: `purpose=payout`, key: key, status: 400},
		"half of it":      {app: s.bond, method: "POST", path: "/actions", body: `{"purpose":"pay`, key: key, status: 400},
		"too much": {
			app: s.bond, method: "POST", path: "/actions", body: `{"purpose":"` + strings.Repeat("payout", 20_000) + `"}`,
			key: key, status: 413,
		},
		"too much of a result": {
			app: s.bond, method: "POST", path: "/actions/" + id + "/result",
			body: `{"payload":"` + strings.Repeat("x", 100_000) + `"}`, status: 413,
		},
		"a result that is none": {app: s.bond, method: "POST", path: "/actions/" + id + "/result", body: `{"answer":1}`, status: 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, got := c.app.call(c.method, c.path, c.body, c.key)
			require.Equal(t, c.status, status)
			require.NotEmpty(t, got.Error)
			require.Equal(t, answer{Error: got.Error}, got)
		})
	}
	t.Cleanup(func() { require.Len(t, s.simulator.Actions(), 1) })
}

// If IDnGO does not answer as documented, the app only learns that.
func TestServiceFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  simulator.Fault
		status int
		text   string
	}{
		"rate limited": {
			fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 429, Operation: "GetAction"}, status: 503,
			text: "try again later",
		},
		"down": {
			fault: simulator.Fault{Kind: simulator.FaultHTML, Operation: "GetAction"}, status: 502,
			text: "the verification is not available",
		},
		"not an answer": {
			fault: simulator.Fault{Kind: simulator.FaultGarbage, Operation: "GetAction"}, status: 502,
			text: "the verification is not available",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, simulator.Config{ManualReview: true})
			id := s.bond.start("payout", "key-of-the-payout").ID
			require.NoError(t, s.simulator.Review(id, simulator.Outcome{Answer: "GREEN"}))
			require.NoError(t, s.simulator.SetFaults(&simulator.Faults{Chances: []simulator.Chance{{Fault: c.fault, Probability: 1}}}))
			status, got := s.bond.call("POST", "/actions/"+id+"/result", `{"answer":"GREEN"}`)
			require.Equal(t, c.status, status)
			require.Equal(t, answer{Error: c.text}, got)
			require.Zero(t, s.approved.Load())
		})
	}
}

// webhookSecret is the secret of the webhooks in the tests.
const webhookSecret = "secret-of-the-webhooks"

// service is the backend with its apps and a simulator.
type service struct {
	t            *testing.T
	simulator    *simulator.Server
	simulatorURL string
	client       *idngo.Client
	backend      *backend
	url          string
	approved     *atomic.Int32
	bond, penny  *app
}

// newService starts a simulator and a backend that uses it.
func newService(t *testing.T, cfg simulator.Config, opts ...idngo.Option) *service {
	t.Helper()
	sb, err := simulator.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sb.Close()) })
	require.NoError(t, sb.AddApplicant("63e096c51b6b4030f2e01155", "MissMoneypenny"))
	baseURL, err := sb.Start("")
	require.NoError(t, err)
	client, err := idngo.NewClient(idngo.Credentials{AppToken: simulator.DefaultAppToken, SecretKey: simulator.DefaultSecretKey}, append(opts,
		idngo.WithBaseURL(baseURL), idngo.WithRetryPolicy(idngo.RetryPolicy{MinDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond}))...)
	require.NoError(t, err)
	return (&service{t: t, simulator: sb, simulatorURL: baseURL, client: client}).restart()
}

// restart returns the same service with a new backend that has stored nothing.
func (s *service) restart() *service {
	next := &service{t: s.t, simulator: s.simulator, simulatorURL: s.simulatorURL, client: s.client, approved: new(atomic.Int32)}
	webhooks, err := newVerifier(webhookSecret)
	require.NoError(s.t, err)
	next.backend = &backend{
		client: s.client, webhooks: webhooks,
		levels: map[string]string{
			"payout": simulator.LevelFaceAuth, "change-phone": simulator.LevelFaceAuth, "questionnaire": simulator.LevelQuestionnaire,
		},
		authenticate: demoUser,
		onApproved:   func(action) { next.approved.Add(1) },
	}
	server := httptest.NewServer(next.backend.routes())
	s.t.Cleanup(server.Close)
	next.url = server.URL
	next.bond, next.penny = &app{next, "demo-bond"}, &app{next, "demo-penny"}
	return next
}

// submit makes the calls of the SDK.
func (s *service) submit(id string) {
	s.t.Helper()
	_, err := s.client.AddImage(s.t.Context(), id, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes("selfie.jpg", []byte("\xff\xd8\xff\xe0")),
	})
	require.NoError(s.t, err)
	_, err = s.client.SubmitAction(s.t.Context(), id)
	require.NoError(s.t, err)
}

// app is the app of one user.
type app struct {
	s       *service
	session string
}

// answer has all fields that an app may get.
type answer struct {
	ID        string    `json:"id"`
	Status    string    `json:"status"`
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"`
	Error     string    `json:"error"`
}

// start starts a verification for the purpose and returns the answer of the backend.
func (a *app) start(purpose, key string) answer {
	status, got := a.call("POST", "/actions", `{"purpose":"`+purpose+`"}`, key)
	assert.Equal(a.s.t, http.StatusOK, status)
	assert.NotEmpty(a.s.t, got.Token)
	return got
}

// call sends the backend a request of the app and checks the form of the answer.
func (a *app) call(method, path, body string, key ...string) (status int, got answer) {
	t := a.s.t
	req, err := http.NewRequestWithContext(t.Context(), method, a.s.url+path, strings.NewReader(body))
	if !assert.NoError(t, err) {
		return 0, answer{}
	}
	if a.session != "" {
		req.Header.Set("Authorization", "Bearer "+a.session)
	}
	if len(key) > 0 {
		req.Header.Set("Idempotency-Key", key[0])
	}
	res, err := http.DefaultClient.Do(req)
	if !assert.NoError(t, err) {
		return 0, answer{}
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	assert.NoError(t, err)
	assert.Equal(t, "application/json", res.Header.Get("Content-Type"))
	assert.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	assert.Equal(t, res.StatusCode == http.StatusUnauthorized, res.Header.Get("WWW-Authenticate") != "")
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields() // the app gets no other field
	assert.NoError(t, decoder.Decode(&got), "%s", raw)
	return res.StatusCode, got
}
