package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

type grantRow struct {
	TenantID      string `gorm:"primaryKey"`
	Slot          string `gorm:"primaryKey"`
	RefreshToken  []byte
	IssuedAt      sqldb.Timestamp
	InstanceKey   string
	AccountID     string
	DirectoryID   string
	ApplicationID string
	ProcedureName string
	ConsentID     string
	ConsentedAt   sqldb.Timestamp
	ConsentedBy   sqldb.JSONColumn[token.Person]
	AskedBy       string
	Scopes        sqldb.JSONColumn[[]string]
	Checks        sqldb.JSONColumn[token.Checks]
	Version       int64
}

// TableName implements gorm's Tabler.
func (grantRow) TableName() string { return "grants" }

// sealedAs returns the name of a grant's row in the associated data of its seal: a value that is copied to another tenant or
// slot does not open. Names are unique, because no slot contains a slash.
func sealedAs(tenantID, slot string) string { return tenantID + "/" + slot }

func (s *Store) grantRow(g token.Grant) (grantRow, error) {
	sealed, err := s.seal(g.RefreshToken, "grants", sealedAs(g.TenantID, string(g.Slot)), "refresh_token", g.InstanceKey, g.AccountID, g.DirectoryID)
	if err != nil {
		return grantRow{}, err
	}
	return grantRow{
		TenantID:      g.TenantID,
		Slot:          string(g.Slot),
		RefreshToken:  sealed,
		IssuedAt:      sqldb.NewTimestamp(g.IssuedAt),
		InstanceKey:   g.InstanceKey,
		AccountID:     g.AccountID,
		DirectoryID:   g.DirectoryID,
		ApplicationID: g.ApplicationID,
		ProcedureName: string(g.Procedure),
		ConsentID:     g.ConsentID,
		ConsentedAt:   sqldb.NewTimestamp(g.ConsentedAt),
		ConsentedBy:   sqldb.NewJSONColumn(g.ConsentedBy),
		AskedBy:       g.AskedBy,
		Scopes:        sqldb.NewJSONColumn(g.Scopes),
		Checks:        sqldb.NewJSONColumn(g.Checks),
		Version:       g.Version,
	}, nil
}

func (s *Store) grantOf(row grantRow) token.Grant {
	opened, ok := s.unseal(row.RefreshToken, "grants", sealedAs(row.TenantID, row.Slot), "refresh_token", row.InstanceKey, row.AccountID, row.DirectoryID)
	return token.Grant{
		TenantID:      row.TenantID,
		Slot:          token.Slot(row.Slot),
		RefreshToken:  opened,
		Unreadable:    !ok || opened.Empty(),
		IssuedAt:      row.IssuedAt.Time,
		InstanceKey:   row.InstanceKey,
		AccountID:     row.AccountID,
		DirectoryID:   row.DirectoryID,
		ApplicationID: row.ApplicationID,
		Procedure:     token.Procedure(row.ProcedureName),
		ConsentID:     row.ConsentID,
		ConsentedAt:   row.ConsentedAt.Time,
		ConsentedBy:   row.ConsentedBy.V,
		AskedBy:       row.AskedBy,
		Scopes:        row.Scopes.V,
		Checks:        row.Checks.V,
		Version:       row.Version,
	}
}

// Grant implements token.Store. Concurrent calls for active grants share a query.
func (s *Store) Grant(ctx context.Context, tenantID string, slot token.Slot) (token.Grant, error) {
	if slot == token.Active {
		g, err := do(ctx, s.grants, tenantID)
		if err != nil {
			return token.Grant{}, fmt.Errorf("reading the %s grant of tenant %q: %w", slot, tenantID, err)
		}
		return g, nil
	}
	var row grantRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return takeOne(db.Where("tenant_id = ? AND slot = ?", tenantID, string(slot)), &row)
	})
	if err != nil {
		return token.Grant{}, fmt.Errorf("reading the %s grant of tenant %q: %w", slot, tenantID, err)
	}
	return s.grantOf(row), nil
}

