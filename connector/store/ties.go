package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"azure-partner-connector/connector/binding"
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

// TableName implements gorm's Tabler.
func (bindingRow) TableName() string { return "ties" }

// Binding implements binding.Store.
func (s *Store) Binding(ctx context.Context, key string) (binding.Binding, error) {
	var row bindingRow
	err := s.read(ctx, func(db *gorm.DB) error {
		return take(db.Where("instance_key = ?", key), &row)
	})
	if err == nil {
		err = exact(row.InstanceKey, key)
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
	err := s.write(ctx, func(db *gorm.DB) error {
		if b.Version == 0 {
			return db.Create(&row).Error
		}
		return changed(db.Model(&bindingRow{}).
			Where("instance_key = ? AND version = ?", b.InstanceKey, b.Version).
			Select("*").Omit("instance_key").Updates(&row), tenant.ErrChanged)
	})
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		err = tenant.ErrChanged
	}
	if err != nil {
		return fmt.Errorf("saving the binding of instance %q: %w", b.InstanceKey, err)
	}
	assign(ctx, s, b, saved)
	return nil
}
