package idngo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jarcoal/httpmock"

	"github.com/idngo-go/idngo"
)

func Example() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName:        "action-liveness",
		ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie,
		Country:   "KAZ",
		Image:     idngo.ImageBytes("selfie.jpg", []byte("a picture")),
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.SubmitAction(ctx, action.ID); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	action, err = client.WaitForReview(ctx, action.ID, idngo.WaitParams{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(action.Review.ReviewResult.ReviewAnswer, action.Approved())
	// Output: GREEN true
}

func ExampleNewClient() {
	client, err := idngo.NewClient(
		idngo.Credentials{AppToken: "sbx:token", SecretKey: "secret"},
		idngo.WithUserAgent("acme-bank/2.1"),
		idngo.WithTimeout(10*time.Second),
	)
	fmt.Println(client, err)

	_, err = idngo.NewClient(idngo.Credentials{AppToken: "sbx:token\n", SecretKey: "secret"})
	fmt.Println(err)
	// Output:
	// idngo.Client{https://api.idngo.kz} <nil>
	// idngo: NewClient: invalid argument: AppToken has spaces or line breaks around it
}

func ExampleNewClientFromEnv() {
	_ = os.Setenv("IDNGO_APP_TOKEN", "sbx:token")
	_ = os.Unsetenv("IDNGO_SECRET_KEY")
	_, err := idngo.NewClientFromEnv()
	fmt.Println(err)
	// Output: idngo: NewClientFromEnv: invalid argument: IDNGO_SECRET_KEY is empty
}

func ExampleClient_CreateAction() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.CreateAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName:        "action-liveness",
		ExternalActionID: "payout-815",
		Email:            "example@email.com",
		Phone:            "+49 123456789",
	})
	if errors.Is(err, idngo.ErrOutcomeUnknown) {
		log.Fatal("the action may exist: call FindAction before you create it again")
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(action.ExternalActionID, action.Review.ReviewStatus)
	// Output: payout-815 init
}

func ExampleClient_CreateAction_questionnaire() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.CreateAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName:        "questionnaire-level",
		ExternalActionID: "survey-1",
		Questionnaires: []idngo.Questionnaire{{
			ID: "Example_Questionnaire",
			Sections: map[string]idngo.QuestionnaireSection{
				"money": {Items: map[string]idngo.QuestionnaireItem{
					"currencies": idngo.ItemValues("EUR", "USD"),
					"purpose":    idngo.ItemValue("savings"),
					"employer":   idngo.ItemNull(),
				}},
			},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	items := action.Questionnaires[0].Sections["money"].Items
	fmt.Println(items["currencies"].Values, *items["purpose"].Value, items["employer"].Value == nil)
	// Output: [EUR USD] savings true
}

func ExampleClient_EnsureAction() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	params := idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	}
	first, err := client.EnsureAction(ctx, "applicant-1", params)
	if err != nil {
		log.Fatal(err)
	}
	// The same call again, as after a crash: there is still one action.
	second, err := client.EnsureAction(ctx, "applicant-1", params)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(first.ID == second.ID, len(service.Actions("applicant-1")))
	// Output: true 1
}

func ExampleClient_GetAction() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	created, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.GetAction(ctx, created.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(action.Type, len(action.Images), action.Completed())

	_, err = client.GetAction(ctx, "5e022e0f0a975a45325c7ff5")
	fmt.Println(errors.Is(err, idngo.ErrNotFound))
	// Output:
	// selfieAuth 0 false
	// true
}

func ExampleClient_FindAction() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	created, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.FindAction(ctx, "applicant-1", "payout-815")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(action.ID == created.ID)

	_, err = client.FindAction(ctx, "applicant-1", "payout-816")
	fmt.Println(errors.Is(err, idngo.ErrNotFound))
	// Output:
	// true
	// true
}

func ExampleClient_ListActions() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	for _, externalID := range []string{"payout-815", "payout-816", "payout-817"} {
		_, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
			LevelName: "action-liveness", ExternalActionID: externalID,
		})
		if err != nil {
			log.Fatal(err)
		}
	}

	page, err := client.ListActions(ctx, "applicant-1", idngo.ListActionsParams{Limit: 2})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.Items), page.TotalItems)
	// Output: 2 3
}

func ExampleClient_AllActions() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	_, err = client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	for action, err := range client.AllActions(ctx, "applicant-1", idngo.ListActionsParams{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(action.ExternalActionID, action.Review.ReviewStatus)
	}
	// Output: payout-815 init
}

func ExampleClient_SubmitAction() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie,
		Country:   "KAZ",
		Image:     idngo.ImageBytes("selfie.jpg", []byte("a picture")),
	})
	if err != nil {
		log.Fatal(err)
	}
	submitted, err := client.SubmitAction(ctx, action.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(submitted.ID == action.ID, submitted.Review.ReviewStatus)
	// Output: true pending
}

func ExampleClient_WaitForReview() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie,
		Country:   "KAZ",
		Image:     idngo.ImageBytes("selfie.jpg", []byte("a picture")),
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.SubmitAction(ctx, action.ID); err != nil {
		log.Fatal(err)
	}

	// Give it a deadline: in the vendor's sandbox no review completes by itself.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	action, err = client.WaitForReview(ctx, action.ID, idngo.WaitParams{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(action.Review.ReviewStatus, action.Approved())
	for _, check := range action.Checks {
		fmt.Println(check.CheckType, check.Answer)
	}
	// Output:
	// completed true
	// FACE_LIVELINESS GREEN
	// FACE_MATCH GREEN
}

