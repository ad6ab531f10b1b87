package simulator

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// FaultKind is a way in which a request goes wrong on purpose.
type FaultKind string

// All kinds. "Before the effect" means that the request was read and its signature checked, but
// nothing was done. "After the effect" means that the call was carried out and only the answer has
// a fault. A request with a wrong signature gets its 401 and no fault, except one before the body
// is read.
const (
	FaultNone FaultKind = ""

	FaultStatus      FaultKind = "status"       // an error status before the effect
	FaultStatusAfter FaultKind = "status-after" // the same after the effect
	FaultEarlyStatus FaultKind = "status-early" // the same before the body was read, signature unchecked

	FaultReset      FaultKind = "reset"       // the connection is reset before the effect
	FaultResetAfter FaultKind = "reset-after" // the same after the effect
	FaultResetEarly FaultKind = "reset-early" // the same before the body was read, signature unchecked

	FaultHTML FaultKind = "html" // an error page of a gateway before the effect; 502 unless Status says else

	// The other kinds come after the effect, with the status of the answer.
	FaultSlowHeaders     FaultKind = "slow-headers"     // nothing for Delay
	FaultSlowBody        FaultKind = "slow-body"        // the body in eight pieces over Delay
	FaultTruncate        FaultKind = "truncate"         // half the body of what Content-Length says
	FaultTruncateChunked FaultKind = "truncate-chunked" // a chunked body that is cut off
	FaultWrongDate       FaultKind = "wrong-date"       // Date is off by Delay
	FaultGarbage         FaultKind = "garbage"          // 200 and something that is not JSON
	FaultEndless         FaultKind = "endless"          // 200 and a body that goes on until the client leaves
)

var faultKinds = []FaultKind{
	FaultNone, FaultStatus, FaultStatusAfter, FaultEarlyStatus, FaultReset, FaultResetAfter, FaultResetEarly, FaultHTML,
	FaultSlowHeaders, FaultSlowBody, FaultTruncate, FaultTruncateChunked, FaultWrongDate, FaultGarbage, FaultEndless,
}

// Fault is what is done to one request.
type Fault struct {
	Kind FaultKind

	// Operation is the call that the fault is for, such as "AddImage". "" means any call.
	Operation string

	Status     int    // the status of a status kind or FaultHTML, 300 to 599; default 503, for FaultHTML 502
	RetryAfter string // the header's value for a status kind or FaultHTML; "" is no header

	// Delay is the delay of the slow kinds (default 1 s), and the error of the date of
	// FaultWrongDate, in both directions (default 1 h). Any other kind waits for it before the
	// fault.
	Delay time.Duration
}

// Chance is a fault that happens by chance. The probabilities of all chances
// for one operation add up to at most 1, since a request has one fault.
type Chance struct {
	Fault
	Probability float64
}

// Count is a fault of the next N requests that it is for.
type Count struct {
	Fault
	N int
}

// Faults are what goes wrong: first the script, then counts, then chances.
type Faults struct {
	Seed       uint64   // the same seed and the same order of requests give the same faults
	Operations []string // the calls that have faults; empty: all
	Chances    []Chance
	Counts     []Count // each counts down by itself; the first that suits a request strikes

	// Script has the faults of the next requests, one after the other. An entry with an operation
	// waits for it. FaultNone means no fault for a request.
	Script []Fault
}

