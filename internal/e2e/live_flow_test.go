package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"image"
	"image/jpeg"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/simulator"
)

// liveAccount is an account for TestLive, which is built only with -tags live.
type liveAccount struct {
	userID, level string
	credentials   idngo.Credentials
	baseURL       string
	options       []idngo.Option // the options of all clients
}

// newClient returns a client of the account.
func (a liveAccount) newClient(opts ...idngo.Option) (*idngo.Client, error) {
	return idngo.NewClient(a.credentials, slices.Concat([]idngo.Option{idngo.WithBaseURL(a.baseURL)}, a.options, opts)...)
}

// The live test passes in a simulator, so if it fails, the service differs.
func TestLiveInSimulator(t *testing.T) {
	t.Parallel()
	server, err := simulator.New(simulator.Config{KnownOnly: true, ReviewDelay: simulator.NoReviewDelay})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	account := liveAccount{
		options: []idngo.Option{idngo.WithHTTPClient(&http.Client{Transport: transport})},
		userID:  simulator.DefaultExternalUserID, level: simulator.LevelFaceAuth,
		credentials: idngo.Credentials{AppToken: simulator.DefaultAppToken, SecretKey: simulator.DefaultSecretKey},
	}
	account.baseURL, err = server.Start("")
	require.NoError(t, err)
	client, err := account.newClient()
	require.NoError(t, err)
	account.test(t, client)
	require.Len(t, server.Actions(), 2)
}

// test goes through an action from creation to submit.
func (a liveAccount) test(t *testing.T, client *idngo.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, client.CheckCredentials(ctx))
	a.testRefusals(ctx, t)

	applicant, err := client.FindApplicant(ctx, a.userID)
	require.NoError(t, err)
	require.NotEmpty(t, applicant.ID)
	require.True(t, applicant.Approved(), "the user must be approved")
	same, err := client.GetApplicant(ctx, applicant.ID)
	require.NoError(t, err)
	assert.Equal(t, applicant.ID, same.ID)

	externalID := "idngo-live-" + strings.ToLower(rand.Text()[:12])
	t.Logf("creates an action with the external id %s, and asks for it again, which may create a second; they stay", externalID)
	params := idngo.CreateActionParams{LevelName: a.level, ExternalActionID: externalID}
	action, err := client.EnsureAction(ctx, applicant.ID, params)
	require.NoError(t, err)
	require.NotEmpty(t, action.ID)
	again, err := client.EnsureAction(ctx, applicant.ID, params)
	require.NoError(t, err)
	assert.Equal(t, action.ID, again.ID, "EnsureAction returns the one that exists")

	testLiveLists(ctx, t, client, applicant.ID, action.ID, externalID)
	testLiveImage(ctx, t, client, action.ID)
	a.testTokens(ctx, t, client, externalID)
	testLiveDuplicate(ctx, t, client, applicant.ID, params)

	submitted, err := client.SubmitAction(ctx, action.ID)
	require.NoError(t, err)
	assert.NotEqual(t, idngo.ReviewStatusInit, submitted.Review.ReviewStatus)
	if _, err = client.SubmitAction(ctx, action.ID); err != nil {
		require.ErrorIs(t, err, idngo.ErrConflict, "a second submit")
	}
	confirmed, err := client.ConfirmAction(ctx, action.ID, idngo.ActionExpectation{ApplicantID: applicant.ID})
	require.NoError(t, err)
	assert.NotEqual(t, idngo.ReviewStatusInit, confirmed.Review.ReviewStatus)
	assert.NotEmpty(t, confirmed.Review.ReviewStatus)
}

// testRefusals checks that a wrong key is refused and that a wrong clock is corrected.
func (a liveAccount) testRefusals(ctx context.Context, t *testing.T) {
	t.Helper()
	wrongKey := a
	wrongKey.credentials.SecretKey = "idngo-live-wrong-key"
	client, err := wrongKey.newClient()
	require.NoError(t, err)
	require.ErrorIs(t, client.CheckCredentials(ctx), idngo.ErrSignatureMismatch)
	client, err = a.newClient(idngo.WithClock(func() time.Time { return time.Now().Add(-time.Hour) }))
	require.NoError(t, err)
	require.NoError(t, client.CheckCredentials(ctx), "the clock is corrected")
	client, err = a.newClient()
	require.NoError(t, err)
	_, err = client.CreateAccessToken(ctx, idngo.AccessTokenParams{UserID: a.userID, LevelName: "idngo-live-no-such-level", TTL: time.Minute})
	require.ErrorIs(t, err, idngo.ErrNotFound)
}

