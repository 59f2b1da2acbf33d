package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
)

// never is the due time of a schedule that only a person can set going again.
var never = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// retryAfter are the waits after transient failures in a row, give or take a tenth; the last one repeats. A renewal has
// 80 days of slack, so nothing is gained by haste (microsoft-identity.md §3.7).
var retryAfter = []time.Duration{15 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour}

const (
	// retryConfiguration is the wait after a failure that a change of settings repairs: often enough to heal by itself
	// on the day after, seldom enough never to be a loop.
	retryConfiguration = 24 * time.Hour
	// leastRetry is the shortest wait, however near the end of a grant's life is.
	leastRetry = 5 * time.Minute
)

// answerWithin bounds what somebody is waiting for; the platform waits 25 seconds (aps-protocol.md §1.7).
const answerWithin = 20 * time.Second

// purpose is why a grant is redeemed.
type purpose int

const (
	scheduled purpose = iota
	onDemand
	check // learn and record, leave the schedule
)

// Renew renews a tenant's grant now. It returns why when that did not work; the status then tells it too.
func (s *Service) Renew(ctx context.Context, tenantID string, by audit.Actor) (Status, error) {
	return s.redeem(ctx, tenantID, by, onDemand)
}

// Check uses a tenant's grant once with every api and records what was learned. It returns why when Microsoft refused
// the grant itself.
func (s *Service) Check(ctx context.Context, tenantID string, by audit.Actor) (Status, error) {
	return s.redeem(ctx, tenantID, by, check)
}

// redeem leases a tenant for a caller that waits, whatever its schedule says, redeems its grant, and returns the status
// that this led to.
func (s *Service) redeem(ctx context.Context, tenantID string, by audit.Actor, why purpose) (Status, error) {
	r, err := tenant.Resolve(ctx, s.cfg.Store, tenantID)
	if err != nil {
		return Status{}, err
	}
	if err := s.redeemNow(ctx, r, by, why); err != nil {
		return Status{}, err
	}
	return s.Status(ctx, r)
}

func (s *Service) redeemNow(ctx context.Context, r tenant.Resolved, by audit.Actor, why purpose) error {
	tenantID := r.Tenant.ID
	now := s.cfg.Now()
	owner := s.cfg.Owner + "/" + random.ID()
	schedule, err := s.cfg.Store.Lease(ctx, tenantID, owner, now, now.Add(s.cfg.Lease))
	switch {
	case errors.Is(err, ErrLeased):
		return failure.New(failure.RenewalRunning)
	case errors.Is(err, tenant.ErrNotFound):
		return failure.New(failure.GrantAbsent)
	case err != nil:
		return fmt.Errorf("leasing renewal of %s: %w", tenantID, err)
	}
	defer func() {
		s.cfg.Step(BeforeRelease)
		s.release(ctx, tenantID, owner)
	}()
	// Whoever stops waiting does not end it: what Microsoft answers must be stored.
	calls, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(s.cfg.Lease*4/5, answerWithin))
	defer cancel()
	err = s.redeemLeased(calls, r, schedule, by, why)
	s.observe(actionOf(why), err)
	return err
}

