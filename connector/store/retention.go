package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/store/sqldb"
)

// PurgeEvents deletes the events that happened before the given time, some at a time. It follows the order in which they
// were written, which is that of the primary key: no other index is needed for that, and none must be kept up to date
// with every event.
func (s *Store) PurgeEvents(ctx context.Context, before time.Time) error {
	for {
		last, full, err := s.oldEvents(ctx, before)
		if err == nil && last > 0 {
			err = s.db.Write(ctx, func(db *gorm.DB) error { return db.Where("seq <= ?", last).Delete(&eventRow{}).Error })
		}
		if err != nil {
			return fmt.Errorf("purging events: %w", err)
		}
		if !full {
			return nil
		}
	}
}

// oldEvents returns the number of the last of the oldest events that all happened before the given time, 0 when there is
// none, and whether there may be more of them.
func (s *Store) oldEvents(ctx context.Context, before time.Time) (last int64, full bool, err error) {
	var rows []eventRow
	err = s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Select("seq", "happened_at").Order("seq").Limit(purgeBatch).Find(&rows).Error
	})
	if err != nil {
		return 0, false, err
	}
	for _, row := range rows {
		if !row.HappenedAt.Time.Before(sqldb.StoredTime(before)) {
			return last, false, nil
		}
		last = row.Seq
	}
	return last, len(rows) == purgeBatch, nil
}
