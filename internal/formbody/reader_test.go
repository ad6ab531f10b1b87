package formbody

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestContentOfAnotherSizeIsChanged(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]Content{
		"shorter":           opens(5, func() io.Reader { return strings.NewReader("1234") }),
		"shorter, with EOF": opens(5, func() io.Reader { return iotest.DataErrReader(strings.NewReader("1234")) }),
		"empty":             opens(5, func() io.Reader { return strings.NewReader("") }),
		"longer":            opens(5, func() io.Reader { return strings.NewReader("123456") }),
		"longer than zero":  opens(0, func() io.Reader { return strings.NewReader("1") }),
		"readerAt shorter":  ReaderAt(strings.NewReader("1234"), 5),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBody(t, "a.jpg", "", content)
			for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader} {
				r := b.Open()
				got, err := io.ReadAll(wrap(r))
				require.ErrorIs(t, err, ErrChanged)
				assert.Less(t, int64(len(got)), b.Size())
				assert.NotContains(t, string(got), string(b.tail), "never a body that seems whole")
				_, again := r.Read(make([]byte, 1))
				assert.Equal(t, err, again)
			}
		})
	}
}

func TestReaderAtIsAWindow(t *testing.T) {
	t.Parallel()
	b := newBody(t, "a.jpg", "", ReaderAt(strings.NewReader("12345678"), 5))
	parts := parse(t, b, readBody(t, b))
	assert.Equal(t, "12345", string(parts[1].text))
}

func TestSourceErrorsComeThrough(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	for name, c := range map[string]struct {
		content Content
		want    error
	}{
		"open": {content: Content{Size: 5, Open: func() (io.ReadCloser, error) { return nil, broken }}, want: broken},
		"at once": {content: opens(5, func() io.Reader {
			return iotest.ErrReader(broken)
		}), want: broken},
		"in the middle": {content: opens(5, func() io.Reader {
			return io.MultiReader(strings.NewReader("12"), iotest.ErrReader(broken))
		}), want: broken},
		"with the last bytes": {content: opens(5, func() io.Reader { return &dataAnd{"12345", broken} }), want: broken},
		"after the last byte": {content: opens(5, func() io.Reader {
			return io.MultiReader(strings.NewReader("12345"), iotest.ErrReader(broken))
		}), want: broken},
		"nothing for ever": {content: opens(5, func() io.Reader { return constant(0) }), want: io.ErrNoProgress},
		"below zero":       {content: opens(5, func() io.Reader { return constant(-1) }), want: errInvalidRead},
		"more than asked":  {content: opens(5, func() io.Reader { return constant(1 << 20) }), want: errInvalidRead},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBody(t, "a.jpg", "", c.content)
			r := b.Open()
			got, err := io.ReadAll(r)
			require.ErrorIs(t, err, c.want)
			assert.Regexp(t, "^(open|read) content: ", err.Error(), "what has failed")
			assert.NotErrorIs(t, err, ErrChanged)
			assert.NotContains(t, string(got), string(b.tail))
			_, again := r.Read(make([]byte, 1))
			assert.Equal(t, err, again)
		})
	}
}

func TestContentIsOpenedLateAndClosedOnce(t *testing.T) {
	t.Parallel()
	var opened, closed atomic.Int32
	count := func(text string) Content {
		return Content{Size: 5, Open: func() (io.ReadCloser, error) {
			opened.Add(1)
			return &onClose{strings.NewReader(text), func() error { closed.Add(1); return nil }}, nil
		}}
	}
	check := func(step string, o, c int32) {
		t.Helper()
		assert.Equal(t, []int32{o, c}, []int32{opened.Load(), closed.Load()}, step)
	}

	b := newBody(t, "a.jpg", "", count("12345"))
	r := b.Open()
	_, err := io.CopyN(io.Discard, r, int64(len(b.head)))
	require.NoError(t, err)
	check("the head needs no content", 0, 0)
	_, err = io.CopyN(io.Discard, r, 5)
	require.NoError(t, err)
	check("content read", 1, 0)
	_, err = io.Copy(io.Discard, r)
	require.NoError(t, err)
	check("at its end", 1, 1)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	check("Close after the end", 1, 1)

	r = b.Open()
	_, err = io.CopyN(io.Discard, r, int64(len(b.head)+1))
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	check("Close half way", 2, 2)

	_, err = io.Copy(io.Discard, newBody(t, "a.jpg", "", count("1")).Open())
	require.ErrorIs(t, err, ErrChanged)
	check("a failure closes", 3, 3)

	newBody(t, "", "", count("12345"))
	check("sniffing the first bytes", 4, 4)
}

