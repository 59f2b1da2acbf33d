package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

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

// Snapshot returns what is stored about a tenant's token, or the failure not_found when the tenant was removed meanwhile.
func (s *Service) Snapshot(ctx context.Context, tenantID string) (Snapshot, error) {
	snapshot, err := s.cfg.Store.Snapshot(ctx, tenantID)
	if errors.Is(err, tenant.ErrNotFound) {
		return Snapshot{}, failure.New(failure.NotFound)
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("reading the token of tenant %s: %w", tenantID, err)
	}
	return snapshot, nil
}

// ReadTenant returns a tenant of an instance and what is stored about its token, or the failure not_found.
func (s *Service) ReadTenant(ctx context.Context, instanceKey, tenantID string) (tenant.Resolved, Snapshot, error) {
	r, snapshot, err := s.cfg.Store.ResolveWithSnapshot(ctx, tenantID)
	if errors.Is(err, tenant.ErrNotFound) || err == nil && !r.Of(instanceKey) {
		return tenant.Resolved{}, Snapshot{}, failure.New(failure.NotFound)
	}
	if err != nil {
		return tenant.Resolved{}, Snapshot{}, fmt.Errorf("reading tenant %s and its token: %w", tenantID, err)
	}
	return r, snapshot, nil
}

// usable returns the client for g, or why g cannot be used any more: a refresh token is bound to the user of its directory
// and to the application that it was issued to (docs/reference/microsoft-identity.md §3.4).
func usable(r *tenant.Resolved, g *Grant) (tenant.Client, error) {
	c := r.Client()
	if g.InstanceKey != "" && g.InstanceKey != r.Tenant.InstanceKey || g.AccountID != "" && g.AccountID != r.Tenant.AccountID {
		return c, failure.New(failure.Integrity) // it was given to another owner
	}
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
	case !r.Tenant.Proven(): // lost by a change of the directory; another tenant may have proven it since
		return c, failure.New(failure.DirectoryRefused, "directory", r.Tenant.Directory)
	case g.Unreadable:
		return c, failure.New(failure.GrantUnreadable)
	}
	return c, nil
}

// An Acceptance is how an exchanged grant was stored.
type Acceptance struct {
	// Waiting says that the grant takes effect only once the reseller confirms it.
	Waiting bool
	// Before is the account of the active grant until then; the zero Person when there was none.
	Before Person
}

// Accept stores an exchanged grant: as the active one, or, if somebody else consented than before, as the one that waits for
// confirmation. It joins the caller's transaction.
func (s *Service) Accept(ctx context.Context, g Grant) (Acceptance, error) {
	old, ok, err := s.grant(ctx, g.TenantID, Active)
	if err != nil {
		return Acceptance{}, err
	}
	accepted := Acceptance{Waiting: ok && s.mustConfirm(g.ConsentedBy, old.ConsentedBy), Before: old.ConsentedBy}
	if accepted.Waiting {
		return accepted, s.storeWaiting(ctx, g, Unconfirmed)
	}
	return accepted, s.StoreActive(ctx, g)
}

// mustConfirm reports whether the reseller has to confirm that a grant of one account is replaced by that of another.
func (s *Service) mustConfirm(after, before Person) bool {
	return !s.cfg.AcceptAnotherAccount && !sameAccount(after, before)
}

// StoreActive makes an exchanged grant the tenant's active one, which proves its directory, and schedules its renewal. Whatever
// belongs to the consent before it is dropped: the predecessor, and cached access tokens, which do not open for the new consent in
// any replica. It joins the caller's transaction.
func (s *Service) StoreActive(ctx context.Context, g Grant) error {
	old, ok, err := s.grant(ctx, g.TenantID, Active)
	if err != nil {
		return err
	}
	if err := tenant.Prove(ctx, s.cfg.Store, g.TenantID, g.DirectoryID); err != nil {
		return err
	}
	by := audit.Actor{Kind: audit.Visitor, Name: g.ConsentedBy.Username}
	if err := s.recordPermissions(ctx, g.InstanceKey, g.TenantID, old.Checks, g.Checks, by); err != nil {
		return err
	}
	g.Slot, g.Version = Active, 0
	if ok {
		g.Version = old.Version // a consent replaces what is stored, whatever the times of issue say
	}
	if err := s.cfg.Store.SaveGrant(ctx, &g); err != nil {
		return stale(err, "saving grant of "+g.TenantID)
	}
	if err := s.deleteGrant(ctx, g.TenantID, Predecessor); err != nil {
		return err
	}
	s.dropLoans(g.TenantID)
	return s.reschedule(ctx, g.TenantID, func(schedule *Schedule) { s.succeed(schedule, g.IssuedAt) })
}

func (s *Service) deleteGrant(ctx context.Context, tenantID string, slot Slot) error {
	if err := s.cfg.Store.DeleteGrant(ctx, tenantID, slot); err != nil && !errors.Is(err, tenant.ErrNotFound) {
		return fmt.Errorf("deleting %s grant of %s: %w", slot, tenantID, err)
	}
	return nil
}

// StorePending stores an exchanged grant that waits for its claim code, in place of an older one. It joins the caller's
// transaction.
func (s *Service) StorePending(ctx context.Context, g Grant) error {
	return s.storeWaiting(ctx, g, Pending)
}

