package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// addScheduled stores a tenant whose grant was issued at issued, unless that is zero, and is due at due.
func addScheduled(t *testing.T, s *store.Store, issued, due time.Time) token.Schedule {
	t.Helper()
	owner := addTenant(t, s)
	if !issued.IsZero() {
		g := newGrant(owner.ID, token.Active, issued)
		if err := s.SaveGrant(t.Context(), &g); err != nil {
			t.Fatalf("SaveGrant() = %v", err)
		}
	}
	schedule := token.Schedule{TenantID: owner.ID, DueAt: due}
	if err := s.SaveSchedule(t.Context(), &schedule); err != nil {
		t.Fatalf("SaveSchedule() = %v", err)
	}
	return schedule
}

func TestSaveSchedule_ReturnsWhatWasSaved(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owner := addTenant(t, s)
		got, err := s.Schedule(ctx, owner.ID)
		if diff := cmp.Diff(token.Schedule{TenantID: owner.ID}, got); err != nil || diff != "" {
			t.Errorf("Schedule() of an unscheduled tenant = _, %v, differs (-want +got):\n%s", err, diff)
		}
		schedule := token.Schedule{
			TenantID: owner.ID, DueAt: noon, Attempt: 3, LastAt: noon, LastSuccessAt: noon, FailingSince: noon,
			Failure: &failure.Record{Code: failure.MicrosoftThrottled, Reference: "ABCD", Microsoft: &failure.Evidence{Status: 429}},
		}
		if err := s.SaveSchedule(ctx, &schedule); err != nil || schedule.Version != 1 || !schedule.DueAt.Equal(noonStored) {
			t.Fatalf("SaveSchedule() = %v, version %d, due %v, want version 1, %v", err, schedule.Version, schedule.DueAt, noonStored)
		}
		for name, version := range map[string]int64{"exists": 0, "changed": 4} {
			refused := token.Schedule{TenantID: owner.ID, Version: version}
			if err := s.SaveSchedule(ctx, &refused); !errors.Is(err, token.ErrStale) || refused.Version != version {
				t.Errorf("SaveSchedule() of one that is %s = %v, want %v", name, err, token.ErrStale)
			}
		}
		got, err = s.Schedule(ctx, owner.ID)
		if diff := cmp.Diff(schedule, got); err != nil || diff != "" {
			t.Errorf("Schedule() = _, %v, differs (-want +got):\n%s", err, diff)
		}
		schedule = token.Schedule{TenantID: owner.ID, Version: schedule.Version}
		if err := s.SaveSchedule(ctx, &schedule); err != nil || schedule.Version != 2 {
			t.Fatalf("SaveSchedule() = %v, version %d, want version 2", err, schedule.Version)
		}
		for range 2 { // deleting it again is no error
			if err := s.DeleteSchedule(ctx, owner.ID); err != nil {
				t.Errorf("DeleteSchedule() = %v", err)
			}
		}
		if got, err := s.Schedule(ctx, owner.ID); err != nil || got.Version != 0 {
			t.Errorf("Schedule() of a deleted one = version %d, %v, want 0", got.Version, err)
		}
	})
}

