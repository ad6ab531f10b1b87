package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/simulator"
)

// wrongAccounts are faults of an account, each with the first line that differs.
var wrongAccounts = map[string]struct {
	config simulator.Config
	change func(*testing.T, *simulator.Server, *options)
	line   string // the id of the first line that differs
	advice string // a part of its advice
}{
	"no credentials": {
		change: func(_ *testing.T, _ *simulator.Server, o *options) { o.appToken, o.secretKey = "", "" },
		line:   "variables", advice: "copy token and key",
	},
	"wrong key": {
		change: func(_ *testing.T, _ *simulator.Server, o *options) { o.secretKey = "another-key" },
		line:   "credentials", advice: "take the secret key that belongs to this app token",
	},
	"swapped token and key": {
		change: func(_ *testing.T, _ *simulator.Server, o *options) { o.appToken, o.secretKey = o.secretKey, o.appToken },
		line:   "variables", advice: "swap the two variables",
	},
	"token of the other environment": {
		change: func(_ *testing.T, _ *simulator.Server, o *options) { o.appToken = "sbx:public.private" },
		line:   "credentials", advice: "one environment (sandbox or production)",
	},
	"clock 10 minutes behind": {
		config: simulator.Config{Clock: func() time.Time { return time.Now().Add(10 * time.Minute) }},
		line:   "clock", advice: "set the clock of this machine",
	},
	"clock 10 minutes ahead, and no Date": {
		config: simulator.Config{
			Clock:  func() time.Time { return time.Now().Add(-10 * time.Minute) },
			Quirks: simulator.Quirks{WireQuirks: simulator.WireQuirks{NoDate: true}},
		},
		line: "clock", advice: "set the clock of this machine",
	},
	"no user": {
		change: func(_ *testing.T, _ *simulator.Server, o *options) { o.userID = "" },
		line:   "applicant", advice: "give -user",
	},
	"unknown user": {
		change: func(_ *testing.T, _ *simulator.Server, o *options) { o.userID = "nobody" },
		line:   "applicant", advice: "take a user that the dashboard shows",
	},
	"user that is not approved": {
		change: func(t *testing.T, server *simulator.Server, o *options) {
			o.userID = "new-user"
			require.NoError(t, server.AddApplicantJSON([]byte(`{"id":"5e022e0f0a975a45325c7ff5","externalUserId":"new-user",
				"review":{"reviewStatus":"init"}}`)))
		},
		line: "approved", advice: "approve the user in the dashboard",
	},
	"no level": {
		change: func(_ *testing.T, _ *simulator.Server, o *options) { o.level = "" },
		line:   "level", advice: "give -level",
	},
	"unknown level": {
		change: func(_ *testing.T, _ *simulator.Server, o *options) { o.level = "Action-Liveness" },
		line:   "level", advice: "copy the name from the dashboard, with its capitals",
	},
	"level of another type": {
		config: simulator.Config{Faults: &simulator.Faults{Counts: []simulator.Count{
			{Fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 404, Operation: "CreateAction"}, N: 1},
		}}},
		line: "level-type", advice: `choose the type "Applicant actions"`,
	},
	"base URL of another machine, without TLS": {
		change: func(_ *testing.T, _ *simulator.Server, o *options) { o.baseURL = "http://api.example" },
		line:   "variables", advice: "correct IDNGO_BASE_URL",
	},
	"service down": {
		change: func(t *testing.T, server *simulator.Server, _ *options) { require.NoError(t, server.Close()) },
		line:   "host", advice: "try again later if the service is down",
	},
	"service answers 503": {
		config: simulator.Config{Faults: &simulator.Faults{Chances: []simulator.Chance{
			{Fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 503}, Probability: 1},
		}}},
		line: "host", advice: "try again later",
	},
	"service answers 429": {
		config: simulator.Config{Faults: &simulator.Faults{Chances: []simulator.Chance{
			{Fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 429}, Probability: 1},
		}}},
		line: "credentials", advice: "wait a minute and run again",
	},
	"service answers 429 for the applicant": {
		config: simulator.Config{Faults: &simulator.Faults{Chances: []simulator.Chance{
			{Fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 429, Operation: "GetApplicant"}, Probability: 1},
			{Fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 404, Operation: "FindApplicant"}, Probability: 1},
		}}},
		line: "applicant", advice: "wait a minute and run again",
	},
	"proxy that answers HTML": {
		config: simulator.Config{Faults: &simulator.Faults{Chances: []simulator.Chance{
			{Fault: simulator.Fault{Kind: simulator.FaultHTML, Status: 403}, Probability: 1},
		}}},
		line: "host", advice: "ask who runs the proxy",
	},
	"proxy that redirects": {
		change: func(t *testing.T, _ *simulator.Server, o *options) {
			o.baseURL = serve(t, http.RedirectHandler("/login", http.StatusFound))
		},
		line: "host", advice: "correct IDNGO_BASE_URL",
	},
	"another server": {
		change: func(t *testing.T, _ *simulator.Server, o *options) { o.baseURL = serve(t, http.NotFoundHandler()) },
		line:   "host", advice: "IDNGO_BASE_URL",
	},
}

