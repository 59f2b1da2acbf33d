package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

func newClient(name string) client.Client {
	return client.Client{
		Name: name, CreatedAt: sqldb.StoredTime(noon), ExpiresAt: sqldb.StoredTime(noon.AddDate(1, 0, 0)),
		Scopes: client.Scopes{
			Tenants: []string{"t1"}, APIs: []string{"graph"}, Directories: []string{tenant.PartnerDirectory}, Operations: []client.Operation{client.Lend},
		},
	}
}

func newKey(id, of, hash string) client.Key {
	return client.Key{ID: id, Client: of, Hash: hash, CreatedAt: sqldb.StoredTime(noon), ExpiresAt: sqldb.StoredTime(noon.AddDate(0, 1, 0))}
}

// withClients adds the clients one, with two keys, and two, with one.
func withClients(t *testing.T, s *store.Store) {
	t.Helper()
	err := errors.Join(
		s.AddClient(t.Context(), newClient("one")), s.AddClient(t.Context(), newClient("two")),
		s.AddKey(t.Context(), newKey("k1", "one", "h1")), s.AddKey(t.Context(), newKey("k2", "one", "h2")), s.AddKey(t.Context(), newKey("k3", "two", "h3")),
	)
	if err != nil {
		t.Fatal(err)
	}
}

// TestClients_PublicKey stores a public key, and changes it by SQL.
func TestClients_PublicKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s, ctx := db.Open(t), t.Context()
		withClients(t, s)
		want := newKey("k4", "one", "h4")
		want.PublicKey = `{"kty":"EC"}`
		if err := s.AddKey(ctx, want); err != nil {
			t.Fatal(err)
		}
		if _, k, err := s.ClientByKey(ctx, "h4"); err != nil || cmp.Diff(want, k) != "" {
			t.Errorf("ClientByKey() = %+v, %v, want %+v", k, err, want)
		}
		for _, statement := range []string{
			"UPDATE client_keys SET public_key = '{}' WHERE id = 'k4'",
			"UPDATE client_keys SET public_key = NULL WHERE id = 'k4'",
			"UPDATE client_keys SET public_key = '{}' WHERE id = 'k1'",
		} {
			execute(t, db, statement)
		}
		keys, err := s.Keys(ctx, "one")
		for _, k := range keys {
			if k.Altered != (k.ID != "k2") {
				t.Errorf("Keys() = %s altered %t", k.ID, k.Altered)
			}
		}
		if err != nil || len(keys) != 3 {
			t.Errorf("Keys() = %+v, %v, want 3", keys, err)
		}
	})
}

func TestClients_AddFindDelete(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s, ctx := db.Open(t), t.Context()
		if _, err := s.Client(ctx, "one"); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("Client() of nobody = %v, want %v", err, tenant.ErrNotFound)
		}
		if err := s.AddKey(ctx, newKey("k1", "one", "h1")); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("AddKey() of nobody = %v, want %v", err, tenant.ErrNotFound)
		}
		withClients(t, s)
		if err := s.AddClient(ctx, newClient("one")); !errors.Is(err, tenant.ErrChanged) {
			t.Errorf("AddClient() again = %v, want %v", err, tenant.ErrChanged)
		}
		if err := s.AddKey(ctx, newKey("k9", "two", "h1")); !errors.Is(err, tenant.ErrChanged) {
			t.Errorf("AddKey() with the hash of another = %v, want %v", err, tenant.ErrChanged)
		}
		clients, err := s.Clients(ctx)
		if diff := cmp.Diff([]client.Client{newClient("one"), newClient("two")}, clients); err != nil || diff != "" {
			t.Errorf("Clients() = %v, (-want +got)\n%s", err, diff)
		}
		c, k, err := s.ClientByKey(ctx, "h2")
		if err != nil || c.Altered || c.Name != "one" || cmp.Diff(newKey("k2", "one", "h2"), k) != "" {
			t.Errorf("ClientByKey() = %+v, %+v, %v, want client one and its key k2", c, k, err)
		}
		for _, hash := range []string{"", "h", "h2 ", "H2"} {
			if _, _, err := s.ClientByKey(ctx, hash); !errors.Is(err, tenant.ErrNotFound) {
				t.Errorf("ClientByKey(%q) = %v, want %v", hash, err, tenant.ErrNotFound)
			}
		}
		at := sqldb.StoredTime(noon.Add(time.Hour))
		if err := s.TouchKeyOf(ctx, "k2", at); err != nil {
			t.Fatal(err)
		}
		if _, k, err = s.ClientByKey(ctx, "h2"); err != nil || !k.LastUsedAt.Equal(at) || k.Altered {
			t.Errorf("ClientByKey() after its use = %+v, %v, want it used at %s", k, err, at)
		}
		if err := s.DeleteKey(ctx, "two", "k1"); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("DeleteKey() of another client = %v, want %v", err, tenant.ErrNotFound)
		}
		if err := s.DeleteKey(ctx, "one", "k1"); err != nil {
			t.Errorf("DeleteKey() = %v", err)
		}
		if keys, err := s.Keys(ctx, "one"); err != nil || len(keys) != 1 || keys[0].ID != "k2" {
			t.Errorf("Keys() = %+v, %v, want k2", keys, err)
		}
		if err := s.DeleteClient(ctx, "one"); err != nil {
			t.Errorf("DeleteClient() = %v", err)
		}
		if _, _, err := s.ClientByKey(ctx, "h2"); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("ClientByKey() of a deleted client = %v, want %v", err, tenant.ErrNotFound)
		}
		if _, _, err := s.ClientByKey(ctx, "h3"); err != nil {
			t.Errorf("ClientByKey() of the other client = %v", err)
		}
	})
}

