package idngo_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

const simulatedApplicant = "5e5f9ab10a975a6e224dc286"

// newSimulator makes a simulator that is closed at the end of the test, and a client of it.
func newSimulator(t testing.TB, cfg idngo.SimulatorConfig, opts ...idngo.Option) (*idngo.Simulator, *idngo.Client) {
	t.Helper()
	sim, err := idngo.NewSimulator(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sim.Close()) })
	client, err := sim.Client(opts...)
	require.NoError(t, err)
	return sim, client
}

// createSimulated creates an action.
func createSimulated(t testing.TB, client *idngo.Client, externalID string) *idngo.Action {
	t.Helper()
	action, err := client.CreateAction(t.Context(), simulatedApplicant, idngo.CreateActionParams{
		LevelName: "face", ExternalActionID: externalID,
	})
	require.NoError(t, err)
	return action
}

// addSelfie uploads an image.
func addSelfie(t testing.TB, client *idngo.Client, actionID string) {
	t.Helper()
	_, err := client.AddImage(t.Context(), actionID, idngo.AddImageParams{
		Image: idngo.ImageBytes("selfie.jpg", []byte("face")), IDDocType: "SELFIE", Country: "KAZ",
	})
	require.NoError(t, err)
}

// authorizeFace goes through a face authorization with webhooks, up to a GREEN answer.
func authorizeFace(t testing.TB) {
	t.Helper()
	verifier, err := idngo.NewWebhookVerifier("webhook secret of mine")
	require.NoError(t, err)
	events := make(chan *idngo.WebhookEvent, 2)
	sim, client := newSimulator(t, idngo.SimulatorConfig{
		WebhookSecret: "webhook secret of mine",
		Webhooks: verifier.Handler(func(_ context.Context, event *idngo.WebhookEvent) error {
			events <- event
			return nil
		}),
	})
	action := createSimulated(t, client, "pay-1")
	addSelfie(t, client, action.ID)
	submitted, err := client.SubmitAction(t.Context(), action.ID)
	require.NoError(t, err)
	assert.Equal(t, idngo.ReviewStatusPending, submitted.Review.ReviewStatus)
	reviewed, err := client.GetAction(t.Context(), action.ID)
	require.NoError(t, err)
	assert.True(t, reviewed.Approved())
	assert.Equal(t, idngo.WebhookTypeApplicantActionPending, (<-events).Type)
	last := <-events
	assert.Equal(t, idngo.WebhookTypeApplicantActionReviewed, last.Type)
	assert.Equal(t, action.ID, last.ApplicantActionID)
	assert.Equal(t, 1, sim.Calls("CreateAction"))
}

func TestSimulator(t *testing.T) {
	t.Parallel()
	t.Run("from_create_to_webhook", func(t *testing.T) {
		t.Parallel()
		authorizeFace(t)
	})
	t.Run("inside_synctest", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { authorizeFace(t) })
	})
	t.Run("reviews_after_the_delay", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, client := newSimulator(t, idngo.SimulatorConfig{ReviewDelay: time.Minute})
			action := createSimulated(t, client, "pay-1")
			addSelfie(t, client, action.ID)
			_, err := client.SubmitAction(t.Context(), action.ID)
			require.NoError(t, err)
			begin := time.Now()
			reviewed, err := client.WaitForReview(t.Context(), action.ID, idngo.WaitParams{})
			require.NoError(t, err)
			assert.True(t, reviewed.Approved())
			assert.GreaterOrEqual(t, time.Since(begin), time.Minute)
		})
	})
	t.Run("many_at_once", func(t *testing.T) {
		t.Parallel()
		n := faultnet.Count(1000, 200, 50)
		var group sync.WaitGroup
		for range n {
			group.Go(func() { authorizeFace(t) })
		}
		group.Wait()
	})
	t.Run("over_a_port_of_your_own", func(t *testing.T) {
		t.Parallel()
		sim, err := idngo.NewSimulator(idngo.SimulatorConfig{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, sim.Close()) })
		server := httptest.NewServer(sim)
		t.Cleanup(server.Close)
		client, err := sim.Client(idngo.WithBaseURL(server.URL))
		require.NoError(t, err)
		link, err := client.CreateWebSDKLink(t.Context(), idngo.WebSDKLinkParams{
			LevelName: "face", ExternalUserID: "alice", ExternalActionID: "pay-1",
		})
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(link.URL, server.URL), "the link leads there")
	})
}

