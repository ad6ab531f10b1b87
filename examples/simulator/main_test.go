package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/simulator"
)

// TestMain makes this program the simulator itself, for the tests that run it.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_SIMULATOR") != "" {
		main()
		os.Exit(0)
	}
	code := m.Run()
	stopChromium()
	os.Exit(code)
}

// program is a command that has not begun. It ends with the test.
func program(t *testing.T, path string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second
	cmd.Env = []string{"BE_THE_SIMULATOR=1", "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}
	return cmd
}

// refused runs a program to its end, and returns what it said.
func refused(t *testing.T, cmd *exec.Cmd) (stderr string, code int) {
	t.Helper()
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	require.Error(t, cmd.Run(), "%s", &said)
	require.Empty(t, out.String())
	return said.String(), cmd.ProcessState.ExitCode()
}

// What would be ignored, or taken for something else, is refused.
func TestRefusedArguments(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"extra", "-addr", "127.0.0.1:0"}, `^simulator: unexpected argument "extra": [^\n]+\n$`},
		{[]string{"-manual", "false"}, `^simulator: unexpected argument "false": [^\n]+ -manual=false\n$`},
		{[]string{"-webhook-secret", ""}, `^simulator: -webhook-secret is empty: [^\n]+\n$`},
		{[]string{"-webhook-secret=", "-webhook-url", "http://127.0.0.1:1"}, `^simulator: -webhook-secret is empty: [^\n]+\n$`},
		{[]string{"-review-delay", "-1s"}, `^simulator: -review-delay -1s is negative[^\n]+\n$`},
		{[]string{"-fault", "429:abc=0.1"}, `^invalid value "429:abc=0.1" for flag -fault: [^\n]* the Retry-After "abc" is not a whole number of seconds\n`},
		{[]string{"-fault", "429=0.1", "-fault", "503=often"}, `^invalid value "503=often" for flag -fault: [^\n]* the probability is a number from 0 to 1\n`},
	} {
		// A free port, should it not be refused.
		stderr, code := refused(t, program(t, self, append([]string{"-addr", "127.0.0.1:0"}, c.args...)...))
		require.Regexp(t, c.want, stderr)
		require.Equal(t, 2, code)
	}
}

// Each attempt to deliver a webhook is a line, without what is nobody's
// business. And one -fault does not take the place of another.
func TestDeliveriesAreLogged(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signal that would end it in order")
	}
	var calls atomic.Int32
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch calls.Add(1) {
		case 1:
			w.WriteHeader(http.StatusBadGateway)
		case 2:
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(receiver.Close)

	self, err := os.Executable()
	require.NoError(t, err)
	cmd := program(t, self, "-addr", "127.0.0.1:0", "-manual", "-webhook-url", receiver.URL+"/hook?key=of-the-query",
		"-webhook-secret", "of-the-webhooks", "-webhook-time-scale", "0.001", "-fault", "429@GetAction=1", "-fault", "503@CreateAccessToken=1")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	r, w := io.Pipe() // with it the end of a line is the end of a write
	cmd.Stderr = w
	require.NoError(t, cmd.Start())
	var baseURL string
	for lines := bufio.NewScanner(stdout); baseURL == "" && lines.Scan(); {
		if quoted, ok := strings.CutPrefix(lines.Text(), "export IDNGO_BASE_URL="); ok {
			baseURL = strings.Trim(quoted, "'")
		}
	}
	require.NotEmpty(t, baseURL)

	var logged []string
	ended := make(chan struct{})
	delivered := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			logged = append(logged, lines.Text())
			if strings.Contains(lines.Text(), "attempt 3") {
				close(delivered)
			}
		}
	}()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := idngo.NewClient(idngo.Credentials{AppToken: simulator.DefaultAppToken, SecretKey: simulator.DefaultSecretKey},
		idngo.WithBaseURL(baseURL), idngo.WithHTTPClient(&http.Client{Transport: transport}), idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: 1}))
	require.NoError(t, err)
	action, err := client.CreateAction(t.Context(), simulator.DefaultApplicantID, idngo.CreateActionParams{
		LevelName: simulator.LevelFaceAuth, ExternalActionID: "pay-1",
	})
	require.NoError(t, err)
	_, err = client.SubmitAction(t.Context(), action.ID)
	require.NoError(t, err)
	_, err = client.GetAction(t.Context(), action.ID)
	require.ErrorIs(t, err, idngo.ErrRateLimited)
	_, err = client.CreateAccessToken(t.Context(), idngo.AccessTokenParams{UserID: simulator.DefaultExternalUserID, LevelName: simulator.LevelFaceAuth})
	require.ErrorIs(t, err, idngo.ErrServer)
	select {
	case <-delivered:
	case <-time.After(30 * time.Second):
		require.Fail(t, "no third attempt")
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait())
	require.NoError(t, w.Close())
	<-ended

	var attempts []string
	for _, line := range logged {
		require.NotContains(t, line, "of-the-query")
		require.NotContains(t, line, "of-the-webhooks")
		if _, attempt, ok := strings.Cut(line, " webhook "); ok { // all of it, so that there is nobody's name
			attempts = append(attempts, strings.TrimSpace(attempt))
		}
	}
	rest := "  applicantActionPending  action " + action.ID + "  attempt "
	require.Equal(t, []string{"502" + rest + "1  next in 30ms", "no answer" + rest + "2  next in 30ms", "200" + rest + "3"}, attempts)
}

func TestDeliveryLineGaveUp(t *testing.T) {
	t.Parallel()
	require.Equal(t, "webhook            timeout  applicantActionOnHold  action 1  attempt 5  gave up",
		deliveryLine(simulator.Delivery{Type: "applicantActionOnHold", ActionID: "1", Attempt: 5, Problem: "timeout", Last: true}))
}
