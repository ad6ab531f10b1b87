package idngo_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/exchange"
	"github.com/idngo-go/idngo/internal/race"
)

// Each benchmark has a floor: the same work, written by hand with the standard library. .ci/bench
// prints the ratio of the two.
//
//	floor              the answer's fields only; a call has a timeout of 30 s
//	floor-again        the same once more: how far it is from floor is noise
//	floor-same-fields  the fields of this package's models, and no timeout

// benchBody is the body of a CreateAction.
const benchBody = `{"externalActionId":"payout-4711-a","email":"example@email.com","phone":"+49 123456789123"}`

func BenchmarkSign(b *testing.B) {
	req, signer := benchRequest(b), benchSigner(b)
	compare(b, []way{
		{name: "floor", once: func() { signPlainly(req, []byte(benchBody), time.Now()) }},
		{name: "idngo", once: func() { checkCall(b, signer.Sign(req, time.Now())) }},
	}...)
}

// The client has the bytes of a body and signs them without opening it. The floor keeps its hashes
// in a pool.
func BenchmarkSignBytes(b *testing.B) {
	hashes := sync.Pool{New: func() any { return hmac.New(sha256.New, []byte(faultnet.SecretKey)) }}
	signer, err := exchange.NewSigner(faultnet.AppToken, []byte(faultnet.SecretKey))
	require.NoError(b, err)
	req := benchRequest(b)
	floor := func() {
		stamp := strconv.FormatInt(time.Now().Unix(), 10)
		mac := hashes.Get().(hash.Hash)
		mac.Reset()
		mac.Write([]byte(stamp + req.Method + req.URL.RequestURI() + benchBody))
		req.Header.Set("X-App-Token", faultnet.AppToken)
		req.Header.Set("X-App-Access-Ts", stamp)
		req.Header.Set("X-App-Access-Sig", hex.EncodeToString(mac.Sum(nil)))
		hashes.Put(mac)
	}
	body := []byte(benchBody)
	compare(b, []way{
		{name: "floor", once: floor},
		{name: "idngo", once: func() { signer.SignBytes(req, time.Now(), body) }},
		{name: "floor-again", once: floor},
	}...)
}

// TestFloors checks that floor-same-fields has the fields of the models.
func TestFloors(t *testing.T) {
	t.Parallel()
	assert.ElementsMatch(t, memberNames(reflect.TypeFor[idngo.Action](), ""), memberNames(reflect.TypeFor[plainAction](), ""))
	assert.ElementsMatch(t, memberNames(reflect.TypeFor[idngo.WebhookEvent](), ""), memberNames(reflect.TypeFor[plainWebhook](), ""))
}

// memberNames returns the names of the JSON members of a type, at every depth.
func memberNames(of reflect.Type, prefix string) (names []string) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return memberNames(of.Elem(), prefix)
	case reflect.Struct:
		if of == reflect.TypeFor[idngo.Time]() {
			return nil
		}
		for _, field := range reflect.VisibleFields(of) {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "-" {
				names = append(names, prefix+name)
				names = append(names, memberNames(field.Type, prefix+name+".")...)
			}
		}
	}
	return names
}

// Run it with -cpu 1,2 to see whether the cores slow each other down.
func BenchmarkSignParallel(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			req := benchRequest(b)
			for pb.Next() {
				signPlainly(req, []byte(benchBody), time.Now())
			}
		})
	})
	b.Run("idngo", func(b *testing.B) {
		signer := benchSigner(b)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			req := benchRequest(b)
			for pb.Next() {
				if err := signer.Sign(req, time.Now()); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// way is one way to do the work of a benchmark.
type way struct {
	name string
	once func()
}

// inTurn returns the ways, and begins with another one in each round of .ci/bench. The first way
// that runs in a process is often slower or faster than the same way later.
func inTurn[Way any](ways []Way) []Way {
	round, _ := strconv.Atoi(os.Getenv("IDNGO_BENCH_ROUND"))
	first := round % len(ways)
	return slices.Concat(ways[first:], ways[:first])
}

// compare runs a benchmark for each way.
func compare(b *testing.B, ways ...way) {
	b.Helper()
	for _, way := range inTurn(ways) {
		b.Run(way.name, func(b *testing.B) {
			way.once() // the first call opens the connection and fills the pools
			b.ReportAllocs()
			for b.Loop() {
				way.once()
			}
		})
	}
}

// compareParallel runs a benchmark for each way, with 32 goroutines for each CPU.
func compareParallel(b *testing.B, ways ...way) {
	b.Helper()
	for _, way := range inTurn(ways) {
		b.Run(way.name, func(b *testing.B) {
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					way.once()
				}
			})
		})
	}
}

// callWays are the ways to make a call: by hand, decoding into Answer or into
// SameFields, and with a Client.
func callWays[Answer, SameFields any](b *testing.B, method, url string, body []byte, idngo func()) []way {
	b.Helper()
	hc := floorClient()
	floor := func() { floorWithTimeout[Answer](b, hc, method, url, body) }
	return []way{
		{name: "floor", once: floor},
		{name: "idngo", once: idngo},
		{name: "floor-again", once: floor},
		{name: "floor-same-fields", once: func() { floorCall(b.Context(), b, hc, method, url, body, new(SameFields)) }},
	}
}

func BenchmarkGetAction(b *testing.B) {
	const target = "/resources/applicantActions/a1/one"
	base := startBenchServer(b, benchConfig{Mode: "json", Answers: answers{target: benchActionJSON("a1", 5)}})
	client := benchClient(b, base)
	compare(b, callWays[answerAction, plainAction](b, http.MethodGet, base+target, nil, func() {
		_, err := client.GetAction(b.Context(), "a1")
		checkCall(b, err)
	})...)
}

func BenchmarkCreateAction(b *testing.B) { compare(b, createWays(b)...) }

// Run it with -cpu 1,2 to see whether the cores slow each other down.
func BenchmarkCreateActionParallel(b *testing.B) { compareParallel(b, createWays(b)...) }

// createWays returns the ways to make the CreateAction of benchBody.
func createWays(b *testing.B) []way {
	b.Helper()
	base := startBenchServer(b, benchConfig{Mode: "json", Answers: answers{benchCreatePath: benchCreated}})
	client := benchClient(b, base)
	url := base + benchCreatePath + "?levelName=action-liveness"
	return callWays[answerCreated, plainAction](b, http.MethodPost, url, []byte(benchBody), func() { idngoCreate(b, client) })
}

// idngoCreate makes the CreateAction of benchBody.
func idngoCreate(b *testing.B, client *idngo.Client) {
	_, err := client.CreateAction(b.Context(), "63e096c51b6b4030f2e01154", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-4711-a", Email: "example@email.com", Phone: "+49 123456789123",
	})
	checkCall(b, err)
}

