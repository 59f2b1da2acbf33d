package tenant_test

import (
	"fmt"
	"sync"
	"testing"

	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

// TestHooks_SimultaneousAtReplicas: hooks that change different things of one tenant at the same moment all succeed. A conflict would
// be final to the platform, which then leaves a subscription suspended, or unlinked.
func TestHooks_SimultaneousAtReplicas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		h.install(instance(key, rootID))
		stored := h.provision(reseller(tenantID, alpine))
		replicas := []*tenant.Service{h.Service, h.replica()}
		for round := range 5 {
			var wg sync.WaitGroup
			for i, change := range []func(s *tenant.Service) error{
				func(s *tenant.Service) error {
					_, err := s.Suspend(t.Context(), key, tenantID, round%2 == 0, platform())
					return err
				},
				func(s *tenant.Service) error {
					_, err := s.LinkSubscription(t.Context(), key, tenantID, fmt.Sprint("subscription-", round), platform())
					return err
				},
				func(s *tenant.Service) error {
					_, err := s.Unlink(t.Context(), key, tenantID, "", platform())
					return err
				},
				func(s *tenant.Service) error {
					_, err := s.Link(t.Context(), key, tenantID, stored.AccountID, stored.AccountID, platform())
					return err
				},
				func(s *tenant.Service) error {
					return s.Rename(t.Context(), key, tenantID, fmt.Sprint("Company ", round), "", platform())
				},
				func(s *tenant.Service) error {
					repeated := reseller(tenantID, alpine)
					repeated.SubscriptionID = ""
					repeated.Name = fmt.Sprint("Repeated ", round)
					_, err := s.Provision(t.Context(), repeated, platform())
					return err
				},
			} {
				wg.Go(func() {
					if err := change(replicas[i%2]); err != nil {
						t.Errorf("change %d of round %d = %v, want it done", i, round, err)
					}
				})
			}
			wg.Wait()
			if got := h.storedTenant(tenantID); got.SuspendedAt.IsZero() == (round%2 == 0) || got.SubscriptionID != fmt.Sprint("subscription-", round) {
				t.Errorf("tenant after round %d = %+v, want what was changed", round, got)
			}
		}
	})
}
