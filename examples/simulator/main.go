// Command simulator is IDnGO's applicant actions API on this machine or in a
// container, for integration tests in any language and for trying things by hand.
// Unlike the other examples it is not made to be copied. README.md is its guide.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/idngo-go/idngo/internal/simulator"
)

const usage = `simulator serves IDnGO's applicant actions API, strict about signatures, and logs a line for each request.

It prints lines for a shell, then serves until it is interrupted. The address shows a console in a browser, and has a
control API for tests under /_simulator/: the README lists its calls.

Any user and level is known, and any applicant is known and approved. The end of an externalActionId asks for an outcome:
#RED, #RED:LABEL,LABEL, #RED-FINAL:LABEL, #ERROR, #onHold. A face authorization that is submitted without an image ends
with ERROR: upload one first, or let a person decide on the console.

Flags:
`

func main() {
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	var o options
	o.define(flag.CommandLine)
	flag.Parse()
	if err := o.check(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "simulator:", err)
		os.Exit(2) // flag.Parse exits with this status too
	}
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	if err := o.serve(); err != nil {
		log.SetFlags(0)
		log.Fatal(err) // the error begins with the prefix "simulator: "
	}
}

type options struct {
	cfg         simulator.Config
	addr        string
	faults      string // the values of all -fault flags
	clockOffset time.Duration
	untilEOF    bool
}

// define defines the flags.
func (o *options) define(flags *flag.FlagSet) {
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8090", "`address` to listen on; port 0 is a free one, :8090 is every interface")
	flags.Func("allow-host", "another host `name` under which the console and the control API may be reached; may be given again",
		func(name string) error {
			o.cfg.AllowedHosts = append(o.cfg.AllowedHosts, name)
			return nil
		})
	flags.BoolVar(&o.untilEOF, "until-eof", false, "end at the end of standard input, so that a test that starts it leaves nothing behind")
	flags.StringVar(&o.cfg.PathPrefix, "path-prefix", "", "`path` that all calls begin with, such as /idngo; it is signed")
	flags.BoolVar(&o.cfg.KnownOnly, "known-only", false, "refuse applicants, users and levels that nobody has added")
	flags.BoolVar(&o.cfg.Strict, "strict", false,
		"refuse what the vendor's FAQ refuses: an Accept that does not name application/json, a POST without a Content-Type")
	flags.DurationVar(&o.clockOffset, "clock-offset", 0, "`offset` of the simulator's clock, negative for behind")
	o.defineReviews(flags)
	o.defineWebhooks(flags)
	flags.Func("fault", "`faults` of the next requests, such as reset-after@CreateAction#1 or 429:2#3, and by chance, such as 429=0.1, "+
		"503-after=0.05 or slow:2s@AddImage=0.1; seed=7 repeats the chances; separated by commas, or one flag each",
		func(text string) error {
			faults := strings.TrimPrefix(o.faults+","+text, ",")
			_, err := simulator.ParseFaults(faults)
			o.faults = faults
			return err
		})
	flags.Func("quirk", "`names` of oddities of the wire, separated by commas, or one flag each: "+
		strings.Join(quirkNames(), ", "), o.setQuirks)
}

func (o *options) defineReviews(flags *flag.FlagSet) {
	flags.DurationVar(&o.cfg.ReviewDelay, "review-delay", simulator.DefaultReviewDelay, "`time` from submit to verdict")
	flags.BoolVar(&o.cfg.ManualReview, "manual", false, "only a person decides, on the console or the page of a WebSDK link")
	flags.Func("outcome", "`verdict` of the reviews: GREEN, RED, RED:LABEL,LABEL, RED-FINAL:LABEL, ERROR or onHold (default GREEN)",
		func(text string) (err error) {
			o.cfg.Outcome, err = simulator.ParseOutcome(text)
			return err
		})
}

func (o *options) defineWebhooks(flags *flag.FlagSet) {
	flags.StringVar(&o.cfg.WebhookURL, "webhook-url", "",
		"`URL` that webhooks are sent to: on loopback, or in a private network if -addr is not on loopback")
	flags.StringVar(&o.cfg.WebhookSecret, "webhook-secret", simulator.DefaultWebhookSecret, "`secret` that webhooks are signed with")
	flags.Func("webhook-alg", "`algorithm` of the webhook digest: sha256, sha512 or sha1 (default sha256)", func(text string) error {
		if !slices.Contains([]string{"sha256", "sha512", "sha1"}, text) {
			return errors.New("must be one of sha256, sha512, sha1")
		}
		o.cfg.WebhookAlgorithm = "HMAC_" + strings.ToUpper(text) + "_HEX"
		return nil
	})
	flags.Float64Var(&o.cfg.WebhookTimeScale, "webhook-time-scale", 1,
		"`factor` for the pauses before a webhook is sent again: 30 s, 30 s, 1 min, 5 min")
	flags.IntVar(&o.cfg.WebhookDuplicates, "duplicates", 0, "how many extra `copies` of each webhook to deliver")
	flags.BoolVar(&o.cfg.WebhookShuffle, "shuffle", false, "let webhooks overtake one another")
}

