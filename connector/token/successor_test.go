package token_test

import (
	"context"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/token"
)

// changes are the actions whose events tell that the active grant changed after its consent.
var changes = []audit.Action{audit.GrantRenewed, audit.GrantRotated, audit.GrantChecked}

// checkEveryChangeHasItsEvent compares the changes of the active grant since its consent with the events.
func (h *harness) checkEveryChangeHasItsEvent() {
	h.Helper()
	events, err := h.store.EventsOf(h.Context(), tenantID, changes, 1000)
	h.must(err)
	if got, want := int64(len(events)), h.grant(token.Active).Version-1; got != want {
		h.Errorf("the active grant changed %d times, with %d events", want, got)
	}
}

func TestService_EveryChangeOfTheGrantHasItsEvent(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	h.checkEveryChangeHasItsEvent()
	_, err := h.tokens.Renew(t.Context(), tenantID, owner)
	h.must(err)
	_, err = h.tokens.Check(t.Context(), tenantID, owner)
	h.must(err)
	h.checkEveryChangeHasItsEvent()
	for _, api := range token.APIs() {
		_, err = h.lend(t.Context(), tenantID, api, borrower)
		h.must(err)
	}
	h.checkEveryChangeHasItsEvent()
	events, err := h.store.EventsOf(t.Context(), tenantID, []audit.Action{audit.GrantRotated}, 1)
	h.must(err)
	if e := events[0]; e.Actor.ID != borrowerID || e.Details["api"] != "arm" {
		t.Errorf("the event of the last lending's successor = by %+v, %v", e.Actor, e.Details)
	}
}

// TestService_PresentsOnlyStoredValues asserts at every redemption that the value presented is stored.
func TestService_PresentsOnlyStoredValues(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	asked := 0
	h.microsoft.renew = func(refreshToken string, api token.API) error {
		asked++
		if got := h.grant(token.Active).RefreshToken.Reveal(); got != refreshToken {
			t.Errorf("for %s, %q was presented while %q is stored", api, refreshToken, got)
		}
		return nil
	}
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	_, err := h.tokens.Check(t.Context(), tenantID, owner)
	h.must(err)
	_, err = h.lend(t.Context(), tenantID, token.Graph, borrower)
	h.must(err)
	if asked != 7 {
		t.Errorf("Microsoft was asked %d times, want 7: three for each of two checks, one for a borrower", asked)
	}
}

// TestSweep_StoppedKeepsTheSuccessorOfEveryApi stops the sweep after Graph's token was redeemed.
func TestSweep_StoppedKeepsTheSuccessorOfEveryApi(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.advance(10 * day)
	redeemed := 0
	h.sweepStopped(time.Nanosecond, func(ctx context.Context) error {
		if redeemed++; redeemed <= 2 {
			return nil
		}
		<-ctx.Done()
		return transient()
	})
	h.microsoft.mu.Lock()
	last := h.microsoft.asked[len(h.microsoft.asked)-1]
	h.microsoft.mu.Unlock()
	if got := h.grant(token.Predecessor).RefreshToken.Reveal(); got != last {
		t.Errorf("the predecessor is %q, want %q, which was redeemed for Graph: its successor was dropped", got, last)
	}
	h.checkEveryChangeHasItsEvent()
}

// TestLend_ThatMeetsAChangedRow changes the row while Microsoft answers a lending.
func TestLend_ThatMeetsAChangedRow(t *testing.T) {
	for name, tc := range map[string]struct {
		meanwhile func(h *harness)
		late      time.Duration // by which the lending's value was issued after the other one
		kept      bool
	}{
		"renewed, later answer":   {func(h *harness) { _, err := h.service().Renew(h.Context(), tenantID, owner); h.must(err) }, time.Second, true},
		"renewed, same second":    {func(h *harness) { _, err := h.service().Renew(h.Context(), tenantID, owner); h.must(err) }, 0, true},
		"renewed, earlier answer": {func(h *harness) { _, err := h.service().Renew(h.Context(), tenantID, owner); h.must(err) }, -time.Second, false},
		"consented again":         {func(h *harness) { h.consentAs("consent-2") }, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, openStore(t))
			h.consent(tenantID)
			h.advance(day)
			first, changed := true, ""
			h.microsoft.renew = func(string, token.API) error {
				if !first {
					return nil
				}
				first = false
				tc.meanwhile(h)
				changed = h.grant(token.Active).RefreshToken.Reveal()
				h.advance(tc.late)
				return nil
			}
			_, err := h.lend(t.Context(), tenantID, token.Graph, borrower)
			h.must(err)
			if got := h.grant(token.Active).RefreshToken.Reveal(); (got != changed) != tc.kept {
				t.Errorf("the lending's successor was stored: %t, want %t", got != changed, tc.kept)
			}
		})
	}
}

// consentAs is consent with a consent ID.
func (h *harness) consentAs(id string) {
	h.Helper()
	g, err := h.tokens.Exchange(h.Context(), token.CodeExchange{TenantID: tenantID, ConsentID: id, Procedure: token.Automatic, AskedBy: "Rita"})
	h.must(err)
	h.must(h.store.Transact(h.Context(), func(ctx context.Context) error { return h.tokens.StoreActive(ctx, g) }))
}
