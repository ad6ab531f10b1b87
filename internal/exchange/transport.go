package exchange

import (
	"net/http"
	"sync"
	"time"
)

// original is the default transport that net/http starts with, nil if it was replaced before this
// package was initialized.
var original, _ = http.DefaultTransport.(*http.Transport)

// shared is the pool of connections of all clients that have no transport of their own. It is made
// at first use.
var shared = sync.OnceValue(func() *http.Transport {
	return Tune(original.Clone())
})

// Tune changes a transport to what many calls to one host need, and returns it.
func Tune(t *http.Transport) *http.Transport {
	// The default keeps two connections to a host. A busy backend would open a new one for nearly
	// every call.
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 512, 512
	// A path that is lost without a word is found after 20 seconds, so that a connection over it
	// fails the calls of that time and not every call.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 10 * time.Second}
	return t
}

// sharedTransport is the transport of clients that have none of their own: the shared pool or, when
// somebody has replaced http.DefaultTransport, as mocks and tracers do, what it was replaced by.
type sharedTransport struct{}

func (sharedTransport) current() http.RoundTripper {
	if t, ok := http.DefaultTransport.(*http.Transport); !ok || t != original {
		return http.DefaultTransport
	}
	return shared()
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
	_, ok := t.(*http.Transport)
	return ok
}

func closeIdle(t http.RoundTripper) {
	if closer, ok := t.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// keepRedirect hides the address of a redirect from http.Client, which throws an answer away whose
// Location it cannot read. showLocation puts it back.
type keepRedirect struct{ http.RoundTripper }

const (
	headerLocation = "Location"
	hiddenLocation = "idngo: location" // no server can send this name
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
