// Package e2e holds the black-box tests of the client: retries, the clock,
// timeouts, limits, secrets, images, chaos and golden requests. They use the
// exported API alone, on the network of internal/e2e/faultnet or on the
// simulator. The rules of the repository are tests of this package too.
//
// With -short the tests that take long run a part of their cases, or are skipped
// where a part tells nothing. See skipIfShort in harness_test.go.
package e2e
