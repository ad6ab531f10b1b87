package keyedhash

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSet(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		newHash func() hash.Hash
		digest  string
	}{
		"SHA-1":   {newHash: sha1.New, digest: "f6e92ffe371718694d46e28436f76589312df8db"},
		"SHA-256": {newHash: sha256.New, digest: "7f3beedce7529616a9d6bba59dc1b054a7247cef67f6acff2600864399f47fe0"},
		"SHA-512": {newHash: sha512.New, digest: "3aae08986027051ca0656d87c4c95f1f15d3ecaf23cf239e5a43fd03a8af2822" +
			"3a06be1f97624caefd55475c84673773dc10e895a1ab885a3548c58bd7af9ebf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := NewSet(test.newHash, []byte("another"), []byte("SoMe_SeCrEt_KeY"))
			require.NoError(t, err)
			digest, err := hex.DecodeString(test.digest)
			require.NoError(t, err)
			assert.Len(t, digest, set.Size())
			assert.True(t, set.Matches([]byte("someText"), digest))
			assert.False(t, set.Matches([]byte("someText."), digest))
			assert.False(t, set.Matches([]byte("someText"), digest[1:]))
			assert.False(t, set.Matches([]byte("someText"), nil))
		})
	}
}

// summingHash counts the sums of the hash that hmac uses.
type summingHash struct {
	hash.Hash
	sums *atomic.Int64
}

func (c summingHash) Sum(b []byte) []byte {
	c.sums.Add(1)
	return c.Hash.Sum(b)
}

// Matches always computes the same number of digests, whichever byte is wrong and whichever key is
// right.
func TestSetTakesOnePath(t *testing.T) {
	t.Parallel()
	var sums atomic.Int64
	keys := []string{"first-secret", "second-secret", "third-secret"}
	set, err := NewSet(func() hash.Hash { return summingHash{sha256.New(), &sums} }, []byte(keys[0]), []byte(keys[1]), []byte(keys[2]))
	require.NoError(t, err)
	message := []byte(`{"type":"applicantActionReviewed"}`)
	const perMatch = 3 * 2 // an HMAC is two sums
	for _, key := range append(keys, "a-secret-nobody-knows") {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(message)
		digest := mac.Sum(nil)
		sums.Store(0)
		assert.Equal(t, key != "a-secret-nobody-knows", set.Matches(message, digest))
		assert.EqualValues(t, perMatch, sums.Load(), "no early exit")
		for i := range digest {
			digest[i] ^= 0x80
			sums.Store(0)
			assert.False(t, set.Matches(message, digest))
			assert.EqualValues(t, perMatch, sums.Load())
			digest[i] ^= 0x80
		}
	}
}

func TestPool(t *testing.T) {
	t.Parallel()
	key := []byte("key")
	pool, err := New(sha256.New, key)
	require.NoError(t, err)
	key[0] = 'x' // the pool has a copy
	mac := hmac.New(sha256.New, []byte("key"))
	long := strings.Repeat("0123456789", 100)
	mac.Write([]byte(long))
	want := mac.Sum(nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				state := pool.Get()
				n, err := io.WriteString(state, long)
				assert.NoError(t, err)
				assert.Len(t, long, n)
				assert.Equal(t, want, state.Total())
				pool.Put(state)
			}
		})
	}
	wg.Wait()
}

// New returns an error where the runtime would panic.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := New(func() hash.Hash { panic("not allowed in FIPS 140-only mode") }, nil)
	require.ErrorIs(t, err, ErrRefused)
	_, err = NewSet(func() hash.Hash { panic("not allowed in FIPS 140-only mode") }, nil)
	require.ErrorIs(t, err, ErrRefused)
}

// NewSet copies the keys, so a caller may change its slice.
//
//nolint:paralleltest // it collects garbage, which other tests would wait for
func TestSetKeepsItsOwnKeys(t *testing.T) {
	key := []byte("SoMe_SeCrEt_KeY")
	set, err := NewSet(sha256.New, key)
	require.NoError(t, err)
	clear(key)
	runtime.GC() // after two collections the pool has lost the state of NewSet
	runtime.GC()
	digest, err := hex.DecodeString("7f3beedce7529616a9d6bba59dc1b054a7247cef67f6acff2600864399f47fe0")
	require.NoError(t, err)
	assert.True(t, set.Matches([]byte("someText"), digest))
}
