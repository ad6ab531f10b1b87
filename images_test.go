package idngo_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// The tests of this file check the sources of uploads and the requests that they lead to.

func TestAddImageSendsTwoParts(t *testing.T) {
	t.Parallel()
	content := faultnet.Noise(100_000)
	for name, source := range faultnet.ImageSources(t, content) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, mock := faultnet.NewMock(t)
			var parts []faultnet.Part
			faultnet.RespondFunc(t, mock, http.MethodPost, faultnet.UploadTarget, func(req *http.Request, body []byte) (*http.Response, error) {
				assert.Equal(t, "application/json", req.Header.Get("Accept"))
				parts = faultnet.ParseUpload(t, req.Header, body)
				return httpmock.NewStringResponse(http.StatusOK, faultnet.ImageJSON), nil
			})
			params := faultnet.Selfie(source())
			params.IDDocSubType = idngo.IDDocSubTypeFrontSide
			image, err := client.AddImage(t.Context(), "a1", params)
			require.NoError(t, err)
			assert.Equal(t, idngo.ImageID("1411431805"), image.ImageID)

			require.Len(t, parts, 2)
			assert.Equal(t, textproto.MIMEHeader{
				"Content-Disposition": {`form-data; name="metadata"`}, "Content-Type": {"application/json"},
			}, parts[0].Header)
			assert.Equal(t, `{"idDocType":"SELFIE","idDocSubType":"FRONT_SIDE","country":"KAZ"}`, string(parts[0].Content))
			assert.Equal(t, textproto.MIMEHeader{
				"Content-Disposition": {`form-data; name="content"; filename="face.jpg"`}, "Content-Type": {"image/jpeg"},
			}, parts[1].Header)
			assert.True(t, bytes.Equal(content, parts[1].Content))
		})
	}
}

func TestAddImageContentType(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fileName, given, content string
		want                     string
	}{
		"the caller's word":       {fileName: "face.jpg", given: "image/heic", content: "\x89PNG\r\n\x1a\n", want: "image/heic"},
		"with a parameter":        {fileName: "face.jpg", given: `image/png; note="a, b"`, want: `image/png; note="a, b"`},
		"by the name":             {fileName: "face.PNG", content: "\xff\xd8\xff", want: "image/png"},
		"by the first bytes":      {fileName: "face", content: "\x89PNG\r\n\x1a\n", want: "image/png"},
		"by a PDF's first bytes":  {fileName: "face", content: "%PDF-1.7 ", want: "application/pdf"},
		"of bytes nobody knows":   {fileName: "face", content: "\x00\x01\x02", want: "application/octet-stream"},
		"of no bytes and no name": {want: "text/plain; charset=utf-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, mock := faultnet.NewMock(t)
			faultnet.RespondFunc(t, mock, http.MethodPost, faultnet.UploadTarget, func(req *http.Request, body []byte) (*http.Response, error) {
				assert.Equal(t, tt.want, faultnet.ParseUpload(t, req.Header, body)[1].Header.Get("Content-Type"))
				return httpmock.NewStringResponse(http.StatusOK, faultnet.ImageJSON), nil
			})
			params := faultnet.Selfie(idngo.ImageReader(tt.fileName, strings.NewReader(tt.content)))
			params.ContentType = tt.given
			_, err := client.AddImage(t.Context(), "a1", params)
			require.NoError(t, err)
		})
	}
}

// The Content-Length is exact, and each reader of GetBody has a position of its own. net/http needs
// both to send a request again.
func TestUploadCanBeReplayed(t *testing.T) {
	t.Parallel()
	content := faultnet.Noise(200_001)
	for name, source := range faultnet.ImageSources(t, content) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
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
				faultnet.AssertSigned(t, req.Method, req.URL.RequestURI(), req.Header, first)
				return httpmock.NewStringResponse(http.StatusOK, faultnet.ImageJSON), nil
			}))
			_, err := client.AddImage(t.Context(), "a1", faultnet.Selfie(source()))
			require.NoError(t, err)
		})
	}
}

func TestImageReaderIsUsedOnce(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	faultnet.Respond(t, mock, http.MethodPost, faultnet.UploadTarget, http.StatusOK, faultnet.ImageJSON)
	source := idngo.ImageReader("face.jpg", strings.NewReader("a face"))
	_, err := client.AddImage(t.Context(), "", faultnet.Selfie(source))
	require.ErrorIs(t, err, idngo.ErrInvalidArgument, "refused before the source was touched")
	_, err = client.AddImage(t.Context(), "a1", faultnet.Selfie(source), idngo.WithHeader("content-type", "image/png"))
	require.ErrorIs(t, err, idngo.ErrInvalidArgument, "that header names the boundary")
	var used, refused atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			switch _, err := client.AddImage(context.Background(), "a1", faultnet.Selfie(source)); {
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

// Every source but a stream can serve any number of uploads at once.
func TestSourcesAreReusable(t *testing.T) {
	t.Parallel()
	content := faultnet.Noise(300_000)
	for name, source := range faultnet.ImageSources(t, content) {
		if name == "reader" {
			continue
		}
		client, mock := faultnet.NewMock(t)
		faultnet.RespondFunc(t, mock, http.MethodPost, faultnet.UploadTarget, func(req *http.Request, body []byte) (*http.Response, error) {
			assert.True(t, bytes.Contains(body, content), name)
			return httpmock.NewStringResponse(http.StatusOK, faultnet.ImageJSON), nil
		})
		shared := source()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				_, err := client.AddImage(context.Background(), "a1", faultnet.Selfie(shared))
				assert.NoError(t, err)
			})
		}
		wg.Wait()
	}
}

