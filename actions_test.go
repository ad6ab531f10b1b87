package idngo_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

const (
	getTarget  = "/resources/applicantActions/a1/one"
	listTarget = "/resources/applicantActions/-;applicantId=p1?limit=100&offset=0&order=-createdAt"
)

func TestCreateAction(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	faultnet.RespondFunc(t, mock, "POST", "/resources/applicantActions/-/forApplicant/p1?levelName=some%20level",
		func(_ *http.Request, body []byte) (*http.Response, error) {
			assert.JSONEq(t, `{"externalActionId":"e1","email":"example@email.com","phone":"+49 123456789"}`, string(body))
			return httpmock.NewStringResponse(201, `{"id":"a1","externalActionId":"e1","review":{"reviewStatus":"init"},"unknown":{}}`), nil
		})
	action, err := client.CreateAction(t.Context(), "p1", idngo.CreateActionParams{
		LevelName: "some level", ExternalActionID: "e1", Email: "example@email.com", Phone: "+49 123456789",
	})
	require.NoError(t, err)
	assert.Equal(t, "a1", action.ID)
	assert.Equal(t, idngo.ReviewStatusInit, action.Review.ReviewStatus)
}

// IDnGO documents no answer of create. If the answer lacks the action, CreateAction fetches it.
func TestCreateActionAnswerWithoutAction(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"empty": "", "blank": " \n", "ok": `{"ok":1}`, "null": "null"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, mock := faultnet.NewMock(t)
			faultnet.Respond(t, mock, "POST", "/resources/applicantActions/-/forApplicant/p1?levelName=L", 200, answer)
			params := idngo.CreateActionParams{LevelName: "L", ExternalActionID: "e1"}
			_, err := client.CreateAction(t.Context(), "p1", params)
			require.ErrorIs(t, err, idngo.ErrOutcomeUnknown, "it was created, but cannot be found")

			faultnet.Respond(
				t, mock, "GET", listTarget, 200,
				`{"list":{"items":[{"id":"a0","externalActionId":"e0"},{"id":"a1","externalActionId":"e1"}],"totalItems":2}}`,
			)
			action, err := client.CreateAction(t.Context(), "p1", params)
			require.NoError(t, err)
			assert.Equal(t, "a1", action.ID)
		})
	}
}

func TestSubmitAction(t *testing.T) {
	t.Parallel()
	const target = "/resources/applicantActions/a1/review/status/pending"
	for name, answer := range map[string]string{
		"empty": "", "ok": `{"ok":1}`, "action": `{"id":"a1","review":{"reviewStatus":"completed"},"reviewResult":{"reviewAnswer":"GREEN"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, mock := faultnet.NewMock(t)
			faultnet.Respond(t, mock, "POST", target, 200, answer)
			faultnet.Respond(
				t, mock, "GET", getTarget, 200, `{"id":"a1","review":{"reviewStatus":"completed","reviewResult":{"reviewAnswer":"GREEN"}}}`,
			)
			action, err := client.SubmitAction(t.Context(), "a1")
			require.NoError(t, err)
			assert.True(t, action.Approved())
		})
	}
	client, mock := faultnet.NewMock(t)
	faultnet.Respond(t, mock, "POST", target, 200, "")
	faultnet.Respond(t, mock, "GET", getTarget, 404, "")
	_, err := client.SubmitAction(t.Context(), "a1")
	require.ErrorIs(t, err, idngo.ErrNotFound)
	require.ErrorContains(t, err, "it was submitted")
}

func TestGetAction(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	faultnet.Respond(t, mock, "GET", getTarget, 200, `{"id":"a1","applicantId":"p1","type":"selfieAuth","createdAt":"2019-10-10 18:20:00",
		"review":{"reviewResult":{"reviewAnswer":"GREEN"}},
		"checks":[{"answer":"GREEN","checkType":"FACE_MATCH","faceMatchInfo":{"answer":"GREEN"}}]}`)
	var r idngo.Response
	action, err := client.GetAction(t.Context(), "a1", idngo.WithResponse(&r))
	require.NoError(t, err)
	assert.Equal(t, time.Date(2019, 10, 10, 18, 20, 0, 0, time.UTC), action.CreatedAt.Time)
	assert.Equal(t, idngo.ReviewAnswerGreen, action.Review.ReviewResult.ReviewAnswer)
	assert.False(t, action.Approved(), "an answer counts only when the status is completed")
	assert.Equal(t, idngo.ReviewAnswer("GREEN"), action.Checks[0].FaceMatchInfo.Answer)
	assert.Nil(t, action.Checks[0].LivenessInfo)
	assert.Equal(t, 200, r.StatusCode)
	assert.Contains(t, string(r.Body), "selfieAuth")
}

func TestListActions(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"wrapped": `{"list":{"items":[{"id":"a1"},{"id":"a2"}],"totalItems":213}}`,
		"bare":    `{"items":[{"id":"a1"},{"id":"a2"}],"totalItems":213}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, mock := faultnet.NewMock(t)
			faultnet.Respond(t, mock, "GET", listTarget, 200, answer)
			page, err := client.ListActions(t.Context(), "p1", idngo.ListActionsParams{})
			require.NoError(t, err)
			assert.Equal(t, 213, page.TotalItems)
			require.Len(t, page.Items, 2)
			assert.Equal(t, "a2", page.Items[1].ID)
		})
	}
}

