package torture

import (
	"context"
	"fmt"
	"time"

	"azure-partner-connector/sandbox/microsoft"
)

// How long Microsoft takes while a replica is asked to stop: so short that what runs can finish, and longer than the
// replica may wait for it.
const (
	finishing = 300 * time.Millisecond
	hanging   = time.Minute
	// stopGrace is what the replicas of this scenario are given.
	stopGrace = 8 * time.Second
)

// stoppedMidway asks a replica to stop while it holds tenants, as a new version's roll-out does, and checks that it left
// none of them leased: what could finish is finished, the rest is given back, and the next replica need not wait.
func stoppedMidway(ctx context.Context, g *Ground, s Scale) (*Rig, error) {
	r, err := g.newRig(ctx, layout{name: "stopped", tenants: 24, grace: stopGrace})
	if err != nil {
		return nil, err
	}
	for n := range s.Repeats {
		delay, what := finishing, "stops while Microsoft answered"
		if n%4 == 1 {
			delay, what = hanging, "stops while Microsoft did not answer"
		}
		if err := r.stopAndGoOn(ctx, delay); err != nil {
			return r, fmt.Errorf("%s: %w", what, err)
		}
		r.count(what, 1)
	}
	return r, nil
}

func (r *Rig) stopAndGoOn(ctx context.Context, delay time.Duration) error {
	r.Microsoft.AddFault(microsoft.Fault{Host: microsoft.Login, GrantType: "refresh_token", Delay: delay})
	r.Period()
	one, err := r.start(ctx, wish{})
	if err != nil {
		return err
	}
	if err := r.awaitHeld(ctx); err != nil {
		return err
	}
	if err := one.stop(); err != nil {
		return err
	}
	r.Microsoft.ClearFaults()
	held, err := r.held(ctx)
	if err != nil {
		return err
	}
	if held > 0 {
		return fmt.Errorf("%d tenants are still leased by a replica that has stopped", held)
	}
	left, err := r.open(ctx)
	if err != nil {
		return err
	}
	r.count("renewals that were given back", left)
	another, err := r.start(ctx, wish{})
	if err != nil {
		return err
	}
	if err := r.Heal(ctx); err != nil {
		return err
	}
	return another.stop()
}

// held returns how many tenants are leased.
func (r *Rig) held(ctx context.Context) (n int, err error) {
	err = r.raw.QueryRowContext(ctx, "SELECT COUNT(*) FROM schedules WHERE lease_owner IS NOT NULL").Scan(&n)
	return n, err
}

// awaitHeld waits until a replica holds a tenant.
func (r *Rig) awaitHeld(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for {
		n, err := r.held(ctx)
		if err != nil || n > 0 {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for a replica to begin: %w", ctx.Err())
		}
	}
}
