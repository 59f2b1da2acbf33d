package consent_test

import (
	"strings"
	"testing"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// spoil damages a sealed column of every row of a table.
func (h *harness) spoil(table, column string) {
	h.Helper()
	_, err := h.db.Raw(h.T).ExecContext(h.Context(), "UPDATE "+table+" SET "+column+" = ?", []byte("damaged"))
	h.must(err)
}

func TestLink_UnreadableLinkIsReplaced(t *testing.T) {
	h := newHarness(t)
	first := h.link()
	h.spoil("consents", "link")
	second := h.link()
	if second.ID != first.ID || linkOf(second) == "" || second.URL == first.URL {
		t.Errorf("Link() = %+v, want another address of the consent %s", second, first.ID)
	}
	if again := h.link(); again.URL != second.URL {
		t.Errorf("Link() again = %s, want the same address", again.URL)
	}
	_, err := h.consents.Landing(t.Context(), linkOf(first), "")
	h.checkFailure("Landing() of the damaged link", err, failure.LinkUnknown)
	out, err := h.complete(h.open(second), "code")
	h.must(err)
	// The claim code outlives another damage.
	h.spoil("consents", "link")
	third := h.link()
	if third.ID != first.ID {
		t.Errorf("Link() while a claim code is expected = %s, want the consent %s", third.ID, first.ID)
	}
	if err := h.redeem(out.ClaimCode); err != nil {
		t.Errorf("Redeem() = %v", err)
	}
	h.checkGrants("code", false)
}

func TestComplete_UnreadableState(t *testing.T) {
	for _, column := range []string{"nonce", "verifier"} {
		t.Run(column, func(t *testing.T) {
			h := newHarness(t)
			begun := h.begin()
			state := h.open(begun)
			h.spoil("states", column)
			_, err := h.complete(state, "code")
			h.checkFailure("Complete()", err, failure.StateUnknown)
			h.checkConsent(begun.ID, consent.Waiting, "")
			if _, err := h.complete(h.open(begun), "code"); err != nil {
				t.Errorf("Complete() after the link was opened again = %v", err)
			}
			h.checkGrants("code", false)
		})
	}
}

func TestDirectLink_UnreadableState(t *testing.T) {
	h := newHarness(t)
	h.settings(func(s *tenant.Settings) { s.DirectLink = true })
	first := h.link()
	h.spoil("states", "verifier")
	second := h.link()
	if second.ID != first.ID || second.URL == first.URL {
		t.Errorf("Link() = %s of %s, want another address of the consent %s", second.URL, second.ID, first.ID)
	}
	redirected := publicURL + "/callback?code=" + strings.Repeat("c", 80) + "&state=" + stateOf(t, second.URL)
	if err := h.redeem(redirected); err != nil {
		t.Errorf("Redeem() = %v", err)
	}
}

func TestBegin_UnreadableGrantAndPredecessor(t *testing.T) {
	h := newHarness(t)
	consented := func(code string) {
		t.Helper()
		_, err := h.complete(h.open(h.begin()), code)
		h.must(err)
		h.checkGrants(code, false)
	}
	consented("first")
	consented("second")
	h.spoil("grants", "refresh_token")
	consented("third")
	h.spoil("grants", "refresh_token")
	if err := h.redeem(h.granted("fourth").ClaimCode); err != nil {
		t.Errorf("Redeem() = %v", err)
	}
	h.checkGrants("fourth", false)
}

func TestRedeem_UnreadablePendingGrant(t *testing.T) {
	h := newHarness(t)
	out := h.granted("code")
	h.spoil("grants", "refresh_token")
	h.checkFailure("Redeem()", h.redeem(out.ClaimCode), failure.GrantUnreadable)
	if err := h.redeem(h.granted("another").ClaimCode); err != nil {
		t.Errorf("Redeem() after the link was opened again = %v", err)
	}
	h.checkGrants("another", false)
}

func TestBegin_UnreadableCredentials(t *testing.T) {
	h := newHarness(t)
	h.spoil("instances", "credentials")
	_, err := h.consents.Begin(t.Context(), tenantID, consent.Request{}, reseller)
	h.checkFailure("Begin()", err, failure.CredentialsUnreadable)
	_, err = h.consents.Link(t.Context(), tenantID, reseller)
	h.checkFailure("Link()", err, failure.CredentialsUnreadable)
}
