package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
	"github.com/idngo-go/idngo/internal/simulator"
)

// chaosWorld is the environment of the flows of TestChaos: the service, and the backend's receiver
// of webhooks, which all processes share.
type chaosWorld struct {
	service  *simulator.Server
	base     string
	listener *cuttingListener
	server   *http.Server
	receiver *idngo.Client // fetches the action of each webhook
	flows    int
	progress func(ended int)
	offset   atomic.Int64 // the offset of the service's clock, in nanoseconds

	mu           sync.Mutex
	keys         map[string]bool // the keys of the accepted events
	effects      map[string]int  // the number of payments by external id
	deliveries   int
	ended        int // the number of flows that have ended according to the webhooks
	refusedEarly int // the number of timestamps that were refused before the clock jumped
}

// startChaosWorld starts the service and the receiver.
func startChaosWorld(t *testing.T, flows int, seed uint64) *chaosWorld {
	t.Helper()
	begin := time.Now()
	world := &chaosWorld{flows: flows, keys: map[string]bool{}, effects: map[string]int{}, progress: func(ended int) {
		t.Logf("%d of %d flows have ended after %v", ended, flows, time.Since(begin).Round(time.Second))
	}}
	verifier, err := idngo.NewWebhookVerifier(simulator.DefaultWebhookSecret)
	require.NoError(t, err)
	world.service, err = simulator.New(simulator.Config{
		ReviewDelay: 3 * time.Millisecond,
		Limits:      simulator.Limits{ImageMemory: 1 << 20, Actions: 2*flows + 1000, ActionMemory: int64(flows)*4096 + 64<<20},
		Clock:       func() time.Time { return time.Now().Add(time.Duration(world.offset.Load())) },

		WebhookHandler:   verifier.Handler(world.receive),
		WebhookTimeScale: 0.001, WebhookDuplicates: 1, WebhookShuffle: true,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = world.service.Close() })
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	world.listener = &cuttingListener{Listener: listener, open: map[net.Conn]bool{}}
	world.server = &http.Server{Handler: world.listener.guard(world.service), ConnContext: withConn, ReadHeaderTimeout: time.Minute}
	go func() { _ = world.server.Serve(world.listener) }()
	t.Cleanup(func() { _ = world.server.Close() })
	world.base = "http://" + listener.Addr().String()
	require.NoError(t, world.service.SetFaults(&simulator.Faults{Seed: seed, Chances: chaosFaults()}))
	world.receiver, err = idngo.NewClient(faultnet.SimulatorCredentials, idngo.WithBaseURL(world.base),
		idngo.WithHTTPClient(&http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}))
	require.NoError(t, err)
	return world
}

// receive is the backend's receiver. It accepts each key once. It refuses the first delivery of
// some events, so that the service delivers them again. A verdict causes a payment.
func (w *chaosWorld) receive(_ context.Context, event *idngo.WebhookEvent) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deliveries++
	key := event.Key()
	if _, seen := w.keys[key]; !seen && key[0] == '0' {
		w.keys[key] = false
		return errors.New("the database is away")
	}
	if w.keys[key] {
		return nil
	}
	w.keys[key] = true
	if event.Type == idngo.WebhookTypeApplicantActionReviewed {
		w.effects[event.ExternalApplicantActionID]++
		w.ended++
		if *chaosFlows > 0 && w.ended%max(w.flows/20, 1) == 0 {
			w.progress(w.ended)
		}
		w.disturb()
	}
	return nil
}

// disturb lets the service's clock drift by 20 seconds, jump forward and backward, and return. It
// cuts all connections twice. Both happen at fixed points of the run. w.mu is held.
func (w *chaosWorld) disturb() {
	percent := func(n int) bool { return w.ended == max(w.flows*n/100, 1) }
	drifted := min(20*time.Second*time.Duration(w.ended)/time.Duration(max(w.flows*4/10, 1)), 20*time.Second)
	switch {
	case w.ended < w.flows*4/10:
		w.offset.Store(int64(drifted))
	case percent(40):
		w.refusedEarly = w.service.Stats().RefusedTimestamps
		w.offset.Store(int64(5 * time.Minute))
	case percent(60):
		w.offset.Store(int64(-2 * time.Hour))
	case percent(80):
		w.offset.Store(0)
	case percent(50), percent(70):
		w.listener.cutAll()
	}
}

