package simulator

import (
	"embed"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"time"
)

// consolePolicy allows content of the simulator only, and no script or style inside the page.
const consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const (
	// streamPause is the time between two messages of the stream. One message has
	// everything that happened in between.
	streamPause = 150 * time.Millisecond
	// streamHeartbeat is the longest time without a message.
	streamHeartbeat = 10 * time.Second
	// streamTimeout is how long a browser may take for a message.
	streamTimeout = 30 * time.Second
	maxStreams    = 32

	maxStreamActions = 200 // the newest actions
	maxStreamImages  = 12  // the newest images of an action
	maxStreamItems   = 200 // the most applicants, and the most levels
)

//go:embed console
var consoleFiles embed.FS

func consoleFile(name string) *reply {
	content, err := fs.ReadFile(consoleFiles, "console/"+name)
	if err != nil {
		panic("simulator: " + err.Error()) // the files are embedded, so this never happens
	}
	p := &reply{status: http.StatusOK, header: http.Header{}, body: [][]byte{content}}
	return p.with("Content-Type", fileType(name)+"; charset=utf-8")
}

// fileType returns the media type of an embedded file.
func fileType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html"
	case ".css":
		return "text/css"
	}
	return "text/javascript"
}

// settingsView is how the simulator is set up.
type settingsView struct {
	Time           time.Time          `json:"time"`
	ClockOffset    string             `json:"clockOffset"`
	Outcome        controlOutcomeBody `json:"outcome"`
	Faults         string             `json:"faults"`
	WebhookURL     string             `json:"webhookUrl"`
	WebhookInside  bool               `json:"webhookInside"` // webhooks are delivered in memory
	ManualReview   bool               `json:"manualReview"`
	KnownOnly      bool               `json:"knownOnly"`
	Strict         bool               `json:"strict"`
	Applicants     []shortApplicant   `json:"applicants"`
	ApplicantCount int                `json:"applicantCount"`
	Levels         []controlLevel     `json:"levels"`
	Labels         []string           `json:"labels"`
	Operations     []string           `json:"operations"`
	FaultKinds     []string           `json:"faultKinds"`
}

// shortApplicant is an applicant in the form of a list.
type shortApplicant struct {
	ID             string `json:"id"`
	ExternalUserID string `json:"externalUserId"`
}

func (s *Server) settings() settingsView {
	faults, url := s.Faults(), s.courier.target()
	s.mu.Lock()
	defer s.mu.Unlock()
	v := settingsView{
		Time: s.now(), ClockOffset: s.clockOffset().String(), Outcome: s.outcome.controlBody(), Faults: faults,
		WebhookURL: url, WebhookInside: s.cfg.WebhookHandler != nil, ManualReview: s.cfg.ManualReview,
		KnownOnly: s.cfg.KnownOnly, Strict: s.cfg.Strict,
		Applicants: []shortApplicant{}, ApplicantCount: len(s.applicants), Levels: s.levelList(),
		Labels: pageLabels,
	}
	for _, a := range s.applicants {
		if len(v.Applicants) == maxStreamItems {
			break
		}
		if !a.guest {
			v.Applicants = append(v.Applicants, shortApplicant{a.ID, a.ExternalUserID})
		}
	}
	v.Levels = v.Levels[:min(len(v.Levels), maxStreamItems)]
	for _, rt := range routes {
		v.Operations = append(v.Operations, rt.operation)
	}
	for _, kind := range faultKinds {
		if kind != FaultNone {
			v.FaultKinds = append(v.FaultKinds, string(kind))
		}
	}
	return v
}

// actionEntry is an action as the console shows it.
type actionEntry struct {
	ID               string       `json:"id"`
	Number           int          `json:"n"`
	CreatedAt        time.Time    `json:"createdAt"`
	ExternalActionID string       `json:"externalActionId"`
	ApplicantID      string       `json:"applicantId"`
	ExternalUserID   string       `json:"externalUserId"`
	LevelName        string       `json:"levelName"`
	Kind             string       `json:"kind"`
	Status           string       `json:"status"`
	Answer           string       `json:"answer,omitempty"`
	RejectLabels     []string     `json:"rejectLabels,omitempty"`
	RejectType       string       `json:"rejectType,omitempty"`
	Comment          string       `json:"comment,omitempty"`
	Forced           string       `json:"forced,omitempty"` // the outcome that its external id asks for
	Note             string       `json:"note,omitempty"`
	Submits          int          `json:"submits"`
	Images           []imageEntry `json:"images"`
	ImageCount       int          `json:"imageCount"`
}

