package idngo_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
)

// verdict is what follows when the first attempt of a call fails and all
// others would succeed.
type verdict int

const (
	stop   verdict = iota // one attempt, an error
	again                 // two attempts and success, after a delay
	atOnce                // two attempts and success, without a delay
)

// cell is a row of the table in DESIGN §3 and in the package documentation:
// one way for the first attempt to fail.
type cell struct {
	name    string
	arrange func(n *faultNet)
	tls     bool
	ends    time.Duration // when the caller's context ends; 0: never

	repeatable, careful verdict
	unknown             bool                 // a careful call's effect may have happened
	after               time.Duration        // how long the first attempt takes
	delay               time.Duration        // how long the wait is exactly; 0: the first of the policy, or none
	is                  []error              // what the error matches, if there is one
	not                 func(operation) bool // operations it does not apply to
	check               func(*testing.T, error, idngo.Response)
}

func onDial(err error) func(*faultNet) {
	return func(n *faultNet) {
		n.onDial = func(_ context.Context, number int) error {
			if number == 1 {
				return err
			}
			return nil
		}
	}
}

// onFirst answers the first request.
func onFirst(f func(w http.ResponseWriter, r *http.Request)) func(*faultNet) {
	return func(n *faultNet) {
		n.onRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
			if number == 1 {
				f(w, r)
			}
			return number == 1
		}
	}
}

func raw(text string) func(*faultNet) {
	return onFirst(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		writeRaw(w, text)
	})
}

// status answers the first request with an error; headers are name, value ….
func status(code int, headers ...string) func(*faultNet) {
	return coded(code, 0, headers...)
}

func coded(status, code int, headers ...string) func(*faultNet) {
	return onFirst(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i < len(headers); i += 2 {
			if headers[i+1] == "" {
				w.Header()[headers[i]] = nil
			} else {
				w.Header().Set(headers[i], headers[i+1])
			}
		}
		refuse(w, status, code, "no")
	})
}

func body(text string) func(*faultNet) {
	return onFirst(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, text)
	})
}

