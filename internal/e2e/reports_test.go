package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/race"
	"github.com/idngo-go/idngo/internal/simulator"
)

// The tests of this file have inputs from bug reports about other clients, and the right results.
// Each test is about one kind of fault. Its rows have the reported input and similar ones.

// A method is a method of Client. It makes a call with ids that faultnet.Answer knows.
type method func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error

// methods returns every method of Client that makes calls, by its name.
func methods() map[string]method {
	all := map[string]method{
		"EnsureAction": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.EnsureAction(ctx, "app-1", idngo.CreateActionParams{LevelName: "lvl", ExternalActionID: "ext-1"}, opts...)
			return err
		},
		"FindAction": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.FindAction(ctx, "app-1", "ext-1", opts...)
			return err
		},
		"AllActions": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			for _, err := range client.AllActions(ctx, "app-1", idngo.ListActionsParams{}, opts...) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"WaitForReview": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.WaitForReview(ctx, "5e02f6b1", idngo.WaitParams{}, opts...)
			return err
		},
		"ConfirmAction": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.ConfirmAction(ctx, "5e02f6b1", idngo.ActionExpectation{ApplicantID: "app-1"}, opts...)
			return err
		},
		"RequireApproved": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.RequireApproved(ctx, "5e02f6b1", idngo.ActionExpectation{ApplicantID: "app-1"}, opts...)
			return err
		},
		"GetApplicant": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.GetApplicant(ctx, "app-1", opts...)
			return err
		},
		"FindApplicant": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.FindApplicant(ctx, "user-1", opts...)
			return err
		},
		"CheckCredentials": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			return client.CheckCredentials(ctx, opts...)
		},
		"OpenImage": func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			content, err := client.OpenImage(ctx, "5e02f6b1", "4711", idngo.ImageParams{}, opts...)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, content)
			return errors.Join(err, content.Close())
		},
		"DownloadImage": faultnet.DownloadImage.Call,
		"Do":            faultnet.DoPost.Call,
	}
	for _, op := range faultnet.Operations {
		if all[op.Name] == nil {
			all[op.Name] = op.Call
		}
	}
	return all
}

// No error shows a value that was sent, in whatever place and form it was sent (go-github#522,
// go-retryablehttp#206).
func TestWhatWasSentIsRedacted(t *testing.T) {
	tests := map[string]struct {
		path   string
		query  url.Values
		body   any
		opts   []idngo.RequestOption
		echo   string // the description of the refusal
		absent string
	}{
		"a matrix parameter": {
			path: "/resources/applicants/-;externalUserId=alice%40example.com/one", echo: "no alice@example.com", absent: "alice",
		},
		"a second one":            {path: "/x/-;mode=full;id=alice%20b/one", echo: "alice b", absent: "alice"},
		"as the URL has it":       {path: "/x/-;id=alice%40example.com", echo: "alice%40example.com", absent: "alice"},
		"a form":                  {body: []byte("user=alice%40x.kz&pin=48213"), echo: "alice@x.kz or 48213", absent: "48213"},
		"a form, first a digit":   {body: []byte("2fa=48213&user=alice%40x.kz"), echo: "alice@x.kz", absent: "alice"},
		"NDJSON, the second line": {body: []byte("{\"a\":1}\n{\"a\":\"alice\"}\n"), echo: "alice", absent: "alice"},
		"NDJSON, first a null":    {body: []byte("null\n{\"a\":\"alice\"}\n"), echo: "alice", absent: "alice"},
		"half of a header": {
			opts: []idngo.RequestOption{idngo.WithHeader("X-Customer", "alice@x.kz; role=admins")}, echo: "alice@x.kz", absent: "alice",
		},
		"a part of a header": {
			opts: []idngo.RequestOption{idngo.WithHeader("X-Customer", `a, id="alice"`)}, echo: "alice", absent: "alice",
		},
		"a query value":   {query: url.Values{"q": {"a b&alice"}}, echo: "a%20b%26alice", absent: "alice"},
		"a number":        {body: map[string]any{"n": int64(12345678901234)}, echo: "12345678901234", absent: "1234"},
		"a name of a map": {body: map[string]any{"a": []any{map[string]any{"alice": 1}}}, echo: "alice", absent: "alice"},
		"a name of a map in it": {
			body: struct{ M map[string]map[string]int }{map[string]map[string]int{"x": {"alice": 1}}}, echo: "alice", absent: "alice",
		},
		"in JSON":       {body: []string{`al"i<ce`}, echo: `al\"i\u003cce`, absent: "ce"},
		"in HTML":       {body: []string{`al"i<ce`}, echo: `al&#34;i&lt;ce`, absent: "ce"},
		"in %q":         {body: []string{"al\u202eice"}, echo: `al\u202eice`, absent: "ice"},
		"invalid UTF-8": {body: map[string]string{"a": "al\xffice"}, echo: "al\ufffdice", absent: "ice"},
		"longer than what is read": {
			body: []string{strings.Repeat("алиса ", 400)}, echo: url.QueryEscape(strings.Repeat("алиса ", 400)), absent: "%D0",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				var description string
				n := faultnet.New(t)
				n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) { refuseWith(w, 400, description) })
				var log faultnet.Log
				client := n.Client(idngo.WithLogger(log.TextAndJSONLogger()))
				for _, description = range []string{test.echo, strings.Repeat(".", 200) + test.echo} {
					err := client.Do(t.Context(), "POST", cmp.Or(test.path, "/x"), test.query, test.body, nil, test.opts...)
					var api *idngo.APIError
					require.ErrorAs(t, err, &api)
					assert.Equal(t, description, api.Description, "the field is whole")
					assert.NotContains(t, err.Error(), test.absent)
					assert.Contains(t, err.Error(), "[redacted]")
				}
				assert.NotContains(t, strings.Join(log.Lines, ""), test.absent)
			})
		})
	}
}

