package idngo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// A field of a model has the JSON name in Go's case. An absent field, a null
// and a zero value read alike, and a zero value is left out when a model is
// encoded. Fields that a model does not name are passed over: who needs them
// takes the exact bytes, with [WithResponse] or [WebhookEvent.Raw].
//
// The specification names few of these fields. The others are what recorded
// payloads and the documents of the vendor's sister products carry for the
// same objects: any of them may be missing.

// Action is one verification of an applicant outside the main one: a face
// authorization, an e-mail check, a source check, a questionnaire.
//
// Decoded by the client or by encoding/json, an action replaces whatever the
// value held. A result that stands at the root of the JSON is found in
// Review.ReviewResult when the review has none. A member of another JSON type
// than its field's is passed over and does not cost the rest of the answer,
// unless it says which action this is or how it stands.
type Action struct {
	ID               string     `json:"id,omitzero"`               // 24 hex digits in what was seen
	ApplicantID      string     `json:"applicantId,omitzero"`      // the service's id of the applicant
	ExternalActionID string     `json:"externalActionId,omitzero"` // your id of the action; list items may lack it
	Type             ActionType `json:"type,omitzero"`             // absent in the newest documents
	CreatedAt        Time       `json:"createdAt,omitzero"`
	ClientID         string     `json:"clientId,omitzero"` // your account's name at the service
	Key              string     `json:"key,omitzero"`      // 14 capitals; meaning not documented

	Review         Review          `json:"review,omitzero"`
	Checks         []Check         `json:"checks,omitzero"`         // what was checked, as far as it went
	Images         []Image         `json:"images,omitzero"`         // what was uploaded
	Questionnaires []Questionnaire `json:"questionnaires,omitzero"` // once answered
	RequiredIDDocs RequiredIDDocs  `json:"requiredIdDocs,omitzero"` // what the level asks for
	PaymentMethod  *PaymentMethod  `json:"paymentMethod,omitzero"`  // nil when the action has none
	PaymentSource  *PaymentSource  `json:"paymentSource,omitzero"`  // nil when the action has none
	Agreement      map[string]any  `json:"agreement,omitzero"`      // members not documented
}

// Completed reports whether the review has come to its end: only then is the
// answer final. A nil action is not completed.
func (a *Action) Completed() bool {
	return a != nil && a.Review.ReviewStatus == ReviewStatusCompleted
}

// Approved reports whether the review is completed and its answer is GREEN.
// An answer alone is not enough: it may come before the review has ended. Nor
// is an approved action alone enough to act on: it must be the right one, see
// [Client.ConfirmAction].
func (a *Action) Approved() bool {
	return a.Completed() && a.Review.ReviewResult.ReviewAnswer == ReviewAnswerGreen
}

// UnmarshalJSON decodes an action. A null changes nothing.
func (a *Action) UnmarshalJSON(data []byte) error {
	if isNull(data) {
		return nil
	}
	return decodeAction(data, a)
}

// ActionPage is one page of an applicant's actions. Both envelopes decode,
// {"list":{"items":…,"totalItems":…}} and the same without list; the second
// is written.
type ActionPage struct {
	Items      []*Action `json:"items,omitzero"` // never holds a nil; may be partial actions
	TotalItems int       `json:"totalItems"`     // of all pages; 0 beside items when the service does not say
}

// UnmarshalJSON decodes a page. A null changes nothing.
func (p *ActionPage) UnmarshalJSON(data []byte) error {
	if isNull(data) {
		return nil
	}
	return decodeActionPage(data, p)
}

// Review says how far the review of an action is and how it ended. The
// specification names ReviewStatus and ReviewResult.
type Review struct {
	ReviewStatus ReviewStatus `json:"reviewStatus,omitzero"` // documented as required, yet missing in the documented answer
	ReviewResult ReviewResult `json:"reviewResult,omitzero"`
	LevelName    string       `json:"levelName,omitzero"`
	CreateDate   Time         `json:"createDate,omitzero"`
	StartDate    Time         `json:"startDate,omitzero"`
	ReviewDate   Time         `json:"reviewDate,omitzero"`
	ReviewID     string       `json:"reviewId,omitzero"`
	AttemptID    string       `json:"attemptId,omitzero"`
	AttemptCnt   int          `json:"attemptCnt,omitzero"`

	ElapsedSincePendingMs  int64 `json:"elapsedSincePendingMs,omitzero"` // milliseconds
	ElapsedSinceQueuedMs   int64 `json:"elapsedSinceQueuedMs,omitzero"`  // milliseconds
	Priority               int   `json:"priority,omitzero"`
	NotificationFailureCnt int   `json:"notificationFailureCnt,omitzero"` // presumably of webhooks
	Reprocessing           bool  `json:"reprocessing,omitzero"`
	AutoChecked            bool  `json:"autoChecked,omitzero"`
	LevelAutoCheckMode     any   `json:"levelAutoCheckMode,omitzero"` // null in everything that was seen
}

// ReviewResult is the outcome of a review, of an action or of one image. The
// specification's table calls an action's a string, every payload carries an
// object: a string would be decoded as ReviewAnswer.
type ReviewResult struct {
	ReviewAnswer ReviewAnswer  `json:"reviewAnswer,omitzero"`
	RejectLabels []RejectLabel `json:"rejectLabels,omitzero"` // may stand beside GREEN too
	// ReviewRejectType, and no label, says whether the user may try again.
	ReviewRejectType  RejectType `json:"reviewRejectType,omitzero"`
	ModerationComment string     `json:"moderationComment,omitzero"` // may be shown to the user
	ClientComment     string     `json:"clientComment,omitzero"`     // for you alone: never show it to the user
	ButtonIDs         []string   `json:"buttonIds,omitzero"`         // finer reasons than the labels; open set
	Label             string     `json:"label,omitzero"`             // a single label, in payloads of 2018
}

// Check is one check that was performed as part of an action. Which of the
// detail objects it carries goes by its CheckType; the others are nil. When
// the liveness check fails there is no face match check.
type Check struct {
	Answer       ReviewAnswer `json:"answer,omitzero"`
	CheckType    CheckType    `json:"checkType,omitzero"`
	CreatedAt    Time         `json:"createdAt,omitzero"`
	ID           string       `json:"id,omitzero"`
	AttemptID    string       `json:"attemptId,omitzero"`
	ErrorMessage string       `json:"errorMessage,omitzero"`
	ImageIDs     []ImageID    `json:"imageIds,omitzero"`

	LivenessInfo               *LivenessInfo               `json:"livenessInfo,omitzero"`               // FACE_LIVELINESS
	FaceMatchInfo              *FaceMatchInfo              `json:"faceMatchInfo,omitzero"`              // FACE_MATCH
	EmailConfirmationCheckInfo *EmailConfirmationCheckInfo `json:"emailConfirmationCheckInfo,omitzero"` // EMAIL_CONFIRMATION
	PhoneConfirmationCheckInfo *PhoneConfirmationCheckInfo `json:"phoneConfirmationCheckInfo,omitzero"` // PHONE_CONFIRMATION
	ExtractedInfo              *ExtractedInfo              `json:"extractedInfo,omitzero"`              // payment checks
	RiskCheck                  *RiskCheck                  `json:"riskCheck,omitzero"`                  // payment checks
	Violations                 []any                       `json:"violations,omitzero"`                 // payment checks; form not documented
}

// LivenessInfo is the detail of a FACE_LIVELINESS check.
type LivenessInfo struct {
	LivenessData   LivenessData   `json:"livenessData,omitzero"`
	LivenessResult LivenessResult `json:"livenessResult,omitzero"`
	DeviceDesc     string         `json:"deviceDesc,omitzero"` // known by name only: here or in LivenessData
}

// LivenessData is what a liveness check was made from.
type LivenessData struct {
	SessionID  string          `json:"sessionId,omitzero"`
	Images     []LivenessImage `json:"images,omitzero"`
	DeviceDesc string          `json:"deviceDesc,omitzero"`
}

// LivenessImage is one frame of a liveness session.
type LivenessImage struct {
	ImageID ImageID `json:"imageId,omitzero"` // for [Client.OpenImage]
	Ts      Time    `json:"ts,omitzero"`      // form not documented
}

// LivenessResult is the outcome of a liveness check.
type LivenessResult struct {
	Answer      ReviewAnswer `json:"answer,omitzero"`
	Glasses     bool         `json:"glasses,omitzero"`
	RetryReason int          `json:"retryReason,omitzero"` // 0 in what was seen; codes not documented
}

