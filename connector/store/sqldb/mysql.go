package sqldb

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
	// OpenTimeout limits how long a server may take to accept the first connection, with whatever that needs: whoever starts the
	// program, or runs a command, waits for the answer.
	OpenTimeout = 4 * time.Second
	// dialTimeout limits connecting to a node, which may be unreachable.
	dialTimeout = 10 * time.Second
	// queryTimeout limits waiting for the server's answer, unless the DSN says otherwise. It is longer than the lock wait
	// below, and short enough that a node that does not answer any more does not delay renewals.
	queryTimeout = 30 * time.Second
	// maxConnectionAge makes connections move to other nodes behind a load balancer after a failover.
	maxConnectionAge = 5 * time.Minute
)

// isolation is set on every connection. READ COMMITTED takes no gap locks, so that tenants do not block each other, and
// every statement sees what others committed. A server may make every transaction READ ONLY by default.
const isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"

// charset is set on every connection, whatever the DSN or the server says. The driver writes values into statements as
// UTF-8, and a quote in a value ends its string in a character set whose characters may contain a backslash, such as gbk.
const charset = "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci"

// sessionVariables are set on every connection, because a server's configuration or its init_connect may say otherwise.
// Strict mode rejects a value that does not fit instead of cutting it. Without autocommit, and after a COMMIT that begins the
// next transaction (completion_type), a single statement reports success and is lost with its connection. Without
// foreign_key_checks and unique_checks, rows are stored that must not exist. sql_select_limit cuts the result of every SELECT.
const sessionVariables = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE," +
	"ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = 10, autocommit = 1, completion_type = 0, " +
	"foreign_key_checks = 1, unique_checks = 1, sql_select_limit = 18446744073709551615, sql_safe_updates = 0"

// openMySQL opens the database that from.DSN names. timeout limits waiting for the server's answer; 0 is no limit.
func openMySQL(from Config, timeout time.Duration) (*sql.DB, gorm.Dialector, error) {
	cfg, err := ParseDSN(from.DSN.Reveal())
	if err != nil {
		return nil, nil, err
	}
	if from.TLS != nil {
		cfg.TLSConfig, cfg.TLS = "", from.TLS.Clone()
	}
	cfg.ParseTime = true
	cfg.Loc = time.UTC
	// Count the rows that match the condition of an UPDATE, as SQLite does, and not only those that it changes.
	cfg.ClientFoundRows = true
	cfg.RejectReadOnly = true // after a failover, connect to the new primary
	cfg.MultiStatements = false
	cfg.InterpolateParams = true // one round trip for each statement instead of two, without keeping prepared ones
	cfg.Collation = ""           // charset sets it; the driver does not interpolate with some others
	cfg.Logger = driverLog{from.Log}
	// A server must not read our files, nor learn the password in plain text.
	cfg.AllowAllFiles, cfg.AllowCleartextPasswords, cfg.AllowFallbackToPlaintext, cfg.AllowOldPasswords = false, false, false, false
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
		return nil, nil, errors.New("the DSN is invalid: check its parameters")
	}
	pool := sql.OpenDB(connector{inner})
	pool.SetConnMaxLifetime(maxConnectionAge)
	return pool, mysql.New(mysql.Config{Conn: pool, SkipInitializeWithVersion: true, DisableWithReturning: true}), nil
}

// A connector sets up each new connection. It sends statements, because the variables that a DSN can set have different
// names in MySQL and MariaDB.
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
	for _, statement := range []string{charset, isolation, sessionVariables} {
		if _, err := executor.ExecContext(ctx, statement, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("setting up a connection: %w", err), conn.Close())
		}
	}
	return conn, nil
}

// driverLog logs the driver's messages, which are about connections and never about rows.
type driverLog struct{ log *slog.Logger }

// Print implements the driver's Logger.
func (l driverLog) Print(v ...any) { l.log.Warn("database connection", "message", fmt.Sprint(v...)) }
