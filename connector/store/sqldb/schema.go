package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/glebarez/sqlite"
	"github.com/pressly/goose/v3"
)

// ErrNoSchema is returned by SchemaVersions for a database without tables.
var ErrNoSchema = errors.New("the database has no tables yet")

// SchemaVersions returns the version of a database's schema, and the latest one that this program knows. Unlike Open and
// Migrate it changes nothing: it creates neither a database nor a table. Driver and dsn are those of Config.
func SchemaVersions(ctx context.Context, driver, dsn string) (current, latest int64, err error) {
	_, scripts, countTables, err := dialectOf(driver)
	if err != nil {
		return 0, 0, err
	}
	if latest, err = latestVersion(scripts); err != nil {
		return 0, 0, err
	}
	if driver == SQLite {
		if _, err := os.Stat(dsn); err != nil {
			return 0, 0, fmt.Errorf("looking for the database file: %w", err)
		}
		driver, dsn = sqlite.DriverName, "file:"+(&url.URL{Path: dsn}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(10000)"
	}
	pool, err := sql.Open(driver, dsn)
	if err != nil {
		return 0, 0, fmt.Errorf("opening the database: %w", err)
	}
	defer pool.Close()
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