// refuseWith refuses with a description in every member that an error shows.
func refuseWith(w http.ResponseWriter, status int, description string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	text, _ := json.Marshal(description)
	_, _ = fmt.Fprintf(w, `{"errorName":%s,"description":%s,"correlationId":%s,"code":%d}`, text, text, text, status)
}

// encoding/json can encode a tree whose nodes refer to their parents in ignored fields. So an error
// can also redact the names in it.
func TestRefusalOfATreeThatKnowsItsParents(t *testing.T) {
	type node struct {
		Parent   *node `json:"-"`
		Children []*node
		Names    map[string]int
	}
	root := &node{Names: map[string]int{"alice": 1}}
	root.Children = []*node{{Parent: root}, {Parent: root, Names: map[string]int{"carol": 1}}}
	faultnet.InBubble(t, func(t *testing.T) {
		n := faultnet.New(t)
		n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) { refuseWith(w, 400, "alice, carol, Names") })
		err := n.Client().Do(t.Context(), "POST", "/x", nil, root, nil)
		assert.ErrorContains(t, err, "[redacted], [redacted], Names")
	})
}

// refusedBodies returns bodies of about the given size, by their kinds.
func refusedBodies(size int) map[string]any {
	var lines, form bytes.Buffer
	items := map[string]any{}
	for i := 0; lines.Len() < size; i++ {
		_, _ = fmt.Fprintf(&lines, "{\"id\":\"item-%d\",\"n\":%d}\n", i, i)
		_, _ = fmt.Fprintf(&form, "name-%d=value%%20%d&", i, i)
		items[fmt.Sprintf("item-%d", i)] = i
	}
	return map[string]any{
		"[]byte": make([]byte, size), "JSON": []byte("[" + strings.ReplaceAll(strings.TrimSpace(lines.String()), "\n", ",") + "]"),
		"NDJSON": lines.Bytes(), "form": form.Bytes(), "a string": strings.Repeat("x", size), "map": items,
	}
}

// refusingTransport returns a transport that answers every request with a status and a description.
func refusingTransport(status int, description string) http.RoundTripper {
	text, _ := json.Marshal(description)
	body := fmt.Sprintf(`{"description":%s,"code":%d}`, text, status)
	return faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, req.Body)
		return &http.Response{
			StatusCode: status, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)), Request: req,
		}, nil
	})
}

// A refusal allocates at most twice as much as an answer 200, and 1 MiB more
// (azure-sdk-for-go#27486). The test is not parallel, since other tests allocate too.
func TestRefusalAllocatesLittle(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	skipIfShort(t, "it sends a hundred bodies of a megabyte")
	for name, body := range refusedBodies(1 << 20) {
		echo := fmt.Sprint(body)
		if raw, ok := body.([]byte); ok {
			echo = string(raw[:32<<10])
		}
		call := func(status int, description string) uint64 {
			var log faultnet.Log
			client := faultnet.NewClient(
				t, refusingTransport(status, description), idngo.WithLogger(log.TextAndJSONLogger()), faultnet.RetryAtOnce(3),
			)
			least := uint64(math.MaxUint64) // a garbage collection may empty a pool, so the smallest of three counts
			for range 3 {
				least = min(least, allocated(func() { _ = client.Do(t.Context(), "POST", "/x", nil, body, nil) }))
			}
			return least
		}
		accepted := call(200, "")
		descriptions := map[string]string{"short": "no item-17", "long": strings.Repeat("no ", 5000), "echo": echo[:min(len(echo), 32<<10)]}
		for kind, description := range descriptions {
			assert.LessOrEqual(t, call(400, description), 2*accepted+1<<20, "%s, %s, 400", name, kind)
			assert.LessOrEqual(t, call(429, description), 2*accepted+1<<20, "%s, %s, 429", name, kind)
		}
	}
}

// BenchmarkRefusal compares refusals with the same number of answers 200.
func BenchmarkRefusal(b *testing.B) {
	for name, body := range refusedBodies(8 << 20) {
		for kind, transport := range map[string]http.RoundTripper{
			"200": refusingTransport(200, ""), "400": refusingTransport(400, "no item-17"), "429 three times": refusingTransport(429, "no item-17"),
			"400 echo": refusingTransport(400, strings.Repeat("item-17 ", 4000)),
		} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				client := faultnet.NewClient(b, transport, faultnet.RetryAtOnce(3))
				b.ReportAllocs()
				for b.Loop() {
					_ = client.Do(b.Context(), "POST", "/x", nil, body, nil)
				}
			})
		}
	}
}

