package turns

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTurnsOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var turns Turns[string]
		inside, most, calls := 0, 0, 0
		for range 64 {
			go func() {
				done, err := turns.Take(t.Context(), "key")
				assert.NoError(t, err)
				inside++
				calls++
				most = max(most, inside)
				time.Sleep(time.Second)
				inside--
				done()
			}()
		}
		time.Sleep(time.Minute * 2)
		synctest.Wait()
		assert.Equal(t, []int{64, 1, 0}, []int{calls, most, turns.Len()})
	})
}

func TestTurnsOtherKeysDoNotWait(t *testing.T) {
	t.Parallel()
	var turns Turns[int]
	var ends []func()
	for key := range 10_000 {
		done, err := turns.Take(t.Context(), key)
		require.NoError(t, err)
		ends = append(ends, done)
	}
	assert.Equal(t, 10_000, turns.Len())
	for _, done := range ends {
		done()
	}
	assert.Zero(t, turns.Len(), "nothing is left")
}

func TestTurnsWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var turns Turns[string]
		done, err := turns.Take(t.Context(), "key")
		require.NoError(t, err)
		reason := errors.New("the user has left")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(reason) })
		_, err = turns.Take(ctx, "key")
		require.ErrorIs(t, err, reason)
		assert.Equal(t, 1, turns.Len())
		done()
		assert.Zero(t, turns.Len())
	})
}
