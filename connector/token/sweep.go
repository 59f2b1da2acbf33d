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
// number of replicas may sweep at once: each claims tenants of its own, a few more than it has workers. When ctx ends it
// gives back what it has not begun, lets what it has begun finish within its grace, and gives back the rest.
// A tenant's failure is in its status and in the log, not in the error.
func (s *Service) Sweep(ctx context.Context) error {
	queue := make(chan Claim, s.cfg.Workers)
	var workers errgroup.Group
	for range s.cfg.Workers {
		workers.Go(func() error {
			for c := range queue {
				s.renewClaimed(ctx, c)
			}
			return nil
		})
	}
	err := s.claimDue(ctx, queue)
	close(queue)
	return errors.Join(err, workers.Wait())
}

// claimDue puts what is due into queue, batch by batch, each tenant when its turn has come. Whatever becomes of a claim,
// its tenant is not due any more, or not before its lease has run out: so there is an end.
func (s *Service) claimDue(ctx context.Context, queue chan<- Claim) error {
	for ctx.Err() == nil {
		now := s.cfg.Now()
		claims, err := s.claim(ctx, now)
		if err != nil && ctx.Err() != nil {
			return ctx.Err() // that is why
		}
		if err != nil || len(claims) == 0 {
			return err
		}
		for _, c := range s.admitted(ctx, now, claims) {
			if wait := s.pace.turn(c.Cloud, s.cfg.Now()); wait > 0 {
				_ = s.cfg.Wait(ctx, wait) // when ctx has ended, the worker gives the claim back
			}
			queue <- c
		}
	}
	return ctx.Err()
}

// claim claims the next batch. A claim that was cut off when the process stops might be stored all the same, and held by
// nobody until its leases run out.
func (s *Service) claim(ctx context.Context, now time.Time) ([]Claim, error) {
	ctx, cancel := s.untilStopped(ctx, s.cfg.Lease)
	defer cancel()
	claims, err := s.cfg.Store.Claim(ctx, s.cfg.Owner+"/"+random.ID(), now, now.Add(s.cfg.Lease), s.batch())
	if err != nil {
		return nil, fmt.Errorf("claiming due tenants: %w", err)
	}
	return claims, nil
}

// batch is how many tenants are claimed at once: as many as there are workers, unless they would wait too long.
func (s *Service) batch() int {
	if s.cfg.PerCloud == 0 {
		return s.cfg.Workers
	}
	within := float64(s.cfg.PerCloud) * s.cfg.Lease.Minutes() / (heldShare * batchesHeld)
	return max(1, min(s.cfg.Workers, int(within)))
}

// admitted returns those claims whose cloud and directory may be asked now, and puts the others off.
func (s *Service) admitted(ctx context.Context, now time.Time, claims []Claim) []Claim {
	admitted := make([]Claim, 0, len(claims))
	later := map[time.Time][]Claim{}
	for _, c := range claims {
		if due := s.notBefore(c, now); due.IsZero() {
			admitted = append(admitted, c)
		} else {
			later[due] = append(later[due], c)
		}
	}
	for due, off := range later {
		s.putOff(ctx, now, due, off...)
	}
	return admitted
}

// notBefore returns until when the tenant of c has to wait, zero when it need not. It takes the directory's turn.
func (s *Service) notBefore(c Claim, now time.Time) time.Time {
	if until := s.pace.held(c.Cloud, now, c.ExpiresAt); !until.IsZero() {
		return s.spread(now, until)
	}
	if wait := s.pace.turnOf(c.Cloud, c.DirectoryID, now); wait > 0 {
		return now.Add(wait)
	}
	return time.Time{}
}

// spread returns a time at or after until, so that not all come back at once who wait for it.
func (s *Service) spread(now, until time.Time) time.Time {
	return until.Add(time.Duration(s.cfg.Rand() * float64(min(spread, until.Sub(now)))))
}

// putOff makes claims of one batch due later and gives them back. Where that fails their leases run out.
func (s *Service) putOff(ctx context.Context, now, due time.Time, claims ...Claim) bool {
	ids := make([]string, len(claims))
	for i, c := range claims {
		ids[i] = c.TenantID
	}
	if err := s.cfg.Store.PutOff(context.WithoutCancel(ctx), ids, claims[0].LeaseOwner, now, due); err != nil {
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

// renewClaimed renews a tenant that a sweep has claimed, and gives it back.
func (s *Service) renewClaimed(ctx context.Context, c Claim) {
	now := s.cfg.Now()
	left := c.LeaseUntil.Sub(now)
	if ctx.Err() != nil || left < s.cfg.Lease/2 {
		s.release(ctx, c.TenantID, c.LeaseOwner) // not begun; whoever claims it next has the time
		return
	}
	if until := s.pace.held(c.Cloud, now, c.ExpiresAt); !until.IsZero() {
		s.putOff(ctx, now, s.spread(now, until), c) // it was told so since this was claimed
		return
	}
	ctx = failure.WithReference(ctx, random.Reference())
	calls, cancel := s.untilStopped(ctx, left-s.cfg.Lease/5)
	defer cancel()
	err := s.renewDue(calls, c)
	switch {
	case err == nil:
	case errors.Is(err, errStopped):
		s.cfg.Log.InfoContext(ctx, "renewal given back, because the process stops", "tenant", c.TenantID)
	default:
		s.cfg.Log.ErrorContext(ctx, "renewal failed", "tenant", c.TenantID, "kind", failure.From(err).Kind(),
			"reference", failure.Reference(ctx), "err", err)
		// What was written down has moved the tenant's time already.
		if now := s.cfg.Now(); !s.putOff(ctx, now, now.Add(unrecordedAfter), c) {
			return
		}
	}
	s.cfg.Step(BeforeRelease)
	s.release(ctx, c.TenantID, c.LeaseOwner)
}

func (s *Service) renewDue(ctx context.Context, c Claim) error {
	p, err := s.party(ctx, c.TenantID)
	if err != nil {
		return err
	}
	err = s.redeemLeased(ctx, p, c.Schedule, audit.Actor{Kind: audit.Scheduler, Name: "renewal"}, scheduled)
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
