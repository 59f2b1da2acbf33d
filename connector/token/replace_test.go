package token_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// replace asks for another access token than one that was refused.
func (h *harness) replace(request token.LoanRequest, refused secret.Text) (token.Loan, bool, error) {
	h.Helper()
	r, err := tenant.Resolve(h.Context(), h.store, tenantID)
	h.must(err)
	return h.tokens.Replace(h.Context(), r, request, refused, borrower)
}

// TestReplace_OnceInFiveMinutes redeems for another access token when an api refuses one, but not again and again, and has the
// grant renewed, whose probes show what is wrong.
func TestReplace_OnceInFiveMinutes(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	request := token.LoanRequest{API: token.Graph}
	first, err := h.lendFor(t.Context(), tenantID, request, borrower)
	h.must(err)
	second, ok, err := h.replace(request, first.AccessToken)
	if err != nil || !ok || second.AccessToken == first.AccessToken {
		t.Fatalf("Replace() = %v, %v, want another access token", ok, err)
	}
	if again, ok, err := h.replace(request, first.AccessToken); err != nil || !ok || again.AccessToken != second.AccessToken {
		t.Errorf("Replace() of the same one = %v, %v, want the one that replaced it", ok, err)
	}
	if lent, err := h.lendFor(t.Context(), tenantID, request, borrower); err != nil || lent.AccessToken != second.AccessToken {
		t.Errorf("Lend() = %v, want the one that replaced it", err)
	}
	if due := h.status().NextRenewalAt; !due.After(h.now()) {
		t.Errorf("the renewal is due at %s, want later", due)
	}
	redeemed := len(h.microsoft.presented())
	for range 3 {
		if _, ok, err := h.replace(request, second.AccessToken); err != nil || ok {
			t.Errorf("Replace() of the replacement = %v, %v, want none", ok, err)
		}
	}
	if n := len(h.microsoft.presented()); n != redeemed {
		t.Errorf("%d redemptions for it, want none", n-redeemed)
	}
	if due := h.status().NextRenewalAt; due.After(h.now()) {
		t.Errorf("the renewal is due at %s, want now", due)
	}
	h.advance(5 * time.Minute)
	if third, ok, err := h.replace(request, second.AccessToken); err != nil || !ok || third.AccessToken == second.AccessToken {
		t.Errorf("Replace() five minutes later = %v, %v, want another one", ok, err)
	}
}

// TestReplace_ForEachTenantDirectoryAndAPI replaces an access token that was refused although others, which differ from it in the
// tenant, the directory or the api, were replaced a moment ago and are not replaced again.
func TestReplace_ForEachTenantDirectoryAndAPI(t *testing.T) {
	h := readyForCustomers(t)
	const secondTenant = "88888888-bbbb-4bbb-8bbb-888888888888"
	h.addTenant(secondTenant, otherID)
	h.microsoft.identity = func() (token.Identity, error) { return token.Identity{DirectoryID: otherID, Person: person}, nil }
	h.microsoft.claims = func() token.AccessTokenClaims { return token.AccessTokenClaims{} } // of tenants in two directories
	h.consent(secondTenant)

	type lending struct {
		tenantID string
		request  token.LoanRequest
	}
	var all []lending
	for _, id := range []string{tenantID, secondTenant} {
		for _, directory := range []string{"", customerID, outsideID} {
			for _, api := range []token.API{token.Graph, token.ARM} {
				all = append(all, lending{id, token.LoanRequest{API: api, Directory: directory}})
			}
		}
	}
	replace := func(l lending, refused secret.Text) (token.Loan, bool) {
		t.Helper()
		r, err := tenant.Resolve(t.Context(), h.store, l.tenantID)
		h.must(err)
		loan, ok, err := h.tokens.Replace(t.Context(), r, l.request, refused, borrower)
		h.must(err)
		return loan, ok
	}
	var replacements []secret.Text
	for _, l := range all {
		first, err := h.lendFor(t.Context(), l.tenantID, l.request, borrower)
		h.must(err)
		second, ok := replace(l, first.AccessToken)
		if !ok || second.AccessToken == first.AccessToken {
			t.Errorf("Replace(%+v) after %d others = %v, want another access token", l, len(replacements), ok)
		}
		replacements = append(replacements, second.AccessToken)
	}
	for i, l := range all {
		if _, ok := replace(l, replacements[i]); ok {
			t.Errorf("Replace(%+v) of the replacement = true, want none", l)
		}
	}
}

