package store_test

import (
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
)

// TestReseal_RenewsMACs replaces the key and retires it: everything is still proven, and what was altered still is not.
func TestReseal_RenewsMACs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		first := db.Keyring
		s := db.Open(t)
		fill(t, s)
		altered := addTenant(t, s)
		execute(t, db, "UPDATE tenants SET account_id = 'mallory' WHERE id = ?", altered.ID)
		writeEvents(t, s, noon, 70)
		writeCheckpoints(t, s, noon.Add(70_000_000_000))
		both := must(t)(first.Add())
		renewing := db.Open(t, func(cfg *store.Config) { cfg.Keyring = both })
		rows := map[string]int{}
		if _, err := renewing.Reseal(t.Context(), func(p store.Progress) {
			if p.Column == "mac" {
				rows[p.Table] = p.Older
			}
			if p.Table == "tenants" && p.Column == "mac" && (p.Failed != 1 || p.Rows[0] != altered.ID) {
				t.Errorf("Reseal() = %+v, want the altered tenant among the failed", p)
			}
		}); err != nil {
			t.Fatalf("Reseal() = %v", err)
		}
		if rows["instances"] != 1 || rows["tenants"] != 1 || rows["checkpoints"] != 1 || rows["events"] != 59 {
			t.Errorf("Reseal() renewed %v, want one instance, one tenant, one checkpoint and 59 events", rows)
		}
		newest := must(t)(both.Retire(first.Primary()))
		execute(t, db, "UPDATE key_checks SET sealed = NULL, retired_at = '2026-11-01 00:00:00.000' WHERE key_id = ?", first.Primary())
		after := db.Open(t, func(cfg *store.Config) { cfg.Keyring = newest })
		if v := checkEvents(t, after, 11); v.Uncovered != 59 {
			t.Errorf("VerifyEvents() = %+v, want 59 uncovered", v)
		}
		tenants, err := after.Tenants(t.Context(), instanceKey)
		if err != nil || len(tenants) != 2 {
			t.Fatalf("Tenants() = %d, %v, want two", len(tenants), err)
		}
		for _, stored := range tenants {
			if stored.Altered != (stored.ID == altered.ID) {
				t.Errorf("Tenants() = %s altered: %t", stored.ID, stored.Altered)
			}
		}
		if err := after.SaveTenant(t.Context(), &tenants[0]); err != nil && !failure.Is(err, failure.Integrity) {
			t.Errorf("SaveTenant() = %v", err)
		}
	})
}
