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
	// unrecordedAfter is how long a tenant is put off whose renewal failed without being written down, such as one whose
	// grant does not open: it must not keep the others from their turn.
	unrecordedAfter = 15 * time.Minute
	// spread is over how long those at most come back who were put off together.
	spread = 15 * time.Minute
	// What is claimed may wait for its turn in its cloud for a heldShare'th of its lease, with batchesHeld batches at
	// most before it: one in hand, one in the queue, one with the workers.
	heldShare   = 4
	batchesHeld = 3
)

// errStopped ends renewals that still run when a process that stops has waited long enough for them.
var errStopped = errors.New("the process stops")

// Sweep renews every tenant that is due, least slack first, and returns when nothing is due that nobody holds. Any
// number of replicas may sweep at once: each jobs tenants of its own, a few more than it has workers. When ctx ends it
// gives back what it has not begun, lets what it has begun finish within its grace, and gives back the rest.
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

// enqueueDue puts what is due into queue, batch by batch, each tenant when its turn has come. Whatever becomes of a claim,
// its tenant is not due any more, or not before its lease has run out: so there is an end.
func (s *Service) enqueueDue(ctx context.Context, queue chan<- Job) error {
	for ctx.Err() == nil {
		now := s.cfg.Now()
		jobs, err := s.leaseDue(ctx, now)
		if err != nil && ctx.Err() != nil {
			return ctx.Err() // that is why
		}
		if err != nil || len(jobs) == 0 {
			return err
		}
		for _, job := range s.admitted(ctx, now, jobs) {
			if wait := s.pace.turn(job.Cloud, s.cfg.Now()); wait > 0 {
				_ = s.cfg.Wait(ctx, wait) // when ctx has ended, the worker gives the claim back
			}
			queue <- job
		}
	}
	return ctx.Err()
}

// claim jobs the next batch. A claim that was cut off when the process stops might be stored all the same, and held by
// nobody until its leases run out.
func (s *Service) leaseDue(ctx context.Context, now time.Time) ([]Job, error) {
	ctx, cancel := s.untilStopped(ctx, s.cfg.Lease)
	defer cancel()
	jobs, err := s.cfg.Store.LeaseDue(ctx, s.cfg.Owner+"/"+random.ID(), now, now.Add(s.cfg.Lease), s.batch())
	if err != nil {
		return nil, fmt.Errorf("leasing due tenants: %w", err)
	}
	return jobs, nil
}

// batch is how many tenants are claimed at once: as many as there are workers, unless they would wait too long.
func (s *Service) batch() int {
	if s.cfg.PerCloud == 0 {
		return s.cfg.Workers
	}
	within := float64(s.cfg.PerCloud) * s.cfg.Lease.Minutes() / (heldShare * batchesHeld)
	return max(1, min(s.cfg.Workers, int(within)))
}

// admitted returns those jobs whose cloud and directory may be asked now, and puts the others off.
func (s *Service) admitted(ctx context.Context, now time.Time, jobs []Job) []Job {
	admitted := make([]Job, 0, len(jobs))
	later := map[time.Time][]Job{}
	for _, job := range jobs {
		if due := s.notBefore(job, now); due.IsZero() {
			admitted = append(admitted, job)
		} else {
			later[due] = append(later[due], job)
		}
	}
	for due, off := range later {
		s.putOff(ctx, now, due, off...)
	}
	return admitted
}

// notBefore returns until when the tenant of c has to wait, zero when it need not. It takes the directory's turn.
func (s *Service) notBefore(job Job, now time.Time) time.Time {
	if until := s.pace.held(job.Cloud, now, job.ExpiresAt); !until.IsZero() {
		return s.spread(now, until)
	}
	if wait := s.pace.turnOf(job.Cloud, job.DirectoryID, now); wait > 0 {
		return now.Add(wait)
	}
	return time.Time{}
}

// spread returns a time at or after until, so that not all come back at once who wait for it.
func (s *Service) spread(now, until time.Time) time.Time {
	return until.Add(time.Duration(s.cfg.Rand() * float64(min(spread, until.Sub(now)))))
}

// putOff makes jobs of one batch due later and gives them back. Where that fails their leases run out.
func (s *Service) putOff(ctx context.Context, now, due time.Time, jobs ...Job) bool {
	ids := make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.TenantID
	}
	if err := s.cfg.Store.PutOff(context.WithoutCancel(ctx), ids, jobs[0].LeaseOwner, now, due); err != nil {
		s.cfg.Log.ErrorContext(ctx, "putting off renewals", "tenants", len(ids), "err", err)
		return false
	}
	s.cfg.Log.DebugContext(ctx, "renewals put off", "tenants", len(ids), "until", due)
	return true
}

// release gives a lease back, also when the caller is gone.
func (s *Service) release(ctx context.Context, tenantID, owner string) {
	if err := s.cfg.Store.Release(context.WithoutCancel(ctx), tenantID, owner); err != nil {
		s.cfg.Log.ErrorContext(ctx, "releasing renewal", "tenant", tenantID, "err", err)
	}
}

// renewLeased renews a tenant that a sweep has claimed, and gives it back.
func (s *Service) renewLeased(ctx context.Context, job Job) {
	now := s.cfg.Now()
	left := job.LeaseUntil.Sub(now)
	if ctx.Err() != nil || left < s.cfg.Lease/2 {
		s.release(ctx, job.TenantID, job.LeaseOwner) // not begun; whoever jobs it next has the time
		return
	}
	if until := s.pace.held(job.Cloud, now, job.ExpiresAt); !until.IsZero() {
		s.putOff(ctx, now, s.spread(now, until), job) // it was told so since this was claimed
		return
	}
	ctx = failure.WithReference(ctx, random.Reference())
	calls, cancel := s.untilStopped(ctx, left-s.cfg.Lease/5)
	defer cancel()
	err := s.renewDue(calls, job)
	switch {
	case err == nil:
	case errors.Is(err, errStopped):
		s.cfg.Log.InfoContext(ctx, "renewal given back, because the process stops", "tenant", job.TenantID)
	default:
		s.cfg.Log.ErrorContext(ctx, "renewal failed", "tenant", job.TenantID, "kind", failure.From(err).Kind(),
			"reference", failure.Reference(ctx), "err", err)
		// What was written down has moved the tenant's time already.
		if now := s.cfg.Now(); !s.putOff(ctx, now, now.Add(unrecordedAfter), job) {
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

// untilStopped returns a context for the calls of a renewal. It outlives ctx, since what Microsoft answers must be
// stored and a request that was cut off would be written down as trouble that there was not; but no longer than the
// grace, and then its cause is errStopped.
func (s *Service) untilStopped(ctx context.Context, patience time.Duration) (context.Context, context.CancelFunc) {
	patient, end := context.WithTimeout(context.WithoutCancel(ctx), patience)
	calls, stop := context.WithCancelCause(patient)
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
