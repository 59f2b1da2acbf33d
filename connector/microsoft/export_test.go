package microsoft

import (
	"strconv"
	"time"
)

// MaxRequestsCounted is how many requests a loop guard counts at once.
const MaxRequestsCounted = maxRequestsCounted

// A LoopGuard is a loopGuard for tests and benchmarks.
type LoopGuard struct{ guard *loopGuard }

// NewLoopGuard returns a guard that has counted nothing.
func NewLoopGuard() LoopGuard { return LoopGuard{newLoopGuard()} }

// Admit counts a request or returns how long it must wait.
func (g LoopGuard) Admit(now time.Time, parts ...string) time.Duration {
	return g.guard.admit(now, parts...)
}

// Counted returns how many distinct requests the guard counts.
func (g LoopGuard) Counted() int { return g.guard.sent.Len() }

// Numbers returns the AADSTS numbers that have a meaning of their own, and the ends of families.
func Numbers() (all []string) {
	for number := range numbers {
		all = append(all, strconv.Itoa(number))
	}
	for _, family := range families {
		all = append(all, strconv.Itoa(family.first), strconv.Itoa(family.last))
	}
	return all
}