func ExampleClient_ConfirmAction() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	created, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}

	// An app reports that this action is GREEN.
	action, err := client.ConfirmAction(ctx, created.ID, idngo.ActionExpectation{
		ApplicantID:      "applicant-1",
		ExternalActionID: "payout-815",
		LevelName:        "action-liveness",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("approved:", action.Approved())

	want := idngo.ActionExpectation{ApplicantID: "another"}
	_, err = client.ConfirmAction(ctx, created.ID, want)
	fmt.Println(err)
	// Output:
	// approved: false
	// idngo: ConfirmAction: action mismatch: the applicantId differs
}

func ExampleClient_RequireApproved() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{ManualReview: true})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}
	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}

	// An app or a webhook reports that this action is GREEN.
	want := idngo.ActionExpectation{
		ApplicantID: "applicant-1", ExternalActionID: "payout-815", LevelName: "action-liveness",
	}
	action, err = client.RequireApproved(ctx, action.ID, want)
	fmt.Println(errors.Is(err, idngo.ErrNotApproved), action.Review.ReviewStatus)
	fmt.Println(err)

	green := idngo.ReviewResult{ReviewAnswer: idngo.ReviewAnswerGreen}
	if err := service.Review(action.ID, green); err != nil {
		log.Fatal(err)
	}
	if _, err := client.RequireApproved(ctx, action.ID, want); err == nil {
		fmt.Println("pay out")
	}
	// Output:
	// true init
	// idngo: RequireApproved: not approved: the review is not completed
	// pay out
}

func ExampleClient_CheckCredentials() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	server := httptest.NewServer(service)
	defer server.Close()

	right := service.Credentials()
	wrong := idngo.Credentials{AppToken: right.AppToken, SecretKey: "the key of another token"}
	for _, credentials := range []idngo.Credentials{right, wrong} {
		client, err := idngo.NewClient(credentials, idngo.WithBaseURL(server.URL))
		if err != nil {
			log.Fatal(err)
		}
		err = client.CheckCredentials(ctx)
		fmt.Println(err == nil, errors.Is(err, idngo.ErrSignatureMismatch))
	}
	// Output:
	// true false
	// false true
}

func ExampleClient_FindApplicant() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{KnownOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	known := idngo.Applicant{ID: "63e096c51b6b4030f2e01154", ExternalUserID: "user-4711"}
	if err := service.AddApplicant(known); err != nil {
		log.Fatal(err)
	}
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	applicant, err := client.FindApplicant(ctx, "user-4711") // your own id of the user
	fmt.Println(applicant.ID, applicant.Approved(), err)
	_, err = client.FindApplicant(ctx, "user-4712")
	fmt.Println(errors.Is(err, idngo.ErrNotFound))
	// Output:
	// 63e096c51b6b4030f2e01154 true <nil>
	// true
}

func ExampleClient_GetApplicant() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	onHold := idngo.Applicant{ID: "applicant-2", Review: idngo.Review{
		ReviewStatus: idngo.ReviewStatusOnHold,
		ReviewResult: idngo.ReviewResult{ReviewAnswer: idngo.ReviewAnswerGreen},
	}}
	if err := service.AddApplicant(onHold); err != nil {
		log.Fatal(err)
	}
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	// The status counts before the answer: a review on hold is not completed.
	for _, id := range []string{"applicant-1", "applicant-2"} {
		applicant, err := client.GetApplicant(ctx, id)
		if err != nil {
			log.Fatal(err)
		}
		answer := applicant.Review.ReviewResult.ReviewAnswer
		fmt.Println(answer, applicant.Completed(), applicant.Approved())
	}
	// Output:
	// GREEN true true
	// GREEN false false
}

func ExampleClient_CreateWebSDKLink() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	link, err := client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{
		LevelName:        "action-liveness",
		ExternalUserID:   "user-4711",
		ExternalActionID: "payout-815",
		Locale:           "kk",
		TTL:              time.Hour,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Contains(link.URL, "/idensic/l/#/"))
	fmt.Println(link) // whoever has the link can use it: it prints redacted
	// Output:
	// true
	// [redacted]
}

func ExampleClient_CreateAccessToken() {
	ctx := context.Background()
	now := func() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{Clock: now})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client(idngo.WithClock(now))
	if err != nil {
		log.Fatal(err)
	}

	token, err := client.CreateAccessToken(ctx, idngo.AccessTokenParams{
		UserID:           "user-4711",
		ExternalActionID: "payout-815",
		LevelName:        "action-liveness",
		TTL:              20 * time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.UserID, token.ExternalActionID, token.ExpiresAt.Format(time.TimeOnly))
	// Output: user-4711 payout-815 10:20:00
}

func ExampleClient_AddImage() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	image, err := client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie,
		Country:   "KAZ",
		Image:     idngo.ImageBytes("selfie.jpg", []byte("a picture")),
		Progress:  func(p idngo.UploadProgress) { fmt.Println(p.Sent, "of", p.Total) },
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(image.ImageFileName, image.FileSize)
	// Output:
	// 0 of 9
	// 9 of 9
	// selfie.jpg 9
}

