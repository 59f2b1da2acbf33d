package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"regexp"
	"slices"

	"github.com/glebarez/go-sqlite"
	mysqldriver "github.com/go-sql-driver/mysql"

	"azure-partner-connector/connector/failure"
)

// An outcome says what an error of the database means for what was to be stored.
type outcome int

const (
	// permanent: nothing was stored, and a retry fails in the same way.
	permanent outcome = iota
	// retryable: nothing was stored, and a retry may succeed.
	retryable
	// undecided: as the answer to COMMIT, or to a statement outside a transaction, it does not say whether that was
	// stored. Inside a transaction nothing was stored, and a retry may succeed.
	undecided
)

// A serverError is an error of a MySQL server, with what it means.
type serverError struct {
	number  uint16
	outcome outcome
	text    *regexp.Regexp // which messages the row is about; nil: all
}

// serverErrors are the errors that are not permanent. docs/reference/databases.md §3 has the source of each.
var serverErrors = []serverError{
	{number: 1020, outcome: retryable}, // MariaDB: the row changed since the snapshot was taken
	{number: 1040, outcome: retryable}, // too many connections
	{number: 1047, outcome: retryable}, // Galera: the node has no majority or is not ready
	{number: 1053, outcome: retryable}, // the server is shutting down
	{number: 1205, outcome: retryable}, // lock wait timeout
	{number: 1213, outcome: retryable}, // deadlock; also Galera, when certification fails
	{number: 1290, outcome: retryable}, // the server is read-only
	{number: 1792, outcome: retryable}, // the transaction is read-only
	{number: 1836, outcome: retryable}, // the server is read-only
	{number: 1317, outcome: undecided}, // the statement was interrupted
	{number: 1927, outcome: undecided}, // MariaDB: the connection was killed

	// Group Replication.
	{number: 1180, outcome: retryable, text: regexp.MustCompile(`\b149\b`)}, // another member's transaction took precedence
	{number: 1180, outcome: undecided},                                      // the engine failed to commit for another reason
	{number: 3096, outcome: retryable},                                      // the member cannot reach the group
	{number: 3097, outcome: retryable},                                      // the member cannot join the group
	{number: 3100, outcome: undecided},                                      // the member was interrupted while it replicated
	{number: 3101, outcome: retryable},                                      // certification failed
	{number: 3781, outcome: retryable},                                      // a new primary is not ready in time
	{number: 3782, outcome: retryable},                                      // waiting for a new primary was interrupted
	{number: 3783, outcome: retryable},                                      // the member left while a new primary prepared
	{number: 3797, outcome: retryable},                                      // the member could not wait for others' transactions
	{number: 3798, outcome: retryable},                                      // the member could not wait for others' transactions
	{number: 3799, outcome: retryable},                                      // the member is leaving the group

	// TiDB.
	{number: 8002, outcome: retryable}, // write conflict after SELECT … FOR UPDATE
	{number: 8005, outcome: retryable}, // write conflict
	{number: 8022, outcome: retryable}, // the commit failed and was rolled back
	{number: 8028, outcome: retryable}, // the schema changed meanwhile
	{number: 9007, outcome: retryable}, // write conflict
	{number: 9001, outcome: undecided}, // the placement driver timed out
	{number: 9002, outcome: undecided}, // the storage timed out
	{number: 9003, outcome: undecided}, // the storage is busy
	{number: 9004, outcome: undecided}, // a lock could not be resolved in time
	{number: 9005, outcome: undecided}, // a region is unavailable

	// Vitess: the transaction's primary is gone. Its other errors have the number, too.
	{number: 1105, outcome: undecided, text: regexp.MustCompile(`\bVT15001\b`)},
}

// outcomeOf returns what an error of a MySQL server means.
func outcomeOf(e *mysqldriver.MySQLError) outcome {
	for _, known := range serverErrors {
		if e.Number == known.number && (known.text == nil || known.text.MatchString(e.Message)) {
			return known.outcome
		}
	}
	return permanent
}

// A commitUnknownError is an error of COMMIT, or of a statement outside a transaction: when the connection was lost, it is
// unknown whether the statement took effect. It is retried only when the database itself says that nothing was stored.
type commitUnknownError struct{ error }

// Unwrap returns the marked error.
func (e commitUnknownError) Unwrap() error { return e.error }

// refusing are permanent errors of a MySQL server that are about the server, the account or the disk, and not about what was to
// be stored: the same statement succeeds when an operator has repaired that.
var refusing = []uint16{
	1021, 1114, // the disk or the table space is full
	1044, 1045, 1142, 1143, // the account, or its rights
	1049, 1146, // the database, or a table, is missing
	1129, 1130, // the server does not talk to this host
	1203, 1226, // the account has too many connections, or used up its resources
	1820, 1862, // the password has expired
	3118, 4151, // the account is locked: MySQL's number, and MariaDB's
	3159, // the server demands encryption
	3168, // the server is not available
}

// away returns err as the failure database_unavailable when it says that the database cannot be used now, whatever was to be
// read or stored: it cannot be reached, does not answer, refuses the account, accepts no changes, or kept failing.
// When ctx has ended, the caller gave up, and err says nothing about the database.
func away(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || !isAway(err) {
		return err
	}
	if _, ok := errors.AsType[*failure.Error](err); ok {
		return err // of the function that a transaction called
	}
	return failure.Wrap(err, failure.DatabaseUnavailable)
}

func isAway(err error) bool {
	if e, ok := errors.AsType[*mysqldriver.MySQLError](err); ok {
		return outcomeOf(e) != permanent || slices.Contains(refusing, e.Number)
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case 5, 6, 8, 10, 13, 14: // SQLITE_BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN
			return true
		}
		return false
	}
	_, byNetwork := errors.AsType[net.Error](err)
	for _, lost := range []error{driver.ErrBadConn, mysqldriver.ErrInvalidConn, io.EOF, io.ErrUnexpectedEOF} {
		byNetwork = byNetwork || errors.Is(err, lost)
	}
	return byNetwork
}

// IsPermanent reports whether the database itself says that nothing was stored, for a reason that a retry does not
// remove.
func IsPermanent(err error) bool {
	if e, ok := errors.AsType[*mysqldriver.MySQLError](err); ok {
		return outcomeOf(e) == permanent
	}
	_, bySQLite := errors.AsType[*sqlite.Error](err)
	return bySQLite && !isRetryable(err)
}

// isRetryable reports whether err means that nothing was stored and that a retry may succeed.
func isRetryable(err error) bool {
	if err == nil {
		return false
	}
	_, answersCommit := errors.AsType[commitUnknownError](err)
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case 5, 6: // SQLITE_BUSY, SQLITE_LOCKED
			return true
		}
		return false
	}
	if e, ok := errors.AsType[*mysqldriver.MySQLError](err); ok {
		means := outcomeOf(e)
		return means == retryable || means == undecided && !answersCommit
	}
	if errors.Is(err, driver.ErrBadConn) {
		return true // the driver sent nothing, because the connection was closed, or the node is read-only
	}
	return errors.Is(err, mysqldriver.ErrInvalidConn) && !answersCommit
}
