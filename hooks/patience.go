package hooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/failure"
)

// How long a hook may take. The platform is known to wait 25 seconds (aps-protocol.md §1.7).
const (
	// DefaultPatience is how long a hook may take in all.
	DefaultPatience = 24 * time.Second
	// callerPatience is how long it may take to find out who is calling.
	callerPatience = 8 * time.Second
	// namesPatience is how long names, and what else is done by the way, may take.
	namesPatience = 4 * time.Second
)

// retryAfter is when the platform is to ask again whether a lifecycle operation can be done, in seconds.
const retryAfter = 60

// patiently calls work, which the domain finishes whoever stops waiting for it, and returns its result. When that takes
// too long, still_running is returned, and the work goes on; Wait waits for it.
func patiently[T any](h *Handler, c *call, work func(ctx context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	h.working.Add(1)
	go func() {
		defer h.working.Done()
		var r result
		defer func() { done <- r }()
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		r.value, r.err = work(context.WithoutCancel(c.ctx()))
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-c.ctx().Done():
		var none T
		return none, failure.Wrap(c.ctx().Err(), failure.StillRunning)
	}
}

// Wait waits until ctx ends for work whose callers were answered before it was done.
func (h *Handler) Wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		h.working.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for what hooks began: %w", ctx.Err())
	}
}

// later answers a lifecycle operation that cannot be done now but later, so that the platform asks again by itself
// instead of showing its operator a failed task (aps-protocol.md §1.7). Nothing is begun: the next request, with phase
// async and the same body, does all of it, at whichever replica. ok is false for what is to be refused.
func (h *Handler) later(c *call, err error) (ok bool) {
	f := refusalOf(err)
	if !c.op.async || f.Kind() != failure.Transient {
		return false
	}
	header := c.echo.Response().Header()
	header.Set("APS-Retry-Timeout", strconv.Itoa(retryAfter))
	header.Set("APS-Info", plain(f.Sentence()))
	if sendErr := c.echo.JSON(http.StatusAccepted, struct{}{}); sendErr != nil {
		err = errors.Join(err, sendErr)
	}
	h.cfg.Log.WarnContext(c.ctx(), "the platform will ask again", "code", f.Code, "reference", failure.Reference(c.ctx()), "err", err)
	return true
}

// plain is text as a header can carry it: one line of visible ASCII.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}