// testLiveLists finds the action in the list and by its external id, and finds no other action.
func testLiveLists(ctx context.Context, t *testing.T, client *idngo.Client, applicantID, actionID, externalID string) {
	t.Helper()
	page, err := client.ListActions(ctx, applicantID, idngo.ListActionsParams{Limit: 10})
	require.NoError(t, err)
	require.NotEmpty(t, page.Items)
	assert.Equal(t, actionID, page.Items[0].ID, "newest first")
	assert.GreaterOrEqual(t, page.TotalItems, len(page.Items))
	var rest idngo.ActionPage // the list from an offset that the service chooses
	path := "/resources/applicantActions/-;applicantId=" + url.PathEscape(applicantID)
	require.NoError(t, client.Do(ctx, http.MethodGet, path, url.Values{"limit": {"1"}, "order": {"-createdAt"}}, nil, &rest))
	assert.LessOrEqual(t, len(rest.Items), 1)
	found, err := client.FindAction(ctx, applicantID, externalID)
	require.NoError(t, err)
	assert.Equal(t, actionID, found.ID)
	_, err = client.FindAction(ctx, applicantID, externalID+"-not")
	require.ErrorIs(t, err, idngo.ErrNotFound)
	_, err = client.GetAction(ctx, "000000000000000000000000")
	require.ErrorIs(t, err, idngo.ErrNotFound)
}

// testLiveDuplicate creates a second action with the external id of an existing action.
func testLiveDuplicate(ctx context.Context, t *testing.T, client *idngo.Client, applicantID string, params idngo.CreateActionParams) {
	t.Helper()
	if _, err := client.CreateAction(ctx, applicantID, params); err != nil {
		var refusal *idngo.APIError
		require.ErrorAs(t, err, &refusal, "a second action with the external id is made or refused")
	}
	found, err := client.FindAction(ctx, applicantID, params.ExternalActionID)
	require.NoError(t, err)
	assert.Equal(t, params.ExternalActionID, found.ExternalActionID)
}

// testLiveImage uploads an image, opens it and downloads its preview.
func testLiveImage(ctx context.Context, t *testing.T, client *idngo.Client, actionID string) {
	t.Helper()
	var drawn bytes.Buffer
	require.NoError(t, jpeg.Encode(&drawn, image.NewGray(image.Rect(0, 0, 480, 640)), nil))
	upload := idngo.AddImageParams{IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes("live.jpg", drawn.Bytes())}
	uploaded, err := client.AddImage(ctx, actionID, upload)
	require.NoError(t, err)
	require.NotEmpty(t, uploaded.ImageID)
	if _, err = client.AddImage(ctx, actionID, upload); err != nil {
		require.ErrorIs(t, err, idngo.ErrDuplicateImage, "the same image again")
	}
	content, err := client.OpenImage(ctx, actionID, uploaded.ImageID, idngo.ImageParams{})
	require.NoError(t, err)
	assert.Equal(t, "image/jpeg", content.ContentType)
	require.NoError(t, content.Close())
	var preview bytes.Buffer
	_, err = client.DownloadImage(ctx, actionID, uploaded.ImageID, &preview, idngo.ImageParams{Preview: true})
	require.NoError(t, err)
	assert.NotZero(t, preview.Len())
}

// testTokens creates an access token and a link to the web SDK.
func (a liveAccount) testTokens(ctx context.Context, t *testing.T, client *idngo.Client, externalID string) {
	t.Helper()
	token, err := client.CreateAccessToken(ctx, idngo.AccessTokenParams{
		UserID: a.userID, ExternalActionID: externalID, LevelName: a.level, TTL: time.Minute,
	})
	require.NoError(t, err)
	assert.NotEmpty(t, token.Token)
	link, err := client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{
		LevelName: a.level, ExternalUserID: a.userID, ExternalActionID: externalID,
		Locale: "en", TTL: time.Minute,
	})
	require.NoError(t, err)
	assert.NotEmpty(t, link.URL)
}
