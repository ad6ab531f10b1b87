package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// The tests of this file change the source of an image during the upload.

// wholeBodies starts a server that counts the bodies that it has read to their end.
func wholeBodies(t *testing.T) (base string, whole *atomic.Int32) {
	t.Helper()
	whole = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, err := io.Copy(io.Discard, r.Body); err == nil && n == r.ContentLength {
			whole.Add(1)
		}
		_, _ = io.WriteString(w, faultnet.ImageJSON)
	}))
	t.Cleanup(server.Close)
	return server.URL, whole
}

// The client notices at once if the size of a source has changed: the call returns ErrImageChanged
// after one attempt, and no server gets a whole body.
func TestUploadOfAnImageThatChangesItsSize(t *testing.T) {
	t.Parallel()
	content := faultnet.Noise(3 << 20)
	replace := func(t *testing.T, path string, content []byte) {
		require.NoError(t, os.WriteFile(path, content, 0o600))
	}
	tests := map[string]func(t *testing.T, path string){
		"shrunk":  func(t *testing.T, path string) { replace(t, path, content[:len(content)-1]) },
		"emptied": func(t *testing.T, path string) { replace(t, path, nil) },
		"grown":   func(t *testing.T, path string) { replace(t, path, append(bytes.Clone(content), 'x')) },
		"a folder": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		},
	}
	check := func(t *testing.T, err error, response idngo.Response, path string) {
		t.Helper()
		require.ErrorIs(t, err, idngo.ErrImageChanged)
		require.NotErrorIs(t, err, idngo.ErrSignatureMismatch)
		require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown, "the service cannot have taken half a body")
		require.NotErrorIs(t, err, idngo.ErrInvalidArgument)
		assert.NotContains(t, err.Error(), filepath.Dir(path))
		assert.Equal(t, 1, response.Attempts)
	}
	for name, change := range tests {
		t.Run(name+" between the passes", func(t *testing.T) {
			t.Parallel()
			base, whole := wholeBodies(t)
			client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(base), faultnet.RetryAtOnce(3))
			require.NoError(t, err)
			path := faultnet.TempFile(t, "face.jpg", content)
			var once sync.Once
			params := faultnet.Selfie(idngo.ImageFile(path))
			params.Progress = func(idngo.UploadProgress) { once.Do(func() { change(t, path) }) } // the first call is between the passes
			var response idngo.Response
			_, err = client.AddImage(t.Context(), "a1", params, idngo.WithResponse(&response), idngo.WithIdempotent())
			check(t, err, response, path)
			assert.Zero(t, whole.Load())
		})
		if name == "a folder" {
			continue // an open file does not change when its path becomes a folder
		}
		t.Run(name+" while it is sent", func(t *testing.T) {
			t.Parallel()
			base, whole := wholeBodies(t)
			path := faultnet.TempFile(t, "face.jpg", content)
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(base), faultnet.RetryAtOnce(3), idngo.WithHTTPClient(&http.Client{
				Transport: faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					req.Body = &halfWay{ReadCloser: req.Body, left: int64(len(content) / 2), then: func() { change(t, path) }}
					return transport.RoundTrip(req)
				}),
			}))
			require.NoError(t, err)
			var response idngo.Response
			_, err = client.AddImage(
				t.Context(), "a1", faultnet.Selfie(idngo.ImageFile(path)), idngo.WithResponse(&response), idngo.WithIdempotent(),
			)
			check(t, err, response, path)
			assert.Zero(t, whole.Load())
		})
	}
}

// halfWay calls then once, after it has read left bytes.
type halfWay struct {
	io.ReadCloser
	left int64
	then func()
}

func (h *halfWay) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	if h.left -= int64(n); h.left <= 0 && h.then != nil {
		h.then()
		h.then = nil
	}
	return n, err
}

