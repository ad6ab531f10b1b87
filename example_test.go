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
	"strings"
	"time"

	"github.com/jarcoal/httpmock"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// The examples use a simulator in the same process and a client of it.
const (
	applicantID = simulator.DefaultApplicantID
	userID      = simulator.DefaultExternalUserID
	level       = simulator.LevelFaceAuth
)

// example gives a client of a new simulator and what ends both.
func example(opts ...idngo.Option) (client *idngo.Client, end func()) {
	service, err := simulator.New(simulator.Config{ReviewDelay: time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	base, err := service.Start("")
	if err != nil {
		log.Fatal(err)
	}
	opts = append([]idngo.Option{idngo.WithBaseURL(base)}, opts...)
	client, err = idngo.NewClient(idngo.Credentials{AppToken: simulator.DefaultAppToken, SecretKey: simulator.DefaultSecretKey}, opts...)
	if err != nil {
		log.Fatal(err)
	}
	return client, func() { _ = service.Close() }
}

// exampleAction makes an action with an image.
func exampleAction(client *idngo.Client) (*idngo.Action, *idngo.Image) {
	ctx := context.Background()
	action, err := client.EnsureAction(ctx, applicantID, idngo.CreateActionParams{LevelName: level, ExternalActionID: "payout-4711"})
	if err != nil {
		log.Fatal(err)
	}
	image, err := client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes("selfie.jpg", []byte("a picture")),
	})
	if err != nil {
		log.Fatal(err)
	}
	return action, image
}

// answering gives a client of a mock that always answers the same.
func answering(status int, header http.Header, body string, opts ...idngo.Option) *idngo.Client {
	mock := httpmock.NewMockTransport()
	mock.RegisterNoResponder(func(*http.Request) (*http.Response, error) {
		res := httpmock.NewStringResponse(status, body)
		res.Header = header
		return res, nil
	})
	opts = append([]idngo.Option{idngo.WithHTTPClient(&http.Client{Transport: mock})}, opts...)
	client, err := idngo.NewClient(idngo.Credentials{AppToken: "sbx:test", SecretKey: "key"}, opts...)
	if err != nil {
		log.Fatal(err)
	}
	return client
}

