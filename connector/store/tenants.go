package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

type tenantRow struct {
	ID             string `gorm:"primaryKey"`
	InstanceKey    string
	AccountID      string
	SubscriptionID string
	Name           string
	Marketplace    string
	DirectoryID    sqldb.NullString
	Directory      string
	Proven         sqldb.NullString `gorm:"column:proven_directory_id"`
	ApplicationID  string
	Credentials    []byte
	Suspended      sqldb.Timestamp `gorm:"column:suspended_at"`
	Unlinked       sqldb.Timestamp `gorm:"column:unlinked_at"`
	Unknown        sqldb.Timestamp `gorm:"column:unknown_at"`
	Moved          sqldb.Timestamp `gorm:"column:moved_at"`
	Watched        string          `gorm:"column:watched_account_id"`
	Notices        sqldb.JSONColumn[tenant.Notices]
	Created        sqldb.Timestamp `gorm:"column:created_at"`
	Updated        sqldb.Timestamp `gorm:"column:updated_at"`
	Version        int64
	MAC            []byte
}

// TableName implements gorm's Tabler.
func (tenantRow) TableName() string { return "tenants" }

func (s *Store) tenantRow(t tenant.Tenant) (tenantRow, error) {
	sealed, err := s.sealCredentials(t.Application, "tenants", t.ID)
	if err != nil {
		return tenantRow{}, err
	}
	row := tenantRow{
		ID:             t.ID,
		InstanceKey:    t.InstanceKey,
		AccountID:      t.AccountID,
		SubscriptionID: t.SubscriptionID,
		Name:           t.Name,
		Marketplace:    t.Marketplace,
		DirectoryID:    sqldb.NullString(t.DirectoryID),
		Directory:      t.Directory,
		Proven:         sqldb.NullString(t.ProvenDirectoryID),
		ApplicationID:  t.Application.ID,
		Credentials:    sealed,
		Suspended:      sqldb.NewTimestamp(t.SuspendedAt),
		Unlinked:       sqldb.NewTimestamp(t.UnlinkedAt),
		Unknown:        sqldb.NewTimestamp(t.UnknownAt),
		Moved:          sqldb.NewTimestamp(t.MovedAt),
		Watched:        t.WatchedAccountID,
		Notices:        sqldb.NewJSONColumn(t.Notices),
		Created:        sqldb.NewTimestamp(t.CreatedAt),
		Updated:        sqldb.NewTimestamp(t.UpdatedAt),
		Version:        t.Version,
	}
	row.MAC = s.rowMAC(row.guarded())
	return row, nil
}

// guarded returns the columns of the row that decide who has access.
func (row *tenantRow) guarded() guardedRow {
	columns := []guardedColumn{
		{"instance_key", row.InstanceKey, formBound},
		{"account_id", row.AccountID, formBound},
		{"directory_id", string(row.DirectoryID), formBound},
		{"proven_directory_id", string(row.Proven), formProven},
	}
	// Of the times, only those that are set are covered: the MAC of any other tenant is the one that programs without these
	// columns compute.
	for _, c := range row.times() {
		if !c.at.Time.IsZero() {
			columns = append(columns, guardedColumn{c.name, c.at.Time.Format(time.RFC3339Nano), formBound})
		}
	}
	return guardedRow{row.TableName(), row.ID, columns}
}

type timeColumn struct {
	name string
	at   sqldb.Timestamp
}

// times returns the columns with the times that decide who has access.
func (row *tenantRow) times() []timeColumn {
	return []timeColumn{{"suspended_at", row.Suspended}, {"unlinked_at", row.Unlinked}, {"unknown_at", row.Unknown}, {"moved_at", row.Moved}}
}

func (s *Store) tenantOf(row tenantRow) tenant.Tenant {
	return tenant.Tenant{
		ID:                row.ID,
		InstanceKey:       row.InstanceKey,
		AccountID:         row.AccountID,
		SubscriptionID:    row.SubscriptionID,
		Name:              row.Name,
		Marketplace:       row.Marketplace,
		DirectoryID:       string(row.DirectoryID),
		Directory:         row.Directory,
		ProvenDirectoryID: string(row.Proven),
		Application:       s.applicationOf(row.ApplicationID, row.Credentials, "tenants", row.ID),
		SuspendedAt:       row.Suspended.Time,
		UnlinkedAt:        row.Unlinked.Time,
		UnknownAt:         row.Unknown.Time,
		MovedAt:           row.Moved.Time,
		WatchedAccountID:  row.Watched,
		Notices:           row.Notices.V,
		CreatedAt:         row.Created.Time,
		UpdatedAt:         row.Updated.Time,
		Altered:           !s.proven(row.guarded(), row.MAC),
		Version:           row.Version,
	}
}

// Tenant implements tenant.Store.
func (s *Store) Tenant(ctx context.Context, id string) (tenant.Tenant, error) {
	var row tenantRow
	err := s.db.Read(ctx, func(db *gorm.DB) error { return takeOne(db.Where("id = ?", id), &row) })
	if err == nil {
		err = mustMatchKey(row.ID, id)
	}
	if err != nil {
		return tenant.Tenant{}, fmt.Errorf("reading tenant %q: %w", id, err)
	}
	return s.tenantOf(row), nil
}

// Tenants implements tenant.Store. It compares names byte by byte.
func (s *Store) Tenants(ctx context.Context, instanceKey string) ([]tenant.Tenant, error) {
	var rows []tenantRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Where("instance_key = ?", instanceKey).Order("name, id").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading the tenants of instance %q: %w", instanceKey, err)
	}
	tenants := make([]tenant.Tenant, len(rows))
	for i, row := range rows {
		tenants[i] = s.tenantOf(row)
	}
	return tenants, nil
}

