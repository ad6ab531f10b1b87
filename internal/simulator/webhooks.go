package simulator

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// These are the types of webhooks about actions.
const (
	eventPending  = "applicantActionPending"
	eventReviewed = "applicantActionReviewed"
	eventOnHold   = "applicantActionOnHold"
)

// retryDelays are the vendor's, for its three types of action webhooks: five
// attempts in all.
var retryDelays = []time.Duration{30 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}

const (
	deliveryTimeout = 5 * time.Second
	// memoryTimeout is longer, since with a thousand simulators in one process a
	// handler may start late.
	memoryTimeout = 30 * time.Second
	// minTimeout is the least scaled timeout.
	minTimeout      = time.Second
	maxOutstanding  = 10_000
	maxWaitingBytes = 32 << 20 // bytes of the deliveries that wait
	deliveryWorkers = 8
)

// newDigest returns the hash of an algorithm, or nil for an unknown name.
func newDigest(algorithm string) func() hash.Hash {
	switch algorithm {
	case "HMAC_SHA1_HEX":
		return sha1.New
	case "HMAC_SHA256_HEX":
		return sha256.New
	case "HMAC_SHA512_HEX":
		return sha512.New
	}
	return nil
}

// isUsable reports whether the Go runtime accepts an algorithm and a key. In FIPS 140-only
// mode it panics on others.
func isUsable(algorithm, key string) (usable bool) {
	defer func() {
		if recover() != nil {
			usable = false
		}
	}()
	hmac.New(newDigest(algorithm), []byte(key)).Sum(nil)
	return true
}

// event is a webhook in the shape of the specification's examples, with what
// real deliveries add: createdAt, levelName, clientId, sandboxMode.
type event struct {
	ApplicantID              string      `json:"applicantId"`
	ApplicantActionID        string      `json:"applicantActionId"`
	ExternalApplicantActions string      `json:"externalApplicantActionId,omitempty"`
	InspectionID             string      `json:"inspectionId"`
	ApplicantType            string      `json:"applicantType,omitempty"`
	CorrelationID            string      `json:"correlationId"`
	LevelName                string      `json:"levelName"`
	SandboxMode              bool        `json:"sandboxMode"`
	ExternalUserID           string      `json:"externalUserId"`
	Type                     string      `json:"type"`
	ReviewResult             *wireResult `json:"reviewResult,omitempty"`
	ReviewStatus             string      `json:"reviewStatus"`
	CreatedAt                string      `json:"createdAt"`
	CreatedAtMs              string      `json:"createdAtMs"`
	ClientID                 string      `json:"clientId"`
}

// notify sends a webhook about an action. The reviewStatus of Pending and
// OnHold, and what OnHold lacks, are the oddities of the specification's
// examples: a receiver has to go by the type. The mutex is held.
func (s *Server) notify(a *action, kind string) {
	if s.courier.target() == "" {
		return
	}
	now := s.now()
	e := event{
		ApplicantID: a.applicant.ID, ApplicantActionID: a.id, ExternalApplicantActions: a.externalActionID,
		InspectionID: a.applicant.InspectionID, CorrelationID: newCorrelationID(), LevelName: a.levelName,
		SandboxMode: true, ExternalUserID: a.applicant.ExternalUserID, Type: kind, ReviewStatus: statusCompleted,
		CreatedAt: now.Format(dateZoneForm), CreatedAtMs: now.Format(dateMillisForm), ClientID: clientID,
	}
	var hold time.Duration
	switch kind {
	case eventPending:
		e.ApplicantType = "individual"
		hold = max(s.cfg.ReviewDelay, 0)
	case eventReviewed:
		e.ReviewResult = a.outcome.wire()
	case eventOnHold:
		e.ExternalApplicantActions, e.ReviewStatus = "", statusInit
	}
	s.courier.send(delivery{kind: kind, actionID: a.id, body: string(prettyJSON(encodeJSON(e)))}, hold)
}

// courier delivers webhooks, a few at a time. The first attempts for one action are made one after
// the other.
type courier struct {
	cfg       Config
	client    *http.Client
	transport *http.Transport // the courier's own; nil if the Config has one
	handler   *handlerServer  // serves the deliveries in memory; nil if there are none
	journal   *journal
	now       func() time.Time
	ctx       context.Context
	cancel    context.CancelFunc
	tasks     sync.WaitGroup // workers and timers

	mu      sync.Mutex
	closed  bool
	url     string
	queues  map[any][]*delivery // deliveries that wait in order; by action, or by delivery for a retry
	ready   []any               // keys of queues that no worker is at
	workers int
	timers  map[*time.Timer]*delivery
	stats   Stats
	bytes   int // the size of the outstanding deliveries
	resets  int // how often forget was called
}

