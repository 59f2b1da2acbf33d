package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

type scheduleRow struct {
	TenantID      string `gorm:"primaryKey"`
	DueAt         sqldb.Timestamp
	ExpiresAt     sqldb.Timestamp
	SlackDay      int64
	LeaseOwner    sqldb.NullString
	LeaseUntil    sqldb.Timestamp
	Attempt       int
	LastAt        sqldb.Timestamp
	LastSuccessAt sqldb.Timestamp
	FailingSince  sqldb.Timestamp
	Failure       sqldb.JSONColumn[*failure.Record]
	Version       int64
}

// TableName implements gorm's Tabler.
func (scheduleRow) TableName() string { return "schedules" }

// noDeadline is the slack day of tenants without an active grant, and of those whose grant expires before the next
// attempt: they come last. It is later than every day.
const noDeadline = 1 << 30

// slackDays is how many days, from today on, a grant may expire on: its life, and a margin for clocks that disagree.
const slackDays = int64(token.Life/(24*time.Hour)) + 2

// slackDay returns the day, counted from 1970, by which a tenant that is due at due must be renewed.
func slackDay(due, expires time.Time) int64 {
	if due.IsZero() || expires.IsZero() || !due.Before(expires) {
		return noDeadline
	}
	return dayOf(expires)
}

func dayOf(t time.Time) int64 {
	const day = 24 * 60 * 60
	seconds := t.Unix()
	if seconds < 0 {
		return 0
	}
	return seconds / day
}

func (row scheduleRow) schedule() token.Schedule {
	return token.Schedule{
		TenantID:      row.TenantID,
		DueAt:         row.DueAt.Time,
		LeaseOwner:    string(row.LeaseOwner),
		LeaseUntil:    row.LeaseUntil.Time,
		Attempt:       row.Attempt,
		LastAt:        row.LastAt.Time,
		LastSuccessAt: row.LastSuccessAt.Time,
		FailingSince:  row.FailingSince.Time,
		Failure:       row.Failure.V,
		Version:       row.Version,
	}
}

// Schedule implements token.Store.
func (s *Store) Schedule(ctx context.Context, tenantID string) (token.Schedule, error) {
	var row scheduleRow
	err := s.db.Read(ctx, func(db *gorm.DB) error { return takeOne(db.Where("tenant_id = ?", tenantID), &row) })
	if errors.Is(err, tenant.ErrNotFound) {
		return token.Schedule{TenantID: tenantID}, nil
	}
	if err != nil {
		return token.Schedule{}, fmt.Errorf("reading the schedule of tenant %q: %w", tenantID, err)
	}
	return row.schedule(), nil
}

// SaveSchedule implements token.Store. A zero DueAt means that the tenant is not scheduled. It returns
// tenant.ErrNotFound when the tenant does not exist.
func (s *Store) SaveSchedule(ctx context.Context, schedule *token.Schedule) error {
	if err := s.saveSchedule(ctx, schedule); err != nil {
		return fmt.Errorf("saving the schedule of tenant %q: %w", schedule.TenantID, err)
	}
	return nil
}

func (s *Store) saveSchedule(ctx context.Context, schedule *token.Schedule) error {
	return s.Transact(ctx, func(ctx context.Context) error {
		expires, err := s.expiry(ctx, schedule.TenantID)
		if err != nil {
			return err
		}
		row := scheduleRow{
			TenantID:      schedule.TenantID,
			DueAt:         sqldb.NewTimestamp(schedule.DueAt),
			ExpiresAt:     sqldb.NewTimestamp(expires),
			SlackDay:      slackDay(schedule.DueAt, expires),
			Attempt:       schedule.Attempt,
			LastAt:        sqldb.NewTimestamp(schedule.LastAt),
			LastSuccessAt: sqldb.NewTimestamp(schedule.LastSuccessAt),
			FailingSince:  sqldb.NewTimestamp(schedule.FailingSince),
			Failure:       sqldb.NewJSONColumn(schedule.Failure),
			Version:       schedule.Version + 1,
		}
		err = s.db.Write(ctx, func(db *gorm.DB) error {
			if schedule.Version == 0 {
				return db.Create(&row).Error
			}
			return mustAffect(db.Exec("UPDATE schedules SET due_at = ?, expires_at = ?, slack_day = ?, attempt = ?, last_at = ?, last_success_at = ?, "+
				"failing_since = ?, failure = ?, version = ? WHERE tenant_id = ? AND version = ?",
				row.DueAt, row.ExpiresAt, row.SlackDay, row.Attempt, row.LastAt, row.LastSuccessAt, row.FailingSince, row.Failure, row.Version, row.TenantID, schedule.Version), token.ErrStale)
		})
		switch {
		case errors.Is(err, gorm.ErrDuplicatedKey):
			return token.ErrStale
		case errors.Is(err, gorm.ErrForeignKeyViolated):
			return tenant.ErrNotFound
		case err != nil:
			return err
		}
		if _, ok := s.expiries(ctx)[schedule.TenantID]; ok {
			s.expiries(ctx)[schedule.TenantID] = expiry{expires, true}
		}
		saved := row.schedule()
		saved.LeaseOwner, saved.LeaseUntil = schedule.LeaseOwner, schedule.LeaseUntil
		sqldb.SetUntilRollback(ctx, s.db, schedule, saved)
		return nil
	})
}

