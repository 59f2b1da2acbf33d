package hooks

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// aheadName is the name of the readAhead in the echo context of a verified request.
const aheadName = "read ahead"

// A readAhead is what a request about a tenant that changes nothing has read while its nonce was stored: the two wait for the database
// at the same time. It holds no failure. Whatever could not be read ahead is read again in the ordinary way, which refuses
// what has to be refused.
type readAhead struct {
	resolved tenant.Resolved
	snapshot *token.Snapshot // nil when they were not read
}

// begin starts to read what the operation of c will need. The function that it returns waits for that; call it in every case.
// Nothing is read ahead for an operation that changes something. Lending does not: a redemption reads everything anew.
func (h *Handler) begin(ctx context.Context, c echo.Context, key string) (*readAhead, func()) {
	id, ok := canonical(c.Param("id"))
	if !ok || !readsAhead(c.Request().Method, c.Path()) {
		return nil, func() {}
	}
	ahead, done := &readAhead{}, make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }() // it panics again when it is read in the ordinary way
		if r, snapshot, err := h.cfg.Tokens.ReadTenant(ctx, key, id); err == nil {
			ahead.resolved, ahead.snapshot = r, &snapshot
		}
	}()
	return ahead, func() { <-done }
}

// readsAhead reports whether the operation of a route needs only to read a tenant and its token, before it does anything else.
func readsAhead(method, route string) bool {
	switch route {
	case tenantRoute, tenantRoute + "/tokenStatus":
		return method == http.MethodGet
	case tenantRoute + "/accessToken":
		return method == http.MethodPost
	}
	return false
}

// tenantRoute is the route of one tenant.
const tenantRoute = "/" + tenantService + "/:id"

// readAhead returns what was read ahead for c; an empty one without.
func (c *call) readAhead() readAhead {
	if ahead, ok := c.echo.Get(aheadName).(*readAhead); ok && ahead != nil {
		return *ahead
	}
	return readAhead{}
}

// forgetAhead makes c read again, after something was changed.
func (c *call) forgetAhead() { c.echo.Set(aheadName, nil) }

// statusOf returns the token status of the tenant of c.
func (h *Handler) statusOf(c *call, r tenant.Resolved) (token.Status, error) {
	if snapshot := c.readAhead().snapshot; snapshot != nil {
		return h.cfg.Tokens.StatusOf(r, *snapshot), nil
	}
	return h.cfg.Tokens.Status(c.ctx(), r)
}
