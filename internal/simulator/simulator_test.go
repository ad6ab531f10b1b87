package simulator_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/simulator"
)

// newRecorder returns a recorder for one answer.
func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// records keeps the records of requests.
type records struct {
	mu  sync.Mutex
	all []simulator.Request
}

// add keeps the record of a request.
func (r *records) add(q simulator.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, q)
}

// last returns the record of the latest request.
func (r *records) last() simulator.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[len(r.all)-1]
}

func TestSignatureVectors(t *testing.T) {
	text, err := os.ReadFile("../../testdata/vectors/request-signatures.json")
	require.NoError(t, err)
	var file struct {
		Vectors []struct {
			ID, Secret, Timestamp, Method, Signature string
			RequestURI                               string `json:"request_uri"`
			ContentType                              string `json:"content_type"`
			BodyHex                                  string `json:"body_hex"`
		}
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.Len(t, file.Vectors, 32)
	for _, v := range file.Vectors {
		t.Run(v.ID, func(t *testing.T) {
			seconds, err := strconv.ParseInt(v.Timestamp, 10, 64)
			require.NoError(t, err)
			var seen records
			s, err := simulator.New(simulator.Config{
				SecretKey: v.Secret, OnRequest: seen.add,
				Clock: func() time.Time { return time.Unix(seconds, 0) },
			})
			require.NoError(t, err)
			body, err := hex.DecodeString(v.BodyHex)
			require.NoError(t, err)
			ask := func(target string, body []byte) simulator.Request {
				r := httptest.NewRequest(v.Method, target, bytes.NewReader(body))
				r.Header.Set("X-App-Token", simulator.DefaultAppToken)
				r.Header.Set("X-App-Access-Ts", v.Timestamp)
				r.Header.Set("X-App-Access-Sig", v.Signature)
				r.Header.Set("Content-Type", v.ContentType)
				s.ServeHTTP(newRecorder(), r)
				return seen.last()
			}
			assert.Equal(t, simulator.VerdictOK, ask(v.RequestURI, body).Signature)

			wrong := ask(v.RequestURI, append([]byte("x"), body...))
			assert.Equal(t, simulator.VerdictSignature, wrong.Signature)
			changed := append([]byte("x"), body...)
			want := fmt.Sprintf("%s%s%s<body: %d bytes, SHA-256 %x>",
				v.Timestamp, v.Method, v.RequestURI, len(changed), sha256.Sum256(changed))
			assert.Equal(t, want, wrong.StringToSign)

			wrong = ask(v.RequestURI+"x", body)
			assert.Equal(t, simulator.VerdictSignature, wrong.Signature)
			assert.NotContains(t, wrong.StringToSign, v.Secret)
		})
	}
}

func TestCredentials(t *testing.T) {
	clock := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var seen records
	s, c := start(t, simulator.Config{Clock: func() time.Time { return clock }, OnRequest: seen.add, AppToken: "sbx:public.private"})
	stamped := func(d time.Duration) change {
		return func(r *http.Request) {
			own := *c
			own.now = func() time.Time { return clock.Add(d) }
			r.Header = own.request(r.Method, r.URL.RequestURI(), nil).Header
		}
	}
	for name, test := range map[string]struct {
		change  change
		code    float64
		verdict simulator.Verdict
	}{
		"token missing":        {change: header("X-App-Token", ""), code: 4006, verdict: simulator.VerdictMissing},
		"signature missing":    {change: header("X-App-Access-Sig", ""), code: 4006, verdict: simulator.VerdictMissing},
		"timestamp missing":    {change: header("X-App-Access-Ts", ""), code: 4006, verdict: simulator.VerdictMissing},
		"token without a dot":  {change: header("X-App-Token", "nonsense"), code: 4000, verdict: simulator.VerdictToken},
		"token unknown":        {change: header("X-App-Token", "prd:other.private"), code: 4001, verdict: simulator.VerdictToken},
		"token's private part": {change: header("X-App-Token", "sbx:public.other"), code: 4002, verdict: simulator.VerdictToken},
		"header twice": {
			change: func(r *http.Request) { r.Header.Add("X-App-Token", "again") }, code: 4005,
			verdict: simulator.VerdictMalformed,
		},
		"timestamp no number":   {change: header("X-App-Access-Ts", "soon"), code: 4005, verdict: simulator.VerdictMalformed},
		"timestamp with a sign": {change: header("X-App-Access-Ts", "+1772366400"), code: 4005, verdict: simulator.VerdictMalformed},
		"timestamp in ms":       {change: header("X-App-Access-Ts", "1772366400000"), code: 4004, verdict: simulator.VerdictTimestamp},
		"timestamp beyond ms":   {change: header("X-App-Access-Ts", "9223372036854775807"), code: 4004, verdict: simulator.VerdictTimestamp},
		"61 s late":             {change: stamped(-61 * time.Second), code: 4004, verdict: simulator.VerdictTimestamp},
		"61 s early":            {change: stamped(61 * time.Second), code: 4004, verdict: simulator.VerdictTimestamp},
		"signature of another":  {change: header("X-App-Access-Sig", strings.Repeat("0", 64)), code: 4003, verdict: simulator.VerdictSignature},
		"signature in capitals": {change: func(r *http.Request) {
			r.Header.Set("X-App-Access-Sig", strings.ToUpper(r.Header.Get("X-App-Access-Sig")))
		}, code: 4003, verdict: simulator.VerdictSignature},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.do("GET", listTarget, nil, test.change)
			assert.Equal(t, 401, r.status)
			body := r.json(t)
			assert.Equal(t, test.code, body["errorCode"])
			assert.Equal(t, float64(401), body["code"])
			assert.NotEmpty(t, body["errorName"])
			assert.NotEmpty(t, body["description"])
			assert.Regexp(t, `^req-[0-9a-f-]{36}$`, body["correlationId"])
			assert.Equal(t, test.verdict, seen.last().Signature)
			assert.Equal(t, "Sun, 01 Mar 2026 12:00:00 GMT", r.header.Get("Date"))
		})
	}
	for _, d := range []time.Duration{-60 * time.Second, 60 * time.Second} {
		assert.Equal(t, 200, c.do("GET", listTarget, nil, stamped(d)).status)
	}
	stats := s.Stats()
	assert.Equal(t, 17, stats.Requests)
	assert.Equal(t, 17, stats.ByOperation["ListActions"])
	assert.Equal(t, map[int]int{200: 2, 401: 15}, stats.ByStatus)
	assert.Equal(t, 2, stats.RefusedSignatures)
	assert.Equal(t, 4, stats.RefusedTimestamps)
	assert.Equal(t, 9, stats.RefusedCredentials)
}