// expiry returns when the active grant of a tenant expires; zero when there is none.
func (s *Store) expiry(ctx context.Context, tenantID string) (time.Time, error) {
	if saved, ok := s.expiries(ctx)[tenantID]; ok {
		return saved.at, nil
	}
	var row grantRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return takeOne(db.Select("issued_at").Where("tenant_id = ? AND slot = ?", tenantID, string(token.Active)), &row)
	})
	if errors.Is(err, tenant.ErrNotFound) {
		return time.Time{}, nil
	}
	return row.IssuedAt.Time.Add(token.Life), err
}

// setSlacks updates the schedules of the tenants whose active grants a transaction has saved, and whose schedules it has not.
func (s *Store) setSlacks(ctx context.Context, expiries map[string]expiry) error {
	for _, tenantID := range slices.Sorted(maps.Keys(expiries)) { // the same order in all transactions
		if expiries[tenantID].scheduled {
			continue
		}
		if err := s.setSlack(ctx, tenantID, expiries[tenantID].at); err != nil {
			return fmt.Errorf("scheduling the grant of tenant %q: %w", tenantID, err)
		}
	}
	return nil
}

// setSlack updates a tenant's schedule, if it has one, when its active grant expires at another time.
func (s *Store) setSlack(ctx context.Context, tenantID string, expires time.Time) error {
	until := sqldb.NewTimestamp(expires)
	return s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Exec("UPDATE schedules SET expires_at = ?, slack_day = CASE WHEN due_at < ? THEN ? ELSE ? END WHERE tenant_id = ?",
			until, until, dayOf(expires), noDeadline, tenantID).Error
	})
}

// clearSlack updates a tenant's schedule when its active grant is deleted.
func (s *Store) clearSlack(ctx context.Context, tenantID string) error {
	return s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Model(&scheduleRow{}).Where("tenant_id = ?", tenantID).Updates(map[string]any{
			"expires_at": nil,
			"slack_day":  noDeadline,
		}).Error
	})
}

// DeleteSchedule implements token.Store. Deleting a schedule that does not exist is no error.
func (s *Store) DeleteSchedule(ctx context.Context, tenantID string) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Where("tenant_id = ?", tenantID).Delete(&scheduleRow{}).Error
	})
	if err != nil {
		return fmt.Errorf("deleting the schedule of tenant %q: %w", tenantID, err)
	}
	return nil
}

// Due implements token.Store. It selects tenants by the day on which their grant expires, and for one day by their due time:
// an index returns them in that order, however many tenants there are and however many of them are due.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	if limit <= 0 {
		return nil, nil
	}
	today := dayOf(now)
	var rows []scheduleRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		// Every tenant with an earlier day was due before its grant expired, so that this query skips no rows.
		err := dueOn(db.Where("slack_day < ?", today), now, limit).Find(&rows).Error
		if err != nil || len(rows) == limit {
			return err
		}
		var rest []scheduleRow
		err = dueOn(db.Where("slack_day IN ?", daysFrom(today)), now, limit-len(rows)).Find(&rest).Error
		rows = append(rows, rest...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading due tenants: %w", err)
	}
	slices.SortStableFunc(rows, func(a, b scheduleRow) int {
		if a.SlackDay == noDeadline {
			return cmp.Compare(a.SlackDay, b.SlackDay) // already sorted by due time
		}
		return cmp.Or(cmp.Compare(a.SlackDay, b.SlackDay), a.ExpiresAt.Time.Compare(b.ExpiresAt.Time))
	})
	tenants := make([]string, len(rows), limit)
	for i, row := range rows {
		tenants[i] = row.TenantID
	}
	if len(tenants) == limit {
		return tenants, nil
	}
	misdated, err := s.misdated(ctx, now, limit-len(tenants))
	return append(tenants, misdated...), err
}

