package e2e_test

import (
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/e2e/faultnet"
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

// The README's program runs in an empty module that requires this one.
func TestREADMEProgramRuns(t *testing.T) {
	t.Parallel()
	skipIfShort(t, "it links a program")
	programs, _ := readmeBlocks(t)
	require.Len(t, programs, 1)
	dir := t.TempDir()
	// The module has the requirements of this one, so that the go command downloads nothing.
	mod := strings.Replace(string(faultnet.ReadFile(t, faultnet.Path(t, "go.mod"))), "module "+modulePath, "module example.com/copied", 1)
	mod += fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %[1]s => %q\n", modulePath, filepath.ToSlash(faultnet.Path(t)))
	for name, text := range map[string]string{
		"main.go": programs[0], "go.mod": mod, "go.sum": string(faultnet.ReadFile(t, faultnet.Path(t, "go.sum"))),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "GREEN: pay out\n", string(out))
}

// The README says everything on one page and a half.
func TestREADMELength(t *testing.T) {
	t.Parallel()
	const most = 220
	lines := strings.Count(string(faultnet.ReadFile(t, faultnet.Path(t, "README.md"))), "\n")
	assert.LessOrEqual(t, lines, most)
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

// Every other block of Go in the README compiles, each as the body of a function that is given what
// the text around it speaks of.
func TestREADMECompiles(t *testing.T) {
	t.Parallel()
	_, blocks := readmeBlocks(t)
	require.NotEmpty(t, blocks)
	repo := faultnet.Path(t)

	imports := map[string]string{
		"context": "context.", "errors": "errors.", "fmt": "fmt.", "log": "log.", "net/http": "http.", "net/http/httptest": "httptest.",
		"os": "os.", "time": "time.",
	}
	overlay := t.TempDir()
	replace := map[string]string{}
	for i, code := range blocks {
		var b strings.Builder
		b.WriteString("package readme\n\nimport (\n\"github.com/idngo-go/idngo\"\n")
		for path, use := range imports {
			if strings.Contains(code, use) && path != "context" {
				b.WriteString("\"" + path + "\"\n")
			}
		}
		fmt.Fprintf(&b, "\"context\"\n)\n\nfunc readme%d(ctx context.Context, client *idngo.Client, actionID string) {\n", i)
		b.WriteString("_ = client\n{\n" + code + "\n")
		// A block may end with what it has just made.
		for _, name := range []string{"client", "image", "err"} {
			if regexp.MustCompile(`(?m)^` + name + `, |, ` + name + ` := `).MatchString(code) {
				b.WriteString("_ = " + name + "\n")
			}
		}
		b.WriteString("}\n}\n")
		source, err := format.Source([]byte(b.String()))
		require.NoError(t, err, "block %d is not Go:\n%s", i, b.String())

		// Inside of the module, so that it builds with our go.mod and go.sum;
		// outside of the tree, thanks to the overlay.
		name := fmt.Sprintf("block%d.go", i)
		file := filepath.Join(overlay, name)
		require.NoError(t, os.WriteFile(file, source, 0o600))
		replace[filepath.Join(repo, "internal", "readme", name)] = file
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", writeOverlay(t, replace), "./internal/readme")
	build.Dir = repo
	out, err := build.CombinedOutput()
	assert.NoError(t, err, "%s", out)
}
