// Package idngo is a client for the applicant actions API of IDnGO: the checks,
// such as a face authorization, that a backend asks for before it lets a
// verified customer do something that matters. It is unofficial.
//
// # First call
//
//	client, err := idngo.NewClientFromEnv() // IDNGO_APP_TOKEN, IDNGO_SECRET_KEY
//	…
//	action, err := client.EnsureAction(ctx, applicantID, idngo.CreateActionParams{
//		LevelName:        "action-liveness",
//		ExternalActionID: "payout-4711",
//	})
//	…
//	token, err := client.CreateAccessToken(ctx, idngo.AccessTokenParams{
//		UserID: userID, LevelName: "action-liveness", ExternalActionID: "payout-4711",
//	})
//
// The token goes to the app, whose WebSDK or mobile SDK takes the selfie and
// submits it. A backend that has the selfie itself calls AddImage and
// SubmitAction instead. The result comes by webhook ([WebhookVerifier]) or by
// [Client.WaitForReview]. What an app claims counts only after
// [Client.ConfirmAction], and an answer counts only when the review is completed:
// [Action.Approved] asks for both.
//
// Three kinds of ids: an applicantID is IDnGO's own; a UserID or ExternalUserID
// is yours for the same person; an ExternalActionID is yours for the action.
//
// # Signing
//
// Every attempt is stamped and signed afresh, from the finished request: see
// [Signer]. Ids are escaped once, as one segment of the path; ids with slashes,
// spaces or letters of any alphabet are valid, and empty ones, "." and ".." are
// refused before anything is sent. Redirects are refused ([ErrRedirect]): net/http
// would hand the signing headers to the next host.
//
// The service allows a timestamp to be off by 60 seconds. When it refuses one,
// the client takes the service's clock from the Date of that answer and tries
// once more; see [WithClock].
//
// # What is tried again
//
//	what happened                         repeatable:          careful:
//	                                      GET, token, link     create, image, submit
//	nothing was written (dial, TLS        again                again
//	  handshake, DNS hiccup)
//	certificate invalid, host unknown     stop                 stop
//	connection lost, answer cut off or    again                stop: ErrOutcomeUnknown
//	  no progress, after bytes were
//	  written
//	context ended                         stop                 stop; ErrOutcomeUnknown
//	                                                             if bytes were written
//	408, 5xx but 501                      again, after         stop: ErrOutcomeUnknown
//	                                        Retry-After
//	2xx whose body cannot be used         stop                 stop: ErrOutcomeUnknown
//	429, and 409 with Retry-After         again, after         the same: it was refused
//	                                        Retry-After          before it ran
//	401 with code 4004                    once, at once,       the same
//	                                        clock corrected
//	401 without a code, and Date more     once, at once,       the same
//	  than 30 s off                         clock corrected
//	501, any other 4xx, a redirect        stop                 stop
//
// Three attempts in all, 500 ms and then twice as long between them, half of it
// random: [RetryPolicy]. A Retry-After above a minute, or a wait that the context
// would not survive, ends the call at once. [WithRepeatable] moves a careful call
// into the first column. Changing this table is not a breaking change.
//
// # Errors
//
// Answers of the service are [*APIError]; errors.Is tells the kinds apart by the
// sentinels ([ErrNotFound], [ErrConflict] …). [ErrOutcomeUnknown] means that a
// create, an upload or a submit may have happened: look before you call again, as
// [Client.EnsureAction] does by itself. Besides what the methods name, any call can
// end with an error of the network, of the context, or [ErrResponseTooLarge].
//
// Errors and log lines show no secret, token, link, query, body, or value that
// the call sent. What an [*APIError] says in the service's own words may name
// what the service knows of a person. Printed, a [Secret], an [AccessToken], a
// [WebSDKLink] and what holds one show nothing of it; models and params are plain
// structs that print what is in them.
//
// # Images
//
// An upload is read twice in each attempt, to sign and to send, and never held in
// memory, whatever its size: see [ImageSource]. [Client.OpenImage] streams. The
// time-out of both is one of silence, so that a slow line is no error.
//
// # Webhooks
//
// [WebhookVerifier] checks the digest over the raw bytes before it decodes them,
// within a size limit and with the algorithms you allow. Deliveries repeat and
// overtake one another: de-duplicate on [WebhookEvent.Key], and act on the type,
// not on ReviewStatus, which contradicts it in the vendor's own examples.
//
// # Testing your code
//
// Give [WithHTTPClient] a mock transport, or [WithBaseURL] a server on loopback;
// there [Signer.Verify] checks what your code sends, and [SignWebhook] signs what
// your receiver gets. The repository's examples/simulator is the whole API in one
// process, for any language, with faults on request.
//
// # Scaling out
//
// A [Client] and a [WebhookVerifier] are safe for concurrent use: make one of each
// and share it. Nothing is kept between calls but connections and the clock's
// offset, so any number of machines may work side by side; what they must agree
// on is the ExternalActionID of an action and the Key of an event.
//
// # Whose word it is
//
// Endpoints, parameters and answers are those of IDnGO's specification. Error
// codes, webhook digests, their delivery and most enumerations are the word of the
// API family that it comes from; where a comment here says "documents none",
// "inference" or names a contradiction, nobody's word was to be had. Unknown fields
// and values never cost an answer.
package idngo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-querystring/query"

	"github.com/idngo-go/idngo/internal/lenient"
	"github.com/idngo-go/idngo/internal/retry"
)

// Version is the version of this package. It is sent in User-Agent.
const Version = "0.1.0"

// DefaultBaseURL is the service's one documented host. Sandbox and production
// share it; the app token decides which of them answers.
const DefaultBaseURL = "https://api.idngo.kz"

