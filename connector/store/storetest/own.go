package storetest

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"azure-partner-connector/connector/store/sqldb"
)

// OwnServer starts a server of this test's own, of the kind that the tests run on, because the test changes settings of the whole
// server. It returns a database without tables, whose account has some rights and is no administrator, because a server makes
// exceptions for those, and a function that runs statements as an administrator. Arguments are further arguments of the server.
func OwnServer(t testing.TB, rights string, arguments ...string) (db *Database, administer func(statements ...string)) {
	t.Helper()
	server := Server(t, arguments...)
	admin, err := sql.Open("mysql", server.DSN(""))
	if err != nil {
		t.Fatalf("Open() = _, %v", err)
	}
	admin.SetMaxOpenConns(1) // so that what a test sets for new connections is not set for this one
	t.Cleanup(func() { admin.Close() })
	administer = func(statements ...string) {
		t.Helper()
		for _, statement := range statements {
			if _, err := admin.ExecContext(context.Background(), statement); err != nil {
				t.Fatalf("%s = %v", statement, err)
			}
		}
	}
	administer("CREATE DATABASE connector", "CREATE USER 'connector'@'127.0.0.1' IDENTIFIED BY 'x'", "GRANT "+rights+" ON connector.* TO 'connector'@'127.0.0.1'")
	db = &Database{Driver: sqldb.MySQL, Keyring: keyring(t), empty: true}
	db.DSN = strings.Replace(server.DSN("connector"), "root@", "connector:x@", 1)
	return db, administer
}
