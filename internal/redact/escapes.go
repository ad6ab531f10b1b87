package redact

import (
	"bytes"
	"html"
	"unicode/utf16"
	"unicode/utf8"
)

// A decoder appends to dst what the escape that begins text stands for. It returns the length of
// the escape, 0 if none begins there.
type decoder func(dst, text []byte) (plain []byte, length int)

// longestEscape is the length of the longest escape that is undone: &#x0010ffff; or two \uXXXX.
const longestEscape = 12

// undo undoes the escapes of a text, each of which begins with one of signs.
func undo(text, signs string, decode decoder) (string, []escape) {
	var plain []byte
	var escapes []escape
	source := []byte(text)
	for at := 0; at < len(source); {
		next := bytes.IndexAny(source[at:], signs)
		if next < 0 {
			plain = append(plain, source[at:]...)
			break
		}
		plain = append(plain, source[at:at+next]...)
		at += next
		start := len(plain)
		decoded, length := decode(plain, source[at:])
		if length == 0 {
			decoded, length = append(decoded, source[at]), 1
		}
		plain = decoded
		if !bytes.Equal(plain[start:], source[at:at+length]) {
			escapes = append(escapes, escape{start, len(plain), at, at + length})
		}
		at += length
	}
	return string(plain), escapes
}

// unpercent undoes the escapes of a URL path.
func unpercent(text string) (string, []escape) { return undo(text, "%", percent) }

// unpercentPlus undoes the escapes of a query, where a plus is a space.
func unpercentPlus(text string) (string, []escape) { return undo(text, "%+", percent) }

func percent(dst, text []byte) ([]byte, int) {
	if text[0] == '+' {
		return append(dst, ' '), 1
	}
	value, ok := hexadecimal(text, 1, 2)
	if !ok {
		return dst, 0
	}
	return append(dst, byte(value)), 3
}

// unbackslash undoes the escapes of JSON and of Go's %q.
func unbackslash(text string) (string, []escape) { return undo(text, `\`, backslash) }

func backslash(dst, text []byte) ([]byte, int) {
	if len(text) < 2 {
		return dst, 0
	}
	if at := bytes.IndexByte([]byte(`abfnrtv"\/'`), text[1]); at >= 0 {
		return append(dst, "\a\b\f\n\r\t\v\"\\/'"[at]), 2
	}
	switch text[1] {
	case 'x':
		if value, ok := hexadecimal(text, 2, 2); ok {
			return append(dst, byte(value)), 4
		}
	case 'U':
		if value, ok := hexadecimal(text, 2, 8); ok {
			return utf8.AppendRune(dst, value), 10
		}
	case 'u':
		return unicodeEscape(dst, text)
	}
	return dst, 0
}

// unicodeEscape decodes one \uXXXX, or two that are a pair of surrogates.
func unicodeEscape(dst, text []byte) ([]byte, int) {
	value, ok := hexadecimal(text, 2, 4)
	if !ok {
		return dst, 0
	}
	if utf16.IsSurrogate(value) && len(text) >= 12 && text[6] == '\\' && text[7] == 'u' {
		if second, ok := hexadecimal(text, 8, 4); ok {
			if pair := utf16.DecodeRune(value, second); pair != utf8.RuneError {
				return utf8.AppendRune(dst, pair), 12
			}
		}
	}
	return utf8.AppendRune(dst, value), 6
}

func hexadecimal(text []byte, from, length int) (value rune, ok bool) {
	if len(text) < from+length {
		return 0, false
	}
	for _, c := range text[from : from+length] {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		value = value<<4 | rune(c)
	}
	return value, value >= 0
}

// unentity undoes the escapes of HTML.
func unentity(text string) (string, []escape) { return undo(text, "&", entity) }

func entity(dst, text []byte) ([]byte, int) {
	end := bytes.IndexByte(text[:min(len(text), longestEscape)], ';')
	if end < 0 {
		return dst, 0
	}
	escaped := string(text[:end+1])
	plain := html.UnescapeString(escaped)
	if plain == escaped {
		return dst, 0
	}
	return append(dst, plain...), end + 1
}