// Client makes signed calls. It is safe for concurrent use, does not change
// after NewClient (but for the clock offset it may learn, see [WithClock]) and
// keeps connections open between calls: make one and share it. It prints no
// secret.
type Client struct {
	signer    *Signer
	base      string // scheme, host and path prefix, without a slash at the end
	http      *http.Client
	plain     bool // its transport is one of net/http
	userAgent string
	timeout   time.Duration
	policy    RetryPolicy
	limiter   RateLimiter
	logger    *slog.Logger
	clock     func() time.Time
	offset    atomic.Int64 // nanoseconds to add to clock for a timestamp
}

// NewClient makes a client. It returns [ErrInvalidArgument], naming what is
// wrong, for credentials that are empty or have spaces or line breaks around
// them, and for an option with a bad value. It does not ask the network.
func NewClient(creds Credentials, opts ...Option) (*Client, error) {
	return newClient(creds, "base URL", DefaultBaseURL, opts)
}

// NewClientFromEnv makes a client from the environment: IDNGO_APP_TOKEN,
// IDNGO_SECRET_KEY and, when it is set and not empty, IDNGO_BASE_URL. Options
// beat the environment. Errors are those of [NewClient] and name the variable.
func NewClientFromEnv(opts ...Option) (*Client, error) {
	creds := Credentials{AppToken: Secret(os.Getenv("IDNGO_APP_TOKEN")), SecretKey: Secret(os.Getenv("IDNGO_SECRET_KEY"))}
	if err := checkCredential("IDNGO_APP_TOKEN", creds.AppToken); err != nil {
		return nil, err
	}
	if err := checkCredential("IDNGO_SECRET_KEY", creds.SecretKey); err != nil {
		return nil, err
	}
	if base := os.Getenv("IDNGO_BASE_URL"); base != "" {
		return newClient(creds, "IDNGO_BASE_URL", base, opts)
	}
	return NewClient(creds, opts...)
}

// String names the type and the base URL.
func (c *Client) String() string { return "idngo.Client{" + c.base + "}" }

// GoString is String, for %#v.
func (c *Client) GoString() string { return c.String() }

// Format writes String for every verb and flag.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue is String.
func (c *Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Option is a setting of a client, for [NewClient]. A bad value makes NewClient
// fail with [ErrInvalidArgument].
type Option func(*Client) error

// WithBaseURL sets where the service is: https, or http on a loopback address
// only. A path prefix is kept, and signed. Default [DefaultBaseURL].
func WithBaseURL(url string) Option {
	return func(c *Client) (err error) {
		c.base, err = checkBaseURL("base URL", url)
		return err
	}
}

// WithHTTPClient sets the HTTP client: its transport, cookie jar and time-out.
// It is copied and never changed. The copy refuses redirects; without a
// Transport it gets the tuned one that the client has by default. A Timeout of
// its own bounds each attempt as a whole, that of an image too: leave it 0 where
// images are large, and use [WithTimeout].
func WithHTTPClient(hc *http.Client) Option {
	return func(c *Client) error {
		if hc == nil {
			return invalid("HTTP client", "is nil")
		}
		own := *hc
		c.http = &own
		return nil
	}
}

// WithUserAgent puts a product, for example "acme-bank/2.1", in front of
// "idngo-go/VERSION" in User-Agent.
func WithUserAgent(product string) Option {
	return func(c *Client) error {
		if strings.TrimSpace(product) != product || product == "" || !validHeaderValue(product) {
			return invalid("user agent", "is empty, has spaces around it or control characters in it")
		}
		c.userAgent = product + " idngo-go/" + Version
		return nil
	}
}

// WithTimeout bounds one attempt of a call, from dialling to the last byte of
// the answer; for the bytes of images it bounds one silence instead, so that a
// slow upload lives and a stalled one dies. What the caller does between two
// reads of a download is not silence. Default 30 seconds. The context bounds
// the call as a whole, waits included.
func WithTimeout(d time.Duration) Option {
	return func(c *Client) error {
		if d <= 0 {
			return invalid("timeout", "is not positive")
		}
		c.timeout = d
		return nil
	}
}

// WithRetryPolicy sets how often and after what delays a call is tried again.
// What is tried again is a matter of the table in the package documentation.
func WithRetryPolicy(p RetryPolicy) Option {
	return func(c *Client) error {
		if p.MaxAttempts < 0 || p.MinDelay < 0 || p.MaxDelay < 0 || p.MaxRetryAfter < 0 {
			return invalid("retry policy", "has a negative field")
		}
		if p.MaxAttempts == 0 {
			p.MaxAttempts = defaultPolicy.MaxAttempts
		}
		if p.MinDelay == 0 {
			p.MinDelay = defaultPolicy.MinDelay
			if p.MaxDelay > 0 {
				p.MinDelay = min(p.MinDelay, p.MaxDelay)
			}
		}
		if p.MaxDelay == 0 {
			p.MaxDelay = max(defaultPolicy.MaxDelay, p.MinDelay)
		}
		if p.MaxRetryAfter == 0 {
			p.MaxRetryAfter = defaultPolicy.MaxRetryAfter
		}
		if p.MinDelay > p.MaxDelay {
			return invalid("retry policy", "has a MinDelay above its MaxDelay")
		}
		c.policy = p
		return nil
	}
}

// RetryPolicy is how often and after what delays a call is tried again. Zero
// fields stand for the defaults.
type RetryPolicy struct {
	// MaxAttempts counts every attempt, the first and those after a wrong clock
	// too. Default 3; 1 means never again.
	MaxAttempts int
	// MinDelay is the first delay (default 500 ms). It doubles up to MaxDelay
	// (default 8 s); half of each delay is fixed and half random.
	MinDelay, MaxDelay time.Duration
	// MaxRetryAfter is the longest Retry-After that is waited for (default
	// 60 s). One above it ends the call at once.
	MaxRetryAfter time.Duration
}

// WithRateLimiter makes each attempt wait for l first. That wait is outside of
// [WithTimeout] and ends with the context.
func WithRateLimiter(l RateLimiter) Option {
	return func(c *Client) error {
		if l == nil {
			return invalid("rate limiter", "is nil")
		}
		c.limiter = l
		return nil
	}
}

// RateLimiter delays attempts. *rate.Limiter of golang.org/x/time/rate is one.
// The vendor's family allows 300 GET and 50 POST in 5 seconds; IDnGO publishes
// no figures.
type RateLimiter interface {
	// Wait blocks until an attempt may be made, or returns an error.
	Wait(ctx context.Context) error
}

// WithLogger logs a line for each attempt: operation, number, status, duration,
// error code and what follows; level Info for 2xx, Warn for the rest. A line
// holds no secret, token, query or body.
func WithLogger(l *slog.Logger) Option {
	return func(c *Client) error {
		if l == nil {
			return invalid("logger", "is nil")
		}
		c.logger = l
		return nil
	}
}

// WithClock sets the clock that requests are stamped with; default [time.Now].
// The service allows 60 seconds of difference. When it refuses a timestamp, the
// client takes the offset from the answer's Date and stamps with it from then
// on, until a later answer disagrees by more than 5 seconds: then that answer's
// Date counts. Nothing but the stamps follows the offset.
func WithClock(now func() time.Time) Option {
	return func(c *Client) error {
		if now == nil {
			return invalid("clock", "is nil")
		}
		c.clock = now
		return nil
	}
}

// RequestOption is a setting of one call.
type RequestOption func(*requestOptions) error

// WithResponse fills dst with the status, header, number of attempts and raw
// JSON body of the call, also when it fails. A failure without an answer leaves
// StatusCode 0; a call whose arguments are refused, with
// [ErrInvalidArgument], may leave dst as it was. Of an error body up to 64 KiB are kept. An image that
// is downloaded is not in Body.
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
	// StatusCode is the HTTP status, 0 when no answer came.
	StatusCode int
	// Header of the answer, nil when none came.
	Header http.Header
	// Attempts that were made.
	Attempts int
	// Body of the answer as it came, JSON or not.
	Body []byte
}

