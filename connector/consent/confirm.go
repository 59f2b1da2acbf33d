package consent

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// confirm makes the grant of a consent by another person than before the active one. A repeated confirmation succeeds again
// while that grant is the active one. An ID that is not that of a consent of the tenant counts as a wrong claim code.
func (s *Service) confirm(ctx context.Context, tenantID, consentID string, by audit.Actor) (token.Person, error) {
	return s.decide(ctx, tenantID, by, func(ctx context.Context, r tenant.Resolved, about *string) (token.Person, *failure.Error, error) {
		*about = consentID
		c, err := s.cfg.Store.Consent(ctx, consentID)
		if err != nil && !errors.Is(err, tenant.ErrNotFound) {
			return token.Person{}, nil, fmt.Errorf("reading consent %s: %w", consentID, err)
		}
		switch {
		case err == nil && c.TenantID == tenantID && c.Status == Succeeded:
			person, err := s.confirmedBefore(ctx, c)
			return person, nil, err
		case err == nil && c.TenantID == tenantID && c.Status == Confirmable:
			if f, err := s.confirmable(ctx, c); f != nil || err != nil {
				return token.Person{}, f, err
			}
			person, err := s.activate(ctx, r, c, token.Unconfirmed, audit.ConsentConfirmed, by)
			return person, nil, err
		}
		refused, err := s.countWrongID(ctx, r, by)
		return token.Person{}, refused, err
	})
}

// confirmable returns why a consent that waits for confirmation can no longer be confirmed; nil when it can.
func (s *Service) confirmable(ctx context.Context, c Consent) (*failure.Error, error) {
	if s.unclaimed(c) {
		return failure.New(failure.ConfirmationExpired), nil
	}
	g, err := s.cfg.Store.Grant(ctx, c.TenantID, token.Unconfirmed)
	if errors.Is(err, tenant.ErrNotFound) || err == nil && g.ConsentID != c.ID {
		return failure.New(failure.ConsentReplaced), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading unconfirmed grant of %s: %w", c.TenantID, err)
	}
	return nil, nil
}

// confirmedBefore returns who gave a consent that has succeeded, if its grant is still the active one.
func (s *Service) confirmedBefore(ctx context.Context, c Consent) (token.Person, error) {
	g, err := s.cfg.Store.Grant(ctx, c.TenantID, token.Active)
	if errors.Is(err, tenant.ErrNotFound) || err == nil && g.ConsentID != c.ID {
		return token.Person{}, failure.New(failure.ConsentReplaced)
	}
	if err != nil {
		return token.Person{}, fmt.Errorf("reading grant of %s: %w", c.TenantID, err)
	}
	return g.ConsentedBy, nil
}

// countWrongID counts a wrong ID for the consent that waits for confirmation, and returns the refusal. Too many delete its
// grant.
func (s *Service) countWrongID(ctx context.Context, r tenant.Resolved, by audit.Actor) (*failure.Error, error) {
	g, err := s.cfg.Store.Grant(ctx, r.Tenant.ID, token.Unconfirmed)
	if errors.Is(err, tenant.ErrNotFound) {
		return failure.New(failure.NothingToClaim), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading unconfirmed grant of %s: %w", r.Tenant.ID, err)
	}
	err = s.cfg.Store.CountClaim(ctx, g.ConsentID, maxClaimAttempts)
	if errors.Is(err, tenant.ErrChanged) { // others used up the limit since it was read
		return failure.New(failure.NothingToClaim), nil
	}
	if err != nil {
		return nil, fmt.Errorf("counting a wrong ID of %s: %w", r.Tenant.ID, err)
	}
	c, err := s.cfg.Store.Consent(ctx, g.ConsentID)
	if err != nil {
		return nil, fmt.Errorf("reading consent %s: %w", g.ConsentID, err)
	}
	return s.refuseClaim(ctx, r, c, by)
}

// waitingFor returns the failure that says that a consent waits for confirmation.
func waitingFor(after, before token.Person) *failure.Error {
	return failure.New(failure.ConfirmationWaiting, "username", shown(after), "before", shown(before))
}

// shown returns how a person is named in messages and events.
func shown(p token.Person) string { return cmp.Or(p.Username, p.Name, p.ObjectID) }