func TestSimulatorOutcomes(t *testing.T) {
	t.Parallel()
	red := idngo.ReviewResult{
		ReviewAnswer: idngo.ReviewAnswerRed, ReviewRejectType: idngo.RejectTypeFinal, ModerationComment: "no",
		RejectLabels: []idngo.RejectLabel{idngo.RejectLabelForgery},
	}
	// review submits an action and returns the action in the answer.
	review := func(t *testing.T, client *idngo.Client, externalID string) *idngo.Action {
		t.Helper()
		action := createSimulated(t, client, externalID)
		addSelfie(t, client, action.ID)
		_, err := client.SubmitAction(t.Context(), action.ID)
		require.NoError(t, err)
		action, err = client.GetAction(t.Context(), action.ID)
		require.NoError(t, err)
		return action
	}
	t.Run("of_the_config", func(t *testing.T) {
		t.Parallel()
		sim, client := newSimulator(t, idngo.SimulatorConfig{Outcome: red})
		assert.Equal(t, red, review(t, client, "a").Review.ReviewResult)
		sim.SetOutcome(idngo.ReviewResult{})
		assert.True(t, review(t, client, "b").Approved())
	})
	t.Run("of_the_external_id", func(t *testing.T) {
		t.Parallel()
		_, client := newSimulator(t, idngo.SimulatorConfig{})
		assert.Equal(t, []idngo.RejectLabel{idngo.RejectLabelForgery}, review(t, client, "a#RED:FORGERY").Review.ReviewResult.RejectLabels)
		assert.Equal(t, idngo.ReviewStatusOnHold, review(t, client, "a#onHold").Review.ReviewStatus)
	})
	t.Run("of_a_person", func(t *testing.T) {
		t.Parallel()
		sim, client := newSimulator(t, idngo.SimulatorConfig{ManualReview: true})
		action := review(t, client, "a")
		assert.Equal(t, idngo.ReviewStatusPending, action.Review.ReviewStatus)
		require.NoError(t, sim.Hold(action.ID))
		assert.Equal(t, idngo.ReviewStatusOnHold, sim.Actions(simulatedApplicant)[0].Review.ReviewStatus)
		require.NoError(t, sim.Review(action.ID, red))
		assert.Equal(t, red, sim.Actions(simulatedApplicant)[0].Review.ReviewResult)
	})
	t.Run("of_a_face_authorization_without_an_image", func(t *testing.T) {
		t.Parallel()
		_, client := newSimulator(t, idngo.SimulatorConfig{})
		action := createSimulated(t, client, "a")
		_, err := client.SubmitAction(t.Context(), action.ID)
		require.NoError(t, err)
		action, err = client.GetAction(t.Context(), action.ID)
		require.NoError(t, err)
		assert.Equal(t, idngo.ReviewAnswerError, action.Review.ReviewResult.ReviewAnswer)
	})
	t.Run("of_the_app", func(t *testing.T) {
		t.Parallel()
		sim, client := newSimulator(t, idngo.SimulatorConfig{})
		token, err := client.CreateAccessToken(t.Context(), idngo.AccessTokenParams{
			UserID: "alice", LevelName: "face", ExternalActionID: "login-1",
		})
		require.NoError(t, err)
		require.NoError(t, sim.CompleteWithToken(token.Token))
		require.ErrorIs(t, sim.CompleteWithToken("_act-other"), idngo.ErrInvalidArgument)
		alice, err := client.FindApplicant(t.Context(), "alice")
		require.NoError(t, err)
		actions := sim.Actions(alice.ID)
		require.Len(t, actions, 1)
		assert.Equal(t, "login-1", actions[0].ExternalActionID)
		assert.True(t, actions[0].Approved())
		assert.Len(t, actions[0].Images, 1)
	})
}

// The answer of a create is lost. EnsureAction finds the action that was made.
func TestSimulatorLostAnswer(t *testing.T) {
	t.Parallel()
	sim, client := newSimulator(t, idngo.SimulatorConfig{})
	require.NoError(t, sim.SetFaults("reset-after@CreateAction#1"))
	action, err := client.EnsureAction(t.Context(), simulatedApplicant, idngo.CreateActionParams{
		LevelName: "face", ExternalActionID: "pay-1",
	})
	require.NoError(t, err)
	actions := sim.Actions(simulatedApplicant)
	require.Len(t, actions, 1)
	assert.Equal(t, actions[0].ID, action.ID)
	assert.Equal(t, 1, sim.Calls("CreateAction"))
}

func TestSimulatorFaults(t *testing.T) {
	t.Parallel()
	once := faultnet.OneAttempt()
	sim, client := newSimulator(t, idngo.SimulatorConfig{Faults: "429:2@GetAction#1,503@GetAction=1"}, once)
	action := createSimulated(t, client, "a")
	get := func() error {
		_, err := client.GetAction(t.Context(), action.ID)
		return err
	}
	require.ErrorIs(t, get(), idngo.ErrRateLimited)
	require.ErrorIs(t, get(), idngo.ErrServer)
	require.NoError(t, sim.SetFaults(""))
	require.NoError(t, get())
	assert.Equal(t, 3, sim.Calls("GetAction"))
	assert.Zero(t, sim.Calls("ListActions"))
	assert.ErrorContains(t, sim.SetFaults("flood#1"), "reset-after", "it names the kinds that there are")
}

