package simulator

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// call is a request that was read to its end.
type call struct {
	request *http.Request
	ids     []string // the ids in place of {} in the pattern
	query   url.Values
	body    []byte
	upload  *upload
	size    int64  // the size of the body
	note    string // tells people why the call will not do what they expect
}

// route is one of the ten calls.
type route struct {
	operation string
	method    string
	pattern   string // {} stands for an id
	multipart bool
	binary    bool
	handle    func(*Server, *call) *reply
}

var routes = []route{
	{
		operation: "CreateAction", method: "POST", pattern: "/resources/applicantActions/-/forApplicant/{}",
		handle: (*Server).createAction,
	},
	{
		operation: "CreateWebSDKLink", method: "POST", pattern: "/resources/sdkIntegrations/levels/{}/websdkLink",
		handle: (*Server).createLink,
	},
	{
		operation: "AddImage", method: "POST", pattern: "/resources/applicantActions/{}/images", multipart: true,
		handle: (*Server).addImage,
	},
	{
		operation: "SubmitAction", method: "POST", pattern: "/resources/applicantActions/{}/review/status/pending",
		handle: (*Server).submitAction,
	},
	{
		operation: "GetAction", method: "GET", pattern: "/resources/applicantActions/{}/one",
		handle: (*Server).getAction,
	},
	{
		operation: "ListActions", method: "GET", pattern: "/resources/applicantActions/-;applicantId={}",
		handle: (*Server).listActions,
	},
	{
		operation: "OpenImage", method: "GET", pattern: "/resources/applicantActions/{}/images/{}", binary: true,
		handle: (*Server).openImage,
	},
	{
		operation: "CreateAccessToken", method: "POST", pattern: "/resources/accessTokens",
		handle: (*Server).createAccessToken,
	},
	{
		operation: "FindApplicant", method: "GET", pattern: "/resources/applicants/-;externalUserId={}/one",
		handle: (*Server).getApplicantOfUser,
	},
	{
		operation: "GetApplicant", method: "GET", pattern: "/resources/applicants/{}/one",
		handle: (*Server).getApplicant,
	},
}

// unknownRoute stands for every other path.
var unknownRoute = route{operation: "Unknown"}

// serveCall answers a request for the API: reads it, checks its signature,
// does what it asks for, and injects a fault where one is due.
func (s *Server) serveCall(w http.ResponseWriter, r *http.Request, path string) {
	rt, ids := findRoute(path)
	out := &exchange{server: s, w: w, r: r, record: Request{
		Operation: rt.operation, Method: r.Method, Target: requestTarget(r), Signature: VerdictUnsigned,
	}}
	defer func() {
		out.book(0)
		if out.abort {
			panic(http.ErrAbortHandler)
		}
	}()
	w.Header().Set("Date", s.date())
	if out.refuseLongTarget() {
		return
	}

	fault := s.faults.draw(rt.operation)
	if fault.early() {
		out.record.Fault = fault.Kind
		out.inject(fault, nil)
		return
	}
	body := s.newSignedBody(r)
	c, malformed := s.read(r, rt, body)
	c.ids = ids
	if c.upload != nil {
		defer c.upload.release(&s.images)
	}
	switch {
	case errors.Is(body.err, errBodyTooLarge): // the signature cannot be judged
		out.write(malformed)
		return
	case body.err != nil: // the client has gone, or its request is not valid HTTP
		out.abort = true
		return
	}
	var p *reply
	if out.record.Signature, p = s.authorize(r, body); p != nil {
		if out.record.Signature == VerdictSignature {
			out.record.StringToSign = body.stringToSign()
			out.record.Note = s.explainSignature(r, c)
		}
		out.write(s.quirkAfter(rt, c, p))
		return
	}
	out.record.Fault = fault.Kind
	if fault.beforeEffect() {
		out.inject(fault, nil)
		return
	}
	p = s.perform(rt, c, malformed)
	out.record.Note = c.note
	out.inject(fault, p)
}

