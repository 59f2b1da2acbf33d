package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
)

// never is the due time of a renewal that waits for a person to sign in again.
var never = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// Never returns the due time of a tenant whose renewal waits for a person to sign in again.
func Never() time.Time { return never }

// retryAfter are the waits after consecutive transient failures, plus or minus a tenth; the last one repeats. A renewal has
// 80 days of slack, so quick retries gain nothing (docs/reference/microsoft-identity.md §3.7).
var retryAfter = []time.Duration{15 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour}

const (
	// retryDaily is the wait after a failure that a change of settings repairs, or that a quick retry would repeat: short
	// enough to recover on the next day, long enough to never be a loop.
	retryDaily = 24 * time.Hour
	// minRetry is the shortest wait, however soon the grant expires.
	minRetry = 5 * time.Minute
)

// answerWithin limits calls that a caller waits for; we assume that the platform waits 25 seconds
// (docs/reference/aps-protocol.md §1.7).
const answerWithin = 20 * time.Second

// purpose is why a grant is redeemed.
type purpose int

const (
	scheduled purpose = iota
	onDemand
	check // record the results of the checks, and leave the schedule unchanged
)

// Renew renews a tenant's grant now and returns the status. The error says why the renewal failed; later statuses show the
// same failure. While the tenant is leased, it fails with renewal_running.
func (s *Service) Renew(ctx context.Context, tenantID string, by audit.Actor) (Status, error) {
	return s.redeem(ctx, tenantID, by, onDemand)
}

// Check uses a tenant's grant once with every api, records the results, and returns the status. The error says why Microsoft
// refused the grant itself.
func (s *Service) Check(ctx context.Context, tenantID string, by audit.Actor) (Status, error) {
	return s.redeem(ctx, tenantID, by, check)
}

// redeem redeems a tenant's grant, whatever its schedule says, and returns the resulting status.
func (s *Service) redeem(ctx context.Context, tenantID string, by audit.Actor, why purpose) (Status, error) {
	r, err := tenant.Resolve(ctx, s.cfg.Store, tenantID)
	if err == nil {
		err = s.cfg.Limits.Take(ctx, limit.Renewals, tenantID, audit.Event{InstanceKey: r.Tenant.InstanceKey, TenantID: tenantID, Actor: by})
	}
	if err != nil {
		return Status{}, err
	}
	if err := s.renewable(r); err != nil {
		return Status{}, err
	}
	if err := s.redeemNow(ctx, r, by, why); err != nil {
		return Status{}, err
	}
	return s.Status(context.WithoutCancel(ctx), r) // the caller hears of a success, also one that stopped waiting meanwhile
}

// renewable returns the failure suspended for a tenant that is not renewed while its subscription is suspended.
func (s *Service) renewable(r tenant.Resolved) error {
	if s.cfg.RenewSuspended(r.Tenant.InstanceKey) {
		return nil
	}
	return r.Tenant.InUse()
}

// redeemNow leases a tenant for a caller that waits, and redeems its grant.
func (s *Service) redeemNow(ctx context.Context, r tenant.Resolved, by audit.Actor, why purpose) error {
	tenantID := r.Tenant.ID
	owner := s.cfg.Owner + "/" + random.ID()
	var schedule Schedule
	err := clock.InTime(ctx, s.cfg.Now, s.cfg.Store.Transact, func(ctx context.Context, now time.Time) (err error) {
		schedule, err = s.cfg.Store.Lease(ctx, tenantID, owner, now, now.Add(s.cfg.Lease))
		return err
	})
	switch {
	case errors.Is(err, ErrLeased):
		return failure.New(failure.RenewalRunning)
	case errors.Is(err, tenant.ErrNotFound):
		return failure.New(failure.GrantAbsent)
	case err != nil:
		return fmt.Errorf("leasing renewal of %s: %w", tenantID, err)
	}
	released := false
	defer func() {
		if !released {
			s.cfg.Step(BeforeRelease)
			s.release(ctx, tenantID, owner)
		}
	}()
	// A caller that stops waiting does not end the redemption: Microsoft's answer must be stored.
	calls, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(s.cfg.Lease*4/5, answerWithin))
	defer cancel()
	released, err = s.redeemLeased(calls, r, schedule, by, why)
	s.observe(actionOf(why), err)
	return err
}

