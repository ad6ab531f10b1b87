package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/idngo-go/idngo"
)

const (
	applicantID = "63e096c51b6b4030f2e01154"
	actionID    = "63e0a2c51b6b4030f2e01160"
	userID      = "customer-4711"
)

// exported stores the telemetry of a test in memory.
type exported struct {
	spans   *tracetest.InMemoryExporter
	reader  *sdkmetric.ManualReader
	tracers *sdktrace.TracerProvider
	meters  *sdkmetric.MeterProvider
}

// newExported returns an exported that has received nothing yet.
func newExported() *exported {
	e := &exported{spans: tracetest.NewInMemoryExporter(), reader: sdkmetric.NewManualReader()}
	e.tracers = sdktrace.NewTracerProvider(sdktrace.WithSyncer(e.spans))
	e.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(e.reader))
	return e
}

// tracer returns a tracer whose spans are kept in memory.
func (e *exported) tracer() trace.Tracer { return e.tracers.Tracer("test") }

// client returns a client that is traced and whose requests service answers.
func (e *exported) client(t *testing.T, service roundTripperFunc) *idngo.Client {
	t.Helper()
	client, err := idngo.NewClient(idngo.Credentials{AppToken: "sbx:token", SecretKey: "key"},
		idngo.WithBaseURL("https://api.example.com"),
		idngo.WithHTTPClient(&http.Client{Transport: instrument(service, e.tracers, e.meters)}))
	require.NoError(t, err)
	return client
}

// named returns the spans of a name, in the order in which they ended.
func (e *exported) named(name string) []tracetest.SpanStub {
	var found []tracetest.SpanStub
	for _, span := range e.spans.GetSpans() {
		if span.Name == name {
			found = append(found, span)
		}
	}
	return found
}

// attempts returns how many attempts of an operation were measured with a status.
func (e *exported) attempts(t *testing.T, operation string, status int) (count uint64) {
	t.Helper()
	for _, metric := range e.metrics(t) {
		histogram, ok := metric.Data.(metricdata.Histogram[float64])
		if !ok || metric.Name != "http.client.request.duration" {
			continue
		}
		for _, point := range histogram.DataPoints {
			measured, _ := point.Attributes.Value(operationKey)
			answered, found := point.Attributes.Value("http.response.status_code")
			if measured.AsString() == operation && (found && int(answered.AsInt64()) == status || !found && status == 0) {
				count += point.Count
			}
		}
	}
	return count
}

// metrics returns the metrics of all scopes.
func (e *exported) metrics(t *testing.T) []metricdata.Metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, e.reader.Collect(t.Context(), &all))
	var metrics []metricdata.Metrics
	for _, scope := range all.ScopeMetrics {
		metrics = append(metrics, scope.Metrics...)
	}
	return metrics
}

// values returns every text that would be exported: names, attributes, events and statuses of
// spans, and attributes of metrics.
func (e *exported) values(t *testing.T) []string {
	t.Helper()
	var values []string
	add := func(attributes []attribute.KeyValue) {
		for _, a := range attributes {
			values = append(values, string(a.Key), a.Value.String())
		}
	}
	for _, span := range e.spans.GetSpans() {
		values = append(values, span.Name, span.Status.Description)
		add(span.Attributes)
		for _, event := range span.Events {
			values = append(values, event.Name)
			add(event.Attributes)
		}
	}
	for _, metric := range e.metrics(t) {
		switch data := metric.Data.(type) {
		case metricdata.Histogram[float64]:
			for _, point := range data.DataPoints {
				add(point.Attributes.ToSlice())
			}
		case metricdata.Histogram[int64]:
			for _, point := range data.DataPoints {
				add(point.Attributes.ToSlice())
			}
		default:
			require.Fail(t, "unknown kind of metric", "%s: %T", metric.Name, data)
		}
	}
	require.NotEmpty(t, values)
	return values
}

type roundTripperFunc func(*http.Request) (*http.Response, error)

