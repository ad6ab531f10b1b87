package idngo

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"github.com/idngo-go/idngo/internal/exchange"
	"github.com/idngo-go/idngo/internal/formbody"
	"github.com/idngo-go/idngo/internal/oneline"
	"github.com/idngo-go/idngo/internal/retry"
)

// ImageSource is the source of the bytes of an image. An upload reads them twice in each attempt,
// to sign and to send. An ImageReader can be read only once, so it is stored first. An upload
// closes nothing that the caller has opened. It reads an ImageReader to its end, and changes the
// position of no other source.
//
// Sources can be compared, so that mocks can match them. Two ImageFile or two ImageReaderAt values
// are equal (==) if their arguments are. Two ImageBytes values are equal under reflect.DeepEqual.
// An ImageReader is equal only to itself.
type ImageSource interface {
	// open returns the name, the content and a func that releases the content.
	open(ctx context.Context) (name string, content formbody.Content, release func(), err error)
}

// ImageFile is a regular file. It is opened and closed for each reading. Its name is sent, its
// directory is not.
func ImageFile(path string) ImageSource { return imageFile(path) }

// ImageBytes is an image in memory. It must not change during the upload.
func ImageBytes(name string, content []byte) ImageSource { return imageBytes{name, content} }

// ImageReaderAt is an image in r, from offset 0 up to size. Its ReadAt must allow parallel calls,
// as [io.ReaderAt] says.
func ImageReaderAt(name string, r io.ReaderAt, size int64) ImageSource {
	if r == nil || size < 0 {
		return badSource("is a nil reader or has a negative size")
	}
	return imageReaderAt{name, r, size}
}

// ImageReader is a stream that can be used once. AddImage reads it to its end before the first
// attempt. It keeps up to 8 MiB in memory, and a larger image in a temporary file, which it removes
// before it returns.
func ImageReader(name string, r io.Reader) ImageSource {
	if r == nil {
		return badSource("is a nil reader")
	}
	unused := make(chan struct{}, 1)
	unused <- struct{}{}
	return &imageStream{name: name, r: r, unused: unused}
}

// AddImageParams are the arguments of [Client.AddImage].
type AddImageParams struct {
	// IDDocType is what the image shows: IDDocTypeSelfie for a face authorization. Required.
	IDDocType IDDocType
	// IDDocSubType is the side of a document. It is sent if it is not empty. The specification shows
	// it in answers only. It is inferred that it may be sent.
	IDDocSubType IDDocSubType
	// Country is three capital letters, ISO 3166-1 alpha-3, for example KAZ. Required.
	Country string
	// Image is the image. Required. The vendor accepts JPEG, PNG, PDF, MP4, WEBM and MOV up to 50
	// MB (one page says 64 MB). The client does not check that.
	Image ImageSource
	// ContentType is the media type of the image. If it is empty, the client derives it from the
	// extension of the name, or else from the first 512 bytes.
	ContentType string
	// Progress is called while image bytes are sent: at the start and at the end of each attempt,
	// and at most 20 times a second between these. The upload waits while Progress runs; other
	// uploads do not. Calls do not overlap, and none comes after AddImage has returned. A panic in
	// it reaches the caller of AddImage. It may be nil.
	Progress func(UploadProgress)
}

// UploadProgress is the progress of an upload.
type UploadProgress struct {
	// Sent is the number of bytes of the image that were sent.
	Sent int64
	// Total is the size of the image in bytes.
	Total int64
	// Attempt counts from 1. A new attempt starts at 0 bytes again.
	Attempt int
}

// AddImage uploads an image to an action:
//
//	POST /resources/applicantActions/{actionID}/images
//
// The image is streamed in constant memory. After [ErrOutcomeUnknown] the image may have arrived:
// call GetAction before you upload it again. If Read of the source blocks, AddImage waits for it,
// even after the context has ended, as net/http does. Errors:
// [ErrInvalidArgument], [*APIError] (it may match [ErrDuplicateImage] and [ErrImageTooLarge]),
// [ErrImageChanged], [ErrOutcomeUnknown].
func (c *Client) AddImage(ctx context.Context, actionID string, p AddImageParams, opts ...RequestOption) (*Image, error) {
	upload := &request{operation: opAddImage, method: http.MethodPost, path: actionPath(actionID) + "/images"}
	upload.arguments, upload.problem = []argument{{"actionID", actionID, inPath}}, p.check()
	err := checkArguments(opAddImage, c.check(), upload.apply(ctx, opts), checkNoContentType(upload))
	if err != nil {
		return nil, err
	}
	if upload.options.response != nil {
		*upload.options.response = Response{} // opening the image may fail before the first attempt
	}
	release, err := p.open(ctx, upload)
	if err != nil {
		return nil, err
	}
	defer release()
	image := new(Image)
	if err := c.call(ctx, upload, image, nil); err != nil {
		return nil, err
	}
	return image, nil
}

