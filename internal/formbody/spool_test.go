package formbody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tests of Spool are not parallel, since each sets its own directory for temporary files in the
// environment.

func TestSpoolKeepsEveryByte(t *testing.T) {
	dir, data := tempDir(t), pattern(100_000)
	for _, memory := range []int64{-1, 0, 1, 4 << 10, 50_000, math.MaxInt64} {
		for _, size := range []int64{0, 1, 2, 4<<10 - 1, 4 << 10, 4<<10 + 1, 8<<10 + 1, 49_999, 50_000, 50_001, 100_000} {
			for name, wrap := range map[string]func(io.Reader) io.Reader{
				"plain": func(r io.Reader) io.Reader { return r }, "half": iotest.HalfReader, "data with error": iotest.DataErrReader,
			} {
				want := data[:size]
				content, cleanup, err := Spool(t.Context(), wrap(bytes.NewReader(want)), memory)
				at := fmt.Sprintf("%d of %d, %s", size, memory, name)
				require.NoError(t, err, at)
				require.Equal(t, size, content.Size, at)
				b := newBody(t, "a.jpg", "", content)
				parts := parse(t, b, readBody(t, b))
				require.True(t, bytes.Equal(want, parts[1].text), at)
				readBody(t, b)
				cleanup()
				cleanup()
				require.Empty(t, list(t, dir), at)
			}
		}
	}
}

func TestSpoolKeepsALargeContent(t *testing.T) {
	dir, want := tempDir(t), pattern(3<<20+1)
	for _, memory := range []int64{2 << 20, 8 << 20} {
		content, cleanup, err := Spool(t.Context(), bytes.NewReader(want), memory)
		require.NoError(t, err)
		b := newBody(t, "a.jpg", "", content)
		text := readBody(t, b)
		assert.True(t, bytes.Equal(want, text[len(b.head):len(text)-len(b.tail)]))
		cleanup()
		assert.Empty(t, list(t, dir))
	}
}

func TestSpoolUsesNoFileUpToTheLimit(t *testing.T) {
	setTempDir(t, filepath.Join(t.TempDir(), "none"))
	for _, size := range []int{0, 1, 999, 1000} {
		content, cleanup, err := Spool(t.Context(), bytes.NewReader(pattern(size)), 1000)
		require.NoError(t, err)
		cleanup()
		r, err := content.Open()
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err, "memory needs no cleaning up")
		assert.True(t, bytes.Equal(pattern(size), got))
	}
	for _, r := range []io.Reader{
		bytes.NewReader(pattern(1001)), &dataAnd{string(pattern(4000)), io.EOF},
	} {
		content, cleanup, err := Spool(t.Context(), r, 1000)
		assert.ErrorIs(t, err, os.ErrNotExist, "the directory for temporary files")
		assert.Zero(t, content.Size)
		assert.NotPanics(t, cleanup)
	}
	_, _, err := Spool(t.Context(), strings.NewReader(""), -1)
	assert.NoError(t, err, "no bytes need no file under any limit")
}

func TestSpoolLeavesNothing(t *testing.T) {
	broken := errors.New("connection lost")
	over := func(then io.Reader) io.Reader { return io.MultiReader(bytes.NewReader(pattern(100_000)), then) }
	cancelled := func(at func(cancel context.CancelFunc) io.Reader) func(t *testing.T) (context.Context, io.Reader) {
		return func(t *testing.T) (context.Context, io.Reader) {
			ctx, cancel := context.WithCancel(t.Context())
			return ctx, at(cancel)
		}
	}
	for name, c := range map[string]struct {
		start func(t *testing.T) (context.Context, io.Reader)
		want  error
	}{
		"fails at once": {
			start: func(t *testing.T) (context.Context, io.Reader) { return t.Context(), iotest.ErrReader(broken) },
			want:  broken,
		},
		"fails in memory": {start: func(t *testing.T) (context.Context, io.Reader) { return t.Context(), &dataAnd{"123", broken} }, want: broken},
		"fails in file": {
			start: func(t *testing.T) (context.Context, io.Reader) { return t.Context(), over(iotest.ErrReader(broken)) },
			want:  broken,
		},
		"gives nothing": {
			start: func(t *testing.T) (context.Context, io.Reader) { return t.Context(), over(constant(0)) },
			want:  io.ErrNoProgress,
		},
		"miscounts": {start: func(t *testing.T) (context.Context, io.Reader) { return t.Context(), constant(1 << 30) }, want: errInvalidRead},
		"cancelled before": {start: cancelled(func(cancel context.CancelFunc) io.Reader {
			cancel()
			return over(strings.NewReader(""))
		}), want: context.Canceled},
		"cancelled in memory": {start: cancelled(func(cancel context.CancelFunc) io.Reader {
			return &beforeRead{io.NopCloser(endless{}), cancel}
		}), want: context.Canceled},
		"cancelled in file": {start: cancelled(func(cancel context.CancelFunc) io.Reader {
			return over(&beforeRead{io.NopCloser(endless{}), cancel})
		}), want: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tempDir(t)
			ctx, r := c.start(t)
			content, cleanup, err := Spool(ctx, r, 1000)
			require.ErrorIs(t, err, c.want)
			assert.Nil(t, content.Open)
			assert.Empty(t, list(t, dir))
			assert.NotPanics(t, cleanup)
		})
	}
}

