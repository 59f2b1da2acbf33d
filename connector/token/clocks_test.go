package token_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A clockedReplica is a replica with a clock of its own. Its Microsoft tells the time in every answer, unless undated.
type clockedReplica struct {
	*token.Service
	*fakeMicrosoft
	world *clockWorld

	mu      sync.Mutex // guards ahead
	ahead   time.Duration
	undated bool
}

// A clockWorld is a harness whose clock is the true time, with two replicas.
type clockWorld struct {
	*harness
	replicas [2]*clockedReplica
	renewed  []time.Time // when Partner Center's token was renewed, in true time
}

func newClockWorld(t *testing.T, db *storetest.Database, undated bool) *clockWorld {
	t.Helper()
	w := &clockWorld{harness: newHarness(t, db.Open(t))}
	for i := range w.replicas {
		r := &clockedReplica{world: w, undated: undated, fakeMicrosoft: w.microsoft}
		var err error
		r.Service, err = token.New(token.Config{Store: w.store, Microsoft: r, Now: r.now, Skew: r.skew, Rand: func() float64 { return 0.5 }})
		w.must(err)
		w.replicas[i] = r
	}
	w.consent(tenantID)
	return w
}

func (r *clockedReplica) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.world.harness.now().Add(r.ahead)
}

func (r *clockedReplica) set(ahead time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead = ahead
}

func (r *clockedReplica) skew(context.Context) clock.Skew {
	if r.undated {
		return clock.Skew{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return clock.Skew{By: -r.ahead, Known: true}
}

// Renew implements token.Microsoft.
func (r *clockedReplica) Renew(ctx context.Context, c tenant.Client, refreshToken secret.Text, api token.API) (token.Redemption, error) {
	redeemed, err := r.fakeMicrosoft.Renew(ctx, c, refreshToken, api)
	if err == nil && api == token.PartnerCenter {
		r.world.renewed = append(r.world.renewed, r.world.harness.now())
	}
	if err == nil && r.undated {
		redeemed.IssuedAt, redeemed.ExpiresAt = r.now(), r.now().Add(time.Hour)
	}
	return redeemed, err
}

// sweep lets both replicas sweep.
func (w *clockWorld) sweep() {
	w.Helper()
	for _, r := range w.replicas {
		w.must(r.Sweep(w.Context()))
	}
}

// statusBy returns the status that a replica shows.
func (w *clockWorld) statusBy(r *clockedReplica) token.Status {
	w.Helper()
	resolved, err := tenant.Resolve(w.Context(), w.store, tenantID)
	w.must(err)
	st, err := r.Status(w.Context(), resolved)
	w.must(err)
	return st
}

// checkHundredDays lets more than 100 true days pass, and asserts that the tenant is renewed every ten days, and that a replica
// with the right clock always shows when its value expires.
func (w *clockWorld) checkHundredDays() {
	w.Helper()
	for began := w.harness.now(); w.harness.now().Sub(began) < 100*day; {
		now, due := w.harness.now(), w.schedule(tenantID).DueAt
		if wait := due.Sub(now); wait <= 0 || wait > 10*day+token.Tolerance {
			w.Fatalf("at %s, the tenant is due at %s, want within 10 days", now, due)
		}
		w.harness.advance(due.Sub(now) - 6*time.Minute) // no clock that may sweep is farther ahead
		renewed := len(w.renewed)
		w.sweep()
		if len(w.renewed) > renewed {
			w.Fatalf("the tenant was renewed at %s, want not before %s", w.renewed[renewed:], due)
		}
		w.harness.advance(12 * time.Minute)
		w.sweep()
		now = w.harness.now()
		if len(w.renewed) != renewed+1 {
			w.Fatalf("at %s, the tenant was renewed %d times, want once", now, len(w.renewed)-renewed)
		}
		st := w.statusBy(w.replicas[0])
		if left := st.ExpiresAt.Sub(now); st.State != token.StateActive || st.Failure != nil || (left-90*day).Abs() > time.Hour || st.DaysLeft < 89 {
			w.Fatalf("at %s, Status = %s because of %v, %s left (%d days), want active and 90 days", now, st.State, st.Failure, left, st.DaysLeft)
		}
	}
	w.grant(token.Predecessor)
}

// wrongClocks are how far a clock may be ahead.
var wrongClocks = []time.Duration{
	5 * time.Minute, -5 * time.Minute, time.Hour, -time.Hour, 12 * day, -12 * day, 85 * day, -85 * day, 150 * day, -150 * day,
}

func TestSweep_ClockThatIsWrong(t *testing.T) {
	for _, ahead := range wrongClocks {
		for name, tc := range map[string]struct {
			replicas     int // whose clocks are wrong; the last ones
			good         bool
			undated      bool // Microsoft's answers do not tell the time
			renewOnWrong bool // a person renews by a replica whose clock is wrong
		}{
			"one, once":                 {replicas: 1},
			"one, once, without dates":  {replicas: 1, undated: true},
			"one, for good":             {replicas: 1, good: true},
			"all, once, renewed there":  {replicas: 2, renewOnWrong: true},
			"all, once, without dates":  {replicas: 2, undated: true},
			"all, for good, if allowed": {replicas: 2, good: true},
		} {
			if tc.good && tc.replicas == 2 && ahead.Abs() >= clock.WrongFrom {
				continue // TestSweep_DoesNothingWhileAllClocksAreWrong
			}
			t.Run(fmt.Sprintf("%s/%s", ahead, name), func(t *testing.T) {
				t.Parallel()
				storetest.Each(t, func(t *testing.T, db *storetest.Database) {
					w := newClockWorld(t, db, tc.undated)
					w.harness.advance(9 * day)
					w.sweep()
					for _, r := range w.replicas[2-tc.replicas:] {
						r.set(ahead)
					}
					for range 3 { // the tenant becomes due meanwhile
						w.harness.advance(12 * time.Hour)
						w.sweep()
					}
					if tc.renewOnWrong {
						_, err := w.replicas[1].Service.Renew(t.Context(), tenantID, owner)
						w.must(err)
					}
					if !tc.good {
						for _, r := range w.replicas {
							r.set(0)
						}
						w.sweep()
					}
					if tc.good && tc.replicas == 2 {
						w.replicas[0].set(0) // only to look at its status
					}
					w.checkHundredDays()
				})
			})
		}
	}
}

func TestSweep_DoesNothingWhileAllClocksAreWrong(t *testing.T) {
	for _, ahead := range wrongClocks {
		if ahead.Abs() < clock.WrongFrom {
			continue
		}
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *storetest.Database) {
				w := newClockWorld(t, db, false)
				for _, r := range w.replicas {
					r.set(ahead)
				}
				for range 30 {
					w.harness.advance(day)
					w.sweep()
				}
				if len(w.renewed) > 0 {
					t.Errorf("the tenant was renewed at %s, want not while all clocks are wrong", w.renewed)
				}
				for _, r := range w.replicas {
					r.set(0)
				}
				w.sweep()
				if len(w.renewed) != 1 {
					t.Errorf("the tenant was renewed %d times right after, want once", len(w.renewed))
				}
				w.checkHundredDays()
			})
		})
	}
}

