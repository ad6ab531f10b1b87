package exchange

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHeaderValue(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		header http.Header
		value  string
		count  int
	}{
		"none":                  {},
		"one":                   {header: http.Header{"X-Digest": {"a"}}, value: "a", count: 1},
		"made by hand":          {header: http.Header{"x-digest": {"a"}}, value: "a", count: 1},
		"without a value":       {header: http.Header{"X-Digest": {}}},
		"doubled":               {header: http.Header{"X-Digest": {"a", "a"}}, value: "a", count: 2},
		"doubled by its case":   {header: http.Header{"X-Digest": {"a"}, "x-digest": {"a"}}, value: "a", count: 2},
		"others are no doubles": {header: http.Header{"X-Digest": {"a"}, "X-Digess": {"b"}, "X-Digest-Alg": {"c"}}, value: "a", count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			value, count := HeaderValue(tt.header, "X-Digest")
			assert.Equal(t, tt.value, value)
			assert.Equal(t, tt.count, count)
		})
	}
}

// The body can be read from its first byte afterwards, also after an error.
func TestReadRequest(t *testing.T) {
	t.Parallel()
	errLost := errors.New("lost")
	for name, tt := range map[string]struct {
		body     io.Reader
		declared int64
		want     error
		after    string
		afterErr error
	}{
		"read":               {body: strings.NewReader("12345"), declared: 5, after: "12345"},
		"of unknown length":  {body: strings.NewReader("12345"), declared: -1, after: "12345"},
		"as large as it may": {body: strings.NewReader("12345678"), declared: 8, after: "12345678"},
		"nothing":            {},
		"too large":          {body: strings.NewReader("123456789"), declared: -1, want: ErrTooLarge, after: "123456789"},
		"declared too large": {body: strings.NewReader("123456789"), declared: 9, want: ErrTooLarge, after: "123456789"},
		"broken": {
			body: io.MultiReader(strings.NewReader("123"), iotest.ErrReader(errLost)), declared: 5, want: errLost, after: "123", afterErr: errLost,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{ContentLength: tt.declared}
			spy := &bodySpy{Reader: tt.body}
			if tt.body != nil {
				r.Body = spy
			}
			read, err := ReadRequest(r, 8)
			require.ErrorIs(t, err, tt.want)
			if tt.want == nil {
				assert.Equal(t, tt.after, string(read))
			}
			after, err := io.ReadAll(r.Body)
			assert.Equal(t, tt.after, string(after))
			require.ErrorIs(t, err, tt.afterErr)
			require.NoError(t, r.Body.Close())
			if tt.body != nil {
				assert.Equal(t, 1, spy.closed)
			}
		})
	}
}
