// Package oneline is an error for one line of a log. It names the method that was called, joins its
// causes in one text, and prints nothing else under any verb.
//
// It knows errors and words that it is given. It must not know what a call is, or which errors can
// match.
package oneline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// An Error is the failure of a method.
type Error struct {
	// Method is the method that was called.
	Method string
	// Step says in words which call of the method failed, "" if it is the method itself.
	Step string
	// Text is safe to log: it has no URL and no value that was sent.
	Text string
	// Attempts is shown from 2 on.
	Attempts int
	// Causes are what errors.Is and errors.As find.
	Causes []error
	// Unknown is an error that is matched too, and whose text precedes Text. It may be nil.
	Unknown error
	// Transient reports that another call may succeed.
	Transient bool
}

// Error returns the error on one line.
func (e *Error) Error() string { return "idngo: " + e.Method + ": " + e.Detail() }

// Detail returns Error without the method.
func (e *Error) Detail() string {
	var b strings.Builder
	if e.Step != "" {
		b.WriteString(e.Step + ": ")
	}
	if e.Unknown != nil {
		b.WriteString(e.Unknown.Error() + ": ")
	}
	b.WriteString(e.Text)
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (%d attempts)", e.Attempts)
	}
	return Line(b.String())
}

// Line returns text with a space in place of what does not print. The errors of others may have
// several lines.
func Line(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// Format writes Error for every verb and flag.
func (e *Error) Format(f fmt.State, verb rune) { Format(f, verb, e.Error()) }

// Unwrap returns the causes.
func (e *Error) Unwrap() []error { return e.Causes }

// Is matches Unknown.
func (e *Error) Is(target error) bool { return e.Unknown != nil && target == e.Unknown }

// Timeout reports whether a cause is a timeout. It makes Error a net.Error.
func (e *Error) Timeout() bool { return IsTimeout(e.Causes...) }

// Temporary returns the same as Timeout.
func (e *Error) Temporary() bool { return IsTimeout(e.Causes...) }

// IsTimeout reports whether one of errs is a timeout.
func IsTimeout(errs ...error) bool {
	for _, err := range errs {
		var timeout interface{ Timeout() bool }
		if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
			return true
		}
	}
	return false
}

// Format writes text, quoted for %q. For every other verb fmt would show the fields of an error.
func Format(f fmt.State, verb rune, text string) {
	if verb == 'q' {
		text = strconv.Quote(text)
	}
	_, _ = io.WriteString(f, text)
}
