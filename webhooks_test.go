package idngo_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// These are the headers of a delivery.
const (
	digestHeader    = "X-Payload-Digest"
	digestAlgHeader = "X-Payload-Digest-Alg"
)

// redactedText stands in place of a secret.
const redactedText = "[redacted]"

// webhookTestSecret is the secret of the tests' deliveries.
const webhookTestSecret idngo.Secret = "whk-test-5f0c1d7a9b"

// webhookVerifier returns a verifier for webhookTestSecret.
func webhookVerifier(t testing.TB, opts ...idngo.WebhookOption) *idngo.WebhookVerifier {
	t.Helper()
	v, err := idngo.NewWebhookVerifier(webhookTestSecret, opts...)
	require.NoError(t, err)
	return v
}

// webhookFixtures returns every file of testdata/webhooks by its name.
func webhookFixtures(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/webhooks/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	fixtures := make(map[string][]byte, len(files))
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(t, err)
		fixtures[strings.TrimSuffix(filepath.Base(file), ".json")] = body
	}
	return fixtures
}

// webhookFixture returns a file of testdata/webhooks.
func webhookFixture(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/webhooks/" + name + ".json")
	require.NoError(t, err)
	return body
}

// webhookRequest returns a delivery of body, signed with webhookTestSecret.
func webhookRequest(body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/idngo", bytes.NewReader(body))
	r.Header = idngo.SignWebhook(body, webhookTestSecret, idngo.HMACSHA256)
	return r
}

// ---- digests ----

func TestWebhookDigestVectors(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/vectors/webhook-digests.json")
	require.NoError(t, err)
	var file struct {
		Vectors []struct {
			ID, Algorithm, Secret, Digest string
			BodyHex                       string `json:"body_hex"`
		}
	}
	require.NoError(t, json.Unmarshal(raw, &file))
	require.Len(t, file.Vectors, 24)

	for _, vector := range file.Vectors {
		t.Run(vector.ID, func(t *testing.T) {
			t.Parallel()
			body, err := hex.DecodeString(vector.BodyHex)
			require.NoError(t, err)
			alg := idngo.DigestAlgorithm(vector.Algorithm)
			want := http.Header{"X-Payload-Digest": {vector.Digest}, "X-Payload-Digest-Alg": {vector.Algorithm}}
			assert.Equal(t, want, idngo.SignWebhook(body, idngo.Secret(vector.Secret), alg))

			v, err := idngo.NewWebhookVerifier(idngo.Secret(vector.Secret), idngo.WithDigestAlgorithms(alg))
			require.NoError(t, err)
			require.NoError(t, v.Verify(body, want))
			want.Set(digestHeader, strings.ToUpper(vector.Digest))
			require.NoError(t, v.Verify(body, want), "upper case")
			require.ErrorIs(t, v.Verify(append(body, ' '), want), idngo.ErrWebhookSignature)

			// A verifier accepts all algorithms but SHA-1 by default.
			v, err = idngo.NewWebhookVerifier(idngo.Secret(vector.Secret))
			require.NoError(t, err)
			if alg == idngo.HMACSHA1 {
				require.ErrorIs(t, v.Verify(body, want), idngo.ErrWebhookAlgorithm)
			} else {
				require.NoError(t, v.Verify(body, want))
			}
		})
	}
}

func TestVerifyHeaders(t *testing.T) {
	t.Parallel()
	body := webhookFixture(t, "reviewed-red")
	digest := idngo.SignWebhook(body, webhookTestSecret, idngo.HMACSHA256).Get(digestHeader)
	digest512 := idngo.SignWebhook(body, webhookTestSecret, idngo.HMACSHA512).Get(digestHeader)
	digest1 := idngo.SignWebhook(body, webhookTestSecret, idngo.HMACSHA1).Get(digestHeader)
	other := idngo.SignWebhook(body, "another-secret", idngo.HMACSHA256).Get(digestHeader)
	const d, a = digestHeader, digestAlgHeader
	with := func(digest string) http.Header { return http.Header{d: {digest}, a: {"HMAC_SHA256_HEX"}} }
	named := func(alg string) http.Header { return http.Header{d: {digest}, a: {alg}} }

	for name, tt := range map[string]struct {
		header http.Header
		want   error
	}{
		"as sent":                            {header: with(digest)},
		"SHA-512":                            {header: http.Header{d: {digest512}, a: {"HMAC_SHA512_HEX"}}},
		"upper case":                         {header: with(strings.ToUpper(digest))},
		"mixed case":                         {header: with(strings.ToUpper(digest[:32]) + digest[32:])},
		"no algorithm: SHA-256":              {header: http.Header{d: {digest}}},
		"algorithm without a value: SHA-256": {header: http.Header{d: {digest}, a: {}}},
		"names in lower case":                {header: http.Header{"x-payload-digest": {digest}, "x-payload-digest-alg": {"HMAC_SHA256_HEX"}}},
		"names in capitals":                  {header: http.Header{"X-PAYLOAD-DIGEST": {digest}}},
		"names alike are others":             {header: http.Header{d: {digest}, "X-Payload-Digess": {"x"}, "X-Payload-Digest-Sum": {"x"}}},

		"no header at all":       {want: idngo.ErrWebhookSignature},
		"no digest":              {header: http.Header{a: {"HMAC_SHA256_HEX"}}, want: idngo.ErrWebhookSignature},
		"digest without a value": {header: http.Header{d: {}, a: {"HMAC_SHA256_HEX"}}, want: idngo.ErrWebhookSignature},
		"empty digest":           {header: with(""), want: idngo.ErrWebhookSignature},
		"space before":           {header: with(" " + digest), want: idngo.ErrWebhookSignature},
		"space after":            {header: with(digest + " "), want: idngo.ErrWebhookSignature},
		"line break after":       {header: with(digest + "\n"), want: idngo.ErrWebhookSignature},
		"zero byte after":        {header: with(digest + "\x00"), want: idngo.ErrWebhookSignature},
		"padded":                 {header: with(digest + "00"), want: idngo.ErrWebhookSignature},
		"padded before":          {header: with("00" + digest), want: idngo.ErrWebhookSignature},
		"base64 padding":         {header: with(digest + "=="), want: idngo.ErrWebhookSignature},
		"one digit short":        {header: with(digest[:63]), want: idngo.ErrWebhookSignature},
		"one byte short":         {header: with(digest[:62]), want: idngo.ErrWebhookSignature},
		"half":                   {header: with(digest[:32]), want: idngo.ErrWebhookSignature},
		"one digit":              {header: with(digest[:1]), want: idngo.ErrWebhookSignature},
		"not hexadecimal":        {header: with("g" + digest[1:]), want: idngo.ErrWebhookSignature},
		"not hexadecimal at end": {header: with(digest[:63] + "z"), want: idngo.ErrWebhookSignature},
		"space inside":           {header: with(digest[:31] + " " + digest[32:]), want: idngo.ErrWebhookSignature},
		"not ASCII":              {header: with("é" + digest[2:]), want: idngo.ErrWebhookSignature},
		"0x":                     {header: with("0x" + digest[2:]), want: idngo.ErrWebhookSignature},
		"sha256=":                {header: with("sha256=" + digest), want: idngo.ErrWebhookSignature},
		"quoted":                 {header: with(`"` + digest + `"`), want: idngo.ErrWebhookSignature},
		"two in one value":       {header: with(digest + "," + digest), want: idngo.ErrWebhookSignature},
		"two with a space":       {header: with(digest + ", " + digest), want: idngo.ErrWebhookSignature},
		"doubled":                {header: http.Header{d: {digest, digest}}, want: idngo.ErrWebhookSignature},
		"doubled, one wrong":     {header: http.Header{d: {digest, other}}, want: idngo.ErrWebhookSignature},
		"doubled, one empty":     {header: http.Header{d: {digest, ""}}, want: idngo.ErrWebhookSignature},
		"doubled by case":        {header: http.Header{d: {digest}, "x-payload-digest": {digest}}, want: idngo.ErrWebhookSignature},
		"another secret":         {header: with(other), want: idngo.ErrWebhookSignature},
		"all zero":               {header: with(strings.Repeat("0", 64)), want: idngo.ErrWebhookSignature},
		"SHA-512 as SHA-256":     {header: with(digest512), want: idngo.ErrWebhookSignature},
		"SHA-512 cut to 256":     {header: with(digest512[:64]), want: idngo.ErrWebhookSignature},
		"SHA-256 as SHA-512":     {header: named("HMAC_SHA512_HEX"), want: idngo.ErrWebhookSignature},

		"SHA-1":                   {header: http.Header{d: {digest1}, a: {"HMAC_SHA1_HEX"}}, want: idngo.ErrWebhookAlgorithm},
		"SHA-1 without its name":  {header: http.Header{d: {digest1}}, want: idngo.ErrWebhookSignature},
		"algorithm unknown":       {header: named("HMAC_MD5_HEX"), want: idngo.ErrWebhookAlgorithm},
		"algorithm empty":         {header: named(""), want: idngo.ErrWebhookAlgorithm},
		"algorithm in lower case": {header: named("hmac_sha256_hex"), want: idngo.ErrWebhookAlgorithm},
		"algorithm with a space":  {header: named("HMAC_SHA256_HEX "), want: idngo.ErrWebhookAlgorithm},
		"algorithms in one value": {header: named("HMAC_SHA256_HEX,HMAC_SHA256_HEX"), want: idngo.ErrWebhookAlgorithm},
		"algorithm none":          {header: named("none"), want: idngo.ErrWebhookAlgorithm},
		"algorithm doubled": {
			header: http.Header{d: {digest}, a: {"HMAC_SHA256_HEX", "HMAC_SHA256_HEX"}}, want: idngo.ErrWebhookAlgorithm,
		},
		"algorithm doubled by case": {
			header: http.Header{d: {digest}, a: {"HMAC_SHA256_HEX"}, "x-payload-digest-alg": {"HMAC_SHA1_HEX"}}, want: idngo.ErrWebhookAlgorithm,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := webhookVerifier(t).Verify(body, tt.header)
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, tt.want)
			for _, unwanted := range []string{digest[:16], "HMAC", "Лицо", string(webhookTestSecret)} {
				assert.NotContains(t, err.Error(), unwanted)
			}
		})
	}
}

