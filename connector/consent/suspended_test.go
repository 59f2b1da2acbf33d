package consent_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
)

// suspend suspends or resumes the tenant as the platform does.
func (h *harness) suspend(suspended bool) {
	h.Helper()
	t, err := h.store.Tenant(h.Context(), tenantID)
	h.must(err)
	t.SuspendedAt = time.Time{}
	if suspended {
		t.SuspendedAt = h.now()
	}
	h.must(h.store.SaveTenant(h.Context(), &t))
}

// TestSuspended_NoConsentBeginsOrTakesEffect suspends a tenant whose consent waits for its claim code, and goes on after the
// subscription is resumed.
func TestSuspended_NoConsentBeginsOrTakesEffect(t *testing.T) {
	h := newHarness(t)
	out := h.granted("code-1")
	begun := h.begin()
	state := h.open(begun)
	h.suspend(true)

	_, err := h.consents.Begin(t.Context(), tenantID, consent.Request{}, reseller)
	h.checkFailure("Begin", err, failure.Suspended)
	_, err = h.consents.Link(t.Context(), tenantID, reseller)
	h.checkFailure("Link", err, failure.Suspended)
	_, err = h.consents.Landing(t.Context(), linkOf(begun), browser)
	h.checkFailure("Landing", err, failure.Suspended)
	_, err = h.consents.Authorize(t.Context(), linkOf(begun), consent.Visit{Browser: browser})
	h.checkFailure("Authorize", err, failure.Suspended)
	_, err = h.complete(state, "code-2")
	h.checkFailure("Complete", err, failure.Suspended)
	h.checkFailure("Redeem of a claim code", h.redeem(out.ClaimCode), failure.Suspended)
	h.checkFailure("Redeem of a consent's ID", h.redeem(begun.ID), failure.Suspended)
	h.checkGrants("", true)

	h.suspend(false)
	if err := h.redeem(out.ClaimCode); err != nil {
		t.Errorf("Redeem after the subscription was resumed = %v, want it to take effect", err)
	}
}

// TestSuspended_SignInGoesOnAfterwards suspends a tenant while somebody is at Microsoft.
func TestSuspended_SignInGoesOnAfterwards(t *testing.T) {
	h := newHarness(t)
	begun := h.begin()
	state := h.open(begun)
	h.suspend(true)
	_, err := h.complete(state, "code-1")
	h.checkFailure("Complete", err, failure.Suspended)
	h.suspend(false)
	if _, err := h.complete(state, "code-1"); err != nil {
		t.Errorf("Complete after the subscription was resumed = %v", err)
	}
	h.checkConsent(begun.ID, consent.Succeeded, "")
}
