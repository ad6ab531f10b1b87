package idngo

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// at returns the Time of a date in UTC.
func at(date string) Time {
	t, err := time.Parse(time.DateTime, date)
	if err != nil {
		panic(err)
	}
	return Time{Time: t}
}

// raw returns JSON as a model keeps it.
func raw(text string) json.RawMessage { return json.RawMessage(text) }

// modelFixtures has the value of each file in testdata/models. The value encodes to the same JSON
// or, if there is a file .want.json, to the JSON in that file.
var modelFixtures = map[string]any{
	// These are the examples of the specification.
	"action_get": Action{
		ID: "5d9f76507edd7d8162bfcea8", ApplicantID: "5d9f74a27edd7d813405fe07", Type: ActionTypeSelfieAuth,
		CreatedAt: at("2019-10-10 18:20:00"),
		Review:    Review{ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen}},
		Checks: []Check{{
			Answer: ReviewAnswerGreen, CheckType: CheckTypeFaceLiveliness, CreatedAt: at("2019-10-10 18:19:57"),
			LivenessInfo: &LivenessInfo{
				LivenessData: LivenessData{
					SessionID: "512deb48-bb6b-438c-ae7c-f8953351cc57",
					Images: []LivenessImage{
						{ImageID: "1368276695"}, {ImageID: "1060469685"}, {ImageID: "2074791000"}, {ImageID: "810045545"}, {ImageID: "1328042852"},
					},
				},
				LivenessResult: LivenessResult{Answer: ReviewAnswerGreen},
			},
		}, {
			Answer: ReviewAnswerGreen, CheckType: CheckTypeFaceMatch, CreatedAt: at("2019-10-10 18:20:00"),
			FaceMatchInfo: &FaceMatchInfo{Answer: ReviewAnswerGreen},
		}},
	},
	"page_list": ActionPage{
		Items: []*Action{
			{ID: "5dd3f15704f9404c41307c85", ApplicantID: "5dd3d58304f9404c412f1665", CreatedAt: at("2019-11-19 13:42:47")},
			{ID: "5dd3d94153d4864d5aa98f21", ApplicantID: "5dd3d58304f9404c412f1665", CreatedAt: at("2019-11-19 12:00:01")},
		},
		TotalItems: 213,
	},
	"image_added": Image{
		ID: "66bb6c71546bfc57cffe92a8", AddedDate: at("2024-08-13 14:23:45"), CreatorClientID: "API",
		ImageHash: "64d2f3aa8da8a98fffaf751a9c323981474f6375", ImageFileName: "name.jpg", ResizedImageID: "603758274", MimeType: "jpg",
		SigHash: "3809bc3c-831d-4be3-8cee-1684553beffe", ImageID: "1411431805", FileSize: 1362,
		ActualResolution: Resolution{Width: 192, Height: 192},
		Answer:           ReviewAnswerGreen, IDDocDef: IDDocDef{Country: "GBR", IDDocType: IDDocTypeSelfie}, AttemptID: "teinm",
	},
	"token": AccessToken{Token: "_act-80bbf59b-98e6-4aa5-9310-82f2df5fe211", UserID: "JamesBond007", ExternalActionID: "JamesBond007Action1"},
	"link":  WebSDKLink{URL: "https://api.idngo.kz/idensic/l/#/lPDnIKwzmxPfDohk"},
	"webhook_pending": WebhookEvent{
		Type: WebhookTypeApplicantActionPending, ApplicantID: "5dc158b109494c3cbf431e28", ApplicantActionID: "5dc2d80ce3cc9b1c1e389c4c",
		ExternalApplicantActionID: "id122424234-action-random-r7otyykndi", InspectionID: "5dc158b109494c3cbf431e29", ApplicantType: "individual",
		CorrelationID: "req-8fbf5a81-339f-43b6-a9a7-290080e9039c", ExternalUserID: "pid122424234", ReviewStatus: ReviewStatusCompleted,
		CreatedAtMs: at("2020-02-21 13:23:16.098"),
	},
	"webhook_reviewed": WebhookEvent{
		Type: WebhookTypeApplicantActionReviewed, ApplicantID: "5dc158b109494c3cbf431e28", ApplicantActionID: "5dc2d80ce3cc9b1c1e389c4c",
		ExternalApplicantActionID: "id122424234-action-random-r7otyykndi", InspectionID: "5dc158b109494c3cbf431e29",
		CorrelationID: "req-c9041677-e8dc-446b-ab8f-50b438a40aa8", ExternalUserID: "id122424234", ReviewStatus: ReviewStatusCompleted,
		ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen}, CreatedAtMs: at("2020-02-21 13:23:19.987"),
	},
	"webhook_onhold": WebhookEvent{
		Type: WebhookTypeApplicantActionOnHold, ApplicantID: "5ea867a9772e27d66728c64b", ApplicantActionID: "5ea867c2772e27d66728c64f",
		InspectionID: "5ea867a9772e27d66728c64c", CorrelationID: "req-2c3cce19-c723-4fd0-a2f2-527789f95bcc", ExternalUserID: "random-4gguvx1oha",
		ReviewStatus: ReviewStatusInit, CreatedAtMs: at("2020-04-28 18:16:09.888"),
	},
	"questionnaires": []Questionnaire{{
		ID: "Example_Questionnaire",
		Sections: map[string]QuestionnaireSection{
			"section_id_1": {Items: map[string]QuestionnaireItem{"item_id_0": ItemValues("EUR", "USD"), "item_id_1": ItemValue("String Value")}},
			"section_id_2": {Items: map[string]QuestionnaireItem{"item_id_3": ItemNull()}},
		},
	}},

	// Actions.
	"action_created": Action{ // the answer of a create, with dates of two forms and fields that the specification does not name
		ID: "700000000000000000000001", CreatedAt: at("2025-03-07 06:44:24"), Key: "AAAABBBBCCCCDD", ClientID: "example_client",
		ExternalActionID: "order-17/step 2", ApplicantID: "70000000000000000000000a", Type: ActionTypePaymentMethod,
		Review: Review{
			ReviewID: "rAbCd", AttemptID: "aTtEm", LevelName: "action level", CreateDate: at("2025-03-07 06:44:24"), ReviewStatus: ReviewStatusInit,
		},
		RequiredIDDocs: RequiredIDDocs{DocSets: []DocSet{
			{IDDocSetType: "PAYMENT_METHODS", Types: []IDDocType{IDDocTypeBankCard, IDDocTypeBankStatement}},
		}},
		PaymentMethod: &PaymentMethod{Type: "bankCard", SubType: "VISA", Data: PaymentMethodData{RequiredIDDoc: PaymentMethodDoc{
			FirstName: "Example", LastName: "Person", MiddleName: "Q", Number: "400000******0000", IssuedDate: "2023-02-25", TxnAmount: "500",
		}}},
	},
	"action_both_results": Action{ // the result in the review has priority
		ID: "700000000000000000000002", CreatedAt: at("2024-07-09 10:24:26"), ClientID: "example_client",
		ExternalActionID: "both-results", ApplicantID: "70000000000000000000000a",
		Review: Review{
			ReviewID: "rAbCd", AttemptID: "aTtEm", AttemptCnt: 1, ElapsedSincePendingMs: 82, ElapsedSinceQueuedMs: 41, LevelName: "action level",
			CreateDate: at("2024-07-09 10:24:26"), StartDate: at("2024-07-09 10:24:27"), ReviewDate: at("2024-07-09 10:24:28"),
			ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerRed, RejectLabels: []RejectLabel{RejectLabelForgery}},
			ReviewStatus: ReviewStatusCompleted,
			Priority:     3, NotificationFailureCnt: 2, Reprocessing: true, AutoChecked: true,
		},
		Checks: []Check{{
			Answer: ReviewAnswerRed, CheckType: CheckTypePaymentMethod, CreatedAt: at("2024-07-09 10:24:27"), ID: "c1", AttemptID: "aTtEm",
		}},
	},
	"action_root_result": Action{
		ID: "700000000000000000000003", ApplicantID: "70000000000000000000000a", CreatedAt: at("2024-07-09 10:24:26"),
		Review: Review{ReviewStatus: ReviewStatusCompleted, LevelName: "action level", ReviewResult: ReviewResult{
			ReviewAnswer: ReviewAnswerRed, RejectLabels: []RejectLabel{RejectLabelBadSelfie}, ReviewRejectType: RejectTypeRetry,
		}},
	},
	"action_root_result_review_null":  completed("700000000000000000000004", ReviewAnswerGreen),
	"action_root_result_review_empty": completed("700000000000000000000005", ReviewAnswerGreen),
	"action_result_is_text":           completed("700000000000000000000006", ReviewAnswerGreen), // as in the table of the specification
	"action_no_status": Action{
		ID: "700000000000000000000007", ApplicantID: "70000000000000000000000a",
		Review: Review{ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen}},
	},
	"action_dates": Action{
		ID: "700000000000000000000008", CreatedAt: at("2024-02-29 23:59:59"),
		Review: Review{
			ReviewStatus: ReviewStatusPending, CreateDate: at("2024-02-29 23:59:59"), StartDate: at("2024-02-29 23:59:59"),
			ReviewDate: at("2024-02-29 23:59:59.12"),
		},
		Checks: []Check{
			{Answer: ReviewAnswerGreen, CreatedAt: at("2024-02-29 23:59:59")},
			{Answer: ReviewAnswerGreen, CreatedAt: at("2024-02-29 23:59:59")},
			{Answer: ReviewAnswerGreen, CreatedAt: at("2024-02-29 17:59:59.5")},
			{Answer: ReviewAnswerGreen, CreatedAt: at("2024-03-01 01:29:59.123456789")},
			{Answer: ReviewAnswerGreen, CreatedAt: at("2024-02-29 23:59:59")},
			{Answer: ReviewAnswerGreen},
			{Answer: ReviewAnswerGreen},
		},
	},
	"action_dates_unknown": Action{ // the texts are kept, and so are the other fields
		ID: "700000000000000000000009", CreatedAt: Time{Text: "29 Feb 2024, noon"},
		Review: Review{
			ReviewStatus: ReviewStatusCompleted, CreateDate: Time{Text: `1709208000000`}, StartDate: Time{Text: `{"seconds":1709208000}`},
			ReviewDate: Time{Text: "2023-02-29 12:00:00"}, ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen},
		},
	},
	"action_nulls": Action{
		ID: "70000000000000000000000b", ApplicantID: "70000000000000000000000a",
		Checks: []Check{{}, {CheckType: CheckTypeFaceLiveliness, LivenessInfo: &LivenessInfo{}}},
	},
	"action_doc_sets": Action{
		ID: "70000000000000000000000c",
		RequiredIDDocs: RequiredIDDocs{DocSets: []DocSet{
			{IDDocSetType: "SELFIE", Types: []IDDocType{IDDocTypeSelfie, IDDocTypeVideoSelfie}, VideoRequired: "passiveLiveness"},
			{IDDocSetType: "APPLICANT_DATA", Fields: raw(`[{"name": "email", "required": true}, "phone"]`)},
			{IDDocSetType: "QUESTIONNAIRE", QuestionnaireDefID: "Example_Questionnaire"},
		}},
	},
	"action_answers": Action{ // known and unknown values are kept
		ID: "70000000000000000000000d", Type: "actionOfTomorrow",
		Review: Review{ReviewStatus: "statusOfTomorrow", ReviewResult: ReviewResult{
			ReviewAnswer: ReviewAnswerError, RejectLabels: []RejectLabel{"LABEL_OF_TOMORROW", RejectLabelBadFaceMatching}, ReviewRejectType: "LATER",
		}},
		Checks: []Check{
			{Answer: ReviewAnswerYellow, CheckType: CheckTypeFaceLiveliness}, {Answer: ReviewAnswerIgnored, CheckType: CheckTypeFaceMatch},
			{Answer: ReviewAnswerUnknown, CheckType: "CHECK_OF_TOMORROW"},
		},
		Images: []Image{{
			ImageID: "1", Answer: ReviewAnswerYellow, IDDocDef: IDDocDef{IDDocType: "DOCUMENT_OF_TOMORROW", IDDocSubType: "THIRD_SIDE"},
		}},
	},
	"action_labels_beside_green": Action{
		ID: "70000000000000000000000e",
		Review: Review{ReviewStatus: ReviewStatusCompleted, ReviewResult: ReviewResult{
			ReviewAnswer: ReviewAnswerGreen, RejectLabels: []RejectLabel{RejectLabelUnsatisfactoryPhotos}, ReviewRejectType: RejectTypeRetry,
			ModerationComment: "Первая строка\nline two ${placeholder}", ClientComment: "for us <only> & nobody else",
			ButtonIDs: []string{"badPhoto", "badPhoto_dataNotVisible"}, Label: "UNSATISFACTORY_PHOTOS",
		}},
		Images: []Image{
			{ImageID: "2", ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerRed, RejectLabels: []RejectLabel{}, ButtonIDs: []string{}}},
			{ImageID: "3", ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerRed}},
		},
	},
	"action_unknown_fields": Action{
		ID: "70000000000000000000000f", Review: Review{ReviewStatus: ReviewStatusQueued},
		Checks: []Check{{Answer: ReviewAnswerGreen, CheckType: CheckTypeIPCheck}}, Images: []Image{{ImageID: "4"}},
	},
	"action_wrong_types": Action{ // fields of unexpected types are ignored, and the others are kept
		ID: "700000000000000000000010", ApplicantID: "70000000000000000000000a", ExternalActionID: "wrong types", Agreement: raw(`"yes"`),
		Review:         Review{ReviewStatus: ReviewStatusCompleted, ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen}},
		Checks:         []Check{{Answer: ReviewAnswerGreen, FaceMatchInfo: &FaceMatchInfo{}}, {Answer: ReviewAnswerRed}},
		RequiredIDDocs: RequiredIDDocs{DocSets: []DocSet{{IDDocSetType: "SELFIE"}}},
	},
	"action_checks": Action{
		ID: "700000000000000000000011",
		Checks: []Check{{
			Answer: ReviewAnswerRed, CheckType: CheckTypeFaceLiveliness, CreatedAt: at("2025-01-02 03:04:05"), ErrorMessage: "no face",
			ImageIDs: []ImageID{"11", "12"},
			LivenessInfo: &LivenessInfo{
				DeviceDesc: "Example Phone 1",
				LivenessData: LivenessData{SessionID: "s-1", DeviceDesc: "Example Phone 1", Images: []LivenessImage{
					{ImageID: "13", Ts: at("2025-01-02 03:04:04.5")}, {ImageID: "14", Ts: Time{Text: "1735787044500"}},
				}},
				LivenessResult: LivenessResult{Answer: ReviewAnswerRed, Glasses: true, RetryReason: 2},
			},
		}, {
			Answer: ReviewAnswerGreen, CheckType: CheckTypeFaceMatch, FaceMatchInfo: &FaceMatchInfo{
				Answer: ReviewAnswerGreen, Confidence: 0.97, OriginImageID1: "11", OriginImageID2: "12", FaceContentID1: "15", FaceContentID2: "16",
			},
		}, {
			Answer: ReviewAnswerGreen, CheckType: CheckTypeEmailConfirmation, EmailConfirmationCheckInfo: &EmailConfirmationCheckInfo{
				FirstSeenAt: at("2020-01-01 00:00:00"), Email: "example@example.com", ConfirmedViaOtp: ReviewAnswerGreen,
				NonDisposable: ReviewAnswerGreen, RiskLevel: "low", SuspiciousEmail: ReviewAnswerYellow, Blacklisted: ReviewAnswerGreen,
				WebsiteExists: ReviewAnswerIgnored, Deliverable: ReviewAnswerGreen,
			},
		}, {
			Answer: ReviewAnswerGreen, CheckType: CheckTypePhoneConfirmation, PhoneConfirmationCheckInfo: &PhoneConfirmationCheckInfo{
				FirstSeenAt: Time{Text: "2020-01-01"}, ConfirmedViaOtp: ReviewAnswerGreen, Blacklisted: ReviewAnswerGreen, RiskLevel: "low",
				NonDisposable: ReviewAnswerGreen, WebRegistrationsExist: ReviewAnswerYellow, Active: ReviewAnswerGreen, Valid: ReviewAnswerGreen,
			},
		}, {
			Answer: ReviewAnswerYellow, CheckType: CheckTypePaymentMethod,
			ExtractedInfo: &ExtractedInfo{
				Type: "bankCard", AccountIdentifier: "400000******0000", InstitutionName: "Example Bank", IssuedDate: "2023-02-25",
			},
			RiskCheck: &RiskCheck{BinInfo: BinInfo{
				Country: "KAZ", Issuer: "Example Bank", Brand: "VISA", Type: "debit", Prepaid: true, Virtual: true, Commercial: true,
			}},
			Violations: raw(`["nameMismatch", {"field": "number"}]`),
		}},
	},
	"action_questionnaires": Action{
		ID: "700000000000000000000012",
		Questionnaires: []Questionnaire{{
			ID: "Example_Questionnaire", Score: 12.5,
			Sections: map[string]QuestionnaireSection{
				"s1": {Score: 7, Items: map[string]QuestionnaireItem{
					"text": ItemValue(`Абв "<&>"`), "bool": ItemValue("true"), "empty": ItemValue(""),
				}},
				"s2": {Items: map[string]QuestionnaireItem{"many": ItemValues("KAZ", "GBR"), "none": ItemValues(), "null": ItemNull()}},
				"s3": {Items: map[string]QuestionnaireItem{}},
			},
		}},
	},
	"action_payment_source": Action{
		ID: "700000000000000000000013", Agreement: raw(`{"source": "WebSDK", "targets": [{"id": "default"}]}`),
		PaymentSource: &PaymentSource{
			FixedInfo: PaymentSourceInfo{
				Type: "bankStatement", InstitutionName: "Example Bank", FullName: "Example Person", AccountIdentifier: "KZ00",
				Email: "example@example.com",
			},
			Info: PaymentSourceInfo{Type: "bankStatement", InstitutionName: "EXAMPLE BANK"},
			Checksum: PaymentSourceChecksum{Txns: []PaymentTxn{
				{Date: "2025-01-02", Amount: "17.50", CurrencyCode: "KZT"}, {Date: "2025-01-03", Amount: "18.5", CurrencyCode: "KZT"},
			}},
			Checks: raw(`[{"answer": "GREEN"}]`), OwnershipChecks: raw(`{"fullName": "GREEN"}`),
		},
	},

	"action_raw_null": Action{
		ID:             "700000000000000000000014",
		Checks:         []Check{{CheckType: CheckTypePaymentMethod}},
		Images:         []Image{{ImageID: "31"}},
		RequiredIDDocs: RequiredIDDocs{DocSets: []DocSet{{IDDocSetType: "APPLICANT_DATA"}}},
		PaymentSource:  &PaymentSource{},
	},
	"action_large_numbers": Action{
		ID: "70000000000000000000001c", Agreement: raw(`{"id":9007199254740993,"rate":0.1234567890123456789}`),
		Checks: []Check{{CheckType: CheckTypePaymentSource, Violations: raw(`[12345678901234567.89]`)}},
		Images: []Image{{ImageID: "9007199254740993", ExtractedInfo: raw(`{"number":9007199254740993}`)}},
		PaymentSource: &PaymentSource{Checksum: PaymentSourceChecksum{Txns: []PaymentTxn{
			{Amount: "12345678901234567.89"}, {Amount: "9007199254740993"}, {Amount: "0.1234567890123456789"}, {Amount: "17.50"},
		}}},
	},
	"action_odd_amounts": Action{ // the amounts are ignored, and the others are kept
		ID: "70000000000000000000001d",
		PaymentSource: &PaymentSource{Checksum: PaymentSourceChecksum{Txns: []PaymentTxn{
			{Date: "1"}, {Date: "2"}, {Date: "3"}, {Date: "4"}, {Date: "5"}, {Amount: "6"}, {}, {Date: "8", Amount: "-8e2"},
		}}, Checks: raw(`"the rest"`)},
	},

	// Applicants.
	"applicant_approved": Applicant{
		ID: "70000000000000000000000a", ExternalUserID: "user 17", InspectionID: "70000000000000000000000e", ClientID: "example_client",
		Key: "AAAABBBBCCCCDD", Type: "individual", Email: "example@example.com", Phone: "+7 700 0000000", Lang: "ru",
		CreatedAt: at("2020-10-09 22:39:51"),
		Review: Review{
			ReviewID: "rAbCd", AttemptID: "aTtEm", AttemptCnt: 1, LevelName: "basic level", CreateDate: at("2020-10-09 22:39:51"),
			ReviewDate: at("2020-10-09 22:41:02"), ReviewStatus: ReviewStatusCompleted, ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen},
		},
		RequiredIDDocs: RequiredIDDocs{DocSets: []DocSet{
			{IDDocSetType: "IDENTITY", Types: []IDDocType{IDDocTypePassport, IDDocTypeIDCard}}, {IDDocSetType: "APPLICANT_DATA"},
		}},
	},
	"applicant_wrong_types": Applicant{
		ID: "918", ExternalUserID: "28", InspectionID: "9007199254740993", ClientID: "7",
		Review: Review{ReviewStatus: ReviewStatusCompleted, ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen}},
	},
	"applicant_red_beside_init": Applicant{
		ID: "70000000000000000000000b", ExternalUserID: "user 18", Type: "company",
		Review: Review{ReviewStatus: ReviewStatusInit, ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerRed}},
	},

	// Images.
	"image_recorded": Image{
		ID: "700000000000000000000014", AddedDate: at("2025-01-02 03:04:05"), CreatorClientID: "SDK",
		ImageHash: "0123456789abcdef0123456789abcdef01234567", ImageFileName: "снимок 1.jpeg",
		ResizedImageID: "21", MimeType: "jpeg", ImageID: "22",
		FileSize: 123456, ActualResolution: Resolution{Width: 1080, Height: 1920}, ExifResolution: Resolution{Width: 3024, Height: 4032},
		Make: "Example", Model: "Phone 1", Source: "liveness", CreationDate: at("2025-01-02 03:04:00"),
		ModificationDate: Time{Text: "2025:01:02 03:04:01"}, Deleted: true, ImageTrust: &ImageTrust{Trust: 0.75},
		ExtractedInfo: raw(`{"firstName": "EXAMPLE"}`), CopiedAt: at("2025-01-02 03:04:06"), Answer: ReviewAnswerRed,
		IDDocDef: IDDocDef{Country: "KAZ", IDDocType: IDDocTypeIDCard, IDDocSubType: IDDocSubTypeBackSide},
		ReviewResult: ReviewResult{
			ReviewAnswer: ReviewAnswerRed, RejectLabels: []RejectLabel{RejectLabelLowQuality}, ReviewRejectType: RejectTypeRetry,
		},
		AttemptID: "aTtEm",
	},
	"image_ignored_fields": Image{ImageID: "23"}, // these fields are null in all recorded payloads, so no model has them
	"image_text_ids": Image{
		ID: "1368276695", PreviewID: "1060469685", ImageID: "1411431805", ResizedImageID: "603758274",
		IDDocDef: IDDocDef{Country: "GBR", IDDocType: IDDocTypePassport, IDDocSubType: IDDocSubTypeFrontSide},
	},
	"image_number_forms": Image{ImageID: "1411431805", ResizedImageID: "603758274", PreviewID: "12345678901234567890"},

	// Lists.
	"page_root": ActionPage{
		Items: []*Action{
			{ID: "700000000000000000000015", ApplicantID: "70000000000000000000000a", Review: Review{
				ReviewStatus: ReviewStatusCompleted, ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen},
			}},
			{ID: "700000000000000000000016", ApplicantID: "70000000000000000000000a"},
		},
		TotalItems: 2,
	},
	"page_empty":     ActionPage{Items: []*Action{}},
	"page_no_items":  ActionPage{},
	"page_no_total":  ActionPage{Items: []*Action{{ID: "700000000000000000000017"}}},
	"page_null_item": ActionPage{Items: []*Action{{ID: "700000000000000000000018"}}, TotalItems: 1},
	"page_wrong_types": ActionPage{
		Items: []*Action{
			{ID: "700000000000000000000019", Review: Review{ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerRed}}},
			{ID: "70000000000000000000001a", Review: Review{ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen}}},
			{ID: "70000000000000000000001b", Review: Review{ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen}}},
		},
		TotalItems: 4,
	},

	"link_other_host": WebSDKLink{URL: "http://localhost:8092/websdk/p/sbx_AbC?x=1&y=<2>"},
	"token_short":     AccessToken{Token: "_act-sbx-jwt-eyJhbGciOiJub25lIn0.e30."},

	// Webhooks.
	"webhook_recorded": WebhookEvent{
		Type: WebhookTypeApplicantActionReviewed, ApplicantID: "70000000000000000000000a", ApplicantActionID: "700000000000000000000001",
		ExternalApplicantActionID: "order-17/step 2", InspectionID: "70000000000000000000000a", ApplicantType: "company",
		CorrelationID: "0123456789abcdef0123456789abcdef", ExternalUserID: "28", ReviewStatus: ReviewStatusCompleted,
		ReviewResult: ReviewResult{
			ModerationComment: "Пожалуйста\nещё раз", ClientComment: "${reason}", ReviewAnswer: ReviewAnswerRed,
			RejectLabels:     []RejectLabel{RejectLabelBadFaceMatching, RejectLabelSelfieMismatch},
			ReviewRejectType: RejectTypeFinal, ButtonIDs: []string{},
		},
		CreatedAt: at("2024-12-05 12:24:45"), CreatedAtMs: at("2024-12-05 12:24:45"), SandboxMode: true,
		ClientID: "example_client", LevelName: "action level", PreviousLevelName: "older level",
		ReviewMode: "level_reconfigured", SourceKey: "source",
		ButtonIDs: []string{"b1"}, ApplicantMemberOf: raw(`[ { "applicantId" : "70000000000000000000000b" } ]`),
		VideoIdentReviewStatus: "completedSent", CompositionMediaID: "media-1", NetworkID: "network-1", KytTxnID: "transaction-1",
		WorkflowRevision: 4,
	},
	"webhook_sandbox_text": WebhookEvent{
		Type: WebhookTypeApplicantActionLevelChanged, ApplicantID: "70000000000000000000000a", SandboxMode: true,
	},
	"webhook_sandbox_text_false": WebhookEvent{Type: WebhookTypeApplicantActionPending},
	"webhook_nulls":              WebhookEvent{Type: WebhookTypeApplicantActionOnHold, ApplicantID: "70000000000000000000000a"},
	"webhook_zone_in_ms": WebhookEvent{
		Type: "applicantKytTxnApproved", ApplicantID: "70000000000000000000000a", CreatedAtMs: at("2024-12-05 12:24:45"),
	},
	"webhook_wrong_id_types": WebhookEvent{
		Type: "applicantKytTxnCreated", ApplicantID: "1", ApplicantActionID: "2", ExternalApplicantActionID: "300", InspectionID: "4",
		NetworkID: "5", KytTxnID: "9007199254740993", ExternalUserID: "28", ClientID: "7", CorrelationID: "8",
	},
	"webhook_old": WebhookEvent{
		Type: WebhookTypeApplicantReviewed, ApplicantID: "70000000000000000000000a", CreatedAt: at("2020-02-21 13:23:16"),
		ReviewResult: ReviewResult{
			ReviewAnswer: ReviewAnswerGreen, Label: "OTHER", RejectLabels: []RejectLabel{RejectLabelOther}, ReviewRejectType: RejectTypeRetry,
		},
	},
	"webhook_dates_unknown": WebhookEvent{
		Type: WebhookTypeApplicantActionPending, CreatedAtMs: Time{Text: "1733401485000"}, CreatedAt: Time{Text: "Thu Dec 05 12:24:45 UTC 2024"},
	},
	"webhook_wrong_types": WebhookEvent{
		Type: WebhookTypeApplicantActionReviewed, ApplicantID: "70000000000000000000000a",
		ReviewResult:      ReviewResult{ReviewAnswer: ReviewAnswerRed},
		ApplicantMemberOf: raw(`"70000000000000000000000b"`),
	},
}

