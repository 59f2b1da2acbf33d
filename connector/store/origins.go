package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"azure-partner-connector/connector/store/sqldb"
)

// An unlistedOriginRow is the panel of a tenant that could not learn its browser.
type unlistedOriginRow struct {
	TenantID string `gorm:"primaryKey"`
	Origin   string
	SeenAt   sqldb.Timestamp
}

// TableName implements gorm's Tabler.
func (unlistedOriginRow) TableName() string { return "unlisted_origins" }

// SaveUnlistedOrigin implements consent.Store.
func (s *Store) SaveUnlistedOrigin(ctx context.Context, tenantID, origin string, now time.Time) error {
	row := unlistedOriginRow{tenantID, origin, sqldb.NewTimestamp(now)}
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
	})
	if err != nil {
		return fmt.Errorf("saving the unlisted origin of tenant %q: %w", tenantID, err)
	}
	return nil
}

// UnlistedOrigins implements consent.Store.
func (s *Store) UnlistedOrigins(ctx context.Context, instanceKey string, since time.Time) (map[string]string, error) {
	var rows []unlistedOriginRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Where("seen_at >= ? AND tenant_id IN (?)", sqldb.NewTimestamp(since), db.Model(&tenantRow{}).Select("id").Where("instance_key = ?", instanceKey)).
			Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading the unlisted origins of instance %q: %w", instanceKey, err)
	}
	origins := make(map[string]string, len(rows))
	for _, row := range rows {
		origins[row.TenantID] = row.Origin
	}
	return origins, nil
}
