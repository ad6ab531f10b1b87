package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/simulator"
)

// oddService is a simulator with an oddity of the wire, and a client of it.
type oddService struct {
	*simulator.Server
	client    *idngo.Client
	applicant string
}

// newOddService starts a simulator with the oddity of cfg and makes a client of it.
func newOddService(t *testing.T, cfg simulator.Config, opts ...idngo.Option) *oddService {
	t.Helper()
	cfg.KnownOnly, cfg.ReviewDelay, cfg.WebhookTimeScale = true, simulator.NoReviewDelay, 0.001
	server, err := simulator.New(cfg)
	require.NoError(t, err)
	baseURL, err := server.Start("")
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		assert.NoError(t, server.Close())
	})
	credentials := idngo.Credentials{AppToken: simulator.DefaultAppToken, SecretKey: simulator.DefaultSecretKey}
	opts = append([]idngo.Option{
		idngo.WithBaseURL(baseURL), idngo.WithHTTPClient(&http.Client{Transport: transport}),
		idngo.WithRetryPolicy(idngo.RetryPolicy{MinDelay: time.Millisecond, MaxDelay: time.Millisecond}),
	}, opts...)
	client, err := idngo.NewClient(credentials, opts...)
	require.NoError(t, err)
	return &oddService{server, client, simulator.DefaultApplicantID}
}

// params returns the parameters of a face authorization with the external id.
func (s *oddService) params(externalID string) idngo.CreateActionParams {
	return idngo.CreateActionParams{LevelName: simulator.LevelFaceAuth, ExternalActionID: externalID}
}

// create creates an action.
func (s *oddService) create(t *testing.T, externalID string) *idngo.Action {
	t.Helper()
	action, err := s.client.CreateAction(t.Context(), s.applicant, s.params(externalID))
	require.NoError(t, err)
	require.NotEmpty(t, action.ID)
	return action
}

// upload uploads a picture to an action.
func (s *oddService) upload(t *testing.T, actionID string, p idngo.AddImageParams) (*idngo.Image, error) {
	t.Helper()
	p.IDDocType, p.Country, p.Image = idngo.IDDocTypeSelfie, "KAZ", idngo.ImageBytes("a.jpg", []byte("\xff\xd8\xff\xe0 a picture"))
	return s.client.AddImage(t.Context(), actionID, p)
}

// submit creates an action with an image and submits it.
func (s *oddService) submit(t *testing.T) *idngo.Action {
	t.Helper()
	action := s.create(t, "pay-1")
	_, err := s.upload(t, action.ID, idngo.AddImageParams{})
	require.NoError(t, err)
	action, err = s.client.SubmitAction(t.Context(), action.ID)
	require.NoError(t, err)
	return action
}

// statusOf returns the status of the answer that caused an error.
func statusOf(t *testing.T, err error) int {
	t.Helper()
	var api *idngo.APIError
	require.ErrorAs(t, err, &api)
	return api.StatusCode
}

