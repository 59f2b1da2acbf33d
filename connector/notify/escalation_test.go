package notify_test

import (
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// escalating gives the reseller a recipient of its own, and tells the provider after a time.
func (h *harness) escalating(after time.Duration) {
	h.Helper()
	h.reseller, h.escalateAfter = &channel{name: "mail_reseller", audience: notify.Reseller}, after
	h.recipients("admin@alpine.example")
	h.restart()
	h.sweep()
}

func (h *harness) recipients(addresses ...string) {
	h.Helper()
	h.changeTenant(func(t *tenant.Tenant) { t.Notices.Recipients = addresses })
}

// checkAudiences sweeps and asserts what the reseller and the provider were sent.
func (h *harness) checkAudiences(reseller, provider []string) {
	h.Helper()
	h.sweep()
	h.checkSentBy(h.reseller, reseller...)
	h.checkSentBy(h.mail, provider...)
}

func none() []string { return []string{} }

func TestEscalation_OnlyTenantsWithRecipientsHaveMailsOfTheirOwn(t *testing.T) {
	each(t, func(h *harness) {
		h.escalating(0)
		h.recipients()
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.checkAudiences(none(), []string{"alarm 90 grant_revoked"})
		h.recipients("admin@alpine.example")
		h.fails(token.StateMisconfigured, failure.ClientSecretExpired)
		h.checkAudiences([]string{"alarm 90 client_secret_expired"}, []string{"alarm 90 client_secret_expired"}) // nothing is held back
	})
}

func TestEscalation_TellsTheProviderWhenTheResellerDidNothing(t *testing.T) {
	each(t, func(h *harness) {
		h.escalating(3 * day)
		h.advance(10 * day)
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.checkAudiences([]string{"alarm 80 grant_revoked"}, none())
		if got := h.panel.take(); len(got) != 1 {
			h.Errorf("the panel showed %q, want the alarm to the reseller", got)
		}
		noticed := h.now()
		h.advance(2 * day)
		h.fails(token.StateMisconfigured, failure.ClientSecretExpired) // a new reason does not begin anew
		h.checkAudiences([]string{"alarm 78 client_secret_expired"}, none())
		h.advance(day - time.Second)
		h.checkAudiences(none(), none())
		h.advance(time.Second)
		h.restart()
		h.sweep()
		h.checkSentBy(h.reseller)
		if len(h.mail.sent) != 1 || !h.mail.sent[0].Since.Equal(noticed) || !h.mail.sent[0].Provider {
			h.Fatalf("the provider was sent %+v, want an alarm that names when the reseller was notified", h.mail.sent)
		}
		if text := strings.Join(h.mail.sent[0].Lines(), " "); !strings.Contains(text, "The reseller was notified on "+noticed.UTC().Format("2006-01-02 15:04 UTC")) {
			h.Errorf("Lines() = %q, want when the reseller was notified", text)
		}
		h.mail.take()
		h.checkAudiences(none(), none()) // once
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.checkAudiences([]string{"alarm 77 grant_revoked"}, []string{"alarm 77 grant_revoked"}) // the provider takes part now
		h.granted()
		h.checkAudiences([]string{"recovery 90"}, []string{"recovery 90"})
	})
}

func TestEscalation_SparesTheProviderWhatTheResellerSolved(t *testing.T) {
	each(t, func(h *harness) {
		h.escalating(3 * day)
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.checkAudiences([]string{"alarm 90 grant_revoked"}, none())
		h.advance(day)
		h.granted()
		h.checkAudiences([]string{"recovery 90"}, none())
		h.advance(5 * day)
		h.checkAudiences(none(), none())
	})
}

func TestEscalation_WarnsTheProviderWhenLittleTimeIsLeft(t *testing.T) {
	each(t, func(h *harness) {
		h.escalating(7 * day)
		for _, warning := range []struct {
			at       int
			provider []string
		}{{60, none()}, {76, none()}, {83, []string{"expiry_warning 7"}}, {87, []string{"expiry_warning 3"}}} {
			h.advance(start.Add(time.Duration(warning.at) * day).Sub(h.now()))
			h.sweep()
			if got := h.reseller.take(); len(got) != 1 {
				h.Errorf("on day %d the reseller was sent %q, want a warning", warning.at, got)
			}
			h.checkSentBy(h.mail, warning.provider...)
		}
		h.granted()
		h.checkAudiences([]string{"recovery 90"}, []string{"recovery 90"})
	})
}

// TestEscalation_OfWhatWasHeldBack tells the provider at once when nobody at the reseller is notified any more.
func TestEscalation_OfWhatWasHeldBack(t *testing.T) {
	each(t, func(h *harness) {
		h.escalating(3 * day)
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.checkAudiences([]string{"alarm 90 grant_revoked"}, none())
		h.recipients()
		h.checkAudiences(none(), []string{"alarm 90 grant_revoked"})
		h.checkAudiences(none(), none())
	})
}

// TestEscalation_OfAWrongClock does not wait for a time that a wrong clock stored.
func TestEscalation_OfAWrongClock(t *testing.T) {
	each(t, func(h *harness) {
		h.escalating(3 * day)
		h.advance(80 * day)
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.checkAudiences([]string{"alarm 10 grant_revoked"}, none())
		h.advance(-80 * day)
		h.happen("grant.checked")
		h.checkAudiences(none(), none())
		h.advance(3 * day)
		h.checkAudiences(none(), []string{"alarm 87 grant_revoked"})
	})
}
