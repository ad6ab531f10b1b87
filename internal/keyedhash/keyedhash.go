// Package keyedhash keeps keyed HMAC states for reuse. Setting up a key costs as much as hashing a
// short message.
//
// It knows a hash and a key. It must not know what is signed, or for whom.
package keyedhash

import (
	"crypto/hmac"
	"crypto/sha512"
	"errors"
	"hash"
	"sync"
)

// ErrRefused is returned by New when the Go runtime refuses the hash or the key, as it does in FIPS
// 140-only mode for SHA-1 and for keys below 112 bits.
var ErrRefused = errors.New("the Go runtime refuses this hash or key")

// A Pool holds states that are keyed with one key. It is safe for concurrent use.
type Pool struct {
	states sync.Pool // holds values of type *State
	size   int
}

// New returns a pool of HMACs of the hash that newHash makes. It copies key. It makes one HMAC, so
// that a hash or key that would panic later fails here.
func New(newHash func() hash.Hash, key []byte) (pool *Pool, err error) {
	defer func() {
		if recover() != nil {
			pool, err = nil, ErrRefused
		}
	}()
	key = append([]byte(nil), key...)
	pool = new(Pool)
	pool.states.New = func() any {
		return &State{Hash: hmac.New(newHash, key)}
	}
	state := pool.Get()
	pool.size = len(state.Total())
	pool.Put(state)
	return pool, nil
}

// Get returns a state that has hashed nothing.
func (p *Pool) Get() *State {
	state := p.states.Get().(*State)
	state.Reset()
	return state
}

// Put gives a state back. The caller must not use it, or a digest of it, any more.
func (p *Pool) Put(state *State) { p.states.Put(state) }

// matches reports whether digest is the HMAC of message. It takes the same time wherever they
// differ.
func (p *Pool) matches(message, digest []byte) bool {
	state := p.Get()
	defer p.Put(state)
	_, _ = state.Write(message) // a hash never fails
	return hmac.Equal(state.Total(), digest)
}

// A Set checks digests that were made with any one of several keys.
type Set struct{ pools []*Pool }

// NewSet returns a set of HMACs of the hash that newHash makes, one for each key. The error is
// ErrRefused or nil.
func NewSet(newHash func() hash.Hash, keys ...[]byte) (*Set, error) {
	set := new(Set)
	for _, key := range keys {
		pool, err := New(newHash, key)
		if err != nil {
			return nil, err
		}
		set.pools = append(set.pools, pool)
	}
	return set, nil
}

// Size returns the size of a digest in bytes.
func (s *Set) Size() int { return s.pools[0].size }

// Matches reports whether digest is the HMAC of message under one of the keys. It tries all of
// them, also after one has matched.
func (s *Set) Matches(message, digest []byte) bool {
	matched := false
	for _, pool := range s.pools {
		matched = pool.matches(message, digest) || matched
	}
	return matched
}

// A State is a keyed hash with room for what a caller builds beside it.
type State struct {
	hash.Hash
	// Buffer is the caller's. It keeps its capacity from use to use.
	Buffer []byte

	total [sha512.Size]byte // room for the largest digest
	piece [256]byte
}

// Total returns the digest of what was written. It is valid until the state is used again.
func (s *State) Total() []byte { return s.Sum(s.total[:0]) }

// WriteString hashes text without copying it as a whole.
func (s *State) WriteString(text string) (int, error) {
	for rest := text; rest != ""; {
		n := copy(s.piece[:], rest)
		_, _ = s.Write(s.piece[:n]) // a hash never fails
		rest = rest[n:]
	}
	return len(text), nil
}
