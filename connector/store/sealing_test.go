package store_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// fill stores one secret of every kind; each value begins with "canary".
func fill(t *testing.T, s *store.Store) (tenantID, stateHash string) {
	t.Helper()
	ctx := t.Context()
	in := newInstance()
	if err := s.SaveInstance(ctx, &in); err != nil {
		t.Fatalf("SaveInstance() = %v", err)
	}
	owner := addTenant(t, s)
	for _, slot := range []token.Slot{token.Active, token.Pending} {
		g := newGrant(owner.ID, slot, noon)
		if err := s.SaveGrant(ctx, &g); err != nil {
			t.Fatalf("SaveGrant() = %v", err)
		}
	}
	c := newConsent(owner.ID)
	if err := s.SaveConsent(ctx, &c); err != nil {
		t.Fatalf("SaveConsent() = %v", err)
	}
	state := newState(c)
	if err := s.AddState(ctx, state); err != nil {
		t.Fatalf("AddState() = %v", err)
	}
	if _, err := s.RememberNonce(ctx, instanceKey, "canary-oauth-nonce", noon, noon); err != nil {
		t.Fatalf("RememberNonce() = _, %v", err)
	}
	return owner.ID, state.Hash
}

// errUnreadable is what reading a secret returns that does not open.
var errUnreadable = errors.New("unreadable")

// readInstance and the others read a secret, and check that the rest of its row is there even when the secret does not open.
func readInstance(ctx context.Context, s *store.Store, key string) error {
	in, err := s.Instance(ctx, key)
	switch {
	case err != nil:
		return err
	case in.Settings.Application.Unreadable && len(in.Settings.Application.Credentials()) == 0 && in.Settings.Application.ID != "" && in.Version > 0:
		return errUnreadable
	}
	return in.Settings.Application.Usable()
}

func readTenant(ctx context.Context, s *store.Store, id string) error {
	t, err := s.Tenant(ctx, id)
	switch {
	case err != nil:
		return err
	case t.Application.Unreadable && len(t.Application.Credentials()) == 0 && t.Application.ID != "" && t.Version > 0:
		return errUnreadable
	}
	return t.Application.Usable()
}

func readGrant(ctx context.Context, s *store.Store, id string, slot token.Slot) error {
	g, err := s.Grant(ctx, id, slot)
	switch {
	case err != nil:
		return err
	case g.Unreadable && g.RefreshToken.Empty() && g.ConsentID != "" && g.Version > 0:
		return errUnreadable
	case g.RefreshToken.Reveal() != "canary-refresh-token":
		return errors.New("another refresh token")
	}
	return nil
}

func readConsent(ctx context.Context, s *store.Store, tenantID string) error {
	c, err := s.OpenConsent(ctx, tenantID, token.Manual)
	switch {
	case err != nil:
		return err
	case c.Link.Empty() && c.LinkHash != "":
		return errUnreadable
	}
	return nil
}

func readState(ctx context.Context, s *store.Store, hash string) error {
	_, err := s.State(ctx, hash)
	if errors.Is(err, tenant.ErrNotFound) {
		return errUnreadable
	}
	return err
}

func TestStore_KeepsNoSecretUnencrypted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		fill(t, db.Open(t))
		dump := db.Dump(t)
		for _, table := range []string{"instances:", "tenants:", "grants:", "consents:", "states:", "nonces:"} {
			if !strings.Contains(dump, table) {
				t.Errorf("Dump() has no row of %s", table)
			}
		}
		if strings.Contains(dump, "canary") {
			t.Error("Dump() contains an unencrypted secret")
		}
		if db.Driver != sqldb.SQLite {
			return
		}
		for _, file := range []string{db.DSN, db.DSN + "-wal"} {
			if content, err := os.ReadFile(file); err != nil || bytes.Contains(content, []byte("canary")) {
				t.Errorf("%s contains an unencrypted secret, or cannot be read: %v", file, err)
			}
		}
	})
}

