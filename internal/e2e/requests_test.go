package e2e_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// goldenRequests returns the calls whose requests are in testdata/requests under the same names.
// file is the path of an image.
func goldenRequests(file string) map[string]func(context.Context, *idngo.Client) error {
	return map[string]func(context.Context, *idngo.Client) error{
		"create_action": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.CreateAction(ctx, "63e096c51b6b4030f2e01154", idngo.CreateActionParams{
				LevelName: "some-level-name", ExternalActionID: "yourActionId", Email: "example@email.com", Phone: "+49 123456789",
			})
			return err
		},
		"create_action_questionnaire": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.CreateAction(ctx, "a/b;c d", idngo.CreateActionParams{
				LevelName: "уровень 1/2 + &=?#%", ExternalActionID: "yourActionId",
				Questionnaires: []idngo.Questionnaire{{ID: "Example_Questionnaire", Sections: map[string]idngo.QuestionnaireSection{
					"section_id_1": {Items: map[string]idngo.QuestionnaireItem{
						"item_id_0": idngo.ItemValues("EUR", "USD"), "item_id_1": idngo.ItemValue("String Value"),
					}},
					"section_id_2": {Items: map[string]idngo.QuestionnaireItem{"item_id_3": idngo.ItemNull()}},
				}}},
				Extra: map[string]any{"paymentMethod": map[string]any{"type": "bankCard"}, "aNumber": 1},
			})
			return err
		},
		"create_websdk_link": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{
				LevelName: "action level/1", ExternalUserID: "304775ty", ExternalActionID: "actionID123", Locale: "kk", TTL: time.Hour,
			})
			return err
		},
		"create_websdk_link_short": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{LevelName: "action-level", ExternalUserID: "304775ty"})
			return err
		},
		"add_image": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.AddImage(ctx, "5e022e0f0a975a45325c7ff5", idngo.AddImageParams{
				IDDocType: idngo.IDDocTypeSelfie, Country: "GBR", Image: idngo.ImageFile(file),
			})
			return err
		},
		"add_image_side": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.AddImage(ctx, "5e022e0f0a975a45325c7ff5", idngo.AddImageParams{
				IDDocType: idngo.IDDocTypePassport, IDDocSubType: idngo.IDDocSubTypeFrontSide, Country: "KAZ",
				Image: idngo.ImageReader("", strings.NewReader("not an image")), ContentType: "application/octet-stream",
			})
			return err
		},
		"submit_action": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.SubmitAction(ctx, "5e022e0f0a975a45325c7ff5")
			return err
		},
		"get_action": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.GetAction(ctx, "5d9f76507edd7d8162bfcea8")
			return err
		},
		"get_applicant": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.GetApplicant(ctx, "63e096c51b6b4030f2e01154")
			return err
		},
		"find_applicant": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.FindApplicant(ctx, "user/1 @;=")
			return err
		},
		"list_actions": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.ListActions(ctx, "5e5f9ab10a975a6e224dc286", idngo.ListActionsParams{})
			return err
		},
		"list_actions_page": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.ListActions(ctx, "a b", idngo.ListActionsParams{Limit: 5, Offset: 10, Order: "createdAt"})
			return err
		},
		"open_image": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.DownloadImage(ctx, "5d9f76507edd7d8162bfcea8", "1411431805", io.Discard, idngo.ImageParams{})
			return err
		},
		"open_image_preview": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.DownloadImage(ctx, "5d9f76507edd7d8162bfcea8", "1411431805", io.Discard, idngo.ImageParams{Preview: true})
			return err
		},
		"create_access_token": func(ctx context.Context, client *idngo.Client) error {
			_, err := client.CreateAccessToken(
				ctx, idngo.AccessTokenParams{UserID: "JamesBond007", ExternalActionID: "JamesBond007Action1", LevelName: "action-liveness"},
			)
			return err
		},
		"do": func(ctx context.Context, client *idngo.Client) error {
			return client.Do(ctx, http.MethodPatch, "/resources/some%20thing/-;a=b", map[string][]string{"b": {"2 +"}, "a": {"1"}},
				map[string]any{"x": "<&>"}, nil, idngo.WithHeader("x-custom", "yes"))
		},
	}
}

// The test compares each call as it goes over the wire: method, request URI, headers and body. The
// clock is fixed. The boundary and the signature that depends on it are replaced after the
// signature was checked.
func TestGoldenRequests(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "Фото \"1\".jpg")
	require.NoError(t, os.WriteFile(file, []byte("\xff\xd8\xff\xd9"), 0o600))
	for name, call := range goldenRequests(file) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = dumpRequest(t, r)
				w.Header().Set("Content-Type", "application/json")
				if strings.Contains(r.URL.Path, "/images/") {
					w.Header().Set("Content-Type", "image/jpeg")
				}
				segments := strings.Split(r.URL.Path, "/")
				id := strings.TrimPrefix(segments[min(4, len(segments)-1)], "-")
				_, _ = io.WriteString(w, `{"id":"`+cmp.Or(id, "1")+`","token":"t","url":"u","list":{"items":[],"totalItems":0}}`)
			}))
			defer server.Close()
			client, err := idngo.NewClient(idngo.Credentials{AppToken: faultnet.AppToken, SecretKey: faultnet.SecretKey},
				idngo.WithBaseURL(server.URL+"/prefix/"), idngo.WithUserAgent("golden/1"),
				idngo.WithClock(func() time.Time { return time.Unix(1700000000, 0) }))
			require.NoError(t, err)
			require.NoError(t, call(t.Context(), client))

			golden := faultnet.Testdata(t, "requests", name+".txt")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o750))
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
			}
			assert.Equal(t, string(faultnet.ReadFile(t, golden)), got, "run with -update if this is meant")
		})
	}
}

