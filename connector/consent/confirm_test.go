package consent_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

var bob = token.Person{ObjectID: "oid-2", Username: "bob@partner.example", Name: "Bob Admin"}

// takenOver gives the tenant a grant of Ada and then completes an automatic consent of Bob, which it returns.
func (h *harness) takenOver() (consent.Begun, consent.Outcome) {
	h.Helper()
	_, err := h.complete(h.open(h.begin()), "code-ada")
	h.must(err)
	h.advance(time.Minute)
	return h.automatic(bob, "code-bob")
}

// automatic completes an automatic consent of somebody.
func (h *harness) automatic(by token.Person, code string) (consent.Begun, consent.Outcome) {
	h.Helper()
	h.tokens.person = by
	begun := h.begin()
	out, err := h.complete(h.open(begun), code)
	h.must(err)
	return begun, out
}

func (h *harness) checkUnconfirmed(want bool) {
	h.Helper()
	_, err := h.store.Grant(h.Context(), tenantID, token.Unconfirmed)
	if err != nil && !errors.Is(err, tenant.ErrNotFound) {
		h.Fatal(err)
	}
	if got := err == nil; got != want {
		h.Errorf("a grant waits for confirmation: %t, want %t", got, want)
	}
}

// eventsOf returns how many events of an action the tenant has, and the newest.
func (h *harness) eventsOf(action audit.Action) (int, audit.Event) {
	h.Helper()
	events, err := h.store.EventsOf(h.Context(), tenantID, []audit.Action{action}, 50)
	h.must(err)
	if len(events) == 0 {
		return 0, audit.Event{}
	}
	return len(events), events[0]
}

func TestComplete_AnotherPersonWaitsForConfirmation(t *testing.T) {
	h := newHarness(t)
	begun, out := h.takenOver()
	if !out.Waiting || out.ClaimCode != "" || out.ConsentedBy != bob || !out.ClaimExpiresAt.Equal(h.now().Add(24*time.Hour)) {
		t.Errorf("Complete = %+v, want one that waits for a day", out)
	}
	h.checkGrants("code-ada", false)
	h.checkUnconfirmed(true)
	h.checkConsent(begun.ID, consent.Confirmable, failure.ConfirmationWaiting)
	if _, e := h.eventsOf(audit.ConsentGranted); e.Details["waits_for"] != "confirmation" || e.Details["before"] != person.Username {
		t.Errorf("the event is %+v, want one that says what the consent waits for", e)
	}
	_, err := h.consents.Authorize(t.Context(), linkOf(begun), consent.Visit{Browser: browser})
	h.checkFailure("Authorize of a consent that waits for confirmation", err, failure.LinkExpired)

	got, err := h.consents.Redeem(t.Context(), tenantID, " "+begun.ID+"\n", reseller)
	h.must(err)
	if got != bob {
		t.Errorf("Redeem = %+v, want %+v", got, bob)
	}
	h.checkGrants("code-bob", false)
	h.checkUnconfirmed(false)
	h.checkConsent(begun.ID, consent.Succeeded, "")
	n, e := h.eventsOf(audit.ConsentConfirmed)
	if n != 1 || e.Actor != reseller || e.Details["username"] != bob.Username || e.Details["before"] != person.Username {
		t.Errorf("%d events of the confirmation, the last %+v", n, e)
	}
}

func TestComplete_SamePersonNeedsNoConfirmation(t *testing.T) {
	h := newHarness(t)
	_, first := h.automatic(person, "code-1")
	h.advance(time.Minute)
	renamed := token.Person{ObjectID: person.ObjectID, Username: "ada.new@partner.example"}
	begun, second := h.automatic(renamed, "code-2")
	if first.Waiting || second.Waiting {
		t.Errorf("Complete waits: %t, %t, want neither", first.Waiting, second.Waiting)
	}
	h.checkGrants("code-2", false)
	h.checkConsent(begun.ID, consent.Succeeded, "")
}

func TestConfirm_IsIdempotent(t *testing.T) {
	h := newHarness(t)
	begun, _ := h.takenOver()
	const callers = 4
	results := make(chan error, callers)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() { results <- h.redeem(begun.ID) })
	}
	all.Wait()
	close(results)
	for err := range results {
		if err != nil {
			t.Errorf("Redeem = %v, want success for every caller", err)
		}
	}
	h.must(h.redeem(begun.ID))
	h.checkGrants("code-bob", false)
	if n, _ := h.eventsOf(audit.ConsentConfirmed); n != 1 {
		t.Errorf("%d events of the confirmation, want one", n)
	}
	h.advance(time.Minute)
	h.automatic(bob, "code-later")
	h.checkFailure("Redeem after a later consent", h.redeem(begun.ID), failure.ConsentReplaced)
}