func TestStore_MovedCiphertextDoesNotOpen(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		tenantID, stateHash := fill(t, s)
		other := addTenant(t, s)
		g := newGrant(other.ID, token.Active, noon)
		if err := s.SaveGrant(ctx, &g); err != nil {
			t.Fatalf("SaveGrant() = %v", err)
		}
		raw := db.Raw(t)
		for name, move := range map[string]struct {
			statement string
			args      []any
			read      func() error
		}{
			"to another tenant": {
				"UPDATE grants SET refresh_token = (SELECT r FROM (SELECT refresh_token AS r FROM grants WHERE tenant_id = ? AND slot = 'active') AS x) WHERE tenant_id = ? AND slot = 'active'",
				[]any{tenantID, other.ID},
				func() error { return readGrant(ctx, s, other.ID, token.Active) },
			},
			"to another slot": {
				"UPDATE grants SET slot = 'predecessor' WHERE tenant_id = ? AND slot = 'pending'",
				[]any{tenantID},
				func() error { return readGrant(ctx, s, tenantID, token.Predecessor) },
			},
			"to another column": {
				"UPDATE states SET nonce = verifier WHERE state_hash = ?",
				[]any{stateHash},
				func() error { return readState(ctx, s, stateHash) },
			},
			"to another table": {
				"UPDATE tenants SET credentials = (SELECT credentials FROM instances) WHERE id = ?",
				[]any{other.ID},
				func() error { return readTenant(ctx, s, other.ID) },
			},
			"altered": {
				"UPDATE instances SET credentials = ?",
				[]any{[]byte("not what was sealed")},
				func() error { return readInstance(ctx, s, instanceKey) },
			},
		} {
			if err := move.read(); err != nil && name != "to another slot" {
				t.Fatalf("%s: reading the row before the move = %v", name, err)
			}
			if _, err := raw.ExecContext(ctx, move.statement, move.args...); err != nil {
				t.Fatalf("%s: moving the ciphertext = %v", name, err)
			}
			if err := move.read(); !errors.Is(err, errUnreadable) {
				t.Errorf("%s: reading the row after the move = %v, want %v", name, err, errUnreadable)
			}
		}
	})
}

func TestStore_AnotherKeyringOpensNothing(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	tenantID, _ := fill(t, db.Open(t))
	unrelated, err := seal.Create()
	if err != nil {
		t.Fatalf("seal.Create() = _, %v", err)
	}
	s := db.Unmigrated(t, func(cfg *store.Config) { cfg.Keyring = unrelated })
	if err := readGrant(t.Context(), s, tenantID, token.Active); !errors.Is(err, errUnreadable) {
		t.Errorf("Grant() with another keyring = %v, want %v", err, errUnreadable)
	}
}

func TestStore_KeyringWithAnAddedKeyOpensAll(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	tenantID, _ := fill(t, db.Open(t))
	next, err := db.Keyring.Add()
	if err != nil {
		t.Fatalf("Add() = _, %v", err)
	}
	s := db.Open(t, func(cfg *store.Config) { cfg.Keyring = next })
	if g, err := s.Grant(t.Context(), tenantID, token.Active); err != nil || g.RefreshToken.Reveal() != "canary-refresh-token" {
		t.Errorf("Grant() = another value, %v", err)
	}
}

func TestStore_LogsAndErrorsContainNoSecret(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		var log bytes.Buffer
		s := db.Open(t, func(cfg *store.Config) {
			cfg.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			cfg.Wait = func(context.Context, time.Duration) error { return nil }
		})
		tenantID, _ := fill(t, s)
		raw := db.Raw(t)
		for _, table := range []string{"nonces", "states", "consents", "grants", "schedules", "events", "customers", "tenants", "instances"} {
			if _, err := raw.ExecContext(t.Context(), "DROP TABLE "+table); err != nil {
				t.Fatalf("DROP TABLE = %v", err)
			}
		}
		in, owner, g, c := newInstance(), newTenant(), newGrant(tenantID, token.Active, noon), newConsent(tenantID)
		_, nonce := s.RememberNonce(t.Context(), "key", "canary-oauth-nonce", noon, noon)
		for _, err := range []error{
			s.SaveInstance(t.Context(), &in), s.SaveTenant(t.Context(), &owner), s.SaveGrant(t.Context(), &g),
			s.SaveConsent(t.Context(), &c), s.AddState(t.Context(), newState(c)), nonce,
		} {
			if err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("saving without tables = %v, want an error without a secret", err)
			}
		}
		if strings.Contains(log.String(), "canary") {
			t.Error("the log contains a secret")
		}
	})
}