// silent takes a request and says nothing until the client has gone.
func silent(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// onFirstConn does what it likes with the first connection.
func onFirstConn(f func(n *faultNet, conn net.Conn)) func(*faultNet) {
	return func(n *faultNet) {
		n.onConn = func(number int, conn net.Conn) bool {
			if number == 1 {
				go func() {
					defer conn.Close()
					f(n, conn)
				}()
			}
			return number == 1
		}
	}
}

func hello(_ *faultNet, conn net.Conn) { _, _ = conn.Read(make([]byte, 64<<10)) }

// stall takes the beginning of what is sent, and never more.
func stall(n *faultNet, conn net.Conn) {
	_, _ = conn.Read(make([]byte, 64))
	<-n.down
}

// swallow takes what is sent and does not answer.
func swallow(_ *faultNet, conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func withCertificate(pick func(faultCerts) tls.Certificate) func(*faultNet) {
	return func(n *faultNet) {
		cert := pick(faultCertificates(n.t))
		onFirstConn(func(n *faultNet, conn net.Conn) {
			eager := &eagerConn{Conn: conn, queue: make(chan []byte, 16)}
			go eager.pump()
			defer close(eager.queue)
			_ = tls.Server(eager, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}).Handshake()
		})(n)
	}
}

// eagerConn writes without waiting for a reader. A pipe alone would let a server
// that still writes and a client that has read enough wait for one another.
type eagerConn struct {
	net.Conn
	queue chan []byte
}

func (c *eagerConn) Write(p []byte) (int, error) {
	c.queue <- bytes.Clone(p)
	return len(p), nil
}

func (c *eagerConn) pump() {
	for p := range c.queue {
		_, _ = c.Conn.Write(p)
	}
}

// images leaves out the download, whose body is not JSON.
func images(op operation) bool { return op.name == "OpenImage" }

// fromBubble is a time of a bubble as HTTP has it.
func fromBubble(d time.Duration) string {
	return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(d).Format(http.TimeFormat)
}

func cells() []cell {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	const large = 10<<20 + 1
	list := []cell{
		// Nothing was written.
		{name: "dial refused", arrange: onDial(refused), repeatable: again, careful: again},
		{name: "network unreachable", arrange: onDial(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}), repeatable: again, careful: again},
		{name: "DNS server failed", arrange: onDial(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "server misbehaving", Name: "api.test", IsTemporary: true}}), repeatable: again, careful: again},
		{name: "DNS timed out", arrange: onDial(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "i/o timeout", Name: "api.test", IsTimeout: true, IsTemporary: true}}), repeatable: again, careful: again},
		{name: "dial stalled", arrange: func(n *faultNet) {
			n.onDial = func(ctx context.Context, number int) error {
				if number == 1 {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			}
		}, repeatable: again, careful: again, after: 30 * time.Second},
		{name: "TLS handshake cut off", tls: true, arrange: onFirstConn(hello), repeatable: again, careful: again},
		{name: "TLS handshake answered in plain text", tls: true, arrange: onFirstConn(func(n *faultNet, conn net.Conn) {
			hello(n, conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
		}), repeatable: again, careful: again},
		{name: "TLS handshake refused", tls: true, arrange: onFirstConn(func(n *faultNet, conn net.Conn) {
			hello(n, conn)
			_, _ = conn.Write([]byte{21, 3, 3, 0, 2, 2, 80}) // alert: internal error
		}), repeatable: again, careful: again},
		{name: "TLS handshake stalled", tls: true, arrange: onFirstConn(swallow), repeatable: again, careful: again, after: 30 * time.Second},

		// Certificate invalid, host unknown.
		{name: "certificate expired", tls: true, arrange: withCertificate(func(c faultCerts) tls.Certificate { return c.expired })},
		{name: "certificate of another host", tls: true, arrange: withCertificate(func(c faultCerts) tls.Certificate { return c.otherHost })},
		{name: "certificate of an unknown authority", tls: true, arrange: withCertificate(func(c faultCerts) tls.Certificate { return c.unknownToAnyone })},
		{name: "host unknown", arrange: onDial(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "api.test", IsNotFound: true}})},

		// Connection lost, answer cut off, no progress.
		{name: "connection closed before the body was read", arrange: onFirst(func(w http.ResponseWriter, _ *http.Request) { breakOff(w) }), repeatable: again, unknown: true},
		{name: "connection closed after the request", arrange: raw(""), repeatable: again, unknown: true},
		{name: "connection closed after the request, TLS", tls: true, arrange: raw(""), repeatable: again, unknown: true},
		{name: "status line cut off", arrange: raw("HTTP/1.1 20"), repeatable: again, unknown: true},
		{name: "header cut off", arrange: raw("HTTP/1.1 200 OK\r\nContent-Le"), repeatable: again, unknown: true},
		{name: "body cut off before its first byte", arrange: raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"), repeatable: again, unknown: true},
		{name: "body cut off", arrange: raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\":"), repeatable: again, unknown: true, not: images},
		{name: "chunked body cut off", arrange: raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"id\":\r\n"), repeatable: again, unknown: true, not: images},
		{name: "chunked body cut off where it could end", arrange: raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), repeatable: again, unknown: true, not: images},
		{name: "another protocol", arrange: raw("SSH-2.0-OpenSSH_9.9\r\n"), repeatable: again, unknown: true},
		{name: "malformed status", arrange: raw("HTTP/1.1 2OO OK\r\n\r\n"), repeatable: again, unknown: true},
		{name: "malformed header", arrange: raw("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), repeatable: again, unknown: true},
		{name: "no answer", arrange: onFirst(silent), repeatable: again, unknown: true, after: 30 * time.Second, is: []error{context.DeadlineExceeded}},
		{name: "request not taken", arrange: onFirstConn(stall), repeatable: again, unknown: true, after: 30 * time.Second, is: []error{context.DeadlineExceeded}},
		{name: "body does not come", arrange: onFirst(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			_ = http.NewResponseController(w).Flush()
			silent(w, r)
		}), repeatable: again, unknown: true, after: 30 * time.Second, is: []error{context.DeadlineExceeded}},

		// The context ends.
		{name: "context ends while dialling", ends: 3 * time.Second, arrange: func(n *faultNet) {
			n.onDial = func(ctx context.Context, _ int) error {
				<-ctx.Done()
				return ctx.Err()
			}
		}, after: 3 * time.Second, is: []error{context.Canceled, errLeft}},
		{name: "context ends in the TLS handshake", ends: 3 * time.Second, tls: true, arrange: onFirstConn(swallow), after: 3 * time.Second, is: []error{context.Canceled, errLeft}},
		{name: "context ends while the request is not taken", ends: 3 * time.Second, arrange: onFirstConn(stall), after: 3 * time.Second, unknown: true, is: []error{context.Canceled, errLeft}},
		{name: "context ends before the answer", ends: 3 * time.Second, arrange: onFirst(silent), after: 3 * time.Second, unknown: true, is: []error{context.Canceled, errLeft}},
		{name: "context ends in the answer", ends: 3 * time.Second, arrange: onFirst(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			_ = http.NewResponseController(w).Flush()
			silent(w, r)
		}), after: 3 * time.Second, unknown: true, is: []error{context.Canceled, errLeft}},

		// Answers that say to come back.
		{name: "429", arrange: status(429), repeatable: again, careful: again},
		{name: "429 with seconds", arrange: status(429, "Retry-After", "7"), repeatable: again, careful: again, delay: 7 * time.Second},
		{name: "429 with a date", arrange: status(429, "Retry-After", fromBubble(9*time.Second)), repeatable: again, careful: again, delay: 9 * time.Second},
		{name: "429 with a date and another clock", arrange: status(429, "Date", fromBubble(time.Hour), "Retry-After", fromBubble(time.Hour+9*time.Second)), repeatable: again, careful: again, delay: 9 * time.Second},
		{name: "429 with a date and no Date", arrange: status(429, "Date", "", "Retry-After", fromBubble(11*time.Second)), repeatable: again, careful: again, delay: 11 * time.Second},
		{name: "429 with a date that has passed", arrange: status(429, "Retry-After", fromBubble(-time.Hour)), repeatable: atOnce, careful: atOnce},
		{name: "429 with zero", arrange: status(429, "Retry-After", "0"), repeatable: atOnce, careful: atOnce},
		{name: "429 with nonsense", arrange: status(429, "Retry-After", "soon"), repeatable: again, careful: again},
		{name: "429 with the longest allowed", arrange: status(429, "Retry-After", "60"), repeatable: again, careful: again, delay: time.Minute},
		{name: "429 with more than allowed", arrange: status(429, "Retry-After", "61"), is: []error{idngo.ErrRateLimited}, check: func(t *testing.T, err error, _ idngo.Response) {
			var api *idngo.APIError
			require.ErrorAs(t, err, &api)
			assert.Equal(t, 61*time.Second, api.RetryAfter)
		}},
		{name: "409", arrange: status(409), is: []error{idngo.ErrConflict}},
		{name: "409 with Retry-After", arrange: status(409, "Retry-After", "3"), repeatable: again, careful: again, delay: 3 * time.Second},
		{name: "409 with a Retry-After that says nothing", arrange: status(409, "Retry-After", "-"), is: []error{idngo.ErrConflict}},

		// The clock.
		{name: "401 4004", arrange: coded(401, 4004), repeatable: atOnce, careful: atOnce},
		{name: "401 4004 without Date", arrange: coded(401, 4004, "Date", ""), repeatable: atOnce, careful: atOnce},
		{name: "401 4004, Retry-After is no matter", arrange: coded(401, 4004, "Retry-After", "30"), repeatable: atOnce, careful: atOnce},
		{name: "401 4004, 10 minutes off", arrange: clockOff(10*time.Minute, 4004), repeatable: atOnce, careful: atOnce},
		{name: "401 without a code, 10 minutes off", arrange: clockOff(-10*time.Minute, 0), repeatable: atOnce, careful: atOnce},
		{name: "401 without a code, 31 seconds off", arrange: clockOff(31*time.Second, 0), repeatable: atOnce, careful: atOnce},
		{name: "401 without a code, 30 seconds off", arrange: coded(401, 0, "Date", fromBubble(30*time.Second)), is: []error{idngo.ErrUnauthorized}},
		{name: "401 without a code and without Date", arrange: coded(401, 0, "Date", ""), is: []error{idngo.ErrUnauthorized}},
		{name: "401 without a code, from a cache", arrange: coded(401, 0, "Date", fromBubble(-time.Hour), "Age", "3600"), is: []error{idngo.ErrUnauthorized}},

		// Certainly not done.
		{name: "501", arrange: status(501), is: []error{idngo.ErrServer}},
		{name: "501 with Retry-After", arrange: status(501, "Retry-After", "1"), is: []error{idngo.ErrServer}},
		{name: "error body cut off", arrange: raw("HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n{\"descr"), check: isStatus(400)},
		{name: "error page", arrange: raw("HTTP/1.1 403 Forbidden\r\nContent-Length: 13\r\n\r\n<html></html>"), is: []error{idngo.ErrForbidden}, check: isStatus(403)},
		{name: "redirect to an address that cannot be read", arrange: status(302, "Location", "http://[::1/%zz"), is: []error{idngo.ErrRedirect}, check: isStatus(302)},

		// Perhaps done.
		{name: "503 with seconds", arrange: status(503, "Retry-After", "5"), repeatable: again, delay: 5 * time.Second, unknown: true, is: []error{idngo.ErrServer}},
		{name: "503 with more than allowed", arrange: status(503, "Retry-After", "61"), unknown: true, is: []error{idngo.ErrServer}},
		{name: "502 cut off", arrange: raw("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100\r\n\r\n<html>"), repeatable: again, unknown: true, is: []error{idngo.ErrServer}, check: isStatus(502)},
		{name: "504 whose body does not come", arrange: onFirst(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(504)
			_ = http.NewResponseController(w).Flush()
			silent(w, r)
		}), repeatable: again, after: 30 * time.Second, unknown: true, is: []error{idngo.ErrServer}, check: isStatus(504)},

		// 2xx that cannot be used.
		{name: "garbage", arrange: body("\x1f\x8b{\"id\": \"5e02\xff"), unknown: true, not: images},
		{name: "error page with 200", arrange: body("<html>please log in</html>"), unknown: true, not: images},
		{name: "half an object", arrange: body(`{"id":"5e02f6b1","review":{`), unknown: true, not: images},
		{name: "an array", arrange: body(`[]`), unknown: true, not: images},
		{name: "a text", arrange: body(`"5e02f6b1"`), unknown: true, not: images},
		{name: "too large", arrange: onFirst(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Length", strconv.Itoa(large))
			_, _ = io.Copy(w, io.LimitReader(spaces{}, large))
		}), unknown: true, not: images, is: []error{idngo.ErrResponseTooLarge}, after: anyTime},
		{name: "too large without saying so", arrange: onFirst(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.Copy(w, io.LimitReader(spaces{}, large))
		}), unknown: true, not: images, is: []error{idngo.ErrResponseTooLarge}, after: anyTime},
		{name: "without a body", arrange: body(""), unknown: true, not: func(op operation) bool {
			return op.name == "OpenImage" || op.name == "CreateAction" || op.name == "SubmitAction" // these look it up
		}},
		{name: "without what is needed", arrange: body("{}"), unknown: true, not: func(op operation) bool {
			return op.name != "AddImage" && op.name != "CreateAccessToken" && op.name != "CreateWebSDKLink" && op.name != "ListActions"
		}},
	}
	for _, code := range []int{400, 402, 403, 404, 405, 406, 407, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 431, 451, 499} {
		list = append(list, cell{name: fmt.Sprint(code), arrange: status(code, "Retry-After", "1"), check: isStatus(code)})
	}
	for _, code := range []int{408, 500, 502, 503, 504, 505, 507, 511, 520, 521, 522, 523, 524, 529, 599} {
		list = append(list, cell{name: fmt.Sprint(code), arrange: status(code), repeatable: again, unknown: true, check: isStatus(code)})
	}
	for _, code := range []int{4000, 4001, 4002, 4003, 4005, 4006, 4007} {
		list = append(list, cell{name: fmt.Sprintf("401 %d", code), arrange: coded(401, code, "Date", fromBubble(time.Hour)), is: []error{idngo.ErrUnauthorized}, check: isStatus(401)})
	}
	for _, code := range []int{300, 301, 302, 303, 305, 307, 308} {
		list = append(list, cell{name: fmt.Sprint(code), arrange: status(code, "Location", "http://127.0.0.1/elsewhere"), is: []error{idngo.ErrRedirect}, check: isStatus(code)},
			cell{name: fmt.Sprintf("%d without Location", code), arrange: status(code), is: []error{idngo.ErrRedirect}, check: isStatus(code)})
	}
	list = append(list, cell{name: "101", arrange: raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nx"), check: isStatus(101)})
	list = append(list, cell{name: "304", arrange: raw("HTTP/1.1 304 Not Modified\r\n\r\n"), is: []error{idngo.ErrRedirect}, check: isStatus(304)})
	return list
}

const anyTime = -1

var errLeft = errors.New("the customer has left")

// clockOff is a server whose clock is off, and that refuses the first request.
func clockOff(off time.Duration, code int) func(*faultNet) {
	return func(n *faultNet) {
		n.skew, n.anyStamp = off, true
		n.onRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
			_, _ = io.Copy(io.Discard, r.Body)
			if number == 1 {
				refuse(w, 401, code, "no")
				return true
			}
			assert.Equal(n.t, strconv.FormatInt(time.Now().Add(off).Unix(), 10), r.Header.Get("X-App-Access-Ts"))
			return false
		}
	}
}

