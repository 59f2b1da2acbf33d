package token_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/token"
)

func TestLendingIsRefused(t *testing.T) {
	w := newWorld(t, openStore(t))
	_, err := w.lend(t.Context(), tenantID, token.Graph, borrower)
	w.checkFailure("Lend without a grant", err, failure.GrantAbsent)
	w.consent(tenantID)
	for name, tc := range map[string]struct {
		api  token.API
		by   audit.Actor
		want failure.Code
	}{
		"unknown api":         {"sharepoint", borrower, failure.BadRequest},
		"unknown application": {token.Graph, audit.Actor{Kind: audit.Application, ID: otherID}, failure.BorrowerNotAllowed},
		"a user":              {token.Graph, audit.Actor{Kind: audit.User, ID: borrowerID}, failure.BorrowerNotAllowed},
		"nobody":              {token.Graph, audit.Actor{Kind: audit.Application}, failure.BorrowerNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.lend(t.Context(), tenantID, tc.api, tc.by)
			w.checkFailure("Lend", err, tc.want)
		})
	}
	w.advance(91 * day)
	_, err = w.lend(t.Context(), tenantID, token.Graph, borrower)
	w.checkFailure("Lend of an expired grant", err, failure.GrantExpired)
}

func TestAThousandAskersCauseOneRedemption(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	before := len(w.microsoft.presented())
	var askers sync.WaitGroup
	got := make(chan string, 1000)
	for range 1000 {
		askers.Go(func() {
			loan, err := w.lend(context.Background(), tenantID, token.ARM, borrower)
			if err != nil {
				t.Errorf("Lend = %v", err)
				return
			}
			got <- loan.AccessToken.Reveal()
		})
	}
	askers.Wait()
	close(got)
	first := <-got
	for other := range got {
		if other != first {
			t.Fatalf("Lend gave different tokens to askers of the same moment")
		}
	}
	if asked := len(w.microsoft.presented()) - before; asked != 1 {
		t.Errorf("Microsoft was asked %d times, want once", asked)
	}
}

func TestALoanIsCachedUntilShortlyBeforeItsEnd(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	lend := func() token.Loan {
		t.Helper()
		loan, err := w.lend(t.Context(), tenantID, token.Graph, borrower)
		w.must(err)
		return loan
	}
	first := lend()
	w.advance(54 * time.Minute)
	w.must(w.tokens.Purge(t.Context())) // forgets what is over, and nothing else
	if again := lend(); again.AccessToken != first.AccessToken {
		t.Error("Lend six minutes before the end gave another token, want the cached one")
	}
	w.advance(2 * time.Minute)
	if fresh := lend(); fresh.AccessToken == first.AccessToken {
		t.Error("Lend four minutes before the end gave the old token, want a fresh one")
	}
}

func TestALendingKeepsTheRotatedValue(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	before := w.grant(token.Active)
	w.advance(time.Hour)
	_, err := w.lend(t.Context(), tenantID, token.Graph, borrower)
	w.must(err)
	if got := w.grant(token.Active); !got.IssuedAt.Equal(w.now()) || got.RefreshToken == before.RefreshToken {
		t.Errorf("the active grant was issued at %s, want the value that the lending brought", got.IssuedAt)
	}
	if got := w.grant(token.Predecessor); got.RefreshToken != before.RefreshToken {
		t.Error("the value that worked is not kept as predecessor")
	}
}

func TestARefusedLendingIsNotALoopAndMakesTheRenewalDue(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	w.microsoft.renew = func(string, token.API) error { return revoked() }
	before := len(w.microsoft.presented())
	for range 20 {
		_, err := w.lend(t.Context(), tenantID, token.Graph, borrower)
		w.checkFailure("Lend", err, failure.GrantRevoked)
	}
	if asked := len(w.microsoft.presented()) - before; asked != 1 {
		t.Errorf("Microsoft was asked %d times, want once", asked)
	}
	w.must(w.tokens.Sweep(t.Context()))
	w.checkState(token.StateActionRequired, failure.GrantRevoked)
}

func TestForgettingEndsTheLoans(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	_, err := w.lend(t.Context(), tenantID, token.Graph, borrower)
	w.must(err)
	// Another replica forgets; this one still has the token in its memory.
	_, err = w.service().Forget(t.Context(), tenantID, owner)
	w.must(err)
	_, err = w.lend(t.Context(), tenantID, token.Graph, borrower)
	w.checkFailure("Lend", err, failure.GrantAbsent)
}

func TestEveryLendingIsWrittenDownWithoutTheToken(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	loan, err := w.lend(t.Context(), tenantID, token.Graph, borrower)
	w.must(err)
	events, err := w.tokens.History(t.Context(), tenantID, time.Time{}, 10)
	w.must(err)
	if len(events) == 0 || events[0].Action != audit.TokenLent || events[0].Actor.ID != borrowerID || events[0].Details["api"] != "graph" {
		t.Fatalf("History = %+v, want the lending first", events)
	}
	for _, detail := range events[0].Details {
		if strings.Contains(detail, loan.AccessToken.Reveal()) {
			t.Errorf("the event holds the token: %+v", events[0].Details)
		}
	}
}
