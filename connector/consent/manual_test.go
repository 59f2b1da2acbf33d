package consent_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const wrongClaimCode = "0000-0000-0000"

func promptOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("address %q: %v", address, err)
	}
	return u.Query().Get("prompt")
}

func (h *harness) redeem(input string) error {
	_, err := h.consents.Redeem(h.Context(), tenantID, input, reseller)
	return err
}

// granted runs the manual procedure up to the claim code.
func (h *harness) granted(code string) consent.Outcome {
	h.Helper()
	out, err := h.complete(h.open(h.link()), code)
	h.must(err)
	return out
}

func TestLanding_Refusals(t *testing.T) {
	h := newHarness(t)
	_, err := h.consents.Landing(t.Context(), "invented", "")
	h.checkFailure("Landing of an unknown link", err, failure.LinkUnknown)
	begun := h.link()
	h.advance(7 * 24 * time.Hour)
	_, err = h.consents.Landing(t.Context(), linkOf(begun), "")
	h.checkFailure("Landing of an old link", err, failure.LinkExpired)
	_, err = h.consents.Authorize(t.Context(), linkOf(begun), consent.Visit{Browser: browser})
	h.checkFailure("Authorize of an old link", err, failure.LinkExpired)
}

func TestLink_SurvivesPreviewsAndBeingOpenedTwice(t *testing.T) {
	h := newHarness(t)
	begun := h.link()
	for range 5 {
		landing, err := h.consents.Landing(t.Context(), linkOf(begun), "")
		h.must(err)
		if landing.TenantName != "Alpine Cloud" || landing.Marketplace != "Marketplace One" || landing.StraightOn {
			t.Errorf("Landing = %+v", landing)
		}
		h.open(begun)
	}
	if again := h.link(); again != begun {
		t.Errorf("Link = %+v, want the open one %+v", again, begun)
	}
	_, err := h.complete(h.open(begun), "code-1")
	h.must(err)
}

func TestRedeem_ClaimCodeActivatesThePendingGrant(t *testing.T) {
	h := newHarness(t)
	out := h.granted("code-1")
	h.checkGrants("", true)
	h.checkConsent(h.link().ID, consent.Claimable, "")
	r, err := tenant.Resolve(t.Context(), h.store, tenantID)
	h.must(err)
	st, err := h.tokens.Status(t.Context(), r)
	h.must(err)
	if st.State != token.StatePending || st.Pending == nil || st.Pending.ConsentedBy != person {
		t.Errorf("Status = %s, %+v; want pending, with the person who consented", st.State, st.Pending)
	}
	got, err := h.consents.Redeem(t.Context(), tenantID, " "+strings.ToLower(out.ClaimCode)+"\n", reseller)
	h.must(err)
	if got != person {
		t.Errorf("Redeem = %+v, want %+v", got, person)
	}
	h.checkGrants("code-1", false)
	h.checkFailure("Redeem again", h.redeem(out.ClaimCode), failure.NothingToClaim)
}

func TestRedeem_FiveWrongClaimCodesDeleteThePendingGrant(t *testing.T) {
	h := newHarness(t)
	out := h.granted("code-1")
	for left := 4; left >= 1; left-- {
		err := h.redeem(wrongClaimCode)
		h.checkFailure("Redeem", err, failure.ClaimWrong)
		if got := failure.From(err).Params["left"]; got != string(rune('0'+left)) {
			t.Errorf("attempts left = %s, want %d", got, left)
		}
	}
	h.checkGrants("", true)
	h.checkFailure("the fifth Redeem", h.redeem(wrongClaimCode), failure.ClaimLocked)
	h.checkGrants("", false)
	h.checkFailure("Redeem of the correct code afterwards", h.redeem(out.ClaimCode), failure.NothingToClaim)

	again := h.granted("code-2") // the same link still works
	h.must(h.redeem(again.ClaimCode))
	h.checkGrants("code-2", false)
}

