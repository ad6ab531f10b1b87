package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// The flags of TestSoak:
//
//	go test ./internal/e2e -run TestSoak -soak=30m -timeout=1h -v
var (
	soak     = flag.Duration("soak", 0, "how long TestSoak runs; 0 is not at all")
	soakRate = flag.Int("soak.rate", 200, "how many calls a second TestSoak makes")
)

// soakLimit is the number of calls that may run at once. A call above it is dropped, and dropped
// calls fail the test.
const soakLimit = 400

// soakMinute has the measurements at the end of a minute.
type soakMinute struct {
	heap                    uint64
	goroutines, descriptors int
	calls, failed           int
	p99                     time.Duration
}

// soakRun is the state of TestSoak.
type soakRun struct {
	client *idngo.Client
	mu     sync.Mutex
	took   []time.Duration // the durations of the calls of this minute
	failed int
	known  []string // ids of actions to fetch
	number int
}

// soakWorkerVariable is set in the process that TestSoak starts. It holds the base URL.
const soakWorkerVariable = "IDNGO_TEST_SOAK_WORKER"

// TestSoak makes calls of all kinds at a steady rate, with moderate faults. It reports heap,
// goroutines, descriptors and the 99th percentile of each minute. After the fifth minute they must
// not grow. Another process makes the calls, since the simulator stores its actions.
//
//nolint:paralleltest // it measures
func TestSoak(t *testing.T) {
	if *soak <= 0 {
		t.Skip("it takes as long as -soak says")
	}
	service, err := simulator.New(simulator.Config{
		ReviewDelay: 20 * time.Millisecond, Limits: simulator.Limits{Actions: 10_000_000, ActionMemory: 8 << 30, ImageMemory: 1 << 20},
	})
	require.NoError(t, err)
	defer service.Close()
	base, err := service.Start("")
	require.NoError(t, err)
	faults, err := simulator.ParseFaults("429=0.01,503=0.01,reset=0.005,reset-after=0.005,slow:200ms=0.01,truncate=0.005,html=0.005")
	require.NoError(t, err)
	require.NoError(t, service.SetFaults(faults))
	worker := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSoakWorker$", "-test.timeout=0", "-test.v",
		"-soak="+soak.String(), fmt.Sprint("-soak.rate=", *soakRate))
	worker.Env = append(os.Environ(), soakWorkerVariable+"="+base)
	worker.Stdout, worker.Stderr = os.Stderr, os.Stderr // the worker prints each minute when it ends
	require.NoError(t, worker.Run())
	stats := service.Stats()
	assert.Zero(t, stats.RefusedSignatures)
	assert.Zero(t, stats.RefusedTimestamps)
	t.Logf("%d requests; answers %v, faults %v", stats.Requests, stats.ByStatus, stats.Faults)
}

// TestSoakWorker is the process of TestSoak that makes the calls.
//
//nolint:paralleltest // it is alone in its process
func TestSoakWorker(t *testing.T) {
	base := os.Getenv(soakWorkerVariable)
	if base == "" {
		t.Skip("TestSoak runs it in a process of its own")
	}
	goroutines := runtime.NumGoroutine()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = soakLimit
	client, err := idngo.NewClient(faultnet.SimulatorCredentials, idngo.WithBaseURL(base),
		idngo.WithHTTPClient(&http.Client{Transport: transport}), idngo.WithTimeout(5*time.Second),
		idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: 4, MinDelay: 10 * time.Millisecond, MaxDelay: 200 * time.Millisecond}))
	require.NoError(t, err)

	run := &soakRun{client: client}
	room := make(chan struct{}, soakLimit)
	ticker := time.NewTicker(time.Second / time.Duration(*soakRate))
	defer ticker.Stop()
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	end := time.After(*soak)
	var calls sync.WaitGroup
	var minutes []soakMinute
	dropped := 0
	for running := true; running; {
		select {
		case <-ticker.C:
			select {
			case room <- struct{}{}:
				calls.Go(func() {
					run.call(t.Context())
					<-room
				})
			default:
				dropped++
			}
		case <-minute.C:
			minutes = append(minutes, run.minute(t, len(minutes)+1))
		case <-end:
			running = false
		}
	}
	calls.Wait()
	assert.LessOrEqual(t, dropped, *soakRate, "calls for which there was no room")
	checkSoak(t, minutes)
	transport.CloseIdleConnections()
	assertGoroutines(t, goroutines)
}

