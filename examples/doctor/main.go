// Command doctor checks the client's assumptions about the service in your account. It prints one
// line for each: what was expected, what was seen, and what to do.
//
// Exit status: 0 if the client can be used as it is, 1 if a line needs you to do something first
// or the run was interrupted, 2 if the flags are wrong.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/idngo-go/idngo"
)

// options has the values of the flags.
type options struct {
	appToken, secretKey        idngo.Secret
	baseURL                    string
	userID, applicantID, level string
	write, production          bool
	webhookAddr, reportPath    string
	listener                   net.Listener // listens on webhookAddr; nil: listen makes it
	webhookSecret              idngo.Secret
	timeout, reviewWait        time.Duration
	webhookWait                time.Duration
}

// defaults has the default values of the flags.
var defaults = options{timeout: 5 * time.Minute, reviewWait: 3 * time.Second, webhookWait: 90 * time.Second}

func main() {
	log.SetFlags(0)
	log.SetPrefix("doctor: ")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "doctor checks the client's assumptions about the service in your account, "+
			"and prints a line for each.\n\n"+
			"Credentials come from IDNGO_APP_TOKEN and IDNGO_SECRET_KEY, the secret of the webhook from IDNGO_WEBHOOK_SECRET.\n"+
			"Without -write, doctor creates only an access token valid for 60 seconds, and in production nothing.\n"+
			"Exit status: 0 if the client can be used as it is, 1 if something has to be done first, 2 for wrong flags. Flags:\n")
		flag.PrintDefaults()
	}
	o := defaults
	flag.StringVar(&o.userID, "user", os.Getenv("IDNGO_USER_ID"), "your own `id` of an approved test user (IDNGO_USER_ID)")
	flag.StringVar(&o.applicantID, "applicant", os.Getenv("IDNGO_APPLICANT_ID"),
		"IDnGO's `id` of that user, needed only if the service does not find users by your id (IDNGO_APPLICANT_ID)")
	flag.StringVar(&o.level, "level", os.Getenv("IDNGO_LEVEL"), "`name` of a level for actions, as in the dashboard (IDNGO_LEVEL)")
	flag.BoolVar(&o.write, "write", o.write, "create an action, upload a drawn image and submit it")
	flag.BoolVar(&o.production, "production", o.production, "allow writing in a production account")
	flag.StringVar(&o.webhookAddr, "webhook-addr", o.webhookAddr,
		"`address` to wait for a webhook on, such as :8080; with -write the new action causes one, without it press \"test\" in the dashboard")
	flag.DurationVar(&o.webhookWait, "webhook-wait", o.webhookWait, "how long to wait for a webhook and its redelivery")
	flag.DurationVar(&o.reviewWait, "review-wait", o.reviewWait, "how long to wait for the review; in a sandbox a person decides it")
	flag.DurationVar(&o.timeout, "timeout", o.timeout, "limit for the whole run")
	flag.StringVar(&o.reportPath, "report", "", "write what was seen to this `file` as JSON, without data of the account, for an issue")
	flag.Parse()
	o.appToken, o.secretKey = idngo.Secret(os.Getenv("IDNGO_APP_TOKEN")), idngo.Secret(os.Getenv("IDNGO_SECRET_KEY"))
	o.webhookSecret, o.baseURL = idngo.Secret(os.Getenv("IDNGO_WEBHOOK_SECRET")), cmp.Or(os.Getenv("IDNGO_BASE_URL"), idngo.DefaultBaseURL)
	if flag.NArg() > 0 { // flag.Parse has stopped there
		log.Printf("unexpected argument %q: only flags are taken", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := examine(ctx, os.Stdout, o); err != nil {
		stop()
		log.Fatal(err) //nolint:gocritic // stop was called
	}
}

// These are the verdicts of a line.
const (
	holds   = "holds"
	differs = "differs"
	notSeen = "not seen"
)

// line is one line of the checklist. seen contains no data of the account, but detail may.
type line struct {
	section, id, verdict, expected, seen, detail, advice string

	works bool // whether the client can be used unchanged although the line differs
}

// doctor is the state of one run.
type doctor struct {
	options
	out      io.Writer
	ctx      context.Context
	client   *idngo.Client
	observer *observer
	shapes   shapes

	lines      []line
	sandbox    bool
	externalID string           // the external id of the action that the doctor makes
	applicant  *idngo.Applicant // nil: not found
	actions    []string         // the ids of the actions that were made
	stage      string           // the last step of the first action
	second     bool             // whether there may be a second action that is not in actions
	listed     *idngo.ActionPage
	webhooks   *receiver // nil: nobody listens
	missing    string    // why the remaining lines are not seen
}

// examine makes all checks and prints them. It returns nil if the client can be used unchanged.
func examine(ctx context.Context, out io.Writer, o options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	d := &doctor{options: o, out: out, ctx: ctx, observer: newObserver()}
	defer d.observer.close()
	if d.checkAccount() {
		err = d.checkWire()
	}
	d.closeWebhooks()
	for _, a := range assumptions {
		d.see(a.id, notSeen, "", nil)
	}
	d.sayWhatIsLeft()
	if wrong := d.summary(err == nil && ctx.Err() == nil); wrong != nil && err == nil {
		err = wrong
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("not finished: %w", context.Cause(ctx))
	}
	if o.reportPath != "" {
		err = errors.Join(err, d.writeReport())
	}
	return err
}

// see prints the line of an assumption. It prints only one line for each assumption.
func (d *doctor) see(id, verdict, seen string, detail error) {
	if slices.ContainsFunc(d.lines, func(l line) bool { return l.id == id }) {
		return
	}
	if verdict != holds && seen != "" && d.ctx.Err() != nil {
		return // the context ended the call, so examine prints the line at the end
	}
	if verdict == differs && passing(detail) {
		verdict, seen = notSeen, "nothing: "+errorShape(detail)
	}
	at := slices.IndexFunc(assumptions, func(a assumption) bool { return a.id == id })
	a := assumptions[at]
	l := line{section: a.section, id: id, verdict: verdict, expected: a.expected, seen: seen, advice: a.advice, works: a.works}
	if verdict == notSeen {
		l.advice = ""
		if l.seen == "" {
			l.seen = d.whyNotSeen(a)
		}
	}
	d.add(l, detail)
}

// seeIf prints the line of an assumption. It holds if ok is true, otherwise it differs.
func (d *doctor) seeIf(ok bool, id, seen string) { d.see(id, verdict(ok), seen, nil) }

func verdict(ok bool) string {
	if ok {
		return holds
	}
	return differs
}

// passing reports whether an error may pass. Such an error says nothing about the wire.
func passing(err error) bool {
	var api *idngo.APIError
	if errors.As(err, &api) {
		return api.StatusCode >= 500 || api.StatusCode == http.StatusTooManyRequests || api.StatusCode == http.StatusRequestTimeout
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// account prints a line about the account. If it differs, the other lines are useful only after
// that is corrected.
func (d *doctor) account(id, verdict, expected, seen, advice string, detail error) {
	d.add(line{section: "account", id: id, verdict: verdict, expected: expected, seen: seen, advice: advice}, detail)
}

func (d *doctor) add(l line, detail error) {
	if l.verdict == holds {
		l.advice = ""
	}
	if detail != nil && l.verdict != holds {
		l.detail = detail.Error()
	}
	d.lines = append(d.lines, l)
	text := fmt.Sprintf("%-8s  %-8s  %-30s  expected: %s; seen: %s", l.verdict, l.section, l.id, l.expected, l.seen)
	if l.advice != "" {
		text += "; do: " + l.advice
	}
	if l.detail != "" {
		text += " [" + l.detail + "]"
	}
	fmt.Fprintln(d.out, printable(text))
}

// whyNotSeen returns why an assumption was not checked.
func (d *doctor) whyNotSeen(a assumption) string {
	switch {
	case d.ctx.Err() != nil:
		return "nothing: the run ended before"
	case a.section == "webhooks" && d.webhookAddr == "":
		return "nothing: run with -webhook-addr"
	case a.section == "webhooks" && d.webhooks != nil:
		return "nothing: no delivery came in time"
	case d.missing != "":
		return "nothing: " + d.missing
	case !d.write:
		return "nothing: run with -write"
	case !d.mayWrite():
		return "nothing: nothing is written in a production account without -production"
	}
	return "nothing: an earlier call was refused"
}

// mayWrite reports whether the doctor may make actions.
func (d *doctor) mayWrite() bool { return d.write && (d.sandbox || d.production) }

// sayWhatIsLeft prints what the run leaves in the account.
func (d *doctor) sayWhatIsLeft() {
	if d.stage == "" {
		return
	}
	if len(d.actions) == 0 {
		fmt.Fprintf(d.out, "\nLeft in the account: perhaps an action with the external id %s: %s.\n", d.externalID, d.stage)
		return
	}
	fmt.Fprintf(d.out, "\nLeft in the account, with the external id %s: action %s, %s", d.externalID, printable(d.actions[0]), d.stage)
	if len(d.actions) > 1 {
		fmt.Fprintf(d.out, "; action %s, created only", printable(strings.Join(d.actions[1:], ", ")))
	}
	if d.second {
		fmt.Fprint(d.out, "; and perhaps a second action with this external id")
	}
	fmt.Fprintln(d.out, ". The API has no call to delete them.")
}

// summary prints how many lines have each verdict. It returns an error for the first line that
// differs and needs a change of yours.
func (d *doctor) summary(finished bool) (wrong error) {
	count := map[string]int{}
	for _, l := range d.lines {
		count[l.verdict]++
		if l.verdict == differs && !l.works && wrong == nil {
			wrong = fmt.Errorf("%s: expected: %s; do: %s", l.id, l.expected, l.advice)
		}
	}
	text := "the client can be used as it is"
	switch {
	case !finished:
		text = "the run ended before all was checked"
	case wrong != nil:
		text = "see the advice of line " + strings.Split(wrong.Error(), ":")[0]
	}
	fmt.Fprintf(d.out, "\n%d lines hold, %d differ, %d were not seen: %s\n", count[holds], count[differs], count[notSeen], text)
	return wrong
}

// observer is a transport that records what a client does not show: the protocol and the clock.
type observer struct {
	transport *http.Transport

	mu      sync.Mutex
	tls     string // "": without TLS
	answers int
	dated   int
	offset  time.Duration // the offset of the service's clock, from the first answer with a Date
}

func newObserver() *observer {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	return &observer{transport: transport}
}

func (o *observer) close() { o.transport.CloseIdleConnections() }

// now returns the time of the service, as far as it is known.
func (o *observer) now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Now().Add(o.offset)
}

// RoundTrip records the protocol and the clock of an answer.
func (o *observer) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := o.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if answer.TLS != nil {
		o.tls = tlsName(answer.TLS)
	}
	o.answers++
	if at, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		if o.dated == 0 {
			o.offset = time.Until(at)
		}
		o.dated++
	}
	return answer, nil
}