// redeemLeased exchanges a tenant's active grant for its successor under the tenant's lease, stores that before anything
// else, and then checks it. leased is the schedule as it was when the lease began. It returns errStopped, having stored
// nothing, when ctx ended for that reason before Microsoft answered.
func (s *Service) redeemLeased(ctx context.Context, r tenant.Resolved, leased Schedule, by audit.Actor, why purpose) error {
	started := s.cfg.Now()
	g, found, err := s.grant(ctx, r.Tenant.ID, Active)
	if err != nil {
		return err
	}
	if !found {
		return failure.New(failure.GrantAbsent)
	}
	s.cfg.Step(BeforeRedeem)
	redeemed, err := s.redeemGrant(ctx, r, g)
	s.cfg.Step(AfterAnswer)
	// What Microsoft said is recorded even when the caller is gone: the old value may be the last one that works.
	durable := context.WithoutCancel(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errStopped) {
		return errStopped
	}
	if err != nil {
		return errors.Join(err, s.fail(durable, r, leased, g, by, err))
	}
	g, err = s.keepSuccessor(durable, r, leased, g, redeemed, by, why)
	if errors.Is(err, errOvertaken) {
		s.cfg.Log.WarnContext(ctx, "another replica renewed meanwhile: this one took longer than its lease", "tenant", r.Tenant.ID)
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.examine(ctx, r, g, redeemed, by); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(ctx, "renewal succeeded", "tenant", r.Tenant.ID, "action", actionOf(why),
		"dur", s.cfg.Now().Sub(started), "reference", failure.Reference(ctx))
	return nil
}

// redeemGrant redeems g for Partner Center. When Microsoft refuses the value, its predecessor gets one chance: the
// successor may have been lost or spoiled on its way.
func (s *Service) redeemGrant(ctx context.Context, r tenant.Resolved, g Grant) (Redemption, error) {
	c, err := usable(r, g)
	if err != nil {
		return Redemption{}, err
	}
	redeemed, err := s.cfg.Microsoft.Renew(ctx, c, g.RefreshToken, PartnerCenter)
	if err == nil || failure.From(err).Kind() != failure.SignIn {
		return redeemed, err
	}
	old, found, readErr := s.grant(ctx, r.Tenant.ID, Predecessor)
	if readErr != nil || !found || old.ApplicationID != c.Application.ID || old.DirectoryID != c.DirectoryID || !s.cfg.Now().Before(old.ExpiresAt()) {
		return Redemption{}, err
	}
	if again, oldErr := s.cfg.Microsoft.Renew(ctx, c, old.RefreshToken, PartnerCenter); oldErr == nil {
		s.cfg.Log.WarnContext(ctx, "the predecessor worked where the active grant did not", "tenant", r.Tenant.ID, "err", err)
		return again, nil
	}
	return Redemption{}, err
}

// errOvertaken says that a renewal took longer than its lease, or that two clocks disagree by more than that, and
// somebody else has renewed meanwhile: that renewal is the one that counts.
var errOvertaken = errors.New("somebody else has renewed meanwhile")

// keepSuccessor stores what a redemption returned, with the schedule and the event, and returns the stored grant. A
// grant that was stored meanwhile and is newer stays. It returns errOvertaken, having stored nothing, when somebody has
// renewed since the schedule was leased.
func (s *Service) keepSuccessor(ctx context.Context, r tenant.Resolved, leased Schedule, g Grant, redeemed Redemption, by audit.Actor, why purpose) (Grant, error) {
	var kept Grant
	err := s.decide(ctx, r, leased, func(ctx context.Context, schedule *Schedule, again bool) error {
		current := g
		if again {
			var found bool
			var err error
			if current, found, err = s.grant(ctx, r.Tenant.ID, Active); err != nil {
				return err
			}
			if !found {
				return failure.New(failure.GrantAbsent) // forgotten meanwhile
			}
		}
		kept = current
		if current.ConsentID == g.ConsentID && !redeemed.RefreshToken.Empty() && current.IssuedAt.Before(redeemed.IssuedAt) {
			if err := s.keepPredecessor(ctx, current); err != nil {
				return err
			}
			kept.advance(redeemed)
			if err := s.cfg.Store.SaveGrant(ctx, &kept); err != nil {
				return stale(err, "saving grant of "+r.Tenant.ID)
			}
		}
		before := *schedule
		s.succeed(schedule)
		if current.Checks.MFA == No && before.Failure.Is(failure.MFARequired) {
			// Until the successor is examined, what was known of its predecessor holds of it.
			schedule.Failure, schedule.FailingSince = before.Failure, before.FailingSince
		}
		if why == check && before.Failure == nil {
			schedule.DueAt = before.DueAt
		}
		return s.append(ctx, r, audit.Event{Action: actionOf(why), Actor: by})
	})
	if err != nil {
		return Grant{}, err
	}
	s.cfg.Step(AfterCommit)
	return kept, nil
}

// decisions is how often the outcome of a redemption is decided while others change the same rows: a lending that stores
// its successor, a consent, or who took the lease over.
const decisions = 3

// decide runs fn, which stores the outcome of a redemption and changes the schedule, in a transaction of its own, and
// again when a row was changed by others between its being read and written. What was read under the lease is rarely
// changed by anybody else, so the first try takes that, and the versions tell whether it still holds; only then is fn
// told to read again. It returns errOvertaken instead when somebody has renewed since the schedule was leased. The
// schedule that is looked at for that is the one that is saved: one that was read later might hide a renewal that came
// between.
func (s *Service) decide(ctx context.Context, r tenant.Resolved, leased Schedule, fn func(ctx context.Context, schedule *Schedule, again bool) error) error {
	for n := 1; ; n++ {
		again := n > 1
		err := s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
			schedule := leased
			if again {
				var err error
				if schedule, err = s.cfg.Store.Schedule(ctx, r.Tenant.ID); err != nil {
					return fmt.Errorf("reading schedule of %s: %w", r.Tenant.ID, err)
				}
			}
			if !schedule.LastSuccessAt.Equal(leased.LastSuccessAt) {
				return errOvertaken
			}
			if err := fn(ctx, &schedule, again); err != nil {
				return err
			}
			if err := s.cfg.Store.SaveSchedule(ctx, &schedule); err != nil {
				return stale(err, "saving schedule of "+r.Tenant.ID)
			}
			s.cfg.Step(BeforeCommit)
			return nil
		})
		if !errors.Is(err, ErrStale) || n == decisions {
			return err
		}
	}
}

func actionOf(why purpose) audit.Action {
	if why == check {
		return audit.GrantChecked
	}
	return audit.GrantRenewed
}

