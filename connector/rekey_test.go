package main_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// tenantCount is how many tenants fill stores: enough for several batches.
const tenantCount = 900

// secretCount is how many secrets fill stores: one of the instance and one of each tenant.
const secretCount = 1 + tenantCount

// A sealedDatabase is a database with sealed secrets, and its operator's files.
type sealedDatabase struct {
	*terminal
	db      *storetest.Database
	tenants []string
}

func newSealedDatabase(t *testing.T, db *storetest.Database) *sealedDatabase {
	t.Helper()
	v := &sealedDatabase{terminal: newTerminal(t), db: db}
	var keys bytes.Buffer
	v.must(db.Keyring.Write(&keys))
	v.write("connector.keys", keys.String())
	database := "{driver: sqlite, path: " + strconv.Quote(db.DSN) + "}"
	if db.Driver == sqldb.MySQL {
		database = "{driver: mysql, dsn: " + strconv.Quote(db.DSN) + "}"
	}
	v.write("connector.yaml", `
hooks: {publicURL: https://connector.example.com/aps}
onboarding: {publicURL: https://onboarding.example.com}
database: `+database+`
keys: {file: connector.keys}
instances: [{key: key-1, secret: `+v.hide()+`}]
`)
	return v
}

// fill stores many tenants with a grant each, sealed with the first key.
func (v *sealedDatabase) fill() {
	v.Helper()
	s, now := v.db.Open(v), time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	v.must(s.SaveInstance(v.Context(), &tenant.Instance{
		Key: "key-1", ID: "id-1", RootID: "root-1", ControllerURI: "https://controller.example/", CreatedAt: now, UpdatedAt: now,
		Settings: tenant.Settings{Application: tenant.Application{ID: random.ID(), Secret: tenant.Credential{Value: secret.New(v.hide())}}},
	}))
	v.must(s.Transact(v.Context(), func(ctx context.Context) error {
		for range tenantCount {
			id := random.ID()
			v.tenants = append(v.tenants, id)
			if err := s.SaveTenant(ctx, &tenant.Tenant{ID: id, InstanceKey: "key-1", CreatedAt: now, UpdatedAt: now}); err != nil {
				return err
			}
			g := token.Grant{TenantID: id, Slot: token.Active, RefreshToken: secret.New(v.hide()), IssuedAt: now, ConsentedAt: now}
			if err := s.SaveGrant(ctx, &g); err != nil {
				return err
			}
		}
		return nil
	}))
	slices.Sort(v.tenants) // the order in which they are resealed
}

func (v *sealedDatabase) keyring() *seal.Keyring {
	v.Helper()
	k, err := seal.LoadFile(filepath.Join(v.folder, "connector.keys"))
	v.must(err)
	return k
}

// open reads the first tenant's grant with a keyring.
func (v *sealedDatabase) open(k *seal.Keyring) (token.Grant, error) {
	v.Helper()
	g, err := v.db.Unmigrated(v, func(cfg *store.Config) { cfg.Keyring = k }).Grant(v.Context(), v.tenants[0], token.Active)
	if err == nil && g.Unreadable {
		err = seal.ErrNotOpened
	}
	return g, err
}

// rekey runs connector rekey.
func (v *sealedDatabase) rekey(flags ...string) output {
	v.Helper()
	return v.run(append([]string{"rekey", "--config", "connector.yaml"}, flags...)...)
}

// interruptReseal runs connector rekey --reseal and kills it after its first batch.
func (v *sealedDatabase) interruptReseal() {
	v.Helper()
	command := v.command("rekey", "--config", "connector.yaml", "--reseal")
	out, err := command.StdoutPipe()
	v.must(err)
	v.must(command.Start())
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "grants.refresh_token") {
			v.must(command.Process.Kill())
			break
		}
	}
	if err := command.Wait(); err == nil {
		v.Error("connector rekey --reseal = success, want it killed")
	}
}

