// Package idngo is an unofficial client for the applicant actions API of IDnGO. An action is a
// verification, such as a face authorization, that a backend requests before an already verified
// customer does something important.
//
// # First call
//
//	client, err := idngo.NewClientFromEnv() // IDNGO_APP_TOKEN, IDNGO_SECRET_KEY
//	err = client.CheckCredentials(ctx) // at start-up
//	applicant, err := client.FindApplicant(ctx, "user-4711") // your own id of the user
//	action, err := client.EnsureAction(ctx, applicant.ID, idngo.CreateActionParams{
//		LevelName:        "action-liveness",
//		ExternalActionID: "payout-815", // your own id of the action
//	})
//
// # The flow
//
//	your backend ── EnsureAction, CreateAccessToken ──▶ IDnGO
//	     ▼ token                                          ▲ selfie
//	your app ────── mobile SDK or WebSDK ─────────────────┘
//	IDnGO ───────── webhook ──▶ WebhookVerifier in your backend
//	your backend ── RequireApproved ── nil error ──▶ payout
//
// A backend that has the selfie itself calls [Client.AddImage] and [Client.SubmitAction] instead of
// making a token. A backend that receives no webhooks calls [Client.WaitForReview]. Never trust a
// result that an app or browser reports: call [Client.RequireApproved].
//
// An applicant is a person or company. The applicant's main verification comes before any action. A
// level is a named set of checks in the dashboard. An applicantID is IDnGO's id, and a UserID or
// ExternalUserID is your id of the same person. An ExternalActionID is your id of the action.
//
// # Errors
//
// An answer other than 2xx is an [*APIError]. Use errors.Is with a sentinel, such as [ErrNotFound];
// the documentation of each sentinel names the usual causes. After [ErrOutcomeUnknown] a create, an
// upload or a submit may have taken effect: fetch the action before you call again, or use
// [Client.EnsureAction]. A call can also fail without a usable answer: by the network, the context,
// or [ErrResponseTooLarge]. Errors and log lines show no value that was sent, unless it is shorter
// than four characters; see [APIError]. Do not log an [Action], [Applicant] or [WebhookEvent]: fmt
// prints all their fields.
//
// # Retries
//
//	what happened                       idempotent:       not idempotent:
//	                                    GET, token, link  create, image, submit
//	nothing was written (dial, TLS      retry             retry
//	  handshake, temporary DNS error)
//	certificate invalid, unknown host   stop              stop
//	connection lost, answer cut off or  retry             stop: ErrOutcomeUnknown
//	  timeout, after bytes were written
//	context ended                       stop              stop: ErrOutcomeUnknown
//	                                                        if bytes were written
//	408, 5xx except 501                 retry             stop: ErrOutcomeUnknown
//	2xx whose body cannot be used       stop              stop: ErrOutcomeUnknown
//	429, and 409 with Retry-After       retry             retry: it was refused
//	                                                        before it ran
//	401 with code 4004 (wrong clock)    retry once        retry once
//	401 without a code, if Date and     retry once        retry once
//	  the clock differ by over 30 s
//	501, any other 4xx, a redirect      stop              stop
//
// Each request is attempted three times at most. The first delay is 250 to 500 ms, the second 500
// ms to 1 s, or Retry-After if that is longer; see [RetryPolicy]. Each attempt is signed anew. With
// [WithIdempotent] a call is retried like an idempotent one.
//
// # Images
//
// Images are streamed in constant memory; see [ImageSource].
//
// # Webhooks
//
// [WebhookVerifier] checks the digest over the raw bytes before it decodes them. Events can come
// twice and out of order. Handle each [WebhookEvent.Key] once. Act on Type, not on ReviewStatus.
//
// # Testing your code
//
// [NewSimulator] is the whole API in your process: HTTP in memory, webhooks, and the faults that
// you choose. [SignWebhook] signs what your receiver gets, [Signer.Verify] checks what your code
// sends.
//
// # Many machines
//
// A [Client] and a [WebhookVerifier] are safe for concurrent use: make one of each and share it. On
// several machines, call [Client.EnsureAction] with the same ExternalActionID under a shared lock,
// and keep the keys of handled events in one shared store.
//
// # Sources
//
// Endpoints, parameters and answers follow IDnGO's specification. Error codes, webhook digests and
// most constants follow "related products": IDnGO's API derives from theirs. "Not documented" and
// "inferred" mark what is in neither source. Unknown fields and values are no error.
package idngo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/go-querystring/query"

	"github.com/idngo-go/idngo/internal/clock"
	"github.com/idngo-go/idngo/internal/exchange"
	"github.com/idngo-go/idngo/internal/formbody"
	"github.com/idngo-go/idngo/internal/lenient"
	"github.com/idngo-go/idngo/internal/oneline"
	"github.com/idngo-go/idngo/internal/redact"
	"github.com/idngo-go/idngo/internal/retry"
	"github.com/idngo-go/idngo/internal/turns"
)