// perform carries out an authentic call and returns its answer.
func (s *Server) perform(rt *route, c *call, malformed *reply) *reply {
	p := rt.check(c, s.cfg.Strict)
	if p == nil {
		p = malformed
	}
	if p == nil {
		p = s.quirkInstead(rt, c)
	}
	if p == nil {
		p = rt.handle(s, c)
	}
	return s.quirkAfter(rt, c, p)
}

// refuseLongTarget answers 414 to a long request URI, since the journal stores it. It reports
// whether it has answered.
func (x *exchange) refuseLongTarget() bool {
	if len(x.record.Target) <= maxTarget {
		return false
	}
	x.record.Target = shorten(x.record.Target, 100)
	x.write(refusal(http.StatusRequestURITooLong, fmt.Sprintf("Request target above %d bytes", maxTarget)).with("Connection", "close"))
	return true
}

// shorten returns the first bytes of a text that is too long.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most] + "..."
}

// finish counts a request and tells the journal and the hook.
func (s *Server) finish(record Request) {
	record.Method, record.Target = shorten(record.Method, 100), shorten(record.Target, maxTarget)
	s.stats.request(record)
	s.journal.request(record, s.now())
	if s.cfg.OnRequest != nil {
		s.cfg.OnRequest(record)
	}
}

// read reads a request to its last byte. It returns a reply for a malformed body. The
// caller checks the signature before it sends that.
func (s *Server) read(r *http.Request, rt *route, body *signedBody) (*call, *reply) {
	c := &call{request: r}
	var malformed *reply
	boundary, ok := multipartBoundary(r)
	switch {
	case rt.multipart && ok:
		c.upload, malformed = s.readUpload(r, body, boundary)
	case rt.multipart:
		malformed = refusal(http.StatusBadRequest, "Multipart body without a boundary")
	default:
		c.body, _ = io.ReadAll(io.LimitReader(body, maxJSONBody+1))
		if len(c.body) > maxJSONBody {
			malformed = refusal(http.StatusRequestEntityTooLarge, fmt.Sprintf("JSON body above %d bytes", maxJSONBody))
		}
	}
	body.drain()
	c.size = body.size
	if errors.Is(body.err, errBodyTooLarge) {
		text := fmt.Sprintf("Body above %d bytes", s.cfg.Limits.RequestBody)
		malformed = refusal(http.StatusRequestEntityTooLarge, text).with("Connection", "close")
	}
	return c, malformed
}

// check refuses a call with a wrong method, Content-Type, Accept or query.
func (rt *route) check(c *call, strict bool) *reply {
	r := c.request
	if rt.handle == nil {
		return refusal(http.StatusNotFound, "No such resource")
	}
	if r.Method != rt.method {
		return refusal(http.StatusMethodNotAllowed, "Method not allowed").with("Allow", rt.method)
	}
	if r.Method == http.MethodPost && (strict || rt.multipart || c.size > 0) {
		want := "application/json"
		if rt.multipart {
			want = "multipart/form-data"
		}
		if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != want {
			return refusal(http.StatusUnsupportedMediaType, "Content-Type must be "+want)
		}
	}
	switch {
	case rt.binary && acceptsJSON(r, true):
		return refusal(http.StatusMethodNotAllowed, "This answer is binary: leave out Accept: application/json")
	case !rt.binary && !acceptsJSON(r, strict):
		return refusal(http.StatusMethodNotAllowed, "Add the header Accept: application/json")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refusal(http.StatusBadRequest, "Malformed query")
	}
	for name, values := range query {
		if len(values) > 1 {
			return refusal(http.StatusBadRequest, "Parameter "+name+" is given more than once")
		}
		if len(values[0]) > maxName {
			return refusal(http.StatusBadRequest, "Parameter "+shorten(name, 100)+" has "+tooLong)
		}
	}
	for _, id := range c.ids {
		if len(id) > maxName {
			return refusal(http.StatusBadRequest, "An id or name in the path has "+tooLong)
		}
	}
	c.query = query
	return nil
}

