package store_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestSaveInstance_ReturnsWhatWasSaved(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		if _, err := s.Instance(ctx, instanceKey); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("Instance() of an unknown key = _, %v, want %v", err, tenant.ErrNotFound)
		}
		in := newInstance()
		if err := s.SaveInstance(ctx, &in); err != nil || in.Version != 1 {
			t.Fatalf("SaveInstance() = %v, version %d, want version 1", err, in.Version)
		}
		if !in.CreatedAt.Equal(noonStored) {
			t.Errorf("SaveInstance() leaves CreatedAt %v, want %v", in.CreatedAt, noonStored)
		}
		got, err := s.Instance(ctx, instanceKey)
		if diff := cmp.Diff(in, got, cmp.Comparer(revealed)); err != nil || diff != "" {
			t.Errorf("Instance() = _, %v, differs (-want +got):\n%s", err, diff)
		}

		got.Settings = tenant.Settings{Cloud: "china"}
		got.RemovedAt = noon
		if err := s.SaveInstance(ctx, &got); err != nil || got.Version != 2 {
			t.Fatalf("SaveInstance() = %v, version %d, want version 2", err, got.Version)
		}
		again, err := s.Instance(ctx, instanceKey)
		if diff := cmp.Diff(got, again, cmp.Comparer(revealed)); err != nil || diff != "" {
			t.Errorf("Instance() after an update = _, %v, differs (-want +got):\n%s", err, diff)
		}
	})
}

func TestSaveInstance_Errors(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		in := newInstance()
		if err := s.SaveInstance(ctx, &in); err != nil {
			t.Fatalf("SaveInstance() = %v", err)
		}
		for name, change := range map[string]func(in *tenant.Instance){
			"exists":       func(in *tenant.Instance) { in.Version, in.RootID = 0, random.ID() },
			"same root":    func(in *tenant.Instance) { in.Version, in.Key = 0, "another" },
			"changed":      func(in *tenant.Instance) { in.Version = 7 },
			"never stored": func(in *tenant.Instance) { in.Key = "nobody's" },
		} {
			refused := in
			change(&refused)
			version := refused.Version
			if err := s.SaveInstance(ctx, &refused); !errors.Is(err, tenant.ErrChanged) || refused.Version != version {
				t.Errorf("SaveInstance() of one that is %s = %v, version %d, want %v, version %d", name, err, refused.Version, tenant.ErrChanged, version)
			}
		}
		for _, key := range []string{"", instanceKey + " ", "KEY-OF-THE-INSTANCE"} {
			if _, err := s.Instance(ctx, key); !errors.Is(err, tenant.ErrNotFound) {
				t.Errorf("Instance(%q) = _, %v, want %v", key, err, tenant.ErrNotFound)
			}
		}
		without := tenant.Instance{Key: "without a root"}
		if err := s.SaveInstance(ctx, &without); err != nil {
			t.Fatalf("SaveInstance() without a root = %v", err)
		}
		other := tenant.Instance{Key: "another without"}
		if err := s.SaveInstance(ctx, &other); err != nil {
			t.Errorf("SaveInstance() of a second without a root = %v", err)
		}
	})
}

func TestSaveTenant_ReturnsWhatWasSaved(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		first, second, third := newTenant(), newTenant(), newTenant()
		first.Name, second.Name, third.Name = "a", "B", "a"
		first.ID, third.ID = "1"+first.ID[1:], "2"+third.ID[1:]
		elsewhere := newTenant()
		elsewhere.InstanceKey = "another"
		elsewhere.DirectoryID = first.DirectoryID // another instance may have the same directory
		for _, added := range []*tenant.Tenant{&first, &second, &third, &elsewhere} {
			if err := s.SaveTenant(ctx, added); err != nil || added.Version != 1 {
				t.Fatalf("SaveTenant() = %v, version %d, want version 1", err, added.Version)
			}
		}
		got, err := s.Tenants(ctx, instanceKey)
		want := []tenant.Tenant{second, first, third} // by name, byte by byte, then by ID
		if diff := cmp.Diff(want, got, cmp.Comparer(revealed)); err != nil || diff != "" {
			t.Errorf("Tenants() = _, %v, differs (-want +got):\n%s", err, diff)
		}
		if got, err := s.Tenants(ctx, "nobody's"); err != nil || len(got) != 0 {
			t.Errorf("Tenants() of an unknown instance = %d tenants, %v, want none", len(got), err)
		}

		first.DirectoryID, first.Application = "", tenant.Application{}
		second.DirectoryID = ""
		for _, changed := range []*tenant.Tenant{&first, &second} { // any number of tenants may lack a directory
			if err := s.SaveTenant(ctx, changed); err != nil || changed.Version != 2 {
				t.Fatalf("SaveTenant() = %v, version %d, want version 2", err, changed.Version)
			}
		}
		one, err := s.Tenant(ctx, first.ID)
		if diff := cmp.Diff(first, one, cmp.Comparer(revealed)); err != nil || diff != "" {
			t.Errorf("Tenant() = _, %v, differs (-want +got):\n%s", err, diff)
		}
	})
}

