package redact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		give       func(*Redactor)
		text, want string
	}{
		"a value": {
			give: func(r *Redactor) { r.Value("alice") },
			text: "no alice here", want: "no [redacted] here",
		},
		"a value of three": {
			give: func(r *Redactor) { r.Value("bob") },
			text: "no bob here", want: "no bob here",
		},
		"three characters of six": {
			give: func(r *Redactor) { r.Value("ёжи") },
			text: "ёжи", want: "ёжи",
		},
		"four characters of eight": {
			give: func(r *Redactor) { r.Value("ёжик") },
			text: "a ёжик", want: "a [redacted]",
		},
		"twice": {
			give: func(r *Redactor) { r.Value("alice") },
			text: "alice,alice", want: "[redacted],[redacted]",
		},
		"one within another": {
			give: func(r *Redactor) { r.Values("alice", "alice@example.com") },
			text: "x alice@example.com alice", want: "x [redacted] [redacted]",
		},
		"two that overlap": {
			give: func(r *Redactor) { r.Values("abcdef", "defghi") },
			text: "abcdefghi", want: "[redacted]",
		},
		"in a URL path": {
			give: func(r *Redactor) { r.Value("a b/c+d") },
			text: "at a%20b%2fc+d!", want: "at [redacted]!",
		},
		"in a query": {
			give: func(r *Redactor) { r.Value("a b/c+d") },
			text: "at a+b%2Fc%2Bd!", want: "at [redacted]!",
		},
		"in JSON": {
			give: func(r *Redactor) { r.Value(`a"b<c` + "\n\x01") },
			text: `at a\"b\u003cc\n\u0001!`, want: "at [redacted]!",
		},
		"in %q": {
			give: func(r *Redactor) { r.Value("a\xffb\u202ec\a") },
			text: `at a\xffb\u202ec\a!`, want: "at [redacted]!",
		},
		"in HTML": {
			give: func(r *Redactor) { r.Value(`a"b'c<d`) },
			text: `at a&#34;b&#39;c&lt;d and a&quot;b&apos;c&#x3c;d!`, want: "at [redacted] and [redacted]!",
		},
		"as a pair of surrogates": {
			give: func(r *Redactor) { r.Value("a🙂bc") },
			text: `a\ud83d\ude42bc.`, want: "[redacted].",
		},
		"half an escape": {
			give: func(r *Redactor) { r.Value("a\xf0bc") },
			text: "a%F0bc%F", want: "[redacted]%F",
		},
		"matrix parameter": {
			give: func(r *Redactor) { r.Path("/applicants/-;externalUserId=alice%40x.kz/one") },
			text: "no alice@x.kz", want: "no [redacted]",
		},
		"path segment": {
			give: func(r *Redactor) { r.Path("/a/alice%2Fbob/one") },
			text: "no alice/bob", want: "no [redacted]",
		},
		"query value": {
			give: func(r *Redactor) { r.Form("userId=alice&limit=100&q=a%20b%26c") },
			text: "limit userId alice a b&c", want: "limit userId [redacted] [redacted]",
		},
		"header": {
			give: func(r *Redactor) { r.Header("Bearer tokentoken; realm=\"secretrealm\", other") },
			text: "tokentoken secretrealm other", want: "[redacted] [redacted] [redacted]",
		},
		"JSON string": {
			give: func(r *Redactor) { r.Body([]byte(`{"name":{"inner":["alice",12345.5,true]}}`)) },
			text: "name inner alice 12345.5 true", want: "name inner [redacted] [redacted] true",
		},
		"JSON string with escapes": {
			give: func(r *Redactor) { r.Body([]byte(`{"name":"\u0061li\"ce"}`)) },
			text: `no ali"ce`, want: "no [redacted]",
		},
		"second line of NDJSON": {
			give: func(r *Redactor) { r.Body([]byte("{\"a\":\"first\"}\n{\"a\":\"second\"}\n")) },
			text: "first second", want: "[redacted] [redacted]",
		},
		"form body": {
			give: func(r *Redactor) { r.Body([]byte("user=alice%40x.kz&pin=48213")) },
			text: "user alice@x.kz pin 48213", want: "user [redacted] pin [redacted]",
		},
		"other body": {
			give: func(r *Redactor) { r.Body([]byte("hello world\n")) },
			text: "got hello world", want: "got [redacted]",
		},
		"JSON that breaks off": {
			give: func(r *Redactor) { r.Body([]byte(`{"a":"alice","b":"carol`)) },
			text: "alice carol", want: "[redacted] [redacted]",
		},
		"JSON name with spaces": {
			give: func(r *Redactor) { r.Body([]byte(`{"name" : "alice"}`)) },
			text: "name alice", want: "name [redacted]",
		},
		"a number that is a part": {
			give: func(r *Redactor) { r.Body([]byte(`[-12345]`)) },
			text: "is -12345", want: "is [redacted]",
		},
		"nothing": {
			give: func(r *Redactor) { r.Value(""); r.Body(nil); r.Path(""); r.Form(""); r.Header("") },
			text: "text", want: "text",
		},
		"longer than the text": {
			give: func(r *Redactor) { r.Value(strings.Repeat("x", 100)) },
			text: "xxxx", want: "xxxx",
		},
		"matrix parameters without a name, and several": {
			give: func(r *Redactor) { r.Path("/applicants/-;carol%20x;id=alice;mode=b") },
			text: "alice, carol x, mode b", want: "[redacted], [redacted], mode b",
		},
		"form body with a broken escape": {
			give: func(r *Redactor) { r.Body([]byte("user=alice%zz%40x.kz&b=100%")) },
			text: "got alice%zz@x.kz", want: "got [redacted]",
		},
		"form body that begins with a digit": {
			give: func(r *Redactor) { r.Body([]byte("2fa=482134&user=alice%40x.kz")) },
			text: "2fa 482134 alice@x.kz", want: "2fa [redacted] [redacted]",
		},
		"form body with a letter across its 512th byte": {
			give: func(r *Redactor) { r.Body([]byte("a=" + strings.Repeat("b", 509) + "ё&user=alice")) },
			text: "alice", want: "[redacted]",
		},
		"NDJSON that begins with null": {
			give: func(r *Redactor) { r.Body([]byte("null\n{\"a\":\"alice\"}")) },
			text: "alice", want: "[redacted]",
		},
		"a match that begins within one that fails": {
			give: func(r *Redactor) { r.Value("aaaaab") },
			text: "aaaaaaab", want: "aa[redacted]",
		},
		"all headers": {
			give: func(r *Redactor) { r.Headers(map[string][]string{"A": {"first", "second"}, "B": {"third"}, "C": nil}) },
			text: "first second third", want: "[redacted] [redacted] [redacted]",
		},
		"in %+q above U+FFFF": {
			give: func(r *Redactor) { r.Value("a🙂bc") },
			text: `a\U0001f642bc.`, want: "[redacted].",
		},
		"an escape with a wrong digit": {
			give: func(r *Redactor) { r.Value("a/bcd") },
			text: `\x2g a\x2fbcd \U0000002g \u002g`, want: `\x2g [redacted] \U0000002g \u002g`,
		},
		"half a pair of surrogates": {
			give: func(r *Redactor) { r.Value("alice") },
			text: `\ud83d\ud83d \ud83dalice`, want: `\ud83d\ud83d \ud83d[redacted]`,
		},
		"an ampersand that begins no escape": {
			give: func(r *Redactor) { r.Value("a<bcd") },
			text: "&nothing; a&lt;bcd &", want: "&nothing; [redacted] &",
		},
		"half a pair of surrogates at the end": {
			give: func(r *Redactor) { r.Value("alice") },
			text: `alice \ud83d`, want: `[redacted] \ud83d`,
		},
		"a zero": {
			give: func(r *Redactor) { r.Value("a\x00bc") },
			text: `a\u0000bc a\x00bc a%00bc`, want: "[redacted] [redacted] [redacted]",
		},
		"an ampersand before an entity": {
			give: func(r *Redactor) { r.Value("<bcd") },
			text: "& &lt;bcd", want: "& [redacted]",
		},
		"bytes of half a letter": {
			give: func(r *Redactor) { r.Values("\x91bcd", "efg\xd1") },
			text: `a\u0451bcd efg\u0451.`, want: "a[redacted] [redacted].",
		},
		"header of short parts": {
			give: func(r *Redactor) { r.Header("ab cd") },
			text: "ab cd", want: "[redacted]",
		},
		"NDJSON that begins with a minus": {
			give: func(r *Redactor) { r.Body([]byte("-9907\n{\"a\":\"alice\"}\n48213")) },
			text: "-9907 alice 48213", want: "[redacted] [redacted] [redacted]",
		},
		"form body with a name only": {
			give: func(r *Redactor) { r.Body([]byte("user=alice&remember")) },
			text: "alice remember", want: "[redacted] remember",
		},
		"two beside each other": {
			give: func(r *Redactor) { r.Values("alice", "carol") },
			text: "no alicecarol", want: "no [redacted][redacted]",
		},
		"one letter only": {
			give: func(r *Redactor) { r.Value("aaaa") },
			text: "aaaaaaaab", want: "[redacted][redacted]b",
		},
		"four characters of a path": {
			give: func(r *Redactor) { r.Path("/abcd/-;defg;a=hijk") },
			text: "abcd defg hijk", want: "[redacted] [redacted] [redacted]",
		},
		"four characters of a query": {
			give: func(r *Redactor) { r.Form("a=bcde") },
			text: "a bcde", want: "a [redacted]",
		},
		"four characters of a form body": {
			give: func(r *Redactor) { r.Body([]byte("a=bcde&f=%20xyz")) },
			text: "bcde, xyz", want: "[redacted],[redacted]",
		},
		"four characters of JSON": {
			give: func(r *Redactor) { r.Body([]byte(`["abcd",4821,-999,"\u0065"]`)) },
			text: "abcd 4821 -999 e", want: "[redacted] [redacted] [redacted] e",
		},
		"form body without names": {
			give: func(r *Redactor) { r.Body([]byte("=alice&=carol")) },
			text: "alice carol", want: "[redacted] [redacted]",
		},
		"form body that begins with an ampersand": {
			give: func(r *Redactor) { r.Body([]byte("&a=b&user=alice&c=d")) },
			text: "alice", want: "[redacted]",
		},
		"JSON string that begins with a quote": {
			give: func(r *Redactor) { r.Body([]byte(`{"a":"\"alice"}`)) },
			text: `"alice`, want: "[redacted]",
		},
		"JSON that breaks off after an escape": {
			give: func(r *Redactor) { r.Body([]byte(`{"a":"al\u0069ce`)) },
			text: "alice", want: "[redacted]",
		},
		"long JSON strings": {
			give: func(r *Redactor) {
				x, y, z := strings.Repeat("x", 32), strings.Repeat("y", 40), strings.Repeat("z", 40)
				r.Body([]byte(`["` + x + `","` + y + `\\","` + z + `\"alice","carol"]`))
			},
			text: strings.Repeat("x", 32) + " " + strings.Repeat("y", 40) + `\ ` + strings.Repeat("z", 40) + `"alice carol`,
			want: "[redacted] [redacted] [redacted] [redacted]",
		},
		"a value before an escape": {
			give: func(r *Redactor) { r.Value("alice") },
			text: "alice%20smith", want: "[redacted]%20smith",
		},
		"a pair of surrogates at the end": {
			give: func(r *Redactor) { r.Value("abc🙂") },
			text: `abc\ud83d\ude42`, want: "[redacted]",
		},
		"surrogates that are no pair": {
			give: func(r *Redactor) { r.Value("🙂bcd") },
			text: `\ud83dxude42bcd \ud83d\xde42bcd \ud83dxyde42bcd`, want: `\ud83dxude42bcd \ud83d\xde42bcd \ud83dxyde42bcd`,
		},
		"the first and the last digits": {
			give: func(r *Redactor) { r.Value("JJOO@I\xaa\xff") },
			text: "%4a%4A%4f%4F%40%49%aA%Ff.", want: "[redacted].",
		},
		"what stands beside the digits": {
			give: func(r *Redactor) { r.Values("0bcd", "3bcd", "9bcd") },
			text: "%2gbcd %2Gbcd %3`bcd %3@bcd %3:bcd", want: "%2gbcd %2Gbcd %3`bcd %3@bcd %3:bcd",
		},
		"entities of the first and the last letters": {
			give: func(r *Redactor) { r.Value("ΖÄ<ζåZ9") },
			text: "&Zeta;&Auml;&#60;&zeta;&aring;&#x5A;&#57;.", want: "[redacted].",
		},
		"form body with an escape first": {
			give: func(r *Redactor) { r.Body([]byte("user=%40alice")) },
			text: "got @alice", want: "got [redacted]",
		},
		"form body with a byte that is no letter": {
			give: func(r *Redactor) { r.Body([]byte("user=%ffabc%20defghijklmnopqrstu")) },
			text: "\uFFFDabc defghijklmnopqrstu", want: "[redacted]",
		},
		"NDJSON that begins with a number": {
			give: func(r *Redactor) { r.Body([]byte("48213\n-9907\n{\"a\":\"alice\"}\n")) },
			text: "48213 -9907 alice", want: "[redacted] [redacted] [redacted]",
		},
		"escaped quote before quote": {
			give: func(r *Redactor) { r.Body([]byte(`{"a":"x\\","b":"alice"}`)) },
			text: "alice", want: "[redacted]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := New(test.text)
			test.give(r)
			assert.Equal(t, []string{test.want}, r.Texts())
		})
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	r := New("alice", "", "no carol", "plain")
	r.Values("carol", "alice")
	assert.Equal(t, []string{"[redacted]", "", "no [redacted]", "plain"}, r.Texts())
}

