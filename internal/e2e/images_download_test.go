package e2e_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// The tests of this file download images. A download is complete or returns an error.

// downloadTarget is the request URI of an image.
const downloadTarget = "/resources/applicantActions/a1/images/4711"

// imageResponse returns an answer with a body of any kind. A size of -1 means that it is unknown.
func imageResponse(contentType string, size int64, body io.Reader) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {contentType}}, ContentLength: size, Body: io.NopCloser(body),
	}
}

func TestOpenImageSaysWhatTheServerSays(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		preview     bool
		target      string
		contentType string
		size        int64
		body        string
	}{
		"original":     {target: downloadTarget, contentType: "image/jpeg", size: 6, body: "a face"},
		"preview":      {preview: true, target: downloadTarget + "?preview=true", contentType: "image/png", size: 4, body: "face"},
		"a video":      {target: downloadTarget, contentType: "video/mp4; codecs=avc1", size: 5, body: "movie"},
		"without type": {target: downloadTarget, size: 5, body: "bytes"},
		"without size": {target: downloadTarget, contentType: "image/jpeg", size: -1, body: "a face of unknown size"},
		"large":        {target: downloadTarget, contentType: "image/jpeg", size: 300_000, body: strings.Repeat("face!!", 50_000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, mock := faultnet.NewMock(t)
			faultnet.RespondFunc(t, mock, http.MethodGet, tt.target, func(req *http.Request, _ []byte) (*http.Response, error) {
				assert.Empty(t, req.Header.Get("Accept"), "the specification's exception")
				assert.Empty(t, req.Header.Get("Content-Type"))
				return imageResponse(tt.contentType, tt.size, strings.NewReader(tt.body)), nil
			})
			var response idngo.Response
			content, err := client.OpenImage(t.Context(), "a1", "4711", idngo.ImageParams{Preview: tt.preview}, idngo.WithResponse(&response))
			require.NoError(t, err)
			assert.Equal(t, []any{tt.contentType, tt.size}, []any{content.ContentType, content.Size})
			assert.Equal(t, []any{200, 1, []byte(nil)}, []any{response.StatusCode, response.Attempts, response.Body})
			got, err := io.ReadAll(content)
			require.NoError(t, err)
			assert.Equal(t, tt.body, string(got))
			n, err := content.Read(make([]byte, 10))
			assert.Equal(t, []any{0, io.EOF}, []any{n, err}, "the end stays the end")
			require.NoError(t, content.Close())

			var b bytes.Buffer
			written, err := client.DownloadImage(t.Context(), "a1", "4711", &b, idngo.ImageParams{Preview: tt.preview})
			require.NoError(t, err)
			assert.EqualValues(t, len(tt.body), written)
			assert.Equal(t, tt.body, b.String())
		})
	}
}

// The reader of the content follows the rules of io.Reader, whatever pieces the network delivers.
func TestImageContentReads(t *testing.T) {
	t.Parallel()
	want := faultnet.Noise(5000)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"plain": func(r io.Reader) io.Reader { return r }, "one byte": iotest.OneByteReader, "half": iotest.HalfReader,
		"data with error": iotest.DataErrReader, "hesitating": func(r io.Reader) io.Reader { return &hesitating{Reader: r} },
	} {
		client, mock := faultnet.NewMock(t)
		faultnet.RespondFunc(t, mock, http.MethodGet, downloadTarget, func(*http.Request, []byte) (*http.Response, error) {
			return imageResponse("image/jpeg", int64(len(want)), wrap(bytes.NewReader(want))), nil
		})
		content, err := client.OpenImage(t.Context(), "a1", "4711", idngo.ImageParams{})
		require.NoError(t, err, name)
		require.NoError(t, iotest.TestReader(content, want), name)
		require.NoError(t, content.Close(), name)
		require.NoError(t, content.Close(), name)
	}
}

// hesitating returns no bytes at every other read.
type hesitating struct {
	io.Reader
	reads int
}

func (h *hesitating) Read(p []byte) (int, error) {
	if h.reads++; h.reads%2 == 1 {
		return 0, nil
	}
	return h.Reader.Read(p)
}