// cuttingListener is a listener that can cut all connections at once. A request that has begun
// before a cut ends before it. A later request of the same connection has no effect. Otherwise the
// service could make an action long after its client saw the cut, which the documentation of
// EnsureAction excludes.
type cuttingListener struct {
	net.Listener
	requests sync.RWMutex // requests hold it for reading, and a cut holds it for writing
	mu       sync.Mutex
	open     map[net.Conn]bool
	cuts     int
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// withConn puts the connection into the context of its requests.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// guard refuses the requests of a connection that was cut.
func (l *cuttingListener) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.requests.RLock()
		defer l.requests.RUnlock()
		if conn, ok := r.Context().Value(connKey{}).(*cuttableConn); !ok || conn.isCut {
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
}

// Accept stores the connection until it is closed.
func (l *cuttingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	cuttable := &cuttableConn{TCPConn: conn.(*net.TCPConn), listener: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[cuttable] = true
	return cuttable, nil
}

// cutAll resets all open connections.
func (l *cuttingListener) cutAll() {
	l.requests.Lock()
	defer l.requests.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cuts++
	for conn := range l.open {
		cuttable := conn.(*cuttableConn)
		cuttable.isCut = true
		_ = cuttable.TCPConn.SetLinger(0)
		_ = cuttable.TCPConn.Close()
	}
}

// cuttableConn is a connection of a cuttingListener.
type cuttableConn struct {
	*net.TCPConn
	listener *cuttingListener
	isCut    bool // guarded by listener.requests
}

func (c *cuttableConn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.open, c)
	c.listener.mu.Unlock()
	return c.TCPConn.Close()
}

// checkBooks compares the results that the flows know with the records of the service.
func (w *chaosWorld) checkBooks(t *testing.T, all []*chaosFlow) {
	t.Helper()
	actions := map[string][]simulator.ActionRecord{}
	for _, action := range w.service.Actions() {
		actions[action.ExternalActionID] = append(actions[action.ExternalActionID], action)
	}
	assert.Equal(t, w.flows, len(actions)) //nolint:testifylint // Len prints them all
	require.Equal(t, w.flows, len(all))    //nolint:testifylint // likewise
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Equal(t, w.flows, len(w.effects), "each flow has its effect") //nolint:testifylint // likewise
	for _, flow := range all {
		name := flow.externalID()
		assert.Empty(t, flow.Problem, "%s did not end", name)
		made := actions[name]
		if !assert.Len(t, made, 1, "%s has exactly one action", name) {
			continue
		}
		assert.Equal(t, flow.applicant(), made[0].ApplicantID)
		assert.Equal(t, made[0].ID, flow.ActionID)
		assert.Equal(t, "completed", made[0].ReviewStatus)
		assert.Equal(t, 1, made[0].Reviews)
		assert.GreaterOrEqual(t, made[0].Submits, 1)
		assert.True(t, flow.Approved, "%s was approved", name)
		assert.Equal(t, 1, w.effects[name], "%s has its effect once", name)
		kept := map[string]bool{}
		for _, image := range w.service.Images(flow.ActionID) {
			kept[image.ImageID] = true
			assert.Equal(t, flow.Digest, image.SHA256, "every byte is the right one")
			assert.Equal(t, flow.imageName(), image.FileName)
		}
		assert.Len(t, kept, 1, "%s has its image once", name)
		for _, id := range flow.ImageIDs {
			assert.True(t, kept[id], "%s was told of image %s", name, id)
		}
	}
}

// checkStats checks the counts of the service.
func (w *chaosWorld) checkStats(t *testing.T, flows int, stats simulator.Stats) {
	t.Helper()
	assert.Zero(t, stats.RefusedSignatures)
	assert.Zero(t, stats.RefusedCredentials)
	assert.Zero(t, w.refusedEarly, "no timestamp is refused before the clock jumps")
	assert.Zero(t, stats.WebhooksDropped)
	assert.Zero(t, stats.WebhooksGivenUp)
	assert.Equal(t, 2, w.listener.cuts)
	if flows >= 300 { // in a shorter run some fault may not happen
		assert.Positive(t, stats.RefusedTimestamps, "the jumps of the clock were noticed")
		for _, c := range chaosFaults() {
			assert.Positive(t, stats.Faults[c.Kind], "%s has struck", c.Kind)
		}
	}
	assert.True(t, waitUntil(func() bool { return w.service.Stats().OpenConnections == 0 }),
		"%d connections are open", w.service.Stats().OpenConnections)
}

// chaosWorkerVariable is set in the processes that TestChaos starts. It holds the base URL, the
// number of the first flow, the number after the last one, and the file for the results.
const chaosWorkerVariable = "IDNGO_TEST_CHAOS_WORKER"

// runChaosProcesses shares the flows among processes and returns their results.
func runChaosProcesses(ctx context.Context, t *testing.T, base string, flows, processes int) (all []*chaosFlow) {
	t.Helper()
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range processes {
		results := filepath.Join(dir, strconv.Itoa(i))
		command := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestChaosWorker$", "-test.timeout=0", "-test.v")
		command.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %s", chaosWorkerVariable,
			base, flows*i/processes, flows*(i+1)/processes, results))
		wg.Go(func() {
			output, err := command.CombinedOutput()
			assert.NoError(t, err, "process %d", i)
			t.Logf("process %d:\n%s", i, output)
		})
	}
	wg.Wait()
	for i := range processes {
		content, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i)))
		require.NoError(t, err)
		decoder := json.NewDecoder(bytes.NewReader(content))
		for {
			flow := new(chaosFlow)
			err := decoder.Decode(flow)
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			all = append(all, flow)
		}
	}
	return all
}

