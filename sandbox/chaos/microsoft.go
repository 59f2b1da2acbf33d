package chaos

import (
	"context"
	"fmt"
	"time"

	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/microsoft"
)

const (
	outage = 3 * 24 * time.Hour
	hour   = time.Hour
	// attemptsInOutage is how often a tenant may be tried in three days: after 15 minutes, 1, 4, 24, 48 and 72 hours, and
	// once more when an hour's step coincides with another.
	attemptsInOutage = 8
)

// microsoftOutage takes the identity platform away for three days, in which every tenant becomes due, and brings it back.
func microsoftOutage(ctx context.Context, e *Env, _ Scale) (*Deployment, error) {
	d, err := e.deploy(ctx, spec{name: "outage", tenants: 24})
	if err != nil {
		return nil, err
	}
	if _, err := d.startReplicas(ctx, 2, healthy); err != nil {
		return d, err
	}
	d.Microsoft.AddFault(microsoft.Unavailable(microsoft.Login))
	d.StartPeriod()
	for range int(outage / hour) {
		if err := d.AwaitRenewals(ctx); err != nil {
			return d, err
		}
		d.Advance(hour)
	}
	if err := d.verifyFailing(ctx, attemptsInOutage); err != nil {
		return d, err
	}
	d.Microsoft.ClearFaults()
	err = d.Recover(ctx)
	return d, err
}

// verifyFailing checks that every tenant's status says that renewal fails, and that none was tried too often.
func (d *Deployment) verifyFailing(ctx context.Context, most int) error {
	for _, tenantID := range d.tenants {
		schedule, err := d.store.Schedule(ctx, tenantID)
		if err != nil {
			return err
		}
		d.count("attempts that failed", schedule.Attempt)
		if schedule.Failure == nil || schedule.Attempt == 0 || schedule.Attempt > most {
			return fmt.Errorf("tenant %s was tried %d times, failure %v: want 1 to %d attempts and a failure", tenantID, schedule.Attempt, schedule.Failure, most)
		}
	}
	return nil
}

// retryAfter is how long Microsoft asks to wait: much longer than the first wait after a failure.
const retryAfter = 12 * time.Hour

// microsoftThrottling has Microsoft throttle everybody for half a day at a time, and checks that nobody asks it before
// the end of that: neither the tenants that it told so nor any other of the cloud.
func microsoftThrottling(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	l := spec{name: "throttled", tenants: 24, workers: 4}
	d, err := e.deploy(ctx, l)
	if err != nil {
		return nil, err
	}
	replicas, err := d.startReplicas(ctx, 2, healthy)
	if err != nil {
		return d, err
	}
	for range s.Periods {
		d.Microsoft.AddFault(microsoft.Throttled(microsoft.Login, fmt.Sprint(int(retryAfter/time.Second))))
		d.StartPeriod()
		began := d.clock.Now()
		if err := d.AwaitRenewals(ctx); err != nil {
			return d, err
		}
		// A replica is told once by each worker that is asking at that moment, and never again.
		if err := d.verifyDeferred(ctx, began, len(replicas)*l.workers); err != nil {
			return d, err
		}
		d.Microsoft.ClearFaults()
		if err := d.Recover(ctx); err != nil {
			return d, err
		}
	}
	return d, nil
}

// verifyDeferred checks that nobody is due before Microsoft wants to be asked, and that few were tried at all.
func (d *Deployment) verifyDeferred(ctx context.Context, began time.Time, most int) error {
	attempts := 0
	for _, tenantID := range d.tenants {
		schedule, err := d.store.Schedule(ctx, tenantID)
		if err != nil {
			return err
		}
		attempts += schedule.Attempt
		if schedule.Attempt > 1 || schedule.DueAt.Before(began.Add(retryAfter)) {
			return fmt.Errorf("tenant %s is due at %s after %d attempts: want at most 1 attempt, and none before %s",
				tenantID, schedule.DueAt, schedule.Attempt, began.Add(retryAfter))
		}
	}
	d.count("attempts that failed", attempts)
	d.count("tenants that were not even tried", len(d.tenants)-attempts)
	if attempts == 0 || attempts > most {
		return fmt.Errorf("%d tenants were tried while Microsoft throttles: want 1 to %d", attempts, most)
	}
	return nil
}

