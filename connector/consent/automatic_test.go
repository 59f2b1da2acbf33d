package consent_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestBegin_NeedsCompleteSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		breaks func(*harness)
		want   failure.Code
	}{
		"no application": {func(h *harness) {
			h.settings(func(s *tenant.Settings) { s.Application = tenant.Application{} })
		}, failure.ApplicationMissing},
		"no directory":      {func(h *harness) { h.directory("") }, failure.DirectoryMissing},
		"unknown directory": {func(h *harness) { h.directory("nobody.example") }, failure.DirectoryUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			tc.breaks(h)
			_, err := h.consents.Begin(t.Context(), tenantID, consent.Request{}, reseller)
			h.checkFailure("Begin", err, tc.want)
			_, err = h.consents.Link(t.Context(), tenantID, reseller)
			h.checkFailure("Link", err, tc.want)
		})
	}
	h := newHarness(t)
	_, err := h.consents.Begin(t.Context(), "nobody", consent.Request{}, reseller)
	h.checkFailure("Begin for an unknown tenant", err, failure.NotFound)
}

// directory sets the directory of the tenant as entered, not resolved.
func (h *harness) directory(entered string) {
	h.Helper()
	t, err := h.store.Tenant(h.Context(), tenantID)
	h.must(err)
	t.Directory, t.DirectoryID = entered, ""
	h.must(h.store.SaveTenant(h.Context(), &t))
}

func TestBegin_ResolvesTheDirectory(t *testing.T) {
	h := newHarness(t)
	h.directory("partner.example")
	h.begin()
	got, err := h.store.Tenant(t.Context(), tenantID)
	h.must(err)
	if got.DirectoryID != directoryID {
		t.Errorf("DirectoryID = %q, want %q", got.DirectoryID, directoryID)
	}
	events, err := h.store.EventsOf(t.Context(), tenantID, []audit.Action{audit.DirectoryResolved}, 2)
	h.must(err)
	if len(events) != 1 || events[0].Details["directory"] != directoryID {
		t.Errorf("the events of the resolved directory = %+v, want one", events)
	}
}

func TestComplete_Refusals(t *testing.T) {
	for name, tc := range map[string]struct {
		complete func(h *harness, state string) error
		want     failure.Code
		status   consent.Status // of the consent afterwards
		reason   failure.Code
	}{
		"unknown state": {func(h *harness, _ string) error {
			_, err := h.complete("invented", "code")
			return err
		}, failure.StateUnknown, consent.Waiting, ""},
		"another browser": {func(h *harness, state string) error {
			_, err := h.consents.Complete(h.Context(), consent.Callback{State: state, Browser: "another"})
			return err
		}, failure.StateBrowser, consent.Waiting, ""},
		"no cookie": {func(h *harness, state string) error {
			_, err := h.consents.Complete(h.Context(), consent.Callback{State: state})
			return err
		}, failure.StateBrowser, consent.Waiting, ""},
		"expired state": {func(h *harness, state string) error {
			h.advance(15 * time.Minute)
			_, err := h.complete(state, "code")
			return err
		}, failure.StateExpired, consent.Failed, failure.ConsentTimedOut},
		"declined": {func(h *harness, state string) error {
			_, err := h.consents.Complete(h.Context(), consent.Callback{State: state, Browser: browser, Error: "access_denied"})
			return err
		}, failure.ConsentDeclined, consent.Failed, failure.ConsentDeclined},
		"neither code nor error": {func(h *harness, state string) error {
			_, err := h.complete(state, "")
			return err
		}, failure.BadRequest, consent.Failed, failure.BadRequest},
		"refused by the checks": {func(h *harness, state string) error {
			h.tokens.exchange = func(token.CodeExchange) error { return failure.New(failure.MFAMissing) }
			_, err := h.complete(state, "code")
			return err
		}, failure.MFAMissing, consent.Failed, failure.MFAMissing},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			begun := h.begin()
			h.checkFailure("Complete", tc.complete(h, h.open(begun)), tc.want)
			h.checkGrants("", false)
			h.checkConsent(begun.ID, tc.status, tc.reason)
		})
	}
}

func TestComplete_OtherBrowserDoesNotUseUpTheState(t *testing.T) {
	h := newHarness(t)
	begun := h.begin()
	state := h.open(begun)
	_, err := h.consents.Complete(t.Context(), consent.Callback{State: state, Browser: "another"})
	h.checkFailure("Complete", err, failure.StateBrowser)
	_, err = h.complete(state, "code-1")
	h.must(err)
	h.checkGrants("code-1", false)
}

func TestComplete_AutomaticStoresTheActiveGrant(t *testing.T) {
	h := newHarness(t)
	begun := h.begin()
	h.checkConsent(begun.ID, consent.Waiting, "")
	out, err := h.complete(h.open(begun), "code-1")
	h.must(err)
	if out.Procedure != token.Automatic || out.ClaimCode != "" || out.ConsentedBy != person {
		t.Errorf("Complete = %+v, want the automatic outcome without a claim code", out)
	}
	h.checkGrants("code-1", false)
	h.checkConsent(begun.ID, consent.Succeeded, "")
}

func TestComplete_StateAndConsentWorkOnce(t *testing.T) {
	h := newHarness(t)
	begun := h.begin()
	state, second := h.open(begun), h.open(begun)
	_, err := h.complete(state, "code-1")
	h.must(err)
	_, err = h.complete(state, "code-2")
	h.checkFailure("Complete of a used state", err, failure.StateUsed)
	_, err = h.complete(second, "code-3")
	h.checkFailure("Complete of another opening", err, failure.StateUsed)
	_, err = h.consents.Authorize(t.Context(), linkOf(begun), consent.Visit{Browser: browser})
	h.checkFailure("Authorize after success", err, failure.LinkExpired)
	h.checkGrants("code-1", false)
}

func TestComplete_FailureLeavesTheOldGrant(t *testing.T) {
	h := newHarness(t)
	_, err := h.complete(h.open(h.begin()), "code-1")
	h.must(err)
	h.tokens.exchange = func(token.CodeExchange) error { return failure.New(failure.WrongDirectory) }
	_, err = h.complete(h.open(h.begin()), "code-2")
	h.checkFailure("Complete", err, failure.WrongDirectory)
	h.checkGrants("code-1", false)
}

func TestFind_ConsentOfAnotherTenantIsNotFound(t *testing.T) {
	h := newHarness(t)
	_, err := h.consents.Find(t.Context(), otherTenantID, h.begin().ID)
	h.checkFailure("Find", err, failure.NotFound)
}

func TestAuthorize_PromptsForConsentFirstAndForASignInLater(t *testing.T) {
	h := newHarness(t)
	for _, want := range []string{"consent", "login"} {
		begun := h.begin()
		address, err := h.consents.Authorize(t.Context(), linkOf(begun), consent.Visit{Browser: browser})
		h.must(err)
		if got := promptOf(t, address); got != want {
			t.Errorf("prompt = %q, want %q", got, want)
		}
		h.advance(time.Second)
		_, err = h.complete(stateOf(t, address), "code")
		h.must(err)
	}
}