func (i *Image) usable() bool { return i.ID != "" || i.ImageID != "" }

func checkNoContentType(upload *request) error {
	if upload.options.header["Content-Type"] == nil {
		return nil
	}
	return invalid("header", "is Content-Type, which names the boundary: use AddImageParams.ContentType for that of the image")
}

// open opens the image and makes it the body of upload.
func (p AddImageParams) open(ctx context.Context, upload *request) (release func(), err error) {
	metadata, err := json.Marshal(struct {
		IDDocType    IDDocType    `json:"idDocType"`
		IDDocSubType IDDocSubType `json:"idDocSubType,omitzero"`
		Country      string       `json:"country"`
	}{p.IDDocType, p.IDDocSubType, p.Country})
	if err != nil {
		return nil, checkArguments(opAddImage, invalid("IDDocType", "cannot be encoded as JSON"))
	}
	name, content, release, err := p.Image.open(ctx)
	if err != nil {
		return nil, err
	}
	body, err := formbody.New(metadata, name, p.ContentType, content)
	if err != nil {
		release()
		if errors.Is(err, formbody.ErrInvalid) {
			return nil, checkArguments(opAddImage, invalid("ContentType", "is not a media type"))
		}
		return nil, methodError(opAddImage, "", imageError(err))
	}
	upload.upload = &formbody.Upload{Body: body}
	if p.Progress != nil {
		upload.upload.Progress = func(sent, total int64, attempt int) {
			p.Progress(UploadProgress{Sent: sent, Total: total, Attempt: attempt})
		}
	}
	upload.sentTexts = []string{string(p.IDDocType), string(p.IDDocSubType), p.Country, name, body.FileName()}
	return release, nil
}

// ImageParams are the arguments of [Client.OpenImage] and [Client.DownloadImage].
type ImageParams struct {
	// Preview asks for a smaller picture. It is sent as the query parameter preview, which is the
	// name in the specification's URL. The specification's table calls it isPreview.
	Preview bool
}

// OpenImage opens an image of an action for reading:
//
//	GET /resources/applicantActions/{actionID}/images/{imageID}?preview=
//
// imageID is [Image].ImageID, not its ID. The caller closes the content. Failures before the first
// bytes are retried, as those of GetAction are. If the connection breaks later, or nothing comes
// within the timeout, Read returns an error that is not io.EOF, and the image is incomplete. A 2xx
// other than 200, an empty body, and a body of JSON or HTML are errors. Errors:
// [ErrInvalidArgument], [*APIError].
func (c *Client) OpenImage(
	ctx context.Context, actionID string, imageID ImageID, p ImageParams, opts ...RequestOption,
) (*ImageContent, error) {
	open := &request{
		operation: opOpenImage, method: http.MethodGet, stream: true, idempotent: true,
		arguments: []argument{{"actionID", actionID, inPath}, {"imageID", string(imageID), inPath}},
		path:      actionPath(actionID) + "/images/" + url.PathEscape(string(imageID)),
	}
	if p.Preview {
		open.query = "preview=true"
	}
	answer, attempts, err := c.send(ctx, open, opts)
	if err != nil {
		return nil, err
	}
	open.remember(answer.Sent) // reading may fail yet
	if problem := imageProblem(answer); problem != "" {
		answer.Stream.Discard()
		return nil, open.unusable(answer, attempts, problem)
	}
	return &ImageContent{
		ReadCloser:  &imageBody{answer.Stream, func() error { return c.show(open, newFailure(open, answer.Stream.Failure())) }},
		ContentType: answer.Header.Get("Content-Type"),
		Size:        answer.ContentLength,
	}, nil
}

// imageProblem returns why a 2xx is no image.
func imageProblem(answer *exchange.Answer) string {
	mediaType, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch {
	case answer.StatusCode != http.StatusOK:
		return "an image comes with status 200"
	case mediaType == "application/json" || strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json,"):
		return "it is JSON, not an image"
	case exchange.IsHTML(answer.Header):
		return "it is text/html, most likely from a proxy or gateway"
	case answer.Stream.Empty():
		return "the image is empty"
	}
	return ""
}

// ImageContent is an image that is being downloaded.
type ImageContent struct {
	io.ReadCloser // the bytes of the image, as they come
	// ContentType is the media type that the service reports. PDFs and videos are possible.
	ContentType string
	// Size is the size in bytes, -1 if the service does not report it.
	Size int64
}