// Version is the version of this package. It is sent in User-Agent.
const Version = "0.1.0"

// DefaultBaseURL is the one documented host of the service. Sandbox and production share it. The
// app token decides which of them answers.
const DefaultBaseURL = "https://api.idngo.kz"

// Client makes signed calls. It is safe for concurrent use and keeps connections open between
// calls: make one and share it. After NewClient only the clock offset changes, see [WithClock]. It
// prints no secret. A nil or zero Client returns [ErrInvalidArgument] from every call.
type Client struct {
	settings
	signer    *Signer
	exchanger *exchange.Exchanger
	clock     *clock.Clock
	turns     turns.Turns[turn] // the calls of EnsureAction that wait for one another
}

// settings are what options set.
type settings struct {
	baseURL      string // scheme, host and path prefix, without a slash at the end
	insecureHTTP bool
	http         *http.Client
	userAgent    string
	timeout      time.Duration
	policy       retry.Policy
	limiter      RateLimiter
	logger       *slog.Logger
	now          func() time.Time
}

// NewClient returns a client. It returns [ErrInvalidArgument], naming what is wrong, for
// credentials that are empty, quoted or have spaces or line breaks around them, and for an option
// that is not valid. It does not use the network.
func NewClient(creds Credentials, opts ...Option) (*Client, error) {
	return newClient("NewClient", creds, "", opts)
}

// NewClientFromEnv returns a client made from the environment: IDNGO_APP_TOKEN, IDNGO_SECRET_KEY
// and, if it is set and not empty, IDNGO_BASE_URL. Options override the environment. Its errors are
// those of [NewClient] and name the variable.
func NewClientFromEnv(opts ...Option) (*Client, error) {
	creds := Credentials{AppToken: Secret(os.Getenv("IDNGO_APP_TOKEN")), SecretKey: Secret(os.Getenv("IDNGO_SECRET_KEY"))}
	return newClient("NewClientFromEnv", creds, os.Getenv("IDNGO_BASE_URL"), opts,
		checkCredential("IDNGO_APP_TOKEN", creds.AppToken), checkCredential("IDNGO_SECRET_KEY", creds.SecretKey))
}

// String returns the type and the base URL.
func (c *Client) String() string { return "idngo.Client{" + c.baseURL + "}" }

