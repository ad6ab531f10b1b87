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

// TestDecide checks each cell of the table of retries in the package documentation.
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
		{name: "refused on this side", failure: retry.Failure{Kind: retry.Local}, idempotent: retry.Stop, notIdempotent: retry.Stop},
		{name: "nothing was written", failure: retry.Failure{Kind: retry.NotSent}, idempotent: retry.Again, notIdempotent: retry.Again},
		{name: "certificate or host", failure: retry.Failure{Kind: retry.Unreachable}, idempotent: retry.Stop, notIdempotent: retry.Stop},
		{name: "lost", failure: retry.Failure{Kind: retry.Lost}, idempotent: retry.Again, notIdempotent: retry.Stop, unknown: true},
		{name: "context ended before", failure: retry.Failure{Kind: retry.Ended}, idempotent: retry.Stop, notIdempotent: retry.Stop},
		{
			name: "context ended after", failure: retry.Failure{Kind: retry.Ended, Written: true}, idempotent: retry.Stop,
			notIdempotent: retry.Stop, unknown: true,
		},
		{
			name: "2xx that cannot be used", failure: retry.Failure{Kind: retry.Unusable}, idempotent: retry.Stop,
			notIdempotent: retry.Stop, unknown: true,
		},
		{name: "408", failure: status(408), idempotent: retry.Again, notIdempotent: retry.Stop, unknown: true},
		{name: "500", failure: status(500), idempotent: retry.Again, notIdempotent: retry.Stop, unknown: true},
		{name: "501", failure: status(501), idempotent: retry.Stop, notIdempotent: retry.Stop},
		{name: "502", failure: status(502), idempotent: retry.Again, notIdempotent: retry.Stop, unknown: true},
		{name: "503 with Retry-After", failure: after(503), idempotent: retry.Again, notIdempotent: retry.Stop, unknown: true},
		{name: "504", failure: status(504), idempotent: retry.Again, notIdempotent: retry.Stop, unknown: true},
		{name: "599", failure: status(599), idempotent: retry.Again, notIdempotent: retry.Stop, unknown: true},
		{name: "429", failure: status(429), idempotent: retry.Again, notIdempotent: retry.Again},
		{name: "429 with Retry-After", failure: after(429), idempotent: retry.Again, notIdempotent: retry.Again},
		{name: "409", failure: status(409), idempotent: retry.Stop, notIdempotent: retry.Stop},
		{name: "409 with Retry-After", failure: after(409), idempotent: retry.Again, notIdempotent: retry.Again},
		{name: "401", failure: status(401), idempotent: retry.Stop, notIdempotent: retry.Stop},
		{
			name: "401 from a clock", failure: retry.Failure{Kind: retry.Answered, Status: 401, ClockWrong: true},
			idempotent: retry.AgainAtOnce, notIdempotent: retry.AgainAtOnce,
		},
		{name: "400", failure: status(400), idempotent: retry.Stop, notIdempotent: retry.Stop},
		{name: "403", failure: status(403), idempotent: retry.Stop, notIdempotent: retry.Stop},
		{name: "404", failure: status(404), idempotent: retry.Stop, notIdempotent: retry.Stop},
		{name: "404 with Retry-After", failure: after(404), idempotent: retry.Stop, notIdempotent: retry.Stop},
		{name: "413", failure: status(413), idempotent: retry.Stop, notIdempotent: retry.Stop},
		{name: "307", failure: status(307), idempotent: retry.Stop, notIdempotent: retry.Stop},
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
		{name: "dial", err: dial, want: retry.NotSent},
		{name: "reset", err: dial, written: true, want: retry.Lost},
		{name: "unknown host", err: &net.DNSError{IsNotFound: true}, want: retry.Unreachable},
		{name: "resolver hiccup", err: &net.DNSError{IsTemporary: true}, want: retry.NotSent},
		{name: "verification", err: &tls.CertificateVerificationError{Err: errors.New("x")}, want: retry.Unreachable},
		{name: "authority", err: x509.UnknownAuthorityError{}, want: retry.Unreachable},
		{name: "host name", err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}, want: retry.Unreachable},
		{name: "expired", err: x509.CertificateInvalidError{Reason: x509.Expired}, want: retry.Unreachable},
		{name: "no roots", err: x509.SystemRootsError{}, want: retry.Unreachable},
		{name: "plain HTTP on a TLS port", err: tls.RecordHeaderError{Msg: "x"}, want: retry.NotSent},
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
		{name: "absent"},
		{name: "seconds", header: "7", want: 7 * time.Second, ok: true},
		{name: "zero", header: "0", ok: true},
		{name: "blanks around", header: "  7 ", want: 7 * time.Second, ok: true},
		{name: "too many seconds", header: "99999999999999999999", want: math.MaxInt64, ok: true},
		{name: "all that a Duration holds", header: "9223372036", want: 9223372036 * time.Second, ok: true},
		{name: "more than a Duration holds", header: "9300000000", want: math.MaxInt64, ok: true},
		{name: "negative", header: "-1"},
		{name: "fraction", header: "1.5"},
		{name: "word", header: "soon"},
		{
			name: "date against the answer's Date", header: "Sun, 22 Nov 2026 12:00:30 GMT",
			date: "Sun, 22 Nov 2026 12:00:00 GMT", want: 30 * time.Second, ok: true,
		},
		{name: "date without Date", header: "Sun, 22 Nov 2026 10:00:09 GMT", want: 9 * time.Second, ok: true},
		{name: "date that passed", header: "Sun, 22 Nov 2026 09:00:00 GMT", ok: true},
		{name: "RFC 850", header: "Sunday, 22-Nov-26 10:00:09 GMT", want: 9 * time.Second, ok: true},
		{name: "asctime", header: "Sun Nov 22 10:00:09 2026", want: 9 * time.Second, ok: true},
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

