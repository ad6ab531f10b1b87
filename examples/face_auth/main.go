// Command face_auth takes a face authorization from creation to verdict. It
// creates the action, uploads a photo, submits, waits for the review, and receives
// the webhook.
package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/idngo-go/idngo"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("face_auth: ")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "face_auth takes a face authorization of an approved applicant from creation to verdict, "+
			"and exits with 0 for any verdict.\n\n"+
			"Credentials come from IDNGO_APP_TOKEN and IDNGO_SECRET_KEY. Flags:\n")
		flag.PrintDefaults()
	}
	var j job
	flag.StringVar(&j.userID, "user", os.Getenv("IDNGO_USER_ID"), "your own `id` of the applicant (IDNGO_USER_ID)")
	flag.StringVar(&j.applicantID, "applicant", "", "IDnGO's `id` of the applicant, instead of your own")
	flag.StringVar(&j.level, "level", os.Getenv("IDNGO_LEVEL"), "`name` of a level for actions, as in the dashboard (IDNGO_LEVEL)")
	flag.StringVar(&j.externalID, "external-id", "",
		"your own `id` of the action; with the id of an earlier run, continues that run (default: a new one)")
	flag.StringVar(&j.country, "country", "KAZ", "three-letter `code` of the country of the applicant")
	flag.StringVar(&j.imagePath, "image", "", "`path` of the photo (default: a drawing, which only the simulator accepts)")
	flag.StringVar(&j.webhookAddr, "webhook-addr", cmp.Or(os.Getenv("IDNGO_WEBHOOK_ADDR"), "127.0.0.1:8080"),
		"`address` to receive webhooks on if IDNGO_WEBHOOK_SECRET is set (IDNGO_WEBHOOK_ADDR)")
	flag.DurationVar(&j.timeout, "timeout", 2*time.Minute,
		"limit for the whole run; in the vendor's sandbox no review completes by itself")
	flag.Parse()
	if flag.NArg() > 0 { // flag.Parse has stopped there
		log.Fatalf("unexpected argument %q: only flags are taken", flag.Arg(0))
	}
	if err := j.run(); err != nil {
		log.Fatal(err)
	}
}

type job struct {
	userID, applicantID, level, externalID, country, imagePath, webhookAddr string

	timeout time.Duration
	timeline
}

func (j *job) run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	client, err := idngo.NewClientFromEnv()
	if err != nil {
		return err
	}
	j.begin()
	applicant, err := j.approvedApplicant(ctx, client)
	if err != nil {
		return err
	}

	// EnsureAction, not CreateAction: after a crash or a lost answer the same
	// external id returns the same action and never creates a second one.
	externalID := cmp.Or(j.externalID, "face-auth-"+rand.Text())
	action, err := client.EnsureAction(ctx, applicant.ID, idngo.CreateActionParams{LevelName: j.level, ExternalActionID: externalID})
	if err != nil {
		return err
	}
	j.add("action %s", action.ID)
	fmt.Printf("action %s for applicant %s, external id %s\n", action.ID, action.ApplicantID, action.ExternalActionID)

	reviewed, closeReceiver, err := j.receiveWebhooks(action.ID)
	if err != nil {
		return err
	}
	defer closeReceiver()

	// An action that an earlier run has submitted needs no second photo.
	if status := action.Review.ReviewStatus; status == "" || status == idngo.ReviewStatusInit {
		if err := j.submit(ctx, client, action.ID); err != nil {
			return err
		}
	}
	action, err = client.WaitForReview(ctx, action.ID, idngo.WaitParams{OnPoll: func(a *idngo.Action) {
		fmt.Printf("review %s\n", a.Review.ReviewStatus)
	}})
	if err != nil {
		return err
	}
	j.add("review %s", action.Review.ReviewStatus)
	for _, check := range action.Checks {
		fmt.Printf("  %-15s  %s\n", check.CheckType, check.Answer)
	}

	if reviewed != nil {
		select {
		case <-reviewed:
		case <-time.After(5 * time.Second):
			j.add("no webhook so far: is this address the one set in the dashboard?")
		case <-ctx.Done():
			return ctx.Err()
		}
	}

	return j.decide(ctx, client, applicant.ID, action)
}

// decide asks whether the action is approved, and prints the timeline and the verdict.
func (j *job) decide(ctx context.Context, client *idngo.Client, applicantID string, action *idngo.Action) error {
	// Require this before a payout: no error means that it is the expected action,
	// completed and GREEN.
	action, err := client.RequireApproved(ctx, action.ID, idngo.ActionExpectation{
		ApplicantID: applicantID, ExternalActionID: action.ExternalActionID,
	})
	if err != nil && !errors.Is(err, idngo.ErrNotApproved) {
		return err
	}
	fmt.Println("\ntimeline")
	j.print()
	if err == nil {
		fmt.Println("GREEN: the face is live and matches the applicant")
	} else {
		fmt.Println(verdict(action))
	}
	return nil
}

