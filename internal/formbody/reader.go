package formbody

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Reader reads a [Body] once. One goroutine at a time may call Read. Any other
// goroutine may call Close at any time, as net/http does.
//
// It deliberately has no WriteTo method: io.CopyBuffer would prefer that to the
// buffer of its caller.
type Reader struct {
	body *Body

	// These belong to the goroutine that reads: the rest of the body, and the first error.
	head []byte
	left int64 // the number of bytes of the content that are left
	done bool  // the content has ended at its declared size
	tail []byte
	err  error

	mu     sync.Mutex // guards the fields below; never held while reading
	src    io.ReadCloser
	closed bool
}

// Read returns the head, the content and the tail. It returns the tail only if
// the content has exactly the declared length. So a server never gets a complete
// body with the wrong file in it.
func (r *Reader) Read(p []byte) (int, error) {
	if r.isClosed() {
		return 0, errClosed
	}
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	if !r.done {
		if n, err := r.readContent(p); n > 0 || err != nil {
			return n, err
		}
	}
	if len(r.tail) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.tail)
	r.tail = r.tail[n:]
	return n, nil
}

// ContentRead returns the number of content bytes read so far, for a progress
// bar. Only the goroutine that reads may call it.
func (r *Reader) ContentRead() int64 { return r.body.content.Size - r.left }

// Close makes every later Read fail. A Read that is waiting for the content fails
// too if closing the content ends that wait. Close does not wait for it. A second
// Close does nothing.
func (r *Reader) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	return r.release()
}

// readContent reads the next bytes of the content. It returns 0 and nil at the end.
func (r *Reader) readContent(p []byte) (int, error) {
	src, err := r.source()
	if err != nil {
		return 0, r.fail(err)
	}
	if r.left == 0 {
		return 0, r.finish(src, p[:1])
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := readSome(src, p)
	r.left -= int64(n)
	switch {
	case err == nil, err == io.EOF && n > 0: // the next Read returns the end again
		return n, nil
	case err == io.EOF:
		err = fmt.Errorf("%w: it ended after %d of %d bytes", ErrChanged, r.ContentRead(), r.body.content.Size)
	default:
		err = fmt.Errorf("read content: %w", err)
	}
	if err = r.fail(err); n > 0 {
		return n, nil // the next Read returns the error
	}
	return 0, err
}

// finish tries to read one byte more than declared. It uses the caller's buffer,
// which io.Reader allows as scratch space.
func (r *Reader) finish(src io.Reader, probe []byte) error {
	n, err := readSome(src, probe)
	switch {
	case n > 0:
		return r.fail(fmt.Errorf("%w: it is longer than %d bytes", ErrChanged, r.body.content.Size))
	case err != io.EOF:
		return r.fail(fmt.Errorf("read content: %w", err))
	}
	r.done = true
	_ = r.release() // all bytes have been read: an error of Close does not matter
	return nil
}

// source returns the content, and opens it at the first call. Open runs without
// the lock, so that a slow one does not delay Close. If Close came first, source
// closes the content again.
func (r *Reader) source() (io.Reader, error) {
	r.mu.Lock()
	src := r.src
	r.mu.Unlock()
	if src != nil {
		return src, nil
	}
	src, err := r.body.content.Open()
	if err != nil {
		return nil, fmt.Errorf("open content: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = src.Close()
		return nil, errClosed
	}
	r.src = src
	return src, nil
}

// fail keeps err for every later Read. After Close it keeps errClosed instead.
func (r *Reader) fail(err error) error {
	if r.isClosed() {
		err = errClosed
	}
	r.err = err
	_ = r.release()
	return err
}

func (r *Reader) release() error {
	r.mu.Lock()
	src := r.src
	r.src = nil
	r.mu.Unlock()
	if src == nil {
		return nil
	}
	return src.Close()
}

func (r *Reader) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

var (
	errClosed      = fmt.Errorf("read body: %w", os.ErrClosed)
	errInvalidRead = errors.New("reader returned an impossible count")
)

const maxEmptyReads = 100 // the limit that bufio has

// readSome calls r.Read. It returns an error if r returns nothing again and again,
// or a count that is not possible.
func readSome(r io.Reader, p []byte) (int, error) {
	for range maxEmptyReads {
		n, err := r.Read(p)
		if n < 0 || n > len(p) {
			return 0, errInvalidRead
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}
