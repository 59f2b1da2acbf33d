package consent_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
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

func (w *world) redeem(input string) error {
	_, err := w.consents.Redeem(w.Context(), tenantID, input, reseller)
	return err
}

// granted runs the manual procedure up to the claim code.
func (w *world) granted(code string) consent.Outcome {
	w.Helper()
	out, err := w.complete(w.open(w.link()), code)
	w.must(err)
	return out
}

func TestLanding_Refusals(t *testing.T) {
	w := newWorld(t)
	_, err := w.consents.Landing(t.Context(), "invented")
	w.checkFailure("Landing of an unknown link", err, failure.LinkUnknown)
	begun := w.link()
	w.advance(7 * 24 * time.Hour)
	_, err = w.consents.Landing(t.Context(), linkOf(begun))
	w.checkFailure("Landing of an old link", err, failure.LinkExpired)
	_, err = w.consents.Authorize(t.Context(), linkOf(begun), browser, "")
	w.checkFailure("Authorize of an old link", err, failure.LinkExpired)
}

func TestLink_SurvivesPreviewsAndBeingOpenedTwice(t *testing.T) {
	w := newWorld(t)
	begun := w.link()
	for range 5 {
		landing, err := w.consents.Landing(t.Context(), linkOf(begun))
		w.must(err)
		if landing.TenantName != "Alpine Cloud" || landing.Marketplace != "Marketplace One" || landing.StraightOn {
			t.Errorf("Landing = %+v", landing)
		}
		w.open(begun)
	}
	if again := w.link(); again != begun {
		t.Errorf("Link = %+v, want the open one %+v", again, begun)
	}
	_, err := w.complete(w.open(begun), "code-1")
	w.must(err)
}

func TestRedeem_ClaimCodeActivatesThePendingGrant(t *testing.T) {
	w := newWorld(t)
	out := w.granted("code-1")
	w.checkGrants("", true)
	w.checkConsent(w.link().ID, consent.Claimable, "")
	r, err := tenant.Resolve(t.Context(), w.store, tenantID)
	w.must(err)
	st, err := w.custody.Status(t.Context(), r)
	w.must(err)
	if st.State != token.StatePending || st.Pending == nil || st.Pending.ConsentedBy != person {
		t.Errorf("Status = %s, %+v; want pending with who consented", st.State, st.Pending)
	}
	who, err := w.consents.Redeem(t.Context(), tenantID, " "+strings.ToLower(out.ClaimCode)+"\n", reseller)
	w.must(err)
	if who != person {
		t.Errorf("Redeem = %+v, want %+v", who, person)
	}
	w.checkGrants("code-1", false)
	w.checkFailure("Redeem again", w.redeem(out.ClaimCode), failure.NothingToClaim)
}

func TestRedeem_FiveWrongClaimCodesDeleteThePendingGrant(t *testing.T) {
	w := newWorld(t)
	out := w.granted("code-1")
	for left := 4; left >= 1; left-- {
		err := w.redeem(wrongClaimCode)
		w.checkFailure("Redeem", err, failure.ClaimWrong)
		if got := failure.From(err).Params["left"]; got != string(rune('0'+left)) {
			t.Errorf("tries left = %s, want %d", got, left)
		}
	}
	w.checkGrants("", true)
	w.checkFailure("the fifth Redeem", w.redeem(wrongClaimCode), failure.ClaimLocked)
	w.checkGrants("", false)
	w.checkFailure("Redeem of the right code afterwards", w.redeem(out.ClaimCode), failure.NothingToClaim)

	again := w.granted("code-2") // the same link still works
	w.must(w.redeem(again.ClaimCode))
	w.checkGrants("code-2", false)
}

func TestRedeem_WrongClaimCodeLeavesTheActiveGrant(t *testing.T) {
	w := newWorld(t)
	w.must(w.redeem(w.granted("code-1").ClaimCode))
	w.advance(time.Minute)
	w.granted("code-2")
	for range 5 {
		w.redeem(wrongClaimCode)
	}
	w.checkGrants("code-1", false)
}

func TestRedeem_ClaimCodeRefusals(t *testing.T) {
	w := newWorld(t)
	w.checkFailure("Redeem with nothing waiting", w.redeem(wrongClaimCode), failure.NothingToClaim)
	w.checkFailure("Redeem of something else", w.redeem("hello"), failure.ClaimMalformed)
	out := w.granted("code-1")
	_, err := w.consents.Redeem(t.Context(), otherTenantID, out.ClaimCode, reseller)
	w.checkFailure("Redeem by another tenant", err, failure.NothingToClaim)
	w.advance(24 * time.Hour)
	w.checkFailure("Redeem a day later", w.redeem(out.ClaimCode), failure.ClaimExpired)
	w.checkGrants("", true)
}

