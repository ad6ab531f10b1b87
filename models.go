package idngo

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/idngo-go/idngo/internal/lenient"
)

// A field has the JSON name in Go's case. An absent field, a null and a zero value decode alike,
// and a zero value is left out when a model is encoded. Fields that no model names are ignored;
// [WithResponse] and [WebhookEvent.Raw] have the exact bytes. A null json.RawMessage reads as nil,
// but not when encoding/json decodes an Image, Check, DocSet or PaymentSource on its own.
//
// The specification names few of these fields. The others come from recorded payloads and from the
// documents of related products for the same objects. Any of them may be absent.

// Action is a verification after the main one, such as a face authorization.
//
// Decoding an action replaces everything that the value held. A field of an unexpected JSON type is
// ignored. But decoding fails if the review is not an object, or its status or level name not a
// string. An id may be a JSON number. A reviewResult at the top level is stored in Review.
type Action struct {
	ID               string     `json:"id,omitzero"`               // the service's id of the action, 24 hex digits
	ApplicantID      string     `json:"applicantId,omitzero"`      // the service's id of the applicant, 24 hex digits
	ExternalActionID string     `json:"externalActionId,omitzero"` // your id of the action; may be absent in lists
	Type             ActionType `json:"type,omitzero"`             // the kind of action; not in the newest specification
	CreatedAt        Time       `json:"createdAt,omitzero"`        // when the action was created
	Review           Review     `json:"review,omitzero"`           // the status and the result
	Checks           []Check    `json:"checks,omitzero"`           // the checks performed so far
	Images           []Image    `json:"images,omitzero"`           // the uploaded images

	// Not in the specification.
	ClientID       string          `json:"clientId,omitzero"`       // the name of your account at the service
	Key            string          `json:"key,omitzero"`            // 14 capital letters; meaning not documented
	Questionnaires []Questionnaire `json:"questionnaires,omitzero"` // the answers, once there are any
	RequiredIDDocs RequiredIDDocs  `json:"requiredIdDocs,omitzero"` // the steps of the level
	PaymentMethod  *PaymentMethod  `json:"paymentMethod,omitzero"`  // nil if the action has none
	PaymentSource  *PaymentSource  `json:"paymentSource,omitzero"`  // nil if the action has none
	Agreement      json.RawMessage `json:"agreement,omitzero"`      // an object; members not documented
}

// Completed reports whether the review is completed. The answer is final only then. A nil action is
// not completed.
func (a *Action) Completed() bool { return a != nil && a.Review.ReviewStatus == ReviewStatusCompleted }

// Approved reports whether the review is completed and its answer is GREEN. GREEN may be set before
// that. [Client.RequireApproved] also checks that it is the right action.
func (a *Action) Approved() bool {
	return a.Completed() && a.Review.ReviewResult.ReviewAnswer == ReviewAnswerGreen
}

// UnmarshalJSON decodes an action. A null changes nothing.
func (a *Action) UnmarshalJSON(data []byte) error { return unlessNull(data, a, decodeAction) }

// ActionPage is one page of an applicant's actions. It decodes from
// {"list":{"items":…,"totalItems":…}} and from the same without list. It encodes without list.
type ActionPage struct {
	Items      []*Action `json:"items,omitzero"` // the actions, perhaps with fewer fields than GetAction returns; none is nil
	TotalItems int       `json:"totalItems"`     // the number of actions on all pages; 0 if the service does not report it
}

// UnmarshalJSON decodes a page. A null changes nothing.
func (p *ActionPage) UnmarshalJSON(data []byte) error { return unlessNull(data, p, decodeActionPage) }

// Applicant is a person or a company that the service verifies. It is not in the specification. Its
// personal data is in the JSON members info and fixedInfo: read them by [WithResponse].
//
// It decodes as an [Action] does, except that a level name that is not a string is no error.
type Applicant struct {
	ID             string         `json:"id,omitzero"`             // the service's id of the applicant, 24 hex digits
	ExternalUserID string         `json:"externalUserId,omitzero"` // your id of the user
	InspectionID   string         `json:"inspectionId,omitzero"`   // the id of the main verification, 24 hex digits
	ClientID       string         `json:"clientId,omitzero"`       // the name of your account at the service
	Key            string         `json:"key,omitzero"`            // 14 capital letters; meaning not documented
	Type           string         `json:"type,omitzero"`           // the kind of applicant: individual or company
	Email          string         `json:"email,omitzero"`          // the e-mail address
	Phone          string         `json:"phone,omitzero"`          // the phone number; may contain spaces
	Lang           string         `json:"lang,omitzero"`           // the language, ISO 639-1
	CreatedAt      Time           `json:"createdAt,omitzero"`      // when the applicant was created
	Review         Review         `json:"review,omitzero"`         // the status and result of the main verification
	RequiredIDDocs RequiredIDDocs `json:"requiredIdDocs,omitzero"` // the steps of the level
}

// Completed reports whether the main verification is completed. A nil applicant is not completed.
func (a *Applicant) Completed() bool {
	return a != nil && a.Review.ReviewStatus == ReviewStatusCompleted
}

// Approved reports whether the main verification is completed and its answer is GREEN, as the
// specification requires before an action is started. GREEN alone is not enough.
func (a *Applicant) Approved() bool {
	return a.Completed() && a.Review.ReviewResult.ReviewAnswer == ReviewAnswerGreen
}

// UnmarshalJSON decodes an applicant. A null changes nothing.
func (a *Applicant) UnmarshalJSON(data []byte) error { return unlessNull(data, a, decodeApplicant) }

