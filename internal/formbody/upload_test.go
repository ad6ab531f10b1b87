package formbody

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recordedPacer is a Pacer that records its calls.
type recordedPacer struct {
	mu    sync.Mutex
	calls []string
}

const testLimit = 8 * time.Second

func (p *recordedPacer) Pause()               { p.record("pause") }
func (p *recordedPacer) Resume()              { p.record("resume") }
func (p *recordedPacer) Cancel()              { p.record("cancel") }
func (p *recordedPacer) Limit() time.Duration { return testLimit }

// record keeps the name of a call.
func (p *recordedPacer) record(call string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, call)
}

// take returns the calls since the previous take.
func (p *recordedPacer) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := p.calls
	p.calls = nil
	return calls
}

// beginSending begins attempt 3 of an upload of content.
func beginSending(t *testing.T, content Content, progress func(sent, total int64, attempt int)) (*Sending, *recordedPacer) {
	t.Helper()
	pacer := new(recordedPacer)
	upload := &Upload{Body: newBody(t, "face.jpg", "", content), Progress: progress}
	return upload.Begin(t.Context(), pacer, 3), pacer
}

// onGoroutine runs do on a goroutine of its own and reports whether it returned.
func onGoroutine(do func()) (returned bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
		returned = true
	}()
	<-done
	return returned
}

func TestSendingSendsTheBody(t *testing.T) {
	t.Parallel()
	content := pattern(300 << 10)
	sending, pacer := beginSending(t, Bytes(content), nil)
	assert.Equal(t, []string{"pause"}, pacer.take(), "hashing is not waiting for the network")
	require.NoError(t, sending.Start())
	assert.Equal(t, "face.jpg", sending.upload.FileName())
	want := readBody(t, sending.upload.Body)
	for range 2 { // a transport may ask for the body again
		reader := sending.Reader()
		got, err := io.ReadAll(reader)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		require.NoError(t, reader.Close())
	}
	require.NoError(t, sending.SourceError())
	sending.End()
}

// The timeout is paused while the content is read, and starts again with each piece.
func TestSendingPacesEachRead(t *testing.T) {
	t.Parallel()
	var during []string
	var pacer *recordedPacer
	var sending *Sending
	sending, pacer = beginSending(t, opens(5, func() io.Reader {
		return &beforeRead{io.NopCloser(strings.NewReader("12345")), func() { during = pacer.take() }}
	}), nil)
	reader := sending.Reader()
	_, err := io.CopyN(io.Discard, reader, int64(len(sending.upload.head)))
	require.NoError(t, err)
	pacer.take()
	_, err = reader.Read(make([]byte, 5))
	require.NoError(t, err)
	assert.Equal(t, []string{"pause"}, during)
	assert.Equal(t, []string{"resume"}, pacer.take())
}

// Pieces double while the network is fast, and are halved when it takes more than an eighth of the
// timeout for one.
func TestSendingFitsThePiecesToTheNetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sending, _ := beginSending(t, ReaderAt(zeros{}, 10<<20), nil)
		reader := sending.Reader()
		buffer := make([]byte, 1<<20)
		n, err := reader.Read(buffer)
		require.NoError(t, err)
		assert.Len(t, sending.upload.head, n)
		for i, step := range []struct {
			wait  time.Duration // the wait before the piece
			piece int
		}{
			{piece: 16 << 10}, {wait: testLimit / 8, piece: 32 << 10}, {piece: 64 << 10}, {piece: 64 << 10},
			{wait: testLimit/8 + 1, piece: 32 << 10}, {wait: testLimit, piece: 16 << 10}, {piece: 32 << 10},
			{wait: testLimit, piece: 16 << 10}, {wait: testLimit, piece: 8 << 10}, {wait: testLimit, piece: 4 << 10},
			{wait: testLimit, piece: 2 << 10}, {wait: testLimit, piece: 1 << 10}, {wait: testLimit, piece: 512},
			{wait: testLimit, piece: 512}, {piece: 1 << 10},
		} {
			time.Sleep(step.wait)
			n, err := reader.Read(buffer)
			require.NoError(t, err)
			assert.Equal(t, step.piece, n, "piece %d", i)
		}
		time.Sleep(testLimit)
		n, err = reader.Read(buffer[:600])
		require.NoError(t, err)
		assert.Equal(t, leastPiece, n, "half of a small buffer, but not less than the least")
	})
}

