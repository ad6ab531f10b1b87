package faultnet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/simulator"
)

// UploadTarget is the request URI of AddImage for the action a1.
const UploadTarget = "/resources/applicantActions/a1/images"

// Selfie returns the parameters of the upload of a selfie.
func Selfie(source idngo.ImageSource) idngo.AddImageParams {
	return idngo.AddImageParams{IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: source}
}

// Noise returns n bytes that do not repeat. Noise of another length begins with the same bytes.
func Noise(n int) []byte {
	source := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, n, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(p[i:i+8], source.Uint64())
	}
	return p
}

// SHA256 returns a digest in hexadecimal digits.
func SHA256(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

// TempFile returns the path of a new file.
func TempFile(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// ImageSources returns a constructor for each kind of source of the content.
func ImageSources(t *testing.T, content []byte) map[string]func() idngo.ImageSource {
	t.Helper()
	path := TempFile(t, "face.jpg", content)
	return map[string]func() idngo.ImageSource{
		"file":  func() idngo.ImageSource { return idngo.ImageFile(path) },
		"bytes": func() idngo.ImageSource { return idngo.ImageBytes("face.jpg", content) },
		"readerAt": func() idngo.ImageSource {
			return idngo.ImageReaderAt("face.jpg", bytes.NewReader(content), int64(len(content)))
		},
		"reader": func() idngo.ImageSource {
			return idngo.ImageReader("face.jpg", struct{ io.Reader }{bytes.NewReader(content)})
		},
	}
}

// Part is one part of a multipart body as a server sees it.
type Part struct {
	Header         textproto.MIMEHeader
	Name, FileName string
	Content        []byte
}

// ParseUpload parses the body of an upload with mime/multipart.
func ParseUpload(t testing.TB, header http.Header, body []byte) (parts []Part) {
	t.Helper()
	media, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/form-data", media)
	reader := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		part, err := reader.NextRawPart()
		if err == io.EOF {
			return parts
		}
		require.NoError(t, err)
		content, err := io.ReadAll(part)
		require.NoError(t, err)
		parts = append(parts, Part{part.Header, part.FormName(), part.FileName(), content})
	}
}

// CreateSimulatorAction returns the id of a new action.
func CreateSimulatorAction(t testing.TB, client *idngo.Client) string {
	t.Helper()
	action, err := client.CreateAction(context.Background(), simulator.DefaultApplicantID, FaceAuthorization("ext-1"))
	require.NoError(t, err)
	return action.ID
}

// OpenFiles returns how many open files of this process have a path that begins with prefix. It
// counts unlinked files too. It returns -1 on systems without /proc.
func OpenFiles(t testing.TB, prefix string) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return -1
	}
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	n := 0
	for _, entry := range entries {
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", entry.Name())); err == nil && strings.HasPrefix(to, prefix) {
			n++
		}
	}
	return n
}

// FaceAuthorization returns the parameters of a face authorization.
func FaceAuthorization(externalID string) idngo.CreateActionParams {
	return idngo.CreateActionParams{LevelName: simulator.LevelFaceAuth, ExternalActionID: externalID}
}

// SelfieOf returns the parameters of the upload of a selfie from memory.
func SelfieOf(content string) idngo.AddImageParams {
	return Selfie(idngo.ImageBytes("me.png", []byte(content)))
}
