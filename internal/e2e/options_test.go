package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// tokenLimiter allows one attempt in each period, as a *rate.Limiter does.
type tokenLimiter struct {
	mu     sync.Mutex
	next   time.Time
	period time.Duration
}

// Wait waits for the next token. It fails at once if the token would come after the deadline.
func (l *tokenLimiter) Wait(ctx context.Context) error {
	l.mu.Lock()
	now := time.Now()
	at := l.next
	if at.Before(now) {
		at = now
	}
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(at) {
		l.mu.Unlock()
		return errors.New("rate: Wait(n=1) would exceed context deadline")
	}
	l.next = at.Add(l.period)
	l.mu.Unlock()
	select {
	case <-time.After(at.Sub(now)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Each attempt waits for the limiter. The timeout does not count this wait.
func TestRateLimiterIsAskedForEachAttempt(t *testing.T) {
	for _, op := range faultnet.Operations {
		t.Run(op.Key(), func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = faultnet.AnswerInTurn(faultnet.Refusal(429, 0, "Retry-After", "1"), faultnet.Refusal(401, 4004))
				limiter := &tokenLimiter{period: 10 * time.Minute}
				client := network.Client(idngo.WithTimeout(time.Second), idngo.WithRateLimiter(limiter))
				require.NoError(t, op.Call(t.Context(), client))
				assert.Equal(t, []time.Duration{10 * time.Minute, 10 * time.Minute}, network.Gaps(), "and the stamps are of after the wait")
			})
		})
	}
}

func TestRateLimiterAndTheContext(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		type key struct{}
		var asked []any
		limiter := faultnet.LimiterFunc(func(ctx context.Context) error {
			asked = append(asked, ctx.Value(key{}))
			<-ctx.Done()
			return ctx.Err()
		})
		client := network.Client(idngo.WithRateLimiter(limiter))
		for _, op := range faultnet.Operations {
			ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, op.Name))
			time.AfterFunc(time.Minute, func() { cancel(errLeft) })
			begin := time.Now()
			err := op.Call(ctx, client)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, errLeft)
			require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown, "nothing was sent")
			assert.Equal(t, time.Minute, time.Since(begin))
			assert.Equal(t, op.Name, asked[len(asked)-1])
		}
		assert.Zero(t, network.Dialed())
	})
}

// errNoTokens is the error of a limiter.
var errNoTokens = errors.New("no tokens today")

// An error of the limiter itself ends the call at once.
func TestRateLimiterRefuses(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		client := network.Client(idngo.WithRateLimiter(faultnet.LimiterFunc(func(context.Context) error { return errNoTokens })))
		for _, op := range faultnet.Operations {
			res := idngo.Response{StatusCode: 7, Attempts: 7}
			err := op.Call(t.Context(), client, idngo.WithResponse(&res))
			require.ErrorIs(t, err, errNoTokens)
			require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)
			require.ErrorContains(t, err, "rate limiter")
			assert.Equal(t, idngo.Response{}, res, "no attempt was made")
		}
		assert.Zero(t, network.Dialed())

		// The Response keeps the answer of the earlier attempt, and its unknown outcome stays unknown.
		asked := 0
		client = network.Client(idngo.WithRateLimiter(faultnet.LimiterFunc(func(context.Context) error {
			if asked++; asked > 1 {
				return errNoTokens
			}
			return nil
		})))
		network.OnRequest = faultnet.AnswerInTurn(faultnet.Refusal(503, 0))
		var res idngo.Response
		err := faultnet.CreateAction.Call(t.Context(), client, idngo.WithIdempotent(), idngo.WithResponse(&res))
		require.ErrorIs(t, err, errNoTokens)
		require.ErrorIs(t, err, idngo.ErrServer)
		require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
		assert.Equal(t, 503, res.StatusCode)
		assert.Equal(t, 1, res.Attempts, "one was made")
	})
}

