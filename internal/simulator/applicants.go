package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// applicant is a person with actions. The server's mutex guards it.
type applicant struct {
	wireApplicant

	guest   bool // whether nobody has added it
	gone    bool // whether it was forgotten
	size    int64
	actions []*action // in order of creation
}

// wireApplicant is an applicant as the service shows it.
type wireApplicant struct {
	ID             string          `json:"id"`
	CreatedAt      string          `json:"createdAt"`
	Key            string          `json:"key"`
	ClientID       string          `json:"clientId"`
	InspectionID   string          `json:"inspectionId"`
	ExternalUserID string          `json:"externalUserId"`
	Type           string          `json:"type"`
	Email          string          `json:"email,omitempty"`
	Phone          string          `json:"phone,omitempty"`
	Lang           string          `json:"lang"`
	FixedInfo      json.RawMessage `json:"fixedInfo,omitempty"`
	Info           json.RawMessage `json:"info,omitempty"`
	RequiredIDDocs json.RawMessage `json:"requiredIdDocs,omitempty"`
	Review         json.RawMessage `json:"review"`
}

// AddApplicant adds an approved applicant. If the id is known already, the applicant
// keeps its actions and gets the new external user id, which no other applicant may have.
// There is room for 100,000 applicants.
func (s *Server) AddApplicant(applicantID, externalUserID string) error {
	if externalUserID == "" {
		return errors.New("simulator: AddApplicant: the external user id is empty")
	}
	return s.addApplicant(wireApplicant{ID: applicantID, ExternalUserID: externalUserID})
}

// AddApplicantJSON adds an applicant, or changes one, from JSON in the service's form.
// The id is required. Missing members get defaults, and a missing review is an approval.
// No other applicant may have the external user id.
func (s *Server) AddApplicantJSON(text []byte) error {
	var a wireApplicant
	if err := json.Unmarshal(text, &a); err != nil || !utf8.Valid(text) {
		return errors.New("simulator: AddApplicant: not a JSON object of an applicant in UTF-8")
	}
	return s.addApplicant(a)
}

func (s *Server) addApplicant(a wireApplicant) error {
	if a.ID == "" {
		return errors.New("simulator: AddApplicant: the id is empty")
	}
	if !isName(a.ID) || !isName(a.ExternalUserID) {
		return errors.New("simulator: AddApplicant: an id has " + notName)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.users[a.ExternalUserID]; other != nil && other.ID != a.ID {
		return errors.New("simulator: AddApplicant: another applicant has this external user id")
	}
	if s.putApplicant(a, false) == nil {
		return fmt.Errorf("simulator: AddApplicant: there is no room: %d applicants and %d MiB of them are kept",
			maxApplicants, applicantMemory>>20)
	}
	s.journal.settingsChanged()
	return nil
}

// putApplicant adds an applicant or changes one. It returns nil if there is no room. The
// mutex is held.
func (s *Server) putApplicant(given wireApplicant, guest bool) *applicant {
	a := s.applicants[given.ID]
	if a == nil {
		a = &applicant{guest: guest}
	}
	s.completeApplicant(&given, a)
	size := int64(160)
	for _, part := range []string{
		given.Key, given.InspectionID, given.CreatedAt, given.ClientID, given.Type, given.Email, given.Phone, given.Lang,
		given.ID, given.ExternalUserID, string(given.FixedInfo), string(given.Info), string(given.RequiredIDDocs), string(given.Review),
	} {
		size += int64(len(part))
	}
	if !s.makeRoom(a, size) {
		return nil
	}
	if s.users[a.ExternalUserID] == a {
		delete(s.users, a.ExternalUserID)
	}
	s.applicantBytes += size - a.size
	a.wireApplicant, a.size, a.guest = given, size, guest
	s.applicants[a.ID], s.users[a.ExternalUserID] = a, a
	if guest {
		s.guests = append(s.guests, a)
	}
	return a
}

// completeApplicant sets missing members, to what is known of the applicant or to
// defaults. The mutex is held.
func (s *Server) completeApplicant(given *wireApplicant, old *applicant) {
	fill := func(field *string, values ...string) {
		for _, value := range values {
			if *field == "" {
				*field = value
			}
		}
	}
	now := s.now()
	fill(&given.ExternalUserID, old.ExternalUserID)
	if given.ExternalUserID == "" {
		given.ExternalUserID = s.inventUser(given.ID)
	}
	fill(&given.InspectionID, old.InspectionID)
	if given.InspectionID == "" {
		given.InspectionID = s.ids.object(now)
	}
	fill(&given.CreatedAt, old.CreatedAt, now.Format(dateForm))
	fill(&given.Key, old.Key, "SIMULATOR")
	fill(&given.ClientID, clientID)
	fill(&given.Type, old.Type, "individual")
	fill(&given.Email, old.Email)
	fill(&given.Phone, old.Phone)
	fill(&given.Lang, old.Lang, "en")
	if !hasMember(given.RequiredIDDocs, "docSets") {
		given.RequiredIDDocs = encodeJSON(wireDocSets{[]wireDocSet{
			{"IDENTITY", []string{"PASSPORT", "ID_CARD"}}, {"SELFIE", []string{"SELFIE"}},
		}})
	}
	switch {
	case hasMember(given.Review, "reviewStatus"):
		return
	case hasMember(given.Review, "reviewResult"):
		given.Review = withMember(given.Review, "reviewStatus", statusCompleted)
		return
	}
	if given.Review = old.Review; given.Review == nil {
		date := now.Format(dateZoneForm)
		given.Review = encodeJSON(wireReview{
			ReviewID: s.ids.attempt(), AttemptID: s.ids.attempt(), AttemptCnt: 1, LevelName: "basic-kyc-level",
			CreateDate: date, ReviewDate: date, ReviewStatus: statusCompleted, ReviewResult: &wireResult{ReviewAnswer: "GREEN"},
		})
	}
}

// inventUser returns an external user id that no applicant has. The mutex is held.
func (s *Server) inventUser(applicantID string) string {
	user := "user-" + applicantID
	for n := 2; s.users[user] != nil; n++ {
		user = fmt.Sprintf("user-%s-%d", applicantID, n)
	}
	return user
}

// hasMember reports whether a JSON object has a member that is neither null nor
// empty.
func hasMember(object json.RawMessage, name string) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return false
	}
	value := strings.TrimSpace(string(members[name]))
	return value != "" && value != "null" && value != `""` && value != "[]" && value != "{}"
}