// Format writes String for every verb and flag.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue returns String.
func (c *Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// CloseIdleConnections closes the connections that no call uses. Clients without a transport of
// their own share one pool, so it closes the idle connections of all these clients.
func (c *Client) CloseIdleConnections() {
	if c != nil && c.exchanger != nil {
		c.exchanger.CloseIdleConnections()
	}
}

// Option is a setting for [NewClient], which refuses nil, empty, negative and malformed values.
type Option func(*Client) error

// option returns an Option that sets something, or refuses a value that is not valid.
func option(valid bool, name, problem string, set func(*settings)) Option {
	return func(c *Client) error {
		if !valid {
			return invalid(name, problem)
		}
		set(&c.settings)
		return nil
	}
}

// WithBaseURL sets the URL of the service: https, or http with a loopback address, see
// [WithInsecureHTTP]. A path prefix is kept, and signed. The default is [DefaultBaseURL].
func WithBaseURL(url string) Option {
	return option(url != "", "base URL", "is neither https nor http", func(s *settings) { s.baseURL = url })
}

// WithInsecureHTTP allows an http base URL for any host, even in IDNGO_BASE_URL. It is for tests
// against a simulator in another container: others on the network can read everything.
func WithInsecureHTTP() Option {
	return option(true, "", "", func(s *settings) { s.insecureHTTP = true })
}

// WithHTTPClient sets the HTTP client: its transport, cookie jar and timeout. It is copied and
// never changed. The copy does not follow redirects. A nil Transport means http.DefaultTransport if
// your program has replaced it, otherwise this package's shared transport. A Timeout of the HTTP
// client limits each whole attempt. Leave it 0 if images are large, and use [WithTimeout].
func WithHTTPClient(hc *http.Client) Option {
	return option(hc != nil, "HTTP client", "is nil", func(s *settings) { s.http = hc })
}

// WithUserAgent puts a product such as "acme-bank/2.1" before "idngo-go/VERSION" in User-Agent.
func WithUserAgent(product string) Option {
	valid := product != "" && strings.TrimSpace(product) == product && exchange.ValidHeaderValue(product)
	return option(valid, "user agent", "is empty, has spaces around it or control characters in it",
		func(s *settings) { s.userAgent = product + " idngo-go/" + Version })
}

// WithTimeout limits one attempt of a call, from dialling to the last byte of the answer. For image
// uploads and downloads it limits the time without progress instead of the total time, so slow
// transfers succeed and stalled ones fail. The time that the caller spends between two reads of a
// download does not count. The default is 30 seconds. The context limits the call as a whole, waits
// included.
//
// After such a timeout the error is a [net.Error] whose Timeout is true. It matches
// [context.DeadlineExceeded], although ctx.Err() is nil.
func WithTimeout(d time.Duration) Option {
	return option(d > 0, "timeout", "is not positive", func(s *settings) { s.timeout = d })
}

// WithRetryPolicy sets how often a call is retried and after what delays. The table in the package
// documentation shows what is retried.
func WithRetryPolicy(p RetryPolicy) Option {
	policy, problem := retry.Policy(p).WithDefaults()
	return option(problem == "", "retry policy", problem, func(s *settings) { s.policy = policy })
}

// RetryPolicy sets the attempts of a call and the delays. Zero fields mean the defaults.
type RetryPolicy struct {
	// MaxAttempts is the largest number of attempts of a request, the first one included. It counts
	// a retry after a clock correction too. The default is 3. 1 means a single attempt.
	MaxAttempts int
	// Each delay is random, from half of a bound to the whole bound. The bound is MinDelay (default
	// 500 ms) at first, and doubles up to MaxDelay (default 8 s).
	MinDelay, MaxDelay time.Duration
	// MaxRetryAfter is the longest Retry-After that a call waits for (default 60 s). A longer one ends
	// the call at once. Otherwise the call waits for the longer of Retry-After and its own delay. A
	// random part makes Retry-After longer, by a tenth at most.
	MaxRetryAfter time.Duration
}

// WithRateLimiter makes each attempt wait for l first. The wait does not count for [WithTimeout].
// It ends with the context.
func WithRateLimiter(l RateLimiter) Option {
	return option(l != nil, "rate limiter", "is nil", func(s *settings) { s.limiter = l })
}

// RateLimiter delays attempts. A *rate.Limiter of golang.org/x/time/rate is one. Related products
// allow 300 GET and 50 POST requests in 5 seconds. IDnGO publishes no figures.
type RateLimiter interface {
	// Wait blocks until an attempt may be made, or returns an error.
	Wait(ctx context.Context) error
}

// WithLogger logs one line for each attempt: operation, attempt, duration and status. An answer
// other than 2xx adds code and correlation_id. An attempt without a complete answer has error
// instead of status. Each line ends with retry_in, the planned delay before the next attempt (the
// call may end before it), or final=true. The level is Info for a 2xx, Warn for the rest, even the
// 404 that CheckCredentials expects. A clock correction is a Warn line too. No line shows what was
// sent; see [APIError].
func WithLogger(l *slog.Logger) Option {
	return option(l != nil, "logger", "is nil", func(s *settings) { s.logger = l })
}

// WithClock sets the clock that requests are stamped with. The default is [time.Now]. The service
// allows a difference of 60 seconds. When it refuses a timestamp, the client computes the offset
// from the answer's Date and applies it from then on. Later it updates the offset when the Date of
// any answer differs from the corrected clock by more than 5 seconds. Timestamps and
// [AccessToken].ExpiresAt use the corrected clock.
func WithClock(now func() time.Time) Option {
	return option(now != nil, "clock", "is nil", func(s *settings) { s.now = now })
}

// RequestOption is a setting of one call.
type RequestOption func(*requestOptions) error

// WithResponse fills dst with the status, header, number of attempts and raw body of the call's
// last answer, even when the call fails. If there was no answer, StatusCode is 0. A call that
// returns [ErrInvalidArgument] may leave dst unchanged. The Body of an error answer is cut at 64
// KiB.
func WithResponse(dst *Response) RequestOption {
	return func(o *requestOptions) error {
		if dst == nil {
			return invalid("response", "is nil")
		}
		o.response = dst
		return nil
	}
}

// Response is the last answer of a call; see [WithResponse].
type Response struct {
	StatusCode int         // the HTTP status, 0 if there was no answer
	Header     http.Header // the header of the answer, nil if there was none
	Attempts   int         // the number of attempts that were made
	Body       []byte      // the body as it came, JSON or not; nil for an image
}

// WithHeader sets a header of the call. It refuses the signing headers and those that net/http sets
// itself (Host, Content-Length, Transfer-Encoding, Trailer). It also refuses Accept-Encoding other
// than identity: net/http decodes gzip only if it has asked for gzip by itself. AddImage also
// refuses Content-Type, which names the boundary.
//
// net/http by itself repeats a POST that has Idempotency-Key or X-Idempotency-Key, which IDnGO may
// not honour. So the client writes these names in lower case, and net/http does not see them. In a
// RoundTripper, req.Header.Get does not see them either.
func WithHeader(key, value string) RequestOption {
	return func(o *requestOptions) error {
		canonical, problem := exchange.CheckHeader(key, value)
		if problem != "" {
			return invalid("header", problem)
		}
		if o.header == nil {
			o.header = make(http.Header)
		}
		o.header[canonical] = []string{value}
		return nil
	}
}

// WithIdempotent declares that this call may be made more than once, so that it is retried like a
// read. It applies to CreateAction, AddImage, SubmitAction and Do. EnsureAction refuses it. Other
// methods ignore it. If any attempt may have taken effect, the final error matches
// [ErrOutcomeUnknown].
func WithIdempotent() RequestOption {
	return func(o *requestOptions) error {
		o.idempotent = true
		return nil
	}
}

// Do makes a signed call of any endpoint of the vendor. path begins with a slash and must be
// escaped as a URL path. query is sent sorted, with %20 for a space. body is nil, a []byte that is
// sent as it is, or a value for encoding/json. A nil pointer, map or slice is no body. out is nil,
// a *[]byte, or a pointer to decode the answer into. 204, 205, an empty 2xx and any 2xx to HEAD are
// a success; what out points to then stays unchanged.
//
// GET and HEAD are idempotent, other methods are not (see [WithIdempotent]). Errors:
// [ErrInvalidArgument], [*APIError], [ErrOutcomeUnknown].
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, body, out any, opts ...RequestOption) error {
	encoded, bodyProblem := exchange.EncodeBody(body)
	do := &request{
		operation: opDo, method: method, path: path, query: exchange.EscapeSpaces(query.Encode()), body: encoded,
		idempotent: method == http.MethodGet || method == http.MethodHead, emptyOK: true,
		problem: checkArguments("", invalid("method", exchange.CheckMethod(method)), invalid("path", exchange.CheckPath(path)),
			invalid("body", bodyProblem), invalid("out", exchange.CheckOut(out))),
	}
	if _, raw := body.([]byte); !raw {
		do.keyed, do.keys = encoded, body
	}
	return c.call(ctx, do, out, opts)
}

