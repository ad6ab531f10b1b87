package exchange

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/clock"
	"github.com/idngo-go/idngo/internal/retry"
)

// idleCounter is a transport that counts the calls of CloseIdleConnections.
type idleCounter struct {
	http.RoundTripper
	closed int
}

func (c *idleCounter) CloseIdleConnections() { c.closed++ }

// None of these tests is parallel, since they change variables of the process.

func TestSharedPoolIsOne(t *testing.T) {
	first := New(&http.Client{}, newTestSigner(t), nil, testTimeout)
	second := New(&http.Client{}, newTestSigner(t), nil, testTimeout)
	require.NotNil(t, first.pool())
	assert.Same(t, first.pool(), second.pool())
	assert.True(t, first.standard())
	assert.NotSame(t, http.DefaultTransport, first.pool().Transport, "the default stays as it is")
	own := newExchanger(t, respond(200, nil, http.NoBody))
	assert.Nil(t, own.pool())
	assert.False(t, own.standard())
}

// If somebody replaces the default transport later, its replacement is used unchanged.
func TestSharedPoolDefaultIsReplaced(t *testing.T) {
	e := New(&http.Client{}, newTestSigner(t), clock.New(time.Now), testTimeout)
	replaced := &idleCounter{RoundTripper: respond(203, nil, http.NoBody)}
	before := http.DefaultTransport
	http.DefaultTransport = replaced
	defer func() { http.DefaultTransport = before }()
	assert.Nil(t, e.pool())
	assert.False(t, e.standard())
	answer, failure := e.Do(t.Context(), simpleRequest())
	require.Nil(t, failure)
	assert.Equal(t, 203, answer.StatusCode)
	e.CloseIdleConnections()
	assert.Equal(t, 1, replaced.closed)

	http.DefaultTransport = &http.Transport{}
	assert.Nil(t, e.pool(), "another transport of net/http is not the default either")
	assert.True(t, e.standard())
}

// A pool is replaced only if it has carried HTTP/2 and no call got an answer during the exchange.
func TestSharedPoolAfterATimeout(t *testing.T) {
	before := shared.Load()
	defer shared.Store(before)
	for name, test := range map[string]struct {
		protocol int  // the protocol of an answer before the exchange; 0: there was none
		answered bool // whether some call got an answer during the exchange
		replaced bool
	}{
		"HTTP/2":                    {protocol: 2, replaced: true},
		"HTTP/2, somebody answered": {protocol: 2, answered: true},
		"HTTP/1.1":                  {protocol: 1},
		"no answer yet":             {},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool()
			shared.Store(pool)
			scheme := func(protocol int) string { return "http" + strconv.Itoa(protocol) }
			answer := func(protocol int) {
				pool.RegisterProtocol(scheme(protocol), roundTripperFunc(func(req *http.Request) (*http.Response, error) {
					res, err := respond(200, nil, http.NoBody)(req)
					res.ProtoMajor = protocol
					return res, err
				}))
			}
			answer(1)
			answer(2)
			ask := func(protocol int) {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme(protocol)+"://host/", nil)
				require.NoError(t, err)
				res, err := pool.RoundTrip(req)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
			}
			if test.protocol != 0 {
				ask(test.protocol)
			}
			var watch watch
			watch.begin(sharedTransport{}.pool())
			if test.answered {
				ask(test.protocol)
			}
			watch.timedOut(true)
			assert.Equal(t, test.replaced, shared.Load() != pool)
			after := shared.Load()
			watch.timedOut(true)
			assert.Same(t, after, shared.Load(), "not twice")
		})
	}
}

// An attempt that times out reports it to the pool. A single deadline of the caller may be short on
// purpose.
func TestSharedPoolTimeoutOfAnExchange(t *testing.T) {
	before := shared.Load()
	defer shared.Store(before)
	for name, test := range map[string]struct {
		timeout, deadline time.Duration
		kind              retry.Kind
		replaced          bool
	}{
		"timeout":  {timeout: time.Nanosecond, deadline: time.Hour, kind: retry.Lost, replaced: true},
		"deadline": {timeout: time.Hour, deadline: time.Millisecond, kind: retry.Ended},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool()
			pool.http2.Store(true)
			pool.RegisterProtocol("hang", roundTripperFunc(hang))
			shared.Store(pool)
			e := New(&http.Client{}, newTestSigner(t), clock.New(time.Now), test.timeout)
			ctx, cancel := context.WithTimeout(t.Context(), test.deadline)
			defer cancel()
			request := simpleRequest()
			request.URL = "hang://host/"
			_, failure := e.Do(ctx, request)
			require.NotNil(t, failure)
			assert.Equal(t, test.kind, failure.Kind)
			require.ErrorIs(t, failure.Err, context.DeadlineExceeded)
			assert.Equal(t, test.replaced, shared.Load() != pool)
		})
	}
}

