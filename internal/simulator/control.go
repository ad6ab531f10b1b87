package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// controlRoot is the path of the control API.
const controlRoot = "/_simulator/"

// maxControlBody bounds what the control API reads.
const maxControlBody = 64 << 10

// controlRoute is one call of the control API.
type controlRoute struct {
	method  string
	pattern string // {} stands for an id
	handle  func(*Server, *controlCall) *reply
}

// controlCall is a request for the control API.
type controlCall struct {
	ids   []string
	query url.Values
	body  []byte
}

// controlRoutes returns all calls but the stream and the files of the console. PUT means
// POST.
func controlRoutes() []controlRoute {
	return []controlRoute{
		{"GET", "", (*Server).controlState},
		{"GET", "applicants", (*Server).controlApplicants},
		{"POST", "applicants", (*Server).controlAddApplicant},
		{"GET", "levels", (*Server).controlLevels},
		{"POST", "levels", (*Server).controlAddLevel},
		{"GET", "outcome", (*Server).controlOutcome},
		{"POST", "outcome", (*Server).controlSetOutcome},
		{"GET", "faults", (*Server).controlFaults},
		{"POST", "faults", (*Server).controlSetFaults},
		{"DELETE", "faults", (*Server).controlEndFaults},
		{"GET", "clock", (*Server).controlClock},
		{"POST", "clock", (*Server).controlSetClock},
		{"GET", "actions", (*Server).controlActions},
		{"GET", "actions/{}", (*Server).controlAction},
		{"POST", "actions/{}/review", (*Server).controlReview},
		{"GET", "actions/{}/images/{}", (*Server).controlImage},
		{"POST", "tokens/{}/complete", (*Server).controlComplete},
		{"GET", "requests", (*Server).controlRequests},
		{"GET", "deliveries", (*Server).controlDeliveries},
		{"POST", "deliveries/{}/resend", (*Server).controlResend},
		{"POST", "events", (*Server).controlEvent},
		{"GET", "webhook-url", (*Server).controlWebhookURL},
		{"POST", "webhook-url", (*Server).controlSetWebhookURL},
		{"POST", "reset", (*Server).controlReset},
	}
}

// serveControl answers requests for the control API and for the console. They are not
// signed.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request, path string) {
	w.Header().Set("Date", s.date())
	p := s.refuseStranger(r, path)
	if p == nil && path == controlRoot+"stream" && r.Method == http.MethodGet {
		s.serveStream(w, r)
		return
	}
	if p == nil {
		p = s.controlReply(r, path)
	}
	secure(p).writeTo(w)
}

// secure adds the headers that keep out other pages and foreign scripts.
func secure(p *reply) *reply {
	if p.header.Get("Content-Security-Policy") == "" {
		p.with("Content-Security-Policy", consolePolicy)
	}
	p.with("Referrer-Policy", "no-referrer")
	p.with("Cache-Control", "no-store")
	p.with("Cross-Origin-Opener-Policy", "same-origin")
	return p.with("Cross-Origin-Resource-Policy", "same-origin")
}

// refuseStranger refuses requests that another page can send from the developer's browser. They
// have another Origin, or a Host that is not the simulator's: a name that was made to resolve to
// this machine.
func (s *Server) refuseStranger(r *http.Request, path string) *reply {
	if !s.isOwnHost(r) {
		return refusal(http.StatusForbidden, "This Host is not the simulator's own: ask under localhost or an IP address, or allow the name")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return refusal(http.StatusForbidden, "Requests from another site are refused")
		}
	}
	opened := r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && !strings.HasPrefix(path, controlRoot)
	switch site := r.Header.Get("Sec-Fetch-Site"); {
	case site == "", site == "same-origin", site == "none", opened: // links to the console are allowed
		return nil
	}
	return refusal(http.StatusForbidden, "Requests from another site are refused")
}

// isOwnHost reports whether the Host of a request is one of the simulator's. On loopback
// these are loopback names and addresses. If other machines are served, these are also
// all IP addresses, the name of this machine, and names that do not exist on the internet.
func (s *Server) isOwnHost(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	own := func(name string) bool { return strings.EqualFold(name, host) }
	if isLoopback(host) || strings.HasSuffix(host, ".localhost") || slices.ContainsFunc(s.cfg.AllowedHosts, own) {
		return true
	}
	remote := s.cfg.Remote
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && !local.IP.IsLoopback() {
		remote = true
	}
	if !remote || host == "" {
		return false
	}
	name, _ := os.Hostname()
	return net.ParseIP(host) != nil || own(name) || isNear(host)
}

