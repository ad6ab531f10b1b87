// Package clock learns the clock of a service from the Date headers of its answers.
//
// It knows two clocks and the time a call took. It must not know which call it was, or what follows
// from a wrong clock.
package clock

import (
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// leastSkew is the difference that Date explains by itself: it has whole seconds, and the
	// answer has travelled.
	leastSkew = 5 * time.Second
	// plainSkew is the difference from which a refusal without a reason is explained by the clock.
	plainSkew = 30 * time.Second
	// longestRoundTrip is the duration of an exchange from which its Date is too imprecise to use.
	longestRoundTrip = 10 * time.Second
)

// A Clock is a local clock and the offset to the service's. It is safe for concurrent use.
type Clock struct {
	local  func() time.Time
	offset atomic.Int64 // nanoseconds to add to the local clock
}

// New returns a clock without an offset.
func New(local func() time.Time) *Clock { return &Clock{local: local} }

// Local returns the time of the local clock, uncorrected.
func (c *Clock) Local() time.Time { return c.local() }

// Now returns the corrected time, which is an estimate of the service's clock.
func (c *Clock) Now() time.Time { return c.local().Add(c.Offset()) }

// Offset returns the duration that Now adds to the local clock.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Corrected reports whether there is an offset.
func (c *Clock) Corrected() bool { return c.offset.Load() != 0 }

// A Reading is the reading of one Date header. It is zero when the Date cannot be trusted.
type Reading struct {
	offset time.Duration // the offset of the service's clock from the local clock
	wrong  time.Duration // the offset of the service's clock from the corrected clock
}

// Read reads the Date of an answer to a request that was sent at sent, as time.Now returned it. It
// returns a zero Reading for a cached answer (Age), a slow one and one without a Date.
func (c *Clock) Read(header http.Header, sent time.Time) (reading Reading) {
	if header.Get("Age") != "" || time.Since(sent) > longestRoundTrip {
		return reading
	}
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return reading
	}
	reading.offset = date.Sub(c.local())
	reading.wrong = reading.offset - c.Offset()
	return reading
}

// ExplainsRefusal reports whether the clocks differ so much that a service would refuse a
// timestamp.
func (r Reading) ExplainsRefusal() bool { return r.wrong.Abs() > plainSkew }

// Adopt takes the offset of a reading, if the clock differs by more than the precision of Date. It
// reports whether the offset has changed noticeably, and returns the offset in force.
func (c *Clock) Adopt(reading Reading) (offset time.Duration, changed bool) {
	if reading.wrong.Abs() <= leastSkew {
		return c.Offset(), false
	}
	if reading.offset.Abs() <= leastSkew {
		reading.offset = 0 // the local clock is right again
	}
	before := time.Duration(c.offset.Swap(int64(reading.offset)))
	return reading.offset, (before - reading.offset).Abs() > leastSkew
}
