package simulator_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/simulator"
)

// script sets the faults of the next requests.
func script(t testing.TB, s *simulator.Server, faults ...simulator.Fault) {
	t.Helper()
	require.NoError(t, s.SetFaults(&simulator.Faults{Script: faults}))
}

func TestStatusFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault  simulator.Fault
		status int
		effect int
	}{
		"before": {fault: simulator.Fault{Kind: simulator.FaultStatus}, status: 503},
		"429":    {fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 429, RetryAfter: "7"}, status: 429},
		"409": {
			fault:  simulator.Fault{Kind: simulator.FaultStatus, Status: 409, RetryAfter: "Sun, 01 Mar 2026 12:00:00 GMT"},
			status: 409,
		},
		"after":         {fault: simulator.Fault{Kind: simulator.FaultStatusAfter, Status: 502}, status: 502, effect: 1},
		"early":         {fault: simulator.Fault{Kind: simulator.FaultEarlyStatus}, status: 503},
		"HTML":          {fault: simulator.Fault{Kind: simulator.FaultHTML, RetryAfter: "7"}, status: 502},
		"HTML with 200": {fault: simulator.Fault{Kind: simulator.FaultHTML, Status: 403}, status: 403},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := start(t, simulator.Config{})
			script(t, s, test.fault)
			r := c.do("POST", createTarget, []byte(`{"externalActionId":"a"}`))
			assert.Equal(t, test.status, r.status)
			assert.Equal(t, test.fault.RetryAfter, r.header.Get("Retry-After"))
			assert.Len(t, s.Actions(), test.effect)
			if test.fault.Kind == simulator.FaultHTML {
				assert.Equal(t, "text/html", r.header.Get("Content-Type"))
				assert.Contains(t, string(r.body), fmt.Sprintf("<h1>%d %s</h1>", test.status, http.StatusText(test.status)))
			} else {
				assert.Equal(t, float64(test.status), r.json(t)["code"])
			}
			assert.Equal(t, map[simulator.FaultKind]int{test.fault.Kind: 1}, s.Stats().Faults)
			c.create("b") // the script has no more faults
		})
	}
}

func TestResets(t *testing.T) {
	for kind, effect := range map[simulator.FaultKind]int{
		simulator.FaultReset: 0, simulator.FaultResetAfter: 1, simulator.FaultResetEarly: 0,
	} {
		t.Run(string(kind), func(t *testing.T) {
			s, c := start(t, simulator.Config{})
			script(t, s, simulator.Fault{Kind: kind})
			_, err := c.try("POST", createTarget, []byte(`{"externalActionId":"a"}`))
			assert.ErrorIs(t, err, syscall.ECONNRESET)
			assert.Len(t, s.Actions(), effect)
			assert.Equal(t, 1, s.Stats().ByStatus[0])
			assert.Zero(t, s.Stats().OpenConnections)
		})
	}
}

func TestResetOverOtherTransports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, stop := servePipe(t, simulator.Config{})
		defer stop()
		script(t, s, simulator.Fault{Kind: simulator.FaultReset})
		_, err := c.try("GET", listTarget, nil)
		assert.ErrorIs(t, err, io.EOF)
	})
	for _, http2 := range []bool{false, true} {
		s, err := simulator.New(simulator.Config{})
		require.NoError(t, err)
		server := httptest.NewUnstartedServer(s)
		server.EnableHTTP2 = http2
		server.StartTLS()
		c := direct(t, s)
		c.base, c.transport = server.URL, server.Client().Transport
		assert.Regexp(t, "^"+server.URL+"/idensic/l/#/", c.link(t, "a"))
		script(t, s, simulator.Fault{Kind: simulator.FaultReset})
		_, err = c.try("POST", createTarget, []byte("{}")) // net/http would send a GET again
		if assert.Error(t, err) && http2 {
			assert.ErrorContains(t, err, "INTERNAL_ERROR")
		}
		assert.Equal(t, 200, c.do("GET", listTarget, nil).status)
		server.Close()
	}
}

func TestSlowFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, stop := servePipe(t, simulator.Config{})
		defer stop()
		id := c.create("a")
		want := c.get(id)
		for name, test := range map[string]struct {
			fault         simulator.Fault
			headers, body time.Duration
		}{
			"headers":            {fault: simulator.Fault{Kind: simulator.FaultSlowHeaders, Delay: time.Minute}, headers: time.Minute},
			"headers by default": {fault: simulator.Fault{Kind: simulator.FaultSlowHeaders}, headers: time.Second},
			"body":               {fault: simulator.Fault{Kind: simulator.FaultSlowBody, Delay: time.Minute}, body: time.Minute},
			"body by default":    {fault: simulator.Fault{Kind: simulator.FaultSlowBody}, body: time.Second},
		} {
			script(t, s, test.fault)
			begin := time.Now()
			response, err := c.transport.RoundTrip(c.request("GET", "/resources/applicantActions/"+id+"/one", nil))
			require.NoError(t, err)
			assert.Equal(t, test.headers, time.Since(begin), name)
			begin = time.Now()
			body, err := io.ReadAll(response.Body)
			assert.NoError(t, err)
			assert.Equal(t, test.body, time.Since(begin), name)
			assert.Equal(t, want, result{body: body}.json(t))
			assert.NoError(t, response.Body.Close())
		}
		script(t, s, simulator.Fault{Kind: simulator.FaultStatus, Delay: time.Minute})
		begin := time.Now()
		assert.Equal(t, 503, c.do("GET", listTarget, nil).status)
		assert.Equal(t, time.Minute, time.Since(begin))
	})
}

func TestSlowFaultsEndWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, stop := servePipe(t, simulator.Config{})
		defer stop()
		for _, kind := range []simulator.FaultKind{simulator.FaultSlowHeaders, simulator.FaultSlowBody} {
			script(t, s, simulator.Fault{Kind: kind, Delay: time.Hour})
			transport := c.transport.(*http.Transport).Clone()
			transport.ResponseHeaderTimeout = time.Second
			response, err := transport.RoundTrip(c.request("GET", listTarget, nil))
			if kind == simulator.FaultSlowHeaders {
				assert.ErrorContains(t, err, "timeout")
			} else {
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
			}
			time.Sleep(time.Second) // from Go 1.27 on, a client continues to read for a moment
			synctest.Wait()
			assert.Zero(t, s.Stats().OpenConnections)
			transport.CloseIdleConnections()
		}
	})
}

func TestTruncatedBodies(t *testing.T) {
	s, c := start(t, simulator.Config{Quirks: simulator.Quirks{EmptyAnswers: true}})
	c.do("POST", createTarget, []byte(`{"externalActionId":"a"}`))
	target := "/resources/applicantActions/" + s.Actions()[0].ID + "/one"
	whole := c.do("GET", target, nil)
	for _, kind := range []simulator.FaultKind{simulator.FaultTruncate, simulator.FaultTruncateChunked} {
		script(t, s, simulator.Fault{Kind: kind})
		r := c.do("GET", target, nil)
		assert.ErrorIs(t, r.err, io.ErrUnexpectedEOF)
		assert.Equal(t, 200, r.status)
		assert.Equal(t, string(whole.body[:len(whole.body)/2]), string(r.body))
		assert.Equal(t, kind == simulator.FaultTruncate, r.header.Get("Content-Length") != "")

		script(t, s, simulator.Fault{Kind: kind}) // this answer has no body to cut
		assert.ErrorIs(t, c.do("POST", createTarget, []byte(`{"externalActionId":"b"}`)).err, io.ErrUnexpectedEOF)
	}
	assert.Len(t, s.Actions(), 3, "the effect remains")
}

