package sqldb_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/sqldb"
)

// locked reports whether this process has the lock on the database file that its connections share. Another process that closes the
// file while nobody has it removes the log, and with it what is written to that later (docs/reference/databases.md §8).
func locked(t *testing.T, path string) bool {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // not earlier: it ends the lock
	const getLock = 36                  // F_OFD_GETLK, which sees the locks of the same process, too
	shared := syscall.Flock_t{Type: syscall.F_WRLCK, Start: 1<<30 + 2, Len: 510}
	if err := syscall.FcntlFlock(f.Fd(), getLock, &shared); err != nil {
		t.Fatal(err)
	}
	return shared.Type != syscall.F_UNLCK
}

func TestOpen_KeepsTheLocksOfSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "connector.db")
	open := func() *sqldb.DB {
		t.Helper()
		db, err := sqldb.Open(t.Context(), sqldb.Config{Driver: sqldb.SQLite, DSN: secret.New(path)})
		if err != nil {
			t.Fatalf("Open = %v", err)
		}
		return db
	}
	db := open()
	if err := db.Migrate(t.Context(), sqldb.Around{}); err != nil {
		t.Fatalf("Migrate = %v", err)
	}
	if err := open().Close(); err != nil { // as another part of the program would
		t.Fatalf("Close = %v", err)
	}
	if !locked(t, path) {
		t.Error("the database file is not locked while it is open")
	}
	if err := db.Close(); err != nil {
		t.Fatalf("Close = %v", err)
	}
	if locked(t, path) {
		t.Error("the database file is locked after it was closed")
	}
}
