// Package retry decides whether a call is made again and after what wait, and waits. What it
// decides depends on its arguments alone.
//
// It knows kinds of failures, statuses and delays. It must not know a request, an answer, or the
// words for what has failed.
package retry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind is what became of one attempt.
type Kind int

const (
	// Local: the attempt failed on this side, before the network was asked.
	Local Kind = iota
	// NotSent: nothing was written (dial, TLS handshake, DNS hiccup).
	NotSent
	// Unreachable: the certificate is invalid or the host does not exist.
	Unreachable
	// Lost: connection lost, answer cut off or no progress, after bytes were
	// written or may have been.
	Lost
	// Ended: the caller's context ended.
	Ended
	// Answered: the service answered with a status other than 2xx.
	Answered
	// Unusable: a 2xx whose body cannot be used.
	Unusable
)

// Failure is what is known of an attempt that did not succeed.
type Failure struct {
	Kind Kind
	// Written: bytes of the request were written, or may have been. It counts
	// for Ended only: the other kinds imply it.
	Written bool
	// Status, HasRetryAfter and ClockWrong are of Answered. ClockWrong: the
	// service refused the timestamp, or a 401 without a code came with a Date
	// far from our clock.
	Status        int
	HasRetryAfter bool
	RetryAfter    time.Duration
	ClockWrong    bool
}

// Verdict is what follows from a failure.
type Verdict int

const (
	// Stop: the failure is the result of the call.
	Stop Verdict = iota
	// Again: another attempt follows after a delay.
	Again
	// AgainAtOnce: another attempt follows without a delay, and only once in a call.
	AgainAtOnce
)

// Decide returns what follows from a failure of a call that is idempotent (a read, a token, a link)
// or not (a create, an upload, a submit). The package documentation of idngo has its table.
func Decide(f Failure, idempotent bool) Verdict {
	switch f.Kind {
	case NotSent:
		return Again
	case Lost:
		return againIf(idempotent)
	case Answered:
		switch {
		case f.Status == http.StatusUnauthorized && f.ClockWrong:
			return AgainAtOnce
		case f.Status == http.StatusTooManyRequests, f.Status == http.StatusConflict && f.HasRetryAfter:
			return Again // refused before it ran
		case serverFault(f.Status):
			return againIf(idempotent)
		}
	}
	return Stop
}

// OutcomeUnknown reports whether the effect of a call may have happened,
// unseen, in an attempt that failed like this.
func OutcomeUnknown(f Failure) bool {
	switch f.Kind {
	case Lost, Unusable:
		return true
	case Ended:
		return f.Written
	case Answered:
		return serverFault(f.Status)
	}
	return false
}

// serverFault: statuses that say nothing about whether the call was carried
// out. 501 says that it was not.
func serverFault(status int) bool {
	return status == http.StatusRequestTimeout || status >= 500 && status != http.StatusNotImplemented
}

func againIf(idempotent bool) Verdict {
	if idempotent {
		return Again
	}
	return Stop
}

// Classify tells the kind of an error that came instead of an answer. written
// says whether bytes of the request were written or may have been.
func Classify(err error, written bool) Kind {
	var (
		dns       *net.DNSError
		verify    *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		roots     x509.SystemRootsError
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound,
		errors.As(err, &verify), errors.As(err, &authority), errors.As(err, &host),
		errors.As(err, &invalid), errors.As(err, &roots):
		return Unreachable
	case written:
		return Lost
	}
	return NotSent
}

// Policy says how often a call is made and after what delays.
type Policy struct {
	MaxAttempts        int
	MinDelay, MaxDelay time.Duration
	MaxRetryAfter      time.Duration // a longer one ends the call
}

// WithDefaults returns the policy with the defaults for zero fields, and what is
// wrong with it, "" if nothing is.
func (p Policy) WithDefaults() (full Policy, problem string) {
	if p.MaxAttempts < 0 || p.MinDelay < 0 || p.MaxDelay < 0 || p.MaxRetryAfter < 0 {
		return p, "has a negative field"
	}
	if p.MaxAttempts == 0 {
		p.MaxAttempts = 3
	}
	if p.MinDelay == 0 {
		p.MinDelay = 500 * time.Millisecond
		if p.MaxDelay > 0 {
			p.MinDelay = min(p.MinDelay, p.MaxDelay)
		}
	}
	if p.MaxDelay == 0 {
		p.MaxDelay = max(8*time.Second, p.MinDelay)
	}
	if p.MaxRetryAfter == 0 {
		p.MaxRetryAfter = time.Minute
	}
	if p.MinDelay > p.MaxDelay {
		return p, "has a MinDelay above its MaxDelay"
	}
	return p, ""
}

// Tries counts the attempts of one call and what they have come to.
type Tries struct {
	Policy     Policy
	Idempotent bool // the call may be made more than once
	HasEffect  bool // an attempt may have taken effect

	Made       int  // attempts that failed
	Unknown    bool // one of them may have taken effect, unseen
	waits      int
	clockTried bool
}

// Next counts a failed attempt. It returns whether another one follows, and after
// what delay. left is the time until the deadline; inTime is false if the wait for
// the next attempt would not end before it. random returns numbers in [0,1).
func (t *Tries) Next(failed Failure, left time.Duration, random func() float64) (delay time.Duration, again, inTime bool) {
	t.Made++
	t.Unknown = t.Unknown || t.HasEffect && OutcomeUnknown(failed)
	verdict := Decide(failed, t.Idempotent)
	switch {
	case verdict == Stop, t.Made >= t.Policy.MaxAttempts, failed.RetryAfter > t.Policy.MaxRetryAfter:
		return 0, false, true
	case verdict == AgainAtOnce:
		again, t.clockTried = !t.clockTried, true
		return 0, again, true
	}
	delay = Delay(t.waits, t.Policy.MinDelay, t.Policy.MaxDelay, random())
	least := max(delay, failed.RetryAfter)
	delay = max(delay, Spread(failed.RetryAfter, random()))
	t.waits++
	if delay >= left {
		delay = least // there is no time to spread
	}
	return delay, delay < left, delay < left
}

// Passes reports whether a status is one that may be gone at the next call.
func Passes(status int, hasRetryAfter bool) bool {
	switch status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusConflict:
		return hasRetryAfter
	}
	return serverFault(status)
}

// Delay is the wait after the n-th failure, counted from 0: lowest doubled n
// times, highest at the most, half of it fixed and half of it random. random
// is in [0,1).
func Delay(n int, lowest, highest time.Duration, random float64) time.Duration {
	d := lowest
	for ; n > 0 && d < highest; n-- {
		if d > math.MaxInt64/2 {
			d = highest
			break
		}
		d *= 2
	}
	d = min(d, highest)
	return d/2 + time.Duration(float64(d-d/2)*random)
}

// Spread returns a wait that was asked for, up to a tenth longer, so that many
// callers do not come back at one instant. random is in [0,1).
func Spread(asked time.Duration, random float64) time.Duration {
	return asked + min(time.Duration(float64(asked)*0.1*random), math.MaxInt64-asked)
}

// After reads a Retry-After header: whole seconds, or an HTTP date, which is
// measured against the Date of the same answer (now stands in for a missing
// one). A time that has passed is zero. ok is false for anything else.
func After(header http.Header, now time.Time) (d time.Duration, ok bool) {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if digits(text) {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(math.MaxInt64/time.Second) {
			return math.MaxInt64, true // longer than anyone will wait
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return max(0, at.Sub(now)), true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
