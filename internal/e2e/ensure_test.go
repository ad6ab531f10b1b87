package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// simulatorRecorder is a simulator and the requests that it has got, in order.
type simulatorRecorder struct {
	*simulator.Server
	net *faultnet.Network

	mu    sync.Mutex
	calls []string // the names of the operations
	at    []time.Time
	// before is called before each request with its operation and its number for that operation. It
	// returns true if it has answered the request.
	before func(operation string, number int, w http.ResponseWriter, r *http.Request) bool
	counts map[string]int
}

// newSimulatorRecorder puts a simulator behind the handler of a Network, so that a test can do
// something between any two requests.
func newSimulatorRecorder(t *testing.T, cfg simulator.Config) *simulatorRecorder {
	t.Helper()
	recorder := &simulatorRecorder{net: faultnet.New(t), counts: map[string]int{}}
	cfg.AppToken, cfg.SecretKey = faultnet.AppToken, faultnet.SecretKey
	service, err := simulator.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, service.Close()) })
	recorder.Server = service
	recorder.net.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		operation := operationOfRequest(r)
		recorder.mu.Lock()
		recorder.calls, recorder.at = append(recorder.calls, operation), append(recorder.at, time.Now())
		recorder.counts[operation]++
		number := recorder.counts[operation]
		recorder.mu.Unlock()
		if recorder.before != nil && recorder.before(operation, number, w, r) {
			return true
		}
		service.ServeHTTP(w, r)
		return true
	}
	return recorder
}

// operationOfRequest returns the operation of a request, which its path shows.
func operationOfRequest(r *http.Request) string {
	switch path := r.URL.Path; {
	case strings.Contains(path, "/forApplicant/"):
		return "CreateAction"
	case strings.Contains(path, "-;applicantId="):
		return "ListActions"
	case strings.HasSuffix(path, "/one"):
		return "GetAction"
	case strings.HasSuffix(path, "/images"):
		return "AddImage"
	case strings.HasSuffix(path, "/pending"):
		return "SubmitAction"
	default:
		return path
	}
}

// story returns the names of the calls in their order.
func (b *simulatorRecorder) story() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.calls, " ")
}

// forget deletes the recorded calls.
func (b *simulatorRecorder) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls, b.at, b.counts = nil, nil, map[string]int{}
}

// add creates the actions ext-1, ext-2 and so on, one second apart.
func (b *simulatorRecorder) add(t *testing.T, count int) {
	t.Helper()
	client := b.net.Client()
	for i := range count {
		_, err := client.CreateAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization(fmt.Sprintf("ext-%d", i+1)))
		require.NoError(t, err)
		time.Sleep(time.Second)
	}
	b.forget()
}

// with returns the number of actions with an external id.
func (b *simulatorRecorder) with(externalID string) (count int) {
	for _, a := range b.Actions() {
		if a.ExternalActionID == externalID {
			count++
		}
	}
	return count
}

// repeatWord returns a word n times.
func repeatWord(word string, n int) string { return strings.TrimSpace(strings.Repeat(word+" ", n)) }

func TestFindActionStopsAsSoonAsItCan(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		actions int
		quirks  simulator.Quirks
		find    string
		story   string
		found   bool
	}{
		"newest":        {actions: 250, find: "ext-250", story: "ListActions", found: true},
		"second page":   {actions: 250, find: "ext-100", story: "ListActions ListActions", found: true},
		"oldest":        {actions: 250, find: "ext-1", story: "ListActions ListActions ListActions", found: true},
		"none":          {actions: 250, find: "ext-0", story: "ListActions ListActions ListActions"},
		"total reached": {actions: 200, find: "ext-0", story: "ListActions ListActions"},
		"no actions":    {actions: 0, find: "ext-1", story: "ListActions"},
		"other envelope": {
			actions: 150, quirks: simulator.Quirks{BareList: true}, find: "ext-1", story: "ListActions ListActions", found: true,
		},
		"other envelope, none": {actions: 150, quirks: simulator.Quirks{BareList: true}, find: "ext-0", story: "ListActions ListActions"},
		"entries without ids": {
			actions: 7, quirks: simulator.Quirks{ListWithoutExternalIDs: true}, find: "ext-5", story: "ListActions GetAction GetAction GetAction",
			found: true,
		},
		"entries without, none": {
			actions: 7, quirks: simulator.Quirks{ListWithoutExternalIDs: true}, find: "ext-0", story: "ListActions " + repeatWord("GetAction", 7),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				recorder := newSimulatorRecorder(t, simulator.Config{Quirks: tt.quirks})
				recorder.add(t, tt.actions)
				action, err := recorder.net.Client().FindAction(t.Context(), simulator.DefaultApplicantID, tt.find)
				assert.Equal(t, tt.story, recorder.story())
				if !tt.found {
					require.ErrorIs(t, err, idngo.ErrNotFound)
					require.ErrorContains(t, err, "idngo: FindAction: no action has this external id")
					var api *idngo.APIError
					assert.NotErrorAs(t, err, &api, "it is no answer of the service")
					assert.Nil(t, action)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, tt.find, action.ExternalActionID)
			})
		})
	}
}

