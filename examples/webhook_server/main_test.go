package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/simulator"
)

// An event has its effect once, however often it arrives and in whatever order.
func TestEachEventOnce(t *testing.T) {
	t.Parallel()
	const secret = "of-the-webhook"
	events, deliveries, senders := 500, 10_000, 200
	if testing.Short() {
		events, deliveries = 100, 2_000
	}
	verifier, err := idngo.NewWebhookVerifier(secret)
	require.NoError(t, err)

	var mu sync.Mutex
	effects, failed := map[string]int{}, map[string]bool{}
	in := &inbox{act: func(_ context.Context, e *idngo.WebhookEvent) error {
		mu.Lock()
		defer mu.Unlock()
		if id := e.ApplicantActionID + string(e.Type); len(id)%2 == 0 && !failed[id] {
			failed[id] = true // some events fail the first time
			return errors.New("the database is away")
		}
		effects[e.ApplicantActionID+" "+string(e.Type)]++
		return nil
	}}
	receiver := httptest.NewServer(verifier.Handler(in.receive))
	t.Cleanup(receiver.Close)

	// Each event comes five times. The other deliveries are random, up to forty for an event.
	var queue []int
	for event := range events {
		for range 5 {
			queue = append(queue, event)
		}
	}
	for counts := map[int]int{}; len(queue) < deliveries; {
		if event := rand.IntN(events); counts[event] < 35 {
			counts[event]++
			queue = append(queue, event)
		}
	}
	rand.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })

	types := []idngo.WebhookType{
		idngo.WebhookTypeApplicantActionPending, idngo.WebhookTypeApplicantActionReviewed, idngo.WebhookTypeApplicantActionOnHold, "somethingNew",
	}
	transport := &http.Transport{MaxIdleConnsPerHost: senders}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	work := make(chan int)
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for event := range work {
				body := fmt.Appendf(nil, `{"type":%q,"applicantActionId":"action-%d","createdAtMs":"2026-02-21 13:23:%02d.987"}`,
					types[event%len(types)], event/len(types), event%60)
				// The service sends an event again until the answer is 200.
				for status := 0; status != http.StatusOK; {
					r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, receiver.URL, bytes.NewReader(body))
					if err != nil {
						t.Error(err)
						return
					}
					r.Header = idngo.SignWebhook(body, secret, idngo.HMACSHA256)
					response, err := client.Do(r)
					if err != nil {
						t.Error(err)
						return
					}
					status = response.StatusCode
					_ = response.Body.Close()
				}
			}
		})
	}
	for _, event := range queue {
		work <- event
	}
	close(work)
	wg.Wait()

	mu.Lock()
	defer mu.Unlock()
	require.Len(t, effects, events)
	for event, times := range effects {
		require.Equal(t, 1, times, event)
	}
	require.NotEmpty(t, failed)
}

// A second review of an action is another event. It pays nothing, and neither does a RED one.
func TestEachActionPaidOnce(t *testing.T) {
	t.Parallel()
	server, err := simulator.New(simulator.Config{ReviewDelay: simulator.NoReviewDelay})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	baseURL, err := server.Start("")
	require.NoError(t, err)
	credentials := idngo.Credentials{AppToken: simulator.DefaultAppToken, SecretKey: simulator.DefaultSecretKey}
	client, err := idngo.NewClient(credentials, idngo.WithBaseURL(baseURL))
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	action, err := client.CreateAction(t.Context(), simulator.DefaultApplicantID, idngo.CreateActionParams{
		LevelName: simulator.LevelFaceAuth, ExternalActionID: "pay-1",
	})
	require.NoError(t, err)

	asked := 0
	first := func(actionID string) bool {
		require.Equal(t, action.ID, actionID)
		asked++
		return asked == 1
	}
	in := &inbox{act: func(ctx context.Context, e *idngo.WebhookEvent) error { return decide(ctx, client, first, e) }}
	for second, review := range []struct {
		answer string
		asked  int // how often first was called
	}{{answer: "RED", asked: 0}, {answer: "GREEN", asked: 1}, {answer: "GREEN", asked: 2}} {
		require.NoError(t, server.Review(action.ID, simulator.Outcome{Answer: review.answer}))
		event, err := idngo.ParseWebhook(fmt.Appendf(nil, `{"type":"applicantActionReviewed","applicantId":%q,"applicantActionId":%q,
			"createdAtMs":"2026-02-21 13:23:%02d.987"}`, simulator.DefaultApplicantID, action.ID, second))
		require.NoError(t, err)
		for range 3 {
			require.NoError(t, in.receive(t.Context(), event))
		}
		require.Equal(t, review.asked, asked, review.answer)
	}
}

// A slow event delays only its own deliveries. An event whose effect panicked has its effect the
// next time.
func TestEventsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	slow, release := &idngo.WebhookEvent{Type: "slow"}, make(chan struct{})
	effects := make(chan idngo.WebhookType, 9)
	panicked := false
	in := &inbox{act: func(_ context.Context, e *idngo.WebhookEvent) error {
		switch {
		case e == slow:
			<-release
		case e.Type == "panics" && !panicked:
			panicked = true
			panic("the first time")
		}
		effects <- e.Type
		return nil
	}}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := in.receive(t.Context(), slow); err != nil {
				t.Error(err)
			}
		})
	}
	require.NoError(t, in.receive(t.Context(), &idngo.WebhookEvent{Type: "quick"}))
	require.Equal(t, idngo.WebhookType("quick"), <-effects)
	close(release)
	wg.Wait()
	require.Equal(t, idngo.WebhookType("slow"), <-effects)
	require.Panics(t, func() { _ = in.receive(t.Context(), &idngo.WebhookEvent{Type: "panics"}) })
	require.NoError(t, in.receive(t.Context(), &idngo.WebhookEvent{Type: "panics"}))
	require.Equal(t, idngo.WebhookType("panics"), <-effects)
	require.Empty(t, effects)
}
