package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func tenantsOf(jobs []token.Job) []string {
	ids := make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.TenantID
	}
	return ids
}

func TestLeaseDue_LeasesTheMostUrgent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		in := newInstance()
		in.Settings.Cloud = "china"
		if err := s.SaveInstance(ctx, &in); err != nil {
			t.Fatalf("SaveInstance() = %v", err)
		}
		urgent := addScheduled(t, s, noon.AddDate(0, 0, -80), noon)
		middle := addScheduled(t, s, noon.AddDate(0, 0, -50), noon.AddDate(0, 0, -1))
		last := addScheduled(t, s, noon.AddDate(0, 0, -10), noon.AddDate(0, 0, -2))
		leased := addScheduled(t, s, noon.AddDate(0, 0, -85), noon)
		addScheduled(t, s, noon.AddDate(0, 0, -85), noon.Add(time.Minute)) // due later
		until := noon.Add(time.Minute)
		if _, err := s.Lease(ctx, leased.TenantID, "another replica", noon, until); err != nil {
			t.Fatalf("Lease() = _, %v", err)
		}
		jobs, err := s.LeaseDue(ctx, "replica", noon, until, 2)
		if want := []string{urgent.TenantID, middle.TenantID}; err != nil || !slices.Equal(tenantsOf(jobs), want) {
			t.Fatalf("LeaseDue(2) = %q, %v, want %q", tenantsOf(jobs), err, want)
		}
		directory, err := s.Tenant(ctx, urgent.TenantID)
		if err != nil {
			t.Fatalf("Tenant() = _, %v", err)
		}
		want := token.Job{
			Schedule: token.Schedule{
				TenantID: urgent.TenantID, DueAt: noonStored, LeaseOwner: "replica", LeaseUntil: noonStored.Add(time.Minute), Version: 2,
			},
			ExpiresAt: noonStored.AddDate(0, 0, 10), Cloud: "china", DirectoryID: directory.DirectoryID,
		}
		if diff := cmp.Diff(want, jobs[0]); diff != "" {
			t.Errorf("LeaseDue() differs (-want +got):\n%s", diff)
		}
		jobs, err = s.LeaseDue(ctx, "another", noon, until, 10)
		if err != nil || !slices.Equal(tenantsOf(jobs), []string{last.TenantID}) {
			t.Errorf("LeaseDue() of the rest = %q, %v, want %q", tenantsOf(jobs), err, last.TenantID)
		}
		for _, limit := range []int{10, 0} { // nothing is left
			if jobs, err = s.LeaseDue(ctx, "another", noon, until, limit); err != nil || len(jobs) > 0 {
				t.Errorf("LeaseDue(%d) when all are leased = %q, %v, want none", limit, tenantsOf(jobs), err)
			}
		}
		// A replica whose leases expire loses them, and can no longer save what it read under them.
		jobs, err = s.LeaseDue(ctx, "third", until.Add(time.Millisecond), until.Add(time.Hour), 10)
		if err != nil || len(jobs) != 5 {
			t.Errorf("LeaseDue() after the leases expired = %d jobs, %v, want all 5 that are due by then", len(jobs), err)
		}
		late := want.Schedule
		if err := s.SaveSchedule(ctx, &late); err == nil {
			t.Error("SaveSchedule() under an expired lease = nil, want an error")
		}
	})
}

func TestLeaseDue_WithoutAnInstanceTheCloudIsTheDefault(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	addScheduled(t, s, noon, noon)
	jobs, err := s.LeaseDue(t.Context(), "replica", noon, noon.Add(time.Minute), 1)
	if err != nil || len(jobs) != 1 || jobs[0].Cloud != tenant.DefaultCloud {
		t.Errorf("LeaseDue() = %+v, %v, want one in the cloud %s", jobs, err, tenant.DefaultCloud)
	}
}

func TestPostpone_MovesWhatTheReplicaStillLeases(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		first := addScheduled(t, s, noon.AddDate(0, 0, -80), noon)
		ending := addScheduled(t, s, noon.AddDate(0, 0, -90).Add(time.Hour), noon)
		moved := addScheduled(t, s, noon.AddDate(0, 0, -70), noon)
		other := addScheduled(t, s, noon.AddDate(0, 0, -60), noon)
		ids := []string{first.TenantID, ending.TenantID, moved.TenantID, other.TenantID}
		until, later := noon.Add(time.Minute), noon.Add(2*time.Hour)
		if jobs, err := s.LeaseDue(ctx, "replica", noon, until, 3); err != nil || len(jobs) != 3 {
			t.Fatalf("LeaseDue() = %q, %v, want 3", tenantsOf(jobs), err)
		}
		if _, err := s.Lease(ctx, other.TenantID, "another replica", noon, until); err != nil {
			t.Fatalf("Lease() = _, %v", err)
		}
		schedule, err := s.Schedule(ctx, moved.TenantID)
		if err != nil {
			t.Fatalf("Schedule() = _, %v", err)
		}
		schedule.DueAt = noon.AddDate(0, 0, 10)
		if err := s.SaveSchedule(ctx, &schedule); err != nil {
			t.Fatalf("SaveSchedule() = %v", err)
		}
		if err := s.Postpone(ctx, ids, "replica", noon, later); err != nil {
			t.Fatalf("Postpone() = %v", err)
		}
		for id, want := range map[string]struct {
			due   time.Time
			owner string
		}{
			first.TenantID:  {noonStored.Add(2 * time.Hour), ""},
			ending.TenantID: {noonStored.Add(2 * time.Hour), ""},
			moved.TenantID:  {noonStored.AddDate(0, 0, 10), "replica"}, // the result of its renewal had already moved it
			other.TenantID:  {noonStored, "another replica"},
		} {
			got, err := s.Schedule(ctx, id)
			if err != nil || !got.DueAt.Equal(want.due) || got.LeaseOwner != want.owner {
				t.Errorf("Schedule() = due %s, leased to %q, %v, want %s, %q", got.DueAt, got.LeaseOwner, err, want.due, want.owner)
			}
		}
		// The grant that expires before its due time comes last: a renewal cannot save it.
		if due, err := s.Due(ctx, later, 3); err != nil || !slices.Equal(due, []string{first.TenantID, other.TenantID, ending.TenantID}) {
			t.Errorf("Due() = %q, %v, want %q", due, err, []string{first.TenantID, other.TenantID, ending.TenantID})
		}
	})
}

// TestLeaseDue_EveryTenantGoesToOneReplica lets several replicas lease due tenants at the same time.
func TestLeaseDue_EveryTenantGoesToOneReplica(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		const tenants, replicas = 60, 4
		for i := range tenants {
			addScheduled(t, s, noon.AddDate(0, 0, -i), noon)
		}
		var mu sync.Mutex // guards times
		times := map[string]int{}
		var all errgroup.Group
		for n := range replicas {
			replica := db.Open(t)
			all.Go(func() error {
				for {
					jobs, err := replica.LeaseDue(t.Context(), fmt.Sprint("replica ", n), noon, noon.Add(time.Minute), 7)
					if err != nil || len(jobs) == 0 {
						return err
					}
					mu.Lock()
					for _, job := range jobs {
						times[job.TenantID]++
					}
					mu.Unlock()
				}
			})
		}
		if err := all.Wait(); err != nil {
			t.Fatalf("LeaseDue() = _, %v", err)
		}
		for id, n := range times {
			if n != 1 {
				t.Errorf("tenant %s was leased %d times, want once", id, n)
			}
		}
		if len(times) != tenants {
			t.Errorf("%d tenants were leased, want %d", len(times), tenants)
		}
	})
}
