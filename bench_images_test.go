package idngo_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
)

const (
	benchAction = "5e022e0f0a975a45325c7ff5"
	benchTarget = "/resources/applicantActions/" + benchAction + "/images"
)

// BenchmarkAddImage uploads from a file: with net/http alone, with net/http and
// one HMAC pass over the file, and with this package. BENCH_HUGE=1 adds
// 500 MiB, to show that B/op does not depend on the size.
func BenchmarkAddImage(b *testing.B) {
	base := startBenchServer(b, "sink")
	sizes := []int{1, 10, 50}
	if os.Getenv("BENCH_HUGE") != "" {
		sizes = append(sizes, 500)
	}
	small := benchFile(b, 1<<20)
	floor := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	client := benchClient(b, base)
	for _, way := range []struct {
		name   string
		upload func(path string) error
	}{
		{"floor", func(path string) error { return floorUpload(floor, base, path, false) }},
		{"floor-signed", func(path string) error { return floorUpload(floor, base, path, true) }},
		{"idngo", func(path string) error { return idngoUpload(b.Context(), client, path) }},
	} {
		b.Run(way.name, func(b *testing.B) {
			for _, size := range sizes {
				path := benchFile(b, size<<20)
				b.Run(strconv.Itoa(size)+"MiB", func(b *testing.B) {
					for range 10 { // opens the connection, and fills pools on every CPU
						require.NoError(b, way.upload(small))
					}
					b.SetBytes(int64(size) << 20)
					b.ReportAllocs()
					for b.Loop() {
						if err := way.upload(path); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

// BenchmarkDownloadImage downloads 10 MiB: with net/http and io.Copy, and with
// this package.
func BenchmarkDownloadImage(b *testing.B) {
	const size = 10 << 20
	base := startBenchServer(b, "image")
	floor := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	client := benchClient(b, base)
	for _, way := range []struct {
		name     string
		download func(w io.Writer) (int64, error)
	}{
		{"floor", func(w io.Writer) (int64, error) {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, base+benchTarget+"/"+strconv.Itoa(size), nil)
			if err != nil {
				return 0, err
			}
			res, err := floor.Do(req)
			if err != nil {
				return 0, err
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return 0, errors.New(res.Status)
			}
			return io.Copy(w, res.Body)
		}},
		{"idngo", func(w io.Writer) (int64, error) {
			return client.DownloadImage(b.Context(), benchAction, idngo.ImageID(strconv.Itoa(size)), w, idngo.OpenImageParams{})
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			download := func() {
				if n, err := way.download(plainWriter{}); err != nil || n != size {
					b.Fatal(n, err)
				}
			}
			for range 10 { // opens the connection, and fills pools on every CPU
				download()
			}
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				download()
			}
		})
	}
}

// plainWriter is a writer that can do nothing but write, as most can.
type plainWriter struct{}

func (plainWriter) Write(p []byte) (int, error) { return len(p), nil }

func benchClient(tb testing.TB, base string, opts ...idngo.Option) *idngo.Client {
	tb.Helper()
	client, err := idngo.NewClient(testCreds, append(opts, idngo.WithBaseURL(base))...)
	require.NoError(tb, err)
	return client
}

// benchFile is a file whose pages are in memory.
func benchFile(tb testing.TB, size int) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "face.jpg")
	f, err := os.Create(path)
	require.NoError(tb, err)
	piece := bytes.Repeat([]byte("\xff\xd8\xff\xe0 not a face "), 1<<16)
	for ; size > 0; size -= len(piece) {
		piece = piece[:min(size, len(piece))]
		_, err := f.Write(piece)
		require.NoError(tb, err)
	}
	require.NoError(tb, f.Close())
	return path
}

func idngoUpload(ctx context.Context, client *idngo.Client, path string) error {
	_, err := client.AddImage(ctx, benchAction, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageFile(path),
	})
	return err
}

const (
	floorBoundary = "IDNGOFLOORBOUNDARYAAAAAAAA"
	floorHead     = "--" + floorBoundary + "\r\nContent-Disposition: form-data; name=\"metadata\"\r\nContent-Type: application/json\r\n\r\n" +
		`{"idDocType":"SELFIE","country":"KAZ"}` + "\r\n--" + floorBoundary + "\r\n" +
		"Content-Disposition: form-data; name=\"content\"; filename=\"face.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
	floorTail = "\r\n--" + floorBoundary + "--\r\n"
)

// floorUpload is what one would write for one upload, and nothing more.
func floorUpload(client *http.Client, base, path string, sign bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, base+benchTarget, io.MultiReader(strings.NewReader(floorHead), f, strings.NewReader(floorTail)))
	if err != nil {
		return err
	}
	req.ContentLength = int64(len(floorHead)) + info.Size() + int64(len(floorTail))
	req.Header.Set("Content-Type", "multipart/form-data; boundary="+floorBoundary)
	req.Header.Set("Accept", "application/json")
	if sign {
		stamp := strconv.FormatInt(time.Now().Unix(), 10)
		mac := hmac.New(sha256.New, []byte(testSecret))
		_, _ = io.WriteString(mac, stamp+req.Method+req.URL.RequestURI()+floorHead)
		if _, err := io.Copy(mac, f); err != nil {
			return err
		}
		_, _ = io.WriteString(mac, floorTail)
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		req.Header.Set("X-App-Token", testToken)
		req.Header.Set("X-App-Access-Ts", stamp)
		req.Header.Set("X-App-Access-Sig", hex.EncodeToString(mac.Sum(nil)))
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// Four uploads of 50 MiB at once cost a process less than 3 MiB of memory over
// the same four streamed by net/http, unsigned.
//
//nolint:paralleltest // others would slow it down
func TestUploadsTakeNoMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	if testing.Short() || underRace {
		t.Skip("long, and meaningless under the race detector")
	}
	base := startBenchServer(t, "sink")
	path := benchFile(t, 50<<20)
	peaks := map[string][]int{}
	for range 3 { // what the kernel counts wavers by some hundred KiB
		for _, way := range []string{"floor", "idngo"} {
			cmd := child(t, "upload", "IDNGO_TEST_UPLOAD="+strings.Join([]string{way, base, path}, "\n"))
			out, err := cmd.Output()
			require.NoError(t, err)
			peak, err := strconv.Atoi(strings.TrimSpace(string(out)))
			require.NoError(t, err)
			peaks[way] = append(peaks[way], peak)
		}
	}
	slices.Sort(peaks["floor"])
	slices.Sort(peaks["idngo"])
	t.Logf("peak resident memory, KiB: floor %d, idngo %d", peaks["floor"], peaks["idngo"])
	assert.Less(t, peaks["idngo"][1]-peaks["floor"][1], 3<<10)
}

// uploadForRSS is a child that uploads four times at once and prints the most
// memory it ever had, in KiB.
func uploadForRSS() error {
	args := strings.Split(os.Getenv("IDNGO_TEST_UPLOAD"), "\n")
	if len(args) != 3 {
		return errors.New("IDNGO_TEST_UPLOAD is missing")
	}
	way, base, path := args[0], args[1], args[2]
	upload := func() error { return floorUpload(http.DefaultClient, base, path, false) }
	if way == "idngo" {
		client, err := idngo.NewClient(testCreds, idngo.WithBaseURL(base))
		if err != nil {
			return err
		}
		upload = func() error { return idngoUpload(context.Background(), client, path) }
	}
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = upload() })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Println(strings.Fields(kib)[0])
			return nil
		}
	}
	return errors.New("no VmHWM in /proc/self/status")
}
