package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/glebarez/sqlite"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"azure-partner-connector/migrations"
)

// ErrNewerSchema is returned by Migrate when the database was migrated by a newer version of this program, whose
// tables this one does not understand.
var ErrNewerSchema = errors.New("the database has a newer schema than this program knows")

// versionTable is where goose keeps which migrations were applied.
const versionTable = "schema_versions"

// Migrate brings the schema to the version that this program knows. Any number of programs may call it at once: one
// migrates, under a lock in the database, and the others wait for it. It goes forward only, and returns ErrNewerSchema,
// having changed nothing, when the schema is ahead.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.migrate(ctx); err != nil {
		return fmt.Errorf("migrating the schema: %w", err)
	}
	return nil
}

func (s *Store) migrate(ctx context.Context) (err error) {
	pool, err := s.migrationPool()
	if err != nil {
		return err
	}
	defer pool.Close()
	lock, err := s.migrationLock()
	if err != nil {
		return err
	}
	// Goose would take the lock only after it looked at the schema, and made its own table, without it.
	if err := lock.Lock(ctx, pool); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock(context.WithoutCancel(ctx), pool)) }()
	return s.migrateLocked(ctx, pool)
}

func (s *Store) migrateLocked(ctx context.Context, pool *sql.DB) error {
	dialect, scripts, exists, err := dialectOf(s.driver)
	if err != nil {
		return err
	}
	versions, err := database.NewStore(dialect, versionTable)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectCustom, pool, scripts,
		goose.WithStore(versions),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	current, err := schemaVersion(ctx, pool, versions, exists)
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	if known := sources[len(sources)-1].Version; current > known {
		return fmt.Errorf("%w: its version is %d, and %d is the last known here; start the newer program", ErrNewerSchema, current, known)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return err
	}
	for _, result := range results {
		s.log.InfoContext(ctx, "schema migrated", "version", result.Source.Version, "dur", result.Duration)
	}
	return nil
}

// schemaVersion returns the last migration that was applied; 0 before the first. The query exists counts the tables of
// a name.
func schemaVersion(ctx context.Context, pool *sql.DB, versions database.Store, exists string) (int64, error) {
	var tables int
	if err := pool.QueryRowContext(ctx, exists, versionTable).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	version, err := versions.GetLatestVersion(ctx, pool)
	if errors.Is(err, database.ErrVersionNotFound) {
		// MySQL commits after CREATE TABLE: a start that was cut short left the table without goose's first row.
		return 0, versions.Insert(ctx, pool, database.InsertRequest{Version: 0})
	}
	return version, err
}

// dialectOf returns what goose must know of a database: its language, the scripts, and the query that counts the tables
// of a name.
func dialectOf(driver string) (dialect goose.Dialect, scripts fs.FS, exists string, err error) {
	if driver == SQLite {
		scripts, err = fs.Sub(migrations.SQLite, "sqlite")
		return goose.DialectSQLite3, scripts, "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?", err
	}
	scripts, err = fs.Sub(migrations.MySQL, "mysql")
	return goose.DialectMySQL, scripts, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?", err
}

// migrationPool opens connections of their own, on which a statement may take as long as a large table needs.
func (s *Store) migrationPool() (*sql.DB, error) {
	if s.driver == SQLite {
		pool, _, err := openSQLite(s.dsn)
		return pool, err
	}
	pool, _, err := openMySQL(s.dsn, s.log, 0)
	return pool, err
}

func (s *Store) migrationLock() (lock.Locker, error) {
	if s.driver == SQLite {
		return &fileLock{path: s.dsn + "-migration", wait: s.wait}, nil
	}
	return lock.NewMySQLTableLocker(
		lock.WithTableName("schema_lock"),
		lock.WithTableLogger(s.log),
		lock.WithTableLockTimeout(250*time.Millisecond, 2400), // ten minutes
	)
}

// lockPause is how long a SQLite migration waits before it asks again whether another has ended.
const lockPause = 50 * time.Millisecond

// A fileLock is held by an open transaction on a file beside the database, so that it ends with the process that holds
// it, however that ends. The file stays, empty.
type fileLock struct {
	path string
	wait func(ctx context.Context, d time.Duration) error
	pool *sql.DB
	held *sql.Tx
}

// Lock implements lock.Locker.
func (l *fileLock) Lock(ctx context.Context, _ *sql.DB) error {
	if err := makeFile(l.path); err != nil {
		return err
	}
	pool, err := sql.Open(sqlite.DriverName, sqliteDSN(l.path, "exclusive", "busy_timeout(0)"))
	if err != nil {
		return err
	}
	for {
		// The transaction must outlive ctx: it ends in Unlock.
		held, err := pool.BeginTx(context.WithoutCancel(ctx), nil)
		if err == nil {
			l.pool, l.held = pool, held
			return nil
		}
		if repeatable(err) {
			err = l.wait(ctx, lockPause)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("taking the lock: %w", err), pool.Close())
		}
	}
}

// Unlock implements lock.Locker.
func (l *fileLock) Unlock(context.Context, *sql.DB) error {
	return errors.Join(l.held.Rollback(), l.pool.Close())
}
