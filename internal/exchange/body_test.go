package exchange

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Bodies of every size around those at which the buffer grows, with lengths that are declared
// rightly, wrongly and not at all.
func TestReadBody(t *testing.T) {
	t.Parallel()
	all := make([]byte, 300<<10)
	for i := range all {
		all[i] = byte(rand.Uint32())
	}
	for _, around := range []int{1, 512, 4 << 10, 8 << 10, 64 << 10, 128 << 10, 256 << 10} {
		for size := around - 1; size <= around+2; size++ {
			for _, declared := range []int64{-1, 0, 1, int64(size), 64 << 10, 1 << 40} {
				got, err := ReadBody(bytes.NewReader(all[:size]), declared, 1<<40, 64<<10)
				require.NoError(t, err)
				require.True(t, bytes.Equal(all[:size], got))

				got, err = ReadBody(bytes.NewReader(all), min(declared, int64(size)), int64(size), 64<<10)
				require.ErrorIs(t, err, ErrTooLarge)
				require.True(t, bytes.Equal(all[:size+1], got))
				require.LessOrEqual(t, cap(got), max(8<<10, size+size/8+1), "limit %d", size)
			}
		}
	}
}

func TestReadBody_refuses(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		body     io.Reader
		declared int64
		limit    int64
		want     string
		err      error
	}{
		"declared too large": {body: iotest.ErrReader(broken), declared: 11, limit: 10, err: ErrTooLarge},
		"cut off": {
			body: io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF)), declared: 9, limit: 10,
			want: "abc", err: io.ErrUnexpectedEOF,
		},
		"a wrapped end": {body: iotest.ErrReader(fmt.Errorf("gzip: %w", io.EOF)), declared: -1, limit: 10, err: io.EOF},
		"no limit":      {body: strings.NewReader("abc"), declared: -1, limit: math.MaxInt64, want: "abc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ReadBody(test.body, test.declared, test.limit, 64<<10)
			require.ErrorIs(t, err, test.err)
			assert.Equal(t, test.want, string(got))
		})
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	closed := 0
	body := Replay([]byte("abc"), strings.NewReader("def"), closerFunc(func() error { closed++; return nil }))
	got, err := io.ReadAll(body)
	require.NoError(t, err)
	assert.Equal(t, "abcdef", string(got))
	require.NoError(t, body.Close())
	assert.Equal(t, 1, closed)
}

type closerFunc func() error

func (f closerFunc) Close() error { return f() }
