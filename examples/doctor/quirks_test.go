package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

func TestMain(m *testing.M) { os.Exit(faultnet.RunTests(m)) }

// result has the output and the report of a run.
type result struct {
	output   string
	verdicts map[string]string // the verdicts by the ids of their lines
	first    string            // the first line that differs
	err      error
	report   string
}

// differing returns the ids of the lines that differ.
func (r result) differing() (ids []string) {
	for id, verdict := range r.verdicts {
		if verdict == differs {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

var lineForm = regexp.MustCompile(`(?m)^(holds|differs|not seen) +(?:account|wire|webhooks) +([a-z-]+) +expected: .+; seen: .+$`)

// run runs the doctor with the options.
func run(t *testing.T, ctx context.Context, o options) result {
	t.Helper()
	o.reportPath = filepath.Join(t.TempDir(), "report.json")
	var out bytes.Buffer
	err := examine(ctx, &out, o)
	r := result{output: out.String(), verdicts: map[string]string{}, err: err}
	for _, match := range lineForm.FindAllStringSubmatch(r.output, -1) {
		assert.NotContains(t, r.verdicts, match[2], "one line each:\n%s", r.output)
		r.verdicts[match[2]] = match[1]
		if match[1] == differs && r.first == "" {
			r.first = match[0]
		}
	}
	report, err := os.ReadFile(o.reportPath)
	require.NoError(t, err)
	r.report = string(report)
	return r
}

// account starts a simulator and returns the options for it.
func account(t *testing.T, cfg simulator.Config) (*simulator.Server, options) {
	t.Helper()
	cfg.KnownOnly, cfg.ReviewDelay, cfg.WebhookTimeScale = true, simulator.NoReviewDelay, 0.001
	o := defaults
	if cfg.WebhookURL != "" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = listener.Close() }) // the receiver has closed a listener that it has used
		o.listener, o.webhookAddr = listener, listener.Addr().String()
		cfg.WebhookURL = "http://" + o.webhookAddr
	} else {
		o.webhookAddr = ""
	}
	server, err := simulator.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	o.baseURL, err = server.Start("")
	require.NoError(t, err)
	o.appToken, o.secretKey, o.webhookSecret = simulator.DefaultAppToken, simulator.DefaultSecretKey, simulator.DefaultWebhookSecret
	o.userID, o.applicantID, o.level = simulator.DefaultExternalUserID, simulator.DefaultApplicantID, simulator.LevelFaceAuth
	o.write, o.production, o.timeout = true, false, time.Minute
	o.reviewWait, o.webhookWait = 2*time.Second, 20*time.Second
	return server, o
}

func TestOffline(t *testing.T) {
	t.Parallel()
	_, o := account(t, simulator.Config{WebhookURL: "in account"})
	r := run(t, t.Context(), o)
	require.NoError(t, r.err, r.output)
	require.Empty(t, r.differing(), r.output)
	for _, a := range assumptions {
		assert.Equal(t, holds, r.verdicts[a.id], "%s has no check:\n%s", a.id, r.output)
	}
	require.Len(t, r.verdicts, len(assumptions)+10)
	require.Contains(t, r.output, " 0 differ, 0 were not seen: the client can be used as it is\n")
	require.Regexp(t, `Left in the account, with the external id idngo-doctor-\w+: `+
		`action [0-9a-f]{24}, submitted; action [0-9a-f]{24}, created only`, r.output)
}

// quirks are the quirks of the simulator, each with the lines that it makes differ.
var quirks = []struct {
	quirk    string
	differ   []string
	account  []string // lines about the account that differ too
	webhooks bool
}{
	{quirk: "NoApplicantByUser", differ: []string{"applicant-by-user"}},
	{quirk: "NoApplicantByID", differ: []string{"applicant-by-id"}},
	{quirk: "ApplicantWithoutReview", differ: []string{"applicant-review"}, account: []string{"approved"}},
	{quirk: "RefuseMinimal", differ: []string{"create-minimal"}},
	{quirk: "EmptyAnswers", differ: []string{"create-answer", "submit-answer"}},
	{quirk: "OKAnswers", differ: []string{"create-answer", "submit-answer"}},
	{quirk: "ConflictOnDuplicate", differ: []string{"duplicate-external-id"}},
	{quirk: "SameOnDuplicate", differ: []string{"duplicate-external-id"}},
	{quirk: "BareList", differ: []string{"list-envelope"}},
	{quirk: "ListWithoutTotal", differ: []string{"list-total"}},
	{quirk: "TotalOfPage", differ: []string{"list-total"}},
	{quirk: "OffsetZero", differ: []string{"list-offset"}},
	{quirk: "OldestFirst", differ: []string{"list-order"}},
	{quirk: "ListWithoutExternalIDs", differ: []string{"list-external-ids"}},
	{quirk: "WithoutExternalIDs", differ: []string{"action-external-id", "list-external-ids"}},
	{quirk: "WithoutLevels", differ: []string{"action-level"}},
	{quirk: "WithoutStatus", differ: []string{"action-status"}},
	{quirk: "RootReviewResult", differ: []string{"action-result"}},
	{quirk: "ISODates", differ: []string{"action-dates"}},
	{quirk: "OddTypes", differ: []string{"member-types"}},
	{quirk: "StringImageIDs", differ: []string{"image-id-number"}},
	{quirk: "ImagesByObjectID", differ: []string{"image-by-image-id"}},
	{quirk: "RefusePreview", differ: []string{"image-preview"}},
	{quirk: "OctetStreamImages", differ: []string{"image-media-type"}},
	{quirk: "RefuseSubType", differ: []string{"image-sub-type"}},
	{quirk: "AcceptDuplicateImages", differ: []string{"image-duplicate"}},
	{quirk: "ConflictOnSubmit", differ: []string{"submit-again"}},
	{quirk: "TokenAlone", differ: []string{"token-answer"}},
	{quirk: "RefuseTTL", differ: []string{"link-ttl", "token-ttl"}},
	{quirk: "RefuseLocale", differ: []string{"link-locale"}},
	{quirk: "BareErrors", differ: []string{"error-body", "error-signature", "error-timestamp", "image-duplicate"}},
	{quirk: "ErrorsWithoutCode", differ: []string{"error-signature", "error-timestamp", "image-duplicate"}},
	{quirk: "ForbidUnknownAction", differ: []string{"error-unknown-action"}},
	{quirk: "UnknownLevelIs400", differ: []string{"error-unknown-level"}},
	{quirk: "StrictAccept", differ: []string{"accept-header"}},
	{quirk: "NoDate", differ: []string{"date-header"}},
	{quirk: "UnsignedWebhooks", differ: []string{"webhook-algorithm", "webhook-digest"}, webhooks: true},
	{quirk: "WebhooksWithoutAlgorithm", differ: []string{"webhook-algorithm"}, webhooks: true},
	{quirk: "WebhookISODates", differ: []string{"webhook-dates"}, webhooks: true},
	{quirk: "CompactWebhooks", differ: []string{"webhook-layout"}, webhooks: true},
	{quirk: "RedeliveryNewTime", differ: []string{"webhook-redelivery-time"}, webhooks: true},
	{quirk: "RedeliveryNewCorrelation", differ: []string{"webhook-redelivery-correlation"}, webhooks: true},
}

