package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/simulator"
)

func TestWholeFlow(t *testing.T) {
	clock := time.Date(2026, 3, 1, 12, 34, 56, 0, time.UTC)
	s, c := start(t, simulator.Config{Clock: func() time.Time { return clock }, ReviewDelay: -1})
	body := `{"externalActionId":"a1","email":"a@example.com","phone":"+49 123","unknown":{"x":1}}`
	created := c.do("POST", createTarget, []byte(body))
	require.Equal(t, 200, created.status, "%s", created.body)
	assert.Equal(t, "application/json", created.header.Get("Content-Type"))
	a := created.json(t)
	id := a["id"].(string)
	assert.Regexp(t, `^[0-9a-f]{24}$`, id)
	assert.Equal(t, "2026-03-01 12:34:56", a["createdAt"])
	assert.Equal(t, simulator.DefaultApplicantID, a["applicantId"])
	assert.Equal(t, "a1", a["externalActionId"])
	assert.Equal(t, "selfieAuth", a["type"])
	assert.Equal(t, "init", at(t, a, "review", "reviewStatus"))
	assert.Equal(t, "2026-03-01 12:34:56+0000", at(t, a, "review", "createDate"))
	assert.Equal(t, simulator.LevelFaceAuth, at(t, a, "review", "levelName"))
	assert.NotContains(t, a["review"], "reviewResult")
	assert.NotContains(t, a, "email")

	uploaded := c.addImage(id, jpeg(t))
	require.Equal(t, 200, uploaded.status, "%s", uploaded.body)
	image := uploaded.json(t)
	assert.Equal(t, "jpg", image["mimeType"])
	assert.Equal(t, map[string]any{"width": 3.0, "height": 2.0}, image["actualResolution"])
	assert.Equal(t, map[string]any{}, image["reviewResult"])
	assert.Equal(t, map[string]any{"country": "GBR", "idDocType": "SELFIE"}, image["idDocDef"])
	assert.IsType(t, 0.0, image["imageId"])
	assert.Len(t, image["imageHash"], 40)

	submitted := c.submit(id).json(t)
	assert.Equal(t, "completed", at(t, submitted, "review", "reviewStatus"))
	a = c.get(id)
	assert.Equal(t, submitted, a)
	assert.Equal(t, map[string]any{"reviewAnswer": "GREEN"}, at(t, a, "review", "reviewResult"))
	assert.Equal(t, 1.0, at(t, a, "review", "attemptCnt"))
	assert.Equal(t, "FACE_LIVELINESS", at(t, a, "checks", 0, "checkType"))
	assert.Equal(t, image["imageId"], at(t, a, "checks", 0, "livenessInfo", "livenessData", "images", 0, "imageId"))
	assert.Equal(t, "GREEN", at(t, a, "checks", 0, "livenessInfo", "livenessResult", "answer"))
	assert.Equal(t, "FACE_MATCH", at(t, a, "checks", 1, "checkType"))
	assert.Equal(t, "GREEN", at(t, a, "checks", 1, "faceMatchInfo", "answer"))
	assert.Equal(t, "GREEN", at(t, a, "images", 0, "reviewResult", "reviewAnswer"))

	assert.Equal(t, submitted, c.submit(id).json(t)) // the answer does not change
	late := c.addImage(id, "another")
	assert.Equal(t, 409, late.status)
	assert.Equal(t, 1006.0, late.json(t)["errorCode"])

	book := s.Actions()
	require.Len(t, book, 1)
	assert.Equal(t, simulator.ActionRecord{
		ID: id, ApplicantID: simulator.DefaultApplicantID, ExternalActionID: "a1", LevelName: simulator.LevelFaceAuth, Type: "selfieAuth",
		Email: "a@example.com", Phone: "+49 123", Body: json.RawMessage(body), CreatedAt: clock,
		Submits: 2, Reviews: 1, ReviewStatus: "completed", Outcome: simulator.Outcome{Answer: "GREEN"}, Images: 1,
	}, book[0])
}

