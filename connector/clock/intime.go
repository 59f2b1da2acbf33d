package clock

import (
	"context"
	"errors"
	"time"
)

// StaleAfter is how long after a time was read it may be compared with stored times. What others store later may be farther
// ahead than a right clock could have stored.
const StaleAfter = time.Minute

var errStale = errors.New("the time that was compared is out of date")

// InTime runs fn with the current time in a transaction that transact begins. A statement may wait for a server that does not
// answer, and a process may be suspended: when StaleAfter has passed until fn returns, InTime rolls back and repeats, until
// ctx ends. fn must not leave anything behind that is not rolled back, except what its next run replaces.
func InTime(
	ctx context.Context, now func() time.Time, transact func(context.Context, func(context.Context) error) error,
	fn func(ctx context.Context, now time.Time) error,
) error {
	for {
		err := transact(ctx, func(ctx context.Context) error {
			at := now()
			if err := fn(ctx, at); err != nil {
				return err
			}
			if now().Sub(at) > StaleAfter {
				return errStale
			}
			return nil
		})
		if !errors.Is(err, errStale) || ctx.Err() != nil {
			return err
		}
	}
}