func (f roundTripperFunc) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// respond returns an answer to a request.
func respond(request *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: request,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// attributeOf returns an attribute of a span, or an empty value.
func attributeOf(span tracetest.SpanStub, key attribute.Key) attribute.Value {
	for _, a := range span.Attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return attribute.Value{}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	t.Run("each is a span below that of its call", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { // the client waits before it tries again
			e, requests := newExported(), 0
			client := e.client(t, func(request *http.Request) (*http.Response, error) {
				switch requests++; requests {
				case 1:
					return respond(request, http.StatusServiceUnavailable, `{}`), nil
				case 2:
					return nil, errors.New("connection reset")
				default:
					return respond(request, http.StatusOK, `{"id":"`+actionID+`"}`), nil
				}
			})
			err := call(t.Context(), e.tracer(), "GetAction", func(ctx context.Context, opt idngo.RequestOption) error {
				_, err := client.GetAction(ctx, actionID, opt)
				return err
			})
			require.NoError(t, err)

			calls, attempts := e.named("idngo.GetAction"), e.named("GetAction")
			require.Len(t, calls, 1)
			require.EqualValues(t, 3, attributeOf(calls[0], attemptsKey).AsInt64())
			require.Equal(t, codes.Unset, calls[0].Status.Code)
			require.Len(t, attempts, 3)
			for i, want := range []struct {
				code   codes.Code
				status int
			}{{code: codes.Error, status: http.StatusServiceUnavailable}, {code: codes.Error}, {code: codes.Unset, status: http.StatusOK}} {
				require.Equal(t, calls[0].SpanContext.SpanID(), attempts[i].Parent.SpanID())
				require.Equal(t, trace.SpanKindClient, attempts[i].SpanKind)
				require.Equal(t, want.code, attempts[i].Status.Code)
				require.EqualValues(t, want.status, attributeOf(attempts[i], "http.response.status_code").AsInt64())
				require.Equal(t, "GetAction", attributeOf(attempts[i], operationKey).AsString())
				require.EqualValues(t, 1, e.attempts(t, "GetAction", want.status))
			}
		})
	})
	t.Run("a failed call has the error's text", func(t *testing.T) {
		t.Parallel()
		e := newExported()
		client := e.client(t, func(request *http.Request) (*http.Response, error) {
			return respond(request, http.StatusNotFound, `{"description":"Action `+actionID+` not found","code":404}`), nil
		})
		err := call(t.Context(), e.tracer(), "GetAction", func(ctx context.Context, opt idngo.RequestOption) error {
			_, err := client.GetAction(ctx, actionID, opt)
			return err
		})
		require.ErrorIs(t, err, idngo.ErrNotFound)
		calls := e.named("idngo.GetAction")
		require.Len(t, calls, 1)
		require.Equal(t, sdktrace.Status{Code: codes.Error, Description: err.Error()}, calls[0].Status)
		require.EqualValues(t, 1, e.attempts(t, "GetAction", http.StatusNotFound))
		require.NotContains(t, strings.Join(e.values(t), "\n"), actionID)
	})
	t.Run("an image's ends with its body", func(t *testing.T) {
		t.Parallel()
		e := newExported()
		client := e.client(t, func(request *http.Request) (*http.Response, error) {
			answer := respond(request, http.StatusOK, "\xff\xd8\xff\xe0")
			answer.Header.Set("Content-Type", "image/jpeg")
			return answer, nil
		})
		job := &images{client: client, tracer: e.tracer()}
		size, err := job.imageSize(t.Context(), actionID, "506952113")
		require.NoError(t, err)
		require.EqualValues(t, 4, size)
		require.Len(t, e.named("OpenImage"), 1)
		require.NotContains(t, strings.Join(e.values(t), "\n"), "506952113")
	})
}