func TestRefusals(t *testing.T) {
	s, c := start(t, simulator.Config{KnownOnly: true, Strict: true})
	require.NoError(t, s.AddLevel("a/б c", simulator.ActionFaceAuth))
	id := c.create("a")
	const ok = `{"externalActionId":"b"}`
	action := "/resources/applicantActions/" + id
	link := "/resources/sdkIntegrations/levels/action-liveness/websdkLink"
	body := func(text string) string { return text }
	for name, test := range map[string]struct {
		method, target, body string
		status               int
		change               change
	}{
		"unknown path": {method: "GET", target: "/resources/nothing", status: 404},
		"no id":        {method: "GET", target: "/resources/applicantActions//one", status: 404},
		"bad escape":   {method: "GET", target: "/resources/applicantActions/" + id + "/oneX", status: 404},
		"escaped matrix": {
			method: "GET", target: "/resources/applicantActions/-%3BapplicantId%3D" + simulator.DefaultApplicantID, status: 404,
		},
		"wrong method":             {method: "GET", target: createTarget, status: 405},
		"put":                      {method: "PUT", target: action + "/one", status: 405},
		"no Content-Type":          {method: "POST", target: createTarget, body: ok, status: 415, change: header("Content-Type", "")},
		"other Content-Type":       {method: "POST", target: createTarget, body: ok, status: 415, change: header("Content-Type", "text/json")},
		"no Content-Type, no body": {method: "POST", target: action + "/review/status/pending", status: 415, change: header("Content-Type", "")},
		"JSON as an image":         {method: "POST", target: action + "/images", body: ok, status: 415},
		"no boundary": {
			method: "POST", target: action + "/images", body: ok, status: 400,
			change: header("Content-Type", "multipart/form-data"),
		},
		"no Accept":         {method: "GET", target: action + "/one", status: 405, change: header("Accept", "")},
		"Accept everything": {method: "GET", target: action + "/one", status: 405, change: header("Accept", "*/*")},
		"Accept with quality": {
			method: "GET", target: action + "/one", status: 200, change: header("Accept", "text/plain, application/json;q=0.9"),
		},
		"Accept JSON of an image": {method: "GET", target: action + "/images/1", status: 405, change: header("Accept", "application/json")},
		"malformed query":         {method: "GET", target: listTarget + "?limit=1;offset=0", status: 400},
		"parameter twice":         {method: "GET", target: listTarget + "?limit=1&limit=1", status: 400},
		"no level":                {method: "POST", target: strings.Split(createTarget, "?")[0], body: ok, status: 400},
		"empty level":             {method: "POST", target: strings.Split(createTarget, "?")[0] + "?levelName=", body: ok, status: 400},
		"unknown level":           {method: "POST", target: strings.Split(createTarget, "?")[0] + "?levelName=x", body: ok, status: 404},
		"level to escape": {
			method: "POST", target: strings.Split(createTarget, "?")[0] + "?levelName=a/%D0%B1%20c", body: ok, status: 200,
		},
		"unknown applicant": {
			method: "POST", target: "/resources/applicantActions/-/forApplicant/x?levelName=action-liveness", body: ok,
			status: 404,
		},
		"no body":              {method: "POST", target: createTarget, status: 400},
		"not JSON":             {method: "POST", target: createTarget, body: "{", status: 400},
		"JSON null":            {method: "POST", target: createTarget, body: "null", status: 400},
		"two values":           {method: "POST", target: createTarget, body: ok + ok, status: 400},
		"no external id":       {method: "POST", target: createTarget, body: "{}", status: 400},
		"external id a number": {method: "POST", target: createTarget, body: `{"externalActionId":1}`, status: 400},
		"huge JSON":            {method: "POST", target: createTarget, body: strings.Repeat(" ", 1<<20+1), status: 413},
		"questionnaires":       {method: "POST", target: createTarget, body: `{"externalActionId":"b","questionnaires":{}}`, status: 400},
		"questionnaire's id":   {method: "POST", target: createTarget, body: `{"externalActionId":"b","questionnaires":[{}]}`, status: 400},
		"item without a value": {
			method: "POST", target: createTarget,
			body:   body(`{"externalActionId":"b","questionnaires":[{"id":"q","sections":{"s":{"items":{"i":{}}}}}]}`),
			status: 400,
		},
		"item with both": {
			method: "POST", target: createTarget,
			body:   body(`{"externalActionId":"b","questionnaires":[{"id":"q","sections":{"s":{"items":{"i":{"value":"1","values":[]}}}}}]}`),
			status: 400,
		},
		"value a number": {
			method: "POST", target: createTarget,
			body:   body(`{"externalActionId":"b","questionnaires":[{"id":"q","sections":{"s":{"items":{"i":{"value":1}}}}}]}`),
			status: 400,
		},
		"values a string": {
			method: "POST", target: createTarget,
			body:   body(`{"externalActionId":"b","questionnaires":[{"id":"q","sections":{"s":{"items":{"i":{"values":"1"}}}}}]}`),
			status: 400,
		},
		"unknown action":          {method: "GET", target: "/resources/applicantActions/x/one", status: 404},
		"id cut at semicolon":     {method: "GET", target: action + ";x=1/one", status: 200},
		"submit unknown":          {method: "POST", target: "/resources/applicantActions/x/review/status/pending", status: 404},
		"image of unknown action": {method: "GET", target: "/resources/applicantActions/x/images/1", status: 404},
		"unknown image":           {method: "GET", target: action + "/images/1", status: 404},
		"preview":                 {method: "GET", target: action + "/images/1?preview=yes", status: 400},
		"list of unknown":         {method: "GET", target: "/resources/applicantActions/-;applicantId=x", status: 404},
		"limit":                   {method: "GET", target: listTarget + "?limit=-1", status: 400},
		"offset":                  {method: "GET", target: listTarget + "?offset=one", status: 400},
		"order":                   {method: "GET", target: listTarget + "?order=id", status: 400},
		"token without user":      {method: "POST", target: "/resources/accessTokens?levelName=action-liveness", status: 400},
		"token without level":     {method: "POST", target: "/resources/accessTokens?userId=JamesBond007", status: 400},
		"token for unknown user":  {method: "POST", target: "/resources/accessTokens?levelName=action-liveness&userId=x", status: 404},
		"token for unknown level": {method: "POST", target: "/resources/accessTokens?levelName=x&userId=JamesBond007", status: 404},
		"token ttl": {
			method: "POST", target: "/resources/accessTokens?levelName=action-liveness&userId=JamesBond007&ttlInSecs=0",
			status: 400,
		},
		"link without user":   {method: "POST", target: link + "?externalActionId=a", status: 400},
		"link without action": {method: "POST", target: link + "?externalUserId=JamesBond007", status: 400},
		"link ttl":            {method: "POST", target: link + "?externalUserId=JamesBond007&externalActionId=a&ttlInSecs=x", status: 400},
		"link for escaped level": {
			method: "POST",
			target: "/resources/sdkIntegrations/levels/a%2F%D0%B1%20c/websdkLink?externalUserId=JamesBond007&externalActionId=a",
			status: 200,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var changes []change
			if test.change != nil {
				changes = append(changes, test.change)
			}
			r := c.do(test.method, test.target, []byte(test.body), changes...)
			assert.Equal(t, test.status, r.status, "%s", r.body)
			if test.status == 200 {
				return
			}
			body := r.json(t)
			assert.Equal(t, float64(test.status), body["code"])
			assert.NotEmpty(t, body["description"])
			assert.NotEmpty(t, body["correlationId"])
		})
	}
	assert.Equal(t, "POST", c.do("GET", createTarget, nil).header.Get("Allow"))
	assert.Zero(t, s.Stats().RefusedSignatures)
}