// completed returns a completed action with the answer.
func completed(id string, answer ReviewAnswer) Action {
	return Action{ID: id, Review: Review{ReviewStatus: ReviewStatusCompleted, ReviewResult: ReviewResult{ReviewAnswer: answer}}}
}

// modelFiles returns the inputs in testdata/models by name.
func modelFiles(tb testing.TB) map[string][]byte {
	tb.Helper()
	paths, err := filepath.Glob("testdata/models/*.json")
	require.NoError(tb, err)
	files := make(map[string][]byte)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		if strings.HasSuffix(name, ".want") {
			assert.FileExists(tb, "testdata/models/"+strings.TrimSuffix(name, ".want")+".json")
			continue
		}
		files[name], err = os.ReadFile(path)
		require.NoError(tb, err)
	}
	return files
}

func TestModelFixtures(t *testing.T) {
	t.Parallel()
	files := modelFiles(t)
	assert.Len(t, files, len(modelFixtures), "each fixture has its values, and the other way round")
	for name, data := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := modelFixtures[name]
			require.NotNil(t, want)
			decode := func(data []byte) any {
				v := reflect.New(reflect.TypeOf(want))
				require.NoError(t, json.Unmarshal(data, v.Interface()))
				return v.Elem().Interface()
			}
			got := decode(data)
			assert.Equal(t, want, got)

			wantJSON := data
			if stated, err := os.ReadFile("testdata/models/" + name + ".want.json"); err == nil {
				wantJSON = stated
			}
			encoded, err := json.Marshal(got)
			require.NoError(t, err)
			assert.JSONEq(t, string(wantJSON), string(encoded))
			var compact bytes.Buffer // the encoder removes the spaces of a json.RawMessage
			require.NoError(t, json.Compact(&compact, data))
			assert.Equal(t, decode(compact.Bytes()), decode(encoded), "what was encoded decodes to the same")

			// The same holds for a pointer, a list, a map and a struct, with an encoder that does not escape
			// HTML.
			nested := reflect.New(reflect.StructOf([]reflect.StructField{
				{Name: "V", Type: reflect.TypeOf(want)},
				{Name: "P", Type: reflect.PointerTo(reflect.TypeOf(want))},
				{Name: "L", Type: reflect.SliceOf(reflect.TypeOf(want))},
				{Name: "M", Type: reflect.MapOf(reflect.TypeFor[string](), reflect.TypeOf(want))},
			}))
			list := fmt.Sprintf(`{"V":%[1]s,"P":%[1]s,"L":[%[1]s],"M":{"k":%[1]s}}`, data)
			require.NoError(t, json.Unmarshal([]byte(list), nested.Interface()))
			var buf bytes.Buffer
			enc := json.NewEncoder(&buf)
			enc.SetEscapeHTML(false)
			require.NoError(t, enc.Encode(nested.Interface()))
			assert.JSONEq(t, fmt.Sprintf(`{"V":%[1]s,"P":%[1]s,"L":[%[1]s],"M":{"k":%[1]s}}`, wantJSON), buf.String())
		})
	}
}