// wrongAssumptions has a test for each assumption of testdata/assumptions.json. The assumption is
// wrong, and the client behaves as whenWrong describes.
var wrongAssumptions = []struct {
	id, quirk string
	check     func(t *testing.T, s *oddService)
}{
	{id: "applicant-by-user", quirk: "NoApplicantByUser", check: func(t *testing.T, s *oddService) {
		_, err := s.client.FindApplicant(t.Context(), simulator.DefaultExternalUserID)
		require.ErrorIs(t, err, idngo.ErrNotFound)
		_, err = s.client.GetApplicant(t.Context(), s.applicant)
		require.NoError(t, err)
		s.submit(t)
	}},
	{id: "applicant-by-id", quirk: "NoApplicantByID", check: func(t *testing.T, s *oddService) {
		_, err := s.client.GetApplicant(t.Context(), s.applicant)
		require.ErrorIs(t, err, idngo.ErrNotFound)
		_, err = s.client.FindApplicant(t.Context(), simulator.DefaultExternalUserID)
		require.NoError(t, err)
		s.submit(t)
	}},
	{id: "applicant-review", quirk: "ApplicantWithoutReview", check: func(t *testing.T, s *oddService) {
		applicant, err := s.client.GetApplicant(t.Context(), s.applicant)
		require.NoError(t, err)
		require.False(t, applicant.Completed())
		require.False(t, applicant.Approved())
	}},
	{id: "create-minimal", quirk: "RefuseMinimal", check: func(t *testing.T, s *oddService) {
		for _, create := range []func(context.Context, string, idngo.CreateActionParams, ...idngo.RequestOption) (*idngo.Action, error){
			s.client.CreateAction, s.client.EnsureAction,
		} {
			_, err := create(t.Context(), s.applicant, s.params("pay-1"))
			require.Equal(t, http.StatusBadRequest, statusOf(t, err))
		}
		require.Empty(t, s.Actions())
		params := s.params("pay-1")
		params.Extra = map[string]any{"note": "not empty"}
		_, err := s.client.EnsureAction(t.Context(), s.applicant, params)
		require.NoError(t, err)
	}},
	{id: "create-answer", quirk: "EmptyAnswers", check: func(t *testing.T, s *oddService) {
		action := s.create(t, "pay-1")
		require.Equal(t, s.Actions()[0].ID, action.ID)
	}},
	{id: "create-answer", quirk: "OKAnswers", check: func(t *testing.T, s *oddService) { s.create(t, "pay-1") }},
	{id: "duplicate-external-id", quirk: "ConflictOnDuplicate", check: ensuresOne},
	{id: "duplicate-external-id", quirk: "SameOnDuplicate", check: ensuresOne},
	{id: "list-envelope", quirk: "BareList", check: listsAll},
	{id: "list-total", quirk: "ListWithoutTotal", check: listsAll},
	{id: "list-total", quirk: "TotalOfPage", check: func(t *testing.T, s *oddService) {
		listsAll(t, s)
		first := s.create(t, "pay-1") // this action is on the last page, since the newest action is first
		for n := range 150 {
			s.create(t, fmt.Sprint("other-", n))
		}
		ensured, err := s.client.EnsureAction(t.Context(), s.applicant, s.params("pay-1"))
		require.NoError(t, err)
		require.Equal(t, first.ID, ensured.ID, "no second action")
	}},
	{id: "list-offset", quirk: "OffsetZero", check: listsAll},
	{id: "list-order", quirk: "OldestFirst", check: func(t *testing.T, s *oddService) {
		first := s.create(t, "pay-1")
		s.create(t, "pay-1")
		found, err := s.client.FindAction(t.Context(), s.applicant, "pay-1")
		require.NoError(t, err)
		require.Equal(t, first.ID, found.ID)
	}},
	{id: "list-external-ids", quirk: "ListWithoutExternalIDs", check: func(t *testing.T, s *oddService) {
		action := s.create(t, "pay-1")
		found, err := s.client.FindAction(t.Context(), s.applicant, "pay-1")
		require.NoError(t, err)
		require.Equal(t, action.ID, found.ID)
		ensuresOne(t, s)
	}},
	{id: "action-external-id", quirk: "WithoutExternalIDs", check: func(t *testing.T, s *oddService) {
		action := s.create(t, "pay-1")
		_, err := s.client.FindAction(t.Context(), s.applicant, "pay-1")
		require.Error(t, err)
		require.NotErrorIs(t, err, idngo.ErrNotFound)
		_, err = s.client.EnsureAction(t.Context(), s.applicant, s.params("pay-1"))
		require.Error(t, err)
		require.Len(t, s.Actions(), 1, "nothing was created for that")
		_, err = s.client.ConfirmAction(t.Context(), action.ID, idngo.ActionExpectation{ApplicantID: s.applicant, ExternalActionID: "pay-1"})
		require.ErrorIs(t, err, idngo.ErrActionMismatch)
		_, err = s.client.ConfirmAction(t.Context(), action.ID, idngo.ActionExpectation{ApplicantID: s.applicant})
		require.NoError(t, err)
	}},
	{id: "action-level", quirk: "WithoutLevels", check: func(t *testing.T, s *oddService) {
		action := s.create(t, "pay-1")
		params := s.params("pay-1")
		params.LevelName = simulator.LevelEmail
		ensured, err := s.client.EnsureAction(t.Context(), s.applicant, params)
		require.NoError(t, err)
		require.Equal(t, action.ID, ensured.ID)
		want := idngo.ActionExpectation{ApplicantID: s.applicant, LevelName: simulator.LevelFaceAuth}
		_, err = s.client.ConfirmAction(t.Context(), action.ID, want)
		require.ErrorIs(t, err, idngo.ErrActionMismatch)
	}},
	{id: "action-status", quirk: "WithoutStatus", check: func(t *testing.T, s *oddService) {
		action := s.create(t, "pay-1")
		require.NoError(t, s.Review(action.ID, simulator.Outcome{Answer: "GREEN"}))
		action, err := s.client.GetAction(t.Context(), action.ID)
		require.NoError(t, err)
		require.False(t, action.Completed())
		require.False(t, action.Approved())
		ctx, cancel := context.WithCancel(t.Context())
		polls := 0
		wait := idngo.WaitParams{MinInterval: time.Millisecond, MaxInterval: time.Millisecond, OnPoll: func(*idngo.Action) {
			if polls++; polls == 3 {
				cancel()
			}
		}}
		_, err = s.client.WaitForReview(ctx, action.ID, wait)
		require.ErrorIs(t, err, context.Canceled)
	}},
	{id: "action-result", quirk: "RootReviewResult", check: func(t *testing.T, s *oddService) {
		action, err := s.client.GetAction(t.Context(), s.submit(t).ID)
		require.NoError(t, err)
		require.True(t, action.Approved())
	}},
	{id: "action-dates", quirk: "ISODates", check: func(t *testing.T, s *oddService) {
		action, err := s.client.GetAction(t.Context(), s.create(t, "pay-1").ID)
		require.NoError(t, err)
		require.False(t, action.CreatedAt.Time.IsZero())
		require.False(t, action.Review.CreateDate.Time.IsZero())
	}},
	{id: "member-types", quirk: "OddTypes", check: func(t *testing.T, s *oddService) {
		action, err := s.client.GetAction(t.Context(), s.submit(t).ID)
		require.NoError(t, err)
		require.True(t, action.Approved())
		require.Empty(t, action.Checks)
	}},
	{id: "image-id-number", quirk: "StringImageIDs", check: func(t *testing.T, s *oddService) { downloads(t, s, nil) }},
	{id: "image-by-image-id", quirk: "ImagesByObjectID", check: func(t *testing.T, s *oddService) { downloads(t, s, idngo.ErrNotFound) }},
	{id: "image-preview", quirk: "RefusePreview", check: func(t *testing.T, s *oddService) {
		action := s.create(t, "pay-1")
		image, err := s.upload(t, action.ID, idngo.AddImageParams{})
		require.NoError(t, err)
		_, err = s.client.OpenImage(t.Context(), action.ID, image.ImageID, idngo.ImageParams{Preview: true})
		require.Equal(t, http.StatusBadRequest, statusOf(t, err))
		_, err = s.client.DownloadImage(t.Context(), action.ID, image.ResizedImageID, new(bytes.Buffer), idngo.ImageParams{})
		require.NoError(t, err)
	}},
	{id: "image-media-type", quirk: "OctetStreamImages", check: func(t *testing.T, s *oddService) {
		action := s.create(t, "pay-1")
		image, err := s.upload(t, action.ID, idngo.AddImageParams{})
		require.NoError(t, err)
		content, err := s.client.OpenImage(t.Context(), action.ID, image.ImageID, idngo.ImageParams{})
		require.NoError(t, err)
		require.Equal(t, "application/octet-stream", content.ContentType)
		require.NoError(t, content.Close())
	}},
	{id: "image-sub-type", quirk: "RefuseSubType", check: func(t *testing.T, s *oddService) {
		action := s.create(t, "pay-1")
		_, err := s.upload(t, action.ID, idngo.AddImageParams{IDDocSubType: idngo.IDDocSubTypeFrontSide})
		require.Equal(t, http.StatusBadRequest, statusOf(t, err))
		_, err = s.upload(t, action.ID, idngo.AddImageParams{})
		require.NoError(t, err)
	}},
	{id: "image-duplicate", quirk: "AcceptDuplicateImages", check: func(t *testing.T, s *oddService) {
		action := s.create(t, "pay-1")
		first, err := s.upload(t, action.ID, idngo.AddImageParams{})
		require.NoError(t, err)
		second, err := s.upload(t, action.ID, idngo.AddImageParams{})
		require.NoError(t, err)
		require.Equal(t, first.ImageHash, second.ImageHash)
	}},
	{
		id: "submit-answer", quirk: "EmptyAnswers",
		check: func(t *testing.T, s *oddService) { require.NotEmpty(t, s.submit(t).Review.ReviewStatus) },
	},
	{
		id: "submit-answer", quirk: "OKAnswers",
		check: func(t *testing.T, s *oddService) { require.NotEmpty(t, s.submit(t).Review.ReviewStatus) },
	},
	{id: "submit-again", quirk: "ConflictOnSubmit", check: func(t *testing.T, s *oddService) {
		_, err := s.client.SubmitAction(t.Context(), s.submit(t).ID)
		require.ErrorIs(t, err, idngo.ErrConflict)
		require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)
	}},
	{id: "token-answer", quirk: "TokenAlone", check: func(t *testing.T, s *oddService) {
		token, err := s.client.CreateAccessToken(t.Context(), idngo.AccessTokenParams{
			UserID: simulator.DefaultExternalUserID, ExternalActionID: "pay-1", LevelName: simulator.LevelFaceAuth,
		})
		require.NoError(t, err)
		require.Equal(t, simulator.DefaultExternalUserID, token.UserID)
		require.Equal(t, "pay-1", token.ExternalActionID)
	}},
	{id: "token-ttl", quirk: "RefuseTTL", check: func(t *testing.T, s *oddService) {
		_, err := s.client.CreateAccessToken(t.Context(), idngo.AccessTokenParams{
			UserID: simulator.DefaultExternalUserID, LevelName: simulator.LevelFaceAuth,
		})
		require.Equal(t, http.StatusBadRequest, statusOf(t, err))
		query := map[string][]string{"userId": {simulator.DefaultExternalUserID}, "levelName": {simulator.LevelFaceAuth}}
		require.NoError(t, s.client.Do(t.Context(), http.MethodPost, "/resources/accessTokens", query, nil, nil))
	}},
	{id: "link-locale", quirk: "RefuseLocale", check: func(t *testing.T, s *oddService) { links(t, s, idngo.WebSDKLinkParams{Locale: "kk"}) }},
	{id: "link-ttl", quirk: "RefuseTTL", check: func(t *testing.T, s *oddService) { links(t, s, idngo.WebSDKLinkParams{TTL: time.Minute}) }},
	{id: "error-body", quirk: "BareErrors", check: func(t *testing.T, s *oddService) {
		_, err := s.client.GetAction(t.Context(), "5e022e0f0a975a45325c7ff5")
		require.ErrorIs(t, err, idngo.ErrNotFound)
		require.Error(t, s.client.CheckCredentials(t.Context()))
		_, err = s.client.GetApplicant(t.Context(), s.applicant)
		require.NoError(t, err)
	}},
	{id: "error-unknown-action", quirk: "ForbidUnknownAction", check: func(t *testing.T, s *oddService) {
		_, err := s.client.GetAction(t.Context(), "5e022e0f0a975a45325c7ff5")
		require.NotErrorIs(t, err, idngo.ErrNotFound)
		require.Equal(t, http.StatusForbidden, statusOf(t, err))
		require.Error(t, s.client.CheckCredentials(t.Context()))
	}},
	{id: "error-unknown-level", quirk: "UnknownLevelIs400", check: func(t *testing.T, s *oddService) {
		params := s.params("pay-1")
		params.LevelName = "no such level"
		_, err := s.client.CreateAction(t.Context(), s.applicant, params)
		require.NotErrorIs(t, err, idngo.ErrNotFound)
		require.Equal(t, http.StatusBadRequest, statusOf(t, err))
	}},
	{id: "error-signature", quirk: "ErrorsWithoutCode", check: func(t *testing.T, _ *oddService) {
		var cfg simulator.Config
		require.NoError(t, cfg.Quirks.Set("ErrorsWithoutCode"))
		cfg.SecretKey = "another-key"
		err := newOddService(t, cfg).client.CheckCredentials(t.Context())
		require.ErrorIs(t, err, idngo.ErrSignatureMismatch)
		require.NoError(t, cfg.Quirks.Set("BareErrors"))
		err = newOddService(t, cfg).client.CheckCredentials(t.Context())
		require.ErrorIs(t, err, idngo.ErrUnauthorized)
		require.NotErrorIs(t, err, idngo.ErrSignatureMismatch)
	}},
	{id: "error-timestamp", quirk: "ErrorsWithoutCode", check: func(t *testing.T, _ *oddService) {
		var cfg simulator.Config
		require.NoError(t, cfg.Quirks.Set("ErrorsWithoutCode"))
		cfg.Clock = func() time.Time { return time.Now().Add(10 * time.Minute) }
		require.NoError(t, newOddService(t, cfg).client.CheckCredentials(t.Context()))
	}},
	{id: "accept-header", quirk: "StrictAccept", check: func(t *testing.T, s *oddService) {
		listsAll(t, s)
		s.submit(t)
		links(t, s, idngo.WebSDKLinkParams{})
	}},
	{id: "date-header", quirk: "NoDate", check: func(t *testing.T, s *oddService) {
		require.NoError(t, s.client.CheckCredentials(t.Context()))
		require.NoError(t, s.SetClock(func() time.Time { return time.Now().Add(10 * time.Minute) }))
		require.ErrorIs(t, s.client.CheckCredentials(t.Context()), idngo.ErrTimestampExpired)
	}},
}