func (s *Server) controlReply(r *http.Request, path string) *reply {
	name, below := strings.CutPrefix(path, controlRoot)
	if path == "" || path+"/" == controlRoot { // relative links need the last slash
		return (&reply{status: http.StatusPermanentRedirect, header: http.Header{}}).with("Location", s.cfg.PathPrefix+path+"/")
	}
	if !below || name == "console.js" || name == "console.css" {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return refusal(http.StatusMethodNotAllowed, "Method not allowed").with("Allow", "GET, HEAD")
		}
		if !below {
			name = "console.html"
		}
		return consoleFile(name)
	}
	method := r.Method
	switch method {
	case http.MethodPut:
		method = http.MethodPost
	case http.MethodHead:
		method = http.MethodGet
	}
	var allow []string
	for _, rt := range controlRoutes() {
		ids, ok := matchPath(rt.pattern, name)
		if !ok {
			continue
		}
		if rt.method != method {
			allow = append(allow, rt.method)
			continue
		}
		c, refused := readControl(r, ids)
		if refused != nil {
			return refused
		}
		return rt.handle(s, c)
	}
	if allow != nil {
		return refusal(http.StatusMethodNotAllowed, "Method not allowed").with("Allow", strings.Join(allow, ", "))
	}
	return refusal(http.StatusNotFound, "No such resource of the control API")
}

// matchPath reports whether a path matches a pattern, and returns what {} stands for.
func matchPath(pattern, path string) ([]string, bool) {
	want, given := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(given) {
		return nil, false
	}
	var ids []string
	for i, name := range want {
		if name != "{}" {
			if name != given[i] {
				return nil, false
			}
			continue
		}
		id, err := url.PathUnescape(given[i])
		if err != nil || id == "" {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, true
}

// readControl reads a request. From a browser it accepts JSON alone, which a form of
// another site cannot send.
func readControl(r *http.Request, ids []string) (*controlCall, *reply) {
	c := &controlCall{ids: ids, query: r.URL.Query()}
	if r.Body == nil {
		return c, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxControlBody+1))
	switch {
	case err != nil:
		return nil, refusal(http.StatusBadRequest, "The body cannot be read")
	case len(body) > maxControlBody:
		return nil, refusal(http.StatusRequestEntityTooLarge, fmt.Sprintf("Body above %d bytes", maxControlBody))
	}
	browser := r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if browser && len(body) > 0 && (err != nil || media != "application/json") {
		return nil, refusal(http.StatusUnsupportedMediaType, "Content-Type must be application/json")
	}
	c.body = body
	return c, nil
}

// decode decodes the body. The shape is an example for the error.
func (c *controlCall) decode(into any, shape string) *reply {
	decoder := json.NewDecoder(strings.NewReader(string(c.body)))
	decoder.DisallowUnknownFields()
	if decoder.Decode(into) != nil || decoder.Decode(new(json.RawMessage)) != io.EOF {
		return refusal(http.StatusBadRequest, "The body has to be JSON such as "+shape)
	}
	return nil
}

// text returns a body that is a text instead of a JSON object, as curl -d sends it. A
// JSON string is one too.
func (c *controlCall) text() (string, bool) {
	text := strings.TrimSpace(string(c.body))
	if text == "" || text[0] == '{' || text[0] == '[' {
		return "", false
	}
	if text[0] == '"' && json.Unmarshal([]byte(text), &text) != nil {
		return "", false
	}
	return text, true
}

// readText returns the one member of a body, or a body that is a text.
func (c *controlCall) readText(member, example string) (string, *reply) {
	if text, ok := c.text(); ok {
		return text, nil
	}
	shape := string(encodeJSON(map[string]string{member: example}))
	var body map[string]*string
	if refused := c.decode(&body, shape); refused != nil {
		return "", refused
	}
	if len(body) != 1 || body[member] == nil {
		return "", refusal(http.StatusBadRequest, "The body has to be JSON such as "+shape)
	}
	return *body[member], nil
}

// controlFailure returns the answer to a call that a method has refused.
func controlFailure(err error) *reply {
	text := strings.TrimPrefix(err.Error(), "simulator: ")
	return refusal(http.StatusBadRequest, strings.ToUpper(text[:1])+text[1:])
}

// items returns a list in the form of all lists of the control API.
func items(v any) *reply { return answer(map[string]any{"items": v}) }

// maxListing bounds the bytes of a list whose items may be large.
const maxListing = 8 << 20

// lastItems returns the last items of a list, as many as maxListing allows, and how many
// there are.
func lastItems(total int, item func(int) any) *reply {
	list, size := []json.RawMessage{}, 0
	for i := total - 1; i >= 0; i-- {
		text := encodeJSON(item(i))
		if size += len(text); size > maxListing && len(list) > 0 {
			break
		}
		list = append(list, text)
	}
	slices.Reverse(list)
	return answer(map[string]any{"items": list, "total": total})
}

func (s *Server) controlState(*controlCall) *reply { return answer(s.settings()) }

func (s *Server) controlApplicants(*controlCall) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.SortedFunc(maps.Values(s.applicants), func(a, b *applicant) int { return strings.Compare(a.ID, b.ID) })
	return lastItems(len(all), func(i int) any { return all[i].wireApplicant })
}

