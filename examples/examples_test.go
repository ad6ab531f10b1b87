// Package examples_test runs every example as a user does: built, without credentials and without a
// network. It checks their output.
package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

func TestFaceAuth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcome string // "": without the flag
		checks  []string
		last    string
	}{
		{checks: []string{"FACE_LIVELINESS GREEN", "FACE_MATCH GREEN"}, last: "GREEN: the face is live and matches the applicant"},
		{outcome: "RED", checks: []string{"FACE_LIVELINESS GREEN", "FACE_MATCH RED"}, last: "RED BAD_FACE_MATCHING (the user may try again)"},
		{
			outcome: "RED:FRAUDULENT_LIVENESS,NOT_ALONE", checks: []string{"FACE_LIVELINESS RED"},
			last: "RED FRAUDULENT_LIVENESS NOT_ALONE (the user may try again)",
		},
		{outcome: "ERROR", checks: []string{"FACE_LIVELINESS ERROR"}, last: "ERROR"},
	} {
		t.Run(c.outcome, func(t *testing.T) {
			t.Parallel()
			var args []string
			if c.outcome != "" {
				args = []string{"-outcome", c.outcome}
			}
			r := run(t, program{name: "face_auth", args: args})
			r.succeeded(t)
			require.Regexp(t, offlineLine, r.stderr)
			require.Contains(t, r.stdout, "external id face-auth-")
			require.Regexp(t, `(?m)^uploaded 0 of \d+ bytes$`, r.stdout)
			require.Regexp(t, `(?m)^uploaded (\d+) of (\d+) bytes\nreview pending$`, r.stdout)
			require.Equal(t, c.last, r.lastLine())

			var checks []string
			for _, m := range regexp.MustCompile(`(?m)^  ([A-Z_]+) +([A-Z]+)$`).FindAllStringSubmatch(r.stdout, -1) {
				checks = append(checks, m[1]+" "+m[2])
			}
			require.Equal(t, c.checks, checks)

			answer, _, _ := strings.Cut(strings.Fields(c.last)[0], ":")
			_, timeline, found := strings.Cut(r.stdout, "\ntimeline\n")
			require.True(t, found, r.stdout)
			at := -1.0
			for i, want := range []string{
				"action [0-9a-f]{24}", "image [0-9]+ uploaded", "submitted|webhook applicantActionPending", "submitted|webhook applicantActionPending",
				"webhook applicantActionReviewed " + answer, "review completed",
			} {
				m := regexp.MustCompile(`^ +(\d+\.\d{3}) s  (?:` + want + `)$`).FindStringSubmatch(strings.Split(timeline, "\n")[i])
				require.NotNil(t, m, "line %d is not %s:\n%s", i, want, timeline)
				seconds, err := strconv.ParseFloat(m[1], 64)
				require.NoError(t, err)
				require.GreaterOrEqual(t, seconds, at)
				at = seconds
			}
		})
	}
}

// With credentials the same program calls the service that they are for. The same external id leads
// to the same action.
func TestFaceAuthWithCredentials(t *testing.T) {
	t.Parallel()
	sb, env := startSimulator(t, simulator.Config{Outcome: simulator.Outcome{
		Answer: "RED", RejectLabels: []string{"NOT_ALONE"}, RejectType: "FINAL",
	}})
	photo := filepath.Join(t.TempDir(), "photo.png")
	require.NoError(t, os.WriteFile(photo, []byte("\x89PNG\r\n\x1a\n not much of one"), 0o600))
	p := program{name: "face_auth", env: env, args: []string{
		"-applicant", simulator.DefaultApplicantID, "-level", simulator.LevelFaceAuth, "-external-id", "pay-1",
		"-image", photo, "-country", "GBR",
	}}
	// This is the state after a run that was stopped after the upload.
	client := newClient(t, env)
	action, err := client.CreateAction(t.Context(), simulator.DefaultApplicantID, idngo.CreateActionParams{
		LevelName: simulator.LevelFaceAuth, ExternalActionID: "pay-1",
	})
	require.NoError(t, err)
	_, err = client.AddImage(t.Context(), action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie, Country: "GBR", Image: idngo.ImageFile(photo),
	})
	require.NoError(t, err)
	for range 2 {
		r := run(t, p)
		r.succeeded(t)
		require.Empty(t, r.stderr)
		require.Equal(t, "RED NOT_ALONE", r.lastLine())
		require.NotContains(t, r.stdout, "webhook", "there is no secret to check one with")
	}
	actions := sb.Actions()
	require.Len(t, actions, 1)
	require.Equal(t, "pay-1", actions[0].ExternalActionID)
	require.Equal(t, 1, actions[0].Submits)
	images := sb.Images(actions[0].ID)
	require.Len(t, images, 1)
	require.Equal(t, "photo.png", images[0].FileName)
	require.Equal(t, "image/png", images[0].ContentType)
	require.Equal(t, "GBR", images[0].Country)

	p.args = append(p.args, "-external-id", "pay-2")
	run(t, p).succeeded(t)
	actions = sb.Actions()
	require.Len(t, actions, 2)
	require.Len(t, sb.Images(actions[1].ID), 1)

	r := run(t, program{name: "face_auth", env: env, args: []string{"-outcome", "RED"}})
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "only a simulator has it")
}

