package formbody

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Reader reads a [Body] once. One goroutine at a time may Read; Close may come
// from any other at any moment, as net/http does it.
//
// It has no WriteTo on purpose: io.CopyBuffer would prefer that to the buffer
// of its caller, and net/http, which limits a body to its Content-Length,
// would never see it.
type Reader struct {
	body *Body

	// Of the reading goroutine alone: what is still to come, and what went wrong.
	head []byte
	left int64 // bytes of the content
	done bool  // the content is known to have ended where it should
	tail []byte
	err  error

	mu     sync.Mutex // guards what follows, never held while reading
	src    io.ReadCloser
	closed bool
}

// Read gives the head, the content and the tail. The tail comes only after the
// content has proved to be exactly as long as declared: a server never gets a
// complete body with the wrong file in it.
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

// ContentRead is the number of content bytes read so far: what a progress bar
// shows. It belongs to the goroutine that reads.
func (r *Reader) ContentRead() int64 { return r.body.content.Size - r.left }

// Close makes every later Read fail, and one that waits for the content too if
// closing the content does. It does not wait for it. A second Close does nothing.
func (r *Reader) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	return r.release()
}

// readContent gives the next bytes of the content, or 0 and nil at its end.
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
	case err == nil, err == io.EOF && n > 0: // an end that came with bytes shows again
		return n, nil
	case err == io.EOF:
		err = fmt.Errorf("%w: it ended after %d of %d bytes", ErrChanged, r.ContentRead(), r.body.content.Size)
	default:
		err = fmt.Errorf("read content: %w", err)
	}
	if err = r.fail(err); n > 0 {
		return n, nil // the next Read gives the error
	}
	return 0, err
}

// finish asks for one byte more than declared. The place for it is the
// caller's buffer, which is free: io.Reader allows to use it as scratch space.
func (r *Reader) finish(src io.Reader, probe []byte) error {
	n, err := readSome(src, probe)
	switch {
	case n > 0:
		return r.fail(fmt.Errorf("%w: it is longer than %d bytes", ErrChanged, r.body.content.Size))
	case err != io.EOF:
		return r.fail(fmt.Errorf("read content: %w", err))
	}
	r.done = true
	_ = r.release() // every byte is there: closing has nothing to add
	return nil
}

// source opens the content on first need. A slow Open must not hold up Close,
// so it runs without the lock, and what it opened too late is closed again.
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

// fail keeps err for every later Read. A failure caused by Close is said to be.
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

const maxEmptyReads = 100 // as bufio has it

// readSome is r.Read made safe against readers of other people: one that gives
// nothing and no reason for ever, or counts what it cannot have read.
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