func TestQuestionnairesComeBackAsTheyWere(t *testing.T) {
	_, c := start(t, simulator.Config{ReviewDelay: -1})
	const answers = `[{"id":"q","sections":{"s":{"items":{"a":{"values":["EUR","USD"]},"b":{"value":"text"},"c":{"value":null}}}}}]`
	target := strings.Replace(createTarget, simulator.LevelFaceAuth, simulator.LevelQuestionnaire, 1)
	r := c.do("POST", target, []byte(`{"externalActionId":"q1","questionnaires":`+answers+`}`))
	require.Equal(t, 200, r.status)
	assert.Contains(t, string(r.body), `"questionnaires":`+answers)
	a := c.get(r.json(t)["id"].(string))
	assert.NotContains(t, a, "type")
	assert.Nil(t, at(t, a, "questionnaires", 0, "sections", "s", "items", "c", "value"))
	done := c.submit(a["id"].(string)).json(t)
	assert.Equal(t, "GREEN", at(t, done, "review", "reviewResult", "reviewAnswer"))
	assert.NotContains(t, done, "checks")
}

func TestEmailLevel(t *testing.T) {
	_, c := start(t, simulator.Config{ReviewDelay: -1})
	target := strings.Replace(createTarget, simulator.LevelFaceAuth, simulator.LevelEmail, 1)
	r := c.do("POST", target, []byte(`{"externalActionId":"e","email":"a@example.com"}`))
	done := c.submit(r.json(t)["id"].(string)).json(t)
	assert.Equal(t, "EMAIL_CONFIRMATION", at(t, done, "checks", 0, "checkType"))
}

