package token

import (
	"context"

	"azure-partner-connector/connector/recent"
	"azure-partner-connector/connector/tenant"
)

// maxRecent bounds the snapshots that are kept for the next lendings.
const maxRecent = 1000

// A recentSnapshot is what was read about the token of a tenant that had a version.
type recentSnapshot struct {
	snapshot      *Snapshot
	tenantVersion int64
}

// readSnapshot is Snapshot, which LendCached uses for recent.Life.
func (s *Service) readSnapshot(ctx context.Context, r *tenant.Resolved) (*Snapshot, error) {
	read, err := s.recent.Read(r.Tenant.ID, s.cfg.Now(), func() (recentSnapshot, error) {
		snapshot, err := s.Snapshot(ctx, r.Tenant.ID)
		return recentSnapshot{&snapshot, r.Tenant.Version}, err
	})
	return read.snapshot, err
}

// recentSnapshot returns what readSnapshot has read up to recent.Life ago; nil without that, and when this Service has changed a
// grant or a schedule since, or anybody the tenant. What was changed in a transaction of somebody else (StoreActive), or by another
// process, may show recent.Life later.
func (s *Service) recentSnapshot(r *tenant.Resolved) *Snapshot {
	if kept, ok := s.recent.Kept(r.Tenant.ID, s.cfg.Now()); ok && kept.tenantVersion == r.Tenant.Version {
		return kept.snapshot
	}
	return nil
}

// A forgetting store drops what readSnapshot keeps after every change.
type forgetting struct {
	Store
	kept *recent.Cache[string, recentSnapshot]
}

// Transact implements Store.
func (f forgetting) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	defer f.kept.Forget()
	return f.Store.Transact(ctx, fn)
}

// SaveGrant implements Store.
func (f forgetting) SaveGrant(ctx context.Context, g *Grant) error {
	defer f.kept.Forget()
	return f.Store.SaveGrant(ctx, g)
}

// DeleteGrant implements Store.
func (f forgetting) DeleteGrant(ctx context.Context, tenantID string, slot Slot) error {
	defer f.kept.Forget()
	return f.Store.DeleteGrant(ctx, tenantID, slot)
}

// DeleteUnchanged implements Store.
func (f forgetting) DeleteUnchanged(ctx context.Context, g Grant) error {
	defer f.kept.Forget()
	return f.Store.DeleteUnchanged(ctx, g)
}

// SaveSchedule implements Store.
func (f forgetting) SaveSchedule(ctx context.Context, schedule *Schedule) error {
	defer f.kept.Forget()
	return f.Store.SaveSchedule(ctx, schedule)
}

// DeleteSchedule implements Store.
func (f forgetting) DeleteSchedule(ctx context.Context, tenantID string) error {
	defer f.kept.Forget()
	return f.Store.DeleteSchedule(ctx, tenantID)
}
