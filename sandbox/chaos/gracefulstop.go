package chaos

import (
	"context"
	"fmt"
	"sync"

	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/microsoft"
)

// gracefulStop asks a replica to stop while it has leased tenants, as a rollout does, and checks that it releases all of
// them: it finishes the renewals that it can and returns the others, so that the next replica need not wait.
func gracefulStop(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	d, err := e.deploy(ctx, spec{name: "stopped", tenants: 24})
	if err != nil {
		return nil, err
	}
	for n := range s.Repeats {
		answers, figure := true, "stops while Microsoft answered"
		if n%4 == 1 {
			answers, figure = false, "stops while Microsoft did not answer"
		}
		if err := d.stopAndReplace(ctx, answers); err != nil {
			return d, fmt.Errorf("%s: %w", figure, err)
		}
		d.count(figure, 1)
	}
	return d, nil
}

func (d *Deployment) stopAndReplace(ctx context.Context, answers bool) error {
	if err := d.stopMidway(ctx, answers); err != nil {
		return err
	}
	var leased int
	if err := d.db().QueryRowContext(ctx, "SELECT COUNT(*) FROM schedules WHERE lease_owner IS NOT NULL").Scan(&leased); err != nil {
		return fmt.Errorf("counting leases: %w", err)
	}
	if leased > 0 {
		return fmt.Errorf("%d tenants are still leased by a replica that has stopped", leased)
	}
	due, _, err := d.pending(ctx)
	if err != nil {
		return fmt.Errorf("counting due tenants: %w", err)
	}
	d.count("renewals that were left to the next replica", due)
	replacement, err := d.start(ctx, replicaOptions{})
	if err != nil {
		return err
	}
	if err := d.Recover(ctx); err != nil {
		return err
	}
	return replacement.stop(ctx)
}

// stopMidway stops a replica whose renewals wait for Microsoft. Microsoft then answers, or not until the replica has exited.
func (d *Deployment) stopMidway(ctx context.Context, answers bool) error {
	release := make(chan struct{})
	answer := sync.OnceFunc(func() { close(release) })
	defer d.Microsoft.ClearFaults()
	defer answer()
	d.Microsoft.AddFault(microsoft.Fault{Host: microsoft.Login, GrantType: "refresh_token", Hold: release})
	d.StartPeriod()
	r, err := d.start(ctx, replicaOptions{})
	if err != nil {
		return err
	}
	if err := await(ctx, "renewals to begin", func(context.Context) (bool, error) { return r.reached(token.BeforeRedeem) > 0, nil }); err != nil {
		return err
	}
	if err := r.askToStop(); err != nil {
		return err
	}
	if err := await(ctx, "a replica to begin to stop", func(context.Context) (bool, error) { return r.isStopping(), nil }); err != nil {
		return err
	}
	if answers {
		answer()
	}
	return r.awaitStopped(ctx)
}
