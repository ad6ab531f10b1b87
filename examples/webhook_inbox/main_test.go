//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/idngo-go/idngo"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const secret = "secret-of-the-webhook"

// patience is the longest time that a test waits. If a machine dies, River gives its events to
// another machine within about a minute. River elects the next leader when the term of the old one
// (15 s) is over. The leader then searches for stuck jobs, and again every 30 s.
const patience = 3 * time.Minute

// TestMain runs the tests, or one of the receivers that the tests start. Such a receiver is a
// process of its own, so that a test can kill it.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_RECEIVER") == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() { // the receiver ends when the tests end
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	log.SetFlags(0)
	if err := run(ctx, workingAct(os.Getenv("TEST_RECEIVER") == "failing")); err != nil {
		log.Fatal(err)
	}
}

// workingAct returns act with a pause in it, so that a test can kill it in the middle. If failing
// is set, it fails once for some events, after their effect.
func workingAct(failing bool) actFunc {
	var failed sync.Map
	return func(ctx context.Context, exec execFunc, event *idngo.WebhookEvent) error {
		if err := act(ctx, exec, event); err != nil {
			return err
		}
		select {
		case <-time.After(rand.N(30 * time.Millisecond)):
		case <-ctx.Done():
			return ctx.Err()
		}
		if failing && event.Key() < "0c" { // one event in 21
			if _, again := failed.LoadOrStore(event.Key(), nil); !again {
				return errors.New("failing once, on purpose")
			}
		}
		return nil
	}
}

// Three receivers share one PostgreSQL. The receiver that leads dies.
func TestThreeReceiversOnPostgres(t *testing.T) {
	t.Parallel()
	dsn := postgresForTest(t)
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })

	fleet := newFleet(t, db, "DATABASE_URL="+dsn)
	first := fleet.start("failing")
	fleet.eventually("a leader", func() bool { return fleet.count("river_leader") == 1 })
	fleet.start("working")
	fleet.start("working")
	fleet.deliverAll(500, func() {
		inFlight := fleet.kill(first, "attempted_by[array_upper(attempted_by, 1)] = '"+first.id+"'")
		t.Logf("killed the leader with %d events in work", inFlight)
	})
}

// One receiver uses SQLite. It dies and is started again.
func TestOneReceiverOnSQLite(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "inbox.sqlite")
	db, err := sql.Open("sqlite", file+"?_busy_timeout=10000")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })

	fleet := newFleet(t, db, "DATABASE_URL=", "SQLITE_FILE="+file)
	only := fleet.start("failing")
	fleet.deliverAll(100, func() {
		inFlight := fleet.kill(only, "TRUE")
		t.Logf("killed the receiver with %d events in work", inFlight)
		fleet.start("working")
	})
}

// The state of an action comes from its last event, in whatever order the events arrive. If
// several events have the same time, the review decides.
func TestStateIsOfTheLastEvent(t *testing.T) {
	db, err := openSQLite(filepath.Join(t.TempDir(), "state.sqlite"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.pool.Close()) })
	require.NoError(t, db.setup(t.Context()))
	const early, late = "2026-02-21 13:23:19.001", "2026-02-21 13:23:19.002"
	for name, tt := range map[string]struct {
		want   string
		events [][2]string // type, time
	}{
		"in order": {
			want:   "applicantActionReviewed",
			events: [][2]string{{"applicantActionPending", early}, {"applicantActionReviewed", late}},
		},
		"crosswise": {
			want:   "applicantActionReviewed",
			events: [][2]string{{"applicantActionReviewed", late}, {"applicantActionPending", early}},
		},
		"at once": {
			want:   "applicantActionReviewed",
			events: [][2]string{{"applicantActionPending", early}, {"applicantActionReviewed", early}},
		},
		"at once crosswise": {
			want:   "applicantActionReviewed",
			events: [][2]string{{"applicantActionReviewed", early}, {"applicantActionPending", early}},
		},
		"on hold at once": {want: "applicantActionOnHold", events: [][2]string{
			{"applicantActionPending", early}, {"applicantActionOnHold", early}, {"applicantActionPending", early},
		}},
		"hold, then review": {want: "applicantActionReviewed", events: [][2]string{
			{"applicantActionOnHold", early}, {"applicantActionReviewed", early}, {"applicantActionOnHold", early},
		}},
		"sent in again": {
			want:   "applicantActionPending",
			events: [][2]string{{"applicantActionReviewed", early}, {"applicantActionPending", late}},
		},
		"without times": {want: "applicantActionReviewed", events: [][2]string{{"applicantActionReviewed", ""}, {"applicantActionPending", ""}}},
	} {
		for _, e := range tt.events {
			event, err := idngo.ParseWebhook(fmt.Appendf(nil, `{"applicantActionId":%q,"type":%q,"createdAtMs":%q}`, name, e[0], e[1]))
			require.NoError(t, err)
			require.NoError(t, db.inTx(t.Context(), func(_ *sql.Tx, exec execFunc) error { return act(t.Context(), exec, event) }))
		}
		var got string
		require.NoError(t, db.pool.QueryRowContext(t.Context(), "SELECT type FROM action_state WHERE action_id = $1", name).Scan(&got))
		assert.Equal(t, tt.want, got, name)
	}
}

