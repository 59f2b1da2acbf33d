package store_test

import (
	"context"
	"errors"
	"testing"

	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

func TestReseal(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		ctx := t.Context()
		old := db.Open(t)
		tenantID, stateHash := fill(t, old)
		const more = 700 // more than are looked at, at once; with one table's key in two columns
		err := old.Transact(ctx, func(ctx context.Context) error {
			for range more {
				added := newTenant()
				g := newGrant(added.ID, token.Active, noon)
				if err := errors.Join(old.SaveTenant(ctx, &added), old.SaveGrant(ctx, &g)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatalf("Transact() = %v", err)
		}
		next, err := db.Keyring.Add()
		if err != nil {
			t.Fatalf("Add() = _, %v", err)
		}
		s := db.Open(t, func(cfg *store.Config) { cfg.Keyring = next })
		before, err := s.Grant(ctx, tenantID, token.Active)
		if err != nil {
			t.Fatalf("Grant() = _, %v", err)
		}
		// instance, tenants, grants, consent, and two secrets of a state
		for _, want := range []int{1 + 1 + more + 2 + more + 1 + 2, 0} {
			if n, err := s.Reseal(ctx); n != want || err != nil {
				t.Errorf("Reseal() = %d, %v, want %d", n, err, want)
			}
		}
		for name, read := range map[string]func(s *store.Store) error{
			"instance": func(s *store.Store) error { _, err := s.Instance(ctx, instanceKey); return err },
			"tenant":   func(s *store.Store) error { _, err := s.Tenant(ctx, tenantID); return err },
			"grant":    func(s *store.Store) error { _, err := s.Grant(ctx, tenantID, token.Pending); return err },
			"consent":  func(s *store.Store) error { _, err := s.OpenConsent(ctx, tenantID, token.Manual); return err },
			"state":    func(s *store.Store) error { _, err := s.State(ctx, stateHash); return err },
		} {
			if err := read(s); err != nil {
				t.Errorf("reading the %s after Reseal() = %v", name, err)
			}
			if err := read(old); !errors.Is(err, seal.ErrNotOpened) {
				t.Errorf("reading the %s with the old key only = %v, want %v", name, err, seal.ErrNotOpened)
			}
		}
		if err := s.SaveGrant(ctx, &before); err != nil {
			t.Errorf("SaveGrant() of what was read before Reseal() = %v", err)
		}
	})
}

func TestResealRefusals(t *testing.T) {
	db := storetest.SQLite(t)
	fill(t, db.Open(t))
	plain := db.Open(t, func(cfg *store.Config) { cfg.Keyring = struct{ store.Sealer }{db.Keyring} })
	if n, err := plain.Reseal(t.Context()); n != 0 || err == nil {
		t.Errorf("Reseal() by a keyring that cannot tell = %d, %v, want an error", n, err)
	}
	stranger, err := seal.Create()
	if err != nil {
		t.Fatalf("seal.Create() = _, %v", err)
	}
	other := db.Open(t, func(cfg *store.Config) { cfg.Keyring = stranger })
	if n, err := other.Reseal(t.Context()); n != 0 || !errors.Is(err, seal.ErrNotOpened) {
		t.Errorf("Reseal() by another keyring = %d, %v, want %v", n, err, seal.ErrNotOpened)
	}
}
