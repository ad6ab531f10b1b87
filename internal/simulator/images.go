package simulator

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxMetadata = 64 << 10
	firstPiece  = 32 << 10
	laterPiece  = 256 << 10
)

// storedImage is an image of an action.
type storedImage struct {
	id, fileName, contentType, mediaType string
	sigHash, sha1, sha256                string
	imageID, previewID                   int64
	size                                 int64
	meta                                 imageMetadata
	resolution                           *wireResolution
	added                                time.Time
	content                              [][]byte // nil: the bytes are not kept
	shared                               bool     // the content is not counted
}

// drop frees the bytes of an image.
func (i *storedImage) drop(budget *memoryBudget) {
	for _, piece := range i.content {
		if i.shared {
			break
		}
		budget.used.Add(-int64(len(piece)))
	}
	i.content = nil
}

func (i *storedImage) record(actionID string) ImageRecord {
	return ImageRecord{
		ID: i.id, ImageID: strconv.FormatInt(i.imageID, 10), PreviewID: strconv.FormatInt(i.previewID, 10),
		ActionID: actionID, FileName: i.fileName, ContentType: i.contentType, MediaType: i.mediaType,
		Size: i.size, SHA256: i.sha256,
		IDDocType: i.meta.IDDocType, IDDocSubType: i.meta.IDDocSubType, Country: i.meta.Country,
		Kept: i.content != nil,
	}
}

// imageMetadata is the part named metadata.
type imageMetadata struct {
	IDDocType    string `json:"idDocType"`
	IDDocSubType string `json:"idDocSubType"`
	Country      string `json:"country"`
}

// upload is a multipart body that was read.
type upload struct {
	meta                  *imageMetadata
	fileName, contentType string
	content               *imageBuffer
	done                  bool // the memory belongs to an action now
}

// release gives back the memory of an upload that was refused.
func (u *upload) release(budget *memoryBudget) {
	if !u.done && u.content != nil {
		u.content.drop(budget)
	}
}

