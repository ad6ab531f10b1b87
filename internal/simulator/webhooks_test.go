package simulator_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/simulator"
)

// receiver receives webhooks in virtual time.
type receiver struct {
	silent   bool // whether it does not answer
	statuses []int

	mu     sync.Mutex
	bodies []string
	times  []time.Time
	sums   []string
}

func (r *receiver) RoundTrip(q *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(q.Body)
	r.mu.Lock()
	n := len(r.bodies)
	r.bodies = append(r.bodies, string(body))
	r.times = append(r.times, time.Now())
	r.sums = append(r.sums, q.Header.Get("X-Payload-Digest"))
	r.mu.Unlock()
	if r.silent {
		<-q.Context().Done()
		return nil, q.Context().Err()
	}
	w := newRecorder()
	status := 200
	if n < len(r.statuses) {
		status = r.statuses[n]
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	w.WriteHeader(status)
	return w.Result(), nil
}

// count returns the number of deliveries so far.
func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

// types returns the event types of the deliveries without their common prefix.
func (r *receiver) types() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var types []string
	for _, body := range r.bodies {
		var e struct{ Type string }
		_ = json.Unmarshal([]byte(body), &e)
		types = append(types, strings.TrimPrefix(e.Type, "applicantAction"))
	}
	return types
}

// after returns how long after begin each delivery came.
func (r *receiver) after(begin time.Time) []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var after []time.Duration
	for _, at := range r.times {
		after = append(after, at.Sub(begin))
	}
	return after
}

// bubble runs a test in virtual time with a simulator whose webhooks go to r.
func bubble(t *testing.T, r *receiver, cfg simulator.Config, run func(*testing.T, *simulator.Server, *client)) {
	synctest.Test(t, func(t *testing.T) {
		cfg.WebhookURL, cfg.WebhookTransport = "http://localhost:1/hook", r
		s, err := simulator.New(cfg)
		require.NoError(t, err)
		run(t, s, direct(t, s))
		require.NoError(t, s.Close())
	})
}

func TestWebhookBodies(t *testing.T) {
	var r receiver
	clock := time.Date(2026, 3, 1, 12, 34, 56, 789e6, time.UTC)
	bubble(t, &r, simulator.Config{
		ManualReview: true, Clock: func() time.Time { return clock },
	}, func(t *testing.T, s *simulator.Server, c *client) {
		c.now = func() time.Time { return clock }
		id := c.create("дія <1>")
		require.NoError(t, s.Review(id, simulator.Outcome{OnHold: true}))
		require.NoError(t, s.Review(id, simulator.Outcome{Answer: "RED", RejectLabels: []string{"A", "B"}, ModerationComment: "Бет\n\n"}))
		synctest.Wait()
		require.Equal(t, []string{"Pending", "OnHold", "Reviewed"}, r.types())
		for n, want := range []string{`{
  "applicantId" : "APPLICANT",
  "applicantActionId" : "ACTION",
  "externalApplicantActionId" : "дія <1>",
  "inspectionId" : "X",
  "applicantType" : "individual",
  "correlationId" : "X",
  "levelName" : "action-liveness",
  "sandboxMode" : true,
  "externalUserId" : "JamesBond007",
  "type" : "applicantActionPending",
  "reviewStatus" : "completed",
  "createdAt" : "2026-03-01 12:34:56+0000",
  "createdAtMs" : "2026-03-01 12:34:56.789",
  "clientId" : "simulator"
}`, `{
  "applicantId" : "APPLICANT",
  "applicantActionId" : "ACTION",
  "inspectionId" : "X",
  "correlationId" : "X",
  "levelName" : "action-liveness",
  "sandboxMode" : true,
  "externalUserId" : "JamesBond007",
  "type" : "applicantActionOnHold",
  "reviewStatus" : "init",
  "createdAt" : "2026-03-01 12:34:56+0000",
  "createdAtMs" : "2026-03-01 12:34:56.789",
  "clientId" : "simulator"
}`, `{
  "applicantId" : "APPLICANT",
  "applicantActionId" : "ACTION",
  "externalApplicantActionId" : "дія <1>",
  "inspectionId" : "X",
  "correlationId" : "X",
  "levelName" : "action-liveness",
  "sandboxMode" : true,
  "externalUserId" : "JamesBond007",
  "type" : "applicantActionReviewed",
  "reviewResult" : {
    "reviewAnswer" : "RED",
    "rejectLabels" : [ "A", "B" ],
    "moderationComment" : "Бет\n\n"
  },
  "reviewStatus" : "completed",
  "createdAt" : "2026-03-01 12:34:56+0000",
  "createdAtMs" : "2026-03-01 12:34:56.789",
  "clientId" : "simulator"
}`} {
			var made struct{ InspectionID, CorrelationID string }
			require.NoError(t, json.Unmarshal([]byte(r.bodies[n]), &made))
			assert.Regexp(t, `^[0-9a-f]{24}$`, made.InspectionID)
			assert.Regexp(t, `^req-[0-9a-f-]{36}$`, made.CorrelationID)
			names := strings.NewReplacer(
				made.InspectionID, "X", made.CorrelationID, "X", id, "ACTION", simulator.DefaultApplicantID, "APPLICANT")
			got := names.Replace(r.bodies[n])
			assert.Equal(t, want, got)
			mac := hmac.New(sha256.New, []byte(simulator.DefaultWebhookSecret))
			mac.Write([]byte(r.bodies[n]))
			assert.Equal(t, hex.EncodeToString(mac.Sum(nil)), r.sums[n])
		}
	})
}

