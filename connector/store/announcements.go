package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/token"
)

var _ notify.Store = (*Store)(nil)

type announcementRow struct {
	SubjectKind string          `gorm:"primaryKey"`
	SubjectID   string          `gorm:"primaryKey"`
	DueAt       sqldb.Timestamp `gorm:"column:look_at"`
	LeaseOwner  sqldb.NullString
	LeaseUntil  sqldb.Timestamp
	State       sqldb.JSONColumn[notify.State] `gorm:"column:told"`
	DisownedAt  sqldb.Timestamp
	Version     int64
}

// TableName implements gorm's Tabler.
func (announcementRow) TableName() string { return "announcements" }

// triggerAnnouncements makes the announcements due that events trigger, in the transaction that stores the events. It skips
// subjects that do not exist.
func (s *Store) triggerAnnouncements(ctx context.Context, events []audit.Event) error {
	type selection struct {
		kind, column, from string
		delay              time.Duration
	}
	var order []selection
	ids := map[selection][]string{}
	first := map[selection]time.Time{} // when the first of its events happened
	add := func(sel selection, id string, at time.Time) {
		if _, known := ids[sel]; !known {
			order = append(order, sel)
			first[sel] = at
		}
		if !slices.Contains(ids[sel], id) {
			ids[sel] = append(ids[sel], id)
		}
		if at.Before(first[sel]) {
			first[sel] = at
		}
	}
	for _, e := range events {
		trigger, ok := notify.TriggerOf(e)
		if !ok {
			continue
		}
		sel := selection{notify.OfTenant, "id", "tenants WHERE id", trigger.Delay}
		if trigger.Subject.Kind == notify.OfInstance {
			sel = selection{notify.OfInstance, "instance_key", "instances WHERE instance_key", trigger.Delay}
		}
		add(sel, trigger.Subject.ID, e.At)
		if trigger.WithTenants {
			add(selection{notify.OfTenant, "id", "tenants WHERE instance_key", trigger.Delay}, trigger.Subject.ID, e.At)
		}
	}
	for _, sel := range order {
		slices.Sort(ids[sel]) // the same order in all transactions, so that two of them do not deadlock
		if err := s.makeDue(ctx, sel.kind, sel.column, sel.from, ids[sel], first[sel].Add(sel.delay)); err != nil {
			return err
		}
	}
	return s.noteDisowned(ctx, events)
}

