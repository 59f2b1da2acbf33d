package consent_test

import (
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const day = 24 * time.Hour

// aheads are how far a clock was ahead before it was set right.
var aheads = []time.Duration{time.Hour, 12 * day, 85 * day, 150 * day}

// whileAhead does something while the clock is ahead, and sets it right again.
func (h *harness) whileAhead(ahead time.Duration, do func()) {
	h.Helper()
	h.advance(ahead)
	do()
	h.advance(-ahead + time.Second)
}

func (h *harness) purge() {
	h.Helper()
	h.must(h.tokens.Purge(h.Context()))
	h.must(h.consents.Purge(h.Context()))
	h.advance(time.Second)
}

// eachAhead runs a test for every clock, with and without a purge before the times of that clock have come.
func eachAhead(t *testing.T, test func(t *testing.T, h *harness, ahead time.Duration, purge func())) {
	t.Helper()
	for _, ahead := range aheads {
		t.Run(ahead.String(), func(t *testing.T) {
			h := newHarness(t)
			test(t, h, ahead, func() {})
		})
		t.Run(ahead.String()+" and purged", func(t *testing.T) {
			h := newHarness(t)
			test(t, h, ahead, h.purge)
		})
	}
}

func TestBegin_UnderAWrongClock(t *testing.T) {
	eachAhead(t, func(t *testing.T, h *harness, ahead time.Duration, purge func()) {
		var begun consent.Begun
		var state string
		h.whileAhead(ahead, func() { begun = h.begin(); state = h.open(begun) })
		h.checkConsent(begun.ID, consent.Failed, failure.ConsentTimedOut)
		_, err := h.consents.Authorize(t.Context(), linkOf(begun), consent.Visit{Browser: browser})
		h.checkFailure("Authorize() of a consent that a wrong clock began", err, failure.LinkExpired)
		_, err = h.complete(state, "code-1")
		h.checkFailure("Complete() of a sign-in that a wrong clock began", err, failure.StateExpired)
		h.checkGrants("", false)

		h.purge()
		h.advance(ahead) // its times have come
		h.checkConsent(begun.ID, consent.Failed, failure.ConsentTimedOut)
		_, err = h.complete(state, "code-1")
		h.checkFailure("Complete() after the purge", err, failure.StateUnknown)
		_, err = h.complete(h.open(h.begin()), "code-2")
		h.must(err)
		h.checkGrants("code-2", false)
	})
}

func TestLink_UnderAWrongClock(t *testing.T) {
	eachAhead(t, func(t *testing.T, h *harness, ahead time.Duration, purge func()) {
		var wrong consent.Begun
		h.whileAhead(ahead, func() { wrong = h.link() })
		h.whileAhead(ahead+30*day, func() { wrong = h.link() }) // the wrong clock ended its own link
		purge()
		_, err := h.consents.Authorize(t.Context(), linkOf(wrong), consent.Visit{Browser: browser})
		h.checkFailure("Authorize() with a link of a wrong clock", err, failure.LinkExpired)
		right := h.link()
		if right.ID == wrong.ID || !right.ExpiresAt.Equal(h.now().Add(7*day)) || h.link() != right {
			t.Errorf("Link() = %+v, want a new one that stays", right)
		}
		out, err := h.complete(h.open(right), "code-1")
		h.must(err)
		h.must(h.redeem(out.ClaimCode))
		h.checkGrants("code-1", false)

		h.advance(ahead) // the times of the wrong clock have come
		_, err = h.consents.Authorize(t.Context(), linkOf(wrong), consent.Visit{Browser: browser})
		h.checkFailure("Authorize() with a link whose time has come", err, failure.LinkExpired)
	})
}

func TestRedeem_ClaimCodeOfAWrongClock(t *testing.T) {
	eachAhead(t, func(t *testing.T, h *harness, ahead time.Duration, purge func()) {
		h.link()
		var out consent.Outcome
		h.whileAhead(ahead, func() { // for an hour the same link, else another one
			var err error
			out, err = h.complete(h.open(h.link()), "code-1")
			h.must(err)
		})
		purge()
		err := h.redeem(out.ClaimCode)
		if !failure.Is(err, failure.ClaimExpired) && !failure.Is(err, failure.NothingToClaim) {
			t.Errorf("Redeem() of a code that a wrong clock stored = %v, want a refusal", err)
		}
		if st := h.status(); st.Pending != nil {
			t.Errorf("Status() shows a consent that waits until %s", st.Pending.ExpiresAt)
		}
		h.purge()
		h.checkGrants("", false)
		if n, _ := h.eventsOf(audit.ConsentExpired); n != 1 {
			t.Errorf("%d events say that the consent expired, want one", n)
		}
		out, err = h.complete(h.open(h.link()), "code-2")
		h.must(err)
		h.must(h.redeem(out.ClaimCode))
		h.checkGrants("code-2", false)
	})
}

func (h *harness) status() token.Status {
	h.Helper()
	r, err := tenant.Resolve(h.Context(), h.store, tenantID)
	h.must(err)
	st, err := h.tokens.Status(h.Context(), r)
	h.must(err)
	return st
}

func TestConfirm_OfAWrongClock(t *testing.T) {
	eachAhead(t, func(t *testing.T, h *harness, ahead time.Duration, purge func()) {
		_, _ = h.automatic(person, "code-ada")
		var begun consent.Begun
		h.whileAhead(ahead, func() { begun, _ = h.automatic(bob, "code-bob") })
		if st := h.status(); st.Unconfirmed != nil {
			t.Errorf("Status() shows a consent that waits until %s", st.Unconfirmed.ExpiresAt)
		}
		purge()
		h.checkFailure("Redeem() of a consent that a wrong clock stored", h.redeem(begun.ID), failure.ConfirmationExpired)
		h.checkConsent(begun.ID, consent.Failed, failure.ConfirmationExpired)
		h.purge()
		h.advance(ahead)
		if err := h.redeem(begun.ID); err == nil {
			t.Error("Redeem() = nil once the time of the wrong clock has come")
		}
		h.checkGrants("code-ada", false)
		h.checkUnconfirmed(false)
	})
}

func TestDirectLink_OfAWrongClock(t *testing.T) {
	eachAhead(t, func(t *testing.T, h *harness, ahead time.Duration, purge func()) {
		h.settings(func(s *tenant.Settings) { s.DirectLink = true })
		var wrong consent.Begun
		h.whileAhead(ahead, func() { wrong = h.link() })
		state := stateOf(t, wrong.URL)
		err := h.redeem("https://onboarding.example/callback?state=" + state + "&code=" + pastedCode)
		h.checkFailure("Redeem() of an address that a wrong clock made", err, failure.StateExpired)
		h.checkFailure("Redeem() of a bare code", h.redeem(strings.Repeat("c", 200)), failure.NothingToClaim)
		purge()
		right := h.link()
		if right.ID == wrong.ID {
			t.Error("Link() = the link of the wrong clock, want a new one")
		}
		h.must(h.redeem("https://onboarding.example/callback?state=" + stateOf(t, right.URL) + "&code=" + pastedCode))
		h.checkGrants(pastedCode, false)
	})
}

// TestProcedures_ClocksThatDifferALittle accepts what a replica stored whose clock is five minutes ahead.
func TestProcedures_ClocksThatDifferALittle(t *testing.T) {
	h := newHarness(t)
	const ahead = 5 * time.Minute
	var out consent.Outcome
	h.whileAhead(ahead, func() {
		var err error
		out, err = h.complete(h.open(h.link()), "code-1")
		h.must(err)
	})
	h.purge()
	h.checkGrants("", true)
	h.must(h.redeem(out.ClaimCode))
	h.checkGrants("code-1", false)
	var begun consent.Begun
	h.whileAhead(ahead, func() { begun = h.begin() })
	h.purge()
	_, err := h.complete(h.open(begun), "code-2")
	h.must(err)
	h.checkGrants("code-2", false)
}

// TestLink_ProlongedWritesAnEvent prolongs the link of a consent that waits for its claim code.
func TestLink_ProlongedWritesAnEvent(t *testing.T) {
	h := newHarness(t)
	link := h.link()
	h.advance(7*day - time.Minute)
	out, err := h.complete(h.open(link), "code-1")
	h.must(err)
	h.advance(time.Hour)
	before, _ := h.eventsOf(audit.ConsentLinked)
	prolonged := h.link()
	if prolonged.ID != link.ID || prolonged.URL != link.URL || !prolonged.ExpiresAt.Equal(h.now().Add(7*day)) {
		t.Errorf("Link() = %+v, want %+v prolonged", prolonged, link)
	}
	n, e := h.eventsOf(audit.ConsentLinked)
	if n != before+1 || e.Actor != reseller || e.Details["procedure"] != string(token.Manual) || !e.At.Equal(h.now()) {
		t.Errorf("%d events of links, the last %+v, want one more than %d", n, e, before)
	}
	h.link() // stays
	if n, _ := h.eventsOf(audit.ConsentLinked); n != before+1 {
		t.Errorf("showing the link again wrote %d events", n-before-1)
	}
	h.must(h.redeem(out.ClaimCode))
	h.checkGrants("code-1", false)
}