// Two calls at the same instant make one action, on a service that does not report conflicts.
func TestEnsureActionTakesTurns(t *testing.T) {
	t.Run("one id", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			b := newSimulatorRecorder(t, simulator.Config{})
			client := b.net.Client()
			ids := make([]string, 64)
			var wg sync.WaitGroup
			for i := range ids {
				wg.Go(func() {
					action, err := client.EnsureAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"))
					if assert.NoError(t, err) {
						ids[i] = action.ID
					}
				})
			}
			wg.Wait()
			assert.Equal(t, 1, b.with("ext-1"))
			assert.Len(t, slices.Compact(slices.Sorted(slices.Values(ids))), 1)
		})
	})
	t.Run("other ids do not wait, waiting ends with the context", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			n := faultnet.New(t)
			n.OnRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
				if number == 1 {
					faultnet.NeverAnswer(w, r)
				}
				return false
			}
			client := n.Client(faultnet.OneAttempt(), idngo.WithTimeout(time.Hour))
			ensure := func(ctx context.Context, applicantID, externalID string) error {
				_, err := client.EnsureAction(ctx, applicantID, idngo.CreateActionParams{LevelName: "lvl", ExternalActionID: externalID})
				return err
			}
			began := time.Now()
			var wg sync.WaitGroup
			wg.Go(func() { assert.Error(t, ensure(t.Context(), "app-1", "ext-1")) })
			time.Sleep(time.Second)
			require.NoError(t, ensure(t.Context(), "app-2", "ext-1"), "another applicant")
			assert.Equal(t, time.Second, time.Since(began))

			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := ensure(ctx, "app-1", "ext-1")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assertTimeout(t, err)
			assert.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)
			assert.NotContains(t, err.Error(), "ext-1")
			assert.Equal(t, time.Minute+time.Second, time.Since(began))
			wg.Wait()
			require.NoError(t, ensure(t.Context(), "app-1", "ext-1"), "nobody holds the turn now")
		})
	})
	t.Run("many ids leave nothing behind", func(t *testing.T) {
		t.Parallel()
		ids := 10_000
		if testing.Short() {
			ids = 1_000
		}
		list := func(req *http.Request) (*http.Response, error) {
			body := `{"list":{"items":[{"id":"a1","externalActionId":"ext","review":{"levelName":"lvl"}}],"totalItems":1}}`
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
		}
		client := faultnet.NewClient(t, faultnet.RoundTripFunc(list))
		for i := range ids {
			params := idngo.CreateActionParams{LevelName: "lvl", ExternalActionID: "ext"}
			_, err := client.EnsureAction(t.Context(), fmt.Sprintf("app-%d", i), params)
			require.NoError(t, err)
		}
		taken := reflect.ValueOf(client).Elem().FieldByName("turns").FieldByName("taken")
		assert.Zero(t, taken.Len())
	})
}

// assertTimeout checks that an error is a timeout in every way that programs ask for it.
func assertTimeout(t *testing.T, err error) {
	t.Helper()
	netErr, ok := err.(net.Error)
	require.True(t, ok, "%T is no net.Error", err)
	assert.True(t, netErr.Timeout())
	var wrapped net.Error
	require.ErrorAs(t, fmt.Errorf("wrapped: %w", err), &wrapped)
	assert.True(t, wrapped.Timeout())
	assert.True(t, os.IsTimeout(err))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NotContains(t, err.Error(), "\n")
}

// A timeout is a net.Error for every method, as the timeouts of net/http are (ziti/sdk-golang#356).
func TestTimeoutsAreNetErrors(t *testing.T) {
	for name, call := range methods() {
		if name == "WaitForReview" {
			continue // WaitForReview polls again, see below
		}
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				n := faultnet.New(t)
				n.Untapped = true
				n.OnRequest = faultnet.AnswerAll(faultnet.NeverAnswer)
				err := call(t.Context(), n.Client(idngo.WithTimeout(time.Second), faultnet.RetryAtOnce(2)))
				assertTimeout(t, err)
				assert.True(t, strings.HasPrefix(err.Error(), "idngo: "+name+": "), "%s", err)
			})
		})
	}
	t.Run("WaitForReview", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			n := faultnet.New(t)
			n.OnRequest = faultnet.AnswerAll(faultnet.NeverAnswer)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			assertTimeout(t, methods()["WaitForReview"](ctx, n.Client(idngo.WithTimeout(time.Second))))
		})
	})
	for _, name := range []string{"OpenImage", "DownloadImage"} {
		t.Run(name+" amid the image", func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				n := faultnet.New(t)
				n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Length", "100")
					_, _ = io.WriteString(w, "half")
					_ = http.NewResponseController(w).Flush()
					faultnet.NeverAnswer(w, r)
				})
				client := n.Client(idngo.WithTimeout(time.Second))
				if name == "DownloadImage" {
					assertTimeout(t, faultnet.DownloadImage.Call(t.Context(), client))
					return
				}
				content, err := client.OpenImage(t.Context(), "5e02f6b1", "4711", idngo.ImageParams{})
				require.NoError(t, err)
				_, err = io.ReadAll(content)
				assertTimeout(t, err)
				require.NoError(t, content.Close())
			})
		})
	}
}