// createRequest is the body of a create.
type createRequest struct {
	ExternalActionID string          `json:"externalActionId"`
	Email            string          `json:"email"`
	Phone            string          `json:"phone"`
	Questionnaires   json.RawMessage `json:"questionnaires"` // kept as they are, since null, value and values differ
	PaymentMethod    json.RawMessage `json:"paymentMethod"`
	PaymentSource    json.RawMessage `json:"paymentSource"`
}

func (s *Server) createAction(c *call) *reply {
	level := c.query.Get("levelName")
	if level == "" {
		return refusal(http.StatusBadRequest, "Parameter levelName is required")
	}
	var request createRequest
	if err := json.Unmarshal(c.body, &request); err != nil {
		return refusal(http.StatusBadRequest, "Body is not a JSON object of the expected kind")
	}
	if request.ExternalActionID == "" {
		return refusal(http.StatusBadRequest, "Field externalActionId is required")
	}
	if len(request.ExternalActionID) > maxName {
		return refusal(http.StatusBadRequest, "Field externalActionId has "+tooLong)
	}
	if wrong := checkQuestionnaires(request.Questionnaires); wrong != "" {
		return refusal(http.StatusBadRequest, wrong)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	owner, refused := s.findApplicant(c.ids[0])
	if refused != nil {
		return refused
	}
	if s.cfg.Quirks.ConflictOnDuplicate && s.findAction(owner, request.ExternalActionID) != nil {
		return refusal(http.StatusConflict, "Action with this externalActionId already exists")
	}
	a, refused := s.newAction(owner, level, request, c.body)
	if refused != nil {
		return refused
	}
	return s.actionAnswer(a)
}

// newAction adds an action. The mutex is held.
func (s *Server) newAction(owner *applicant, level string, request createRequest, body []byte) (*action, *reply) {
	kind, refused := s.levelKind(level, len(request.Questionnaires) > 0)
	if refused != nil {
		return nil, refused
	}
	forced, err := suffixOutcome(request.ExternalActionID)
	if err != nil {
		return nil, refusal(http.StatusBadRequest, err.Error())
	}
	size := int64(max(len(body), len(request.ExternalActionID)) + len(level))
	if len(s.created) >= s.cfg.Limits.Actions || s.actionBytes+size > s.cfg.Limits.ActionMemory {
		return nil, refusal(http.StatusBadRequest, "The simulator is full: it keeps no more actions. POST "+controlRoot+"reset empties it")
	}
	s.actionBytes += size
	now := s.now()
	a := &action{
		id: s.ids.object(now), externalActionID: request.ExternalActionID, levelName: level, kind: kind,
		applicant: owner, request: request, body: slices.Clip(body), created: now,
		reviewID: s.ids.attempt(), attemptID: s.ids.attempt(), status: statusInit, forced: forced,
	}
	s.actions[a.id] = a
	s.created = append(s.created, a)
	owner.actions = append(owner.actions, a)
	s.changed(a)
	return a, nil
}

// findAction returns the newest action of an applicant with an external id, or nil. The
// mutex is held.
func (s *Server) findAction(owner *applicant, externalActionID string) *action {
	for _, a := range slices.Backward(owner.actions) {
		if a.externalActionID == externalActionID {
			return a
		}
	}
	return nil
}

// actionAnswer returns the answer of create and submit. IDnGO documents none. The mutex
// is held.
func (s *Server) actionAnswer(a *action) *reply {
	switch {
	case s.cfg.Quirks.EmptyAnswers:
		return answer(nil)
	case s.cfg.Quirks.OKAnswers:
		return answer(map[string]int{"ok": 1})
	default:
		return answer(s.wire(a))
	}
}

func (s *Server) submitAction(c *call) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actions[c.ids[0]]
	if a == nil {
		return refusal(http.StatusNotFound, "Action not found")
	}
	a.submits++
	started := a.status == statusInit
	if started {
		c.note = missingImage(a)
		s.startReview(a)
	}
	p := s.actionAnswer(a)
	if started {
		s.reviewAtOnce(a)
	}
	s.changed(a)
	return p
}

