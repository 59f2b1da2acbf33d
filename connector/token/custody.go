package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// maxClockLag is how far the clocks of two replicas may differ for a consent to still count as the newer value.
const maxClockLag = 10 * time.Minute

// grant returns the grant in a slot and whether there is one.
func (s *Service) grant(ctx context.Context, tenantID string, slot Slot) (Grant, bool, error) {
	g, err := s.cfg.Store.Grant(ctx, tenantID, slot)
	if errors.Is(err, tenant.ErrNotFound) {
		return Grant{}, false, nil
	}
	if err != nil {
		return Grant{}, false, fmt.Errorf("reading %s grant of %s: %w", slot, tenantID, err)
	}
	return g, true, nil
}

// snapshot returns what is stored about a tenant's token, or the failure not_found when the tenant was removed meanwhile.
func (s *Service) snapshot(ctx context.Context, tenantID string) (Snapshot, error) {
	snapshot, err := s.cfg.Store.Snapshot(ctx, tenantID)
	if errors.Is(err, tenant.ErrNotFound) {
		return Snapshot{}, failure.New(failure.NotFound)
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("reading the token of tenant %s: %w", tenantID, err)
	}
	return snapshot, nil
}

// usable returns the client for g, or why g cannot be used any more: a refresh token is bound to the user of its directory
// and to the application that it was issued to (docs/reference/microsoft-identity.md §3.4).
func usable(r *tenant.Resolved, g *Grant) (tenant.Client, error) {
	c := r.Client()
	if c.DirectoryID == "" {
		return c, failure.New(failure.DirectoryMissing)
	}
	if err := c.Application.Usable(); err != nil {
		return c, err
	}
	switch {
	case c.DirectoryID != g.DirectoryID:
		return c, failure.New(failure.DirectoryChanged, "seen", g.DirectoryID, "expected", c.DirectoryID)
	case c.Application.ID != g.ApplicationID:
		return c, failure.New(failure.ApplicationChanged, "seen", g.ApplicationID, "expected", c.Application.ID)
	case g.Unreadable:
		return c, failure.New(failure.GrantUnreadable)
	}
	return c, nil
}

// StoreActive makes an exchanged grant the tenant's active one and schedules its renewal. The previous active grant becomes
// the predecessor until the new one has worked. It joins the caller's transaction.
func (s *Service) StoreActive(ctx context.Context, g Grant) error {
	old, ok, err := s.grant(ctx, g.TenantID, Active)
	if err != nil {
		return err
	}
	g.Slot, g.Version = Active, 0
	if ok {
		g.Version = old.Version
		// A consent is newer than what is stored, even when the clocks of two replicas say otherwise.
		if lag := old.IssuedAt.Sub(g.IssuedAt); lag >= 0 && lag < maxClockLag {
			g.IssuedAt = old.IssuedAt.Add(time.Millisecond)
		}
		if err := s.savePredecessor(ctx, old); err != nil {
			return err
		}
	}
	if err := s.cfg.Store.SaveGrant(ctx, &g); err != nil {
		return stale(err, "saving grant of "+g.TenantID)
	}
	return s.reschedule(ctx, g.TenantID, s.succeed)
}

// StorePending stores an exchanged grant that waits for its claim code, in place of an older one. It joins the caller's
// transaction.
func (s *Service) StorePending(ctx context.Context, g Grant) error {
	old, ok, err := s.grant(ctx, g.TenantID, Pending)
	if err != nil {
		return err
	}
	g.Slot, g.Version = Pending, 0
	if ok {
		g.Version = old.Version
	}
	if err := s.cfg.Store.SaveGrant(ctx, &g); err != nil {
		return stale(err, "saving pending grant of "+g.TenantID)
	}
	return nil
}

// Activate makes a tenant's pending grant the active one and returns it. It joins the caller's transaction.
func (s *Service) Activate(ctx context.Context, tenantID string) (Grant, error) {
	g, ok, err := s.grant(ctx, tenantID, Pending)
	if err != nil {
		return Grant{}, err
	}
	if !ok {
		return Grant{}, failure.New(failure.NothingToClaim)
	}
	if g.Unreadable {
		return Grant{}, failure.New(failure.GrantUnreadable)
	}
	if err := s.StoreActive(ctx, g); err != nil {
		return Grant{}, err
	}
	if err := s.cfg.Store.DeleteGrant(ctx, tenantID, Pending); err != nil {
		return Grant{}, fmt.Errorf("deleting pending grant of %s: %w", tenantID, err)
	}
	return g, nil
}

// Forget deletes our copies of a tenant's refresh tokens. It revokes nothing at Microsoft, which offers no way to revoke a
// single token (docs/reference/microsoft-identity.md §6.4).
func (s *Service) Forget(ctx context.Context, tenantID string, by audit.Actor) (Status, error) {
	r, err := tenant.Resolve(ctx, s.cfg.Store, tenantID)
	if err != nil {
		return Status{}, err
	}
	err = s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		for _, slot := range []Slot{Active, Pending, Predecessor} {
			if err := s.cfg.Store.DeleteGrant(ctx, tenantID, slot); err != nil && !errors.Is(err, tenant.ErrNotFound) {
				return fmt.Errorf("deleting %s grant of %s: %w", slot, tenantID, err)
			}
		}
		if err := s.cfg.Store.DeleteSchedule(ctx, tenantID); err != nil && !errors.Is(err, tenant.ErrNotFound) {
			return fmt.Errorf("deleting schedule of %s: %w", tenantID, err)
		}
		return s.append(ctx, &r, audit.Event{Action: audit.GrantForgotten, Actor: by})
	})
	if err != nil {
		return Status{}, err
	}
	s.loans.drop(tenantID)
	return s.Status(ctx, r)
}

// Purge deletes grants whose claim code nobody entered in time, and cached access tokens that have expired.
func (s *Service) Purge(ctx context.Context) error {
	s.loans.purge(s.cfg.Now())
	if err := s.cfg.Store.DeletePending(ctx, s.cfg.Now().Add(-s.cfg.ClaimLife)); err != nil {
		return fmt.Errorf("deleting unclaimed grants: %w", err)
	}
	return nil
}

// savePredecessor keeps an active grant that is about to be replaced, unless it cannot be read: then the predecessor that is
// stored may still work.
func (s *Service) savePredecessor(ctx context.Context, old Grant) error {
	if old.Unreadable {
		return nil
	}
	if err := s.cfg.Store.SavePredecessor(ctx, old); err != nil {
		return fmt.Errorf("saving predecessor of %s: %w", old.TenantID, err)
	}
	return nil
}

func stale(err error, doing string) error {
	if errors.Is(err, ErrStale) {
		return failure.Wrap(fmt.Errorf("%s: %w", doing, err), failure.GrantStale)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