// Every field of every model has a value in some fixture. Its name is the Go form of its JSON name.
func TestModelFields(t *testing.T) {
	t.Parallel()
	filled := make(map[string]bool)
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Slice:
			if v.Type() == reflect.TypeFor[json.RawMessage]() {
				return
			}
			for _, e := range v.Seq2() {
				walk(e)
			}
		case reflect.Map:
			for _, e := range v.Seq2() {
				walk(e)
			}
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[Time]() || v.Type() == reflect.TypeFor[AccessToken]() {
				return
			}
			for i := range v.NumField() {
				field := v.Type().Field(i)
				filled[v.Type().Name()+"."+field.Name] = filled[v.Type().Name()+"."+field.Name] || !v.Field(i).IsZero()
				walk(v.Field(i))

				name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
				if name == "-" {
					continue
				}
				assert.True(t, options == "omitzero" || name == "totalItems", "%s.%s", v.Type(), field.Name)
				assert.Equal(t, goName(name), field.Name)
			}
		}
	}
	for _, v := range modelFixtures {
		walk(reflect.ValueOf(v))
	}
	for field, ok := range filled {
		if field != "WebhookEvent.Raw" {
			assert.True(t, ok, "no fixture fills %s", field)
		}
	}
}

// Every field of every model has a comment of its own. A comment above a field may belong to a
// group, so only the comment behind a field counts.
func TestModelFieldsHaveComments(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "models.go", nil, parser.ParseComments)
	require.NoError(t, err)
	fields := 0
	ast.Inspect(file, func(node ast.Node) bool {
		typ, ok := node.(*ast.TypeSpec)
		if !ok || !typ.Name.IsExported() {
			return true
		}
		if model, ok := typ.Type.(*ast.StructType); ok {
			for _, field := range model.Fields.List {
				fields++
				trailing := strings.TrimSpace(field.Comment.Text())
				if len(field.Names) == 1 && field.Names[0].Name == "Raw" || typ.Name.Name == "Time" {
					trailing += field.Doc.Text()
				}
				assert.NotEmpty(t, trailing, "%s.%v", typ.Name, field.Names)
			}
		}
		return true
	})
	assert.Greater(t, fields, 180, "the test sees the models")
}