func BenchmarkCreateAccessToken(b *testing.B) {
	const path = "/resources/accessTokens"
	const answer = `{"token":"_act-sbx-1b62fb25-2d23-4a9f-9d2c-8d8a3b6d1c6e-v2","userId":"user-4711"}`
	base := startBenchServer(b, benchConfig{Mode: "json", Answers: answers{path: answer}})
	client := benchClient(b, base)
	url := base + path + "?externalActionId=payout-4711-a&levelName=action-liveness&ttlInSecs=600&userId=user-4711"
	compare(b, callWays[answerToken, answerToken](b, http.MethodPost, url, nil, func() {
		_, err := client.CreateAccessToken(b.Context(), idngo.AccessTokenParams{
			UserID: "user-4711", ExternalActionID: "payout-4711-a", LevelName: "action-liveness",
		})
		checkCall(b, err)
	})...)
}

func BenchmarkListActions1000(b *testing.B) { compare(b, listWays(b, 1000)...) }

// The time and the bytes for one action do not depend on the size of the list.
func BenchmarkGrowthListActions(b *testing.B) {
	for _, size := range []int{10, 100, 1000, 10_000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) { compare(b, listWays(b, size)[:2]...) })
	}
}

// listWays returns the ways to list a page of size actions.
func listWays(b *testing.B, size int) []way {
	b.Helper()
	target := fmt.Sprintf("/resources/applicantActions/-;applicantId=p1?limit=%d&offset=0&order=-createdAt", size)
	base := startBenchServer(b, benchConfig{Mode: "json", Answers: answers{target: benchPage(0, size, size)}})
	client := benchClient(b, base)
	return callWays[answerPage, plainPage](b, http.MethodGet, base+target, nil, func() {
		page, err := client.ListActions(b.Context(), "p1", idngo.ListActionsParams{Limit: size})
		checkCall(b, err)
		if err == nil && len(page.Items) != size {
			b.Error("the page is not whole")
		}
	})
}

// checkCall reports the error of a call, if there is one.
func checkCall(b *testing.B, err error) {
	if err != nil {
		b.Error(err)
	}
}

// pages-live is the largest size of the live heap, in decoded pages of 1,000 actions. It is
// measured after a garbage collection, at two moments: when the last byte of an answer has come,
// while its bytes and the page before may both be held, and when the first action of a page is
// returned.
func BenchmarkAllActions10000(b *testing.B) {
	const size, pages = 1000, 10
	canned := answers{}
	target := func(page int) string {
		return fmt.Sprintf("/resources/applicantActions/-;applicantId=p1?limit=%d&offset=%d&order=-createdAt", size, page*size)
	}
	for page := range pages {
		canned[target(page)] = benchPage(page*size, size, pages*size)
	}
	base := startBenchServer(b, benchConfig{Mode: "json", Answers: canned})
	b.Run("floor", func(b *testing.B) {
		hc := floorClient()
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			for page := range pages {
				var answer plainPage
				floorCall(b.Context(), b, hc, http.MethodGet, base+target(page), nil, &answer)
				n += len(answer.List.Items)
			}
			require.Equal(b, pages*size, n)
		}
	})
	b.Run("idngo", func(b *testing.B) {
		client := benchClient(b, base)
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			for _, err := range client.AllActions(b.Context(), "p1", idngo.ListActionsParams{Limit: size}) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			require.Equal(b, pages*size, n)
		}
		b.StopTimer()
		before := liveHeap()
		page, err := client.ListActions(b.Context(), "p1", idngo.ListActionsParams{Limit: size})
		require.NoError(b, err)
		onePage := liveHeap() - before
		runtime.KeepAlive(page)

		most := before
		sample := func() { most = max(most, liveHeap()) }
		before = liveHeap()
		sampling := faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			res, err := http.DefaultTransport.RoundTrip(req)
			if err == nil {
				res.Body = &faultnet.Body{Reader: res.Body, OnRead: func(_ int, err error) {
					if err == io.EOF {
						sample()
					}
				}}
			}
			return res, err
		})
		watched := benchClient(b, base, idngo.WithHTTPClient(&http.Client{Transport: sampling}))
		n := 0
		for _, err := range watched.AllActions(b.Context(), "p1", idngo.ListActionsParams{Limit: size}) {
			require.NoError(b, err)
			if n++; n%size == 1 {
				sample()
			}
		}
		most -= before
		b.ReportMetric(float64(most)/float64(onePage), "pages-live")
	})
}

// The floor computes the HMAC of the body and calls json.Unmarshal.
func BenchmarkWebhook(b *testing.B) {
	body := []byte(benchWebhook)
	header := idngo.SignWebhook(body, faultnet.SecretKey, idngo.HMACSHA256)
	verifier, err := idngo.NewWebhookVerifier(faultnet.SecretKey)
	require.NoError(b, err)
	floor := func() { floorWebhook(b, body, header, new(answerWebhook)) }
	compare(b, []way{
		{name: "floor", once: floor},
		{name: "idngo", once: func() {
			checkCall(b, verifier.Verify(body, header))
			_, err := idngo.ParseWebhook(body)
			checkCall(b, err)
		}},
		{name: "floor-again", once: floor},
		{name: "floor-same-fields", once: func() { floorWebhook(b, body, header, new(plainWebhook)) }},
	}...)
}

// The body is read from a request. The floor limits its size too.
func BenchmarkWebhookRequest(b *testing.B) { compare(b, webhookWays(b, []byte(benchWebhook))...) }

// A webhook grows with its companies, which the floor does not decode.
func BenchmarkGrowthWebhook(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, 128 << 10, 1 << 20} {
		b.Run(strconv.Itoa(size>>10)+"KiB", func(b *testing.B) {
			const company = `{"applicantId":"5dc158b109494c3cbf431e28"}`
			before := `{"type":"applicantReviewed","applicantId":"5dc158b109494c3cbf431e28","applicantMemberOf":[` + company
			body := before + strings.Repeat(","+company, (size-len(before)-2)/(len(company)+1)) + "]}"
			compare(b, webhookWays(b, []byte(body))[:2]...)
		})
	}
}

// webhookWays returns the ways to verify and decode a webhook with this body.
func webhookWays(b *testing.B, body []byte) []way {
	b.Helper()
	header := idngo.SignWebhook(body, faultnet.SecretKey, idngo.HMACSHA256)
	verifier, err := idngo.NewWebhookVerifier(faultnet.SecretKey)
	require.NoError(b, err)
	request := func() *http.Request {
		r := &http.Request{Method: http.MethodPost, Header: header, ContentLength: int64(len(body))}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return r
	}
	floor := func() {
		r := request()
		text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, 1<<20))
		checkCall(b, err)
		floorWebhook(b, text, r.Header, new(answerWebhook))
	}
	return []way{
		{name: "floor", once: floor},
		{name: "idngo", once: func() {
			_, err := verifier.Parse(request())
			checkCall(b, err)
		}},
		{name: "floor-again", once: floor},
	}
}