func TestSaveTenant_Errors(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		first, second := addTenant(t, s), addTenant(t, s)
		for name, tc := range map[string]struct {
			change func(t *tenant.Tenant)
			want   error
		}{
			"exists":                     {func(t *tenant.Tenant) { t.Version, t.DirectoryID = 0, random.ID() }, tenant.ErrChanged},
			"exists, with its directory": {func(t *tenant.Tenant) { t.Version = 0 }, tenant.ErrChanged},
			"changed":                    {func(t *tenant.Tenant) { t.Version = 9 }, tenant.ErrChanged},
			"never stored":               {func(t *tenant.Tenant) { t.ID = random.ID() }, tenant.ErrChanged},
			"new, proven by another":     {func(t *tenant.Tenant) { t.Version, t.ID = 0, random.ID() }, tenant.ErrDirectoryTaken},
			"stored, proven by another":  {func(t *tenant.Tenant) { t.ProvenDirectoryID = second.ProvenDirectoryID }, tenant.ErrDirectoryTaken},
		} {
			refused := first
			tc.change(&refused)
			before := refused
			if err := s.SaveTenant(ctx, &refused); !errors.Is(err, tc.want) {
				t.Errorf("SaveTenant() of one that is %s = %v, want %v", name, err, tc.want)
			}
			if diff := cmp.Diff(before, refused, cmp.Comparer(revealed)); diff != "" {
				t.Errorf("refused SaveTenant() of one that is %s changes it (-before +after):\n%s", name, diff)
			}
		}
		for _, id := range []string{"", random.ID(), first.ID + " "} {
			if _, err := s.Tenant(ctx, id); !errors.Is(err, tenant.ErrNotFound) {
				t.Errorf("Tenant(%q) = _, %v, want %v", id, err, tenant.ErrNotFound)
			}
		}
	})
}

// TestSaveTenant_AnyNumberMayNameADirectory stores tenants that name the directory that another one has proven.
func TestSaveTenant_AnyNumberMayNameADirectory(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owner := addTenant(t, s)
		for range 3 {
			naming := newTenant()
			naming.DirectoryID, naming.ProvenDirectoryID = owner.DirectoryID, ""
			if err := s.SaveTenant(ctx, &naming); err != nil {
				t.Errorf("SaveTenant() of one that names the directory of another = %v", err)
			}
			if got, err := s.Tenant(ctx, naming.ID); err != nil || got.Proven() || got.Altered {
				t.Errorf("Tenant() = proven: %t, altered: %t, %v, want neither", got.Proven(), got.Altered, err)
			}
		}
		if got, err := s.Owner(ctx, instanceKey, owner.DirectoryID); err != nil || got.ID != owner.ID || !got.Proven() {
			t.Errorf("Owner() = %s, %v, want %s", got.ID, err, owner.ID)
		}
		for _, key := range []string{"another-instance", ""} {
			if got, err := s.Owner(ctx, key, owner.DirectoryID); !errors.Is(err, tenant.ErrNotFound) {
				t.Errorf("Owner() in the instance %q = %s, %v, want %v", key, got.ID, err, tenant.ErrNotFound)
			}
		}
		if err := s.DeleteTenant(ctx, owner.ID); err != nil {
			t.Fatalf("DeleteTenant() = %v", err)
		}
		if got, err := s.Owner(ctx, instanceKey, owner.DirectoryID); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("Owner() after the tenant went = %s, %v, want %v", got.ID, err, tenant.ErrNotFound)
		}
	})
}

func TestSaveTenant_DirectoryIsProvenOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		directory := random.ID()
		results := make(chan error, 8)
		var all errgroup.Group
		for range cap(results) {
			s := db.Open(t)
			all.Go(func() error {
				claiming := newTenant()
				claiming.DirectoryID, claiming.ProvenDirectoryID = directory, directory
				results <- s.SaveTenant(t.Context(), &claiming)
				return nil
			})
		}
		_ = all.Wait()
		checkOneWinner(t, results, tenant.ErrDirectoryTaken)
	})
}

