// Package clock provides the clock that all parts of the sandbox share and tests can advance.
package clock

import (
	"sync"
	"time"
)

// A Clock runs like the real one and can be advanced. It is safe for concurrent use.
type Clock struct {
	mu    sync.Mutex // guards ahead
	ahead time.Duration
}

// At returns a Clock that reads t now.
func At(t time.Time) *Clock { return &Clock{ahead: time.Until(t)} }

// Now returns the clock's time in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().UTC().Add(c.ahead)
}

// Advance moves the clock forward by d. It ignores a negative d, which would put issued tokens in the future.
func (c *Clock) Advance(d time.Duration) {
	if d < 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}
