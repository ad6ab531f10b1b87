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

// quoteEscaper escapes a file name so that mime.ParseMediaType, which Go servers
// use, returns the same name. multipart.FileContentDisposition is not used, since
// its treatment of quotes may change. Line breaks have been replaced before.
var quoteEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// cleanName returns the last element of name, with every unprintable character
// replaced. It treats a backslash as any other character: names may have one
// outside Windows, and on Windows the caller has removed the directory.
func cleanName(name string) string {
	name = strings.TrimRight(name, "/")
	name = name[strings.LastIndexByte(name, '/')+1:]
	return strings.Map(func(c rune) rune { // invalid UTF-8 is U+FFFD here
		if unprintable(c) {
			return utf8.RuneError
		}
		return c
	}, name)
}

// unprintable reports whether c must be replaced in a file name. It reports false
// for some characters that unicode.IsPrint refuses: spaces of other scripts (macOS
// puts U+202F into the names of screenshots), joiners and tags within emoji, and
// emoji that are newer than Go's tables.
func unprintable(c rune) bool {
	if c == 0x200C || c == 0x200D || 0xE0020 <= c && c <= 0xE007F {
		return false
	}
	return unicode.In(c, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp, unicode.Noncharacter_Code_Point)
}

// mediaType returns the media type of content: the given one, or else that of
// the name, or else that of the first bytes.
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
	// ParseMediaType trims line breaks, which a header must not have.
	if !utf8.ValidString(t) || strings.ContainsFunc(t, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return "", fmt.Errorf("%w: content type: not printable", ErrInvalid)
	}
	return t, nil
}

// types are the kinds of file that the service accepts. With this table they have
// the same type on every machine. The first extension of a type is its usual one.
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
		return "" // the table of the system is not used
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
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF { // the readers report a content that is too short
		return "", fmt.Errorf("read content: %w", err)
	}
	return http.DetectContentType(first[:n]), nil
}

// defaultName returns the name that is sent for a file without a name.
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
