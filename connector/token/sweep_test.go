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

// crowd adds n tenants, each with a grant that is due in ten days, one day of slack more than the one before.
func (w *world) crowd(n int) []string {
	w.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("tenant-%03d", i)
		directory := fmt.Sprintf("99999999-0000-4000-8000-%012d", i)
		w.addTenant(ids[i], directory)
		g := token.Grant{
			TenantID: ids[i], Slot: token.Active, RefreshToken: secret.New("first-of-" + ids[i]), DirectoryID: directory,
			IssuedAt: w.now().AddDate(0, 0, i-n), ApplicationID: applicationID, Procedure: token.Automatic, ConsentID: "consent-" + ids[i],
		}
		w.must(w.store.SaveGrant(w.Context(), &g))
		w.must(w.store.SaveSchedule(w.Context(), &token.Schedule{TenantID: ids[i], DueAt: w.now().Add(10 * day)}))
	}
	return ids
}

// replica returns a custody with settings of its own.
func (w *world) replica(cfg token.Config) *token.Service {
	w.Helper()
	if cfg.Store == nil {
		cfg.Store = w.store
	}
	if cfg.Microsoft == nil {
		cfg.Microsoft = w.microsoft
	}
	cfg.Now, cfg.Rand = w.now, func() float64 { return 0.5 }
	s, err := token.New(cfg)
	w.must(err)
	return s
}

// schedule returns a tenant's schedule.
func (w *world) schedule(id string) token.Schedule {
	w.Helper()
	schedule, err := w.store.Schedule(w.Context(), id)
	w.must(err)
	return schedule
}

// checkGivenBack asserts that a tenant is as if nobody had touched it: due, held by nobody, and without a failure.
func (w *world) checkGivenBack(id string) {
	w.Helper()
	got := w.schedule(id)
	if got.LeaseOwner != "" || got.DueAt.After(w.now()) || got.Attempt != 0 || got.Failure != nil {
		w.Errorf("tenant %s: held by %q, due at %s, %d attempts, failure %v; want free, due, none", id, got.LeaseOwner, got.DueAt, got.Attempt, got.Failure)
	}
}

func TestNewRefusesNegativeBounds(t *testing.T) {
	st := openStore(t)
	for name, cfg := range map[string]token.Config{
		"workers": {Workers: -1}, "renewals in a cloud": {PerCloud: -1}, "renewals for a directory": {PerDirectory: -1},
	} {
		cfg.Store, cfg.Microsoft = st, &microsoft{}
		if s, err := token.New(cfg); err == nil {
			t.Errorf("New() with negative %s = %v, nil, want an error", name, s)
		}
	}
}

func TestWhatIsDueIsRenewedWithTheLeastSlackFirst(t *testing.T) {
	w := newWorld(t, openStore(t))
	ids := w.crowd(30)
	w.advance(10 * day)
	var order []string
	w.microsoft.renew = func(refreshToken string, api token.API) error {
		if api == token.PartnerCenter {
			order = append(order, refreshToken)
		}
		return nil
	}
	w.must(w.replica(token.Config{Workers: 1}).Sweep(t.Context()))
	want := make([]string, len(ids))
	for i, id := range ids {
		want[i] = "first-of-" + id
	}
	if !slices.Equal(order, want) {
		t.Errorf("Sweep() renewed in the order %q, want %q", order, want)
	}
}

func TestASweepClaimsInBatchesAndNoMoreThanItCanServe(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.crowd(40)
	w.advance(10 * day)
	counting := &leaseCounter{Store: w.store}
	w.must(w.replica(token.Config{Store: counting, Workers: 8}).Sweep(t.Context()))
	if counting.most > 8 || counting.leases != 6 {
		t.Errorf("Sweep() claimed %d times and up to %d tenants at once, want 5 times 8, and once in vain", counting.leases, counting.most)
	}
	// 12 a minute are 24 within a lease of two minutes; what is claimed may wait for a quarter of it, in three batches.
	counting = &leaseCounter{Store: w.store}
	w.advance(12 * day)
	slow := w.replica(token.Config{
		Store: counting, Workers: 8, PerCloud: 12, Lease: 2 * time.Minute,
		Wait: func(_ context.Context, d time.Duration) error { w.advance(d); return nil },
	})
	w.must(slow.Sweep(t.Context()))
	if counting.most != 2 {
		t.Errorf("Sweep() at 12 renewals a minute claimed up to %d tenants at once, want 2", counting.most)
	}
}