var idInName = regexp.MustCompile(`Id(s?)([A-Z0-9]|$)`)

// goName returns the name that a Go field has for a JSON name.
func goName(jsonName string) string {
	name := strings.ToUpper(jsonName[:1]) + jsonName[1:]
	name = idInName.ReplaceAllString(name, "ID$1$2")
	name = strings.ReplaceAll(name, "Url", "URL")
	return strings.ReplaceAll(name, "Sdk", "SDK")
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	var noAction *Action
	var noApplicant *Applicant
	assert.False(t, noAction.Completed())
	assert.False(t, noAction.Approved())
	assert.False(t, noApplicant.Completed())
	assert.False(t, noApplicant.Approved())
	for _, status := range []ReviewStatus{
		"", ReviewStatusInit, ReviewStatusPending, ReviewStatusPrechecked, ReviewStatusQueued, ReviewStatusCompleted, ReviewStatusOnHold,
		ReviewStatusAwaitingService, ReviewStatusAwaitingUser, "completedSent", "COMPLETED",
	} {
		for _, answer := range []ReviewAnswer{
			"", ReviewAnswerGreen, ReviewAnswerYellow, ReviewAnswerRed, ReviewAnswerError, ReviewAnswerIgnored, ReviewAnswerUnknown, "green",
		} {
			review := Review{ReviewStatus: status, ReviewResult: ReviewResult{ReviewAnswer: answer}}
			action, applicant := &Action{Review: review}, &Applicant{Review: review}
			assert.Equal(t, status == "completed", action.Completed(), status)
			assert.Equal(t, status == "completed" && answer == "GREEN", action.Approved(), "%s %s", status, answer)
			assert.Equal(t, status == "completed", applicant.Completed(), status)
			assert.Equal(t, status == "completed" && answer == "GREEN", applicant.Approved(), "%s %s", status, answer)
		}
	}
}

func TestActionResultAtRoot(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		body string
		want ReviewResult
	}{
		{body: `{}`, want: ReviewResult{}},
		{body: `{"reviewResult":null}`, want: ReviewResult{}},
		{body: `{"reviewResult":{}}`, want: ReviewResult{}},
		{body: `{"reviewResult":{"reviewAnswer":""},"review":{"reviewResult":{"rejectLabels":null}}}`, want: ReviewResult{}},
		{body: `{"reviewResult":{"reviewAnswer":"RED"}}`, want: ReviewResult{ReviewAnswer: "RED"}},
		{body: `{"reviewResult":{"reviewAnswer":"RED"},"review":null}`, want: ReviewResult{ReviewAnswer: "RED"}},
		{
			body: `{"reviewResult":{"reviewAnswer":"RED"},"review":{"reviewResult":{"rejectLabels":[],"label":""}}}`,
			want: ReviewResult{ReviewAnswer: "RED"},
		},
		{
			body: `{"reviewResult":{"rejectLabels":["SPAM"]},"review":{"reviewResult":{}}}`,
			want: ReviewResult{RejectLabels: []RejectLabel{"SPAM"}},
		},
		{
			body: `{"reviewResult":{"reviewAnswer":"RED"},"review":{"reviewResult":{"reviewAnswer":"GREEN"}}}`,
			want: ReviewResult{ReviewAnswer: "GREEN"},
		},
		{
			body: `{"reviewResult":{"reviewAnswer":"RED"},"review":{"reviewResult":{"clientComment":"c"}}}`,
			want: ReviewResult{ClientComment: "c"},
		},
		{body: `{"reviewResult":{},"review":{"reviewResult":{"rejectLabels":[]}}}`, want: ReviewResult{RejectLabels: []RejectLabel{}}},
		{body: `{"reviewResult":"RED"}`, want: ReviewResult{ReviewAnswer: "RED"}},
		{body: `{"reviewResult":"RED","review":{"reviewResult":"GREEN"}}`, want: ReviewResult{ReviewAnswer: "GREEN"}},
		{body: `{"reviewResult":"RED","review":{"reviewResult":""}}`, want: ReviewResult{ReviewAnswer: "RED"}},
		{
			body: `{"reviewResult":{"reviewAnswer":"RED","label":"L"},"review":{"reviewResult":"GREEN"}}`,
			want: ReviewResult{ReviewAnswer: "GREEN"},
		},
		{
			body: `{"reviewResult":{"reviewAnswer":"RED","label":"L"},"review":{"attemptCnt":"1","reviewResult":null}}`,
			want: ReviewResult{ReviewAnswer: "RED", Label: "L"},
		},
		{body: `{"reviewResult":"RED","review":{"reviewResult":{"label":"L"}}}`, want: ReviewResult{Label: "L"}},
	} {
		var action Action
		require.NoError(t, json.Unmarshal([]byte(test.body), &action), test.body)
		assert.Equal(t, test.want, action.Review.ReviewResult, test.body)

		var page ActionPage
		require.NoError(t, json.Unmarshal([]byte(`{"items":[`+test.body+`],"totalItems":1}`), &page), test.body)
		assert.Equal(t, []*Action{&action}, page.Items, test.body)

		encoded, err := json.Marshal(action)
		require.NoError(t, err)
		var again Action
		require.NoError(t, json.Unmarshal(encoded, &again))
		assert.Equal(t, action, again, test.body)
	}
}

// Decoding replaces the whole old value, and so no old result stays. A null changes nothing.
func TestDecodeReplaces(t *testing.T) {
	t.Parallel()
	action, page := completed("1", ReviewAnswerGreen), ActionPage{Items: []*Action{{ID: "1"}}, TotalItems: 1}
	applicant, event := Applicant{ID: "1", Review: action.Review}, WebhookEvent{Type: "x", SandboxMode: true}
	for _, value := range []any{&action, &page, &applicant, &event} {
		before := reflect.ValueOf(value).Elem().Interface()
		require.NoError(t, json.Unmarshal([]byte("null"), value))
		assert.Equal(t, before, reflect.ValueOf(value).Elem().Interface())
	}
	require.NoError(t, json.Unmarshal([]byte(`{"id":"2","reviewResult":{"reviewAnswer":"RED"}}`), &action))
	assert.Equal(t, Action{ID: "2", Review: Review{ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerRed}}}, action)
	require.NoError(t, json.Unmarshal([]byte(`{"items":[],"totalItems":0}`), &page))
	assert.Equal(t, ActionPage{Items: []*Action{}}, page)
	require.NoError(t, json.Unmarshal([]byte(`{"id":"2"}`), &applicant))
	assert.Equal(t, Applicant{ID: "2"}, applicant)
	require.NoError(t, json.Unmarshal([]byte(`{"type":"y"}`), &event))
	assert.Equal(t, WebhookEvent{Type: "y"}, event)
	txn := PaymentTxn{Date: "1", Amount: "1"}
	require.NoError(t, json.Unmarshal([]byte(`{"currencyCode":"KZT"}`), &txn))
	assert.Equal(t, PaymentTxn{CurrencyCode: "KZT"}, txn)
}

// An action and an applicant must have a readable id and outcome. An event must have a readable
// type and ids.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for target, bodies := range map[any][]string{
		new(Action): {
			``, `{`, `{"id":"1"`, `{"id":"1"}}`, `[]`, `[{"id":"1"}]`, `5`, `"x"`, `true`,
			`{"review":"completed"}`, `{"review":{"reviewStatus":1}}`, `{"review":{"levelName":[]}}`,
		},
		new(Applicant): {
			``, `{`, `{"id":"1"`, `{"id":"1"}}`, `[]`, `5`, `"x"`, `{"review":"completed"}`, `{"review":[]}`, `{"review":{"reviewStatus":1}}`,
		},
		new(ActionPage): {
			``, `{`, `[]`, `[{"id":"1"}]`, `5`, `{}`, `{"ok":1}`, `{"list":null}`, `{"list":{}}`, `{"list":[]}`, `{"list":"x"}`,
			`{"items":{}}`, `{"items":null}`, `{"list":{"items":{},"totalItems":5}}`, `{"items":[5],"totalItems":1}`,
			`{"items":["5dd3f15704f9404c41307c85"],"totalItems":1}`,
			`{"items":[[]],"totalItems":1}`, `{"items":[],"totalItems":-1}`, `{"items":[],"totalItems":"many"}`,
			`{"items":[],"totalItems":1.5}`, `{"items":[],"totalItems":{}}`, `{"items":[],"totalItems":1e30}`,
		},
		new(WebhookEvent): {
			``, `{`, `[]`, `5`, `{"type":1}`,
		},
	} {
		for _, body := range bodies {
			assert.Error(t, json.Unmarshal([]byte(body), target), "%T %s", target, body)
		}
	}
	// A null is not a list. As an action or an applicant it has no id.
	require.Error(t, decodeActionPage([]byte("null"), new(ActionPage)))
	var action Action
	require.NoError(t, decodeAction([]byte("null"), &action))
	assert.Empty(t, action.ID)
	var applicant Applicant
	require.NoError(t, decodeApplicant([]byte("null"), &applicant))
	assert.Empty(t, applicant.ID)
}

