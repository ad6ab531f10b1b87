package simulator_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/simulator"
)

func TestUnknownOnes(t *testing.T) {
	t.Parallel()
	const create = "/resources/applicantActions/-/forApplicant/5e5f9ab10a975a6e224dc286?levelName=some-level-name"
	requests := []struct{ name, method, target, body string }{
		{name: "create", method: "POST", target: create, body: `{"externalActionId":"a"}`},
		{name: "list", method: "GET", target: "/resources/applicantActions/-;applicantId=5e5f9ab10a975a6e224dc286"},
		{name: "token", method: "POST", target: "/resources/accessTokens?userId=alice&levelName=some-level-name"},
		{
			name: "link", method: "POST",
			target: "/resources/sdkIntegrations/levels/some-level/websdkLink?externalUserId=304775ty&externalActionId=actionID123",
		},
		{name: "get applicant", method: "GET", target: "/resources/applicants/5e5f9ab10a975a6e224dc286/one"},
		{name: "find applicant", method: "GET", target: "/resources/applicants/-;externalUserId=alice%40example.com/one"},
	}
	t.Run("are_known_and_approved", func(t *testing.T) {
		_, c := start(t, simulator.Config{})
		for _, request := range requests {
			r := c.do(request.method, request.target, []byte(request.body))
			assert.Equal(t, 200, r.status, "%s: %s", request.name, r.body)
		}
	})
	t.Run("are_refused_when_asked_to", func(t *testing.T) {
		_, c := start(t, simulator.Config{KnownOnly: true})
		for _, request := range requests {
			r := c.do(request.method, request.target, []byte(request.body))
			assert.Equal(t, 404, r.status, request.name)
			assert.Equal(t, 404.0, r.json(t)["code"])
			assert.NotEmpty(t, r.json(t)["correlationId"])
		}
	})
}

func TestApplicantCalls(t *testing.T) {
	t.Parallel()
	s, c := start(t, simulator.Config{})
	t.Run("find_and_get_agree", func(t *testing.T) {
		found := c.do("GET", "/resources/applicants/-;externalUserId=alice%40example.com%3Bx/one", nil).json(t)
		assert.Equal(t, "alice@example.com;x", found["externalUserId"])
		assert.Equal(t, "completed", at(t, found, "review", "reviewStatus"))
		assert.Equal(t, "GREEN", at(t, found, "review", "reviewResult", "reviewAnswer"))
		id := found["id"].(string)
		assert.Regexp(t, `^[0-9a-f]{24}$`, id)
		assert.Equal(t, found, c.do("GET", "/resources/applicants/"+id+"/one", nil).json(t))
		token := "/resources/accessTokens?userId=alice%40example.com%3Bx&levelName=action-liveness&externalActionId=t"
		require.Equal(t, 200, c.do("POST", token, nil).status)
	})
	t.Run("the_same_user_has_the_same_id_in_every_simulator", func(t *testing.T) {
		_, other := start(t, simulator.Config{})
		const target = "/resources/applicants/-;externalUserId=bob/one"
		assert.Equal(t, c.do("GET", target, nil).json(t)["id"], other.do("GET", target, nil).json(t)["id"])
	})
	t.Run("added_ones_are_shown_as_added", func(t *testing.T) {
		require.NoError(t, s.AddApplicantJSON([]byte(`{"id":"a1","externalUserId":"carol","email":"c@example.com","createdAt":null,
			"requiredIdDocs":{},"review":{"reviewStatus":"completed","reviewResult":{"reviewAnswer":"RED"}}}`)))
		carol := c.do("GET", "/resources/applicants/-;externalUserId=carol/one", nil).json(t)
		assert.Equal(t, "a1", carol["id"])
		assert.Equal(t, "c@example.com", carol["email"])
		assert.Equal(t, "RED", at(t, carol, "review", "reviewResult", "reviewAnswer"))
		assert.Equal(t, "IDENTITY", at(t, carol, "requiredIdDocs", "docSets", 0, "idDocSetType"))
		assert.NotEmpty(t, carol["createdAt"])
	})
	t.Run("a_renamed_one_is_another_user_s", func(t *testing.T) {
		dave := c.do("GET", "/resources/applicants/-;externalUserId=dave/one", nil).json(t)["id"].(string)
		require.NoError(t, s.AddApplicant(dave, "erin"))
		assert.Equal(t, dave, c.do("GET", "/resources/applicants/-;externalUserId=erin/one", nil).json(t)["id"])
		assert.NotEqual(t, dave, c.do("GET", "/resources/applicants/-;externalUserId=dave/one", nil).json(t)["id"])
	})
	t.Run("are_counted", func(t *testing.T) {
		stats := s.Stats()
		assert.Equal(t, 1, stats.ByOperation["GetApplicant"])
		assert.Equal(t, 6, stats.ByOperation["FindApplicant"])
	})
}

