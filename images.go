package idngo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/idngo-go/idngo/internal/formbody"
)

// ImageSource is where the bytes of an image come from. An upload reads them
// twice in each attempt, to sign and to send, and holds none of them. Nothing
// that the caller has opened is closed or left at another position.
type ImageSource interface {
	// open gives the name, the content and what releases it.
	open(ctx context.Context) (name string, content formbody.Content, release func(), err error)
}

// ImageFile is a regular file. It is opened and closed for each reading; its
// name goes with it, its directory does not.
func ImageFile(path string) ImageSource { return imageFile(path) }

// ImageBytes is an image that is in memory already. It must not change during
// the upload.
func ImageBytes(name string, content []byte) ImageSource {
	return namedContent{name, formbody.Bytes(content)}
}

// ImageReaderAt is the first size bytes of r, whose ReadAt must allow parallel
// calls, as [io.ReaderAt] says.
func ImageReaderAt(name string, r io.ReaderAt, size int64) ImageSource {
	if r == nil || size < 0 {
		return badSource("is a nil reader or has a negative size")
	}
	return namedContent{name, formbody.ReaderAt(r, size)}
}

// ImageReader is a stream. It is read to its end once, before the first
// attempt, and kept in memory up to 8 MiB, beyond that in a temporary file that
// is gone when AddImage returns. It can be used once.
func ImageReader(name string, r io.Reader) ImageSource {
	if r == nil {
		return badSource("is a nil reader")
	}
	return &imageStream{name: name, r: r}
}

// AddImageParams describe an image of an action.
type AddImageParams struct {
	// IDDocType says what it shows; IDDocTypeSelfie for a face authorization.
	// Required.
	IDDocType IDDocType
	// IDDocSubType is the side of a document. The specification has it in
	// answers only; that it may be sent is our inference. Left out when empty.
	IDDocSubType IDDocSubType
	// Country is three capital letters, ISO 3166-1 alpha-3: KAZ. Required.
	Country string
	// Image is the image itself. Required. The vendor takes JPEG, PNG, PDF, MP4,
	// WEBM and MOV up to 50 MB (one page says 64); that is left to the service.
	Image ImageSource
	// ContentType is the media type of the image. Empty: by the extension of its
	// name, else by its first 512 bytes.
	ContentType string
	// Progress is called as image bytes leave: at 0 and at the end of each
	// attempt and at most 20 times a second between. It is called by one goroutine
	// at a time and never after AddImage has returned. It delays its own upload
	// and nothing else; a panic in it reaches the caller of AddImage.
	Progress func(UploadProgress)
}

// UploadProgress is how far an upload is.
type UploadProgress struct {
	// Sent and Total count bytes of the image, without what wraps it.
	Sent, Total int64
	// Attempt counts from 1. A new attempt begins at 0 bytes again.
	Attempt int
}

