package exchange

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/clock"
	"github.com/idngo-go/idngo/internal/formbody"
	"github.com/idngo-go/idngo/internal/retry"
)

const (
	testURL     = "https://api.example.com/a%2Fb?c=d"
	testTimeout = 10 * time.Second
)

var errBroken = errors.New("broken")

// roundTripperFunc is a transport of one function.
type roundTripperFunc func(req *http.Request) (*http.Response, error)

func (f roundTripperFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// bodySpy is a body that counts how often it was closed and how much of it was read.
type bodySpy struct {
	io.Reader
	closed int
	read   int64
}

func (b *bodySpy) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += int64(n)
	return n, err
}

func (b *bodySpy) Close() error {
	b.closed++
	return nil
}

// newExchanger returns an Exchanger that sends through transport.
func newExchanger(t *testing.T, transport http.RoundTripper) *Exchanger {
	t.Helper()
	return New(&http.Client{Transport: transport}, newTestSigner(t), clock.New(time.Now), testTimeout)
}

// respond returns a transport that answers with a status and a body of unknown length.
func respond(status int, header http.Header, body io.ReadCloser) roundTripperFunc {
	return func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: header.Clone(), Body: body, ContentLength: -1, Request: req,
		}, nil
	}
}

// fail returns a transport that fails.
func fail(err error) roundTripperFunc {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// hang answers no request.
func hang(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// hangingBody returns the body of an answer that stops. Reading it ends with the exchange.
func hangingBody(req *http.Request, first string) io.ReadCloser {
	return io.NopCloser(io.MultiReader(strings.NewReader(first), readerFunc(func([]byte) (int, error) {
		<-req.Context().Done()
		return 0, req.Context().Err()
	})))
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// newUpload returns an upload of content.
func newUpload(t *testing.T, content formbody.Content) *formbody.Upload {
	t.Helper()
	body, err := formbody.New([]byte(`{"idDocType":"SELFIE"}`), "a.png", "image/png", content)
	require.NoError(t, err)
	return &formbody.Upload{Body: body}
}

// simpleRequest returns a request with limits that no test reaches by accident.
func simpleRequest() *Request {
	return &Request{Method: http.MethodPost, URL: testURL, Body: []byte("{}"), Attempt: 1, MaxBody: 100, MaxErrorBody: 10}
}

func TestDoSignsTheFinalBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const stamp = "946684800" // synctest starts its clock at this time
		var sent *http.Request
		var body []byte
		e := newExchanger(t, roundTripperFunc(func(req *http.Request) (*http.Response, error) {
			var err error
			sent, body = req, nil
			if req.Body != nil {
				body, err = io.ReadAll(req.Body)
			}
			assert.NoError(t, err)
			return respond(200, nil, http.NoBody)(req)
		}))
		upload := newUpload(t, formbody.Bytes([]byte("picture")))
		multipart, err := io.ReadAll(upload.Open())
		require.NoError(t, err)
		for name, test := range map[string]struct {
			request Request
			body    string
		}{
			"body":    {request: Request{Body: []byte(`{"a":1}`)}, body: `{"a":1}`},
			"no body": {},
			"upload":  {request: Request{Upload: upload}, body: string(multipart)},
		} {
			test.request.Method, test.request.URL = http.MethodPost, testURL
			answer, failure := e.Do(t.Context(), &test.request)
			require.Nil(t, failure, name)
			assert.Equal(t, test.body, string(body), name)
			assert.Equal(t, int64(len(test.body)), sent.ContentLength, name)
			assert.Equal(t, []string{testToken}, sent.Header[HeaderToken], name)
			assert.Equal(t, []string{stamp}, sent.Header[HeaderStamp], name)
			assert.Equal(t, []string{signatureOf(stamp, "POST", "/a%2Fb?c=d", test.body)}, sent.Header[HeaderSignature], name)
			assert.Equal(t, sent.Header, answer.Sent.Header, name)
		}
	})
}

