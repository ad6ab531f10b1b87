package e2e_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// The tests of this file attack the receiver of webhooks and the client, as a hostile sender or
// server does.

// webhookSecret is the secret of the receivers under attack.
const webhookSecret = idngo.Secret("attacked-webhook-secret")

// receiver is a handler of webhooks that counts the events it accepts.
type receiver struct {
	http.Handler
	events atomic.Int64
}

// newReceiver returns a receiver with the default limits.
func newReceiver(t *testing.T, opts ...idngo.WebhookOption) *receiver {
	t.Helper()
	verifier, err := idngo.NewWebhookVerifier(webhookSecret, opts...)
	require.NoError(t, err)
	r := new(receiver)
	r.Handler = verifier.Handler(func(context.Context, *idngo.WebhookEvent) error {
		r.events.Add(1)
		return nil
	})
	return r
}

// deliver passes a signed body to a receiver in memory and returns the status of the answer.
func (r *receiver) deliver(body string, change func(http.Header)) int {
	request := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(body))
	request.Header = idngo.SignWebhook([]byte(body), webhookSecret, idngo.HMACSHA256)
	if change != nil {
		change(request.Header)
	}
	answer := httptest.NewRecorder()
	r.ServeHTTP(answer, request)
	return answer.Code
}

// serverOf starts a server on loopback for a handler.
func serverOf(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// rawDelivery returns the header of a delivery that announces a body of the given length.
func rawDelivery(body string, length int) string {
	header := idngo.SignWebhook([]byte(body), webhookSecret, idngo.HMACSHA256)
	var text strings.Builder
	fmt.Fprintf(&text, "POST /webhooks HTTP/1.1\r\nHost: receiver.test\r\nContent-Length: %d\r\n", length)
	_ = header.Write(&text)
	return text.String() + "\r\n"
}

// The receiver stops reading a body that arrives byte by byte when the server's timeout ends. It
// does not accept the event.
func TestAttackWebhookWithASlowBody(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		attacked := newReceiver(t)
		client, conn := net.Pipe()
		server := &http.Server{Handler: attacked, ReadTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
		listener := &oneConnListener{conns: make(chan net.Conn, 1)}
		listener.conns <- conn
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = server.Serve(listener)
		}()
		body := `{"type":"applicantActionReviewed"}`
		begin := time.Now()
		_, err := io.WriteString(client, rawDelivery(body, len(body)))
		require.NoError(t, err)
		go func() {
			for i := range len(body) {
				time.Sleep(time.Second)
				if _, err := io.WriteString(client, body[i:i+1]); err != nil {
					return
				}
			}
		}()
		answer, err := io.ReadAll(client)
		if err == nil {
			assert.Contains(t, string(answer), "HTTP/1.1 400 ")
		}
		assert.LessOrEqual(t, time.Since(begin), 11*time.Second)
		assert.Zero(t, attacked.events.Load())
		_ = client.Close()
		_ = server.Close()
		<-done
		time.Sleep(2 * time.Second) // the sender notices the end within this time
	})
}

// oneConnListener accepts the connections of a channel until it is closed.
type oneConnListener struct{ conns chan net.Conn }

func (l *oneConnListener) Accept() (net.Conn, error) {
	if conn, ok := <-l.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l *oneConnListener) Close() error {
	close(l.conns)
	return nil
}