func TestLease_IsForOneUntilItEnds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owner := addTenant(t, s)
		until := noon.Add(time.Minute)
		if _, err := s.Lease(ctx, owner.ID, "a", noon, until); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("Lease() without a schedule = _, %v, want %v", err, tenant.ErrNotFound)
		}
		unleased := token.Schedule{TenantID: owner.ID, DueAt: noon, LeaseOwner: "nobody", LeaseUntil: until}
		if err := s.SaveSchedule(ctx, &unleased); err != nil {
			t.Fatalf("SaveSchedule() = %v", err)
		}
		leased, err := s.Lease(ctx, owner.ID, "a", noon, until)
		want := token.Schedule{TenantID: owner.ID, DueAt: noonStored, LeaseOwner: "a", LeaseUntil: noonStored.Add(time.Minute), Version: 2}
		if diff := cmp.Diff(want, leased); err != nil || diff != "" {
			t.Fatalf("Lease() = _, %v, differs (-want +got):\n%s", err, diff)
		}

		for name, try := range map[string]struct {
			owner string
			now   time.Time
		}{
			"by another":         {"b", noon},
			"by the same":        {"a", noon},
			"at its last moment": {"b", until},
		} {
			if _, err := s.Lease(ctx, owner.ID, try.owner, try.now, until.Add(time.Hour)); !errors.Is(err, token.ErrLeased) {
				t.Errorf("Lease() %s = _, %v, want %v", name, err, token.ErrLeased)
			}
		}
		if err := s.Release(ctx, owner.ID, "b"); err != nil {
			t.Errorf("Release() by another = %v, want nil", err)
		}
		if _, err := s.Lease(ctx, owner.ID, "b", noon, until); !errors.Is(err, token.ErrLeased) {
			t.Errorf("Lease() after another's Release() = _, %v, want %v", err, token.ErrLeased)
		}
		if err := s.SaveSchedule(ctx, &unleased); !errors.Is(err, token.ErrStale) {
			t.Errorf("SaveSchedule() of a schedule that was read before the lease = %v, want %v", err, token.ErrStale)
		}

		leased.Attempt = 1
		leased.LeaseOwner = "ignored"
		if err := s.SaveSchedule(ctx, &leased); err != nil {
			t.Fatalf("SaveSchedule() under the lease = %v", err)
		}
		if got, err := s.Schedule(ctx, owner.ID); err != nil || got.LeaseOwner != "a" || got.Attempt != 1 {
			t.Errorf("Schedule() = owner %q, attempt %d, %v, want a, 1", got.LeaseOwner, got.Attempt, err)
		}

		taken, err := s.Lease(ctx, owner.ID, "b", until.Add(time.Millisecond), until.Add(time.Hour))
		if err != nil || taken.LeaseOwner != "b" {
			t.Fatalf("Lease() of an expired lease = owner %q, %v, want b", taken.LeaseOwner, err)
		}
		if err := s.Release(ctx, owner.ID, "a"); err != nil {
			t.Errorf("Release() of an expired lease = %v, want nil", err)
		}
		if err := s.SaveSchedule(ctx, &leased); !errors.Is(err, token.ErrStale) {
			t.Errorf("SaveSchedule() under an expired lease = %v, want %v", err, token.ErrStale)
		}
		if err := s.Release(ctx, owner.ID, "b"); err != nil {
			t.Errorf("Release() = %v", err)
		}
		if got, err := s.Schedule(ctx, owner.ID); err != nil || got.LeaseOwner != "" || !got.LeaseUntil.IsZero() {
			t.Errorf("Schedule() after Release() = owner %q until %v, %v, want none", got.LeaseOwner, got.LeaseUntil, err)
		}
	})
}

func TestLease_OneConcurrentCallerWins(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		schedule := addScheduled(t, db.Open(t), noon, noon)
		results := make(chan error, 16)
		var all errgroup.Group
		for i := range cap(results) {
			replica := db.Open(t)
			all.Go(func() error {
				_, err := replica.Lease(t.Context(), schedule.TenantID, fmt.Sprint("replica ", i), noon, noon.Add(time.Minute))
				results <- err
				return nil
			})
		}
		_ = all.Wait()
		checkOneWinner(t, results, token.ErrLeased)
	})
}

func TestDue_BeginsWithTheMostUrgent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		day := 24 * time.Hour
		ago := func(days int) time.Time { return noon.Add(-time.Duration(days) * day) }
		tenants := map[string]string{} // tenant ID → name in this test
		add := func(name string, issued, due time.Time) token.Schedule {
			schedule := addScheduled(t, s, issued, due)
			tenants[schedule.TenantID] = name
			return schedule
		}
		add("no grant", time.Time{}, ago(3))
		add("fresh", ago(10), ago(5))
		add("same day, later", ago(10).Add(time.Hour), ago(6))
		add("urgent", ago(80), ago(0))
		add("expired", ago(100), ago(90))
		add("tried after its end", ago(101), ago(1))
		add("not yet", ago(50), noon.Add(time.Millisecond))
		add("not scheduled", ago(85), time.Time{})
		leased := add("leased", ago(84), ago(1))
		lapsed := add("lease ran out", ago(60), ago(1))
		for id, until := range map[string]time.Time{leased.TenantID: noon, lapsed.TenantID: noon.Add(-time.Millisecond)} {
			if _, err := s.Lease(t.Context(), id, "replica", ago(1), until); err != nil {
				t.Fatalf("Lease() = _, %v", err)
			}
		}
		all := []string{"expired", "urgent", "lease ran out", "fresh", "same day, later", "no grant", "tried after its end"}
		for _, limit := range []int{0, 1, 3, 6, 7, 100} {
			due, err := s.Due(t.Context(), noon, limit)
			for i := range due {
				due[i] = tenants[due[i]]
			}
			want := all[:min(limit, len(all))]
			if err != nil || !slices.Equal(due, want) {
				t.Errorf("Due(%d) = %q, %v, want %q", limit, due, err, want)
			}
		}
	})
}