// The text of a number becomes the id. A result that is neither an object nor a string has no
// answer, so it is not GREEN.
func TestDecodeOddCore(t *testing.T) {
	t.Parallel()
	var action Action
	require.NoError(t, json.Unmarshal([]byte(`{"id":1,"applicantId":2,"externalActionId":3,"clientId":"c"}`), &action))
	assert.Equal(t, Action{ID: "1", ApplicantID: "2", ExternalActionID: "3", ClientID: "c"}, action)
	var page ActionPage
	require.NoError(t, json.Unmarshal([]byte(`{"items":[{"id":"a"},{"id":5}],"totalItems":2}`), &page))
	assert.Equal(t, []*Action{{ID: "a"}, {ID: "5"}}, page.Items)
	for _, body := range []string{
		`{"review":{"reviewStatus":"completed","reviewResult":1}}`,
		`{"review":{"reviewStatus":"completed","reviewResult":{"reviewAnswer":true}}}`,
		`{"review":{"reviewStatus":"completed"},"reviewResult":[]}`,
		`{"review":{"reviewStatus":"completed"},"reviewResult":{"reviewAnswer":["GREEN"]}}`,
	} {
		require.NoError(t, json.Unmarshal([]byte(body), &action), body)
		assert.True(t, action.Completed())
		assert.Empty(t, action.Review.ReviewResult.ReviewAnswer, body)
		var applicant Applicant
		require.NoError(t, json.Unmarshal([]byte(body), &applicant), body)
		assert.True(t, applicant.Completed())
		assert.Empty(t, applicant.Review.ReviewResult.ReviewAnswer, body)
	}
}

func TestActionPageEnvelopes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		body string
		want ActionPage
	}{
		{body: `{"totalItems":0}`, want: ActionPage{}},
		{body: `{"items":null,"totalItems":7}`, want: ActionPage{TotalItems: 7}},
		{body: `{"items":[{}],"totalItems":""}`, want: ActionPage{Items: []*Action{{}}}},
		{body: `{"items":[null],"totalItems":"7"}`, want: ActionPage{Items: []*Action{}, TotalItems: 7}},
		{body: `{"items":[{}],"totalItems":7.0}`, want: ActionPage{Items: []*Action{{}}, TotalItems: 7}},
		{body: `{"list":{"totalItems":0}}`, want: ActionPage{}},
		{body: `{"list":{"items":[{"id":"1"}]},"totalItems":3}`, want: ActionPage{Items: []*Action{{ID: "1"}}}},
		{body: `{"list":{"items":null},"items":[{"id":"1"}],"totalItems":3}`, want: ActionPage{Items: []*Action{{ID: "1"}}, TotalItems: 3}},
		{
			body: `{"totalItems":9,"items":null,"list":{"totalItems":3,"items":[{"id":"1"}]}}`,
			want: ActionPage{Items: []*Action{{ID: "1"}}, TotalItems: 3},
		},
	} {
		var page ActionPage
		require.NoError(t, json.Unmarshal([]byte(test.body), &page), test.body)
		assert.Equal(t, test.want, page, test.body)
	}
}

// An amount keeps its digits, and so do the numbers in JSON that no model describes.
func TestLargeNumbersAreKept(t *testing.T) {
	t.Parallel()
	data := modelFiles(t)["action_large_numbers"]
	var action Action
	require.NoError(t, json.Unmarshal(data, &action))
	encoded, err := json.Marshal(action)
	require.NoError(t, err)
	for _, number := range []string{
		`{"amount":12345678901234567.89}`, `{"amount":9007199254740993}`, `{"amount":0.1234567890123456789}`, `{"amount":17.50}`,
		`{"id":9007199254740993,"rate":0.1234567890123456789}`, `[12345678901234567.89]`, `{"number":9007199254740993}`,
	} {
		assert.Contains(t, string(encoded), number)
	}
}

// This is the answer of an upload. The fixture action_raw_null has the images of an action.
func TestDecodeImageNull(t *testing.T) {
	t.Parallel()
	var image Image
	require.NoError(t, decodeImage([]byte(`{"imageId":1,"extractedInfo":null,"fileSize":"big"}`), &image))
	assert.Equal(t, Image{ImageID: "1"}, image)
	require.Error(t, decodeImage([]byte(`[]`), &image))
}

func TestQuestionnaireItem(t *testing.T) {
	t.Parallel()
	given := []string{"a"}
	item := ItemValues(given...)
	given[0] = "changed"
	assert.Equal(t, []string{"a"}, item.Values)
	assert.NotNil(t, ItemValues().Values)
	both := ItemValue("a")
	both.Values = []string{"b"}
	for _, test := range []struct {
		item QuestionnaireItem
		json string
	}{
		{item: ItemValue("x"), json: `{"value":"x"}`},
		{item: ItemValue(""), json: `{"value":""}`},
		{item: ItemValues("x", ""), json: `{"values":["x",""]}`},
		{item: ItemValues(), json: `{"values":[]}`},
		{item: ItemNull(), json: `{"value":null}`},
		{item: both, json: `{"value":"a","values":["b"]}`},
	} {
		encoded, err := json.Marshal(test.item)
		require.NoError(t, err)
		assert.Equal(t, test.json, string(encoded))
		byPointer, err := json.Marshal(&test.item)
		require.NoError(t, err)
		assert.Equal(t, test.json, string(byPointer))
		var again QuestionnaireItem
		require.NoError(t, json.Unmarshal(encoded, &again))
		assert.Equal(t, test.item, again)
	}
}

func TestWebSDKLinkPrintsRedacted(t *testing.T) {
	t.Parallel()
	link := WebSDKLink{URL: "https://example.com/l/#/KEEP-THIS-SECRET"}
	var text, js bytes.Buffer
	for _, v := range []any{
		link, &link, []WebSDKLink{link}, map[string]WebSDKLink{"k": link}, struct{ Link WebSDKLink }{link}, struct{ Link *WebSDKLink }{&link},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%10.3s"} {
			assert.NotContains(t, fmt.Sprintf(verb, v), "SECRET", "%s of %T", verb, v)
		}
	}
	slog.New(slog.NewTextHandler(&text, nil)).Info("made", "link", link, "pointer", &link)
	slog.New(slog.NewJSONHandler(&js, nil)).Info("made", "link", link, "pointer", &link)
	assert.NotContains(t, text.String()+js.String(), "SECRET")
	for _, printed := range []string{fmt.Sprint(link), fmt.Sprintf("%#v", &link), link.String(), link.LogValue().String()} {
		assert.Equal(t, redacted, printed)
	}
	encoded, err := json.Marshal(link)
	require.NoError(t, err)
	assert.JSONEq(t, `{"url":"https://example.com/l/#/KEEP-THIS-SECRET"}`, string(encoded))
}

// timeTest is a JSON value and the Time that it decodes to.
type timeTest struct {
	json    string
	date    string // the expected moment in UTC
	text    string // the expected text, if there is no moment
	encoded string // the expected JSON, if it differs from json
}

// datesOfKnownForm have a form that this package understands.
var datesOfKnownForm = []timeTest{
	// These are the forms of the service.
	{json: `"2020-02-21 13:23:16"`, date: "2020-02-21 13:23:16"},
	{json: `"2020-02-21 13:23:16+0000"`, date: "2020-02-21 13:23:16", encoded: `"2020-02-21 13:23:16"`},
	{json: `"2020-02-21 13:23:16.000"`, date: "2020-02-21 13:23:16", encoded: `"2020-02-21 13:23:16"`},
	{json: `"2020-02-21 13:23:16.098"`, date: "2020-02-21 13:23:16.098"},
	{json: `"2020-02-21 13:23:16.098+0000"`, date: "2020-02-21 13:23:16.098", encoded: `"2020-02-21 13:23:16.098"`},
	{json: `"2020-02-21 13:23:16.000+0000"`, date: "2020-02-21 13:23:16", encoded: `"2020-02-21 13:23:16"`},
	{json: `"0000-01-01 00:00:00"`, date: "0000-01-01 00:00:00"},
	{json: `"9999-12-31 23:59:59.999"`, date: "9999-12-31 23:59:59.999"},
	{json: `"2024-02-29 00:00:00"`, date: "2024-02-29 00:00:00"},
	{json: `"2000-02-29 00:00:00"`, date: "2000-02-29 00:00:00"},
	// These are other forms, in UTC.
	{json: `"2020-02-21 13:23:16Z"`, date: "2020-02-21 13:23:16", encoded: `"2020-02-21 13:23:16"`},
	{json: `"2020-02-21 13:23:16+00:00"`, date: "2020-02-21 13:23:16", encoded: `"2020-02-21 13:23:16"`},
	{json: `"2020-02-21 13:23:16-0000"`, date: "2020-02-21 13:23:16", encoded: `"2020-02-21 13:23:16"`},
	{json: `"2020-02-21 13:23:16.5"`, date: "2020-02-21 13:23:16.5", encoded: `"2020-02-21 13:23:16.500"`},
	{json: `"2020-02-21 13:23:16.0"`, date: "2020-02-21 13:23:16", encoded: `"2020-02-21 13:23:16"`},
	{json: `"2020-02-21 13:23:16.123456789"`, date: "2020-02-21 13:23:16.123456789"},
	{json: `"2020-02-21 13:23:16.000000001"`, date: "2020-02-21 13:23:16.000000001"},
	{json: `"2020-02-21 13:23:16.1234560"`, date: "2020-02-21 13:23:16.123456", encoded: `"2020-02-21 13:23:16.123456"`},
	{json: `"2020-02-21T13:23:16Z"`, date: "2020-02-21 13:23:16", encoded: `"2020-02-21 13:23:16"`},
	{json: `"2020-02-21T13:23:16"`, date: "2020-02-21 13:23:16", encoded: `"2020-02-21 13:23:16"`},
	{json: `"2020-02-21T13:23:16+0000"`, date: "2020-02-21 13:23:16", encoded: `"2020-02-21 13:23:16"`},
	{json: `"2020-02-21T13:23:16.098Z"`, date: "2020-02-21 13:23:16.098", encoded: `"2020-02-21 13:23:16.098"`},
	{json: `"2020-02-21T13:23:16.000Z"`, date: "2020-02-21 13:23:16", encoded: `"2020-02-21 13:23:16"`},
	{
		json: `"2020-02-21T19:23:16.098765432+06:00"`,
		date: "2020-02-21 13:23:16.098765432", encoded: `"2020-02-21 13:23:16.098765432"`,
	},
	{json: `"2020-02-20T23:53:16-13:30"`, date: "2020-02-21 13:23:16", encoded: `"2020-02-21 13:23:16"`},
	{json: `"2020-02-21 18:53:16+0530"`, date: "2020-02-21 13:23:16", encoded: `"2020-02-21 13:23:16"`},
	{json: `"2020\u002d02-21 13:23:16\u002b0000"`, date: "2020-02-21 13:23:16", encoded: `"2020-02-21 13:23:16"`},
	// These mean that there is no date.
	{json: `null`},
	{json: `""`, encoded: `null`},
}