func TestWrongAssumptions(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, c := range wrongAssumptions {
		tested[c.id] = true
		t.Run(c.id+"/"+c.quirk, func(t *testing.T) {
			t.Parallel()
			var cfg simulator.Config
			require.NoError(t, cfg.Quirks.Set(c.quirk))
			c.check(t, newOddService(t, cfg))
		})
	}
	for _, c := range wrongWebhooks {
		tested[c.id] = true
		t.Run(c.id+"/"+c.quirk, func(t *testing.T) {
			t.Parallel()
			deliveries := deliver(t, c.quirk, c.algorithm)
			c.check(t, deliveries[0], deliveries[1])
		})
	}
	for _, a := range readAssumptions(t) {
		assert.True(t, tested[a.ID], "no test shows what the client does when %s is wrong", a.ID)
	}
}

// ensuresOne checks that EnsureAction makes one action.
func ensuresOne(t *testing.T, s *oddService) {
	t.Helper()
	for range 2 {
		_, err := s.client.EnsureAction(t.Context(), s.applicant, s.params("pay-1"))
		require.NoError(t, err)
	}
	require.Len(t, s.Actions(), 1)
}

// listsAll checks that AllActions lists each action once.
func listsAll(t *testing.T, s *oddService) {
	t.Helper()
	want := map[string]bool{}
	for _, externalID := range []string{"pay-a", "pay-b", "pay-c"} {
		want[s.create(t, externalID).ID] = true
	}
	for action, err := range s.client.AllActions(t.Context(), s.applicant, idngo.ListActionsParams{Limit: 2}) {
		require.NoError(t, err)
		require.True(t, want[action.ID])
		delete(want, action.ID)
	}
	require.Empty(t, want)
}

