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

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

func configured(id string) audit.Event {
	return audit.Event{ID: random.ID(), At: noon, TenantID: id, InstanceKey: instanceKey, Action: audit.TenantConfigured, Result: audit.OK}
}

// countEvents returns how many events a tenant has.
func countEvents(t *testing.T, s *store.Store, id string) int {
	t.Helper()
	events, err := s.Events(t.Context(), id, time.Time{}, 1000)
	if err != nil {
		t.Fatalf("Events() = _, %v", err)
	}
	return len(events)
}

func TestChangeTenant_ComesWithItsEventOrNotAtAll(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		taken, changed, taking, long, inTransaction := addTenant(t, s), addTenant(t, s), addTenant(t, s), addTenant(t, s), addTenant(t, s)
		outdated := changed
		changed.Name = "changed"
		outdated.Name = "outdated"
		taking.ProvenDirectoryID = taken.ProvenDirectoryID
		long.AccountID = strings.Repeat("x", 300) // too long for MySQL
		if err := s.ChangeTenant(ctx, &changed, configured(changed.ID)); err != nil || changed.Version != 2 {
			t.Errorf("ChangeTenant() = %v, version %d, want version 2", err, changed.Version)
		}
		for name, tc := range map[string]struct {
			tenant tenant.Tenant
			want   error
		}{
			"outdated": {outdated, tenant.ErrChanged},
			"of a directory that another tenant has proven": {taking, tenant.ErrDirectoryTaken},
		} {
			if err := s.ChangeTenant(ctx, &tc.tenant, configured(tc.tenant.ID)); !errors.Is(err, tc.want) || tc.tenant.Version != 1 {
				t.Errorf("ChangeTenant() of one that is %s = %v, version %d, want %v, version 1", name, err, tc.tenant.Version, tc.want)
			}
		}
		if err := s.ChangeTenant(ctx, &long, configured(long.ID)); db.Driver == sqldb.MySQL && err == nil {
			t.Error("ChangeTenant() of one that does not fit = nil, want an error")
		}
		errChange := errors.New("rolled back on purpose")
		before := inTransaction
		err := s.Transact(ctx, func(ctx context.Context) error {
			return errors.Join(s.ChangeTenant(ctx, &inTransaction, configured(inTransaction.ID)), errChange)
		})
		if !errors.Is(err, errChange) || inTransaction.Version != before.Version || countEvents(t, s, inTransaction.ID) != 0 {
			t.Errorf("ChangeTenant() in a transaction that is rolled back leaves version %d and %d events, want version %d and none", inTransaction.Version, countEvents(t, s, inTransaction.ID), before.Version)
		}
		if n := countEvents(t, s, changed.ID); n != 1 {
			t.Errorf("ChangeTenant(), once current and once outdated, leaves %d events, want 1", n)
		}
		if n := countEvents(t, s, taking.ID); n != 0 {
			t.Errorf("ChangeTenant() that is refused leaves %d events, want none", n)
		}
	})
}

func TestChangeTenant_Concurrently(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		tenants := make([]tenant.Tenant, 20)
		for i := range tenants {
			tenants[i] = addTenant(t, s)
		}
		wins := make([]chan bool, len(tenants))
		var all errgroup.Group
		for i := range tenants {
			wins[i] = make(chan bool, 4)
			for n := range cap(wins[i]) { // one succeeds, the others are then outdated; the first may be too long
				change := tenants[i]
				if n == 0 {
					change.Directory = strings.Repeat("x", 300)
				}
				all.Go(func() error {
					err := s.ChangeTenant(t.Context(), &change, configured(change.ID))
					if err == nil {
						wins[i] <- true
					} else if !errors.Is(err, tenant.ErrChanged) && n != 0 {
						return err
					}
					return nil
				})
			}
		}
		if err := all.Wait(); err != nil {
			t.Fatalf("ChangeTenant() = %v, want nil or %v", err, tenant.ErrChanged)
		}
		for i, changed := range tenants {
			got, err := s.Tenant(t.Context(), changed.ID)
			if err != nil || got.Version != 2 || len(wins[i]) != 1 || countEvents(t, s, changed.ID) != 1 {
				t.Errorf("%d of four concurrent changes succeeded, leaving version %d and %d events, want 1, version 2 and 1", len(wins[i]), got.Version, countEvents(t, s, changed.ID))
			}
		}
	})
}

func TestChangeTenant_ConcurrentChangesDoNotMix(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		tenants := make([]tenant.Tenant, 60)
		for i := range tenants {
			tenants[i] = addTenant(t, s)
		}
		var all errgroup.Group
		for i := range tenants {
			change := &tenants[i]
			change.Name, change.Marketplace = fmt.Sprintf("Ünïcode %d 漢字 🙂", i), strings.Repeat("m", i)
			change.UpdatedAt = noon.Add(time.Duration(i) * 1234567 * time.Microsecond).Truncate(time.Millisecond)
			change.Application = tenant.Application{}
			if i%2 == 1 { // neighbours differ in every column, so that a mix-up shows
				change.Directory, change.DirectoryID = "unknown.example.com", ""
				change.Application = tenant.Application{ID: random.ID(), Secret: tenant.Credential{Value: secret.New(strings.Repeat(random.Token(), i)), Since: noon}}
			}
			all.Go(func() error { return s.ChangeTenant(t.Context(), change, configured(change.ID)) })
		}
		if err := all.Wait(); err != nil {
			t.Fatalf("ChangeTenant() = %v", err)
		}
		for _, want := range tenants {
			got, err := s.Tenant(t.Context(), want.ID)
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b secret.Text) bool { return a.Reveal() == b.Reveal() })); err != nil || diff != "" || got.Version != 2 {
				t.Errorf("Tenant() = version %d, %v, want version 2 and what was saved (-want +got):\n%s", got.Version, err, diff)
			}
			if n := countEvents(t, s, want.ID); n != 1 {
				t.Errorf("ChangeTenant() leaves %d events, want 1", n)
			}
		}
	})
}