func TestSimulatorApplicants(t *testing.T) {
	t.Parallel()
	sim, client := newSimulator(t, idngo.SimulatorConfig{KnownOnly: true})
	for _, id := range []string{"a1", "63e096c51b6b4030f2e01154"} {
		_, err := client.GetApplicant(t.Context(), id)
		require.ErrorIs(t, err, idngo.ErrNotFound, id)
	}
	for _, user := range []string{"alice", "JamesBond007"} {
		_, err := client.FindApplicant(t.Context(), user)
		require.ErrorIs(t, err, idngo.ErrNotFound, user)
	}
	added := idngo.Applicant{ID: "a1", ExternalUserID: "alice", Email: "alice@example.com", Lang: "kk"}
	require.NoError(t, sim.AddApplicant(added))
	byID, err := client.GetApplicant(t.Context(), "a1")
	require.NoError(t, err)
	byUser, err := client.FindApplicant(t.Context(), "alice")
	require.NoError(t, err)
	assert.Equal(t, byID, byUser)
	assert.Equal(t, added.Email, byID.Email)
	assert.Equal(t, added.Lang, byID.Lang)
	assert.True(t, byID.Approved())
	assert.False(t, byID.CreatedAt.IsZero())

	added.Review.ReviewResult.ReviewAnswer = idngo.ReviewAnswerRed
	require.NoError(t, sim.AddApplicant(added))
	byID, err = client.GetApplicant(t.Context(), "a1")
	require.NoError(t, err)
	assert.True(t, byID.Completed())
	assert.False(t, byID.Approved())

	params := idngo.CreateActionParams{LevelName: "my level", ExternalActionID: "a"}
	_, err = client.CreateAction(t.Context(), "a1", params)
	require.ErrorIs(t, err, idngo.ErrNotFound)
	require.NoError(t, sim.AddLevel("my level", idngo.ActionTypePaymentMethod))
	action, err := client.CreateAction(t.Context(), "a1", params)
	require.NoError(t, err)
	assert.Equal(t, idngo.ActionTypePaymentMethod, action.Type)
	assert.Len(t, sim.Actions("a1"), 1)
	assert.Equal(t, 4, sim.Calls("GetApplicant"))
	assert.Equal(t, 3, sim.Calls("FindApplicant"))
	assert.Empty(t, sim.Actions("a2"))
	assert.Empty(t, sim.Actions(""))
}

func TestSimulatorCredentials(t *testing.T) {
	t.Parallel()
	sim, client := newSimulator(t, idngo.SimulatorConfig{})
	require.NoError(t, client.CheckCredentials(t.Context()))
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	creds := sim.Credentials()
	creds.SecretKey = "another secret key"
	other, err := idngo.NewClient(creds, idngo.WithBaseURL(server.URL))
	require.NoError(t, err)
	require.ErrorIs(t, other.CheckCredentials(t.Context()), idngo.ErrSignatureMismatch)
	assert.Equal(t, 2, sim.Calls("GetAction"))
}

func TestSimulatorClock(t *testing.T) {
	t.Parallel()
	past := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sim, client := newSimulator(t, idngo.SimulatorConfig{Clock: func() time.Time { return past }})
	action := createSimulated(t, client, "a")
	assert.Equal(t, past, action.CreatedAt.Time)
	assert.Equal(t, 2, sim.Calls("CreateAction"), "the client has corrected its clock")
}

