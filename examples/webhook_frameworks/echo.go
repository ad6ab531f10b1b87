package main

import (
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/idngo-go/idngo"
)

// echo.WrapHandler(verifier.Handler(handle)) is shorter. The middleware is for handlers that want
// more of echo, such as Bind.
func echoRouter(verifier *idngo.WebhookVerifier, handle handleFunc) http.Handler {
	router := echo.New()
	router.Use(middleware.Recover())
	router.POST("/idngo", func(c *echo.Context) error {
		event, err := echo.ContextGet[*idngo.WebhookEvent](c, webhookKey)
		if err != nil {
			return err
		}
		if err := handle(c.Request().Context(), event); err != nil {
			slog.ErrorContext(c.Request().Context(), "webhook not handled", "error", err)
			return c.NoContent(http.StatusInternalServerError) // the service sends it again
		}
		return c.NoContent(http.StatusOK)
	}, echoVerify(verifier))
	return router
}

// webhookKey is the name of the event in the context of echo and of gin.
const webhookKey = "idngo.webhook"

// echoVerify returns a middleware that lets only signed events pass and keeps them in the context.
// It must come before anything that reads or binds the body. Handlers behind it can bind the body.
func echoVerify(verifier *idngo.WebhookVerifier) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			event, err := verifier.Parse(c.Request())
			if err != nil {
				slog.WarnContext(c.Request().Context(), "webhook refused", "error", err)
				return c.NoContent(webhookStatus(err))
			}
			c.Set(webhookKey, event)
			return next(c)
		}
	}
}