// Review is the status and the result of a review.
type Review struct {
	ReviewStatus ReviewStatus `json:"reviewStatus,omitzero"` // required by the specification, but absent in its example
	ReviewResult ReviewResult `json:"reviewResult,omitzero"` // set when the review is completed; may come earlier

	// Not in the specification.
	LevelName              string `json:"levelName,omitzero"`              // the name of the level that is reviewed
	CreateDate             Time   `json:"createDate,omitzero"`             // when the review was created
	StartDate              Time   `json:"startDate,omitzero"`              // when the review started
	ReviewDate             Time   `json:"reviewDate,omitzero"`             // when the review ended
	ReviewID               string `json:"reviewId,omitzero"`               // the id of the review
	AttemptID              string `json:"attemptId,omitzero"`              // the id of the user's attempt
	AttemptCnt             int    `json:"attemptCnt,omitzero"`             // the number of attempts
	ElapsedSincePendingMs  int64  `json:"elapsedSincePendingMs,omitzero"`  // milliseconds since the status was pending
	ElapsedSinceQueuedMs   int64  `json:"elapsedSinceQueuedMs,omitzero"`   // milliseconds since the status was queued
	Priority               int    `json:"priority,omitzero"`               // the place in the queue; scale not documented
	NotificationFailureCnt int    `json:"notificationFailureCnt,omitzero"` // the number of failed notifications, presumably webhooks
	Reprocessing           bool   `json:"reprocessing,omitzero"`           // whether the review is being repeated
	AutoChecked            bool   `json:"autoChecked,omitzero"`            // whether no person was involved
}

// ReviewResult is the outcome of a review, of an action or of one image. The specification
// documents the result of an action as a string, but every known payload has an object. A string is
// stored in ReviewAnswer.
type ReviewResult struct {
	ReviewAnswer ReviewAnswer  `json:"reviewAnswer,omitzero"` // the answer: GREEN, RED or ERROR
	RejectLabels []RejectLabel `json:"rejectLabels,omitzero"` // the reasons; may be set beside GREEN too

	// Not in the specification.
	ReviewRejectType  RejectType `json:"reviewRejectType,omitzero"`  // whether the user may try again; labels do not decide this
	ModerationComment string     `json:"moderationComment,omitzero"` // a text that may be shown to the user
	ClientComment     string     `json:"clientComment,omitzero"`     // a text for you alone: never show it to the user
	ButtonIDs         []string   `json:"buttonIds,omitzero"`         // finer reasons than the labels; open set
	Label             string     `json:"label,omitzero"`             // a single label, in payloads of 2018
}

// Check is one check that was performed as part of an action. Its CheckType determines which of the
// detail objects it has; the others are nil. After a failed liveness check there is no face match.
type Check struct {
	Answer        ReviewAnswer   `json:"answer,omitzero"`        // the answer of this check
	CheckType     CheckType      `json:"checkType,omitzero"`     // the kind of check
	CreatedAt     Time           `json:"createdAt,omitzero"`     // when the check was made
	LivenessInfo  *LivenessInfo  `json:"livenessInfo,omitzero"`  // the detail of FACE_LIVELINESS
	FaceMatchInfo *FaceMatchInfo `json:"faceMatchInfo,omitzero"` // the detail of FACE_MATCH

	// Not in the specification.
	ID                         string                      `json:"id,omitzero"`                         // the id of the check
	AttemptID                  string                      `json:"attemptId,omitzero"`                  // the id of the user's attempt
	ErrorMessage               string                      `json:"errorMessage,omitzero"`               // a text; set if the check failed
	ImageIDs                   []ImageID                   `json:"imageIds,omitzero"`                   // the images that were checked
	EmailConfirmationCheckInfo *EmailConfirmationCheckInfo `json:"emailConfirmationCheckInfo,omitzero"` // the detail of EMAIL_CONFIRMATION
	PhoneConfirmationCheckInfo *PhoneConfirmationCheckInfo `json:"phoneConfirmationCheckInfo,omitzero"` // the detail of PHONE_CONFIRMATION
	ExtractedInfo              *ExtractedInfo              `json:"extractedInfo,omitzero"`              // what a payment check has read
	RiskCheck                  *RiskCheck                  `json:"riskCheck,omitzero"`                  // what a payment check knows of a card
	Violations                 json.RawMessage             `json:"violations,omitzero"`                 // what a payment check found, an array
}

// LivenessInfo is the detail of a FACE_LIVELINESS check.
type LivenessInfo struct {
	LivenessData   LivenessData   `json:"livenessData,omitzero"`   // the input of the check
	LivenessResult LivenessResult `json:"livenessResult,omitzero"` // the outcome of the check
	DeviceDesc     string         `json:"deviceDesc,omitzero"`     // the user's device, here or in LivenessData; not in the specification
}

// LivenessData is the input of a liveness check.
type LivenessData struct {
	SessionID  string          `json:"sessionId,omitzero"`  // the id of the liveness session, a UUID
	Images     []LivenessImage `json:"images,omitzero"`     // the frames
	DeviceDesc string          `json:"deviceDesc,omitzero"` // the user's device, here or in LivenessInfo; not in the specification
}

// LivenessImage is one frame of a liveness session.
type LivenessImage struct {
	ImageID ImageID `json:"imageId,omitzero"` // the id to pass to [Client.OpenImage]
	Ts      Time    `json:"ts,omitzero"`      // when the frame was taken; not in the specification
}

// LivenessResult is the outcome of a liveness check.
type LivenessResult struct {
	Answer      ReviewAnswer `json:"answer,omitzero"`      // the answer of the check
	Glasses     bool         `json:"glasses,omitzero"`     // whether the user wears glasses
	RetryReason int          `json:"retryReason,omitzero"` // a code; 0 in all known payloads, others not documented
}

// FaceMatchInfo is the detail of a FACE_MATCH check of the new face with the verified one.
type FaceMatchInfo struct {
	Answer ReviewAnswer `json:"answer,omitzero"` // the answer of the check

	// Not in the specification.
	Confidence     float64 `json:"confidence,omitzero"`     // the similarity of the faces; scale not documented
	OriginImageID1 ImageID `json:"originImageId1,omitzero"` // one image
	OriginImageID2 ImageID `json:"originImageId2,omitzero"` // the other image
	FaceContentID1 ImageID `json:"faceContentId1,omitzero"` // the face in the one image
	FaceContentID2 ImageID `json:"faceContentId2,omitzero"` // the face in the other image
}