// downloads checks that an image is found by its imageId. If want is an error, the image must be
// found by its id instead.
func downloads(t *testing.T, s *oddService, want error) {
	t.Helper()
	action := s.create(t, "pay-1")
	image, err := s.upload(t, action.ID, idngo.AddImageParams{})
	require.NoError(t, err)
	_, err = s.client.DownloadImage(t.Context(), action.ID, image.ImageID, new(bytes.Buffer), idngo.ImageParams{})
	require.ErrorIs(t, err, want)
	if want != nil {
		_, err = s.client.DownloadImage(t.Context(), action.ID, idngo.ImageID(image.ID), new(bytes.Buffer), idngo.ImageParams{})
		require.NoError(t, err)
	}
}

// links checks that the service refuses a link with the fields of p, and makes a link without them.
func links(t *testing.T, s *oddService, p idngo.WebSDKLinkParams) {
	t.Helper()
	refused := p != idngo.WebSDKLinkParams{}
	p.LevelName, p.ExternalUserID, p.ExternalActionID = simulator.LevelFaceAuth, simulator.DefaultExternalUserID, "pay-1"
	if refused {
		_, err := s.client.CreateWebSDKLink(t.Context(), p)
		require.Equal(t, http.StatusBadRequest, statusOf(t, err))
		p.Locale, p.TTL = "", 0
	}
	_, err := s.client.CreateWebSDKLink(t.Context(), p)
	require.NoError(t, err)
}