type delivery struct {
	kind, actionID string
	body           string // the journal shares it
	attempt        int    // the number of attempts so far
	number         uint64 // its number in the journal
	once           bool   // somebody has resent it, so no further attempt follows
	resets         int    // the resets of the courier when it was queued
}

// bytes returns the size that a delivery is counted with.
func (d *delivery) bytes() int { return entryBytes + len(d.kind) + len(d.actionID) + len(d.body) }

func newCourier(cfg Config, journal *journal, now func() time.Time) *courier {
	made := &courier{
		cfg: cfg, url: cfg.WebhookURL, journal: journal, now: now,
		queues: map[any][]*delivery{}, timers: map[*time.Timer]*delivery{},
	}
	made.ctx, made.cancel = context.WithCancel(context.Background())
	transport := cfg.WebhookTransport
	if transport == nil {
		dialer := &net.Dialer{Control: refuseOtherHosts}
		if cfg.Remote {
			dialer.Control = refusePublicHosts
		}
		dial := dialer.DialContext
		if cfg.WebhookHandler != nil {
			made.handler = newHandlerServer(made.ctx, cfg.WebhookHandler)
			dial = made.handler.dial
		}
		made.transport = &http.Transport{
			DialContext: dial, MaxIdleConnsPerHost: deliveryWorkers, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: deliveryTimeout,
		}
		transport = made.transport
	}
	made.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       max(min(made.scaled(deliveryTimeout), deliveryTimeout), minTimeout),
	}
	if cfg.WebhookHandler != nil {
		made.client.Timeout = memoryTimeout
	}
	return made
}

// send queues an event. If events are shuffled, it delays an event for longer than the
// next one takes.
func (c *courier) send(event delivery, hold time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for copies := range c.cfg.WebhookDuplicates + 1 {
		c.stats.WebhookEvents++
		d := &delivery{kind: event.kind, actionID: event.actionID, body: event.body}
		if c.closed || !c.admit(d) {
			c.stats.WebhooksDropped++
			continue
		}
		d.number = c.journal.delivery(d, c.now())
		if !c.cfg.WebhookShuffle {
			c.queue(d.actionID, d)
			continue
		}
		step := c.scaled(retryDelays[0])
		switch wait := rand.Float64(); {
		case copies > 0:
			c.queueAfter(time.Duration(wait*2*float64(step+hold)), d)
		case d.kind == eventPending:
			c.queueAfter(hold+step, d)
		default:
			c.queueAfter(time.Duration(wait*float64(step)/2), d)
		}
	}
}

// errQueueFull returns the error of calls that send a delivery.
func errQueueFull() error {
	return fmt.Errorf("%d deliveries or %d MiB of them are waiting already", maxOutstanding, maxWaitingBytes>>20)
}

// admit counts a delivery, if there is room for it. The mutex is held.
func (c *courier) admit(d *delivery) bool {
	if c.stats.WebhooksOutstanding >= maxOutstanding || c.bytes+d.bytes() > maxWaitingBytes {
		return false
	}
	c.stats.WebhooksOutstanding++
	c.bytes += d.bytes()
	d.resets = c.resets
	return true
}

// sendOne queues an event without duplicates and without shuffling.
func (c *courier) sendOne(event delivery) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return 0, errors.New("simulator: it is closed")
	case !c.admit(&event):
		return 0, fmt.Errorf("simulator: %w", errQueueFull())
	}
	c.stats.WebhookEvents++
	event.number = c.journal.delivery(&event, c.now())
	c.queue(&event, &event)
	return event.number, nil
}

// resend queues one more attempt of a delivery in the journal.
func (c *courier) resend(number uint64) error {
	d, ok := c.journal.find(number)
	if !ok {
		return fmt.Errorf("there is no delivery %d, or 500 others came since", number)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return errors.New("the simulator is closed")
	case c.url == "":
		return errors.New(errNoWebhookURL)
	case !c.admit(d):
		return errQueueFull()
	}
	d.once = true
	c.queue(d, d)
	return nil
}

// target returns the webhook URL.
func (c *courier) target() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.url
}

// setTarget changes the webhook URL for the next attempts.
func (c *courier) setTarget(url string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.url = url
}

// forget drops waiting deliveries and the counts.
func (c *courier) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopTimers()
	for _, key := range c.ready {
		delete(c.queues, key)
	}
	c.ready = nil
	for key, waiting := range c.queues {
		c.queues[key] = waiting[:1:1] // a worker delivers the first one
	}
	c.stats, c.bytes = Stats{}, 0
	c.resets++
}

