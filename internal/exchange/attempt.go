package exchange

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/idngo-go/idngo/internal/formbody"
)

// An attempt is the state of an exchange that other goroutines report while it runs: whether there
// is progress, and whether anything was written. It is a formbody.Pacer.
type attempt struct {
	ctx     context.Context // ends when the timeout expires
	cancel  context.CancelFunc
	timer   *time.Timer
	limit   time.Duration
	expired atomic.Bool

	asked, got atomic.Bool // whether a connection was asked for, and given
	streamed   bool        // the timeout continues with the body
	sending    *formbody.Sending
	watch      watch
}

func begin(ctx context.Context, limit time.Duration) *attempt {
	a := &attempt{limit: limit}
	a.ctx, a.cancel = context.WithCancel(ctx)
	a.timer = time.AfterFunc(limit, a.expire)
	return a
}

func (a *attempt) expire() {
	a.expired.Store(true)
	a.cancel()
}

// Pause stops the timeout until Resume.
func (a *attempt) Pause() { a.timer.Stop() }

// Resume begins the whole timeout again.
func (a *attempt) Resume() { a.timer.Reset(a.limit) }

// Cancel ends the attempt.
func (a *attempt) Cancel() { a.cancel() }

// Limit returns the timeout.
func (a *attempt) Limit() time.Duration { return a.limit }

func (a *attempt) end() {
	a.timer.Stop()
	a.cancel()
}

func (a *attempt) endUnlessStreamed() {
	if !a.streamed {
		a.end()
	}
}

// trace returns the hooks that report whether a connection was given. From then on bytes may have
// been written. net/http asks for a second connection only if it is sure that the first has carried
// nothing. Another RoundTripper may ask for one to send the request again.
func (a *attempt) trace(standard bool) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			a.asked.Store(true)
			if standard {
				a.got.Store(false)
			}
		},
		GotConn: func(httptrace.GotConnInfo) { a.got.Store(true) },
	}
}

// written reports whether bytes of the request may have been written. If a RoundTripper reports
// nothing, it may have written some.
func (a *attempt) written() bool { return !a.asked.Load() || a.got.Load() }

// A TimeoutError is the error of an exchange without progress. It is a net.Error and matches
// context.DeadlineExceeded, as those of net/http do.
type TimeoutError time.Duration

func (e TimeoutError) Error() string { return "no answer in " + time.Duration(e).String() }

// Timeout returns true.
func (e TimeoutError) Timeout() bool { return true }

// Temporary returns true.
func (e TimeoutError) Temporary() bool { return true }

// Is matches context.DeadlineExceeded.
func (e TimeoutError) Is(target error) bool { return target == context.DeadlineExceeded }