// Each quirk of the simulator makes one assumption wrong, and the line of that assumption differs.
func TestQuirks(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	for _, c := range quirks {
		for _, id := range c.differ {
			covered[id] = true
		}
		covered[c.quirk] = true
		t.Run(c.quirk, func(t *testing.T) {
			t.Parallel()
			var cfg simulator.Config
			require.NoError(t, cfg.Quirks.Set(c.quirk))
			if c.webhooks {
				cfg.WebhookURL = "in account"
			}
			_, o := account(t, cfg)
			r := run(t, t.Context(), o)
			want := slices.Sorted(slices.Values(append(slices.Clone(c.differ), c.account...)))
			require.Equal(t, want, r.differing(), r.output)
			works := c.account == nil
			for _, id := range c.differ {
				at := slices.IndexFunc(assumptions, func(a assumption) bool { return a.id == id })
				works = works && assumptions[at].works
			}
			require.Equal(t, works, r.err == nil, "%v\n%s", r.err, r.output)
		})
	}
	for _, a := range assumptions {
		assert.True(t, covered[a.id], "no quirk makes %s wrong", a.id)
	}
	for _, name := range simulator.QuirkNames() {
		assert.True(t, covered[name], "the quirk %s stands in no row", name)
	}
}

// The endpoints of applicants are inferences. If none of them exists, -applicant is enough to
// continue.
func TestNoApplicantEndpoints(t *testing.T) {
	t.Parallel()
	var cfg simulator.Config
	cfg.Quirks.NoApplicantByUser, cfg.Quirks.NoApplicantByID = true, true
	cfg.WebhookURL = "in account"
	_, o := account(t, cfg)
	r := run(t, t.Context(), o)
	require.NoError(t, r.err, r.output)
	require.Equal(t, []string{"applicant-by-id", "applicant-by-user"}, r.differing(), r.output)
	for id, verdict := range r.verdicts {
		if verdict == notSeen {
			require.Contains(t, []string{"applicant", "applicant-review", "approved"}, id, r.output)
		}
	}

	o.listener, o.webhookAddr, o.applicantID = nil, "", "5e022e0f0a975a45325c7fff"
	r = run(t, t.Context(), o)
	require.Error(t, r.err)
	require.Regexp(t, `^differs +account +applicant .*compare -applicant`, r.first, "an applicant that does not exist")
}

// If no user is found and -applicant is not set, the advice names -applicant.
func TestAdviceNamesApplicant(t *testing.T) {
	t.Parallel()
	var cfg simulator.Config
	cfg.Quirks.NoApplicantByUser = true
	_, o := account(t, cfg)
	o.applicantID = ""
	r := run(t, t.Context(), o)
	require.Error(t, r.err)
	require.Regexp(t, `^differs +account +applicant .*-applicant \(IDNGO_APPLICANT_ID\)`, r.first, r.output)
}

// If a webhook has an old algorithm, its line differs, but not the line of the digest.
func TestWebhookSHA1(t *testing.T) {
	t.Parallel()
	_, o := account(t, simulator.Config{WebhookURL: "in account", WebhookAlgorithm: string(idngo.HMACSHA1)})
	r := run(t, t.Context(), o)
	require.Equal(t, []string{"webhook-algorithm"}, r.differing(), r.output)
	require.Equal(t, holds, r.verdicts["webhook-digest"])
	require.NotContains(t, r.output, strings.ToLower(simulator.DefaultWebhookSecret))
}

// The doctor may not know which action it has made: create returns nothing, and the list has no
// external ids. It then uploads nothing, since the only action may belong to somebody else.
func TestUnknownAction(t *testing.T) {
	t.Parallel()
	var cfg simulator.Config
	cfg.Quirks.EmptyAnswers, cfg.Quirks.WithoutExternalIDs = true, true
	server, o := account(t, cfg)
	r := run(t, t.Context(), o)
	require.Equal(t, holds, r.verdicts["create-minimal"], r.output)
	require.Equal(t, notSeen, r.verdicts["submit-answer"])
	require.Len(t, server.Actions(), 1)
	require.Empty(t, server.Images(server.Actions()[0].ID))
	require.Contains(t, r.output, "perhaps an action with the external id "+server.Actions()[0].ExternalActionID)
}