// FaceMatchInfo is the detail of a FACE_MATCH check: the new face against the
// one of the main verification. The specification names Answer.
type FaceMatchInfo struct {
	Answer         ReviewAnswer `json:"answer,omitzero"`
	Confidence     float64      `json:"confidence,omitzero"` // scale not documented
	OriginImageID1 ImageID      `json:"originImageId1,omitzero"`
	OriginImageID2 ImageID      `json:"originImageId2,omitzero"`
	FaceContentID1 ImageID      `json:"faceContentId1,omitzero"`
	FaceContentID2 ImageID      `json:"faceContentId2,omitzero"`
}

// EmailConfirmationCheckInfo is the detail of an EMAIL_CONFIRMATION check, as
// the sister products document it. RiskLevel's values are not documented.
type EmailConfirmationCheckInfo struct {
	Email           string       `json:"email,omitzero"`
	FirstSeenAt     Time         `json:"firstSeenAt,omitzero"`
	ConfirmedViaOtp ReviewAnswer `json:"confirmedViaOtp,omitzero"`
	NonDisposable   ReviewAnswer `json:"nonDisposable,omitzero"`
	SuspiciousEmail ReviewAnswer `json:"suspiciousEmail,omitzero"`
	Blacklisted     ReviewAnswer `json:"blacklisted,omitzero"`
	WebsiteExists   ReviewAnswer `json:"websiteExists,omitzero"`
	Deliverable     ReviewAnswer `json:"deliverable,omitzero"`
	RiskLevel       string       `json:"riskLevel,omitzero"`
}

// PhoneConfirmationCheckInfo is the detail of a PHONE_CONFIRMATION check, as
// the sister products document it. RiskLevel's values are not documented.
type PhoneConfirmationCheckInfo struct {
	FirstSeenAt           Time         `json:"firstSeenAt,omitzero"`
	ConfirmedViaOtp       ReviewAnswer `json:"confirmedViaOtp,omitzero"`
	NonDisposable         ReviewAnswer `json:"nonDisposable,omitzero"`
	Blacklisted           ReviewAnswer `json:"blacklisted,omitzero"`
	WebRegistrationsExist ReviewAnswer `json:"webRegistrationsExist,omitzero"`
	Active                ReviewAnswer `json:"active,omitzero"`
	Valid                 ReviewAnswer `json:"valid,omitzero"`
	RiskLevel             string       `json:"riskLevel,omitzero"`
}

// ExtractedInfo is what a payment check read off the document.
type ExtractedInfo struct {
	Type              string `json:"type,omitzero"`
	AccountIdentifier string `json:"accountIdentifier,omitzero"`
	InstitutionName   string `json:"institutionName,omitzero"`
	IssuedDate        string `json:"issuedDate,omitzero"` // as printed: 2006-01-02 in what was seen
}

// RiskCheck is what a payment check found out about the card.
type RiskCheck struct {
	BinInfo BinInfo `json:"binInfo,omitzero"`
}

// BinInfo describes a card by its leading digits. That the last three are
// booleans is inferred from their names.
type BinInfo struct {
	Country    string `json:"country,omitzero"`
	Issuer     string `json:"issuer,omitzero"`
	Brand      string `json:"brand,omitzero"`
	Type       string `json:"type,omitzero"`
	Prepaid    bool   `json:"prepaid,omitzero"`
	Virtual    bool   `json:"virtual,omitzero"`
	Commercial bool   `json:"commercial,omitzero"`
}

// Image is an uploaded file: the answer of [Client.AddImage], and an element
// of [Action.Images]. ImageID, not ID, is what [Client.OpenImage] takes.
type Image struct {
	ID               string       `json:"id,omitzero"`        // of the image object
	AddedDate        Time         `json:"addedDate,omitzero"` // of the upload
	ImageHash        string       `json:"imageHash,omitzero"` // checksum of the file, 40 hex digits; algorithm not documented
	ImageFileName    string       `json:"imageFileName,omitzero"`
	ImageID          ImageID      `json:"imageId,omitzero"`
	ResizedImageID   ImageID      `json:"resizedImageId,omitzero"`
	MimeType         string       `json:"mimeType,omitzero"` // an extension such as jpg, in spite of its name
	SigHash          string       `json:"sigHash,omitzero"`
	ActualResolution Resolution   `json:"actualResolution,omitzero"`
	Answer           ReviewAnswer `json:"answer,omitzero"`
	IDDocDef         IDDocDef     `json:"idDocDef,omitzero"`
	ReviewResult     ReviewResult `json:"reviewResult,omitzero"` // empty until the action is checked
	AttemptID        string       `json:"attemptId,omitzero"`    // of the upload

	// Not in the specification's table.
	CreatorClientID    string         `json:"creatorClientId,omitzero"`
	CreatorSubjectRole any            `json:"creatorSubjectRole,omitzero"` // null in everything that was seen
	FileSize           int64          `json:"fileSize,omitzero"`           // bytes
	PreviewID          ImageID        `json:"previewId,omitzero"`
	Source             string         `json:"source,omitzero"`
	Make               string         `json:"make,omitzero"`  // of the camera
	Model              string         `json:"model,omitzero"` // of the camera
	ExifResolution     Resolution     `json:"exifResolution,omitzero"`
	CreationDate       Time           `json:"creationDate,omitzero"`
	ModificationDate   Time           `json:"modificationDate,omitzero"`
	Comments           any            `json:"comments,omitzero"`   // null in everything that was seen
	CopiedFrom         any            `json:"copiedFrom,omitzero"` // null in everything that was seen
	CopiedAt           Time           `json:"copiedAt,omitzero"`
	Deleted            bool           `json:"deleted,omitzero"`
	ImageTrust         *ImageTrust    `json:"imageTrust,omitzero"`
	ExtractedInfo      map[string]any `json:"extractedInfo,omitzero"` // members not documented
}

// Resolution is the size of an image in pixels.
type Resolution struct {
	Width  int `json:"width,omitzero"`
	Height int `json:"height,omitzero"`
}

// IDDocDef says which document an image shows.
type IDDocDef struct {
	Country      string       `json:"country,omitzero"` // ISO 3166-1 alpha-3
	IDDocType    IDDocType    `json:"idDocType,omitzero"`
	IDDocSubType IDDocSubType `json:"idDocSubType,omitzero"` // the side, where there are two
}

// ImageTrust is the service's own estimate of an image; scale not documented.
type ImageTrust struct {
	Trust float64 `json:"trust,omitzero"`
}

// RequiredIDDocs is what the level of an action asks for.
type RequiredIDDocs struct {
	DocSets []DocSet `json:"docSets,omitzero"`
}

// DocSet is one step of a level. It lists either types of documents, or
// fields, or a questionnaire.
type DocSet struct {
	IDDocSetType       string      `json:"idDocSetType,omitzero"` // SELFIE, IDENTITY, QUESTIONNAIRE …; open set
	Types              []IDDocType `json:"types,omitzero"`
	Fields             []any       `json:"fields,omitzero"` // form not documented
	QuestionnaireDefID string      `json:"questionnaireDefId,omitzero"`
	VideoRequired      string      `json:"videoRequired,omitzero"` // a word, not a boolean
}

// PaymentMethod is what a payment method action checks. The specification
// has no such field; a sister product sends it.
type PaymentMethod struct {
	Type    string            `json:"type,omitzero"`    // bankCard, eWallet, wireTransfer …
	SubType string            `json:"subType,omitzero"` // VISA …
	Data    PaymentMethodData `json:"data,omitzero"`
}

// PaymentMethodData holds the document that shows the payment method.
type PaymentMethodData struct {
	RequiredIDDoc PaymentMethodDoc `json:"requiredIdDoc,omitzero"`
}

// PaymentMethodDoc is what the document has to show.
type PaymentMethodDoc struct {
	FirstName  string `json:"firstName,omitzero"`
	LastName   string `json:"lastName,omitzero"`
	MiddleName string `json:"middleName,omitzero"`
	Number     string `json:"number,omitzero"`
	IssuedDate string `json:"issuedDate,omitzero"` // 2006-01-02
	TxnAmount  string `json:"txnAmount,omitzero"`  // a decimal number as text
}