// readGrants reads the active grants of some tenants.
func (s *Store) readGrants(ctx context.Context, ids []string) ([]result[token.Grant], error) {
	return readByKey(ctx, s, grantsQuery, ids, func(rows *sql.Rows) (string, token.Grant, error) {
		row := grantRow{Slot: string(token.Active)}
		if err := rows.Scan(row.activeDest()...); err != nil {
			return row.TenantID, token.Grant{}, err
		}
		return row.TenantID, s.grantOf(row), nil
	})
}

// SaveGrant implements token.Store. It returns tenant.ErrNotFound when the tenant does not exist, or no longer does: a
// consent that completes after its tenant was deleted leaves no token behind.
func (s *Store) SaveGrant(ctx context.Context, g *token.Grant) error {
	if err := s.saveGrant(ctx, g); err != nil {
		return fmt.Errorf("saving the %s grant of tenant %q: %w", g.Slot, g.TenantID, err)
	}
	return nil
}

func (s *Store) saveGrant(ctx context.Context, g *token.Grant) error {
	if g.IssuedAt.IsZero() {
		return errors.New("the grant has no time of issue")
	}
	saved := *g
	saved.Version++
	row, err := s.grantRow(saved)
	if err != nil {
		return err
	}
	saved.IssuedAt, saved.ConsentedAt = row.IssuedAt.Time, row.ConsentedAt.Time
	err = s.Transact(ctx, func(ctx context.Context) error {
		err := s.writeGrant(ctx, row, saved, g.Version)
		if err != nil || saved.Slot != token.Active {
			return err
		}
		s.expiries(ctx)[saved.TenantID] = expiry{at: saved.ExpiresAt()}
		return nil
	})
	if err != nil {
		return err
	}
	sqldb.SetUntilRollback(ctx, s.db, g, saved)
	return nil
}

// writeGrant inserts the row of g, or updates it if it still has the version. Times of issue are not
// compared: a clock that was wrong once would keep every later value from being stored. It leaves a refresh token that does
// not open as it is: a restored key may open it again.
func (s *Store) writeGrant(ctx context.Context, row grantRow, g token.Grant, version int64) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		if version == 0 {
			return db.Create(&row).Error
		}
		set, args := strings.Join(grantColumns, " = ?, ")+" = ?", row.values()
		if !g.Unreadable {
			set, args = set+", refresh_token = ?", append(args, row.RefreshToken)
		}
		return mustAffect(db.Exec("UPDATE grants SET "+set+", version = ? WHERE tenant_id = ? AND slot = ? AND version = ?",
			append(args, row.Version, row.TenantID, row.Slot, version)...), token.ErrStale)
	})
	switch {
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return token.ErrStale
	case errors.Is(err, gorm.ErrForeignKeyViolated):
		return tenant.ErrNotFound
	}
	return err
}

// SaveChecks implements token.Store.
func (s *Store) SaveChecks(ctx context.Context, g token.Grant) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return mustAffect(db.Exec("UPDATE grants SET scopes = ?, checks = ?, version = version + 1 WHERE tenant_id = ? AND slot = ? AND version = ?",
			sqldb.NewJSONColumn(g.Scopes), sqldb.NewJSONColumn(g.Checks), g.TenantID, string(g.Slot), g.Version), token.ErrStale)
	})
	if err != nil {
		return fmt.Errorf("saving the checks of tenant %q: %w", g.TenantID, err)
	}
	return nil
}

// grantColumns are the columns of grantRow.values.
var grantColumns = []string{
	"issued_at", "instance_key", "account_id", "directory_id", "application_id", "procedure_name", "consent_id", "consented_at", "consented_by", "asked_by", "scopes", "checks",
}