// redeemLeased redeems a tenant's active grant under the tenant's lease, stores its successor before anything else, and then
// checks the successor. leased is the schedule as it was when the lease began. When ctx ended with the cause errStopped before
// Microsoft answered, it returns errStopped and has stored nothing. released says that the lease was released with what was
// stored last; else the caller releases it.
func (s *Service) redeemLeased(ctx context.Context, r tenant.Resolved, leased Schedule, by audit.Actor, why purpose) (released bool, err error) {
	started := s.cfg.Now()
	g, ok, err := s.grant(ctx, r.Tenant.ID, Active)
	if err != nil {
		return false, err
	}
	if !ok {
		return false, failure.New(failure.GrantAbsent)
	}
	s.cfg.Step(BeforeRedeem)
	redeemed, err := s.redeemGrant(ctx, r, g)
	s.cfg.Step(AfterAnswer)
	// Microsoft's answer is stored even after the caller's context has ended: no other value may work any more.
	durable := context.WithoutCancel(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errStopped) {
		return false, errStopped
	}
	if err == nil && redeemed.RefreshToken.Empty() {
		if err := s.notePredecessor(durable, r, by, redeemed); err != nil {
			return false, err
		}
		err = failure.New(failure.NoSuccessor, "end", g.lifeEnds(s.cfg.Now()).UTC().Format(time.DateOnly))
		if why == check {
			released, checkErr := s.checkSuccessor(ctx, r, g, redeemed.Redemption, by, leased.LeaseOwner)
			return released, errors.Join(err, checkErr)
		}
	}
	if err != nil {
		return false, errors.Join(err, s.fail(durable, r, leased, g, by, err))
	}
	stored, err := s.storeSuccessor(durable, r, leased, g, redeemed, by, why)
	if errors.Is(err, errOvertaken) {
		s.cfg.Log.WarnContext(ctx, "another replica renewed this tenant meanwhile, or somebody consented; this renewal does not count", "tenant", r.Tenant.ID)
		_, keepErr := s.keepSuccessor(durable, &r, g, redeemed.Redemption, "", by)
		return false, errors.Join(failure.Wrap(err, failure.GrantStale), keepErr)
	}
	if err != nil {
		return false, err
	}
	if released, err = s.checkSuccessor(ctx, r, stored, redeemed.Redemption, by, leased.LeaseOwner); err != nil {
		return false, err
	}
	s.cfg.Log.InfoContext(ctx, "renewal succeeded", "tenant", r.Tenant.ID, "action", actionOf(why),
		"dur", s.cfg.Now().Sub(started), "reference", failure.Reference(ctx))
	return released, nil
}

// A redeemedGrant is the answer to a redemption of a grant.
type redeemedGrant struct {
	Redemption
	// refusal is why the active value could not be used, if only its predecessor worked.
	refusal *failure.Error
}

// redeemGrant redeems g for Partner Center. When g cannot be read, or Microsoft refuses its value, it tries the predecessor of
// the same consent once: the successor may have been lost or corrupted.
func (s *Service) redeemGrant(ctx context.Context, r tenant.Resolved, g Grant) (redeemedGrant, error) {
	c, err := usable(&r, &g)
	if err != nil && !failure.Is(err, failure.GrantUnreadable) {
		return redeemedGrant{}, err
	}
	ctx = WithoutRetries(ctx) // fail schedules the next attempt
	if err == nil {
		var redeemed Redemption
		redeemed, err = s.redeemFor(ctx, c, &g, g.RefreshToken, PartnerCenter)
		if err == nil || failure.From(err).Kind() != failure.SignIn {
			return redeemedGrant{Redemption: redeemed}, err
		}
	}
	old, ok, readErr := s.grant(ctx, r.Tenant.ID, Predecessor)
	// A predecessor of another consent would give the token of its person under the name of the one who consented last.
	if readErr != nil || !ok || old.Unreadable || old.ConsentID != g.ConsentID || !s.cfg.Now().Before(old.ExpiresAt()) {
		return redeemedGrant{}, err
	}
	recovered, oldErr := s.redeemFor(ctx, c, &g, old.RefreshToken, PartnerCenter)
	switch {
	case oldErr == nil:
		s.cfg.Log.WarnContext(ctx, "the active grant could not be used; Microsoft accepted its predecessor", "tenant", r.Tenant.ID,
			"reference", failure.Reference(ctx), "err", err)
		s.observe(audit.PredecessorUsed, nil)
		return redeemedGrant{recovered, failure.From(err)}, nil
	case g.Unreadable && failure.From(oldErr).Kind() != failure.SignIn:
		return redeemedGrant{}, oldErr // the predecessor may still work later
	}
	return redeemedGrant{}, err
}

