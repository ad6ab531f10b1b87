package e2e_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// writeAs returns a function that answers with a status, a media type and a text.
func writeAs(status int, mediaType, text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// An answer shows that the service accepts the credentials, or the error tells the user what to do.
func TestCheckCredentials(t *testing.T) {
	const (
		page        = "<html>not here</html>"
		otherServer = "something other than the service answered: check the base URL"
		wrongToken  = "the service does not know the app token: copy the token and its key from the dashboard of the right environment again"
		wrongKey    = "the secret key does not belong to the app token, or a proxy changes requests"
		notNow      = "the service does not answer now: check again later"
	)
	text401 := func(text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { faultnet.Refuse(w, 401, 0, text) }
	}
	for name, tt := range map[string]struct {
		answer  func(http.ResponseWriter)
		advice  string // the advice in the error; "" if the credentials are accepted
		want    error  // an error that matches; nil if any may
		notWant error  // an error that does not match; nil if any may
	}{
		"404 of the service":    {answer: faultnet.Refusal(404, 0)},
		"404 without errorCode": {answer: writeAs(404, "application/json", `{"description":"Action not found","code":404}`)},
		"404 with text only":    {answer: writeAs(404, "application/json", `{"description":"Action not found"}`)},
		"an action":             {answer: writeAs(200, "application/json", `{"id":"000000000000000000000000"}`)},
		"another action":        {answer: writeAs(200, "application/json", `{"id":"1"}`)},
		"an empty object":       {answer: writeAs(200, "application/json", `{}`)},
		"201":                   {answer: writeAs(201, "application/json", `{}`)},

		"404 page":           {answer: writeAs(404, "text/html", page), advice: otherServer, want: idngo.ErrNotFound},
		"404 text":           {answer: writeAs(404, "text/plain", "404 page not found\n"), advice: otherServer, want: idngo.ErrNotFound},
		"404 without a body": {answer: writeAs(404, "application/json", ""), advice: otherServer, want: idngo.ErrNotFound},
		"404 of another API": {answer: writeAs(404, "application/json", `{"message":"no route"}`), advice: otherServer},
		"200 page":           {answer: writeAs(200, "text/html; charset=utf-8", page), advice: otherServer},
		"200 text":           {answer: writeAs(200, "text/plain", "welcome"), advice: otherServer},
		"200 without a body": {answer: writeAs(200, "application/json", ""), advice: otherServer},
		"200 list":           {answer: writeAs(200, "application/json", "[]"), advice: otherServer},
		"405":                {answer: faultnet.Refusal(405, 0), advice: otherServer},
		"redirect": {
			answer: faultnet.Refusal(302, 0, "Location", "https://login.test/"), advice: otherServer, want: idngo.ErrRedirect,
		},
		"4000": {answer: faultnet.Refusal(401, 4000), advice: wrongToken, want: idngo.ErrUnauthorized},
		"4001": {answer: faultnet.Refusal(401, 4001), advice: wrongToken, want: idngo.ErrUnauthorized},
		"4002": {answer: faultnet.Refusal(401, 4002), advice: wrongToken, notWant: idngo.ErrSignatureMismatch},
		"4003": {answer: faultnet.Refusal(401, 4003), advice: wrongKey, want: idngo.ErrSignatureMismatch},
		"4004 again and again": {
			answer: faultnet.Refusal(401, 4004), advice: "the clock of this machine is wrong", want: idngo.ErrTimestampExpired,
		},
		"401":                    {answer: text401("no"), advice: wrongToken, notWant: idngo.ErrSignatureMismatch},
		"401 about a signature":  {answer: text401("Request signature mismatch"), advice: wrongKey, want: idngo.ErrSignatureMismatch},
		"401 about Signature":    {answer: text401("Invalid Signature"), advice: wrongKey, want: idngo.ErrUnauthorized},
		"401 about an old one":   {answer: text401("signature expired"), advice: wrongToken, notWant: idngo.ErrSignatureMismatch},
		"401 page":               {answer: writeAs(401, "text/html", page), advice: otherServer, want: idngo.ErrUnauthorized},
		"403":                    {answer: faultnet.Refusal(403, 0), advice: "the app token lacks a permission", want: idngo.ErrForbidden},
		"403 page of a firewall": {answer: writeAs(403, "text/html", page), advice: otherServer, want: idngo.ErrForbidden},
		"429":                    {answer: faultnet.Refusal(429, 0), advice: notNow, want: idngo.ErrRateLimited},
		"500":                    {answer: faultnet.Refusal(500, 0), advice: notNow, want: idngo.ErrServer},
		"502 page":               {answer: writeAs(502, "text/html", page), advice: notNow, want: idngo.ErrServer},
		"503":                    {answer: faultnet.Refusal(503, 0), advice: notNow, want: idngo.ErrServer},
	} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = faultnet.AnswerInTurn(tt.answer, tt.answer, tt.answer)
				err := network.Client().CheckCredentials(t.Context())
				if tt.advice == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, "idngo: CheckCredentials: "+tt.advice)
				require.ErrorContains(t, err, ": get action: ", "and what the service said")
				if tt.want != nil {
					require.ErrorIs(t, err, tt.want)
				}
				if tt.notWant != nil {
					require.NotErrorIs(t, err, tt.notWant)
				}
				assert.NotContains(t, err.Error(), "\n")
			})
		})
	}
}