// FuzzRequests makes every call with any ids and names, through the writer and the reader of
// requests in net/http. The simulator checks the signature of each request. The service must get
// the values that the caller has passed.
func FuzzRequests(f *testing.F) {
	f.Add("63e096c51b6b4030f2e01154", "payout-4711", "action-liveness", "JamesBond007", "kk")
	f.Add("a/b;c d", "-;applicantId=x", "уровень 1/2 + &=?#%", "304775ty@b", "")
	f.Add("..a", "%2F%zz", "a+b%20c", "\x00\r\nHost: h", "\xff")
	f.Add(".", "..", "//", " ", "?")
	f.Add("", "\"", "\\", "\u2028", "<&>")
	f.Add(strings.Repeat("é", 2<<10), "", "", "", "")
	f.Fuzz(func(t *testing.T, applicantID, externalID, level, user, locale string) {
		if len(url.QueryEscape(applicantID+externalID+level+user+locale)) > 12<<10 {
			t.Skip("the simulator answers 414 to a request target above 16 KiB")
		}
		var seen []simulator.Request
		service, err := simulator.New(simulator.Config{
			AppToken: faultnet.AppToken, SecretKey: faultnet.SecretKey, AnyLevel: true, PathPrefix: "/a/prefix",
			ReviewDelay: -1, OnRequest: func(r simulator.Request) { seen = append(seen, r) },
		})
		require.NoError(t, err)
		defer service.Close()
		_ = service.AddApplicant(applicantID, user) // the simulator refuses an empty id, as the client does
		client := faultnet.NewClient(t, onTheWire(t, service), faultnet.OneAttempt(), idngo.WithBaseURL("http://127.0.0.1/a/prefix"))
		ctx := t.Context()

		arrived := func(operation string, err error) bool {
			if errors.Is(err, idngo.ErrInvalidArgument) {
				require.Empty(t, seen, "refused on this side, but sent")
				return false
			}
			require.NotEmpty(t, seen)
			for _, r := range seen {
				require.Equal(t, simulator.VerdictOK, r.Signature, "%s %s: %s", r.Method, r.Target, r.StringToSign)
				require.Equal(t, operation, r.Operation, r.Target)
			}
			require.NoError(t, err)
			seen = nil
			return true
		}
		_, err = client.CreateAccessToken(ctx, idngo.AccessTokenParams{UserID: user, ExternalActionID: externalID, LevelName: level})
		arrived("CreateAccessToken", err)
		link := idngo.WebSDKLinkParams{LevelName: level, ExternalUserID: user, ExternalActionID: externalID, Locale: locale}
		if externalID != "" { // the simulator only has levels of actions
			_, err = client.CreateWebSDKLink(ctx, link)
			arrived("CreateWebSDKLink", err)
		}
		created, err := client.CreateAction(ctx, applicantID, idngo.CreateActionParams{LevelName: level, ExternalActionID: externalID})
		if arrived("CreateAction", err) {
			kept := service.Actions()
			require.Len(t, kept, 1)
			assert.Equal(t, []string{applicantID, externalID, level}, []string{kept[0].ApplicantID, kept[0].ExternalActionID, kept[0].LevelName})
			found, err := client.FindAction(ctx, applicantID, externalID)
			require.True(t, arrived("ListActions", err))
			assert.Equal(t, created.ID, found.ID)
		}

		// No action and no image has these ids.
		for operation, call := range map[string]func() error{
			"GetAction":    func() error { _, err := client.GetAction(ctx, externalID); return err },
			"SubmitAction": func() error { _, err := client.SubmitAction(ctx, externalID); return err },
			"OpenImage": func() error {
				_, err := client.DownloadImage(ctx, externalID, idngo.ImageID(applicantID), io.Discard, idngo.ImageParams{Preview: true})
				return err
			},
			"AddImage": func() error {
				_, err := client.AddImage(ctx, externalID, faultnet.Selfie(idngo.ImageBytes(level, []byte(user))))
				return err
			},
		} {
			if err := call(); err != nil && !errors.Is(err, idngo.ErrInvalidArgument) {
				require.ErrorIs(t, err, idngo.ErrNotFound)
				err = nil
				arrived(operation, err)
			}
		}
	})
}

// onTheWire returns a transport that passes requests to a handler as bytes, as a connection would.
func onTheWire(t *testing.T, handler http.Handler) http.RoundTripper {
	return faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		var wire bytes.Buffer
		require.NoError(t, req.Write(&wire))
		got, err := http.ReadRequest(bufio.NewReader(&wire))
		require.NoError(t, err)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, got)
		return answer.Result(), nil
	})
}

// dumpRequest returns a request in the form of the golden files, and checks its signature.
func dumpRequest(t *testing.T, r *http.Request) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	assert.NoError(t, err)
	faultnet.AssertSigned(t, r.Method, r.RequestURI, r.Header, body)
	_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if boundary := params["boundary"]; boundary != "" {
		body = bytes.ReplaceAll(body, []byte(boundary), []byte("BOUNDARY"))
		r.Header.Set("Content-Type", strings.ReplaceAll(r.Header.Get("Content-Type"), boundary, "BOUNDARY"))
		r.Header.Set("X-App-Access-Sig", "(checked)")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\n", r.Method, r.RequestURI, r.Proto)
	var lines []string
	for key, values := range r.Header {
		for _, value := range values {
			lines = append(lines, key+": "+value+"\n")
		}
	}
	slices.Sort(lines)
	fmt.Fprintf(&b, "%s\n%s", strings.Join(lines, ""), strings.ReplaceAll(string(body), "\r\n", "\n"))
	return b.String()
}