// AddImage uploads an image to an action:
//
//	POST /resources/applicantActions/{actionID}/images
//
// It is careful. The image is streamed, in constant memory. Errors:
// [ErrInvalidArgument], [*APIError] (of it [ErrDuplicateImage],
// [ErrImageTooLarge]), [ErrImageChanged], [ErrOutcomeUnknown].
func (c *Client) AddImage(ctx context.Context, actionID string, p AddImageParams, opts ...RequestOption) (*Image, error) {
	cl := &call{operation: opAddImage, method: http.MethodPost, path: actionPath(actionID) + "/images", careful: true, ids: []string{actionID}}
	if err := errors.Join(checkID("actionID", actionID), p.check(), cl.prepare(ctx, opts)); err != nil {
		return nil, err
	}
	if cl.opts.header["Content-Type"] != nil {
		return nil, invalid("header", "is Content-Type, which names the boundary: for that of the image there is AddImageParams.ContentType")
	}
	if cl.opts.response != nil {
		*cl.opts.response = Response{} // the image may fail before there is an attempt
	}
	metadata, err := json.Marshal(struct {
		IDDocType    IDDocType    `json:"idDocType"`
		IDDocSubType IDDocSubType `json:"idDocSubType,omitzero"`
		Country      string       `json:"country"`
	}{p.IDDocType, p.IDDocSubType, p.Country})
	if err != nil {
		return nil, invalid("IDDocType", "cannot be encoded as JSON")
	}
	name, content, release, err := p.Image.open(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	body, err := formbody.New(metadata, name, p.ContentType, content)
	switch {
	case errors.Is(err, formbody.ErrInvalid):
		return nil, invalid("ContentType", "is not a media type")
	case err != nil:
		return nil, fmt.Errorf("idngo: %s: %w", opAddImage, imageError(err))
	}
	cl.upload = &upload{body: body, metadata: metadata, name: name, size: content.Size, progress: p.Progress}
	image := new(Image)
	cl.usable = func() bool { return image.ID != "" || image.ImageID != "" }
	if err := c.call(ctx, cl, image, nil); err != nil {
		return nil, err
	}
	return image, nil
}

// OpenImageParams choose what of an image is downloaded.
type OpenImageParams struct {
	// Preview asks for a smaller rendering. The specification's table calls the
	// query parameter isPreview, its address preview, which is what is sent.
	Preview bool
}

// OpenImage opens an image of an action for reading:
//
//	GET /resources/applicantActions/{actionID}/images/{imageID}?preview=
//
// imageID is [Image].ImageID, not its ID. The caller closes the content. It is
// tried again until the first bytes have come; a connection that breaks later
// makes Read fail, so that no cut-off image looks whole. Errors:
// [ErrInvalidArgument], [*APIError].
func (c *Client) OpenImage(ctx context.Context, actionID string, imageID ImageID, p OpenImageParams, opts ...RequestOption) (*ImageContent, error) {
	if err := errors.Join(checkID("actionID", actionID), checkID("imageID", string(imageID))); err != nil {
		return nil, err
	}
	cl := &call{
		operation: opOpenImage, method: http.MethodGet, stream: true, ids: []string{actionID, string(imageID)},
		path: actionPath(actionID) + "/images/" + url.PathEscape(string(imageID)),
	}
	if p.Preview {
		cl.query = "preview=true"
	}
	ans, _, err := c.send(ctx, cl, opts)
	if err != nil {
		return nil, err
	}
	return &ImageContent{ReadCloser: ans.content, ContentType: ans.res.Header.Get("Content-Type"), Size: ans.res.ContentLength}, nil
}

// ImageContent is an image that is being downloaded.
type ImageContent struct {
	io.ReadCloser
	// ContentType is the media type as the service says it. PDFs and videos are
	// possible.
	ContentType string
	// Size in bytes; -1 when the service does not say.
	Size int64
}

// DownloadImage writes an image of an action to w and returns how many bytes it
// wrote. It is [Client.OpenImage] with the copying done: tried again until the
// first byte reached w, an error if the image was not written whole.
func (c *Client) DownloadImage(ctx context.Context, actionID string, imageID ImageID, w io.Writer, p OpenImageParams, opts ...RequestOption) (int64, error) {
	if w == nil {
		return 0, invalid("w", "is nil")
	}
	content, err := c.OpenImage(ctx, actionID, imageID, p, opts...)
	if err != nil {
		return 0, err
	}
	defer content.Close()
	buf := copyBuffers.Get().(*[copyBufferSize]byte)
	defer copyBuffers.Put(buf)
	// Not io.Copy: it would leave the buffer to w, and the end to guess whose
	// error it is.
	var written int64
	for {
		n, err := content.Read(buf[:])
		if n > 0 {
			wrote, werr := w.Write(buf[:n])
			written += int64(max(0, wrote))
			if werr == nil && wrote != n {
				werr = io.ErrShortWrite
			}
			if werr != nil {
				return written, fmt.Errorf("idngo: %s: writing the image: %w", opOpenImage, werr)
			}
		}
		if err == io.EOF {
			return written, nil
		}
		if err != nil {
			return written, err
		}
	}
}

const (
	spoolMemory   = 8 << 20
	progressEvery = 50 * time.Millisecond
	// What is handed to the network at once. Small pieces show progress on a
	// slow line, large ones cost less on a fast one.
	leastPiece, firstPiece, mostPiece = 512, 4 << 10, 64 << 10
)

func (p AddImageParams) check() error {
	country := invalid("Country", "is not three capital letters")
	if len(p.Country) == 3 && isUpper(p.Country[0]) && isUpper(p.Country[1]) && isUpper(p.Country[2]) {
		country = nil
	}
	image := error(nil)
	switch source := p.Image.(type) {
	case nil:
		image = invalid("Image", "is missing")
	case badSource:
		image = invalid("Image", string(source))
	}
	return errors.Join(required("IDDocType", string(p.IDDocType)), validText("IDDocType", string(p.IDDocType)),
		validText("IDDocSubType", string(p.IDDocSubType)), country, image)
}

func isUpper(b byte) bool { return 'A' <= b && b <= 'Z' }

type imageFile string

func (f imageFile) open(context.Context) (string, formbody.Content, func(), error) {
	content, err := formbody.File(string(f))
	if err != nil {
		err = fmt.Errorf("idngo: %w: Image: %w", ErrInvalidArgument, imageError(err))
	}
	return filepath.Base(string(f)), content, func() {}, err
}

type namedContent struct {
	name    string
	content formbody.Content
}

func (s namedContent) open(context.Context) (string, formbody.Content, func(), error) {
	return s.name, s.content, func() {}, nil
}

type imageStream struct {
	name string
	r    io.Reader
	used atomic.Bool
}

func (s *imageStream) open(ctx context.Context) (string, formbody.Content, func(), error) {
	if s.used.Swap(true) {
		return "", formbody.Content{}, nil, invalid("Image", "is an ImageReader that has been used")
	}
	content, release, err := formbody.Spool(ctx, s.r, spoolMemory)
	if err != nil {
		if ctx.Err() != nil {
			err = ended(ctx)
		}
		err = fmt.Errorf("idngo: %s: reading the image: %w", opAddImage, imageError(err))
	}
	return s.name, content, release, err
}

// badSource is a source that cannot work; it says why when it is used.
type badSource string

func (badSource) open(context.Context) (string, formbody.Content, func(), error) {
	panic("idngo: a bad source passed the check")
}

// imageError gives a changed source its sentinel, and takes the path out of
// what a file system says: a file may be named after a person.
func imageError(err error) error {
	var withPath *fs.PathError
	if errors.As(err, &withPath) {
		err = &pathlessError{withPath.Op + ": " + withPath.Err.Error(), err}
	}
	if errors.Is(err, formbody.ErrChanged) {
		return fmt.Errorf("%w: %w", ErrImageChanged, err)
	}
	return err
}

// pathlessError is an error in other words.
type pathlessError struct {
	text string
	err  error
}

func (e *pathlessError) Error() string { return e.text }
func (e *pathlessError) Unwrap() error { return e.err }

// upload is the body of an AddImage, across its attempts.
type upload struct {
	ctx      context.Context // the call's: it knows no time-out of an attempt
	body     *formbody.Body
	metadata []byte
	name     string
	size     int64
	progress func(UploadProgress)
}

// sent are the texts that the body shows beside the image.
func (u *upload) sent() []string { return append(leaves(u.metadata), u.name, u.body.FileName()) }

// changed reports whether the image now gives another signature than the one
// that req carried. It is asked only after a refusal: the normal path pays
// nothing for it.
func (u *upload) changed(signer *Signer, req *http.Request) bool {
	seconds, err := strconv.ParseInt(req.Header.Get(headerStamp), 10, 64)
	if err != nil {
		return false
	}
	again := &http.Request{Method: req.Method, URL: req.URL, Body: u.body.Open()}
	again.GetBody = func() (io.ReadCloser, error) { return untilDone{u.ctx, u.body.Open()}, nil }
	err = signer.Sign(again, time.Unix(seconds, 0))
	return errors.Is(err, formbody.ErrChanged) ||
		err == nil && again.Header.Get(headerSignature) != req.Header.Get(headerSignature)
}

// untilDone is a body whose reading ends with a context.
type untilDone struct {
	ctx context.Context
	io.ReadCloser
}

func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.ReadCloser.Read(p)
}

