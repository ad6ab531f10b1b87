package simulator_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/simulator"
)

// Ids and names have at most 4096 bytes, since the simulator stores them many times.
func TestLongNames(t *testing.T) {
	t.Parallel()
	s, c := start(t, simulator.Config{})
	fits, long := strings.Repeat("x", 4096), strings.Repeat("x", 4097)
	for _, test := range []struct {
		name string
		want int
	}{{name: fits, want: 200}, {name: long, want: 400}} {
		name := url.QueryEscape(test.name)
		for what, r := range map[string]result{
			"applicant": c.do("GET", "/resources/applicants/"+name+"/one", nil),
			"user":      c.do("GET", "/resources/applicants/-;externalUserId="+name+"/one", nil),
			"level":     c.do("POST", "/resources/applicantActions/-/forApplicant/a?levelName="+name, []byte(`{"externalActionId":"a"}`)),
			"token":     c.do("POST", "/resources/accessTokens?userId=u&levelName=l&externalActionId="+name, nil),
			"link":      c.do("POST", "/resources/sdkIntegrations/levels/"+name+"/websdkLink?externalUserId=u&externalActionId=a", nil),
		} {
			assert.Equal(t, test.want, r.status, what)
		}
		for what, err := range map[string]error{
			"applicant": s.AddApplicant(test.name, fmt.Sprint("user of ", len(test.name))),
			"level":     s.AddLevel(test.name, "selfieAuth"),
		} {
			assert.Equal(t, test.want == 200, err == nil, what)
		}
	}
	assert.Equal(t, 200, c.do("POST", createTarget, []byte(`{"externalActionId":"`+fits+`"}`)).status)
	assert.Equal(t, 400, c.do("POST", createTarget, []byte(`{"externalActionId":"`+long+`"}`)).status)
	require.Error(t, s.AddApplicant("b", long))
	require.Error(t, s.AddApplicant("b", "\xff"))
	require.Error(t, s.AddApplicantJSON([]byte("{\"id\":\"\xff\"}")))
	require.Error(t, s.AddApplicant("\xff", "user"))
	require.Error(t, s.AddLevel("level", long))
	require.Error(t, s.AddLevel("\xff", "selfieAuth"))
	_, err := s.NewLink("http://localhost", "level", long, "a", 1)
	require.Error(t, err)
}

// The bytes that the journal and the queue store are limited, whatever events are sent.
func TestDeliveriesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	r := receiver{silent: true}
	bubble(t, &r, simulator.Config{ManualReview: true}, func(t *testing.T, s *simulator.Server, _ *client) {
		body := []byte(`{"type":"applicantReviewed","applicantId":"` + strings.Repeat("x", 60<<10) + `"}`)
		refused := 0
		for range 600 {
			if _, err := s.SendEvent(body); err != nil {
				require.ErrorContains(t, err, "32 MiB")
				refused++
			}
		}
		waiting := s.Stats().WebhooksOutstanding
		assert.Equal(t, 600, waiting+refused)
		assert.LessOrEqual(t, waiting*len(body), 32<<20)
		assert.Greater(t, waiting*len(body), 31<<20)
		synctest.Wait()
		list := direct(t, s).control("GET", "deliveries", "", atLocalhost)
		require.Equal(t, 200, list.status, "%s", list.body[:min(len(list.body), 200)])
		assert.Less(t, len(list.body), 5<<20)
		s.Reset()
		_, err := s.SendEvent(body)
		require.NoError(t, err, "a reset empties the queue")
		assert.Equal(t, 1, s.Stats().WebhooksOutstanding)
	})
}

// atLocalhost gives the request the host name localhost.
func atLocalhost(r *http.Request) { r.Host = "localhost" }

// The limit for request URIs also holds for the page.
func TestRequestsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	var seen records
	s, _ := start(t, simulator.Config{OnRequest: seen.add})
	c := direct(t, s)
	for range 100 {
		r := c.request("GET", "/idensic/l/"+strings.Repeat("x", 100<<10), nil)
		response, err := c.transport.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	assert.Less(t, len(seen.last().Target), 17<<10)
	for range 400 {
		r := c.request("GET", "/idensic/l/"+strings.Repeat("x", 15<<10), nil)
		response, err := c.transport.RoundTrip(r)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, response.Body)
		require.NoError(t, response.Body.Close())
	}
	assert.Less(t, len(c.control("GET", "requests", "", atLocalhost).body), 5<<20)
}

// A listing has the last items that fit into it, and the total number of items.
func TestListingsAreBounded(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: it creates actions of a megabyte")
	}
	_, c := start(t, simulator.Config{})
	const questionnaires = `"questionnaires":[{"id":"q","sections":{"s":{"items":{"i":{"value":"%s"}}}}}]`
	value := strings.Repeat("x", 900<<10)
	for n := range 10 {
		body := fmt.Sprintf(`{"externalActionId":"a%d",`+questionnaires+`}`, n, value)
		require.Equal(t, 200, c.do("POST", createTarget, []byte(body)).status)
	}
	list := c.told("GET", "actions", "")
	assert.Len(t, list["items"], 9)
	assert.EqualValues(t, 10, list["total"])
	assert.Equal(t, "a9", at(t, list, "items", 8, "externalActionId"))
	assert.Empty(t, c.told("GET", "actions?applicantId=nobody", "")["items"])
	assert.EqualValues(t, 1, c.told("GET", "applicants", "")["total"])
}

func TestLevelsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	s, _ := start(t, simulator.Config{})
	long := strings.Repeat("x", 4000)
	var err error
	added := 0
	for ; err == nil && added < 10_000; added++ {
		err = s.AddLevel(fmt.Sprint(long, added), "selfieAuth")
	}
	require.ErrorContains(t, err, "4 MiB")
	assert.Less(t, added*len(long), 4<<20)
	require.NoError(t, s.AddLevel(long+"0", "email"), "a change needs no room")
	s.Reset()
	require.NoError(t, s.AddLevel(long, "email"))
}

// The memory for the other data of images is limited too.
func TestImageRecordsAreBounded(t *testing.T) {
	t.Parallel()
	s, c := start(t, simulator.Config{Limits: simulator.Limits{ActionMemory: 2000}})
	id := c.create("a")
	var last result
	for n := range 10 {
		last = c.addImage(id, fmt.Sprint("face", n))
	}
	assert.Equal(t, 400, last.status)
	assert.Contains(t, last.json(t)["description"], "full")
	assert.Len(t, s.Images(id), 3)
}

// A path with a wrong matrix parameter does not lead to an applicant with the id "-".
func TestWrongMatrixParameters(t *testing.T) {
	t.Parallel()
	_, c := start(t, simulator.Config{})
	for _, target := range []string{
		"/resources/applicants/-;externalUserId=/one",
		"/resources/applicants/-;externalUserID=bob/one",
		"/resources/applicants/-;foo=bar/one",
		"/resources/applicants/-;/one",
		"/resources/applicantActions/-;foo=bar/one",
		"/resources/applicantActions/-;applicantID=a",
	} {
		r := c.do("GET", target, nil)
		assert.Equal(t, 404, r.status, target)
		assert.EqualValues(t, 404, r.json(t)["code"], target)
	}
	for _, target := range []string{"/resources/applicants/-;externalUserId=bob/one", "/resources/applicants/a;b=c/one"} {
		assert.Equal(t, 200, c.do("GET", target, nil).status, target)
	}
}

func TestNobodyLosesAUser(t *testing.T) {
	t.Parallel()
	s, c := start(t, simulator.Config{})
	id := func(target string) any { return c.do("GET", "/resources/applicants/"+target+"/one", nil).json(t)["id"] }
	user := func(target string) any {
		return c.do("GET", "/resources/applicants/"+target+"/one", nil).json(t)["externalUserId"]
	}
	first := id("-;externalUserId=user-4711")
	assert.Equal(t, "4711", id("4711"))
	assert.Equal(t, first, id("-;externalUserId=user-4711"), "as before")
	assert.Equal(t, "user-4711-2", user("4711"), "another one was made up")
	assert.Equal(t, "4711", id("-;externalUserId=user-4711-2"))
	assert.Equal(t, "4712", id("4712"))
	assert.Equal(t, "4712", id("-;externalUserId=user-4712"))

	require.NoError(t, s.AddApplicant("one", "alice"))
	require.ErrorContains(t, s.AddApplicant("two", "alice"), "another applicant")
	assert.Equal(t, "one", id("-;externalUserId=alice"))
	assert.Equal(t, 400, c.control("POST", "applicants", `{"id":"two","externalUserId":"alice"}`).status)
	require.NoError(t, s.AddApplicant("one", "alice"), "again")
	require.NoError(t, s.AddApplicant("one", "bob"), "renamed")
	require.NoError(t, s.AddApplicant("two", "alice"), "free now")
	assert.Equal(t, "two", id("-;externalUserId=alice"))
}

func TestControlWithoutTheLastSlash(t *testing.T) {
	t.Parallel()
	_, c := start(t, simulator.Config{PathPrefix: "/idngo"})
	base, _ := strings.CutSuffix(c.base, "/idngo")
	r, err := http.NewRequest("GET", base+"/idngo/_simulator", http.NoBody)
	require.NoError(t, err)
	response, err := c.transport.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusPermanentRedirect, response.StatusCode)
	assert.Equal(t, "/idngo/_simulator/", response.Header.Get("Location"))
}

// A second Close also waits until the simulator has ended.
func TestCloseTwiceAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s, err := simulator.New(simulator.Config{
			OnDelivery: func(simulator.Delivery) { <-release }, WebhookHandler: http.NotFoundHandler(),
		})
		require.NoError(t, err)
		_, err = s.SendEvent([]byte(`{"type":"applicantReviewed"}`))
		require.NoError(t, err)
		synctest.Wait() // the hook runs
		closed := make(chan error, 2)
		for range 2 {
			go func() { closed <- s.Close() }()
		}
		synctest.Wait()
		assert.Empty(t, closed, "both wait for the hook")
		close(release)
		require.NoError(t, <-closed)
		require.NoError(t, <-closed)
		require.NoError(t, s.Close())
	})
}
