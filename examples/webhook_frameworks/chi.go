package main

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/idngo-go/idngo"
)

func chiRouter(verifier *idngo.WebhookVerifier, handle handleFunc) http.Handler {
	router := chi.NewRouter()
	router.Use(middleware.Recoverer)
	router.Method(http.MethodPost, "/idngo", verifier.Handler(handle))
	return router
}
