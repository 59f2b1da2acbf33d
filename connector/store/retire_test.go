package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
)

// stopAll makes it seem that no process has run for a day.
func stopAll(t *testing.T, db *storetest.Database) {
	t.Helper()
	execute(t, db, "UPDATE key_checks SET used_at = '2026-01-01 00:00:00.000'")
}

func TestRetireKey_RefusesWhileTheKeyIsUsed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		ctx := t.Context()
		first := db.Keyring
		fill(t, db.Open(t))
		both := must(t)(first.Add())
		s := db.Unmigrated(t, func(cfg *store.Config) { cfg.Keyring = both })
		needs := func(seals bool, values int) {
			t.Helper()
			err := s.RetireKey(ctx, first.Primary())
			needed, ok := errors.AsType[*store.KeyNeededError](err)
			if !ok || needed.Seals != seals {
				t.Fatalf("RetireKey() = %v, want a KeyNeededError that says %v about a running process", err, seals)
			}
			n := 0
			for _, use := range needed.Uses {
				n += use.Values
				if want := fmt.Sprintf("%s.%s: %d", use.Table, use.Column, use.Values); !strings.Contains(err.Error(), want) {
					t.Errorf("RetireKey() = %v, want %q in it", err, want)
				}
			}
			if n != values {
				t.Errorf("RetireKey() = %v, want %d values", err, values)
			}
		}
		const secrets = 7 + 2 // with the MACs of the instance and the tenant
		needs(true, secrets)
		if err := s.KeepKey(ctx, both.Primary()); err != nil {
			t.Fatalf("KeepKey() = %v", err)
		}
		stopAll(t, db)
		needs(false, secrets)
		// What does not open anyway does not need the key.
		execute(t, db, "UPDATE states SET nonce = ?", append(seal.PrefixOf(first.Primary()), "damaged"...))
		needs(false, secrets-1)
		if n, err := s.Reseal(ctx, nil); n != secrets-1 || err != nil {
			t.Fatalf("Reseal() = %d, %v, want %d", n, err, secrets-1)
		}
		if err := migrate(t, db, first); !errors.Is(err, store.ErrWrongKeys) {
			t.Errorf("Migrate() with the first key only = %v, want %v", err, store.ErrWrongKeys)
		}
		// A process that starts once more with the older key sealing is in the way.
		announced := must(t)(both.With(first.Primary()))
		if err := migrate(t, db, announced); err != nil {
			t.Fatalf("Migrate() with both keys, the first of which seals = %v", err)
		}
		needs(true, 0)
		stopAll(t, db)
		if err := s.RetireKey(ctx, both.Primary()); err == nil || errors.Is(err, store.ErrWrongKeys) {
			t.Errorf("RetireKey() of the key that seals = %v, want a refusal", err)
		}
		if err := s.RetireKey(ctx, first.Primary()); err != nil {
			t.Fatalf("RetireKey() = %v", err)
		}
		if err := s.RetireKey(ctx, first.Primary()); err != nil {
			t.Errorf("RetireKey() again = %v", err)
		}
		newest := must(t)(both.Retire(first.Primary()))
		for name, tc := range map[string]struct {
			keys *seal.Keyring
			want error
		}{
			"the newest key":                        {newest, nil},
			"both keys":                             {both, nil},
			"both keys, of which the retired seals": {announced, store.ErrWrongKeys},
			"the retired key":                       {first, store.ErrWrongKeys},
		} {
			if err := migrate(t, db, tc.keys); !errors.Is(err, tc.want) {
				t.Errorf("Migrate() with %s = %v, want %v", name, err, tc.want)
			}
		}
		// A process that had been suspended learns it.
		suspended := db.Unmigrated(t, func(cfg *store.Config) { cfg.Keyring = announced })
		if err := suspended.TouchKey(ctx); !errors.Is(err, store.ErrWrongKeys) {
			t.Errorf("TouchKey() of a process that seals with the retired key = %v, want %v", err, store.ErrWrongKeys)
		}
		if err := s.TouchKey(ctx); err != nil {
			t.Errorf("TouchKey() = %v", err)
		}
	})
}