func TestAnyLevel(t *testing.T) {
	_, c := start(t, simulator.Config{KnownOnly: true, AnyLevel: true})
	target := strings.Split(createTarget, "?")[0] + "?levelName=" + url.QueryEscape("какой угодно")
	assert.Equal(t, 200, c.do("POST", target, []byte(`{"externalActionId":"a"}`)).status)
}

func TestList(t *testing.T) {
	s, c := start(t, simulator.Config{})
	require.NoError(t, s.AddApplicant("another", "other"))
	var ids []string
	for n := range 12 {
		ids = append(ids, c.create(fmt.Sprint("a", n)))
	}
	page := func(query string) (got []int, total any) {
		list := c.do("GET", listTarget+query, nil).json(t)["list"].(map[string]any)
		for _, item := range list["items"].([]any) {
			for n, id := range ids {
				if id == item.(map[string]any)["id"] {
					got = append(got, n)
				}
			}
		}
		return got, list["totalItems"]
	}
	for query, want := range map[string][]int{
		"":                                   {1, 0}, // the default offset is the one in the specification
		"?offset=0&limit=3&order=-createdAt": {11, 10, 9},
		"?offset=10&limit=3":                 {1, 0},
		"?offset=0&limit=2&order=createdAt":  {0, 1},
		"?offset=12":                         nil,
		"?offset=0&limit=0":                  nil,
	} {
		got, total := page(query)
		assert.Equal(t, want, got, query)
		assert.Equal(t, 12.0, total)
	}
	assert.JSONEq(t, `{"list":{"items":[],"totalItems":0}}`,
		string(c.do("GET", "/resources/applicantActions/-;applicantId=another?offset=0", nil).body))
}

