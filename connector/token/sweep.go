package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
)

const (
	// unrecordedAfter is how long a tenant is postponed whose renewal failed without an outcome being stored, for example
	// because its grant does not open: it must not delay the others.
	unrecordedAfter = 15 * time.Minute
	// spread is the longest time over which tenants come back that were postponed together.
	spread = 15 * time.Minute
	// A leased tenant may wait for the rate limit of its cloud for 1/waitShare of its lease, with at most batchesAhead
	// batches before it: one in hand, one in the queue, one with the workers.
	waitShare    = 4
	batchesAhead = 3
)

// errStopped ends renewals that still run when a stopping process has waited long enough for them.
var errStopped = errors.New("the process stops")

// Sweep renews every tenant that is due, least slack first, and returns when nothing is due that is not leased. Any number
// of replicas may sweep at once: each leases tenants of its own, a few more than it has workers. When ctx ends, Sweep gives
// back the tenants that it has not begun, lets the others finish within Grace, and gives back the rest.
// A tenant's failure is in its status and in the log, not in the error.
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

// enqueueDue leases due tenants batch by batch and queues each one when its cloud's rate limit allows it. However a job
// ends, its tenant is not due any more, or not before its lease has run out: so the loop ends.
func (s *Service) enqueueDue(ctx context.Context, queue chan<- Job) error {
	for ctx.Err() == nil {
		now := s.cfg.Now()
		jobs, err := s.leaseDue(ctx, now)
		if err != nil && ctx.Err() != nil {
			return ctx.Err() // the cause of err
		}
		if err != nil || len(jobs) == 0 {
			return err
		}
		for _, job := range s.admitted(ctx, now, jobs) {
			if wait := s.limiter.reserve(job.Cloud, s.cfg.Now()); wait > 0 {
				_ = s.cfg.Wait(ctx, wait) // when ctx has ended, the worker gives the job back
			}
			queue <- job
		}
	}
	return ctx.Err()
}

// leaseDue leases the next batch. It outlives ctx, because leases that are stored although the caller is gone would block
// their tenants until they run out.
func (s *Service) leaseDue(ctx context.Context, now time.Time) ([]Job, error) {
	ctx, cancel := s.untilStopped(ctx, s.cfg.Lease)
	defer cancel()
	jobs, err := s.cfg.Store.LeaseDue(ctx, s.cfg.Owner+"/"+random.ID(), now, now.Add(s.cfg.Lease), s.batchSize())
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

// admitted returns those jobs whose cloud and directory may be asked now, and postpones the others.
func (s *Service) admitted(ctx context.Context, now time.Time, jobs []Job) []Job {
	admitted := make([]Job, 0, len(jobs))
	postponed := map[time.Time][]Job{} // due time → jobs
	for _, job := range jobs {
		if due := s.notBefore(job, now); due.IsZero() {
			admitted = append(admitted, job)
		} else {
			postponed[due] = append(postponed[due], job)
		}
	}
	for due, of := range postponed {
		s.postpone(ctx, now, due, of...)
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

// spread returns a time at or after until, so that tenants that wait for it do not all come back at once.
func (s *Service) spread(now, until time.Time) time.Time {
	return until.Add(time.Duration(s.cfg.Rand() * float64(min(spread, until.Sub(now)))))
}

// postpone makes jobs of one batch due later and gives their leases back. If it fails, the leases run out.
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

// release gives a lease back, even when the caller is gone.
func (s *Service) release(ctx context.Context, tenantID, owner string) {
	if err := s.cfg.Store.Release(context.WithoutCancel(ctx), tenantID, owner); err != nil {
		s.cfg.Log.ErrorContext(ctx, "releasing the lease of a renewal failed", "tenant", tenantID, "err", err)
	}
}

// renewLeased renews a tenant that a sweep has leased, and gives the lease back.
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
	calls, cancel := s.untilStopped(ctx, left-s.cfg.Lease/5)
	defer cancel()
	err := s.renewDue(calls, job)
	switch {
	case err == nil:
	case errors.Is(err, errStopped):
		s.cfg.Log.InfoContext(ctx, "renewal given back because the process stops", "tenant", job.TenantID)
	default:
		s.cfg.Log.ErrorContext(ctx, "renewal failed", "tenant", job.TenantID, "kind", failure.From(err).Kind(),
			"reference", failure.Reference(ctx), "err", err)
		// A stored outcome has moved the due time already, and then this does nothing.
		if now := s.cfg.Now(); !s.postpone(ctx, now, now.Add(unrecordedAfter), job) {
			return
		}
	}
	s.cfg.Step(BeforeRelease)
	s.release(ctx, job.TenantID, job.LeaseOwner)
}

func (s *Service) renewDue(ctx context.Context, job Job) error {
	r, err := tenant.Resolve(ctx, s.cfg.Store, job.TenantID)
	if err != nil {
		return err
	}
	err = s.redeemLeased(ctx, r, job.Schedule, audit.Actor{Kind: audit.Scheduler, Name: "renewal"}, scheduled)
	if !errors.Is(err, errStopped) {
		s.observe(audit.GrantRenewed, err)
	}
	return err
}

// untilStopped returns a context for the calls of a renewal, which ends after limit. It outlives ctx by up to Grace, and then
// ends with the cause errStopped: what Microsoft answers must be stored, and a request that was cut off would be recorded as
// a failure that there was not.
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