// OperationFromContext returns the endpoint of the call that a request belongs to, from the
// request's context: CreateAction, CreateWebSDKLink, AddImage, SubmitAction, GetAction,
// ListActions, OpenImage, CreateAccessToken, GetApplicant, FindApplicant or Do. A RoundTripper that
// traces or counts calls uses it instead of the URL, which holds ids. It returns "" for any other
// context.
//
//	type tracer struct{ next http.RoundTripper }
//
//	func (t tracer) RoundTrip(req *http.Request) (*http.Response, error) {
//		began := time.Now()
//		res, err := t.next.RoundTrip(req) // one attempt
//		record(idngo.OperationFromContext(req.Context()), time.Since(began), res, err)
//		return res, err
//	}
//
//	client, err := idngo.NewClientFromEnv(idngo.WithHTTPClient(
//		&http.Client{Transport: tracer{http.DefaultTransport}}))
func OperationFromContext(ctx context.Context) string {
	if operation, ok := ctx.Value(operationKey{}).(*string); ok {
		return *operation
	}
	return ""
}

const (
	opCreateAction      = "CreateAction"
	opCreateWebSDKLink  = "CreateWebSDKLink"
	opAddImage          = "AddImage"
	opSubmitAction      = "SubmitAction"
	opGetAction         = "GetAction"
	opListActions       = "ListActions"
	opOpenImage         = "OpenImage"
	opCreateAccessToken = "CreateAccessToken"
	opGetApplicant      = "GetApplicant"
	opFindApplicant     = "FindApplicant"
	opDo                = "Do"

	defaultTimeout = 30 * time.Second
	maxJSONBody    = 10 << 20
	maxErrorBody   = 64 << 10
)