// A value that crosses the end of a cut text is removed as a whole, in any escaping.
func TestTextThatIsCut(t *testing.T) {
	t.Parallel()
	value := strings.Repeat("Ёжик в тумане & ", 100)
	for name, form := range formsOf(t, value) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, before := range []int{0, 1, 100, shown - 100, shown - 8} {
				r := New(strings.Repeat(".", before) + form)
				r.Value(value)
				got := r.Texts()[0]
				assert.Equal(t, strings.Repeat(".", before)+Mark, strings.TrimSuffix(got, "…"))
			}
		})
	}
}

// A value that goes on where a long text is cut is found however it was sent.
func TestTextThatIsCutOfABody(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 500 {
		fmt.Fprintf(&b, "%d ", i)
	}
	value := b.String()
	inJSON, err := json.Marshal("\n" + value)
	require.NoError(t, err)
	for name, body := range map[string]string{
		"JSON": `{"a":"` + value + `"}`, "JSON with escapes": string(inJSON),
		"a form": "a=" + url.QueryEscape(value), "a plain form": "a=" + value + "&b=c",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := New(strings.Repeat(".", shown-100) + "\n" + value + strings.Repeat("x", shown))
			r.Body([]byte(body))
			assert.Equal(t, Mark+"…", strings.Trim(r.Texts()[0], ".\n"))
		})
	}
}