// halfway is a random number that makes the delays of easyPolicy 75, 150, 300 and 300 ms.
func halfway() float64 { return 0.5 }

// easyPolicy returns a policy with round delays and the given number of attempts.
func easyPolicy(attempts int) retry.Policy {
	return retry.Policy{
		MaxAttempts: attempts, MinDelay: 100 * time.Millisecond, MaxDelay: 400 * time.Millisecond, MaxRetryAfter: 10 * time.Second,
	}
}

func TestTriesOneFailure(t *testing.T) {
	t.Parallel()
	const noDeadline = time.Duration(math.MaxInt64)
	tooMany := func(after time.Duration) retry.Failure {
		return retry.Failure{Kind: retry.Answered, Status: 429, HasRetryAfter: true, RetryAfter: after}
	}
	wrongClock := retry.Failure{Kind: retry.Answered, Status: 401, ClockWrong: true}
	lost, notSent := retry.Failure{Kind: retry.Lost}, retry.Failure{Kind: retry.NotSent}
	for name, test := range map[string]struct {
		tries   retry.Tries
		failed  retry.Failure
		left    time.Duration
		delay   time.Duration
		again   bool
		late    bool // whether the wait would not end in time
		unknown bool
	}{
		"idempotent": {
			tries: retry.Tries{Idempotent: true}, failed: lost, left: noDeadline, delay: 75 * time.Millisecond, again: true,
		},
		"not sent": {
			tries: retry.Tries{HasEffect: true}, failed: notSent, left: noDeadline, delay: 75 * time.Millisecond, again: true,
		},
		"not idempotent":           {tries: retry.Tries{HasEffect: true}, failed: lost, left: noDeadline, unknown: true},
		"the last attempt":         {tries: retry.Tries{Idempotent: true, Made: 2}, failed: lost, left: noDeadline},
		"unknown from before":      {tries: retry.Tries{Unknown: true, Made: 2}, failed: notSent, left: noDeadline, unknown: true},
		"a clock that was wrong":   {failed: wrongClock, left: noDeadline, again: true},
		"Retry-After below ours":   {failed: tooMany(time.Millisecond), left: noDeadline, delay: 75 * time.Millisecond, again: true},
		"Retry-After of zero":      {failed: tooMany(0), left: noDeadline, delay: 75 * time.Millisecond, again: true},
		"Retry-After is spread":    {failed: tooMany(4 * time.Second), left: noDeadline, delay: 4200 * time.Millisecond, again: true},
		"Retry-After at its limit": {failed: tooMany(10 * time.Second), left: noDeadline, delay: 10500 * time.Millisecond, again: true},
		"Retry-After above it":     {failed: tooMany(10*time.Second + 1), left: noDeadline},
		"no time to spread":        {failed: tooMany(4 * time.Second), left: 4100 * time.Millisecond, delay: 4 * time.Second, again: true},
		"just no time to spread":   {failed: tooMany(4 * time.Second), left: 4200 * time.Millisecond, delay: 4 * time.Second, again: true},
		"no time for Retry-After":  {failed: tooMany(4 * time.Second), left: 4 * time.Second, delay: 4 * time.Second, late: true},
		"no time for the delay":    {failed: notSent, left: 75 * time.Millisecond, delay: 75 * time.Millisecond, late: true},
		"just enough time":         {failed: notSent, left: 75*time.Millisecond + 1, delay: 75 * time.Millisecond, again: true},
		"after the deadline":       {failed: notSent, left: -1, delay: 75 * time.Millisecond, late: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tries, made := test.tries, test.tries.Made
			tries.Policy = easyPolicy(3)
			delay, again, inTime := tries.Next(test.failed, test.left, halfway)
			assert.Equal(t, test.delay, delay)
			assert.Equal(t, test.again, again)
			assert.Equal(t, !test.late, inTime)
			assert.Equal(t, test.unknown, tries.Unknown)
			assert.Equal(t, made+1, tries.Made)
		})
	}
}