func TestRekey_WhileReplicasRun(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		v := newSealedDatabase(t, db)
		v.fill()
		first := v.keyring()

		v.check("rekey --add", v.rekey("--add"), 0, "added a key")
		announced := v.keyring()
		if announced.Promoted() {
			t.Error("Promoted() after --add = true, want false: replicas without the key could not open what it seals")
		}
		v.check("rekey --add again", v.rekey("--add"), 0, "continue with --reseal")
		if !bytes.Equal(written(t, announced), written(t, v.keyring())) {
			t.Error("a second --add changed the keys, want them unchanged")
		}

		v.interruptReseal()
		promoted := v.keyring()
		if !promoted.Promoted() {
			t.Error("Promoted() after --reseal = false, want true")
		}
		v.check("backup check after the interruption", v.run("backup", "check", "--config", "connector.yaml"), 0, "all 901 secrets opened", "are sealed with an older key")
		g, err := v.open(announced) // a replica that has not restarted yet
		v.must(err)
		if _, err := v.open(first); !errors.Is(err, seal.ErrNotOpened) {
			t.Errorf("opening with the first ring what the newest key sealed = %v, want %v", err, seal.ErrNotOpened)
		}

		v.check("rekey --reseal", v.rekey("--reseal"), 0, "grants.refresh_token: 900 of 900", "resealed ", " values")
		replica := db.Open(t, func(cfg *store.Config) { cfg.Keyring = announced })
		g.IssuedAt = g.IssuedAt.Add(time.Hour)
		v.must(replica.SaveGrant(t.Context(), &g))
		v.check("backup check", v.run("backup", "check", "--config", "connector.yaml"), 0, "all 901 secrets opened", "1 are sealed with an older key")
		v.check("rekey --reseal again", v.rekey("--reseal"), 0, "resealed 1 values")
		v.check("rekey --reseal at the end", v.rekey("--reseal"), 0, "everything is sealed with the newest key")
		if !bytes.Equal(written(t, promoted), written(t, v.keyring())) {
			t.Error("--reseal without a new key changed the keys, want them unchanged")
		}

		older := strconv.FormatUint(uint64(first.Primary()), 10)
		v.check("keys list", v.run("keys", "list", "--config", "connector.yaml"), 0, "key "+older+": opens; sealed nothing", ": seals; sealed ", "grants.refresh_token 900")
		v.check("rekey --retire while a replica seals with it", v.rekey("--retire", older), 1, "a connector sealed with it", "restart all replicas")
		v.stopReplicas()
		g.IssuedAt = g.IssuedAt.Add(time.Hour)
		v.must(replica.SaveGrant(t.Context(), &g))
		v.check("rekey --retire while a secret needs it", v.rekey("--retire", older), 1, "key "+older+" is still needed: grants.refresh_token: 1", "rekey --reseal")
		if !bytes.Equal(written(t, promoted), written(t, v.keyring())) {
			t.Error("a refused --retire changed the keys, want them unchanged")
		}
		v.check("rekey --reseal for the last one", v.rekey("--reseal"), 0, "resealed 1 values")
		v.check("rekey --retire", v.rekey("--retire", older), 0, "retired key "+older)
		if keys := v.keyring().Keys(); len(keys) != 1 || keys[0] != promoted.Primary() {
			t.Errorf("the keys after --retire are %v, want the newest one only", keys)
		}
		v.check("backup check without the retired key", v.run("backup", "check", "--config", "connector.yaml"), 0, "all 901 secrets opened")
		v.check("rekey --retire of an invented key", v.rekey("--retire", "12345"), 1, "there is no such key")
		v.check("rekey --retire of the key that seals", v.rekey("--retire", strconv.FormatUint(uint64(promoted.Primary()), 10)), 1, "only an older key")
	})
}

// stopReplicas makes it seem that no connector has run for a day.
func (v *sealedDatabase) stopReplicas() {
	v.Helper()
	_, err := v.db.Raw(v).ExecContext(v.Context(), "UPDATE key_checks SET used_at = '2026-01-01 00:00:00.000'")
	v.must(err)
}