func TestAllActions(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	page := func(offset int, answer string) {
		faultnet.Respond(
			t, mock, "GET", fmt.Sprintf("/resources/applicantActions/-;applicantId=p1?limit=2&offset=%d&order=-createdAt", offset), 200, answer,
		)
	}
	// a0 is added before the first action between the first page and the second.
	page(1, `{"list":{"items":[{"id":"a1"},{"id":"a2"}],"totalItems":4}}`)
	page(3, `{"list":{"items":[{"id":"a2"},{"id":"a3"}],"totalItems":6}}`)
	page(5, `{"items":[{"id":"a4"}],"totalItems":6}`)
	all := client.AllActions(t.Context(), "p1", idngo.ListActionsParams{Limit: 2, Offset: 1})
	for range 2 {
		var ids []string
		for action, err := range all {
			require.NoError(t, err)
			ids = append(ids, action.ID)
		}
		assert.Equal(t, []string{"a1", "a2", "a3", "a4"}, ids)
	}
	assert.Equal(t, 6, mock.GetTotalCallCount(), "it stops at the total")
	for _, err := range all {
		require.NoError(t, err)
		break
	}
	assert.Equal(t, 7, mock.GetTotalCallCount(), "it stops where the caller does")

	// An empty page ends the iteration, whatever the total is. An error comes in the last pair.
	mock.Reset()
	page(0, `{"list":{"items":[{"id":"a1"}]}}`)
	page(1, `{"list":{"items":[],"totalItems":9}}`)
	n := 0
	for _, err := range client.AllActions(t.Context(), "p1", idngo.ListActionsParams{Limit: 2}) {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, 1, n)
	page(1, "<html>")
	var last error
	for _, last = range client.AllActions(t.Context(), "p1", idngo.ListActionsParams{Limit: 2}) {
		n++
	}
	require.Error(t, last)
	assert.Equal(t, 3, n)

	// The iteration also ends if the service ignores the offset.
	mock.Reset()
	for offset := range 10 {
		page(offset, `{"list":{"items":[{"id":"a1"}]}}`)
	}
	for _, last = range client.AllActions(t.Context(), "p1", idngo.ListActionsParams{Limit: 2}) {
	}
	require.ErrorContains(t, last, "the same page")
	assert.LessOrEqual(t, mock.GetTotalCallCount(), 5)
}

func TestCreateWebSDKLink(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	const target = "/resources/sdkIntegrations/levels/action%2Flevel%20%D0%B6/websdkLink" +
		"?externalActionId=e1&externalUserId=u1&locale=kk&ttlInSecs=90"
	faultnet.Respond(t, mock, "POST", target, 200, `{"url":"https://api.idngo.kz/idensic/l/#/lPDnIKwzmxPfDohk"}`)
	link, err := client.CreateWebSDKLink(t.Context(), idngo.WebSDKLinkParams{
		LevelName: "action/level ж", ExternalUserID: "u1", ExternalActionID: "e1", Locale: "kk", TTL: 90 * time.Second,
	})
	require.NoError(t, err)
	assert.Equal(t, "https://api.idngo.kz/idensic/l/#/lPDnIKwzmxPfDohk", link.URL)
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v %s %q", link, *link, *link, link, *link), "lPDn")

	faultnet.Respond(t, mock, "POST", "/resources/sdkIntegrations/levels/L/websdkLink?externalUserId=u1", 200, `{}`)
	_, err = client.CreateWebSDKLink(t.Context(), idngo.WebSDKLinkParams{LevelName: "L", ExternalUserID: "u1"})
	require.ErrorContains(t, err, "lacks")
}