// EmailConfirmationCheckInfo is the detail of EMAIL_CONFIRMATION. It is not in the specification.
type EmailConfirmationCheckInfo struct {
	Email           string       `json:"email,omitzero"`           // the e-mail address
	FirstSeenAt     Time         `json:"firstSeenAt,omitzero"`     // when the address was first seen anywhere
	ConfirmedViaOtp ReviewAnswer `json:"confirmedViaOtp,omitzero"` // GREEN if the user entered the code that was sent
	NonDisposable   ReviewAnswer `json:"nonDisposable,omitzero"`   // GREEN if it is no throw-away address
	SuspiciousEmail ReviewAnswer `json:"suspiciousEmail,omitzero"` // inferred: not GREEN if the address is suspicious
	Blacklisted     ReviewAnswer `json:"blacklisted,omitzero"`     // inferred: not GREEN if it is on a block list
	WebsiteExists   ReviewAnswer `json:"websiteExists,omitzero"`   // GREEN if the domain has a website
	Deliverable     ReviewAnswer `json:"deliverable,omitzero"`     // GREEN if mail reaches the address
	RiskLevel       string       `json:"riskLevel,omitzero"`       // the risk, such as low; values not documented
}

// PhoneConfirmationCheckInfo is the detail of PHONE_CONFIRMATION. It is not in the specification.
type PhoneConfirmationCheckInfo struct {
	FirstSeenAt           Time         `json:"firstSeenAt,omitzero"`           // when the number was first seen anywhere
	ConfirmedViaOtp       ReviewAnswer `json:"confirmedViaOtp,omitzero"`       // GREEN if the user entered the code that was sent
	NonDisposable         ReviewAnswer `json:"nonDisposable,omitzero"`         // GREEN if it is no throw-away number
	Blacklisted           ReviewAnswer `json:"blacklisted,omitzero"`           // inferred: not GREEN if it is on a block list
	WebRegistrationsExist ReviewAnswer `json:"webRegistrationsExist,omitzero"` // GREEN if it is registered at websites
	Active                ReviewAnswer `json:"active,omitzero"`                // GREEN if the number is in use
	Valid                 ReviewAnswer `json:"valid,omitzero"`                 // GREEN if the number is a valid one
	RiskLevel             string       `json:"riskLevel,omitzero"`             // the risk, such as low; values not documented
}

// ExtractedInfo is what a payment check read from a document. It is not in the specification.
type ExtractedInfo struct {
	Type              string `json:"type,omitzero"`              // the kind of payment method, as in [PaymentMethod]
	AccountIdentifier string `json:"accountIdentifier,omitzero"` // the number of the card or account, partly masked
	InstitutionName   string `json:"institutionName,omitzero"`   // the bank
	IssuedDate        string `json:"issuedDate,omitzero"`        // the date of issue as printed: 2006-01-02 in all known payloads
}

// RiskCheck is what a payment check knows of the card. It is not in the specification.
type RiskCheck struct {
	BinInfo BinInfo `json:"binInfo,omitzero"` // what the leading digits tell
}

// BinInfo describes a card by its leading digits. None of its fields is in the specification; the
// types of the last three are inferred from their names.
type BinInfo struct {
	Country    string `json:"country,omitzero"`    // the country of the issuer, ISO 3166-1 alpha-3
	Issuer     string `json:"issuer,omitzero"`     // the bank
	Brand      string `json:"brand,omitzero"`      // the brand of the card, such as VISA
	Type       string `json:"type,omitzero"`       // the kind of card, such as debit
	Prepaid    bool   `json:"prepaid,omitzero"`    // whether it is a prepaid card
	Virtual    bool   `json:"virtual,omitzero"`    // whether it is a virtual card
	Commercial bool   `json:"commercial,omitzero"` // whether it is a company's card
}

// Image is an uploaded file: the answer of [Client.AddImage], and an element of [Action.Images].
// Pass ImageID, not ID, to [Client.OpenImage].
type Image struct {
	ID               string       `json:"id,omitzero"`               // the id of the image object, 24 hex digits
	AddedDate        Time         `json:"addedDate,omitzero"`        // when the image was uploaded
	CreatorClientID  string       `json:"creatorClientId,omitzero"`  // who uploaded it: API or SDK
	ImageHash        string       `json:"imageHash,omitzero"`        // the checksum of the file, 40 or 32 hex digits
	ImageFileName    string       `json:"imageFileName,omitzero"`    // the name of the file
	ImageID          ImageID      `json:"imageId,omitzero"`          // the id of the content
	ResizedImageID   ImageID      `json:"resizedImageId,omitzero"`   // the id of the resized content
	MimeType         string       `json:"mimeType,omitzero"`         // an extension such as jpg, not a media type
	SigHash          string       `json:"sigHash,omitzero"`          // the signed hash, a UUID in the specification
	FileSize         int64        `json:"fileSize,omitzero"`         // the size of the file in bytes
	ActualResolution Resolution   `json:"actualResolution,omitzero"` // the size of the image
	Answer           ReviewAnswer `json:"answer,omitzero"`           // the answer of the image check
	IDDocDef         IDDocDef     `json:"idDocDef,omitzero"`         // the document that the image shows
	ReviewResult     ReviewResult `json:"reviewResult,omitzero"`     // the result; empty until the action is checked
	AttemptID        string       `json:"attemptId,omitzero"`        // the id of the upload attempt

	// Not in the specification.
	PreviewID        ImageID         `json:"previewId,omitzero"`        // the id of the preview
	Source           string          `json:"source,omitzero"`           // where the image comes from, such as liveness
	Make             string          `json:"make,omitzero"`             // the maker of the camera
	Model            string          `json:"model,omitzero"`            // the model of the camera
	ExifResolution   Resolution      `json:"exifResolution,omitzero"`   // the size that the camera recorded
	CreationDate     Time            `json:"creationDate,omitzero"`     // when the image was taken
	ModificationDate Time            `json:"modificationDate,omitzero"` // when the image was last changed
	CopiedAt         Time            `json:"copiedAt,omitzero"`         // when the image was copied from another object
	Deleted          bool            `json:"deleted,omitzero"`          // whether the image was deleted
	ImageTrust       *ImageTrust     `json:"imageTrust,omitzero"`       // nil if the service has no estimate
	ExtractedInfo    json.RawMessage `json:"extractedInfo,omitzero"`    // an object; members not documented
}