func TestUploadImage(t *testing.T) {
	t.Parallel()
	sb, env := startSimulator(t, simulator.Config{})
	action, err := newClient(t, env).CreateAction(t.Context(), simulator.DefaultApplicantID, idngo.CreateActionParams{
		LevelName: simulator.LevelFaceAuth, ExternalActionID: "upload",
	})
	require.NoError(t, err)

	r := run(t, program{name: "upload_image"})
	r.succeeded(t)
	require.Regexp(t, `^\d+\n$`, r.stdout, "the id, and nothing else")
	require.Regexp(t, offlineLine, r.stderr)

	file := filepath.Join(t.TempDir(), "front side.jpg")
	require.NoError(t, os.WriteFile(file, append([]byte("\xff\xd8\xff\xe0"), make([]byte, 100_000)...), 0o600))
	r = run(t, program{name: "upload_image", env: env, args: []string{"-action", action.ID, "-type", "ID_CARD", "-side", "FRONT_SIDE", file}})
	r.succeeded(t)
	require.Empty(t, r.stderr, "no bar in a pipe")

	r2 := run(t, program{name: "upload_image", env: env, args: []string{"-action", action.ID}, stdin: "from standard input"})
	r2.succeeded(t)
	images := sb.Images(action.ID)
	require.Len(t, images, 2)
	require.Equal(t, images[0].ImageID+"\n", r.stdout)
	require.Equal(t, "front side.jpg", images[0].FileName)
	require.Equal(t, "ID_CARD", images[0].IDDocType)
	require.Equal(t, "FRONT_SIDE", images[0].IDDocSubType)
	require.Equal(t, images[1].ImageID+"\n", r2.stdout)
	require.EqualValues(t, len("from standard input"), images[1].Size)

	r = run(t, program{name: "upload_image", env: env, args: []string{"-action", action.ID, file}})
	require.Equal(t, 1, r.code)
	require.Regexp(t, `^upload_image: the action has this image already: idngo: AddImage: 409 [^\n]*\n$`, r.stderr)
}

// On a terminal each bar overwrites the one before. script(1) provides the terminal.
func TestUploadImageOnTerminal(t *testing.T) {
	t.Parallel()
	script, err := exec.LookPath("script")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("needs the script command of util-linux")
	}
	out := filepath.Join(t.TempDir(), "id")
	cmd := exec.CommandContext(t.Context(), script, "-qec", "'"+binary(t, "upload_image")+"' > '"+out+"'", "/dev/null")
	cmd.Env = environment(t, nil)
	screen, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", screen)
	require.Contains(t, string(screen), "\r["+strings.Repeat(".", 30)+"]   0 %  0.0 of 0.0 MB")
	require.Contains(t, string(screen), "\r["+strings.Repeat("#", 30)+"] 100 %")
	id, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Regexp(t, `^\d+\n$`, string(id))
}

func TestDownloadImage(t *testing.T) {
	t.Parallel()
	r := run(t, program{name: "download_image", leavesFiles: true})
	r.succeeded(t)
	require.Regexp(t, offlineLine, r.stderr)
	content, err := os.ReadFile(strings.TrimSpace(r.stdout))
	require.NoError(t, err)
	require.Equal(t, "image/jpeg", http.DetectContentType(content))
	require.Equal(t, ".jpg", filepath.Ext(strings.TrimSpace(r.stdout)))

	sb, env := startSimulator(t, simulator.Config{})
	client := newClient(t, env)
	action, err := client.CreateAction(t.Context(), simulator.DefaultApplicantID, idngo.CreateActionParams{
		LevelName: simulator.LevelFaceAuth, ExternalActionID: "download",
	})
	require.NoError(t, err)
	var ids []string
	for _, text := range []string{"first", "second"} {
		image, err := client.AddImage(t.Context(), action.ID, idngo.AddImageParams{
			IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes(text+".png", []byte("\x89PNG\r\n\x1a\n"+text)),
		})
		require.NoError(t, err)
		ids = append(ids, string(image.ImageID))
	}
	dir := t.TempDir()
	args := []string{"-action", action.ID, "-dir", dir}
	run(t, program{name: "download_image", env: env, args: append(args, "-image", ids[1], "-preview")}).succeeded(t)
	require.Equal(t, []string{ids[1] + "-preview.png"}, files(t, dir))
	run(t, program{name: "download_image", env: env, args: args}).succeeded(t)
	require.ElementsMatch(t, []string{ids[0] + ".png", ids[1] + ".png", ids[1] + "-preview.png"}, files(t, dir))
	content, err = os.ReadFile(filepath.Join(dir, ids[0]+".png"))
	require.NoError(t, err)
	require.Equal(t, "\x89PNG\r\n\x1a\nfirst", string(content))

	r = run(t, program{name: "download_image", env: env, args: append(args, "-image", "1")})
	require.Equal(t, 1, r.code)
	require.Equal(t, "download_image: action "+action.ID+" has no image 1\n", r.stderr)

	// A truncated image leaves no file under either name.
	dir = t.TempDir()
	require.NoError(t, sb.SetFaults(&simulator.Faults{
		Operations: []string{"OpenImage"}, Chances: []simulator.Chance{{Fault: simulator.Fault{Kind: simulator.FaultTruncate}, Probability: 1}},
	}))
	r = run(t, program{name: "download_image", env: env, args: []string{"-action", action.ID, "-dir", dir}})
	require.Equal(t, 1, r.code)
	require.Regexp(t, `^download_image: idngo: DownloadImage: open image: [^\n]+\n$`, r.stderr)
	require.Empty(t, files(t, dir))
}

