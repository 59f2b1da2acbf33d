package token_test

import (
	"strconv"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// limited is a harness whose service allows some redemptions a minute, and counts the refusals of the limit.
func limited(t *testing.T, most int, refused *int) *harness {
	t.Helper()
	h := readyForCustomers(t)
	limits, err := limit.New(limit.Config{Store: h.store, Now: h.now, Refused: func(name limit.Name) {
		if name != limit.Redemptions {
			t.Errorf("the limit %s refused, want %s", name, limit.Redemptions)
		}
		*refused++
	}})
	h.must(err)
	h.tokens, err = token.New(token.Config{Store: h.store, Microsoft: h.microsoft, Now: h.now, Redemptions: most, Limits: limits})
	h.must(err)
	return h
}

// checkTooMany checks that a request was refused by the limit, with the time to wait.
func (h *harness) checkTooMany(call string, err error, wait time.Duration) {
	h.Helper()
	h.checkFailure(call, err, failure.TooManyRequests)
	if got := failure.From(err).RetryAfter; got != wait {
		h.Errorf("%s asks to wait for %s, want %s", call, got, wait)
	}
}

// TestLend_LimitsRedemptions asks for one customer again and again while Microsoft does not answer.
func TestLend_LimitsRedemptions(t *testing.T) {
	refused := 0
	h := limited(t, 3, &refused)
	h.microsoft.renewFor = func(c tenant.Client, _ token.API) error {
		if c.DirectoryID == customerID {
			return transient()
		}
		return nil
	}
	for range 3 {
		_, err := h.lendARM(customerID)
		h.checkFailure("Lend", err, failure.MicrosoftUnavailable)
	}
	asked := len(h.microsoft.presented())
	for range 4 {
		_, err := h.lendARM(customerID)
		h.checkTooMany("Lend", err, 20*time.Second)
	}
	if got := len(h.microsoft.presented()); got != asked || refused != 4 {
		t.Errorf("Microsoft was asked %d times more and %d refusals were counted, want none and 4", got-asked, refused)
	}
	records, err := h.store.CustomerRecords(t.Context(), tenantID)
	h.must(err)
	if len(records) > 0 {
		t.Errorf("the customer has the last result %q, want none: it was not asked", records[0].LastResult)
	}

	// Another api, another directory and the partner's own have limits of their own.
	_, err = h.lendFor(t.Context(), tenantID, token.LoanRequest{API: token.Graph, Directory: customerID}, borrower)
	h.checkFailure("Lend of another api", err, failure.MicrosoftUnavailable)
	for name, directory := range map[string]string{"another directory": outsideID, "the partner's own": ""} {
		if _, err := h.lendARM(directory); err != nil {
			t.Errorf("Lend for %s = %v, want an access token", name, err)
		}
	}
	h.checkState(token.StateActive, "")

	h.advance(20 * time.Second)
	h.microsoft.renewFor = nil
	for range 10 { // from memory, which is not limited
		_, err := h.lendARM(customerID)
		h.must(err)
	}
	if got := len(h.microsoft.inCustomers()); got != 3+1+1+1 {
		t.Errorf("redeemed %d times in customer directories, want 6 times", got)
	}
}

// TestLend_LimitHoldsForThePartnersDirectory counts redemptions for the own directory of each tenant.
func TestLend_LimitHoldsForThePartnersDirectory(t *testing.T) {
	refused := 0
	h := limited(t, 1, &refused)
	const second = "99999999-0000-4000-8000-999999999999"
	h.addTenant(second, otherID)
	h.microsoft.identity = func() (token.Identity, error) { return token.Identity{DirectoryID: otherID, Person: person}, nil }
	h.microsoft.claims = func() token.AccessTokenClaims {
		return token.AccessTokenClaims{Readable: true, DirectoryID: otherID, ApplicationID: applicationID, MFA: token.Yes}
	}
	h.consent(second)
	h.microsoft.renewFor = func(tenant.Client, token.API) error { return transient() }
	for _, id := range []string{tenantID, second} {
		_, err := h.lend(t.Context(), id, token.ARM, borrower)
		h.checkFailure("Lend", err, failure.MicrosoftUnavailable)
		_, err = h.lend(t.Context(), id, token.ARM, borrower)
		h.checkTooMany("Lend", err, time.Minute)
	}
	// A clock that is set back holds nobody longer than a minute.
	h.advance(-time.Hour)
	_, err := h.lend(t.Context(), tenantID, token.ARM, borrower)
	h.checkTooMany("Lend", err, time.Minute)
	h.advance(time.Minute)
	_, err = h.lend(t.Context(), tenantID, token.ARM, borrower)
	h.checkFailure("Lend a minute later", err, failure.MicrosoftUnavailable)
}

// TestReplace_IsLimited has an access token replaced while Microsoft issues no other.
func TestReplace_IsLimited(t *testing.T) {
	refused := 0
	h := limited(t, 2, &refused)
	loan, err := h.lendARM(customerID)
	h.must(err)
	request := token.LoanRequest{API: token.ARM, Directory: customerID}
	h.microsoft.renewFor = func(tenant.Client, token.API) error { return transient() }
	_, _, err = h.replace(request, loan.AccessToken)
	h.checkFailure("Replace", err, failure.MicrosoftUnavailable)
	_, _, err = h.replace(request, loan.AccessToken)
	h.checkTooMany("Replace", err, 30*time.Second)
}

// TestLend_LimitLetsManyCustomersBegin requests an access token for each of many customers at one moment.
func TestLend_LimitLetsManyCustomersBegin(t *testing.T) {
	refused := 0
	h := limited(t, 1, &refused)
	for i := range 60 {
		if _, err := h.lendARM("88888888-0000-4000-8000-0000000000" + strconv.Itoa(10+i)); err != nil {
			t.Fatalf("Lend for customer %d = %v, want an access token", i, err)
		}
	}
	if refused > 0 {
		t.Errorf("%d redemptions were refused, want none", refused)
	}
}

func TestBudgets_AreBounded(t *testing.T) {
	b, err := token.NewBudgets(1, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	take := func(key string, want time.Duration) {
		t.Helper()
		if got := token.TakeBudget(b, key, now); got != want {
			t.Errorf("take(%q) = %s, want %s", key, got, want)
		}
	}
	take("a", 0)
	take("b", 0)
	take("b", time.Minute)
	take("a", time.Minute)
	take("c", 0) // evicts b, which was used before a
	take("a", time.Minute)
	take("b", 0)
}