// call makes one call. Most calls read, and some create an action with an image or a token.
func (s *soakRun) call(ctx context.Context) {
	s.mu.Lock()
	s.number++
	number, id := s.number, ""
	if len(s.known) > 0 {
		id = s.known[number%len(s.known)]
	}
	s.mu.Unlock()
	begin := time.Now()
	var err error
	switch kind := number % 20; {
	case kind == 0 || id == "":
		err = s.create(ctx, number)
	case kind == 1:
		_, err = s.client.AddImage(ctx, id, faultnet.Selfie(idngo.ImageBytes("s.png", []byte(faultnet.ImageContent))))
	case kind == 2:
		_, err = s.client.SubmitAction(ctx, id)
	case kind == 3:
		_, err = s.client.CreateAccessToken(ctx, idngo.AccessTokenParams{UserID: "user-1", LevelName: simulator.LevelFaceAuth})
	case kind == 4:
		_, err = s.client.FindApplicant(ctx, "user-1")
	case kind == 5:
		_, err = s.client.ListActions(ctx, soakApplicant(number), idngo.ListActionsParams{Limit: 20})
	default:
		_, err = s.client.GetAction(ctx, id)
	}
	took := time.Since(begin)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = append(s.took, took)
	if err != nil {
		s.failed++
	}
}

// soakApplicant returns the id of an applicant. An applicant has several actions.
func soakApplicant(number int) string { return fmt.Sprintf("soak-%d", number/200) }

// create creates an action and stores its id. It keeps only the newest ids.
func (s *soakRun) create(ctx context.Context, number int) error {
	action, err := s.client.EnsureAction(ctx, soakApplicant(number), faultnet.FaceAuthorization(fmt.Sprintf("soak-%d", number)))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = append(s.known, action.ID)
	s.known = slices.Clone(s.known[max(0, len(s.known)-50):])
	return nil
}

// minute measures and reports one minute.
func (s *soakRun) minute(t *testing.T, number int) soakMinute {
	t.Helper()
	s.mu.Lock()
	took, failed := s.took, s.failed
	s.took, s.failed = nil, 0
	s.mu.Unlock()
	slices.Sort(took)
	m := soakMinute{
		heap: heapInUse(), goroutines: runtime.NumGoroutine(), descriptors: openDescriptors(), calls: len(took), failed: failed,
	}
	if len(took) > 0 {
		m.p99 = took[len(took)*99/100]
	}
	_, _ = fmt.Fprintf(os.Stderr, "minute %d: %d calls, %d failed, p99 %v, heap %d KiB, %d goroutines, %d descriptors\n",
		number, m.calls, m.failed, m.p99.Round(time.Millisecond), m.heap>>10, m.goroutines, m.descriptors)
	assert.GreaterOrEqual(t, m.calls, *soakRate*60*3/4, "calls of minute %d: the machine is too slow for the rate", number)
	assert.LessOrEqual(t, m.failed, m.calls/5, "failed calls of minute %d", number)
	return m
}

// openDescriptors returns the number of descriptors of this process, or -1 on systems without
// /proc.
func openDescriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(entries)
}

// checkSoak compares the last minute with the fifth.
func checkSoak(t *testing.T, minutes []soakMinute) {
	t.Helper()
	if len(minutes) < 6 {
		t.Logf("%d minutes are too few to compare", len(minutes))
		return
	}
	first, last := minutes[4], minutes[len(minutes)-1]
	assert.LessOrEqual(t, last.heap, first.heap+8<<20)
	assert.LessOrEqual(t, last.goroutines, 2*first.goroutines+50)
	assert.LessOrEqual(t, last.descriptors, 2*first.descriptors+50)
	assert.LessOrEqual(t, last.p99, 3*first.p99+100*time.Millisecond)
}