// When a download has ended, its body is closed and its context has ended.
func TestDownloadReleasesEverything(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection lost")
	full := errors.New("no space left on device")
	for name, tt := range map[string]struct {
		body io.Reader
		w    io.Writer
		want error
	}{
		"whole":                   {body: strings.NewReader("a face"), w: io.Discard},
		"broken at its beginning": {body: iotest.ErrReader(broken), w: io.Discard, want: broken},
		"broken in the middle":    {body: io.MultiReader(strings.NewReader("a fa"), iotest.ErrReader(broken)), w: io.Discard, want: broken},
		"cannot be written": {
			body: strings.NewReader("a face"), w: faultnet.WriterFunc(func([]byte) (int, error) { return 0, full }), want: full,
		},
		"broken and with its length": {body: io.MultiReader(strings.NewReader("a face"), iotest.ErrReader(broken)), w: io.Discard, want: broken},
	} {
		closed := 0
		var ctx context.Context
		client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			ctx = req.Context()
			res := imageResponse("image/jpeg", 6, nil)
			res.Body = &faultnet.Body{Reader: tt.body, OnClose: func() { closed++ }}
			return res, nil
		}), faultnet.OneAttempt())
		_, err := client.DownloadImage(context.Background(), "a1", "4711", tt.w, idngo.ImageParams{})
		if require.ErrorIs(t, err, tt.want, name); tt.want == nil {
			require.NoError(t, err, name)
		}
		assert.Equal(t, 1, closed, name)
		assert.Error(t, ctx.Err(), name)
	}
}

// The downloads go over a real connection: with a Content-Length, in chunks, and compressed.
func TestDownloadOverTheWire(t *testing.T) {
	t.Parallel()
	want := faultnet.Noise(300_005)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		switch {
		case strings.HasSuffix(r.URL.Path, "/1"):
			w.Header().Set("Content-Length", strconv.Itoa(len(want)))
			_, _ = w.Write(want)
		case strings.HasSuffix(r.URL.Path, "/2"):
			for piece := want; len(piece) > 0; piece = piece[min(len(piece), 100_000):] {
				_, _ = w.Write(piece[:min(len(piece), 100_000)])
				_ = http.NewResponseController(w).Flush()
			}
		default:
			assert.Equal(t, "gzip", r.Header.Get("Accept-Encoding"))
			w.Header().Set("Content-Encoding", "gzip")
			zipped := gzip.NewWriter(w)
			_, _ = zipped.Write(want)
			if strings.HasSuffix(r.URL.Path, "/3") {
				_ = zipped.Close()
			}
		}
	}))
	defer server.Close()
	client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(server.URL))
	require.NoError(t, err)
	for id, size := range map[idngo.ImageID]int64{"1": int64(len(want)), "2": -1, "3": -1} {
		content, err := client.OpenImage(t.Context(), "a1", id, idngo.ImageParams{})
		require.NoError(t, err)
		assert.Equal(t, size, content.Size)
		got, err := io.ReadAll(content)
		require.NoError(t, err)
		require.NoError(t, content.Close())
		assert.True(t, bytes.Equal(want, got))
	}
	_, err = client.DownloadImage(t.Context(), "a1", "4", io.Discard, idngo.ImageParams{})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "compressed and cut off, in chunks that end well")
}

// If a connection breaks in the middle, the call returns an error, however the answer announced its
// end. The client does not retry, since the writer has got bytes.
func TestBrokenDownloadIsAnError(t *testing.T) {
	t.Parallel()
	content := faultnet.Noise(1 << 20)
	for kind, want := range map[simulator.FaultKind]error{
		simulator.FaultTruncate: io.ErrUnexpectedEOF, simulator.FaultTruncateChunked: io.ErrUnexpectedEOF,
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			client, service := faultnet.StartSimulator(t, simulator.Config{}, faultnet.RetryAtOnce(3))
			action := faultnet.CreateSimulatorAction(t, client)
			image, err := client.AddImage(t.Context(), action, faultnet.Selfie(idngo.ImageBytes("face.jpg", content)))
			require.NoError(t, err)
			require.NoError(t, service.SetFaults(&simulator.Faults{Script: []simulator.Fault{{Kind: kind}, {Kind: kind}}}))

			var b bytes.Buffer
			n, err := client.DownloadImage(t.Context(), action, image.ImageID, &b, idngo.ImageParams{})
			require.ErrorIs(t, err, want)
			require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)
			assert.Contains(t, err.Error(), "DownloadImage: open image: ")
			assert.EqualValues(t, b.Len(), n)
			assert.Equal(t, 1, service.Stats().ByOperation["OpenImage"])
			assert.True(t, bytes.Equal(content[:len(content)/2], b.Bytes()), "what came, came right")

			opened, err := client.OpenImage(t.Context(), action, image.ImageID, idngo.ImageParams{})
			require.NoError(t, err)
			_, err = io.ReadAll(opened)
			require.ErrorIs(t, err, want)
			_, again := opened.Read(make([]byte, 1))
			require.ErrorIs(t, again, want, "an error stays")
			require.NoError(t, opened.Close())
		})
	}
}

// A RoundTripper of the caller ends a body early with io.EOF. The call returns an error.
func TestShortBodyIsAnError(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	for name, body := range map[string]string{"cut off": "half a fa", "nothing": ""} {
		faultnet.RespondFunc(t, mock, http.MethodGet, downloadTarget, func(*http.Request, []byte) (*http.Response, error) {
			return imageResponse("image/jpeg", 10, strings.NewReader(body)), nil
		})
		n, err := client.DownloadImage(t.Context(), "a1", "4711", io.Discard, idngo.ImageParams{})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, name)
		assert.EqualValues(t, len(body), n, name)
	}
}

