package storetest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/store/sqldb"
)

// A Bound is how much the domain stores in a column at most. The domain's tests store what is too long, and CheckBounds finds what
// it lets through.
type Bound struct {
	// Characters is 0 for a column that has a bound in bytes only.
	Characters int
	Bytes      int
}

func characters(n int) Bound { return Bound{Characters: n, Bytes: 4 * n} }

func bytes(n int) Bound { return Bound{Bytes: n} }

// Bounds returns the bound of every column that holds text or bytes, by table and column. Times are no text.
func Bounds() map[string]Bound {
	bounds := map[string]Bound{}
	for _, tables := range []map[string]map[string]Bound{boundsOfDomain(), boundsOfTheRest()} {
		for table, columns := range tables {
			for column, bound := range columns {
				bounds[table+"."+column] = bound
			}
		}
	}
	return bounds
}

// Bytes of a SHA-256 and of a MAC.
const (
	hash = 32
	mac  = 64
)

// boundsOfDomain are those of instances, tenants and what they have.
func boundsOfDomain() map[string]map[string]Bound {
	return map[string]map[string]Bound{
		"instances": {
			"instance_key": characters(length.Key), "instance_id": characters(length.ForeignID), "root_id": characters(length.ID),
			"controller_uri": bytes(length.Address), "named_controller": bytes(length.Address), "package_version": characters(length.Code), "cloud": characters(length.Code),
			"application_id": characters(length.ID), "credentials": bytes(length.Credentials), "mfa_request": bytes(length.Setting),
			"borrowers": bytes(length.Setting), "customer_directories": characters(length.Word), "mac": bytes(mac),
		},
		"tenants": {
			"id": characters(length.ID), "instance_key": characters(length.Key), "account_id": characters(length.ForeignID),
			"subscription_id": characters(length.ForeignID), "name": characters(length.Name), "marketplace": characters(length.Name),
			"directory_id": characters(length.ID), "directory": characters(length.Directory), "application_id": characters(length.ID),
			"proven_directory_id": characters(length.ID), "watched_account_id": characters(length.ForeignID),
			"notices":     bytes(length.Setting),
			"credentials": bytes(length.Credentials), "mac": bytes(mac),
		},
		"grants": {
			"tenant_id": characters(length.ID), "slot": characters(length.Word), "refresh_token": bytes(length.Token + length.Sealed),
			"directory_id": characters(length.ID), "application_id": characters(length.ID), "procedure_name": characters(length.Word),
			"consent_id": characters(length.ID), "consented_by": bytes(length.Person), "asked_by": characters(length.Name),
			"scopes": bytes(length.Setting), "checks": bytes(length.Checks), "instance_key": characters(length.Key),
			"account_id": characters(length.ForeignID),
		},
		"allowances": {"name": characters(length.Code), "subject": characters(length.Key + 1 + length.ForeignID)},
		"schedules": {
			"tenant_id": characters(length.ID), "lease_owner": characters(2 * length.ID), "failure": bytes(length.Record),
		},
		"consents": {
			"id": characters(length.ID), "tenant_id": characters(length.ID), "procedure_name": characters(length.Word),
			"status": characters(length.Word), "link": bytes(length.Sealed), "link_hash": characters(length.ID),
			"asked_by_kind": characters(length.Word), "asked_by_id": characters(length.ForeignID), "asked_by_name": characters(length.Name),
			"asked_by_account_id": characters(length.ForeignID), "asked_by_original_id": characters(length.ForeignID),
			"failure": bytes(length.Record), "consented_by": bytes(length.Person), "claim_hash": characters(length.ID), "replaced_claim_hash": characters(length.ID),
			"browser_hash": characters(length.ID),
		},
		"states": {
			"state_hash": characters(length.ID), "consent_id": characters(length.ID), "tenant_id": characters(length.ID),
			"browser_hash": characters(length.ID), "nonce": bytes(length.Sealed), "verifier": bytes(length.Sealed),
		},
	}
}

