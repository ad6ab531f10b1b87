package e2e_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// newSkewedSimulator returns a simulator whose clock is off, and an action in it that has an image.
func newSkewedSimulator(t *testing.T, off time.Duration) (network *faultnet.Network, server *simulator.Server, actionID, imageID string) {
	t.Helper()
	network, server = faultnet.NewSimulator(t, simulator.Config{Clock: func() time.Time { return time.Now().Add(off) }})
	right := network.Client(idngo.WithClock(func() time.Time { return time.Now().Add(off) }))
	action, err := right.CreateAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-0"))
	require.NoError(t, err)
	image, err := right.AddImage(t.Context(), action.ID, faultnet.SelfieOf("the first image"))
	require.NoError(t, err)
	return network, server, action.ID, string(image.ImageID)
}

// simulatorCalls returns calls that a simulator with this action and image answers.
func simulatorCalls(actionID, imageID string) map[string]func(context.Context, *idngo.Client, ...idngo.RequestOption) error {
	return map[string]func(context.Context, *idngo.Client, ...idngo.RequestOption) error{
		"CreateAction": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.CreateAction(ctx, simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"), opts...)
			return err
		},
		"AddImage": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.AddImage(ctx, actionID, faultnet.SelfieOf(faultnet.ImageContent+time.Now().String()), opts...)
			return err
		},
		"SubmitAction": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.SubmitAction(ctx, actionID, opts...)
			return err
		},
		"GetAction": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.GetAction(ctx, actionID, opts...)
			return err
		},
		"ListActions": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.ListActions(ctx, simulator.DefaultApplicantID, idngo.ListActionsParams{}, opts...)
			return err
		},
		"OpenImage": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			content, err := client.OpenImage(ctx, actionID, idngo.ImageID(imageID), idngo.ImageParams{}, opts...)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, content)
			return errors.Join(err, content.Close())
		},
		"Do": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			return client.Do(ctx, http.MethodGet, "/resources/applicantActions/"+actionID+"/one", nil, nil, nil, opts...)
		},
		"GetApplicant": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.GetApplicant(ctx, simulator.DefaultApplicantID, opts...)
			return err
		},
		"FindApplicant": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.FindApplicant(ctx, simulator.DefaultExternalUserID, opts...)
			return err
		},
		"CreateAccessToken": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.CreateAccessToken(ctx, idngo.AccessTokenParams{
				UserID: simulator.DefaultExternalUserID, LevelName: simulator.LevelFaceAuth,
			}, opts...)
			return err
		},
		"CreateWebSDKLink": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{
				ExternalUserID: simulator.DefaultExternalUserID, ExternalActionID: "ext-2", LevelName: simulator.LevelFaceAuth,
			}, opts...)
			return err
		},
	}
}

// If the service's clock is off by 10 minutes, the first call of a client takes two attempts and
// the second call takes one. This holds for every call, and nothing is done twice.
func TestClockIsLearned(t *testing.T) {
	for name := range simulatorCalls("", "") {
		for _, off := range []time.Duration{10 * time.Minute, -10 * time.Minute, 100 * 24 * time.Hour} {
			t.Run(name+" "+off.String(), func(t *testing.T) {
				faultnet.InBubble(t, func(t *testing.T) {
					network, service, actionID, imageID := newSkewedSimulator(t, off)
					var log faultnet.Log
					client := network.Client(idngo.WithLogger(log.Logger()))
					call := simulatorCalls(actionID, imageID)[name]
					var res idngo.Response
					begin := time.Now()
					require.NoError(t, call(t.Context(), client, idngo.WithResponse(&res)))
					assert.Equal(t, 2, res.Attempts)
					assert.Zero(t, time.Since(begin), "at once")
					assert.Equal(t, 1, service.Stats().RefusedTimestamps)
					time.Sleep(time.Second)
					require.NoError(t, call(t.Context(), client, idngo.WithResponse(&res)))
					assert.Equal(t, 1, res.Attempts)
					assert.Equal(t, 1, service.Stats().RefusedTimestamps)
					assert.Zero(t, service.Stats().RefusedSignatures)
					lines := log.With("clock")
					require.Len(t, lines, 1, "logged once")
					assert.Contains(t, lines[0], "level=WARN")
					assert.Contains(t, lines[0], "offset="+off.String())
					switch name {
					case "CreateAction":
						assert.Len(t, service.Actions(), 3)
					case "AddImage":
						assert.Len(t, service.Images(actionID), 3)
					case "SubmitAction":
						assert.Equal(t, 2, service.Actions()[0].Submits)
					}
				})
			})
		}
	}
}

