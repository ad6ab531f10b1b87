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
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// at is the Time of a date in UTC that was written in the given form.
func at(date, form string) Time {
	t, err := time.Parse(time.DateTime, date)
	if err != nil {
		panic(err)
	}
	return Time{Time: t, form: form}
}

// modelFixtures has what each file in testdata/models decodes to. It encodes
// to the same JSON again or, if beside it stands a file .want.json, to that.
var modelFixtures = map[string]any{
	// The specification's examples.
	"action_get": Action{
		ID: "5d9f76507edd7d8162bfcea8", ApplicantID: "5d9f74a27edd7d813405fe07", Type: ActionTypeSelfieAuth,
		CreatedAt: at("2019-10-10 18:20:00", formPlain),
		Review:    Review{ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen}},
		Checks: []Check{{
			Answer: ReviewAnswerGreen, CheckType: CheckTypeFaceLiveliness, CreatedAt: at("2019-10-10 18:19:57", formPlain),
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
			Answer: ReviewAnswerGreen, CheckType: CheckTypeFaceMatch, CreatedAt: at("2019-10-10 18:20:00", formPlain),
			FaceMatchInfo: &FaceMatchInfo{Answer: ReviewAnswerGreen},
		}},
	},
	"page_list": ActionPage{
		Items: []*Action{
			{ID: "5dd3f15704f9404c41307c85", ApplicantID: "5dd3d58304f9404c412f1665", CreatedAt: at("2019-11-19 13:42:47", formPlain)},
			{ID: "5dd3d94153d4864d5aa98f21", ApplicantID: "5dd3d58304f9404c412f1665", CreatedAt: at("2019-11-19 12:00:01", formPlain)},
		},
		TotalItems: 213,
	},
	"image_added": Image{
		ID: "66bb6c71546bfc57cffe92a8", AddedDate: at("2024-08-13 14:23:45", formPlain), CreatorClientID: "API",
		ImageHash: "64d2f3aa8da8a98fffaf751a9c323981474f6375", ImageFileName: "name.jpg", ResizedImageID: "603758274", MimeType: "jpg",
		SigHash: "3809bc3c-831d-4be3-8cee-1684553beffe", ImageID: "1411431805", FileSize: 1362, ActualResolution: Resolution{Width: 192, Height: 192},
		Answer: ReviewAnswerGreen, IDDocDef: IDDocDef{Country: "GBR", IDDocType: IDDocTypeSelfie}, AttemptID: "teinm",
	},
	"token": AccessToken{Token: "_act-80bbf59b-98e6-4aa5-9310-82f2df5fe211", UserID: "JamesBond007", ExternalActionID: "JamesBond007Action1"},
	"link":  WebSDKLink{URL: "https://api.idngo.kz/idensic/l/#/lPDnIKwzmxPfDohk"},
	"webhook_pending": WebhookEvent{
		Type: WebhookTypeApplicantActionPending, ApplicantID: "5dc158b109494c3cbf431e28", ApplicantActionID: "5dc2d80ce3cc9b1c1e389c4c",
		ExternalApplicantActionID: "id122424234-action-random-r7otyykndi", InspectionID: "5dc158b109494c3cbf431e29", ApplicantType: "individual",
		CorrelationID: "req-8fbf5a81-339f-43b6-a9a7-290080e9039c", ExternalUserID: "pid122424234", ReviewStatus: ReviewStatusCompleted,
		CreatedAtMs: at("2020-02-21 13:23:16.098", formPlain),
	},
	"webhook_reviewed": WebhookEvent{
		Type: WebhookTypeApplicantActionReviewed, ApplicantID: "5dc158b109494c3cbf431e28", ApplicantActionID: "5dc2d80ce3cc9b1c1e389c4c",
		ExternalApplicantActionID: "id122424234-action-random-r7otyykndi", InspectionID: "5dc158b109494c3cbf431e29",
		CorrelationID: "req-c9041677-e8dc-446b-ab8f-50b438a40aa8", ExternalUserID: "id122424234", ReviewStatus: ReviewStatusCompleted,
		ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen}, CreatedAtMs: at("2020-02-21 13:23:19.987", formPlain),
	},
	"webhook_onhold": WebhookEvent{
		Type: WebhookTypeApplicantActionOnHold, ApplicantID: "5ea867a9772e27d66728c64b", ApplicantActionID: "5ea867c2772e27d66728c64f",
		InspectionID: "5ea867a9772e27d66728c64c", CorrelationID: "req-2c3cce19-c723-4fd0-a2f2-527789f95bcc", ExternalUserID: "random-4gguvx1oha",
		ReviewStatus: ReviewStatusInit, CreatedAtMs: at("2020-04-28 18:16:09.888", formPlain),
	},
	"questionnaires": []Questionnaire{{
		ID: "Example_Questionnaire",
		Sections: map[string]QuestionnaireSection{
			"section_id_1": {Items: map[string]QuestionnaireItem{"item_id_0": ItemValues("EUR", "USD"), "item_id_1": ItemValue("String Value")}},
			"section_id_2": {Items: map[string]QuestionnaireItem{"item_id_3": ItemNull()}},
		},
	}},

	// Actions.
	"action_created": Action{ // the answer of create: dates of two forms, fields the specification does not name
		ID: "700000000000000000000001", CreatedAt: at("2025-03-07 06:44:24", formPlain), Key: "AAAABBBBCCCCDD", ClientID: "example_client",
		ExternalActionID: "order-17/step 2", ApplicantID: "70000000000000000000000a", Type: ActionTypePaymentMethod,
		Review: Review{
			ReviewID: "rAbCd", AttemptID: "aTtEm", LevelName: "action level", CreateDate: at("2025-03-07 06:44:24", formZone), ReviewStatus: ReviewStatusInit,
		},
		RequiredIDDocs: RequiredIDDocs{DocSets: []DocSet{{IDDocSetType: "PAYMENT_METHODS", Types: []IDDocType{IDDocTypeBankCard, IDDocTypeBankStatement}}}},
		PaymentMethod: &PaymentMethod{Type: "bankCard", SubType: "VISA", Data: PaymentMethodData{RequiredIDDoc: PaymentMethodDoc{
			FirstName: "Example", LastName: "Person", MiddleName: "Q", Number: "400000******0000", IssuedDate: "2023-02-25", TxnAmount: "500",
		}}},
	},
	"action_both_results": Action{ // the review's wins
		ID: "700000000000000000000002", CreatedAt: at("2024-07-09 10:24:26", formPlain), ClientID: "example_client",
		ExternalActionID: "both-results", ApplicantID: "70000000000000000000000a",
		Review: Review{
			ReviewID: "rAbCd", AttemptID: "aTtEm", AttemptCnt: 1, ElapsedSincePendingMs: 82, ElapsedSinceQueuedMs: 41, LevelName: "action level",
			CreateDate: at("2024-07-09 10:24:26", formZone), StartDate: at("2024-07-09 10:24:27", formZone), ReviewDate: at("2024-07-09 10:24:28", formZone),
			ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerRed, RejectLabels: []RejectLabel{RejectLabelForgery}}, ReviewStatus: ReviewStatusCompleted,
			Priority: 3, NotificationFailureCnt: 2, Reprocessing: true, AutoChecked: true,
		},
		Checks: []Check{{Answer: ReviewAnswerRed, CheckType: CheckTypePaymentMethod, CreatedAt: at("2024-07-09 10:24:27", formPlain), ID: "c1", AttemptID: "aTtEm"}},
	},
	"action_root_result": Action{
		ID: "700000000000000000000003", ApplicantID: "70000000000000000000000a", CreatedAt: at("2024-07-09 10:24:26", formPlain),
		Review: Review{ReviewStatus: ReviewStatusCompleted, LevelName: "action level", ReviewResult: ReviewResult{
			ReviewAnswer: ReviewAnswerRed, RejectLabels: []RejectLabel{RejectLabelBadSelfie}, ReviewRejectType: RejectTypeRetry,
		}},
	},
	"action_root_result_review_null":  completed("700000000000000000000004", ReviewAnswerGreen),
	"action_root_result_review_empty": completed("700000000000000000000005", ReviewAnswerGreen),
	"action_result_is_text":           completed("700000000000000000000006", ReviewAnswerGreen), // as the specification's table has it
	"action_no_status": Action{
		ID: "700000000000000000000007", ApplicantID: "70000000000000000000000a", Review: Review{ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen}},
	},
	"action_dates": Action{
		ID: "700000000000000000000008", CreatedAt: at("2024-02-29 23:59:59", formPlain),
		Review: Review{
			ReviewStatus: ReviewStatusPending, CreateDate: at("2024-02-29 23:59:59", formZone), StartDate: at("2024-02-29 23:59:59", formMillis),
			ReviewDate: at("2024-02-29 23:59:59.12", formPlain),
		},
		Checks: []Check{
			{Answer: ReviewAnswerGreen, CreatedAt: at("2024-02-29 23:59:59", formMillisZone)},
			{Answer: ReviewAnswerGreen, CreatedAt: at("2024-02-29 23:59:59", formPlain)},
			{Answer: ReviewAnswerGreen, CreatedAt: at("2024-02-29 17:59:59.5", formPlain)},
			{Answer: ReviewAnswerGreen, CreatedAt: at("2024-03-01 01:29:59.123456789", formPlain)},
			{Answer: ReviewAnswerGreen, CreatedAt: at("2024-02-29 23:59:59", formZone)},
			{Answer: ReviewAnswerGreen},
			{Answer: ReviewAnswerGreen},
		},
	},
	"action_dates_unknown": Action{ // the texts are kept, the rest is not lost
		ID: "700000000000000000000009", CreatedAt: Time{form: `"29 Feb 2024, noon"`},
		Review: Review{
			ReviewStatus: ReviewStatusCompleted, CreateDate: Time{form: `1709208000000`}, StartDate: Time{form: `{"seconds": 1709208000}`},
			ReviewDate: Time{form: `"2023-02-29 12:00:00"`}, ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen},
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
			{IDDocSetType: "APPLICANT_DATA", Fields: []any{map[string]any{"name": "email", "required": true}, "phone"}},
			{IDDocSetType: "QUESTIONNAIRE", QuestionnaireDefID: "Example_Questionnaire"},
		}},
	},
	"action_answers": Action{ // known and unknown values pass alike
		ID: "70000000000000000000000d", Type: "actionOfTomorrow",
		Review: Review{ReviewStatus: "statusOfTomorrow", ReviewResult: ReviewResult{
			ReviewAnswer: ReviewAnswerError, RejectLabels: []RejectLabel{"LABEL_OF_TOMORROW", RejectLabelBadFaceMatching}, ReviewRejectType: "LATER",
		}},
		Checks: []Check{
			{Answer: ReviewAnswerYellow, CheckType: CheckTypeFaceLiveliness}, {Answer: ReviewAnswerIgnored, CheckType: CheckTypeFaceMatch},
			{Answer: ReviewAnswerUnknown, CheckType: "CHECK_OF_TOMORROW"},
		},
		Images: []Image{{ImageID: "1", Answer: ReviewAnswerYellow, IDDocDef: IDDocDef{IDDocType: "DOCUMENT_OF_TOMORROW", IDDocSubType: "THIRD_SIDE"}}},
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
		Checks: []Check{{Answer: ReviewAnswerGreen, CheckType: CheckTypeIpCheck}}, Images: []Image{{ImageID: "4"}},
	},
	"action_wrong_types": Action{ // what cannot be read is left out, the rest is not lost
		ID: "700000000000000000000010", ApplicantID: "70000000000000000000000a", ExternalActionID: "wrong types",
		Review:         Review{ReviewStatus: ReviewStatusCompleted, ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerGreen}},
		Checks:         []Check{{Answer: ReviewAnswerGreen, FaceMatchInfo: &FaceMatchInfo{}}, {Answer: ReviewAnswerRed}},
		RequiredIDDocs: RequiredIDDocs{DocSets: []DocSet{{IDDocSetType: "SELFIE"}}},
	},
	"action_checks": Action{
		ID: "700000000000000000000011",
		Checks: []Check{{
			Answer: ReviewAnswerRed, CheckType: CheckTypeFaceLiveliness, CreatedAt: at("2025-01-02 03:04:05", formPlain), ErrorMessage: "no face",
			ImageIDs: []ImageID{"11", "12"},
			LivenessInfo: &LivenessInfo{
				DeviceDesc: "Example Phone 1",
				LivenessData: LivenessData{SessionID: "s-1", DeviceDesc: "Example Phone 1", Images: []LivenessImage{
					{ImageID: "13", Ts: at("2025-01-02 03:04:04.5", formPlain)}, {ImageID: "14", Ts: Time{form: "1735787044500"}},
				}},
				LivenessResult: LivenessResult{Answer: ReviewAnswerRed, Glasses: true, RetryReason: 2},
			},
		}, {
			Answer: ReviewAnswerGreen, CheckType: CheckTypeFaceMatch, FaceMatchInfo: &FaceMatchInfo{
				Answer: ReviewAnswerGreen, Confidence: 0.97, OriginImageID1: "11", OriginImageID2: "12", FaceContentID1: "15", FaceContentID2: "16",
			},
		}, {
			Answer: ReviewAnswerGreen, CheckType: CheckTypeEmailConfirmation, EmailConfirmationCheckInfo: &EmailConfirmationCheckInfo{
				FirstSeenAt: at("2020-01-01 00:00:00", formPlain), Email: "example@example.com", ConfirmedViaOtp: ReviewAnswerGreen,
				NonDisposable: ReviewAnswerGreen, RiskLevel: "low", SuspiciousEmail: ReviewAnswerYellow, Blacklisted: ReviewAnswerGreen,
				WebsiteExists: ReviewAnswerIgnored, Deliverable: ReviewAnswerGreen,
			},
		}, {
			Answer: ReviewAnswerGreen, CheckType: CheckTypePhoneConfirmation, PhoneConfirmationCheckInfo: &PhoneConfirmationCheckInfo{
				FirstSeenAt: Time{form: `"2020-01-01"`}, ConfirmedViaOtp: ReviewAnswerGreen, Blacklisted: ReviewAnswerGreen, RiskLevel: "low",
				NonDisposable: ReviewAnswerGreen, WebRegistrationsExist: ReviewAnswerYellow, Active: ReviewAnswerGreen, Valid: ReviewAnswerGreen,
			},
		}, {
			Answer: ReviewAnswerYellow, CheckType: CheckTypePaymentMethod,
			ExtractedInfo: &ExtractedInfo{Type: "bankCard", AccountIdentifier: "400000******0000", InstitutionName: "Example Bank", IssuedDate: "2023-02-25"},
			RiskCheck: &RiskCheck{BinInfo: BinInfo{
				Country: "KAZ", Issuer: "Example Bank", Brand: "VISA", Type: "debit", Prepaid: true, Virtual: true, Commercial: true,
			}},
			Violations: []any{"nameMismatch", map[string]any{"field": "number"}},
		}},
	},
	"action_questionnaires": Action{
		ID: "700000000000000000000012",
		Questionnaires: []Questionnaire{{
			ID: "Example_Questionnaire", Score: 12.5,
			Sections: map[string]QuestionnaireSection{
				"s1": {Score: 7, Items: map[string]QuestionnaireItem{"text": ItemValue(`Абв "<&>"`), "bool": ItemValue("true"), "empty": ItemValue("")}},
				"s2": {Items: map[string]QuestionnaireItem{"many": ItemValues("KAZ", "GBR"), "none": ItemValues(), "null": ItemNull()}},
				"s3": {Items: map[string]QuestionnaireItem{}},
			},
		}},
	},
	"action_payment_source": Action{
		ID: "700000000000000000000013", Agreement: map[string]any{"source": "WebSDK", "targets": []any{map[string]any{"id": "default"}}},
		PaymentSource: &PaymentSource{
			FixedInfo: PaymentSourceInfo{
				Type: "bankStatement", InstitutionName: "Example Bank", FullName: "Example Person", AccountIdentifier: "KZ00", Email: "example@example.com",
			},
			Info: PaymentSourceInfo{Type: "bankStatement", InstitutionName: "EXAMPLE BANK"},
			Checksum: PaymentSourceChecksum{Txns: []PaymentTxn{
				{Date: "2025-01-02", Amount: "17.50", CurrencyCode: "KZT"}, {Date: "2025-01-03", Amount: 18.5, CurrencyCode: "KZT"},
			}},
			Checks: []any{map[string]any{"answer": "GREEN"}}, OwnershipChecks: map[string]any{"fullName": "GREEN"},
		},
	},

	// Images.
	"image_recorded": Image{
		ID: "700000000000000000000014", AddedDate: at("2025-01-02 03:04:05", formPlain), CreatorClientID: "SDK",
		ImageHash: "0123456789abcdef0123456789abcdef01234567", ImageFileName: "снимок 1.jpeg", ResizedImageID: "21", MimeType: "jpeg", ImageID: "22",
		FileSize: 123456, ActualResolution: Resolution{Width: 1080, Height: 1920}, ExifResolution: Resolution{Width: 3024, Height: 4032},
		Make: "Example", Model: "Phone 1", Source: "liveness", CreationDate: at("2025-01-02 03:04:00", formPlain),
		ModificationDate: Time{form: `"2025:01:02 03:04:01"`}, Deleted: true, ImageTrust: &ImageTrust{Trust: 0.75},
		ExtractedInfo: map[string]any{"firstName": "EXAMPLE"}, CopiedAt: at("2025-01-02 03:04:06", formPlain), Answer: ReviewAnswerRed,
		IDDocDef:     IDDocDef{Country: "KAZ", IDDocType: IDDocTypeIDCard, IDDocSubType: IDDocSubTypeBackSide},
		ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerRed, RejectLabels: []RejectLabel{RejectLabelLowQuality}, ReviewRejectType: RejectTypeRetry},
		AttemptID:    "aTtEm",
	},
	"image_nulls_filled": Image{ // what was null in everything that was seen
		ImageID: "23", CreatorSubjectRole: "operator", Comments: []any{"a", 1.0, true}, CopiedFrom: map[string]any{"imageId": 24.0},
	},
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
		CreatedAt: at("2024-12-05 12:24:45", formZone), CreatedAtMs: at("2024-12-05 12:24:45", formMillis), SandboxMode: true,
		ClientID: "example_client", LevelName: "action level", PreviousLevelName: "older level", ReviewMode: "level_reconfigured", SourceKey: "source",
		ButtonIDs: []string{"b1"}, ApplicantMemberOf: []map[string]any{{"applicantId": "70000000000000000000000b"}},
		VideoIdentReviewStatus: "completedSent", CompositionMediaID: "media-1", NetworkID: "network-1", WorkflowRevision: 4,
	},
	"webhook_sandbox_text": WebhookEvent{
		Type: WebhookTypeApplicantActionLevelChanged, ApplicantID: "70000000000000000000000a", SandboxMode: true,
	},
	"webhook_sandbox_text_false": WebhookEvent{Type: WebhookTypeApplicantActionPending},
	"webhook_nulls":              WebhookEvent{Type: WebhookTypeApplicantActionOnHold, ApplicantID: "70000000000000000000000a"},
	"webhook_zone_in_ms": WebhookEvent{
		Type: "applicantKytTxnApproved", ApplicantID: "70000000000000000000000a", CreatedAtMs: at("2024-12-05 12:24:45", formZone),
	},
	"webhook_old": WebhookEvent{
		Type: WebhookTypeApplicantReviewed, ApplicantID: "70000000000000000000000a", CreatedAt: at("2020-02-21 13:23:16", formZone),
		ReviewResult: ReviewResult{
			ReviewAnswer: ReviewAnswerGreen, Label: "OTHER", RejectLabels: []RejectLabel{RejectLabelOther}, ReviewRejectType: RejectTypeRetry,
		},
	},
	"webhook_dates_unknown": WebhookEvent{
		Type: WebhookTypeApplicantActionPending, CreatedAtMs: Time{form: "1733401485000"}, CreatedAt: Time{form: `"Thu Dec 05 12:24:45 UTC 2024"`},
	},
	"webhook_wrong_types": WebhookEvent{
		Type: WebhookTypeApplicantActionReviewed, ApplicantID: "70000000000000000000000a", ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerRed},
	},
}

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
			if name != "action_dates_unknown" { // a kept text has its spaces
				assert.Equal(t, want, decode(encoded), "what was encoded decodes to the same")
			}

			// The same by pointer, in a list, in a map, in a struct, with an encoder that is told not to escape.
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