func ExampleImageFile() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	directory, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(directory)
	path := filepath.Join(directory, "selfie.jpg")
	if err := os.WriteFile(path, []byte("a picture"), 0o600); err != nil {
		log.Fatal(err)
	}

	image, err := client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie,
		Country:   "KAZ",
		Image:     idngo.ImageFile(path),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(image.ImageFileName, image.FileSize)
	// Output: selfie.jpg 9
}

func ExampleImageBytes() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	image, err := client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie,
		Country:   "KAZ",
		Image:     idngo.ImageBytes("selfie.png", []byte("a picture")),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(image.ImageFileName, image.FileSize)
	// Output: selfie.png 9
}

func ExampleImageReaderAt() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	stored := strings.NewReader("header, picture") // a file, a memory map, a blob
	image, err := client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie,
		Country:   "KAZ",
		Image:     idngo.ImageReaderAt("part.jpg", io.NewSectionReader(stored, 8, 7), 7),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(image.ImageFileName, image.FileSize)
	// Output: part.jpg 7
}

func ExampleImageReader() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	upload := strings.NewReader("a picture") // the Body of an http.Request
	image, err := client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie,
		Country:   "KAZ",
		Image:     idngo.ImageReader("selfie.jpg", upload),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(image.ImageFileName, image.FileSize)
	// Output: selfie.jpg 9
}

func ExampleClient_OpenImage() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	image, err := client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie,
		Country:   "KAZ",
		Image:     idngo.ImageBytes("selfie.jpg", []byte("a picture")),
	})
	if err != nil {
		log.Fatal(err)
	}

	params := idngo.ImageParams{Preview: true}
	content, err := client.OpenImage(ctx, action.ID, image.ImageID, params)
	if err != nil {
		log.Fatal(err)
	}
	defer content.Close()
	data, err := io.ReadAll(content)
	fmt.Println(string(data), content.Size, err)
	// Output: a picture 9 <nil>
}

func ExampleClient_DownloadImage() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	image, err := client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie,
		Country:   "KAZ",
		Image:     idngo.ImageBytes("selfie.jpg", []byte("a picture")),
	})
	if err != nil {
		log.Fatal(err)
	}

	var file bytes.Buffer // more often an *os.File
	size, err := client.DownloadImage(ctx, action.ID, image.ImageID, &file, idngo.ImageParams{})
	fmt.Println(size, file.String(), err)
	// Output: 9 a picture <nil>
}

func ExampleClient_Do() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	// Do calls any endpoint of the vendor. This one has a method of its own, GetAction.
	var answer struct {
		Review struct {
			LevelName string `json:"levelName"`
		} `json:"review"`
	}
	path := "/resources/applicantActions/" + url.PathEscape(action.ID) + "/one"
	err = client.Do(ctx, http.MethodGet, path, nil, nil, &answer)
	fmt.Println(answer.Review.LevelName, err)
	// Output: action-liveness <nil>
}

func ExampleOperationFromContext() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	server := httptest.NewServer(service)
	defer server.Close()

	// A transport that prints each request, and then sends it.
	transport := httpmock.NewMockTransport()
	transport.RegisterNoResponder(func(request *http.Request) (*http.Response, error) {
		fmt.Println(request.Method, idngo.OperationFromContext(request.Context()))
		return http.DefaultTransport.RoundTrip(request)
	})
	client, err := service.Client(
		idngo.WithBaseURL(server.URL),
		idngo.WithHTTPClient(&http.Client{Transport: transport}),
	)
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// GET ListActions
	// POST CreateAction
}

func ExampleWithBaseURL() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	server := httptest.NewServer(service)
	defer server.Close()

	client, err := idngo.NewClient(service.Credentials(), idngo.WithBaseURL(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	applicant, err := client.GetApplicant(ctx, "applicant-1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(applicant.ID)

	_, err = idngo.NewClient(service.Credentials(), idngo.WithBaseURL("http://api.idngo.kz"))
	fmt.Println(err)
	// Output:
	// applicant-1
	// idngo: NewClient: invalid argument: base URL is http: off loopback it must be https
}

func ExampleWithHTTPClient() {
	ctx := context.Background()
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(
		http.MethodGet,
		"https://api.idngo.kz/resources/applicantActions/a1/one",
		httpmock.NewStringResponder(http.StatusOK, `{"id": "a1", "review":
			{"reviewStatus": "completed", "reviewResult": {"reviewAnswer": "RED"}}}`),
	)
	client, err := idngo.NewClient(
		idngo.Credentials{AppToken: "sbx:token", SecretKey: "secret"},
		idngo.WithHTTPClient(&http.Client{Transport: mock}),
	)
	if err != nil {
		log.Fatal(err)
	}
	action, err := client.GetAction(ctx, "a1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(action.Completed(), action.Approved())
	// Output: true false
}

func ExampleWithUserAgent() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	show := func(w http.ResponseWriter, request *http.Request) {
		fmt.Println(request.UserAgent())
		service.ServeHTTP(w, request)
	}
	server := httptest.NewServer(http.HandlerFunc(show))
	defer server.Close()

	client, err := service.Client(
		idngo.WithBaseURL(server.URL),
		idngo.WithUserAgent("acme-bank/2.1"),
	)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.GetApplicant(ctx, "applicant-1"); err != nil {
		log.Fatal(err)
	}
	// Output: acme-bank/2.1 idngo-go/0.1.0
}

func ExampleWithTimeout() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{Faults: "slow:1m@GetApplicant#1"})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client(
		idngo.WithTimeout(10*time.Millisecond),
		idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: 1}),
	)
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.GetApplicant(ctx, "applicant-1")
	fmt.Println(err)
	// Output: idngo: GetApplicant: no answer in 10ms
}