func Example() {
	ctx := context.Background()
	client, end := example()
	defer end()

	action, err := client.EnsureAction(ctx, applicantID, idngo.CreateActionParams{
		LevelName:        level,
		ExternalActionID: "payout-4711",
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
	action, err = client.WaitForReview(ctx, action.ID, idngo.WaitParams{MinInterval: 5 * time.Millisecond})
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
	client, end := example()
	defer end()
	action, err := client.CreateAction(ctx, applicantID, idngo.CreateActionParams{
		LevelName:        level,
		ExternalActionID: "payout-4711",
		Email:            "example@email.com",
		Phone:            "+49 123456789",
	})
	if errors.Is(err, idngo.ErrOutcomeUnknown) {
		log.Fatal("it may have been created: look before you call again")
	}
	fmt.Println(action.ExternalActionID, action.Review.ReviewStatus, err)
	// Output: payout-4711 init <nil>
}

func ExampleClient_CreateAction_questionnaire() {
	ctx := context.Background()
	client, end := example()
	defer end()
	action, err := client.CreateAction(ctx, applicantID, idngo.CreateActionParams{
		LevelName:        simulator.LevelQuestionnaire,
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
	client, end := example()
	defer end()
	params := idngo.CreateActionParams{LevelName: level, ExternalActionID: "payout-4711"}
	first, err := client.EnsureAction(ctx, applicantID, params)
	if err != nil {
		log.Fatal(err)
	}
	// The same again, as after a crash: there is still one action.
	second, err := client.EnsureAction(ctx, applicantID, params)
	fmt.Println(first.ID == second.ID, err)
	// Output: true <nil>
}

func ExampleClient_GetAction() {
	ctx := context.Background()
	client, end := example()
	defer end()
	made, _ := exampleAction(client)
	action, err := client.GetAction(ctx, made.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(action.Type, len(action.Images), action.Completed())

	_, err = client.GetAction(ctx, "5e022e0f0a975a45325c7ff5")
	fmt.Println(errors.Is(err, idngo.ErrNotFound))
	// Output:
	// selfieAuth 1 false
	// true
}

func ExampleClient_FindAction() {
	ctx := context.Background()
	client, end := example()
	defer end()
	made, _ := exampleAction(client)
	action, err := client.FindAction(ctx, applicantID, "payout-4711")
	fmt.Println(action.ID == made.ID, err)
	_, err = client.FindAction(ctx, applicantID, "payout-4712")
	fmt.Println(errors.Is(err, idngo.ErrNotFound))
	// Output:
	// true <nil>
	// true
}

func ExampleClient_ListActions() {
	ctx := context.Background()
	client, end := example()
	defer end()
	exampleAction(client)
	page, err := client.ListActions(ctx, applicantID, idngo.ListActionsParams{Limit: 10})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.Items), page.TotalItems, page.Items[0].ExternalActionID)
	// Output: 1 1 payout-4711
}

func ExampleClient_AllActions() {
	ctx := context.Background()
	client, end := example()
	defer end()
	exampleAction(client)
	for action, err := range client.AllActions(ctx, applicantID, idngo.ListActionsParams{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(action.ExternalActionID, action.Review.ReviewStatus)
	}
	// Output: payout-4711 init
}

func ExampleClient_SubmitAction() {
	ctx := context.Background()
	client, end := example()
	defer end()
	made, _ := exampleAction(client)
	action, err := client.SubmitAction(ctx, made.ID)
	fmt.Println(action.ID == made.ID, err)
	// Output: true <nil>
}

func ExampleClient_WaitForReview() {
	ctx := context.Background()
	client, end := example()
	defer end()
	made, _ := exampleAction(client)
	if _, err := client.SubmitAction(ctx, made.ID); err != nil {
		log.Fatal(err)
	}
	// Give it a deadline: in the vendor's sandbox no review completes by itself.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	action, err := client.WaitForReview(ctx, made.ID, idngo.WaitParams{
		MinInterval: 5 * time.Millisecond, // for the example; the default is 1 s
	})
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
	client, end := example()
	defer end()
	made, _ := exampleAction(client)

	// An app says that this action is GREEN.
	action, err := client.ConfirmAction(ctx, made.ID, idngo.ActionExpectation{
		ApplicantID:      applicantID,
		ExternalActionID: "payout-4711",
		LevelName:        level,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("approved:", action.Approved())

	_, err = client.ConfirmAction(ctx, made.ID, idngo.ActionExpectation{ApplicantID: "another"})
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
	want := idngo.ActionExpectation{ApplicantID: "applicant-1", ExternalActionID: "payout-815", LevelName: "action-liveness"}
	action, err = client.RequireApproved(ctx, action.ID, want)
	fmt.Println(errors.Is(err, idngo.ErrNotApproved), action.Review.ReviewStatus)
	fmt.Println(err)

	if err := service.Review(action.ID, idngo.ReviewResult{ReviewAnswer: idngo.ReviewAnswerGreen}); err != nil {
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
	if err := service.AddApplicant(idngo.Applicant{ID: "63e096c51b6b4030f2e01154", ExternalUserID: "user-4711"}); err != nil {
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
		ReviewStatus: idngo.ReviewStatusOnHold, ReviewResult: idngo.ReviewResult{ReviewAnswer: idngo.ReviewAnswerGreen},
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
		fmt.Println(applicant.Review.ReviewResult.ReviewAnswer, applicant.Completed(), applicant.Approved())
	}
	// Output:
	// GREEN true true
	// GREEN false false
}

func ExampleClient_CreateWebSDKLink() {
	ctx := context.Background()
	client, end := example()
	defer end()
	link, err := client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{
		LevelName:        level,
		ExternalUserID:   userID,
		ExternalActionID: "payout-4711",
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
	client, end := example(idngo.WithClock(time.Now))
	defer end()
	token, err := client.CreateAccessToken(ctx, idngo.AccessTokenParams{
		UserID:           userID,
		ExternalActionID: "payout-4711",
		LevelName:        level,
		TTL:              20 * time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.UserID, token.ExternalActionID, time.Until(token.ExpiresAt).Round(time.Minute))
	// Output: JamesBond007 payout-4711 20m0s
}

func ExampleClient_AddImage() {
	ctx := context.Background()
	client, end := example()
	defer end()
	action, err := client.EnsureAction(ctx, applicantID, idngo.CreateActionParams{LevelName: level, ExternalActionID: "payout-4711"})
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
	client, end := example()
	defer end()
	action, _ := exampleAction(client)
	_, err := client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageFile("README.md"), ContentType: "image/jpeg",
	})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleImageBytes() {
	ctx := context.Background()
	client, end := example()
	defer end()
	action, _ := exampleAction(client)
	_, err := client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes("other.png", []byte("another picture")),
	})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleImageReaderAt() {
	ctx := context.Background()
	client, end := example()
	defer end()
	action, _ := exampleAction(client)
	stored := strings.NewReader("header, picture") // a file, a memory map, a blob
	_, err := client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ",
		Image: idngo.ImageReaderAt("part.jpg", io.NewSectionReader(stored, 8, 7), 7),
	})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleImageReader() {
	ctx := context.Background()
	client, end := example()
	defer end()
	action, _ := exampleAction(client)
	upload := strings.NewReader("what a customer's browser sends") // an http.Request's Body
	_, err := client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageReader("selfie.jpg", upload),
	})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleClient_OpenImage() {
	ctx := context.Background()
	client, end := example()
	defer end()
	action, image := exampleAction(client)
	content, err := client.OpenImage(ctx, action.ID, image.ImageID, idngo.ImageParams{Preview: true})
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
	client, end := example()
	defer end()
	action, image := exampleAction(client)
	var file bytes.Buffer // an *os.File, more often
	n, err := client.DownloadImage(ctx, action.ID, image.ImageID, &file, idngo.ImageParams{})
	fmt.Println(n, file.String(), err)
	// Output: 9 a picture <nil>
}

func ExampleClient_Do() {
	ctx := context.Background()
	client, end := example()
	defer end()
	made, _ := exampleAction(client)
	// Any endpoint of the vendor; here one that has a method of its own.
	var answer struct {
		Review struct {
			LevelName string `json:"levelName"`
		} `json:"review"`
	}
	err := client.Do(ctx, http.MethodGet, "/resources/applicantActions/"+url.PathEscape(made.ID)+"/one", nil, nil, &answer)
	fmt.Println(answer.Review.LevelName, err)
	// Output: action-liveness <nil>
}

func ExampleOperationFromContext() {
	trace := faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		fmt.Println(req.Method, idngo.OperationFromContext(req.Context()))
		return http.DefaultTransport.RoundTrip(req)
	})
	client, end := example(idngo.WithHTTPClient(&http.Client{Transport: trace}))
	defer end()
	exampleAction(client)
	// Output:
	// GET ListActions
	// POST CreateAction
	// POST AddImage
}

func ExampleWithBaseURL() {
	ctx := context.Background()
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, `{"id":"a1"}`)
	}))
	defer fake.Close()
	client, err := idngo.NewClient(idngo.Credentials{AppToken: "sbx:test", SecretKey: "key"}, idngo.WithBaseURL(fake.URL))
	if err != nil {
		log.Fatal(err)
	}
	action, err := client.GetAction(ctx, "a1")
	fmt.Println(action.ID, err)

	_, err = idngo.NewClient(idngo.Credentials{AppToken: "sbx:test", SecretKey: "key"}, idngo.WithBaseURL("http://api.idngo.kz"))
	fmt.Println(err)
	// Output:
	// a1 <nil>
	// idngo: NewClient: invalid argument: base URL is http: off loopback it must be https
}

