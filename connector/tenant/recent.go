package tenant

import (
	"context"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/recent"
)

// maxRecent bounds the tenants that are kept for the next requests.
const maxRecent = 1000

// FindRecent is Find of a tenant that may have been read up to recent.Life ago. What this Service has changed since shows at once,
// what others change may show so much later.
func (s *Service) FindRecent(ctx context.Context, id string) (Resolved, error) {
	kept, err := s.recent.Get(id, s.cfg.Now(), func() (*Resolved, error) {
		r, err := s.Find(ctx, id)
		return &r, err
	})
	if err != nil {
		return Resolved{}, err
	}
	return *kept, nil
}

// A forgetting store drops what FindRecent keeps after every change.
type forgetting struct {
	Store
	kept *recent.Cache[string, *Resolved]
}

// Transact implements Store.
func (f forgetting) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	defer f.kept.Forget()
	return f.Store.Transact(ctx, fn)
}

// SaveInstance implements Store.
func (f forgetting) SaveInstance(ctx context.Context, in *Instance) error {
	defer f.kept.Forget()
	return f.Store.SaveInstance(ctx, in)
}

// SaveTenant implements Store.
func (f forgetting) SaveTenant(ctx context.Context, t *Tenant) error {
	defer f.kept.Forget()
	return f.Store.SaveTenant(ctx, t)
}

// ChangeTenant implements Store.
func (f forgetting) ChangeTenant(ctx context.Context, t *Tenant, e audit.Event) error {
	defer f.kept.Forget()
	return f.Store.ChangeTenant(ctx, t, e)
}

// EmptyTenant implements Store.
func (f forgetting) EmptyTenant(ctx context.Context, id string) error {
	defer f.kept.Forget()
	return f.Store.EmptyTenant(ctx, id)
}

// DeleteTenant implements Store.
func (f forgetting) DeleteTenant(ctx context.Context, id string) error {
	defer f.kept.Forget()
	return f.Store.DeleteTenant(ctx, id)
}
