//go:build live

package e2e_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
)

// TestLive takes an action in an account of the service from creation to submit. It
// leaves one or two actions behind, with an external id that begins with idngo-live-. It is
// built with -tags live only, and skipped without credentials:
//
//	IDNGO_APP_TOKEN=sbx:… IDNGO_SECRET_KEY=… IDNGO_USER_ID=… IDNGO_LEVEL=… \
//		go test -count=1 -tags live ./internal/e2e -run TestLive
func TestLive(t *testing.T) {
	for _, name := range []string{"IDNGO_APP_TOKEN", "IDNGO_SECRET_KEY", "IDNGO_USER_ID", "IDNGO_LEVEL"} {
		if os.Getenv(name) == "" {
			t.Skipf("needs an account of the service: %s is not set", name)
		}
	}
	token := os.Getenv("IDNGO_APP_TOKEN")
	if !strings.HasPrefix(token, "sbx:") && !strings.HasPrefix(token, "tst:") && os.Getenv("IDNGO_LIVE_PRODUCTION") != "1" {
		t.Skip("the app token is of a production account, and IDNGO_LIVE_PRODUCTION is not 1")
	}
	account := liveAccount{
		userID: os.Getenv("IDNGO_USER_ID"), level: os.Getenv("IDNGO_LEVEL"),
		credentials: idngo.Credentials{AppToken: idngo.Secret(token), SecretKey: idngo.Secret(os.Getenv("IDNGO_SECRET_KEY"))},
		baseURL:     os.Getenv("IDNGO_BASE_URL"),
	}
	if account.baseURL == "" {
		account.baseURL = idngo.DefaultBaseURL
	}
	client, err := account.newClient()
	require.NoError(t, err)
	account.test(t, client)
}
