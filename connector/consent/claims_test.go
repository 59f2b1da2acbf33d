package consent_test

import (
	"net/url"
	"testing"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// refuseRequest has Microsoft refuse the request of a state.
func (w *world) refuseRequest(state, browser string) (consent.Outcome, error) {
	return w.consents.Complete(w.Context(), consent.Callback{State: state, Browser: browser, Error: "invalid_request", Locale: "de"})
}

func claimsOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("address %q: %v", address, err)
	}
	return u.Query().Get("claims")
}

func TestComplete_RefusedClaimsRequestIsRetriedWithout(t *testing.T) {
	w := newWorld(t)
	w.settings(func(s *tenant.Settings) { s.MFARequest = tenant.MFARequestAMR })
	begun := w.begin()
	first := w.open(begun)
	_, err := w.refuseRequest(first, "another")
	w.checkFailure("Complete in another browser", err, failure.StateBrowser)

	out, err := w.refuseRequest(first, browser)
	w.must(err)
	if got := claimsOf(t, out.SignInAgain); got != tenant.MFARequestOff {
		t.Errorf("Complete of a refused request asks for MFA by %q, want %q", got, tenant.MFARequestOff)
	}
	w.checkConsent(begun.ID, consent.Waiting, "")
	_, err = w.refuseRequest(first, browser)
	w.checkFailure("Complete of the same state", err, failure.StateUsed)

	second := stateOf(t, out.SignInAgain)
	_, err = w.consents.Complete(t.Context(), consent.Callback{State: second, Browser: "another"})
	w.checkFailure("Complete of the second opening in another browser", err, failure.StateBrowser)
	if _, err = w.complete(second, "code-1"); err != nil {
		t.Fatalf("Complete of the second opening = %v", err)
	}
	w.checkGrants("code-1", false)
	w.checkConsent(begun.ID, consent.Succeeded, "")
}

func TestComplete_RefusalWithoutClaimsIsFinal(t *testing.T) {
	for name, setting := range map[string]string{"after the fall-back": tenant.MFARequestAMR, "switched off": tenant.MFARequestOff} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.settings(func(s *tenant.Settings) { s.MFARequest = setting })
			begun := w.begin()
			state := w.open(begun)
			if setting != tenant.MFARequestOff {
				out, err := w.refuseRequest(state, browser)
				w.must(err)
				state = stateOf(t, out.SignInAgain)
			}
			_, err := w.refuseRequest(state, browser)
			w.checkFailure("Complete", err, failure.MicrosoftRequest)
			w.checkConsent(begun.ID, consent.Failed, failure.MicrosoftRequest)
		})
	}
}