// floorWebhook checks and decodes a webhook by hand.
func floorWebhook(b *testing.B, body []byte, header http.Header, out any) {
	mac := hmac.New(sha256.New, []byte(faultnet.SecretKey))
	mac.Write(body)
	got, err := hex.DecodeString(header.Get("X-Payload-Digest"))
	if err != nil || !hmac.Equal(got, mac.Sum(nil)) {
		b.Fatal("digest")
	}
	if err := json.Unmarshal(body, out); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkScale makes calls from many goroutines at once. The server answers after
// 5 ms. Both sides have the same transport. live-heap counts the idle connections.
func BenchmarkScale(b *testing.B) {
	for _, protocol := range []string{"HTTP1", "HTTP2"} {
		for _, goroutines := range []int{1, 16, 256, 1000} {
			b.Run(fmt.Sprintf("%s/%d", protocol, goroutines), func(b *testing.B) {
				base := startBenchServer(b, benchConfig{Mode: "json", Delay: 5 * time.Millisecond, Answers: answers{"": benchCreated}})
				floor := func(b *testing.B) {
					hc, dials := scaleClient(protocol)
					url := base + benchCreatePath + "?levelName=action-liveness"
					scale(b, goroutines, hc, dials, func() { floorWithTimeout[answerCreated](b, hc, http.MethodPost, url, []byte(benchBody)) })
				}
				own := func(b *testing.B) {
					hc, dials := scaleClient(protocol)
					client := benchClient(b, base, idngo.WithHTTPClient(hc))
					scale(b, goroutines, hc, dials, func() { idngoCreate(b, client) })
				}
				for _, way := range inTurn([]struct {
					name string
					run  func(*testing.B)
				}{{"floor", floor}, {"idngo", own}, {"floor-again", floor}}) {
					b.Run(way.name, way.run)
				}
			})
		}
	}
}

// scaleClient returns a client with the settings of this package's transport, and the counter of
// its connections.
func scaleClient(protocol string) (*http.Client, *atomic.Int64) {
	transport, dials := exchange.Tune(http.DefaultTransport.(*http.Transport).Clone()), new(atomic.Int64)
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(protocol == "HTTP1")
	transport.Protocols.SetUnencryptedHTTP2(protocol == "HTTP2")
	return &http.Client{Transport: transport}, dials
}

// scale shares b.N calls among the goroutines and reports their rate, times and connections.
func scale(b *testing.B, goroutines int, hc *http.Client, dials *atomic.Int64, call func()) {
	before := liveHeap()
	var group sync.WaitGroup
	for range goroutines {
		group.Go(call) // the first calls open the connections
	}
	group.Wait()
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	for range goroutines {
		group.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				began := time.Now()
				call()
				took[i-1] = time.Since(began)
			}
		})
	}
	group.Wait()
	b.StopTimer()
	slices.Sort(took)
	percentile := func(p int) float64 { return took[(b.N-1)*p/100].Seconds() * 1000 }
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(percentile(50), "p50-ms")
	b.ReportMetric(percentile(99), "p99-ms")
	b.ReportMetric(float64(dials.Load()), "connections")
	took = nil
	b.ReportMetric(max(0, float64(liveHeap())-float64(before)), "live-heap-B")
	hc.CloseIdleConnections()
}

// The answer grows with its description.
func BenchmarkGrowthError(b *testing.B) {
	for _, size := range []int{1, 8, 32, 60} {
		b.Run(strconv.Itoa(size)+"KiB", func(b *testing.B) {
			text := `{"code":400,"correlationId":"req-1","errorCode":1000,"description":"` + strings.Repeat("a", size<<10-80) + `"}`
			base := startBenchServer(b, benchConfig{Mode: "json", Status: http.StatusBadRequest, Answers: answers{"": text}})
			client := benchClient(b, base)
			compare(b, callWays[answerError, answerError](b, http.MethodGet, base+"/resources/applicantActions/a1/one", nil, func() {
				if _, err := client.GetAction(b.Context(), "a1"); !errors.Is(err, idngo.ErrDuplicateImage) {
					b.Error(err)
				}
			})[:2]...)
		})
	}
}

// benchSigner returns a Signer with the tests' Credentials.
func benchSigner(b *testing.B) *idngo.Signer {
	b.Helper()
	signer, err := idngo.NewSigner(faultnet.Credentials)
	require.NoError(b, err)
	return signer
}

// benchRequest returns a CreateAction that is not signed.
func benchRequest(b *testing.B) *http.Request {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost,
		"https://api.idngo.kz"+benchCreatePath+"?levelName=action-liveness", strings.NewReader(benchBody))
	require.NoError(b, err)
	return req
}

// signPlainly signs a request as a program would without this package.
func signPlainly(req *http.Request, body []byte, at time.Time) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(faultnet.SecretKey))
	mac.Write([]byte(stamp + req.Method + req.URL.RequestURI() + string(body)))
	req.Header.Set("X-App-Token", faultnet.AppToken)
	req.Header.Set("X-App-Access-Ts", stamp)
	req.Header.Set("X-App-Access-Sig", hex.EncodeToString(mac.Sum(nil)))
}

// floorClient keeps as many connections as a Client, so that the floor of the parallel benchmark
// does not spend its time on dialling.
func floorClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 256, 256
	return &http.Client{Transport: transport}
}

// floorWithTimeout is floorCall with a timeout of 30 s, as programs have.
func floorWithTimeout[Answer any](b *testing.B, hc *http.Client, method, url string, body []byte) {
	ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
	defer cancel()
	floorCall(ctx, b, hc, method, url, body, new(Answer))
}

// floorCall makes a signed call with net/http alone and decodes its answer into out.
func floorCall(ctx context.Context, b *testing.B, hc *http.Client, method, url string, body []byte, out any) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		b.Error(err)
		return
	}
	req.Header.Set("User-Agent", "idngo-go/"+idngo.Version)
	req.Header.Set("Accept", "application/json")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	signPlainly(req, body, time.Now())
	res, err := hc.Do(req)
	if err != nil {
		b.Error(err)
		return
	}
	data, err := io.ReadAll(res.Body)
	if err != nil {
		b.Error(err)
	}
	_ = res.Body.Close()
	if err := json.Unmarshal(data, out); err != nil {
		b.Error(err)
	}
}

// liveHeap returns how many bytes are in use after a collection.
func liveHeap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

