package idngo_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

func TestAPIError(t *testing.T) {
	t.Parallel()
	sentinels := []error{
		idngo.ErrUnauthorized, idngo.ErrForbidden, idngo.ErrNotFound, idngo.ErrConflict, idngo.ErrRateLimited, idngo.ErrServer,
		idngo.ErrSignatureMismatch, idngo.ErrTimestampExpired, idngo.ErrDuplicateImage, idngo.ErrImageTooLarge, idngo.ErrImageChanged,
		idngo.ErrRedirect, idngo.ErrOutcomeUnknown, idngo.ErrInvalidArgument, idngo.ErrActionMismatch, idngo.ErrResponseTooLarge,
	}
	tests := []struct {
		name   string
		status int
		header http.Header
		body   string
		want   idngo.APIError
		is     []error
		text   string
	}{
		{name: "400", status: 400, body: `{"description":"bad","code":400,"correlationId":"req-1"}`,
			want: idngo.APIError{Description: "bad", CorrelationID: "req-1"}, text: "idngo: GetAction: 400 Bad Request: bad, correlation id req-1"},
		{name: "401 with a code", status: 401, body: `{"code":401,"errorCode":4003,"errorName":"app-token-signature mismatch"}`,
			want: idngo.APIError{Code: 4003, Name: "app-token-signature mismatch"}, is: []error{idngo.ErrUnauthorized, idngo.ErrSignatureMismatch},
			text: "idngo: GetAction: 401 Unauthorized, code 4003 app-token-signature mismatch"},
		{
			name: "401 from a clock", status: 401, body: `{"errorCode":4004}`, want: idngo.APIError{Code: 4004},
			is: []error{idngo.ErrUnauthorized, idngo.ErrTimestampExpired},
		},
		{name: "403", status: 403, body: `{}`, is: []error{idngo.ErrForbidden}, text: "idngo: GetAction: 403 Forbidden"},
		{name: "404 empty", status: 404, is: []error{idngo.ErrNotFound}},
		{name: "409", status: 409, body: `{"errorCode":1009}`, want: idngo.APIError{Code: 1009}, is: []error{idngo.ErrConflict}},
		{
			name: "409 for later", status: 409, header: http.Header{"Retry-After": {"10"}}, want: idngo.APIError{RetryAfter: 10 * time.Second},
			is: []error{idngo.ErrConflict},
		},
		{
			name: "code as text", status: 409, body: `{"errorCode":"1000"}`, want: idngo.APIError{Code: 1000},
			is: []error{idngo.ErrConflict, idngo.ErrDuplicateImage},
		},
		{name: "file too big", status: 400, body: `{"errorCode":1002}`, want: idngo.APIError{Code: 1002}, is: []error{idngo.ErrImageTooLarge}},
		{name: "413 of another call", status: 413},
		{name: "429", status: 429, is: []error{idngo.ErrRateLimited}},
		{name: "500", status: 500, body: `null`, is: []error{idngo.ErrServer}},
		{name: "501", status: 501, body: `[1]`, is: []error{idngo.ErrServer}},
		{
			name: "502 HTML", status: 502, header: http.Header{"Content-Type": {"text/html"}}, body: `<html><h1>502</h1>`,
			is: []error{idngo.ErrServer}, text: "idngo: GetAction: 502 Bad Gateway (text/html, most likely from a proxy or gateway)",
		},
		{
			name: "cut off", status: 503, body: `{"description":"ba`, is: []error{idngo.ErrServer},
			text: "idngo: GetAction: 503 Service Unavailable",
		},
		{
			name: "members of other types", status: 400, body: `{"description":{"a":1},"errorCode":{},"errorName":7,"correlationId":"c"}`,
			want: idngo.APIError{CorrelationID: "c"},
		},
		{name: "a class name", status: 500, body: `{"type":"java.lang.NullPointerException"}`, is: []error{idngo.ErrServer}},
		{name: "unknown status", status: 599, is: []error{idngo.ErrServer}, text: "idngo: GetAction: 599"},
		{name: "redirect", status: 307, header: http.Header{"Location": {"https://evil.test/x?y=z"}}, is: []error{idngo.ErrRedirect},
			text: "idngo: GetAction: 307 Temporary Redirect, redirect to evil.test refused"},
		{name: "redirect without a place", status: 302, is: []error{idngo.ErrRedirect}, text: "idngo: GetAction: 302 Found"},
		{name: "not modified", status: 304, header: http.Header{"Location": {"https://evil.test/x"}}, text: "idngo: GetAction: 304 Not Modified"},
		{
			name: "lines and controls", status: 400, body: `{"description":"a\nb\u0000c\u001b[31m"}`,
			want: idngo.APIError{Description: "a\nb\x00c\x1b[31m"}, text: "idngo: GetAction: 400 Bad Request: a b c [31m",
		},
		{
			name: "cut inside of a letter", status: 400, body: `{"description":"x` + strings.Repeat("Ж", 200) + `"}`,
			want: idngo.APIError{Description: "x" + strings.Repeat("Ж", 200)},
			text: "idngo: GetAction: 400 Bad Request: x" + strings.Repeat("Ж", 149) + "…",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, mock := faultnet.NewMock(t)
			faultnet.RespondFunc(t, mock, "GET", getTarget, func(*http.Request, []byte) (*http.Response, error) {
				res := httpmock.NewStringResponse(tt.status, tt.body)
				res.Header = tt.header
				return res, nil
			})
			_, err := client.GetAction(t.Context(), "a1")
			var api *idngo.APIError
			require.ErrorAs(t, err, &api)
			assert.Equal(t, "GetAction", api.Operation)
			assert.Equal(t, tt.status, api.StatusCode)
			assert.Equal(t, 1, api.Attempts)
			assert.Equal(t, tt.want.Code, api.Code)
			assert.Equal(t, tt.want.Name, api.Name)
			assert.Equal(t, tt.want.Description, api.Description)
			assert.Equal(t, tt.want.CorrelationID, api.CorrelationID)
			assert.Equal(t, tt.want.RetryAfter, api.RetryAfter)
			for _, sentinel := range sentinels {
				want := false
				for _, is := range tt.is {
					want = want || is == sentinel
				}
				assert.Equal(t, want, errors.Is(err, sentinel), "%v", sentinel)
			}
			if tt.text != "" {
				assert.Equal(t, tt.text, err.Error())
			}
			assert.Equal(t, err.Error(), fmt.Sprintf("%#v", err))
		})
	}
}

