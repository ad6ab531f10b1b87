package main

import (
	"bytes"
	"strings"
	"testing"
)

// In profile two test binaries have each run a part of package a. Neither has run the second block
// of package b.
const profile = `mode: set
example.com/m/a/one.go:10.2,12.3 3 1
example.com/m/a/one.go:20.2,22.3 1 0
example.com/m/b/two.go:100.1,101.2 6 1
example.com/m/b/two.go:9.1,10.2 3 0
example.com/m/b/two.go:30.1,31.2 1 0
example.com/m/a/one.go:10.2,12.3 3 0
example.com/m/a/one.go:20.2,22.3 1 7
`

const report = `    100.0 %  example.com/m/a (4 of 4)
     60.0 %  example.com/m/b (6 of 10)
blocks that no test runs:
example.com/m/b/two.go:9.1,10.2
example.com/m/b/two.go:30.1,31.2
`

func TestRun(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		floor float64
		want  string // the text of the error
	}{
		{name: "above the floor", floor: 59.9},
		{name: "at the floor", floor: 60},
		{name: "below the floor", floor: 60.1, want: "below 60.1 %: example.com/m/b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := run(strings.NewReader(profile), &out, test.floor)
			if got := errorText(err); got != test.want {
				t.Errorf("error %q, want %q", got, test.want)
			}
			if out.String() != report {
				t.Errorf("got:\n%swant:\n%s", &out, report)
			}
		})
	}
}

func TestRunRejects(t *testing.T) {
	t.Parallel()
	for name, input := range map[string]string{
		"nothing":          "",
		"no block":         "mode: set\n",
		"other text":       "FAIL\n",
		"no position":      "file.go 1 1\n",
		"no line number":   "file.go:x.1,2.2 1 1\n",
		"no statements":    "file.go:1.1,2.2 x 1\n",
		"no count of runs": "file.go:1.1,2.2 1 x\n",
		"a line too long":  strings.Repeat("x", 1<<17),
	} {
		if err := run(strings.NewReader(input), &bytes.Buffer{}, 0); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// errorText returns the text of an error, "" for nil.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