func TestWebhookServer(t *testing.T) {
	t.Parallel()
	r := run(t, program{name: "webhook_server"})
	r.succeeded(t)
	made := regexp.MustCompile(`the simulator made (\d+) deliveries of 7 events, 21 were answered with 200\n`).FindStringSubmatch(r.stderr)
	require.NotNil(t, made, r.stderr)
	deliveries, err := strconv.Atoi(made[1])
	require.NoError(t, err)
	require.GreaterOrEqual(t, deliveries, 21, "a late answer causes one more")
	var effects []string
	for _, m := range regexp.MustCompile(`(?m)^\S+ \S+ action [0-9a-f]{24}: (.*)$`).FindAllStringSubmatch(r.stderr, -1) {
		effects = append(effects, m[1])
	}
	require.ElementsMatch(t, []string{
		"nothing to do for applicantActionPending", "pay out: true []", "pay out: false []", // the action was reviewed twice and paid once
		"nothing to do for applicantActionPending", "pay out: false [BAD_FACE_MATCHING]",
		"nothing to do for applicantActionPending", "nothing to do for applicantActionOnHold",
	}, effects, "each event once:\n%s", r.stderr)

	r = run(t, program{name: "webhook_server", env: []string{"IDNGO_APP_TOKEN=a.b", "IDNGO_SECRET_KEY=c"}})
	require.Equal(t, 1, r.code)
	require.Regexp(t, `^\S+ \S+ webhook_server: IDNGO_WEBHOOK_SECRET: idngo: [^\n]+\n$`, r.stderr)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, env := startSimulator(t, simulator.Config{})
	r = run(t, program{name: "webhook_server", env: append(env, "IDNGO_WEBHOOK_SECRET=s"), args: []string{"-addr", l.Addr().String()}})
	require.Equal(t, 1, r.code)
	require.Regexp(t, `^\S+ \S+ webhook_server: listen [^\n]+\n$`, r.stderr)
}

func TestWebSDKLink(t *testing.T) {
	t.Parallel()
	r := run(t, program{name: "websdk_link"})
	r.succeeded(t)
	require.Regexp(t, `^http://127\.0\.0\.1:\d+/idensic/l/#/\w+\n$`, r.stdout, "in a pipe the link, and nothing else")
	require.Regexp(t, offlineLine, r.stderr)
	r = run(t, program{name: "websdk_link", args: []string{"-token"}})
	r.succeeded(t)
	require.Regexp(t, `^_act-\S+\n$`, r.stdout)

	// As on a terminal, the simulator runs until somebody has chosen an outcome on its page.
	p := start(t, program{name: "websdk_link", args: []string{"-wait", "-external-id", "pay-1"}})
	link, err := url.Parse(p.line())
	require.NoError(t, err)
	code := strings.TrimPrefix(link.Fragment, "/")
	link.Fragment = ""
	body, err := json.Marshal(map[string]any{"code": code, "outcome": "reject", "rejectLabels": []string{"NOT_ALONE", "OTHER"}})
	require.NoError(t, err)
	response, err := http.Post(link.String()+"api/decision", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "RED NOT_ALONE OTHER", p.line())
	r = p.wait()
	r.succeeded(t)
}

func TestListActions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want []string
	}{
		{want: []string{"payment-6", "payment-5", "payment-4", "payment-3", "payment-2", "payment-1"}},
		{args: []string{"-status", "completed", "-answer", "RED"}, want: []string{"payment-5", "payment-2"}},
		{args: []string{"-status", "onHold"}, want: []string{"payment-3"}},
		{args: []string{"-answer", "GREEN", "-max", "1"}, want: []string{"payment-4"}},
		{args: []string{"-since", "24h"}, want: []string{"payment-6", "payment-5", "payment-4", "payment-3", "payment-2", "payment-1"}},
		{args: []string{"-since", "1ns"}},
		{args: []string{"-external-id", "payment-2"}, want: []string{"payment-2"}},
	} {
		r := run(t, program{name: "list_actions", args: c.args})
		r.succeeded(t)
		lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
		require.Equal(t, []string{"CREATED", "ACTION", "EXTERNAL", "ID", "STATUS", "ANSWER", "LABELS"}, strings.Fields(lines[0]))
		var ids []string
		for _, line := range lines[1:] {
			ids = append(ids, strings.Fields(line)[3])
		}
		require.Equal(t, c.want, ids, r.stdout)
		if slices.Equal(c.want, []string{"payment-5", "payment-2"}) {
			require.Regexp(t, ` completed  RED     FRAUDULENT_LIVENESS, NOT_ALONE\n`, r.stdout)
		}
	}
	r := run(t, program{name: "list_actions", args: []string{"-external-id", "nowhere"}})
	require.Equal(t, 1, r.code)
	require.Regexp(t, `list_actions: idngo: [^\n]*not found[^\n]*\n$`, r.stderr)
}

