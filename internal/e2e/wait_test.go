package e2e_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// respondReview returns a function that answers with an action. Its review has a status and an
// answer.
func respondReview(status, answer string) func(http.ResponseWriter) {
	return faultnet.WriteText(fmt.Sprintf(`{"id":"5e02f6b1","review":{"reviewStatus":%q,"reviewResult":{"reviewAnswer":%q}}}`, status, answer))
}

// WaitForReview polls at once and then after 1 s. The interval grows by half each time, up to 15 s.
// Each interval is up to a tenth longer or shorter.
func TestWaitForReviewIntervals(t *testing.T) {
	tests := map[string]struct {
		params idngo.WaitParams
		want   []float64 // seconds
	}{
		"default": {want: []float64{1, 1.5, 2.25, 3.375, 5.0625, 7.59375, 11.390625, 15, 15, 15}},
		"own": {
			params: idngo.WaitParams{MinInterval: 10 * time.Second, MaxInterval: 20 * time.Second}, want: []float64{10, 15, 20, 20},
		},
		"min above default": {params: idngo.WaitParams{MinInterval: time.Minute}, want: []float64{60, 60, 60}},
		"max below default": {params: idngo.WaitParams{MaxInterval: 100 * time.Millisecond}, want: []float64{0.1, 0.1, 0.1}},
		"max alone":         {params: idngo.WaitParams{MaxInterval: 2 * time.Second}, want: []float64{1, 1.5, 2, 2}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				polls := 0
				network.OnRequest = func(number int, w http.ResponseWriter, _ *http.Request) bool {
					if number == len(tt.want)+1 {
						respondReview("completed", "GREEN")(w)
					} else {
						respondReview("pending", "")(w)
					}
					return true
				}
				tt.params.OnPoll = func(a *idngo.Action) {
					polls++
					assert.Equal(t, polls > len(tt.want), a.Completed())
				}
				begin := time.Now()
				action, err := network.Client().WaitForReview(t.Context(), "5e02f6b1", tt.params)
				require.NoError(t, err)
				assert.True(t, action.Approved())
				assert.Equal(t, len(tt.want)+1, polls)
				assert.Equal(t, begin, network.Seen()[0].At, "the first poll is at once")
				exact := 0
				for i, gap := range network.Gaps() {
					assert.InDelta(t, tt.want[i], gap.Seconds(), tt.want[i]/10+1e-6, "interval %d", i)
					if gap.Seconds() == tt.want[i] {
						exact++
					}
				}
				assert.Less(t, exact, len(tt.want), "they are spread")
			})
		})
	}
}

// Only the status completed ends the wait, whatever the answer of the review is.
func TestWaitForReviewTakesNothingForAVerdict(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.OnRequest = faultnet.AnswerInTurn(
			respondReview("init", ""), respondReview("pending", "GREEN"), respondReview("queued", "GREEN"), respondReview("onHold", "RED"),
			respondReview("", "GREEN"),
			respondReview("COMPLETED", "GREEN"), respondReview("completedish", "GREEN"), faultnet.WriteText(`{}`),
			faultnet.WriteText(`null`), faultnet.WriteText(faultnet.ActionJSON), respondReview("completed", "RED"),
		)
		var seen []*idngo.Action
		action, err := network.Client().WaitForReview(
			t.Context(), "5e02f6b1", idngo.WaitParams{OnPoll: func(a *idngo.Action) { seen = append(seen, a) }},
		)
		require.NoError(t, err)
		assert.Len(t, network.Seen(), 11)
		assert.Same(t, seen[len(seen)-1], action)
		assert.True(t, action.Completed())
		assert.False(t, action.Approved())
		assert.Equal(t, idngo.ReviewAnswerRed, action.Review.ReviewResult.ReviewAnswer)
	})
}

func TestWaitForReviewOfASimulator(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		recorder := newSimulatorRecorder(t, simulator.Config{ReviewDelay: 42 * time.Second})
		client := recorder.net.Client()
		action, err := client.EnsureAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"))
		require.NoError(t, err)
		_, err = client.AddImage(t.Context(), action.ID, faultnet.SelfieOf(faultnet.ImageContent))
		require.NoError(t, err)
		_, err = client.SubmitAction(t.Context(), action.ID)
		require.NoError(t, err)
		begin := time.Now()
		action, err = client.WaitForReview(t.Context(), action.ID, idngo.WaitParams{})
		require.NoError(t, err)
		assert.True(t, action.Approved())
		took := time.Since(begin)
		assert.GreaterOrEqual(t, took, 42*time.Second)
		assert.Less(t, took, 42*time.Second+17*time.Second)
	})
}

