package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// The tests of this file check the calls of Progress: arguments, times and goroutines.

// assertProgress checks the calls of Progress during one call of AddImage. Its last attempt has the
// number attempts and sent everything.
func assertProgress(t *testing.T, told []idngo.UploadProgress, size int64, attempts int) {
	t.Helper()
	require.NotEmpty(t, told)
	assert.Equal(t, idngo.UploadProgress{Sent: 0, Total: size, Attempt: 1}, told[0])
	assert.Equal(t, idngo.UploadProgress{Sent: size, Total: size, Attempt: attempts}, told[len(told)-1])
	for i, p := range told {
		assert.Equal(t, size, p.Total)
		if i == 0 {
			continue
		}
		if before := told[i-1]; p.Attempt == before.Attempt {
			assert.Greater(t, p.Sent, before.Sent, "monotonic")
		} else {
			assert.Equal(t, before.Attempt+1, p.Attempt)
			assert.Zero(t, p.Sent, "a new attempt begins at 0")
		}
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		size     int
		script   []simulator.Fault
		attempts int
		ends     int // the number of attempts that sent everything
	}{
		"small": {size: 1, attempts: 1, ends: 1},
		"large": {size: faultnet.Count(10, 4, 1) << 20, attempts: 1, ends: 1},
		"tried again": {
			size: 1 << 20, script: []simulator.Fault{{Kind: simulator.FaultStatus, Status: 429}, {Kind: simulator.FaultStatus, Status: 429}},
			attempts: 3, ends: 3,
		},
		"not read at first": {
			size: faultnet.Count(30, 16, 16) << 20, script: []simulator.Fault{{Kind: simulator.FaultEarlyStatus, Status: 429}},
			attempts: 2, ends: 1,
		},
	} {
		for kind, source := range faultnet.ImageSources(t, faultnet.Noise(tt.size)) {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				client, service := faultnet.StartSimulator(t, simulator.Config{}, faultnet.RetryAtOnce(3))
				action := faultnet.CreateSimulatorAction(t, client)
				require.NoError(t, service.SetFaults(&simulator.Faults{Script: tt.script}))
				var told []idngo.UploadProgress // the race detector shows that no lock is needed
				params := faultnet.Selfie(source())
				params.Progress = func(u idngo.UploadProgress) { told = append(told, u) }
				_, err := client.AddImage(t.Context(), action, params)
				require.NoError(t, err)
				assertProgress(t, told, int64(tt.size), tt.attempts)
				begins, ends := 0, 0
				for _, u := range told {
					if u.Sent == 0 {
						begins++
					}
					if u.Sent == u.Total {
						ends++
					}
				}
				assert.Equal(t, tt.attempts, begins)
				assert.Equal(t, tt.ends, ends)
			})
		}
	}
}

// An empty image is complete at the first call of Progress, so there is only one call.
func TestProgressOfAnEmptyImage(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	faultnet.Respond(t, mock, http.MethodPost, faultnet.UploadTarget, http.StatusOK, faultnet.ImageJSON)
	var told []idngo.UploadProgress
	params := faultnet.Selfie(idngo.ImageBytes("face.jpg", nil))
	params.Progress = func(u idngo.UploadProgress) { told = append(told, u) }
	_, err := client.AddImage(t.Context(), "a1", params)
	require.NoError(t, err)
	assert.Equal(t, []idngo.UploadProgress{{Attempt: 1}}, told)
}

// Progress is called about 20 times a second, and never more often, on a line of any speed. On a
// slow line it is called whenever bytes are sent.
func TestProgressKeepsTime(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	for name, line := range map[string]struct {
		piece int
		every time.Duration
		calls [2]int // the smallest and the largest number of calls in a second
	}{
		"100 KiB/s":     {piece: 1 << 10, every: 10 * time.Millisecond, calls: [2]int{3, 20}},
		"a beat":        {piece: 64 << 10, every: time.Second, calls: [2]int{0, 20}},
		"1 KiB/s":       {piece: 1 << 10, every: time.Second, calls: [2]int{0, 1}},
		"1 MiB/s":       {piece: 1 << 10, every: time.Millisecond, calls: [2]int{14, 20}},
		"10 MiB/s":      {piece: 1 << 10, every: 100 * time.Microsecond, calls: [2]int{15, 20}},
		"without limit": {piece: 1 << 20, every: 0, calls: [2]int{0, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.AnyStamp = true
				network.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
					_, _ = io.CopyBuffer(
						struct{ io.Writer }{io.Discard}, &slowReader{Reader: r.Body, n: line.piece, delay: line.every}, make([]byte, line.piece),
					)
					faultnet.Answer(w, r)
					return true
				}
				var told []idngo.UploadProgress
				var at []time.Time
				params := faultnet.Selfie(idngo.ImageBytes("face.jpg", faultnet.Noise(size)))
				params.Progress = func(u idngo.UploadProgress) { told, at = append(told, u), append(at, time.Now()) }
				begun := time.Now()
				_, err := network.Client().AddImage(t.Context(), "a1", params)
				require.NoError(t, err)
				seconds := time.Since(begun).Seconds()
				assertProgress(t, told, size, 1)
				assert.GreaterOrEqual(t, float64(len(told)), float64(line.calls[0])*seconds)
				assert.LessOrEqual(t, float64(len(told)), float64(line.calls[1])*seconds+2, "the calls at 0 and at the end")
				for i := 1; i < len(at)-1; i++ {
					assert.GreaterOrEqual(t, at[i].Sub(at[i-1]), 50*time.Millisecond)
				}
				// Progress is also called while the network takes no more bytes at once.
				if line.every == time.Second {
					for i := 1; i < len(at); i++ {
						assert.LessOrEqual(t, at[i].Sub(at[i-1]), 70*time.Second)
					}
				}
			})
		})
	}
}