func TestRekey_InOneStep(t *testing.T) {
	db := storetest.SQLite(t)
	v := newSealedDatabase(t, db)
	v.fill()
	v.check("rekey", v.rekey(), 0, "added a key", "the newest key now seals", "resealed "+strconv.Itoa(2*secretCount)+" values") // and the MACs of the rows of instance and tenants
	if _, err := v.open(v.keyring()); err != nil {
		t.Errorf("opening after rekey = %v", err)
	}
}

func written(t *testing.T, k *seal.Keyring) []byte {
	t.Helper()
	var text bytes.Buffer
	if err := k.Write(&text); err != nil {
		t.Fatalf("Write() = %v", err)
	}
	return text.Bytes()
}

func TestRekey_Refusals(t *testing.T) {
	v := newSealedDatabase(t, storetest.SQLite(t))
	v.check("rekey --add --reseal", v.rekey("--add", "--reseal"), 1, "can't be used together")
	v.check("rekey --reseal without a database", v.rekey("--reseal"), 1, "opening the database")
	if _, err := os.Stat(v.db.DSN); err == nil {
		t.Error("rekey --reseal created the missing database, want an error only")
	}
	v.fill()
	v.must(os.Remove(filepath.Join(v.folder, "connector.keys")))
	v.check("rekey without keys", v.rekey(), 1, "key file")
	v.check("keys create", v.run("keys", "create", "connector.keys"), 0)
	v.check("rekey with other keys", v.rekey(), 1, "the keys do not belong to this database", strconv.FormatUint(uint64(v.db.Keyring.Primary()), 10))
	if keys := v.keyring().Keys(); len(keys) != 1 {
		t.Errorf("a refused rekey left %d keys in the file, want the one that was there", len(keys))
	}
	if _, err := v.open(v.db.Keyring); err != nil {
		t.Errorf("opening after a refused rekey = %v", err)
	}
}

func TestBackupCheck_CountsSecretsThatDoNotOpen(t *testing.T) {
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		v := newSealedDatabase(t, db)
		check := func() output { return v.run("backup", "check", "--config", "connector.yaml") }
		if db.Driver == sqldb.SQLite {
			v.check("backup check without a database", check(), 1, "opening the database")
		} else {
			v.check("backup check without tables", check(), 1, "the database has no tables yet")
		}
		db.Open(t)
		v.check("backup check of nothing", check(), 1, "the database holds no secret")
		v.fill()
		v.check("clients add", v.run("clients", "add", "billing", "--tenants", v.tenants[0], "--config", "connector.yaml"), 0, "cannot be shown again")
		v.check("backup check", check(), 0, "instances.credentials: 1 opened, 0 failed", "grants.refresh_token: 900 opened, 0 failed", "all 901 secrets opened",
			"  900 refresh tokens, also those that were deleted since\n", "  1 clients of the token API with their keys, also those that were removed since\n")
		if _, err := db.Raw(t).ExecContext(t.Context(), "UPDATE grants SET refresh_token = ? WHERE tenant_id = ?", []byte("spoiled"), v.tenants[0]); err != nil {
			t.Fatal(err)
		}
		v.check("backup check of a spoiled one", check(), 1, "grants.refresh_token: 899 opened, 1 failed", v.tenants[0], "1 of 901 secrets failed to open")
		v.must(os.Remove(filepath.Join(v.folder, "connector.keys")))
		v.check("keys create", v.run("keys", "create", "connector.keys"), 0)
		got := check()
		v.check("backup check with other keys", got, 1, "the keys do not belong to this database", strconv.FormatUint(uint64(db.Keyring.Primary()), 10))
		if strings.Contains(got.String(), "rekey") {
			t.Errorf("backup check with other keys = %v, want no advice to reseal", got)
		}
	})
}