type operationKey struct{}

// newClient takes the base URL of the environment, which may be empty.
func newClient(method string, creds Credentials, fromEnv string, opts []Option, problems ...error) (*Client, error) {
	signer, err := NewSigner(creds)
	client := &Client{signer: signer}
	client.userAgent, client.timeout, client.now = "idngo-go/"+Version, defaultTimeout, time.Now
	client.policy, _ = retry.Policy{}.WithDefaults()
	if len(problems) == 0 {
		problems = append(problems, err)
	}
	for _, opt := range opts {
		if opt == nil {
			problems = append(problems, invalid("option", "is nil"))
			continue
		}
		problems = append(problems, opt(client))
	}
	name := "base URL"
	if client.baseURL == "" && fromEnv != "" {
		name = "IDNGO_BASE_URL"
	}
	base, problem := exchange.CheckBaseURL(cmp.Or(client.baseURL, fromEnv, DefaultBaseURL), client.insecureHTTP)
	client.baseURL = base
	if err := checkArguments(method, append(problems, invalid(name, problem))...); err != nil {
		return nil, err
	}
	if client.http == nil {
		client.http = new(http.Client)
	}
	client.clock = clock.New(client.now)
	client.exchanger = exchange.New(client.http, signer.state.signer, client.clock, client.timeout)
	return client, nil
}

// A request is one call of the API, before and across its attempts.
type request struct {
	operation  string
	method     string
	path       string // escaped, below the base URL
	query      string // escaped
	body       []byte // nil: none
	upload     *formbody.Upload
	stream     bool       // the caller reads the body of the answer
	idempotent bool       // see the table of the package documentation
	emptyOK    bool       // a 2xx without a body is a success
	arguments  []argument // the arguments that are required
	problem    error      // any other error of the arguments
	keyed      []byte     // JSON whose map keys must not be shown
	keys       any        // the value that keyed encodes
	sentTexts  []string   // other sent texts that must not be shown
	redacted   struct{ texts, clean []string }
	options    requestOptions
}

type requestOptions struct {
	response   *Response
	header     http.Header
	idempotent bool
	caller     string // the method that the user has called
}

// calledBy makes errors name the method that the user has called, where that is another one than
// the call's. The outermost method comes first.
func calledBy(method string) RequestOption {
	return func(o *requestOptions) error {
		if o.caller == "" {
			o.caller = method
		}
		return nil
	}
}

// inherit copies the header and the caller of a request to a call that completes it, but nothing
// about a body.
func (r *request) inherit(o *requestOptions) error {
	o.caller = r.options.caller
	o.header = r.options.header.Clone()
	o.header.Del("Content-Type")
	return nil
}

// apply applies the options of a call, and checks its arguments and its context.
func (r *request) apply(ctx context.Context, opts []RequestOption) error {
	problems := make([]error, 0, 8)
	for _, a := range r.arguments {
		problems = append(problems, a.check())
	}
	problems = append(problems, r.problem)
	for _, opt := range opts {
		if opt == nil {
			problems = append(problems, invalid("request option", "is nil"))
			continue
		}
		problems = append(problems, opt(&r.options))
	}
	if r.options.caller == "" {
		r.options.caller = r.operation
	}
	if ctx == nil {
		problems = append(problems, invalid("context", "is nil"))
	}
	return checkArguments(r.options.caller, problems...)
}

// begin checks the arguments of a method that calls others, and returns the options for those.
func begin(ctx context.Context, method string, opts []RequestOption, problems ...error) ([]RequestOption, requestOptions, error) {
	r := &request{operation: method, problem: checkArguments("", problems...)}
	err := r.apply(ctx, opts)
	return append(slices.Clip(opts), calledBy(method)), r.options, err
}