func TestQuirks(t *testing.T) {
	t.Run("bare list without external ids", func(t *testing.T) {
		_, c := start(t, simulator.Config{Quirks: simulator.Quirks{BareList: true, ListWithoutExternalIDs: true}})
		id := c.create("a")
		page := c.do("GET", listTarget+"?offset=0", nil).json(t)
		assert.Equal(t, 1.0, page["totalItems"])
		assert.Equal(t, id, at(t, page, "items", 0, "id"))
		assert.NotContains(t, at(t, page, "items", 0), "externalActionId")
		assert.Equal(t, "a", c.get(id)["externalActionId"])
	})
	t.Run("empty answers", func(t *testing.T) {
		s, c := start(t, simulator.Config{Quirks: simulator.Quirks{EmptyAnswers: true}})
		r := c.do("POST", createTarget, []byte(`{"externalActionId":"a"}`))
		assert.Equal(t, 200, r.status)
		assert.Empty(t, r.body)
		assert.Empty(t, c.submit(s.Actions()[0].ID).body)
	})
	t.Run("ok answers", func(t *testing.T) {
		s, c := start(t, simulator.Config{Quirks: simulator.Quirks{OKAnswers: true}})
		assert.Equal(t, `{"ok":1}`, string(c.do("POST", createTarget, []byte(`{"externalActionId":"a"}`)).body))
		assert.Equal(t, `{"ok":1}`, string(c.submit(s.Actions()[0].ID).body))
	})
	t.Run("string image ids", func(t *testing.T) {
		s, c := start(t, simulator.Config{Quirks: simulator.Quirks{StringImageIDs: true}})
		id := c.create("a")
		image := c.addImage(id, "x").json(t)
		assert.Equal(t, s.Images(id)[0].ImageID, image["imageId"])
		assert.Equal(t, s.Images(id)[0].PreviewID, image["resizedImageId"])
	})
	t.Run("result at the root", func(t *testing.T) {
		_, c := start(t, simulator.Config{ReviewDelay: -1, Quirks: simulator.Quirks{RootReviewResult: true}})
		id := c.create("a")
		c.addImage(id, "x")
		done := c.submit(id).json(t)
		assert.Equal(t, "GREEN", at(t, done, "reviewResult", "reviewAnswer"))
		assert.NotContains(t, done["review"], "reviewResult")
	})
	t.Run("duplicates", func(t *testing.T) {
		s, c := start(t, simulator.Config{})
		assert.NotEqual(t, c.create("a"), c.create("a"))
		assert.Len(t, s.Actions(), 2)
	})
	t.Run("conflict on duplicate", func(t *testing.T) {
		s, c := start(t, simulator.Config{Quirks: simulator.Quirks{ConflictOnDuplicate: true}})
		c.create("a")
		assert.Equal(t, 409, c.do("POST", createTarget, []byte(`{"externalActionId":"a"}`)).status)
		assert.Len(t, s.Actions(), 1)
		require.NoError(t, s.AddApplicant("another", "other"))
		const target = "/resources/applicantActions/-/forApplicant/another?levelName=action-liveness"
		assert.Equal(t, 200, c.do("POST", target, []byte(`{"externalActionId":"a"}`)).status)
	})
}

func TestLimitOfActions(t *testing.T) {
	s, c := start(t, simulator.Config{Limits: simulator.Limits{Actions: 1}})
	c.create("a")
	r := c.do("POST", createTarget, []byte(`{"externalActionId":"b"}`))
	assert.Equal(t, 400, r.status)
	assert.Contains(t, r.json(t)["description"], "full")
	assert.Len(t, s.Actions(), 1)

	s, c = start(t, simulator.Config{Limits: simulator.Limits{ActionMemory: 150}})
	for n := range 5 {
		r = c.do("POST", createTarget, []byte(`{"externalActionId":"12345"}`)) // the body has 28 bytes, and the name of the level has 15
		assert.Equal(t, n < 3, r.status == 200)
	}
	assert.Len(t, s.Actions(), 3)
}

func TestLimitOfBodies(t *testing.T) {
	var seen records
	_, c := start(t, simulator.Config{OnRequest: seen.add, Limits: simulator.Limits{RequestBody: 2 << 20}})
	id := c.create("a")
	for _, fits := range []bool{true, false} {
		body, form := multipartBody(t, metadata(selfie), content("x", "image/png", strings.Repeat("x", 2<<20-1000)))
		if !fits {
			body = append(body, make([]byte, 1000)...)
		}
		r := c.do("POST", "/resources/applicantActions/"+id+"/images", body, form)
		if fits {
			assert.Equal(t, 200, r.status)
			continue
		}
		assert.Equal(t, 413, r.status)
		assert.Equal(t, simulator.VerdictUnsigned, seen.last().Signature)
	}
}