// TestReplace_Refusals refuses what Lend refuses, and keeps trouble in a customer directory there.
func TestReplace_Refusals(t *testing.T) {
	h := newHarness(t, openStore(t))
	_, _, err := h.replace(token.LoanRequest{API: token.Graph}, secret.New("x"))
	h.checkFailure("Replace without a grant", err, failure.GrantAbsent)
	h.consent(tenantID)
	_, _, err = h.replace(token.LoanRequest{API: token.Graph, Borrower: &tenant.Borrower{}}, secret.New("x"))
	h.checkFailure("Replace for somebody who may borrow nothing", err, failure.BorrowerNotAllowed)

	in, err := h.store.Instance(t.Context(), instanceKey)
	h.must(err)
	in.Settings.CustomerDirectories = tenant.AnyCustomers
	h.must(h.store.SaveInstance(t.Context(), &in))
	request := token.LoanRequest{API: token.ARM, Directory: "66666666-ffff-4fff-8fff-666666666666", Borrower: &tenant.Borrower{APIs: []string{"arm"}, Directories: []string{tenant.CustomerDirectories}}}
	first, err := h.lendFor(t.Context(), tenantID, request, borrower)
	h.must(err)
	second, ok, err := h.replace(request, first.AccessToken)
	if err != nil || !ok {
		t.Fatalf("Replace() = %v, %v, want another access token", ok, err)
	}
	if _, ok, err := h.replace(request, second.AccessToken); err != nil || ok {
		t.Errorf("Replace() of the replacement = %v, %v, want none", ok, err)
	}
	if due := h.status().NextRenewalAt; !due.After(h.now()) {
		t.Errorf("the renewal is due at %s, want later: a customer's api says nothing about the grant", due)
	}
}

// TestLend_CountsRepeatedRefusals lends from a refresh token that was revoked: the first refusal of each borrower is an event at once,
// the others within a minute are one.
func TestLend_CountsRepeatedRefusals(t *testing.T) {
	h := newHarness(t, openStore(t))
	refusals := audit.NewTally(h.store, h.now)
	service, err := token.New(token.Config{Store: h.store, Microsoft: h.microsoft, Now: h.now, Refusals: refusals})
	h.must(err)
	h.tokens = service
	h.consent(tenantID)
	h.microsoft.renew = func(string, token.API) error { return revoked() }
	for range 673 {
		if loan, err := h.lend(t.Context(), tenantID, token.ARM, borrower); err == nil || !loan.AccessToken.Empty() {
			t.Fatalf("Lend() from a revoked refresh token = %v, want a refusal", err)
		}
	}
	another := audit.Actor{Kind: audit.Application, ID: otherID}
	_, err = h.lend(t.Context(), tenantID, token.ARM, another)
	h.checkFailure("Lend() to another application", err, failure.BorrowerNotAllowed)
	if n, _ := h.newest(audit.LendingRefused); n != 2 {
		t.Errorf("%d refusals are recorded at once, want the first one of each borrower", n)
	}
	h.advance(time.Minute)
	h.must(refusals.Flush(t.Context()))
	n, last := h.newest(audit.LendingRefused)
	if n != 3 || last.Details["count"] != "672" || last.Actor.ID != borrowerID {
		t.Errorf("%d refusals are recorded after a minute, the last one of %s for %s, want one more for 672", n, last.Actor.ID, last.Details["count"])
	}
}

// TestLend_PerMinute counts what is lent within a minute, and says what it was for.
func TestLend_PerMinute(t *testing.T) {
	h := newHarness(t, openStore(t))
	uses := token.NewUses(h.store, h.now)
	service, err := token.New(token.Config{Store: h.store, Microsoft: h.microsoft, Now: h.now, Uses: uses})
	h.must(err)
	h.tokens = service
	h.consent(tenantID)
	for _, request := range []token.LoanRequest{
		{API: token.Graph, PerMinute: true},
		{API: token.Graph, PerMinute: true, Call: map[string]string{"method": "GET"}},
		{API: token.Graph, Call: map[string]string{"method": "GET", "path": "/v1.0/me"}},
	} {
		for range 10 {
			_, err := h.lendFor(t.Context(), tenantID, request, borrower)
			h.must(err)
		}
	}
	h.advance(time.Minute)
	h.must(uses.Flush(t.Context()))
	events, err := h.tokens.History(t.Context(), tenantID, time.Time{}, 100)
	h.must(err)
	counts := map[string]int{}
	for _, e := range events {
		if e.Action == audit.TokenLent || e.Action == audit.CallForwarded {
			counts[string(e.Action)+" "+e.Details["count"]+" "+e.Details["count_GET"]+" "+e.Details["path"]]++
		}
	}
	for what, want := range map[string]int{
		"token.lent   ": 1, "token.lent 9  ": 1, "call.forwarded   ": 1, "call.forwarded 9 9 ": 1, "call.forwarded   /v1.0/me": 10,
	} {
		if counts[what] != want {
			t.Errorf("%d events %q, want %d, of %v", counts[what], what, want, counts)
		}
	}
}
