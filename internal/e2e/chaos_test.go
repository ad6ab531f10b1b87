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

// chaosFaults are all faults at once.
func chaosFaults() []simulator.Chance {
	chance := func(p float64, f simulator.Fault) simulator.Chance { return simulator.Chance{Fault: f, Probability: p} }
	return []simulator.Chance{
		// A tenth is told to come back.
		chance(0.09, simulator.Fault{Kind: simulator.FaultStatus, Status: 429}),
		chance(0.01, simulator.Fault{Kind: simulator.FaultStatus, Status: 429, RetryAfter: "0"}),
		chance(0.002, simulator.Fault{Kind: simulator.FaultStatus, Status: 409, RetryAfter: "0"}),
		// A tenth fails before the effect.
		chance(0.03, simulator.Fault{Kind: simulator.FaultStatus, Status: 500}),
		chance(0.03, simulator.Fault{Kind: simulator.FaultStatus, Status: 503}),
		chance(0.02, simulator.Fault{Kind: simulator.FaultHTML, Status: 502}),
		chance(0.02, simulator.Fault{Kind: simulator.FaultEarlyStatus, Status: 504}),
		chance(0.02, simulator.Fault{Kind: simulator.FaultReset}),
		chance(0.01, simulator.Fault{Kind: simulator.FaultResetEarly}),
		// A twentieth fails after it.
		chance(0.025, simulator.Fault{Kind: simulator.FaultStatusAfter, Status: 503}),
		chance(0.025, simulator.Fault{Kind: simulator.FaultResetAfter}),
		// Answers are slow, some of them too slow.
		chance(0.02, simulator.Fault{Kind: simulator.FaultSlowHeaders, Delay: 20 * time.Millisecond}),
		chance(0.02, simulator.Fault{Kind: simulator.FaultSlowBody, Delay: 20 * time.Millisecond}),
		chance(0.0005, simulator.Fault{Kind: simulator.FaultSlowHeaders, Delay: 2 * chaosTimeout}),
		// Or cut off, or nonsense, or without end.
		chance(0.02, simulator.Fault{Kind: simulator.FaultTruncate}),
		chance(0.02, simulator.Fault{Kind: simulator.FaultTruncateChunked}),
		chance(0.01, simulator.Fault{Kind: simulator.FaultGarbage}),
		chance(0.004, simulator.Fault{Kind: simulator.FaultEndless}),
		// Dates are wrong, to either side.
		chance(0.03, simulator.Fault{Kind: simulator.FaultWrongDate, Delay: time.Hour}),
		chance(0.03, simulator.Fault{Kind: simulator.FaultWrongDate, Delay: -time.Hour}),
	}
}

const (
	chaosTimeout    = time.Second // the end of the test waits for the last one that strikes
	chaosApplicants = 200
	chaosImage      = 64 << 10
)

// chaosFlows is how many flows TestChaos runs, if it is not 0:
//
//	go test ./internal/e2e -run TestChaos -flows=1000000 -timeout=2h
var chaosFlows = flag.Int("flows", 0, "how many flows TestChaos runs; 0 is a number that suits the run")

// chaosFlow is one customer's way from the first call to the review, and what the
// backend believes of it in the end.
type chaosFlow struct {
	number                int
	applicant, externalID string
	name                  string // of the image

	digest   string // of the image
	actionID string
	imageIDs []string // what it was told
	reviewed *idngo.Action
	calls    int // how often it had to call again
}