func TestSpoolLeavesNothingAfterAPanic(t *testing.T) {
	dir := tempDir(t)
	assert.PanicsWithValue(t, "boom", func() {
		r := &beforeRead{io.NopCloser(strings.NewReader("")), func() { panic("boom") }}
		_, _, _ = Spool(t.Context(), io.MultiReader(bytes.NewReader(pattern(5000)), r), 1000)
	})
	assert.Empty(t, list(t, dir))
}

func TestSpoolReadersAreIndependent(t *testing.T) {
	dir := tempDir(t)
	data := pattern(300_000)
	for _, memory := range []int64{1 << 20, 1000} {
		content, cleanup, err := Spool(t.Context(), bytes.NewReader(data), memory)
		require.NoError(t, err)
		if runtime.GOOS != "windows" {
			assert.Empty(t, list(t, dir), "nothing for a crash to leave behind")
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				r, err := content.Open()
				assert.NoError(t, err)
				var got bytes.Buffer
				_, err = io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{r}, make([]byte, 500+i*100))
				assert.NoError(t, err)
				assert.True(t, bytes.Equal(data, got.Bytes()))
				assert.NoError(t, r.Close(), "closes this reader, not the file")
			})
		}
		wg.Wait()
		cleanup()
	}
	assert.Empty(t, list(t, dir))
}

func TestSpoolCleanupDuringRead(t *testing.T) {
	tempDir(t)
	content, cleanup, err := Spool(t.Context(), bytes.NewReader(pattern(300_000)), 1000)
	require.NoError(t, err)
	b := newBody(t, "a.jpg", "", content)
	abandoned := b.Open()
	_, err = io.CopyN(io.Discard, abandoned, 1000)
	require.NoError(t, err)
	done := make(chan error)
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, abandoned, make([]byte, 100))
		done <- err
	}()
	cleanup()
	if err := <-done; err != nil { // the reader may have finished before
		assert.ErrorIs(t, err, os.ErrClosed)
	}
	_, err = io.Copy(io.Discard, b.Open())
	assert.ErrorIs(t, err, os.ErrClosed)
}

// Windows cannot remove an open file, so the file is closed first.
func TestTempFileThatStillHasItsName(t *testing.T) {
	dir := tempDir(t)
	f, err := os.CreateTemp("", "idngo-*")
	require.NoError(t, err)
	require.Len(t, list(t, dir), 1)
	(&tempFile{file: f, named: true}).remove()
	assert.Empty(t, list(t, dir))
}

func TestSpoolFailsWhenTheFileCannotBeWritten(t *testing.T) {
	f, err := os.Open(os.DevNull) // opened only for reading
	require.NoError(t, err)
	tmp := &tempFile{file: f}
	_, err = tmp.fill(chunks{[]byte("x")}, strings.NewReader(""))
	assert.Error(t, err)
	_, err = tmp.fill(nil, strings.NewReader("x"))
	assert.Error(t, err)
	tmp.remove()
}

func TestSpoolNeverSeeksOrClosesTheCallersReader(t *testing.T) {
	tempDir(t)
	path := writeFile(t, pattern(5000))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.Seek(1000, io.SeekStart)
	require.NoError(t, err)
	content, cleanup, err := Spool(t.Context(), f, 100)
	require.NoError(t, err)
	defer cleanup()
	assert.EqualValues(t, 4000, content.Size, "from where it stood")
	at, err := f.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	assert.EqualValues(t, 5000, at)
}

func TestSpoolMemoryGrowsWithTheContent(t *testing.T) {
	tempDir(t)
	for _, size := range []int64{10, 100_000, 1 << 20, 5 << 20, 8 << 20, 64 << 20} {
		used := allocated(func() {
			_, cleanup, err := Spool(t.Context(), io.LimitReader(endless{}, size), 8<<20)
			assert.NoError(t, err)
			cleanup()
		})
		assert.Less(t, used, uint64(min(2*size, 9<<20)+64<<10), "for %d bytes", size)
	}
}

// -- helpers ------------------------------------------------------------------

// tempDir makes an empty directory and sets it as the directory for temporary files during the
// test.
func tempDir(t *testing.T) string {
	dir := t.TempDir()
	setTempDir(t, dir)
	return dir
}

// setTempDir sets the directory for temporary files during the test.
func setTempDir(t *testing.T, dir string) {
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, dir)
	}
}

// list returns the entries of a directory.
func list(t testing.TB, dir string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	return entries
}

// endless is a reader of zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
