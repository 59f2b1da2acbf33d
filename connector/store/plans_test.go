package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// populate adds 900 tenants with rows in every table, so that the database has a reason to use its indexes. Half of them
// are due; a few of the rest are old enough to be purged.
func populate(t *testing.T, raw *sql.DB, driver string) {
	t.Helper()
	number := "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 900) SELECT "
	id, concat := "printf('tenant-%04d', n)", func(prefix string) string { return "printf('" + prefix + "-%04d', n)" }
	if driver == sqldb.MySQL {
		id, concat = "CONCAT('tenant-', LPAD(n, 4, '0'))", func(prefix string) string { return "CONCAT('" + prefix + "-', LPAD(n, 4, '0'))" }
	}
	at := func(old, otherwise string) string {
		return "CASE WHEN n < 10 THEN '" + old + " 00:00:00.000' ELSE '" + otherwise + " 00:00:00.000' END"
	}
	for _, statement := range []string{
		"INSERT INTO tenants (id, instance_key, account_id, subscription_id, name, marketplace, directory_id, directory, application_id, version) " +
			number + id + ", 'key', 'a', 's', 'n', 'm', " + concat("directory") + ", 'd', 'a', 1 FROM numbers",
		"INSERT INTO grants (tenant_id, slot, issued_at, directory_id, application_id, procedure_name, consent_id, consented_at, consented_by, asked_by, checks, version) " +
			number + id + ", CASE WHEN n < 10 THEN 'pending' ELSE 'active' END, '2026-10-01 00:00:00.000', 'd', 'a', 'manual', 'c', " + at("2026-01-01", "2026-10-01") + ", '{}', 'x', '{}', 1 FROM numbers",
		"INSERT INTO schedules (tenant_id, due_at, expires_at, slack_day, attempt, version) " +
			number + id + ", CASE WHEN n < 450 THEN '2026-11-01 00:00:00.000' ELSE '2026-12-01 00:00:00.000' END, '2026-12-30 00:00:00.000', 20817, 0, 1 FROM numbers",
		"INSERT INTO consents (id, tenant_id, procedure_name, status, asked_by_kind, asked_by_id, asked_by_name, asked_by_account_id, asked_by_original_id, created_at, consented_by, claim_attempts, purge_at, version) " +
			number + concat("consent") + ", " + id + ", 'manual', 'waiting', 'user', 'u', 'n', 'a', 'o', '2026-11-01 00:00:00.000', '{}', 0, " + at("2026-01-01", "2026-11-23") + ", 1 FROM numbers",
		"INSERT INTO states (state_hash, consent_id, tenant_id, browser_hash, without_claims, created_at, expires_at, ended_at) " +
			number + concat("state") + ", " + concat("consent") + ", " + id + ", 'b', 0, '2026-11-01 00:00:00.000', '2026-12-01 00:00:00.000', " + at("2026-01-01", "2026-11-23") + " FROM numbers",
		"INSERT INTO events (id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference, checkpoint) " +
			number + concat("event") + ", '2026-11-01 00:00:00.000', 'key', " + id + ", 'grant.renewed', 'scheduler', '', '', '', '', 'ok', 'r', 1 FROM numbers",
		"INSERT INTO checkpoints (number, written_at, ends_at, events, hash, previous, removed_through, removed_events, removed_hash, mac) " +
			number + "n, '2026-11-01 00:00:00.000', '2026-11-01 00:00:00.000', 1, x'00', x'00', 0, 0, x'00', x'00' FROM numbers",
		"INSERT INTO nonces (consumer_key, nonce_hash, expires_at) " +
			number + "'key', " + map[string]string{sqldb.SQLite: "CAST(printf('%032d', n) AS BLOB)", sqldb.MySQL: "LPAD(n, 32, '0')"}[driver] + ", " + at("2026-01-01", "2026-12-01") + " FROM numbers",
		"INSERT INTO announcements (subject_kind, subject_id, look_at, version) " +
			number + "'tenant', " + id + ", " + at("2026-01-01", "2026-12-01") + ", 1 FROM numbers",
		"INSERT INTO allowances (name, subject, began_at, used, refused) " +
			number + "'consents', " + id + ", " + at("2026-01-01", "2026-12-01") + ", 1, 0 FROM numbers",
		map[string]string{
			sqldb.SQLite: "ANALYZE",
			sqldb.MySQL:  "ANALYZE TABLE tenants, grants, schedules, consents, states, events, checkpoints, nonces, announcements, allowances",
		}[driver],
	} {
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%.60s… = %v", statement, err)
		}
	}
}

