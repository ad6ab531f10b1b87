package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/race"
)

// Each value that must not be shown has a mark, such as zq07core in hiddenExternal. Around the mark
// it has characters that URLs, JSON, HTML and Go's quoting escape. So a test need not know how a
// value is written. If an error of GetAction contains "ext%20zq07core%5Cx", the test finds zq07core
// and reports it. A signature has no mark: it is any run of 64 hexadecimal digits.
const (
	hiddenKey      = "SEC~zq01core/+=key"
	hiddenToken    = "sbx:zq02core.zq03core"
	hiddenUser     = "jane.zq04core+kyc@example.kz"
	hiddenLevel    = "lvl zq05core & Co/ü"
	hiddenExtUser  = `usr zq06core"'<>`
	hiddenExternal = `ext zq07core\x`
	hiddenLocale   = "zq08core"
	hiddenOwner    = "app zq09core?;="
	hiddenAction   = "act/zq10core 7"
	hiddenImage    = "img zq11core"
	hiddenMail     = "mail.zq12core@example.kz"
	hiddenPhone    = "+7 701 zq13core 55"
	hiddenAnswer   = "answer zq14core \"quoted\"\n<&> next"
	hiddenAnswers  = "zq15core, Иванова"
	hiddenExtra    = "zq16core"
	hiddenHeader   = "cust zq17core"
	hiddenFile     = `jane zq18core "x".jpg`
	hiddenSegment  = "zq19core"
	hiddenQuery    = "q zq20core=&"
	hiddenMember   = "zq21core"
	hiddenRaw      = "raw zq22core text"
	hiddenAccess   = "_act-sbx-zq23core"
	hiddenLink     = "https://in.example.kz/websdk/p/zq24core?a=zq25core"
	hiddenWebhook  = "zq26core-webhook-secret"
	hiddenWhen     = "zq27core" // a value in an object in a list
	hiddenProxy    = "zq28core"
)

var (
	hiddenCreds      = idngo.Credentials{AppToken: hiddenToken, SecretKey: hiddenKey}
	markPattern      = regexp.MustCompile(`(?i)zq\d\dcore`)
	signaturePattern = regexp.MustCompile(`[0-9a-f]{64}`)
)

// hiddenCalls returns all calls, with arguments that must not be shown.
func hiddenCalls() map[string]func(context.Context, *idngo.Client, ...idngo.RequestOption) error {
	create := idngo.CreateActionParams{
		LevelName: hiddenLevel, ExternalActionID: hiddenExternal, Email: hiddenMail, Phone: hiddenPhone,
		Questionnaires: []idngo.Questionnaire{{ID: "q1", Sections: map[string]idngo.QuestionnaireSection{
			"s1": {Items: map[string]idngo.QuestionnaireItem{"i1": idngo.ItemValue(hiddenAnswer), "i2": idngo.ItemValues("no", hiddenAnswers)}},
		}}},
		Extra: map[string]any{"note": hiddenExtra, "when": []any{map[string]any{"x": hiddenWhen}}},
	}
	return map[string]func(context.Context, *idngo.Client, ...idngo.RequestOption) error{
		"CreateAction": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.CreateAction(ctx, hiddenOwner, create, opts...)
			return err
		},
		"EnsureAction": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.EnsureAction(ctx, hiddenOwner, create, opts...)
			return err
		},
		"FindAction": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.FindAction(ctx, hiddenOwner, hiddenExternal, opts...)
			return err
		},
		"CreateWebSDKLink": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{
				LevelName: hiddenLevel, ExternalUserID: hiddenExtUser, ExternalActionID: hiddenExternal, Locale: hiddenLocale, TTL: time.Hour,
			}, opts...)
			return err
		},
		"CreateAccessToken": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.CreateAccessToken(ctx, idngo.AccessTokenParams{
				UserID: hiddenUser, LevelName: hiddenLevel, ExternalActionID: hiddenExternal,
			}, opts...)
			return err
		},
		"AddImage": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.AddImage(ctx, hiddenAction, idngo.AddImageParams{
				IDDocType: "SELFIE", Country: "KAZ", Image: idngo.ImageBytes(hiddenFile, []byte(faultnet.ImageContent)),
			}, opts...)
			return err
		},
		"SubmitAction": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.SubmitAction(ctx, hiddenAction, opts...)
			return err
		},
		"GetAction": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.GetAction(ctx, hiddenAction, opts...)
			return err
		},
		"ConfirmAction": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.ConfirmAction(ctx, hiddenAction, idngo.ActionExpectation{
				ApplicantID: hiddenOwner, ExternalActionID: hiddenExternal, LevelName: hiddenLevel,
			}, opts...)
			return err
		},
		"RequireApproved": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			want := idngo.ActionExpectation{ApplicantID: hiddenOwner, ExternalActionID: hiddenExternal, LevelName: hiddenLevel}
			_, err := client.RequireApproved(ctx, hiddenAction, want, opts...)
			return err
		},
		"CheckCredentials": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			return client.CheckCredentials(ctx, opts...)
		},
		"GetApplicant": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.GetApplicant(ctx, hiddenOwner, opts...)
			return err
		},
		"FindApplicant": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.FindApplicant(ctx, hiddenExtUser, opts...)
			return err
		},
		"WaitForReview": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			_, err := client.WaitForReview(ctx, hiddenAction, idngo.WaitParams{}, opts...)
			return err
		},
		"ListActions": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.ListActions(ctx, hiddenOwner, idngo.ListActionsParams{Order: hiddenQuery}, opts...)
			return err
		},
		"AllActions": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) (err error) {
			for _, err = range client.AllActions(ctx, hiddenOwner, idngo.ListActionsParams{Order: hiddenQuery}, opts...) {
				_ = err
			}
			return err
		},
		"OpenImage": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			content, err := client.OpenImage(ctx, hiddenAction, hiddenImage, idngo.ImageParams{Preview: true}, opts...)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, content)
			return errors.Join(err, content.Close())
		},
		"DownloadImage": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.DownloadImage(ctx, hiddenAction, hiddenImage, io.Discard, idngo.ImageParams{Preview: true}, opts...)
			return err
		},
		"Do POST": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			body := map[string]any{"k": []string{hiddenMember}}
			return client.Do(ctx, "POST", "/x/"+hiddenSegment, url.Values{"q": {hiddenQuery}}, body, new(map[string]any), opts...)
		},
		"Do PUT of a text": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			return client.Do(ctx, "PUT", "/x/"+hiddenSegment, url.Values{"q": {hiddenQuery}}, []byte(hiddenRaw), new(map[string]any), opts...)
		},
		"Do GET": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			return client.Do(ctx, "GET", "/x/"+hiddenSegment, url.Values{"q": {hiddenQuery}}, nil, new(map[string]any), opts...)
		},
	}
}