func TestSimulatorArguments(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]idngo.SimulatorConfig{
		"negative delay": {ReviewDelay: -1},
		"faults":         {Faults: "429"},
		"chances":        {Faults: "429=0.9,503=0.9"},
		"outcome":        {Outcome: idngo.ReviewResult{ReviewAnswer: "PURPLE"}},
		"secret":         {WebhookSecret: " "},
	} {
		sim, err := idngo.NewSimulator(cfg)
		require.ErrorIs(t, err, idngo.ErrInvalidArgument, name)
		require.NotContains(t, err.Error(), "\n")
		assert.Nil(t, sim)
	}
	sim, _ := newSimulator(t, idngo.SimulatorConfig{})
	_, err := sim.Client(nil)
	require.ErrorIs(t, err, idngo.ErrInvalidArgument)
	for name, err := range map[string]error{
		"applicant":         sim.AddApplicant(idngo.Applicant{}),
		"applicant's id":    sim.AddApplicant(idngo.Applicant{ExternalUserID: "alice"}),
		"level":             sim.AddLevel("", idngo.ActionTypeSelfieAuth),
		"level's kind":      sim.AddLevel("level", ""),
		"action":            sim.Review("", idngo.ReviewResult{}),
		"unknown action":    sim.Review("x", idngo.ReviewResult{}),
		"action to hold":    sim.Hold(""),
		"unknown to hold":   sim.Hold("x"),
		"unknown answer":    sim.Review("x", idngo.ReviewResult{ReviewAnswer: "green"}),
		"token":             sim.CompleteWithToken(""),
		"faults":            sim.SetFaults("429@Dance#1"),
		"chances above one": sim.SetFaults("429=0.9,503=0.9"),
	} {
		require.ErrorIs(t, err, idngo.ErrInvalidArgument, name)
	}
	for name, applicant := range map[string]idngo.Applicant{
		"an id that is not UTF-8":     {ID: "\xff"},
		"a user id that is not UTF-8": {ID: "a", ExternalUserID: "\xff"},
		"an id that is too long":      {ID: strings.Repeat("x", 5000)},
		"the user id of another one":  {ID: "two", ExternalUserID: "JamesBond007"},
		"a user id that is too long":  {ID: "a", ExternalUserID: strings.Repeat("x", 5000)},
	} {
		require.ErrorIs(t, sim.AddApplicant(applicant), idngo.ErrInvalidArgument, name)
	}
	sim.SetOutcome(idngo.ReviewResult{ReviewAnswer: "PURPLE"}) // changes nothing
}

// The client of a caller's own HTTP client would dial the real port 80 of this machine, so it needs
// a base URL.
func TestSimulatorClientNeedsTheBaseURL(t *testing.T) {
	t.Parallel()
	sim, _ := newSimulator(t, idngo.SimulatorConfig{})
	client, err := sim.Client(idngo.WithHTTPClient(&http.Client{}))
	require.ErrorIs(t, err, idngo.ErrInvalidArgument)
	assert.Nil(t, client)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	client, err = sim.Client(idngo.WithHTTPClient(server.Client()), idngo.WithBaseURL(server.URL))
	require.NoError(t, err)
	require.NoError(t, client.CheckCredentials(t.Context()))
}

func TestSimulatorClose(t *testing.T) {
	t.Parallel()
	t.Run("of_a_zero_simulator", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, new(idngo.Simulator).Close())
	})
	t.Run("ends_what_is_under_way", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			sim, client := newSimulator(t, idngo.SimulatorConfig{
				ReviewDelay: time.Hour, Faults: "slow:1h@ListActions#1",
				Webhooks: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
			}, faultnet.OneAttempt())
			action := createSimulated(t, client, "a")
			_, err := client.SubmitAction(t.Context(), action.ID)
			require.NoError(t, err)
			failed := make(chan error)
			go func() {
				_, err := client.ListActions(t.Context(), simulatedApplicant, idngo.ListActionsParams{})
				failed <- err
			}()
			synctest.Wait()
			begin := time.Now()
			require.NoError(t, sim.Close())
			require.Error(t, <-failed)
			require.NoError(t, sim.Close())
			assert.Zero(t, time.Since(begin))
			_, err = client.GetAction(t.Context(), action.ID)
			require.Error(t, err)
		})
	})
	t.Run("leaves_no_goroutine", func(t *testing.T) { //nolint:paralleltest // others would be counted
		synctest.Test(t, func(t *testing.T) {
			sim, err := idngo.NewSimulator(idngo.SimulatorConfig{Webhooks: http.NotFoundHandler()})
			require.NoError(t, err)
			client, err := sim.Client()
			require.NoError(t, err)
			action := createSimulated(t, client, "a")
			_, err = client.SubmitAction(t.Context(), action.ID)
			require.NoError(t, err)
			synctest.Wait()
			require.NoError(t, sim.Close())
			synctest.Wait() // the goroutines of net/http end a moment later
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			for stack := range strings.SplitSeq(string(stacks), "\n\n") {
				first, _, _ := strings.Cut(stack, "\n")
				own := strings.Contains(stack, "TestSimulatorClose") || strings.Contains(stack, "testing/synctest.Test")
				if strings.Contains(first, "synctest bubble") && !own {
					t.Errorf("a goroutine is left: %s", stack)
				}
			}
		})
	})
}

// A printed simulator shows no secret.
func TestSimulatorIsPrinted(t *testing.T) {
	t.Parallel()
	sim, _ := newSimulator(t, idngo.SimulatorConfig{WebhookSecret: "webhook secret of mine"})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		printed := fmt.Sprintf(verb, sim)
		assert.NotContains(t, printed, "secret of mine")
		assert.NotContains(t, printed, string(sim.Credentials().SecretKey))
	}
	assert.Equal(t, idngo.Secret("webhook secret of mine"), sim.WebhookSecret())
}
