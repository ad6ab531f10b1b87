package e2e_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/race"
	"github.com/idngo-go/idngo/internal/simulator"
)

// chaosFaults returns all faults that TestChaos injects.
func chaosFaults() []simulator.Chance {
	chance := func(p float64, f simulator.Fault) simulator.Chance { return simulator.Chance{Fault: f, Probability: p} }
	return []simulator.Chance{
		// The service asks a tenth of the requests to come back later.
		chance(0.09, simulator.Fault{Kind: simulator.FaultStatus, Status: 429}),
		chance(0.01, simulator.Fault{Kind: simulator.FaultStatus, Status: 429, RetryAfter: "0"}),
		chance(0.002, simulator.Fault{Kind: simulator.FaultStatus, Status: 409, RetryAfter: "0"}),
		// A tenth of the requests fail before the effect.
		chance(0.03, simulator.Fault{Kind: simulator.FaultStatus, Status: 500}),
		chance(0.03, simulator.Fault{Kind: simulator.FaultStatus, Status: 503}),
		chance(0.02, simulator.Fault{Kind: simulator.FaultHTML, Status: 502}),
		chance(0.02, simulator.Fault{Kind: simulator.FaultEarlyStatus, Status: 504}),
		chance(0.02, simulator.Fault{Kind: simulator.FaultReset}),
		chance(0.01, simulator.Fault{Kind: simulator.FaultResetEarly}),
		// A twentieth of the requests fail after the effect.
		chance(0.025, simulator.Fault{Kind: simulator.FaultStatusAfter, Status: 503}),
		chance(0.025, simulator.Fault{Kind: simulator.FaultResetAfter}),
		// Some answers are slow, and a few of them are too slow.
		chance(0.02, simulator.Fault{Kind: simulator.FaultSlowHeaders, Delay: 20 * time.Millisecond}),
		chance(0.02, simulator.Fault{Kind: simulator.FaultSlowBody, Delay: 20 * time.Millisecond}),
		chance(0.0005, simulator.Fault{Kind: simulator.FaultSlowHeaders, Delay: 2 * chaosTimeout()}),
		// Some answers are cut off, are not JSON or never end.
		chance(0.02, simulator.Fault{Kind: simulator.FaultTruncate}),
		chance(0.02, simulator.Fault{Kind: simulator.FaultTruncateChunked}),
		chance(0.01, simulator.Fault{Kind: simulator.FaultGarbage}),
		chance(0.004, simulator.Fault{Kind: simulator.FaultEndless}),
		// Some dates are wrong, in both directions.
		chance(0.03, simulator.Fault{Kind: simulator.FaultWrongDate, Delay: time.Hour}),
		chance(0.03, simulator.Fault{Kind: simulator.FaultWrongDate, Delay: -time.Hour}),
	}
}

const (
	chaosAtOnce    = 64 // the number of flows at once, in all processes together
	chaosImage     = 64 << 10
	chaosProcesses = 2
)

// chaosTimeout is the timeout of a call. The test ends when the last call has timed out. If the
// server stalls for so long before it carries out a create, EnsureAction creates twice, as its
// documentation says. So .ci/run, whose machine may be busy, has a longer one.
func chaosTimeout() time.Duration { return time.Duration(faultnet.Count(3, 1, 1)) * time.Second }

// chaosFlows is how many flows TestChaos runs, if it is not 0:
//
//	go test ./internal/e2e -run TestChaos -flows=1000000 -timeout=3h
var chaosFlows = flag.Int("flows", 0, "how many flows TestChaos runs; 0 is a number that suits the run")

// chaosFlow is the way of one customer from the first call to the approval, and the result that the
// backend knows in the end.
type chaosFlow struct {
	Number   int
	Digest   string   // the digest of the image
	ActionID string   // the id that the backend has stored
	ImageIDs []string // the ids of images that the backend got
	Approved bool     // RequireApproved has approved the action
	Calls    int      // how often a call was made again
	Problem  string   // the error that ended the flow
}

// externalID returns the backend's own id of the action.
func (f *chaosFlow) externalID() string { return fmt.Sprintf("flow-%d", f.Number) }

