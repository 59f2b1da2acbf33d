package chaos

import (
	"context"
	"fmt"

	"azure-partner-connector/connector/token"
)

// killAtEachStep kills a replica at each step of a renewal, in the first renewal that reaches it or in a later one, while
// its other workers are at any step. Another replica then continues.
func killAtEachStep(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	d, err := e.deploy(ctx, spec{name: "steps", tenants: 6, workers: 3})
	if err != nil {
		return nil, err
	}
	for _, step := range token.Steps() {
		for range s.Repeats {
			if err := d.killAndReplace(ctx, step); err != nil {
				return d, fmt.Errorf("killing at %s: %w", step, err)
			}
			d.count("kills at "+string(step), 1)
		}
	}
	return d, nil
}

func (d *Deployment) killAndReplace(ctx context.Context, step token.Step) error {
	d.StartPeriod()
	killed, err := d.start(ctx, replicaOptions{killAt: step, killOn: 1 + anyOf(4)})
	if err != nil {
		return err
	}
	if err := killed.awaitExit(ctx); err != nil {
		return err
	}
	if killed.killStep() != string(step) {
		return fmt.Errorf("the replica was killed at %q: %s", killed.killStep(), killed.command.ProcessState)
	}
	replacement, err := d.start(ctx, replicaOptions{})
	if err != nil {
		return err
	}
	if err := d.Recover(ctx); err != nil {
		return err
	}
	return replacement.stop(ctx)
}