func TestVerifyChangedBody(t *testing.T) {
	t.Parallel()
	v := webhookVerifier(t)
	body := webhookFixture(t, "alphabetical")
	header := idngo.SignWebhook(body, webhookTestSecret, idngo.HMACSHA256)
	require.NoError(t, v.Verify(body, header))
	for i := range body {
		changed := bytes.Clone(body)
		changed[i] ^= 1
		require.ErrorIs(t, v.Verify(changed, header), idngo.ErrWebhookSignature, "byte %d", i)
	}
	require.ErrorIs(t, v.Verify(body[:len(body)-1], header), idngo.ErrWebhookSignature)
	require.ErrorIs(t, v.Verify(append(body[:len(body):len(body)], '\n'), header), idngo.ErrWebhookSignature)
	require.ErrorIs(t, v.Verify(nil, header), idngo.ErrWebhookSignature)

	// The digest does not match the same JSON in another encoding.
	var value any
	require.NoError(t, json.Unmarshal(body, &value))
	again, err := json.MarshalIndent(value, "", "  ")
	require.NoError(t, err)
	require.JSONEq(t, string(body), string(again))
	require.ErrorIs(t, v.Verify(again, header), idngo.ErrWebhookSignature)
	require.ErrorIs(t, v.Verify(webhookFixture(t, "compact"), header), idngo.ErrWebhookSignature)
	require.ErrorIs(t, v.Verify(webhookFixture(t, "trailing-newline"), header), idngo.ErrWebhookSignature)
}

func TestRotation(t *testing.T) {
	t.Parallel()
	body := webhookFixture(t, "spec-pending")
	v := webhookVerifier(t, idngo.WithPreviousSecrets("old-1", "old-2"), idngo.WithPreviousSecrets(), idngo.WithPreviousSecrets("old-3"))
	for _, alg := range []idngo.DigestAlgorithm{idngo.HMACSHA256, idngo.HMACSHA512} {
		for _, s := range []idngo.Secret{webhookTestSecret, "old-1", "old-2", "old-3"} {
			assert.NoError(t, v.Verify(body, idngo.SignWebhook(body, s, alg)))
		}
		assert.ErrorIs(t, v.Verify(body, idngo.SignWebhook(body, "old-4", alg)), idngo.ErrWebhookSignature)
		assert.ErrorIs(t, v.Verify(body, idngo.SignWebhook(body, "", alg)), idngo.ErrWebhookSignature)
	}

	// A later change of the caller's list has no effect.
	list := []idngo.Secret{"old-1"}
	opt := idngo.WithPreviousSecrets(list...)
	list[0] = "attacker"
	v = webhookVerifier(t, opt)
	assert.NoError(t, v.Verify(body, idngo.SignWebhook(body, "old-1", idngo.HMACSHA256)))
	assert.ErrorIs(t, v.Verify(body, idngo.SignWebhook(body, "attacker", idngo.HMACSHA256)), idngo.ErrWebhookSignature)
}

func TestDigestAlgorithms(t *testing.T) {
	t.Parallel()
	body := webhookFixture(t, "spec-pending")
	all := []idngo.DigestAlgorithm{idngo.HMACSHA256, idngo.HMACSHA512, idngo.HMACSHA1}
	for _, allowed := range [][]idngo.DigestAlgorithm{
		all, {idngo.HMACSHA1}, {idngo.HMACSHA512}, {idngo.HMACSHA256, idngo.HMACSHA256}, {idngo.HMACSHA512, idngo.HMACSHA1},
	} {
		v := webhookVerifier(t, idngo.WithDigestAlgorithms(idngo.HMACSHA1), idngo.WithDigestAlgorithms(allowed...))
		for _, alg := range all {
			err := v.Verify(body, idngo.SignWebhook(body, webhookTestSecret, alg))
			if slices.Contains(allowed, alg) {
				assert.NoError(t, err)
			} else {
				assert.ErrorIs(t, err, idngo.ErrWebhookAlgorithm)
			}
		}
	}
}

// The digest of a delivery without an algorithm is checked with SHA-256 if that is allowed, else
// with the only allowed algorithm.
func TestDeliveryWithoutAlgorithm(t *testing.T) {
	t.Parallel()
	body := webhookFixture(t, "spec-pending")
	for name, tt := range map[string]struct {
		allowed []idngo.DigestAlgorithm
		uses    idngo.DigestAlgorithm // "": the delivery is refused
	}{
		"default": {allowed: []idngo.DigestAlgorithm{idngo.HMACSHA256, idngo.HMACSHA512}, uses: idngo.HMACSHA256},
		"all": {
			allowed: []idngo.DigestAlgorithm{idngo.HMACSHA1, idngo.HMACSHA512, idngo.HMACSHA256}, uses: idngo.HMACSHA256,
		},
		"SHA-256 only":                {allowed: []idngo.DigestAlgorithm{idngo.HMACSHA256}, uses: idngo.HMACSHA256},
		"SHA-512 only":                {allowed: []idngo.DigestAlgorithm{idngo.HMACSHA512}, uses: idngo.HMACSHA512},
		"SHA-512 only, named twice":   {allowed: []idngo.DigestAlgorithm{idngo.HMACSHA512, idngo.HMACSHA512}, uses: idngo.HMACSHA512},
		"SHA-1 only":                  {allowed: []idngo.DigestAlgorithm{idngo.HMACSHA1}, uses: idngo.HMACSHA1},
		"two, and none is SHA-256":    {allowed: []idngo.DigestAlgorithm{idngo.HMACSHA512, idngo.HMACSHA1}},
		"the same two, the other way": {allowed: []idngo.DigestAlgorithm{idngo.HMACSHA1, idngo.HMACSHA512}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verifier := webhookVerifier(t, idngo.WithDigestAlgorithms(tt.allowed...))
			for _, alg := range []idngo.DigestAlgorithm{idngo.HMACSHA256, idngo.HMACSHA512, idngo.HMACSHA1} {
				header := idngo.SignWebhook(body, webhookTestSecret, alg)
				header.Del(digestAlgHeader)
				err := verifier.Verify(body, header)
				switch {
				case tt.uses == alg:
					require.NoError(t, err)
				case tt.uses == "":
					require.ErrorIs(t, err, idngo.ErrWebhookAlgorithm)
				default:
					require.ErrorIs(t, err, idngo.ErrWebhookSignature)
				}
			}
			header := idngo.SignWebhook(body, webhookTestSecret, tt.allowed[0])
			header.Set(digestAlgHeader, "")
			require.ErrorIs(t, verifier.Verify(body, header), idngo.ErrWebhookAlgorithm, "an empty name is a name")
		})
	}
}

// The error says whether middleware has read the body without putting it back, or the secret is
// wrong.
func TestBodyWasReadBefore(t *testing.T) {
	t.Parallel()
	const says = "the body was read before"
	body := webhookFixture(t, "spec-pending")
	verifier := webhookVerifier(t)

	for name, read := range map[string]func(body io.ReadCloser){
		"all":  func(body io.ReadCloser) { _, _ = io.Copy(io.Discard, body) },
		"some": func(body io.ReadCloser) { _, _ = io.ReadFull(body, make([]byte, 10)) },
		"all, and closed": func(body io.ReadCloser) {
			_, _ = io.Copy(io.Discard, body)
			_ = body.Close()
		},
		"closed": func(body io.ReadCloser) { _ = body.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			var got error
			receive := func(w http.ResponseWriter, r *http.Request) {
				read(r.Body)
				_, got = verifier.Parse(r)
			}
			server := httptest.NewServer(http.HandlerFunc(receive))
			defer server.Close()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, bytes.NewReader(body))
			require.NoError(t, err)
			r.Header = idngo.SignWebhook(body, webhookTestSecret, idngo.HMACSHA256)
			response, err := server.Client().Do(r)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.ErrorIs(t, got, idngo.ErrWebhookSignature)
			require.ErrorContains(t, got, says)
		})
	}

	// This is a function that gets a body and a header.
	for _, name := range []string{"Content-Length", "content-length"} {
		header := idngo.SignWebhook(body, webhookTestSecret, idngo.HMACSHA256)
		header[name] = []string{strconv.Itoa(len(body))}
		err := verifier.Verify(nil, header)
		require.ErrorIs(t, err, idngo.ErrWebhookSignature)
		require.ErrorContains(t, err, says)
		require.NoError(t, verifier.Verify(body, header))
		err = verifier.Verify([]byte("{}"), header)
		require.ErrorIs(t, err, idngo.ErrWebhookSignature)
		assert.NotContains(t, err.Error(), says, "there is a body")
		for _, length := range []string{"0", "-1", "many", ""} {
			header[name] = []string{length}
			err := verifier.Verify(nil, header)
			require.ErrorIs(t, err, idngo.ErrWebhookSignature)
			assert.NotContains(t, err.Error(), says)
		}
	}
	// If the length is not declared, the sender may have sent nothing.
	err := verifier.Verify(nil, idngo.SignWebhook(body, webhookTestSecret, idngo.HMACSHA256))
	require.ErrorIs(t, err, idngo.ErrWebhookSignature)
	assert.NotContains(t, err.Error(), says)
}