func TestDoHeaders(t *testing.T) {
	t.Parallel()
	upload := newUpload(t, formbody.Bytes([]byte("picture")))
	for name, test := range map[string]struct {
		request Request
		want    http.Header
	}{
		"none": {want: http.Header{}},
		"the three": {
			request: Request{UserAgent: "u", Accept: "a", ContentType: "c"},
			want:    http.Header{"User-Agent": {"u"}, "Accept": {"a"}, "Content-Type": {"c"}},
		},
		"no Accept with a stream": {request: Request{Stream: true, UserAgent: "u", Accept: "a"}, want: http.Header{"User-Agent": {"u"}}},
		"more, and one replaced": {
			request: Request{UserAgent: "u", Accept: "a", Header: http.Header{"Accept": {"x", "y"}, "X-Own": {"z"}}},
			want:    http.Header{"User-Agent": {"u"}, "Accept": {"x", "y"}, "X-Own": {"z"}},
		},
		"a name as it is spelled": {
			request: Request{Header: http.Header{"idempotency-key": {"k"}}},
			want:    http.Header{"idempotency-key": {"k"}},
		},
		"the boundary of an upload": {
			request: Request{Upload: upload, ContentType: "c", Header: http.Header{"Content-Type": {"x"}}},
			want:    http.Header{"Content-Type": {upload.ContentType()}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := test.request.Header.Clone()
			e := newExchanger(t, roundTripperFunc(func(req *http.Request) (*http.Response, error) {
				for _, signed := range []string{HeaderToken, HeaderStamp, HeaderSignature} {
					assert.Len(t, req.Header[signed], 1)
					delete(req.Header, signed)
				}
				assert.Equal(t, test.want, req.Header)
				for _, values := range req.Header {
					values[0] = "changed by the transport"
				}
				return respond(200, nil, http.NoBody)(req)
			}))
			test.request.Method, test.request.URL = http.MethodPost, testURL
			_, failure := e.Do(t.Context(), &test.request)
			require.Nil(t, failure)
			assert.Equal(t, before, test.request.Header, "the caller's header stays as it was")
		})
	}
}

func TestDoAnswers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 50)
	for name, test := range map[string]struct {
		method    string
		status    int
		body      io.Reader
		declared  int64 // 0: it is unknown
		want      string
		readsNone bool
	}{
		"200":                         {status: 200, body: strings.NewReader(long), want: long},
		"200, declared":               {status: 200, body: strings.NewReader(long), declared: 50, want: long},
		"204":                         {status: 204, body: strings.NewReader("")},
		"299":                         {status: 299, body: strings.NewReader("abc"), want: "abc"},
		"101 is closed unread":        {status: 101, body: iotest.ErrReader(errBroken), readsNone: true},
		"302":                         {status: 302, body: strings.NewReader("moved"), want: "moved"},
		"304":                         {status: 304, body: strings.NewReader("")},
		"404":                         {status: 404, body: strings.NewReader("gone"), want: "gone"},
		"500, too long":               {status: 500, body: strings.NewReader(long), want: long[:10]},
		"500, declared too long":      {status: 500, body: strings.NewReader(long), declared: 50, want: long[:10]},
		"500, as long as it may be":   {status: 500, body: strings.NewReader(long[:10]), declared: 10, want: long[:10]},
		"500, cut off":                {status: 500, body: io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(errBroken)), want: "ab"},
		"500, endless":                {status: 500, body: endless{}, want: strings.Repeat("\x00", 10)},
		"HEAD with a declared length": {method: http.MethodHead, status: 200, body: strings.NewReader(""), declared: 1 << 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spy := &bodySpy{Reader: test.body}
			e := newExchanger(t, roundTripperFunc(func(req *http.Request) (*http.Response, error) {
				res, err := respond(test.status, http.Header{"X-Own": {"a"}}, spy)(req)
				if test.declared != 0 {
					res.ContentLength = test.declared
				}
				return res, err
			}))
			request := simpleRequest()
			if test.method != "" {
				request.Method, request.Body = test.method, nil
			}
			answer, failure := e.Do(t.Context(), request)
			require.Nil(t, failure)
			assert.Equal(t, test.status, answer.StatusCode)
			assert.Equal(t, "a", answer.Header.Get("X-Own"))
			assert.Equal(t, test.want, string(answer.Content))
			assert.Nil(t, answer.Stream)
			assert.Equal(t, 1, spy.closed)
			assert.LessOrEqual(t, spy.read, int64(maxDrain+100), "no more than to reuse the connection")
			if test.readsNone {
				assert.Zero(t, spy.read)
			}
		})
	}
}

