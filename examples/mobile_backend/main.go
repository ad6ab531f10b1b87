// Command mobile_backend is the server side of IDnGO's WebSDK, Android SDK and
// iOS SDK. It starts actions for its users and gives access tokens to their apps.
// It trusts the result that IDnGO returns, never a result that an app reports.
package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/idngo-go/idngo"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("mobile_backend: ")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "mobile_backend starts actions for the users of an app, hands out access tokens for its SDK, "+
			"and trusts only the results that IDnGO returns.\n\n"+
			"Credentials come from IDNGO_APP_TOKEN and IDNGO_SECRET_KEY, the secret of webhooks from IDNGO_WEBHOOK_SECRET. Flags:\n")
		flag.PrintDefaults()
	}
	addr := flag.String("addr", cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8080"), "`address` to listen on (ADDR)")
	level := flag.String("level", cmp.Or(os.Getenv("IDNGO_LEVEL"), "action-liveness"),
		"`name` of a face authorization level, as in the dashboard (IDNGO_LEVEL)")
	flag.Parse()
	if flag.NArg() > 0 { // flag.Parse has stopped there
		log.Fatalf("unexpected argument %q: only flags are taken", flag.Arg(0))
	}
	client, err := idngo.NewClientFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Find a wrong key now and not at the first payout.
	if err := checkCredentials(ctx, client); err != nil {
		log.Fatal(err)
	}
	webhooks, err := newVerifier(idngo.Secret(os.Getenv("IDNGO_WEBHOOK_SECRET")))
	if err != nil {
		log.Fatal(err)
	}
	b := &backend{
		client:       client,
		webhooks:     webhooks,
		levels:       map[string]string{"payout": *level, "change-phone": *level},
		authenticate: demoUser,
		onApproved: func(a action) {
			log.Printf("action %s: approved, on with the %s", a.ID, a.purpose)
		},
	}
	server := &http.Server{
		Addr: *addr, Handler: b.routes(),
		ReadTimeout: 10 * time.Second, WriteTimeout: 40 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	finished := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		stop() // a second signal ends it at once
		finished <- server.Shutdown(context.Background())
	})
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on http://%s", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := <-finished; err != nil {
		log.Fatal(err)
	}
	client.CloseIdleConnections()
}

// checkCredentials calls CheckCredentials with a deadline, so that a start cannot hang.
func checkCredentials(ctx context.Context, client *idngo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return client.CheckCredentials(ctx)
}

// A user is a person who has signed in to your service.
type user struct {
	id string // your own id; IDnGO calls it externalUserId
}

// demoUser returns the user who has sent the request, and false if there is none. REPLACE IT with
// your own sessions: anybody can be one of these two users.
func demoUser(r *http.Request) (user, bool) {
	switch r.Header.Get("Authorization") {
	case "Bearer demo-bond":
		return user{"JamesBond007"}, true
	case "Bearer demo-penny":
		return user{"MissMoneypenny"}, true
	}
	return user{}, false
}

type backend struct {
	client       *idngo.Client
	webhooks     *idngo.WebhookVerifier // nil: none are received
	levels       map[string]string      // the level for each purpose; the app must not choose it
	authenticate func(*http.Request) (user, bool)
	onApproved   func(action) // does the payout, for example; called once for each action
	actions      store
	starting     [256]sync.Mutex // start locks one of them
}

func (b *backend) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /actions", b.handle(b.start))
	mux.Handle("GET /actions/{id}", b.handle(b.show))
	mux.Handle("POST /actions/{id}/token", b.handle(b.renewToken))
	mux.Handle("POST /actions/{id}/result", b.handle(b.takeResult))
	if b.webhooks != nil {
		mux.Handle("POST /idngo", b.webhooks.Handler(b.receive))
	}
	return mux
}

// newVerifier returns a verifier that logs the deliveries that it refuses. It returns nil without a
// secret.
func newVerifier(secret idngo.Secret) (*idngo.WebhookVerifier, error) {
	if secret == "" {
		return nil, nil
	}
	return idngo.NewWebhookVerifier(secret, idngo.WithWebhookErrors(func(r *http.Request, err error) {
		slog.ErrorContext(r.Context(), "webhook refused", "error", err)
	}))
}

// receive confirms an action for a user who has closed the app. An event may come
// more than once, since confirm approves each action once. It may also come before
// start has stored the action: then the app's next request confirms it.
func (b *backend) receive(ctx context.Context, e *idngo.WebhookEvent) error {
	a, known := b.actions.get(e.ApplicantActionID)
	if !known || e.Type != idngo.WebhookTypeApplicantActionReviewed {
		return nil
	}
	_, err := b.confirm(ctx, a)
	return err
}

