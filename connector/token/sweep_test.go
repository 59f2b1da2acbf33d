package token_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// addDueTenants adds n tenants with grants that are due in ten days, each with one day of slack more than the one before.
func (h *harness) addDueTenants(n int) []string {
	h.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("tenant-%03d", i)
		directory := fmt.Sprintf("99999999-0000-4000-8000-%012d", i)
		h.addTenant(ids[i], directory)
		g := token.Grant{
			TenantID: ids[i], Slot: token.Active, RefreshToken: secret.New("first-of-" + ids[i]), DirectoryID: directory,
			IssuedAt: h.now().AddDate(0, 0, i-n), ApplicationID: applicationID, Procedure: token.Automatic, ConsentID: "consent-" + ids[i],
		}
		h.must(h.store.SaveGrant(h.Context(), &g))
		h.must(h.store.SaveSchedule(h.Context(), &token.Schedule{TenantID: ids[i], DueAt: h.now().Add(10 * day)}))
	}
	return ids
}

// replica returns another service on the same store, with its own settings.
func (h *harness) replica(cfg token.Config) *token.Service {
	h.Helper()
	if cfg.Store == nil {
		cfg.Store = h.store
	}
	if cfg.Microsoft == nil {
		cfg.Microsoft = h.microsoft
	}
	cfg.Now, cfg.Rand = h.now, func() float64 { return 0.5 }
	s, err := token.New(cfg)
	h.must(err)
	return s
}

// schedule returns a tenant's schedule.
func (h *harness) schedule(id string) token.Schedule {
	h.Helper()
	schedule, err := h.store.Schedule(h.Context(), id)
	h.must(err)
	return schedule
}

// checkReleased asserts that a tenant is due, not leased, and without a failure.
func (h *harness) checkReleased(id string) {
	h.Helper()
	got := h.schedule(id)
	if got.LeaseOwner != "" || got.DueAt.After(h.now()) || got.Attempt != 0 || got.Failure != nil {
		h.Errorf("tenant %s: leased to %q, due at %s, %d attempts, failure %v; want not leased, due, none", id, got.LeaseOwner, got.DueAt, got.Attempt, got.Failure)
	}
}

func TestNew_RefusesNegativeLimits(t *testing.T) {
	st := openStore(t)
	for name, cfg := range map[string]token.Config{
		"workers": {Workers: -1}, "renewals in a cloud": {PerCloud: -1}, "renewals for a directory": {PerDirectory: -1},
		"redemptions for borrowers": {Redemptions: -1},
	} {
		cfg.Store, cfg.Microsoft = st, &fakeMicrosoft{}
		if s, err := token.New(cfg); err == nil {
			t.Errorf("New() with negative %s = %v, nil, want an error", name, s)
		}
	}
}

func TestSweep_RenewsLeastSlackFirst(t *testing.T) {
	h := newHarness(t, openStore(t))
	ids := h.addDueTenants(30)
	h.advance(10 * day)
	var order []string
	h.microsoft.renew = func(refreshToken string, api token.API) error {
		if api == token.PartnerCenter {
			order = append(order, refreshToken)
		}
		return nil
	}
	h.must(h.replica(token.Config{Workers: 1}).Sweep(t.Context()))
	want := make([]string, len(ids))
	for i, id := range ids {
		want[i] = "first-of-" + id
	}
	if !slices.Equal(order, want) {
		t.Errorf("Sweep() renewed in the order %q, want %q", order, want)
	}
}

func TestSweep_LeasesInBatchesItCanServe(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.addDueTenants(40)
	h.advance(10 * day)
	counting := &countingStore{Store: h.store}
	h.must(h.replica(token.Config{Store: counting, Workers: 8}).Sweep(t.Context()))
	if counting.most > 8 || counting.leases != 6 {
		t.Errorf("Sweep() leased %d times and up to %d tenants at once, want 5 times 8, and once none", counting.leases, counting.most)
	}
	// 12 a minute are 24 within a lease of two minutes; a leased tenant may wait for a quarter of it, in three batches.
	counting = &countingStore{Store: h.store}
	h.advance(12 * day)
	slow := h.replica(token.Config{
		Store: counting, Workers: 8, PerCloud: 12, Lease: 2 * time.Minute,
		Wait: func(_ context.Context, d time.Duration) error { h.advance(d); return nil },
	})
	h.must(slow.Sweep(t.Context()))
	if counting.most != 2 {
		t.Errorf("Sweep() at 12 renewals a minute leased up to %d tenants at once, want 2", counting.most)
	}
}

// A countingStore counts calls of LeaseDue and the most tenants that one returned.
type countingStore struct {
	*store.Store
	leases, most int
}

