package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/store/sqldb"
)

// actorColumns hold an audit.Actor.
type actorColumns struct {
	Kind       string
	ID         string
	Name       string
	AccountID  string
	OriginalID string
}

func actorOf(a audit.Actor) actorColumns {
	return actorColumns{Kind: string(a.Kind), ID: a.ID, Name: a.Name, AccountID: a.AccountID, OriginalID: a.OriginalID}
}

func (c actorColumns) actor() audit.Actor {
	return audit.Actor{Kind: audit.ActorKind(c.Kind), ID: c.ID, Name: c.Name, AccountID: c.AccountID, OriginalID: c.OriginalID}
}

type eventRow struct {
	Seq         int64 `gorm:"primaryKey;autoIncrement"`
	ID          string
	HappenedAt  sqldb.Timestamp
	InstanceKey string
	TenantID    string
	Action      string
	Actor       actorColumns `gorm:"embedded;embeddedPrefix:actor_"`
	Result      string
	Reference   string
	Details     sqldb.JSONColumn[map[string]string]
	MAC         []byte
	Checkpoint  *int64 // nil until a checkpoint covers the event
}

// TableName implements gorm's Tabler.
func (eventRow) TableName() string { return "events" }

func (row eventRow) event() audit.Event {
	return audit.Event{
		ID:          row.ID,
		At:          row.HappenedAt.Time,
		InstanceKey: row.InstanceKey,
		TenantID:    row.TenantID,
		Action:      audit.Action(row.Action),
		Actor:       row.Actor.actor(),
		Result:      row.Result,
		Reference:   row.Reference,
		Details:     row.Details.V,
	}
}

// AppendEvent implements tenant.Store, token.Store and consent.Store. It also makes due the announcements
// that the event triggers. Concurrent calls share a commit.
func (s *Store) AppendEvent(ctx context.Context, e audit.Event) error {
	if _, err := s.events.Do(ctx, e); err != nil {
		return fmt.Errorf("writing the event %s of tenant %q: %w", e.Action, e.TenantID, err)
	}
	return nil
}

// appendEvents writes events for their callers.
func (s *Store) appendEvents(ctx context.Context, events []audit.Event) ([]struct{}, error) {
	return make([]struct{}, len(events)), s.writeEvents(ctx, events)
}

// writeEvents writes events and what they trigger in one transaction. Without triggers, as for most lendings, that is one
// statement.
func (s *Store) writeEvents(ctx context.Context, events []audit.Event) error {
	if !slices.ContainsFunc(events, triggers) {
		return s.insertEvents(ctx, events)
	}
	return s.Transact(ctx, func(ctx context.Context) error {
		if err := s.insertEvents(ctx, events); err != nil {
			return err
		}
		return s.triggerAnnouncements(ctx, events)
	})
}

// triggers reports whether more than its row is stored for an event.
func triggers(e audit.Event) bool {
	_, ok := notify.TriggerOf(e)
	return ok
}

// The columns of an inserted event; the database numbers it.
const (
	eventColumns = "(id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference, details, mac)"
	eventValues  = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

// insertEvents writes events in their order. It avoids gorm's reflection, because events are the most frequent rows.
func (s *Store) insertEvents(ctx context.Context, events []audit.Event) error {
	values := make([]any, 0, 14*len(events))
	for _, e := range events {
		values = append(values, e.ID, sqldb.NewTimestamp(e.At), e.InstanceKey, e.TenantID, string(e.Action), string(e.Actor.Kind), e.Actor.ID, e.Actor.Name,
			e.Actor.AccountID, e.Actor.OriginalID, e.Result, e.Reference, sqldb.NewJSONColumn(e.Details), s.eventMAC(e))
	}
	query := "INSERT INTO events " + eventColumns + " VALUES " + eventValues + strings.Repeat(", "+eventValues, len(events)-1)
	return s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Exec(query, values...).Error
	})
}

// Events implements token.Store. A page ends before a group of events with the same time that does not fit completely,
// unless the group is longer than a whole page. So a request for events before the time of the last one misses none.
func (s *Store) Events(ctx context.Context, tenantID string, before time.Time, limit int) ([]audit.Event, error) {
	return s.eventsAfter(ctx, tenantID, before, 0, limit)
}

