package simulator

import (
	"embed"
	"encoding/json"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"unicode/utf8"
)

// pageRoot is the path of the page behind links. The code is in the fragment.
const pageRoot = "/idensic/l/"

// pagePolicy allows content of the simulator only, and no script or style inside the page. The icon
// is an empty data URL, so that the browser asks for none.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed page
var pageFiles embed.FS

// pageLabels are the labels that the page offers for a rejection. The first one is preselected.
var pageLabels = []string{
	"BAD_FACE_MATCHING", "FRAUDULENT_LIVENESS", "BAD_SELFIE", "SELFIE_MISMATCH", "NOT_ALONE", "FRAUDULENT_PATTERNS", "OTHER",
}

// pageRequest is the request of the page's script.
type pageRequest struct {
	Code         string   `json:"code"`
	Outcome      string   `json:"outcome"` // approve, reject, error, hold
	RejectLabels []string `json:"rejectLabels"`
	Final        bool     `json:"final"`
	Comment      string   `json:"comment"`
}

// pageView is the content of the page.
type pageView struct {
	ApplicantID      string   `json:"applicantId"`
	ExternalUserID   string   `json:"externalUserId"`
	ActionID         string   `json:"actionId"`
	ExternalActionID string   `json:"externalActionId"`
	LevelName        string   `json:"levelName"`
	Asks             string   `json:"asks"` // the material that the level asks for
	ReviewStatus     string   `json:"reviewStatus"`
	ReviewAnswer     string   `json:"reviewAnswer,omitempty"`
	RejectLabels     []string `json:"rejectLabels,omitempty"`
	Labels           []string `json:"labels"`
}

// servePage answers requests below pageRoot. They are not signed: the code of the link is
// the key.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request, name string) {
	p := s.pageReply(r, name)
	s.finish(Request{Operation: "Page", Method: r.Method, Target: requestTarget(r), Status: p.status, Signature: VerdictUnsigned})
	p.with("Date", s.date())
	p.with("Content-Security-Policy", pagePolicy)
	p.with("Referrer-Policy", "no-referrer")
	p.with("Cache-Control", "no-store")
	p.with("Cross-Origin-Opener-Policy", "same-origin")
	p.with("Cross-Origin-Resource-Policy", "same-origin")
	p.writeTo(w)
}

func (s *Server) pageReply(r *http.Request, name string) *reply {
	switch name {
	case "", "page.js", "page.css":
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return refusal(http.StatusMethodNotAllowed, "Method not allowed").with("Allow", "GET, HEAD")
		}
		return pageFile(name)
	case "api/session":
		return s.pageCall(r, nil)
	case "api/decision":
		return s.pageCall(r, pageRequest.decide)
	default:
		return refusal(http.StatusNotFound, "No such page")
	}
}

func pageFile(name string) *reply {
	if name == "" {
		name = "page.html"
	}
	content, err := fs.ReadFile(pageFiles, "page/"+name)
	if err != nil {
		panic("simulator: " + err.Error()) // the files are embedded, so this never happens
	}
	p := &reply{status: http.StatusOK, header: http.Header{}, body: [][]byte{content}}
	return p.with("Content-Type", fileType(name)+"; charset=utf-8")
}

// pageCall opens the action of a link, and decides it if decide is not nil.
func (s *Server) pageCall(r *http.Request, decide func(pageRequest) (Outcome, *reply)) *reply {
	request, refused := readPageRequest(r)
	if refused != nil {
		return refused
	}
	var outcome Outcome
	if decide != nil {
		if outcome, refused = decide(request); refused != nil {
			return refused
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, state := s.links.find(request.Code, s.now())
	switch state {
	case ticketUnknown:
		return refusal(http.StatusNotFound, "This link is not known here. Links end when the simulator is restarted: ask for a new one.")
	case ticketExpired:
		return refusal(http.StatusGone, "This link has expired. Ask for a new one.")
	}
	a, refused := s.openTicket(t)
	if refused != nil {
		return refused
	}
	owner := a.applicant
	if decide != nil {
		s.decide(a, outcome)
	}
	view := pageView{
		ApplicantID: owner.ID, ExternalUserID: owner.ExternalUserID, ActionID: a.id,
		ExternalActionID: a.externalActionID, LevelName: a.levelName, ReviewStatus: a.status, Labels: pageLabels, Asks: asksFor(a),
	}
	if a.status == statusCompleted {
		view.ReviewAnswer, view.RejectLabels = a.outcome.Answer, a.outcome.RejectLabels
	}
	return answer(view)
}

// asksFor returns the material that a person would have to give.
func asksFor(a *action) string {
	switch a.kind {
	case ActionFaceAuth:
		return "a selfie, which is compared with the face of the profile"
	case ActionQuestionnaire:
		return "answers to a questionnaire"
	case ActionEmail:
		return "a code that was sent by e-mail"
	case ActionPaymentMethod:
		return "documents about a payment method or a source of money"
	}
	return "the steps of an action of the type " + a.kind
}

// readPageRequest reads JSON from the page itself. A form of another site can neither send
// this Content-Type nor leave out its Origin.
func readPageRequest(r *http.Request) (pageRequest, *reply) {
	var request pageRequest
	if r.Method != http.MethodPost {
		return request, refusal(http.StatusMethodNotAllowed, "Method not allowed").with("Allow", "POST")
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return request, refusal(http.StatusUnsupportedMediaType, "Content-Type must be application/json")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return request, refusal(http.StatusForbidden, "Requests from another site are refused")
		}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxMetadata+1))
	if err != nil || len(body) > maxMetadata || json.Unmarshal(body, &request) != nil {
		return request, refusal(http.StatusBadRequest, "Body is not a JSON object of the expected kind")
	}
	return request, nil
}

// decide returns the outcome that was chosen on the page.
func (p pageRequest) decide() (Outcome, *reply) {
	var o Outcome
	switch p.Outcome {
	case "approve":
		o.Answer = "GREEN"
	case "error":
		o.Answer = "ERROR"
	case "hold":
		o.OnHold = true
	case "reject":
		o = Outcome{Answer: "RED", RejectLabels: p.RejectLabels, RejectType: "RETRY", ModerationComment: p.Comment}
		if p.Final {
			o.RejectType = "FINAL"
		}
	default:
		return o, refusal(http.StatusBadRequest, "Choose one of: approve, reject, error, hold")
	}
	if len(p.RejectLabels) > 20 || utf8.RuneCountInString(p.Comment) > 500 || o.complete() != nil {
		return o, refusal(http.StatusBadRequest, "Labels or comment are not usable")
	}
	return o, nil
}
