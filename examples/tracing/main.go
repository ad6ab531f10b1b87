// Command tracing logs and counts every attempt of every call in a RoundTripper
// of its own, by the name of the operation.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/idngo-go/idngo"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("tracing: ")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "tracing adds up the sizes of an applicant's newest images and shows what that took: each attempt in the log, and a table of operations.\n\n"+
			"Credentials come from IDNGO_APP_TOKEN and IDNGO_SECRET_KEY. Flags:\n")
		flag.PrintDefaults()
	}
	applicantID := flag.String("applicant", os.Getenv("IDNGO_APPLICANT_ID"), "IDnGO's `id` of the applicant (IDNGO_APPLICANT_ID)")
	actions := flag.Int("actions", 5, "how many of the newest `actions` to look at")
	flag.Parse()
	if flag.NArg() > 0 { // what stands after it was not read
		log.Fatalf("unexpected argument %q: only flags are taken", flag.Arg(0))
	}
	if err := run(*applicantID, *actions); err != nil {
		log.Fatal(err)
	}
}

func run(applicantID string, actions int) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()

	// For OpenTelemetry put otelhttp in place of the tracer, or around it; the
	// module go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp has
	//
	//	otelhttp.NewTransport(http.DefaultTransport, otelhttp.WithSpanNameFormatter(
	//		func(_ string, r *http.Request) string { return "idngo " + idngo.OperationFromContext(r.Context()) }))
	//
	// Mind that its spans carry the URL, in which the ids of your users stand.
	// Each attempt is a span of its own, below the span that ctx has.
	//
	// Either takes the place of the client's own transport, which keeps 512 idle
	// connections to the service; http.DefaultTransport keeps 2, and a busy
	// backend then opens a new one for nearly every call. To keep as many, wrap
	//
	//	transport := http.DefaultTransport.(*http.Transport).Clone()
	//	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 512, 512
	t := &tracer{next: http.DefaultTransport, log: slog.New(slog.NewTextHandler(os.Stderr, nil)), operations: map[string]*count{}}
	client, err := idngo.NewClientFromEnv(idngo.WithHTTPClient(&http.Client{Transport: t}))
	if err != nil {
		return err
	}
	total, err := imageBytes(ctx, client, applicantID, actions)
	t.print(os.Stdout) // after a failure all the more
	if err != nil {
		return err
	}
	fmt.Printf("%d bytes of images\n", total)
	return nil
}

// imageBytes is the work that is traced, and knows nothing of it.
func imageBytes(ctx context.Context, client *idngo.Client, applicantID string, actions int) (total int64, err error) {
	page, err := client.ListActions(ctx, applicantID, idngo.ListActionsParams{Limit: actions})
	if err != nil {
		return 0, err
	}
	for _, entry := range page.Items {
		action, err := client.GetAction(ctx, entry.ID)
		if err != nil {
			return 0, err
		}
		for _, image := range action.Images {
			n, err := imageSize(ctx, client, action.ID, image.ImageID)
			if err != nil {
				return 0, err
			}
			total += n
		}
	}
	return total, nil
}

// imageSize reads an image only when the service does not say how large it is.
func imageSize(ctx context.Context, client *idngo.Client, actionID string, imageID idngo.ImageID) (int64, error) {
	content, err := client.OpenImage(ctx, actionID, imageID, idngo.ImageParams{})
	if err != nil {
		return 0, err
	}
	defer content.Close()
	if content.Size >= 0 {
		return content.Size, nil
	}
	return io.Copy(io.Discard, content)
}

// tracer is a RoundTripper, so it sees each attempt, where a wrapper around the
// client would see each call. It uses the operation and never the URL, which
// holds ids: no good in a metric, and nobody's business in a log.
type tracer struct {
	next http.RoundTripper
	log  *slog.Logger

	mu         sync.Mutex
	operations map[string]*count
}

type count struct {
	attempts, failed int
	slowest          time.Duration
}

func (t *tracer) RoundTrip(r *http.Request) (*http.Response, error) {
	operation, began := idngo.OperationFromContext(r.Context()), time.Now()
	response, err := t.next.RoundTrip(r)
	took := time.Since(began) // to the answer's header; the body is still to come

	attributes := []slog.Attr{slog.String("operation", operation), slog.Duration("took", took)}
	level := slog.LevelInfo
	switch {
	case err != nil:
		level = slog.LevelWarn
		attributes = append(attributes, slog.String("error", err.Error()))
	case response.StatusCode/100 != 2: // a redirect too: the client follows none
		level = slog.LevelWarn
		fallthrough
	default:
		attributes = append(attributes, slog.Int("status", response.StatusCode))
	}
	t.log.LogAttrs(r.Context(), level, "attempt", attributes...)
	t.count(operation, took, level == slog.LevelWarn)
	return response, err // both untouched: the client signs, retries and closes
}

func (t *tracer) count(operation string, took time.Duration, failed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := cmp.Or(t.operations[operation], &count{})
	t.operations[operation] = c
	c.attempts++
	if failed {
		c.failed++
	}
	c.slowest = max(c.slowest, took)
}

func (t *tracer) print(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OPERATION\tATTEMPTS\tFAILED\tSLOWEST")
	for _, name := range slices.Sorted(maps.Keys(t.operations)) {
		c := t.operations[name]
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\n", name, c.attempts, c.failed, c.slowest.Round(10*time.Microsecond))
	}
	_ = table.Flush()
}