// Resolution is the size of an image.
type Resolution struct {
	Width  int `json:"width,omitzero"`  // the width in pixels
	Height int `json:"height,omitzero"` // the height in pixels
}

// IDDocDef tells which document an image shows.
type IDDocDef struct {
	Country      string       `json:"country,omitzero"`      // the issuing country, ISO 3166-1 alpha-3
	IDDocType    IDDocType    `json:"idDocType,omitzero"`    // the kind of document
	IDDocSubType IDDocSubType `json:"idDocSubType,omitzero"` // the side of a document that has two
}

// ImageTrust is the service's estimate of an image. It is not in the specification.
type ImageTrust struct {
	Trust float64 `json:"trust,omitzero"` // how far the service trusts the image; scale not documented
}

// RequiredIDDocs is what a level asks for. It is not in the specification.
type RequiredIDDocs struct {
	DocSets []DocSet `json:"docSets,omitzero"` // the steps
}

// DocSet is one step of a level. It has types of documents, fields, or a questionnaire.
type DocSet struct {
	IDDocSetType       string          `json:"idDocSetType,omitzero"`       // SELFIE, IDENTITY, QUESTIONNAIRE …; open set
	Types              []IDDocType     `json:"types,omitzero"`              // the documents to choose from
	Fields             json.RawMessage `json:"fields,omitzero"`             // the data to enter, an array; form not documented
	QuestionnaireDefID string          `json:"questionnaireDefId,omitzero"` // the id of the questionnaire
	VideoRequired      string          `json:"videoRequired,omitzero"`      // a word such as passiveLiveness, not a boolean
}

// PaymentMethod is the subject of a payment method action. It is not in the specification.
type PaymentMethod struct {
	Type    string            `json:"type,omitzero"`    // the kind of method: bankCard, eWallet, wireTransfer …
	SubType string            `json:"subType,omitzero"` // a finer kind, such as VISA
	Data    PaymentMethodData `json:"data,omitzero"`    // the details
}

// PaymentMethodData has the document that shows the payment method.
type PaymentMethodData struct {
	RequiredIDDoc PaymentMethodDoc `json:"requiredIdDoc,omitzero"` // the document
}

// PaymentMethodDoc is what the document has to show.
type PaymentMethodDoc struct {
	FirstName  string `json:"firstName,omitzero"`  // the owner's first name
	LastName   string `json:"lastName,omitzero"`   // the owner's last name
	MiddleName string `json:"middleName,omitzero"` // the owner's middle name
	Number     string `json:"number,omitzero"`     // the number of the card or account, partly masked
	IssuedDate string `json:"issuedDate,omitzero"` // the date of issue, in the form 2006-01-02
	TxnAmount  string `json:"txnAmount,omitzero"`  // the amount of a transaction, a decimal number
}

// PaymentSource is the subject of a source check. It is not in the specification.
type PaymentSource struct {
	FixedInfo       PaymentSourceInfo     `json:"fixedInfo,omitzero"`       // the source as you stated it
	Info            PaymentSourceInfo     `json:"info,omitzero"`            // the source as found; members inferred from FixedInfo
	Checksum        PaymentSourceChecksum `json:"checksum,omitzero"`        // the transactions to be shown
	Checks          json.RawMessage       `json:"checks,omitzero"`          // the checks of the source; form not documented
	OwnershipChecks json.RawMessage       `json:"ownershipChecks,omitzero"` // the checks of its owner; form not documented
}

// PaymentSourceInfo identifies a source of payment and its owner.
type PaymentSourceInfo struct {
	Type              string `json:"type,omitzero"`              // the kind of source: bankCard, bankStatement, eWallet, cryptoWallet
	InstitutionName   string `json:"institutionName,omitzero"`   // the bank
	FullName          string `json:"fullName,omitzero"`          // the owner's name
	AccountIdentifier string `json:"accountIdentifier,omitzero"` // the number of the card, account or wallet
	Email             string `json:"email,omitzero"`             // the owner's e-mail address
}

// PaymentSourceChecksum has the transactions that a document has to show.
type PaymentSourceChecksum struct {
	Txns []PaymentTxn `json:"txns,omitzero"` // the transactions; if there are none, the source is not checked
}

// PaymentTxn is one transaction.
type PaymentTxn struct {
	Date         string      `json:"date,omitzero"`         // the date of the transaction; form not documented
	Amount       json.Number `json:"amount,omitzero"`       // the amount as it was sent, a JSON number or a string that holds one; else empty
	CurrencyCode string      `json:"currencyCode,omitzero"` // the currency, such as KZT
}

// UnmarshalJSON decodes a transaction. It ignores an amount that is not a number.
func (t *PaymentTxn) UnmarshalJSON(data []byte) error {
	type plainTxn PaymentTxn
	*t = PaymentTxn{}
	wire := struct {
		*plainTxn
		Amount lenient.Number `json:"amount"`
	}{plainTxn: (*plainTxn)(t)}
	err := lenient.DecodeNested(data, &wire)
	t.Amount = json.Number(wire.Amount)
	return err
}

// Questionnaire has the answers to one questionnaire.
type Questionnaire struct {
	ID       string                          `json:"id,omitzero"`       // the id of the questionnaire
	Sections map[string]QuestionnaireSection `json:"sections,omitzero"` // the answers, by the id of the section
	Score    float64                         `json:"score,omitzero"`    // set by the service only; not in the specification
}

// QuestionnaireSection has the answers of one section.
type QuestionnaireSection struct {
	Items map[string]QuestionnaireItem `json:"items,omitzero"` // the answers, by the id of the item
	Score float64                      `json:"score,omitzero"` // set by the service only; not in the specification
}

