package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/token"
)

// scannedEvents is how many events HistoryEvents looks at: a tenant may have issued millions of access tokens between two renewals,
// and its screen waits for the answer.
const scannedEvents = 10_000

// HistoryEvents implements token.Store.
func (s *Store) HistoryEvents(ctx context.Context, tenantID string, lendings token.Lendings, before time.Time, limit int) ([]audit.Event, error) {
	if limit <= 0 {
		return nil, nil
	}
	move, err := s.lastMove(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	selected, others := "events.action NOT IN ?", "events.action IN ?"
	if lendings == token.OnlyLendings {
		selected, others = others, selected
	}
	actions := []audit.Action{audit.TokenLent, audit.LendingRefused}
	var rows []eventRow
	err = s.db.Read(ctx, func(db *gorm.DB) error {
		newest := db.Model(&eventRow{}).Select("seq").Where("tenant_id = ? AND seq >= ?", tenantID, move)
		if !before.IsZero() {
			newest = newest.Where("happened_at < ?", sqldb.NewTimestamp(before))
		}
		newest = newest.Order("happened_at DESC, seq DESC").Limit(scannedEvents)
		scanned := func() *gorm.DB { return db.Joins("JOIN (?) AS newest ON newest.seq = events.seq", newest) }
		rows = nil
		err := scanned().Where(selected, actions).Order("events.happened_at DESC, events.seq DESC").Limit(limit + 1).Find(&rows).Error
		if err != nil || len(rows) >= limit {
			return err
		}
		var all int64
		if err := db.Table("(?) AS newest", newest).Count(&all).Error; err != nil || all < scannedEvents {
			return err
		}
		var last []eventRow
		if err := scanned().Where(others, actions).Order("events.happened_at, events.seq").Limit(1).Find(&last).Error; err != nil || len(last) == 0 {
			return err
		}
		rows = append(slices.DeleteFunc(rows, func(row eventRow) bool { return !row.newer(last[0]) }), last[0])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading a part of the events of tenant %q: %w", tenantID, err)
	}
	return eventsOf(trimPage(rows, limit)), nil
}

// newer reports whether the event of row comes before that of another one in a history.
func (row eventRow) newer(other eventRow) bool {
	if at, than := row.HappenedAt.Time, other.HappenedAt.Time; !at.Equal(than) {
		return at.After(than)
	}
	return row.Seq > other.Seq
}