// delivered is the result of a receiver for one delivery.
type delivered struct {
	event *idngo.WebhookEvent
	err   error
}

// wrongWebhooks has the results of a verifier for two deliveries of one event.
var wrongWebhooks = []struct {
	id, quirk string
	algorithm idngo.DigestAlgorithm
	check     func(t *testing.T, first, again delivered)
}{
	{id: "webhook-digest", quirk: "UnsignedWebhooks", algorithm: idngo.HMACSHA256, check: func(t *testing.T, first, _ delivered) {
		require.ErrorIs(t, first.err, idngo.ErrWebhookSignature)
	}},
	{id: "webhook-algorithm", quirk: "WebhooksWithoutAlgorithm", algorithm: idngo.HMACSHA256, check: sameKey},
	{id: "webhook-algorithm", algorithm: idngo.HMACSHA1, check: func(t *testing.T, first, _ delivered) {
		require.ErrorIs(t, first.err, idngo.ErrWebhookAlgorithm)
	}},
	{id: "webhook-dates", quirk: "WebhookISODates", algorithm: idngo.HMACSHA256, check: func(t *testing.T, first, again delivered) {
		sameKey(t, first, again)
		require.False(t, first.event.CreatedAtMs.Time.IsZero())
	}},
	{id: "webhook-layout", quirk: "CompactWebhooks", algorithm: idngo.HMACSHA256, check: sameKey},
	{
		id: "webhook-redelivery-time", quirk: "RedeliveryNewTime", algorithm: idngo.HMACSHA256,
		check: func(t *testing.T, first, again delivered) {
			require.NoError(t, errors.Join(first.err, again.err))
			require.NotEqual(t, first.event.Key(), again.event.Key())
		},
	},
	{
		id: "webhook-redelivery-correlation", quirk: "RedeliveryNewCorrelation", algorithm: idngo.HMACSHA256,
		check: func(t *testing.T, first, again delivered) {
			require.NotEqual(t, first.event.CorrelationID, again.event.CorrelationID)
			sameKey(t, first, again)
		},
	},
}