func TestConfirm_Refusals(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(h *harness)
		input  func(begun consent.Begun) string
		tenant string
		want   failure.Code
		left   bool // the grant still waits
	}{
		"an unknown id":      {nil, func(consent.Begun) string { return random.ID() }, tenantID, failure.ClaimWrong, true},
		"of another tenant":  {nil, func(b consent.Begun) string { return b.ID }, otherTenantID, failure.NothingToClaim, true},
		"a wrong claim code": {nil, func(consent.Begun) string { return wrongClaimCode }, tenantID, failure.NothingToClaim, true},
		"not an id":          {nil, func(b consent.Begun) string { return b.ID[1:] }, tenantID, failure.ClaimMalformed, true},
		"an id in braces":    {nil, func(b consent.Begun) string { return "{" + b.ID + "}" }, tenantID, failure.ClaimMalformed, true},
		"a day later":        {func(h *harness) { h.advance(24 * time.Hour) }, func(b consent.Begun) string { return b.ID }, tenantID, failure.ConfirmationExpired, true},
		"replaced by another consent": {func(h *harness) {
			h.automatic(token.Person{ObjectID: "oid-3", Username: "carl@partner.example"}, "code-carl")
		}, func(b consent.Begun) string { return b.ID }, tenantID, failure.ConsentReplaced, true},
		"the token was forgotten": {func(h *harness) {
			_, err := h.tokens.Forget(h.Context(), tenantID, reseller)
			h.must(err)
		}, func(b consent.Begun) string { return b.ID }, tenantID, failure.ConsentReplaced, false},
		"purged": {func(h *harness) {
			h.advance(24*time.Hour + time.Millisecond)
			h.must(h.tokens.Purge(h.Context()))
			h.must(h.consents.Purge(h.Context()))
		}, func(b consent.Begun) string { return b.ID }, tenantID, failure.ConfirmationExpired, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			begun, _ := h.takenOver()
			if tc.change != nil {
				tc.change(h)
			}
			_, err := h.consents.Redeem(t.Context(), tc.tenant, tc.input(begun), reseller)
			h.checkFailure("Redeem", err, tc.want)
			h.checkUnconfirmed(tc.left)
			if name != "the token was forgotten" {
				h.checkGrants("code-ada", false)
			}
			if tc.want == failure.ConfirmationExpired || tc.want == failure.ConsentReplaced {
				h.checkConsent(begun.ID, consent.Failed, tc.want)
			}
		})
	}
}

func TestConfirm_FiveWrongIDsDeleteTheGrant(t *testing.T) {
	h := newHarness(t)
	begun, _ := h.takenOver()
	for range 4 {
		h.checkFailure("Redeem of a wrong id", h.redeem(random.ID()), failure.ClaimWrong)
	}
	h.checkUnconfirmed(true)
	h.checkFailure("the fifth", h.redeem(random.ID()), failure.ClaimLocked)
	h.checkUnconfirmed(false)
	h.checkGrants("code-ada", false)
	h.checkConsent(begun.ID, consent.Failed, failure.ClaimLocked)
	h.checkFailure("Redeem of the right id afterwards", h.redeem(begun.ID), failure.NothingToClaim)
}

// The ID of a manual consent is not its claim code.
func TestConfirm_NotAConsentThatWaitsForItsClaimCode(t *testing.T) {
	h := newHarness(t)
	h.takenOver()
	begun := h.link()
	h.tokens.person = bob
	h.granted("code-manual")
	h.checkFailure("Redeem of a manual consent's id", h.redeem(begun.ID), failure.ClaimWrong)
	h.checkGrants("code-ada", true)
}

func TestClaim_OfAnotherPersonConfirms(t *testing.T) {
	h := newHarness(t)
	_, _ = h.automatic(person, "code-ada")
	h.advance(time.Minute)
	h.tokens.person = bob
	out := h.granted("code-bob")
	r, err := tenant.Resolve(t.Context(), h.store, tenantID)
	h.must(err)
	st, err := h.tokens.Status(t.Context(), r)
	h.must(err)
	if st.State != token.StateActive || st.ConsentedBy != person || st.Pending == nil || st.Pending.ConsentedBy != bob ||
		st.Pending.Replaces == nil || *st.Pending.Replaces != person || st.Unconfirmed != nil {
		t.Errorf("Status = %s of %s, pending %+v, unconfirmed %+v", st.State, st.ConsentedBy.Username, st.Pending, st.Unconfirmed)
	}
	h.must(h.redeem(out.ClaimCode))
	h.checkGrants("code-bob", false)
	if _, e := h.eventsOf(audit.ClaimAccepted); e.Details["before"] != person.Username {
		t.Errorf("the event is %+v, want one that names the person before", e)
	}
}

