package token_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A roster is what Microsoft says of the partner's customers.
type roster struct {
	customers     []token.Customer
	relationships []token.Relationship
	err, graphErr error
	read          int
}

func listed(t *testing.T) (*harness, *roster) {
	h := readyForCustomers(t)
	h.allow(tenant.ListedCustomers, tenant.PartnerDirectory, tenant.CustomerDirectories)
	r := &roster{customers: []token.Customer{{DirectoryID: customerID}}}
	h.microsoft.customers = func() ([]token.Customer, error) { r.read++; return r.customers, r.err }
	h.microsoft.relationships = func() ([]token.Relationship, error) { return r.relationships, r.graphErr }
	return h, r
}

func TestLend_ListedCustomersOnly(t *testing.T) {
	h, r := listed(t)
	r.relationships = []token.Relationship{
		{DirectoryID: otherID, Active: true, Status: "active"}, {DirectoryID: outsideID, Status: "terminated"},
	}
	for _, directory := range []string{customerID, otherID} {
		if _, err := h.lendARM(directory); err != nil {
			t.Errorf("Lend for the customer %s = %v, want a token", directory, err)
		}
	}
	_, err := h.lendARM(outsideID)
	h.checkFailure("Lend for a customer whose relationship ended", err, failure.CustomerNotListed)
	if r.read != 1 {
		t.Errorf("the customers were read %d times, want once", r.read)
	}
	// A new customer is found once the list may be read again.
	r.customers = append(r.customers, token.Customer{DirectoryID: outsideID})
	h.advance(6 * time.Minute)
	if _, err := h.lendARM(outsideID); err != nil {
		t.Errorf("Lend for a new customer = %v, want a token", err)
	}
	// A customer that left is refused within the hour, although its access token is in the cache.
	r.customers, r.relationships = nil, nil
	h.advance(time.Hour)
	_, err = h.lendARM(customerID)
	h.checkFailure("Lend for a customer that left", err, failure.CustomerNotListed)
	h.checkState(token.StateActive, "")
}

func TestLend_CustomersUnknown(t *testing.T) {
	h, r := listed(t)
	r.err, r.graphErr = transient(), failure.New(failure.APIRefused, "api", "Microsoft Graph")
	for range 5 {
		_, err := h.lendARM(customerID)
		h.checkFailure("Lend without any list", err, failure.CustomersUnknown)
	}
	if r.read != 1 {
		t.Errorf("the customers were read %d times within a moment, want once", r.read)
	}
	// One source is enough for those that it has, and says nothing about others.
	r.err = nil
	h.advance(6 * time.Minute)
	_, err := h.lendARM(customerID)
	h.must(err)
	_, err = h.lendARM(outsideID)
	h.checkFailure("Lend for a directory that half a list lacks", err, failure.CustomersUnknown)
	h.checkState(token.StateActive, "")
}

// TestLend_CustomersOfTheOnlySource reads Partner Center's customers as often when the consent does not cover relationships.
func TestLend_CustomersOfTheOnlySource(t *testing.T) {
	h, r := listed(t)
	r.graphErr = failure.New(failure.APIRefused, "api", "Microsoft Graph")
	_, err := h.lendARM(customerID)
	h.must(err)
	r.customers = append(r.customers, token.Customer{DirectoryID: outsideID})
	h.advance(6 * time.Minute)
	if _, err := h.lendARM(outsideID); err != nil {
		t.Errorf("Lend for a new customer, without relationships = %v, want a token", err)
	}
	r.customers = r.customers[1:]
	h.advance(time.Hour)
	_, err = h.lendARM(customerID)
	h.checkFailure("Lend for a customer that left, without relationships", err, failure.CustomersUnknown)
	h.checkState(token.StateActive, "")
}

// TestLend_OneSourceForADay goes on with what a source said before, while the other one is read again.
func TestLend_OneSourceForADay(t *testing.T) {
	h, r := listed(t)
	r.relationships = []token.Relationship{{DirectoryID: otherID, Active: true, Status: "active"}}
	_, err := h.lendARM(otherID)
	h.must(err)
	r.graphErr, r.customers = transient(), []token.Customer{{DirectoryID: outsideID}}
	h.advance(2 * time.Hour)
	for _, directory := range []string{otherID, outsideID} {
		if _, err := h.lendARM(directory); err != nil {
			t.Errorf("Lend for %s = %v, want a token", directory, err)
		}
	}
	_, err = h.lendARM(customerID)
	h.checkFailure("Lend for a customer that left", err, failure.CustomerNotListed)
	h.advance(23 * time.Hour)
	_, err = h.lendARM(otherID)
	h.checkFailure("Lend by relationships of 25 hours ago", err, failure.CustomersUnknown)
	_, err = h.lendARM(outsideID)
	h.must(err)
}

func TestLend_ListOfADayAgoDecides(t *testing.T) {
	h, r := listed(t)
	_, err := h.lendARM(customerID)
	h.must(err)
	r.err, r.graphErr = transient(), transient()
	h.advance(23 * time.Hour)
	if _, err := h.lendARM(customerID); err != nil {
		t.Errorf("Lend by a list of 23 hours ago = %v, want a token", err)
	}
	_, err = h.lendARM(outsideID)
	h.checkFailure("Lend for a directory that this list lacks", err, failure.CustomerNotListed)
	h.advance(2 * time.Hour)
	_, err = h.lendARM(customerID)
	h.checkFailure("Lend by a list of 25 hours ago", err, failure.CustomersUnknown)
	// A clock that was set back makes no list newer.
	h.advance(-48 * time.Hour)
	_, err = h.lendARM(customerID)
	h.checkFailure("Lend by a list from the future", err, failure.CustomersUnknown)
}

func TestLend_ListOfAnotherConsent(t *testing.T) {
	h, r := listed(t)
	_, err := h.lendARM(customerID)
	h.must(err)
	r.customers = nil
	g, err := h.tokens.Exchange(t.Context(), token.CodeExchange{TenantID: tenantID, ConsentID: "consent-2", Procedure: token.Automatic})
	h.must(err)
	h.must(h.tokens.StoreActive(t.Context(), g))
	_, err = h.lendARM(customerID)
	h.checkFailure("Lend after another consent", err, failure.CustomerNotListed)
}
