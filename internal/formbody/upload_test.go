package formbody

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// countingPacer counts the calls of a Pacer.
type countingPacer struct{ paused, resumed, cancelled int }

func (p *countingPacer) Pause()               { p.paused++ }
func (p *countingPacer) Resume()              { p.resumed++ }
func (p *countingPacer) Cancel()              { p.cancelled++ }
func (p *countingPacer) Limit() time.Duration { return 8 * time.Second }

// On a fast line the pieces double up to the largest, on a slow one they halve down to the
// smallest. A pause up to an eighth of the timeout is fast.
func TestPiecesFollowTheLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pause time.Duration // before each read
		want  []int
	}{
		"fast":              {want: []int{8 << 10, 16 << 10, 32 << 10, 64 << 10, 64 << 10}},
		"an eighth":         {pause: time.Second, want: []int{8 << 10, 16 << 10, 32 << 10, 64 << 10, 64 << 10}},
		"more than that":    {pause: time.Second + 1, want: []int{2 << 10, 1 << 10, 512, 512, 512}},
		"much more than it": {pause: time.Hour, want: []int{2 << 10, 1 << 10, 512, 512, 512}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				upload := &Upload{Body: newBody(t, "face.jpg", "", Bytes(pattern(1<<20)))}
				pacer := new(countingPacer)
				sending := upload.Begin(t.Context(), pacer, 1)
				require.NoError(t, sending.Start())
				reader := sending.Reader()
				head, err := reader.Read(make([]byte, 4<<10)) // a read ends with the head
				require.NoError(t, err)
				assert.Positive(t, head)
				reader.(*sendReader).piece = firstPiece
				buffer := make([]byte, 256<<10)
				var have []int
				for range test.want {
					time.Sleep(test.pause)
					n, err := reader.Read(buffer)
					require.NoError(t, err)
					have = append(have, n)
				}
				assert.Equal(t, test.want, have)
				reads := 1 + len(test.want)
				assert.Equal(t, countingPacer{paused: 1 + reads, resumed: reads}, *pacer)

				sending.End()
				_, err = reader.Read(buffer)
				require.ErrorIs(t, err, errAttemptOver)
				assert.Equal(t, reads, pacer.resumed)
			})
		})
	}
}

// The error of reading the content is kept, unless the reader was closed before.
func TestErrorOfTheSourceIsKept(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	content := Content{Size: 10, Open: func() (io.ReadCloser, error) { return io.NopCloser(failing{broken}), nil }}
	body, err := New(metadata, "face.jpg", "image/jpeg", content)
	require.NoError(t, err)
	for _, closed := range []bool{false, true} {
		sending := (&Upload{Body: body}).Begin(t.Context(), new(countingPacer), 1)
		reader := sending.Reader()
		if closed {
			require.NoError(t, reader.Close())
		}
		_, err = io.Copy(io.Discard, reader)
		require.Error(t, err)
		if closed {
			assert.NoError(t, sending.SourceError())
		} else {
			assert.ErrorIs(t, sending.SourceError(), broken)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
