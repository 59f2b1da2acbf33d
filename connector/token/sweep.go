package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/trace"
)

const (
	// unrecordedAfter is how long a tenant is postponed whose renewal failed without an outcome being stored, for example
	// because its grant does not open: it must not delay the others.
	unrecordedAfter = 15 * time.Minute
	// suspendedAfter is how long a tenant is postponed that is not renewed while its subscription is suspended: so soon is it
	// renewed after its subscription was resumed.
	suspendedAfter = time.Hour
	// spread is the longest time between the new due times of tenants that are postponed until the same time.
	spread = 15 * time.Minute
	// waitShare is the divisor of the lease that gives how long a leased tenant may wait for the rate limit of its cloud.
	waitShare = 4
	// batchesAhead is how many batches may have to begin before a leased tenant: one that is being queued, one in the queue,
	// one with the workers.
	batchesAhead = 3
)

// errStopped is the cause of the cancellation of renewals that still run when the grace period of a stopping process ends.
var errStopped = errors.New("the process is stopping")

// errSuspended says that a renewal was not begun because the subscription is suspended.
var errSuspended = errors.New("the subscription is suspended")

// Sweep renews every tenant that is due, least slack first, and returns when nothing is due that is not leased. Any number
// of replicas may sweep at once: each leases tenants of its own, a few more than it has workers. When ctx ends, Sweep
// releases the tenants that it has not begun, lets the others finish within Grace, and releases the rest.
// A tenant's failure is in its status and in the log, not in the error. While our clock is known to be wrong, Sweep begins
// nothing: what it stored and compared would be wrong, too.
func (s *Service) Sweep(ctx context.Context) error {
	defer s.cfg.Step(SweepEnded)
	queue := make(chan Job, s.cfg.Workers)
	var workers errgroup.Group
	for range s.cfg.Workers {
		workers.Go(func() error {
			for job := range queue {
				s.renewLeased(ctx, job)
			}
			return nil
		})
	}
	err := s.enqueueDue(ctx, queue)
	close(queue)
	return errors.Join(err, workers.Wait())
}

// enqueueDue leases due tenants batch by batch and queues each one when its cloud's rate limit allows it. The loop ends
// because after a job, however it ended, its tenant is not due any more or stays leased.
func (s *Service) enqueueDue(ctx context.Context, queue chan<- Job) error {
	for ctx.Err() == nil {
		if s.cfg.Skew(ctx).Wrong() {
			return nil
		}
		pauses, err := s.Pauses(ctx)
		var jobs []Job
		if err == nil {
			jobs, err = s.leaseDue(ctx)
		}
		if err != nil && ctx.Err() != nil {
			return ctx.Err() // the cause of err
		}
		if err != nil || len(jobs) == 0 {
			return err
		}
		if s.cfg.Skew(ctx).Wrong() { // our clock was set since, and the tenants may be due by that alone
			for _, job := range jobs {
				s.release(ctx, job.TenantID, job.LeaseOwner)
			}
			return nil
		}
		for _, job := range s.admitted(ctx, s.cfg.Now(), jobs, pauses) {
			if wait := s.limiter.reserve(job.Cloud, s.cfg.Now()); wait > 0 {
				_ = s.cfg.Wait(ctx, wait) // when ctx has ended, the worker releases the tenant
			}
			queue <- job
		}
	}
	return ctx.Err()
}

// leaseDue leases the next batch. It continues after ctx has ended: if it were interrupted, leases could be stored that it
// does not know of, and block their tenants until they run out.
func (s *Service) leaseDue(ctx context.Context) (jobs []Job, err error) {
	ctx, cancel := s.untilStopped(ctx, s.cfg.Lease)
	defer cancel()
	err = clock.InTime(ctx, s.cfg.Now, s.cfg.Store.Transact, func(ctx context.Context, now time.Time) (err error) {
		jobs, err = s.cfg.Store.LeaseDue(ctx, s.cfg.Owner+"/"+random.ID(), now, now.Add(s.cfg.Lease), s.batchSize())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("leasing due tenants: %w", err)
	}
	return jobs, nil
}

// batchSize is how many tenants are leased at once: as many as there are workers, unless they would wait too long.
func (s *Service) batchSize() int {
	if s.cfg.PerCloud == 0 {
		return s.cfg.Workers
	}
	within := float64(s.cfg.PerCloud) * s.cfg.Lease.Minutes() / (waitShare * batchesAhead)
	return max(1, min(s.cfg.Workers, int(within)))
}

// admitted returns the jobs that pauses and the limits of their cloud and directory allow now, and postpones the others.
func (s *Service) admitted(ctx context.Context, now time.Time, jobs []Job, pauses []Pause) []Job {
	admitted := make([]Job, 0, len(jobs))
	postponed := map[time.Time][]Job{} // due time → jobs
	for _, job := range jobs {
		due := s.heldUntil(ctx, job, now, pauses)
		if due.IsZero() {
			due = s.notBefore(job, now)
		}
		if due.IsZero() {
			admitted = append(admitted, job)
		} else {
			postponed[due] = append(postponed[due], job)
		}
	}
	for due, group := range postponed {
		s.postpone(ctx, now, due, group...)
	}
	return admitted
}

// notBefore returns until when a job has to wait; zero when it may begin, for which it reserves a renewal of its directory.
func (s *Service) notBefore(job Job, now time.Time) time.Time {
	if until := s.limiter.pausedUntil(job.Cloud, now, job.ExpiresAt); !until.IsZero() {
		return s.spread(now, until)
	}
	if wait := s.limiter.reserveDirectory(job.Cloud, job.DirectoryID, now); wait > 0 {
		return now.Add(wait)
	}
	return time.Time{}
}

// spread returns a random time at or soon after until, so that tenants that wait for it are not all due at once.
func (s *Service) spread(now, until time.Time) time.Time {
	return until.Add(time.Duration(s.cfg.Rand() * float64(min(spread, until.Sub(now)))))
}

// postpone makes jobs of one batch due later and releases their leases. It reports whether that worked; if not, the leases
// run out.
func (s *Service) postpone(ctx context.Context, now, due time.Time, jobs ...Job) bool {
	ids := make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.TenantID
	}
	if err := s.cfg.Store.Postpone(context.WithoutCancel(ctx), ids, jobs[0].LeaseOwner, now, due); err != nil {
		s.cfg.Log.ErrorContext(ctx, "postponing renewals failed", "tenants", len(ids), "err", err)
		return false
	}
	s.cfg.Log.DebugContext(ctx, "renewals postponed", "tenants", len(ids), "until", due)
	return true
}