// Every field of every model has a value in some fixture, and the name that
// its JSON name asks for.
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
		if field != "Review.LevelAutoCheckMode" && field != "WebhookEvent.Raw" {
			assert.True(t, ok, "no fixture fills %s", field)
		}
	}
}

var idInName = regexp.MustCompile(`Id(s?)([A-Z0-9]|$)`)

func goName(jsonName string) string {
	name := strings.ToUpper(jsonName[:1]) + jsonName[1:]
	name = idInName.ReplaceAllString(name, "ID$1$2")
	name = strings.ReplaceAll(name, "Url", "URL")
	return strings.ReplaceAll(name, "Sdk", "SDK")
}

func TestActionOutcome(t *testing.T) {
	t.Parallel()
	var none *Action
	assert.False(t, none.Completed())
	assert.False(t, none.Approved())
	assert.False(t, new(Action).Completed())
	assert.False(t, new(Action).Approved())
	for _, status := range []ReviewStatus{
		"", ReviewStatusInit, ReviewStatusPending, ReviewStatusPrechecked, ReviewStatusQueued, ReviewStatusCompleted, ReviewStatusOnHold,
		ReviewStatusAwaitingService, ReviewStatusAwaitingUser, "completedSent", "COMPLETED",
	} {
		for _, answer := range []ReviewAnswer{
			"", ReviewAnswerGreen, ReviewAnswerYellow, ReviewAnswerRed, ReviewAnswerError, ReviewAnswerIgnored, ReviewAnswerUnknown, "green",
		} {
			a := &Action{Review: Review{ReviewStatus: status, ReviewResult: ReviewResult{ReviewAnswer: answer}}}
			assert.Equal(t, status == "completed", a.Completed(), status)
			assert.Equal(t, status == "completed" && answer == "GREEN", a.Approved(), "%s %s", status, answer)
		}
	}
}

