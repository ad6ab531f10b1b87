// Command tracing shows the calls of the client, and each attempt of them, in OpenTelemetry: spans
// and metrics that are named by the operation and hold no id.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/idngo-go/idngo"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("tracing: ")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "tracing adds up the sizes of an applicant's newest images "+
			"and writes spans and metrics of that to standard error.\n\n"+
			"Credentials come from IDNGO_APP_TOKEN and IDNGO_SECRET_KEY. Flags:\n")
		flag.PrintDefaults()
	}
	applicantID := flag.String("applicant", os.Getenv("IDNGO_APPLICANT_ID"), "IDnGO's `id` of the applicant (IDNGO_APPLICANT_ID)")
	actions := flag.Int("actions", 5, "how many of the newest `actions` to read")
	flag.Parse()
	if flag.NArg() > 0 { // flag.Parse has stopped there
		log.Fatalf("unexpected argument %q: only flags are taken", flag.Arg(0))
	}
	if err := run(*applicantID, *actions, os.Stdout, os.Stderr); err != nil {
		log.Fatal(err)
	}
}

// run prints the size of an applicant's images to out, and writes telemetry to exported.
func run(applicantID string, actions int, out, exported io.Writer) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()

	// Put the exporters of your collector here: those of go.opentelemetry.io/otel/exporters/otlp.
	spans, err := stdouttrace.New(stdouttrace.WithWriter(exported))
	if err != nil {
		return err
	}
	metrics, err := stdoutmetric.New(stdoutmetric.WithWriter(exported))
	if err != nil {
		return err
	}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics)))
	defer func() { // the exporters are also shut down after a failure
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, tracers.Shutdown(flush), meters.Shutdown(flush))
	}()

	client, err := idngo.NewClientFromEnv(idngo.WithHTTPClient(&http.Client{Transport: instrument(newTransport(), tracers, meters)}))
	if err != nil {
		return err
	}
	job := &images{client: client, tracer: tracers.Tracer("github.com/idngo-go/idngo/examples/tracing")}
	total, err := job.size(ctx, applicantID, actions)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d bytes of images\n", total)
	return err
}

// newTransport returns a transport that keeps as many idle connections as the default transport of
// the client. http.DefaultTransport keeps two for each host, so a busy service would open a
// connection for nearly every call.
func newTransport() http.RoundTripper {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 512, 512
	return transport
}

// images is the work that is traced.
type images struct {
	client *idngo.Client
	tracer trace.Tracer
}

// size returns the size of all images of an applicant's newest actions.
func (job *images) size(ctx context.Context, applicantID string, actions int) (total int64, err error) {
	ctx, span := job.tracer.Start(ctx, "size of images")
	defer span.End()
	var page *idngo.ActionPage
	err = call(ctx, job.tracer, "ListActions", func(ctx context.Context, opt idngo.RequestOption) (err error) {
		page, err = job.client.ListActions(ctx, applicantID, idngo.ListActionsParams{Limit: actions}, opt)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, entry := range page.Items {
		var action *idngo.Action
		err = call(ctx, job.tracer, "GetAction", func(ctx context.Context, opt idngo.RequestOption) (err error) {
			action, err = job.client.GetAction(ctx, entry.ID, opt)
			return err
		})
		if err != nil {
			return 0, err
		}
		for _, image := range action.Images {
			size, err := job.imageSize(ctx, action.ID, image.ImageID)
			if err != nil {
				return 0, err
			}
			total += size
		}
	}
	return total, nil
}

// imageSize reads an image to its end, where the span of its attempt ends too.
func (job *images) imageSize(ctx context.Context, actionID string, imageID idngo.ImageID) (int64, error) {
	var content *idngo.ImageContent
	err := call(ctx, job.tracer, "OpenImage", func(ctx context.Context, opt idngo.RequestOption) (err error) {
		content, err = job.client.OpenImage(ctx, actionID, imageID, idngo.ImageParams{}, opt)
		return err
	})
	if err != nil {
		return 0, err
	}
	defer content.Close()
	return io.Copy(io.Discard, content)
}