func TestRedeem_SecondConsentReplacesTheFirstClaimCode(t *testing.T) {
	w := newWorld(t)
	first := w.granted("code-1")
	w.advance(time.Minute)
	second := w.granted("code-2")
	w.checkFailure("Redeem of the first code", w.redeem(first.ClaimCode), failure.ClaimWrong)
	w.must(w.redeem(second.ClaimCode))
	w.checkGrants("code-2", false)
}

func TestRedeem_ClaimCodeWorksOnceForConcurrentCallers(t *testing.T) {
	w := newWorld(t)
	out := w.granted("code-1")
	results := make(chan error, 2)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { results <- w.redeem(out.ClaimCode) })
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
		t.Errorf("%d succeeded, want one", succeeded)
	}
	w.checkGrants("code-1", false)
}

func TestRedeem_AcceptsARedirectedAddressOrABareCode(t *testing.T) {
	for name, paste := range map[string]func(state string) string{
		"whole address": func(state string) string {
			return publicURL + "/callback?code=0.AXcode-that-is-long-enough&state=" + state + "&session_state=x#"
		},
		"address with a fragment": func(state string) string {
			return publicURL + "/callback#code=0.AXcode-that-is-long-enough&state=" + state
		},
		"bare code":                 func(string) string { return "0.AXcode-that-is-long-enough" },
		"bare code broken by lines": func(string) string { return " 0.AXcode-that\r\n-is-long-enough# " },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(w.redeem(paste(w.open(w.link()))))
			w.checkGrants("0.AXcode-that-is-long-enough", false)
			if got := w.custody.exchanges[0].Procedure; got != token.Manual {
				t.Errorf("Procedure = %s, want manual", got)
			}
		})
	}
}

func TestRedeem_PastedAddressRefusals(t *testing.T) {
	w := newWorld(t)
	state := w.open(w.link())
	address := publicURL + "/callback?code=0.AXcode-that-is-long-enough&state="
	w.checkFailure("Redeem with an unknown state", w.redeem(address+"invented"), failure.StateUnknown)
	_, err := w.consents.Redeem(t.Context(), otherTenantID, address+state, reseller)
	w.checkFailure("Redeem by another tenant", err, failure.StateUnknown)
	w.checkFailure("Redeem of a declined consent", w.redeem(publicURL+"/callback?error=access_denied&state="+state), failure.ConsentDeclined)
	w.checkFailure("Redeem of a used state", w.redeem(address+state), failure.StateUsed)
	w.checkFailure("Redeem without a code", w.redeem(publicURL+"/callback?state="+state), failure.ClaimMalformed)
	w.checkFailure("Redeem of an endless code", w.redeem(strings.Repeat("x", 20<<10)), failure.ClaimMalformed)
	w.checkGrants("", false)
}

func TestLink_DirectLinkIsRedeemedByThePanelOnly(t *testing.T) {
	w := newWorld(t)
	w.settings(func(s *tenant.Settings) { s.DirectLink = true })
	begun := w.link()
	if !strings.HasPrefix(begun.URL, "https://login.example/") {
		t.Fatalf("Link = %s, want Microsoft's address", begun.URL)
	}
	if again := w.link(); again.URL != begun.URL {
		t.Errorf("Link again = %s, want %s", again.URL, begun.URL)
	}
	state := stateOf(t, begun.URL)
	_, err := w.complete(state, "code")
	w.checkFailure("Complete by a browser", err, failure.StateBrowser)
	w.advance(6 * 24 * time.Hour)
	w.must(w.redeem(publicURL + "/callback?code=0.AXcode-that-is-long-enough&state=" + state))
	w.checkGrants("0.AXcode-that-is-long-enough", false)
}

func TestLink_ExpiredLinkIsReplacedUnlessAClaimCodeWaits(t *testing.T) {
	w := newWorld(t)
	begun := w.link()
	w.advance(7*24*time.Hour - time.Hour)
	out := w.granted("code-1")
	w.advance(2 * time.Hour)
	if again := w.link(); again.ID != begun.ID || !again.ExpiresAt.After(w.now()) {
		t.Errorf("Link = %+v, want the same consent with a new end", again)
	}
	w.must(w.redeem(out.ClaimCode))
	if next := w.link(); next.ID == begun.ID {
		t.Error("Link after success is the old one, want a new one")
	}
}
