package consent_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestBegin_NeedsCompleteSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*world)
		want  failure.Code
	}{
		"no application": {func(w *world) {
			w.settings(func(s *tenant.Settings) { s.Application = tenant.Application{} })
		}, failure.ApplicationMissing},
		"no directory":      {func(w *world) { w.directory("") }, failure.DirectoryMissing},
		"unknown directory": {func(w *world) { w.directory("nobody.example") }, failure.DirectoryUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tc.spoil(w)
			_, err := w.consents.Begin(t.Context(), tenantID, reseller)
			w.checkFailure("Begin", err, tc.want)
			_, err = w.consents.Link(t.Context(), tenantID, reseller)
			w.checkFailure("Link", err, tc.want)
		})
	}
	w := newWorld(t)
	_, err := w.consents.Begin(t.Context(), "nobody", reseller)
	w.checkFailure("Begin for an unknown tenant", err, failure.NotFound)
}

// directory sets what was entered as directory, not yet resolved.
func (w *world) directory(entered string) {
	w.Helper()
	t, err := w.store.Tenant(w.Context(), tenantID)
	w.must(err)
	t.Directory, t.DirectoryID = entered, ""
	w.must(w.store.SaveTenant(w.Context(), &t))
}

func TestBegin_ResolvesTheDirectory(t *testing.T) {
	w := newWorld(t)
	w.directory("partner.example")
	w.begin()
	got, err := w.store.Tenant(t.Context(), tenantID)
	w.must(err)
	if got.DirectoryID != directoryID {
		t.Errorf("DirectoryID = %q, want %q", got.DirectoryID, directoryID)
	}
}

func TestComplete_Refusals(t *testing.T) {
	for name, tc := range map[string]struct {
		complete func(w *world, state string) error
		want     failure.Code
		status   consent.Status // of the consent afterwards
		reason   failure.Code
	}{
		"unknown state": {func(w *world, _ string) error {
			_, err := w.complete("invented", "code")
			return err
		}, failure.StateUnknown, consent.Waiting, ""},
		"another browser": {func(w *world, state string) error {
			_, err := w.consents.Complete(w.Context(), consent.Callback{State: state, Browser: "another"})
			return err
		}, failure.StateBrowser, consent.Waiting, ""},
		"no cookie": {func(w *world, state string) error {
			_, err := w.consents.Complete(w.Context(), consent.Callback{State: state})
			return err
		}, failure.StateBrowser, consent.Waiting, ""},
		"expired state": {func(w *world, state string) error {
			w.advance(15 * time.Minute)
			_, err := w.complete(state, "code")
			return err
		}, failure.StateExpired, consent.Failed, failure.ConsentTimedOut},
		"declined": {func(w *world, state string) error {
			_, err := w.consents.Complete(w.Context(), consent.Callback{State: state, Browser: browser, Error: "access_denied"})
			return err
		}, failure.ConsentDeclined, consent.Failed, failure.ConsentDeclined},
		"neither code nor error": {func(w *world, state string) error {
			_, err := w.complete(state, "")
			return err
		}, failure.BadRequest, consent.Failed, failure.BadRequest},
		"refused by the checks": {func(w *world, state string) error {
			w.custody.exchange = func(token.CodeExchange) error { return failure.New(failure.MFAMissing) }
			_, err := w.complete(state, "code")
			return err
		}, failure.MFAMissing, consent.Failed, failure.MFAMissing},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			begun := w.begin()
			w.checkFailure("Complete", tc.complete(w, w.open(begun)), tc.want)
			w.checkGrants("", false)
			w.checkConsent(begun.ID, tc.status, tc.reason)
		})
	}
}

func TestComplete_OtherBrowserDoesNotUseUpTheState(t *testing.T) {
	w := newWorld(t)
	begun := w.begin()
	state := w.open(begun)
	_, err := w.consents.Complete(t.Context(), consent.Callback{State: state, Browser: "another"})
	w.checkFailure("Complete", err, failure.StateBrowser)
	_, err = w.complete(state, "code-1")
	w.must(err)
	w.checkGrants("code-1", false)
}

func TestComplete_AutomaticStoresTheActiveGrant(t *testing.T) {
	w := newWorld(t)
	begun := w.begin()
	w.checkConsent(begun.ID, consent.Waiting, "")
	out, err := w.complete(w.open(begun), "code-1")
	w.must(err)
	if out.Procedure != token.Automatic || out.ClaimCode != "" || out.ConsentedBy != person {
		t.Errorf("Complete = %+v, want the automatic outcome without a claim code", out)
	}
	w.checkGrants("code-1", false)
	w.checkConsent(begun.ID, consent.Succeeded, "")
}

func TestComplete_StateAndConsentWorkOnce(t *testing.T) {
	w := newWorld(t)
	begun := w.begin()
	state, second := w.open(begun), w.open(begun)
	_, err := w.complete(state, "code-1")
	w.must(err)
	_, err = w.complete(state, "code-2")
	w.checkFailure("Complete of a used state", err, failure.StateUsed)
	_, err = w.complete(second, "code-3")
	w.checkFailure("Complete of another opening", err, failure.StateUsed)
	_, err = w.consents.Authorize(t.Context(), linkOf(begun), browser, "")
	w.checkFailure("Authorize after success", err, failure.LinkExpired)
	w.checkGrants("code-1", false)
}

func TestComplete_FailureLeavesTheOldGrant(t *testing.T) {
	w := newWorld(t)
	_, err := w.complete(w.open(w.begin()), "code-1")
	w.must(err)
	w.custody.exchange = func(token.CodeExchange) error { return failure.New(failure.WrongDirectory) }
	_, err = w.complete(w.open(w.begin()), "code-2")
	w.checkFailure("Complete", err, failure.WrongDirectory)
	w.checkGrants("code-1", false)
}

func TestFind_ConsentOfAnotherTenantIsNotFound(t *testing.T) {
	w := newWorld(t)
	_, err := w.consents.Find(t.Context(), otherTenantID, w.begin().ID)
	w.checkFailure("Find", err, failure.NotFound)
}

func TestAuthorize_PromptsForConsentFirstAndForASignInLater(t *testing.T) {
	w := newWorld(t)
	for _, want := range []string{"consent", "login"} {
		begun := w.begin()
		address, err := w.consents.Authorize(t.Context(), linkOf(begun), browser, "")
		w.must(err)
		if got := promptOf(t, address); got != want {
			t.Errorf("prompt = %q, want %q", got, want)
		}
		w.advance(time.Second)
		_, err = w.complete(stateOf(t, address), "code")
		w.must(err)
	}
}