func (l *oneConnListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// A thousand deliveries that announce a body and stall cost little memory, and a valid delivery is
// accepted meanwhile.
//
//nolint:paralleltest // it measures memory
func TestAttackWebhookHalfOpenDeliveries(t *testing.T) {
	skipIfShort(t, "it opens a thousand connections")
	const deliveries, announced = 1000, 1 << 20
	attacked := newReceiver(t)
	var running atomic.Int64
	server := serverOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Add(-1)
		attacked.ServeHTTP(w, r)
	}))
	goroutines := runtime.NumGoroutine()
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC() // the first one keeps what a sync.Pool holds
		runtime.ReadMemStats(&stats)
		return stats.HeapInuse
	}
	before := heap()
	conns := make([]net.Conn, deliveries)
	for i := range conns {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, rawDelivery("{}", announced)+"{")
		require.NoError(t, err)
		conns[i] = conn
	}
	require.True(t, waitUntil(func() bool { return running.Load() == deliveries }), "%d handlers run", running.Load())
	after := heap()
	cost := (after - min(before, after)) / deliveries
	assert.Less(t, cost, uint64(64<<10), "bytes for each delivery")
	t.Logf("%d bytes for each half-open delivery", cost)

	body := `{"type":"applicantActionReviewed"}`
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(body))
	require.NoError(t, err)
	request.Header = idngo.SignWebhook([]byte(body), webhookSecret, idngo.HMACSHA256)
	answer, err := server.Client().Do(request)
	require.NoError(t, err)
	_ = answer.Body.Close()
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	for _, conn := range conns {
		_ = conn.Close()
	}
	server.Client().CloseIdleConnections()
	assert.True(t, waitUntil(func() bool { return running.Load() == 0 && runtime.NumGoroutine() <= goroutines }),
		"%d handlers run, %d goroutines, were %d", running.Load(), runtime.NumGoroutine(), goroutines)
	assert.Equal(t, int64(1), attacked.events.Load(), "of the good delivery")
}

// A body above the limit is too large, whatever length it declares. The error mentions the declared
// length only if that is above the limit.
func TestAttackWebhookLongerThanDeclared(t *testing.T) {
	t.Parallel()
	const limit = 1000
	verifier, err := idngo.NewWebhookVerifier(webhookSecret, idngo.WithMaxBodySize(limit))
	require.NoError(t, err)
	for declared, blamed := range map[int64]bool{-1: false, 10: false, limit: false, limit + 1: true} {
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat(" ", 2*limit)))
		request.ContentLength = declared
		_, err := verifier.Parse(request)
		require.ErrorIs(t, err, idngo.ErrWebhookTooLarge)
		assert.Equal(t, blamed, strings.Contains(err.Error(), "declared"), "%d: %v", declared, err)
	}
}

// hostileJSON returns texts that cost a parser much or confuse it. Each of them is otherwise the
// JSON of an action and of an event.
func hostileJSON() map[string]string {
	member := func(value string) string {
		return `{"id":"5e02f6b1","type":"applicantActionReviewed","review":{"reviewStatus":"init"},"x":` + value + `}`
	}
	megabyte := strings.Repeat("7", 900<<10)
	return map[string]string{
		"10,000 lists deep":      member(strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)),
		"10,000 objects deep":    member(strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)),
		"100,000 lists deep":     member(strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)),
		"lists without end":      strings.Repeat("[", 500_000),
		"objects without end":    strings.Repeat(`{"a":`, 100_000),
		"a number of a megabyte": member(megabyte),
		"a fraction":             member("0." + megabyte),
		"an exponent":            member("1e" + megabyte),
		"a negative exponent":    member("1e-" + megabyte),
		"an id of a megabyte":    `{"id":` + megabyte + `,"type":"a","applicantActionId":` + megabyte + `}`,
		"a fraction as an id":    `{"id":0.` + megabyte + `,"type":"a","applicantActionId":0.` + megabyte + `}`,
		"a date of a megabyte":   `{"id":"5e02f6b1","type":"a","createdAtMs":` + megabyte + `,"createdAt":"` + megabyte + `"}`,
		"a total of a megabyte":  `{"items":[],"totalItems":` + megabyte + `,"type":"a"}`,
		"a deep answer": `{"id":"5e02f6b1","type":"a","review":{"reviewResult":{"reviewAnswer":` +
			strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) + `}}}`,
		"100,000 members": member(`{` + strings.TrimSuffix(strings.Repeat(`"k":1,`, 100_000), ",") + `}`),
		"invalid UTF-8":   "{\"id\":\"5e02f6b1\xff\xfe\",\"type\":\"a\xc3\",\"review\":{\"reviewStatus\":\"\xed\xa0\x80\"}}",
		"lone surrogates": `{"id":"5e02f6b1\ud800","type":"a\udfff"}`,
		"zero bytes":      "{\"id\":\"\x00\",\"type\":\"a\"}",
		"escaped zeros":   `{"id":"\u0000","type":"a\u0000"}`,
		"another list":    `[` + strings.TrimSuffix(strings.Repeat(`{"type":"a"},`, 1000), ",") + `]`,
		"a byte order":    "\ufeff" + `{"id":"5e02f6b1","type":"a"}`,
		"two values":      `{"id":"5e02f6b1","type":"a"}{"type":"b"}`,
	}
}