// echoesOf returns texts in which a service may repeat a request: as it was on the wire, in parts,
// and encoded again.
func echoesOf(r *http.Request) map[string]string {
	body, _ := io.ReadAll(r.Body)
	var wire, parts, again strings.Builder
	fmt.Fprintf(&wire, "%s %s %s\n", r.Method, r.RequestURI, r.Proto)
	for name, values := range r.Header {
		fmt.Fprintf(&wire, "%s: %s\n", name, strings.Join(values, ", "))
		if name == "X-App-Access-Sig" || name == "X-App-Token" || name == "X-Customer" {
			fmt.Fprintf(&parts, "[%s] ", values[0])
		}
	}
	wire.Write(body)
	fmt.Fprintf(&parts, "%s ", r.URL.Path)
	for name, values := range r.URL.Query() {
		for _, value := range values {
			fmt.Fprintf(&parts, "%s=%s; ", name, value)
			fmt.Fprintf(&again, "%s=%s&", name, url.QueryEscape(value))
		}
	}
	var root any
	if json.Unmarshal(body, &root) == nil {
		fmt.Fprintf(&parts, "%v ", root)
		encoder := json.NewEncoder(&again)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(root)
	} else {
		parts.Write(body)
	}
	return map[string]string{
		"wire": wire.String(), "parts": parts.String(), "again": again.String(),
		"HTML":  html.EscapeString(parts.String()),
		"error": fmt.Sprintf("cannot handle %q", parts.String()),
	}
}

