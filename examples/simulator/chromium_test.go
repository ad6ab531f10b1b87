package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// These functions control a browser: Chromium without a window, through its DevTools protocol over
// a WebSocket.

// findChromium returns the path of a browser. It skips the test if there is none. If $CHROMIUM
// names a browser, that must exist.
func findChromium(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("CHROMIUM"); path != "" {
		found, err := exec.LookPath(path)
		require.NoError(t, err, "CHROMIUM")
		return found
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no browser here: install Debian's chromium, or set CHROMIUM to the path of a Chrome")
	return ""
}

// browser is the browser that all tests share.
var browser struct {
	start    sync.Once
	devTools *url.URL
	problem  error
	stop     func()
}

// startChromium starts the browser, unless another test has started it, and returns the address of
// its DevTools. TestMain ends it.
func startChromium(t *testing.T) (devTools *url.URL) {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes its time")
	}
	path := findChromium(t)
	browser.start.Do(func() { browser.devTools, browser.problem = runChromium(path) })
	require.NoError(t, browser.problem)
	return browser.devTools
}

// stopChromium ends the browser, if there is one.
func stopChromium() {
	if browser.stop != nil {
		browser.stop()
	}
}

// runChromium starts a browser.
func runChromium(path string) (*url.URL, error) {
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path,
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-extensions", "--no-proxy-server",
		"--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
		"--force-color-profile=srgb", "--user-data-dir="+profile, "--remote-debugging-port=0", "about:blank")
	cmd.WaitDelay = 5 * time.Second
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	endpoint, ended := make(chan string, 1), make(chan struct{})
	var said bytes.Buffer
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() { // it reads to the end, so that the browser never blocks
			if _, at, ok := strings.Cut(lines.Text(), "DevTools listening on "); ok {
				endpoint <- at
			}
			if said.Len() < 4096 {
				fmt.Fprintln(&said, lines.Text())
			}
		}
	}()
	browser.stop = func() {
		cancel()
		<-ended
		_ = cmd.Wait() // it was killed
		// The children of the browser end a moment later and may still write.
		for try := 0; try < 100 && os.RemoveAll(profile) != nil; try++ {
			time.Sleep(50 * time.Millisecond)
		}
	}
	select {
	case at := <-endpoint:
		return url.Parse(at)
	case <-ended:
		return nil, fmt.Errorf("the browser ended: %s", &said)
	case <-time.After(time.Minute):
		return nil, errors.New("the browser does not answer")
	}
}

// tab is one page of the browser.
type tab struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader

	mu       sync.Mutex
	lastID   int
	answers  map[int]chan message
	problems []string      // errors in the console, with policy violations and uncaught exceptions
	ended    chan struct{} // closed when the connection has ended
}