const (
	benchCreatePath = "/resources/applicantActions/-/forApplicant/63e096c51b6b4030f2e01154"
	benchCreated    = `{"id":"5dd3f15704f9404c41307c85","createdAt":"2024-03-07 06:44:24","key":"ABCDEFGHIJKLMN","clientId":"acme",
"externalActionId":"payout-4711-a","applicantId":"63e096c51b6b4030f2e01154","type":"selfieAuth",
"review":{"reviewId":"5dd3f","attemptId":"teinm","attemptCnt":0,"levelName":"action-liveness",
"createDate":"2024-03-07 06:44:24+0000","reviewStatus":"init"}}`
	benchWebhook = `{
  "applicantId" : "5dc158b109494c3cbf431e28",
  "applicantActionId" : "5dc2d80ce3cc9b1c1e389c4c",
  "externalApplicantActionId" : "id122424234-action-random-r7otyykndi",
  "inspectionId" : "5dc158b109494c3cbf431e29",
  "applicantType" : "individual",
  "correlationId" : "req-c9041677-e8dc-446b-ab8f-50b438a40aa8",
  "levelName" : "action-liveness",
  "externalUserId" : "id122424234",
  "type" : "applicantActionReviewed",
  "sandboxMode" : false,
  "reviewResult" : {
    "reviewAnswer" : "RED",
    "rejectLabels" : [ "BAD_FACE_MATCHING", "FRAUDULENT_LIVENESS" ],
    "reviewRejectType" : "RETRY"
  },
  "reviewStatus" : "completed",
  "createdAt" : "2020-02-21 13:23:19+0000",
  "createdAtMs" : "2020-02-21 13:23:19.987",
  "clientId" : "acme"
}`
)

// benchActionJSON returns an action with two checks and the given number of images.
func benchActionJSON(id string, images int) string {
	var list strings.Builder
	for i := range images {
		if i > 0 {
			list.WriteByte(',')
		}
		fmt.Fprintf(&list, `{"id":"66bb6c71546bfc57cffe92a%d","addedDate":"2024-08-13 14:23:45","creatorClientId":"API",
"imageHash":"64d2f3aa8da8a98fffaf751a9c323981474f6375","imageFileName":"name.jpg","resizedImageId":60375827%d,"mimeType":"jpg",
"imageId":141143180%d,"fileSize":1362,"actualResolution":{"width":192,"height":192},"answer":"GREEN",
"idDocDef":{"country":"GBR","idDocType":"SELFIE"},"reviewResult":{},"attemptId":"teinm"}`, i, i, i)
	}
	return `{"id":"` + id + `","createdAt":"2019-10-10 18:20:00","clientId":"acme","externalActionId":"payout-4711",
"applicantId":"5d9f74a27edd7d813405fe07","type":"selfieAuth",
"review":{"reviewId":"5dd3f","attemptId":"teinm","attemptCnt":1,"levelName":"action-liveness",
"createDate":"2019-10-10 18:19:00+0000","reviewDate":"2019-10-10 18:20:00+0000","reviewResult":{"reviewAnswer":"GREEN"},
"reviewStatus":"completed"},
"checks":[{"answer":"GREEN","checkType":"FACE_LIVELINESS","createdAt":"2019-10-10 18:19:57","livenessInfo":{"livenessData":{
"sessionId":"512deb48-bb6b-438c-ae7c-f8953351cc57","images":[{"imageId":1368276695},{"imageId":1060469685},{"imageId":2074791000}]},
"livenessResult":{"answer":"GREEN","glasses":false,"retryReason":0}}},
{"answer":"GREEN","checkType":"FACE_MATCH","createdAt":"2019-10-10 18:20:00","faceMatchInfo":{"answer":"GREEN"}}],
"images":[` + list.String() + `]}`
}

// benchPage returns a page of a list that begins at an offset.
func benchPage(offset, size, total int) string {
	var b strings.Builder
	b.WriteString(`{"list":{"items":[`)
	for i := range size {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(benchActionJSON(fmt.Sprintf("5dd3f15704f9404c%08d", offset+i), 0))
	}
	fmt.Fprintf(&b, `],"totalItems":%d}}`, total)
	return b.String()
}

// In these types the floor decodes only the fields that the answers of these benchmarks have. It
// decodes dates as strings and leaves ids as they are.
type (
	answerToken struct {
		Token  string `json:"token"`
		UserID string `json:"userId"`
	}
	answerError struct {
		Code          int    `json:"code"`
		CorrelationID string `json:"correlationId"`
		ErrorCode     int    `json:"errorCode"`
		Description   string `json:"description"`
	}
	answerCreated struct {
		ID               string `json:"id"`
		CreatedAt        string `json:"createdAt"`
		Key              string `json:"key"`
		ClientID         string `json:"clientId"`
		ExternalActionID string `json:"externalActionId"`
		ApplicantID      string `json:"applicantId"`
		Type             string `json:"type"`
		Review           struct {
			ReviewID     string `json:"reviewId"`
			AttemptID    string `json:"attemptId"`
			AttemptCnt   int    `json:"attemptCnt"`
			LevelName    string `json:"levelName"`
			CreateDate   string `json:"createDate"`
			ReviewStatus string `json:"reviewStatus"`
		} `json:"review"`
	}
	answerPage struct {
		List struct {
			Items      []*answerAction `json:"items"`
			TotalItems int             `json:"totalItems"`
		} `json:"list"`
	}
	answerAction struct {
		ID               string        `json:"id"`
		CreatedAt        string        `json:"createdAt"`
		ClientID         string        `json:"clientId"`
		ExternalActionID string        `json:"externalActionId"`
		ApplicantID      string        `json:"applicantId"`
		Type             string        `json:"type"`
		Review           answerReview  `json:"review"`
		Checks           []answerCheck `json:"checks"`
		Images           []answerImage `json:"images"`
	}
	answerReview struct {
		ReviewID     string       `json:"reviewId"`
		AttemptID    string       `json:"attemptId"`
		AttemptCnt   int          `json:"attemptCnt"`
		LevelName    string       `json:"levelName"`
		CreateDate   string       `json:"createDate"`
		ReviewDate   string       `json:"reviewDate"`
		ReviewResult answerResult `json:"reviewResult"`
		ReviewStatus string       `json:"reviewStatus"`
	}
	answerResult struct {
		ReviewAnswer string `json:"reviewAnswer"`
	}
	answerCheck struct {
		Answer       string `json:"answer"`
		CheckType    string `json:"checkType"`
		CreatedAt    string `json:"createdAt"`
		LivenessInfo *struct {
			LivenessData struct {
				SessionID string `json:"sessionId"`
				Images    []struct {
					ImageID json.Number `json:"imageId"`
				} `json:"images"`
			} `json:"livenessData"`
			LivenessResult plainLivenessResult `json:"livenessResult"`
		} `json:"livenessInfo"`
		FaceMatchInfo *struct {
			Answer string `json:"answer"`
		} `json:"faceMatchInfo"`
	}
	answerImage struct {
		ID               string          `json:"id"`
		AddedDate        string          `json:"addedDate"`
		CreatorClientID  string          `json:"creatorClientId"`
		ImageHash        string          `json:"imageHash"`
		ImageFileName    string          `json:"imageFileName"`
		ResizedImageID   json.Number     `json:"resizedImageId"`
		MimeType         string          `json:"mimeType"`
		ImageID          json.Number     `json:"imageId"`
		FileSize         int64           `json:"fileSize"`
		ActualResolution plainResolution `json:"actualResolution"`
		Answer           string          `json:"answer"`
		IDDocDef         struct {
			Country   string `json:"country"`
			IDDocType string `json:"idDocType"`
		} `json:"idDocDef"`
		ReviewResult answerResult `json:"reviewResult"`
		AttemptID    string       `json:"attemptId"`
	}
	answerWebhook struct {
		ApplicantID               string `json:"applicantId"`
		ApplicantActionID         string `json:"applicantActionId"`
		ExternalApplicantActionID string `json:"externalApplicantActionId"`
		InspectionID              string `json:"inspectionId"`
		ApplicantType             string `json:"applicantType"`
		CorrelationID             string `json:"correlationId"`
		LevelName                 string `json:"levelName"`
		ExternalUserID            string `json:"externalUserId"`
		Type                      string `json:"type"`
		SandboxMode               bool   `json:"sandboxMode"`
		ReviewResult              struct {
			ReviewAnswer     string   `json:"reviewAnswer"`
			RejectLabels     []string `json:"rejectLabels"`
			ReviewRejectType string   `json:"reviewRejectType"`
		} `json:"reviewResult"`
		ReviewStatus string `json:"reviewStatus"`
		CreatedAt    string `json:"createdAt"`
		CreatedAtMs  string `json:"createdAtMs"`
		ClientID     string `json:"clientId"`
	}
)

