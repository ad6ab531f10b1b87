package idngo

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// summingHash counts the sums of the hash that hmac uses.
type summingHash struct {
	hash.Hash
	sums *atomic.Int64
}

func (c summingHash) Sum(b []byte) []byte {
	c.sums.Add(1)
	return c.Hash.Sum(b)
}

// Whichever digit is wrong, and whichever secret is the right one: as many
// digests are made, and the same error comes back.
func TestVerifyTakesOnePath(t *testing.T) {
	t.Parallel()
	secrets := []Secret{"first-secret", "second-secret", "third-secret"}
	var sums atomic.Int64
	rule := digestRule{size: sha256.Size}
	for _, s := range secrets {
		rule.macs = append(rule.macs, newKeyedMAC(func() hash.Hash { return summingHash{sha256.New(), &sums} }, s))
	}
	v := &WebhookVerifier{rules: &webhookRules{maxBodySize: 1 << 20, allowed: map[DigestAlgorithm]digestRule{HMACSHA256: rule}}}
	body := []byte(`{"type":"applicantActionReviewed"}`)
	const perVerify = 3 * 2 // an HMAC is two sums

	for _, s := range secrets {
		sums.Store(0)
		require.NoError(t, v.Verify(body, SignWebhook(body, s, HMACSHA256)))
		assert.EqualValues(t, perVerify, sums.Load(), "no early exit")
	}
	texts := map[string]bool{}
	for _, s := range append(secrets, "a-secret-nobody-knows") {
		header := SignWebhook(body, s, HMACSHA256)
		digest := header.Get(headerDigest)
		for i := range digest {
			changed := []byte(digest)
			changed[i] = "123456789abcdef0"[strings.IndexByte("0123456789abcdef", changed[i])]
			header.Set(headerDigest, string(changed))
			sums.Store(0)
			err := v.Verify(body, header)
			require.ErrorIs(t, err, ErrWebhookSignature)
			require.EqualValues(t, perVerify, sums.Load())
			texts[err.Error()] = true
		}
	}
	assert.Len(t, texts, 1)
}

// Bodies of every size around those at which the buffer grows, in one piece and
// byte by byte.
func TestReadUpTo(t *testing.T) {
	t.Parallel()
	all := make([]byte, 300<<10)
	for i := range all {
		all[i] = byte(rand.Uint32())
	}
	for _, around := range []int{1, 4 << 10, 8 << 10, 64 << 10, 128 << 10, 256 << 10} {
		for size := around - 1; size <= around+2; size++ {
			for _, declared := range []int64{-1, 0, 1, int64(size), 64 << 10, 1 << 40} {
				got, err := readUpTo(bytes.NewReader(all[:size]), 1<<40, declared)
				require.Equal(t, io.EOF, err)
				require.True(t, bytes.Equal(all[:size], got))

				got, err = readUpTo(bytes.NewReader(all), int64(size), min(declared, int64(size)))
				require.NoError(t, err)
				require.True(t, bytes.Equal(all[:size+1], got))
				require.LessOrEqual(t, cap(got), max(8<<10, size+size/8+1), "limit %d", size)
			}
		}
	}
}

// checkCorpus compares testdata/fuzz with what it is made of.
func checkCorpus(t *testing.T, corpus map[string]string) {
	t.Helper()
	update := os.Getenv("IDNGO_UPDATE_CORPUS") != ""
	for name, want := range corpus {
		file := filepath.Join("testdata/fuzz", filepath.FromSlash(name))
		if update {
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		}
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, want, string(got), name)
	}
}
