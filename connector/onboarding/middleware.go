package onboarding

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/trace"
)

// policy is the Content-Security-Policy of every answer without the value of form-action: nothing inline, nothing from
// another origin.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "

// openerPolicy is the header that cuts the window off from the panel that has opened it. Whoever the visitor is sent to, for
// example the sign-in service of their own directory, must not lead the panel elsewhere.
const openerPolicy = "Cross-Origin-Opener-Policy"

const permissions = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()"

// securityHeaders sets the headers of every answer.
func (h *Handler) securityHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set("Cache-Control", "no-store")
		header.Set(openerPolicy, "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Permissions-Policy", permissions)
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY") // for browsers without frame-ancestors
		header.Set("X-Robots-Tag", "noindex, nofollow")
		if h.secure {
			header.Set("Strict-Transport-Security", "max-age=31536000")
		}
		allowForms(c, "'none'")
		return next(c)
	}
}

// allowForms sets where the forms of a page may lead.
func allowForms(c echo.Context, sources string) {
	c.Response().Header().Set("Content-Security-Policy", policy+sources)
}

// continueTo returns the form-action of the landing page. Chromium applies it to every redirect after the form, and a
// directory may redirect from Microsoft's page to its own sign-in service, so any https address is allowed. The form
// itself posts to us.
func continueTo(authorities []string) string {
	sources := []string{"'self'", "https:"}
	for _, authority := range authorities {
		u, err := url.Parse(authority)
		if err != nil || u.Scheme != "http" || u.Host == "" {
			continue
		}
		if source := "http://" + u.Host; !slices.Contains(sources, source) {
			sources = append(sources, source)
		}
	}
	return strings.Join(sources, " ")
}

// refusedRecords is how many records of requests beyond the limit are logged within a minute. All are counted by the metric of
// the listener.
const refusedRecords = 60

// recorded gives every request a reference and logs one record. The record has the route's pattern instead of the
// address, because paths hold links and queries hold codes.
func (h *Handler) recorded(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := h.cfg.Now()
		ctx := failure.WithReference(c.Request().Context(), random.Reference())
		ctx = audit.WithClient(ctx, c.RealIP())
		c.SetRequest(c.Request().WithContext(ctx))
		if err := recovered(next, c); err != nil {
			c.Error(err)
		}
		method, route := knownMethod(c.Request().Method), h.route(c)
		trace.Describe(ctx, method+" "+route, trace.String("http.request.method", method), trace.String("http.route", route),
			trace.String("connector.reference", failure.Reference(ctx)))
		attrs := []slog.Attr{
			slog.String("method", method),
			slog.String("route", route),
			slog.Int("status", c.Response().Status),
			slog.Duration("dur", h.cfg.Now().Sub(began)),
			slog.String("client", c.RealIP()),
			slog.String("reference", failure.Reference(ctx)),
		}
		level := slog.LevelInfo
		if c.Response().Status == http.StatusTooManyRequests { // anybody can send any number of requests
			ok, skipped := h.refused.Allow()
			if !ok {
				return nil
			}
			if skipped > 0 {
				attrs = append(attrs, slog.Int("skipped", skipped))
			}
		}
		if err, ok := c.Get(failureKey).(error); ok {
			f := failure.From(err)
			attrs = append(attrs, slog.String("code", string(f.Code)), slog.Any("err", err))
			if f.Kind() == failure.Internal {
				level = slog.LevelError
			}
		}
		h.cfg.Log.LogAttrs(ctx, level, "onboarding request", attrs...)
		return nil
	}
}

// recovered calls next and turns a panic into an error, so that the visitor gets a page with a reference.
func recovered(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		switch r := recover(); r {
		case nil:
		case http.ErrAbortHandler:
			panic(r)
		default:
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return next(c)
}

func (h *Handler) route(c echo.Context) string {
	if h.routes[c.Path()] {
		return c.Path()
	}
	return "none"
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

const failureKey = "failure"

// noteFailure adds err to the log record of the request; nil is no failure.
func noteFailure(c echo.Context, err error) {
	if err != nil {
		c.Set(failureKey, err)
	}
}
