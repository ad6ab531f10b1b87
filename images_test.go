package idngo_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/simulator"
)

// Where the bytes of an upload come from, and what goes over the wire.

const (
	uploadTarget = "/resources/applicantActions/a1/images"
	spoolLimit   = 8 << 20
)

// uploadOf is a selfie of KAZ.
func uploadOf(source idngo.ImageSource) idngo.AddImageParams {
	return idngo.AddImageParams{IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: source}
}

// noise is n bytes of which no two pieces are alike; that of another length
// begins alike.
func noise(n int) []byte {
	source := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, n, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(p[i:i+8], source.Uint64())
	}
	return p
}

func sha256Hex(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

func tempImage(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// sourcesOf are all kinds of source over the same content, new ones at each call.
func sourcesOf(t *testing.T, content []byte) map[string]func() idngo.ImageSource {
	t.Helper()
	path := tempImage(t, "face.jpg", content)
	return map[string]func() idngo.ImageSource{
		"file":  func() idngo.ImageSource { return idngo.ImageFile(path) },
		"bytes": func() idngo.ImageSource { return idngo.ImageBytes("face.jpg", content) },
		"readerAt": func() idngo.ImageSource {
			return idngo.ImageReaderAt("face.jpg", bytes.NewReader(content), int64(len(content)))
		},
		"reader": func() idngo.ImageSource {
			return idngo.ImageReader("face.jpg", struct{ io.Reader }{bytes.NewReader(content)})
		},
	}
}

// wirePart is one part of a multipart body as a server sees it.
type wirePart struct {
	header         textproto.MIMEHeader
	name, fileName string
	content        []byte
}

// parseUpload takes the body of an upload apart with mime/multipart.
func parseUpload(t testing.TB, header http.Header, body []byte) (parts []wirePart) {
	t.Helper()
	media, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/form-data", media)
	reader := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		part, err := reader.NextRawPart()
		if err == io.EOF {
			return parts
		}
		require.NoError(t, err)
		content, err := io.ReadAll(part)
		require.NoError(t, err)
		parts = append(parts, wirePart{part.Header, part.FormName(), part.FileName(), content})
	}
}

// simulatorAction makes an action to upload to.
func simulatorAction(t testing.TB, client *idngo.Client) string {
	t.Helper()
	action, err := client.CreateAction(context.Background(), simulator.DefaultApplicantID,
		idngo.CreateActionParams{LevelName: simulator.LevelFaceAuth, ExternalActionID: "ext-1"})
	require.NoError(t, err)
	return action.ID
}

func TestAddImageSendsTwoParts(t *testing.T) {
	t.Parallel()
	content := noise(100_000)
	for name, source := range sourcesOf(t, content) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, mock := newMock(t)
			var parts []wirePart
			onDo(t, mock, http.MethodPost, uploadTarget, func(req *http.Request, body []byte) (*http.Response, error) {
				assert.Equal(t, "application/json", req.Header.Get("Accept"))
				parts = parseUpload(t, req.Header, body)
				return httpmock.NewStringResponse(http.StatusOK, benchImageJSON), nil
			})
			p := uploadOf(source())
			p.IDDocSubType = idngo.IDDocSubTypeFrontSide
			image, err := client.AddImage(t.Context(), "a1", p)
			require.NoError(t, err)
			assert.Equal(t, idngo.ImageID("1411431805"), image.ImageID)

			require.Len(t, parts, 2)
			assert.Equal(t, textproto.MIMEHeader{
				"Content-Disposition": {`form-data; name="metadata"`}, "Content-Type": {"application/json"},
			}, parts[0].header)
			assert.Equal(t, `{"idDocType":"SELFIE","idDocSubType":"FRONT_SIDE","country":"KAZ"}`, string(parts[0].content))
			assert.Equal(t, textproto.MIMEHeader{
				"Content-Disposition": {`form-data; name="content"; filename="face.jpg"`}, "Content-Type": {"image/jpeg"},
			}, parts[1].header)
			assert.True(t, bytes.Equal(content, parts[1].content))
		})
	}
}

func TestAddImageContentType(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fileName, given, content string
		want                     string
	}{
		"the caller's word":       {"face.jpg", "image/heic", "\x89PNG\r\n\x1a\n", "image/heic"},
		"with a parameter":        {"face.jpg", `image/png; note="a, b"`, "", `image/png; note="a, b"`},
		"by the name":             {"face.PNG", "", "\xff\xd8\xff", "image/png"},
		"by the first bytes":      {"face", "", "\x89PNG\r\n\x1a\n", "image/png"},
		"by a PDF's first bytes":  {"face", "", "%PDF-1.7 ", "application/pdf"},
		"of bytes nobody knows":   {"face", "", "\x00\x01\x02", "application/octet-stream"},
		"of no bytes and no name": {"", "", "", "text/plain; charset=utf-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, mock := newMock(t)
			onDo(t, mock, http.MethodPost, uploadTarget, func(req *http.Request, body []byte) (*http.Response, error) {
				assert.Equal(t, tt.want, parseUpload(t, req.Header, body)[1].header.Get("Content-Type"))
				return httpmock.NewStringResponse(http.StatusOK, benchImageJSON), nil
			})
			p := uploadOf(idngo.ImageReader(tt.fileName, strings.NewReader(tt.content)))
			p.ContentType = tt.given
			_, err := client.AddImage(t.Context(), "a1", p)
			require.NoError(t, err)
		})
	}
}