// sending is one attempt of an upload. The transport may go on reading its body
// after the attempt was given up; then it gets nothing more.
type sending struct {
	*upload
	dog     *watchdog
	attempt int

	mu       sync.Mutex // held during a callback
	over     bool
	source   error // what reading the source ended with
	reported int64 // what Progress was last told; -1 before the first time
	at       time.Time
	panicked any
	exited   bool // a callback ended its goroutine, as a failing test does
}

func (u *upload) start(ctx context.Context, dog *watchdog, attempt int) *sending {
	u.ctx = ctx
	dog.pause() // hashing is no silence of the network
	return &sending{upload: u, dog: dog, attempt: attempt, reported: -1}
}

// sign makes req an upload: pass one hashes one reader, and every reader that
// req gives from then on sends.
func (s *sending) sign(signer *Signer, req *http.Request, at time.Time) error {
	req.Header.Set("Content-Type", s.body.ContentType())
	req.ContentLength = s.body.Size()
	req.Body = s.body.Open()
	req.GetBody = func() (io.ReadCloser, error) { return untilDone{s.ctx, s.body.Open()}, nil }
	if err := signer.Sign(req, at); err != nil {
		return imageError(err)
	}
	req.GetBody = func() (io.ReadCloser, error) { return s.reader(), nil }
	req.Body = s.reader()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report(0)
	if s.panicked != nil {
		return errors.New("progress callback panicked")
	}
	return s.ctx.Err() // the callback may have ended it: then nothing is sent
}

