// Package clock lets code wait for a time to pass and stop waiting when its context ends.
package clock

import (
	"context"
	"time"
)

// Sleep waits for d. It returns an error without waiting any longer when ctx ends, and at once when ctx ends before d
// has passed: the caller then still has time to use the answer it has. It is safe for concurrent use.
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
