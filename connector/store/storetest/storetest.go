// Package storetest provides tests with stores on SQLite and on a private server, which is MariaDB, or MySQL when TEST_SERVER
// is "mysql".
//
// A package whose tests use the server starts it in TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
package storetest

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest/dbserver"
)

// DSNVariable names the environment variable that holds the address of a MySQL or MariaDB server whose user may create
// and drop databases. The tests use only databases that they create.
const DSNVariable = "TEST_MYSQL_DSN"

// QuickVariable names the environment variable that `make test-quick` sets: there is no database server then. Tests that
// need one have MySQL in their name, so that this target can exclude them.
const QuickVariable = "TEST_QUICK"

// Main runs the tests of a package and returns their exit code. Unless DSNVariable names a server, it starts a private one
// before the tests and stops it afterwards.
func Main(m *testing.M) int {
	if os.Getenv(QuickVariable) != "" {
		return m.Run()
	}
	if os.Getenv(DSNVariable) != "" {
		return runPooled(m)
	}
	flavor, err := dbserver.Selected()
	if err != nil {
		return fail("%v", err)
	}
	server, err := dbserver.Start(context.Background(), dbserver.Config{Flavor: flavor})
	if err != nil {
		return fail("the tests of this package need a database server: %v", err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			fail("stopping %s: %v", flavor.Name(), err)
		}
	}()
	if err := os.Setenv(DSNVariable, server.DSN("")); err != nil {
		return fail("%v", err)
	}
	return runPooled(m)
}

func runPooled(m *testing.M) int {
	if want, got := os.Getenv(dbserver.FlavorVariable), serverFlavor(); want != "" && !strings.EqualFold(want, got) {
		return fail("%s is %s, and the server of %s is %s", dbserver.FlavorVariable, want, DSNVariable, got)
	}
	databases.open()
	code := m.Run()
	if err := databases.close(context.Background()); err != nil {
		return max(code, fail("dropping the databases of the tests: %v", err))
	}
	return code
}

func fail(format string, arguments ...any) (exitCode int) {
	fmt.Fprintf(os.Stderr, "storetest: "+format+"\n", arguments...)
	return 1
}

// A Database is a database that no other test uses until the test ends.
type Database struct {
	Driver  string        // sqldb.SQLite or sqldb.MySQL
	DSN     string        // as in sqldb.Config
	Keyring *seal.Keyring // seals its secrets

	empty bool // has no tables until Migrate creates them
}

// Each runs test twice, as the subtests sqlite and, after the server, mariadb or mysql, each time with a database without rows.
// The server's database is migrated; on SQLite, Open creates the tables.
func Each(t *testing.T, test func(t *testing.T, db *Database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	OnMySQL(t, test)
}

// EachEmpty is like Each with databases without tables, for tests of migrations.
func EachEmpty(t *testing.T, test func(t *testing.T, db *Database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, EmptySQLite(t)) })
	OnEmptyMySQL(t, test)
}

// OnMySQL runs test as the subtest mariadb or mysql, after the server, with a migrated database without rows.
func OnMySQL(t *testing.T, test func(t *testing.T, db *Database)) {
	t.Helper()
	t.Run(flavor(), func(t *testing.T) { test(t, MySQL(t)) })
}

// OnEmptyMySQL is like OnMySQL with a database without tables.
func OnEmptyMySQL(t *testing.T, test func(t *testing.T, db *Database)) {
	t.Helper()
	t.Run(flavor(), func(t *testing.T) { test(t, EmptyMySQL(t)) })
}

// New returns a migrated store, for tests that need any store: on a new SQLite database, or on MySQL where FlavorVariable asks
// for it. It is closed when the test ends.
func New(t testing.TB, settings ...func(*store.Config)) *store.Store {
	t.Helper()
	return Any(t).Open(t, settings...)
}

// Any returns a database for tests that need any: SQLite, or MySQL where FlavorVariable asks for it.
func Any(t testing.TB) *Database {
	t.Helper()
	if os.Getenv(dbserver.FlavorVariable) == "" {
		return SQLite(t)
	}
	return MySQL(t)
}

// SQLite returns a database whose file Open creates with all tables.
func SQLite(t testing.TB) *Database {
	t.Helper()
	return &Database{Driver: sqldb.SQLite, DSN: filepath.Join(t.TempDir(), "connector.db"), Keyring: keyring(t)}
}

// EmptySQLite returns a database whose file store.Open creates, without tables.
func EmptySQLite(t testing.TB) *Database {
	t.Helper()
	db := SQLite(t)
	db.empty = true
	return db
}

// MySQL returns a migrated database without rows on the server that DSNVariable names. Without a server the test fails:
// no test is skipped because something is missing.
func MySQL(t testing.TB) *Database {
	t.Helper()
	return databases.take(t)
}

