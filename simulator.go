package idngo

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/idngo-go/idngo/internal/simulator"
)

// SimulatorConfig configures a [Simulator]. The zero value is useful.
type SimulatorConfig struct {
	Outcome       ReviewResult     // the result of every review; the zero value means GREEN. See [Simulator.SetOutcome]
	ReviewDelay   time.Duration    // from submit to verdict; zero: submit answers "pending", and the next GetAction has the verdict
	ManualReview  bool             // only [Simulator.Review] decides
	Webhooks      http.Handler     // events are delivered to it, signed, in memory; nil: none
	WebhookSecret Secret           // the secret that signs them; default: one that all simulators share
	Clock         func() time.Time // its clock; default time.Now
	Faults        string           // what goes wrong, see [Simulator.SetFaults]
	KnownOnly     bool             // refuse applicants, users and levels that AddApplicant and AddLevel have not named
}

// Simulator is the service in memory, for tests of code that uses this package. It checks
// signatures and requests as strictly as the specification asks, keeps actions and images, reviews
// submitted actions, and delivers webhooks.
//
// Any level is known, and any applicant or user id is that of an approved applicant, unless
// [SimulatorConfig.KnownOnly] is set. The end of an external action id can ask for an outcome:
// "pay-1#RED", "pay-1#RED:LABEL,LABEL", "pay-1#RED-FINAL:LABEL", "pay-1#ERROR", "pay-1#onHold".
//
// It works inside a bubble of testing/synctest when it is made there. It keeps 20,000 actions and
// 128 MiB of images at most. The command examples/simulator of the repository is the same simulator
// for other languages and for people. A Simulator is safe for concurrent use.
type Simulator struct {
	server    *simulator.Server
	transport *http.Transport // the transport of the clients
}

// simulatorHost is where the clients of a simulator call it, in memory.
const simulatorHost = "localhost"

// NewSimulator makes a simulator. Close it when the test ends. It returns [ErrInvalidArgument] for
// a negative ReviewDelay, for a WebhookSecret that [NewWebhookVerifier] refuses, for an Outcome
// that SetOutcome ignores, and for Faults that SetFaults refuses.
func NewSimulator(cfg SimulatorConfig) (*Simulator, error) {
	const method = "NewSimulator"
	var negativeDelay, badSecret error
	if cfg.ReviewDelay < 0 {
		negativeDelay = invalid("ReviewDelay", "is negative")
	}
	if cfg.WebhookSecret != "" {
		badSecret = checkCredential("WebhookSecret", cfg.WebhookSecret)
	}
	faults, badFaults := simulator.ParseFaults(cfg.Faults)
	if err := checkArguments(method, negativeDelay, badSecret, simulatorError("Faults", badFaults)); err != nil {
		return nil, err
	}
	server, err := simulator.New(simulator.Config{
		Outcome:        simulatorOutcome(cfg.Outcome),
		ReviewDelay:    cmp.Or(cfg.ReviewDelay, simulator.NoReviewDelay),
		ManualReview:   cfg.ManualReview,
		WebhookHandler: cfg.Webhooks,
		WebhookSecret:  string(cfg.WebhookSecret),
		Clock:          cfg.Clock,
		Faults:         faults,
		KnownOnly:      cfg.KnownOnly,
		NoDefaults:     cfg.KnownOnly,
	})
	if err != nil {
		return nil, checkArguments(method, simulatorError("SimulatorConfig", err))
	}
	s := &Simulator{server: server}
	s.transport = &http.Transport{DialContext: s.dial, MaxIdleConnsPerHost: 100, IdleConnTimeout: 90 * time.Second}
	return s, nil
}

// Client makes a client of the simulator, with its credentials and the given options. It talks HTTP
// in memory. If an httptest.Server serves the simulator, pass its URL to [WithBaseURL]: the client
// then uses the network, and WebSDK links lead there. [WithHTTPClient] needs such a URL too:
// without one, Client returns [ErrInvalidArgument].
func (s *Simulator) Client(opts ...Option) (*Client, error) {
	const memoryURL = "http://" + simulatorHost
	own := []Option{WithBaseURL(memoryURL), WithHTTPClient(&http.Client{Transport: s.transport})}
	client, err := NewClient(s.Credentials(), append(own, opts...)...)
	if err == nil && client.baseURL == memoryURL && client.http.Transport != s.transport {
		return nil, checkArguments("Client", invalid("WithHTTPClient", "needs WithBaseURL"))
	}
	return client, err
}

// dial connects to the simulator in memory, and to every other address over the network.
func (s *Simulator) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address == simulatorHost+":80" {
		return s.server.Dial(ctx)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// ServeHTTP answers a request as the service does, for an httptest.Server or a port of your own.
// Under / it has a console for people, and under /_simulator/ a control API. Both answer 403 unless
// the Host is localhost, *.localhost or a loopback address. On a listener that is not on loopback,
// the Host may also be an IP address, a name without a dot, or NAME.local, .internal or .test.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.server.ServeHTTP(w, r) }

// Format writes idngo.Simulator for every verb and flag.
func (s *Simulator) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "idngo.Simulator") }

// Credentials returns the credentials that the simulator accepts. All simulators have the same.
func (s *Simulator) Credentials() Credentials {
	return Credentials{AppToken: simulator.DefaultAppToken, SecretKey: simulator.DefaultSecretKey}
}

// WebhookSecret returns the secret that webhooks are signed with.
func (s *Simulator) WebhookSecret() Secret { return Secret(s.server.WebhookSecret()) }

