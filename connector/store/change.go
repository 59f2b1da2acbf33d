package store

import (
	"context"
	"fmt"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/tenant"
)

// ChangeTenant implements tenant.Store.
func (s *Store) ChangeTenant(ctx context.Context, t *tenant.Tenant, e audit.Event) error {
	err := s.Transact(ctx, func(ctx context.Context) error {
		if err := s.SaveTenant(ctx, t); err != nil {
			return err
		}
		return s.AppendEvent(ctx, e)
	})
	if err != nil {
		return fmt.Errorf("changing tenant %q: %w", t.ID, err)
	}
	return nil
}