func TestEmptyNames(t *testing.T) {
	t.Parallel()
	s, err := simulator.New(simulator.Config{})
	require.NoError(t, err)
	assert.Error(t, s.AddApplicant("", "user"))
	assert.Error(t, s.AddApplicant("id", ""))
	assert.Error(t, s.AddApplicantJSON([]byte(`{}`)))
	assert.Error(t, s.AddApplicantJSON([]byte(`[]`)))
	assert.Error(t, s.AddLevel("", "selfieAuth"))
	assert.Error(t, s.AddLevel("level", ""))
	assert.Error(t, s.SetClock(nil))
	_, err = s.CompleteWithToken("")
	assert.Error(t, err)
}

func TestLevelsByName(t *testing.T) {
	t.Parallel()
	s, c := start(t, simulator.Config{})
	require.NoError(t, s.AddLevel("payment-email", "custom"))
	for _, test := range []struct{ level, body, kind string }{
		{level: "some-level-name", body: `{}`, kind: "selfieAuth"},
		{level: "some-level-name", body: `{"questionnaires":[{"id":"q","sections":{}}]}`, kind: "questionnaire"},
		{level: "My-Questionnaire", body: `{}`, kind: "questionnaire"},
		{level: "confirm-EMAIL", body: `{}`, kind: "email"},
		{level: "source-check", body: `{}`, kind: "paymentMethod"},
		{level: "payment-email", body: `{}`, kind: "custom"},
	} {
		body := strings.Replace(test.body, "{", `{"externalActionId":"a",`, 1)
		body = strings.Replace(body, ",}", "}", 1)
		r := c.do("POST", "/resources/applicantActions/-/forApplicant/x?levelName="+test.level, []byte(body))
		require.Equal(t, 200, r.status, "%s", r.body)
		actions := s.Actions()
		assert.Equal(t, test.kind, actions[len(actions)-1].Type, test.level)
	}
}

