package main

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// blocks returns the code blocks of a language in README.md.
func blocks(t *testing.T, language string) (code []string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		code = append(code, block[1])
	}
	require.NotEmpty(t, code)
	return code
}

// startCommand runs the command and returns the variables that it exports. The command ends with
// the test, when its standard input ends.
func startCommand(t *testing.T, args ...string) (env []string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := program(t, self, append([]string{"-addr", "127.0.0.1:0", "-until-eof"}, args...)...)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, stdin.Close())
		require.NoError(t, cmd.Wait(), "it ends in order")
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && strings.HasPrefix(lines.Text(), "export ") {
		name, value, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		env = append(env, name+"="+strings.Trim(value, "'"))
	}
	require.NotEmpty(t, env)
	return env
}

// environment returns the environment of a script.
func environment(env []string, more ...string) []string {
	return append(append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...), more...)
}

// TestGuideShell runs the shell lines of README.md, in order and in one shell.
func TestGuideShell(t *testing.T) {
	t.Parallel()
	for _, needed := range []string{"bash", "curl", "openssl"} {
		if _, err := exec.LookPath(needed); err != nil {
			t.Skipf("no %s here, which the lines call", needed)
		}
	}
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(receiver.Close)
	script := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", strings.Join(blocks(t, "sh"), "\n"))
	script.Env = environment(startCommand(t), "RECEIVER="+receiver.URL+"/webhooks")
	out, err := script.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "the answer is lost")
}

// TestGuidePython runs the Python test of README.md.
func TestGuidePython(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	script := exec.CommandContext(t.Context(), python, "-c", strings.Join(blocks(t, "python"), "\n"))
	script.Env = environment(startCommand(t))
	out, err := script.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestGuideGo runs the Go tests of README.md in a module of their own, as another repository would.
// One uses the simulator in memory, and the others use a TestMain with go tool.
func TestGuideGo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds a module")
	}
	var tests, main []string
	for _, block := range blocks(t, "go") {
		if strings.Contains(block, "TestMain") {
			main = append(main, block)
		} else {
			tests = append(tests, block)
		}
	}
	require.Len(t, main, 1)
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	requirement, err := exec.CommandContext(t.Context(), "go", "list", "-m", "github.com/google/go-querystring").Output()
	require.NoError(t, err)
	write("go.sum", string(sums))
	write("go.mod", fmt.Sprintf("module example.com/guide\n\ngo 1.25.0\n\ntool github.com/idngo-go/idngo/examples/simulator\n\n"+
		"require (\n\tgithub.com/idngo-go/idngo v0.0.0\n\t%s // indirect\n)\n\nreplace github.com/idngo-go/idngo => %s\n",
		strings.TrimSpace(string(requirement)), root))
	write("guide_test.go", "package guide\n\nimport (\n\t\"context\"\n\t\"errors\"\n\t\"testing\"\n\t\"testing/synctest\"\n\t\"time\"\n\n"+
		"\t\"github.com/idngo-go/idngo\"\n)\n\n"+strings.Join(tests, "\n"))
	write("backend/main_test.go", "package backend\n\n"+
		"import (\n\t\"bufio\"\n\t\"log\"\n\t\"os\"\n\t\"os/exec\"\n\t\"strings\"\n\t\"testing\"\n\n"+
		"\t\"github.com/idngo-go/idngo\"\n)\n\n"+main[0]+`
func TestBackend(t *testing.T) {
	client, err := idngo.NewClientFromEnv()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.ListActions(t.Context(), os.Getenv("IDNGO_APPLICANT_ID"), idngo.ListActionsParams{}); err != nil {
		t.Error(err)
	}
}
`)
	out, err := testModule(t, dir)
	require.NoError(t, err, "%s", out)

	// Without the tool the tests do not start, since they could use the credentials in the
	// environment.
	goMod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	write("go.mod", regexp.MustCompile("(?m)^tool .*$").ReplaceAllString(string(goMod), ""))
	out, err = testModule(t, filepath.Join(dir, "backend"))
	require.Error(t, err)
	require.Contains(t, out, "the simulator did not start")
	require.Contains(t, out, "go: ", "with the reason")
	require.NotContains(t, out, "TestBackend")
}

// testModule runs the tests below a directory, with credentials in the environment.
func testModule(t *testing.T, dir string) (output string, err error) {
	t.Helper()
	run := exec.CommandContext(t.Context(), "go", "test", "-mod=mod", "-count=1", "./...")
	run.Dir = dir
	run.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "IDNGO_APP_TOKEN=sbx:own.token", "IDNGO_SECRET_KEY=own-secret",
		"IDNGO_BASE_URL=http://127.0.0.1:1")
	out, err := run.CombinedOutput()
	return string(out), err
}