// If a source fails before the request is sent, the call returns its error and sends nothing.
func TestUploadOfABrokenSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is on fire")
	failing := faultnet.ReaderAtFunc(func([]byte, int64) (int, error) { return 0, broken })
	var none atomic.Int32
	client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		none.Add(1)
		return nil, errors.New("not to be called")
	}))
	for name, source := range map[string]idngo.ImageSource{
		"at once":       idngo.ImageReader("x.jpg", iotest.ErrReader(broken)),
		"in the middle": idngo.ImageReader("x.jpg", io.MultiReader(strings.NewReader("a fa"), iotest.ErrReader(broken))),
		"readerAt":      idngo.ImageReaderAt("x.jpg", failing, 10),
		"while sniffed": idngo.ImageReaderAt("", failing, 10),
	} {
		response := idngo.Response{StatusCode: 200, Attempts: 7}
		_, err := client.AddImage(t.Context(), "a1", faultnet.Selfie(source), idngo.WithResponse(&response))
		require.ErrorIs(t, err, broken, name)
		require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown, name)
		require.NotErrorIs(t, err, idngo.ErrInvalidArgument, name)
		require.NotErrorIs(t, err, idngo.ErrImageChanged, name)
		assert.Contains(t, err.Error(), "AddImage", name)
		assert.Zero(t, response.StatusCode, name)
	}
	_, err := client.AddImage(
		t.Context(), "a1", faultnet.Selfie(idngo.ImageReader("x", faultnet.ReaderFunc(func([]byte) (int, error) { return 0, nil }))),
	)
	require.ErrorIs(t, err, io.ErrNoProgress)
	_, err = client.AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageReaderAt("x.jpg", strings.NewReader("short"), 10)))
	require.ErrorIs(t, err, idngo.ErrImageChanged)
	assert.Zero(t, none.Load())
}

// If the context ends while the source is read, the call returns the error of the context with its
// cause and sends nothing.
func TestUploadCancelledWhileReading(t *testing.T) {
	t.Parallel()
	cause := errors.New("the user went away")
	client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		t.Error("nothing may be sent")
		return nil, errors.New("not to be called")
	}))
	for name, source := range map[string]func(cancel func()) idngo.ImageSource{
		"spooling into memory": func(cancel func()) idngo.ImageSource {
			return idngo.ImageReader("x.jpg", faultnet.ReaderFunc(func(p []byte) (int, error) { cancel(); return min(len(p), 100), nil }))
		},
		"hashing": func(cancel func()) idngo.ImageSource {
			return idngo.ImageReaderAt("x.jpg", &faultnet.CountingReaderAt{ReaderAt: faultnet.Endless(0), Before: func(read int64) {
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
		_, err := client.AddImage(ctx, "a1", faultnet.Selfie(source(func() { cancel(cause) })))
		require.ErrorIs(t, err, context.Canceled, name)
		require.ErrorIs(t, err, cause, name)
		require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown, name)
	}
}

// The client does not close the caller's file and does not change its position.
func TestUploadLeavesTheCallersFileAlone(t *testing.T) {
	t.Parallel()
	content := faultnet.Noise(100_000)
	client, mock := faultnet.NewMock(t)
	var body []byte
	faultnet.RespondFunc(t, mock, http.MethodPost, faultnet.UploadTarget, func(_ *http.Request, b []byte) (*http.Response, error) {
		body = b
		return httpmock.NewStringResponse(http.StatusOK, faultnet.ImageJSON), nil
	})
	f, err := os.Open(faultnet.TempFile(t, "face.jpg", content))
	require.NoError(t, err)
	defer f.Close()
	_, err = f.Seek(777, io.SeekStart)
	require.NoError(t, err)
	at := func() int64 {
		n, err := f.Seek(0, io.SeekCurrent)
		require.NoError(t, err, "still open")
		return n
	}

	_, err = client.AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageReaderAt("face.jpg", f, int64(len(content)))))
	require.NoError(t, err)
	assert.EqualValues(t, 777, at(), "ImageReaderAt seeks nothing")
	assert.True(t, bytes.Contains(body, content))

	_, err = client.AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageReader("face.jpg", f)))
	require.NoError(t, err)
	assert.EqualValues(t, len(content), at(), "ImageReader reads from where it stands")
	assert.True(t, bytes.Contains(body, content[777:]))
	assert.False(t, bytes.Contains(body, content))
}