// imageName returns the file name of the image.
func (f *chaosFlow) imageName() string { return fmt.Sprintf("selfie-%d.png", f.Number) }

// applicant returns the id of the applicant, who has a few flows: the simulator keeps 100,000
// applicants.
func (f *chaosFlow) applicant() string { return fmt.Sprintf("applicant-%d", f.Number/20) }

// TestChaos runs many whole flows at once, on a service with all faults at once. It then compares
// the results that the flows know with the records of the service. Two processes share the flows,
// except with -short.
//
//nolint:paralleltest // it counts goroutines
func TestChaos(t *testing.T) {
	flows, processes := faultnet.Count(2000, 300, 100), chaosProcesses
	switch {
	case *chaosFlows > 0:
		flows = *chaosFlows
	case testing.Short():
		processes = 0
	case race.Enabled:
		flows = min(flows, 300)
	}
	seed := rand.Uint64()
	goroutines := runtime.NumGoroutine()
	begin := time.Now()
	world := startChaosWorld(t, flows, seed)

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute+time.Duration(flows)*20*time.Millisecond)
	defer cancel()
	var all []*chaosFlow
	lines := 0
	if processes == 0 {
		lines = runChaosFlows(ctx, t, world.base, chaosAtOnce, 0, flows, func(flow *chaosFlow) { all = append(all, flow) })
	} else {
		all = runChaosProcesses(ctx, t, world.base, flows, processes)
	}
	took := time.Since(begin)
	assert.True(t, waitUntil(func() bool { return world.service.Stats().WebhooksOutstanding == 0 }), "every delivery has ended")

	world.checkBooks(t, all)
	again := 0
	for _, flow := range all {
		again += flow.Calls
	}
	stats := world.service.Stats()
	world.checkStats(t, flows, stats)
	require.NoError(t, world.service.Close())
	require.NoError(t, world.server.Close())
	world.receiver.CloseIdleConnections()
	assertGoroutines(t, goroutines)
	t.Logf("seed %d: %d flows in %v: %d requests, %d lines logged here, %d calls made again; answers %v, faults %v; "+
		"%d timestamps refused; %d webhook events, %d deliveries",
		seed, flows, took.Round(time.Millisecond), stats.Requests, lines, again, stats.ByStatus, stats.Faults,
		stats.RefusedTimestamps, stats.WebhookEvents, world.deliveries)
}

// assertGoroutines waits until there are no more goroutines than before.
func assertGoroutines(t *testing.T, before int) {
	t.Helper()
	if !assert.True(
		t, waitUntil(func() bool { return runtime.NumGoroutine() <= before }), "%d goroutines, were %d", runtime.NumGoroutine(), before,
	) {
		stacks := make([]byte, 1<<20)
		t.Logf("%s", stacks[:runtime.Stack(stacks, true)])
	}
}

// runChaosFlows runs the flows from first to before last, atOnce of them at a time. It passes each
// flow to done, one at a time, and returns how many lines were logged.
func runChaosFlows(
	ctx context.Context, t *testing.T, base string, atOnce, first, last int, done func(*chaosFlow),
) (lines int) {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = atOnce
	defer transport.CloseIdleConnections()
	log := &faultnet.Log{CountOnly: true}
	newClient := func() *idngo.Client {
		client, err := idngo.NewClient(faultnet.SimulatorCredentials,
			idngo.WithBaseURL(base), idngo.WithHTTPClient(&http.Client{Transport: transport}), idngo.WithTimeout(chaosTimeout()),
			idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: 4, MinDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond}),
			idngo.WithLogger(log.Logger()))
		if err != nil {
			panic(err)
		}
		return client
	}
	jobs := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	client := newClient()
	for range atOnce {
		wg.Go(func() {
			for number := range jobs {
				flow := &chaosFlow{Number: number}
				if err := flow.run(ctx, client, newClient); err != nil {
					flow.Problem = err.Error()
				}
				mu.Lock()
				done(flow)
				mu.Unlock()
			}
		})
	}
	for number := first; number < last; number++ {
		jobs <- number
	}
	close(jobs)
	wg.Wait()
	return log.Count()
}

// waitUntil waits until done reports true, which other goroutines bring about. It does not sleep.
func waitUntil(done func() bool) bool {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); runtime.Gosched() {
		if done() {
			return true
		}
	}
	return done()
}