// A limiter's error that quotes what the call sends comes without it: before the first attempt,
// after an answer and after a lost connection.
func TestRateLimiterErrorShowsNothingThatWasSent(t *testing.T) {
	const id = "5e02f6b1c7a94d10"
	for name, answers := range map[string][]func(http.ResponseWriter){
		"first": nil, "after an answer": {faultnet.Refusal(503, 0)}, "after a lost connection": {faultnet.CutConnection},
	} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = faultnet.AnswerInTurn(answers...)
				asked := 0
				client := network.Client(idngo.WithRateLimiter(faultnet.LimiterFunc(func(context.Context) error {
					if asked++; asked > len(answers) {
						return fmt.Errorf("%w for %s", errNoTokens, id)
					}
					return nil
				})))
				_, err := client.GetAction(t.Context(), id)
				require.ErrorIs(t, err, errNoTokens)
				require.ErrorContains(t, err, errNoTokens.Error()+" for [redacted]")
				assert.NotContains(t, err.Error(), id)
				assert.Len(t, network.Seen(), len(answers))
			})
		})
	}
}

// The logger writes exactly one line for each attempt.
func TestLoggerWritesALineAnAttempt(t *testing.T) {
	for _, op := range faultnet.Operations {
		t.Run(op.Key(), func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = faultnet.AnswerInTurn(
					func(w http.ResponseWriter) {
						time.Sleep(2 * time.Second)
						faultnet.Refusal(429, 0, "Retry-After", "1")(w)
					},
					faultnet.Refusal(401, 4004), faultnet.Refusal(409, 1006, "Retry-After", "1"),
				)
				var log faultnet.Log
				client := network.Client(idngo.WithLogger(log.Logger()), idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: 5}))
				ctx := t.Context()
				require.NoError(t, op.Call(ctx, client))
				want := [][]string{
					{"level=WARN", "attempt=1", "duration=2s", "status=429", "code=0", "retry_in=1."},
					{"level=WARN", "attempt=2", "status=401", "code=4004", "retry_in=0s"},
					{"level=WARN", "attempt=3", "status=409", "code=1006", "correlation_id=req-0815", "retry_in="},
					{"level=INFO", "attempt=4", "status=200", "final=true"},
				}
				require.Len(t, log.Lines, len(want), "%s", log.Lines)
				for i, texts := range want {
					assert.NotEqual(t, strings.Contains(log.Lines[i], "retry_in="), strings.Contains(log.Lines[i], "final=true"))
					for _, text := range append(texts, "operation="+op.Name, `msg="idngo: attempt"`) {
						assert.Contains(t, log.Lines[i], text)
					}
				}
			})
		})
	}
}

func TestLoggerOnFailuresWithoutAnAnswer(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.OnDial = func(_ context.Context, number int) error {
			if number <= 2 {
				return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			}
			return nil
		}
		network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) { faultnet.CutConnection(w) })
		var log faultnet.Log
		client := network.Client(idngo.WithLogger(log.Logger()))
		require.Error(t, faultnet.CreateAction.Call(t.Context(), client))
		require.Len(t, log.Lines, 3)
		assert.Contains(t, log.Lines[0], "connection refused")
		assert.Contains(t, log.Lines[1], "retry_in=")
		assert.Contains(t, log.Lines[2], "EOF")
		assert.Contains(t, log.Lines[2], "final=true")
		assert.NotContains(t, log.Lines[2], "retry_in=")
		for _, line := range log.Lines {
			assert.Contains(t, line, "level=WARN")
			assert.NotContains(t, line, "status=")
		}

		// Only attempts are logged.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, faultnet.CreateAction.Call(ctx, client))
		_, err := client.GetAction(t.Context(), "")
		require.Error(t, err)
		require.Len(t, log.Lines, 3)

		// An attempt is also logged if its 2xx cannot be used.
		network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) { faultnet.WriteText("garbage")(w) })
		require.Error(t, faultnet.GetAction.Call(t.Context(), client))
		require.Len(t, log.Lines, 4)
	})
}