// A text of twice the length that is shown is searched as a whole. A value that it holds by half
// stays. A longer text may go on with the other half, unless it goes on otherwise for as long as
// the longest escape.
func TestTextWithHalfAValue(t *testing.T) {
	t.Parallel()
	const before = 500
	value := strings.Repeat("x", 2*shown)
	half := value[:2*shown-before]
	for name, test := range map[string]struct {
		text string
		gone bool
	}{
		"whole":                         {text: half},
		"cut":                           {text: half + "x", gone: true},
		"cut, with another end":         {text: half[longestEscape:] + strings.Repeat("#", longestEscape+1)},
		"cut, perhaps within an escape": {text: half[longestEscape-1:] + strings.Repeat("#", longestEscape), gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := New(strings.Repeat(".", before) + test.text)
			r.Value(value)
			assert.Equal(t, test.gone, strings.Contains(r.Texts()[0], Mark))
		})
	}
}

// A value that begins where a text is cut is neither shown nor marked.
func TestTextThatIsCutBeforeAValue(t *testing.T) {
	t.Parallel()
	r := New(strings.Repeat(".", shown) + "alice")
	r.Value("alice")
	assert.Equal(t, []string{strings.Repeat(".", shown) + "…"}, r.Texts())
}

// formsOf returns the forms in which a text may contain a value, by their names.
func formsOf(t *testing.T, value string) map[string]string {
	t.Helper()
	inJSON, err := json.Marshal(value)
	require.NoError(t, err)
	return map[string]string{
		"as it is": value, "path": url.PathEscape(value), "query": url.QueryEscape(value),
		"query with %20": strings.ReplaceAll(url.QueryEscape(value), "+", "%20"),
		"JSON":           unquoted(string(inJSON)), "%q": unquoted(strconv.Quote(value)), "%+q": unquoted(strconv.QuoteToASCII(value)),
		"HTML": html.EscapeString(value),
	}
}