// If something is wrong with an account, the first line that differs names it and the advice.
func TestAccount(t *testing.T) {
	t.Parallel()
	for name, c := range wrongAccounts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && strings.Contains(name, "answers 429") {
				t.Skip("-short: the client waits between its attempts")
			}
			server, o := account(t, c.config)
			if c.change != nil {
				c.change(t, server, &o)
			}
			r := run(t, t.Context(), o)
			require.Error(t, r.err, r.output)
			require.Regexp(t, `^differs +account +`+c.line+` .*; do: .*`, r.first, r.output)
			require.Contains(t, r.first, c.advice)
			require.Regexp(t, `^`+c.line+`: expected: .+; do: .+$`, r.err.Error())
			require.Len(t, strings.Split(r.err.Error(), "\n"), 1)
			for _, a := range assumptions {
				require.Contains(t, r.verdicts, a.id, "each has its line")
			}
		})
	}
}

// If only the clock of this machine is wrong, no line about the errors of the service differs.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	for _, offset := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		_, o := account(t, simulator.Config{Clock: func() time.Time { return time.Now().Add(offset) }})
		r := run(t, t.Context(), o)
		require.Equal(t, []string{"clock"}, r.differing(), r.output)
		require.Equal(t, holds, r.verdicts["error-signature"])
		require.Equal(t, holds, r.verdicts["error-timestamp"])
		require.Equal(t, holds, r.verdicts["accept-header"])
	}
}

// After a 408 the doctor does not know whether it has made an action.
func TestCreateTimesOut(t *testing.T) {
	t.Parallel()
	_, o := account(t, simulator.Config{Faults: &simulator.Faults{Counts: []simulator.Count{
		{Fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 408, Operation: "CreateAction"}, N: 9},
	}}})
	r := run(t, t.Context(), o)
	require.Equal(t, notSeen, r.verdicts["create-minimal"], r.output)
	require.Contains(t, r.output, "Left in the account: perhaps an action with the external id idngo-doctor-")
}

// A certificate that no known authority has signed has a line and an advice of its own.
func TestUntrustedCertificate(t *testing.T) {
	t.Parallel()
	_, o := account(t, simulator.Config{})
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	o.baseURL = server.URL
	r := run(t, t.Context(), o)
	require.Regexp(t, `^differs +account +tls .*; do: install the root certificate`, r.first, r.output)
}

// serve serves the handler until the test ends and returns its URL.
func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// In a production account nothing is written without -production, not even a token.
func TestProduction(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"prd:public.private", "public.private"} {
		_, o := account(t, simulator.Config{})
		server, err := simulator.New(simulator.Config{KnownOnly: true, AppToken: token, ReviewDelay: simulator.NoReviewDelay})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Close()) })
		o.baseURL, err = server.Start("")
		require.NoError(t, err)
		o.appToken = idngo.Secret(token)

		r := run(t, t.Context(), o)
		require.NoError(t, r.err, r.output)
		require.Contains(t, r.output, "production, where nothing is written without -production")
		require.NotContains(t, r.output, "Writing:")
		require.Empty(t, server.Actions())
		for operation, calls := range server.Stats().ByOperation {
			require.Contains(t, []string{"GetAction", "ListActions", "GetApplicant", "FindApplicant"}, operation, "%d calls", calls)
		}

		o.production = true
		r = run(t, t.Context(), o)
		require.NoError(t, r.err, r.output)
		require.Len(t, server.Actions(), 2)
	}
}

