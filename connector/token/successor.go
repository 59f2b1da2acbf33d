package token

import (
	"context"
	"errors"
	"fmt"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/tenant"
)

// keepSuccessor stores the successor that a redemption of g returned, with an event, before anything else is done with the
// answer, and even after ctx has ended. It returns the grant that is stored then. When the row changed since g was read, the
// successor replaces only a value of the same consent that Microsoft did not issue later; else it is dropped, and stays
// valid at Microsoft.
func (s *Service) keepSuccessor(ctx context.Context, r *tenant.Resolved, g Grant, redeemed Redemption, by audit.Actor) (Grant, error) {
	if redeemed.RefreshToken.Empty() {
		return g, nil // g's value stays valid
	}
	ctx = context.WithoutCancel(ctx)
	current, ok := g, true
	for attempt := 1; ; attempt++ {
		if !ok || !s.supersedes(redeemed, g, current) {
			s.cfg.Log.InfoContext(ctx, "a successor was dropped, because the grant was replaced or deleted meanwhile", "tenant", g.TenantID, "api", redeemed.API)
			return current, nil
		}
		stored := current
		err := s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
			stored = current
			if err := s.replace(ctx, &stored, redeemedGrant{Redemption: redeemed}); err != nil {
				return err
			}
			return s.append(ctx, r, rotated(redeemed.API, by))
		})
		if err == nil {
			return stored, nil
		}
		if !errors.Is(err, ErrStale) || attempt == maxCommitAttempts {
			return g, fmt.Errorf("storing a successor: %w", err)
		}
		if current, ok, err = s.grant(ctx, g.TenantID, Active); err != nil {
			return g, err
		}
	}
}

// supersedes reports whether the successor that a redemption of g returned replaces the stored grant. Under an unchanged row
// version it does, whatever the clocks say.
func (s *Service) supersedes(redeemed Redemption, g, current Grant) bool {
	switch {
	case current.Version == g.Version:
		return true
	case current.ConsentID != g.ConsentID:
		return false
	}
	return !redeemed.IssuedAt.Before(current.IssuedAt) || current.implausible(s.cfg.Now())
}

// rotated returns the event of a successor that was stored without a renewal.
func rotated(api API, by audit.Actor) audit.Event {
	return audit.Event{Action: audit.GrantRotated, Actor: by, Details: map[string]string{"api": string(api)}}
}

// replace makes the successor that a redemption returned the value of a stored active grant. The value that was redeemed
// worked, so it is the predecessor: the stored one, or the predecessor itself. It joins the caller's transaction.
func (s *Service) replace(ctx context.Context, stored *Grant, redeemed redeemedGrant) error {
	if redeemed.refusal == nil {
		if err := s.savePredecessor(ctx, *stored); err != nil {
			return err
		}
	}
	stored.advance(redeemed.Redemption)
	if err := s.cfg.Store.SaveGrant(ctx, stored); err != nil {
		return stale(err, "saving grant of "+stored.TenantID)
	}
	return nil
}
