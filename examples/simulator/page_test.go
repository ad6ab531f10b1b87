package main

import (
	"bytes"
	"context"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// TestPage controls the page behind a WebSDK link in a browser, with the keyboard only. If
// SCREENSHOTS names a directory, the test writes screenshots there.
func TestPage(t *testing.T) {
	t.Parallel()
	devTools := startChromium(t)

	t.Run("approve", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		b := newTab(t, devTools, 1280, 900, false)
		b.open(s.link("pay-1", 0), shown)
		text := b.eval("document.getElementById('action').innerText")
		require.Contains(t, text, simulator.DefaultApplicantID)
		require.Contains(t, text, simulator.DefaultExternalUserID)
		require.Contains(t, text, "pay-1")
		require.Contains(t, text, s.action("pay-1").ID)
		require.Contains(t, text, simulator.LevelFaceAuth)
		require.Contains(t, text, "init")
		require.Equal(t, simulator.LevelFaceAuth, s.action("pay-1").LevelName)
		b.keep("desktop-open")

		b.tabTo("input[name=outcome]")
		require.Equal(t, "approve", b.eval("document.activeElement.value"))
		require.Equal(t, "true", b.eval("document.getElementById('reasons').hidden"))
		b.tabTo("button")
		b.press("Enter")
		b.until("document.getElementById('message').innerText.startsWith('Approved')")
		require.Equal(t, "message", b.eval("document.activeElement.id"), "a screen reader is told")
		require.Equal(t, "completed: GREEN", b.eval("document.getElementById('status').innerText"))
		b.keep("desktop-approved")

		events := s.events(2)
		require.Equal(t, idngo.WebhookTypeApplicantActionPending, events[0].Type)
		require.Equal(t, idngo.WebhookTypeApplicantActionReviewed, events[1].Type)
		require.Equal(t, idngo.ReviewAnswerGreen, events[1].ReviewResult.ReviewAnswer)
		require.Equal(t, "pay-1", events[1].ExternalApplicantActionID)
		require.Equal(t, "GREEN", s.action("pay-1").Outcome.Answer)
		require.Empty(t, b.seenProblems())
	})

	t.Run("reject", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		b := newTab(t, devTools, 1280, 900, false)
		b.open(s.link("pay-2", 0), shown)
		b.tabTo("input[name=outcome]")
		b.press("ArrowDown") // the arrow keys move between radio buttons
		require.Equal(t, "reject", b.eval("document.querySelector('[name=outcome]:checked').value"))
		require.Equal(t, "false", b.eval("document.getElementById('reasons').hidden"))
		b.tabTo("input[value=BAD_FACE_MATCHING]")
		require.Equal(t, "true", b.eval("document.activeElement.checked"), "a rejection has a label, unless it is taken away")
		b.press(" ")
		b.tabTo("input[value=NOT_ALONE]")
		b.press(" ")
		b.tabTo("input[value=FRAUDULENT_PATTERNS]")
		b.press(" ")
		b.tabTo("#final")
		b.press(" ")
		b.tabTo("#comment")
		b.press("n", "o")
		b.keep("desktop-reject")
		b.press("Enter") // Enter in the last field submits a form
		b.until("document.getElementById('message').innerText.startsWith('Rejected')")
		require.Equal(t, "completed: RED (NOT_ALONE, FRAUDULENT_PATTERNS)", b.eval("document.getElementById('status').innerText"))

		result := s.events(2)[1].ReviewResult
		require.Equal(t, idngo.ReviewAnswerRed, result.ReviewAnswer)
		require.Equal(t, []idngo.RejectLabel{idngo.RejectLabelNotAlone, idngo.RejectLabelFraudulentPatterns}, result.RejectLabels)
		require.Equal(t, idngo.RejectTypeFinal, result.ReviewRejectType)
		require.Equal(t, "no", result.ModerationComment)
		require.Equal(t, "RED", s.action("pay-2").Outcome.Answer)
		require.Empty(t, b.seenProblems())
	})

	t.Run("error", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		b := newTab(t, devTools, 1280, 900, false)
		b.open(s.link("pay-3", 0), shown)
		b.tabTo("input[name=outcome]")
		b.press("ArrowDown", "ArrowDown")
		b.tabTo("button")
		b.press(" ")
		b.until("document.getElementById('message').innerText.startsWith('Ended with an error')")
		require.Equal(t, idngo.ReviewAnswerError, s.events(2)[1].ReviewResult.ReviewAnswer)
		require.Equal(t, "ERROR", s.action("pay-3").Outcome.Answer)
		require.Empty(t, b.seenProblems())
	})

	t.Run("hold, then approve", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		b := newTab(t, devTools, 1280, 900, false)
		b.open(s.link("pay-4", 0), shown)
		b.tabTo("input[name=outcome]")
		b.press("ArrowUp") // this key wraps to the last choice
		require.Equal(t, "hold", b.eval("document.activeElement.value"))
		b.tabTo("button")
		b.press("Enter")
		b.until("document.getElementById('message').innerText.startsWith('On hold')")
		require.Equal(t, "onHold", b.eval("document.getElementById('status').innerText"))
		require.Equal(t, idngo.WebhookTypeApplicantActionOnHold, s.events(2)[1].Type)
		require.Equal(t, "onHold", s.action("pay-4").ReviewStatus)

		b.tabTo("input[name=outcome]")
		b.press("ArrowDown") // this key wraps to the first choice
		b.tabTo("button")
		b.press("Enter")
		b.until("document.getElementById('message').innerText.startsWith('Approved')")
		require.Equal(t, idngo.WebhookTypeApplicantActionReviewed, s.events(3)[2].Type)
		require.Equal(t, "completed", s.action("pay-4").ReviewStatus)
		require.Empty(t, b.seenProblems())
	})

	t.Run("phone", func(t *testing.T) {
		t.Parallel()
		widths := []int{320, 390}
		for _, width := range widths[:faultnet.Count(2, 1, 1)] {
			s := newStage(t)
			b := newTab(t, devTools, width, 844, true)
			b.open(s.link("a-payment-with-a-rather-long-external-identifier-0123456789abcdef", 0), shown)
			b.tabTo("input[name=outcome]")
			b.press("ArrowDown")
			b.until("!document.getElementById('reasons').hidden")
			name := "phone-" + strconv.Itoa(width)
			picture, err := png.DecodeConfig(bytes.NewReader(b.keep(name)))
			require.NoError(t, err)
			require.Equal(t, 2*width, picture.Width, "nothing sticks out to the side")
			require.Equal(t, strconv.Itoa(width), b.eval("document.documentElement.scrollWidth"))
			// Buttons must be large enough for a finger, and no field may make a browser zoom.
			require.Equal(t, "true", b.eval("[...document.querySelectorAll('.choice, button, input[type=text]')]"+
				".every(e => e.offsetHeight === 0 || e.offsetHeight >= 44)"))
			require.Equal(t, "true", b.eval("parseFloat(getComputedStyle(document.getElementById('comment')).fontSize) >= 16"))
			require.Empty(t, b.seenProblems())
		}
	})

	t.Run("dark", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		b := newTab(t, devTools, 1280, 900, false)
		dark := []map[string]string{{"name": "prefers-color-scheme", "value": "dark"}}
		b.call("Emulation.setEmulatedMedia", map[string]any{"features": dark}, nil)
		b.open(s.link("pay-5", 0), shown)
		b.keep("desktop-dark")
		require.NotEqual(t, "rgb(255, 255, 255)", b.eval("getComputedStyle(document.body).backgroundColor"))
		require.Empty(t, b.seenProblems())
	})

	t.Run("links that lead nowhere", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		b := newTab(t, devTools, 390, 844, true)
		failed := "!document.getElementById('message').hidden"
		b.open(s.baseURL+"/idensic/l/#/nobodyKnowsThisCode", failed)
		require.Contains(t, b.eval("document.getElementById('message').innerText"), "not known")
		require.Equal(t, "true", b.eval("document.getElementById('decision').hidden"))
		b.keep("phone-unknown")
		require.Empty(t, s.simulator.Actions())

		expired := s.link("pay-6", time.Second)
		s.pass(2 * time.Second)
		b.open("about:blank", "true")
		b.open(expired, failed)
		require.Contains(t, b.eval("document.getElementById('message').innerText"), "expired")
		require.Empty(t, s.simulator.Actions())

		// The same address with another code only changes the fragment.
		b.open(s.link("pay-7", 0), shown)
		require.Equal(t, "true", b.eval("document.getElementById('message').hidden"))
	})

	t.Run("decided already", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		b := newTab(t, devTools, 390, 844, true)
		link := s.link("pay-9", 0)
		b.open(link, shown)
		require.Contains(t, b.eval("document.getElementById('asks').innerText"), "selfie")
		require.NoError(t, s.simulator.Review(s.action("pay-9").ID, simulator.Outcome{Answer: "RED"}))
		b.open("about:blank", "true")
		b.open(link, shown)
		require.Contains(t, b.eval("document.getElementById('message').innerText"), "already been decided: RED")
		b.keep("phone-decided")
		require.Empty(t, b.seenProblems())
	})

	t.Run("the simulator is gone", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		b := newTab(t, devTools, 390, 844, true)
		b.open(s.link("pay-10", 0), shown)
		require.NoError(t, s.simulator.Close())
		b.tabTo("button")
		b.press("Enter")
		b.until("document.getElementById('message').innerText.startsWith('The simulator does not answer')")
		require.Equal(t, "message", b.eval("document.activeElement.id"))
		b.keep("phone-gone")
	})

	t.Run("policy", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		b := newTab(t, devTools, 1280, 900, false)
		b.open(s.link("pay-8", 0), shown)
		// This shows that the browser reports a violation of the policy. The other tests rely on it.
		b.eval("{ const s = document.createElement('script'); s.textContent = 'document.title = \"taken over\"'; document.body.append(s); '' }")
		require.Eventually(t, func() bool { return len(b.seenProblems()) > 0 }, time.Minute, 10*time.Millisecond)
		require.NotEqual(t, "taken over", b.eval("document.title"))
		require.Empty(t, b.eval("document.referrer"))
	})
}

