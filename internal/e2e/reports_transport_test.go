package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/exchange"
)

// A proxy forwards TCP connections until their path is lost. It then no longer forwards their
// bytes, and does not close them.
type proxy struct {
	net.Listener
	target string

	mu     sync.Mutex
	lost   []*atomic.Bool
	dialed int
}

// newProxy starts a proxy that forwards to target.
func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{Listener: listener, target: target}
	t.Cleanup(func() { _ = listener.Close() })
	go p.serve()
	return p
}

// serve accepts connections and forwards each of them until the listener is closed.
func (p *proxy) serve() {
	for {
		conn, err := p.Accept()
		if err != nil {
			return
		}
		lost := new(atomic.Bool)
		p.mu.Lock()
		p.lost = append(p.lost, lost)
		p.dialed++
		p.mu.Unlock()
		go func() {
			server, err := net.Dial("tcp", p.target)
			if err != nil {
				_ = conn.Close()
				return
			}
			go forward(conn, server, lost)
			forward(server, conn, lost)
		}()
	}
}

// forward copies until the path is lost. It then continues to read but writes nothing.
func forward(dst, src net.Conn, lost *atomic.Bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := src.Read(buffer)
		if lost.Load() {
			if err != nil {
				return
			}
			continue
		}
		if n > 0 {
			_, _ = dst.Write(buffer[:n])
		}
		if err != nil {
			_ = dst.Close()
			return
		}
	}
}

// LosePaths stops forwarding on all open connections.
func (p *proxy) LosePaths() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, lost := range p.lost {
		lost.Store(true)
	}
}

// Dialed returns the number of connections.
func (p *proxy) Dialed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialed
}

// newHTTP2Server starts a TLS server that answers over HTTP/2, behind a proxy. It returns the
// certificates to trust.
func newHTTP2Server(t *testing.T) (*proxy, *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, 2, r.ProtoMajor)
		_, _ = io.Copy(io.Discard, r.Body)
		faultnet.Answer(w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return newProxy(t, server.Listener.Addr().String()), roots
}

// patience is how long a client waits for a lost path, and a busy machine for a handshake.
func patience() time.Duration { return time.Duration(faultnet.Count(5, 2, 2)) * time.Second }

// The path of a kept HTTP/2 connection is lost without an error. Pings notice the loss: one attempt
// fails, and the next ones dial (azure-sdk-for-go#21346).
func TestLostHTTP2PathIsFoundByPings(t *testing.T) {
	t.Parallel()
	skipIfShort(t, "it waits seconds for pings, which synctest cannot count over real connections")
	for _, op := range []faultnet.Operation{
		faultnet.GetAction, faultnet.CreateAction, faultnet.AddImage, faultnet.DownloadImage, faultnet.CreateAccessToken,
	} {
		t.Run(op.Name, func(t *testing.T) {
			t.Parallel()
			proxy, roots := newHTTP2Server(t)
			transport := exchange.Tune(http.DefaultTransport.(*http.Transport).Clone())
			require.Equal(t, http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 10 * time.Second}, *transport.HTTP2)
			transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: time.Second, PingTimeout: patience()}
			transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
			client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL("https://"+proxy.Addr().String()),
				idngo.WithHTTPClient(&http.Client{Transport: transport}), faultnet.RetryAtOnce(3))
			require.NoError(t, err)
			t.Cleanup(client.CloseIdleConnections)
			require.NoError(t, op.Call(t.Context(), client))
			proxy.LosePaths()

			var response idngo.Response
			err = op.Call(t.Context(), client, idngo.WithResponse(&response))
			if op.NotIdempotent {
				require.ErrorIs(t, err, idngo.ErrOutcomeUnknown, "its bytes were written")
			} else {
				require.NoError(t, err)
				assert.Equal(t, 2, response.Attempts)
			}
			for range 3 {
				require.NoError(t, op.Call(t.Context(), client, idngo.WithResponse(&response)))
				assert.Equal(t, 1, response.Attempts)
			}
			assert.Equal(t, 2, proxy.Dialed())
		})
	}
}

