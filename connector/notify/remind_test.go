package notify_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

var olu = audit.Actor{Kind: audit.User, ID: "user-1", Name: "Olu Adeyemi", AccountID: providerID}

// remind reminds the reseller of the tenant by a service, and checks whether that is refused; an empty code: it is not.
func (h *harness) remind(s *notify.Service, code failure.Code) {
	h.Helper()
	_, err := s.Remind(h.Context(), h.resolved(), olu)
	if code == "" {
		h.must(err)
	} else if !failure.Is(err, code) {
		h.Errorf("Remind() = %v, want %s", err, code)
	}
}

func (h *harness) resolved() tenant.Resolved {
	h.Helper()
	t, err := h.store.Tenant(h.Context(), h.tenantID)
	h.must(err)
	in, err := h.store.Instance(h.Context(), t.InstanceKey)
	h.must(err)
	return tenant.Resolved{Tenant: t, Instance: in}
}

// reminded returns the number of events of reminders.
func (h *harness) reminded() int {
	h.Helper()
	events, err := h.store.EventsOf(h.Context(), h.tenantID, []audit.Action{audit.TenantReminded}, 100)
	h.must(err)
	return len(events)
}

func TestRemind_Refuses(t *testing.T) {
	each(t, func(h *harness) {
		h.remind(h.service, failure.NothingToRemind)
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.remind(h.replica(h.mail), failure.ResellerUnreachable) // the provider's own mailboxes
		h.remind(h.replica(&channel{name: "mail_reseller", audience: notify.Reseller}), failure.ResellerUnreachable)
		if got := h.reminded(); got != 0 {
			h.Errorf("refused reminders have %d events, want none", got)
		}
		h.remind(h.service, "")
		h.advance(23 * time.Hour)
		h.remind(h.service, failure.RemindedRecently)
		h.advance(2 * time.Hour)
		h.remind(h.service, "")
		h.fails(token.StateSuspended, failure.Suspended)
		h.advance(2 * day)
		h.remind(h.service, failure.NothingToRemind)
		if got := h.reminded(); got != 2 {
			h.Errorf("the reminders have %d events, want 2", got)
		}
	})
}

// TestRemind_ReachesTheResellerOnly: the provider, who asked, is not notified.
func TestRemind_ReachesTheResellerOnly(t *testing.T) {
	each(t, func(h *harness) {
		h.escalating(0)
		h.recipients("admin@alpine.example")
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.sweep()
		for _, c := range []*channel{h.panel, h.mail, h.reseller} {
			c.take()
		}
		h.remind(h.service, "")
		h.reseller.fail(context.DeadlineExceeded)
		h.sweep()
		h.panel.mu.Lock()
		n := h.panel.sent[len(h.panel.sent)-1]
		h.panel.mu.Unlock()
		text := strings.Join(append([]string{n.Headline()}, n.Lines()...), " ")
		for _, want := range []string{"Your provider reminds you", "Alpine Cloud", "Olu Adeyemi asked for this", "it was revoked", "Use Update Refresh Token"} {
			if !strings.Contains(text, want) {
				h.Errorf("the reminder says %q, want %q in it", text, want)
			}
		}
		h.restart() // the mail is not lost
		h.reseller.fail(nil)
		h.advance(2 * time.Minute)
		h.checkAudiences([]string{"reminder 90"}, none())
		if got := h.panel.take(); len(got) != 1 || n.Provider || n.AccountID != "account-1" {
			h.Errorf("the panel showed %q to the account %q, want the reminder once, to the reseller", got, n.AccountID)
		}
		h.happen(audit.TenantConfigured)
		h.checkAudiences(none(), none())
	})
}

// TestRemind_WhatWasSolvedMeanwhile: nobody is reminded of a token that works.
func TestRemind_WhatWasSolvedMeanwhile(t *testing.T) {
	each(t, func(h *harness) {
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.sweep()
		h.panel.take()
		h.remind(h.service, "")
		h.become(func(s *token.Status) { s.State, s.Failure = token.StateActive, nil }, audit.GrantRenewed)
		h.sweep()
		for _, sent := range h.panel.take() {
			if strings.HasPrefix(sent, string(notify.Reminder)) {
				h.Errorf("%q was sent for a token that works", sent)
			}
		}
	})
}

// TestRemind_OfAWrongClock: a reminder that was dated far ahead keeps nobody from the next one.
func TestRemind_OfAWrongClock(t *testing.T) {
	each(t, func(h *harness) {
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.advance(10 * day)
		h.remind(h.service, "")
		h.advance(-10 * day)
		h.remind(h.service, "")
	})
}

// TestRemind_OnceOfManyAtOnce: of several presses at the same time, on any replica, one counts.
func TestRemind_OnceOfManyAtOnce(t *testing.T) {
	each(t, func(h *harness) {
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		r, other := h.resolved(), h.replica(h.panel)
		var presses errgroup.Group
		for i := range 6 {
			presses.Go(func() error {
				s := h.service
				if i%2 == 0 {
					s = other
				}
				if _, err := s.Remind(t.Context(), r, olu); err != nil && !failure.Is(err, failure.RemindedRecently) {
					return err
				}
				return nil
			})
		}
		h.must(presses.Wait())
		if got := h.reminded(); got != 1 {
			h.Errorf("the reminders have %d events, want 1", got)
		}
	})
}