// 64 first calls at once learn the offset and log it once.
func TestClockIsLoggedOnce(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network, service, actionID, _ := newSkewedSimulator(t, 10*time.Minute)
		var log faultnet.Log
		client := network.Client(idngo.WithLogger(log.Logger()))
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				_, err := client.GetAction(t.Context(), actionID)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.Len(t, log.With("clock"), 1)
		assert.LessOrEqual(t, service.Stats().RefusedTimestamps, 64)
		before := service.Stats().RefusedTimestamps
		for range 64 {
			wg.Go(func() {
				_, err := client.GetAction(t.Context(), actionID)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.Equal(t, before, service.Stats().RefusedTimestamps)
		assert.Len(t, log.With("clock"), 1)
	})
}

// A client with MaxAttempts 1 fails its first call, but still learns the offset from it.
func TestClockWithOneAttempt(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network, _, actionID, imageID := newSkewedSimulator(t, -10*time.Minute)
		client := network.Client(faultnet.OneAttempt())
		for name, call := range simulatorCalls(actionID, imageID) {
			err := call(t.Context(), network.Client(faultnet.OneAttempt()))
			require.ErrorIs(t, err, idngo.ErrTimestampExpired, name)
			require.ErrorIs(t, err, idngo.ErrUnauthorized, name)
			require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown, name)
		}
		_, err := client.GetAction(t.Context(), actionID)
		require.ErrorIs(t, err, idngo.ErrTimestampExpired)
		_, err = client.GetAction(t.Context(), actionID)
		require.NoError(t, err)
	})
}

// The offset belongs to the client that has learned it.
func TestClockOffsetIsTheClients(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network, service, actionID, _ := newSkewedSimulator(t, 10*time.Minute)
		for range 2 {
			client := network.Client()
			for range 2 {
				_, err := client.GetAction(t.Context(), actionID)
				require.NoError(t, err)
			}
		}
		assert.Equal(t, 2, service.Stats().RefusedTimestamps)
	})
}

// clockServer compares a stamp with its own clock, as the service does. A test can make it show
// another clock in Date.
type clockServer struct {
	skew   time.Duration // the offset of the clock that stamps are compared with
	shows  time.Duration // the offset of the clock in Date
	noDate bool
	age    string
	code   int           // the code of a refusal
	slow   time.Duration // the delay of an answer
	ok     int           // the status of an answer that is no refusal
	any    bool          // nothing is refused
	seen   []time.Duration
}

// handle refuses a request whose timestamp is too far from the clock of the server.
func (s *clockServer) handle(_ int, w http.ResponseWriter, r *http.Request) bool {
	_, _ = io.Copy(io.Discard, r.Body)
	seconds, _ := strconv.ParseInt(r.Header.Get("X-App-Access-Ts"), 10, 64)
	off := time.Unix(seconds, 0).Sub(time.Now().Truncate(time.Second))
	s.seen = append(s.seen, off)
	if s.slow > 0 {
		time.Sleep(s.slow)
	}
	w.Header().Set("Date", time.Now().Add(s.shows).UTC().Format(http.TimeFormat))
	if s.noDate {
		w.Header()["Date"] = nil
	}
	if s.age != "" {
		w.Header().Set("Age", s.age)
	}
	switch {
	case !s.any && (off-s.skew).Abs() > time.Minute:
		faultnet.Refuse(w, 401, s.code, "no")
	case s.ok != 0:
		faultnet.Refuse(w, s.ok, 0, "no")
	default:
		faultnet.Answer(w, r)
	}
	return true
}

// newClockServer returns a network that is served by server.
func newClockServer(t *testing.T, server *clockServer) *faultnet.Network {
	network := faultnet.New(t)
	network.AnyStamp = true
	network.OnRequest = server.handle
	return network
}

// The client learns the clock only from the Date of a 401.
func TestClockIsLearnedFrom401Only(t *testing.T) {
	for _, status := range []int{0, 400, 403, 404, 429, 500, 503, 302} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				server := &clockServer{shows: time.Hour, ok: status}
				client := newClockServer(t, server).Client()
				for range 3 {
					_ = faultnet.GetAction.Call(t.Context(), client)
				}
				for _, off := range server.seen {
					assert.Zero(t, off)
				}
			})
		})
	}
}

