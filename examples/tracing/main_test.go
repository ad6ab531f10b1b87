package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/simulator"
)

// program builds the command and returns the path of its binary.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tracing.exe")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput()
	require.NoError(t, err, "%s", output)
	return path
}

// runProgram runs a program with only the variables in env. It returns the output and the exit
// status of the program.
func runProgram(t *testing.T, path string, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	command := exec.CommandContext(t.Context(), path, args...)
	command.Env = append([]string{"SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}, env...)
	var out, errOut bytes.Buffer
	command.Stdout, command.Stderr = &out, &errOut
	err := command.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return out.String(), errOut.String(), command.ProcessState.ExitCode()
}

func TestProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	t.Parallel()
	path := program(t)
	t.Run("exports spans and metrics", func(t *testing.T) {
		t.Parallel()
		stdout, stderr, code := runProgram(t, path, nil)
		require.Equal(t, 0, code, stderr)
		require.Regexp(t, `^[1-9]\d+ bytes of images\n$`, stdout)
		first, telemetry, _ := strings.Cut(stderr, "\n")
		require.Regexp(t, `^no credentials in the environment: using a simulator in this process, at http://127\.0\.0\.1:\d+$`, first)
		require.NotContains(t, telemetry, simulator.DefaultApplicantID)
		require.NotContains(t, telemetry, "/resources/")

		attempts, names := map[string]int{}, map[string]bool{}
		for objects := json.NewDecoder(strings.NewReader(telemetry)); ; {
			var object struct {
				Name         string
				ScopeMetrics []struct{ Metrics []struct{ Name string } }
			}
			if err := objects.Decode(&object); err == io.EOF {
				break
			} else {
				require.NoError(t, err)
			}
			if object.Name != "" {
				attempts[object.Name]++
			}
			for _, scope := range object.ScopeMetrics {
				for _, metric := range scope.Metrics {
					names[metric.Name] = true
				}
			}
		}
		require.Equal(t, map[string]int{
			"ListActions": 1, "GetAction": 3, "OpenImage": 3, // one attempt of GetAction and one of OpenImage fail
			"idngo.ListActions": 1, "idngo.GetAction": 2, "idngo.OpenImage": 2, "size of images": 1,
		}, attempts)
		require.True(t, names["http.client.request.duration"], names)
	})
	t.Run("says what the service refuses", func(t *testing.T) {
		t.Parallel()
		server, err := simulator.New(simulator.Config{})
		require.NoError(t, err)
		url, err := server.Start("")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Close()) })
		stdout, stderr, code := runProgram(t, path, []string{
			"IDNGO_BASE_URL=" + url, "IDNGO_APP_TOKEN=" + simulator.DefaultAppToken, "IDNGO_SECRET_KEY=not-the-right-one",
			"IDNGO_APPLICANT_ID=" + simulator.DefaultApplicantID,
		})
		require.Equal(t, 1, code)
		require.Empty(t, stdout)
		require.Regexp(t, `(?m)^tracing: idngo: ListActions: 401 Unauthorized, code 4003 [^\n]*\n$`, stderr)
		for _, secret := range []string{"not-the-right-one", simulator.DefaultAppToken, simulator.DefaultApplicantID} {
			require.NotContains(t, stderr, secret)
		}
	})
	t.Run("explains itself", func(t *testing.T) {
		t.Parallel()
		stdout, stderr, code := runProgram(t, path, nil, "-h")
		require.Equal(t, 0, code)
		require.Empty(t, stdout)
		first, _, _ := strings.Cut(stderr, "\n")
		require.Regexp(t, `^tracing [a-z][^.]*\.$`, first)
		_, stderr, code = runProgram(t, path, nil, "extra")
		require.Equal(t, 1, code)
		require.Regexp(t, `(?m)^tracing: unexpected argument "extra": [^\n]+\n$`, stderr)
	})
}

// The files that a user copies import no internal package and no example.
func TestFilesAreCopyable(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"main.go", "telemetry.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, imported := range file.Imports {
			path, err := strconv.Unquote(imported.Path.Value)
			require.NoError(t, err)
			require.NotContains(t, path, "internal", name)
			require.NotContains(t, path, "idngo/examples", name)
		}
	}
}
