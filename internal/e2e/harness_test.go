package e2e_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// update makes the tests with golden files write these files.
var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func TestMain(m *testing.M) { os.Exit(faultnet.RunTests(m)) }

// skipIfShort skips a test with -short. A test that takes more than about a second calls it, or
// calls testing.Short to run a part of its cases. .ci/run runs everything that -short leaves out.
func skipIfShort(t *testing.T, reason string) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: " + reason)
	}
}

// operationsOf returns all operations. With -short it returns one that is idempotent, one that is
// not, and the download.
func operationsOf(t *testing.T) []faultnet.Operation {
	t.Helper()
	if testing.Short() {
		return []faultnet.Operation{faultnet.CreateAction, faultnet.GetAction, faultnet.DownloadImage}
	}
	return faultnet.Operations
}

// writeOverlay returns the path of a file for the -overlay flag of the go command. The keys of
// replace are the paths of files, which need not exist. The values are the paths of the files that
// replace them.
func writeOverlay(t *testing.T, replace map[string]string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(name, text, 0o600))
	return name
}

// allocated returns the number of bytes that the process allocates while f runs.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