func TestRedeem_WrongClaimCodeLeavesTheActiveGrant(t *testing.T) {
	h := newHarness(t)
	h.must(h.redeem(h.granted("code-1").ClaimCode))
	h.advance(time.Minute)
	h.granted("code-2")
	for range 5 {
		h.redeem(wrongClaimCode)
	}
	h.checkGrants("code-1", false)
}

func TestRedeem_ClaimCodeRefusals(t *testing.T) {
	h := newHarness(t)
	h.checkFailure("Redeem without a pending grant", h.redeem(wrongClaimCode), failure.NothingToClaim)
	h.checkFailure("Redeem of another text", h.redeem("hello"), failure.ClaimMalformed)
	out := h.granted("code-1")
	_, err := h.consents.Redeem(t.Context(), otherTenantID, out.ClaimCode, reseller)
	h.checkFailure("Redeem by another tenant", err, failure.NothingToClaim)
	h.advance(24 * time.Hour)
	h.checkFailure("Redeem a day later", h.redeem(out.ClaimCode), failure.ClaimExpired)
	h.checkGrants("", true)
}

func TestRedeem_SecondConsentReplacesTheFirstClaimCode(t *testing.T) {
	h := newHarness(t)
	first := h.granted("code-1")
	h.advance(time.Minute)
	second := h.granted("code-2")
	for range 6 { // no try is counted
		h.checkFailure("Redeem of the first code", h.redeem(first.ClaimCode), failure.ClaimReplaced)
	}
	h.checkFailure("Redeem of a code that never was", h.redeem(wrongClaimCode), failure.ClaimWrong)
	h.must(h.redeem(second.ClaimCode))
	h.checkGrants("code-2", false)
}

// TestRedeem_EachReplacedClaimCodeIsTold signs in many times: the codes of the last five sign-ins before are known.
func TestRedeem_EachReplacedClaimCodeIsTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		var codes []string
		for i := range 7 {
			codes = append(codes, h.granted(fmt.Sprintf("code-%d", i)).ClaimCode)
			h.advance(time.Minute)
		}
		for _, code := range codes[1:6] {
			h.checkFailure("Redeem of a replaced code", h.redeem(code), failure.ClaimReplaced)
		}
		h.checkFailure("Redeem of an older one", h.redeem(codes[0]), failure.ClaimWrong)
		h.must(h.redeem(codes[6]))
		db.CheckBounds(t)
	})
}

// TestRedeem_MySQLComparesFiveOfManyWrongClaimCodes sends many wrong codes at once, on SQLite and on a server that serves many
// callers at a time. No more than five may be compared with the correct one.
func TestRedeem_MySQLComparesFiveOfManyWrongClaimCodes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		out := h.granted("code-1")
		before := h.hasher.count(consent.HashClaim)
		const callers = 200
		results := make(chan error, callers)
		var all sync.WaitGroup
		for range callers {
			all.Go(func() { results <- h.redeem(wrongClaimCode) })
		}
		all.Wait()
		close(results)
		compared := 0
		for err := range results {
			switch failure.From(err).Code {
			case failure.ClaimWrong, failure.ClaimLocked:
				compared++
			case failure.NothingToClaim:
			default:
				t.Errorf("Redeem() = %v, want a refusal", err)
			}
		}
		if got := h.hasher.count(consent.HashClaim) - before; compared != 5 || got != 5 {
			t.Errorf("of %d wrong codes at once, %d were answered as compared and %d were, want 5", callers, compared, got)
		}
		h.checkGrants("", false)
		h.checkFailure("Redeem of the correct code afterwards", h.redeem(out.ClaimCode), failure.NothingToClaim)
	})
}

func TestRedeem_OneConcurrentCallerClaims(t *testing.T) {
	h := newHarness(t)
	out := h.granted("code-1")
	results := make(chan error, 2)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { results <- h.redeem(out.ClaimCode) })
	}
	both.Wait()
	close(results)
	succeeded := 0
	for err := range results {
		if err == nil {
			succeeded++
		} else if !failure.Is(err, failure.NothingToClaim) && !failure.Is(err, failure.Conflict) && !failure.Is(err, failure.GrantStale) {
			t.Errorf("Redeem = %v", err)
		}
	}
	if succeeded != 1 {
		t.Errorf("%d callers succeeded, want one", succeeded)
	}
	h.checkGrants("code-1", false)
}