// release ends a lease, even when ctx has ended.
func (s *Service) release(ctx context.Context, tenantID, owner string) {
	if err := s.cfg.Store.Release(context.WithoutCancel(ctx), tenantID, owner); err != nil {
		s.cfg.Log.ErrorContext(ctx, "releasing the lease of a renewal failed", "tenant", tenantID, "err", err)
	}
}

// renewLeased renews a tenant that a sweep has leased, and releases the lease.
func (s *Service) renewLeased(ctx context.Context, job Job) {
	now := s.cfg.Now()
	left := job.LeaseUntil.Sub(now)
	if ctx.Err() != nil || left < s.cfg.Lease/2 {
		s.release(ctx, job.TenantID, job.LeaseOwner) // not begun, so that the next owner has a whole lease for it
		return
	}
	if until := s.limiter.pausedUntil(job.Cloud, now, job.ExpiresAt); !until.IsZero() {
		s.postpone(ctx, now, s.spread(now, until), job) // paused since the tenant was leased
		return
	}
	ctx = failure.WithReference(ctx, random.Reference())
	ctx, span := trace.Root(ctx, "renewal", trace.String("connector.tenant", job.TenantID), trace.String("connector.reference", failure.Reference(ctx)))
	calls, cancel := s.untilStopped(ctx, left-s.cfg.Lease/5)
	defer cancel()
	released, err := s.renewDue(calls, job)
	span.End(err)
	switch {
	case released:
		return // with the results of the checks
	case err == nil:
	case errors.Is(err, errSuspended):
		s.cfg.Log.DebugContext(ctx, "the subscription is suspended; not renewing", "tenant", job.TenantID)
		now := s.cfg.Now()
		s.postpone(ctx, now, now.Add(suspendedAfter), job)
		return
	case errors.Is(err, errStopped):
		s.cfg.Log.InfoContext(ctx, "renewal interrupted because the process is stopping; releasing its lease", "tenant", job.TenantID)
	default:
		if !errors.Is(err, errOvertaken) { // else redeemLeased has logged it
			f := failure.From(err)
			level := slog.LevelWarn // a first permanent failure has a record of its own
			if f.Kind() == failure.Internal {
				level = slog.LevelError
			}
			s.cfg.Log.Log(ctx, level, "renewal failed", "tenant", job.TenantID, "code", f.Code, "kind", f.Kind(), "reference", failure.Reference(ctx), "err", err)
		}
		// A stored outcome has moved the due time already, and then this does nothing.
		if now := s.cfg.Now(); !s.postpone(ctx, now, now.Add(unrecordedAfter), job) {
			return
		}
	}
	s.cfg.Step(BeforeRelease)
	s.release(ctx, job.TenantID, job.LeaseOwner)
}

// Sweeper is who renews in the events of a sweep.
func Sweeper() audit.Actor { return audit.Actor{Kind: audit.Scheduler, Name: "renewal"} }

// renewDue renews a leased tenant. released says that its lease was released, too.
func (s *Service) renewDue(ctx context.Context, job Job) (released bool, err error) {
	r, err := tenant.Resolve(ctx, s.cfg.Store, job.TenantID)
	if err != nil {
		return false, err
	}
	if s.renewable(r) != nil {
		return false, errSuspended
	}
	released, err = s.redeemLeased(ctx, r, job.Schedule, Sweeper(), scheduled)
	if !errors.Is(err, errStopped) {
		s.observe(audit.GrantRenewed, err)
	}
	return released, err
}

// untilStopped returns a context for the calls of a renewal, which ends after limit. It outlives ctx by up to Grace, because
// Microsoft's answer must be stored, and then ends with the cause errStopped, so that an interrupted request is not recorded
// as a failure.
func (s *Service) untilStopped(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	detached, end := context.WithTimeout(context.WithoutCancel(ctx), limit)
	calls, stop := context.WithCancelCause(detached)
	unhook := context.AfterFunc(ctx, func() {
		grace, over := context.WithTimeout(calls, s.cfg.Grace)
		defer over()
		<-grace.Done()
		stop(errStopped)
	})
	return calls, func() {
		unhook()
		stop(nil)
		end()
	}
}