// A list of empty values takes a few bytes for each, and its decoded form may take a thousand times
// as many. The client refuses such an answer. Do decodes into the caller's type, whose size it does
// not know.
//
//nolint:paralleltest // it measures allocation
func TestAttackListsOfEmptyValues(t *testing.T) {
	list := func(name, element string) string {
		return `{"id":"5e02f6b1","` + name + `":[` + strings.TrimSuffix(strings.Repeat(element+",", 200_000), ",") + `]}`
	}
	for name, text := range map[string]string{
		"empty images": list("images", "{}"), "null images": list("images", "null"), "numeric images": list("images", "0"),
		"empty checks": list("checks", "{}"), "empty actions": list("items", "{}"), "null actions": list("items", "null"),
	} {
		for _, op := range operationsOf(t) {
			if op.Name == "Do" {
				continue
			}
			client := clientOfHostileServer(t, 200, text)
			var err error
			cost := allocated(func() { err = op.Call(t.Context(), client) })
			assertSoundError(t, err)
			require.Error(t, err, "%s, %s", name, op.Key())
			assert.Less(t, cost, 4*uint64(len(text))+2<<20, "%s, %s", name, op.Key())
		}
	}
}

// clientOfHostileServer returns a client that gets the same JSON in answer to every request.
func clientOfHostileServer(t *testing.T, status int, text string) *idngo.Client {
	t.Helper()
	return faultnet.NewClient(t, faultnet.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(text)),
			Body: io.NopCloser(strings.NewReader(text)), Request: r,
		}, nil
	}), faultnet.OneAttempt())
}

// assertSoundError checks the text of an error that hostile input has caused.
func assertSoundError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	assert.True(t, utf8.ValidString(text), "%q", text)
	assert.Less(t, len(text), 1000)
	assert.NotContains(t, text, "\n")
}

// Hostile JSON ends every call and every delivery. The memory that it costs is in proportion to its
// size.
//
//nolint:paralleltest // it measures allocation
func TestAttackHostileJSON(t *testing.T) {
	for name, text := range hostileJSON() {
		t.Run(name, func(t *testing.T) {
			limit := 40*uint64(len(text)) + 2<<20
			statuses := []int{200, 400, 401}
			for _, status := range statuses[:faultnet.Count(3, 1, 1)] {
				for _, op := range operationsOf(t) {
					client := clientOfHostileServer(t, status, text)
					var err error
					cost := allocated(func() { err = op.Call(t.Context(), client) })
					assertSoundError(t, err)
					assert.Less(t, cost, limit, "%s, status %d", op.Key(), status)
					if status != 200 {
						require.Error(t, err)
					}
				}
			}
			attacked := newReceiver(t, idngo.WithMaxBodySize(4<<20))
			var status int
			cost := allocated(func() { status = attacked.deliver(text, nil) })
			assert.Less(t, cost, limit, "of a delivery")
			assert.Contains(t, []int{200, 400}, status)
			assert.Equal(t, status == 200, attacked.events.Load() == 1)
			assert.Equal(t, 401, attacked.deliver(text, func(header http.Header) {
				header.Set("X-Payload-Digest", strings.Repeat("0", 64))
			}))
			_, err := idngo.ParseWebhook([]byte(text))
			assertSoundError(t, err)
		})
	}
}

