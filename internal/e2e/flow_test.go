package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// Odd ids and levels are valid. The client escapes them once and signs the path that it sends. The
// simulator computes the signature from the raw request URI.
func TestOddIDs(t *testing.T) {
	t.Parallel()
	client, service := faultnet.StartSimulator(t, simulator.Config{AnyLevel: true})
	for _, id := range []string{
		"a/b", "a?b", "a#b", "a%b", "a%2Fb", "a;b", "a b", "уровень", "a+b&c=d", "...", "\u200b", "a\\b", "a\x00b", "%", "//",
	} {
		require.NoError(t, service.AddApplicant(id, "user "+id))
		action, err := client.EnsureAction(t.Context(), id, idngo.CreateActionParams{LevelName: "level " + id, ExternalActionID: "e" + id})
		require.NoError(t, err, "%q", id)
		page, err := client.ListActions(t.Context(), id, idngo.ListActionsParams{})
		require.NoError(t, err, "%q", id)
		require.Len(t, page.Items, 1)
		assert.Equal(t, action.ID, page.Items[0].ID)
		assert.Equal(t, "level "+id, page.Items[0].Review.LevelName)
		_, err = client.GetAction(t.Context(), id)
		require.ErrorIs(t, err, idngo.ErrNotFound, "%q", id)
		_, err = client.OpenImage(t.Context(), action.ID, idngo.ImageID(id), idngo.ImageParams{})
		require.ErrorIs(t, err, idngo.ErrNotFound, "%q", id)
		_, err = client.CreateAccessToken(
			t.Context(), idngo.AccessTokenParams{UserID: "user " + id, LevelName: "level " + id, ExternalActionID: id},
		)
		require.NoError(t, err, "%q", id)
		_, err = client.CreateWebSDKLink(t.Context(), idngo.WebSDKLinkParams{LevelName: id, ExternalUserID: "user " + id, ExternalActionID: id})
		require.NoError(t, err, "%q", id)
	}
	assert.Zero(t, service.Stats().RefusedSignatures)
}

// This test goes through a whole face authorization over real HTTP.
func TestFlow(t *testing.T) {
	t.Parallel()
	client, service := faultnet.StartSimulator(t, simulator.Config{ReviewDelay: 20 * time.Millisecond})
	ctx := t.Context()
	applicant := simulator.DefaultApplicantID
	action, err := client.CreateAction(ctx, applicant, idngo.CreateActionParams{LevelName: simulator.LevelFaceAuth, ExternalActionID: "e1"})
	require.NoError(t, err)
	assert.Equal(t, "e1", action.ExternalActionID)
	picture := strings.Repeat("picture", 1000)
	image, err := client.AddImage(
		ctx, action.ID,
		idngo.AddImageParams{IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageReader("я.jpg", strings.NewReader(picture))},
	)
	require.NoError(t, err)
	assert.Equal(t, "я.jpg", image.ImageFileName)
	_, err = client.SubmitAction(ctx, action.ID)
	require.NoError(t, err)
	polls := 0
	action, err = client.WaitForReview(
		ctx, action.ID, idngo.WaitParams{MinInterval: 5 * time.Millisecond, OnPoll: func(*idngo.Action) { polls++ }},
	)
	require.NoError(t, err)
	assert.True(t, action.Approved())
	assert.Positive(t, polls)
	require.Len(t, action.Checks, 2)
	assert.Equal(t, idngo.CheckTypeFaceLiveliness, action.Checks[0].CheckType)
	require.NotNil(t, action.Checks[0].LivenessInfo)
	var back strings.Builder
	n, err := client.DownloadImage(ctx, action.ID, image.ImageID, &back, idngo.ImageParams{})
	require.NoError(t, err)
	assert.Equal(t, int64(len(picture)), n)
	assert.Equal(t, picture, back.String())
	found, err := client.FindAction(ctx, applicant, "e1")
	require.NoError(t, err)
	assert.Equal(t, action.ID, found.ID)
	_, err = client.ConfirmAction(
		ctx, action.ID, idngo.ActionExpectation{ApplicantID: applicant, ExternalActionID: "e1", LevelName: simulator.LevelFaceAuth},
	)
	require.NoError(t, err)
	token, err := client.CreateAccessToken(
		ctx, idngo.AccessTokenParams{UserID: simulator.DefaultExternalUserID, LevelName: simulator.LevelFaceAuth, ExternalActionID: "e1"},
	)
	require.NoError(t, err)
	assert.NotEmpty(t, token.Token)
	link, err := client.CreateWebSDKLink(
		ctx, idngo.WebSDKLinkParams{ExternalUserID: simulator.DefaultExternalUserID, LevelName: simulator.LevelFaceAuth, ExternalActionID: "e1"},
	)
	require.NoError(t, err)
	assert.NotEmpty(t, link.URL)
	stats := service.Stats()
	assert.Zero(t, stats.RefusedSignatures+stats.RefusedTimestamps)
}
