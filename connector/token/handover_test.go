package token_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

var (
	ada = person
	bob = token.Person{ObjectID: "oid-2", Username: "bob@partner.example", Name: "Bob Admin"}
)

// consentOf returns the exchanged grant of a consent by somebody, which is not stored yet.
func (h *harness) consentOf(consentID string, by token.Person, procedure token.Procedure) token.Grant {
	h.Helper()
	h.microsoft.identity = func() (token.Identity, error) { return token.Identity{DirectoryID: directoryID, Person: by}, nil }
	g, err := h.tokens.Exchange(h.Context(), token.CodeExchange{TenantID: tenantID, ConsentID: consentID, Procedure: procedure, AskedBy: "Rita"})
	h.must(err)
	return g
}

// accept stores the consent of somebody and returns whether it waits for confirmation.
func (h *harness) accept(consentID string, by token.Person) bool {
	h.Helper()
	g := h.consentOf(consentID, by, token.Automatic)
	var accepted token.Acceptance
	h.must(h.store.Transact(h.Context(), func(ctx context.Context) (err error) {
		accepted, err = h.tokens.Accept(ctx, g)
		return err
	}))
	return accepted.Waiting
}

// activate confirms a consent.
func (h *harness) activate(slot token.Slot, consentID string) error {
	return h.store.Transact(h.Context(), func(ctx context.Context) error {
		_, _, err := h.tokens.Activate(ctx, tenantID, slot, consentID)
		return err
	})
}

func (h *harness) checkActive(by token.Person) {
	h.Helper()
	if got := h.grant(token.Active).ConsentedBy; got != by {
		h.Errorf("the active grant is of %+v, want %+v", got, by)
	}
}

// actions returns the actions of the tenant's events with their results, newest first.
func (h *harness) actions() []string {
	h.Helper()
	events, err := h.store.Events(h.Context(), tenantID, time.Time{}, 50)
	h.must(err)
	var actions []string
	for _, e := range events {
		actions = append(actions, string(e.Action)+" "+e.Result)
	}
	return actions
}

// newest returns how many events of an action the tenant has, and the newest.
func (h *harness) newest(action audit.Action) (int, audit.Event) {
	h.Helper()
	events, err := h.store.EventsOf(h.Context(), tenantID, []audit.Action{action}, 50)
	h.must(err)
	if len(events) == 0 {
		return 0, audit.Event{}
	}
	return len(events), events[0]
}

// TestRenew_NeverUsesTheTokenOfThePersonBefore is the case: Ada consents, Bob consents, Bob's sessions are revoked.
func TestRenew_NeverUsesTheTokenOfThePersonBefore(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.accept("consent-ada", ada)
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context())) // Ada's grant has a predecessor
	adas := slices.Clone(h.microsoft.presented())
	adas = append(adas, h.grant(token.Active).RefreshToken.Reveal())
	h.advance(day)
	h.accept("consent-bob", bob)
	h.must(h.activate(token.Unconfirmed, "consent-bob"))
	asked := len(h.microsoft.presented())
	h.microsoft.renew = func(refreshToken string, _ token.API) error {
		if slices.Contains(adas, refreshToken) {
			return nil
		}
		return revoked()
	}
	for _, when := range []time.Duration{0, 10 * day} {
		h.advance(when)
		_, err := h.tokens.Renew(t.Context(), tenantID, owner)
		h.checkFailure("Renew", err, failure.GrantRevoked)
		h.checkState(token.StateActionRequired, failure.GrantRevoked)
	}
	h.checkActive(bob)
	for _, refreshToken := range h.microsoft.presented()[asked:] {
		if slices.Contains(adas, refreshToken) {
			t.Errorf("Microsoft was asked with Ada's token %s", refreshToken)
		}
	}
	if _, err := h.store.Grant(t.Context(), tenantID, token.Predecessor); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("Grant(predecessor) = %v, want none", err)
	}
}

// A database of an older program may contain a predecessor of another consent.
func TestRenew_IgnoresThePredecessorOfAnotherConsent(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.accept("consent-ada", ada)
	old := h.grant(token.Active)
	h.accept("consent-again", ada)
	h.must(h.store.Transact(t.Context(), func(ctx context.Context) error { return h.store.SavePredecessor(ctx, old) }))
	h.microsoft.renew = func(refreshToken string, _ token.API) error {
		if refreshToken == old.RefreshToken.Reveal() {
			return nil
		}
		return revoked()
	}
	_, err := h.tokens.Renew(t.Context(), tenantID, owner)
	h.checkFailure("Renew", err, failure.GrantRevoked)
}