// The 404 that CheckCredentials expects is a warning like any other 404: the logger does not know
// what a method makes of an answer.
func TestLoggerWarnsOfAnExpected404(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.OnRequest = faultnet.AnswerInTurn(faultnet.Refusal(404, 0))
		var log faultnet.Log
		client := network.Client(idngo.WithLogger(log.Logger()))
		require.NoError(t, client.CheckCredentials(t.Context()))
		require.Len(t, log.Lines, 1)
		for _, text := range []string{"level=WARN", "operation=GetAction", "status=404", "code=0", "correlation_id=req-0815", "final=true"} {
			assert.Contains(t, log.Lines[0], text)
		}
	})
}

// A line has the planned delay, although the context ends before the next attempt.
func TestLoggerHasThePlannedDelay(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.OnRequest = faultnet.AnswerInTurn(faultnet.Refusal(429, 0, "Retry-After", "10"))
		var log faultnet.Log
		client := network.Client(idngo.WithLogger(log.Logger()))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		require.ErrorIs(t, faultnet.GetAction.Call(ctx, client), context.Canceled)
		require.Len(t, log.Lines, 1)
		assert.Contains(t, log.Lines[0], "retry_in=10.")
		assert.NotContains(t, log.Lines[0], "final=true")
	})
}

// The logger gets the context of the call, which handlers for traces need.
func TestLoggerGetsTheContext(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		var log faultnet.Log
		client := network.Client(idngo.WithLogger(log.Logger()))
		type key struct{}
		require.NoError(t, faultnet.GetAction.Call(context.WithValue(t.Context(), key{}, "trace-1"), client))
		require.Len(t, log.Contexts(), 1)
		assert.Equal(t, "trace-1", log.Contexts()[0].Value(key{}))
	})
}

