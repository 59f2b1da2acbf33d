package store

import (
	"context"
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