// In these types the floor decodes all fields of this package's models.
type (
	plainPage struct {
		List struct {
			Items      []*plainAction `json:"items"`
			TotalItems int            `json:"totalItems"`
		} `json:"list"`
	}
	plainAction struct {
		ID               string               `json:"id"`
		ApplicantID      string               `json:"applicantId"`
		ExternalActionID string               `json:"externalActionId"`
		Type             string               `json:"type"`
		CreatedAt        string               `json:"createdAt"`
		ClientID         string               `json:"clientId"`
		Key              string               `json:"key"`
		Review           plainReview          `json:"review"`
		Checks           []plainCheck         `json:"checks"`
		Images           []plainImage         `json:"images"`
		Questionnaires   []plainQuestionnaire `json:"questionnaires"`
		RequiredIDDocs   plainRequiredIDDocs  `json:"requiredIdDocs"`
		PaymentMethod    *plainPaymentMethod  `json:"paymentMethod"`
		PaymentSource    *plainPaymentSource  `json:"paymentSource"`
		Agreement        map[string]any       `json:"agreement"`
	}
	plainBinInfo struct {
		Country    string `json:"country"`
		Issuer     string `json:"issuer"`
		Brand      string `json:"brand"`
		Type       string `json:"type"`
		Prepaid    bool   `json:"prepaid"`
		Virtual    bool   `json:"virtual"`
		Commercial bool   `json:"commercial"`
	}
	plainCheck struct {
		Answer                     string                           `json:"answer"`
		CheckType                  string                           `json:"checkType"`
		CreatedAt                  string                           `json:"createdAt"`
		ID                         string                           `json:"id"`
		AttemptID                  string                           `json:"attemptId"`
		ErrorMessage               string                           `json:"errorMessage"`
		ImageIDs                   []json.Number                    `json:"imageIds"`
		LivenessInfo               *plainLivenessInfo               `json:"livenessInfo"`
		FaceMatchInfo              *plainFaceMatchInfo              `json:"faceMatchInfo"`
		EmailConfirmationCheckInfo *plainEmailConfirmationCheckInfo `json:"emailConfirmationCheckInfo"`
		PhoneConfirmationCheckInfo *plainPhoneConfirmationCheckInfo `json:"phoneConfirmationCheckInfo"`
		ExtractedInfo              *plainExtractedInfo              `json:"extractedInfo"`
		RiskCheck                  *plainRiskCheck                  `json:"riskCheck"`
		Violations                 []any                            `json:"violations"`
	}
	plainDocSet struct {
		IDDocSetType       string   `json:"idDocSetType"`
		Types              []string `json:"types"`
		Fields             []any    `json:"fields"`
		QuestionnaireDefID string   `json:"questionnaireDefId"`
		VideoRequired      string   `json:"videoRequired"`
	}
	plainEmailConfirmationCheckInfo struct {
		Email           string `json:"email"`
		FirstSeenAt     string `json:"firstSeenAt"`
		ConfirmedViaOtp string `json:"confirmedViaOtp"`
		NonDisposable   string `json:"nonDisposable"`
		SuspiciousEmail string `json:"suspiciousEmail"`
		Blacklisted     string `json:"blacklisted"`
		WebsiteExists   string `json:"websiteExists"`
		Deliverable     string `json:"deliverable"`
		RiskLevel       string `json:"riskLevel"`
	}
	plainExtractedInfo struct {
		Type              string `json:"type"`
		AccountIdentifier string `json:"accountIdentifier"`
		InstitutionName   string `json:"institutionName"`
		IssuedDate        string `json:"issuedDate"`
	}
	plainFaceMatchInfo struct {
		Answer         string      `json:"answer"`
		Confidence     float64     `json:"confidence"`
		OriginImageID1 json.Number `json:"originImageId1"`
		OriginImageID2 json.Number `json:"originImageId2"`
		FaceContentID1 json.Number `json:"faceContentId1"`
		FaceContentID2 json.Number `json:"faceContentId2"`
	}
	plainIDDocDef struct {
		Country      string `json:"country"`
		IDDocType    string `json:"idDocType"`
		IDDocSubType string `json:"idDocSubType"`
	}
	plainImage struct {
		ID               string            `json:"id"`
		AddedDate        string            `json:"addedDate"`
		ImageHash        string            `json:"imageHash"`
		ImageFileName    string            `json:"imageFileName"`
		ImageID          json.Number       `json:"imageId"`
		ResizedImageID   json.Number       `json:"resizedImageId"`
		MimeType         string            `json:"mimeType"`
		SigHash          string            `json:"sigHash"`
		ActualResolution plainResolution   `json:"actualResolution"`
		Answer           string            `json:"answer"`
		IDDocDef         plainIDDocDef     `json:"idDocDef"`
		ReviewResult     plainReviewResult `json:"reviewResult"`
		AttemptID        string            `json:"attemptId"`
		CreatorClientID  string            `json:"creatorClientId"`
		FileSize         int64             `json:"fileSize"`
		PreviewID        json.Number       `json:"previewId"`
		Source           string            `json:"source"`
		Make             string            `json:"make"`
		Model            string            `json:"model"`
		ExifResolution   plainResolution   `json:"exifResolution"`
		CreationDate     string            `json:"creationDate"`
		ModificationDate string            `json:"modificationDate"`
		CopiedAt         string            `json:"copiedAt"`
		Deleted          bool              `json:"deleted"`
		ImageTrust       *plainImageTrust  `json:"imageTrust"`
		ExtractedInfo    map[string]any    `json:"extractedInfo"`
	}
	plainImageTrust struct {
		Trust float64 `json:"trust"`
	}
	plainLivenessData struct {
		SessionID  string               `json:"sessionId"`
		Images     []plainLivenessImage `json:"images"`
		DeviceDesc string               `json:"deviceDesc"`
	}
	plainLivenessImage struct {
		ImageID json.Number `json:"imageId"`
		Ts      string      `json:"ts"`
	}
	plainLivenessInfo struct {
		LivenessData   plainLivenessData   `json:"livenessData"`
		LivenessResult plainLivenessResult `json:"livenessResult"`
		DeviceDesc     string              `json:"deviceDesc"`
	}
	plainLivenessResult struct {
		Answer      string `json:"answer"`
		Glasses     bool   `json:"glasses"`
		RetryReason int    `json:"retryReason"`
	}
	plainPaymentMethod struct {
		Type    string                 `json:"type"`
		SubType string                 `json:"subType"`
		Data    plainPaymentMethodData `json:"data"`
	}
	plainPaymentMethodData struct {
		RequiredIDDoc plainPaymentMethodDoc `json:"requiredIdDoc"`
	}
	plainPaymentMethodDoc struct {
		FirstName  string `json:"firstName"`
		LastName   string `json:"lastName"`
		MiddleName string `json:"middleName"`
		Number     string `json:"number"`
		IssuedDate string `json:"issuedDate"`
		TxnAmount  string `json:"txnAmount"`
	}
	plainPaymentSource struct {
		FixedInfo       plainPaymentSourceInfo     `json:"fixedInfo"`
		Info            plainPaymentSourceInfo     `json:"info"`
		Checksum        plainPaymentSourceChecksum `json:"checksum"`
		Checks          any                        `json:"checks"`
		OwnershipChecks any                        `json:"ownershipChecks"`
	}
	plainPaymentSourceChecksum struct {
		Txns []plainPaymentTxn `json:"txns"`
	}
	plainPaymentSourceInfo struct {
		Type              string `json:"type"`
		InstitutionName   string `json:"institutionName"`
		FullName          string `json:"fullName"`
		AccountIdentifier string `json:"accountIdentifier"`
		Email             string `json:"email"`
	}
	plainPaymentTxn struct {
		Date         string `json:"date"`
		Amount       any    `json:"amount"`
		CurrencyCode string `json:"currencyCode"`
	}
	plainPhoneConfirmationCheckInfo struct {
		FirstSeenAt           string `json:"firstSeenAt"`
		ConfirmedViaOtp       string `json:"confirmedViaOtp"`
		NonDisposable         string `json:"nonDisposable"`
		Blacklisted           string `json:"blacklisted"`
		WebRegistrationsExist string `json:"webRegistrationsExist"`
		Active                string `json:"active"`
		Valid                 string `json:"valid"`
		RiskLevel             string `json:"riskLevel"`
	}
	plainQuestionnaire struct {
		ID       string                               `json:"id"`
		Sections map[string]plainQuestionnaireSection `json:"sections"`
		Score    float64                              `json:"score"`
	}
	plainQuestionnaireItem struct {
		Value  *string  `json:"value"`
		Values []string `json:"values"`
	}
	plainQuestionnaireSection struct {
		Items map[string]plainQuestionnaireItem `json:"items"`
		Score float64                           `json:"score"`
	}
	plainRequiredIDDocs struct {
		DocSets []plainDocSet `json:"docSets"`
	}
	plainResolution struct {
		Width  int `json:"width"`
		Height int `json:"height"`
	}
	plainReview struct {
		ReviewStatus           string            `json:"reviewStatus"`
		ReviewResult           plainReviewResult `json:"reviewResult"`
		LevelName              string            `json:"levelName"`
		CreateDate             string            `json:"createDate"`
		StartDate              string            `json:"startDate"`
		ReviewDate             string            `json:"reviewDate"`
		ReviewID               string            `json:"reviewId"`
		AttemptID              string            `json:"attemptId"`
		AttemptCnt             int               `json:"attemptCnt"`
		ElapsedSincePendingMs  int64             `json:"elapsedSincePendingMs"`
		ElapsedSinceQueuedMs   int64             `json:"elapsedSinceQueuedMs"`
		Priority               int               `json:"priority"`
		NotificationFailureCnt int               `json:"notificationFailureCnt"`
		Reprocessing           bool              `json:"reprocessing"`
		AutoChecked            bool              `json:"autoChecked"`
	}
	plainReviewResult struct {
		ReviewAnswer      string   `json:"reviewAnswer"`
		RejectLabels      []string `json:"rejectLabels"`
		ReviewRejectType  string   `json:"reviewRejectType"`
		ModerationComment string   `json:"moderationComment"`
		ClientComment     string   `json:"clientComment"`
		ButtonIDs         []string `json:"buttonIds"`
		Label             string   `json:"label"`
	}
	plainRiskCheck struct {
		BinInfo plainBinInfo `json:"binInfo"`
	}
	plainWebhook struct {
		Type                      string            `json:"type"`
		ApplicantID               string            `json:"applicantId"`
		ApplicantActionID         string            `json:"applicantActionId"`
		ExternalApplicantActionID string            `json:"externalApplicantActionId"`
		ExternalUserID            string            `json:"externalUserId"`
		ReviewStatus              string            `json:"reviewStatus"`
		ReviewResult              plainReviewResult `json:"reviewResult"`
		CreatedAtMs               string            `json:"createdAtMs"`
		InspectionID              string            `json:"inspectionId"`
		CorrelationID             string            `json:"correlationId"`
		ApplicantType             string            `json:"applicantType"`
		CreatedAt                 string            `json:"createdAt"`
		SandboxMode               bool              `json:"sandboxMode"`
		ClientID                  string            `json:"clientId"`
		LevelName                 string            `json:"levelName"`
		PreviousLevelName         string            `json:"previousLevelName"`
		ReviewMode                string            `json:"reviewMode"`
		SourceKey                 string            `json:"sourceKey"`
		ButtonIDs                 []string          `json:"buttonIds"`
		ApplicantMemberOf         []map[string]any  `json:"applicantMemberOf"`
		VideoIdentReviewStatus    string            `json:"videoIdentReviewStatus"`
		CompositionMediaID        string            `json:"compositionMediaId"`
		NetworkID                 string            `json:"networkId"`
		KytTxnID                  string            `json:"kytTxnId"`
		WorkflowRevision          int               `json:"workflowRevision"`
	}
)