func TestLoseKeys_LetsNewKeysGoOnWithoutTheLost(t *testing.T) {
	t.Parallel()
	earlier := func(t *testing.T, db *storetest.Database) {
		db.MigrateTo(t, 3)
		for _, id := range []string{"t1", "t2"} {
			ciphertext, err := db.Keyring.Seal([]byte(`{}`), "tenants", id, "credentials")
			if err != nil {
				t.Fatal(err)
			}
			execute(t, db, "INSERT INTO tenants (id, instance_key, account_id, subscription_id, name, marketplace, directory, application_id, credentials, version)"+
				" VALUES (?, 'key', 'account', '', '', '', '', 'app', ?, 1)", id, ciphertext)
		}
	}
	current := func(t *testing.T, db *storetest.Database) { fill(t, db.Open(t)) }
	for name, prepare := range map[string]func(*testing.T, *storetest.Database){"of an earlier program": earlier, "up to date": current} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
				prepare(t, db)
				created := newKeyring(t)
				s := db.Unmigrated(t, func(cfg *store.Config) { cfg.Keyring = created })
				if err := migrate(t, db, created); !errors.Is(err, store.ErrWrongKeys) {
					t.Fatalf("Migrate() with new keys = %v, want %v", err, store.ErrWrongKeys)
				}
				if err := s.LoseKeys(t.Context(), []uint32{12345}, noon, operator); !errors.Is(err, store.ErrWrongKeys) {
					t.Errorf("LoseKeys() of another key = %v, want %v", err, store.ErrWrongKeys)
				}
				if err := db.Unmigrated(t).LoseKeys(t.Context(), []uint32{db.Keyring.Primary()}, noon, operator); err == nil {
					t.Error("LoseKeys() of a key that the keyring has = nil, want an error")
				}
				if err := s.LoseKeys(t.Context(), []uint32{db.Keyring.Primary()}, noon, operator); err != nil {
					t.Fatalf("LoseKeys() = %v", err)
				}
				events, err := s.EventsOf(t.Context(), "", []audit.Action{audit.IntegrityAccepted}, 10)
				if err != nil || len(events) != 1 || events[0].Actor != operator || events[0].Details["lost"] != fmt.Sprint(db.Keyring.Primary()) {
					t.Errorf("EventsOf() = %+v, %v, want one that names the lost key", events, err)
				}
				if err := s.LoseKeys(t.Context(), []uint32{12345}, noon, operator); err == nil {
					t.Error("LoseKeys() of an unknown key, with nothing lost = nil, want an error")
				}
				if err := s.LoseKeys(t.Context(), []uint32{db.Keyring.Primary()}, noon, operator); err != nil {
					t.Errorf("LoseKeys() again = %v", err)
				}
				if err := migrate(t, db, created); err != nil {
					t.Errorf("Migrate() with the new keys afterwards = %v", err)
				}
				if err := migrate(t, db, db.Keyring); !errors.Is(err, store.ErrWrongKeys) {
					t.Errorf("Migrate() with the lost keys afterwards = %v, want %v", err, store.ErrWrongKeys)
				}
				tenants := db.Raw(t)
				var id string
				if err := tenants.QueryRowContext(t.Context(), "SELECT MIN(id) FROM tenants").Scan(&id); err != nil {
					t.Fatal(err)
				}
				if err := readTenant(t.Context(), s, id); !errors.Is(err, errUnreadable) {
					t.Errorf("reading a tenant whose key is lost = %v, want %v", err, errUnreadable)
				}
			})
		})
	}
}

func TestKeepKey_BelongsToTheDatabase(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	db.Open(t)
	other := newKeyring(t)
	if err := db.Unmigrated(t, func(cfg *store.Config) { cfg.Keyring = other }).KeepKey(t.Context(), other.Primary()); !errors.Is(err, store.ErrWrongKeys) {
		t.Errorf("KeepKey() with other keys = %v, want %v", err, store.ErrWrongKeys)
	}
}

// touchTolerance is longer than a test runs.
const touchTolerance = time.Hour

func TestNow_IsTheClockOfTheDatabase(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		// The row was written at the start, so it is neither older than a minute nor in the future.
		raw, kept := db.Raw(t), 0
		bounds, err := sqldb.Open(t.Context(), sqldb.Config{Driver: db.Driver, DSN: secret.New(db.DSN)})
		if err != nil {
			t.Fatal(err)
		}
		defer bounds.Close()
		query := "SELECT COUNT(*) FROM key_checks WHERE used_at > " + bounds.Now(-touchTolerance) + " AND used_at < " + bounds.Now(touchTolerance)
		if err := raw.QueryRowContext(t.Context(), query).Scan(&kept); err != nil || kept != 1 {
			t.Errorf("%s = %d, %v, want 1", query, kept, err)
		}
		stopAll(t, db)
		if err := s.TouchKey(t.Context()); err != nil {
			t.Fatalf("TouchKey() = %v", err)
		}
		if err := raw.QueryRowContext(t.Context(), query).Scan(&kept); err != nil || kept != 1 {
			t.Errorf("%s after TouchKey() = %d, %v, want 1", query, kept, err)
		}
	})
}
