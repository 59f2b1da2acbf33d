package hooks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/trace"
)

// referenceHeader carries the reference under which the log records the request.
const referenceHeader = "X-Reference"

// unsignedRecords is how many records of requests without a valid signature are logged within a minute. All are counted by the
// metric of the listener.
const unsignedRecords = 60

// observe gives every request its reference, answers its error, and logs one record. The record never holds the body,
// the headers or the query.
func (h *Handler) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := h.cfg.Now()
		reference := random.Reference()
		c.SetRequest(c.Request().WithContext(failure.WithReference(c.Request().Context(), reference)))
		noteTenant(c, c.Param("id"))
		header := c.Response().Header()
		header.Set(referenceHeader, reference)
		header.Set(echo.HeaderCacheControl, "no-store")
		header.Set(echo.HeaderXContentTypeOptions, "nosniff")

		err := recovered(next, c)
		if err != nil {
			c.Error(err)
		}
		r := c.Request()
		attrs := []slog.Attr{
			slog.String("method", r.Method), slog.String("route", routeOf(c)), slog.Int("status", c.Response().Status),
			slog.Duration("dur", h.cfg.Now().Sub(began)), slog.String("reference", reference),
		}
		if id := tenantOf(r.Context()); id != "" {
			attrs = append(attrs, slog.String("tenant", id))
		}
		if id, ok := canonical(r.Header.Get("APS-Instance-ID")); ok {
			attrs = append(attrs, slog.String("instance", id))
		}
		if id := printable(r.Header.Get("APS-Transaction-ID"), maxTransaction); id != "" {
			attrs = append(attrs, slog.String("transaction", id))
		}
		if err != nil {
			attrs = append(attrs, slog.String("err", err.Error()))
		}
		trace.Describe(r.Context(), r.Method+" "+routeOf(c), trace.String("http.request.method", r.Method), trace.String("http.route", routeOf(c)),
			trace.String("connector.reference", reference), trace.String("connector.tenant", tenantOf(r.Context())))
		level := levelOf(r, c.Response().Status)
		if c.Get(keyName) == nil && level < slog.LevelError { // anybody can send any number of them
			ok, skipped := h.unsigned.Allow()
			if !ok {
				return nil
			}
			if skipped > 0 {
				attrs = append(attrs, slog.Int("skipped", skipped))
			}
		}
		h.cfg.Log.LogAttrs(r.Context(), level, "hook answered", attrs...)
		return nil
	}
}

// tenantKey is the key of noteTenant.
type tenantKey struct{}

// noteTenant keeps the tenant that a request is about, for the log, if its path is one of tenants.
func noteTenant(c echo.Context, id string) {
	if !strings.HasPrefix(c.Path(), "/"+tenantService+"/") && c.Path() != "/"+tenantService {
		return
	}
	if id, ok := canonical(id); ok {
		c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), tenantKey{}, id)))
	}
}

// tenantOf returns the tenant that the request of ctx is about; empty when it is about none.
func tenantOf(ctx context.Context) string {
	id, _ := ctx.Value(tenantKey{}).(string)
	return id
}

// log returns the log of a request, whose records have its tenant and its reference.
func (h *Handler) log(ctx context.Context) *slog.Logger {
	log := h.cfg.Log.With("reference", failure.Reference(ctx))
	if id := tenantOf(ctx); id != "" {
		log = log.With("tenant", id)
	}
	return log
}

// recovered calls next and turns a panic into an error, so that it is answered and logged.
func recovered(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if cause, ok := p.(error); ok && errors.Is(cause, http.ErrAbortHandler) {
			panic(p)
		}
		err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}()
	return next(c)
}

// routeOf returns the pattern of the route; unlike paths, patterns are few.
func routeOf(c echo.Context) string {
	if c.Path() == "" {
		return "none"
	}
	return c.Path()
}

func levelOf(r *http.Request, status int) slog.Level {
	switch {
	case status >= http.StatusInternalServerError:
		return slog.LevelError
	case status >= http.StatusBadRequest:
		return slog.LevelWarn
	case r.URL.Path == "/":
		return slog.LevelDebug // health probes come every few seconds
	}
	return slog.LevelInfo
}