// In FIPS 140-only mode the Go runtime panics at the first use of a short key or of SHA-1. So the
// constructors refuse them.
func TestConstructorsRefuseWhatFIPSModePanicsOn(t *testing.T) {
	if os.Getenv("IDNGO_TEST_FIPS_ONLY") == "" {
		t.Parallel()
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		child.Env = append(os.Environ(), "IDNGO_TEST_FIPS_ONLY=1", "GODEBUG=fips140=only")
		output, err := child.CombinedOutput()
		if bytes.Contains(output, []byte("fips140")) && !bytes.Contains(output, []byte("=== RUN")) {
			t.Skipf("this toolchain has no FIPS 140-only mode on this system: %s", output)
		}
		require.NoError(t, err, "%s", output)
		require.Contains(t, string(output), "--- PASS")
		return
	}
	const short, long = "short-key", "a-key-of-more-than-112-bits"
	for name, refused := range map[string]func() error{
		"NewClient": func() error {
			_, err := idngo.NewClient(idngo.Credentials{AppToken: "sbx:token", SecretKey: short})
			return err
		},
		"NewSigner": func() error {
			_, err := idngo.NewSigner(idngo.Credentials{AppToken: "sbx:token", SecretKey: short})
			return err
		},
		"NewWebhookVerifier": func() error { _, err := idngo.NewWebhookVerifier(short); return err },
		"NewWebhookVerifier, previous": func() error {
			_, err := idngo.NewWebhookVerifier(long, idngo.WithPreviousSecrets(short))
			return err
		},
		"NewWebhookVerifier, SHA-1": func() error {
			_, err := idngo.NewWebhookVerifier(long, idngo.WithDigestAlgorithms(idngo.HMACSHA1))
			return err
		},
	} {
		err := refused()
		require.ErrorIs(t, err, idngo.ErrInvalidArgument, name)
		require.ErrorContains(t, err, "FIPS 140-only mode", name)
		assert.NotContains(t, err.Error(), short)
	}
	_, err := idngo.NewClient(idngo.Credentials{AppToken: "sbx:token", SecretKey: long})
	require.NoError(t, err)
	verifier, err := idngo.NewWebhookVerifier(long)
	require.NoError(t, err)
	body := []byte(`{"type":"applicantActionPending"}`)
	require.NoError(t, verifier.Verify(body, idngo.SignWebhook(body, long, idngo.HMACSHA256)))
}

func TestNewWebhookVerifierRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		secret idngo.Secret
		opts   []idngo.WebhookOption
		says   string
	}{
		"empty secret":      {says: "webhook secret is empty"},
		"space before":      {secret: " se-cret", says: "webhook secret has spaces"},
		"line break after":  {secret: "se-cret\n", says: "webhook secret has spaces"},
		"control character": {secret: "se\x00cret", says: "webhook secret has control characters"},
		"quoted":            {secret: `"se-cret"`, says: "webhook secret has quotes around it"},
		"quoted once":       {secret: "'se-cret'", says: "webhook secret has quotes around it"},
		"printed":           {secret: redactedText, says: "webhook secret is the text that a secret prints as"},
		"only spaces":       {secret: "  ", says: "webhook secret has spaces"},
		"no-break space":    {secret: "se-cret\u00a0", says: "webhook secret has spaces"},
		"empty previous": {
			secret: "se-cret", opts: []idngo.WebhookOption{idngo.WithPreviousSecrets("a", "")}, says: "WithPreviousSecrets: secret 2 is empty",
		},
		"previous with CRLF": {
			secret: "se-cret", opts: []idngo.WebhookOption{idngo.WithPreviousSecrets("se-cret\r\n")},
			says: "WithPreviousSecrets: secret 1 has spaces",
		},
		"nil option":    {secret: "se-cret", opts: []idngo.WebhookOption{idngo.WithMaxBodySize(1), nil}, says: "option 2 is nil"},
		"limit 0":       {secret: "se-cret", opts: []idngo.WebhookOption{idngo.WithMaxBodySize(0)}, says: "WithMaxBodySize"},
		"limit below 0": {secret: "se-cret", opts: []idngo.WebhookOption{idngo.WithMaxBodySize(math.MinInt64)}, says: "WithMaxBodySize"},
		"nil hook": {
			secret: "se-cret", opts: []idngo.WebhookOption{idngo.WithWebhookErrors(nil)}, says: "WithWebhookErrors has a nil function",
		},
		"no algorithm": {secret: "se-cret", opts: []idngo.WebhookOption{idngo.WithDigestAlgorithms()}, says: "names no algorithm"},
		"unknown algorithm": {
			secret: "se-cret", opts: []idngo.WebhookOption{idngo.WithDigestAlgorithms(idngo.HMACSHA256, "HMAC_MD5_HEX")},
			says: "algorithm 2 is unknown",
		},
		"empty algorithm": {
			secret: "se-cret", opts: []idngo.WebhookOption{idngo.WithDigestAlgorithms("")}, says: "algorithm 1 is unknown",
		},
		"algorithm in low case": {
			secret: "se-cret", opts: []idngo.WebhookOption{idngo.WithDigestAlgorithms("hmac_sha256_hex")}, says: "algorithm 1 is unknown",
		},
		"wrong despite the next": {
			secret: "se-cret", opts: []idngo.WebhookOption{idngo.WithMaxBodySize(0), idngo.WithMaxBodySize(1)}, says: "WithMaxBodySize",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := idngo.NewWebhookVerifier(tt.secret, tt.opts...)
			require.ErrorIs(t, err, idngo.ErrInvalidArgument)
			assert.Nil(t, v)
			assert.ErrorContains(t, err, tt.says)
			assert.NotContains(t, err.Error(), "se-cret")
		})
	}
}

func TestVerifierNotMadeByConstructor(t *testing.T) {
	t.Parallel()
	body := webhookFixture(t, "spec-pending")
	for _, v := range []*idngo.WebhookVerifier{nil, {}} {
		require.ErrorIs(t, v.Verify(body, idngo.SignWebhook(body, "", idngo.HMACSHA256)), idngo.ErrInvalidArgument)
		_, err := v.Parse(webhookRequest(body))
		require.ErrorIs(t, err, idngo.ErrInvalidArgument)
		require.Panics(t, func() { v.Handler(func(context.Context, *idngo.WebhookEvent) error { return nil }) })
	}
}

func TestSignWebhookUnknownAlgorithm(t *testing.T) {
	t.Parallel()
	for _, alg := range []idngo.DigestAlgorithm{"", "HMAC_MD5_HEX", "hmac_sha256_hex"} {
		assert.Panics(t, func() { idngo.SignWebhook(nil, webhookTestSecret, alg) })
	}
}

func TestVerifierShowsNoSecret(t *testing.T) {
	t.Parallel()
	const current, previous = "very-secret-current", "very-secret-previous"
	v, err := idngo.NewWebhookVerifier(current, idngo.WithPreviousSecrets(previous))
	require.NoError(t, err)
	body := webhookFixture(t, "spec-pending")
	require.NoError(t, v.Verify(body, idngo.SignWebhook(body, previous, idngo.HMACSHA512)), "so that the pools are filled")

	var out []string
	holder := struct {
		V  *idngo.WebhookVerifier
		W  idngo.WebhookVerifier
		v  *idngo.WebhookVerifier
		w  idngo.WebhookVerifier
		o  idngo.WebhookOption
		vs []*idngo.WebhookVerifier
	}{V: v, W: *v, v: v, w: *v, o: idngo.WithPreviousSecrets(previous), vs: []*idngo.WebhookVerifier{v}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T", "%08.3f"} {
		for _, value := range []any{v, *v, &v, holder, &holder} {
			out = append(out, fmt.Sprintf(verb, value))
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		assert.Contains(t, fmt.Sprintf(verb, v), redactedText)
		assert.Contains(t, fmt.Sprintf(verb, *v), redactedText)
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		log.Reset()
		slog.New(h).Info("x", "v", v, "w", *v)
		assert.Equal(t, 2, strings.Count(log.String(), redactedText))
		slog.New(h).Info("x", "holder", holder, "p", &holder)
		out = append(out, log.String())
	}
	asJSON, err := json.Marshal([]any{v, *v})
	require.NoError(t, err)
	out = append(out, string(asJSON), v.String())
	for _, text := range out {
		for _, secret := range []string{current, previous} {
			for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret)))} {
				assert.NotContains(t, text, form)
			}
			assert.NotContains(t, text, strings.Trim(fmt.Sprint([]byte(secret)), "[]"))
		}
	}
}

// ---- events ----

func TestParseWebhookFixtures(t *testing.T) {
	t.Parallel()
	keys := map[string]string{}
	for name, body := range webhookFixtures(t) {
		e, err := idngo.ParseWebhook(body)
		require.NoError(t, err, name)
		assert.NotEmpty(t, e.Type, name)
		assert.Equal(t, string(body), string(e.Raw), name)
		assert.NotSame(t, &body[0], &e.Raw[0], name)
		var want idngo.WebhookEvent
		require.NoError(t, json.Unmarshal(body, &want), name)
		want.Raw = e.Raw
		assert.Equal(t, &want, e, name)
		assert.Regexp(t, "^[0-9a-f]{32}$", e.Key(), name)
		if at := e.Time(); !at.IsZero() {
			assert.Equal(t, time.UTC, at.Location(), name)
		}
		keys[e.Key()] += " " + name
	}
	for _, names := range keys {
		switch strings.Count(names, " ") {
		case 1:
		case 3: // one event in three encodings
			for _, name := range []string{"alphabetical", "compact", "trailing-newline"} {
				assert.Contains(t, names, " "+name)
			}
		default:
			t.Errorf("these have the same key:%s", names)
		}
	}
}

