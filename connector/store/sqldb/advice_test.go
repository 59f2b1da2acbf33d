package sqldb_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/sqldb"
)

// TestOpen_SaysWhatToDo opens what an operator may have named by mistake: the error says what was seen and what to do, without the
// password.
func TestOpen_SaysWhatToDo(t *testing.T) {
	folder := t.TempDir()
	garbage := filepath.Join(folder, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	const canary = "canary-of-the-password"
	for name, tc := range map[string]struct {
		driver, dsn string
		want        []string
	}{
		"a server that does not run": {sqldb.MySQL, "user:" + canary + "@tcp(127.0.0.1:1)/name", []string{"127.0.0.1:1", "connection refused", "database.dsn", "that the server runs"}},
		"a folder that is missing":   {sqldb.SQLite, filepath.Join(folder, "missing", "a.db"), []string{"no such file", "create the folder"}},
		"another file":               {sqldb.SQLite, garbage, []string{"not a database", "database.path"}},
		"a folder":                   {sqldb.SQLite, folder, []string{"is a directory"}},
	} {
		db, err := sqldb.Open(t.Context(), sqldb.Config{Driver: tc.driver, DSN: secret.New(tc.dsn)})
		if err == nil {
			_ = db.Close()
			t.Errorf("Open() of %s = nil, want an error", name)
			continue
		}
		for _, want := range tc.want {
			if n := strings.Count(err.Error(), want); n != 1 {
				t.Errorf("Open() of %s = %v, which says %q %d times, want once", name, err, want, n)
			}
		}
		if strings.Contains(err.Error(), canary) {
			t.Errorf("Open() of %s = %v, with the password", name, err)
		}
	}
}

func TestAdvice_OfServers(t *testing.T) {
	for _, tc := range []struct {
		number        uint16
		message, want string
	}{
		{1045, "Access denied for user 'a'@'b' (using password: YES)", "password"},
		{1044, "Access denied for user 'a'@'b' to database 'c'", "SELECT, INSERT, UPDATE and DELETE"},
		{1142, "INSERT command denied to user 'a'@'b' for table `c`.`d`", "SELECT, INSERT, UPDATE and DELETE"},
		{1142, "CREATE command denied to user 'a'@'b' for table `c`.`d`", "CREATE, ALTER, DROP, INDEX and REFERENCES"},
		{1142, "INDEX, ALTER command denied to user 'a'@'b' for table `c`.`d`", "connector serve --no-migrate"},
		{1049, "Unknown database 'c'", "create the database"},
		{1213, "Deadlock found", ""},
	} {
		got := sqldb.Advice(&mysqldriver.MySQLError{Number: tc.number, Message: tc.message})
		if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
			t.Errorf("the advice about error %d, %s, is %q, want %q", tc.number, tc.message, got, tc.want)
		}
	}
}
