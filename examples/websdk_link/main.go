// Command websdk_link makes a link with which a user verifies in a browser, and
// waits for the verdict.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/idngo-go/idngo"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("websdk_link: ")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "websdk_link prints a link with which a user does an action in a browser, "+
			"and waits for the verdict if the output is a terminal.\n\n"+
			"Credentials come from IDNGO_APP_TOKEN and IDNGO_SECRET_KEY. Flags:\n")
		flag.PrintDefaults()
	}
	var j job
	flag.StringVar(&j.applicantID, "applicant", os.Getenv("IDNGO_APPLICANT_ID"), "IDnGO's `id` of the applicant (IDNGO_APPLICANT_ID)")
	flag.StringVar(&j.userID, "user", os.Getenv("IDNGO_USER_ID"), "your own `id` of the applicant (IDNGO_USER_ID)")
	flag.StringVar(&j.level, "level", os.Getenv("IDNGO_LEVEL"), "`name` of a level for actions, as in the dashboard (IDNGO_LEVEL)")
	flag.StringVar(&j.externalID, "external-id", "", "your own `id` of the action (default: a new one)")
	flag.StringVar(&j.locale, "locale", "", "`language` of the page, such as kk")
	flag.BoolVar(&j.token, "token", false, "print an access token, for a page of your own with the WebSDK in it, instead of a link")
	flag.BoolVar(&j.wait, "wait", isTerminal(os.Stdout), "wait for the verdict; the default if the output is a terminal")
	flag.DurationVar(&j.ttl, "ttl", 30*time.Minute, "lifetime of the link, and how long to wait")
	flag.Parse()
	if flag.NArg() > 0 { // flag.Parse has stopped there
		log.Fatalf("unexpected argument %q: only flags are taken, such as -wait=false", flag.Arg(0))
	}
	if err := j.run(); err != nil {
		log.Fatal(err)
	}
}

type job struct {
	applicantID, userID, level, externalID, locale string

	token, wait bool
	ttl         time.Duration
}

func (j *job) run() error {
	if j.ttl <= 0 || j.ttl%time.Second != 0 { // check it before the action is created
		return fmt.Errorf("-ttl %v: must be a whole number of seconds, at least one", j.ttl)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, j.ttl)
	defer cancel()
	client, err := idngo.NewClientFromEnv()
	if err != nil {
		return err
	}

	// Create the action before the user opens the link, so that its id is known.
	// Compare it with the id that the browser reports later.
	action, err := client.EnsureAction(ctx, j.applicantID, idngo.CreateActionParams{
		LevelName:        j.level,
		ExternalActionID: cmp.Or(j.externalID, "websdk-"+rand.Text()),
	})
	if err != nil {
		return err
	}
	key, err := j.key(ctx, client, action.ExternalActionID)
	if err != nil {
		return err
	}
	// Give the link to the user only, and never log it: anybody who has it can
	// verify in the place of the user.
	fmt.Println(key)
	if !j.wait {
		return nil
	}

	fmt.Fprintln(os.Stderr, "waiting for the verdict; Ctrl-C ends this")
	action, err = client.WaitForReview(ctx, action.ID, idngo.WaitParams{MaxInterval: 3 * time.Second})
	if err != nil {
		return err
	}
	fmt.Print(action.Review.ReviewResult.ReviewAnswer)
	for _, label := range action.Review.ReviewResult.RejectLabels {
		fmt.Print(" ", label)
	}
	fmt.Println()
	return nil
}

// key returns a link or an access token that opens the action for the user.
func (j *job) key(ctx context.Context, client *idngo.Client, externalID string) (string, error) {
	if j.token {
		token, err := client.CreateAccessToken(ctx, idngo.AccessTokenParams{
			UserID: j.userID, ExternalActionID: externalID, LevelName: j.level, TTL: j.ttl,
		})
		if err != nil {
			return "", err
		}
		return token.Token, nil
	}
	link, err := client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{
		LevelName: j.level, ExternalUserID: j.userID, ExternalActionID: externalID, Locale: j.locale, TTL: j.ttl,
	})
	if err != nil {
		return "", err
	}
	return link.URL, nil
}

// isTerminal reports whether f is a terminal.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // a null device is a character device too
	return err != nil || !os.SameFile(info, null)
}