// noteDisowned keeps when a consent was taken back until the provider has been told, whatever happens to the tenant meanwhile.
func (s *Store) noteDisowned(ctx context.Context, events []audit.Event) error {
	for _, e := range events {
		if e.Action != audit.ConsentDisowned {
			continue
		}
		err := s.db.Write(ctx, func(db *gorm.DB) error {
			return announcementOf(db, notify.Subject{Kind: notify.OfTenant, ID: e.TenantID}).Update("disowned_at", sqldb.NewTimestamp(e.At)).Error
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// makeDue makes the subjects that a query selects due at a time, unless they are due earlier.
func (s *Store) makeDue(ctx context.Context, kind, column, from string, ids []string, at time.Time) error {
	return s.dueFrom(ctx, at, "SELECT ?, "+column+", ?, 1 FROM "+from+" IN ?", kind, sqldb.NewTimestamp(at), ids)
}

// dueFrom makes the subjects of rows due at a time, unless they are due earlier. Only the clause for a row that exists differs
// between the databases.
func (s *Store) dueFrom(ctx context.Context, at time.Time, rows string, args ...any) error {
	onConflict := "ON DUPLICATE KEY UPDATE"
	if s.db.Driver() == sqldb.SQLite {
		onConflict = "ON CONFLICT (subject_kind, subject_id) DO UPDATE SET"
	}
	due := sqldb.NewTimestamp(at)
	return s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Exec("INSERT INTO announcements (subject_kind, subject_id, look_at, version) "+rows+" "+onConflict+
			" look_at = CASE WHEN announcements.look_at < ? THEN announcements.look_at ELSE ? END, version = announcements.version + 1",
			slices.Concat(args, []any{due, due})...).Error
	})
}

// The condition of announcements that are due, and of those that only count as due: they wait longer than any may.
const (
	announcementDue         = "look_at <= ?"
	announcementCountsAsDue = "look_at > ?"
)

// latestAnnouncement returns the latest time that an announcement may wait for.
func latestAnnouncement(now time.Time) sqldb.Timestamp {
	return sqldb.NewTimestamp(now.Add(notify.LongestWait + token.Tolerance))
}

// AnnounceNow makes tenants due, or instances with all of their tenants; table is tenants or instances.
func (s *Store) AnnounceNow(ctx context.Context, table string, ids []string, now time.Time) error {
	for batch := range slices.Chunk(slices.Sorted(slices.Values(ids)), resealBatch) {
		err := s.Transact(ctx, func(ctx context.Context) error {
			if table == "tenants" {
				return s.makeDue(ctx, notify.OfTenant, "id", "tenants WHERE id", batch, now)
			}
			return errors.Join(
				s.makeDue(ctx, notify.OfInstance, "instance_key", "instances WHERE instance_key", batch, now),
				s.makeDue(ctx, notify.OfTenant, "id", "tenants WHERE instance_key", batch, now))
		})
		if err != nil {
			return fmt.Errorf("making notices about %s due: %w", table, err)
		}
	}
	return nil
}

// DueAnnouncements implements notify.Store.
func (s *Store) DueAnnouncements(ctx context.Context, now time.Time, limit int) ([]notify.Subject, error) {
	var rows []announcementRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		rows = nil
		// Not both conditions in one query, which would have to sort.
		for _, due := range []*gorm.DB{
			db.Where(announcementDue, sqldb.NewTimestamp(now)), db.Where(announcementCountsAsDue, latestAnnouncement(now)),
		} {
			if len(rows) == limit {
				break
			}
			var found []announcementRow
			err := unleased(due, now).Select("subject_kind", "subject_id").Order("look_at").Limit(limit - len(rows)).Find(&found).Error
			if err != nil {
				return err
			}
			rows = append(rows, found...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading due announcements: %w", err)
	}
	subjects := make([]notify.Subject, len(rows))
	for i, row := range rows {
		subjects[i] = notify.Subject{Kind: row.SubjectKind, ID: row.SubjectID}
	}
	return subjects, nil
}

// LeaseAnnouncement implements notify.Store.
func (s *Store) LeaseAnnouncement(ctx context.Context, subject notify.Subject, owner string, now, until time.Time) (notify.Announcement, error) {
	var row announcementRow
	err := s.Transact(ctx, func(ctx context.Context) error {
		return s.db.Write(ctx, func(db *gorm.DB) error {
			update := unleased(announcementOf(db, subject), now).
				Where("("+announcementDue+" OR "+announcementCountsAsDue+")", sqldb.NewTimestamp(now), latestAnnouncement(now)).
				Updates(map[string]any{"lease_owner": owner, "lease_until": sqldb.NewTimestamp(until)})
			if err := mustAffect(update, notify.ErrLeased); err != nil {
				return err
			}
			return takeOne(db.Where("subject_kind = ? AND subject_id = ?", subject.Kind, subject.ID), &row)
		})
	})
	if err != nil {
		return notify.Announcement{}, fmt.Errorf("leasing the announcements of %s %q: %w", subject.Kind, subject.ID, err)
	}
	return notify.Announcement{Subject: subject, Owner: owner, State: row.State.V, DisownedAt: row.DisownedAt.Time, Version: row.Version}, nil
}

// SaveAnnouncement implements notify.Store.
func (s *Store) SaveAnnouncement(ctx context.Context, a notify.Announcement) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return mustAffect(announcementOf(db, a.Subject).Where("lease_owner = ?", a.Owner).
			Update("told", sqldb.NewJSONColumn(a.State)), notify.ErrLeased)
	})
	if err != nil {
		return fmt.Errorf("saving the announcements of %s %q: %w", a.Subject.Kind, a.Subject.ID, err)
	}
	return nil
}

// ReleaseAnnouncement implements notify.Store. It changes nothing, and returns no error, when another owner has the lease.
func (s *Store) ReleaseAnnouncement(ctx context.Context, a notify.Announcement, due time.Time) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return announcementOf(db, a.Subject).Where("lease_owner = ?", a.Owner).Updates(map[string]any{
			"look_at":     gorm.Expr("CASE WHEN version = ? THEN ? ELSE look_at END", a.Version, sqldb.NewTimestamp(due)),
			"lease_owner": nil,
			"lease_until": nil,
		}).Error
	})
	if err != nil {
		return fmt.Errorf("releasing the announcements of %s %q: %w", a.Subject.Kind, a.Subject.ID, err)
	}
	return nil
}

// DropAnnouncement implements notify.Store.
func (s *Store) DropAnnouncement(ctx context.Context, a notify.Announcement) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return announcementOf(db, a.Subject).Where("lease_owner = ? AND version = ?", a.Owner, a.Version).Delete(&announcementRow{}).Error
	})
	if err != nil {
		return fmt.Errorf("dropping the announcements of %s %q: %w", a.Subject.Kind, a.Subject.ID, err)
	}
	return nil
}

// announcementOf selects the row of a subject.
func announcementOf(db *gorm.DB, subject notify.Subject) *gorm.DB {
	return db.Model(&announcementRow{}).Where("subject_kind = ? AND subject_id = ?", subject.Kind, subject.ID)
}
