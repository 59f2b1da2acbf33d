package tenant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
)

// Provision stores the tenant that the platform provisioned. Repeating it with the same ID leads to the same state.
func (s *Service) Provision(ctx context.Context, t Tenant, by audit.Actor) (Tenant, error) {
	stored, err := s.Resolve(ctx, t.InstanceKey, t.ID)
	if err != nil && stored.Instance.Key == "" {
		return Tenant{}, err
	}
	return s.put(ctx, stored, t, audit.TenantProvisioned, by)
}

// ConfigureTenant changes the name, directory and application of stored, which was just resolved, to those of t. An empty
// credential keeps the stored one unless it says Remove.
func (s *Service) ConfigureTenant(ctx context.Context, stored Resolved, t Tenant, by audit.Actor) (Tenant, error) {
	return s.put(ctx, stored, t, audit.TenantConfigured, by)
}

// put merges t into the stored tenant, or inserts it when the tenant of r is zero.
func (s *Service) put(ctx context.Context, r Resolved, t Tenant, action audit.Action, by audit.Actor) (Tenant, error) {
	stored := r.Tenant
	var err error
	if t.Application, err = t.Application.checked(s.cfg.Now()); err != nil {
		return Tenant{}, err
	}
	if t.Notices, err = t.Notices.checked(); err != nil {
		return Tenant{}, err
	}
	if err := t.checkLengths(); err != nil {
		return Tenant{}, err
	}
	directoryID, err := s.directoryID(ctx, r.Instance.Settings.Cloud, t.Directory)
	if err != nil {
		return Tenant{}, err
	}
	change := func(stored *Tenant) audit.Event {
		stored.merge(t, directoryID)
		stored.UpdatedAt = s.cfg.Now()
		return audit.Completed(ctx, s.cfg.Now(), audit.Event{
			InstanceKey: t.InstanceKey, TenantID: t.ID, Action: action, Actor: by,
			Details: map[string]string{"directory": stored.Directory},
		})
	}
	known := stored.Version > 0
	if stored.belongsToAnother(t) {
		return Tenant{}, failure.New(failure.Conflict)
	}
	if known && directoryID == stored.DirectoryID {
		e := change(&stored)
		if err := s.cfg.Store.ChangeTenant(ctx, &stored, e); !errors.Is(err, ErrChanged) {
			return stored, refused(err, t)
		}
	}
	// The tenant is new, or it was changed or removed since it was read.
	err = transact(ctx, s.cfg.Store, func(ctx context.Context) error {
		stored, err = s.cfg.Store.Tenant(ctx, t.ID)
		switch {
		case errors.Is(err, ErrNotFound) && known:
			return failure.New(failure.NotFound)
		case errors.Is(err, ErrNotFound):
			stored = Tenant{ID: t.ID, InstanceKey: t.InstanceKey, CreatedAt: s.cfg.Now()}
		case err != nil:
			return fmt.Errorf("reading tenant %s: %w", t.ID, err)
		case stored.InstanceKey != t.InstanceKey, stored.belongsToAnother(t):
			return failure.New(failure.Conflict)
		}
		e := change(&stored)
		if err := s.cfg.Store.SaveTenant(ctx, &stored); err != nil {
			return err
		}
		if err := s.cfg.Store.AppendEvent(ctx, e); err != nil {
			return err
		}
		return s.regain(ctx, &stored)
	})
	return stored, refused(err, t)
}

// belongsToAnother reports whether t has another owner than sent says: it moved since the caller read it. What was meant for
// one owner must not become the other's.
func (t *Tenant) belongsToAnother(sent Tenant) bool {
	return t.AccountID != "" && sent.AccountID != "" && t.AccountID != sent.AccountID
}

// refused translates the error of saving t.
func refused(err error, t Tenant) error {
	switch {
	case err == nil:
		return nil
	case failure.Is(err, failure.Conflict), failure.Is(err, failure.NotFound):
		return err
	}
	return translated(err, fmt.Sprintf("saving tenant %s", t.ID))
}

// merge copies what the platform sent. It sends owner and subscription only when it provisions the tenant. Only Link replaces an
// owner.
func (t *Tenant) merge(sent Tenant, directoryID string) {
	if t.AccountID == "" {
		t.AccountID = sent.AccountID
	}
	if sent.SubscriptionID != "" {
		t.SubscriptionID = sent.SubscriptionID
	}
	if sent.WatchedAccountID != "" {
		t.WatchedAccountID = sent.WatchedAccountID
	}
	if sent.Name != "" {
		t.Name = shortName(sent.Name)
	}
	if sent.Marketplace != "" {
		t.Marketplace = shortName(sent.Marketplace)
	}
	if directoryID == "" && t.Directory == sent.Directory {
		directoryID = t.DirectoryID
	}
	t.SetDirectory(sent.Directory, directoryID)
	sent.Application.keep(t.Application)
	t.Application, t.Notices = sent.Application, sent.Notices
}

