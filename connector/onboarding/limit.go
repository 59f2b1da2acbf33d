package onboarding

import (
	"errors"
	"fmt"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"golang.org/x/time/rate"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/peer"
)

// A limiter is the store of echo's rate limiter. Unlike echo's own it is bounded, and its clock can be moved. It is
// safe for concurrent use.
type limiter struct {
	limit   Limit
	now     func() time.Time
	clients *lru.Cache[string, *rate.Limiter] // network of a client → its limiter
}

func newLimiter(limit Limit, now func() time.Time) (*limiter, error) {
	if limit.PerMinute <= 0 {
		limit.PerMinute = 60
	}
	if limit.Burst <= 0 {
		limit.Burst = 30
	}
	if limit.Clients <= 0 {
		limit.Clients = 10_000
	}
	clients, err := lru.New[string, *rate.Limiter](limit.Clients)
	if err != nil {
		return nil, fmt.Errorf("onboarding: creating the rate limiter: %w", err)
	}
	return &limiter{limit, now, clients}, nil
}

// limitExceeded says how long a client must wait.
type limitExceeded struct{ wait time.Duration }

func (e *limitExceeded) Error() string { return "rate limit exceeded; retry after " + e.wait.String() }

// Allow implements middleware.RateLimiterStore. Its error is *limitExceeded.
func (l *limiter) Allow(client string) (bool, error) {
	limiter, ok := l.clients.Get(client)
	if !ok {
		limiter = rate.NewLimiter(rate.Limit(float64(l.limit.PerMinute)/60), l.limit.Burst)
		if other, exists, _ := l.clients.PeekOrAdd(client, limiter); exists {
			limiter = other
		}
	}
	now := l.now()
	reservation := limiter.ReserveN(now, 1)
	if wait := reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now) // a refused request doesn't count
		return false, &limitExceeded{wait}
	}
	return true, nil
}

// limited refuses requests beyond the limit. Assets don't count, because every page loads several.
func (h *Handler) limited() echo.MiddlewareFunc {
	return middleware.RateLimiterWithConfig(middleware.RateLimiterConfig{
		Store: h.limiter,
		Skipper: func(c echo.Context) bool {
			return strings.HasPrefix(c.Path(), h.base+assetPath) || c.Path() == h.base+logoPath
		},
		IdentifierExtractor: func(c echo.Context) (string, error) { return peer.Client(peer.Parse(c.RealIP())).String(), nil },
		DenyHandler: func(c echo.Context, _ string, err error) error {
			refused := failure.New(failure.TooManyRequests)
			if exceeded, ok := errors.AsType[*limitExceeded](err); ok {
				refused.RetryAfter = exceeded.wait
			}
			return refused
		},
	})
}
