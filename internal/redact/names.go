package redact

import (
	"bytes"
	"reflect"
	"strings"
)

// Encoded takes out the values of a text that encoding/json has made of value, as Body does. It
// also takes out the names of members that are no fields of structs: the keys of maps, and names
// that a MarshalJSON method has made. The names within a []byte or a json.RawMessage stay.
func (r *Redactor) Encoded(text []byte, value any) {
	if r.longest == 0 {
		return
	}
	fields := fieldNames{names: make(map[string]bool), left: mostValues}
	fields.walk(reflect.ValueOf(value))
	r.fields = fields.names
	r.Body(text)
	r.fields = nil
}

// isKey reports whether the name of a member is to be taken out.
func (r *Redactor) isKey(name []byte) bool { return r.fields != nil && !r.fields[string(name)] }

// mostValues is the number of values that are searched for structs. The names of a struct that
// stands behind them count as keys.
const mostValues = 10_000

// fieldNames are the names that encoding/json gives to the fields of the structs in a value.
type fieldNames struct {
	names map[string]bool
	left  int // how many more values are searched
}

func (f *fieldNames) walk(v reflect.Value) {
	if f.left == 0 || isPlain(v.Kind()) {
		return
	}
	f.left--
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		f.walk(v.Elem())
	case reflect.Slice, reflect.Array:
		f.elements(v)
	case reflect.Struct:
		for i, t := 0, v.Type(); i < t.NumField(); i++ {
			if field := t.Field(i); isEncoded(field) {
				f.names[nameOf(field)] = true
				f.walk(v.Field(i))
			}
		}
	case reflect.Map:
		if isPlain(v.Type().Elem().Kind()) {
			return
		}
		for entries := v.MapRange(); f.left > 0 && entries.Next(); {
			f.walk(entries.Value())
		}
	}
}

func (f *fieldNames) elements(v reflect.Value) {
	switch kind := v.Type().Elem().Kind(); {
	case kind == reflect.Uint8 && v.Kind() == reflect.Slice:
		f.raw(v.Bytes())
	case isPlain(kind):
	default:
		for i := 0; i < v.Len() && f.left > 0; i++ {
			f.walk(v.Index(i))
		}
	}
}

// raw adds the names of a JSON text.
func (f *fieldNames) raw(text []byte) {
	for f.left > 0 {
		quote := bytes.IndexByte(text, '"')
		if quote < 0 {
			return
		}
		f.left--
		literal, _ := stringLiteral(text[quote+1:])
		after := min(quote+1+len(literal)+1, len(text))
		if isName(text, after) {
			f.names[string(literal)] = true
		}
		text = text[after:]
	}
}

// isEncoded reports whether encoding/json encodes a field.
func isEncoded(field reflect.StructField) bool {
	if field.IsExported() {
		return field.Tag.Get("json") != "-"
	}
	t := field.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return field.Anonymous && t.Kind() == reflect.Struct
}

// nameOf returns the name that encoding/json gives to a field.
func nameOf(field reflect.StructField) string {
	if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
		return name
	}
	return field.Name
}

// isPlain reports whether values of a kind can hold no struct. The invalid kind is that of a nil.
func isPlain(kind reflect.Kind) bool { return kind <= reflect.Complex128 || kind == reflect.String }