// progressCall is a call of Progress.
type progressCall struct {
	sent, total int64
	attempt     int
}

// Progress is called at 0, at the end, and at most 20 times a second between. It never goes back.
func TestSendingReportsProgress(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		size    int64
		between time.Duration // the time between two reads of 100 bytes
		want    []int64
	}{
		"fast":             {size: 500, want: []int64{0, 500}},
		"slow":             {size: 500, between: time.Second, want: []int64{0, 100, 200, 300, 400, 500}},
		"every other read": {size: 500, between: 25 * time.Millisecond, want: []int64{0, 200, 400, 500}},
		"no bytes":         {want: []int64{0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var got, want []progressCall
				for _, sent := range test.want {
					want = append(want, progressCall{sent: sent, total: test.size, attempt: 3})
				}
				sending, _ := beginSending(t, ReaderAt(zeros{}, test.size), func(sent, total int64, attempt int) {
					got = append(got, progressCall{sent: sent, total: total, attempt: attempt})
				})
				require.NoError(t, sending.Start())
				for range 2 { // a second reader reports no progress
					reader := sending.Reader()
					_, err := io.CopyN(io.Discard, reader, int64(len(sending.upload.head)))
					require.NoError(t, err)
					buffer := make([]byte, 100)
					for err == nil {
						time.Sleep(test.between)
						_, err = reader.Read(buffer)
					}
					require.ErrorIs(t, err, io.EOF)
				}
				sending.End()
				assert.Equal(t, want, got)
			})
		})
	}
}

// A callback that panics ends the attempt. End passes the panic on to the caller's goroutine.
func TestSendingCallbackPanics(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int64{"at the start": 0, "at the end": 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			sending, pacer := beginSending(t, Bytes([]byte("12345")), func(sent, _ int64, _ int) {
				if calls++; sent == at {
					panic("of the caller")
				}
			})
			err := sending.Start()
			if at == 0 {
				require.ErrorIs(t, err, errPanicked)
			} else {
				require.NoError(t, err)
			}
			_, err = io.Copy(io.Discard, sending.Reader())
			require.NoError(t, err)
			assert.Contains(t, pacer.take(), "cancel")
			before := calls
			assert.PanicsWithValue(t, "of the caller", sending.End)
			assert.NotPanics(t, sending.End, "once")
			assert.Equal(t, before, calls, "no call after the panic")
		})
	}
}

// Progress is not called again after it panicked, whatever the transport still reads.
func TestSendingCallbackPanicsOnce(t *testing.T) {
	t.Parallel()
	var sent []int64
	sending, _ := beginSending(t, Bytes([]byte("12345")), func(n, _ int64, _ int) {
		sent = append(sent, n)
		panic("of the caller")
	})
	require.ErrorIs(t, sending.Start(), errPanicked)
	_, err := io.Copy(io.Discard, sending.Reader())
	require.NoError(t, err)
	assert.Equal(t, []int64{0}, sent)
}

// A callback may end its goroutine, as FailNow of a test does. End then ends that of the caller.
func TestSendingCallbackEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	calls := 0
	sending, pacer := beginSending(t, Bytes([]byte("12345")), func(sent, _ int64, _ int) {
		if calls++; sent > 0 {
			runtime.Goexit()
		}
	})
	require.NoError(t, sending.Start())
	reader := sending.Reader()
	assert.False(t, onGoroutine(func() { _, _ = io.Copy(io.Discard, iotest.OneByteReader(reader)) }), "the transport's goroutine")
	_, err := io.Copy(io.Discard, reader)
	require.NoError(t, err)
	assert.Equal(t, 2, calls, "at 0, and once more")
	assert.Contains(t, pacer.take(), "cancel")
	assert.False(t, onGoroutine(sending.End), "the caller's goroutine")
	assert.True(t, onGoroutine(sending.End), "once")
}