// SetFaults replaces the faults; nil means none. It forgets the rest of a script.
func (s *Server) SetFaults(f *Faults) error {
	if f == nil {
		f = &Faults{}
	}
	script, counts, chances := slices.Clone(f.Script), slices.Clone(f.Counts), slices.Clone(f.Chances)
	for i := range script {
		if err := script[i].complete(); err != nil {
			return fmt.Errorf("simulator: Script[%d]: %w", i, err)
		}
	}
	for i := range counts {
		if err := counts[i].complete(); err != nil {
			return fmt.Errorf("simulator: Counts[%d]: %w", i, err)
		}
		if counts[i].N < 1 {
			return fmt.Errorf("simulator: Counts[%d]: the number of requests must be 1 or more, not %d", i, counts[i].N)
		}
	}
	byOperation := map[string]float64{}
	for i := range chances {
		c := &chances[i]
		if err := c.complete(); err != nil {
			return fmt.Errorf("simulator: Chances[%d]: %w", i, err)
		}
		if !(c.Probability >= 0 && c.Probability <= 1) {
			return fmt.Errorf("simulator: Chances[%d]: the probability must be from 0 to 1, not %v", i, c.Probability)
		}
		byOperation[c.Operation] += c.Probability
	}
	for operation, own := range byOperation {
		if operation != "" {
			own += byOperation[""]
		}
		if own > 1+1e-9 {
			return fmt.Errorf("simulator: Chances: %v add up to more than 1", own)
		}
	}
	for _, operation := range f.Operations {
		if !knownOperation(operation) {
			return fmt.Errorf("simulator: Operations: %q must be one of %s", operation, operationNames())
		}
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.seed, s.faults.script, s.faults.counts, s.faults.chances = f.Seed, script, counts, chances
	s.faults.operations = slices.Clone(f.Operations)
	s.faults.random = rand.New(rand.NewPCG(f.Seed, 0x1d900))
	s.journal.settingsChanged()
	return nil
}

// Faults returns the counts and chances that are left, as [ParseFaults] reads them. A
// script is not among them.
func (s *Server) Faults() string {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	var items []string
	for _, c := range s.faults.counts {
		items = append(items, fmt.Sprintf("%v#%d", c.Fault, c.N))
	}
	for _, c := range s.faults.chances {
		items = append(items, fmt.Sprintf("%v=%v", c.Fault, c.Probability))
	}
	if s.faults.seed != 0 {
		items = append(items, fmt.Sprintf("seed=%d", s.faults.seed))
	}
	return strings.Join(items, ",")
}

// complete checks a Fault and fills in the defaults.
func (f *Fault) complete() error {
	if !slices.Contains(faultKinds, f.Kind) {
		return fmt.Errorf("kind %q must be a status such as 503, 503-after or 503-early, or one of %s", f.Kind, faultNames())
	}
	if f.Operation != "" && !knownOperation(f.Operation) {
		return fmt.Errorf("operation %q must be one of %s", f.Operation, operationNames())
	}
	if f.Delay < 0 && f.Kind != FaultWrongDate {
		return fmt.Errorf("delay %v is negative", f.Delay)
	}
	switch f.Kind {
	case FaultStatus, FaultStatusAfter, FaultEarlyStatus, FaultHTML:
		if f.Status == 0 {
			f.Status = http.StatusServiceUnavailable
			if f.Kind == FaultHTML {
				f.Status = http.StatusBadGateway
			}
		}
		if f.Status < 300 || f.Status > 599 {
			return fmt.Errorf("status %d must be from 300 to 599", f.Status)
		}
	case FaultSlowHeaders, FaultSlowBody:
		if f.Delay == 0 {
			f.Delay = time.Second
		}
	case FaultWrongDate:
		if f.Delay == 0 {
			f.Delay = time.Hour
		}
	}
	return nil
}

// early reports whether the fault comes before the body is read.
func (f Fault) early() bool { return f.Kind == FaultEarlyStatus || f.Kind == FaultResetEarly }

// beforeEffect reports whether the fault comes instead of the effect of the call.
func (f Fault) beforeEffect() bool {
	return f.Kind == FaultStatus || f.Kind == FaultReset || f.Kind == FaultHTML
}

// reply returns the answer of a status fault.
func (f Fault) reply() *reply {
	p := refusal(f.Status, "Injected fault: "+http.StatusText(f.Status))
	if f.Kind == FaultHTML {
		p.body = [][]byte{fmt.Appendf(nil, "<html>\r\n<head><title>%d %[2]s</title></head>\r\n<body>\r\n"+
			"<center><h1>%[1]d %[2]s</h1></center>\r\n<hr><center>gateway</center>\r\n</body>\r\n</html>\r\n",
			f.Status, http.StatusText(f.Status))}
		p.with("Content-Type", "text/html")
	}
	if f.RetryAfter != "" {
		p.with("Retry-After", f.RetryAfter)
	}
	return p
}

func knownOperation(name string) bool {
	return name == unknownRoute.operation ||
		slices.ContainsFunc(routes, func(rt route) bool { return rt.operation == name })
}

// operationNames returns the names of all calls, for an error.
func operationNames() string {
	names := make([]string, 0, len(routes)+1)
	for _, rt := range routes {
		names = append(names, rt.operation)
	}
	return strings.Join(append(names, unknownRoute.operation), ", ")
}

// faultNames returns the kinds without a status, for an error.
func faultNames() string {
	var names []string
	for _, kind := range faultKinds {
		if kind != FaultNone && kind != FaultStatus && kind != FaultStatusAfter && kind != FaultEarlyStatus {
			names = append(names, string(kind))
		}
	}
	return strings.Join(names, ", ")
}

// faultSource chooses the fault of the next request.
type faultSource struct {
	mu         sync.Mutex
	random     *rand.Rand
	seed       uint64
	operations []string
	script     []Fault
	counts     []Count
	chances    []Chance
}

func (f *faultSource) draw(operation string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.operations) > 0 && !slices.Contains(f.operations, operation) {
		return Fault{}
	}
	if len(f.script) > 0 && f.script[0].suits(operation) {
		fault := f.script[0]
		f.script = f.script[1:]
		return fault
	}
	for i := range f.counts {
		count := &f.counts[i]
		if !count.suits(operation) {
			continue
		}
		fault := count.Fault
		if count.N--; count.N == 0 {
			f.counts = slices.Delete(f.counts, i, i+1)
		}
		return fault
	}
	if len(f.chances) == 0 {
		return Fault{}
	}
	luck := f.random.Float64()
	for _, c := range f.chances {
		if !c.suits(operation) {
			continue
		}
		if luck < c.Probability {
			return c.Fault
		}
		luck -= c.Probability
	}
	return Fault{}
}

