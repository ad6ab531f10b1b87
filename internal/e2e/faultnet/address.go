package faultnet

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// FreeAddress returns a loopback address that another process can listen on in a moment. Its port
// is below those that the system gives to listeners and outgoing connections, and each process
// begins at another one, so that nothing else is likely to take it before.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for try := 0; ; try++ {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+(os.Getpid()+try)%20_000))
		if err == nil {
			require.NoError(t, listener.Close())
			return listener.Addr().String()
		}
		require.Less(t, try, 100, "%v", err)
	}
}