// sameKey requires that both deliveries succeeded and that their events have one key.
func sameKey(t *testing.T, first, again delivered) {
	t.Helper()
	require.NoError(t, errors.Join(first.err, again.err))
	require.Equal(t, first.event.Key(), again.event.Key())
}

// deliver returns the results of two deliveries of the event applicantActionOnHold.
func deliver(t *testing.T, quirk string, algorithm idngo.DigestAlgorithm) []delivered {
	t.Helper()
	verifier, err := idngo.NewWebhookVerifier(simulator.DefaultWebhookSecret)
	require.NoError(t, err)
	var mu sync.Mutex
	var deliveries []delivered
	both := make(chan struct{})
	cfg := simulator.Config{WebhookAlgorithm: string(algorithm)}
	if quirk != "" {
		require.NoError(t, cfg.Quirks.Set(quirk))
	}
	cfg.WebhookHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		event, err := verifier.Parse(r)
		body, _ := io.ReadAll(r.Body) // Parse has left the body readable
		if held, _ := idngo.ParseWebhook(body); held != nil && held.Type == idngo.WebhookTypeApplicantActionOnHold && len(deliveries) < 2 {
			deliveries = append(deliveries, delivered{event, err})
			w.WriteHeader(http.StatusInternalServerError)
			if len(deliveries) == 2 {
				close(both)
			}
		}
	})
	service := newOddService(t, cfg)
	require.NoError(t, service.Review(service.create(t, "pay-1").ID, simulator.Outcome{OnHold: true}))
	select {
	case <-both:
	case <-t.Context().Done():
		t.Fatal("no second delivery")
	}
	mu.Lock()
	defer mu.Unlock()
	return deliveries
}
