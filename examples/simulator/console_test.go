package main

import (
	"bytes"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// desk is a simulator with content for its console.
type desk struct {
	t         *testing.T
	simulator *simulator.Server
	baseURL   string
	client    *idngo.Client
	refuse    atomic.Bool // makes the receiver of webhooks answer 401
}

// newDesk starts a simulator, a client of it, and a receiver that can refuse its webhooks.
func newDesk(t *testing.T) *desk {
	t.Helper()
	return newDeskAt(t, "")
}

// newDeskAt makes a desk whose simulator has this address, a free one if it is empty.
func newDeskAt(t *testing.T, address string) *desk {
	t.Helper()
	d := &desk{t: t}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if d.refuse.Load() {
			http.Error(w, "digest does not match", http.StatusUnauthorized)
		}
	}))
	t.Cleanup(receiver.Close)
	var err error
	d.simulator, err = simulator.New(simulator.Config{WebhookURL: receiver.URL + "/webhooks", ManualReview: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.simulator.Close()) })
	d.baseURL, err = d.simulator.Start(address)
	require.NoError(t, err)
	d.client = d.newClient(simulator.DefaultSecretKey)
	return d
}

// newClient makes a client with a key. A wrong key gives wrong signatures.
func (d *desk) newClient(key idngo.Secret) *idngo.Client {
	d.t.Helper()
	transport := &http.Transport{}
	d.t.Cleanup(transport.CloseIdleConnections)
	client, err := idngo.NewClient(idngo.Credentials{AppToken: simulator.DefaultAppToken, SecretKey: key}, idngo.WithBaseURL(d.baseURL),
		idngo.WithHTTPClient(&http.Client{Transport: transport}), faultnet.OneAttempt())
	require.NoError(d.t, err)
	return client
}

// submit creates an action with a selfie and submits it.
func (d *desk) submit(externalActionID string) (actionID string) {
	d.t.Helper()
	token, err := d.client.CreateAccessToken(d.t.Context(), idngo.AccessTokenParams{
		UserID: "alice", LevelName: "action-liveness", ExternalActionID: externalActionID,
	})
	require.NoError(d.t, err)
	id, err := d.simulator.CompleteWithToken(token.Token)
	require.NoError(d.t, err)
	return id
}

// fill makes the content of the screenshots.
func (d *desk) fill() {
	d.t.Helper()
	d.submit("pay-1042")
	rejected := d.submit("pay-1043#RED-FINAL:FRAUDULENT_LIVENESS")
	red := simulator.Outcome{Answer: "RED", RejectLabels: []string{"FRAUDULENT_LIVENESS"}, RejectType: "FINAL"}
	require.NoError(d.t, d.simulator.Review(rejected, red))
	require.NoError(d.t, d.simulator.Review(d.submit("login-with-a-rather-long-external-identifier-0123456789"), simulator.Outcome{}))
	action, err := d.client.CreateAction(d.t.Context(), simulator.DefaultApplicantID, idngo.CreateActionParams{
		LevelName: simulator.LevelFaceAuth, ExternalActionID: "no-image",
	})
	require.NoError(d.t, err)
	_, err = d.client.SubmitAction(d.t.Context(), action.ID)
	require.NoError(d.t, err)
	_, err = d.newClient("another-secret-key-0123456789abcdef").GetAction(d.t.Context(), action.ID)
	require.ErrorIs(d.t, err, idngo.ErrUnauthorized)
}

// text returns the text of an element.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return b.eval(fmt.Sprintf("document.querySelector(%q).innerText", selector))
}

// write types a text into the field that has the focus.
func (b *tab) write(text string) {
	b.t.Helper()
	b.call("Input.insertText", map[string]any{"text": text}, nil)
}

const live = "document.getElementById('connection').innerText === 'live'"