// unsafeServers returns ways to answer that put an echo into the texts that a client may show.
// Every call gets the first server of each kind.
func unsafeServers() map[string]func(w http.ResponseWriter, echo string) {
	line := func(s string) string { return strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace(s) }
	jsonError := func(status, code int, headers ...string) func(http.ResponseWriter, string) {
		return func(w http.ResponseWriter, echo string) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]any{
				"description": "D " + echo, "errorName": "N " + echo, "correlationId": "C " + echo, "code": status, "errorCode": code,
			})
		}
	}
	servers := map[string]func(http.ResponseWriter, string){
		"error page": func(w http.ResponseWriter, echo string) {
			w.WriteHeader(502)
			_, _ = io.WriteString(w, "<html>"+echo+"</html>")
		},
		"error text": func(w http.ResponseWriter, echo string) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, echo)
		},
		"error of the wrong shape": func(w http.ResponseWriter, echo string) {
			w.WriteHeader(400)
			_ = json.NewEncoder(w).Encode(
				map[string]any{"description": []string{echo}, "errorName": map[string]string{"a": echo}, "errorCode": echo, "code": echo},
			)
		},
		"malformed status": func(w http.ResponseWriter, echo string) { faultnet.WriteRaw(w, "HTTP/1.1 "+line(echo)+"\r\n\r\n") },
		"no HTTP":          func(w http.ResponseWriter, echo string) { faultnet.WriteRaw(w, line(echo)+"\r\n\r\n") },
		"malformed version": func(w http.ResponseWriter, echo string) {
			faultnet.WriteRaw(w, "HTTP/"+line(strings.ReplaceAll(echo, " ", "_"))+" 200 OK\r\n\r\n")
		},
		"malformed header": func(w http.ResponseWriter, echo string) {
			faultnet.WriteRaw(w, "HTTP/1.1 200 OK\r\n"+strings.ReplaceAll(line(echo), ":", ";")+"\r\n\r\n")
		},
		"malformed header name": func(w http.ResponseWriter, echo string) {
			faultnet.WriteRaw(w, "HTTP/1.1 200 OK\r\n"+line(echo)+": x\r\n\r\n")
		},
		"malformed length": func(w http.ResponseWriter, echo string) {
			faultnet.WriteRaw(w, "HTTP/1.1 200 OK\r\nContent-Length: "+line(echo)+"\r\n\r\n")
		},
		"malformed encoding": func(w http.ResponseWriter, echo string) {
			faultnet.WriteRaw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "+line(echo)+"\r\n\r\n")
		},
		"malformed chunk": func(w http.ResponseWriter, echo string) {
			faultnet.WriteRaw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+line(echo)+"\r\n")
		},
		"malformed trailer": func(w http.ResponseWriter, echo string) {
			faultnet.WriteRaw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\n{}\r\n0\r\n"+line(echo)+"\r\n\r\n")
		},
		"malformed compression": func(w http.ResponseWriter, echo string) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, echo)
		},
		"malformed Location": func(w http.ResponseWriter, echo string) {
			faultnet.WriteRaw(w, "HTTP/1.1 302 Found\r\nLocation: http://[::1/"+line(echo)+"\r\nContent-Length: 0\r\n\r\n")
		},
		"redirect": func(w http.ResponseWriter, echo string) {
			w.Header().Set("Location", "https://elsewhere.test/"+url.PathEscape(echo)+"?"+url.QueryEscape(echo))
			w.WriteHeader(307)
		},
		"redirect to a host": func(w http.ResponseWriter, echo string) {
			faultnet.WriteRaw(w, "HTTP/1.1 302 Found\r\nLocation: https://"+line(echo)+"/\r\nContent-Length: 0\r\n\r\n")
		},
		"redirect to a sound host": func(w http.ResponseWriter, echo string) {
			// A host can contain only these values.
			host := "x"
			for _, word := range append(markPattern.FindAllString(echo, -1), signaturePattern.FindAllString(echo, -1)...) {
				if word == hiddenLocale || word == hiddenSegment || len(word) == 64 {
					host += "." + word
				}
			}
			faultnet.WriteRaw(w, "HTTP/1.1 301 Moved\r\nLocation: https://"+host+".test/a?b\r\nContent-Length: 0\r\n\r\n")
		},
		"garbage":      func(w http.ResponseWriter, echo string) { _, _ = io.WriteString(w, echo) },
		"garbage JSON": func(w http.ResponseWriter, echo string) { _ = json.NewEncoder(w).Encode(echo) },
		"wrong types": func(w http.ResponseWriter, echo string) {
			_ = json.NewEncoder(w).Encode(
				map[string]any{
					"id": []string{echo}, "items": echo, "list": echo, "review": echo, "token": []string{echo}, "url": []string{echo},
					"imageId": []string{echo},
				},
			)
		},
		"cut off": func(w http.ResponseWriter, echo string) {
			faultnet.WriteRaw(w, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
		},
		"token cut off": func(w http.ResponseWriter, _ string) {
			_, _ = io.WriteString(w, `{"token":"`+hiddenAccess+`","url":"`+hiddenLink+`","userId":`)
		},
		"status text": func(w http.ResponseWriter, echo string) {
			faultnet.WriteRaw(w, "HTTP/1.1 500 "+line(echo)+"\r\nContent-Length: 0\r\n\r\n")
		},
		"headers": func(w http.ResponseWriter, echo string) {
			faultnet.WriteRaw(
				w,
				"HTTP/1.1 429 No\r\nRetry-After: "+line(echo)+"\r\nDate: "+line(echo)+"\r\nContent-Type: "+line(echo)+"\r\nContent-Length: 0\r\n\r\n",
			)
		},
	}
	for _, status := range []int{300, 302, 400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 422, 429, 451, 500, 501, 502, 503, 504, 599} {
		servers[fmt.Sprint("JSON ", status)] = jsonError(status, 0)
	}
	for _, code := range []int{1000, 1002, 4000, 4001, 4002, 4003, 4004, 4005, 9100} {
		servers[fmt.Sprint("JSON with code ", code)] = jsonError(401, code, "Date", "Mon, 01 Jan 2001 00:00:00 GMT")
	}
	servers["JSON 429 for ever"] = jsonError(429, 0, "Retry-After", "100000")
	servers["JSON 409 for now"] = jsonError(409, 0, "Retry-After", "1")
	return servers
}

// printed returns a value in the forms in which programs print it: with the verbs of fmt and in
// logs.
func printed(v any) string {
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		fmt.Fprintf(&out, verb+"\n", v)
	}
	for _, logger := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))} {
		logger.Info("m", "v", v)
		logger.Info("m", slog.Group("g", slog.Any("v", v)))
	}
	return out.String()
}

