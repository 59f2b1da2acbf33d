package torture

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// replicasInStorm run at once, and one of them is killed every gust.
const (
	replicasInStorm = 3
	gust            = time.Second
)

// storm kills one of three replicas every second, wherever it is, and starts another in its place, while every tenant is
// renewed again and again.
func storm(ctx context.Context, g *Ground, s Scale) (*Rig, error) {
	r, err := g.newRig(ctx, layout{name: "storm", tenants: 40})
	if err != nil {
		return nil, err
	}
	seats, err := r.seat(ctx, replicasInStorm, func(int) wish { return wish{} })
	if err != nil {
		return r, err
	}
	over := time.Now().Add(s.Storm)
	err = r.whileRenewing(ctx, func(renewals int) bool { return time.Now().Before(over) || renewals < s.StormRenewals },
		gust, func(ctx context.Context) error {
			seat := anyOf(len(seats))
			seats[seat].kill()
			r.count("replicas killed", 1)
			var err error
			seats[seat], err = r.start(ctx, wish{})
			return err
		})
	return r, err
}

// seat starts some replicas.
func (r *Rig) seat(ctx context.Context, n int, as func(seat int) wish) ([]*replica, error) {
	seats := make([]*replica, n)
	for i := range seats {
		var err error
		if seats[i], err = r.start(ctx, as(i)); err != nil {
			return nil, err
		}
	}
	return seats, nil
}

// whileRenewing lets period follow period as long as more wants it, and strikes all the time, with an interval between
// two blows. It
// returns when all is settled after the last blow.
func (r *Rig) whileRenewing(ctx context.Context, more func(renewals int) bool, interval time.Duration, strike func(context.Context) error) error {
	work, working := errgroup.WithContext(ctx)
	calm := make(chan struct{})
	work.Go(func() error {
		for {
			breath := time.NewTimer(interval)
			select {
			case <-calm:
				breath.Stop()
				return nil
			case <-working.Done():
				breath.Stop()
				return nil // whoever ended it says why
			case <-breath.C:
			}
			if !more(r.planned()) {
				continue // this period was the last
			}
			if err := strike(working); err != nil {
				return fmt.Errorf("striking: %w", err)
			}
		}
	})
	work.Go(func() error {
		defer close(calm)
		for more(r.planned()) {
			r.Period()
			if err := r.Heal(working); err != nil {
				return err
			}
		}
		return nil
	})
	if err := work.Wait(); err != nil {
		return err
	}
	return r.Heal(ctx)
}
