// Command fuzzall runs every fuzz target of some packages for an equal share of one span of time:
//
//	fuzzall -C ../.. -time 3m ./...
//
// It runs two targets at a time, each with half of the cores, because many targets spend much of
// their time waiting. A target that fails does not end the others. The exit status is then 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	dir := flag.String("C", ".", "the `directory` of the module")
	total := flag.Duration("time", 3*time.Minute, "the time that all targets share, without that for building them")
	flag.Parse()
	packages := flag.Args()
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, goCommand(*dir), os.Stdout, *total, packages)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzzall:", err)
		os.Exit(1)
	}
}

// commandFunc runs the go command and returns what it printed.
type commandFunc func(ctx context.Context, args ...string) (string, error)

// goCommand returns a commandFunc that runs the go command in a directory. When ctx is done the
// command is interrupted, so that it can end the processes that it has started.
func goCommand(dir string) commandFunc {
	return func(ctx context.Context, args ...string) (string, error) {
		command := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the arguments are targets of this repository
		command.Dir = dir
		command.Cancel = func() error {
			if runtime.GOOS == "windows" { // Windows has no such signal
				return command.Process.Kill()
			}
			return command.Process.Signal(os.Interrupt)
		}
		command.WaitDelay = 20 * time.Second
		output, err := command.CombinedOutput()
		return string(output), err
	}
}

// atOnce is how many targets run at the same time.
const atOnce = 2

// target is a fuzz target.
type target struct{ pkg, name string }

func run(ctx context.Context, command commandFunc, report io.Writer, total time.Duration, packages []string) error {
	targets, err := list(ctx, command, packages)
	if err != nil {
		return err
	}
	share := shareOf(total, len(targets))
	fmt.Fprintf(report, "    %d targets, each for %v\n", len(targets), share)
	queue := make(chan target)
	var (
		workers sync.WaitGroup
		mu      sync.Mutex // guards report and failed
		failed  []string
	)
	for range atOnce {
		workers.Go(func() {
			for next := range queue {
				text, ok := fuzz(ctx, command, next, share)
				mu.Lock()
				fmt.Fprint(report, text)
				if !ok {
					failed = append(failed, next.name)
				}
				mu.Unlock()
			}
		})
	}
	for _, next := range targets {
		if ctx.Err() != nil {
			break
		}
		queue <- next
	}
	close(queue)
	workers.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

// shareOf returns the time of each of n targets, in whole seconds and at least one.
func shareOf(total time.Duration, n int) time.Duration {
	share := total * min(atOnce, time.Duration(n)) / time.Duration(n)
	return max(share.Truncate(time.Second), time.Second)
}

// list returns the fuzz targets of the packages. The go command prints the targets of a package and
// then the package's own closing line.
func list(ctx context.Context, command commandFunc, packages []string) ([]target, error) {
	output, err := command(ctx, append([]string{"test", "-list", "^Fuzz"}, packages...)...)
	if err != nil {
		return nil, fmt.Errorf("list of targets: %w\n%s", err, output)
	}
	var targets []target
	var names []string
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 1 && strings.HasPrefix(fields[0], "Fuzz"):
			names = append(names, fields[0])
		case len(fields) >= 2 && fields[0] == "ok":
			for _, name := range names {
				targets = append(targets, target{pkg: fields[1], name: name})
			}
			names = nil
		}
	}
	if len(names) > 0 || len(targets) == 0 {
		return nil, errors.New("no fuzz target found in the output of go test -list:\n" + output)
	}
	return targets, nil
}

// realFailure matches the output of go test for a failure other than the end of -fuzztime.
var realFailure = regexp.MustCompile(`Failing input|seed corpus entry|panic|fuzzing process|DATA RACE`)

// deadlineExceeded matches the only line that go test prints when it mistakes the end of -fuzztime
// for a failure.
var deadlineExceeded = regexp.MustCompile(`(?m)^ *context deadline exceeded$`)

// fuzz runs a target for some time. It returns a report, and whether the target passed.
func fuzz(ctx context.Context, command commandFunc, t target, duration time.Duration) (report string, ok bool) {
	cores := (runtime.NumCPU() + atOnce - 1) / atOnce
	output, err := command(ctx, "test", "-run=^$", "-fuzz=^"+t.name+"$", "-fuzztime="+duration.String(), "-fuzzminimizetime=100x",
		fmt.Sprint("-parallel=", cores), t.pkg)
	switch {
	case err == nil:
		var progress, last string
		for line := range strings.Lines(output) {
			last = strings.TrimSuffix(line, "\n")
			if rest, found := strings.CutPrefix(last, "fuzz: elapsed"); found {
				progress = rest
			}
		}
		return t.name + progress + "\n" + last + "\n", true
	case deadlineExceeded.MatchString(output) && !realFailure.MatchString(output):
		return fmt.Sprintf("%s: passed (go test reported the end of its time as a failure, golang.org/issue/75804)\n", t.name), true
	default:
		return fmt.Sprintf("%s%s of %s failed: %v; a failing input is kept in the package's testdata/fuzz/%s\n",
			output, t.name, t.pkg, err, t.name), false
	}
}
