package consent_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// proven lets another tenant name the directory of the tenant, and prove it.
func (h *harness) proven() {
	h.Helper()
	t, err := h.store.Tenant(h.Context(), otherTenantID)
	h.must(err)
	t.SetDirectory("the-same.example", directoryID)
	h.must(h.store.SaveTenant(h.Context(), &t))
	h.must(tenant.Prove(h.Context(), h.store, otherTenantID, directoryID))
}

// checkDisputes asserts how often the provider is told of a second proof, and that the reseller is told nothing of it.
func (h *harness) checkDisputes(want int) {
	h.Helper()
	events, err := h.store.InstanceEvents(h.Context(), instanceKey, []audit.Action{audit.DirectoryDisputed}, time.Unix(0, 0), 100)
	h.must(err)
	if len(events) != want {
		h.Errorf("%d events about second proofs, want %d", len(events), want)
	}
	for _, e := range events {
		if e.Details["tenant"] != tenantID || e.Details["owner"] != otherTenantID || e.Result != string(failure.DirectoryDisputed) {
			h.Errorf("event of a second proof = %s, %v, want both tenants in it", e.Result, e.Details)
		}
	}
	for _, id := range []string{tenantID, otherTenantID} {
		events, err := h.store.Events(h.Context(), id, time.Time{}, 100)
		h.must(err)
		for _, e := range events {
			for key, value := range e.Details {
				if value == otherTenantID || value == tenantID {
					h.Errorf("the history of %s says %s = %s", id, key, value)
				}
			}
		}
	}
}

func TestComplete_ProvesTheDirectory(t *testing.T) {
	h := newHarness(t)
	state := h.open(h.begin())
	if got, err := h.store.Tenant(t.Context(), tenantID); err != nil || got.Proven() {
		t.Errorf("proven before the consent: %t, %v", got.Proven(), err)
	}
	_, err := h.complete(state, "code-1")
	h.must(err)
	if got, err := h.store.Tenant(t.Context(), tenantID); err != nil || !got.Proven() {
		t.Errorf("proven by the consent: %t, %v", got.Proven(), err)
	}
	h.checkDisputes(0)
}

// TestComplete_ManualConsentProvesOnceClaimed: whoever was sent a link they did not ask for must not prove the directory for
// its sender.
func TestComplete_ManualConsentProvesOnceClaimed(t *testing.T) {
	h := newHarness(t)
	out := h.granted("code-1")
	if got, err := h.store.Tenant(t.Context(), tenantID); err != nil || got.Proven() {
		t.Errorf("proven before the claim code: %t, %v", got.Proven(), err)
	}
	h.must(h.redeem(out.ClaimCode))
	if got, err := h.store.Tenant(t.Context(), tenantID); err != nil || !got.Proven() {
		t.Errorf("proven by the claim code: %t, %v", got.Proven(), err)
	}
}

// TestDisown_EndsTheProof: whoever was tricked into a consent must not find their directory taken.
func TestDisown_EndsTheProof(t *testing.T) {
	h := newHarness(t)
	out, err := h.complete(h.open(h.begin()), "code-1")
	h.must(err)
	h.must(h.consents.Disown(t.Context(), out.ConsentID))
	if got, err := h.store.Tenant(t.Context(), tenantID); err != nil || got.ProvenDirectoryID != "" {
		t.Errorf("proven after the consent was taken back: %q, %v", got.ProvenDirectoryID, err)
	}
	h.proven() // by the right tenant
}

