package main

import (
	"net/http"

	"github.com/idngo-go/idngo"
)

func netHTTPRouter(verifier *idngo.WebhookVerifier, handle handleFunc) http.Handler {
	router := http.NewServeMux()
	router.Handle("POST /idngo", verifier.Handler(handle))
	return router
}
