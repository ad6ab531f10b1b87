package exchange

import (
	"encoding/json"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
)

// CheckBaseURL checks a base URL and takes the slashes off its end. problem says what is wrong with
// it, and is empty if nothing is. It never shows the URL, which may hold a password. insecure
// allows http for any host, not only for loopback.
func CheckBaseURL(text string, insecure bool) (base, problem string) {
	parsed, err := url.Parse(text)
	switch {
	case err != nil:
		return "", "is not a URL"
	case parsed.Scheme != "https" && parsed.Scheme != "http":
		return "", "is neither https nor http"
	case parsed.Host == "" || parsed.Hostname() == "":
		return "", "has no host"
	case parsed.User != nil:
		return "", "has user info in it"
	case parsed.RawQuery != "" || parsed.ForceQuery:
		return "", "has a query"
	case parsed.Fragment != "" || strings.Contains(text, "#"):
		return "", "has a fragment"
	case parsed.Scheme == "http" && !insecure && !loopback(parsed.Hostname()):
		return "", "is http: off loopback it must be https"
	}
	for segment := range strings.SplitSeq(parsed.Path, "/") {
		if segment == "." || segment == ".." {
			return "", "has a dot segment"
		}
	}
	return parsed.Scheme + "://" + parsed.Host + strings.TrimRight(parsed.EscapedPath(), "/"), ""
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// CheckPath checks an escaped path below the base URL, and returns what is wrong with it, "" if
// nothing is.
func CheckPath(path string) (problem string) {
	if !strings.HasPrefix(path, "/") {
		return "does not begin with a slash"
	}
	if strings.ContainsAny(path, "?#") {
		return "has a query or a fragment in it"
	}
	// net/url ignores RawPath unless it is a complete encoding of Path. It would then send %2F as a
	// slash.
	if plain, err := url.PathUnescape(path); err != nil || (&url.URL{Path: plain, RawPath: path}).EscapedPath() != path {
		return "is not escaped as a URL path is"
	}
	for segment := range strings.SplitSeq(path, "/") {
		if text, _ := url.PathUnescape(segment); text == "." || text == ".." {
			return "has a dot segment"
		}
	}
	return ""
}

// CheckMethod returns what is wrong with a method, "" if nothing is.
func CheckMethod(method string) (problem string) {
	if !ValidToken(method) {
		return "is not an HTTP method"
	}
	return ""
}

// EncodeBody returns the bytes of a body and what is wrong with it, "" if nothing is. body is nil,
// a []byte that is sent as it is, or a value for encoding/json. A nil pointer, map or slice is no
// body.
func EncodeBody(body any) (encoded []byte, problem string) {
	switch v := reflect.ValueOf(body); v.Kind() {
	case reflect.Invalid:
		return nil, ""
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if v.IsNil() {
			return nil, ""
		}
	}
	switch body := body.(type) {
	case []byte:
		return body, ""
	case io.Reader:
		return nil, "is a reader: pass its bytes"
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, "cannot be encoded as JSON"
	}
	return encoded, ""
}

// CheckOut returns what is wrong with a value to decode into, "" if nothing is.
func CheckOut(out any) (problem string) {
	if v := reflect.ValueOf(out); out != nil && (v.Kind() != reflect.Pointer || v.IsNil()) {
		return "is neither nil nor a pointer to decode into"
	}
	return ""
}

// CheckHeader returns the name of a header as it is sent, and what is wrong with a header of the
// caller, "" if nothing is.
func CheckHeader(key, value string) (name, problem string) {
	name = http.CanonicalHeaderKey(key)
	switch name {
	case HeaderToken, HeaderStamp, HeaderSignature, "Host", "Content-Length", "Transfer-Encoding", "Trailer":
		return name, "is one that the client sets itself"
	case "Accept-Encoding":
		if value != "identity" {
			return name, "is Accept-Encoding, which net/http sets and decodes itself"
		}
	case "Idempotency-Key", "X-Idempotency-Key":
		name = strings.ToLower(name) // net/http would resend a POST that has the other spelling
	}
	if !ValidToken(key) || !ValidHeaderValue(value) {
		return name, "has a character that HTTP does not allow"
	}
	return name, ""
}

// IsHTML reports whether an answer is a web page.
func IsHTML(header http.Header) bool {
	mediaType, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return mediaType == "text/html" || mediaType == "application/xhtml+xml"
}

// ValidToken reports whether s is a token of RFC 9110: a method, a header name.
func ValidToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// ValidHeaderValue reports whether s can be the value of a header.
func ValidHeaderValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// EncodeQuery encodes a query. Each name is followed by its value. An empty value is left out.
func EncodeQuery(pairs ...string) string {
	query := make([]byte, 0, 256)
	for i := 0; i < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		if value == "" {
			continue
		}
		if len(query) > 0 {
			query = append(query, '&')
		}
		query = append(append(query, name...), '=')
		query = append(query, EscapeSpaces(url.QueryEscape(value))...)
	}
	return string(query)
}

// EscapeSpaces writes a space of an encoded query as %20, which every server reads as a space. A
// plus sign itself is %2B there.
func EscapeSpaces(encoded string) string { return strings.ReplaceAll(encoded, "+", "%20") }