// endless is a body of zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// The events of a connection decide whether bytes may have been written.
func TestDoFailures(t *testing.T) {
	t.Parallel()
	// traced returns a transport that calls the hooks of a request, as net/http does, and then calls
	// next.
	traced := func(got bool, next roundTripperFunc) roundTripperFunc {
		return func(req *http.Request) (*http.Response, error) {
			if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
				trace.GetConn("api.example.com:443")
				if got {
					trace.GotConn(httptrace.GotConnInfo{})
				}
			}
			return next(req)
		}
	}
	withTrace := func(r *Request) { r.TraceWrites = true }
	upload := newUpload(t, formbody.Bytes([]byte("picture")))
	tooLong := strings.Repeat("x", 101)
	for name, test := range map[string]struct {
		transport roundTripperFunc
		change    func(r *Request)
		kind      retry.Kind
		written   bool
		err       error
		status    int // the status of the answer that began
		unsent    bool
		took      time.Duration
	}{
		"a bad URL": {
			change: func(r *Request) { r.URL = "https://user:pass@a b" }, kind: retry.Local, err: errBadURL, unsent: true,
		},
		"a bad method": {change: func(r *Request) { r.Method = "a b" }, kind: retry.Local, err: errBadURL, unsent: true},
		"an error":     {transport: fail(errBroken), kind: retry.Lost, written: true, err: errBroken},
		"an error with the URL": {
			transport: fail(&url.Error{Op: "Post", URL: testURL, Err: &url.Error{Op: "Post", URL: testURL, Err: errBroken}}),
			kind:      retry.Lost, written: true, err: errBroken,
		},
		"an error before a connection, untraced": {
			transport: traced(false, fail(errBroken)), kind: retry.Lost, written: true, err: errBroken,
		},
		"an error before a connection": {
			transport: traced(false, fail(errBroken)), change: withTrace, kind: retry.NotSent, err: errBroken,
		},
		"an error after a connection": {
			transport: traced(true, fail(errBroken)), change: withTrace, kind: retry.Lost, written: true, err: errBroken,
		},
		"a transport that tells nothing": {transport: fail(errBroken), change: withTrace, kind: retry.Lost, written: true, err: errBroken},
		"a second connection of another transport": {
			transport: traced(true, traced(false, fail(errBroken))), change: withTrace, kind: retry.Lost, written: true, err: errBroken,
		},
		"an unknown host": {
			transport: traced(false, fail(&net.DNSError{IsNotFound: true})), change: withTrace, kind: retry.Unreachable,
			err: &net.DNSError{IsNotFound: true},
		},
		"a certificate": {
			transport: traced(false, fail(x509.UnknownAuthorityError{})), change: withTrace, kind: retry.Unreachable,
			err: x509.UnknownAuthorityError{},
		},
		"no answer": {
			transport: hang, kind: retry.Lost, written: true, err: TimeoutError(testTimeout), took: testTimeout,
		},
		"no answer to an upload that nobody reads": {
			transport: hang, change: func(r *Request) { r.Body, r.Upload = nil, upload }, kind: retry.Lost, written: true,
			err: TimeoutError(testTimeout), took: testTimeout,
		},
		"no connection": {
			transport: traced(false, hang), change: withTrace, kind: retry.NotSent, err: TimeoutError(testTimeout), took: testTimeout,
		},
		"too large": {
			transport: respond(200, nil, io.NopCloser(strings.NewReader(tooLong))), kind: retry.Unusable, written: true, err: ErrTooLarge,
			status: 200,
		},
		"cut off": {
			transport: respond(200, nil, io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))), kind: retry.Lost, written: true,
			err: io.ErrUnexpectedEOF, status: 200,
		},
		"no end of the body": {
			transport: func(req *http.Request) (*http.Response, error) {
				return respond(201, nil, hangingBody(req, "abc"))(req)
			},
			kind: retry.Lost, written: true, err: TimeoutError(testTimeout), status: 201, took: testTimeout,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				request := simpleRequest()
				if test.change != nil {
					test.change(request)
				}
				began := time.Now()
				answer, failure := newExchanger(t, test.transport).Do(t.Context(), request)
				assert.Nil(t, answer)
				require.NotNil(t, failure)
				assert.Equal(t, test.took, time.Since(began))
				assert.Equal(t, test.kind, failure.Kind)
				assert.Equal(t, test.written, failure.Written)
				assert.Equal(t, test.err, failure.Err)
				assert.Equal(t, test.unsent, failure.Sent == nil)
				if test.status == 0 {
					assert.Nil(t, failure.Response)
				} else {
					assert.Equal(t, test.status, failure.Response.StatusCode)
				}
			})
		})
	}
}