// end makes the attempt's readers give nothing more and waits for a callback
// that is running. It panics if one did, and ends the goroutine if one did.
func (s *sending) end() {
	s.mu.Lock()
	s.over = true
	panicked, exited := s.panicked, s.exited
	s.panicked, s.exited = nil, false
	s.mu.Unlock()
	if panicked != nil {
		panic(panicked)
	}
	if exited {
		runtime.Goexit()
	}
}

// sourceError is what the image's own reader failed with, if it did.
func (s *sending) sourceError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source
}

// report calls Progress if it is time to. s.mu is held.
func (s *sending) report(sent int64) {
	if s.progress == nil || s.panicked != nil || s.exited || sent <= s.reported {
		return
	}
	if now := time.Now(); s.reported >= 0 && sent < s.size && now.Sub(s.at) < progressEvery {
		return
	} else {
		s.at = now
	}
	s.reported = sent
	returned := false
	defer func() {
		if !returned {
			s.panicked = recover()
			s.exited = s.panicked == nil
			s.dog.cancel()
		}
	}()
	s.progress(UploadProgress{Sent: sent, Total: s.size, Attempt: s.attempt})
	returned = true
}

func (s *sending) reader() io.ReadCloser {
	return &sendReader{s: s, r: s.body.Open(), piece: firstPiece, last: time.Now()}
}

// sendReader reads the body for the transport.
type sendReader struct {
	s      *sending
	r      *formbody.Reader
	closed atomic.Bool
	piece  int
	last   time.Time
}

func (r *sendReader) Read(p []byte) (int, error) {
	s := r.s
	s.mu.Lock()
	over := s.over
	if !over {
		s.dog.pause() // the network waits for us, not we for it
	}
	s.mu.Unlock()
	if over {
		return 0, errAttemptOver
	}
	if time.Since(r.last) > s.dog.limit/8 {
		r.piece = max(min(r.piece, len(p))/2, leastPiece)
	} else {
		r.piece = min(r.piece*2, mostPiece)
	}
	n, err := r.r.Read(p[:min(len(p), r.piece)])
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return 0, errAttemptOver
	}
	if err != nil && err != io.EOF && !r.closed.Load() && s.source == nil {
		s.source = imageError(err)
	}
	s.report(r.r.ContentRead())
	s.dog.resume()
	r.last = time.Now()
	return n, err
}

func (r *sendReader) Close() error {
	r.closed.Store(true)
	return r.r.Close()
}

var errAttemptOver = errors.New("idngo: the attempt is over")

// imageBody is the body of a download. Only the time inside of Read counts as
// silence.
type imageBody struct {
	c     *Client
	cl    *call
	ctx   context.Context
	req   *http.Request
	res   *http.Response
	dog   *watchdog
	first bytes.Reader // what has come already
	got   int64
	err   error // what follows first
}

// newImageBody waits for the first bytes: until they are there, the call can be
// tried again.
func (c *Client) newImageBody(ctx context.Context, cl *call, req *http.Request, res *http.Response, dog *watchdog) (*imageBody, *failure) {
	b := &imageBody{c: c, cl: cl, ctx: ctx, req: req, res: res, dog: dog}
	buf := make([]byte, 512)
	n := 0
	for n == 0 && b.err == nil {
		n, b.err = b.fill(buf)
	}
	if n == 0 && b.err != io.EOF {
		_ = res.Body.Close()
		f := lost(ctx, dog, req, b.err, true)
		f.res = res
		return nil, f
	}
	dog.pause()
	b.first.Reset(buf[:n])
	return b, nil
}

func (b *imageBody) Read(p []byte) (int, error) {
	if b.first.Len() > 0 {
		return b.first.Read(p)
	}
	if b.err == nil {
		b.dog.resume()
		var n int
		n, b.err = b.fill(p)
		b.dog.pause()
		if n > 0 || b.err == nil {
			return n, nil
		}
	}
	if b.err == io.EOF {
		return 0, io.EOF
	}
	return 0, b.c.failed(b.cl, lost(b.ctx, b.dog, b.req, b.err, true), 1, false, nil)
}

// Close gives the connection back, or drops it if the image was not read to its
// end.
func (b *imageBody) Close() error {
	b.dog.stop()
	return b.res.Body.Close()
}

// fill reads from the network. An end before the announced size is no end.
func (b *imageBody) fill(p []byte) (int, error) {
	n, err := b.res.Body.Read(p)
	b.got += int64(n)
	if err == io.EOF && b.res.ContentLength >= 0 && b.got < b.res.ContentLength {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
