package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/glebarez/sqlite"
	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"azure-partner-connector/migrations"
)

// ErrNewerSchema is returned by Migrate for a database that a newer version of this program migrated, with tables that
// this version does not know.
var ErrNewerSchema = errors.New("the database has a newer schema than this program knows")

// versionTable is where goose records the applied migrations.
const versionTable = "schema_versions"

// Around is what Migrate calls under its lock. Its functions may be nil, use the DB, and are not called for a newer schema.
type Around struct {
	// Before is called with the version of the schema, 0 without tables. Nothing is migrated when it returns an error.
	Before func(ctx context.Context, version int64) error
	// After is called when the schema is up to date, whether or not it was migrated.
	After func(ctx context.Context) error
	// NoMigrate refuses a schema that is not up to date, with ErrOlderSchema or ErrNoSchema, instead of migrating it. The
	// account then needs no rights but to read and change rows.
	NoMigrate bool
}

// Migrate upgrades the schema to the latest version that this program knows, and never downgrades it. Any number of programs
// may call it at once: one migrates, under a lock, and the others wait for it and say so in the log. For a newer schema it
// returns ErrNewerSchema, for a read-only database ErrReadOnly, and changes nothing. It returns an error of a function of
// around as it is.
func (db *DB) Migrate(ctx context.Context, around Around) error {
	err := db.CheckSchema(ctx)
	if err != nil && (around.NoMigrate || !errors.Is(err, ErrOlderSchema) && !errors.Is(err, ErrNoSchema)) {
		return err
	}
	return advised(db.locked(ctx, func(pool *sql.DB) error { return db.migrate(ctx, pool, around) }))
}

// Locked calls fn while no program can begin or continue to migrate the schema.
func (db *DB) Locked(ctx context.Context, fn func() error) error {
	return db.locked(ctx, func(*sql.DB) error { return fn() })
}

func (db *DB) locked(ctx context.Context, fn func(pool *sql.DB) error) (err error) {
	const doing = "taking the lock of migrations: %w"
	if err := db.repeat(ctx, func() error { return db.Ready(ctx) }); err != nil {
		return fmt.Errorf(doing, err)
	}
	pool, err := db.migrationPool()
	if err != nil {
		return fmt.Errorf(doing, err)
	}
	defer pool.Close()
	lock, err := db.migrationLock(ctx, pool)
	if err != nil {
		return fmt.Errorf(doing, err)
	}
	// Goose would read the schema, and create its own table, before it took the lock.
	if err := db.repeat(ctx, func() error { return lock.Lock(ctx, pool) }); err != nil {
		return fmt.Errorf(doing, err)
	}
	defer func() { err = errors.Join(err, lock.Unlock(context.WithoutCancel(ctx), pool)) }()
	return fn(pool)
}

func (db *DB) migrate(ctx context.Context, pool *sql.DB, around Around) error {
	const doing = "migrating the schema: %w"
	provider, version, err := db.migrations(ctx, pool)
	if err != nil {
		return fmt.Errorf(doing, err)
	}
	if around.Before != nil {
		if err := around.Before(ctx, version); err != nil {
			return err
		}
	}
	if !around.NoMigrate {
		if err := db.createTables(ctx, pool, provider.ListSources()); err != nil {
			return fmt.Errorf(doing, err)
		}
		var results []*goose.MigrationResult
		err := db.repeat(ctx, func() (err error) { // goes on where it stopped, as the next start would
			results, err = provider.Up(ctx)
			return err
		})
		if err != nil {
			return fmt.Errorf(doing, err)
		}
		for _, result := range results {
			db.log.InfoContext(ctx, "schema migrated", "version", result.Source.Version, "dur", result.Duration)
		}
	}
	if around.After == nil {
		return nil
	}
	return around.After(ctx)
}

