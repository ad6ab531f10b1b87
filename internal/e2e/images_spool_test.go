package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// The tests of this file upload streams, which the client keeps until they are sent.

// spoolLimit is the number of bytes of a stream that the client keeps in memory.
const spoolLimit = 8 << 20

// setTempDir sets the directory for temporary files, for the whole process. Tests that call it are
// not parallel. On Linux a temporary file has no name, so the tests check the descriptors too.
func setTempDir(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, dir)
	}
}

// assertNothingLeft checks that no temporary file is left, with or without a name.
func assertNothingLeft(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
	assert.LessOrEqual(t, faultnet.OpenFiles(t, dir), 0, "an open temporary file")
}

// A stream is kept in memory up to 8 MiB, and in a temporary file above that.
//
//nolint:paralleltest // it sets the environment
func TestImageReaderSpools(t *testing.T) {
	data := faultnet.Noise(2*spoolLimit + 12345)
	client, service := faultnet.StartSimulator(t, simulator.Config{})
	action := faultnet.CreateSimulatorAction(t, client)
	for _, size := range []int{0, 1, spoolLimit - 1, spoolLimit, spoolLimit + 1, len(data)} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			content := data[:size]
			upload := func() error {
				_, err := client.AddImage(
					t.Context(), action, faultnet.Selfie(idngo.ImageReader("face.jpg", iotest.HalfReader(bytes.NewReader(content)))),
				)
				return err
			}
			setTempDir(t, filepath.Join(t.TempDir(), "missing"))
			err := upload()
			switch {
			case size > spoolLimit:
				require.ErrorIs(t, err, os.ErrNotExist, "the directory for temporary files")
				dir := t.TempDir()
				setTempDir(t, dir)
				require.NoError(t, upload())
				assertNothingLeft(t, dir)
			case size == 0:
				require.ErrorContains(t, err, "1003")
				return
			default:
				require.NoError(t, err, "no file for so little")
			}
			images := service.Images(action)
			assert.Equal(t, faultnet.SHA256(content), images[len(images)-1].SHA256)
		})
	}
}

// During its upload, a large stream has one temporary file, without a name if the system allows
// that.
//
//nolint:paralleltest // it sets the environment
func TestTemporaryFileHasNoName(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	dir := t.TempDir()
	setTempDir(t, dir)
	client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Empty(t, entries)
		assert.Equal(t, 1, faultnet.OpenFiles(t, dir))
		return httpmock.NewStringResponse(http.StatusOK, faultnet.ImageJSON), nil
	}))
	_, err := client.AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageReader("x.jpg", bytes.NewReader(make([]byte, spoolLimit+1)))))
	require.NoError(t, err)
	assertNothingLeft(t, dir)
}

// The temporary file of an upload is removed, whatever the call returns.
//
//nolint:paralleltest // it sets the environment
func TestNoTemporaryFileIsLeft(t *testing.T) {
	large := func() io.Reader { return io.LimitReader(faultnet.Endless(0), spoolLimit+100_000) }
	broken := errors.New("the disk is on fire")
	answer := func(status int) faultnet.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			defer req.Body.Close()
			_, _ = io.Copy(io.Discard, req.Body)
			return httpmock.NewStringResponse(status, `{"id":"1"}`), nil
		}
	}
	tests := map[string]struct {
		transport faultnet.RoundTripFunc
		reader    func(cancel func()) io.Reader
		progress  func(cancel func()) func(idngo.UploadProgress)
		want      error
		panics    any
	}{
		"success":     {transport: answer(200)},
		"refused":     {transport: answer(400), want: new(idngo.APIError)},
		"server down": {transport: answer(503), want: idngo.ErrOutcomeUnknown},
		"answer without reading": {transport: func(*http.Request) (*http.Response, error) {
			return httpmock.NewStringResponse(429, ""), nil
		}, want: idngo.ErrRateLimited},
		"connection lost": {transport: func(req *http.Request) (*http.Response, error) {
			_, _ = io.CopyN(io.Discard, req.Body, 10_000)
			_ = req.Body.Close()
			return nil, broken
		}, want: broken},
		"body never closed": {transport: func(req *http.Request) (*http.Response, error) {
			_, _ = io.CopyN(io.Discard, req.Body, 10_000)
			return nil, broken
		}, want: broken},
		"source fails": {transport: answer(200), reader: func(func()) io.Reader {
			return io.MultiReader(large(), iotest.ErrReader(broken))
		}, want: broken},
		"source panics": {transport: answer(200), reader: func(func()) io.Reader {
			return io.MultiReader(large(), faultnet.ReaderFunc(func([]byte) (int, error) { panic("boom") }))
		}, panics: "boom"},
		"cancelled while spooling": {transport: answer(200), reader: func(cancel func()) io.Reader {
			return io.MultiReader(large(), faultnet.ReaderFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }))
		}, want: context.Canceled},
		"cancelled while sending": {
			transport: func(req *http.Request) (*http.Response, error) {
				_, _ = io.Copy(io.Discard, req.Body)
				return nil, req.Context().Err()
			},
			progress: func(cancel func()) func(idngo.UploadProgress) {
				return func(p idngo.UploadProgress) {
					if p.Sent > 0 {
						cancel()
					}
				}
			}, want: context.Canceled,
		},
		"transport panics": {transport: func(*http.Request) (*http.Response, error) { panic("boom") }, panics: "boom"},
		"callback panics at once": {transport: answer(200), progress: func(func()) func(idngo.UploadProgress) {
			return func(idngo.UploadProgress) { panic("boom") }
		}, panics: "boom"},
		"callback panics later": {transport: answer(200), progress: func(func()) func(idngo.UploadProgress) {
			return func(p idngo.UploadProgress) {
				if p.Sent > 0 {
					panic("boom")
				}
			}
		}, panics: "boom"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			setTempDir(t, dir)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			reader := large()
			if tt.reader != nil {
				reader = tt.reader(cancel)
			}
			params := faultnet.Selfie(idngo.ImageReader("face.jpg", reader))
			if tt.progress != nil {
				params.Progress = tt.progress(cancel)
			}
			client := faultnet.NewClient(t, tt.transport, faultnet.OneAttempt())
			var err error
			upload := func() { _, err = client.AddImage(ctx, "a1", params) }
			if tt.panics != nil {
				assert.PanicsWithValue(t, tt.panics, upload)
			} else {
				upload()
			}
			switch want := tt.want.(type) {
			case nil:
				require.NoError(t, err)
			case *idngo.APIError:
				require.ErrorAs(t, err, &want)
			default:
				require.ErrorIs(t, err, want)
			}
			assertNothingLeft(t, dir)
		})
	}
}
