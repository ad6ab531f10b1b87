//go:build race

// Package race tells tests whether the race detector is on. It slows everything
// down about ten times.
package race

// Enabled reports whether the race detector is on.
const Enabled = true