// A ReaderAt that ends early makes the upload fail with ErrImageChanged. A ReaderAt that fails
// makes it fail with the error of the ReaderAt.
func TestUploadOfAReaderAtThatFailsWhileSending(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is on fire")
	for name, tt := range map[string]struct{ fails, want error }{
		"ends early": {fails: io.EOF, want: idngo.ErrImageChanged}, "fails": {fails: broken, want: broken},
		"is closed": {fails: os.ErrClosed, want: os.ErrClosed},
	} {
		base, whole := wholeBodies(t)
		client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(base), faultnet.RetryAtOnce(3))
		require.NoError(t, err)
		var sending atomic.Bool
		params := faultnet.Selfie(idngo.ImageReaderAt("face.jpg", faultnet.ReaderAtFunc(func(p []byte, off int64) (int, error) {
			if sending.Load() && off > 1<<20 {
				return 0, tt.fails
			}
			return faultnet.Endless(0).ReadAt(p, off)
		}), 3<<20))
		params.Progress = func(idngo.UploadProgress) { sending.Store(true) }
		var response idngo.Response
		_, err = client.AddImage(t.Context(), "a1", params, idngo.WithResponse(&response), idngo.WithIdempotent())
		require.ErrorIs(t, err, tt.want, name)
		require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown, name)
		if tt.want != idngo.ErrImageChanged {
			require.NotErrorIs(t, err, idngo.ErrImageChanged, name)
		}
		assert.Equal(t, 1, response.Attempts, name)
		assert.Zero(t, whole.Load(), name)
	}
}

func TestUploadOfAFileThatVanishes(t *testing.T) {
	t.Parallel()
	base, whole := wholeBodies(t)
	client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(base))
	require.NoError(t, err)
	path := faultnet.TempFile(t, "face.jpg", faultnet.Noise(100_000))
	params := faultnet.Selfie(idngo.ImageFile(path))
	params.Progress = func(idngo.UploadProgress) { _ = os.Remove(path) }
	_, err = client.AddImage(t.Context(), "a1", params)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)
	assert.Zero(t, whole.Load())
	notThere := err

	// The errors do not show the directory of the file, since a path may contain a person's name.
	_, err = client.AddImage(t.Context(), "a1", params)
	require.ErrorIs(t, err, idngo.ErrInvalidArgument)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, ofDir := client.AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageFile(filepath.Dir(path))))
	require.ErrorIs(t, ofDir, idngo.ErrInvalidArgument)
	closed, errOpen := os.Open(filepath.Dir(path))
	require.NoError(t, errOpen)
	require.NoError(t, closed.Close())
	_, ofReader := client.AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageReader("face.jpg", closed)))
	require.ErrorIs(t, ofReader, os.ErrClosed)

	own := errors.New("of the caller's reader")
	_, ofCaller := client.AddImage(
		t.Context(), "a1", faultnet.Selfie(idngo.ImageReader("face.jpg", iotest.ErrReader(fmt.Errorf("%w: %w", own, errors.Unwrap(err))))),
	)
	require.ErrorIs(t, ofCaller, own, "hidden, but there")
	for _, err := range []error{notThere, err, ofDir, ofReader, ofCaller} {
		assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), filepath.Dir(path))
	}
}

// A transport returns an answer although it could not read the image to its end. The call fails,
// since the service has not got the whole image.
func TestUploadThatIsAnsweredThoughItsSourceFailed(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	closed := false
	client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		_, err := io.Copy(io.Discard, req.Body)
		assert.Error(t, err)
		res := httpmock.NewStringResponse(http.StatusOK, faultnet.ImageJSON)
		res.Body = &faultnet.Body{Reader: res.Body, OnClose: func() { closed = true }}
		return res, req.Body.Close()
	}))
	reads := 0
	source := faultnet.ReaderAtFunc(func(p []byte, _ int64) (int, error) {
		if reads++; reads > 1 {
			return 0, broken
		}
		return len(p), nil
	})
	_, err := client.AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageReaderAt("face.jpg", source, 10)))
	require.ErrorIs(t, err, broken)
	assert.True(t, closed)
}

