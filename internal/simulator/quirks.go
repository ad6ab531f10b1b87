package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// WireQuirks make one assumption of the client wrong each, see
// testdata/assumptions.json. All are off by default.
type WireQuirks struct {
	NoApplicantByUser      bool // there is no applicant by external user id: 404
	NoApplicantByID        bool // there is no applicant by id: 404
	ApplicantWithoutReview bool // applicants come without their review

	RefuseMinimal   bool // a create with nothing but externalActionId is 400
	SameOnDuplicate bool // a create with an external id that exists answers with the action that has it

	ListWithoutTotal bool // lists have no totalItems
	TotalOfPage      bool // totalItems of a list counts the actions of one page
	OffsetZero       bool // a list without an offset begins at 0
	OldestFirst      bool // lists are oldest first, whatever the order asked for

	WithoutExternalIDs bool // no answer has externalActionId
	WithoutLevels      bool // no review has a levelName
	WithoutStatus      bool // no review has a reviewStatus
	ISODates           bool // dates of actions are RFC 3339
	OddTypes           bool // "key" is a number, and "checks" is an object

	ImagesByObjectID      bool // images are found by id, not by imageId
	RefusePreview         bool // the parameter preview is 400
	OctetStreamImages     bool // every image is application/octet-stream
	RefuseSubType         bool // an idDocSubType in the metadata is 400
	AcceptDuplicateImages bool // the same image again is answered with the first one
	ConflictOnSubmit      bool // a second submit is 409

	TokenAlone   bool // a token comes without userId and externalActionId
	RefuseTTL    bool // the parameter ttlInSecs is 400
	RefuseLocale bool // the parameter locale is 400

	BareErrors          bool // errors have no body
	ErrorsWithoutCode   bool // errors have neither errorCode nor errorName
	ForbidUnknownAction bool // an unknown action is 403
	UnknownLevelIs400   bool // an unknown level is 400
	StrictAccept        bool // a call that takes JSON among others is 405
	NoDate              bool // answers have no Date header

	UnsignedWebhooks         bool // deliveries have no digest
	WebhooksWithoutAlgorithm bool // deliveries do not name the algorithm
	WebhookISODates          bool // dates of webhooks are RFC 3339
	CompactWebhooks          bool // webhooks are compact JSON
	RedeliveryNewTime        bool // a later attempt has another createdAtMs
	RedeliveryNewCorrelation bool // a later attempt has another correlationId
}

// QuirkNames are the names of all quirks.
func QuirkNames() (names []string) {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Quirks]()) {
		if field.Type.Kind() == reflect.Bool {
			names = append(names, field.Name)
		}
	}
	return names
}

// Set switches a quirk on by its name.
func (q *Quirks) Set(name string) error {
	if !slices.Contains(QuirkNames(), name) {
		return errors.New("simulator: no such quirk: one of " + strings.Join(QuirkNames(), ", "))
	}
	reflect.ValueOf(q).Elem().FieldByName(name).SetBool(true)
	return nil
}

// quirkInstead is the answer of a quirk that comes instead of the effect, nil if
// there is none. It may change what the call asks for.
func (s *Server) quirkInstead(rt *route, c *call) *reply {
	q := s.cfg.Quirks.WireQuirks
	if q == (WireQuirks{}) {
		return nil
	}
	_, hasTTL := c.query["ttlInSecs"]
	_, hasLocale := c.query["locale"]
	switch {
	case q.StrictAccept && !rt.binary && !acceptsJSON(c.request, true):
		return refusal(http.StatusMethodNotAllowed, "Add the header Accept: application/json")
	case q.NoApplicantByUser && rt.operation == "FindApplicant", q.NoApplicantByID && rt.operation == "GetApplicant":
		return refusal(http.StatusNotFound, "No such resource")
	case q.RefuseTTL && hasTTL, q.RefuseLocale && hasLocale:
		return refusal(http.StatusBadRequest, "Unknown parameter")
	}
	switch rt.operation {
	case "CreateAction":
		return s.quirkCreate(q, c)
	case "AddImage":
		if q.RefuseSubType && c.upload.meta.IDDocSubType != "" {
			return refusal(http.StatusBadRequest, "Unknown field idDocSubType")
		}
	case "SubmitAction":
		s.mu.Lock()
		defer s.mu.Unlock()
		if a := s.actions[c.ids[0]]; q.ConflictOnSubmit && a != nil && a.status != statusInit {
			return codedRefusal(http.StatusConflict, 3000, "already-in-that-state", "Action was submitted before")
		}
	case "OpenImage":
		return s.quirkImage(q, c)
	case "ListActions":
		if q.OffsetZero && !c.query.Has("offset") {
			c.query.Set("offset", "0")
		}
		if q.OldestFirst {
			c.query.Set("order", "createdAt")
		}
	}
	return nil
}