// WithHeader sets a header of the call. The signing headers and those that
// net/http makes itself (Host, Content-Length, Transfer-Encoding, Trailer) are
// refused; AddImage refuses Content-Type too, since it names the boundary.
func WithHeader(key, value string) RequestOption {
	return func(o *requestOptions) error {
		canonical := http.CanonicalHeaderKey(key)
		switch canonical {
		case headerToken, headerStamp, headerSignature, "Host", "Content-Length", "Transfer-Encoding", "Trailer":
			return invalid("header", "is one that the client sets itself")
		}
		if !validToken(key) || !validHeaderValue(value) {
			return invalid("header", "has a character that HTTP does not allow")
		}
		if canonical == "Idempotency-Key" || canonical == "X-Idempotency-Key" {
			// Under these names net/http would send a POST again by itself,
			// whatever has become of it. It knows them by their capitals.
			canonical = strings.ToLower(canonical)
		}
		if o.header == nil {
			o.header = make(http.Header)
		}
		o.header[canonical] = []string{value}
		return nil
	}
}

// WithRepeatable vouches that repeating this call is harmless: it is then tried
// again like a read. For CreateAction, AddImage, SubmitAction and Do;
// EnsureAction refuses it, and it means nothing to the others. What was once unknown stays unknown: if a later
// attempt fails, the error still matches [ErrOutcomeUnknown].
func WithRepeatable() RequestOption {
	return func(o *requestOptions) error {
		o.repeatable = true
		return nil
	}
}

// Do makes a signed call of any endpoint of the vendor. path begins with a
// slash and is sent as it is: what is not escaped as a URL path is, such as a
// space, is refused. query is sent sorted, with a space as %20; body is nil, a
// []byte that is sent as it is, or a value for encoding/json; out is nil, a
// *[]byte, or a value to decode the answer into.
// GET and HEAD are repeatable, the rest is careful (see [WithRepeatable]).
// Errors: [ErrInvalidArgument], [*APIError], [ErrOutcomeUnknown].
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, body, out any, opts ...RequestOption) error {
	if !validToken(method) {
		return invalid("method", "is not an HTTP method")
	}
	if !strings.HasPrefix(path, "/") {
		return invalid("path", "does not begin with a slash")
	}
	if strings.ContainsAny(path, "?#") {
		return invalid("path", "has a query or a fragment in it")
	}
	// What is not quite escaped, net/url would escape anew, %2F as a slash.
	if plain, err := url.PathUnescape(path); err != nil || (&url.URL{Path: plain, RawPath: path}).EscapedPath() != path {
		return invalid("path", "is not escaped as a URL path is")
	}
	cl := &call{operation: opDo, method: method, path: path, query: spaced(query.Encode()), careful: method != http.MethodGet && method != http.MethodHead}
	for segment := range strings.SplitSeq(path, "/") {
		text, _ := url.PathUnescape(segment)
		if text == "." || text == ".." {
			return invalid("path", "has a dot segment")
		}
		cl.ids = append(cl.ids, text)
	}
	switch body := body.(type) {
	case nil:
	case []byte:
		cl.body = body
	case io.Reader:
		return invalid("body", "is a reader: pass its bytes")
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			return invalid("body", "cannot be encoded as JSON")
		}
		cl.body = encoded
	}
	if v := reflect.ValueOf(out); out != nil && (v.Kind() != reflect.Pointer || v.IsNil()) {
		return invalid("out", "is neither nil nor a pointer to decode into")
	}
	return c.call(ctx, cl, out, opts)
}

