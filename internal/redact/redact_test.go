package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
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

// FuzzRedactor: whatever was sent is in no text in any escaping, and what was not sent stays.
func FuzzRedactor(f *testing.F) {
	f.Add("alice@example.com", "before ", " after", uint8(0))
	f.Add("a b+c/d%", "x%", "&amp;", uint8(1))
	f.Add("\xff\u202e\"\\'<>&\n🙂", `\`, `"`, uint8(3))
	f.Add("12345", "1", "6", uint8(5))
	f.Fuzz(func(t *testing.T, value, before, after string, how uint8) {
		if len([]rune(value)) < 4 || strings.Contains(Mark, value) {
			return
		}
		inJSON, err := json.Marshal(value)
		if err != nil {
			return
		}
		forms := []string{
			value, url.PathEscape(value), url.QueryEscape(value), strings.ReplaceAll(url.QueryEscape(value), "+", "%20"),
			unquoted(string(inJSON)), unquoted(strconv.Quote(value)), html.EscapeString(value),
		}
		form := forms[int(how)%len(forms)]
		r := New(before + "|" + form + "|" + after)
		switch {
		case how%3 == 0 || !utf8.ValidString(value): // which JSON would not carry as it is
			r.Value(value)
		case how%3 == 1:
			r.Body(fmt.Appendf(nil, `{"name":%s}`, inJSON))
		default:
			r.Form("name=" + url.QueryEscape(value))
		}
		got := r.Texts()[0]
		assert.NotContains(t, strings.ReplaceAll(got, Mark, "\x00"), form, "%q of %q", form, value)
		if !strings.ContainsAny(before+after, value) && !strings.ContainsAny(before+after, `%\&+`) {
			assert.True(t, strings.HasPrefix(got, before) && strings.HasSuffix(got, after), "%q", got)
		}
	})
}

// unquoted returns what stands between the first and the last quote.
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
