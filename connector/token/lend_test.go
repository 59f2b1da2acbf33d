package token_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestLend_Refusals(t *testing.T) {
	h := newHarness(t, openStore(t))
	_, err := h.lend(t.Context(), tenantID, token.Graph, borrower)
	h.checkFailure("Lend without a grant", err, failure.GrantAbsent)
	h.consent(tenantID)
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
			_, err := h.lend(t.Context(), tenantID, tc.api, tc.by)
			h.checkFailure("Lend", err, tc.want)
		})
	}
	h.advance(91 * day)
	_, err = h.lend(t.Context(), tenantID, token.Graph, borrower)
	h.checkFailure("Lend of an expired grant", err, failure.GrantExpired)
}

// TestLend_APIsAndDirectoriesOfTheBorrower gives the borrower other entries.
func TestLend_APIsAndDirectoriesOfTheBorrower(t *testing.T) {
	const another = "33333333-0000-4000-8000-000000000003"
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	for name, tc := range map[string]struct {
		apis, directories []string
		allowed           []token.API
	}{
		"one api":                 {[]string{"graph"}, []string{tenant.PartnerDirectory}, []token.API{token.Graph}},
		"the partner's by its id": {[]string{"graph", "arm"}, []string{another, directoryID}, []token.API{token.Graph, token.ARM}},
		"another directory only":  {[]string{"partnercenter", "graph", "arm"}, []string{another}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			in, err := h.store.Instance(t.Context(), instanceKey)
			h.must(err)
			in.Settings.Borrowers = []tenant.Borrower{{ID: borrowerID, APIs: tc.apis, Directories: tc.directories}}
			h.must(h.store.SaveInstance(t.Context(), &in))
			for _, api := range token.APIs() {
				_, err := h.lend(t.Context(), tenantID, api, borrower)
				if !slices.Contains(tc.allowed, api) {
					h.checkFailure("Lend of "+string(api), err, failure.BorrowerNotAllowed)
				} else if err != nil {
					t.Errorf("Lend of %s = %v, want a token", api, err)
				}
			}
		})
	}
}

func TestLend_ConcurrentCallersShareOneRedemption(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	before := len(h.microsoft.presented())
	var callers sync.WaitGroup
	got := make(chan string, 1000)
	for range 1000 {
		callers.Go(func() {
			loan, err := h.lend(context.Background(), tenantID, token.ARM, borrower)
			if err != nil {
				t.Errorf("Lend = %v", err)
				return
			}
			got <- loan.AccessToken.Reveal()
		})
	}
	callers.Wait()
	close(got)
	first := <-got
	for other := range got {
		if other != first {
			t.Fatalf("Lend returned different tokens to concurrent callers")
		}
	}
	if asked := len(h.microsoft.presented()) - before; asked != 1 {
		t.Errorf("Microsoft was asked %d times, want once", asked)
	}
}

// TestLend_RedeemsForWhatIsStoredNow lends to a caller that read the tenant before it was suspended.
func TestLend_RedeemsForWhatIsStoredNow(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	read, err := tenant.Resolve(t.Context(), h.store, tenantID)
	h.must(err)
	suspended := read.Tenant
	suspended.SuspendedAt = h.now()
	h.must(h.store.SaveTenant(t.Context(), &suspended))
	before := len(h.microsoft.presented())
	_, err = h.tokens.Lend(t.Context(), read, token.LoanRequest{API: token.Graph}, borrower)
	h.checkFailure("Lend", err, failure.Suspended)
	if asked := len(h.microsoft.presented()) - before; asked != 0 {
		t.Errorf("Microsoft was asked %d times, want never", asked)
	}
}

func TestLend_CachesUntilShortlyBeforeExpiry(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	lend := func() token.Loan {
		t.Helper()
		loan, err := h.lend(t.Context(), tenantID, token.Graph, borrower)
		h.must(err)
		return loan
	}
	first := lend()
	h.advance(54 * time.Minute)
	h.must(h.tokens.Purge(t.Context())) // removes expired entries only
	if again := lend(); again.AccessToken != first.AccessToken {
		t.Error("Lend six minutes before expiry returned another token, want the cached one")
	}
	h.advance(2 * time.Minute)
	if fresh := lend(); fresh.AccessToken == first.AccessToken {
		t.Error("Lend four minutes before expiry returned the old token, want a new one")
	}
}

// TestLend_CachesForTheLifeThatIsLeft: the process, or the whole machine, was suspended after Microsoft had answered.
func TestLend_CachesForTheLifeThatIsLeft(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.microsoft.answer = func(*token.Redemption) { h.advance(day) }
	late, err := h.lend(t.Context(), tenantID, token.Graph, borrower)
	h.must(err)
	h.microsoft.answer = nil
	fresh, err := h.lend(t.Context(), tenantID, token.Graph, borrower)
	h.must(err)
	if fresh.AccessToken == late.AccessToken {
		t.Error("Lend after the end of an access token returned it again, want a new one")
	}
}

