package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// readmeBlocks returns the blocks of Go in the README: the complete programs, and the others.
func readmeBlocks(t *testing.T) (programs, fragments []string) {
	t.Helper()
	readme := string(faultnet.ReadFile(t, faultnet.Path(t, "README.md")))
	for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme, -1) {
		if strings.HasPrefix(block[1], "package main\n") {
			programs = append(programs, block[1])
		} else {
			fragments = append(fragments, block[1])
		}
	}
	return programs, fragments
}

// Each block of the README is of a kind that another test runs or compares.
func TestREADMEHasKnownBlocks(t *testing.T) {
	t.Parallel()
	blocks, inside := map[string]int{}, false
	for line := range strings.Lines(string(faultnet.ReadFile(t, faultnet.Path(t, "README.md")))) {
		kind, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && inside:
			assert.Equal(t, "```\n", line, "a block ends with a plain fence")
			inside = false
		case fence:
			assert.True(t, strings.HasPrefix(line, "```"), "%q begins an indented block", line)
			blocks[kind]++
			inside = true
		case !inside:
			assert.NotRegexp(t, `^( *\t|    )|~~~|<(pre|code)\b`, line, "a block without a fence is not tested")
		}
	}
	assert.False(t, inside, "the last block ends")
	assert.Equal(t, map[string]int{"go": 2, "console": 2, "sh": 1}, blocks)
}

// buildProgram builds a program in an empty module that requires this one, and returns the path of
// its binary.
func buildProgram(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	// The module has the requirements of this one, so that the go command downloads nothing.
	mod := strings.Replace(string(faultnet.ReadFile(t, faultnet.Path(t, "go.mod"))), "module "+modulePath, "module example.com/copied", 1)
	mod += fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %[1]s => %q\n", modulePath, filepath.ToSlash(faultnet.Path(t)))
	for name, text := range map[string]string{
		"main.go": source, "go.mod": mod, "go.sum": string(faultnet.ReadFile(t, faultnet.Path(t, "go.sum"))),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	binary := filepath.Join(dir, "program")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-w", "-o", binary, ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

// The README's first program runs unchanged.
func TestREADMEProgramRuns(t *testing.T) {
	t.Parallel()
	skipIfShort(t, "it links a program")
	programs, _ := readmeBlocks(t)
	require.Len(t, programs, 2)
	out, err := exec.CommandContext(t.Context(), buildProgram(t, programs[0])).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "GREEN: pay out\n", string(out))
}

// The packages in the README's commands exist, and its first example prints the lines that the
// README shows. The other command, go test, runs this test itself.
func TestREADMECommandsRun(t *testing.T) {
	t.Parallel()
	skipIfShort(t, "it links a program")
	readme := string(faultnet.ReadFile(t, faultnet.Path(t, "README.md")))
	blocks := regexp.MustCompile("(?s)```(?:console|sh)\n(.*?)```").FindAllStringSubmatch(readme, -1)
	require.Len(t, blocks, 3)
	paths := regexp.MustCompile(modulePath+`/(\S+?)(?:@latest)?\s`).FindAllStringSubmatch(blocks[2][1], -1)
	assert.Len(t, paths, 2)
	for _, path := range paths {
		assert.Contains(t, string(faultnet.ReadFile(t, faultnet.Path(t, path[1], "main.go"))), "package main\n")
	}
	assert.Regexp(t, `^go test \./\.\.\.\nok  \t`+modulePath+`\t[0-9.]+s\n…\n$`, blocks[1][1])

	shown := strings.Split(strings.TrimSpace(blocks[0][1]), "\n")
	command := strings.Fields(shown[0])
	program := exec.CommandContext(t.Context(), command[0], command[1:]...)
	program.Dir = faultnet.Path(t)
	program.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "IDNGO_") })
	out, err := program.CombinedOutput()
	require.NoError(t, err, "%s", out)
	// Ids and ports differ in each run, and "…" stands for lines that are left out.
	changing := regexp.MustCompile(`[0-9a-f]{24}|127\.0\.0\.1:\d+|face-auth-\S+`)
	rest := changing.ReplaceAllString(string(out), "*")
	for _, line := range shown[1:] {
		if line == "…" {
			continue
		}
		_, after, found := strings.Cut(rest, changing.ReplaceAllString(line, "*")+"\n")
		require.True(t, found, "%s is not printed, or not in this order:\n%s", line, out)
		rest = after
	}
	assert.Empty(t, rest, "the README shows the last line")
}