// OwnEvents implements token.Store.
func (s *Store) OwnEvents(ctx context.Context, tenantID string, before time.Time, limit int) ([]audit.Event, error) {
	move, err := s.lastMove(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	return s.eventsAfter(ctx, tenantID, before, move-1, limit)
}

// lastMove returns the number of the event of a tenant's last move; 0 for none. The order in which events were stored does not
// depend on clocks, which differ and may be wrong.
func (s *Store) lastMove(ctx context.Context, tenantID string) (int64, error) {
	var last int64
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		last = 0
		// Few tenants ever move, and no index finds the event among the others of a tenant.
		var moved int64
		err := db.Model(&tenantRow{}).Where("id = ? AND moved_at IS NOT NULL", tenantID).Count(&moved).Error
		if err != nil || moved == 0 {
			return err
		}
		return db.Model(&eventRow{}).Where("tenant_id = ? AND action = ?", tenantID, string(audit.TenantMoved)).
			Select("COALESCE(MAX(seq), 0)").Scan(&last).Error
	})
	if err != nil {
		return 0, fmt.Errorf("reading when tenant %q moved: %w", tenantID, err)
	}
	return last, nil
}

// eventsAfter is Events for those that were stored after another one.
func (s *Store) eventsAfter(ctx context.Context, tenantID string, before time.Time, after int64, limit int) ([]audit.Event, error) {
	if limit <= 0 {
		return nil, nil
	}
	var rows []eventRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		query := db.Where("tenant_id = ?", tenantID)
		if after > 0 {
			query = query.Where("seq > ?", after)
		}
		if !before.IsZero() {
			query = query.Where("happened_at < ?", sqldb.NewTimestamp(before))
		}
		return query.Order("happened_at DESC, seq DESC").Limit(limit + 1).Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading the events of tenant %q: %w", tenantID, err)
	}
	return eventsOf(trimPage(rows, limit)), nil
}

// EventsOf implements token.Store.
func (s *Store) EventsOf(ctx context.Context, tenantID string, actions []audit.Action, limit int) ([]audit.Event, error) {
	move, err := s.lastMove(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	var rows []eventRow
	err = s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Where("tenant_id = ? AND seq >= ? AND action IN ?", tenantID, move, actions).
			Order("happened_at DESC, seq DESC").Limit(limit).Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading some events of tenant %q: %w", tenantID, err)
	}
	return eventsOf(rows), nil
}

// InstanceEvents implements notify.Store.
func (s *Store) InstanceEvents(ctx context.Context, key string, actions []audit.Action, after time.Time, limit int) ([]audit.Event, error) {
	events, err := s.recentEvents(ctx, "", actions, after, limit, func(db *gorm.DB) *gorm.DB { return db.Where("instance_key = ?", key) })
	if err != nil {
		return nil, fmt.Errorf("reading some events of instance %q: %w", key, err)
	}
	return events, nil
}

// RecentEvents implements notify.Store.
func (s *Store) RecentEvents(ctx context.Context, tenantID string, actions []audit.Action, after time.Time, limit int) ([]audit.Event, error) {
	events, err := s.recentEvents(ctx, tenantID, actions, after, limit, func(db *gorm.DB) *gorm.DB { return db })
	if err != nil {
		return nil, fmt.Errorf("reading the last events of tenant %q: %w", tenantID, err)
	}
	return events, nil
}

func (s *Store) recentEvents(
	ctx context.Context, tenantID string, actions []audit.Action, after time.Time, limit int, narrow func(*gorm.DB) *gorm.DB,
) ([]audit.Event, error) {
	var rows []eventRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		rows = nil
		return narrow(db.Where("tenant_id = ? AND happened_at > ? AND action IN ?", tenantID, sqldb.NewTimestamp(after), actions)).
			Order("happened_at DESC, seq DESC").Limit(limit).Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	return eventsOf(rows), nil
}

