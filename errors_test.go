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
		{"400", 400, nil, `{"description":"bad","code":400,"correlationId":"req-1"}`,
			idngo.APIError{Description: "bad", CorrelationID: "req-1"}, nil,
			"idngo: GetAction: 400 Bad Request: bad, correlation id req-1"},
		{"401 with a code", 401, nil, `{"code":401,"errorCode":4003,"errorName":"app-token-signature mismatch"}`,
			idngo.APIError{Code: 4003, Name: "app-token-signature mismatch"}, []error{idngo.ErrUnauthorized, idngo.ErrSignatureMismatch},
			"idngo: GetAction: 401 Unauthorized, code 4003 app-token-signature mismatch"},
		{"401 from a clock", 401, nil, `{"errorCode":4004}`, idngo.APIError{Code: 4004}, []error{idngo.ErrUnauthorized, idngo.ErrTimestampExpired}, ""},
		{"403", 403, nil, `{}`, idngo.APIError{}, []error{idngo.ErrForbidden}, "idngo: GetAction: 403 Forbidden"},
		{"404 empty", 404, nil, ``, idngo.APIError{}, []error{idngo.ErrNotFound}, ""},
		{"409", 409, nil, `{"errorCode":1009}`, idngo.APIError{Code: 1009}, []error{idngo.ErrConflict}, ""},
		{"409 for later", 409, http.Header{"Retry-After": {"10"}}, ``, idngo.APIError{RetryAfter: 10 * time.Second}, []error{idngo.ErrConflict}, ""},
		{"code as text", 409, nil, `{"errorCode":"1000"}`, idngo.APIError{Code: 1000}, []error{idngo.ErrConflict, idngo.ErrDuplicateImage}, ""},
		{"file too big", 400, nil, `{"errorCode":1002}`, idngo.APIError{Code: 1002}, []error{idngo.ErrImageTooLarge}, ""},
		{"413 of another call", 413, nil, ``, idngo.APIError{}, nil, ""},
		{"429", 429, nil, ``, idngo.APIError{}, []error{idngo.ErrRateLimited}, ""},
		{"500", 500, nil, `null`, idngo.APIError{}, []error{idngo.ErrServer}, ""},
		{"501", 501, nil, `[1]`, idngo.APIError{}, []error{idngo.ErrServer}, ""},
		{"502 HTML", 502, http.Header{"Content-Type": {"text/html"}}, `<html><h1>502</h1>`, idngo.APIError{}, []error{idngo.ErrServer}, "idngo: GetAction: 502 Bad Gateway"},
		{"cut off", 503, nil, `{"description":"ba`, idngo.APIError{}, []error{idngo.ErrServer}, "idngo: GetAction: 503 Service Unavailable"},
		{"members of other types", 400, nil, `{"description":{"a":1},"errorCode":{},"errorName":7,"correlationId":"c"}`, idngo.APIError{CorrelationID: "c"}, nil, ""},
		{"a class name", 500, nil, `{"type":"java.lang.NullPointerException"}`, idngo.APIError{}, []error{idngo.ErrServer}, ""},
		{"unknown status", 599, nil, ``, idngo.APIError{}, []error{idngo.ErrServer}, "idngo: GetAction: 599"},
		{"redirect", 307, http.Header{"Location": {"https://evil.test/x?y=z"}}, ``, idngo.APIError{}, []error{idngo.ErrRedirect},
			"idngo: GetAction: 307 Temporary Redirect, redirect to evil.test refused"},
		{"redirect without a place", 304, nil, ``, idngo.APIError{}, []error{idngo.ErrRedirect}, "idngo: GetAction: 304 Not Modified"},
		{"lines and controls", 400, nil, `{"description":"a\nb\u0000c\u001b[31m"}`, idngo.APIError{Description: "a\nb\x00c\x1b[31m"}, nil,
			"idngo: GetAction: 400 Bad Request: a b c [31m"},
		{"cut inside of a letter", 400, nil, `{"description":"x` + strings.Repeat("Ж", 200) + `"}`, idngo.APIError{Description: "x" + strings.Repeat("Ж", 200)}, nil,
			"idngo: GetAction: 400 Bad Request: x" + strings.Repeat("Ж", 149) + "…"},
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
			assert.Equal(t, err.Error(), err.(fmt.GoStringer).GoString(), "printers other than fmt call it")
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
		_, err := client.AddImage(t.Context(), "a1", idngo.AddImageParams{IDDocType: "SELFIE", Country: "KAZ", Image: idngo.ImageBytes("x.png", []byte("x"))})
		for _, sentinel := range want {
			require.ErrorIs(t, err, sentinel)
		}
		assert.Equal(t, status == 502, errors.Is(err, idngo.ErrOutcomeUnknown))
	}
}

