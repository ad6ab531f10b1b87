package retry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// ContextError returns the error of a context that has ended, and its cause.
func ContextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// TimeLeft returns the time until the deadline of a context, or the longest duration if it has
// none.
func TimeLeft(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return math.MaxInt64
}

// DeadlineUnless returns context.DeadlineExceeded, or nil if a wait ends in time.
func DeadlineUnless(inTime bool) error {
	if inTime {
		return nil
	}
	return context.DeadlineExceeded
}

// Wait waits for d, or returns the error of the context if that ends first.
func Wait(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ContextError(ctx)
	}
}

// WaitIfTime waits for d. If the deadline of the context comes first, it returns at once.
func WaitIfTime(ctx context.Context, d time.Duration) error {
	if TimeLeft(ctx) <= d {
		return context.DeadlineExceeded
	}
	return Wait(ctx, d)
}