// withMember returns a JSON object with one more member.
func withMember(object json.RawMessage, name, value string) json.RawMessage {
	members := map[string]json.RawMessage{}
	_ = json.Unmarshal(object, &members) // it was decoded before
	members[name] = encodeJSON(value)
	return encodeJSON(members)
}

// makeRoom forgets guests without an action, oldest first, until there is room
// for an applicant of this size. The mutex is held.
func (s *Server) makeRoom(a *applicant, size int64) bool {
	more := 1
	if s.applicants[a.ID] == a && a.ID != "" {
		more = 0
	}
	for len(s.applicants)+more > maxApplicants || s.applicantBytes+size-a.size > applicantMemory {
		if len(s.guests) == 0 {
			return false
		}
		oldest := s.guests[0]
		s.guests = s.guests[1:]
		if !oldest.guest || oldest.gone || oldest == a || len(oldest.actions) > 0 {
			continue
		}
		oldest.gone = true
		s.applicantBytes -= oldest.size
		delete(s.applicants, oldest.ID)
		if s.users[oldest.ExternalUserID] == oldest {
			delete(s.users, oldest.ExternalUserID)
		}
	}
	return true
}

var (
	errNoApplicant = refusalText{http.StatusNotFound, "Applicant not found"}
	errNoRoom      = refusalText{http.StatusBadRequest, "The simulator is full: it keeps no more applicants"}
)

// refusalText has the parts of a refusal.
type refusalText struct {
	status      int
	description string
}

func (t refusalText) reply() *reply { return refusal(t.status, t.description) }

// findApplicant returns the applicant with an id. It adds one if there is none, unless
// only known applicants are accepted. The mutex is held.
func (s *Server) findApplicant(id string) (*applicant, *reply) {
	if a := s.applicants[id]; a != nil {
		return a, nil
	}
	return s.newGuest(wireApplicant{ID: id})
}

// findUser returns the applicant with an external user id, as findApplicant does. The
// mutex is held.
func (s *Server) findUser(externalUserID string) (*applicant, *reply) {
	if a := s.users[externalUserID]; a != nil {
		return a, nil
	}
	// The id depends on the user alone, unless another applicant has it.
	for salt := ""; ; salt += "again " {
		sum := sha256.Sum256([]byte(salt + "applicant of the user " + externalUserID))
		id := hex.EncodeToString(sum[:12])
		if s.applicants[id] == nil {
			return s.newGuest(wireApplicant{ID: id, ExternalUserID: externalUserID})
		}
	}
}

func (s *Server) newGuest(a wireApplicant) (*applicant, *reply) {
	if s.cfg.KnownOnly {
		return nil, errNoApplicant.reply()
	}
	if guest := s.putApplicant(a, true); guest != nil {
		return guest, nil
	}
	return nil, errNoRoom.reply()
}

func (s *Server) getApplicant(c *call) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, refused := s.findApplicant(c.ids[0])
	if refused != nil {
		return refused
	}
	return answer(a.wireApplicant)
}

func (s *Server) getApplicantOfUser(c *call) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, refused := s.findUser(c.ids[0])
	if refused != nil {
		return refused
	}
	return answer(a.wireApplicant)
}

// levelKind returns the kind of action of a level. For an unknown level, the name or the
// presence of questionnaires decides, and the default is a face authorization. It refuses
// unknown levels if only known ones are accepted. The mutex is held.
func (s *Server) levelKind(level string, questionnaires bool) (string, *reply) {
	if kind, ok := s.levels[level]; ok {
		return kind, nil
	}
	if s.cfg.KnownOnly && !s.cfg.AnyLevel {
		return "", refusal(http.StatusNotFound, "Level not found")
	}
	name := strings.ToLower(level)
	switch {
	case questionnaires, strings.Contains(name, "questionnaire"):
		return ActionQuestionnaire, nil
	case strings.Contains(name, "email"), strings.Contains(name, "e-mail"):
		return ActionEmail, nil
	case strings.Contains(name, "payment"), strings.Contains(name, "source"):
		return ActionPaymentMethod, nil
	}
	return ActionFaceAuth, nil
}
