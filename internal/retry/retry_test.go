package retry_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/idngo-go/idngo/internal/retry"
)

// The table of DESIGN §3, cell by cell.
func TestDecide(t *testing.T) {
	t.Parallel()
	status := func(code int) retry.Failure { return retry.Failure{Kind: retry.Answered, Status: code} }
	after := func(code int) retry.Failure {
		return retry.Failure{Kind: retry.Answered, Status: code, HasRetryAfter: true}
	}
	tests := []struct {
		name          string
		failure       retry.Failure
		idempotent    retry.Verdict
		notIdempotent retry.Verdict
		unknown       bool
	}{
		{"refused on this side", retry.Failure{Kind: retry.Local}, retry.Stop, retry.Stop, false},
		{"nothing was written", retry.Failure{Kind: retry.NotSent}, retry.Again, retry.Again, false},
		{"certificate or host", retry.Failure{Kind: retry.Unreachable}, retry.Stop, retry.Stop, false},
		{"lost", retry.Failure{Kind: retry.Lost}, retry.Again, retry.Stop, true},
		{"context ended before", retry.Failure{Kind: retry.Ended}, retry.Stop, retry.Stop, false},
		{"context ended after", retry.Failure{Kind: retry.Ended, Written: true}, retry.Stop, retry.Stop, true},
		{"2xx that cannot be used", retry.Failure{Kind: retry.Unusable}, retry.Stop, retry.Stop, true},
		{"408", status(408), retry.Again, retry.Stop, true},
		{"500", status(500), retry.Again, retry.Stop, true},
		{"501", status(501), retry.Stop, retry.Stop, false},
		{"502", status(502), retry.Again, retry.Stop, true},
		{"503 with Retry-After", after(503), retry.Again, retry.Stop, true},
		{"504", status(504), retry.Again, retry.Stop, true},
		{"599", status(599), retry.Again, retry.Stop, true},
		{"429", status(429), retry.Again, retry.Again, false},
		{"429 with Retry-After", after(429), retry.Again, retry.Again, false},
		{"409", status(409), retry.Stop, retry.Stop, false},
		{"409 with Retry-After", after(409), retry.Again, retry.Again, false},
		{"401", status(401), retry.Stop, retry.Stop, false},
		{"401 from a clock", retry.Failure{Kind: retry.Answered, Status: 401, ClockWrong: true}, retry.AgainAtOnce, retry.AgainAtOnce, false},
		{"400", status(400), retry.Stop, retry.Stop, false},
		{"403", status(403), retry.Stop, retry.Stop, false},
		{"404", status(404), retry.Stop, retry.Stop, false},
		{"404 with Retry-After", after(404), retry.Stop, retry.Stop, false},
		{"413", status(413), retry.Stop, retry.Stop, false},
		{"307", status(307), retry.Stop, retry.Stop, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.idempotent, retry.Decide(tt.failure, true), "idempotent")
			assert.Equal(t, tt.notIdempotent, retry.Decide(tt.failure, false), "not idempotent")
			assert.Equal(t, tt.unknown, retry.OutcomeUnknown(tt.failure), "outcome unknown")
		})
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	dial := &net.OpError{Op: "dial", Err: errors.New("refused")}
	tests := []struct {
		name    string
		err     error
		written bool
		want    retry.Kind
	}{
		{"dial", dial, false, retry.NotSent},
		{"reset", dial, true, retry.Lost},
		{"unknown host", &net.DNSError{IsNotFound: true}, false, retry.Unreachable},
		{"resolver hiccup", &net.DNSError{IsTemporary: true}, false, retry.NotSent},
		{"verification", &tls.CertificateVerificationError{Err: errors.New("x")}, false, retry.Unreachable},
		{"authority", x509.UnknownAuthorityError{}, false, retry.Unreachable},
		{"host name", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}, false, retry.Unreachable},
		{"expired", x509.CertificateInvalidError{Reason: x509.Expired}, false, retry.Unreachable},
		{"no roots", x509.SystemRootsError{}, false, retry.Unreachable},
		{"plain HTTP on a TLS port", tls.RecordHeaderError{Msg: "x"}, false, retry.NotSent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, retry.Classify(fmt.Errorf("wrapped: %w", tt.err), tt.written))
		})
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	lowest, highest := 500*time.Millisecond, 8*time.Second
	for n, full := range []time.Duration{500, 1000, 2000, 4000, 8000, 8000, 8000} {
		full *= time.Millisecond
		assert.Equal(t, full/2, retry.Delay(n, lowest, highest, 0), "n=%d", n)
		assert.Equal(t, full*3/4, retry.Delay(n, lowest, highest, 0.5), "n=%d", n)
		assert.Less(t, retry.Delay(n, lowest, highest, 0.999), full, "n=%d", n)
	}
	assert.Equal(t, highest/2, retry.Delay(math.MaxInt, lowest, highest, 0))
	assert.Positive(t, retry.Delay(100, math.MaxInt64/3, math.MaxInt64, 0.999))
	assert.Zero(t, retry.Delay(3, 0, 0, 0.5))
}

func TestAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	tests := []struct {
		name, header, date string
		want               time.Duration
		ok                 bool
	}{
		{"absent", "", "", 0, false},
		{"seconds", "7", "", 7 * time.Second, true},
		{"zero", "0", "", 0, true},
		{"blanks around", "  7 ", "", 7 * time.Second, true},
		{"too many seconds", "99999999999999999999", "", math.MaxInt64, true},
		{"all that a Duration holds", "9223372036", "", 9223372036 * time.Second, true},
		{"more than a Duration holds", "9300000000", "", math.MaxInt64, true},
		{"negative", "-1", "", 0, false},
		{"fraction", "1.5", "", 0, false},
		{"word", "soon", "", 0, false},
		{"date against the answer's Date", "Sun, 22 Nov 2026 12:00:30 GMT", "Sun, 22 Nov 2026 12:00:00 GMT", 30 * time.Second, true},
		{"date without Date", "Sun, 22 Nov 2026 10:00:09 GMT", "", 9 * time.Second, true},
		{"date that passed", "Sun, 22 Nov 2026 09:00:00 GMT", "", 0, true},
		{"RFC 850", "Sunday, 22-Nov-26 10:00:09 GMT", "", 9 * time.Second, true},
		{"asctime", "Sun Nov 22 10:00:09 2026", "", 9 * time.Second, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			header.Set("Retry-After", tt.header)
			header.Set("Date", tt.date)
			got, ok := retry.After(header, now)
			assert.Equal(t, tt.ok, ok)
			assert.Equal(t, tt.want, got)
		})
	}
}

func FuzzAfter(f *testing.F) {
	f.Add("7", "")
	f.Add("Sun, 22 Nov 2026 12:00:30 GMT", "Sun, 22 Nov 2026 12:00:00 GMT")
	f.Add("-9223372036854775808", "x")
	f.Add("99999999999999999999999999", "Sun, 22 Nov 0000 12:00:00 GMT")
	f.Fuzz(func(t *testing.T, after, date string) {
		header := http.Header{"Retry-After": {after}, "Date": {date}}
		d, ok := retry.After(header, time.Unix(0, 0))
		if d < 0 || !ok && d != 0 {
			t.Errorf("After(%q, %q) = %v, %v", after, date, d, ok)
		}
	})
}

func FuzzDelay(f *testing.F) {
	f.Add(0, int64(500e6), int64(8e9), 0.5)
	f.Add(63, int64(1), int64(math.MaxInt64), 0.99)
	f.Fuzz(func(t *testing.T, n int, lowest, highest int64, random float64) {
		if lowest < 0 || highest < lowest || !(random >= 0 && random < 1) {
			t.Skip("outside of what a validated policy can hold")
		}
		d := retry.Delay(n, time.Duration(lowest), time.Duration(highest), random)
		if d < 0 || d > time.Duration(highest) {
			t.Errorf("Delay(%d, %d, %d, %v) = %d", n, lowest, highest, random, d)
		}
	})
}

// A delay that cannot be doubled is the highest.
func TestDelayNearTheLargest(t *testing.T) {
	t.Parallel()
	assert.Equal(t, time.Duration(math.MaxInt64/2), retry.Delay(1, math.MaxInt64/4*3, math.MaxInt64, 0))
	assert.Equal(t, time.Duration(math.MaxInt64/4), retry.Delay(2, math.MaxInt64/3*2, math.MaxInt64/2, 0))
}

func TestPolicyWithDefaults(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]retry.Policy{
		"attempts": {MaxAttempts: -1}, "least": {MinDelay: -1}, "longest": {MaxDelay: -1}, "asked": {MaxRetryAfter: -1},
	} {
		_, problem := policy.WithDefaults()
		assert.NotEmpty(t, problem, name)
	}
	full, problem := retry.Policy{}.WithDefaults()
	assert.Empty(t, problem)
	again, problem := full.WithDefaults()
	assert.Empty(t, problem)
	assert.Equal(t, full, again)
}

// There is no time for a wait that ends with the context.
func TestWaitIfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		assert.ErrorIs(t, retry.WaitIfTime(ctx, time.Second), context.DeadlineExceeded)
		assert.Equal(t, begin, time.Now())
		assert.NoError(t, retry.WaitIfTime(ctx, time.Second-1))
		assert.Equal(t, time.Second-1, time.Since(begin))
	})
}