// Without -write the doctor makes only an access token. It checks everything that it can read.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	server, o := account(t, simulator.Config{})
	o.write = false
	r := run(t, t.Context(), o)
	require.NoError(t, r.err, r.output)
	require.Empty(t, server.Actions())
	require.Empty(t, r.differing(), r.output)
	require.Equal(t, notSeen, r.verdicts["create-answer"])
	require.Contains(t, r.output, "run with -write")
	for _, id := range []string{"list-envelope", "error-signature", "error-timestamp", "error-body", "date-header"} {
		require.Equal(t, holds, r.verdicts[id], id)
	}
}

// If the doctor is interrupted at any call, its output names everything that it leaves in the
// account.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	server, o := account(t, simulator.Config{})
	run(t, t.Context(), o)
	calls := server.Stats().Requests
	require.Greater(t, calls, 20)
	for n := range calls {
		if testing.Short() && n%4 != 0 {
			continue // -short tests a part of the calls
		}
		t.Run(fmt.Sprintf("at call %d", n), func(t *testing.T) {
			t.Parallel()
			server, o := account(t, simulator.Config{})
			ctx, interrupt := context.WithCancelCause(t.Context())
			o.baseURL = serve(t, interruptAt(t, o.baseURL, n, func() { interrupt(errors.New("interrupt signal received")) }))
			r := run(t, ctx, o)
			require.Error(t, r.err)
			require.Contains(t, r.err.Error(), "not finished: interrupt signal received")
			require.NotContains(t, r.output, "the client can be used as it is")
			for _, a := range server.Actions() {
				named := strings.Contains(r.output, "action "+a.ID) || strings.Contains(r.output, "perhaps an action with the external id") ||
					strings.Contains(r.output, "perhaps a second action with this external id")
				require.True(t, named, r.output)
				assert.Contains(t, r.output, a.ExternalActionID)
			}
			for _, a := range assumptions {
				require.Contains(t, r.verdicts, a.id)
			}
		})
	}
}

// interruptAt returns a handler that passes requests on. It calls interrupt for the n-th request,
// after its effect and before its answer.
func interruptAt(t *testing.T, baseURL string, n int, interrupt func()) http.Handler {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	passed := 0 // the doctor makes one call at a time
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if !assert.NoError(t, err) {
			return
		}
		ctx := context.WithoutCancel(r.Context())
		request, err := http.NewRequestWithContext(ctx, r.Method, baseURL+r.RequestURI, bytes.NewReader(body))
		if !assert.NoError(t, err) {
			return
		}
		request.Header = r.Header
		answer, err := transport.RoundTrip(request)
		if !assert.NoError(t, err) {
			return
		}
		defer answer.Body.Close()
		if passed++; passed-1 == n {
			interrupt()
			<-r.Context().Done()
			return
		}
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	})
}