func (s *Server) quirkCreate(q WireQuirks, c *call) *reply {
	var request map[string]json.RawMessage
	_ = json.Unmarshal(c.body, &request) // a body other than an object has no members
	if q.RefuseMinimal && len(request) == 1 {
		return refusal(http.StatusBadRequest, "The request is empty")
	}
	if !q.SameOnDuplicate {
		return nil
	}
	var externalActionID string
	_ = json.Unmarshal(request["externalActionId"], &externalActionID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if owner := s.applicants[c.ids[0]]; owner != nil {
		if a := s.findAction(owner, externalActionID); a != nil {
			return s.actionAnswer(a)
		}
	}
	return nil
}

func (s *Server) quirkImage(q WireQuirks, c *call) *reply {
	if q.RefusePreview && c.query.Has("preview") {
		return refusal(http.StatusBadRequest, "Unknown parameter preview")
	}
	if !q.ImagesByObjectID {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.actions[c.ids[0]]; a != nil {
		for _, i := range a.images {
			if i.id == c.ids[1] {
				p := &reply{status: http.StatusOK, header: http.Header{}, body: i.content}
				return p.with("Content-Type", i.mediaType)
			}
		}
	}
	return refusal(http.StatusNotFound, "Image not found")
}

// quirkAfter changes an answer.
func (s *Server) quirkAfter(rt *route, c *call, p *reply) *reply {
	q := s.cfg.Quirks.WireQuirks
	if q == (WireQuirks{}) {
		return p
	}
	if q.AcceptDuplicateImages && rt.operation == "AddImage" && p.status == http.StatusConflict {
		s.mu.Lock()
		if a := s.actions[c.ids[0]]; a != nil && len(a.images) > 0 {
			p = answer(s.wireImage(a, a.images[0]))
		}
		s.mu.Unlock()
	}
	if p.status >= http.StatusBadRequest {
		q.alterRefusal(rt, p)
	} else {
		q.alterAnswer(rt, p)
	}
	if q.NoDate {
		p.header["Date"] = nil
	}
	return p
}

func (q WireQuirks) alterRefusal(rt *route, p *reply) {
	if q.ForbidUnknownAction && rt.operation == "GetAction" && p.status == http.StatusNotFound {
		p.status = http.StatusForbidden
	}
	if q.UnknownLevelIs400 && p.text == "Level not found" {
		p.status = http.StatusBadRequest
	}
	if q.ErrorsWithoutCode {
		p.edit(func(body map[string]any) { delete(body, "errorCode"); delete(body, "errorName") })
	}
	if q.BareErrors {
		p.body = nil
		p.header.Del("Content-Type")
	}
}

func (q WireQuirks) alterAnswer(rt *route, p *reply) {
	switch rt.operation {
	case "OpenImage":
		if q.OctetStreamImages {
			p.header.Set("Content-Type", "application/octet-stream")
		}
	case "FindApplicant", "GetApplicant":
		if q.ApplicantWithoutReview {
			p.edit(func(body map[string]any) { delete(body, "review") })
		}
	case "CreateAccessToken":
		if q.TokenAlone {
			p.edit(func(body map[string]any) { delete(body, "userId"); delete(body, "externalActionId") })
		}
	case "CreateAction", "SubmitAction", "GetAction":
		p.edit(q.alterAction)
	case "ListActions":
		p.edit(func(body map[string]any) {
			if list, ok := body["list"].(map[string]any); ok {
				body = list
			}
			if q.ListWithoutTotal {
				delete(body, "totalItems")
			}
			items, _ := body["items"].([]any)
			if q.TotalOfPage {
				body["totalItems"] = len(items)
			}
			for _, item := range items {
				q.alterAction(item.(map[string]any))
			}
		})
	}
}

func (q WireQuirks) alterAction(action map[string]any) {
	if q.WithoutExternalIDs {
		delete(action, "externalActionId")
	}
	review, _ := action["review"].(map[string]any)
	if q.WithoutLevels {
		delete(review, "levelName")
	}
	if q.WithoutStatus {
		delete(review, "reviewStatus")
	}
	if q.OddTypes && len(action) > 1 {
		action["key"], action["checks"] = 14, map[string]any{}
	}
	if q.ISODates {
		for _, object := range []map[string]any{action, review} {
			for name, value := range object {
				if text, ok := value.(string); ok {
					object[name] = isoDate(text)
				}
			}
		}
	}
}

// isoDate returns a date of the service in RFC 3339. It returns other texts unchanged.
func isoDate(text string) string {
	if len(text) < len(dateForm) || text[4] != '-' || text[10] != ' ' || text[13] != ':' {
		return text
	}
	return strings.Replace(strings.TrimSuffix(text, "+0000"), " ", "T", 1) + "Z"
}

// edit changes the JSON object of a reply. Another body stays as it is.
func (p *reply) edit(change func(map[string]any)) {
	var body map[string]any
	decoder := json.NewDecoder(bytes.NewReader(bytes.Join(p.body, nil)))
	decoder.UseNumber()
	if decoder.Decode(&body) != nil || body == nil {
		return
	}
	change(body)
	p.body = [][]byte{encodeJSON(body)}
}

// webhookBody returns the body of one attempt of a delivery.
func (q WireQuirks) webhookBody(body []byte, attempt int) []byte {
	replace := func(name, value string) {
		body = regexp.MustCompile(`("`+name+`" : )"[^"]*"`).ReplaceAll(body, []byte(`${1}"`+value+`"`))
	}
	if q.RedeliveryNewTime && attempt > 1 {
		replace("createdAtMs", "2030-01-01 00:00:00.000")
	}
	if q.RedeliveryNewCorrelation && attempt > 1 {
		replace("correlationId", newCorrelationID())
	}
	if q.WebhookISODates {
		replace("createdAtMs", "2030-01-01T00:00:00.000Z")
	}
	if q.CompactWebhooks {
		var b bytes.Buffer
		if json.Compact(&b, body) == nil {
			body = b.Bytes()
		}
	}
	return body
}

// webhookHeader changes the header of a delivery.
func (q WireQuirks) webhookHeader(header http.Header) {
	if q.UnsignedWebhooks {
		header.Del("X-Payload-Digest")
	}
	if q.WebhooksWithoutAlgorithm || q.UnsignedWebhooks {
		header.Del("X-Payload-Digest-Alg")
	}
}
