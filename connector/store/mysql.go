package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/gorm"
)

const (
	// dialTimeout bounds connecting to a node, so that a dead one is given up.
	dialTimeout = 10 * time.Second
	// queryTimeout bounds waiting for an answer on a connection, unless the DSN says otherwise. It is longer than the
	// lock wait below, and short enough that a node which vanished does not hold up renewals.
	queryTimeout = 30 * time.Second
	// connectionLife makes connections move to other nodes behind a balancer after a failover.
	connectionLife = 5 * time.Minute
)

// session is what every connection is set to. READ COMMITTED takes no gap locks, so that tenants do not stop each
// other, and every statement sees what others committed. The strict mode refuses what does not fit instead of cutting it.
const session = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

const sessionVariables = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE," +
	"ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = 10"

// openMySQL opens the database that dsn names; timeout bounds waiting for an answer, 0 is no bound.
func openMySQL(dsn string, log *slog.Logger, timeout time.Duration) (*sql.DB, gorm.Dialector, error) {
	cfg, err := mysqldriver.ParseDSN(dsn)
	if err != nil {
		// The cause may quote a piece of a password that was not escaped.
		return nil, nil, errors.New("the DSN cannot be read: it looks like user:password@tcp(host:port)/database")
	}
	if cfg.DBName == "" {
		return nil, nil, errors.New("the DSN names no database")
	}
	cfg.ParseTime = true
	cfg.Loc = time.UTC
	// A conditional UPDATE reports the rows that met its condition, as in SQLite. Ours all advance a version or set a
	// mark, so every row that is met is changed as well.
	cfg.ClientFoundRows = true
	cfg.RejectReadOnly = true // after a failover the old primary is left for the new one
	cfg.MultiStatements = false
	cfg.InterpolateParams = true // one round trip per statement instead of two, and nothing to keep prepared
	cfg.Logger = driverLog{log}
	if cfg.Timeout == 0 {
		cfg.Timeout = dialTimeout
	}
	if cfg.ReadTimeout == 0 {
		cfg.ReadTimeout = timeout
	}
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = timeout
	}
	inner, err := mysqldriver.NewConnector(cfg)
	if err != nil {
		return nil, nil, errors.New("the DSN cannot be used: check its parameters")
	}
	pool := sql.OpenDB(connector{inner})
	pool.SetConnMaxLifetime(connectionLife)
	return pool, mysql.New(mysql.Config{Conn: pool, SkipInitializeWithVersion: true, DisableWithReturning: true}), nil
}

// A connector sets up each new connection. It does so by statements, because the variables that a DSN could set are
// named differently in MySQL and MariaDB.
type connector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	executor, ok := conn.(driver.ExecerContext)
	if !ok {
		return nil, errors.Join(errors.New("the driver cannot set up a connection"), conn.Close())
	}
	for _, statement := range []string{session, sessionVariables} {
		if _, err := executor.ExecContext(ctx, statement, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("setting up a connection: %w", err), conn.Close())
		}
	}
	return conn, nil
}

// driverLog passes on what the driver says about connections; it says nothing about rows.
type driverLog struct{ log *slog.Logger }

// Print implements the driver's Logger.
func (l driverLog) Print(v ...any) { l.log.Warn("database connection", "said", fmt.Sprint(v...)) }