// Two attempts overlap. Progress is still called by one goroutine at a time, in order, and only for
// the newer attempt.
func TestProgressIsNeverConcurrent(t *testing.T) {
	t.Parallel()
	source := newOverlap(faultnet.Noise(4 << 20))
	var attempts atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if attempts.Add(1) == 1 {
			_, _ = io.CopyN(io.Discard, r.Body, 2<<20)
			<-source.stopped
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		if attempts.Load() == 2 {
			close(source.released) // the first attempt continues to read during this one
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, faultnet.ImageJSON)
	}))
	defer server.Close()
	client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(server.URL), faultnet.RetryAtOnce(2))
	require.NoError(t, err)
	var told []idngo.UploadProgress
	var inside atomic.Int32
	params := source.params()
	params.Progress = func(u idngo.UploadProgress) {
		assert.EqualValues(t, 1, inside.Add(1))
		source.sending.Store(true)
		told = append(told, u)
		runtime.Gosched()
		inside.Add(-1)
	}
	_, err = client.AddImage(t.Context(), "a1", params)
	require.NoError(t, err)
	assertProgress(t, told, 4<<20, 2)
}

// Progress is not called after AddImage has returned, whatever AddImage returned and even if the
// transport still reads.
func TestProgressIsNotCalledAfterwards(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection lost")
	for name, result := range map[string]func() (*http.Response, error){
		"answered": func() (*http.Response, error) { return httpmock.NewStringResponse(200, faultnet.ImageJSON), nil },
		"refused":  func() (*http.Response, error) { return httpmock.NewStringResponse(400, ""), nil },
		"lost":     func() (*http.Response, error) { return nil, broken },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stop, stopped := make(chan struct{}), make(chan struct{})
			client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				half := make(chan struct{})
				go func() {
					defer close(stopped)
					_, _ = io.CopyN(io.Discard, req.Body, 500_000)
					close(half)
					for {
						select {
						case <-stop:
							return
						default:
							_, _ = req.Body.Read(make([]byte, 100))
						}
					}
				}()
				<-half
				return result()
			}), faultnet.OneAttempt())
			var returned atomic.Bool
			params := faultnet.Selfie(idngo.ImageBytes("face.jpg", faultnet.Noise(1<<20)))
			params.Progress = func(idngo.UploadProgress) { assert.False(t, returned.Load()) }
			_, _ = client.AddImage(t.Context(), "a1", params)
			returned.Store(true)
			for range 100 {
				runtime.Gosched()
			}
			close(stop)
			<-stopped
		})
	}
}

// A slow callback slows down only its own upload. The timeout does not count its time, and other
// calls of the client continue.
func TestSlowProgress(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.AnyStamp = true
		client := network.Client(idngo.WithTimeout(time.Second))
		params := faultnet.Selfie(idngo.ImageBytes("face.jpg", faultnet.Noise(200_000)))
		calls := 0
		params.Progress = func(u idngo.UploadProgress) {
			calls++
			begun := time.Now()
			require.NoError(t, faultnet.AddImage.Call(t.Context(), client), "another upload, from the callback itself")
			require.NoError(t, faultnet.GetAction.Call(t.Context(), client))
			assert.Zero(t, time.Since(begun))
			time.Sleep(time.Minute)
		}
		begun := time.Now()
		_, err := client.AddImage(t.Context(), "a1", params)
		require.NoError(t, err)
		assert.Equal(t, time.Duration(calls)*time.Minute, time.Since(begun))
		assert.GreaterOrEqual(t, calls, 3)
	})
}

