// Package exchange makes one signed HTTP exchange: it builds a request, stamps and signs it, sends
// it and receives the answer within limits.
//
// It adds to net/http what a client that signs needs: a timeout without progress, a report whether
// anything was written, redirects that are not followed, and limits for bodies.
//
// It knows requests and answers of any status. It must not know what a call means, whether it is
// made again, or how its error is worded.
package exchange

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"time"

	"github.com/idngo-go/idngo/internal/clock"
	"github.com/idngo-go/idngo/internal/formbody"
	"github.com/idngo-go/idngo/internal/retry"
)

// An Exchanger makes the exchanges of one client. It is safe for concurrent use.
type Exchanger struct {
	signer   *Signer
	clock    *clock.Clock
	http     *http.Client
	standard func() bool  // reports whether net/http's own transport is in use
	pool     func() *pool // returns the shared pool, nil if it is not in use
	timeout  time.Duration
}

// New returns an Exchanger that sends through a copy of hc. The copy follows no redirect. Without a
// transport of its own it uses the one that all clients of the process share. timeout limits an
// exchange, or the time without progress of an upload or a download.
func New(hc *http.Client, signer *Signer, clock *clock.Clock, timeout time.Duration) *Exchanger {
	own := *hc
	if own.Transport == nil {
		own.Transport = sharedTransport{}
	}
	transport := own.Transport
	// A client that follows a redirect would send the signing headers to its host. keepRedirect alone
	// prevents this. This function is a second guard.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	own.Transport = keepRedirect{transport}
	e := &Exchanger{
		signer: signer, clock: clock, http: &own, timeout: timeout,
		standard: func() bool { return isStandard(transport) },
		pool:     func() *pool { return nil },
	}
	if s, ok := transport.(sharedTransport); ok {
		e.pool = s.pool
	}
	return e
}

// CloseIdleConnections closes the connections that wait for a next exchange.
func (e *Exchanger) CloseIdleConnections() { e.http.CloseIdleConnections() }

// A Request describes what one exchange sends.
type Request struct {
	Method string
	URL    string // absolute, escaped
	// UserAgent, Accept and ContentType are sent if they are not empty. Accept is not sent if Stream
	// is set.
	UserAgent, Accept, ContentType string
	// Header is sent too. Its values replace those three.
	Header http.Header
	// Body is sent unchanged. If it is nil, the request has no body.
	Body []byte
	// Upload is sent instead of Body.
	Upload *formbody.Upload
	// Stream leaves the body of a 2xx to the caller, unread.
	Stream bool
	// TraceWrites makes the exchange find out whether anything was written, at some cost.
	TraceWrites bool
	// Attempt counts the exchanges of a call from 1.
	Attempt int
	// MaxBody is the limit for the body of a 2xx. The body of any other answer is cut to MaxErrorBody.
	MaxBody, MaxErrorBody int64
}

// An Answer is a response of any status. Its body has been read and closed, unless it is a stream.
type Answer struct {
	*http.Response

	Content []byte        // the body
	Stream  *Stream       // the body of a streamed 2xx
	Sent    *http.Request // the request as it was sent
	Clock   clock.Reading // the Date of the answer

	signer *Signer
	upload *formbody.Upload // nil: there was none
}

// A Failure is an exchange without a usable answer.
type Failure struct {
	Kind retry.Kind
	// Written reports whether bytes of the request were written, or may have been.
	Written bool
	Err     error
	// Sent is the request, nil if there was none.
	Sent *http.Request
	// Response has the status and header, if an answer began.
	Response *http.Response
}

// ErrTooLarge is the error of a body that is larger than its limit.
var ErrTooLarge = errors.New("the body is larger than the limit")

// errBadURL hides the URL that net/http could not read.
var errBadURL = errors.New("the request is not valid")

