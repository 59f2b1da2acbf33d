package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
)

func newKeyring(t *testing.T) *seal.Keyring {
	t.Helper()
	k, err := seal.Create()
	if err != nil {
		t.Fatalf("seal.Create() = _, %v", err)
	}
	return k
}

// must returns the keyring of a call, which must not fail.
func must(t *testing.T) func(k *seal.Keyring, err error) *seal.Keyring {
	return func(k *seal.Keyring, err error) *seal.Keyring {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}

// migrate opens the database with a keyring as connector serve does.
func migrate(t *testing.T, db *storetest.Database, k *seal.Keyring) error {
	t.Helper()
	return db.Unmigrated(t, func(cfg *store.Config) { cfg.Keyring = k }).Migrate(t.Context())
}

func execute(t *testing.T, db *storetest.Database, statement string, args ...any) {
	t.Helper()
	if _, err := db.Raw(t).ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s = %v", statement, err)
	}
}

func TestMigrate_RefusesOtherKeys(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		if err := migrate(t, db, db.Keyring); err != nil {
			t.Fatalf("Migrate() of an empty database = %v", err)
		}
		lost := fmt.Sprint("key ", db.Keyring.Primary())
		// The database holds no secret yet, and belongs to its keys already.
		if err := migrate(t, db, newKeyring(t)); !errors.Is(err, store.ErrWrongKeys) || !strings.Contains(err.Error(), lost) {
			t.Errorf("Migrate() with other keys = %v, want %v and the %s", err, store.ErrWrongKeys, lost)
		}
		if err := migrate(t, db, db.Keyring); err != nil {
			t.Errorf("Migrate() with its keys = %v", err)
		}
	})
}

func TestMigrate_ReplacedKeys(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		first := db.Keyring
		announced := must(t)(first.Announce())
		both := must(t)(announced.Promote())
		newest := must(t)(both.Retire(first.Primary()))
		for _, step := range []struct {
			name string
			keys *seal.Keyring
			want error
		}{
			{"first", first, nil},
			{"announced", announced, nil},
			{"first, with one that was not used", first, nil},
			{"newest only, although the first is not retired", newest, store.ErrWrongKeys},
			{"both", both, nil},
			{"announced, after the newest sealed", announced, nil},
			{"first only, after the newest sealed", first, store.ErrWrongKeys},
			{"newest only", newest, store.ErrWrongKeys},
		} {
			if err := migrate(t, db, step.keys); !errors.Is(err, step.want) {
				t.Errorf("Migrate() with %s = %v, want %v", step.name, err, step.want)
			}
		}
	})
}

// TestMigrate_ChecksKeysOfAnEarlierProgram upgrades the database of a program that recorded no keys.
func TestMigrate_ChecksKeysOfAnEarlierProgram(t *testing.T) {
	t.Parallel()
	version := func(t *testing.T, db *storetest.Database) (version int) {
		t.Helper()
		if err := db.Raw(t).QueryRowContext(t.Context(), "SELECT MAX(version_id) FROM schema_versions").Scan(&version); err != nil {
			t.Fatal(err)
		}
		return version
	}
	sealed := func(t *testing.T, k *seal.Keyring, table, row, column string) []byte {
		t.Helper()
		ciphertext, err := k.Seal([]byte(`{"secret":{"value":"canary"}}`), table, row, column)
		if err != nil {
			t.Fatal(err)
		}
		return ciphertext
	}
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		const earlier = 3
		db.MigrateTo(t, earlier)
		both := must(t)(db.Keyring.Add())
		newest := must(t)(both.Retire(db.Keyring.Primary()))
		add := func(id string, credentials []byte) {
			t.Helper()
			execute(t, db, "INSERT INTO tenants (id, instance_key, account_id, subscription_id, name, marketplace, directory, application_id, credentials, version)"+
				" VALUES (?, 'key', 'account', '', '', '', '', '', ?, 1)", id, credentials)
		}
		for _, id := range []string{"t1", "t2", "t3"} {
			add(id, sealed(t, db.Keyring, "tenants", id, "credentials"))
			execute(t, db, "INSERT INTO grants (tenant_id, slot, refresh_token, issued_at, directory_id, application_id, procedure_name, consent_id, consented_by,"+
				" asked_by, checks, version) VALUES (?, 'active', ?, '2026-11-23 12:00:00.000', '', '', '', '', '{}', '', '{}', 1)",
				id, sealed(t, both, "grants", id+"/active", "refresh_token"))
		}
		for name, k := range map[string]*seal.Keyring{
			"other keys": newKeyring(t), "the first key, without the newest": db.Keyring, "the newest key, without the first": newest,
		} {
			if err := migrate(t, db, k); !errors.Is(err, store.ErrWrongKeys) {
				t.Errorf("Migrate() with %s = %v, want %v", name, err, store.ErrWrongKeys)
			}
			if after := version(t, db); after != earlier {
				t.Fatalf("Migrate() with %s migrated the schema from version %d to %d, want it left alone", name, earlier, after)
			}
		}

		// A damaged value stops nobody, whatever its beginning says.
		add("damaged", []byte("damaged"))
		add("damaged too", append([]byte{1, 0, 0, 48, 57}, "damaged"...)) // as if another key had sealed it
		execute(t, db, "UPDATE tenants SET credentials = (SELECT c FROM (SELECT credentials AS c FROM tenants WHERE id = 't2') AS x) WHERE id = 't1'")
		if err := migrate(t, db, both); err != nil {
			t.Fatalf("Migrate() with damaged values = %v", err)
		}
		// From now on the database knows both keys.
		for name, k := range map[string]*seal.Keyring{"the first key": db.Keyring, "the newest key": newest} {
			if err := migrate(t, db, k); !errors.Is(err, store.ErrWrongKeys) {
				t.Errorf("Migrate() with %s only = %v, want %v", name, err, store.ErrWrongKeys)
			}
		}
	})
}

func TestSetForm_HoldsForEveryKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		form, err := store.Form(t.Context(), s)
		if err != nil {
			t.Fatalf("Form() = _, %v", err)
		}
		both := must(t)(db.Keyring.Add())
		s = db.Open(t, func(cfg *store.Config) { cfg.Keyring = both })
		check := func(s *store.Store, want int) {
			t.Helper()
			if form, err := store.Form(t.Context(), s); form != want || err != nil {
				t.Errorf("Form() = %d, %v, want %d", form, err, want)
			}
		}
		check(s, form)
		if err := store.SetForm(t.Context(), s, form+3); err != nil {
			t.Fatalf("SetForm() = %v", err)
		}
		check(s, form+3)
		// A key that is added later takes over the form, and so does one that alone remains.
		third := must(t)(both.Add())
		check(db.Open(t, func(cfg *store.Config) { cfg.Keyring = third }), form+3)
		execute(t, db, "DELETE FROM key_checks WHERE key_id <> ?", db.Keyring.Primary())
		check(s, form+3)
	})
}
