package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/failure"
)

// A protocol is one of those that clients speak. Each has refusals of its own form.
type protocol struct {
	name   string
	refuse func(h *Handler, c *call, f *failure.Error, err error) error
}

var (
	oauth    = protocol{"oauth", refuseOAuth}
	identity = protocol{"identity", refuseIdentity}
	rest     = protocol{"rest", refuseREST}
)

// protocolOf returns the protocol of an address that has no route.
func protocolOf(base, path string) protocol {
	switch path = strings.TrimPrefix(path, base); {
	case strings.HasPrefix(path, "/oauth2/"):
		return oauth
	case strings.HasPrefix(path, "/msi/"):
		return identity
	}
	return rest
}

// retryable sets Retry-After, and reports true, when a later retry may succeed. The status is that of protocols which tell people
// only that.
func retryable(c *call, f *failure.Error) (status int, ok bool) {
	if !f.Retryable() {
		return 0, false
	}
	c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(f.RetrySeconds()))
	if f.Status() == http.StatusTooManyRequests {
		return http.StatusTooManyRequests, true
	}
	return http.StatusServiceUnavailable, true
}

// keyRefused reports whether f is about the key of the client.
func keyRefused(f *failure.Error) bool { return f.Status() == http.StatusUnauthorized }

// explanation returns what happened and what to do, with the code and the reference.
func explanation(c *call, f *failure.Error) string {
	text := string(f.Code) + ": " + f.Sentence() + " " + f.Unretried().Advice()
	if reference := failure.Reference(c.ctx()); reference != "" {
		text += " (reference " + reference + ")"
	}
	return text
}

// seconds returns how many whole seconds are left until at.
func (h *Handler) seconds(at time.Time) int64 {
	return max(0, int64(at.Sub(h.cfg.Now())/time.Second))
}
