package chaos

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
)

// openDatabase creates a database and opens the harness's own store on it.
func (d *Deployment) openDatabase(ctx context.Context) error {
	kind := sqldb.SQLite
	if d.spec.sqlite {
		d.spec.dsns = []string{d.file("connector.db")}
	} else {
		kind = sqldb.MySQL
		name := d.databaseName()
		if d.spec.dsns == nil {
			d.spec.dsns = []string{d.env.dsn}
		}
		if err := createDatabase(ctx, d.spec.dsns[0], name, d.spec.restricted); err != nil {
			return err
		}
		d.spec.dsns = slices.Clone(d.spec.dsns)
		for i, dsn := range d.spec.dsns {
			d.spec.dsns[i] = onDatabase(dsn, name)
		}
	}
	var err error
	if d.store, err = store.Open(ctx, store.Config{Config: sqldb.Config{Driver: kind, DSN: secret.New(d.spec.dsns[0])}, Keyring: d.keyring}); err != nil {
		return err
	}
	if err := d.store.Migrate(ctx); err != nil {
		return err
	}
	for _, dsn := range d.spec.dsns {
		pool, err := openPool(kind, dsn)
		if err != nil {
			return err
		}
		d.pools = append(d.pools, pool)
	}
	return nil
}

func (d *Deployment) databaseName() string { return fmt.Sprintf("chaos_%02d", d.number) }

// onDatabase returns the address of a database on the server that a DSN names.
func onDatabase(dsn, name string) string { return strings.Replace(dsn, "/?", "/"+name+"?", 1) }

// openPool opens plain connections. The driver's own log is discarded: scenarios break connections on purpose.
func openPool(kind, dsn string) (*sql.DB, error) {
	if kind == sqldb.SQLite {
		return sql.Open("sqlite", dsn)
	}
	cfg, err := mysqldriver.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("reading the address of the database: %w", err)
	}
	cfg.Logger = &mysqldriver.NopLogger{}
	cfg.Params = map[string]string{"autocommit": "1", "sql_select_limit": "18446744073709551615"} // whatever the server says
	connector, err := mysqldriver.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("connecting to the database: %w", err)
	}
	return sql.OpenDB(connector), nil
}

// The parts of a DSN that name the account: the administrator's, and that of replicas with a restricted one.
const (
	administrator = "root@"
	restricted    = "connector:x@"
)

// createDatabase creates a database, and for restricted replicas their account.
func createDatabase(ctx context.Context, dsn, name string, restricted bool) error {
	admin, err := openPool(sqldb.MySQL, dsn)
	if err != nil {
		return err
	}
	defer admin.Close()
	statements := []string{"CREATE DATABASE " + name}
	if restricted {
		statements = append(statements, "CREATE USER 'connector'@'127.0.0.1' IDENTIFIED BY 'x'", "GRANT ALL ON "+name+".* TO 'connector'@'127.0.0.1'")
	}
	for _, statement := range statements {
		if _, err := admin.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("creating the database %s: %w", name, err)
		}
	}
	return nil
}

// db returns the harness's connections to a database that no fault keeps from answering.
func (d *Deployment) db() *sql.DB {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, pool := range d.pools {
		if !d.isolated[i] {
			return pool
		}
	}
	return d.pools[0]
}

// setIsolated records whether a fault keeps a database from answering. As long as it does, the harness expects nothing
// from the replicas on it.
func (d *Deployment) setIsolated(database int, isolated bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isolated[database] = isolated
}