// PaymentSource is what a source check is about. The specification has no
// such field; a sister product sends it.
type PaymentSource struct {
	FixedInfo       PaymentSourceInfo     `json:"fixedInfo,omitzero"` // as stated
	Info            PaymentSourceInfo     `json:"info,omitzero"`      // as found; members inferred from FixedInfo
	Checksum        PaymentSourceChecksum `json:"checksum,omitzero"`
	Checks          any                   `json:"checks,omitzero"`          // form not documented
	OwnershipChecks any                   `json:"ownershipChecks,omitzero"` // form not documented
}

// PaymentSourceInfo identifies a source of payment and its owner.
type PaymentSourceInfo struct {
	Type              string `json:"type,omitzero"` // bankCard, bankStatement, eWallet, cryptoWallet
	InstitutionName   string `json:"institutionName,omitzero"`
	FullName          string `json:"fullName,omitzero"`
	AccountIdentifier string `json:"accountIdentifier,omitzero"`
	Email             string `json:"email,omitzero"`
}

// PaymentSourceChecksum lists the transactions a document has to show.
type PaymentSourceChecksum struct {
	Txns []PaymentTxn `json:"txns,omitzero"`
}

// PaymentTxn is one transaction.
type PaymentTxn struct {
	Date         string `json:"date,omitzero"`   // form not documented
	Amount       any    `json:"amount,omitzero"` // number or text: not documented
	CurrencyCode string `json:"currencyCode,omitzero"`
}

// Questionnaire holds the answers of one questionnaire, by section and item.
type Questionnaire struct {
	ID       string                          `json:"id,omitzero"`
	Sections map[string]QuestionnaireSection `json:"sections,omitzero"`
	Score    float64                         `json:"score,omitzero"` // in answers of the service only
}

// QuestionnaireSection holds the answers of one section, by item.
type QuestionnaireSection struct {
	Items map[string]QuestionnaireItem `json:"items,omitzero"`
	Score float64                      `json:"score,omitzero"` // in answers of the service only
}

// QuestionnaireItem is one answer: a text, a list of texts, or an explicit
// null, which differs from leaving the item out. All are texts on the wire,
// by convention of the sister products: "true", "2006-01-02",
// "2006-01-02T15:04", a country as alpha-3, a file as its image id.
type QuestionnaireItem struct {
	Value  *string  `json:"value,omitzero"`
	Values []string `json:"values,omitzero"` // an empty list that is not nil is sent as []
}

// ItemValue is the answer s.
func ItemValue(s string) QuestionnaireItem { return QuestionnaireItem{Value: &s} }

// ItemValues is the list of answers s, which may be empty.
func ItemValues(s ...string) QuestionnaireItem {
	return QuestionnaireItem{Values: append([]string{}, s...)}
}

// ItemNull is the explicit null.
func ItemNull() QuestionnaireItem { return QuestionnaireItem{} }

// MarshalJSON writes {"value":…}, {"values":[…]}, or {"value":null} when both
// are nil.
func (i QuestionnaireItem) MarshalJSON() ([]byte, error) {
	if i.Value == nil && i.Values == nil {
		return []byte(`{"value":null}`), nil
	}
	type plain QuestionnaireItem
	return json.Marshal(plain(i))
}

// WebSDKLink is a link to send to one user: whoever has it can do the
// verification in their place. It prints as [redacted] in fmt and slog, in
// JSON it shows the URL.
type WebSDKLink struct {
	URL string `json:"url,omitzero"` // scheme, host and form are the service's choice
}

// String returns [redacted].
func (WebSDKLink) String() string { return redacted }

// GoString returns [redacted], for %#v.
func (WebSDKLink) GoString() string { return redacted }

// Format writes [redacted] for every verb and flag.
func (WebSDKLink) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue is [redacted].
func (WebSDKLink) LogValue() slog.Value { return slog.StringValue(redacted) }