func TestParseWebhookValues(t *testing.T) {
	t.Parallel()
	parse := func(name string) *idngo.WebhookEvent {
		e, err := idngo.ParseWebhook(webhookFixture(t, name))
		require.NoError(t, err, name)
		return e
	}
	e := parse("spec-reviewed")
	assert.EqualValues(t, "applicantActionReviewed", e.Type)
	assert.Equal(t, "5dc158b109494c3cbf431e28", e.ApplicantID)
	assert.Equal(t, "5dc2d80ce3cc9b1c1e389c4c", e.ApplicantActionID)
	assert.Equal(t, "id122424234-action-random-r7otyykndi", e.ExternalApplicantActionID)
	assert.Equal(t, "5dc158b109494c3cbf431e29", e.InspectionID)
	assert.Equal(t, "req-c9041677-e8dc-446b-ab8f-50b438a40aa8", e.CorrelationID)
	assert.Equal(t, "id122424234", e.ExternalUserID)
	assert.EqualValues(t, "completed", e.ReviewStatus)
	assert.EqualValues(t, "GREEN", e.ReviewResult.ReviewAnswer)
	assert.Equal(t, time.Date(2020, 2, 21, 13, 23, 19, 987e6, time.UTC), e.Time())

	assert.Equal(t, "individual", parse("spec-pending").ApplicantType)
	assert.Empty(t, parse("spec-onhold").ExternalApplicantActionID)

	e = parse("reviewed-red")
	assert.EqualValues(t, "RED", e.ReviewResult.ReviewAnswer)
	assert.Len(t, e.ReviewResult.RejectLabels, 2)
	assert.Equal(t, "demo-client", e.ClientID)
	assert.Equal(t, "face-auth", e.LevelName)
	assert.Equal(t, "selfie-only", parse("level-changed").PreviousLevelName)
	assert.True(t, parse("reviewed-green-with-labels").SandboxMode)
	assert.False(t, parse("sandbox-mode-string").SandboxMode)
	e, err := idngo.ParseWebhook([]byte(`{"type":"t","levelName":"l","sandboxMode":"true","clientId":"c"}`))
	require.NoError(t, err)
	assert.Equal(t, &idngo.WebhookEvent{Type: "t", LevelName: "l", SandboxMode: true, ClientID: "c", Raw: e.Raw}, e)

	assert.Equal(t, "64b0aa10c1d2e3f4050617cc", parse("network-event").NetworkID)

	// A member of an unexpected type stays zero, and the other members are kept.
	e = parse("odd-members")
	assert.EqualValues(t, "GREEN", e.ReviewResult.ReviewAnswer)
	assert.Equal(t, "64b0aa10c1d2e3f405061702", e.ApplicantActionID)
	assert.Empty(t, e.LevelName)
	assert.Equal(t, time.Date(2024, 2, 3, 4, 5, 13, 1e6, time.UTC), e.Time())
}

// An event is an object with a type. Odd types of other members are no error. An id that is not a
// string still distinguishes events.
func TestParseWebhookOddCore(t *testing.T) {
	t.Parallel()
	parse := func(body string) *idngo.WebhookEvent {
		e, err := idngo.ParseWebhook([]byte(body))
		require.NoError(t, err, body)
		return e
	}
	assert.Equal(t, "918", parse(`{"type":"x","applicantId":918}`).ApplicantID)
	assert.Equal(t, "28", parse(`{"type":"x","externalUserId":28}`).ExternalUserID)
	assert.Equal(t, "7", parse(`{"type":"x","clientId":7}`).ClientID)
	assert.Equal(
		t, parse(`{"type":"x","createdAtMs":"вчера/1"}`).Key(), parse(`{"type":"x","createdAtMs":"\u0432чера\/1"}`).Key(),
		"escapes are not the date",
	)
	assert.NotEqual(t, parse(`{"type":"x","applicantActionId":1}`).Key(), parse(`{"type":"x","applicantActionId":2}`).Key())
	assert.Equal(
		t, parse(`{"type":"x","applicantActionId":{}}`).Key(), parse(`{ "type" : "x", "applicantActionId" : { } }`).Key(),
		"spaces are not the id",
	)
	assert.NotEqual(t, parse(`{"type":"x","inspectionId":1}`).Key(), parse(`{"type":"x","inspectionId":2}`).Key())
	assert.NotEqual(t, parse(`{"type":"x","networkId":1}`).Key(), parse(`{"type":"x","networkId":2}`).Key())
	assert.EqualValues(t, "GREEN", parse(`{"type":"x","reviewResult":"GREEN"}`).ReviewResult.ReviewAnswer)
	for _, odd := range []string{`[]`, `7`, `{"reviewAnswer":7}`, `{"reviewAnswer":{}}`, `[{"reviewAnswer":"GREEN"}]`} {
		assert.Empty(t, parse(`{"type":"x","reviewResult":`+odd+`}`).ReviewResult.ReviewAnswer, odd)
	}
}

