// Package redact removes the values that a call has sent from a text before it is shown.
//
// It finds a value as it is and as URLs, JSON, HTML and Go's %q write it. It keeps values below
// four characters, since they may be parts of words.
//
// The texts are short and what was sent may be large. A Redactor therefore indexes the texts and
// then reads what was sent once, without copying it.
//
// It knows texts and encodings. It must not know who sent what, or where a text is shown.
package redact

import (
	"bytes"
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mark replaces a value.
const Mark = "[redacted]"

const (
	// shortest is the number of characters from which a value is taken out.
	shortest = 4
	// shown is the length that texts are cut to. A longer text is searched up to twice that. A
	// value that begins before the end of the search is found by its beginning, so that no half of
	// it is shown.
	shown = 1 << 10
	// searched is the length of a value that is more than any text has.
	searched = 2*shown + 1
)

// A Redactor takes values out of some texts. It is for one goroutine.
type Redactor struct {
	texts    []string
	readings []reading // the readings of all texts, one for each way to read a text
	longest  int       // the length of the longest text, in bytes
	filter   filter
	fields   map[string]bool // the names of struct fields in an encoded value, nil: no name is a key
	searched map[string]bool // values that were searched for in full
	spans    []span
	scratch  []byte
}

// A span is a range of one text.
type span struct{ text, start, end int }

// New returns a Redactor of the given texts.
func New(texts ...string) *Redactor {
	r := &Redactor{searched: make(map[string]bool)}
	for i, text := range texts {
		cut := len(text) > 2*shown
		text = text[:min(len(text), 2*shown)]
		r.texts = append(r.texts, text)
		r.longest = max(r.longest, len(text))
		r.readings = append(r.readings, readings(i, text, cut)...)
	}
	r.filter = newFilter(r.readings)
	return r
}

// Texts returns the texts without the values that were given. A text above 1 KiB is cut, and ends
// with an ellipsis.
func (r *Redactor) Texts() []string {
	slices.SortFunc(r.spans, func(a, b span) int {
		if a.text != b.text {
			return a.text - b.text
		}
		if a.start != b.start {
			return a.start - b.start
		}
		return b.end - a.end
	})
	clean := make([]string, len(r.texts))
	spans := r.spans
	for i, text := range r.texts {
		count := 0
		for count < len(spans) && spans[count].text == i {
			count++
		}
		clean[i] = replace(text, spans[:count])
		spans = spans[count:]
	}
	return clean
}

// replace replaces spans, in their order, and cuts what is too long.
func replace(text string, spans []span) string {
	var b strings.Builder
	end, done := min(len(text), shown), 0
	for end < len(text) && end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	for _, s := range spans {
		if s.start >= end {
			break
		}
		if s.start >= done {
			b.WriteString(text[done:s.start])
			b.WriteString(Mark)
		}
		done = max(done, s.end)
	}
	if done < end {
		b.WriteString(text[done:end])
	}
	if end < len(text) {
		b.WriteString("…")
	}
	return b.String()
}

// Value takes out value.
func (r *Redactor) Value(value string) {
	r.bytes([]byte(value[:min(len(value), searched)]))
}

// Values takes out each value.
func (r *Redactor) Values(values ...string) {
	for _, value := range values {
		r.Value(value)
	}
}

// Headers takes out the values of headers, as Header does.
func (r *Redactor) Headers(header map[string][]string) {
	for _, values := range header {
		for _, value := range values {
			r.Header(value)
		}
	}
}

// Header takes out the value of a header, and its parts at commas, semicolons and spaces. It also
// takes out the value of a part name=value.
func (r *Redactor) Header(value string) {
	r.Value(value)
	for part := range strings.FieldsFuncSeq(value, func(c rune) bool { return c == ',' || c == ';' || c == ' ' || c == '\t' }) {
		r.Value(part)
		if _, inner, ok := strings.Cut(part, "="); ok {
			r.Value(strings.Trim(inner, `"`))
		}
	}
}

// Path takes out each segment of an escaped path, and the values of matrix parameters in it.
func (r *Redactor) Path(path string) {
	for segment := range strings.SplitSeq(path, "/") {
		r.unescaped(segment, url.PathUnescape)
		for parameter := range strings.SplitSeq(segment, ";") {
			if _, value, ok := strings.Cut(parameter, "="); ok {
				r.unescaped(value, url.PathUnescape)
			} else if parameter != segment {
				r.unescaped(parameter, url.PathUnescape)
			}
		}
	}
}

// Form takes out each value of an encoded query or form.
func (r *Redactor) Form(encoded string) {
	for parameter := range strings.FieldsFuncSeq(encoded, func(c rune) bool { return c == '&' || c == ';' }) {
		if _, value, ok := strings.Cut(parameter, "="); ok {
			r.unescaped(value, url.QueryUnescape)
		}
	}
}

// unescaped takes out text as it is and unescaped.
func (r *Redactor) unescaped(text string, unescape func(string) (string, error)) {
	if len(text) < shortest {
		return
	}
	r.Value(text)
	if strings.ContainsAny(text, "%+") {
		if plain, err := unescape(text); err == nil && plain != text {
			r.Value(plain)
		}
	}
}

// Body takes out each string and number of a JSON or NDJSON body, but for the names of members, and
// each value of a form. It takes out any other body as a whole.
func (r *Redactor) Body(body []byte) {
	if r.longest == 0 {
		return
	}
	trimmed := bytes.TrimSpace(body)
	r.bytes(trimmed)
	switch isJSON, mayBeForm := kindOf(trimmed); {
	case isJSON:
		r.json(body)
		if !mayBeForm {
			return
		}
		fallthrough
	case mayBeForm:
		r.form(trimmed)
	}
}

// kindOf reports whether a body begins as a JSON text does and whether it may be a form. A form may
// begin with a digit.
func kindOf(body []byte) (isJSON, mayBeForm bool) {
	if len(body) == 0 {
		return false, false
	}
	switch c := body[0]; {
	case c == '{' || c == '[' || c == '"':
		return true, false
	case c == '-' || isDigit(c):
		isJSON = true
	default:
		for _, literal := range []string{"null", "true", "false"} {
			isJSON = isJSON || bytes.HasPrefix(body, []byte(literal))
		}
	}
	return isJSON, bytes.IndexByte(body, '=') >= 0
}

// form takes out the values of a form, as Form does, but without copying it.
func (r *Redactor) form(body []byte) {
	for len(body) > 0 {
		pair := body
		if end := bytes.IndexByte(body, '&'); end >= 0 {
			pair, body = body[:end], body[end+1:]
		} else {
			body = nil
		}
		if at := bytes.IndexByte(pair, '='); at >= 0 && len(pair)-at-1 >= shortest {
			r.formValue(pair[at+1:])
		}
	}
}

func (r *Redactor) formValue(value []byte) {
	r.filtered(value)
	escape := indexSign(value[:min(len(value), searched)], "%+")
	if escape < 0 || escape >= 4 && !r.filter.begins(value[:4]) {
		return // it has no escape, or begins as no text does
	}
	r.decoded(value, "%+", percent)
}

// decoded takes out a value with its escapes undone. It undoes a few escapes first: for most values
// these show that no text holds them.
func (r *Redactor) decoded(value []byte, signs string, decode decoder) {
	const few = 4 * 6 // four escapes have at most this many bytes and stand for four bytes or more
	if len(value) > few && !r.filter.begins(r.decode(value[:few], signs, decode)) {
		return
	}
	r.filtered(r.decode(value, signs, decode))
}

// filtered takes out a value as bytes does. It is fast for a value that no text holds.
func (r *Redactor) filtered(value []byte) {
	if len(value) >= shortest && r.filter.passes(value) {
		r.bytes(value)
	}
}

// json reads the literals of a JSON text. It accepts any text, since a JSON text that breaks off
// has values too.
func (r *Redactor) json(body []byte) {
	for i := 0; i < len(body); {
		c := body[i]
		switch {
		case c == '"':
			literal, escaped := stringLiteral(body[i+1:])
			after := i + 1 + len(literal) + 1
			if len(literal) >= shortest && (escaped || r.filter.passes(literal)) && (!isName(body, after) || r.isKey(literal)) {
				r.literal(literal, escaped)
			}
			i = after
		case c == '-' || isDigit(c):
			end := i + 1
			for end < len(body) && isNumeric(body[end]) {
				end++
			}
			r.filtered(body[i:end])
			i = end
		default:
			i++
		}
	}
}

// stringLiteral returns the inside of the string that begins text.
func stringLiteral(text []byte) (literal []byte, escaped bool) {
	const few = 32 // bytes that are read one by one: most strings are short
	for i, c := range text[:min(len(text), few)] {
		switch c {
		case '"':
			return text[:i], false
		case '\\':
			return longLiteral(text, i)
		}
	}
	return longLiteral(text, min(len(text), few))
}

// longLiteral returns the same as stringLiteral for a text without a quote and a backslash before
// from.
func longLiteral(text []byte, from int) (literal []byte, escaped bool) {
	for i := from; i < len(text); {
		next := bytes.IndexByte(text[i:], '"')
		if next < 0 {
			break
		}
		end := i + next
		backslashes := 0
		for end-backslashes > from && text[end-backslashes-1] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return text[:end], bytes.IndexByte(text[from:end], '\\') >= 0
		}
		i = end + 1
	}
	return text, bytes.IndexByte(text[from:], '\\') >= 0
}

