package simulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The defaults of a simulator. All of them are made up.
const (
	DefaultAppToken      = "sbx:QmFzaWxUaHltZTA3.c2FuZGJveC1vbmx5LW5vdC1hLXNlY3JldA"
	DefaultSecretKey     = "simulatorSecretKey0123456789abcdef"
	DefaultWebhookSecret = "simulatorWebhookSecret0123456789ab"

	// DefaultApplicantID is an approved applicant that every simulator has, and
	// DefaultExternalUserID what the integrator calls it.
	DefaultApplicantID    = "63e096c51b6b4030f2e01154"
	DefaultExternalUserID = "JamesBond007"

	// Levels that every simulator has, one for each kind of action.
	LevelFaceAuth      = "action-liveness"
	LevelQuestionnaire = "questionnaire-level"
	LevelEmail         = "email-level"

	// DefaultReviewDelay is the time from submit to completed.
	DefaultReviewDelay = 300 * time.Millisecond

	// NoReviewDelay is a delay of nothing: submit answers with the status pending,
	// and every later request sees the verdict.
	NoReviewDelay time.Duration = math.MinInt64
)

// Kinds of actions for [Server.AddLevel]. The specification shows only
// selfieAuth in an answer, so that a questionnaire or an e-mail action has no
// "type" on the wire. Any other text is sent as it is.
const (
	ActionFaceAuth      = "selfieAuth"
	ActionQuestionnaire = "questionnaire"
	ActionEmail         = "email"
	ActionPaymentMethod = "paymentMethod"
)

// Config configures a simulator. The zero Config is useful.
type Config struct {
	AppToken, SecretKey string // defaults: DefaultAppToken, DefaultSecretKey

	Outcome      Outcome       // verdict of the reviews; default GREEN
	ReviewDelay  time.Duration // from submit to completed; 0: DefaultReviewDelay; NoReviewDelay: none; other negative ones: within submit
	ManualReview bool          // only people decide, as in the vendor's sandbox: see Server.Review and the page

	// Clock is the server's clock: for the 60 s window, the Date header, every
	// createdAt, and the end of links and tokens. Default time.Now. Delays do not
	// follow it.
	Clock func() time.Time

	KnownOnly bool // refuse applicants, users and levels that were not added
	AnyLevel  bool // with KnownOnly: accept unknown levels nonetheless

	NoDefaults bool // without the default applicant and levels

	// Strict refuses what the specification's own curl examples send: a request
	// whose Accept does not name application/json, and a POST without a
	// Content-Type. The vendor's FAQ asks for both headers.
	Strict bool

	PathPrefix string // "/idngo": what every path begins with; it is part of what is signed

	// Remote allows addresses off loopback for Start and Serve. It allows webhooks to
	// private addresses and to names without a dot, as in a network of containers.
	// The control API then accepts more values of Host, see the package comment.
	Remote       bool
	AllowedHosts []string // further values of Host, without a port, for control API and console

	WebhookURL        string            // http or https, loopback unless Remote; "": no deliveries
	WebhookHandler    http.Handler      // gets the deliveries in memory, instead of WebhookURL
	WebhookSecret     string            // default DefaultWebhookSecret
	WebhookAlgorithm  string            // HMAC_SHA256_HEX (default), HMAC_SHA512_HEX, HMAC_SHA1_HEX
	WebhookTimeScale  float64           // what the schedule 30 s, 30 s, 1 min, 5 min is multiplied by; 0 is 1
	WebhookDuplicates int               // how many more times each event is delivered, though it was accepted
	WebhookShuffle    bool              // what follows an applicantActionPending overtakes it; copies come at any time
	WebhookTransport  http.RoundTripper // default: a transport of its own that dials only where webhooks may go

	Faults *Faults // what goes wrong on purpose; nil: nothing
	Quirks Quirks  // documented oddities of the wire
	Limits Limits

	// OnRequest is called once for every request, when its answer is known and
	// before any of it is sent, by several goroutines at once.
	OnRequest func(Request)

	// OnDelivery is called once for every attempt to deliver a webhook, when it
	// is over and counted and before what follows it, by several goroutines at
	// once.
	OnDelivery func(Delivery)
}

