package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/retry"
)

// The bodies have every size around those at which the buffer grows. Their declared lengths are
// right, wrong or missing.
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

func TestReadBodyRefuses(t *testing.T) {
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
		"more than asked": {
			body:     readerFunc(func(p []byte) (int, error) { return len(p) + 1, nil }),
			declared: -1, limit: 10, err: errImpossibleRead,
		},
		"below zero": {body: readerFunc(func([]byte) (int, error) { return -1, nil }), declared: -1, limit: 10, err: errImpossibleRead},
		"no limit":   {body: strings.NewReader("abc"), declared: -1, limit: math.MaxInt64, want: "abc"},
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

// openTestStream makes an exchange whose answer is a stream of body. declared is its length, -1 if
// unknown.
func openTestStream(ctx context.Context, t *testing.T, declared int64, body func(req *http.Request) io.ReadCloser) (*Answer, *Failure) {
	t.Helper()
	request := simpleRequest()
	request.Stream = true
	return newExchanger(t, roundTripperFunc(func(req *http.Request) (*http.Response, error) {
		res, err := respond(200, nil, body(req))(req)
		res.ContentLength = declared
		return res, err
	})).Do(ctx, request)
}

func TestStream(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 1000) // longer than every limit of the request
	for name, test := range map[string]struct {
		body     io.Reader
		declared int64
		want     string
		err      error // the error of reading to the end
		empty    bool
	}{
		"of unknown length":   {body: strings.NewReader(long), declared: -1, want: long},
		"of a known length":   {body: strings.NewReader(long), declared: 10_000, want: long},
		"a byte at a time":    {body: iotest.OneByteReader(strings.NewReader("abc")), declared: 3, want: "abc"},
		"the end with a byte": {body: iotest.DataErrReader(strings.NewReader("abc")), declared: 3, want: "abc"},
		"the end with more":   {body: iotest.DataErrReader(strings.NewReader(long)), declared: 10_000, want: long},
		"nothing at first":    {body: io.MultiReader(&nothingOnce{}, strings.NewReader("abc")), declared: -1, want: "abc"},
		"empty":               {body: strings.NewReader(""), empty: true},
		"cut off":             {body: strings.NewReader("abc"), declared: 4, want: "abc", err: io.ErrUnexpectedEOF},
		"broken": {
			body: io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errBroken)), declared: -1, want: "abc", err: errBroken,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spy := &bodySpy{Reader: test.body}
			answer, failure := openTestStream(t.Context(), t, test.declared, func(*http.Request) io.ReadCloser { return spy })
			require.Nil(t, failure)
			assert.Nil(t, answer.Content)
			stream := answer.Stream
			assert.Equal(t, test.empty, stream.Empty())
			got, err := io.ReadAll(readerFunc(func(p []byte) (int, error) {
				n, err := stream.Read(p)
				assert.True(t, n > 0 || err != nil, "each Read returns something")
				return n, err
			}))
			assert.Equal(t, test.want, string(got))
			require.ErrorIs(t, err, test.err)
			if test.err != nil {
				_, again := stream.Read(make([]byte, 1))
				assert.Equal(t, err, again, "the error stays")
				failure := stream.Failure()
				assert.Equal(t, retry.Lost, failure.Kind)
				assert.True(t, failure.Written)
				assert.Equal(t, test.err, failure.Err)
				assert.Same(t, answer.Sent, failure.Sent)
			}
			assert.Zero(t, spy.closed)
			require.NoError(t, stream.Close())
			assert.Equal(t, 1, spy.closed)
		})
	}
}

// nothingOnce is a reader that returns no byte and no error before it ends.
type nothingOnce struct{ done bool }

func (r *nothingOnce) Read([]byte) (int, error) {
	if r.done {
		return 0, io.EOF
	}
	r.done = true
	return 0, nil
}

// If no first byte arrives, there is no stream, and the exchange can be made again.
func TestStreamWithoutAFirstByte(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body     func(req *http.Request) io.Reader
		declared int64
		err      error
		took     time.Duration
	}{
		"broken":  {body: func(*http.Request) io.Reader { return iotest.ErrReader(errBroken) }, declared: -1, err: errBroken},
		"cut off": {body: func(*http.Request) io.Reader { return strings.NewReader("") }, declared: 1, err: io.ErrUnexpectedEOF},
		"no progress": {
			body: func(req *http.Request) io.Reader { return hangingBody(req, "") }, declared: -1,
			err: TimeoutError(testTimeout), took: testTimeout,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var spy *bodySpy
				began := time.Now()
				answer, failure := openTestStream(t.Context(), t, test.declared, func(req *http.Request) io.ReadCloser {
					spy = &bodySpy{Reader: test.body(req)}
					return spy
				})
				assert.Nil(t, answer)
				require.NotNil(t, failure)
				assert.Equal(t, test.took, time.Since(began))
				assert.Equal(t, retry.Lost, failure.Kind)
				assert.Equal(t, test.err, failure.Err)
				assert.Equal(t, 200, failure.Response.StatusCode)
				assert.Equal(t, 1, spy.closed)
			})
		})
	}
}

