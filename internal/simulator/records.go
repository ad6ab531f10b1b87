package simulator

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"
)

// Request is a request as [Config.OnRequest] gets it. It holds no secret and no token, and
// of a body only size and hash.
type Request struct {
	Operation string // name of the call, such as "CreateAction"; "Page", "Unknown"
	Method    string
	Target    string    // the request URI as it was on the wire
	Status    int       // of the answer; 0 when the connection ended before there was one
	Signature Verdict   // the result of checking its three headers
	Fault     FaultKind // what was done to it on purpose

	Note string // for people: why it will not do what they expect

	// StringToSign is the text that should have been signed, if the signature was wrong: timestamp,
	// method, request URI, and the body as its length and SHA-256.
	StringToSign string
}

// Delivery is an attempt to deliver a webhook as [Config.OnDelivery] gets it. It holds no
// secret and no address, and of a body only type and action.
type Delivery struct {
	Type     string // of the event, such as "applicantActionReviewed"
	ActionID string
	Attempt  int    // from 1
	Status   int    // of the receiver's answer; 0 when there was none
	Problem  string // why there was none: "timeout", "no connection", "bad certificate", "no answer", "simulator closed"
	Accepted bool   // with a 2xx

	Last bool          // no attempt follows: accepted, given up, or the simulator was closed
	Next time.Duration // the pause before the one that follows
}

// ActionRecord is an action with what is known of it.
type ActionRecord struct {
	ID, ApplicantID, ExternalActionID string
	LevelName, Type                   string
	Email, Phone                      string
	Body                              json.RawMessage // what it was created with; nil for one that the page created
	CreatedAt                         time.Time
	Submits                           int // how often submit was called
	Reviews                           int // how often it was decided
	ReviewStatus                      string
	Outcome                           Outcome // of the last review
	Images                            int
}

// ImageRecord is an image with what is known of it.
type ImageRecord struct {
	ID        string // of the image object
	ImageID   string // what it is downloaded by
	PreviewID string // resizedImageId
	ActionID  string

	FileName    string // as sent
	ContentType string // as sent with the part
	MediaType   string // what the bytes are, as far as can be seen
	Size        int64
	SHA256      string // hex

	IDDocType, IDDocSubType, Country string

	Kept bool // false: there was no memory for its bytes, it cannot be opened
}

// AccessTokenRecord is what an access token is for.
type AccessTokenRecord struct {
	UserID, ExternalActionID, LevelName string
	ExpiresAt                           time.Time
}

// Stats are counts since the start.
type Stats struct {
	Requests            int            // all, the page's too
	ByOperation         map[string]int // the same by name of the call
	ByStatus            map[int]int    // answers by status; 0: the connection was broken before one
	RefusedSignatures   int            // 401, code 4003
	RefusedTimestamps   int            // 401, code 4004
	RefusedCredentials  int            // 401, every other code
	Faults              map[FaultKind]int
	OpenConnections     int // of the simulator's own listeners, now
	WebhookEvents       int // copies on request included
	WebhookAttempts     int
	WebhooksDelivered   int
	WebhooksGivenUp     int // every attempt failed
	WebhooksDropped     int // the queue was full
	WebhooksOutstanding int // waiting for an attempt, or in one
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