func TestOutcomeByExternalID(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		external, review string
		image            bool
	}{
		{external: "pay-1", review: `{"reviewAnswer":"GREEN"}`, image: true},
		{external: "pay-1", review: `{"reviewAnswer":"ERROR","moderationComment":"There is no image to compare"}`},
		{external: "pay#1", review: `{"reviewAnswer":"GREEN"}`, image: true},
		{external: "pay#RED", review: `{"reviewAnswer":"RED","rejectLabels":["BAD_FACE_MATCHING"],"reviewRejectType":"RETRY"}`, image: true},
		{external: "pay#RED", review: `{"reviewAnswer":"RED","rejectLabels":["BAD_FACE_MATCHING"],"reviewRejectType":"RETRY"}`},
		{
			external: "pay#RED:FORGERY,PEP",
			review:   `{"reviewAnswer":"RED","rejectLabels":["FORGERY","PEP"],"reviewRejectType":"RETRY"}`, image: true,
		},
		{external: "pay#RED-FINAL:FORGERY", review: `{"reviewAnswer":"RED","rejectLabels":["FORGERY"],"reviewRejectType":"FINAL"}`, image: true},
		{
			external: "pay#RED-FINAL",
			review:   `{"reviewAnswer":"RED","rejectLabels":["BAD_FACE_MATCHING"],"reviewRejectType":"FINAL"}`, image: true,
		},
		{external: "#ERROR", review: `{"reviewAnswer":"ERROR"}`, image: true},
		{external: "pay#GREEN", review: `{"reviewAnswer":"ERROR","moderationComment":"There is no image to compare"}`},
		{external: "pay#onHold", review: `null`, image: true},
	} {
		t.Run(fmt.Sprint(test.external, test.image), func(t *testing.T) {
			t.Parallel()
			s, c := start(t, simulator.Config{ReviewDelay: -1})
			id := c.create(test.external)
			if test.image {
				require.Equal(t, 200, c.addImage(id, "face").status)
			}
			review := at(t, c.submit(id).json(t), "review").(map[string]any)
			result, err := json.Marshal(review["reviewResult"])
			require.NoError(t, err)
			assert.JSONEq(t, test.review, string(result))
			if test.review == "null" {
				assert.Equal(t, "onHold", review["reviewStatus"])
				require.NoError(t, s.Review(id, simulator.Outcome{}))
				assert.Equal(t, "GREEN", s.Actions()[0].Outcome.Answer)
			}
		})
	}
	t.Run("a_label_that_is_none_is_refused", func(t *testing.T) {
		t.Parallel()
		_, c := start(t, simulator.Config{})
		r := c.do("POST", createTarget, []byte(`{"externalActionId":"a#RED:bad face"}`))
		assert.Equal(t, 400, r.status)
		assert.Contains(t, r.json(t)["description"], "#RED:bad face")
	})
	t.Run("a_malformed_outcome_is_refused", func(t *testing.T) {
		t.Parallel()
		_, c := start(t, simulator.Config{})
		for _, suffix := range []string{
			"#red", "#Red-Final:FORGERY", "#onhold", "#ONHOLD", "#ERROR:X", "#GREEN:X", "#YELLOW", "#IGNORED", "#RED-RETRY:A", "#RED:low",
			"#RED FORGERY", "#onHold:A", "#ERROR ",
		} {
			r := c.do("POST", createTarget, []byte(`{"externalActionId":"a`+suffix+`"}`))
			assert.Equal(t, 400, r.status, suffix)
			assert.Contains(t, r.json(t)["description"], "#RED-FINAL:LABEL", suffix)
		}
		for _, external := range []string{"a#redirect", "a#1", "a#", "red", "a#order-RED", "a#RED#b"} {
			assert.Equal(t, 200, c.do("POST", createTarget, []byte(`{"externalActionId":"`+external+`"}`)).status, external)
		}
	})
	t.Run("a_malformed_outcome_of_a_token_is_refused_with_the_token", func(t *testing.T) {
		t.Parallel()
		s, c := start(t, simulator.Config{})
		for target, want := range map[string]int{
			"/resources/accessTokens?userId=u&levelName=l&externalActionId=a%23RED%3Alow":                              400,
			"/resources/accessTokens?userId=u&levelName=l&externalActionId=a%23RED%3AFORGERY":                          200,
			"/resources/sdkIntegrations/levels/l/websdkLink?externalUserId=u&externalActionId=a%23onhold":              400,
			"/resources/sdkIntegrations/levels/l/websdkLink?externalUserId=u&externalActionId=a%23onHold&ttlInSecs=60": 200,
		} {
			assert.Equal(t, want, c.do("POST", target, nil).status, target)
		}
		_, err := s.NewLink("http://localhost", "level", "user", "a#red", time.Minute)
		require.ErrorContains(t, err, "#onHold")
	})
}

// A RED without labels gets the label and the reject type of "#RED", however the outcome is set.
func TestRedWithoutLabels(t *testing.T) {
	t.Parallel()
	s, c := start(t, simulator.Config{ReviewDelay: -1})
	require.NoError(t, s.SetOutcome(simulator.Outcome{Answer: "RED"}))
	id := c.create("a")
	require.Equal(t, 200, c.addImage(id, "face").status)
	want := map[string]any{"reviewAnswer": "RED", "rejectLabels": []any{"BAD_FACE_MATCHING"}, "reviewRejectType": "RETRY"}
	assert.Equal(t, want, at(t, c.submit(id).json(t), "review", "reviewResult"))
	require.NoError(t, s.SetOutcome(simulator.Outcome{Answer: "RED", RejectType: "FINAL"}))
	id = c.create("b")
	require.Equal(t, 200, c.addImage(id, "face").status)
	want["reviewRejectType"] = "FINAL"
	assert.Equal(t, want, at(t, c.submit(id).json(t), "review", "reviewResult"))
}

