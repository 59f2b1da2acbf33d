package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestSaveGrant_Errors(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owner := addTenant(t, s)
		g := newGrant(owner.ID, token.Active, noon)
		if err := s.SaveGrant(ctx, &g); err != nil {
			t.Fatalf("SaveGrant() = %v", err)
		}
		for name, tc := range map[string]struct {
			change func(g *token.Grant)
			want   error
		}{
			"exists":                      {func(g *token.Grant) { g.Version = 0 }, token.ErrStale},
			"exists, newer":               {func(g *token.Grant) { g.Version, g.IssuedAt = 0, noon.Add(time.Hour) }, token.ErrStale},
			"changed":                     {func(g *token.Grant) { g.Version, g.IssuedAt = 5, noon.Add(time.Hour) }, token.ErrStale},
			"never stored":                {func(g *token.Grant) { g.Slot = token.Pending }, token.ErrStale},
			"of no tenant":                {func(g *token.Grant) { g.Version, g.TenantID = 0, "nobody" }, tenant.ErrNotFound},
			"of no tenant, and versioned": {func(g *token.Grant) { g.TenantID = "nobody" }, token.ErrStale},
		} {
			refused := g
			refused.RefreshToken = secret.New("another")
			tc.change(&refused)
			version := refused.Version
			if err := s.SaveGrant(ctx, &refused); !errors.Is(err, tc.want) || refused.Version != version {
				t.Errorf("SaveGrant() of one that is %s = %v, version %d, want %v, version %d", name, err, refused.Version, tc.want, version)
			}
		}
		timeless := g
		timeless.IssuedAt = time.Time{}
		if err := s.SaveGrant(ctx, &timeless); err == nil {
			t.Error("SaveGrant() without a time of issue = nil, want an error")
		}
		got, err := s.Grant(ctx, owner.ID, token.Active)
		if diff := cmp.Diff(g, got, cmp.Comparer(revealed)); err != nil || diff != "" {
			t.Errorf("Grant() after the refusals = _, %v, differs (-want +got):\n%s", err, diff)
		}
		if _, err := s.Grant(ctx, owner.ID, token.Pending); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("Grant() of an empty slot = _, %v, want %v", err, tenant.ErrNotFound)
		}
	})
}

func TestSaveGrant_ReturnsWhatWasSaved(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owner := addTenant(t, s)
		g := newGrant(owner.ID, token.Active, noon)
		if err := s.SaveGrant(ctx, &g); err != nil || g.Version != 1 {
			t.Fatalf("SaveGrant() = %v, version %d, want version 1", err, g.Version)
		}
		if !g.IssuedAt.Equal(noonStored) {
			t.Errorf("SaveGrant() leaves IssuedAt %v, want %v", g.IssuedAt, noonStored)
		}
		g.Checks = token.Checks{MFA: token.No} // a later result for the same token
		if err := s.SaveGrant(ctx, &g); err != nil || g.Version != 2 {
			t.Fatalf("SaveGrant() of the same issue = %v, version %d, want version 2", err, g.Version)
		}
		g.RefreshToken, g.IssuedAt, g.Scopes = secret.New("the successor"), noon.Add(time.Hour), nil
		if err := s.SaveGrant(ctx, &g); err != nil || g.Version != 3 {
			t.Fatalf("SaveGrant() of the successor = %v, version %d, want version 3", err, g.Version)
		}
		for _, wrong := range []time.Duration{150 * 24 * time.Hour, 85 * 24 * time.Hour, time.Hour, -time.Hour} {
			// The clock that stored the value before was wrong: only the version decides.
			g.RefreshToken, g.IssuedAt = secret.New("a later successor"), noon.Add(wrong)
			if err := s.SaveGrant(ctx, &g); err != nil {
				t.Fatalf("SaveGrant() of a successor that was issued %s after noon = %v", wrong, err)
			}
		}
		got, err := s.Grant(ctx, owner.ID, token.Active)
		if diff := cmp.Diff(g, got, cmp.Comparer(revealed)); err != nil || diff != "" {
			t.Errorf("Grant() = _, %v, differs (-want +got):\n%s", err, diff)
		}
		for range 2 { // deleting it again is no error
			if err := s.DeleteGrant(ctx, owner.ID, token.Active); err != nil {
				t.Errorf("DeleteGrant() = %v", err)
			}
		}
		if _, err := s.Grant(ctx, owner.ID, token.Active); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("Grant() of a deleted one = _, %v, want %v", err, tenant.ErrNotFound)
		}
	})
}

