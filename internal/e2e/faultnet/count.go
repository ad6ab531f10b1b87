package faultnet

import (
	"flag"
	"os"
	"runtime/debug"
	"testing"
)

// LongRun is the variable with which .ci/run asks for long runs.
const LongRun = "IDNGO_TEST_LONG"

// Count returns how often a test does something: long in .ci/run, short with -short, and otherwise
// usual.
func Count(long, usual, short int) int {
	switch {
	case testing.Short():
		return short
	case Long():
		return long
	}
	return usual
}

// Long reports whether the tests run as long as in .ci/run.
func Long() bool { return !testing.Short() && os.Getenv(LongRun) != "" }

// RunTests runs the tests of a package, 16 at once unless -parallel says otherwise. It is
// for packages whose tests wait more than they compute: for other processes, or for
// net/http, which pauses before it closes some connections.
//
// The garbage collector runs less often unless GOGC is set, since tests leave much garbage and
// little else.
func RunTests(m *testing.M) int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	flag.Parse()
	if atOnce := flag.Lookup("test.parallel"); atOnce.Value.String() == atOnce.DefValue {
		_ = atOnce.Value.Set("16") // a number
	}
	return m.Run()
}
