package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"azure-partner-connector/connector/binding"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
)

var _ binding.Store = (*Store)(nil)

type bindingRow struct {
	InstanceKey   string `gorm:"primaryKey"`
	RootID        string
	RenewalTask   string
	AccountEvents string
	Version       int64
}

// TableName implements gorm's Tabler. The first migration gave the table this name.
func (bindingRow) TableName() string { return "ties" }

// Binding implements binding.Store.
func (s *Store) Binding(ctx context.Context, key string) (binding.Binding, error) {
	var row bindingRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return takeOne(db.Where("instance_key = ?", key), &row)
	})
	if err == nil {
		err = mustMatchKey(row.InstanceKey, key)
	}
	if err != nil {
		return binding.Binding{}, fmt.Errorf("reading the binding of instance %q: %w", key, err)
	}
	return binding.Binding(row), nil
}

// SaveBinding implements binding.Store.
func (s *Store) SaveBinding(ctx context.Context, b *binding.Binding) error {
	saved := *b
	saved.Version++
	row := bindingRow(saved)
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		if b.Version == 0 {
			return db.Create(&row).Error
		}
		return mustAffect(db.Model(&bindingRow{}).
			Where("instance_key = ? AND version = ?", b.InstanceKey, b.Version).
			Select("*").Omit("instance_key").Updates(&row), tenant.ErrChanged)
	})
	if err = insertError(err); err != nil {
		return fmt.Errorf("saving the binding of instance %q: %w", b.InstanceKey, err)
	}
	sqldb.SetUntilRollback(ctx, s.db, b, saved)
	return nil
}