func TestParseWebhookMalformed(t *testing.T) {
	t.Parallel()
	const canary = "918273645546372819"
	for _, body := range []string{
		"", " ", "\n", "\x00", "null", "true", canary, `"` + canary + `"`, "[]", `[{"type":"` + canary + `"}]`,
		"{}", `{"type":""}`, `{"type":null}`, `{"type":` + canary + `}`, `{"type":true}`, `{"type":{"a":"` + canary + `"}}`, `{"type":["x"]}`,
		`{"id":"` + canary + `"}`, `{"type":"x"`, `{"type":"x"}}`, `{"type":"x"} {"type":"y"}`, `{"type":"x",}`, `{'type':'x'}`,
		`{"type":"` + canary,
		"\ufeff" + `{"type":"x"}`, `type=x&id=` + canary, `<html>` + canary, "{\n// note\n\"type\":\"x\"}",
		`{"levelName":` + canary + `}`, `{"levelName":7,"type":""}`,
		`{"type":"x","a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
	} {
		e, err := idngo.ParseWebhook([]byte(body))
		if !assert.ErrorIs(t, err, idngo.ErrWebhookMalformed, "%.60q", body) {
			continue
		}
		assert.Nil(t, e)
		assert.Regexp(t, webhookMalformedText, err.Error())
		var syntax *json.SyntaxError
		assert.NotErrorAs(t, err, &syntax, "the text of that one quotes the body")
	}
}

// webhookMalformedText matches every text that an error of ParseWebhook may have.
var webhookMalformedText = regexp.MustCompile(`^idngo: webhook malformed: (not a JSON object, or its type is not a string|no type)$`)

func TestParseWebhookCopies(t *testing.T) {
	t.Parallel()
	body := webhookFixture(t, "reviewed-red")
	want := string(body)
	e, err := idngo.ParseWebhook(body)
	require.NoError(t, err)
	key := e.Key()
	for i := range body {
		body[i] = 'x'
	}
	assert.Equal(t, want, string(e.Raw))
	assert.Equal(t, key, e.Key())
	assert.Equal(t, "order-7001", e.ExternalApplicantActionID)
}

// keyOf parses a body and returns its key.
func keyOf(t testing.TB, body string) string {
	t.Helper()
	e, err := idngo.ParseWebhook([]byte(body))
	require.NoError(t, err)
	return e.Key()
}

// Receivers store keys in databases, so a key never changes.
func TestKeyGolden(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"spec-pending":               "34e4e0ecef09cd605217e6febb5f39f9",
		"spec-reviewed":              "f48d9b69dceec46bde1218da4cb012fd",
		"spec-onhold":                "369f98812065edfce33f7866dad8d2d2",
		"created-at-only":            "e8cd01b902c5fbe0b7e9f666d154a3d9",
		"created-at-ms-unknown-form": "8ffd941db35ca102d53544b6659454eb",
		"no-time":                    "0bd87a2f6c5346bb00637ad1afd59017",
		"type-only":                  "cbd038f3eecdbe50ac456e9ca29b48a2",
		"kyt-transaction":            "b2f5eeed31aadd1cdd0dbcf509f4f1a7",
		"network-event":              "d920efe5406430d51760bcd1ea35b851",
	} {
		assert.Equal(t, want, keyOf(t, string(webhookFixture(t, name))), name)
	}
}

func TestKeySameForEachDelivery(t *testing.T) {
	t.Parallel()
	for name, body := range webhookFixtures(t) {
		want := keyOf(t, string(body))
		assert.Equal(t, want, keyOf(t, string(body)), name)

		// This body has another order of members, other spaces and other escapes.
		var members map[string]any
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		require.NoError(t, dec.Decode(&members))
		sorted, err := json.Marshal(members)
		require.NoError(t, err)
		assert.Equal(t, want, keyOf(t, string(sorted)), name)

		// The service may set these members when it sends the event.
		members["reviewStatus"] = "onHold"
		members["sandboxMode"] = true
		members["newMember"] = []any{1}
		if e, err := idngo.ParseWebhook(body); assert.NoError(t, err) && (!e.CreatedAtMs.IsZero() || !e.CreatedAt.IsZero()) {
			members["correlationId"] = "another-attempt"
		}
		again, err := json.Marshal(members)
		require.NoError(t, err)
		assert.Equal(t, want, keyOf(t, string(again)), name)
	}
}

func TestKeyDiffersBetweenEvents(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	add := func(members ...string) {
		body := "{" + strings.Join(members, ",") + "}"
		key := keyOf(t, body)
		if other, ok := seen[key]; ok {
			t.Errorf("same key:\n%s\n%s", other, body)
		}
		seen[key] = body
	}
	// Each member has one of two values, or is missing, in every combination.
	types := []string{`"type":"applicantActionPending"`, `"type":"applicantActionReviewed"`}
	choices := func(name string, values ...string) []string {
		out := []string{`"none":0`}
		for _, v := range values {
			out = append(out, strconv.Quote(name)+`:`+v)
		}
		return out
	}
	times := []string{
		`"none":0`,
		`"createdAtMs":"2024-01-01 00:00:00.000"`, `"createdAtMs":"2024-01-01 00:00:00.001"`, `"createdAtMs":"2024-01-01 00:00:01.000"`,
		`"createdAt":"2024-01-01 00:00:02+0000"`, `"createdAt":"2024-01-01 00:00:03+0000"`,
		`"createdAtMs":"yesterday"`, `"createdAtMs":"today"`, `"createdAt":"tomorrow"`,
		`"createdAtMs":"","createdAt":"2024-01-01 00:00:04+0000"`,
	}
	for _, typ := range types {
		for _, applicant := range choices("applicantId", `"a"`, `"b"`) {
			for _, action := range choices("applicantActionId", `"a"`, `"b"`) {
				for _, external := range choices("externalApplicantActionId", `"a"`, `"b"`) {
					for _, inspection := range choices("inspectionId", `"a"`, `"b"`) {
						for _, at := range times {
							add(typ, applicant, action, external, inspection, at)
						}
						add(typ, applicant, action, external, inspection, `"correlationId":"c"`)
						add(typ, applicant, action, external, inspection, `"correlationId":"d"`)
					}
				}
			}
		}
	}
	// These values contain separators.
	for _, sep := range []string{",", "|", ":", "/", "\\u0000", "\\u0001", "\\u0002"} {
		add(`"type":"t"`, `"applicantId":"a`+sep+`b"`, `"applicantActionId":"c"`)
		add(`"type":"t"`, `"applicantId":"a"`, `"applicantActionId":"b`+sep+`c"`)
		add(`"type":"t`+sep+`a"`, `"applicantId":"b"`, `"applicantActionId":"c"`)
	}
	// These events are about a network only.
	add(`"type":"t"`, `"networkId":"a"`)
	add(`"type":"t"`, `"networkId":"b"`)
	add(`"type":"t"`, `"networkId":"a"`, `"createdAtMs":"2024-01-01 00:00:00.000"`)
	add(`"type":"t"`, `"applicantId":"a"`, `"networkId":"a"`)
	// A correlation id may have the form of a time, and the other way round.
	add(`"type":"t"`, `"correlationId":"2024-01-01 00:00:00.000"`)
	add(`"type":"t"`, `"createdAtMs":"2024-01-01 00:00:00.000"`)
	add(`"type":"t"`, `"createdAtMs":"c"`)
	add(`"type":"t"`, `"correlationId":"c"`)
	add(`"type":"t"`, `"correlationId":"\"c\""`)
}

func TestKeyTimeForms(t *testing.T) {
	t.Parallel()
	// All forms of one instant give the same key. createdAt is ignored if there is a createdAtMs.
	want := keyOf(t, `{"type":"t","createdAtMs":"2024-01-01 00:00:05.000"}`)
	for _, same := range []string{
		`{"type":"t","createdAtMs":"2024-01-01 00:00:05+0000"}`,
		`{"type":"t","createdAtMs":"2024-01-01T00:00:05Z"}`,
		`{"type":"t","createdAtMs":"2024-01-01 00:00:05.000","createdAt":"2024-01-01 00:00:05+0000"}`,
		`{"type":"t","createdAtMs":"2024-01-01 00:00:05.000","correlationId":"c"}`,
		`{"type":"t","createdAt":"2024-01-01 00:00:05+0000"}`,
		`{"type":"t","createdAtMs":null,"createdAt":"2024-01-01 00:00:05+0000"}`,
	} {
		assert.Equal(t, want, keyOf(t, same), same)
	}
	// This event was made by a program and has another time zone.
	e := idngo.WebhookEvent{Type: "t"}
	e.CreatedAtMs.Time = time.Date(2024, 1, 1, 5, 0, 5, 0, time.FixedZone("+05", 5*3600))
	assert.Equal(t, want, e.Key())
	// The nanoseconds of these years do not fit into 64 bits.
	assert.NotEqual(
		t, keyOf(t, `{"type":"t","createdAtMs":"1200-01-01 00:00:00.000"}`), keyOf(t, `{"type":"t","createdAtMs":"3200-01-01 00:00:00.000"}`),
	)
}

func TestEventTime(t *testing.T) {
	t.Parallel()
	at := func(members string) time.Time {
		e, err := idngo.ParseWebhook([]byte(`{"type":"t"` + members + `}`))
		require.NoError(t, err)
		return e.Time()
	}
	first, second := time.Date(2024, 5, 6, 7, 8, 9, 10e6, time.UTC), time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	assert.Equal(t, first, at(`,"createdAtMs":"2024-05-06 07:08:09.010","createdAt":"2024-05-06 07:08:09+0000"`))
	assert.Equal(t, second, at(`,"createdAt":"2024-05-06 07:08:09+0000"`))
	assert.Equal(t, second, at(`,"createdAtMs":null,"createdAt":"2024-05-06 07:08:09+0000"`))
	assert.Equal(t, second, at(`,"createdAtMs":"","createdAt":"2024-05-06 07:08:09+0000"`))
	assert.Equal(t, second, at(`,"createdAtMs":"this morning","createdAt":"2024-05-06 07:08:09+0000"`))
	assert.True(t, at(``).IsZero())
	assert.True(t, at(`,"createdAtMs":"this morning"`).IsZero())
}

// ---- Parse ----

func TestParse(t *testing.T) {
	t.Parallel()
	v := webhookVerifier(t)
	for name, body := range webhookFixtures(t) {
		for _, declared := range []int64{int64(len(body)), -1, 0, 1, int64(len(body)) - 1, 1 << 20} {
			r := webhookRequest(body)
			tracked := &faultnet.Body{Reader: bytes.NewReader(body)}
			r.Body, r.ContentLength = tracked, declared
			e, err := v.Parse(r)
			require.NoError(t, err, name)
			want, err := idngo.ParseWebhook(body)
			require.NoError(t, err)
			assert.Equal(t, want, e, name)
			assert.Equal(t, 1, tracked.Closes())

			// The next reader gets the same bytes, and a second Parse gets them too.
			_, err = v.Parse(r)
			require.NoError(t, err)
			e.Raw[0] = 'x' // Raw belongs to the caller
			after, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			assert.Equal(t, string(body), string(after))
			require.NoError(t, r.Body.Close())
		}
	}
}

func TestParseVerifiesFirst(t *testing.T) {
	t.Parallel()
	v := webhookVerifier(t)
	body := []byte("this is no JSON")
	r := webhookRequest(body)
	r.Header = idngo.SignWebhook(body, "another-secret", idngo.HMACSHA256)
	_, err := v.Parse(r)
	require.ErrorIs(t, err, idngo.ErrWebhookSignature)
	require.NotErrorIs(t, err, idngo.ErrWebhookMalformed)
	after, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, body, after, "also when it is refused")

	_, err = v.Parse(webhookRequest(body))
	require.ErrorIs(t, err, idngo.ErrWebhookMalformed)
}

func TestParseWithoutBody(t *testing.T) {
	t.Parallel()
	v := webhookVerifier(t)
	for _, body := range []io.ReadCloser{nil, http.NoBody} {
		r := webhookRequest(nil)
		r.Body = body
		_, err := v.Parse(r)
		require.ErrorIs(t, err, idngo.ErrWebhookMalformed, "signed, but no event")
		after, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Empty(t, after)

		r.Header = nil
		_, err = v.Parse(r)
		require.ErrorIs(t, err, idngo.ErrWebhookSignature)
	}
	_, err := v.Parse(nil)
	require.ErrorIs(t, err, idngo.ErrInvalidArgument)
}

func TestParseLimit(t *testing.T) {
	t.Parallel()
	body := webhookFixture(t, "reviewed-red")
	size := int64(len(body))
	for _, tt := range []struct {
		limit, declared int64
		tooLarge        bool
		read            int64 // the number of bytes read of the body
	}{
		{limit: size, declared: size, read: size},
		{limit: size, declared: -1, read: size},
		{limit: size, declared: 1, read: size},
		{limit: size + 1, declared: size, read: size},
		{limit: math.MaxInt64, declared: -1, read: size},
		{limit: math.MaxInt64, declared: math.MaxInt64, read: size},
		{limit: size - 1, declared: size, tooLarge: true, read: 0},
		{limit: size - 1, declared: -1, tooLarge: true, read: size},
		{limit: size - 1, declared: size - 1, tooLarge: true, read: size},
		{limit: 1, declared: -1, tooLarge: true, read: 2},
		{limit: 1, declared: 0, tooLarge: true, read: 2},
		{limit: 1, declared: 1, tooLarge: true, read: 2},
		{limit: 100, declared: 3, tooLarge: true, read: 101},
		{limit: 1, declared: math.MaxInt64, tooLarge: true, read: 0},
	} {
		name := fmt.Sprintf("limit %d, declared %d", tt.limit, tt.declared)
		r := webhookRequest(body)
		tracked := &faultnet.Body{Reader: bytes.NewReader(body)}
		r.Body, r.ContentLength = tracked, tt.declared
		_, err := webhookVerifier(t, idngo.WithMaxBodySize(tt.limit)).Parse(r)
		assert.Equal(t, tt.read, tracked.BytesRead(), name)
		if tt.tooLarge {
			require.ErrorIs(t, err, idngo.ErrWebhookTooLarge, name)
			declares := strings.Contains(err.Error(), strconv.FormatInt(tt.declared, 10)+" bytes declared")
			assert.Equal(t, tt.declared > tt.limit, declares, "%s: %v names a length only if that is the reason", name, err)
			assert.Zero(t, tracked.Closes(), name)
		} else {
			require.NoError(t, err, name)
		}
		after, err := io.ReadAll(r.Body)
		require.NoError(t, err, name)
		assert.Equal(t, string(body), string(after), name)
		require.NoError(t, r.Body.Close(), name)
		assert.Equal(t, 1, tracked.Closes(), name)
	}
}

func TestParseReadFails(t *testing.T) {
	t.Parallel()
	v := webhookVerifier(t)
	body := webhookFixture(t, "reviewed-red")
	lost := errors.New("connection lost")
	for name, tt := range map[string]struct {
		err    error
		want   error
		status int
	}{
		"cut off":            {err: io.ErrUnexpectedEOF, want: io.ErrUnexpectedEOF, status: 400},
		"lost":               {err: lost, want: lost, status: 400},
		"an end in disguise": {err: fmt.Errorf("gzip: %w", io.EOF), want: io.EOF, status: 400},
		"a limit around it":  {err: &http.MaxBytesError{Limit: 50}, want: idngo.ErrWebhookTooLarge, status: 413},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := func() (*http.Request, *faultnet.Body) {
				r := webhookRequest(body)
				tracked := &faultnet.Body{Reader: io.MultiReader(bytes.NewReader(body[:50]), iotest.ErrReader(tt.err))}
				r.Body = tracked
				return r, tracked
			}
			r, tracked := request()
			_, err := v.Parse(r)
			require.ErrorIs(t, err, tt.want)
			require.ErrorIs(t, err, tt.err)
			assert.NotContains(t, err.Error(), "applicant")
			// The next reader also gets the error, and not a short body.
			after, err := io.ReadAll(r.Body)
			require.Equal(t, tt.err, err)
			assert.Equal(t, string(body[:50]), string(after))
			require.NoError(t, r.Body.Close())
			assert.Equal(t, 1, tracked.Closes())

			r, _ = request()
			w := httptest.NewRecorder()
			v.Handler(func(context.Context, *idngo.WebhookEvent) error { panic("unreachable") }).ServeHTTP(w, r)
			assert.Equal(t, tt.status, w.Code)
		})
	}
}

// The test is not parallel, since it measures allocations.
func TestHandlerLargeBodyMemory(t *testing.T) {
	const size = 256 << 20
	h := webhookVerifier(t).Handler(func(context.Context, *idngo.WebhookEvent) error { panic("unreachable") })
	for _, tt := range []struct {
		name     string
		declared int64
		limit    uint64 // the largest number of allocated bytes
		read     int64  // the number of bytes read of the body
	}{
		{name: "declared", declared: size, limit: 100e3, read: 0},
		{name: "chunked", declared: -1, limit: 3 << 20, read: 1<<20 + 1},
		{name: "declared as nothing", declared: 0, limit: 3 << 20, read: 1<<20 + 1},
		{name: "declared small", declared: 100, limit: 3 << 20, read: 1<<20 + 1},
		{name: "declared so that doubling just misses the limit", declared: 126, limit: 3 << 20, read: 1<<20 + 1},
		{name: "the same, larger", declared: 65_534, limit: 3 << 20, read: 1<<20 + 1},
		{name: "declared as just allowed", declared: 1 << 20, limit: 3 << 20, read: 1<<20 + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			allocated := uint64(math.MaxUint64)
			for range 3 {
				body := &faultnet.Body{Reader: io.LimitReader(faultnet.Endless('x'), size)}
				r := httptest.NewRequest(http.MethodPost, "/", body)
				r.ContentLength = tt.declared
				r.Header = idngo.SignWebhook(nil, webhookTestSecret, idngo.HMACSHA256)
				w := httptest.NewRecorder()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				h.ServeHTTP(w, r)
				runtime.ReadMemStats(&after)
				allocated = min(allocated, after.TotalAlloc-before.TotalAlloc)
				require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
				require.Equal(t, tt.read, body.BytesRead())
			}
			t.Logf("%d bytes allocated", allocated)
			assert.Less(t, allocated, tt.limit)
		})
	}
}

// The test is not parallel, since it counts allocations.
func TestVerifyAllocatesNothing(t *testing.T) {
	v := webhookVerifier(
		t, idngo.WithPreviousSecrets("old-1", "old-2"), idngo.WithDigestAlgorithms(idngo.HMACSHA256, idngo.HMACSHA512, idngo.HMACSHA1),
	)
	body := webhookFixture(t, "reviewed-red")
	for _, alg := range []idngo.DigestAlgorithm{idngo.HMACSHA256, idngo.HMACSHA512, idngo.HMACSHA1} {
		header := idngo.SignWebhook(body, "old-2", alg)
		allocs := testing.AllocsPerRun(200, func() {
			if v.Verify(body, header) != nil {
				panic("refused")
			}
		})
		// Under the race detector, sync.Pool drops items on purpose.
		if !webhookPoolForgets() {
			assert.Zero(t, allocs, alg)
		}
	}
}

// webhookPoolForgets reports whether sync.Pool drops items at random, as it does under the race
// detector.
func webhookPoolForgets() bool {
	made := 0
	pool := sync.Pool{New: func() any { made++; return new(int) }}
	for range 100 {
		pool.Put(pool.Get())
	}
	return made > 10
}

// ---- Handler ----

func TestHandlerStatus(t *testing.T) {
	t.Parallel()
	body := webhookFixture(t, "spec-reviewed")
	malformed := []byte(`{"no":"type"}`)
	signed := func(body []byte, edit func(*http.Request)) *http.Request {
		r := webhookRequest(body)
		if edit != nil {
			edit(r)
		}
		return r
	}
	for name, tt := range map[string]struct {
		request *http.Request
		err     error // the error of the handler function
		status  int
		handled bool
	}{
		"good":                               {request: signed(body, nil), status: 200, handled: true},
		"unknown type":                       {request: signed(webhookFixture(t, "type-of-tomorrow"), nil), status: 200, handled: true},
		"handle fails":                       {request: signed(body, nil), err: errors.New("database: canary"), status: 500, handled: true},
		"handle fails with an error of ours": {request: signed(body, nil), err: idngo.ErrWebhookSignature, status: 500, handled: true},
		"GET":                                {request: signed(body, func(r *http.Request) { r.Method = http.MethodGet }), status: 405},
		"HEAD":                               {request: signed(body, func(r *http.Request) { r.Method = http.MethodHead }), status: 405},
		"PUT":                                {request: signed(body, func(r *http.Request) { r.Method = http.MethodPut }), status: 405},
		"post":                               {request: signed(body, func(r *http.Request) { r.Method = "post" }), status: 405},
		"method":                             {request: signed(body, func(r *http.Request) { r.Method = "" }), status: 405},
		"declared too large":                 {request: signed(body, func(r *http.Request) { r.ContentLength = 1<<20 + 1 }), status: 413},
		"too large": {
			request: signed(make([]byte, 1<<20+1), func(r *http.Request) { r.ContentLength = -1 }), status: 413,
		},
		"not signed": {request: signed(body, func(r *http.Request) { r.Header = http.Header{} }), status: 401},
		"signed by another": {
			request: signed(body, func(r *http.Request) { r.Header = idngo.SignWebhook(body, "another", idngo.HMACSHA256) }), status: 401,
		},
		"SHA-1": {
			request: signed(body, func(r *http.Request) { r.Header = idngo.SignWebhook(body, webhookTestSecret, idngo.HMACSHA1) }), status: 401,
		},
		"algorithm unknown":     {request: signed(body, func(r *http.Request) { r.Header.Set(digestAlgHeader, "x") }), status: 401},
		"doubled":               {request: signed(body, func(r *http.Request) { r.Header.Add(digestHeader, "x") }), status: 401},
		"malformed, not signed": {request: signed(malformed, func(r *http.Request) { r.Header = http.Header{} }), status: 401},
		"malformed":             {request: signed(malformed, nil), status: 400},
		"no body":               {request: signed(nil, nil), status: 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handled := false
			h := webhookVerifier(t).Handler(func(_ context.Context, e *idngo.WebhookEvent) error {
				handled = true
				require.NotNil(t, e)
				return tt.err
			})
			w := httptest.NewRecorder()
			h.ServeHTTP(w, tt.request)
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.handled, handled)
			if tt.status == 200 {
				assert.Empty(t, w.Body.String())
			} else {
				assert.Equal(t, http.StatusText(tt.status)+"\n", w.Body.String(), "and no more than that")
			}
			if tt.status == 405 {
				assert.Equal(t, "POST", w.Header().Get("Allow"))
			}
		})
	}
}

// The function of WithWebhookErrors gets each answer other than 200 once, with its request.
func TestWithWebhookErrors(t *testing.T) {
	t.Parallel()
	body := webhookFixture(t, "spec-reviewed")
	malformed := []byte(`{"no":"type"}`)
	databaseAway := fmt.Errorf("database: %w", errors.Join(errors.New("first line"), errors.New("second line")))
	edited := func(body []byte, edit func(*http.Request)) *http.Request {
		r := webhookRequest(body)
		edit(r)
		return r
	}
	large := make([]byte, 1<<20+1)
	for name, tt := range map[string]struct {
		request *http.Request
		fails   error // the error of the handler function
		status  int
		want    error // nil: any error
		text    string
		body    []byte // the body that can still be read
	}{
		"answered with 200": {request: webhookRequest(body), status: 200},
		"method": {
			request: edited(body, func(r *http.Request) { r.Method = "GET\n" }), status: 405, body: body,
			text: "idngo: webhook: the method is not POST",
		},
		"another secret": {
			request: edited(body, func(r *http.Request) { r.Header = idngo.SignWebhook(body, "another", idngo.HMACSHA256) }),
			status:  401, want: idngo.ErrWebhookSignature, body: body,
		},
		"no signature": {
			request: edited(body, func(r *http.Request) { r.Header = nil }), status: 401, want: idngo.ErrWebhookSignature, body: body,
		},
		"algorithm": {
			request: edited(body, func(r *http.Request) { r.Header.Set(digestAlgHeader, "x") }),
			status:  401, want: idngo.ErrWebhookAlgorithm, body: body,
		},
		"declared too large": {request: webhookRequest(large), status: 413, want: idngo.ErrWebhookTooLarge, body: large},
		"too large": {
			request: edited(large, func(r *http.Request) { r.ContentLength = -1 }), status: 413, want: idngo.ErrWebhookTooLarge, body: large,
		},
		"malformed":   {request: webhookRequest(malformed), status: 400, want: idngo.ErrWebhookMalformed, body: malformed},
		"not an JSON": {request: webhookRequest([]byte("x")), status: 400, want: idngo.ErrWebhookMalformed, body: []byte("x")},
		"broken body": {
			request: edited(body, func(r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(io.ErrNoProgress)) }),
			status:  400, want: io.ErrNoProgress,
		},
		"handler function": {
			request: webhookRequest(body), fails: databaseAway, status: 500, want: databaseAway, body: body,
			text: "idngo: webhook: handler function: database: first line second line",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var told []error
			hook := func(r *http.Request, err error) {
				told = append(told, err)
				assert.Same(t, tt.request, r)
				read, _ := io.ReadAll(r.Body)
				assert.Equal(t, string(tt.body), string(read), "the body from its first byte")
			}
			handler := webhookVerifier(t, idngo.WithWebhookErrors(hook)).
				Handler(func(context.Context, *idngo.WebhookEvent) error { return tt.fails })
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, tt.request)
			assert.Equal(t, tt.status, answer.Code)
			if tt.status == http.StatusOK {
				require.Empty(t, told)
				return
			}
			require.Len(t, told, 1)
			assert.Equal(t, http.StatusText(tt.status)+"\n", answer.Body.String(), "the sender is told no more")
			if tt.want != nil {
				require.ErrorIs(t, told[0], tt.want)
			}
			if tt.text != "" {
				require.EqualError(t, told[0], tt.text)
			}
			assert.NotContains(t, told[0].Error(), "\n")
		})
	}
}

// A panic of the handler function or of the hook reaches the server. A panic of the hook does not
// change the answer.
func TestWithWebhookErrorsPanics(t *testing.T) {
	t.Parallel()
	body := webhookFixture(t, "spec-reviewed")
	told := 0
	handler := webhookVerifier(t, idngo.WithWebhookErrors(func(*http.Request, error) { told++ })).
		Handler(func(context.Context, *idngo.WebhookEvent) error { panic("of the handler function") })
	answer := httptest.NewRecorder()
	assert.PanicsWithValue(t, "of the handler function", func() { handler.ServeHTTP(answer, webhookRequest(body)) })
	assert.Zero(t, told, "a panic is no error")
	assert.Empty(t, answer.Body.String())

	handler = webhookVerifier(t, idngo.WithWebhookErrors(func(*http.Request, error) { panic("of the hook") })).
		Handler(func(context.Context, *idngo.WebhookEvent) error { return nil })
	unsigned := webhookRequest(body)
	unsigned.Header = nil
	answer = httptest.NewRecorder()
	assert.PanicsWithValue(t, "of the hook", func() { handler.ServeHTTP(answer, unsigned) })
	assert.Equal(t, http.StatusUnauthorized, answer.Code)
	assert.Equal(t, "Unauthorized\n", answer.Body.String())
}

func TestHandlerNil(t *testing.T) {
	t.Parallel()
	assert.PanicsWithValue(t, "idngo: WebhookVerifier.Handler: handle is nil", func() { webhookVerifier(t).Handler(nil) })
}

func TestHandlerPanicGoesOn(t *testing.T) {
	t.Parallel()
	body := webhookFixture(t, "spec-reviewed")
	h := webhookVerifier(t).Handler(func(context.Context, *idngo.WebhookEvent) error { panic("canary") })
	assert.PanicsWithValue(t, "canary", func() { h.ServeHTTP(httptest.NewRecorder(), webhookRequest(body)) })
	h = webhookVerifier(t).Handler(func(context.Context, *idngo.WebhookEvent) error { panic(http.ErrAbortHandler) })
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() { h.ServeHTTP(httptest.NewRecorder(), webhookRequest(body)) })
}

func TestHandlerContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	body := webhookFixture(t, "spec-reviewed")
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "from the middleware"))
	h := webhookVerifier(t).Handler(func(got context.Context, e *idngo.WebhookEvent) error {
		assert.Equal(t, "from the middleware", got.Value(key{}))
		require.NoError(t, got.Err())
		cancel()
		<-got.Done()
		return got.Err()
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, webhookRequest(body).WithContext(ctx))
	assert.Equal(t, 500, w.Code)
}

// The handler works over real HTTP, behind a mux and behind middleware that reads the body before
// or after it.
func TestHandlerComposes(t *testing.T) {
	t.Parallel()
	body := webhookFixture(t, "reviewed-red")
	v := webhookVerifier(t, idngo.WithMaxBodySize(16<<10))
	var seen []string
	h := v.Handler(func(_ context.Context, e *idngo.WebhookEvent) error {
		seen = append(seen, e.Key())
		return nil
	})
	audit := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			after, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			assert.Equal(t, string(body), string(after))
		})
	}
	mux := http.NewServeMux()
	mux.Handle("/any/{tenant}", h)
	mux.Handle("POST /audited", audit(h))
	mux.Handle("POST /limited", http.MaxBytesHandler(h, 50))
	mux.Handle("POST /stripped/", http.StripPrefix("/stripped", audit(h)))
	mux.Handle("POST /own", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e, err := v.Parse(r); assert.NoError(t, err) {
			seen = append(seen, e.Key())
		}
		audit(h).ServeHTTP(w, r)
	}))
	server := httptest.NewServer(mux)
	defer server.Close()

	deliver := func(path string, body io.Reader, header http.Header) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, body)
		require.NoError(t, err)
		r.Header = header
		resp, err := server.Client().Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		if resp.StatusCode == 200 {
			assert.Empty(t, text)
		}
		return resp.StatusCode
	}
	header := func(body []byte) http.Header { return idngo.SignWebhook(body, webhookTestSecret, idngo.HMACSHA512) }
	chunked := func(body []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(body)} }
	for _, path := range []string{"/any/7", "/audited", "/stripped/x", "/own"} {
		assert.Equal(t, 200, deliver(path, bytes.NewReader(body), header(body)), path)
		assert.Equal(t, 200, deliver(path, chunked(body), header(body)), path)
	}
	assert.Len(t, seen, 10)
	assert.Len(t, slices.Compact(seen), 1)
	assert.Equal(t, 413, deliver("/limited", chunked(body), header(body)))
	large := make([]byte, 20<<10)
	assert.Equal(t, 413, deliver("/any/7", bytes.NewReader(large), header(large)))
	assert.Equal(t, 413, deliver("/any/7", chunked(large), header(large)))
	assert.Equal(t, 401, deliver("/any/7", bytes.NewReader(body), header(large)))
	assert.Len(t, seen, 10)

	resp, err := server.Client().Get(server.URL + "/any/7")
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, 405, resp.StatusCode)
	assert.Equal(t, "POST", resp.Header.Get("Allow"))
}

// 10,000 deliveries of 500 events arrive at once and out of order, each event 5 to 40 times. A
// receiver that knows only the keys acts once on each event.
func TestHandlerConcurrentRedeliveries(t *testing.T) {
	t.Parallel()
	const events, deliveries = 500, 10_000
	bodies := make([][]byte, events)
	for i := range bodies {
		// An action has three events. Every optional member is missing now and then. The test
		// distinguishes the events by their level, which is not in the key.
		event := map[string]any{
			"applicantId":               "applicant",
			"applicantActionId":         fmt.Sprintf("action-%d", i/3),
			"externalApplicantActionId": fmt.Sprintf("order-%d", i/3),
			"type":                      []string{"applicantActionPending", "applicantActionOnHold", "applicantActionReviewed"}[i%3],
			"createdAtMs":               "2024-01-01 00:00:00.000",
			"correlationId":             fmt.Sprintf("correlation-%d", i/3),
			"levelName":                 strconv.Itoa(i),
		}
		if i%5 == 0 {
			delete(event, "createdAtMs")
			event["createdAt"] = "2024-01-01 00:00:00+0000"
		}
		if i%7 == 0 {
			delete(event, "externalApplicantActionId")
		}
		if i%11 == 0 {
			delete(event, "createdAt")
			delete(event, "createdAtMs")
		}
		body, err := json.Marshal(event)
		require.NoError(t, err)
		bodies[i] = body
	}
	// Each event comes five times. The other deliveries are random, up to forty for an event.
	var order []int
	times := make([]int, events)
	for i := range events {
		for range 5 {
			order = append(order, i)
			times[i]++
		}
	}
	for len(order) < deliveries {
		if i := rand.IntN(events); times[i] < 40 {
			order = append(order, i)
			times[i]++
		}
	}
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })

	var mu sync.Mutex
	done := map[string]bool{}
	effects := map[string]int{}
	h := webhookVerifier(t, idngo.WithPreviousSecrets("old")).Handler(func(_ context.Context, e *idngo.WebhookEvent) error {
		mu.Lock()
		defer mu.Unlock()
		if done[e.Key()] {
			return nil
		}
		if rand.IntN(4) == 0 {
			return errors.New("the database hiccups: send it again")
		}
		done[e.Key()] = true
		effects[e.LevelName]++
		return nil
	})
	start := make(chan struct{})
	var wg sync.WaitGroup
	var answered [2]atomic.Int64
	for n, i := range order {
		secret := []idngo.Secret{webhookTestSecret, "old"}[n%2]
		wg.Go(func() {
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(bodies[i]))
			r.Header = idngo.SignWebhook(bodies[i], secret, idngo.HMACSHA256)
			<-start
			for { // the service sends the event again until the answer is 2xx
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code == http.StatusOK {
					answered[0].Add(1)
					return
				}
				if !assert.Equal(t, http.StatusInternalServerError, w.Code) {
					return
				}
				answered[1].Add(1)
				r.Body = io.NopCloser(bytes.NewReader(bodies[i]))
			}
		})
	}
	close(start)
	wg.Wait()
	assert.EqualValues(t, deliveries, answered[0].Load())
	assert.Len(t, effects, events)
	for level, n := range effects {
		assert.Equal(t, 1, n, "event %s", level)
	}
}

// ---- fuzzing ----

// webhookCorpus returns the files of testdata/fuzz for FuzzParseWebhook and FuzzVerify. They have
// every form of a payload in testdata/webhooks, some bodies that are not events, and every way to
// be refused.
func webhookCorpus(t testing.TB) map[string]string {
	t.Helper()
	corpus := map[string]string{}
	bodies := webhookFixtures(t)
	for name, body := range bodies {
		corpus["FuzzParseWebhook/"+name] = fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", body)
	}
	for name, body := range map[string]string{
		"not-empty-object": "{}", "not-null": "null", "not-array": `[{"type":"x"}]`, "not-cut-off": `{"type":"applicantActionPen`,
		"not-type-number": `{"type":7}`, "id-number": `{"type":"x","applicantActionId":1e999}`,
		"answer-object": `{"type":"x","reviewResult":{"reviewAnswer":{}}}`, "time-object": `{"type":"x","createdAtMs":{"a": 1}}`,
		"id-object": `{"type":"x","applicantActionId":{ }}`,
		"not-html":  "<html>", "not-bytes": "\xff\xfe\x00", "twice": `{"type":"x","type":"y","Type":"z"}`, "not-utf8": "{\"type\":\"\xff\"}",
	} {
		corpus["FuzzParseWebhook/"+name] = fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", body)
	}
	verify := func(name string, body []byte, digest, alg string, named bool) {
		corpus["FuzzVerify/"+name] = fmt.Sprintf("go test fuzz v1\n[]byte(%q)\nstring(%q)\nstring(%q)\nbool(%t)\n", body, digest, alg, named)
	}
	for name, body := range bodies {
		verify(name, body, idngo.SignWebhook(body, webhookTestSecret, idngo.HMACSHA256).Get(digestHeader), "HMAC_SHA256_HEX", true)
	}
	body := bodies["type-only"]
	d1 := idngo.SignWebhook(body, webhookTestSecret, idngo.HMACSHA1).Get(digestHeader)
	d256 := idngo.SignWebhook(body, webhookTestSecret, idngo.HMACSHA256).Get(digestHeader)
	d512 := idngo.SignWebhook(body, webhookTestSecret, idngo.HMACSHA512).Get(digestHeader)
	verify("sha512", body, d512, "HMAC_SHA512_HEX", true)
	verify("no-algorithm", body, d256, "", false)
	verify("upper-case", body, strings.ToUpper(d256), "HMAC_SHA256_HEX", true)
	verify("not-sha1", body, d1, "HMAC_SHA1_HEX", true)
	verify("not-empty-algorithm", body, d256, "", true)
	verify("not-lower-case-algorithm", body, d256, "hmac_sha256_hex", true)
	verify("not-empty", body, "", "HMAC_SHA256_HEX", true)
	verify("not-padded", body, d256+"=", "HMAC_SHA256_HEX", true)
	verify("not-prefixed", body, "sha256="+d256, "HMAC_SHA256_HEX", true)
	verify("not-truncated", body, d256[:62], "HMAC_SHA256_HEX", true)
	verify("not-hexadecimal", body, "xx"+d256[2:], "HMAC_SHA256_HEX", true)
	verify("not-another-secret", body, idngo.SignWebhook(body, "x", idngo.HMACSHA256).Get(digestHeader), "HMAC_SHA256_HEX", true)
	verify("not-another-body", body[1:], d256, "HMAC_SHA256_HEX", true)
	return corpus
}

// The files of the corpus match the fixtures. With IDNGO_UPDATE_CORPUS=1 the test writes them.
func TestWebhookCorpus(t *testing.T) {
	t.Parallel()
	faultnet.CheckCorpus(t, webhookCorpus(t))
}

// A digest of the same JSON in another form is refused: only the raw bytes count.
func TestVerifyRefusesTheDigestOfAnotherEncoding(t *testing.T) {
	t.Parallel()
	verifier := webhookVerifier(t)
	body := faultnet.ReadFile(t, "testdata/models/webhook_reviewed.json")
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, body))
	var value any
	require.NoError(t, json.Unmarshal(body, &value))
	marshaled, err := json.Marshal(value)
	require.NoError(t, err)
	for name, other := range map[string][]byte{
		"compact": compact.Bytes(), "encoded again": marshaled, "trimmed": bytes.TrimSpace(append(bytes.Clone(body), ' ')),
	} {
		header := idngo.SignWebhook(other, webhookTestSecret, idngo.HMACSHA256)
		sent := append(bytes.Clone(body), ' ')
		require.ErrorIs(t, verifier.Verify(sent, header), idngo.ErrWebhookSignature, name)
	}
}