func TestSendingAfterItsEnd(t *testing.T) {
	t.Parallel()
	calls := 0
	sending, pacer := beginSending(t, Bytes([]byte("12345")), func(int64, int64, int) { calls++ })
	require.NoError(t, sending.Start())
	reader := sending.Reader()
	_, err := reader.Read(make([]byte, 1))
	require.NoError(t, err)
	sending.End()
	pacer.take()
	for _, late := range []io.ReadCloser{reader, sending.Reader()} {
		n, err := late.Read(make([]byte, 1<<10))
		assert.Zero(t, n)
		require.ErrorIs(t, err, errAttemptOver)
		require.NoError(t, late.Close())
	}
	assert.Empty(t, pacer.take(), "the timeout of the next attempt")
	assert.Equal(t, 1, calls)
}

// A Read that was waiting for the content when the attempt ended returns nothing of it.
func TestSendingEndsDuringARead(t *testing.T) {
	t.Parallel()
	var sending *Sending
	sending, pacer := beginSending(t, opens(5, func() io.Reader {
		return &beforeRead{io.NopCloser(strings.NewReader("12345")), func() { sending.End() }}
	}), nil)
	reader := sending.Reader()
	_, err := io.CopyN(io.Discard, reader, int64(len(sending.upload.head)))
	require.NoError(t, err)
	pacer.take()
	n, err := reader.Read(make([]byte, 5))
	assert.Zero(t, n)
	require.ErrorIs(t, err, errAttemptOver)
	assert.Equal(t, []string{"pause"}, pacer.take())
}

func TestSendingStartAfterTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	upload := &Upload{Body: newBody(t, "face.jpg", "", Bytes(nil))}
	sending := upload.Begin(ctx, new(recordedPacer), 1)
	cancel()
	require.ErrorIs(t, sending.Start(), context.Canceled)
}

// SourceError returns the first error of the source. It never returns the error of a closed reader.
func TestSending_SourceError(t *testing.T) {
	t.Parallel()
	first, second := errors.New("first"), errors.New("second")
	for name, test := range map[string]struct {
		sources []io.Reader // the sources of the readers
		close   bool        // whether the reader is closed before it is read
		want    error
	}{
		"none":        {sources: []io.Reader{strings.NewReader("12345")}},
		"fails":       {sources: []io.Reader{iotest.ErrReader(first)}, want: first},
		"fails twice": {sources: []io.Reader{iotest.ErrReader(first), iotest.ErrReader(second)}, want: first},
		"changed":     {sources: []io.Reader{strings.NewReader("1")}, want: ErrChanged},
		"closed":      {sources: []io.Reader{iotest.ErrReader(first)}, close: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next := 0
			sending, _ := beginSending(t, opens(5, func() io.Reader {
				next++
				return test.sources[next-1]
			}), nil)
			for range test.sources {
				reader := sending.Reader()
				if test.close {
					require.NoError(t, reader.Close())
				}
				_, _ = io.Copy(io.Discard, reader)
			}
			require.ErrorIs(t, sending.SourceError(), test.want)
		})
	}
}

func TestUpload_OpenUntilDone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	upload := &Upload{Body: newBody(t, "face.jpg", "", Bytes([]byte("12345")))}
	whole, err := io.ReadAll(upload.OpenUntilDone(ctx))
	require.NoError(t, err)
	assert.Len(t, whole, int(upload.Size()))
	reader := upload.OpenUntilDone(ctx)
	_, err = reader.Read(make([]byte, 1))
	require.NoError(t, err)
	cancel()
	_, err = reader.Read(make([]byte, 1))
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, reader.Close())
}
