package limit_test

import (
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func TestNew_RequiresAStore(t *testing.T) {
	if _, err := limit.New(limit.Config{}); err == nil {
		t.Error("New(empty) = nil, want an error")
	}
	var none *limit.Limiter
	if err := none.Take(t.Context(), limit.Consents, "tenant", audit.Event{}); err != nil {
		t.Errorf("Take() of a nil Limiter = %v, want nil", err)
	}
}

// A harness has two replicas on one database, with a clock that the test moves.
type harness struct {
	*testing.T
	replicas []*limit.Limiter

	mu      sync.Mutex // guards the fields below
	clock   time.Time
	refused map[limit.Name]int
}

func (h *harness) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

func (h *harness) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

// take takes from the replicas at once and returns how many were allowed, and the longest time to wait.
func (h *harness) take(name limit.Name, subject string, uses int) (allowed int, wait time.Duration) {
	h.Helper()
	var all errgroup.Group
	var mu sync.Mutex // guards the results
	for i := range uses {
		all.Go(func() error {
			err := h.replicas[i%len(h.replicas)].Take(h.Context(), name, subject, audit.Event{TenantID: subject, InstanceKey: "key-1"})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				allowed++
			case !failure.Is(err, failure.TooManyRequests):
				return err
			default:
				wait = max(wait, failure.From(err).RetryAfter)
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		h.Fatalf("Take() = %v", err)
	}
	return allowed, wait
}

func TestTake_HoldsAcrossReplicas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := &harness{T: t, clock: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), refused: map[limit.Name]int{}}
		st := db.Open(t)
		for _, replica := range []limit.Store{st, db.Open(t)} {
			l, err := limit.New(limit.Config{
				Store: replica, Most: map[limit.Name]int{limit.Consents: 10, limit.Openings: 3}, Now: h.now,
				Refused: func(name limit.Name) {
					h.mu.Lock()
					defer h.mu.Unlock()
					h.refused[name]++
				},
			})
			if err != nil {
				t.Fatalf("New() = %v", err)
			}
			h.replicas = append(h.replicas, l)
		}
		if allowed, wait := h.take(limit.Consents, "tenant-1", 60); allowed != 10 || wait != time.Minute {
			t.Errorf("of 60 at once, %d are allowed, and the others wait %s, want 10 and a minute", allowed, wait)
		}
		for subject, name := range map[string]limit.Name{"tenant-2": limit.Consents, "tenant-1": limit.Openings} {
			if allowed, _ := h.take(name, subject, 2); allowed != 2 {
				t.Errorf("%d of 2 %s of %s are allowed, want both: each limit and each tenant counts for itself", allowed, name, subject)
			}
		}
		if allowed, _ := h.take(limit.Renewals, "tenant-1", 50); allowed != 50 {
			t.Errorf("%d of 50 are allowed without a limit, want all", allowed)
		}
		h.advance(59 * time.Second)
		if allowed, wait := h.take(limit.Consents, "tenant-1", 5); allowed != 0 || wait != time.Second {
			t.Errorf("after 59 seconds, %d are allowed, and the others wait %s, want none and a second", allowed, wait)
		}
		h.advance(time.Second)
		if allowed, _ := h.take(limit.Consents, "tenant-1", 15); allowed != 10 {
			t.Errorf("after a minute, %d are allowed, want 10", allowed)
		}
		h.advance(-24 * time.Hour) // the clock ran ahead and was set right
		if allowed, _ := h.take(limit.Consents, "tenant-1", 15); allowed != 10 {
			t.Errorf("after the clock was set back, %d are allowed, want 10", allowed)
		}
		if h.refused[limit.Consents] != 50+5+5+5 || h.refused[limit.Renewals] != 0 {
			t.Errorf("%v refusals are counted, want 65 of consents", h.refused)
		}
		// One event for each series of refusals, not for each refusal.
		events, err := st.EventsOf(t.Context(), "tenant-1", []audit.Action{audit.LimitReached}, 100)
		if err != nil || len(events) != 3 || events[0].Details["limit"] != string(limit.Consents) || events[0].Result != string(failure.TooManyRequests) {
			t.Errorf("the events of refusals are %+v, %v, want 3", events, err)
		}
	})
}

func TestPurge_DeletesOldCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		for subject, began := range map[string]time.Time{"old": noon.Add(-time.Second), "new": noon} {
			if wait, _, err := s.TakeAllowance(t.Context(), "consents", subject, 1, began); wait != 0 || err != nil {
				t.Fatalf("TakeAllowance() = %s, %v", wait, err)
			}
		}
		if err := s.Purge(t.Context(), noon); err != nil {
			t.Fatalf("Purge() = %v", err)
		}
		var left string
		row := db.Raw(t).QueryRowContext(t.Context(), "SELECT GROUP_CONCAT(subject) FROM allowances")
		if err := row.Scan(&left); err != nil || left != "new" {
			t.Errorf("after Purge(), the counts of %q are left, %v, want those of new", left, err)
		}
	})
}
