package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

type customerRow struct {
	TenantID    string `gorm:"primaryKey"`
	DirectoryID string `gorm:"primaryKey"`
	ConsentedAt sqldb.Timestamp
	Scopes      sqldb.JSONColumn[map[token.API][]string]
	LastResult  string
	LastAt      sqldb.Timestamp
}

// TableName implements gorm's Tabler.
func (customerRow) TableName() string { return "customers" }

func (row customerRow) record() token.CustomerRecord {
	return token.CustomerRecord{
		TenantID: row.TenantID, DirectoryID: row.DirectoryID, ConsentedAt: row.ConsentedAt.Time, Scopes: row.Scopes.V,
		LastResult: row.LastResult, LastAt: row.LastAt.Time,
	}
}

// CustomerRecords implements token.Store.
func (s *Store) CustomerRecords(ctx context.Context, tenantID string) ([]token.CustomerRecord, error) {
	var rows []customerRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Where("tenant_id = ?", tenantID).Order("directory_id").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading the customers of tenant %q: %w", tenantID, err)
	}
	records := make([]token.CustomerRecord, len(rows))
	for i, row := range rows {
		records[i] = row.record()
	}
	return records, nil
}

// CustomerRecord implements token.Store.
func (s *Store) CustomerRecord(ctx context.Context, tenantID, directoryID string) (token.CustomerRecord, error) {
	var row customerRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return takeOne(db.Where("tenant_id = ? AND directory_id = ?", tenantID, directoryID), &row)
	})
	if err != nil {
		return token.CustomerRecord{}, fmt.Errorf("reading customer %q of tenant %q: %w", directoryID, tenantID, err)
	}
	return row.record(), nil
}

// SaveCustomerConsent implements token.Store.
func (s *Store) SaveCustomerConsent(ctx context.Context, r token.CustomerRecord) error {
	return s.saveCustomer(ctx, r, "consented_at", "scopes")
}

// SaveCustomerResult implements token.Store.
func (s *Store) SaveCustomerResult(ctx context.Context, r token.CustomerRecord) error {
	return s.saveCustomer(ctx, r, "last_result", "last_at")
}

// saveCustomer inserts a record, or changes some of its columns.
func (s *Store) saveCustomer(ctx context.Context, r token.CustomerRecord, columns ...string) error {
	row := customerRow{
		TenantID: r.TenantID, DirectoryID: r.DirectoryID, ConsentedAt: sqldb.NewTimestamp(r.ConsentedAt), Scopes: sqldb.NewJSONColumn(r.Scopes),
		LastResult: r.LastResult, LastAt: sqldb.NewTimestamp(r.LastAt),
	}
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "tenant_id"}, {Name: "directory_id"}},
			DoUpdates: clause.AssignmentColumns(columns),
		}).Create(&row).Error
	})
	if errors.Is(err, gorm.ErrForeignKeyViolated) {
		err = tenant.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("saving customer %q of tenant %q: %w", r.DirectoryID, r.TenantID, err)
	}
	return nil
}

// PurgeCustomers implements token.Store.
func (s *Store) PurgeCustomers(ctx context.Context, before time.Time) error {
	const ended = "consented_at IS NULL AND (last_at IS NULL OR last_at < ?)"
	end := sqldb.NewTimestamp(before)
	for {
		var rows []customerRow
		err := s.db.Read(ctx, func(db *gorm.DB) error {
			return db.Select("tenant_id", "directory_id").Where(ended, end).Limit(purgeBatch).Find(&rows).Error
		})
		if err == nil && len(rows) > 0 {
			keys := make([][]any, len(rows))
			for i, row := range rows {
				keys[i] = []any{row.TenantID, row.DirectoryID}
			}
			err = s.db.Write(ctx, func(db *gorm.DB) error { // some may have been asked for meanwhile
				return db.Where("(tenant_id, directory_id) IN ?", keys).Where(ended, end).Delete(&customerRow{}).Error
			})
		}
		if err != nil {
			return fmt.Errorf("deleting what was known of customers: %w", err)
		}
		if len(rows) < purgeBatch {
			return nil
		}
	}
}
