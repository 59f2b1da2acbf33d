package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/store/sqldb"
)

var _ notify.Store = (*Store)(nil)

type announcementRow struct {
	SubjectKind string `gorm:"primaryKey"`
	SubjectID   string `gorm:"primaryKey"`
	LookAt      sqldb.Timestamp
	LeaseOwner  sqldb.NullString
	LeaseUntil  sqldb.Timestamp
	Told        sqldb.JSONColumn[notify.Memory]
	Version     int64
}

// TableName implements gorm's Tabler.
func (announcementRow) TableName() string { return "announcements" }

// lendingDelay is how long after a lending a tenant is looked at. Lendings are many, and all that they change is a
// token's expiry, to a later one.
const lendingDelay = 24 * time.Hour

// announce makes everybody whom events may concern due to be looked at: the tenant, or the instance with all of its
// tenants. It belongs into the events' transaction. Who does not exist, or no longer does, is left out.
func (s *Store) announce(ctx context.Context, events []audit.Event) error {
	type concern struct {
		kind, column, from string
		lent               bool
	}
	var order []concern
	names := map[concern][]string{}
	at := map[concern]time.Time{} // when the first of its events happened; they are of about the same time
	concerns := func(c concern, name string, e audit.Event) {
		if _, known := names[c]; !known {
			order = append(order, c)
		}
		if !slices.Contains(names[c], name) {
			names[c] = append(names[c], name)
		}
		if first, known := at[c]; !known || e.At.Before(first) {
			at[c] = e.At
		}
	}
	for _, e := range events {
		switch {
		case e.TenantID != "":
			lent := e.Action == audit.TokenLent || e.Action == audit.LendingRefused
			concerns(concern{notify.OfTenant, "id", "tenants WHERE id", lent}, e.TenantID, e)
		case e.InstanceKey != "":
			concerns(concern{notify.OfInstance, "instance_key", "instances WHERE instance_key", false}, e.InstanceKey, e)
			concerns(concern{notify.OfTenant, "id", "tenants WHERE instance_key", false}, e.InstanceKey, e)
		}
	}
	for _, c := range order {
		when := at[c]
		if c.lent {
			when = when.Add(lendingDelay)
		}
		slices.Sort(names[c]) // in the same order everywhere, so that two of these do not wait for each other
		if err := s.lookAt(ctx, c.kind, c.column, c.from, names[c], when); err != nil {
			return err
		}
	}
	return nil
}

// lookAt makes the subjects that a query finds due at a time, unless they are due earlier. Both databases know the
// statement but for what follows a key that is there already.
func (s *Store) lookAt(ctx context.Context, kind, column, from string, names []string, at time.Time) error {
	again := "ON DUPLICATE KEY UPDATE"
	if s.db.Driver() == sqldb.SQLite {
		again = "ON CONFLICT (subject_kind, subject_id) DO UPDATE SET"
	}
	when := sqldb.NewTimestamp(at)
	return s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Exec("INSERT INTO announcements (subject_kind, subject_id, look_at, version) SELECT ?, "+column+", ?, 1 FROM "+from+" IN ? "+again+
			" look_at = CASE WHEN announcements.look_at < ? THEN announcements.look_at ELSE ? END, version = announcements.version + 1",
			kind, when, names, when, when).Error
	})
}

// DueAnnouncements implements notify.Store.
func (s *Store) DueAnnouncements(ctx context.Context, now time.Time, limit int) ([]notify.Subject, error) {
	var rows []announcementRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Select("subject_kind", "subject_id").
			Where("look_at <= ? AND (lease_until IS NULL OR lease_until < ?)", sqldb.NewTimestamp(now), sqldb.NewTimestamp(now)).
			Order("look_at").Limit(limit).Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading what is to be announced: %w", err)
	}
	subjects := make([]notify.Subject, len(rows))
	for i, row := range rows {
		subjects[i] = notify.Subject{Kind: row.SubjectKind, ID: row.SubjectID}
	}
	return subjects, nil
}

// HoldAnnouncement implements notify.Store.
func (s *Store) HoldAnnouncement(ctx context.Context, subject notify.Subject, owner string, now, until time.Time) (notify.Announcement, error) {
	var row announcementRow
	err := s.Transact(ctx, func(ctx context.Context) error {
		return s.db.Write(ctx, func(db *gorm.DB) error {
			taken := of(db, subject).
				Where("look_at <= ? AND (lease_until IS NULL OR lease_until < ?)", sqldb.NewTimestamp(now), sqldb.NewTimestamp(now)).
				Updates(map[string]any{"lease_owner": owner, "lease_until": sqldb.NewTimestamp(until)})
			if err := mustAffect(taken, notify.ErrHeld); err != nil {
				return err
			}
			return takeOne(db.Where("subject_kind = ? AND subject_id = ?", subject.Kind, subject.ID), &row)
		})
	})
	if err != nil {
		return notify.Announcement{}, fmt.Errorf("holding the announcements of %s %q: %w", subject.Kind, subject.ID, err)
	}
	return notify.Announcement{Subject: subject, Owner: owner, Memory: row.Told.V, Version: row.Version}, nil
}

// SaveMemory implements notify.Store.
func (s *Store) SaveMemory(ctx context.Context, a notify.Announcement) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return mustAffect(of(db, a.Subject).Where("lease_owner = ?", a.Owner).
			Update("told", sqldb.NewJSONColumn(a.Memory)), notify.ErrHeld)
	})
	if err != nil {
		return fmt.Errorf("saving what was announced of %s %q: %w", a.Subject.Kind, a.Subject.ID, err)
	}
	return nil
}

// ReleaseAnnouncement implements notify.Store. A hold that is another's by now is left alone, without an error.
func (s *Store) ReleaseAnnouncement(ctx context.Context, a notify.Announcement, lookAt time.Time) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return of(db, a.Subject).Where("lease_owner = ?", a.Owner).Updates(map[string]any{
			"look_at":     gorm.Expr("CASE WHEN version = ? THEN ? ELSE look_at END", a.Version, sqldb.NewTimestamp(lookAt)),
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
		return of(db, a.Subject).Where("lease_owner = ? AND version = ?", a.Owner, a.Version).Delete(&announcementRow{}).Error
	})
	if err != nil {
		return fmt.Errorf("dropping the announcements of %s %q: %w", a.Subject.Kind, a.Subject.ID, err)
	}
	return nil
}

// of selects the row of a subject.
func of(db *gorm.DB, subject notify.Subject) *gorm.DB {
	return db.Model(&announcementRow{}).Where("subject_kind = ? AND subject_id = ?", subject.Kind, subject.ID)
}