func TestPathPrefixIsSigned(t *testing.T) {
	s, c := start(t, simulator.Config{PathPrefix: "/idngo/v1"})
	assert.Equal(t, 200, c.do("GET", "/idngo/v1"+listTarget, nil).status)
	assert.Equal(t, 404, c.do("GET", listTarget, nil).status)
	const linkPath = "/idngo/v1/resources/sdkIntegrations/levels/action-liveness/websdkLink"
	link := c.do("POST", linkPath+"?externalUserId=JamesBond007&externalActionId=a", nil).json(t)["url"]
	assert.Regexp(t, `^http://127\.0\.0\.1:\d+/idngo/v1/idensic/l/#/[A-Z2-7]{26}$`, link)
	assert.Equal(t, 1, s.Stats().ByOperation["Unknown"])
}

func TestBadConfig(t *testing.T) {
	for name, cfg := range map[string]simulator.Config{
		"token with a space":   {AppToken: "sbx: x"},
		"prefix without slash": {PathPrefix: "idngo"},
		"prefix with a slash":  {PathPrefix: "/idngo/"},
		"prefix to escape":     {PathPrefix: "/id ngo"},
		"limits":               {Limits: simulator.Limits{Actions: -1}},
		"webhook host":         {WebhookURL: "http://example.com/"},
		"webhook https host":   {WebhookURL: "https://10.0.0.1/"},
		"webhook scheme":       {WebhookURL: "ftp://127.0.0.1/"},
		"webhook user":         {WebhookURL: "http://u:p@127.0.0.1/"},
		"webhook no URL":       {WebhookURL: "http://%zz"},
		"webhook algorithm":    {WebhookAlgorithm: "MD5"},
		"webhook scale":        {WebhookTimeScale: -1},
		"webhook scale NaN":    {WebhookTimeScale: math.NaN()},
		"webhook duplicates":   {WebhookDuplicates: 101},
		"answer":               {Outcome: simulator.Outcome{Answer: "green"}},
		"reject type":          {Outcome: simulator.Outcome{Answer: "RED", RejectType: "LATER"}},
		"reject label":         {Outcome: simulator.Outcome{Answer: "RED", RejectLabels: []string{"two words"}}},
		"fault kind":           {Faults: &simulator.Faults{Script: []simulator.Fault{{Kind: "flood"}}}},
		"fault operation":      {Faults: &simulator.Faults{Script: []simulator.Fault{{Operation: "Dance"}}}},
		"faults' operations":   {Faults: &simulator.Faults{Operations: []string{"Dance"}}},
		"fault status":         {Faults: &simulator.Faults{Script: []simulator.Fault{{Kind: simulator.FaultStatus, Status: 200}}}},
		"fault delay":          {Faults: &simulator.Faults{Script: []simulator.Fault{{Kind: simulator.FaultReset, Delay: -1}}}},
		"chance kind":          {Faults: &simulator.Faults{Chances: []simulator.Chance{{Fault: simulator.Fault{Kind: "x"}}}}},
		"chance probability":   {Faults: &simulator.Faults{Chances: []simulator.Chance{{Probability: 1.1}}}},
		"chance not a number":  {Faults: &simulator.Faults{Chances: []simulator.Chance{{Probability: math.NaN()}}}},
		"chances above one":    {Faults: &simulator.Faults{Chances: []simulator.Chance{{Probability: 0.6}, {Probability: 0.6}}}},
		"chances above one (b)": {Faults: &simulator.Faults{Chances: []simulator.Chance{
			{Probability: 0.6}, {Fault: simulator.Fault{Operation: "AddImage"}, Probability: 0.6},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := simulator.New(cfg)
			assert.Nil(t, s)
			assert.ErrorContains(t, err, "simulator: ")
		})
	}
}

func TestStartOnLoopbackOnly(t *testing.T) {
	s, err := simulator.New(simulator.Config{})
	require.NoError(t, err)
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "example.com:80", "nonsense", "192.0.2.1:0", "127.0.0.1:99999"} {
		_, err := s.Start(addr)
		assert.ErrorContains(t, err, "simulator: ", addr)
	}
	l, err := net.Listen("tcp", "0.0.0.0:0")
	require.NoError(t, err)
	assert.ErrorContains(t, s.Serve(l), "only loopback")
	_, err = l.Accept()
	assert.ErrorIs(t, err, net.ErrClosed)

	base, err := s.Start("localhost:0")
	require.NoError(t, err)
	response, err := http.Get(base + "/idensic/l/")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())

	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Start("")
	assert.ErrorIs(t, err, http.ErrServerClosed)
	assert.ErrorIs(t, s.Serve(newPipeListener()), http.ErrServerClosed)
	w := newRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", listTarget, nil))
	assert.Equal(t, 503, w.Code)
}

