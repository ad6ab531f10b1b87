package idngo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/idngo-go/idngo"
)

// reviewed is a delivery as the service sends it.
const reviewed = `{
  "applicantId" : "5dc158b109494c3cbf431e28",
  "applicantActionId" : "5dc2d80ce3cc9b1c1e389c4c",
  "externalApplicantActionId" : "order-7001",
  "type" : "applicantActionReviewed",
  "reviewResult" : {
    "reviewAnswer" : "GREEN"
  },
  "createdAtMs" : "2020-02-21 13:23:19.987"
}`

// delivery is a request of the service with the body and headers given.
func delivery(body string, header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/idngo", strings.NewReader(body))
	r.Header = header
	return r
}

// A receiver, and its test in ten lines: sign a body, serve it, look at what
// happened.
func ExampleWebhookVerifier_Handler() {
	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook")
	if err != nil {
		panic(err)
	}
	receiver := verifier.Handler(func(ctx context.Context, e *idngo.WebhookEvent) error {
		fmt.Println(e.Type, e.ExternalApplicantActionID, e.ReviewResult.ReviewAnswer)
		return nil // an error is answered with 500, and the event comes again
	})

	body := []byte(`{"type":"applicantActionReviewed","externalApplicantActionId":"order-7001","reviewResult":{"reviewAnswer":"GREEN"}}`)
	for _, secret := range []idngo.Secret{"secret-of-the-webhook", "secret-of-somebody-else"} {
		r := httptest.NewRequest("POST", "/idngo", bytes.NewReader(body))
		r.Header = idngo.SignWebhook(body, secret, idngo.HMACSHA256)
		w := httptest.NewRecorder()
		receiver.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// applicantActionReviewed order-7001 GREEN
	// 200
	// 401
}

func ExampleSignWebhook() {
	header := idngo.SignWebhook([]byte("someText"), "SoMe_SeCrEt_KeY", idngo.HMACSHA256)
	fmt.Println(header.Get("X-Payload-Digest"))
	fmt.Println(header.Get("X-Payload-Digest-Alg"))
	// Output:
	// 7f3beedce7529616a9d6bba59dc1b054a7247cef67f6acff2600864399f47fe0
	// HMAC_SHA256_HEX
}

func ExampleParseWebhook() {
	// Of a body that was verified before it was queued.
	e, err := idngo.ParseWebhook([]byte(reviewed))
	if err != nil {
		panic(err)
	}
	fmt.Println(e.Type, e.ApplicantActionID, e.ReviewResult.ReviewAnswer)
	fmt.Println(e.Time().Format("2006-01-02 15:04:05.000 MST"))
	fmt.Println(len(e.Raw) == len(reviewed))

	_, err = idngo.ParseWebhook([]byte(`["not an event"]`))
	fmt.Println(errors.Is(err, idngo.ErrWebhookMalformed))
	// Output:
	// applicantActionReviewed 5dc2d80ce3cc9b1c1e389c4c GREEN
	// 2020-02-21 13:23:19.987 UTC
	// true
	// true
}

func ExampleNewWebhookVerifier() {
	// From the environment, say: an unset variable is found here, and not by
	// the first forged delivery.
	_, err := idngo.NewWebhookVerifier("")
	fmt.Println(errors.Is(err, idngo.ErrInvalidArgument))
	fmt.Println(err)

	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook")
	fmt.Println(verifier, err)
	// Output:
	// true
	// idngo: invalid argument: webhook secret is empty
	// idngo.WebhookVerifier([redacted]) <nil>
}

// A handler of one's own, with answers and a log of one's own.
func ExampleWebhookVerifier_Parse() {
	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook")
	if err != nil {
		panic(err)
	}
	receive := func(w http.ResponseWriter, r *http.Request) {
		e, err := verifier.Parse(r)
		if err != nil {
			fmt.Println("log:", err)
			http.Error(w, "refused", http.StatusUnauthorized)
			return
		}
		archive, _ := io.ReadAll(r.Body) // the body is still there
		fmt.Println(e.Type, len(archive) == len(reviewed))
		w.WriteHeader(http.StatusNoContent)
	}

	w := httptest.NewRecorder()
	receive(w, delivery(reviewed, idngo.SignWebhook([]byte(reviewed), "secret-of-the-webhook", idngo.HMACSHA512)))
	fmt.Println(w.Code)

	w = httptest.NewRecorder()
	receive(w, delivery(reviewed, nil))
	fmt.Println(w.Code)
	// Output:
	// applicantActionReviewed true
	// 204
	// log: idngo: webhook signature mismatch: no X-Payload-Digest header
	// 401
}

// Where something else has read the body, as in a cloud function.
func ExampleWebhookVerifier_Verify() {
	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook")
	if err != nil {
		panic(err)
	}
	header := idngo.SignWebhook([]byte(reviewed), "secret-of-the-webhook", idngo.HMACSHA256)
	fmt.Println(verifier.Verify([]byte(reviewed), header))

	reencoded := strings.ReplaceAll(reviewed, " : ", ": ")
	err = verifier.Verify([]byte(reencoded), header)
	fmt.Println(errors.Is(err, idngo.ErrWebhookSignature))
	// Output:
	// <nil>
	// true
}

// A map here, a unique column in a database in real life.
func ExampleWebhookEvent_Key() {
	done := map[string]bool{}
	for range 3 { // delivered three times
		e, err := idngo.ParseWebhook([]byte(reviewed))
		if err != nil {
			panic(err)
		}
		if done[e.Key()] {
			fmt.Println("seen before")
			continue
		}
		fmt.Println("acting on", e.Key())
		done[e.Key()] = true
	}
	// Output:
	// acting on f30ac5e62ffef3f58d02e0aecddde375
	// seen before
	// seen before
}

func ExampleWithPreviousSecrets() {
	verifier, err := idngo.NewWebhookVerifier("new-secret", idngo.WithPreviousSecrets("old-secret"))
	if err != nil {
		panic(err)
	}
	body := []byte(reviewed)
	for _, secret := range []idngo.Secret{"new-secret", "old-secret", "other-secret"} {
		fmt.Println(verifier.Verify(body, idngo.SignWebhook(body, secret, idngo.HMACSHA256)) == nil)
	}
	// Output:
	// true
	// true
	// false
}

func ExampleWithDigestAlgorithms() {
	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook", idngo.WithDigestAlgorithms(idngo.HMACSHA512))
	if err != nil {
		panic(err)
	}
	body := []byte(reviewed)
	for _, alg := range []idngo.DigestAlgorithm{idngo.HMACSHA512, idngo.HMACSHA256, idngo.HMACSHA1} {
		err := verifier.Verify(body, idngo.SignWebhook(body, "secret-of-the-webhook", alg))
		fmt.Println(alg, errors.Is(err, idngo.ErrWebhookAlgorithm))
	}
	// Output:
	// HMAC_SHA512_HEX false
	// HMAC_SHA256_HEX true
	// HMAC_SHA1_HEX true
}

func ExampleWithMaxBodySize() {
	verifier, err := idngo.NewWebhookVerifier("secret-of-the-webhook", idngo.WithMaxBodySize(100))
	if err != nil {
		panic(err)
	}
	_, err = verifier.Parse(delivery(reviewed, idngo.SignWebhook([]byte(reviewed), "secret-of-the-webhook", idngo.HMACSHA256)))
	fmt.Println(errors.Is(err, idngo.ErrWebhookTooLarge))
	// Output:
	// true
}
