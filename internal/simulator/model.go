package simulator

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// These are the vendor's forms of dates, all in UTC.
const (
	dateForm       = "2006-01-02 15:04:05"
	dateZoneForm   = "2006-01-02 15:04:05-0700"
	dateMillisForm = "2006-01-02 15:04:05.000"
)

// These are the statuses of a review that the simulator knows.
const (
	statusInit      = "init"
	statusPending   = "pending"
	statusCompleted = "completed"
	statusOnHold    = "onHold"
)

// clientID is the name of the account.
const clientID = "simulator"

// action is the state of an action. The mutex of the server guards it.
type action struct {
	id, externalActionID, levelName, kind string
	applicant                             *applicant
	request                               createRequest
	body                                  json.RawMessage
	created                               time.Time

	images []*storedImage

	reviewID, attemptID string
	status              string
	submits, reviews    int
	reviewed            time.Time
	outcome             Outcome
	checks              []wireCheck
	timer               *time.Timer // the timer of the scheduled review
	forced              *Outcome    // the outcome that its external id asks for
	revision            uint64      // the revision of its last change, see journal
}

func (a *action) record() ActionRecord {
	return ActionRecord{
		ID: a.id, ApplicantID: a.applicant.ID, ExternalActionID: a.externalActionID,
		LevelName: a.levelName, Type: a.kind,
		Email: a.request.Email, Phone: a.request.Phone, Body: a.body,
		CreatedAt: a.created, Submits: a.submits, Reviews: a.reviews,
		ReviewStatus: a.status, Outcome: a.outcome, Images: len(a.images),
	}
}

// changed marks an action as changed. The mutex is held.
func (s *Server) changed(a *action) { a.revision = s.journal.changed() }

// These are the types on the wire.
type (
	wireAction struct {
		ID               string          `json:"id"`
		CreatedAt        string          `json:"createdAt"`
		ClientID         string          `json:"clientId"`
		ExternalActionID string          `json:"externalActionId,omitempty"`
		ApplicantID      string          `json:"applicantId"`
		Type             string          `json:"type,omitempty"`
		Review           wireReview      `json:"review"`
		ReviewResult     *wireResult     `json:"reviewResult,omitempty"`
		Checks           []wireCheck     `json:"checks,omitempty"`
		RequiredIDDocs   *wireDocSets    `json:"requiredIdDocs,omitempty"`
		Images           []wireImage     `json:"images,omitempty"`
		Questionnaires   json.RawMessage `json:"questionnaires,omitempty"`
		PaymentMethod    json.RawMessage `json:"paymentMethod,omitempty"`
		PaymentSource    json.RawMessage `json:"paymentSource,omitempty"`
	}
	wireReview struct {
		ReviewID     string      `json:"reviewId"`
		AttemptID    string      `json:"attemptId"`
		AttemptCnt   int         `json:"attemptCnt"`
		LevelName    string      `json:"levelName"`
		CreateDate   string      `json:"createDate"`
		ReviewDate   string      `json:"reviewDate,omitempty"`
		ReviewStatus string      `json:"reviewStatus"`
		ReviewResult *wireResult `json:"reviewResult,omitempty"`
	}
	wireResult struct {
		ReviewAnswer      string   `json:"reviewAnswer,omitempty"`
		RejectLabels      []string `json:"rejectLabels,omitempty"`
		ReviewRejectType  string   `json:"reviewRejectType,omitempty"`
		ModerationComment string   `json:"moderationComment,omitempty"`
		ClientComment     string   `json:"clientComment,omitempty"`
	}
	wireDocSets struct {
		DocSets []wireDocSet `json:"docSets"`
	}
	wireDocSet struct {
		IDDocSetType string   `json:"idDocSetType"`
		Types        []string `json:"types,omitempty"`
	}
	wireCheck struct {
		Answer        string         `json:"answer"`
		CheckType     string         `json:"checkType"`
		CreatedAt     string         `json:"createdAt"`
		ID            string         `json:"id"`
		AttemptID     string         `json:"attemptId"`
		LivenessInfo  *wireLiveness  `json:"livenessInfo,omitempty"`
		FaceMatchInfo *wireFaceMatch `json:"faceMatchInfo,omitempty"`
	}
	wireLiveness struct {
		LivenessData struct {
			SessionID string         `json:"sessionId"`
			Images    []wireImageRef `json:"images"`
		} `json:"livenessData"`
		LivenessResult struct {
			Answer      string `json:"answer"`
			Glasses     bool   `json:"glasses"`
			RetryReason int    `json:"retryReason"`
		} `json:"livenessResult"`
	}
	wireImageRef struct {
		ImageID any `json:"imageId"` // a number; see Quirks.StringImageIDs
	}
	wireFaceMatch struct {
		Answer string `json:"answer"`
	}
	wireImage struct {
		ID               string          `json:"id"`
		AddedDate        string          `json:"addedDate"`
		CreatorClientID  string          `json:"creatorClientId"`
		ImageHash        string          `json:"imageHash"`
		ImageFileName    string          `json:"imageFileName"`
		ResizedImageID   any             `json:"resizedImageId"`
		MimeType         string          `json:"mimeType"`
		SigHash          string          `json:"sigHash"`
		ImageID          any             `json:"imageId"`
		FileSize         int64           `json:"fileSize"`
		ActualResolution *wireResolution `json:"actualResolution,omitempty"`
		Answer           string          `json:"answer"`
		IDDocDef         wireIDDocDef    `json:"idDocDef"`
		ReviewResult     wireResult      `json:"reviewResult"`
		AttemptID        string          `json:"attemptId"`
	}
	wireResolution struct {
		Width  int `json:"width"`
		Height int `json:"height"`
	}
	wireIDDocDef struct {
		Country      string `json:"country"`
		IDDocType    string `json:"idDocType"`
		IDDocSubType string `json:"idDocSubType,omitempty"`
	}
	wirePage struct {
		Items      []wireAction `json:"items"`
		TotalItems int          `json:"totalItems"`
	}
)

