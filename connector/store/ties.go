package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"azure-partner-connector/connector/platform/ties"
	"azure-partner-connector/connector/tenant"
)

var _ ties.Store = (*Store)(nil)

type tiesRow struct {
	InstanceKey   string `gorm:"primaryKey"`
	RootID        string
	RenewalTask   string
	AccountEvents string
	Version       int64
}

// TableName implements gorm's Tabler.
func (tiesRow) TableName() string { return "ties" }

// Ties implements ties.Store.
func (s *Store) Ties(ctx context.Context, key string) (ties.Ties, error) {
	var row tiesRow
	err := s.read(ctx, func(db *gorm.DB) error {
		return take(db.Where("instance_key = ?", key), &row)
	})
	if err == nil {
		err = exact(row.InstanceKey, key)
	}
	if err != nil {
		return ties.Ties{}, fmt.Errorf("reading the ties of instance %q: %w", key, err)
	}
	return ties.Ties(row), nil
}

// SaveTies implements ties.Store.
func (s *Store) SaveTies(ctx context.Context, t *ties.Ties) error {
	saved := *t
	saved.Version++
	row := tiesRow(saved)
	err := s.write(ctx, func(db *gorm.DB) error {
		if t.Version == 0 {
			return db.Create(&row).Error
		}
		return changed(db.Model(&tiesRow{}).
			Where("instance_key = ? AND version = ?", t.InstanceKey, t.Version).
			Select("*").Omit("instance_key").Updates(&row), tenant.ErrChanged)
	})
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		err = tenant.ErrChanged
	}
	if err != nil {
		return fmt.Errorf("saving the ties of instance %q: %w", t.InstanceKey, err)
	}
	assign(ctx, s, t, saved)
	return nil
}
