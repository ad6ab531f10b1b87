package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
)

const secret = "of-the-webhook"

const reviewed = "{\n  \"type\" : \"applicantActionReviewed\",\n  \"applicantActionId\" : \"a1\",\n" +
	"  \"reviewResult\" : { \"reviewAnswer\" : \"GREEN\" },\n  \"reviewStatus\" : \"completed\"\n}"

// events records the events that a receiver has passed on.
type events struct {
	received []*idngo.WebhookEvent
	err      error // the result of handle
}

// handle keeps the event and returns the error that the test has set.
func (e *events) handle(_ context.Context, event *idngo.WebhookEvent) error {
	e.received = append(e.received, event)
	return e.err
}

// newVerifier returns a verifier for the secret of the tests.
func newVerifier(t *testing.T, opts ...idngo.WebhookOption) *idngo.WebhookVerifier {
	t.Helper()
	verifier, err := idngo.NewWebhookVerifier(secret, opts...)
	require.NoError(t, err)
	return verifier
}

// signed returns a request that delivers a body, signed with a secret.
func signed(t *testing.T, body string, key idngo.Secret) *http.Request {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/idngo", strings.NewReader(body))
	request.Header = idngo.SignWebhook([]byte(body), key, idngo.HMACSHA256)
	request.Header.Set("Content-Type", "application/json")
	return request
}

// serveOne returns the answer of a handler to one request.
func serveOne(handler http.Handler, request *http.Request) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

func TestRouters(t *testing.T) {
	t.Parallel()
	failure := errors.New("the database is away")
	for name, router := range routers {
		for _, test := range []struct {
			name     string
			change   func(*http.Request)
			body     string       // the default is reviewed
			key      idngo.Secret // the default is secret
			err      error        // the error of the handler
			status   int
			received int
		}{
			{name: "a signed event is handled", status: http.StatusOK, received: 1},
			{name: "an error asks for another delivery", err: failure, status: http.StatusInternalServerError, received: 1},
			{name: "another secret is refused", key: "not-" + secret, status: http.StatusUnauthorized},
			{name: "another body is refused", status: http.StatusUnauthorized, change: func(request *http.Request) {
				request.Body = io.NopCloser(strings.NewReader(strings.Replace(reviewed, "GREEN", "RED", 1)))
				request.ContentLength = -1
			}},
			{name: "no digest is refused", status: http.StatusUnauthorized, change: func(request *http.Request) {
				request.Header.Del("X-Payload-Digest")
			}},
			{name: "no event is refused", body: "[]", status: http.StatusBadRequest},
			{name: "a large body is refused", body: strings.Repeat(" ", 5000) + reviewed, status: http.StatusRequestEntityTooLarge},
			{name: "another method is refused", status: http.StatusMethodNotAllowed, change: func(request *http.Request) {
				request.Method = http.MethodPut
			}},
			{name: "another path is not found", status: http.StatusNotFound, change: func(request *http.Request) {
				request.URL.Path = "/other"
			}},
		} {
			t.Run(name+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				body, key := reviewed, idngo.Secret(secret)
				if test.body != "" {
					body = test.body
				}
				if test.key != "" {
					key = test.key
				}
				request := signed(t, body, key)
				if test.change != nil {
					test.change(request)
				}
				got := &events{err: test.err}
				answer := serveOne(router(newVerifier(t, idngo.WithMaxBodySize(4096)), got.handle), request)
				require.Equal(t, test.status, answer.Code)
				require.NotContains(t, answer.Body.String(), failure.Error())
				require.Len(t, got.received, test.received)
				for _, event := range got.received {
					require.Equal(t, idngo.WebhookTypeApplicantActionReviewed, event.Type)
					require.Equal(t, "a1", event.ApplicantActionID)
					require.Equal(t, reviewed, string(event.Raw))
				}
			})
		}
	}
}

// A handler behind the middleware of echo and of gin can bind the body.
func TestMiddlewareLeavesBody(t *testing.T) {
	t.Parallel()
	type bound struct {
		Type string `json:"type"`
	}
	t.Run("echo", func(t *testing.T) {
		t.Parallel()
		router := echo.New()
		router.POST("/idngo", func(c *echo.Context) error {
			var payload bound
			if err := c.Bind(&payload); err != nil {
				return err
			}
			return c.String(http.StatusOK, payload.Type)
		}, echoVerify(newVerifier(t)))
		require.Equal(t, "applicantActionReviewed", serveOne(router, signed(t, reviewed, secret)).Body.String())
		require.Equal(t, http.StatusUnauthorized, serveOne(router, signed(t, reviewed, "another")).Code)
	})
	t.Run("gin", func(t *testing.T) {
		t.Parallel()
		router := gin.New()
		router.POST("/idngo", ginVerify(newVerifier(t)), func(c *gin.Context) {
			var payload bound
			if err := c.ShouldBindJSON(&payload); err != nil {
				c.AbortWithStatus(http.StatusInternalServerError)
				return
			}
			c.String(http.StatusOK, payload.Type)
		})
		require.Equal(t, "applicantActionReviewed", serveOne(router, signed(t, reviewed, secret)).Body.String())
		require.Equal(t, http.StatusUnauthorized, serveOne(router, signed(t, reviewed, "another")).Code)
	})
}

func TestServe(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served, router := make(chan error, 1), netHTTPRouter(newVerifier(t), logEvent)
	go func() { served <- serve(ctx, listener, router) }()
	url := "http://" + listener.Addr().String() + "/idngo"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader([]byte(reviewed)))
	require.NoError(t, err)
	request.Header = idngo.SignWebhook([]byte(reviewed), secret, idngo.HMACSHA512)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	stop()
	require.NoError(t, <-served)
}