func (s *Server) addImage(c *call) *reply {
	u := c.upload // never nil here: the Content-Type was checked
	content := u.content
	if content.size == 0 {
		return codedRefusal(http.StatusBadRequest, 1003, "empty-file", "File is empty")
	}
	if content.size > MaxImageSize {
		return codedRefusal(http.StatusBadRequest, 1002, "file-too-big", "File is above 64 MB")
	}
	i := &storedImage{
		fileName: u.fileName, contentType: u.contentType, mediaType: content.mediaType(u.contentType),
		sha1: hex.EncodeToString(content.sha1.Sum(nil)), sha256: hex.EncodeToString(content.sha256.Sum(nil)),
		sigHash: newUUID(), size: content.size, meta: *u.meta, resolution: content.resolution(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actions[c.ids[0]]
	switch {
	case a == nil:
		return refusal(http.StatusNotFound, "Action not found")
	case a.status != statusInit:
		return codedRefusal(http.StatusConflict, 1006, "no-upload-verification-in-progress", "Action takes no images in status "+a.status)
	case len(a.images) >= s.cfg.Limits.ImagesPerAction:
		return codedRefusal(http.StatusBadRequest, 1001, "too-many-documents", "Action has too many images")
	}
	for _, other := range a.images {
		if other.sha256 == i.sha256 {
			return codedRefusal(http.StatusConflict, 1000, "duplicate-document", "This exact image is already there")
		}
	}
	// The data of an image without its bytes counts as the body of an action does.
	size := int64(2*entryBytes + len(i.fileName) + len(i.contentType) + len(i.meta.IDDocType) + len(i.meta.IDDocSubType))
	if s.actionBytes+size > s.cfg.Limits.ActionMemory {
		return codedRefusal(http.StatusBadRequest, 1001, "too-many-documents", "The simulator is full: it keeps no more images")
	}
	s.actionBytes += size
	i.id, i.imageID, i.previewID, i.added = s.ids.object(s.now()), s.ids.image(), s.ids.image(), s.now()
	i.content, u.done = content.take(&s.images), true
	a.images = append(a.images, i)
	s.changed(a)
	return answer(s.wireImage(a, i))
}

func (s *Server) openImage(c *call) *reply {
	preview := c.query.Get("preview")
	if preview != "" && preview != "true" && preview != "false" {
		return refusal(http.StatusBadRequest, "Parameter preview is neither true nor false")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actions[c.ids[0]]
	if a == nil {
		return refusal(http.StatusNotFound, "Action not found")
	}
	for _, i := range a.images {
		if id := c.ids[1]; id != strconv.FormatInt(i.imageID, 10) && id != strconv.FormatInt(i.previewID, 10) {
			continue
		}
		if i.content == nil {
			return refusal(http.StatusGone, "The simulator had no memory to keep this image")
		}
		p := &reply{status: http.StatusOK, header: http.Header{}, body: i.content}
		return p.with("Content-Type", i.mediaType)
	}
	return refusal(http.StatusNotFound, "Image not found")
}

// readUpload reads a multipart body. It returns a reply for a malformed one. The caller
// reads the rest.
func (s *Server) readUpload(r *http.Request, body *signedBody, boundary string) (*upload, *reply) {
	u := &upload{}
	parts := multipart.NewReader(body, boundary)
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return u, refusal(http.StatusBadRequest, "Malformed multipart body")
		}
		switch name := part.FormName(); {
		case name == "metadata" && u.meta == nil:
			if refused := u.readMetadata(part); refused != nil {
				return u, refused
			}
		case name == "content" && u.content == nil:
			if refused := u.readContent(part, s.newImageBuffer(r)); refused != nil {
				return u, refused
			}
		default:
			return u, refusal(http.StatusBadRequest, "The body must have one metadata part and one content part")
		}
	}
	if u.meta == nil || u.content == nil {
		return u, refusal(http.StatusBadRequest, "Parts metadata and content are required")
	}
	return u, nil
}

func (u *upload) readMetadata(part *multipart.Part) *reply {
	text, err := io.ReadAll(io.LimitReader(part, maxMetadata+1))
	var meta imageMetadata
	if err != nil || len(text) > maxMetadata || json.Unmarshal(text, &meta) != nil {
		return refusal(http.StatusBadRequest, "Part metadata is not a JSON object")
	}
	if meta.IDDocType == "" {
		return refusal(http.StatusBadRequest, "Field idDocType is required")
	}
	if len(meta.Country) != 3 || strings.Trim(meta.Country, upper) != "" {
		return refusal(http.StatusBadRequest, "Field country is not a country code of three capital letters")
	}
	u.meta = &meta
	return nil
}

func (u *upload) readContent(part *multipart.Part, into *imageBuffer) *reply {
	u.content = into
	// Part.FileName would cut a name at its last slash.
	_, disposition, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if u.fileName = disposition["filename"]; err != nil || u.fileName == "" {
		return refusal(http.StatusBadRequest, "Part content has no file name")
	}
	u.contentType = part.Header.Get("Content-Type")
	if _, _, err := mime.ParseMediaType(u.contentType); err != nil {
		return refusal(http.StatusBadRequest, "Part content has no Content-Type")
	}
	if _, err := io.Copy(into, part); err != nil {
		return refusal(http.StatusBadRequest, "Malformed multipart body")
	}
	return nil
}

// multipartBoundary returns the boundary of a multipart/form-data body.
func multipartBoundary(r *http.Request) (string, bool) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	boundary := params["boundary"]
	return boundary, err == nil && media == "multipart/form-data" && isBoundary(boundary)
}

// isBoundary reports whether text is a boundary of RFC 2046. Package mime accepts an empty
// one too.
func isBoundary(text string) bool {
	return text != "" && len(text) <= 70 && !strings.HasSuffix(text, " ") && strings.Trim(text, lower+upper+digit+"'()+_,./:=? -") == ""
}

// memoryBudget bounds the image bytes of a server, those of uploads under way
// included.
type memoryBudget struct {
	limit int64
	used  atomic.Int64
}

