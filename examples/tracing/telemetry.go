package main

import (
	"context"
	"net/http"
	"net/url"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/idngo-go/idngo"
)

// This file adds these attributes to those of otelhttp.
const (
	operationKey = attribute.Key("idngo.operation") // of spans and metrics; for example GetAction
	attemptsKey  = attribute.Key("idngo.attempts")  // of the span of a call: how many attempts it took
)

// instrument returns a RoundTripper that sends requests with base. It makes a span for each attempt
// of a call, named by the operation, and measures attempts by operation and status.
//
// No span and no metric has a URL below the host: paths and queries of the API hold ids of
// applicants and of users. Trace context and baggage are not sent to the service.
func instrument(base http.RoundTripper, tracers trace.TracerProvider, meters metric.MeterProvider) http.RoundTripper {
	return hideURL{otelhttp.NewTransport(restoreURL{base},
		otelhttp.WithTracerProvider(tracers),
		otelhttp.WithMeterProvider(meters),
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator()),
		otelhttp.WithSpanNameFormatter(func(_ string, request *http.Request) string {
			return idngo.OperationFromContext(request.Context())
		}),
	)}
}

// hideURL sends a request whose URL is only the scheme and the host. restoreURL finds the real URL
// in the context, so that otelhttp between the two cannot record it. The context also has the
// operation for the metrics of otelhttp.
type hideURL struct{ next http.RoundTripper }

type urlKey struct{}

func (t hideURL) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := context.WithValue(request.Context(), urlKey{}, request.URL)
	labels := new(otelhttp.Labeler) // ctx may have the Labeler of an incoming request
	labels.Add(operationKey.String(idngo.OperationFromContext(ctx)))
	hidden := request.WithContext(otelhttp.ContextWithLabeler(ctx, labels))
	hidden.URL = &url.URL{Scheme: request.URL.Scheme, Host: request.URL.Host}
	return t.next.RoundTrip(hidden)
}

// restoreURL sends a request with the URL that hideURL has stored, and names the operation in the
// span of the attempt.
type restoreURL struct{ next http.RoundTripper }

func (t restoreURL) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	trace.SpanFromContext(ctx).SetAttributes(operationKey.String(idngo.OperationFromContext(ctx)))
	restored := request.WithContext(ctx)
	restored.URL = ctx.Value(urlKey{}).(*url.URL)
	return t.next.RoundTrip(restored)
}

// call makes a call of the client in a span that is the parent of its attempts' spans. Pass the
// context and the option on to the client.
func call(ctx context.Context, tracer trace.Tracer, operation string, do func(context.Context, idngo.RequestOption) error) error {
	ctx, span := tracer.Start(ctx, "idngo."+operation)
	defer span.End()
	var response idngo.Response
	err := do(ctx, idngo.WithResponse(&response))
	span.SetAttributes(operationKey.String(operation), attemptsKey.Int(response.Attempts))
	if err != nil {
		span.SetStatus(codes.Error, err.Error()) // the client's errors contain no value that was sent
	}
	return err
}