// A delivery that is not verified or not stored gets another answer than 200.
func TestRefusals(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "inbox.sqlite")
	db, err := sql.Open("sqlite", file+"?_busy_timeout=10000")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	fleet := newFleet(t, db, "DATABASE_URL=", "SQLITE_FILE="+file)
	url := fleet.start("working").url

	body := []byte(`{"type":"applicantActionReviewed","applicantActionId":"a","createdAtMs":"2020-02-21 13:23:19.987","note":"\u0000"}`)
	send := func(body []byte, header http.Header) int {
		status, err := post(t.Context(), url, body, header)
		require.NoError(t, err)
		return status
	}
	require.Equal(t, http.StatusUnauthorized, send(body, http.Header{}))
	require.Equal(t, http.StatusUnauthorized, send(body, idngo.SignWebhook(body, "another secret", idngo.HMACSHA256)))
	require.Equal(t, http.StatusBadRequest, send([]byte("[]"), idngo.SignWebhook([]byte("[]"), secret, idngo.HMACSHA256)))
	require.Zero(t, fleet.count("river_job"))

	_, err = db.ExecContext(t.Context(), "ALTER TABLE river_job RENAME TO gone")
	require.NoError(t, err)
	require.Equal(t, http.StatusInternalServerError, send(body, idngo.SignWebhook(body, secret, idngo.HMACSHA256)))
	_, err = db.ExecContext(t.Context(), "ALTER TABLE gone RENAME TO river_job")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, send(body, idngo.SignWebhook(body, secret, idngo.HMACSHA256)))
	fleet.eventually("the effect", func() bool { return fleet.count("action_history") == 1 })
}

// This test runs the program itself. Offline it shows its work and ends. Copied without offline.go
// it builds and names the missing variable.
func TestProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := func(env []string, name string, args ...string) (output string, code int) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if exit := new(exec.ExitError); !errors.As(err, &exit) {
			require.NoError(t, err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	noEnv := []string{
		"DATABASE_URL=", "SQLITE_FILE=", "IDNGO_WEBHOOK_SECRET=", "IDNGO_WEBHOOK_ADDR=", "IDNGO_APP_TOKEN=", "IDNGO_SECRET_KEY=",
		"TMPDIR=" + dir,
	}
	program := filepath.Join(dir, "program")
	out, code := run(nil, "go", "build", "-o", program, ".")
	require.Zero(t, code, out)
	out, code = run(noEnv, program)
	require.Zero(t, code, out)
	made := regexp.MustCompile(`\nthe simulator made (\d+) deliveries of 20 events; there were 20 jobs and 20 effects\n`).FindStringSubmatch(out)
	require.NotNil(t, made, out)
	deliveries, err := strconv.Atoi(made[1])
	require.NoError(t, err)
	require.GreaterOrEqual(t, deliveries, 60, "each event three times, and again if an answer is late")
	out, code = run(noEnv, program, "-h")
	require.Zero(t, code, out)
	require.Regexp(t, `^webhook_inbox [^.]+\.\n`, out)
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{program}, left)

	out, code = run(nil, "go", "build", "-o", program, "main.go")
	require.Zero(t, code, out)
	out, code = run(noEnv, program)
	require.Equal(t, 1, code)
	require.Equal(t, "webhook_inbox: IDNGO_WEBHOOK_SECRET: idngo: NewWebhookVerifier: invalid argument: webhook secret is empty\n", out)
	out, code = run(append(noEnv, "IDNGO_WEBHOOK_SECRET=s", "DATABASE_URL=postgres://u:password@127.0.0.1:1/d"), program)
	require.Equal(t, 1, code)
	require.Regexp(t, `^webhook_inbox: database: [^\n]*refused[^\n]*\n$`, out)
	require.NotContains(t, out, "password")
}

// A fleet is some receivers on one database, and their sender.
type fleet struct {
	t   *testing.T
	db  *sql.DB
	env []string

	mu        sync.Mutex
	receivers []*receiver // the receivers that get deliveries, also dead ones until the sender notices

	refused atomic.Int64 // deliveries that were not answered with 200
}