// notePredecessor appends the event of a redemption that needed the predecessor, if this one did.
func (s *Service) notePredecessor(ctx context.Context, r tenant.Resolved, by audit.Actor, redeemed redeemedGrant) error {
	if redeemed.refusal == nil {
		return nil
	}
	e := refusal(audit.PredecessorUsed, by, redeemed.refusal)
	e.Details["reason"], e.Result = e.Result, audit.OK
	return s.append(ctx, &r, e)
}

// errOvertaken says that another replica has renewed meanwhile, because this renewal took longer than its lease or the clocks
// of the two differ by more than that, or that a consent replaced the grant. This renewal does not count.
var errOvertaken = errors.New("the grant has been renewed or replaced meanwhile")

// storeSuccessor stores the successor that a redemption returned, with the schedule and the event, and returns the stored
// grant. It returns errOvertaken, having stored nothing, when another renewal has succeeded since the schedule was leased, or
// when a newer grant is stored.
func (s *Service) storeSuccessor(ctx context.Context, r tenant.Resolved, leased Schedule, g Grant, redeemed redeemedGrant, by audit.Actor, why purpose) (Grant, error) {
	var stored Grant
	err := s.commitOutcome(ctx, r, leased, g, func(ctx context.Context, schedule *Schedule, current Grant) error {
		if !s.supersedes(redeemed.Redemption, g, current) {
			return errOvertaken
		}
		stored = current
		if err := s.replace(ctx, &stored, redeemed); err != nil {
			return err
		}
		before := *schedule
		s.succeed(schedule, redeemed.IssuedAt)
		if current.Checks.MFA == No && before.Failure.Is(failure.MFARequired) {
			// Until the successor is checked, it counts as having its predecessor's MFA.
			schedule.Failure, schedule.FailingSince = before.Failure, before.FailingSince
		}
		event := audit.Event{Action: audit.GrantRenewed, Actor: by}
		if why == check {
			event = rotated(redeemed.API, "", by)
			if before.Failure == nil && !before.overdue(s.cfg.Now()) {
				schedule.DueAt = before.DueAt
			}
		}
		if err := s.notePredecessor(ctx, r, by, redeemed); err != nil {
			return err
		}
		return s.append(ctx, &r, event)
	})
	if err != nil {
		return Grant{}, err
	}
	s.cfg.Step(AfterCommit)
	return stored, nil
}

// maxCommitAttempts is how often the outcome of a redemption is committed while others change the same rows: a lending that
// stores its successor, a consent, or the next owner of the lease.
const maxCommitAttempts = 3

// commitOutcome runs fn, which stores the outcome of a redemption and changes the schedule, in a transaction, and then saves
// the schedule. The first attempt works on what was read under the lease, which others rarely change; when the row versions
// show that they did, commitOutcome reads schedule and grant again and repeats. It returns errOvertaken when another renewal
// has succeeded since the schedule was leased. It reads that from the same schedule whose version SaveSchedule checks: in a
// schedule that is read separately, a renewal between the two reads would go unnoticed.
func (s *Service) commitOutcome(ctx context.Context, r tenant.Resolved, leased Schedule, g Grant, fn func(ctx context.Context, schedule *Schedule, current Grant) error) error {
	schedule, current := leased, g
	for attempt := 1; ; attempt++ {
		err := s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
			changed := schedule
			if err := fn(ctx, &changed, current); err != nil {
				return err
			}
			if err := s.cfg.Store.SaveSchedule(ctx, &changed); err != nil {
				return stale(err, "saving schedule of "+r.Tenant.ID)
			}
			s.cfg.Step(BeforeCommit)
			return nil
		})
		if !errors.Is(err, ErrStale) || attempt == maxCommitAttempts {
			return err
		}
		if schedule, err = s.cfg.Store.Schedule(ctx, r.Tenant.ID); err != nil {
			return fmt.Errorf("reading schedule of %s: %w", r.Tenant.ID, err)
		}
		if !schedule.LastSuccessAt.Equal(leased.LastSuccessAt) {
			return errOvertaken
		}
		var ok bool
		if current, ok, err = s.grant(ctx, r.Tenant.ID, Active); err != nil {
			return err
		}
		if !ok {
			return failure.New(failure.GrantAbsent) // deleted meanwhile
		}
	}
}

func actionOf(why purpose) audit.Action {
	if why == check {
		return audit.GrantChecked
	}
	return audit.GrantRenewed
}

