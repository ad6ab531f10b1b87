package simulator_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	imagejpeg "image/jpeg"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo/internal/race"
	"github.com/idngo-go/idngo/internal/simulator"
)

// jpeg returns a small JPEG image.
func jpeg(t testing.TB) string {
	var b bytes.Buffer
	require.NoError(t, imagejpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 3, 2)), nil))
	return b.String()
}

func TestUploadRefusals(t *testing.T) {
	s, c := start(t, simulator.Config{})
	id := c.create("a")
	file := content("name.jpg", "image/jpeg", "x")
	for name, test := range map[string]struct {
		parts []part
		code  any
	}{
		"nothing":                  {parts: nil, code: nil},
		"no metadata":              {parts: []part{file}},
		"no content":               {parts: []part{metadata(selfie)}},
		"metadata twice":           {parts: []part{metadata(selfie), metadata(selfie), file}},
		"content twice":            {parts: []part{metadata(selfie), file, file}},
		"another part":             {parts: []part{metadata(selfie), {disposition: `form-data; name="x"`, content: "x"}, file}},
		"metadata no JSON":         {parts: []part{metadata("selfie"), file}},
		"metadata huge":            {parts: []part{metadata(strings.Repeat(" ", 65<<10) + selfie), file}},
		"no document type":         {parts: []part{metadata(`{"country":"GBR"}`), file}},
		"no country":               {parts: []part{metadata(`{"idDocType":"SELFIE"}`), file}},
		"country of two letters":   {parts: []part{metadata(`{"idDocType":"SELFIE","country":"GB"}`), file}},
		"country in small letters": {parts: []part{metadata(`{"idDocType":"SELFIE","country":"gbr"}`), file}},
		"content without a name": {parts: []part{
			metadata(selfie), {disposition: `form-data; name="content"`, contentType: "image/jpeg", content: "x"},
		}},
		"content with an empty one": {parts: []part{metadata(selfie), content("", "image/jpeg", "x")}},
		"content without a type":    {parts: []part{metadata(selfie), content("x", "", "x")}},
		"content of an odd type":    {parts: []part{metadata(selfie), content("x", "image;;", "x")}},
		"content empty":             {parts: []part{metadata(selfie), content("x", "image/jpeg", "")}, code: 1003.0},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.addParts(id, test.parts...)
			assert.Equal(t, 400, r.status, "%s", r.body)
			assert.Equal(t, test.code, r.json(t)["errorCode"])
		})
	}
	body, form := multipartBody(t, metadata(selfie), file)
	for cut := range len(body) - 2 { // the last line break may be missing
		r := c.do("POST", "/resources/applicantActions/"+id+"/images", body[:cut], form)
		require.Equal(t, 400, r.status, "%q", body[:cut])
	}
	assert.Equal(t, 404, c.addImage("x", "x").status)
	assert.Empty(t, s.Images(id))
	assert.Nil(t, s.Images("x"))
	assert.Zero(t, s.Stats().RefusedSignatures)
}

func TestImagesComeBack(t *testing.T) {
	s, c := start(t, simulator.Config{})
	id := c.create("a")
	random := make([]byte, 1<<20)
	chacha := rand.NewChaCha8([32]byte{1})
	_, _ = chacha.Read(random)
	for name, test := range map[string]struct {
		fileName, contentType, bytes string
		wantName, wantType, wantKind string
	}{
		"jpeg": {
			fileName: "лицо/a.jpg", contentType: "application/octet-stream", bytes: jpeg(t), wantName: "лицо/a.jpg",
			wantType: "image/jpeg", wantKind: "jpg",
		},
		"pdf": {
			fileName: `q\"uote.pdf`, contentType: "image/jpeg", bytes: "%PDF-1.7 ...", wantName: `q"uote.pdf`,
			wantType: "application/pdf", wantKind: "pdf",
		},
		"unknown": {fileName: "x.heic", contentType: "image/heic", bytes: "\x00\x01", wantName: "x.heic", wantType: "image/heic"},
		"a byte":  {fileName: "x", contentType: "image/png", bytes: "x", wantName: "x", wantType: "image/png", wantKind: "png"},
		"exactly a piece": {
			fileName: "x", contentType: "video/mp4", bytes: string(random[:32<<10]), wantName: "x", wantType: "video/mp4",
			wantKind: "mp4",
		},
		"exactly a second": {
			fileName: "x", contentType: "video/webm", bytes: string(random[:(32+256)<<10]), wantName: "x",
			wantType: "video/webm", wantKind: "webm",
		},
		"many pieces": {
			fileName: "x", contentType: "video/quicktime", bytes: string(random), wantName: "x", wantType: "video/quicktime",
			wantKind: "mov",
		},
	} {
		t.Run(name, func(t *testing.T) {
			passport := metadata(`{"idDocType":"PASSPORT","idDocSubType":"FRONT_SIDE","country":"KAZ"}`)
			r := c.addParts(id, content(test.fileName, test.contentType, test.bytes), passport)
			require.Equal(t, 200, r.status, "%s", r.body)
			image := r.json(t)
			assert.Equal(t, test.wantName, image["imageFileName"])
			assert.Equal(t, test.wantKind, image["mimeType"])
			assert.Equal(t, "FRONT_SIDE", at(t, image, "idDocDef", "idDocSubType"))
			assert.Equal(t, float64(len(test.bytes)), image["fileSize"])
			number := fmt.Sprintf("%.0f", image["imageId"])
			for _, target := range []string{
				number, number + "?preview=false", number + "?preview=true", fmt.Sprintf("%.0f", image["resizedImageId"]),
			} {
				got := c.do("GET", "/resources/applicantActions/"+id+"/images/"+target, nil, header("Accept", "*/*"))
				assert.Equal(t, 200, got.status)
				assert.Equal(t, test.bytes, string(got.body))
				assert.Equal(t, test.wantType, got.header.Get("Content-Type"))
				assert.Equal(t, fmt.Sprint(len(test.bytes)), got.header.Get("Content-Length"))
			}
			again := c.addParts(id, content("other", "image/png", test.bytes), metadata(selfie))
			assert.Equal(t, 409, again.status)
			assert.Equal(t, 1000.0, again.json(t)["errorCode"])
		})
	}
	book := s.Images(id)
	require.Len(t, book, 7)
	for _, i := range book {
		assert.Equal(t, id, i.ActionID)
		assert.True(t, i.Kept)
		assert.Equal(t, "KAZ", i.Country)
		assert.Len(t, i.SHA256, 64)
	}
}