// A download is retried only until its first byte has arrived.
func TestDownloadIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		size     int
		script   []simulator.Fault
		attempts int
		want     error
	}{
		"503, 429": {
			size: 1000, script: []simulator.Fault{{Kind: simulator.FaultStatus}, {Kind: simulator.FaultStatus, Status: 429}}, attempts: 3,
		},
		"reset": {
			size: 1000, script: []simulator.Fault{{Kind: simulator.FaultReset}, {Kind: simulator.FaultResetEarly}}, attempts: 3,
		},
		"gateway's page": {size: 1000, script: []simulator.Fault{{Kind: simulator.FaultHTML}}, attempts: 2},
		"headers without bytes": {
			size: 1, script: []simulator.Fault{{Kind: simulator.FaultTruncate}, {Kind: simulator.FaultTruncateChunked}}, attempts: 3,
		},
		"too often": {
			size: 1,
			script: []simulator.Fault{
				{Kind: simulator.FaultTruncate}, {Kind: simulator.FaultTruncate}, {Kind: simulator.FaultTruncate}, {Kind: simulator.FaultTruncate},
			},
			attempts: 4, want: io.ErrUnexpectedEOF,
		},
		"after a byte":  {size: 2, script: []simulator.Fault{{Kind: simulator.FaultTruncate}}, attempts: 1, want: io.ErrUnexpectedEOF},
		"after a chunk": {size: 2, script: []simulator.Fault{{Kind: simulator.FaultTruncateChunked}}, attempts: 1, want: io.ErrUnexpectedEOF},
		"after a retry": {
			size: 1000, script: []simulator.Fault{{Kind: simulator.FaultStatus}, {Kind: simulator.FaultTruncate}}, attempts: 2,
			want: io.ErrUnexpectedEOF,
		},
		"not found": {size: 1000, script: []simulator.Fault{{Kind: simulator.FaultStatus, Status: 404}}, attempts: 1, want: idngo.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := faultnet.Noise(tt.size)
			client, service := faultnet.StartSimulator(t, simulator.Config{}, faultnet.RetryAtOnce(4))
			action := faultnet.CreateSimulatorAction(t, client)
			image, err := client.AddImage(t.Context(), action, faultnet.Selfie(idngo.ImageBytes("face.jpg", content)))
			require.NoError(t, err)
			require.NoError(t, service.SetFaults(&simulator.Faults{Script: tt.script}))
			var response idngo.Response
			var b bytes.Buffer
			n, err := client.DownloadImage(t.Context(), action, image.ImageID, &b, idngo.ImageParams{}, idngo.WithResponse(&response))
			// net/http itself sends a GET again if a kept connection turns out to be dead.
			assert.LessOrEqual(t, response.Attempts, tt.attempts)
			assert.Equal(t, tt.attempts, service.Stats().ByOperation["OpenImage"])
			assert.EqualValues(t, b.Len(), n)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			assert.True(t, bytes.Equal(content, b.Bytes()))
		})
	}
}

// The call returns the error of the writer and the number of bytes that the writer has taken.
func TestDownloadToAWriterThatFails(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left on device")
	for name, tt := range map[string]struct {
		write func(p []byte) (int, error)
		want  error
		n     int64
	}{
		"fails at once":   {write: func([]byte) (int, error) { return 0, full }, want: full, n: 0},
		"takes a part":    {write: func([]byte) (int, error) { return 7, full }, want: full, n: 7},
		"writes short":    {write: func([]byte) (int, error) { return 7, nil }, want: io.ErrShortWrite, n: 7},
		"counts nonsense": {write: func([]byte) (int, error) { return -1, nil }, want: io.ErrShortWrite, n: 0},
	} {
		client, mock := faultnet.NewMock(t)
		faultnet.RespondFunc(t, mock, http.MethodGet, downloadTarget, func(*http.Request, []byte) (*http.Response, error) {
			return imageResponse("image/jpeg", 100_000, bytes.NewReader(faultnet.Noise(100_000))), nil
		})
		n, err := client.DownloadImage(t.Context(), "a1", "4711", faultnet.WriterFunc(tt.write), idngo.ImageParams{}, idngo.WithIdempotent())
		require.ErrorIs(t, err, tt.want, name)
		assert.Equal(t, tt.n, n, name)
		assert.Equal(t, 1, mock.GetTotalCallCount(), name)
	}
}