// start starts an action for the user, or finds the one that an earlier request
// with the same Idempotency-Key has started. The app makes a key of 16 to 64
// random characters for each thing that the user wants to do, and keeps it until
// that is done. So it can repeat a request after a lost answer or a crash of this
// server, and there is still one action.
func (b *backend) start(r *http.Request, u user) (any, error) {
	var in struct {
		Purpose string `json:"purpose"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	level, known := b.levels[in.Purpose]
	if !known {
		return nil, refuse(http.StatusBadRequest, "unknown purpose")
	}
	key := r.Header.Get("Idempotency-Key")
	if len(key) < 16 || len(key) > 64 {
		return nil, refuse(http.StatusBadRequest, "Idempotency-Key must have 16 to 64 characters")
	}

	// The external id depends on the purpose, the user and the key. Without the
	// key, today's payout would find last month's approval.
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", u.id, key))
	externalID := in.Purpose + "-" + hex.EncodeToString(sum[:16])
	// EnsureAction searches before it creates. Two requests at the same instant
	// could both search first, so one waits here. With more than one machine,
	// lock a row of your database instead.
	b.starting[sum[0]].Lock()
	defer b.starting[sum[0]].Unlock()
	applicantID, err := b.approvedApplicant(r.Context(), u)
	if err != nil {
		return nil, err
	}
	found, err := b.client.EnsureAction(r.Context(), applicantID, idngo.CreateActionParams{LevelName: level, ExternalActionID: externalID})
	if err != nil {
		return nil, err
	}
	a := b.actions.add(action{
		ID: found.ID, Status: "pending", user: u, applicantID: applicantID, purpose: in.Purpose, level: level, externalID: externalID,
	})
	return b.withToken(r.Context(), a)
}

// approvedApplicant returns IDnGO's id of a user. It refuses users whose
// verification is not completed and approved: they cannot have actions.
func (b *backend) approvedApplicant(ctx context.Context, u user) (string, error) {
	applicant, err := b.client.FindApplicant(ctx, u.id)
	switch {
	case errors.Is(err, idngo.ErrNotFound), err == nil && !applicant.Approved():
		return "", refuse(http.StatusForbidden, "verify your identity first")
	case err != nil:
		return "", err
	}
	return applicant.ID, nil
}

// renewToken returns a new token to the expiration handlers of the SDKs.
func (b *backend) renewToken(r *http.Request, u user) (any, error) {
	a, err := b.own(r, u)
	if err != nil {
		return nil, err
	}
	return b.withToken(r.Context(), a)
}

// withToken returns the action with an access token for it, and without one if
// the action is rejected. It refuses an approved action, which has been used.
func (b *backend) withToken(ctx context.Context, a action) (any, error) {
	a, err := b.confirm(ctx, a)
	switch {
	case err != nil:
		return nil, err
	case a.Status == "approved":
		return nil, refuse(http.StatusConflict, "this action has been used: start another")
	case a.Status == "rejected", a.Status == "error":
		return a, nil
	}
	token, err := b.client.CreateAccessToken(ctx, idngo.AccessTokenParams{
		UserID: a.user.id, ExternalActionID: a.externalID, LevelName: a.level,
	})
	if err != nil {
		return nil, err
	}
	return struct {
		action
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expiresAt"`
	}{a, token.Token, token.ExpiresAt}, nil
}

// takeResult takes the result that an SDK has reported to its app. It only makes
// the backend ask IDnGO now: a changed app can send GREEN.
func (b *backend) takeResult(r *http.Request, u user) (any, error) {
	a, err := b.own(r, u)
	if err != nil {
		return nil, err
	}
	// Android's ActionCompleted has actionId, type, answer and payload. The answer
	// may be null. iOS's actionResult has an actionId and perhaps an answer. It is
	// nil if the user has cancelled: null here, or no body at all.
	var in struct {
		ActionID string             `json:"actionId"`
		Answer   idngo.ReviewAnswer `json:"answer"`
	}
	if err := decode(r, &in); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if in.ActionID != "" && in.ActionID != a.ID {
		return nil, refuse(http.StatusConflict, "the result is of another action")
	}
	a, err = b.confirm(r.Context(), a)
	if err == nil && in.Answer == idngo.ReviewAnswerGreen && a.Status != "approved" {
		log.Printf("action %s: the app reports GREEN, IDnGO reports %s", a.ID, a.Status)
	}
	return a, err
}

// show returns the status to an app that polls.
func (b *backend) show(r *http.Request, u user) (any, error) {
	a, err := b.own(r, u)
	if err != nil {
		return nil, err
	}
	return b.confirm(r.Context(), a)
}

