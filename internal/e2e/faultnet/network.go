package faultnet

import (
	"bufio"
	"bytes"
	"context"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/simulator"
)

// InBubble runs a parallel test in virtual time.
func InBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	if fips140.Enabled() {
		t.Skip("FIPS mode: crypto/rand takes its entropy from the clock, and panics where that stands still")
	}
	synctest.Test(t, test)
}

// Network is a network and its server. Its hooks are called with a number that counts from 1, by
// one goroutine at a time. A nil hook does nothing.
type Network struct {
	// T is the test that the network belongs to.
	T *testing.T

	// OnDial fails a dial with its error, or lets it pass.
	OnDial func(ctx context.Context, n int) error
	// OnConn takes over the server's side of a connection by returning true.
	OnConn func(n int, server net.Conn) bool
	// OnRequest answers a request and returns true, or leaves it to Answer.
	OnRequest func(n int, w http.ResponseWriter, r *http.Request) bool
	// Skew is the difference between the server's clock and the clock of the bubble.
	Skew time.Duration
	// AnyStamp means that timestamps are not compared with the clock of the server.
	AnyStamp bool
	// Untapped means that the bytes of the requests are not kept. Their signatures are then not
	// checked.
	Untapped bool

	running   bool
	simulator *simulator.Server // the server, if it is a simulator
	tls       *tls.Config       // the TLS settings of the server, nil for plain HTTP
	conns     chan net.Conn
	Down      chan struct{}
	server    *http.Server
	Transport *http.Transport

	mu       sync.Mutex
	dials    int
	requests []SeenRequest
	taps     []*tap
	open     int
	busy     int // the number of handlers that run
}

// SeenRequest is a request as it reached the server.
type SeenRequest struct {
	At     time.Time
	Method string
	Target string
	Header http.Header
	Conn   string
}

// New returns a network of plain HTTP.
func New(t *testing.T) *Network {
	t.Helper()
	n := &Network{T: t, conns: make(chan net.Conn), Down: make(chan struct{})}
	n.server = &http.Server{
		Handler: n, ErrorLog: log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, s http.ConnState) {
			n.mu.Lock()
			defer n.mu.Unlock()
			switch s {
			case http.StateNew:
				n.open++
			case http.StateClosed, http.StateHijacked:
				n.open--
			}
		},
	}
	n.Transport = &http.Transport{DialContext: n.dial, MaxIdleConnsPerHost: 256, ReadBufferSize: 64 << 10}
	return n
}

// Start starts the server. The first client calls it, after the test has set the hooks.
func (n *Network) Start() {
	if n.running {
		return
	}
	n.running = true
	done := make(chan struct{})
	serve, stop := n.server.Serve, n.server.Close
	if n.simulator != nil {
		serve, stop = n.simulator.Serve, n.simulator.Close
	}
	go func() {
		defer close(done)
		_ = serve(n)
	}()
	n.T.Cleanup(func() {
		n.Transport.CloseIdleConnections()
		_ = stop()
		// Handlers may sleep, and net/http may linger on a connection. This gives them time.
		for time.Sleep(time.Minute); n.isBusy(); {
			time.Sleep(time.Minute)
		}
		<-done
		n.CheckWire()
	})
}

// NewTLS returns a network whose server has a certificate for api.test.
func NewTLS(t *testing.T) *Network {
	t.Helper()
	n := New(t)
	certs := MakeCertificates(t)
	n.tls = &tls.Config{Certificates: []tls.Certificate{certs.Good}}
	n.Transport.TLSClientConfig = &tls.Config{RootCAs: certs.Roots, MinVersion: tls.VersionTLS12}
	return n
}

// NewSimulator returns a network whose server is a simulator.
func NewSimulator(t *testing.T, cfg simulator.Config) (*Network, *simulator.Server) {
	t.Helper()
	n := New(t)
	cfg.AppToken, cfg.SecretKey = AppToken, SecretKey
	server, err := simulator.New(cfg)
	require.NoError(t, err)
	n.simulator = server
	return n, server
}

// UseHTTP2 makes both sides speak HTTP/2.
func (n *Network) UseHTTP2() {
	n.tls.NextProtos = []string{"h2", "http/1.1"}
	n.server.Protocols, n.Transport.Protocols = new(http.Protocols), new(http.Protocols)
	n.server.Protocols.SetHTTP2(true)
	n.Transport.Protocols.SetHTTP2(true)
}

// BaseURL returns the base URL of the server.
func (n *Network) BaseURL() string {
	if n.tls != nil {
		return "https://api.test"
	}
	return "http://127.0.0.1"
}

// Client returns a client of this network with the Credentials of the tests.
func (n *Network) Client(opts ...idngo.Option) *idngo.Client {
	n.T.Helper()
	return n.ClientOf(Credentials, opts...)
}

// ClientOf returns a client of this network.
func (n *Network) ClientOf(creds idngo.Credentials, opts ...idngo.Option) *idngo.Client {
	n.T.Helper()
	n.Start()
	client, err := idngo.NewClient(creds, append([]idngo.Option{
		idngo.WithBaseURL(n.BaseURL()), idngo.WithHTTPClient(&http.Client{Transport: n.Transport}),
	}, opts...)...)
	require.NoError(n.T, err)
	return client
}

