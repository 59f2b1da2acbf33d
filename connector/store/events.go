package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/audit"
)

type eventRow struct {
	Seq         int64 `gorm:"primaryKey;autoIncrement"`
	ID          string
	HappenedAt  instant
	InstanceKey string
	TenantID    string
	Action      string
	Actor       actorColumns `gorm:"embedded;embeddedPrefix:actor_"`
	Result      string
	Reference   string
	Details     facts[map[string]string]
}

// TableName implements gorm's Tabler.
func (eventRow) TableName() string { return "events" }

func (row eventRow) event() audit.Event {
	return audit.Event{
		ID:          row.ID,
		At:          row.HappenedAt.at,
		InstanceKey: row.InstanceKey,
		TenantID:    row.TenantID,
		Action:      audit.Action(row.Action),
		Actor:       row.Actor.actor(),
		Result:      row.Result,
		Reference:   row.Reference,
		Details:     row.Details.of,
	}
}

// AppendEvent implements tenant.Store, token.Store and consent.Store. Whom the event concerns is due to be looked at
// by who announces changes.
func (s *Store) AppendEvent(ctx context.Context, e audit.Event) error {
	row := eventRow{
		ID:          e.ID,
		HappenedAt:  instantOf(e.At),
		InstanceKey: e.InstanceKey,
		TenantID:    e.TenantID,
		Action:      string(e.Action),
		Actor:       actorOf(e.Actor),
		Result:      e.Result,
		Reference:   e.Reference,
		Details:     facts[map[string]string]{e.Details},
	}
	err := s.Transact(ctx, func(ctx context.Context) error {
		err := s.write(ctx, func(db *gorm.DB) error {
			row.Seq = 0 // a number that an attempt before this one was given is not used again
			return db.Create(&row).Error
		})
		if err != nil {
			return err
		}
		return s.announce(ctx, e)
	})
	if err != nil {
		return fmt.Errorf("writing the event %s of tenant %q: %w", e.Action, e.TenantID, err)
	}
	return nil
}

// Events implements token.Store. Events of one instant are not parted: a page ends before them rather than among them,
// unless they alone are more than a page, so that asking for what is before the last one's time misses none.
func (s *Store) Events(ctx context.Context, tenantID string, before time.Time, limit int) ([]audit.Event, error) {
	if limit <= 0 {
		return nil, nil
	}
	var rows []eventRow
	err := s.read(ctx, func(db *gorm.DB) error {
		query := db.Where("tenant_id = ?", tenantID)
		if !before.IsZero() {
			query = query.Where("happened_at < ?", instantOf(before))
		}
		return query.Order("happened_at DESC, seq DESC").Limit(limit + 1).Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading the events of tenant %q: %w", tenantID, err)
	}
	if len(rows) > limit {
		rows = wholeInstants(rows, limit)
	}
	events := make([]audit.Event, len(rows))
	for i, row := range rows {
		events[i] = row.event()
	}
	return events, nil
}

// EventsOf implements token.Store.
func (s *Store) EventsOf(ctx context.Context, tenantID string, actions []audit.Action, limit int) ([]audit.Event, error) {
	var rows []eventRow
	err := s.read(ctx, func(db *gorm.DB) error {
		return db.Where("tenant_id = ? AND action IN ?", tenantID, actions).
			Order("happened_at DESC, seq DESC").Limit(limit).Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading some events of tenant %q: %w", tenantID, err)
	}
	events := make([]audit.Event, len(rows))
	for i, row := range rows {
		events[i] = row.event()
	}
	return events, nil
}

// wholeInstants returns the first rows, at most limit, of more than limit, without a part of the events of one instant.
func wholeInstants(rows []eventRow, limit int) []eventRow {
	end := limit
	for end > 0 && rows[end-1].HappenedAt.at.Equal(rows[limit].HappenedAt.at) {
		end--
	}
	if end == 0 {
		return rows[:limit]
	}
	return rows[:end]
}
