package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/token"
)

// terms are the latest times that a schedule may have. Later ones were stored by a clock that was wrong for a while.
type terms struct {
	renewal sqldb.Timestamp // due time
	retry   sqldb.Timestamp // due time after a failed attempt
	expiry  sqldb.Timestamp // of a grant that was issued now
	never   sqldb.Timestamp // due time of a tenant that waits for a person
}

func termsAt(now time.Time) terms {
	latest := now.Add(token.Tolerance)
	return terms{
		renewal: sqldb.NewTimestamp(latest.Add(token.LongestDue)),
		retry:   sqldb.NewTimestamp(latest.Add(token.LongestRetry)),
		expiry:  sqldb.NewTimestamp(latest.Add(token.Life)),
		never:   sqldb.NewTimestamp(token.Never()),
	}
}

// countsAsDue selects the tenants that are not due yet and count as due, with the arguments of terms.countsAsDue. Those with an
// implausible time of issue count once, because a lease counts as an attempt: a renewal corrects the time, and if it fails,
// the next one is soon.
const countsAsDue = "(due_at < ? AND (due_at > ? OR (attempt > 0 AND due_at > ?) OR (attempt = 0 AND expires_at > ?)))"

func (t terms) countsAsDue() []any { return []any{t.never, t.renewal, t.retry, t.expiry} }

// misdated returns up to limit tenants that are not leased and only count as due, and those that are due but whose slack day is
// later than any may be. Each query reads little, whatever the number of tenants: the grants that were issued today or
// later; the end of each slack day; the tenants whose last attempt failed.
func (s *Store) misdated(ctx context.Context, now time.Time, limit int) ([]string, error) {
	t := termsAt(now)
	queries := []func(rows *gorm.DB) *gorm.DB{
		func(rows *gorm.DB) *gorm.DB {
			return rows.Where("slack_day >= ? AND slack_day < ? AND expires_at > ?", dayOf(now.Add(token.Life)), noDeadline, t.expiry).
				Where("(due_at <= ? OR (attempt = 0 AND due_at < ?))", sqldb.NewTimestamp(now), t.never)
		},
		func(rows *gorm.DB) *gorm.DB {
			return rows.Where("slack_day IN ? AND due_at > ? AND due_at < ?", daysFrom(dayOf(now)), t.renewal, t.never)
		},
		func(rows *gorm.DB) *gorm.DB {
			return rows.Where("attempt > 0 AND due_at > ? AND due_at < ?", t.retry, t.never)
		},
	}
	var tenants []string
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		tenants = nil
		for _, query := range queries {
			var found []string
			err := unleased(query(db.Model(&scheduleRow{})), now).Limit(limit).Pluck("tenant_id", &found).Error
			if err != nil {
				return err
			}
			tenants = append(tenants, found...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading tenants with implausible times: %w", err)
	}
	slices.Sort(tenants)
	tenants = slices.Compact(tenants)
	return tenants[:min(limit, len(tenants))], nil
}
