package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"

	"github.com/glebarez/sqlite"
	"github.com/pressly/goose/v3"
)

// ErrNoSchema is returned by Inspect for a database without tables.
var ErrNoSchema = errors.New("the database has no tables yet")

// An Inspection is what Inspect saw.
type Inspection struct {
	// Current is the version of the database's schema, Latest the latest one that this program knows.
	Current, Latest int64
	// Settings are those of DB.Settings.
	Settings []Setting
}

// Inspect reads the settings and the schema version of a database. Unlike Open and Migrate it changes nothing, creates
// neither a database nor a table, waits for no lock, and refuses nothing. With an error that wraps ErrReadOnly, the Inspection
// is complete. The Driver, DSN, TLS and
// Log of cfg count.
func Inspect(ctx context.Context, cfg Config) (Inspection, error) {
	db := newDB(cfg)
	pool, err := openForReading(db.cfg)
	if err != nil {
		return Inspection{}, fmt.Errorf("opening the database: %w", err)
	}
	defer pool.Close()
	if err := firstPing(ctx, pool); err != nil {
		return Inspection{}, fmt.Errorf("querying the database: %w", advised(err))
	}
	var seen Inspection
	seen.Current, seen.Latest, err = db.schemaVersions(ctx, pool)
	if err != nil && (cfg.Driver == SQLite || !errors.Is(err, ErrNoSchema)) { // an empty file has no settings yet
		return seen, err
	}
	settings, settingsErr := db.readSettings(ctx, pool)
	if settingsErr != nil {
		return seen, fmt.Errorf("querying the database: %w", settingsErr)
	}
	if seen.Settings = settings; err != nil {
		return seen, err
	}
	if cfg.Driver == MySQL { // a file is opened for reading here
		err = db.repeat(ctx, func() error { return writable(ctx, cfg.Driver, pool) })
	}
	return seen, err
}

func openForReading(cfg Config) (*sql.DB, error) {
	if cfg.Driver == MySQL {
		pool, _, err := openMySQL(cfg, queryTimeout)
		return pool, err
	}
	if err := FindFile(cfg.DSN.Reveal()); err != nil {
		return nil, err
	}
	settings := url.Values{"mode": {"ro"}, "_pragma": sessionPragmas()}
	return sql.Open(sqlite.DriverName, "file:"+(&url.URL{Path: cfg.DSN.Reveal()}).EscapedPath()+"?"+settings.Encode())
}

// schemaVersions returns the version of the last applied migration, and the latest one that this program knows.
func (db *DB) schemaVersions(ctx context.Context, pool *sql.DB) (current, latest int64, err error) {
	err = db.repeat(ctx, func() (err error) {
		current, latest, err = versionsOf(ctx, db.driver, pool)
		return err
	})
	return current, latest, err
}

func versionsOf(ctx context.Context, driver string, pool *sql.DB) (current, latest int64, err error) {
	_, scripts, countTables, err := dialectOf(driver)
	if err != nil {
		return 0, 0, err
	}
	if latest, err = latestVersion(scripts); err != nil {
		return 0, 0, err
	}
	var tables int
	if err := pool.QueryRowContext(ctx, countTables, versionTable).Scan(&tables); err != nil {
		return 0, 0, fmt.Errorf("querying the database: %w", err)
	}
	if tables == 0 {
		return 0, latest, ErrNoSchema
	}
	if err := pool.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+versionTable).Scan(&current); err != nil {
		return 0, 0, fmt.Errorf("reading the schema version: %w", err)
	}
	return current, latest, nil
}

func latestVersion(scripts fs.FS) (int64, error) {
	names, err := fs.Glob(scripts, "*.sql")
	if err != nil {
		return 0, err
	}
	var latest int64
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("reading the version of migration %s: %w", name, err)
		}
		latest = max(latest, version)
	}
	return latest, nil
}