// image returns the content of the flow's image. No other flow has the same content.
func (f *chaosFlow) image() []byte {
	content := make([]byte, chaosImage)
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(f.Number))
	_, _ = rand.NewChaCha8(seed).Read(content)
	copy(content, "\x89PNG\r\n\x1a\n")
	return content
}

// run does the work of a good backend: it fetches the action after an unknown outcome, and calls
// again after a call without effect.
func (f *chaosFlow) run(ctx context.Context, client *idngo.Client, newClient func() *idngo.Client) error {
	content := f.image()
	f.Digest = faultnet.SHA256(content)
	if content[len(content)-1] < 32 {
		// One in eight processes dies before it has stored the result of its first call. Another process,
		// which knows only the external id, continues the flow. The first process does not die during a
		// create: two machines would then create at the same instant, which nobody can exclude from
		// outside.
		_, _ = client.EnsureAction(ctx, f.applicant(), faultnet.FaceAuthorization(f.externalID()))
		client = newClient()
	}

	var action *idngo.Action
	err := f.persist(ctx, func() (err error) {
		action, err = client.EnsureAction(ctx, f.applicant(), faultnet.FaceAuthorization(f.externalID()))
		return err
	})
	if err != nil {
		return err
	}
	f.ActionID = action.ID

	err = f.persist(ctx, func() error {
		image, err := client.AddImage(ctx, f.ActionID, idngo.AddImageParams{
			IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes(f.imageName(), content),
		})
		if err == nil {
			f.ImageIDs = append(f.ImageIDs, string(image.ImageID))
			return nil
		}
		if !errors.Is(err, idngo.ErrOutcomeUnknown) && !errors.Is(err, idngo.ErrDuplicateImage) {
			return err // the upload certainly had no effect
		}
		seen, looking := client.GetAction(ctx, f.ActionID)
		if looking != nil {
			return looking
		}
		for _, image := range seen.Images {
			f.ImageIDs = append(f.ImageIDs, string(image.ImageID))
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}

	err = f.persist(ctx, func() error {
		_, err := client.SubmitAction(ctx, f.ActionID)
		if err == nil || !errors.Is(err, idngo.ErrOutcomeUnknown) {
			return err
		}
		seen, looking := client.GetAction(ctx, f.ActionID)
		if looking != nil {
			return looking
		}
		if seen.Review.ReviewStatus != idngo.ReviewStatusInit {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}

	err = f.persist(ctx, func() error {
		_, err := client.WaitForReview(
			ctx, f.ActionID, idngo.WaitParams{MinInterval: 2 * time.Millisecond, MaxInterval: 20 * time.Millisecond},
		)
		return err
	})
	if err != nil {
		return err
	}
	return f.persist(ctx, func() error {
		approved, err := client.RequireApproved(ctx, f.ActionID, f.expectation())
		f.Approved = err == nil && approved.ID == f.ActionID && approved.Approved()
		return err
	})
}

// expectation returns the expected parts of the flow's action.
func (f *chaosFlow) expectation() idngo.ActionExpectation {
	return idngo.ActionExpectation{
		ApplicantID: f.applicant(), ExternalActionID: f.externalID(), LevelName: simulator.LevelFaceAuth,
	}
}

// persist makes a call until it succeeds. It returns an error that another call cannot change.
func (f *chaosFlow) persist(ctx context.Context, call func() error) error {
	for n := 0; ; n++ {
		err := call()
		if err == nil || ctx.Err() != nil || n == 50 {
			return err
		}
		if errors.Is(err, idngo.ErrTimestampExpired) {
			f.Calls++ // the clock of the service has jumped, and the call had no effect
			continue
		}
		for _, never := range []error{
			idngo.ErrInvalidArgument, idngo.ErrUnauthorized, idngo.ErrForbidden, idngo.ErrNotFound, idngo.ErrActionMismatch,
			idngo.ErrRedirect, idngo.ErrSignatureMismatch, idngo.ErrNotApproved, idngo.ErrImageChanged, idngo.ErrImageTooLarge,
		} {
			if errors.Is(err, never) {
				return err
			}
		}
		f.Calls++
	}
}
