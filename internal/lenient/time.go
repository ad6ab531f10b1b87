package lenient

import (
	"errors"
	"time"
)

// Date returns the moment that a JSON value means. If [ParseTime] does not know
// its form, Date returns its [Text]. Both are zero for null and "". It returns an
// error if data is not JSON.
func Date(data []byte) (moment time.Time, text string, err error) {
	if last := len(data) - 1; last > 0 && data[0] == '"' && data[last] == '"' { // most dates are such strings
		if moment, ok := ParseTime(data[1:last]); ok {
			return moment, "", nil
		}
	}
	text, err = Text(data)
	if err != nil {
		return time.Time{}, "", err
	}
	moment, text = DateText([]byte(text))
	return moment, text, nil
}

// DateText returns the moment that text means. If [ParseTime] does not know its
// form, it returns text itself in valid UTF-8.
func DateText(text []byte) (moment time.Time, unknown string) {
	if moment, ok := ParseTime(text); ok {
		return moment, ""
	}
	return time.Time{}, validUTF8(string(text))
}

// ParseTime returns the moment, in UTC, that text means. It knows the forms that
// the service writes and similar ones: a date, a space or T, a time, an optional
// fraction of up to nine digits, and a zone. The zone is Z, an offset such as
// +0600 or +06:00, or nothing, which means UTC. ParseTime reports false for any
// other form, for a date that does not exist, for the zero [time.Time], and for
// a moment outside the years 0 to 9999 in UTC.
//
// Equal moments are equal under ==, whatever their forms were.
func ParseTime(text []byte) (moment time.Time, ok bool) {
	if len(text) < len(time.DateTime) || text[4] != '-' || text[7] != '-' || text[10] != ' ' && text[10] != 'T' ||
		text[13] != ':' || text[16] != ':' {
		return time.Time{}, false
	}
	year, month, day := Digits(text[:4]), Digits(text[5:7]), Digits(text[8:10])
	hour, minute, second := Digits(text[11:13]), Digits(text[14:16]), Digits(text[17:19])
	if year < 0 || month < 1 || month > 12 || day < 1 || uint(hour) > 23 || uint(minute) > 59 || uint(second) > 59 {
		return time.Time{}, false
	}
	nanos, rest, ok := parseFraction(text[len(time.DateTime):])
	if !ok {
		return time.Time{}, false
	}
	offset, ok := parseOffset(rest)
	if !ok {
		return time.Time{}, false
	}
	moment = time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	if day > 28 && moment.Day() != day { // such as February 30
		return time.Time{}, false
	}
	if offset != 0 {
		moment = moment.Add(-offset)
		if year = moment.Year(); year < 0 || year > 9999 {
			return time.Time{}, false
		}
	}
	return moment, !moment.IsZero()
}

// parseFraction parses the fraction of a second that text begins with, if any,
// and returns what follows it.
func parseFraction(text []byte) (nanos int, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '.' {
		return 0, text, true
	}
	end := 1
	for end < len(text) && '0' <= text[end] && text[end] <= '9' {
		end++
	}
	if end < 2 || end > 10 {
		return 0, nil, false
	}
	nanos = Digits(text[1:end])
	for range 10 - end {
		nanos *= 10
	}
	return nanos, text[end:], true
}

// parseOffset parses nothing, Z, and ±hh:mm with or without the colon.
func parseOffset(text []byte) (offset time.Duration, ok bool) {
	if len(text) == 0 || string(text) == "Z" {
		return 0, true
	}
	if len(text) == 6 && text[3] == ':' {
		text = []byte{text[0], text[1], text[2], text[4], text[5]}
	}
	if len(text) != 5 || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	hours, minutes := Digits(text[1:3]), Digits(text[3:])
	if uint(hours) > 23 || uint(minutes) > 59 {
		return 0, false
	}
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if text[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// AppendTime appends moment in UTC as 2006-01-02 15:04:05, with three to nine
// digits of a fraction if there is one. It returns an error for a year outside of
// 0 to 9999.
func AppendTime(b []byte, moment time.Time) ([]byte, error) {
	moment = moment.UTC()
	if year := moment.Year(); year < 0 || year > 9999 {
		return b, errors.New("date has a year outside of 0 to 9999")
	}
	switch nanos := moment.Nanosecond(); {
	case nanos == 0:
		return moment.AppendFormat(b, time.DateTime), nil
	case nanos%int(time.Millisecond) == 0:
		return moment.AppendFormat(b, time.DateTime+".000"), nil
	}
	return moment.AppendFormat(b, time.DateTime+".999999999"), nil
}