// pipeListener accepts connections of net.Pipe, which work in virtual time.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// newPipeListener returns a listener without connections.
func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// dial connects to the listener.
func (l *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// servePipe starts a simulator inside a bubble of testing/synctest.
func servePipe(t *testing.T, cfg simulator.Config) (*simulator.Server, *client, func()) {
	s, err := simulator.New(cfg)
	require.NoError(t, err)
	l := newPipeListener()
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	transport := &http.Transport{DialContext: l.dial}
	c := direct(t, s)
	c.transport = transport
	return s, c, func() {
		transport.CloseIdleConnections()
		assert.NoError(t, s.Close())
		assert.ErrorIs(t, <-served, http.ErrServerClosed)
	}
}

func TestVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, stop := servePipe(t, simulator.Config{ReviewDelay: time.Hour})
		defer stop()
		id := c.create("a")
		require.Equal(t, 200, c.addImage(id, "face").status)
		assert.Equal(t, "pending", at(t, c.submit(id).json(t), "review", "reviewStatus"))
		assert.Equal(t, 1, s.Stats().OpenConnections)

		<-time.After(time.Hour - time.Second)
		assert.Equal(t, "pending", at(t, c.get(id), "review", "reviewStatus"))
		<-time.After(2 * time.Second)
		assert.Equal(t, "completed", at(t, c.get(id), "review", "reviewStatus"))
		assert.Regexp(t, `^http://simulator\.test/idensic/l/#/`, c.link(t, "b"))
	})
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		receiver := &receiver{silent: true}
		s, c, stop := servePipe(t, simulator.Config{
			ReviewDelay: time.Hour, WebhookURL: "http://127.0.0.1/", WebhookTransport: receiver, WebhookTimeScale: 1000,
			Faults: &simulator.Faults{Script: []simulator.Fault{{Kind: simulator.FaultSlowHeaders, Operation: "GetAction", Delay: time.Hour}}},
		})
		c.submit(c.create("a"))
		held := make(chan error)
		go func() {
			_, err := c.try("GET", "/resources/applicantActions/x/one", nil)
			held <- err
		}()
		synctest.Wait()
		begin := time.Now()
		stop()
		assert.Error(t, <-held)
		assert.Zero(t, time.Since(begin))
		// The timers of the simulator are stopped, so nothing happens any more.
		assert.Equal(t, "pending", s.Actions()[0].ReviewStatus)
		assert.NoError(t, s.Review(s.Actions()[0].ID, simulator.Outcome{}))
		assert.Equal(t, 1, receiver.count())
		assert.Equal(t, 1, s.Stats().WebhooksDropped)
	})
}