// LeaseDue implements token.Store.
func (c *countingStore) LeaseDue(ctx context.Context, owner string, now, until time.Time, limit int) ([]token.Job, error) {
	leases, err := c.Store.LeaseDue(ctx, owner, now, until, limit)
	c.leases, c.most = c.leases+1, max(c.most, len(leases))
	return leases, err
}

func TestSweep_RunsAtMostOneRenewalPerWorker(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.addDueTenants(24)
	h.advance(10 * day)
	var mu sync.Mutex // guards running and most
	running, most := 0, 0
	full := make(chan struct{}) // closed when all workers are busy
	h.microsoft.renew = func(string, token.API) error {
		mu.Lock()
		running++
		if most = max(most, running); most == 3 && running == 3 {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		mu.Unlock()
		<-full
		mu.Lock()
		running--
		mu.Unlock()
		return nil
	}
	h.must(h.replica(token.Config{Workers: 3}).Sweep(t.Context()))
	if most != 3 {
		t.Errorf("%d renewals ran at once, want 3", most)
	}
}

func TestSweep_LimitsTheRateOfACloud(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.addDueTenants(34)
	h.advance(10 * day)
	began := h.now()
	s := h.replica(token.Config{Workers: 4, PerCloud: 60, Wait: func(_ context.Context, d time.Duration) error { h.advance(d); return nil }})
	h.must(s.Sweep(t.Context()))
	if took := h.now().Sub(began); took != 30*time.Second {
		t.Errorf("34 renewals at 60 a minute, 4 of them at once, took %s, want 30s", took)
	}
}

func TestSweep_LimitsTheRateOfADirectory(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	s := h.replica(token.Config{PerDirectory: 1})
	due := func() {
		schedule := h.schedule(tenantID)
		schedule.DueAt = h.now()
		h.must(h.store.SaveSchedule(t.Context(), &schedule))
	}
	for range 2 {
		due()
		h.must(s.Sweep(t.Context()))
	}
	if got := h.renewals(); got != 2 {
		t.Fatalf("%d renewals at once, want 2", got)
	}
	due()
	h.must(s.Sweep(t.Context()))
	if got, next := h.renewals(), h.schedule(tenantID); got != 2 || next.LeaseOwner != "" || next.DueAt != h.now().Add(time.Minute) {
		t.Errorf("after %d renewals, the next is due at %s, leased to %q; want 2, a minute from now, not leased", got, next.DueAt, next.LeaseOwner)
	}
	h.advance(time.Minute)
	h.must(s.Purge(t.Context()))
	h.must(s.Sweep(t.Context()))
	if got := h.renewals(); got != 3 {
		t.Errorf("%d renewals after a minute, want 3", got)
	}
}

func TestPauseCloud_PostponesAllTenantsOfTheCloud(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarness(t, db.Open(t))
		ids := h.addDueTenants(20)
		h.consent(tenantID)
		china := h.addInstance("china")
		h.advance(10 * day)
		asked := h.now()
		var s *token.Service
		h.microsoft.renew = func(refreshToken string, _ token.API) error {
			if refreshToken == "first-of-"+china {
				return nil
			}
			s.PauseCloud("global", 3*time.Hour)
			return throttled(3 * time.Hour)
		}
		s = h.replica(token.Config{Workers: 1})
		before := len(h.microsoft.presented())
		h.must(s.Sweep(t.Context()))
		if got := len(h.microsoft.presented()) - before; got != 4 {
			t.Errorf("Microsoft was asked %d times, want once by the throttled tenant and three times in the other cloud", got)
		}
		tried := 0
		for _, id := range append(ids, tenantID) {
			schedule := h.schedule(id)
			tried += schedule.Attempt
			if schedule.DueAt.Before(asked.Add(3*time.Hour)) || schedule.LeaseOwner != "" {
				t.Errorf("tenant %s is due at %s and leased to %q, want not before %s and not leased", id, schedule.DueAt, schedule.LeaseOwner, asked.Add(3*time.Hour))
			}
		}
		if tried != 1 {
			t.Errorf("%d tenants have an attempt, want only the one that was throttled", tried)
		}
		if got := h.schedule(china); !got.DueAt.After(asked.Add(9 * day)) {
			t.Errorf("the tenant in the other cloud is due at %s, want it renewed", got.DueAt)
		}
		// After the pause, all are renewed.
		h.microsoft.renew = nil
		h.advance(3*time.Hour + 15*time.Minute)
		h.must(s.Sweep(t.Context()))
		for _, id := range append(ids, tenantID) {
			if got := h.schedule(id); got.Failure != nil || !got.DueAt.After(h.now()) {
				t.Errorf("tenant %s afterwards: due at %s, failure %v; want it renewed", id, got.DueAt, got.Failure)
			}
		}
	})
}

