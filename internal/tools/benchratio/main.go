// Benchratio turns the output of "go test -bench" into a Markdown table of ratios to a floor.
//
// A benchmark takes part if it has a sub-benchmark that is named idngo (or idngo-something) and at
// least one that is named floor (or floor-something). The other parts of the name must agree:
//
//	BenchmarkSign/floor            BenchmarkAddImage/floor-signed/50MiB
//	BenchmarkSign/idngo            BenchmarkAddImage/idngo/50MiB
//
// Every figure is the median of the rounds found. Run each benchmark several times:
//
//	go test -run '^$' -bench . -benchmem -count 7 . | go -C internal/tools run ./benchratio
//
// or give it files. A floor that is run a second time, as floor-again, shows the noise. A benchmark
// whose name begins with Growth and ends with a size has a row in a table of the cost of a unit. It
// recognises the GOMAXPROCS suffix that the testing package appends (-2). A benchmark that was run
// at several values has a row for each. If its name contains "Parallel", a second table compares
// the CPU time of an operation with that on one CPU. Because of that suffix no benchmark's name may
// end in a dash and digits of its own.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: benchratio [file ...]\n"+
			"Prints a Markdown table of how each benchmark compares with its floor (see the package comment).")
	}
	flag.Parse()
	if err := run(flag.Args(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "benchratio:", err)
		os.Exit(1)
	}
}

func run(files []string, stdin io.Reader, stdout io.Writer) error {
	in := stdin
	if len(files) > 0 {
		var readers []io.Reader
		for _, name := range files {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			readers = append(readers, f, strings.NewReader("\n"))
		}
		in = io.MultiReader(readers...)
	}
	res, err := parse(in)
	if err != nil {
		return err
	}
	return res.write(stdout)
}

// key is one benchmark at one GOMAXPROCS. variant is the part of its name that begins with floor or
// idngo. It may be empty.
type key struct {
	name, variant string
	procs         int
}

// results holds every value measured, by benchmark and unit.
type results struct {
	keys   []key // in the order in which they were first seen
	values map[key]map[string][]float64
}

// parse reads the lines of benchmarks and ignores all others. It returns an error if a line reports
// that a benchmark failed: the figures of an incomplete run are no result.
func parse(r io.Reader) (*results, error) {
	res := &results{values: map[key]map[string][]float64{}}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		if strings.HasPrefix(line, "--- FAIL") || line == "FAIL" || strings.HasPrefix(line, "FAIL\t") || strings.HasPrefix(line, "panic:") {
			return nil, fmt.Errorf("the run failed: %s", line)
		}
		fields := strings.Fields(line)
		// BenchmarkName N value unit [value unit ...]
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if _, err := strconv.Atoi(fields[1]); err != nil {
			continue
		}
		units := map[string]float64{}
		for i := 2; i < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("not a benchmark's line: %s", line)
			}
			units[fields[i+1]] = v
		}
		res.add(splitName(fields[0]), units)
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	if len(res.keys) == 0 {
		return nil, errors.New("no benchmark in the input")
	}
	return res, nil
}

func (res *results) add(k key, units map[string]float64) {
	byUnit := res.values[k]
	if byUnit == nil {
		byUnit = map[string][]float64{}
		res.values[k] = byUnit
		res.keys = append(res.keys, k)
	}
	for unit, v := range units {
		byUnit[unit] = append(byUnit[unit], v)
	}
}

// splitName splits "BenchmarkAddImage/floor-signed/50MiB-2" into the name "AddImage/50MiB", the
// variant "floor-signed" and procs 2.
func splitName(s string) key {
	k := key{procs: 1}
	s = strings.TrimPrefix(s, "Benchmark")
	if i := strings.LastIndexByte(s, '-'); i > 0 {
		if n, err := strconv.Atoi(s[i+1:]); err == nil && n > 0 {
			s, k.procs = s[:i], n
		}
	}
	var rest []string
	for i, part := range strings.Split(s, "/") {
		if i > 0 && k.variant == "" && (isVariant(part, "floor") || isVariant(part, "idngo")) {
			k.variant = part
			continue
		}
		rest = append(rest, part)
	}
	k.name = strings.Join(rest, "/")
	return k
}