func TestQuestionnaire(t *testing.T) {
	t.Parallel()
	r := run(t, program{name: "questionnaire"})
	r.succeeded(t)
	require.Regexp(t, offlineLine, r.stderr)
	require.Contains(t, r.stdout, `QUESTIONNAIRE  SECTION  ITEM        ANSWER
sourceOfFunds  consent  since       2026-01-31
sourceOfFunds  consent  truthful    true
sourceOfFunds  income   inherited   (null)
sourceOfFunds  income   occupation  Engineer
sourceOfFunds  income   sources     salary | dividends
`)
	require.JSONEq(t, `[{"id":"sourceOfFunds","sections":{
		"consent":{"items":{"since":{"value":"2026-01-31"},"truthful":{"value":"true"}}},
		"income":{"items":{"inherited":{"value":null},"occupation":{"value":"Engineer"},
			"sources":{"values":["salary","dividends"]}}}}}]`, r.lastLine())
}

func TestSimulator(t *testing.T) {
	t.Parallel()
	verifier, err := idngo.NewWebhookVerifier("it's a secret")
	require.NoError(t, err)
	events := make(chan *idngo.WebhookEvent, 10)
	receiver := &http.Server{Handler: verifier.Handler(func(_ context.Context, e *idngo.WebhookEvent) error {
		events <- e
		return nil
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = receiver.Serve(l) }()
	t.Cleanup(func() { receiver.Close() })

	p := start(t, program{name: "simulator", args: []string{
		"-addr", "127.0.0.1:0", "-webhook-url", "http://" + l.Addr().String(), "-webhook-secret", "it's a secret",
		"-outcome", "RED:NOT_ALONE", "-review-delay", "0", "-fault", "503@GetAction=1",
	}})
	var env []string
	var page string
	for page == "" {
		line := p.line()
		if m := regexp.MustCompile(`^export (IDNGO_[A-Z_]+)='(.*)'$`).FindStringSubmatch(line); m != nil {
			env = append(env, m[1]+"="+m[2])
		}
		if _, at, ok := strings.Cut(line, "to try it: "); ok {
			page = at
		}
	}
	require.Contains(t, env, "IDNGO_APP_TOKEN="+simulator.DefaultAppToken)
	require.Contains(t, env, "IDNGO_SECRET_KEY="+simulator.DefaultSecretKey)
	require.Contains(t, env, `IDNGO_WEBHOOK_SECRET=it'\''s a secret`, "quoted for a shell")
	response, err := http.Get(page)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, "text/html; charset=utf-8", response.Header.Get("Content-Type"))

	env = slices.DeleteFunc(env, func(pair string) bool { return strings.HasPrefix(pair, "IDNGO_WEBHOOK") })
	client := newClient(t, env)
	action, err := client.EnsureAction(t.Context(), simulator.DefaultApplicantID, idngo.CreateActionParams{
		LevelName: simulator.LevelFaceAuth, ExternalActionID: "pay-1",
	})
	require.NoError(t, err)
	_, err = client.AddImage(t.Context(), action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes("a.jpg", []byte("\xff\xd8\xff\xe0")),
	})
	require.NoError(t, err)
	action, err = client.SubmitAction(t.Context(), action.ID)
	require.NoError(t, err)
	require.Equal(t, idngo.ReviewStatusPending, action.Review.ReviewStatus)
	list, err := client.ListActions(t.Context(), simulator.DefaultApplicantID, idngo.ListActionsParams{})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	require.Equal(t, []idngo.RejectLabel{"NOT_ALONE"}, list.Items[0].Review.ReviewResult.RejectLabels)
	for _, want := range []idngo.WebhookType{idngo.WebhookTypeApplicantActionPending, idngo.WebhookTypeApplicantActionReviewed} {
		select {
		case e := <-events:
			require.Equal(t, want, e.Type)
		case <-time.After(time.Minute):
			require.FailNow(t, "no webhook", want)
		}
	}
	_, err = client.GetAction(t.Context(), action.ID)
	require.ErrorIs(t, err, idngo.ErrServer)
	_, err = newClient(t, append(env, "IDNGO_SECRET_KEY=another-key")).CreateAccessToken(t.Context(), idngo.AccessTokenParams{
		UserID: "Ann O'Neill", LevelName: simulator.LevelFaceAuth,
	})
	require.ErrorIs(t, err, idngo.ErrSignatureMismatch)
	_, err = client.CreateAccessToken(t.Context(), idngo.AccessTokenParams{
		UserID: simulator.DefaultExternalUserID, LevelName: simulator.LevelFaceAuth,
	})
	require.NoError(t, err)

	if runtime.GOOS == "windows" {
		p.kill()
		return
	}
	p.interrupt()
	r := p.wait()
	require.Equal(t, 0, r.code, r.stderr)
	for _, want := range []string{
		`Page +200  signature unsigned +GET /idensic/l/`,
		`ListActions +200  signature ok +GET /resources/applicantActions/-;applicantId=` + simulator.DefaultApplicantID +
			`\?limit=100&offset=0&order=-createdAt`,
		`CreateAction +200  signature ok +POST /resources/applicantActions/-/forApplicant/` + simulator.DefaultApplicantID +
			`\?levelName=action-liveness`,
		`AddImage +200  signature ok .*/images`,
		`SubmitAction +200  signature ok .*`,
		`GetAction +503  signature ok .*  fault status`,
		`CreateAccessToken +401  signature wrong +should have been over ` +
			`"\d+POST/resources/accessTokens\?levelName=action-liveness&ttlInSecs=600&userId=Ann%20O%27Neill"`,
	} {
		require.Regexp(t, `(?m)^\d\d:\d\d:\d\d\.\d{6} `+want+`$`, r.stderr)
	}
	for _, secret := range []string{simulator.DefaultAppToken, simulator.DefaultSecretKey, "another-key", "it's a secret", "_act-"} {
		require.NotContains(t, r.stderr, secret)
	}

	r = run(t, program{name: "simulator", args: []string{"-addr", l.Addr().String()}})
	require.Equal(t, 1, r.code)
	require.Regexp(t, `^simulator: listen [^\n]+\n$`, r.stderr)
	require.Equal(t, 2, run(t, program{name: "simulator", args: []string{"-fault", "nonsense"}}).code)
	require.Equal(t, 2, run(t, program{name: "simulator", args: []string{"-outcome", "PURPLE"}}).code)
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, name := range programs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, program{name: name, args: []string{"-h"}})
			require.Equal(t, 0, r.code, r.stderr)
			first, _, _ := strings.Cut(r.stderr, "\n")
			require.Regexp(t, `^`+name+` [a-z][^.]*(\.[^.\s][^.]*)*\.$`, first, "one sentence that says what it does")
			require.NotRegexp(t, offlineLine, r.stderr, "nothing is started for that")
			require.Empty(t, r.stdout)
		})
	}
}