// OperationFromContext names the endpoint of the call that a request belongs
// to, from the request's context: CreateAction, CreateWebSDKLink, AddImage,
// SubmitAction, GetAction, ListActions, OpenImage, CreateAccessToken or Do. It
// is for RoundTrippers that trace or count, which must not use the URL: it
// holds ids. Empty for a context that is not of this package.
func OperationFromContext(ctx context.Context) string {
	if op, ok := ctx.Value(operationKey{}).(*string); ok {
		return *op
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
	opDo                = "Do"

	defaultTimeout = 30 * time.Second
	maxJSONBody    = 10 << 20
	maxErrorBody   = 64 << 10
	// maxDrain and drainTime bound what is read off an answer that nobody wants
	// any more, so that its connection can be used again.
	maxDrain  = 256 << 10
	drainTime = time.Second

	// A Date that differs by less than this is no clock error: Date has whole
	// seconds, and the answer has travelled.
	leastSkew = 5 * time.Second
	// Without the service's word for it, a 401 is blamed on the clock from here.
	plainSkew = 30 * time.Second
	// A Date of an answer that took longer says too little.
	longestRoundTrip = 10 * time.Second
)

var defaultPolicy = RetryPolicy{MaxAttempts: 3, MinDelay: 500 * time.Millisecond, MaxDelay: 8 * time.Second, MaxRetryAfter: time.Minute}

type operationKey struct{}

type requestOptions struct {
	response   *Response
	header     http.Header
	repeatable bool
}

// call is one call of the API, before and across its attempts.
type call struct {
	operation string
	method    string
	path      string // escaped, below the base URL
	query     string // escaped
	body      []byte // JSON; nil for none
	upload    *upload
	stream    bool // the answer's body is handed out unread
	careful   bool // it changes something: see the table of the package doc
	bodyless  bool // a 2xx without a body is fine
	usable    func() bool
	ids       []string // in the path: not to be shown in an error
	opts      requestOptions
}

// answer is a 2xx. For a streamed call body is nil and content holds it.
type answer struct {
	res     *http.Response
	body    []byte
	content *imageBody
}

// failure is an attempt that did not succeed.
type failure struct {
	retry.Failure
	err        error          // for Answered nil: api holds it
	notMade    bool           // the attempt was given up before it began
	req        *http.Request  // of a Lost one: what its error must not show
	api        *APIError      // for Answered
	res        *http.Response // if there was an answer, its body read and closed
	body       []byte         // of an error answer, at most 64 KiB
	retryAfter time.Duration
}

// newClient takes the base URL that holds unless an option sets another, and
// how to call it in an error.
func newClient(creds Credentials, baseName, base string, opts []Option) (*Client, error) {
	signer, err := NewSigner(creds)
	if err != nil {
		return nil, err
	}
	c := &Client{
		signer:    signer,
		userAgent: "idngo-go/" + Version,
		timeout:   defaultTimeout,
		policy:    defaultPolicy,
		clock:     time.Now,
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, invalid("option", "is nil")
		}
		if err := opt(c); err != nil {
			return nil, err
		}
	}
	if c.base == "" {
		if c.base, err = checkBaseURL(baseName, base); err != nil {
			return nil, err
		}
	}
	if c.http == nil {
		c.http = &http.Client{}
	}
	if c.http.Transport == nil {
		c.http.Transport = newTransport()
	}
	_, c.plain = c.http.Transport.(*http.Transport)
	// Following a redirect would hand the signing headers to the host it names.
	// keepRedirect alone would keep http.Client from it; this is the second guard.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http.Transport = keepRedirect{c.http.Transport}
	return c, nil
}

// call makes a call and decodes its answer into out: nil, *[]byte, or a value
// for encoding/json.
func (c *Client) call(ctx context.Context, cl *call, out any, opts []RequestOption) error {
	ans, attempts, err := c.send(ctx, cl, opts)
	if err != nil {
		return err
	}
	problem := ""
	switch _, raw := out.(*[]byte); {
	case out == nil || raw:
		if raw {
			*out.(*[]byte) = ans.body
		}
		return nil
	case len(bytes.TrimSpace(ans.body)) == 0:
		if cl.bodyless {
			return nil
		}
		problem = "it has no body"
	default:
		if problem = decode(ans.body, out); problem == "" && cl.usable != nil && !cl.usable() {
			problem = "what it is asked for is missing"
		}
	}
	if problem == "" {
		return nil
	}
	return &callError{
		operation: cl.operation, attempts: attempts, outcomeUnknown: cl.careful, transient: true,
		text: fmt.Sprintf("the answer %d cannot be used: %s", ans.res.StatusCode, problem),
	}
}