func TestClockLearnsFromTheCodesOnly(t *testing.T) {
	tests := map[string]struct {
		server   clockServer
		attempts int
		learned  bool
	}{
		"4004":                     {server: clockServer{skew: time.Hour, shows: time.Hour, code: 4004}, attempts: 2, learned: true},
		"no code":                  {server: clockServer{skew: time.Hour, shows: time.Hour}, attempts: 2, learned: true},
		"another code":             {server: clockServer{skew: time.Hour, shows: time.Hour, code: 4003}, attempts: 1},
		"4004 without Date":        {server: clockServer{skew: time.Hour, noDate: true, code: 4004}, attempts: 2},
		"4004 from a cache":        {server: clockServer{skew: time.Hour, shows: time.Hour, code: 4004, age: "1"}, attempts: 2},
		"4004 from a cache, age 0": {server: clockServer{skew: time.Hour, shows: time.Hour, code: 4004, age: "0"}, attempts: 2},
		"no code, from a cache":    {server: clockServer{skew: time.Hour, shows: time.Hour, age: "7"}, attempts: 1},
		"4004 after 10 seconds": {
			server: clockServer{skew: time.Hour, shows: time.Hour, code: 4004, slow: 10 * time.Second}, attempts: 2, learned: true,
		},
		"4004 after 11 seconds":       {server: clockServer{skew: time.Hour, shows: time.Hour, code: 4004, slow: 11 * time.Second}, attempts: 2},
		"no code, after 11 seconds":   {server: clockServer{skew: time.Hour, shows: time.Hour, slow: 11 * time.Second}, attempts: 1},
		"no code, Date 30 s off":      {server: clockServer{skew: time.Hour, shows: 30 * time.Second}, attempts: 1},
		"no code, Date 31 s off":      {server: clockServer{skew: time.Hour, shows: 31 * time.Second}, attempts: 2, learned: true},
		"no code, Date 31 s behind":   {server: clockServer{skew: time.Hour, shows: -31 * time.Second}, attempts: 2, learned: true},
		"4004, Date 5 s off":          {server: clockServer{skew: time.Hour, shows: 5 * time.Second, code: 4004}, attempts: 2},
		"4004, Date 6 s off":          {server: clockServer{skew: time.Hour, shows: 6 * time.Second, code: 4004}, attempts: 2, learned: true},
		"4004, Date 6 s behind":       {server: clockServer{skew: time.Hour, shows: -6 * time.Second, code: 4004}, attempts: 2, learned: true},
		"4004, and the Date is right": {server: clockServer{skew: time.Hour, code: 4004}, attempts: 2},
	}
	for name, tt := range tests {
		for _, op := range []faultnet.Operation{faultnet.GetAction, faultnet.AddImage, faultnet.CreateAction, faultnet.DownloadImage} {
			t.Run(name+" "+op.Key(), func(t *testing.T) {
				faultnet.InBubble(t, func(t *testing.T) {
					s := tt.server
					network := newClockServer(t, &s)
					client := network.Client()
					var res idngo.Response
					err := op.Call(t.Context(), client, idngo.WithResponse(&res))
					assert.Equal(t, tt.attempts, res.Attempts)
					assert.Equal(t, tt.learned && s.skew == s.shows, err == nil)
					s.any = true
					require.NoError(t, op.Call(t.Context(), client))
					want := time.Duration(0)
					if tt.learned {
						want = s.shows
					}
					assert.Equal(t, want, s.seen[len(s.seen)-1])
				})
			})
		}
	}
}

// The client drops the learned offset when the clock of the service or of this machine is
// corrected.
func TestClockHeals(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		server := &clockServer{skew: time.Hour, shows: time.Hour, code: 4004}
		network := newClockServer(t, server)
		var log faultnet.Log
		client := network.Client(idngo.WithLogger(log.Logger()))
		get := func() time.Duration {
			t.Helper()
			require.NoError(t, faultnet.GetAction.Call(t.Context(), client))
			return server.seen[len(server.seen)-1]
		}
		assert.Equal(t, time.Hour, get())
		require.Len(t, log.With("clock"), 1)

		// A small difference changes nothing.
		server.shows = time.Hour + 5*time.Second
		assert.Equal(t, time.Hour, get())
		assert.Equal(t, time.Hour, get())
		server.shows = time.Hour - 5*time.Second
		assert.Equal(t, time.Hour, get())
		assert.Equal(t, time.Hour, get())
		require.Len(t, log.With("clock"), 1)

		// A larger difference changes the offset, also if the answer is a success.
		server.shows = time.Hour + 6*time.Second
		assert.Equal(t, time.Hour, get())
		assert.Equal(t, time.Hour+6*time.Second, get())

		// The Date of a cached answer changes nothing, and the Date of a slow answer changes nothing.
		server.age, server.shows = "100", 0
		assert.Equal(t, time.Hour+6*time.Second, get())
		assert.Equal(t, time.Hour+6*time.Second, get())
		server.age, server.slow = "", 11*time.Second
		assert.Equal(t, time.Hour+6*time.Second, get())
		server.slow = 0

		// An answer without a Date changes nothing.
		server.noDate = true
		assert.Equal(t, time.Hour+6*time.Second, get())
		assert.Equal(t, time.Hour+6*time.Second, get())
		server.noDate = false

		// The clock is right again.
		assert.Equal(t, time.Hour+6*time.Second, get())
		server.skew = 0
		assert.Zero(t, get())
		server.shows = 4 * time.Second // from then on the client ignores small differences
		assert.Zero(t, get())
		server.shows = time.Hour
		assert.Zero(t, get())
		assert.Zero(t, get())
		assert.Len(t, log.With("clock"), 3)
	})
}