// A leaseCounter counts leases.
type leaseCounter struct {
	*store.Store
	leases, most int
}

// LeaseDue implements token.Store.
func (c *leaseCounter) LeaseDue(ctx context.Context, owner string, now, until time.Time, limit int) ([]token.Job, error) {
	leases, err := c.Store.LeaseDue(ctx, owner, now, until, limit)
	c.leases, c.most = c.leases+1, max(c.most, len(leases))
	return leases, err
}

func TestNoMoreRenewalsRunAtOnceThanThereAreWorkers(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.crowd(24)
	w.advance(10 * day)
	var mu sync.Mutex // guards running and most
	running, most := 0, 0
	full := make(chan struct{}) // closed when all workers are at work
	w.microsoft.renew = func(string, token.API) error {
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
	w.must(w.replica(token.Config{Workers: 3}).Sweep(t.Context()))
	if most != 3 {
		t.Errorf("%d renewals ran at once, want 3", most)
	}
}

func TestRenewalsOfACloudKeepTheirPace(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.crowd(34)
	w.advance(10 * day)
	began := w.now()
	s := w.replica(token.Config{Workers: 4, PerCloud: 60, Wait: func(_ context.Context, d time.Duration) error { w.advance(d); return nil }})
	w.must(s.Sweep(t.Context()))
	if took := w.now().Sub(began); took != 30*time.Second {
		t.Errorf("34 renewals at 60 a minute, 4 of them at once, took %s, want 30s", took)
	}
}

func TestRenewalsForADirectoryKeepTheirPace(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	s := w.replica(token.Config{PerDirectory: 1})
	due := func() {
		schedule := w.schedule(tenantID)
		schedule.DueAt = w.now()
		w.must(w.store.SaveSchedule(t.Context(), &schedule))
	}
	for range 2 {
		due()
		w.must(s.Sweep(t.Context()))
	}
	if got := w.renewals(); got != 2 {
		t.Fatalf("%d renewals at once, want 2", got)
	}
	due()
	w.must(s.Sweep(t.Context()))
	if got, next := w.renewals(), w.schedule(tenantID); got != 2 || next.LeaseOwner != "" || next.DueAt != w.now().Add(time.Minute) {
		t.Errorf("after %d renewals the next is due at %s, held by %q; want 2, a minute from now, nobody", got, next.DueAt, next.LeaseOwner)
	}
	w.advance(time.Minute)
	w.must(s.Purge(t.Context()))
	w.must(s.Sweep(t.Context()))
	if got := w.renewals(); got != 3 {
		t.Errorf("%d renewals after a minute, want 3", got)
	}
}

func TestACloudThatAsksToSlowDownIsLeftAloneByAllItsTenants(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		w := newWorld(t, db.Open(t))
		ids := w.crowd(20)
		w.consent(tenantID)
		china := w.instanceIn("china")
		w.advance(10 * day)
		asked := w.now()
		var s *token.Service
		w.microsoft.renew = func(refreshToken string, _ token.API) error {
			if refreshToken == "first-of-"+china {
				return nil
			}
			s.PauseCloud("global", 3*time.Hour)
			return throttled(3 * time.Hour)
		}
		s = w.replica(token.Config{Workers: 1})
		before := len(w.microsoft.presented())
		w.must(s.Sweep(t.Context()))
		if got := len(w.microsoft.presented()) - before; got != 4 {
			t.Errorf("Microsoft was asked %d times, want once by the throttled tenant and three times in the other cloud", got)
		}
		tried := 0
		for _, id := range append(ids, tenantID) {
			schedule := w.schedule(id)
			tried += schedule.Attempt
			if schedule.DueAt.Before(asked.Add(3*time.Hour)) || schedule.LeaseOwner != "" {
				t.Errorf("tenant %s is due at %s and held by %q, want nobody, and nothing before %s", id, schedule.DueAt, schedule.LeaseOwner, asked.Add(3*time.Hour))
			}
		}
		if tried != 1 {
			t.Errorf("%d tenants count an attempt, want the one that was throttled", tried)
		}
		if got := w.schedule(china); !got.DueAt.After(asked.Add(9 * day)) {
			t.Errorf("the tenant in the other cloud is due at %s, want it renewed", got.DueAt)
		}
		// When it is over they do not come all at once.
		w.microsoft.renew = nil
		w.advance(3*time.Hour + 15*time.Minute)
		w.must(s.Sweep(t.Context()))
		for _, id := range append(ids, tenantID) {
			if got := w.schedule(id); got.Failure != nil || !got.DueAt.After(w.now()) {
				t.Errorf("tenant %s afterwards: due at %s, failure %v; want it renewed", id, got.DueAt, got.Failure)
			}
		}
	})
}

