package idngo_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/simulator"
)

func pollAnswer(status, answer string) func(http.ResponseWriter) {
	return text(fmt.Sprintf(`{"id":"5e02f6b1","review":{"reviewStatus":%q,"reviewResult":{"reviewAnswer":%q}}}`, status, answer))
}

// Polls come at once and then after 1 s, growing by half up to 15 s, each a
// tenth longer or shorter at most.
func TestWaitForReviewIntervals(t *testing.T) {
	tests := map[string]struct {
		params idngo.WaitParams
		want   []float64 // seconds
	}{
		"default":           {idngo.WaitParams{}, []float64{1, 1.5, 2.25, 3.375, 5.0625, 7.59375, 11.390625, 15, 15, 15}},
		"own":               {idngo.WaitParams{MinInterval: 10 * time.Second, MaxInterval: 20 * time.Second}, []float64{10, 15, 20, 20}},
		"min above default": {idngo.WaitParams{MinInterval: time.Minute}, []float64{60, 60, 60}},
		"max below default": {idngo.WaitParams{MaxInterval: 100 * time.Millisecond}, []float64{0.1, 0.1, 0.1}},
		"max alone":         {idngo.WaitParams{MaxInterval: 2 * time.Second}, []float64{1, 1.5, 2, 2}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				n := newFaultNet(t)
				polls := 0
				n.onRequest = func(number int, w http.ResponseWriter, _ *http.Request) bool {
					if number == len(tt.want)+1 {
						pollAnswer("completed", "GREEN")(w)
					} else {
						pollAnswer("pending", "")(w)
					}
					return true
				}
				tt.params.OnPoll = func(a *idngo.Action) {
					polls++
					assert.Equal(t, polls > len(tt.want), a.Completed())
				}
				begin := time.Now()
				action, err := n.client().WaitForReview(t.Context(), "5e02f6b1", tt.params)
				require.NoError(t, err)
				assert.True(t, action.Approved())
				assert.Equal(t, len(tt.want)+1, polls)
				assert.Equal(t, begin, n.seen()[0].at, "the first poll is at once")
				exact := 0
				for i, gap := range n.gaps() {
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

// Nothing but completed is a verdict, whatever else the answer says.
func TestWaitForReviewTakesNothingForAVerdict(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newFaultNet(t)
		n.onRequest = script(
			pollAnswer("init", ""), pollAnswer("pending", "GREEN"), pollAnswer("queued", "GREEN"), pollAnswer("onHold", "RED"), pollAnswer("", "GREEN"),
			pollAnswer("COMPLETED", "GREEN"), pollAnswer("completedish", "GREEN"), text(`{}`), text(`null`), text(actionJSON), pollAnswer("completed", "RED"),
		)
		var seen []*idngo.Action
		action, err := n.client().WaitForReview(t.Context(), "5e02f6b1", idngo.WaitParams{OnPoll: func(a *idngo.Action) { seen = append(seen, a) }})
		require.NoError(t, err)
		assert.Len(t, n.seen(), 11)
		assert.Same(t, seen[len(seen)-1], action)
		assert.True(t, action.Completed())
		assert.False(t, action.Approved())
		assert.Equal(t, idngo.ReviewAnswerRed, action.Review.ReviewResult.ReviewAnswer)
	})
}

func TestWaitForReviewOfASimulator(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBooks(t, simulator.Config{ReviewDelay: 42 * time.Second})
		client := b.net.client()
		action, err := client.EnsureAction(t.Context(), simulator.DefaultApplicantID, faceAuth("ext-1"))
		require.NoError(t, err)
		_, err = client.AddImage(t.Context(), action.ID, selfie(imageBytes))
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

// pollFailures are ways for a poll to fail, all of its attempts.
func pollFailures() (survived, final map[string]func(*faultNet)) {
	every := func(answer func(http.ResponseWriter)) func(*faultNet) {
		return func(n *faultNet) { n.onRequest = always(func(w http.ResponseWriter, _ *http.Request) { answer(w) }) }
	}
	dial := func(err error) func(*faultNet) {
		return func(n *faultNet) {
			n.transport.DisableKeepAlives = true
			n.onDial = func(context.Context, int) error { return err }
		}
	}
	survived = map[string]func(*faultNet){
		"500": every(refusal(500, 0)), "502": every(refusal(502, 0)), "503": every(refusal(503, 0)), "504": every(refusal(504, 0)),
		"520": every(refusal(520, 0)), "408": every(refusal(408, 0)), "429": every(refusal(429, 0)),
		"409 for now":   every(refusal(409, 0, "Retry-After", "1")),
		"lost":          every(breakOff),
		"garbage":       every(text("<html>")),
		"empty":         every(text("")),
		"cut off":       every(func(w http.ResponseWriter) { writeRaw(w, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{") }),
		"no answer":     func(n *faultNet) { n.onRequest = always(silent) },
		"dial refused":  dial(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
		"DNS hiccup":    dial(&net.OpError{Op: "dial", Err: &net.DNSError{IsTemporary: true}}),
		"far too large": every(func(w http.ResponseWriter) { writeRaw(w, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{") }),
	}
	final = map[string]func(*faultNet){
		"400": every(refusal(400, 0)), "401": every(refusal(401, 4003)), "403": every(refusal(403, 0)), "404": every(refusal(404, 0)),
		"405": every(refusal(405, 0)), "409": every(refusal(409, 0)), "410": every(refusal(410, 0)), "501": every(refusal(501, 0)),
		"401 4004":     every(refusal(401, 4004)),
		"redirect":     every(refusal(302, 0, "Location", "https://elsewhere.test/")),
		"host unknown": dial(&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}),
		"certificate":  dial(&tls.CertificateVerificationError{Err: errors.New("expired")}),
	}
	return survived, final
}

// A poll that fails in a way that is worth another try ends nothing; a refusal
// does, and the action that was seen before comes with it.
func TestWaitForReviewSurvivesFailedPolls(t *testing.T) {
	survived, final := pollFailures()
	run := func(name string, fail func(*faultNet), survives bool) {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bad, good := newFaultNet(t), newFaultNet(t)
				fail(bad)
				polls := 0
				// The first poll and those from the third on go well.
				good.onRequest = func(number int, w http.ResponseWriter, _ *http.Request) bool {
					if number == 3 {
						pollAnswer("completed", "GREEN")(w)
					} else {
						pollAnswer("pending", "")(w)
					}
					return true
				}
				good.start()
				bad.start()
				var isBad atomic.Bool
				client, err := idngo.NewClient(faultCreds, idngo.WithBaseURL("http://127.0.0.1"), idngo.WithHTTPClient(&http.Client{
					Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
						if isBad.Load() {
							return bad.transport.RoundTrip(r)
						}
						return good.transport.RoundTrip(r)
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

// A Retry-After of a failed poll is waited for, as far as the policy goes.
func TestWaitForReviewMindsRetryAfter(t *testing.T) {
	for after, want := range map[string]time.Duration{"40": 40 * time.Second, "100": time.Minute, "1000000000": time.Minute} {
		t.Run(after, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				n := newFaultNet(t)
				n.onRequest = script(refusal(503, 0, "Retry-After", after), pollAnswer("completed", "GREEN"))
				_, err := n.client(oneAttempt()).WaitForReview(t.Context(), "5e02f6b1", idngo.WaitParams{})
				require.NoError(t, err)
				assert.Equal(t, []time.Duration{want}, n.gaps())
			})
		})
	}
}

// When the context ends, the last action comes with an error that matches the
// context's and, if the last poll failed, that too.
func TestWaitForReviewEndsWithTheContext(t *testing.T) {
	pending, down := pollAnswer("pending", ""), refusal(503, 0)
	tests := map[string]struct {
		answers []func(http.ResponseWriter)
		seen    bool // an action
		server  bool // the last failure is a 503
	}{
		"pending":            {[]func(http.ResponseWriter){pending, pending, pending}, true, false},
		"503 at last":        {[]func(http.ResponseWriter){pending, down}, true, true},
		"503 and then well":  {[]func(http.ResponseWriter){down, pending, pending}, true, false},
		"503 from the start": {[]func(http.ResponseWriter){down, down}, false, true},
	}
	for name, tt := range tests {
		for _, cancelled := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, cancelled %v", name, cancelled), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					n := newFaultNet(t)
					n.onRequest = func(number int, w http.ResponseWriter, _ *http.Request) bool {
						tt.answers[min(number, len(tt.answers))-1](w)
						return true
					}
					client := n.client(oneAttempt())
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
		inBubble(t, func(t *testing.T) {
			n := newFaultNet(t)
			n.onRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
				if number > 1 {
					silent(w, r)
				}
				pending(w)
				return true
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			action, err := n.client().WaitForReview(ctx, "5e02f6b1", idngo.WaitParams{})
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotNil(t, action)
			assert.Equal(t, "5e02f6b1", action.ID)
		})
	})
	t.Run("before the first", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			n := newFaultNet(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			action, err := n.client().WaitForReview(ctx, "5e02f6b1", idngo.WaitParams{})
			require.ErrorIs(t, err, context.Canceled)
			assert.Nil(t, action)
			assert.Zero(t, n.dialed())
		})
	})
}

func TestWaitForReviewRefusesBeforeAnythingIsSent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newFaultNet(t)
		client := n.client()
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
		_, err = client.WaitForReview(noContext, "5e02f6b1", idngo.WaitParams{})
		require.ErrorIs(t, err, idngo.ErrInvalidArgument)
		assert.Zero(t, n.dialed())
	})
}

// What an app claims is compared with what the service says of that action, and
// what the service does not say is no match.
func TestConfirmAction(t *testing.T) {
	const green = `,"review":{"reviewStatus":"completed","levelName":"lvl","reviewResult":{"reviewAnswer":"GREEN"}}`
	whole := `{"id":"5e02f6b1","applicantId":"app-1","externalActionId":"ext-1"` + green + `}`
	all := idngo.ActionExpectation{ApplicantID: "app-1", ExternalActionID: "ext-1", LevelName: "lvl"}
	tests := map[string]struct {
		answer string
		want   idngo.ActionExpectation
		differ string // the parts that do, in order
	}{
		"as expected":              {whole, all, ""},
		"applicant only":           {whole, idngo.ActionExpectation{ApplicantID: "app-1"}, ""},
		"other applicant":          {whole, idngo.ActionExpectation{ApplicantID: "app-2", ExternalActionID: "ext-1", LevelName: "lvl"}, "applicantId"},
		"other case":               {whole, idngo.ActionExpectation{ApplicantID: "APP-1"}, "applicantId"},
		"other external id":        {whole, idngo.ActionExpectation{ApplicantID: "app-1", ExternalActionID: "ext-2"}, "externalActionId"},
		"other level":              {whole, idngo.ActionExpectation{ApplicantID: "app-1", LevelName: "Lvl"}, "levelName"},
		"all differ":               {whole, idngo.ActionExpectation{ApplicantID: "a", ExternalActionID: "b", LevelName: "c"}, "applicantId externalActionId levelName"},
		"another action":           {`{"id":"5e02f6b2","applicantId":"app-1"` + green + `}`, idngo.ActionExpectation{ApplicantID: "app-1"}, "id"},
		"no id":                    {`{"applicantId":"app-1"` + green + `}`, idngo.ActionExpectation{ApplicantID: "app-1"}, "id"},
		"no applicant":             {`{"id":"5e02f6b1"` + green + `}`, idngo.ActionExpectation{ApplicantID: "app-1"}, "applicantId"},
		"applicant null":           {`{"id":"5e02f6b1","applicantId":null` + green + `}`, idngo.ActionExpectation{ApplicantID: "app-1"}, "applicantId"},
		"applicant of other type":  {`{"id":"5e02f6b1","applicantId":["app-1"]` + green + `}`, idngo.ActionExpectation{ApplicantID: "app-1"}, "applicantId"},
		"no external id":           {`{"id":"5e02f6b1","applicantId":"app-1"` + green + `}`, all, "externalActionId"},
		"no external id, not said": {`{"id":"5e02f6b1","applicantId":"app-1"` + green + `}`, idngo.ActionExpectation{ApplicantID: "app-1", LevelName: "lvl"}, ""},
		"no level":                 {`{"id":"5e02f6b1","applicantId":"app-1","externalActionId":"ext-1"}`, all, "levelName"},
		"nothing":                  {`{}`, all, "id applicantId externalActionId levelName"},
		"null":                     {`null`, all, "id applicantId externalActionId levelName"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				n := newFaultNet(t)
				n.onRequest = script(text(tt.answer))
				action, err := n.client().ConfirmAction(t.Context(), "5e02f6b1", tt.want)
				if tt.differ == "" {
					require.NoError(t, err)
					assert.True(t, action.Approved())
					return
				}
				assert.Nil(t, action, "it fails closed")
				if tt.differ == "cannot be used" {
					require.ErrorContains(t, err, tt.differ)
					return
				}
				require.ErrorIs(t, err, idngo.ErrActionMismatch)
				lines := strings.Split(err.Error(), "\n")
				require.Len(t, lines, len(strings.Fields(tt.differ)))
				for i, part := range strings.Fields(tt.differ) {
					assert.Contains(t, lines[i], "the "+part)
				}
				for _, value := range []string{"app-", "ext-", "5e02f6b", "lvl", "APP-", "Lvl"} {
					assert.NotContains(t, err.Error(), value)
				}
			})
		})
	}
}

// An app claims GREEN of an action that is none: what it claims is never asked
// for, the service's word counts.
func TestConfirmActionOfAForgedGreen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBooks(t, simulator.Config{Outcome: simulator.Outcome{Answer: "RED"}, ManualReview: true})
		b.AddApplicant("somebody-else", "else")
		client := b.net.client()
		want := idngo.ActionExpectation{ApplicantID: simulator.DefaultApplicantID, ExternalActionID: "ext-1", LevelName: simulator.LevelFaceAuth}
		own, err := client.CreateAction(t.Context(), simulator.DefaultApplicantID, faceAuth("ext-1"))
		require.NoError(t, err)
		other, err := client.CreateAction(t.Context(), "somebody-else", faceAuth("ext-1"))
		require.NoError(t, err)
		earlier, err := client.CreateAction(t.Context(), simulator.DefaultApplicantID, faceAuth("ext-0"))
		require.NoError(t, err)
		email, err := client.CreateAction(t.Context(), simulator.DefaultApplicantID, idngo.CreateActionParams{LevelName: simulator.LevelEmail, ExternalActionID: "ext-1"})
		require.NoError(t, err)
		for _, id := range []string{other.ID, earlier.ID, email.ID} {
			require.NoError(t, b.Review(id, simulator.Outcome{Answer: "GREEN"}))
			action, err := client.ConfirmAction(t.Context(), id, want)
			require.ErrorIs(t, err, idngo.ErrActionMismatch)
			assert.Nil(t, action)
		}
		_, err = client.ConfirmAction(t.Context(), "000000000000000000000000", want)
		require.ErrorIs(t, err, idngo.ErrNotFound)

		action, err := client.ConfirmAction(t.Context(), own.ID, want)
		require.NoError(t, err)
		assert.False(t, action.Approved(), "it is not reviewed yet")
		require.NoError(t, b.Review(own.ID, simulator.Outcome{Answer: "RED"}))
		action, err = client.ConfirmAction(t.Context(), own.ID, want)
		require.NoError(t, err)
		assert.False(t, action.Approved())
		require.NoError(t, b.Review(own.ID, simulator.Outcome{Answer: "GREEN"}))
		action, err = client.ConfirmAction(t.Context(), own.ID, want)
		require.NoError(t, err)
		assert.True(t, action.Approved())
	})
}

func TestConfirmActionRefuses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newFaultNet(t)
		client := n.client()
		_, err := client.ConfirmAction(t.Context(), "", idngo.ActionExpectation{ApplicantID: "app-1"})
		require.ErrorIs(t, err, idngo.ErrInvalidArgument)
		_, err = client.ConfirmAction(t.Context(), "5e02f6b1", idngo.ActionExpectation{ExternalActionID: "ext-1"})
		require.ErrorIs(t, err, idngo.ErrInvalidArgument)
		require.ErrorContains(t, err, "ApplicantID")
		assert.Zero(t, n.dialed())
	})
}