func TestMissingImageIsNoted(t *testing.T) {
	t.Parallel()
	var seen records
	_, c := start(t, simulator.Config{OnRequest: seen.add})
	id := c.create("a")
	c.submit(id)
	assert.Contains(t, seen.last().Note, "without an image ends with ERROR")
	c.submit(id)
	assert.Empty(t, seen.last().Note, "it is under review already")
}

// These are the headers of the curl examples in the specification, with a signature.
func TestCurlHeaders(t *testing.T) {
	t.Parallel()
	curl := func(r *http.Request) {
		r.Header.Set("Accept", "*/*")
		r.Header.Set("User-Agent", "curl/8.0")
		if r.Body == nil || r.ContentLength == 0 {
			r.Header.Del("Content-Type")
		}
	}
	calls := func(c *client) (statuses []int) {
		do := func(method, target, body string) map[string]any {
			r := c.do(method, target, []byte(body), curl)
			statuses = append(statuses, r.status)
			return r.json(t)
		}
		id, _ := do("POST", createTarget, `{"externalActionId":"a","email":"example@email.com","phone":"+49 123456789"}`)["id"].(string)
		do("POST", "/resources/sdkIntegrations/levels/action-level/websdkLink?externalUserId=304775ty&externalActionId=actionID123", "")
		do("POST", "/resources/applicantActions/"+id+"/review/status/pending", "")
		do("GET", listTarget+"?limit=100&order=-createdAt", "")
		do("POST", "/resources/accessTokens?userId=JamesBond007&externalActionId=JamesBond007Action1&levelName=action-liveness&ttlInSecs=600", "")
		return statuses
	}
	_, c := start(t, simulator.Config{})
	assert.Equal(t, []int{200, 200, 200, 200, 200}, calls(c))
	_, c = start(t, simulator.Config{Strict: true})
	assert.Equal(t, []int{405, 415, 404, 405, 415}, calls(c)[:5])
	_, c = start(t, simulator.Config{})
	assert.Equal(t, 415, c.do("POST", "/resources/applicantActions/x/images", nil, curl).status, "an upload without a body")
	assert.Equal(t, 405, c.do("GET", listTarget, nil, header("Accept", "text/html")).status)
}

func TestReviewWithoutDelay(t *testing.T) {
	t.Parallel()
	_, c := start(t, simulator.Config{ReviewDelay: simulator.NoReviewDelay})
	id := c.create("a")
	c.addImage(id, "face")
	assert.Equal(t, "pending", at(t, c.submit(id).json(t), "review", "reviewStatus"))
	assert.Equal(t, "completed", at(t, c.get(id), "review", "reviewStatus"))

	_, c = start(t, simulator.Config{ReviewDelay: simulator.NoReviewDelay, ManualReview: true})
	id = c.create("a")
	c.submit(id)
	assert.Equal(t, "pending", at(t, c.get(id), "review", "reviewStatus"))
}

func TestFaultCounts(t *testing.T) {
	t.Parallel()
	s, c := start(t, simulator.Config{})
	faults, err := simulator.ParseFaults("429:2@GetAction#2, 503#1,500@GetAction=1")
	require.NoError(t, err)
	require.NoError(t, s.SetFaults(faults))
	assert.Equal(t, "429:2@GetAction#2,503#1,500@GetAction=1", s.Faults())
	get := func() int { return c.do("GET", "/resources/applicantActions/x/one", nil).status }
	list := func() int { return c.do("GET", listTarget, nil).status }
	assert.Equal(t, []int{503, 200, 429, 429, 500, 500}, []int{list(), list(), get(), get(), get(), get()})
	assert.Equal(t, "500@GetAction=1", s.Faults())
	require.NoError(t, s.SetFaults(nil))
	assert.Empty(t, s.Faults())
	assert.Equal(t, 404, get())
	assert.Equal(t, 5, s.Stats().ByOperation["GetAction"])

	for _, text := range []string{"429#0", "429#", "429#x", "429#-1", "429#1=0.1", "seed#1", "#1", "429@#1", "429", "reset@Dance#1"} {
		_, err := simulator.ParseFaults(text)
		assert.ErrorContains(t, err, "simulator: fault ", text)
	}
	_, err = simulator.ParseFaults("flood#1")
	assert.ErrorContains(t, err, "reset-after")
	_, err = simulator.ParseFaults("reset@Dance#1")
	assert.ErrorContains(t, err, "CreateAction")
	assert.Error(t, s.SetFaults(&simulator.Faults{Counts: []simulator.Count{{}}}))
	assert.Error(t, s.SetFaults(&simulator.Faults{Counts: []simulator.Count{{N: 1, Fault: simulator.Fault{Kind: "x"}}}}))
}