func TestAccessToken(t *testing.T) {
	clock := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s, c := start(t, simulator.Config{Clock: func() time.Time { return clock }})
	r := c.do("POST", "/resources/accessTokens?userId=JamesBond007&externalActionId=a1&levelName=action-liveness&ttlInSecs=60", nil).json(t)
	assert.Regexp(t, `^_act-sbx-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, r["token"])
	assert.Equal(t, "JamesBond007", r["userId"])
	assert.Equal(t, "a1", r["externalActionId"])
	token := r["token"].(string)
	record, ok := s.AccessToken(token)
	assert.True(t, ok)
	assert.Equal(t, simulator.AccessTokenRecord{
		UserID: "JamesBond007", ExternalActionID: "a1", LevelName: "action-liveness", ExpiresAt: clock.Add(time.Minute),
	}, record)

	bare := c.do("POST", "/resources/accessTokens?userId=JamesBond007&levelName=action-liveness", nil).json(t)
	assert.NotContains(t, bare, "externalActionId")
	record, ok = s.AccessToken(bare["token"].(string))
	assert.True(t, ok)
	assert.Equal(t, clock.Add(10*time.Minute), record.ExpiresAt)

	clock = clock.Add(time.Minute)
	_, ok = s.AccessToken(token)
	assert.False(t, ok)
	_, ok = s.AccessToken("_act-sbx-unknown")
	assert.False(t, ok)
}

func TestApplicantsAreRenamed(t *testing.T) {
	s, c := start(t, simulator.Config{KnownOnly: true})
	id := c.create("a")
	require.NoError(t, s.AddApplicant(simulator.DefaultApplicantID, "007"))
	assert.Equal(t, 404, c.do("POST", "/resources/accessTokens?userId=JamesBond007&levelName=action-liveness", nil).status)
	assert.Equal(t, 200, c.do("POST", "/resources/accessTokens?userId=007&levelName=action-liveness", nil).status)
	assert.Equal(t, id, c.get(id)["id"])
}

func TestReviews(t *testing.T) {
	for name, test := range map[string]struct {
		outcome         simulator.Outcome
		liveness, match string
		result          string
	}{
		"green": {outcome: simulator.Outcome{}, liveness: "GREEN", match: "GREEN", result: `{"reviewAnswer":"GREEN"}`},
		"red": {
			outcome: simulator.Outcome{
				Answer: "RED", RejectLabels: []string{"BAD_FACE_MATCHING"}, RejectType: "RETRY", ModerationComment: "m",
				ClientComment: "c",
			},
			liveness: "GREEN", match: "RED",
			result: `{"reviewAnswer":"RED","rejectLabels":["BAD_FACE_MATCHING"],"reviewRejectType":"RETRY",` +
				`"moderationComment":"m","clientComment":"c"}`,
		},
		"dead": {
			outcome: simulator.Outcome{Answer: "RED", LivenessFailed: true, RejectType: "FINAL"}, liveness: "RED",
			result: `{"reviewAnswer":"RED","reviewRejectType":"FINAL"}`,
		},
		"by label": {
			outcome: simulator.Outcome{Answer: "RED", RejectLabels: []string{"FRAUDULENT_LIVENESS"}}, liveness: "RED",
			result: `{"reviewAnswer":"RED","rejectLabels":["FRAUDULENT_LIVENESS"]}`,
		},
		"error":  {outcome: simulator.Outcome{Answer: "ERROR"}, liveness: "ERROR", result: `{"reviewAnswer":"ERROR"}`},
		"yellow": {outcome: simulator.Outcome{Answer: "YELLOW"}, liveness: "YELLOW", match: "YELLOW", result: `{"reviewAnswer":"YELLOW"}`},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := start(t, simulator.Config{ReviewDelay: -1})
			require.NoError(t, s.SetOutcome(test.outcome))
			id := c.create("a")
			c.addImage(id, "face")
			done := c.submit(id).json(t)
			result, err := json.Marshal(at(t, done, "review", "reviewResult"))
			require.NoError(t, err)
			assert.JSONEq(t, test.result, string(result))
			checks := done["checks"].([]any)
			assert.Equal(t, test.liveness, at(t, checks, 0, "answer"))
			if test.match == "" {
				assert.Len(t, checks, 1)
			} else {
				assert.Equal(t, test.match, at(t, checks, 1, "answer"))
			}
		})
	}
	s, c := start(t, simulator.Config{ReviewDelay: -1})
	assert.Error(t, s.SetOutcome(simulator.Outcome{Answer: "x"}))
	done := c.submit(c.create("a")).json(t)
	assert.Equal(t, "ERROR", at(t, done, "review", "reviewResult", "reviewAnswer"), "no image")
}

func TestPersonDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := simulator.New(simulator.Config{ReviewDelay: time.Second})
		require.NoError(t, err)
		c := direct(t, s)
		assert.ErrorContains(t, s.Review("x", simulator.Outcome{}), "no such action")
		assert.Error(t, s.Review("x", simulator.Outcome{Answer: "x"}))

		id := c.create("a")
		c.submit(id)
		require.NoError(t, s.Review(id, simulator.Outcome{OnHold: true}))
		<-time.After(time.Hour) // the scheduled review was cancelled
		assert.Equal(t, "onHold", at(t, c.get(id), "review", "reviewStatus"))
		require.NoError(t, s.Review(id, simulator.Outcome{Answer: "GREEN"}))
		assert.Equal(t, []any{}, at(t, c.get(id), "checks", 0, "livenessInfo", "livenessData", "images"))
		require.NoError(t, s.Review(id, simulator.Outcome{Answer: "RED"}))
		assert.Equal(t, "RED", at(t, c.get(id), "review", "reviewResult", "reviewAnswer"))
		assert.Equal(t, 2.0, at(t, c.get(id), "review", "attemptCnt"))
		require.NoError(t, s.Close())
	})
}

func TestManualReview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := simulator.New(simulator.Config{ManualReview: true})
		require.NoError(t, err)
		c := direct(t, s)
		id := c.create("a")
		c.submit(id)
		<-time.After(time.Hour)
		assert.Equal(t, "pending", at(t, c.get(id), "review", "reviewStatus"))
	})
}

func TestParseOutcome(t *testing.T) {
	for text, want := range map[string]simulator.Outcome{
		"GREEN":           {Answer: "GREEN"},
		"error":           {Answer: "ERROR"},
		"onhold":          {OnHold: true},
		"RED":             {Answer: "RED", RejectLabels: []string{"BAD_FACE_MATCHING"}, RejectType: "RETRY"},
		"red:FORGERY,PEP": {Answer: "RED", RejectLabels: []string{"FORGERY", "PEP"}, RejectType: "RETRY"},
	} {
		got, err := simulator.ParseOutcome(text)
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"", "PURPLE", "RED:no", ":FORGERY"} {
		_, err := simulator.ParseOutcome(text)
		assert.ErrorContains(t, err, "simulator: outcome: ", text)
	}
}

func TestRequestRecords(t *testing.T) {
	var seen records
	_, c := start(t, simulator.Config{OnRequest: seen.add})
	c.create("a")
	assert.Equal(t, simulator.Request{
		Operation: "CreateAction", Method: "POST", Target: createTarget, Status: 200, Signature: simulator.VerdictOK,
	}, seen.last())
	c.do("GET", "/nothing", nil)
	assert.Equal(t, simulator.Request{
		Operation: "Unknown", Method: "GET", Target: "/nothing", Status: 404, Signature: simulator.VerdictOK,
	}, seen.last())
	r := c.do("GET", listTarget, nil, func(r *http.Request) { r.Header.Set("X-App-Access-Sig", "00") })
	assert.Equal(t, 401, r.status)
	assert.Regexp(t, `^\d{10}GET`+listTarget+`$`, seen.last().StringToSign)
}