type receiver struct {
	url, id string
	process *exec.Cmd
	exited  chan struct{} // closed when the receiver has exited
	output  *bytes.Buffer // to be read only after the receiver has exited
}

// newFleet returns a fleet without receivers on the database.
func newFleet(t *testing.T, db *sql.DB, env ...string) *fleet {
	t.Helper()
	return &fleet{t: t, db: db, env: slices.Concat(os.Environ(), env, []string{"IDNGO_WEBHOOK_SECRET=" + secret})}
}

var listening = regexp.MustCompile(`listening on (\S+) as (\S+)`)

// start starts a receiver and waits until it listens.
func (f *fleet) start(kind string) *receiver {
	f.t.Helper()
	r := &receiver{exited: make(chan struct{}), output: new(bytes.Buffer)}
	r.process = exec.Command(os.Args[0], "-addr=127.0.0.1:0", "-job-timeout=3s")
	r.process.Env = slices.Concat(f.env, []string{"TEST_RECEIVER=" + kind})
	stdin, err := r.process.StdinPipe()
	require.NoError(f.t, err)
	stderr, err := r.process.StderrPipe()
	require.NoError(f.t, err)
	require.NoError(f.t, r.process.Start())
	ready := make(chan struct{})
	go func() {
		defer close(r.exited)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			fmt.Fprintln(r.output, lines.Text())
			if match := listening.FindStringSubmatch(lines.Text()); match != nil {
				r.url, r.id = match[1], match[2]
				close(ready)
			}
		}
		_ = r.process.Wait()
	}()
	f.t.Cleanup(func() {
		_ = stdin.Close()
		_ = r.process.Process.Kill()
		<-r.exited
		if f.t.Failed() {
			f.t.Logf("%s ended with %v:\n%s", r.id, r.process.ProcessState, r.output)
		}
	})
	select {
	case <-ready:
	case <-r.exited:
		require.Fail(f.t, "a receiver did not start", r.output.String())
	case <-time.After(patience):
		require.Fail(f.t, "a receiver does not listen")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.receivers = append(f.receivers, r)
	return r
}

// kill kills a receiver while it works. It returns the number of events that the receiver was
// working on.
func (f *fleet) kill(r *receiver, itsJobs string) (inFlight int) {
	f.t.Helper()
	f.eventually("a receiver at work", func() bool {
		// The receiver is stopped first, so that it cannot finish between the query and the kill.
		require.NoError(f.t, r.process.Process.Signal(syscall.SIGSTOP))
		if inFlight = f.count("river_job WHERE state = 'running' AND " + itsJobs); inFlight > 0 {
			return true
		}
		require.NoError(f.t, r.process.Process.Signal(syscall.SIGCONT))
		return false
	})
	require.NoError(f.t, r.process.Process.Kill())
	<-r.exited
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.receivers {
		if f.receivers[i] == r {
			f.receivers = append(f.receivers[:i:i], f.receivers[i+1:]...)
			break
		}
	}
	return inFlight
}

// stop stops the remaining receivers as an operator would.
func (f *fleet) stop() {
	f.t.Helper()
	for _, r := range f.receivers {
		require.NoError(f.t, r.process.Process.Signal(syscall.SIGTERM))
	}
	for _, r := range f.receivers {
		<-r.exited
		assert.Zero(f.t, r.process.ProcessState.ExitCode(), "%s", r.output)
	}
	f.receivers = nil
}

// deliverAll delivers two events for each action, each of them three times, in random order and to
// random receivers. In the middle it calls disaster. At the end it checks the database.
func (f *fleet) deliverAll(actions int, disaster func()) {
	f.t.Helper()
	const copies = 3
	start := time.Now()
	var deliveries [][]byte
	for i := range actions {
		pending, reviewed := events(i)
		for range copies {
			deliveries = append(deliveries, pending, reviewed)
		}
	}
	events := 2 * actions
	rand.Shuffle(len(deliveries), func(i, j int) { deliveries[i], deliveries[j] = deliveries[j], deliveries[i] })

	halfWay := make(chan struct{})
	sent := f.send(deliveries, func(n int) {
		if n == len(deliveries)/2 {
			close(halfWay)
		}
	})
	<-halfWay
	disaster()
	<-sent
	if f.t.Failed() {
		f.t.FailNow()
	}
	f.t.Logf("%d deliveries of %d events in %s, %d attempts of them failed",
		len(deliveries), events, time.Since(start).Round(time.Millisecond), f.refused.Load())

	f.eventually("the end of all jobs", func() bool { return f.count("river_job WHERE state <> 'completed'") == 0 })
	f.t.Logf("acted on all of them after %s, %d in more than one attempt",
		time.Since(start).Round(time.Millisecond), f.count("river_job WHERE attempt > 1"))
	require.Equal(f.t, events, f.count("river_job"))
	f.requireEachOnce(actions)

	// Days later River has deleted its jobs, and somebody resends some events.
	_, err := f.db.ExecContext(f.t.Context(), "DELETE FROM river_job")
	require.NoError(f.t, err)
	<-f.send(deliveries[:30], func(int) {})
	f.eventually("the end of the late jobs", func() bool {
		return f.count("river_job") > 0 && f.count("river_job WHERE state <> 'completed'") == 0
	})
	f.requireEachOnce(actions)
	f.stop()
}