func TestCheckCredentialsWithoutAnAnswer(t *testing.T) {
	const unreachable = "idngo: CheckCredentials: the service cannot be reached: check the network and the base URL: get action: "
	for name, fail := range map[string]error{
		"refused":      syscall.ECONNREFUSED,
		"unknown host": &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "api.test", IsNotFound: true}},
	} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnDial = func(context.Context, int) error { return fail }
				err := network.Client().CheckCredentials(t.Context())
				require.ErrorContains(t, err, unreachable)
				require.ErrorIs(t, err, fail)
			})
		})
	}
	t.Run("the deadline ends it", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			network := faultnet.New(t)
			network.OnRequest = faultnet.AnswerAll(faultnet.NeverAnswer)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := network.Client().CheckCredentials(ctx)
			require.ErrorContains(t, err, unreachable)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			var timeout net.Error
			require.ErrorAs(t, err, &timeout)
			assert.True(t, timeout.Timeout())
		})
	})
	t.Run("the caller ends it", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err := faultnet.New(t).Client().CheckCredentials(ctx)
			require.ErrorIs(t, err, context.Canceled)
			assert.NotContains(t, err.Error(), "check the network")
		})
	})
	t.Run("it was not sent", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			network := faultnet.New(t)
			require.ErrorIs(t, network.Client().CheckCredentials(faultnet.NilContext), idngo.ErrInvalidArgument)
			require.ErrorIs(t, network.Client().CheckCredentials(t.Context(), nil), idngo.ErrInvalidArgument)
			require.ErrorIs(t, new(idngo.Client).CheckCredentials(t.Context()), idngo.ErrInvalidArgument)
			assert.Zero(t, network.Dialed())
		})
	})
}

// CheckCredentials corrects a wrong clock for the calls that follow.
func TestCheckCredentialsCorrectsTheClock(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network, service, actionID, _ := newSkewedSimulator(t, 10*time.Minute)
		client := network.Client()
		var response idngo.Response
		require.NoError(t, client.CheckCredentials(t.Context(), idngo.WithResponse(&response)))
		assert.Equal(t, http.StatusNotFound, response.StatusCode)
		assert.Equal(t, 2, response.Attempts)
		_, err := client.GetAction(t.Context(), actionID, idngo.WithResponse(&response))
		require.NoError(t, err)
		assert.Equal(t, 1, response.Attempts)
		assert.Equal(t, 1, service.Stats().RefusedTimestamps)
		assert.Zero(t, service.Stats().RefusedSignatures)
	})
}

// The call of CheckCredentials is logged and traced as the endpoint GetAction.
func TestCheckCredentialsIsAGetAction(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network, service := faultnet.NewSimulator(t, simulator.Config{})
		require.NoError(t, network.Client().CheckCredentials(t.Context()))
		assert.Equal(t, map[string]int{"GetAction": 1}, service.Stats().ByOperation)
		assert.Empty(t, service.Actions())
	})
}