// QuestionnaireItem is one answer: a string, a list of strings, or an explicit null, which differs
// from leaving the item out. Related products send all answers as strings: "true",
// "2006-01-02", "2006-01-02T15:04", a country as ISO 3166-1 alpha-3, a file as its image id.
type QuestionnaireItem struct {
	Value  *string  `json:"value,omitzero"`  // the answer to a question with one answer
	Values []string `json:"values,omitzero"` // the answers to a question with several; an empty list that is not nil is sent as []
}

// ItemValue returns the answer s.
func ItemValue(s string) QuestionnaireItem { return QuestionnaireItem{Value: &s} }

// ItemValues returns the list of answers s, which may be empty.
func ItemValues(s ...string) QuestionnaireItem {
	return QuestionnaireItem{Values: append([]string{}, s...)}
}

// ItemNull returns the explicit null.
func ItemNull() QuestionnaireItem { return QuestionnaireItem{} }

// MarshalJSON returns {"value":…}, {"values":[…]}, or {"value":null} if both are nil.
func (i QuestionnaireItem) MarshalJSON() ([]byte, error) {
	if i.Value == nil && i.Values == nil {
		return []byte(`{"value":null}`), nil
	}
	type plain QuestionnaireItem
	return json.Marshal(plain(i))
}

// WebhookEvent is an event that the service posts to your endpoint. One endpoint may receive events
// about applicants too, which have the same form. Act on Type: ReviewStatus contradicts it in two
// of the specification's three examples. A field of an unexpected JSON type is ignored, but
// decoding fails if Type is not a string. An id may be a JSON number.
type WebhookEvent struct {
	Type                      WebhookType  `json:"type,omitzero"`                      // what happened
	ApplicantID               string       `json:"applicantId,omitzero"`               // the service's id of the applicant
	ApplicantActionID         string       `json:"applicantActionId,omitzero"`         // [Action.ID]; empty in events about applicants
	ExternalApplicantActionID string       `json:"externalApplicantActionId,omitzero"` // [Action.ExternalActionID]; may be absent
	ExternalUserID            string       `json:"externalUserId,omitzero"`            // your id of the user
	ReviewStatus              ReviewStatus `json:"reviewStatus,omitzero"`              // the status; may contradict the type
	ReviewResult              ReviewResult `json:"reviewResult,omitzero"`              // the result, in applicantActionReviewed
	CreatedAtMs               Time         `json:"createdAtMs,omitzero"`               // when it happened: a date, not a number
	InspectionID              string       `json:"inspectionId,omitzero"`              // the id of the main verification
	CorrelationID             string       `json:"correlationId,omitzero"`             // the id for the vendor's support; no fixed form
	ApplicantType             string       `json:"applicantType,omitzero"`             // the kind of applicant: individual or company

	// Not in the specification.
	CreatedAt              Time            `json:"createdAt,omitzero"`              // CreatedAtMs without milliseconds
	SandboxMode            bool            `json:"sandboxMode,omitzero"`            // whether it is a test; sent as true or "true"
	ClientID               string          `json:"clientId,omitzero"`               // the name of your account at the service
	LevelName              string          `json:"levelName,omitzero"`              // the name of the level
	PreviousLevelName      string          `json:"previousLevelName,omitzero"`      // the name of the level before, if it changed
	ReviewMode             string          `json:"reviewMode,omitzero"`             // the mode of the review, such as level_reconfigured
	SourceKey              string          `json:"sourceKey,omitzero"`              // where the applicant came from; may be ""
	ButtonIDs              []string        `json:"buttonIds,omitzero"`              // as in [ReviewResult]
	ApplicantMemberOf      json.RawMessage `json:"applicantMemberOf,omitzero"`      // the applicant's companies, an array of objects
	VideoIdentReviewStatus string          `json:"videoIdentReviewStatus,omitzero"` // the status of a video identification
	CompositionMediaID     string          `json:"compositionMediaId,omitzero"`     // the id of the video of a video identification
	NetworkID              string          `json:"networkId,omitzero"`              // the id of a network of applicants
	KytTxnID               string          `json:"kytTxnId,omitzero"`               // the service's id of a transaction
	WorkflowRevision       int             `json:"workflowRevision,omitzero"`       // the revision of the workflow

	// Raw is the body as it was received, in events from [ParseWebhook] and
	// [WebhookVerifier.Parse].
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON decodes an event, except Raw. A null changes nothing.
func (e *WebhookEvent) UnmarshalJSON(data []byte) error {
	return unlessNull(data, e, decodeWebhookEvent)
}

// Time is a moment in UTC, in one of the forms that the service writes:
//
//	2006-01-02 15:04:05
//	2006-01-02 15:04:05+0000
//	2006-01-02 15:04:05.000
//
// RFC 3339 and other offsets decode too. It encodes in the first form, or in the third, with up to
// nine digits, if there is a fraction. Null and "" decode as the zero Time, which encodes as null.
// A date of an unknown form is no error: it decodes as the zero time.Time and its text.
//
// Two decoded Times of the same moment are equal under ==, whatever their forms were. The binary
// and gob methods promoted from time.Time encode only the moment: they lose a Text.
type Time struct {
	time.Time // the moment, zero if there is none

	// Text is a date of an unknown form, or the JSON of a date that was not a string. It is ignored
	// unless the moment is zero. It encodes as a string.
	Text string
}

// IsZero reports whether there is neither a moment nor a text.
func (t Time) IsZero() bool { return t.Time.IsZero() && t.Text == "" }

// Equal reports whether t and u are the same moment, or the same text if neither is a moment.
func (t Time) Equal(u Time) bool {
	return t.Time.Equal(u.Time) && (!t.Time.IsZero() || t.Text == u.Text)
}

// String returns the date as time.Time prints it, or the text of a date of an unknown form.
func (t Time) String() string {
	if t.Time.IsZero() && t.Text != "" {
		return t.Text
	}
	return t.Time.String()
}

// MarshalJSON returns the date as a JSON string, or null if it is zero.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	text, err := t.MarshalText()
	if err != nil {
		return nil, err
	}
	return json.Marshal(string(text))
}

