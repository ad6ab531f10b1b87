package faultnet

import (
	"os"
	"testing"
)

// longRun is the variable with which .ci/run asks for long runs.
const longRun = "IDNGO_TEST_LONG"

// Count returns how often a test does something: long in .ci/run, short with -short, and otherwise
// usual.
func Count(long, usual, short int) int {
	switch {
	case testing.Short():
		return short
	case os.Getenv(longRun) != "":
		return long
	}
	return usual
}
