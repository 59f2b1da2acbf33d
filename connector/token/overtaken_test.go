package token_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

// slow returns a replica that is held up at a step of its first renewal until its lease is long over and another replica
// has swept.
func (w *world) slow(at token.Step) *token.Service {
	w.Helper()
	other, held := w.service(), false
	s, err := token.New(token.Config{
		Store: w.store, Microsoft: w.microsoft, Now: w.now, Rand: func() float64 { return 0.5 },
		Step: func(step token.Step) {
			if step != at || held {
				return
			}
			held = true
			w.advance(time.Hour)
			if err := other.Sweep(w.Context()); err != nil {
				w.Errorf("Sweep() of the other replica = %v", err)
			}
		},
	})
	w.must(err)
	return s
}

// renewals counts the events of successful renewals.
func (w *world) renewals() int {
	w.Helper()
	events, err := w.store.EventsOf(w.Context(), tenantID, []audit.Action{audit.GrantRenewed}, 100)
	w.must(err)
	return len(events)
}

func TestARenewalThatOutlivesItsLeaseIsNotASecondOne(t *testing.T) {
	for _, at := range []token.Step{token.BeforeRedeem, token.AfterAnswer} {
		t.Run(string(at), func(t *testing.T) {
			w := newWorld(t, openStore(t))
			w.consent(tenantID)
			w.advance(10 * day)
			w.must(w.slow(at).Sweep(t.Context()))
			if got := w.renewals(); got != 1 {
				t.Errorf("the tenant was renewed %d times, want once", got)
			}
			if got := w.grant(token.Active).IssuedAt; !got.Equal(w.now()) {
				t.Errorf("the active grant was issued at %s, want that of the faster replica, %s", got, w.now())
			}
			w.checkState(token.StateActive, "")
			if got := w.status().NextRenewalAt; got != w.now().Add(10*day) {
				t.Errorf("the next renewal is at %s, want %s", got, w.now().Add(10*day))
			}
		})
	}
}

func TestAFailureAfterSomebodyElsesSuccessIsNotTold(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	w.advance(10 * day)
	first := true
	w.microsoft.renew = func(string, token.API) error {
		if !first {
			return nil
		}
		first = false
		return revoked()
	}
	w.must(w.slow(token.AfterAnswer).Sweep(t.Context()))
	w.checkState(token.StateActive, "")
	if got := w.renewals(); got != 1 {
		t.Errorf("the tenant was renewed %d times, want once", got)
	}
}

func TestARenewalGoesThroughItsStepsInOrder(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	w.advance(10 * day)
	var got []token.Step
	s, err := token.New(token.Config{Store: w.store, Microsoft: w.microsoft, Now: w.now, Step: func(step token.Step) { got = append(got, step) }})
	w.must(err)
	w.must(s.Sweep(t.Context()))
	if want := append(token.Steps(), token.SweepEnded); !slices.Equal(got, want) {
		t.Errorf("Sweep() goes through %q, want %q", got, want)
	}
}

// An unlucky store finds active grants changed by somebody else the first times that it saves one.
type unlucky struct {
	*store.Store
	times int
}

// SaveGrant implements token.Store.
func (u *unlucky) SaveGrant(ctx context.Context, g *token.Grant) error {
	if g.Slot == token.Active && u.times > 0 {
		u.times--
		return token.ErrStale
	}
	return u.Store.SaveGrant(ctx, g)
}

func TestASuccessorIsNotGivenUpForAChangedRow(t *testing.T) {
	for _, tc := range []struct {
		times, want int
	}{{1, 1}, {2, 1}, {3, 0}} {
		w := newWorld(t, openStore(t))
		w.consent(tenantID)
		w.advance(10 * day)
		s, err := token.New(token.Config{Store: &unlucky{w.store, tc.times}, Microsoft: w.microsoft, Now: w.now})
		w.must(err)
		if _, err := s.Renew(t.Context(), tenantID, owner); (err == nil) != (tc.want == 1) || err != nil && !failure.Is(err, failure.GrantStale) {
			t.Errorf("Renew() with %d changes meanwhile = _, %v", tc.times, err)
		}
		if got := w.renewals(); got != tc.want {
			t.Errorf("with %d changes meanwhile the tenant was renewed %d times, want %d", tc.times, got, tc.want)
		}
	}
}

// An intruded store lets somebody else act in the middle of a transaction that stores a successor: before the predecessor
// is kept, or, where that first try comes to nothing, between the reading of the schedule and that of the grant.
type intruded struct {
	unlucky
	atGrant bool
	intrude func()
}

func (i *intruded) act() {
	if act := i.intrude; act != nil {
		i.intrude = nil
		act()
	}
}

// Grant implements token.Store.
func (i *intruded) Grant(ctx context.Context, tenantID string, slot token.Slot) (token.Grant, error) {
	if i.atGrant && slot == token.Active {
		i.act()
	}
	return i.Store.Grant(ctx, tenantID, slot)
}

// SavePredecessor implements token.Store.
func (i *intruded) SavePredecessor(ctx context.Context, g token.Grant) error {
	if !i.atGrant {
		i.act()
	}
	return i.Store.SavePredecessor(ctx, g)
}

// TestASecondRenewalIsNoticedInItsTransaction needs a database whose transactions do not wait for each other's reads.
func TestASecondRenewalIsNoticedInItsTransaction(t *testing.T) {
	for name, between := range map[string]*intruded{
		"before the predecessor is kept": {},
		"between schedule and grant":     {atGrant: true, unlucky: unlucky{times: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, storetest.MariaDB(t).Open(t))
			w.consent(tenantID)
			w.advance(10 * day)
			other, intrusions := w.service(), 0
			between.Store = w.store
			s, err := token.New(token.Config{
				Store: between, Microsoft: w.microsoft, Now: w.now, Rand: func() float64 { return 0.5 },
				Step: func(step token.Step) {
					if step != token.AfterAnswer {
						return
					}
					between.intrude = func() {
						intrusions++
						w.advance(time.Hour)
						w.must(other.Sweep(t.Context()))
					}
				},
			})
			w.must(err)
			w.must(s.Sweep(t.Context()))
			if got := w.renewals(); got != 1 || intrusions != 1 {
				t.Errorf("the tenant was renewed %d times, with %d intrusions, want once with one", got, intrusions)
			}
			w.checkState(token.StateActive, "")
		})
	}
}
