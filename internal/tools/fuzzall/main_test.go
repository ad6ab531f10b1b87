package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const listed = `FuzzOne
FuzzTwo
ok  	example.com/m	0.010s
?   	example.com/m/none	[no test files]
ok  	example.com/m/empty	0.010s
FuzzThree
ok  	example.com/m/sub	0.010s
`

const passed = `fuzz: elapsed: 0s, gathering baseline coverage: 0/10 completed
fuzz: elapsed: 3s, execs: 100 (33/sec), new interesting: 1 (total: 11)
fuzz: elapsed: 4s, execs: 200 (50/sec), new interesting: 2 (total: 12)
PASS
ok  	example.com/m	4.010s
`

const crashed = `--- FAIL: FuzzTwo (0.01s)
    --- FAIL: FuzzTwo (0.00s)
        two_test.go:9: context deadline exceeded
    context deadline exceeded
    Failing input written to testdata/fuzz/FuzzTwo/0123
FAIL
exit status 1
FAIL	example.com/m	0.010s
`

const endOfTime = `fuzz: elapsed: 4s, execs: 200 (50/sec), new interesting: 2 (total: 12)
--- FAIL: FuzzThree (4.10s)
    context deadline exceeded
FAIL
exit status 1
FAIL	example.com/m/sub	4.110s
`

var errExit = errors.New("exit status 1")

// fakeGo returns a commandFunc that prints the list of targets, and for each target the text in
// outputs. A target fails if its text says so.
func fakeGo(outputs map[string]string) (command commandFunc, calls func() []string) {
	var mu sync.Mutex
	var made []string
	command = func(_ context.Context, args ...string) (string, error) {
		line := strings.Join(args, " ")
		mu.Lock()
		defer mu.Unlock()
		made = append(made, line)
		if strings.HasPrefix(line, "test -list ") {
			return listed, nil
		}
		for name, output := range outputs {
			if strings.Contains(line, "-fuzz=^"+name+"$ ") {
				if strings.Contains(output, "FAIL") {
					return output, errExit
				}
				return output, nil
			}
		}
		return "", errors.New("unexpected command: " + line)
	}
	return command, func() []string { return slices.Clone(made) }
}

func TestRun(t *testing.T) {
	t.Parallel()
	t.Run("every target runs for its share", func(t *testing.T) {
		t.Parallel()
		command, calls := fakeGo(map[string]string{"FuzzOne": passed, "FuzzTwo": passed, "FuzzThree": endOfTime})
		var report bytes.Buffer
		if err := run(t.Context(), command, &report, time.Minute, []string{"./..."}); err != nil {
			t.Fatal(err, &report)
		}
		if got := calls()[0]; got != "test -list ^Fuzz ./..." {
			t.Errorf("first command %q", got)
		}
		for _, want := range []string{"^FuzzOne$ -fuzztime=40s", "^FuzzTwo$ -fuzztime=40s", "^FuzzThree$ -fuzztime=40s"} {
			if !strings.Contains(strings.Join(calls(), "\n"), want) {
				t.Errorf("no command has %q: %q", want, calls())
			}
		}
		for _, want := range []string{
			"FuzzOne: 4s, execs: 200 (50/sec), new interesting: 2 (total: 12)\nok  \texample.com/m\t4.010s\n",
			"FuzzThree: passed (",
		} {
			if !strings.Contains(report.String(), want) {
				t.Errorf("missing %q in:\n%s", want, &report)
			}
		}
	})
	t.Run("a failure does not end the others", func(t *testing.T) {
		t.Parallel()
		command, calls := fakeGo(map[string]string{"FuzzOne": crashed, "FuzzTwo": crashed, "FuzzThree": passed})
		var report bytes.Buffer
		err := run(t.Context(), command, &report, time.Minute, []string{"./..."})
		for name, fails := range map[string]bool{"FuzzOne": true, "FuzzTwo": true, "FuzzThree": false} {
			if err == nil || strings.Contains(err.Error(), name) != fails {
				t.Errorf("%s: error %v", name, err)
			}
		}
		if len(calls()) != 4 {
			t.Errorf("commands %q", calls())
		}
		for _, want := range []string{crashed, "FuzzTwo of example.com/m failed: exit status 1", "FuzzThree: 4s"} {
			if !strings.Contains(report.String(), want) {
				t.Errorf("missing %q in:\n%s", want, &report)
			}
		}
	})
	t.Run("an end of the context is an error", func(t *testing.T) {
		t.Parallel()
		command, _ := fakeGo(map[string]string{"FuzzOne": passed, "FuzzTwo": passed, "FuzzThree": passed})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := run(ctx, command, &bytes.Buffer{}, time.Minute, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

func TestList(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]struct {
		output string
		err    error
	}{
		"no target":             {output: "ok  \texample.com/m\t0.010s\n"},
		"no closing line":       {output: "FuzzOne\n"},
		"a package that failed": {output: listed + "FAIL\texample.com/m/broken [build failed]\n", err: errExit},
	} {
		command := func(context.Context, ...string) (string, error) { return answer.output, answer.err }
		if targets, err := list(t.Context(), command, nil); err == nil {
			t.Errorf("%s: %v and no error", name, targets)
		}
	}
}

func TestShareOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		total time.Duration
		n     int
		want  time.Duration
	}{
		{total: 3 * time.Minute, n: 12, want: 30 * time.Second},
		{total: 3 * time.Minute, n: 13, want: 27 * time.Second},
		{total: 10 * time.Second, n: 1, want: 10 * time.Second},
		{total: 10 * time.Second, n: 2, want: 10 * time.Second},
		{total: 2 * time.Second, n: 50, want: time.Second},
	} {
		if got := shareOf(test.total, test.n); got != test.want {
			t.Errorf("%v for %d targets: %v, want %v", test.total, test.n, got, test.want)
		}
	}
}

// This test runs the go command itself, for a module with a target that passes and one that fails.
func TestGoCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs two fuzz targets")
	}
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/fuzzed\n\ngo 1.25.0\n",
		"fuzz_test.go": `package fuzzed

import "testing"

func FuzzPasses(f *testing.F) { f.Fuzz(func(*testing.T, []byte) {}) }

func FuzzFails(f *testing.F) { f.Fuzz(func(t *testing.T, _ []byte) { t.Error("always") }) }
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var report bytes.Buffer
	err := run(t.Context(), goCommand(dir), &report, 2*time.Second, []string{"./..."})
	if err == nil || err.Error() != "failed: FuzzFails" {
		t.Errorf("error %v, report:\n%s", err, &report)
	}
	for _, want := range []string{"FuzzFails of example.com/fuzzed failed", "FuzzPasses: "} {
		if !strings.Contains(report.String(), want) {
			t.Errorf("missing %q in:\n%s", want, &report)
		}
	}
}
