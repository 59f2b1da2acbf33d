package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

func TestReseal_SealsEverythingWithTheNewKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		ctx := t.Context()
		old := db.Open(t)
		tenantID, stateHash := fill(t, old)
		const more = 700 // more than one batch
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
		s := openWithNext(t, db)
		before, err := s.Grant(ctx, tenantID, token.Active)
		if err != nil {
			t.Fatalf("Grant() = _, %v", err)
		}
		// instance, tenants, grants, consent, and two secrets of a state; MACs of the instance and the tenants
		for _, want := range []int{1 + 1 + more + 2 + more + 1 + 2 + 1 + 1 + more, 0} {
			if n, err := s.Reseal(ctx, nil); n != want || err != nil {
				t.Errorf("Reseal() = %d, %v, want %d", n, err, want)
			}
		}
		for name, read := range map[string]func(s *store.Store) error{
			"instance": func(s *store.Store) error { return readInstance(ctx, s, instanceKey) },
			"tenant":   func(s *store.Store) error { return readTenant(ctx, s, tenantID) },
			"grant":    func(s *store.Store) error { return readGrant(ctx, s, tenantID, token.Pending) },
			"consent":  func(s *store.Store) error { return readConsent(ctx, s, tenantID) },
			"state":    func(s *store.Store) error { return readState(ctx, s, stateHash) },
		} {
			if err := read(s); err != nil {
				t.Errorf("reading the %s after Reseal() = %v", name, err)
			}
			if err := read(old); !errors.Is(err, errUnreadable) {
				t.Errorf("reading the %s with the old key only = %v, want %v", name, err, errUnreadable)
			}
		}
		if err := s.SaveGrant(ctx, &before); err != nil {
			t.Errorf("SaveGrant() of a grant that was read before Reseal() = %v", err)
		}
	})
}

func TestReseal_Errors(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	fill(t, db.Open(t))
	unrelated, err := seal.Create()
	if err != nil {
		t.Fatalf("seal.Create() = _, %v", err)
	}
	other := db.Unmigrated(t, func(cfg *store.Config) { cfg.Keyring = unrelated })
	var last []store.Progress
	n, err := other.Reseal(t.Context(), func(p store.Progress) { last = append(last, p) })
	if _, _, failed, failure := sealed(last); n != 0 || err != nil || failed != 7 || !errors.Is(failure, seal.ErrNotOpened) {
		t.Errorf("Reseal() with another keyring = %d, %v, %d failed: %v; want that no value opens", n, err, failed, failure)
	}
}

// sealed sums up the progress of all columns.
func sealed(progress []store.Progress) (total, older, failed int, failure error) {
	for _, p := range progress {
		if p.Checked != p.Total {
			failure = errors.Join(failure, fmt.Errorf("of %s.%s %d of %d were checked", p.Table, p.Column, p.Checked, p.Total))
		}
		total, older, failed, failure = total+p.Total, older+p.Older, failed+p.Failed, errors.Join(failure, p.Failure)
	}
	return total, older, failed, failure
}

func TestCheckSealed_CountsEverySecret(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		fill(t, s)
		const secrets = 1 + 1 + 2 + 1 + 2 // instance, tenant, grants, consent, and two of a state
		reports := 0
		progress, err := s.CheckSealed(t.Context(), func(store.Progress) { reports++ })
		if err != nil || len(progress) != 6 || reports != 6 {
			t.Fatalf("CheckSealed() = %d columns, %v, %d reports, want six of both", len(progress), err, reports)
		}
		if total, older, failed, failure := sealed(progress); total != secrets || older != 0 || failed != 0 || failure != nil {
			t.Errorf("CheckSealed() = %d secrets, %d older, %d failed, %v, want %d", total, older, failed, failure, secrets)
		}
		progress, err = openWithNext(t, db).CheckSealed(t.Context(), nil)
		if total, older, failed, failure := sealed(progress); err != nil || total != secrets || older != secrets || failed != 0 || failure != nil {
			t.Errorf("CheckSealed() with the next keyring = %d secrets, %d older, %d failed, %v, %v, want all older", total, older, failed, failure, err)
		}
		unrelated, err := seal.Create()
		if err != nil {
			t.Fatalf("seal.Create() = _, %v", err)
		}
		progress, err = db.Unmigrated(t, func(cfg *store.Config) { cfg.Keyring = unrelated }).CheckSealed(t.Context(), nil)
		if total, _, failed, failure := sealed(progress); err != nil || total != secrets || failed != secrets || !errors.Is(failure, seal.ErrNotOpened) {
			t.Errorf("CheckSealed() with another keyring = %d secrets, %d failed, %v, %v, want none to open", total, failed, failure, err)
		}
	})
}

func TestCheckSealed_Errors(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	if progress, err := db.Unmigrated(t).CheckSealed(t.Context(), nil); err == nil {
		t.Errorf("CheckSealed() without tables = %v, nil, want an error", progress)
	}
}

// TestReseal_Resumes interrupts Reseal after each of its batches in turn, and lets another call resume.
func TestReseal_Resumes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		old := db.Open(t)
		fill(t, old)
		const more = 450 // three batches of tenants
		err := old.Transact(t.Context(), func(ctx context.Context) error {
			for range more {
				added := newTenant()
				if err := old.SaveTenant(ctx, &added); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatalf("Transact() = %v", err)
		}
		s := openWithNext(t, db)
		resealed, interruptions := 0, 0
		for {
			ctx, interrupt := context.WithCancel(t.Context())
			n, err := s.Reseal(ctx, func(p store.Progress) {
				if p.Older > 0 {
					interrupt()
				}
			})
			interrupt()
			resealed += n
			if err == nil {
				break
			}
			interruptions++
			if !errors.Is(err, context.Canceled) || interruptions > 20 {
				t.Fatalf("Reseal() = %d, %v after %d interruptions, want %v, or nil after at most 20", n, err, interruptions, context.Canceled)
			}
		}
		if want := 1 + 1 + more + 2 + 1 + 2 + 1 + 1 + more; resealed != want || interruptions < 6 {
			t.Errorf("Reseal() = %d in %d calls, want %d in more than six", resealed, interruptions+1, want)
		}
		progress, err := s.CheckSealed(t.Context(), nil)
		if _, older, failed, failure := sealed(progress); err != nil || older != 0 || failed != 0 || failure != nil {
			t.Errorf("CheckSealed() after Reseal() = %d older, %d failed, %v, %v, want none", older, failed, failure, err)
		}
	})
}

// openWithNext opens db with a keyring that has a new primary key.
func openWithNext(t *testing.T, db *storetest.Database) *store.Store {
	t.Helper()
	next, err := db.Keyring.Add()
	if err != nil {
		t.Fatalf("Add() = _, %v", err)
	}
	return db.Open(t, func(cfg *store.Config) { cfg.Keyring = next })
}