// imageBody wraps the errors of a download in this package's errors.
type imageBody struct {
	*exchange.Stream
	explain func() error
}

func (b *imageBody) Read(p []byte) (int, error) {
	n, err := b.Stream.Read(p)
	if err != nil && err != io.EOF {
		err = b.explain()
	}
	return n, err
}

// DownloadImage writes an image of an action to w and returns the number of bytes that it wrote. It
// is [Client.OpenImage] and copying in one. It returns an error if the image was not written
// completely: that of OpenImage, that of reading, or the wrapped error of w. A nil w is
// [ErrInvalidArgument]. It writes nothing if there is no image.
func (c *Client) DownloadImage(
	ctx context.Context, actionID string, imageID ImageID, w io.Writer, p ImageParams, opts ...RequestOption,
) (int64, error) {
	const method = "DownloadImage"
	var nilWriter error
	if w == nil {
		nilWriter = invalid("w", "is nil")
	}
	opts, _, err := begin(ctx, method, opts, c.check(), checkID("actionID", actionID), checkID("imageID", string(imageID)), nilWriter)
	if err != nil {
		return 0, err
	}
	content, err := c.OpenImage(ctx, actionID, imageID, p, opts...)
	if err != nil {
		return 0, err
	}
	defer content.Close()
	return copyImage(method, w, content)
}

// copyImage is io.Copy with a reused buffer. Its error tells whether reading or writing failed.
func copyImage(method string, w io.Writer, content io.Reader) (written int64, err error) {
	buffer := downloadBuffers.Get().(*[64 << 10]byte)
	defer downloadBuffers.Put(buffer)
	for {
		n, err := content.Read(buffer[:])
		if n > 0 {
			wrote, failed := w.Write(buffer[:n])
			written += int64(max(0, wrote))
			if failed == nil && wrote != n {
				failed = io.ErrShortWrite
			}
			if failed != nil {
				return written, methodError(method, "writing the image", failed)
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

var downloadBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

const spoolMemory = 8 << 20

func (p AddImageParams) check() error {
	var country, image error
	if len(p.Country) != 3 || !isUpper(p.Country[0]) || !isUpper(p.Country[1]) || !isUpper(p.Country[2]) {
		country = invalid("Country", "is not three capital letters")
	}
	switch source := p.Image.(type) {
	case nil:
		image = invalid("Image", "is missing")
	case badSource:
		image = invalid("Image", string(source))
	}
	return checkArguments(opAddImage, required("IDDocType", string(p.IDDocType)), validText("IDDocType", string(p.IDDocType)),
		validText("IDDocSubType", string(p.IDDocSubType)), country, image)
}

func isUpper(b byte) bool { return 'A' <= b && b <= 'Z' }

type imageFile string

func (f imageFile) open(context.Context) (string, formbody.Content, func(), error) {
	content, err := formbody.File(string(f))
	if err != nil {
		err = imageError(err)
		text := ErrInvalidArgument.Error() + ": Image: " + err.Error()
		err = &oneline.Error{Method: opAddImage, Text: text, Causes: []error{ErrInvalidArgument, err}}
	}
	return filepath.Base(string(f)), content, func() {}, err
}

type imageBytes struct {
	name    string
	content []byte
}

func (b imageBytes) open(context.Context) (string, formbody.Content, func(), error) {
	return b.name, formbody.Bytes(b.content), func() {}, nil
}

type imageReaderAt struct {
	name string
	r    io.ReaderAt
	size int64
}

func (r imageReaderAt) open(context.Context) (string, formbody.Content, func(), error) {
	return r.name, formbody.ReaderAt(r.r, r.size), func() {}, nil
}

type imageStream struct {
	name   string
	r      io.Reader
	unused chan struct{} // holds one element until the stream is used
}

func (s *imageStream) open(ctx context.Context) (string, formbody.Content, func(), error) {
	select {
	case <-s.unused:
	default:
		return "", formbody.Content{}, nil, checkArguments(opAddImage, invalid("Image", "is an ImageReader that has been used"))
	}
	content, release, err := formbody.Spool(ctx, s.r, spoolMemory)
	if err != nil {
		if ctx.Err() != nil {
			err = retry.ContextError(ctx)
		}
		err = methodError(opAddImage, "reading the image", imageError(err))
	}
	return s.name, content, release, err
}

// badSource is a source that cannot work. Its text says why.
type badSource string

func (badSource) open(context.Context) (string, formbody.Content, func(), error) {
	panic("idngo: a bad source passed the check")
}
