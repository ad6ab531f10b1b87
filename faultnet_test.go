package idngo_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/textproto"
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

// What the faults of this package's tests are made of: a network of pipes with
// one server at its end, in a bubble of testing/synctest, so that time-outs and
// delays of minutes take no time and are exact.

const (
	faultToken  = "tst:YXBwLXRva2Vu.cHJpdmF0ZS1wYXJ0LW9mLWl0"
	faultSecret = "qW7rT2yU9iO4pA6sD1fG8hJ3kL5zX0cV"
)

var faultCreds = idngo.Credentials{AppToken: faultToken, SecretKey: faultSecret}

// inBubble runs a parallel test in virtual time.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// faultNet is the network and its server. The hooks are called with a number
// from 1 up, by one goroutine at a time; those that are nil do nothing.
type faultNet struct {
	t *testing.T

	// onDial fails a dial with its error, or lets it pass.
	onDial func(ctx context.Context, n int) error
	// onConn takes over the server's side of a connection by returning true.
	onConn func(n int, server net.Conn) bool
	// onRequest answers a request and returns true, or leaves it to answer.
	onRequest func(n int, w http.ResponseWriter, r *http.Request) bool
	// skew is how far the server's clock is from the one of the bubble.
	skew time.Duration
	// anyStamp: timestamps are not compared with the clock of the server.
	anyStamp bool
	// untapped: what is read is not kept for checkWire.
	untapped bool

	running   bool
	simulator *simulator.Server // the server, if it is one
	tls       *tls.Config       // of the server; nil: plain
	conns     chan net.Conn
	down      chan struct{}
	server    *http.Server
	transport *http.Transport

	mu       sync.Mutex
	dials    int
	requests []seenRequest
	taps     []*tap
	open     int
	busy     int // handlers
}

// seenRequest is a request as it reached the server.
type seenRequest struct {
	at     time.Time
	method string
	target string
	header http.Header
	conn   string
}

func newFaultNet(t *testing.T) *faultNet {
	t.Helper()
	n := &faultNet{t: t, conns: make(chan net.Conn), down: make(chan struct{})}
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
	n.transport = &http.Transport{DialContext: n.dial, MaxIdleConnsPerHost: 256, ReadBufferSize: 64 << 10}
	return n
}

// start is called with the first client, when all is set.
func (n *faultNet) start() {
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
	n.t.Cleanup(func() {
		n.transport.CloseIdleConnections()
		_ = stop()
		// Time passes for handlers that sleep, and for net/http when it lingers
		// on a connection.
		for time.Sleep(time.Minute); n.isBusy(); {
			time.Sleep(time.Minute)
		}
		<-done
		n.checkWire()
	})
}

// newTLSFaultNet is one whose server has a certificate for api.test.
func newTLSFaultNet(t *testing.T) *faultNet {
	t.Helper()
	n := newFaultNet(t)
	certs := faultCertificates(t)
	n.tls = &tls.Config{Certificates: []tls.Certificate{certs.good}}
	n.transport.TLSClientConfig = &tls.Config{RootCAs: certs.roots, MinVersion: tls.VersionTLS12}
	return n
}

// newSimulatorNet is one whose server is a simulator. The applicant, the level and
// the ids of operations are known to it as far as they can be.
func newSimulatorNet(t *testing.T, cfg simulator.Config) (*faultNet, *simulator.Server) {
	t.Helper()
	n := newFaultNet(t)
	cfg.AppToken, cfg.SecretKey = faultToken, faultSecret
	sb, err := simulator.New(cfg)
	require.NoError(t, err)
	n.simulator = sb
	return n, sb
}

// useHTTP2 makes both sides speak it.
func (n *faultNet) useHTTP2() {
	n.tls.NextProtos = []string{"h2", "http/1.1"}
	n.server.Protocols, n.transport.Protocols = new(http.Protocols), new(http.Protocols)
	n.server.Protocols.SetHTTP2(true)
	n.transport.Protocols.SetHTTP2(true)
}

func (n *faultNet) base() string {
	if n.tls != nil {
		return "https://api.test"
	}
	return "http://127.0.0.1"
}

// client makes a client of this network.
func (n *faultNet) client(opts ...idngo.Option) *idngo.Client {
	n.t.Helper()
	return n.clientOf(faultCreds, opts...)
}

func (n *faultNet) clientOf(creds idngo.Credentials, opts ...idngo.Option) *idngo.Client {
	n.t.Helper()
	n.start()
	client, err := idngo.NewClient(creds, append([]idngo.Option{
		idngo.WithBaseURL(n.base()), idngo.WithHTTPClient(&http.Client{Transport: n.transport}),
	}, opts...)...)
	require.NoError(n.t, err)
	return client
}

func (n *faultNet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	n.dials++
	number := n.dials
	n.mu.Unlock()
	if n.onDial != nil {
		if err := n.onDial(ctx, number); err != nil {
			return nil, err
		}
	}
	client, server := net.Pipe()
	if n.onConn != nil && n.onConn(number, server) {
		return client, nil
	}
	select {
	case n.conns <- server:
		return client, nil
	case <-n.down:
	case <-ctx.Done():
	}
	_ = client.Close()
	_ = server.Close()
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("the network is down")}
}

