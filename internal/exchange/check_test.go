package exchange

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCheckBaseURL(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text, base, problem string
		insecure            bool
	}{
		"https":              {text: "https://api.idngo.kz", base: "https://api.idngo.kz"},
		"slashes at the end": {text: "https://api.idngo.kz/a/b//", base: "https://api.idngo.kz/a/b"},
		"loopback":           {text: "http://127.0.0.1:80", base: "http://127.0.0.1:80"},
		"loopback, IPv6":     {text: "http://[::1]:80/", base: "http://[::1]:80"},
		"localhost":          {text: "http://localhost", base: "http://localhost"},
		"http":               {text: "http://simulator:8080", problem: "is http: off loopback it must be https"},
		"http, an address":   {text: "http://192.0.2.1", problem: "is http: off loopback it must be https"},
		"http, allowed":      {text: "http://simulator:8080", insecure: true, base: "http://simulator:8080"},
		"not a URL":          {text: "https://a b", problem: "is not a URL"},
		"no scheme":          {text: "api.idngo.kz", problem: "is neither https nor http"},
		"no host":            {text: "https:///a", problem: "has no host"},
		"a port without one": {text: "https://:8443", problem: "has no host"},
		"password":           {text: "https://user:secret@a", problem: "has user info in it"},
		"query":              {text: "https://a?b", problem: "has a query"},
		"empty query":        {text: "https://a?", problem: "has a query"},
		"fragment":           {text: "https://a#", problem: "has a fragment"},
		"dot segment":        {text: "https://a/../b", problem: "has a dot segment"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base, problem := CheckBaseURL(test.text, test.insecure)
			assert.Equal(t, test.base, base)
			assert.Equal(t, test.problem, problem)
		})
	}
}

func TestValidToken(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"GET": true, "X-A_b.1~": true, "": false, "a b": false, "a:b": false,
		"ä": false, "a\n": false, `a"b`: false, "a}": false, "a\x7f": false,
	} {
		assert.Equal(t, want, ValidToken(text), "%q", text)
	}
}

func TestValidHeaderValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"": true, "a b\tc": true, "ä": true, "a\n": false, "a\x00": false, "\x7f": false} {
		assert.Equal(t, want, ValidHeaderValue(text), "%q", text)
	}
}

func TestCheckPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/":                "",
		"/a/b":             "",
		"/a%2Fb":           "",
		"/%D0%B1":          "",
		"/-;applicantId=a": "",
		"/a..b":            "",
		"":                 "does not begin with a slash",
		"a/b":              "does not begin with a slash",
		"https://a/b":      "does not begin with a slash",
		"/a?b":             "has a query or a fragment in it",
		"/a#b":             "has a query or a fragment in it",
		"/a b":             "is not escaped as a URL path is",
		"/%zz":             "is not escaped as a URL path is",
		"/б":               "is not escaped as a URL path is",
		"/a/../b":          "has a dot segment",
		"/a/.":             "has a dot segment",
		"/a/%2e%2E/b":      "has a dot segment",
	} {
		assert.Equal(t, want, CheckPath(path), "%q", path)
	}
}

func TestCheckMethod(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]string{
		"GET": "", "PURGE": "", "": "is not an HTTP method", "GET /": "is not an HTTP method", "GET\r\n": "is not an HTTP method",
	} {
		assert.Equal(t, want, CheckMethod(method), "%q", method)
	}
}

func TestEncodeBody(t *testing.T) {
	t.Parallel()
	var noPointer *int
	for name, test := range map[string]struct {
		body    any
		want    []byte // nil: there is no body
		problem string
	}{
		"nothing":               {},
		"a nil pointer":         {body: noPointer},
		"a nil map":             {body: map[string]int(nil)},
		"a nil slice":           {body: []int(nil)},
		"nil bytes":             {body: []byte(nil)},
		"no bytes":              {body: []byte{}, want: []byte{}},
		"bytes":                 {body: []byte("not JSON"), want: []byte("not JSON")},
		"a struct":              {body: struct{ A int }{A: 1}, want: []byte(`{"A":1}`)},
		"an empty map":          {body: map[string]int{}, want: []byte(`{}`)},
		"a text":                {body: "a", want: []byte(`"a"`)},
		"a reader":              {body: strings.NewReader("a"), problem: "is a reader: pass its bytes"},
		"what JSON cannot hold": {body: func() {}, problem: "cannot be encoded as JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problem := EncodeBody(test.body)
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.problem, problem)
		})
	}
}

func TestCheckOut(t *testing.T) {
	t.Parallel()
	const problem = "is neither nil nor a pointer to decode into"
	assert.Empty(t, CheckOut(nil))
	assert.Empty(t, CheckOut(new(int)))
	assert.Equal(t, problem, CheckOut(1))
	assert.Equal(t, problem, CheckOut(map[string]any{}))
	assert.Equal(t, problem, CheckOut((*int)(nil)))
}

func TestCheckHeader(t *testing.T) {
	t.Parallel()
	const own, invalid = "is one that the client sets itself", "has a character that HTTP does not allow"
	for name, test := range map[string]struct{ key, value, name, problem string }{
		"any":                     {key: "x-own", value: "a", name: "X-Own"},
		"token":                   {key: "x-app-token", name: HeaderToken, problem: own},
		"timestamp":               {key: HeaderStamp, name: HeaderStamp, problem: own},
		"signature":               {key: HeaderSignature, name: HeaderSignature, problem: own},
		"host":                    {key: "host", value: "a", name: "Host", problem: own},
		"length":                  {key: "Content-Length", value: "1", name: "Content-Length", problem: own},
		"identity":                {key: "Accept-Encoding", value: "identity", name: "Accept-Encoding"},
		"idempotency key":         {key: "Idempotency-Key", value: "a", name: "idempotency-key"},
		"idempotency key, with X": {key: "x-idempotency-key", value: "a", name: "x-idempotency-key"},
		"gzip": {
			key: "accept-encoding", value: "gzip", name: "Accept-Encoding",
			problem: "is Accept-Encoding, which net/http sets and decodes itself",
		},
		"name with a space":     {key: "a b", value: "a", name: "a b", problem: invalid},
		"name of nothing":       {value: "a", problem: invalid},
		"value of two lines":    {key: "X-Own", value: "a\r\nb", name: "X-Own", problem: invalid},
		"value with a zero":     {key: "X-Own", value: "a\x00", name: "X-Own", problem: invalid},
		"idempotency key, wild": {key: "Idempotency-Key", value: "a\n", name: "idempotency-key", problem: invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problem := CheckHeader(test.key, test.value)
			assert.Equal(t, test.name, got)
			assert.Equal(t, test.problem, problem)
		})
	}
}

func TestIsHTML(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]bool{
		"text/html": true, "TEXT/HTML; charset=utf-8": true, "application/xhtml+xml": true,
		"": false, "application/json": false, "text/html/x": false, "text/plain; a=text/html": false,
	} {
		assert.Equal(t, want, IsHTML(http.Header{"Content-Type": {contentType}}), "%q", contentType)
	}
}

func TestEncodeQuery(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pairs []string
		want  string
	}{
		"nothing":          {},
		"one":              {pairs: []string{"a", "b"}, want: "a=b"},
		"in their order":   {pairs: []string{"b", "1", "a", "2"}, want: "b=1&a=2"},
		"without the zero": {pairs: []string{"a", "", "b", "2", "c", ""}, want: "b=2"},
		"escaped":          {pairs: []string{"a", "x y+z&=%/б"}, want: "a=x%20y%2Bz%26%3D%25%2F%D0%B1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, EncodeQuery(test.pairs...))
		})
	}
}