func isStatus(code int) func(*testing.T, error, idngo.Response) {
	return func(t *testing.T, err error, res idngo.Response) {
		var api *idngo.APIError
		require.ErrorAs(t, err, &api)
		assert.Equal(t, code, api.StatusCode)
		assert.Equal(t, code, res.StatusCode)
	}
}

// spaces never end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		rest = rest[copy(rest, "                                                                "):]
	}
	return len(p), nil
}

// TestTableOfRetries is the table, cell by cell, through the whole client: each
// way to fail, in both columns and in the first one by WithRepeatable, for each
// call of the API.
func TestTableOfRetries(t *testing.T) {
	t.Parallel()
	for _, c := range cells() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, op := range operations {
				if c.not != nil && c.not(op) {
					continue
				}
				t.Run(op.key(), func(t *testing.T) {
					want := c.repeatable
					if op.careful {
						want = c.careful
					}
					inBubble(t, func(t *testing.T) { c.run(t, op, want) })
				})
				if op.careful {
					t.Run(op.key()+" repeatable", func(t *testing.T) {
						inBubble(t, func(t *testing.T) { c.run(t, op, c.repeatable, idngo.WithRepeatable()) })
					})
				}
			}
		})
	}
}

func (c cell) run(t *testing.T, op operation, want verdict, opts ...idngo.RequestOption) {
	n := newFaultNet
	if c.tls {
		n = newTLSFaultNet
	}
	network := n(t)
	c.arrange(network)
	client := network.client()

	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	if c.ends > 0 {
		time.AfterFunc(c.ends, func() { cancel(errLeft) })
	}
	var res idngo.Response
	begin := time.Now()
	err := op.call(ctx, client, append(opts, idngo.WithResponse(&res))...)
	took := time.Since(begin)
	if c.after == anyTime {
		took = 0
	} else {
		took -= c.after
	}

	attempts := 2
	if want == stop {
		attempts = 1
	}
	assert.Equal(t, attempts, res.Attempts, "attempts")
	switch {
	case want != again:
		assert.Zero(t, took, "delay")
	case c.delay > 0:
		assert.Equal(t, c.delay, took, "delay")
	default:
		assert.GreaterOrEqual(t, took, 250*time.Millisecond, "delay")
		assert.Less(t, took, 500*time.Millisecond, "delay")
	}
	if want != stop {
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, res.StatusCode)
		return
	}
	require.Error(t, err)
	assert.Equal(t, c.unknown && op.careful, errors.Is(err, idngo.ErrOutcomeUnknown), "ErrOutcomeUnknown: %v", err)
	for _, target := range c.is {
		assert.ErrorIs(t, err, target)
	}
	if c.check != nil {
		c.check(t, err, res)
	}
	assert.Contains(t, err.Error(), op.name)
}