func (s *Server) controlAddApplicant(c *controlCall) *reply {
	if err := s.AddApplicantJSON(c.body); err != nil {
		return controlFailure(err)
	}
	var given struct{ ID string }
	_ = json.Unmarshal(c.body, &given) // it was decoded before
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.applicants[given.ID]; a != nil {
		return answer(a.wireApplicant)
	}
	return refusal(http.StatusConflict, "The applicant was forgotten by a reset")
}

// controlLevel is a level of the control API.
type controlLevel struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

func (s *Server) controlLevels(*controlCall) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	return items(s.levelList())
}

// levelList returns the known levels by name. The mutex is held.
func (s *Server) levelList() []controlLevel {
	list := make([]controlLevel, 0, len(s.levels))
	for name, kind := range s.levels {
		list = append(list, controlLevel{name, kind})
	}
	slices.SortFunc(list, func(a, b controlLevel) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (s *Server) controlAddLevel(c *controlCall) *reply {
	var level controlLevel
	if refused := c.decode(&level, `{"name":"my-level","type":"selfieAuth"}`); refused != nil {
		return refused
	}
	if level.Type == "" {
		level.Type = ActionFaceAuth
	}
	if err := s.AddLevel(level.Name, level.Type); err != nil {
		return controlFailure(err)
	}
	return answer(level)
}

// controlOutcomeBody is an outcome: the text of a flag, or the members of the
// service's reviewResult.
type controlOutcomeBody struct {
	Outcome           string   `json:"outcome"`
	ReviewAnswer      string   `json:"reviewAnswer,omitempty"`
	RejectLabels      []string `json:"rejectLabels,omitempty"`
	ReviewRejectType  string   `json:"reviewRejectType,omitempty"`
	ModerationComment string   `json:"moderationComment,omitempty"`
	ClientComment     string   `json:"clientComment,omitempty"`
}

// readOutcome reads an outcome from the body.
func (c *controlCall) readOutcome() (Outcome, *reply) {
	if text, ok := c.text(); ok {
		outcome, err := ParseOutcome(text)
		if err != nil {
			return Outcome{}, controlFailure(err)
		}
		return outcome, nil
	}
	var body controlOutcomeBody
	const shape = `{"outcome":"RED:FORGERY"} or {"reviewAnswer":"RED","rejectLabels":["FORGERY"],"reviewRejectType":"FINAL"}`
	if refused := c.decode(&body, shape); refused != nil {
		return Outcome{}, refused
	}
	if body.Outcome == "" && body.ReviewAnswer == "" {
		return Outcome{}, refusal(http.StatusBadRequest, "The body has neither outcome nor reviewAnswer")
	}
	outcome := Outcome{Answer: body.ReviewAnswer, RejectLabels: body.RejectLabels, RejectType: body.ReviewRejectType}
	if body.Outcome != "" {
		if body.ReviewAnswer != "" || body.RejectLabels != nil || body.ReviewRejectType != "" {
			return Outcome{}, refusal(http.StatusBadRequest, "The body has both outcome and members of a review result")
		}
		var err error
		if outcome, err = ParseOutcome(body.Outcome); err != nil {
			return Outcome{}, controlFailure(err)
		}
	}
	outcome.ModerationComment, outcome.ClientComment = body.ModerationComment, body.ClientComment
	if len(outcome.RejectLabels) > 100 || len(outcome.ModerationComment)+len(outcome.ClientComment) > 4096 {
		return Outcome{}, refusal(http.StatusBadRequest, "Too many labels, or a comment that is too long")
	}
	return outcome, nil
}

func (o Outcome) controlBody() controlOutcomeBody {
	return controlOutcomeBody{o.String(), o.Answer, o.RejectLabels, o.RejectType, o.ModerationComment, o.ClientComment}
}

func (s *Server) controlOutcome(*controlCall) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	return answer(s.outcome.controlBody())
}

func (s *Server) controlSetOutcome(c *controlCall) *reply {
	o, refused := c.readOutcome()
	if refused != nil {
		return refused
	}
	if err := s.SetOutcome(o); err != nil {
		return controlFailure(err)
	}
	return s.controlOutcome(c)
}

func (s *Server) controlFaults(*controlCall) *reply {
	return answer(map[string]string{"faults": s.Faults()})
}

func (s *Server) controlSetFaults(c *controlCall) *reply {
	text, refused := c.readText("faults", "429:2=0.1,reset-after@CreateAction#1")
	if refused != nil {
		return refused
	}
	faults, err := ParseFaults(text)
	if err == nil {
		err = s.SetFaults(faults)
	}
	if err != nil {
		return controlFailure(err)
	}
	return s.controlFaults(c)
}

func (s *Server) controlEndFaults(c *controlCall) *reply {
	_ = s.SetFaults(nil) // nil is always valid
	return s.controlFaults(c)
}

func (s *Server) controlClock(*controlCall) *reply {
	return answer(map[string]any{"time": s.now(), "offset": s.clockOffset().String()})
}

// clockOffset returns the distance of the clock from that of the Config, in whole
// milliseconds.
func (s *Server) clockOffset() time.Duration {
	return s.now().Sub(s.cfg.Clock()).Round(time.Millisecond)
}

func (s *Server) controlSetClock(c *controlCall) *reply {
	text, refused := c.readText("offset", "-5m")
	if refused != nil {
		return refused
	}
	offset, err := time.ParseDuration(text)
	if err != nil {
		return refusal(http.StatusBadRequest, "The offset is not a duration such as -5m")
	}
	base := s.cfg.Clock
	_ = s.SetClock(func() time.Time { return base().Add(offset) }) // the clock is not nil
	return s.controlClock(c)
}

// controlActionView is an action as GET …/one shows it, with more members.
type controlActionView struct {
	wireAction

	ExternalUserID string `json:"externalUserId"`
	Submits        int    `json:"submits"`
	Reviews        int    `json:"reviews"`
}

// ActionsJSON returns the actions of an applicant, or all actions if the id is empty. They
// are a JSON array in order of creation.
func (s *Server) ActionsJSON(applicantID string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return encodeJSON(s.actionViews(applicantID))
}

// actionViews returns the actions of an applicant, or all. The mutex is held.
func (s *Server) actionViews(applicantID string) []controlActionView {
	views := []controlActionView{}
	for _, a := range s.actionsOf(applicantID) {
		views = append(views, s.actionView(a))
	}
	return views
}

// actionsOf returns the actions of an applicant, or all. The mutex is held.
func (s *Server) actionsOf(applicantID string) []*action {
	if applicantID == "" {
		return s.created
	}
	if a := s.applicants[applicantID]; a != nil {
		return a.actions
	}
	return nil
}

func (s *Server) actionView(a *action) controlActionView {
	return controlActionView{s.wire(a), a.applicant.ExternalUserID, a.submits, a.reviews}
}

func (s *Server) controlActions(c *controlCall) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.actionsOf(c.query.Get("applicantId"))
	return lastItems(len(all), func(i int) any { return s.actionView(all[i]) })
}

