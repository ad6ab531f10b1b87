package e2e_test

import (
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// The tests of this file upload images with file names of any kind. Printable names arrive
// unchanged, and other names do no harm. The simulator and mime/multipart read the names.

// printableFileNames are names that arrive unchanged.
var printableFileNames = map[string]string{
	"plain":              "face.jpg",
	"quotes":             `"quoted" and 'single'.jpg`,
	"a quote":            `"`,
	"injected parameter": `"; filename="other.jpg`,
	"backslashes":        `back\slash\\.jpg`,
	"ends in backslash":  `face.jpg\`,
	"escaped quote":      `\".jpg`,
	"Cyrillic":           "Селфи Әліхан Ұлы — копия.jpg",
	"Cyrillic, 4 KiB":    strings.Repeat("ж", 2046) + ".jpg",
	"4 KiB":              strings.Repeat("n", 4092) + ".jpg",
	"4 KiB of quotes":    strings.Repeat(`"`, 4096),
	"emoji":              "🙂👩‍🚀👨‍👩‍👧❤️🇰🇿.jpg",
	"tag sequence":       "🏴󠁧󠁢󠁥󠁮󠁧󠁿.png",
	"right to left":      "صورة شخصية.png",
	"CJK":                "写真 １.png",
	"combining":          "e\u0301.jpg",
	"percent":            "100%0D%0A%22%s.jpg",
	"parameter signs":    "a=b; c, d.jpg",
	"RFC 2231":           "utf-8''a.jpg",
	"RFC 2047":           "=?utf-8?q?a?=.jpg",
	"boundary":           "--boundary--",
	"spaces":             "  two  spaces  .jpg",
	"narrow space":       "Screenshot 9.41.00\u202fAM.png",
	"dots":               "...",
	"HTML":               "<script>alert(1)<&>.jpg",
	"replacement":        "\ufffd.jpg",
}

// hostileFileNames are names that must do no harm.
var hostileFileNames = map[string]string{
	"CRLF":                "face.jpg\r\nX-Evil: 1\r\n\r\n<body>",
	"CRLF after quote":    "face\"\r\nX-Evil: 1\r\n\r\n--",
	"LF":                  "a\nb.jpg",
	"CR":                  "a\rb.jpg",
	"NUL":                 "a\x00b.jpg",
	"tab":                 "a\tb.jpg",
	"escape sequence":     "a\x1b[31mb.jpg",
	"DEL":                 "a\x7fb.jpg",
	"C1":                  "a\u0085\u009fb.jpg",
	"line separators":     "a\u2028\u2029b.jpg",
	"right-to-left trick": "a\u202egpj.exe",
	"invisible":           "\ufeffa\u200bb\u00ad.jpg",
	"private use":         "\ue000\uffff.jpg",
	"invalid UTF-8":       "a\xff\xfe\xc3.jpg",
	"surrogate":           "\xed\xa0\x80.jpg",
	"overlong":            "\xc0\xaf.jpg",
	"4 KiB of CRLF":       strings.Repeat("\r\n", 2048),
	"path":                "/etc/passwd",
	"path up":             "../../face.jpg",
	"only slashes":        "///",
	"empty":               "",
}

func TestFileNamesAtTheSimulator(t *testing.T) {
	t.Parallel()
	client, service := faultnet.StartSimulator(t, simulator.Config{})
	action := faultnet.CreateSimulatorAction(t, client)
	n := 0
	send := func(name string, source idngo.ImageSource) string {
		t.Helper()
		image, err := client.AddImage(t.Context(), action, faultnet.Selfie(source))
		require.NoError(t, err, "%q", name)
		images := service.Images(action)
		n++
		require.Len(t, images, n)
		got := images[n-1]
		assert.Equal(t, []any{"SELFIE", "", "KAZ"}, []any{got.IDDocType, got.IDDocSubType, got.Country}, "%q", name)
		assert.Equal(t, got.FileName, image.ImageFileName, "%q", name)
		assert.True(t, utf8.ValidString(got.FileName), "%q", name)
		assert.NotEmpty(t, got.FileName, "%q", name)
		assert.False(t, strings.ContainsFunc(got.FileName, unicode.IsControl), "%q", name)
		assert.NotContains(t, got.FileName, "/", "%q", name)
		return got.FileName
	}
	unique := func() []byte { return faultnet.Noise(1000 + n) } // the service refuses a copy of an image
	for _, name := range printableFileNames {
		assert.Equal(t, name, send(name, idngo.ImageBytes(name, unique())))
	}
	for _, name := range hostileFileNames {
		send(name, idngo.ImageBytes(name, unique()))
	}
	assert.Zero(t, service.Stats().RefusedSignatures)

	// The same names work for files on a disk that accepts them.
	if runtime.GOOS != "linux" {
		return
	}
	for what, names := range []map[string]string{printableFileNames, hostileFileNames} {
		for _, name := range names {
			if len(name) > 255 || strings.ContainsAny(name, "/\x00") || name == "" || name == "..." {
				continue
			}
			path := filepath.Join(t.TempDir(), name)
			if os.WriteFile(path, unique(), 0o600) != nil {
				continue // the disk does not accept the name
			}
			if got := send(name, idngo.ImageFile(path)); what == 0 {
				assert.Equal(t, name, got)
			}
		}
	}
}

// FuzzUploadFileName sends any name and reads it back with mime/multipart.
func FuzzUploadFileName(f *testing.F) {
	for _, names := range []map[string]string{printableFileNames, hostileFileNames} {
		for _, name := range names {
			f.Add(name)
		}
	}
	content := []byte("\r\n--x\r\nContent-Disposition: form-data; name=\"content\"; filename=\"z\"\r\n\r\n")
	f.Fuzz(func(t *testing.T, name string) {
		sent := false
		client := faultnet.NewClient(t, faultnet.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			sent = true
			body, err := io.ReadAll(req.Body)
			require.NoError(t, err)
			require.EqualValues(t, len(body), req.ContentLength)
			faultnet.AssertSigned(t, req.Method, req.URL.RequestURI(), req.Header, body)
			parts := faultnet.ParseUpload(t, req.Header, body)
			require.Len(t, parts, 2)
			assert.Equal(t, []string{"metadata", "content"}, []string{parts[0].Name, parts[1].Name})
			assert.Equal(t, `{"idDocType":"SELFIE","country":"KAZ"}`, string(parts[0].Content))
			assert.Equal(t, content, parts[1].Content)
			header := parts[1].Header
			assert.Equal(t, []string{"Content-Disposition", "Content-Type"}, slices.Sorted(maps.Keys(header)))
			assert.Len(t, header["Content-Disposition"], 1)
			assert.Len(t, header["Content-Type"], 1)
			_, params, err := mime.ParseMediaType(header.Get("Content-Disposition"))
			require.NoError(t, err)
			assert.Equal(t, []string{"filename", "name"}, slices.Sorted(maps.Keys(params)))

			got := params["filename"]
			assert.NotEmpty(t, got)
			assert.True(t, utf8.ValidString(got))
			assert.False(t, strings.ContainsFunc(got, unicode.IsControl))
			assert.NotContains(t, got, "/")
			if name != "" && utf8.ValidString(name) && !strings.Contains(name, "/") && !strings.ContainsFunc(
				name, func(c rune) bool { return !unicode.IsPrint(c) },
			) {
				assert.Equal(t, name, got)
			}
			return httpmock.NewStringResponse(http.StatusOK, faultnet.ImageJSON), nil
		}))
		_, err := client.AddImage(t.Context(), "a1", faultnet.Selfie(idngo.ImageBytes(name, content)))
		require.NoError(t, err)
		assert.True(t, sent)
	})
}