// Do makes one exchange. It prepares the request, signs and sends it, and receives the answer.
func (e *Exchanger) Do(ctx context.Context, request *Request) (*Answer, *Failure) {
	attempt := begin(ctx, e.timeout)
	defer attempt.endUnlessStreamed()
	attempt.watch.begin(e.pool())
	req, err := e.prepare(attempt, request)
	if err != nil {
		return nil, &Failure{Kind: retry.Local, Err: err}
	}
	if request.Upload != nil {
		attempt.sending = request.Upload.Begin(ctx, attempt, request.Attempt)
		defer attempt.sending.End()
	}
	if failure := e.sign(ctx, attempt, req, request); failure != nil {
		return nil, failure
	}
	sent := time.Now()
	res, failure := e.roundTrip(ctx, attempt, req) //nolint:bodyclose // receive closes it or makes it a Stream
	if failure != nil {
		return nil, failure
	}
	answer := &Answer{Response: res, Sent: req, signer: e.signer, upload: request.Upload}
	if e.clock.Corrected() || res.StatusCode == http.StatusUnauthorized {
		answer.Clock = e.clock.Read(res.Header, sent)
	}
	return receive(ctx, attempt, request, answer)
}

// prepare builds the unsigned request of an exchange.
func (e *Exchanger) prepare(attempt *attempt, request *Request) (*http.Request, error) {
	ctx := attempt.ctx
	if request.TraceWrites {
		ctx = httptrace.WithClientTrace(ctx, attempt.trace(e.standard()))
	}
	var body io.Reader
	if request.Body != nil {
		body = bytes.NewReader(request.Body)
	}
	req, err := http.NewRequestWithContext(ctx, request.Method, request.URL, body)
	if err != nil {
		return nil, errBadURL // err shows the URL
	}
	values := [...]string{request.UserAgent, request.Accept, request.ContentType}
	if request.Stream {
		values[1] = "" // the media type is not known before
	}
	for i, key := range [...]string{"User-Agent", "Accept", "Content-Type"} {
		if values[i] != "" {
			req.Header[key] = values[i : i+1 : i+1]
		}
	}
	for key, values := range request.Header {
		req.Header[key] = append([]string(nil), values...)
	}
	if upload := request.Upload; upload != nil {
		req.Header.Set("Content-Type", upload.ContentType())
		req.ContentLength = upload.Size()
	}
	return req, nil
}

// sign stamps and signs req, and gives an upload its body.
func (e *Exchanger) sign(ctx context.Context, attempt *attempt, req *http.Request, request *Request) *Failure {
	if request.Upload == nil {
		e.signer.SignBytes(req, e.clock.Now(), request.Body)
	} else if err := e.signUpload(ctx, attempt.sending, req, request.Upload); err != nil {
		return localFailure(ctx, err)
	} else {
		attempt.Resume()
	}
	if ctx.Err() != nil { // it ended during a wait or the hashing, so nothing was written
		return localFailure(ctx, nil)
	}
	return nil
}

// signUpload hashes the body once and then gives req readers that send it.
func (e *Exchanger) signUpload(ctx context.Context, sending *formbody.Sending, req *http.Request, upload *formbody.Upload) error {
	if err := e.signer.SignReader(req, e.clock.Now(), upload.OpenUntilDone(ctx)); err != nil {
		return err
	}
	req.GetBody = func() (io.ReadCloser, error) { return sending.Reader(), nil }
	req.Body = sending.Reader()
	return sending.Start()
}

// roundTrip sends req and waits for the header of the answer.
func (e *Exchanger) roundTrip(ctx context.Context, attempt *attempt, req *http.Request) (*http.Response, *Failure) {
	res, err := e.http.Do(req)
	if attempt.sending != nil {
		if source := attempt.sending.SourceError(); source != nil {
			if err == nil {
				discard(res.Body, attempt.Cancel)
			}
			return nil, localFailure(ctx, source)
		}
	}
	if err != nil {
		return nil, attempt.failure(ctx, req, err, attempt.written())
	}
	attempt.watch.begin(attempt.watch.pool) // now the watch covers the body
	showLocation(res)
	return res, nil
}