// call makes a call and decodes its answer into out: nil, *[]byte, or a value for encoding/json.
func (c *Client) call(ctx context.Context, r *request, out any, opts []RequestOption) error {
	answer, attempts, err := c.send(ctx, r, opts)
	if err != nil {
		return err
	}
	if problem := r.decode(answer, out); problem != "" {
		return r.unusable(answer, attempts, problem)
	}
	return nil
}

// decode decodes an answer and returns what is wrong with it.
func (r *request) decode(answer *exchange.Answer, out any) (problem string) {
	empty := len(answer.Content) == 0 || answer.StatusCode == http.StatusNoContent || answer.StatusCode == http.StatusResetContent
	switch raw, ok := out.(*[]byte); {
	case empty && r.emptyOK, out == nil && !exchange.IsHTML(answer.Header):
		return ""
	case ok:
		*raw = answer.Content
		return ""
	case len(bytes.TrimSpace(answer.Content)) == 0:
		if r.emptyOK {
			return ""
		}
		return "it has no body"
	case out != nil:
		problem = decode(answer.Content, out)
	}
	switch wanted, ok := out.(interface{ usable() bool }); {
	case (problem != "" || out == nil) && exchange.IsHTML(answer.Header):
		return "it is text/html, most likely from a proxy or gateway"
	case problem == "" && ok && !wanted.usable():
		return "it lacks the id, token or URL that was asked for"
	}
	return problem
}

// unusable returns the error of a 2xx that cannot be used.
func (r *request) unusable(answer *exchange.Answer, attempts int, problem string) error {
	return &oneline.Error{
		Method: r.options.caller, Step: stepOf(r.options.caller, r.operation), Attempts: attempts, Transient: true,
		Unknown: unknownIf(!r.idempotent), Causes: []error{errUnusable},
		Text: fmt.Sprintf("the answer %d cannot be used: %s", answer.StatusCode, problem),
	}
}

type failure struct {
	retry.Failure
	err   error          // nil if api is set
	sent  *http.Request  // the request that was sent, nil if none was built
	api   *APIError      // the error of an answer other than 2xx
	res   *http.Response // the answer, nil if there was none
	body  []byte         // the body of an answer other than 2xx
	shown error          // the error that show has made
}

// An outcome is what became of one attempt: an answer or a failure.
type outcome struct {
	attempt int
	took    time.Duration
	answer  *exchange.Answer
	failure *failure
}

// send makes attempts until one is answered with 2xx or the table says stop, and counts them.
func (c *Client) send(ctx context.Context, r *request, opts []RequestOption) (*exchange.Answer, int, error) {
	r.problem = checkArguments("", c.check(), r.problem)
	if err := r.apply(ctx, opts); err != nil {
		return nil, 0, err
	}
	if r.options.response != nil {
		*r.options.response = Response{}
	}
	ctx = context.WithValue(ctx, operationKey{}, &r.operation)
	tries := retry.Tries{Policy: c.policy, Idempotent: r.idempotent || r.options.idempotent, HasEffect: !r.idempotent}
	var last *failure
	for attempt := 1; ; attempt++ {
		if err := c.admit(ctx); err != nil {
			if last == nil {
				last, err = &failure{err: err}, nil
			}
			return nil, attempt - 1, c.fail(r, last, tries, err)
		}
		outcome := c.attempt(ctx, r, attempt)
		r.fillResponse(outcome)
		if last = outcome.failure; last == nil {
			c.log(ctx, r, outcome, slog.Bool("final", true))
			return outcome.answer, attempt, nil
		}
		delay, again, inTime := tries.Next(last.Failure, retry.TimeLeft(ctx), rand.Float64)
		if !again {
			c.log(ctx, r, outcome, slog.Bool("final", true))
			return nil, attempt, c.fail(r, last, tries, retry.DeadlineUnless(inTime))
		}
		c.log(ctx, r, outcome, slog.Duration("retry_in", delay))
		if err := retry.Wait(ctx, delay); err != nil {
			return nil, attempt, c.fail(r, last, tries, err)
		}
	}
}

// check refuses a Client that NewClient did not make.
func (c *Client) check() error {
	if c == nil || c.exchanger == nil {
		return invalid("Client", "was not made by NewClient")
	}
	return nil
}

