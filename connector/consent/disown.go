package consent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// DisownWithin is how long after a consent the person who gave it can take it back on the onboarding page.
const DisownWithin = 15 * time.Minute

// Disown destroys the grant of a consent, waiting or active, in all replicas at once: cached access tokens belong to a consent
// and are not issued without its grant. The provider is alarmed. The caller has proven that the consent was completed in the
// browser that asks. A repeated call succeeds again.
func (s *Service) Disown(ctx context.Context, consentID string) error {
	c, err := s.cfg.Store.Consent(ctx, consentID)
	if errors.Is(err, tenant.ErrNotFound) {
		return failure.New(failure.ConsentReplaced)
	}
	if err != nil {
		return fmt.Errorf("reading consent %s: %w", consentID, err)
	}
	r, err := tenant.Resolve(ctx, s.cfg.Store, c.TenantID)
	if err != nil {
		return err
	}
	return s.store(ctx, func(ctx context.Context) error {
		c, err := s.cfg.Store.Consent(ctx, consentID)
		if err != nil {
			return fmt.Errorf("reading consent %s: %w", consentID, err)
		}
		if c.Failure != nil && c.Failure.Code == failure.ConsentDisowned {
			return nil
		}
		g, ok, err := s.grantOf(ctx, c)
		switch {
		case err != nil:
			return err
		case !ok:
			return failure.New(failure.ConsentReplaced)
		case !s.cfg.Now().Before(g.ConsentedAt.Add(DisownWithin)):
			return failure.New(failure.DisownTooLate)
		}
		if err := s.cfg.Tokens.Disown(ctx, g); err != nil {
			return err
		}
		if g.Slot == token.Active {
			if err := s.unprove(ctx, c.TenantID); err != nil {
				return err
			}
		}
		c.Status, c.EndedAt, c.ClaimHash = Failed, s.cfg.Now(), ""
		c.Failure = failure.NewRecord(ctx, failure.New(failure.ConsentDisowned))
		if err := s.cfg.Store.SaveConsent(ctx, &c); err != nil {
			return changed(err, "saving consent "+c.ID)
		}
		return s.append(ctx, r, audit.Event{Action: audit.ConsentDisowned, Actor: visitor(g.ConsentedBy), Details: map[string]string{
			"procedure": string(g.Procedure), "username": g.ConsentedBy.Username, "directory": g.DirectoryID, "slot": string(g.Slot),
		}})
	})
}

// grantOf returns the grant that came from a consent, wherever it is.
func (s *Service) grantOf(ctx context.Context, c Consent) (token.Grant, bool, error) {
	for _, slot := range []token.Slot{token.Active, token.Unconfirmed, token.Pending} {
		g, err := s.cfg.Store.Grant(ctx, c.TenantID, slot)
		if err == nil && g.ConsentID == c.ID {
			return g, true, nil
		}
		if err != nil && !errors.Is(err, tenant.ErrNotFound) {
			return token.Grant{}, false, fmt.Errorf("reading %s grant of %s: %w", slot, c.TenantID, err)
		}
	}
	return token.Grant{}, false, nil
}