// Content-Length is set and exact, and GetBody gives readers that share no
// cursor: what net/http needs to send a request again by itself.
func TestUploadCanBeReplayed(t *testing.T) {
	t.Parallel()
	content := noise(200_001)
	for name, source := range sourcesOf(t, content) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := clientVia(t, roundTrip(func(req *http.Request) (*http.Response, error) {
				half := make([]byte, req.ContentLength/2)
				_, err := io.ReadFull(req.Body, half)
				require.NoError(t, err)
				again, err := req.GetBody()
				require.NoError(t, err)
				first, err := io.ReadAll(again)
				require.NoError(t, err)
				rest, err := io.ReadAll(req.Body)
				require.NoError(t, err)
				require.NoError(t, req.Body.Close())
				require.NoError(t, again.Close())
				assert.True(t, bytes.Equal(first, append(half, rest...)))
				assert.EqualValues(t, len(first), req.ContentLength)
				assertSigned(t, req.Method, req.URL.RequestURI(), req.Header, first)
				return httpmock.NewStringResponse(http.StatusOK, benchImageJSON), nil
			}))
			_, err := client.AddImage(t.Context(), "a1", uploadOf(source()))
			require.NoError(t, err)
		})
	}
}

// roundTrip is a function as a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// clientVia makes a client of the mock's credentials with a transport of its own.
func clientVia(t testing.TB, transport http.RoundTripper, opts ...idngo.Option) *idngo.Client {
	t.Helper()
	client, err := idngo.NewClient(testCreds, append([]idngo.Option{
		idngo.WithBaseURL(mockBase), idngo.WithHTTPClient(&http.Client{Transport: transport}),
	}, opts...)...)
	require.NoError(t, err)
	return client
}

// countingReaderAt counts what is read of it, and calls before, if set, with
// the number of each read from 1.
type countingReaderAt struct {
	io.ReaderAt
	bytes, reads atomic.Int64
	before       func(read int64)
}

func (r *countingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if read := r.reads.Add(1); r.before != nil {
		r.before(read)
	}
	n, err := r.ReaderAt.ReadAt(p, off)
	r.bytes.Add(int64(n))
	return n, err
}

// The normal path reads the source twice, to sign and to send, and not a byte
// more; only the type of a nameless image costs 512 further bytes.
func TestUploadReadsItsSourceTwice(t *testing.T) {
	t.Parallel()
	const size = 3<<20 + 17
	for name, sniffed := range map[string]int64{"face.jpg": 0, "face": 512} {
		client, sb := newSimulator(t, simulator.Config{})
		action := simulatorAction(t, client)
		source := &countingReaderAt{ReaderAt: bytes.NewReader(noise(size))}
		_, err := client.AddImage(t.Context(), action, uploadOf(idngo.ImageReaderAt(name, source, size)))
		require.NoError(t, err)
		assert.Equal(t, 2*size+sniffed, source.bytes.Load(), name)
		assert.Equal(t, sha256Hex(noise(size)), sb.Images(action)[0].SHA256)
	}
}

func TestUploadsArriveWhole(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 511, 512, 4095, 64 << 10, 64<<10 + 1, 5<<20 + 3} {
		content := noise(size)
		for name, source := range sourcesOf(t, content) {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				t.Parallel()
				client, sb := newSimulator(t, simulator.Config{})
				action := simulatorAction(t, client)
				image, err := client.AddImage(t.Context(), action, uploadOf(source()))
				require.NoError(t, err)
				got := sb.Images(action)
				require.Len(t, got, 1)
				assert.Equal(t, string(image.ImageID), got[0].ImageID)
				assert.Equal(t, []any{"face.jpg", "image/jpeg", int64(size), sha256Hex(content), "SELFIE", "KAZ"},
					[]any{got[0].FileName, got[0].ContentType, got[0].Size, got[0].SHA256, got[0].IDDocType, got[0].Country})
			})
		}
	}
}

// The service judges an empty image, not we.
func TestEmptyImageIsSent(t *testing.T) {
	t.Parallel()
	client, _ := newSimulator(t, simulator.Config{})
	action := simulatorAction(t, client)
	for name, source := range sourcesOf(t, nil) {
		_, err := client.AddImage(t.Context(), action, uploadOf(source()))
		var api *idngo.APIError
		require.ErrorAs(t, err, &api, name)
		assert.Equal(t, idngo.CodeEmptyFile, api.Code, name)
	}
}