// succeed sets a schedule after a success: next renewal in Every ± Jitter.
func (s *Service) succeed(schedule *Schedule) {
	now := s.cfg.Now()
	jitter := time.Duration((2*s.cfg.Rand() - 1) * float64(s.cfg.Jitter))
	schedule.DueAt = now.Add(s.cfg.Every + jitter)
	schedule.LastAt, schedule.LastSuccessAt = now, now
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

// fail records a failed redemption and when to try again: never for what a person must repair. A failure that comes
// after somebody else's success is not recorded: it is not true any more.
func (s *Service) fail(ctx context.Context, r tenant.Resolved, leased Schedule, g Grant, by audit.Actor, cause error) error {
	err := s.decide(ctx, r, leased, func(ctx context.Context, schedule *Schedule, _ bool) error {
		f, err := s.recognised(ctx, r.Tenant.ID, failure.From(cause))
		if err != nil {
			return err
		}
		now := s.cfg.Now()
		schedule.LastAt = now
		schedule.Attempt++
		if schedule.FailingSince.IsZero() {
			schedule.FailingSince = now
		}
		schedule.Failure = failure.NewRecord(ctx, f)
		schedule.DueAt = s.nextAttempt(now, f, schedule.Attempt, g)
		return s.append(ctx, r, refusal(audit.RenewalFailed, by, cause))
	})
	if errors.Is(err, errOvertaken) {
		return nil
	}
	return err
}

// nextAttempt returns when a renewal that failed is tried again. No wait is longer than half of what is left of the
// grant's life, so that trouble which passes by itself never ends a grant for want of a try.
func (s *Service) nextAttempt(now time.Time, f *failure.Error, attempt int, g Grant) time.Time {
	left := g.ExpiresAt().Sub(now)
	if left <= 0 {
		return never // Microsoft has said so, too: this attempt was made after the end of its life
	}
	var wait time.Duration
	switch f.Kind() {
	case failure.Configuration:
		wait = retryConfiguration
	case failure.Transient, failure.Internal:
		wait = retryAfter[min(attempt, len(retryAfter))-1]
		if f.Kind() == failure.Internal {
			wait = max(wait, time.Hour) // a loop guard that has struck wants an hour of silence
		}
		wait += time.Duration((2*s.cfg.Rand() - 1) * float64(wait/10)) // many may have failed together
		if f.Microsoft != nil {
			wait = max(wait, time.Duration(f.Microsoft.RetryAfterSeconds)*time.Second)
		}
	default:
		return never
	}
	return now.Add(min(wait, max(left/2, leastRetry)))
}

// examine uses the stored successor with every api and records what was learned. A lost MFA shows in the status, until
// an examination finds that it is back.
func (s *Service) examine(ctx context.Context, r tenant.Resolved, g Grant, redeemed Redemption, by audit.Actor) error {
	c := r.Client()
	wasLost := g.Checks.MFA == No
	claims := s.cfg.Microsoft.Claims(redeemed.AccessToken)
	probe := s.cfg.Microsoft.Probe(ctx, c, PartnerCenter, redeemed.AccessToken)
	g.Checks = Checks{MFA: proven(claims.MFA, probe.MFA), GlobalAdmin: Unknown, AdminAgent: Unknown, APIs: map[API]Probe{PartnerCenter: probe}}
	s.checkOthers(ctx, c, &g)
	if errors.Is(context.Cause(ctx), errStopped) {
		return nil // what was cut off would be written down as trouble that there was not
	}
	durable := context.WithoutCancel(ctx)
	isLost := g.Checks.MFA == No
	if !isLost && !wasLost {
		_, err := s.saveChecks(durable, g)
		return err
	}
	return s.cfg.Store.Transact(durable, func(ctx context.Context) error {
		if saved, err := s.saveChecks(ctx, g); err != nil || !saved {
			return err
		}
		lost := failure.New(failure.MFARequired)
		err := s.reschedule(ctx, r.Tenant.ID, func(schedule *Schedule) {
			switch {
			case !isLost:
				schedule.Failure, schedule.FailingSince = nil, time.Time{}
			case !schedule.Failure.Is(failure.MFARequired):
				schedule.Failure, schedule.FailingSince = failure.NewRecord(ctx, lost), s.cfg.Now()
			}
		})
		if err != nil || !isLost {
			return err
		}
		return s.append(ctx, r, refusal(audit.RenewalFailed, by, lost))
	})
}

// saveChecks saves what was learned of g. Where a newer grant has come in, its own checks are the true ones.
func (s *Service) saveChecks(ctx context.Context, g Grant) (saved bool, err error) {
	if err := s.cfg.Store.SaveGrant(ctx, &g); errors.Is(err, ErrStale) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("saving checks of %s: %w", g.TenantID, err)
	}
	return true, nil
}
