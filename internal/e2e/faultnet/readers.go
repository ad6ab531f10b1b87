package faultnet

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// ReaderFunc is a function as an io.Reader.
type ReaderFunc func([]byte) (int, error)

// Read calls f.
func (f ReaderFunc) Read(p []byte) (int, error) { return f(p) }

// ReaderAtFunc is a function as an io.ReaderAt.
type ReaderAtFunc func(p []byte, off int64) (int, error)

// ReadAt calls f.
func (f ReaderAtFunc) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

// WriterFunc is a function as an io.Writer.
type WriterFunc func([]byte) (int, error)

// Write calls f.
func (f WriterFunc) Write(p []byte) (int, error) { return f(p) }

// Endless is a source that never ends. Each of its bytes has the value of the
// Endless.
type Endless byte

// Read fills p.
func (b Endless) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	p[0] = byte(b)
	for filled := 1; filled < len(p); filled *= 2 {
		copy(p[filled:], p[:filled])
	}
	return len(p), nil
}

// ReadAt fills p, at any offset.
func (b Endless) ReadAt(p []byte, _ int64) (int, error) { return b.Read(p) }

// CountingReaderAt counts the reads of a ReaderAt and their bytes.
type CountingReaderAt struct {
	io.ReaderAt
	Bytes, Reads atomic.Int64
	// Before, if set, is called before each read with its number, counted from 1.
	Before func(read int64)
}

// ReadAt counts and reads.
func (r *CountingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if read := r.Reads.Add(1); r.Before != nil {
		r.Before(read)
	}
	n, err := r.ReaderAt.ReadAt(p, off)
	r.Bytes.Add(int64(n))
	return n, err
}

// Body is the body of a request or of an answer. It records how it is used. A read after Close
// fails.
type Body struct {
	io.Reader
	OnRead  func(n int, err error) // called after each read, if set
	OnClose func()                 // called for each Close, if set

	bytesRead, closes atomic.Int64
}

// Read reads from the Reader.
func (b *Body) Read(p []byte) (int, error) {
	if b.Closes() > 0 {
		return 0, errors.New("read after close")
	}
	n, err := b.Reader.Read(p)
	b.bytesRead.Add(int64(n))
	if b.OnRead != nil {
		b.OnRead(n, err)
	}
	return n, err
}

// Close closes the Reader, if it can be closed.
func (b *Body) Close() error {
	b.closes.Add(1)
	if b.OnClose != nil {
		b.OnClose()
	}
	if closer, ok := b.Reader.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// BytesRead returns how many bytes were read.
func (b *Body) BytesRead() int64 { return b.bytesRead.Load() }

// Closes returns how often Close was called.
func (b *Body) Closes() int { return int(b.closes.Load()) }

// BodyWatch is a transport that counts the bytes that a client reads of the bodies of answers, and
// the bodies that it closes.
type BodyWatch struct {
	Next                 http.RoundTripper
	Opened, Closed, Read atomic.Int64
}

// RoundTrip calls Next and wraps the body of its answer.
func (b *BodyWatch) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.Next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	b.Opened.Add(1)
	var once sync.Once
	res.Body = &Body{
		Reader:  res.Body,
		OnRead:  func(n int, _ error) { b.Read.Add(int64(n)) },
		OnClose: func() { once.Do(func() { b.Closed.Add(1) }) },
	}
	return res, nil
}
