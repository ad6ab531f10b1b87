// Command list_actions lists an applicant's actions as a table, newest first.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/idngo-go/idngo"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("list_actions: ")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "list_actions lists the actions of an applicant, newest first, as a table.\n\n"+
			"Credentials come from IDNGO_APP_TOKEN and IDNGO_SECRET_KEY. Flags:\n")
		flag.PrintDefaults()
	}
	applicantID := flag.String("applicant", os.Getenv("IDNGO_APPLICANT_ID"), "IDnGO's `id` of the applicant (IDNGO_APPLICANT_ID)")
	externalID := flag.String("external-id", "", "only the action with this `id` of your own; not with other filters")
	var f filter
	flag.StringVar((*string)(&f.status), "status", "", "only actions with this review `status`, such as completed")
	flag.StringVar((*string)(&f.answer), "answer", "", "only actions with this `answer`, such as RED")
	flag.DurationVar(&f.since, "since", 0, "only actions of this last `period`, such as 24h")
	flag.IntVar(&f.max, "max", 0, "stop after this many actions")
	flag.Parse()
	if flag.NArg() > 0 { // flag.Parse has stopped there
		log.Fatalf("unexpected argument %q: only flags are taken", flag.Arg(0))
	}
	if err := run(*applicantID, *externalID, f); err != nil {
		log.Fatal(err)
	}
}

func run(applicantID, externalID string, f filter) error {
	if externalID != "" && f != (filter{}) {
		return errors.New("-external-id names one action: use no other filter with it")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	client, err := idngo.NewClientFromEnv()
	if err != nil {
		return err
	}

	var actions []*idngo.Action
	if externalID != "" {
		action, err := client.FindAction(ctx, applicantID, externalID)
		if err != nil {
			return err // it matches idngo.ErrNotFound if there is no such action
		}
		actions = append(actions, action)
	} else if actions, err = f.collect(ctx, client, applicantID); err != nil {
		return err
	}
	return printTable(os.Stdout, actions)
}

// filter filters in Go, since the service only sorts.
type filter struct {
	status idngo.ReviewStatus
	answer idngo.ReviewAnswer
	since  time.Duration
	max    int
}

func (f filter) collect(ctx context.Context, client *idngo.Client, applicantID string) (actions []*idngo.Action, err error) {
	for action, err := range client.AllActions(ctx, applicantID, idngo.ListActionsParams{}) {
		if err != nil {
			return nil, err
		}
		// The list begins with the newest action, so all others are older. The
		// remaining pages are not fetched.
		if f.since > 0 && time.Since(action.CreatedAt.Time) > f.since {
			break
		}
		if f.status != "" && action.Review.ReviewStatus != f.status ||
			f.answer != "" && action.Review.ReviewResult.ReviewAnswer != f.answer {
			continue
		}
		if actions = append(actions, action); len(actions) == f.max {
			break
		}
	}
	return actions, nil
}

func printTable(w io.Writer, actions []*idngo.Action) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CREATED\tACTION\tEXTERNAL ID\tSTATUS\tANSWER\tLABELS")
	for _, a := range actions {
		var labels []string
		for _, label := range a.Review.ReviewResult.RejectLabels {
			labels = append(labels, string(label))
		}
		row := []string{
			a.CreatedAt.Local().Format(time.DateTime), a.ID, a.ExternalActionID,
			string(a.Review.ReviewStatus), string(a.Review.ReviewResult.ReviewAnswer), strings.Join(labels, ", "),
		}
		for i, cell := range row {
			row[i] = strings.Map(printable, cell)
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return table.Flush() // Flush returns the error of any write
}

// printable replaces characters that could control the terminal or break the row.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}