// receive reads the body of an answer, or makes it a stream if the request asks for one.
func receive(ctx context.Context, attempt *attempt, request *Request, answer *Answer) (*Answer, *Failure) {
	res := answer.Response
	switch ok := res.StatusCode/100 == 2; {
	case ok && request.Stream:
		return openStream(ctx, attempt, answer)
	case res.StatusCode < 200:
		_ = res.Body.Close() // a 101 has the bare connection as its body, which no context ends
		return answer, nil
	case !ok:
		// It reads no byte above the limit, since the rest may come slowly.
		limited := io.LimitReader(res.Body, request.MaxErrorBody)
		answer.Content, _ = ReadBody(limited, min(res.ContentLength, request.MaxErrorBody), request.MaxErrorBody, trusted)
		discard(res.Body, attempt.Cancel)
		return answer, nil
	}
	declared := res.ContentLength
	if request.Method == http.MethodHead {
		declared = 0 // the answer to HEAD declares a length but has no body
	}
	content, err := ReadBody(res.Body, declared, request.MaxBody, trusted)
	if err == nil {
		_ = res.Body.Close()
		answer.Content = content
		return answer, nil
	}
	discard(res.Body, attempt.Cancel)
	if errors.Is(err, ErrTooLarge) {
		return nil, &Failure{Kind: retry.Unusable, Written: true, Err: err, Sent: answer.Sent, Response: res}
	}
	failure := attempt.failure(ctx, answer.Sent, err, true)
	failure.Response = res
	return nil, failure
}

// RedirectHost returns the host that a Location names, "" if there is none.
func (a *Answer) RedirectHost() string {
	location := a.Header.Get(headerLocation)
	if location == "" {
		return ""
	}
	to, err := a.Sent.URL.Parse(location)
	if err != nil {
		return "an address that cannot be read"
	}
	return to.Host
}

// UploadChanged reports whether the upload that was sent now gives another signature, which means
// that its source has changed.
func (a *Answer) UploadChanged(ctx context.Context) bool {
	seconds, err := strconv.ParseInt(a.Sent.Header.Get(HeaderStamp), 10, 64)
	if err != nil || a.upload == nil {
		return false
	}
	again := &http.Request{Method: a.Sent.Method, URL: a.Sent.URL}
	err = a.signer.SignReader(again, time.Unix(seconds, 0), a.upload.OpenUntilDone(ctx))
	return errors.Is(err, formbody.ErrChanged) ||
		err == nil && again.Header.Get(HeaderSignature) != a.Sent.Header.Get(HeaderSignature)
}

// failure returns the failure of an exchange without a whole answer.
func (a *attempt) failure(ctx context.Context, req *http.Request, err error, written bool) *Failure {
	for {
		// A url.Error shows the whole URL, query included.
		var withURL *url.Error
		if !errors.As(err, &withURL) {
			break
		}
		err = withURL.Err
	}
	failure := &Failure{Written: written, Sent: req, Err: err}
	switch {
	case ctx.Err() != nil:
		failure.Kind, failure.Err = retry.Ended, retry.ContextError(ctx)
	case a.expired.Load():
		failure.Err = TimeoutError(a.limit)
		if failure.Kind = retry.NotSent; written {
			failure.Kind = retry.Lost
		}
	default:
		failure.Kind = retry.Classify(err, written)
	}
	if errors.Is(failure.Err, context.DeadlineExceeded) {
		a.watch.timedOut(a.expired.Load())
	}
	return failure
}

// localFailure returns the failure of an exchange that ended on this side before anything was
// written.
func localFailure(ctx context.Context, err error) *Failure {
	if ctx.Err() != nil {
		return &Failure{Kind: retry.Ended, Err: retry.ContextError(ctx)}
	}
	return &Failure{Kind: retry.Local, Err: err}
}