// If a member comes twice, the last one counts, in every answer and every event. This also holds if
// a member of an unexpected type makes the client decode again. So an answer that one reader sees
// as RED is never GREEN to another.
func TestAttackDuplicateMembers(t *testing.T) {
	t.Parallel()
	const red, green = `{"reviewAnswer":"RED"}`, `{"reviewAnswer":"GREEN"}`
	for name, test := range map[string]struct {
		review string // other members of the review
		root   string // other members of the action
		want   idngo.ReviewAnswer
	}{
		"the answer, GREEN last":    {review: `"reviewResult":{"reviewAnswer":"RED","reviewAnswer":"GREEN"}`, want: "GREEN"},
		"the answer, RED last":      {review: `"reviewResult":{"reviewAnswer":"GREEN","reviewAnswer":"RED"}`, want: "RED"},
		"the answer in two cases":   {review: `"reviewResult":{"reviewAnswer":"GREEN","REVIEWANSWER":"RED"}`, want: "RED"},
		"the other case first":      {review: `"reviewResult":{"ReviewAnswer":"GREEN","reviewAnswer":"RED"}`, want: "RED"},
		"a number last":             {review: `"reviewResult":{"reviewAnswer":"GREEN","reviewAnswer":7}`, want: ""},
		"an object last":            {review: `"reviewResult":{"reviewAnswer":"GREEN","reviewAnswer":{"a":1}}`, want: ""},
		"a string last":             {review: `"reviewResult":` + green + `,"reviewResult":"RED"`, want: "RED"},
		"a string first":            {review: `"reviewResult":"GREEN","reviewResult":` + red, want: "RED"},
		"a list last":               {review: `"reviewResult":` + green + `,"reviewResult":["RED"]`, want: ""},
		"null last":                 {review: `"reviewResult":` + red + `,"reviewResult":null`, want: "RED"},
		"of the root, a string":     {root: `,"reviewResult":` + green + `,"reviewResult":"RED"`, want: "RED"},
		"the result, RED last":      {review: `"reviewResult":` + green + `,"reviewResult":` + red, want: "RED"},
		"the result, GREEN last":    {review: `"reviewResult":` + red + `,"reviewResult":` + green, want: "GREEN"},
		"the result, empty last":    {review: `"reviewResult":` + red + `,"reviewResult":{}`, want: "RED"},
		"the review's before":       {review: `"reviewResult":` + red, root: `,"reviewResult":` + green, want: "RED"},
		"an escaped name":           {review: `"reviewResult":{"reviewAnswer":"GREEN","review\u0041nswer":"RED"}`, want: "RED"},
		"a name that folds to it":   {review: `"reviewResult":{"reviewAnswer":"GREEN","reviewAn\u017fwer":"RED"}`, want: "RED"},
		"null last keeps the first": {review: `"reviewResult":{"reviewAnswer":"RED","reviewAnswer":null}`, want: "RED"},
	} {
		for path, odd := range map[string]string{"plain": "", "with a member of another type": `,"createdAt":[],"creationClientId":{},"type":7`} {
			t.Run(name+", "+path, func(t *testing.T) {
				t.Parallel()
				action := `{"id":"5e02f6b1","applicantId":"app-1","externalActionId":"ext-1"` + test.root + odd +
					`,"review":{"reviewStatus":"completed","levelName":"lvl"` + separated(test.review) + `}}`
				answers := answersOf(t, action)
				for reader, answer := range answers {
					if reader == "RequireApproved" && test.want != "GREEN" {
						assert.NotEqual(t, idngo.ReviewAnswer("GREEN"), answer, action)
						continue
					}
					assert.Equal(t, test.want, answer, "%s of %s", reader, action)
				}
			})
		}
	}
}

// separated returns members with a comma before them, "" if there are none.
func separated(members string) string {
	if members == "" {
		return ""
	}
	return "," + members
}

// answersOf returns the answer of an action's review from each way to read it.
func answersOf(t *testing.T, action string) map[string]idngo.ReviewAnswer {
	t.Helper()
	text := action
	client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
	}), faultnet.OneAttempt())
	answers := map[string]idngo.ReviewAnswer{}
	got, err := client.GetAction(t.Context(), "5e02f6b1")
	require.NoError(t, err)
	answers["GetAction"] = got.Review.ReviewResult.ReviewAnswer
	var decoded idngo.Action
	require.NoError(t, json.Unmarshal([]byte(action), &decoded))
	answers["json.Unmarshal"] = decoded.Review.ReviewResult.ReviewAnswer
	_, err = client.RequireApproved(t.Context(), "5e02f6b1", idngo.ActionExpectation{
		ApplicantID: "app-1", ExternalActionID: "ext-1", LevelName: "lvl",
	})
	answers["RequireApproved"] = "RED"
	if err == nil {
		answers["RequireApproved"] = "GREEN"
	} else {
		require.ErrorIs(t, err, idngo.ErrNotApproved)
	}
	for _, envelope := range []string{`{"items":[%s],"totalItems":1}`, `{"list":{"items":[%s],"totalItems":1}}`} {
		text = fmt.Sprintf(envelope, action)
		page, err := client.ListActions(t.Context(), "app-1", idngo.ListActionsParams{})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		answers["ListActions "+envelope] = page.Items[0].Review.ReviewResult.ReviewAnswer
	}
	return answers
}