func ExampleWithHTTPClient() {
	ctx := context.Background()
	mock := httpmock.NewMockTransport()
	mock.RegisterResponderWithQuery("GET", "https://api.idngo.kz/resources/applicantActions/a1/one", nil,
		httpmock.NewStringResponder(200, `{"id":"a1","review":{"reviewStatus":"completed","reviewResult":{"reviewAnswer":"RED"}}}`))
	client, err := idngo.NewClient(idngo.Credentials{AppToken: "sbx:test", SecretKey: "key"},
		idngo.WithHTTPClient(&http.Client{Transport: mock}))
	if err != nil {
		log.Fatal(err)
	}
	action, err := client.GetAction(ctx, "a1")
	fmt.Println(action.Completed(), action.Approved(), err)
	// Output: true false <nil>
}

func ExampleWithUserAgent() {
	ctx := context.Background()
	show := faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		fmt.Println(req.UserAgent())
		return httpmock.NewStringResponse(200, `{"id":"a1"}`), nil
	})
	client, err := idngo.NewClient(idngo.Credentials{AppToken: "sbx:test", SecretKey: "key"},
		idngo.WithUserAgent("acme-bank/2.1"), idngo.WithHTTPClient(&http.Client{Transport: show}))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.GetAction(ctx, "a1"); err != nil {
		log.Fatal(err)
	}
	// Output: acme-bank/2.1 idngo-go/0.1.0
}