// A pasted address shows only at its redemption who consented.
func TestRedeem_PastedAddressOfAnotherPersonWaits(t *testing.T) {
	h := newHarness(t)
	_, _ = h.automatic(person, "code-ada")
	h.advance(time.Minute)
	h.tokens.person = bob
	begun := h.link()
	err := h.redeem(publicURL + "/callback?code=" + pastedCode + "&state=" + h.open(begun))
	h.checkFailure("Redeem", err, failure.ConfirmationWaiting)
	if p := failure.From(err).Params; p["username"] != bob.Username || p["before"] != person.Username {
		t.Errorf("the failure names %v", p)
	}
	h.checkGrants("code-ada", false)
	h.checkUnconfirmed(true)
	if next := h.link(); next.ID == begun.ID {
		t.Error("Link is the one that was used, want a new one")
	}
	h.must(h.redeem(begun.ID))
	h.checkGrants(pastedCode, false)
}

// A consent of each procedure may wait at the same time; neither ends the other.
func TestConfirm_BesideAClaimCode(t *testing.T) {
	for name, confirmFirst := range map[string]bool{"confirmed first": true, "claimed first": false} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			begun, _ := h.takenOver()
			h.tokens.person = token.Person{ObjectID: "oid-3", Username: "carl@partner.example"}
			out := h.granted("code-carl")
			inputs := []string{begun.ID, out.ClaimCode}
			last := "code-carl"
			if !confirmFirst {
				slices.Reverse(inputs)
				last = "code-bob"
			}
			for _, input := range inputs {
				h.advance(time.Minute)
				h.must(h.redeem(input))
			}
			h.checkGrants(last, false)
			h.checkUnconfirmed(false)
		})
	}
}

// Two people consent at the same time, when there is no grant yet: one becomes active, the other one waits.
func TestComplete_TwoPeopleAtOnce(t *testing.T) {
	h := newHarness(t)
	people := []token.Person{person, bob}
	outcomes := make([]consent.Outcome, len(people))
	begun := []consent.Begun{h.begin(), h.begin()}
	states := []string{h.open(begun[0]), h.open(begun[1])}
	h.tokens.personOf = func(x token.CodeExchange) token.Person {
		return people[slices.IndexFunc(begun, func(b consent.Begun) bool { return b.ID == x.ConsentID })]
	}
	// The first one to succeed closes what the other one has not exchanged yet.
	var both, exchanging sync.WaitGroup
	exchanging.Add(len(people))
	h.tokens.exchange = func(token.CodeExchange) error {
		exchanging.Done()
		exchanging.Wait()
		return nil
	}
	for i := range people {
		both.Go(func() {
			var err error
			if outcomes[i], err = h.complete(states[i], "code"); err != nil {
				t.Errorf("Complete = %v", err)
			}
		})
	}
	both.Wait()
	if outcomes[0].Waiting == outcomes[1].Waiting {
		t.Fatalf("both wait: %t, want one that does", outcomes[0].Waiting)
	}
	g, err := h.store.Grant(t.Context(), tenantID, token.Active)
	h.must(err)
	waiting, err := h.store.Grant(t.Context(), tenantID, token.Unconfirmed)
	h.must(err)
	if g.ConsentedBy == waiting.ConsentedBy {
		t.Errorf("%s is active and waits", g.ConsentedBy.Username)
	}
}

// A confirmation and a renewal of the old grant at the same time: the confirmation wins, whatever their order.
func TestConfirm_DuringARenewal(t *testing.T) {
	h := newHarness(t)
	begun, _ := h.takenOver()
	ctx := t.Context()
	renewed := make(chan error, 1)
	go func() {
		var err error
		for range 5 {
			err = h.store.Transact(ctx, func(ctx context.Context) error {
				g, err := h.store.Grant(ctx, tenantID, token.Active)
				if err != nil || g.ConsentedBy != person {
					return err
				}
				return h.store.SaveGrant(ctx, &g)
			})
			if err != nil && !errors.Is(err, token.ErrStale) {
				break
			}
			err = nil
		}
		renewed <- err
	}()
	h.must(h.redeem(begun.ID))
	h.must(<-renewed)
	h.checkGrants("code-bob", false)
}
