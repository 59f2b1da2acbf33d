package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/tenant"
)

// A tenantChange is a tenant that is to be saved, and what is to be written down of it.
type tenantChange struct {
	tenant tenant.Tenant
	event  audit.Event
}

// ChangeTenant implements tenant.Store. Outside a transaction, changes of about the same time are committed by one.
func (s *Store) ChangeTenant(ctx context.Context, t *tenant.Tenant, e audit.Event) error {
	if s.transaction(ctx) != nil {
		if err := s.SaveTenant(ctx, t); err != nil {
			return err
		}
		return s.AppendEvent(ctx, e)
	}
	saved, err := s.changes.ask(ctx, tenantChange{*t, e})
	if err = errors.Join(err, saved.err); err != nil {
		return fmt.Errorf("changing tenant %q: %w", t.ID, err)
	}
	*t = saved.it
	return nil
}

// changeTenants saves some tenants and appends their events, all in one transaction. One that cannot be saved is no
// matter of the others: it leaves nothing behind.
func (s *Store) changeTenants(ctx context.Context, changes []tenantChange) ([]found[tenant.Tenant], error) {
	each, err := s.changeTogether(ctx, changes)
	if err == nil || len(changes) == 1 || !ruledOut(err) {
		return each, err
	}
	each = make([]found[tenant.Tenant], len(changes))
	for i, change := range changes {
		if alone, err := s.changeTogether(ctx, []tenantChange{change}); err != nil {
			each[i].err = err
		} else {
			each[i] = alone[0]
		}
	}
	return each, nil
}

func (s *Store) changeTogether(ctx context.Context, changes []tenantChange) ([]found[tenant.Tenant], error) {
	order := make([]int, len(changes)) // by id, so that two of these do not wait for each other
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(changes[a].tenant.ID, changes[b].tenant.ID) })
	each := make([]found[tenant.Tenant], len(changes))
	err := s.Transact(ctx, func(ctx context.Context) error {
		var events []audit.Event
		for _, i := range order {
			saved, err := s.saveTenant(ctx, changes[i].tenant)
			each[i] = found[tenant.Tenant]{saved, err}
			switch {
			case errors.Is(err, tenant.ErrChanged), errors.Is(err, tenant.ErrDirectoryTaken): // the statement did nothing
			case err != nil:
				return err
			default:
				events = append(events, changes[i].event)
			}
		}
		if len(events) == 0 {
			return nil
		}
		return s.writeEvents(ctx, events)
	})
	return each, err
}
