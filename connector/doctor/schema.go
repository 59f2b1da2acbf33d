package doctor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	"github.com/glebarez/sqlite"
	"github.com/pressly/goose/v3"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/migrations"
)

// errNoSchema is returned for a database that answers and in which nobody has made tables.
var errNoSchema = errors.New("there are no tables yet")

// databasePatience bounds what the database may take to tell its version.
const databasePatience = 15 * time.Second

// versionTable is where the store keeps which migrations were applied.
const versionTable = "schema_versions"

// A dialect is what differs between the databases.
type dialect struct {
	driver, dsn string
	exists      string // counts the tables of a name
	scripts     fs.FS
}

// schemaVersions returns the version of the database's schema, and the last one that this program knows. It changes
// nothing: the store brings a schema up to date when it is opened, and a database that does not exist it makes.
func schemaVersions(ctx context.Context, db config.Database) (current, known int64, err error) {
	d, err := dialectOf(db)
	if err != nil {
		return 0, 0, err
	}
	if known, err = lastScript(d.scripts); err != nil {
		return 0, 0, err
	}
	pool, err := sql.Open(d.driver, d.dsn)
	if err != nil {
		return 0, 0, fmt.Errorf("opening the database: %w", err)
	}
	defer pool.Close()
	ctx, cancel := context.WithTimeout(ctx, databasePatience)
	defer cancel()
	var tables int
	if err := pool.QueryRowContext(ctx, d.exists, versionTable).Scan(&tables); err != nil {
		return 0, 0, fmt.Errorf("asking the database: %w", err)
	}
	if tables == 0 {
		return 0, known, errNoSchema
	}
	if err := pool.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+versionTable).Scan(&current); err != nil {
		return 0, 0, fmt.Errorf("reading the version of the schema: %w", err)
	}
	return current, known, nil
}

func dialectOf(db config.Database) (dialect, error) {
	if db.Driver == config.MySQL {
		scripts, err := fs.Sub(migrations.MySQL, "mysql")
		return dialect{
			"mysql", db.DSN.Reveal(),
			"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?", scripts,
		}, err
	}
	if _, err := os.Stat(db.Path); err != nil {
		return dialect{}, fmt.Errorf("looking for the database file: %w", err)
	}
	scripts, err := fs.Sub(migrations.SQLite, "sqlite")
	return dialect{
		sqlite.DriverName, "file:" + (&url.URL{Path: db.Path}).EscapedPath() + "?mode=ro&_pragma=busy_timeout(10000)",
		"SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?", scripts,
	}, err
}

func lastScript(scripts fs.FS) (int64, error) {
	names, err := fs.Glob(scripts, "*.sql")
	if err != nil {
		return 0, err
	}
	var last int64
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("reading the name of migration %s: %w", name, err)
		}
		last = max(last, version)
	}
	return last, nil
}