// textsOfUnknownForm are strings that are kept as texts.
var textsOfUnknownForm = []string{
	" ", "2020-02-21\t", "2020-02-21", "2020-02-21 13:23", "2020-02-21 13:23:16 ", " 2020-02-21 13:23:16", "2020-02-21 13:23:16 +0000",
	"2020-02-21 13:23:16.", "2020-02-21 13:23:16,098", "2020-02-21 13:23:16.1234567890", "2020-02-21 13:23:16+00",
	"2020-02-21 13:23:16+2400", "2020-02-21 13:23:16+0060", "2020-02-21 13:23:16+00:0a", "2020-02-21 13:23:16 UTC",
	"2020-02-21t13:23:16z", "2020-02-21_13:23:16", "2020-02-21-13:23:16", "2020/02/21 13:23:16", "2020-00-21 13:23:16",
	"2020-13-21 13:23:16", "2020-02-00 13:23:16", "2020-02-30 13:23:16", "2023-02-29 13:23:16", "1900-02-29 13:23:16",
	"2020-04-31 13:23:16", "2020-02-21 24:00:00", "2020-02-21 13:60:16", "2020-02-21 13:23:60", "+020-02-21 13:23:16",
	"-020-02-21 13:23:16", "2020-02-21 1a:23:16", "2020-02-21 13:23:16+0000+0000", "2020-02-21 13:23:16.098.098",
	"2020-02-21 13:23:16Z ", "2020-02-21T13:23:16.098+06:00:00", "2020-02-21 13:23:16.098+00000",
	"0001-01-01 00:00:00",       // it would be the zero time.Time
	"0001-01-01T01:00:00+01:00", // it would be the zero time.Time too
	"0000-01-01 00:00:00+0100",  // a year below 0
	"9999-12-31 23:59:59-0100",  // a year above 9999
	"21.02.2020 13:23:16", "Fri Feb 21 13:23:16 UTC 2020", "\U0001F600 \"quoted\" \\", ".000", "+0000", "null", "1582291396098",
	"२०२०-०२-२१ १३:२३:१६",
}

// jsonOfUnknownForm are values other than strings. Their JSON is kept.
var jsonOfUnknownForm = []timeTest{
	{json: `1582291396098`, text: `1582291396098`},
	{json: `5e+0000`, text: `5e+0000`},
	{json: `-1.5E3`, text: `-1.5E3`},
	{json: `true`, text: `true`},
	{json: `false`, text: `false`},
	{json: `[]`, text: `[]`},
	{json: `[2020,2,21,13,23,16]`, text: `[2020,2,21,13,23,16]`},
	{json: `{"seconds":1582291396,"nanos":98}`, text: `{"seconds":1582291396,"nanos":98}`},
	{json: `{ "seconds" : 1582291396 }`, text: `{"seconds":1582291396}`},
	{json: `{"<":"&"}`, text: `{"\u003c":"\u0026"}`},
}

func TestTime(t *testing.T) {
	t.Parallel()
	tests := slices.Concat(datesOfKnownForm, jsonOfUnknownForm)
	for _, text := range textsOfUnknownForm {
		encoded, err := json.Marshal(text)
		require.NoError(t, err)
		tests = append(tests, timeTest{json: string(encoded), text: text})
	}
	for _, test := range tests {
		t.Run(test.json, func(t *testing.T) {
			t.Parallel()
			want := Time{Text: test.text}
			if test.date != "" {
				want = at(test.date)
			}
			var got Time
			require.NoError(t, json.Unmarshal([]byte(test.json), &got))
			assert.True(t, want == got, "%v is not %v", got, want) //nolint:testifylint // the operator is what is tested
			assert.Equal(t, want, got)
			assert.True(t, want.Equal(got))
			assert.Equal(t, time.UTC, got.Location())
			assert.Equal(t, test.date == "" && test.text == "", got.IsZero())
			assert.Equal(t, test.date == "", got.Time.IsZero())
			assert.Equal(t, test.text == "", got.Text == "")
			if test.text != "" {
				assert.Equal(t, test.text, got.String())
			} else {
				assert.Equal(t, got.Time.String(), got.String())
			}

			encoded := encodedTime(t, test)
			direct, err := got.MarshalJSON()
			require.NoError(t, err)
			assert.JSONEq(t, encoded, string(direct))
			nested, err := json.Marshal(struct{ T *Time }{&got})
			require.NoError(t, err)
			assert.JSONEq(t, `{"T":`+encoded+`}`, string(nested))
			var again Time
			require.NoError(t, json.Unmarshal(direct, &again))
			assert.Equal(t, got, again)

			text, err := got.MarshalText()
			require.NoError(t, err)
			appended, err := got.AppendText([]byte("x"))
			require.NoError(t, err)
			assert.Equal(t, "x"+string(text), string(appended))
			var unquoted string
			require.NoError(t, json.Unmarshal(direct, &unquoted))
			assert.Equal(t, unquoted, string(text))
			require.NoError(t, again.UnmarshalText(text))
			assert.Equal(t, got, again)

			// An action without a date is encoded without one.
			var action Action
			require.NoError(t, json.Unmarshal([]byte(`{"createdAt":`+test.json+`,"id":"1"}`), &action))
			assert.Equal(t, Action{ID: "1", CreatedAt: got}, action)
			inAction, err := json.Marshal(action)
			require.NoError(t, err)
			if encoded == "null" {
				assert.JSONEq(t, `{"id":"1"}`, string(inAction))
			} else {
				assert.JSONEq(t, `{"createdAt":`+encoded+`,"id":"1"}`, string(inAction))
			}
		})
	}
}

// encodedTime returns what the Time of a test encodes to.
func encodedTime(t *testing.T, test timeTest) string {
	t.Helper()
	switch {
	case test.encoded != "":
		return test.encoded
	case test.text != "":
		encoded, err := json.Marshal(test.text)
		require.NoError(t, err)
		return string(encoded)
	}
	return test.json
}

func TestTimeOfCaller(t *testing.T) {
	t.Parallel()
	almaty := time.FixedZone("Asia/Almaty", 5*60*60)
	for _, test := range []struct {
		time    Time
		encoded string
	}{
		{time: Time{}, encoded: `null`},
		{time: Time{Time: time.Date(2020, 2, 21, 13, 23, 16, 0, almaty)}, encoded: `"2020-02-21 08:23:16"`},
		{time: Time{Time: time.Date(2020, 2, 21, 13, 23, 16, 120e6, almaty)}, encoded: `"2020-02-21 08:23:16.120"`},
		{time: Time{Time: time.Date(2020, 2, 21, 13, 23, 16, 1, almaty)}, encoded: `"2020-02-21 08:23:16.000000001"`},
		{time: Time{Time: time.Date(2020, 2, 21, 13, 23, 17, 0, almaty), Text: "ignored"}, encoded: `"2020-02-21 08:23:17"`},
	} {
		encoded, err := json.Marshal(test.time)
		require.NoError(t, err)
		assert.Equal(t, test.encoded, string(encoded))
		assert.Equal(t, test.time.Time.IsZero(), test.time.IsZero())
		assert.Equal(t, test.time.Time.String(), test.time.String())
		var again Time
		require.NoError(t, json.Unmarshal(encoded, &again))
		assert.True(t, test.time.Equal(again))
	}
	for _, year := range []int{-1, 10000} {
		outside := Time{Time: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}
		_, err := json.Marshal(outside)
		require.Error(t, err)
		_, err = outside.MarshalText()
		require.Error(t, err)
	}
	assert.Equal(t, Time{Time: time.Unix(0, 0).UTC()}, at("1970-01-01 00:00:00"))
}

func TestTimeEqual(t *testing.T) {
	t.Parallel()
	noon := time.Date(2020, 2, 21, 12, 0, 0, 0, time.UTC)
	almaty := noon.In(time.FixedZone("Asia/Almaty", 5*60*60))
	for _, test := range []struct {
		name string
		a, b Time
		want bool
	}{
		{name: "zero", want: true},
		{name: "same moment", a: Time{Time: noon}, b: Time{Time: almaty}, want: true},
		{name: "same moment, an ignored text", a: Time{Time: noon, Text: "x"}, b: Time{Time: almaty}, want: true},
		{name: "other moment", a: Time{Time: noon}, b: Time{Time: noon.Add(1)}},
		{name: "moment and zero", a: Time{Time: noon}},
		{name: "moment and text", a: Time{Time: noon}, b: Time{Text: "noon"}},
		{name: "same text", a: Time{Text: "noon"}, b: Time{Text: "noon"}, want: true},
		{name: "other text", a: Time{Text: "noon"}, b: Time{Text: "midnight"}},
		{name: "text and zero", a: Time{Text: "noon"}},
	} {
		assert.Equal(t, test.want, test.a.Equal(test.b), test.name)
		assert.Equal(t, test.want, test.b.Equal(test.a), test.name)
	}

	// Equal decoded times are equal under == and as keys of a map.
	var plain, withZone, withOffset Time
	require.NoError(t, plain.UnmarshalText([]byte("1970-01-01 00:00:00")))
	require.NoError(t, withZone.UnmarshalText([]byte("1970-01-01 00:00:00.000+0000")))
	require.NoError(t, withOffset.UnmarshalText([]byte("1970-01-01T06:00:00+06:00")))
	assert.Len(t, map[Time]bool{plain: true, withZone: true, withOffset: true, at("1970-01-01 00:00:00"): true}, 1)
}

