package hooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/platform/oauth1"
)

// Nonces remembers which nonces were used, for all replicas.
type Nonces interface {
	// RememberNonce notes that key used nonce at the given time and remembers it until another. It reports whether
	// this was the first use.
	RememberNonce(ctx context.Context, key, nonce string, at, until time.Time) (bool, error)
}

var (
	errUnsigned = errors.New("there is not exactly one Authorization header")
	errReplayed = errors.New("the nonce was used before")
)

// keyName is where the consumer key of a verified request is kept in the echo context.
const keyName = "consumer key"

// signed lets only requests pass that a known instance signed, and those that need no signature. The answer to all
// others is the same; the log tells what was wrong.
func (h *Handler) signed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if h.open(c.Request()) {
			return next(c)
		}
		key, err := h.verify(c.Request())
		if err != nil {
			return err
		}
		c.Set(keyName, key)
		return next(c)
	}
}

// verify returns the consumer key that signed r.
func (h *Handler) verify(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return "", failure.Wrap(errUnsigned, failure.Unauthorized)
	}
	params, err := oauth1.Parse(headers[0])
	if err != nil {
		return "", failure.Wrap(err, failure.Unauthorized)
	}
	secrets, known := h.cfg.Credentials(params.Key())
	if !known {
		secrets = nil
	}
	now := h.cfg.Now()
	if err := oauth1.Verify(&params, r.Method, h.publicURL(r), secrets, now, h.cfg.Window); err != nil {
		return "", failure.Wrap(err, failure.Unauthorized)
	}
	// Only now: nonces of what nobody signed must not fill the memory.
	fresh, err := h.cfg.Nonces.RememberNonce(r.Context(), params.Key(), params.Nonce(), now, params.Timestamp().Add(h.cfg.Window))
	if err != nil {
		return "", fmt.Errorf("remembering nonce: %w", err)
	}
	if !fresh {
		return "", failure.Wrap(errReplayed, failure.Unauthorized)
	}
	return params.Key(), nil
}