// addInstance adds an instance in another cloud with one tenant, and returns the ID of the tenant.
func (h *harness) addInstance(cloud string) string {
	h.Helper()
	const id = "tenant-elsewhere"
	in := tenant.Instance{Key: "key-2", ID: "aps-2", RootID: "root-2", CreatedAt: h.clock, UpdatedAt: h.clock, Settings: tenant.Settings{
		Cloud: cloud, Application: tenant.Application{ID: applicationID, Secret: tenant.Credential{Value: secret.New("app-secret")}},
	}}
	h.must(h.store.SaveInstance(h.Context(), &in))
	h.must(h.store.SaveTenant(h.Context(), &tenant.Tenant{ID: id, InstanceKey: in.Key, Name: id, Directory: otherID, DirectoryID: otherID, ProvenDirectoryID: otherID, CreatedAt: h.clock, UpdatedAt: h.clock}))
	g := token.Grant{
		TenantID: id, Slot: token.Active, RefreshToken: secret.New("first-of-" + id), DirectoryID: otherID,
		IssuedAt: h.now(), ApplicationID: applicationID, Procedure: token.Automatic, ConsentID: "consent-" + id,
	}
	h.must(h.store.SaveGrant(h.Context(), &g))
	h.must(h.store.SaveSchedule(h.Context(), &token.Schedule{TenantID: id, DueAt: h.now().Add(10 * day)}))
	return id
}

func throttled(wait time.Duration) error {
	f := failure.New(failure.MicrosoftThrottled)
	f.Microsoft = &failure.Evidence{Status: 429, RetryAfterSeconds: int(wait / time.Second)}
	return f
}

func TestPauseCloud_GrantThatWouldExpireIsRenewed(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.microsoft.renew = func(string, token.API) error { return throttled(20 * time.Hour) }
	h.advance(90*day - 8*time.Hour)
	h.tokens.PauseCloud("global", 20*time.Hour)
	h.must(h.tokens.Sweep(t.Context()))
	got := h.schedule(tenantID)
	if got.Attempt != 1 || got.DueAt != h.now().Add(4*time.Hour) {
		t.Errorf("%d attempts, the next at %s, want one and half of what is left, %s", got.Attempt, got.DueAt, h.now().Add(4*time.Hour))
	}
	h.microsoft.renew = nil
	h.advance(4 * time.Hour)
	h.must(h.tokens.Sweep(t.Context()))
	h.checkState(token.StateActive, "")
}

func TestPauseCloud_DefaultsToSeconds(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.advance(10 * day)
	h.tokens.PauseCloud("global", 0)
	h.must(h.tokens.Sweep(t.Context()))
	if got := h.renewals(); got != 0 {
		t.Errorf("%d renewals, want none yet", got)
	}
	h.advance(8 * time.Second)
	h.must(h.tokens.Sweep(t.Context()))
	if got := h.renewals(); got != 1 {
		t.Errorf("%d renewals after some seconds, want 1", got)
	}
}

func TestSweep_PostponesTenantsThatCannotBeServed(t *testing.T) {
	h := newHarness(t, openStore(t))
	ids := h.addDueTenants(20)
	h.advance(10 * day)
	broken := &unreadableStore{Store: h.store, tenants: ids[:16]} // the ones with the least slack
	h.must(h.replica(token.Config{Store: broken, Workers: 2}).Sweep(t.Context()))
	for i, id := range ids {
		got := h.schedule(id)
		switch {
		case i < 16 && (got.DueAt != h.now().Add(15*time.Minute) || got.LeaseOwner != ""):
			t.Errorf("tenant %s, whose grant does not open, is due at %s and leased to %q, want in 15 minutes and not leased", id, got.DueAt, got.LeaseOwner)
		case i >= 16 && got.DueAt != h.now().Add(10*day):
			t.Errorf("tenant %s is due at %s, want it renewed", id, got.DueAt)
		}
	}
}

// An unreadableStore cannot open the grants of some tenants.
type unreadableStore struct {
	*store.Store
	tenants []string
}

// Grant implements token.Store.
func (u *unreadableStore) Grant(ctx context.Context, tenantID string, slot token.Slot) (token.Grant, error) {
	if slices.Contains(u.tenants, tenantID) {
		return token.Grant{}, errors.New("the sealed value cannot be opened")
	}
	return u.Store.Grant(ctx, tenantID, slot)
}