// The methods that Time inherits from time.Time keep the moment and lose a text.
func TestTimeGob(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, out Time }{
		{in: at("2020-02-21 13:23:16.098"), out: at("2020-02-21 13:23:16.098")},
		{in: Time{Text: "yesterday"}, out: Time{}},
	} {
		var buf bytes.Buffer
		require.NoError(t, gob.NewEncoder(&buf).Encode(Action{ID: "1", CreatedAt: test.in}))
		var action Action
		require.NoError(t, gob.NewDecoder(&buf).Decode(&action))
		assert.Equal(t, Action{ID: "1", CreatedAt: test.out}, action)
		binary, err := test.in.MarshalBinary()
		require.NoError(t, err)
		var again Time
		require.NoError(t, again.UnmarshalBinary(binary))
		assert.Equal(t, test.out, again)
	}
}

func TestTimeNotJSON(t *testing.T) {
	t.Parallel()
	for _, in := range []string{``, ` `, `x`, `"`, `"x`, `"\x"`, `1 2`, `{`, `2020-02-21 13:23:16`} {
		got := Time{Time: at("1970-01-01 00:00:00").Time, Text: "before"}
		assert.Error(t, got.UnmarshalJSON([]byte(in)), in)
		assert.Zero(t, got, in)
	}
	var got Time
	require.NoError(t, got.UnmarshalJSON([]byte(" \t\r\n\"2020-02-21 13:23:16+0000\" ")))
	assert.Equal(t, at("2020-02-21 13:23:16"), got)
	require.NoError(t, got.UnmarshalText(nil))
	assert.Zero(t, got)
	require.NoError(t, got.UnmarshalText([]byte("yesterday")))
	assert.Equal(t, Time{Text: "yesterday"}, got)
	require.NoError(t, got.UnmarshalText([]byte("not\xffUTF-8")))
	assert.Equal(t, Time{Text: "not\uFFFDUTF-8"}, got)
}

//nolint:paralleltest // allocations are counted, which other tests would disturb
func TestTimeAllocatesNothing(t *testing.T) {
	for _, in := range []string{
		`"2020-02-21 13:23:16"`, `"2020-02-21 13:23:16+0000"`, `"2020-02-21 13:23:16.098"`, `"2020-02-21T13:23:16.098765432+06:00"`, `null`, `""`,
	} {
		data := []byte(in)
		var got Time
		assert.Zero(t, testing.AllocsPerRun(100, func() { _ = got.UnmarshalJSON(data) }), in)
	}
}

func TestImageID(t *testing.T) {
	t.Parallel()
	const endless = `123456789012345678901234567890123456789012345678901234567890123456789`
	for _, test := range []struct {
		json string
		want ImageID
	}{
		{json: `1411431805`, want: "1411431805"},
		{json: `"1411431805"`, want: "1411431805"},
		{json: `1.411431805e9`, want: "1411431805"},
		{json: `14114318050E-1`, want: "1411431805"},
		{json: `1411431805.000`, want: "1411431805"},
		{json: `0.1411431805E+10`, want: "1411431805"},
		{json: `12345678901234567890`, want: "12345678901234567890"},
		{json: `1e18`, want: "1000000000000000000"},
		{json: `0`, want: "0"},
		{json: `0.0`, want: "0"},
		{json: `-0.0e5`, want: "0"},
		{json: `-1.50e1`, want: "-15"},
		{json: `null`, want: ""},
		{json: `""`, want: ""},
		{json: `"a/b \u00e9\n"`, want: "a/b é\n"},
		{json: `"é"`, want: "é"},
		{json: `"1e3"`, want: "1e3"}, // a string is not a number
		// A value that cannot be an id is kept as it is.
		{json: `1.5`, want: "1.5"},
		{json: `1e-1`, want: "1e-1"},
		{json: `1e400`, want: "1e400"},
		{json: `1e999999999`, want: "1e999999999"},
		{json: `1e-99999999999999999999`, want: "1e-99999999999999999999"},
		{json: `1.` + strings.Repeat("0", 100), want: ImageID(`1.` + strings.Repeat("0", 100))},
		{json: `true`, want: "true"},
		{json: `{"id":1.0}`, want: `{"id":1.0}`},
		{json: `["1"]`, want: `["1"]`},
		{json: endless, want: endless},
	} {
		id := ImageID("before")
		require.NoError(t, json.Unmarshal([]byte(test.json), &id), test.json)
		assert.Equal(t, test.want, id, test.json)
		encoded, err := json.Marshal(id)
		require.NoError(t, err)
		assert.Equal(t, byte('"'), encoded[0])
		require.NoError(t, json.Unmarshal(encoded, &id))
		assert.Equal(t, test.want, id, test.json)
	}
	var id ImageID
	for _, in := range []string{``, ` `, `x`, `"x`, `01 2`, `{`} {
		assert.Error(t, id.UnmarshalJSON([]byte(in)), in)
	}
	require.NoError(t, id.UnmarshalJSON([]byte(" 5.0\n")))
	assert.Equal(t, ImageID("5"), id)
}

func TestSandboxMode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		json string
		want bool
	}{
		{json: `true`, want: true},
		{json: `"true"`, want: true},
		{json: `"TRUE"`, want: true},
		{json: `1`, want: true},
		{json: `false`},
		{json: `"false"`},
		{json: `""`},
		{json: `null`},
		{json: `0`},
		{json: `"maybe"`},
		{json: `{}`},
		{json: `[true]`},
	} {
		var event WebhookEvent
		require.NoError(t, json.Unmarshal([]byte(`{"type":"x","sandboxMode":`+test.json+`}`), &event), test.json)
		assert.Equal(t, WebhookEvent{Type: "x", SandboxMode: test.want}, event, test.json)
	}
}

// Receivers store keys in databases, so a key must never change. testdata/models/webhook_keys.txt
// has keys that the first version of Key returned, each with a body or the file of a body.
func TestKeysAreKept(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("testdata/models/webhook_keys.txt")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(list)), "\n")
	assert.Len(t, lines, 84)
	for _, line := range lines {
		want, body, _ := strings.Cut(line, " ")
		assert.Equal(t, want, keyOfBody(t, body), body)
	}
}

// An event about a transaction has the id of the transaction in its key.
func TestKeyOfTransaction(t *testing.T) {
	t.Parallel()
	const without = `{"type":"applicantKytTxnCreated","applicantId":"a","createdAtMs":"2024-01-01 00:00:00.000"`
	for _, test := range []struct {
		body string
		want string
	}{
		{body: without + `}`, want: "dc136f84133b78845c2484abf9d53968"},
		{body: without + `,"kytTxnId":""}`, want: "dc136f84133b78845c2484abf9d53968"},
		{body: without + `,"kytTxnId":null}`, want: "dc136f84133b78845c2484abf9d53968"},
		{body: without + `,"kytTxnId":"1"}`, want: "b336df56cf26016553f102298e021387"},
		{body: without + `,"kytTxnId":1}`, want: "b336df56cf26016553f102298e021387"},
		{body: without + `,"kytTxnId":"2"}`, want: "71309d2e1a2437248cb6539c51549abb"},
		{body: without + `,"networkId":"1"}`, want: "c417ea44f4d447ec85dce3ab3fff5289"},
		{body: "testdata/webhooks/kyt-transaction.json", want: "b2f5eeed31aadd1cdd0dbcf509f4f1a7"},
		{body: "testdata/models/webhook_recorded.json", want: "3fd9fc6b811811d37e40291be24b6849"},
	} {
		assert.Equal(t, test.want, keyOfBody(t, test.body), test.body)
	}
}

// keyOfBody returns the key of an event. body is a JSON object or the name of a file with one.
func keyOfBody(t *testing.T, body string) string {
	t.Helper()
	data := []byte(body)
	if !strings.HasPrefix(body, "{") {
		var err error
		data, err = os.ReadFile(body)
		require.NoError(t, err)
	}
	event, err := ParseWebhook(data)
	require.NoError(t, err, body)
	return event.Key()
}