func always(f func(w http.ResponseWriter, r *http.Request)) func(int, http.ResponseWriter, *http.Request) bool {
	return func(_ int, w http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		f(w, r)
		return true
	}
}

// script answers the requests one after the other; nil is the proper answer, as
// is every one after the last.
func script(answers ...func(w http.ResponseWriter)) func(int, http.ResponseWriter, *http.Request) bool {
	return func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > len(answers) || answers[n-1] == nil {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		answers[n-1](w)
		return true
	}
}

func refusal(status, code int, headers ...string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		refuse(w, status, code, "no")
	}
}

func text(s string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) { _, _ = io.WriteString(w, s) }
}

func policy(p idngo.RetryPolicy) idngo.Option { return idngo.WithRetryPolicy(p) }

func TestDelaysDoubleHalfOfThemRandom(t *testing.T) {
	tests := map[string]struct {
		policy idngo.RetryPolicy
		want   []time.Duration // the highest of each delay
	}{
		"default": {idngo.RetryPolicy{}, []time.Duration{500 * time.Millisecond, time.Second}},
		"up to 8 seconds": {idngo.RetryPolicy{MaxAttempts: 9}, []time.Duration{
			500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second, 8 * time.Second, 8 * time.Second,
		}},
		"own": {idngo.RetryPolicy{MaxAttempts: 6, MinDelay: 10 * time.Millisecond, MaxDelay: 50 * time.Millisecond}, []time.Duration{
			10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond, 50 * time.Millisecond, 50 * time.Millisecond,
		}},
		"max below the default min": {idngo.RetryPolicy{MaxDelay: 10 * time.Millisecond}, []time.Duration{10 * time.Millisecond, 10 * time.Millisecond}},
		"min above the default max": {idngo.RetryPolicy{MaxAttempts: 3, MinDelay: time.Minute}, []time.Duration{time.Minute, time.Minute}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				n := newFaultNet(t)
				n.onRequest = always(func(w http.ResponseWriter, _ *http.Request) { refuse(w, 503, 0, "down") })
				client := n.client(policy(tt.policy))
				shares := map[float64]bool{}
				for range 20 {
					before := len(n.seen())
					err := opGet.call(t.Context(), client)
					var api *idngo.APIError
					require.ErrorAs(t, err, &api)
					assert.Equal(t, len(tt.want)+1, api.Attempts)
					gaps := n.gaps()[before:]
					require.Len(t, gaps, len(tt.want))
					for i, gap := range gaps {
						assert.GreaterOrEqual(t, gap, tt.want[i]/2, "delay %d", i)
						assert.Less(t, gap, tt.want[i], "delay %d", i)
						shares[float64(gap)/float64(tt.want[i])] = true
					}
				}
				assert.Greater(t, len(shares), 15, "delays are spread")
			})
		})
	}
}