// ParseWebhook decodes most bodies in a faster way than UnmarshalJSON. Both give the same event,
// also if a member comes twice with values of different types.
func TestWaysToDecodeAWebhookAgree(t *testing.T) {
	t.Parallel()
	const result = `{"reviewAnswer":"RED","rejectLabels":["X"],"reviewRejectType":"RETRY"}`
	values := []string{
		`null`, `1`, `true`, `""`, `"text"`, `{}`, `[]`, `[null]`, result, `{"reviewAnswer":null}`, `{"reviewAnswer":"GREEN"}`,
		`[{"applicantId":"a"}]`, `"2020-02-21 13:23:19+0000"`, `"2021-02-21 13:23:19.987"`,
	}
	event := reflect.TypeFor[idngo.WebhookEvent]()
	for i := range event.NumField() {
		name, _, _ := strings.Cut(event.Field(i).Tag.Get("json"), ",")
		for _, first := range values {
			for _, second := range values {
				body := fmt.Sprintf(`{"type":"x",%q:%s,%q:%s}`, name, first, name, second)
				fast, err := idngo.ParseWebhook([]byte(body))
				var slow idngo.WebhookEvent
				slowErr := json.Unmarshal([]byte(body), &slow)
				if err != nil {
					assert.True(t, slowErr != nil || slow.Type == "", body)
					continue
				}
				slow.Raw = fast.Raw
				require.NoError(t, slowErr, body)
				require.Equal(t, &slow, fast, body)
			}
		}
	}
}