func ExampleWithTimeout() {
	ctx := context.Background()
	done := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	defer slow.Close()
	defer close(done)
	client, err := idngo.NewClient(idngo.Credentials{AppToken: "sbx:test", SecretKey: "key"}, idngo.WithBaseURL(slow.URL),
		idngo.WithTimeout(10*time.Millisecond), idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.GetAction(ctx, "a1")
	fmt.Println(err)
	// Output: idngo: GetAction: no answer in 10ms
}

func ExampleWithRetryPolicy() {
	ctx := context.Background()
	client := answering(503, nil, "", idngo.WithRetryPolicy(idngo.RetryPolicy{
		MaxAttempts: 2,
		MinDelay:    time.Millisecond,
	}))
	_, err := client.GetAction(ctx, "a1")
	fmt.Println(err)
	// Output: idngo: GetAction: 503 Service Unavailable (2 attempts)
}

func ExampleWithRateLimiter() {
	ctx := context.Background()
	// golang.org/x/time/rate.NewLimiter(10, 50) fits as it is.
	client := answering(200, nil, `{"id":"a1"}`, idngo.WithRateLimiter(limiter{}))
	action, err := client.GetAction(ctx, "a1")
	fmt.Println(action.ID, err)
	// Output:
	// waiting
	// a1 <nil>
}

// limiter is a RateLimiter that never waits.
type limiter struct{}

func (limiter) Wait(ctx context.Context) error {
	fmt.Println("waiting")
	return ctx.Err()
}

func ExampleWithLogger() {
	ctx := context.Background()
	plain := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" {
				return slog.Attr{} // for the example: they differ from run to run
			}
			return a
		},
	}))
	client := answering(200, nil, `{"id":"a1"}`, idngo.WithLogger(plain))
	if _, err := client.GetAction(ctx, "a1"); err != nil {
		log.Fatal(err)
	}
	// Output: level=INFO msg="idngo: attempt" operation=GetAction attempt=1 status=200 final=true
}

func ExampleWithClock() {
	ctx := context.Background()
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	client := answering(200, nil, `{"token":"_act-1"}`, idngo.WithClock(func() time.Time { return at }))
	token, err := client.CreateAccessToken(ctx, idngo.AccessTokenParams{UserID: "u", LevelName: "L"})
	fmt.Println(token.ExpiresAt, err)
	// Output: 2026-11-22 10:10:00 +0000 UTC <nil>
}

func ExampleWithResponse() {
	ctx := context.Background()
	client := answering(200, http.Header{"X-Trace": {"t1"}}, `{"id":"a1","somethingNew":true}`)
	var r idngo.Response
	_, err := client.GetAction(ctx, "a1", idngo.WithResponse(&r))
	fmt.Println(r.StatusCode, r.Attempts, r.Header.Get("X-Trace"), string(r.Body), err)
	// Output: 200 1 t1 {"id":"a1","somethingNew":true} <nil>
}

func ExampleWithHeader() {
	ctx := context.Background()
	client := answering(200, nil, `{"id":"a1"}`)
	_, err := client.GetAction(ctx, "a1", idngo.WithHeader("X-Request-Id", "42"))
	fmt.Println(err)
	_, err = client.GetAction(ctx, "a1", idngo.WithHeader("X-App-Token", "other"))
	fmt.Println(err)
	// Output:
	// <nil>
	// idngo: GetAction: invalid argument: header is one that the client sets itself
}