// If the service refuses a call, the program ends with one line that has the reason.
func TestRefused(t *testing.T) {
	t.Parallel()
	sb, env := startSimulator(t, simulator.Config{})
	env = append(env, "IDNGO_SECRET_KEY=not-the-right-one", "IDNGO_ACTION_ID=6b0366070287519b0b000002")
	for name, call := range map[string]string{
		"face_auth": "FindApplicant", "upload_image": "AddImage", "download_image": "GetAction",
		"websdk_link": "EnsureAction: list actions", "list_actions": "AllActions: list actions", "questionnaire": "CreateAction",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, program{name: name, env: env, stdin: "an image"})
			require.Equal(t, 1, r.code)
			require.Regexp(t, `^`+name+`: idngo: `+call+`: 401 Unauthorized, code 4003 [^\n]*\n$`, r.stderr)
			require.NotContains(t, r.stderr+r.stdout, "not-the-right-one")
			require.NotContains(t, r.stderr+r.stdout, simulator.DefaultAppToken)
		})
	}
	t.Run("unknown applicant", func(t *testing.T) {
		t.Parallel()
		_, env := startSimulator(t, simulator.Config{KnownOnly: true})
		r := run(t, program{name: "face_auth", env: env, args: []string{"-applicant", "nobody"}})
		require.Equal(t, 1, r.code)
		require.Regexp(t, `(?m)^face_auth: idngo: GetApplicant: 404 Not Found: [^\n]+, correlation id \S+\n$`, r.stderr)
	})
	t.Run("a flag without its value", func(t *testing.T) {
		t.Parallel()
		_, env := startSimulator(t, simulator.Config{})
		r := run(t, program{name: "face_auth", env: append(env, "IDNGO_USER_ID=")})
		require.Equal(t, 1, r.code)
		require.Regexp(t, `^face_auth: idngo: [^\n]*invalid argument[^\n]*externalUserID[^\n]*\n$`, r.stderr)
	})
	t.Run("applicants who are not approved", func(t *testing.T) {
		t.Parallel()
		sb, env := startSimulator(t, simulator.Config{})
		require.NoError(t, sb.AddApplicantJSON([]byte(
			`{"id":"63e096c51b6b4030f2e01156","externalUserId":"Q","review":{"reviewStatus":"pending"}}`)))
		for _, args := range [][]string{{"-user", "Q"}, {"-applicant", "63e096c51b6b4030f2e01156"}} {
			r := run(t, program{name: "face_auth", env: env, args: args})
			require.Equal(t, 1, r.code)
			require.Equal(t, "face_auth: the applicant is not approved\n", r.stderr)
		}
		require.Empty(t, sb.Actions())
	})
	t.Cleanup(func() { require.Empty(t, sb.Actions()) })
}

