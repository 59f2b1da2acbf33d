// Package clock waits until a time has passed or a context has ended, compares clocks, and bounds times.
package clock

import (
	"context"
	"time"
)

// Sleep waits for d. It returns the error of ctx when ctx ends meanwhile. When the deadline of ctx is earlier than d from now,
// it returns context.DeadlineExceeded at once, so that the caller still has time to use what it has. It is safe for concurrent
// use.
func Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return context.DeadlineExceeded
	}
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Storable reports whether every form in which times are stored and sent has t: years have four digits in them. A zone may make
// another year of a time that was entered with one.
func Storable(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 0 && year <= 9999
}