func TestFaultsAreWrittenAsTheyAreRead(t *testing.T) {
	t.Parallel()
	const text = "reset-after@CreateAction#1,slow-headers:2s@GetAction#3,429:2=0.1,503-after=0.05,502-early@AddImage=0.2,html=0.01,seed=7"
	s, err := simulator.New(simulator.Config{})
	require.NoError(t, err)
	for range 2 {
		faults, err := simulator.ParseFaults(text)
		require.NoError(t, err)
		require.NoError(t, s.SetFaults(faults))
		assert.Equal(t, text, s.Faults())
	}
}

// memoryClient returns a client of a simulator in memory.
func memoryClient(t *testing.T, s *simulator.Server) (*client, *http.Transport) {
	t.Helper()
	transport := &http.Transport{DialContext: memoryDial(s)}
	c := direct(t, s)
	c.transport = transport
	return c, transport
}

func TestMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		received := make(chan *http.Request, 10)
		s, err := simulator.New(simulator.Config{
			ReviewDelay: time.Hour,
			WebhookHandler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				received <- r
			}),
		})
		require.NoError(t, err)
		c, transport := memoryClient(t, s)
		id := c.create("a")
		require.Equal(t, 200, c.addImage(id, strings.Repeat("face", 1<<20)).status)
		c.submit(id)
		begin := time.Now()
		for range 2 {
			r := <-received
			assert.Len(t, r.Header.Get("X-Payload-Digest"), 64)
			assert.Equal(t, "HMAC_SHA256_HEX", r.Header.Get("X-Payload-Digest-Alg"))
		}
		assert.Equal(t, time.Hour, time.Since(begin))
		assert.Equal(t, "completed", at(t, c.get(id), "review", "reviewStatus"))
		transport.CloseIdleConnections()
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		_, err = c.try("GET", listTarget, nil)
		require.ErrorContains(t, err, "the simulator is closed")
	})
	t.Run("resets_are_resets", func(t *testing.T) {
		t.Parallel()
		s, err := simulator.New(simulator.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		c, _ := memoryClient(t, s)
		script(t, s, simulator.Fault{Kind: simulator.FaultResetAfter})
		_, err = c.try("POST", createTarget, []byte(`{"externalActionId":"a"}`))
		require.ErrorContains(t, err, "connection reset by peer")
		assert.Len(t, s.Actions(), 1)
	})
	t.Run("close_waits_only_a_moment_for_a_receiver", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			stuck := make(chan struct{})
			s, err := simulator.New(simulator.Config{
				WebhookHandler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stuck }),
			})
			require.NoError(t, err)
			c := direct(t, s)
			c.submit(c.create("a"))
			synctest.Wait()
			begin := time.Now()
			require.NoError(t, s.Close())
			assert.Equal(t, time.Second, time.Since(begin))
			close(stuck)
		})
	})
}