func (s *Server) controlAction(c *controlCall) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actions[c.ids[0]]
	if a == nil {
		return refusal(http.StatusNotFound, "Action not found")
	}
	return answer(s.actionView(a))
}

func (s *Server) controlReview(c *controlCall) *reply {
	o, refused := c.readOutcome()
	if refused != nil {
		return refused
	}
	if err := o.complete(); err != nil {
		return controlFailure(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actions[c.ids[0]]
	if a == nil {
		return refusal(http.StatusNotFound, "Action not found")
	}
	s.decide(a, o)
	return answer(s.actionView(a))
}

// controlImage returns an image for the console. Other files than pictures are
// downloads. The browser runs none of them as a page.
func (s *Server) controlImage(c *controlCall) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actions[c.ids[0]]
	if a == nil {
		return refusal(http.StatusNotFound, "Action not found")
	}
	for _, i := range a.images {
		if strconv.FormatInt(i.imageID, 10) != c.ids[1] {
			continue
		}
		if i.content == nil {
			return refusal(http.StatusGone, "The simulator had no memory to keep this image")
		}
		p := &reply{status: http.StatusOK, header: http.Header{}, body: i.content}
		p.with("Content-Security-Policy", "default-src 'none'; sandbox")
		if kind := fileKind(i.mediaType); kind == "jpg" || kind == "png" {
			return p.with("Content-Type", i.mediaType)
		}
		return p.with("Content-Type", "application/octet-stream").with("Content-Disposition", "attachment")
	}
	return refusal(http.StatusNotFound, "Image not found")
}

func (s *Server) controlComplete(c *controlCall) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, refused := s.completeWithToken(c.ids[0])
	if refused != nil {
		return refused
	}
	return answer(s.actionView(a))
}

