package hooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/platform/oauth1"
)

var (
	errUnsigned = errors.New("the request must have exactly one Authorization header")
	errReplayed = errors.New("the nonce was used before")
)

// keyName is the name of the consumer key in the echo context of a verified request.
const keyName = "consumer key"

// nonceWindows is for how many windows after its timestamp a nonce is stored. In the first the request is valid. The others
// are for replicas whose clocks disagree, one by a window ahead, which purges, and one by a window behind, which would accept a
// replay.
const nonceWindows = 3

// signed refuses requests that need a signature and have no valid one. The answer never tells why; the log does.
func (h *Handler) signed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if h.isPublic(c.Request()) {
			return next(c)
		}
		// The time that the platform waits includes the check of the nonce.
		ctx, cancel := context.WithTimeout(c.Request().Context(), h.cfg.Timeout)
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
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
	// Only after verification: nonces of unsigned requests must not fill the database.
	fresh, err := h.cfg.Nonces.RememberNonce(r.Context(), params.Key(), params.Nonce(), now, params.Timestamp().Add(nonceWindows*h.cfg.Window))
	if errors.Is(err, context.DeadlineExceeded) { // nothing goes on, other than in an operation that takes long
		return "", failure.Wrap(err, failure.DatabaseUnavailable)
	}
	if err != nil {
		return "", fmt.Errorf("remembering nonce: %w", err)
	}
	if !fresh {
		return "", failure.Wrap(errReplayed, failure.Unauthorized)
	}
	return params.Key(), nil
}
