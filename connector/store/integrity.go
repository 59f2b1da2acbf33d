package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// An AlteredRow is a row with a wrong MAC: a column that decides who has access was changed by somebody without our keys, or
// the key of the MAC is lost.
type AlteredRow struct {
	Table       string
	InstanceKey string
	TenantID    string         // empty for an instance and a client
	Client, Key string         // of the token API, and a key of it
	Columns     []ColumnOfRow  // that the MAC covers, as they are now
	Grants      []OwnerOfGrant // whose owner is another one, for a tenant
}

// A ColumnOfRow is a column with its value for people to read.
type ColumnOfRow struct{ Name, Value string }

// clientOrKey names the row of a client or of one of its keys; empty for other rows. Events about these name no tenant or instance
// that would tell them apart.
func (row AlteredRow) clientOrKey() string {
	if row.Key != "" {
		return "key " + row.Key
	}
	return row.Client
}

// An OwnerOfGrant is the owner that a grant was given to.
type OwnerOfGrant struct {
	Slot                   token.Slot
	InstanceKey, AccountID string
}

// Altered returns all rows with a wrong MAC.
func (s *Store) Altered(ctx context.Context) ([]AlteredRow, error) {
	var altered []AlteredRow
	for _, table := range s.guardedTables() {
		err := s.walkGuarded(ctx, table, func(ctx context.Context, rows []provenRow) error {
			for _, row := range rows {
				if s.proven(row.guardedRow, row.mac) {
					continue
				}
				described, err := s.describe(ctx, table.name, row.id)
				if err != nil {
					return err
				}
				altered = append(altered, described)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading the MACs of %s: %w", table.name, err)
		}
	}
	return altered, nil
}

func (s *Store) describe(ctx context.Context, table, id string) (AlteredRow, error) {
	if strings.HasPrefix(table, "client") {
		return s.describeClient(ctx, table, id)
	}
	if table == (instanceRow{}).TableName() {
		row, err := s.readInstance(ctx, id)
		return AlteredRow{Table: table, InstanceKey: id, Columns: []ColumnOfRow{
			{"borrowers", row.Borrowers.V.String()}, {"customer_directories", row.CustomerDirectories},
		}}, err
	}
	t, err := s.Tenant(ctx, id)
	if err != nil {
		return AlteredRow{}, err
	}
	row := AlteredRow{
		Table: table, InstanceKey: t.InstanceKey, TenantID: id,
		Columns: []ColumnOfRow{{"instance_key", t.InstanceKey}, {"account_id", t.AccountID}, {"directory_id", t.DirectoryID}, {"proven_directory_id", t.ProvenDirectoryID}},
	}
	stored := tenantRow{
		Suspended: sqldb.NewTimestamp(t.SuspendedAt), Unlinked: sqldb.NewTimestamp(t.UnlinkedAt),
		Unknown: sqldb.NewTimestamp(t.UnknownAt), Moved: sqldb.NewTimestamp(t.MovedAt),
	}
	for _, c := range stored.times() {
		if !c.at.Time.IsZero() {
			row.Columns = append(row.Columns, ColumnOfRow{c.name, c.at.Time.Format(time.DateTime)})
		}
	}
	grants, err := s.grantsOf(ctx, id)
	for _, g := range grants {
		if g.InstanceKey != t.InstanceKey || g.AccountID != t.AccountID {
			row.Grants = append(row.Grants, OwnerOfGrant{token.Slot(g.Slot), g.InstanceKey, g.AccountID})
		}
	}
	return row, err
}

func (s *Store) grantsOf(ctx context.Context, tenantID string) (rows []grantRow, err error) {
	err = s.db.Read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Where("tenant_id = ?", tenantID).Order("slot").Find(&rows).Error
	})
	return rows, err
}

// Accept makes the present values of an altered row valid, gives the grants of a tenant to its present owner, and appends an
// event by an actor, in one transaction. It returns tenant.ErrChanged unless the row is still as it was when it was listed,
// and tenant.ErrNotFound when it does not exist. It refuses those of clients with ErrRemoveInstead.
func (s *Store) Accept(ctx context.Context, listed AlteredRow, now time.Time, by audit.Actor) error {
	if listed.Client != "" {
		return ErrRemoveInstead
	}
	err := s.Transact(ctx, func(ctx context.Context) error {
		current, err := s.describe(ctx, listed.Table, idOf(listed))
		if err != nil {
			return err
		}
		if !slices.Equal(current.Columns, listed.Columns) {
			return tenant.ErrChanged
		}
		if err := s.acceptRow(ctx, listed); err != nil {
			return err
		}
		details := map[string]string{"table": listed.Table}
		for _, c := range listed.Columns {
			details[c.Name] = c.Value
		}
		return audit.Append(ctx, s, now, audit.Event{
			InstanceKey: listed.InstanceKey, TenantID: listed.TenantID, Action: audit.IntegrityAccepted, Actor: by, Details: details,
		})
	})
	if err != nil {
		return fmt.Errorf("accepting %s %q: %w", listed.Table, idOf(listed), err)
	}
	return nil
}