func TestComplete_SecondProofIsRefused(t *testing.T) {
	t.Run("automatic", func(t *testing.T) {
		h := newHarness(t)
		h.proven()
		begun := h.begin() // naming the directory tells nothing
		_, err := h.complete(h.open(begun), "code-1")
		h.checkFailure("Complete()", err, failure.DirectoryRefused)
		h.checkGrants("", false)
		h.checkConsent(begun.ID, consent.Failed, failure.DirectoryRefused)
		h.checkDisputes(1)
	})
	t.Run("automatic, proven while it was accepted", func(t *testing.T) {
		h := newHarness(t)
		begun := h.begin()
		state := h.open(begun)
		h.proven()
		h.consents = h.on(blind{h.store})
		_, err := h.complete(state, "code-1")
		h.checkFailure("Complete()", err, failure.DirectoryRefused)
		h.checkGrants("", false)
		h.checkConsent(begun.ID, consent.Failed, failure.DirectoryRefused)
	})
	t.Run("manual", func(t *testing.T) {
		h := newHarness(t)
		h.proven()
		begun := h.link()
		out, err := h.complete(h.open(begun), "code-1")
		h.checkFailure("Complete()", err, failure.DirectoryRefused)
		if out.ClaimCode != "" {
			t.Error("Complete() shows a claim code that cannot be used")
		}
		h.checkGrants("", false)
		h.checkConsent(begun.ID, consent.Waiting, failure.DirectoryRefused)
		h.checkDisputes(1)
	})
	t.Run("manual, proven before the claim code", func(t *testing.T) {
		h := newHarness(t)
		begun := h.link()
		out, err := h.complete(h.open(begun), "code-1")
		h.must(err)
		h.proven()
		h.checkFailure("Redeem()", h.redeem(out.ClaimCode), failure.DirectoryRefused)
		h.checkGrants("", false)
		h.checkConsent(begun.ID, consent.Waiting, failure.DirectoryRefused)
		h.checkDisputes(1)
		h.checkFailure("Redeem() again", h.redeem(out.ClaimCode), failure.NothingToClaim)
	})
	t.Run("manual, the whole address", func(t *testing.T) {
		h := newHarness(t)
		h.proven()
		begun := h.link()
		h.checkFailure("Redeem()", h.redeem(publicURL+"/callback?code="+pastedCode+"&state="+h.open(begun)), failure.DirectoryRefused)
		h.checkGrants("", false)
		h.checkDisputes(1)
	})
	t.Run("declined in a proven directory", func(t *testing.T) {
		h := newHarness(t)
		h.proven()
		_, err := h.consents.Complete(t.Context(), consent.Callback{State: h.open(h.begin()), Browser: browser, Error: "access_denied"})
		h.checkFailure("Complete()", err, failure.ConsentDeclined) // nothing was proven, so nobody is told
		h.checkDisputes(0)
	})
}

// TestComplete_OneOfFiftyProofsCounts completes the consents of fifty tenants in one directory, at two replicas.
func TestComplete_OneOfFiftyProofsCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		const proofs = 50
		replicas := []*consent.Service{h.consents, h.replica()}
		ids, states := make([]string, proofs), make([]string, proofs)
		for i := range proofs {
			ids[i] = fmt.Sprintf("tenant-of-%d", i)
			h.must(h.store.SaveTenant(t.Context(), &tenant.Tenant{
				ID: ids[i], InstanceKey: instanceKey, Name: ids[i], Directory: directoryID, DirectoryID: directoryID, CreatedAt: h.clock, UpdatedAt: h.clock,
			}))
			begun, err := h.consents.Begin(t.Context(), ids[i], consent.Request{Browser: h.panelBrowser(browser)}, reseller)
			h.must(err)
			states[i] = h.open(begun)
		}
		errs := make([]error, proofs)
		var all errgroup.Group
		for i := range proofs {
			all.Go(func() error {
				_, errs[i] = replicas[i%2].Complete(t.Context(), consent.Callback{State: states[i], Browser: browser, Code: secret.New(fmt.Sprint("code-", i))})
				return nil
			})
		}
		h.must(all.Wait())
		succeeded, owner := 0, ""
		for i, err := range errs {
			if err == nil {
				succeeded, owner = succeeded+1, ids[i]
				continue
			}
			h.checkFailure("Complete()", err, failure.DirectoryRefused)
			if _, err := h.store.Grant(t.Context(), ids[i], token.Active); err == nil {
				t.Errorf("a refused consent left a grant of %s", ids[i])
			}
		}
		if succeeded != 1 {
			t.Errorf("%d of %d consents in one directory succeeded, want one", succeeded, proofs)
		}
		if got, err := h.store.Owner(t.Context(), instanceKey, directoryID); err != nil || got.ID != owner {
			t.Errorf("Owner() = %s, %v, want %s", got.ID, err, owner)
		}
		told, err := h.store.InstanceEvents(t.Context(), instanceKey, []audit.Action{audit.DirectoryDisputed}, time.Unix(0, 0), 100)
		if err != nil || len(told) != proofs-1 {
			t.Errorf("%d events about second proofs, %v, want %d", len(told), err, proofs-1)
		}
	})
}

// replica returns the procedures of another process, on the same database.
func (h *harness) replica() *consent.Service { return h.on(h.db.Open(h.T)) }

// on returns the procedures on a store.
func (h *harness) on(st interface {
	consent.Store
	token.Store
},
) *consent.Service {
	h.Helper()
	tokens, err := token.New(token.Config{Store: st, Microsoft: noMicrosoft{}, Now: h.now})
	h.must(err)
	s, err := consent.New(consent.Config{
		Store: st, Tokens: &fakeTokens{Service: tokens, now: h.now, person: person}, Microsoft: fakeMicrosoft{}, Hasher: h.hasher, PublicURL: publicURL, Now: h.now,
	})
	h.must(err)
	return s
}

// A blind store does not see who has proven a directory until it stores a proof, as one replica that is slower than another.
type blind struct{ *store.Store }

func (blind) Owner(context.Context, string, string) (tenant.Tenant, error) {
	return tenant.Tenant{}, tenant.ErrNotFound
}