func TestRenew_UseOfThePredecessorIsAuditedAndKeepsIt(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.accept("consent-ada", ada)
	worked := h.grant(token.Active).RefreshToken.Reveal()
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	spoiled := h.grant(token.Active).RefreshToken.Reveal()
	h.microsoft.renew = func(refreshToken string, _ token.API) error {
		if refreshToken == spoiled {
			return revoked()
		}
		return nil
	}
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	h.checkState(token.StateActive, "")
	if got := h.grant(token.Predecessor).RefreshToken.Reveal(); got == spoiled || got == worked {
		t.Errorf("the predecessor is %s, want the value that worked last", got)
	}
	if n, e := h.newest(audit.PredecessorUsed); n != 1 || e.Details["reason"] != string(failure.GrantRevoked) || e.Result != audit.OK {
		t.Errorf("%d events of a used predecessor, the newest %+v, want one because of grant_revoked", n, e)
	}
}

func TestRenew_UseOfThePredecessorWithoutSuccessorIsAudited(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.accept("consent-ada", ada)
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	spoiled := h.grant(token.Active).RefreshToken.Reveal()
	h.microsoft.renew = func(refreshToken string, _ token.API) error {
		if refreshToken == spoiled {
			return revoked()
		}
		return nil
	}
	var err error
	h.tokens, err = token.New(token.Config{Store: h.store, Microsoft: &withoutSuccessor{fakeMicrosoft: h.microsoft}, Now: h.now})
	h.must(err)
	_, err = h.tokens.Renew(t.Context(), tenantID, owner)
	h.checkFailure("Renew", err, failure.NoSuccessor)
	if n, e := h.newest(audit.PredecessorUsed); n != 1 || e.Details["reason"] != string(failure.GrantRevoked) {
		t.Errorf("%d events of a used predecessor, the newest %+v, want one because of grant_revoked", n, e)
	}
}

func TestStoreActive_DropsWhatBelongsToTheConsentBefore(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.accept("consent-ada", ada)
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	h.grant(token.Predecessor)
	replica := h.service()
	for _, s := range []*token.Service{h.tokens, replica} {
		r, err := tenant.Resolve(t.Context(), h.store, tenantID)
		h.must(err)
		_, err = s.Lend(t.Context(), r, token.LoanRequest{API: token.Graph}, borrower)
		h.must(err)
	}
	h.accept("consent-bob", bob)
	h.must(h.activate(token.Unconfirmed, "consent-bob"))
	if _, err := h.store.Grant(t.Context(), tenantID, token.Predecessor); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("Grant(predecessor) = %v, want none", err)
	}
	for name, s := range map[string]*token.Service{"this replica": h.tokens, "another replica": replica} {
		asked := len(h.microsoft.presented())
		r, err := tenant.Resolve(t.Context(), h.store, tenantID)
		h.must(err)
		_, err = s.Lend(t.Context(), r, token.LoanRequest{API: token.Graph}, borrower)
		h.must(err)
		if len(h.microsoft.presented()) == asked {
			t.Errorf("%s issued the access token of the person before", name)
		}
	}
}

func TestAccept_AnotherPersonWaitsForConfirmation(t *testing.T) {
	unknown := token.Person{Username: "ada@partner.example"}
	for name, tc := range map[string]struct {
		before, after token.Person
		waits         bool
	}{
		"the same person":                   {ada, ada, false},
		"the same person under a new name":  {ada, token.Person{ObjectID: "OID-1", Username: "ada.new@partner.example"}, false},
		"another person":                    {ada, bob, true},
		"another person with the same name": {ada, token.Person{ObjectID: "oid-2", Username: ada.Username, Name: ada.Name}, true},
		"unknown before":                    {unknown, ada, true},
		"unknown now":                       {ada, unknown, true},
		"unknown both times":                {unknown, unknown, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, openStore(t))
			if h.accept("consent-1", tc.before) {
				t.Fatal("the first consent waits for confirmation")
			}
			before := h.status()
			if waits := h.accept("consent-2", tc.after); waits != tc.waits {
				t.Fatalf("Accept() waits: %t, want %t", waits, tc.waits)
			}
			st := h.status()
			if !tc.waits {
				h.checkActive(tc.after)
				if st.Unconfirmed != nil {
					t.Errorf("Status().Unconfirmed = %+v, want none", st.Unconfirmed)
				}
				return
			}
			h.checkActive(tc.before)
			h.checkState(token.StateActive, "")
			if st.ConsentedBy != before.ConsentedBy || !st.ExpiresAt.Equal(before.ExpiresAt) {
				t.Errorf("Status() = %+v, want that of the old grant", st)
			}
			w := st.Unconfirmed
			if w == nil || w.ConsentID != "consent-2" || w.ConsentedBy != tc.after || w.Replaces == nil || *w.Replaces != tc.before ||
				w.Procedure != token.Automatic || !w.ExpiresAt.Equal(h.now().Add(day)) {
				t.Fatalf("Status().Unconfirmed = %+v", w)
			}
			h.must(h.activate(token.Unconfirmed, "consent-2"))
			h.checkActive(tc.after)
			if st := h.status(); st.Unconfirmed != nil || st.State != token.StateActive {
				t.Errorf("Status() after confirmation = %s, %+v", st.State, st.Unconfirmed)
			}
		})
	}
}