func TestWebhookSchedule(t *testing.T) {
	r := receiver{statuses: []int{500, 0, 302, 404, 503, 500}}
	bubble(t, &r, simulator.Config{ManualReview: true}, func(t *testing.T, s *simulator.Server, c *client) {
		id := c.create("a")
		begin := time.Now()
		c.submit(id)
		synctest.Wait()
		assert.Equal(t, 1, s.Stats().WebhooksOutstanding)
		<-time.After(24 * time.Hour)
		const s30 = 30 * time.Second
		assert.Equal(t, []time.Duration{0, s30, 2 * s30, 4 * s30, 14 * s30}, r.after(begin))
		for _, body := range r.bodies {
			assert.Equal(t, r.bodies[0], body)
		}
		stats := s.Stats()
		assert.Equal(t, 1, stats.WebhookEvents)
		assert.Equal(t, 5, stats.WebhookAttempts)
		assert.Equal(t, 1, stats.WebhooksGivenUp)
		assert.Zero(t, stats.WebhooksDelivered+stats.WebhooksOutstanding)
		require.NoError(t, s.Review(id, simulator.Outcome{}))
		<-time.After(24 * time.Hour)
		assert.Equal(t, 7, r.count())
		assert.Equal(t, 1, s.Stats().WebhooksDelivered)
	})
}

func TestWebhookTimeout(t *testing.T) {
	for scale, want := range map[float64][]time.Duration{
		1:     {0, 35 * time.Second, 70 * time.Second, 135 * time.Second, 440 * time.Second},
		0.001: {0, 1030 * time.Millisecond, 2060 * time.Millisecond, 3120 * time.Millisecond, 4420 * time.Millisecond},
		10:    {0, 305 * time.Second, 610 * time.Second, 1215 * time.Second, 4220 * time.Second},
	} {
		r := receiver{silent: true}
		bubble(t, &r, simulator.Config{ManualReview: true, WebhookTimeScale: scale}, func(t *testing.T, s *simulator.Server, c *client) {
			id := c.create("a")
			begin := time.Now()
			c.submit(id)
			<-time.After(24 * time.Hour)
			assert.Equal(t, want, r.after(begin), "scale %v", scale)
		})
	}
}

