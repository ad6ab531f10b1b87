package formbody

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// An Upload is a body and a callback for its progress. All attempts of one call share it.
type Upload struct {
	*Body
	// Progress is called with the bytes of the content that were sent, their total, and the number
	// of the attempt: at 0, at the end, and at most 20 times a second between. It may be nil.
	Progress func(sent, total int64, attempt int)
}

// A Pacer is the timeout without progress of one attempt.
type Pacer interface {
	Pause()  // stops the timeout until Resume, while this side keeps the network waiting
	Resume() // starts the whole timeout again
	Cancel() // ends the attempt
	Limit() time.Duration
}

const (
	progressEvery = 50 * time.Millisecond
	// These are the numbers of bytes that the network gets at once. Small pieces show progress on a
	// slow line. Large pieces cost less on a fast one.
	leastPiece, firstPiece, mostPiece = 512, 4 << 10, 64 << 10
)

var (
	errAttemptOver = errors.New("the attempt is over")
	errPanicked    = errors.New("the progress callback panicked")
)

// A Sending is one attempt of an Upload. The transport may go on reading its body after the attempt
// was given up. Read then returns an error.
type Sending struct {
	upload  *Upload
	ctx     context.Context
	pacer   Pacer
	attempt int

	mu       sync.Mutex // held during a callback
	over     bool
	source   error // the error of reading the content
	reported int64 // the last argument of Progress; -1 before the first call
	at       time.Time
	panicked any
	exited   bool // a callback ended its goroutine, as a failing test does
}

// Begin begins an attempt. It pauses pacer: hashing is not waiting for the network.
func (u *Upload) Begin(ctx context.Context, pacer Pacer, attempt int) *Sending {
	pacer.Pause()
	return &Sending{upload: u, ctx: ctx, pacer: pacer, attempt: attempt, reported: -1}
}

// OpenUntilDone opens the body for hashing. Reading ends with ctx.
func (u *Upload) OpenUntilDone(ctx context.Context) io.ReadCloser {
	return untilDone{ctx, u.Open()}
}

// untilDone is a body whose reading ends with a context.
type untilDone struct {
	ctx context.Context
	io.ReadCloser
}

func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.ReadCloser.Read(p)
}

// Start tells Progress that the attempt starts. An error means that the callback panicked or that
// the context has ended. Nothing may be sent then.
func (s *Sending) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report(0)
	if s.panicked != nil {
		return errPanicked
	}
	return s.ctx.Err()
}

// Reader returns a reader of the whole body for the transport.
func (s *Sending) Reader() io.ReadCloser {
	return &sendReader{sending: s, reader: s.upload.Open(), piece: firstPiece, last: time.Now()}
}

// End makes every later Read of the attempt fail, and waits for a callback that is running. If a
// callback has panicked, End panics too. If a callback has ended its goroutine, End does so too.
func (s *Sending) End() {
	s.mu.Lock()
	s.over = true
	panicked, exited := s.panicked, s.exited
	s.panicked, s.exited = nil, false
	s.mu.Unlock()
	if panicked != nil {
		panic(panicked)
	}
	if exited {
		runtime.Goexit()
	}
}

// SourceError returns the error of reading the content, if any.
func (s *Sending) SourceError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source
}

// report calls Progress, but not too often. The caller holds s.mu.
func (s *Sending) report(sent int64) {
	if s.upload.Progress == nil || s.panicked != nil || s.exited || sent <= s.reported {
		return
	}
	total := s.upload.content.Size
	now := time.Now()
	if s.reported >= 0 && sent < total && now.Sub(s.at) < progressEvery {
		return
	}
	s.at, s.reported = now, sent
	returned := false
	defer func() {
		if !returned {
			s.panicked = recover()
			s.exited = s.panicked == nil
			s.pacer.Cancel()
		}
	}()
	s.upload.Progress(sent, total, s.attempt)
	returned = true
}

// sendReader reads the body for the transport.
type sendReader struct {
	sending *Sending
	reader  *Reader
	closed  atomic.Bool
	piece   int
	last    time.Time
}

func (r *sendReader) Read(p []byte) (int, error) {
	s := r.sending
	if !s.pause() {
		return 0, errAttemptOver
	}
	if time.Since(r.last) > s.pacer.Limit()/8 {
		r.piece = max(min(r.piece, len(p))/2, leastPiece)
	} else {
		r.piece = min(r.piece*2, mostPiece)
	}
	n, err := r.reader.Read(p[:min(len(p), r.piece)])
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return 0, errAttemptOver
	}
	if err != nil && err != io.EOF && !r.closed.Load() && s.source == nil {
		s.source = err
	}
	s.report(r.reader.ContentRead())
	s.pacer.Resume()
	r.last = time.Now()
	return n, err
}

// pause stops the timeout while the content is read. It reports whether the attempt goes on.
func (s *Sending) pause() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.pacer.Pause()
	}
	return !s.over
}

func (r *sendReader) Close() error {
	r.closed.Store(true)
	return r.reader.Close()
}
