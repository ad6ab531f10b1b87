package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

const program = `package p

func f(a, b int) (n int) {
	defer g()
	if a < b && b != 3 {
		n = a
	}
	switch {
	case a == b, g():
		n++
	}
	g()
	return n
}

func g() bool { return false }
`

func TestMutantsOf(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "p.go")
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	mutants, err := mutantsOf(file, "p")
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, m := range mutants {
		have = append(have, m.operator+": "+m.was+" becomes "+m.becomes)
		if len(m.source) != len(program)-len(m.was)+len(m.becomes) {
			t.Errorf("line %d: more has changed than %q", m.line, m.was)
		}
	}
	want := []string{
		"dropped: defer g() becomes ",
		"condition: a < b && b != 3 becomes !(a < b && b != 3)",
		"condition: && becomes ||",
		"condition: < becomes <=",
		"condition: != becomes ==",
		"dropped: n = a becomes ",
		"condition: g() becomes !(g())",
		"condition: == becomes !=",
		"dropped: n++ becomes ",
		"dropped: g() becomes ",
	}
	if !slices.Equal(have, want) {
		t.Errorf("mutants:\n%q\nwant\n%q", have, want)
	}
}

func TestMutantsOfNoSource(t *testing.T) {
	t.Parallel()
	if _, err := mutantsOf(filepath.Join(t.TempDir(), "none.go"), "p"); err == nil {
		t.Error("no error for a file that is not there")
	}
	if _, err := run(".", []string{"internal/none"}, 1, 1, time.Minute); err == nil {
		t.Error("no error for a target without tests")
	}
}