// The client also drops the offset after a refusal: here the clock of the service has jumped back.
func TestClockHealsFromRefusals(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		server := &clockServer{skew: time.Hour, shows: time.Hour, code: 4004}
		network := newClockServer(t, server)
		client := network.Client()
		require.NoError(t, faultnet.GetAction.Call(t.Context(), client))
		server.skew, server.shows = 0, 0
		var res idngo.Response
		require.NoError(t, faultnet.CreateAction.Call(t.Context(), client, idngo.WithResponse(&res)))
		assert.Equal(t, 2, res.Attempts)
		require.NoError(t, faultnet.CreateAction.Call(t.Context(), client, idngo.WithResponse(&res)))
		assert.Equal(t, 1, res.Attempts)
		assert.Zero(t, server.seen[len(server.seen)-1])
	})
}

// The offset is added to the clock of WithClock.
func TestClockOfTheCaller(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		own := -time.Hour
		server := &clockServer{code: 4004}
		network := newClockServer(t, server)
		client := network.Client(idngo.WithClock(func() time.Time { return time.Now().Add(own) }))
		var res idngo.Response
		require.NoError(t, faultnet.GetAction.Call(t.Context(), client, idngo.WithResponse(&res)))
		assert.Equal(t, 2, res.Attempts)
		assert.Equal(t, []time.Duration{-time.Hour, 0}, server.seen)
		own = 0 // somebody has corrected this clock
		require.NoError(t, faultnet.GetAction.Call(t.Context(), client, idngo.WithResponse(&res)))
		assert.Equal(t, 2, res.Attempts, "the offset is wrong now")
		require.NoError(t, faultnet.GetAction.Call(t.Context(), client, idngo.WithResponse(&res)))
		assert.Equal(t, 1, res.Attempts)
		assert.Equal(t, []time.Duration{-time.Hour, 0, time.Hour, 0, 0}, server.seen)
	})
}

// The offset corrects stamps and the expiry of a token, which is meant for a phone with a correct
// clock. It does not change any other time.
func TestClockOffsetIsForStampsAndExpiry(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		server := &clockServer{skew: time.Hour, shows: time.Hour, code: 4004}
		network := newClockServer(t, server)
		client := network.Client()
		for range 2 {
			token, err := client.CreateAccessToken(t.Context(), idngo.AccessTokenParams{UserID: "user-1", LevelName: "lvl"})
			require.NoError(t, err)
			assert.Equal(t, time.Now().Add(time.Hour).Add(10*time.Minute), token.ExpiresAt)
		}

		// A Retry-After without a Date in the same answer is compared with the local clock.
		refused := false
		network.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if refused {
				return server.handle(0, w, r)
			}
			refused = true
			w.Header()["Date"] = nil
			faultnet.Refusal(429, 0, "Retry-After", time.Now().Add(20*time.Second).UTC().Format(http.TimeFormat))(w)
			return true
		}
		begin := time.Now()
		require.NoError(t, faultnet.GetAction.Call(t.Context(), client))
		assert.InDelta(t, 21*time.Second, time.Since(begin), float64(time.Second))
	})
}

// A wrong Date does no harm to a client whose stamps are accepted. A client that has learned a
// wrong offset corrects it.
func TestClockOfAGateway(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network, service := faultnet.NewSimulator(t, simulator.Config{})
		client := network.Client()
		require.NoError(t, service.SetFaults(&simulator.Faults{Chances: []simulator.Chance{
			{Fault: simulator.Fault{Kind: simulator.FaultWrongDate, Delay: -time.Hour}, Probability: 0.5},
		}}))
		for range 50 {
			_, err := client.ListActions(t.Context(), simulator.DefaultApplicantID, idngo.ListActionsParams{})
			require.NoError(t, err)
		}
		assert.Zero(t, service.Stats().RefusedTimestamps)
		synctest.Wait()
	})
}
