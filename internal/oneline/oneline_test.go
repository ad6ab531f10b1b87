package oneline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestError(t *testing.T) {
	t.Parallel()
	unknown := errors.New("outcome unknown")
	for name, test := range map[string]struct {
		err     *Error
		text    string
		timeout bool
		is      []error
	}{
		"plain": {
			err: &Error{Method: "GetAction", Text: "gone", Causes: []error{io.EOF}}, text: "idngo: GetAction: gone", is: []error{io.EOF},
		},
		"a step": {
			err: &Error{Method: "EnsureAction", Step: "list actions", Text: "gone"}, text: "idngo: EnsureAction: list actions: gone",
		},
		"several lines": {err: &Error{Method: "A", Text: "x\ny\r\n\tz\u2028"}, text: "idngo: A: x y   z "},
		"one attempt":   {err: &Error{Method: "A", Text: "gone", Attempts: 1}, text: "idngo: A: gone"},
		"two attempts":  {err: &Error{Method: "A", Text: "gone", Attempts: 2}, text: "idngo: A: gone (2 attempts)"},
		"unknown": {
			err: &Error{Method: "A", Text: "gone", Unknown: unknown}, text: "idngo: A: outcome unknown: gone", is: []error{unknown},
		},
		"a timeout": {
			err: &Error{Method: "A", Text: "late", Causes: []error{io.EOF, fmt.Errorf("x: %w", os.ErrDeadlineExceeded)}}, text: "idngo: A: late",
			timeout: true, is: []error{io.EOF, os.ErrDeadlineExceeded},
		},
		"a deadline": {
			err: &Error{Method: "A", Text: "late", Causes: []error{context.DeadlineExceeded}}, text: "idngo: A: late", timeout: true,
			is: []error{context.DeadlineExceeded},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.EqualError(t, test.err, test.text)
			for _, target := range test.is {
				require.ErrorIs(t, test.err, target)
			}
			require.NotErrorIs(t, test.err, io.ErrUnexpectedEOF)
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
				assert.Equal(t, test.text, fmt.Sprintf(verb, test.err))
			}
			assert.Equal(t, fmt.Sprintf("%q", test.text), fmt.Sprintf("%q", test.err))
			var network net.Error = test.err
			assert.Equal(t, test.timeout, network.Timeout())
			assert.Equal(t, test.timeout, test.err.Temporary())
			assert.Equal(t, test.timeout, os.IsTimeout(test.err))
		})
	}
}