func TestOddAnswers(t *testing.T) {
	s, c := start(t, simulator.Config{})
	script(t, s, simulator.Fault{Kind: simulator.FaultGarbage}, simulator.Fault{
		Kind: simulator.FaultWrongDate, Delay: -time.Hour,
	}, simulator.Fault{Kind: simulator.FaultWrongDate})
	r := c.do("POST", createTarget, []byte(`{"externalActionId":"a"}`))
	assert.Equal(t, 200, r.status)
	assert.Equal(t, "application/json", r.header.Get("Content-Type"))
	assert.Contains(t, string(r.body), "nonsense")
	assert.Len(t, s.Actions(), 1)
	for _, off := range []time.Duration{-time.Hour, time.Hour} {
		date, err := http.ParseTime(c.do("GET", listTarget, nil).header.Get("Date"))
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now().Add(off), date, 10*time.Second)
	}
}

func TestEndlessBody(t *testing.T) {
	s, c := start(t, simulator.Config{})
	script(t, s, simulator.Fault{Kind: simulator.FaultEndless}, simulator.Fault{Kind: simulator.FaultEndless})
	for n := range 2 {
		response, err := c.transport.RoundTrip(c.request("GET", listTarget, nil))
		require.NoError(t, err)
		assert.Equal(t, int64(-1), response.ContentLength)
		some := make([]byte, 1<<20)
		_, err = io.ReadFull(response.Body, some)
		require.NoError(t, err)
		assert.Equal(t, `{"id":"000`, string(some[:10]))
		assert.Equal(t, 1, strings.Count(string(some), "{"))
		if n == 1 {
			require.NoError(t, s.Close()) // Close ends the answer while the client still reads
		}
		require.NoError(t, response.Body.Close())
	}
}

func TestEarlyStatusComesBeforeTheBody(t *testing.T) {
	for kind, want := range map[simulator.FaultKind]string{simulator.FaultEarlyStatus: "HTTP/1.1 503 ", simulator.FaultResetEarly: ""} {
		s, c := start(t, simulator.Config{})
		script(t, s, simulator.Fault{Kind: kind, Operation: "AddImage"})
		conn, err := net.Dial("tcp", strings.TrimPrefix(c.base, "http://"))
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST /resources/applicantActions/x/images HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n")
		require.NoError(t, err)
		start := make([]byte, len("HTTP/1.1 503 "))
		n, err := io.ReadFull(conn, start)
		assert.Equal(t, want, string(start[:n]))
		if want == "" {
			assert.ErrorIs(t, err, syscall.ECONNRESET)
		}
		assert.Zero(t, s.Stats().RefusedCredentials)
		_ = conn.Close()
	}
}

func TestWrongSignatureHasNoFault(t *testing.T) {
	s, c := start(t, simulator.Config{})
	script(t, s, simulator.Fault{Kind: simulator.FaultStatus}, simulator.Fault{Kind: simulator.FaultStatus})
	assert.Equal(t, 401, c.do("GET", listTarget, nil, header("X-App-Access-Sig", "0")).status)
	assert.Equal(t, 503, c.do("GET", listTarget, nil).status)
	stats := s.Stats()
	assert.Equal(t, 1, stats.RefusedSignatures)
	assert.Equal(t, map[simulator.FaultKind]int{simulator.FaultStatus: 1}, stats.Faults)
	c.do("GET", "/idensic/l/", nil) // a page has no fault either
}

func TestScript(t *testing.T) {
	s, c := start(t, simulator.Config{Faults: &simulator.Faults{
		Operations: []string{"CreateAction", "GetAction"},
		Chances: []simulator.Chance{{
			Fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 500, Operation: "GetAction"}, Probability: 1,
		}},
		Script: []simulator.Fault{
			{Kind: simulator.FaultNone},
			{Kind: simulator.FaultStatus, Status: 429, Operation: "CreateAction"},
		},
	}})
	get := func() int { return c.do("GET", "/resources/applicantActions/x/one", nil).status }
	list := func() int { return c.do("GET", listTarget, nil).status }
	create := func() int { return c.do("POST", createTarget, []byte(`{"externalActionId":"a"}`)).status }
	assert.Equal(t, []int{200, 404, 500, 200, 429, 200, 500}, []int{list(), get(), get(), list(), create(), create(), get()})
	require.NoError(t, s.SetFaults(nil))
	assert.Equal(t, []int{404, 200}, []int{get(), create()})
}