// A node is a tree whose nodes refer to their parents. encoding/json ignores that field.
type node struct {
	Parent   *node `json:"-"`
	Names    map[string]any
	Children []*node
	hidden   map[string]int
}

// mapOfItsOwn is a map with a MarshalJSON method.
type mapOfItsOwn map[string]int

func (m mapOfItsOwn) MarshalJSON() ([]byte, error) { return json.Marshal(map[string]int(m)) }

// mapOfMaps is a map of maps with a MarshalJSON method.
type mapOfMaps map[string]map[string]int

func (m mapOfMaps) MarshalJSON() ([]byte, error) { return json.Marshal(map[string]map[string]int(m)) }

// secretive has a MarshalJSON method that encodes an unexported field.
type secretive struct{ names map[string]int }

func (s secretive) MarshalJSON() ([]byte, error) { return json.Marshal(s.names) }

// encode passes the encoded value to a Redactor.
func encode(t *testing.T, r *Redactor, value any) {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	r.Encoded(text, value)
}

func TestNames(t *testing.T) {
	t.Parallel()
	root := &node{Names: map[string]any{"level-1": []any{map[string]any{"level-2": map[int]any{7654321: mapOfItsOwn{"level-3": 1}}}}}}
	root.Children = []*node{{Parent: root, Names: map[string]any{"of-child": nil}}, {Parent: root}}
	root.Children[1].hidden = map[string]int{"not-sent": 1}
	root.Children[1].Children = []*node{{Parent: root.Children[1], Names: map[string]any{"of-grandchild": (*node)(nil)}}}
	r := New("level-1 level-2 7654321 level-3 of-child of-grandchild Names Children not-sent")
	encode(t, r, root)
	assert.Equal(t, strings.Repeat(Mark+" ", 6)+"Names Children not-sent", r.Texts()[0])
}

