package exchange

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"time"
)

const (
	// trusted is the largest declared length of an answer that is allocated at once. The service is
	// trusted more than a sender of webhooks.
	trusted = 1 << 20
	// maxDrain and drainTime limit how much of an unwanted answer is read, so that its connection
	// can be used again.
	maxDrain  = 256 << 10
	drainTime = time.Second
)

// errImpossibleRead is the error of a Read that returns more bytes than it can have read.
var errImpossibleRead = errors.New("the body returned an impossible count")

// ReadBody reads a body to its end. declared is its declared length, -1 if unknown. Up to trust
// bytes of it are allocated at once. ReadBody returns ErrTooLarge for a body above limit, before it
// reads anything if declared is above limit. With an error it returns the bytes that it has read,
// at most one above the limit.
func ReadBody(r io.Reader, declared, limit, trust int64) ([]byte, error) {
	if declared > limit {
		return nil, ErrTooLarge
	}
	const unannounced = 4 << 10
	limit = min(limit, math.MaxInt64-1)
	size := int64(unannounced)
	if declared >= 0 && declared <= trust {
		size = declared + 1 // one byte more, so that the end shows without growing
	}
	size = min(size, limit+1)
	buffer := make([]byte, 0, size)
	for {
		if len(buffer) == cap(buffer) {
			// Above a quarter of the limit, grow to the limit at once. No more than twice the limit is then
			// allocated in all, whatever is sent.
			if size = int64(cap(buffer)) * 2; size > limit/2 {
				size = limit + 1
			}
			buffer = append(make([]byte, 0, size), buffer...)
		}
		free := buffer[len(buffer):cap(buffer)]
		if left := limit - int64(len(buffer)); int64(len(free)) > left {
			free = free[:left+1]
		}
		n, err := r.Read(free)
		if n < 0 || n > len(free) {
			return buffer, errImpossibleRead
		}
		buffer = buffer[:len(buffer)+n]
		switch {
		case int64(len(buffer)) > limit:
			return buffer, ErrTooLarge
		case err == io.EOF: // a wrapped io.EOF is a failure
			return buffer, nil
		case err != nil:
			return buffer, err
		}
	}
}

// Replay returns a body that starts with the bytes that were read before and continues with rest.
// Closing it closes closer.
func Replay(read []byte, rest io.Reader, closer io.Closer) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(read), rest), closer}
}

// discard reads the rest of an answer, within limits, and closes it.
func discard(body io.ReadCloser, cancel func()) {
	timer := time.AfterFunc(drainTime, cancel)
	_, _ = io.CopyN(io.Discard, body, maxDrain)
	timer.Stop()
	_ = body.Close()
}

// A Stream is the body of an answer that the caller reads. The timeout counts only the time inside
// of Read.
type Stream struct {
	ctx     context.Context
	attempt *attempt
	answer  *Answer
	first   bytes.Reader // the bytes that have arrived already
	got     int64
	err     error // the error after first
}

// openStream waits for the first bytes. Before they arrive, the exchange can be made again.
func openStream(ctx context.Context, attempt *attempt, answer *Answer) (*Answer, *Failure) {
	stream := &Stream{ctx: ctx, attempt: attempt, answer: answer}
	buffer := make([]byte, 512)
	n := 0
	for n == 0 && stream.err == nil {
		n, stream.err = stream.fill(buffer)
	}
	if n == 0 && stream.err != io.EOF {
		_ = answer.Body.Close()
		failure := attempt.failure(ctx, answer.Sent, stream.err, true)
		failure.Response = answer.Response
		return nil, failure
	}
	attempt.Pause()
	attempt.streamed = true
	stream.first.Reset(buffer[:n])
	answer.Stream = stream
	return answer, nil
}

// Empty reports whether the body has no byte.
func (s *Stream) Empty() bool { return s.got == 0 }

// Read reads the body. Its errors are io.EOF and those that Failure explains.
func (s *Stream) Read(p []byte) (int, error) {
	if s.first.Len() > 0 {
		return s.first.Read(p)
	}
	if s.err == nil {
		s.attempt.Resume()
		var n int
		n, s.err = s.fill(p)
		s.attempt.Pause()
		if n > 0 || s.err == nil {
			return n, nil
		}
	}
	return 0, s.err
}

// Failure returns the failure behind the error of a Read other than io.EOF.
func (s *Stream) Failure() *Failure {
	return s.attempt.failure(s.ctx, s.answer.Sent, s.err, true)
}

// Close makes the connection available again, or drops it if the body was not read to its end.
func (s *Stream) Close() error {
	s.attempt.end()
	return s.answer.Body.Close()
}

// Discard reads the rest of the body, within limits, and closes it.
func (s *Stream) Discard() {
	s.attempt.Resume()
	discard(s.answer.Body, s.attempt.Cancel)
	s.attempt.end()
}

// fill reads from the network. An end before the announced length is an error.
func (s *Stream) fill(p []byte) (int, error) {
	n, err := s.answer.Body.Read(p)
	s.got += int64(n)
	if err == io.EOF && s.answer.ContentLength >= 0 && s.got < s.answer.ContentLength {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
