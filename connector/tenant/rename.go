package tenant

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
)

// Rename stores the current names of a tenant's company and marketplace. An empty name is not known and changes nothing. It
// writes nothing, and no event, when both names are stored already.
func (s *Service) Rename(ctx context.Context, instanceKey, id, name, marketplace string, by audit.Actor) error {
	return transact(ctx, s.cfg.Store, func(ctx context.Context) error {
		t, err := s.cfg.Store.Tenant(ctx, id)
		if errors.Is(err, ErrNotFound) || err == nil && t.InstanceKey != instanceKey {
			return failure.New(failure.NotFound)
		}
		if err != nil {
			return fmt.Errorf("reading tenant %s: %w", id, err)
		}
		company, brand := cmp.Or(shortName(name), t.Name), cmp.Or(shortName(marketplace), t.Marketplace)
		if company == t.Name && brand == t.Marketplace {
			return nil
		}
		t.Name, t.Marketplace, t.UpdatedAt = company, brand, s.cfg.Now()
		if err := s.cfg.Store.SaveTenant(ctx, &t); err != nil {
			return translated(err, fmt.Sprintf("saving tenant %s", id))
		}
		return s.append(ctx, audit.Event{
			InstanceKey: instanceKey, TenantID: id, Action: audit.TenantConfigured, Actor: by,
			Details: map[string]string{"name": t.Name},
		})
	})
}