// UnmarshalJSON accepts any JSON value, as described at [Time].
func (t *Time) UnmarshalJSON(data []byte) error {
	var err error
	t.Time, t.Text, err = lenient.Date(data)
	return err
}

// AppendText appends the date in the service's form, and nothing if it is zero.
func (t Time) AppendText(b []byte) ([]byte, error) {
	if t.Time.IsZero() {
		return append(b, t.Text...), nil
	}
	return lenient.AppendTime(b, t.Time)
}

// MarshalText returns the date in the service's form.
func (t Time) MarshalText() ([]byte, error) { return t.AppendText(nil) }

// UnmarshalText accepts any text, as UnmarshalJSON does in a JSON string.
func (t *Time) UnmarshalText(text []byte) error {
	t.Time, t.Text = lenient.DateText(text)
	return nil
}

// ImageID identifies the content of an image in [Client.OpenImage]. It decodes from a JSON number
// or string. It encodes as a string of plain digits.
type ImageID string

// UnmarshalJSON accepts a number or a string; null is empty. It keeps a value that cannot be an id,
// such as an object or 0.5, as its JSON without spaces.
func (id *ImageID) UnmarshalJSON(data []byte) error {
	text, err := lenient.ID(data)
	*id = ImageID(text)
	return err
}

// ReviewStatus is the stage of a review. It can go backwards.
type ReviewStatus string

// Stages of a review. The specification lists none of them. Only applicants have the last two.
const (
	ReviewStatusInit            ReviewStatus = "init"            // created; data not complete
	ReviewStatusPending         ReviewStatus = "pending"         // ready; waiting
	ReviewStatusPrechecked      ReviewStatus = "prechecked"      // quick check passed; going on
	ReviewStatusQueued          ReviewStatus = "queued"          // checks running
	ReviewStatusCompleted       ReviewStatus = "completed"       // ended: only now is the answer final
	ReviewStatusOnHold          ReviewStatus = "onHold"          // needs a person
	ReviewStatusAwaitingService ReviewStatus = "awaitingService" // waits for the service; an answer may be set already
	ReviewStatusAwaitingUser    ReviewStatus = "awaitingUser"    // waits for the user
)

// ReviewAnswer is the answer of a review, a check or an image check. Call [Action.Approved] to
// learn whether an action is approved.
type ReviewAnswer string

// A review ends with GREEN, RED or ERROR. The others were seen on checks and images.
const (
	ReviewAnswerGreen   ReviewAnswer = "GREEN"   // approved
	ReviewAnswerYellow  ReviewAnswer = "YELLOW"  // approved with warnings
	ReviewAnswerRed     ReviewAnswer = "RED"     // rejected
	ReviewAnswerError   ReviewAnswer = "ERROR"   // the check could not be made
	ReviewAnswerIgnored ReviewAnswer = "IGNORED" // skipped
	ReviewAnswerUnknown ReviewAnswer = "UNKNOWN" // seen only in payloads that a third party relayed
)

// RejectType tells whether a rejected user may try again.
type RejectType string

// The values of [RejectType]. They are not in the specification.
const (
	RejectTypeFinal RejectType = "FINAL" // the user may not try again
	RejectTypeRetry RejectType = "RETRY" // the user may try again
)

// RejectLabel is a reason for a rejection. The set is open.
type RejectLabel string

// Reasons that a related product lists for actions. They are not in the specification.
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
	RejectLabelBlacklist                           RejectLabel = "BLACKLIST" // on the vendor's list
	RejectLabelBlocklist                           RejectLabel = "BLOCKLIST" // on your own list
	RejectLabelOther                               RejectLabel = "OTHER"
	RejectLabelUnsatisfactoryPhotos                RejectLabel = "UNSATISFACTORY_PHOTOS"
	RejectLabelGraphicEditor                       RejectLabel = "GRAPHIC_EDITOR"
	RejectLabelDocumentPageMissing                 RejectLabel = "DOCUMENT_PAGE_MISSING"
	RejectLabelDocumentDamaged                     RejectLabel = "DOCUMENT_DAMAGED"
	RejectLabelDigitalDocument                     RejectLabel = "DIGITAL_DOCUMENT"
	RejectLabelRegulationsViolations               RejectLabel = "REGULATIONS_VIOLATIONS"
	RejectLabelInconsistentProfile                 RejectLabel = "INCONSISTENT_PROFILE"
	RejectLabelProblematicApplicantData            RejectLabel = "PROBLEMATIC_APPLICANT_DATA"
	RejectLabelGPSAsPOASkipped                     RejectLabel = "GPS_AS_POA_SKIPPED"
	RejectLabelAdditionalDocumentRequired          RejectLabel = "ADDITIONAL_DOCUMENT_REQUIRED" // an image is missing
	RejectLabelMoreDocumentsRequired               RejectLabel = "MORE_DOCUMENTS_REQUIRED"      // the applicant has to give more
	RejectLabelAgeRequirementMismatch              RejectLabel = "AGE_REQUIREMENT_MISMATCH"
	RejectLabelRequestedDataMismatch               RejectLabel = "REQUESTED_DATA_MISMATCH"
	RejectLabelExperienceRequirementMismatch       RejectLabel = "EXPERIENCE_REQUIREMENT_MISMATCH"
	RejectLabelCompromisedPersons                  RejectLabel = "COMPROMISED_PERSONS"
	RejectLabelPEP                                 RejectLabel = "PEP"
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
	RejectLabelOK                                  RejectLabel = "OK"
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
	RejectLabelDBDataNotFound                      RejectLabel = "DB_DATA_NOT_FOUND"
	RejectLabelDBDataMismatch                      RejectLabel = "DB_DATA_MISMATCH"
	RejectLabelDBNoDataSource                      RejectLabel = "DB_NO_DATA_SOURCE"
	RejectLabelEsignFailed                         RejectLabel = "ESIGN_FAILED"
	RejectLabelRestrictedPerson                    RejectLabel = "RESTRICTED_PERSON"
	RejectLabelNoApplicant                         RejectLabel = "NO_APPLICANT"
	RejectLabelNoSuitableDocs                      RejectLabel = "NO_SUITABLE_DOCS"
	RejectLabelNotAlone                            RejectLabel = "NOT_ALONE"
	RejectLabelConnectionIssues                    RejectLabel = "CONNECTION_ISSUES"
	RejectLabelCameraOrLightingIssues              RejectLabel = "CAMERA_OR_LIGHTING_ISSUES"
	RejectLabelSoundIssues                         RejectLabel = "SOUND_ISSUES"
	RejectLabelPhoneVerificationIssues             RejectLabel = "PHONE_VERIFICATION_ISSUES"
	RejectLabelOtherVIIssues                       RejectLabel = "OTHER_VI_ISSUES"
	RejectLabelRefusedToContinue                   RejectLabel = "REFUSED_TO_CONTINUE"
	RejectLabelVideoFiltersOrMasks                 RejectLabel = "VIDEO_FILTERS_OR_MASKS"
	RejectLabelSupportedLanguageIsNotAvailable     RejectLabel = "SUPPORTED_LANGUAGE_IS_NOT_AVAILABLE"
	RejectLabelAdditionalDataRequired              RejectLabel = "ADDITIONAL_DATA_REQUIRED"
	RejectLabelVIAttemptsLimitReached              RejectLabel = "VI_ATTEMPTS_LIMIT_REACHED"
	RejectLabelBehavior                            RejectLabel = "BEHAVIOR"
	RejectLabelPersonMismatch                      RejectLabel = "PERSON_MISMATCH"
	RejectLabelThirdPartyGuidance                  RejectLabel = "THIRD_PARTY_GUIDANCE"
	RejectLabelSponsoredVerification               RejectLabel = "SPONSORED_VERIFICATION"
	RejectLabelInsufficientData                    RejectLabel = "INSUFFICIENT_DATA"
	RejectLabelIncorrectPatterns                   RejectLabel = "INCORRECT_PATTERNS"
)

