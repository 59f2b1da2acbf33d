package hooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/detached"
	"azure-partner-connector/connector/failure"
)

// How long the platform waits for a hook is not documented; we assume at least 25 seconds (docs/reference/aps-protocol.md §1.7).
const (
	// DefaultTimeout is how long a hook may take in total.
	DefaultTimeout = 24 * time.Second
	// callerTimeout bounds the authorization of the caller.
	callerTimeout = 8 * time.Second
	// bestEffortTimeout bounds steps whose failure doesn't fail the hook, such as reading names.
	bestEffortTimeout = 4 * time.Second
)

// retryAfter is when the platform should retry a lifecycle operation that can't be done now, in seconds.
const retryAfter = 60

// runDetached calls work with a context that outlives the request, and returns its result. When the request's time is
// over, it returns still_running and work continues; Wait waits for it.
func runDetached[T any](h *Handler, c *call, work func(ctx context.Context) (T, error)) (T, error) {
	return detached.Run(c.ctx(), &h.detached, work)
}

// Wait returns when all detached work is done, or an error when ctx ends first. Call it after the server has stopped, so
// that no request starts more work.
func (h *Handler) Wait(ctx context.Context) error {
	if err := h.detached.Wait(ctx); err != nil {
		return fmt.Errorf("waiting for detached work of hooks: %w", err)
	}
	return nil
}

// retryLater answers a lifecycle operation that failed for a transient reason so that the platform retries it instead of
// showing a failed task (docs/reference/aps-protocol.md §1.7). The retry, with phase async and the same body, does all
// of the work, at whichever replica. ok is false when err must be answered as an error.
func (h *Handler) retryLater(c *call, err error) (ok bool) {
	f := refusalOf(err)
	if !c.op.async || f.Kind() != failure.Transient {
		return false
	}
	header := c.echo.Response().Header()
	header.Set("APS-Retry-Timeout", strconv.Itoa(retryAfter))
	header.Set("APS-Info", headerText(f.Sentence()))
	if sendErr := c.echo.JSON(http.StatusAccepted, struct{}{}); sendErr != nil {
		err = errors.Join(err, sendErr)
	}
	h.log(c.ctx()).WarnContext(c.ctx(), "hook failed; the platform will retry it", "code", f.Code, "err", err)
	return true
}

// headerText returns text as one line of printable ASCII, as headers require. Other characters become question marks.
func headerText(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}
