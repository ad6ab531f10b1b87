// Package lenient decodes JSON whose types differ from the documented ones, and
// dates in the forms that the service writes. The service sends some ids as
// numbers and others as strings, a boolean as "true", and dates in four forms. A
// client that fails on one such field loses the whole answer.
//
// It knows JSON and dates. It must not know a model, an error or a setting of
// idngo. Its callers decide which fields must be readable.
package lenient

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Decode decodes a JSON object into v. A field of an unexpected JSON type stays
// zero. If there is one, Decode also decodes data into a new Core and returns
// it; otherwise it returns nil. Core has the fields that must be readable. Their
// types accept every JSON type that is allowed for them.
//
// Decode returns an error if data is not JSON or not an object, and if a field
// of Core is unreadable. The error may quote data. It also returns an error for
// data that holds far more values than its length explains.
//
// An UnmarshalJSON method of a field of v must not return an
// [*json.UnmarshalTypeError]: encoding/json would stop there.
func Decode[Core any](data []byte, v any) (*Core, error) {
	if isCrowded(data) {
		return nil, errCrowded
	}
	err := json.Unmarshal(data, v)
	if err == nil {
		return nil, nil
	}
	var wrongType *json.UnmarshalTypeError
	if !errors.As(err, &wrongType) {
		return nil, err
	}
	core := new(Core)
	if json.Unmarshal(data, core) != nil {
		return nil, err
	}
	return core, nil
}

var errCrowded = errors.New("far more values than its length explains")

// isCrowded reports whether data has more objects, nulls or commas than an answer
// of its length. An empty object has two bytes of JSON, and decodes into a struct
// that may have a thousand. In the answers of the specification an object takes 40
// bytes or more on average.
func isCrowded(data []byte) bool {
	const free = 10_000 // of each, in an answer of any length
	return bytes.Count(data, []byte("{")) > free+len(data)/32 || bytes.Count(data, []byte(",")) > free+len(data)/8 ||
		bytes.Count(data, []byte("null")) > free+len(data)/32
}

// Problem describes the error err of decoding a text. It returns "" if err is nil. It does not use
// the text of err, which may quote the decoded text.
func Problem(err error) string {
	if err == nil {
		return ""
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return "it is not JSON (at byte " + strconv.FormatInt(syntax.Offset, 10) + ")"
	}
	return "it is not of the expected shape"
}

// DecodeNested is Decode for an UnmarshalJSON method below the v of a Decode. It
// returns only errors that may pass through encoding/json: data that is not an
// object leaves v zero.
func DecodeNested(data []byte, v any) error {
	_, err := Decode[struct{}](data, v)
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return nil
	}
	return err
}

// An Envelope is a page of a list, either at the root of the JSON or in its field
// list.
type Envelope[Item any] struct {
	List *Page[Item] `json:"list"`
	Page[Item]
}

// A Page is a part of a list.
type Page[Item any] struct {
	Items      []*Item `json:"items"`
	TotalItems *Count  `json:"totalItems"` // the number of items on all pages; nil if absent
}

// Content returns the page, wherever it is.
func (e *Envelope[Item]) Content() *Page[Item] {
	if len(e.Items) == 0 && e.List != nil {
		return e.List
	}
	return &e.Page
}

// SetIDs sets each empty id to the [ID] in the field of that name in data, a JSON
// object. It ignores the case of names, as encoding/json does.
func SetIDs(data []byte, ids map[string]*string) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		for name, id := range ids {
			if *id == "" && strings.EqualFold(field, name) {
				*id, _ = ID(fields[field])
			}
		}
	}
}

// Room returns an empty list with room for as many items as data has members of the
// given name, 16 at most. encoding/json grows a list from one item on, and copies
// more than it keeps. Call Used after decoding.
func Room[Item any](data []byte, member string) []Item {
	const most = 16
	if count := bytes.Count(data, []byte(`"`+member+`"`)); count > 0 {
		return make([]Item, 0, min(count, most))
	}
	return nil
}

// Used returns a list made by Room, nil if nothing was decoded into it.
func Used[Item any](list []Item) []Item {
	if len(list) == 0 && cap(list) > 0 {
		return nil
	}
	return list
}

// ClearNull makes a JSON null nil. encoding/json keeps it as the text null.
func ClearNull(raw *json.RawMessage) {
	if IsNull(*raw) {
		*raw = nil
	}
}

// Bool is a boolean that may be a string or the number 0 or 1. Null changes
// nothing, and any other JSON value is false.
type Bool bool

// UnmarshalJSON decodes any JSON value. It never fails. As for a plain bool, null changes nothing.
func (b *Bool) UnmarshalJSON(data []byte) error {
	if IsNull(data) {
		return nil
	}
	value, _ := strconv.ParseBool(strings.Trim(string(data), `"`))
	*b = Bool(value)
	return nil
}

// Count is a number of things. It may be a string, and "" is 0. Any JSON value
// that is not a count is -1.
type Count int