// FindAction returns the newest of several actions with one external id.
func TestFindActionFindsTheNewest(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		recorder := newSimulatorRecorder(t, simulator.Config{})
		recorder.add(t, 3)
		newest, err := recorder.net.Client().CreateAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-2"))
		require.NoError(t, err)
		found, err := recorder.net.Client().FindAction(t.Context(), simulator.DefaultApplicantID, "ext-2")
		require.NoError(t, err)
		assert.Equal(t, newest.ID, found.ID)
	})
}

// answerLists answers ListActions page by page. It answers GetAction from gets: with 404 if the id
// is not in it, and with 403 if its text is empty.
func answerLists(pages []string, gets map[string]string) func(int, http.ResponseWriter, *http.Request) bool {
	asked := 0
	return func(_ int, w http.ResponseWriter, r *http.Request) bool {
		page := `{"list":{"items":[]}}`
		switch {
		case operationOfRequest(r) == "ListActions" && asked < len(pages):
			page = pages[asked]
			asked++
		case operationOfRequest(r) == "ListActions":
			asked++
		default:
			id := strings.Split(r.URL.Path, "/")[3]
			get, ok := gets[id]
			if !ok {
				faultnet.Refuse(w, 404, 0, "no")
				return true
			}
			if get == "" {
				faultnet.Refuse(w, 403, 0, "no")
				return true
			}
			page = get
		}
		_, _ = io.WriteString(w, page)
		return true
	}
}

func TestFindActionOnOddLists(t *testing.T) {
	tests := map[string]struct {
		pages []string
		gets  map[string]string
		calls int
		id    string // the id of the action that is found
		is    error  // the sentinel that the error matches; nil with an empty id if it matches none
	}{
		"total is missing": {
			pages: []string{`{"list":{"items":[{"id":"1","externalActionId":"x"}]}}`, `{"list":{"items":[{"id":"2","externalActionId":"y"}]}}`},
			calls: 3, is: idngo.ErrNotFound,
		},
		"total is missing, found": {
			pages: []string{`{"items":[{"id":"1","externalActionId":"x"}]}`, `{"items":[{"id":"2","externalActionId":"ext"}]}`}, calls: 2, id: "2",
		},
		"short pages": {
			pages: []string{
				`{"items":[{"id":"1","externalActionId":"x"}],"totalItems":2}`, `{"items":[{"id":"2","externalActionId":"ext"}],"totalItems":2}`,
			},
			calls: 2, id: "2",
		},
		"total too large": {
			pages: []string{`{"items":[{"id":"1","externalActionId":"x"}],"totalItems":100}`}, calls: 2, is: idngo.ErrNotFound,
		},
		"some say their id": {
			pages: []string{`{"items":[{"id":"1"},{"id":"2","externalActionId":"x"}],"totalItems":2}`},
			gets:  map[string]string{"1": `{"id":"1"}`}, calls: 2, is: idngo.ErrNotFound,
		},
		"none says its id": {
			pages: []string{`{"items":[{"id":"1"},{"id":"2"}],"totalItems":2}`},
			gets:  map[string]string{"1": `{"id":"1"}`, "2": `{"id":"2"}`}, calls: 3,
		},
		"one cannot be asked": {
			pages: []string{`{"items":[{"id":"1"},{"id":"2"}],"totalItems":2}`},
			gets:  map[string]string{"2": `{"id":"2","externalActionId":"ext"}`}, calls: 3, id: "2",
		},
		"one is refused": {
			pages: []string{`{"items":[{"id":"1"}],"totalItems":1}`}, gets: map[string]string{"1": ""}, calls: 2, is: idngo.ErrForbidden,
		},
		"one cannot be asked, and may be it": {
			pages: []string{`{"items":[{"id":"1"},{"id":"2"}],"totalItems":2}`},
			gets:  map[string]string{"2": `{"id":"2","externalActionId":"x"}`}, calls: 3,
		},
		"both envelopes, one empty": {
			pages: []string{`{"list":{"items":[{"id":"1","externalActionId":"ext"}],"totalItems":1},"items":[]}`}, calls: 1, id: "1",
		},
		"an entry without its id": {
			pages: []string{`{"items":[{"externalActionId":"ext"}],"totalItems":1}`}, calls: 1,
		},
		"no list at all": {
			pages: []string{`{"ok":1}`}, calls: 1,
		},
		"the same page for ever": {
			pages: []string{
				`{"items":[{"id":"1","externalActionId":"x"}]}`, `{"items":[{"id":"1","externalActionId":"x"}]}`,
				`{"items":[{"id":"1","externalActionId":"x"}]}`,
				`{"items":[{"id":"1","externalActionId":"x"}]}`, `{"items":[{"id":"1","externalActionId":"x"}]}`,
				`{"items":[{"id":"1","externalActionId":"x"}]}`,
			}, calls: 4,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = answerLists(tt.pages, tt.gets)
				action, err := network.Client().FindAction(t.Context(), "app-1", "ext")
				assert.Len(t, network.Seen(), tt.calls)
				if tt.id != "" {
					require.NoError(t, err)
					assert.Equal(t, tt.id, action.ID)
					return
				}
				require.Error(t, err)
				for _, sentinel := range []error{
					idngo.ErrNotFound, idngo.ErrForbidden, idngo.ErrInvalidArgument, idngo.ErrOutcomeUnknown, idngo.ErrConflict, idngo.ErrServer,
				} {
					assert.Equal(t, tt.is == sentinel, errors.Is(err, sentinel), "%v: %v", sentinel, err)
				}

				// EnsureAction creates no action if one may exist.
				network = faultnet.New(t)
				network.OnRequest = answerLists(tt.pages, tt.gets)
				_, _ = network.Client().EnsureAction(t.Context(), "app-1", idngo.CreateActionParams{LevelName: "lvl", ExternalActionID: "ext"})
				created := 0
				for _, r := range network.Seen() {
					if r.Method == http.MethodPost {
						created++
					}
				}
				sure := name == "total is missing" || name == "total too large" || name == "some say their id"
				assert.Equal(t, sure, created > 0)
			})
		})
	}
}