func TestSaveGrant_InAnotherSlot(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owner := addTenant(t, s)
		pending := newGrant(owner.ID, token.Pending, noon)
		if err := s.SaveGrant(ctx, &pending); err != nil {
			t.Fatalf("SaveGrant() = %v", err)
		}
		err := s.Transact(ctx, func(ctx context.Context) error {
			moved, err := s.Grant(ctx, owner.ID, token.Pending)
			if err != nil {
				return err
			}
			moved.Slot, moved.Version = token.Active, 0
			return errors.Join(s.SaveGrant(ctx, &moved), s.DeleteGrant(ctx, owner.ID, token.Pending))
		})
		if err != nil {
			t.Fatalf("Transact() = %v", err)
		}
		got, err := s.Grant(ctx, owner.ID, token.Active)
		if err != nil || got.RefreshToken.Reveal() != pending.RefreshToken.Reveal() {
			t.Errorf("Grant() of the new slot = _, %v, want the value of the old one", err)
		}
	})
}

func TestSaveGrant_OneConcurrentCallerWins(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		owner := addTenant(t, s)
		g := newGrant(owner.ID, token.Active, noon)
		if err := s.SaveGrant(t.Context(), &g); err != nil {
			t.Fatalf("SaveGrant() = %v", err)
		}
		results := make(chan error, 8)
		var all errgroup.Group
		for i := range cap(results) {
			replica := db.Open(t)
			all.Go(func() error {
				next := g
				next.IssuedAt = noon.Add(time.Duration(i) * time.Second)
				results <- replica.SaveGrant(t.Context(), &next)
				return nil
			})
		}
		_ = all.Wait()
		checkOneWinner(t, results, token.ErrStale)
	})
}

func TestUnclaimed_AreTooOldOrFromTheFuture(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		early, late, ahead := addTenant(t, s), addTenant(t, s), addTenant(t, s)
		for id, consented := range map[string]time.Time{early.ID: noon.Add(-time.Millisecond), late.ID: noon, ahead.ID: noon.AddDate(0, 0, 12)} {
			for _, slot := range []token.Slot{token.Active, token.Pending, token.Unconfirmed, token.Predecessor} {
				g := newGrant(id, slot, consented)
				if err := s.SaveGrant(ctx, &g); err != nil {
					t.Fatalf("SaveGrant() = %v", err)
				}
			}
		}
		unclaimed, err := s.Unclaimed(ctx, noon, noon.Add(time.Hour), 10)
		if err != nil || len(unclaimed) != 4 {
			t.Fatalf("Unclaimed() = %d grants, %v, want two too old ones and two of a clock that was ahead", len(unclaimed), err)
		}
		for _, g := range unclaimed {
			if g.TenantID == late.ID || g.Slot != token.Pending && g.Slot != token.Unconfirmed || !g.RefreshToken.Empty() {
				t.Errorf("Unclaimed() returned the %s grant of %s, with a token: %t", g.Slot, g.TenantID, !g.RefreshToken.Empty())
			}
			changed := g
			changed.Version++
			if err := s.DeleteUnchanged(ctx, changed); !errors.Is(err, token.ErrStale) {
				t.Errorf("DeleteUnchanged() of another version = %v, want ErrStale", err)
			}
			if err := s.DeleteUnchanged(ctx, g); err != nil {
				t.Errorf("DeleteUnchanged() = %v", err)
			}
			if _, err := s.Grant(ctx, g.TenantID, g.Slot); !errors.Is(err, tenant.ErrNotFound) {
				t.Errorf("Grant(%s) after DeleteUnchanged() = _, %v, want not found", g.Slot, err)
			}
		}
		if one, err := s.Unclaimed(ctx, noon.Add(time.Hour), noon.AddDate(1, 0, 0), 1); err != nil || len(one) != 1 {
			t.Errorf("Unclaimed() with limit 1 = %d grants, %v", len(one), err)
		}
	})
}

