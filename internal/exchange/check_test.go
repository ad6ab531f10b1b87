package exchange

import (
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
		"http, allowed":      {text: "http://simulator:8080", insecure: true, base: "http://simulator:8080"},
		"not a URL":          {text: "https://a b", problem: "is not a URL"},
		"no scheme":          {text: "api.idngo.kz", problem: "is neither https nor http"},
		"no host":            {text: "https:///a", problem: "has no host"},
		"password":           {text: "https://user:secret@a", problem: "has user info in it"},
		"query":              {text: "https://a?b", problem: "has a query"},
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
	for text, want := range map[string]bool{"GET": true, "X-A_b.1~": true, "": false, "a b": false, "a:b": false, "ä": false, "a\n": false} {
		assert.Equal(t, want, ValidToken(text), "%q", text)
	}
}

func TestValidHeaderValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"": true, "a b\tc": true, "ä": true, "a\n": false, "a\x00": false, "\x7f": false} {
		assert.Equal(t, want, ValidHeaderValue(text), "%q", text)
	}
}

func TestEncodeQuery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		pairs []string
		want  string
	}{
		{name: "nothing"},
		{name: "in the given order", pairs: []string{"b", "1", "a", "2"}, want: "b=1&a=2"},
		{name: "an empty value is left out", pairs: []string{"a", "", "b", "1"}, want: "b=1"},
		{name: "escaped", pairs: []string{"a", "1 +&=ä%"}, want: "a=1%20%2B%26%3D%C3%A4%25"},
		{name: "long", pairs: []string{"a", strings.Repeat("x", 1000)}, want: "a=" + strings.Repeat("x", 1000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, EncodeQuery(tt.pairs...))
		})
	}
}