// TestBackupCheck_RestoredCopy restores a backup from before a rekey, with the key file of then and of now.
func TestBackupCheck_RestoredCopy(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		v := newSealedDatabase(t, db)
		v.fill()
		then := written(t, v.keyring())
		restored := db.Copy(t)
		older := strconv.FormatUint(uint64(v.keyring().Primary()), 10)
		v.check("rekey", v.rekey(), 0, "the newest key now seals")
		v.stopReplicas()
		v.check("rekey --retire", v.rekey("--retire", older), 0, "retired key "+older)

		variable := "CONNECTOR_DATABASE__PATH"
		if db.Driver == sqldb.MySQL {
			variable = "CONNECTOR_DATABASE__DSN"
		}
		v.environ = append(v.environ, variable+"="+restored.DSN)
		check := func() output { return v.run("backup", "check", "--config", "connector.yaml") }
		v.check("backup check with the keys of now", check(), 1, "the keys do not belong to this database", older)
		v.write("copy-of.keys", string(then))
		v.environ = append(v.environ, "CONNECTOR_KEYS__FILE=copy-of.keys")
		v.check("backup check with the keys of then", check(), 0, "all 901 secrets opened")
		v.check("integrity list", v.run("integrity", "list", "--config", "connector.yaml"), 0, "as the connector stored them")
		v.check("rekey of the copy", v.rekey(), 0, "added a key", "grants.refresh_token: 900 of 900")
		v.check("backup check after the rekey of the copy", check(), 0, "all 901 secrets opened")
	})
}

// TestServe_RefusesOtherKeys replaces a key file that was lost.
func TestServe_RefusesOtherKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		v := newSealedDatabase(t, db)
		v.fill()
		older := strconv.FormatUint(uint64(db.Keyring.Primary()), 10)
		v.check("config check", v.run("config", "check", "--config", "connector.yaml"), 0, "the configuration is valid", "the keys belong to the database")
		v.must(os.Remove(filepath.Join(v.folder, "connector.keys")))
		v.check("config check without keys", v.run("config", "check", "--config", "connector.yaml"), 1, "keys.file", "connector.keys")
		v.check("keys create", v.run("keys", "create", "connector.keys"), 0)
		for _, command := range []string{"serve", "config check", "backup check", "keys list", "rekey"} {
			got := v.run(append(strings.Fields(command), "--config", "connector.yaml")...)
			v.check(command, got, 1, "the keys do not belong to this database", older)
		}
		v.check("rekey --lost alone", v.rekey("--lost"), 1, "--retire")
		v.check("rekey --retire without --lost", v.rekey("--retire", older), 1, "the keys do not belong")
		v.check("rekey --retire --lost of another key", v.rekey("--retire", "12345", "--lost"), 1, "the keys do not belong")
		v.check("rekey --retire --lost", v.rekey("--retire", older, "--lost"), 0, "grants.refresh_token: 900 values need key "+older, "now belongs to")
		v.check("config check", v.run("config", "check", "--config", "connector.yaml"), 0, "the keys belong to the database")
		v.check("rekey --retire --lost of a key in the file", v.rekey("--retire", strconv.FormatUint(uint64(v.keyring().Primary()), 10), "--lost"), 1, "not lost")
	})
}

func TestConfigCheck_WithoutADatabase(t *testing.T) {
	v := newSealedDatabase(t, storetest.SQLite(t))
	check := func() output { return v.run("config", "check", "--config", "connector.yaml") }
	v.check("config check without a database", check(), 0, "the configuration is valid", "there is no database yet")
	if _, err := os.Stat(v.db.DSN); err == nil {
		t.Error("config check created the missing database")
	}
	v.write("empty.db", "")
	v.must(os.Rename(filepath.Join(v.folder, "empty.db"), v.db.DSN))
	v.check("config check of an empty database", check(), 0, "the database is empty")
	v.must(os.Remove(v.db.DSN))
	v.db.Open(v)
	v.check("config check of a migrated database", check(), 0, "the keys belong to the database")
}