// instanceIn adds an instance in another cloud with one tenant, and returns that.
func (w *world) instanceIn(cloud string) string {
	w.Helper()
	const id = "tenant-elsewhere"
	in := tenant.Instance{Key: "key-2", ID: "aps-2", RootID: "root-2", CreatedAt: w.clock, UpdatedAt: w.clock, Settings: tenant.Settings{
		Cloud: cloud, Application: tenant.Application{ID: applicationID, Secret: tenant.Credential{Value: secret.New("app-secret")}},
	}}
	w.must(w.store.SaveInstance(w.Context(), &in))
	w.must(w.store.SaveTenant(w.Context(), &tenant.Tenant{ID: id, InstanceKey: in.Key, Name: id, Directory: otherID, DirectoryID: otherID, CreatedAt: w.clock, UpdatedAt: w.clock}))
	g := token.Grant{
		TenantID: id, Slot: token.Active, RefreshToken: secret.New("first-of-" + id), DirectoryID: otherID,
		IssuedAt: w.now(), ApplicationID: applicationID, Procedure: token.Automatic, ConsentID: "consent-" + id,
	}
	w.must(w.store.SaveGrant(w.Context(), &g))
	w.must(w.store.SaveSchedule(w.Context(), &token.Schedule{TenantID: id, DueAt: w.now().Add(10 * day)}))
	return id
}

func throttled(wait time.Duration) error {
	f := failure.New(failure.MicrosoftThrottled)
	f.Microsoft = &failure.Evidence{Status: 429, RetryAfterSeconds: int(wait / time.Second)}
	return f
}

func TestAGrantThatWouldEndMeanwhileIsNotLeftAlone(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	w.microsoft.renew = func(string, token.API) error { return throttled(20 * time.Hour) }
	w.advance(90*day - 8*time.Hour)
	w.tokens.PauseCloud("global", 20*time.Hour)
	w.must(w.tokens.Sweep(t.Context()))
	got := w.schedule(tenantID)
	if got.Attempt != 1 || got.DueAt != w.now().Add(4*time.Hour) {
		t.Errorf("%d attempts, the next at %s, want one and half of what is left, %s", got.Attempt, got.DueAt, w.now().Add(4*time.Hour))
	}
	w.microsoft.renew = nil
	w.advance(4 * time.Hour)
	w.must(w.tokens.Sweep(t.Context()))
	w.checkState(token.StateActive, "")
}

func TestACloudThatDoesNotSayForHowLongIsLeftAloneForSeconds(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	w.advance(10 * day)
	w.tokens.PauseCloud("global", 0)
	w.must(w.tokens.Sweep(t.Context()))
	if got := w.renewals(); got != 0 {
		t.Errorf("%d renewals, want none yet", got)
	}
	w.advance(8 * time.Second)
	w.must(w.tokens.Sweep(t.Context()))
	if got := w.renewals(); got != 1 {
		t.Errorf("%d renewals after some seconds, want 1", got)
	}
}

func TestATenantThatCannotBeServedKeepsNobodyFromHisTurn(t *testing.T) {
	w := newWorld(t, openStore(t))
	ids := w.crowd(20)
	w.advance(10 * day)
	broken := &unreadable{Store: w.store, tenants: ids[:16]} // those with the least slack
	w.must(w.replica(token.Config{Store: broken, Workers: 2}).Sweep(t.Context()))
	for i, id := range ids {
		got := w.schedule(id)
		switch {
		case i < 16 && (got.DueAt != w.now().Add(15*time.Minute) || got.LeaseOwner != ""):
			t.Errorf("tenant %s, whose grant cannot be read, is due at %s and held by %q, want in a quarter of an hour, nobody", id, got.DueAt, got.LeaseOwner)
		case i >= 16 && got.DueAt != w.now().Add(10*day):
			t.Errorf("tenant %s is due at %s, want it renewed", id, got.DueAt)
		}
	}
}

// An unreadable store cannot open the grants of some tenants.
type unreadable struct {
	*store.Store
	tenants []string
}

// Grant implements token.Store.
func (u *unreadable) Grant(ctx context.Context, tenantID string, slot token.Slot) (token.Grant, error) {
	if slices.Contains(u.tenants, tenantID) {
		return token.Grant{}, errors.New("the sealed value does not open here")
	}
	return u.Store.Grant(ctx, tenantID, slot)
}
