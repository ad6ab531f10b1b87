package formbody

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// quoteEscaper escapes as mime.ParseMediaType, and with it every Go server,
// unescapes. It is not multipart.FileContentDisposition, whose way with quotes
// is "for historical reasons" and may change; line breaks never get here.
var quoteEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// cleanName is the last element of name with everything replaced that does not
// print. A backslash is a letter like any other: outside Windows names may
// have one, and on Windows the caller has cut the directory off already.
func cleanName(name string) string {
	name = strings.TrimRight(name, "/")
	name = name[strings.LastIndexByte(name, '/')+1:]
	return strings.Map(func(c rune) rune { // invalid UTF-8 comes as U+FFFD already
		if unprintable(c) {
			return utf8.RuneError
		}
		return c
	}, name)
}

// unprintable is narrower than !unicode.IsPrint: the spaces of other scripts
// (macOS puts U+202F into the names of screenshots), the joiners and tags that
// hold emoji together, and emoji newer than Go's tables arrive as they are.
func unprintable(c rune) bool {
	if c == 0x200C || c == 0x200D || 0xE0020 <= c && c <= 0xE007F {
		return false
	}
	return unicode.In(c, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp, unicode.Noncharacter_Code_Point)
}

// mediaType is the content's type: given, or told by the name, or by the
// first bytes.
func mediaType(given, name string, content Content) (string, error) {
	t := given
	if t == "" {
		t = typeByName(name)
	}
	if t == "" {
		return sniff(content)
	}
	if _, _, err := mime.ParseMediaType(t); err != nil {
		return "", fmt.Errorf("%w: content type: %w", ErrInvalid, err)
	}
	// ParseMediaType trims line breaks; a header must not have them at all.
	if !utf8.ValidString(t) || strings.ContainsFunc(t, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return "", fmt.Errorf("%w: content type: not printable", ErrInvalid)
	}
	return t, nil
}

// types are the kinds of file that the service knows, so that they have the
// same type on every machine. The first extension of a type is its usual one.
var types = []struct{ ext, mediaType string }{
	{".jpg", "image/jpeg"},
	{".jpeg", "image/jpeg"},
	{".png", "image/png"},
	{".gif", "image/gif"},
	{".webp", "image/webp"},
	{".heic", "image/heic"},
	{".heif", "image/heif"},
	{".tiff", "image/tiff"},
	{".tif", "image/tiff"},
	{".bmp", "image/bmp"},
	{".jp2", "image/jp2"},
	{".pdf", "application/pdf"},
	{".mp4", "video/mp4"},
	{".webm", "video/webm"},
	{".mov", "video/quicktime"},
}

func typeByName(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if ext == "" {
		return "" // spares reading the system's table
	}
	for _, t := range types {
		if t.ext == ext {
			return t.mediaType
		}
	}
	return mime.TypeByExtension(ext)
}

func sniff(content Content) (string, error) {
	r, err := content.Open()
	if err != nil {
		return "", fmt.Errorf("open content: %w", err)
	}
	defer r.Close()
	first := make([]byte, min(content.Size, 512))
	n, err := io.ReadFull(r, first)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF { // too short is for the readers to find
		return "", fmt.Errorf("read content: %w", err)
	}
	return http.DetectContentType(first[:n]), nil
}

// defaultName is sent for a file without a name.
func defaultName(contentType string) string {
	base, _, _ := strings.Cut(contentType, ";")
	base = strings.ToLower(strings.TrimSpace(base))
	for _, t := range types {
		if t.mediaType == base {
			return "image" + t.ext
		}
	}
	return "image"
}