const (
	benchAction = "5e022e0f0a975a45325c7ff5"
	benchTarget = "/resources/applicantActions/" + benchAction + "/images"
)

// BenchmarkAddImage uploads a file in three ways: with net/http alone, with net/http and one HMAC
// pass over the file, and with this package. BENCH_HUGE=1 adds a file of 500 MiB, to show that B/op
// does not depend on the size.
func BenchmarkAddImage(b *testing.B) {
	base := startBenchServer(b, benchConfig{Mode: "sink"})
	sizes := []int{1, 10, 50}
	if os.Getenv("BENCH_HUGE") != "" {
		sizes = append(sizes, 500)
	}
	small := benchFile(b, 1<<20)
	floor := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	client := benchClient(b, base)
	for _, way := range inTurn([]struct {
		name   string
		upload func(path string) error
	}{
		{name: "floor", upload: func(path string) error { return floorUpload(floor, base, path, false) }},
		{name: "floor-signed", upload: func(path string) error { return floorUpload(floor, base, path, true) }},
		{name: "idngo", upload: func(path string) error { return idngoUpload(b.Context(), client, path) }},
	}) {
		b.Run(way.name, func(b *testing.B) {
			for _, size := range sizes {
				path := benchFile(b, size<<20)
				b.Run(strconv.Itoa(size)+"MiB", func(b *testing.B) {
					for range 10 { // these calls open the connection and fill the pools of every CPU
						require.NoError(b, way.upload(small))
					}
					b.SetBytes(int64(size) << 20)
					b.ReportAllocs()
					for b.Loop() {
						if err := way.upload(path); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

// The image grows. Its file is sparse, so reading it takes hardly any time.
func BenchmarkGrowthAddImage(b *testing.B) {
	base := startBenchServer(b, benchConfig{Mode: "sink"})
	hc, client := floorClient(), benchClient(b, base)
	for _, size := range []int{1, 16, 128, 1024} {
		b.Run(strconv.Itoa(size)+"MiB", func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "face.jpg")
			require.NoError(b, os.WriteFile(path, []byte("\xff\xd8\xff\xe0"), 0o600))
			require.NoError(b, os.Truncate(path, int64(size)<<20))
			compare(b, []way{
				{name: "floor-signed", once: func() { checkCall(b, floorUpload(hc, base, path, true)) }},
				{name: "idngo", once: func() { checkCall(b, idngoUpload(b.Context(), client, path)) }},
			}...)
		})
	}
}

// BenchmarkDownloadImage downloads 10 MiB in two ways: with net/http and io.Copy, and with this
// package.
func BenchmarkDownloadImage(b *testing.B) {
	const size = 10 << 20
	base := startBenchServer(b, benchConfig{Mode: "image"})
	floor := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	client := benchClient(b, base)
	for _, way := range inTurn([]struct {
		name     string
		download func(w io.Writer) (int64, error)
	}{
		{name: "floor", download: func(w io.Writer) (int64, error) {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, base+benchTarget+"/"+strconv.Itoa(size), nil)
			if err != nil {
				return 0, err
			}
			res, err := floor.Do(req)
			if err != nil {
				return 0, err
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return 0, errors.New(res.Status)
			}
			return io.Copy(w, res.Body)
		}},
		{name: "idngo", download: func(w io.Writer) (int64, error) {
			return client.DownloadImage(b.Context(), benchAction, idngo.ImageID(strconv.Itoa(size)), w, idngo.ImageParams{})
		}},
	}) {
		b.Run(way.name, func(b *testing.B) {
			download := func() {
				if n, err := way.download(struct{ io.Writer }{io.Discard}); err != nil || n != size {
					b.Fatal(n, err)
				}
			}
			for range 10 { // these calls open the connection and fill the pools of every CPU
				download()
			}
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				download()
			}
		})
	}
}

// benchClient returns a client of the benchmark's server.
func benchClient(tb testing.TB, base string, opts ...idngo.Option) *idngo.Client {
	tb.Helper()
	client, err := idngo.NewClient(faultnet.Credentials, append(opts, idngo.WithBaseURL(base))...)
	require.NoError(tb, err)
	return client
}

// benchFile returns the path of a new file, whose pages are in memory.
func benchFile(tb testing.TB, size int) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "face.jpg")
	f, err := os.Create(path)
	require.NoError(tb, err)
	piece := bytes.Repeat([]byte("\xff\xd8\xff\xe0 not a face "), 1<<16)
	for ; size > 0; size -= len(piece) {
		piece = piece[:min(size, len(piece))]
		_, err := f.Write(piece)
		require.NoError(tb, err)
	}
	require.NoError(tb, f.Close())
	return path
}

// idngoUpload uploads a file with a Client.
func idngoUpload(ctx context.Context, client *idngo.Client, path string) error {
	_, err := client.AddImage(ctx, benchAction, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageFile(path),
	})
	return err
}

const (
	floorBoundary = "IDNGOFLOORBOUNDARYAAAAAAAA"
	floorHead     = "--" + floorBoundary + "\r\nContent-Disposition: form-data; name=\"metadata\"\r\nContent-Type: application/json\r\n\r\n" +
		`{"idDocType":"SELFIE","country":"KAZ"}` + "\r\n--" + floorBoundary + "\r\n" +
		"Content-Disposition: form-data; name=\"content\"; filename=\"face.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
	floorTail = "\r\n--" + floorBoundary + "--\r\n"
)

// floorUpload uploads a file with only the code that this needs.
func floorUpload(client *http.Client, base, path string, sign bool) error {
	_ = rand.Text() // a boundary is random; in FIPS mode the first random number takes 32 MiB
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	req, err := http.NewRequest(
		http.MethodPost, base+benchTarget, io.MultiReader(strings.NewReader(floorHead), f, strings.NewReader(floorTail)),
	)
	if err != nil {
		return err
	}
	req.ContentLength = int64(len(floorHead)) + info.Size() + int64(len(floorTail))
	req.Header.Set("Content-Type", "multipart/form-data; boundary="+floorBoundary)
	req.Header.Set("Accept", "application/json")
	if sign {
		stamp := strconv.FormatInt(time.Now().Unix(), 10)
		mac := hmac.New(sha256.New, []byte(faultnet.SecretKey))
		_, _ = io.WriteString(mac, stamp+req.Method+req.URL.RequestURI()+floorHead)
		if _, err := io.Copy(mac, f); err != nil {
			return err
		}
		_, _ = io.WriteString(mac, floorTail)
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		req.Header.Set("X-App-Token", faultnet.AppToken)
		req.Header.Set("X-App-Access-Ts", stamp)
		req.Header.Set("X-App-Access-Sig", hex.EncodeToString(mac.Sum(nil)))
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// Four uploads of 50 MiB at once need less than 3 MiB more memory than four unsigned uploads with
// net/http.
//
//nolint:paralleltest // others would slow it down
func TestUploadsTakeNoMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	if testing.Short() || race.Enabled {
		t.Skip("long, and meaningless under the race detector")
	}
	base := startBenchServer(t, benchConfig{Mode: "sink"})
	path := benchFile(t, 50<<20)
	peaks := map[string][]int{}
	for range 3 { // the peak differs by some hundred KiB from run to run
		for _, way := range []string{"floor", "idngo"} {
			cmd := child(t, "upload", "IDNGO_TEST_UPLOAD="+strings.Join([]string{way, base, path}, "\n"))
			out, err := cmd.Output()
			require.NoError(t, err)
			peak, err := strconv.Atoi(strings.TrimSpace(string(out)))
			require.NoError(t, err)
			peaks[way] = append(peaks[way], peak)
		}
	}
	slices.Sort(peaks["floor"])
	slices.Sort(peaks["idngo"])
	t.Logf("peak resident memory, KiB: floor %d, idngo %d", peaks["floor"], peaks["idngo"])
	assert.Less(t, peaks["idngo"][1]-peaks["floor"][1], 3<<10)
}

// uploadForRSS is a child that makes four uploads at once. It prints the largest size of its
// memory, in KiB.
func uploadForRSS() error {
	args := strings.Split(os.Getenv("IDNGO_TEST_UPLOAD"), "\n")
	if len(args) != 3 {
		return errors.New("IDNGO_TEST_UPLOAD is missing")
	}
	way, base, path := args[0], args[1], args[2]
	upload := func() error { return floorUpload(http.DefaultClient, base, path, false) }
	if way == "idngo" {
		client, err := idngo.NewClient(faultnet.Credentials, idngo.WithBaseURL(base))
		if err != nil {
			return err
		}
		upload = func() error { return idngoUpload(context.Background(), client, path) }
	}
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = upload() })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Println(strings.Fields(kib)[0])
			return nil
		}
	}
	return errors.New("no VmHWM in /proc/self/status")
}