// A body that cannot be used is closed, and read as far as its connection needs to be used again.
func TestDoClosesABodyThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body io.Reader
		err  error
		read int64
	}{
		"too large": {body: strings.NewReader(strings.Repeat("x", 5000)), err: ErrTooLarge, read: 5000},
		"endless":   {body: endless{}, err: ErrTooLarge, read: 101 + maxDrain},
		"broken":    {body: io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errBroken)), err: errBroken, read: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spy := &bodySpy{Reader: test.body}
			_, failure := newExchanger(t, respond(200, nil, spy)).Do(t.Context(), simpleRequest())
			require.NotNil(t, failure)
			require.ErrorIs(t, failure.Err, test.err)
			assert.Equal(t, test.read, spy.read)
			assert.Equal(t, 1, spy.closed)
		})
	}
}

func TestDoEndsWithTheContext(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		transport roundTripperFunc
		before    bool // whether the context ends before the exchange, and not a second later
		upload    bool
		written   bool
		sent      bool
		status    int
	}{
		"before":              {before: true},
		"before an upload":    {before: true, upload: true},
		"waiting":             {transport: hang, written: true, sent: true},
		"during the body":     {transport: hangInBody, written: true, sent: true, status: 200},
		"waiting, an upload":  {transport: hang, upload: true, written: true, sent: true},
		"the transport fails": {transport: failWhenDone, written: true, sent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if test.before {
					cancel(errBroken)
				} else {
					time.AfterFunc(time.Second, func() { cancel(errBroken) })
				}
				request := simpleRequest()
				if test.upload {
					request.Body, request.Upload = nil, newUpload(t, formbody.Bytes([]byte("picture")))
				}
				_, failure := newExchanger(t, test.transport).Do(ctx, request)
				require.NotNil(t, failure)
				assert.Equal(t, retry.Ended, failure.Kind)
				assert.Equal(t, test.written, failure.Written)
				assert.Equal(t, test.sent, failure.Sent != nil)
				require.ErrorIs(t, failure.Err, context.Canceled)
				require.ErrorIs(t, failure.Err, errBroken, "the cause")
				if test.status != 0 {
					assert.Equal(t, test.status, failure.Response.StatusCode)
				}
			})
		})
	}
}

