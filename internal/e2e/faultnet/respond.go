package faultnet

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// The answers of Answer: an action, an applicant, and the content of an image.
const (
	ApplicantJSON = `{"id":"app-1","externalUserId":"user-1","review":{"reviewStatus":"completed","reviewResult":{"reviewAnswer":"GREEN"}}}`
	ActionJSON    = `{"id":"5e02f6b1","applicantId":"app-1","externalActionId":"ext-1","review":{"reviewStatus":"init","levelName":"lvl"}}`
	ImageContent  = "\x89PNG\r\n\x1a\n not really an image"
)

// Answer answers each call of the API with a success.
func Answer(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == http.MethodGet && strings.Contains(path, "/images/"):
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, ImageContent)
	case strings.HasSuffix(path, "/images"):
		_, _ = io.WriteString(w, `{"id":"img-1","imageId":4711,"addedDate":"2026-01-02 03:04:05"}`)
	case strings.HasSuffix(path, "/websdkLink"):
		_, _ = io.WriteString(w, `{"url":"https://in.test/websdk/p/Zm9v"}`)
	case strings.HasSuffix(path, "/accessTokens"):
		_, _ = io.WriteString(w, `{"token":"_act-sbx-5f3c","userId":"user-1"}`)
	case strings.HasPrefix(path, "/resources/applicants/"):
		_, _ = io.WriteString(w, ApplicantJSON)
	case strings.Contains(path, "-;applicantId="):
		_, _ = io.WriteString(w, `{"list":{"items":[`+ActionJSON+`],"totalItems":1}}`)
	default:
		_, _ = io.WriteString(w, ActionJSON)
	}
}

// Refuse answers with the vendor's error body.
func Refuse(w http.ResponseWriter, status, code int, description string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"description":%q,"code":%d,"correlationId":"req-0815","errorCode":%d}`, description, status, code)
}

// CutConnection closes the connection of a request without an answer.
func CutConnection(w http.ResponseWriter) { WriteRaw(w, "") }

// WriteRaw writes an answer without net/http and closes the connection.
func WriteRaw(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(conn, text)
	_ = conn.Close()
}

// ImageJSON is an answer to AddImage.
const ImageJSON = `{"id":"5e022e0f0a975a45325c7ff6","imageId":1411431805,"imageFileName":"face.jpg","mimeType":"jpg"}`

// FailFirstDial fails the first dial with err.
func FailFirstDial(err error) func(*Network) {
	return func(n *Network) {
		n.OnDial = func(_ context.Context, number int) error {
			if number == 1 {
				return err
			}
			return nil
		}
	}
}

// OnFirstRequest answers the first request with f.
func OnFirstRequest(f func(w http.ResponseWriter, r *http.Request)) func(*Network) {
	return func(n *Network) {
		n.OnRequest = func(number int, w http.ResponseWriter, r *http.Request) bool {
			if number == 1 {
				f(w, r)
			}
			return number == 1
		}
	}
}

// RespondRaw answers the first request without net/http and closes the connection.
func RespondRaw(text string) func(*Network) {
	return OnFirstRequest(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		WriteRaw(w, text)
	})
}

// RespondStatus answers the first request with an error. The headers are pairs of a
// name and a value.
func RespondStatus(code int, headers ...string) func(*Network) {
	return RespondCode(code, 0, headers...)
}

// RespondCode answers the first request with an error that has one of the vendor's codes. A header
// with an empty value is left out.
func RespondCode(status, code int, headers ...string) func(*Network) {
	return OnFirstRequest(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i < len(headers); i += 2 {
			if headers[i+1] == "" {
				w.Header()[headers[i]] = nil
			} else {
				w.Header().Set(headers[i], headers[i+1])
			}
		}
		Refuse(w, status, code, "no")
	})
}

// RespondBody answers the first request with 200 and a text.
func RespondBody(text string) func(*Network) {
	return OnFirstRequest(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, text)
	})
}

// NeverAnswer reads a request and waits until the client has gone.
func NeverAnswer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// OnFirstConn passes the server's side of the first connection to f.
func OnFirstConn(f func(n *Network, conn net.Conn)) func(*Network) {
	return func(n *Network) {
		n.OnConn = func(number int, conn net.Conn) bool {
			if number == 1 {
				go func() {
					defer conn.Close()
					f(n, conn)
				}()
			}
			return number == 1
		}
	}
}

// ReadHello reads the first message of a TLS handshake.
func ReadHello(_ *Network, conn net.Conn) { _, _ = conn.Read(make([]byte, 64<<10)) }

// ReadBeginning reads the beginning of a request and nothing more.
func ReadBeginning(n *Network, conn net.Conn) {
	_, _ = conn.Read(make([]byte, 64))
	<-n.Down
}

// ReadAll reads everything that the client sends and does not answer.
func ReadAll(_ *Network, conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// PresentCertificate makes the server of the first connection present a
// certificate.
func PresentCertificate(pick func(Certificates) tls.Certificate) func(*Network) {
	return func(n *Network) {
		cert := pick(MakeCertificates(n.T))
		OnFirstConn(func(n *Network, conn net.Conn) {
			eager := &eagerConn{Conn: conn, queue: make(chan []byte, 16)}
			go eager.pump()
			defer close(eager.queue)
			_ = tls.Server(eager, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}).Handshake()
		})(n)
	}
}

// eagerConn writes without waiting for a reader. Without it, a server that still writes and a
// client that no longer reads would wait for one another.
type eagerConn struct {
	net.Conn
	queue chan []byte
}

func (c *eagerConn) Write(p []byte) (int, error) {
	c.queue <- bytes.Clone(p)
	return len(p), nil
}

func (c *eagerConn) pump() {
	for p := range c.queue {
		_, _ = c.Conn.Write(p)
	}
}

// AnswerAll answers every request with f.
func AnswerAll(f func(w http.ResponseWriter, r *http.Request)) func(int, http.ResponseWriter, *http.Request) bool {
	return func(_ int, w http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		f(w, r)
		return true
	}
}

// AnswerInTurn answers the requests one after the other. If an answer is nil, or if there are no
// more answers, Answer answers the request.
func AnswerInTurn(answers ...func(w http.ResponseWriter)) func(int, http.ResponseWriter, *http.Request) bool {
	return func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > len(answers) || answers[n-1] == nil {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		answers[n-1](w)
		return true
	}
}

// Refusal returns a function that refuses with the vendor's error body. The headers are pairs of a
// name and a value.
func Refusal(status, code int, headers ...string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		Refuse(w, status, code, "no")
	}
}

// WriteText returns a function that writes a text.
func WriteText(s string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) { _, _ = io.WriteString(w, s) }
}
