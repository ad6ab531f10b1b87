package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// The client refuses a header Accept-Encoding that asks for compression. net/http would not
// decompress such an answer, so a create that took effect would return an error
// (google-api-go-client#219).
func TestAcceptEncodingIsNotTheCallers(t *testing.T) {
	t.Parallel()
	for name, call := range methods() {
		for _, value := range []string{"gzip", "br", "", "identity, gzip"} {
			sent := false
			client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(*http.Request) (*http.Response, error) {
				sent = true
				return nil, io.EOF
			}))
			err := call(t.Context(), client, idngo.WithHeader("accept-encoding", value))
			require.ErrorIs(t, err, idngo.ErrInvalidArgument, name)
			assert.ErrorContains(t, err, "Accept-Encoding")
			assert.False(t, sent)
		}
	}
	client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		assert.Equal(t, []string{"identity"}, req.Header["Accept-Encoding"])
		body := io.NopCloser(strings.NewReader(faultnet.ActionJSON))
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body, Request: req}, nil
	}))
	require.NoError(t, faultnet.GetAction.Call(t.Context(), client, idngo.WithHeader("Accept-Encoding", "identity")))
}

// Since Go 1.23 a timeout of the caller's transport matches context.DeadlineExceeded. It is not the
// deadline of the caller, so an idempotent call is retried (minio-go#1997).
func TestTimeoutOfTheTransportIsRetried(t *testing.T) {
	for _, op := range faultnet.Operations {
		t.Run(op.Key(), func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				n := faultnet.New(t)
				n.Untapped = true
				n.Transport.ResponseHeaderTimeout = time.Second
				n.OnRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
					if number == 1 {
						faultnet.NeverAnswer(w, r)
					}
					return false
				}
				err := op.Call(t.Context(), n.Client())
				assert.Len(t, n.Seen(), map[bool]int{true: 1, false: 2}[op.NotIdempotent])
				if op.NotIdempotent {
					require.ErrorIs(t, err, idngo.ErrOutcomeUnknown)
					return
				}
				require.NoError(t, err)
			})
		})
	}
}

// If the body of a 200 breaks off, as after a GOAWAY of HTTP/2, an idempotent call is retried. A
// complete body that cannot be decoded is not retried (aws-sdk-go-v2#3494).
func TestBodyThatBreaksOffIsRetried(t *testing.T) {
	t.Parallel()
	goAway := errors.New("http2: server sent GOAWAY and closed the connection")
	for _, op := range faultnet.Operations {
		attempts := 0
		client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			attempts++
			recorder := newRecorder(req)
			if attempts == 1 {
				recorder.Body = io.NopCloser(iotest.ErrReader(goAway))
			}
			return recorder, nil
		}), faultnet.RetryAtOnce(3))
		var response idngo.Response
		err := op.Call(t.Context(), client, idngo.WithResponse(&response))
		if op.NotIdempotent {
			require.ErrorIs(t, err, idngo.ErrOutcomeUnknown, op.Key())
			require.ErrorIs(t, err, goAway, op.Key())
			assert.Equal(t, 1, attempts)
			continue
		}
		require.NoError(t, err, op.Key())
		assert.Equal(t, []int{2, 2}, []int{attempts, response.Attempts})

		attempts = -10
		broken := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			attempts++
			body := io.NopCloser(strings.NewReader(`{"id":`))
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: req}, nil
		}), faultnet.RetryAtOnce(3))
		require.Error(t, op.Call(t.Context(), broken), op.Key())
		assert.Equal(t, -9, attempts, op.Key())
	}
}

// newRecorder returns the answer that faultnet.Answer writes.
func newRecorder(req *http.Request) *http.Response {
	w := &responseBuffer{header: http.Header{}}
	faultnet.Answer(w, req)
	return &http.Response{StatusCode: 200, Header: w.header, Body: io.NopCloser(&w.body), ContentLength: -1, Request: req}
}

// A responseBuffer keeps an answer.
type responseBuffer struct {
	header http.Header
	body   bytes.Buffer
}

func (w *responseBuffer) Header() http.Header         { return w.header }
func (w *responseBuffer) Write(p []byte) (int, error) { return w.body.Write(p) }
func (*responseBuffer) WriteHeader(int)               {}

