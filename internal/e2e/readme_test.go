package e2e_test

import (
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// Every block of Go in the README compiles, each as the body of a function
// that is given what the text around it speaks of.
func TestREADMECompiles(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(faultnet.ReadFile(t, faultnet.Path(t, "README.md"))), -1)
	require.NotEmpty(t, blocks)
	repo := faultnet.Path(t)

	imports := map[string]string{
		"context": "context.", "errors": "errors.", "fmt": "fmt.", "log": "log.", "net/http": "http.", "net/http/httptest": "httptest.",
		"os": "os.", "time": "time.",
	}
	overlay := t.TempDir()
	replace := map[string]string{}
	for i, block := range blocks {
		code := block[1]
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
