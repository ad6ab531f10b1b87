package exchange

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// HeaderValue returns the first value of a header and the number of its values. It ignores the case
// of names, also of names that differ in case only.
func HeaderValue(header http.Header, name string) (value string, count int) {
	for key, values := range header {
		if len(values) > 0 && len(key) == len(name) && strings.EqualFold(key, name) {
			value, count = values[0], count+len(values)
		}
	}
	return value, count
}

// ReadRequest reads the body of a request that a server has received. It reads to the end, or to
// one byte above limit. Then it gives r a body that begins with the same bytes. It returns
// ErrTooLarge itself, or an error of the body.
func ReadRequest(r *http.Request, limit int64) ([]byte, error) {
	const trust = 64 << 10 // unlike an answer of the service, the body comes from anybody
	if r.Body == nil {
		r.Body = http.NoBody
	}
	if r.ContentLength > limit {
		return nil, ErrTooLarge
	}
	body, err := ReadBody(r.Body, r.ContentLength, limit, trust)
	switch {
	case err == nil:
		_ = r.Body.Close()
		r.Body = io.NopCloser(bytes.NewReader(body))
	case err == ErrTooLarge: //nolint:errorlint // a body may return an error that wraps it
		r.Body = Replay(body, r.Body, r.Body)
	default:
		r.Body = Replay(body, failedReader{err}, r.Body)
	}
	return body, err
}

type failedReader struct{ err error }

func (f failedReader) Read([]byte) (int, error) { return 0, f.err }