// hangInBody answers with status 200 and a body without bytes, which stops until the request ends.
func hangInBody(req *http.Request) (*http.Response, error) {
	return respond(200, nil, hangingBody(req, ""))(req)
}

// failWhenDone waits for the end of the context and fails with errBroken.
func failWhenDone(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, errBroken
}

// These exchanges use net/http's own transport over connections that the test makes.
func TestDoStandardTransport(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		serve   func(server net.Conn) // nil: there is no connection
		kind    retry.Kind
		written bool
		err     error // nil: any error
	}{
		"no connection": {kind: retry.NotSent, err: errBroken},
		"closed after the request": {
			serve: func(server net.Conn) {
				_, _ = server.Read(make([]byte, 4<<10))
				_ = server.Close()
			},
			kind: retry.Lost, written: true,
		},
		"no answer": {
			serve: func(server net.Conn) { _, _ = io.Copy(io.Discard, server) },
			kind:  retry.Lost, written: true, err: TimeoutError(testTimeout),
		},
		"cut off": {
			serve: func(server net.Conn) {
				_, _ = server.Read(make([]byte, 4<<10))
				_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
				_ = server.Close()
			},
			kind: retry.Lost, written: true, err: io.ErrUnexpectedEOF,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dial := func(context.Context, string, string) (net.Conn, error) {
					if test.serve == nil {
						return nil, errBroken
					}
					client, server := net.Pipe()
					go test.serve(server)
					return client, nil
				}
				transport := &http.Transport{DialContext: dial}
				e := newExchanger(t, transport)
				defer e.CloseIdleConnections()
				request := simpleRequest()
				request.URL, request.TraceWrites = "http://api.example.com/", true
				_, failure := e.Do(t.Context(), request)
				require.NotNil(t, failure)
				assert.Equal(t, test.kind, failure.Kind)
				assert.Equal(t, test.written, failure.Written)
				if test.err != nil {
					require.ErrorIs(t, failure.Err, test.err)
				}
				var withURL *url.Error
				assert.NotErrorAs(t, failure.Err, &withURL, "the URL may hold personal data")
			})
		})
	}
}

// If the source of an upload cannot be read, the failure is on this side, both before and during
// the upload.
func TestDoUploadThatCannotBeRead(t *testing.T) {
	t.Parallel()
	readAll := func(req *http.Request) (*http.Response, error) {
		_, err := io.Copy(io.Discard, req.Body)
		return nil, err
	}
	answer := &bodySpy{Reader: strings.NewReader("ok")}
	for name, test := range map[string]struct {
		brokenFrom int32 // the number of the first opening that fails
		transport  roundTripperFunc
		answered   bool
	}{
		"hashing": {brokenFrom: 1},
		"sending": {brokenFrom: 2, transport: readAll},
		"sending, and the service has answered": {
			brokenFrom: 2, answered: true, transport: func(req *http.Request) (*http.Response, error) {
				_, _ = io.Copy(io.Discard, req.Body)
				return respond(200, nil, answer)(req)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opened atomic.Int32
			upload := newUpload(t, formbody.Content{Size: 3, Open: func() (io.ReadCloser, error) {
				if opened.Add(1) >= test.brokenFrom {
					return nil, errBroken
				}
				return io.NopCloser(strings.NewReader("abc")), nil
			}})
			request := simpleRequest()
			request.Body, request.Upload = nil, upload
			_, failure := newExchanger(t, test.transport).Do(t.Context(), request)
			require.NotNil(t, failure)
			assert.Equal(t, retry.Local, failure.Kind)
			assert.False(t, failure.Written)
			require.ErrorIs(t, failure.Err, errBroken)
			if test.answered {
				assert.EqualValues(t, 2, answer.read, "its connection can be used again")
				assert.Equal(t, 1, answer.closed)
			}
		})
	}
}