// If the answer is not an image, the call returns an error (go-github#486, minio-go#1561).
func TestOnlyAnImageIsAnImage(t *testing.T) {
	for name, answer := range map[string]struct {
		status      int
		contentType string
		body        string
		text        string
	}{
		"202 JSON":   {status: 202, contentType: "application/json", body: `{"status":"queued"}`, text: "202"},
		"202 image":  {status: 202, contentType: "image/png", body: "x", text: "202"},
		"200 JSON":   {status: 200, contentType: "Application/JSON; charset=utf-8", body: `{}`, text: "JSON"},
		"200 HTML":   {status: 200, contentType: "text/html", body: "<html>", text: "text/html"},
		"204":        {status: 204, text: "204"},
		"205":        {status: 205, text: "205"},
		"206":        {status: 206, contentType: "image/png", body: "half", text: "206"},
		"empty":      {status: 200, contentType: "image/png", text: "empty"},
		"304":        {status: 304, text: "304 Not Modified"},
		"error HTML": {status: 502, contentType: "text/html; charset=utf-8", body: "<html>", text: "text/html"},
	} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				n := faultnet.New(t)
				n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", answer.contentType)
					w.WriteHeader(answer.status)
					_, _ = io.WriteString(w, answer.body)
				})
				client := n.Client(faultnet.OneAttempt())
				var file bytes.Buffer
				written, err := client.DownloadImage(t.Context(), "5e02f6b1", "4711", &file, idngo.ImageParams{})
				require.ErrorContains(t, err, answer.text)
				assert.True(t, strings.HasPrefix(err.Error(), "idngo: DownloadImage: open image: "), "%s", err)
				assert.Zero(t, written)
				assert.Zero(t, file.Len())
				_, err = client.OpenImage(t.Context(), "5e02f6b1", "4711", idngo.ImageParams{Preview: true})
				require.ErrorContains(t, err, answer.text)
				if answer.status == 304 {
					var api *idngo.APIError
					require.ErrorAs(t, err, &api)
					assert.NotErrorIs(t, err, idngo.ErrRedirect)
				}
			})
		})
	}
}

// A 304 is not a redirect, for every method (got#251).
func TestNotModifiedIsNoRedirect(t *testing.T) {
	for name, call := range methods() {
		if name == "WaitForReview" || name == "EnsureAction" {
			continue // they make the calls of GetAction and ListActions, which are in this test
		}
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				n := faultnet.New(t)
				n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Location", "https://other.test/")
					w.WriteHeader(http.StatusNotModified)
				})
				var response idngo.Response
				err := call(t.Context(), n.Client(), idngo.WithHeader("If-None-Match", `"x"`), idngo.WithResponse(&response))
				var api *idngo.APIError
				require.ErrorAs(t, err, &api)
				assert.Equal(t, []int{304, 1, 304}, []int{api.StatusCode, api.Attempts, response.StatusCode})
				assert.NotErrorIs(t, err, idngo.ErrRedirect)
				assert.NotErrorIs(t, err, idngo.ErrOutcomeUnknown)
				assert.NotContains(t, err.Error(), "redirect")
			})
		})
	}
}

// For Do, an answer without a body is a success, whatever the type to decode into
// (google-api-go-client#195).
func TestDoAnsweredWithoutABody(t *testing.T) {
	for _, status := range []int{200, 201, 202, 204, 205} {
		for _, httpMethod := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
			t.Run(fmt.Sprint(httpMethod, " ", status), func(t *testing.T) {
				faultnet.InBubble(t, func(t *testing.T) {
					n := faultnet.New(t)
					n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("Content-Type", "application/json")
						w.WriteHeader(status)
					})
					object, list, raw := map[string]any{"kept": true}, []int{1}, []byte("kept")
					for _, out := range []any{nil, &object, &list, &raw, &struct{ A int }{}} {
						var response idngo.Response
						require.NoError(t, n.Client().Do(t.Context(), httpMethod, "/x", nil, nil, out, idngo.WithResponse(&response)))
						assert.Equal(t, []int{status, 1, 0}, []int{response.StatusCode, response.Attempts, len(response.Body)})
					}
					assert.Equal(t, map[string]any{"kept": true}, object)
					assert.Equal(t, []int{1}, list)
					assert.Equal(t, "kept", string(raw))
				})
			})
		}
	}
}

// A nil of any type means that there is no body (openbao#1315).
func TestDoWithANilBody(t *testing.T) {
	type params struct{ A int }
	for name, body := range map[string]any{
		"nil": nil, "pointer": (*params)(nil), "map": map[string]int(nil), "slice": []int(nil), "bytes": []byte(nil),
		"raw message": json.RawMessage(nil), "marshaler": (*idngo.Time)(nil), "url.Values": url.Values(nil),
	} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				n := faultnet.New(t)
				n.OnRequest = func(_ int, w http.ResponseWriter, r *http.Request) bool {
					sent, err := io.ReadAll(r.Body)
					assert.NoError(t, err)
					assert.Empty(t, sent)
					assert.Zero(t, r.ContentLength)
					assert.Equal(t, r.Method == "POST", r.Header.Get("Content-Type") != "")
					w.WriteHeader(204)
					return true
				}
				for _, httpMethod := range []string{"DELETE", "PUT", "POST", "GET"} {
					require.NoError(t, n.Client().Do(t.Context(), httpMethod, "/x", nil, body, nil))
				}
			})
		})
	}
}

