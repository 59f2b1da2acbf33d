package consent_test

import (
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/token"
)

// moved does what a move of the subscription to another account does to the tenant's rows.
func (h *harness) moved() {
	h.Helper()
	t, err := h.store.Tenant(h.Context(), tenantID)
	h.must(err)
	h.must(h.store.EmptyTenant(h.Context(), tenantID))
	t.AccountID, t.ProvenDirectoryID, t.MovedAt = "another-account", "", h.now()
	h.must(h.store.SaveTenant(h.Context(), &t))
}

// TestMoved_NoConsentOfTheOldOwnerTakesEffect moves a subscription while consents of its old owner are under way.
func TestMoved_NoConsentOfTheOldOwnerTakesEffect(t *testing.T) {
	h := newHarness(t)
	out := h.granted("code-1")
	begun := h.begin()
	state := h.open(begun)
	h.moved()
	_, err := h.complete(state, "code-2")
	h.checkFailure("Complete", err, failure.StateUnknown)
	h.checkFailure("Redeem of a claim code", h.redeem(out.ClaimCode), failure.NothingToClaim)
	h.checkGrants("", false)
}

// TestMoved_DuringAnImport moves it while the old owner's token is redeemed: it does not become the new owner's.
func TestMoved_DuringAnImport(t *testing.T) {
	h := newHarness(t)
	h.tokens.exchange = func(token.CodeExchange) error {
		h.moved()
		return nil
	}
	_, err := h.imports("c4n4ry-refresh")
	h.checkFailure("Import", err, failure.Conflict)
	h.checkGrants("", false)
}

// TestMoved_DuringTheSignIn moves it between Microsoft's answer and the storing of the grant.
func TestMoved_DuringTheSignIn(t *testing.T) {
	h := newHarness(t)
	state := h.open(h.begin())
	h.tokens.exchange = func(token.CodeExchange) error {
		h.moved()
		return nil
	}
	if _, err := h.complete(state, "code-1"); err == nil {
		t.Error("Complete = nil, want an error")
	}
	h.checkGrants("", false)
}
