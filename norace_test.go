//go:build !race

package idngo_test

const underRace = false
