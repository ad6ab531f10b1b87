package simulator_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/simulator"
)

// FuzzParseFaults parses any text. Valid faults are set in a simulator, and the text that the
// simulator returns for them must parse to the same faults.
func FuzzParseFaults(f *testing.F) {
	for _, text := range []string{
		"", "429=0.1", "429:2@GetAction#3", "reset-after@CreateAction#1", "503-after=0.05,503-early=0.05", "slow:2s=0.1", "seed=7",
		"429=0.6,429=0.6", "slow-body:-1s#1", "599-late#1", "429@#1", "=1", "#", "429=NaN", "429=1e-400", "html:1h@AddImage=0",
		"garbage=0x1p-2", "wrong-date:-9223372036854775808ns=1", "status#1", "429:01#1", "endless@Unknown#1", ",,429#2147483647,",
		"status:2s=0.5", "status-after:2s#1",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		faults, err := simulator.ParseFaults(text)
		if err != nil {
			assert.Nil(t, faults)
			return
		}
		s, err := simulator.New(simulator.Config{})
		require.NoError(t, err)
		defer s.Close()
		if s.SetFaults(faults) != nil {
			return // each item is valid, but not their combination
		}
		told := s.Faults()
		again, err := simulator.ParseFaults(told)
		require.NoError(t, err, "%q becomes %q", text, told)
		require.NoError(t, s.SetFaults(again), "%q becomes %q", text, told)
		assert.Equal(t, told, s.Faults())
	})
}

// FuzzControl sends any request to the control API. The simulator must not panic, must refuse in
// JSON, and must still work afterwards.
func FuzzControl(f *testing.F) {
	f.Add("POST", "applicants", `{"id":"a","externalUserId":"u"}`, "")
	f.Add("POST", "levels", `{"name":"l","type":"actionTypeFaceAuth"}`, "")
	f.Add("POST", "outcome", `{"reviewAnswer":"RED","rejectLabels":["BAD_FACE_MATCHING"]}`, "")
	f.Add("POST", "faults", `{"faults":"429=0.1"}`, "")
	f.Add("PUT", "faults", `"429#1"`, "text/plain")
	f.Add("POST", "actions/a1/review", `{"reviewAnswer":"GREEN"}`, "application/json")
	f.Add("POST", "tokens/t/complete", "", "")
	f.Add("GET", "requests", "", "")
	f.Add("GET", "deliveries?limit=-1", "", "")
	f.Add("POST", "deliveries/99999999999999999999/resend", "", "")
	f.Add("POST", "events", `{"type":"applicantReviewed"}`, "")
	f.Add("POST", "webhook-url", `{"url":"http://127.0.0.1:1/"}`, "")
	f.Add("POST", "reset", "[[[[", "")
	f.Add("GET", "actions/%2e%2e/review", "\xff", "")
	f.Add("HEAD", "../console.js", "", "multipart/form-data")
	f.Fuzz(func(t *testing.T, method, path, body, contentType string) {
		if strings.HasPrefix(path, "stream") {
			t.Skip("it goes on until the browser leaves")
		}
		target, err := url.ParseRequestURI("/_simulator/" + path)
		if err != nil || strings.HasSuffix(target.Path, "/stream") {
			t.Skip("no server gets such a target, or it is the stream")
		}
		s, err := simulator.New(simulator.Config{})
		require.NoError(t, err)
		defer s.Close()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/", strings.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, target, target.RequestURI()
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, r)
		assert.GreaterOrEqual(t, answer.Code, 200)
		if answer.Code >= 400 && method != http.MethodHead {
			assert.True(t, json.Valid(answer.Body.Bytes()), "%d %s", answer.Code, answer.Body)
		}
		assert.NotEqual(t, http.StatusInternalServerError, answer.Code, "%s", answer.Body)

		require.NoError(t, s.SetFaults(nil))
		require.NoError(t, s.SetClock(time.Now))
		c := direct(t, s)
		assert.NotEmpty(t, c.create("fuzzed"))
	})
}
