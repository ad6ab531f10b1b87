package e2e_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// The tests of this file make uploads go wrong: an answer comes early, an attempt is retried, a
// transport behaves oddly, or a line is slow.

// Each attempt sends every byte again with a new signature. The simulator checks both, and it
// refuses old timestamps.
func TestUploadIsTriedAgain(t *testing.T) {
	t.Parallel()
	content := faultnet.Noise(faultnet.Count(2<<20, 1<<20, 1<<20) + 1)
	for name, tt := range map[string]struct {
		script   []simulator.Fault
		opts     []idngo.RequestOption
		attempts int
		want     error
	}{
		"429 after the body": {script: []simulator.Fault{{Kind: simulator.FaultStatus, Status: 429}}, attempts: 2},
		"429 before the body": {
			script:   []simulator.Fault{{Kind: simulator.FaultEarlyStatus, Status: 429}, {Kind: simulator.FaultEarlyStatus, Status: 429}},
			attempts: 3,
		},
		"409 with Retry-After": {script: []simulator.Fault{{Kind: simulator.FaultStatus, Status: 409, RetryAfter: "0"}}, attempts: 2},
		"503":                  {script: []simulator.Fault{{Kind: simulator.FaultStatus}}, attempts: 1, want: idngo.ErrOutcomeUnknown},
		"503, idempotent": {
			script: []simulator.Fault{{Kind: simulator.FaultStatus}}, opts: []idngo.RequestOption{idngo.WithIdempotent()}, attempts: 2,
		},
		"503 early, idempotent": {
			script: []simulator.Fault{{Kind: simulator.FaultEarlyStatus}}, opts: []idngo.RequestOption{idngo.WithIdempotent()}, attempts: 2,
		},
		"reset": {script: []simulator.Fault{{Kind: simulator.FaultReset}}, attempts: 1, want: idngo.ErrOutcomeUnknown},
		"reset, idempotent": {
			script: []simulator.Fault{{Kind: simulator.FaultReset}, {Kind: simulator.FaultResetEarly}},
			opts:   []idngo.RequestOption{idngo.WithIdempotent()}, attempts: 3,
		},
		"done, but reset": {
			script: []simulator.Fault{{Kind: simulator.FaultResetAfter}}, opts: []idngo.RequestOption{idngo.WithIdempotent()}, attempts: 2,
			want: idngo.ErrDuplicateImage,
		},
		"garbage": {script: []simulator.Fault{{Kind: simulator.FaultGarbage}}, attempts: 1, want: idngo.ErrOutcomeUnknown},
	} {
		for kind, source := range faultnet.ImageSources(t, content) {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				if kind != "reader" {
					skipIfShort(t, "it sends megabytes; a reader does so too")
				}
				var stamp atomic.Int64
				client, service := faultnet.StartSimulator(t, simulator.Config{}, faultnet.RetryAtOnce(4), idngo.WithClock(func() time.Time {
					return time.Now().Add(time.Duration(stamp.Add(1)) * time.Second)
				}))
				action := faultnet.CreateSimulatorAction(t, client)
				require.NoError(t, service.SetFaults(&simulator.Faults{Script: tt.script}))
				var response idngo.Response
				_, err := client.AddImage(t.Context(), action, faultnet.Selfie(source()), append(tt.opts, idngo.WithResponse(&response))...)
				assert.Equal(t, tt.attempts, response.Attempts)
				assert.Zero(t, service.Stats().RefusedSignatures)
				if tt.want != nil {
					require.ErrorIs(t, err, tt.want)
					return
				}
				require.NoError(t, err)
				images := service.Images(action)
				require.Len(t, images, 1)
				assert.Equal(t, faultnet.SHA256(content), images[0].SHA256)
			})
		}
	}
}

// overlap is a source that stops once, while the first attempt sends it, until the test releases
// it. So net/http still reads for this attempt while the next ones read.
type overlap struct {
	content  []byte
	sending  atomic.Bool
	stopped  chan struct{} // closed when the first attempt has stopped
	released chan struct{}
	standing atomic.Bool // whether a reader has stopped
	left     atomic.Bool // whether that reader has continued
}

// newOverlap returns an overlap with a content.
func newOverlap(content []byte) *overlap {
	return &overlap{content: content, stopped: make(chan struct{}), released: make(chan struct{})}
}

// ReadAt stops once, in the second half of the content, until the test releases it.
func (o *overlap) ReadAt(p []byte, off int64) (int, error) {
	if o.sending.Load() && off > int64(len(o.content)/2) && o.standing.CompareAndSwap(false, true) {
		close(o.stopped)
		<-o.released
		o.left.Store(true)
	}
	return bytes.NewReader(o.content).ReadAt(p, off)
}

// params returns the parameters of an upload that reads from the overlap.
func (o *overlap) params() idngo.AddImageParams {
	params := faultnet.Selfie(idngo.ImageReaderAt("face.jpg", o, int64(len(o.content))))
	params.Progress = func(idngo.UploadProgress) { o.sending.Store(true) }
	return params
}