// The delays grow with each wait. An attempt that follows at once has no wait, and there is one in
// a call at most.
func TestTriesOfOneCall(t *testing.T) {
	t.Parallel()
	lost := retry.Failure{Kind: retry.Lost}
	wrongClock := retry.Failure{Kind: retry.Answered, Status: 401, ClockWrong: true}
	tries := retry.Tries{Policy: easyPolicy(10), Idempotent: true}
	for i, step := range []struct {
		failed retry.Failure
		delay  time.Duration
		again  bool
	}{
		{failed: lost, delay: 75 * time.Millisecond, again: true},
		{failed: wrongClock, again: true},
		{failed: lost, delay: 150 * time.Millisecond, again: true},
		{failed: lost, delay: 300 * time.Millisecond, again: true},
		{failed: lost, delay: 300 * time.Millisecond, again: true},
		{failed: wrongClock},
	} {
		delay, again, inTime := tries.Next(step.failed, math.MaxInt64, halfway)
		assert.Equal(t, step.delay, delay, "step %d", i)
		assert.Equal(t, step.again, again, "step %d", i)
		assert.True(t, inTime, "step %d", i)
	}
	assert.Equal(t, 6, tries.Made)
}

func TestPolicy_WithDefaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		policy, want retry.Policy
		problem      string
	}{
		"zero": {
			want: retry.Policy{MaxAttempts: 3, MinDelay: 500 * time.Millisecond, MaxDelay: 8 * time.Second, MaxRetryAfter: time.Minute},
		},
		"all set": {policy: easyPolicy(7), want: easyPolicy(7)},
		"a short MaxDelay": {
			policy: retry.Policy{MaxDelay: time.Millisecond},
			want:   retry.Policy{MaxAttempts: 3, MinDelay: time.Millisecond, MaxDelay: time.Millisecond, MaxRetryAfter: time.Minute},
		},
		"a long MinDelay": {
			policy: retry.Policy{MinDelay: time.Hour},
			want:   retry.Policy{MaxAttempts: 3, MinDelay: time.Hour, MaxDelay: time.Hour, MaxRetryAfter: time.Minute},
		},
		"MinDelay above MaxDelay": {policy: retry.Policy{MinDelay: 2, MaxDelay: 1}, problem: "has a MinDelay above its MaxDelay"},
		"negative attempts":       {policy: retry.Policy{MaxAttempts: -1}, problem: "has a negative field"},
		"negative MinDelay":       {policy: retry.Policy{MinDelay: -1}, problem: "has a negative field"},
		"negative MaxDelay":       {policy: retry.Policy{MaxDelay: -1}, problem: "has a negative field"},
		"negative MaxRetryAfter":  {policy: retry.Policy{MaxRetryAfter: -1}, problem: "has a negative field"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problem := test.policy.WithDefaults()
			assert.Equal(t, test.problem, problem)
			if problem == "" {
				assert.Equal(t, test.want, got)
			}
		})
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		asked  time.Duration
		random float64
		want   time.Duration
	}{
		"nothing asked":    {random: 0.9},
		"not at all":       {asked: time.Minute, want: time.Minute},
		"halfway":          {asked: time.Minute, random: 0.5, want: 63 * time.Second},
		"no overflow":      {asked: math.MaxInt64, random: 0.5, want: math.MaxInt64},
		"near an overflow": {asked: math.MaxInt64 - 1, random: 0.5, want: math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, retry.Spread(test.asked, test.random))
		})
	}
}

func TestPasses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct{ plain, withRetryAfter bool }{
		400: {}, 401: {}, 403: {}, 404: {}, 413: {}, 501: {}, 307: {},
		408: {plain: true, withRetryAfter: true},
		409: {withRetryAfter: true},
		429: {plain: true, withRetryAfter: true},
		500: {plain: true, withRetryAfter: true},
		503: {plain: true, withRetryAfter: true},
	} {
		assert.Equal(t, want.plain, retry.Passes(status, false), "%d", status)
		assert.Equal(t, want.withRetryAfter, retry.Passes(status, true), "%d with Retry-After", status)
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

// A delay that would overflow becomes the highest delay.
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

// A wait that ends at the deadline or later does not begin.
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