func (s *Server) controlRequests(c *controlCall) *reply {
	list := s.journal.requestsSince(0)
	if operation := c.query.Get("operation"); operation != "" {
		list = slices.DeleteFunc(list, func(e requestEntry) bool { return e.Operation != operation })
	}
	counts := s.stats.copy().ByOperation
	if counts == nil {
		counts = map[string]int{}
	}
	return answer(map[string]any{"items": list, "counts": counts})
}

func (s *Server) controlDeliveries(*controlCall) *reply {
	return items(s.journal.deliveriesSince(0))
}

func (s *Server) controlResend(c *controlCall) *reply {
	number, err := strconv.ParseUint(c.ids[0], 10, 64)
	if err != nil {
		return refusal(http.StatusNotFound, "Deliveries have numbers")
	}
	if _, ok := s.journal.find(number); !ok {
		return refusal(http.StatusNotFound, fmt.Sprintf("There is no delivery %d, or %d others came since", number, maxEntries))
	}
	if err := s.courier.resend(number); err != nil {
		return controlConflict(err)
	}
	return accepted(number)
}

// accepted returns the answer to a call that sends a delivery.
func accepted(number uint64) *reply {
	return jsonReply(http.StatusAccepted, map[string]uint64{"n": number})
}

func controlConflict(err error) *reply {
	p := controlFailure(err)
	return refusal(http.StatusConflict, p.text)
}

// errNoWebhookURL is the error of calls that need a webhook URL.
const errNoWebhookURL = "there is no webhook URL to send it to"

// SendEvent sends a webhook with the given body, signed. It is sent again as every other
// webhook is. SendEvent returns the number of the delivery.
func (s *Server) SendEvent(body []byte) (uint64, error) {
	var event struct {
		Type              string `json:"type"`
		ApplicantActionID string `json:"applicantActionId"`
	}
	if json.Unmarshal(body, &event) != nil || event.Type == "" {
		return 0, errors.New("simulator: an event is a JSON object with a type")
	}
	if s.courier.target() == "" {
		return 0, errors.New("simulator: " + errNoWebhookURL)
	}
	return s.courier.sendOne(delivery{kind: event.Type, actionID: event.ApplicantActionID, body: string(body)})
}

func (s *Server) controlEvent(c *controlCall) *reply {
	number, err := s.SendEvent(c.body)
	switch {
	case err == nil:
		return accepted(number)
	case s.courier.target() == "":
		return controlConflict(err)
	}
	return controlFailure(err)
}

// SetWebhookURL changes where deliveries go. Deliveries that wait go there too. With an
// empty URL no further events are delivered.
func (s *Server) SetWebhookURL(text string) error {
	if s.cfg.WebhookHandler != nil {
		return errors.New("simulator: webhooks are delivered in memory")
	}
	if text != "" {
		if err := checkWebhookURL(text, s.cfg.Remote); err != nil {
			return fmt.Errorf("simulator: %w", err)
		}
	}
	s.courier.setTarget(text)
	s.journal.settingsChanged()
	return nil
}

func (s *Server) controlWebhookURL(*controlCall) *reply {
	return answer(map[string]string{"url": s.courier.target()})
}

func (s *Server) controlSetWebhookURL(c *controlCall) *reply {
	text, refused := c.readText("url", "http://127.0.0.1:8080/webhooks")
	if refused != nil {
		return refused
	}
	if err := s.SetWebhookURL(text); err != nil {
		return controlFailure(err)
	}
	return s.controlWebhookURL(c)
}

func (s *Server) controlReset(*controlCall) *reply {
	s.Reset()
	return answer(map[string]bool{"ok": true})
}