// AddApplicant makes an applicant known, or changes one. Missing fields get values: no review means
// an approval, and a review without a status is completed. It returns [ErrInvalidArgument] if the
// ID is empty, if another applicant has the ExternalUserID, or if there is no room for more.
func (s *Simulator) AddApplicant(a Applicant) error {
	text, err := json.Marshal(a)
	if err = cmp.Or(err, validText("id:", a.ID), validText("external user id:", a.ExternalUserID)); err == nil {
		err = s.server.AddApplicantJSON(text)
	}
	return checkArguments("AddApplicant", simulatorError("Applicant", err))
}

// AddLevel makes a level known and sets its kind of action. It returns [ErrInvalidArgument] for an
// empty name or kind, and above 10,000 levels. A level that was not added gets its kind by name:
//
//	the name contains        the kind is
//	questionnaire            questionnaire
//	email, e-mail            email
//	payment, source          paymentMethod
//	none of these            selfieAuth
func (s *Simulator) AddLevel(name string, kind ActionType) error {
	return checkArguments("AddLevel", simulatorError("level", s.server.AddLevel(name, string(kind))))
}

// Review decides an action now, in any status. A result without an answer is an approval. An
// unknown action, and a result that [Simulator.SetOutcome] ignores, are [ErrInvalidArgument].
func (s *Simulator) Review(actionID string, result ReviewResult) error {
	return checkArguments("Review", simulatorError("action", s.server.Review(actionID, simulatorOutcome(result))))
}

// Hold puts an action on hold, until [Simulator.Review] decides it. An unknown action is
// [ErrInvalidArgument].
func (s *Simulator) Hold(actionID string) error {
	return checkArguments("Hold", simulatorError("action", s.server.Review(actionID, simulator.Outcome{OnHold: true})))
}

// CompleteWithToken plays the app, as an SDK does with an access token: it creates the action if
// there is none, takes the selfie, and submits. An action that was submitted before stays as it is.
// A token that is empty, unknown, expired or not for an action is [ErrInvalidArgument].
func (s *Simulator) CompleteWithToken(accessToken string) error {
	_, err := s.server.CompleteWithToken(accessToken)
	return checkArguments("CompleteWithToken", simulatorError("access token", err))
}

// SetOutcome changes the verdict of the reviews that end from now on. A face authorization without
// an image ends with ERROR, whatever the outcome. The answer is GREEN, RED, ERROR, YELLOW, IGNORED
// or empty, which is GREEN. Any other answer, a reject type other than RETRY or FINAL, or a label
// not spelled LIKE_THIS changes nothing.
func (s *Simulator) SetOutcome(result ReviewResult) {
	_ = s.server.SetOutcome(simulatorOutcome(result)) // as documented
}

// SetFaults sets what goes wrong from now on. "" ends all faults. A comma separates items. An item
// is fault[@Operation]#count for the next requests, or fault[@Operation]=probability. The
// operations are those of [OperationFromContext]. seed=7 makes the random faults the same in each
// run. A spec in another form is [ErrInvalidArgument].
//
//	reset-after@CreateAction#1   the next create is done, but its answer is lost
//	429:2@GetAction#3            the next three get 429 with Retry-After: 2
//	503=0.1                      one request in ten gets 503
//	slow:2s#1                    the next answer takes two seconds
//
// The faults are
//
//   - 503, or another status: sends it and does nothing,
//   - 503-after: does the work, then sends 503,
//   - 503-early: sends 503 and does not read the body first,
//   - reset, reset-after, reset-early: the same three, but they break the connection,
//   - html: sends a gateway's error page and does nothing,
//   - slow, slow-body: delays the answer, or its body,
//   - truncate, truncate-chunked: sends half of the body,
//   - wrong-date: sends a wrong Date,
//   - garbage, endless: sends 200 with a text that is not JSON, or with an endless body.
func (s *Simulator) SetFaults(spec string) error {
	faults, err := simulator.ParseFaults(spec)
	if err == nil {
		err = s.server.SetFaults(faults)
	}
	return checkArguments("SetFaults", simulatorError("faults", err))
}

// Actions returns the actions of an applicant in order of creation.
func (s *Simulator) Actions(applicantID string) []*Action {
	if applicantID == "" {
		return nil
	}
	var actions []*Action
	if json.Unmarshal(s.server.ActionsJSON(applicantID), &actions) != nil {
		return nil // the simulator encodes valid JSON
	}
	return actions
}

// Calls returns the number of requests of an operation that have reached the simulator.
// [OperationFromContext] has the names. Refused requests and those with a fault count too.
func (s *Simulator) Calls(operation string) int { return s.server.Stats().ByOperation[operation] }

// Close ends deliveries and connections. It drops deliveries that wait. It returns nil, and can be
// called again.
func (s *Simulator) Close() error {
	if s.server == nil {
		return nil // this is a zero Simulator
	}
	err := s.server.Close()
	s.transport.CloseIdleConnections()
	return err
}

// simulatorError returns an error of the simulator as an invalid argument.
func simulatorError(field string, err error) error {
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(err.Error(), "simulator: ")
	for _, method := range []string{"AddApplicant: ", "AddLevel: ", "CompleteWithToken: "} {
		text = strings.TrimPrefix(text, method)
	}
	return invalid(field+":", text)
}

func simulatorOutcome(r ReviewResult) simulator.Outcome {
	outcome := simulator.Outcome{
		Answer: string(r.ReviewAnswer), RejectType: string(r.ReviewRejectType),
		ModerationComment: r.ModerationComment, ClientComment: r.ClientComment,
	}
	for _, label := range r.RejectLabels {
		outcome.RejectLabels = append(outcome.RejectLabels, string(label))
	}
	return outcome
}
