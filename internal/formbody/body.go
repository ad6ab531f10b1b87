// Package formbody makes multipart/form-data bodies that can be read any number of times in
// constant memory, and sends them with progress.
//
// The signature of a request covers every byte of its body and is sent in a header. So each attempt
// reads the body twice: once to hash it, once to send it. An attempt that was given up may still be
// reading when the next one begins. So the readers of one [Body] share only bytes that never
// change.
//
// It knows files, readers and names. It must not know what a file shows, or where it is sent.
package formbody

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
)

var (
	// ErrChanged is returned when the content has another size than it was declared with.
	ErrChanged = errors.New("content changed")
	// ErrInvalid is returned when an argument is refused before anything is read.
	ErrInvalid = errors.New("invalid content")
)

// Body is a multipart/form-data body of two parts: metadata, a JSON text, and
// content, a file.
type Body struct {
	boundary string
	name     string
	head     []byte // the bytes before the content
	tail     []byte // the bytes after the content
	content  Content
}

// New returns a body of metadata and content. It replaces characters of the file
// name that are not printable. If contentType is empty, New derives it from the
// extension of the name or, if that is unknown, from the first 512 bytes.
func New(metadata []byte, fileName, contentType string, content Content) (*Body, error) {
	if content.Size < 0 || content.Open == nil {
		return nil, fmt.Errorf("%w: the size is negative or there is nothing to open", ErrInvalid)
	}
	fileName = cleanName(fileName)
	contentType, err := mediaType(contentType, fileName, content)
	if err != nil {
		return nil, err
	}
	if fileName == "" {
		fileName = defaultName(contentType)
	}

	// The boundary has 130 random bits. Nobody can make a file that contains it, so the file need
	// not be searched for it.
	b := &Body{boundary: rand.Text(), name: fileName, content: content}
	b.head = fmt.Appendf(nil, "--%s\r\n"+
		"Content-Disposition: form-data; name=\"metadata\"\r\n"+
		"Content-Type: application/json\r\n\r\n"+
		"%s\r\n--%s\r\n"+
		"Content-Disposition: form-data; name=\"content\"; filename=\"%s\"\r\n"+
		"Content-Type: %s\r\n\r\n",
		b.boundary, metadata, b.boundary, quoteEscaper.Replace(fileName), contentType)
	b.tail = fmt.Appendf(nil, "\r\n--%s--\r\n", b.boundary)
	if content.Size > math.MaxInt64-int64(len(b.head)+len(b.tail)) {
		return nil, fmt.Errorf("%w: size out of range", ErrInvalid)
	}
	return b, nil
}

// ContentType returns the value of the request's Content-Type header.
func (b *Body) ContentType() string {
	return "multipart/form-data; boundary=" + b.boundary
}

// FileName returns the name as it is sent, made printable.
func (b *Body) FileName() string { return b.name }

// Size returns the number of bytes that every reader returns: the Content-Length.
func (b *Body) Size() int64 {
	return int64(len(b.head)) + b.content.Size + int64(len(b.tail))
}

// Open returns a reader of the whole body with a position of its own. Any goroutine may call it.
// The reader opens the content when it has read the head.
func (b *Body) Open() *Reader {
	return &Reader{body: b, head: b.head, left: b.content.Size, tail: b.tail}
}
