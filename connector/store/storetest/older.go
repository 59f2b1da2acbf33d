package storetest

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"
	goosedb "github.com/pressly/goose/v3/database"

	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/migrations"
)

// MigrateTo creates the tables of an earlier version of the schema in an empty database.
func (db *Database) MigrateTo(t testing.TB, version int64) {
	t.Helper()
	if err := migrateTo(t, db, version); err != nil {
		t.Fatalf("migrating to version %d: %v", version, err)
	}
}

func migrateTo(t testing.TB, db *Database, version int64) error {
	dialect, scripts, folder := goose.DialectSQLite3, fs.FS(migrations.SQLite), "sqlite"
	if db.Driver == sqldb.MySQL {
		dialect, scripts, folder = goose.DialectMySQL, migrations.MySQL, "mysql"
	}
	scripts, err := fs.Sub(scripts, folder)
	if err != nil {
		return err
	}
	versions, err := goosedb.NewStore(dialect, "schema_versions")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectCustom, db.Raw(t), scripts, goose.WithStore(versions), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = provider.UpTo(t.Context(), version)
	return err
}

// What FillEarlier stores.
const (
	EarlierInstance = "earlier-key"
	EarlierTenant   = "5ea51e00-0000-4000-8000-000000000001"
	EarlierAccount  = "acc00000-0000-4000-8000-000000000001"
	EarlierBorrower = "b0110000-0000-4000-8000-000000000001"
	EarlierEvents   = 1100 // more than one checkpoint covers
	EarlierSecrets  = 7    // sealed values
)

// FillEarlier fills an empty database as commit 470e62b did, before there were key checks, MACs and checkpoints: with an
// instance, a tenant, an active and a pending grant, a consent, a state and events.
func (db *Database) FillEarlier(t testing.TB) {
	t.Helper()
	db.MigrateTo(t, 3)
	raw := db.Raw(t)
	insert := func(table, columns string, values ...any) {
		t.Helper()
		query := "INSERT INTO " + table + " (" + columns + ") VALUES (?" + strings.Repeat(", ?", len(values)-1) + ")"
		if _, err := raw.ExecContext(t.Context(), query, values...); err != nil {
			t.Fatalf("%s = %v", query, err)
		}
	}
	sealed := func(text, table, row, column string) []byte {
		t.Helper()
		ciphertext, err := db.Keyring.Seal([]byte(text), table, row, column)
		if err != nil {
			t.Fatalf("Seal() = _, %v", err)
		}
		return ciphertext
	}
	const at, later, directory = "2026-11-01 08:00:00.000", "2026-12-01 08:00:00.000", "d1000000-0000-4000-8000-000000000001"
	insert("instances", "instance_key, instance_id, root_id, controller_uri, package_version, cloud, application_id, credentials, mfa_request, borrowers,"+
		" skip_landing, direct_link, tenant_application, created_at, updated_at, version",
		EarlierInstance, "1d000000-0000-4000-8000-000000000001", "40070000-0000-4000-8000-000000000001", "https://controller.example/", "1-1", "global",
		"a9900000-0000-4000-8000-000000000001", sealed(`{"secret":{"value":"earlier-secret"}}`, "instances", EarlierInstance, "credentials"),
		"amr", `["`+EarlierBorrower+`"]`, false, false, true, at, at, 3)
	insert("tenants", "id, instance_key, account_id, subscription_id, name, marketplace, directory_id, directory, application_id, credentials, created_at, updated_at, version",
		EarlierTenant, EarlierInstance, EarlierAccount, "sub", "Reseller", "Market", directory, "reseller.onmicrosoft.com", "",
		sealed(`{"secret":{"value":"earlier-secret"}}`, "tenants", EarlierTenant, "credentials"), at, at, 2)
	for _, slot := range []string{"active", "pending"} {
		insert("grants", "tenant_id, slot, refresh_token, issued_at, directory_id, application_id, procedure_name, consent_id, consented_at, consented_by, asked_by, scopes, checks, version",
			EarlierTenant, slot, sealed("earlier-token", "grants", EarlierTenant+"/"+slot, "refresh_token"), at, directory,
			"a9900000-0000-4000-8000-000000000001", "automatic", "c0115e00-0000-4000-8000-000000000001", at, `{"objectId":"o1","username":"ada@reseller.example","name":"Ada"}`, "Paul",
			`["offline_access"]`, `{"mfa":"yes","globalAdmin":"yes","adminAgent":"yes"}`, 4)
	}
	insert("schedules", "tenant_id, due_at, expires_at, slack_day, attempt, version", EarlierTenant, later, later, 20000, 0, 1)
	insert("consents", "id, tenant_id, procedure_name, status, link, link_hash, asked_by_kind, asked_by_id, asked_by_name, asked_by_account_id, asked_by_original_id,"+
		" created_at, expires_at, consented_by, claim_attempts, version",
		"earlier-consent", EarlierTenant, "manual", "waiting", sealed("earlier-link", "consents", "earlier-consent", "link"), "earlier-link-hash", "user", "u1", "Paul", EarlierAccount, "",
		at, later, "{}", 0, 1)
	insert("states", "state_hash, consent_id, tenant_id, browser_hash, without_claims, nonce, verifier, created_at, expires_at, ended_at",
		"earlier-state", "earlier-consent", EarlierTenant, "", false, sealed("earlier-nonce", "states", "earlier-state", "nonce"),
		sealed("earlier-verifier", "states", "earlier-state", "verifier"), at, later, later)
	tx, err := raw.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatalf("BeginTx() = _, %v", err)
	}
	for i := range EarlierEvents {
		_, err := tx.ExecContext(t.Context(), "INSERT INTO events (id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id,"+
			" actor_original_id, result, reference, details) VALUES (?, ?, ?, ?, 'token.lent', 'application', ?, '', '', '', 'ok', 'ref', ?)",
			fmt.Sprintf("earlier-event-%d", i), at, EarlierInstance, EarlierTenant, EarlierBorrower, `{"api":"graph"}`)
		if err != nil {
			t.Fatalf("inserting events = %v", err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatalf("Commit() = %v", err)
	}
}