// knownValues has the values in the specification and in the notes on the API. The list does not
// come from models.go.
var knownValues = map[string]string{
	"ReviewStatus": "init pending prechecked queued completed onHold awaitingService awaitingUser",
	"ReviewAnswer": "GREEN YELLOW RED ERROR IGNORED UNKNOWN",
	"RejectType":   "FINAL RETRY",
	"RejectLabel": `FORGERY CRIMINAL DOCUMENT_TEMPLATE LOW_QUALITY SPAM NOT_DOCUMENT SELFIE_MISMATCH ID_INVALID
		DOCUMENT_DEPRIVED FOREIGNER DUPLICATE
		BAD_AVATAR WRONG_USER_REGION WRONG_ADDRESS INCOMPLETE_DOCUMENT BLACKLIST BLOCKLIST OTHER UNSATISFACTORY_PHOTOS GRAPHIC_EDITOR
		DOCUMENT_PAGE_MISSING DOCUMENT_DAMAGED DIGITAL_DOCUMENT REGULATIONS_VIOLATIONS INCONSISTENT_PROFILE PROBLEMATIC_APPLICANT_DATA
		GPS_AS_POA_SKIPPED ADDITIONAL_DOCUMENT_REQUIRED MORE_DOCUMENTS_REQUIRED AGE_REQUIREMENT_MISMATCH REQUESTED_DATA_MISMATCH
		EXPERIENCE_REQUIREMENT_MISMATCH COMPROMISED_PERSONS PEP ADVERSE_MEDIA FRAUDULENT_PATTERNS STOLEN_DOCS SANCTIONS NOT_ALL_CHECKS_COMPLETED
		FRONT_SIDE_MISSING BACK_SIDE_MISSING SCREENSHOTS BLACK_AND_WHITE INCOMPATIBLE_LANGUAGE EXPIRATION_DATE UNFILLED_ID BAD_SELFIE
		BAD_VIDEO_SELFIE BAD_FACE_MATCHING BAD_PROOF_OF_IDENTITY BAD_PROOF_OF_ADDRESS BAD_PROOF_OF_PAYMENT SELFIE_WITH_PAPER FRAUDULENT_LIVENESS
		EXTERNAL_DECISION_REJECTION OK COMPANY_NOT_DEFINED_STRUCTURE COMPANY_NOT_DEFINED_BENEFICIARIES COMPANY_NOT_VALIDATED_BENEFICIAL_OWNERS
		COMPANY_NOT_VALIDATED_BENEFICIARIES COMPANY_NOT_VALIDATED_DIRECTORS COMPANY_NOT_DEFINED_REPRESENTATIVES
		COMPANY_NOT_VALIDATED_REPRESENTATIVES UNSUITABLE_DOCUMENT OUTDATED_DOCUMENT_VERSION COMPANY_NOT_DEFINED_OWNERSHIP_STRUCTURE
		COMPANY_INACTIVE_ENTITY COMPANY_INCORRECT_DATA COMPANY_PROBLEMATIC_STRUCTURE COMPANY_DATA_MISMATCH APPLICANT_INTERRUPTED_INTERVIEW
		DOCUMENT_MISSING UNSUITABLE_ENV CONNECTION_INTERRUPTED UNSUPPORTED_LANGUAGE THIRD_PARTY_INVOLVED INCORRECT_SOCIAL_NUMBER
		CHECK_UNAVAILABLE DB_DATA_NOT_FOUND DB_DATA_MISMATCH DB_NO_DATA_SOURCE ESIGN_FAILED RESTRICTED_PERSON NO_APPLICANT NO_SUITABLE_DOCS
		NOT_ALONE CONNECTION_ISSUES CAMERA_OR_LIGHTING_ISSUES SOUND_ISSUES PHONE_VERIFICATION_ISSUES OTHER_VI_ISSUES REFUSED_TO_CONTINUE
		VIDEO_FILTERS_OR_MASKS SUPPORTED_LANGUAGE_IS_NOT_AVAILABLE ADDITIONAL_DATA_REQUIRED VI_ATTEMPTS_LIMIT_REACHED BEHAVIOR PERSON_MISMATCH
		THIRD_PARTY_GUIDANCE SPONSORED_VERIFICATION INSUFFICIENT_DATA INCORRECT_PATTERNS`,
	"CheckType": `FACE_LIVELINESS FACE_MATCH EMAIL_CONFIRMATION PHONE_CONFIRMATION PAYMENT_METHOD PAYMENT_SOURCE CROSS_VALIDATION
		SIMILAR_SEARCH TIN IP_CHECK`,
	"ActionType": "selfieAuth paymentMethod faceAuth cryptoTransaction",
	"IDDocType": `PASSPORT DRIVERS ID_CARD RESIDENCE_PERMIT UTILITY_BILL SELFIE PROFILE_IMAGE VEHICLE_REGISTRATION_CERTIFICATE WORK_PATENT
		MIGRATION_CARD VIDEO_SELFIE ID_DOC_PHOTO AGREEMENT CONTRACT DRIVERS_TRANSLATION INVESTOR_DOC INCOME_SOURCE PAYMENT_METHOD PAYMENT_SOURCE
		BANK_CARD BANK_STATEMENT COVID_VACCINATION_FORM COMPANY_DOC POWER_OF_ATTORNEY TAX_RETURN RENTAL_AGREEMENT OTHER`,
	"IDDocSubType": "FRONT_SIDE BACK_SIDE",
	"WebhookType": `applicantActionPending applicantActionReviewed applicantActionOnHold applicantActionLevelChanged applicantCreated
		applicantPending applicantReviewed applicantOnHold applicantPrechecked applicantReset applicantDeleted applicantLevelChanged
		applicantPersonalInfoChanged applicantTagsChanged applicantActivated applicantDeactivated applicantWorkflowCompleted`,
}

// The constants are exactly the known values. The name of each comes from its value.
func TestConstants(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "models.go", nil, 0)
	require.NoError(t, err)
	constants := make(map[string][]string)
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		for _, spec := range gen.Specs {
			value := spec.(*ast.ValueSpec)
			typ, ok := value.Type.(*ast.Ident)
			if !ok {
				continue
			}
			text, err := strconv.Unquote(value.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			constants[typ.Name] = append(constants[typ.Name], text)
			assert.Equal(t, typ.Name+constantName(text), value.Names[0].Name)
		}
	}
	assert.Len(t, constants, len(knownValues))
	for name, values := range knownValues {
		assert.ElementsMatch(t, strings.Fields(values), constants[name], name)
	}
	assert.Len(t, constants["RejectLabel"], 102)
}

// constantName returns a value in Go's case.
func constantName(value string) string {
	if strings.ToUpper(value) != value {
		return strings.ToUpper(value[:1]) + value[1:]
	}
	initialisms := []string{"DB", "GPS", "ID", "IP", "OK", "PEP", "POA", "TIN", "VI"}
	var name strings.Builder
	for word := range strings.SplitSeq(value, "_") {
		if !slices.Contains(initialisms, word) {
			word = word[:1] + strings.ToLower(word[1:])
		}
		name.WriteString(word)
	}
	return name.String()
}

// timeForms are the forms of dates in the specification, in real payloads and in those of other
// services, and some that nobody sends. They are in testdata/fuzz/FuzzTime. With
// IDNGO_UPDATE_CORPUS=1 the test writes them there.
var timeForms = map[string]string{
	"plain": `"2020-02-21 13:23:16"`, "zone": `"2020-02-21 13:23:16+0000"`, "millis": `"2020-02-21 13:23:16.098"`,
	"zero-millis": `"2020-02-21 13:23:16.000"`, "millis-zone": `"2020-02-21 13:23:16.098+0000"`, "rfc3339": `"2020-02-21T13:23:16Z"`,
	"rfc3339-nanos": `"2020-02-21T13:23:16.098765432+06:00"`, "iso-millis": `"2020-02-21T13:23:16.098Z"`, "epoch-millis": `1582291396098`,
	"epoch-exponent": `1.582291396098e12`, "null": `null`, "empty": `""`, "date-only": `"1990-01-31"`,
	"year-10000": `"9999-12-31 23:59:59-0100"`,
	"year-1":     `"0001-01-01 00:00:00"`, "no-such-day": `"2023-02-29 00:00:00"`, "escaped": `"\u0032020-02-21 13:23:16"`,
	"object": `{"a":[" <&>"]}`, "html": `"<&>\u2028"`, "exponent": `5e+0000`, "spaces": ` "2020-02-21 13:23:16" `, "not-json": `"2020`,
	"not-utf8": "\"\xff\"",
}

func TestTimeCorpus(t *testing.T) {
	corpus := map[string]string{}
	for name, form := range timeForms {
		corpus["FuzzTime/"+name] = fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", form)
	}
	checkCorpus(t, corpus)
}

// FuzzTime decodes any JSON value. The standard library must understand every date that this
// package understands. An encoded value must decode to the same value.
func FuzzTime(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		var first Time
		if first.UnmarshalJSON(data) != nil {
			require.False(t, json.Valid(data))
			return
		}
		require.True(t, json.Valid(data))
		if !first.Time.IsZero() {
			var s string
			require.NoError(t, json.Unmarshal(data, &s))
			understood := false
			for _, zone := range []string{"", "Z0700", "Z07:00"} {
				for _, layout := range []string{time.DateTime, "2006-01-02T15:04:05"} {
					std, err := time.Parse(layout+zone, s)
					understood = understood || err == nil && std.Equal(first.Time)
				}
			}
			require.True(t, understood, "%s is not %s", s, first.Time)
		}
		encoded, err := json.Marshal(first)
		require.NoError(t, err)
		var second Time
		require.NoError(t, json.Unmarshal(encoded, &second))
		again, err := json.Marshal(second)
		require.NoError(t, err)
		require.Equal(t, string(encoded), string(again))
		require.Equal(t, first, second)
		require.True(t, first.Equal(second))

		text, err := first.MarshalText()
		require.NoError(t, err)
		require.NoError(t, second.UnmarshalText(text))
		require.Equal(t, first, second)
	})
}

// FuzzImageID decodes any JSON value. A whole number must lose its exponent and its decimals. An
// encoded value must decode to the same value.
func FuzzImageID(f *testing.F) {
	for _, seed := range []string{
		`1411431805`, `"1411431805"`, `1.411431805e9`, `1e400`, `1.50`, `-0.0`, `100e-2`, `null`, `""`, `"\ud800"`, `{"a":1}`, `1e64`, ` 7.0 `,
		"\"\xff\"", "[\"\xff\"]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var id ImageID
		if json.Unmarshal(data, &id) != nil {
			require.False(t, json.Valid(data))
			return
		}
		var number json.Number
		if data := bytes.TrimSpace(data); data[0] != '"' && json.Unmarshal(data, &number) == nil && number != "" {
			if _, err := strconv.ParseUint(string(number), 10, 64); err == nil {
				require.Equal(t, string(number), string(id))
			}
			want, err1 := number.Float64()
			got, err2 := strconv.ParseFloat(string(id), 64)
			require.Equal(t, err1 == nil, err2 == nil)
			if err1 == nil {
				require.Equal(t, want+0, got+0) // +0 turns -0 into 0
			}
			if err1 == nil && want != 0 && want == float64(int64(want)) && want < 1e15 && want > -1e15 && len(number) < 15 {
				require.NotContains(t, string(id), ".")
				require.NotContains(t, strings.ToLower(string(id)), "e")
			}
		}
		encoded, err := json.Marshal(id)
		require.NoError(t, err)
		var again ImageID
		require.NoError(t, json.Unmarshal(encoded, &again))
		require.Equal(t, id, again)
	})
}

// FuzzModels decodes any bytes and must not panic. A decoded value must encode to JSON that decodes
// and encodes to the same.
func FuzzModels(f *testing.F) {
	for _, data := range modelFiles(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, model := range []any{Action{}, ActionPage{}, Applicant{}, Image{}, WebhookEvent{}, WebSDKLink{}, []Questionnaire{}} {
			first := reflect.New(reflect.TypeOf(model))
			if json.Unmarshal(data, first.Interface()) != nil {
				continue
			}
			if p, ok := first.Interface().(*ActionPage); ok {
				require.NotContains(t, p.Items, (*Action)(nil))
				require.GreaterOrEqual(t, p.TotalItems, 0)
			}
			encoded, err := json.Marshal(first.Interface())
			var infinite *json.UnsupportedValueError
			if errors.As(err, &infinite) { // from Go 1.27 on, 1e999 decodes to infinity
				continue
			}
			require.NoError(t, err)
			second := reflect.New(reflect.TypeOf(model))
			require.NoError(t, json.Unmarshal(encoded, second.Interface()), "%s", encoded)
			again, err := json.Marshal(second.Interface())
			require.NoError(t, err)
			require.Equal(t, string(encoded), string(again), "%T", model)
		}
	})
}

// checkCorpus compares the files of testdata/fuzz with the texts that a test makes for them.
func checkCorpus(t *testing.T, corpus map[string]string) {
	t.Helper()
	update := os.Getenv("IDNGO_UPDATE_CORPUS") != ""
	for name, want := range corpus {
		file := filepath.Join("testdata/fuzz", filepath.FromSlash(name))
		if update {
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		}
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, want, string(got), name)
	}
}