func TestActionResultAtRoot(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]ReviewResult{
		`{}`:                    {},
		`{"reviewResult":null}`: {},
		`{"reviewResult":{}}`:   {},
		`{"reviewResult":{"reviewAnswer":""},"review":{"reviewResult":{"rejectLabels":null}}}`:             {},
		`{"reviewResult":{"reviewAnswer":"RED"}}`:                                                          {ReviewAnswer: "RED"},
		`{"reviewResult":{"reviewAnswer":"RED"},"review":null}`:                                            {ReviewAnswer: "RED"},
		`{"reviewResult":{"reviewAnswer":"RED"},"review":{"reviewResult":{"rejectLabels":[],"label":""}}}`: {ReviewAnswer: "RED"},
		`{"reviewResult":{"rejectLabels":["SPAM"]},"review":{"reviewResult":{}}}`:                          {RejectLabels: []RejectLabel{"SPAM"}},
		`{"reviewResult":{"reviewAnswer":"RED"},"review":{"reviewResult":{"reviewAnswer":"GREEN"}}}`:       {ReviewAnswer: "GREEN"},
		`{"reviewResult":{"reviewAnswer":"RED"},"review":{"reviewResult":{"clientComment":"c"}}}`:          {ClientComment: "c"},
		`{"reviewResult":{},"review":{"reviewResult":{"rejectLabels":[]}}}`:                                {RejectLabels: []RejectLabel{}},
		`{"reviewResult":"RED"}`:                                                                              {ReviewAnswer: "RED"},
		`{"reviewResult":"RED","review":{"reviewResult":"GREEN"}}`:                                            {ReviewAnswer: "GREEN"},
		`{"reviewResult":"RED","review":{"reviewResult":""}}`:                                                 {ReviewAnswer: "RED"},
		`{"reviewResult":{"reviewAnswer":"RED","label":"L"},"review":{"reviewResult":"GREEN"}}`:               {ReviewAnswer: "GREEN"},
		`{"reviewResult":{"reviewAnswer":"RED","label":"L"},"review":{"attemptCnt":"1","reviewResult":null}}`: {ReviewAnswer: "RED", Label: "L"},
		`{"reviewResult":"RED","review":{"reviewResult":{"label":"L"}}}`:                                      {Label: "L"},
	} {
		var a Action
		require.NoError(t, json.Unmarshal([]byte(body), &a), body)
		assert.Equal(t, want, a.Review.ReviewResult, body)

		var p ActionPage
		require.NoError(t, json.Unmarshal([]byte(`{"items":[`+body+`],"totalItems":1}`), &p), body)
		assert.Equal(t, []*Action{&a}, p.Items, body)

		encoded, err := json.Marshal(a)
		require.NoError(t, err)
		var again Action
		require.NoError(t, json.Unmarshal(encoded, &again))
		assert.Equal(t, a, again, body)
	}
}