// mapKey is a key with a MarshalText method.
type mapKey struct{ name string }

func (k mapKey) MarshalText() ([]byte, error) { return []byte("key-of-" + k.name), nil }

// encoding/json writes the keys of a map as texts. It ignores unexported fields, except those of
// embedded structs.
func TestNamesOfOtherKinds(t *testing.T) {
	t.Parallel()
	type embedded struct{ Names map[string]int }
	type number uint16
	for name, test := range map[string]struct {
		value      any
		text, want string
	}{
		"a text marshaler":              {value: map[mapKey]int{{name: "alice"}: 1}, text: "key-of-alice", want: Mark},
		"an int":                        {value: map[int64]int{-7654321: 1}, text: "-7654321", want: Mark},
		"an unsigned int":               {value: map[number]int{54321: 1}, text: "54321", want: Mark},
		"a nil pointer":                 {value: map[*mapKey]int{nil: 1}, text: "nothing", want: "nothing"},
		"an entity behind an ampersand": {value: map[string]string{"b": "<alice>"}, text: "R&D: &lt;alice&gt;", want: "R&D: " + Mark},
		"embedded": {
			value: struct{ embedded }{embedded: embedded{Names: map[string]int{"alice": 1}}}, text: "Names alice", want: "Names " + Mark,
		},
		"embedded pointer": {
			value: struct{ *embedded }{embedded: &embedded{Names: map[string]int{"alice": 1}}}, text: "Names alice", want: "Names " + Mark,
		},
		"an array": {value: [1]map[string]int{{"alice": 1}}, text: "alice", want: Mark},
		"raw JSON": {value: json.RawMessage(`{"alice":1}`), text: "alice", want: "alice"},
		"raw JSON in a map": {
			value: map[string]any{"outer": json.RawMessage(`{"alice":"carol"}`)}, text: "outer alice carol", want: Mark + " alice " + Mark,
		},
		"raw JSON of two names": {value: json.RawMessage(`{"alice":1,"carol":2}`), text: "alice carol", want: "alice carol"},
		"bytes in a map":        {value: map[string][]byte{"outer": []byte("alice")}, text: "outer", want: Mark},
		"a struct in any": {
			value: map[string]any{"outer": struct{ Alice string }{"carol"}}, text: "outer Alice carol", want: Mark + " Alice " + Mark,
		},
		"a tag": {value: struct {
			A map[string]int `json:"alice,omitempty"`
		}{map[string]int{"carol": 1}}, text: "alice carol", want: "alice " + Mark},
		"structs in a struct": {
			value: struct {
				Outer struct{ Inner string }
				List  [1]struct{ Item string }
			}{struct{ Inner string }{"alice"}, [1]struct{ Item string }{{"carol"}}},
			text: "Outer Inner alice List Item carol", want: "Outer Inner " + Mark + " List Item " + Mark,
		},
		"beside a field that is not sent": {
			value: struct {
				alice struct{}
				Carol map[string]int
			}{Carol: map[string]int{"alice": 1}}, text: "alice Carol", want: Mark + " Carol",
		},
		"behind a method": {value: mapOfMaps{"outer": {"inner": 1}}, text: "outer inner", want: Mark + " " + Mark},
		"of a method":     {value: secretive{map[string]int{"alice": 1}}, text: "alice", want: Mark},
		"nil":             {text: "alice", want: "alice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := New(test.text)
			encode(t, r, test.value)
			assert.Equal(t, []string{test.want}, r.Texts())
		})
	}
}

