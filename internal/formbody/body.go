// Package formbody is a multipart/form-data body that can be read any number
// of times in constant memory.
//
// The signature of a request covers every byte of its body and travels in a
// header, so each attempt reads the body twice: once to hash, once to send. An
// attempt that was given up may still be reading when the next one begins.
// Hence the readers of one [Body] share nothing but bytes that never change.
package formbody

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
)

var (
	// ErrChanged: the content is not, or no longer, of the size it was
	// declared with.
	ErrChanged = errors.New("content changed")
	// ErrInvalid: an argument was refused before anything was read.
	ErrInvalid = errors.New("invalid content")
)

// Body is a multipart/form-data body of two parts: metadata, a JSON text, and
// content, a file.
type Body struct {
	boundary string
	name     string
	head     []byte // up to the first byte of the content
	tail     []byte // from the first byte after it
	content  Content
}

// New returns the body that carries metadata and content. A printable file
// name arrives as it is, any other is made so. contentType "" means the type
// by the name's extension or, if that says nothing, by the first 512 bytes.
func New(metadata []byte, fileName, contentType string, content Content) (*Body, error) {
	if content.Size < 0 || content.Open == nil {
		return nil, fmt.Errorf("%w: a size below zero, or nothing to open", ErrInvalid)
	}
	fileName = cleanName(fileName)
	contentType, err := mediaType(contentType, fileName, content)
	if err != nil {
		return nil, err
	}
	if fileName == "" {
		fileName = defaultName(contentType)
	}

	// 130 bits that nobody can foresee: a file cannot be made to contain them,
	// so it need not be searched for them.
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

// ContentType is the value of the request's Content-Type header.
func (b *Body) ContentType() string {
	return "multipart/form-data; boundary=" + b.boundary
}

// FileName is the name as it is sent, made printable.
func (b *Body) FileName() string { return b.name }

// Size is the number of bytes that every reader gives: the Content-Length.
func (b *Body) Size() int64 {
	return int64(len(b.head)) + b.content.Size + int64(len(b.tail))
}

// Open returns a reader of the whole body with a cursor of its own. Any
// goroutine may call it. The content is opened when the reader gets there.
func (b *Body) Open() *Reader {
	return &Reader{body: b, head: b.head, left: b.content.Size, tail: b.tail}
}