type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// newTab opens a page of the given size. A phone has touch and small pixels.
func newTab(t *testing.T, devTools *url.URL, width, height int, phone bool) *tab {
	t.Helper()
	request, err := http.NewRequest(http.MethodPut, "http://"+devTools.Host+"/json/new?about:blank", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var target struct{ ID, WebSocketDebuggerURL string }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&target))
	u, err := url.Parse(target.WebSocketDebuggerURL)
	require.NoError(t, err)

	b := &tab{t: t, answers: map[int]chan message{}, ended: make(chan struct{})}
	b.dial(u)
	go b.read()
	t.Cleanup(func() {
		_ = b.conn.Close()
		<-b.ended
		response, err := http.Get("http://" + devTools.Host + "/json/close/" + target.ID) // the tests share the browser
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	})
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	scale := 1
	if phone {
		scale = 2
	}
	b.call("Emulation.setDeviceMetricsOverride",
		map[string]any{"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone}, nil)
	b.call("Emulation.setTouchEmulationEnabled", map[string]any{"enabled": phone}, nil)
	b.call("Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true}, nil) // every tab has a keyboard of its own
	return b
}

// dial opens the WebSocket, which is an upgraded HTTP request (RFC 6455).
func (b *tab) dial(u *url.URL) {
	conn, err := net.DialTimeout("tcp", u.Host, 10*time.Second)
	require.NoError(b.t, err)
	key := make([]byte, 16)
	rand.Read(key)
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", u.RequestURI(), u.Host, base64.StdEncoding.EncodeToString(key))
	require.NoError(b.t, err)
	b.conn, b.in = conn, bufio.NewReader(conn)
	response, err := http.ReadResponse(b.in, nil)
	require.NoError(b.t, err)
	require.NoError(b.t, response.Body.Close()) // there is no body
	require.Equal(b.t, http.StatusSwitchingProtocols, response.StatusCode)
}

// send writes a text frame. A client must mask its frames. A mask of zeros changes nothing.
func (b *tab) send(payload []byte) error {
	frame := []byte{0x81}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, 0x80|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	frame = append(frame, 0, 0, 0, 0)
	_, err := b.conn.Write(append(frame, payload...))
	return err
}

// receive reads a message, which has one frame or more. It answers no pings, which the test does
// not need.
func (b *tab) receive() ([]byte, error) {
	var payload []byte
	for {
		var head [2]byte
		if _, err := io.ReadFull(b.in, head[:]); err != nil {
			return nil, err
		}
		n := uint64(head[1] & 0x7f)
		if extra := map[uint64]int{126: 2, 127: 8}[n]; extra > 0 {
			var long [8]byte
			if _, err := io.ReadFull(b.in, long[8-extra:]); err != nil {
				return nil, err
			}
			n = binary.BigEndian.Uint64(long[:])
		}
		part := make([]byte, n)
		if _, err := io.ReadFull(b.in, part); err != nil {
			return nil, err
		}
		switch opcode := head[0] & 0x0f; opcode {
		case 0, 1, 2:
			payload = append(payload, part...)
			if head[0]&0x80 != 0 {
				return payload, nil
			}
		case 8:
			return nil, io.EOF
		}
	}
}

// read passes on answers and stores problems until the connection ends.
func (b *tab) read() {
	defer close(b.ended)
	for {
		payload, err := b.receive()
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(payload, &m) != nil {
			continue
		}
		b.mu.Lock()
		if answer := b.answers[m.ID]; m.ID != 0 && answer != nil {
			answer <- m
			delete(b.answers, m.ID)
		}
		if isProblem(m) {
			b.problems = append(b.problems, string(m.Params))
		}
		b.mu.Unlock()
	}
}

var loud = regexp.MustCompile(`"(level|type)":"(error|warning|assert)"`)

// isProblem reports whether the browser announces an exception, a warning or an error.
func isProblem(m message) bool {
	switch m.Method {
	case "Runtime.exceptionThrown":
		return true
	case "Log.entryAdded", "Runtime.consoleAPICalled":
		return loud.Match(m.Params)
	}
	return false
}

// call calls a method of the protocol.
func (b *tab) call(method string, params any, result any) {
	b.t.Helper()
	require.NoError(b.t, b.try(method, params, result))
}

// try is call, but returns errors.
func (b *tab) try(method string, params any, result any) error {
	b.t.Helper()
	if params == nil {
		params = struct{}{}
	}
	b.mu.Lock()
	b.lastID++
	id, answer := b.lastID, make(chan message, 1)
	b.answers[id] = answer
	b.mu.Unlock()
	payload, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	require.NoError(b.t, err)
	require.NoError(b.t, b.send(payload))
	select {
	case m := <-answer:
		if m.Error != nil {
			return fmt.Errorf("%s: %s", method, m.Error)
		}
		if result != nil {
			require.NoError(b.t, json.Unmarshal(m.Result, result))
		}
	case <-b.ended:
		require.FailNow(b.t, "the browser has closed the connection", method)
	case <-time.After(time.Minute):
		require.FailNow(b.t, "no answer", method)
	}
	return nil
}

// open opens an address and waits until the condition ready is true there.
func (b *tab) open(address, ready string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": address}, nil)
	b.until(ready)
}

// eval evaluates JavaScript and returns the value as text. The policy of the page does not apply to
// it.
func (b *tab) eval(script string) string {
	b.t.Helper()
	value, err := b.tryEval(script)
	require.NoError(b.t, err)
	return value
}

// tryEval evaluates JavaScript and returns the value as text, or the exception as an error.
func (b *tab) tryEval(script string) (string, error) {
	b.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	err := b.try("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true}, &r)
	if err == nil && r.ExceptionDetails != nil {
		err = fmt.Errorf("%s: %s", script, r.ExceptionDetails)
	}
	return fmt.Sprint(r.Result.Value), err
}

// until waits until a JavaScript expression is true. It ignores exceptions, which occur while a
// page loads.
func (b *tab) until(script string) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if value, err := b.tryEval("Boolean(" + script + ")"); err == nil && value == "true" {
			return
		}
	}
	require.FailNow(b.t, "never true", "%s\n%s", script, b.eval("document.body.innerText"))
}

// press presses keys, one after the other, as a person without a mouse does.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	codes := map[string]int{"Tab": 9, "Enter": 13, " ": 32, "ArrowUp": 38, "ArrowDown": 40}
	for _, key := range keys {
		params := map[string]any{"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
		switch {
		case key == "Enter":
			params["text"] = "\r"
		case key == " ":
			params["text"], params["code"] = " ", "Space"
		case codes[key] == 0: // a letter
			params["text"], params["code"], params["windowsVirtualKeyCode"] = key, "Key"+strings.ToUpper(key), int(strings.ToUpper(key)[0])
		}
		b.call("Input.dispatchKeyEvent", params, nil)
		params["type"] = "keyUp"
		delete(params, "text")
		b.call("Input.dispatchKeyEvent", params, nil)
	}
}

// tabTo presses Tab until the element that a selector names has the focus.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	for range 40 {
		b.press("Tab")
		if b.eval(fmt.Sprintf("document.activeElement.matches(%q)", selector)) == "true" {
			return
		}
	}
	require.FailNow(b.t, "Tab does not lead there", selector)
}

// screenshot returns a picture of the whole page as PNG.
func (b *tab) screenshot() []byte {
	b.t.Helper()
	var r struct{ Data []byte }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &r)
	return r.Data
}

// seenProblems returns the errors and warnings of the console so far.
func (b *tab) seenProblems() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.problems
}