// checkOneWinner asserts that one result is nil and all others are want.
func checkOneWinner(t *testing.T, results chan error, want error) {
	t.Helper()
	close(results)
	winners := 0
	for err := range results {
		switch {
		case err == nil:
			winners++
		case !errors.Is(err, want):
			t.Errorf("the error of another caller = %v, want %v", err, want)
		}
	}
	if winners != 1 {
		t.Errorf("%d callers succeeded, want one", winners)
	}
}

func TestDeleteTenant_DestroysSecrets(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		doomed, kept := addTenant(t, s), addTenant(t, s)
		for _, owner := range []tenant.Tenant{doomed, kept} {
			for _, slot := range []token.Slot{token.Active, token.Pending, token.Unconfirmed, token.Predecessor} {
				g := newGrant(owner.ID, slot, noon)
				if err := s.SaveGrant(ctx, &g); err != nil {
					t.Fatalf("SaveGrant() = %v", err)
				}
			}
			c := newConsent(owner.ID)
			if err := s.SaveConsent(ctx, &c); err != nil {
				t.Fatalf("SaveConsent() = %v", err)
			}
			if err := s.AddState(ctx, newState(c)); err != nil {
				t.Fatalf("AddState() = %v", err)
			}
			if err := s.SaveSchedule(ctx, &token.Schedule{TenantID: owner.ID, DueAt: noon}); err != nil {
				t.Fatalf("SaveSchedule() = %v", err)
			}
			if err := s.AppendEvent(ctx, audit.Event{ID: random.ID(), At: noon, TenantID: owner.ID, Action: audit.TenantProvisioned, Result: audit.OK}); err != nil {
				t.Fatalf("AppendEvent() = %v", err)
			}
		}
		if err := s.DeleteTenant(ctx, doomed.ID); err != nil {
			t.Fatalf("DeleteTenant() = %v", err)
		}
		if err := s.DeleteTenant(ctx, doomed.ID); err != nil {
			t.Errorf("second DeleteTenant() = %v, want nil", err)
		}
		raw := db.Raw(t)
		for table, want := range map[string]int{"tenants": 1, "grants": 4, "consents": 1, "states": 1, "schedules": 1, "events": 2} {
			var rows int
			if err := raw.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&rows); err != nil || rows != want {
				t.Errorf("%s has %d rows, %v, want %d", table, rows, err, want)
			}
		}
		if events, err := s.Events(ctx, doomed.ID, noon.AddDate(1, 0, 0), 10); err != nil || len(events) != 1 {
			t.Errorf("Events() of the deleted tenant = %d events, %v, want 1", len(events), err)
		}

		// Work that still runs for a deleted tenant cannot store anything.
		late := newGrant(doomed.ID, token.Pending, noon)
		if err := s.SaveGrant(ctx, &late); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("SaveGrant() of a deleted tenant = %v, want %v", err, tenant.ErrNotFound)
		}
		late.Version = 1
		if err := s.SaveGrant(ctx, &late); !errors.Is(err, token.ErrStale) {
			t.Errorf("SaveGrant() of a deleted grant = %v, want %v", err, token.ErrStale)
		}
		c := newConsent(doomed.ID)
		if err := s.SaveConsent(ctx, &c); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("SaveConsent() of a deleted tenant = %v, want %v", err, tenant.ErrNotFound)
		}
		if err := s.AddState(ctx, newState(c)); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("AddState() of a deleted tenant = %v, want %v", err, tenant.ErrNotFound)
		}
		if err := s.SaveSchedule(ctx, &token.Schedule{TenantID: doomed.ID}); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("SaveSchedule() of a deleted tenant = %v, want %v", err, tenant.ErrNotFound)
		}
	})
}

func TestSaveTenant_WithoutCredentials(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		saved := addTenant(t, s)
		saved.Application = tenant.Application{ID: saved.Application.ID, Secret: tenant.Credential{Ends: noon}} // a date without a credential
		if err := s.SaveTenant(t.Context(), &saved); err != nil {
			t.Fatalf("SaveTenant() = %v", err)
		}
		if got, err := s.Tenant(t.Context(), saved.ID); err != nil || got.Application != (tenant.Application{ID: saved.Application.ID}) || got.Application != saved.Application {
			t.Errorf("Tenant() = an application with %d credentials, %v, want none, like SaveTenant()", len(got.Application.Credentials()), err)
		}
	})
}