// EmptyMySQL is like MySQL with a new database, without tables.
func EmptyMySQL(t testing.TB) *Database {
	t.Helper()
	name := create(t)
	t.Cleanup(func() {
		if err := drop(context.Background(), name); err != nil {
			t.Errorf("DROP DATABASE: %v", err)
		}
	})
	db := database(t, name)
	db.empty = true
	return db
}

// Server starts a server for one test, of the kind that the tests run on, with further arguments. It stops when the test ends.
func Server(t testing.TB, arguments ...string) *dbserver.Server {
	t.Helper()
	if os.Getenv(QuickVariable) != "" {
		requireServer(t)
	}
	flavor, err := dbserver.Selected()
	if err != nil {
		t.Fatal(err)
	}
	server, err := dbserver.Start(t.Context(), dbserver.Config{Flavor: flavor, Arguments: arguments})
	if err != nil {
		t.Fatalf("Start() = _, %v", err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Errorf("Stop() = %v", err)
		}
	})
	return server
}

// migratedFile returns the contents of a migrated SQLite database. Writing them takes much less time than the migrations,
// each of which waits for the disk.
var migratedFile = sync.OnceValues(func() (contents []byte, err error) {
	folder, err := os.MkdirTemp("", "storetest-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	path, ctx := filepath.Join(folder, "connector.db"), context.Background()
	db, err := sqldb.Open(ctx, sqldb.Config{Driver: sqldb.SQLite, DSN: secret.New(path)})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(db.Migrate(ctx, sqldb.Around{}), db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func keyring(t testing.TB) *seal.Keyring {
	t.Helper()
	k, err := seal.Create()
	if err != nil {
		t.Fatalf("seal.Create() = _, %v", err)
	}
	return k
}

// Unmigrated returns a store on the database as it is, closed when the test ends. Settings change its configuration.
func (db *Database) Unmigrated(t testing.TB, settings ...func(*store.Config)) *store.Store {
	t.Helper()
	cfg := store.Config{Config: sqldb.Config{Driver: db.Driver, DSN: secret.New(db.DSN)}, Keyring: db.Keyring}
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

// Open returns a migrated store on the database, closed when the test ends. Several stores on one database are replicas.
func (db *Database) Open(t testing.TB, settings ...func(*store.Config)) *store.Store {
	t.Helper()
	if err := db.copyTables(); err != nil {
		t.Fatalf("creating the database: %v", err)
	}
	s := db.Unmigrated(t, settings...)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatalf("Migrate() = %v", err)
	}
	return s
}

// copyTables creates a missing SQLite file with its tables.
func (db *Database) copyTables() error {
	if db.Driver != sqldb.SQLite || db.empty {
		return nil
	}
	if _, err := os.Stat(db.DSN); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	contents, err := migratedFile()
	if err != nil {
		return err
	}
	return os.WriteFile(db.DSN, contents, 0o600)
}

// Raw returns connections to the database without a store, to read and change rows directly.
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

// Dump returns every value of every table as text, to be searched for secrets.
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

// Copy returns a copy of a migrated database, as a restored backup is one: the tables as the database describes them, and
// their rows.
func (db *Database) Copy(t testing.TB) *Database {
	t.Helper()
	copied := *db
	if db.Driver == sqldb.SQLite {
		copied.DSN = filepath.Join(t.TempDir(), "restored.db")
		if _, err := db.Raw(t).ExecContext(t.Context(), "VACUUM INTO ?", copied.DSN); err != nil {
			t.Fatalf("copying the database: %v", err)
		}
		return &copied
	}
	name := create(t)
	t.Cleanup(func() {
		if err := drop(context.Background(), name); err != nil {
			t.Errorf("dropping a copy: %v", err)
		}
	})
	raw := db.Raw(t)
	var source string
	if err := raw.QueryRowContext(t.Context(), "SELECT DATABASE()").Scan(&source); err != nil {
		t.Fatalf("copying the database: %v", err)
	}
	statements := []string{"SET foreign_key_checks = 0"}
	tables, err := sqldb.Texts(t.Context(), raw, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
	if err != nil {
		t.Fatalf("copying the database: %v", err)
	}
	for _, table := range tables {
		var unused, definition string
		if err := raw.QueryRowContext(t.Context(), "SHOW CREATE TABLE "+table).Scan(&unused, &definition); err != nil {
			t.Fatalf("copying the database: %v", err)
		}
		statements = append(statements, definition, "INSERT INTO "+table+" SELECT * FROM "+source+"."+table)
	}
	if err := execute(t.Context(), name, statements...); err != nil {
		t.Fatalf("copying the database: %v", err)
	}
	copied.DSN = database(t, name).DSN
	return &copied
}

// rows returns all values of a query as text, binary ones also as hexadecimal digits.
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
		dest := make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := result.Scan(dest...); err != nil {
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
