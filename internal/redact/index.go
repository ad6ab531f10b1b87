package redact

import (
	"bytes"
	"encoding/binary"
	"math"
	"sort"
	"strings"
	"unicode/utf8"
)

// A reading is one of the texts with one kind of escapes undone.
type reading struct {
	text    int // the number of the text
	plain   []byte
	known   int      // how many bytes of a value must be in the text, if the value begins in the part that is shown
	escapes []escape // the pieces in which plain differs from the text
	short   windows  // the windows of four bytes
	long    windows  // the windows of eight bytes
}

// An escape is a piece of the text and the piece of plain that it stands for.
type escape struct{ plainStart, plainEnd, textStart, textEnd int }

// readings returns the ways to read a text, without those that change nothing.
func readings(number int, text string, cut bool) []reading {
	list := []reading{newReading(number, text, nil, cut)}
	add := func(decode func(string) (string, []escape), signs string) {
		if strings.ContainsAny(text, signs) {
			if plain, escapes := decode(text); plain != text {
				list = append(list, newReading(number, plain, escapes, cut))
			}
		}
	}
	add(unpercent, "%")
	add(unpercentPlus, "%+")
	add(unbackslash, `\`)
	add(unentity, "&")
	return list
}

func newReading(number int, plain string, escapes []escape, cut bool) reading {
	r := reading{
		text: number, plain: []byte(plain), escapes: escapes, known: math.MaxInt,
		short: newWindows(plain, 4), long: newWindows(plain, 8),
	}
	if cut {
		// The text continues after the part that is searched.
		r.known = len(plain) - longestEscape - sort.Search(len(plain), func(at int) bool { return r.position(at, true) >= shown })
	}
	return r
}

// windows is a set of all pieces of one length of a text. It may hold a few that are not in it.
type windows struct {
	bits  []uint64
	shift uint
}

func newWindows(text string, length int) windows {
	count := len(text) - length + 1
	if count <= 0 {
		return windows{}
	}
	log := uint(6)
	for 1<<log < 16*count {
		log++
	}
	w := windows{bits: make([]uint64, 1<<(log-6)), shift: 64 - log}
	for i := range count {
		var piece uint64
		if length == 8 {
			piece = binary.LittleEndian.Uint64([]byte(text[i : i+8]))
		} else {
			piece = uint64(binary.LittleEndian.Uint32([]byte(text[i : i+4])))
		}
		bit := w.hash(piece)
		w.bits[bit/64] |= 1 << (bit % 64)
	}
	return w
}

func (w windows) hash(piece uint64) uint64 { return piece * 0x9e3779b97f4a7c15 >> w.shift }

func (w windows) has(piece uint64) bool {
	if len(w.bits) == 0 {
		return false
	}
	bit := w.hash(piece)
	return w.bits[bit/64]>>(bit%64)&1 != 0
}

// A filter rejects most values that no text holds, at little cost.
type filter struct {
	pieces windows // the windows of four bytes of all readings
	all    bool    // every value passes: a text has characters that were replaced
	cut    bool    // a text continues after the part that is searched
}

func newFilter(readings []reading) (f filter) {
	var plain []byte
	for _, r := range readings {
		plain = append(append(plain, r.plain...), 0, 0, 0, 0)
		f.all = f.all || bytes.ContainsRune(r.plain, utf8.RuneError)
		f.cut = f.cut || r.known < math.MaxInt
	}
	f.pieces = newWindows(string(plain), 4)
	return f
}

// begins reports whether a text may hold a value with these first bytes.
func (f *filter) begins(beginning []byte) bool {
	return f.all || len(beginning) < 4 || f.pieces.has(uint64(binary.LittleEndian.Uint32(beginning)))
}

// passes reports whether a text may hold value. value has at least four bytes.
func (f *filter) passes(value []byte) bool {
	return f.all || f.pieces.has(uint64(binary.LittleEndian.Uint32(value))) &&
		(f.cut || f.pieces.has(uint64(binary.LittleEndian.Uint32(value[len(value)-4:]))))
}

// mayHold reports whether a text may hold value: it holds the first and the last bytes of value.
// value has at least four bytes.
func (r *Redactor) mayHold(value []byte) bool {
	for i := range r.readings {
		if r.readings[i].mayHold(value) {
			return true
		}
	}
	return false
}

func (r *reading) mayHold(value []byte) bool {
	value = value[:min(len(value), r.known)]
	size := len(value)
	switch {
	case size > len(r.plain):
		return false
	case size >= 8:
		return r.long.has(binary.LittleEndian.Uint64(value)) && r.long.has(binary.LittleEndian.Uint64(value[size-8:]))
	}
	return r.short.has(uint64(binary.LittleEndian.Uint32(value))) && r.short.has(uint64(binary.LittleEndian.Uint32(value[size-4:])))
}

// search adds the spans of value in every text. It copies the value only if a text holds it.
func (r *Redactor) search(value []byte) {
	if !r.mayHold(value) || r.searched[string(value)] {
		return
	}
	before := len(r.spans)
	for i := range r.readings {
		r.spans = r.readings[i].search(value, r.spans)
	}
	if len(r.spans) > before {
		r.searched[string(value)] = true
	}
}

// search appends the spans of value.
func (r *reading) search(value []byte, spans []span) []span {
	beginning := value[:min(len(value), r.known)]
	for from := 0; ; {
		at := bytes.Index(r.plain[from:], beginning)
		if at < 0 {
			return spans
		}
		start := from + at
		end := start + len(beginning)
		for end < len(r.plain) && end-start < len(value) && r.plain[end] == value[end-start] {
			end++
		}
		from = start + 1
		if r.known < math.MaxInt && end > len(r.plain)-longestEscape {
			end = len(r.plain) // the rest may be a part of an escape
		} else if end-start < len(value) {
			continue
		}
		spans = append(spans, span{r.text, r.position(start, false), r.position(end, true)})
		from = end
	}
}

// position returns the place in the text for a place in plain. For a place within an escape it
// returns the start of the escape or, for the end of a span, its end.
func (r *reading) position(plain int, end bool) int {
	next := sort.Search(len(r.escapes), func(i int) bool { return r.escapes[i].plainEnd > plain })
	if next < len(r.escapes) && r.escapes[next].plainStart < plain {
		if end {
			return r.escapes[next].textEnd
		}
		return r.escapes[next].textStart
	}
	if next == 0 {
		return plain
	}
	before := r.escapes[next-1]
	return before.textEnd + plain - before.plainEnd
}