// eventsOf returns the events of rows.
func eventsOf(rows []eventRow) []audit.Event {
	events := make([]audit.Event, len(rows))
	for i, row := range rows {
		events[i] = row.event()
	}
	return events
}

// trimPage returns at most limit rows. When there are more, it leaves out an incomplete group of events with the same time at the
// end.
func trimPage(rows []eventRow, limit int) []eventRow {
	if len(rows) <= limit {
		return rows
	}
	end := limit
	for end > 0 && rows[end-1].HappenedAt.Time.Equal(rows[limit].HappenedAt.Time) {
		end--
	}
	if end == 0 {
		return rows[:limit]
	}
	return rows[:end]
}

// CoveredTrail returns up to limit events that a checkpoint covers, after a cursor, in the order of their checkpoints, with whether
// each is proven, and the cursor of the last one. What a checkpoint covers never changes, and later ones follow: reading on from the
// cursor misses no event, also when transactions were committed in another order than their events were numbered.
func (s *Store) CoveredTrail(ctx context.Context, after audit.Cursor, limit int) ([]audit.FoundEvent, audit.Cursor, error) {
	rows, next, err := s.coveredRows(ctx, after, limit)
	if err != nil {
		return nil, after, err
	}
	found, err := s.withProof(ctx, rows)
	if err != nil {
		return nil, after, fmt.Errorf("reading covered events: %w", err)
	}
	return found, next, nil
}

func (s *Store) coveredRows(ctx context.Context, after audit.Cursor, limit int) ([]eventRow, audit.Cursor, error) {
	var rows []eventRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Where("checkpoint >= ? AND checkpoint > ? AND (checkpoint > ? OR seq > ?)", after.Checkpoint, setAside, after.Checkpoint, after.Seq).
			Order("checkpoint, seq").Limit(limit).Find(&rows).Error
	})
	if err != nil {
		return nil, after, fmt.Errorf("reading covered events: %w", err)
	}
	if len(rows) > 0 {
		last := rows[len(rows)-1]
		after = audit.Cursor{Checkpoint: *last.Checkpoint, Seq: last.Seq}
	}
	return rows, after, nil
}

// An EventFilter selects events. Empty fields select all.
type EventFilter struct {
	TenantID  string
	Action    audit.Action
	Reference string
	Since     time.Time
	// Own leaves out what was before the tenant moved to its present owner.
	Own bool
}

// SearchEvents returns the latest events that a filter selects, newest first, up to limit. Without a tenant it reads the trail
// from its end: it is for commands, not for requests.
func (s *Store) SearchEvents(ctx context.Context, filter EventFilter, limit int) ([]audit.FoundEvent, error) {
	var move int64
	if filter.Own {
		var err error
		if move, err = s.lastMove(ctx, filter.TenantID); err != nil {
			return nil, err
		}
	}
	var rows []eventRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		query := db.Order("seq DESC")
		if filter.TenantID != "" {
			query = db.Where("tenant_id = ?", filter.TenantID).Order("happened_at DESC, seq DESC")
		}
		if filter.Action != "" {
			query = query.Where("action = ?", string(filter.Action))
		}
		if filter.Reference != "" {
			query = query.Where("reference = ?", filter.Reference)
		}
		if move > 0 {
			query = query.Where("seq >= ?", move)
		}
		if !filter.Since.IsZero() {
			query = query.Where("happened_at >= ?", sqldb.NewTimestamp(filter.Since))
		}
		rows = nil
		return query.Limit(limit).Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("searching events: %w", err)
	}
	found, err := s.withProof(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("searching events: %w", err)
	}
	return found, nil
}

// withProof returns the events of rows with whether each is proven.
func (s *Store) withProof(ctx context.Context, rows []eventRow) ([]audit.FoundEvent, error) {
	found, intact := make([]audit.FoundEvent, len(rows)), map[int64]bool{}
	for i, row := range rows {
		proven, err := s.provenEvent(ctx, row, intact)
		if err != nil {
			return nil, err
		}
		found[i] = audit.FoundEvent{Event: row.event(), Proven: proven}
	}
	return found, nil
}