// The rule for members that come twice also holds for events.
func TestAttackDuplicateMembersOfAnEvent(t *testing.T) {
	t.Parallel()
	for _, odd := range []string{"", `,"reviewMode":[],"createdAtMs":{}`, `,"sandboxMode":"yes"`} {
		event, err := idngo.ParseWebhook([]byte(`{"type":"a","type":"applicantActionReviewed"` + odd +
			`,"reviewResult":{"reviewAnswer":"GREEN"},"reviewResult":{"reviewAnswer":"RED"},"applicantActionId":"a1","applicantActionId":"a2"}`))
		require.NoError(t, err)
		assert.Equal(t, idngo.WebhookTypeApplicantActionReviewed, event.Type)
		assert.Equal(t, idngo.ReviewAnswer("RED"), event.ReviewResult.ReviewAnswer)
		assert.Equal(t, "a2", event.ApplicantActionID)
	}
	for last, want := range map[string]idngo.ReviewAnswer{
		`"RED"`: "RED", `{"reviewAnswer":"RED"}`: "RED", `{"reviewAnswer":5}`: "", `["RED"]`: "", `null`: "GREEN", `{}`: "GREEN",
	} {
		for _, odd := range []string{"", `,"reviewMode":[]`} {
			text := `{"type":"a"` + odd + `,"reviewResult":{"reviewAnswer":"GREEN"},"reviewResult":` + last + `}`
			event, err := idngo.ParseWebhook([]byte(text))
			require.NoError(t, err)
			assert.Equal(t, want, event.ReviewResult.ReviewAnswer, text)
		}
	}
}

// gzipBomb returns size spaces, compressed.
func gzipBomb(t *testing.T, size int64) []byte {
	t.Helper()
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	require.NoError(t, err)
	_, err = io.CopyN(writer, faultnet.Endless(' '), size)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	return packed.Bytes()
}

// The limit of an answer counts the bytes after net/http has unpacked them.
//
//nolint:paralleltest // it measures allocation
func TestAttackGzipBomb(t *testing.T) {
	skipIfShort(t, "it packs 256 MiB")
	bomb := gzipBomb(t, 256<<20)
	var status int
	server := serverOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		_, _ = w.Write(bomb)
	}))
	client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(server.URL), faultnet.OneAttempt())
	require.NoError(t, err)
	for _, status = range []int{200, 401, 503} {
		for _, op := range faultnet.Operations {
			if op.Name == "OpenImage" && status == 200 {
				continue // a download has no limit
			}
			var err error
			var response idngo.Response
			cost := allocated(func() { err = op.Call(t.Context(), client, idngo.WithResponse(&response)) })
			if status == 200 {
				require.ErrorIs(t, err, idngo.ErrResponseTooLarge, op.Key())
				assert.Equal(t, op.NotIdempotent, errors.Is(err, idngo.ErrOutcomeUnknown), op.Key())
			} else {
				var api *idngo.APIError
				require.ErrorAs(t, err, &api, op.Key())
				assert.LessOrEqual(t, len(response.Body), 64<<10)
			}
			assert.Less(t, cost, uint64(48<<20), "%s, status %d", op.Key(), status)
		}
	}
}

// A webhook is never unpacked, since its digest covers the bytes as they came.
func TestAttackGzipWebhook(t *testing.T) {
	t.Parallel()
	attacked := newReceiver(t)
	bomb := string(gzipBomb(t, 8<<20))
	assert.Equal(t, 400, attacked.deliver(bomb, func(header http.Header) { header.Set("Content-Encoding", "gzip") }))
	assert.Zero(t, attacked.events.Load())
}