func TestAPIErrorLongDescription(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	long := strings.Repeat("я", 100_000)
	faultnet.Respond(t, mock, "GET", getTarget, 400, `{"description":"`+long+`"}`)
	var r idngo.Response
	_, err := client.GetAction(t.Context(), "a1", idngo.WithResponse(&r))
	require.Error(t, err)
	assert.Less(t, len(err.Error()), 400)
	assert.Len(t, r.Body, 64<<10, "64 KiB of an error body are kept")
	assert.Equal(t, 400, r.StatusCode)
}

func TestErrorsOfOneUpload(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	for status, want := range map[int][]error{
		413: {idngo.ErrImageTooLarge},
		502: {idngo.ErrServer, idngo.ErrOutcomeUnknown},
		429: {idngo.ErrRateLimited},
	} {
		faultnet.Respond(t, mock, "POST", "/resources/applicantActions/a1/images", status, "")
		_, err := client.AddImage(
			t.Context(), "a1", idngo.AddImageParams{IDDocType: "SELFIE", Country: "KAZ", Image: idngo.ImageBytes("x.png", []byte("x"))},
		)
		for _, sentinel := range want {
			require.ErrorIs(t, err, sentinel)
		}
		assert.Equal(t, status == 502, errors.Is(err, idngo.ErrOutcomeUnknown))
	}
}

// Every verb prints the redacted text. For odd verbs fmt would otherwise print the fields.
func TestErrorVerbs(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	faultnet.Respond(t, mock, "GET", "/resources/applicantActions/ivan@example.com/one", 400, `{"description":"no ivan@example.com here"}`)
	_, answered := client.GetAction(t.Context(), "ivan@example.com")
	_, unanswered := client.GetAction(t.Context(), "no responder for ivan@example.com")
	for _, err := range []error{answered, unanswered} {
		require.Error(t, err)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%t", "%o", "%e", "%c", "%U", "%b"} {
			assert.NotContains(t, fmt.Sprintf(verb, err), "ivan@example.com", verb)
		}
	}
	assert.Contains(t, fmt.Sprintf("%d", answered), "no [redacted] here") //nolint:govet // this verb is wrong on purpose
}

