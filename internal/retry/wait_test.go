package retry_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/retry"
)

var errShutdown = errors.New("the program ends")

func TestContextError(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(ctx context.Context) (context.Context, context.CancelFunc)
		want []error
		text string // the expected text; "" for a text of the standard library
	}{
		"cancelled": {
			end: func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				cancel()
				return ctx, cancel
			},
			want: []error{context.Canceled},
		},
		"cancelled with a cause": {
			end: func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancelCause(ctx)
				cancel(errShutdown)
				return ctx, func() {}
			},
			want: []error{context.Canceled, errShutdown},
			text: context.Canceled.Error() + ": the program ends",
		},
		"deadline": {
			end: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithDeadline(ctx, time.Unix(0, 0))
			},
			want: []error{context.DeadlineExceeded},
		},
		"deadline with a cause": {
			end: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithDeadlineCause(ctx, time.Unix(0, 0), errShutdown)
			},
			want: []error{context.DeadlineExceeded, errShutdown},
			text: context.DeadlineExceeded.Error() + ": the program ends",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := test.end(t.Context())
			defer cancel()
			err := retry.ContextError(ctx)
			for _, want := range test.want {
				require.ErrorIs(t, err, want)
			}
			if test.text != "" {
				assert.EqualError(t, err, test.text)
			}
		})
	}
}

func TestTimeLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		assert.Equal(t, time.Duration(math.MaxInt64), retry.TimeLeft(context.Background()), "without a deadline")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		assert.Equal(t, time.Minute, retry.TimeLeft(ctx))
		time.Sleep(90 * time.Second)
		assert.Equal(t, -30*time.Second, retry.TimeLeft(ctx), "after the deadline")
	})
}

func TestDeadlineUnless(t *testing.T) {
	t.Parallel()
	require.NoError(t, retry.DeadlineUnless(true))
	require.ErrorIs(t, retry.DeadlineUnless(false), context.DeadlineExceeded)
}

// Both waits take the given time or end with the context. Only WaitIfTime returns at once if the
// deadline comes first.
func TestWaits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		timeout     time.Duration // the timeout of the context; 0: none
		cancelAfter time.Duration // 0: never
		wait        time.Duration
		err         error
		took        time.Duration
		tookIfTime  time.Duration
	}{
		"nothing to wait for": {},
		"to the end":          {wait: time.Second, took: time.Second, tookIfTime: time.Second},
		"before the deadline": {timeout: 2 * time.Second, wait: time.Second, took: time.Second, tookIfTime: time.Second},
		"past the deadline":   {timeout: time.Second, wait: time.Minute, err: context.DeadlineExceeded, took: time.Second},
		"cancelled": {
			cancelAfter: time.Second, wait: time.Minute, err: errShutdown, took: time.Second, tookIfTime: time.Second,
		},
	} {
		for waiter, wait := range map[string]func(context.Context, time.Duration) error{
			"Wait": retry.Wait, "WaitIfTime": retry.WaitIfTime,
		} {
			want := test.took
			if waiter == "WaitIfTime" {
				want = test.tookIfTime
			}
			t.Run(waiter+"/"+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					if test.timeout > 0 {
						var stop context.CancelFunc
						ctx, stop = context.WithTimeout(ctx, test.timeout)
						defer stop()
					}
					if test.cancelAfter > 0 {
						time.AfterFunc(test.cancelAfter, func() { cancel(errShutdown) })
					}
					began := time.Now()
					require.ErrorIs(t, wait(ctx, test.wait), test.err)
					assert.Equal(t, want, time.Since(began))
				})
			})
		}
	}
}