// Quirks are oddities that services of this kind are known for. Each is off by default.
type Quirks struct {
	BareList               bool // {"items","totalItems"} without the "list" around it
	ListWithoutExternalIDs bool // list items lack externalActionId
	EmptyAnswers           bool // create and submit answer 200 without a body
	OKAnswers              bool // create and submit answer {"ok":1}
	StringImageIDs         bool // imageId and resizedImageId are strings
	RootReviewResult       bool // reviewResult stands at the root of an action, not in its review
	ConflictOnDuplicate    bool // a second action of one applicant with the same externalActionId is 409

	WireQuirks // one for each assumption of the client, in quirks.go
}

// Limits bound the memory of a simulator. Zero fields: the defaults.
type Limits struct {
	Actions         int   // 20,000; a create above it is 400
	ImagesPerAction int   // 200; an upload above it is 400, code 1001
	ActionMemory    int64 // 64 MiB of JSON bodies that actions keep; a create above it is 400
	ImageMemory     int64 // 128 MiB; of an image above it only size and hashes are kept, and opening it is 410
	RequestBody     int64 // 1 GiB, which is read and hashed, not kept; above: 413 and the connection is closed
}

// Limits that are fixed.
const (
	// MaxImageSize is the largest image: 64 MB by the vendor's error table.
	MaxImageSize = 64 << 20

	maxJSONBody = 1 << 20  // above: 413
	maxTarget   = 16 << 10 // bytes of a request URI; above: 414
	maxName     = 4 << 10  // bytes of an id, an external id, the name of a level, a parameter; above: 400

	maxTickets     = 10_000  // access tokens, and links; the oldest go
	maxTicketBytes = 8 << 20 // bytes of the tokens, and of the links
	maxLevels      = 10_000
	levelMemory    = 4 << 20 // bytes of all levels

	maxApplicants   = 100_000  // of those that nobody has added, the oldest without an action go
	applicantMemory = 64 << 20 // bytes of all applicants
)

// Server is a simulator. It is an [http.Handler], and with [Server.Start] a
// whole server.
type Server struct {
	cfg     Config
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	tasks   sync.WaitGroup // the tasks that Close waits for
	conns   sync.WaitGroup // connections of the simulator's own listeners, which Close waits for too
	clock   atomic.Pointer[func() time.Time]
	courier *courier // delivers webhooks
	faults  faultSource
	stats   statsBook
	journal *journal
	images  memoryBudget
	memory  *memoryNetwork
	streams atomic.Int32  // consoles that are open
	ended   chan struct{} // closed at the end of Close

	mu             sync.Mutex // guards the fields below
	closed         bool
	inMemory       bool // memory is being served
	listeners      []*http.Server
	baseURL        string
	outcome        Outcome
	applicants     map[string]*applicant // by applicant id
	users          map[string]*applicant // by external user id
	guests         []*applicant          // those that nobody has added, oldest first
	applicantBytes int64
	levels         map[string]string // name to kind of action
	levelBytes     int
	actions        map[string]*action
	created        []*action // in order of creation
	actionBytes    int64
	tokens         *ticketBox
	links          *ticketBox
	ids            idMaker
}

// New makes a simulator with [DefaultApplicantID] and the three default levels. It starts
// no goroutine before the first request.
func New(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	s := &Server{
		cfg:     cfg,
		journal: newJournal(),
		images:  memoryBudget{limit: cfg.Limits.ImageMemory},
		memory:  newMemoryNetwork(),
		ended:   make(chan struct{}),
	}
	s.clock.Store(&cfg.Clock)
	s.courier = newCourier(cfg, s.journal, s.now)
	if err := s.SetFaults(cfg.Faults); err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.empty()
	return s, nil
}