func TestEnsureAction(t *testing.T) {
	const ext = "ext-1"
	ensure := func(t *testing.T, c *idngo.Client, opts ...idngo.RequestOption) (*idngo.Action, error) {
		return c.EnsureAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization(ext), opts...)
	}
	type faults = []simulator.Fault
	const (
		create = "CreateAction"
		list   = "ListActions"
	)
	down := simulator.Fault{Kind: simulator.FaultStatus, Operation: create}
	tests := map[string]struct {
		exists   int
		quirks   simulator.Quirks
		script   faults
		story    string
		actions  int   // the number of actions with ext-1 in the end
		is       error // the sentinel that the error matches; nil if the call succeeds
		unknown  bool
		attempts int // MaxAttempts
	}{
		"there is none": {exists: 0, story: "ListActions CreateAction", actions: 1, attempts: 0},
		"there is one":  {exists: 1, story: "ListActions", actions: 1, attempts: 0},
		"there is one, entries are short": {
			exists: 1, quirks: simulator.Quirks{ListWithoutExternalIDs: true}, story: "ListActions GetAction", actions: 1, attempts: 0,
		},
		"answers without an action": {
			exists: 0, quirks: simulator.Quirks{EmptyAnswers: true}, story: "ListActions CreateAction ListActions", actions: 1, attempts: 0,
		},
		"answers of ok": {
			exists: 0, quirks: simulator.Quirks{OKAnswers: true}, story: "ListActions CreateAction ListActions", actions: 1, attempts: 0,
		},

		"reset after the effect": {
			exists: 0, script: faults{{Kind: simulator.FaultResetAfter, Operation: create}}, story: "ListActions CreateAction ListActions",
			actions: 1, attempts: 0,
		},
		"503 after the effect": {
			exists: 0, script: faults{{Kind: simulator.FaultStatusAfter, Operation: create}}, story: "ListActions CreateAction ListActions",
			actions: 1, attempts: 0,
		},
		"cut off": {
			exists: 0, script: faults{{Kind: simulator.FaultTruncate, Operation: create}}, story: "ListActions CreateAction ListActions",
			actions: 1, attempts: 0,
		},
		"cut off, chunked": {
			exists: 0, script: faults{{Kind: simulator.FaultTruncateChunked, Operation: create}}, story: "ListActions CreateAction ListActions",
			actions: 1, attempts: 0,
		},
		"garbage": {
			exists: 0, script: faults{{Kind: simulator.FaultGarbage, Operation: create}}, story: "ListActions CreateAction ListActions", actions: 1,
			attempts: 0,
		},
		"endless": {
			exists: 0, script: faults{{Kind: simulator.FaultEndless, Operation: create}}, story: "ListActions CreateAction ListActions", actions: 1,
			attempts: 0,
		},
		"too slow": {
			exists: 0, script: faults{{Kind: simulator.FaultSlowHeaders, Operation: create, Delay: 40 * time.Second}},
			story: "ListActions CreateAction ListActions", actions: 1, attempts: 0,
		},
		"too slow a body": {
			exists: 0, script: faults{{Kind: simulator.FaultSlowBody, Operation: create, Delay: 40 * time.Second}},
			story: "ListActions CreateAction ListActions", actions: 1, attempts: 0,
		},
		"reset before the effect": {
			exists: 0, script: faults{{Kind: simulator.FaultReset, Operation: create}}, story: "ListActions CreateAction ListActions CreateAction",
			actions: 1, attempts: 0,
		},
		"503 before the effect": {
			exists: 0, script: faults{down}, story: "ListActions CreateAction ListActions CreateAction", actions: 1, attempts: 0,
		},
		"before and after": {
			exists: 0, script: faults{down, {Kind: simulator.FaultResetAfter, Operation: create}},
			story: "ListActions CreateAction ListActions CreateAction ListActions", actions: 1, attempts: 0,
		},
		"reset after, entries are short": {
			exists: 0, quirks: simulator.Quirks{ListWithoutExternalIDs: true},
			script: faults{{Kind: simulator.FaultResetAfter, Operation: create}}, story: "ListActions CreateAction ListActions GetAction",
			actions: 1, attempts: 0,
		},
		"three creates at most": {
			exists: 0, script: faults{down, down, down, down}, story: repeatWord("ListActions CreateAction", 3) + " ListActions",
			actions: 0, is: idngo.ErrServer, unknown: true, attempts: 0,
		},
		"one create at most": {
			exists: 0, script: faults{down, down}, story: "ListActions CreateAction ListActions", actions: 0, is: idngo.ErrServer,
			unknown: true, attempts: 1,
		},
		"five creates at most": {
			exists: 0, script: faults{down, down, down, down}, story: repeatWord("ListActions CreateAction", 5), actions: 1, attempts: 5,
		},
		"429 is no create": {
			exists: 0, script: faults{{Kind: simulator.FaultStatus, Operation: create, Status: 429}},
			story: "ListActions CreateAction CreateAction", actions: 1, attempts: 0,
		},
		"429 too often": {
			exists: 0,
			script: faults{
				{Kind: simulator.FaultStatus, Operation: create, Status: 429}, {Kind: simulator.FaultStatus, Operation: create, Status: 429},
				{Kind: simulator.FaultStatus, Operation: create, Status: 429},
			},
			story: "ListActions CreateAction CreateAction CreateAction", actions: 0, is: idngo.ErrRateLimited, attempts: 0,
		},
		"refused": {
			exists: 0, script: faults{{Kind: simulator.FaultStatus, Operation: create, Status: 403}}, story: "ListActions CreateAction",
			actions: 0, is: idngo.ErrForbidden, attempts: 0,
		},
		"refused after an unknown outcome": {
			exists: 0, script: faults{down, {Kind: simulator.FaultStatus, Operation: create, Status: 403}},
			story: "ListActions CreateAction ListActions CreateAction", actions: 0, is: idngo.ErrForbidden, unknown: true, attempts: 0,
		},
		"conflict without an action": {
			exists: 0, script: faults{{Kind: simulator.FaultStatus, Operation: create, Status: 409}},
			story: "ListActions CreateAction ListActions", actions: 0, is: idngo.ErrConflict, attempts: 0,
		},
		"conflict after an unknown outcome": {
			exists: 0, script: faults{down, {Kind: simulator.FaultStatus, Operation: create, Status: 409}},
			story: "ListActions CreateAction ListActions CreateAction ListActions", actions: 0, is: idngo.ErrConflict, unknown: true, attempts: 0,
		},
		"the first search is refused": {
			exists: 0, script: faults{{Kind: simulator.FaultStatus, Operation: list, Status: 403}}, story: "ListActions", actions: 0,
			is: idngo.ErrForbidden, attempts: 0,
		},
		"the first search fails": {
			exists: 0,
			script: faults{
				{Kind: simulator.FaultReset, Operation: list}, {Kind: simulator.FaultHTML, Operation: list},
				{Kind: simulator.FaultStatus, Operation: list},
			},
			story: repeatWord("ListActions", 3), actions: 0, is: idngo.ErrServer, attempts: 0,
		},
		"the first search is survived": {
			exists: 0, script: faults{{Kind: simulator.FaultReset, Operation: list}, {Kind: simulator.FaultTruncate, Operation: list}},
			story: "ListActions ListActions ListActions CreateAction", actions: 1, attempts: 0,
		},
		"the first search is garbage": {
			exists: 0, script: faults{{Kind: simulator.FaultGarbage, Operation: list}}, story: "ListActions", actions: 0, is: errSomething,
			attempts: 0,
		},
		"the second search is refused": {
			exists: 0,
			script: faults{{}, {Kind: simulator.FaultResetAfter, Operation: create}, {Kind: simulator.FaultStatus, Operation: list, Status: 403}},
			story:  "ListActions CreateAction ListActions", actions: 1, is: idngo.ErrForbidden, unknown: true, attempts: 0,
		},
		"the second search fails": {
			exists: 0,
			script: faults{
				{}, {Kind: simulator.FaultReset, Operation: create}, {Kind: simulator.FaultStatus, Operation: list},
				{Kind: simulator.FaultStatus, Operation: list}, {Kind: simulator.FaultStatus, Operation: list},
			},
			story: "ListActions CreateAction ListActions ListActions ListActions", actions: 0, is: idngo.ErrServer, unknown: true, attempts: 0,
		},
		"the second search is garbage": {
			exists: 0, script: faults{{}, {Kind: simulator.FaultResetAfter, Operation: create}, {Kind: simulator.FaultGarbage, Operation: list}},
			story: "ListActions CreateAction ListActions", actions: 1, is: errSomething, unknown: true, attempts: 0,
		},
		"the search after a conflict fails": {
			exists: 0,
			script: faults{
				{}, {Kind: simulator.FaultStatus, Operation: create, Status: 409}, {Kind: simulator.FaultStatus, Operation: list, Status: 403},
			},
			story: "ListActions CreateAction ListActions", actions: 0, is: idngo.ErrConflict, attempts: 0,
		},
		"the answer is empty and the search fails": {
			exists: 0, quirks: simulator.Quirks{EmptyAnswers: true},
			script: faults{{}, {}, {Kind: simulator.FaultStatus, Operation: list, Status: 403}},
			story:  "ListActions CreateAction ListActions ListActions", actions: 1, attempts: 0,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				recorder := newSimulatorRecorder(t, simulator.Config{Quirks: tt.quirks})
				recorder.add(t, tt.exists)
				require.NoError(t, recorder.SetFaults(&simulator.Faults{Script: tt.script}))
				client := recorder.net.Client(idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: tt.attempts}))
				action, err := ensure(t, client)
				assert.Equal(t, tt.story, recorder.story())
				assert.Equal(t, tt.actions, recorder.with(ext))
				assert.Equal(t, tt.unknown, errors.Is(err, idngo.ErrOutcomeUnknown), "ErrOutcomeUnknown: %v", err)
				if tt.is == nil {
					require.NoError(t, err)
					assert.Equal(t, ext, action.ExternalActionID)
					assert.Equal(t, recorder.Actions()[0].ID, action.ID)
				} else {
					require.Error(t, err)
					assert.Nil(t, action)
					if tt.is != errSomething {
						require.ErrorIs(t, err, tt.is)
					}
				}

				// A second call, for example after a crash, returns the same action.
				require.NoError(t, recorder.SetFaults(nil))
				again, err := ensure(t, recorder.net.Client())
				require.NoError(t, err)
				assert.Equal(t, 1, recorder.with(ext))
				assert.Equal(t, recorder.Actions()[0].ID, again.ID)
			})
		})
	}
}

