// Package retry decides whether a call is made again and after what wait, and waits. Its decisions
// depend only on its arguments.
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

// Kind is the way in which an attempt failed.
type Kind int

const (
	// Local means that the attempt failed on this side, before it used the network.
	Local Kind = iota
	// NotSent means that nothing was written (dial, TLS handshake, temporary DNS failure).
	NotSent
	// Unreachable means that the certificate is invalid or the host does not exist.
	Unreachable
	// Lost means that the connection was lost, the answer was cut off or there was no progress,
	// after bytes were written or may have been.
	Lost
	// Ended means that the caller's context has ended.
	Ended
	// Answered means that the service answered with a status other than 2xx.
	Answered
	// Unusable means a 2xx whose body cannot be used.
	Unusable
)

// Failure describes an attempt that did not succeed.
type Failure struct {
	Kind Kind
	// Written reports that bytes of the request were written, or may have been. It is used for Ended
	// only, since the other kinds imply it.
	Written bool
	// Status, HasRetryAfter, RetryAfter and ClockWrong describe an answer.
	Status        int
	HasRetryAfter bool
	RetryAfter    time.Duration
	// ClockWrong reports that the service refused the timestamp, or that a 401 without a code came
	// with a Date far from our clock.
	ClockWrong bool
}

// Verdict is the decision about a failure.
type Verdict int

const (
	// Stop means that the failure is the result of the call.
	Stop Verdict = iota
	// Again means another attempt, after a delay.
	Again
	// AgainAtOnce means another attempt without a delay, with a new timestamp, and only once in a
	// call.
	AgainAtOnce
)

// Decide returns the decision about a failure of a call that is idempotent (a read, a token, a
// link) or not (a create, an upload, a submit). The package documentation of idngo has its table.
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
			return Again // the service refused the call before it ran
		case serverFault(f.Status):
			return againIf(idempotent)
		}
	}
	return Stop
}

// OutcomeUnknown reports whether a call may have taken effect in an attempt that
// failed in this way.
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

// serverFault reports whether a status leaves open if the call was carried out. A
// 501 means that it was not.
func serverFault(status int) bool {
	return status == http.StatusRequestTimeout || status >= 500 && status != http.StatusNotImplemented
}

func againIf(idempotent bool) Verdict {
	if idempotent {
		return Again
	}
	return Stop
}

// Classify returns the kind of an error that came instead of an answer. written
// reports whether bytes of the request were written or may have been.
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

// Policy is the number of attempts of a call and the delays between them.
type Policy struct {
	MaxAttempts        int
	MinDelay, MaxDelay time.Duration
	MaxRetryAfter      time.Duration // a longer one ends the call
}

// WithDefaults returns the policy with the defaults for zero fields. problem is
// what is wrong with it, "" if nothing is.
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

// Tries counts the attempts of one call.
type Tries struct {
	Policy     Policy
	Idempotent bool // the call may be made more than once
	HasEffect  bool // an attempt may have taken effect

	Made       int  // attempts that failed
	Unknown    bool // one of them may have taken effect
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
	case verdict == Stop, t.Made >= t.Policy.MaxAttempts:
		return 0, false, true
	case verdict == AgainAtOnce:
		again, t.clockTried = !t.clockTried, true
		return 0, again, true
	case failed.RetryAfter > t.Policy.MaxRetryAfter:
		return 0, false, true
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

// Passes reports whether a status is temporary: the next call may succeed.
func Passes(status int, hasRetryAfter bool) bool {
	switch status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusConflict:
		return hasRetryAfter
	}
	return serverFault(status)
}

// Delay returns the wait after the n-th failure, counted from 0. It is lowest
// doubled n times, and highest at most. Half of it is fixed and half is random.
// random is in [0,1).
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

// Spread returns a wait that is up to a tenth longer than asked, so that many
// callers do not come back at one instant. random is in [0,1).
func Spread(asked time.Duration, random float64) time.Duration {
	return asked + min(time.Duration(float64(asked)*0.1*random), math.MaxInt64-asked)
}

// After reads a Retry-After header: whole seconds or an HTTP date. It compares a
// date with the Date of the same answer, or with now if there is none. It returns
// zero for a time that has passed. ok is false for anything else.
func After(header http.Header, now time.Time) (d time.Duration, ok bool) {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if digits(text) {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(math.MaxInt64/time.Second) {
			return math.MaxInt64, true // longer than any caller waits
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
