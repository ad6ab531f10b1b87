package formbody

import (
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkRead reads 50 MiB of a file in pieces of 32 KiB, as net/http does, directly and as the
// content of a body.
func BenchmarkRead(b *testing.B) {
	const size = 50 << 20
	path := writeFile(b, pattern(size))
	content, err := File(path)
	require.NoError(b, err)
	body := newBody(b, "face.jpg", "", content)
	buf := make([]byte, 32<<10)

	for name, open := range map[string]func() (io.ReadCloser, error){
		"file": func() (io.ReadCloser, error) { return os.Open(path) },
		"body": func() (io.ReadCloser, error) { return body.Open(), nil },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(size)
			for b.Loop() {
				r, err := open()
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf); err != nil {
					b.Fatal(err)
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