func TestTooManyImages(t *testing.T) {
	_, c := start(t, simulator.Config{Limits: simulator.Limits{ImagesPerAction: 1}})
	id := c.create("a")
	assert.Equal(t, 200, c.addImage(id, "1").status)
	r := c.addImage(id, "2")
	assert.Equal(t, 400, r.status)
	assert.Equal(t, 1001.0, r.json(t)["errorCode"])
}

func TestImageMemory(t *testing.T) {
	s, c := start(t, simulator.Config{Limits: simulator.Limits{ImageMemory: 40 << 10}})
	id := c.create("a")
	for n := range 100 { // a refused image gives its memory back
		require.Equal(t, 404, c.addImage("x", strings.Repeat("x", 1000+n)).status)
	}
	small := c.addImage(id, "small").json(t)
	require.Equal(t, 200, c.addImage(id, strings.Repeat("x", 100<<10)).status)
	assert.True(t, s.Images(id)[0].Kept)
	assert.False(t, s.Images(id)[1].Kept)
	assert.Equal(t, 200, c.do("GET", fmt.Sprintf("/resources/applicantActions/%s/images/%.0f", id, small["imageId"]), nil).status)
	assert.Equal(t, 410, c.do("GET", "/resources/applicantActions/"+id+"/images/"+s.Images(id)[1].ImageID, nil).status)
	assert.Equal(t, 200, c.addImage(id, "small too").status)
	assert.True(t, s.Images(id)[2].Kept)
}

// large sends an image of zeros without storing it.
func large(t testing.TB, c *client, actionID string, size int64, chunked bool) result {
	body, form := multipartBody(t, metadata(selfie), content("x", "video/mp4", "@"))
	head, tail, _ := bytes.Cut(body, []byte("@"))
	reader := func() io.Reader {
		return io.MultiReader(bytes.NewReader(head), io.LimitReader(zeros{}, size), bytes.NewReader(tail))
	}
	r := c.request("POST", "/resources/applicantActions/"+actionID+"/images", nil, form)
	mac := hmac.New(sha256.New, []byte(c.secret))
	fmt.Fprint(mac, r.Header.Get("X-App-Access-Ts"), r.Method, r.URL.RequestURI())
	_, err := io.Copy(mac, reader())
	require.NoError(t, err)
	r.Header.Set("X-App-Access-Sig", hex.EncodeToString(mac.Sum(nil)))
	r.Body = io.NopCloser(reader())
	if r.ContentLength = int64(len(body)) - 1 + size; chunked {
		r.ContentLength = -1
	}
	response, err := c.transport.RoundTrip(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return result{status: response.StatusCode, body: text}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestLargeImages(t *testing.T) {
	if testing.Short() || race.Enabled {
		t.Skip("hashes 80 MB, one after the other")
	}
	s, c := start(t, simulator.Config{Limits: simulator.Limits{ImageMemory: 1 << 20}})
	id := c.create("a")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := large(t, c, id, 64<<20+1, true)
	assert.Equal(t, 400, r.status)
	assert.Equal(t, 1002.0, r.json(t)["errorCode"])
	assert.Equal(t, 200, large(t, c, id, 16<<20, false).status)
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
	assert.Equal(t, int64(16<<20), s.Images(id)[0].Size)
}

func TestUploadThatBreaksOff(t *testing.T) {
	seen := make(chan simulator.Request, 1)
	s, c := start(t, simulator.Config{OnRequest: func(r simulator.Request) { seen <- r }})
	body, form := multipartBody(t, metadata(selfie), content("x", "image/jpeg", "x"))
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.base, "http://"))
	require.NoError(t, err)
	r := c.request("POST", "/resources/applicantActions/x/images", nil, form)
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		r.URL.Path, r.Header.Get("Content-Type"), len(body)+1, body)
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	record := <-seen
	assert.Zero(t, record.Status)
	assert.Equal(t, simulator.VerdictUnsigned, record.Signature)
	assert.Equal(t, map[int]int{0: 1}, s.Stats().ByStatus)
	_ = conn.Close()
}

func TestMalformedChunks(t *testing.T) {
	_, c := start(t, simulator.Config{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.base, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
	require.NoError(t, err)
	answer, _ := io.ReadAll(conn)
	assert.Empty(t, answer, "and no 200")
}