// confirm asks IDnGO for the status of the action.
func (b *backend) confirm(ctx context.Context, a action) (action, error) {
	if a.Status == "approved" {
		return a, nil
	}
	// If the answers of IDnGO lack one of these for your account, leave it out. a.ID
	// itself came from IDnGO, not from the app.
	confirmed, err := b.client.RequireApproved(ctx, a.ID, idngo.ActionExpectation{
		ApplicantID: a.applicantID, ExternalActionID: a.externalID, LevelName: a.level,
	})
	if err != nil && !errors.Is(err, idngo.ErrNotApproved) {
		return action{}, err
	}
	result := confirmed.Review.ReviewResult
	switch {
	case err == nil:
		if b.actions.approve(a.ID) {
			b.onApproved(a)
		}
		a.Status = "approved"
	case !confirmed.Completed():
		a.Status = "pending" // under review, on hold, or the user has not finished
	case result.ReviewAnswer == idngo.ReviewAnswerError:
		a.Status = "error" // there is no verdict: start another action
	case result.ReviewRejectType == idngo.RejectTypeRetry:
		a.Status = "retry" // the user may try again, in this action
	default: // finally RED, or anything else that is not GREEN
		a.Status = "rejected"
	}
	return a, nil
}

// own returns the action of the request. It reports the action of another user
// as not found.
func (b *backend) own(r *http.Request, u user) (action, error) {
	if a, ok := b.actions.get(r.PathValue("id")); ok && a.user == u {
		return a, nil
	}
	return action{}, refuse(http.StatusNotFound, "no such action")
}

// An action is the record of an action. The app gets the fields with a JSON name.
type action struct {
	ID     string `json:"id"`
	Status string `json:"status"` // pending, approved, retry, rejected, error

	user        user
	applicantID string // IDnGO's id of the user
	purpose     string
	level       string
	externalID  string
}

// A store keeps actions in memory. REPLACE IT with a table: id as primary key,
// the external id unique. After a restart, the app's next POST /actions finds a
// lost action again, but an approved action is approved a second time.
type store struct {
	mu      sync.Mutex
	actions map[string]action
}

// add stores an action. It returns the stored one if there is one.
func (s *store) add(a action) action {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.actions[a.ID]; ok {
		return known
	}
	if s.actions == nil {
		s.actions = map[string]action{}
	}
	s.actions[a.ID] = a
	return a
}

func (s *store) get(id string) (action, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.actions[id]
	return a, ok
}

// approve reports whether this call was the first to approve the action. In a
// database: UPDATE … SET status = 'approved' WHERE id = $1 AND status <>
// 'approved', in the same transaction as the payout.
func (s *store) approve(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actions[id]
	first := a.Status != "approved"
	a.Status = "approved"
	s.actions[id] = a
	return first
}

// A refusal is an error whose text the app gets.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

func refuse(status int, text string) error { return &refusal{status, text} }

// handle returns the common part of all handlers: it authenticates the user,
// limits the time and the size of a request, and answers in JSON.
func (b *backend) handle(do func(*http.Request, user) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store") // the answer may have a token
		u, ok := b.authenticate(r)
		if !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			reply(w, http.StatusUnauthorized, map[string]string{"error": "sign in first"})
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		out, err := do(r, u)
		if err != nil {
			status, text := explain(err)
			reply(w, status, map[string]string{"error": text})
			return
		}
		reply(w, http.StatusOK, out)
	})
}

// explain returns the status and the text that the app gets for an error. It logs
// an error that is not a refusal. An error of idngo shows nothing that was sent,
// but may show the service's own text.
func explain(err error) (status int, text string) {
	var told *refusal
	if errors.As(err, &told) {
		return told.status, told.text
	}
	log.Print(err)
	switch {
	case errors.Is(err, idngo.ErrActionMismatch):
		return http.StatusConflict, "IDnGO has returned another action"
	case errors.Is(err, idngo.ErrRateLimited), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, "try again later"
	}
	return http.StatusBadGateway, "the verification is not available"
}

func reply(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the app may have closed the connection
}

// decode reads a JSON body. Its error matches io.EOF if the body is empty.
func decode(r *http.Request, v any) error {
	body, err := io.ReadAll(r.Body) // bounded by the MaxBytesReader
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return refuse(http.StatusRequestEntityTooLarge, "more than 64 KiB")
	case err != nil:
		return fmt.Errorf("%w: %w", refuse(http.StatusBadRequest, "the body ended early"), err)
	case len(bytes.TrimSpace(body)) == 0:
		return fmt.Errorf("%w: %w", refuse(http.StatusBadRequest, "a JSON body is missing"), io.EOF)
	case json.Unmarshal(body, v) != nil:
		return refuse(http.StatusBadRequest, "the JSON is not of the expected form")
	}
	return nil
}