// stopTimers drops deliveries that wait for their time. The mutex is held.
func (c *courier) stopTimers() {
	for timer := range c.timers {
		if timer.Stop() {
			c.tasks.Done()
		}
		delete(c.timers, timer)
	}
}

// queue puts a delivery behind the others of its key, and starts a worker if one is needed. The
// mutex is held.
func (c *courier) queue(key any, d *delivery) {
	waiting, busy := c.queues[key]
	c.queues[key] = append(waiting, d)
	if busy {
		return
	}
	c.ready = append(c.ready, key)
	if c.workers < deliveryWorkers {
		c.workers++
		c.tasks.Go(c.work)
	}
}

// queueAfter queues a delivery after a wait, with a key of its own. The mutex is held.
func (c *courier) queueAfter(wait time.Duration, d *delivery) {
	var timer *time.Timer
	c.tasks.Add(1)
	timer = time.AfterFunc(wait, func() {
		defer c.tasks.Done()
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, timer)
		if !c.closed {
			c.queue(d, d)
		}
	})
	c.timers[timer] = d
}

// work delivers until nothing is ready.
func (c *courier) work() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.ready) > 0 && !c.closed {
		key := c.ready[0]
		c.ready = c.ready[1:]
		d, url := c.queues[key][0], c.url
		c.stats.WebhookAttempts++
		c.mu.Unlock()
		made := c.attempt(d, url)
		c.mu.Lock()
		if c.closed || d.resets != c.resets {
			made.Last, made.Next = true, 0
		}
		c.settle(d, made)
		c.tell(made)
		if !made.Last && !c.closed && d.resets == c.resets {
			c.queueAfter(made.Next, d)
		}
		if c.queues[key] = c.queues[key][1:]; len(c.queues[key]) > 0 {
			c.ready = append(c.ready, key)
		} else {
			delete(c.queues, key)
		}
	}
	c.workers--
}

// tell calls the hook. The mutex is held before and after, even if the hook panics or ends its
// goroutine, as a failing test does.
func (c *courier) tell(made Delivery) {
	if c.cfg.OnDelivery == nil {
		return
	}
	c.mu.Unlock()
	defer c.mu.Lock()
	c.cfg.OnDelivery(made)
}

// settle counts an attempt, unless it was forgotten. The mutex is held.
func (c *courier) settle(d *delivery, made Delivery) {
	switch {
	case d.resets != c.resets:
		return
	case made.Accepted:
		c.stats.WebhooksDelivered++
	case c.closed:
	case made.Last:
		c.stats.WebhooksGivenUp++
	default:
		return
	}
	c.stats.WebhooksOutstanding--
	c.bytes -= d.bytes()
}

// attempt makes an attempt and returns its result. Anything but a 2xx within the timeout
// is a failure.
func (c *courier) attempt(d *delivery, url string) Delivery {
	d.attempt++
	made := Delivery{Type: d.kind, ActionID: d.actionID, Attempt: d.attempt}
	begin := time.Now()
	status, text, err := c.post(url, c.cfg.Quirks.webhookBody([]byte(d.body), d.attempt))
	if made.Status = status; err != nil {
		made.Problem = c.problem(err)
	}
	made.Accepted = made.Status/100 == 2
	made.Last = made.Accepted || d.once || d.attempt > len(retryDelays) || c.ctx.Err() != nil
	if !made.Last {
		made.Next = c.scaled(retryDelays[d.attempt-1])
	}
	c.journal.attempt(d.number, made, text, c.now(), time.Since(begin))
	return made
}

// post sends a body once. It returns the status and the first bytes of the answer.
func (c *courier) post(url string, body []byte) (status int, text []byte, err error) {
	r, err := http.NewRequestWithContext(c.ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err // New has parsed the URL
	}
	mac := hmac.New(newDigest(c.cfg.WebhookAlgorithm), []byte(c.cfg.WebhookSecret))
	mac.Write(body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "idngo-simulator")
	r.Header.Set("X-Payload-Digest", hex.EncodeToString(mac.Sum(nil)))
	r.Header.Set("X-Payload-Digest-Alg", c.cfg.WebhookAlgorithm)
	c.cfg.Quirks.webhookHeader(r.Header)
	response, err := c.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	text, _ = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // the connection can then be used again
	_ = response.Body.Close()
	return response.StatusCode, text, nil
}

// problem returns the kind of an error. The text of the error has the URL in it, whose
// query may be secret.
func (c *courier) problem(err error) string {
	var untrusted *tls.CertificateVerificationError
	var network net.Error
	var operation *net.OpError
	switch {
	case c.ctx.Err() != nil:
		return "simulator closed"
	case errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.As(err, &untrusted):
		return "bad certificate"
	case errors.As(err, &operation) && operation.Op == "dial":
		return "no connection"
	}
	return "no answer"
}