// An attempt whose answer came before its body was read shares only bytes with the next attempt.
// This holds over HTTP/1 and HTTP/2.
func TestAbandonedAttemptSharesNothing(t *testing.T) {
	t.Parallel()
	content := faultnet.Noise(4 << 20)
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(proto+" "+http.StatusText(status), func(t *testing.T) {
				t.Parallel()
				source := newOverlap(content)
				var attempts atomic.Int32
				var stamps []string
				server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					assert.Equal(t, proto, r.Proto)
					if attempts.Add(1) == 1 {
						_, _ = io.CopyN(io.Discard, r.Body, int64(len(content)/2))
						<-source.stopped
						w.Header().Set("Retry-After", "0")
						w.WriteHeader(status)
						return
					}
					body, err := io.ReadAll(r.Body)
					assert.NoError(t, err)
					assert.False(t, source.left.Load(), "the first attempt is still at it")
					faultnet.AssertSigned(t, r.Method, r.RequestURI, r.Header, body)
					assert.True(t, bytes.Equal(content, faultnet.ParseUpload(t, r.Header, body)[1].Content))
					stamps = append(stamps, r.Header.Get("X-App-Access-Ts"))
					if attempts.Load() == 2 {
						w.WriteHeader(status)
						return
					}
					_, _ = io.WriteString(w, faultnet.ImageJSON)
				}))
				server.EnableHTTP2 = proto == "HTTP/2.0"
				if server.EnableHTTP2 {
					server.StartTLS()
				} else {
					server.Start()
				}
				defer server.Close()
				defer close(source.released)
				now := time.Now()
				client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(server.URL),
					idngo.WithHTTPClient(server.Client()), faultnet.RetryAtOnce(3),
					idngo.WithClock(func() time.Time { now = now.Add(time.Second); return now }))
				require.NoError(t, err)
				_, err = client.AddImage(t.Context(), "a1", source.params(), idngo.WithIdempotent())
				require.NoError(t, err)
				assert.EqualValues(t, 3, attempts.Load())
				require.Len(t, stamps, 2)
				assert.NotEqual(t, stamps[0], stamps[1])
			})
		}
	}
}

// When an attempt is over, its readers return no more bytes and do not read the source. This holds
// for readers that a transport has kept, and for one that is reading just then.
func TestReadingForAnAttemptThatIsOver(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	standing, released, read := make(chan struct{}), make(chan struct{}), make(chan error)
	var over atomic.Bool
	source := &faultnet.CountingReaderAt{ReaderAt: bytes.NewReader(faultnet.Noise(size))}
	var stand atomic.Bool
	source.Before = func(int64) {
		if stand.CompareAndSwap(true, false) {
			close(standing)
			<-released
		}
	}
	var bodies []io.ReadCloser
	client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		_, err := io.CopyN(io.Discard, req.Body, 50_000)
		assert.NoError(t, err)
		again, err := req.GetBody()
		assert.NoError(t, err)
		stand.Store(true)
		go func() {
			n, err := req.Body.Read(make([]byte, size))
			assert.Zero(t, n)
			read <- err
		}()
		<-standing
		bodies = append(bodies, req.Body, again)
		return httpmock.NewStringResponse(429, ""), nil
	}), faultnet.OneAttempt())
	params := faultnet.Selfie(idngo.ImageReaderAt("face.jpg", source, size))
	params.Progress = func(idngo.UploadProgress) { assert.False(t, over.Load()) }
	_, err := client.AddImage(t.Context(), "a1", params)
	require.ErrorIs(t, err, idngo.ErrRateLimited, "the call does not wait for the source")
	over.Store(true)
	close(released)
	require.Error(t, <-read)
	reads := source.Reads.Load()
	for _, body := range bodies {
		n, err := body.Read(make([]byte, 100))
		assert.Zero(t, n)
		assert.Error(t, err)
		assert.NoError(t, body.Close())
	}
	assert.Equal(t, reads, source.Reads.Load())
}

// It is no failure of the source if a transport closes the body while it reads.
func TestBodyClosedWhileItIsRead(t *testing.T) {
	t.Parallel()
	client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		_, err := io.CopyN(io.Discard, req.Body, 50_000)
		assert.NoError(t, err)
		assert.NoError(t, req.Body.Close())
		_, err = req.Body.Read(make([]byte, 100))
		assert.ErrorIs(t, err, os.ErrClosed)
		return httpmock.NewStringResponse(429, ""), nil
	}), faultnet.RetryAtOnce(2))
	var response idngo.Response
	_, err := client.AddImage(
		t.Context(), "a1", faultnet.Selfie(idngo.ImageBytes("face.jpg", faultnet.Noise(1<<20))), idngo.WithResponse(&response),
	)
	require.ErrorIs(t, err, idngo.ErrRateLimited)
	assert.Equal(t, 2, response.Attempts)
}

