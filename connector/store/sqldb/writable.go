package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/glebarez/go-sqlite"
	mysqldriver "github.com/go-sql-driver/mysql"
)

// ErrReadOnly is returned for a database that answers but accepts no changes.
var ErrReadOnly = errors.New("the database is read-only")

// Ready returns an error when the database does not answer, and ErrReadOnly when it answers but accepts no changes.
func (db *DB) Ready(ctx context.Context) error {
	if err := db.pool.PingContext(ctx); err != nil {
		return fmt.Errorf("pinging the database: %w", err)
	}
	return writable(ctx, db.driver, db.pool)
}

// writable sends a change that changes nothing, because the account decides as well: a server may be read-only for some
// accounts only.
func writable(ctx context.Context, kind string, pool *sql.DB) error {
	_, err := pool.ExecContext(ctx, "UPDATE "+versionTable+" SET version_id = version_id WHERE id < 0")
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case 8: // SQLITE_READONLY
			return fmt.Errorf("%w: %w", ErrReadOnly, err)
		case 1, 5, 6: // the table does not exist yet, or others write
			return nil
		}
	}
	if e, ok := errors.AsType[*mysqldriver.MySQLError](err); ok && e.Number == 1146 { // the table does not exist yet
		return nil
	}
	if kind == MySQL && errors.Is(err, driver.ErrBadConn) {
		// The driver reports a read-only server in this way, after it has tried other connections.
		if reason := readOnlyReason(ctx, pool); reason != "" {
			return fmt.Errorf("%w (%s)", ErrReadOnly, reason)
		}
	}
	return fmt.Errorf("checking that the database accepts changes: %w", err)
}

// readOnlyReason returns the variables that make a server read-only, or "".
func readOnlyReason(ctx context.Context, pool *sql.DB) string {
	names := []any{"read_only", "super_read_only", "innodb_read_only", "offline_mode", "transaction_read_only", "tx_read_only"}
	values, err := variablesOf(ctx, pool, "GLOBAL", names)
	if err != nil {
		return ""
	}
	var reasons []string
	for _, name := range names {
		value, known := values[name.(string)]
		if known && value != "OFF" && value != "0" {
			reasons = append(reasons, fmt.Sprintf("%s = %s", name, value))
		}
	}
	return strings.Join(reasons, ", ")
}