func TestMaxAttemptsCountsEveryAttempt(t *testing.T) {
	down, late, busy := refusal(503, 0), refusal(401, 4004), refusal(429, 0)
	tests := map[string]struct {
		max      int
		op       operation
		answers  []func(http.ResponseWriter)
		attempts int
		status   int // 0: success
	}{
		"one, 503":                      {1, opGet, []func(http.ResponseWriter){down}, 1, 503},
		"one, 429":                      {1, opCreate, []func(http.ResponseWriter){busy}, 1, 429},
		"one, clock":                    {1, opGet, []func(http.ResponseWriter){late}, 1, 401},
		"two, clock and 503":            {2, opGet, []func(http.ResponseWriter){late, down}, 2, 503},
		"three, clock and 503":          {3, opGet, []func(http.ResponseWriter){late, down}, 3, 0},
		"three, 503 and clock":          {3, opGet, []func(http.ResponseWriter){down, late}, 3, 0},
		"two, 503 and clock":            {2, opGet, []func(http.ResponseWriter){down, late}, 2, 401},
		"clock once in a call":          {9, opGet, []func(http.ResponseWriter){late, late, nil}, 2, 401},
		"clock once, careful":           {9, opUpload, []func(http.ResponseWriter){late, late, nil}, 2, 401},
		"clock once, 503 between":       {9, opGet, []func(http.ResponseWriter){late, down, late, nil}, 3, 401},
		"many 429":                      {5, opSubmit, []func(http.ResponseWriter){busy, busy, busy, busy}, 5, 0},
		"too many 429":                  {5, opSubmit, []func(http.ResponseWriter){busy, busy, busy, busy, busy}, 5, 429},
		"default is three":              {0, opToken, []func(http.ResponseWriter){down, down, down}, 3, 503},
		"the careful ones stop at once": {9, opUpload, []func(http.ResponseWriter){busy, down}, 2, 503},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				n := newFaultNet(t)
				n.onRequest = script(tt.answers...)
				client := n.client(policy(idngo.RetryPolicy{MaxAttempts: tt.max}))
				var res idngo.Response
				err := tt.op.call(t.Context(), client, idngo.WithResponse(&res))
				assert.Equal(t, tt.attempts, res.Attempts)
				assert.Len(t, n.seen(), tt.attempts)
				if tt.status == 0 {
					require.NoError(t, err)
					return
				}
				var api *idngo.APIError
				require.ErrorAs(t, err, &api)
				assert.Equal(t, tt.status, api.StatusCode)
				assert.Equal(t, tt.attempts, api.Attempts)
				assert.Equal(t, tt.op.careful && tt.status == 503, errors.Is(err, idngo.ErrOutcomeUnknown))
			})
		})
	}
}