func ExampleWithIdempotent() {
	ctx := context.Background()
	client := answering(502, nil, "", idngo.WithRetryPolicy(idngo.RetryPolicy{MinDelay: time.Millisecond}))
	// Submitting twice is harmless to this caller.
	_, err := client.SubmitAction(ctx, "a1", idngo.WithIdempotent())
	fmt.Println(err)
	fmt.Println(errors.Is(err, idngo.ErrOutcomeUnknown))
	// Output:
	// idngo: SubmitAction: outcome unknown: 502 Bad Gateway (3 attempts)
	// true
}

func ExampleAPIError() {
	ctx := context.Background()
	client := answering(409, nil, `{"description":"Applicant is finally rejected","code":409,"errorCode":1009,
		"errorName":"applicant-with-final-reject","correlationId":"req-8fbf5a81"}`)
	_, err := client.SubmitAction(ctx, "a1")
	var api *idngo.APIError
	if errors.As(err, &api) {
		fmt.Println(api.StatusCode, api.Code == idngo.CodeApplicantRejected, api.CorrelationID)
	}
	fmt.Println(errors.Is(err, idngo.ErrConflict))
	fmt.Println(err)
	// Output:
	// 409 true req-8fbf5a81
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
	signer, err := idngo.NewSigner(idngo.Credentials{AppToken: "sbx:token", SecretKey: "example-secret"})
	if err != nil {
		log.Fatal(err)
	}
	req, err := http.NewRequestWithContext(
		ctx, http.MethodGet, "https://api.idngo.kz/resources/applicantActions/5e022e0f0a975a45325c7ff5/one", nil,
	)
	if err != nil {
		log.Fatal(err)
	}
	err = signer.Sign(req, time.Unix(1700000000, 0))
	fmt.Println(req.Header.Get("X-App-Access-Ts"), req.Header.Get("X-App-Access-Sig"), err)
	// Output: 1700000000 1fd88aac8ce67a0877eebc70946ffeeceaca0ebade82405463f7de314e37fefb <nil>
}

func ExampleSigner_Verify() {
	ctx := context.Background()
	signer, err := idngo.NewSigner(idngo.Credentials{AppToken: "sbx:test", SecretKey: "key"})
	if err != nil {
		log.Fatal(err)
	}
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := signer.Verify(r, time.Now()); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprint(w, `{"id":"a1"}`)
	}))
	defer fake.Close()
	for _, key := range []idngo.Secret{"key", "another"} {
		client, err := idngo.NewClient(idngo.Credentials{AppToken: "sbx:test", SecretKey: key}, idngo.WithBaseURL(fake.URL))
		if err != nil {
			log.Fatal(err)
		}
		_, err = client.GetAction(ctx, "a1")
		fmt.Println(errors.Is(err, idngo.ErrUnauthorized))
	}
	// Output:
	// false
	// true
}

func ExampleSigner_StringToSign() {
	ctx := context.Background()
	signer, err := idngo.NewSigner(idngo.Credentials{AppToken: "sbx:token", SecretKey: "secret"})
	if err != nil {
		log.Fatal(err)
	}
	req, err := http.NewRequestWithContext(
		ctx, http.MethodPost, "https://api.idngo.kz/resources/applicants?id=u%201", strings.NewReader("{}"),
	)
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
	pay := func(ctx context.Context, idngoClient approver, actionID string, want idngo.ActionExpectation) string {
		_, err := idngoClient.RequireApproved(ctx, actionID, want)
		switch {
		case err == nil:
			return "paid"
		case errors.Is(err, idngo.ErrNotApproved):
			return "not approved"
		default:
			return "try again later"
		}
	}
	want := idngo.ActionExpectation{ApplicantID: "applicant-1", ExternalActionID: "payout-815"}
	for _, err := range []error{nil, idngo.ErrNotApproved, idngo.ErrServer} {
		fmt.Println(pay(context.Background(), fakeApprover{err}, "action-1", want))
	}
	// Output:
	// paid
	// not approved
	// try again later
}

// approver is what the service needs of a *idngo.Client.
type approver interface {
	RequireApproved(context.Context, string, idngo.ActionExpectation, ...idngo.RequestOption) (*idngo.Action, error)
}