// TestChaosWorker is a process of TestChaos. At its end it has no more goroutines than before, and
// its heap is hardly larger.
//
//nolint:paralleltest // it is alone in its process
func TestChaosWorker(t *testing.T) {
	settings := strings.Fields(os.Getenv(chaosWorkerVariable))
	if len(settings) != 4 {
		t.Skip("TestChaos runs it in processes of its own")
	}
	first, err := strconv.Atoi(settings[1])
	require.NoError(t, err)
	last, err := strconv.Atoi(settings[2])
	require.NoError(t, err)
	file, err := os.Create(settings[3])
	require.NoError(t, err)
	encoder := json.NewEncoder(file)
	write := func(flow *chaosFlow) {
		if err := encoder.Encode(flow); err != nil {
			t.Error(err)
		}
	}
	const atOnce = chaosAtOnce / chaosProcesses
	goroutines := runtime.NumGoroutine()
	warm := min(first+atOnce, last)
	runChaosFlows(t.Context(), t, settings[0], atOnce, first, warm, write) // these flows pay the costs of the first use of everything
	heap, descriptors := heapInUse(), openDescriptors()
	lines := runChaosFlows(t.Context(), t, settings[0], atOnce, warm, last, write)
	assertGoroutines(t, goroutines)
	assert.LessOrEqual(t, openDescriptors(), descriptors+5)
	after := heapInUse()
	assert.LessOrEqual(t, after, heap+8<<20, "bytes on the heap, %d before", heap)
	t.Logf("%d goroutines, were %d; %d kB on the heap, were %d; %d descriptors, were %d; %d lines logged",
		runtime.NumGoroutine(), goroutines, after>>10, heap>>10, openDescriptors(), descriptors, lines)
	require.NoError(t, file.Close())
}

// heapInUse returns the bytes of the heap that are in use.
func heapInUse() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // the second run frees the content of the pools
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