// A value that is decoded into keeps nothing of what it held, above all no
// result; a null leaves it alone.
func TestDecodeReplaces(t *testing.T) {
	t.Parallel()
	a, p, e := completed("1", ReviewAnswerGreen), ActionPage{Items: []*Action{{ID: "1"}}, TotalItems: 1}, WebhookEvent{Type: "x", SandboxMode: true}
	for _, v := range []any{&a, &p, &e} {
		before := reflect.ValueOf(v).Elem().Interface()
		require.NoError(t, json.Unmarshal([]byte("null"), v))
		assert.Equal(t, before, reflect.ValueOf(v).Elem().Interface())
	}
	require.NoError(t, json.Unmarshal([]byte(`{"id":"2","reviewResult":{"reviewAnswer":"RED"}}`), &a))
	assert.Equal(t, Action{ID: "2", Review: Review{ReviewResult: ReviewResult{ReviewAnswer: ReviewAnswerRed}}}, a)
	require.NoError(t, json.Unmarshal([]byte(`{"items":[],"totalItems":0}`), &p))
	assert.Equal(t, ActionPage{Items: []*Action{}}, p)
	require.NoError(t, json.Unmarshal([]byte(`{"type":"y"}`), &e))
	assert.Equal(t, WebhookEvent{Type: "y"}, e)
}

