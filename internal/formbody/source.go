package formbody

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// Content is the file that is uploaded.
type Content struct {
	Size int64
	// Open returns a new reader of exactly Size bytes. Any goroutine may call it at any time. One
	// goroutine may Close the reader while another calls Read, as an *os.File allows.
	Open func() (io.ReadCloser, error)
}

// File returns the content of the regular file at path. Each reader opens and
// closes the file itself.
func File(path string) (Content, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Content{}, err
	}
	if !info.Mode().IsRegular() {
		return Content{}, fmt.Errorf("%w: it is not a regular file", ErrInvalid)
	}
	size := info.Size()
	return Content{Size: size, Open: func() (io.ReadCloser, error) { return openFile(path, size) }}, nil
}

// Bytes returns the content b. It does not copy b.
func Bytes(b []byte) Content {
	return Content{Size: int64(len(b)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b)), nil
	}}
}

// ReaderAt returns the first size bytes of r as a content. r must allow parallel
// reads, as every io.ReaderAt does. It is never closed.
func ReaderAt(r io.ReaderAt, size int64) Content {
	return Content{Size: size, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(r, 0, size)), nil
	}}
}

// openFile checks the file before it opens it, since opening a fifo would wait
// forever. It checks it again afterwards, since only an open file stays the same.
func openFile(path string, size int64) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := checkFile(info, size); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = checkFile(info, size)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func checkFile(info os.FileInfo, size int64) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: it is no longer a regular file", ErrChanged)
	}
	if info.Size() != size {
		return fmt.Errorf("%w: %d bytes, was %d", ErrChanged, info.Size(), size)
	}
	return nil
}
