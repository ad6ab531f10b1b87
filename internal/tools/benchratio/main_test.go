package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sample has three interleaved rounds. Each benchmark has one outlier, which the median must
// ignore.
const sample = `goos: linux
goarch: amd64
pkg: github.com/idngo-go/idngo
cpu: Some CPU @ 2.00GHz
BenchmarkSign/floor-2         	 1000000	      2000 ns/op	    1000 B/op	      12 allocs/op
BenchmarkSign/idngo-2         	 1000000	      1000 ns/op	     250 B/op	       4 allocs/op
BenchmarkAddImage/floor-signed/50MiB-2 	       5	 200000000 ns/op	 262.14 MB/s	 2097152 B/op	     100 allocs/op
BenchmarkAddImage/floor-bare/50MiB-2   	       5	 100000000 ns/op	 524.28 MB/s	       0 B/op	     100 allocs/op
BenchmarkAddImage/idngo/50MiB-2        	       5	 210000000 ns/op	 249.66 MB/s	 1048576 B/op	     103 allocs/op
BenchmarkAllActions10000/idngo-2       	       5	   1000000 ns/op	   12345 live-B	     100 B/op	       1 allocs/op
PASS
BenchmarkSign/floor-2         	 1000000	      9999 ns/op	    1000 B/op	      12 allocs/op
BenchmarkSign/idngo-2         	 1000000	      1200 ns/op	     250 B/op	       4 allocs/op
BenchmarkSign/floor-2         	 1000000	      2100 ns/op	    1000 B/op	      12 allocs/op
BenchmarkSign/idngo-2         	 1000000	       900 ns/op	     250 B/op	       4 allocs/op
ok  	github.com/idngo-go/idngo	1.234s
`

func TestTable(t *testing.T) {
	t.Parallel()
	got := table(t, sample)
	for _, want := range []string{
		"Medians of 1 to 3 rounds.",
		"| Sign | floor | **0.48 ×** | 1 µs / 2.10 µs | **0.25 ×** | 250 B / 1000 B | **−8** | 4 / 12 |\n",
		"| AddImage/50MiB | floor-signed | **1.05 ×** | 210 ms / 200 ms | **0.50 ×** | 1 MiB / 2 MiB | **+3** | 103 / 100 |\n",
		"| AddImage/50MiB | floor-bare | **2.10 ×** | 210 ms / 100 ms | **∞** | 1 MiB / 0 B | **+3** | 103 / 100 |\n",
		"| AllActions10000 idngo | 12345 | live-B |\n",
		"\nWithout a floor: AllActions10000\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in:\n%s", want, got)
		}
	}
	for _, not := range []string{"MB/s", "scaling"} {
		if strings.Contains(got, not) {
			t.Errorf("unwanted %q in:\n%s", not, got)
		}
	}
}

func TestScaling(t *testing.T) {
	t.Parallel()
	got := table(t, `
BenchmarkSignParallel/floor   	 100	 1000 ns/op
BenchmarkSignParallel/idngo   	 100	  800 ns/op
BenchmarkSignParallel/floor-2 	 100	  600 ns/op
BenchmarkSignParallel/idngo-2 	 100	  500 ns/op
`)
	for _, want := range []string{
		"| SignParallel, 1 CPU | floor | **0.80 ×** | 800 ns / 1 µs | – | – | – | – |\n",
		"| SignParallel, 2 CPU | floor | **0.83 ×** | 500 ns / 600 ns | – | – | – | – |\n",
		"| SignParallel idngo | 2 | 800 ns | 1 µs | **1.25 ×** |\n",
		"| SignParallel floor | 2 | 1 µs | 1.20 µs | **1.20 ×** |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in:\n%s", want, got)
		}
	}
}

func TestNoiseAndGrowth(t *testing.T) {
	t.Parallel()
	got := table(t, `
BenchmarkGrowthWebhook/16KiB/floor-2       	 100	 16000 ns/op	 32768 B/op	 5 allocs/op
BenchmarkGrowthWebhook/16KiB/idngo-2       	 100	 32000 ns/op	 65536 B/op	 5 allocs/op
BenchmarkGetAction/floor-2       	 100	 1000 ns/op
BenchmarkGetAction/idngo-2       	 100	 1000 ns/op
BenchmarkGetAction/floor-again-2 	 100	 1020 ns/op
`)
	for _, want := range []string{
		"| GetAction | floor | **1.00 ×** |",
		"| GetAction | 1.02 × |\n",
		"| Webhook | 16KiB | 2 µs | 4 KiB |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "floor-again") {
		t.Errorf("a floor run twice is one floor:\n%s", got)
	}
}

func TestRejects(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"nothing":     "",
		"no line":     "goos: linux\nPASS\nok  \tx\t1s\n",
		"failed":      sample + "--- FAIL: BenchmarkSign/idngo\nFAIL\n",
		"panicked":    sample + "panic: oops\n",
		"not numbers": "BenchmarkSign/idngo-2 100 x ns/op\n",
	} {
		if err := run(nil, strings.NewReader(in), &bytes.Buffer{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := run([]string{filepath.Join(t.TempDir(), "none")}, nil, &bytes.Buffer{}); err == nil {
		t.Error("missing file: no error")
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	// Two files are read as one input. The first has no line break at its end.
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	for name, text := range map[string]string{a: "BenchmarkX/floor 1 100 ns/op", b: "BenchmarkX/idngo 1 50 ns/op"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := &bytes.Buffer{}
	if err := run([]string{a, b}, nil, out); err != nil {
		t.Fatal(err)
	}
	if want := "| X | floor | **0.50 ×** | 50 ns / 100 ns |"; !strings.Contains(out.String(), want) {
		t.Errorf("missing %q in:\n%s", want, out)
	}
}

func TestSplitName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]key{
		"BenchmarkSign":                          {name: "Sign", procs: 1},
		"BenchmarkSign-16":                       {name: "Sign", procs: 16},
		"BenchmarkSign/idngo":                    {name: "Sign", variant: "idngo", procs: 1},
		"BenchmarkSign/idngo-pooled-2":           {name: "Sign", variant: "idngo-pooled", procs: 2},
		"BenchmarkAddImage/floor-signed/50MiB-2": {name: "AddImage/50MiB", variant: "floor-signed", procs: 2},
		"BenchmarkAddImage/50MiB/floor-8":        {name: "AddImage/50MiB", variant: "floor", procs: 8},
		"BenchmarkPlan/floorplan":                {name: "Plan/floorplan", procs: 1},
	} {
		if got := splitName(in); got != want {
			t.Errorf("%s: %+v, want %+v", in, got, want)
		}
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ got, want string }{
		{got: duration(0.5), want: "0.50 ns"},
		{got: duration(999), want: "999 ns"},
		{got: duration(12345), want: "12.3 µs"},
		{got: duration(2.5e9), want: "2.50 s"},
		{got: duration(9.9e12), want: "9900 s"},
		{got: size(1536), want: "1.50 KiB"},
		{got: ratio(0, 0), want: "1.00 ×"},
		{got: ratio(1, 0), want: "∞"},
		{got: difference(3, 3), want: "±0"},
		{got: difference(1, 3), want: "−2"},
		{got: difference(40, 3), want: "+37"},
		{got: difference(291440, 341324), want: "−49884"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// table runs the program on the input and returns what it prints.
func table(t *testing.T, in string) string {
	t.Helper()
	out := &bytes.Buffer{}
	if err := run(nil, strings.NewReader(in), out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
