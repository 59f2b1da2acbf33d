package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/audit"
)

// PurgeBatch is about how many rows are purged at once.
const PurgeBatch = batch

// WriteEvents writes events in one transaction.
func WriteEvents(ctx context.Context, s *Store, events []audit.Event) error {
	return s.writeEvents(ctx, events)
}

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

// A Plan is how the database answers one statement.
type Plan struct {
	Statement string
	Steps     []string // table, how it is read, by which index
}

// Explain calls act and returns how the database answers each query, update and deletion that s makes in it.
func Explain(ctx context.Context, s *Store, act func() error) ([]Plan, error) {
	seen := &[]spied{}
	own := s.db.ConnPool
	s.db.ConnPool, s.db.Statement.ConnPool = spy{own, seen}, spy{own, seen}
	err := act()
	s.db.ConnPool, s.db.Statement.ConnPool = own, own
	if err != nil {
		return nil, err
	}
	plans := make([]Plan, 0, len(*seen))
	for _, one := range *seen {
		if strings.HasPrefix(one.text, "INSERT") {
			continue
		}
		steps, err := s.explain(ctx, one)
		if err != nil {
			return nil, fmt.Errorf("explaining %s: %w", one.text, err)
		}
		plans = append(plans, Plan{one.text, steps})
	}
	return plans, nil
}

func (s *Store) explain(ctx context.Context, one spied) (steps []string, err error) {
	explain, shown := "EXPLAIN QUERY PLAN ", []string{"detail"}
	if s.driver == MySQL {
		explain, shown = "EXPLAIN ", []string{"table", "type", "key", "Extra"}
	}
	rows, err := s.pool.QueryContext(ctx, explain+one.text, one.values...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, places := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for rows.Next() {
		for i := range values {
			places[i] = &values[i]
		}
		if err := rows.Scan(places...); err != nil {
			return nil, err
		}
		var step []string
		for _, name := range shown {
			for i, column := range columns {
				if column == name {
					step = append(step, values[i].String)
				}
			}
		}
		steps = append(steps, strings.Join(step, " "))
	}
	return steps, rows.Err()
}

// A spied statement was sent with these values.
type spied struct {
	text   string
	values []any
}

// A spy notes what is sent through a pool or in a transaction.
type spy struct {
	gorm.ConnPool
	seen *[]spied
}

func (p spy) ExecContext(ctx context.Context, text string, values ...any) (sql.Result, error) {
	*p.seen = append(*p.seen, spied{text, values})
	return p.ConnPool.ExecContext(ctx, text, values...)
}

func (p spy) QueryContext(ctx context.Context, text string, values ...any) (*sql.Rows, error) {
	*p.seen = append(*p.seen, spied{text, values})
	return p.ConnPool.QueryContext(ctx, text, values...)
}

func (p spy) QueryRowContext(ctx context.Context, text string, values ...any) *sql.Row {
	*p.seen = append(*p.seen, spied{text, values})
	return p.ConnPool.QueryRowContext(ctx, text, values...)
}

// BeginTx implements gorm.ConnPoolBeginner.
func (p spy) BeginTx(ctx context.Context, options *sql.TxOptions) (gorm.ConnPool, error) {
	beginner, ok := p.ConnPool.(gorm.TxBeginner)
	if !ok {
		return nil, errors.New("the pool begins no transactions")
	}
	begun, err := beginner.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	return &spiedTransaction{spy{begun, p.seen}, begun}, nil
}

type spiedTransaction struct {
	spy
	gorm.TxCommitter
}
