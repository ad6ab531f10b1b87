package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// An upload reads its source exactly twice: once to sign it and once to send it. If the name does
// not show the type of the image, it reads 512 bytes more.
func TestUploadReadsItsSourceTwice(t *testing.T) {
	t.Parallel()
	const size = 3<<20 + 17
	for name, sniffed := range map[string]int64{"face.jpg": 0, "face": 512} {
		client, service := faultnet.StartSimulator(t, simulator.Config{})
		action := faultnet.CreateSimulatorAction(t, client)
		source := &faultnet.CountingReaderAt{ReaderAt: bytes.NewReader(faultnet.Noise(size))}
		_, err := client.AddImage(t.Context(), action, faultnet.Selfie(idngo.ImageReaderAt(name, source, size)))
		require.NoError(t, err)
		assert.Equal(t, 2*size+sniffed, source.Bytes.Load(), name)
		assert.Equal(t, faultnet.SHA256(faultnet.Noise(size)), service.Images(action)[0].SHA256)
	}
}

func TestUploadsArriveWhole(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 511, 512, 4095, 64 << 10, 64<<10 + 1, 5<<20 + 3} {
		content := faultnet.Noise(size)
		for name, source := range faultnet.ImageSources(t, content) {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				t.Parallel()
				client, service := faultnet.StartSimulator(t, simulator.Config{})
				action := faultnet.CreateSimulatorAction(t, client)
				image, err := client.AddImage(t.Context(), action, faultnet.Selfie(source()))
				require.NoError(t, err)
				got := service.Images(action)
				require.Len(t, got, 1)
				assert.Equal(t, string(image.ImageID), got[0].ImageID)
				assert.Equal(t, []any{"face.jpg", "image/jpeg", int64(size), faultnet.SHA256(content), "SELFIE", "KAZ"},
					[]any{got[0].FileName, got[0].ContentType, got[0].Size, got[0].SHA256, got[0].IDDocType, got[0].Country})
			})
		}
	}
}

// The client sends an empty image, and the service refuses it.
func TestEmptyImageIsSent(t *testing.T) {
	t.Parallel()
	client, _ := faultnet.StartSimulator(t, simulator.Config{})
	action := faultnet.CreateSimulatorAction(t, client)
	for name, source := range faultnet.ImageSources(t, nil) {
		_, err := client.AddImage(t.Context(), action, faultnet.Selfie(source()))
		var api *idngo.APIError
		require.ErrorAs(t, err, &api, name)
		assert.Equal(t, idngo.CodeEmptyFile, api.Code, name)
	}
}

// A file is open in one place at a time, and it is closed after each attempt.
func TestImageFileIsOpenedPerAttempt(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	path := faultnet.TempFile(t, "face.jpg", faultnet.Noise(300_000))
	attempt := 0
	client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		attempt++
		assert.Zero(t, faultnet.OpenFiles(t, path), "attempt %d: pass one has closed it", attempt)
		if attempt == 1 { // the answer comes before anything was read
			require.NoError(t, req.Body.Close())
			return httpmock.NewStringResponse(429, ""), nil
		}
		_, err := io.CopyN(io.Discard, req.Body, 100_000)
		require.NoError(t, err)
		assert.Equal(t, 1, faultnet.OpenFiles(t, path), "attempt %d", attempt)
		if attempt == 2 { // the answer comes after a part of the body was read
			require.NoError(t, req.Body.Close())
			assert.Zero(t, faultnet.OpenFiles(t, path))
			return httpmock.NewStringResponse(429, ""), nil
		}
		_, err = io.Copy(io.Discard, req.Body)
		require.NoError(t, err)
		assert.Zero(t, faultnet.OpenFiles(t, path), "read to its end")
		require.NoError(t, req.Body.Close())
		return httpmock.NewStringResponse(http.StatusOK, faultnet.ImageJSON), nil
	}), idngo.WithRetryPolicy(idngo.RetryPolicy{MinDelay: 1}))
	_, err := client.AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageFile(path)))
	require.NoError(t, err)
	assert.Equal(t, 3, attempt)
	assert.Zero(t, faultnet.OpenFiles(t, path))
}

// The allocations of an upload do not depend on its size. The test is not parallel, since it counts
// all allocations of the process.
//
//nolint:paralleltest // see above
func TestUploadAllocatesTheSameForAnySize(t *testing.T) {
	buf := make([]byte, 64<<10)
	client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		defer req.Body.Close()
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, req.Body, buf)
		assert.Equal(t, req.ContentLength, n)
		return httpmock.NewStringResponse(http.StatusOK, faultnet.ImageJSON), err
	}))
	upload := func(size int64) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := client.AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageReaderAt("x.jpg", faultnet.Endless(0), size)))
		runtime.ReadMemStats(&after)
		require.NoError(t, err)
		return after.TotalAlloc - before.TotalAlloc
	}
	upload(1)
	for _, size := range []int64{1 << 10, 64 << 20} {
		// The limit is 32 KiB and the cost of a pool that was emptied meanwhile.
		assert.Less(t, upload(size), uint64(160<<10), "%d bytes", size)
	}
}