// A request has ids in its path, matrix parameters, query and body, and a transport may have them
// in its errors.
func TestNothingIdentifiesUsers(t *testing.T) {
	t.Parallel()
	e := newExported()
	var sent []string
	client := e.client(t, func(request *http.Request) (*http.Response, error) {
		sent = append(sent, request.URL.RequestURI())
		require.Equal(t, "api.example.com", request.URL.Host)
		require.Empty(t, request.Header.Get("Traceparent"))
		require.Empty(t, request.Header.Get("Baggage"))
		return respond(request, http.StatusBadRequest, `{"description":"wrong: `+request.URL.RequestURI()+`"}`), nil
	})
	for operation, do := range map[string]func(context.Context, idngo.RequestOption) error{
		"GetAction": func(ctx context.Context, opt idngo.RequestOption) error {
			_, err := client.GetAction(ctx, actionID, opt)
			return err
		},
		"ListActions": func(ctx context.Context, opt idngo.RequestOption) error {
			_, err := client.ListActions(ctx, applicantID, idngo.ListActionsParams{}, opt)
			return err
		},
		"CreateAction": func(ctx context.Context, opt idngo.RequestOption) error {
			_, err := client.CreateAction(ctx, applicantID, idngo.CreateActionParams{LevelName: "level", ExternalActionID: userID}, opt)
			return err
		},
		"CreateAccessToken": func(ctx context.Context, opt idngo.RequestOption) error {
			_, err := client.CreateAccessToken(ctx, idngo.AccessTokenParams{UserID: userID, LevelName: "level"}, opt)
			return err
		},
		"AddImage": func(ctx context.Context, opt idngo.RequestOption) error {
			_, err := client.AddImage(ctx, actionID, idngo.AddImageParams{
				IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes(userID+".jpg", []byte("\xff\xd8\xff\xe0")),
			}, opt)
			return err
		},
	} {
		require.Error(t, call(t.Context(), e.tracer(), operation, do))
		require.Len(t, e.named(operation), 1, operation)
		require.EqualValues(t, 1, e.attempts(t, operation, http.StatusBadRequest), operation)
	}
	require.Len(t, sent, 5)
	all := strings.Join(sent, "\n")
	for _, id := range []string{applicantID, actionID, userID} {
		require.Contains(t, all, id, "the requests have what must not be exported")
		for _, value := range e.values(t) {
			require.NotContains(t, value, id)
		}
	}
	for _, span := range e.spans.GetSpans() {
		if span.SpanKind == trace.SpanKindClient {
			require.Equal(t, "https://api.example.com", attributeOf(span, "url.full").AsString())
		}
	}
}

// Telemetry does not change the client: a timeout is still a timeout, and the signature is still
// valid.
func TestRequestIsUnchanged(t *testing.T) {
	t.Parallel()
	t.Run("its signature is valid", func(t *testing.T) {
		t.Parallel()
		signer, err := idngo.NewSigner(idngo.Credentials{AppToken: "sbx:token", SecretKey: "key"})
		require.NoError(t, err)
		client := newExported().client(t, func(request *http.Request) (*http.Response, error) {
			if err := signer.Verify(request, time.Now()); err != nil {
				return nil, err
			}
			return respond(request, http.StatusOK, `{"id":"`+actionID+`"}`), nil
		})
		_, err = client.CreateAction(t.Context(), applicantID, idngo.CreateActionParams{LevelName: "level", ExternalActionID: userID})
		require.NoError(t, err)
	})
	t.Run("its timeout ends it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			e := newExported()
			client := e.client(t, func(request *http.Request) (*http.Response, error) {
				<-request.Context().Done()
				return nil, request.Context().Err()
			})
			_, err := client.GetAction(t.Context(), actionID)
			require.Error(t, err)
			require.NoError(t, t.Context().Err())
			require.EqualValues(t, len(e.named("GetAction")), e.attempts(t, "GetAction", 0))
			require.NotContains(t, strings.Join(e.values(t), "\n"), actionID)
		})
	})
}