// What says which action this is and how it stands, or what happened and to
// what, must be readable.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for target, bodies := range map[any][]string{
		new(Action): {
			``, `{`, `{"id":"1"`, `{"id":"1"}}`, `[]`, `[{"id":"1"}]`, `5`, `"x"`, `true`,
			`{"review":"completed"}`, `{"review":{"reviewStatus":1}}`, `{"review":{"levelName":[]}}`,
		},
		new(ActionPage): {
			``, `{`, `[]`, `[{"id":"1"}]`, `5`, `{}`, `{"ok":1}`, `{"list":null}`, `{"list":{}}`, `{"list":[]}`, `{"list":"x"}`, `{"items":{}}`, `{"items":null}`,
			`{"list":{"items":{},"totalItems":5}}`, `{"items":[5],"totalItems":1}`, `{"items":["5dd3f15704f9404c41307c85"],"totalItems":1}`,
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
	// An answer that is null is no list either, and an action without an id.
	require.Error(t, decodeActionPage([]byte("null"), new(ActionPage)))
	var a Action
	require.NoError(t, decodeAction([]byte("null"), &a))
	assert.Empty(t, a.ID)
}

// An id that is a number is its text; a result that is none says nothing, above
// all not GREEN.
func TestDecodeOddCore(t *testing.T) {
	t.Parallel()
	var a Action
	require.NoError(t, json.Unmarshal([]byte(`{"id":1,"applicantId":2,"externalActionId":3,"clientId":"c"}`), &a))
	assert.Equal(t, Action{ID: "1", ApplicantID: "2", ExternalActionID: "3", ClientID: "c"}, a)
	var p ActionPage
	require.NoError(t, json.Unmarshal([]byte(`{"items":[{"id":"a"},{"id":5}],"totalItems":2}`), &p))
	assert.Equal(t, []*Action{{ID: "a"}, {ID: "5"}}, p.Items)
	for _, body := range []string{
		`{"review":{"reviewStatus":"completed","reviewResult":1}}`, `{"review":{"reviewStatus":"completed","reviewResult":{"reviewAnswer":true}}}`,
		`{"review":{"reviewStatus":"completed"},"reviewResult":[]}`, `{"review":{"reviewStatus":"completed"},"reviewResult":{"reviewAnswer":["GREEN"]}}`,
	} {
		require.NoError(t, json.Unmarshal([]byte(body), &a), body)
		assert.True(t, a.Completed())
		assert.Empty(t, a.Review.ReviewResult.ReviewAnswer, body)
	}
}

func TestActionPageEnvelopes(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]ActionPage{
		`{"totalItems":0}`:                                                           {},
		`{"items":null,"totalItems":7}`:                                              {TotalItems: 7},
		`{"items":[{}],"totalItems":""}`:                                             {Items: []*Action{{}}},
		`{"items":[null],"totalItems":"7"}`:                                          {Items: []*Action{}, TotalItems: 7},
		`{"items":[{}],"totalItems":7.0}`:                                            {Items: []*Action{{}}, TotalItems: 7},
		`{"list":{"totalItems":0}}`:                                                  {},
		`{"list":{"items":[{"id":"1"}]},"totalItems":3}`:                             {Items: []*Action{{ID: "1"}}},
		`{"list":{"items":null},"items":[{"id":"1"}],"totalItems":3}`:                {Items: []*Action{{ID: "1"}}, TotalItems: 3},
		`{"totalItems":9,"items":null,"list":{"totalItems":3,"items":[{"id":"1"}]}}`: {Items: []*Action{{ID: "1"}}, TotalItems: 3},
	} {
		var p ActionPage
		require.NoError(t, json.Unmarshal([]byte(body), &p), body)
		assert.Equal(t, want, p, body)
	}
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
	for want, item := range map[string]QuestionnaireItem{
		`{"value":"x"}`:                ItemValue("x"),
		`{"value":""}`:                 ItemValue(""),
		`{"values":["x",""]}`:          ItemValues("x", ""),
		`{"values":[]}`:                ItemValues(),
		`{"value":null}`:               ItemNull(),
		`{"value":"a","values":["b"]}`: both,
	} {
		encoded, err := json.Marshal(item)
		require.NoError(t, err)
		assert.Equal(t, want, string(encoded))
		byPointer, err := json.Marshal(&item)
		require.NoError(t, err)
		assert.Equal(t, want, string(byPointer))
		var again QuestionnaireItem
		require.NoError(t, json.Unmarshal(encoded, &again))
		assert.Equal(t, item, again)
	}
}

func TestWebSDKLinkPrintsRedacted(t *testing.T) {
	t.Parallel()
	link := WebSDKLink{URL: "https://example.com/l/#/KEEP-THIS-SECRET"}
	var text, js bytes.Buffer
	for _, v := range []any{link, &link, []WebSDKLink{link}, map[string]WebSDKLink{"k": link}, struct{ Link WebSDKLink }{link}, struct{ Link *WebSDKLink }{&link}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%10.3s"} {
			assert.NotContains(t, fmt.Sprintf(verb, v), "SECRET", "%s of %T", verb, v)
		}
	}
	slog.New(slog.NewTextHandler(&text, nil)).Info("made", "link", link, "pointer", &link)
	slog.New(slog.NewJSONHandler(&js, nil)).Info("made", "link", link, "pointer", &link)
	assert.NotContains(t, text.String()+js.String(), "SECRET")
	for _, printed := range []string{fmt.Sprint(link), fmt.Sprintf("%#v", &link), link.String(), link.GoString(), link.LogValue().String()} {
		assert.Equal(t, redacted, printed)
	}
	encoded, err := json.Marshal(link)
	require.NoError(t, err)
	assert.JSONEq(t, `{"url":"https://example.com/l/#/KEEP-THIS-SECRET"}`, string(encoded))
}

