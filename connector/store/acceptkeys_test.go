package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

var operator = audit.Actor{Kind: audit.Operator, Name: "olga"}

func TestAcceptKeys_RecordsThemAnew(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"damaged": "UPDATE key_checks SET sealed = x'64616d61676564'",
		"emptied": "UPDATE key_checks SET sealed = NULL",
		"removed": "DELETE FROM key_checks",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *storetest.Database) {
				ctx := t.Context()
				s := db.Open(t)
				tenantID, _ := fill(t, s)
				if _, err := s.UnrecordedKeys(ctx); !errors.Is(err, store.ErrKeysRecorded) {
					t.Errorf("UnrecordedKeys() of an intact database = _, %v, want %v", err, store.ErrKeysRecorded)
				}
				execute(t, db, statement)
				execute(t, db, "UPDATE tenants SET account_id = 'mallory'")
				if err := migrate(t, db, db.Keyring); err == nil || !strings.Contains(err.Error(), "connector keys accept") {
					t.Errorf("Migrate() = %v, want the command that helps", err)
				}
				for what, k := range map[string]*seal.Keyring{"other keys": newKeyring(t), "a newer key only": must(t)(must(t)(db.Keyring.Add()).Retire(db.Keyring.Primary()))} {
					other := db.Unmigrated(t, func(cfg *store.Config) { cfg.Keyring = k })
					if err := other.AcceptKeys(ctx, noon, operator); !errors.Is(err, store.ErrWrongKeys) {
						t.Errorf("AcceptKeys() with %s = %v, want %v", what, err, store.ErrWrongKeys)
					}
				}
				found, err := s.UnrecordedKeys(ctx)
				if err != nil || !slices.Equal(found.Keys, []uint32{db.Keyring.Primary()}) || found.Opened < 5 || found.Failed != 0 {
					t.Errorf("UnrecordedKeys() = %+v, %v, want the key, and secrets that open", found, err)
				}
				if err := migrate(t, db, db.Keyring); err == nil {
					t.Error("Migrate() after UnrecordedKeys() = nil, want nothing recorded yet")
				}
				if err := s.AcceptKeys(ctx, noon, operator); err != nil {
					t.Fatalf("AcceptKeys() = %v", err)
				}
				if err := migrate(t, db, db.Keyring); err != nil {
					t.Errorf("Migrate() after AcceptKeys() = %v", err)
				}
				if form, err := store.Form(ctx, s); form != store.CurrentForm || err != nil {
					t.Errorf("Form() = %d, %v, want %d", form, err, store.CurrentForm)
				}
				events, err := s.EventsOf(ctx, "", []audit.Action{audit.IntegrityAccepted}, 10)
				if err != nil || len(events) != 1 || events[0].Actor != operator || events[0].Details["table"] != "key_checks" ||
					events[0].Details["keys"] != fmt.Sprint(db.Keyring.Primary()) {
					t.Errorf("EventsOf() = %+v, %v, want one that names the key", events, err)
				}
				if r, err := s.Resolve(ctx, tenantID); err != nil || !r.Tenant.Altered {
					t.Errorf("Resolve() = %v, altered: %t, want a tenant that stays altered", err, r.Tenant.Altered)
				}
				if g, err := s.Grant(ctx, tenantID, token.Active); err != nil || g.Unreadable {
					t.Errorf("Grant() = %v, unreadable: %t, want the refresh token", err, g.Unreadable)
				}
				if err := s.AcceptKeys(ctx, noon, operator); !errors.Is(err, store.ErrKeysRecorded) {
					t.Errorf("AcceptKeys() again = %v, want %v", err, store.ErrKeysRecorded)
				}
			})
		})
	}
}

// TestAcceptKeys_OneOfTwo keeps the record of the other key, and that a retired one is retired.
func TestAcceptKeys_OneOfTwo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		fill(t, db.Open(t))
		both := must(t)(db.Keyring.Add())
		s := db.Open(t, func(cfg *store.Config) { cfg.Keyring = both })
		execute(t, db, "UPDATE key_checks SET sealed = x'64616d61676564' WHERE key_id = ?", int64(db.Keyring.Primary()))
		if err := migrate(t, db, both); err == nil {
			t.Error("Migrate() with a damaged record = nil")
		}
		found, err := s.UnrecordedKeys(t.Context())
		if err != nil || !slices.Equal(found.Keys, []uint32{db.Keyring.Primary()}) {
			t.Errorf("UnrecordedKeys() = %+v, %v, want the older key", found, err)
		}
		if err := s.AcceptKeys(t.Context(), noon, operator); err != nil {
			t.Fatalf("AcceptKeys() = %v", err)
		}
		if _, err := s.Reseal(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		execute(t, db, "UPDATE key_checks SET used_at = NULL") // no connector runs
		if err := s.RetireKey(t.Context(), db.Keyring.Primary()); err != nil {
			t.Fatalf("RetireKey() = %v", err)
		}
		execute(t, db, "UPDATE key_checks SET sealed = x'64616d61676564' WHERE retired_at IS NULL")
		if err := s.AcceptKeys(t.Context(), noon, operator); err != nil {
			t.Errorf("AcceptKeys() beside a retired key = %v", err)
		}
		if err := migrate(t, db, db.Keyring); !errors.Is(err, store.ErrWrongKeys) {
			t.Errorf("Migrate() with the retired key = %v, want %v", err, store.ErrWrongKeys)
		}
		if err := db.Unmigrated(t).AcceptKeys(t.Context(), noon, operator); !errors.Is(err, store.ErrWrongKeys) {
			t.Errorf("AcceptKeys() with the retired key = %v, want %v", err, store.ErrWrongKeys)
		}
	})
}

// TestAcceptKeys_RefusesAnEarlierForm has a value of the form before the upgrade, which somebody may have kept.
func TestAcceptKeys_RefusesAnEarlierForm(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		tenantID, _ := fill(t, s)
		old, err := db.Keyring.Seal([]byte("old-token"), "grants", tenantID+"/active", "refresh_token")
		if err != nil {
			t.Fatal(err)
		}
		execute(t, db, "UPDATE grants SET refresh_token = ? WHERE slot = 'active'", old)
		execute(t, db, "DELETE FROM key_checks")
		if err := s.AcceptKeys(t.Context(), noon, operator); err == nil || !strings.Contains(err.Error(), "the form of an earlier version") {
			t.Errorf("AcceptKeys() = %v, want a refusal that says so", err)
		}
		var n int
		if err := db.Raw(t).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM key_checks").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d keys are recorded, %v, want none", n, err)
		}
	})
}
