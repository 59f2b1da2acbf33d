package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/token"
)

type pauseRow struct {
	Cloud       string `gorm:"primaryKey"`
	PausedUntil sqldb.Timestamp
	ByWhom      string
	Reason      string
}

// TableName implements gorm's Tabler.
func (pauseRow) TableName() string { return "pauses" }

// Pauses implements token.Store.
func (s *Store) Pauses(ctx context.Context) ([]token.Pause, error) {
	var rows []pauseRow
	if err := s.db.Read(ctx, func(db *gorm.DB) error { return db.Order("cloud").Find(&rows).Error }); err != nil {
		return nil, fmt.Errorf("reading pauses: %w", err)
	}
	pauses := make([]token.Pause, len(rows))
	for i, row := range rows {
		pauses[i] = token.Pause{Cloud: row.Cloud, Until: row.PausedUntil.Time, By: row.ByWhom, Reason: row.Reason}
	}
	return pauses, nil
}

// SavePause implements token.Store.
func (s *Store) SavePause(ctx context.Context, p token.Pause) error {
	row := pauseRow{p.Cloud, sqldb.NewTimestamp(p.Until), p.By, p.Reason}
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "cloud"}}, DoUpdates: clause.AssignmentColumns([]string{"paused_until", "by_whom", "reason"}),
		}).Create(&row).Error
	})
	if err != nil {
		return fmt.Errorf("saving the pause of cloud %q: %w", p.Cloud, err)
	}
	return nil
}

// DeletePause implements token.Store.
func (s *Store) DeletePause(ctx context.Context, cloud string) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error { return db.Where("cloud = ?", cloud).Delete(&pauseRow{}).Error })
	if err != nil {
		return fmt.Errorf("deleting the pause of cloud %q: %w", cloud, err)
	}
	return nil
}
