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

// forgetChecks makes the database one of a program that did not know key checks.
func forgetChecks(t *testing.T, db *storetest.Database) {
	t.Helper()
	execute(t, db, "DROP TABLE key_checks")
	execute(t, db, "DELETE FROM schema_versions WHERE version_id >= 4")
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

// TestMigrate_ChecksKeysOfAnEarlierProgram starts on databases of a program that recorded no keys.
func TestMigrate_ChecksKeysOfAnEarlierProgram(t *testing.T) {
	t.Parallel()
	version := func(t *testing.T, db *storetest.Database) (version int) {
		t.Helper()
		if err := db.Raw(t).QueryRowContext(t.Context(), "SELECT MAX(version_id) FROM schema_versions").Scan(&version); err != nil {
			t.Fatal(err)
		}
		return version
	}
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		tenantID, _ := fill(t, s)
		forgetChecks(t, db)
		before := version(t, db)
		if err := migrate(t, db, newKeyring(t)); !errors.Is(err, store.ErrWrongKeys) {
			t.Errorf("Migrate() with other keys = %v, want %v", err, store.ErrWrongKeys)
		}
		if after := version(t, db); after != before {
			t.Errorf("Migrate() with other keys migrated the schema from version %d to %d", before, after)
		}

		// A ring that has the newest key and lacks one that values need.
		both := must(t)(db.Keyring.Add())
		newest := must(t)(both.Retire(db.Keyring.Primary()))
		g := newGrant(tenantID, "predecessor", noon)
		if err := db.Unmigrated(t, func(cfg *store.Config) { cfg.Keyring = both }).SaveGrant(t.Context(), &g); err != nil {
			t.Fatalf("SaveGrant() = %v", err)
		}
		if err := migrate(t, db, newest); !errors.Is(err, store.ErrWrongKeys) {
			t.Errorf("Migrate() without an older key that values need = %v, want %v", err, store.ErrWrongKeys)
		}

		// One damaged value stops nobody, whatever its beginning says.
		execute(t, db, "UPDATE grants SET refresh_token = ? WHERE slot = 'active'", append(seal.PrefixOf(12345), "damaged"...))
		execute(t, db, "UPDATE grants SET refresh_token = ? WHERE slot = 'pending'", []byte("damaged"))
		if err := migrate(t, db, both); err != nil {
			t.Fatalf("Migrate() with a damaged value = %v", err)
		}
		// From now on, the database knows both keys.
		for name, k := range map[string]*seal.Keyring{"the first key": db.Keyring, "the newest key": newest} {
			if err := migrate(t, db, k); !errors.Is(err, store.ErrWrongKeys) {
				t.Errorf("Migrate() with %s only = %v, want %v", name, err, store.ErrWrongKeys)
			}
		}
	})
}

func TestSetForm(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		both := must(t)(db.Keyring.Add())
		s = db.Open(t, func(cfg *store.Config) { cfg.Keyring = both })
		check := func(s *store.Store, want int) {
			t.Helper()
			if form, err := store.Form(t.Context(), s); form != want || err != nil {
				t.Errorf("Form() = %d, %v, want %d", form, err, want)
			}
		}
		check(s, 0)
		if err := store.SetForm(t.Context(), s, 3); err != nil {
			t.Fatalf("SetForm() = %v", err)
		}
		check(s, 3)
		// A key that is added later takes over the form, and so does one that alone remains.
		third := must(t)(both.Add())
		check(db.Open(t, func(cfg *store.Config) { cfg.Keyring = third }), 3)
		execute(t, db, "DELETE FROM key_checks WHERE key_id <> ?", db.Keyring.Primary())
		check(s, 3)
	})
}