// again ends the name of a floor that is run a second time.
const again = "-again"

// isVariant tells floor and floor-signed from floorplan.
func isVariant(part, word string) bool {
	rest, ok := strings.CutPrefix(part, word)
	return ok && (rest == "" || strings.ContainsRune("-_", rune(rest[0])))
}

// median returns the median of the unit's values. ok is false when the benchmark did not report
// that unit.
func (res *results) median(k key, unit string) (m float64, ok bool) {
	v := slices.Sorted(slices.Values(res.values[k][unit]))
	if len(v) == 0 {
		return 0, false
	}
	half := len(v) / 2
	if len(v)%2 == 1 {
		return v[half], true
	}
	return (v[half-1] + v[half]) / 2, true
}

func (res *results) write(w io.Writer) error {
	b := &strings.Builder{}
	unpaired := res.writeRatios(b)
	res.writeNoise(b)
	res.writeGrowth(b)
	res.writeScaling(b)
	res.writeOthers(b)
	if len(unpaired) > 0 {
		fmt.Fprintf(b, "\nWithout a floor: %s\n", strings.Join(unpaired, "; "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeRatios prints a row for each idngo benchmark and floor that belong together, and returns the
// names of the others.
func (res *results) writeRatios(b *strings.Builder) (unpaired []string) {
	fmt.Fprintf(b, "Medians of %s. Ratios: idngo ÷ floor, lower is better.\n", res.rounds())
	head := "\n| benchmark | floor | time | idngo / floor | bytes | idngo / floor | allocs | idngo / floor |\n" +
		"|---|---|--:|--:|--:|--:|--:|--:|\n"
	for _, k := range res.keys {
		if !isVariant(k.variant, "idngo") {
			continue
		}
		paired := false
		for _, f := range res.keys {
			if f.name != k.name || f.procs != k.procs || !isVariant(f.variant, "floor") || strings.HasSuffix(f.variant, again) {
				continue
			}
			paired = true
			b.WriteString(head)
			head = ""
			fmt.Fprintf(b, "| %s | %s |", res.label(k), f.variant)
			res.cells(b, k, f, "ns/op", ratio, duration)
			res.cells(b, k, f, "B/op", ratio, size)
			res.cells(b, k, f, "allocs/op", difference, count)
			b.WriteByte('\n')
		}
		if !paired {
			unpaired = append(unpaired, res.label(k))
		}
	}
	return unpaired
}

// cells prints two cells: how k compares with its floor f in the unit, and both figures.
func (res *results) cells(b *strings.Builder, k, f key, unit string, compare func(mine, floor float64) string, show func(float64) string) {
	mine, ok := res.median(k, unit)
	floor, ok2 := res.median(f, unit)
	if !ok || !ok2 {
		b.WriteString(" – | – |")
		return
	}
	fmt.Fprintf(b, " **%s** | %s / %s |", compare(mine, floor), show(mine), show(floor))
}

// writeNoise prints how each floor that was run twice compares with itself.
func (res *results) writeNoise(b *strings.Builder) {
	head := "\n| noise: the floor against itself | time |\n|---|--:|\n"
	for _, k := range res.keys {
		base, twice := strings.CutSuffix(k.variant, again)
		first, ok := res.median(key{k.name, base, k.procs}, "ns/op")
		second, ok2 := res.median(k, "ns/op")
		if !twice || !ok || !ok2 {
			continue
		}
		b.WriteString(head)
		head = ""
		fmt.Fprintf(b, "| %s | %s |\n", res.label(k), ratio(second, first))
	}
}

// writeGrowth prints what a unit costs in the benchmarks whose name begins with Growth and ends
// with a size, such as GrowthListActions/1000 and GrowthWebhook/16KiB.
func (res *results) writeGrowth(b *strings.Builder) {
	head := "\n| growth | size | time of a unit | bytes of a unit |\n|---|--:|--:|--:|\n"
	for _, k := range res.keys {
		name, last, _ := strings.Cut(k.name, "/")
		name, growing := strings.CutPrefix(name, "Growth")
		units, err := strconv.Atoi(strings.TrimRight(last, "KMiB"))
		ns, ok := res.median(k, "ns/op")
		bytes, ok2 := res.median(k, "B/op")
		if !growing || err != nil || k.variant != "idngo" || !ok || !ok2 {
			continue
		}
		b.WriteString(head)
		head = ""
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", name, last, duration(ns/float64(units)), size(bytes/float64(units)))
	}
}

// writeScaling prints the CPU time of an operation of a parallel benchmark on several CPUs and on
// one.
func (res *results) writeScaling(b *strings.Builder) {
	head := "\n| scaling | CPUs | time of an operation on one CPU | CPU time of an operation there | ratio |\n|---|--:|--:|--:|--:|\n"
	for _, k := range res.keys {
		one := key{k.name, k.variant, 1}
		t1, ok1 := res.median(one, "ns/op")
		tn, okn := res.median(k, "ns/op")
		if k.procs == 1 || !strings.Contains(k.name, "Parallel") || strings.HasSuffix(k.variant, again) || !ok1 || !okn {
			continue
		}
		b.WriteString(head)
		head = ""
		tn *= float64(k.procs) // RunParallel divides the wall-clock time by all operations of all CPUs
		fmt.Fprintf(b, "| %s %s | %d | %s | %s | **%s** |\n", k.name, k.variant, k.procs, duration(t1), duration(tn), ratio(tn, t1))
	}
}

// writeOthers prints the benchmarks that compare with nothing, and the metrics that benchmarks
// report of their own.
func (res *results) writeOthers(b *strings.Builder) {
	head := "\n| figure | value | unit |\n|---|--:|---|\n"
	for _, k := range res.keys {
		for _, unit := range slices.Sorted(maps.Keys(res.values[k])) {
			switch unit {
			case "MB/s": // it repeats the time
				continue
			case "ns/op", "B/op", "allocs/op":
				if k.variant != "" {
					continue
				}
			}
			m, _ := res.median(k, unit)
			b.WriteString(head)
			head = ""
			fmt.Fprintf(b, "| %s | %s | %s |\n", strings.TrimSpace(res.label(k)+" "+k.variant), count(m), unit)
		}
	}
}

// label returns the benchmark's name, with its GOMAXPROCS if it was run at more than one, and with
// its variant if that is not plainly idngo.
func (res *results) label(k key) string {
	s := k.name
	if v := strings.TrimPrefix(k.variant, "idngo"); v != k.variant && v != "" {
		s += " " + k.variant
	}
	for _, o := range res.keys {
		if o.name == k.name && o.variant == k.variant && o.procs != k.procs {
			return fmt.Sprintf("%s, %d CPU", s, k.procs)
		}
	}
	return s
}

// rounds says how often the benchmarks ran: "7 rounds", or "5 to 7 rounds" where they differ.
func (res *results) rounds() string {
	var n []int
	for _, k := range res.keys {
		for _, v := range res.values[k] {
			n = append(n, len(v))
		}
	}
	lo, hi := slices.Min(n), slices.Max(n)
	switch {
	case hi == 1:
		return "1 round"
	case lo == hi:
		return fmt.Sprintf("%d rounds", hi)
	}
	return fmt.Sprintf("%d to %d rounds", lo, hi)
}

func ratio(mine, floor float64) string {
	switch {
	case mine == floor:
		return "1.00 ×"
	case floor == 0:
		return "∞"
	}
	return fmt.Sprintf("%.2f ×", mine/floor)
}

func difference(mine, floor float64) string {
	if mine == floor {
		return "±0"
	}
	if mine > floor {
		return "+" + count(mine-floor)
	}
	return "−" + count(floor-mine)
}

func duration(ns float64) string { return scaled(ns, 1000, "ns", "µs", "ms", "s") }

func size(n float64) string { return scaled(n, 1024, "B", "KiB", "MiB", "GiB") }

func count(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// scaled prints v with three significant digits in the largest unit that leaves it at least 1.
func scaled(v, step float64, units ...string) string {
	i := 0
	for v >= step && i < len(units)-1 {
		v /= step
		i++
	}
	digits := 0
	if v < 100 && v != float64(int(v)) {
		digits = 1
		if v < 10 {
			digits = 2
		}
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " " + units[i]
}