// daysFrom lists the slack days of all tenants whose grant has not expired before today. With a list of days, an index
// returns each day's tenants by due time; for a range of days, the database would read and sort all of them.
func daysFrom(today int64) []int64 {
	days := make([]int64, 0, slackDays+1)
	for day := today; day < today+slackDays; day++ {
		days = append(days, day)
	}
	return append(days, noDeadline)
}

// dueOn selects the tenants of some slack days that are due and not leased.
func dueOn(days *gorm.DB, now time.Time, limit int) *gorm.DB {
	return unleased(days.Where("due_at <= ?", sqldb.NewTimestamp(now)), now).Select("tenant_id", "expires_at", "slack_day").
		Order("slack_day, due_at").Limit(limit)
}

// unleased selects the tenants that nobody has leased at now. A lease that ends later than a lease may was stored by a wrong
// clock.
func unleased(rows *gorm.DB, now time.Time) *gorm.DB {
	return rows.Where("(lease_until IS NULL OR lease_until < ? OR lease_until > ?)",
		sqldb.NewTimestamp(now), sqldb.NewTimestamp(now.Add(token.LongestLease+token.Tolerance)))
}

// Lease implements token.Store. It advances the version of the schedule, so that an earlier owner whose lease expired
// can no longer save what it read. An owner cannot lease a tenant that it has leased already.
func (s *Store) Lease(ctx context.Context, tenantID, owner string, now, until time.Time) (token.Schedule, error) {
	var row scheduleRow
	err := s.Transact(ctx, func(ctx context.Context) error {
		return s.db.Write(ctx, func(db *gorm.DB) error {
			update := unleased(db.Model(&scheduleRow{}).Where("tenant_id = ?", tenantID), now).
				Updates(map[string]any{
					"lease_owner": owner,
					"lease_until": sqldb.NewTimestamp(until),
					"version":     gorm.Expr("version + 1"),
				})
			if update.Error != nil {
				return update.Error
			}
			if err := takeOne(db.Where("tenant_id = ?", tenantID), &row); err != nil {
				return err
			}
			return mustAffect(update, token.ErrLeased)
		})
	})
	if err != nil {
		return token.Schedule{}, fmt.Errorf("leasing tenant %q: %w", tenantID, err)
	}
	return row.schedule(), nil
}

// A leaseKey identifies a lease that is to be released.
type leaseKey struct{ tenantID, owner string }

// Release implements token.Store. It changes nothing, and returns no error, when another owner has the lease. Concurrent
// calls share a statement.
func (s *Store) Release(ctx context.Context, tenantID, owner string) error {
	refused, err := s.releases.Do(ctx, leaseKey{tenantID, owner})
	if err = errors.Join(err, refused); err != nil {
		return fmt.Errorf("releasing tenant %q: %w", tenantID, err)
	}
	return nil
}

// releaseAll releases leases and returns one error for each, nil when it was released. It sends one statement for each owner:
// a tenant of one owner may meanwhile be leased by another owner in the same batch.
func (s *Store) releaseAll(ctx context.Context, leases []leaseKey) ([]error, error) {
	errs := make([]error, len(leases))
	for first, lease := range leases {
		if slices.ContainsFunc(leases[:first], func(l leaseKey) bool { return l.owner == lease.owner }) {
			continue // released with an earlier one
		}
		var tenants []string
		for _, l := range leases[first:] {
			if l.owner == lease.owner {
				tenants = append(tenants, l.tenantID)
			}
		}
		if err := s.release(ctx, lease.owner, tenants); err != nil {
			for i, l := range leases {
				if l.owner == lease.owner {
					errs[i] = err
				}
			}
		}
	}
	return errs, nil
}

func (s *Store) release(ctx context.Context, owner string, tenants []string) error {
	return s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Exec("UPDATE schedules SET lease_owner = NULL, lease_until = NULL WHERE tenant_id IN ? AND lease_owner = ?", tenants, owner).Error
	})
}
