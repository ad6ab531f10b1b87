package simulator

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// memoryURL is the URL of webhooks that are delivered in memory.
const memoryURL = "http://localhost/"

// memoryNetwork is a listener whose connections are pipes in this process.
type memoryNetwork struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newMemoryNetwork() *memoryNetwork {
	return &memoryNetwork{conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept returns the server's end of the next connection.
func (m *memoryNetwork) Accept() (net.Conn, error) {
	select {
	case conn := <-m.conns:
		return conn, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and dial.
func (m *memoryNetwork) Close() error {
	m.once.Do(func() { close(m.done) })
	return nil
}

// Addr returns a loopback address, for programs that parse it.
func (m *memoryNetwork) Addr() net.Addr { return memoryAddr() }

func memoryAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// dial returns the client's end of a new connection.
func (m *memoryNetwork) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	reset := new(atomic.Bool)
	select {
	case m.conns <- &memoryConn{Conn: far, reset: reset}:
		return &memoryConn{Conn: near, reset: reset}, nil
	case <-m.done:
		return nil, &net.OpError{Op: "dial", Net: "memory", Err: errors.New("connection refused: the simulator is closed")}
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "memory", Err: ctx.Err()}
	}
}

// memoryConn is one end of a connection.
type memoryConn struct {
	net.Conn
	reset *atomic.Bool // both ends share it
}

// Reset closes the connection. The other end gets an error and no end of file.
func (c *memoryConn) Reset() {
	c.reset.Store(true)
	_ = c.Conn.Close()
}

// Read reads, and returns an error after a reset.
func (c *memoryConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.explain("read", err)
}

// Write writes, and returns an error after a reset.
func (c *memoryConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.explain("write", err)
}

func (c *memoryConn) explain(op string, err error) error {
	if (err == io.EOF || err == io.ErrClosedPipe) && c.reset.Load() {
		return &net.OpError{Op: op, Net: "memory", Err: errors.New("connection reset by peer")}
	}
	return err
}

// LocalAddr returns a loopback address.
func (c *memoryConn) LocalAddr() net.Addr { return memoryAddr() }

// RemoteAddr returns a loopback address.
func (c *memoryConn) RemoteAddr() net.Addr { return memoryAddr() }

// handlerGrace is how long Close waits for a handler of webhooks.
const handlerGrace = time.Second

// handlerServer serves a handler in memory, from its first connection on.
type handlerServer struct {
	network *memoryNetwork
	server  *http.Server
	start   sync.Once

	mu      sync.Mutex
	closed  bool
	running int           // the number of servers, connections and handlers
	ended   chan struct{} // closed when all of them have ended after close
}

func newHandlerServer(ctx context.Context, handler http.Handler) *handlerServer {
	h := &handlerServer{network: newMemoryNetwork(), ended: make(chan struct{})}
	h.server = &http.Server{
		ReadHeaderTimeout: 30 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         h.connection,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !h.begin() {
				panic(http.ErrAbortHandler)
			}
			defer h.end()
			handler.ServeHTTP(w, r)
		}),
	}
	return h
}

func (h *handlerServer) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.running++
	return true
}

// connection is the server's ConnState hook.
func (h *handlerServer) connection(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		h.mu.Lock()
		defer h.mu.Unlock()
		h.running++ // the server still runs
	case http.StateClosed, http.StateHijacked:
		h.end()
	}
}

func (h *handlerServer) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running--; h.closed && h.running == 0 {
		close(h.ended)
	}
}

func (h *handlerServer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	h.start.Do(func() {
		if h.begin() {
			go func() {
				defer h.end()
				_ = h.server.Serve(h.network) // ends with ErrServerClosed
			}()
		}
	})
	return h.network.dial(ctx)
}

// close ends the server. It waits for handlers, but not long: one may wait for the caller
// of Close.
func (h *handlerServer) close() {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return
	}
	if h.closed = true; h.running == 0 {
		close(h.ended)
	}
	h.mu.Unlock()
	_ = h.network.Close()
	_ = h.server.Close()
	timer := time.NewTimer(handlerGrace)
	defer timer.Stop()
	select {
	case <-h.ended:
	case <-timer.C:
	}
}