// UnmarshalJSON decodes any JSON value. It never fails.
func (c *Count) UnmarshalJSON(data []byte) error {
	text := WholeNumber(strings.Trim(string(data), `"`))
	count, err := strconv.Atoi(text)
	if text != "" && err != nil || count < 0 {
		count = -1
	}
	*c = Count(count)
	return nil
}

// Number is a JSON number as it was written, of any size and precision. It may be
// a string that holds one. Any other JSON value is "".
type Number string

// UnmarshalJSON decodes any JSON value. It never fails.
func (n *Number) UnmarshalJSON(data []byte) error {
	*n = ""
	text := string(data)
	if strings.HasPrefix(text, `"`) {
		text, _ = unquote(data)
	}
	if isNumber(text) {
		*n = Number(text)
	}
	return nil
}

// isNumber reports whether text is a number in the grammar of JSON.
func isNumber(text string) bool {
	if text == "" || text[0] != '-' && Digits([]byte(text[:1])) < 0 || Digits([]byte(text[len(text)-1:])) < 0 {
		return false
	}
	return json.Valid([]byte(text))
}

// ID returns the text of an id that may be a string or a number. A number is
// written without exponent and decimals, and null is "". Any other JSON value
// cannot be an id and becomes its JSON without spaces. ID returns an error if
// data is not JSON.
func ID(data []byte) (string, error) {
	if Digits(data) > 0 { // most ids are digits only
		return string(data), nil
	}
	data = bytes.Trim(data, " \t\r\n")
	switch {
	case !json.Valid(data):
		return "", errNotJSON
	case data[0] == '"':
		return unquote(data)
	case IsNull(data):
		return "", nil
	}
	var compact bytes.Buffer
	err := json.Compact(&compact, data)
	return WholeNumber(validUTF8(compact.String())), err
}

// Text returns the content of a JSON string, "" for null, and the JSON of any
// other value as json.Marshal writes it. It returns an error if data is not
// JSON.
func Text(data []byte) (string, error) {
	data = bytes.Trim(data, " \t\r\n")
	switch {
	case !json.Valid(data):
		return "", errNotJSON
	case data[0] == '"':
		return unquote(data)
	case IsNull(data):
		return "", nil
	}
	written, err := json.Marshal(json.RawMessage(data))
	return validUTF8(string(written)), err
}

// IsNull reports whether data is a JSON null, without spaces around it.
func IsNull(data []byte) bool { return string(data) == "null" }

// WholeNumber returns a JSON number without exponent and decimals. It returns any
// other text as it is, also a number that is not whole or is extremely long.
func WholeNumber(text string) string {
	const limit = 64
	if len(text) > limit || !strings.ContainsAny(text, ".eE") {
		return text
	}
	mantissa, exponent := text, 0
	if e := strings.IndexAny(text, "eE"); e >= 0 {
		var err error
		if exponent, err = strconv.Atoi(text[e+1:]); err != nil || exponent < -limit || exponent > limit {
			return text
		}
		mantissa = text[:e]
	}
	unsigned := strings.TrimPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(unsigned, ".")
	zeros := strings.Repeat("0", limit)
	number, point := zeros+whole+fraction+zeros, limit+len(whole)+exponent
	if whole == "" || strings.Trim(number, "0123456789") != "" || strings.Trim(number[point:], "0") != "" {
		return text
	}
	whole = strings.TrimLeft(number[:point], "0")
	if whole == "" {
		return "0"
	}
	return mantissa[:len(mantissa)-len(unsigned)] + whole
}

// Digits parses a number of decimal digits. It returns -1 if text has any other
// character, and 0 if text is empty. A number that does not fit an int overflows.
func Digits(text []byte) int {
	number := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return -1
		}
		number = number*10 + int(c-'0')
	}
	return number
}

var errNotJSON = errors.New("not valid JSON")

// unquote returns the content of a JSON string.
func unquote(data []byte) (string, error) {
	if last := len(data) - 1; last > 0 && data[last] == '"' {
		plain := true
		for _, c := range data[1:last] {
			plain = plain && c >= ' ' && c < 0x7f && c != '"' && c != '\\'
		}
		if plain {
			return string(data[1:last]), nil
		}
	}
	var text string
	err := json.Unmarshal(data, &text)
	return text, err
}

func validUTF8(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// Members returns members of a JSON object in the order of the names. A member of texts must be a
// string. A member of numbers may be a string or a number, and is returned as it is written. It
// returns "" for any other member, and for every member if the text is no object.
func Members(data []byte, texts, numbers []string) []string {
	values := make([]string, len(texts)+len(numbers))
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return values
	}
	for i, name := range append(slices.Clip(texts), numbers...) {
		value := bytes.TrimSpace(members[name])
		if json.Unmarshal(value, &values[i]) != nil && i >= len(texts) && isNumber(string(value)) {
			values[i] = string(value)
		}
	}
	return values
}