// WebhookEvent is what the service posts to your endpoint. One endpoint may
// receive events about applicants as well, with the same skeleton. Act on
// Type: ReviewStatus contradicts it in two of the specification's three
// examples. As in an [Action], a member of an unexpected JSON type is passed
// over, unless it says what happened and to what.
type WebhookEvent struct {
	Type                      WebhookType  `json:"type,omitzero"`
	ApplicantID               string       `json:"applicantId,omitzero"`
	ApplicantActionID         string       `json:"applicantActionId,omitzero"`         // [Action.ID]; empty for events about applicants
	ExternalApplicantActionID string       `json:"externalApplicantActionId,omitzero"` // [Action.ExternalActionID]; may be absent
	ExternalUserID            string       `json:"externalUserId,omitzero"`            // your id of the user
	ReviewStatus              ReviewStatus `json:"reviewStatus,omitzero"`
	ReviewResult              ReviewResult `json:"reviewResult,omitzero"` // of applicantActionReviewed
	CreatedAtMs               Time         `json:"createdAtMs,omitzero"`  // a date with milliseconds, not a count of them
	InspectionID              string       `json:"inspectionId,omitzero"`
	CorrelationID             string       `json:"correlationId,omitzero"` // for the vendor's support; no fixed form
	ApplicantType             string       `json:"applicantType,omitzero"` // individual or company

	// Not in the specification.
	CreatedAt              Time             `json:"createdAt,omitzero"`
	SandboxMode            bool             `json:"sandboxMode,omitzero"` // sent as true or "true"
	ClientID               string           `json:"clientId,omitzero"`
	LevelName              string           `json:"levelName,omitzero"`
	PreviousLevelName      string           `json:"previousLevelName,omitzero"`
	ReviewMode             string           `json:"reviewMode,omitzero"`
	SourceKey              string           `json:"sourceKey,omitzero"`
	ButtonIDs              []string         `json:"buttonIds,omitzero"`
	ApplicantMemberOf      []map[string]any `json:"applicantMemberOf,omitzero"` // the companies the applicant belongs to
	VideoIdentReviewStatus string           `json:"videoIdentReviewStatus,omitzero"`
	CompositionMediaID     string           `json:"compositionMediaId,omitzero"`
	NetworkID              string           `json:"networkId,omitzero"`
	WorkflowRevision       int              `json:"workflowRevision,omitzero"`

	// Raw is the body as it was received, in events from [ParseWebhook] and
	// [WebhookVerifier.Parse].
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON decodes an event, except Raw. A null changes nothing.
func (e *WebhookEvent) UnmarshalJSON(data []byte) error {
	if isNull(data) {
		return nil
	}
	return decodeWebhookEvent(data, e)
}

// Time is a moment in UTC, in one of the forms the service writes:
//
//	2006-01-02 15:04:05
//	2006-01-02 15:04:05+0000
//	2006-01-02 15:04:05.000
//
// Each encodes again as it came. RFC 3339 and other offsets decode too, and
// are written in UTC in the first form, or the third if they have a fraction,
// as is any Time made from a time.Time. Null and "" decode as the zero Time,
// which encodes as null.
//
// A date in a form nobody knows does not cost the rest of an answer: it
// decodes as the zero time.Time and keeps its text, which String shows and
// which encodes as it came. IsZero is false for it.
type Time struct {
	time.Time
	form string // one of the forms below or, beside a zero Time, the JSON text that was not understood
}

const (
	formPlain      = ""          // 2006-01-02 15:04:05, with a fraction if there is one
	formZone       = "+0000"     // the same with a zone
	formMillis     = ".000"      // with a fraction of zero
	formMillisZone = ".000+0000" // with both; none of these is JSON
)

// IsZero reports whether there is no date. It is false for a date that was
// not understood.
func (t Time) IsZero() bool { return t.Time.IsZero() && !t.kept() }

// String is the date as time.Time prints it or, of a date that was not
// understood, its text.
func (t Time) String() string {
	if t.kept() {
		text, _ := t.MarshalText()
		return string(text)
	}
	return t.Time.String()
}

// MarshalJSON writes the date as it came.
func (t Time) MarshalJSON() ([]byte, error) {
	switch {
	case t.kept():
		return []byte(t.form), nil
	case t.Time.IsZero():
		return []byte("null"), nil
	}
	b, err := t.AppendText(append(make([]byte, 0, len(`"2006-01-02 15:04:05.999999999+0000"`)), '"'))
	if err != nil {
		return nil, err
	}
	return append(b, '"'), nil
}

// UnmarshalJSON takes any JSON value; see [Time] for what becomes of it.
func (t *Time) UnmarshalJSON(data []byte) error {
	*t = Time{}
	if n := len(data); n >= 2 && data[0] == '"' && data[n-1] == '"' && t.parse(data[1:n-1]) {
		return nil
	}
	// Unusual from here on, and data may come from elsewhere than encoding/json.
	data = bytes.Trim(data, " \t\r\n")
	if !json.Valid(data) {
		return errors.New("date is not valid JSON")
	}
	if data[0] == '"' {
		text, err := unquote(data)
		if err != nil || text == "" || t.parse([]byte(text)) {
			return err
		}
	} else if isNull(data) {
		return nil
	}
	t.form = string(data)
	return nil
}

// AppendText appends the date in the service's form; nothing if it is zero.
func (t Time) AppendText(b []byte) ([]byte, error) {
	if t.kept() {
		if t.form[0] == '"' {
			text, err := unquote([]byte(t.form))
			return append(b, text...), err
		}
		return append(b, t.form...), nil
	}
	if t.Time.IsZero() {
		return b, nil
	}
	at := t.UTC()
	if year := at.Year(); year < 0 || year > 9999 {
		return b, errors.New("date has a year outside of 0 to 9999")
	}
	b = at.AppendFormat(b, time.DateTime)
	switch ns := at.Nanosecond(); {
	case ns%int(time.Millisecond) != 0:
		b = at.AppendFormat(b, ".999999999")
	case ns != 0 || t.form == formMillis || t.form == formMillisZone:
		b = at.AppendFormat(b, ".000")
	}
	if t.form == formZone || t.form == formMillisZone {
		b = append(b, "+0000"...)
	}
	return b, nil
}

// MarshalText is AppendText to nothing.
func (t Time) MarshalText() ([]byte, error) { return t.AppendText(nil) }

// UnmarshalText takes what UnmarshalJSON takes in a JSON string.
func (t *Time) UnmarshalText(text []byte) error {
	*t = Time{}
	if len(text) == 0 || t.parse(text) {
		return nil
	}
	kept, err := json.Marshal(string(text))
	t.form = string(kept)
	return err
}

// MarshalBinary and the next four methods use the JSON form, where that of
// the embedded time.Time would forget how the date was written.
func (t Time) MarshalBinary() ([]byte, error) { return t.MarshalJSON() }

// AppendBinary appends what MarshalBinary returns.
func (t Time) AppendBinary(b []byte) ([]byte, error) {
	data, err := t.MarshalJSON()
	return append(b, data...), err
}

// UnmarshalBinary takes what MarshalBinary returns.
func (t *Time) UnmarshalBinary(data []byte) error { return t.UnmarshalJSON(data) }

// GobEncode returns what MarshalBinary returns.
func (t Time) GobEncode() ([]byte, error) { return t.MarshalJSON() }

// GobDecode takes what GobEncode returns.
func (t *Time) GobDecode(data []byte) error { return t.UnmarshalJSON(data) }

// ImageID identifies an image's content in [Client.OpenImage]. On the wire it
// is a number in some answers and a text in others; here it is the text
// without exponent or decimals. It encodes as a JSON string.
type ImageID string

// UnmarshalJSON takes a number or a string; null is empty. What cannot be an
// id, an object or 0.5 for instance, is kept as its JSON text without spaces.
func (id *ImageID) UnmarshalJSON(data []byte) error {
	if digits(data) > 0 { // nearly all are
		*id = ImageID(data)
		return nil
	}
	data = bytes.Trim(data, " \t\r\n")
	switch {
	case !json.Valid(data):
		return errors.New("image id is not valid JSON")
	case data[0] == '"':
		text, err := unquote(data)
		*id = ImageID(text)
		return err
	case isNull(data):
		*id = ""
	default:
		var compact bytes.Buffer
		err := json.Compact(&compact, data)
		*id = ImageID(wholeNumber(strings.ToValidUTF8(compact.String(), "\uFFFD")))
		return err
	}
	return nil
}

// ReviewStatus says how far a review is. It can go backwards.
type ReviewStatus string

// The first six are those of actions, the last two of applicants only.
const (
	ReviewStatusInit            ReviewStatus = "init"       // created, data not complete
	ReviewStatusPending         ReviewStatus = "pending"    // ready, waiting
	ReviewStatusPrechecked      ReviewStatus = "prechecked" // quick check passed, going on
	ReviewStatusQueued          ReviewStatus = "queued"     // checks running
	ReviewStatusCompleted       ReviewStatus = "completed"  // over: only now is the answer decisive
	ReviewStatusOnHold          ReviewStatus = "onHold"     // needs a human
	ReviewStatusAwaitingService ReviewStatus = "awaitingService"
	ReviewStatusAwaitingUser    ReviewStatus = "awaitingUser"
)

// Known reports whether s is one of the constants.
func (s ReviewStatus) Known() bool {
	switch s {
	case ReviewStatusInit, ReviewStatusPending, ReviewStatusPrechecked, ReviewStatusQueued, ReviewStatusCompleted,
		ReviewStatusOnHold, ReviewStatusAwaitingService, ReviewStatusAwaitingUser:
		return true
	}
	return false
}

// ReviewAnswer is the answer of a review, a check or an image check. Whether a
// user is approved is [Action.Approved]'s to say.
type ReviewAnswer string

// A review ends GREEN, RED or ERROR; the others were seen on checks and images.
const (
	ReviewAnswerGreen   ReviewAnswer = "GREEN"
	ReviewAnswerYellow  ReviewAnswer = "YELLOW" // fine with warnings
	ReviewAnswerRed     ReviewAnswer = "RED"
	ReviewAnswerError   ReviewAnswer = "ERROR"
	ReviewAnswerIgnored ReviewAnswer = "IGNORED" // skipped
	ReviewAnswerUnknown ReviewAnswer = "UNKNOWN" // a relay passes it on; not the absence of an answer
)

// Known reports whether a is one of the constants.
func (a ReviewAnswer) Known() bool {
	switch a {
	case ReviewAnswerGreen, ReviewAnswerYellow, ReviewAnswerRed, ReviewAnswerError, ReviewAnswerIgnored, ReviewAnswerUnknown:
		return true
	}
	return false
}

// RejectType says whether a rejected user may try again.
type RejectType string

// Of the sister products' documents and recorded webhooks.
const (
	RejectTypeFinal RejectType = "FINAL"
	RejectTypeRetry RejectType = "RETRY"
)

// Known reports whether t is one of the constants.
func (t RejectType) Known() bool { return t == RejectTypeFinal || t == RejectTypeRetry }

// RejectLabel is a reason for a rejection. The set is open.
type RejectLabel string

// As the documents of a sister product list them for actions.
const (
	RejectLabelForgery                             RejectLabel = "FORGERY"
	RejectLabelCriminal                            RejectLabel = "CRIMINAL"
	RejectLabelDocumentTemplate                    RejectLabel = "DOCUMENT_TEMPLATE"
	RejectLabelLowQuality                          RejectLabel = "LOW_QUALITY"
	RejectLabelSpam                                RejectLabel = "SPAM"
	RejectLabelNotDocument                         RejectLabel = "NOT_DOCUMENT"
	RejectLabelSelfieMismatch                      RejectLabel = "SELFIE_MISMATCH"
	RejectLabelIDInvalid                           RejectLabel = "ID_INVALID"
	RejectLabelDocumentDeprived                    RejectLabel = "DOCUMENT_DEPRIVED"
	RejectLabelForeigner                           RejectLabel = "FOREIGNER"
	RejectLabelDuplicate                           RejectLabel = "DUPLICATE"
	RejectLabelBadAvatar                           RejectLabel = "BAD_AVATAR"
	RejectLabelWrongUserRegion                     RejectLabel = "WRONG_USER_REGION"
	RejectLabelWrongAddress                        RejectLabel = "WRONG_ADDRESS"
	RejectLabelIncompleteDocument                  RejectLabel = "INCOMPLETE_DOCUMENT"
	RejectLabelBlacklist                           RejectLabel = "BLACKLIST" // the vendor's list
	RejectLabelBlocklist                           RejectLabel = "BLOCKLIST" // your own list
	RejectLabelOther                               RejectLabel = "OTHER"
	RejectLabelUnsatisfactoryPhotos                RejectLabel = "UNSATISFACTORY_PHOTOS"
	RejectLabelGraphicEditor                       RejectLabel = "GRAPHIC_EDITOR"
	RejectLabelDocumentPageMissing                 RejectLabel = "DOCUMENT_PAGE_MISSING"
	RejectLabelDocumentDamaged                     RejectLabel = "DOCUMENT_DAMAGED"
	RejectLabelDigitalDocument                     RejectLabel = "DIGITAL_DOCUMENT"
	RejectLabelRegulationsViolations               RejectLabel = "REGULATIONS_VIOLATIONS"
	RejectLabelInconsistentProfile                 RejectLabel = "INCONSISTENT_PROFILE"
	RejectLabelProblematicApplicantData            RejectLabel = "PROBLEMATIC_APPLICANT_DATA"
	RejectLabelGpsAsPoaSkipped                     RejectLabel = "GPS_AS_POA_SKIPPED"
	RejectLabelAdditionalDocumentRequired          RejectLabel = "ADDITIONAL_DOCUMENT_REQUIRED" // an image is missing
	RejectLabelMoreDocumentsRequired               RejectLabel = "MORE_DOCUMENTS_REQUIRED"      // the applicant has to give more
	RejectLabelAgeRequirementMismatch              RejectLabel = "AGE_REQUIREMENT_MISMATCH"
	RejectLabelRequestedDataMismatch               RejectLabel = "REQUESTED_DATA_MISMATCH"
	RejectLabelExperienceRequirementMismatch       RejectLabel = "EXPERIENCE_REQUIREMENT_MISMATCH"
	RejectLabelCompromisedPersons                  RejectLabel = "COMPROMISED_PERSONS"
	RejectLabelPep                                 RejectLabel = "PEP"
	RejectLabelAdverseMedia                        RejectLabel = "ADVERSE_MEDIA"
	RejectLabelFraudulentPatterns                  RejectLabel = "FRAUDULENT_PATTERNS"
	RejectLabelStolenDocs                          RejectLabel = "STOLEN_DOCS"
	RejectLabelSanctions                           RejectLabel = "SANCTIONS"
	RejectLabelNotAllChecksCompleted               RejectLabel = "NOT_ALL_CHECKS_COMPLETED"
	RejectLabelFrontSideMissing                    RejectLabel = "FRONT_SIDE_MISSING"
	RejectLabelBackSideMissing                     RejectLabel = "BACK_SIDE_MISSING"
	RejectLabelScreenshots                         RejectLabel = "SCREENSHOTS"
	RejectLabelBlackAndWhite                       RejectLabel = "BLACK_AND_WHITE"
	RejectLabelIncompatibleLanguage                RejectLabel = "INCOMPATIBLE_LANGUAGE"
	RejectLabelExpirationDate                      RejectLabel = "EXPIRATION_DATE"
	RejectLabelUnfilledID                          RejectLabel = "UNFILLED_ID"
	RejectLabelBadSelfie                           RejectLabel = "BAD_SELFIE"
	RejectLabelBadVideoSelfie                      RejectLabel = "BAD_VIDEO_SELFIE"
	RejectLabelBadFaceMatching                     RejectLabel = "BAD_FACE_MATCHING"
	RejectLabelBadProofOfIdentity                  RejectLabel = "BAD_PROOF_OF_IDENTITY"
	RejectLabelBadProofOfAddress                   RejectLabel = "BAD_PROOF_OF_ADDRESS"
	RejectLabelBadProofOfPayment                   RejectLabel = "BAD_PROOF_OF_PAYMENT"
	RejectLabelSelfieWithPaper                     RejectLabel = "SELFIE_WITH_PAPER"
	RejectLabelFraudulentLiveness                  RejectLabel = "FRAUDULENT_LIVENESS"
	RejectLabelExternalDecisionRejection           RejectLabel = "EXTERNAL_DECISION_REJECTION" // rejected through the API; always FINAL
	RejectLabelOk                                  RejectLabel = "OK"
	RejectLabelCompanyNotDefinedStructure          RejectLabel = "COMPANY_NOT_DEFINED_STRUCTURE"
	RejectLabelCompanyNotDefinedBeneficiaries      RejectLabel = "COMPANY_NOT_DEFINED_BENEFICIARIES"
	RejectLabelCompanyNotValidatedBeneficialOwners RejectLabel = "COMPANY_NOT_VALIDATED_BENEFICIAL_OWNERS"
	RejectLabelCompanyNotValidatedBeneficiaries    RejectLabel = "COMPANY_NOT_VALIDATED_BENEFICIARIES"
	RejectLabelCompanyNotValidatedDirectors        RejectLabel = "COMPANY_NOT_VALIDATED_DIRECTORS"
	RejectLabelCompanyNotDefinedRepresentatives    RejectLabel = "COMPANY_NOT_DEFINED_REPRESENTATIVES"
	RejectLabelCompanyNotValidatedRepresentatives  RejectLabel = "COMPANY_NOT_VALIDATED_REPRESENTATIVES"
	RejectLabelUnsuitableDocument                  RejectLabel = "UNSUITABLE_DOCUMENT"
	RejectLabelOutdatedDocumentVersion             RejectLabel = "OUTDATED_DOCUMENT_VERSION"
	RejectLabelCompanyNotDefinedOwnershipStructure RejectLabel = "COMPANY_NOT_DEFINED_OWNERSHIP_STRUCTURE"
	RejectLabelCompanyInactiveEntity               RejectLabel = "COMPANY_INACTIVE_ENTITY"
	RejectLabelCompanyIncorrectData                RejectLabel = "COMPANY_INCORRECT_DATA"
	RejectLabelCompanyProblematicStructure         RejectLabel = "COMPANY_PROBLEMATIC_STRUCTURE"
	RejectLabelCompanyDataMismatch                 RejectLabel = "COMPANY_DATA_MISMATCH"
	RejectLabelApplicantInterruptedInterview       RejectLabel = "APPLICANT_INTERRUPTED_INTERVIEW"
	RejectLabelDocumentMissing                     RejectLabel = "DOCUMENT_MISSING"
	RejectLabelUnsuitableEnv                       RejectLabel = "UNSUITABLE_ENV"
	RejectLabelConnectionInterrupted               RejectLabel = "CONNECTION_INTERRUPTED"
	RejectLabelUnsupportedLanguage                 RejectLabel = "UNSUPPORTED_LANGUAGE"
	RejectLabelThirdPartyInvolved                  RejectLabel = "THIRD_PARTY_INVOLVED"
	RejectLabelIncorrectSocialNumber               RejectLabel = "INCORRECT_SOCIAL_NUMBER"
	RejectLabelCheckUnavailable                    RejectLabel = "CHECK_UNAVAILABLE"
	RejectLabelDbDataNotFound                      RejectLabel = "DB_DATA_NOT_FOUND"
	RejectLabelDbDataMismatch                      RejectLabel = "DB_DATA_MISMATCH"
	RejectLabelDbNoDataSource                      RejectLabel = "DB_NO_DATA_SOURCE"
	RejectLabelEsignFailed                         RejectLabel = "ESIGN_FAILED"
	RejectLabelRestrictedPerson                    RejectLabel = "RESTRICTED_PERSON"
	RejectLabelNoApplicant                         RejectLabel = "NO_APPLICANT"
	RejectLabelNoSuitableDocs                      RejectLabel = "NO_SUITABLE_DOCS"
	RejectLabelNotAlone                            RejectLabel = "NOT_ALONE"
	RejectLabelConnectionIssues                    RejectLabel = "CONNECTION_ISSUES"
	RejectLabelCameraOrLightingIssues              RejectLabel = "CAMERA_OR_LIGHTING_ISSUES"
	RejectLabelSoundIssues                         RejectLabel = "SOUND_ISSUES"
	RejectLabelPhoneVerificationIssues             RejectLabel = "PHONE_VERIFICATION_ISSUES"
	RejectLabelOtherViIssues                       RejectLabel = "OTHER_VI_ISSUES"
	RejectLabelRefusedToContinue                   RejectLabel = "REFUSED_TO_CONTINUE"
	RejectLabelVideoFiltersOrMasks                 RejectLabel = "VIDEO_FILTERS_OR_MASKS"
	RejectLabelSupportedLanguageIsNotAvailable     RejectLabel = "SUPPORTED_LANGUAGE_IS_NOT_AVAILABLE"
	RejectLabelAdditionalDataRequired              RejectLabel = "ADDITIONAL_DATA_REQUIRED"
	RejectLabelViAttemptsLimitReached              RejectLabel = "VI_ATTEMPTS_LIMIT_REACHED"
	RejectLabelBehavior                            RejectLabel = "BEHAVIOR"
	RejectLabelPersonMismatch                      RejectLabel = "PERSON_MISMATCH"
	RejectLabelThirdPartyGuidance                  RejectLabel = "THIRD_PARTY_GUIDANCE"
	RejectLabelSponsoredVerification               RejectLabel = "SPONSORED_VERIFICATION"
	RejectLabelInsufficientData                    RejectLabel = "INSUFFICIENT_DATA"
	RejectLabelIncorrectPatterns                   RejectLabel = "INCORRECT_PATTERNS"
)

// Known reports whether l is one of the constants.
func (l RejectLabel) Known() bool {
	switch l {
	case RejectLabelForgery, RejectLabelCriminal, RejectLabelDocumentTemplate, RejectLabelLowQuality, RejectLabelSpam, RejectLabelNotDocument,
		RejectLabelSelfieMismatch, RejectLabelIDInvalid, RejectLabelDocumentDeprived, RejectLabelForeigner, RejectLabelDuplicate,
		RejectLabelBadAvatar, RejectLabelWrongUserRegion, RejectLabelWrongAddress, RejectLabelIncompleteDocument, RejectLabelBlacklist,
		RejectLabelBlocklist, RejectLabelOther, RejectLabelUnsatisfactoryPhotos, RejectLabelGraphicEditor, RejectLabelDocumentPageMissing,
		RejectLabelDocumentDamaged, RejectLabelDigitalDocument, RejectLabelRegulationsViolations, RejectLabelInconsistentProfile,
		RejectLabelProblematicApplicantData, RejectLabelGpsAsPoaSkipped, RejectLabelAdditionalDocumentRequired, RejectLabelMoreDocumentsRequired,
		RejectLabelAgeRequirementMismatch, RejectLabelRequestedDataMismatch, RejectLabelExperienceRequirementMismatch,
		RejectLabelCompromisedPersons, RejectLabelPep, RejectLabelAdverseMedia, RejectLabelFraudulentPatterns, RejectLabelStolenDocs,
		RejectLabelSanctions, RejectLabelNotAllChecksCompleted, RejectLabelFrontSideMissing, RejectLabelBackSideMissing, RejectLabelScreenshots,
		RejectLabelBlackAndWhite, RejectLabelIncompatibleLanguage, RejectLabelExpirationDate, RejectLabelUnfilledID, RejectLabelBadSelfie,
		RejectLabelBadVideoSelfie, RejectLabelBadFaceMatching, RejectLabelBadProofOfIdentity, RejectLabelBadProofOfAddress,
		RejectLabelBadProofOfPayment, RejectLabelSelfieWithPaper, RejectLabelFraudulentLiveness, RejectLabelExternalDecisionRejection,
		RejectLabelOk, RejectLabelCompanyNotDefinedStructure, RejectLabelCompanyNotDefinedBeneficiaries,
		RejectLabelCompanyNotValidatedBeneficialOwners, RejectLabelCompanyNotValidatedBeneficiaries, RejectLabelCompanyNotValidatedDirectors,
		RejectLabelCompanyNotDefinedRepresentatives, RejectLabelCompanyNotValidatedRepresentatives, RejectLabelUnsuitableDocument,
		RejectLabelOutdatedDocumentVersion, RejectLabelCompanyNotDefinedOwnershipStructure, RejectLabelCompanyInactiveEntity,
		RejectLabelCompanyIncorrectData, RejectLabelCompanyProblematicStructure, RejectLabelCompanyDataMismatch,
		RejectLabelApplicantInterruptedInterview, RejectLabelDocumentMissing, RejectLabelUnsuitableEnv, RejectLabelConnectionInterrupted,
		RejectLabelUnsupportedLanguage, RejectLabelThirdPartyInvolved, RejectLabelIncorrectSocialNumber, RejectLabelCheckUnavailable,
		RejectLabelDbDataNotFound, RejectLabelDbDataMismatch, RejectLabelDbNoDataSource, RejectLabelEsignFailed, RejectLabelRestrictedPerson,
		RejectLabelNoApplicant, RejectLabelNoSuitableDocs, RejectLabelNotAlone, RejectLabelConnectionIssues, RejectLabelCameraOrLightingIssues,
		RejectLabelSoundIssues, RejectLabelPhoneVerificationIssues, RejectLabelOtherViIssues, RejectLabelRefusedToContinue,
		RejectLabelVideoFiltersOrMasks, RejectLabelSupportedLanguageIsNotAvailable, RejectLabelAdditionalDataRequired,
		RejectLabelViAttemptsLimitReached, RejectLabelBehavior, RejectLabelPersonMismatch, RejectLabelThirdPartyGuidance,
		RejectLabelSponsoredVerification, RejectLabelInsufficientData, RejectLabelIncorrectPatterns:
		return true
	}
	return false
}

// CheckType is the kind of a check. The set is open.
type CheckType string

// The specification lists the first two.
const (
	CheckTypeFaceLiveliness    CheckType = "FACE_LIVELINESS" // sic
	CheckTypeFaceMatch         CheckType = "FACE_MATCH"
	CheckTypeEmailConfirmation CheckType = "EMAIL_CONFIRMATION"
	CheckTypePhoneConfirmation CheckType = "PHONE_CONFIRMATION"
	CheckTypePaymentMethod     CheckType = "PAYMENT_METHOD"
	CheckTypePaymentSource     CheckType = "PAYMENT_SOURCE"
	CheckTypeCrossValidation   CheckType = "CROSS_VALIDATION" // listed in words; spelt so in payloads
	CheckTypeSimilarSearch     CheckType = "SIMILAR_SEARCH"
	CheckTypeTin               CheckType = "TIN"
	CheckTypeIpCheck           CheckType = "IP_CHECK"
)

// Known reports whether t is one of the constants.
func (t CheckType) Known() bool {
	switch t {
	case CheckTypeFaceLiveliness, CheckTypeFaceMatch, CheckTypeEmailConfirmation, CheckTypePhoneConfirmation, CheckTypePaymentMethod,
		CheckTypePaymentSource, CheckTypeCrossValidation, CheckTypeSimilarSearch, CheckTypeTin, CheckTypeIpCheck:
		return true
	}
	return false
}

// ActionType is the kind of an action. The set is open, and the newest
// documents do without.
type ActionType string

// The specification shows the first; the others come from older and sister documents.
const (
	ActionTypeSelfieAuth        ActionType = "selfieAuth"
	ActionTypePaymentMethod     ActionType = "paymentMethod"
	ActionTypeFaceAuth          ActionType = "faceAuth"
	ActionTypeCryptoTransaction ActionType = "cryptoTransaction"
)

// Known reports whether t is one of the constants.
func (t ActionType) Known() bool {
	switch t {
	case ActionTypeSelfieAuth, ActionTypePaymentMethod, ActionTypeFaceAuth, ActionTypeCryptoTransaction:
		return true
	}
	return false
}

// IDDocType is the kind of a document. The set is open: AddImage takes any.
type IDDocType string

// The vendor's own list, which is cut off in its documents, comes first.
const (
	IDDocTypePassport                       IDDocType = "PASSPORT"
	IDDocTypeDrivers                        IDDocType = "DRIVERS"
	IDDocTypeIDCard                         IDDocType = "ID_CARD"
	IDDocTypeResidencePermit                IDDocType = "RESIDENCE_PERMIT"
	IDDocTypeUtilityBill                    IDDocType = "UTILITY_BILL"
	IDDocTypeSelfie                         IDDocType = "SELFIE"
	IDDocTypeProfileImage                   IDDocType = "PROFILE_IMAGE"
	IDDocTypeVehicleRegistrationCertificate IDDocType = "VEHICLE_REGISTRATION_CERTIFICATE"
	IDDocTypeWorkPatent                     IDDocType = "WORK_PATENT"
	IDDocTypeMigrationCard                  IDDocType = "MIGRATION_CARD"
	// From a sister product's documents.
	IDDocTypeVideoSelfie          IDDocType = "VIDEO_SELFIE"
	IDDocTypeIDDocPhoto           IDDocType = "ID_DOC_PHOTO"
	IDDocTypeAgreement            IDDocType = "AGREEMENT"
	IDDocTypeContract             IDDocType = "CONTRACT"
	IDDocTypeDriversTranslation   IDDocType = "DRIVERS_TRANSLATION"
	IDDocTypeInvestorDoc          IDDocType = "INVESTOR_DOC"
	IDDocTypeIncomeSource         IDDocType = "INCOME_SOURCE"
	IDDocTypePaymentMethod        IDDocType = "PAYMENT_METHOD"
	IDDocTypePaymentSource        IDDocType = "PAYMENT_SOURCE"
	IDDocTypeBankCard             IDDocType = "BANK_CARD"
	IDDocTypeBankStatement        IDDocType = "BANK_STATEMENT"
	IDDocTypeCovidVaccinationForm IDDocType = "COVID_VACCINATION_FORM"
	IDDocTypeCompanyDoc           IDDocType = "COMPANY_DOC"
	IDDocTypePowerOfAttorney      IDDocType = "POWER_OF_ATTORNEY"
	IDDocTypeTaxReturn            IDDocType = "TAX_RETURN"
	IDDocTypeRentalAgreement      IDDocType = "RENTAL_AGREEMENT"
	IDDocTypeOther                IDDocType = "OTHER"
)

// Known reports whether t is one of the constants.
func (t IDDocType) Known() bool {
	switch t {
	case IDDocTypePassport, IDDocTypeDrivers, IDDocTypeIDCard, IDDocTypeResidencePermit, IDDocTypeUtilityBill, IDDocTypeSelfie,
		IDDocTypeProfileImage, IDDocTypeVehicleRegistrationCertificate, IDDocTypeWorkPatent, IDDocTypeMigrationCard, IDDocTypeVideoSelfie,
		IDDocTypeIDDocPhoto, IDDocTypeAgreement, IDDocTypeContract, IDDocTypeDriversTranslation, IDDocTypeInvestorDoc, IDDocTypeIncomeSource,
		IDDocTypePaymentMethod, IDDocTypePaymentSource, IDDocTypeBankCard, IDDocTypeBankStatement, IDDocTypeCovidVaccinationForm,
		IDDocTypeCompanyDoc, IDDocTypePowerOfAttorney, IDDocTypeTaxReturn, IDDocTypeRentalAgreement, IDDocTypeOther:
		return true
	}
	return false
}

// IDDocSubType is the side of a document.
type IDDocSubType string

// Both are the specification's.
const (
	IDDocSubTypeFrontSide IDDocSubType = "FRONT_SIDE"
	IDDocSubTypeBackSide  IDDocSubType = "BACK_SIDE"
)

// Known reports whether t is one of the constants.
func (t IDDocSubType) Known() bool { return t == IDDocSubTypeFrontSide || t == IDDocSubTypeBackSide }

// WebhookType is the kind of an event. The set is open: answer 200 to what you
// do not know.
type WebhookType string

// The specification lists the first three. The fourth, and the events about
// applicants that one endpoint may get as well, are a sister product's, which
// has more of them, named videoIdent… and applicantKyt….
const (
	WebhookTypeApplicantActionPending       WebhookType = "applicantActionPending"  // the user has done every step
	WebhookTypeApplicantActionReviewed      WebhookType = "applicantActionReviewed" // the review is completed
	WebhookTypeApplicantActionOnHold        WebhookType = "applicantActionOnHold"   // paused for an agreed reason
	WebhookTypeApplicantActionLevelChanged  WebhookType = "applicantActionLevelChanged"
	WebhookTypeApplicantCreated             WebhookType = "applicantCreated"
	WebhookTypeApplicantPending             WebhookType = "applicantPending"
	WebhookTypeApplicantReviewed            WebhookType = "applicantReviewed"
	WebhookTypeApplicantOnHold              WebhookType = "applicantOnHold"
	WebhookTypeApplicantPrechecked          WebhookType = "applicantPrechecked"
	WebhookTypeApplicantReset               WebhookType = "applicantReset"
	WebhookTypeApplicantDeleted             WebhookType = "applicantDeleted"
	WebhookTypeApplicantLevelChanged        WebhookType = "applicantLevelChanged"
	WebhookTypeApplicantPersonalInfoChanged WebhookType = "applicantPersonalInfoChanged"
	WebhookTypeApplicantTagsChanged         WebhookType = "applicantTagsChanged"
	WebhookTypeApplicantActivated           WebhookType = "applicantActivated"
	WebhookTypeApplicantDeactivated         WebhookType = "applicantDeactivated"
	WebhookTypeApplicantWorkflowCompleted   WebhookType = "applicantWorkflowCompleted"
)

// Known reports whether t is one of the constants.
func (t WebhookType) Known() bool {
	switch t {
	case WebhookTypeApplicantActionPending, WebhookTypeApplicantActionReviewed, WebhookTypeApplicantActionOnHold,
		WebhookTypeApplicantActionLevelChanged, WebhookTypeApplicantCreated, WebhookTypeApplicantPending, WebhookTypeApplicantReviewed,
		WebhookTypeApplicantOnHold, WebhookTypeApplicantPrechecked, WebhookTypeApplicantReset, WebhookTypeApplicantDeleted,
		WebhookTypeApplicantLevelChanged, WebhookTypeApplicantPersonalInfoChanged, WebhookTypeApplicantTagsChanged,
		WebhookTypeApplicantActivated, WebhookTypeApplicantDeactivated, WebhookTypeApplicantWorkflowCompleted:
		return true
	}
	return false
}

// What follows decodes. encoding/json reads the text of a value with an
// UnmarshalJSON method twice, so the client decodes into types without one, in
// one pass, and then puts right what has to be.

type (
	plainAction       Action
	plainWebhookEvent WebhookEvent

	wireAction struct {
		plainAction
		RootResult *ReviewResult `json:"reviewResult"`
	}

	wirePage[T any] struct {
		Items      []*T       `json:"items"`
		TotalItems *wireCount `json:"totalItems"`
	}

	wireEnvelope[T any] struct {
		List *wirePage[T] `json:"list"`
		wirePage[T]
	}

	// coreAction has the members of an action that must be readable: which
	// action it is and how it stands.
	coreAction struct {
		ID               ImageID `json:"id"` // which reads a number as text
		ApplicantID      ImageID `json:"applicantId"`
		ExternalActionID ImageID `json:"externalActionId"`
		Review           struct {
			ReviewStatus string     `json:"reviewStatus"`
			LevelName    string     `json:"levelName"`
			ReviewResult wireAnswer `json:"reviewResult"`
		} `json:"review"`
		RootResult wireAnswer `json:"reviewResult"`
	}

	// coreWebhookEvent has the members of an event that must be readable, if
	// need be from another JSON type: what happened, and to what.
	coreWebhookEvent struct {
		Type                      string     `json:"type"`
		ApplicantID               ImageID    `json:"applicantId"`
		ApplicantActionID         ImageID    `json:"applicantActionId"`
		ExternalApplicantActionID ImageID    `json:"externalApplicantActionId"`
		InspectionID              ImageID    `json:"inspectionId"`
		NetworkID                 ImageID    `json:"networkId"`
		ExternalUserID            ImageID    `json:"externalUserId"`
		ClientID                  ImageID    `json:"clientId"`
		CorrelationID             ImageID    `json:"correlationId"`
		ReviewResult              wireAnswer `json:"reviewResult"`
	}
)

// decodeAction replaces a by the action in data. It does not insist on an id.
func decodeAction(data []byte, a *Action) error {
	*a = Action{}
	wire := struct {
		*plainAction
		RootResult *ReviewResult `json:"reviewResult"`
	}{plainAction: (*plainAction)(a)}
	var core coreAction
	if err := decodeSkipping(data, &wire, &core); err != nil {
		return err
	}
	a.settleResult(wire.RootResult, &core)
	return nil
}

// settleResult puts the result where it belongs: the review's own or, if that
// is empty, the root's. core is nil or empty unless a member was skipped.
func (a *Action) settleResult(root *ReviewResult, core *coreAction) {
	result := &a.Review.ReviewResult
	if core != nil {
		fill(&a.ID, core.ID)
		fill(&a.ApplicantID, core.ApplicantID)
		fill(&a.ExternalActionID, core.ExternalActionID)
	}
	if core != nil && result.ReviewAnswer == "" {
		result.ReviewAnswer = ReviewAnswer(core.Review.ReviewResult)
	}
	if !result.empty() {
		return
	}
	if root != nil && !root.empty() {
		*result = *root
	}
	if core != nil && result.ReviewAnswer == "" {
		result.ReviewAnswer = ReviewAnswer(core.RootResult)
	}
}

// empty reports whether the result is absent, null, {} or of empty members.
func (r *ReviewResult) empty() bool {
	return r.ReviewAnswer == "" && len(r.RejectLabels) == 0 && r.ReviewRejectType == "" && r.ModerationComment == "" &&
		r.ClientComment == "" && len(r.ButtonIDs) == 0 && r.Label == ""
}

// decodeActionPage replaces p by the page in data. It insists on a list whose
// items are actions: one taken for empty by mistake could have an action
// created twice. A null among the items is nothing.
func decodeActionPage(data []byte, p *ActionPage) error {
	*p = ActionPage{}
	var wire wireEnvelope[wireAction]
	var cores wireEnvelope[coreAction]
	if err := decodeSkipping(data, &wire, &cores); err != nil {
		return err
	}
	page := wire.page()
	if page.Items == nil && page.TotalItems == nil {
		return errors.New("the answer holds no list of actions")
	}
	if page.TotalItems != nil {
		if p.TotalItems = int(*page.TotalItems); p.TotalItems < 0 {
			return errors.New("the list of actions has no usable totalItems")
		}
	}
	if page.Items != nil {
		p.Items = make([]*Action, 0, len(page.Items))
	}
	for i, item := range page.Items {
		if item == nil {
			continue
		}
		var core *coreAction
		if skipped := cores.page().Items; skipped != nil {
			core = skipped[i]
		}
		a := (*Action)(&item.plainAction)
		a.settleResult(item.RootResult, core)
		p.Items = append(p.Items, a)
	}
	return nil
}

// page is the page that the envelope holds, wherever that is.
func (e *wireEnvelope[T]) page() *wirePage[T] {
	if len(e.Items) == 0 && e.List != nil {
		return e.List
	}
	return &e.wirePage
}

// decodeWebhookEvent replaces e by the event in body. It does not insist on a
// type, and leaves Raw empty.
func decodeWebhookEvent(body []byte, e *WebhookEvent) error {
	*e = WebhookEvent{}
	wire := struct {
		*plainWebhookEvent
		SandboxMode wireBool `json:"sandboxMode"`
	}{plainWebhookEvent: (*plainWebhookEvent)(e)}
	var core coreWebhookEvent
	if err := decodeSkipping(body, &wire, &core); err != nil {
		return err
	}
	e.SandboxMode = bool(wire.SandboxMode)
	fill(&e.ApplicantID, core.ApplicantID)
	fill(&e.ApplicantActionID, core.ApplicantActionID)
	fill(&e.ExternalApplicantActionID, core.ExternalApplicantActionID)
	fill(&e.InspectionID, core.InspectionID)
	fill(&e.NetworkID, core.NetworkID)
	fill(&e.ExternalUserID, core.ExternalUserID)
	fill(&e.ClientID, core.ClientID)
	fill(&e.CorrelationID, core.CorrelationID)
	if e.ReviewResult.ReviewAnswer == "" {
		e.ReviewResult.ReviewAnswer = ReviewAnswer(core.ReviewResult)
	}
	return nil
}

// fill takes an id that was no string from the core.
func fill(id *string, core ImageID) {
	if *id == "" {
		*id = string(core)
	}
}

// decodeSkipping decodes a JSON object into v. Members of another JSON type
// than their field's are left zero, as encoding/json promises, unless they
// belong to core, which is decoded into only then. For this to work no
// UnmarshalJSON method below v may return an [*json.UnmarshalTypeError]: it
// would end the decoding.
func decodeSkipping(data []byte, v, core any) error {
	err := json.Unmarshal(data, v)
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) && json.Unmarshal(data, core) == nil {
		return nil
	}
	return err
}

