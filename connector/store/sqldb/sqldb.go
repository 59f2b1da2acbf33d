// Package sqldb opens SQLite and MySQL databases, migrates their schema, and runs transactions that are retried.
package sqldb

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/secret"
)

// The kinds of database, for Config.Driver.
const (
	SQLite = "sqlite"
	MySQL  = "mysql" // MySQL 8, MariaDB 10.6 or later, and clusters that are compatible with them
)

// Config is what a DB needs.
type Config struct {
	// Driver is SQLite or MySQL. Required.
	Driver string

	// DSN names the database. For SQLite it is the path of the file, which is created when it is missing; for MySQL it is
	// user:password@tcp(host:port)/database. Times are always read and written in UTC, whatever the DSN says.
	// Required. It is a secret also for SQLite, so that there is one way to hold it.
	DSN secret.Text

	// TLS encrypts the connection to MySQL, instead of what the DSN says. Its ServerName defaults to the host of the DSN.
	// Default: what the DSN says.
	TLS *tls.Config

	// MaxConnections limits the open connections. Default: 16.
	MaxConnections int

	// Now is the clock that gorm uses. The times that are stored come from the callers. Default: time.Now.
	Now func() time.Time

	// Wait is called before a transaction is retried. It returns after d, or earlier with an error when ctx ends.
	// Default: clock.Sleep.
	Wait func(ctx context.Context, d time.Duration) error

	// Jitter returns a number in [0,1) that varies the d of Wait. Default: math/rand/v2.
	Jitter func() float64

	// Observe is called after every transaction ("transaction") and every statement outside one ("read", "write"), with how long
	// it took, retries included. Default: nothing happens.
	Observe func(operation string, err error, d time.Duration)

	// Log receives a record for each retried transaction and each applied migration, never a value of a row.
	// Default: discard.
	Log *slog.Logger
}

// A DB is an open database. It is safe for concurrent use; the context of a transaction is not, because it belongs to one
// goroutine.
type DB struct {
	driver    string
	cfg       Config
	gorm      *gorm.DB
	pool      *sql.DB
	wait      func(ctx context.Context, d time.Duration) error
	jitter    func() float64
	log       *slog.Logger
	writeLock chan struct{} // of capacity 1, full while a goroutine writes to SQLite; nil for MySQL
}

// Open opens the database, checks that it answers, and returns an error that wraps ErrUnsafe when its settings could lose
// what it acknowledges. It does not change the schema: call Migrate next. The caller closes the DB.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.DSN.Empty() {
		return nil, errors.New("no DSN")
	}
	db := newDB(cfg)
	if err := db.connect(ctx, db.cfg); err != nil {
		return nil, advised(err)
	}
	if err := db.checkSettings(ctx); err != nil {
		return nil, errors.Join(advised(err), db.Close())
	}
	return db, nil
}

// newDB returns a DB without connections, with defaults for what cfg leaves out.
func newDB(cfg Config) *DB {
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = 16
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Wait == nil {
		cfg.Wait = clock.Sleep
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	if cfg.Observe == nil {
		cfg.Observe = func(string, error, time.Duration) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &DB{driver: cfg.Driver, cfg: cfg, wait: cfg.Wait, jitter: cfg.Jitter, log: cfg.Log}
}

// checkSettings returns ErrUnsafe for a database that could lose what it acknowledged, and logs a warning for what an
// operator should change.
func (db *DB) checkSettings(ctx context.Context) error {
	settings, err := db.Settings(ctx)
	if err != nil {
		return err
	}
	for _, s := range settings {
		if s.Problem != "" && s.Tolerable {
			db.log.WarnContext(ctx, "database setting", "setting", s.Name, "problem", s.Problem, "advice", s.Advice)
		}
	}
	return unsafe(settings)
}

func (db *DB) connect(ctx context.Context, cfg Config) error {
	var dialector gorm.Dialector
	var err error
	switch db.driver {
	case SQLite:
		db.writeLock = make(chan struct{}, 1)
		db.pool, dialector, err = openSQLite(db.cfg.DSN.Reveal())
	case MySQL:
		db.pool, dialector, err = openMySQL(db.cfg, queryTimeout)
	default:
		err = fmt.Errorf("the driver is %q, not %s or %s", db.driver, SQLite, MySQL)
	}
	if err != nil {
		return err
	}
	db.pool.SetMaxOpenConns(cfg.MaxConnections)
	db.pool.SetMaxIdleConns(cfg.MaxConnections)
	if db.driver == SQLite {
		db.pool.SetConnMaxIdleTime(sqliteMaxIdle)
	}
	if err := firstPing(ctx, db.pool); err != nil {
		return errors.Join(err, db.pool.Close())
	}
	db.gorm, err = gorm.Open(dialector, &gorm.Config{
		SkipDefaultTransaction: true, // Transact decides what belongs together
		TranslateError:         true,
		DisableAutomaticPing:   true,
		NowFunc:                cfg.Now,
		Logger:                 logger.Discard, // gorm's own logger would write values of rows
	})
	if err != nil {
		return errors.Join(err, db.pool.Close())
	}
	return nil
}

// firstPing waits until the database answers, for up to OpenTimeout.
func firstPing(ctx context.Context, pool *sql.DB) error {
	bounded, cancel := context.WithTimeout(ctx, OpenTimeout)
	defer cancel()
	err := pool.PingContext(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("the server did not answer within %s: %w", OpenTimeout, context.DeadlineExceeded)
	}
	return err
}

// Format implements fmt.Formatter: the connections know the DSN, and fmt would print parts of them.
func (db *DB) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "database ("+db.driver+")") }

// Driver returns SQLite or MySQL.
func (db *DB) Driver() string { return db.driver }

// Now returns the SQL expression of a time of the database's own clock, before or after the current one.
func (db *DB) Now(offset time.Duration) string {
	if db.driver == SQLite {
		return fmt.Sprintf("strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '%d seconds')", offset/time.Second)
	}
	return fmt.Sprintf("(UTC_TIMESTAMP(3) + INTERVAL %d SECOND)", offset/time.Second)
}

// Close closes all connections. The DB must not be used afterwards. It is no error that a server has gone before a connection
// took leave of it: whatever was to be stored has been committed.
func (db *DB) Close() error {
	err := db.pool.Close()
	if db.driver == MySQL {
		return nil
	}
	return err
}
