// Command webhook_server receives IDnGO's webhooks. It verifies them and acts on
// each event once, also if it is delivered several times.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/idngo-go/idngo"
)

func main() {
	usage := "webhook_server receives webhooks, signed with the secret in IDNGO_WEBHOOK_SECRET, and acts on each event once."
	flag.Usage = func() { fmt.Fprintln(flag.CommandLine.Output(), usage); flag.PrintDefaults() }
	addr := flag.String("addr", cmp.Or(os.Getenv("IDNGO_WEBHOOK_ADDR"), "127.0.0.1:8080"), "`address` to listen on (IDNGO_WEBHOOK_ADDR)")
	flag.Parse()
	verifier, err := idngo.NewWebhookVerifier(idngo.Secret(os.Getenv("IDNGO_WEBHOOK_SECRET")))
	if err != nil {
		log.Fatal("webhook_server: IDNGO_WEBHOOK_SECRET: ", err)
	}
	in := &inbox{act: decide}
	server := &http.Server{Addr: *addr, Handler: verifier.Handler(in.receive), ReadTimeout: 10 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	finished := make(chan struct{})
	context.AfterFunc(ctx, func() { stop(); _ = server.Shutdown(context.Background()); close(finished) })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal("webhook_server: ", err)
	}
	<-finished // after the requests in progress
}

// inbox acts on each event once. With several machines, or to survive a restart,
// use a table with a unique column: see examples/webhook_inbox.
type inbox struct {
	events sync.Map // of *event, by key; keep them for a week at least
	act    func(*idngo.WebhookEvent) error
}

type event struct {
	sync.Mutex // held during act: another delivery must not be answered with 200 before its end
	done       bool
}

// receive must return within 5 s. Otherwise the service sends the event again, as after an error.
func (in *inbox) receive(_ context.Context, e *idngo.WebhookEvent) (err error) {
	known, _ := in.events.LoadOrStore(e.Key(), new(event))
	this := known.(*event)
	this.Lock()
	defer this.Unlock()
	if !this.done {
		err = in.act(e)
		this.done = err == nil
	}
	return err
}

// decide uses the type. ReviewStatus can contradict it: it is "completed" in
// applicantActionPending too. decide accepts unknown types.
func decide(e *idngo.WebhookEvent) error {
	switch e.Type {
	case idngo.WebhookTypeApplicantActionReviewed:
		log.Printf("action %s: %s %v", e.ApplicantActionID, e.ReviewResult.ReviewAnswer, e.ReviewResult.RejectLabels)
	case idngo.WebhookTypeApplicantActionOnHold:
		log.Printf("action %s: a person has to decide it", e.ApplicantActionID)
	default:
		log.Printf("action %s: nothing to do for %s", e.ApplicantActionID, e.Type)
	}
	return nil
}