const shown = "!document.getElementById('decision').hidden"

// keep takes a screenshot and writes it to the directory in $SCREENSHOTS, if that is set.
func (b *tab) keep(name string) []byte {
	b.t.Helper()
	picture := b.screenshot()
	if dir := os.Getenv("SCREENSHOTS"); dir != "" {
		require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600))
	}
	return picture
}

// stage is a simulator, a client of it, and a receiver of its webhooks.
type stage struct {
	t         *testing.T
	simulator *simulator.Server
	baseURL   string
	client    *idngo.Client

	mu       sync.Mutex
	received []*idngo.WebhookEvent
	ahead    time.Duration // the offset of the clocks of the simulator and the client
}

// newStage starts the simulator and the receiver, and makes the client.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t}
	verifier, err := idngo.NewWebhookVerifier(simulator.DefaultWebhookSecret)
	require.NoError(t, err)
	receiver := httptest.NewServer(verifier.Handler(func(_ context.Context, e *idngo.WebhookEvent) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.received = append(s.received, e)
		return nil
	}))
	t.Cleanup(receiver.Close)
	s.simulator, err = simulator.New(simulator.Config{WebhookURL: receiver.URL, ManualReview: true, Clock: s.now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.simulator.Close()) })
	s.baseURL, err = s.simulator.Start("")
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	s.client, err = idngo.NewClient(idngo.Credentials{AppToken: simulator.DefaultAppToken, SecretKey: simulator.DefaultSecretKey},
		idngo.WithBaseURL(s.baseURL), idngo.WithHTTPClient(&http.Client{Transport: transport}), idngo.WithClock(s.now))
	require.NoError(t, err)
	return s
}

