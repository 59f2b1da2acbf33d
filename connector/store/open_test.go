package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

func TestOpen_Errors(t *testing.T) {
	t.Parallel()
	k, err := seal.Create()
	if err != nil {
		t.Fatalf("seal.Create() = _, %v", err)
	}
	path := filepath.Join(t.TempDir(), "x.db")
	for name, cfg := range map[string]store.Config{
		"no keyring":        {Config: sqldb.Config{Driver: sqldb.SQLite, DSN: secret.New(path)}},
		"no DSN":            {Config: sqldb.Config{Driver: sqldb.SQLite}, Keyring: k},
		"no driver":         {Config: sqldb.Config{DSN: secret.New(path)}, Keyring: k},
		"another driver":    {Config: sqldb.Config{Driver: "postgres", DSN: secret.New(path)}, Keyring: k},
		"memory":            {Config: sqldb.Config{Driver: sqldb.SQLite, DSN: secret.New(":memory:")}, Keyring: k},
		"missing folder":    {Config: sqldb.Config{Driver: sqldb.SQLite, DSN: secret.New(filepath.Join(path, "y", "z.db"))}, Keyring: k},
		"unreadable DSN":    {Config: sqldb.Config{Driver: sqldb.MySQL, DSN: secret.New("user:canary@pass word@tcp(127.0.0.1:1")}, Keyring: k},
		"unknown parameter": {Config: sqldb.Config{Driver: sqldb.MySQL, DSN: secret.New("user:canary@tcp(127.0.0.1:1)/db?parseTime=canary")}, Keyring: k},
		"no database":       {Config: sqldb.Config{Driver: sqldb.MySQL, DSN: secret.New("user:canary@tcp(127.0.0.1:1)/")}, Keyring: k},
		"no server":         {Config: sqldb.Config{Driver: sqldb.MySQL, DSN: secret.New("user:canary@tcp(127.0.0.1:1)/db")}, Keyring: k},
	} {
		s, err := store.Open(t.Context(), cfg)
		if err == nil {
			t.Errorf("Open() with %s = _, nil, want an error", name)
			_ = s.Close()
			continue
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("Open() with %s contains the password", name)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Open(ended, store.Config{Config: sqldb.Config{Driver: sqldb.SQLite, DSN: secret.New(path)}, Keyring: k}); err == nil {
		t.Error("Open() with an ended context = _, nil, want an error")
	}
}

func TestOpen_KeepsWhatWasStored(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		ctx := t.Context()
		cfg := store.Config{Config: sqldb.Config{Driver: db.Driver, DSN: secret.New(db.DSN)}, Keyring: db.Keyring}
		s, err := store.Open(ctx, cfg)
		if err != nil {
			t.Fatalf("Open() = _, %v", err)
		}
		if err := s.Migrate(ctx); err != nil {
			t.Fatalf("Migrate() = %v", err)
		}
		tenantID, stateHash := fill(t, s)
		want, err := s.Grant(ctx, tenantID, token.Active)
		if err != nil {
			t.Fatalf("Grant() = _, %v", err)
		}
		if err := s.Ready(ctx); err != nil {
			t.Errorf("Ready() = %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatalf("Close() = %v", err)
		}
		if err := s.Ready(ctx); err == nil {
			t.Error("Ready() of a closed store = nil, want an error")
		}

		again := db.Open(t)
		got, err := again.Grant(ctx, tenantID, token.Active)
		if diff := cmp.Diff(want, got, cmp.Comparer(revealed)); err != nil || diff != "" {
			t.Errorf("Grant() after reopening = _, %v, differs (-want +got):\n%s", err, diff)
		}
		if state, err := again.State(ctx, stateHash); err != nil || state.Verifier.Reveal() != "canary-verifier" {
			t.Errorf("State() after reopening = another value, %v", err)
		}
		if fresh, err := again.RememberNonce(ctx, instanceKey, "canary-oauth-nonce", noon, noon); fresh || err != nil {
			t.Errorf("RememberNonce() after reopening = %v, %v, want false", fresh, err)
		}
	})
}

func TestOpen_SQLiteFilesAreOwnerOnly(t *testing.T) {
	t.Parallel()
	db := storetest.EmptySQLite(t)
	db.DSN = filepath.Join(filepath.Dir(db.DSN), "a name? with 100% #odd& characters.db")
	fill(t, db.Open(t))
	files, err := filepath.Glob(filepath.Join(filepath.Dir(db.DSN), "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("Glob() = %q, %v, want the database and its side files", files, err)
	}
	for _, file := range files {
		if !strings.HasPrefix(file, db.DSN) {
			t.Errorf("Open(%q) created %q", db.DSN, file)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("Stat(%q) = mode %v, %v, want 0600", file, info.Mode(), err)
		}
	}
}

func TestOpen_SQLiteIsDurable(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	s := db.Open(t)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "secure_delete": "1"} {
		if got, err := store.Setting(t.Context(), s, "PRAGMA "+pragma); err != nil || got != want {
			t.Errorf("PRAGMA %s = %q, %v, want %q", pragma, got, err, want)
		}
	}
}

func TestOpen_MySQLSession(t *testing.T) {
	t.Parallel()
	storetest.OnMySQL(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		for query, want := range map[string]string{
			"SELECT " + isolationOf(t, s):                          "READ-COMMITTED",
			"SELECT @@SESSION.sql_mode LIKE '%STRICT_ALL_TABLES%'": "1",
		} {
			if got, err := store.Setting(t.Context(), s, query); err != nil || got != want {
				t.Errorf("%s = %q, %v, want %q", query, got, err, want)
			}
		}
	})
}

// isolationOf returns the variable that holds the isolation of a connection, which MariaDB and MySQL name differently.
func isolationOf(t *testing.T, s *store.Store) string {
	t.Helper()
	version, err := store.Setting(t.Context(), s, "SELECT VERSION()")
	if err != nil {
		t.Fatalf("SELECT VERSION() = _, %v", err)
	}
	if strings.Contains(version, "MariaDB") {
		return "@@SESSION.tx_isolation"
	}
	return "@@SESSION.transaction_isolation"
}

// TestOpen_MySQLConnectionCharset stores text that ends a string in GBK. The driver writes values into statements, so
// a DSN must not be able to choose another character set than utf8mb4.
func TestOpen_MySQLConnectionCharset(t *testing.T) {
	t.Parallel()
	for _, parameter := range []string{"charset=gbk", "collation=gbk_chinese_ci", "character_set_client=gbk"} {
		storetest.OnMySQL(t, func(t *testing.T, db *storetest.Database) {
			ctx := t.Context()
			db.DSN += "&" + parameter
			s := db.Open(t)
			in := newInstance()
			if err := s.SaveInstance(ctx, &in); err != nil {
				t.Fatalf("SaveInstance() with %s = %v", parameter, err)
			}
			saved := newTenant()
			saved.Name = "中', marketplace = (SELECT 'injected') -- "
			if err := s.SaveTenant(ctx, &saved); err != nil {
				t.Fatalf("SaveTenant() with %s = %v", parameter, err)
			}
			if got, err := s.Tenant(ctx, saved.ID); err != nil || got.Name != saved.Name || got.Marketplace != saved.Marketplace {
				t.Errorf("Tenant() with %s = name %q, marketplace %q, %v, want %q, %q",
					parameter, got.Name, got.Marketplace, err, saved.Name, saved.Marketplace)
			}
		})
	}
}