// succeed sets a schedule after a success: the next renewal is due in Every ± Jitter after the stored value was issued. By
// Microsoft's clock, because ours may be wrong.
func (s *Service) succeed(schedule *Schedule, issued time.Time) {
	jitter := time.Duration((2*s.cfg.Rand() - 1) * float64(s.cfg.Jitter))
	schedule.DueAt = issued.Add(s.cfg.Every + jitter)
	schedule.LastAt, schedule.LastSuccessAt = issued, issued
	schedule.Attempt, schedule.FailingSince, schedule.Failure = 0, time.Time{}, nil
}

// reschedule changes a tenant's schedule in the caller's transaction.
func (s *Service) reschedule(ctx context.Context, tenantID string, change func(*Schedule)) error {
	schedule, err := s.cfg.Store.Schedule(ctx, tenantID)
	if err != nil {
		return fmt.Errorf("reading schedule of %s: %w", tenantID, err)
	}
	change(&schedule)
	if err := s.cfg.Store.SaveSchedule(ctx, &schedule); err != nil {
		return stale(err, "saving schedule of "+tenantID)
	}
	return nil
}

// fail records a failed redemption and when to retry it. A failure that comes after another
// replica's success is out of date and is not recorded.
func (s *Service) fail(ctx context.Context, r tenant.Resolved, leased Schedule, g Grant, by audit.Actor, cause error) error {
	var recorded *failure.Error
	err := s.commitOutcome(ctx, r, leased, g, func(ctx context.Context, schedule *Schedule, _ Grant) error {
		f, err := s.detectPolicy(ctx, r.Tenant.ID, failure.From(cause))
		if err != nil {
			return err
		}
		now := s.cfg.Now()
		schedule.LastAt = now
		schedule.Attempt++
		if schedule.FailingSince.IsZero() {
			schedule.FailingSince = now
		}
		recorded, schedule.Failure = f, failure.NewRecord(ctx, f)
		schedule.DueAt = s.nextAttempt(now, f, schedule.Attempt, g)
		return s.append(ctx, &r, refusal(audit.RenewalFailed, by, cause))
	})
	if errors.Is(err, errOvertaken) {
		return nil
	}
	if err == nil {
		s.logPermanent(ctx, r, leased.Failure, recorded)
	}
	return err
}

// logPermanent logs a failure that no retry ends, unless the renewal before failed for the same reason.
func (s *Service) logPermanent(ctx context.Context, r tenant.Resolved, before *failure.Record, now *failure.Error) {
	if kind := now.Kind(); kind != failure.SignIn && kind != failure.Configuration || before.Is(now.Code) {
		return
	}
	s.cfg.Log.ErrorContext(ctx, "the refresh token is not renewed any more until somebody acts", "tenant", r.Tenant.ID, "name", r.Tenant.Name,
		"code", now.Code, "kind", now.Kind(), "reference", failure.Reference(ctx))
}

// nextAttempt returns when a failed renewal is retried. No wait is longer than half of the grant's remaining life, so that a
// transient failure never lets a grant expire untried. A grant that has expired by our clock is retried, too: only Microsoft
// knows, and then refuses it for good. A refused sign-in is retried once a day if the policy that refuses it can be lifted.
func (s *Service) nextAttempt(now time.Time, f *failure.Error, attempt int, g Grant) time.Time {
	var wait time.Duration
	left := g.lifeEnds(now).Sub(now)
	switch f.Kind() {
	case failure.Configuration:
		wait = retryDaily
	case failure.SignIn:
		// Once a policy is lifted, the same value works again until its end.
		if f.Code.Liftable() && left > 0 {
			return now.Add(retryDaily)
		}
		return never
	case failure.Transient, failure.Internal:
		wait = retryAfter[min(attempt, len(retryAfter))-1]
		if f.Kind() == failure.Internal {
			// After a loop of requests, Microsoft refuses more for an hour (docs/reference/microsoft-identity.md §3.6).
			wait = max(wait, time.Hour)
		}
		wait += time.Duration((2*s.cfg.Rand() - 1) * float64(wait/10)) // many may have failed at the same time
		if f.Microsoft != nil {
			wait = max(wait, time.Duration(f.Microsoft.RetryAfterSeconds)*time.Second)
		}
		if f.Code == failure.NoSuccessor {
			wait = retryDaily
		}
	default:
		return never
	}
	if left > 0 {
		wait = min(wait, max(left/2, minRetry))
	}
	return now.Add(wait)
}
