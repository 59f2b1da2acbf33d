package token

import (
	"context"
	"errors"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// checkSuccessor uses the stored successor with every api and records the results. When the sign-in has lost its MFA, the
// status says so until a later check sees MFA again. The transaction that records the results also releases the lease of owner;
// released is false when that did not happen.
func (s *Service) checkSuccessor(ctx context.Context, r tenant.Resolved, g Grant, redeemed Redemption, by audit.Actor, owner string) (released bool, err error) {
	c := r.Client()
	wasLost := g.Checks.MFA == No
	claims := s.cfg.Microsoft.Claims(redeemed.AccessToken)
	probe := s.cfg.Microsoft.Probe(ctx, c, PartnerCenter, redeemed.AccessToken)
	account, err := compareSubject(c, &g, redeemed.Subject)
	if err != nil {
		return false, err // redeemFor has refused it already
	}
	checks := Checks{Account: account, MFA: provenMFA(claims.MFA, probe.MFA), GlobalAdmin: Unknown, AdminAgent: Unknown, APIs: map[API]Probe{PartnerCenter: lacking(ctx, probe, redeemed.Missing)}}
	mismatch, err := s.checkOthers(ctx, c, &g, &checks, func(redeemed Redemption) error {
		var err error
		g, err = s.keepSuccessor(ctx, &r, g, redeemed, "", by)
		return err
	})
	if err != nil {
		return false, err
	}
	if errors.Is(context.Cause(ctx), errStopped) {
		return false, nil // interrupted checks must not be recorded as failed
	}
	checked := audit.Event{Action: audit.GrantChecked, Actor: by}
	if mismatch != nil {
		checked = refusal(audit.GrantChecked, by, mismatch)
	}
	isLost := checks.MFA == No
	lost := failure.New(failure.MFARequired)
	checks.Credential = redeemed.Credential
	s.recordEnds(context.WithoutCancel(ctx), r, checks.Ends, by)
	before := g.Checks
	return s.saveChecks(context.WithoutCancel(ctx), r, g, checks, checked, owner, func(ctx context.Context) error {
		if err := s.recordPermissions(ctx, r.Tenant.InstanceKey, r.Tenant.ID, before, checks, by); err != nil {
			return err
		}
		if !isLost && !wasLost {
			return nil
		}
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
		return s.append(ctx, &r, refusal(audit.RenewalFailed, by, lost))
	})
}

// saveChecks stores the results of the checks of g with an event, calls also, and releases the lease of owner, all in one
// transaction. When the row changed meanwhile, it stores them beside the value that is stored then, unless that is of another
// consent, which has results of its own.
func (s *Service) saveChecks(ctx context.Context, r tenant.Resolved, g Grant, checks Checks, checked audit.Event, owner string, also func(ctx context.Context) error) (released bool, err error) {
	current := g
	for attempt := 1; ; attempt++ {
		err := s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
			changed := current
			changed.Checks, changed.Scopes = checks, union(current.Scopes, g.Scopes)
			if err := s.cfg.Store.SaveChecks(ctx, changed); err != nil {
				return stale(err, "saving checks of "+g.TenantID)
			}
			if err := s.append(ctx, &r, checked); err != nil {
				return err
			}
			if err := also(ctx); err != nil {
				return err
			}
			s.cfg.Step(BeforeRelease)
			return s.cfg.Store.Release(ctx, g.TenantID, owner)
		})
		if !errors.Is(err, ErrStale) || attempt == maxCommitAttempts {
			return err == nil, err
		}
		var ok bool
		if current, ok, err = s.grant(ctx, g.TenantID, Active); err != nil || !ok || current.ConsentID != g.ConsentID {
			return false, err
		}
	}
}
