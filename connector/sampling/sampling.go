// Package sampling thins out log records that anybody can cause, however many requests they send.
package sampling

import (
	"sync"
	"time"
)

// A Sampler lets through the first records of every period and counts the others. It is safe for concurrent use.
type Sampler struct {
	most int
	per  time.Duration
	now  func() time.Time

	mu      sync.Mutex // guards the fields below
	began   time.Time
	passed  int
	skipped int
}

// New returns a Sampler that lets most records through within the period per.
func New(most int, per time.Duration, now func() time.Time) *Sampler {
	return &Sampler{most: most, per: per, now: now}
}

// Allow reports whether a record may be logged, and how many were left out since the last one that was. A clock that was put
// back does not silence it.
func (s *Sampler) Allow() (ok bool, skipped int) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.began); age < 0 || age >= s.per {
		s.began, s.passed = now, 0
	}
	if s.passed >= s.most {
		s.skipped++
		return false, 0
	}
	s.passed++
	skipped, s.skipped = s.skipped, 0
	return true, skipped
}