// The README's payout service pays once for an approved payout, however often its event arrives. It
// does not pay for other payouts.
func TestREADMEPayoutServiceRuns(t *testing.T) {
	t.Parallel()
	skipIfShort(t, "it links a program")
	programs, _ := readmeBlocks(t)
	require.Len(t, programs, 2)
	assert.LessOrEqual(t, strings.Count(programs[1], "\n"), 60)
	binary := buildProgram(t, programs[1])

	address := faultnet.FreeAddress(t)
	service, err := simulator.New(simulator.Config{
		ReviewDelay: time.Millisecond, WebhookURL: "http://" + address + "/idngo", WebhookDuplicates: 2, WebhookTimeScale: 0.01,
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, service.Close()) })
	base, err := service.Start("")
	require.NoError(t, err)
	require.NoError(t, service.AddApplicantJSON([]byte(
		`{"id":"on-hold","externalUserId":"user-on-hold","review":{"reviewStatus":"onHold","reviewResult":{"reviewAnswer":"GREEN"}}}`)))

	var log bytes.Buffer
	program := exec.CommandContext(t.Context(), binary)
	program.Stderr = &log
	program.Env = append(os.Environ(), "ADDR="+address, "IDNGO_BASE_URL="+base, "IDNGO_WEBHOOK_SECRET="+simulator.DefaultWebhookSecret,
		"IDNGO_APP_TOKEN="+simulator.DefaultAppToken, "IDNGO_SECRET_KEY="+simulator.DefaultSecretKey)
	require.NoError(t, program.Start())
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()

	// start asks for a payout, as an app does, and returns the answer.
	start := func(user, payout string) (status int, text string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/payouts/"+payout, http.NoBody)
		require.NoError(t, err)
		request.Header.Set("X-User", user)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err.Error()
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body)
	}
	require.Eventually(t, func() bool {
		status, _ := start("user-on-hold", "1")
		return status != 0
	}, time.Minute, 10*time.Millisecond, "it listens")
	status, _ := start("user-on-hold", "1")
	assert.Equal(t, http.StatusForbidden, status)
	for _, payout := range []string{"815", "816%23RED"} {
		status, token := start("user-4711", payout)
		require.Equal(t, http.StatusOK, status, token)
		again, _ := start("user-4711", payout) // the app asks again, as after a lost answer
		require.Equal(t, http.StatusOK, again)
		_, err := service.CompleteWithToken(token)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		stats := service.Stats()
		return stats.WebhookEvents == 12 && stats.WebhooksOutstanding == 0 // two payouts with two events each, each delivered three times
	}, time.Minute, 10*time.Millisecond)
	assert.Len(t, service.Actions(), 2)

	require.NoError(t, program.Process.Kill())
	require.Error(t, <-ended)
	assert.Equal(t, 1, strings.Count(log.String(), "paid payout-"), log.String())
	assert.Contains(t, log.String(), "paid payout-815\n")
}

// The README has at most 220 lines.
func TestREADMELength(t *testing.T) {
	t.Parallel()
	const most = 220
	assert.LessOrEqual(t, strings.Count(string(faultnet.ReadFile(t, faultnet.Path(t, "README.md"))), "\n"), most)
}

// The map in internal/README.md has a row for each room.
func TestMapNamesRooms(t *testing.T) {
	t.Parallel()
	text := string(faultnet.ReadFile(t, faultnet.Path(t, "internal", "README.md")))
	for room := range rooms {
		if name := strings.TrimPrefix(room, "internal/"); name != "." {
			assert.Contains(t, text, "\n| `"+name+"` |", "internal/README.md has no row for the room")
		}
	}
}

// testdata/README.md names the source of each fixture.
func TestFixturesAreExplained(t *testing.T) {
	t.Parallel()
	text := string(faultnet.ReadFile(t, faultnet.Testdata(t, "README.md")))
	for _, pattern := range []string{"*", "models/*", "vectors/*"} {
		files, err := filepath.Glob(filepath.Join(faultnet.Testdata(t), pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			name := filepath.Base(file)
			stem := strings.TrimSuffix(strings.TrimSuffix(name, ".json"), ".want")
			named := strings.Contains(text, "`"+stem+"`") || strings.Contains(text, "`"+name+"`") ||
				strings.Contains(text, "## "+name)
			assert.True(t, named || name == "README.md", "testdata/README.md does not name %s", name)
		}
	}
}

// Each test that a document tells a reader to run exists.
func TestDocumentsNameTests(t *testing.T) {
	t.Parallel()
	var tests []string
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") {
			source := string(faultnet.ReadFile(t, faultnet.Path(t, file)))
			for _, name := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)`).FindAllStringSubmatch(source, -1) {
				tests = append(tests, name[1])
			}
		}
	}
	for _, document := range documents(t) {
		text := string(faultnet.ReadFile(t, faultnet.Path(t, document)))
		for _, named := range regexp.MustCompile(`-(?:run|fuzz)[ \n](\w+)`).FindAllStringSubmatch(text, -1) {
			matches := func(test string) bool { return strings.Contains(test, named[1]) }
			assert.True(t, slices.ContainsFunc(tests, matches), "%s tells to run %s, which does not exist", document, named[1])
		}
	}
}

// Each block of Go in the README is a complete program, which another test builds and runs.
func TestREADMEHasNoFragments(t *testing.T) {
	t.Parallel()
	programs, fragments := readmeBlocks(t)
	assert.Len(t, programs, 2)
	assert.Empty(t, fragments)
}