// A Retry-After is a lower bound of the wait. The wait is not shorter than the policy's, and up to
// a tenth longer than the Retry-After (go-retryablehttp#170).
func TestRetryAfterIsALowerBound(t *testing.T) {
	policy := idngo.RetryPolicy{MaxAttempts: 2, MinDelay: 4 * time.Second, MaxDelay: 4 * time.Second}
	for name, test := range map[string]struct {
		after       string
		least, most time.Duration
	}{
		"none":              {after: "", least: 2 * time.Second, most: 4 * time.Second},
		"zero":              {after: "0", least: 2 * time.Second, most: 4 * time.Second},
		"a past date":       {after: "Sat, 01 Jan 2000 00:00:00 GMT", least: 2 * time.Second, most: 4 * time.Second},
		"below the delay":   {after: "1", least: 2 * time.Second, most: 4 * time.Second},
		"above the delay":   {after: "20", least: 20 * time.Second, most: 22 * time.Second},
		"the most there is": {after: "60", least: time.Minute, most: 66 * time.Second},
	} {
		for _, op := range []faultnet.Operation{faultnet.CreateAction, faultnet.AddImage, faultnet.GetAction, faultnet.DownloadImage} {
			t.Run(name+" "+op.Name, func(t *testing.T) {
				faultnet.InBubble(t, func(t *testing.T) {
					n := faultnet.New(t)
					headers := []string{"Retry-After", test.after}
					if test.after == "" {
						headers = nil
					}
					n.OnRequest = faultnet.AnswerInTurn(faultnet.Refusal(429, 0, headers...))
					require.NoError(t, op.Call(t.Context(), n.Client(idngo.WithRetryPolicy(policy))))
					require.Len(t, n.Gaps(), 1)
					assert.GreaterOrEqual(t, n.Gaps()[0], test.least)
					assert.LessOrEqual(t, n.Gaps()[0], test.most)
				})
			})
		}
	}
}

// If the entries of a list are too large for one answer, the client fetches smaller pages.
func TestListsOfLargeEntries(t *testing.T) {
	t.Parallel()
	skipIfShort(t, "it reads megabytes of JSON")
	entries := faultnet.Count(120, 60, 60) // of 200 KiB each: one page of them is above the limit of an answer
	filler := strings.Repeat("x", 200<<10)
	for name, call := range map[string]func(context.Context, *idngo.Client) (int, error){
		"AllActions": func(ctx context.Context, client *idngo.Client) (found int, err error) {
			for _, err := range client.AllActions(ctx, "app-1", idngo.ListActionsParams{}) {
				if err != nil {
					return found, err
				}
				found++
			}
			return found, nil
		},
		"FindAction": func(ctx context.Context, client *idngo.Client) (int, error) {
			_, err := client.FindAction(ctx, "app-1", fmt.Sprintf("ext-%d", entries-1))
			return entries, err
		},
		"EnsureAction": func(ctx context.Context, client *idngo.Client) (int, error) {
			last := fmt.Sprintf("ext-%d", entries-1)
			_, err := client.EnsureAction(ctx, "app-1", idngo.CreateActionParams{LevelName: "lvl", ExternalActionID: last})
			return entries, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := func(req *http.Request) (*http.Response, error) {
				var limit, offset int
				_, err := fmt.Sscan(req.URL.Query().Get("limit")+" "+req.URL.Query().Get("offset"), &limit, &offset)
				require.NoError(t, err)
				var body strings.Builder
				_, _ = fmt.Fprintf(&body, `{"list":{"totalItems":%d,"items":[`, entries)
				for i := offset; i < min(offset+limit, entries); i++ {
					if i > offset {
						body.WriteString(",")
					}
					_, _ = fmt.Fprintf(&body, `{"id":"a%d","externalActionId":"ext-%d","review":{"levelName":"lvl"},"x":%q}`, i, i, filler)
				}
				body.WriteString("]}}")
				return &http.Response{
					StatusCode: 200, Header: http.Header{}, ContentLength: int64(body.Len()), Request: req,
					Body: io.NopCloser(strings.NewReader(body.String())),
				}, nil
			}
			found, err := call(t.Context(), faultnet.NewClient(t, faultnet.RoundTripFunc(server)))
			require.NoError(t, err)
			assert.Equal(t, entries, found)
		})
	}
}