// empty sets the state of a new simulator. The mutex is held, or nobody else has the
// simulator yet.
func (s *Server) empty() {
	for _, a := range s.created {
		s.stopReview(a)
		for _, i := range a.images {
			i.drop(&s.images)
		}
	}
	s.outcome = s.cfg.Outcome
	s.applicants, s.users = map[string]*applicant{}, map[string]*applicant{}
	s.guests, s.applicantBytes = nil, 0
	s.levels, s.levelBytes = map[string]string{}, 0
	s.actions, s.created, s.actionBytes = map[string]*action{}, nil, 0
	s.tokens, s.links = newTicketBox(maxTickets), newTicketBox(maxTickets)
	if s.cfg.NoDefaults {
		return
	}
	s.levels[LevelFaceAuth] = ActionFaceAuth
	s.levels[LevelQuestionnaire] = ActionQuestionnaire
	s.levels[LevelEmail] = ActionEmail
	_ = s.putApplicant(wireApplicant{ID: DefaultApplicantID, ExternalUserID: DefaultExternalUserID}, false) // there is room
}

// Reset deletes actions, tokens, links, requests, deliveries, counts, and the applicants
// and levels that were added. It restores the outcome and the faults of the Config. Clock
// and webhook URL stay.
func (s *Server) Reset() {
	s.mu.Lock()
	s.empty()
	s.mu.Unlock()
	_ = s.SetFaults(s.cfg.Faults) // they were valid before
	s.stats.reset()
	s.courier.forget()
	s.journal.reset()
}

// ServeHTTP answers one request. A fault that breaks the connection panics
// with [http.ErrAbortHandler] where the connection cannot be hijacked.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), s.cfg.PathPrefix)
	switch {
	case s.isClosed():
		w.Header().Set("Date", s.date())
		refusal(http.StatusServiceUnavailable, "The simulator is closed").writeTo(w)
	case ok && strings.HasPrefix(path, pageRoot):
		s.servePage(w, r, strings.TrimPrefix(path, pageRoot))
	case ok && (path == "" || path == "/" || path == controlRoot[:len(controlRoot)-1] || strings.HasPrefix(path, controlRoot)):
		s.serveControl(w, r, path)
	default:
		if !ok {
			path = ""
		}
		s.serveCall(w, r, path)
	}
}

// Start listens on addr, such as "127.0.0.1:8080"; "" is a free port of
// 127.0.0.1. It returns the base URL for clients and serves until Close. Addresses
// off loopback need [Config.Remote].
func (s *Server) Start(addr string) (baseURL string, err error) {
	addr = cmp.Or(addr, "127.0.0.1:0")
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("simulator: address: %w", err)
	}
	if !s.cfg.Remote && !isLoopback(host) {
		return "", fmt.Errorf("simulator: address %q: only loopback addresses are listened on, such as 127.0.0.1:8080", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("simulator: %w", err)
	}
	baseURL = "http://" + dialable(l.Addr()) + s.cfg.PathPrefix
	if isLoopback(host) {
		s.mu.Lock()
		s.baseURL = cmp.Or(s.baseURL, baseURL)
		s.mu.Unlock()
	}
	server, err := s.admit(l)
	if err != nil {
		return "", errors.Join(err, l.Close())
	}
	go func() {
		defer s.tasks.Done()
		_ = server.Serve(l) // ends with ErrServerClosed
	}()
	return baseURL, nil
}

// dialable returns the address at which this machine reaches a listener. For a listener on
// all interfaces that is a loopback address.
func dialable(addr net.Addr) string {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil || !at.Addr().IsUnspecified() {
		return addr.String()
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
}

// Serve serves the connections of l until Close, and closes l. Without [Config.Remote], a
// TCP listener must be on loopback.
func (s *Server) Serve(l net.Listener) error {
	server, err := s.admit(l)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer s.tasks.Done()
	return server.Serve(l)
}

// Close stops listeners, reviews and deliveries, breaks what is under way, and waits until
// none of its goroutines is left. It may be called again, and every call waits. OnRequest
// and OnDelivery must not call it: it waits for them.
func (s *Server) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	listeners := s.listeners
	if first {
		for _, a := range s.created {
			s.stopReview(a)
		}
	}
	s.mu.Unlock()
	if !first {
		<-s.ended
		return nil
	}
	defer close(s.ended)

	s.cancel()
	_ = s.memory.Close()
	var errs []error
	for _, server := range listeners {
		errs = append(errs, server.Close())
	}
	s.courier.close()
	s.tasks.Wait()
	s.conns.Wait() // net/http keeps a connection for a moment, so that the client can read the answer
	return errors.Join(errs...)
}

