package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pressly/goose/v3/lock"
	"gorm.io/gorm"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/store/sqldb"
)

// MigrationLock is the ID of the row of goose that locks migrations.
var MigrationLock = strconv.FormatInt(lock.DefaultLockID, 10)

// Disconnect closes the connections of s that nobody uses.
func Disconnect(s *Store) error {
	return s.db.Read(context.Background(), func(db *gorm.DB) error {
		pool, err := db.DB()
		if err == nil {
			pool.SetMaxIdleConns(0) // closes them
			pool.SetMaxIdleConns(16)
		}
		return err
	})
}

// PurgeBatch is purgeBatch.
const PurgeBatch = purgeBatch

// WriteEvents writes events in one transaction.
func WriteEvents(ctx context.Context, s *Store, events []audit.Event) error {
	return s.writeEvents(ctx, events)
}

// Setting returns the result of a query for one value on a connection of s.
func Setting(ctx context.Context, s *Store, query string) (value string, err error) {
	err = s.db.Read(ctx, func(db *gorm.DB) error { return db.Raw(query).Row().Scan(&value) })
	return value, err
}

// DuePlan returns SQLite's plan of the query for due tenants.
func DuePlan(ctx context.Context, s *Store, now time.Time) (plan string, err error) {
	err = s.db.Read(ctx, func(db *gorm.DB) error {
		var rows []scheduleRow
		dry := db.Session(&gorm.Session{DryRun: true})
		query := dueOn(dry.Where("slack_day IN ?", daysFrom(dayOf(now))), now, 100).Find(&rows).Statement
		var id, parent, unused int
		return db.Raw("EXPLAIN QUERY PLAN "+query.SQL.String(), query.Vars...).Row().Scan(&id, &parent, &unused, &plan)
	})
	return plan, err
}

// A Plan is the database's plan of one statement.
type Plan struct {
	Statement string
	Steps     []string // table, access method, index
}

// Explain calls act and returns the database's plan of each query, update and deletion that s sends meanwhile.
func Explain(ctx context.Context, s *Store, act func() error) (plans []Plan, err error) {
	err = s.db.Read(ctx, func(db *gorm.DB) error {
		statements, err := record(db, act)
		for _, statement := range statements {
			if err == nil && !strings.HasPrefix(statement.text, "INSERT") {
				var steps []string
				steps, err = explain(db, s.db.Driver(), statement)
				plans = append(plans, Plan{statement.text, steps})
			}
		}
		return err
	})
	return plans, err
}

// A recordedStatement is a statement that was sent, with its values.
type recordedStatement struct {
	text   string
	values []any
}

// record calls act and returns the statements that gorm sends meanwhile, also from the goroutines of batchers.
func record(db *gorm.DB, act func() error) (statements []recordedStatement, err error) {
	const name = "test:record"
	var mu sync.Mutex // guards statements
	note := func(db *gorm.DB) {
		mu.Lock()
		defer mu.Unlock()
		statements = append(statements, recordedStatement{db.Statement.SQL.String(), append([]any{}, db.Statement.Vars...)})
	}
	callbacks := db.Callback()
	for _, register := range []func(string, func(*gorm.DB)) error{
		callbacks.Query().After("gorm:query").Register, callbacks.Row().After("gorm:row").Register, callbacks.Raw().After("gorm:raw").Register,
		callbacks.Update().After("gorm:update").Register, callbacks.Delete().After("gorm:delete").Register,
	} {
		if err := register(name, note); err != nil {
			return nil, err
		}
	}
	err = act()
	for _, remove := range []func(string) error{
		callbacks.Query().Remove, callbacks.Row().Remove, callbacks.Raw().Remove, callbacks.Update().Remove, callbacks.Delete().Remove,
	} {
		if err := remove(name); err != nil {
			return nil, err
		}
	}
	mu.Lock()
	defer mu.Unlock()
	return statements, err
}

func explain(db *gorm.DB, driver string, statement recordedStatement) (steps []string, err error) {
	explain, shown := "EXPLAIN QUERY PLAN ", []string{"detail"}
	if driver == sqldb.MySQL {
		var version string
		if err := db.Raw("SELECT VERSION()").Row().Scan(&version); err != nil {
			return nil, err
		}
		explain, shown = "EXPLAIN FORMAT=TRADITIONAL ", []string{"table", "type", "key", "Extra"}
		if strings.Contains(version, "MariaDB") {
			explain = "EXPLAIN " // its only table
		}
	}
	rows, err := db.Statement.ConnPool.QueryContext(db.Statement.Context, explain+statement.text, statement.values...)
	if err != nil {
		return nil, fmt.Errorf("explaining %s: %w", statement.text, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, dest := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for rows.Next() {
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
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

// Form returns the form that the key checks name.
func Form(ctx context.Context, s *Store) (int, error) {
	state, err := s.checkKeys(ctx, nil)
	return state.form, err
}

// SetForm is setForm.
func SetForm(ctx context.Context, s *Store, form int) error { return s.setForm(ctx, form) }

// SetEarlierForm gives every row the MAC that it had before MACs covered what is proven.
func SetEarlierForm(ctx context.Context, s *Store) error {
	for _, table := range s.guardedTables() {
		err := s.walkGuarded(ctx, table, func(ctx context.Context, rows []provenRow) error {
			for _, row := range rows {
				err := s.db.Write(ctx, func(db *gorm.DB) error {
					return db.Table(table.name).Where(table.key+" = ?", row.id).
						Update("mac", s.keyring.MAC(rowPurpose, row.parts(formBound)...)).Error
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.setForm(ctx, formBound)
}

// CurrentForm is currentForm.
const (
	CurrentForm = currentForm
	FormBegun   = formBegun
)

// InterruptAfter calls act and cancels its context when s has sent n statements meanwhile, before the next one takes effect.
func InterruptAfter(ctx context.Context, s *Store, n int, cancel context.CancelFunc, act func() error) error {
	const name = "test:interrupt"
	var mu sync.Mutex // guards sent
	sent := 0
	count := func(*gorm.DB) {
		mu.Lock()
		defer mu.Unlock()
		if sent++; sent > n {
			cancel()
		}
	}
	return s.db.Read(ctx, func(db *gorm.DB) error {
		callbacks := db.Callback()
		for _, register := range []func(string, func(*gorm.DB)) error{
			callbacks.Query().Before("gorm:query").Register, callbacks.Row().Before("gorm:row").Register, callbacks.Raw().Before("gorm:raw").Register,
			callbacks.Create().Before("gorm:create").Register, callbacks.Update().Before("gorm:update").Register, callbacks.Delete().Before("gorm:delete").Register,
		} {
			if err := register(name, count); err != nil {
				return err
			}
		}
		return act()
	})
}

// NameRemoved is the first step of PurgeEvents.
func NameRemoved(ctx context.Context, s *Store, before time.Time) error {
	return s.nameRemoved(ctx, before)
}
