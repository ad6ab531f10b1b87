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
		"a value":                    {func(r *Redactor) { r.Value("alice") }, "no alice here", "no [redacted] here"},
		"a value of three":           {func(r *Redactor) { r.Value("bob") }, "no bob here", "no bob here"},
		"three characters of six":    {func(r *Redactor) { r.Value("ёжи") }, "ёжи", "ёжи"},
		"four characters of eight":   {func(r *Redactor) { r.Value("ёжик") }, "a ёжик", "a [redacted]"},
		"twice":                      {func(r *Redactor) { r.Value("alice") }, "alice,alice", "[redacted],[redacted]"},
		"one within another":         {func(r *Redactor) { r.Values("alice", "alice@example.com") }, "x alice@example.com alice", "x [redacted] [redacted]"},
		"two that overlap":           {func(r *Redactor) { r.Values("abcdef", "defghi") }, "abcdefghi", "[redacted]"},
		"in a URL path":              {func(r *Redactor) { r.Value("a b/c+d") }, "at a%20b%2fc+d!", "at [redacted]!"},
		"in a query":                 {func(r *Redactor) { r.Value("a b/c+d") }, "at a+b%2Fc%2Bd!", "at [redacted]!"},
		"in JSON":                    {func(r *Redactor) { r.Value(`a"b<c` + "\n\x01") }, `at a\"b\u003cc\n\u0001!`, "at [redacted]!"},
		"in %q":                      {func(r *Redactor) { r.Value("a\xffb\u202ec\a") }, `at a\xffb\u202ec\a!`, "at [redacted]!"},
		"in HTML":                    {func(r *Redactor) { r.Value(`a"b'c<d`) }, `at a&#34;b&#39;c&lt;d and a&quot;b&apos;c&#x3c;d!`, "at [redacted] and [redacted]!"},
		"as a pair of surrogates":    {func(r *Redactor) { r.Value("a🙂bc") }, `a\ud83d\ude42bc.`, "[redacted]."},
		"half an escape":             {func(r *Redactor) { r.Value("a\xf0bc") }, "a%F0bc%F", "[redacted]%F"},
		"matrix parameter":           {func(r *Redactor) { r.Path("/applicants/-;externalUserId=alice%40x.kz/one") }, "no alice@x.kz", "no [redacted]"},
		"path segment":               {func(r *Redactor) { r.Path("/a/alice%2Fbob/one") }, "no alice/bob", "no [redacted]"},
		"query value":                {func(r *Redactor) { r.Form("userId=alice&limit=100&q=a%20b%26c") }, "limit userId alice a b&c", "limit userId [redacted] [redacted]"},
		"header":                     {func(r *Redactor) { r.Header("Bearer tokentoken; realm=\"secretrealm\", other") }, "tokentoken secretrealm other", "[redacted] [redacted] [redacted]"},
		"JSON string":                {func(r *Redactor) { r.Body([]byte(`{"name":{"inner":["alice",12345.5,true]}}`)) }, "name inner alice 12345.5 true", "name inner [redacted] [redacted] true"},
		"JSON string with escapes":   {func(r *Redactor) { r.Body([]byte(`{"name":"\u0061li\"ce"}`)) }, `no ali"ce`, "no [redacted]"},
		"second line of NDJSON":      {func(r *Redactor) { r.Body([]byte("{\"a\":\"first\"}\n{\"a\":\"second\"}\n")) }, "first second", "[redacted] [redacted]"},
		"form body":                  {func(r *Redactor) { r.Body([]byte("user=alice%40x.kz&pin=48213")) }, "user alice@x.kz pin 48213", "user [redacted] pin [redacted]"},
		"other body":                 {func(r *Redactor) { r.Body([]byte("hello world\n")) }, "got hello world", "got [redacted]"},
		"JSON that breaks off":       {func(r *Redactor) { r.Body([]byte(`{"a":"alice","b":"carol`)) }, "alice carol", "[redacted] [redacted]"},
		"JSON name with spaces":      {func(r *Redactor) { r.Body([]byte(`{"name" : "alice"}`)) }, "name alice", "name [redacted]"},
		"a number that is a part":    {func(r *Redactor) { r.Body([]byte(`[-12345]`)) }, "is -12345", "is [redacted]"},
		"nothing":                    {func(r *Redactor) { r.Value(""); r.Body(nil); r.Path(""); r.Form(""); r.Header("") }, "text", "text"},
		"longer than the text":       {func(r *Redactor) { r.Value(strings.Repeat("x", 100)) }, "xxxx", "xxxx"},
		"escaped quote before quote": {func(r *Redactor) { r.Body([]byte(`{"a":"x\\","b":"alice"}`)) }, "alice", "[redacted]"},
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
		forms := []string{value, url.PathEscape(value), url.QueryEscape(value), strings.ReplaceAll(url.QueryEscape(value), "+", "%20"),
			unquoted(string(inJSON)), unquoted(strconv.Quote(value)), html.EscapeString(value)}
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
		"items": items.Bytes(), "one string": []byte(`"` + strings.Repeat("x", 8<<20) + `"`), "numbers": []byte("[" + strings.Repeat("12345,", 8<<20/6) + "1]"),
		"zeros": make([]byte, 8<<20), "quotes": bytes.Repeat([]byte(`"`), 8<<20), "backslashes": append([]byte(`"`), bytes.Repeat([]byte(`\`), 8<<20)...),
		"form": bytes.Repeat([]byte("a=bcdef&"), 1<<20), "escaped": []byte("[" + strings.Repeat(`"\u0061bcdef",`, 8<<20/14) + "1]"),
		"backslash quotes": append([]byte(`"`), bytes.Repeat([]byte(`\\"`), 8<<20/3)...),
	} {
		for _, text := range []struct{ name, text string }{{"short", "the item item-17 is wrong"}, {"echo", string(body[:min(len(body), 60<<10)])}} {
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
