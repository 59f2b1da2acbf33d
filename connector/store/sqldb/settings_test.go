package sqldb_test

import (
	"testing"

	"azure-partner-connector/connector/store/sqldb"
)

// TestSettings_Rules goes through what a database may report, also those that no server here reports.
func TestSettings_Rules(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		variable, value string
		ok, tolerable   bool
	}{
		{"autocommit", "ON", true, false},
		{"autocommit", "1", true, false},
		{"autocommit", "OFF", false, false},
		{"transaction_isolation", "READ-COMMITTED", true, false},
		{"transaction_isolation", "REPEATABLE-READ", false, false},
		{"sql_mode", "STRICT_ALL_TABLES,NO_ZERO_DATE", true, false},
		{"sql_mode", "STRICT_TRANS_TABLES", false, false},
		{"foreign_key_checks", "ON", true, false},
		{"foreign_key_checks", "OFF", false, false},
		{"unique_checks", "OFF", false, false},
		{"completion_type", "NO_CHAIN", true, false},
		{"completion_type", "CHAIN", false, false},
		{"sql_select_limit", "18446744073709551615", true, false},
		{"sql_select_limit", "1000", false, false},
		{"innodb_flush_log_at_trx_commit", "1", true, true},
		{"innodb_flush_log_at_trx_commit", "2", false, true},
		{"version", "8.4.3", true, false},
		{"version", "9.7.4-debian", true, false},
		{"version", "8.0.11-TiDB-v8.5.1", false, true},
		{"version", "8.0.44", false, true},
		{"version", "8.0.mysql_aurora.3.08.0", false, true},
		{"version", "8.3.0", false, true},
		{"version", "8.4.0", true, false},
		{"version", "9.0.1", true, false},
		{"version", "5.7.44", false, false},
		{"version", "10.6.0-MariaDB", true, false},
		{"version", "11.4.2-MariaDB-log", true, false},
		{"version", "5.5.5-10.11.19-MariaDB", true, false},
		{"version", "10.5.9-MariaDB", false, false},
		{"version", "5.5.5-10.3.1-MariaDB", false, false},
		{"version", "unknown", false, false},
	} {
		got := sqldb.Judge(tc.variable, tc.value)
		if (got.Problem == "") != tc.ok || got.Tolerable != tc.tolerable || !tc.ok && got.Advice == "" {
			t.Errorf("with %s = %s: %+v, want ok = %v, tolerable = %v, and an advice", tc.variable, tc.value, got, tc.ok, tc.tolerable)
		}
	}
	if got := sqldb.Judge("autocommit", ""); got.Problem == "" {
		t.Errorf("without autocommit: %+v, want a problem: unknown is not yes", got)
	}
}