func TestTime(t *testing.T) {
	t.Parallel()
	const noon = "2020-02-21 13:23:16"
	for in, want := range map[string]struct{ date, out string }{ // out "" means: as it came
		// The forms of the service.
		`"2020-02-21 13:23:16"`:          {noon, ``},
		`"2020-02-21 13:23:16+0000"`:     {noon, ``},
		`"2020-02-21 13:23:16.000"`:      {noon, ``},
		`"2020-02-21 13:23:16.098"`:      {noon + ".098", ``},
		`"2020-02-21 13:23:16.098+0000"`: {noon + ".098", ``},
		`"2020-02-21 13:23:16.000+0000"`: {noon, ``},
		`"0000-01-01 00:00:00"`:          {"0000-01-01 00:00:00", ``},
		`"9999-12-31 23:59:59.999"`:      {"9999-12-31 23:59:59.999", ``},
		`"2024-02-29 00:00:00"`:          {"2024-02-29 00:00:00", ``},
		`"2000-02-29 00:00:00"`:          {"2000-02-29 00:00:00", ``},
		// Others that are understood, in UTC.
		`"2020-02-21 13:23:16Z"`:                {noon, `"2020-02-21 13:23:16"`},
		`"2020-02-21 13:23:16+00:00"`:           {noon, `"2020-02-21 13:23:16"`},
		`"2020-02-21 13:23:16-0000"`:            {noon, `"2020-02-21 13:23:16"`},
		`"2020-02-21 13:23:16.5"`:               {noon + ".5", `"2020-02-21 13:23:16.500"`},
		`"2020-02-21 13:23:16.0"`:               {noon, `"2020-02-21 13:23:16.000"`},
		`"2020-02-21 13:23:16.123456789"`:       {noon + ".123456789", ``},
		`"2020-02-21 13:23:16.000000001"`:       {noon + ".000000001", ``},
		`"2020-02-21 13:23:16.1234560"`:         {noon + ".123456", `"2020-02-21 13:23:16.123456"`},
		`"2020-02-21T13:23:16Z"`:                {noon, `"2020-02-21 13:23:16"`},
		`"2020-02-21T13:23:16"`:                 {noon, `"2020-02-21 13:23:16"`},
		`"2020-02-21T13:23:16+0000"`:            {noon, `"2020-02-21 13:23:16"`},
		`"2020-02-21T13:23:16.098Z"`:            {noon + ".098", `"2020-02-21 13:23:16.098"`},
		`"2020-02-21T13:23:16.000Z"`:            {noon, `"2020-02-21 13:23:16.000"`},
		`"2020-02-21T19:23:16.098765432+06:00"`: {noon + ".098765432", `"2020-02-21 13:23:16.098765432"`},
		`"2020-02-20T23:53:16-13:30"`:           {noon, `"2020-02-21 13:23:16"`},
		`"2020-02-21 18:53:16+0530"`:            {noon, `"2020-02-21 13:23:16"`},
		`"2020\u002d02-21\t"`:                   {"", ``},
		`"2020\u002d02-21 13:23:16\u002b0000"`:  {noon, `"2020-02-21 13:23:16+0000"`},
		// No date.
		`null`: {"", `null`},
		`""`:   {"", `null`},
		// Not understood, kept.
		`" "`:                                {},
		`"2020-02-21"`:                       {},
		`"2020-02-21 13:23"`:                 {},
		`"2020-02-21 13:23:16 "`:             {},
		`" 2020-02-21 13:23:16"`:             {},
		`"2020-02-21 13:23:16 +0000"`:        {},
		`"2020-02-21 13:23:16."`:             {},
		`"2020-02-21 13:23:16,098"`:          {},
		`"2020-02-21 13:23:16.1234567890"`:   {},
		`"2020-02-21 13:23:16+00"`:           {},
		`"2020-02-21 13:23:16+2400"`:         {},
		`"2020-02-21 13:23:16+0060"`:         {},
		`"2020-02-21 13:23:16+00:0a"`:        {},
		`"2020-02-21 13:23:16 UTC"`:          {},
		`"2020-02-21t13:23:16z"`:             {},
		`"2020-02-21_13:23:16"`:              {},
		`"2020-02-21-13:23:16"`:              {},
		`"2020/02/21 13:23:16"`:              {},
		`"2020-00-21 13:23:16"`:              {},
		`"2020-13-21 13:23:16"`:              {},
		`"2020-02-00 13:23:16"`:              {},
		`"2020-02-30 13:23:16"`:              {},
		`"2023-02-29 13:23:16"`:              {},
		`"1900-02-29 13:23:16"`:              {},
		`"2020-04-31 13:23:16"`:              {},
		`"2020-02-21 24:00:00"`:              {},
		`"2020-02-21 13:60:16"`:              {},
		`"2020-02-21 13:23:60"`:              {},
		`"+020-02-21 13:23:16"`:              {},
		`"-020-02-21 13:23:16"`:              {},
		`"2020-02-21 1a:23:16"`:              {},
		`"0001-01-01 00:00:00"`:              {}, // or it would be taken for no date
		`"0001-01-01T01:00:00+01:00"`:        {},
		`"0000-01-01 00:00:00+0100"`:         {}, // a year below 0
		`"9999-12-31 23:59:59-0100"`:         {}, // a year above 9999
		`"21.02.2020 13:23:16"`:              {},
		`"Fri Feb 21 13:23:16 UTC 2020"`:     {},
		`"\ud83d\ude00 \"quoted\" \\"`:       {},
		`1582291396098`:                      {},
		`5e+0000`:                            {},
		`-1.5E3`:                             {},
		`true`:                               {},
		`false`:                              {},
		`[]`:                                 {},
		`[2020,2,21,13,23,16]`:               {},
		`{"seconds":1582291396,"nanos":98}`:  {},
		`"2020-02-21 13:23:16+0000+0000"`:    {},
		`"2020-02-21 13:23:16.098.098"`:      {},
		`"2020-02-21 13:23:16Z "`:            {},
		`"2020-02-21T13:23:16.098+06:00:00"`: {},
		`".000"`:                             {},
		`"+0000"`:                            {},
		`"null"`:                             {},
		`"2020-02-21 13:23:16.098+00000"`:    {},
		`"२०२०-०२-२१ १३:२३:१६"`: {},
	} {
		var got Time
		require.NoError(t, json.Unmarshal([]byte(in), &got), in)
		out := want.out
		if out == "" {
			out = in
		}
		if want.date != "" {
			date, err := time.Parse(time.DateTime, want.date)
			require.NoError(t, err)
			assert.Equal(t, date, got.Time, in)
			assert.Equal(t, time.UTC, got.Location())
			assert.Equal(t, date.String(), got.String())
		} else {
			assert.True(t, got.Time.IsZero(), in)
		}
		assert.Equal(t, out == "null", got.IsZero(), in)

		direct, err := got.MarshalJSON()
		require.NoError(t, err)
		assert.Equal(t, out, string(direct), in)
		encoded, err := json.Marshal(struct{ T *Time }{&got})
		require.NoError(t, err)
		assert.JSONEq(t, `{"T":`+out+`}`, string(encoded), in)

		var again Time
		require.NoError(t, json.Unmarshal(direct, &again))
		assert.Equal(t, got, again, in)

		// Inside an action, where a date that is not there is left out.
		var a Action
		require.NoError(t, json.Unmarshal([]byte(`{"createdAt":`+in+`,"id":"1"}`), &a), in)
		assert.Equal(t, Action{ID: "1", CreatedAt: got}, a)
		encoded, err = json.Marshal(a)
		require.NoError(t, err)
		if out == "null" {
			assert.JSONEq(t, `{"id":"1"}`, string(encoded), in)
		} else {
			assert.JSONEq(t, `{"createdAt":`+out+`,"id":"1"}`, string(encoded), in)
		}

		// As text, and in the other encodings that time.Time has.
		text, err := got.MarshalText()
		require.NoError(t, err)
		if out[0] == '"' {
			var unquoted string
			require.NoError(t, json.Unmarshal([]byte(out), &unquoted))
			assert.Equal(t, unquoted, string(text))
			require.NoError(t, again.UnmarshalText(text))
			assert.Equal(t, got.Time, again.Time, in)
			assert.Equal(t, got.String(), again.String(), in)
		}
		if got.Time.IsZero() && out != "null" {
			assert.Equal(t, string(text), got.String())
		}
		var buf bytes.Buffer
		require.NoError(t, gob.NewEncoder(&buf).Encode(a))
		var b Action
		require.NoError(t, gob.NewDecoder(&buf).Decode(&b))
		assert.Equal(t, a, b, in)
		binary, err := got.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, again.UnmarshalBinary(binary))
		assert.Equal(t, got, again, in)
		appended, err := got.AppendBinary([]byte("x"))
		require.NoError(t, err)
		assert.Equal(t, "x"+string(binary), string(appended))
	}
}