func (s *Server) getAction(c *call) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actions[c.ids[0]]
	if a == nil {
		return refusal(http.StatusNotFound, "Action not found")
	}
	return answer(s.wire(a))
}

func (s *Server) listActions(c *call) *reply {
	limit, refused := number(c.query, "limit", 1000, 0)
	if refused != nil {
		return refused
	}
	offset, refused := number(c.query, "offset", 10, 0) // the default of the specification
	if refused != nil {
		return refused
	}
	order := c.query.Get("order")
	if order != "" && order != "-createdAt" && order != "createdAt" {
		return refusal(http.StatusBadRequest, "Parameter order is neither -createdAt nor createdAt")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	owner, refused := s.findApplicant(c.ids[0])
	if refused != nil {
		return refused
	}
	all := owner.actions
	page := wirePage{Items: []wireAction{}, TotalItems: len(all)}
	for i := offset; i < len(all) && len(page.Items) < limit; i++ {
		a := all[len(all)-1-i]
		if order == "createdAt" {
			a = all[i]
		}
		item := s.wire(a)
		if s.cfg.Quirks.ListWithoutExternalIDs {
			item.ExternalActionID = ""
		}
		page.Items = append(page.Items, item)
	}
	if s.cfg.Quirks.BareList {
		return answer(page)
	}
	return answer(map[string]wirePage{"list": page})
}

func (s *Server) createAccessToken(c *call) *reply {
	t, refused := s.newTicket(c, c.query.Get("levelName"), "userId", 600)
	if refused != nil {
		return refused
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	token := "_act-sbx-" + newUUID()
	s.tokens.add(token, t)
	return answer(struct {
		Token            string `json:"token"`
		UserID           string `json:"userId"`
		ExternalActionID string `json:"externalActionId,omitempty"`
	}{token, t.user, t.externalActionID})
}

func (s *Server) createLink(c *call) *reply {
	t, refused := s.newTicket(c, c.ids[0], "externalUserId", 1800)
	if refused != nil {
		return refused
	}
	if t.externalActionID == "" {
		return refusal(http.StatusBadRequest, "Parameter externalActionId is required for a level of actions")
	}
	code := rand.Text()
	link := s.linkBase(c.request) + pageRoot + "#/" + code
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links.add(code, t)
	return answer(map[string]string{"url": link})
}

// NewLink makes a WebSDK link below a base URL, without a request.
func (s *Server) NewLink(baseURL, level, externalUserID, externalActionID string, ttl time.Duration) (string, error) {
	if level == "" || externalUserID == "" || externalActionID == "" {
		return "", errors.New("simulator: NewLink: the level, the user or the external id is empty")
	}
	for _, name := range []string{level, externalUserID, externalActionID} {
		if !isName(name) {
			return "", errors.New("simulator: NewLink: the level, the user or the external id has " + notName)
		}
	}
	if _, err := suffixOutcome(externalActionID); err != nil {
		return "", fmt.Errorf("simulator: NewLink: %w", err)
	}
	code := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links.add(code, ticket{
		user: externalUserID, externalActionID: externalActionID, levelName: level, expires: s.now().Add(ttl),
	})
	return baseURL + pageRoot + "#/" + code, nil
}

// newTicket reads the query that tokens and links have in common.
func (s *Server) newTicket(c *call, level, userParameter string, defaultTTL int) (ticket, *reply) {
	user := c.query.Get(userParameter)
	if user == "" {
		return ticket{}, refusal(http.StatusBadRequest, "Parameter "+userParameter+" is required")
	}
	if level == "" {
		return ticket{}, refusal(http.StatusBadRequest, "Parameter levelName is required")
	}
	ttl, refused := number(c.query, "ttlInSecs", defaultTTL, 1)
	if refused != nil {
		return ticket{}, refused
	}
	if _, err := suffixOutcome(c.query.Get("externalActionId")); err != nil {
		return ticket{}, refusal(http.StatusBadRequest, err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, refused := s.levelKind(level, false); refused != nil {
		return ticket{}, refused
	}
	if _, refused := s.findUser(user); refused != nil {
		return ticket{}, refused
	}
	return ticket{
		user: user, externalActionID: c.query.Get("externalActionId"), levelName: level,
		locale: c.query.Get("locale"), expires: s.now().Add(time.Duration(ttl) * time.Second),
	}, nil
}

// checkQuestionnaires returns what is wrong with questionnaires, or "". An item has a
// value, values or an explicit null.
func checkQuestionnaires(raw json.RawMessage) string {
	if raw == nil {
		return ""
	}
	var list []struct {
		ID       string `json:"id"`
		Sections map[string]struct {
			Items map[string]map[string]json.RawMessage `json:"items"`
		} `json:"sections"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return "Field questionnaires is not of the expected kind"
	}
	for _, q := range list {
		if q.ID == "" {
			return "A questionnaire has no id"
		}
		for _, section := range q.Sections {
			for _, item := range section.Items {
				var value *string
				var values []string
				one, hasValue := item["value"]
				many, hasValues := item["values"]
				switch {
				case hasValue == hasValues:
					return "A questionnaire item has either value or values"
				case hasValue && json.Unmarshal(one, &value) != nil:
					return "A questionnaire value is a string or null"
				case hasValues && json.Unmarshal(many, &values) != nil:
					return "Questionnaire values are strings"
				}
			}
		}
	}
	return ""
}

// isName reports whether a program can add an id, an external id or a name. A request may
// have one that is not UTF-8.
func isName(text string) bool { return len(text) <= maxName && utf8.ValidString(text) }

// These are the texts of errors about names.
const (
	tooLong = "more than 4096 bytes"
	notName = tooLong + " or is not UTF-8"
)

// findRoute matches an escaped path. An id ends at a raw semicolon, as with
// every server that has matrix parameters. Matrix parameters without an id are no id.
func findRoute(path string) (*route, []string) {
	given := strings.Split(path, "/")
	for i := range routes {
		if ids, ok := routes[i].match(given); ok {
			return &routes[i], ids
		}
	}
	return &unknownRoute, nil
}

func (rt *route) match(given []string) ([]string, bool) {
	pattern := strings.Split(rt.pattern, "/")
	if len(pattern) != len(given) {
		return nil, false
	}
	var ids []string
	for i, want := range pattern {
		literal, takesID := strings.CutSuffix(want, "{}")
		rest, ok := strings.CutPrefix(given[i], literal)
		if !ok || !takesID && rest != "" {
			return nil, false
		}
		if takesID {
			if literal == "" && strings.HasPrefix(rest, "-;") {
				return nil, false
			}
			rest, _, _ = strings.Cut(rest, ";")
			id, err := url.PathUnescape(rest)
			if err != nil || id == "" {
				return nil, false
			}
			ids = append(ids, id)
		}
	}
	return ids, true
}

// number returns a parameter that is a whole number of at least least.
func number(query url.Values, name string, absent, least int) (int, *reply) {
	if !query.Has(name) {
		return absent, nil
	}
	n, err := strconv.ParseUint(query.Get(name), 10, 31)
	if err != nil || int(n) < least {
		return 0, refusal(http.StatusBadRequest, fmt.Sprintf("Parameter %s is not a whole number from %d up", name, least))
	}
	return int(n), nil
}

// acceptsJSON reports whether the Accept header allows JSON. With named, a wildcard does
// not count: the vendor's FAQ answers 405 to it.
func acceptsJSON(r *http.Request, named bool) bool {
	values := r.Header.Values("Accept")
	if len(values) == 0 {
		return !named
	}
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		media, _, err := mime.ParseMediaType(part)
		if err == nil && (media == "application/json" || !named && (media == "*/*" || media == "application/*")) {
			return true
		}
	}
	return false
}