// errSomething stands in a table for an error that matches no sentinel.
var errSomething = errors.New("any error")

// EnsureAction waits after an unknown outcome and before the next search. The wait grows each time.
func TestEnsureActionWaitsBeforeItLooks(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		recorder := newSimulatorRecorder(t, simulator.Config{})
		down := simulator.Fault{Kind: simulator.FaultStatus, Operation: "CreateAction"}
		require.NoError(t, recorder.SetFaults(&simulator.Faults{Script: []simulator.Fault{down, down, down, down, down, down, down}}))
		_, err := recorder.net.Client(idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: 7})).EnsureAction(
			t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"),
		)
		require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
		highest := 500 * time.Millisecond
		searches := 0
		for i := 2; i < len(recorder.calls); i++ {
			gap := recorder.at[i].Sub(recorder.at[i-1])
			if recorder.calls[i] == "CreateAction" {
				assert.Zero(t, gap, "created at once after a search")
				continue
			}
			assert.GreaterOrEqual(t, gap, highest/2)
			assert.Less(t, gap, highest)
			highest = min(2*highest, 8*time.Second)
			searches++
		}
		assert.Equal(t, 7, searches)
	})
}

// EnsureAction waits for the Retry-After of an unknown outcome, and up to a tenth longer, before it
// searches. It returns the error at once if the policy does not allow so long a wait.
func TestEnsureActionMindsRetryAfter(t *testing.T) {
	for after, want := range map[string]time.Duration{"40": 40 * time.Second, "60": time.Minute, "61": 0} {
		t.Run(after, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				recorder := newSimulatorRecorder(t, simulator.Config{})
				down := simulator.Fault{Kind: simulator.FaultStatus, Operation: "CreateAction", RetryAfter: after}
				require.NoError(t, recorder.SetFaults(&simulator.Faults{Script: []simulator.Fault{down}}))
				action, err := recorder.net.Client().EnsureAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"))
				if want == 0 {
					require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
					require.ErrorIs(t, err, idngo.ErrServer)
					assert.Equal(t, "ListActions CreateAction", recorder.story())
					return
				}
				require.NoError(t, err)
				assert.Equal(t, "ext-1", action.ExternalActionID)
				require.Equal(t, "ListActions CreateAction ListActions CreateAction", recorder.story())
				wait := recorder.at[2].Sub(recorder.at[1])
				assert.GreaterOrEqual(t, wait, want)
				assert.LessOrEqual(t, wait, want+want/10)
			})
		})
	}
}

