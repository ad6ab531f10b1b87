// Package turns makes calls for the same thing wait for one another within a process.
//
// It knows keys and contexts. It must not know what a key stands for.
package turns

import (
	"context"
	"sync"
)

// Turns gives each key to one caller at a time. The zero value is ready for use. It stores only the
// keys that somebody has.
type Turns[K comparable] struct {
	mu    sync.Mutex
	taken map[K]chan struct{} // closed when the key is given back
}

// Take waits until nobody has key, and takes it until done is called. It returns the context's
// cause if the context ends first.
func (t *Turns[K]) Take(ctx context.Context, key K) (done func(), err error) {
	for {
		t.mu.Lock()
		before, taken := t.taken[key]
		if !taken {
			break
		}
		t.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	defer t.mu.Unlock()
	if t.taken == nil {
		t.taken = make(map[K]chan struct{})
	}
	end := make(chan struct{})
	t.taken[key] = end
	return func() {
		t.mu.Lock()
		delete(t.taken, key)
		t.mu.Unlock()
		close(end)
	}, nil
}

// Len returns the number of keys that somebody has.
func (t *Turns[K]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.taken)
}