// A timeout that is shorter than the pings also notices a lost path after one failed attempt, and
// the next attempt dials. Deadlines of contexts notice it too, and the next call dials.
func TestLostHTTP2PathAfterATimeout(t *testing.T) {
	t.Parallel()
	if os.Getenv(trustTestServers) == "" {
		skipIfShort(t, "it starts a process and waits for two timeouts")
		runAlone(t)
		return
	}
	proxy, roots := newHTTP2Server(t)
	http.DefaultTransport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	newClient := func(timeout time.Duration) *idngo.Client {
		client, err := idngo.NewClient(
			faultnet.Credentials, idngo.WithBaseURL("https://"+proxy.Addr().String()), idngo.WithTimeout(timeout), faultnet.RetryAtOnce(3),
		)
		require.NoError(t, err)
		return client
	}
	var response idngo.Response
	client, other := newClient(patience()), newClient(time.Minute)
	require.NoError(t, faultnet.GetAction.Call(t.Context(), client))
	require.NoError(t, faultnet.GetAction.Call(t.Context(), other))
	require.Equal(t, 1, proxy.Dialed(), "one pool")

	proxy.LosePaths()
	require.NoError(t, faultnet.GetAction.Call(t.Context(), client, idngo.WithResponse(&response)))
	assert.Equal(t, 2, response.Attempts)
	require.NoError(t, faultnet.CreateAction.Call(t.Context(), other, idngo.WithResponse(&response)), "another client does not notice")
	assert.Equal(t, 1, response.Attempts)

	proxy.LosePaths()
	for range 2 { // a single deadline may be short on purpose, so the client waits for a second one
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		require.ErrorIs(t, faultnet.GetAction.Call(ctx, other), context.DeadlineExceeded)
		cancel()
	}
	require.NoError(t, faultnet.GetAction.Call(t.Context(), other, idngo.WithResponse(&response)))
	assert.Equal(t, 1, response.Attempts)
	assert.Equal(t, 3, proxy.Dialed())
}

// runAlone runs this test in a process of its own, in which it may change global variables.
func runAlone(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", fmt.Sprintf("-test.short=%t", testing.Short()))
	cmd.Env = append(os.Environ(), trustTestServers+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// Clients without a transport of their own share one pool of connections, which each of them can
// close (consul#1499).
func TestClientsShareAPool(t *testing.T) {
	t.Parallel()
	if os.Getenv(trustTestServers) == "" {
		runAlone(t)
		return
	}
	var open, opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(faultnet.Answer))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
			opened.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	server.Start()
	defer server.Close()
	before := runtime.NumGoroutine()
	options := [][]idngo.Option{nil, {idngo.WithHTTPClient(new(http.Client))}, {idngo.WithHTTPClient(&http.Client{Timeout: time.Minute})}}
	var client *idngo.Client
	for tenant := range 50 {
		creds := faultnet.Credentials
		creds.SecretKey += idngo.Secret(fmt.Sprint(tenant))
		var err error
		client, err = idngo.NewClient(creds, append(options[tenant%3], idngo.WithBaseURL(server.URL))...)
		require.NoError(t, err)
		require.NoError(t, faultnet.GetAction.Call(t.Context(), client))
	}
	assert.LessOrEqual(t, opened.Load(), int64(3), "net/http gives up a connection that is slow to write")
	assert.Less(t, runtime.NumGoroutine(), before+10)
	client.CloseIdleConnections()
	require.Eventually(t, func() bool { return open.Load() == 0 }, time.Minute, time.Millisecond)
}

// If a program replaces http.DefaultTransport, the replacement gets the calls, also of clients that
// were made before (httpmock#22, gock#21).
func TestReplacedDefaultTransport(t *testing.T) { //nolint:paralleltest // it replaces what is global
	const base = "https://replaced.test"
	newClient := func() *idngo.Client {
		client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(base), faultnet.OneAttempt())
		require.NoError(t, err)
		return client
	}
	get := func(client *idngo.Client) error { return faultnet.GetAction.Call(t.Context(), client) }
	before := newClient()
	original := http.DefaultTransport
	defer func() { http.DefaultTransport = original }()

	httpmock.Activate()
	httpmock.RegisterResponder("GET", base+"/resources/applicantActions/5e02f6b1/one", httpmock.NewStringResponder(200, faultnet.ActionJSON))
	require.NoError(t, get(before), "a client made before")
	require.NoError(t, get(newClient()), "a client made after")
	assert.Equal(t, 2, httpmock.GetTotalCallCount())
	httpmock.DeactivateAndReset()

	tracer := &closingTracer{}
	http.DefaultTransport = tracer
	require.NoError(t, get(before))
	before.CloseIdleConnections()
	assert.Equal(t, []int{1, 1}, []int{tracer.calls, tracer.closed})
	lost := faultnet.CreateAction.Call(t.Context(), before, idngo.WithHeader("X-Lose", "it"))
	require.ErrorIs(t, lost, idngo.ErrOutcomeUnknown, "a RoundTripper that says nothing of what it wrote may have written")

	http.DefaultTransport = &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, errReplaced }}
	require.ErrorIs(t, get(before), errReplaced, "another *http.Transport")
	http.DefaultTransport = original
}

var errReplaced = errors.New("the replacement was asked")

// closingTracer answers every call.
type closingTracer struct{ calls, closed int }

func (c *closingTracer) RoundTrip(req *http.Request) (*http.Response, error) {
	c.calls++
	if req.Header.Get("X-Lose") != "" {
		return nil, io.ErrUnexpectedEOF
	}
	body := io.NopCloser(strings.NewReader(faultnet.ActionJSON))
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body, Request: req}, nil
}

func (c *closingTracer) CloseIdleConnections() { c.closed++ }
