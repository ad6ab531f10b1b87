// Command webhook_frameworks receives IDnGO's webhooks behind the router of your choice: net/http,
// chi, echo or gin. Each has a file of its own to copy, and so has a serverless function
// (serverless.go).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/idngo-go/idngo"
)

// handleFunc acts on an event. It is called for every event with a valid signature, and more than
// once when the service repeats a delivery. An error makes the service send the event again.
type handleFunc = func(context.Context, *idngo.WebhookEvent) error

// routers returns a router with the receiver at POST /idngo, by the name of its framework.
var routers = map[string]func(*idngo.WebhookVerifier, handleFunc) http.Handler{
	"nethttp": netHTTPRouter,
	"chi":     chiRouter,
	"echo":    echoRouter,
	"gin":     ginRouter,
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("webhook_frameworks: ")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "webhook_frameworks receives webhooks at POST /idngo, "+
			"signed with the secret in IDNGO_WEBHOOK_SECRET.\n\nFlags:\n")
		flag.PrintDefaults()
	}
	names := strings.Join(slices.Sorted(maps.Keys(routers)), ", ")
	framework := flag.String("framework", "nethttp", "`name` of the router: "+names)
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q: only flags are taken", flag.Arg(0))
	}
	router := routers[*framework]
	if router == nil {
		log.Fatalf("unknown framework %q; there are: %s", *framework, names)
	}
	if err := run(router, *addr); err != nil {
		log.Fatal(err)
	}
}

// run serves webhooks until the process is interrupted.
func run(router func(*idngo.WebhookVerifier, handleFunc) http.Handler, addr string) error {
	verifier, err := idngo.NewWebhookVerifier(idngo.Secret(os.Getenv("IDNGO_WEBHOOK_SECRET")), idngo.WithWebhookErrors(logRefused))
	if err != nil {
		return fmt.Errorf("IDNGO_WEBHOOK_SECRET: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return serve(ctx, listener, router(verifier, logEvent))
}

// serve answers requests until the context is done.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadTimeout: 10 * time.Second}
	finished := make(chan error, 1)
	context.AfterFunc(ctx, func() { finished <- server.Shutdown(context.WithoutCancel(ctx)) })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-finished // the requests in progress have ended
}

// logEvent stands for the work of your service. Check event.Key against the events that you have
// acted on, store the work, and return: the service waits 5 s.
func logEvent(ctx context.Context, event *idngo.WebhookEvent) error {
	slog.InfoContext(ctx, "webhook", "type", event.Type, "answer", event.ReviewResult.ReviewAnswer)
	return nil
}

// logRefused logs the deliveries that Handler does not answer with 200. If the secret is wrong,
// that is every delivery. The middleware for echo and gin calls Parse, and logs its errors itself.
func logRefused(r *http.Request, err error) {
	slog.ErrorContext(r.Context(), "webhook refused", "error", err)
}

// webhookStatus returns the status to answer an error of Parse, Verify or ParseWebhook with. The
// sender learns no more than that.
func webhookStatus(err error) int {
	switch {
	case errors.Is(err, idngo.ErrWebhookSignature), errors.Is(err, idngo.ErrWebhookAlgorithm):
		return http.StatusUnauthorized
	case errors.Is(err, idngo.ErrWebhookTooLarge):
		return http.StatusRequestEntityTooLarge
	default:
		return http.StatusBadRequest
	}
}
