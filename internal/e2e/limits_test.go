package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// A huge error body costs little memory, and the error has the status of the answer.
//
//nolint:paralleltest // it measures allocation
func TestHugeErrorBodyCostsLittle(t *testing.T) {
	const size = 256 << 20
	for _, declared := range []int64{size, -1} {
		for _, op := range faultnet.Operations {
			body := &faultnet.Body{Reader: io.LimitReader(faultnet.Endless('x'), size)}
			client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL("http://127.0.0.1"), faultnet.OneAttempt(),
				idngo.WithHTTPClient(&http.Client{
					Transport: faultnet.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
						return &http.Response{StatusCode: 500, Header: http.Header{}, Body: body, ContentLength: declared, Request: r}, nil
					}),
				}))
			require.NoError(t, err)
			var res idngo.Response
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err = op.Call(t.Context(), client, idngo.WithResponse(&res))
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, idngo.ErrServer)
			cost := after.TotalAlloc - before.TotalAlloc
			assert.Less(t, cost, uint64(1<<20), op.Key())
			t.Logf("%s, Content-Length %d: %d KiB allocated", op.Key(), declared, cost>>10)
			assert.Positive(t, body.Closes())
			assert.Less(t, body.BytesRead(), int64(512<<10), "what is read of it is bounded")
			assert.Len(t, res.Body, 64<<10)
			assert.Less(t, len(err.Error()), 1000)
		}
	}
}

// This is the same over a network. The memory of the server counts too.
//
//nolint:paralleltest // it measures allocation
func TestHugeErrorBodyOverLoopback(t *testing.T) {
	piece := make([]byte, 64<<10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusBadGateway)
		for range 256 << 20 / len(piece) {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(server.URL), faultnet.OneAttempt())
	require.NoError(t, err)
	require.Error(t, faultnet.GetAction.Call(t.Context(), client))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err = faultnet.GetAction.Call(t.Context(), client)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, idngo.ErrServer)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	t.Logf("%d KiB allocated", (after.TotalAlloc-before.TotalAlloc)>>10)
}

// The client accepts 10 MiB of JSON and refuses one byte more. It does not read a body whose
// announced length is too large.
func TestJSONLimit(t *testing.T) {
	t.Parallel()
	const limit = 10 << 20
	answers := func(size int) string {
		return `{"id":"5e02f6b1","token":"t","url":"u","items":[],"totalItems":0,"imageId":"1","pad":"` + strings.Repeat("x", size)
	}
	for _, op := range []faultnet.Operation{faultnet.GetAction, faultnet.CreateAction} {
		t.Run(op.Key(), func(t *testing.T) {
			head := answers(0) + `"}`
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				watch := &faultnet.BodyWatch{Next: network.Transport}
				client := network.Client(idngo.WithHTTPClient(&http.Client{Transport: watch}))
				for _, declared := range []bool{true, false} {
					for extra, fits := range map[int]bool{0: true, 1: false} {
						whole := answers(limit-len(head)+extra) + `"}`
						network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) {
							if declared {
								w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
							}
							_, _ = io.WriteString(w, whole)
						})
						var res idngo.Response
						err := op.Call(t.Context(), client, idngo.WithResponse(&res))
						if fits {
							require.NoError(t, err)
							assert.Len(t, res.Body, limit)
							continue
						}
						require.ErrorIs(t, err, idngo.ErrResponseTooLarge)
						assert.Equal(t, op.NotIdempotent, errors.Is(err, idngo.ErrOutcomeUnknown))
						assert.Equal(t, 1, res.Attempts)
						assert.Equal(t, 200, res.StatusCode)
						assert.Empty(t, res.Body)
					}
				}
				assert.Equal(t, watch.Opened.Load(), watch.Closed.Load())
			})
		})
	}
}

// The client does not allocate a length that is only announced.
//
//nolint:paralleltest // it measures allocation
func TestAnnouncedLengthIsNotAllocated(t *testing.T) {
	for _, status := range []int{200, 500} {
		client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL("http://127.0.0.1"), faultnet.OneAttempt(),
			idngo.WithHTTPClient(&http.Client{
				Transport: faultnet.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
					return &http.Response{
						StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), ContentLength: 9 << 20, Request: r,
					}, nil
				}),
			}))
		require.NoError(t, err)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = faultnet.GetAction.Call(t.Context(), client)
		runtime.ReadMemStats(&after)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<20))
	}
}

// writeEndlessly writes until the client has gone: as fast as the client reads, or one byte a
// second.
func writeEndlessly(w http.ResponseWriter, r *http.Request, slow bool) {
	piece := []byte(strings.Repeat("x", 32<<10))
	if slow {
		piece = piece[:1]
	}
	for r.Context().Err() == nil {
		if _, err := w.Write(piece); err != nil || http.NewResponseController(w).Flush() != nil {
			break
		}
		if slow {
			time.Sleep(time.Second)
		}
	}
	panic(http.ErrAbortHandler)
}

