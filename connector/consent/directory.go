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

// unowned fails with directory_refused when another tenant of the instance has proven the directory. Storing the proof decides;
// this spares a person a claim code that could not be used.
func (s *Service) unowned(ctx context.Context, r tenant.Resolved, directoryID string) error {
	owner, err := s.cfg.Store.Owner(ctx, r.Tenant.InstanceKey, directoryID)
	if errors.Is(err, tenant.ErrNotFound) || err == nil && owner.ID == r.Tenant.ID {
		return nil
	}
	if err != nil {
		return err
	}
	return failure.New(failure.DirectoryRefused, "directory", r.Tenant.Directory)
}

// refuseDisputed stores the refusal of a consent if err says that another tenant has proven its directory, and returns err.
func (s *Service) refuseDisputed(ctx context.Context, r tenant.Resolved, consentID string, err error) error {
	if !failure.Is(err, failure.DirectoryRefused) {
		return err
	}
	return errors.Join(err, s.refuse(context.WithoutCancel(ctx), r, consentID, err))
}

// dispute deletes the grant of a refused consent that waits, and tells the provider, in the caller's transaction. What the
// provider is told names both tenants, so it is no event of a tenant, whose reseller could read it.
func (s *Service) dispute(ctx context.Context, r tenant.Resolved, consentID string) error {
	for _, slot := range []token.Slot{token.Pending, token.Unconfirmed} {
		g, err := s.cfg.Store.Grant(ctx, r.Tenant.ID, slot)
		if err == nil && g.ConsentID == consentID {
			err = s.cfg.Store.DeleteGrant(ctx, r.Tenant.ID, slot)
		}
		if err != nil && !errors.Is(err, tenant.ErrNotFound) {
			return fmt.Errorf("deleting %s grant of %s: %w", slot, r.Tenant.ID, err)
		}
	}
	err := s.change(ctx, consentID, func(c *Consent) {
		switch c.Status {
		case Claimable:
			c.Status, c.ClaimHash, c.ClaimExpiresAt = Waiting, "", time.Time{}
		case Confirmable:
			c.Status, c.EndedAt = Failed, s.cfg.Now()
		}
	})
	if err != nil {
		return err
	}
	owner, err := s.cfg.Store.Owner(ctx, r.Tenant.InstanceKey, r.Tenant.DirectoryID)
	if err != nil && !errors.Is(err, tenant.ErrNotFound) {
		return err
	}
	return audit.Append(ctx, s.cfg.Store, s.cfg.Now(), audit.Event{
		InstanceKey: r.Tenant.InstanceKey, Action: audit.DirectoryDisputed, Result: string(failure.DirectoryDisputed),
		Actor:   audit.Actor{Kind: audit.Visitor},
		Details: map[string]string{"directory": r.Tenant.Directory, "tenant": r.Tenant.ID, "owner": owner.ID},
	})
}

// unprove ends the proof of a tenant's directory, in the caller's transaction: the person who gave it took it back, and another
// tenant may be the right one. A row that somebody else has altered stays unchanged, because the operator must decide about it, and
// that must not keep the grant from being destroyed.
func (s *Service) unprove(ctx context.Context, tenantID string) error {
	r, err := tenant.Resolve(ctx, s.cfg.Store, tenantID)
	if err != nil || r.Tenant.ProvenDirectoryID == "" || r.Tenant.Altered {
		return err
	}
	r.Tenant.ProvenDirectoryID = ""
	if err := s.cfg.Store.SaveTenant(ctx, &r.Tenant); err != nil {
		return changed(err, "saving tenant "+tenantID)
	}
	return nil
}