func TestResponse(t *testing.T) {
	t.Run("success", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			network := faultnet.New(t)
			network.OnRequest = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("X-Request-Id", "r-1")
				return false
			}
			for _, op := range faultnet.Operations {
				res := idngo.Response{StatusCode: 7, Attempts: 7, Body: []byte("old"), Header: http.Header{"Old": {"x"}}}
				require.NoError(t, op.Call(t.Context(), network.Client(), idngo.WithResponse(&res)))
				assert.Equal(t, 200, res.StatusCode, op.Name)
				assert.Equal(t, 1, res.Attempts, op.Name)
				assert.Equal(t, "r-1", res.Header.Get("X-Request-Id"), op.Name)
				assert.Empty(t, res.Header.Get("Old"), op.Name)
				if op.Name == "OpenImage" {
					assert.Empty(t, res.Body, "an image is not kept")
				} else {
					assert.True(t, strings.HasPrefix(string(res.Body), "{"), op.Name)
				}
			}
		})
	})
	t.Run("refused", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			network := faultnet.New(t)
			network.OnRequest = faultnet.AnswerInTurn(
				faultnet.Refusal(429, 0, "Retry-After", "0"), faultnet.Refusal(400, 1005, "X-Request-Id", "r-2"),
			)
			for _, op := range faultnet.Operations {
				res := idngo.Response{StatusCode: 7, Body: []byte("old")}
				network.Forget()
				require.Error(t, op.Call(t.Context(), network.Client(), idngo.WithResponse(&res)))
				assert.Equal(t, 400, res.StatusCode)
				assert.Equal(t, 2, res.Attempts)
				assert.Equal(t, "r-2", res.Header.Get("X-Request-Id"))
				assert.JSONEq(t, `{"description":"no","code":400,"correlationId":"req-0815","errorCode":1005}`, string(res.Body))
			}
		})
	})
	t.Run("2xx that cannot be used", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			network := faultnet.New(t)
			network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) { faultnet.WriteText("<html>hello</html>")(w) })
			for _, op := range faultnet.Operations {
				if op.Name == "OpenImage" {
					continue
				}
				var res idngo.Response
				require.Error(t, op.Call(t.Context(), network.Client(), idngo.WithResponse(&res)))
				assert.Equal(t, 200, res.StatusCode)
				assert.Equal(t, "<html>hello</html>", string(res.Body))
			}
		})
	})
	t.Run("no answer", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			network := faultnet.New(t)
			network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) { faultnet.CutConnection(w) })
			for _, op := range faultnet.Operations {
				res := idngo.Response{StatusCode: 7, Attempts: 7, Body: []byte("old"), Header: http.Header{"Old": {"x"}}}
				require.Error(t, op.Call(t.Context(), network.Client(), idngo.WithResponse(&res)))
				attempts := 3
				if op.NotIdempotent {
					attempts = 1
				}
				assert.Equal(t, idngo.Response{Attempts: attempts}, res, op.Name)
			}
		})
	})
	t.Run("cut off", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			network := faultnet.New(t)
			network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) {
				faultnet.WriteRaw(w, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX-Request-Id: r-3\r\n\r\n")
			})
			for _, op := range faultnet.Operations {
				var res idngo.Response
				require.Error(t, op.Call(t.Context(), network.Client(faultnet.OneAttempt()), idngo.WithResponse(&res)))
				assert.Equal(t, 200, res.StatusCode, op.Name)
				assert.Equal(t, "r-3", res.Header.Get("X-Request-Id"), op.Name)
				assert.Empty(t, res.Body, op.Name)
			}
		})
	})
	t.Run("redirect", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			network := faultnet.New(t)
			for _, location := range []string{"https://elsewhere.test/a?b=c", "http://[::1/%zz", "", "/relative"} {
				network.OnRequest = faultnet.AnswerAll(
					func(w http.ResponseWriter, _ *http.Request) { faultnet.Refusal(302, 0, "Location", location)(w) },
				)
				for _, op := range faultnet.Operations {
					var res idngo.Response
					require.ErrorIs(t, op.Call(t.Context(), network.Client(), idngo.WithResponse(&res)), idngo.ErrRedirect)
					assert.Equal(t, 302, res.StatusCode)
					assert.Equal(t, location, res.Header.Get("Location"))
					for name := range res.Header {
						assert.NotContains(t, name, " ")
					}
				}
			}
		})
	})
	t.Run("long error", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			network := faultnet.New(t)
			network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(400)
				faultnet.WriteText(strings.Repeat("x", 100<<10))(w)
			})
			var res idngo.Response
			require.Error(t, faultnet.GetAction.Call(t.Context(), network.Client(), idngo.WithResponse(&res)))
			assert.Len(t, res.Body, 64<<10)
		})
	})
	t.Run("refused on this side", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			network := faultnet.New(t)
			require.ErrorIs(t, faultnet.GetAction.Call(t.Context(), network.Client(), idngo.WithResponse(nil)), idngo.ErrInvalidArgument)
			assert.Zero(t, network.Dialed())
		})
	})
}

func TestHeader(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		client := network.Client()
		for _, op := range faultnet.Operations {
			for _, bad := range [][2]string{
				{"X-App-Token", "x"}, {"x-app-token", "x"}, {"X-APP-ACCESS-TS", "x"}, {"x-app-access-sig", "x"},
				{"Host", "x"}, {"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}, {"trailer", "X"},
				{"", "x"}, {"X Y", "x"}, {"X:Y", "x"}, {"X\r\nY", "x"}, {"Ключ", "x"}, {"X-App-Token ", "x"},
				{"X-Y", "a\r\nX-App-Token: b"}, {"X-Y", "a\x00"}, {"X-Y", "a\x7f"},
			} {
				err := op.Call(t.Context(), client, idngo.WithHeader(bad[0], bad[1]))
				require.ErrorIs(t, err, idngo.ErrInvalidArgument, "%q", bad)
				require.ErrorContains(t, err, "header")
			}
		}
		require.Zero(t, network.Dialed())
		for _, op := range faultnet.Operations {
			require.NoError(t, op.Call(t.Context(), client, idngo.WithHeader("x-trace", "t-1"), idngo.WithHeader("X-Empty", ""),
				idngo.WithHeader("X-Name", "Қалқаман"), idngo.WithHeader("User-Agent", "mine/1"), idngo.WithHeader("X-Trace", "t-2")))
			seen := network.Seen()
			header := seen[len(seen)-1].Header
			assert.Equal(t, []string{"t-2"}, header["X-Trace"], "the last one counts")
			assert.Equal(t, []string{""}, header["X-Empty"])
			assert.Equal(t, []string{"Қалқаман"}, header["X-Name"])
			assert.Equal(t, []string{"mine/1"}, header["User-Agent"])

			require.NoError(t, op.Call(t.Context(), client))
			seen = network.Seen()
			header = seen[len(seen)-1].Header
			assert.NotContains(t, header, "X-Trace", "of that call only")
			assert.Contains(t, header.Get("User-Agent"), "idngo-go/"+idngo.Version)
		}
	})
}