func TestManyClients(t *testing.T) {
	s, c := start(t, simulator.Config{
		ReviewDelay: time.Millisecond,
		Faults: &simulator.Faults{
			Seed:    1,
			Chances: []simulator.Chance{{Fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 429}, Probability: 0.1}},
		},
	})
	const clients, flows = 64, 2
	var group sync.WaitGroup
	for n := range clients {
		group.Go(func() {
			again := func(method, target string, body []byte, changes ...change) result {
				for {
					if r, err := c.try(method, target, body, changes...); !assert.NoError(t, err) || r.status != 429 {
						return r
					}
				}
			}
			for flow := range flows {
				created := again("POST", createTarget, fmt.Appendf(nil, `{"externalActionId":"a%d-%d"}`, n, flow))
				var a struct{ ID string }
				assert.NoError(t, json.Unmarshal(created.body, &a))
				body, form := multipartBody(t, metadata(selfie), content("x", "image/png", strings.Repeat("x", 1000)))
				assert.Equal(t, 200, again("POST", "/resources/applicantActions/"+a.ID+"/images", body, form).status)
				assert.Equal(t, 200, again("POST", "/resources/applicantActions/"+a.ID+"/review/status/pending", nil).status)
				assert.Equal(t, 200, again("GET", listTarget+"?limit=5&offset=0", nil).status)
			}
		})
	}
	group.Wait()
	require.Len(t, s.Actions(), clients*flows)
	seen := map[string]bool{}
	for _, a := range s.Actions() {
		assert.False(t, seen[a.ID+a.ExternalActionID])
		seen[a.ID+a.ExternalActionID] = true
		assert.Equal(t, 1, a.Submits)
		assert.Len(t, s.Images(a.ID), 1)
	}
	stats := s.Stats()
	assert.Zero(t, stats.RefusedSignatures+stats.RefusedTimestamps+stats.RefusedCredentials)
	assert.Equal(t, stats.ByStatus[429], stats.Faults[simulator.FaultStatus])
}

func TestRoomForApplicants(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: it adds a hundred thousand applicants")
	}
	s, c := start(t, simulator.Config{KnownOnly: true})
	for i := range 99_999 {
		if err := s.AddApplicant("applicant-"+strconv.Itoa(i), "user-"+strconv.Itoa(i)); err != nil {
			require.NoError(t, err)
		}
	}
	require.ErrorContains(t, s.AddApplicant("applicant-99999", "user-99999"), "there is no room")
	list := "/resources/applicantActions/-;applicantId=applicant-"
	assert.Equal(t, 200, c.do("GET", list+"99998", nil).status, "the last but one: the default applicant is there too")
	assert.Equal(t, 404, c.do("GET", list+"99999", nil).status)
}
