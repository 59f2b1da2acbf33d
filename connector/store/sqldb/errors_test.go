package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/gorm"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/sqldb"
)

// What a server's error means, as the table of docs/reference/databases.md §3 calls it.
const (
	retried   = "retried"   // wherever it comes from
	undecided = "undecided" // retried inside a transaction, but not as the answer to COMMIT or to a statement on its own
	permanent = "permanent" // never retried
)

// An answer is an error as a server sends it.
type answer struct {
	number  uint16
	message string
	means   string
}

var answers = []answer{
	{1020, "Record has changed since last read in table 'schedules'", retried},
	{1040, "Too many connections", retried},
	{1047, "WSREP has not yet prepared node for application use", retried},
	{1053, "Server shutdown in progress", retried},
	{1105, "target: connector.-.primary: VT15001: transaction rolled back to reverse changes of partial DML execution", undecided},
	{1105, "VT15001: primary is not serving, there is a reparent operation in progress", undecided},
	{1105, "Unknown error", permanent},
	{1105, "VT150012: another error", permanent},
	{1180, "Got error 149 - 'Lock deadlock; Retry transaction' during COMMIT", retried},
	{1180, "Fehler 149 beim COMMIT", retried},
	{1180, "Got error 1491 - 'Another' during COMMIT", undecided},
	{1180, "Got error 28 - 'No space left on device' during COMMIT", undecided},
	{1205, "Lock wait timeout exceeded; try restarting transaction", retried},
	{1213, "Deadlock found when trying to get lock; try restarting transaction", retried},
	{1290, "The MySQL server is running with the --super-read-only option so it cannot execute this statement", retried},
	{1317, "Query execution was interrupted", undecided},
	{1792, "Cannot execute statement in a READ ONLY transaction.", retried},
	{1836, "Running in read-only mode", retried},
	{1927, "Connection was killed", undecided},
	{3096, "The START GROUP_REPLICATION command failed as there was an error when initializing the group communication layer.", retried},
	{3097, "The START GROUP_REPLICATION command failed as there was an error when joining the communication group.", retried},
	{3100, "Error on observer while running replication hook 'before_commit'.", undecided},
	{3101, "Plugin instructed the server to rollback the current transaction.", retried},
	{3781, "Timeout exceeded for held statement while new Group Replication primary member is applying backlog.", retried},
	{3782, "Held statement aborted because Group Replication plugin got shut down or thread was killed.", retried},
	{3783, "Held statement was aborted due to member being in error state, while backlog is being applied.", retried},
	{3797, "Error while waiting for group transactions commit on group_replication_consistency= 'BEFORE'", retried},
	{3798, "Error while waiting for transactions with group_replication_consistency= 'AFTER' to commit.", retried},
	{3799, "The 'BEGIN' command is not allowed while the member is leaving the group.", retried},
	{8002, "can not retry select for update statement", retried},
	{8005, "Write Conflict, txnStartTS is stale", retried},
	{8022, "KV error safe to retry", retried},
	{8028, "Information schema is changed during the execution of the statement", retried},
	{9001, "PD Server Timeout", undecided},
	{9002, "TiKV Server Timeout", undecided},
	{9003, "TiKV Server is Busy", undecided},
	{9004, "Resolve Lock Timeout", undecided},
	{9005, "Region is Unavailable", undecided},
	{9007, "Write conflict", retried},
	{1062, "Duplicate entry '1' for key 'PRIMARY'", permanent},
	{1064, "You have an error in your SQL syntax", permanent},
	{1114, "The table 'events' is full", permanent},
	{1406, "Data too long for column 'name' at row 1", permanent},
	{1452, "Cannot add or update a child row: a foreign key constraint fails", permanent},
	{65535, "An error that nobody knows", permanent},
}

// TestTransact_ServerErrors lets a transaction, and a statement outside one, meet each error once.
func TestTransact_ServerErrors(t *testing.T) {
	t.Parallel()
	pauses := 0
	db, err := sqldb.Open(t.Context(), sqldb.Config{
		Driver: sqldb.SQLite, DSN: secret.New(filepath.Join(t.TempDir(), "x.db")),
		Wait: func(context.Context, time.Duration) error { pauses++; return nil },
	})
	if err != nil {
		t.Fatalf("Open() = _, %v", err)
	}
	t.Cleanup(func() { db.Close() })
	for _, a := range answers {
		sent := &mysqldriver.MySQLError{Number: a.number, Message: a.message}
		for place, tc := range map[string]struct {
			act   func(statement func(*gorm.DB) error) error
			retry bool
		}{
			"a statement in a transaction": {func(statement func(*gorm.DB) error) error {
				return db.Transact(t.Context(), func(ctx context.Context) error { return db.Write(ctx, statement) })
			}, a.means != permanent},
			"a statement in a transaction, ignored by its caller": {func(statement func(*gorm.DB) error) error {
				return db.Transact(t.Context(), func(ctx context.Context) error {
					err := db.Write(ctx, statement)
					if a.means == permanent {
						return err
					}
					return nil
				})
			}, a.means != permanent},
			"a statement on its own": {func(statement func(*gorm.DB) error) error {
				return db.Write(t.Context(), statement)
			}, a.means == retried},
			"a query on its own": {func(query func(*gorm.DB) error) error {
				return db.Read(t.Context(), query)
			}, a.means != permanent},
		} {
			calls := 0
			pauses = 0
			err := tc.act(func(*gorm.DB) error {
				if calls++; calls > 1 {
					return nil
				}
				return fmt.Errorf("wrapped: %w", sent)
			})
			switch {
			case tc.retry && (err != nil || calls != 2 || pauses != 1):
				t.Errorf("%d %q from %s = %v after %d calls, want success of the second", a.number, a.message, place, err, calls)
			case !tc.retry && (!errors.Is(err, sent) || calls != 1):
				t.Errorf("%d %q from %s = %v after %d calls, want the error at once", a.number, a.message, place, err, calls)
			}
		}
		if got := sqldb.IsPermanent(fmt.Errorf("wrapped: %w", sent)); got != (a.means == permanent) {
			t.Errorf("IsPermanent(%d %q) = %v, want %v", a.number, a.message, got, !got)
		}
	}
}

// TestServerErrors_AreDocumented compares the table with that of docs/reference/databases.md §3, and with the answers above.
func TestServerErrors_AreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/reference/databases.md")
	if err != nil {
		t.Fatalf("ReadFile() = _, %v", err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d{4})\b[^|]*\|[^|]*\| (\w+)[^|]*\| [^|]+ \|$`).FindAllStringSubmatch(string(text), -1) {
		documented[row[1]+" "+row[2]] = true
	}
	known, tried := map[string]bool{}, map[string]bool{}
	for _, row := range sqldb.Outcomes() {
		known[strconv.Itoa(int(row.Number))+" "+row.Means] = true
	}
	for _, a := range answers {
		tried[strconv.Itoa(int(a.number))+" "+a.means] = true
	}
	for row := range known {
		if !documented[row] {
			t.Errorf("docs/reference/databases.md has no row for %q", row)
		}
		if !tried[row] {
			t.Errorf("the tests have no answer for %q", row)
		}
	}
	for row := range documented {
		if !known[row] {
			t.Errorf("docs/reference/databases.md has the row %q, which the program does not know", row)
		}
	}
}
