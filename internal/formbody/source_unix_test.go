//go:build unix

package formbody

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFifoIsRefusedAndNeverWaitedFor(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	_, err := File(fifo)
	assert.ErrorIs(t, err, ErrInvalid)

	path := writeFile(t, pattern(10))
	content, err := File(path)
	require.NoError(t, err)
	require.NoError(t, os.Rename(fifo, path))
	_, err = content.Open()
	assert.ErrorIs(t, err, ErrChanged)
}

func TestSymlinkIsFollowed(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(writeFile(t, pattern(10)), link))
	content, err := File(link)
	require.NoError(t, err)
	r, err := content.Open()
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, pattern(10), got)
	require.NoError(t, r.Close())
}