// The delay grows with the waits, not with the attempts: that of the clock had
// none.
func TestDelayAfterClockIsTheFirst(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newFaultNet(t)
		n.onRequest = script(refusal(401, 4004), refusal(503, 0))
		require.NoError(t, opGet.call(t.Context(), n.client()))
		gaps := n.gaps()
		require.Len(t, gaps, 2)
		assert.Zero(t, gaps[0])
		assert.Less(t, gaps[1], 500*time.Millisecond)
	})
}

// What was once unknown stays unknown, whatever the later attempts say.
func TestUnknownStaysUnknown(t *testing.T) {
	unknown := map[string]func(http.ResponseWriter){"503": refusal(503, 0), "408": refusal(408, 0), "lost": breakOff}
	ends := map[string]struct {
		last     func(http.ResponseWriter)
		attempts int
		is       error
	}{
		"400":        {refusal(400, 0), 2, nil},
		"409":        {refusal(409, 0), 2, idngo.ErrConflict},
		"409 1000":   {refusal(409, 1000), 2, idngo.ErrDuplicateImage},
		"429s":       {refusal(429, 0, "Retry-After", "1000"), 2, idngo.ErrRateLimited},
		"401":        {refusal(401, 4003), 2, idngo.ErrSignatureMismatch},
		"501":        {refusal(501, 0), 2, idngo.ErrServer},
		"redirect":   {refusal(302, 0, "Location", "https://elsewhere.test/"), 2, idngo.ErrRedirect},
		"garbage":    {text("<html>"), 2, nil},
		"503":        {refusal(503, 0), 3, idngo.ErrServer},
		"lost":       {breakOff, 3, nil},
		"not dialed": {nil, 3, syscall.ECONNREFUSED},
	}
	for first, answer := range unknown {
		for last, end := range ends {
			for _, op := range []operation{opCreate, opUpload, opSubmit, opPost} {
				t.Run(first+", "+last+", "+op.key(), func(t *testing.T) {
					inBubble(t, func(t *testing.T) {
						n := newFaultNet(t)
						n.onRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
							_, _ = io.Copy(io.Discard, r.Body)
							if number == 1 {
								w.Header().Set("Connection", "close")
								answer(w)
							} else {
								end.last(w)
							}
							return true
						}
						n.onDial = func(_ context.Context, number int) error {
							if number > 1 && end.last == nil {
								return &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
							}
							return nil
						}
						var res idngo.Response
						err := op.call(t.Context(), n.client(), idngo.WithRepeatable(), idngo.WithResponse(&res))
						require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
						assert.Contains(t, err.Error(), "outcome unknown")
						assert.Equal(t, end.attempts, res.Attempts)
						if end.is != nil {
							assert.ErrorIs(t, err, end.is)
						}
					})
				})
			}
		}
	}
}