// The time without progress in a body counts too, if the pool has answered nobody since the header.
func TestSharedPoolTimeoutOfABody(t *testing.T) {
	before := shared.Load()
	defer shared.Store(before)
	pool := newPool()
	pool.http2.Store(true)
	pool.RegisterProtocol("hang", roundTripperFunc(hangInBody))
	shared.Store(pool)
	synctest.Test(t, func(t *testing.T) {
		request := simpleRequest()
		request.URL = "hang://host/"
		_, failure := New(&http.Client{}, newTestSigner(t), clock.New(time.Now), testTimeout).Do(t.Context(), request)
		require.NotNil(t, failure)
		require.ErrorIs(t, failure.Err, context.DeadlineExceeded)
		assert.Equal(t, 200, failure.Response.StatusCode)
		assert.NotSame(t, pool, shared.Load())
	})
}

// A pool that was replaced keeps no connection that waits for a next exchange.
func TestSharedPoolClosesIdleConnections(t *testing.T) {
	before := shared.Load()
	defer shared.Store(before)
	closed := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(closed)
		}
	}
	server.Start()
	defer server.Close()
	pool := newPool()
	pool.http2.Store(true)
	shared.Store(pool)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	res, err := pool.RoundTrip(req)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	var watch watch
	watch.begin(pool)
	watch.timedOut(true)
	<-closed
}

// A single deadline of a caller may be short on purpose. After two of them in a row without an
// answer, the pool is replaced.
func TestSharedPoolDeadlinesOfCallers(t *testing.T) {
	before := shared.Load()
	defer shared.Store(before)
	pool := newPool()
	pool.http2.Store(true)
	pool.RegisterProtocol("answer", roundTripperFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 2, Body: http.NoBody}, nil
	}))
	shared.Store(pool)
	pass := func() {
		var watch watch
		watch.begin(sharedTransport{}.pool())
		watch.timedOut(false)
	}
	pass()
	assert.Same(t, pool, shared.Load())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "answer://host/", nil)
	require.NoError(t, err)
	res, err := pool.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	pass()
	assert.Same(t, pool, shared.Load(), "an answer came between")
	pass()
	assert.NotSame(t, pool, shared.Load())
}

func TestWatchWithoutAPool(t *testing.T) {
	t.Parallel()
	var none watch
	none.begin(nil)
	assert.NotPanics(t, func() { none.timedOut(true) })
}

func TestTune(t *testing.T) {
	t.Parallel()
	transport := &http.Transport{}
	require.Same(t, transport, Tune(transport))
	assert.Equal(t, 512, transport.MaxIdleConnsPerHost)
	assert.GreaterOrEqual(t, transport.MaxIdleConns, transport.MaxIdleConnsPerHost)
	assert.Equal(t, 10*time.Second, transport.HTTP2.SendPingTimeout)
	assert.Equal(t, 10*time.Second, transport.HTTP2.PingTimeout)
}

func TestNewLeavesTheCallerClient(t *testing.T) {
	t.Parallel()
	idle := &idleCounter{RoundTripper: respond(200, nil, http.NoBody)}
	hc := &http.Client{Transport: idle}
	e := New(hc, newTestSigner(t), nil, testTimeout)
	assert.Nil(t, hc.CheckRedirect)
	assert.Same(t, idle, hc.Transport)
	require.ErrorIs(t, e.http.CheckRedirect(nil, nil), http.ErrUseLastResponse)
	e.CloseIdleConnections()
	assert.Equal(t, 1, idle.closed)
	assert.NotPanics(t, newExchanger(t, respond(200, nil, http.NoBody)).CloseIdleConnections, "a transport that keeps none")
}

// keepRedirect hides the address from http.Client and shows it again afterwards. It does not change
// the response of the transport.
func TestKeepRedirect(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		header http.Header
		hidden bool
	}{
		"a redirect":             {status: 302, header: http.Header{"Location": {"/a", "/b"}, "X-Own": {"c"}}, hidden: true},
		"one without an address": {status: 302, header: http.Header{"X-Own": {"c"}}},
		"an address of a 201":    {status: 201, header: http.Header{"Location": {"/a"}}},
		"no header at all":       {status: 304},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			original := &http.Response{StatusCode: test.status, Header: test.header.Clone(), Body: io.NopCloser(strings.NewReader(""))}
			keep := keepRedirect{roundTripperFunc(func(*http.Request) (*http.Response, error) { return original, nil })}
			res, err := keep.RoundTrip(nil)
			require.NoError(t, err)
			assert.Equal(t, test.hidden, res != original)
			if test.hidden {
				assert.NotContains(t, res.Header, headerLocation)
			}
			assert.Equal(t, test.header, original.Header)
			showLocation(res)
			assert.Equal(t, test.header, res.Header)
			require.NoError(t, res.Body.Close())
		})
	}
	t.Run("no answer", func(t *testing.T) {
		t.Parallel()
		res, err := keepRedirect{fail(errBroken)}.RoundTrip(nil)
		require.ErrorIs(t, err, errBroken)
		assert.Nil(t, res)
	})
}
