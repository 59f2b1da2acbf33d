package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
)

var _ limit.Store = (*Store)(nil)

// An allowanceRow counts the uses of one subject within limit.Window.
type allowanceRow struct {
	Name    string          `gorm:"primaryKey"`
	Subject string          `gorm:"primaryKey"`
	Began   sqldb.Timestamp `gorm:"column:began_at"`
	Used    int
	Refused bool // whether a use was refused since
}

// TableName implements gorm's Tabler.
func (allowanceRow) TableName() string { return "allowances" }

// TakeAllowance implements limit.Store.
func (s *Store) TakeAllowance(ctx context.Context, name, subject string, most int, now time.Time) (wait time.Duration, first bool, err error) {
	now = sqldb.NewTimestamp(now).Time // as the database keeps and compares it
	err = s.db.Write(ctx, func(db *gorm.DB) error {
		wait, first = 0, false
		for {
			taken, err := takeAllowance(db, name, subject, most, now)
			if errors.Is(err, gorm.ErrDuplicatedKey) {
				continue // another caller inserted the row meanwhile
			}
			if err != nil || taken {
				return err
			}
			var row allowanceRow
			err = takeOne(db.Where("name = ? AND subject = ?", name, subject), &row)
			if errors.Is(err, tenant.ErrNotFound) {
				continue // it was purged meanwhile
			}
			if err != nil {
				return err
			}
			if wait = row.Began.Time.Add(limit.Window).Sub(now); row.Used < most || wait <= 0 || wait > limit.Window {
				wait = 0
				continue // another caller inserted or renewed the row meanwhile
			}
			noted := db.Model(&allowanceRow{}).Where("name = ? AND subject = ? AND refused = ?", name, subject, false).Update("refused", true)
			first = noted.RowsAffected > 0
			return noted.Error
		}
	})
	if err != nil {
		return 0, false, fmt.Errorf("counting %s of %q: %w", name, subject, err)
	}
	return wait, first, nil
}

// takeAllowance counts one use and reports whether it was counted. Of concurrent callers, the database counts one after the
// other.
func takeAllowance(db *gorm.DB, name, subject string, most int, now time.Time) (bool, error) {
	at, began := sqldb.NewTimestamp(now), sqldb.NewTimestamp(now.Add(-limit.Window))
	const over = "(began_at <= ? OR began_at > ?)"
	again := db.Model(&allowanceRow{}).Where("name = ? AND subject = ? AND "+over, name, subject, began, at).
		Updates(map[string]any{"began_at": at, "used": 1, "refused": false})
	if again.Error != nil || again.RowsAffected > 0 {
		return again.RowsAffected > 0, again.Error
	}
	counted := db.Model(&allowanceRow{}).Where("name = ? AND subject = ? AND used < ? AND NOT "+over, name, subject, most, began, at).
		Update("used", gorm.Expr("used + 1"))
	if counted.Error != nil || counted.RowsAffected > 0 {
		return counted.RowsAffected > 0, counted.Error
	}
	var rows int64
	if err := db.Model(&allowanceRow{}).Where("name = ? AND subject = ?", name, subject).Count(&rows).Error; err != nil || rows > 0 {
		return false, err
	}
	return true, db.Create(&allowanceRow{Name: name, Subject: subject, Began: at, Used: 1}).Error
}

// purgeAllowances deletes counts that began before the given time.
func (s *Store) purgeAllowances(ctx context.Context, before time.Time) error {
	return s.inBatches(ctx, &allowanceRow{}, "began_at", before, func(rows *gorm.DB) error { return rows.Delete(&allowanceRow{}).Error })
}
