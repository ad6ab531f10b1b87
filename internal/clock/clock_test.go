package clock

import (
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// dateHeader returns the header of an answer from a service whose clock is ahead of ours by off.
func dateHeader(off time.Duration) http.Header {
	return http.Header{"Date": {time.Now().Add(off).UTC().Format(http.TimeFormat)}}
}

func TestClock(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		off      time.Duration // the offset of the service's clock
		explains bool
		offset   time.Duration
	}{
		"the same":         {},
		"four seconds":     {off: 4 * time.Second},
		"five seconds":     {off: -5 * time.Second},
		"six seconds":      {off: 6 * time.Second, offset: 6 * time.Second},
		"half a minute":    {off: 30 * time.Second, offset: 30 * time.Second},
		"above half":       {off: -31 * time.Second, explains: true, offset: -31 * time.Second},
		"an hour":          {off: time.Hour, explains: true, offset: time.Hour},
		"years, backwards": {off: -50_000 * time.Hour, explains: true, offset: -50_000 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := New(time.Now)
				reading := c.Read(dateHeader(test.off), time.Now())
				assert.Equal(t, test.explains, reading.ExplainsRefusal())
				offset, changed := c.Adopt(reading)
				assert.Equal(t, test.offset, offset)
				assert.Equal(t, test.offset != 0, changed)
				assert.Equal(t, test.offset != 0, c.Corrected())
				assert.Equal(t, time.Now().Add(test.offset), c.Now())
				assert.Equal(t, time.Now(), c.Local())
			})
		})
	}
}

func TestClockWhatItDoesNotTrust(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New(time.Now)
		sent := time.Now()
		cached := dateHeader(time.Hour)
		cached.Set("Age", "1")
		assert.Zero(t, c.Read(cached, sent), "a cached answer")
		assert.Zero(t, c.Read(http.Header{}, sent), "no Date")
		assert.Zero(t, c.Read(http.Header{"Date": {"yesterday"}}, sent), "not a date")
		assert.NotZero(t, c.Read(dateHeader(time.Hour), sent))
		time.Sleep(longestRoundTrip)
		assert.NotZero(t, c.Read(dateHeader(time.Hour), sent), "the slowest answer that is trusted")
		time.Sleep(time.Nanosecond)
		assert.Zero(t, c.Read(dateHeader(time.Hour), sent), "a slow answer")
	})
}

// The offset follows the service's clock. It becomes zero when the local clock is right.
func TestClockHeals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wrong := -time.Hour
		c := New(func() time.Time { return time.Now().Add(wrong) })
		_, changed := c.Adopt(c.Read(dateHeader(0), time.Now()))
		assert.True(t, changed)
		assert.Equal(t, time.Now(), c.Now())
		_, changed = c.Adopt(c.Read(dateHeader(2*time.Second), time.Now()))
		assert.False(t, changed)
		assert.Equal(t, time.Hour, c.Offset())
		wrong = 0
		_, changed = c.Adopt(c.Read(dateHeader(0), time.Now()))
		assert.True(t, changed)
		assert.False(t, c.Corrected())
	})
}

// FuzzClock sends any Date header. The clock must not panic, and after a reading it differs from
// the Date by no more than the precision of Date.
func FuzzClock(f *testing.F) {
	f.Add("Sat, 01 Jan 2000 00:00:00 GMT", "", int64(0))
	f.Add("Sat, 01 Jan 2000 01:00:00 GMT", "", int64(time.Hour))
	f.Add("Fri, 31 Dec 9999 23:59:59 GMT", "", int64(-time.Hour))
	f.Add("Mon, 01 Jan 0001 00:00:00 GMT", "", int64(math.MaxInt64))
	f.Add("Saturday, 01-Jan-00 00:00:00 GMT", "0", int64(math.MinInt64))
	f.Add("Sat Jan  1 00:00:06 2000", "", int64(1))
	f.Fuzz(func(t *testing.T, date, age string, before int64) {
		local := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		c := New(func() time.Time { return local })
		c.offset.Store(before)
		header := http.Header{"Date": {date}}
		if age != "" {
			header.Set("Age", age)
		}
		reading := c.Read(header, time.Now())
		offset, changed := c.Adopt(reading)
		assert.Equal(t, offset, c.Offset())
		assert.Equal(t, local.Add(offset), c.Now())
		want, err := http.ParseTime(date)
		if err != nil || age != "" {
			assert.Zero(t, reading)
			assert.False(t, changed)
			assert.Equal(t, time.Duration(before), offset)
			return
		}
		if far := want.Sub(local).Abs(); far < 1<<61 && time.Duration(before).Abs() < 1<<61 { // above that the difference would overflow
			assert.LessOrEqual(t, want.Sub(c.Now()).Abs(), leastSkew)
			assert.Equal(t, (time.Duration(before)-offset).Abs() > leastSkew, changed)
		}
	})
}

// A local clock that is right again needs no offset, although its Date may differ by some seconds.
func TestClockHealsWithinThePrecision(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{0, 3 * time.Second, -leastSkew, leastSkew} {
		synctest.Test(t, func(t *testing.T) {
			c := New(time.Now)
			c.Adopt(c.Read(dateHeader(time.Hour), time.Now()))
			assert.True(t, c.Corrected())
			offset, changed := c.Adopt(c.Read(dateHeader(off), time.Now()))
			assert.True(t, changed)
			assert.Zero(t, offset)
			assert.False(t, c.Corrected())
		})
	}
}

// An offset stays while the service's clock differs from the corrected one by no more than the
// precision of Date.
func TestClockKeepsAnOffsetWithinThePrecision(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New(time.Now)
		c.Adopt(c.Read(dateHeader(time.Hour), time.Now()))
		for _, off := range []time.Duration{leastSkew, -leastSkew} {
			offset, changed := c.Adopt(c.Read(dateHeader(time.Hour+off), time.Now()))
			assert.False(t, changed)
			assert.Equal(t, time.Hour, offset)
			assert.Equal(t, time.Hour, c.Offset())
		}
	})
}

// Two answers may be read before the offset of either is taken. The second one changes the offset
// noticeably only if the two differ by more than the precision of Date.
func TestClockAdoptsTwoReadingsOfOneMoment(t *testing.T) {
	t.Parallel()
	for apart, changes := range map[time.Duration]bool{leastSkew: false, leastSkew + time.Second: true} {
		synctest.Test(t, func(t *testing.T) {
			c := New(time.Now)
			first, second := c.Read(dateHeader(time.Minute), time.Now()), c.Read(dateHeader(time.Minute+apart), time.Now())
			_, changed := c.Adopt(first)
			assert.True(t, changed)
			offset, changed := c.Adopt(second)
			assert.Equal(t, changes, changed)
			assert.Equal(t, time.Minute+apart, offset)
		})
	}
}