// storeWaiting stores an exchanged grant in a slot in which it waits, in place of an older one.
func (s *Service) storeWaiting(ctx context.Context, g Grant, slot Slot) error {
	old, ok, err := s.grant(ctx, g.TenantID, slot)
	if err != nil {
		return err
	}
	g.Slot, g.Version = slot, 0
	if ok {
		g.Version = old.Version
	}
	if err := s.cfg.Store.SaveGrant(ctx, &g); err != nil {
		return stale(err, fmt.Sprintf("saving %s grant of %s", slot, g.TenantID))
	}
	return nil
}

// Activate makes the grant of a consent, which waits in a slot, the active one. It returns the grant and the account that
// it replaces. It fails with nothing_to_claim or consent_replaced when the slot does not hold a grant of this consent. It
// joins the caller's transaction.
func (s *Service) Activate(ctx context.Context, tenantID string, slot Slot, consentID string) (g Grant, before Person, err error) {
	g, ok, err := s.grant(ctx, tenantID, slot)
	if err != nil {
		return Grant{}, Person{}, err
	}
	if !ok || g.ConsentID != consentID {
		if slot == Unconfirmed {
			return Grant{}, Person{}, failure.New(failure.ConsentReplaced)
		}
		return Grant{}, Person{}, failure.New(failure.NothingToClaim)
	}
	old, _, err := s.grant(ctx, tenantID, Active)
	if err != nil {
		return Grant{}, Person{}, err
	}
	if g.Unreadable {
		return Grant{}, Person{}, failure.New(failure.GrantUnreadable)
	}
	if err := s.StoreActive(ctx, g); err != nil {
		return Grant{}, Person{}, err
	}
	return g, old.ConsentedBy, s.deleteGrant(ctx, tenantID, slot)
}

// Forget deletes our copies of a tenant's refresh tokens. It revokes nothing at Microsoft, which offers no way to revoke a
// single token (docs/reference/microsoft-identity.md §6.4).
func (s *Service) Forget(ctx context.Context, tenantID string, by audit.Actor) (Status, error) {
	r, err := tenant.Resolve(ctx, s.cfg.Store, tenantID)
	if err != nil {
		return Status{}, err
	}
	err = s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		for _, slot := range []Slot{Active, Pending, Unconfirmed, Predecessor} {
			if err := s.deleteGrant(ctx, tenantID, slot); err != nil {
				return err
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
	s.dropLoans(tenantID)
	return s.Status(ctx, r)
}

// Disown destroys g, which its own giver took back, and records that as the reason why the tenant has no token. A waiting grant
// leaves the active one of another consent in place. It joins the caller's transaction.
func (s *Service) Disown(ctx context.Context, g Grant) error {
	if err := s.deleteGrant(ctx, g.TenantID, g.Slot); err != nil {
		return err
	}
	if g.Slot != Active {
		if _, ok, err := s.grant(ctx, g.TenantID, Active); ok || err != nil {
			return err
		}
	}
	if err := s.deleteGrant(ctx, g.TenantID, Predecessor); err != nil {
		return err
	}
	s.loans.drop(g.TenantID)
	return s.reschedule(ctx, g.TenantID, func(schedule *Schedule) {
		schedule.DueAt, schedule.Attempt = never, 0
		schedule.Failure = failure.NewRecord(ctx, failure.New(failure.ConsentDisowned))
	})
}

// purgeBatch bounds how many unclaimed grants one Purge deletes; the next one continues.
const purgeBatch = 1000

// Purge deletes grants whose claim code nobody entered, or that nobody confirmed, in time, what was known of customer directories
// that nobody has asked for since, and cached access tokens that have expired. Several replicas may purge at once.
func (s *Service) Purge(ctx context.Context) error {
	now := s.cfg.Now()
	s.loans.purge(now)
	s.customerLoans.purge(now)
	var unclaimed []Grant
	err := clock.InTime(ctx, s.cfg.Now, s.cfg.Store.Transact, func(ctx context.Context, now time.Time) (err error) {
		unclaimed, err = s.cfg.Store.Unclaimed(ctx, now.Add(-s.cfg.ClaimLife), now.Add(Tolerance), purgeBatch)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading unclaimed grants: %w", err)
	}
	failed := s.cfg.Store.PurgeCustomers(ctx, now.Add(-customerKept))
	for _, g := range unclaimed {
		if err := s.expire(ctx, g); err != nil {
			failed = errors.Join(failed, fmt.Errorf("deleting an unclaimed grant of %s: %w", g.TenantID, err))
		}
	}
	return failed
}

// expire deletes an unclaimed grant, unless a newer one has taken its place.
func (s *Service) expire(ctx context.Context, g Grant) error {
	r, err := tenant.Resolve(ctx, s.cfg.Store, g.TenantID)
	if failure.Is(err, failure.NotFound) {
		return nil // removed meanwhile, with its grants
	}
	if err != nil {
		return err
	}
	err = s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		if err := s.cfg.Store.DeleteUnchanged(ctx, g); err != nil {
			return err
		}
		return s.append(ctx, &r, audit.Event{
			Action: audit.ConsentExpired, Actor: audit.Actor{Kind: audit.Scheduler, Name: "purge"},
			Details: map[string]string{"procedure": string(g.Procedure), "username": g.ConsentedBy.Username},
		})
	})
	if errors.Is(err, ErrStale) {
		return nil
	}
	return err
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