// The effect of a create comes late, while the client waits. The client finds the action and does
// not create a second one.
func TestEnsureActionFindsALateEffect(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		recorder := newSimulatorRecorder(t, simulator.Config{})
		other := recorder.net.Client()
		recorder.before = func(operation string, number int, w http.ResponseWriter, r *http.Request) bool {
			if operation != "CreateAction" || number > 1 {
				return false
			}
			_, _ = io.Copy(io.Discard, r.Body)
			time.AfterFunc(100*time.Millisecond, func() {
				_, err := other.CreateAction(context.Background(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"))
				assert.NoError(t, err)
			})
			faultnet.CutConnection(w)
			return true
		}
		action, err := recorder.net.Client().EnsureAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"))
		require.NoError(t, err)
		assert.Equal(t, 1, recorder.with("ext-1"))
		assert.Equal(t, recorder.Actions()[0].ID, action.ID)
	})
}

// Another machine creates the action between the search and the create.
func TestEnsureActionLosesARace(t *testing.T) {
	for _, level := range []string{simulator.LevelFaceAuth, simulator.LevelEmail} {
		t.Run(level, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				recorder := newSimulatorRecorder(t, simulator.Config{Quirks: simulator.Quirks{ConflictOnDuplicate: true}})
				other := recorder.net.Client()
				recorder.before = func(operation string, number int, _ http.ResponseWriter, _ *http.Request) bool {
					if operation == "CreateAction" && number == 1 {
						_, err := other.CreateAction(
							t.Context(), simulator.DefaultApplicantID, idngo.CreateActionParams{LevelName: level, ExternalActionID: "ext-1"},
						)
						assert.NoError(t, err)
					}
					return false
				}
				action, err := recorder.net.Client().EnsureAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"))
				assert.Equal(t, "ListActions CreateAction CreateAction ListActions", recorder.story())
				assert.Equal(t, 1, recorder.with("ext-1"))
				if level != simulator.LevelFaceAuth {
					require.ErrorIs(t, err, idngo.ErrActionMismatch)
					assert.Nil(t, action)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, recorder.Actions()[0].ID, action.ID)
			})
		})
	}
}

