package exchange

import (
	"net/http"
	"sync/atomic"
	"time"
)

// original is the default transport that net/http starts with, nil if it was replaced before this
// package was initialized.
var original, _ = http.DefaultTransport.(*http.Transport)

// A pool has the connections of all clients without a transport of their own.
type pool struct {
	*http.Transport

	http2     atomic.Bool // whether it has carried HTTP/2
	answers   atomic.Uint64
	deadlines atomic.Uint64 // the deadlines of callers that have passed since the last answer
}

// shared is the pool in use, nil before the first use.
var shared atomic.Pointer[pool]

func newPool() *pool { return &pool{Transport: Tune(original.Clone())} }

func sharedPool() *pool {
	p := shared.Load()
	for ; p == nil; p = shared.Load() {
		shared.CompareAndSwap(nil, newPool())
	}
	return p
}

// RoundTrip counts the answers.
func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := p.Transport.RoundTrip(req)
	if res != nil {
		p.answers.Add(1)
		if p.deadlines.Load() != 0 {
			p.deadlines.Store(0)
		}
		if res.ProtoMajor == 2 && !p.http2.Load() {
			p.http2.Store(true)
		}
	}
	return res, err
}

// A watch reports whether the shared pool has answered any call during an exchange.
type watch struct {
	pool    *pool // nil: another transport is in use
	answers uint64
}

func (w *watch) begin(pool *pool) {
	if w.pool = pool; pool != nil {
		w.answers = pool.answers.Load()
	}
}

// timedOut replaces a pool that has answered no call since begin. Its path may be lost. With
// HTTP/1.1 a timeout closes the connection. With HTTP/2 it does not, and until a ping fails, all
// calls with a shorter timeout would use the lost path. A single deadline of a caller may be short
// on purpose, so timedOut waits for a second one in a row. Exchanges under way continue in the old
// pool.
func (w *watch) timedOut(own bool) {
	if w.pool == nil || !w.pool.http2.Load() || w.pool.answers.Load() != w.answers {
		return
	}
	if !own && w.pool.deadlines.Add(1) < 2 {
		return
	}
	if shared.CompareAndSwap(w.pool, newPool()) {
		w.pool.CloseIdleConnections()
	}
}

// Tune prepares a transport for many calls to one host, and returns it.
func Tune(t *http.Transport) *http.Transport {
	// The default keeps two connections to a host. A busy backend would open a new one for nearly
	// every call.
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 512, 512
	// If a path is lost without an error, pings notice it after 20 seconds. A connection over it then
	// fails only the calls of that time.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 10 * time.Second}
	return t
}

// sharedTransport is the transport of clients that have none of their own. It uses the shared pool.
// If somebody has replaced http.DefaultTransport, as mocks and tracers do, it uses that.
type sharedTransport struct{}

// pool returns the shared pool, nil if another transport is in use.
func (sharedTransport) pool() *pool {
	if t, ok := http.DefaultTransport.(*http.Transport); !ok || t != original {
		return nil
	}
	return sharedPool()
}

func (t sharedTransport) current() http.RoundTripper {
	if pool := t.pool(); pool != nil {
		return pool
	}
	return http.DefaultTransport
}

func (t sharedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.current().RoundTrip(req)
}

func (t sharedTransport) CloseIdleConnections() { closeIdle(t.current()) }

// isStandard reports whether t is net/http's own transport.
func isStandard(t http.RoundTripper) bool {
	if s, ok := t.(sharedTransport); ok {
		t = s.current()
	}
	switch t.(type) {
	case *http.Transport, *pool:
		return true
	}
	return false
}

func closeIdle(t http.RoundTripper) {
	if closer, ok := t.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// keepRedirect hides the address of a redirect from http.Client, which would drop an answer whose
// Location it cannot read. showLocation restores it.
type keepRedirect struct{ http.RoundTripper }

const (
	headerLocation = "Location"
	hiddenLocation = "idngo: location" // no server can send a header with this name
)

func (t keepRedirect) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.RoundTripper.RoundTrip(req)
	if res != nil && res.StatusCode/100 == 3 && len(res.Header[headerLocation]) > 0 {
		hidden := *res
		hidden.Header = res.Header.Clone()
		hidden.Header[hiddenLocation] = hidden.Header[headerLocation]
		delete(hidden.Header, headerLocation)
		res = &hidden
	}
	return res, err
}

func (t keepRedirect) CloseIdleConnections() { closeIdle(t.RoundTripper) }

func showLocation(res *http.Response) {
	if location, ok := res.Header[hiddenLocation]; ok {
		delete(res.Header, hiddenLocation)
		res.Header[headerLocation] = location
	}
}