// isName reports whether a colon follows, which makes a string the name of a member.
func isName(body []byte, after int) bool {
	for after < len(body) {
		switch body[after] {
		case ' ', '\t', '\r', '\n':
			after++
		default:
			return body[after] == ':'
		}
	}
	return false
}

// literal takes out the string of a JSON literal.
func (r *Redactor) literal(literal []byte, escaped bool) {
	if escaped {
		r.decoded(literal, `\`, backslash)
		return
	}
	r.filtered(literal)
}

// decode undoes the escapes of value in a buffer that is used again. It decodes no more of a long
// value than a text can hold.
func (r *Redactor) decode(value []byte, signs string, decode decoder) []byte {
	r.scratch = r.scratch[:0]
	for len(value) > 0 && len(r.scratch) < searched {
		next := indexSign(value[:min(len(value), searched)], signs)
		if next < 0 {
			next = min(len(value), searched)
		}
		r.scratch = append(r.scratch, value[:next]...)
		if value = value[next:]; len(value) == 0 {
			break
		}
		length := 0
		if r.scratch, length = decode(r.scratch, value); length == 0 {
			r.scratch, length = append(r.scratch, value[0]), 1
		}
		value = value[length:]
	}
	return r.scratch
}

// indexSign returns the place of the first of one or two signs, -1 if there is none.
func indexSign(text []byte, signs string) int {
	if len(signs) == 1 {
		return bytes.IndexByte(text, signs[0])
	}
	for i, c := range text {
		if c == signs[0] || c == signs[1] {
			return i
		}
	}
	return -1
}

// bytes takes out a piece of a body, as Value does.
func (r *Redactor) bytes(value []byte) {
	value = value[:min(len(value), searched)]
	if len(value) < 4*shortest && utf8.RuneCount(value) < shortest {
		return
	}
	r.search(value)
	if r.filter.all && !utf8.Valid(value) {
		r.search([]byte(string([]rune(string(value))))) // JSON has the value in this form
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isNumeric(c byte) bool {
	return isDigit(c) || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}

var quoted = regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*(?:"|\\?$)`)

// Quoted empties what a text quotes, also a quote that was cut. Errors of the standard library
// quote what the other side has sent: headers, status lines and addresses.
func Quoted(text string) string { return quoted.ReplaceAllString(text, `"…"`) }

// OneLine makes a foreign text fit for a line of a log: it is cut at 300 bytes, and what does not
// print becomes a space.
func OneLine(text string) string {
	const most = 300
	if len(text) > most {
		cut := most
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// PathError takes the path out of the error of a file system, since a path may be named after a
// person. It leaves the last element of a file that does not exist. Other errors stay as they are.
func PathError(err error) error {
	var withPath *fs.PathError
	if !errors.As(err, &withPath) {
		return err
	}
	text := withPath.Op + ": " + withPath.Err.Error()
	if errors.Is(err, fs.ErrNotExist) {
		text = withPath.Op + " " + OneLine(filepath.Base(withPath.Path)) + ": " + withPath.Err.Error()
	}
	return Reword(err, text)
}

// Reword returns err with another text.
func Reword(err error, text string) error { return &reworded{text, err} }

type reworded struct {
	text string
	err  error
}

func (e *reworded) Error() string { return e.text }
func (e *reworded) Unwrap() error { return e.err }
