package formbody

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFileIsWatchedBetweenReaders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(path string) error
		want   error
	}{
		"unchanged":   {change: func(string) error { return nil }},
		"other bytes": {change: func(p string) error { return os.WriteFile(p, pattern(1000), 0o600) }}, // only the server can notice this
		"grown":       {change: func(p string) error { return os.Truncate(p, 1001) }, want: ErrChanged},
		"shrunk":      {change: func(p string) error { return os.Truncate(p, 999) }, want: ErrChanged},
		"emptied":     {change: func(p string) error { return os.Truncate(p, 0) }, want: ErrChanged},
		"removed":     {change: os.Remove, want: fs.ErrNotExist},
		"now a directory": {change: func(p string) error {
			if err := os.Remove(p); err != nil {
				return err
			}
			return os.Mkdir(p, 0o700)
		}, want: ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := writeFile(t, make([]byte, 1000))
			content, err := File(path)
			require.NoError(t, err)
			assert.EqualValues(t, 1000, content.Size)
			b := newBody(t, "a.jpg", "", content)
			readBody(t, b)

			require.NoError(t, c.change(path))
			_, err = io.Copy(io.Discard, b.Open())
			if c.want == nil {
				assert.NoError(t, err)
				return
			}
			assert.ErrorIs(t, err, c.want)
		})
	}
}

func TestFileIsWatchedWhileItIsRead(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int64{"grown": 200_001, "shrunk": 150_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := writeFile(t, pattern(200_000))
			content, err := File(path)
			require.NoError(t, err)
			b := newBody(t, "a.jpg", "", content)
			r := b.Open()
			_, err = io.CopyN(io.Discard, r, 100_000)
			require.NoError(t, err)

			require.NoError(t, os.Truncate(path, size))
			n, err := io.Copy(io.Discard, r)
			require.ErrorIs(t, err, ErrChanged)
			assert.LessOrEqual(t, 100_000+n, b.Size()-int64(len(b.tail)))
		})
	}
}

func TestFileRefuses(t *testing.T) {
	t.Parallel()
	_, err := File(filepath.Join(t.TempDir(), "none.jpg"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = File("")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = File(t.TempDir())
	assert.ErrorIs(t, err, ErrInvalid)
	_, err = File(os.DevNull)
	assert.ErrorIs(t, err, ErrInvalid)
}

func TestSourcesGiveIndependentReaders(t *testing.T) {
	t.Parallel()
	data := pattern(1000)
	path := writeFile(t, data)
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()

	for name, content := range map[string]Content{"file": fileContent(t, data), "bytes": Bytes(data), "readerAt": ReaderAt(f, 1000)} {
		one, err := content.Open()
		require.NoError(t, err, name)
		_, err = io.CopyN(io.Discard, one, 500)
		require.NoError(t, err, name)
		two, err := content.Open()
		require.NoError(t, err, name)
		all, err := io.ReadAll(two)
		require.NoError(t, err, name)
		assert.Equal(t, data, all, name)
		require.NoError(t, two.Close(), name)
		rest, err := io.ReadAll(one)
		require.NoError(t, err, name)
		assert.Equal(t, data[500:], rest, name)
		require.NoError(t, one.Close(), name)
	}

	at, err := f.Seek(0, io.SeekCurrent)
	require.NoError(t, err, "the caller's file is not closed")
	assert.Zero(t, at, "nor left seeked")
}

// -- helpers ------------------------------------------------------------------

// writeFile writes the data to a temporary file.
func writeFile(t testing.TB, data []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "face.jpg")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// fileContent returns the Content of a temporary file with the data.
func fileContent(t testing.TB, data []byte) Content {
	t.Helper()
	content, err := File(writeFile(t, data))
	require.NoError(t, err)
	return content
}