func (c *courier) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) * c.cfg.WebhookTimeScale)
}

// close ends deliveries and waits for them.
func (c *courier) close() {
	c.mu.Lock()
	c.closed = true
	c.stopTimers()
	c.mu.Unlock()
	c.cancel()
	c.tasks.Wait()
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
	if c.handler != nil {
		c.handler.close()
	}
}

func (c *courier) count(into *Stats) {
	c.mu.Lock()
	defer c.mu.Unlock()
	into.WebhookEvents = c.stats.WebhookEvents
	into.WebhookAttempts = c.stats.WebhookAttempts
	into.WebhooksDelivered = c.stats.WebhooksDelivered
	into.WebhooksGivenUp = c.stats.WebhooksGivenUp
	into.WebhooksDropped = c.stats.WebhooksDropped
	into.WebhooksOutstanding = c.stats.WebhooksOutstanding
}

// checkWebhookURL refuses URLs of other people, who must not get made-up events.
func checkWebhookURL(text string, remote bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("WebhookURL is not a URL")
	case u.Scheme != "http" && u.Scheme != "https", u.User != nil:
		return errors.New("WebhookURL must be http or https, without a user")
	case isMetadata(u.Hostname()):
		return fmt.Errorf("WebhookURL: host %q has the metadata of a cloud", u.Hostname())
	case remote && isNear(u.Hostname()):
	case remote:
		return fmt.Errorf("WebhookURL: host %q is neither a private address nor a name without a dot", u.Hostname())
	case !isLoopback(u.Hostname()):
		return fmt.Errorf("WebhookURL: host %q is not a loopback one, such as 127.0.0.1", u.Hostname())
	}
	return nil
}

// refuseOtherHosts refuses to dial addresses off loopback, whatever a name resolves to.
func refuseOtherHosts(_, address string, _ syscall.RawConn) error {
	if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("simulator: webhooks go to loopback addresses only, not to %s", address)
	}
	return nil
}

// refusePublicHosts refuses to dial public addresses, whatever a name resolves to.
func refusePublicHosts(_, address string, _ syscall.RawConn) error {
	if to, err := netip.ParseAddrPort(address); err != nil || !isPrivate(to.Addr()) {
		return fmt.Errorf("simulator: webhooks go to private addresses only, not to %s", address)
	}
	return nil
}

func isPrivate(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsPrivate() && !isMetadata(ip.WithZone("").String())
}

// isMetadata reports whether a host is a metadata service of a cloud, which may hand out
// credentials. Most of them have a link-local address, which is not private.
func isMetadata(host string) bool {
	host = strings.ToLower(host)
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.WithZone("").String()
	}
	first, _, _ := strings.Cut(host, ".")
	return first == "metadata" || first == "instance-data" || host == "fd00:ec2::254" || host == "fd20:ce::254"
}

// isNear reports whether a host is on this machine or in a private network. That is a private
// address, a name without a dot such as that of a container, or a name below a domain that does not
// exist on the internet.
func isNear(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return isPrivate(ip)
	}
	name := strings.ToLower(host)
	if name == "" || !strings.Contains(name, ".") {
		return name != ""
	}
	for _, end := range []string{".localhost", ".internal", ".local", ".test"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// prettyJSON formats compact JSON in the form of the vendor's deliveries: one member on a line,
// `"key" : value`, arrays on one line, no newline at the end. A receiver that computes a digest of
// anything but the raw bytes will notice.
func prettyJSON(compact []byte) []byte {
	var b bytes.Buffer
	decoder := json.NewDecoder(bytes.NewReader(compact))
	decoder.UseNumber()
	prettyValue(&b, decoder, "\n")
	return b.Bytes()
}

func prettyValue(b *bytes.Buffer, decoder *json.Decoder, newline string) {
	token, _ := decoder.Token() // the simulator has encoded it
	switch token {
	case json.Delim('{'):
		inner, separator := newline+"  ", ""
		b.WriteByte('{')
		for decoder.More() {
			key, _ := decoder.Token()
			b.WriteString(separator + inner)
			b.Write(encodeJSON(key))
			b.WriteString(" : ")
			prettyValue(b, decoder, inner)
			separator = ","
		}
		_, _ = decoder.Token()
		b.WriteString(newline + "}")
	case json.Delim('['):
		b.WriteByte('[')
		for separator := " "; decoder.More(); separator = ", " {
			b.WriteString(separator)
			prettyValue(b, decoder, newline)
		}
		_, _ = decoder.Token()
		b.WriteString(" ]")
	default:
		b.Write(encodeJSON(token))
	}
}
