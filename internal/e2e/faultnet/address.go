package faultnet

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// addresses counts the ports that this process has tried.
var addresses atomic.Int64

// FreeAddress returns a loopback address that another process can listen on in a moment. Its port
// is below those that the system gives to listeners and outgoing connections, and each process
// begins at another one, so that nothing else is likely to take it before.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for try := 0; ; try++ {
		port := 10_000 + (7*os.Getpid()+int(addresses.Add(1)))%20_000
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			require.NoError(t, listener.Close())
			return listener.Addr().String()
		}
		require.Less(t, try, 100, "%v", err)
	}
}
