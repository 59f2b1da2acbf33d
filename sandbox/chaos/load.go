package chaos

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// replicasUnderLoad is how many replicas run in scenarios that inject faults during renewals.
const replicasUnderLoad = 3

// Upper bounds of the number of steps of renewals between two faults. Each renewal has five.
const (
	manySteps = 150
	fewSteps  = 50 // between faults that cost little
)

// killUnderLoad repeatedly kills one of three replicas at any point of its renewals and of what customers do at the platform, and
// starts another one in its place.
func killUnderLoad(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	d, err := e.deploy(ctx, spec{name: "killed", tenants: 40, market: true})
	if err != nil {
		return nil, err
	}
	replicas, err := d.startReplicas(ctx, replicasUnderLoad, healthy)
	if err != nil {
		return d, err
	}
	shopping, err := d.startTraffic(ctx, "shopper")
	if err != nil {
		return d, err
	}
	const kills = "replicas killed"
	more := func() bool { return d.counted(kills) < s.Kills || d.planned() < s.KillRenewals }
	err = d.injectUnderLoad(ctx, more, manySteps, func(ctx context.Context) error {
		i := anyOf(len(replicas))
		replicas[i].kill()
		d.count(kills, 1)
		var err error
		replicas[i], err = d.start(ctx, replicaOptions{})
		return err
	})
	return d, errors.Join(err, shopping.end())
}

// injectUnderLoad starts one period after the other while more returns true, and injects a fault after a random number of
// steps of renewals, at most spacing. It returns when all tenants are renewed after the last fault.
func (d *Deployment) injectUnderLoad(ctx context.Context, more func() bool, spacing int, inject func(context.Context) error) error {
	work, working := errgroup.WithContext(ctx)
	over := make(chan struct{})
	work.Go(func() error {
		for {
			if ended, err := d.awaitSteps(working, 1+anyOf(spacing), over); err != nil || ended {
				return err
			}
			if !more() {
				continue // this period is the last
			}
			if err := inject(working); err != nil {
				return fmt.Errorf("injecting a fault: %w", err)
			}
		}
	})
	work.Go(func() error {
		defer close(over)
		for more() {
			d.StartPeriod()
			if err := d.Recover(working); err != nil {
				return err
			}
		}
		return nil
	})
	if err := work.Wait(); err != nil {
		return err
	}
	return d.Recover(ctx)
}

// awaitSteps waits for n more steps of the replicas, or until over is closed; then ended is true.
func (d *Deployment) awaitSteps(ctx context.Context, n int, over <-chan struct{}) (ended bool, err error) {
	enough := d.steps.Load() + int64(n)
	err = await(ctx, "steps of renewals", func(context.Context) (bool, error) {
		select {
		case <-over:
			ended = true
		default:
		}
		return ended || d.steps.Load() >= enough, nil
	})
	return ended, err
}

// repeatFault runs three replicas until the fault was injected as often as s says, with customers if there is a platform.
func (d *Deployment) repeatFault(ctx context.Context, s Scale, figure string, spacing int, inject func(context.Context) error) error {
	if _, err := d.startReplicas(ctx, replicasUnderLoad, healthy); err != nil {
		return err
	}
	end := func() error { return nil }
	if d.market != nil {
		shopping, err := d.startTraffic(ctx, "shopper")
		if err != nil {
			return err
		}
		end = shopping.end
	}
	err := d.injectUnderLoad(ctx, func() bool { return d.counted(figure) < s.Faults }, spacing, func(ctx context.Context) error {
		defer d.count(figure, 1)
		return inject(ctx)
	})
	return errors.Join(err, end())
}
