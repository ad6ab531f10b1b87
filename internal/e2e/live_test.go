//go:build live

package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"image"
	"image/jpeg"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
)

// TestLive takes an action in an account of the service from creation to submit. It
// leaves one action behind, with an external id that begins with idngo-live-. It is
// built with -tags live only, and skipped without credentials:
//
//	IDNGO_APP_TOKEN=sbx:… IDNGO_SECRET_KEY=… IDNGO_USER_ID=… IDNGO_LEVEL=… \
//		go test -count=1 -tags live ./internal/e2e -run TestLive
func TestLive(t *testing.T) {
	account := liveAccount(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	client, err := idngo.NewClientFromEnv()
	require.NoError(t, err)
	require.NoError(t, client.CheckCredentials(ctx))

	applicant, err := client.FindApplicant(ctx, account.userID)
	require.NoError(t, err)
	require.NotEmpty(t, applicant.ID)
	require.True(t, applicant.Approved(), "IDNGO_USER_ID must be an approved user")
	same, err := client.GetApplicant(ctx, applicant.ID)
	require.NoError(t, err)
	assert.Equal(t, applicant.ID, same.ID)

	externalID := "idngo-live-" + strings.ToLower(rand.Text()[:12])
	t.Logf("creates an action with the external id %s, which stays", externalID)
	params := idngo.CreateActionParams{LevelName: account.level, ExternalActionID: externalID}
	action, err := client.EnsureAction(ctx, applicant.ID, params)
	require.NoError(t, err)
	require.NotEmpty(t, action.ID)
	again, err := client.EnsureAction(ctx, applicant.ID, params)
	require.NoError(t, err)
	assert.Equal(t, action.ID, again.ID, "EnsureAction returns the one that exists")

	liveLists(ctx, t, client, applicant.ID, action.ID, externalID)
	liveImage(ctx, t, client, action.ID)
	liveTokens(ctx, t, client, account, externalID)

	submitted, err := client.SubmitAction(ctx, action.ID)
	require.NoError(t, err)
	assert.NotEqual(t, idngo.ReviewStatusInit, submitted.Review.ReviewStatus)
	confirmed, err := client.ConfirmAction(ctx, action.ID, idngo.ActionExpectation{ApplicantID: applicant.ID})
	require.NoError(t, err)
	assert.NotEqual(t, idngo.ReviewStatusInit, confirmed.Review.ReviewStatus)
	assert.NotEmpty(t, confirmed.Review.ReviewStatus)
}

// live is the account of TestLive.
type live struct{ userID, level string }

// liveAccount skips the test without an account, and in production without consent.
func liveAccount(t *testing.T) live {
	t.Helper()
	account := live{userID: os.Getenv("IDNGO_USER_ID"), level: os.Getenv("IDNGO_LEVEL")}
	token := os.Getenv("IDNGO_APP_TOKEN")
	for _, name := range []string{"IDNGO_APP_TOKEN", "IDNGO_SECRET_KEY", "IDNGO_USER_ID", "IDNGO_LEVEL"} {
		if os.Getenv(name) == "" {
			t.Skipf("needs an account of the service: %s is not set", name)
		}
	}
	if !strings.HasPrefix(token, "sbx:") && !strings.HasPrefix(token, "tst:") && os.Getenv("IDNGO_LIVE_PRODUCTION") != "1" {
		t.Skip("the app token is of a production account, and IDNGO_LIVE_PRODUCTION is not 1")
	}
	return account
}

func liveLists(ctx context.Context, t *testing.T, client *idngo.Client, applicantID, actionID, externalID string) {
	t.Helper()
	page, err := client.ListActions(ctx, applicantID, idngo.ListActionsParams{Limit: 10})
	require.NoError(t, err)
	require.NotEmpty(t, page.Items)
	assert.Equal(t, actionID, page.Items[0].ID, "newest first")
	assert.GreaterOrEqual(t, page.TotalItems, len(page.Items))
	found, err := client.FindAction(ctx, applicantID, externalID)
	require.NoError(t, err)
	assert.Equal(t, actionID, found.ID)
	_, err = client.FindAction(ctx, applicantID, externalID+"-not")
	require.ErrorIs(t, err, idngo.ErrNotFound)
	_, err = client.GetAction(ctx, "000000000000000000000000")
	require.ErrorIs(t, err, idngo.ErrNotFound)
}

func liveImage(ctx context.Context, t *testing.T, client *idngo.Client, actionID string) {
	t.Helper()
	var drawn bytes.Buffer
	require.NoError(t, jpeg.Encode(&drawn, image.NewGray(image.Rect(0, 0, 480, 640)), nil))
	upload := idngo.AddImageParams{IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes("live.jpg", drawn.Bytes())}
	uploaded, err := client.AddImage(ctx, actionID, upload)
	require.NoError(t, err)
	require.NotEmpty(t, uploaded.ImageID)
	content, err := client.OpenImage(ctx, actionID, uploaded.ImageID, idngo.ImageParams{})
	require.NoError(t, err)
	assert.Equal(t, "image/jpeg", content.ContentType)
	require.NoError(t, content.Close())
	var preview bytes.Buffer
	_, err = client.DownloadImage(ctx, actionID, uploaded.ImageID, &preview, idngo.ImageParams{Preview: true})
	require.NoError(t, err)
	assert.NotZero(t, preview.Len())
}

func liveTokens(ctx context.Context, t *testing.T, client *idngo.Client, account live, externalID string) {
	t.Helper()
	token, err := client.CreateAccessToken(ctx, idngo.AccessTokenParams{
		UserID: account.userID, ExternalActionID: externalID, LevelName: account.level, TTL: time.Minute,
	})
	require.NoError(t, err)
	assert.NotEmpty(t, token.Token)
	link, err := client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{
		LevelName: account.level, ExternalUserID: account.userID, ExternalActionID: externalID,
		Locale: "en", TTL: time.Minute,
	})
	require.NoError(t, err)
	assert.NotEmpty(t, link.URL)
}