// Without credentials the doctor examines a simulator, and all lines hold.
func TestDoctor(t *testing.T) {
	t.Parallel()
	r := run(t, program{name: "doctor"})
	r.succeeded(t)
	require.Regexp(t, offlineLine, r.stderr)
	require.Regexp(t, `\n\d+ lines hold, 0 differ, 0 were not seen: the client can be used as it is\n$`, r.stdout)

	r = run(t, program{name: "doctor", args: []string{"-quirk", "BareList"}})
	r.succeeded(t)
	require.Regexp(t, `(?m)^differs +wire +list-envelope +expected: `, r.stdout)
	require.Contains(t, r.stdout, " 1 differ, 0 were not seen: the client can be used as it is\n")
	require.Equal(t, 2, run(t, program{name: "doctor", args: []string{"-quirk", "nonsense"}}).code)

	_, env := startSimulator(t, simulator.Config{KnownOnly: true})
	r = run(t, program{name: "doctor", env: append(env, "IDNGO_SECRET_KEY=not-the-right-one")})
	require.Equal(t, 1, r.code)
	require.Regexp(t, `^doctor: credentials: expected: [^\n]+; do: take the secret key that belongs to this app token[^\n]+\n$`, r.stderr)
	require.Equal(t, 2, run(t, program{name: "doctor", env: env, args: []string{"-quirk", "BareList"}}).code)
}

// An interrupt ends the doctor. Its output names everything that it leaves behind.
func TestDoctorInterrupted(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such signal")
	}
	sb, env := startSimulator(t, simulator.Config{Faults: &simulator.Faults{Counts: []simulator.Count{
		{Fault: simulator.Fault{Kind: simulator.FaultSlowHeaders, Operation: "ListActions", Delay: time.Hour}, N: 1},
	}}})
	p := start(t, program{name: "doctor", env: env, args: []string{"-write"}})
	for !strings.Contains(p.line(), " duplicate-external-id ") {
	}
	p.interrupt()
	r := p.wait()
	require.Equal(t, 1, r.code)
	require.Regexp(t, `^doctor: not finished: (context canceled|interrupt signal received)\n$`, r.stderr)
	actions := sb.Actions()
	require.Len(t, actions, 2)
	for _, action := range actions {
		require.Contains(t, r.stdout, "action "+action.ID)
	}
}

// An argument that flag.Parse leaves is an error, since the program would ignore the flags after
// it.
func TestOperands(t *testing.T) {
	t.Parallel()
	for _, name := range programs(t) {
		code := map[string]int{"simulator": 2, "doctor": 2}[name] // these exit with the status for other wrong flags
		args := []string{"extra"}
		switch name {
		case "upload_image": // it takes one file
			args = []string{"selfie.jpg", "extra"}
		case "webhook_server":
			continue // it has only one flag, and at most 80 lines
		}
		r := run(t, program{name: name, args: args})
		require.Equal(t, max(code, 1), r.code, name)
		require.Regexp(t, `(?m)^`+name+`: unexpected argument "extra": [^\n]+\n$`, r.stderr)
		require.Empty(t, r.stdout)
	}
}

// An interrupt ends a program that waits.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such signal")
	}
	p := start(t, program{name: "face_auth", args: []string{"-outcome", "onHold"}})
	for p.line() != "review onHold" {
	}
	p.interrupt()
	r := p.wait()
	require.Equal(t, 1, r.code)
	require.Regexp(t, `\nface_auth: idngo: WaitForReview: not completed: (context canceled|interrupt signal received)\n$`, r.stderr)
}

// The files of each example but offline.go build in an empty module with a replace directive.
// Without credentials the program names the missing variable.
func TestCopies(t *testing.T) {
	if testing.Short() {
		t.Skip("links every example a second time")
	}
	t.Parallel()
	repository, err := filepath.Abs("..")
	require.NoError(t, err)
	dir := t.TempDir()
	sums, err := os.ReadFile(filepath.Join(repository, "go.sum"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600))
	// The module has the requirements of this one, so the go command needs only modules that the build
	// of this one has downloaded.
	mod, err := os.ReadFile(filepath.Join(repository, "go.mod"))
	require.NoError(t, err)
	mod = bytes.Replace(mod, []byte("module github.com/idngo-go/idngo"), []byte("module example.com/copied"), 1)
	mod = fmt.Appendf(mod, "\nrequire github.com/idngo-go/idngo v0.0.0\n\nreplace github.com/idngo-go/idngo => %s\n",
		strconv.Quote(filepath.ToSlash(repository)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), mod, 0o600))
	copied := slices.DeleteFunc(programs(t), func(name string) bool {
		_, err := os.Stat(filepath.Join(name, "offline.go"))
		return err != nil // the simulator is not an example of a client
	})
	require.GreaterOrEqual(t, len(copied), 8)
	copied = copied[:faultnet.Count(len(copied), 2, 2)] // linking takes long
	for _, name := range copied {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		for _, file := range sources(t, name) {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), source, 0o600))
		}
	}
	bin := filepath.Join(dir, "bin")
	require.NoError(t, os.Mkdir(bin, 0o700))
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-w", "-o", bin+string(filepath.Separator), "./...")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	for _, name := range copied {
		r := run(t, program{name: name, path: filepath.Join(bin, name+exe)})
		require.Equal(t, 1, r.code, name)
		require.Regexp(t, `^[^\n]*\b`+name+`: [^\n]*(IDNGO_APP_TOKEN|IDNGO_WEBHOOK_SECRET)[^\n]*\n$`, r.stderr)
	}
}