// A wait ends with the context, at once when the context would not survive it.
func TestWaitsAndTheContext(t *testing.T) {
	type result struct {
		err  error
		res  idngo.Response
		took time.Duration
	}
	call := func(t *testing.T, ctx context.Context, answer func(http.ResponseWriter), op operation) result {
		n := newFaultNet(t)
		n.onRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			_, _ = io.Copy(io.Discard, r.Body)
			answer(w)
			return true
		}
		client := n.client()
		var r result
		begin := time.Now()
		r.err = op.call(ctx, client, idngo.WithResponse(&r.res))
		r.took = time.Since(begin)
		require.Error(t, r.err)
		var api *idngo.APIError
		require.ErrorAs(t, r.err, &api, "the answer is not lost")
		assert.Equal(t, 1, api.Attempts)
		assert.Equal(t, 1, r.res.Attempts)
		return r
	}
	t.Run("would not survive", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			r := call(t, ctx, refusal(429, 0, "Retry-After", "10"), opCreate)
			require.ErrorIs(t, r.err, context.DeadlineExceeded)
			require.ErrorIs(t, r.err, idngo.ErrRateLimited)
			require.NotErrorIs(t, r.err, idngo.ErrOutcomeUnknown)
			assert.Zero(t, r.took)
			assert.NoError(t, ctx.Err(), "it has not ended yet")
		})
	})
	t.Run("would survive", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Nanosecond)
			defer cancel()
			n := newFaultNet(t)
			n.onRequest = script(refusal(429, 0, "Retry-After", "10"))
			require.NoError(t, opCreate.call(ctx, n.client()))
		})
	})
	t.Run("backoff would not survive", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			r := call(t, ctx, refusal(503, 0), opGet)
			require.ErrorIs(t, r.err, context.DeadlineExceeded)
			require.ErrorIs(t, r.err, idngo.ErrServer)
			assert.Zero(t, r.took)
		})
	})
	t.Run("cancelled", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(4*time.Second, func() { cancel(errLeft) })
			r := call(t, ctx, refusal(409, 0, "Retry-After", "30"), opSubmit)
			require.ErrorIs(t, r.err, context.Canceled)
			require.ErrorIs(t, r.err, errLeft)
			require.ErrorIs(t, r.err, idngo.ErrConflict)
			assert.Equal(t, 4*time.Second, r.took)
		})
	})
	t.Run("cancelled after an unknown outcome", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			n := newFaultNet(t)
			n.onRequest = script(refusal(503, 0, "Retry-After", "30"))
			time.AfterFunc(4*time.Second, cancel)
			err := opSubmit.call(ctx, n.client(), idngo.WithRepeatable())
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
			require.ErrorIs(t, err, idngo.ErrServer)
		})
	})
	t.Run("ended before the call", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errLeft)
			n := newFaultNet(t)
			client := n.client()
			for _, op := range operations {
				res := idngo.Response{StatusCode: 7, Attempts: 7}
				err := op.call(ctx, client, idngo.WithResponse(&res))
				require.ErrorIs(t, err, context.Canceled, op.name)
				assert.Equal(t, idngo.Response{}, res, "no attempt was made")
				require.ErrorIs(t, err, errLeft, op.name)
				require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown, op.name)
			}
			assert.Zero(t, n.dialed())
		})
	})
	t.Run("lost connection would not survive", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			n := newFaultNet(t)
			n.onDial = func(context.Context, int) error { return &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED} }
			err := opCreate.call(ctx, n.client())
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
			require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)
			assert.Equal(t, 1, n.dialed())
		})
	})
}

// Each attempt is stamped and signed when it is made: faultNet compares every
// stamp with its clock and recomputes every signature.
func TestEveryAttemptIsFreshlySigned(t *testing.T) {
	for _, op := range operations {
		t.Run(op.key(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				n := newFaultNet(t)
				n.onRequest = script(refusal(429, 0, "Retry-After", "59"), refusal(429, 0, "Retry-After", "1"), refusal(429, 0, "Retry-After", "60"))
				require.NoError(t, op.call(t.Context(), n.client(policy(idngo.RetryPolicy{MaxAttempts: 4}))))
				stamps, signatures := map[string]bool{}, map[string]bool{}
				for _, r := range n.seen() {
					stamps[r.header.Get("X-App-Access-Ts")] = true
					signatures[r.header.Get("X-App-Access-Sig")] = true
				}
				assert.Len(t, stamps, 4)
				assert.Len(t, signatures, 4)
				synctest.Wait()
				whole := 0
				for _, conn := range n.taps {
					whole += checkRawRequests(t, conn.read.Bytes())
				}
				assert.Equal(t, 4, whole, "requests checked from the raw bytes")
			})
		})
	}
}