// wireAnswer is the answer in a result. The specification's table has the
// result itself as a text: that is an answer too.
type wireAnswer string

func (a *wireAnswer) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, (*string)(a))
	}
	var result struct {
		ReviewAnswer string `json:"reviewAnswer"`
	}
	// What is no object, or has an answer that is no text, answers nothing.
	if json.Unmarshal(data, &result) == nil {
		*a = wireAnswer(result.ReviewAnswer)
	}
	return nil
}

// wireBool is a boolean that may come as a text.
type wireBool bool

func (b *wireBool) UnmarshalJSON(data []byte) error {
	v, _ := strconv.ParseBool(strings.Trim(string(data), `"`))
	*b = wireBool(v)
	return nil
}

// wireCount is a count that may come as a text, "" as 0; -1 if it is none.
type wireCount int

func (c *wireCount) UnmarshalJSON(data []byte) error {
	text := wholeNumber(strings.Trim(string(data), `"`))
	n, err := strconv.Atoi(text)
	if text != "" && err != nil || n < 0 {
		n = -1
	}
	*c = wireCount(n)
	return nil
}

// parse takes the forms that are known, of dates that exist.
func (t *Time) parse(s []byte) bool {
	if len(s) < len(time.DateTime) || s[4] != '-' || s[7] != '-' || s[10] != ' ' && s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return false
	}
	year, month, day := digits(s[:4]), digits(s[5:7]), digits(s[8:10])
	hour, minute, second := digits(s[11:13]), digits(s[14:16]), digits(s[17:19])
	if year < 0 || month < 1 || month > 12 || day < 1 || uint(hour) > 23 || uint(minute) > 59 || uint(second) > 59 {
		return false
	}
	vendors := s[10] == ' '
	s = s[len(time.DateTime):]

	nanos, zeroMillis := 0, false
	if len(s) > 0 && s[0] == '.' {
		n := 1
		for n < len(s) && '0' <= s[n] && s[n] <= '9' {
			n++
		}
		if n < 2 || n > 10 {
			return false
		}
		nanos = digits(s[1:n])
		for i := n; i < 10; i++ {
			nanos *= 10
		}
		zeroMillis = nanos == 0
		s = s[n:]
	}
	offset, ok := parseOffset(s)
	if !ok {
		return false
	}
	at := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	if at.Day() != day { // such as February 30
		return false
	}
	if offset != 0 {
		at = at.Add(-offset)
	}
	// The first would pass for no date, the others do not have four digits.
	if y := at.Year(); at.IsZero() || y < 0 || y > 9999 {
		return false
	}
	t.Time, t.form = at, formPlain
	switch zone := vendors && string(s) == "+0000"; {
	case zone && zeroMillis:
		t.form = formMillisZone
	case zone:
		t.form = formZone
	case zeroMillis:
		t.form = formMillis
	}
	return true
}

