package lenient

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// noon is the moment that most tests use.
var noon = time.Date(2020, 2, 21, 12, 0, 0, 0, time.UTC)

func TestParseTime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want time.Time
	}{
		{text: "2020-02-21 12:00:00", want: noon},
		{text: "2020-02-21 12:00:00+0000", want: noon},
		{text: "2020-02-21 12:00:00.000", want: noon},
		{text: "2020-02-21 12:00:00.000+0000", want: noon},
		{text: "2020-02-21T12:00:00", want: noon},
		{text: "2020-02-21T12:00:00Z", want: noon},
		{text: "2020-02-21T18:00:00+06:00", want: noon},
		{text: "2020-02-20 22:30:00-1330", want: noon},
		{text: "2020-02-21 12:00:00.5", want: noon.Add(500 * time.Millisecond)},
		{text: "2020-02-21 12:00:00.098", want: noon.Add(98 * time.Millisecond)},
		{text: "2020-02-21T12:00:00.123456789Z", want: noon.Add(123456789)},
		{text: "2024-02-29 00:00:00", want: time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)},
		{text: "0000-01-01 00:00:00", want: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)},
		{text: "0000-06-01 12:00:00+0100", want: time.Date(0, 6, 1, 11, 0, 0, 0, time.UTC)},
		{text: "9999-06-01 12:00:00-0100", want: time.Date(9999, 6, 1, 13, 0, 0, 0, time.UTC)},
		{text: "9999-12-31 23:59:59", want: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
	} {
		got, ok := ParseTime([]byte(test.text))
		assert.True(t, ok, test.text)
		assert.True(t, test.want == got, test.text) //nolint:testifylint // the operator is what is tested
		assert.Equal(t, time.UTC, got.Location(), test.text)
	}
	for _, text := range []string{
		"", "2020-02-21", "2020-02-21 12:00", "2020-02-21 12:00:00 ", " 2020-02-21 12:00:00", "2020-02-21 12:00:00 +0000",
		"2020-02-21 12:00:00.", "2020-02-21 12:00:00,5", "2020-02-21 12:00:00.1234567890", "2020-02-21 12:00:00+00",
		"2020-02-21 12:00:00+2400", "2020-02-21 12:00:00+0060", "2020-02-21 12:00:00+00:0a", "2020-02-21t12:00:00z",
		"2020-02-21_12:00:00", "2020/02/21 12:00:00", "2020-00-21 12:00:00", "2020-13-21 12:00:00", "2020-02-00 12:00:00",
		"2020-02-30 12:00:00", "2023-02-29 12:00:00", "2020-02-21 24:00:00", "2020-02-21 12:60:00", "2020-02-21 12:00:60",
		"-020-02-21 12:00:00", "2020-02-21 1a:00:00", "0001-01-01 00:00:00", "0001-01-01T01:00:00+01:00",
		"0000-01-01 00:00:00+0100", "9999-12-31 23:59:59-0100", "Fri Feb 21 12:00:00 UTC 2020",
	} {
		got, ok := ParseTime([]byte(text))
		assert.False(t, ok, text)
		assert.Zero(t, got, text)
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		json   string
		moment time.Time
		text   string
	}{
		{json: `"2020-02-21 12:00:00"`, moment: noon},
		{json: ` "2020-02-21 12:00:00"`, moment: noon},
		{json: `"\u0032020-02-21 12:00:00"`, moment: noon},
		{json: `null`},
		{json: `""`},
		{json: `"noon"`, text: "noon"},
		{json: `"\u006eoon"`, text: "noon"},
		{json: `1582286400000`, text: "1582286400000"},
		{json: `{ "seconds" : 1582286400 }`, text: `{"seconds":1582286400}`},
	} {
		moment, text, err := Date([]byte(test.json))
		require.NoError(t, err, test.json)
		assert.Equal(t, test.moment, moment, test.json)
		assert.Equal(t, test.text, text, test.json)
	}
	for _, data := range []string{``, `x`, `"`, `"\x"`, `{`, `x2020-02-21 12:00:00"`, `"2020-02-21 12:00:00x`} {
		moment, text, err := Date([]byte(data))
		require.Error(t, err, data)
		assert.Zero(t, moment, data)
		assert.Empty(t, text, data)
	}
}

func TestDateText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text    string
		moment  time.Time
		unknown string
	}{
		{text: "2020-02-21 12:00:00+0000", moment: noon},
		{text: ""},
		{text: "noon", unknown: "noon"},
		{text: "no\xffon", unknown: "no\uFFFDon"},
	} {
		moment, unknown := DateText([]byte(test.text))
		assert.Equal(t, test.moment, moment, test.text)
		assert.Equal(t, test.unknown, unknown, test.text)
	}
}

func TestAppendTime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		moment time.Time
		want   string
	}{
		{moment: noon, want: "x2020-02-21 12:00:00"},
		{moment: noon.In(time.FixedZone("Asia/Almaty", 5*60*60)), want: "x2020-02-21 12:00:00"},
		{moment: noon.Add(120 * time.Millisecond), want: "x2020-02-21 12:00:00.120"},
		{moment: noon.Add(120 * time.Microsecond), want: "x2020-02-21 12:00:00.00012"},
		{moment: noon.Add(1), want: "x2020-02-21 12:00:00.000000001"},
		{moment: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), want: "x0000-01-01 00:00:00"},
		{moment: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), want: "x9999-12-31 23:59:59"},
	} {
		got, err := AppendTime([]byte("x"), test.moment)
		require.NoError(t, err)
		assert.Equal(t, test.want, string(got))
	}
	for _, year := range []int{-1, 10000} {
		got, err := AppendTime([]byte("x"), time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
		require.Error(t, err)
		assert.Equal(t, "x", string(got))
	}
}

// Each separator is needed, and each part has its largest value.
func TestParseTimeOfOneOddPart(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"2026x01-02 03:04:05", "2026-01x02 03:04:05", "2026-01-02x03:04:05", "2026-01-02 03x04:05", "2026-01-02 03:04x05",
		"2026-01-02 24:04:05", "2026-01-02 03:60:05", "2026-01-02 03:04:60", "2026-01-02 03:04:05+24:00", "2026-01-02 03:04:05+00:60",
	} {
		_, ok := ParseTime([]byte(text))
		assert.False(t, ok, text)
	}
	for _, text := range []string{
		"2026-01-02 23:59:59", "2026-01-02T03:04:05", "2026-01-02 03:04:05+23:00", "2026-01-02 03:04:05-00:59", "2026-01-02 03:04:05+2359",
	} {
		_, ok := ParseTime([]byte(text))
		assert.True(t, ok, text)
	}
}