func TestWebhookDuplicates(t *testing.T) {
	var r receiver
	bubble(t, &r, simulator.Config{ManualReview: true, WebhookDuplicates: 3}, func(t *testing.T, s *simulator.Server, c *client) {
		c.submit(c.create("a"))
		synctest.Wait()
		assert.Equal(t, []string{"Pending", "Pending", "Pending", "Pending"}, r.types())
		assert.Equal(t, r.bodies[0], r.bodies[3])
		assert.Equal(t, 4, s.Stats().WebhooksDelivered)
	})
}

func TestWebhookShuffle(t *testing.T) {
	var r receiver
	bubble(t, &r, simulator.Config{
		WebhookShuffle: true, WebhookDuplicates: 1, WebhookTimeScale: 0.01,
	}, func(t *testing.T, s *simulator.Server, c *client) {
		for n := range 5 {
			c.submit(c.create(fmt.Sprint("a", n)))
		}
		<-time.After(time.Minute)
		types := r.types()
		assert.Len(t, types, 20)
		assert.Equal(t, 20, s.Stats().WebhooksDelivered)
	})
	r = receiver{}
	bubble(t, &r, simulator.Config{WebhookShuffle: true}, func(t *testing.T, s *simulator.Server, c *client) {
		c.submit(c.create("a"))
		<-time.After(time.Hour)
		assert.Equal(t, []string{"Reviewed", "Pending"}, r.types())
	})
}

func TestWebhookQueueIsBounded(t *testing.T) {
	r := receiver{silent: true}
	bubble(t, &r, simulator.Config{ManualReview: true, WebhookDuplicates: 100}, func(t *testing.T, s *simulator.Server, c *client) {
		for n := range 101 {
			c.submit(c.create(fmt.Sprint("a", n)))
		}
		synctest.Wait()
		stats := s.Stats()
		assert.Equal(t, 101*101, stats.WebhookEvents)
		assert.Equal(t, 10_000, stats.WebhooksOutstanding)
		assert.Equal(t, 201, stats.WebhooksDropped)
		assert.Equal(t, 8, r.count(), "a few at a time")
	})
}

// TestWebhookOverHTTP delivers over real sockets, with every algorithm and a redirect.
func TestWebhookOverHTTP(t *testing.T) {
	for name, algorithm := range map[string]func() hash.Hash{
		"HMAC_SHA1_HEX": sha1.New, "HMAC_SHA256_HEX": sha256.New, "HMAC_SHA512_HEX": sha512.New,
	} {
		t.Run(name, func(t *testing.T) {
			type delivery struct {
				header http.Header
				body   []byte
			}
			deliveries := make(chan delivery, 10)
			var calls atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				deliveries <- delivery{r.Header, body}
				if calls.Add(1) == 1 {
					http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
				}
			}))
			defer server.Close()
			_, c := start(t, simulator.Config{
				ManualReview: true, WebhookURL: server.URL, WebhookSecret: "s", WebhookAlgorithm: name, WebhookTimeScale: 1e-6,
			})
			c.submit(c.create("a"))
			for range 2 { // a redirect is a failure and is not followed
				d := <-deliveries
				mac := hmac.New(algorithm, []byte("s"))
				mac.Write(d.body)
				assert.Equal(t, hex.EncodeToString(mac.Sum(nil)), d.header.Get("x-payload-digest"))
				assert.Equal(t, name, d.header.Get("x-payload-digest-alg"))
				assert.Equal(t, "application/json", d.header.Get("Content-Type"))
			}
		})
	}
}