// childEnv is a variable of the environment that makes this test binary one of children. The server
// of the benchmarks is such a process, so that B/op and the profile show only the client. Tests use
// others to measure a process from outside.
const childEnv = "IDNGO_TEST_CHILD"

// children are the programs that the test binary can be instead of a test.
var children = map[string]func() error{
	"server": serveBench,
	"upload": uploadForRSS,
}

func TestMain(m *testing.M) {
	if name, ok := os.LookupEnv(childEnv); ok {
		run, known := children[name]
		if !known {
			fmt.Fprintf(os.Stderr, "%s: no child is called %q\n", childEnv, name)
			os.Exit(2)
		}
		if err := run(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child returns a command that runs this test binary as one of children. env has additional
// variables of its environment.
func child(tb testing.TB, name string, env ...string) *exec.Cmd {
	tb.Helper()
	self, err := os.Executable()
	require.NoError(tb, err)
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), childEnv+"="+name), env...)
	cmd.Stderr = os.Stderr
	return cmd
}

// answers are JSON texts by request URI. A key without a query matches every query. The key ""
// matches every other request URI.
type answers map[string]string

// startBenchServer starts a server on loopback in a process of its own, and returns its base URL.
// The process ends with the test.
func startBenchServer(tb testing.TB, config benchConfig) string {
	tb.Helper()
	text, err := json.Marshal(config)
	require.NoError(tb, err)

	cmd := child(tb, "server")
	stdin, err := cmd.StdinPipe() // the server ends when its standard input ends, also if this process is killed
	require.NoError(tb, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	tb.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	_, err = stdin.Write(append(text, '\n'))
	require.NoError(tb, err)
	base, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(tb, err, "the server of the benchmark did not start")
	return strings.TrimSpace(base)
}

// benchConfig is the configuration of the child that is the server. Its modes are:
//
//	"sink"   reads what is sent and answers an image as AddImage expects it
//	"image"  answers image/jpeg of as many bytes as the last element of the path says
//	"json"   reads what is sent and answers the canned JSON for the request URI, else 404
type benchConfig struct {
	Mode    string
	Answers answers       // the answers of "json"
	Status  int           // the status of "json"; 0 is 200
	Delay   time.Duration // the delay of "json"
}

// serveBench is the child that is the server. It reads its configuration from the first line of
// standard input, writes its base URL to standard output, and serves until standard input ends.
func serveBench() error {
	stdin := bufio.NewReader(os.Stdin)
	line, err := stdin.ReadBytes('\n')
	if err != nil {
		return err
	}
	var config benchConfig
	if err := json.Unmarshal(line, &config); err != nil {
		return err
	}
	handler := map[string]http.HandlerFunc{"sink": benchSink, "image": benchImage, "json": benchJSON(config)}[config.Mode]
	if handler == nil {
		return fmt.Errorf("no mode is called %q", config.Mode)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		_ = server.Close()
	}()
	fmt.Println("http://" + listener.Addr().String())
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// benchSink serves the mode "sink".
func benchSink(w http.ResponseWriter, r *http.Request) {
	if !drain(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, faultnet.ImageJSON)
}

// drain reads a body to its end. Its reads are large, so that a benchmark does not wait for the
// server.
func drain(w http.ResponseWriter, r *http.Request) bool {
	if r.ContentLength == 0 {
		return true
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, make([]byte, 256<<10))
	if err != nil || r.ContentLength >= 0 && n != r.ContentLength {
		http.Error(w, "the body did not come whole", http.StatusBadRequest)
		return false
	}
	return true
}

// benchImage serves the mode "image".
func benchImage(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.Atoi(path.Base(r.URL.Path))
	if err != nil || size < 0 {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
	w.Header().Set("Content-Length", strconv.Itoa(size))
	for piece := make([]byte, min(size, 256<<10)); size > 0; size -= len(piece) {
		piece = piece[:min(size, len(piece))]
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

// benchJSON serves the mode "json".
func benchJSON(config benchConfig) http.HandlerFunc {
	canned := config.Answers
	return func(w http.ResponseWriter, r *http.Request) {
		if !drain(w, r) {
			return
		}
		body, ok := canned[r.RequestURI]
		if !ok {
			body, ok = canned[r.URL.EscapedPath()]
		}
		if !ok {
			body, ok = canned[""]
		}
		if !ok {
			http.NotFound(w, r)
			return
		}
		// There is no Content-Length, so net/http sends more than 2 KiB in chunks, as a server with
		// compression would.
		w.Header().Set("Content-Type", "application/json")
		time.Sleep(config.Delay)
		if config.Status != 0 {
			w.WriteHeader(config.Status)
		}
		_, _ = io.WriteString(w, body)
	}
}