// The files of each example can be copied: they import only the public package and the standard
// library.
func TestMainsAreCopyable(t *testing.T) {
	t.Parallel()
	for _, name := range programs(t) {
		if name == "simulator" {
			continue
		}
		for _, source := range sources(t, name) {
			file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ImportsOnly|parser.ParseComments)
			require.NoError(t, err)
			for _, i := range file.Imports {
				path, err := strconv.Unquote(i.Path.Value)
				require.NoError(t, err)
				first, _, _ := strings.Cut(path, "/")
				require.True(t, path == "github.com/idngo-go/idngo" || !strings.Contains(first, "."), "%s imports %s", source, path)
			}
			if filepath.Base(source) == "main.go" {
				require.True(t, strings.HasPrefix(file.Doc.Text(), "Command "+name+" "), name)
			}
		}
	}
	receiver, err := os.ReadFile("webhook_server/main.go")
	require.NoError(t, err)
	require.Less(t, bytes.Count(receiver, []byte("\n")), 80)
}

// Every receiver logs the deliveries that it refuses. Otherwise nobody would learn of a wrong
// secret.
func TestReceiversLogRefusals(t *testing.T) {
	t.Parallel()
	receivers := 0
	mains, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	for _, main := range mains {
		source, err := os.ReadFile(main)
		require.NoError(t, err)
		if bytes.Contains(source, []byte("idngo.NewWebhookVerifier(")) {
			receivers++
			require.Contains(t, string(source), "idngo.WithWebhookErrors(", main)
			require.Contains(t, string(source), "slog.Error", main)
		}
	}
	require.GreaterOrEqual(t, receivers, 5)
}

// sources returns the files of an example that a user copies: all but offline.go and tests.
func sources(t *testing.T, name string) (files []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(name, "*.go"))
	require.NoError(t, err)
	for _, file := range all {
		if filepath.Base(file) != "offline.go" && !strings.HasSuffix(file, "_test.go") {
			files = append(files, file)
		}
	}
	require.NotEmpty(t, files)
	return files
}

// Every method of Client that makes calls stands in at least one example. Examples in modules of
// their own count.
func TestEveryCall(t *testing.T) {
	t.Parallel()
	mains, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	var all []byte
	for _, main := range mains {
		for _, file := range sources(t, filepath.Dir(main)) {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			all = append(all, source...)
		}
	}
	client := reflect.TypeFor[*idngo.Client]()
	for i := range client.NumMethod() {
		method := client.Method(i).Name
		if slices.Contains([]string{"String", "Format", "LogValue"}, method) {
			continue
		}
		require.True(t, bytes.Contains(all, []byte("."+method+"(")), "%s stands in no example", method)
	}
}

var offlineLine = regexp.MustCompile(
	`(?m)^no credentials in the environment: using a simulator in this process, at http://127\.0\.0\.1:\d+$`)

var exe = map[bool]string{true: ".exe"}[runtime.GOOS == "windows"]

// programs returns the names of the examples in this module.
func programs(t *testing.T) []string {
	t.Helper()
	mains, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	var names []string
	for _, main := range mains {
		name := filepath.Dir(main)
		if _, err := os.Stat(filepath.Join(name, "go.mod")); errors.Is(err, fs.ErrNotExist) {
			names = append(names, name)
		}
	}
	require.GreaterOrEqual(t, len(names), 9)
	return names
}

var builtIn string // the directory of the examples' binaries

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if builtIn, err = os.MkdirTemp("", "idngo-examples-"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(builtIn)
		return faultnet.RunTests(m)
	}())
}

// buildAll builds every example with one go command. One command for each example takes a third
// longer. It uses the race detector if this test does.
var buildAll = sync.OnceValue(func() error {
	args := []string{"build", "-ldflags=-w", "-o", builtIn + string(filepath.Separator)} // -w leaves out debug information
	if raceDetector() {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "./...")...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
})

// binary returns the path of an example's binary. With -short it skips the test.
func binary(t *testing.T, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: links every example")
	}
	require.NoError(t, buildAll())
	return filepath.Join(builtIn, name+exe)
}