// TestChaos runs whole flows, many at once, on a service in which everything
// goes wrong at once, and then compares what the flows believe with what the service has recorded.
//
//nolint:paralleltest // it counts goroutines
func TestChaos(t *testing.T) {
	flows, atOnce := faultnet.Count(2000, 400, 100), 64
	switch {
	case *chaosFlows > 0:
		flows = *chaosFlows
	case race.Enabled:
		flows = min(flows, 300)
	}
	seed := rand.Uint64()
	goroutines := runtime.NumGoroutine()
	begin := time.Now()

	service, err := simulator.New(simulator.Config{ReviewDelay: 3 * time.Millisecond, Limits: simulator.Limits{ImageMemory: 1 << 20}})
	require.NoError(t, err)
	defer service.Close()
	base, err := service.Start("")
	require.NoError(t, err)
	for i := range chaosApplicants {
		service.AddApplicant(fmt.Sprintf("applicant-%d", i), fmt.Sprintf("user-%d", i))
	}
	require.NoError(t, service.SetFaults(&simulator.Faults{Seed: seed, Chances: chaosFaults()}))

	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = atOnce
	lines := &faultnet.Log{CountOnly: true}
	newClient := func() *idngo.Client {
		client, err := idngo.NewClient(faultnet.SimulatorCredentials,
			idngo.WithBaseURL(base), idngo.WithHTTPClient(&http.Client{Transport: transport}), idngo.WithTimeout(chaosTimeout),
			idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: 4, MinDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond}),
			idngo.WithLogger(lines.Logger()))
		require.NoError(t, err)
		return client
	}

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute+time.Duration(flows)*20*time.Millisecond)
	defer cancel()
	all := make([]*chaosFlow, flows)
	jobs := make(chan *chaosFlow)
	var wg sync.WaitGroup
	client := newClient()
	for range atOnce {
		wg.Go(func() {
			for flow := range jobs {
				if err := flow.run(ctx, client, newClient); err != nil {
					t.Errorf("%s did not end: %v", flow.externalID, err)
				}
			}
		})
	}
	for i := range all {
		all[i] = &chaosFlow{
			number: i, applicant: fmt.Sprintf("applicant-%d", i%chaosApplicants), externalID: fmt.Sprintf("flow-%d", i),
			name: fmt.Sprintf("selfie-%d.png", i),
		}
		jobs <- all[i]
	}
	close(jobs)
	wg.Wait()
	took := time.Since(begin)

	// The records of the service.
	actions := map[string][]simulator.ActionRecord{}
	for _, action := range service.Actions() {
		actions[action.ExternalActionID] = append(actions[action.ExternalActionID], action)
	}
	assert.Len(t, actions, flows)
	again := 0
	for _, flow := range all {
		again += flow.calls
		made := actions[flow.externalID]
		if !assert.Len(t, made, 1, "%s has exactly one action", flow.externalID) {
			continue
		}
		assert.Equal(t, flow.applicant, made[0].ApplicantID)
		assert.Equal(t, made[0].ID, flow.actionID)
		assert.Equal(t, "completed", made[0].ReviewStatus)
		assert.Equal(t, 1, made[0].Reviews)
		assert.GreaterOrEqual(t, made[0].Submits, 1)
		if assert.NotNil(t, flow.reviewed) {
			assert.True(t, flow.reviewed.Approved())
			assert.Equal(t, flow.externalID, flow.reviewed.ExternalActionID)
		}
		kept := map[string]bool{}
		for _, image := range service.Images(flow.actionID) {
			kept[image.ImageID] = true
			assert.Equal(t, flow.digest, image.SHA256, "every byte is the right one")
			assert.Equal(t, flow.name, image.FileName)
		}
		assert.Len(t, kept, 1, "%s has its image once", flow.externalID)
		for _, id := range flow.imageIDs {
			assert.True(t, kept[id], "%s was told of image %s", flow.externalID, id)
		}
	}
	stats := service.Stats()
	assert.Zero(t, stats.RefusedSignatures)
	assert.Zero(t, stats.RefusedTimestamps)
	assert.Zero(t, stats.RefusedCredentials)
	for _, c := range chaosFaults() {
		if flows < 300 {
			break // so few may be spared of one
		}
		assert.Positive(t, stats.Faults[c.Kind], "%s has struck", c.Kind)
	}

	// Connections and goroutines return to the start.
	assert.LessOrEqual(t, stats.OpenConnections, 4*atOnce)
	transport.CloseIdleConnections()
	assert.True(
		t, waitUntil(func() bool { return service.Stats().OpenConnections == 0 }), "%d connections are open", service.Stats().OpenConnections,
	)
	require.NoError(t, service.Close())
	if !assert.True(
		t, waitUntil(func() bool { return runtime.NumGoroutine() <= goroutines }), "%d goroutines, were %d", runtime.NumGoroutine(), goroutines,
	) {
		stacks := make([]byte, 1<<20)
		t.Logf("%s", stacks[:runtime.Stack(stacks, true)])
	}
	t.Logf("seed %d: %d flows in %v: %d requests, %d lines logged, %d calls made again; answers %v, faults %v",
		seed, flows, took.Round(time.Millisecond), stats.Requests, lines.Count(), again, stats.ByStatus, stats.Faults)
}