// printedError returns an error in the forms in which programs print it, also wrapped and joined.
func printedError(err error) string {
	return printed(err) + printed(fmt.Errorf("wrapped: %w", err)) + printed(errors.Join(err, io.EOF))
}

// longestHexRun returns the length of the longest run of lower-case hexadecimal digits.
func longestHexRun(text string) (longest int) {
	run := 0
	for i := range len(text) {
		if c := text[i]; '0' <= c && c <= '9' || 'a' <= c && c <= 'f' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}

// assertHidden checks that a text shows no mark, no signature and no secret.
func assertHidden(t *testing.T, text, what string) {
	t.Helper()
	// Most texts have no z. This saves regexp seconds of work.
	if strings.ContainsAny(text, "zZ") {
		if found := markPattern.FindString(text); found != "" {
			t.Errorf("%s shows %s: %.2000s", what, found, text)
		}
	}
	if longestHexRun(text) >= 64 {
		t.Errorf("%s shows a signature: %.2000s", what, text)
	}
	for _, value := range []string{hiddenKey, hiddenToken, base64.StdEncoding.EncodeToString([]byte(hiddenKey))} {
		assert.NotContains(t, text, value)
	}
}

// TestNoSecretIsShown provokes every error, with services that repeat the request in every part of
// an answer. It searches everything that programs can print for values that must not be shown.
func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	header := idngo.WithHeader("X-Customer", hiddenHeader)

	for server, respond := range unsafeServers() {
		if testing.Short() && strings.HasPrefix(server, "JSON") && server != "JSON 400" {
			continue // these servers differ only in the status and the code
		}
		t.Run("server/"+server, func(t *testing.T) {
			t.Parallel()
			for call, do := range hiddenCalls() {
				kinds := []string{"wire", "parts", "again", "HTML", "error"}
				switch {
				case strings.HasPrefix(server, "JSON") && server != "JSON 400":
					kinds = []string{"wire"} // these servers differ only in the status
				case (race.Enabled || !faultnet.Long()) && server != "JSON 400":
					kinds = []string{"parts"}
				}
				for _, kind := range kinds {
					t.Run(call+", "+kind, func(t *testing.T) {
						faultnet.InBubble(t, func(t *testing.T) {
							network := faultnet.New(t)
							network.AnyStamp, network.Untapped = true, true
							var echo string
							network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) {})
							network.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
								echo = echoesOf(r)[kind]
								respond(w, echo)
								return true
							}
							var log faultnet.Log
							client := network.ClientOf(hiddenCreds, idngo.WithLogger(log.TextAndJSONLogger()))
							err := do(t.Context(), client, header)
							if err == nil {
								// A download may succeed, and a call whose answer may have any content.
								if call == "CheckCredentials" && server == "JSON 404" {
									return // a 404 is how the service accepts the credentials
								}
								if echo != "" { // without an echo the malformed answers are well-formed
									require.Contains(t, []string{"garbage", "garbage JSON", "wrong types", "token cut off", "malformed trailer"}, server)
								}
								return
							}
							assertHidden(t, printedError(err), "the error")
							assertHidden(t, strings.Join(log.Lines, ""), "the log")
							assert.NotEmpty(t, log.Lines)
							assert.Less(t, len(err.Error()), 5000)
							assert.NotContains(t, err.Error(), "\r")

							var api *idngo.APIError
							if errors.As(err, &api) && strings.HasPrefix(server, "JSON") {
								want, _ := json.Marshal("D " + echo)
								var text string
								require.NoError(t, json.Unmarshal(want, &text))
								assert.Equal(t, text, api.Description, "the field is whole")
								assert.Equal(t, strings.Replace(text, "D ", "N ", 1), api.Name)
								assert.Equal(t, strings.Replace(text, "D ", "C ", 1), api.CorrelationID)
								assert.Contains(t, err.Error(), fmt.Sprint(api.StatusCode))
							}
						})
					})
				}
			}
		})
	}

	for name, arrange := range unreachable() {
		t.Run("network/"+name, func(t *testing.T) {
			t.Parallel()
			for call, do := range hiddenCalls() {
				t.Run(call, func(t *testing.T) {
					faultnet.InBubble(t, func(t *testing.T) {
						make := faultnet.New
						if strings.HasPrefix(name, "TLS") {
							make = faultnet.NewTLS
						}
						network := make(t)
						network.AnyStamp, network.Untapped = true, true
						ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
						defer cancel()
						arrange(network, cancel)
						var log faultnet.Log
						client := network.ClientOf(hiddenCreds, idngo.WithLogger(log.TextAndJSONLogger()))
						err := do(ctx, client, header)
						require.Error(t, err)
						assertHidden(t, printedError(err), "the error")
						assertHidden(t, strings.Join(log.Lines, ""), "the log")
						for _, part := range []string{"/resources/", "?", "externalUserId"} {
							assert.NotContains(t, err.Error(), part, "no URL is shown")
						}
					})
				})
			}
		})
	}

	// A RoundTripper of the caller returns errors that show the whole request.
	for name, cause := range map[string]func(*http.Request) error{
		"error":     func(*http.Request) error { return io.EOF },
		"url.Error": func(r *http.Request) error { return &url.Error{Op: "Post", URL: r.URL.String(), Err: io.EOF} },
	} {
		for call, do := range hiddenCalls() {
			t.Run("round tripper/"+name+", "+call, func(t *testing.T) {
				faultnet.InBubble(t, func(t *testing.T) {
					var log faultnet.Log
					told := 0
					client, err := idngo.NewClient(hiddenCreds, idngo.WithBaseURL("http://127.0.0.1"),
						idngo.WithLogger(log.TextAndJSONLogger()), idngo.WithHTTPClient(&http.Client{
							Transport: faultnet.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
								sent := r.Clone(r.Context())
								if sent.RequestURI = r.URL.RequestURI(); r.Body == nil {
									sent.Body = http.NoBody
								}
								all := echoesOf(sent)
								told++
								what := []string{all["parts"], r.URL.String(), r.Method, all["again"], all["wire"], r.URL.RawQuery}[told%6]
								return nil, fmt.Errorf("proxy: %s: %w", what, cause(r))
							}),
						}))
					require.NoError(t, err)
					for range 6 {
						err = do(t.Context(), client, header)
						require.ErrorIs(t, err, io.EOF)
						assertHidden(t, printedError(err), "the error")
					}
					assertHidden(t, strings.Join(log.Lines, ""), "the log")
				})
			})
		}
	}

	t.Run("invalid arguments", func(t *testing.T) {
		t.Parallel()
		for name, err := range invalidArguments(t) {
			require.Error(t, err, name)
			assert.ErrorIs(t, err, idngo.ErrInvalidArgument, name)
			assertHidden(t, printedError(err), name)
		}
	})

	t.Run("webhooks", func(t *testing.T) {
		t.Parallel()
		verifier, err := idngo.NewWebhookVerifier(hiddenWebhook, idngo.WithPreviousSecrets("old-"+hiddenWebhook), idngo.WithMaxBodySize(200))
		require.NoError(t, err)
		sound := []byte(`{"type":"applicantActionReviewed","applicantId":"` + hiddenOwner + `"}`)
		deliver := func(body []byte, header http.Header) error {
			r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/", bytes.NewReader(body))
			require.NoError(t, err)
			r.Header = header
			_, err = verifier.Parse(r)
			return err
		}
		signed := func(body string) error {
			return deliver([]byte(body), idngo.SignWebhook([]byte(body), hiddenWebhook, idngo.HMACSHA256))
		}
		errs := map[string]error{
			"wrong digest": deliver(sound, http.Header{"X-Payload-Digest": {hiddenUser}}),
			"no digest":    deliver(sound, http.Header{}),
			"algorithm":    deliver(sound, http.Header{"X-Payload-Digest": {"00"}, "X-Payload-Digest-Alg": {hiddenUser}}),
			"other secret": deliver(sound, idngo.SignWebhook(sound, hiddenToken, idngo.HMACSHA256)),
			"too large":    signed(`{"type":"` + strings.Repeat(hiddenUser, 100) + `"}`),
			"not JSON":     signed(hiddenUser),
			"half":         signed(`{"type":"` + hiddenUser),
			"not an event": signed(`{"applicantId":"` + hiddenUser + `"}`),
			"wrong types":  signed(`{"type":["` + hiddenUser + `"]}`),
		}
		for name, err := range errs {
			require.Error(t, err, name)
			assertHidden(t, printedError(err), name)
		}
	})

	t.Run("values", func(t *testing.T) {
		t.Parallel()
		client, err := idngo.NewClient(hiddenCreds)
		require.NoError(t, err)
		signer, err := idngo.NewSigner(hiddenCreds)
		require.NoError(t, err)
		verifier, err := idngo.NewWebhookVerifier(hiddenWebhook, idngo.WithPreviousSecrets("old-"+hiddenWebhook))
		require.NoError(t, err)
		secret := idngo.Secret(hiddenKey)
		token := idngo.AccessToken{Token: hiddenAccess, UserID: hiddenUser, ExternalActionID: hiddenExternal}
		link := idngo.WebSDKLink{URL: hiddenLink}
		type holder struct {
			Secret   idngo.Secret
			Creds    idngo.Credentials
			Token    idngo.AccessToken
			Link     idngo.WebSDKLink
			Client   *idngo.Client
			Signer   *idngo.Signer
			Verifier *idngo.WebhookVerifier
		}
		whole := holder{Secret: secret, Creds: hiddenCreds, Token: token, Link: link, Client: client, Signer: signer, Verifier: verifier}
		values := map[string]any{
			"Secret": secret, "*Secret": &secret, "[]Secret": []idngo.Secret{secret}, "map of Secret": map[string]idngo.Secret{"a": secret},
			"Credentials": hiddenCreds, "*Credentials": &hiddenCreds,
			"AccessToken": token, "*AccessToken": &token, "WebSDKLink": link, "*WebSDKLink": &link,
			"*Client": client, "Signer": *signer, "*Signer": signer, "WebhookVerifier": *verifier, "*WebhookVerifier": verifier,
		}
		for name, v := range values {
			assertHidden(t, printed(v), name)
			for _, verb := range []string{"%x", "%X", "% x", "%d", "%o", "%b", "%t", "%c", "%U", "%e", "%30s", "%-30q", "%#x", "%#q"} {
				text := fmt.Sprintf(verb, v)
				assertHidden(t, text, name+" as "+verb)
				assert.NotContains(t, strings.ToLower(text), fmt.Sprintf("%x", "zq0"), "%s as %s", name, verb)
			}
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			delete(values, "*Credentials") // a pointer within another value is tested below
			assertHidden(t, fmt.Sprintf(verb, whole), "a struct as "+verb)
			assertHidden(t, fmt.Sprintf(verb, &whole), "a struct as "+verb)
			assertHidden(t, fmt.Sprintf(verb, []any{whole, values}), "a list as "+verb)
		}
		for name, v := range map[string]any{
			"Secret": secret, "Credentials": hiddenCreds, "*Client": client, "Signer": signer, "WebhookVerifier": verifier,
		} {
			text, err := json.Marshal(v)
			require.NoError(t, err, name)
			assertHidden(t, string(text), name+" in JSON")
		}
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			assertHidden(t, fmt.Sprintf(verb, struct{ Creds *idngo.Credentials }{&hiddenCreds}), "a pointer in a struct as "+verb)
		}
		// Access tokens and links are meant to be encoded and sent.
		text, err := json.Marshal([]any{token, link})
		require.NoError(t, err)
		assert.Contains(t, string(text), hiddenAccess)
		assert.Contains(t, string(text), hiddenLink)
	})

	t.Run("success", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			network := faultnet.New(t)
			network.Untapped = true
			network.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
				_, _ = io.Copy(io.Discard, r.Body)
				switch {
				case strings.HasSuffix(r.URL.Path, "/accessTokens"):
					_, _ = io.WriteString(w, `{"token":"`+hiddenAccess+`","userId":"`+hiddenUser+`"}`)
				case strings.HasSuffix(r.URL.Path, "/websdkLink"):
					_, _ = io.WriteString(w, `{"url":"`+hiddenLink+`"}`)
				default:
					return false
				}
				return true
			}
			var log faultnet.Log
			client := network.ClientOf(hiddenCreds, idngo.WithLogger(log.TextAndJSONLogger()))
			for call, do := range hiddenCalls() {
				if err := do(t.Context(), client, header); err != nil {
					assertHidden(t, printedError(err), call)
				}
			}
			assert.NotEmpty(t, log.Lines)
			assertHidden(t, strings.Join(log.Lines, ""), "the log")
		})
	})
}