func TestChancesAreReproducible(t *testing.T) {
	run := func(seed uint64) (statuses []int) {
		s, err := simulator.New(simulator.Config{Faults: &simulator.Faults{Seed: seed, Chances: []simulator.Chance{
			{Fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 429}, Probability: 0.3},
			{Fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 500, Operation: "CreateAction"}, Probability: 0.4},
			{Fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 500}, Probability: 0.3},
		}}})
		require.NoError(t, err)
		c := direct(t, s)
		for range 1000 {
			statuses = append(statuses, c.do("GET", listTarget, nil).status)
		}
		return statuses
	}
	first := run(1)
	assert.Equal(t, first, run(1))
	assert.NotEqual(t, first, run(2))
	counts := map[int]int{}
	for _, status := range first {
		counts[status]++
	}
	assert.InDelta(t, 300, counts[429], 60)
	assert.InDelta(t, 300, counts[500], 60)
	assert.InDelta(t, 400, counts[200], 60)
}

func TestParseFaults(t *testing.T) {
	got, err := simulator.ParseFaults(" 429=0.1, 409:2=0.05,503-after=0.02," +
		"502-early@AddImage=0.03,reset-after=0.05,,slow=0.1,slow-body:250ms=0.1,wrong-date:-10m=0.1,html=0,seed=7")
	require.NoError(t, err)
	fault := func(p float64, f simulator.Fault) simulator.Chance { return simulator.Chance{Fault: f, Probability: p} }
	assert.Equal(t, &simulator.Faults{Seed: 7, Chances: []simulator.Chance{
		fault(0.1, simulator.Fault{Kind: simulator.FaultStatus, Status: 429}),
		fault(0.05, simulator.Fault{Kind: simulator.FaultStatus, Status: 409, RetryAfter: "2"}),
		fault(0.02, simulator.Fault{Kind: simulator.FaultStatusAfter, Status: 503}),
		fault(0.03, simulator.Fault{Kind: simulator.FaultEarlyStatus, Status: 502, Operation: "AddImage"}),
		fault(0.05, simulator.Fault{Kind: simulator.FaultResetAfter}),
		fault(0.1, simulator.Fault{Kind: simulator.FaultSlowHeaders, Delay: time.Second}),
		fault(0.1, simulator.Fault{Kind: simulator.FaultSlowBody, Delay: 250 * time.Millisecond}),
		fault(0.1, simulator.Fault{Kind: simulator.FaultWrongDate, Delay: -10 * time.Minute}),
		fault(0, simulator.Fault{Kind: simulator.FaultHTML, Status: 502}),
	}}, got)
	_, err = simulator.New(simulator.Config{Faults: got})
	assert.NoError(t, err)

	got, err = simulator.ParseFaults("")
	assert.NoError(t, err)
	assert.Equal(t, &simulator.Faults{}, got)

	for _, text := range []string{
		"429", "429=", "429=2", "429=-1", "429=NaN", "=0.1", "200=0.1", "999=0.1", "429-later=0.1", "flood=0.1", "slow:x=0.1",
		"slow:-1s=0.1", "seed=x", "reset@Dance=0.1",
		"429=often", "429:abc=0.1", "429:2s=0.1", "429:-2=0.1", "429:=0.1", "503-after:soon=0.1", "reset:abc=0.1", "503@=0.1",
	} {
		_, err := simulator.ParseFaults(text)
		assert.ErrorContains(t, err, "simulator: fault ", text)
	}
}
