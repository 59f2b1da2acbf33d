package hooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

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
		params, err := h.verify(c.Request())
		if err != nil {
			return err
		}
		ahead, wait := h.begin(ctx, c, params.Key())
		err = h.remember(ctx, params)
		wait() // also after a replay: to interrupt a query costs its connection
		if err != nil {
			return err
		}
		c.Set(keyName, params.Key())
		c.Set(aheadName, ahead)
		if err = next(c); err != nil && refusalOf(err).Status() == http.StatusBadRequest {
			h.releaseNonce(ctx, params)
		}
		return err
	}
}

// verify returns the parameters of the signature of r, whose nonce may have been used.
func (h *Handler) verify(r *http.Request) (oauth1.Params, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return oauth1.Params{}, failure.Wrap(errUnsigned, failure.Unauthorized)
	}
	params, err := oauth1.Parse(headers[0])
	if err != nil {
		return oauth1.Params{}, failure.Wrap(err, failure.Unauthorized)
	}
	if err := h.verifySignature(r, &params, h.cfg.Now()); err != nil {
		return oauth1.Params{}, failure.Wrap(err, failure.Unauthorized)
	}
	return params, nil
}

// remember stores the nonce of a verified request: nonces of others must not fill the database. It refuses one that was used
// before.
func (h *Handler) remember(ctx context.Context, p oauth1.Params) error {
	fresh, err := h.cfg.Nonces.RememberNonce(ctx, p.Key(), p.Nonce(), h.cfg.Now(), p.Timestamp().Add(nonceWindows*h.cfg.Window))
	switch {
	case errors.Is(err, context.DeadlineExceeded): // nothing goes on, other than in an operation that takes long
		return failure.Wrap(err, failure.DatabaseUnavailable)
	case err != nil:
		return fmt.Errorf("remembering nonce: %w", err)
	case !fresh:
		return failure.Wrap(errReplayed, failure.Unauthorized)
	}
	return nil
}

// verifySignature returns nil if p signs r at one of our addresses. Its error names the addresses that were tried, for the
// log: a proxy in between is the usual reason.
func (h *Handler) verifySignature(r *http.Request, p *oauth1.Params, now time.Time) error {
	t, err := targetOf(r)
	if err != nil {
		return err
	}
	secrets, known := h.cfg.Credentials(p.Key())
	if !known {
		secrets = nil
	}
	var tried []string
	for _, address := range h.publicURLs(r, t) {
		err = oauth1.Verify(p, r.Method, address, secrets, now, h.cfg.Window)
		if err == nil || errors.Is(err, oauth1.ErrTimestamp) {
			return err
		}
		address, _, _ = strings.Cut(address, "?")
		tried = append(tried, shortened(address))
	}
	return fmt.Errorf("%w; tried for %s", err, strings.Join(tried, ", "))
}

// shortened bounds an address for the log.
func shortened(address string) string {
	const most = 300
	if len(address) > most {
		return address[:most] + "…"
	}
	return address
}

// releaseNonce makes the nonce of a request fresh again: the platform's clients send the same bytes again after a 400
// (docs/reference/aps-protocol.md §3.11), which must not become a 401. Nothing was done that a replay could do twice.
func (h *Handler) releaseNonce(ctx context.Context, p oauth1.Params) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bestEffortTimeout)
	defer cancel()
	if err := h.cfg.Nonces.ForgetNonce(ctx, p.Key(), p.Nonce()); err != nil {
		h.log(ctx).WarnContext(ctx, "releasing a nonce failed; a repetition of the request is refused", "err", err)
	}
}
