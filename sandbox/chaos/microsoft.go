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

// microsoftOutage makes the identity platform unavailable for three days, in which every tenant becomes due.
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

// verifyFailing checks that every tenant has a failure and at most the given number of attempts.
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

// microsoftThrottling makes Microsoft throttle all requests for half a day at a time, and checks that no tenant of the
// cloud is renewed before the end of that, whether its own request was throttled or not.
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
		// At most one request of each worker is throttled, because a replica stops sending after the first such answer.
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

// verifyDeferred checks that no tenant is due before the end of Retry-After, and that at most the given number were tried.
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
	d.count("tenants that were not tried", len(d.tenants)-attempts)
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
	// skew is the difference between the harness's clock and those of the first and the last replica. It is longer than a
	// lease, so for one of them the leases of the other have always expired.
	skew = 150 * time.Second
	// lateResponses is how many tenants' responses are delayed in each period: fewer than there are replicas, since each
	// may keep one replica's sweep from ending.
	lateResponses = 2
)

// clockSkew runs replicas whose clocks are five minutes apart, with responses of Microsoft that arrive only after the
// lease has expired and another replica has renewed. In every other period, Microsoft issues the successor before it delays
// the response.
func clockSkew(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	d, err := e.deploy(ctx, spec{name: "clocks", tenants: 24})
	if err != nil {
		return nil, err
	}
	if _, err := d.startReplicas(ctx, 3, func(i int) replicaOptions { return replicaOptions{skew: time.Duration(i-1) * skew} }); err != nil {
		return d, err
	}
	for n := range s.Periods {
		if err := d.delayResponses(ctx, n%2 == 1); err != nil {
			return d, err
		}
		if err := d.Recover(ctx); err != nil {
			return d, err
		}
	}
	return d, nil
}

// delayResponses starts a period and delays the responses for some tenants until other replicas have renewed them.
func (d *Deployment) delayResponses(ctx context.Context, issued bool) error {
	release := make(chan struct{})
	first := anyOf(len(d.directories))
	for i := range lateResponses {
		d.Microsoft.AddFault(microsoft.Fault{
			Host: microsoft.Login, GrantType: "refresh_token", Directory: d.directories[(first+i)%len(d.directories)], Times: 1,
			AfterProcessing: issued, Hold: release,
		})
	}
	released := d.released()
	d.StartPeriod()
	err := await(ctx, "all but the delayed renewals", func(context.Context) (bool, error) {
		return d.inFlight() == lateResponses && d.released()-released >= len(d.tenants)-lateResponses, nil
	})
	if err == nil {
		d.Advance(lease + 2*skew + time.Second) // by now their leases have expired on every clock
		err = d.AwaitRenewals(ctx)
	}
	close(release)
	if err != nil {
		return err
	}
	if err := await(ctx, "late responses", func(context.Context) (bool, error) { return d.inFlight() == 0, nil }); err != nil {
		return err
	}
	d.endFaults("responses that came after another replica had renewed")
	return nil
}

// released returns how many renewals the running replicas have ended.
func (d *Deployment) released() int {
	n := 0
	for _, r := range d.running() {
		n += r.reached(token.BeforeRelease)
	}
	return n
}