// TestClients_AlteredBySQL changes by SQL what clients may do, and whose a key is.
func TestClients_AlteredBySQL(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"scopes":        `UPDATE clients SET scopes = '{"tenants":["any"],"apis":["graph"],"directories":["partner"],"operations":["lend"]}' WHERE name = 'one'`,
		"rules":         `UPDATE clients SET scopes = REPLACE(scopes, '}', ',"forward":[{"api":"graph","methods":["*"],"path":"/**"}]}') WHERE name = 'one'`,
		"longer life":   "UPDATE clients SET expires_at = NULL WHERE name = 'one'",
		"another's mac": "UPDATE clients SET mac = (SELECT mac FROM (SELECT mac FROM clients WHERE name = 'two') c) WHERE name = 'one'",
		"stolen key":    "UPDATE client_keys SET client = 'one' WHERE id = 'k3'",
		"longer key":    "UPDATE client_keys SET expires_at = NULL WHERE id = 'k1'",
		"a public key":  "UPDATE client_keys SET public_key = '{}' WHERE id = 'k1'",
		"another's key": "UPDATE client_keys SET key_hash = 'h9' WHERE id = 'k1'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *storetest.Database) {
				s, ctx := db.Open(t), t.Context()
				withClients(t, s)
				execute(t, db, statement)
				var altered int
				for _, hash := range []string{"h1", "h3", "h9"} {
					c, k, err := s.ClientByKey(ctx, hash)
					if err == nil && c.Name == "one" && (c.Altered || k.Altered) {
						altered++
					}
				}
				if altered == 0 {
					t.Error("ClientByKey() shows no altered row")
				}
				rows, err := s.Altered(ctx)
				if err != nil || len(rows) != 1 || rows[0].Client == "" {
					t.Fatalf("Altered() = %+v, %v, want the one that was changed", rows, err)
				}
				if err := s.Accept(ctx, rows[0], noon, audit.Actor{Kind: audit.Operator}); !errors.Is(err, store.ErrRemoveInstead) {
					t.Errorf("Accept() = %v, want %v", err, store.ErrRemoveInstead)
				}
				for range 2 { // the second time within a day
					if n, err := s.ReportAltered(ctx, noon); err != nil || n != 1 {
						t.Errorf("ReportAltered() = %d, %v, want 1", n, err)
					}
				}
				events, err := s.Events(ctx, "", time.Time{}, 10)
				if err != nil || len(events) != 1 || events[0].Action != audit.IntegrityViolated {
					t.Errorf("events = %+v, %v, want one of the violation", events, err)
				}
				if err := s.DeleteClient(ctx, "one"); err != nil {
					t.Errorf("DeleteClient() = %v", err)
				}
			})
		})
	}
}

// TestReseal_RenewsTheMACsOfClients replaces the sealing key.
func TestReseal_RenewsTheMACsOfClients(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		withClients(t, db.Open(t))
		both, err := db.Keyring.Add()
		if err != nil {
			t.Fatal(err)
		}
		s := db.Open(t, func(cfg *store.Config) { cfg.Keyring = both })
		if _, err := s.Reseal(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if altered, err := s.Altered(t.Context()); err != nil || len(altered) > 0 {
			t.Errorf("Altered() = %+v, %v, want none", altered, err)
		}
		uses, err := s.KeyUses(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, use := range uses {
			if use.Table == "clients" || use.Table == "client_keys" {
				if use.Key != both.Primary() {
					t.Errorf("KeyUses() = %+v, want the new key", use)
				}
			}
		}
	})
}