// CheckType is the kind of a check. The set is open.
type CheckType string

// The specification lists the first two only.
const (
	CheckTypeFaceLiveliness    CheckType = "FACE_LIVELINESS" // the spelling of the service
	CheckTypeFaceMatch         CheckType = "FACE_MATCH"
	CheckTypeEmailConfirmation CheckType = "EMAIL_CONFIRMATION"
	CheckTypePhoneConfirmation CheckType = "PHONE_CONFIRMATION"
	CheckTypePaymentMethod     CheckType = "PAYMENT_METHOD"
	CheckTypePaymentSource     CheckType = "PAYMENT_SOURCE"
	CheckTypeCrossValidation   CheckType = "CROSS_VALIDATION"
	CheckTypeSimilarSearch     CheckType = "SIMILAR_SEARCH"
	CheckTypeTIN               CheckType = "TIN"
	CheckTypeIPCheck           CheckType = "IP_CHECK"
)

// ActionType is the kind of an action. The set is open. The newest specification lacks it.
type ActionType string

// An older specification has the first only.
const (
	ActionTypeSelfieAuth        ActionType = "selfieAuth"
	ActionTypePaymentMethod     ActionType = "paymentMethod"
	ActionTypeFaceAuth          ActionType = "faceAuth"
	ActionTypeCryptoTransaction ActionType = "cryptoTransaction"
)

// IDDocType is the kind of a document. The set is open: [Client.AddImage] takes any.
type IDDocType string

// IDnGO's specification has the first ten. Its list is incomplete.
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
	// Not in the specification.
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

// IDDocSubType is the side of a document.
type IDDocSubType string

// Both are in the specification.
const (
	IDDocSubTypeFrontSide IDDocSubType = "FRONT_SIDE"
	IDDocSubTypeBackSide  IDDocSubType = "BACK_SIDE"
)

// WebhookType is the kind of an event. The set is open: answer 200 to types that you do not know.
type WebhookType string

