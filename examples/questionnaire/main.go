// Command questionnaire creates an action with answers of all three kinds, and
// reads them back.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/idngo-go/idngo"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("questionnaire: ")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "questionnaire creates an action with a filled-in questionnaire and reads the answers back.\n\n"+
			"Credentials come from IDNGO_APP_TOKEN and IDNGO_SECRET_KEY. Flags:\n")
		flag.PrintDefaults()
	}
	applicantID := flag.String("applicant", os.Getenv("IDNGO_APPLICANT_ID"), "IDnGO's `id` of the applicant (IDNGO_APPLICANT_ID)")
	level := flag.String("level", os.Getenv("IDNGO_LEVEL"), "`name` of a level with a questionnaire (IDNGO_LEVEL)")
	externalID := flag.String("external-id", "", "your own `id` of the action (default: a new one)")
	questionnaireID := flag.String("id", "sourceOfFunds", "`id` of the questionnaire in the dashboard")
	flag.Parse()
	if flag.NArg() > 0 { // flag.Parse has stopped there
		log.Fatalf("unexpected argument %q: only flags are taken", flag.Arg(0))
	}
	params := idngo.CreateActionParams{
		LevelName:        *level,
		ExternalActionID: cmp.Or(*externalID, "questionnaire-"+rand.Text()),
		Questionnaires:   []idngo.Questionnaire{answers(*questionnaireID)},
	}
	if err := run(*applicantID, params); err != nil {
		log.Fatal(err)
	}
}

// answers fills in a questionnaire. Sections and items have the ids that the
// dashboard shows. Every answer is text.
func answers(questionnaireID string) idngo.Questionnaire {
	return idngo.Questionnaire{
		ID: questionnaireID,
		Sections: map[string]idngo.QuestionnaireSection{
			"income": {Items: map[string]idngo.QuestionnaireItem{
				"occupation": idngo.ItemValue("Engineer"),
				"sources":    idngo.ItemValues("salary", "dividends"),
				"inherited":  idngo.ItemNull(), // asked but not answered, which differs from leaving it out
			}},
			"consent": {Items: map[string]idngo.QuestionnaireItem{
				"truthful": idngo.ItemValue("true"),
				"since":    idngo.ItemValue("2026-01-31"),
			}},
		},
	}
}

func run(applicantID string, params idngo.CreateActionParams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client, err := idngo.NewClientFromEnv()
	if err != nil {
		return err
	}

	// CreateAction never repeats a call that may have taken effect. After
	// idngo.ErrOutcomeUnknown, FindAction tells whether it has. EnsureAction does
	// both: use it if an action must not be created twice.
	created, err := client.CreateAction(ctx, applicantID, params)
	if err != nil {
		return err
	}
	// ConfirmAction makes sure that the answers are those of the expected action.
	action, err := client.ConfirmAction(ctx, created.ID, idngo.ActionExpectation{
		ApplicantID: applicantID, ExternalActionID: params.ExternalActionID,
	})
	if err != nil {
		return err
	}
	fmt.Printf("action %s, external id %s\n\n", action.ID, action.ExternalActionID)
	printTable(action.Questionnaires)

	// Do makes a signed call of any endpoint, also of one that this package has no
	// method for. It decodes into a type of your own.
	var stored struct {
		Questionnaires json.RawMessage `json:"questionnaires"`
	}
	path := "/resources/applicantActions/" + url.PathEscape(action.ID) + "/one"
	if err := client.Do(ctx, http.MethodGet, path, nil, nil, &stored); err != nil {
		return err
	}
	fmt.Printf("\non the wire\n%s\n", stored.Questionnaires)
	return nil
}

func printTable(questionnaires []idngo.Questionnaire) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "QUESTIONNAIRE\tSECTION\tITEM\tANSWER")
	for _, q := range questionnaires {
		for _, section := range slices.Sorted(maps.Keys(q.Sections)) {
			items := q.Sections[section].Items
			for _, item := range slices.Sorted(maps.Keys(items)) {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", q.ID, section, item, text(items[item]))
			}
		}
	}
	_ = table.Flush()
}

// text returns an answer of any of the three kinds as text.
func text(item idngo.QuestionnaireItem) string {
	switch {
	case item.Value != nil:
		return *item.Value
	case item.Values != nil:
		return strings.Join(item.Values, " | ")
	default:
		return "(null)"
	}
}