// now returns the time of the stage. A test can move it forward.
func (s *stage) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.ahead)
}

// pass moves the time forward.
func (s *stage) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

// link returns a link to an action. The action exists only after the link was opened.
func (s *stage) link(externalActionID string, ttl time.Duration) string {
	s.t.Helper()
	link, err := s.client.CreateWebSDKLink(s.t.Context(), idngo.WebSDKLinkParams{
		LevelName: simulator.LevelFaceAuth, ExternalUserID: simulator.DefaultExternalUserID, ExternalActionID: externalActionID, TTL: ttl,
	})
	require.NoError(s.t, err)
	u, err := url.Parse(link.URL)
	require.NoError(s.t, err)
	require.NotEmpty(s.t, u.Fragment, "the code never leaves the browser by itself")
	return link.URL
}

// action returns the only action of the simulator.
func (s *stage) action(externalActionID string) simulator.ActionRecord {
	s.t.Helper()
	actions := s.simulator.Actions()
	require.Len(s.t, actions, 1)
	require.Equal(s.t, externalActionID, actions[0].ExternalActionID)
	return actions[0]
}

// events waits for n webhooks and returns them.
func (s *stage) events(n int) []*idngo.WebhookEvent {
	s.t.Helper()
	var events []*idngo.WebhookEvent
	require.Eventually(s.t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		events = append(events[:0], s.received...)
		return len(events) >= n
	}, time.Minute, 5*time.Millisecond)
	require.Len(s.t, events, n)
	return events
}
