package tenant

import (
	"context"
	"errors"

	"azure-partner-connector/connector/audit"
)

var (
	// ErrNotFound is returned by stores for a row that does not exist.
	ErrNotFound = errors.New("not found")
	// ErrChanged is returned by stores for a row that changed since it was read, or a new one that exists already.
	ErrChanged = errors.New("changed by another writer")
	// ErrDirectoryTaken is returned when another tenant of the instance has proven the same directory.
	ErrDirectoryTaken = errors.New("another tenant has proven the directory")
)

// Store keeps instances and tenants, and seals their secrets. Inside Transact, all methods join the transaction of their
// context. They are safe for concurrent use.
type Store interface {
	// Transact runs fn in one transaction, which fn's context carries. After a deadlock or a failed certification it calls
	// fn again, so fn must have no effect outside the store.
	Transact(ctx context.Context, fn func(ctx context.Context) error) error

	Instance(ctx context.Context, key string) (Instance, error)
	// SaveInstance inserts (Version 0) or updates in with a check of its Version, which it then advances. It fails with
	// integrity when in is Altered: its values must not become valid by being saved again.
	SaveInstance(ctx context.Context, in *Instance) error

	Resolver
	Tenant(ctx context.Context, id string) (Tenant, error)
	// Tenants returns the tenants of an instance ordered by name and id.
	Tenants(ctx context.Context, instanceKey string) ([]Tenant, error)
	// TenantsAfter returns the IDs of up to limit tenants of all instances, after an ID, in their order.
	TenantsAfter(ctx context.Context, after string, limit int) ([]string, error)
	// SaveTenant inserts (Version 0) or updates t with a check of its Version, which it then advances. It fails with
	// integrity when t is Altered, and with ErrDirectoryTaken when another tenant of the instance has proven the directory that
	// t has proven; both change nothing, and the transaction may go on.
	SaveTenant(ctx context.Context, t *Tenant) error
	// ChangeTenant updates t as SaveTenant does and appends e, both or neither.
	ChangeTenant(ctx context.Context, t *Tenant, e audit.Event) error
	// GrantedDirectory returns the directory of the tenant's active grant, or ErrNotFound without one.
	GrantedDirectory(ctx context.Context, tenantID string) (string, error)
	// HoldsGrant reports whether a tenant has a grant, in use or waiting.
	HoldsGrant(ctx context.Context, id string) (bool, error)
	// EmptyTenant deletes the grants, consents and schedule of a tenant. It keeps the tenant and the events.
	EmptyTenant(ctx context.Context, id string) error
	// DeleteTenant deletes the tenant with its grants, consents and schedule. It keeps the events.
	DeleteTenant(ctx context.Context, id string) error

	AppendEvent(ctx context.Context, e audit.Event) error
}