// If a body never ends, the call ends within the timeout. It reads a limited number of bytes.
func TestEndlessBody(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 400, 500, 302} {
		for _, slow := range []bool{false, true} {
			for _, op := range operationsOf(t) {
				if op.Name == "OpenImage" && status == 200 {
					continue
				}
				t.Run(fmt.Sprintf("%d, slow %v, %s", status, slow, op.Key()), func(t *testing.T) {
					faultnet.InBubble(t, func(t *testing.T) {
						network := faultnet.New(t)
						network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, r *http.Request) {
							w.WriteHeader(status)
							writeEndlessly(w, r, slow)
						})
						watch := &faultnet.BodyWatch{Next: network.Transport}
						client := network.Client(faultnet.OneAttempt(), idngo.WithHTTPClient(&http.Client{Transport: watch}))
						begin := time.Now()
						err := op.Call(t.Context(), client)
						switch {
						case status != 200:
							var api *idngo.APIError
							require.ErrorAs(t, err, &api)
							assert.Equal(t, status, api.StatusCode)
						case slow:
							require.ErrorIs(t, err, context.DeadlineExceeded)
						default:
							require.ErrorIs(t, err, idngo.ErrResponseTooLarge)
						}
						assert.LessOrEqual(t, time.Since(begin), 31*time.Second)
						if !slow {
							assert.LessOrEqual(t, time.Since(begin), time.Second)
						}
						assert.LessOrEqual(t, watch.Read.Load(), int64(11<<20))
						if status != 200 {
							assert.LessOrEqual(t, watch.Read.Load(), int64(512<<10))
						}
						assert.Equal(t, watch.Opened.Load(), watch.Closed.Load())
						time.Sleep(2 * time.Second) // the server notices the end within this time
						synctest.Wait()
						assert.Zero(t, network.OpenConnections(), "the connection is not kept")
					})
				})
			}
		}
	}
}

// Whatever way the first attempt fails, every body is closed when the call returns. A goroutine
// that is left behind would fail the bubble.
func TestBodiesAreClosed(t *testing.T) {
	t.Parallel()
	for _, row := range failureRows() {
		if row.tls || row.contextEnds > 0 {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			for _, op := range operationsOf(t) {
				t.Run(op.Key(), func(t *testing.T) {
					faultnet.InBubble(t, func(t *testing.T) {
						network := faultnet.New(t)
						row.arrange(network)
						watch := &faultnet.BodyWatch{Next: network.Transport}
						client := network.Client(idngo.WithHTTPClient(&http.Client{Transport: watch}))
						_ = op.Call(t.Context(), client)
						assert.Equal(t, watch.Opened.Load(), watch.Closed.Load())
					})
				})
			}
		})
	}
}

// The client reads a short body to its end, so that it can use the connection again.
func TestErrorsKeepTheConnection(t *testing.T) {
	t.Parallel()
	for size, kept := range map[int]bool{0: true, 100: true, 64 << 10: true, 300 << 10: true, 2 << 20: false} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Length", strconv.Itoa(size))
					w.WriteHeader(400)
					_, _ = io.CopyN(w, faultnet.Endless(' '), int64(size))
				})
				client := network.Client()
				for range 5 {
					for _, op := range faultnet.Operations {
						require.Error(t, op.Call(t.Context(), client))
					}
				}
				if kept {
					assert.Equal(t, 1, network.Dialed())
				} else {
					assert.Equal(t, 5*len(faultnet.Operations), network.Dialed())
				}
			})
		})
	}
}

// 1,000 failing calls of all kinds, 64 at a time, leave no more open connections than a transport
// keeps idle.
func TestFailingCallsLeaveNoConnections(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.Transport.MaxIdleConnsPerHost = 8
		network.OnRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
			if number%7 != 0 {
				_, _ = io.Copy(io.Discard, r.Body)
			}
			switch number % 10 {
			case 0:
				faultnet.Refuse(w, 500, 0, "no")
			case 1:
				faultnet.Refuse(w, 400, 1005, strings.Repeat("x", 100<<10))
			case 2:
				faultnet.CutConnection(w)
			case 3:
				faultnet.WriteRaw(w, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
			case 4:
				faultnet.WriteText("garbage")(w)
			case 5:
				faultnet.Refusal(302, 0, "Location", "http://127.0.0.1/")(w)
			case 6:
				w.WriteHeader(403)
				writeEndlessly(w, r, false)
			case 7:
				w.Header().Set("Content-Length", "20000000")
				_, _ = io.CopyN(w, faultnet.Endless(' '), 20_000_000)
			case 8:
				faultnet.NeverAnswer(w, r)
			case 9:
				faultnet.Refuse(w, 401, 4003, "no")
			}
			return true
		}
		client := network.Client(faultnet.OneAttempt())
		jobs := make(chan int)
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for i := range jobs {
					_ = faultnet.Operations[i%len(faultnet.Operations)].Call(t.Context(), client)
				}
			})
		}
		calls := faultnet.Count(1000, 1000, 200)
		for i := range calls {
			jobs <- i
		}
		close(jobs)
		wg.Wait()
		synctest.Wait()
		assert.LessOrEqual(t, network.OpenConnections(), 8)
		assert.GreaterOrEqual(t, len(network.Seen()), calls)
	})
}

