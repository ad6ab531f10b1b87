package clock

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// dateHeader is the header of an answer whose clock is off from now.
func dateHeader(off time.Duration) http.Header {
	return http.Header{"Date": {time.Now().Add(off).UTC().Format(http.TimeFormat)}}
}

func TestClock(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		off      time.Duration // of the service's clock
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

func TestClock_what_it_does_not_trust(t *testing.T) {
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
		time.Sleep(longestRoundTrip + 1)
		assert.Zero(t, c.Read(dateHeader(time.Hour), sent), "a slow answer")
	})
}

// The offset follows the service's clock, and ends when the local clock is right.
func TestClock_heals(t *testing.T) {
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