// createTables runs all migrations of an empty SQLite file in one transaction, which waits for the disk once, and does nothing to
// another database. MySQL commits after each statement that changes a table, so there is nothing to gain there.
func (db *DB) createTables(ctx context.Context, pool *sql.DB, sources []*goose.Source) error {
	began := time.Now()
	if db.driver != SQLite {
		return nil
	}
	dialect, scripts, countTables, err := dialectOf(db.driver)
	if err != nil {
		return err
	}
	var tables int
	if err := pool.QueryRowContext(ctx, countTables, versionTable).Scan(&tables); err != nil || tables > 0 {
		return err
	}
	versions, err := database.NewStore(dialect, versionTable)
	if err != nil {
		return err
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after a commit
	if err := versions.CreateVersionTable(ctx, tx); err != nil {
		return err
	}
	if err := versions.Insert(ctx, tx, database.InsertRequest{Version: 0}); err != nil {
		return err
	}
	for _, source := range sources {
		script, err := fs.ReadFile(scripts, source.Path)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, string(script)); err != nil {
			return fmt.Errorf("running %s: %w", source.Path, err)
		}
		if err := versions.Insert(ctx, tx, database.InsertRequest{Version: source.Version}); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	db.log.InfoContext(ctx, "schema migrated", "version", sources[len(sources)-1].Version, "dur", time.Since(began))
	return nil
}

// ErrOlderSchema is returned by CheckSchema for a database that must be migrated first.
var ErrOlderSchema = errors.New("the database has an older schema than this program needs")

// CheckSchema returns nil for a schema of the latest version, ErrOlderSchema or ErrNewerSchema for others, and ErrNoSchema
// for a database without tables. It changes nothing.
func (db *DB) CheckSchema(ctx context.Context) error {
	current, latest, err := db.schemaVersions(ctx, db.pool)
	switch {
	case err != nil:
		return advised(fmt.Errorf("checking the schema: %w", err))
	case current < latest:
		return fmt.Errorf("checking the schema: %w: its version is %d, and this program needs %d", ErrOlderSchema, current, latest)
	case current > latest:
		return fmt.Errorf("checking the schema: %w", newerSchema(current, latest))
	}
	return nil
}

// SchemaVersion returns the version of the schema, or ErrNoSchema for a database without tables.
func (db *DB) SchemaVersion(ctx context.Context) (int64, error) {
	current, _, err := db.schemaVersions(ctx, db.pool)
	return current, err
}

func newerSchema(current, latest int64) error {
	return fmt.Errorf("%w: its version is %d, and this program knows up to %d; start the newer program", ErrNewerSchema, current, latest)
}

// migrations returns what applies the migrations, and the version of the schema, or ErrNewerSchema.
func (db *DB) migrations(ctx context.Context, pool *sql.DB) (provider *goose.Provider, version int64, err error) {
	dialect, scripts, countTables, err := dialectOf(db.driver)
	if err != nil {
		return nil, 0, err
	}
	versions, err := database.NewStore(dialect, versionTable)
	if err != nil {
		return nil, 0, err
	}
	provider, err = goose.NewProvider(goose.DialectCustom, pool, scripts,
		goose.WithStore(versions),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, 0, err
	}
	err = db.repeat(ctx, func() (err error) {
		version, err = schemaVersion(ctx, pool, versions, countTables)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	sources := provider.ListSources()
	if latest := sources[len(sources)-1].Version; version > latest {
		return nil, 0, newerSchema(version, latest)
	}
	return provider, version, nil
}

// schemaVersion returns the version of the last applied migration, 0 before the first. countTables is the query of dialectOf.
func schemaVersion(ctx context.Context, pool *sql.DB, versions database.Store, countTables string) (int64, error) {
	var tables int
	if err := pool.QueryRowContext(ctx, countTables, versionTable).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	version, err := versions.GetLatestVersion(ctx, pool)
	if errors.Is(err, database.ErrVersionNotFound) {
		// MySQL commits after CREATE TABLE: an interrupted start left the table without goose's first row.
		return 0, versions.Insert(ctx, pool, database.InsertRequest{Version: 0})
	}
	return version, err
}

// dialectOf returns what goose needs to know about a database: its dialect, the scripts, and the query that counts the
// tables with a name.
func dialectOf(driver string) (dialect goose.Dialect, scripts fs.FS, countTables string, err error) {
	if driver == SQLite {
		scripts, err = fs.Sub(migrations.SQLite, "sqlite")
		return goose.DialectSQLite3, scripts, "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?", err
	}
	scripts, err = fs.Sub(migrations.MySQL, "mysql")
	return goose.DialectMySQL, scripts, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?", err
}

// migrationPool opens separate connections, on which a statement may take as long as a large table needs.
func (db *DB) migrationPool() (*sql.DB, error) {
	if db.driver == SQLite {
		pool, _, err := openSQLite(db.cfg.DSN.Reveal())
		return pool, err
	}
	pool, _, err := openMySQL(db.cfg, 0)
	return pool, err
}

func (db *DB) migrationLock(ctx context.Context, pool *sql.DB) (lock.Locker, error) {
	waiting := &waitingLog{log: db.log}
	if db.driver == SQLite {
		return &fileLock{path: db.cfg.DSN.Reveal() + "-migration", wait: db.wait, waiting: waiting}, nil
	}
	return lock.NewMySQLTableLocker(
		lock.WithTableName("schema_lock"),
		lock.WithTableLogger(db.log),
		lock.WithTableLockTimeout(250*time.Millisecond, 2400), // ten minutes
		lock.WithTableRetryPolicy(func(err error) bool {
			if _, refused := errors.AsType[*mysqldriver.MySQLError](err); refused {
				return isRetryable(err)
			}
			if errors.Is(err, driver.ErrBadConn) {
				return !errors.Is(writable(ctx, db.driver, pool), ErrReadOnly)
			}
			waiting.say(ctx)
			return true
		}),
	)
}

// waitingEvery is how often a program that waits for the lock says so.
const waitingEvery = 30 * time.Second

// A waitingLog tells an operator why a program does not start.
type waitingLog struct {
	log   *slog.Logger
	began time.Time
	said  time.Time
}

func (w *waitingLog) say(ctx context.Context) {
	now := time.Now()
	if w.began.IsZero() {
		w.began = now
	}
	if now.Sub(w.said) < waitingEvery {
		return
	}
	w.said = now
	w.log.InfoContext(ctx, "waiting for another program that migrates the schema", "dur", now.Sub(w.began).Round(time.Second))
}

// lockPause is how long a SQLite migration waits before it tries the lock again.
const lockPause = 50 * time.Millisecond

// A fileLock is an open transaction on a file beside the database, so that the lock ends with its process, even when that is
// killed. The empty file remains.
type fileLock struct {
	path    string
	wait    func(ctx context.Context, d time.Duration) error
	waiting *waitingLog
	pool    *sql.DB
	tx      *sql.Tx
}

// Lock implements lock.Locker.
func (l *fileLock) Lock(ctx context.Context, _ *sql.DB) error {
	if err := createFile(l.path); err != nil {
		return err
	}
	pool, err := sql.Open(sqlite.DriverName, sqliteDSN(l.path, "exclusive", "busy_timeout(0)"))
	if err != nil {
		return err
	}
	for {
		// The transaction must outlive ctx: Unlock ends it.
		tx, err := pool.BeginTx(context.WithoutCancel(ctx), nil)
		if err == nil {
			l.pool, l.tx = pool, tx
			return nil
		}
		if isRetryable(err) {
			l.waiting.say(ctx)
			err = l.wait(ctx, lockPause)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("taking the lock: %w", err), pool.Close())
		}
	}
}

// Unlock implements lock.Locker.
func (l *fileLock) Unlock(context.Context, *sql.DB) error {
	return errors.Join(l.tx.Rollback(), l.pool.Close())
}