// admit waits until an attempt may be made.
func (c *Client) admit(ctx context.Context) error {
	if ctx.Err() != nil {
		return retry.ContextError(ctx)
	}
	if c.limiter == nil {
		return nil
	}
	if err := c.limiter.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", retry.ContextError(ctx), err)
		}
		return fmt.Errorf("rate limiter: %w", err)
	}
	return nil
}

// attempt makes one exchange, and learns the clock from its answer.
func (c *Client) attempt(ctx context.Context, r *request, attempt int) (o outcome) {
	began := time.Now()
	sent := c.exchangeRequest(r, attempt)
	answer, failed := c.exchanger.Do(ctx, &sent)
	o = outcome{attempt: attempt, took: time.Since(began), answer: answer}
	switch {
	case failed != nil:
		o.failure = newFailure(r, failed)
	case answer.StatusCode/100 != 2:
		o.failure = c.refusal(ctx, r, answer)
	case c.clock.Corrected():
		c.adopt(ctx, answer.Clock) // the local clock may have been corrected
	}
	if o.failure != nil {
		r.remember(o.failure.sent)
	}
	return o
}

// exchangeRequest returns what an attempt sends.
func (c *Client) exchangeRequest(r *request, attempt int) exchange.Request {
	sent := exchange.Request{
		Method: r.method, URL: strings.TrimSuffix(c.baseURL+r.path+"?"+r.query, "?"), UserAgent: c.userAgent, Accept: "application/json",
		Header: r.options.header, Body: r.body, Upload: r.upload, Stream: r.stream, TraceWrites: !r.idempotent, Attempt: attempt,
		MaxBody: maxJSONBody, MaxErrorBody: maxErrorBody,
	}
	if r.body != nil || r.method == http.MethodPost {
		sent.ContentType = "application/json"
	}
	return sent
}

// newFailure wraps the error of a failed exchange in this package's errors.
func newFailure(r *request, failed *exchange.Failure) *failure {
	err := failed.Err
	if r.upload != nil {
		err = imageError(err)
	}
	if errors.Is(err, exchange.ErrTooLarge) {
		err = fmt.Errorf("the answer %d cannot be used: %w", failed.Response.StatusCode, ErrResponseTooLarge)
	}
	return &failure{Failure: retry.Failure{Kind: failed.Kind, Written: failed.Written}, err: err, sent: failed.Sent, res: failed.Response}
}

// imageError gives a changed source its sentinel, and removes the path from an error of the file
// system. It returns other errors as they are.
func imageError(err error) error {
	err = redact.PathError(err)
	if errors.Is(err, formbody.ErrChanged) {
		return fmt.Errorf("%w: %w", ErrImageChanged, err)
	}
	return err
}

// refusal returns the failure of an answer other than 2xx.
func (c *Client) refusal(ctx context.Context, r *request, answer *exchange.Answer) *failure {
	api := &APIError{Operation: r.operation, StatusCode: answer.StatusCode, html: exchange.IsHTML(answer.Header), method: r.options.caller}
	api.parseErrorBody(answer.Content)
	api.RetryAfter, api.hasRetryAfter = retry.After(answer.Header, c.clock.Local())
	if errors.Is(api, ErrRedirect) {
		api.redirectHost = answer.RedirectHost()
	}
	api.imageChanged = api.Code == CodeSignatureMismatch && answer.UploadChanged(ctx)
	unauthorized := answer.StatusCode == http.StatusUnauthorized
	clockWrong := unauthorized && (api.Code == CodeTimestampExpired || api.Code == 0 && answer.Clock.ExplainsRefusal())
	if clockWrong || c.clock.Corrected() {
		c.adopt(ctx, answer.Clock)
	}
	return &failure{
		Failure: retry.Failure{
			Kind: retry.Answered, Status: answer.StatusCode, ClockWrong: clockWrong,
			HasRetryAfter: api.hasRetryAfter, RetryAfter: api.RetryAfter,
		},
		sent: answer.Sent, api: api, res: answer.Response, body: answer.Content,
	}
}

// adopt adopts the clock of an answer, and logs a large change.
func (c *Client) adopt(ctx context.Context, reading clock.Reading) {
	if offset, changed := c.clock.Adopt(reading); changed && c.logger != nil {
		c.logger.LogAttrs(ctx, slog.LevelWarn, "idngo: clock differs from the service's, timestamps are corrected",
			slog.Duration("offset", offset.Round(time.Second)))
	}
}

