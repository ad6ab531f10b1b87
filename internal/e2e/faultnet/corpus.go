package faultnet

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// CheckCorpus compares files of testdata/fuzz with the texts that a test makes for them. With
// IDNGO_UPDATE_CORPUS=1 it writes the files. They stand beside the package of the test.
func CheckCorpus(t testing.TB, corpus map[string]string) {
	t.Helper()
	update := os.Getenv("IDNGO_UPDATE_CORPUS") != ""
	for name, want := range corpus {
		file := filepath.Join("testdata/fuzz", filepath.FromSlash(name))
		if update {
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		}
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, want, string(got), name)
	}
}
