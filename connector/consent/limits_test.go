package consent_test

import (
	"fmt"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/token"
)

// limited gives the procedures limits.
func (h *harness) limited(most map[limit.Name]int) {
	h.Helper()
	limits, err := limit.New(limit.Config{Store: h.store, Most: most, Now: h.now})
	h.must(err)
	h.consents, err = consent.New(consent.Config{
		Store: h.store, Tokens: h.tokens, Microsoft: fakeMicrosoft{}, Hasher: h.hasher, PublicURL: publicURL, Now: h.now, Limits: limits,
		Observe: func(_ audit.Action, result string) { h.refusals = append(h.refusals, result) },
	})
	h.must(err)
}

// count calls act and returns how often it succeeded, failed because of a limit, and failed otherwise.
func count(calls int, act func(i int) error) (done, limited, failed int) {
	for i := range calls {
		switch err := act(i); {
		case err == nil:
			done++
		case failure.Is(err, failure.TooManyRequests):
			limited++
		default:
			failed++
		}
	}
	return done, limited, failed
}

func TestLimits_OfATenant(t *testing.T) {
	h := newHarness(t)
	h.limited(map[limit.Name]int{limit.Consents: 3, limit.Openings: 4, limit.Codes: 2, limit.Claims: 100})
	check := func(what string, done, limited, failed, wantDone, wantLimited, wantFailed int) {
		t.Helper()
		if done != wantDone || limited != wantLimited || failed != wantFailed {
			t.Errorf("%s: %d succeeded, %d were limited, %d failed otherwise, want %d, %d, %d", what, done, limited, failed, wantDone, wantLimited, wantFailed)
		}
	}
	done, limited, failed := count(10, func(int) error {
		_, err := h.consents.Begin(t.Context(), tenantID, consent.Request{}, reseller)
		return err
	})
	check("consents begun", done, limited, failed, 3, 7, 0)
	_, err := h.consents.Link(t.Context(), tenantID, reseller)
	h.checkFailure("Link() of a new link", err, failure.TooManyRequests)
	h.advance(time.Minute)
	begun := h.link()
	done, limited, failed = count(10, func(int) error {
		_, err := h.consents.Link(t.Context(), tenantID, reseller) // shows the same one
		return err
	})
	check("links shown", done, limited, failed, 10, 0, 0)
	done, limited, failed = count(10, func(int) error {
		_, err := h.consents.Authorize(t.Context(), linkOf(begun), consent.Visit{Browser: browser})
		return err
	})
	check("openings", done, limited, failed, 4, 6, 0)
	done, limited, failed = count(10, func(int) error {
		return h.redeem(publicURL + "/callback?code=" + pastedCode + "&state=" + random.Token())
	})
	check("codes", done, limited, failed, 0, 8, 2)
	if len(h.tokens.exchanges) != 0 {
		t.Errorf("%d codes were redeemed, want none", len(h.tokens.exchanges))
	}
}

func TestLimits_OfClaimCodes(t *testing.T) {
	h := newHarness(t)
	h.limited(map[limit.Name]int{limit.Claims: 4, limit.ClaimsOfPerson: 3})
	out := h.granted("code-1")
	const wrong = "0000-0000-0000"
	claim := func(id string) func(int) error {
		return func(int) error {
			_, err := h.consents.Redeem(t.Context(), tenantID, wrong, audit.Actor{Kind: audit.User, ID: id})
			return err
		}
	}
	if _, limited, failed := count(5, claim("user-1")); limited != 2 || failed != 3 {
		t.Errorf("of five codes of one person, %d were limited and %d compared, want 2 and 3", limited, failed)
	}
	// Another tenant, the same person.
	_, err := h.consents.Redeem(t.Context(), otherTenantID, wrong, audit.Actor{Kind: audit.User, ID: "user-1"})
	h.checkFailure("Redeem() for another tenant", err, failure.TooManyRequests)
	h.advance(time.Minute)
	if _, limited, failed := count(2, claim("user-2")); limited != 0 || failed != 2 {
		t.Errorf("of two codes of another person, %d were limited and %d compared, want 0 and 2", limited, failed)
	}
	if want := "[claim_wrong claim_wrong claim_wrong claim_wrong claim_locked]"; fmt.Sprint(h.refusals) != want {
		t.Errorf("the refusals %v are observed, want %s", h.refusals, want)
	}
	h.checkFailure("Redeem() of a code that was locked", h.redeem(out.ClaimCode), failure.NothingToClaim)
}

// TestPurge_DeletesEndedConsents ends consents in every way, and looks a day later.
func TestPurge_DeletesEndedConsents(t *testing.T) {
	h := newHarness(t)
	refused := h.begin()
	_, err := h.consents.Complete(t.Context(), consent.Callback{State: h.open(refused), Browser: browser, Error: "access_denied"})
	h.checkFailure("Complete()", err, failure.ConsentDeclined)
	succeeded := h.begin()
	state := h.open(succeeded)
	_, err = h.complete(state, "code-1")
	h.must(err)
	open := h.link()
	waits, err := h.complete(h.open(open), "code-2")
	h.must(err)
	h.must(h.redeem(waits.ClaimCode))
	timedOut := h.begin()
	left := func() string {
		var text string
		for name, b := range map[string]consent.Begun{"refused": refused, "succeeded": succeeded, "timedOut": timedOut} {
			if _, err := h.store.Consent(t.Context(), b.ID); err == nil {
				text += name + " "
			}
		}
		return text
	}
	h.advance(24*time.Hour - time.Minute)
	h.must(h.consents.Purge(t.Context()))
	if got := left(); len(got) != len("refused succeeded timedOut ") {
		t.Errorf("a minute before a day has passed, these are left: %s, want all", got)
	}
	h.advance(17 * time.Minute)
	h.must(h.consents.Purge(t.Context()))
	if got := left(); got != "" {
		t.Errorf("after a day, these are left: %s, want none", got)
	}
	_, err = h.complete(state, "code-3")
	h.checkFailure("Complete() with the state of a deleted consent", err, failure.StateUnknown)
	if g, err := h.store.Grant(t.Context(), tenantID, token.Active); err != nil || g.ConsentID != open.ID {
		t.Errorf("Grant() = of consent %s, %v, want the claimed one", g.ConsentID, err)
	}
}
