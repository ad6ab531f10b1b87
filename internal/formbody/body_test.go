package formbody

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var metadata = []byte(`{"idDocType":"SELFIE","country":"KAZ"}`)

func TestBodyIsParsedBack(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 2, 511, 512, 513, 4095, 4096, 4097, 32<<10 - 1, 32 << 10, 32<<10 + 1, 1<<20 + 7} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			want := pattern(size)
			b := newBody(t, "face.jpg", "", Bytes(want))

			text := readBody(t, b)
			assert.EqualValues(t, len(text), b.Size())
			parts := parse(t, b, text)
			require.Len(t, parts, 2)
			assert.Equal(t, textproto.MIMEHeader{
				"Content-Disposition": {`form-data; name="metadata"`},
				"Content-Type":        {"application/json"},
			}, parts[0].header)
			assert.Equal(t, metadata, parts[0].text)
			assert.Equal(t, textproto.MIMEHeader{
				"Content-Disposition": {`form-data; name="content"; filename="face.jpg"`},
				"Content-Type":        {"image/jpeg"},
			}, parts[1].header)
			assert.True(t, bytes.Equal(want, parts[1].text))
		})
	}
}

func TestBodyReadsAnyWay(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 1000} {
		b := newBody(t, "face.jpg", "", Bytes(pattern(size)))
		text := readBody(t, b)
		require.NoError(t, iotest.TestReader(b.Open(), text))

		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with error": iotest.DataErrReader,
		} {
			got, err := io.ReadAll(wrap(b.Open()))
			require.NoError(t, err, name)
			assert.Equal(t, text, got, name)
		}

		r := b.Open()
		for range 3 {
			n, err := r.Read(nil)
			assert.Zero(t, n)
			require.NoError(t, err)
		}
	}
}

func TestBodyIsTheSameForEachReaderAndNewForEachBody(t *testing.T) {
	t.Parallel()
	one := newBody(t, "a.png", "", Bytes([]byte("x")))
	two := newBody(t, "a.png", "", Bytes([]byte("x")))
	assert.Equal(t, readBody(t, one), readBody(t, one))
	assert.NotEqual(t, one.ContentType(), two.ContentType())
	assert.NotEqual(t, readBody(t, one), readBody(t, two))

	_, params, err := mime.ParseMediaType(one.ContentType())
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(params["boundary"]), 26, "130 bits in base 32")
	assert.LessOrEqual(t, len(params["boundary"]), 70, "RFC 2046")
}

func TestBodyTakesAnyMetadata(t *testing.T) {
	t.Parallel()
	for _, meta := range []string{"", "{}", "\r\n--x--\r\n", `{"a":"%s %d"}`} {
		source := []byte(meta)
		b, err := New(source, "a.png", "", Bytes([]byte("x")))
		require.NoError(t, err)
		for i := range source {
			source[i] = '!' // the caller may change its slice again
		}
		parts := parse(t, b, readBody(t, b))
		require.Len(t, parts, 2)
		assert.Equal(t, meta, string(parts[0].text))
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]Content{
		"size below zero": ReaderAt(strings.NewReader("x"), -1),
		"nothing to open": {Size: 1},
		"size overflow":   ReaderAt(strings.NewReader("x"), math.MaxInt64),
	} {
		_, err := New(metadata, "a.jpg", "", content)
		assert.ErrorIs(t, err, ErrInvalid, name)
	}
}

// The largest content that is accepted makes a body of the largest length.
func TestNewTakesTheLargestContent(t *testing.T) {
	t.Parallel()
	largest := math.MaxInt64 - newBody(t, "a.jpg", "", Bytes(nil)).Size()
	b := newBody(t, "a.jpg", "", ReaderAt(zeros{}, largest))
	assert.Equal(t, int64(math.MaxInt64), b.Size())
	_, err := New(metadata, "a.jpg", "", ReaderAt(zeros{}, largest+1))
	assert.ErrorIs(t, err, ErrInvalid)
}