// approvedApplicant finds the applicant. It refuses one whose verification is not
// completed and approved.
func (j *job) approvedApplicant(ctx context.Context, client *idngo.Client) (applicant *idngo.Applicant, err error) {
	if j.applicantID != "" {
		applicant, err = client.GetApplicant(ctx, j.applicantID)
	} else {
		applicant, err = client.FindApplicant(ctx, j.userID)
	}
	if err == nil && !applicant.Approved() {
		err = errors.New("the applicant is not approved")
	}
	return applicant, err
}

// verdict returns the result of a review that is not GREEN, on one line.
func verdict(a *idngo.Action) string {
	result := a.Review.ReviewResult
	text := []string{string(result.ReviewAnswer)}
	for _, label := range result.RejectLabels {
		text = append(text, string(label))
	}
	// The reject type, not a label, tells whether the user may try again.
	if result.ReviewRejectType == idngo.RejectTypeRetry {
		text = append(text, "(the user may try again)")
	}
	return strings.Join(text, " ")
}

// submit uploads the photo and asks for the review.
func (j *job) submit(ctx context.Context, client *idngo.Client, actionID string) error {
	photo := idngo.ImageFile(j.imagePath)
	if j.imagePath == "" {
		photo = idngo.ImageBytes("drawn.jpg", drawPhoto())
	}
	image, err := client.AddImage(ctx, actionID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie, Country: j.country, Image: photo, Progress: showProgress(),
	})
	switch {
	case errors.Is(err, idngo.ErrDuplicateImage): // an earlier run has uploaded it
		j.add("image already there")
	case err != nil:
		return err
	default:
		j.add("image %s uploaded", image.ImageID)
	}
	if _, err := client.SubmitAction(ctx, actionID); err != nil {
		return err
	}
	j.add("submitted")
	return nil
}

// showProgress prints a line for each quarter of the image.
func showProgress() func(idngo.UploadProgress) {
	next := int64(0)
	return func(p idngo.UploadProgress) {
		if p.Sent == 0 {
			next = 0 // a new attempt starts again
		}
		if percent := 100 * p.Sent / max(p.Total, 1); percent >= next {
			fmt.Printf("uploaded %d of %d bytes\n", p.Sent, p.Total)
			next = percent/25*25 + 25
		}
	}
}

// receiveWebhooks listens for webhooks about one action, if there is a secret to
// verify them with. The channel gets a value when the action was reviewed. It is
// nil if there is no secret.
func (j *job) receiveWebhooks(actionID string) (reviewed <-chan struct{}, closeServer func(), err error) {
	secret := idngo.Secret(os.Getenv("IDNGO_WEBHOOK_SECRET"))
	if secret == "" {
		return nil, func() {}, nil
	}
	verifier, err := idngo.NewWebhookVerifier(secret, idngo.WithWebhookErrors(func(r *http.Request, err error) {
		slog.ErrorContext(r.Context(), "webhook refused", "error", err)
	}))
	if err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp", j.webhookAddr)
	if err != nil {
		return nil, nil, err
	}
	done := make(chan struct{}, 1)
	var seen sync.Map // an event may be delivered more than once
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: verifier.Handler(func(_ context.Context, e *idngo.WebhookEvent) error {
			if _, again := seen.LoadOrStore(e.Key(), nil); again || e.ApplicantActionID != actionID {
				return nil
			}
			j.add("webhook %s %s", e.Type, e.ReviewResult.ReviewAnswer)
			if e.Type == idngo.WebhookTypeApplicantActionReviewed {
				select {
				case done <- struct{}{}:
				default: // it has a value already
				}
			}
			return nil
		}),
	}
	go func() { _ = server.Serve(listener) }() // Serve ends with Close
	return done, func() { _ = server.Close() }, nil
}

// timeline records events with their times. Webhooks arrive on goroutines of their
// own.
type timeline struct {
	mu    sync.Mutex
	start time.Time
	lines []string
}

func (t *timeline) begin() { t.start = time.Now() }

func (t *timeline) add(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, fmt.Sprintf("%8.3f s  ", time.Since(t.start).Seconds())+strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (t *timeline) print() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, line := range t.lines {
		fmt.Println(line)
	}
}

// drawPhoto returns a JPEG with a drawing.
func drawPhoto() []byte {
	picture := image.NewGray(image.Rect(0, 0, 480, 640))
	for y := range 640 {
		for x := range 480 {
			dx, dy := (x-240)*4/3, y-320
			picture.SetGray(x, y, color.Gray{Y: uint8(255 - min(255, (dx*dx+dy*dy)/300))})
		}
	}
	var b bytes.Buffer
	_ = jpeg.Encode(&b, picture, nil) // writing to a bytes.Buffer never fails
	return b.Bytes()
}