// The timeout counts only the time inside of Read, and each Read starts it again.
func TestStreamTimeoutWithoutProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer, failure := openTestStream(t.Context(), t, -1, func(req *http.Request) io.ReadCloser {
			slow := readerFunc(func(p []byte) (int, error) {
				time.Sleep(testTimeout - time.Second)
				return copy(p, "x"), nil
			})
			return io.NopCloser(io.MultiReader(io.LimitReader(slow, 3), hangingBody(req, "")))
		})
		require.Nil(t, failure)
		stream := answer.Stream
		one := make([]byte, 1)
		for range 3 {
			time.Sleep(time.Hour) // the caller reads nothing for an hour
			n, err := stream.Read(one)
			require.NoError(t, err)
			assert.Equal(t, 1, n)
		}
		began := time.Now()
		_, err := stream.Read(one)
		require.Error(t, err)
		assert.Equal(t, testTimeout, time.Since(began))
		assert.Equal(t, TimeoutError(testTimeout), stream.Failure().Err)
		assert.Equal(t, retry.Lost, stream.Failure().Kind)
		require.NoError(t, stream.Close())
	})
}

func TestStreamEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		answer, failure := openTestStream(ctx, t, -1, func(req *http.Request) io.ReadCloser { return hangingBody(req, "a") })
		require.Nil(t, failure)
		time.AfterFunc(time.Second, func() { cancel(errBroken) })
		got, err := io.ReadAll(answer.Stream)
		require.Error(t, err)
		assert.Equal(t, "a", string(got))
		assert.Equal(t, retry.Ended, answer.Stream.Failure().Kind)
		require.ErrorIs(t, answer.Stream.Failure().Err, errBroken)
		require.NoError(t, answer.Stream.Close())
	})
}

// Close ends the exchange. Discard first reads the rest of the body, so that the connection can be
// used again. It does not read much of an endless body, and not for long.
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	closeStream := func(s *Stream) { _ = s.Close() }
	for name, test := range map[string]struct {
		end  func(*Stream)
		body func(req *http.Request) io.Reader
		read int64
		took time.Duration
	}{
		"Close": {end: closeStream, body: func(*http.Request) io.Reader { return endless{} }, read: 512},
		"Discard": {
			end: (*Stream).Discard, body: func(*http.Request) io.Reader { return io.LimitReader(endless{}, 5000) }, read: 5000,
		},
		"Discard of endless": {end: (*Stream).Discard, body: func(*http.Request) io.Reader { return endless{} }, read: 512 + maxDrain},
		"Discard of a slow one": {
			end: (*Stream).Discard, body: func(req *http.Request) io.Reader { return hangingBody(req, "abc") }, read: 3, took: drainTime,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var spy *bodySpy
				var sent context.Context
				answer, failure := openTestStream(t.Context(), t, -1, func(req *http.Request) io.ReadCloser {
					spy, sent = &bodySpy{Reader: test.body(req)}, req.Context()
					return spy
				})
				require.Nil(t, failure)
				require.NoError(t, sent.Err(), "the exchange goes on")
				began := time.Now()
				test.end(answer.Stream)
				assert.Equal(t, test.took, time.Since(began))
				assert.Equal(t, test.read, spy.read)
				assert.Equal(t, 1, spy.closed)
				require.Error(t, sent.Err())
			})
		})
	}
}

// Discard takes no longer than the timeout of the exchange, if that is shorter.
func TestStreamDiscardEndsWithTheTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newExchanger(t, roundTripperFunc(func(req *http.Request) (*http.Response, error) {
			return respond(200, nil, hangingBody(req, "abc"))(req)
		}))
		e.timeout = drainTime / 4
		request := simpleRequest()
		request.Stream = true
		answer, failure := e.Do(t.Context(), request)
		require.Nil(t, failure)
		time.Sleep(time.Hour) // the caller takes its time
		began := time.Now()
		answer.Stream.Discard()
		assert.Equal(t, drainTime/4, time.Since(began))
	})
}

// The body of a refusal is never a stream.
func TestStreamOfARefusal(t *testing.T) {
	t.Parallel()
	request := simpleRequest()
	request.Stream = true
	answer, failure := newExchanger(t, respond(404, nil, io.NopCloser(strings.NewReader("gone")))).Do(t.Context(), request)
	require.Nil(t, failure)
	assert.Nil(t, answer.Stream)
	assert.Equal(t, "gone", string(answer.Content))
}