// requireEachOnce checks that each event had its effect once, and that each action
// has the state of its newest event.
func (f *fleet) requireEachOnce(actions int) {
	f.t.Helper()
	require.Equal(f.t, 2*actions, f.count("inbox_event"))
	require.Equal(f.t, 2*actions, f.count("action_history"))
	require.Zero(f.t, f.count("(SELECT event_key FROM action_history GROUP BY event_key HAVING count(*) <> 1) AS wrong"))
	require.Equal(f.t, actions, f.count("action_state"))
	require.Zero(f.t, f.count("action_state WHERE type <> 'applicantActionReviewed' OR answer <> 'GREEN'"))
}

// send delivers events as the service does. It delivers an event again until the answer is 200
// within 5 s, to another receiver if there is one. It closes the channel when it has delivered all
// events.
func (f *fleet) send(deliveries [][]byte, onSent func(n int)) <-chan struct{} {
	queue := make(chan []byte)
	var senders sync.WaitGroup
	var sent atomic.Int64
	for range 16 {
		senders.Go(func() {
			for body := range queue {
				header := idngo.SignWebhook(body, secret, idngo.HMACSHA256)
				for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
					status, err := post(f.t.Context(), f.pick(), body, header)
					if err == nil && status == http.StatusOK {
						break
					}
					f.refused.Add(1)
					if !assert.True(f.t, time.Now().Before(deadline), "a delivery is refused on and on: %d %v", status, err) {
						break
					}
				}
				onSent(int(sent.Add(1)))
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, body := range deliveries {
			queue <- body
		}
		close(queue)
		senders.Wait()
	}()
	return done
}

// pick returns the address of a receiver.
func (f *fleet) pick() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.receivers) == 0 {
		return "http://127.0.0.1:1" // nobody listens there
	}
	return f.receivers[rand.IntN(len(f.receivers))].url
}

// count returns the number of rows of a table, or of a table with a condition.
func (f *fleet) count(what string) (n int) {
	f.t.Helper()
	require.NoError(f.t, f.db.QueryRowContext(f.t.Context(), "SELECT count(*) FROM "+what).Scan(&n))
	return n
}

// eventually waits until done reports true. It fails the test if that takes too long.
func (f *fleet) eventually(what string, done func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		require.True(f.t, time.Now().Before(deadline), "waited in vain for %s", what)
	}
}

var sender = &http.Client{
	Timeout:   5 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 32, DialContext: (&net.Dialer{}).DialContext},
}

// post delivers a webhook and returns the status of the answer.
func post(ctx context.Context, url string, body []byte, header http.Header) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header = header.Clone()
	req.Header.Set("Content-Type", "application/json")
	res, err := sender.Do(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Body.Close()
}

// events returns the two events of one action, in the form of the specification.
func events(i int) (pending, reviewed []byte) {
	at := time.Date(2026, 2, 21, 13, 23, 16, 0, time.UTC).Add(time.Duration(i) * time.Second)
	event := func(kind string, at time.Time, answer map[string]string) []byte {
		body, _ := json.Marshal(map[string]any{
			"applicantId": "5dc158b109494c3cbf431e28", "applicantActionId": fmt.Sprintf("5dc2d80ce3cc9b1c%08x", i),
			"externalApplicantActionId": fmt.Sprint("payout-", i), "inspectionId": "5dc158b109494c3cbf431e29",
			"correlationId": fmt.Sprintf("req-%032x", rand.Uint64()), "externalUserId": "pid122424234",
			"type": kind, "reviewStatus": "completed", "reviewResult": answer, "createdAtMs": at.Format("2006-01-02 15:04:05.000"),
		})
		return body
	}
	return event("applicantActionPending", at, nil),
		event("applicantActionReviewed", at.Add(3891*time.Millisecond), map[string]string{"reviewAnswer": "GREEN"})
}
