package token_test

import (
	"context"
	"errors"
	"testing"

	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

// A releasingStore notes in which transactions leases are released, and can refuse that inside one.
type releasingStore struct {
	*store.Store
	refuses         bool
	inside, outside int
}

type insideKey struct{}

func (s *releasingStore) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.Store.Transact(ctx, func(ctx context.Context) error { return fn(context.WithValue(ctx, insideKey{}, true)) })
}

var errRefused = errors.New("the lease cannot be released now")

func (s *releasingStore) Release(ctx context.Context, tenantID, owner string) error {
	if ctx.Value(insideKey{}) == nil {
		s.outside++
		return s.Store.Release(ctx, tenantID, owner)
	}
	s.inside++
	if s.refuses {
		return errRefused
	}
	return s.Store.Release(ctx, tenantID, owner)
}

// TestSweep_ReleasesWithTheChecks: a renewal commits its successor, and then its checks with the release of its lease.
func TestSweep_ReleasesWithTheChecks(t *testing.T) {
	for name, tc := range map[string]struct {
		refuses         bool
		inside, outside int
	}{
		"released with the checks":       {false, 1, 0},
		"the checks could not be stored": {true, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, storetest.New(t))
			h.consent(tenantID)
			before := h.grant(token.Active)
			h.advance(11 * day)
			releasing := &releasingStore{Store: h.store, refuses: tc.refuses}
			h.must(h.replica(token.Config{Store: releasing, Workers: 1}).Sweep(t.Context()))
			if releasing.inside != tc.inside || releasing.outside != tc.outside {
				t.Errorf("released %d times in a transaction and %d times alone, want %d and %d", releasing.inside, releasing.outside, tc.inside, tc.outside)
			}
			schedule, err := h.store.Schedule(t.Context(), tenantID)
			if err != nil || schedule.LeaseOwner != "" {
				t.Errorf("Schedule() = leased to %q, %v, want no lease", schedule.LeaseOwner, err)
			}
			// Whatever becomes of the checks, the successor was stored before them.
			if after := h.grant(token.Active); after.RefreshToken.Reveal() == before.RefreshToken.Reveal() {
				t.Error("the successor was not stored")
			}
		})
	}
}
