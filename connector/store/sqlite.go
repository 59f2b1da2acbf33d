package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/glebarez/sqlite"
	"gorm.io/gorm"
)

// openSQLite opens the file at path and makes it, for its owner only, when it is missing.
func openSQLite(path string) (*sql.DB, gorm.Dialector, error) {
	if strings.Contains(path, ":memory:") || strings.HasPrefix(path, "file:") {
		return nil, nil, errors.New("the DSN of SQLite is the path of a file: tokens must outlive the process")
	}
	if err := makeFile(path); err != nil {
		return nil, nil, err
	}
	pool, err := sql.Open(sqlite.DriverName, sqliteDSN(path, "immediate",
		"busy_timeout(10000)", // first, so that the others wait too
		"journal_mode(WAL)",
		"synchronous(FULL)", // a refresh token that was stored must survive a power cut
		"foreign_keys(ON)",
		"secure_delete(ON)")) // what is deleted is overwritten
	if err != nil {
		return nil, nil, err
	}
	return pool, sqlite.Dialector{Conn: pool}, nil
}

// makeFile makes the file at path, for its owner only, when it is missing. SQLite makes its side files with the
// permissions of the main one.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("making the database file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("making the database file: %w", err)
	}
	return nil
}

// sqliteDSN returns the driver's name of the database at path. Transactions begin by taking the write lock in the mode
// lock: one that began by reading could not wait for it later, it would fail.
func sqliteDSN(path, lock string, pragmas ...string) string {
	settings := url.Values{"_pragma": pragmas, "_txlock": {lock}}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + settings.Encode()
}
