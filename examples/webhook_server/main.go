// Command webhook_server acts once on each signed webhook, and pays once for each action.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/idngo-go/idngo"
)

func main() {
	const usage = "webhook_server acts once on each webhook that is signed with the secret in IDNGO_WEBHOOK_SECRET.\n\nFlags:\n"
	flag.Usage = func() { _, _ = os.Stderr.WriteString(usage); flag.PrintDefaults() }
	addr := flag.String("addr", cmp.Or(os.Getenv("IDNGO_WEBHOOK_ADDR"), "127.0.0.1:8080"), "`address` to listen on (IDNGO_WEBHOOK_ADDR)")
	flag.Parse()
	refused := func(_ *http.Request, err error) { slog.Error("webhook refused", "error", err) }
	verifier, err := idngo.NewWebhookVerifier(idngo.Secret(os.Getenv("IDNGO_WEBHOOK_SECRET")), idngo.WithWebhookErrors(refused))
	if err != nil {
		log.Fatal("webhook_server: IDNGO_WEBHOOK_SECRET: ", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	client, err := idngo.NewClientFromEnv()
	if err = cmp.Or(err, client.CheckCredentials(ctx)); err != nil { // a wrong key is found now, not at the first payout
		log.Fatal("webhook_server: ", err)
	}
	var paid sync.Map // by action, since a second review is another event. Store it in one transaction with the payout
	first := func(actionID string) bool { _, before := paid.LoadOrStore(actionID, true); return !before }
	in := &inbox{act: func(ctx context.Context, e *idngo.WebhookEvent) error { return decide(ctx, client, first, e) }}
	server := &http.Server{Addr: *addr, Handler: verifier.Handler(in.receive), ReadTimeout: 10 * time.Second}
	finished := make(chan struct{})
	context.AfterFunc(ctx, func() { stop(); _ = server.Shutdown(context.Background()); close(finished) })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal("webhook_server: ", err)
	}
	<-finished // the deliveries that had arrived are done
}

// inbox acts on each event once, until a restart. A table remembers: see examples/webhook_inbox.
type inbox struct {
	locks, done sync.Map // by key; keep keys for a week at least
	act         func(context.Context, *idngo.WebhookEvent) error
}

// receive must return within 5 s. Otherwise the service sends the event again, as after an error.
func (in *inbox) receive(ctx context.Context, e *idngo.WebhookEvent) (err error) {
	lock, _ := in.locks.LoadOrStore(e.Key(), new(sync.Mutex))
	lock.(*sync.Mutex).Lock() // a second delivery of the event waits for the first
	defer lock.(*sync.Mutex).Unlock()
	if _, done := in.done.Load(e.Key()); !done {
		if err = in.act(ctx, e); err == nil {
			in.done.Store(e.Key(), true)
		}
	}
	return err
}

// decide acts on the type, which ReviewStatus may contradict. Your record has the expectation.
func decide(ctx context.Context, client *idngo.Client, first func(actionID string) bool, e *idngo.WebhookEvent) error {
	if e.Type != idngo.WebhookTypeApplicantActionReviewed {
		log.Printf("action %s: nothing to do for %s", e.ApplicantActionID, e.Type)
		return nil
	}
	_, err := client.RequireApproved(ctx, e.ApplicantActionID, idngo.ActionExpectation{ApplicantID: e.ApplicantID})
	if err == nil || errors.Is(err, idngo.ErrNotApproved) {
		log.Printf("action %s: pay out: %t %v", e.ApplicantActionID, err == nil && first(e.ApplicantActionID), e.ReviewResult.RejectLabels)
		return nil
	}
	return err
}
