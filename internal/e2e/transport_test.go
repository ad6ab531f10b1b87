package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// trustTestServers is a variable of the environment. If it is set, the test binary runs only one
// test, which may change http.DefaultTransport.
const trustTestServers = "IDNGO_TEST_TRUST_TEST_SERVERS"

// The number of connections of a busy backend depends on the number of calls at once, not on the
// number of calls. The default of net/http, two idle connections for each host, would open one for
// nearly every call.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	t.Run("HTTP/1.1", func(t *testing.T) {
		t.Parallel()
		reuseConnections(t, "HTTP/1.1")
	})
	t.Run("HTTP/2.0", func(t *testing.T) {
		t.Parallel()
		if os.Getenv(trustTestServers) != "" {
			reuseConnections(t, "HTTP/2.0")
			return
		}
		skipIfShort(t, "it makes as many calls in a process of its own")
		// The default transport of a client is a clone of http.DefaultTransport. Only a process of its
		// own may make that trust the server.
		cmd := exec.CommandContext(
			t.Context(), os.Args[0], "-test.run=^TestConnectionsAreReused$/^HTTP/2.0$", fmt.Sprintf("-test.short=%t", testing.Short()),
		)
		cmd.Env = append(os.Environ(), trustTestServers+"=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
}

// reuseConnections makes many calls at once with the default transport of a client. It counts the
// connections of the server.
func reuseConnections(t *testing.T, protocol string) {
	const goroutines = 256
	calls := faultnet.Count(20_000, 2_000, 2_000) // for 2,000 calls the default of net/http would open more than a thousand connections
	var opened, wrongProtocol atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Proto != protocol {
			wrongProtocol.Add(1)
		}
		_, _ = w.Write([]byte(`{"id":"a1"}`))
	}))
	server.EnableHTTP2 = protocol == "HTTP/2.0"
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	if server.EnableHTTP2 {
		server.StartTLS()
		roots := x509.NewCertPool()
		roots.AddCert(server.Certificate())
		http.DefaultTransport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	} else {
		server.Start()
	}
	defer server.Close()
	client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(server.URL))
	require.NoError(t, err)
	var left atomic.Int64
	left.Store(int64(calls))
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := client.GetAction(t.Context(), "a1"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	assert.Zero(t, wrongProtocol.Load())
	assert.LessOrEqual(t, opened.Load(), int64(512), "connections for %d calls by %d goroutines", calls, goroutines)
	t.Logf("%d connections for %d calls", opened.Load(), calls)
}
