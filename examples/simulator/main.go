// Command simulator is IDnGO's applicant actions API on this machine, for
// integration tests in any language and for trying things by hand. Unlike the
// other examples it is not made to be copied.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/simulator"
)

func main() {
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "simulator serves IDnGO's applicant actions API on loopback, strict about signatures, and logs a line for each request.\n\n"+
			"It prints lines for a shell, then serves until it is interrupted. Flags:\n")
		flag.PrintDefaults()
	}
	var o options
	flag.StringVar(&o.addr, "addr", "127.0.0.1:8090", "loopback `address` to listen on; port 0 is a free one")
	flag.StringVar(&o.cfg.WebhookURL, "webhook-url", "", "`URL` on loopback to which webhooks are sent")
	flag.StringVar(&o.cfg.WebhookSecret, "webhook-secret", simulator.DefaultWebhookSecret, "`secret` that webhooks are signed with")
	flag.Float64Var(&o.cfg.WebhookTimeScale, "webhook-time-scale", 1, "`factor` for the pauses before a webhook is sent again: 30 s, 30 s, 1 min, 5 min")
	flag.DurationVar(&o.cfg.ReviewDelay, "review-delay", simulator.DefaultReviewDelay, "`time` from submit to verdict")
	flag.BoolVar(&o.cfg.ManualReview, "manual", false, "no verdict but by the page of a WebSDK link")
	flag.BoolVar(&o.cfg.KnownOnly, "known-only", false, "refuse applicants, users and levels that nobody has added; without it any is known and approved")
	flag.BoolVar(&o.cfg.Strict, "strict", false, "refuse requests whose Accept does not name application/json and POSTs without a Content-Type, as the vendor's FAQ does")
	flag.Func("outcome", "`verdict` of the reviews: GREEN, RED, RED:LABEL,LABEL, ERROR or onHold (default GREEN)", func(text string) (err error) {
		o.cfg.Outcome, err = simulator.ParseOutcome(text)
		return err
	})
	var faults string // of every -fault
	flag.Func("fault", "what goes wrong, and how `often`: 429=0.1, 429:2=0.1 (Retry-After), 503-after=0.05, reset@AddImage=0.2, slow:2s=0.1, seed=7, …, with commas between or a flag for each", func(text string) (err error) {
		faults += "," + text
		o.faults, err = simulator.ParseFaults(faults)
		return err
	})
	flag.Parse()
	if err := o.check(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "simulator:", err)
		os.Exit(2) // as flag.Parse does
	}
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	if err := o.serve(); err != nil {
		log.SetFlags(0)
		log.Fatal(err) // says simulator: or idngo: itself
	}
}

type options struct {
	cfg    simulator.Config
	addr   string
	faults *simulator.Faults
}

// check refuses what would be ignored, or taken for something else.
func (o options) check(operands []string) error {
	switch {
	case len(operands) > 0: // flag.Parse has stopped there
		return fmt.Errorf("unexpected argument %q: only flags are taken, such as -manual=false", operands[0])
	case o.cfg.WebhookSecret == "":
		return errors.New("-webhook-secret is empty: is a variable not set? Without the flag there is a default")
	case o.cfg.ReviewDelay < 0:
		return fmt.Errorf("-review-delay %v is negative; 0 is a verdict at once", o.cfg.ReviewDelay)
	}
	return nil
}

// serve serves until it is interrupted.
func (o options) serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var ready atomic.Bool
	o.cfg.OnRequest = func(r simulator.Request) {
		if ready.Load() {
			log.Print(line(r))
		}
	}
	o.cfg.OnDelivery = func(d simulator.Delivery) { log.Print(deliveryLine(d)) }
	if o.cfg.ReviewDelay == 0 {
		o.cfg.ReviewDelay = -1 // 0 stands for the default there, and for no delay on a command line
	}
	sb, err := simulator.New(o.cfg)
	if err != nil {
		return err
	}
	defer sb.Close()
	baseURL, err := sb.Start(o.addr)
	if err != nil {
		return err
	}
	link, err := pageLink(ctx, baseURL)
	if err != nil {
		return err
	}
	// Only now, so that the first draw of a seed is for the first real request.
	if err := sb.SetFaults(o.faults); err != nil {
		return err
	}
	ready.Store(true)
	o.introduce(baseURL, link)
	<-ctx.Done()
	return sb.Close()
}

// introduce prints lines that a shell can source, all at once: who waits for the
// first has them all. The credentials are made up and open nothing but
// simulators.
func (o options) introduce(baseURL, link string) {
	var lines strings.Builder
	export := func(name, value string) {
		fmt.Fprintf(&lines, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
	export("IDNGO_BASE_URL", baseURL)
	export("IDNGO_APP_TOKEN", simulator.DefaultAppToken)
	export("IDNGO_SECRET_KEY", simulator.DefaultSecretKey)
	export("IDNGO_APPLICANT_ID", simulator.DefaultApplicantID)
	export("IDNGO_USER_ID", simulator.DefaultExternalUserID)
	export("IDNGO_LEVEL", simulator.LevelFaceAuth)
	if o.cfg.WebhookURL != "" {
		export("IDNGO_WEBHOOK_SECRET", o.cfg.WebhookSecret)
	}
	fmt.Fprintf(&lines, "# other levels: %s, %s\n", simulator.LevelQuestionnaire, simulator.LevelEmail)
	fmt.Fprintf(&lines, "# the page behind a WebSDK link, to try it: %s\n", link)
	fmt.Print(lines.String())
}

// pageLink makes a link like any client does.
func pageLink(ctx context.Context, baseURL string) (string, error) {
	client, err := idngo.NewClient(idngo.Credentials{AppToken: simulator.DefaultAppToken, SecretKey: simulator.DefaultSecretKey},
		idngo.WithBaseURL(baseURL))
	if err != nil {
		return "", err
	}
	link, err := client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{
		LevelName: simulator.LevelFaceAuth, ExternalUserID: simulator.DefaultExternalUserID,
		ExternalActionID: "first-look", TTL: 30 * 24 * time.Hour,
	})
	if err != nil {
		return "", err
	}
	return link.URL, nil
}

// line is the log line of a request. There is no secret in a Request.
func line(r simulator.Request) string {
	status := strconv.Itoa(r.Status)
	if r.Status == 0 {
		status = "cut" // the connection ended before there was an answer
	}
	text := fmt.Sprintf("%-17s  %-3s  signature %-9s  %s %s", r.Operation, status, r.Signature, r.Method, r.Target)
	if r.Signature == simulator.VerdictSignature {
		text = fmt.Sprintf("%-17s  %-3s  signature %-9s  should have been over %q", r.Operation, status, "wrong", r.StringToSign)
	}
	if r.Fault != simulator.FaultNone {
		text += "  fault " + string(r.Fault)
	}
	return text
}

// deliveryLine is the log line of an attempt to deliver a webhook.
func deliveryLine(d simulator.Delivery) string {
	result := strconv.Itoa(d.Status)
	if d.Status == 0 {
		result = d.Problem
	}
	text := fmt.Sprintf("%-17s  %s  %s  action %s  attempt %d", "webhook", result, d.Type, d.ActionID, d.Attempt)
	switch {
	case d.Accepted:
		return text
	case d.Last:
		return text + "  gave up"
	}
	return text + "  next in " + d.Next.String()
}