// TestSweep_StoredIssueTimeInTheFuture begins with what an earlier version stored while a clock was wrong.
func TestSweep_StoredIssueTimeInTheFuture(t *testing.T) {
	for _, ahead := range []time.Duration{11 * time.Minute, time.Hour, 12 * day, 85 * day, 150 * day, 400 * day} {
		for name, change := range map[string]func(*token.Schedule, time.Time){
			"due later":      func(s *token.Schedule, at time.Time) { s.DueAt = at.Add(10 * day) },
			"due before":     func(s *token.Schedule, at time.Time) { s.DueAt = at.Add(-ahead + time.Hour) },
			"due now":        func(s *token.Schedule, at time.Time) { s.DueAt = at.Add(-ahead) },
			"failing, later": func(s *token.Schedule, at time.Time) { s.DueAt, s.Attempt = at.Add(day), 3 },
		} {
			t.Run(fmt.Sprintf("%s/%s", ahead, name), func(t *testing.T) {
				t.Parallel()
				storetest.Each(t, func(t *testing.T, db *storetest.Database) {
					w := newClockWorld(t, db, false)
					g := w.grant(token.Active)
					g.IssuedAt = w.harness.now().Add(ahead)
					w.must(w.store.SaveGrant(t.Context(), &g))
					schedule := w.schedule(tenantID)
					change(&schedule, g.IssuedAt)
					w.must(w.store.SaveSchedule(t.Context(), &schedule))
					w.checkState(token.StateActive, failure.IssueTimeImplausible)
					if st := w.status(); st.DaysLeft != 90 {
						t.Errorf("Status has %d days left, want 90 at most", st.DaysLeft)
					}
					if name == "failing, later" && ahead <= time.Hour {
						w.harness.advance(26 * time.Hour) // a retry within a day is not implausible
					}
					w.sweep()
					if got := w.grant(token.Active); len(w.renewed) != 1 || !got.IssuedAt.Equal(w.harness.now()) {
						t.Errorf("the tenant was renewed %d times and its value was issued at %s, want once and now", len(w.renewed), got.IssuedAt)
					}
					w.checkState(token.StateActive, "")
					w.checkHundredDays()
				})
			})
		}
	}
}