func TestImageReaderIsUsedOnce(t *testing.T) {
	t.Parallel()
	client, mock := newMock(t)
	on(t, mock, http.MethodPost, uploadTarget, http.StatusOK, benchImageJSON)
	source := idngo.ImageReader("face.jpg", strings.NewReader("a face"))
	_, err := client.AddImage(t.Context(), "", uploadOf(source))
	require.ErrorIs(t, err, idngo.ErrInvalidArgument, "refused before the source was touched")
	_, err = client.AddImage(t.Context(), "a1", uploadOf(source), idngo.WithHeader("content-type", "image/png"))
	require.ErrorIs(t, err, idngo.ErrInvalidArgument, "that header names the boundary")
	var used, refused atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			switch _, err := client.AddImage(context.Background(), "a1", uploadOf(source)); {
			case err == nil:
				used.Add(1)
			case errors.Is(err, idngo.ErrInvalidArgument):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, []int32{1, 7}, []int32{used.Load(), refused.Load()})
	assert.Equal(t, 1, mock.GetTotalCallCount())
}

// The same source serves any number of uploads at once, a stream aside.
func TestSourcesAreReusable(t *testing.T) {
	t.Parallel()
	content := noise(300_000)
	for name, source := range sourcesOf(t, content) {
		if name == "reader" {
			continue
		}
		client, mock := newMock(t)
		onDo(t, mock, http.MethodPost, uploadTarget, func(req *http.Request, body []byte) (*http.Response, error) {
			assert.True(t, bytes.Contains(body, content), name)
			return httpmock.NewStringResponse(http.StatusOK, benchImageJSON), nil
		})
		shared := source()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				_, err := client.AddImage(context.Background(), "a1", uploadOf(shared))
				assert.NoError(t, err)
			})
		}
		wg.Wait()
	}
}

// A source that fails ends the call before anything was sent, with its error.
func TestUploadOfABrokenSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is on fire")
	var none atomic.Int32
	client := clientVia(t, roundTrip(func(*http.Request) (*http.Response, error) {
		none.Add(1)
		return nil, errors.New("not to be called")
	}))
	for name, source := range map[string]idngo.ImageSource{
		"at once":       idngo.ImageReader("x.jpg", iotest.ErrReader(broken)),
		"in the middle": idngo.ImageReader("x.jpg", io.MultiReader(strings.NewReader("a fa"), iotest.ErrReader(broken))),
		"readerAt":      idngo.ImageReaderAt("x.jpg", brokenReaderAt{broken}, 10),
		"while sniffed": idngo.ImageReaderAt("", brokenReaderAt{broken}, 10),
	} {
		response := idngo.Response{StatusCode: 200, Attempts: 7}
		_, err := client.AddImage(t.Context(), "a1", uploadOf(source), idngo.WithResponse(&response))
		require.ErrorIs(t, err, broken, name)
		require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown, name)
		require.NotErrorIs(t, err, idngo.ErrInvalidArgument, name)
		require.NotErrorIs(t, err, idngo.ErrImageChanged, name)
		assert.Contains(t, err.Error(), "AddImage", name)
		assert.Zero(t, response.StatusCode, name)
	}
	_, err := client.AddImage(t.Context(), "a1", uploadOf(idngo.ImageReader("x", readerFunc(func([]byte) (int, error) { return 0, nil }))))
	require.ErrorIs(t, err, io.ErrNoProgress)
	_, err = client.AddImage(t.Context(), "a1", uploadOf(idngo.ImageReaderAt("x.jpg", strings.NewReader("short"), 10)))
	require.ErrorIs(t, err, idngo.ErrImageChanged)
	assert.Zero(t, none.Load())
}

type brokenReaderAt struct{ err error }

func (r brokenReaderAt) ReadAt([]byte, int64) (int, error) { return 0, r.err }

// A context that ends while the source is read is the call's error, with its
// cause, and nothing was sent.
func TestUploadCancelledWhileReading(t *testing.T) {
	t.Parallel()
	cause := errors.New("the user went away")
	client := clientVia(t, roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("nothing may be sent")
		return nil, errors.New("not to be called")
	}))
	for name, source := range map[string]func(cancel func()) idngo.ImageSource{
		"spooling into memory": func(cancel func()) idngo.ImageSource {
			return idngo.ImageReader("x.jpg", readerFunc(func(p []byte) (int, error) { cancel(); return min(len(p), 100), nil }))
		},
		"hashing": func(cancel func()) idngo.ImageSource {
			return idngo.ImageReaderAt("x.jpg", &countingReaderAt{ReaderAt: zeroReaderAt{}, before: func(read int64) {
				if assert.LessOrEqual(t, read, int64(3), "cancelling acts between two reads"); read == 3 {
					cancel()
				}
			}}, 10<<20)
		},
		"before": func(cancel func()) idngo.ImageSource {
			cancel()
			return idngo.ImageReader("x.jpg", strings.NewReader("x"))
		},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := client.AddImage(ctx, "a1", uploadOf(source(func() { cancel(cause) })))
		require.ErrorIs(t, err, context.Canceled, name)
		require.ErrorIs(t, err, cause, name)
		require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown, name)
	}
}