// The server refuses a flood of headers before the receiver reads them. The receiver refuses a
// delivery with several digests.
func TestAttackHeaderFlood(t *testing.T) {
	t.Parallel()
	attacked := newReceiver(t)
	body := `{"type":"applicantActionReviewed"}`
	many := func(header http.Header) {
		for range 10_000 {
			header.Add("X-Payload-Digest", header.Get("X-Payload-Digest"))
		}
	}
	assert.Equal(t, 401, attacked.deliver(body, many))
	assert.Equal(t, 401, attacked.deliver(body, func(header http.Header) {
		header.Set("X-Payload-Digest-Alg", strings.Repeat("HMAC_SHA256_HEX", 50_000))
	}))
	assert.Equal(t, 401, attacked.deliver(body, func(header http.Header) {
		header["x-payload-digest"] = []string{strings.Repeat("0", 64)} // a second digest beside the right one
	}))
	assert.Zero(t, attacked.events.Load())
	assert.Equal(t, 200, attacked.deliver(body, nil))

	server := serverOf(t, attacked)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(body))
	require.NoError(t, err)
	request.Header = idngo.SignWebhook([]byte(body), webhookSecret, idngo.HMACSHA256)
	for i := range 40_000 {
		request.Header.Set(fmt.Sprintf("X-Flood-%d", i), "a value of a header")
	}
	if answer, err := server.Client().Do(request); err == nil { // the server may also close the connection during the write
		_ = answer.Body.Close()
		assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, answer.StatusCode)
	}
	assert.Equal(t, int64(1), attacked.events.Load())
}