// TestSweep_ImplausibleTimesAreTriedOnce fails every renewal: a stored time in the future must not cause a loop.
func TestSweep_ImplausibleTimesAreTriedOnce(t *testing.T) {
	for name, refused := range map[string]struct {
		err  error
		days int // for which it is tried once a day
	}{
		"transient":     {transient(), 3},
		"configuration": {failure.New(failure.ClientSecretExpired), 3},
		"permanent":     {revoked(), 0},
		"unexpected":    {errors.New("grant does not open"), 3},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *storetest.Database) {
				w := newClockWorld(t, db, false)
				g := w.grant(token.Active)
				g.IssuedAt = w.harness.now().Add(85 * day)
				w.must(w.store.SaveGrant(t.Context(), &g))
				w.microsoft.renew = func(string, token.API) error { return refused.err }
				before := len(w.microsoft.presented())
				w.sweep()
				w.sweep()
				if asked := len(w.microsoft.presented()) - before; asked < 1 || asked > 2 { // and the predecessor
					t.Fatalf("Microsoft was asked %d times at once, want once", asked)
				}
				for n := range 5 {
					before := len(w.microsoft.presented())
					w.harness.advance(25 * time.Hour)
					w.sweep()
					if asked := len(w.microsoft.presented()) - before; (asked > 0) != (n < 5 && refused.days > 0) || asked > 2 {
						t.Errorf("on day %d, Microsoft was asked %d times", n+1, asked)
					}
				}
			})
		})
	}
}

// TestNextAttempt_OfAGrantThatOurClockCallsExpired fails while a clock is wrong and Microsoft cannot be reached.
func TestSweep_FailureUnderAWrongClockLeavesNothingBehind(t *testing.T) {
	for _, ahead := range []time.Duration{12 * day, 85 * day, 150 * day} {
		t.Run(ahead.String(), func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *storetest.Database) {
				w := newClockWorld(t, db, true)
				w.microsoft.renew = func(string, token.API) error { return transient() }
				for _, r := range w.replicas {
					r.set(ahead)
				}
				w.sweep()
				if st := w.schedule(tenantID); st.Failure == nil {
					t.Fatal("no renewal was tried under the wrong clock")
				}
				for _, r := range w.replicas {
					r.set(0)
				}
				w.microsoft.renew = nil
				w.sweep()
				if len(w.renewed) != 1 {
					t.Errorf("the tenant was renewed %d times after the clocks were set right, want once", len(w.renewed))
				}
				w.checkHundredDays()
			})
		})
	}
}

// TestLease_OfAWrongClockEnds leases a tenant by a replica whose clock is ahead, and kills it.
func TestLease_OfAWrongClockEnds(t *testing.T) {
	for _, ahead := range []time.Duration{5 * time.Minute, time.Hour, 12 * day, 150 * day} {
		t.Run(ahead.String(), func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *storetest.Database) {
				w := newClockWorld(t, db, false)
				w.harness.advance(10 * day)
				until := w.harness.now().Add(ahead + 5*time.Minute)
				_, err := w.store.Lease(t.Context(), tenantID, "killed", w.harness.now().Add(ahead), until)
				w.must(err)
				for range 3 { // an hour is the longest lease, so this is how long one may last
					w.harness.advance(25 * time.Minute)
					w.sweep()
				}
				if len(w.renewed) != 1 {
					t.Errorf("the tenant was renewed %d times, want once", len(w.renewed))
				}
				w.checkHundredDays()
			})
		})
	}
}

// TestStoreActive_ConsentAlwaysReplaces consents while a stored value claims to be newer.
func TestStoreActive_ConsentAlwaysReplaces(t *testing.T) {
	for _, ahead := range wrongClocks {
		t.Run(ahead.String(), func(t *testing.T) {
			h := newHarness(t, openStore(t))
			h.consent(tenantID)
			g := h.grant(token.Active)
			g.IssuedAt = h.now().Add(ahead)
			h.must(h.store.SaveGrant(t.Context(), &g))
			h.consent(tenantID)
			if got := h.grant(token.Active); !got.IssuedAt.Equal(h.now()) || got.RefreshToken == g.RefreshToken {
				t.Errorf("the active grant was issued at %s, want that of the consent", got.IssuedAt)
			}
			h.checkState(token.StateActive, "")
		})
	}
}