func FuzzParseWebhook(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		e, err := idngo.ParseWebhook(body)
		require.True(t, bytes.Equal(before, body), "the body was written to")
		if err != nil {
			require.Nil(t, e)
			require.ErrorIs(t, err, idngo.ErrWebhookMalformed)
			require.Regexp(t, webhookMalformedText, err.Error())
			return
		}
		require.NotEmpty(t, e.Type)
		require.True(t, bytes.Equal(body, e.Raw))
		require.Equal(t, time.UTC, e.Time().Location())
		key := e.Key()
		require.Regexp(t, "^[0-9a-f]{32}$", key)

		var compact bytes.Buffer
		require.NoError(t, json.Compact(&compact, body))
		again, err := idngo.ParseWebhook(compact.Bytes())
		require.NoError(t, err)
		require.Equal(t, key, again.Key(), "another encoding of it")
		var slow idngo.WebhookEvent
		require.NoError(t, slow.UnmarshalJSON(body))
		slow.Raw = e.Raw
		require.Equal(t, &slow, e)
		want, err := json.Marshal(e)
		require.NoError(t, err)
		got, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
	})
}

func FuzzVerify(f *testing.F) {
	v := webhookVerifier(f, idngo.WithPreviousSecrets("old"))
	f.Fuzz(func(t *testing.T, body []byte, digest, alg string, named bool) {
		header := http.Header{digestHeader: {digest}}
		want := idngo.ErrWebhookSignature
		newHash, ok := map[string]func() hash.Hash{"HMAC_SHA256_HEX": sha256.New, "HMAC_SHA512_HEX": sha512.New}[alg]
		if named {
			header[digestAlgHeader] = []string{alg}
		} else {
			newHash, ok = sha256.New, true
		}
		if !ok {
			want = idngo.ErrWebhookAlgorithm
		} else {
			for _, secret := range []idngo.Secret{webhookTestSecret, "old"} {
				mac := hmac.New(newHash, []byte(secret))
				mac.Write(body)
				if strings.ToLower(digest) == hex.EncodeToString(mac.Sum(nil)) {
					want = nil
				}
			}
		}
		err := v.Verify(body, header)
		if want == nil {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, want)
			require.Regexp(t, `^idngo: webhook (signature mismatch: [a-zA-Z -]+|digest algorithm not allowed)$`, err.Error())
		}

		// Parse accepts the same deliveries. It returns an event, or an error that the body is malformed.
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header = header
		e, err := v.Parse(r)
		switch {
		case want != nil:
			require.ErrorIs(t, err, want)
		case err != nil:
			require.ErrorIs(t, err, idngo.ErrWebhookMalformed)
		default:
			require.True(t, bytes.Equal(body, e.Raw))
		}
		after, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.True(t, bytes.Equal(body, after))

		// The same body with a right digest is accepted, and with two digests it is refused.
		for _, alg := range []idngo.DigestAlgorithm{idngo.HMACSHA256, idngo.HMACSHA512} {
			header := idngo.SignWebhook(body, webhookTestSecret, alg)
			require.NoError(t, v.Verify(body, header))
			header.Add(digestHeader, digest)
			require.ErrorIs(t, v.Verify(body, header), idngo.ErrWebhookSignature)
		}
	})
}
