package consent_test

import (
	"testing"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

const atOnce = 200

// atTwoReplicas calls act from many goroutines at two replicas, and returns how many calls succeeded.
func (h *harness) atTwoReplicas(act func(replica *consent.Service) error, refusals ...failure.Code) int {
	h.Helper()
	replicas := []*consent.Service{h.consents, h.replica()}
	errs := make([]error, atOnce)
	var all errgroup.Group
	for i := range errs {
		all.Go(func() error {
			errs[i] = act(replicas[i%2])
			return nil
		})
	}
	h.must(all.Wait())
	succeeded := 0
	for _, err := range errs {
		expected := err == nil
		for _, code := range refusals {
			expected = expected || failure.Is(err, code)
		}
		if err == nil {
			succeeded++
		} else if !expected {
			h.Errorf("a call at two replicas = %v, want one of %v", err, refusals)
		}
	}
	return succeeded
}

func TestRedeem_OneOfManyEqualClaimCodesCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		out := h.granted("code-1")
		succeeded := h.atTwoReplicas(func(replica *consent.Service) error {
			_, err := replica.Redeem(t.Context(), tenantID, out.ClaimCode, reseller)
			return err
		}, failure.NothingToClaim, failure.Conflict, failure.GrantStale)
		if succeeded != 1 {
			t.Errorf("%d of %d equal claim codes were accepted, want one", succeeded, atOnce)
		}
		h.checkGrants("code-1", false)
	})
}

func TestComplete_OneOfManyEqualCallbacksCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		begun := h.begin()
		state := h.open(begun)
		succeeded := h.atTwoReplicas(func(replica *consent.Service) error {
			_, err := replica.Complete(t.Context(), consent.Callback{State: state, Browser: browser, Code: secret.New("code-1")})
			return err
		}, failure.StateUsed)
		if succeeded != 1 {
			t.Errorf("%d of %d equal callbacks were accepted, want one", succeeded, atOnce)
		}
		h.checkGrants("code-1", false)
		h.checkConsent(begun.ID, consent.Succeeded, "")
		if g, err := h.store.Grant(t.Context(), tenantID, token.Active); err != nil || g.Version != 1 {
			t.Errorf("the grant was stored %d times, %v, want once", g.Version, err)
		}
	})
}
