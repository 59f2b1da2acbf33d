package torture

import (
	"context"
	"fmt"
	"time"

	"azure-partner-connector/sandbox/microsoft"
)

const (
	outage = 3 * 24 * time.Hour
	hour   = time.Hour
	// triesInOutage is how often a tenant may be tried in three days: after 15 minutes, 1, 4, 24, 48 and 72 hours, and
	// once more when an hour's step falls together with another.
	triesInOutage = 8
)

// microsoftDown takes the identity platform away for three days, in which everybody's time comes, and gives it back.
func microsoftDown(ctx context.Context, g *Ground, _ Scale) (*Rig, error) {
	r, err := g.newRig(ctx, layout{name: "outage", tenants: 24})
	if err != nil {
		return nil, err
	}
	if _, err := r.seat(ctx, 2, func(int) wish { return wish{} }); err != nil {
		return r, err
	}
	r.Microsoft.AddFault(microsoft.Unavailable(microsoft.Login))
	r.Period()
	for range int(outage / hour) {
		if err := r.Settle(ctx); err != nil {
			return r, err
		}
		r.Advance(hour)
	}
	if err := r.failing(ctx, triesInOutage); err != nil {
		return r, err
	}
	r.Microsoft.ClearFaults()
	err = r.Heal(ctx)
	return r, err
}

// failing checks that every tenant says that renewal fails, and that none was tried too often.
func (r *Rig) failing(ctx context.Context, most int) error {
	for _, tenantID := range r.tenants {
		schedule, err := r.store.Schedule(ctx, tenantID)
		if err != nil {
			return err
		}
		r.count("tries that failed", schedule.Attempt)
		if schedule.Failure == nil || schedule.Attempt == 0 || schedule.Attempt > most {
			return fmt.Errorf("tenant %s was tried %d times, failure %v: want 1 to %d tries and a failure", tenantID, schedule.Attempt, schedule.Failure, most)
		}
	}
	return nil
}

// throttledFor is what Microsoft asks to be left alone for: much longer than the first wait after a failure.
const throttledFor = 12 * time.Hour

// throttled has Microsoft answer nobody for half a day at a time, and checks that it is left alone for so long: by the
// tenants that it told so, and by all others of the cloud.
func throttled(ctx context.Context, g *Ground, s Scale) (*Rig, error) {
	l := layout{name: "throttled", tenants: 24, workers: 4}
	r, err := g.newRig(ctx, l)
	if err != nil {
		return nil, err
	}
	seats, err := r.seat(ctx, 2, func(int) wish { return wish{} })
	if err != nil {
		return r, err
	}
	for range s.Periods {
		r.Microsoft.AddFault(microsoft.Throttled(microsoft.Login, fmt.Sprint(int(throttledFor/time.Second))))
		r.Period()
		began := r.clock.Now()
		if err := r.Settle(ctx); err != nil {
			return r, err
		}
		// A replica whose workers are all asking at that moment is told so often, and never again.
		if err := r.waiting(ctx, began, len(seats)*l.workers); err != nil {
			return r, err
		}
		r.Microsoft.ClearFaults()
		if err := r.Heal(ctx); err != nil {
			return r, err
		}
	}
	return r, nil
}

// waiting checks that nobody is tried again before Microsoft wants to be asked, and that few were tried at all.
func (r *Rig) waiting(ctx context.Context, began time.Time, most int) error {
	tries := 0
	for _, tenantID := range r.tenants {
		schedule, err := r.store.Schedule(ctx, tenantID)
		if err != nil {
			return err
		}
		tries += schedule.Attempt
		if schedule.Attempt > 1 || schedule.DueAt.Before(began.Add(throttledFor)) {
			return fmt.Errorf("tenant %s is due at %s after %d tries: want at most 1 try, and none before %s", tenantID, schedule.DueAt, schedule.Attempt, began.Add(throttledFor))
		}
	}
	r.count("tries that failed", tries)
	r.count("tenants that were not even tried", len(r.tenants)-tries)
	if tries == 0 || tries > most {
		return fmt.Errorf("%d tenants were tried while Microsoft throttles: want 1 to %d", tries, most)
	}
	return nil
}

// answersLost lets Microsoft issue successors whose answers never arrive, whole or in part.
func answersLost(ctx context.Context, g *Ground, s Scale) (*Rig, error) {
	r, err := g.newRig(ctx, layout{name: "answers-lost", tenants: 24})
	if err != nil {
		return nil, err
	}
	if _, err := r.seat(ctx, 2, func(int) wish { return wish{} }); err != nil {
		return r, err
	}
	for n := range s.Periods {
		lost := microsoft.Fault{Host: microsoft.Login, GrantType: "refresh_token", AfterProcessing: true, Reset: true, Skip: anyOf(8), Times: 24}
		if n%2 == 1 {
			lost.Reset, lost.Truncate = false, true
		}
		r.Microsoft.AddFault(lost)
		r.Period()
		if err := r.Settle(ctx); err != nil {
			return r, err
		}
		r.countFaulty("answers lost")
		if err := r.Heal(ctx); err != nil {
			return r, err
		}
	}
	return r, nil
}

// clocksApart runs replicas whose clocks are five minutes apart, longer than a lease lasts, with an answer of Microsoft
// now and then so late that the others must take its replica for dead.
func clocksApart(ctx context.Context, g *Ground, s Scale) (*Rig, error) {
	r, err := g.newRig(ctx, layout{name: "clocks", tenants: 24})
	if err != nil {
		return nil, err
	}
	if _, err := r.seat(ctx, 3, func(seat int) wish { return wish{skew: time.Duration(seat-1) * 150 * time.Second} }); err != nil {
		return r, err
	}
	for range s.Periods {
		r.Microsoft.AddFault(microsoft.Fault{Host: microsoft.Login, GrantType: "refresh_token", Delay: 2 * time.Second, Skip: anyOf(8), Times: 24})
		r.Period()
		if err := r.Heal(ctx); err != nil {
			return r, err
		}
		r.countFaulty("answers delayed")
	}
	return r, nil
}

// countFaulty counts the requests that met a fault, and ends all faults.
func (r *Rig) countFaulty(what string) {
	r.Microsoft.ClearFaults()
	for _, request := range r.Microsoft.Requests() {
		if request.Faulty {
			r.count(what, 1)
		}
	}
	r.Microsoft.ForgetRequests()
}