// boundsOfTheRest are those of the trail, of work and of clients.
func boundsOfTheRest() map[string]map[string]Bound {
	return map[string]map[string]Bound{
		"events": {
			"id": characters(length.ID), "instance_key": characters(length.Key), "tenant_id": characters(length.ID),
			"action": characters(length.Code), "actor_kind": characters(length.Word), "actor_id": characters(length.ForeignID),
			"actor_name": characters(length.Name), "actor_account_id": characters(length.ForeignID),
			"actor_original_id": characters(length.ForeignID), "result": characters(length.Code), "reference": characters(length.ID),
			"details": bytes(length.Details), "mac": bytes(mac),
		},
		"nonces": {"consumer_key": characters(length.Key), "nonce_hash": bytes(hash)},
		"announcements": {
			"subject_kind": characters(length.Word), "subject_id": characters(length.Key), "lease_owner": characters(2 * length.ID),
			"told": bytes(length.Notices),
		},
		"notice_queue": {"recipient": characters(length.Key), "notice_id": characters(length.ID), "notice": bytes(length.Notices)},
		"ties": {
			"instance_key": characters(length.Key), "root_id": characters(length.ID), "renewal_task": characters(length.ForeignID),
			"account_events": characters(length.ForeignID),
		},
		"clients": {"name": characters(length.ID), "scopes": bytes(length.Scopes), "mac": bytes(mac)},
		"client_keys": {
			"id": characters(length.ID), "client": characters(length.ID), "key_hash": characters(length.ID),
			"public_key": bytes(length.Setting), "mac": bytes(mac),
		},
		"key_checks":  {"sealed": bytes(length.Sealed)},
		"checkpoints": {"hash": bytes(hash), "previous": bytes(hash), "removed_hash": bytes(hash), "mac": bytes(mac)},
		"unlisted_origins": {
			"tenant_id": characters(length.ID), "origin": characters(length.Origin),
		},
		"customers": {
			"tenant_id": characters(length.ID), "directory_id": characters(length.ID), "scopes": bytes(length.Scopes), "last_result": characters(length.Code),
		},
		"leases": {"name": characters(length.Code), "owner": characters(length.ID)},
		"pauses": {"cloud": characters(length.Code), "by_whom": characters(length.Name), "reason": characters(length.Detail)},
		"replicas": {
			"id": characters(length.ID), "host": characters(length.Name), "version": characters(length.Name), "settings": bytes(length.Notices),
		},
	}
}

// A Column is a column that holds text or bytes, with the most that the database stores in it. SQLite has no such limit.
type Column struct {
	Name       string // table and column
	Characters int    // 0 when the database counts bytes only
	Bytes      int    // 0 when the database has no limit
}

// times matches the columns that hold times, which SQLite keeps as text.
var times = regexp.MustCompile(`(_at|_since|_until)$`)

// TextColumns returns the columns of the tables that hold text or bytes, as the database itself reports them.
func (db *Database) TextColumns(t testing.TB) []Column {
	t.Helper()
	raw := db.Raw(t)
	query := "SELECT m.name, c.name, 0, 0 FROM sqlite_master AS m, pragma_table_info(m.name) AS c " +
		"WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND c.type IN ('TEXT', 'BLOB')"
	if db.Driver == sqldb.MySQL {
		query = "SELECT table_name, column_name, CASE WHEN data_type LIKE '%char' THEN character_maximum_length ELSE 0 END, character_octet_length " +
			"FROM information_schema.columns WHERE table_schema = DATABASE() AND character_octet_length IS NOT NULL"
	}
	var columns []Column
	for _, row := range rows(t, raw, query) {
		if strings.Contains(migrationTables, "'"+row[0]+"'") || times.MatchString(row[1]) {
			continue
		}
		most, err := strconv.Atoi(row[2])
		if err != nil {
			t.Fatalf("column %s.%s has room for %q characters", row[0], row[1], row[2])
		}
		size, err := strconv.Atoi(row[3])
		if err != nil {
			t.Fatalf("column %s.%s has room for %q bytes", row[0], row[1], row[3])
		}
		columns = append(columns, Column{row[0] + "." + row[1], most, size})
	}
	return columns
}

// CheckBounds asserts that nothing that is stored is longer than its bound.
func (db *Database) CheckBounds(t testing.TB) {
	t.Helper()
	raw, count := db.Raw(t), "LENGTH"
	if db.Driver == sqldb.MySQL {
		count = "CHAR_LENGTH"
	}
	bounds := Bounds()
	for _, column := range db.TextColumns(t) {
		bound, known := bounds[column.Name]
		if !known {
			t.Errorf("%s has no bound", column.Name)
			continue
		}
		table, name, _ := strings.Cut(column.Name, ".")
		longest := rows(t, raw, fmt.Sprintf("SELECT COALESCE(MAX(%s(%s)), 0), COALESCE(MAX(LENGTH(CAST(%[2]s AS %s))), 0) FROM %s",
			count, name, binaryType(db.Driver), table))[0]
		for i, most := range []int{bound.Characters, bound.Bytes} {
			if n, err := strconv.Atoi(longest[i]); err != nil || most > 0 && n > most {
				t.Errorf("%s holds %s of at most %d %s (%v)", column.Name, longest[i], most, []string{"characters", "bytes"}[i], err)
			}
		}
	}
}

func binaryType(driver string) string {
	if driver == sqldb.MySQL {
		return "BINARY"
	}
	return "BLOB"
}

// Unused returns the bounds of columns that the database does not have.
func Unused(columns []Column) []string {
	var unused []string
	for name := range Bounds() {
		if !slices.ContainsFunc(columns, func(c Column) bool { return c.Name == name }) {
			unused = append(unused, name)
		}
	}
	slices.Sort(unused)
	return unused
}