// values returns what a new value of a grant brings with it.
func (row *grantRow) values() []any {
	return []any{
		row.IssuedAt, row.InstanceKey, row.AccountID, row.DirectoryID, row.ApplicationID, row.ProcedureName, row.ConsentID, row.ConsentedAt, row.ConsentedBy, row.AskedBy,
		row.Scopes, row.Checks,
	}
}

// savePredecessor returns the statement of SavePredecessor.
func savePredecessor(driver string) string {
	onConflict, replaced := " ON DUPLICATE KEY UPDATE", "VALUES(%s)"
	if driver == sqldb.SQLite {
		onConflict, replaced = " ON CONFLICT (tenant_id, slot) DO UPDATE SET", "excluded.%s"
	}
	columns := append([]string{"refresh_token"}, grantColumns...)
	statement := "INSERT INTO grants (tenant_id, slot, version, " + strings.Join(columns, ", ") + ") VALUES " + "(?" + strings.Repeat(", ?", 2+len(columns)) + ")" + onConflict
	for _, column := range columns {
		statement += " " + column + " = " + fmt.Sprintf(replaced, column) + ","
	}
	return statement + " version = grants.version + 1"
}

// SavePredecessor implements token.Store. It replaces an older one: only the replacement of the active grant saves a
// predecessor.
func (s *Store) SavePredecessor(ctx context.Context, g token.Grant) error {
	g.Slot, g.Version = token.Predecessor, 1
	row, err := s.grantRow(g)
	if err == nil {
		err = s.db.Write(ctx, func(db *gorm.DB) error {
			return db.Exec(savePredecessor(s.db.Driver()), append([]any{row.TenantID, row.Slot, row.Version, row.RefreshToken}, row.values()...)...).Error
		})
	}
	if errors.Is(err, gorm.ErrForeignKeyViolated) {
		err = tenant.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("saving the predecessor of tenant %q: %w", g.TenantID, err)
	}
	return nil
}

// DeleteGrant implements token.Store. Deleting a grant that does not exist is no error.
func (s *Store) DeleteGrant(ctx context.Context, tenantID string, slot token.Slot) error {
	err := s.Transact(ctx, func(ctx context.Context) error {
		err := s.db.Write(ctx, func(db *gorm.DB) error {
			return db.Where("tenant_id = ? AND slot = ?", tenantID, string(slot)).Delete(&grantRow{}).Error
		})
		if err != nil || slot != token.Active {
			return err
		}
		delete(s.expiries(ctx), tenantID)
		return s.clearSlack(ctx, tenantID)
	})
	if err != nil {
		return fmt.Errorf("deleting the %s grant of tenant %q: %w", slot, tenantID, err)
	}
	return nil
}

// Unclaimed implements token.Store. Such grants are few, because each one waits for a person.
func (s *Store) Unclaimed(ctx context.Context, consentedBefore, consentedAfter time.Time, limit int) ([]token.Grant, error) {
	var rows []grantRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Omit("refresh_token").
			Where("slot IN ? AND (consented_at < ? OR consented_at > ?)", []string{string(token.Pending), string(token.Unconfirmed)},
				sqldb.NewTimestamp(consentedBefore), sqldb.NewTimestamp(consentedAfter)).
			Limit(limit).Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading unclaimed grants: %w", err)
	}
	grants := make([]token.Grant, len(rows))
	for i, row := range rows {
		grants[i] = s.grantOf(row)
	}
	return grants, nil
}

// DeleteUnchanged implements token.Store. It is for grants that wait: the active one needs DeleteGrant.
func (s *Store) DeleteUnchanged(ctx context.Context, g token.Grant) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return mustAffect(db.Where("tenant_id = ? AND slot = ? AND version = ?", g.TenantID, string(g.Slot), g.Version).Delete(&grantRow{}), token.ErrStale)
	})
	if err != nil {
		return fmt.Errorf("deleting the %s grant of tenant %q: %w", g.Slot, g.TenantID, err)
	}
	return nil
}