// The report holds no data of the account. The test puts marked values wherever the service or the
// account has a value.
func TestReport(t *testing.T) {
	t.Parallel()
	const mark = "MARK"
	_, o := account(t, simulator.Config{})
	signatures, digests := &noting{header: "X-App-Access-Sig"}, noteDigests(t)
	server, err := simulator.New(simulator.Config{
		KnownOnly: true, ReviewDelay: simulator.NoReviewDelay, AppToken: "sbx:MARKpublic.MARKprivate", SecretKey: "MARK-secret-key",
		WebhookSecret: "MARK-webhook-secret", WebhookURL: "http://" + listenFor(t, &o), WebhookTimeScale: 0.001, WebhookTransport: digests,
		Outcome: simulator.Outcome{
			Answer: "RED", RejectLabels: []string{"MARK_LABEL"}, ModerationComment: "MARK moderation", ClientComment: "MARK client",
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	baseURL, err := server.Start("")
	require.NoError(t, err)
	require.NoError(t, server.AddLevel("MARK-level", simulator.ActionFaceAuth))
	require.NoError(t, server.AddApplicantJSON([]byte(`{"id":"MARKapplicant","externalUserId":"MARK-user","inspectionId":"MARKinspection",
		"key":"MARKKEY","email":"MARK@example.com","phone":"+7 MARK","lang":"MARK-lang","type":"MARK-type",
		"info":{"firstName":"MARK Ann","MARKname":{"MARK":1}},"fixedInfo":{"lastName":"MARK O'Neill"},
		"requiredIdDocs":{"docSets":[{"types":["MARK_TYPE"]}]},
		"review":{"reviewStatus":"completed","levelName":"MARK-level","reviewResult":{"reviewAnswer":"GREEN","moderationComment":"MARK"}}}`)))
	planted := new(sync.Map)
	o.baseURL = serve(t, marking(t, baseURL, signatures, planted))
	o.appToken, o.secretKey, o.webhookSecret = "sbx:MARKpublic.MARKprivate", "MARK-secret-key", "MARK-webhook-secret"
	o.userID, o.applicantID, o.level = "MARK-user", "MARKapplicant", "MARK-level"

	r := run(t, t.Context(), o)
	require.Equal(t, holds, r.verdicts["submit-answer"], r.output)
	require.Equal(t, holds, r.verdicts["webhook-digest"], r.output)
	require.NotContains(t, r.report, mark)
	for _, what := range []string{"token", "url", "imageFileName", "imageHash", "image bytes"} {
		_, found := planted.Load(what)
		require.True(t, found, "the mark was put into no %s", what)
	}
	for _, value := range append(signatures.all(t), digests.all(t)...) {
		require.NotContains(t, r.report, value)
		require.NotContains(t, r.output, value)
	}
	require.NotContains(t, r.report, "idngo-doctor-", "the external id")
	require.NotRegexp(t, `[0-9a-f]{24}`, r.report)
	require.NotRegexp(t, `\b[0-9]{6,}\b`, r.report, "an image id")
	for _, a := range server.Actions() {
		require.NotContains(t, r.report, a.ID)
	}
	require.NotContains(t, strings.ReplaceAll(r.output, "MARKapplicant", ""), mark, "nor has the terminal, but for the ids of actions")
	require.Contains(t, r.report, `"webhook first"`)
	require.Contains(t, r.report, `"ListActions without Accept"`)
	require.Contains(t, r.report, `"date 0000-00-00 00:00:00+0000"`)
}

// listenFor makes the listener for the webhooks of a run and returns its address.
func listenFor(t *testing.T, o *options) string {
	t.Helper()
	_, with := account(t, simulator.Config{WebhookURL: "in account"})
	o.listener, o.webhookAddr = with.listener, with.webhookAddr
	return o.webhookAddr
}

// noting is a transport that records the values of a header.
type noting struct {
	header    string
	transport http.RoundTripper
	mu        sync.Mutex
	values    []string
}

func noteDigests(t *testing.T) *noting {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &noting{header: "X-Payload-Digest", transport: transport}
}

func (n *noting) note(header http.Header) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.values = append(n.values, header.Values(n.header)...)
}

// RoundTrip records the header of a request, and sends the request.
func (n *noting) RoundTrip(r *http.Request) (*http.Response, error) {
	n.note(r.Header)
	return n.transport.RoundTrip(r)
}

// all returns the recorded values. There must be at least one.
func (n *noting) all(t *testing.T) []string {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	require.NotEmpty(t, n.values, n.header)
	require.NotContains(t, n.values, "")
	return slices.Clone(n.values)
}

// markedMembers are members of answers whose values get the mark at their end.
var markedMembers = regexp.MustCompile(`"(token|url|imageFileName|imageHash)"\s*:\s*"[^"]+`)

// marking returns a handler that passes requests on and records their signatures. It puts a mark
// into members, values, image bytes and headers of the answers, and stores the marked values in
// planted.
func marking(t *testing.T, baseURL string, signatures *noting, planted *sync.Map) http.Handler {
	t.Helper()
	pass := interruptAt(t, baseURL, -1, nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signatures.note(r.Header)
		recorder := httptest.NewRecorder()
		pass.ServeHTTP(recorder, r)
		body := recorder.Body.String()
		switch {
		case strings.HasPrefix(body, "{"):
			for _, match := range markedMembers.FindAllStringSubmatch(body, -1) {
				planted.Store(match[1], true)
			}
			body = `{"MARK member":"MARK","futureMember":"MARK future","questionnaires":[{"id":"MARK","sections":{"MARK":{}}}],` +
				`"metadata":[{"key":"MARK"}],"MARKn":{"MARKm":["MARK"]},"errorName":"MARK error",` +
				strings.TrimPrefix(markedMembers.ReplaceAllString(body, "${0}MARK"), "{")
		case strings.HasPrefix(recorder.Header().Get("Content-Type"), "image/"):
			planted.Store("image bytes", true)
			body += "MARK image"
		}
		for name, values := range recorder.Header() {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Length", "")
		w.Header().Del("Content-Length")
		w.Header().Set("X-Request-Id", "MARK-request")
		w.WriteHeader(recorder.Code)
		_, _ = io.WriteString(w, body)
	})
}

// The report has the name of an error only if the name is known. Another name may hold any data.
func TestErrorNames(t *testing.T) {
	t.Parallel()
	var s shapes
	s.hide()
	s.keep("known", &idngo.Response{StatusCode: 409, Body: []byte(`{"errorName":"duplicate-document"}`)})
	s.keep("unknown", &idngo.Response{StatusCode: 409, Body: []byte(`{"errorName":"ivan-petrov already"}`)})
	require.Equal(t, map[string]any{"errorName": "text duplicate-document"}, s.seen["known"].(map[string]any)["body"])
	require.Equal(t, map[string]any{"errorName": "text"}, s.seen["unknown"].(map[string]any)["body"])
	require.Equal(t, "[removed] is there", s.cleanText("ivan-petrov already is there"))
}

// A line about an error has its status, code and name, and whether it has a description.
func TestErrorLines(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"errorCode":1000,"errorName":"duplicate-document","description":"a"}`: "code 1000, name duplicate-document, description",
		`{"errorCode":4003,"errorName":"app-token-signature-mismatch"}`:         "code 4003, name app-token-signature-mismatch, no description",
		`{"errorName":"ivan-petrov","description":"a"}`:                         "no code, name another, description",
		`{"errorName":7,"description":""}`:                                      "no code, name another, no description",
		`{"errorName":null}`:                                                    "no code, no name, no description",
		`{}`:                                                                    "no code, no name, no description",
	} {
		require.Equal(t, "status 401, "+want, answerShape(&idngo.Response{StatusCode: 401, Body: []byte(body)}), body)
	}
	_, o := account(t, simulator.Config{})
	r := run(t, t.Context(), o)
	for id, seen := range map[string]string{
		"error-unknown-action": "status 404, no code, no name, description",
		"error-unknown-level":  "status 404, no code, no name, description",
		"error-signature":      "status 401, code 4003, name app-token-signature mismatch, description",
		"error-timestamp":      "status 401, code 4004, name app-token-timestamp-expired, description",
	} {
		require.Regexp(t, `(?m)^holds +wire +`+id+` .*; seen: `+seen+`$`, r.output)
		require.Contains(t, r.report, `"seen": "`+seen+`"`)
	}
}

// If the report cannot be written, examine returns an error.
func TestReportFails(t *testing.T) {
	t.Parallel()
	_, o := account(t, simulator.Config{})
	o.write, o.reportPath = false, t.TempDir()
	require.Error(t, examine(t.Context(), io.Discard, o))
	_, err := os.Stat(o.reportPath)
	require.NoError(t, err)
}