// unreachable returns networks on which no answer arrives. cancel ends the caller's context.
func unreachable() map[string]func(network *faultnet.Network, cancel func()) {
	dial := func(err error) func(*faultnet.Network, func()) {
		return func(network *faultnet.Network, _ func()) {
			network.OnDial = func(context.Context, int) error { return err }
		}
	}
	certificate := func(pick func(faultnet.Certificates) tls.Certificate) func(*faultnet.Network, func()) {
		return func(network *faultnet.Network, _ func()) { faultnet.PresentCertificate(pick)(network) }
	}
	return map[string]func(*faultnet.Network, func()){
		"refused": dial(
			&net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, Err: syscall.ECONNREFUSED},
		),
		"DNS, unknown host": dial(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "api.test", IsNotFound: true}}),
		"DNS, hiccup":       dial(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "server misbehaving", Name: "api.test", IsTemporary: true}}),
		"proxy": func(network *faultnet.Network, _ func()) {
			network.Transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", User: url.UserPassword("u", hiddenProxy), Host: "127.0.0.1:1"})
			network.OnDial = func(context.Context, int) error { return syscall.ECONNREFUSED }
		},
		"TLS, expired":           certificate(func(c faultnet.Certificates) tls.Certificate { return c.Expired }),
		"TLS, other host":        certificate(func(c faultnet.Certificates) tls.Certificate { return c.OtherHost }),
		"TLS, unknown authority": certificate(func(c faultnet.Certificates) tls.Certificate { return c.UnknownAuthority }),
		"TLS, plain text": func(network *faultnet.Network, _ func()) {
			network.OnConn = func(_ int, conn net.Conn) bool {
				go func() {
					defer conn.Close()
					faultnet.ReadHello(network, conn)
					_, _ = io.WriteString(conn, "HTTP/1.0 400 Bad Request\r\n\r\n")
				}()
				return true
			}
		},
		"timeout": func(network *faultnet.Network, _ func()) {
			network.OnRequest = faultnet.AnswerAll(faultnet.NeverAnswer)
		},
		"closed": func(network *faultnet.Network, _ func()) {
			network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) { faultnet.CutConnection(w) })
		},
		"cancelled": func(network *faultnet.Network, cancel func()) {
			network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, r *http.Request) {
				cancel()
				faultnet.NeverAnswer(w, r)
			})
		},
		"cancelled before": func(_ *faultnet.Network, cancel func()) { cancel() },
		"cancelled while dialling": func(network *faultnet.Network, cancel func()) {
			network.OnDial = func(ctx context.Context, _ int) error {
				cancel()
				<-ctx.Done()
				return ctx.Err()
			}
		},
		"cancelled in a wait": func(network *faultnet.Network, cancel func()) {
			network.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) {
				time.AfterFunc(time.Second, cancel)
				faultnet.Refusal(429, 0, "Retry-After", "30")(w)
			})
		},
	}
}

