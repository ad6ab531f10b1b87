package simulator

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
)

// reply is an answer before it is written, so that a fault can change it.
type reply struct {
	status int
	header http.Header
	body   [][]byte // in pieces, as images are kept
	text   string   // the text of a refusal
}

// errorBody is the vendor's error.
type errorBody struct {
	Description   string `json:"description"`
	Code          int    `json:"code"`
	CorrelationID string `json:"correlationId"`
	ErrorCode     int    `json:"errorCode,omitempty"`
	ErrorName     string `json:"errorName,omitempty"`
}

// answer returns a 200 with v as JSON, or without a body if v is nil.
func answer(v any) *reply {
	return jsonReply(http.StatusOK, v)
}

// refusal returns an error without an error code.
func refusal(status int, description string) *reply {
	return jsonReply(status, errorBody{Description: description, Code: status, CorrelationID: newCorrelationID()}).saying(description)
}

// codedRefusal returns an error of the vendor's table.
func codedRefusal(status, code int, name, description string) *reply {
	return jsonReply(status, errorBody{description, status, newCorrelationID(), code, name}).saying(description)
}

func unauthorized(code int, name, description string) *reply {
	return codedRefusal(http.StatusUnauthorized, code, name, description)
}

func jsonReply(status int, v any) *reply {
	p := &reply{status: status, header: http.Header{}}
	if v == nil {
		return p
	}
	p.header.Set("Content-Type", "application/json")
	p.body = [][]byte{encodeJSON(v)}
	return p
}

func (p *reply) saying(text string) *reply {
	p.text = text
	return p
}

// with sets a header.
func (p *reply) with(name, value string) *reply {
	p.header.Set(name, value)
	return p
}

func (p *reply) size() int64 {
	var n int64
	for _, piece := range p.body {
		n += int64(len(piece))
	}
	return n
}

// head writes everything before the body.
func (p *reply) head(w http.ResponseWriter, size int64) {
	maps.Copy(w.Header(), p.header)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if size >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	}
	w.WriteHeader(p.status)
}

// writeTo sends the whole reply. It ignores errors: the client is gone.
func (p *reply) writeTo(w http.ResponseWriter) {
	p.head(w, p.size())
	for _, piece := range p.body {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

// encodeJSON returns compact JSON with raw UTF-8, as the vendor sends it.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("simulator: " + err.Error()) // the values have types of this package, all of which encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