func (f Fault) suits(operation string) bool { return f.Operation == "" || f.Operation == operation }

// exchange is the answering side of one request.
type exchange struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request
	record Request
	booked bool
	abort  bool // the connection has to be broken by a panic
}

// book counts the request, once. It is called before the answer is sent, so that a client
// with an answer finds its request counted.
func (x *exchange) book(status int) {
	if !x.booked {
		x.booked, x.record.Status = true, status
		x.server.finish(x.record)
	}
}

// head begins an answer. A size of -1 means that its length is unknown.
func (x *exchange) head(p *reply, size int64) {
	x.book(p.status)
	p.head(x.w, size)
}

func (x *exchange) write(p *reply) {
	x.book(p.status)
	p.writeTo(x.w)
}

// inject answers a request with a fault. The reply is the answer without the fault. It is
// nil for faults that come before the effect.
func (x *exchange) inject(f Fault, p *reply) {
	if f.Kind != FaultSlowBody && f.Kind != FaultWrongDate && !x.wait(f.Delay) {
		return
	}
	switch f.Kind {
	case FaultStatus, FaultStatusAfter, FaultEarlyStatus, FaultHTML:
		x.write(f.reply())
	case FaultReset, FaultResetAfter, FaultResetEarly:
		x.reset()
	case FaultSlowBody:
		x.writeSlowly(p, f.Delay)
	case FaultTruncate:
		x.truncate(p, false)
	case FaultTruncateChunked:
		x.truncate(p, true)
	case FaultWrongDate:
		x.w.Header().Set("Date", x.server.now().Add(f.Delay).Format(http.TimeFormat))
		x.write(p)
	case FaultGarbage:
		garbage := jsonReply(http.StatusOK, nil).with("Content-Type", "application/json")
		garbage.body = [][]byte{[]byte("\x1f\x8b{\"id\": \"5e02\xff\xfe, upstream sent nonsense")}
		x.write(garbage)
	case FaultEndless:
		x.writeEndlessly()
	default: // FaultSlowHeaders has waited
		x.write(p)
	}
}

// wait waits, and reports false if the client or the simulator is gone. Then the
// connection must be broken: a handler that returns has answered 200.
func (x *exchange) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.r.Context().Done():
	case <-x.server.ctx.Done():
	}
	x.abort = true
	return false
}

// writeSlowly sends headers at once and the body bit by bit.
func (x *exchange) writeSlowly(p *reply, over time.Duration) {
	const pieces = 8
	body := slices.Concat(p.body...)
	x.head(p, int64(len(body)))
	for i := range pieces {
		if !x.flush() || !x.wait(over/pieces) {
			return
		}
		if _, err := x.w.Write(body[i*len(body)/pieces : (i+1)*len(body)/pieces]); err != nil {
			return
		}
	}
}

// truncate sends half a body: at least one byte less than was promised.
func (x *exchange) truncate(p *reply, chunked bool) {
	body := slices.Concat(p.body...)
	promised := int64(max(len(body), 1))
	if chunked {
		promised = -1
	}
	x.head(p, promised)
	_, _ = x.w.Write(body[:len(body)/2])
	x.flush()
	x.abort = true
}

// writeEndlessly sends a string that does not end, as fast as it is taken.
func (x *exchange) writeEndlessly() {
	p := jsonReply(http.StatusOK, nil).with("Content-Type", "application/json")
	x.head(p, -1)
	piece := []byte(`{"id":"` + strings.Repeat("0", 32<<10))
	for x.r.Context().Err() == nil && x.server.ctx.Err() == nil {
		if _, err := x.w.Write(piece); err != nil || !x.flush() {
			return
		}
		piece = bytes.TrimPrefix(piece, []byte(`{"id":"`))
	}
	x.abort = true
}

func (x *exchange) flush() bool { return http.NewResponseController(x.w).Flush() == nil }

// reset breaks the connection. On TCP it sends an RST.
func (x *exchange) reset() {
	x.book(0)
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil { // HTTP/2 and a recorder cannot be hijacked
		x.abort = true
		return
	}
	raw := conn
	if memory, ok := raw.(*memoryConn); ok {
		memory.Reset()
		return
	}
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok { // a TLS connection
		raw = t.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
		_ = tcp.Close()
	}
	_ = conn.Close()
}