// Nothing that the caller has opened is closed or left at another position.
func TestUploadLeavesTheCallersFileAlone(t *testing.T) {
	t.Parallel()
	content := noise(100_000)
	client, mock := newMock(t)
	var body []byte
	onDo(t, mock, http.MethodPost, uploadTarget, func(_ *http.Request, b []byte) (*http.Response, error) {
		body = b
		return httpmock.NewStringResponse(http.StatusOK, benchImageJSON), nil
	})
	f, err := os.Open(tempImage(t, "face.jpg", content))
	require.NoError(t, err)
	defer f.Close()
	_, err = f.Seek(777, io.SeekStart)
	require.NoError(t, err)
	at := func() int64 {
		n, err := f.Seek(0, io.SeekCurrent)
		require.NoError(t, err, "still open")
		return n
	}

	_, err = client.AddImage(t.Context(), "a1", uploadOf(idngo.ImageReaderAt("face.jpg", f, int64(len(content)))))
	require.NoError(t, err)
	assert.EqualValues(t, 777, at(), "ImageReaderAt seeks nothing")
	assert.True(t, bytes.Contains(body, content))

	_, err = client.AddImage(t.Context(), "a1", uploadOf(idngo.ImageReader("face.jpg", f)))
	require.NoError(t, err)
	assert.EqualValues(t, len(content), at(), "ImageReader reads from where it stands")
	assert.True(t, bytes.Contains(body, content[777:]))
	assert.False(t, bytes.Contains(body, content))
}

// A file is open in one place at a time, and in none after each attempt.
func TestImageFileIsOpenedPerAttempt(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	path := tempImage(t, "face.jpg", noise(300_000))
	attempt := 0
	client := clientVia(t, roundTrip(func(req *http.Request) (*http.Response, error) {
		attempt++
		assert.Zero(t, openFiles(t, path), "attempt %d: pass one has closed it", attempt)
		if attempt == 1 { // answered before anything was read
			require.NoError(t, req.Body.Close())
			return httpmock.NewStringResponse(429, ""), nil
		}
		_, err := io.CopyN(io.Discard, req.Body, 100_000)
		require.NoError(t, err)
		assert.Equal(t, 1, openFiles(t, path), "attempt %d", attempt)
		if attempt == 2 { // answered half way
			require.NoError(t, req.Body.Close())
			assert.Zero(t, openFiles(t, path))
			return httpmock.NewStringResponse(429, ""), nil
		}
		_, err = io.Copy(io.Discard, req.Body)
		require.NoError(t, err)
		assert.Zero(t, openFiles(t, path), "read to its end")
		require.NoError(t, req.Body.Close())
		return httpmock.NewStringResponse(http.StatusOK, benchImageJSON), nil
	}), idngo.WithRetryPolicy(idngo.RetryPolicy{MinDelay: 1}))
	_, err := client.AddImage(t.Context(), "a1", uploadOf(idngo.ImageFile(path)))
	require.NoError(t, err)
	assert.Equal(t, 3, attempt)
	assert.Zero(t, openFiles(t, path))
}

// What an upload allocates does not depend on its size. Not parallel: it counts
// what the process allocates.
//
//nolint:paralleltest // see above
func TestUploadAllocatesTheSameForAnySize(t *testing.T) {
	buf := make([]byte, 64<<10)
	client := clientVia(t, roundTrip(func(req *http.Request) (*http.Response, error) {
		defer req.Body.Close()
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, req.Body, buf)
		assert.Equal(t, req.ContentLength, n)
		return httpmock.NewStringResponse(http.StatusOK, benchImageJSON), err
	}))
	upload := func(size int64) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := client.AddImage(t.Context(), "a1", uploadOf(idngo.ImageReaderAt("x.jpg", zeroReaderAt{}, size)))
		runtime.ReadMemStats(&after)
		require.NoError(t, err)
		return after.TotalAlloc - before.TotalAlloc
	}
	upload(1)
	for _, size := range []int64{1 << 10, 64 << 20} {
		// 32 KiB and what a pool that was emptied meanwhile costs.
		assert.Less(t, upload(size), uint64(160<<10), "%d bytes", size)
	}
}

type zeroReaderAt struct{}

func (zeroReaderAt) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}