// imageEntry is an image of an actionEntry.
type imageEntry struct {
	ImageID   string `json:"imageId"`
	IDDocType string `json:"idDocType"`
	FileName  string `json:"fileName"`
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"`
	Kept      bool   `json:"kept"`
}

// entry returns an action for the stream. The mutex is held.
func (a *action) entry(number int) actionEntry {
	e := actionEntry{
		ID: a.id, Number: number, CreatedAt: a.created, ExternalActionID: a.externalActionID,
		ApplicantID: a.applicant.ID, ExternalUserID: a.applicant.ExternalUserID, LevelName: a.levelName, Kind: a.kind,
		Status: a.status, Submits: a.submits, Images: []imageEntry{}, ImageCount: len(a.images),
	}
	if a.status == statusCompleted {
		o := a.outcome
		e.Answer, e.RejectLabels, e.RejectType, e.Comment = o.Answer, o.RejectLabels, o.RejectType, o.ModerationComment
	}
	if a.forced != nil {
		e.Forced = a.forced.String()
	}
	if a.submits > 0 {
		e.Note = missingImage(a)
	}
	for _, i := range a.images[max(0, len(a.images)-maxStreamImages):] {
		e.Images = append(e.Images, imageEntry{
			strconv.FormatInt(i.imageID, 10), i.meta.IDDocType, i.fileName, i.mediaType, i.size, i.content != nil,
		})
	}
	return e
}

// streamMessage has what happened since the message before.
type streamMessage struct {
	Reset      bool            `json:"reset,omitempty"` // the console forgets everything before
	Settings   *settingsView   `json:"settings,omitempty"`
	Faults     string          `json:"faults"`
	Requests   []requestEntry  `json:"requests"`
	Total      int             `json:"total"` // requests since the start
	Actions    []actionEntry   `json:"actions"`
	Deliveries []deliveryEntry `json:"deliveries"`
}

// message returns what happened since a revision, and the revision that it reaches.
func (s *Server) message(since uint64) (streamMessage, uint64) {
	s.journal.mu.Lock()
	upTo, settings, cleared := s.journal.revision, s.journal.settings, s.journal.cleared
	s.journal.mu.Unlock()
	m := streamMessage{Reset: since == 0 || cleared > since, Faults: s.Faults(), Total: s.stats.requests()}
	from := since
	if m.Reset {
		from = 0
	}
	if m.Reset || settings > since {
		view := s.settings()
		m.Settings = &view
	}
	m.Requests, m.Deliveries = s.journal.requestsSince(from), s.journal.deliveriesSince(from)
	m.Actions = s.actionsSince(from)
	return m, upTo
}

// actionsSince returns those of the newest actions that have changed since a revision.
func (s *Server) actionsSince(revision uint64) []actionEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries := []actionEntry{}
	for i := max(0, len(s.created)-maxStreamActions); i < len(s.created); i++ {
		if a := s.created[i]; a.revision > revision || revision == 0 {
			entries = append(entries, a.entry(i+1))
		}
	}
	return entries
}

// serveStream sends server-sent events to the console. The first one has everything, the
// next ones have the changes. It sends at most one in 150 ms, so that a slow browser gets
// fewer and larger ones. Requests that are no longer kept are left out.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request) {
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		secure(refusal(http.StatusServiceUnavailable, "Too many consoles are open")).writeTo(w)
		return
	}
	defer s.streams.Add(-1)
	wake, stop := s.journal.watch()
	defer stop()
	p := secure(&reply{status: http.StatusOK, header: http.Header{}})
	p.with("Content-Type", "text/event-stream")
	p.head(w, -1)
	_, _ = io.WriteString(w, "retry: 500\n") // the pause in milliseconds before the browser connects again
	out := http.NewResponseController(w)
	var since uint64
	for {
		m, upTo := s.message(since)
		_ = out.SetWriteDeadline(time.Now().Add(streamTimeout)) // a connection without deadlines is an error here
		if _, err := w.Write(append(append([]byte("data: "), encodeJSON(m)...), "\n\n"...)); err != nil || out.Flush() != nil {
			return
		}
		since = max(upTo, 1)
		if !s.pause(r, streamPause, nil) || !s.pause(r, streamHeartbeat, wake) {
			return
		}
	}
}

// pause waits for a time or for a wake. It reports false if the console or the simulator
// is gone.
func (s *Server) pause(r *http.Request, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-r.Context().Done():
		return false
	case <-s.ctx.Done():
		return false
	}
	return true
}
