// Command coverage reads a coverage profile from standard input and prints the statement coverage
// of each package and the blocks that no test runs. It exits with status 1 when a package has less
// coverage than -floor.
//
// A profile of several packages has each block once for every test binary. A block counts as
// covered when one of the binaries ran it.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

func main() {
	floor := flag.Float64("floor", 0, "the least coverage of a package, in `per cent` of its statements")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *floor); err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
}

// tally counts the statements of a package.
type tally struct {
	all, covered int
	missed       []block // the blocks that were not run
}

func (t *tally) percent() float64 { return 100 * float64(t.covered) / float64(t.all) }

func run(profile io.Reader, report io.Writer, floor float64) error {
	packages, err := readProfile(profile)
	if err != nil {
		return err
	}
	var low []string
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		count := packages[name]
		fmt.Fprintf(report, "    %5.1f %%  %s (%d of %d)\n", count.percent(), name, count.covered, count.all)
		if count.percent() < floor {
			low = append(low, name)
		}
	}
	fmt.Fprintln(report, "blocks that no test runs:")
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		for _, missed := range packages[name].missed {
			fmt.Fprintln(report, missed)
		}
	}
	if len(low) > 0 {
		return fmt.Errorf("below %g %%: %s", floor, strings.Join(low, ", "))
	}
	return nil
}

// block is a run of statements, named by its file and its first and last positions.
type block struct {
	file      string
	line      int    // the line of its first position
	positions string // the positions in the form of the profile
}

func (b block) String() string { return b.file + ":" + b.positions }

// readProfile returns the tally of each package in a profile.
func readProfile(profile io.Reader) (map[string]*tally, error) {
	statements, covered := map[block]int{}, map[block]bool{}
	lines := bufio.NewScanner(profile)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "mode: ") {
			continue
		}
		at, size, runs, err := parseLine(line)
		if err != nil {
			return nil, err
		}
		statements[at] = size
		covered[at] = covered[at] || runs
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(statements) == 0 {
		return nil, errors.New("the profile has no block")
	}
	packages := map[string]*tally{}
	for at, size := range statements {
		name := path.Dir(at.file)
		count := packages[name]
		if count == nil {
			count = &tally{}
			packages[name] = count
		}
		count.all += size
		if covered[at] {
			count.covered += size
		} else {
			count.missed = append(count.missed, at)
		}
	}
	for _, count := range packages {
		slices.SortFunc(count.missed, func(a, b block) int {
			if a.file != b.file {
				return strings.Compare(a.file, b.file)
			}
			return a.line - b.line
		})
	}
	return packages, nil
}

// parseLine reads a line such as "example.com/module/file.go:12.34,15.2 3 1": the block, the number
// of its statements, and how often it ran.
func parseLine(line string) (at block, size int, runs bool, err error) {
	malformed := fmt.Errorf("not a line of a profile: %q", line)
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return block{}, 0, false, malformed
	}
	colon := strings.LastIndexByte(fields[0], ':')
	if colon < 0 {
		return block{}, 0, false, malformed
	}
	at = block{file: fields[0][:colon], positions: fields[0][colon+1:]}
	first, _, _ := strings.Cut(at.positions, ".")
	if at.line, err = strconv.Atoi(first); err != nil {
		return block{}, 0, false, malformed
	}
	if size, err = strconv.Atoi(fields[1]); err != nil {
		return block{}, 0, false, malformed
	}
	times, err := strconv.ParseUint(fields[2], 10, 64)
	if err != nil {
		return block{}, 0, false, malformed
	}
	return at, size, times > 0, nil
}