// hostileServers returns servers that answer in ways that no server should. Each of them makes a
// call fail, or succeed with the content that the server has sent.
func hostileServers() map[string]func(n *faultnet.Network) {
	raw := func(write func(w io.Writer, stop <-chan struct{})) func(n *faultnet.Network) {
		return func(n *faultnet.Network) {
			n.OnConn = func(_ int, conn net.Conn) bool {
				go func() {
					defer conn.Close()
					_, _ = conn.Read(make([]byte, 64<<10)) // the beginning of a request
					write(conn, n.Down)
				}()
				return true
			}
		}
	}
	endless := func(begin, piece string) func(n *faultnet.Network) {
		return raw(func(w io.Writer, stop <-chan struct{}) {
			piece := strings.Repeat(piece, 1+16<<10/len(piece))
			for _, err := io.WriteString(w, begin); err == nil; _, err = io.WriteString(w, piece) {
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	return map[string]func(n *faultnet.Network){
		"headers without end":        endless("HTTP/1.1 200 OK\r\n", "X-Flood: a value of a header\r\n"),
		"a header without end":       endless("HTTP/1.1 200 OK\r\nX-Flood: ", "x"),
		"a status without end":       endless("HTTP/1.1 200 ", "x"),
		"early hints without end":    endless("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
		"continue without end":       endless("", "HTTP/1.1 100 Continue\r\n\r\n"),
		"processing without end":     endless("", "HTTP/1.1 102 Processing\r\nX: "+strings.Repeat("x", 1000)+"\r\n\r\n"),
		"chunk extensions":           endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x"),
		"chunks of a byte":           endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
		"trailers without end":       endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-Flood: trailer\r\n"),
		"switching protocols":        endless("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "x"),
		"a refusal before it reads":  endless("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\n{}  ", "x"),
		"an answer before it reads":  endless("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", "x"),
		"an answer without a length": endless("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{", " "),
	}
}

// A hostile server cannot hold a call beyond its timeout or make it read without end. The call
// leaves nothing behind: the bubble finds every goroutine.
func TestAttackHostileServers(t *testing.T) {
	t.Parallel()
	for name, attack := range hostileServers() {
		t.Run(name, func(t *testing.T) {
			for _, op := range []faultnet.Operation{faultnet.CreateAction, faultnet.AddImage, faultnet.GetAction, faultnet.DownloadImage} {
				switch name {
				case "chunks of a byte":
					if op.Name != "GetAction" {
						continue // this one takes seconds
					}
					skipIfShort(t, "it takes seconds")
				case "an answer without a length":
					if op.Name == "OpenImage" {
						continue // a download has no limit
					}
				}
				t.Run(op.Key(), func(t *testing.T) {
					faultnet.InBubble(t, func(t *testing.T) {
						network := faultnet.New(t)
						attack(network)
						network.Transport.MaxResponseHeaderBytes = 256 << 10 // the default is 10 MiB
						var lines faultnet.Log
						client := network.Client(faultnet.OneAttempt(), idngo.WithLogger(lines.Logger()))
						begin := time.Now()
						err := op.Call(t.Context(), client)
						assertSoundError(t, err)
						assert.LessOrEqual(t, time.Since(begin), 31*time.Second)
						assert.LessOrEqual(t, lines.Count(), 2, "one attempt, and one to find what CreateAction has made")
						if op.Name != "OpenImage" { // an image may have any content
							require.Error(t, err)
						}
						time.Sleep(2 * time.Second)
						synctest.Wait()
					})
				})
			}
		})
	}
}

// A trailer that echoes values of the request shows up neither in an error nor in the log.
func TestAttackTrailersThatEcho(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\n%s\r\n2\r\n{}\r\n0\r\n%s\r\n",
		"HTTP/1.1 400 No\r\n%s\r\n2\r\n{}\r\n0\r\n%s\r\n",
		"HTTP/1.1 200 OK\r\n%s\r\n2\r\n{}\r\n0\r\n%s: \x00\r\n\r\n",
		"HTTP/1.1 503 No\r\n%s\r\n2\r\n{]\r\n0\r\n%s",
	} {
		for _, op := range operationsOf(t) {
			t.Run(fmt.Sprintf("%.12s, %s", answer, op.Key()), func(t *testing.T) {
				faultnet.InBubble(t, func(t *testing.T) {
					network := faultnet.New(t)
					network.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
						_, _ = io.Copy(io.Discard, r.Body)
						var echo strings.Builder
						for _, name := range []string{"X-App-Token", "X-App-Access-Sig", "X-App-Access-Ts"} {
							fmt.Fprintf(&echo, "%s: %s %s\r\n", name, r.Header.Get(name), r.RequestURI)
						}
						faultnet.WriteRaw(w, fmt.Sprintf(answer,
							"Transfer-Encoding: chunked\r\nTrailer: X-App-Token, X-App-Access-Sig, X-App-Access-Ts\r\n", echo.String()))
						return true
					}
					var lines faultnet.Log
					client := network.Client(faultnet.OneAttempt(), idngo.WithLogger(lines.TextAndJSONLogger()))
					err := op.Call(t.Context(), client)
					shown := strings.Join(lines.Lines, "")
					if err != nil {
						shown += err.Error() + fmt.Sprintf("%+v %#v", err, err)
					}
					seen := network.Seen()
					require.NotEmpty(t, seen)
					for _, secret := range []string{
						faultnet.AppToken, seen[0].Header.Get("X-App-Access-Sig"), seen[0].Header.Get("X-App-Access-Ts"), seen[0].Target,
					} {
						assert.NotContains(t, shown, secret)
					}
				})
			})
		}
	}
}

// Verify closes the copy of the body that it reads, whether the signature is right or not.
func TestVerifyClosesTheBodyThatItReads(t *testing.T) {
	t.Parallel()
	signer, err := idngo.NewSigner(faultnet.Credentials)
	require.NoError(t, err)
	now := time.Now()
	for _, sent := range []string{"body", "another"} {
		request := httptest.NewRequest(http.MethodPost, "/resources/x", nil)
		copied := &faultnet.Body{Reader: strings.NewReader("body")}
		request.Body = io.NopCloser(strings.NewReader("body"))
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(sent)), nil }
		require.NoError(t, signer.Sign(request, now))
		request.GetBody = func() (io.ReadCloser, error) { return copied, nil }
		assert.Equal(t, sent == "body", signer.Verify(request, now) == nil)
		assert.Equal(t, 1, copied.Closes())
	}
}