// The specification lists the first three only. The others come from related products, which have
// more of them, such as videoIdent… and applicantKyt….
const (
	WebhookTypeApplicantActionPending       WebhookType = "applicantActionPending"  // the user has done all steps
	WebhookTypeApplicantActionReviewed      WebhookType = "applicantActionReviewed" // the review is completed
	WebhookTypeApplicantActionOnHold        WebhookType = "applicantActionOnHold"   // paused "for an agreed reason", by the specification
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

// The rest of this file decodes. encoding/json scans a value twice if its type has an UnmarshalJSON
// method. So the client decodes into types without one, in one pass, and corrects the result.

type (
	plainAction       Action
	plainApplicant    Applicant
	plainWebhookEvent WebhookEvent

	wireAction struct {
		plainAction
		RootResult *ReviewResult `json:"reviewResult"`
	}

	// coreReview has the fields of a review that must be readable.
	coreReview struct {
		ReviewStatus string     `json:"reviewStatus"`
		ReviewResult wireAnswer `json:"reviewResult"`
	}

	// coreAction has the fields of an action that must be readable. An ImageID may be a number.
	coreAction struct {
		ID               ImageID `json:"id"`
		ApplicantID      ImageID `json:"applicantId"`
		ExternalActionID ImageID `json:"externalActionId"`
		Review           struct {
			coreReview
			LevelName string `json:"levelName"`
		} `json:"review"`
		RootResult wireAnswer `json:"reviewResult"`
	}

	coreWebhookEvent struct {
		Type         string     `json:"type"`
		ReviewResult wireAnswer `json:"reviewResult"`
	}
)

// unlessNull calls decode, but leaves the value alone for a JSON null.
func unlessNull[T any](data []byte, value *T, decode func([]byte, *T) error) error {
	if lenient.IsNull(data) {
		return nil
	}
	return decode(data, value)
}

// decodeAction replaces action with the one in data. It accepts an action without an id.
func decodeAction(data []byte, action *Action) error {
	*action = Action{Images: lenient.Room[Image](data, "imageHash")}
	wire := struct {
		*plainAction
		RootResult *ReviewResult `json:"reviewResult"`
	}{plainAction: (*plainAction)(action)}
	core, err := lenient.Decode[coreAction](data, &wire)
	if err != nil {
		return err
	}
	action.complete(wire.RootResult, core)
	return nil
}

// complete sets what the plain decoding leaves unset: ids that were numbers, and a result that was
// a string or at the root. core is nil unless a field was ignored.
func (a *Action) complete(root *ReviewResult, core *coreAction) {
	result := &a.Review.ReviewResult
	if core != nil {
		setIfEmpty(&a.ID, core.ID)
		setIfEmpty(&a.ApplicantID, core.ApplicantID)
		setIfEmpty(&a.ExternalActionID, core.ExternalActionID)
		result.ReviewAnswer = ReviewAnswer(core.Review.ReviewResult)
	}
	if result.empty() {
		if root != nil && !root.empty() {
			*result = *root
		}
		if core != nil {
			result.ReviewAnswer = ReviewAnswer(core.RootResult)
		}
	}
	a.Images = lenient.Used(a.Images)
	lenient.ClearNull(&a.Agreement)
	for i := range a.Checks {
		lenient.ClearNull(&a.Checks[i].Violations)
	}
	for i := range a.Images {
		lenient.ClearNull(&a.Images[i].ExtractedInfo)
	}
	a.RequiredIDDocs.clearNulls()
	if a.PaymentSource != nil {
		lenient.ClearNull(&a.PaymentSource.Checks)
		lenient.ClearNull(&a.PaymentSource.OwnershipChecks)
	}
}

// empty reports whether the result is absent, null, {} or has empty fields only.
func (r *ReviewResult) empty() bool {
	return r.ReviewAnswer == "" && len(r.RejectLabels) == 0 && r.ReviewRejectType == "" && r.ModerationComment == "" &&
		r.ClientComment == "" && len(r.ButtonIDs) == 0 && r.Label == ""
}

// decodeActionPage replaces page with the one in data. It requires a list whose items are objects:
// if another answer passed for an empty list, EnsureAction would create an action twice.
func decodeActionPage(data []byte, page *ActionPage) error {
	*page = ActionPage{}
	var envelope lenient.Envelope[wireAction]
	coreEnvelope, err := lenient.Decode[lenient.Envelope[coreAction]](data, &envelope)
	if err != nil {
		return err
	}
	wire := envelope.Content()
	if wire.Items == nil && wire.TotalItems == nil {
		return errors.New("the answer has no list of actions")
	}
	if wire.TotalItems != nil {
		if page.TotalItems = int(*wire.TotalItems); page.TotalItems < 0 {
			return errors.New("the list of actions has no usable totalItems")
		}
	}
	if wire.Items != nil {
		page.Items = make([]*Action, 0, len(wire.Items))
	}
	for i, item := range wire.Items {
		if item == nil {
			continue
		}
		var core *coreAction
		if coreEnvelope != nil {
			core = coreEnvelope.Content().Items[i]
		}
		action := (*Action)(&item.plainAction)
		action.complete(item.RootResult, core)
		page.Items = append(page.Items, action)
	}
	return nil
}

// decodeApplicant replaces applicant with the one in data. It accepts an applicant without an id.
func decodeApplicant(data []byte, applicant *Applicant) error {
	*applicant = Applicant{}
	core, err := lenient.Decode[struct{ Review coreReview }](data, (*plainApplicant)(applicant))
	if err != nil {
		return err
	}
	if core != nil {
		applicant.Review.ReviewResult.ReviewAnswer = ReviewAnswer(core.Review.ReviewResult)
		lenient.SetIDs(data, map[string]*string{
			"id": &applicant.ID, "externalUserId": &applicant.ExternalUserID, "inspectionId": &applicant.InspectionID,
			"clientId": &applicant.ClientID,
		})
	}
	applicant.RequiredIDDocs.clearNulls()
	return nil
}

// decodeImage decodes into a zero image. It ignores every field of an unexpected JSON type.
func decodeImage(data []byte, image *Image) error {
	_, err := lenient.Decode[struct{}](data, image)
	lenient.ClearNull(&image.ExtractedInfo)
	return err
}

// decodeWebhookEvent replaces event with the one in body, without Raw. It accepts an empty type.
func decodeWebhookEvent(body []byte, event *WebhookEvent) error {
	*event = WebhookEvent{}
	wire := struct {
		*plainWebhookEvent
		SandboxMode lenient.Bool `json:"sandboxMode"`
	}{plainWebhookEvent: (*plainWebhookEvent)(event)}
	core, err := lenient.Decode[coreWebhookEvent](body, &wire)
	if err != nil {
		return err
	}
	event.SandboxMode = bool(wire.SandboxMode)
	lenient.ClearNull(&event.ApplicantMemberOf)
	if core != nil {
		event.ReviewResult.ReviewAnswer = ReviewAnswer(core.ReviewResult)
		lenient.SetIDs(body, map[string]*string{
			"applicantId": &event.ApplicantID, "applicantActionId": &event.ApplicantActionID, "inspectionId": &event.InspectionID,
			"externalApplicantActionId": &event.ExternalApplicantActionID, "networkId": &event.NetworkID, "kytTxnId": &event.KytTxnID,
			"externalUserId": &event.ExternalUserID, "clientId": &event.ClientID, "correlationId": &event.CorrelationID,
		})
	}
	return nil
}

// setIfEmpty sets a field from the core if the plain decoding has not.
func setIfEmpty[Field, Core ~string](field *Field, core Core) {
	if *field == "" {
		*field = Field(core)
	}
}

func (d RequiredIDDocs) clearNulls() {
	for i := range d.DocSets {
		lenient.ClearNull(&d.DocSets[i].Fields)
	}
}

// wireAnswer is the answer of the last result. A result may be a string. Any other value is empty.
type wireAnswer string

func (a *wireAnswer) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, (*string)(a))
	}
	result := struct { // null and {} keep the answer before
		ReviewAnswer string `json:"reviewAnswer"`
	}{string(*a)}
	err := json.Unmarshal(data, &result)
	if *a = wireAnswer(result.ReviewAnswer); err != nil {
		*a = ""
	}
	return nil
}
