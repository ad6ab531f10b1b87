package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

type answers int

func (status answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: int(status), Body: http.NoBody, Request: r}, nil
}

// What is not a 2xx has failed, in the log as in the table.
func TestFailed(t *testing.T) {
	t.Parallel()
	for status, failed := range map[int]int{200: 0, 204: 0, 301: 1, 307: 1, 404: 1, 503: 1} {
		var log, table bytes.Buffer
		tracing := &tracer{next: answers(status), log: slog.New(slog.NewTextHandler(&log, nil)), operations: map[string]*count{}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://localhost/secret-id", nil)
		require.NoError(t, err)
		response, err := tracing.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, status, response.StatusCode)
		require.Equal(t, failed, tracing.operations[""].failed, status)
		require.Equal(t, failed == 1, bytes.Contains(log.Bytes(), []byte("level=WARN")), "%s", &log)
		require.NotContains(t, log.String(), "secret-id")
		tracing.print(&table)
		require.Regexp(t, `\n +1 +[01] `, table.String())
	}
}