// Several calls at once can use the same option.
func TestOptionsAreShared(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.OnRequest = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
			assert.Equal(t, "t-1", r.Header.Get("X-Trace"))
			return false
		}
		client := network.Client()
		opts := []idngo.RequestOption{idngo.WithHeader("X-Trace", "t-1"), idngo.WithIdempotent()}
		var wg sync.WaitGroup
		for range 8 {
			for _, op := range faultnet.Operations {
				wg.Go(func() { assert.NoError(t, op.Call(t.Context(), client, opts...)) })
			}
		}
		wg.Wait()
	})
}

// A RoundTripper can find out the operation of each request, also in methods that make several
// calls.
func TestOperationIsSeenByRoundTrippers(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		recorder := newSimulatorRecorder(t, simulator.Config{ReviewDelay: time.Second, Quirks: simulator.Quirks{EmptyAnswers: true}})
		var seen []string
		recorder.net.Start()
		client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL("http://127.0.0.1"), idngo.WithHTTPClient(&http.Client{
			Transport: faultnet.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
				seen = append(seen, idngo.OperationFromContext(r.Context()))
				return recorder.net.Transport.RoundTrip(r)
			}),
		}))
		require.NoError(t, err)
		take := func() string {
			text := strings.Join(seen, " ")
			seen = nil
			return text
		}
		ctx := t.Context()
		action, err := client.EnsureAction(ctx, simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"))
		require.NoError(t, err)
		assert.Equal(t, "ListActions CreateAction ListActions", take())
		image, err := client.AddImage(ctx, action.ID, faultnet.SelfieOf(faultnet.ImageContent))
		require.NoError(t, err)
		assert.Equal(t, "AddImage", take())
		_, err = client.DownloadImage(ctx, action.ID, image.ImageID, io.Discard, idngo.ImageParams{})
		require.NoError(t, err)
		assert.Equal(t, "OpenImage", take())
		_, err = client.SubmitAction(ctx, action.ID)
		require.NoError(t, err)
		assert.Equal(t, "SubmitAction GetAction", take())
		_, err = client.WaitForReview(ctx, action.ID, idngo.WaitParams{MinInterval: 2 * time.Second})
		require.NoError(t, err)
		assert.Equal(t, "GetAction GetAction", take())
		_, err = client.ConfirmAction(ctx, action.ID, idngo.ActionExpectation{ApplicantID: simulator.DefaultApplicantID})
		require.NoError(t, err)
		assert.Equal(t, "GetAction", take())
		for _, err := range client.AllActions(ctx, simulator.DefaultApplicantID, idngo.ListActionsParams{}) {
			require.NoError(t, err)
		}
		assert.Equal(t, "ListActions", take())
		require.NoError(t, simulatorCalls(action.ID, string(image.ImageID))["CreateAccessToken"](ctx, client))
		require.NoError(t, simulatorCalls(action.ID, string(image.ImageID))["CreateWebSDKLink"](ctx, client))
		assert.Equal(t, "CreateAccessToken CreateWebSDKLink", take())
		require.NoError(t, client.Do(ctx, "GET", "/resources/applicantActions/"+action.ID+"/one", nil, nil, nil))
		assert.Equal(t, "Do", take())
		assert.Empty(t, idngo.OperationFromContext(ctx))
	})
}