func idOf(row AlteredRow) string {
	if row.TenantID != "" {
		return row.TenantID
	}
	return row.InstanceKey
}

// acceptRow saves the row that was listed as if it had never been altered.
func (s *Store) acceptRow(ctx context.Context, listed AlteredRow) error {
	if listed.TenantID == "" {
		row, err := s.readInstance(ctx, listed.InstanceKey)
		if err != nil || s.proven(row.guarded(), row.MAC) {
			return err
		}
		return s.setMAC(ctx, row.TableName(), "instance_key", row.guarded())
	}
	t, err := s.Tenant(ctx, listed.TenantID)
	if err != nil || !t.Altered {
		return err
	}
	row, err := s.tenantRow(t)
	if err != nil {
		return err
	}
	if err := s.setMAC(ctx, row.TableName(), "id", row.guarded()); err != nil {
		return err
	}
	grants, err := s.grantsOf(ctx, t.ID)
	if err != nil {
		return err
	}
	for _, g := range grants {
		if err := s.giveGrant(ctx, g, t.InstanceKey, t.AccountID); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) setMAC(ctx context.Context, table, key string, row guardedRow) error {
	return s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Table(table).Where(key+" = ?", row.id).
			Updates(map[string]any{"mac": s.rowMAC(row), "version": gorm.Expr("version + 1")}).Error
	})
}

// giveGrant seals a grant for another owner. One that does not open stays as it is.
func (s *Store) giveGrant(ctx context.Context, row grantRow, instanceKey, accountID string) error {
	g := s.grantOf(row)
	if g.Unreadable || g.InstanceKey == instanceKey && g.AccountID == accountID {
		return nil
	}
	g.InstanceKey, g.AccountID = instanceKey, accountID
	given, err := s.grantRow(g)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(db *gorm.DB) error {
		return mustAffect(db.Model(&grantRow{}).Where("tenant_id = ? AND slot = ? AND version = ?", row.TenantID, row.Slot, row.Version).
			Updates(map[string]any{
				"refresh_token": given.RefreshToken, "instance_key": instanceKey, "account_id": accountID, "version": gorm.Expr("version + 1"),
			}), tenant.ErrChanged)
	})
}

// reportAgain is how long after an event about an altered row another one is appended.
const reportAgain = 24 * time.Hour

// ReportAltered appends an event for each altered row, unless one was appended within the last day, and returns how many rows
// are altered. The events make people be notified.
func (s *Store) ReportAltered(ctx context.Context, now time.Time) (int, error) {
	altered, err := s.Altered(ctx)
	if err != nil {
		return 0, err
	}
	for _, row := range altered {
		var last []eventRow
		err := s.db.Read(ctx, func(db *gorm.DB) error {
			last = nil
			return db.Where("tenant_id = ? AND happened_at > ? AND instance_key = ? AND (action = ? OR action = ? AND actor_id = ?)",
				row.TenantID, sqldb.NewTimestamp(now.Add(-reportAgain)), row.InstanceKey, audit.IntegrityAccepted, audit.IntegrityViolated, row.clientOrKey()).
				Order("happened_at DESC, seq DESC").Limit(1).Find(&last).Error
		})
		if err != nil {
			return 0, fmt.Errorf("reading the events of altered rows: %w", err)
		}
		if len(last) > 0 && audit.Action(last[0].Action) == audit.IntegrityViolated {
			continue
		}
		err = audit.Append(ctx, s, now, audit.Event{
			InstanceKey: row.InstanceKey, TenantID: row.TenantID, Action: audit.IntegrityViolated, Result: "integrity",
			Actor:   audit.Actor{Kind: audit.Scheduler, ID: row.clientOrKey(), Name: "integrity"},
			Details: map[string]string{"table": row.Table},
		})
		if err != nil {
			return 0, err
		}
	}
	return len(altered), nil
}