func TestRedeem_AcceptsARedirectedAddressOrABareCode(t *testing.T) {
	for name, paste := range map[string]func(state string) string{
		"whole address": func(state string) string {
			return publicURL + "/callback?code=" + pastedCode + "&state=" + state + "&session_state=x#"
		},
		"address with a fragment": func(state string) string {
			return publicURL + "/callback#code=" + pastedCode + "&state=" + state
		},
		"address in a mail": func(state string) string {
			return "> " + safeLink(publicURL+"/callback?code="+pastedCode+"&state="+state)
		},
		"bare code":                  func(string) string { return pastedCode },
		"bare code with line breaks": func(string) string { return " " + broken(pastedCode, 76, "\r\n") + "# " },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.must(h.redeem(paste(h.open(h.link()))))
			h.checkGrants(pastedCode, false)
			if got := h.tokens.exchanges[0].Procedure; got != token.Manual {
				t.Errorf("Procedure = %s, want manual", got)
			}
		})
	}
}

func TestRedeem_PastedAddressRefusals(t *testing.T) {
	h := newHarness(t)
	state := h.open(h.link())
	address := publicURL + "/callback?code=" + pastedCode + "&state="
	h.checkFailure("Redeem with an unknown state", h.redeem(address+pastedState), failure.StateUnknown)
	h.checkFailure("Redeem with a cut state", h.redeem(address+state[:42]), failure.AddressIncomplete)
	_, err := h.consents.Redeem(t.Context(), otherTenantID, address+state, reseller)
	h.checkFailure("Redeem by another tenant", err, failure.StateUnknown)
	h.checkFailure("Redeem of a declined consent", h.redeem(publicURL+"/callback?error=access_denied&state="+state), failure.ConsentDeclined)
	h.checkFailure("Redeem of a used state", h.redeem(address+state), failure.StateUsed)
	h.checkFailure("Redeem without a code", h.redeem(publicURL+"/callback?state="+state), failure.AddressIncomplete)
	h.checkFailure("Redeem of a code that is too long", h.redeem(strings.Repeat("x", 20<<10)), failure.ClaimMalformed)
	h.checkGrants("", false)
}

func TestLink_DirectLinkIsRedeemedByThePanelOnly(t *testing.T) {
	h := newHarness(t)
	h.settings(func(s *tenant.Settings) { s.DirectLink = true })
	begun := h.link()
	if !strings.HasPrefix(begun.URL, "https://login.example/") {
		t.Fatalf("Link = %s, want Microsoft's address", begun.URL)
	}
	if again := h.link(); again.URL != begun.URL {
		t.Errorf("Link again = %s, want %s", again.URL, begun.URL)
	}
	state := stateOf(t, begun.URL)
	_, err := h.complete(state, "code")
	h.checkFailure("Complete by a browser", err, failure.StateBrowser)
	h.advance(6 * 24 * time.Hour)
	h.must(h.redeem(publicURL + "/callback?code=" + pastedCode + "&state=" + state))
	h.checkGrants(pastedCode, false)
}

func TestLink_ExpiredLinkIsReplacedUnlessAClaimCodeWaits(t *testing.T) {
	h := newHarness(t)
	begun := h.link()
	h.advance(7*24*time.Hour - time.Hour)
	out := h.granted("code-1")
	h.advance(2 * time.Hour)
	if again := h.link(); again.ID != begun.ID || !again.ExpiresAt.After(h.now()) {
		t.Errorf("Link = %+v, want the same consent with a later expiry", again)
	}
	h.must(h.redeem(out.ClaimCode))
	if next := h.link(); next.ID == begun.ID {
		t.Error("Link after success is the old link, want a new one")
	}
}