func TestTimeOfCaller(t *testing.T) {
	t.Parallel()
	almaty := time.FixedZone("Asia/Almaty", 5*60*60)
	for want, at := range map[string]Time{
		`null`:                            {},
		`"2020-02-21 08:23:16"`:           {Time: time.Date(2020, 2, 21, 13, 23, 16, 0, almaty)},
		`"2020-02-21 08:23:16.120"`:       {Time: time.Date(2020, 2, 21, 13, 23, 16, 120e6, almaty)},
		`"2020-02-21 08:23:16.000000001"`: {Time: time.Date(2020, 2, 21, 13, 23, 16, 1, almaty)},
		`"2020-02-21 08:23:17"`:           {Time: time.Date(2020, 2, 21, 13, 23, 17, 0, almaty), form: `"set after a text was kept"`},
		`"2020-02-21 08:23:17+0000"`:      {Time: time.Date(2020, 2, 21, 13, 23, 17, 0, almaty), form: formZone},
	} {
		encoded, err := json.Marshal(at)
		require.NoError(t, err)
		assert.Equal(t, want, string(encoded))
		assert.Equal(t, at.Time.IsZero(), at.IsZero())
		var again Time
		require.NoError(t, json.Unmarshal(encoded, &again))
		assert.True(t, at.Equal(again.Time))
	}
	for _, year := range []int{-1, 10000} {
		at := Time{Time: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}
		_, err := json.Marshal(at)
		require.Error(t, err)
		_, err = at.MarshalText()
		require.Error(t, err)
	}
	assert.Equal(t, Time{Time: time.Unix(0, 0).UTC()}, at("1970-01-01 00:00:00", formPlain))
	byTime := map[Time]bool{at("1970-01-01 00:00:00", formZone): true} // comparable, as time.Time is
	assert.True(t, byTime[at("1970-01-01 00:00:00", formZone)])
}

