package formbody

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
)

// Spool reads r to its end, once, and keeps the bytes: up to memory bytes in
// memory, more in a temporary file. cleanup is never nil. It removes the file,
// and readers that still read it then fail. After an error there is nothing to
// remove. Spool checks ctx between two reads of r.
func Spool(ctx context.Context, r io.Reader, memory int64) (content Content, cleanup func(), err error) {
	src := &spoolReader{ctx: ctx, r: r}
	mem, size, err := readChunks(src, memory)
	if err == io.EOF {
		return ReaderAt(mem, size), func() {}, nil
	}
	if err != nil {
		return Content{}, func() {}, fmt.Errorf("spool content: %w", err)
	}
	tmp, size, err := spill(mem, src)
	if err != nil {
		return Content{}, func() {}, fmt.Errorf("spool content: %w", err)
	}
	return ReaderAt(tmp.file, size), sync.OnceFunc(tmp.remove), nil
}

// spill writes mem and then the rest of src to a temporary file.
func spill(mem chunks, src io.Reader) (_ *tempFile, size int64, err error) {
	tmp, err := newTempFile()
	if err != nil {
		return nil, 0, err
	}
	filled := false
	defer func() { // deferred, since src may panic
		if !filled {
			tmp.remove()
		}
	}()
	size, err = tmp.fill(mem, src)
	filled = err == nil
	return tmp, size, err
}

// tempFile is a temporary file. Where the system allows it, its name is removed
// at once, so that even a crash does not leave it behind.
type tempFile struct {
	file  *os.File
	named bool
}

func newTempFile() (*tempFile, error) {
	f, err := os.CreateTemp("", "idngo-*")
	if err != nil {
		return nil, err
	}
	return &tempFile{file: f, named: os.Remove(f.Name()) != nil}, nil
}

func (t *tempFile) fill(mem chunks, src io.Reader) (size int64, err error) {
	for _, piece := range mem {
		n, err := t.file.Write(piece)
		if err != nil {
			return 0, err
		}
		size += int64(n)
	}
	n, err := io.Copy(t.file, src)
	return size + n, err
}

// remove closes the file first, since Windows does not remove an open file.
func (t *tempFile) remove() {
	_ = t.file.Close()
	if t.named {
		_ = os.Remove(t.file.Name())
	}
}

const minChunk, maxChunk = 4 << 10, 512 << 10

// chunks is a text in pieces. The pieces grow with the text. They are never
// copied, unlike one growing slice, and only the last one can have unused room.
type chunks [][]byte

// readChunks reads until r ends or has returned more than limit bytes. It returns
// io.EOF if r has ended, and nil at the limit.
func readChunks(r io.Reader, limit int64) (c chunks, size int64, err error) {
	limit = max(limit, 0)
	for size <= limit {
		last := len(c) - 1
		if last < 0 || len(c[last]) == cap(c[last]) {
			next := min(max(size, minChunk), maxChunk)
			next = min(next-1, limit-size) + 1 // room for the one byte above the limit; limit+1 might overflow
			c = append(c, make([]byte, 0, next))
			last++
		}
		piece := c[last]
		n, err := r.Read(piece[len(piece):cap(piece)])
		c[last] = piece[:len(piece)+n]
		size += int64(n)
		if err != nil {
			return c, size, err
		}
	}
	return c, size, nil
}

func (c chunks) ReadAt(p []byte, off int64) (n int, err error) {
	for _, piece := range c {
		if off >= int64(len(piece)) {
			off -= int64(len(piece))
			continue
		}
		n += copy(p[n:], piece[off:])
		off = 0
		if n == len(p) {
			return n, nil
		}
	}
	return n, io.EOF
}

// spoolReader reads from the caller's reader. It checks the context before each read.
type spoolReader struct {
	ctx context.Context
	r   io.Reader
}

func (s *spoolReader) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return readSome(s.r, p)
}