// Every method that takes the id of an action or an applicant returns an error if the answer has
// another id or none.
func TestAnswersWithAnotherID(t *testing.T) {
	takesID := []string{"GetAction", "SubmitAction", "ConfirmAction", "RequireApproved", "WaitForReview", "GetApplicant"}
	for _, name := range takesID {
		for body, words := range map[string]string{
			`{}`: "does not return the id", `{"review":{"reviewStatus":"completed"}}`: "does not return the id",
			`{"id":"other","applicantId":"app-1","review":{"reviewStatus":"completed","reviewResult":{"reviewAnswer":"GREEN"}}}`: "the id differs",
		} {
			t.Run(name+" "+body, func(t *testing.T) {
				faultnet.InBubble(t, func(t *testing.T) {
					n := faultnet.New(t)
					n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					err := methods()[name](ctx, n.Client())
					require.ErrorIs(t, err, idngo.ErrActionMismatch)
					require.ErrorContains(t, err, words)
					assert.NotErrorIs(t, err, idngo.ErrNotFound)
					assert.NotContains(t, err.Error(), "other")
					assert.True(t, strings.HasPrefix(err.Error(), "idngo: "+name+": "), "%s", err)
					assert.Equal(t, name == "SubmitAction", errors.Is(err, idngo.ErrOutcomeUnknown))
				})
			})
		}
	}
	t.Run("the fetch after SubmitAction", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			n := faultnet.New(t)
			n.OnRequest = faultnet.AnswerInTurn(faultnet.WriteText(""), faultnet.WriteText(`{"id":"other"}`))
			action, err := n.Client().SubmitAction(t.Context(), "5e02f6b1")
			require.ErrorIs(t, err, idngo.ErrActionMismatch)
			require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
			assert.Nil(t, action)
		})
	})
	for body, fails := range map[string]bool{`{}`: true, `{"id":"a","externalUserId":"other"}`: true, `{"id":"a"}`: false} {
		t.Run("FindApplicant "+body, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				n := faultnet.New(t)
				n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
				applicant, err := n.Client().FindApplicant(t.Context(), "user-1")
				assert.Equal(t, fails, errors.Is(err, idngo.ErrActionMismatch), "%v", err)
				assert.Equal(t, fails, applicant == nil)
			})
		})
	}
}

// ExpiresAt follows the corrected clock, since it is meant for a phone with a correct clock.
func TestExpiresAtOfASlowClock(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, time.Hour, 0} {
		for name, corrected := range map[string]string{"corrected before": "before", "corrected during": "during"} {
			t.Run(fmt.Sprint(off, " ", name), func(t *testing.T) {
				faultnet.InBubble(t, func(t *testing.T) {
					n := faultnet.New(t)
					n.AnyStamp = true
					var refused bool
					n.OnRequest = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
						if refused || off == 0 {
							return false
						}
						refused = true
						faultnet.Refuse(w, 401, 4004, "expired")
						return true
					}
					client := n.Client(idngo.WithClock(func() time.Time { return time.Now().Add(off) }))
					if corrected == "before" {
						require.NoError(t, faultnet.GetAction.Call(t.Context(), client))
					}
					token, err := client.CreateAccessToken(t.Context(), idngo.AccessTokenParams{UserID: "user-1", LevelName: "lvl", TTL: time.Minute})
					require.NoError(t, err)
					assert.InDelta(t, time.Minute, time.Until(token.ExpiresAt), float64(2*time.Second))
				})
			})
		}
	}
}

// Every method of the zero Client returns an error and does not panic.
func TestZeroClient(t *testing.T) {
	t.Parallel()
	for _, client := range []*idngo.Client{{}, nil} {
		for name, call := range methods() {
			err := call(t.Context(), client)
			require.ErrorIs(t, err, idngo.ErrInvalidArgument, name)
			assert.True(t, strings.HasPrefix(err.Error(), "idngo: "+name+": invalid argument: "), "%s", err)
			assert.NotContains(t, err.Error(), "\n")
		}
		client.CloseIdleConnections()
	}
}

// If several arguments are bad, the call returns one error on one line. It names the method and
// each argument.
func TestSeveralBadArguments(t *testing.T) {
	t.Parallel()
	client := faultnet.NewClient(t, nil)
	ctx := t.Context()
	for name, test := range map[string]struct {
		err   error
		words []string
	}{
		"CreateAction": {
			err:   second(client.CreateAction(faultnet.NilContext, "", idngo.CreateActionParams{Email: "\xff"}, nil)),
			words: []string{"applicantID", "LevelName", "ExternalActionID", "Email", "context", "request option"},
		},
		"EnsureAction": {
			err:   second(client.EnsureAction(ctx, "..", idngo.CreateActionParams{Extra: map[string]any{"email": 1}}, nil)),
			words: []string{"applicantID", "LevelName", "ExternalActionID", "Extra", "request option"},
		},
		"FindAction": {err: second(client.FindAction(ctx, "", "", nil)), words: []string{"applicantID", "externalActionID", "request option"}},
		"ListActions": {
			err: second(client.ListActions(ctx, "", idngo.ListActionsParams{Limit: -1})), words: []string{"applicantID", "Limit"},
		},
		"WaitForReview": {
			err:   second(client.WaitForReview(ctx, "", idngo.WaitParams{MinInterval: -1}, nil)),
			words: []string{"actionID", "WaitParams", "request option"},
		},
		"ConfirmAction": {
			err: second(client.ConfirmAction(faultnet.NilContext, "", idngo.ActionExpectation{})), words: []string{"actionID", "ApplicantID"},
		},
		"RequireApproved": {
			err: second(client.RequireApproved(ctx, "", idngo.ActionExpectation{}, nil)), words: []string{"actionID", "ApplicantID"},
		},
		"CreateAccessToken": {
			err: second(client.CreateAccessToken(ctx, idngo.AccessTokenParams{TTL: -1})), words: []string{"UserID", "LevelName", "TTL"},
		},
		"CreateWebSDKLink": {
			err: second(client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{TTL: 1})), words: []string{"LevelName", "ExternalUserID", "TTL"},
		},
		"AddImage": {
			err:   second(client.AddImage(faultnet.NilContext, "", idngo.AddImageParams{}, nil)),
			words: []string{"actionID", "IDDocType", "Country", "Image", "context", "request option"},
		},
		"OpenImage": {err: second(client.OpenImage(ctx, "", ".", idngo.ImageParams{})), words: []string{"actionID", "imageID"}},
		"DownloadImage": {
			err: second(client.DownloadImage(ctx, "", "", nil, idngo.ImageParams{})), words: []string{"actionID", "imageID", "w is nil"},
		},
		"Do": {err: client.Do(ctx, "", "x", nil, make(chan int), 1), words: []string{"method", "path", "body", "out"}},
		"GetAction": {
			err:   second(client.GetAction(faultnet.NilContext, "", nil, idngo.WithHeader("Host", "x"))),
			words: []string{"actionID", "context", "request option", "header"},
		},
		"NewClient": {
			err: second(idngo.NewClient(
				idngo.Credentials{AppToken: "[redacted]", SecretKey: `"quoted"`}, idngo.WithTimeout(-1), nil, idngo.WithBaseURL("x"),
			)),
			words: []string{"AppToken", "SecretKey", "quotes", "timeout", "option", "base URL"},
		},
		"NewSigner": {
			err:   second(idngo.NewSigner(idngo.Credentials{AppToken: "'single'", SecretKey: "[redacted]"})),
			words: []string{"AppToken", "SecretKey"},
		},
	} {
		require.ErrorIs(t, test.err, idngo.ErrInvalidArgument, name)
		text := test.err.Error()
		assert.True(t, strings.HasPrefix(text, "idngo: "+name+": invalid argument: "), "%s", text)
		assert.NotContains(t, text, "\n")
		assert.Equal(t, 1, strings.Count(text, "invalid argument"), "%s", text)
		for _, word := range test.words {
			assert.Contains(t, text, word)
		}
	}
}