// A panic of the writer reaches the caller. The client closes the connection.
func TestDownloadToAWriterThatPanics(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		client := network.Client()
		assert.PanicsWithValue(t, "boom", func() {
			_, _ = client.DownloadImage(
				t.Context(), "a1", "4711", faultnet.WriterFunc(func([]byte) (int, error) { panic("boom") }), idngo.ImageParams{},
			)
		})
		require.NoError(t, faultnet.DownloadImage.Call(t.Context(), client))
	})
}

// streamImage answers in pieces, with a wait before each.
func streamImage(network *faultnet.Network, size int, piece int, every time.Duration) {
	network.AnyStamp = true
	network.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "image/jpeg")
		w.Header().Set("Content-Length", strconv.Itoa(size))
		content := faultnet.Noise(size)
		for len(content) > 0 {
			time.Sleep(every)
			if _, err := w.Write(content[:min(piece, len(content))]); err != nil || http.NewResponseController(w).Flush() != nil {
				return true
			}
			content = content[min(piece, len(content)):]
		}
		return true
	}
}

// A download that stalls before its first byte is retried. The other tests of stalled downloads are
// in timeout_test.go.
func TestStalledDownloadIsTriedAgain(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.OnRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
			if number == 3 {
				return false
			}
			w.Header().Set("Content-Length", "10000")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}
		begun := time.Now()
		var b bytes.Buffer
		_, err := network.Client(idngo.WithTimeout(10*time.Second), faultnet.RetryAtOnce(3)).DownloadImage(
			t.Context(), "a1", "4711", &b, idngo.ImageParams{},
		)
		require.NoError(t, err)
		assert.Equal(t, faultnet.ImageContent, b.String())
		assert.Equal(t, 20*time.Second, time.Since(begun).Truncate(time.Second))
	})
}

// The timeout does not count the time that the writer takes.
func TestDownloadToASlowWriter(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		streamImage(network, 20_000, 1000, 0)
		var b bytes.Buffer
		_, err := network.Client(
			idngo.WithTimeout(time.Second),
		).DownloadImage(t.Context(), "a1", "4711", faultnet.WriterFunc(func(p []byte) (int, error) {
			time.Sleep(time.Hour)
			return b.Write(p)
		}), idngo.ImageParams{})
		require.NoError(t, err)
		assert.True(t, bytes.Equal(faultnet.Noise(20_000), b.Bytes()))
	})
}

func TestDownloadCancelled(t *testing.T) {
	t.Parallel()
	cause := errors.New("the user went away")
	for name, at := range map[string]int{"before the first byte": 0, "in the middle": 5000} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				streamImage(network, 10_000, 1000, time.Second)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Duration(at)*time.Millisecond+500*time.Millisecond, func() { cancel(cause) })
				begun := time.Now()
				var b bytes.Buffer
				written, err := network.Client().DownloadImage(ctx, "a1", "4711", &b, idngo.ImageParams{})
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, cause)
				require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)
				assert.EqualValues(t, at, written)
				assert.Equal(t, time.Duration(at)*time.Millisecond+500*time.Millisecond, time.Since(begun))
				assert.Len(t, network.Seen(), 1)
				time.Sleep(time.Minute) // the handler of the server ends within this time
			})
		})
	}
}

// Content that the caller closes early holds no connection and no goroutine.
func TestDownloadClosedEarly(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		streamImage(network, 10<<20, 1<<20, time.Second)
		content, err := network.Client().OpenImage(t.Context(), "a1", "4711", idngo.ImageParams{})
		require.NoError(t, err)
		_, err = io.ReadFull(content, make([]byte, 2000))
		require.NoError(t, err)
		require.NoError(t, content.Close())
		_, err = io.ReadAll(content)
		require.Error(t, err, "not an end that looks like one")
		require.NoError(t, content.Close())
		time.Sleep(time.Minute)
		assert.Zero(t, network.OpenConnections())
	})
}

// The allocations of a download do not depend on its size. The test is not parallel, since it
// counts all allocations of the process.
//
//nolint:paralleltest // see above
func TestDownloadAllocatesTheSameForAnySize(t *testing.T) {
	client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		size, err := strconv.ParseInt(req.URL.Path[strings.LastIndexByte(req.URL.Path, '/')+1:], 10, 64)
		return imageResponse("image/jpeg", size, io.LimitReader(faultnet.Endless(0), size)), err
	}))
	download := func(size int64) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n, err := client.DownloadImage(
			t.Context(), "a1", idngo.ImageID(fmt.Sprint(size)), struct{ io.Writer }{io.Discard}, idngo.ImageParams{},
		)
		runtime.ReadMemStats(&after)
		require.NoError(t, err)
		require.Equal(t, size, n)
		return after.TotalAlloc - before.TotalAlloc
	}
	download(1)
	for _, size := range []int64{1 << 10, 64 << 20} {
		// The limit is 8 KiB and the cost of a pool that was emptied meanwhile.
		assert.Less(t, download(size), uint64(80<<10), "%d bytes", size)
	}
}
