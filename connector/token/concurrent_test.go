package token_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

// slowReplica returns a replica whose first renewal stops at a step until its lease has run out and another replica has swept.
func (h *harness) slowReplica(at token.Step) *token.Service {
	h.Helper()
	other, stopped, compared := h.service(), false, 0
	s, err := token.New(token.Config{
		Store: h.store, Microsoft: h.microsoft, Now: h.now, Rand: func() float64 { return 0.5 },
		// It leases once: while its renewal stops, it would lease the tenant again, before the other replica does.
		Skew: func(context.Context) clock.Skew {
			compared++
			return clock.Skew{By: day, Known: compared > 2}
		},
		Step: func(step token.Step) {
			if step != at || stopped {
				return
			}
			stopped = true
			h.advance(time.Hour)
			if err := other.Sweep(h.Context()); err != nil {
				h.Errorf("Sweep() of the other replica = %v", err)
			}
		},
	})
	h.must(err)
	return s
}

// renewals counts the events of successful renewals.
func (h *harness) renewals() int {
	h.Helper()
	events, err := h.store.EventsOf(h.Context(), tenantID, []audit.Action{audit.GrantRenewed}, 100)
	h.must(err)
	return len(events)
}

func TestSweep_RenewalThatOutlivesItsLeaseCountsOnce(t *testing.T) {
	for _, at := range []token.Step{token.BeforeRedeem, token.AfterAnswer} {
		t.Run(string(at), func(t *testing.T) {
			h := newHarness(t, openStore(t))
			h.consent(tenantID)
			h.advance(10 * day)
			h.must(h.slowReplica(at).Sweep(t.Context()))
			if got := h.renewals(); got != 1 {
				t.Errorf("the tenant was renewed %d times, want once", got)
			}
			if got := h.grant(token.Active).IssuedAt; !got.Equal(h.now()) {
				t.Errorf("the active grant was issued at %s, want that of the faster replica, %s", got, h.now())
			}
			h.checkState(token.StateActive, "")
			if got := h.status().NextRenewalAt; got != h.now().Add(10*day) {
				t.Errorf("the next renewal is at %s, want %s", got, h.now().Add(10*day))
			}
		})
	}
}

func TestSweep_FailureAfterAnotherReplicasSuccessIsNotRecorded(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.advance(10 * day)
	first := true
	h.microsoft.renew = func(string, token.API) error {
		if !first {
			return nil
		}
		first = false
		return revoked()
	}
	h.must(h.slowReplica(token.AfterAnswer).Sweep(t.Context()))
	h.checkState(token.StateActive, "")
	if got := h.renewals(); got != 1 {
		t.Errorf("the tenant was renewed %d times, want once", got)
	}
}

func TestSweep_ReportsStepsInOrder(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.advance(10 * day)
	var got []token.Step
	s, err := token.New(token.Config{Store: h.store, Microsoft: h.microsoft, Now: h.now, Step: func(step token.Step) { got = append(got, step) }})
	h.must(err)
	h.must(s.Sweep(t.Context()))
	if want := append(token.Steps(), token.SweepEnded); !slices.Equal(got, want) {
		t.Errorf("Sweep() reported the steps %q, want %q", got, want)
	}
}

// A staleStore returns ErrStale for the first active grants that are saved, as if another replica had changed them.
type staleStore struct {
	*store.Store
	times int
}

// SaveGrant implements token.Store.
func (s *staleStore) SaveGrant(ctx context.Context, g *token.Grant) error {
	if g.Slot == token.Active && s.times > 0 {
		s.times--
		return token.ErrStale
	}
	return s.Store.SaveGrant(ctx, g)
}

func TestRenew_RetriesTheCommitWhenARowChanged(t *testing.T) {
	for _, tc := range []struct {
		times, want int
	}{{1, 1}, {2, 1}, {3, 0}} {
		h := newHarness(t, openStore(t))
		h.consent(tenantID)
		h.advance(10 * day)
		s, err := token.New(token.Config{Store: &staleStore{h.store, tc.times}, Microsoft: h.microsoft, Now: h.now})
		h.must(err)
		if _, err := s.Renew(t.Context(), tenantID, owner); (err == nil) != (tc.want == 1) || err != nil && !failure.Is(err, failure.GrantStale) {
			t.Errorf("Renew() with %d changes meanwhile = _, %v", tc.times, err)
		}
		if got := h.renewals(); got != tc.want {
			t.Errorf("with %d changes meanwhile, the tenant was renewed %d times, want %d", tc.times, got, tc.want)
		}
	}
}

// An interruptedStore calls interrupt once while a successor is stored: before its predecessor is saved or, with atGrant and
// a failing first attempt, after the schedule was read and before the grant is.
type interruptedStore struct {
	staleStore
	atGrant   bool
	interrupt func()
}

func (i *interruptedStore) act() {
	if act := i.interrupt; act != nil {
		i.interrupt = nil
		act()
	}
}

// Grant implements token.Store.
func (i *interruptedStore) Grant(ctx context.Context, tenantID string, slot token.Slot) (token.Grant, error) {
	if i.atGrant && slot == token.Active {
		i.act()
	}
	return i.Store.Grant(ctx, tenantID, slot)
}

// SavePredecessor implements token.Store.
func (i *interruptedStore) SavePredecessor(ctx context.Context, g token.Grant) error {
	if !i.atGrant {
		i.act()
	}
	return i.Store.SavePredecessor(ctx, g)
}

// TestSweep_MySQLDetectsAnotherRenewalDuringTheCommit needs a database whose transactions do not block each other's reads.
func TestSweep_MySQLDetectsAnotherRenewalDuringTheCommit(t *testing.T) {
	for name, between := range map[string]*interruptedStore{
		"before the predecessor is saved": {},
		"between schedule and grant":      {atGrant: true, staleStore: staleStore{times: 1}},
	} {
		storetest.OnMySQL(t, func(t *testing.T, db *storetest.Database) {
			h := newHarness(t, db.Open(t))
			h.consent(tenantID)
			h.advance(10 * day)
			other, interruptions := h.service(), 0
			between.Store = h.store
			s, err := token.New(token.Config{
				Store: between, Microsoft: h.microsoft, Now: h.now, Rand: func() float64 { return 0.5 }, Workers: 1,
				Step: func(step token.Step) {
					if step != token.AfterAnswer || interruptions > 0 {
						return // the sweep may itself lease the tenant again when its lease has run out
					}
					between.interrupt = func() {
						interruptions++
						h.advance(time.Hour)
						h.must(other.Sweep(t.Context()))
					}
				},
			})
			h.must(err)
			h.must(s.Sweep(t.Context()))
			if got := h.renewals(); got != 1 || interruptions != 1 {
				t.Errorf("interrupted %s, the tenant was renewed %d times, with %d interruptions, want once with one", name, got, interruptions)
			}
			h.checkState(token.StateActive, "")
		})
	}
}
