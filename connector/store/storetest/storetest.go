// Package storetest gives tests real stores: on SQLite, and on a private MariaDB.
//
// A package whose tests use MariaDB starts it in TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
package storetest

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest/mariadb"
)

// DSNVariable names the environment variable that holds the address of a MySQL or MariaDB server whose user may create
// and drop databases. The tests touch no database but those they create.
const DSNVariable = "TEST_MYSQL_DSN"

// QuickVariable names the environment variable that `make test-quick` sets: there is no database server then, and tests
// that need one must be left out by their name, which contains MariaDB.
const QuickVariable = "TEST_QUICK"

// Main runs the tests of a package and returns their exit code. Unless DSNVariable names a server it starts a private
// one for them, and stops it afterwards.
func Main(m *testing.M) int {
	if os.Getenv(DSNVariable) != "" || os.Getenv(QuickVariable) != "" {
		return m.Run()
	}
	server, err := mariadb.Start(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "storetest:", err)
		return 1
	}
	defer func() {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "storetest:", err)
		}
	}()
	if err := os.Setenv(DSNVariable, server.DSN("")); err != nil {
		fmt.Fprintln(os.Stderr, "storetest:", err)
		return 1
	}
	return m.Run()
}

// A Database is a new, empty database that is removed when the test ends.
type Database struct {
	Driver  string        // sqldb.SQLite or sqldb.MySQL
	DSN     string        // as store.Config wants it
	Keyring *seal.Keyring // what its secrets are sealed with
}

// Each runs test twice, as the subtests sqlite and mariadb, each time with a new database.
func Each(t *testing.T, test func(t *testing.T, db *Database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("mariadb", func(t *testing.T) { test(t, MariaDB(t)) })
}

// New returns a migrated store on a new SQLite database, for tests that need any store. It is closed when the test ends.
func New(t testing.TB, settings ...func(*store.Config)) *store.Store {
	t.Helper()
	return SQLite(t).Open(t, settings...)
}

// SQLite returns a new database in a file.
func SQLite(t testing.TB) *Database {
	t.Helper()
	return &Database{Driver: sqldb.SQLite, DSN: filepath.Join(t.TempDir(), "connector.db"), Keyring: keyring(t)}
}

// MariaDB returns a new database on the server that DSNVariable names. Without a server the test fails: none is left
// out because something is missing.
func MariaDB(t testing.TB) *Database {
	t.Helper()
	dsn := os.Getenv(DSNVariable)
	if dsn == "" {
		if os.Getenv(QuickVariable) != "" {
			t.Fatalf("%s needs a database server: name it so that make test-quick leaves it out (it contains MariaDB)", t.Name())
		}
		t.Fatalf("there is no MariaDB: call storetest.Main from TestMain, or set %s", DSNVariable)
	}
	cfg, err := mysqldriver.ParseDSN(dsn)
	if err != nil {
		t.Fatalf("%s cannot be read: it looks like user:password@tcp(host:port)/", DSNVariable)
	}
	cfg.DBName = ""
	admin, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		t.Fatalf("connecting to the server of %s: %v", DSNVariable, err)
	}
	name := "test_" + strings.ReplaceAll(random.ID(), "-", "")
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("CREATE DATABASE on the server of %s: %v", DSNVariable, err)
	}
	t.Cleanup(func() {
		if _, err := admin.ExecContext(context.Background(), "DROP DATABASE "+name); err != nil {
			t.Errorf("DROP DATABASE: %v", err)
		}
		if err := admin.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	cfg.DBName = name
	return &Database{Driver: sqldb.MySQL, DSN: cfg.FormatDSN(), Keyring: keyring(t)}
}

func keyring(t testing.TB) *seal.Keyring {
	t.Helper()
	k, err := seal.Create()
	if err != nil {
		t.Fatalf("seal.Create() = _, %v", err)
	}
	return k
}

// Unmigrated returns a store on the database as it is, closed when the test ends. Settings change what it is opened
// with.
func (db *Database) Unmigrated(t testing.TB, settings ...func(*store.Config)) *store.Store {
	t.Helper()
	cfg := store.Config{Config: sqldb.Config{Driver: db.Driver, DSN: db.DSN}, Keyring: db.Keyring}
	for _, set := range settings {
		set(&cfg)
	}
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("store.Open(%s) = _, %v", db.Driver, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return s
}

// Open returns a migrated store on the database, closed when the test ends. Several stores on one database are what
// replicas are.
func (db *Database) Open(t testing.TB, settings ...func(*store.Config)) *store.Store {
	t.Helper()
	s := db.Unmigrated(t, settings...)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatalf("Migrate() = %v", err)
	}
	return s
}

// Raw returns the connections of the database without a store around them, for looking at what is really stored.
func (db *Database) Raw(t testing.TB) *sql.DB {
	t.Helper()
	driver := "sqlite"
	if db.Driver == sqldb.MySQL {
		driver = "mysql"
	}
	raw, err := sql.Open(driver, db.DSN)
	if err != nil {
		t.Fatalf("sql.Open(%s) = _, %v", driver, err)
	}
	t.Cleanup(func() {
		if err := raw.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return raw
}

// Dump returns every value of every table, for finding what must not be there.
func (db *Database) Dump(t testing.TB) string {
	t.Helper()
	raw := db.Raw(t)
	list := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
	if db.Driver == sqldb.MySQL {
		list = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
	}
	var dump strings.Builder
	for _, table := range rows(t, raw, list) {
		for _, row := range rows(t, raw, "SELECT * FROM "+table[0]) {
			fmt.Fprintf(&dump, "%s: %s\n", table[0], strings.Join(row, "|"))
		}
	}
	return dump.String()
}

// rows returns all values as text; of bytes that are no text, the hexadecimal digits as well.
func rows(t testing.TB, raw *sql.DB, query string) [][]string {
	t.Helper()
	result, err := raw.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("QueryContext(%q) = _, %v", query, err)
	}
	defer result.Close()
	columns, err := result.Columns()
	if err != nil {
		t.Fatalf("Columns() = _, %v", err)
	}
	var all [][]string
	for result.Next() {
		values := make([]sql.RawBytes, len(columns))
		places := make([]any, len(columns))
		for i := range values {
			places[i] = &values[i]
		}
		if err := result.Scan(places...); err != nil {
			t.Fatalf("Scan() = %v", err)
		}
		row := make([]string, len(columns))
		for i, value := range values {
			row[i] = string(value)
			if strings.ContainsFunc(row[i], func(r rune) bool { return r < ' ' || r == '\uFFFD' }) {
				row[i] += " " + hex.EncodeToString(value)
			}
		}
		all = append(all, row)
	}
	if err := result.Err(); err != nil {
		t.Fatalf("Next() = %v", err)
	}
	return all
}