// fail returns the error of a call. reason is what prevented the next attempt, if not the policy.
func (c *Client) fail(r *request, last *failure, tries retry.Tries, reason error) error {
	shown := c.show(r, last)
	if reason != nil {
		reason = redact.Reword(reason, redact.OneLine(c.redact(r, reason.Error())[0]))
	}
	switch err := shown.(type) { //nolint:errorlint // show returns these types unwrapped
	case *APIError:
		err.Attempts, err.outcomeUnknown, err.cause = tries.Made, tries.Unknown, reason
	case *oneline.Error:
		err.Attempts, err.Unknown = tries.Made, unknownIf(tries.Unknown)
		if reason != nil {
			err.Text, err.Causes = err.Text+": "+reason.Error(), append(err.Causes, reason)
		}
	}
	return shown
}

// show returns the error of a failed attempt without the values that the call has sent. It makes
// the error only once, since that reads everything that was sent.
func (c *Client) show(r *request, failed *failure) error {
	switch {
	case failed.shown != nil:
	case failed.api != nil:
		failed.api.show(func(texts ...string) []string { return c.redact(r, texts...) })
		failed.shown = failed.api
	default:
		text := c.redact(r, failed.err.Error())[0]
		failed.shown = &oneline.Error{
			Method: r.options.caller, Step: stepOf(r.options.caller, r.operation), Attempts: 1, Causes: []error{failed.err},
			Text:      redact.OneLine(redact.Quoted(text)),
			Transient: failed.Kind == retry.NotSent || failed.Kind == retry.Lost || failed.Kind == retry.Unusable,
		}
	}
	return failed.shown
}

// fillResponse fills the caller's Response.
func (r *request) fillResponse(o outcome) {
	dst := r.options.response
	if dst == nil {
		return
	}
	*dst = Response{Attempts: o.attempt}
	if o.failure == nil {
		dst.StatusCode, dst.Header, dst.Body = o.answer.StatusCode, o.answer.Header, o.answer.Content
	} else if res := o.failure.res; res != nil {
		dst.StatusCode, dst.Header, dst.Body = res.StatusCode, res.Header, o.failure.body
	}
}

// log writes the line of an attempt. follows says what comes after it.
func (c *Client) log(ctx context.Context, r *request, o outcome, follows slog.Attr) {
	if c.logger == nil {
		return
	}
	attrs := []slog.Attr{slog.String("operation", r.operation), slog.Int("attempt", o.attempt), slog.Duration("duration", o.took)}
	level := slog.LevelWarn
	switch failed := o.failure; {
	case failed == nil:
		level = slog.LevelInfo
		attrs = append(attrs, slog.Int("status", o.answer.StatusCode))
	case failed.api != nil:
		_ = c.show(r, failed)
		attrs = append(attrs, slog.Int("status", failed.api.StatusCode), slog.Int("code", int(failed.api.Code)),
			slog.String("correlation_id", failed.api.safeID))
	default:
		attrs = append(attrs, slog.String("error", c.show(r, failed).Error()))
	}
	c.logger.LogAttrs(ctx, level, "idngo: attempt", append(attrs, follows)...)
}

// decode decodes a JSON answer into out and returns what is wrong with it.
func decode(data []byte, out any) (problem string) {
	var err error
	switch out := out.(type) {
	case *Action:
		err = decodeAction(data, out)
	case *ActionPage:
		err = decodeActionPage(data, out)
	case *Applicant:
		err = decodeApplicant(data, out)
	case *Image:
		err = decodeImage(data, out)
	case *WebSDKLink, *tokenAnswer:
		// A field of an unexpected type is ignored. usable checks what is needed.
		_, err = lenient.Decode[struct{}](data, out)
	default:
		err = json.Unmarshal(data, out)
	}
	return lenient.Problem(err)
}

// encodeQuery encodes a struct with url tags, all of plain types.
func encodeQuery(params any) string {
	values, err := query.Values(params)
	if err != nil {
		panic(err) // params is not a struct
	}
	return exchange.EscapeSpaces(values.Encode())
}

// retryAfter returns the wait that an error asks for, 0 if it asks for none.
func retryAfter(err error) time.Duration {
	var api *APIError
	if errors.As(err, &api) {
		return api.RetryAfter
	}
	return 0
}