func ExampleWithRetryPolicy() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client(idngo.WithRetryPolicy(idngo.RetryPolicy{
		MaxAttempts: 2,
		MinDelay:    time.Millisecond,
	}))
	if err != nil {
		log.Fatal(err)
	}

	// A proxy answers once, and then twice, with an HTML page.
	for _, faults := range []string{"html@GetApplicant#1", "html@GetApplicant#2"} {
		if err := service.SetFaults(faults); err != nil {
			log.Fatal(err)
		}
		_, err = client.GetApplicant(ctx, "applicant-1")
		fmt.Println(service.Calls("GetApplicant"), err)
	}
	// Output:
	// 2 <nil>
	// 4 idngo: GetApplicant: 502 Bad Gateway (text/html, most likely from a proxy or gateway) (2 attempts)
}

func ExampleWithRateLimiter() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	// golang.org/x/time/rate.NewLimiter(10, 50) fits too.
	client, err := service.Client(idngo.WithRateLimiter(limiter{}))
	if err != nil {
		log.Fatal(err)
	}
	applicant, err := client.GetApplicant(ctx, "applicant-1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(applicant.ID)
	// Output:
	// waiting
	// applicant-1
}

// limiter is a RateLimiter that never waits.
type limiter struct{}

func (limiter) Wait(ctx context.Context) error {
	fmt.Println("waiting")
	return ctx.Err()
}

func ExampleWithLogger() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
			if attr.Key == slog.TimeKey || attr.Key == "duration" {
				return slog.Attr{} // for the example: they differ from run to run
			}
			return attr
		},
	}))
	client, err := service.Client(idngo.WithLogger(logger))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.GetApplicant(ctx, "applicant-1"); err != nil {
		log.Fatal(err)
	}
	// Output: level=INFO msg="idngo: attempt" operation=GetApplicant attempt=1 status=200 final=true
}

func ExampleWithClock() {
	ctx := context.Background()
	now := func() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{Clock: now})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client(idngo.WithClock(now))
	if err != nil {
		log.Fatal(err)
	}
	token, err := client.CreateAccessToken(ctx, idngo.AccessTokenParams{
		UserID: "user-4711", LevelName: "action-liveness",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.ExpiresAt)
	// Output: 2026-11-22 10:10:00 +0000 UTC
}

func ExampleWithResponse() {
	ctx := context.Background()
	answer := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Trace", "t1")
		_, _ = io.WriteString(w, `{"id":"a1","somethingNew":true}`)
	}
	server := httptest.NewServer(http.HandlerFunc(answer))
	defer server.Close()
	credentials := idngo.Credentials{AppToken: "sbx:token", SecretKey: "secret"}
	client, err := idngo.NewClient(credentials, idngo.WithBaseURL(server.URL))
	if err != nil {
		log.Fatal(err)
	}

	var response idngo.Response
	_, err = client.GetAction(ctx, "a1", idngo.WithResponse(&response))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.StatusCode, response.Attempts, response.Header.Get("X-Trace"))
	fmt.Println(string(response.Body)) // with a field that Action does not have
	// Output:
	// 200 1 t1
	// {"id":"a1","somethingNew":true}
}

func ExampleWithHeader() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	_, err = client.GetApplicant(ctx, "applicant-1", idngo.WithHeader("X-Request-Id", "42"))
	fmt.Println(err)
	_, err = client.GetApplicant(ctx, "applicant-1", idngo.WithHeader("X-App-Token", "other"))
	fmt.Println(err)
	// Output:
	// <nil>
	// idngo: GetApplicant: invalid argument: header is one that the client sets itself
}

func ExampleWithIdempotent() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	quick := idngo.RetryPolicy{MinDelay: time.Millisecond}
	client, err := service.Client(idngo.WithRetryPolicy(quick))
	if err != nil {
		log.Fatal(err)
	}
	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	// Submitting twice is harmless to this caller.
	for _, faults := range []string{"html@SubmitAction#2", "html@SubmitAction#3"} {
		if err := service.SetFaults(faults); err != nil {
			log.Fatal(err)
		}
		_, err = client.SubmitAction(ctx, action.ID, idngo.WithIdempotent())
		fmt.Println(err, errors.Is(err, idngo.ErrOutcomeUnknown))
	}
	// Output:
	// <nil> false
	// idngo: SubmitAction: outcome unknown: 502 Bad Gateway (text/html, most likely from a proxy or gateway) (3 attempts) true
}