// A panic of the callback reaches the caller of AddImage, from any call of Progress and any
// attempt. It leaves no goroutine behind: the bubble would not end.
func TestProgressPanics(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for name, tt := range map[string]struct {
		at       func(u idngo.UploadProgress) bool
		requests int
	}{
		"at 0":            {at: func(idngo.UploadProgress) bool { return true }, requests: 0},
		"in the middle":   {at: func(u idngo.UploadProgress) bool { return u.Sent > 0 && u.Attempt == 1 }, requests: 1},
		"at the end":      {at: func(u idngo.UploadProgress) bool { return u.Sent == u.Total && u.Attempt == 1 }, requests: 1},
		"second, at 0":    {at: func(u idngo.UploadProgress) bool { return u.Attempt == 2 }, requests: 1},
		"second, at last": {at: func(u idngo.UploadProgress) bool { return u.Attempt == 2 && u.Sent == u.Total }, requests: 2},
	} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
					_, _ = io.Copy(io.Discard, r.Body)
					if number == 1 {
						w.WriteHeader(http.StatusTooManyRequests)
						return true
					}
					return false
				}
				client := network.Client(faultnet.RetryAtOnce(3))
				var called atomic.Int32
				params := faultnet.Selfie(idngo.ImageBytes("face.jpg", faultnet.Noise(1<<20)))
				params.Progress = func(u idngo.UploadProgress) {
					if tt.at(u) {
						called.Add(1)
						panic(boom)
					}
				}
				assert.PanicsWithValue(t, boom, func() { _, _ = client.AddImage(t.Context(), "a1", params) })
				synctest.Wait()
				assert.EqualValues(t, 1, called.Load(), "not called again")
				assert.Len(t, network.Seen(), tt.requests)
				require.NoError(t, faultnet.AddImage.Call(t.Context(), client), "the client is as good as before")
			})
		})
	}
}

// Progress is not called again after its panic, even if the transport continues to read.
func TestProgressIsNotCalledAfterItsPanic(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			_, _ = io.CopyN(io.Discard, req.Body, 100_000)
			time.Sleep(time.Second)
			_, _ = io.Copy(io.Discard, req.Body)
			return nil, req.Context().Err()
		}))
		calls := 0
		params := faultnet.Selfie(idngo.ImageBytes("face.jpg", faultnet.Noise(1<<20)))
		params.Progress = func(u idngo.UploadProgress) {
			if calls++; u.Sent > 0 {
				panic("boom")
			}
		}
		assert.PanicsWithValue(t, "boom", func() { _, _ = client.AddImage(t.Context(), "a1", params) })
		assert.Equal(t, 2, calls)
	})
}

// If the callback ends its goroutine, as a failed assertion in a test does, the goroutine of the
// caller ends too.
func TestProgressExits(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(u idngo.UploadProgress) bool{
		"at 0":  func(u idngo.UploadProgress) bool { return u.Sent == 0 },
		"later": func(u idngo.UploadProgress) bool { return u.Sent > 0 },
	} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				client := network.Client()
				params := faultnet.Selfie(idngo.ImageBytes("face.jpg", faultnet.Noise(1<<20)))
				params.Progress = func(u idngo.UploadProgress) {
					if at(u) {
						runtime.Goexit()
					}
				}
				exited := true
				var wg sync.WaitGroup
				wg.Go(func() {
					_, _ = client.AddImage(t.Context(), "a1", params)
					exited = false
				})
				wg.Wait()
				assert.True(t, exited)
			})
		})
	}
}

// A callback may end the context of the call.
func TestProgressCancels(t *testing.T) {
	t.Parallel()
	cause := errors.New("the user pressed cancel")
	for name, tt := range map[string]struct {
		at       func(u idngo.UploadProgress) bool
		requests int
		unknown  bool
	}{
		"at 0":          {at: func(u idngo.UploadProgress) bool { return u.Sent == 0 }, requests: 0},
		"in the middle": {at: func(u idngo.UploadProgress) bool { return u.Sent > 0 }, requests: 1, unknown: true},
		"at the end":    {at: func(u idngo.UploadProgress) bool { return u.Sent == u.Total }, requests: 1, unknown: true},
	} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
					_, _ = io.Copy(io.Discard, r.Body)
					<-r.Context().Done()
					panic(http.ErrAbortHandler)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				params := faultnet.Selfie(idngo.ImageReader("face.jpg", bytes.NewReader(faultnet.Noise(1<<20))))
				params.Progress = func(u idngo.UploadProgress) {
					if tt.at(u) {
						cancel(cause)
					}
				}
				_, err := network.Client().AddImage(ctx, "a1", params, idngo.WithIdempotent())
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, cause)
				assert.Equal(t, tt.unknown, errors.Is(err, idngo.ErrOutcomeUnknown))
				synctest.Wait()
				assert.Len(t, network.Seen(), tt.requests)
			})
		})
	}
}