// send makes attempts until one is answered with 2xx, or until the table says
// to stop.
func (c *Client) send(ctx context.Context, cl *call, opts []RequestOption) (answer, int, error) {
	if err := cl.prepare(ctx, opts); err != nil {
		return answer{}, 0, err
	}
	if cl.opts.response != nil {
		*cl.opts.response = Response{}
	}
	ctx = context.WithValue(ctx, operationKey{}, &cl.operation)
	unknown, clockTried, waits := false, false, 0
	var last *failure
	for n := 1; ; n++ {
		ans, f := c.attempt(ctx, cl, n)
		switch {
		case f != nil && f.notMade && last == nil:
			return answer{}, 0, c.failed(cl, f, 0, false, nil)
		case f != nil && f.notMade:
			return answer{}, n - 1, c.failed(cl, last, n-1, unknown, f.err)
		}
		cl.report(ans, f, n)
		last = f
		if f == nil {
			return ans, n, nil
		}
		unknown = unknown || cl.careful && retry.OutcomeUnknown(f.Failure)
		delay, reason, again := c.next(ctx, cl, f, n, waits, clockTried)
		if !again {
			return answer{}, n, c.failed(cl, f, n, unknown, reason)
		}
		if f.ClockWrong {
			clockTried = true
			continue
		}
		waits++
		if err := wait(ctx, delay); err != nil {
			return answer{}, n, c.failed(cl, f, n, unknown, err)
		}
	}
}

// prepare applies the options of a call and checks its context.
func (cl *call) prepare(ctx context.Context, opts []RequestOption) error {
	for _, opt := range opts {
		if opt == nil {
			return invalid("request option", "is nil")
		}
		if err := opt(&cl.opts); err != nil {
			return err
		}
	}
	if ctx == nil {
		return invalid("context", "is nil")
	}
	return nil
}

// sameHeader is a RequestOption for a lookup that completes the call: of what
// the caller has set, only the header is the lookup's too, and of that nothing
// about a body.
func (cl *call) sameHeader(o *requestOptions) error {
	o.header = cl.opts.header.Clone()
	o.header.Del("Content-Type")
	return nil
}

// next says whether another attempt follows a failure, and after what delay. If
// the context would end first, reason says so.
func (c *Client) next(ctx context.Context, cl *call, f *failure, n, waits int, clockTried bool) (delay time.Duration, reason error, again bool) {
	verdict := retry.Decide(f.Failure, !cl.careful || cl.opts.repeatable)
	switch {
	case verdict == retry.Stop, n >= c.policy.MaxAttempts:
		return 0, nil, false
	case verdict == retry.AgainAtOnce:
		return 0, nil, !clockTried
	case f.HasRetryAfter:
		if delay = f.retryAfter; delay > c.policy.MaxRetryAfter {
			return 0, nil, false
		}
	default:
		delay = retry.Delay(waits, c.policy.MinDelay, c.policy.MaxDelay, rand.Float64()) //nolint:gosec // spreads retries, guards nothing
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
		return 0, context.DeadlineExceeded, false
	}
	return delay, nil, true
}

// attempt builds, stamps, signs and sends the call once, and reads the answer.
func (c *Client) attempt(ctx context.Context, cl *call, n int) (ans answer, f *failure) {
	if ctx.Err() != nil {
		return ans, &failure{Failure: retry.Failure{Kind: retry.Ended}, err: ended(ctx), notMade: true}
	}
	if c.limiter != nil {
		if err := c.limiter.Wait(ctx); err != nil {
			if ctx.Err() != nil {
				err = errors.Join(ended(ctx), err)
			}
			return ans, &failure{Failure: retry.Failure{Kind: retry.Local}, err: fmt.Errorf("rate limiter: %w", err), notMade: true}
		}
	}
	begun := time.Now()
	defer func() {
		// A callback of the caller's may have panicked; then there is neither.
		if ans.res != nil || f != nil {
			c.log(ctx, cl, n, ans, f, time.Since(begun))
		}
	}()

	state := new(attemptState)
	dog := &state.watchdog
	dog.watch(ctx, c.timeout)
	keep := false // the watchdog goes on with a streamed body
	defer func() {
		if !keep {
			dog.stop()
		}
	}()
	attemptCtx := dog.ctx
	if cl.careful { // whether anything was written matters to no other
		attemptCtx = httptrace.WithClientTrace(attemptCtx, state.hooks(c.plain))
	}
	req, err := c.newRequest(attemptCtx, cl)
	if err != nil {
		return ans, &failure{Failure: retry.Failure{Kind: retry.Local}, err: err}
	}
	var up *sending
	if cl.upload != nil {
		up = cl.upload.start(ctx, dog, n)
		defer up.end()
		if err := up.sign(c.signer, req, c.now()); err != nil {
			return ans, local(ctx, err)
		}
		dog.resume()
	} else {
		c.signer.signBytes(req, c.now(), cl.body)
	}
	if ctx.Err() != nil { // during a wait or the hashing: still nothing was written
		return ans, local(ctx, nil)
	}
	signed := time.Now()
	res, err := c.http.Do(req)
	if up != nil {
		if source := up.sourceError(); source != nil {
			if err == nil {
				discard(res.Body, dog)
			}
			return ans, local(ctx, source)
		}
	}
	if err != nil {
		return ans, lost(ctx, dog, req, err, state.written())
	}
	showLocation(res)
	if res.StatusCode != http.StatusUnauthorized && c.offset.Load() != 0 {
		c.setOffset(ctx, c.readDate(res, signed)) // it may have healed
	}
	if cl.stream && res.StatusCode/100 == 2 {
		content, f := c.newImageBody(ctx, cl, req, res, dog)
		if f != nil {
			return ans, f
		}
		keep = true
		return answer{res: res, content: content}, nil
	}
	if res.StatusCode/100 == 2 {
		size := res.ContentLength
		if cl.method == http.MethodHead {
			size = 0 // it is of a body that does not come
		}
		body, err := readBody(res.Body, size, maxJSONBody)
		if err == nil {
			_ = res.Body.Close()
			return answer{res: res, body: body}, nil
		}
		discard(res.Body, dog)
		if errors.Is(err, ErrResponseTooLarge) {
			return ans, &failure{Failure: retry.Failure{Kind: retry.Unusable}, res: res, err: fmt.Errorf("the answer %d cannot be used: %w", res.StatusCode, err)}
		}
		f := lost(ctx, dog, req, err, true)
		f.res = res
		return ans, f
	}
	return ans, c.refused(ctx, cl, req, res, dog, c.readDate(res, signed))
}