func ExampleAPIError() {
	ctx := context.Background()
	refuse := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{
			"code": 409,
			"description": "Applicant is finally rejected",
			"errorCode": 1009,
			"errorName": "applicant-with-final-reject",
			"correlationId": "req-8fbf5a81"
		}`)
	}
	server := httptest.NewServer(http.HandlerFunc(refuse))
	defer server.Close()
	credentials := idngo.Credentials{AppToken: "sbx:token", SecretKey: "secret"}
	client, err := idngo.NewClient(credentials, idngo.WithBaseURL(server.URL))
	if err != nil {
		log.Fatal(err)
	}

	_, err = client.SubmitAction(ctx, "5dc2d80ce3cc9b1c1e389c4c")
	var apiError *idngo.APIError
	if errors.As(err, &apiError) {
		fmt.Println(apiError.StatusCode, apiError.Code == idngo.CodeApplicantRejected)
		fmt.Println(apiError.CorrelationID) // the vendor's support asks for it
	}
	fmt.Println(errors.Is(err, idngo.ErrConflict))
	fmt.Println(err)
	// Output:
	// 409 true
	// req-8fbf5a81
	// true
	// idngo: SubmitAction: 409 Conflict, code 1009 applicant-with-final-reject: Applicant is finally rejected, correlation id req-8fbf5a81
}

func ExampleSecret() {
	creds := idngo.Credentials{AppToken: "sbx:token", SecretKey: "secret"}
	fmt.Printf("%v %+v\n", creds, creds)
	fmt.Println(string(creds.AppToken))
	// Output:
	// {[redacted] [redacted]} {AppToken:[redacted] SecretKey:[redacted]}
	// sbx:token
}

func ExampleNewSigner() {
	_, err := idngo.NewSigner(idngo.Credentials{AppToken: "sbx:token"})
	fmt.Println(err)
	// Output: idngo: NewSigner: invalid argument: SecretKey is empty
}

func ExampleSigner_Sign() {
	ctx := context.Background()
	signer, err := idngo.NewSigner(idngo.Credentials{
		AppToken: "sbx:token", SecretKey: "example-secret",
	})
	if err != nil {
		log.Fatal(err)
	}
	const address = "https://api.idngo.kz/resources/applicantActions/5e022e0f0a975a45325c7ff5/one"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		log.Fatal(err)
	}
	err = signer.Sign(req, time.Unix(1700000000, 0))
	fmt.Println(req.Header.Get("X-App-Access-Ts"), req.Header.Get("X-App-Access-Sig"), err)
	// Output: 1700000000 1fd88aac8ce67a0877eebc70946ffeeceaca0ebade82405463f7de314e37fefb <nil>
}

func ExampleSigner_Verify() {
	credentials := idngo.Credentials{AppToken: "sbx:token", SecretKey: "secret"}
	signer, err := idngo.NewSigner(credentials)
	if err != nil {
		log.Fatal(err)
	}
	another, err := idngo.NewSigner(idngo.Credentials{AppToken: "sbx:token", SecretKey: "another"})
	if err != nil {
		log.Fatal(err)
	}

	// A fake of the service verifies what a client has signed.
	request := httptest.NewRequest(http.MethodGet, "/resources/applicants/applicant-1/one", nil)
	now := time.Now()
	if err := signer.Sign(request, now); err != nil {
		log.Fatal(err)
	}
	fmt.Println(signer.Verify(request, now))
	fmt.Println(errors.Is(another.Verify(request, now), idngo.ErrSignatureMismatch))
	// Output:
	// <nil>
	// true
}

func ExampleSigner_StringToSign() {
	ctx := context.Background()
	signer, err := idngo.NewSigner(idngo.Credentials{AppToken: "sbx:token", SecretKey: "secret"})
	if err != nil {
		log.Fatal(err)
	}
	const address = "https://api.idngo.kz/resources/applicants?id=u%201"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader("{}"))
	if err != nil {
		log.Fatal(err)
	}
	text, err := signer.StringToSign(req, time.Unix(1700000000, 0))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(text)
	// Output:
	// 1700000000POST/resources/applicants?id=u%201<body: 2 bytes, SHA-256 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a>
}

// A service defines the calls that it makes as an interface of its own. Its tests pass a fake, or a
// client of a Simulator.
func Example_interface() {
	type approver interface {
		RequireApproved(
			context.Context, string, idngo.ActionExpectation, ...idngo.RequestOption,
		) (*idngo.Action, error)
	}
	pay := func(ctx context.Context, approvals approver, actionID, payoutID string) string {
		want := idngo.ActionExpectation{ApplicantID: "applicant-1", ExternalActionID: payoutID}
		_, err := approvals.RequireApproved(ctx, actionID, want)
		switch {
		case err == nil:
			return "paid"
		case errors.Is(err, idngo.ErrNotApproved):
			return "not approved"
		default:
			return "try again later"
		}
	}

	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{ManualReview: true})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client(idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		log.Fatal(err)
	}
	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(pay(ctx, client, action.ID, "payout-815"))
	if err := service.Review(action.ID, idngo.ReviewResult{}); err != nil { // GREEN
		log.Fatal(err)
	}
	fmt.Println(pay(ctx, client, action.ID, "payout-815"))
	if err := service.SetFaults("503@GetAction#1"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(pay(ctx, client, action.ID, "payout-815"))
	// Output:
	// not approved
	// paid
	// try again later
}

// This goes from the token of the app to the webhook of the review, in one process.
func ExampleNewSimulator() {
	ctx := context.Background()
	const secret = "secret-of-the-webhooks"
	verifier, err := idngo.NewWebhookVerifier(secret)
	if err != nil {
		log.Fatal(err)
	}
	reviewed := make(chan string, 1)
	receiver := verifier.Handler(func(_ context.Context, event *idngo.WebhookEvent) error {
		if event.Type == idngo.WebhookTypeApplicantActionReviewed {
			reviewed <- event.ExternalApplicantActionID
		}
		return nil
	})
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{
		Webhooks: receiver, WebhookSecret: secret,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	// The end of an external id can ask for an outcome.
	for _, externalID := range []string{"payout-815", "payout-816#RED"} {
		token, err := client.CreateAccessToken(ctx, idngo.AccessTokenParams{
			UserID: "user-4711", LevelName: "action-liveness", ExternalActionID: externalID,
		})
		if err != nil {
			log.Fatal(err)
		}
		if err := service.CompleteWithToken(token.Token); err != nil { // plays the app
			log.Fatal(err)
		}
		fmt.Println("webhook:", <-reviewed)
	}
	applicant, err := client.FindApplicant(ctx, "user-4711")
	if err != nil {
		log.Fatal(err)
	}
	for _, action := range service.Actions(applicant.ID) {
		answer := action.Review.ReviewResult.ReviewAnswer
		fmt.Println(action.ExternalActionID, answer, action.Approved())
	}
	// Output:
	// webhook: payout-815
	// webhook: payout-816#RED
	// payout-815 GREEN true
	// payout-816#RED RED false
}

// The answer of a create gets lost. EnsureAction finds what it has made.
func ExampleSimulator_SetFaults() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	quick := idngo.RetryPolicy{MinDelay: time.Millisecond}
	client, err := service.Client(idngo.WithRetryPolicy(quick))
	if err != nil {
		log.Fatal(err)
	}
	if err := service.SetFaults("reset-after@CreateAction#1"); err != nil {
		log.Fatal(err)
	}
	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	fmt.Println(action.ExternalActionID, err)
	fmt.Println(service.Calls("CreateAction"), len(service.Actions("applicant-1")))
	// Output:
	// payout-815 <nil>
	// 1 1
}

// A test decides reviews itself.
func ExampleClient_CloseIdleConnections() {
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.CheckCredentials(context.Background()))
	client.CloseIdleConnections()
	fmt.Println(client.CheckCredentials(context.Background())) // on a new connection
	// Output:
	// <nil>
	// <nil>
}

// A level for payment methods needs no selfie. Each review ends as SetOutcome says.
func ExampleSimulator_SetOutcome() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	if err := service.AddLevel("payment-card", idngo.ActionTypePaymentMethod); err != nil {
		log.Fatal(err)
	}
	service.SetOutcome(idngo.ReviewResult{ReviewAnswer: idngo.ReviewAnswerRed})
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}
	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "payment-card", ExternalActionID: "card-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.SubmitAction(ctx, action.ID); err != nil {
		log.Fatal(err)
	}
	action, err = client.GetAction(ctx, action.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(action.Completed(), action.Review.ReviewResult.ReviewAnswer)
	// Output: true RED
}

func ExampleSimulator_Review() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{ManualReview: true})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}
	action, err := client.EnsureAction(ctx, "applicant-1", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-815",
	})
	if err != nil {
		log.Fatal(err)
	}
	red := idngo.ReviewResult{ReviewAnswer: idngo.ReviewAnswerRed}
	for _, decide := range []func() error{
		func() error { return service.Hold(action.ID) },
		func() error { return service.Review(action.ID, red) },
	} {
		if err := decide(); err != nil {
			log.Fatal(err)
		}
		action, err = client.GetAction(ctx, action.ID)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %q\n", action.Review.ReviewStatus, action.Review.ReviewResult.ReviewAnswer)
	}
	// Output:
	// onHold ""
	// completed "RED"
}

// A simulator with a port is for code in another process, or for other languages.
func ExampleSimulator_ServeHTTP() {
	ctx := context.Background()
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	server := httptest.NewServer(service)
	defer server.Close()
	client, err := idngo.NewClient(service.Credentials(), idngo.WithBaseURL(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()
	fmt.Println(client.CheckCredentials(ctx))
	// Output: <nil>
}

func ExampleWithInsecureHTTP() {
	const inAContainer = "http://idngo-simulator:8080"
	credentials := idngo.Credentials{AppToken: "sbx:test", SecretKey: "key"}
	_, err := idngo.NewClient(credentials, idngo.WithBaseURL(inAContainer))
	fmt.Println(errors.Is(err, idngo.ErrInvalidArgument))
	client, err := idngo.NewClient(
		credentials, idngo.WithBaseURL(inAContainer), idngo.WithInsecureHTTP(),
	)
	fmt.Println(client, err)
	// Output:
	// true
	// idngo.Client{http://idngo-simulator:8080} <nil>
}

func ExampleApplicant_Approved() {
	applicant := &idngo.Applicant{}
	applicant.Review.ReviewResult.ReviewAnswer = idngo.ReviewAnswerGreen
	applicant.Review.ReviewStatus = idngo.ReviewStatusOnHold
	fmt.Println(applicant.Approved()) // not yet: the review is not completed
	applicant.Review.ReviewStatus = idngo.ReviewStatusCompleted
	fmt.Println(applicant.Approved())
	// Output:
	// false
	// true
}

func ExampleAction_Approved() {
	action := &idngo.Action{}
	action.Review.ReviewResult.ReviewAnswer = idngo.ReviewAnswerGreen
	fmt.Println(action.Approved()) // not yet: the review is not completed
	action.Review.ReviewStatus = idngo.ReviewStatusCompleted
	fmt.Println(action.Approved())
	// Output:
	// false
	// true
}

func ExampleAction_Completed() {
	action := &idngo.Action{Review: idngo.Review{ReviewStatus: idngo.ReviewStatusOnHold}}
	fmt.Println(action.Completed())
	// Output: false
}

// A receiver, and its test: sign a body, serve it, and compare the answer.
func ExampleWebhookVerifier_Handler() {
	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook")
	if err != nil {
		log.Fatal(err)
	}
	receiver := verifier.Handler(func(_ context.Context, event *idngo.WebhookEvent) error {
		fmt.Println(event.Type, event.ExternalApplicantActionID, event.ReviewResult.ReviewAnswer)
		return nil // an error is answered with 500, and the event comes again
	})

	body := []byte(`{
		"type": "applicantActionReviewed",
		"externalApplicantActionId": "payout-815",
		"reviewResult": {"reviewAnswer": "GREEN"}
	}`)
	for _, secret := range []idngo.Secret{"secret-of-the-webhook", "secret-of-somebody-else"} {
		request := httptest.NewRequest(http.MethodPost, "/idngo", bytes.NewReader(body))
		request.Header = idngo.SignWebhook(body, secret, idngo.HMACSHA256)
		answer := httptest.NewRecorder()
		receiver.ServeHTTP(answer, request)
		fmt.Println(answer.Code)
	}
	// Output:
	// applicantActionReviewed payout-815 GREEN
	// 200
	// 401
}

func ExampleSignWebhook() {
	header := idngo.SignWebhook([]byte("someText"), "SoMe_SeCrEt_KeY", idngo.HMACSHA256)
	fmt.Println(header.Get("X-Payload-Digest"))
	fmt.Println(header.Get("X-Payload-Digest-Alg"))
	// Output:
	// 7f3beedce7529616a9d6bba59dc1b054a7247cef67f6acff2600864399f47fe0
	// HMAC_SHA256_HEX
}

func ExampleParseWebhook() {
	// The body was verified before it was queued.
	body := []byte(`{
		"applicantId": "5dc158b109494c3cbf431e28",
		"applicantActionId": "5dc2d80ce3cc9b1c1e389c4c",
		"type": "applicantActionReviewed",
		"reviewResult": {"reviewAnswer": "GREEN"},
		"createdAtMs": "2020-02-21 13:23:19.987"
	}`)
	event, err := idngo.ParseWebhook(body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(event.Type, event.ApplicantActionID, event.ReviewResult.ReviewAnswer)
	fmt.Println(event.Time().Format("2006-01-02 15:04:05.000 MST"))
	fmt.Println(bytes.Equal(event.Raw, body))

	_, err = idngo.ParseWebhook([]byte(`["not an event"]`))
	fmt.Println(errors.Is(err, idngo.ErrWebhookMalformed))
	// Output:
	// applicantActionReviewed 5dc2d80ce3cc9b1c1e389c4c GREEN
	// 2020-02-21 13:23:19.987 UTC
	// true
	// true
}

func ExampleNewWebhookVerifier() {
	// Take it from the environment, for example. An unset variable is an error here.
	_, err := idngo.NewWebhookVerifier("")
	fmt.Println(errors.Is(err, idngo.ErrInvalidArgument))
	fmt.Println(err)

	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook")
	fmt.Println(verifier, err)
	// Output:
	// true
	// idngo: NewWebhookVerifier: invalid argument: webhook secret is empty
	// idngo.WebhookVerifier([redacted]) <nil>
}

// A handler of your own, with answers and a log of your own.
func ExampleWebhookVerifier_Parse() {
	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook")
	if err != nil {
		log.Fatal(err)
	}
	receive := func(w http.ResponseWriter, request *http.Request) {
		event, err := verifier.Parse(request)
		if err != nil {
			fmt.Println("log:", err)
			http.Error(w, "refused", http.StatusUnauthorized)
			return
		}
		archive, _ := io.ReadAll(request.Body) // the body is still there
		fmt.Println(event.Type, len(archive))
		w.WriteHeader(http.StatusNoContent)
	}

	body := []byte(`{"type": "applicantActionReviewed"}`)
	signed := idngo.SignWebhook(body, "secret-of-the-webhook", idngo.HMACSHA512)
	for _, header := range []http.Header{signed, {}} {
		request := httptest.NewRequest(http.MethodPost, "/idngo", bytes.NewReader(body))
		request.Header = header
		answer := httptest.NewRecorder()
		receive(answer, request)
		fmt.Println(answer.Code)
	}
	// Output:
	// applicantActionReviewed 35
	// 204
	// log: idngo: webhook signature mismatch: no X-Payload-Digest header
	// 401
}

// This is for a body that other code has read, as in a cloud function.
func ExampleWebhookVerifier_Verify() {
	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook")
	if err != nil {
		log.Fatal(err)
	}
	body := []byte(`{"type" : "applicantActionReviewed"}`)
	header := idngo.SignWebhook(body, "secret-of-the-webhook", idngo.HMACSHA256)
	fmt.Println(verifier.Verify(body, header))

	encodedAgain := []byte(`{"type":"applicantActionReviewed"}`)
	err = verifier.Verify(encodedAgain, header)
	fmt.Println(errors.Is(err, idngo.ErrWebhookSignature))
	// Output:
	// <nil>
	// true
}

// The example keeps keys in a map. A receiver keeps them in a unique column of its database.
func ExampleWebhookEvent_Key() {
	body := []byte(`{
		"applicantId": "5dc158b109494c3cbf431e28",
		"applicantActionId": "5dc2d80ce3cc9b1c1e389c4c",
		"externalApplicantActionId": "order-7001",
		"type": "applicantActionReviewed",
		"reviewResult": {"reviewAnswer": "GREEN"},
		"createdAtMs": "2020-02-21 13:23:19.987"
	}`)
	done := map[string]bool{}
	for range 3 { // delivered three times
		event, err := idngo.ParseWebhook(body)
		if err != nil {
			log.Fatal(err)
		}
		if done[event.Key()] {
			fmt.Println("seen before")
			continue
		}
		fmt.Println("acting on", event.Key())
		done[event.Key()] = true
	}
	// Output:
	// acting on f30ac5e62ffef3f58d02e0aecddde375
	// seen before
	// seen before
}

func ExampleWithPreviousSecrets() {
	verifier, err := idngo.NewWebhookVerifier("new-secret", idngo.WithPreviousSecrets("old-secret"))
	if err != nil {
		log.Fatal(err)
	}
	body := []byte(`{"type": "applicantActionReviewed"}`)
	for _, secret := range []idngo.Secret{"new-secret", "old-secret", "other-secret"} {
		header := idngo.SignWebhook(body, secret, idngo.HMACSHA256)
		fmt.Println(verifier.Verify(body, header) == nil)
	}
	// Output:
	// true
	// true
	// false
}

// A receiver without it hides a wrong secret: it answers every delivery with 401 and logs nothing.
func ExampleWithWebhookErrors() {
	report := func(_ *http.Request, err error) { fmt.Println("webhook refused:", err) }
	verifier, err := idngo.NewWebhookVerifier(
		"secret-of-the-webhook",
		idngo.WithWebhookErrors(report),
	)
	if err != nil {
		log.Fatal(err)
	}
	receiver := verifier.Handler(func(context.Context, *idngo.WebhookEvent) error {
		return errors.New("the database is away")
	})

	body := []byte(`{"type": "applicantActionReviewed"}`)
	for _, secret := range []idngo.Secret{"another-secret", "secret-of-the-webhook"} {
		request := httptest.NewRequest(http.MethodPost, "/idngo", bytes.NewReader(body))
		request.Header = idngo.SignWebhook(body, secret, idngo.HMACSHA256)
		answer := httptest.NewRecorder()
		receiver.ServeHTTP(answer, request)
		fmt.Println(answer.Code)
	}
	// Output:
	// webhook refused: idngo: webhook signature mismatch: the digest belongs to another body or another secret
	// 401
	// webhook refused: idngo: webhook: handler function: the database is away
	// 500
}

func ExampleWithDigestAlgorithms() {
	verifier, err := idngo.NewWebhookVerifier(
		"secret-of-the-webhook",
		idngo.WithDigestAlgorithms(idngo.HMACSHA512),
	)
	if err != nil {
		log.Fatal(err)
	}
	body := []byte(`{"type": "applicantActionReviewed"}`)
	for _, algorithm := range []idngo.DigestAlgorithm{
		idngo.HMACSHA512, idngo.HMACSHA256, idngo.HMACSHA1,
	} {
		header := idngo.SignWebhook(body, "secret-of-the-webhook", algorithm)
		err := verifier.Verify(body, header)
		fmt.Println(algorithm, errors.Is(err, idngo.ErrWebhookAlgorithm))
	}
	// Output:
	// HMAC_SHA512_HEX false
	// HMAC_SHA256_HEX true
	// HMAC_SHA1_HEX true
}

func ExampleWithMaxBodySize() {
	verifier, err := idngo.NewWebhookVerifier(
		"secret-of-the-webhook",
		idngo.WithMaxBodySize(20),
	)
	if err != nil {
		log.Fatal(err)
	}
	body := []byte(`{"type": "applicantActionReviewed"}`)
	request := httptest.NewRequest(http.MethodPost, "/idngo", bytes.NewReader(body))
	request.Header = idngo.SignWebhook(body, "secret-of-the-webhook", idngo.HMACSHA256)
	_, err = verifier.Parse(request)
	fmt.Println(errors.Is(err, idngo.ErrWebhookTooLarge))
	// Output: true
}
