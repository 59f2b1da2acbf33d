package sqldb

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/glebarez/sqlite"
	"gorm.io/gorm"
)

// sqliteMaxIdle is after which an idle connection is closed. Each has a page cache of 2 MB of its own.
const sqliteMaxIdle = 5 * time.Second

// openSQLite opens the file at path. When it is missing, openSQLite creates it, accessible to its owner only.
func openSQLite(path string) (*sql.DB, gorm.Dialector, error) {
	if strings.Contains(path, ":memory:") || strings.HasPrefix(path, "file:") {
		return nil, nil, errors.New("the DSN of SQLite must be the path of a file, because tokens must outlive the process")
	}
	if err := createFile(path); err != nil {
		return nil, nil, err
	}
	pool, err := sql.Open(sqlite.DriverName, sqliteDSN(path, "immediate", append(sessionPragmas(), "journal_mode(WAL)")...))
	if err != nil {
		return nil, nil, err
	}
	return pool, sqlite.Dialector{Conn: pool}, nil
}

// sessionPragmas are what every connection sets; checked by sqliteSettings.
func sessionPragmas() []string {
	return []string{
		"busy_timeout(10000)", // milliseconds; first, so that the next pragmas wait, too
		"synchronous(FULL)",   // a stored refresh token must survive a power failure
		"foreign_keys(ON)",
		"secure_delete(ON)", // overwrites what is deleted
	}
}

// creating lets one caller at a time create a database file.
var creating sync.Mutex

// createFile creates the file at path, accessible to its owner only, when it is missing. SQLite creates its other files with
// the same permissions. It never opens a file that exists: closing it would end the locks by which the connections of this
// process keep other processes from removing the log in which they write (docs/reference/databases.md §8).
func createFile(path string) error {
	creating.Lock()
	defer creating.Unlock()
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("creating the database file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("creating the database file: %w", err)
	}
	return nil
}

// sqliteDSN returns the driver's DSN for the file at path. Transactions take the lock of a mode ("immediate" or "exclusive")
// when they begin: a transaction that begins with a read fails, instead of waiting, when it then writes.
func sqliteDSN(path, lock string, pragmas ...string) string {
	settings := url.Values{"_pragma": pragmas, "_txlock": {lock}}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + settings.Encode()
}