// TenantsAfter implements tenant.Store.
func (s *Store) TenantsAfter(ctx context.Context, after string, limit int) ([]string, error) {
	var ids []string
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		ids = nil
		return db.Model(&tenantRow{}).Where("id > ?", after).Order("id").Limit(limit).Pluck("id", &ids).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading the tenants after %q: %w", after, err)
	}
	return ids, nil
}

// SaveTenant implements tenant.Store. It returns tenant.ErrChanged when the row changed since it was read or already
// exists, and tenant.ErrDirectoryTaken when another tenant of the instance has proven the directory that t has proven.
func (s *Store) SaveTenant(ctx context.Context, t *tenant.Tenant) error {
	if t.Altered {
		return fmt.Errorf("saving tenant %q: %w", t.ID, failure.New(failure.Integrity))
	}
	saved := *t
	saved.Version++
	saved.Application = storedApplication(saved.Application)
	row, err := s.tenantRow(saved)
	if err != nil {
		return err
	}
	saved.CreatedAt, saved.UpdatedAt, saved.SuspendedAt = row.Created.Time, row.Updated.Time, row.Suspended.Time
	saved.UnlinkedAt, saved.UnknownAt, saved.MovedAt = row.Unlinked.Time, row.Unknown.Time, row.Moved.Time
	err = s.db.Write(ctx, func(db *gorm.DB) error {
		if t.Version == 0 {
			return db.Create(&row).Error
		}
		return mustAffect(db.Model(&tenantRow{}).
			Where("id = ? AND version = ?", t.ID, t.Version).
			Select("*").Omit(keptColumns(saved.Application, "id")...).Updates(&row), tenant.ErrChanged)
	})
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		err = s.duplicateTenant(ctx, *t)
	}
	if err != nil {
		return fmt.Errorf("saving tenant %q: %w", t.ID, err)
	}
	sqldb.SetUntilRollback(ctx, s.db, t, saved)
	return nil
}

// duplicateTenant returns which of its two unique keys t violates: the databases say it only in prose.
func (s *Store) duplicateTenant(ctx context.Context, t tenant.Tenant) error {
	if t.Version > 0 {
		return tenant.ErrDirectoryTaken
	}
	_, err := s.Tenant(ctx, t.ID)
	if errors.Is(err, tenant.ErrNotFound) {
		return tenant.ErrDirectoryTaken
	}
	if err != nil {
		return err
	}
	return tenant.ErrChanged
}

// Owner implements consent.Store.
func (s *Store) Owner(ctx context.Context, instanceKey, directoryID string) (tenant.Tenant, error) {
	var row tenantRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return takeOne(db.Where("instance_key = ? AND proven_directory_id = ?", instanceKey, directoryID), &row)
	})
	if err == nil {
		err = mustMatchKey(string(row.Proven), directoryID)
	}
	if err != nil {
		return tenant.Tenant{}, fmt.Errorf("reading who has proven directory %q: %w", directoryID, err)
	}
	return s.tenantOf(row), nil
}

// GrantedDirectory implements tenant.Store.
func (s *Store) GrantedDirectory(ctx context.Context, tenantID string) (string, error) {
	g, err := s.Grant(ctx, tenantID, token.Active)
	return g.DirectoryID, err
}

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

// DeleteTenant implements tenant.Store. Deleting a tenant that does not exist is no error.
func (s *Store) DeleteTenant(ctx context.Context, id string) error {
	err := s.Transact(ctx, func(ctx context.Context) error {
		if err := s.EmptyTenant(ctx, id); err != nil {
			return err
		}
		return s.db.Write(ctx, func(db *gorm.DB) error { return db.Where("id = ?", id).Delete(&tenantRow{}).Error })
	})
	if err != nil {
		return fmt.Errorf("deleting tenant %q: %w", id, err)
	}
	return nil
}

// EmptyTenant implements tenant.Store.
func (s *Store) EmptyTenant(ctx context.Context, id string) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		for _, row := range []any{&grantRow{}, &scheduleRow{}, &stateRow{}, &consentRow{}, &unlistedOriginRow{}, &customerRow{}} {
			if err := db.Where("tenant_id = ?", id).Delete(row).Error; err != nil {
				return err
			}
		}
		return announcementOf(db, notify.Subject{Kind: notify.OfTenant, ID: id}).Delete(&announcementRow{}).Error
	})
	if err != nil {
		return fmt.Errorf("deleting what tenant %q has: %w", id, err)
	}
	return nil
}

// HoldsGrant implements tenant.Store.
func (s *Store) HoldsGrant(ctx context.Context, id string) (bool, error) {
	grants, err := s.grantsOf(ctx, id)
	if err != nil {
		return false, fmt.Errorf("reading the grants of tenant %q: %w", id, err)
	}
	return len(grants) > 0, nil
}

// UnboundTenants implements binding.Store.
func (s *Store) UnboundTenants(ctx context.Context, instanceKey string, unwatched bool) ([]string, error) {
	condition := "unknown_at IS NOT NULL OR account_id = ''"
	if unwatched {
		condition += " OR watched_account_id <> account_id"
	}
	var ids []string
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		ids = nil
		return db.Model(&tenantRow{}).Where("instance_key = ? AND ("+condition+")", instanceKey).Pluck("id", &ids).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading the tenants of instance %q that are not bound: %w", instanceKey, err)
	}
	return ids, nil
}
