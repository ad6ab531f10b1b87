// Command mobile_backend is the server side of IDnGO's WebSDK, Android SDK and
// iOS SDK: it starts actions for its users, gives their apps access tokens, and
// decides by what IDnGO says, never by what an app reports.
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
			"and believes no result but IDnGO's.\n\n"+
			"Credentials come from IDNGO_APP_TOKEN and IDNGO_SECRET_KEY. Flags:\n")
		flag.PrintDefaults()
	}
	addr := flag.String("addr", cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8080"), "`address` to listen on (ADDR)")
	level := flag.String("level", cmp.Or(os.Getenv("IDNGO_LEVEL"), "action-liveness"),
		"`name` of a face authorization level, as in the dashboard (IDNGO_LEVEL)")
	flag.Parse()
	if flag.NArg() > 0 { // what stands after it was not read
		log.Fatalf("unexpected argument %q: only flags are taken", flag.Arg(0))
	}
	client, err := idngo.NewClientFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A wrong key is better known now than at the first payout.
	if err := checkCredentials(ctx, client); err != nil {
		log.Fatal(err)
	}
	b := &backend{
		client:       client,
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

// checkCredentials ends in time for whatever restarts the server to notice.
func checkCredentials(ctx context.Context, client *idngo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return client.CheckCredentials(ctx)
}

// A user is who signed in to your service.
type user struct {
	id string // yours; IDnGO calls it externalUserId
}

// demoUser says whose request it is, false if nobody's. REPLACE IT with your
// own sessions: these two users are everybody's.
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
	levels       map[string]string // the level that each purpose asks for: for us to say, not for the app
	authenticate func(*http.Request) (user, bool)
	onApproved   func(action) // does what an action was for; called once for each
	actions      store
	starting     [256]sync.Mutex // see start
}

func (b *backend) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /actions", b.handle(b.start))
	mux.Handle("GET /actions/{id}", b.handle(b.show))
	mux.Handle("POST /actions/{id}/token", b.handle(b.renewToken))
	mux.Handle("POST /actions/{id}/result", b.handle(b.takeResult))
	return mux
}

// start starts an action for the user, or finds the one that an earlier request
// with the same Idempotency-Key has started. The app makes such a key, 16 to 64
// random characters, once for each thing the user wants to do, and keeps it
// until that is done: a request whose answer got lost is then repeated, by the
// app or after a crash of this server, without a second action.
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

	// The external id is made from all that must not be mixed up: the purpose,
	// the user, and the key, without which last month's approval would be found
	// for today's payout.
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", u.id, key))
	externalID := in.Purpose + "-" + hex.EncodeToString(sum[:16])
	// EnsureAction looks before it creates. Two requests at the same instant
	// would both look first: one waits here. With more than one machine, lock a
	// row of your database instead.
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

// approvedApplicant returns IDnGO's id of a user. Actions are only for users
// whose verification was completed and approved.
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

// renewToken is for the expiration handlers of the SDKs.
func (b *backend) renewToken(r *http.Request, u user) (any, error) {
	a, err := b.own(r, u)
	if err != nil {
		return nil, err
	}
	return b.withToken(r.Context(), a)
}

// withToken adds an access token for this action and no other, unless it is
// decided. An approved one is used up, and an app that wants more of it is
// mistaken.
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

// takeResult takes what an SDK told its app. It is a hint to look now, and
// nothing else: whoever can change the app can send GREEN.
func (b *backend) takeResult(r *http.Request, u user) (any, error) {
	a, err := b.own(r, u)
	if err != nil {
		return nil, err
	}
	// Android's ActionCompleted has actionId, type, answer and payload, and the
	// answer may be null. iOS's actionResult has an actionId and perhaps an
	// answer, and is nil when the user cancelled: null here, or no body at all.
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
		log.Printf("action %s: the app says GREEN, IDnGO says %s", a.ID, a.Status)
	}
	return a, err
}

// show is for an app that waits.
func (b *backend) show(r *http.Request, u user) (any, error) {
	a, err := b.own(r, u)
	if err != nil {
		return nil, err
	}
	return b.confirm(r.Context(), a)
}

// confirm asks IDnGO how the action stands. With an event of your webhooks do
// the same: then users who closed the app get what they wanted too.
func (b *backend) confirm(ctx context.Context, a action) (action, error) {
	if a.Status == "approved" {
		return a, nil
	}
	// If IDnGO's answers to you lack one of these, leave it out, and keep in mind
	// that a.ID is an id that we were given by IDnGO, not by the app.
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
		a.Status = "error" // nobody knows: start another
	case result.ReviewRejectType == idngo.RejectTypeRetry:
		a.Status = "retry" // the user may try again, in this action
	default: // RED for good, and whatever else is not GREEN
		a.Status = "rejected"
	}
	return a, nil
}

// own returns the action that the request is about. What belongs to somebody
// else does not exist.
func (b *backend) own(r *http.Request, u user) (action, error) {
	if a, ok := b.actions.get(r.PathValue("id")); ok && a.user == u {
		return a, nil
	}
	return action{}, refuse(http.StatusNotFound, "no such action")
}

// An action is what this server knows of one. What has no JSON name is not for
// the app.
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
// the external id unique. What is lost here is found again by the app's next
// POST /actions, but what was approved is approved a second time.
type store struct {
	mu      sync.Mutex
	actions map[string]action
}

// add keeps an action, or returns what is known of it already.
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

// approve reports whether this call was the one that approved the action. In a
// database: UPDATE … SET status = 'approved' WHERE id = $1 AND status <>
// 'approved', in the transaction that also does what the action was for.
func (s *store) approve(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actions[id]
	first := a.Status != "approved"
	a.Status = "approved"
	s.actions[id] = a
	return first
}

// A refusal is an error that the app is told.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

func refuse(status int, text string) error { return &refusal{status, text} }

// handle is what all handlers have in common: who asks, how long it may take,
// how much may be sent, and answers in JSON.
func (b *backend) handle(do func(*http.Request, user) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store") // tokens
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

// explain says what the app is told about an error. The others are for the log:
// idngo's show nothing that was sent, but may have the service's own words.
func explain(err error) (status int, text string) {
	var told *refusal
	if errors.As(err, &told) {
		return told.status, told.text
	}
	log.Print(err)
	switch {
	case errors.Is(err, idngo.ErrActionMismatch):
		return http.StatusConflict, "IDnGO's action is not what was asked for"
	case errors.Is(err, idngo.ErrRateLimited), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, "try again later"
	}
	return http.StatusBadGateway, "the verification is not available"
}

func reply(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an app that is gone gets no answer
}

// decode reads a JSON body. An empty one is io.EOF too.
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
		return refuse(http.StatusBadRequest, "this is not the JSON that is expected here")
	}
	return nil
}
