package consent_test

import (
	"strings"
	"testing"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/token"
)

// write changes rows as somebody does who can write to the database and has no key file.
func (h *harness) write(statement string, args ...any) {
	h.Helper()
	_, err := h.db.Raw(h.T).ExecContext(h.Context(), statement, args...)
	h.must(err)
}

// rival makes the other tenant name the directory of the first one, as anybody may.
func (h *harness) rival() {
	h.Helper()
	t, err := h.store.Tenant(h.Context(), otherTenantID)
	h.must(err)
	t.SetDirectory(directoryID, directoryID)
	h.must(h.store.SaveTenant(h.Context(), &t))
}

// TestTampered_ConsentOfAnotherTenant gives a consent that waits to another tenant, which names the same directory: the person
// in the panel that began it would sign in for that one, without a claim code.
func TestTampered_ConsentOfAnotherTenant(t *testing.T) {
	for name, tc := range map[string]struct {
		begin  func(h *harness) consent.Begun
		opened bool // Microsoft's page is open when the row is changed
	}{
		"automatic, not opened yet": {(*harness).begin, false},
		"automatic, opened":         {(*harness).begin, true},
		"manual, not opened yet":    {(*harness).link, false},
		"manual, opened":            {(*harness).link, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.rival()
			begun := tc.begin(h)
			state := ""
			if tc.opened {
				state = h.open(begun)
			}
			h.write("UPDATE consents SET tenant_id = ? WHERE id = ?", otherTenantID, begun.ID)
			if tc.opened {
				_, err := h.complete(state, "code-1")
				h.checkFailure("Complete", err, failure.StateUnknown)
				_, err = h.consents.Redeem(t.Context(), otherTenantID, strings.Repeat("c", 80), reseller)
				h.checkFailure("Redeem of a code", err, failure.NothingToClaim)
			}
			_, err := h.consents.Landing(t.Context(), linkOf(begun), browser)
			h.checkFailure("Landing", err, failure.LinkUnknown)
			_, err = h.consents.Authorize(t.Context(), linkOf(begun), consent.Visit{Browser: browser})
			h.checkFailure("Authorize", err, failure.LinkUnknown)
			for _, id := range []string{tenantID, otherTenantID} {
				for _, slot := range []token.Slot{token.Active, token.Pending, token.Unconfirmed} {
					if g, err := h.store.Grant(t.Context(), id, slot); err == nil {
						t.Errorf("tenant %s has a %s grant by %s", id, slot, g.ConsentedBy.Username)
					}
				}
			}
		})
	}
}

// TestTampered_ClaimCodeOfAnotherConsent makes the grant of somebody who keeps their claim code to themselves one of an earlier
// consent, whose claim code is known.
func TestTampered_ClaimCodeOfAnotherConsent(t *testing.T) {
	h := newHarness(t)
	known, begun := h.granted("own-code"), h.link()
	c, err := h.store.Consent(t.Context(), begun.ID)
	h.must(err)
	for range 5 {
		_ = h.redeem(wrongClaimCode) // the grant is gone, the code is known
	}
	h.checkGrants("", false)
	h.granted("code-of-the-victim")
	h.checkGrants("", true)
	h.write("UPDATE consents SET claim_hash = ?, claim_attempts = 0 WHERE id = ?", c.ClaimHash, c.ID)
	h.checkFailure("Redeem", h.redeem(known.ClaimCode), failure.ClaimWrong)
	h.checkGrants("", true)

	other := h.beginWith(consent.Request{})
	own, err := h.signIn(other, otherBrowser, "own-code-2")
	h.must(err)
	c, err = h.store.Consent(t.Context(), other.ID)
	h.must(err)
	h.granted("another-code-of-the-victim")
	h.write("UPDATE grants SET consent_id = ? WHERE tenant_id = ? AND slot = 'pending'", c.ID, tenantID)
	h.checkFailure("Redeem", h.redeem(own.ClaimCode), failure.ClaimWrong)
	h.checkGrants("", true)
}

// TestTampered_ClaimCodeOfAnotherTenant lets the waiting grant of one tenant be claimed by the code of the other one's consent.
func TestTampered_ClaimCodeOfAnotherTenant(t *testing.T) {
	h := newHarness(t)
	h.rival()
	begun, err := h.consents.Link(t.Context(), otherTenantID, reseller)
	h.must(err)
	own, err := h.signIn(begun, otherBrowser, "own-code")
	h.must(err)
	h.granted("code-of-the-victim")
	h.write("UPDATE grants SET consent_id = ? WHERE tenant_id = ? AND slot = 'pending'", begun.ID, tenantID)
	h.checkFailure("Redeem", h.redeem(own.ClaimCode), failure.NothingToClaim)
	h.checkGrants("", true)
}

// TestTampered_DisownDestroysTheGrant alters the tenant, whose row cannot be saved then, before the person takes the consent back.
func TestTampered_DisownDestroysTheGrant(t *testing.T) {
	h := newHarness(t)
	out, err := h.complete(h.open(h.begin()), "code-1")
	h.must(err)
	h.checkGrants("code-1", false)
	h.write("UPDATE tenants SET account_id = 'another' WHERE id = ?", tenantID)
	h.must(h.consents.Disown(t.Context(), out.ConsentID))
	h.checkGrants("", false)
}

// TestClaim_OfAnEarlierProgram refuses a claim code that a program has shown whose hashes prove less. No try is used up.
func TestClaim_OfAnEarlierProgram(t *testing.T) {
	h := newHarness(t)
	out, begun := h.granted("code-1"), h.link()
	hash, err := h.hasher.Hash(consent.HashClaim, begun.ID+"/"+out.ClaimCode)
	h.must(err)
	h.write("UPDATE consents SET claim_hash = ? WHERE id = ?", hash, begun.ID)
	for range 6 {
		h.checkFailure("Redeem", h.redeem(out.ClaimCode), failure.ClaimExpired)
	}
	h.must(h.redeem(h.granted("code-2").ClaimCode))
	h.checkGrants("code-2", false)
}
