package main

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/simulator"
)

// A file and a null device are not terminals, so the program does not wait.
func TestIsTerminal(t *testing.T) {
	t.Parallel()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	require.NoError(t, err)
	defer null.Close()
	require.False(t, isTerminal(null))
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	require.False(t, isTerminal(w))
}

// The program refuses a TTL that no link can have before it creates the action.
func TestBadTTL(t *testing.T) {
	sb, err := simulator.New(simulator.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sb.Close()) })
	baseURL, err := sb.Start("")
	require.NoError(t, err)
	t.Setenv("IDNGO_BASE_URL", baseURL)
	t.Setenv("IDNGO_APP_TOKEN", simulator.DefaultAppToken)
	t.Setenv("IDNGO_SECRET_KEY", simulator.DefaultSecretKey)
	for _, ttl := range []time.Duration{0, -time.Minute, time.Millisecond, 1500 * time.Millisecond} {
		for _, token := range []bool{false, true} {
			j := job{
				applicantID: simulator.DefaultApplicantID, userID: simulator.DefaultExternalUserID, level: simulator.LevelFaceAuth,
				token: token, ttl: ttl,
			}
			require.EqualError(t, j.run(), "-ttl "+ttl.String()+": must be a whole number of seconds, at least one")
		}
	}
	require.Zero(t, sb.Stats().Requests)
}

// Offline the program prints how long its links live. The test starts its own binary, in which the
// init function of the example runs.
func TestOfflineSaysSo(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	for env, want := range map[string]bool{"IDNGO_LOCALE=": true, "IDNGO_APP_TOKEN=a.b": false} {
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^$")
		cmd.Env = []string{env, "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		require.NoError(t, cmd.Run(), "%s", &stderr)
		require.Equal(t, want, bytes.Contains(stderr.Bytes(), []byte("links are dead when this program ends")), "%s", &stderr)
	}
}
