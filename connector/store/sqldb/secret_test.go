package sqldb_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/sqldb"
)

// TestConfig_PrintsNoPassword prints a configuration, and what was opened with it, with every verb and flag of fmt.
func TestConfig_PrintsNoPassword(t *testing.T) {
	const canary = "canary-5f1d2c"
	cfg := sqldb.Config{Driver: sqldb.SQLite, DSN: secret.New(filepath.Join(t.TempDir(), canary))} // a DB has the DSN of its Config
	db, err := sqldb.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	cfg = sqldb.Config{Driver: sqldb.MySQL, DSN: secret.New("connector:" + canary + "@tcp(db.example.com:3306)/connector")}
	for _, value := range []any{cfg, &cfg, []sqldb.Config{cfg}, map[string]*sqldb.Config{"database": &cfg}, db, []any{db}, struct{ db *sqldb.DB }{db}} {
		for _, verb := range "vTtbcdoOqxXUeEfFgGspw" {
			for _, flags := range []string{"", "+", "#", "+#", " ", "0", "-10", ".3"} {
				format := "%" + flags + string(verb)
				text := fmt.Sprintf(format, value)
				for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("% x", canary), fmt.Sprintf("%X", canary)} {
					if strings.Contains(text, form) {
						t.Errorf("Sprintf(%q) of a %T shows the DSN", format, value)
					}
				}
			}
		}
	}
}