// TestStore_EveryQueryUsesAnIndex reads the plans of both databases for all statements on tables that grow with the number
// of tenants, or with time: none may read a whole table.
func TestStore_EveryQueryUsesAnIndex(t *testing.T) {
	t.Parallel()
	const one = "tenant-0500"
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		populate(t, db.Raw(t), db.Driver)
		in := newInstance()
		in.Key = "key"
		if err := s.SaveInstance(ctx, &in); err != nil { // after ANALYZE, which would find one instance, and that reading them all is cheap
			t.Fatalf("SaveInstance() = %v", err)
		}
		for name, tc := range map[string]struct {
			index string // must be in the plan, besides the primary keys
			act   func() error
		}{
			"due tenants": {"schedules_due", func() error { _, err := s.Due(ctx, noon, 64); return err }},
			"leasing due tenants": {"schedules_due", func() error {
				_, err := s.LeaseDue(ctx, "replica", noon, noon.Add(time.Minute), 8)
				return err
			}},
			"a lease": {"", func() error {
				_, err := s.Lease(ctx, one, "another replica", noon, noon.Add(time.Minute))
				return err
			}},
			"a tenant's schedule":                     {"", func() error { _, err := s.Schedule(ctx, one); return err }},
			"a tenant's snapshot":                     {"", func() error { _, err := s.Snapshot(ctx, one); return err }},
			"a tenant, its instance and its snapshot": {"", func() error { _, _, err := s.ResolveWithSnapshot(ctx, one); return err }},
			"a tenant":              {"", func() error { _, err := s.Tenant(ctx, one); return err }},
			"an instance's tenants": {"tenants_of_instance", func() error { _, err := s.Tenants(ctx, "another"); return err }},
			"an instance's tenants that are not bound": {"", func() error { _, err := s.UnboundTenants(ctx, "another", true); return err }},
			"a tenant's grants":                        {"", func() error { _, err := s.HoldsGrant(ctx, one); return err }},
			"a tenant's events": {"events_of_tenant", func() error {
				_, err := s.Events(ctx, one, noon, 20)
				return err
			}},
			"some of a tenant's events": {"events_of_tenant", func() error {
				_, err := s.EventsOf(ctx, one, []audit.Action{audit.GrantRenewed}, 20)
				return err
			}},
			"a tenant's last events of a kind": {"events_of_tenant", func() error {
				_, err := s.RecentEvents(ctx, one, []audit.Action{audit.TenantReminded}, noon, 20)
				return err
			}},
			"a tenant's open consent": {"consents_of_tenant", func() error { _, err := s.OpenConsent(ctx, one, token.Manual); return err }},
			"a consent's open states": {"states_of_consent", func() error { _, err := s.OpenStates(ctx, "consent-0500", noon); return err }},
			"who has proven a directory": {"", func() error {
				_, err := s.Owner(ctx, "key", "directory-0500")
				if errors.Is(err, tenant.ErrNotFound) {
					return nil
				}
				return err
			}},
			"counting a use": {"", func() error { _, _, err := s.TakeAllowance(ctx, "consents", one, 1, noon); return err }},
			"due announcements": {"announcements_due", func() error {
				_, err := s.DueAnnouncements(ctx, noon, 20)
				return err
			}},
			"leasing an announcement": {"", func() error {
				_, err := s.LeaseAnnouncement(ctx, notify.Subject{Kind: notify.OfTenant, ID: "tenant-0005"}, "another replica", noon, noon.Add(time.Minute))
				return err
			}},
			"purging states and consents": {"states_ended consents_purge", func() error { return s.Purge(ctx, noon.AddDate(0, -6, 0)) }},
			"ending misdated consents":    {"states_ended consents_purge", func() error { return s.EndMisdated(ctx, latest(noon)) }},
			"purging nonces":              {"nonces_expiry", func() error { return s.PurgeNonces(ctx, noon.AddDate(0, -6, 0)) }},
			"purging unclaimed grants": {"grants_consented", func() error {
				_, err := s.Unclaimed(ctx, noon.AddDate(0, -6, 0), noon.Add(time.Hour), 1000)
				return err
			}},
			"deleting an unclaimed grant": {"", func() error {
				err := s.DeleteUnchanged(ctx, token.Grant{TenantID: "tenant-0005", Slot: token.Pending, Version: 77})
				if errors.Is(err, token.ErrStale) {
					return nil
				}
				return err
			}},
			"writing checkpoints": {"events_checkpoint", func() error {
				_, err := s.WriteCheckpoints(ctx, noon, func(store.Checkpoint) {})
				return err
			}},
			"purging events":    {"checkpoints_removed", func() error { return s.PurgeEvents(ctx, noon.AddDate(0, -6, 0)) }},
			"deleting a tenant": {"states_of_tenant consents_of_tenant", func() error { return s.DeleteTenant(ctx, "tenant-0800") }},
		} {
			t.Run(name, func(t *testing.T) { checkPlans(ctx, t, s, tc.index, tc.act) })
		}
	})
}

func checkPlans(ctx context.Context, t *testing.T, s *store.Store, wanted string, act func() error) {
	t.Helper()
	plans, err := store.Explain(ctx, s, act)
	if err != nil || len(plans) == 0 {
		t.Fatalf("Explain() = %d plans, %v", len(plans), err)
	}
	all := fmt.Sprintln(plans)
	for _, index := range strings.Fields(wanted) {
		if !strings.Contains(all, index) {
			t.Errorf("the index %s is not used: %s", index, all)
		}
	}
	for _, p := range plans {
		for _, step := range p.Steps {
			if unbounded(step) {
				t.Errorf("%s\nreads a table from end to end, or sorts more than a few rows: %s", p.Statement, step)
			}
		}
	}
}

// unbounded reports whether the cost of a step grows with its table. Reading events in the order of their sequence numbers
// is bounded by the size of the batch.
func unbounded(step string) bool {
	switch {
	case step == "SCAN events", step == "events index PRIMARY ":
		return false
	case strings.HasPrefix(step, "USE TEMP B-TREE"):
		return !strings.HasSuffix(step, "LAST TERM OF ORDER BY") // only rows with the same time
	}
	words := strings.Fields(step) // of MariaDB: table, access method, index
	return words[0] == "SCAN" || words[1] == "ALL" || words[1] == "index" || strings.Contains(step, "Using filesort")
}