func TestLend_StoresTheRotatedValue(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	before := h.grant(token.Active)
	h.advance(time.Hour)
	_, err := h.lend(t.Context(), tenantID, token.Graph, borrower)
	h.must(err)
	if got := h.grant(token.Active); !got.IssuedAt.Equal(h.now()) || got.RefreshToken == before.RefreshToken {
		t.Errorf("the active grant was issued at %s, want the successor that the redemption returned", got.IssuedAt)
	}
	if got := h.grant(token.Predecessor); got.RefreshToken != before.RefreshToken {
		t.Error("the predecessor is not the value that worked")
	}
}

func TestLend_CachesARefusalAndMakesTheRenewalDue(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.microsoft.renew = func(string, token.API) error { return revoked() }
	before := len(h.microsoft.presented())
	for range 20 {
		_, err := h.lend(t.Context(), tenantID, token.Graph, borrower)
		h.checkFailure("Lend", err, failure.GrantRevoked)
	}
	if asked := len(h.microsoft.presented()) - before; asked != 1 {
		t.Errorf("Microsoft was asked %d times, want once", asked)
	}
	h.must(h.tokens.Sweep(t.Context()))
	h.checkState(token.StateActionRequired, failure.GrantRevoked)
}

func TestForget_EndsLending(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	_, err := h.lend(t.Context(), tenantID, token.Graph, borrower)
	h.must(err)
	// Another replica deletes the grant; this one still has the access token in its cache.
	_, err = h.service().Forget(t.Context(), tenantID, owner)
	h.must(err)
	_, err = h.lend(t.Context(), tenantID, token.Graph, borrower)
	h.checkFailure("Lend", err, failure.GrantAbsent)
}

func TestLend_StoresAnEventWithoutTheToken(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	loan, err := h.lend(t.Context(), tenantID, token.Graph, borrower)
	h.must(err)
	events, err := h.tokens.History(t.Context(), tenantID, time.Time{}, 10)
	h.must(err)
	if len(events) == 0 || events[0].Action != audit.TokenLent || events[0].Actor.ID != borrowerID || events[0].Details["api"] != "graph" {
		t.Fatalf("History = %+v, want the lending first", events)
	}
	for _, detail := range events[0].Details {
		if strings.Contains(detail, loan.AccessToken.Reveal()) {
			t.Errorf("the event contains the token: %+v", events[0].Details)
		}
	}
}

// TestLendCached_LendsWhatWasLent lends what Lend has put into memory, with an event each, and nothing else.
func TestLendCached_LendsWhatWasLent(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	graph := token.LoanRequest{API: token.Graph}
	if _, ok, err := h.lendCached(t.Context(), tenantID, graph, borrower); ok || err != nil {
		t.Errorf("LendCached of what was never lent = _, %t, %v, want nothing", ok, err)
	}
	want, err := h.lend(t.Context(), tenantID, token.Graph, borrower)
	h.must(err)
	got, ok, err := h.lendCached(t.Context(), tenantID, graph, borrower)
	if !ok || err != nil || got.AccessToken != want.AccessToken || !got.ExpiresAt.Equal(want.ExpiresAt) || got.DirectoryID != want.DirectoryID {
		t.Errorf("LendCached = another token, %t, %v, want the one that Lend returned", ok, err)
	}
	lent := func() (n int) {
		t.Helper()
		events, err := h.tokens.History(t.Context(), tenantID, time.Time{}, 10)
		h.must(err)
		for _, e := range events {
			if e.Action == audit.TokenLent && e.Details["api"] == "graph" && e.Actor.ID == borrowerID {
				n++
			}
		}
		return n
	}
	if n := lent(); n != 2 {
		t.Errorf("%d lendings are recorded, want 2", n)
	}
	if _, ok, err := h.tokens.LendCached(t.Context(), tenant.Resolved{}, graph, borrower); ok || err != nil {
		t.Errorf("LendCached without a snapshot, of another tenant = _, %t, %v, want nothing", ok, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if loan, _, err := h.lendCached(ended, tenantID, graph, borrower); err == nil || !loan.AccessToken.Empty() {
		t.Errorf("LendCached for a caller that has left = %v, want an error and no token: its event may not be stored", err)
	}
	h.advance(time.Hour)
	if _, ok, err := h.lendCached(t.Context(), tenantID, graph, borrower); ok || err != nil {
		t.Errorf("LendCached of a token that expires soon = _, %t, %v, want nothing", ok, err)
	}
	if n := lent(); n != 2 {
		t.Errorf("%d lendings are recorded, want 2", n)
	}
}

func TestLoanCache_IsBounded(t *testing.T) {
	for n, want := range map[int]int{2: 2, 3: 3, 10: 3} {
		if got, err := token.CacheLoans(3, n, time.Now()); err != nil || got != want {
			t.Errorf("a cache for 3 loans has %d of %d, %v, want %d", got, n, err, want)
		}
	}
}