// newRequest builds the request of one attempt, unsigned.
func (c *Client) newRequest(ctx context.Context, cl *call) (*http.Request, error) {
	target := c.base + cl.path
	if cl.query != "" {
		target += "?" + cl.query
	}
	var body io.Reader
	if cl.body != nil {
		body = bytes.NewReader(cl.body)
	}
	req, err := http.NewRequestWithContext(ctx, cl.method, target, body)
	if err != nil {
		return nil, invalid("path", "is not escaped as a URL path is") // err would show it
	}
	header := make(http.Header, 8)
	values := [...]string{c.userAgent, "application/json", "application/json"}
	header["User-Agent"] = values[0:1:1]
	if !cl.stream {
		header["Accept"] = values[1:2:2]
	}
	if cl.body != nil || cl.method == http.MethodPost {
		header["Content-Type"] = values[2:3:3]
	}
	for key, values := range cl.opts.header {
		header[key] = slices.Clone(values)
	}
	req.Header = header
	return req, nil
}

// refused makes the failure of an answer other than 2xx.
func (c *Client) refused(ctx context.Context, cl *call, req *http.Request, res *http.Response, dog *watchdog, date clockReading) *failure {
	var body []byte
	if res.StatusCode < 200 {
		_ = res.Body.Close() // 101: it is the bare connection, which no context ends
	} else {
		body, _ = readBody(io.LimitReader(res.Body, maxErrorBody), min(res.ContentLength, maxErrorBody), maxErrorBody)
		discard(res.Body, dog)
	}
	api := &APIError{Operation: cl.operation, StatusCode: res.StatusCode}
	api.parseErrorBody(body)
	api.RetryAfter, api.hasRetryAfter = retry.After(res.Header, c.clock())
	if location := res.Header.Get(headerLocation); location != "" && res.StatusCode/100 == 3 {
		api.redirectHost = "an address that cannot be read"
		if to, err := req.URL.Parse(location); err == nil {
			api.redirectHost = to.Host
		}
	}
	if cl.upload != nil && api.Code == CodeSignatureMismatch {
		api.imageChanged = cl.upload.changed(c.signer, req)
	}
	api.makeSafe(func(s string) string { return c.redact(cl, req, s) })
	clockWrong := res.StatusCode == http.StatusUnauthorized &&
		(api.Code == CodeTimestampExpired || api.Code == 0 && date.wrong.Abs() > plainSkew)
	if clockWrong || res.StatusCode == http.StatusUnauthorized && c.offset.Load() != 0 {
		c.setOffset(ctx, date)
	}
	return &failure{
		Failure: retry.Failure{
			Kind: retry.Answered, Status: res.StatusCode, HasRetryAfter: api.hasRetryAfter, ClockWrong: clockWrong,
		},
		api: api, res: res, body: body, retryAfter: api.RetryAfter,
	}
}

// failed makes the error of a call from its last failure. reason is what kept
// another attempt from being made, if the policy did not.
func (c *Client) failed(cl *call, f *failure, attempts int, unknown bool, reason error) error {
	if f.api != nil {
		f.api.Attempts, f.api.outcomeUnknown, f.api.cause = attempts, unknown, reason
		return f.api
	}
	e := &callError{
		operation: cl.operation, attempts: attempts, outcomeUnknown: unknown,
		text: oneLine(quoted.ReplaceAllString(c.redact(cl, f.req, f.err.Error()), `"…"`)), // a value may hold quotes
		errs: []error{f.err},
	}
	switch f.Kind {
	case retry.NotSent, retry.Lost, retry.Unusable:
		e.transient = true
	}
	if reason != nil {
		e.text += ": " + reason.Error()
		e.errs = append(e.errs, reason)
	}
	return e
}

// quoted is what standard-library errors quote: headers, status lines and
// addresses that the other side has sent.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// redact replaces in text every value that the call sends, as it is and as it
// is escaped in URLs and JSON. req adds its signing headers and may be nil.
func (c *Client) redact(cl *call, req *http.Request, text string) string {
	values := slices.Clone(cl.ids)
	values = append(values, c.signer.state.token, string(c.signer.state.key))
	if params, err := url.ParseQuery(cl.query); err == nil {
		for _, v := range params {
			values = append(values, v...)
		}
	}
	for _, v := range cl.opts.header {
		values = append(values, v...)
	}
	if req != nil {
		values = append(values, req.Header.Get(headerSignature), req.Header.Get(headerStamp))
	}
	values = append(values, leaves(cl.body)...)
	if cl.upload != nil {
		values = append(values, cl.upload.sent()...)
	}
	return replaceAll(text, values)
}

// leaves are the strings and numbers of a JSON text, and the text itself when
// it is not JSON.
func leaves(body []byte) (values []string) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var root any
	if len(body) == 0 {
		return nil
	}
	if decoder.Decode(&root) != nil {
		return []string{string(body)}
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			values = append(values, v)
		case json.Number:
			values = append(values, v.String())
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(root)
	return values
}

