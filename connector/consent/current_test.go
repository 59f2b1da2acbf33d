package consent_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func (h *harness) current() consent.Current {
	h.Helper()
	r, err := tenant.Resolve(h.Context(), h.store, tenantID)
	h.must(err)
	got, err := h.consents.Current(h.Context(), r)
	h.must(err)
	return got
}

// checkNoLink asserts that no link is shown, and that looking made none.
func (h *harness) checkNoLink(when string) {
	h.Helper()
	before := h.linkEvents()
	if got := h.current(); got.Link != nil {
		h.Errorf("Current %s has the link of consent %s, want none", when, got.Link.ID)
	}
	if after := h.linkEvents(); after != before {
		h.Errorf("Current %s adds %d events, want none", when, after-before)
	}
}

func (h *harness) linkEvents() int {
	h.Helper()
	events, err := h.store.EventsOf(h.Context(), tenantID, []audit.Action{audit.ConsentLinked, audit.ConsentBegun}, 100)
	h.must(err)
	return len(events)
}

func TestCurrent_LooksWithoutMakingALink(t *testing.T) {
	for _, direct := range []bool{false, true} {
		h := newHarness(t)
		h.checkNoLink("before one is made")
		made := h.link()
		h.settings(func(s *tenant.Settings) { s.DirectLink = direct })
		if direct {
			h.checkNoLink("while the direct address was never made")
			made = h.link()
		}
		got := h.current().Link
		if got == nil || got.Begun != made || !got.OpenedAt.IsZero() || !got.ConsentedAt.IsZero() {
			t.Errorf("direct %t: Current does not have the link as it was made, never opened", direct)
		}
		h.settings(func(s *tenant.Settings) { s.Application = tenant.Application{} })
		h.checkNoLink("without an application")
		h.settings(func(s *tenant.Settings) {
			s.Application = tenant.Application{ID: applicationID, Secret: tenant.Credential{Value: secret.New("app-secret")}}
		})
		if h.current().Link == nil {
			t.Errorf("direct %t: Current has no link with the application back", direct)
		}
		h.advance(7 * 24 * time.Hour)
		h.checkNoLink("after its end")
	}
}

func TestCurrent_TellsWhatBecameOfTheLink(t *testing.T) {
	h := newHarness(t)
	made := h.link()
	h.advance(time.Minute)
	state := h.open(made)
	opened := h.now()
	if got := h.current().Link; got == nil || !got.OpenedAt.Equal(opened) || !got.ConsentedAt.IsZero() {
		t.Errorf("Current of an opened link differs, want it opened at %s and nobody's consent", opened)
	}
	h.advance(3 * time.Minute)
	out, err := h.complete(state, "code-1")
	h.must(err)
	got := h.current().Link
	if got == nil || got.ConsentedBy != person || !got.ConsentedAt.Equal(h.now()) || !got.OpenedAt.Equal(opened) {
		t.Errorf("Current after the consent differs, want it by %v at %s", person, h.now())
	}
	h.advance(2 * 24 * time.Hour) // the claim code ended, and the states are purged
	h.must(h.consents.Purge(t.Context()))
	if got := h.current().Link; got == nil || !got.OpenedAt.Equal(opened) || !got.ConsentedAt.IsZero() {
		t.Error("Current two days later differs, want the link, opened as before, without a consent")
	}
	h.checkFailure("Redeem of the old code", h.redeem(out.ClaimCode), failure.ClaimExpired)
	h.must(h.redeem(h.granted("code-2").ClaimCode))
	h.checkNoLink("after its consent took effect")
}

func TestCurrent_KeepsARunningConsent(t *testing.T) {
	h := newHarness(t)
	if got := h.current().Automatic; got != nil {
		t.Errorf("Current before any consent has %s", got.ID)
	}
	h.begin()
	h.advance(time.Minute)
	begun := h.begin()
	check := func(when string, status consent.Status, progress consent.Progress) {
		t.Helper()
		got := h.current().Automatic
		if got == nil || got.ID != begun.ID || got.Status != status || got.Progress != progress || got.Ends != token.Automatic || !got.ExpiresAt.Equal(begun.ExpiresAt) {
			t.Errorf("Current %s = %v, want consent %s %s %s", when, got, begun.ID, status, progress)
		}
	}
	check("after begin", consent.Waiting, consent.NotOpened)
	state := h.open(begun)
	check("at Microsoft", consent.Waiting, consent.Opened)
	_, err := h.complete(state, "code-1")
	h.must(err)
	check("after the consent", consent.Succeeded, "")
	h.advance(15*time.Minute - time.Second)
	check("just before it is old", consent.Succeeded, "")
	h.advance(time.Second)
	if got := h.current().Automatic; got != nil {
		t.Errorf("Current long after the consent = %v, want none", got)
	}

	begun = h.begin()
	h.advance(20 * time.Minute)
	check("after its time", consent.Failed, "")
	h.advance(10 * time.Minute)
	if got := h.current().Automatic; got != nil {
		t.Errorf("Current long after the end = %v, want none", got)
	}
}

// A consent of a panel that does not know its browser ends with a code, and a reload must still say so.
func TestCurrent_SaysHowTheConsentEnds(t *testing.T) {
	h := newHarness(t)
	_, err := h.consents.Begin(t.Context(), tenantID, consent.Request{}, reseller)
	h.must(err)
	if got := h.current().Automatic; got == nil || got.Ends != token.Manual {
		t.Errorf("Current = %v, want a consent that ends as a manual one", got)
	}
}

func TestCurrent_OfASuspendedTenant(t *testing.T) {
	h := newHarness(t)
	h.link()
	h.suspend(true)
	h.checkNoLink("while the tenant is suspended")
}
