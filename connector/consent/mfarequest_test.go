package consent_test

import (
	"net/url"
	"testing"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// refuseRequest completes a state with the error by which Microsoft refuses the request.
func (h *harness) refuseRequest(state, browser string) (consent.Outcome, error) {
	return h.consents.Complete(h.Context(), consent.Callback{State: state, Browser: browser, Error: "invalid_request", Locale: "de"})
}

func claimsOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("address %q: %v", address, err)
	}
	return u.Query().Get("claims")
}

func TestComplete_RefusedClaimsRequestIsRetriedWithoutClaims(t *testing.T) {
	h := newHarness(t)
	h.settings(func(s *tenant.Settings) { s.MFARequest = tenant.MFARequestAMR })
	begun := h.begin()
	first := h.open(begun)
	_, err := h.refuseRequest(first, "another")
	h.checkFailure("Complete in another browser", err, failure.StateBrowser)

	out, err := h.refuseRequest(first, browser)
	h.must(err)
	if got := claimsOf(t, out.SignInAgain); got != tenant.MFARequestOff {
		t.Errorf("Complete of a refused request requests MFA by %q, want %q", got, tenant.MFARequestOff)
	}
	h.checkConsent(begun.ID, consent.Waiting, "")
	_, err = h.refuseRequest(first, browser)
	h.checkFailure("Complete of the same state", err, failure.StateUsed)

	second := stateOf(t, out.SignInAgain)
	_, err = h.consents.Complete(t.Context(), consent.Callback{State: second, Browser: "another"})
	h.checkFailure("Complete of the second opening in another browser", err, failure.StateBrowser)
	if _, err = h.complete(second, "code-1"); err != nil {
		t.Fatalf("Complete of the second opening = %v", err)
	}
	h.checkGrants("code-1", false)
	h.checkConsent(begun.ID, consent.Succeeded, "")
}

func TestComplete_RefusalWithoutClaimsIsFinal(t *testing.T) {
	for name, setting := range map[string]string{"after the fallback": tenant.MFARequestAMR, "switched off": tenant.MFARequestOff} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.settings(func(s *tenant.Settings) { s.MFARequest = setting })
			begun := h.begin()
			state := h.open(begun)
			if setting != tenant.MFARequestOff {
				out, err := h.refuseRequest(state, browser)
				h.must(err)
				state = stateOf(t, out.SignInAgain)
			}
			_, err := h.refuseRequest(state, browser)
			h.checkFailure("Complete", err, failure.MicrosoftRequest)
			h.checkConsent(begun.ID, consent.Failed, failure.MicrosoftRequest)
		})
	}
}