func (b *memoryBudget) reserve(n int64) bool {
	if b.used.Add(n) <= b.limit {
		return true
	}
	b.used.Add(-n)
	return false
}

// imageBuffer hashes an image and keeps its bytes while there is memory: in
// pieces, so that nothing is copied to grow.
type imageBuffer struct {
	budget       *memoryBudget
	pieces       [][]byte
	reserved     int64
	full         bool // no more bytes are kept
	size         int64
	sha1, sha256 hash.Hash
	start        []byte // decides the media type
}

func (s *Server) newImageBuffer(r *http.Request) *imageBuffer {
	return &imageBuffer{
		budget: &s.images,
		full:   r.ContentLength > MaxImageSize+maxMetadata, // it will be refused
		sha1:   newImageHash(),
		sha256: sha256.New(),
	}
}

// newImageHash returns SHA-1, as the length of the vendor's image hashes suggests. In FIPS
// 140-only mode, which has none, it returns SHA-256.
func newImageHash() (h hash.Hash) {
	defer func() {
		if recover() != nil {
			h = sha256.New()
		}
	}()
	h = sha1.New()
	h.Sum(nil)
	return h
}

// Write takes the next bytes.
func (b *imageBuffer) Write(p []byte) (int, error) {
	b.sha1.Write(p)
	b.sha256.Write(p)
	b.start = append(b.start, p[:min(len(p), 512-len(b.start))]...)
	if b.size += int64(len(p)); b.size > MaxImageSize {
		b.full = true
	}
	for rest := p; len(rest) > 0 && !b.full; {
		last := len(b.pieces) - 1
		if last < 0 || len(b.pieces[last]) == cap(b.pieces[last]) {
			if !b.grow() {
				break
			}
			last++
		}
		n := min(len(rest), cap(b.pieces[last])-len(b.pieces[last]))
		b.pieces[last] = append(b.pieces[last], rest[:n]...)
		rest = rest[n:]
	}
	if b.full {
		b.drop(b.budget)
	}
	return len(p), nil
}

// grow adds an empty piece.
func (b *imageBuffer) grow() bool {
	n := int64(laterPiece)
	if len(b.pieces) == 0 {
		n = firstPiece
	}
	if !b.budget.reserve(n) {
		b.full = true
		return false
	}
	b.reserved += n
	b.pieces = append(b.pieces, make([]byte, 0, n))
	return true
}

// drop frees the bytes and keeps size and hashes.
func (b *imageBuffer) drop(budget *memoryBudget) {
	budget.used.Add(-b.reserved)
	b.pieces, b.reserved = nil, 0
}

// take returns the bytes. It frees what is unused of the last piece.
func (b *imageBuffer) take(budget *memoryBudget) [][]byte {
	if b.full {
		return nil
	}
	last := len(b.pieces) - 1
	spare := int64(cap(b.pieces[last]) - len(b.pieces[last]))
	b.pieces[last] = bytes.Clone(b.pieces[last])
	budget.used.Add(-spare)
	b.reserved -= spare
	return b.pieces
}

// mediaType returns the media type that the bytes show, else the one that the upload has named.
func (b *imageBuffer) mediaType(said string) string {
	seen := http.DetectContentType(b.start)
	if fileKind(seen) != "" {
		return seen
	}
	return said
}

// resolution returns the size of an image. It is nil for other files, and for images that
// were not kept.
func (b *imageBuffer) resolution() *wireResolution {
	readers := make([]io.Reader, 0, len(b.pieces))
	for _, piece := range b.pieces {
		readers = append(readers, bytes.NewReader(piece))
	}
	return imageSize(bufio.NewReader(io.MultiReader(readers...)))
}

// fileKind returns what the vendor calls mimeType, such as "jpg". It is empty for a media
// type that the vendor does not accept.
func fileKind(mediaType string) string {
	return map[string]string{
		"image/jpeg": "jpg", "image/png": "png", "application/pdf": "pdf",
		"video/mp4": "mp4", "video/webm": "webm", "video/quicktime": "mov",
	}[mediaType]
}