func TestCloseReportsTheContentsError(t *testing.T) {
	t.Parallel()
	broken := errors.New("close failed")
	b := newBody(t, "a.jpg", "", Content{Size: 1, Open: func() (io.ReadCloser, error) {
		return &onClose{strings.NewReader("1"), func() error { return broken }}, nil
	}})
	r := b.Open()
	_, err := io.CopyN(io.Discard, r, int64(len(b.head)+1))
	require.NoError(t, err)
	assert.ErrorIs(t, r.Close(), broken)
	assert.NoError(t, r.Close())
}

func TestReadAfterCloseFails(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int64{"before the first byte": 0, "in the head": 3, "in the content": 280, "at the end": whole} {
		b := newBody(t, "a.jpg", "", Bytes(pattern(1000)))
		r := b.Open()
		_, err := io.CopyN(io.Discard, r, min(n, b.Size()))
		require.NoError(t, err, name)
		require.NoError(t, r.Close(), name)
		_, err = r.Read(make([]byte, 10))
		assert.ErrorIs(t, err, os.ErrClosed, name)
	}
}

const whole = 1 << 62

func TestCloseEndsAReadThatWaits(t *testing.T) {
	t.Parallel()
	reading := make(chan struct{})
	b := newBody(t, "a.jpg", "", Content{Size: 5, Open: func() (io.ReadCloser, error) {
		pr, _ := io.Pipe() // nothing is ever written to it
		return &beforeRead{pr, sync.OnceFunc(func() { close(reading) })}, nil
	}})
	r := b.Open()
	result := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, r)
		result <- err
	}()
	<-reading
	require.NoError(t, r.Close())
	assert.ErrorIs(t, <-result, os.ErrClosed)
}

func TestCloseDuringOpenClosesWhatWasOpened(t *testing.T) {
	t.Parallel()
	opening, proceed := make(chan struct{}), make(chan struct{})
	var closed atomic.Bool
	b := newBody(t, "a.jpg", "", Content{Size: 1, Open: func() (io.ReadCloser, error) {
		close(opening)
		<-proceed
		return &onClose{strings.NewReader("1"), func() error { closed.Store(true); return nil }}, nil
	}})
	r := b.Open()
	result := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, r)
		result <- err
	}()
	<-opening
	require.NoError(t, r.Close()) // Close does not wait for Open
	close(proceed)
	assert.ErrorIs(t, <-result, os.ErrClosed)
	assert.True(t, closed.Load())
}

func TestCloseDuringReadIsRaceFree(t *testing.T) {
	t.Parallel()
	data := pattern(200_000)
	for name, content := range map[string]Content{
		"file": fileContent(t, data), "bytes": Bytes(data), "readerAt": ReaderAt(bytes.NewReader(data), int64(len(data))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBody(t, "a.jpg", "", content)
			for i := range 50 {
				r := b.Open()
				started, result := make(chan struct{}), make(chan error, 1)
				go func() {
					buf := make([]byte, 512)
					for n := 0; ; n++ {
						if n == i {
							close(started)
						}
						if _, err := r.Read(buf); err != nil {
							result <- err
							return
						}
					}
				}()
				<-started
				assert.NoError(t, r.Close())
				if err := <-result; err != io.EOF { // the reader may have finished before
					assert.ErrorIs(t, err, os.ErrClosed)
				}
				_, err := r.Read(make([]byte, 1))
				assert.ErrorIs(t, err, os.ErrClosed)
			}
		})
	}
}

func TestContentReadCountsTheContentOnly(t *testing.T) {
	t.Parallel()
	b := newBody(t, "a.jpg", "", Bytes(pattern(1000)))
	r := b.Open()
	var total int64
	for {
		n, err := r.Read(make([]byte, 7))
		total += int64(n)
		assert.Equal(t, min(max(total-int64(len(b.head)), 0), 1000), r.ContentRead())
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
	}
	assert.EqualValues(t, 1000, r.ContentRead())
}

// -- helpers ------------------------------------------------------------------

// opens returns a Content of the given size whose readers come from open.
func opens(size int64, open func() io.Reader) Content {
	return Content{Size: size, Open: func() (io.ReadCloser, error) { return io.NopCloser(open()), nil }}
}

type onClose struct {
	io.Reader
	close func() error
}

func (c *onClose) Close() error { return c.close() }

type beforeRead struct {
	io.ReadCloser
	do func()
}

func (r *beforeRead) Read(p []byte) (int, error) {
	r.do()
	return r.ReadCloser.Read(p)
}

// dataAnd returns the end of its text together with its error. Afterwards it returns only io.EOF.
type dataAnd struct {
	text string
	err  error
}

func (d *dataAnd) Read(p []byte) (int, error) {
	if d.text == "" {
		return 0, io.EOF
	}
	n := copy(p, d.text)
	if d.text = d.text[n:]; d.text == "" {
		return n, d.err
	}
	return n, nil
}

// constant returns its value as the number of bytes of every Read.
type constant int

func (c constant) Read([]byte) (int, error) { return int(c), nil }