// encoding/json refuses a value that contains itself. Encoded must still end for such a value.
func TestNamesWithoutAnEnd(t *testing.T) {
	t.Parallel()
	round := map[string]any{"alice": nil}
	round["alice"] = round
	r := New("alice")
	r.Encoded([]byte(`{"alice":1}`), round)
	assert.Equal(t, []string{Mark}, r.Texts())

	type ring struct{ Next *ring }
	one := new(ring)
	one.Next = one
	r = New("alice Next")
	r.Encoded([]byte(`{"alice":1,"Next":{}}`), one)
	assert.Equal(t, []string{Mark + " Next"}, r.Texts())
}

// Names count as keys in an encoded value only, not in the body after it.
func TestNamesOfTheNextBody(t *testing.T) {
	t.Parallel()
	r := New("alice carol")
	encode(t, r, map[string]int{"alice": 1})
	r.Body([]byte(`{"carol":1}`))
	assert.Equal(t, []string{Mark + " carol"}, r.Texts())
}

// Values that can hold no struct do not count to the values that are searched.
func TestNamesBehindManyPlainValues(t *testing.T) {
	t.Parallel()
	many := make(map[int]string)
	for i := range mostValues {
		many[i] = "x"
	}
	for name, plain := range map[string]any{
		"numbers": make([]int, mostValues), "texts": make([]string, mostValues), "a map": many, "an array": [mostValues]bool{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := New("Alice carol")
			encode(t, r, []any{plain, struct{ Alice string }{"carol"}})
			assert.Equal(t, []string{"Alice " + Mark}, r.Texts())
		})
	}
}