// TestConsole controls the console in a browser with the keyboard only. If SCREENSHOTS names a
// directory, the test writes screenshots there.
func TestConsole(t *testing.T) {
	t.Parallel()
	devTools := startChromium(t)

	t.Run("requests", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		b := newTab(t, devTools, 1280, 900, false)
		b.open(d.baseURL+"/", live)
		require.Equal(t, "false", b.eval("document.querySelector('#requests .empty').hidden"))
		d.fill()
		b.until("document.querySelector('#requests-rows .operation')?.innerText === 'GetAction'")
		require.Equal(t, "401", b.text("#requests-rows .status"))
		require.Equal(t, "wrong signature", b.text("#requests-rows .signature"))
		b.tabTo("#requests-rows summary")
		b.press("Enter")
		b.until("document.querySelector('.string-to-sign')")
		require.Regexp(t, `^\d{10}GET/resources/applicantActions/[0-9a-f]{24}/one$`, b.text(".string-to-sign"))
		require.Contains(t, b.text("#requests-rows .detail"), "keyed with the secret key")
		b.keep("console-requests")

		b.open(d.baseURL+"/#requests", live)
		b.tabTo("#requests-filter")
		b.write("submitaction")
		b.until("[...document.querySelectorAll('#requests-rows > li')].filter(e => !e.hidden).length === 1")
		require.Contains(t, b.eval("[...document.querySelectorAll('#requests-rows > li')].find(e => !e.hidden).innerText"), "without an image")
		require.Empty(t, b.seenProblems())
	})

	t.Run("actions", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		b := newTab(t, devTools, 1280, 900, false)
		id := d.submit("pay-1")
		b.open(d.baseURL+"/", live)
		b.tabTo("nav a[href='#actions']")
		b.press("Enter")
		b.until("document.querySelector('#actions-rows .state')?.innerText === 'pending'")
		b.tabTo("#actions-rows summary")
		b.press("Enter")
		b.until("document.querySelector('.images img')?.naturalHeight === 320")
		b.keep("console-action")
		b.tabTo(".decide button:nth-of-type(3)")
		b.press("Enter")
		b.until("document.querySelector('#actions-rows .state').innerText === 'onHold'")
		b.tabTo(".decide select")
		b.press("ArrowDown", "ArrowDown")
		b.tabTo(".decide input")
		b.press(" ")
		b.tabTo(".decide .danger")
		b.press("Enter")
		b.until("document.querySelector('#actions-rows .state').innerText === 'RED'")
		require.Equal(t, "true", b.eval("document.activeElement.matches('.decide .danger')"), "the focus stays")
		outcome := d.simulator.Actions()[0].Outcome
		require.Equal(t, simulator.Outcome{Answer: "RED", RejectLabels: []string{"BAD_SELFIE"}, RejectType: "FINAL"}, outcome)
		require.NoError(t, d.simulator.Review(id, simulator.Outcome{}))
		b.until("document.querySelector('#actions-rows .state').innerText === 'GREEN'")
		require.Empty(t, b.seenProblems())
	})

	t.Run("deliveries", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		d.refuse.Store(true)
		d.submit("pay-1")
		b := newTab(t, devTools, 1280, 900, false)
		b.open(d.baseURL+"/#deliveries", live)
		b.until("document.querySelector('#deliveries-rows .state')?.innerText === 'retrying 401'")
		b.tabTo("#deliveries-rows summary")
		b.press("Enter")
		b.until("document.querySelector('.receiver-answer')?.innerText.startsWith('digest does not match')")
		require.Contains(t, b.text("#deliveries-rows .detail"), "applicantActionPending")
		b.keep("console-delivery")
		d.refuse.Store(false)
		b.tabTo("#deliveries-rows .detail button")
		b.press("Enter")
		b.until("document.querySelector('#deliveries-rows .state').innerText === 'accepted 200'")
		require.Empty(t, b.seenProblems())
	})

	t.Run("settings", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		b := newTab(t, devTools, 1280, 900, false)
		b.open(d.baseURL+"/#settings", live)
		b.keep("console-settings")
		b.tabTo("#faults")
		b.write("429@GetAction#2")
		b.press("Enter")
		b.until("document.getElementById('faults-now').innerText.includes('429@GetAction#2')")
		_, err := d.client.GetAction(t.Context(), "x")
		require.ErrorIs(t, err, idngo.ErrRateLimited)
		b.until("document.getElementById('faults-now').innerText.includes('429@GetAction#1')")
		b.tabTo("#end-faults")
		b.press("Enter")
		b.until("document.getElementById('faults-now').hidden")
		require.Empty(t, d.simulator.Faults())

		b.tabTo("#faults")
		b.write("flood#1")
		b.press("Enter")
		b.until("document.getElementById('message').innerText.includes('reset-after')")
		require.Equal(t, "message", b.eval("document.activeElement.id"), "a screen reader is told")

		b.tabTo("#outcome")
		b.write("RED:FORGERY")
		b.press("Enter")
		b.until("document.getElementById('outcome-now').innerText === 'RED:FORGERY'")
		b.tabTo("#event-form button")
		b.press("Enter")
		b.until("document.getElementById('deliveries-count').innerText === '1'")
		b.tabTo("#applicant-id")
		b.write("a1")
		b.tabTo("#applicant-user")
		b.write("bob")
		b.press("Enter")
		b.until("document.getElementById('applicants').innerText.includes('bob – a1')")
		b.tabTo("#level-name")
		b.write("my-level")
		b.press("Enter")
		b.until("document.getElementById('levels').innerText.includes('my-level – selfieAuth')")
		b.tabTo("#clock")
		b.write("-5m")
		b.press("Enter")
		b.until("document.getElementById('clock-now').innerText === '-5m0s'")
		b.tabTo("#webhook-url")
		b.write("http://127.0.0.1:1/elsewhere")
		b.press("Enter")
		b.until("document.getElementById('webhook-now').innerText === 'http://127.0.0.1:1/elsewhere'")
		b.tabTo("#reset-form button")
		b.press("Enter")
		b.until("!document.getElementById('applicants').innerText.includes('bob')")
		require.Len(t, b.seenProblems(), 1, "the refused faults: the browser logs the 400")
	})

	t.Run("follows a thousand requests a second", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		b := newTab(t, devTools, 1280, 900, false)
		b.open(d.baseURL+"/", live)
		total := faultnet.Count(5000, 2000, 2000)
		for range total {
			r := httptest.NewRequest(http.MethodGet, "/resources/applicantActions/x/one", nil)
			d.simulator.ServeHTTP(httptest.NewRecorder(), r)
		}
		b.until("document.getElementById('requests-count').innerText === '" + strconv.Itoa(total) + "'")
		require.Equal(t, "500", b.eval("document.querySelectorAll('#requests-rows > li').length"))
		require.Equal(t, "header missing", b.text("#requests-rows .signature"))
		require.Empty(t, b.seenProblems())
	})

	t.Run("phone", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		d.fill()
		b := newTab(t, devTools, 360, 740, true)
		parts := []string{"requests", "actions", "deliveries", "settings"}
		for _, part := range parts[:faultnet.Count(len(parts), 1, 1)] {
			b.open("about:blank", "true")
			b.open(d.baseURL+"/#"+part, live+" && (document.querySelector('#"+part+"-rows summary') || '"+part+"' === 'settings')")
			if part != "settings" {
				b.tabTo("#" + part + "-rows summary")
				b.press("Enter")
				b.until("document.querySelector('#" + part + "-rows .detail').innerText !== ''")
			}
			picture, err := png.DecodeConfig(bytes.NewReader(b.keep("console-phone-" + part)))
			require.NoError(t, err)
			require.Equal(t, 720, picture.Width, "nothing sticks out to the side")
			require.Equal(t, "360", b.eval("document.documentElement.scrollWidth"))
			require.Equal(t, "true", b.eval("[...document.querySelectorAll('nav a, button, summary, input[type=text], select')]"+
				".every(e => e.offsetHeight === 0 || e.offsetHeight >= 44)"), "a finger hits it")
		}
		require.Empty(t, b.seenProblems())
	})

	t.Run("dark", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		d.fill()
		b := newTab(t, devTools, 1280, 900, false)
		dark := []map[string]string{{"name": "prefers-color-scheme", "value": "dark"}}
		b.call("Emulation.setEmulatedMedia", map[string]any{"features": dark}, nil)
		b.open(d.baseURL+"/#actions", live+" && document.querySelector('#actions-rows summary')")
		b.keep("console-dark")
		require.NotEqual(t, "rgb(244, 246, 248)", b.eval("getComputedStyle(document.body).backgroundColor"))
		require.Empty(t, b.seenProblems())
	})

	t.Run("the simulator is gone", func(t *testing.T) {
		t.Parallel()
		d := newDeskAt(t, faultnet.FreeAddress(t)) // no other test takes its port while it is gone
		b := newTab(t, devTools, 1280, 900, false)
		b.open(d.baseURL+"/", live)
		require.NoError(t, d.simulator.Close())
		b.until("document.getElementById('connection').innerText === 'the simulator does not answer'")
		again, err := simulator.New(simulator.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, again.Close()) })
		require.Eventually(t, func() bool {
			_, err := again.Start(d.baseURL[len("http://"):])
			return err == nil
		}, time.Minute, 10*time.Millisecond)
		b.until(live)
	})

	t.Run("another page cannot drive it", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<!doctype html><title>other</title>")
		}))
		t.Cleanup(other.Close)
		d.submit("pay-1")
		b := newTab(t, devTools, 1280, 900, false)
		b.open(other.URL, "document.title === 'other'")
		b.eval("window.done = 0; for (const mode of ['no-cors', 'cors']) for (const method of ['GET', 'POST'])" +
			"fetch('" + d.baseURL + "/_simulator/' + (method === 'POST' ? 'reset' : 'actions'), {method, mode})" +
			".then(r => r.text()).catch(() => '').then(text => { window.done++; window.read = (window.read || '') + text; }); ''")
		b.until("window.done === 4")
		require.Empty(t, b.eval("window.read"))
		require.Len(t, d.simulator.Actions(), 1, "it was not reset")
	})
}
