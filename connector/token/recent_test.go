package token_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/recent"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// lendsRecent reports whether a replica lends from memory alone, by what it has read a moment ago.
func (h *harness) lendsRecent(s *token.Service, request token.LoanRequest) bool {
	h.Helper()
	r, err := tenant.Resolve(h.Context(), h.store, tenantID)
	h.must(err)
	loan, ok, err := s.LendCached(h.Context(), r, request, borrower)
	h.must(err)
	if ok == loan.AccessToken.Empty() {
		h.Errorf("LendCached = an empty token: %t, %t", loan.AccessToken.Empty(), ok)
	}
	return ok
}

// readBy has a replica lend twice: what it reads is kept when no successor was stored after that.
func (h *harness) readBy(s *token.Service, request token.LoanRequest) {
	h.Helper()
	r, err := tenant.Resolve(h.Context(), h.store, tenantID)
	h.must(err)
	for range 2 {
		_, err = s.Lend(h.Context(), r, request, borrower)
		h.must(err)
	}
	if !h.lendsRecent(s, request) {
		h.Error("LendCached right after Lend lends nothing")
	}
}

func TestLendCached_ForgetsAfterAMoment(t *testing.T) {
	for after, want := range map[time.Duration]bool{0: true, recent.Life - 1: true, recent.Life: false, -time.Hour: false} {
		h := newHarness(t, openStore(t))
		h.consent(tenantID)
		h.readBy(h.tokens, token.LoanRequest{API: token.Graph})
		h.advance(after)
		if got := h.lendsRecent(h.tokens, token.LoanRequest{API: token.Graph}); got != want {
			t.Errorf("LendCached %s after Lend lends: %t, want %t", after, got, want)
		}
	}
}

// TestLendCached_ForgetsWhatWasChanged changes what decides about a lending, which two replicas have just read.
func TestLendCached_ForgetsWhatWasChanged(t *testing.T) {
	graph := token.LoanRequest{API: token.Graph}
	for name, tc := range map[string]struct {
		change func(h *harness)
		want   failure.Code // of Lend where it was changed, and elsewhere a moment later
		also   bool         // it shows elsewhere at once
	}{
		"the grant is deleted": {
			change: func(h *harness) {
				_, err := h.tokens.Forget(h.Context(), tenantID, borrower)
				h.must(err)
			},
			want: failure.GrantAbsent,
		},
		"a renewal fails": {
			change: func(h *harness) {
				h.microsoft.renew = func(string, token.API) error { return failure.New(failure.SignInRequired) }
				_, err := h.tokens.Renew(h.Context(), tenantID, borrower)
				h.checkFailure("Renew", err, failure.SignInRequired)
			},
			want: failure.SignInRequired,
		},
		"the tenant is suspended": {
			change: func(h *harness) {
				held, err := h.store.Tenant(h.Context(), tenantID)
				h.must(err)
				held.SuspendedAt = h.now()
				h.must(h.store.SaveTenant(h.Context(), &held))
			},
			want: failure.Suspended, also: true, // by the tenant that the caller resolves
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, openStore(t))
			h.consent(tenantID)
			other := h.service()
			h.readBy(h.tokens, graph)
			h.readBy(other, graph)
			tc.change(h)
			if h.lendsRecent(h.tokens, graph) {
				t.Error("LendCached where it was changed still lends")
			}
			if got := h.lendsRecent(other, graph); got == tc.also {
				t.Errorf("LendCached elsewhere lends: %t, want %t", got, !tc.also)
			}
			h.advance(recent.Life)
			if h.lendsRecent(other, graph) {
				t.Error("LendCached elsewhere still lends a moment later")
			}
			for _, s := range []*token.Service{h.tokens, other} {
				r, err := tenant.Resolve(t.Context(), h.store, tenantID)
				h.must(err)
				_, err = s.Lend(t.Context(), r, graph, borrower)
				h.checkFailure("Lend", err, tc.want)
			}
		})
	}
}

// TestLend_DecidesRefusalsByWhatIsStored consents by another replica right after a refusal.
func TestLend_DecidesRefusalsByWhatIsStored(t *testing.T) {
	h := newHarness(t, openStore(t))
	_, err := h.lend(t.Context(), tenantID, token.Graph, borrower)
	h.checkFailure("Lend without a grant", err, failure.GrantAbsent)
	here := h.tokens
	h.tokens = h.service()
	h.consent(tenantID)
	h.readBy(here, token.LoanRequest{API: token.Graph})
}

// TestLendCached_ForACustomer asks memory for customer directories, by all that may have to be asked of Microsoft first.
func TestLendCached_ForACustomer(t *testing.T) {
	h, r := listed(t)
	arm := token.LoanRequest{API: token.ARM, Directory: customerID}
	h.readBy(h.tokens, arm)
	for name, request := range map[string]token.LoanRequest{
		"another api":                  {API: token.Graph, Directory: customerID},
		"a directory that is not kept": {API: token.ARM, Directory: otherID},
		"a domain":                     {API: token.ARM, Directory: "customer.example"},
		"what is no directory":         {API: token.ARM, Directory: "customer example"},
	} {
		if h.lendsRecent(h.tokens, request) {
			t.Errorf("LendCached for %s lends, want nothing", name)
		}
	}
	for name, setting := range map[string]string{"none": tenant.NoCustomers, "another borrower's": tenant.ListedCustomers} {
		h.allow(setting, tenant.PartnerDirectory)
		if h.lendsRecent(h.tokens, arm) {
			t.Errorf("LendCached for a customer where %s are allowed lends, want nothing", name)
		}
	}
	h.allow(tenant.ListedCustomers, tenant.CustomerDirectories)
	if !h.lendsRecent(h.tokens, arm) {
		t.Error("LendCached for a customer that is allowed again lends nothing")
	}
	// A list that is to be read again is left to Lend.
	h.advance(6 * time.Minute)
	for _, directory := range []string{customerID, otherID} {
		_, ok, err := h.lendCached(t.Context(), tenantID, token.LoanRequest{API: token.ARM, Directory: directory}, borrower)
		h.must(err)
		if want := directory == customerID; ok != want || r.read != 1 {
			t.Errorf("LendCached for %s lends: %t, want %t, with %d readings of the customers, want 1", directory, ok, want, r.read)
		}
	}
	r.customers = nil
	_, err := h.lendARM(otherID)
	h.checkFailure("Lend for a directory of no customer", err, failure.CustomerNotListed)
	if _, ok, err := h.lendCached(t.Context(), tenantID, arm, borrower); ok || err != nil {
		t.Errorf("LendCached for a customer that left = _, %t, %v, want nothing", ok, err)
	}
}