// invalidArguments returns the errors of calls whose arguments are refused.
func invalidArguments(t *testing.T) map[string]error {
	t.Helper()
	errs := map[string]error{}
	add := func(name string, err error) {
		errs[name] = err
	}
	client, err := idngo.NewClient(hiddenCreds)
	require.NoError(t, err)
	ctx := t.Context()
	for name, opt := range map[string]idngo.Option{
		"base URL with a password": idngo.WithBaseURL("https://u:" + hiddenProxy + "@api.test"),
		"base URL":                 idngo.WithBaseURL("https://api.test/%zz" + hiddenProxy),
		"base URL with a query":    idngo.WithBaseURL("https://api.test/?key=" + hiddenProxy),
		"base URL without TLS":     idngo.WithBaseURL("http://" + hiddenProxy),
		"user agent":               idngo.WithUserAgent(hiddenUser + "\n"),
	} {
		_, err := idngo.NewClient(hiddenCreds, opt)
		add(name, err)
	}
	for name, creds := range map[string]idngo.Credentials{
		"token with a space": {AppToken: " " + hiddenToken, SecretKey: hiddenKey},
		"key with a break":   {AppToken: hiddenToken, SecretKey: hiddenKey + "\n"},
		"key with a control": {AppToken: hiddenToken, SecretKey: hiddenKey + "\x01" + hiddenKey},
		"no key":             {AppToken: hiddenToken},
		"no token":           {SecretKey: hiddenKey},
	} {
		_, err := idngo.NewSigner(creds)
		add(name, err)
		_, err = idngo.NewClient(creds)
		add(name+", client", err)
	}
	_, err = idngo.NewWebhookVerifier("")
	add("webhook secret", err)
	_, err = idngo.NewWebhookVerifier(hiddenWebhook, idngo.WithPreviousSecrets("old-"+hiddenWebhook, ""))
	add("previous secret", err)
	_, err = idngo.NewWebhookVerifier(hiddenWebhook, idngo.WithDigestAlgorithms(hiddenWebhook))
	add("algorithm", err)

	_, err = client.GetAction(ctx, hiddenAction, idngo.WithHeader("X-App-Token", hiddenToken))
	add("signing header", err)
	_, err = client.GetAction(ctx, hiddenAction, idngo.WithHeader("X-Customer", hiddenHeader+"\r\n"))
	add("header value", err)
	_, err = client.GetAction(ctx, hiddenAction, idngo.WithHeader(hiddenHeader, "x"))
	add("header name", err)
	for name, params := range map[string]idngo.CreateActionParams{
		"no level":             {ExternalActionID: hiddenExternal, Email: hiddenMail},
		"no external id":       {LevelName: hiddenLevel, Phone: hiddenPhone},
		"e-mail is not UTF-8":  {LevelName: hiddenLevel, ExternalActionID: hiddenExternal, Email: hiddenMail + "\xff"},
		"phone is not UTF-8":   {LevelName: hiddenLevel, ExternalActionID: hiddenExternal, Phone: hiddenPhone + "\xff"},
		"external id is not":   {LevelName: hiddenLevel, ExternalActionID: hiddenExternal + "\xff"},
		"extra repeats":        {LevelName: hiddenLevel, ExternalActionID: hiddenExternal, Extra: map[string]any{"email": hiddenMail}},
		"extra cannot be JSON": {LevelName: hiddenLevel, ExternalActionID: hiddenExternal, Extra: map[string]any{"x": failingJSON(hiddenExtra)}},
		"answer is not UTF-8": {
			LevelName: hiddenLevel, ExternalActionID: hiddenExternal, Questionnaires: questionnaireOf(idngo.ItemValue(hiddenAnswer + "\xff")),
		},
		"answers are not UTF-8": {
			LevelName: hiddenLevel, ExternalActionID: hiddenExternal,
			Questionnaires: questionnaireOf(idngo.ItemValues(hiddenAnswer, hiddenAnswer+"\xff")),
		},
		"answer is value and values": {LevelName: hiddenLevel, ExternalActionID: hiddenExternal,
			Questionnaires: questionnaireOf(idngo.QuestionnaireItem{
				Value: new(string), Values: []string{hiddenAnswer + "\xff"},
			})},
	} {
		_, err := client.CreateAction(ctx, hiddenOwner, params)
		add("create, "+name, err)
		_, err = client.EnsureAction(ctx, hiddenOwner, params)
		add("ensure, "+name, err)
	}
	_, err = client.EnsureAction(
		ctx, hiddenOwner, idngo.CreateActionParams{LevelName: hiddenLevel, ExternalActionID: hiddenExternal}, idngo.WithIdempotent(),
	)
	add("idempotent", err)
	for name, params := range map[string]idngo.AddImageParams{
		"country":      {IDDocType: "SELFIE", Country: hiddenUser, Image: idngo.ImageBytes(hiddenFile, nil)},
		"type":         {IDDocType: hiddenUser + "\xff", Country: "KAZ", Image: idngo.ImageBytes(hiddenFile, nil)},
		"subtype":      {IDDocType: "SELFIE", IDDocSubType: hiddenUser + "\xff", Country: "KAZ", Image: idngo.ImageBytes(hiddenFile, nil)},
		"content type": {IDDocType: "SELFIE", Country: "KAZ", Image: idngo.ImageBytes(hiddenFile, nil), ContentType: hiddenUser + "\n"},
		"no image":     {IDDocType: "SELFIE", Country: "KAZ", ContentType: hiddenUser},
	} {
		_, err := client.AddImage(ctx, hiddenAction, params)
		add("image, "+name, err)
	}
	_, err = client.CreateAccessToken(ctx, idngo.AccessTokenParams{UserID: hiddenUser, LevelName: hiddenLevel, TTL: -1})
	add("token TTL", err)
	_, err = client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{ExternalUserID: hiddenExtUser, LevelName: "..", Locale: hiddenLocale})
	add("link level", err)
	_, err = client.ListActions(ctx, hiddenOwner, idngo.ListActionsParams{Limit: -1, Order: hiddenQuery})
	add("limit", err)
	_, err = client.WaitForReview(ctx, hiddenAction, idngo.WaitParams{MinInterval: -1})
	add("interval", err)
	_, err = client.ConfirmAction(ctx, hiddenAction, idngo.ActionExpectation{LevelName: hiddenLevel})
	add("expectation", err)
	add("Do, method", client.Do(ctx, hiddenUser, "/x", nil, nil, nil))
	add("Do, path", client.Do(ctx, "GET", "/%zz"+hiddenSegment, nil, nil, nil))
	add("Do, path with a query", client.Do(ctx, "GET", "/x?"+hiddenSegment, nil, nil, nil))
	add("Do, relative path", client.Do(ctx, "GET", hiddenSegment, nil, nil, nil))
	add("Do, dots", client.Do(ctx, "GET", "/"+hiddenSegment+"/../x", nil, nil, nil))
	add("Do, path with a control", client.Do(ctx, "GET", "/x\x7f"+hiddenSegment, nil, nil, nil))
	add("Do, body", client.Do(ctx, "POST", "/"+hiddenSegment, nil, failingJSON(hiddenMember), nil))
	add("Do, out", client.Do(ctx, "GET", "/"+hiddenSegment, nil, nil, (*[]byte)(nil)))
	return errs
}

