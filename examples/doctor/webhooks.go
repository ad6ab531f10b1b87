package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/idngo-go/idngo"
)

// receiver receives deliveries. It answers the first attempt of the first event with 500, so that
// the service delivers it again.
type receiver struct {
	server *http.Server
	mu     sync.Mutex
	got    []received
	more   chan struct{} // has a value after a delivery
}

type received struct {
	header http.Header
	body   []byte
	event  *idngo.WebhookEvent
}

// listen starts to receive webhooks, if there is an address.
func (d *doctor) listen() error {
	if d.webhookAddr == "" {
		return nil
	}
	listener := d.listener
	if listener == nil {
		var err error
		if listener, err = new(net.ListenConfig).Listen(d.ctx, "tcp", d.webhookAddr); err != nil {
			return err
		}
	}
	d.webhooks = &receiver{more: make(chan struct{}, 1)}
	d.webhooks.server = &http.Server{Handler: d.webhooks, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = d.webhooks.server.Serve(listener) }() // Serve ends with Close
	return nil
}

func (d *doctor) closeWebhooks() {
	if d.webhooks != nil {
		_ = d.webhooks.server.Close()
	}
}

// refused logs a delivery that is refused.
func refused(_ *http.Request, err error) { slog.Error("webhook refused", "error", err) }

// ServeHTTP receives one delivery.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
	if err != nil || req.Method != http.MethodPost {
		refused(req, cmp.Or(err, errors.New("not a POST")))
		http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
		return
	}
	event, err := idngo.ParseWebhook(body)
	if err != nil {
		refused(req, err)
		http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.got) < 100 {
		r.got = append(r.got, received{req.Header.Clone(), body, event})
	}
	if len(r.got) == 1 {
		http.Error(w, "once more, please", http.StatusInternalServerError)
	}
	select {
	case r.more <- struct{}{}:
	default: // there is a value already
	}
}

// first returns the first delivery and its redelivery, if they have arrived.
func (r *receiver) first() (deliveries []received) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.got {
		if one.event.Type == r.got[0].event.Type && one.event.ApplicantActionID == r.got[0].event.ApplicantActionID {
			deliveries = append(deliveries, one)
		}
	}
	return deliveries[:min(len(deliveries), 2)]
}

// checkWebhooks waits for a delivery and for its redelivery.
func (d *doctor) checkWebhooks() {
	if d.webhooks == nil {
		return
	}
	fmt.Fprintf(d.out, "\nWaiting up to %v for a webhook on %s, and for the same one again.\n\n", d.webhookWait, d.webhookAddr)
	ctx, cancel := context.WithTimeout(d.ctx, d.webhookWait)
	defer cancel()
	for len(d.webhooks.first()) < 2 && ctx.Err() == nil {
		select {
		case <-d.webhooks.more:
		case <-ctx.Done():
		}
	}
	deliveries := d.webhooks.first()
	if len(deliveries) == 0 {
		return
	}
	first := deliveries[0]
	d.shapes.keepDelivery("first", first.header, first.body)
	d.checkDigest(first)
	form, seconds := dateForm(text(object(first.body), "createdAtMs")), dateForm(text(object(first.body), "createdAt"))
	d.seeIf(form == "0000-00-00 00:00:00.000", "webhook-dates", "createdAtMs "+form+", createdAt "+seconds)
	var compact bytes.Buffer
	_ = json.Compact(&compact, first.body) // the body is valid JSON
	spaced, sorted := compact.Len() != len(first.body), slices.IsSorted(strings.Split(keyOrder(first.body), ", "))
	d.seeIf(spaced, "webhook-layout", fmt.Sprintf("spaces between members: %t, members in alphabetical order: %t", spaced, sorted))
	if len(deliveries) < 2 {
		return
	}
	again := deliveries[1]
	d.shapes.keepDelivery("again", again.header, again.body)
	same := func(id, name string) {
		equal := text(object(first.body), name) == text(object(again.body), name)
		d.seeIf(equal, id, fmt.Sprintf("the same %s: %t", name, equal))
	}
	same("webhook-redelivery-time", "createdAtMs")
	same("webhook-redelivery-correlation", "correlationId")
}

func (d *doctor) checkDigest(first received) {
	algorithm := algorithmShape(first.header)
	d.seeIf(algorithm == string(idngo.HMACSHA256) || algorithm == string(idngo.HMACSHA512), "webhook-algorithm", algorithm)
	if d.webhookSecret == "" {
		d.see("webhook-digest", notSeen, "nothing: IDNGO_WEBHOOK_SECRET is not set", nil)
		return
	}
	algorithms := idngo.WithDigestAlgorithms(idngo.HMACSHA256, idngo.HMACSHA512, idngo.HMACSHA1)
	verifier, err := idngo.NewWebhookVerifier(d.webhookSecret, algorithms, idngo.WithWebhookErrors(refused))
	if err == nil {
		err = verifier.Verify(first.body, first.header)
	}
	d.see("webhook-digest", verdict(err == nil),
		fmt.Sprintf("the header is there: %t, it matches: %t", first.header.Get("X-Payload-Digest") != "", err == nil), err)
}

func algorithmShape(header http.Header) string {
	name := header.Get("X-Payload-Digest-Alg")
	switch idngo.DigestAlgorithm(name) {
	case idngo.HMACSHA256, idngo.HMACSHA512, idngo.HMACSHA1:
		return name
	case "":
		return "no header"
	}
	return "another name"
}

// keyOrder returns the names of the members of a JSON object in their order.
func keyOrder(body []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(body))
	var names []string
	depth := 0
	for name := true; ; {
		token, err := decoder.Token()
		if err != nil {
			return strings.Join(names, ", ")
		}
		delim, isDelim := token.(json.Delim)
		switch {
		case isDelim && (delim == '{' || delim == '['):
			depth++
			name = true
		case isDelim:
			depth--
			name = true
		case depth == 1 && name:
			names, name = append(names, memberName(token.(string))), false
		default:
			name = true
		}
	}
}