// responsesLost lets Microsoft issue successors whose responses never arrive, in full or in part.
func responsesLost(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	d, err := e.deploy(ctx, spec{name: "responses-lost", tenants: 24})
	if err != nil {
		return nil, err
	}
	if _, err := d.startReplicas(ctx, 2, healthy); err != nil {
		return d, err
	}
	for n := range s.Periods {
		lost := microsoft.Fault{Host: microsoft.Login, GrantType: "refresh_token", AfterProcessing: true, Reset: true, Skip: anyOf(8), Times: 24}
		if n%2 == 1 {
			lost.Reset, lost.Truncate = false, true
		}
		d.Microsoft.AddFault(lost)
		d.StartPeriod()
		if err := d.AwaitRenewals(ctx); err != nil {
			return d, err
		}
		d.endFaults("responses lost")
		if err := d.Recover(ctx); err != nil {
			return d, err
		}
	}
	return d, nil
}

// endFaults counts the requests that met a fault, and ends all faults.
func (d *Deployment) endFaults(figure string) {
	d.Microsoft.ClearFaults()
	for _, request := range d.Microsoft.Requests() {
		if request.Faulty {
			d.count(figure, 1)
		}
	}
	d.Microsoft.ForgetRequests()
}

const (
	// skew is how far the clocks of the first and the last replica are from the harness's. It is more than a lease, so
	// the lease of one has expired for another from the start.
	skew = 150 * time.Second
	// responsesHeld is how many tenants' responses are late in each period: fewer than there are replicas, since each may
	// keep one replica's sweep from ending.
	responsesHeld = 2
)

// clockSkew runs replicas whose clocks are five minutes apart, with responses of Microsoft that arrive only after the
// lease has expired and another replica has renewed. In every other period Microsoft has issued the successor before.
func clockSkew(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	d, err := e.deploy(ctx, spec{name: "clocks", tenants: 24})
	if err != nil {
		return nil, err
	}
	if _, err := d.startReplicas(ctx, 3, func(i int) replicaOptions { return replicaOptions{skew: time.Duration(i-1) * skew} }); err != nil {
		return d, err
	}
	for n := range s.Periods {
		if err := d.holdResponses(ctx, n%2 == 1); err != nil {
			return d, err
		}
		if err := d.Recover(ctx); err != nil {
			return d, err
		}
	}
	return d, nil
}

// holdResponses starts a period and keeps the responses of some tenants until others have renewed them.
func (d *Deployment) holdResponses(ctx context.Context, issued bool) error {
	held := make(chan struct{})
	first := anyOf(len(d.directories))
	for i := range responsesHeld {
		d.Microsoft.AddFault(microsoft.Fault{
			Host: microsoft.Login, GrantType: "refresh_token", Directory: d.directories[(first+i)%len(d.directories)], Times: 1,
			AfterProcessing: issued, Hold: held,
		})
	}
	released := d.released()
	d.StartPeriod()
	err := await(ctx, "all but the held renewals", func(context.Context) (bool, error) {
		return d.inFlight() == responsesHeld && d.released()-released >= len(d.tenants)-responsesHeld, nil
	})
	if err == nil {
		d.Advance(lease + 2*skew + time.Second) // by everybody's clock no lease of theirs is valid any more
		err = d.AwaitRenewals(ctx)
	}
	close(held)
	if err != nil {
		return err
	}
	if err := await(ctx, "late responses", func(context.Context) (bool, error) { return d.inFlight() == 0, nil }); err != nil {
		return err
	}
	d.endFaults("responses that came after another replica had renewed")
	return nil
}

// released returns how many renewals running replicas have ended.
func (d *Deployment) released() int {
	n := 0
	for _, r := range d.running() {
		n += r.reached(token.BeforeRelease)
	}
	return n
}