// If the bytes change but not the size, the service refuses the signature. Only then the client
// hashes the image once more, to return ErrImageChanged instead of ErrSignatureMismatch.
func TestUploadOfAnImageThatChangesItsBytes(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	content := faultnet.Noise(size)

	t.Run("changed", func(t *testing.T) {
		t.Parallel()
		client, service := faultnet.StartSimulator(t, simulator.Config{})
		action := faultnet.CreateSimulatorAction(t, client)
		path := faultnet.TempFile(t, "face.jpg", content)
		params := faultnet.Selfie(idngo.ImageFile(path))
		params.Progress = func(idngo.UploadProgress) {
			_ = os.WriteFile(path, append([]byte{content[0] ^ 1}, content[1:]...), 0o600)
		}
		_, err := client.AddImage(t.Context(), action, params)
		require.ErrorIs(t, err, idngo.ErrImageChanged)
		require.NotErrorIs(t, err, idngo.ErrSignatureMismatch)
		var api *idngo.APIError
		require.ErrorAs(t, err, &api)
		assert.Equal(t, []any{http.StatusUnauthorized, idngo.CodeSignatureMismatch, 1}, []any{api.StatusCode, api.Code, api.Attempts})
		assert.Equal(t, 1, service.Stats().RefusedSignatures)
	})
	t.Run("changed its size after it was sent", func(t *testing.T) {
		t.Parallel()
		path := faultnet.TempFile(t, "face.jpg", content)
		client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			_, _ = io.Copy(io.Discard, req.Body)
			_ = os.Truncate(path, 10)
			return httpmock.NewStringResponse(401, `{"errorCode":4003}`), req.Body.Close()
		}))
		_, err := client.AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageFile(path)))
		require.ErrorIs(t, err, idngo.ErrImageChanged)
		require.NotErrorIs(t, err, idngo.ErrSignatureMismatch)
		require.ErrorContains(t, err, "image changed while it was being sent: 401")
	})
	t.Run("wrong secret", func(t *testing.T) {
		t.Parallel()
		_, service := faultnet.StartSimulator(t, simulator.Config{})
		base, err := service.Start("")
		require.NoError(t, err)
		client, err := idngo.NewClient(idngo.Credentials{AppToken: simulator.DefaultAppToken, SecretKey: "anotherKey"}, idngo.WithBaseURL(base))
		require.NoError(t, err)
		source := &faultnet.CountingReaderAt{ReaderAt: bytes.NewReader(content)}
		_, err = client.AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageReaderAt("face.jpg", source, size)))
		require.ErrorIs(t, err, idngo.ErrSignatureMismatch)
		require.NotErrorIs(t, err, idngo.ErrImageChanged)
		assert.EqualValues(t, 3*size, source.Bytes.Load(), "hashed, sent, hashed again")
	})
	t.Run("another refusal", func(t *testing.T) {
		t.Parallel()
		client, service := faultnet.StartSimulator(t, simulator.Config{})
		source := &faultnet.CountingReaderAt{ReaderAt: bytes.NewReader(content)}
		_, err := client.AddImage(t.Context(), "unknown", faultnet.Selfie(idngo.ImageReaderAt("face.jpg", source, size)))
		require.ErrorIs(t, err, idngo.ErrNotFound)
		assert.EqualValues(t, 2*size, source.Bytes.Load(), "not hashed again")
		assert.Equal(t, 1, service.Stats().ByOperation["AddImage"])
	})
}

// The refusal of the signature may come slowly, and hashing once more may take longer than the
// timeout. In both cases the call returns ErrImageChanged.
func TestChangedImageIsFoundHoweverSlowly(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]struct{ answer, hashing time.Duration }{
		"answer": {answer: 3 * time.Second}, "hashing": {hashing: 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				var refused atomic.Bool
				network.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
					_, _ = io.Copy(io.Discard, r.Body)
					refused.Store(true)
					w.WriteHeader(401)
					_, _ = io.WriteString(w, `{"errorCode":4003}`+strings.Repeat(" ", 70<<10))
					_ = http.NewResponseController(w).Flush()
					time.Sleep(slow.answer) // the rest of the answer comes later
					return true
				}
				source := faultnet.ReaderAtFunc(func(p []byte, off int64) (int, error) {
					for i := range p {
						p[i] = 'a'
						if refused.Load() {
							p[i] = 'b'
						}
					}
					if refused.Load() {
						time.Sleep(slow.hashing / 4)
					}
					return len(p), nil
				})
				_, err := network.Client().AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageReaderAt("face.jpg", source, 100_000)))
				require.ErrorIs(t, err, idngo.ErrImageChanged)
				require.NotErrorIs(t, err, idngo.ErrSignatureMismatch)
				time.Sleep(slow.answer) // the handler of the server ends within this time
			})
		})
	}
}
