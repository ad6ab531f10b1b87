package exchange

import (
	"context"
	"net"
	"net/http/httptrace"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// net/http asks for a second connection only when the first has carried nothing. Another transport
// may ask for one to send the request again.
func TestAttemptWritten(t *testing.T) {
	t.Parallel()
	const ask, get = "ask", "get"
	for name, test := range map[string]struct {
		hooks           []string
		standard, other bool
	}{
		"nothing is told":      {standard: true, other: true},
		"asked":                {hooks: []string{ask}},
		"got":                  {hooks: []string{ask, get}, standard: true, other: true},
		"asked again":          {hooks: []string{ask, get, ask}, other: true},
		"got a second one":     {hooks: []string{ask, get, ask, get}, standard: true, other: true},
		"got without an asked": {hooks: []string{get}, standard: true, other: true},
	} {
		for transport, want := range map[string]bool{"standard": test.standard, "other": test.other} {
			t.Run(name+"/"+transport, func(t *testing.T) {
				t.Parallel()
				attempt := begin(t.Context(), time.Hour)
				defer attempt.end()
				trace := attempt.trace(transport == "standard")
				for _, hook := range test.hooks {
					if hook == ask {
						trace.GetConn("api.example.com:443")
					} else {
						trace.GotConn(httptrace.GotConnInfo{})
					}
				}
				assert.Equal(t, want, attempt.written())
			})
		}
	}
}

func TestAttemptTimeout(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		use     func(a *attempt)
		expires time.Duration // 0: never
	}{
		"runs from the beginning": {use: func(*attempt) {}, expires: time.Minute},
		"paused":                  {use: func(a *attempt) { a.Pause() }},
		"resumed has all of it": {
			use: func(a *attempt) {
				time.Sleep(50 * time.Second)
				a.Pause()
				time.Sleep(50 * time.Second)
				a.Resume()
			},
			expires: 160 * time.Second,
		},
		"ended":                {use: func(a *attempt) { a.end() }},
		"ended, not streamed":  {use: func(a *attempt) { a.endUnlessStreamed() }},
		"goes on for a stream": {use: func(a *attempt) { a.streamed = true; a.endUnlessStreamed() }, expires: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				attempt := begin(t.Context(), time.Minute)
				defer attempt.end()
				assert.Equal(t, time.Minute, attempt.Limit())
				test.use(attempt)
				if test.expires > 0 {
					<-attempt.ctx.Done()
					assert.Equal(t, test.expires, time.Since(began))
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				assert.Equal(t, test.expires > 0, attempt.expired.Load())
			})
		})
	}
}

func TestAttempt_Cancel(t *testing.T) {
	t.Parallel()
	attempt := begin(t.Context(), time.Hour)
	defer attempt.end()
	attempt.Cancel()
	require.ErrorIs(t, attempt.ctx.Err(), context.Canceled)
	assert.False(t, attempt.expired.Load())
}

func TestTimeoutError(t *testing.T) {
	t.Parallel()
	var err net.Error = TimeoutError(1500 * time.Millisecond)
	require.EqualError(t, err, "no answer in 1.5s")
	assert.True(t, err.Timeout())
	assert.True(t, os.IsTimeout(err))
	assert.True(t, err.(interface{ Temporary() bool }).Temporary())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, context.Canceled)
}