// The context of a request ends with its exchange, whatever came of it.
func TestDoEndsTheRequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		transport roundTripperFunc
		stream    bool
	}{
		"answered":  {transport: respond(200, nil, http.NoBody)},
		"refused":   {transport: respond(404, nil, http.NoBody), stream: true},
		"failed":    {transport: fail(errBroken), stream: true},
		"no stream": {transport: respond(200, nil, io.NopCloser(iotest.ErrReader(errBroken))), stream: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent context.Context
			request := simpleRequest()
			request.Stream = test.stream
			_, _ = newExchanger(t, roundTripperFunc(func(req *http.Request) (*http.Response, error) {
				sent = req.Context()
				assert.NoError(t, sent.Err())
				return test.transport(req)
			})).Do(t.Context(), request)
			require.ErrorIs(t, sent.Err(), context.Canceled)
		})
	}
}

// A transport may ask for the body again. After the exchange it gets no more bytes of it.
func TestDoUploadAgain(t *testing.T) {
	t.Parallel()
	upload := newUpload(t, formbody.Bytes([]byte("picture")))
	want, err := io.ReadAll(upload.Open())
	require.NoError(t, err)
	var kept io.ReadCloser
	e := newExchanger(t, roundTripperFunc(func(req *http.Request) (*http.Response, error) {
		for range 2 {
			body, err := req.GetBody()
			assert.NoError(t, err)
			got, err := io.ReadAll(body)
			assert.NoError(t, err)
			assert.Equal(t, want, got)
		}
		kept, _ = req.GetBody()
		return respond(200, nil, http.NoBody)(req)
	}))
	request := simpleRequest()
	request.Body, request.Upload = nil, upload
	_, failure := e.Do(t.Context(), request)
	require.Nil(t, failure)
	n, err := kept.Read(make([]byte, 1))
	assert.Zero(t, n)
	require.Error(t, err)
}

// The timeout of an upload starts again with each piece that the network takes.
func TestDoUploadWithoutProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newExchanger(t, roundTripperFunc(func(req *http.Request) (*http.Response, error) {
			piece := make([]byte, 16)
			for range 5 {
				time.Sleep(testTimeout - time.Second)
				_, err := req.Body.Read(piece)
				assert.NoError(t, err)
			}
			return hang(req)
		}))
		request := simpleRequest()
		request.Body, request.Upload = nil, newUpload(t, formbody.Bytes(make([]byte, 1<<10)))
		began := time.Now()
		_, failure := e.Do(t.Context(), request)
		require.NotNil(t, failure)
		assert.Equal(t, TimeoutError(testTimeout), failure.Err)
		assert.Equal(t, 5*(testTimeout-time.Second)+testTimeout, time.Since(began))
	})
}

func TestDoPanicOfTheProgressCallback(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int64{"at the start": 0, "at the end": 7} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upload := newUpload(t, formbody.Bytes([]byte("picture")))
			upload.Progress = func(sent, total int64, attempt int) {
				assert.EqualValues(t, 7, total)
				assert.Equal(t, 1, attempt)
				if sent == at {
					panic("of the caller")
				}
			}
			request := simpleRequest()
			request.Body, request.Upload = nil, upload
			e := newExchanger(t, roundTripperFunc(func(req *http.Request) (*http.Response, error) {
				_, _ = io.Copy(io.Discard, req.Body)
				return nil, errBroken
			}))
			assert.PanicsWithValue(t, "of the caller", func() { _, _ = e.Do(t.Context(), request) })
		})
	}
}

