package formbody

import (
	"errors"
	"io"
	"maps"
	"mime"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var printableNames = []string{
	"face.jpg",
	`quote".jpg`, `"`, `""`, `"; filename="other.jpg`, `'single'.jpg`,
	`back\slash.jpg`, `\`, `\\`, `\"`, `ends with \`, `C:\photos\face.jpg`,
	"селфи әғқңөұүһі.jpg", "写真.png", "صورة.png", "e\u0301.jpg", "ё.jpg",
	"🙂.jpg", "👩‍🚀👨‍👩‍👧❤️.jpg", "🏴󠁧󠁢󠁥󠁮󠁧󠁿.jpg", "\U0001FAE9 of Unicode 16.jpg", "🏴\U000E0020\U000E007F.jpg",
	"with space.jpg", "  spaces around  ", " ", "Screenshot 9.41.00\u202fAM.png", "no\u00a0break.png", "می\u200cخواهم.jpg",
	"100%.jpg", "%0D%0A", "%22.jpg", "a%2Fb.jpg", "%s%d%!",
	"a;b=c.jpg", ";", "a=b", "a,b", "<b>&amp;", "=?utf-8?q?a?=.jpg", "utf-8''a.jpg",
	".", "..", ".jpg", "jpg.", "--B--",
	"\ufffd.jpg",
	strings.Repeat("n", 4092) + ".jpg", strings.Repeat(`"`, 4096), strings.Repeat("ж", 2048) + ".jpg",
}

func TestPrintableNamesArriveIdentical(t *testing.T) {
	t.Parallel()
	for _, name := range printableNames {
		assert.Equal(t, filepath.Base(name), sendName(t, name))
	}
}

func TestOtherNamesAreMadeHarmless(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a\r\nX-Evil: 1\r\n\r\nbody.jpg": "a��X-Evil: 1����body.jpg",
		"a\nb.jpg":                       "a�b.jpg",
		"a\rb.jpg":                       "a�b.jpg",
		"a\x00b.jpg":                     "a�b.jpg",
		"a\tb\x1b[31m.jpg":               "a�b�[31m.jpg",
		"a\x7f.jpg":                      "a�.jpg",
		"a\u0085b\u009f.jpg":             "a�b�.jpg",
		"a\u2028b\u2029c.jpg":            "a�b�c.jpg",
		"a\u202egpj.exe":                 "a�gpj.exe",
		"\ufeffa\u200bb\u00ad.jpg":       "�a�b�.jpg",
		"\ue000\uffff\U0010ffff.jpg":     "���.jpg",
		"a\xff\xfe.jpg":                  "a��.jpg",
		"\xed\xa0\x80.jpg":               "���.jpg",
		"\xc0\xaf.jpg":                   "��.jpg",
		"/etc/passwd":                    "passwd",
		"../../a.jpg":                    "a.jpg",
		"dir/":                           "dir",
		"dir/a\"b\\c.jpg//":              `a"b\c.jpg`,
	} {
		assert.Equal(t, filepath.Base(want), sendName(t, name), "%q", name)
	}
}

func FuzzFileName(f *testing.F) {
	for _, name := range printableNames {
		f.Add(name)
	}
	for _, name := range []string{"", "/", "a\r\nX-Evil: 1\r\n\r\n", "\x00\x7f\u0085\u2028\u2029", "\xff\xc3", "a/b", "\"\r\n--\r\n"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		content := []byte("\r\n--x\r\nContent-Disposition: form-data; name=\"content\"; filename=\"z\"\r\n\r\n")
		b := newBody(t, name, "image/png", Bytes(content))
		text := readBody(t, b)
		require.EqualValues(t, len(text), b.Size())

		parts := parse(t, b, text)
		require.Len(t, parts, 2)
		assert.Equal(t, []string{"metadata", "content"}, []string{parts[0].name, parts[1].name})
		assert.Equal(t, metadata, parts[0].text)
		assert.Equal(t, content, parts[1].text)
		header := parts[1].header
		assert.Equal(t, []string{"Content-Disposition", "Content-Type"}, slices.Sorted(maps.Keys(header)))
		assert.Len(t, header["Content-Disposition"], 1)
		assert.Equal(t, []string{"image/png"}, header["Content-Type"])
		_, params, err := mime.ParseMediaType(header.Get("Content-Disposition"))
		require.NoError(t, err)
		assert.Equal(t, []string{"filename", "name"}, slices.Sorted(maps.Keys(params)))

		got := parts[1].fileName
		assert.NotEmpty(t, got)
		assert.True(t, utf8.ValidString(got))
		assert.NotContains(t, params["filename"], "/")
		assert.False(t, strings.ContainsFunc(got, unicode.IsControl))
		unprintableRune := func(c rune) bool { return !unicode.IsPrint(c) }
		if name != "" && utf8.ValidString(name) && !strings.Contains(name, "/") && !strings.ContainsFunc(name, unprintableRune) {
			assert.Equal(t, filepath.Base(name), got, "a printable name")
		}
	})
}