// The error redacts the name of the file in the form that was given and in the form that was sent.
func TestErrorHidesFileName(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	faultnet.Respond(t, mock, "POST", "/resources/applicantActions/a1/images", 400, `{"description":"bad Ivan Petrov.jpg"}`)
	_, err := client.AddImage(
		t.Context(), "a1",
		idngo.AddImageParams{IDDocType: "SELFIE", Country: "KAZ", Image: idngo.ImageBytes("scans/Ivan Petrov.jpg", []byte("x"))},
	)
	require.ErrorContains(t, err, "bad [redacted]")
}

// A member of an unexpected type is ignored in the answers of an upload, a token and a link.
func TestOddMembersOfAnswers(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	faultnet.Respond(
		t, mock, "POST", "/resources/applicantActions/a1/images", 200,
		`{"id":"66bb","imageId":1411,"fileSize":"1362","reviewResult":"GREEN","deleted":"no"}`,
	)
	image, err := client.AddImage(
		t.Context(), "a1", idngo.AddImageParams{IDDocType: "SELFIE", Country: "KAZ", Image: idngo.ImageBytes("x", []byte("x"))},
	)
	require.NoError(t, err)
	assert.Equal(t, idngo.ImageID("1411"), image.ImageID)
	faultnet.Respond(
		t, mock, "POST", "/resources/accessTokens?levelName=L&ttlInSecs=600&userId=28", 200,
		`{"token":"t","userId":28,"expiresAt":"2024-12-05 12:24:45+0000"}`,
	)
	token, err := client.CreateAccessToken(t.Context(), idngo.AccessTokenParams{UserID: "28", LevelName: "L"})
	require.NoError(t, err)
	assert.Equal(t, "28", token.UserID)
}

// FuzzAPIError checks that any answer other than 2xx becomes an APIError with its status. The error
// is one printable line that shows no value that was sent.
func FuzzAPIError(f *testing.F) {
	const id = "action-918273645546"
	for _, body := range []string{
		`{"description":"bad","code":400,"correlationId":"req-1"}`, `{"code":401,"errorCode":4003,"errorName":"app-token-signature mismatch"}`,
		`{"errorCode":"1000"}`, `{"description":"Action ` + id + ` not found","errorCode":1e3}`,
		`{"description":{"a":1},"errorCode":{},"errorName":7}`,
		`<html><h1>502</h1>`, ``, `null`, `[1]`, `{"description":"ba`, `{"description":"a\nb\u0000c\u001b[31m\ud800"}`, "\xff",
		`{"correlationId":"` + faultnet.AppToken + `","errorName":"\u0061ction-918273645546"}`,
	} {
		f.Add(uint16(400), "", "", []byte(body))
	}
	f.Add(uint16(429), "5", "", []byte(`{}`))
	f.Add(uint16(409), "Mon, 23 Nov 2026 00:00:00 GMT", "", []byte(`{"errorCode":1009}`))
	f.Add(uint16(307), "", "https://evil.test/"+id+"?x", []byte(``))
	f.Fuzz(func(t *testing.T, number uint16, retryAfter, location string, body []byte) {
		status := 300 + (int(number)+400)%700 // a number from 300 to 999
		client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			header := http.Header{"Retry-After": {retryAfter}, "Location": {location}}
			return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: -1}, nil
		}), faultnet.OneAttempt())
		var res idngo.Response
		_, err := client.GetAction(t.Context(), id, idngo.WithResponse(&res))
		var api *idngo.APIError
		require.ErrorAs(t, err, &api)
		require.Equal(t, []int{status, status}, []int{api.StatusCode, res.StatusCode})
		require.True(t, bytes.Equal(body, res.Body) || len(body) > 64<<10)
		require.GreaterOrEqual(t, api.RetryAfter, time.Duration(0))
		text := err.Error()
		require.NotContains(t, text, id)
		require.NotContains(t, text, faultnet.AppToken)
		require.NotContains(t, text, faultnet.SecretKey)
		require.False(t, strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", text)
		require.Less(t, len(text), 2000)
	})
}
