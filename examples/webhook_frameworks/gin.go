package main

import (
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/idngo-go/idngo"
)

func init() { gin.SetMode(gin.ReleaseMode) } // in the other modes gin prints its routes

// gin.WrapH(verifier.Handler(handle)) is shorter. The middleware is for handlers that want more of
// gin, such as ShouldBindJSON.
func ginRouter(verifier *idngo.WebhookVerifier, handle handleFunc) http.Handler {
	router := gin.New()
	router.HandleMethodNotAllowed = true
	router.Use(gin.Recovery())
	router.POST("/idngo", ginVerify(verifier), func(c *gin.Context) {
		event := c.MustGet(webhookKey).(*idngo.WebhookEvent)
		if err := handle(c.Request.Context(), event); err != nil {
			slog.ErrorContext(c.Request.Context(), "webhook not handled", "error", err)
			c.Status(http.StatusInternalServerError) // the service sends it again
			return
		}
		c.Status(http.StatusOK)
	})
	return router
}

// ginVerify returns a middleware that lets only signed events pass and keeps them in the context.
// It must come before anything that reads or binds the body. Handlers behind it can bind the body.
func ginVerify(verifier *idngo.WebhookVerifier) gin.HandlerFunc {
	return func(c *gin.Context) {
		event, err := verifier.Parse(c.Request)
		if err != nil {
			slog.WarnContext(c.Request.Context(), "webhook refused", "error", err)
			c.AbortWithStatus(webhookStatus(err))
			return
		}
		c.Set(webhookKey, event)
	}
}
