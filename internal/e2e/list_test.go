package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

func TestAllActionsPageByPage(t *testing.T) {
	ids := func(t *testing.T, seq func(func(*idngo.Action, error) bool)) (got []string) {
		t.Helper()
		for action, err := range seq {
			require.NoError(t, err)
			got = append(got, strings.TrimPrefix(action.ExternalActionID, "ext-"))
		}
		return got
	}
	numbers := func(from, to int) (want []string) {
		for i := from; i >= to; i-- {
			want = append(want, fmt.Sprint(i))
		}
		return want
	}
	run := func(name string, count int, quirks simulator.Quirks, test func(t *testing.T, recorder *simulatorRecorder, client *idngo.Client)) {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				recorder := newSimulatorRecorder(t, simulator.Config{Quirks: quirks})
				recorder.add(t, count)
				test(t, recorder, recorder.net.Client())
			})
		})
	}
	for name, quirks := range map[string]simulator.Quirks{"list envelope": {}, "bare envelope": {BareList: true}} {
		run(name, 25, quirks, func(t *testing.T, recorder *simulatorRecorder, client *idngo.Client) {
			all := client.AllActions(t.Context(), simulator.DefaultApplicantID, idngo.ListActionsParams{Limit: 10})
			assert.Equal(t, numbers(25, 1), ids(t, all))
			assert.Equal(t, repeatWord("ListActions", 3), recorder.story(), "the total ends it")
			assert.Equal(t, numbers(25, 1), ids(t, all), "ranged over again")
			assert.Contains(t, recorder.net.Seen()[len(recorder.net.Seen())-1].Target, "limit=10&offset=20&order=-createdAt")
		})
	}
	run("from an offset, in another order", 25, simulator.Quirks{}, func(t *testing.T, recorder *simulatorRecorder, client *idngo.Client) {
		got := ids(
			t, client.AllActions(t.Context(), simulator.DefaultApplicantID, idngo.ListActionsParams{Limit: 4, Offset: 20, Order: "createdAt"}),
		)
		assert.Equal(t, []string{"21", "22", "23", "24", "25"}, got)
		assert.Equal(t, repeatWord("ListActions", 2), recorder.story())
	})
	run("behind the end", 5, simulator.Quirks{}, func(t *testing.T, recorder *simulatorRecorder, client *idngo.Client) {
		assert.Empty(t, ids(t, client.AllActions(t.Context(), simulator.DefaultApplicantID, idngo.ListActionsParams{Offset: 7})))
		assert.Equal(t, "ListActions", recorder.story())
	})
	run("left early", 25, simulator.Quirks{}, func(t *testing.T, recorder *simulatorRecorder, client *idngo.Client) {
		seen := 0
		for _, err := range client.AllActions(t.Context(), simulator.DefaultApplicantID, idngo.ListActionsParams{Limit: 10}) {
			require.NoError(t, err)
			if seen++; seen == 10 {
				break
			}
		}
		assert.Equal(t, "ListActions", recorder.story())
	})
	run("new ones in front meanwhile", 20, simulator.Quirks{}, func(t *testing.T, recorder *simulatorRecorder, client *idngo.Client) {
		other := recorder.net.Client()
		recorder.before = func(operation string, number int, _ http.ResponseWriter, _ *http.Request) bool {
			if operation == "ListActions" && number > 1 && number < 5 {
				_, err := other.CreateAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization(fmt.Sprintf("new-%d", number)))
				assert.NoError(t, err)
			}
			return false
		}
		got := ids(t, client.AllActions(t.Context(), simulator.DefaultApplicantID, idngo.ListActionsParams{Limit: 5}))
		assert.Equal(t, numbers(20, 1), got, "each once")
	})
	run("an error in the middle", 25, simulator.Quirks{}, func(t *testing.T, recorder *simulatorRecorder, client *idngo.Client) {
		recorder.before = func(operation string, number int, w http.ResponseWriter, _ *http.Request) bool {
			if number == 2 {
				faultnet.Refuse(w, 403, 0, "no")
			}
			return number == 2
		}
		pairs := 0
		var last error
		for action, err := range client.AllActions(t.Context(), simulator.DefaultApplicantID, idngo.ListActionsParams{Limit: 10}) {
			require.NoError(t, last, "nothing follows an error")
			assert.Equal(t, err == nil, action != nil)
			last = err
			pairs++
		}
		require.ErrorIs(t, last, idngo.ErrForbidden)
		assert.Equal(t, 11, pairs)
	})
	run("bad arguments", 0, simulator.Quirks{}, func(t *testing.T, recorder *simulatorRecorder, client *idngo.Client) {
		for _, p := range []idngo.ListActionsParams{{Limit: -1}, {Offset: -1}} {
			pairs := 0
			for action, err := range client.AllActions(t.Context(), "app-1", p) {
				require.ErrorIs(t, err, idngo.ErrInvalidArgument)
				assert.Nil(t, action)
				pairs++
			}
			assert.Equal(t, 1, pairs)
		}
		for _, err := range client.AllActions(t.Context(), "", idngo.ListActionsParams{}) {
			require.ErrorIs(t, err, idngo.ErrInvalidArgument)
		}
		assert.Empty(t, recorder.story())
	})
}

