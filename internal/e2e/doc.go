// Package e2e holds the black-box tests of the client: retries, the clock, timeouts, limits,
// secrets, images, chaos and golden requests. They use only the exported API, on the network of
// internal/e2e/faultnet or on the simulator. The package also tests the rules of the repository.
//
// With -short the tests that take long run a part of their cases, or are skipped if a part shows
// nothing. See skipIfShort in harness_test.go.
package e2e