// Each Read returns bytes or an error, where the content ends too.
func TestEachReadReturnsSomething(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content Content
		want    error
	}{
		"whole":   {content: Bytes(pattern(1000)), want: io.EOF},
		"empty":   {content: Bytes(nil), want: io.EOF},
		"shorter": {content: ReaderAt(bytes.NewReader(pattern(999)), 1000), want: ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newBody(t, "a.jpg", "", c.content).Open()
			var err error
			for err == nil {
				var n int
				n, err = r.Read(make([]byte, 100))
				assert.True(t, n > 0 || err != nil)
			}
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestConcurrentReadersShareNoCursor(t *testing.T) {
	t.Parallel()
	data := pattern(300_000)
	for name, content := range map[string]Content{
		"file":     fileContent(t, data),
		"bytes":    Bytes(data),
		"readerAt": ReaderAt(bytes.NewReader(data), int64(len(data))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBody(t, "face.jpg", "", content)
			want := sha256.Sum256(readBody(t, b))

			abandoned := b.Open() // an attempt that was given up and still has its reader
			_, err := io.CopyN(io.Discard, abandoned, 100_000)
			require.NoError(t, err)

			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					h := sha256.New()
					n, err := io.CopyBuffer(h, b.Open(), make([]byte, 1000+i*777))
					assert.NoError(t, err)
					assert.Equal(t, b.Size(), n)
					assert.Equal(t, want[:], h.Sum(nil))
				})
			}
			wg.Wait()
			require.NoError(t, abandoned.Close())
		})
	}
}

func TestBodyIsSentByNetHTTP(t *testing.T) {
	t.Parallel()
	data := pattern(1 << 20)
	var attempt atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if attempt.Add(1) == 1 { // the answer comes before the body was read
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		assert.NoError(t, r.ParseMultipartForm(4<<20))
		f, header, err := r.FormFile("content")
		if assert.NoError(t, err) {
			got, _ := io.ReadAll(f)
			assert.True(t, bytes.Equal(data, got))
			assert.Equal(t, "лицо.jpg", header.Filename)
			assert.Equal(t, string(metadata), r.FormValue("metadata"))
		}
	}))
	defer srv.Close()

	b := newBody(t, "лицо.jpg", "", fileContent(t, data))
	for _, want := range []int{http.StatusServiceUnavailable, http.StatusOK} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, b.Open())
		require.NoError(t, err)
		req.ContentLength = b.Size()
		req.GetBody = func() (io.ReadCloser, error) { return b.Open(), nil }
		req.Header.Set("Content-Type", b.ContentType())
		resp, err := srv.Client().Do(req)
		if want == http.StatusServiceUnavailable && err != nil {
			continue // the server may also cut the connection during the write
		}
		require.NoError(t, err)
		assert.Equal(t, want, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
	}
}

// The test is not parallel, since it counts all allocations of the process.
func TestReadingAllocatesTheSameForAnySize(t *testing.T) {
	buf := make([]byte, 64<<10)
	for _, size := range []int64{1 << 10, 64 << 20} {
		b := newBody(t, "a.jpg", "", ReaderAt(zeros{}, size))
		used := allocated(func() {
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, b.Open(), buf)
			assert.NoError(t, err)
			assert.Equal(t, b.Size(), n)
		})
		assert.Less(t, used, uint64(4<<10), "for %d bytes", size)
	}
}

// -- helpers ------------------------------------------------------------------

// newBody returns a Body with the metadata of these tests and the content.
func newBody(t testing.TB, name, contentType string, content Content) *Body {
	t.Helper()
	b, err := New(metadata, name, contentType, content)
	require.NoError(t, err)
	return b
}

// readBody reads a Body to its end.
func readBody(t testing.TB, b *Body) []byte {
	t.Helper()
	r := b.Open()
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	return text
}

type part struct {
	header         textproto.MIMEHeader
	name, fileName string
	text           []byte
}

// parse splits the text of a Body into its parts.
func parse(t testing.TB, b *Body, text []byte) []part {
	t.Helper()
	mediaType, params, err := mime.ParseMediaType(b.ContentType())
	require.NoError(t, err)
	require.Equal(t, "multipart/form-data", mediaType)
	var parts []part
	for mr := multipart.NewReader(bytes.NewReader(text), params["boundary"]); ; {
		p, err := mr.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts
		}
		require.NoError(t, err)
		body, err := io.ReadAll(p)
		require.NoError(t, err)
		parts = append(parts, part{p.Header, p.FormName(), p.FileName(), body})
	}
}

// pattern returns n bytes in which every wrong position shows.
func pattern(n int) []byte {
	p := make([]byte, n)
	x := uint32(2463534242)
	for i := range p {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		p[i] = byte(x)
	}
	return p
}

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }

// allocated returns the number of bytes that the process allocates while do runs.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