// failingJSON fails to encode with an error that shows its text.
type failingJSON string

func (f failingJSON) MarshalJSON() ([]byte, error) {
	return nil, errors.New("cannot encode " + string(f))
}

// questionnaireOf returns a questionnaire with one item.
func questionnaireOf(item idngo.QuestionnaireItem) []idngo.Questionnaire {
	return []idngo.Questionnaire{
		{ID: "q", Sections: map[string]idngo.QuestionnaireSection{"s": {Items: map[string]idngo.QuestionnaireItem{"i": item}}}},
	}
}

// An error of reading an image shows nothing of the request that was answered, although net/http
// may name what it received without quotation marks, as Go 1.25 does for a trailer.
func TestImageReadErrorShowsNothingThatWasSent(t *testing.T) {
	t.Parallel()
	var sent http.Header
	transport := faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = req.Header.Clone()
		echo := fmt.Errorf("received %s at %s", sent.Get("X-App-Access-Sig"), sent.Get("X-App-Access-Ts"))
		return &http.Response{
			StatusCode: 200, Header: http.Header{"Content-Type": {"image/png"}}, ContentLength: -1, Request: req,
			Body: io.NopCloser(io.MultiReader(strings.NewReader("\x89PNG"), iotest.ErrReader(echo))),
		}, nil
	})
	client := faultnet.NewClient(t, transport)
	content, err := client.OpenImage(t.Context(), "a1", "1", idngo.ImageParams{})
	require.NoError(t, err)
	defer content.Close()
	_, opened := io.ReadAll(content)
	openedSent := sent
	_, downloaded := client.DownloadImage(t.Context(), "a1", "1", io.Discard, idngo.ImageParams{})
	for _, failed := range []struct {
		err  error
		sent http.Header
	}{{opened, openedSent}, {downloaded, sent}} {
		require.ErrorContains(t, failed.err, "received [redacted] at [redacted]")
		assert.NotContains(t, printedError(failed.err), failed.sent.Get("X-App-Access-Sig"))
		assert.NotContains(t, printedError(failed.err), failed.sent.Get("X-App-Access-Ts"))
	}
}