// A Retry-After that is longer than any MaxRetryAfter ends the call. It does not become a negative
// wait (go-retryablehttp#297).
func TestRetryAfterThatOverflows(t *testing.T) {
	for _, after := range []string{
		"9223372037", "9223372036854775807", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT",
	} {
		for _, op := range []faultnet.Operation{faultnet.CreateAction, faultnet.GetAction, faultnet.DownloadImage} {
			t.Run(after+" "+op.Name, func(t *testing.T) {
				faultnet.InBubble(t, func(t *testing.T) {
					n := faultnet.New(t)
					n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) {
						faultnet.Refusal(429, 0, "Retry-After", after)(w)
					})
					err := op.Call(t.Context(), n.Client())
					var api *idngo.APIError
					require.ErrorAs(t, err, &api)
					assert.Equal(t, 1, api.Attempts)
					assert.Greater(t, api.RetryAfter, 100*365*24*time.Hour)
					assert.Len(t, n.Seen(), 1)
				})
			})
		}
	}
}

// The Date of a cached answer says nothing about the clock (aws-sdk-go-v2#3409). The client drops
// its offset when the local clock is right again (aws-sdk-go-v2#3187).
func TestOffsetOfTheClock(t *testing.T) {
	refusedOnce := func(n *faultnet.Network, header http.Header) {
		refused := false
		n.AnyStamp = true
		n.OnRequest = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			for key, values := range header {
				w.Header()[key] = values
			}
			if refused {
				return false
			}
			refused = true
			faultnet.Refuse(w, 401, 4004, "expired")
			return true
		}
	}
	stampOf := func(n *faultnet.Network) time.Duration {
		seen := n.Seen()
		last := seen[len(seen)-1]
		var seconds int64
		_, _ = fmt.Sscan(last.Header.Get("X-App-Access-Ts"), &seconds)
		return time.Unix(seconds, 0).Sub(last.At).Round(time.Minute)
	}
	t.Run("cached", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			n := faultnet.New(t)
			old := time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
			refusedOnce(n, http.Header{"Age": {"3600"}, "Date": {old}})
			require.NoError(t, faultnet.GetAction.Call(t.Context(), n.Client()))
			assert.Zero(t, stampOf(n))
		})
	})
	t.Run("set right again", func(t *testing.T) {
		faultnet.InBubble(t, func(t *testing.T) {
			n := faultnet.New(t)
			refusedOnce(n, nil)
			off := -time.Hour
			client := n.Client(idngo.WithClock(func() time.Time { return time.Now().Add(off) }))
			for _, off = range []time.Duration{-time.Hour, 0} {
				for range 2 { // the stamp is right after one call at most
					require.NoError(t, faultnet.GetAction.Call(t.Context(), client))
				}
				assert.Zero(t, stampOf(n), "%v off", off)
			}
		})
	})
}

// Every attempt of an upload sends the whole image, also from a reader that can be read only once
// (minio-go#2078). The boundary of its body is the one in its header (google-api-go-client#343).
func TestEveryAttemptCarriesTheImage(t *testing.T) {
	content := bytes.Repeat([]byte("image"), 100_000)
	for name, source := range map[string]func() idngo.ImageSource{
		"a reader": func() idngo.ImageSource {
			return idngo.ImageReader("a.png", iotest.OneByteReader(bytes.NewReader(content[:1000])))
		},
		"a buffer": func() idngo.ImageSource { return idngo.ImageReader("a.png", bytes.NewBuffer(bytes.Clone(content))) },
		"bytes":    func() idngo.ImageSource { return idngo.ImageBytes("a.png", content) },
		"a ReaderAt": func() idngo.ImageSource {
			return idngo.ImageReaderAt("a.png", bytes.NewReader(content), int64(len(content)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				n := faultnet.New(t)
				var sizes []int
				n.OnRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
					_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
					assert.NoError(t, err)
					form, err := multipart.NewReader(r.Body, params["boundary"]).ReadForm(1 << 20)
					if assert.NoError(t, err) && assert.Len(t, form.File["content"], 1) {
						sizes = append(sizes, int(form.File["content"][0].Size))
					}
					if number < 3 {
						faultnet.Refuse(w, 429, 0, "later")
						return true
					}
					_, _ = io.WriteString(w, faultnet.ImageJSON)
					return true
				}
				_, err := n.Client().AddImage(t.Context(), "5e02f6b1", faultnet.Selfie(source()))
				require.NoError(t, err)
				want := len(content)
				if name == "a reader" {
					want = 1000
				}
				assert.Equal(t, []int{want, want, want}, sizes)
			})
		})
	}
}