func TestAccept_WithoutConfirmation(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.accept("consent-ada", ada)
	var err error
	h.tokens, err = token.New(token.Config{Store: h.store, Microsoft: h.microsoft, Now: h.now, AcceptAnotherAccount: true})
	h.must(err)
	if h.accept("consent-bob", bob) {
		t.Error("Accept() waits although acceptAnotherAccount is set")
	}
	h.checkActive(bob)
	g := h.consentOf("consent-manual", ada, token.Manual)
	h.must(h.store.Transact(t.Context(), func(ctx context.Context) error { return h.tokens.StorePending(ctx, g) }))
	if p := h.status().Pending; p == nil || p.Replaces != nil {
		t.Errorf("Status().Pending = %+v, want one that replaces nobody who has to be confirmed", p)
	}
}

func TestActivate_AfterTheOldGrantWasRenewedMeanwhile(t *testing.T) {
	for _, slot := range []token.Slot{token.Pending, token.Unconfirmed} {
		t.Run(string(slot), func(t *testing.T) {
			h := newHarness(t, openStore(t))
			h.accept("consent-ada", ada)
			h.advance(10*day - time.Hour)
			g := h.consentOf("consent-bob", bob, token.Manual)
			h.must(h.store.Transact(t.Context(), func(ctx context.Context) error {
				if slot == token.Pending {
					return h.tokens.StorePending(ctx, g)
				}
				_, err := h.tokens.Accept(ctx, g)
				return err
			}))
			h.advance(12 * time.Hour)
			h.must(h.tokens.Sweep(t.Context()))
			if renewed := h.grant(token.Active); renewed.ConsentedBy != ada || !renewed.IssuedAt.Equal(h.now()) {
				t.Fatalf("the grant of %s was issued at %s, want a renewal of Ada's now", renewed.ConsentedBy.Username, renewed.IssuedAt)
			}
			h.must(h.activate(slot, "consent-bob"))
			h.checkActive(bob)
			if got := h.grant(token.Active).IssuedAt; !got.Equal(g.IssuedAt) {
				t.Errorf("the active grant was issued at %s, want %s, when Bob's was", got, g.IssuedAt)
			}
			h.checkState(token.StateActive, "")
		})
	}
}

func TestActivate_OnlyTheConsentThatWaits(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.accept("consent-ada", ada)
	h.checkFailure("Activate without a grant that waits", h.activate(token.Unconfirmed, "consent-bob"), failure.ConsentReplaced)
	h.accept("consent-bob", bob)
	h.accept("consent-carl", token.Person{ObjectID: "oid-3", Username: "carl@partner.example"})
	h.checkFailure("Activate of the replaced consent", h.activate(token.Unconfirmed, "consent-bob"), failure.ConsentReplaced)
	h.checkFailure("Activate in the other slot", h.activate(token.Pending, "consent-carl"), failure.NothingToClaim)
	h.checkActive(ada)
	_, err := h.tokens.Forget(t.Context(), tenantID, owner)
	h.must(err)
	h.checkFailure("Activate after Forget", h.activate(token.Unconfirmed, "consent-carl"), failure.ConsentReplaced)
	h.checkNothingStored()
}

func TestPurge_DeletesUnclaimedGrants(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.accept("consent-ada", ada)
	manual := h.consentOf("consent-manual", ada, token.Manual)
	h.must(h.store.Transact(t.Context(), func(ctx context.Context) error { return h.tokens.StorePending(ctx, manual) }))
	h.accept("consent-bob", bob)
	h.must(h.tokens.Purge(t.Context()))
	h.grant(token.Pending)
	h.grant(token.Unconfirmed)
	h.advance(day)
	if st := h.status(); st.Pending != nil || st.Unconfirmed != nil {
		t.Errorf("Status() still has %+v and %+v, want neither after their time", st.Pending, st.Unconfirmed)
	}
	h.advance(time.Millisecond)
	for range 2 {
		h.must(h.tokens.Purge(t.Context()))
		h.must(h.service().Purge(t.Context()))
	}
	for _, slot := range []token.Slot{token.Pending, token.Unconfirmed} {
		if _, err := h.store.Grant(t.Context(), tenantID, slot); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("Grant(%s) = %v, want not found", slot, err)
		}
	}
	h.checkActive(ada)
	events, err := h.store.EventsOf(t.Context(), tenantID, []audit.Action{audit.ConsentExpired}, 10)
	h.must(err)
	var who []string
	for _, e := range events {
		who = append(who, e.Details["procedure"]+" "+e.Details["username"])
	}
	slices.Sort(who)
	if got := strings.Join(who, ", "); got != "automatic "+bob.Username+", manual "+ada.Username {
		t.Errorf("events of expired consents: %q", got)
	}
}