func TestQuoted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":                       "plain",
		`malformed header "X: alice"`: `malformed header "…"`,
		`"a" and "b"`:                 `"…" and "…"`,
		`escaped "a\"b" end`:          `escaped "…" end`,
		`cut off "alice`:              `cut off "…"`,
		"two \"lines\nof it\" end":    `two "…" end`,
		`cut off "alice\`:             `cut off "…"`,
	} {
		assert.Equal(t, want, Quoted(text), "%q", text)
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 299)
	for name, test := range map[string]struct{ text, want string }{
		"nothing":             {},
		"plain":               {text: "a б", want: "a б"},
		"lines":               {text: "a\r\nb\tc\u2028d\x00", want: "a  b c d "},
		"as long as may be":   {text: long + "y", want: long + "y"},
		"longer":              {text: long + "yz", want: long + "y…"},
		"cut within a letter": {text: long + "ёж", want: long + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, OneLine(test.text))
		})
	}
}

// A path may contain a person's name. The error of a file that does not exist shows only its last
// element.
func TestPathError(t *testing.T) {
	t.Parallel()
	other := errors.New("disk failure")
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"no such file": {
			err:  &fs.PathError{Op: "open", Path: "/home/alice/face\n.jpg", Err: fs.ErrNotExist},
			want: "open face .jpg: " + fs.ErrNotExist.Error(),
		},
		"any other":  {err: &fs.PathError{Op: "read", Path: "/home/alice/face.jpg", Err: other}, want: "read: disk failure"},
		"wrapped":    {err: fmt.Errorf("upload: %w", &fs.PathError{Op: "read", Path: "/home/alice", Err: other}), want: "read: disk failure"},
		"of no path": {err: other, want: "disk failure"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := PathError(test.err)
			require.EqualError(t, got, test.want)
			require.ErrorIs(t, got, test.err)
		})
	}
	assert.NoError(t, PathError(nil))
}

func TestReword(t *testing.T) {
	t.Parallel()
	err := Reword(fs.ErrNotExist, "gone")
	require.EqualError(t, err, "gone")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// FuzzRedactor checks that no text shows a value that was sent, in any escaping, and that all else
// in the texts is kept.
func FuzzRedactor(f *testing.F) {
	f.Add("alice@example.com", "before ", " after", uint8(0))
	f.Add("a b+c/d%", "x%", "&amp;", uint8(1))
	f.Add("\xff\u202e\"\\'<>&\n🙂", `\`, `"`, uint8(3))
	f.Add("12345", "1", "6", uint8(5))
	f.Add("1234 ", "", "%1234%20", uint8(4))
	f.Add("xyz…", strings.Repeat("a", shown-3)+"xyzb", "", uint8(1))
	f.Add("alice", "0", strings.Repeat("x", shown), uint8(0))
	f.Add("alice", strings.Repeat("x", shown), "y", uint8(0))
	f.Add(strings.Repeat("alice", shown), "0", "x", uint8(0))
	f.Fuzz(func(t *testing.T, value, before, after string, how uint8) {
		if len([]rune(value)) < 4 || strings.Contains(Mark, value) {
			return
		}
		forms := formsOf(t, value)
		names := slices.Sorted(maps.Keys(forms))
		form := forms[names[int(how)%len(names)]]
		r := New(before+"|"+form+"|"+after, strings.Repeat(".", shown-4)+form+strings.Repeat(".", shown))
		send(t, r, value, int(how)/len(names))
		got := r.Texts()
		around := before + after
		// In %12345, 12345 is not a value but the rest of an escape, so around may hold an escaped form.
		first := got[0]
		if len(around)+len("||")+len(form) > shown {
			first = strings.TrimSuffix(first, "…") // the cut may complete a value that ends in it
		}
		if whole := "|" + form + "|"; !strings.Contains(around, whole) {
			assert.NotContains(t, first, whole, "%q", value)
		}
		for piece := range strings.SplitSeq(first, Mark) {
			assert.False(t, strings.Contains(piece, form) && (form == value || !strings.Contains(around, form)), "%q of %q", form, value)
		}
		// What stands around is kept if it shares nothing with what is sent, and holds no escape.
		if !strings.ContainsAny(around, value) && !strings.ContainsAny(around, `%\&+`) && !strings.Contains(around, "other") {
			assertKept(t, got[0], before, form, after)
		}
		if !strings.Contains(value, ".") && utf8.ValidString(value) {
			assert.Equal(t, strings.Repeat(".", shown-4)+"…", strings.Replace(got[1], Mark, "", 1), "%q", value)
		}
	})
}