// Every verb shows the safe text: fmt would print the fields for the odd ones.
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
	assert.Contains(t, fmt.Sprintf("%d", answered), "no [redacted] here") //nolint:govet // on purpose
}

// The file's name is redacted as it was given and as it was sent.
func TestErrorHidesFileName(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	faultnet.Respond(t, mock, "POST", "/resources/applicantActions/a1/images", 400, `{"description":"bad Ivan Petrov.jpg"}`)
	_, err := client.AddImage(t.Context(), "a1", idngo.AddImageParams{IDDocType: "SELFIE", Country: "KAZ", Image: idngo.ImageBytes("scans/Ivan Petrov.jpg", []byte("x"))})
	require.ErrorContains(t, err, "bad [redacted]")
}

// One odd member of an answer does not cost an upload, a token or a link.
func TestOddMembersOfAnswers(t *testing.T) {
	t.Parallel()
	client, mock := faultnet.NewMock(t)
	faultnet.Respond(t, mock, "POST", "/resources/applicantActions/a1/images", 200, `{"id":"66bb","imageId":1411,"fileSize":"1362","reviewResult":"GREEN","deleted":"no"}`)
	image, err := client.AddImage(t.Context(), "a1", idngo.AddImageParams{IDDocType: "SELFIE", Country: "KAZ", Image: idngo.ImageBytes("x", []byte("x"))})
	require.NoError(t, err)
	assert.Equal(t, idngo.ImageID("1411"), image.ImageID)
	faultnet.Respond(t, mock, "POST", "/resources/accessTokens?levelName=L&ttlInSecs=600&userId=28", 200, `{"token":"t","userId":28,"expiresAt":"2024-12-05 12:24:45+0000"}`)
	token, err := client.CreateAccessToken(t.Context(), idngo.AccessTokenParams{UserID: "28", LevelName: "L"})
	require.NoError(t, err)
	assert.Equal(t, "28", token.UserID)
}

// FuzzAPIError: any answer but a 2xx is an APIError with its status, in one
// printable line that shows nothing of what was sent.
func FuzzAPIError(f *testing.F) {
	const id = "action-918273645546"
	for _, body := range []string{
		`{"description":"bad","code":400,"correlationId":"req-1"}`, `{"code":401,"errorCode":4003,"errorName":"app-token-signature mismatch"}`,
		`{"errorCode":"1000"}`, `{"description":"Action ` + id + ` not found","errorCode":1e3}`, `{"description":{"a":1},"errorCode":{},"errorName":7}`,
		`<html><h1>502</h1>`, ``, `null`, `[1]`, `{"description":"ba`, `{"description":"a\nb\u0000c\u001b[31m\ud800"}`, "\xff",
		`{"correlationId":"` + faultnet.AppToken + `","errorName":"\u0061ction-918273645546"}`,
	} {
		f.Add(uint16(400), "", "", []byte(body))
	}
	f.Add(uint16(429), "5", "", []byte(`{}`))
	f.Add(uint16(409), "Mon, 23 Nov 2026 00:00:00 GMT", "", []byte(`{"errorCode":1009}`))
	f.Add(uint16(307), "", "https://evil.test/"+id+"?x", []byte(``))
	f.Fuzz(func(t *testing.T, number uint16, retryAfter, location string, body []byte) {
		status := 300 + (int(number)+400)%700 // 300 to 999, and those above as they are
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