// wire returns the action as GET …/one shows it.
func (s *Server) wire(a *action) wireAction {
	w := wireAction{
		ID: a.id, CreatedAt: a.created.Format(dateForm), ClientID: clientID,
		ExternalActionID: a.externalActionID, ApplicantID: a.applicant.ID, Type: wireType(a.kind),
		Review: wireReview{
			ReviewID: a.reviewID, AttemptID: a.attemptID, AttemptCnt: a.reviews, LevelName: a.levelName,
			CreateDate: a.created.Format(dateZoneForm), ReviewStatus: a.status,
		},
		Checks:         s.wireChecks(a),
		Questionnaires: a.request.Questionnaires,
		PaymentMethod:  a.request.PaymentMethod,
		PaymentSource:  a.request.PaymentSource,
	}
	if a.kind == ActionFaceAuth {
		w.RequiredIDDocs = &wireDocSets{[]wireDocSet{{"SELFIE", []string{"SELFIE"}}}}
	}
	if a.status == statusCompleted {
		w.Review.ReviewDate = a.reviewed.Format(dateZoneForm)
		w.Review.ReviewResult = a.outcome.wire()
		if s.cfg.Quirks.RootReviewResult {
			w.Review.ReviewResult, w.ReviewResult = nil, w.Review.ReviewResult
		}
	}
	for _, i := range a.images {
		w.Images = append(w.Images, s.wireImage(a, i))
	}
	return w
}

func (s *Server) wireImage(a *action, i *storedImage) wireImage {
	w := wireImage{
		ID: i.id, AddedDate: i.added.Format(dateForm), CreatorClientID: "API",
		ImageHash: i.sha1, ImageFileName: i.fileName, MimeType: fileKind(i.mediaType),
		ResizedImageID: s.wireID(i.previewID), ImageID: s.wireID(i.imageID),
		SigHash: i.sigHash, FileSize: i.size, ActualResolution: i.resolution, Answer: "GREEN",
		IDDocDef:  wireIDDocDef{i.meta.Country, i.meta.IDDocType, i.meta.IDDocSubType},
		AttemptID: a.attemptID,
	}
	if a.status == statusCompleted {
		w.Answer = a.outcome.Answer
		w.ReviewResult = *a.outcome.wire()
	}
	return w
}

// wireID returns an image id as a number, or as a string, as the table of the
// specification has it.
func (s *Server) wireID(id int64) any {
	if s.cfg.Quirks.StringImageIDs {
		return strconv.FormatInt(id, 10)
	}
	return id
}

// wireType returns the type on the wire. Kinds that only this package knows have none.
func wireType(kind string) string {
	if kind == ActionQuestionnaire || kind == ActionEmail {
		return ""
	}
	return kind
}

// idMaker makes identifiers in the vendor's form. The server's mutex guards it.
type idMaker struct {
	machine  [5]byte
	sequence uint32
	images   uint32
}

// object returns 24 hex digits: time, machine, sequence.
func (m *idMaker) object(now time.Time) string {
	if m.machine == [5]byte{} {
		fillRandom(m.machine[:])
	}
	m.sequence++
	var id [12]byte
	binary.BigEndian.PutUint32(id[:], uint32(now.Unix()))
	copy(id[4:], m.machine[:])
	id[9], id[10], id[11] = byte(m.sequence>>16), byte(m.sequence>>8), byte(m.sequence)
	return fmt.Sprintf("%x", id)
}

// image returns a number below 2³¹ that no other image has: multiplying by an odd number
// permutes them.
func (m *idMaker) image() int64 {
	m.images++
	return int64(m.images * 0x9E3779B1 & (1<<31 - 1))
}

// attempt returns five letters.
func (m *idMaker) attempt() string {
	var b [5]byte
	fillRandom(b[:])
	for i := range b {
		b[i] = 'a' + b[i]%26
	}
	return string(b[:])
}

func newUUID() string {
	var b [16]byte
	fillRandom(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// fillRandom fills b for identifiers. It does not use crypto/rand, which fails in virtual
// time in FIPS 140-only mode.
func fillRandom(b []byte) {
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
}

func newCorrelationID() string { return "req-" + newUUID() }
