package torture

import (
	"context"
	"fmt"

	"azure-partner-connector/connector/token"
)

// killedAtSteps kills a replica at each step of a renewal, at the first renewal that gets there or at a later one, while
// its other workers are wherever they are; another replica then finds what it left.
func killedAtSteps(ctx context.Context, g *Ground, s Scale) (*Rig, error) {
	r, err := g.newRig(ctx, layout{name: "steps", tenants: 6, workers: 3})
	if err != nil {
		return nil, err
	}
	for _, step := range token.Steps() {
		for range s.Repeats {
			if err := r.dieAndRecover(ctx, step); err != nil {
				return r, fmt.Errorf("killing at %s: %w", step, err)
			}
			r.count("kills at "+string(step), 1)
		}
	}
	return r, nil
}

func (r *Rig) dieAndRecover(ctx context.Context, step token.Step) error {
	r.Period()
	victim, err := r.start(ctx, wish{dieAt: step, dieOn: 1 + anyOf(4)})
	if err != nil {
		return err
	}
	if err := victim.awaitEnd(ctx); err != nil {
		return err
	}
	if victim.diedAt != string(step) {
		return fmt.Errorf("the replica died at %q: %s", victim.diedAt, victim.command.ProcessState)
	}
	heir, err := r.start(ctx, wish{})
	if err != nil {
		return err
	}
	if err := r.Heal(ctx); err != nil {
		return err
	}
	return heir.stop()
}