// roundTripper is one of the caller's.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Whether bytes were written is what httptrace says. Who says nothing counts as
// having written.
func TestWhatARoundTripperReports(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	trace := func(r *http.Request, events string) {
		hooks := httptrace.ContextClientTrace(r.Context())
		if hooks == nil {
			return
		}
		for _, event := range events {
			switch event {
			case '?':
				hooks.GetConn("127.0.0.1:80")
			case '!':
				hooks.GotConn(httptrace.GotConnInfo{})
			}
		}
	}
	tests := map[string]struct {
		events string // ? a connection was asked for, ! there was one
		again  bool
	}{
		"nothing":                             {"", false},
		"asked for a connection":              {"?", true},
		"got one":                             {"?!", false},
		"only that it got one":                {"!", false},
		"tried again by itself":               {"?!?", false},
		"tried again by itself before a dial": {"??", true},
	}
	for name, tt := range tests {
		for _, op := range operations {
			t.Run(name+", "+op.key(), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					calls := 0
					client, err := idngo.NewClient(faultCreds, idngo.WithBaseURL("http://127.0.0.1"), idngo.WithHTTPClient(&http.Client{
						Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
							calls++
							trace(r, tt.events)
							return nil, refused
						}),
					}))
					require.NoError(t, err)
					err = op.call(t.Context(), client)
					require.ErrorIs(t, err, syscall.ECONNREFUSED)
					if tt.again || !op.careful {
						assert.Equal(t, 3, calls)
					} else {
						assert.Equal(t, 1, calls)
					}
					assert.Equal(t, op.careful && !tt.again, errors.Is(err, idngo.ErrOutcomeUnknown))
				})
			})
		}
	}
}

// A kept connection that has died is replaced by net/http. If nothing was
// written to it and no other can be had, nothing was written at all.
func TestDeadKeptConnection(t *testing.T) {
	for _, op := range []operation{opCreate, opUpload, opSubmit} {
		t.Run(op.key(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				n := newFaultNet(t)
				first := new(deafConn)
				dial := n.transport.DialContext
				dials := 0
				n.transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					if dials++; dials == 2 {
						return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
					}
					conn, err := dial(ctx, network, addr)
					if dials == 1 {
						first.Conn = conn
						return first, err
					}
					return conn, err
				}
				client := n.client()
				require.NoError(t, opGet.call(t.Context(), client))
				first.dead.Store(true)
				var res idngo.Response
				require.NoError(t, op.call(t.Context(), client, idngo.WithResponse(&res)))
				assert.Equal(t, 2, res.Attempts)
				assert.Equal(t, 3, dials)
				assert.Len(t, n.seen(), 2)
			})
		})
	}
}

// deafConn takes no bytes any more once it is dead.
type deafConn struct {
	net.Conn
	dead atomic.Bool
}

func (c *deafConn) Write(p []byte) (int, error) {
	if c.dead.Load() {
		return 0, &net.OpError{Op: "write", Err: syscall.EPIPE}
	}
	return c.Conn.Write(p)
}

// With an idempotency key net/http sends a POST again by itself when the server
// closes a kept connection, and nobody would know that it was sent before.
func TestIdempotencyKeyIsNoLicence(t *testing.T) {
	for _, header := range []string{"Idempotency-Key", "x-idempotency-key"} {
		for _, op := range []operation{opCreate, opUpload, opSubmit, opPost} {
			t.Run(header+", "+op.key(), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					n := newFaultNet(t)
					n.onRequest = script(nil, breakOff)
					client := n.client()
					require.NoError(t, opGet.call(t.Context(), client))
					err := op.call(t.Context(), client, idngo.WithHeader(header, "k-1"))
					require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
					require.Len(t, n.seen(), 2, "sent once")
					assert.Equal(t, "k-1", n.seen()[1].header.Get(header))
				})
			})
		}
	}
}

// HTTP/2 has words of its own for a request that was not carried out.
func TestTableOverHTTP2(t *testing.T) {
	if strings.HasPrefix(runtime.Version(), "go1.25") {
		t.Skip("the HTTP/2 server of Go 1.25 hands channels from bubble to bubble: golang.org/issue/75674")
	}
	for _, op := range operations {
		t.Run(op.key(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				n := newTLSFaultNet(t)
				n.useHTTP2()
				var protocols []string
				n.onRequest = func(number int, _ http.ResponseWriter, r *http.Request) bool {
					protocols = append(protocols, r.Proto)
					if number == 1 {
						panic(http.ErrAbortHandler) // RST_STREAM
					}
					return false
				}
				client := n.client()
				var res idngo.Response
				err := op.call(t.Context(), client, idngo.WithResponse(&res))
				if op.careful {
					require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
					assert.Equal(t, 1, res.Attempts)
				} else {
					require.NoError(t, err)
					assert.Equal(t, 2, res.Attempts)
				}
				require.NoError(t, op.call(t.Context(), client), "the connection is still good")
				assert.Equal(t, 1, n.dialed())
				assert.Equal(t, "HTTP/2.0", protocols[0])
			})
		})
	}
}