// The transport that a client has by default keeps idle connections and uses them again.
func TestFailingCallsOverLoopback(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	open, most := map[net.Conn]bool{}, 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		faultnet.Refuse(w, 500, 0, strings.Repeat("x", 5_000))
	}))
	server.Config.ConnState = func(c net.Conn, s http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		switch s {
		case http.StateNew:
			open[c] = true
		case http.StateClosed, http.StateHijacked:
			delete(open, c)
		}
		most = max(most, len(open))
	}
	server.Start()
	defer server.Close()
	client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(server.URL), faultnet.OneAttempt())
	require.NoError(t, err)
	var wg sync.WaitGroup
	jobs := make(chan int)
	for range 16 {
		wg.Go(func() {
			for i := range jobs {
				assert.ErrorIs(t, faultnet.Operations[i%len(faultnet.Operations)].Call(t.Context(), client), idngo.ErrServer)
			}
		})
	}
	for i := range 1000 {
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	// net/http may dial for a request that then gets another connection.
	assert.LessOrEqual(t, most, 64, "connections are used again: 1,000 calls, 16 at a time")
}

// A redirect delivers nothing to its target: no header, no byte and no connection.
func TestRedirectDeliversNothing(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	elsewhere := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	elsewhere.Config.ConnState = func(net.Conn, http.ConnState) { reached.Add(1) }
	elsewhere.Start()
	defer elsewhere.Close()
	for _, status := range []int{300, 301, 302, 303, 305, 306, 307, 308, 399} {
		for _, jar := range []bool{false, true} {
			var requests atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				if strings.HasPrefix(r.URL.Path, "/elsewhere") {
					reached.Add(1)
				}
				target := elsewhere.URL + r.URL.RequestURI()
				if requests.Load()%2 == 0 {
					target = "/elsewhere" + r.URL.RequestURI()
				}
				w.Header().Set("Location", target)
				w.WriteHeader(status)
			}))
			httpClient := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }} // it allows every redirect
			if jar {
				httpClient.Transport = http.DefaultTransport
			}
			client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(server.URL), idngo.WithHTTPClient(httpClient))
			require.NoError(t, err)
			for _, op := range faultnet.Operations {
				for range 2 {
					err := op.Call(t.Context(), client)
					require.ErrorIs(t, err, idngo.ErrRedirect)
					require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)
					var api *idngo.APIError
					require.ErrorAs(t, err, &api)
					assert.Equal(t, status, api.StatusCode)
					assert.Equal(t, 1, api.Attempts)
					assert.Contains(t, err.Error(), "redirect to 127.0.0.1:")
				}
			}
			assert.Equal(t, int64(2*len(faultnet.Operations)), requests.Load())
			server.Close()
		}
	}
	assert.Zero(t, reached.Load())
}

// An announced length is only a hint. A transport may announce a wrong length, and the answer to
// HEAD has none of the bytes that it announces.
func TestAnnouncedLengths(t *testing.T) {
	t.Parallel()
	answer := func(announced int64, body io.Reader) *idngo.Client {
		return faultnet.NewClient(t, faultnet.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, ContentLength: announced, Body: io.NopCloser(body)}, nil
		}), faultnet.OneAttempt())
	}
	long := `{"id":"` + strings.Repeat("x", 5000) + `"}`
	for _, announced := range []int64{-1, 0, 3, 100, int64(len(long)), 5 << 20} {
		action, err := answer(announced, strings.NewReader(long)).GetAction(t.Context(), strings.Repeat("x", 5000))
		require.NoError(t, err, announced)
		assert.Len(t, action.ID, 5000, announced)
	}
	for _, announced := range []int64{-1, 0, 3, 5 << 20, 11 << 20} {
		_, err := answer(announced, faultnet.Endless(0)).GetAction(t.Context(), "a1")
		require.ErrorIs(t, err, idngo.ErrResponseTooLarge, announced)
	}
	var body []byte
	require.NoError(t, answer(11<<20, http.NoBody).Do(t.Context(), http.MethodHead, "/x", nil, nil, &body))
	assert.Empty(t, body)
}

// If the context ends during the wait of a limiter that returns no error, nothing is sent.
func TestLimiterThatOutlastsTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		t.Error("sent")
		return nil, errors.New("no")
	}), idngo.WithRateLimiter(faultnet.LimiterFunc(func(context.Context) error { cancel(); return nil })))
	_, err := client.CreateAction(ctx, "app-1", faultnet.FaceAuthorization("ext-1"))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)
}