// Many calls at once, on a service that reports conflicts, make one action. All calls return it.
func TestEnsureActionManyAtOnce(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		recorder := newSimulatorRecorder(t, simulator.Config{Quirks: simulator.Quirks{ConflictOnDuplicate: true}})
		ids := make([]string, 32)
		var wg sync.WaitGroup
		for i := range ids {
			client := recorder.net.Client()
			wg.Go(func() {
				action, err := client.EnsureAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"))
				if assert.NoError(t, err) {
					ids[i] = action.ID
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, recorder.with("ext-1"))
		for _, id := range ids {
			assert.Equal(t, recorder.Actions()[0].ID, id)
		}
	})
}

func TestEnsureActionOfAnotherLevel(t *testing.T) {
	for _, quirks := range []simulator.Quirks{{}, {ListWithoutExternalIDs: true}} {
		t.Run(fmt.Sprint(quirks.ListWithoutExternalIDs), func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				recorder := newSimulatorRecorder(t, simulator.Config{Quirks: quirks})
				recorder.add(t, 1)
				action, err := recorder.net.Client().EnsureAction(t.Context(), simulator.DefaultApplicantID, idngo.CreateActionParams{
					LevelName: simulator.LevelEmail, ExternalActionID: "ext-1",
				})
				require.ErrorIs(t, err, idngo.ErrActionMismatch)
				require.ErrorContains(t, err, "levelName")
				assert.Nil(t, action)
				assert.Equal(t, 1, recorder.with("ext-1"))
				assert.NotContains(t, recorder.story(), "CreateAction")
			})
		})
	}
}

// If the service answers a create with an action that exists, its level is compared too.
func TestEnsureActionIsAnsweredWithAnotherLevel(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if operationOfRequest(r) == "ListActions" {
				_, _ = io.WriteString(w, `{"items":[],"totalItems":0}`)
				return true
			}
			return false // Answer returns actionJSON, whose level is lvl
		}
		action, err := network.Client().EnsureAction(
			t.Context(), "app-1", idngo.CreateActionParams{LevelName: "other", ExternalActionID: "ext-1"},
		)
		require.ErrorIs(t, err, idngo.ErrActionMismatch)
		assert.Nil(t, action)
		action, err = network.Client().EnsureAction(t.Context(), "app-1", idngo.CreateActionParams{LevelName: "lvl", ExternalActionID: "ext-1"})
		require.NoError(t, err)
		assert.Equal(t, "5e02f6b1", action.ID)

		// The outcome of an earlier create stays unknown.
		creates, answer := 0, network.OnRequest
		network.OnRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
			if operationOfRequest(r) == "CreateAction" {
				if creates++; creates == 1 {
					faultnet.Refuse(w, 503, 0, "no")
					return true
				}
			}
			return answer(number, w, r)
		}
		_, err = network.Client().EnsureAction(t.Context(), "app-1", idngo.CreateActionParams{LevelName: "other", ExternalActionID: "ext-1"})
		require.ErrorIs(t, err, idngo.ErrActionMismatch)
		require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
		assert.Equal(t, 2, creates)
	})
}

