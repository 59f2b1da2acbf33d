package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

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
	if s.driver == MySQL && len(changes) > 1 {
		each, err := s.changeAtOnce(ctx, changes)
		if !errors.Is(err, errNotAll) && !ruledOut(err) {
			return each, err
		}
	}
	return s.changeInTurn(ctx, changes)
}

// errNotAll says that a statement for several rows did not meet all of them.
var errNotAll = errors.New("some of them changed meanwhile")

// What one statement writes of several tenants. Every row is there already, and is changed where it still has the version
// that was read; MySQL counts two for that, and one for a row that it adds or leaves as it is. The version comes last,
// because those before it ask for it.
const (
	changedColumns = "(id, instance_key, account_id, subscription_id, name, marketplace, directory_id, directory, application_id, credentials, created_at, updated_at, version)"
	changedRow     = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	perChangedRow  = 2
)

// changeQuery returns that statement for some tenants.
func changeQuery(count int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO tenants " + changedColumns + " VALUES " + changedRow + strings.Repeat(", "+changedRow, count-1) + " ON DUPLICATE KEY UPDATE ")
	for _, column := range []string{
		"instance_key", "account_id", "subscription_id", "name", "marketplace", "directory_id", "directory", "application_id", "credentials", "created_at",
		"updated_at", "version",
	} {
		if column != "instance_key" {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%[1]s = IF(id = VALUES(id) AND version = VALUES(version) - 1, VALUES(%[1]s), %[1]s)", column)
	}
	return b.String()
}

// changeAtOnce saves tenants by one statement, and appends their events, in one transaction. It returns errNotAll, and
// leaves nothing behind, when any of them is not as it was read.
func (s *Store) changeAtOnce(ctx context.Context, changes []tenantChange) ([]found[tenant.Tenant], error) {
	each := make([]found[tenant.Tenant], len(changes))
	values := make([]any, 0, 13*len(changes))
	events := make([]audit.Event, len(changes))
	for _, i := range inOrder(changes) {
		row, saved, err := s.tenantToSave(changes[i].tenant)
		if err != nil {
			return nil, err
		}
		each[i].it, events[i] = saved, changes[i].event
		values = append(values, row.ID, row.InstanceKey, row.AccountID, row.SubscriptionID, row.Name, row.Marketplace,
			row.DirectoryID, row.Directory, row.ApplicationID, row.Credentials, row.Created, row.Updated, row.Version)
	}
	query := changeQuery(len(changes))
	err := s.Transact(ctx, func(ctx context.Context) error {
		var met int64
		err := s.write(ctx, func(db *gorm.DB) error {
			done, err := db.Statement.ConnPool.ExecContext(ctx, query, values...)
			if err != nil {
				return err
			}
			met, err = done.RowsAffected()
			return err
		})
		if err != nil {
			return err
		}
		if met != perChangedRow*int64(len(changes)) {
			return errNotAll
		}
		return s.writeEvents(ctx, events)
	})
	return each, err
}

// inOrder lists the places of changes by the ids of their tenants, so that two who change some do not wait for each other.
func inOrder(changes []tenantChange) []int {
	order := make([]int, len(changes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(changes[a].tenant.ID, changes[b].tenant.ID) })
	return order
}

// changeInTurn saves tenants one after the other in one transaction, and appends the events of those that were as they
// had been read.
func (s *Store) changeInTurn(ctx context.Context, changes []tenantChange) ([]found[tenant.Tenant], error) {
	each := make([]found[tenant.Tenant], len(changes))
	err := s.Transact(ctx, func(ctx context.Context) error {
		var events []audit.Event
		for _, i := range inOrder(changes) {
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
