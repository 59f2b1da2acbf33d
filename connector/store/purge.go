package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/store/sqldb"
)

// purgeBatch is about how many rows one transaction purges. A cluster applies each transaction on every node before the
// next one, so that a transaction of a million rows would block renewals.
const purgeBatch = 1000

// inBatches calls change with the rows of a table whose column, a time, is earlier than before: in batches, the earliest
// first, each in its own transaction unless ctx carries one.
func (s *Store) inBatches(ctx context.Context, table any, column string, before time.Time, change func(rows *gorm.DB) error) error {
	end := sqldb.NewTimestamp(before)
	for {
		var last []sqldb.Timestamp // the time of the last row of a full purgeBatch; empty when fewer remain
		err := s.db.Read(ctx, func(db *gorm.DB) error {
			return db.Model(table).Where(column+" < ?", end).Order(column).Offset(purgeBatch-1).Limit(1).Pluck(column, &last).Error
		})
		if err != nil {
			return err
		}
		err = s.db.Write(ctx, func(db *gorm.DB) error {
			if len(last) == 0 {
				return change(db.Where(column+" < ?", end))
			}
			return change(db.Where(column+" <= ?", last[0]))
		})
		if err != nil || len(last) == 0 {
			return err
		}
	}
}

// PurgeEvents deletes the events that happened before a time, in batches, in the order of the primary key, which is that of
// writing: an index of times would have to be updated with every event.
func (s *Store) PurgeEvents(ctx context.Context, before time.Time) error {
	for {
		last, full, err := s.oldEvents(ctx, before)
		if err == nil && last > 0 {
			err = s.deleteEvents(ctx, last, before)
		}
		if err != nil {
			return fmt.Errorf("purging events: %w", err)
		}
		if !full {
			return nil
		}
	}
}

// deleteEvents deletes the events up to a sequence number that happened before a time. The number alone does not suffice: the
// servers of a cluster number independently, and a young event may get a lower number than an old one
// (docs/reference/databases.md §2.2).
func (s *Store) deleteEvents(ctx context.Context, last int64, before time.Time) error {
	return s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Where("seq <= ? AND happened_at < ?", last, sqldb.NewTimestamp(before)).Delete(&eventRow{}).Error
	})
}

// oldEvents returns the sequence number of the last event of the first batch of events that happened before a time, 0 when
// there is none, and whether there may be more.
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