// pollFailures returns ways in which all attempts of a poll fail.
func pollFailures() (survived, final map[string]func(*faultnet.Network)) {
	every := func(answer func(http.ResponseWriter)) func(*faultnet.Network) {
		return func(network *faultnet.Network) {
			network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) { answer(w) })
		}
	}
	dial := func(err error) func(*faultnet.Network) {
		return func(network *faultnet.Network) {
			network.Transport.DisableKeepAlives = true
			network.OnDial = func(context.Context, int) error { return err }
		}
	}
	survived = map[string]func(*faultnet.Network){
		"500": every(faultnet.Refusal(500, 0)), "502": every(faultnet.Refusal(502, 0)), "503": every(faultnet.Refusal(503, 0)),
		"504": every(faultnet.Refusal(504, 0)),
		"520": every(faultnet.Refusal(520, 0)), "408": every(faultnet.Refusal(408, 0)), "429": every(faultnet.Refusal(429, 0)),
		"409 for now":  every(faultnet.Refusal(409, 0, "Retry-After", "1")),
		"lost":         every(faultnet.CutConnection),
		"garbage":      every(faultnet.WriteText("<html>")),
		"empty":        every(faultnet.WriteText("")),
		"cut off":      every(func(w http.ResponseWriter) { faultnet.WriteRaw(w, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{") }),
		"no answer":    func(network *faultnet.Network) { network.OnRequest = faultnet.AnswerAll(faultnet.NeverAnswer) },
		"dial refused": dial(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
		"DNS hiccup":   dial(&net.OpError{Op: "dial", Err: &net.DNSError{IsTemporary: true}}),
		"far too large": every(func(w http.ResponseWriter) {
			faultnet.WriteRaw(w, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{")
		}),
	}
	final = map[string]func(*faultnet.Network){
		"400": every(faultnet.Refusal(400, 0)), "401": every(faultnet.Refusal(401, 4003)), "403": every(faultnet.Refusal(403, 0)),
		"404": every(faultnet.Refusal(404, 0)),
		"405": every(faultnet.Refusal(405, 0)), "409": every(faultnet.Refusal(409, 0)), "410": every(faultnet.Refusal(410, 0)),
		"501":          every(faultnet.Refusal(501, 0)),
		"401 4004":     every(faultnet.Refusal(401, 4004)),
		"redirect":     every(faultnet.Refusal(302, 0, "Location", "https://elsewhere.test/")),
		"host unknown": dial(&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}),
		"certificate":  dial(&tls.CertificateVerificationError{Err: errors.New("expired")}),
	}
	return survived, final
}

// If a poll fails in a way that may pass, WaitForReview continues. If the service refuses a poll,
// it returns the error with the last action that it has seen.
func TestWaitForReviewSurvivesFailedPolls(t *testing.T) {
	survived, final := pollFailures()
	run := func(name string, fail func(*faultnet.Network), survives bool) {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				bad, good := faultnet.New(t), faultnet.New(t)
				fail(bad)
				polls := 0
				// The first poll succeeds, and so does each poll from the third on.
				good.OnRequest = func(number int, w http.ResponseWriter, _ *http.Request) bool {
					if number == 3 {
						respondReview("completed", "GREEN")(w)
					} else {
						respondReview("pending", "")(w)
					}
					return true
				}
				good.Start()
				bad.Start()
				var isBad atomic.Bool
				client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL("http://127.0.0.1"), idngo.WithHTTPClient(&http.Client{
					Transport: faultnet.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
						if isBad.Load() {
							return bad.Transport.RoundTrip(r)
						}
						return good.Transport.RoundTrip(r)
					}),
				}))
				require.NoError(t, err)
				action, err := client.WaitForReview(t.Context(), "5e02f6b1", idngo.WaitParams{OnPoll: func(*idngo.Action) {
					if polls++; polls == 1 {
						isBad.Store(true)
						time.AfterFunc(time.Minute, func() { isBad.Store(false) })
					}
				}})
				if survives {
					require.NoError(t, err)
					assert.True(t, action.Approved())
					assert.Equal(t, 3, polls)
					return
				}
				require.Error(t, err)
				require.NotErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, 1, polls)
				require.NotNil(t, action)
				assert.Equal(t, idngo.ReviewStatusPending, action.Review.ReviewStatus)
			})
		})
	}
	for name, fail := range survived {
		run(name, fail, true)
	}
	for name, fail := range final {
		run(name, fail, false)
	}
}

