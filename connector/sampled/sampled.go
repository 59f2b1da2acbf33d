// Package sampled lets few log records of a kind pass: whoever floods a listener must not flood the log.
package sampled

import (
	"sync"
	"time"
)

// every is how often a record of the same kind passes.
const every = 10 * time.Second

// A Sampler lets one record of a kind pass in ten seconds. It is safe for concurrent use.
type Sampler struct {
	now func() time.Time

	mu         sync.Mutex // guards what follows
	last       time.Time
	suppressed int
}

// New returns a Sampler by a clock.
func New(now func() time.Time) *Sampler { return &Sampler{now: now} }

// Next reports whether the record may pass, and how many did not since the last one. A clock that was put back does not
// silence it.
func (s *Sampler) Next() (suppressed int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if passed := now.Sub(s.last); passed >= 0 && passed < every {
		s.suppressed++
		return 0, false
	}
	suppressed, s.suppressed, s.last = s.suppressed, 0, now
	return suppressed, true
}