// replaceAll replaces each value of four characters or more, and what URLs,
// JSON, HTML and %q make of it, by [redacted]; the longest first, since one may hold
// another.
func replaceAll(text string, values []string) string {
	const shortest = 4
	var forms []string
	for _, v := range values {
		if len([]rune(v)) < shortest {
			continue
		}
		inJSON, _ := json.Marshal(v)
		inGo := strconv.Quote(v)
		inHTML := html.EscapeString(v)
		forms = append(forms, v, url.PathEscape(v), url.QueryEscape(v), spaced(url.QueryEscape(v)),
			inHTML, strings.ReplaceAll(inHTML, "&#34;", "&quot;"),
			strings.Trim(string(inJSON), `"`), strings.Trim(inGo, `"`))
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, redacted)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// report fills the caller's Response.
func (cl *call) report(ans answer, f *failure, attempts int) {
	dst := cl.opts.response
	if dst == nil {
		return
	}
	*dst = Response{Attempts: attempts}
	var res *http.Response
	if f != nil {
		res, dst.Body = f.res, f.body
	} else {
		res, dst.Body = ans.res, ans.body
	}
	if res != nil {
		dst.StatusCode, dst.Header = res.StatusCode, res.Header
	}
}

// log writes the one line of an attempt.
func (c *Client) log(ctx context.Context, cl *call, n int, ans answer, f *failure, took time.Duration) {
	if c.logger == nil {
		return
	}
	attrs := []slog.Attr{slog.String("operation", cl.operation), slog.Int("attempt", n), slog.Duration("duration", took)}
	level := slog.LevelInfo
	switch {
	case f == nil:
		attrs = append(attrs, slog.Int("status", ans.res.StatusCode))
	case f.api != nil:
		level = slog.LevelWarn
		attrs = append(attrs, slog.Int("status", f.api.StatusCode), slog.Int("code", int(f.api.Code)),
			slog.String("correlation_id", f.api.safeID))
	default:
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("error", c.failed(cl, f, 1, false, nil).Error()))
	}
	c.logger.LogAttrs(ctx, level, "idngo: attempt", attrs...)
}

// now is the clock that requests are stamped with.
func (c *Client) now() time.Time { return c.clock().Add(time.Duration(c.offset.Load())) }

// clockReading is what the Date of an answer says of our clock. It is zero
// where the Date cannot be trusted.
type clockReading struct {
	offset time.Duration // from the clock without correction to the service's
	wrong  time.Duration // from the clock in use to the service's
}

func (c *Client) readDate(res *http.Response, signed time.Time) (r clockReading) {
	if res.Header.Get("Age") != "" || time.Since(signed) > longestRoundTrip {
		return r
	}
	date, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return r
	}
	r.offset = date.Sub(c.clock())
	r.wrong = r.offset - time.Duration(c.offset.Load())
	return r
}

// setOffset takes over what a Date has shown, if it is more than its whole
// seconds and its travel explain.
func (c *Client) setOffset(ctx context.Context, r clockReading) {
	if r.wrong.Abs() <= leastSkew {
		return
	}
	if r.offset.Abs() <= leastSkew {
		r.offset = 0 // the clock is right again
	}
	old := time.Duration(c.offset.Swap(int64(r.offset)))
	if c.logger != nil && (old-r.offset).Abs() > leastSkew {
		c.logger.LogAttrs(ctx, slog.LevelWarn, "idngo: clock differs from the service's, timestamps are corrected",
			slog.Duration("offset", r.offset.Round(time.Second)))
	}
}

// attemptState is what other goroutines tell of an attempt.
type attemptState struct {
	connTrace
	watchdog
}

// connTrace knows whether a request was given a connection. From then on bytes
// may have been written. net/http asks for a second connection only when it is
// sure that the first has carried nothing; another RoundTripper may do so to try
// again.
type connTrace struct {
	asked, got atomic.Bool
}

func (t *connTrace) hooks(plain bool) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			t.asked.Store(true)
			if plain {
				t.got.Store(false)
			}
		},
		GotConn: func(httptrace.GotConnInfo) { t.got.Store(true) },
	}
}

// written reports whether bytes of the request may have been written. A
// RoundTripper that reports nothing counts as having written.
func (t *connTrace) written() bool {
	return !t.asked.Load() || t.got.Load()
}

// keepRedirect hides the address of a redirect from http.Client, which throws
// an answer away whose Location it cannot read. showLocation puts it back.
type keepRedirect struct{ http.RoundTripper }

func (t keepRedirect) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.RoundTripper.RoundTrip(req)
	if res != nil && res.StatusCode/100 == 3 && len(res.Header[headerLocation]) > 0 {
		hidden := *res
		hidden.Header = res.Header.Clone()
		hidden.Header[hiddenLocation] = hidden.Header[headerLocation]
		delete(hidden.Header, headerLocation)
		res = &hidden
	}
	return res, err
}

func showLocation(res *http.Response) {
	if location, ok := res.Header[hiddenLocation]; ok {
		delete(res.Header, hiddenLocation)
		res.Header[headerLocation] = location
	}
}

const (
	headerLocation = "Location"
	hiddenLocation = "idngo: location" // no server can send this name
)

// watchdog ends an attempt after a time without progress. It is a context with
// a time-out that can be started again.
type watchdog struct {
	ctx    context.Context
	cancel context.CancelFunc
	timer  *time.Timer
	limit  time.Duration
	fired  atomic.Bool
}

func (dog *watchdog) watch(ctx context.Context, limit time.Duration) {
	dog.limit = limit
	dog.ctx, dog.cancel = context.WithCancel(ctx)
	dog.timer = time.AfterFunc(limit, dog.expire)
}

func (dog *watchdog) expire() {
	dog.fired.Store(true)
	dog.cancel()
}

func (dog *watchdog) pause()  { dog.timer.Stop() }
func (dog *watchdog) resume() { dog.timer.Reset(dog.limit) }

func (dog *watchdog) stop() {
	dog.timer.Stop()
	dog.cancel()
}

