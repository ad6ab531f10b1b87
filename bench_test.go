package idngo_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
)

// Each benchmark has its floor beside it: the same work written plainly with
// the standard library. What counts is the ratio; .ci/bench prints it.

const benchBody = `{"externalActionId":"payout-4711-a","email":"example@email.com","phone":"+49 123456789123"}`

func BenchmarkSign(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		req := benchRequest(b)
		b.ReportAllocs()
		for b.Loop() {
			signPlainly(req, []byte(benchBody), time.Now())
		}
	})
	b.Run("idngo", func(b *testing.B) {
		req, signer := benchRequest(b), benchSigner(b)
		b.ReportAllocs()
		for b.Loop() {
			if err := signer.Sign(req, time.Now()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Run it with -cpu 1,2 to see whether the cores get in each other's way.
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

func BenchmarkGetAction(b *testing.B) {
	base := startBenchServer(b, "json", answers{"/resources/applicantActions/a1/one": benchActionJSON("a1", 5)})
	b.Run("floor", func(b *testing.B) {
		hc := floorClient()
		b.ReportAllocs()
		for b.Loop() {
			var action plainAction
			floorCall(b, hc, http.MethodGet, base+"/resources/applicantActions/a1/one", nil, &action)
		}
	})
	b.Run("idngo", func(b *testing.B) {
		client := benchClient(b, base)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.GetAction(b.Context(), "a1"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCreateAction(b *testing.B) {
	base := startBenchServer(b, "json", answers{benchCreatePath: benchCreated})
	b.Run("floor", func(b *testing.B) {
		hc := floorClient()
		b.ReportAllocs()
		for b.Loop() {
			floorCreate(b, hc, base)
		}
	})
	b.Run("idngo", func(b *testing.B) {
		client := benchClient(b, base)
		b.ReportAllocs()
		for b.Loop() {
			idngoCreate(b, client)
		}
	})
}

func BenchmarkCreateActionParallel(b *testing.B) {
	base := startBenchServer(b, "json", answers{benchCreatePath: benchCreated})
	const goroutines = 32 // a core
	b.Run("floor", func(b *testing.B) {
		hc := floorClient()
		b.SetParallelism(goroutines)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				floorCreate(b, hc, base)
			}
		})
	})
	b.Run("idngo", func(b *testing.B) {
		client := benchClient(b, base)
		b.SetParallelism(goroutines)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				idngoCreate(b, client)
			}
		})
	})
}

func BenchmarkListActions1000(b *testing.B) {
	const target = "/resources/applicantActions/-;applicantId=p1?limit=1000&offset=0&order=-createdAt"
	base := startBenchServer(b, "json", answers{target: benchPage(0, 1000, 1000)})
	b.Run("floor", func(b *testing.B) {
		hc := floorClient()
		b.ReportAllocs()
		for b.Loop() {
			var page plainPage
			floorCall(b, hc, http.MethodGet, base+target, nil, &page)
		}
	})
	b.Run("idngo", func(b *testing.B) {
		client := benchClient(b, base)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.ListActions(b.Context(), "p1", idngo.ListActionsParams{Limit: 1000}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// pages-live is the live heap at its largest, in decoded pages of 1,000: measured
// after a collection, when the last byte of each answer has come, while its bytes
// and the page before may both be held, and when its first action is given.
func BenchmarkAllActions10000(b *testing.B) {
	const size, pages = 1000, 10
	canned := answers{}
	target := func(page int) string {
		return fmt.Sprintf("/resources/applicantActions/-;applicantId=p1?limit=%d&offset=%d&order=-createdAt", size, page*size)
	}
	for page := range pages {
		canned[target(page)] = benchPage(page*size, size, pages*size)
	}
	base := startBenchServer(b, "json", canned)
	b.Run("floor", func(b *testing.B) {
		hc := floorClient()
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			for page := range pages {
				var answer plainPage
				floorCall(b, hc, http.MethodGet, base+target(page), nil, &answer)
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
		watched := benchClient(b, base, idngo.WithHTTPClient(&http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			res, err := http.DefaultTransport.RoundTrip(req)
			if err == nil {
				res.Body = &onEOF{res.Body, sample}
			}
			return res, err
		})}))
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

// The floor is the HMAC of the body and json.Unmarshal into a plain struct of
// the same fields.
func BenchmarkWebhook(b *testing.B) {
	body := []byte(benchWebhook)
	header := idngo.SignWebhook(body, testSecret, idngo.HMACSHA256)
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			mac := hmac.New(sha256.New, []byte(testSecret))
			mac.Write(body)
			got, err := hex.DecodeString(header.Get("X-Payload-Digest"))
			if err != nil || !hmac.Equal(got, mac.Sum(nil)) {
				b.Fatal("digest")
			}
			var event plainWebhook
			if err := json.Unmarshal(body, &event); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("idngo", func(b *testing.B) {
		verifier, err := idngo.NewWebhookVerifier(testSecret)
		require.NoError(b, err)
		b.ReportAllocs()
		for b.Loop() {
			if err := verifier.Verify(body, header); err != nil {
				b.Fatal(err)
			}
			if _, err := idngo.ParseWebhook(body); err != nil {
				b.Fatal(err)
			}
		}
	})
}

type onEOF struct {
	io.ReadCloser
	do func()
}

func (r *onEOF) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err == io.EOF {
		r.do()
	}
	return n, err
}

func benchSigner(b *testing.B) *idngo.Signer {
	b.Helper()
	signer, err := idngo.NewSigner(testCreds)
	require.NoError(b, err)
	return signer
}

func benchRequest(b *testing.B) *http.Request {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost,
		"https://api.idngo.kz"+benchCreatePath+"?levelName=action-liveness", strings.NewReader(benchBody))
	require.NoError(b, err)
	return req
}

// signPlainly is how one signs by hand.
func signPlainly(req *http.Request, body []byte, at time.Time) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write([]byte(stamp + req.Method + req.URL.RequestURI() + string(body)))
	req.Header.Set("X-App-Token", testToken)
	req.Header.Set("X-App-Access-Ts", stamp)
	req.Header.Set("X-App-Access-Sig", hex.EncodeToString(mac.Sum(nil)))
}

// floorClient keeps as many connections as ours, so that the floor of the
// parallel benchmark does not spend its time dialling.
func floorClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 256, 256
	return &http.Client{Transport: transport}
}

func floorCall(b *testing.B, hc *http.Client, method, target string, body []byte, out any) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(b.Context(), method, target, reader)
	if err != nil {
		b.Error(err)
		return
	}
	req.Header.Set("User-Agent", "idngo-go/"+idngo.Version)
	req.Header.Set("Accept", "application/json")
	if body != nil {
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

func floorCreate(b *testing.B, hc *http.Client, base string) {
	var action plainAction
	floorCall(b, hc, http.MethodPost, base+benchCreatePath+"?levelName=action-liveness", []byte(benchBody), &action)
}

func idngoCreate(b *testing.B, client *idngo.Client) {
	_, err := client.CreateAction(b.Context(), "63e096c51b6b4030f2e01154", idngo.CreateActionParams{
		LevelName: "action-liveness", ExternalActionID: "payout-4711-a", Email: "example@email.com", Phone: "+49 123456789123",
	})
	if err != nil {
		b.Error(err)
	}
}

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
"review":{"reviewId":"5dd3f","attemptId":"teinm","attemptCnt":0,"levelName":"action-liveness","createDate":"2024-03-07 06:44:24+0000","reviewStatus":"init"}}`
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

// benchAction is an action with two checks and some images.
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
	return `{"id":"` + id + `","createdAt":"2019-10-10 18:20:00","clientId":"acme","externalActionId":"payout-4711","applicantId":"5d9f74a27edd7d813405fe07",
"type":"selfieAuth","review":{"reviewId":"5dd3f","attemptId":"teinm","attemptCnt":1,"levelName":"action-liveness",
"createDate":"2019-10-10 18:19:00+0000","reviewDate":"2019-10-10 18:20:00+0000","reviewResult":{"reviewAnswer":"GREEN"},"reviewStatus":"completed"},
"checks":[{"answer":"GREEN","checkType":"FACE_LIVELINESS","createdAt":"2019-10-10 18:19:57","livenessInfo":{"livenessData":{
"sessionId":"512deb48-bb6b-438c-ae7c-f8953351cc57","images":[{"imageId":1368276695},{"imageId":1060469685},{"imageId":2074791000}]},
"livenessResult":{"answer":"GREEN","glasses":false,"retryReason":0}}},
{"answer":"GREEN","checkType":"FACE_MATCH","createdAt":"2019-10-10 18:20:00","faceMatchInfo":{"answer":"GREEN"}}],
"images":[` + list.String() + `]}`
}

// benchPage is a page of a list, from an offset on.
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