// Accept, Close and Addr make it a listener.
func (n *faultNet) Accept() (net.Conn, error) {
	select {
	case conn := <-n.conns:
		if n.tls != nil {
			return tls.Server(conn, n.tls), nil
		}
		if n.untapped {
			return conn, nil
		}
		tapped := &tap{Conn: conn}
		n.mu.Lock()
		n.taps = append(n.taps, tapped)
		n.mu.Unlock()
		return tapped, nil
	case <-n.down:
		return nil, net.ErrClosed
	}
}

func (n *faultNet) Close() error {
	close(n.down)
	return nil
}

func (n *faultNet) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// ServeHTTP books a request, checks its stamp and answers it.
func (n *faultNet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now().Add(n.skew)
	n.mu.Lock()
	n.busy++
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.busy--
	}()
	n.requests = append(n.requests, seenRequest{time.Now(), r.Method, r.RequestURI, r.Header.Clone(), r.RemoteAddr})
	number := len(n.requests)
	n.mu.Unlock()
	if stamp := r.Header.Get("X-App-Access-Ts"); !n.anyStamp {
		assert.Equal(n.t, strconv.FormatInt(now.Unix(), 10), stamp, "request %d is freshly stamped", number)
	}
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	if n.onRequest != nil && n.onRequest(number, w, r) {
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	answer(w, r)
}

func (n *faultNet) dialed() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

func (n *faultNet) seen() []seenRequest {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]seenRequest(nil), n.requests...)
}

func (n *faultNet) openConns() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open
}

func (n *faultNet) isBusy() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.busy > 0
}

// gaps are the times between requests.
func (n *faultNet) gaps() (gaps []time.Duration) {
	seen := n.seen()
	for i := 1; i < len(seen); i++ {
		gaps = append(gaps, seen[i].at.Sub(seen[i-1].at))
	}
	return gaps
}

const (
	actionJSON = `{"id":"5e02f6b1","applicantId":"app-1","externalActionId":"ext-1","review":{"reviewStatus":"init","levelName":"lvl"}}`
	imageBytes = "\x89PNG\r\n\x1a\n not really an image"
)

// answer gives each call of the API what it asks for.
func answer(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == http.MethodGet && strings.Contains(path, "/images/"):
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, imageBytes)
	case strings.HasSuffix(path, "/images"):
		_, _ = io.WriteString(w, `{"id":"img-1","imageId":4711,"addedDate":"2026-01-02 03:04:05"}`)
	case strings.HasSuffix(path, "/websdkLink"):
		_, _ = io.WriteString(w, `{"url":"https://in.test/websdk/p/Zm9v"}`)
	case strings.HasSuffix(path, "/accessTokens"):
		_, _ = io.WriteString(w, `{"token":"_act-sbx-5f3c","userId":"user-1"}`)
	case strings.Contains(path, "-;applicantId="):
		_, _ = io.WriteString(w, `{"list":{"items":[`+actionJSON+`],"totalItems":1}}`)
	default:
		_, _ = io.WriteString(w, actionJSON)
	}
}

