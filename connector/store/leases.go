package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/store/sqldb"
)

type leaseRow struct {
	Name       string `gorm:"primaryKey"`
	Owner      string
	LeaseUntil sqldb.Timestamp
}

// TableName implements gorm's Tabler.
func (leaseRow) TableName() string { return "leases" }

// LeaseJob leases work that one replica at a time does, and reports whether owner has the lease. The lease ends after term, or
// when the owner leases it again for a shorter one. A lease that would last longer than two terms is of a clock that was
// wrong, and counts as ended.
func (s *Store) LeaseJob(ctx context.Context, name, owner string, now time.Time, term time.Duration) (bool, error) {
	row := leaseRow{name, owner, sqldb.NewTimestamp(now.Add(term))}
	leased := false
	err := s.Transact(ctx, func(ctx context.Context) error {
		return s.db.Write(ctx, func(db *gorm.DB) error {
			update := db.Model(&leaseRow{}).
				Where("name = ? AND (owner = ? OR lease_until < ? OR lease_until > ?)", name, owner, sqldb.NewTimestamp(now), sqldb.NewTimestamp(now.Add(2*term))).
				Updates(map[string]any{"owner": owner, "lease_until": row.LeaseUntil})
			if leased = update.RowsAffected > 0; update.Error != nil || leased {
				return update.Error
			}
			var current []leaseRow
			if err := db.Where("name = ?", name).Find(&current).Error; err != nil {
				return err
			}
			if len(current) > 0 {
				// MySQL does not count a row whose values stay the same.
				leased = current[0].Owner == owner
				return nil
			}
			leased = true
			return db.Create(&row).Error
		})
	})
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return false, nil // another replica was faster
	}
	if err != nil {
		return false, fmt.Errorf("leasing %s: %w", name, err)
	}
	return leased, nil
}
