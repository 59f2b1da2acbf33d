package store

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// Setting returns what a query for one value says on a connection of s.
func Setting(ctx context.Context, s *Store, query string) (string, error) {
	var value string
	err := s.pool.QueryRowContext(ctx, query).Scan(&value)
	return value, err
}

// DuePlan returns how SQLite finds the tenants that are due.
func DuePlan(ctx context.Context, s *Store, now time.Time) (string, error) {
	var rows []scheduleRow
	dry := s.db.WithContext(ctx).Session(&gorm.Session{DryRun: true})
	query := dueOn(dry.Where("slack_day IN ?", daysFrom(dayOf(now))), now, 100).Find(&rows).Statement
	var id, parent, unused int
	var plan string
	err := s.pool.QueryRowContext(ctx, "EXPLAIN QUERY PLAN "+query.SQL.String(), query.Vars...).Scan(&id, &parent, &unused, &plan)
	return plan, err
}