// resolveTimeout limits the resolving of a directory, because the platform waits for it: we assume for 25 seconds at least
// (docs/reference/aps-protocol.md §1.7).
const resolveTimeout = 10 * time.Second

// directoryID returns the GUID of a directory, or "" when Microsoft cannot be reached: provisioning must not depend on
// Microsoft, and the first consent resolves the directory then.
func (s *Service) directoryID(ctx context.Context, cloud, directory string) (string, error) {
	if directory == "" {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	id, err := s.cfg.Directories.ResolveDirectory(ctx, cloud, directory)
	if err != nil && failure.From(err).Kind() == failure.Transient {
		s.cfg.Log.WarnContext(ctx, "the directory could not be resolved; the first consent resolves it", "directory", directory, "err", err)
		return "", nil
	}
	return id, err
}

// Suspend stores that the platform suspended, or resumed, a tenant's subscription. It writes nothing, and no event, when that
// is stored already.
func (s *Service) Suspend(ctx context.Context, instanceKey, id string, suspended bool, by audit.Actor) (Tenant, error) {
	var t Tenant
	err := transact(ctx, s.cfg.Store, func(ctx context.Context) (err error) {
		if t, err = s.Tenant(ctx, instanceKey, id); err != nil {
			return err
		}
		if !t.SuspendedAt.IsZero() == suspended {
			return nil
		}
		action := audit.TenantResumed
		t.SuspendedAt = time.Time{}
		if suspended {
			action, t.SuspendedAt = audit.TenantSuspended, s.cfg.Now()
		}
		return s.saveTenant(ctx, &t, action, by, nil)
	})
	return t, err
}

// Unprovision is RemoveTenant.
func (s *Service) Unprovision(ctx context.Context, instanceKey, id string, by audit.Actor) error {
	return RemoveTenant(ctx, s.cfg.Store, s.cfg.Now(), instanceKey, id, by)
}

// Tenant returns a tenant of an instance, or the failure not_found, even when it belongs to another instance.
func (s *Service) Tenant(ctx context.Context, instanceKey, id string) (Tenant, error) {
	t, err := s.cfg.Store.Tenant(ctx, id)
	if errors.Is(err, ErrNotFound) || err == nil && t.InstanceKey != instanceKey {
		return Tenant{}, failure.New(failure.NotFound)
	}
	if err != nil {
		return Tenant{}, fmt.Errorf("reading tenant %s: %w", id, err)
	}
	return t, nil
}

// Resolve returns a tenant and its instance. When the instance exists without this tenant, it returns the failure not_found
// with a Resolved that has only the instance; when there is no such instance, not_found with the zero Resolved.
func (s *Service) Resolve(ctx context.Context, instanceKey, id string) (Resolved, error) {
	r, err := s.cfg.Store.Resolve(ctx, id)
	if err == nil && r.Of(instanceKey) {
		return r, nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Resolved{}, fmt.Errorf("reading tenant %s: %w", id, err)
	}
	in, err := s.Instance(ctx, instanceKey)
	if err != nil {
		return Resolved{}, err
	}
	return Resolved{Instance: in}, failure.New(failure.NotFound)
}

// Find returns a tenant of whatever instance, or the failure not_found.
func (s *Service) Find(ctx context.Context, id string) (Resolved, error) {
	r, err := Resolve(ctx, s.cfg.Store, id)
	if failure.Is(err, failure.NotFound) || err == nil && !r.Instance.RemovedAt.IsZero() {
		return Resolved{}, failure.New(failure.NotFound).Advise("The tenant was removed, or never existed. Compare its ID with those of connector tenants list.")
	}
	return r, err
}

// Page returns up to limit tenants of all instances, after an ID, in the order of their IDs.
func (s *Service) Page(ctx context.Context, after string, limit int) ([]Resolved, error) {
	ids, err := s.cfg.Store.TenantsAfter(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing tenants: %w", err)
	}
	tenants := make([]Resolved, 0, len(ids))
	for _, id := range ids {
		r, err := s.Find(ctx, id)
		if failure.Is(err, failure.NotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		tenants = append(tenants, r)
	}
	return tenants, nil
}

// Tenants returns all tenants of an instance ordered by name.
func (s *Service) Tenants(ctx context.Context, instanceKey string) ([]Tenant, error) {
	tenants, err := s.cfg.Store.Tenants(ctx, instanceKey)
	if err != nil {
		return nil, fmt.Errorf("listing tenants of %s: %w", instanceKey, err)
	}
	return tenants, nil
}