func TestSavePredecessor_ReplacesTheOneBefore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owner := addTenant(t, s)
		for n, value := range []string{"first", "second", "third"} {
			kept := newGrant(owner.ID, token.Active, noon.Add(time.Duration(n)*time.Hour).Truncate(time.Millisecond))
			kept.RefreshToken, kept.Version = secret.New(value), 40 // the predecessor does not take over the active grant's version
			if err := s.SavePredecessor(ctx, kept); err != nil {
				t.Fatalf("SavePredecessor() = %v", err)
			}
			want := kept
			want.Slot, want.Version, want.ConsentedAt = token.Predecessor, int64(n+1), kept.ConsentedAt.Truncate(time.Millisecond)
			got, err := s.Grant(ctx, owner.ID, token.Predecessor)
			if diff := cmp.Diff(want, got, cmp.Comparer(revealed)); err != nil || diff != "" {
				t.Errorf("Grant() after SavePredecessor() of the %s = _, %v, differs (-want +got):\n%s", value, err, diff)
			}
		}
		if _, err := s.Grant(ctx, owner.ID, token.Active); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("Grant() of the active one = _, %v, want %v", err, tenant.ErrNotFound)
		}
		if err := s.SavePredecessor(ctx, newGrant("nobody", token.Active, noon)); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("SavePredecessor() of no tenant = %v, want %v", err, tenant.ErrNotFound)
		}
	})
}

func TestSaveChecks_LeavesTheValueAsItIs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		g := newGrant(addTenant(t, s).ID, token.Active, noon)
		if err := s.SaveGrant(ctx, &g); err != nil {
			t.Fatalf("SaveGrant() = %v", err)
		}
		checked := g
		checked.RefreshToken, checked.AskedBy = secret.New("another"), "another" // neither is stored
		checked.Scopes, checked.Checks = []string{"scope"}, token.Checks{MFA: token.No, GlobalAdmin: token.Yes}
		if err := s.SaveChecks(ctx, checked); err != nil {
			t.Fatalf("SaveChecks() = %v", err)
		}
		want := g
		want.Scopes, want.Checks, want.Version = checked.Scopes, checked.Checks, g.Version+1
		got, err := s.Grant(ctx, g.TenantID, token.Active)
		if diff := cmp.Diff(want, got, cmp.Comparer(revealed)); err != nil || diff != "" {
			t.Errorf("Grant() after SaveChecks() = _, %v, differs (-want +got):\n%s", err, diff)
		}
		if err := s.SaveChecks(ctx, checked); !errors.Is(err, token.ErrStale) {
			t.Errorf("SaveChecks() of a changed grant = %v, want %v", err, token.ErrStale)
		}
		if err := s.SaveChecks(ctx, newGrant("nobody", token.Active, noon)); !errors.Is(err, token.ErrStale) {
			t.Errorf("SaveChecks() of no grant = %v, want %v", err, token.ErrStale)
		}
	})
}

func TestGrant_Concurrently(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		var all errgroup.Group
		for n := range 60 {
			g := newGrant(addTenant(t, s).ID, token.Active, noonStored)
			g.RefreshToken = secret.New(strings.Repeat("t", n+1))
			if n%3 > 0 {
				if err := s.SaveGrant(t.Context(), &g); err != nil {
					t.Fatalf("SaveGrant() = %v", err)
				}
			}
			all.Go(func() error {
				got, err := s.Grant(t.Context(), g.TenantID, token.Active)
				switch {
				case n%3 == 0 && !errors.Is(err, tenant.ErrNotFound):
					return fmt.Errorf("Grant() of a tenant without one = %v, want %w", err, tenant.ErrNotFound)
				case n%3 > 0 && (err != nil || !cmp.Equal(g, got, cmp.Comparer(revealed))):
					return fmt.Errorf("Grant() = %+v, %w, want %+v", got, err, g)
				}
				return nil
			})
		}
		if err := all.Wait(); err != nil {
			t.Error(err)
		}
	})
}