// assertKept checks that a text without the form has what stands before and after it, as far as
// the text is shown.
func assertKept(t *testing.T, got, before, form, after string) {
	t.Helper()
	if len(before)+len("||")+len(form)+len(after) <= shown {
		assert.True(t, strings.HasPrefix(got, before) && strings.HasSuffix(got, after), "%q", got)
		return
	}
	kept, cut := strings.CutSuffix(got, "…")
	assert.True(t, cut, "%q", got)
	if utf8.ValidString(before) {
		assert.GreaterOrEqual(t, len(kept), min(len(before), shown-utf8.UTFMax), "%q", got)
	}
	common := min(len(kept), len(before))
	assert.Equal(t, before[:common], kept[:common])
}

// send passes a value to a Redactor in one of the forms in which a call sends it.
func send(t *testing.T, r *Redactor, value string, how int) {
	inJSON, _ := json.Marshal(value)
	if !utf8.ValidString(value) { // JSON would change such a value
		how = []int{0, 2, 4, 8}[how/2%4]
	}
	switch how % 10 {
	case 1:
		r.Body(fmt.Appendf(nil, `{"name":%s}`, inJSON))
	case 2:
		r.Form("name=" + url.QueryEscape(value) + "&other=1")
	case 3:
		r.Body(fmt.Appendf(nil, "{\"name\":\"other\"}\n[%s]\n", inJSON))
	case 4:
		r.Path("/a/-;name=" + url.PathEscape(value) + "/one")
	case 5:
		r.Body(fmt.Appendf(nil, `{"a":[{"b":[1,%s]}]}`, inJSON))
	case 6:
		encode(t, r, map[string]any{"a": []any{map[string]int{value: 1}}})
	case 7:
		encode(t, r, map[string]any{"a": &map[string]any{"b": mapOfItsOwn{value: 1}}})
	case 8:
		r.Body([]byte("2a=" + url.QueryEscape(value)))
	default:
		r.Values("other", value)
	}
}

// unquoted returns the text between the first and the last quote.
func unquoted(literal string) string { return literal[1 : len(literal)-1] }

func BenchmarkBody(b *testing.B) {
	var items bytes.Buffer
	items.WriteString("[")
	for i := range 400_000 {
		fmt.Fprintf(&items, `{"id":"item-%d","n":%d},`, i, i)
	}
	items.WriteString(`"end"]`)
	for name, body := range map[string][]byte{
		"items":            items.Bytes(),
		"one string":       []byte(`"` + strings.Repeat("x", 8<<20) + `"`),
		"numbers":          []byte("[" + strings.Repeat("12345,", 8<<20/6) + "1]"),
		"zeros":            make([]byte, 8<<20),
		"quotes":           bytes.Repeat([]byte(`"`), 8<<20),
		"backslashes":      append([]byte(`"`), bytes.Repeat([]byte(`\`), 8<<20)...),
		"form":             bytes.Repeat([]byte("a=bcdef&"), 1<<20),
		"escaped":          []byte("[" + strings.Repeat(`"\u0061bcdef",`, 8<<20/14) + "1]"),
		"backslash quotes": append([]byte(`"`), bytes.Repeat([]byte(`\\"`), 8<<20/3)...),
	} {
		texts := []struct{ name, text string }{
			{name: "short", text: "the item item-17 is wrong"}, {name: "echo", text: string(body[:min(len(body), 60<<10)])},
		}
		for _, text := range texts {
			b.Run(name+"/"+text.name, func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					r := New(text.text)
					r.Body(body)
					r.Texts()
				}
			})
		}
	}
}