func (n *Network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	n.dials++
	number := n.dials
	n.mu.Unlock()
	if n.OnDial != nil {
		if err := n.OnDial(ctx, number); err != nil {
			return nil, err
		}
	}
	client, server := net.Pipe()
	if n.OnConn != nil && n.OnConn(number, server) {
		return client, nil
	}
	select {
	case n.conns <- server:
		return client, nil
	case <-n.Down:
	case <-ctx.Done():
	}
	_ = client.Close()
	_ = server.Close()
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("the network is down")}
}

// Accept makes the network a listener for the server.
func (n *Network) Accept() (net.Conn, error) {
	select {
	case conn := <-n.conns:
		if n.tls != nil {
			return tls.Server(conn, n.tls), nil
		}
		if n.Untapped {
			return conn, nil
		}
		tapped := &tap{Conn: conn}
		n.mu.Lock()
		n.taps = append(n.taps, tapped)
		n.mu.Unlock()
		return tapped, nil
	case <-n.Down:
		return nil, net.ErrClosed
	}
}

// Close makes the network a listener for the server.
func (n *Network) Close() error {
	close(n.Down)
	return nil
}

// Addr makes the network a listener for the server.
func (n *Network) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// ServeHTTP records a request, checks its stamp and answers it.
func (n *Network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now().Add(n.Skew)
	n.mu.Lock()
	n.busy++
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.busy--
	}()
	n.requests = append(n.requests, SeenRequest{time.Now(), r.Method, r.RequestURI, r.Header.Clone(), r.RemoteAddr})
	number := len(n.requests)
	n.mu.Unlock()
	if stamp := r.Header.Get("X-App-Access-Ts"); !n.AnyStamp {
		assert.Equal(n.T, strconv.FormatInt(now.Unix(), 10), stamp, "request %d is freshly stamped", number)
	}
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	if n.OnRequest != nil && n.OnRequest(number, w, r) {
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	Answer(w, r)
}

// Dialed returns how many connections the client has asked for.
func (n *Network) Dialed() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

// Seen returns the requests that reached the server.
func (n *Network) Seen() []SeenRequest {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]SeenRequest(nil), n.requests...)
}

// Forget deletes the recorded requests. The next request has the number 1.
func (n *Network) Forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.requests = nil
}

// OpenConnections returns how many connections are open.
func (n *Network) OpenConnections() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open
}

// isBusy reports whether a handler runs.
func (n *Network) isBusy() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.busy > 0
}

// Gaps returns the times between requests.
func (n *Network) Gaps() (gaps []time.Duration) {
	seen := n.Seen()
	for i := 1; i < len(seen); i++ {
		gaps = append(gaps, seen[i].At.Sub(seen[i-1].At))
	}
	return gaps
}

// tap keeps the bytes that a server reads from a connection.
type tap struct {
	net.Conn
	mu   sync.Mutex
	read bytes.Buffer
}

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	c.read.Write(p[:n])
	c.mu.Unlock()
	return n, err
}

// CheckWire recomputes the signature of every whole request from the raw bytes of its connection,
// without the code under test. It returns the number of whole requests. The network calls it at the
// end of a test.
func (n *Network) CheckWire() (whole int) {
	n.mu.Lock()
	taps := slices.Clone(n.taps)
	n.mu.Unlock()
	for _, conn := range taps {
		conn.mu.Lock()
		raw := bytes.Clone(conn.read.Bytes())
		conn.mu.Unlock()
		whole += checkRawRequests(n.T, raw)
	}
	return whole
}

// checkRawRequests checks the requests of one connection and returns how many of them are whole.
func checkRawRequests(t *testing.T, raw []byte) (whole int) {
	for len(raw) > 0 {
		head, rest, ok := bytes.Cut(raw, []byte("\r\n\r\n"))
		if !ok {
			return whole
		}
		line, fields, _ := bytes.Cut(head, []byte("\r\n"))
		parts := strings.Split(string(line), " ")
		if !assert.Len(t, parts, 3, "request line %q", line) {
			return whole
		}
		header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(bytes.Clone(fields), "\r\n\r\n"...)))).ReadMIMEHeader()
		if !assert.NoError(t, err) {
			return whole
		}
		assert.Empty(t, header.Get("Transfer-Encoding"))
		size, _ := strconv.Atoi(header.Get("Content-Length"))
		if len(rest) < size {
			return whole
		}
		for _, name := range []string{"X-App-Token", "X-App-Access-Ts", "X-App-Access-Sig"} {
			assert.Len(t, header.Values(name), 1, name)
		}
		mac := hmac.New(sha256.New, []byte(SecretKey))
		_, _ = io.WriteString(mac, header.Get("X-App-Access-Ts")+parts[0]+parts[1])
		_, _ = mac.Write(rest[:size])
		assert.Equal(t, AppToken, header.Get("X-App-Token"))
		assert.Equal(t, hex.EncodeToString(mac.Sum(nil)), header.Get("X-App-Access-Sig"), "%s", line)
		raw = rest[size:]
		whole++
	}
	return whole
}