// quirk is an oddity that can be switched on.
type quirk struct {
	name string
	on   *bool
}

func quirks(q *simulator.Quirks) []quirk {
	return []quirk{
		{"bare-list", &q.BareList},
		{"list-without-external-ids", &q.ListWithoutExternalIDs},
		{"empty-answers", &q.EmptyAnswers},
		{"ok-answers", &q.OKAnswers},
		{"string-image-ids", &q.StringImageIDs},
		{"root-review-result", &q.RootReviewResult},
		{"conflict-on-duplicate", &q.ConflictOnDuplicate},
	}
}

func quirkNames() (names []string) {
	for _, q := range quirks(&simulator.Quirks{}) {
		names = append(names, q.name)
	}
	return names
}

func (o *options) setQuirks(text string) error {
	known := quirks(&o.cfg.Quirks)
	for name := range strings.SplitSeq(text, ",") {
		i := slices.IndexFunc(known, func(q quirk) bool { return q.name == name })
		if i < 0 {
			return errors.New("must be one of " + strings.Join(quirkNames(), ", "))
		}
		*known[i].on = true
	}
	return nil
}

// check refuses arguments that would be ignored or misunderstood.
func (o *options) check(operands []string) error {
	switch {
	case len(operands) > 0: // flag.Parse has stopped there
		return fmt.Errorf("unexpected argument %q: only flags are taken, such as -manual=false", operands[0])
	case o.cfg.WebhookSecret == "":
		return errors.New("-webhook-secret is empty: is a variable not set? Without the flag there is a default")
	case slices.Contains(o.cfg.AllowedHosts, ""):
		return errors.New("-allow-host is empty: is a variable not set?")
	case o.cfg.ReviewDelay < 0:
		return fmt.Errorf("-review-delay %v is negative; 0: the next call that shows the action has the verdict", o.cfg.ReviewDelay)
	}
	return nil
}

// serve serves until it is interrupted, or until standard input ends.
func (o *options) serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.untilEOF {
		go func() {
			defer stop()
			_, _ = io.Copy(io.Discard, os.Stdin)
		}()
	}
	o.cfg.OnRequest = func(r simulator.Request) { log.Print(line(r)) }
	o.cfg.OnDelivery = func(d simulator.Delivery) { log.Print(deliveryLine(d)) }
	if o.cfg.ReviewDelay == 0 {
		o.cfg.ReviewDelay = simulator.NoReviewDelay // in Config, 0 means the default
	}
	if o.cfg.Remote = !isLoopback(o.addr); o.cfg.Remote {
		log.Printf("warning: -addr %s is not on loopback: everybody who reaches it can see and do everything here", o.addr)
	}
	var err error
	if o.cfg.Faults, err = simulator.ParseFaults(o.faults); err != nil {
		return err
	}
	sim, err := simulator.New(o.cfg)
	if err != nil {
		return err
	}
	defer sim.Close()
	if o.clockOffset != 0 {
		if err := sim.SetClock(func() time.Time { return time.Now().Add(o.clockOffset) }); err != nil {
			return err
		}
	}
	baseURL, err := sim.Start(o.addr)
	if err != nil {
		return err
	}
	link, err := sim.NewLink(baseURL, simulator.LevelFaceAuth, simulator.DefaultExternalUserID, "first-try", 30*24*time.Hour)
	if err != nil {
		return err
	}
	o.introduce(baseURL, link)
	<-ctx.Done()
	return sim.Close()
}

// isLoopback reports whether an address to listen on is reached from this machine
// alone. It accepts an unknown form, which the simulator refuses later.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// introduce prints lines that a shell can source. It prints them all at once, so a reader that
// waits for the first line gets all. The credentials are made up and open nothing but simulators.
func (o *options) introduce(baseURL, link string) {
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
	export("IDNGO_WEBHOOK_SECRET", o.cfg.WebhookSecret)
	fmt.Fprintf(&lines, "# the console: %s/\n", baseURL)
	fmt.Fprintf(&lines, "# other levels: %s, %s\n", simulator.LevelQuestionnaire, simulator.LevelEmail)
	fmt.Fprintf(&lines, "# the page behind a WebSDK link, to try it: %s\n", link)
	fmt.Print(lines.String())
}

// line returns the log line of a request. A Request contains no secret.
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
	if r.Note != "" {
		text += "  note: " + r.Note
	}
	return text
}

// deliveryLine returns the log line of an attempt to deliver a webhook.
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
