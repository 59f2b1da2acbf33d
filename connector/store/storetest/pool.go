package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest/dbserver"
)

// databases is the pool of this process.
var databases pool

// A pool gives migrated databases without rows to tests, each database to one test after another: creating and dropping a
// dozen tables takes longer than most tests. It is safe for concurrent use.
type pool struct {
	mu   sync.Mutex // guards the fields below
	kept bool       // databases are kept until close; otherwise they are dropped at the end of their test
	free []string   // names of databases that no test uses
}

func (p *pool) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = true
}

// close drops the databases of the pool.
func (p *pool) close(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = false
	for _, name := range p.free {
		if err := drop(ctx, name); err != nil {
			return err
		}
	}
	p.free = nil
	return nil
}

// take returns a migrated database without rows, which returns to the pool when the test ends.
func (p *pool) take(t testing.TB) *Database {
	t.Helper()
	requireServer(t)
	p.mu.Lock()
	n, name := len(p.free), ""
	if n > 0 {
		name, p.free = p.free[n-1], p.free[:n-1]
	}
	p.mu.Unlock()
	if name == "" {
		name = create(t)
	}
	db := database(t, name)
	if n == 0 {
		migrate(t, db)
	}
	before, err := schema(t.Context(), name)
	if err != nil {
		t.Fatalf("reading the tables of %s: %v", name, err)
	}
	t.Cleanup(func() {
		if err := p.put(context.Background(), name, before); err != nil {
			t.Errorf("emptying the database %s: %v", name, err)
		}
	})
	return db
}

// put empties the tables and makes the database available again, or drops it when its tables changed. before is the result
// of schema when the test began.
func (p *pool) put(ctx context.Context, name, before string) error {
	after, err := schema(ctx, name)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if after != before || !p.kept {
		return drop(ctx, name)
	}
	if err := deleteRows(ctx, name); err != nil {
		return err
	}
	p.free = append(p.free, name)
	return nil
}

// flavor returns the name of the server that tests run on: mariadb or mysql.
func flavor() string {
	if os.Getenv(DSNVariable) == "" {
		return strings.ToLower(dbserver.MariaDB{}.Name())
	}
	return serverFlavor()
}

// serverFlavor asks the server of DSNVariable. A server that does not answer fails the tests that use it.
var serverFlavor = sync.OnceValue(func() string {
	var flavor dbserver.Flavor = dbserver.MySQL{}
	if pool, err := connect(""); err == nil {
		defer pool.Close()
		var version string
		if err := pool.QueryRow("SELECT VERSION()").Scan(&version); err == nil && strings.Contains(version, dbserver.MariaDB{}.Name()) {
			flavor = dbserver.MariaDB{}
		}
	}
	return strings.ToLower(flavor.Name())
})

// requireServer fails a test that runs without a server.
func requireServer(t testing.TB) {
	t.Helper()
	if os.Getenv(DSNVariable) != "" {
		return
	}
	if os.Getenv(QuickVariable) != "" {
		t.Fatalf("%s needs a database server: put MySQL in its name, so that make test-quick leaves it out", t.Name())
	}
	t.Fatalf("there is no database server: call storetest.Main from TestMain, or set %s", DSNVariable)
}

// dsn returns the address of a database on the server of DSNVariable, or of none when name is empty.
func dsn(name string) (string, error) {
	cfg, err := mysqldriver.ParseDSN(os.Getenv(DSNVariable))
	if err != nil {
		return "", fmt.Errorf("%s is malformed: expected user:password@tcp(host:port)/", DSNVariable)
	}
	cfg.DBName = name
	return cfg.FormatDSN(), nil
}

// connect returns connections to a database on the server of DSNVariable, or to none when name is empty.
func connect(name string) (*sql.DB, error) {
	address, err := dsn(name)
	if err != nil {
		return nil, err
	}
	return sql.Open("mysql", address)
}

func database(t testing.TB, name string) *Database {
	t.Helper()
	address, err := dsn(name)
	if err != nil {
		t.Fatal(err)
	}
	return &Database{Driver: sqldb.MySQL, DSN: address, Keyring: keyring(t)}
}

// create creates a database without tables and returns its name.
func create(t testing.TB) string {
	t.Helper()
	requireServer(t)
	name := "test_" + strings.ReplaceAll(random.ID(), "-", "")
	if err := execute(t.Context(), "", "CREATE DATABASE "+name); err != nil {
		t.Fatalf("CREATE DATABASE on the server of %s: %v", DSNVariable, err)
	}
	return name
}

func drop(ctx context.Context, name string) error {
	return execute(ctx, "", "DROP DATABASE "+name)
}

func migrate(t testing.TB, db *Database) {
	t.Helper()
	migrating, err := sqldb.Open(t.Context(), sqldb.Config{Driver: db.Driver, DSN: secret.New(db.DSN)})
	if err != nil {
		t.Fatalf("sqldb.Open() = _, %v", err)
	}
	if err := errors.Join(migrating.Migrate(t.Context(), sqldb.Around{}), migrating.Close()); err != nil {
		t.Fatalf("Migrate() = %v", err)
	}
}

// execute runs statements, in their order, on one connection to a database.
func execute(ctx context.Context, name string, statements ...string) error {
	pool, err := connect(name)
	if err != nil {
		return err
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	for _, statement := range statements {
		if _, err := pool.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// migrationTables hold no data of the product.
const migrationTables = "('schema_versions', 'schema_lock')"

func deleteRows(ctx context.Context, name string) error {
	pool, err := connect(name)
	if err != nil {
		return err
	}
	defer pool.Close()
	tables, err := sqldb.Texts(ctx, pool, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name NOT IN "+migrationTables)
	if err != nil {
		return err
	}
	statements := []string{"SET foreign_key_checks = 0"}
	for _, table := range tables {
		statements = append(statements, "DELETE FROM "+table)
	}
	return execute(ctx, name, statements...)
}

// nextNumber matches the part of a table's definition that changes with its rows.
var nextNumber = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// schema returns the definitions of all tables of a database, and the migrations that it records.
func schema(ctx context.Context, name string) (string, error) {
	pool, err := connect(name)
	if err != nil {
		return "", err
	}
	defer pool.Close()
	tables, err := sqldb.Texts(ctx, pool, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name")
	if err != nil {
		return "", err
	}
	versions, err := sqldb.Texts(ctx, pool, "SELECT CONCAT(version_id, ' ', is_applied) FROM schema_versions ORDER BY id")
	if err != nil {
		return "", err
	}
	definitions := versions
	for _, table := range tables {
		var unused, definition string
		if err := pool.QueryRowContext(ctx, "SHOW CREATE TABLE "+table).Scan(&unused, &definition); err != nil {
			return "", err
		}
		definitions = append(definitions, nextNumber.ReplaceAllString(definition, ""))
	}
	return strings.Join(definitions, "\n"), nil
}