func TestDue_FollowsTheGrant(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		first := addScheduled(t, s, noon.AddDate(0, 0, -80), noon)
		second := addScheduled(t, s, noon.AddDate(0, 0, -40), noon)
		check := func(want ...string) {
			t.Helper()
			if due, err := s.Due(ctx, noon, 2); err != nil || !slices.Equal(due, want) {
				t.Errorf("Due() = %q, %v, want %q", due, err, want)
			}
		}
		check(first.TenantID, second.TenantID)
		g, err := s.Grant(ctx, first.TenantID, token.Active)
		if err != nil {
			t.Fatalf("Grant() = _, %v", err)
		}
		g.IssuedAt = noon.AddDate(0, 0, -1)
		if err := s.SaveGrant(ctx, &g); err != nil {
			t.Fatalf("SaveGrant() = %v", err)
		}
		check(second.TenantID, first.TenantID)
		if err := s.DeleteGrant(ctx, second.TenantID, token.Active); err != nil {
			t.Fatalf("DeleteGrant() = %v", err)
		}
		check(first.TenantID, second.TenantID)
	})
}

// TestDue_ReadsAnIndexOnly reads SQLite's plan, because it decides whether a million tenants can be renewed.
func TestDue_ReadsAnIndexOnly(t *testing.T) {
	t.Parallel()
	plan, err := store.DuePlan(t.Context(), storetest.SQLite(t).Open(t), noon)
	if err != nil || !strings.Contains(plan, "COVERING INDEX schedules_due") || strings.Contains(plan, "TEMP B-TREE") {
		t.Errorf("the plan of Due() = %q, %v, want the index schedules_due and no sorting", plan, err)
	}
}

// TestLease_EveryTenantIsRenewedOnce lets replicas renew all due tenants: exactly one of them leases each tenant.
func TestLease_EveryTenantIsRenewedOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		const tenants, replicas = 40, 4
		for i := range tenants {
			addScheduled(t, s, noon.AddDate(0, 0, -i), noon)
		}
		renewed := make(chan string, tenants*replicas)
		var all errgroup.Group
		for range replicas {
			replica, name := db.Open(t), random.ID()
			all.Go(func() error {
				for {
					due, err := replica.Due(t.Context(), noon, 5)
					if err != nil || len(due) == 0 {
						return err
					}
					for _, id := range due {
						schedule, err := replica.Lease(t.Context(), id, name, noon, noon.Add(time.Minute))
						if errors.Is(err, token.ErrLeased) {
							continue
						}
						if err != nil {
							return err
						}
						if schedule.DueAt.After(noon) {
							return errors.Join(replica.Release(t.Context(), id, name)) // another replica renewed it meanwhile
						}
						schedule.DueAt = noon.AddDate(0, 0, 10)
						if err := errors.Join(replica.SaveSchedule(t.Context(), &schedule), replica.Release(t.Context(), id, name)); err != nil {
							return err
						}
						renewed <- id
					}
				}
			})
		}
		if err := all.Wait(); err != nil {
			t.Fatalf("renewing = %v", err)
		}
		close(renewed)
		times := map[string]int{}
		for id := range renewed {
			times[id]++
		}
		for id, n := range times {
			if n != 1 {
				t.Errorf("tenant %s was renewed %d times, want once", id, n)
			}
		}
		if len(times) != tenants {
			t.Errorf("%d tenants were renewed, want %d", len(times), tenants)
		}
	})
}

func TestRelease_Concurrently(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owners := []string{"a", "b", "c"}
		leases := make([]token.Schedule, 45)
		for n := range leases {
			schedule := token.Schedule{TenantID: addTenant(t, s).ID, DueAt: noonStored}
			if err := s.SaveSchedule(ctx, &schedule); err != nil {
				t.Fatalf("SaveSchedule() = %v", err)
			}
			var err error
			if leases[n], err = s.Lease(ctx, schedule.TenantID, owners[n%len(owners)], noon, noon.Add(time.Minute)); err != nil {
				t.Fatalf("Lease() = %v", err)
			}
		}
		var all errgroup.Group
		for n, schedule := range leases {
			owner := schedule.LeaseOwner
			if n%5 == 0 { // not the owner, but one that releases other tenants at the same time
				owner = owners[(n+1)%len(owners)]
			}
			all.Go(func() error { return s.Release(ctx, schedule.TenantID, owner) })
		}
		if err := all.Wait(); err != nil {
			t.Fatalf("Release() = %v", err)
		}
		for n, schedule := range leases {
			got, err := s.Schedule(ctx, schedule.TenantID)
			if want := n%5 == 0; err != nil || (got.LeaseOwner != "") != want {
				t.Errorf("Schedule() after Release() = leased to %q, %v, want leased: %t", got.LeaseOwner, err, want)
			}
		}
	})
}
