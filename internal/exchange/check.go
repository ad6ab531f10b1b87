package exchange

import (
	"net"
	"net/url"
	"strings"
)

// CheckBaseURL checks a base URL and takes the slashes off its end. problem
// says what is wrong with it, and is empty if nothing is. It never shows the
// URL, which may hold a password. insecure allows http for any host, not only
// for loopback.
func CheckBaseURL(text string, insecure bool) (base, problem string) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", "is not a URL"
	case u.Scheme != "https" && u.Scheme != "http":
		return "", "is neither https nor http"
	case u.Host == "" || u.Hostname() == "":
		return "", "has no host"
	case u.User != nil:
		return "", "has user info in it"
	case u.RawQuery != "" || u.ForceQuery:
		return "", "has a query"
	case u.Fragment != "" || strings.Contains(text, "#"):
		return "", "has a fragment"
	case u.Scheme == "http" && !insecure && !loopback(u.Hostname()):
		return "", "is http: off loopback it must be https"
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return "", "has a dot segment"
		}
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), ""
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
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