// WaitForReview waits for the Retry-After of a failed poll, and up to a tenth longer, within the
// limit of the policy.
func TestWaitForReviewMindsRetryAfter(t *testing.T) {
	for after, want := range map[string]time.Duration{"40": 40 * time.Second, "100": time.Minute, "1000000000": time.Minute} {
		t.Run(after, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = faultnet.AnswerInTurn(faultnet.Refusal(503, 0, "Retry-After", after), respondReview("completed", "GREEN"))
				_, err := network.Client(faultnet.OneAttempt()).WaitForReview(t.Context(), "5e02f6b1", idngo.WaitParams{})
				require.NoError(t, err)
				gaps := network.Gaps()
				require.Len(t, gaps, 1)
				assert.GreaterOrEqual(t, gaps[0], want)
				assert.LessOrEqual(t, gaps[0], want+want/10)
			})
		})
	}
}

// When the context ends, WaitForReview returns the last action with an error that matches the
// context's error. If the last poll failed, it also matches the error of that poll.
func TestWaitForReviewEndsWithTheContext(t *testing.T) {
	pending, down := respondReview("pending", ""), faultnet.Refusal(503, 0)
	tests := map[string]struct {
		answers []func(http.ResponseWriter)
		seen    bool // whether a poll has returned an action
		server  bool // whether the last poll failed with a 503
	}{
		"pending":            {answers: []func(http.ResponseWriter){pending, pending, pending}, seen: true},
		"503 at last":        {answers: []func(http.ResponseWriter){pending, down}, seen: true, server: true},
		"503 and then well":  {answers: []func(http.ResponseWriter){down, pending, pending}, seen: true},
		"503 from the start": {answers: []func(http.ResponseWriter){down, down}, server: true},
	}
	for name, tt := range tests {
		for _, cancelled := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, cancelled %v", name, cancelled), func(t *testing.T) {
				faultnet.InBubble(t, func(t *testing.T) {
					network := faultnet.New(t)
					network.OnRequest = func(number int, w http.ResponseWriter, _ *http.Request) bool {
						tt.answers[min(number, len(tt.answers))-1](w)
						return true
					}
					client := network.Client(faultnet.OneAttempt())
					const limit = 20 * time.Second
					want := context.DeadlineExceeded
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					defer cancel()
					if cancelled {
						want = errLeft
						var leave context.CancelCauseFunc
						ctx, leave = context.WithCancelCause(t.Context())
						time.AfterFunc(limit, func() { leave(errLeft) })
					}
					begin := time.Now()
					action, err := client.WaitForReview(ctx, "5e02f6b1", idngo.WaitParams{})
					require.ErrorIs(t, err, want)
					require.ErrorIs(t, err, ctx.Err())
					assert.Equal(t, limit, time.Since(begin))
					assert.Equal(t, tt.seen, action != nil)
					assert.Equal(t, tt.server, errors.Is(err, idngo.ErrServer), "%v", err)
					require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)
				})
			})
		}
	}
	t.Run("within a poll", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			network := faultnet.New(t)
			network.OnRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
				if number > 1 {
					faultnet.NeverAnswer(w, r)
				}
				pending(w)
				return true
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			action, err := network.Client().WaitForReview(ctx, "5e02f6b1", idngo.WaitParams{})
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "idngo: WaitForReview: not completed: ")
			require.NotNil(t, action)
			assert.Equal(t, "5e02f6b1", action.ID)
		})
	})
	t.Run("before the first", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			network := faultnet.New(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			action, err := network.Client().WaitForReview(ctx, "5e02f6b1", idngo.WaitParams{})
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorContains(t, err, "idngo: WaitForReview: not completed: ")
			assert.Nil(t, action)
			assert.Zero(t, network.Dialed())
		})
	})
}

func TestWaitForReviewRefusesBeforeAnythingIsSent(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		client := network.Client()
		for name, p := range map[string]idngo.WaitParams{
			"negative min":  {MinInterval: -1},
			"negative max":  {MaxInterval: -1},
			"min above max": {MinInterval: 2, MaxInterval: 1},
		} {
			action, err := client.WaitForReview(t.Context(), "5e02f6b1", p)
			require.ErrorIs(t, err, idngo.ErrInvalidArgument, name)
			assert.Nil(t, action)
		}
		_, err := client.WaitForReview(t.Context(), "", idngo.WaitParams{})
		require.ErrorIs(t, err, idngo.ErrInvalidArgument)
		_, err = client.WaitForReview(faultnet.NilContext, "5e02f6b1", idngo.WaitParams{})
		require.ErrorIs(t, err, idngo.ErrInvalidArgument)
		assert.Zero(t, network.Dialed())
	})
}
