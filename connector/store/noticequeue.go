package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/store/sqldb"
)

// reviveBatch is how many recipients are made due at once that are no subjects.
const reviveBatch = 100

type queuedRow struct {
	Recipient string `gorm:"primaryKey"`
	NoticeID  string `gorm:"primaryKey"`
	QueuedAt  sqldb.Timestamp
	Notice    sqldb.JSONColumn[notify.Notice]
}

// TableName implements gorm's Tabler.
func (queuedRow) TableName() string { return "notice_queue" }

// QueueNotices implements notify.Store.
func (s *Store) QueueNotices(ctx context.Context, queued []notify.Queued, due time.Time) error {
	rows := make([]queuedRow, len(queued))
	recipients := make([]string, len(queued))
	for i, q := range queued {
		rows[i] = queuedRow{q.Recipient, q.Notice.ID, sqldb.NewTimestamp(q.At), sqldb.NewJSONColumn(q.Notice)}
		recipients[i] = q.Recipient
	}
	err := s.Transact(ctx, func(ctx context.Context) error {
		err := s.db.Write(ctx, func(db *gorm.DB) error { return db.Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error })
		if err != nil {
			return err
		}
		return s.recipientsDue(ctx, recipients, due)
	})
	if err != nil {
		return fmt.Errorf("queuing notices: %w", err)
	}
	return nil
}

// recipientsDue makes recipients due at a time, unless they are due earlier.
func (s *Store) recipientsDue(ctx context.Context, recipients []string, at time.Time) error {
	for _, recipient := range slices.Sorted(slices.Values(recipients)) { // the same order in all transactions
		if err := s.dueFrom(ctx, at, "VALUES (?, ?, ?, 1)", notify.OfRecipient, recipient, sqldb.NewTimestamp(at)); err != nil {
			return err
		}
	}
	return nil
}

// QueuedNotices implements notify.Store.
func (s *Store) QueuedNotices(ctx context.Context, recipient string, limit int) ([]notify.Queued, error) {
	var rows []queuedRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Where("recipient = ?", recipient).Order("queued_at, notice_id").Limit(limit).Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading queued notices: %w", err)
	}
	queued := make([]notify.Queued, len(rows))
	for i, row := range rows {
		queued[i] = notify.Queued{Recipient: row.Recipient, Notice: row.Notice.V, At: row.QueuedAt.Time}
	}
	return queued, nil
}

// DequeueNotices implements notify.Store.
func (s *Store) DequeueNotices(ctx context.Context, queued []notify.Queued) error {
	ids := map[string][]string{}
	for _, q := range queued {
		ids[q.Recipient] = append(ids[q.Recipient], q.Notice.ID)
	}
	for recipient, sent := range ids {
		err := s.db.Write(ctx, func(db *gorm.DB) error {
			return db.Where("recipient = ? AND notice_id IN ?", recipient, sent).Delete(&queuedRow{}).Error
		})
		if err != nil {
			return fmt.Errorf("deleting sent notices: %w", err)
		}
	}
	return nil
}

// ReviveQueue implements notify.Store.
func (s *Store) ReviveQueue(ctx context.Context, now time.Time) error {
	var recipients []string
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		recipients = nil
		return db.Model(&queuedRow{}).Distinct("recipient").Limit(reviveBatch).
			Where("NOT EXISTS (SELECT 1 FROM announcements WHERE subject_kind = ? AND subject_id = notice_queue.recipient)", notify.OfRecipient).
			Pluck("recipient", &recipients).Error
	})
	if err == nil && len(recipients) > 0 {
		err = s.recipientsDue(ctx, recipients, now)
	}
	if err != nil {
		return fmt.Errorf("making recipients of queued notices due: %w", err)
	}
	return nil
}