// A foreign answer is refused in every redemption, and nothing of it is stored.
func TestRedemption_OfAnotherAccountIsRefused(t *testing.T) {
	own := token.Subject{DirectoryID: directoryID, ObjectID: "oid-1"}
	for name, tc := range map[string]struct {
		subject token.Subject
		refused bool
		account token.Answer
	}{
		"the same account":            {own, false, token.Yes},
		"in other letters":            {token.Subject{DirectoryID: strings.ToUpper(directoryID), ObjectID: "OID-1"}, false, token.Yes},
		"unreadable":                  {token.Subject{}, false, token.Unknown},
		"without oid":                 {token.Subject{DirectoryID: directoryID}, false, token.Unknown},
		"without tid":                 {token.Subject{ObjectID: "oid-1"}, false, token.Unknown},
		"another account":             {token.Subject{DirectoryID: directoryID, ObjectID: "oid-2"}, true, ""},
		"another account without tid": {token.Subject{ObjectID: "oid-2"}, true, ""},
		"another directory":           {token.Subject{DirectoryID: otherID, ObjectID: "oid-1"}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			h := newHarness(t, openStore(t))
			var err error
			h.tokens, err = token.New(token.Config{Store: h.store, Microsoft: h.microsoft, Now: h.now, Log: slog.New(slog.NewTextHandler(&log, nil))})
			h.must(err)
			h.accept("consent-ada", ada)
			before := h.grant(token.Active)
			h.microsoft.subject = func(token.API) token.Subject { return tc.subject }
			h.advance(day)

			_, err = h.lend(t.Context(), tenantID, token.Graph, borrower)
			if !tc.refused {
				h.must(err)
				if _, lent := h.newest(audit.TokenLent); (lent.Details["account"] == "unknown") != (tc.account == token.Unknown) {
					t.Errorf("the event of the lending has the details %v, want the account to be %s", lent.Details, tc.account)
				}
				_, err = h.tokens.Renew(t.Context(), tenantID, owner)
				h.must(err)
				if got := h.grant(token.Active).Checks.Account; got != tc.account {
					t.Errorf("Checks.Account = %q, want %q", got, tc.account)
				}
				return
			}
			h.checkFailure("Lend", err, failure.AccountMismatch)
			_, err = h.tokens.Renew(t.Context(), tenantID, owner)
			h.checkFailure("Renew", err, failure.AccountMismatch)
			h.checkState(token.StateActionRequired, failure.AccountMismatch)
			after := h.grant(token.Active)
			if after.RefreshToken != before.RefreshToken || after.Version != before.Version {
				t.Error("the grant changed, want nothing stored")
			}
			actions := h.actions()
			for _, want := range []string{"token.lending_refused account_mismatch", "grant.renewal_failed account_mismatch"} {
				if !slices.Contains(actions, want) {
					t.Errorf("events = %q, want %q among them", actions, want)
				}
			}
			if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "another account or directory") {
				t.Errorf("the log has no error about it: %s", log.String())
			}
		})
	}
}

func TestExchange_AnAnswerForAnotherAccountIsRefused(t *testing.T) {
	for name, foreign := range map[string]token.API{"of the code": token.PartnerCenter, "for Graph": token.Graph, "for ARM": token.ARM} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, openStore(t))
			h.microsoft.subject = func(api token.API) token.Subject {
				if api == foreign {
					return token.Subject{DirectoryID: directoryID, ObjectID: "oid-2"}
				}
				return token.Subject{}
			}
			_, err := h.exchange()
			h.checkFailure("Exchange", err, failure.AccountMismatch)
			h.checkNothingStored()
		})
	}
}

func TestCheck_AnAnswerForAnotherAccountIsRecorded(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.accept("consent-ada", ada)
	h.microsoft.subject = func(api token.API) token.Subject {
		if api == token.Graph {
			return token.Subject{DirectoryID: directoryID, ObjectID: "oid-2"}
		}
		return token.Subject{DirectoryID: directoryID, ObjectID: "oid-1"}
	}
	h.advance(day)
	_, err := h.tokens.Check(t.Context(), tenantID, owner)
	h.must(err)
	probe := h.status().Checks.APIs[token.Graph]
	if probe.Works != token.No || !probe.Failure.Is(failure.AccountMismatch) {
		t.Errorf("the probe of Graph = %+v, want no because of account_mismatch", probe)
	}
	if actions := h.actions(); !slices.Contains(actions, "grant.checked account_mismatch") {
		t.Errorf("events = %q, want the mismatch among them", actions)
	}
}
