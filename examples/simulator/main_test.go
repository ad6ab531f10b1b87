package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// TestMain makes this program the simulator for the tests that run it.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_SIMULATOR") != "" {
		main()
		os.Exit(0)
	}
	code := faultnet.RunTests(m)
	stopChromium()
	os.Exit(code)
}

// program returns a command that has not started. It ends with the test.
func program(t *testing.T, path string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second
	cmd.Env = []string{"BE_THE_SIMULATOR=1", "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}
	return cmd
}

// refused runs a program to its end. It returns the program's messages and exit status.
func refused(t *testing.T, cmd *exec.Cmd) (stderr string, code int) {
	t.Helper()
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	require.Error(t, cmd.Run(), "%s", &said)
	require.Empty(t, out.String())
	return said.String(), cmd.ProcessState.ExitCode()
}

// A flag that would be ignored or misunderstood is refused.
func TestRefusedArguments(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	const notSeconds = `[^\n]* the Retry-After "abc" is not a whole number of seconds\n`
	for _, c := range []struct {
		args []string
		want string
	}{
		{args: []string{"extra", "-addr", "127.0.0.1:0"}, want: `^simulator: unexpected argument "extra": [^\n]+\n$`},
		{args: []string{"-manual", "false"}, want: `^simulator: unexpected argument "false": [^\n]+ -manual=false\n$`},
		{args: []string{"-webhook-secret", ""}, want: `^simulator: -webhook-secret is empty: [^\n]+\n$`},
		{args: []string{"-webhook-secret=", "-webhook-url", "http://127.0.0.1:1"}, want: `^simulator: -webhook-secret is empty: [^\n]+\n$`},
		{args: []string{"-allow-host="}, want: `^simulator: -allow-host is empty: [^\n]+\n$`},
		{args: []string{"-review-delay", "-1s"}, want: `^simulator: -review-delay -1s is negative[^\n]+\n$`},
		{args: []string{"-fault", "429:abc=0.1"}, want: `^invalid value "429:abc=0.1" for flag -fault: ` + notSeconds},
		{
			args: []string{"-fault", "429=0.1", "-fault", "503=often"},
			want: `^invalid value "503=often" for flag -fault: [^\n]* the probability is a number from 0 to 1\n`,
		},
		{args: []string{"-fault", "429#0"}, want: `^invalid value "429#0" for flag -fault: [^\n]* the count is a whole number from 1\n`},
		{args: []string{"-webhook-alg", "md5"}, want: `^invalid value "md5" for flag -webhook-alg: must be one of sha256, sha512, sha1\n`},
		{args: []string{"-quirk", "bare-list,odd"}, want: `^invalid value "bare-list,odd" for flag -quirk: must be one of bare-list, [^\n]+\n`},
		{args: []string{"-outcome", "PURPLE"}, want: `^invalid value "PURPLE" for flag -outcome: [^\n]+\n`},
	} {
		// The port is free, in case the flag is not refused.
		stderr, code := refused(t, program(t, self, append([]string{"-addr", "127.0.0.1:0"}, c.args...)...))
		require.Regexp(t, c.want, stderr)
		require.Equal(t, 2, code)
	}
}

// Each attempt to deliver a webhook is logged on one line, without the secret and the URL of the
// receiver. The test also checks that a second -fault adds to the first.
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
	r, w := io.Pipe() // one line is one write to this pipe
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
		idngo.WithBaseURL(baseURL), idngo.WithHTTPClient(&http.Client{Transport: transport}),
		faultnet.OneAttempt())
	require.NoError(t, err)
	action, err := client.CreateAction(t.Context(), simulator.DefaultApplicantID, idngo.CreateActionParams{
		LevelName: simulator.LevelFaceAuth, ExternalActionID: "pay-1",
	})
	require.NoError(t, err)
	_, err = client.SubmitAction(t.Context(), action.ID)
	require.NoError(t, err)
	_, err = client.GetAction(t.Context(), action.ID)
	require.ErrorIs(t, err, idngo.ErrRateLimited)
	_, err = client.CreateAccessToken(t.Context(), idngo.AccessTokenParams{
		UserID: simulator.DefaultExternalUserID, LevelName: simulator.LevelFaceAuth,
	})
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
		if _, attempt, ok := strings.Cut(line, " webhook "); ok { // the rest of the line is compared, so it cannot have other data
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

// An error of simulator.New is also one line.
func TestRefusedConfig(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	for _, args := range [][]string{
		{"-fault", "429=0.9,503=0.9"}, {"-webhook-url", "http://example.com/"}, {"-path-prefix", "idngo"}, {"-duplicates", "-1"},
		{"-webhook-time-scale", "-1"}, {"-addr", "nonsense"},
	} {
		stderr, code := refused(t, program(t, self, append([]string{"-addr", "127.0.0.1:0"}, args...)...))
		require.Regexp(t, `^simulator: [^\n]+\n$`, stderr)
		require.Equal(t, 1, code)
	}
}

// newCommandClient makes a client from the variables that a command exports.
func newCommandClient(t *testing.T, env []string) *idngo.Client {
	t.Helper()
	values := map[string]string{}
	for _, line := range env {
		name, value, _ := strings.Cut(line, "=")
		values[name] = value
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := idngo.NewClient(
		idngo.Credentials{AppToken: idngo.Secret(values["IDNGO_APP_TOKEN"]), SecretKey: idngo.Secret(values["IDNGO_SECRET_KEY"])},
		idngo.WithBaseURL(values["IDNGO_BASE_URL"]), idngo.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	return client
}

func TestFlags(t *testing.T) {
	t.Parallel()
	deliveries := make(chan http.Header, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { deliveries <- r.Header }))
	t.Cleanup(receiver.Close)
	client := newCommandClient(t, startCommand(t,
		"-known-only", "-strict", "-path-prefix", "/idngo", "-quirk", "bare-list,ok-answers", "-quirk", "string-image-ids",
		"-webhook-url", receiver.URL, "-webhook-alg", "sha512", "-duplicates", "1", "-shuffle", "-webhook-time-scale", "0.001",
		"-review-delay", "0", "-clock-offset", "5m", "-outcome", "RED-FINAL:FORGERY", "-fault", "reset-after@CreateAction#1"))
	params := idngo.CreateActionParams{LevelName: simulator.LevelFaceAuth, ExternalActionID: "pay-1"}
	_, err := client.EnsureAction(t.Context(), "nobody", params)
	require.ErrorIs(t, err, idngo.ErrNotFound, "-known-only")
	action, err := client.EnsureAction(t.Context(), simulator.DefaultApplicantID, params)
	require.NoError(t, err)
	image, err := client.AddImage(t.Context(), action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes("selfie.jpg", []byte("face")),
	})
	require.NoError(t, err)
	require.NotEmpty(t, image.ImageID)
	_, err = client.SubmitAction(t.Context(), action.ID)
	require.NoError(t, err)
	action, err = client.GetAction(t.Context(), action.ID)
	require.NoError(t, err)
	require.Equal(t, idngo.RejectTypeFinal, action.Review.ReviewResult.ReviewRejectType)
	for range 4 { // there are two events, and each is delivered twice
		require.Equal(t, "HMAC_SHA512_HEX", (<-deliveries).Get("X-Payload-Digest-Alg"))
	}
}

// If the address is not on loopback, the command prints one warning.
func TestAddressOffLoopback(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := program(t, self, "-addr", "0.0.0.0:0", "-until-eof") // the input of the command is empty
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	require.NoError(t, cmd.Run())
	require.Regexp(t, `^export IDNGO_BASE_URL='http://127\.0\.0\.1:\d+'\n`, out.String())
	require.Regexp(t, `^\S+ warning: -addr 0\.0\.0\.0:0 is not on loopback: [^\n]+\n$`, said.String())
}

func TestLine(t *testing.T) {
	t.Parallel()
	require.Equal(t, "SubmitAction       200  signature ok         POST /x  fault reset-after  note: no image",
		line(simulator.Request{
			Operation: "SubmitAction", Status: 200, Signature: simulator.VerdictOK, Method: "POST", Target: "/x",
			Fault: simulator.FaultResetAfter, Note: "no image",
		}))
	require.Equal(t, `GetAction          cut  signature wrong      should have been over "1GET/x"`,
		line(simulator.Request{Operation: "GetAction", Signature: simulator.VerdictSignature, StringToSign: "1GET/x"}))
}

// A client reaches the simulator over http under the name of its container.
func TestServiceContainer(t *testing.T) {
	t.Parallel()
	env := startCommand(t, "-addr", ":0")
	local, err := url.Parse(strings.TrimPrefix(env[0], "IDNGO_BASE_URL="))
	require.NoError(t, err)
	baseURL := "http://simulator:" + local.Port()
	transport := &http.Transport{ // it resolves the name as a network of containers does
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, local.Host)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	httpClient := &http.Client{Transport: transport}
	client, err := idngo.NewClient(idngo.Credentials{AppToken: simulator.DefaultAppToken, SecretKey: simulator.DefaultSecretKey},
		idngo.WithBaseURL(baseURL), idngo.WithInsecureHTTP(), idngo.WithHTTPClient(httpClient))
	require.NoError(t, err)
	require.NoError(t, client.CheckCredentials(t.Context()))
	link, err := client.CreateWebSDKLink(t.Context(), idngo.WebSDKLinkParams{
		LevelName: "level", ExternalUserID: "alice", ExternalActionID: "pay-1",
	})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(link.URL, baseURL+"/"), "the link leads there: %s", link.URL)
	response, err := httpClient.Get(baseURL + "/_simulator/requests")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
}