// waitUntil waits for what other goroutines are about to do, without sleeping.
func waitUntil(done func() bool) bool {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); runtime.Gosched() {
		if done() {
			return true
		}
	}
	return done()
}

// image returns the content of the flow's image, which no other flow has.
func (f *chaosFlow) image() []byte {
	content := make([]byte, chaosImage)
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(f.number))
	_, _ = rand.NewChaCha8(seed).Read(content)
	copy(content, "\x89PNG\r\n\x1a\n")
	return content
}

// run does what a sensible backend does: where an outcome is unknown it asks, and
// where nothing has happened it tries again.
func (f *chaosFlow) run(ctx context.Context, client *idngo.Client, newClient func() *idngo.Client) error {
	content := f.image()
	f.digest = faultnet.SHA256(content)
	if content[len(content)-1] < 32 {
		// One in eight processes dies before it has written down what its first
		// call gave. Another one, that knows nothing but the external id, takes
		// over. (One that dies while a create is under way, and is followed at
		// once, is two machines creating at the same instant: nobody can exclude
		// that from outside.)
		_, _ = client.EnsureAction(ctx, f.applicant, faultnet.FaceAuthorization(f.externalID))
		client = newClient()
	}

	var action *idngo.Action
	err := f.persist(ctx, func() (err error) {
		action, err = client.EnsureAction(ctx, f.applicant, faultnet.FaceAuthorization(f.externalID))
		return err
	})
	if err != nil {
		return err
	}
	f.actionID = action.ID

	err = f.persist(ctx, func() error {
		image, err := client.AddImage(ctx, f.actionID, idngo.AddImageParams{
			IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes(f.name, content),
		})
		if err == nil {
			f.imageIDs = append(f.imageIDs, string(image.ImageID))
			return nil
		}
		if !errors.Is(err, idngo.ErrOutcomeUnknown) && !errors.Is(err, idngo.ErrDuplicateImage) {
			return err // it is certain that nothing has happened
		}
		seen, looking := client.GetAction(ctx, f.actionID)
		if looking != nil {
			return looking
		}
		for _, image := range seen.Images {
			f.imageIDs = append(f.imageIDs, string(image.ImageID))
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}

	err = f.persist(ctx, func() error {
		_, err := client.SubmitAction(ctx, f.actionID)
		if err == nil || !errors.Is(err, idngo.ErrOutcomeUnknown) {
			return err
		}
		seen, looking := client.GetAction(ctx, f.actionID)
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

	return f.persist(ctx, func() (err error) {
		f.reviewed, err = client.WaitForReview(
			ctx, f.actionID, idngo.WaitParams{MinInterval: 2 * time.Millisecond, MaxInterval: 20 * time.Millisecond},
		)
		return err
	})
}

// persist calls until it succeeds. An error that cannot pass ends it.
func (f *chaosFlow) persist(ctx context.Context, call func() error) error {
	for n := 0; ; n++ {
		err := call()
		if err == nil || ctx.Err() != nil || n == 50 {
			return err
		}
		for _, never := range []error{
			idngo.ErrInvalidArgument, idngo.ErrUnauthorized, idngo.ErrForbidden, idngo.ErrNotFound, idngo.ErrActionMismatch,
			idngo.ErrRedirect, idngo.ErrSignatureMismatch, idngo.ErrTimestampExpired, idngo.ErrImageChanged, idngo.ErrImageTooLarge,
		} {
			if errors.Is(err, never) {
				return err
			}
		}
		f.calls++
	}
}
