package simulator

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"
)

// Request is a request in the form that [Config.OnRequest] gets. It holds no secret and no token,
// and only the size and the hash of its body.
type Request struct {
	Operation string // the name of the call, such as "CreateAction", or "Page" or "Unknown"
	Method    string
	Target    string    // the request URI as it was on the wire
	Status    int       // the status of the answer; 0 if the connection ended before there was one
	Signature Verdict   // the result of checking its three headers
	Fault     FaultKind // the fault that was injected

	Note string // tells people why the call will not do what they expect

	// StringToSign is the text that should have been signed, if the signature was wrong: timestamp,
	// method, request URI, and the body as its length and SHA-256.
	StringToSign string
}

// Delivery is an attempt to deliver a webhook in the form that [Config.OnDelivery] gets. It holds
// no secret and no address, and only the type and the action of the body.
type Delivery struct {
	Type     string // the type of the event, such as "applicantActionReviewed"
	ActionID string
	Attempt  int    // the number of the attempt, from 1
	Status   int    // the status of the receiver's answer; 0 if there was none
	Problem  string // the reason for no answer: "timeout", "no connection", "bad certificate", "no answer", "simulator closed"
	Accepted bool   // whether the answer was a 2xx

	Last bool          // whether no attempt follows: accepted, given up, or the simulator was closed
	Next time.Duration // the pause before the next attempt
}

// ActionRecord is an action and what happened to it.
type ActionRecord struct {
	ID, ApplicantID, ExternalActionID string
	LevelName, Type                   string
	Email, Phone                      string
	Body                              json.RawMessage // the body of the create; nil if the page has created the action
	CreatedAt                         time.Time
	Submits                           int // how often submit was called
	Reviews                           int // how often it was decided
	ReviewStatus                      string
	Outcome                           Outcome // the outcome of the last review
	Images                            int
}

// ImageRecord is an image of an action.
type ImageRecord struct {
	ID        string // the id of the image object
	ImageID   string // the id that it is downloaded by
	PreviewID string // resizedImageId
	ActionID  string

	FileName    string // the name that was sent
	ContentType string // the type that was sent with the part
	MediaType   string // the type that the bytes show
	Size        int64
	SHA256      string // in hexadecimal digits

	IDDocType, IDDocSubType, Country string

	Kept bool // whether it can be opened: false if there was no memory for its bytes
}

// AccessTokenRecord is the user, the action and the level that an access token is for.
type AccessTokenRecord struct {
	UserID, ExternalActionID, LevelName string
	ExpiresAt                           time.Time
}

// Stats are counts since the start.
type Stats struct {
	Requests            int            // all requests, also those of the page
	ByOperation         map[string]int // all requests by the name of the call
	ByStatus            map[int]int    // all answers by status; 0: the connection was broken before one
	RefusedSignatures   int            // 401, code 4003
	RefusedTimestamps   int            // 401, code 4004
	RefusedCredentials  int            // 401, every other code
	Faults              map[FaultKind]int
	OpenConnections     int // the connections that are open now, of the simulator's own listeners
	WebhookEvents       int // all events, also copies on request
	WebhookAttempts     int
	WebhooksDelivered   int
	WebhooksGivenUp     int // every attempt failed
	WebhooksDropped     int // the queue was full
	WebhooksOutstanding int // they wait for an attempt, or are in one
}

// Actions returns all actions in order of creation.
func (s *Server) Actions() []ActionRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	records := make([]ActionRecord, 0, len(s.created))
	for _, a := range s.created {
		records = append(records, a.record())
	}
	return records
}

// Images returns the images of an action in order of upload.
func (s *Server) Images(actionID string) []ImageRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actions[actionID]
	if a == nil {
		return nil
	}
	records := make([]ImageRecord, 0, len(a.images))
	for _, i := range a.images {
		records = append(records, i.record(a.id))
	}
	return records
}

// AccessToken returns what a token is for. It returns false for an unknown or expired
// token.
func (s *Server) AccessToken(token string) (AccessTokenRecord, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, state := s.tokens.find(token, s.now())
	if state != ticketValid {
		return AccessTokenRecord{}, false
	}
	return AccessTokenRecord{t.user, t.externalActionID, t.levelName, t.expires}, true
}

// Stats returns the counts of this moment.
func (s *Server) Stats() Stats {
	stats := s.stats.copy()
	s.courier.count(&stats)
	return stats
}

// statsBook counts, under a lock of its own.
type statsBook struct {
	mu    sync.Mutex
	stats Stats
	open  map[net.Conn]struct{}
}

func (b *statsBook) request(r Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stats.ByOperation == nil {
		b.stats.ByOperation, b.stats.ByStatus, b.stats.Faults = map[string]int{}, map[int]int{}, map[FaultKind]int{}
	}
	b.stats.Requests++
	b.stats.ByOperation[r.Operation]++
	b.stats.ByStatus[r.Status]++
	if r.Fault != FaultNone {
		b.stats.Faults[r.Fault]++
	}
	switch r.Signature {
	case VerdictSignature:
		b.stats.RefusedSignatures++
	case VerdictTimestamp:
		b.stats.RefusedTimestamps++
	case VerdictMissing, VerdictMalformed, VerdictToken:
		b.stats.RefusedCredentials++
	}
}

func (b *statsBook) requests() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stats.Requests
}

// reset forgets the counts, except that of open connections.
func (b *statsBook) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats = Stats{}
}

// connection counts connections. A hijacked one is closed by the fault that took it.
func (b *statsBook) connection(c net.Conn, state http.ConnState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch state {
	case http.StateNew:
		if b.open == nil {
			b.open = map[net.Conn]struct{}{}
		}
		b.open[c] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(b.open, c)
	}
}

func (b *statsBook) copy() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	stats := b.stats
	stats.ByOperation = maps.Clone(b.stats.ByOperation)
	stats.ByStatus = maps.Clone(b.stats.ByStatus)
	stats.Faults = maps.Clone(b.stats.Faults)
	stats.OpenConnections = len(b.open)
	return stats
}

// ticket is an access token or the code of a link.
type ticket struct {
	user, externalActionID, levelName, locale string
	expires                                   time.Time
}

type ticketState int

const (
	ticketUnknown ticketState = iota
	ticketExpired
	ticketValid
)

// ticketBox holds the last tickets.
type ticketBox struct {
	tickets map[string]ticket
	keys    ring[string]
}

func newTicketBox(limit int) *ticketBox {
	return &ticketBox{tickets: map[string]ticket{}, keys: ring[string]{maxCount: limit, maxBytes: maxTicketBytes}}
}

func (b *ticketBox) add(key string, t ticket) {
	b.tickets[key] = t
	texts := len(key) + len(t.user) + len(t.externalActionID) + len(t.levelName) + len(t.locale)
	for _, gone := range b.keys.add(key, entryBytes+texts) {
		delete(b.tickets, gone)
	}
}

func (b *ticketBox) find(key string, now time.Time) (ticket, ticketState) {
	switch t, ok := b.tickets[key]; {
	case !ok:
		return ticket{}, ticketUnknown
	case !now.Before(t.expires):
		return ticket{}, ticketExpired
	default:
		return t, ticketValid
	}
}
