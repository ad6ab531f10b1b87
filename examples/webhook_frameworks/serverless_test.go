package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
)

// readEvent reads a request from a file, in the form that AWS passes to a function.
func readEvent(t *testing.T, file string) gatewayEvent {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	require.NoError(t, err)
	var event gatewayEvent
	require.NoError(t, json.Unmarshal(text, &event))
	return event
}

func TestServerless(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file  string
		lists bool // whether the headers of the answer are lists
	}{
		{file: "apigateway_v1.json", lists: true},
		{file: "apigateway_v1_base64.json", lists: true},
		{file: "apigateway_v2.json"},
		{file: "apigateway_v2_base64.json"},
		{file: "alb.json"},
		{file: "alb_multivalue.json", lists: true},
	} {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			got := &events{}
			answer, err := serverlessHandler(newVerifier(t), got.handle)(t.Context(), readEvent(t, test.file))
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, answer.StatusCode)
			require.Equal(t, test.lists, answer.MultiValueHeaders != nil)
			require.Equal(t, !test.lists, answer.Headers != nil)
			require.Len(t, got.received, 1)
			event := got.received[0]
			require.Equal(t, idngo.WebhookTypeApplicantActionReviewed, event.Type)
			require.Equal(t, "payout-4711", event.ExternalApplicantActionID)
			require.Equal(t, "Айгерім-4711", event.ExternalUserID)

			another, err := idngo.NewWebhookVerifier("not-" + secret)
			require.NoError(t, err)
			answer, err = serverlessHandler(another, got.handle)(t.Context(), readEvent(t, test.file))
			require.NoError(t, err)
			require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
			require.Len(t, got.received, 1)
		})
	}
}

func TestServerlessRefuses(t *testing.T) {
	t.Parallel()
	sign := func(event *gatewayEvent, body string) {
		event.Body, event.Headers = body, map[string]string{}
		for name, values := range idngo.SignWebhook([]byte(body), secret, idngo.HMACSHA256) {
			event.Headers[strings.ToLower(name)] = values[0]
		}
	}
	for _, test := range []struct {
		name     string
		file     string
		change   func(*gatewayEvent)
		err      error // the error of the handler
		status   int
		received int
	}{
		{name: "another method", file: "apigateway_v2.json", status: http.StatusMethodNotAllowed, change: func(event *gatewayEvent) {
			event.RequestContext.HTTP.Method = http.MethodGet
		}},
		{name: "another body", file: "alb.json", status: http.StatusUnauthorized, change: func(event *gatewayEvent) {
			event.Body = strings.Replace(event.Body, "GREEN", "RED", 1)
		}},
		{name: "the base64 text instead of the body", file: "apigateway_v2_base64.json", status: http.StatusUnauthorized,
			change: func(event *gatewayEvent) {
				event.IsBase64Encoded = false
			}},
		{name: "no base64", file: "apigateway_v2.json", status: http.StatusBadRequest, change: func(event *gatewayEvent) {
			event.IsBase64Encoded = true
		}},
		{name: "no headers", file: "apigateway_v2.json", status: http.StatusUnauthorized, change: func(event *gatewayEvent) {
			event.Headers = nil
		}},
		{name: "an algorithm twice", file: "alb_multivalue.json", status: http.StatusUnauthorized, change: func(event *gatewayEvent) {
			event.MultiValueHeaders["x-payload-digest-alg"] = []string{"HMAC_SHA256_HEX", "HMAC_SHA256_HEX"}
		}},
		{name: "no event", file: "apigateway_v2.json", status: http.StatusBadRequest, change: func(event *gatewayEvent) {
			sign(event, "[]")
		}},
		{name: "an error of the handler", file: "apigateway_v1.json", err: errors.New("the database is away"),
			status: http.StatusInternalServerError, received: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			event, got := readEvent(t, test.file), &events{err: test.err}
			if test.change != nil {
				test.change(&event)
			}
			answer, err := serverlessHandler(newVerifier(t), got.handle)(t.Context(), event)
			require.NoError(t, err)
			require.Equal(t, test.status, answer.StatusCode)
			require.Len(t, got.received, test.received)
			text, err := json.Marshal(answer)
			require.NoError(t, err)
			require.NotContains(t, string(text), "database")
		})
	}
}

// Each fixture has the body that was signed, as text or in base64.
func TestFixtures(t *testing.T) {
	t.Parallel()
	want := readEvent(t, "alb.json").Body
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.Len(t, files, 6)
	for _, file := range files {
		event := readEvent(t, filepath.Base(file))
		if event.IsBase64Encoded {
			require.Equal(t, base64.StdEncoding.EncodeToString([]byte(want)), event.Body, file)
		} else {
			require.Equal(t, want, event.Body, file)
		}
	}
}
