package tenant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/audit"
)

// Remove deletes an instance's tenants and secrets, and marks the instance as removed. Removing an instance that does not
// exist is no error (docs/reference/aps-protocol.md §1.7).
func Remove(ctx context.Context, st Store, now time.Time, key string, by audit.Actor) error {
	return transact(ctx, st, func(ctx context.Context) error {
		in, err := st.Instance(ctx, key)
		if errors.Is(err, ErrNotFound) || err == nil && !in.RemovedAt.IsZero() {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading instance %s: %w", key, err)
		}
		tenants, err := st.Tenants(ctx, key)
		if err != nil {
			return fmt.Errorf("listing tenants of %s: %w", key, err)
		}
		for _, t := range tenants {
			if err := remove(ctx, st, now, t, by); err != nil {
				return err
			}
		}
		in.Settings.Application, in.Settings.Borrowers = Application{}, nil
		in.Altered = false // so that an altered instance can be removed
		in.RemovedAt, in.UpdatedAt = now, now
		if err := st.SaveInstance(ctx, &in); err != nil {
			return translated(err, fmt.Sprintf("saving instance %s", key))
		}
		return audit.Append(ctx, st, now, audit.Event{InstanceKey: key, Action: audit.InstanceRemoved, Actor: by})
	})
}

// RemoveTenant deletes a tenant of an instance and its secrets. Deleting a tenant that does not exist is no error.
func RemoveTenant(ctx context.Context, st Store, now time.Time, instanceKey, id string, by audit.Actor) error {
	return transact(ctx, st, func(ctx context.Context) error {
		t, err := st.Tenant(ctx, id)
		if errors.Is(err, ErrNotFound) || err == nil && t.InstanceKey != instanceKey {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading tenant %s: %w", id, err)
		}
		return remove(ctx, st, now, t, by)
	})
}

func remove(ctx context.Context, st Store, now time.Time, t Tenant, by audit.Actor) error {
	if err := st.DeleteTenant(ctx, t.ID); err != nil {
		return fmt.Errorf("deleting tenant %s: %w", t.ID, err)
	}
	return audit.Append(ctx, st, now, audit.Event{InstanceKey: t.InstanceKey, TenantID: t.ID, Action: audit.TenantRemoved, Actor: by})
}