// The error names every bad argument, and nothing is sent.
func TestBadArguments(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	ctx := t.Context()
	create := func(applicant string, params idngo.CreateActionParams) error {
		_, err := client.CreateAction(ctx, applicant, params)
		_, ensured := client.EnsureAction(ctx, applicant, params)
		if err == nil || ensured == nil || err.Error() != ensured.Error() {
			return fmt.Errorf("CreateAction says %w, EnsureAction says %w", err, ensured)
		}
		return err
	}
	image := func(action string, params idngo.AddImageParams) error {
		_, err := client.AddImage(ctx, action, params)
		return err
	}
	good := idngo.CreateActionParams{LevelName: "L", ExternalActionID: "e"}
	selfie := idngo.AddImageParams{IDDocType: "SELFIE", Country: "KAZ", Image: idngo.ImageBytes("x", nil)}
	with := func(change func(*idngo.CreateActionParams)) idngo.CreateActionParams {
		params := good
		change(&params)
		return params
	}
	withImage := func(change func(*idngo.AddImageParams)) idngo.AddImageParams {
		params := selfie
		change(&params)
		return params
	}
	item := func(i idngo.QuestionnaireItem) []idngo.Questionnaire {
		return []idngo.Questionnaire{
			{ID: "q", Sections: map[string]idngo.QuestionnaireSection{"s": {Items: map[string]idngo.QuestionnaireItem{"i": i}}}},
		}
	}
	ids := func(questionnaire, section, item string) []idngo.Questionnaire {
		return []idngo.Questionnaire{{ID: questionnaire, Sections: map[string]idngo.QuestionnaireSection{
			section: {Items: map[string]idngo.QuestionnaireItem{item: idngo.ItemValue("x")}},
		}}}
	}
	tests := []struct {
		field string
		err   error
	}{
		{field: "LevelName", err: create("p", with(func(p *idngo.CreateActionParams) { p.LevelName = "" }))},
		{field: "ExternalActionID", err: create("p", with(func(p *idngo.CreateActionParams) { p.ExternalActionID = "" }))},
		{field: "ExternalActionID", err: create("p", with(func(p *idngo.CreateActionParams) { p.ExternalActionID = "\xff" }))},
		{field: "Email", err: create("p", with(func(p *idngo.CreateActionParams) { p.Email = "\xff" }))},
		{field: "Phone", err: create("p", with(func(p *idngo.CreateActionParams) { p.Phone = "\xff" }))},
		{field: "Questionnaires", err: create("p", with(func(p *idngo.CreateActionParams) { p.Questionnaires = item(idngo.ItemValue("\xff")) }))},
		{
			field: "Questionnaires",
			err:   create("p", with(func(p *idngo.CreateActionParams) { p.Questionnaires = item(idngo.ItemValues("a", "\xff")) })),
		},
		{field: "Questionnaires", err: create("p", with(func(p *idngo.CreateActionParams) { p.Questionnaires = ids("\xff", "s", "i") }))},
		{field: "Questionnaires", err: create("p", with(func(p *idngo.CreateActionParams) { p.Questionnaires = ids("q", "\xff", "i") }))},
		{field: "Questionnaires", err: create("p", with(func(p *idngo.CreateActionParams) { p.Questionnaires = ids("q", "s", "\xff") }))},
		{field: "Extra", err: create("p", with(func(p *idngo.CreateActionParams) { p.Extra = map[string]any{"email": "x"} }))},
		{field: "Extra", err: create("p", with(func(p *idngo.CreateActionParams) { p.Extra = map[string]any{"x": func() {}} }))},
		{field: "actionID", err: image("..", selfie)},
		{field: "IDDocType", err: image("a", withImage(func(p *idngo.AddImageParams) { p.IDDocType = "" }))},
		{field: "Country", err: image("a", withImage(func(p *idngo.AddImageParams) { p.Country = "" }))},
		{field: "Country", err: image("a", withImage(func(p *idngo.AddImageParams) { p.Country = "kaz" }))},
		{field: "Country", err: image("a", withImage(func(p *idngo.AddImageParams) { p.Country = "KAZA" }))},
		{field: "Country", err: image("a", withImage(func(p *idngo.AddImageParams) { p.Country = "ЖЖЖ" }))},
		{field: "Image", err: image("a", withImage(func(p *idngo.AddImageParams) { p.Image = nil }))},
		{field: "Image", err: image("a", withImage(func(p *idngo.AddImageParams) { p.Image = idngo.ImageReader("x", nil) }))},
		{field: "Image", err: image("a", withImage(func(p *idngo.AddImageParams) { p.Image = idngo.ImageReaderAt("x", nil, 1) }))},
		{
			field: "Image",
			err:   image("a", withImage(func(p *idngo.AddImageParams) { p.Image = idngo.ImageReaderAt("x", strings.NewReader(""), -1) })),
		},
		{field: "Image", err: image("a", withImage(func(p *idngo.AddImageParams) { p.Image = idngo.ImageFile("testdata/none.jpg") }))},
		{field: "Image", err: image("a", withImage(func(p *idngo.AddImageParams) { p.Image = idngo.ImageFile("testdata") }))},
		{field: "ContentType", err: image("a", withImage(func(p *idngo.AddImageParams) { p.ContentType = "image/jpeg\r\nX: y" }))},
	}
	for _, id := range []string{"", ".", ".."} {
		_, get := client.GetAction(ctx, id)
		_, submit := client.SubmitAction(ctx, id)
		_, waiting := client.WaitForReview(ctx, id, idngo.WaitParams{})
		_, confirm := client.ConfirmAction(ctx, id, idngo.ActionExpectation{ApplicantID: "p"})
		_, open := client.OpenImage(ctx, id, "1", idngo.ImageParams{})
		_, openImage := client.OpenImage(ctx, "a", idngo.ImageID(id), idngo.ImageParams{})
		_, list := client.ListActions(ctx, id, idngo.ListActionsParams{})
		_, find := client.FindAction(ctx, id, "e")
		_, link := client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{LevelName: id, ExternalUserID: "u"})
		tests = append(tests, []struct {
			field string
			err   error
		}{
			{field: "actionID", err: get}, {field: "actionID", err: submit}, {field: "actionID", err: waiting},
			{field: "actionID", err: confirm}, {field: "actionID", err: open},
			{field: "imageID", err: openImage}, {field: "applicantID", err: list}, {field: "applicantID", err: find},
			{field: "LevelName", err: link},
			{field: "applicantID", err: create(id, good)}, {field: "actionID", err: image(id, selfie)},
		}...)
		for _, err := range client.AllActions(ctx, id, idngo.ListActionsParams{}) {
			tests = append(tests, struct {
				field string
				err   error
			}{field: "applicantID", err: err})
		}
	}
	add := func(field string, err error) {
		tests = append(tests, struct {
			field string
			err   error
		}{field: field, err: err})
	}
	_, err := client.FindAction(ctx, "p", "")
	add("externalActionID", err)
	_, err = client.ConfirmAction(ctx, "a", idngo.ActionExpectation{})
	add("ApplicantID", err)
	_, err = client.ListActions(ctx, "p", idngo.ListActionsParams{Limit: -1})
	add("Limit", err)
	_, err = client.ListActions(ctx, "p", idngo.ListActionsParams{Offset: -1})
	add("Offset", err)
	for _, err := range client.AllActions(ctx, "p", idngo.ListActionsParams{Offset: -1}) {
		add("Offset", err)
	}
	_, err = client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{LevelName: "L"})
	add("ExternalUserID", err)
	_, err = client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{LevelName: "L", ExternalUserID: "u", TTL: -time.Second})
	add("TTL", err)
	_, err = client.WaitForReview(ctx, "a", idngo.WaitParams{MinInterval: -1})
	add("WaitParams", err)
	_, err = client.WaitForReview(ctx, "a", idngo.WaitParams{MinInterval: 2, MaxInterval: 1})
	add("WaitParams", err)
	_, err = client.DownloadImage(ctx, "a", "1", nil, idngo.ImageParams{})
	add("w", err)
	_, err = client.EnsureAction(ctx, "p", good, idngo.WithIdempotent())
	add("WithIdempotent", err)
	_, err = client.GetAction(faultnet.NilContext, "a")
	add("context", err)

	for _, tt := range tests {
		require.ErrorIs(t, tt.err, idngo.ErrInvalidArgument, tt.field)
		require.ErrorContains(t, tt.err, tt.field)
	}
	assert.Zero(t, mock.GetTotalCallCount(), "nothing was sent")
}
