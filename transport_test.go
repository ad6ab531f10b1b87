package idngo

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A busy backend opens about as many connections as it makes calls at once, not
// as it makes calls: the default of two idle ones to a host would.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	const goroutines, calls = 256, 20_000
	for _, name := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opened, wrongProto atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Proto != name {
					wrongProto.Add(1)
				}
				_, _ = w.Write([]byte(`{"id":"a1"}`))
			}))
			server.EnableHTTP2 = name == "HTTP/2.0"
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					opened.Add(1)
				}
			}
			options := []Option{}
			if server.EnableHTTP2 {
				server.StartTLS()
				options = append(options, WithHTTPClient(tunedWith(server.Certificate())))
			} else {
				server.Start()
			}
			defer server.Close()
			client, err := NewClient(Credentials{AppToken: "sbx:t", SecretKey: "k"}, append(options, WithBaseURL(server.URL))...)
			require.NoError(t, err)
			var left atomic.Int64
			left.Store(calls)
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
			assert.Zero(t, wrongProto.Load())
			assert.LessOrEqual(t, opened.Load(), int64(512), "connections for %d calls by %d goroutines", calls, goroutines)
			t.Logf("%d connections for %d calls", opened.Load(), calls)
		})
	}
}

// tunedWith is the client's own transport, but for a certificate to trust.
func tunedWith(cert *x509.Certificate) *http.Client {
	transport := newTransport()
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}
}