func TestTimeNotJSON(t *testing.T) {
	t.Parallel()
	for _, in := range []string{``, ` `, `x`, `"`, `"x`, `"\x"`, `1 2`, `{`, `2020-02-21 13:23:16`} {
		got := at("1970-01-01 00:00:00", formZone)
		assert.Error(t, got.UnmarshalJSON([]byte(in)), in)
		assert.Zero(t, got, in)
	}
	var got Time
	require.NoError(t, got.UnmarshalJSON([]byte(" \t\r\n\"2020-02-21 13:23:16+0000\" ")))
	assert.Equal(t, at("2020-02-21 13:23:16", formZone), got)
	require.NoError(t, got.UnmarshalText(nil))
	assert.Zero(t, got)
	require.NoError(t, got.UnmarshalText([]byte("yesterday")))
	assert.Equal(t, Time{form: `"yesterday"`}, got)
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
	for in, want := range map[string]ImageID{
		`1411431805`:           "1411431805",
		`"1411431805"`:         "1411431805",
		`1.411431805e9`:        "1411431805",
		`14114318050E-1`:       "1411431805",
		`1411431805.000`:       "1411431805",
		`0.1411431805E+10`:     "1411431805",
		`12345678901234567890`: "12345678901234567890",
		`1e18`:                 "1000000000000000000",
		`0`:                    "0",
		`0.0`:                  "0",
		`-0.0e5`:               "0",
		`-1.50e1`:              "-15",
		`null`:                 "",
		`""`:                   "",
		`"a/b \u00e9\n"`:       "a/b é\n",
		`"é"`:                  "é",
		`"1e3"`:                "1e3", // a text is a text
		// What is no id is kept as it came.
		`1.5`:                           "1.5",
		`1e-1`:                          "1e-1",
		`1e400`:                         "1e400",
		`1e999999999`:                   "1e999999999",
		`1e-99999999999999999999`:       "1e-99999999999999999999",
		`1.` + strings.Repeat("0", 100): ImageID(`1.` + strings.Repeat("0", 100)),
		`true`:                          "true",
		`{"id":1.0}`:                    `{"id":1.0}`,
		`["1"]`:                         `["1"]`,
		`123456789012345678901234567890123456789012345678901234567890123456789`: "123456789012345678901234567890123456789012345678901234567890123456789",
	} {
		id := ImageID("before")
		require.NoError(t, json.Unmarshal([]byte(in), &id), in)
		assert.Equal(t, want, id, in)
		encoded, err := json.Marshal(id)
		require.NoError(t, err)
		assert.Equal(t, byte('"'), encoded[0])
		require.NoError(t, json.Unmarshal(encoded, &id))
		assert.Equal(t, want, id, in)
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
	for in, want := range map[string]bool{
		`true`: true, `"true"`: true, `"TRUE"`: true, `1`: true,
		`false`: false, `"false"`: false, `""`: false, `null`: false, `0`: false, `"maybe"`: false, `{}`: false, `[true]`: false,
	} {
		var e WebhookEvent
		require.NoError(t, json.Unmarshal([]byte(`{"type":"x","sandboxMode":`+in+`}`), &e), in)
		assert.Equal(t, WebhookEvent{Type: "x", SandboxMode: want}, e, in)
	}
}

// knownValues are the values that the specification and the notes on the API
// list, independently of models.go.
var knownValues = map[string]string{
	"ReviewStatus": "init pending prechecked queued completed onHold awaitingService awaitingUser",
	"ReviewAnswer": "GREEN YELLOW RED ERROR IGNORED UNKNOWN",
	"RejectType":   "FINAL RETRY",
	"RejectLabel": `FORGERY CRIMINAL DOCUMENT_TEMPLATE LOW_QUALITY SPAM NOT_DOCUMENT SELFIE_MISMATCH ID_INVALID DOCUMENT_DEPRIVED FOREIGNER DUPLICATE
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
	"CheckType": `FACE_LIVELINESS FACE_MATCH EMAIL_CONFIRMATION PHONE_CONFIRMATION PAYMENT_METHOD PAYMENT_SOURCE CROSS_VALIDATION SIMILAR_SEARCH
		TIN IP_CHECK`,
	"ActionType": "selfieAuth paymentMethod faceAuth cryptoTransaction",
	"IDDocType": `PASSPORT DRIVERS ID_CARD RESIDENCE_PERMIT UTILITY_BILL SELFIE PROFILE_IMAGE VEHICLE_REGISTRATION_CERTIFICATE WORK_PATENT
		MIGRATION_CARD VIDEO_SELFIE ID_DOC_PHOTO AGREEMENT CONTRACT DRIVERS_TRANSLATION INVESTOR_DOC INCOME_SOURCE PAYMENT_METHOD PAYMENT_SOURCE
		BANK_CARD BANK_STATEMENT COVID_VACCINATION_FORM COMPANY_DOC POWER_OF_ATTORNEY TAX_RETURN RENTAL_AGREEMENT OTHER`,
	"IDDocSubType": "FRONT_SIDE BACK_SIDE",
	"WebhookType": `applicantActionPending applicantActionReviewed applicantActionOnHold applicantActionLevelChanged applicantCreated
		applicantPending applicantReviewed applicantOnHold applicantPrechecked applicantReset applicantDeleted applicantLevelChanged
		applicantPersonalInfoChanged applicantTagsChanged applicantActivated applicantDeactivated applicantWorkflowCompleted`,
}

var known = map[string]func(string) bool{
	"ReviewStatus": func(s string) bool { return ReviewStatus(s).Known() },
	"ReviewAnswer": func(s string) bool { return ReviewAnswer(s).Known() },
	"RejectType":   func(s string) bool { return RejectType(s).Known() },
	"RejectLabel":  func(s string) bool { return RejectLabel(s).Known() },
	"CheckType":    func(s string) bool { return CheckType(s).Known() },
	"ActionType":   func(s string) bool { return ActionType(s).Known() },
	"IDDocType":    func(s string) bool { return IDDocType(s).Known() },
	"IDDocSubType": func(s string) bool { return IDDocSubType(s).Known() },
	"WebhookType":  func(s string) bool { return WebhookType(s).Known() },
}

// The constants are the known values, no more and no fewer, and are named
// after them.
func TestKnownValues(t *testing.T) {
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
			assert.Equal(t, typ.Name+constName(text), value.Names[0].Name)
		}
	}
	assert.Len(t, constants, len(knownValues))
	for name, values := range knownValues {
		want := strings.Fields(values)
		assert.ElementsMatch(t, want, constants[name], name)
		for _, value := range want {
			assert.True(t, known[name](value), "%s %s", name, value)
			assert.False(t, known[name](value+" "), value)
			assert.False(t, known[name](strings.ToLower(value[:1])+strings.ToUpper(value[1:])), value)
		}
		for _, value := range []string{"", "null", "completedSent", "OF_TOMORROW"} {
			assert.False(t, known[name](value), "%s %q", name, value)
		}
	}
	assert.Len(t, constants["RejectLabel"], 102)
}

func constName(value string) string {
	if strings.ToUpper(value) != value {
		return strings.ToUpper(value[:1]) + value[1:]
	}
	var name strings.Builder
	for word := range strings.SplitSeq(value, "_") {
		if word != "ID" {
			word = word[:1] + strings.ToLower(word[1:])
		}
		name.WriteString(word)
	}
	return name.String()
}

// timeForms are the forms of dates in the specification and in real payloads,
// those of other people's, and some that nobody sends. They are in
// testdata/fuzz/FuzzTime; IDNGO_UPDATE_CORPUS=1 writes them there.
var timeForms = map[string]string{
	"plain": `"2020-02-21 13:23:16"`, "zone": `"2020-02-21 13:23:16+0000"`, "millis": `"2020-02-21 13:23:16.098"`,
	"zero-millis": `"2020-02-21 13:23:16.000"`, "millis-zone": `"2020-02-21 13:23:16.098+0000"`, "rfc3339": `"2020-02-21T13:23:16Z"`,
	"rfc3339-nanos": `"2020-02-21T13:23:16.098765432+06:00"`, "iso-millis": `"2020-02-21T13:23:16.098Z"`, "epoch-millis": `1582291396098`,
	"epoch-exponent": `1.582291396098e12`, "null": `null`, "empty": `""`, "date-only": `"1990-01-31"`, "year-10000": `"9999-12-31 23:59:59-0100"`,
	"year-1": `"0001-01-01 00:00:00"`, "no-such-day": `"2023-02-29 00:00:00"`, "escaped": `"\u0032020-02-21 13:23:16"`,
	"object": `{"a":[" <&>"]}`, "html": `"<&>\u2028"`, "exponent": `5e+0000`, "spaces": ` "2020-02-21 13:23:16" `, "not-json": `"2020`, "not-utf8": "\"\xff\"",
}

func TestTimeCorpus(t *testing.T) {
	corpus := map[string]string{}
	for name, form := range timeForms {
		corpus["FuzzTime/"+name] = fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", form)
	}
	checkCorpus(t, corpus)
}

// FuzzTime: every JSON value decodes, what is understood is what the standard
// library understands, and what was encoded decodes to the same.
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
		require.Equal(t, first.Time, second.Time)
		require.Equal(t, first.IsZero(), second.IsZero())

		text, err := first.MarshalText()
		require.NoError(t, err)
		require.NoError(t, second.UnmarshalText(text))
		if first.form == "" || first.form[0] == '"' { // other JSON comes back as a text
			require.Equal(t, first.Time, second.Time)
			require.Equal(t, first.IsZero(), second.IsZero())
		}
	})
}

// FuzzImageID: every JSON value decodes, a whole number without exponent and
// decimals, and what was encoded decodes to the same.
func FuzzImageID(f *testing.F) {
	for _, seed := range []string{
		`1411431805`, `"1411431805"`, `1.411431805e9`, `1e400`, `1.50`, `-0.0`, `100e-2`, `null`, `""`, `"\ud800"`, `{"a":1}`, `1e64`, ` 7.0 `, "\"\xff\"", "[\"\xff\"]",
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

// FuzzModels: nothing panics, and what was decoded encodes to what decodes and
// encodes to the same.
func FuzzModels(f *testing.F) {
	for _, data := range modelFiles(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, model := range []any{Action{}, ActionPage{}, Image{}, WebhookEvent{}, WebSDKLink{}, []Questionnaire{}} {
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
			if errors.As(err, &infinite) { // from Go 1.27 on, 1e999 is one
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