func TestContentTypeAndDefaultName(t *testing.T) {
	t.Parallel()
	jpeg, png := "\xff\xd8\xff\xe0", "\x89PNG\x0d\x0a\x1a\x0a"
	for name, c := range map[string]struct{ file, given, bytes, wantType, wantName string }{
		"the caller's":               {file: "a.jpg", given: "image/x-own; q=1", bytes: png, wantType: "image/x-own; q=1", wantName: "a.jpg"},
		"by extension":               {file: "a.jpg", bytes: png, wantType: "image/jpeg", wantName: "a.jpg"},
		"by extension, capitals":     {file: "A.JPEG", bytes: png, wantType: "image/jpeg", wantName: "A.JPEG"},
		"video":                      {file: "a.mov", bytes: "x", wantType: "video/quicktime", wantName: "a.mov"},
		"pdf":                        {file: "a.b.pdf", bytes: "x", wantType: "application/pdf", wantName: "a.b.pdf"},
		"by Go's own table":          {file: "a.json", bytes: "x", wantType: "application/json", wantName: "a.json"},
		"unknown extension":          {file: "a.idngo-unknown", bytes: jpeg, wantType: "image/jpeg", wantName: "a.idngo-unknown"},
		"no extension":               {file: "a", bytes: png, wantType: "image/png", wantName: "a"},
		"only a dot":                 {file: "a.", bytes: png, wantType: "image/png", wantName: "a."},
		"no name":                    {bytes: jpeg, wantType: "image/jpeg", wantName: "image.jpg"},
		"a path without name":        {file: "//", bytes: png, wantType: "image/png", wantName: "image.png"},
		"no name, the caller's type": {given: "IMAGE/TIFF; a=b", bytes: jpeg, wantType: "IMAGE/TIFF; a=b", wantName: "image.tiff"},
		"no name, nothing known":     {bytes: "\x01\x02", wantType: "application/octet-stream", wantName: "image"},
		"no name, no bytes":          {wantType: "text/plain; charset=utf-8", wantName: "image"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBody(t, c.file, c.given, Bytes([]byte(c.bytes)))
			p := parse(t, b, readBody(t, b))[1]
			assert.Equal(t, c.wantType, p.header.Get("Content-Type"))
			assert.Equal(t, c.wantName, p.fileName)
		})
	}
}

func TestSniffingReadsTheFirst512BytesOnly(t *testing.T) {
	t.Parallel()
	var got int64
	_, err := New(metadata, "", "", Content{Size: 1 << 40, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.TeeReader(io.NewSectionReader(zeros{}, 0, 1<<40), count(&got))), nil
	}})
	require.NoError(t, err)
	assert.EqualValues(t, 512, got)
}

func TestSniffingFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	_, err := New(metadata, "", "", Content{Size: 5, Open: func() (io.ReadCloser, error) { return nil, broken }})
	assert.ErrorIs(t, err, broken)
	_, err = New(metadata, "", "", opens(5, func() io.Reader { return iotest.ErrReader(broken) }))
	assert.ErrorIs(t, err, broken)
	_, err = New(metadata, "", "", opens(5, func() io.Reader { return strings.NewReader("1") }))
	assert.NoError(t, err, "a short content is for the readers to report")
	_, err = New(metadata, "", "", opens(5, func() io.Reader { return strings.NewReader("") }))
	assert.NoError(t, err, "and so is one without a byte")
}

func TestContentTypesRefused(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{
		" ", ";", "image/", "/png", "image/png/x", "image png", "image/png; a", "image/png; a=1; a=2",
		"image/png\r\nX-Evil: 1", "image/png\r\n", "\r\nimage/png", "image/png\r\n; a=b", "image/png\n", "image/png\x00",
		"image/png; a=\"\x7f\"", "image/png; a=\"\u0085\"", "image/png; a=\"\u2028\"", "image/png; a=\"\xff\"", "image/png;\ta=b",
	} {
		_, err := New(metadata, "a.jpg", contentType, Bytes([]byte("x")))
		if assert.ErrorIs(t, err, ErrInvalid, "%q", contentType) {
			assert.NotContains(t, err.Error(), "png", "an error names the argument, never its value")
		}
	}
}

// -- helpers ------------------------------------------------------------------

// sendName returns the file name that a Go server reads.
func sendName(t testing.TB, name string) string {
	t.Helper()
	b := newBody(t, name, "image/png", Bytes([]byte("x")))
	parts := parse(t, b, readBody(t, b))
	require.Len(t, parts, 2)
	assert.Equal(t, []string{"Content-Disposition", "Content-Type"}, slices.Sorted(maps.Keys(parts[1].header)))
	return parts[1].fileName
}

// count returns a writer that adds the number of bytes that it gets to n.
func count(n *int64) io.Writer { return writerFunc(func(p []byte) { *n += int64(len(p)) }) }

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