func TestCompleteWithToken(t *testing.T) {
	t.Parallel()
	clock := time.Now()
	s, c := start(t, simulator.Config{ReviewDelay: -1, Clock: func() time.Time { return clock }})
	token := func(user, level, external string) string {
		r := c.do("POST", "/resources/accessTokens?ttlInSecs=60&userId="+user+"&levelName="+level+"&externalActionId="+external, nil)
		require.Equal(t, 200, r.status)
		return r.json(t)["token"].(string)
	}
	t.Run("makes_the_action_takes_the_selfie_and_submits", func(t *testing.T) {
		first := token("alice", "action-liveness", "login-1")
		id, err := s.CompleteWithToken(first)
		require.NoError(t, err)
		done := c.get(id)
		assert.Equal(t, "GREEN", at(t, done, "review", "reviewResult", "reviewAnswer"))
		assert.Equal(t, "SELFIE", at(t, done, "images", 0, "idDocDef", "idDocType"))
		assert.Equal(t, 320.0, at(t, done, "images", 0, "actualResolution", "height"))
		target := fmt.Sprintf("/resources/applicantActions/%s/images/%.0f", id, at(t, done, "images", 0, "imageId"))
		image := c.do("GET", target, nil, header("Accept", "*/*"))
		assert.Equal(t, "image/png", image.header.Get("Content-Type"))
		again, err := s.CompleteWithToken(first)
		require.NoError(t, err)
		assert.Equal(t, id, again)
		assert.Equal(t, 1, s.Actions()[0].Submits)
	})
	t.Run("takes_the_action_that_is_there", func(t *testing.T) {
		id := c.create("pay-1")
		got, err := s.CompleteWithToken(token("JamesBond007", "action-liveness", "pay-1"))
		require.NoError(t, err)
		assert.Equal(t, id, got)
	})
	t.Run("takes_no_selfie_for_a_questionnaire", func(t *testing.T) {
		id, err := s.CompleteWithToken(token("alice", "questionnaire-level", "q-1"))
		require.NoError(t, err)
		assert.Empty(t, s.Images(id))
	})
	t.Run("ends_as_the_external_id_says", func(t *testing.T) {
		id, err := s.CompleteWithToken(token("alice", "action-liveness", "pay%23RED-FINAL:FORGERY"))
		require.NoError(t, err)
		assert.Equal(t, "FINAL", at(t, c.get(id), "review", "reviewResult", "reviewRejectType"))
	})
	t.Run("refuses_other_tokens", func(t *testing.T) {
		_, err := s.CompleteWithToken("_act-other")
		require.ErrorContains(t, err, "has not made this access token")
		_, err = s.CompleteWithToken(token("alice", "action-liveness", ""))
		require.ErrorContains(t, err, "without externalActionId")
		late := token("alice", "action-liveness", "late")
		clock = clock.Add(time.Minute)
		_, err = s.CompleteWithToken(late)
		require.ErrorContains(t, err, "expired")
	})
}

func TestSetClock(t *testing.T) {
	t.Parallel()
	s, c := start(t, simulator.Config{})
	require.NoError(t, s.SetClock(func() time.Time { return time.Now().Add(-2 * time.Minute) }))
	assert.Equal(t, 401, c.do("GET", listTarget, nil).status)
	require.NoError(t, s.SetClock(time.Now))
	assert.Equal(t, 200, c.do("GET", listTarget, nil).status)
}

func TestReset(t *testing.T) {
	t.Parallel()
	s, c := start(t, simulator.Config{KnownOnly: true, Limits: simulator.Limits{Actions: 1, ImageMemory: 400 << 10}})
	require.NoError(t, s.AddApplicant("a", "b"))
	for range 3 {
		c.addImage(c.create("a"), strings.Repeat("x", 200<<10))
		require.True(t, s.Images(s.Actions()[0].ID)[0].Kept)
		require.Equal(t, 400, c.do("POST", createTarget, []byte(`{"externalActionId":"b"}`)).status)
		require.NoError(t, s.SetOutcome(simulator.Outcome{Answer: "RED"}))
		script(t, s, simulator.Fault{Kind: simulator.FaultStatus})
		s.Reset()
		require.Empty(t, s.Actions())
		require.Zero(t, s.Stats().Requests)
	}
	assert.Equal(t, 404, c.do("GET", "/resources/applicants/a/one", nil).status)
	assert.Equal(t, 200, c.do("GET", "/resources/applicants/"+simulator.DefaultApplicantID+"/one", nil).status)
}

func TestLongTarget(t *testing.T) {
	t.Parallel()
	_, c := start(t, simulator.Config{})
	assert.Equal(t, 414, c.do("GET", listTarget+"?x="+strings.Repeat("x", 20<<10), nil).status)
}