func TestOnDelivery(t *testing.T) {
	const reviewed, pending = "applicantActionReviewed", "applicantActionPending"
	var seen []simulator.Delivery
	var delivered []int // the counts of the statistics at each call of OnDelivery
	var s *simulator.Server
	cfg := simulator.Config{ManualReview: true, OnDelivery: func(d simulator.Delivery) {
		seen = append(seen, d)
		if s != nil {
			delivered = append(delivered, s.Stats().WebhooksDelivered)
		}
	}}

	r := receiver{statuses: []int{500, 0, 302, 404, 503, 204}}
	bubble(t, &r, cfg, func(t *testing.T, server *simulator.Server, c *client) {
		s = server
		id := c.create("a")
		c.submit(id)
		<-time.After(24 * time.Hour)
		require.NoError(t, s.Review(id, simulator.Outcome{}))
		synctest.Wait()
		const s30 = 30 * time.Second
		assert.Equal(t, []simulator.Delivery{
			{Type: pending, ActionID: id, Attempt: 1, Status: 500, Next: s30},
			{Type: pending, ActionID: id, Attempt: 2, Problem: "no answer", Next: s30},
			{Type: pending, ActionID: id, Attempt: 3, Status: 302, Next: 2 * s30},
			{Type: pending, ActionID: id, Attempt: 4, Status: 404, Next: 10 * s30},
			{Type: pending, ActionID: id, Attempt: 5, Status: 503, Last: true},
			{Type: reviewed, ActionID: id, Attempt: 1, Status: 204, Accepted: true, Last: true},
		}, seen)
		assert.Equal(t, []int{0, 0, 0, 0, 0, 1}, delivered)
		s = nil
	})

	seen, r = nil, receiver{silent: true}
	bubble(t, &r, cfg, func(t *testing.T, s *simulator.Server, c *client) {
		id := c.create("a")
		c.submit(id)
		<-time.After(36 * time.Second) // the second attempt is under way
		require.NoError(t, s.Close())
		assert.Equal(t, []simulator.Delivery{
			{Type: pending, ActionID: id, Attempt: 1, Problem: "timeout", Next: 30 * time.Second},
			{Type: pending, ActionID: id, Attempt: 2, Problem: "simulator closed", Last: true},
		}, seen)
	})
}

// Close waits for a running hook, but not for the attempts that would follow.
func TestOnDeliveryWhileClosing(t *testing.T) {
	r := receiver{statuses: []int{500}}
	bubble(t, &r, simulator.Config{
		ManualReview: true, OnDelivery: func(simulator.Delivery) { time.Sleep(time.Second) },
	}, func(t *testing.T, s *simulator.Server, c *client) {
		begin := time.Now()
		c.submit(c.create("a"))
		synctest.Wait()
		require.NoError(t, s.Close())
		assert.Equal(t, time.Second, time.Since(begin))
		assert.Equal(t, 1, r.count())
	})
}

// TestDeliveryProblems tests the failures that only a network has.
func TestDeliveryProblems(t *testing.T) {
	quiet := log.New(io.Discard, "", 0)
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = quiet
	untrusted.StartTLS()
	defer untrusted.Close()
	rude := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer rude.Close()
	nobody := httptest.NewServer(nil)
	nobody.Close()
	for want, address := range map[string]string{"bad certificate": untrusted.URL, "no answer": rude.URL, "no connection": nobody.URL} {
		seen := make(chan simulator.Delivery, 10)
		_, c := start(t, simulator.Config{
			ManualReview: true, WebhookURL: address + "/hook?key=hush", WebhookSecret: "hush", OnDelivery: func(d simulator.Delivery) { seen <- d },
		})
		c.submit(c.create("a"))
		d := <-seen
		assert.Equal(t, want, d.Problem)
		assert.NotContains(t, fmt.Sprintf("%+v", d), "hush")
	}
}

func TestDroppedAfterClose(t *testing.T) {
	var r receiver
	bubble(t, &r, simulator.Config{WebhookShuffle: true}, func(t *testing.T, s *simulator.Server, c *client) {
		c.submit(c.create("a"))
		synctest.Wait()
		require.NoError(t, s.Close())
		<-time.After(time.Hour)
		assert.Empty(t, r.types())
	})
}
