package idngo_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Benchmarks talk to a server in a process of its own, so that B/op and the
// profile are the client's alone. That process, and any other that a test needs
// to measure from outside, is this test binary with childEnv set.
const childEnv = "IDNGO_TEST_CHILD"

// children are what the test binary can be besides a test binary.
var children = map[string]func() error{
	"server": serveBench,
	"upload": uploadForRSS,
}

func TestMain(m *testing.M) {
	if name, ok := os.LookupEnv(childEnv); ok {
		run, known := children[name]
		if !known {
			fmt.Fprintf(os.Stderr, "%s: no child is called %q\n", childEnv, name)
			os.Exit(2)
		}
		if err := run(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is this test binary as one of children, unstarted. env are further
// variables of its environment.
func child(tb testing.TB, name string, env ...string) *exec.Cmd {
	tb.Helper()
	self, err := os.Executable()
	require.NoError(tb, err)
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), childEnv+"="+name), env...)
	cmd.Stderr = os.Stderr
	return cmd
}

// answers are canned JSON texts by request target, query included. One without
// a query answers every query; that of "" answers every other target.
type answers map[string]string

// startBenchServer starts a server on loopback, in a process of its own that
// ends with the test, and returns its base URL. Modes:
//
//	"sink"   reads what is sent and answers an image as AddImage expects it
//	"image"  answers image/jpeg of as many bytes as the last element of the path says
//	"json"   reads what is sent and answers the canned JSON for the target, else 404
func startBenchServer(tb testing.TB, mode string, canned ...answers) string {
	tb.Helper()
	config := benchConfig{Mode: mode, Answers: answers{}}
	for _, some := range canned {
		maps.Copy(config.Answers, some)
	}
	text, err := json.Marshal(config)
	require.NoError(tb, err)

	cmd := child(tb, "server")
	stdin, err := cmd.StdinPipe() // its end ends the server, also when this process is killed
	require.NoError(tb, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	tb.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	_, err = stdin.Write(append(text, '\n'))
	require.NoError(tb, err)
	base, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(tb, err, "the server of the benchmark did not start")
	return strings.TrimSpace(base)
}

type benchConfig struct {
	Mode    string
	Answers answers
}

// serveBench is the child: it reads its configuration from the first line of
// stdin, writes its base URL to stdout and serves until stdin ends.
func serveBench() error {
	stdin := bufio.NewReader(os.Stdin)
	line, err := stdin.ReadBytes('\n')
	if err != nil {
		return err
	}
	var config benchConfig
	if err := json.Unmarshal(line, &config); err != nil {
		return err
	}
	handler := map[string]http.HandlerFunc{"sink": benchSink, "image": benchImage, "json": benchJSON(config.Answers)}[config.Mode]
	if handler == nil {
		return fmt.Errorf("no mode is called %q", config.Mode)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		_ = server.Close()
	}()
	fmt.Println("http://" + listener.Addr().String())
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

const benchImageJSON = `{"id":"5e022e0f0a975a45325c7ff6","imageId":1411431805,"imageFileName":"face.jpg","mimeType":"jpg"}`

func benchSink(w http.ResponseWriter, r *http.Request) {
	if !drain(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, benchImageJSON)
}

// drain reads a body to its end, with large reads: the server must not be what
// a benchmark waits for.
func drain(w http.ResponseWriter, r *http.Request) bool {
	if r.ContentLength == 0 {
		return true
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, make([]byte, 256<<10))
	if err != nil || r.ContentLength >= 0 && n != r.ContentLength {
		http.Error(w, "the body did not come whole", http.StatusBadRequest)
		return false
	}
	return true
}

func benchImage(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.Atoi(path.Base(r.URL.Path))
	if err != nil || size < 0 {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
	w.Header().Set("Content-Length", strconv.Itoa(size))
	for piece := make([]byte, min(size, 256<<10)); size > 0; size -= len(piece) {
		piece = piece[:min(size, len(piece))]
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

func benchJSON(canned answers) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !drain(w, r) {
			return
		}
		body, ok := canned[r.RequestURI]
		if !ok {
			body, ok = canned[r.URL.EscapedPath()]
		}
		if !ok {
			body, ok = canned[""]
		}
		if !ok {
			http.NotFound(w, r)
			return
		}
		// No Content-Length: beyond 2 KiB net/http sends it in chunks, as a server
		// that compresses would.
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
}