// If the context ends during the wait before a retry, the call ends at once. Its error matches the
// context's error and the failure of the attempt (hcloud-go#814).
func TestContextEndsInAWaitWithBothReasons(t *testing.T) {
	reason := errors.New("the user has left")
	for name, call := range methods() {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				n := faultnet.New(t)
				n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) {
					faultnet.Refuse(w, 429, 0, "slow down")
				})
				policy := idngo.RetryPolicy{MinDelay: time.Minute, MaxDelay: time.Minute}
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(reason) })
				began := time.Now()
				err := call(ctx, n.Client(idngo.WithRetryPolicy(policy)))
				assert.Equal(t, time.Second, time.Since(began))
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, reason)
				require.ErrorIs(t, err, idngo.ErrRateLimited)
				assert.NotErrorIs(t, err, idngo.ErrOutcomeUnknown, "nothing ran")
			})
		})
	}
}

// A member of an unexpected type in an error body is ignored, and the status and the other members
// are kept (slack-go#1446). A refusal in plain text still matches the sentinel of its status
// (slack-go#145, stripe-go#642).
func TestOddErrorBodies(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		code   idngo.ErrorCode
		is     error
	}{
		"a list for a text": {status: 400, body: `{"description":["a","b"],"errorCode":1003,"correlationId":7}`, code: 1003},
		"a text for a code": {
			status: 409, body: `{"errors":["x"],"description":{},"errorCode":"1000"}`, code: 1000, is: idngo.ErrDuplicateImage,
		},
		"an object for all":  {status: 401, body: `{"description":{"a":1},"errorCode":{"a":1}}`, is: idngo.ErrUnauthorized},
		"a list":             {status: 404, body: `["no"]`, is: idngo.ErrNotFound},
		"a text":             {status: 429, body: "You are being rate limited", is: idngo.ErrRateLimited},
		"a page":             {status: 409, body: "<html>conflict</html>", is: idngo.ErrConflict},
		"a number":           {status: 500, body: "7", is: idngo.ErrServer},
		"a code of 64 bits":  {status: 400, body: `{"errorCode":12345678901234}`},
		"a code of decimals": {status: 400, body: `{"errorCode":1000.5}`},
	} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				n := faultnet.New(t)
				n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(test.status)
					_, _ = io.WriteString(w, test.body)
				})
				for _, op := range faultnet.Operations {
					err := op.Call(t.Context(), n.Client(faultnet.OneAttempt()))
					var api *idngo.APIError
					require.ErrorAs(t, err, &api, op.Key())
					assert.Equal(t, test.status, api.StatusCode)
					assert.Equal(t, test.code, api.Code)
					if test.is != nil {
						require.ErrorIs(t, err, test.is)
					}
				}
			})
		})
	}
}

// For each error of this package, errors.Is returns false for a nil pointer of an error type and
// does not panic. The errors of go-github panic there (grafana/github-datasource#800).
func TestErrorsIsOfATypedNil(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		n := faultnet.New(t)
		n.OnRequest = faultnet.AnswerAll(func(w http.ResponseWriter, _ *http.Request) { faultnet.Refuse(w, 503, 0, "no") })
		_, invalid := n.Client().GetAction(t.Context(), "")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, err := range []error{
			faultnet.CreateAction.Call(t.Context(), n.Client()), invalid, faultnet.GetAction.Call(ctx, n.Client()),
		} {
			require.Error(t, err)
			for _, target := range []error{(*url.Error)(nil), (*idngo.APIError)(nil), uncomparable{"x"}} {
				assert.NotErrorIs(t, err, target)
			}
		}
	})
}

// uncomparable is an error type for which == panics.
type uncomparable []string

func (uncomparable) Error() string { return "uncomparable" }