// second returns the error of a call with two results.
func second[T any](_ T, err error) error { return err }

// An error is one line. It names the method that was called and, if another call failed, also that
// call. For an HTML answer it names the media type.
func TestErrorsNameTheMethod(t *testing.T) {
	failing := map[string]string{
		"EnsureAction": "list actions", "FindAction": "list actions", "AllActions": "list actions", "WaitForReview": "get action",
		"ConfirmAction": "get action", "RequireApproved": "get action", "CheckCredentials": "get action", "DownloadImage": "open image",
	}
	for name, call := range methods() {
		for kind, answer := range map[string]struct {
			status      int
			contentType string
			words       string
		}{
			"404": {status: 404, contentType: "application/json", words: "404 Not Found"},
			"404 HTML": {
				status: 404, contentType: "text/html; charset=utf-8", words: "404 Not Found (text/html, most likely from a proxy or gateway)",
			},
			"200 HTML": {status: 200, contentType: "text/html", words: "text/html, most likely from a proxy or gateway"},
		} {
			if name == "CheckCredentials" && kind == "404" {
				continue // CheckCredentials accepts a 404
			}
			t.Run(name+" "+kind, func(t *testing.T) {
				faultnet.InBubble(t, func(t *testing.T) {
					n := faultnet.New(t)
					n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("Content-Type", answer.contentType)
						w.WriteHeader(answer.status)
						_, _ = io.WriteString(w, `<html>{"description":"no\nway","code":404}`)
					})
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					err := call(ctx, n.Client())
					require.ErrorContains(t, err, answer.words)
					assert.NotContains(t, err.Error(), "\n")
					assert.True(t, strings.HasPrefix(err.Error(), "idngo: "+name+": "), "%s", err)
					assert.Equal(t, 1, strings.Count(err.Error(), "idngo: "))
					assert.Contains(t, err.Error(), failing[name])
				})
			})
		}
	}
}

// The errors of other packages may have several lines. The errors of this package have one.
func TestErrorsOfOthersMakeOneLine(t *testing.T) {
	lines := errors.Join(errors.New("first"), errors.New("second"))
	params := faultnet.Selfie(idngo.ImageReader("x.png", failingReader{lines}))
	tests := map[string]func(t *testing.T, n *faultnet.Network) error{
		"a writer": func(t *testing.T, n *faultnet.Network) error {
			_, err := n.Client().DownloadImage(t.Context(), "5e02f6b1", "4711", failingWriter{lines}, idngo.ImageParams{})
			return err
		},
		"an image": func(t *testing.T, n *faultnet.Network) error {
			return second(n.Client().AddImage(t.Context(), "5e02f6b1", params))
		},
		"a rate limiter": func(t *testing.T, n *faultnet.Network) error {
			limiter := faultnet.LimiterFunc(func(context.Context) error { return lines })
			return faultnet.GetAction.Call(t.Context(), n.Client(idngo.WithRateLimiter(limiter)))
		},
		"a rate limiter after an answer": func(t *testing.T, n *faultnet.Network) error {
			n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) { faultnet.Refuse(w, 503, 0, "no") })
			calls := 0
			limiter := faultnet.LimiterFunc(func(context.Context) error {
				if calls++; calls == 1 {
					return nil
				}
				return lines
			})
			return faultnet.GetAction.Call(t.Context(), n.Client(idngo.WithRateLimiter(limiter)))
		},
		"the cause of a context": func(t *testing.T, n *faultnet.Network) error {
			n.OnRequest = faultnet.AnswerAll(faultnet.NeverAnswer)
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(lines) })
			return faultnet.GetAction.Call(ctx, n.Client())
		},
		"the cause of a context in a wait": func(t *testing.T, n *faultnet.Network) error {
			n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) { faultnet.Refuse(w, 429, 0, "no") })
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(100*time.Millisecond, func() { cancel(lines) })
			return faultnet.GetAction.Call(ctx, n.Client())
		},
		"a body to sign": func(t *testing.T, _ *faultnet.Network) error {
			signer, err := idngo.NewSigner(faultnet.Credentials)
			require.NoError(t, err)
			req, err := http.NewRequestWithContext(t.Context(), "POST", "https://api.test/", failingReader{lines})
			require.NoError(t, err)
			req.GetBody = func() (io.ReadCloser, error) { return nil, lines }
			return signer.Sign(req, time.Now())
		},
	}
	for name, call := range tests {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				err := call(t, faultnet.New(t))
				require.ErrorIs(t, err, lines)
				assert.Contains(t, err.Error(), "first second")
				for _, verb := range []string{"%v", "%+v", "%s", "%#v"} {
					assert.NotContains(t, fmt.Sprintf(verb, err), "\n")
				}
			})
		})
	}
}