// A mismatch after an unknown outcome is reported, and the outcome stays unknown.
func TestEnsureActionOfAnotherLevelAfterUnknown(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		recorder := newSimulatorRecorder(t, simulator.Config{})
		other := recorder.net.Client()
		recorder.before = func(operation string, number int, w http.ResponseWriter, _ *http.Request) bool {
			if operation != "CreateAction" || number > 1 {
				return false
			}
			_, err := other.CreateAction(
				t.Context(), simulator.DefaultApplicantID, idngo.CreateActionParams{LevelName: simulator.LevelEmail, ExternalActionID: "ext-1"},
			)
			assert.NoError(t, err)
			faultnet.Refuse(w, 503, 0, "no")
			return true
		}
		_, err := recorder.net.Client().EnsureAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"))
		require.ErrorIs(t, err, idngo.ErrActionMismatch)
		require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
	})
}

// The documentation of IDnGO never shows the level of an action. Without a level there is nothing
// to compare.
func TestEnsureActionLevelIsNotSaid(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.OnRequest = answerLists(
			[]string{`{"items":[{"id":"1","externalActionId":"ext"}],"totalItems":1}`},
			map[string]string{"1": `{"id":"1","externalActionId":"ext"}`},
		)
		action, err := network.Client().EnsureAction(t.Context(), "app-1", idngo.CreateActionParams{LevelName: "lvl", ExternalActionID: "ext"})
		require.NoError(t, err)
		assert.Equal(t, "1", action.ID)
		assert.Len(t, network.Seen(), 2, "it has asked for it")
	})
}

// The entry of the list has no level, and fetching the action fails.
func TestEnsureActionLevelCannotBeAsked(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		network.OnRequest = answerLists([]string{`{"items":[{"id":"1","externalActionId":"ext"}],"totalItems":1}`}, nil)
		action, err := network.Client().EnsureAction(t.Context(), "app-1", idngo.CreateActionParams{LevelName: "lvl", ExternalActionID: "ext"})
		require.ErrorIs(t, err, idngo.ErrNotFound)
		assert.Nil(t, action)
		assert.Len(t, network.Seen(), 2, "nothing was created")
	})
}

// A process dies after its create was sent. Another process continues.
func TestEnsureActionAfterACrash(t *testing.T) {
	for _, fault := range []simulator.FaultKind{simulator.FaultResetAfter, simulator.FaultReset, simulator.FaultSlowHeaders} {
		t.Run(string(fault), func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				recorder := newSimulatorRecorder(t, simulator.Config{})
				require.NoError(
					t,
					recorder.SetFaults(
						&simulator.Faults{Script: []simulator.Fault{{Kind: fault, Operation: "CreateAction", Delay: 200 * time.Millisecond}}},
					),
				)
				ctx, crash := context.WithCancel(t.Context())
				time.AfterFunc(100*time.Millisecond, crash)
				_, err := recorder.net.Client().EnsureAction(ctx, simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"))
				require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
				require.ErrorIs(t, err, context.Canceled)
				time.Sleep(time.Second)
				action, err := recorder.net.Client().EnsureAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"))
				require.NoError(t, err)
				assert.Equal(t, 1, recorder.with("ext-1"))
				assert.Equal(t, recorder.Actions()[0].ID, action.ID)
			})
		})
	}
}

// The wait before the second search ends with the context. A wait that would outlast the context
// does not begin.
func TestEnsureActionAndTheContext(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		recorder := newSimulatorRecorder(t, simulator.Config{})
		down := simulator.Fault{Kind: simulator.FaultStatus, Operation: "CreateAction"}
		require.NoError(t, recorder.SetFaults(&simulator.Faults{Script: []simulator.Fault{down, down}}))
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err := recorder.net.Client().EnsureAction(ctx, simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"))
		require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
		require.ErrorIs(t, err, idngo.ErrServer)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Zero(t, time.Since(begin))

		ctx2, cancel2 := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel2(errLeft) })
		begin = time.Now()
		_, err = recorder.net.Client(idngo.WithRetryPolicy(idngo.RetryPolicy{MinDelay: time.Minute})).EnsureAction(
			ctx2, simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"),
		)
		require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
		require.ErrorIs(t, err, errLeft)
		assert.Equal(t, time.Second, time.Since(begin))
		assert.Zero(t, recorder.with("ext-1"))
	})
}