// A page that has only known entries may come from actions that were added meanwhile. After three
// such pages the service is assumed to ignore the offset.
func TestAllActionsOfAServiceThatDoesNotPage(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_, _ = io.WriteString(w, `{"items":[{"id":"1"},{"id":"2"}]}`)
	}))
	t.Cleanup(server.Close)
	client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(server.URL))
	require.NoError(t, err)
	got := 0
	var last error
	for action, err := range client.AllActions(t.Context(), "app-1", idngo.ListActionsParams{}) {
		if last = err; action != nil {
			got++
		}
	}
	require.Error(t, last)
	assert.Equal(t, 2, got)
	assert.Equal(t, 4, asked)
}

// AllActions fetches a page that is larger than 10 MiB again in halves, and keeps to the smaller
// size. If a page of one action is too large, it gives the error.
func TestAllActionsHalvesPagesThatAreTooLarge(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		largest int // the most actions that fit into an answer
		asked   []string
		got     []string
	}{
		"two fit": {
			largest: 2, got: []string{"1", "2", "3", "4"},
			asked: []string{"limit=9&offset=0", "limit=4&offset=0", "limit=2&offset=0", "limit=2&offset=2", "limit=2&offset=4"},
		},
		"one fits": {largest: 1, got: []string{"1", "2", "3", "4"}, asked: []string{
			"limit=9&offset=0", "limit=4&offset=0", "limit=2&offset=0",
			"limit=1&offset=0", "limit=1&offset=1", "limit=1&offset=2", "limit=1&offset=3", "limit=1&offset=4",
		}},
		"none fits": {asked: []string{"limit=9&offset=0", "limit=4&offset=0", "limit=2&offset=0", "limit=1&offset=0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, strings.TrimSuffix(r.URL.RawQuery, "&order=-createdAt"))
				if len(asked) > 20 {
					return nil, errors.New("asked again and again")
				}
				var limit, offset int
				_, err := fmt.Sscanf(r.URL.RawQuery, "limit=%d&offset=%d", &limit, &offset)
				require.NoError(t, err)
				if limit > tt.largest {
					return &http.Response{StatusCode: 200, ContentLength: 10<<20 + 1, Body: io.NopCloser(faultnet.Endless(0))}, nil
				}
				var items []string
				for id := offset + 1; id <= min(offset+limit, 4); id++ {
					items = append(items, fmt.Sprintf(`{"id":"%d"}`, id))
				}
				body := `{"items":[` + strings.Join(items, ",") + `]}`
				return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(strings.NewReader(body))}, nil
			}), faultnet.OneAttempt())
			var got []string
			var last error
			for action, err := range client.AllActions(t.Context(), "app-1", idngo.ListActionsParams{Limit: 9}) {
				if last = err; action != nil {
					got = append(got, action.ID)
				}
			}
			assert.Equal(t, tt.got, got)
			assert.Equal(t, tt.asked, asked)
			if tt.largest > 0 {
				require.NoError(t, last)
			} else {
				require.ErrorIs(t, last, idngo.ErrResponseTooLarge)
			}
		})
	}
}
