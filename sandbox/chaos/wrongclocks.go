package chaos

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/token"
)

// A clockError is how the clock of one replica of two is wrong, or of both.
type clockError struct {
	by      time.Duration // ahead; negative: behind
	forGood bool          // else it is set right after both replicas have swept
	both    bool
}

func (c clockError) String() string {
	which, how := "one clock", "once"
	if c.both {
		which = "both clocks"
	}
	if c.forGood {
		how = "for good"
	}
	return fmt.Sprintf("%s %s ahead %s", which, c.by, how)
}

// clockErrors returns the first n errors, the worst first.
func clockErrors(n int) []clockError {
	const day = 24 * time.Hour
	all := []clockError{
		{by: 85 * day}, {by: -150 * day, forGood: true}, {by: 12 * day, both: true}, {by: 5 * time.Minute, forGood: true},
	}
	worst := slices.Clone(all)
	for _, by := range []time.Duration{5 * time.Minute, time.Hour, 12 * day, 85 * day, 150 * day} {
		for _, by := range []time.Duration{by, -by} {
			for _, c := range []clockError{{by: by}, {by: by, forGood: true}, {by: by, both: true}} {
				if !slices.Contains(worst, c) {
					all = append(all, c)
				}
			}
		}
	}
	return all[:min(n, len(all))]
}

// wrongClocks sets clocks wrong, once or for good, and lets true periods pass, in each of which every tenant must be renewed
// once, however wrong the clocks were. In the full form they are a hundred days for each error.
func wrongClocks(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	d, err := e.deploy(ctx, spec{name: "wrong-clocks", tenants: 4})
	if err != nil {
		return nil, err
	}
	replicas, err := d.startReplicas(ctx, 2, healthy)
	if err != nil {
		return d, err
	}
	for _, c := range clockErrors(s.ClockErrors) {
		if err := d.runWithError(ctx, replicas, c, s.ClockPeriods); err != nil {
			return d, fmt.Errorf("%s: %w", c, err)
		}
		d.count("wrong clocks", 1)
	}
	return d, nil
}

func (d *Deployment) runWithError(ctx context.Context, replicas []*replica, c clockError, periods int) error {
	affected := replicas[:1]
	if c.both {
		affected = replicas
	}
	for _, r := range affected {
		r.setSkew(c.by)
	}
	if err := awaitSweeps(ctx, replicas); err != nil {
		return err
	}
	warned := ""
	if c.by.Abs() >= clock.DoubtfulFrom {
		warned = "the clock is"
	}
	if err := awaitReadiness(ctx, affected, http.StatusOK, warned); err != nil {
		return err
	}
	if !c.forGood {
		for _, r := range affected {
			r.setSkew(0)
		}
	}
	for range periods {
		d.StartPeriod()
		if err := d.Recover(ctx); err != nil {
			return err
		}
		if err := d.verifyDates(ctx); err != nil {
			return err
		}
	}
	for _, r := range affected {
		r.setSkew(0)
	}
	return awaitSweeps(ctx, replicas)
}

// awaitSweeps waits until every replica has begun and ended a sweep.
func awaitSweeps(ctx context.Context, replicas []*replica) error {
	marks := make([]int, len(replicas))
	for i, r := range replicas {
		marks[i] = r.sendMark()
	}
	// A sweep that had begun before the mark ends as the first, so the one after it is the one that counts.
	return await(ctx, "sweeps", func(context.Context) (bool, error) {
		for i, r := range replicas {
			if r.sweepsSince(marks[i]) < 2 {
				return false, nil
			}
		}
		return true, nil
	})
}

// verifyDates checks that the life of every grant, and the time of its next renewal, are counted from when Microsoft issued it.
func (d *Deployment) verifyDates(ctx context.Context) error {
	for _, tenantID := range d.tenants {
		if err := d.verifyGrant(ctx, tenantID, token.Active); err != nil {
			return fmt.Errorf("tenant %s: %w", tenantID, err)
		}
		schedule, err := d.store.Schedule(ctx, tenantID)
		if err != nil {
			return err
		}
		left := schedule.DueAt.Sub(d.clock.Now())
		if left <= 0 || left > every+jitter || schedule.Failure != nil {
			return fmt.Errorf("tenant %s is due in %s with the failure %v, want within %s, and none", tenantID, left, schedule.Failure, every+jitter)
		}
	}
	return nil
}
