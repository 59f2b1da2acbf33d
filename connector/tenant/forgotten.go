package tenant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
)

// forgotten returns the root that in takes the place of, because the platform no longer has it; "" when in takes the place of
// none. It returns root_exists when the platform still has the stored root. The controller in use is asked, whatever address
// the call names; and because an address where nothing is answers 404 too, the controller must also have the new root.
func (s *Service) forgotten(ctx context.Context, in Instance) (string, error) {
	stored, err := s.cfg.Store.Instance(ctx, in.Key)
	if errors.Is(err, ErrNotFound) || err == nil && (!stored.RemovedAt.IsZero() || stored.RootID == in.RootID) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading instance %s: %w", in.Key, err)
	}
	if s.cfg.Resources == nil {
		return "", failure.New(failure.RootExists)
	}
	for _, root := range []struct {
		id     string
		wanted bool
	}{{stored.RootID, false}, {in.RootID, true}} {
		exists, err := s.cfg.Resources.Exists(ctx, stored, root.id)
		if err != nil {
			return "", fmt.Errorf("asking the controller in use about root resource %s (if the platform moved: connector instances accept-controller): %w", root.id, err)
		}
		if exists != root.wanted {
			return "", failure.New(failure.RootExists)
		}
	}
	s.cfg.Log.WarnContext(ctx, "the platform no longer has the root resource of an instance; another one takes its place, and its tenants are not served until the platform confirms them",
		"instance", in.Key, "before", stored.RootID, "root", in.RootID)
	return stored.RootID, nil
}

// doubtTenants records that the platform may not have the tenants of an instance any more, in the caller's transaction.
func (s *Service) doubtTenants(ctx context.Context, key string, by audit.Actor) error {
	tenants, err := s.cfg.Store.Tenants(ctx, key)
	if err != nil {
		return fmt.Errorf("listing tenants of %s: %w", key, err)
	}
	for _, t := range tenants {
		if t.Altered || !t.UnknownAt.IsZero() && t.WatchedAccountID == "" { // nothing is issued for an altered one either
			continue
		}
		if t.UnknownAt.IsZero() {
			t.UnknownAt = s.cfg.Now()
		}
		t.WatchedAccountID = "" // its account was linked with the root that is gone
		if err := s.saveTenant(ctx, &t, audit.TenantDoubted, by, nil); err != nil {
			return err
		}
	}
	return nil
}

// Recognize records that the platform has a tenant. It writes nothing, and no event, when nobody doubted that.
func (s *Service) Recognize(ctx context.Context, instanceKey, id string, by audit.Actor) (Tenant, error) {
	var t Tenant
	err := transact(ctx, s.cfg.Store, func(ctx context.Context) (err error) {
		if t, err = s.Tenant(ctx, instanceKey, id); err != nil || t.UnknownAt.IsZero() {
			return err
		}
		t.UnknownAt = time.Time{}
		return s.saveTenant(ctx, &t, audit.TenantRecognized, by, nil)
	})
	return t, err
}