// parseOffset takes nothing, Z, and ±hh:mm with or without its colon.
func parseOffset(s []byte) (time.Duration, bool) {
	if len(s) == 0 || string(s) == "Z" {
		return 0, true
	}
	if len(s) == 6 && s[3] == ':' {
		s = []byte{s[0], s[1], s[2], s[4], s[5]}
	}
	if len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	hours, minutes := digits(s[1:3]), digits(s[3:])
	if uint(hours) > 23 || uint(minutes) > 59 {
		return 0, false
	}
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// digits is the number that s spells, or -1.
func digits(s []byte) int {
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// kept reports whether the date was not understood and form is its JSON text.
func (t Time) kept() bool {
	switch t.form {
	case formPlain, formZone, formMillis, formMillisZone:
		return false
	}
	return t.Time.IsZero()
}

// wholeNumber writes a JSON number without exponent and decimals. Any other
// text, what is no whole number, and an absurdly long one, stays as it is.
func wholeNumber(s string) string {
	const limit = 64
	if len(s) > limit || !strings.ContainsAny(s, ".eE") {
		return s
	}
	mantissa, exponent := s, 0
	if e := strings.IndexAny(s, "eE"); e >= 0 {
		var err error
		if exponent, err = strconv.Atoi(s[e+1:]); err != nil || exponent < -limit || exponent > limit {
			return s
		}
		mantissa = s[:e]
	}
	unsigned := strings.TrimPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(unsigned, ".")
	zeros := strings.Repeat("0", limit)
	number, point := zeros+whole+fraction+zeros, limit+len(whole)+exponent
	if strings.Trim(number, "0123456789") != "" || strings.Trim(number[point:], "0") != "" {
		return s
	}
	whole = strings.TrimLeft(number[:point], "0")
	if whole == "" {
		return "0"
	}
	return mantissa[:len(mantissa)-len(unsigned)] + whole
}

// unquote is the text of a JSON string.
func unquote(data []byte) (string, error) {
	if n := len(data) - 1; n > 0 && data[n] == '"' {
		plain := true
		for _, c := range data[1:n] {
			plain = plain && c >= ' ' && c < 0x7f && c != '"' && c != '\\'
		}
		if plain {
			return string(data[1:n]), nil
		}
	}
	var s string
	err := json.Unmarshal(data, &s)
	return s, err
}

func isNull(data []byte) bool { return string(data) == "null" }