// timeoutError: an attempt was given up. It is no context's error, but matches
// context.DeadlineExceeded as those of net/http do.
type timeoutError time.Duration

func (e timeoutError) Error() string   { return "no answer in " + time.Duration(e).String() }
func (e timeoutError) Timeout() bool   { return true }
func (e timeoutError) Is(t error) bool { return t == context.DeadlineExceeded }

// lost makes the failure of an attempt whose answer did not come, or not whole.
func lost(ctx context.Context, dog *watchdog, req *http.Request, err error, written bool) *failure {
	for {
		// A url.Error shows the whole URL, query included.
		var withURL *url.Error
		if !errors.As(err, &withURL) {
			break
		}
		err = withURL.Err
	}
	f := &failure{Failure: retry.Failure{Written: written}, req: req, err: err}
	switch {
	case ctx.Err() != nil:
		f.Kind, f.err = retry.Ended, ended(ctx)
	case dog.fired.Load():
		f.err = timeoutError(dog.limit)
		if f.Kind = retry.NotSent; written {
			f.Kind = retry.Lost
		}
	default:
		f.Kind = retry.Classify(err, written)
	}
	return f
}

// local makes the failure of an attempt that this side gave up.
func local(ctx context.Context, err error) *failure {
	if ctx.Err() != nil {
		return &failure{Failure: retry.Failure{Kind: retry.Ended}, err: ended(ctx)}
	}
	return &failure{Failure: retry.Failure{Kind: retry.Local}, err: err}
}

// ended is the error of a context that has ended, and its cause.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// outlast waits, unless the context would end first.
func outlast(ctx context.Context, d time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return context.DeadlineExceeded
	}
	return wait(ctx, d)
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// readBody reads a body of size bytes (-1: unknown), most at the most.
func readBody(r io.Reader, size, most int64) ([]byte, error) {
	if size > most {
		return nil, ErrResponseTooLarge
	}
	// What a header announces is believed up to 1 MiB, and one byte more is made
	// room for, so that the end shows without growing.
	const least, unannounced, believed = 512, 4 << 10, 1 << 20
	if size < 0 || size > believed { // chunked or gzip, mostly
		size = unannounced
	}
	buf := make([]byte, 0, max(size+1, least))
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, len(buf)) // append alone would grow by a quarter
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > most:
			return nil, ErrResponseTooLarge
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, err
		}
	}
}

// discard reads off what an answer still holds, within bounds, and closes it.
func discard(body io.ReadCloser, dog *watchdog) {
	timer := time.AfterFunc(drainTime, dog.cancel)
	_, _ = io.CopyN(io.Discard, body, maxDrain)
	timer.Stop()
	_ = body.Close()
}

// decode decodes a JSON answer into out and says what is wrong with it, without
// the words of encoding/json: they may hold a piece of the answer.
func decode(data []byte, out any) (problem string) {
	var err error
	switch out := out.(type) {
	case *Action:
		err = decodeAction(data, out)
	case *ActionPage:
		err = decodeActionPage(data, out)
	case *Image:
		err = decodeImage(data, out)
	case *WebSDKLink, *tokenAnswer:
		// One odd member must not cost the rest; what is needed, usable knows.
		_, err = lenient.Decode[struct{}](data, out)
	default:
		err = json.Unmarshal(data, out)
	}
	if err == nil {
		return ""
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("it is not JSON (at byte %d)", syntax.Offset)
	}
	return "it is not of the expected shape"
}

func newTransport() *http.Transport {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok { // somebody has replaced it
		t = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second}
	}
	t = t.Clone()
	// The default keeps two connections to a host: a busy backend would open a
	// new one for nearly every call.
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 512, 512
	return t
}

// checkBaseURL checks a base URL and takes the slashes off its end. Its text is
// not for errors: it may hold a password.
func checkBaseURL(name, text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", invalid(name, "is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return "", invalid(name, "is neither https nor http")
	case u.Host == "" || u.Hostname() == "":
		return "", invalid(name, "has no host")
	case u.User != nil:
		return "", invalid(name, "has user info in it")
	case u.RawQuery != "" || u.ForceQuery:
		return "", invalid(name, "has a query")
	case u.Fragment != "" || strings.Contains(text, "#"):
		return "", invalid(name, "has a fragment")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "", invalid(name, "is http: off loopback it must be https")
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return "", invalid(name, "has a dot segment")
		}
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// encodeQuery encodes a struct with url tags, all of plain types.
func encodeQuery(params any) string {
	values, err := query.Values(params)
	if err != nil {
		panic(err) // not a struct
	}
	return spaced(values.Encode())
}

// spaced writes a space of an encoded query as %20, which every server reads as
// a space. A plus sign itself is %2B there.
func spaced(encoded string) string { return strings.ReplaceAll(encoded, "+", "%20") }

// checkID refuses what cannot be one segment of a path.
func checkID(name, id string) error {
	switch id {
	case "":
		return invalid(name, "is empty")
	case ".", "..":
		return invalid(name, "is a dot segment")
	}
	return nil
}

func required(name, value string) error {
	if value == "" {
		return invalid(name, "is empty")
	}
	return nil
}

func wholeSeconds(ttl time.Duration) (int64, error) {
	switch {
	case ttl < 0:
		return 0, invalid("TTL", "is negative")
	case ttl > 0 && ttl < time.Second:
		return 0, invalid("TTL", "is below a second")
	case ttl%time.Second != 0:
		return 0, invalid("TTL", "is not a whole number of seconds")
	}
	return int64(ttl / time.Second), nil
}

// validToken reports whether s is a token of RFC 9110: a method, a header name.
func validToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func validHeaderValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
