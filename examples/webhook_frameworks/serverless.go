package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/idngo-go/idngo"
)

// gatewayEvent is a request in the form that a function on AWS gets. It covers three forms: the
// payload formats 1.0 and 2.0 of Amazon API Gateway, and that of an Application Load Balancer.
type gatewayEvent struct {
	HTTPMethod     string `json:"httpMethod"` // in format 1.0 and from a load balancer
	RequestContext struct {
		HTTP struct {
			Method string `json:"method"` // in format 2.0
		} `json:"http"`
	} `json:"requestContext"`
	// Names are as the sender wrote them (format 1.0) or in lower case (the others). A load balancer
	// sends either Headers or MultiValueHeaders, as its target group says. Format 1.0 has both.
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Body              string              `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
}

// gatewayAnswer is an answer for all three forms.
type gatewayAnswer struct {
	StatusCode        int                 `json:"statusCode"`
	StatusDescription string              `json:"statusDescription"`
	Headers           map[string]string   `json:"headers,omitempty"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders,omitempty"`
	Body              string              `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
}

// serverlessHandler returns a function for lambda.Start of github.com/aws/aws-lambda-go.
func serverlessHandler(verifier *idngo.WebhookVerifier, handle handleFunc) func(context.Context, gatewayEvent) (gatewayAnswer, error) {
	return func(ctx context.Context, request gatewayEvent) (gatewayAnswer, error) {
		if cmp.Or(request.HTTPMethod, request.RequestContext.HTTP.Method) != http.MethodPost {
			return request.answer(http.StatusMethodNotAllowed), nil
		}
		body, err := request.body()
		if err != nil {
			slog.WarnContext(ctx, "webhook refused", "error", err)
			return request.answer(http.StatusBadRequest), nil
		}
		if err := verifier.Verify(body, request.header()); err != nil {
			slog.WarnContext(ctx, "webhook refused", "error", err)
			return request.answer(webhookStatus(err)), nil
		}
		event, err := idngo.ParseWebhook(body) // call it only after Verify
		if err != nil {
			slog.WarnContext(ctx, "webhook refused", "error", err)
			return request.answer(webhookStatus(err)), nil
		}
		if err := handle(ctx, event); err != nil {
			slog.ErrorContext(ctx, "webhook not handled", "error", err)
			return request.answer(http.StatusInternalServerError), nil // the service sends it again
		}
		return request.answer(http.StatusOK), nil
	}
}

// body returns the bytes that were signed.
func (e *gatewayEvent) body() ([]byte, error) {
	if e.IsBase64Encoded {
		return base64.StdEncoding.DecodeString(e.Body)
	}
	return []byte(e.Body), nil
}

// header returns the headers with canonical names, which http.Header.Get needs.
func (e *gatewayEvent) header() http.Header {
	header := http.Header{}
	for name, values := range e.MultiValueHeaders {
		for _, value := range values {
			header.Add(name, value)
		}
	}
	if len(header) > 0 {
		return header
	}
	for name, value := range e.Headers {
		header.Add(name, value)
	}
	return header
}

// answer returns an answer to the request with a status and without a body. A load balancer
// requires the headers in the form of its own request.
func (e *gatewayEvent) answer(status int) gatewayAnswer {
	answer := gatewayAnswer{StatusCode: status, StatusDescription: fmt.Sprint(status, " ", http.StatusText(status))}
	if len(e.MultiValueHeaders) > 0 {
		answer.MultiValueHeaders = map[string][]string{"Content-Type": {"text/plain"}}
	} else {
		answer.Headers = map[string]string{"Content-Type": "text/plain"}
	}
	return answer
}
