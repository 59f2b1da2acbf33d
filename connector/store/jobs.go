package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A jobRow is a schedule with the other columns of a token.Job.
type jobRow struct {
	Schedule    scheduleRow `gorm:"embedded"`
	DirectoryID sqldb.NullString
	Cloud       sqldb.NullString
}

// LeaseDue implements token.Store. The UPDATE has the condition, so that replicas that read the same tenants lease
// different ones. Like Lease it advances the versions.
func (s *Store) LeaseDue(ctx context.Context, owner string, now, until time.Time, limit int) ([]token.Job, error) {
	for {
		due, err := s.Due(ctx, now, limit)
		if err != nil || len(due) == 0 {
			return nil, err
		}
		jobs, err := s.leaseAll(ctx, due, owner, now, until)
		if err != nil {
			return nil, fmt.Errorf("leasing %d due tenants: %w", len(due), err)
		}
		if len(jobs) > 0 {
			return jobs, nil
		}
		// Other replicas leased all of them meanwhile. They are no longer due, so the next iteration reads others.
	}
}

func (s *Store) leaseAll(ctx context.Context, due []string, owner string, now, until time.Time) ([]token.Job, error) {
	at, terms := sqldb.NewTimestamp(now), termsAt(now)
	var rows []jobRow
	err := s.Transact(ctx, func(ctx context.Context) error {
		return s.db.Write(ctx, func(db *gorm.DB) error {
			rows = nil
			isDue := db.Model(&scheduleRow{}).Where("tenant_id IN ?", due).
				Where("(due_at <= ? OR "+countsAsDue+")", slices.Concat([]any{at}, terms.countsAsDue())...)
			update := unleased(isDue, now).
				Updates(map[string]any{
					// Columns are assigned in any order, so no assignment reads another column that is assigned, too.
					"due_at":      gorm.Expr("CASE WHEN due_at > ? THEN ? ELSE due_at END", at, at),
					"attempt":     gorm.Expr("CASE WHEN attempt = 0 AND expires_at > ? THEN 1 ELSE attempt END", terms.expiry),
					"lease_owner": owner,
					"lease_until": sqldb.NewTimestamp(until),
					"version":     gorm.Expr("version + 1"),
				})
			if update.Error != nil || update.RowsAffected == 0 {
				return update.Error
			}
			return db.Table("schedules").Select("schedules.*, tenants.directory_id, instances.cloud").
				Joins("JOIN tenants ON tenants.id = schedules.tenant_id").
				Joins("LEFT JOIN instances ON instances.instance_key = tenants.instance_key").
				Where("schedules.tenant_id IN ? AND schedules.lease_owner = ?", due, owner).Find(&rows).Error
		})
	})
	if err != nil {
		return nil, err
	}
	rank := make(map[string]int, len(due)) // tenant ID → index in due
	for i, id := range due {
		rank[id] = i
	}
	slices.SortFunc(rows, func(a, b jobRow) int { return cmp.Compare(rank[a.Schedule.TenantID], rank[b.Schedule.TenantID]) })
	jobs := make([]token.Job, len(rows))
	for i, row := range rows {
		jobs[i] = token.Job{
			Schedule: row.Schedule.schedule(), ExpiresAt: row.Schedule.ExpiresAt.Time,
			Cloud: cmp.Or(string(row.Cloud), tenant.DefaultCloud), DirectoryID: string(row.DirectoryID),
		}
	}
	return jobs, nil
}

// Postpone implements token.Store.
func (s *Store) Postpone(ctx context.Context, tenantIDs []string, owner string, now, due time.Time) error {
	err := s.Transact(ctx, func(ctx context.Context) error {
		return s.db.Write(ctx, func(db *gorm.DB) error {
			return db.Model(&scheduleRow{}).
				Where("tenant_id IN ? AND lease_owner = ? AND due_at <= ?", tenantIDs, owner, sqldb.NewTimestamp(now)).
				Updates(map[string]any{
					"slack_day":   gorm.Expr("CASE WHEN expires_at > ? THEN slack_day ELSE ? END", sqldb.NewTimestamp(due), noDeadline),
					"due_at":      sqldb.NewTimestamp(due),
					"lease_owner": nil,
					"lease_until": nil,
					"version":     gorm.Expr("version + 1"),
				}).Error
		})
	})
	if err != nil {
		return fmt.Errorf("postponing %d tenants: %w", len(tenantIDs), err)
	}
	return nil
}