// failingReader fails every Read.
type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// failingWriter fails every Write.
type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// Equal answers and equal arguments compare as equal, so that tests can expect them
// (aws-sdk-go-v2#1320, testify#586).
func TestAnswersAndArgumentsCompare(t *testing.T) {
	t.Parallel()
	decode := func(out any) any {
		text := `{"id":"a","createdAt":"2026-01-02 03:04:05+0000","review":{"createDate":"not a date","reviewDate":"2026-01-02 03:04:05.123"},
			"agreement":{"n":12345678901234567},"externalActionId":"x"}`
		require.NoError(t, json.Unmarshal([]byte(text), out))
		return out
	}
	assert.True(t, reflect.DeepEqual(decode(new(idngo.Action)), decode(new(idngo.Action))))
	assert.True(t, reflect.DeepEqual(decode(new(idngo.Applicant)), decode(new(idngo.Applicant))))
	one, two := decode(new(idngo.Action)).(*idngo.Action), decode(new(idngo.Action)).(*idngo.Action)
	assert.Equal(t, one.CreatedAt, two.CreatedAt)
	equal := one.CreatedAt == two.CreatedAt
	assert.True(t, equal, "Time under ==")
	assert.True(t, one.CreatedAt.Equal(two.CreatedAt), "Equal, which go-cmp calls")

	reader := strings.NewReader("x")
	image := idngo.ImageReader("a.png", reader)
	for name, test := range map[string]struct {
		one, two         idngo.ImageSource
		same, comparable bool
	}{
		"a file":       {one: idngo.ImageFile("a.png"), two: idngo.ImageFile("a.png"), same: true, comparable: true},
		"another file": {one: idngo.ImageFile("a.png"), two: idngo.ImageFile("b.png"), comparable: true},
		"a ReaderAt": {
			one: idngo.ImageReaderAt("a.png", reader, 1), two: idngo.ImageReaderAt("a.png", reader, 1), same: true, comparable: true,
		},
		"another size":        {one: idngo.ImageReaderAt("a.png", reader, 1), two: idngo.ImageReaderAt("a.png", reader, 2), comparable: true},
		"bytes":               {one: idngo.ImageBytes("a.png", []byte("x")), two: idngo.ImageBytes("a.png", []byte("x")), same: true},
		"other bytes":         {one: idngo.ImageBytes("a.png", []byte("x")), two: idngo.ImageBytes("a.png", []byte("y"))},
		"a reader and itself": {one: image, two: image, same: true, comparable: true},
		"a reader and another": {
			one: idngo.ImageReader("a.png", strings.NewReader("x")), two: idngo.ImageReader("a.png", strings.NewReader("y")), comparable: true,
		},
		"two of one reader": {one: image, two: idngo.ImageReader("a.png", reader), comparable: true},
	} {
		first := idngo.AddImageParams{IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: test.one}
		second := idngo.AddImageParams{IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: test.two}
		if !strings.Contains(name, "two of one") { // under DeepEqual two channels are equal only if they are the same
			assert.Equal(t, test.same, assert.ObjectsAreEqual(first, second), name)
		}
		if test.comparable {
			assert.Equal(t, test.same, test.one == test.two, name)
		}
	}
}

// Numbers above 2^53 keep their digits (datadog-api-client-go#4091).
func TestLargeNumbersSurviveAWrite(t *testing.T) {
	t.Parallel()
	const text = `{"n":12345678901234567,"amount":12345678901234567.89}`
	var action idngo.Action
	require.NoError(t, json.Unmarshal([]byte(`{"id":"a","agreement":`+text+`}`), &action))
	again, err := json.Marshal(action)
	require.NoError(t, err)
	assert.Contains(t, string(again), text)
}

// sortedNames returns the names of the methods.
func sortedNames() []string { return slices.Sorted(maps.Keys(methods())) }

// methods has every method of clientCalls.
func TestReportsCoverEveryMethod(t *testing.T) {
	t.Parallel()
	for _, call := range clientCalls {
		assert.Contains(t, sortedNames(), call.method)
	}
	assert.Less(t, len(sortedNames()), math.MaxInt8)
}