func TestAnswer_UploadChanged(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(content *formbody.Content)
		stamp  string
		want   bool
	}{
		"unchanged":   {},
		"other bytes": {change: func(c *formbody.Content) { *c = formbody.Bytes([]byte("PICTURE")) }, want: true},
		"shorter":     {change: func(c *formbody.Content) { *c = formbody.Bytes([]byte("pict")) }, want: true},
		"longer":      {change: func(c *formbody.Content) { *c = formbody.Bytes([]byte("pictures")) }, want: true},
		"unreadable": {
			change: func(c *formbody.Content) {
				c.Open = func() (io.ReadCloser, error) { return nil, errBroken }
			},
		},
		"without a timestamp": {
			change: func(c *formbody.Content) { *c = formbody.Bytes([]byte("PICTURE")) }, stamp: "now",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := formbody.Bytes([]byte("picture"))
			request := simpleRequest()
			request.Body = nil
			request.Upload = newUpload(t, formbody.Content{Size: 7, Open: func() (io.ReadCloser, error) { return source.Open() }})
			answer, failure := newExchanger(t, respond(400, nil, http.NoBody)).Do(t.Context(), request)
			require.Nil(t, failure)
			if test.change != nil {
				test.change(&source)
			}
			if test.stamp != "" {
				answer.Sent.Header.Set(HeaderStamp, test.stamp)
			}
			assert.Equal(t, test.want, answer.UploadChanged(t.Context()))
		})
	}
	t.Run("no upload", func(t *testing.T) {
		t.Parallel()
		answer, failure := newExchanger(t, respond(400, nil, http.NoBody)).Do(t.Context(), simpleRequest())
		require.Nil(t, failure)
		assert.False(t, answer.UploadChanged(t.Context()))
	})
}

// A redirect is an answer like any other. It is not followed, whatever its Location is.
func TestAnswer_RedirectHost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ location, want string }{
		"none":       {},
		"elsewhere":  {location: "https://evil.example/a?b", want: "evil.example"},
		"relative":   {location: "/login", want: "api.example.com"},
		"no URL":     {location: "https://a b:c/%zz", want: "an address that cannot be read"},
		"other port": {location: "//api.example.com:8443/", want: "api.example.com:8443"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			if test.location != "" {
				header.Set("Location", test.location)
			}
			calls := 0
			transport := respond(307, header, io.NopCloser(strings.NewReader("moved")))
			e := newExchanger(t, roundTripperFunc(func(req *http.Request) (*http.Response, error) {
				calls++
				return transport(req)
			}))
			answer, failure := e.Do(t.Context(), simpleRequest())
			require.Nil(t, failure)
			assert.Equal(t, header, answer.Header)
			assert.Equal(t, "moved", string(answer.Content))
			assert.Equal(t, test.want, answer.RedirectHost())
			assert.Equal(t, 1, calls)
		})
	}
}

// The Date of an answer is read only if it can change the clock.
func TestDoReadsTheClock(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status    int
		corrected bool
		want      bool
	}{
		"401":                  {status: 401, want: true},
		"200":                  {status: 200},
		"200, corrected clock": {status: 200, corrected: true, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				date := func(ahead time.Duration) http.Header {
					return http.Header{"Date": {time.Now().Add(ahead).UTC().Format(http.TimeFormat)}}
				}
				e := newExchanger(t, respond(test.status, date(2*time.Hour), http.NoBody))
				if test.corrected {
					_, changed := e.clock.Adopt(e.clock.Read(date(time.Hour), time.Now()))
					require.True(t, changed)
				}
				answer, failure := e.Do(t.Context(), simpleRequest())
				require.Nil(t, failure)
				assert.Equal(t, test.want, answer.Clock.ExplainsRefusal())
			})
		})
	}
}

// A transport can ask again for the body that was signed.
func TestDoBodyCanBeSentAgain(t *testing.T) {
	t.Parallel()
	e := newExchanger(t, roundTripperFunc(func(req *http.Request) (*http.Response, error) {
		for range 2 {
			body, err := req.GetBody()
			assert.NoError(t, err)
			got, err := io.ReadAll(body)
			assert.NoError(t, err)
			assert.True(t, bytes.Equal([]byte("{}"), got))
		}
		return respond(200, nil, http.NoBody)(req)
	}))
	_, failure := e.Do(t.Context(), simpleRequest())
	require.Nil(t, failure)
}