func TestEnsureActionRefusesBeforeAnythingIsSent(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		client := network.Client()
		good := faultnet.FaceAuthorization("ext-1")
		//nolint:staticcheck // a nil context is what is tested
		for name, call := range map[string]func() (*idngo.Action, error){
			"WithIdempotent": func() (*idngo.Action, error) {
				return client.EnsureAction(t.Context(), "app-1", good, idngo.WithIdempotent())
			},
			"applicantID":         func() (*idngo.Action, error) { return client.EnsureAction(t.Context(), "", good) },
			"applicantID is dots": func() (*idngo.Action, error) { return client.EnsureAction(t.Context(), "..", good) },
			"LevelName": func() (*idngo.Action, error) {
				return client.EnsureAction(t.Context(), "app-1", idngo.CreateActionParams{ExternalActionID: "x"})
			},
			"ExternalActionID": func() (*idngo.Action, error) {
				return client.EnsureAction(t.Context(), "app-1", idngo.CreateActionParams{LevelName: "x"})
			},
			"option": func() (*idngo.Action, error) { return client.EnsureAction(t.Context(), "app-1", good, nil) },
			"header": func() (*idngo.Action, error) {
				return client.EnsureAction(t.Context(), "app-1", good, idngo.WithHeader("X-App-Token", "x"))
			},
			"context": func() (*idngo.Action, error) { return client.EnsureAction(faultnet.NilContext, "app-1", good) },
		} {
			action, err := call()
			require.ErrorIs(t, err, idngo.ErrInvalidArgument, name)
			require.ErrorContains(t, err, strings.Fields(name)[0], name)
			assert.Nil(t, action)
		}
		assert.Zero(t, network.Dialed())
	})
}

// EnsureAction passes its options on to each call that it makes.
func TestEnsureActionPassesOptionsOn(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		recorder := newSimulatorRecorder(t, simulator.Config{})
		var res idngo.Response
		_, err := recorder.net.Client().EnsureAction(
			t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"), idngo.WithHeader("X-Trace", "t-1"),
			idngo.WithResponse(&res),
		)
		require.NoError(t, err)
		for _, r := range recorder.net.Seen() {
			assert.Equal(t, "t-1", r.Header.Get("X-Trace"))
		}
		assert.Contains(t, string(res.Body), `"externalActionId":"ext-1"`)
	})
}

// A search that completes a create or a submit sends the same header, without the Content-Type of a
// body, and does not change the Response.
func TestAnswersWithoutAnActionAreLookedUpWithTheSameHeader(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		recorder := newSimulatorRecorder(t, simulator.Config{Quirks: simulator.Quirks{EmptyAnswers: true}})
		client := recorder.net.Client()
		var created, submitted idngo.Response
		action, err := client.CreateAction(
			t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"), idngo.WithHeader("X-Trace", "t-1"),
			idngo.WithHeader("Content-Type", "application/json; charset=utf-8"), idngo.WithResponse(&created),
		)
		require.NoError(t, err)
		_, err = client.SubmitAction(t.Context(), action.ID, idngo.WithHeader("X-Trace", "t-1"), idngo.WithResponse(&submitted))
		require.NoError(t, err)
		seen := recorder.net.Seen()
		require.Len(t, seen, 4)
		for _, r := range seen {
			assert.Equal(t, "t-1", r.Header.Get("X-Trace"))
		}
		assert.Equal(t, "application/json; charset=utf-8", seen[0].Header.Get("Content-Type"))
		assert.Empty(t, seen[1].Header.Values("Content-Type"), "a search has no body")
		assert.Equal(t, []string{"", ""}, []string{string(created.Body), string(submitted.Body)})
	})
}

// The answer of a create or a submit lacks the action, and the search for it fails. The outcome of
// the create is unknown. The submit has happened.
func TestAnswersWithoutAnActionThatCannotBeLookedUp(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		recorder := newSimulatorRecorder(t, simulator.Config{Quirks: simulator.Quirks{EmptyAnswers: true}})
		refused := func(operation string) *simulator.Faults {
			return &simulator.Faults{Script: []simulator.Fault{{Kind: simulator.FaultStatus, Operation: operation, Status: 403}}}
		}
		client := recorder.net.Client()
		require.NoError(t, recorder.SetFaults(refused("ListActions")))
		_, err := client.CreateAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"))
		require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
		require.ErrorIs(t, err, idngo.ErrForbidden)
		require.ErrorContains(t, err, "finding it failed: list actions: 403")
		require.Equal(t, 1, recorder.with("ext-1"))

		require.NoError(t, recorder.SetFaults(refused("GetAction")))
		_, err = client.SubmitAction(t.Context(), recorder.Actions()[0].ID)
		require.ErrorIs(t, err, idngo.ErrForbidden)
		require.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "it was submitted, but could not be fetched: get action: 403")
		assert.Equal(t, 1, recorder.Actions()[0].Submits)

		action, err := client.SubmitAction(t.Context(), recorder.Actions()[0].ID)
		require.NoError(t, err)
		assert.Equal(t, idngo.ReviewStatusPending, action.Review.ReviewStatus)
	})
}

// A create that was answered with 2xx is never made again, however long the list takes to show the
// action.
func TestEnsureActionAcknowledged(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		creates := 0
		network.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				creates++
				_, _ = io.WriteString(w, `{"ok":1}`)
				return true
			}
			_, _ = io.WriteString(w, `{"items":[],"totalItems":0}`)
			return true
		}
		_, err := network.Client().EnsureAction(t.Context(), "app-1", idngo.CreateActionParams{LevelName: "lvl", ExternalActionID: "ext"})
		require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
		assert.Equal(t, 1, creates)
	})
}