// refuse answers with the vendor's error body.
func refuse(w http.ResponseWriter, status, code int, description string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"description":%q,"code":%d,"correlationId":"req-0815","errorCode":%d}`, description, status, code)
}

// breakOff closes the connection of a request without an answer.
func breakOff(w http.ResponseWriter) { writeRaw(w, "") }

// writeRaw writes an answer past net/http and closes the connection.
func writeRaw(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(conn, text)
	_ = conn.Close()
}

// tap keeps what a server reads from a connection.
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

// checkWire recomputes the signature of every request that came whole, from
// the raw bytes of its connection and without the code under test.
func (n *faultNet) checkWire() {
	for _, conn := range n.taps {
		conn.mu.Lock()
		raw := bytes.Clone(conn.read.Bytes())
		conn.mu.Unlock()
		checkRawRequests(n.t, raw)
	}
}

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
		mac := hmac.New(sha256.New, []byte(faultSecret))
		_, _ = io.WriteString(mac, header.Get("X-App-Access-Ts")+parts[0]+parts[1])
		_, _ = mac.Write(rest[:size])
		assert.Equal(t, faultToken, header.Get("X-App-Token"))
		assert.Equal(t, hex.EncodeToString(mac.Sum(nil)), header.Get("X-App-Access-Sig"), "%s", line)
		raw = rest[size:]
		whole++
	}
	return whole
}

// operation is one of the nine calls, with arguments that answer understands.
type operation struct {
	name    string // as in errors and logs
	careful bool
	call    func(ctx context.Context, c *idngo.Client, opts ...idngo.RequestOption) error
}

var (
	opCreate = operation{"CreateAction", true, func(ctx context.Context, c *idngo.Client, opts ...idngo.RequestOption) error {
		_, err := c.CreateAction(ctx, "app-1", idngo.CreateActionParams{LevelName: "lvl", ExternalActionID: "ext-1"}, opts...)
		return err
	}}
	opUpload = operation{"AddImage", true, func(ctx context.Context, c *idngo.Client, opts ...idngo.RequestOption) error {
		_, err := c.AddImage(ctx, "5e02f6b1", idngo.AddImageParams{
			IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes("me.png", []byte(imageBytes)),
		}, opts...)
		return err
	}}
	opSubmit = operation{"SubmitAction", true, func(ctx context.Context, c *idngo.Client, opts ...idngo.RequestOption) error {
		_, err := c.SubmitAction(ctx, "5e02f6b1", opts...)
		return err
	}}
	opPost = operation{"Do", true, func(ctx context.Context, c *idngo.Client, opts ...idngo.RequestOption) error {
		return c.Do(ctx, http.MethodPost, "/resources/x", nil, map[string]int{"a": 1}, new(map[string]any), opts...)
	}}
	opGet = operation{"GetAction", false, func(ctx context.Context, c *idngo.Client, opts ...idngo.RequestOption) error {
		_, err := c.GetAction(ctx, "5e02f6b1", opts...)
		return err
	}}
	opList = operation{"ListActions", false, func(ctx context.Context, c *idngo.Client, opts ...idngo.RequestOption) error {
		_, err := c.ListActions(ctx, "app-1", idngo.ListActionsParams{}, opts...)
		return err
	}}
	opImage = operation{"OpenImage", false, func(ctx context.Context, c *idngo.Client, opts ...idngo.RequestOption) error {
		_, err := c.DownloadImage(ctx, "5e02f6b1", "4711", io.Discard, idngo.OpenImageParams{}, opts...)
		return err
	}}
	opToken = operation{"CreateAccessToken", false, func(ctx context.Context, c *idngo.Client, opts ...idngo.RequestOption) error {
		_, err := c.CreateAccessToken(ctx, idngo.AccessTokenParams{UserID: "user-1", LevelName: "lvl"}, opts...)
		return err
	}}
	opLink = operation{"CreateWebSDKLink", false, func(ctx context.Context, c *idngo.Client, opts ...idngo.RequestOption) error {
		_, err := c.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{LevelName: "lvl", ExternalUserID: "user-1"}, opts...)
		return err
	}}
	opRead = operation{"Do", false, func(ctx context.Context, c *idngo.Client, opts ...idngo.RequestOption) error {
		return c.Do(ctx, http.MethodGet, "/resources/x", nil, nil, new(map[string]any), opts...)
	}}

	operations = []operation{opCreate, opUpload, opSubmit, opPost, opGet, opList, opImage, opToken, opLink, opRead}
)

// key tells the two that are Do apart.
func (op operation) key() string {
	if op.name != "Do" {
		return op.name
	}
	if op.careful {
		return "Do POST"
	}
	return "Do GET"
}

// faultCerts are certificates for bubbles, whose time begins in 2000.
type faultCerts struct {
	roots                                     *x509.CertPool
	good, expired, otherHost, unknownToAnyone tls.Certificate
}

var makeFaultCerts = sync.OnceValues(func() (c faultCerts, err error) {
	var (
		key                 *ecdsa.PrivateKey
		authority, stranger *x509.Certificate
		year                      = func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
		serial              int64 = 1
		sign                      = func(template, parent *x509.Certificate) (tls.Certificate, *x509.Certificate, error) {
			template.SerialNumber = big.NewInt(serial)
			serial++
			if parent == nil {
				parent = template
			}
			der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, key)
			if err != nil {
				return tls.Certificate{}, nil, err
			}
			parsed, err := x509.ParseCertificate(der)
			return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, parsed, err
		}
		ca = func(name string) *x509.Certificate {
			return &x509.Certificate{
				Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
				NotBefore: year(1990), NotAfter: year(2190), KeyUsage: x509.KeyUsageCertSign,
			}
		}
		leaf = func(host string, until int) *x509.Certificate {
			return &x509.Certificate{
				Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotBefore: year(1991), NotAfter: year(until),
				ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			}
		}
	)
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return c, err
	}
	if _, authority, err = sign(ca("authority"), nil); err != nil {
		return c, err
	}
	if _, stranger, err = sign(ca("stranger"), nil); err != nil {
		return c, err
	}
	c.roots = x509.NewCertPool()
	c.roots.AddCert(authority)
	var errs [4]error
	c.good, _, errs[0] = sign(leaf("api.test", 2180), authority)
	c.expired, _, errs[1] = sign(leaf("api.test", 1999), authority)
	c.otherHost, _, errs[2] = sign(leaf("other.test", 2180), authority)
	c.unknownToAnyone, _, errs[3] = sign(leaf("api.test", 2180), stranger)
	return c, errors.Join(errs[:]...)
})

func faultCertificates(t *testing.T) faultCerts {
	t.Helper()
	certs, err := makeFaultCerts()
	require.NoError(t, err)
	return certs
}

// lineLog is a logger that keeps its lines.
type lineLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *lineLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *lineLog) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// with gives the lines that hold all of texts.
func (l *lineLog) with(texts ...string) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
next:
	for _, line := range l.lines {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func oneAttempt() idngo.Option {
	return idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: 1})
}