// raceDetector reports whether this test runs with the race detector.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// program describes how to run an example.
type program struct {
	name        string
	path        string   // the path of the binary; "": the example is built
	args        []string // the flags
	env         []string // variables in addition to those of environment
	stdin       string   // standard input; "": it is empty, as for a background job
	leavesFiles bool     // whether it leaves temporary files behind
}

type result struct {
	stdout, stderr string
	code           int
}

// succeeded requires that the run ended with code 0 and without a data race.
func (r result) succeeded(t *testing.T) {
	t.Helper()
	require.Equal(t, 0, r.code, "%s%s", r.stdout, r.stderr)
	require.NotContains(t, r.stderr, "DATA RACE")
}

// lastLine returns the last line of the standard output.
func (r result) lastLine() string {
	lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
	return lines[len(lines)-1]
}

// run runs an example to its end.
func run(t *testing.T, p program) result {
	t.Helper()
	return start(t, p).wait()
}

// process is a running example.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	tmp    string // the directory that must be empty at the end; "": it is not checked
	out    *bufio.Reader
	stdout bytes.Buffer // the output that line has read, and at the end the rest of it
	stderr bytes.Buffer
}

// start starts an example in an empty directory.
func start(t *testing.T, p program) *process {
	t.Helper()
	if p.path == "" {
		p.path = binary(t, p.name)
	}
	tmp := t.TempDir()
	// The limit is longer than any example takes on a busy machine. It ends a test that would hang.
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	run := &process{t: t, cmd: exec.CommandContext(ctx, p.path, p.args...)}
	run.cmd.Env = environment(t, append([]string{"TMPDIR=" + tmp, "TMP=" + tmp, "TEMP=" + tmp}, p.env...))
	run.cmd.Dir = tmp
	run.cmd.Stderr = &run.stderr
	run.cmd.WaitDelay = time.Second
	if p.stdin != "" {
		run.cmd.Stdin = strings.NewReader(p.stdin)
	}
	if !p.leavesFiles {
		run.tmp = tmp
	}
	out, err := run.cmd.StdoutPipe()
	require.NoError(t, err)
	run.out = bufio.NewReader(out)
	require.NoError(t, run.cmd.Start())
	return run
}

// line returns the next line of standard output.
func (p *process) line() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	p.stdout.WriteString(line)
	if err != nil {
		_ = p.cmd.Wait()
		require.FailNow(p.t, "the program ended", "%s%s", &p.stdout, &p.stderr)
	}
	return strings.TrimSuffix(line, "\n")
}

// interrupt sends the process an interrupt, as Ctrl-C does.
func (p *process) interrupt() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(os.Interrupt))
}

// kill kills the process and waits until it has ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// wait waits for the end of the process and returns what it has printed.
func (p *process) wait() result {
	p.t.Helper()
	_, err := p.out.WriteTo(&p.stdout)
	require.NoError(p.t, err)
	err = p.cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(p.t, err)
	}
	if p.tmp != "" {
		require.Empty(p.t, files(p.t, p.tmp), "left behind")
	}
	return result{p.stdout.String(), p.stderr.String(), p.cmd.ProcessState.ExitCode()}
}

// environment returns the variables that any program needs, and those of more. It has no other
// variable of IDnGO.
func environment(t *testing.T, more []string) []string {
	t.Helper()
	env := []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	if root := os.Getenv("SYSTEMROOT"); root != "" {
		env = append(env, "SYSTEMROOT="+root)
	}
	return append(env, more...)
}

// files returns the names of the files in a directory.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// startSimulator starts a simulator for the examples and returns the variables with its
// credentials.
func startSimulator(t *testing.T, cfg simulator.Config) (*simulator.Server, []string) {
	t.Helper()
	sb, err := simulator.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sb.Close()) })
	baseURL, err := sb.Start("")
	require.NoError(t, err)
	return sb, []string{
		"IDNGO_BASE_URL=" + baseURL, "IDNGO_APP_TOKEN=" + simulator.DefaultAppToken, "IDNGO_SECRET_KEY=" + simulator.DefaultSecretKey,
		"IDNGO_APPLICANT_ID=" + simulator.DefaultApplicantID, "IDNGO_USER_ID=" + simulator.DefaultExternalUserID,
		"IDNGO_LEVEL=" + simulator.LevelFaceAuth,
	}
}

// newClient returns a client for the credentials in an environment.
func newClient(t *testing.T, env []string) *idngo.Client {
	t.Helper()
	values := map[string]string{}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		values[name] = value
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := idngo.NewClient(
		idngo.Credentials{AppToken: idngo.Secret(values["IDNGO_APP_TOKEN"]), SecretKey: idngo.Secret(values["IDNGO_SECRET_KEY"])},
		idngo.WithBaseURL(values["IDNGO_BASE_URL"]), idngo.WithHTTPClient(&http.Client{Transport: transport}),
		idngo.WithRetryPolicy(idngo.RetryPolicy{MinDelay: time.Millisecond, MaxDelay: time.Millisecond}))
	require.NoError(t, err)
	return client
}
