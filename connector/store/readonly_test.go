package store_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
)

// TestTransact_MySQLRetriesWhenReadOnly writes to a server that became read-only, like the old primary after a failover,
// until it accepts writes again. It has a server of its own, because read-only is a setting of the whole server.
func TestTransact_MySQLRetriesWhenReadOnly(t *testing.T) {
	t.Parallel()
	db, run := storetest.OwnServer(t, "ALL") // an administrator may write to a read-only server
	pauses := 0
	s := db.Open(t, func(cfg *store.Config) {
		cfg.Wait = func(context.Context, time.Duration) error {
			if pauses++; pauses == 3 {
				run("SET GLOBAL read_only = OFF")
			}
			return nil
		}
	})
	owner := addTenant(t, s)
	for name, write := range map[string]func() error{
		"a transaction": func() error {
			return s.Transact(t.Context(), func(ctx context.Context) error { return s.SaveTenant(ctx, &owner) })
		},
		"a single statement": func() error { return s.SaveTenant(t.Context(), &owner) },
	} {
		pauses = 0
		run("SET GLOBAL read_only = ON")
		if err := write(); err != nil || pauses != 3 {
			t.Errorf("%s on a read-only server = %v after %d pauses, want retries until the server accepts writes, after 3", name, err, pauses)
		}
		run("SET GLOBAL read_only = OFF")
	}
	if got, err := s.Tenant(t.Context(), owner.ID); err != nil || got.Version != 3 {
		t.Errorf("Tenant() = version %d, %v, want 3", got.Version, err)
	}
}

// TestReady_MySQLReadOnly begins on a server that is read-only, as a replica that starts during a failover does.
func TestReady_MySQLReadOnly(t *testing.T) {
	t.Parallel()
	db, run := storetest.OwnServer(t, "ALL")
	run("SET GLOBAL read_only = ON")
	s := db.Unmigrated(t)
	log := &logged{}
	waiting := db.Unmigrated(t, func(cfg *store.Config) { cfg.Log = slog.New(log) })
	for name, act := range map[string]func(context.Context) error{"Ready": s.Ready, "Migrate": waiting.Migrate} {
		if err := act(t.Context()); !errors.Is(err, sqldb.ErrReadOnly) || !strings.Contains(err.Error(), "read_only = ON") {
			t.Errorf("%s() of an empty database = %v, want %v because of read_only", name, err, sqldb.ErrReadOnly)
		}
	}
	if got := log.text(); got != "" {
		t.Errorf("Migrate() logged %q, want nothing: its error says everything", got)
	}
	run("SET GLOBAL read_only = OFF")
	if err := errors.Join(s.Migrate(t.Context()), s.Ready(t.Context())); err != nil {
		t.Fatalf("Migrate(), Ready() = %v", err)
	}
	run("SET GLOBAL read_only = ON")
	if err := s.Ready(t.Context()); !errors.Is(err, sqldb.ErrReadOnly) {
		t.Errorf("Ready() = %v, want %v", err, sqldb.ErrReadOnly)
	}
	if err := waiting.Check(t.Context()); err != nil {
		t.Errorf("Check() = %v, want no error: it changes nothing", err)
	}
	run("SET GLOBAL read_only = OFF")
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("Ready() = %v, want no error after the failover", err)
	}
}

// TestMigrate_SaysThatItWaits holds the lock as a program does that migrates for long.
func TestMigrate_SaysThatItWaits(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		release := holdMigrationLock(t, db)
		log := &logged{}
		s := db.Unmigrated(t, func(cfg *store.Config) { cfg.Log = slog.New(log) })
		done := make(chan error, 1)
		go func() { done <- s.Migrate(t.Context()) }()
		for log.text() == "" {
			select {
			case err := <-done:
				t.Fatalf("Migrate() = %v while another program migrates, want it to wait", err)
			case <-time.After(10 * time.Millisecond):
			}
		}
		if got := log.text(); !strings.Contains(got, "waiting for another program that migrates the schema") {
			t.Errorf("Migrate() logged %q, want what it waits for", got)
		}
		release()
		if err := <-done; err != nil {
			t.Errorf("Migrate() = %v after the lock was released", err)
		}
		if n := strings.Count(log.text(), "waiting"); n != 1 {
			t.Errorf("Migrate() said %d times that it waits, want once", n)
		}
	})
}

// holdMigrationLock takes the lock of migrations and returns the function that releases it.
func holdMigrationLock(t *testing.T, db *storetest.Database) (release func()) {
	t.Helper()
	run := func(raw *sql.DB, statements ...string) {
		t.Helper()
		for _, statement := range statements {
			if _, err := raw.ExecContext(t.Context(), statement); err != nil {
				t.Fatalf("%s = %v", statement, err)
			}
		}
	}
	if db.Driver == sqldb.MySQL {
		raw := db.Raw(t)
		run(raw, "CREATE TABLE schema_lock (lock_id BIGINT NOT NULL PRIMARY KEY, locked BOOLEAN NOT NULL, locked_at DATETIME(6), locked_by TEXT, lease_expires_at DATETIME(6), updated_at DATETIME(6))",
			"INSERT INTO schema_lock VALUES ("+store.MigrationLock+", true, NOW(6), 'another', NOW(6) + INTERVAL 1 HOUR, NOW(6))")
		return func() { run(raw, "UPDATE schema_lock SET locked = false") }
	}
	beside := &storetest.Database{Driver: db.Driver, DSN: db.DSN + "-migration"}
	raw := beside.Raw(t)
	raw.SetMaxOpenConns(1)
	run(raw, "BEGIN EXCLUSIVE")
	return func() { run(raw, "ROLLBACK") }
}

// logged is a slog.Handler that keeps the messages and their attributes.
type logged struct {
	mu      sync.Mutex // guards records
	records strings.Builder
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records.String()
}

// Enabled implements slog.Handler.
func (l *logged) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (l *logged) Handle(_ context.Context, record slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if record.Message != "schema migrated" && record.Message != "database setting" {
		l.records.WriteString(record.Message + "\n")
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (l *logged) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *logged) WithGroup(string) slog.Handler { return l }