var _ approver = (*idngo.Client)(nil)

// fakeApprover is an approver that always answers the same.
type fakeApprover struct{ err error }

func (f fakeApprover) RequireApproved(
	context.Context, string, idngo.ActionExpectation, ...idngo.RequestOption,
) (*idngo.Action, error) {
	return new(idngo.Action), f.err
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
	service, err := idngo.NewSimulator(idngo.SimulatorConfig{Webhooks: receiver, WebhookSecret: secret})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	client, err := service.Client()
	if err != nil {
		log.Fatal(err)
	}

	for _, externalID := range []string{"payout-815", "payout-816#RED"} { // its end asks for an outcome
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
		fmt.Println(action.ExternalActionID, action.Review.ReviewResult.ReviewAnswer, action.Approved())
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
	client, err := service.Client(idngo.WithRetryPolicy(idngo.RetryPolicy{MinDelay: time.Millisecond}))
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
	for _, decide := range []func() error{
		func() error { return service.Hold(action.ID) },
		func() error {
			return service.Review(action.ID, idngo.ReviewResult{ReviewAnswer: idngo.ReviewAnswerRed})
		},
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
	client, err := idngo.NewClient(credentials, idngo.WithBaseURL(inAContainer), idngo.WithInsecureHTTP())
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

// reviewed is a delivery as the service sends it.
const reviewed = `{
  "applicantId" : "5dc158b109494c3cbf431e28",
  "applicantActionId" : "5dc2d80ce3cc9b1c1e389c4c",
  "externalApplicantActionId" : "order-7001",
  "type" : "applicantActionReviewed",
  "reviewResult" : {
    "reviewAnswer" : "GREEN"
  },
  "createdAtMs" : "2020-02-21 13:23:19.987"
}`

// delivery is a request of the service with the body and headers given.
func delivery(body string, header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/idngo", strings.NewReader(body))
	r.Header = header
	return r
}

// A receiver, and its test in ten lines: sign a body, serve it, compare what
// happened.
func ExampleWebhookVerifier_Handler() {
	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook")
	if err != nil {
		panic(err)
	}
	receiver := verifier.Handler(func(ctx context.Context, e *idngo.WebhookEvent) error {
		fmt.Println(e.Type, e.ExternalApplicantActionID, e.ReviewResult.ReviewAnswer)
		return nil // an error is answered with 500, and the event comes again
	})

	body := []byte(`{"type":"applicantActionReviewed","externalApplicantActionId":"order-7001","reviewResult":{"reviewAnswer":"GREEN"}}`)
	for _, secret := range []idngo.Secret{"secret-of-the-webhook", "secret-of-somebody-else"} {
		r := httptest.NewRequest("POST", "/idngo", bytes.NewReader(body))
		r.Header = idngo.SignWebhook(body, secret, idngo.HMACSHA256)
		w := httptest.NewRecorder()
		receiver.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// applicantActionReviewed order-7001 GREEN
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
	e, err := idngo.ParseWebhook([]byte(reviewed))
	if err != nil {
		panic(err)
	}
	fmt.Println(e.Type, e.ApplicantActionID, e.ReviewResult.ReviewAnswer)
	fmt.Println(e.Time().Format("2006-01-02 15:04:05.000 MST"))
	fmt.Println(len(e.Raw) == len(reviewed))

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

// A handler of one's own, with answers and a log of one's own.
func ExampleWebhookVerifier_Parse() {
	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook")
	if err != nil {
		panic(err)
	}
	receive := func(w http.ResponseWriter, r *http.Request) {
		e, err := verifier.Parse(r)
		if err != nil {
			fmt.Println("log:", err)
			http.Error(w, "refused", http.StatusUnauthorized)
			return
		}
		archive, _ := io.ReadAll(r.Body) // the body is still there
		fmt.Println(e.Type, len(archive) == len(reviewed))
		w.WriteHeader(http.StatusNoContent)
	}

	w := httptest.NewRecorder()
	receive(w, delivery(reviewed, idngo.SignWebhook([]byte(reviewed), "secret-of-the-webhook", idngo.HMACSHA512)))
	fmt.Println(w.Code)

	w = httptest.NewRecorder()
	receive(w, delivery(reviewed, nil))
	fmt.Println(w.Code)
	// Output:
	// applicantActionReviewed true
	// 204
	// log: idngo: webhook signature mismatch: no X-Payload-Digest header
	// 401
}

// Where something else has read the body, as in a cloud function.
func ExampleWebhookVerifier_Verify() {
	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook")
	if err != nil {
		panic(err)
	}
	header := idngo.SignWebhook([]byte(reviewed), "secret-of-the-webhook", idngo.HMACSHA256)
	fmt.Println(verifier.Verify([]byte(reviewed), header))

	reencoded := strings.ReplaceAll(reviewed, " : ", ": ")
	err = verifier.Verify([]byte(reencoded), header)
	fmt.Println(errors.Is(err, idngo.ErrWebhookSignature))
	// Output:
	// <nil>
	// true
}

// A map here, a unique column in a database in real life.
func ExampleWebhookEvent_Key() {
	done := map[string]bool{}
	for range 3 { // delivered three times
		e, err := idngo.ParseWebhook([]byte(reviewed))
		if err != nil {
			panic(err)
		}
		if done[e.Key()] {
			fmt.Println("seen before")
			continue
		}
		fmt.Println("acting on", e.Key())
		done[e.Key()] = true
	}
	// Output:
	// acting on f30ac5e62ffef3f58d02e0aecddde375
	// seen before
	// seen before
}

func ExampleWithPreviousSecrets() {
	verifier, err := idngo.NewWebhookVerifier("new-secret", idngo.WithPreviousSecrets("old-secret"))
	if err != nil {
		panic(err)
	}
	body := []byte(reviewed)
	for _, secret := range []idngo.Secret{"new-secret", "old-secret", "other-secret"} {
		fmt.Println(verifier.Verify(body, idngo.SignWebhook(body, secret, idngo.HMACSHA256)) == nil)
	}
	// Output:
	// true
	// true
	// false
}

// Without it a wrong secret goes unnoticed: every delivery is answered with 401, and
// nobody learns why.
func ExampleWithWebhookErrors() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // for the example
			}
			return a
		},
	}))
	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook", idngo.WithWebhookErrors(func(r *http.Request, err error) {
		logger.ErrorContext(r.Context(), "webhook refused", "error", err)
	}))
	if err != nil {
		panic(err)
	}
	receiver := verifier.Handler(func(context.Context, *idngo.WebhookEvent) error { return errors.New("the database is away") })

	for _, secret := range []idngo.Secret{"secret-of-somebody-else", "secret-of-the-webhook"} {
		answer := httptest.NewRecorder()
		receiver.ServeHTTP(answer, delivery(reviewed, idngo.SignWebhook([]byte(reviewed), secret, idngo.HMACSHA256)))
		fmt.Println(answer.Code)
	}
	// Output:
	// level=ERROR msg="webhook refused" error="idngo: webhook signature mismatch: the digest belongs to another body or another secret"
	// 401
	// level=ERROR msg="webhook refused" error="idngo: webhook: handler function: the database is away"
	// 500
}

func ExampleWithDigestAlgorithms() {
	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook", idngo.WithDigestAlgorithms(idngo.HMACSHA512))
	if err != nil {
		panic(err)
	}
	body := []byte(reviewed)
	for _, alg := range []idngo.DigestAlgorithm{idngo.HMACSHA512, idngo.HMACSHA256, idngo.HMACSHA1} {
		err := verifier.Verify(body, idngo.SignWebhook(body, "secret-of-the-webhook", alg))
		fmt.Println(alg, errors.Is(err, idngo.ErrWebhookAlgorithm))
	}
	// Output:
	// HMAC_SHA512_HEX false
	// HMAC_SHA256_HEX true
	// HMAC_SHA1_HEX true
}

func ExampleWithMaxBodySize() {
	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook", idngo.WithMaxBodySize(100))
	if err != nil {
		panic(err)
	}
	_, err = verifier.Parse(delivery(reviewed, idngo.SignWebhook([]byte(reviewed), "secret-of-the-webhook", idngo.HMACSHA256)))
	fmt.Println(errors.Is(err, idngo.ErrWebhookTooLarge))
	// Output:
	// true
}
