package simulator

import (
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// These are the limits of the journal of requests and deliveries.
const (
	maxEntries      = 500     // for requests, and for deliveries
	maxJournalBytes = 4 << 20 // for requests, and for deliveries
	maxAttempts     = 20      // the last attempts of one delivery
	maxAnswer       = 2 << 10 // the first bytes of a receiver's answer
	entryBytes      = 256     // the size of an entry without its texts
)

// requestEntry is a request as the console shows it.
type requestEntry struct {
	Number       uint64    `json:"n"` // from 1
	Time         time.Time `json:"time"`
	Operation    string    `json:"operation"`
	Method       string    `json:"method"`
	Target       string    `json:"target"`
	Status       int       `json:"status"` // 0: the connection was broken before an answer
	Signature    Verdict   `json:"signature"`
	StringToSign string    `json:"stringToSign,omitempty"`
	Fault        FaultKind `json:"fault,omitempty"`
	Note         string    `json:"note,omitempty"`

	revision uint64
}

// deliveryEntry is a webhook as the console shows it.
type deliveryEntry struct {
	Number   uint64         `json:"n"`
	Time     time.Time      `json:"time"`
	Type     string         `json:"type"`
	ActionID string         `json:"actionId,omitempty"`
	Body     string         `json:"body"`
	State    string         `json:"state"` // waiting, accepted, retrying, failed
	Attempts []attemptEntry `json:"attempts"`

	made     int // the number of attempts so far
	revision uint64
}

// attemptEntry is one attempt to deliver a webhook.
type attemptEntry struct {
	Attempt int       `json:"attempt"`
	Time    time.Time `json:"time"`
	Millis  int64     `json:"millis"`
	Status  int       `json:"status"`
	Problem string    `json:"problem,omitempty"`
	Answer  string    `json:"answer,omitempty"`
	Next    string    `json:"next,omitempty"`
}

// journal keeps the last requests and deliveries for the console. Each change has a number, its
// revision, so that a console can ask for the entries that are newer than its own.
type journal struct {
	mu           sync.Mutex
	revision     uint64
	settings     uint64 // the revision of the last change of applicants, levels, outcome, faults, clock and URL
	cleared      uint64 // the revision of the last reset
	lastRequest  uint64 // the number of the last request
	lastDelivery uint64 // the number of the last delivery
	requests     ring[requestEntry]
	deliveries   ring[*deliveryEntry]
	watchers     map[chan struct{}]struct{}
}

func newJournal() *journal {
	j := &journal{watchers: map[chan struct{}]struct{}{}}
	j.empty()
	return j
}

// empty forgets the entries. The mutex is held, or nobody else has the journal yet.
func (j *journal) empty() {
	j.requests = ring[requestEntry]{maxCount: maxEntries, maxBytes: maxJournalBytes}
	j.deliveries = ring[*deliveryEntry]{maxCount: maxEntries, maxBytes: maxJournalBytes}
}

// bump counts a change and wakes the watchers. The mutex is held.
func (j *journal) bump() uint64 {
	j.revision++
	for watcher := range j.watchers {
		select {
		case watcher <- struct{}{}:
		default: // the watcher was woken before
		}
	}
	return j.revision
}

// changed counts a change outside of the journal.
func (j *journal) changed() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.bump()
}

func (j *journal) settingsChanged() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.settings = j.bump()
}

func (j *journal) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.empty()
	j.cleared = j.bump()
	j.settings = j.cleared
}

// watch returns a channel that receives after changes, until stop is called.
func (j *journal) watch() (wake <-chan struct{}, stop func()) {
	watcher := make(chan struct{}, 1)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.watchers[watcher] = struct{}{}
	return watcher, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.watchers, watcher)
	}
}

func (j *journal) request(r Request, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lastRequest++
	j.requests.add(requestEntry{
		Number: j.lastRequest, revision: j.bump(), Time: now, Operation: r.Operation, Method: r.Method, Target: r.Target, Status: r.Status,
		Signature: r.Signature, StringToSign: r.StringToSign, Fault: r.Fault, Note: r.Note,
	}, entryBytes+len(r.Method)+len(r.Target)+len(r.StringToSign)+len(r.Note))
}

// delivery adds a webhook before its first attempt, and returns its number.
func (j *journal) delivery(d *delivery, now time.Time) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lastDelivery++
	j.deliveries.add(&deliveryEntry{
		Number: j.lastDelivery, Time: now, Type: d.kind, ActionID: d.actionID, Body: d.body, State: "waiting",
		revision: j.bump(),
	}, entryBytes+len(d.kind)+len(d.actionID)+len(d.body))
	return j.lastDelivery
}

// attempt adds an attempt to a delivery.
func (j *journal) attempt(number uint64, made Delivery, answer []byte, now time.Time, took time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := j.entry(number)
	if at < 0 {
		return
	}
	e := j.deliveries.at(at)
	e.made++
	attempt := attemptEntry{
		Attempt: e.made, Time: now, Millis: took.Milliseconds(), Status: made.Status, Problem: made.Problem,
		Answer: strings.ToValidUTF8(string(answer), string(utf8.RuneError)),
	}
	if !made.Last {
		attempt.Next = made.Next.String()
	}
	switch {
	case made.Accepted, e.State == "accepted": // a copy that fails later changes nothing
		e.State = "accepted"
	case made.Last:
		e.State = "failed"
	default:
		e.State = "retrying"
	}
	// The entry gets a copy of the list, since others may read the old one.
	if len(e.Attempts) < maxAttempts { // later ones take the place of older ones
		j.deliveries.grow(at, entryBytes+2*maxAnswer)
	}
	e.Attempts = append(slices.Clone(e.Attempts[max(0, len(e.Attempts)-maxAttempts+1):]), attempt)
	e.revision = j.bump()
}

// entry returns the index of a delivery that is still kept, or -1. The mutex is held.
func (j *journal) entry(number uint64) int {
	for i := range j.deliveries.len() {
		if j.deliveries.at(i).Number == number {
			return i
		}
	}
	return -1
}

// find returns a delivery to send again.
func (j *journal) find(number uint64) (*delivery, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := j.entry(number)
	if at < 0 {
		return nil, false
	}
	e := j.deliveries.at(at)
	return &delivery{kind: e.Type, actionID: e.ActionID, body: e.Body, number: number, attempt: e.made}, true
}

// requestsSince returns the kept requests since a revision, oldest first.
func (j *journal) requestsSince(revision uint64) []requestEntry {
	j.mu.Lock()
	defer j.mu.Unlock()
	first := j.requests.len()
	for first > 0 && j.requests.at(first-1).revision > revision {
		first--
	}
	entries := make([]requestEntry, 0, j.requests.len()-first)
	for i := first; i < j.requests.len(); i++ {
		entries = append(entries, j.requests.at(i))
	}
	return entries
}

// deliveriesSince returns the kept deliveries that have changed since a revision, oldest
// first.
func (j *journal) deliveriesSince(revision uint64) []deliveryEntry {
	j.mu.Lock()
	defer j.mu.Unlock()
	entries := []deliveryEntry{}
	for i := range j.deliveries.len() {
		if e := j.deliveries.at(i); e.revision > revision {
			entries = append(entries, *e)
		}
	}
	return entries
}
