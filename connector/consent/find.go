package consent

import (
	"context"
	"errors"
	"fmt"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A Progress is how far a person has come with a consent that waits, as far as the connector knows. A panel cannot learn it
// from its window, which counts as closed while it shows Microsoft's pages (docs/reference/microsoft-identity.md §9).
type Progress string

// The steps.
const (
	NotOpened Progress = "not_opened" // Microsoft's page has not been opened yet
	Opened    Progress = "opened"     // a person is at Microsoft
	Answered  Progress = "answered"   // Microsoft has answered, and the answer is being checked
)

// A Found is a consent as the panel that polls it sees it.
type Found struct {
	Consent

	Progress Progress // empty unless the consent is waiting
}

// Find returns a consent of a tenant, for the panel that polls it. A consent that timed out, or that can no longer be
// confirmed, is returned as failed. The failure of one that waits for confirmation, or of an automatic one that waits for its
// claim code, says so. An automatic consent that another one overtook is returned with the outcome of that one.
func (s *Service) Find(ctx context.Context, tenantID, consentID string) (Found, error) {
	c, err := s.cfg.Store.Consent(ctx, consentID)
	if errors.Is(err, tenant.ErrNotFound) || err == nil && c.TenantID != tenantID {
		return Found{}, failure.New(failure.NotFound)
	}
	if err != nil {
		return Found{}, fmt.Errorf("reading consent %s: %w", consentID, err)
	}
	decided := c
	if c.Procedure == token.Automatic && (c.Status == Closed || c.Status == Waiting && s.timedOut(c)) {
		if decided, err = s.overtaking(ctx, c); err != nil {
			return Found{}, err
		}
	}
	found := Found{Consent: decided}
	if found.Status, found.Failure, err = s.outcome(ctx, decided, c.Procedure); err != nil {
		return Found{}, err
	}
	found.ID, found.Procedure = c.ID, c.Procedure
	if found.Status != Waiting {
		return found, nil
	}
	opened, answered, err := s.cfg.Store.Progress(ctx, c.ID)
	if err != nil {
		return Found{}, fmt.Errorf("reading the progress of consent %s: %w", c.ID, err)
	}
	found.Progress = NotOpened
	switch {
	case answered:
		found.Progress = Answered
	case opened:
		found.Progress = Opened
	}
	return found, nil
}

// overtaking returns the consent of the same tenant that was granted since c began, or c when there is none.
func (s *Service) overtaking(ctx context.Context, c Consent) (Consent, error) {
	for _, slot := range []token.Slot{token.Active, token.Unconfirmed, token.Pending} {
		g, err := s.cfg.Store.Grant(ctx, c.TenantID, slot)
		if errors.Is(err, tenant.ErrNotFound) || err == nil && (g.ConsentedAt.Before(c.CreatedAt) || g.ConsentedAt.After(s.cfg.Now().Add(token.Tolerance))) {
			continue // consented to before, or at a time that a wrong clock stored
		}
		if err != nil {
			return Consent{}, fmt.Errorf("reading %s grant of %s: %w", slot, c.TenantID, err)
		}
		other, err := s.cfg.Store.Consent(ctx, g.ConsentID)
		if errors.Is(err, tenant.ErrNotFound) {
			continue
		}
		if err != nil {
			return Consent{}, fmt.Errorf("reading consent %s: %w", g.ConsentID, err)
		}
		return other, nil
	}
	return c, nil
}

// outcome returns the status of c to whoever began it by a procedure, and why it has no effect, or not yet.
func (s *Service) outcome(ctx context.Context, c Consent, begun token.Procedure) (Status, *failure.Record, error) {
	failed := func(code failure.Code) (Status, *failure.Record, error) {
		return Failed, failure.NewRecord(ctx, failure.New(code)), nil
	}
	switch {
	case c.Status == Waiting && s.timedOut(c):
		return failed(failure.ConsentTimedOut)
	case c.Status == Closed && begun == token.Automatic:
		return failed(failure.ConsentReplaced)
	case c.Status == Claimable && begun == token.Automatic && s.unclaimed(c):
		return failed(failure.ClaimExpired)
	case c.Status == Claimable && begun == token.Automatic:
		return Claimable, failure.NewRecord(ctx, failure.New(failure.ClaimWaiting, "username", shown(c.ConsentedBy))), nil
	case c.Status == Confirmable:
		f, err := s.confirmable(ctx, c)
		if err != nil || f == nil {
			return c.Status, c.Failure, err
		}
		return failed(f.Code)
	}
	return c.Status, c.Failure, nil
}