func TestWrongSignaturesAreExplained(t *testing.T) {
	t.Parallel()
	var seen records
	_, c := start(t, simulator.Config{OnRequest: seen.add, PathPrefix: "/v1"})
	const target, body = "/v1/resources/applicantActions/-/forApplicant/x?levelName=my%20level", `{"externalActionId":"a"}`
	sign := func(text string) []byte {
		mac := hmac.New(sha256.New, []byte(c.secret))
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	host := strings.TrimPrefix(c.base, "http://")
	path, _, _ := strings.Cut(target, "?")
	for _, test := range []struct{ note, signed string }{
		{note: "without the body", signed: "TPOST" + target},
		{note: "without the query", signed: "TPOST" + path + body},
		{note: "without query and body", signed: "TPOST" + path},
		{note: "method in lowercase", signed: "Tpost" + target + body},
		{note: "without the method", signed: "T" + target + body},
		{note: "without the timestamp", signed: "POST" + target + body},
		{note: "unescaped target", signed: "TPOST" + strings.ReplaceAll(target, "%20", " ") + body},
		{note: "+ for a space", signed: "TPOST" + strings.ReplaceAll(target, "%20", "+") + body},
		{note: "with the host", signed: "TPOST" + host + target + body},
		{note: "scheme and host", signed: "TPOST" + c.base + target + body},
		{note: "without the path prefix", signed: "TPOST" + target[len("/v1"):] + body},
		{note: "without the leading slash", signed: "TPOST" + target[1:] + body},
		{signed: "something else"},
	} {
		r := c.do("POST", target, []byte(body), func(r *http.Request) {
			signed := strings.Replace(test.signed, "T", r.Header.Get("X-App-Access-Ts"), 1)
			if !strings.HasPrefix(test.signed, "T") {
				signed = test.signed
			}
			r.Header.Set("X-App-Access-Sig", hex.EncodeToString(sign(signed)))
		})
		require.Equal(t, 401, r.status)
		require.Equal(t, 4003.0, r.json(t)["errorCode"])
		if test.note == "" {
			require.Empty(t, seen.last().Note)
		} else {
			require.Contains(t, seen.last().Note, test.note)
		}
	}
	right := func(r *http.Request) string { return r.Header.Get("X-App-Access-Ts") + "POST" + target + body }
	for _, encode := range []func([]byte) string{
		base64.StdEncoding.EncodeToString, func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
	} {
		c.do("POST", target, []byte(body), func(r *http.Request) { r.Header.Set("X-App-Access-Sig", encode(sign(right(r)))) })
		require.Contains(t, seen.last().Note, "not in lowercase hex")
	}
}

// Every fault also works in memory, even during the body of an upload.
func TestFaultsInMemory(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault  string
		status int // 0: the connection fails
	}{
		{
			fault: "503", status: 503,
		}, {
			fault: "503-after", status: 503,
		}, {fault: "503-early", status: 503}, {fault: "reset"}, {fault: "reset-after"}, {fault: "reset-early"}, {fault: "html", status: 502},
		{
			fault: "slow:1m", status: 200,
		}, {
			fault: "slow-body:1m", status: 200,
		}, {
			fault: "truncate", status: 200,
		}, {fault: "truncate-chunked", status: 200}, {fault: "wrong-date", status: 200}, {fault: "garbage", status: 200},
	} {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, err := simulator.New(simulator.Config{})
				require.NoError(t, err)
				c, transport := memoryClient(t, s)
				id := c.create("a")
				faults, err := simulator.ParseFaults(test.fault + "@AddImage#1")
				require.NoError(t, err)
				require.NoError(t, s.SetFaults(faults))
				body, form := multipartBody(t, metadata(selfie), content("x", "image/png", strings.Repeat("x", 1<<20)))
				r, err := c.try("POST", "/resources/applicantActions/"+id+"/images", body, form)
				assert.Equal(t, test.status == 0, err != nil, "%v", err)
				assert.Equal(t, test.status, r.status)
				assert.Equal(t, 200, c.addImage(id, "another").status, "and the next one is as ever")
				transport.CloseIdleConnections()
				require.NoError(t, s.Close())
			})
		})
	}
}