// connection is the ConnState hook of the simulator's own servers.
func (s *Server) connection(c net.Conn, state http.ConnState) {
	s.stats.connection(c, state)
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.conns.Done()
	}
}

// AddLevel adds a level for a kind of action.
func (s *Server) AddLevel(name, actionType string) error {
	if name == "" || actionType == "" {
		return errors.New("simulator: AddLevel: the name or the kind of action is empty")
	}
	if !isName(name) || !isName(actionType) {
		return errors.New("simulator: AddLevel: the name or the kind of action has " + notName)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, known := s.levels[name]
	more := entryBytes + len(name) + len(actionType)
	if known {
		more = len(actionType) - len(old)
	}
	if !known && len(s.levels) >= maxLevels || s.levelBytes+more > levelMemory {
		return fmt.Errorf("simulator: AddLevel: there is room for %d levels and %d MiB of them", maxLevels, levelMemory>>20)
	}
	s.levels[name] = actionType
	s.levelBytes += more
	s.journal.settingsChanged()
	return nil
}

// WebhookSecret returns the secret that webhooks are signed with.
func (s *Server) WebhookSecret() string { return s.cfg.WebhookSecret }

// SetOutcome changes the verdict of the reviews that end from now on.
func (s *Server) SetOutcome(o Outcome) error {
	if err := o.complete(); err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcome = o
	s.journal.settingsChanged()
	return nil
}

// SetClock replaces [Config.Clock].
func (s *Server) SetClock(clock func() time.Time) error {
	if clock == nil {
		return errors.New("simulator: SetClock: the clock is nil")
	}
	s.clock.Store(&clock)
	s.journal.settingsChanged()
	return nil
}

// complete checks a Config and fills in the defaults.
func (c *Config) complete() error {
	c.AppToken = cmp.Or(c.AppToken, DefaultAppToken)
	c.SecretKey = cmp.Or(c.SecretKey, DefaultSecretKey)
	c.WebhookSecret = cmp.Or(c.WebhookSecret, DefaultWebhookSecret)
	c.WebhookAlgorithm = cmp.Or(c.WebhookAlgorithm, "HMAC_SHA256_HEX")
	c.WebhookTimeScale = cmp.Or(c.WebhookTimeScale, 1)
	c.ReviewDelay = cmp.Or(c.ReviewDelay, DefaultReviewDelay)
	c.Limits.complete()
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if strings.Trim(c.AppToken, printable) != "" {
		return errors.New("AppToken: only printable ASCII without spaces goes into a header")
	}
	if !isPathPrefix(c.PathPrefix) {
		return fmt.Errorf("PathPrefix %q must begin with a slash, end without one, and have nothing to escape", c.PathPrefix)
	}
	if l := c.Limits; l.Actions < 0 || l.ImagesPerAction < 0 || l.ActionMemory < 0 || l.ImageMemory < 0 || l.RequestBody < 0 {
		return errors.New("Limits must not be negative")
	}
	if !isUsable("HMAC_SHA256_HEX", c.SecretKey) {
		return errors.New("SecretKey is refused by the Go runtime (FIPS 140-only mode)")
	}
	if err := c.completeWebhooks(); err != nil {
		return err
	}
	return c.Outcome.complete()
}

// completeWebhooks checks the fields about webhooks.
func (c *Config) completeWebhooks() error {
	if c.WebhookHandler != nil {
		if c.WebhookURL != "" || c.WebhookTransport != nil {
			return errors.New("WebhookHandler cannot be combined with WebhookURL or WebhookTransport")
		}
		c.WebhookURL = memoryURL
	}
	if c.WebhookURL != "" {
		if err := checkWebhookURL(c.WebhookURL, c.Remote); err != nil {
			return err
		}
	}
	if newDigest(c.WebhookAlgorithm) == nil {
		return fmt.Errorf("WebhookAlgorithm %q must be HMAC_SHA256_HEX, HMAC_SHA512_HEX or HMAC_SHA1_HEX", c.WebhookAlgorithm)
	}
	if !isUsable(c.WebhookAlgorithm, c.WebhookSecret) {
		return errors.New("WebhookSecret or WebhookAlgorithm is refused by the Go runtime (FIPS 140-only mode)")
	}
	if scale := c.WebhookTimeScale; math.IsNaN(scale) || scale < 0 || scale > 1000 {
		return fmt.Errorf("WebhookTimeScale must be from 0 to 1000, not %v", scale)
	}
	if c.WebhookDuplicates < 0 || c.WebhookDuplicates > 100 {
		return fmt.Errorf("WebhookDuplicates must be from 0 to 100, not %d", c.WebhookDuplicates)
	}
	return nil
}

func (l *Limits) complete() {
	l.Actions = cmp.Or(l.Actions, 20_000)
	l.ImagesPerAction = cmp.Or(l.ImagesPerAction, 200)
	l.ActionMemory = cmp.Or(l.ActionMemory, 64<<20)
	l.ImageMemory = cmp.Or(l.ImageMemory, 128<<20)
	l.RequestBody = cmp.Or(l.RequestBody, 1<<30)
}

// These are classes of characters. Regular expressions would be compiled when a program starts, and
// so be linked into every program that imports this package.
const (
	lower      = "abcdefghijklmnopqrstuvwxyz"
	upper      = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digit      = "0123456789"
	printable  = lower + upper + digit + "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
	unreserved = lower + upper + digit + "._~-"
)

// isPathPrefix reports whether text is empty or slashes with names between them.
func isPathPrefix(text string) bool {
	if text == "" {
		return true
	}
	rest, ok := strings.CutPrefix(text, "/")
	for name := range strings.SplitSeq(rest, "/") {
		ok = ok && name != "" && strings.Trim(name, unreserved) == ""
	}
	return ok
}

// admit makes the server of one listener and counts it among the tasks.
func (s *Server) admit(l net.Listener) (*http.Server, error) {
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !s.cfg.Remote && !tcp.IP.IsLoopback() {
		return nil, fmt.Errorf("simulator: listener on %v: only loopback addresses are served", tcp)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admitLocked()
}

// admitLocked does the same as admit without the check. The mutex is held.
func (s *Server) admitLocked() (*http.Server, error) {
	if s.closed {
		return nil, fmt.Errorf("simulator: %w", http.ErrServerClosed)
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(s.serveTracked),
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ConnState:         s.connection,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
	}
	s.tasks.Add(1)
	s.listeners = append(s.listeners, server)
	return server, nil
}

// Dial connects to the simulator in memory, for the DialContext of a transport. Such a
// connection works in a bubble of testing/synctest.
func (s *Server) Dial(ctx context.Context) (net.Conn, error) {
	s.mu.Lock()
	if !s.inMemory {
		server, err := s.admitLocked()
		if err != nil {
			s.mu.Unlock()
			return nil, err
		}
		s.inMemory = true
		go func() {
			defer s.tasks.Done()
			_ = server.Serve(s.memory) // ends with ErrServerClosed
		}()
	}
	s.mu.Unlock()
	return s.memory.dial(ctx)
}

// serveTracked is ServeHTTP for the simulator's own connections. Close waits for it.
func (s *Server) serveTracked(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		panic(http.ErrAbortHandler)
	}
	defer s.tasks.Done()
	s.ServeHTTP(w, r)
}

// begin counts one more task, unless the simulator is closed.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.tasks.Add(1)
	return true
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Server) now() time.Time { return (*s.clock.Load())().UTC() }

func (s *Server) date() string { return s.now().Format(http.TimeFormat) }

// linkBase returns the base URL of links.
func (s *Server) linkBase(r *http.Request) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.baseURL != "" {
		return s.baseURL
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host + s.cfg.PathPrefix
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