// net/http itself may send a request again on another connection. It then gets the same body, and
// the progress does not go back.
func TestTransportReplaysAnUpload(t *testing.T) {
	t.Parallel()
	content := faultnet.Noise(500_000)
	var told []idngo.UploadProgress
	client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		_, err := io.CopyN(io.Discard, req.Body, 250_000)
		require.NoError(t, err)
		require.NoError(t, req.Body.Close())
		again, err := req.GetBody()
		require.NoError(t, err)
		body, err := io.ReadAll(again)
		require.NoError(t, err)
		require.NoError(t, again.Close())
		faultnet.AssertSigned(t, req.Method, req.URL.RequestURI(), req.Header, body)
		assert.True(t, bytes.Contains(body, content))
		return httpmock.NewStringResponse(http.StatusOK, faultnet.ImageJSON), nil
	}))
	params := faultnet.Selfie(idngo.ImageBytes("face.jpg", content))
	params.Progress = func(u idngo.UploadProgress) { told = append(told, u) }
	_, err := client.AddImage(t.Context(), "a1", params)
	require.NoError(t, err)
	assertProgress(t, told, int64(len(content)), 1)
}

// If a line gets slower, the client sends smaller pieces, so that it still sees progress.
func TestUploadOverALineThatGetsSlower(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.AnyStamp = true
		network.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			_, _ = io.CopyN(io.Discard, r.Body, 500_000)
			for _, every := range []time.Duration{500 * time.Millisecond, 2 * time.Second, 6 * time.Second} { // the time for each KiB
				_, _ = io.CopyN(io.Discard, &slowReader{Reader: r.Body, n: 1 << 10, delay: every}, 60<<10)
			}
			_, _ = io.Copy(io.Discard, r.Body)
			faultnet.Answer(w, r)
			return true
		}
		_, err := network.Client().AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageBytes("face.jpg", faultnet.Noise(1<<20))))
		require.NoError(t, err)
	})
}

// slowReader gives at most n bytes after each delay.
type slowReader struct {
	io.Reader
	n     int
	delay time.Duration
}

func (r *slowReader) Read(p []byte) (int, error) {
	time.Sleep(r.delay)
	return r.Reader.Read(p[:min(len(p), r.n)])
}

// A context that ends in the middle of an upload ends it at once.
func TestUploadCancelledWhileSending(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.OnRequest = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
			_, _ = io.Copy(io.Discard, &slowReader{Reader: r.Body, n: 1 << 10, delay: time.Second})
			panic(http.ErrAbortHandler)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		begun := time.Now()
		_, err := network.Client().AddImage(ctx, "a1", faultnet.Selfie(idngo.ImageBytes("face.jpg", faultnet.Noise(1<<20))))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
		assert.Equal(t, 90*time.Second, time.Since(begun))
		time.Sleep(time.Minute) // the handler of the server ends within this time
	})
}

// An image is too large if the service says so with a code, and if a proxy answers 413 without
// reading the body.
func TestImageTooLarge(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // net/http may lose an answer that comes while it sends
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}))
	defer server.Close()
	client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(server.URL))
	require.NoError(t, err)
	_, err = client.AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageBytes("face.jpg", make([]byte, 20<<20))))
	require.ErrorIs(t, err, idngo.ErrImageTooLarge)
	require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)

	if testing.Short() {
		return // what follows sends 64 MiB
	}
	client, _ = faultnet.StartSimulator(t, simulator.Config{})
	_, err = client.AddImage(
		t.Context(), faultnet.CreateSimulatorAction(t, client),
		faultnet.Selfie(idngo.ImageReaderAt("face.jpg", faultnet.Endless(0), simulator.MaxImageSize+1)),
	)
	require.ErrorIs(t, err, idngo.ErrImageTooLarge)
}

func TestUploadsAtOnce(t *testing.T) {
	t.Parallel()
	client, service := faultnet.StartSimulator(t, simulator.Config{}, faultnet.RetryAtOnce(30))
	action := faultnet.CreateSimulatorAction(t, client)
	require.NoError(t, service.SetFaults(&simulator.Faults{Seed: 4, Chances: []simulator.Chance{
		{Fault: simulator.Fault{Kind: simulator.FaultEarlyStatus, Status: 429}, Probability: 0.3},
		{Fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 429}, Probability: 0.2},
	}}))
	want := map[string]bool{}
	var wg sync.WaitGroup
	for i := range 4 {
		for kind := range faultnet.ImageSources(t, nil) {
			content := faultnet.Noise(300_000 + i)
			copy(content, kind) // no two images are alike
			want[faultnet.SHA256(content)] = true
			wg.Go(func() {
				_, err := client.AddImage(context.Background(), action, faultnet.Selfie(faultnet.ImageSources(t, content)[kind]()))
				assert.NoError(t, err)
			})
		}
	}
	wg.Wait()
	got := map[string]bool{}
	for _, image := range service.Images(action) {
		got[image.SHA256] = true
	}
	assert.Equal(t, want, got)
	assert.Len(t, service.Images(action), len(want), "no image twice")
	assert.Zero(t, service.Stats().RefusedSignatures)
}
