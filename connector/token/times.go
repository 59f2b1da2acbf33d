package token

import (
	"time"

	"azure-partner-connector/connector/clock"
)

// Stored times that a clock which was wrong for a while may have left behind. A time that is farther ahead than its longest
// term was not meant: it counts as having come.
const (
	// Tolerance is how far a stored time may be ahead of its longest term: clocks that differ by less are not wrong.
	Tolerance = clock.WrongFrom
	// LongestLease is the longest term of a lease.
	LongestLease = time.Hour
	// LongestDue is the longest time until a renewal: Every and Jitter together are no longer.
	LongestDue = Life / 2
	// LongestRetry is the longest wait after a failed attempt: a day, and its jitter.
	LongestRetry = 27 * time.Hour
)

// Over reports whether a stored time, until which something lasts, has come. One that is farther ahead than the longest term was
// stored by a clock that was wrong for a while, and counts as having come.
func Over(until, now time.Time, longest time.Duration) bool {
	return !now.Before(until) || until.After(now.Add(longest+Tolerance))
}

// implausible reports whether a clock that was wrong stored when g was issued: it lies in the future.
func (g Grant) implausible(now time.Time) bool { return g.IssuedAt.After(now.Add(Tolerance)) }

// lifeEnds returns when g's value stops working unless it is renewed. A value with an implausible time of issue may have
// been issued at any time until now.
func (g Grant) lifeEnds(now time.Time) time.Time {
	if g.implausible(now) {
		return now.Add(Life)
	}
	return g.ExpiresAt()
}

// overdue reports whether a schedule is due at now, or later than any schedule may be.
func (schedule Schedule) overdue(now time.Time) bool {
	longest := LongestDue
	if schedule.Attempt > 0 {
		longest = LongestRetry
	}
	return !schedule.DueAt.After(now) || schedule.DueAt.Before(never) && schedule.DueAt.After(now.Add(longest+Tolerance))
}