// TestRenew_WithoutASuccessorIsNoSuccess renews while Microsoft issues access tokens only.
func TestRenew_WithoutASuccessorIsNoSuccess(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	var results []string
	without := &withoutSuccessor{fakeMicrosoft: h.microsoft}
	s, err := token.New(token.Config{
		Store: h.store, Microsoft: without, Now: h.now, Rand: func() float64 { return 0.5 },
		Observe: func(action audit.Action, result string) { results = append(results, string(action)+" "+result) },
	})
	h.must(err)
	before, schedule := h.grant(token.Active), h.schedule(tenantID)
	h.advance(10 * day)
	h.must(s.Sweep(t.Context()))
	if got := h.grant(token.Active); got.RefreshToken != before.RefreshToken || !got.IssuedAt.Equal(before.IssuedAt) {
		t.Errorf("the active grant was issued at %s, want it unchanged", got.IssuedAt)
	}
	h.checkState(token.StateRenewalFailing, failure.NoSuccessor)
	if st := h.status(); st.DaysLeft != 80 || st.NextRenewalAt != h.now().Add(day) {
		t.Errorf("Status has %d days left, next renewal %s, want 80 and a day later", st.DaysLeft, st.NextRenewalAt)
	}
	if got := h.schedule(tenantID); !got.LastSuccessAt.Equal(schedule.LastSuccessAt) {
		t.Errorf("the schedule says that a renewal succeeded at %s", got.LastSuccessAt)
	}
	_, err = s.Renew(t.Context(), tenantID, owner)
	h.checkFailure("Renew", err, failure.NoSuccessor)
	_, err = s.Check(t.Context(), tenantID, owner)
	h.checkFailure("Check", err, failure.NoSuccessor)
	if got := h.grant(token.Active).Checks.APIs[token.PartnerCenter].At; !got.Equal(h.now()) {
		t.Errorf("Check recorded its results at %s, want now", got)
	}
	if want := fmt.Sprint([]string{"grant.renewed no_successor", "grant.renewed no_successor", "grant.checked no_successor"}); fmt.Sprint(results) != want {
		t.Errorf("observed %q, want %s", results, want)
	}
	if h.renewals() != 0 {
		t.Errorf("%d events say that the grant was renewed", h.renewals())
	}
	without.off = true
	h.advance(day)
	h.must(s.Sweep(t.Context()))
	h.checkState(token.StateActive, "")
}

// withoutSuccessor is a Microsoft that issues no refresh tokens, until it is off.
type withoutSuccessor struct {
	*fakeMicrosoft
	off bool
}

// Renew implements token.Microsoft.
func (m *withoutSuccessor) Renew(ctx context.Context, c tenant.Client, refreshToken secret.Text, api token.API) (token.Redemption, error) {
	redeemed, err := m.fakeMicrosoft.Renew(ctx, c, refreshToken, api)
	if !m.off {
		redeemed.RefreshToken = secret.Text{}
	}
	return redeemed, err
}

// TestSweep_ClockThatChangesDuringASweep sets the clock ahead after a sweep has compared it, before it leases: what is due by
// such a clock is not.
func TestSweep_ClockThatChangesDuringASweep(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		w := newClockWorld(t, db, false)
		r := w.replicas[0]
		compared := false
		var err error
		r.Service, err = token.New(token.Config{
			Store: w.store, Microsoft: r, Now: r.now, Rand: func() float64 { return 0.5 },
			Skew: func(ctx context.Context) clock.Skew {
				skew := r.skew(ctx)
				if !compared {
					compared = true
					r.set(12 * day)
				}
				return skew
			},
		})
		w.must(err)
		w.harness.advance(5 * day)
		w.must(r.Sweep(t.Context()))
		if len(w.renewed) > 0 {
			t.Errorf("the tenant was renewed at %s by a wrong clock, want not before it is due", w.renewed)
		}
		if owner := w.schedule(tenantID).LeaseOwner; owner != "" {
			t.Errorf("the tenant is still leased by %q", owner)
		}
		r.set(0)
		w.sweep()
		w.checkHundredDays()
	})
}
