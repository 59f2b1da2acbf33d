package token_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const secondCustomer = "66666666-ffff-4fff-8fff-666666666666"

// withCustomers gives the partner two customers, one of them with a relationship.
func (h *harness) withCustomers() {
	h.microsoft.customers = func() ([]token.Customer, error) {
		return []token.Customer{{DirectoryID: otherID, Name: "Zebra"}, {DirectoryID: secondCustomer, Name: "Aardvark"}}, nil
	}
	h.microsoft.relationships = func() ([]token.Relationship, error) {
		return []token.Relationship{
			{ID: "ended", DirectoryID: otherID, EndsAt: h.now().AddDate(0, 0, -1)},
			{ID: "shorter", DirectoryID: otherID, Active: true, EndsAt: h.now().AddDate(0, 1, 0)},
			{ID: "longer", DirectoryID: otherID, Active: true, EndsAt: h.now().AddDate(1, 0, 0), AutoExtends: true},
		}, nil
	}
}

func (h *harness) resolved() tenant.Resolved {
	h.Helper()
	r, err := h.store.Resolve(h.Context(), tenantID)
	h.must(err)
	return r
}

func TestCustomers_ListsThoseOfBothSourcesByName(t *testing.T) {
	t.Parallel()
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.withCustomers()
	list, err := h.tokens.ListCustomers(t.Context(), h.resolved(), owner)
	h.must(err)
	if len(list.Customers) != 2 || list.Customers[0].Name != "Aardvark" || list.Customers[1].Name != "Zebra" || list.Incomplete != nil {
		t.Fatalf("ListCustomers() = %+v", list)
	}
	zebra := list.Customers[1]
	if !zebra.Active() || zebra.Relationships[0].ID != "longer" || !zebra.EndsAt().Equal(h.now().AddDate(1, 0, 0)) || zebra.Consent != token.Unknown {
		t.Errorf("ListCustomers() of one with relationships = %+v", zebra)
	}
	if aardvark := list.Customers[0]; aardvark.Active() || !aardvark.EndsAt().IsZero() || !aardvark.Listed {
		t.Errorf("ListCustomers() of one without = %+v", aardvark)
	}

	h.microsoft.relationships = func() ([]token.Relationship, error) { return nil, failure.New(failure.APIRefused, "api", "Graph") }
	h.advance(time.Minute)
	list, err = h.tokens.ListCustomers(t.Context(), h.resolved(), owner)
	if err != nil || len(list.Customers) != 2 || !list.Incomplete.Is(failure.APIRefused) {
		t.Errorf("ListCustomers() without relationships = %d, incomplete %v, %v, want both customers and why", len(list.Customers), list.Incomplete, err)
	}
	h.microsoft.customers = func() ([]token.Customer, error) { return nil, failure.New(failure.MicrosoftUnavailable) }
	h.advance(time.Minute)
	if _, err := h.tokens.ListCustomers(t.Context(), h.resolved(), owner); !failure.Is(err, failure.MicrosoftUnavailable) {
		t.Errorf("ListCustomers() without any source = %v, want %s", err, failure.MicrosoftUnavailable)
	}
}

// TestCustomers_ReadOnceAMinute checks that a list that is shown page by page is read from Microsoft once, also after the clock
// was set back, and that a reading that failed is not kept.
func TestCustomers_ReadOnceAMinute(t *testing.T) {
	t.Parallel()
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.withCustomers()
	read, customers := 0, h.microsoft.customers
	h.microsoft.customers = func() ([]token.Customer, error) { read++; return customers() }
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {59 * time.Second, 1}, {time.Second, 2}, {-time.Hour, 3}, {0, 3}} {
		h.advance(step.after)
		if _, err := h.tokens.ListCustomers(t.Context(), h.resolved(), owner); err != nil || read != step.want {
			t.Errorf("%s later, customers were read %d times (%v), want %d", step.after, read, err, step.want)
		}
	}
	h.advance(time.Minute)
	relationships := h.microsoft.relationships
	h.microsoft.customers = func() ([]token.Customer, error) { return nil, failure.New(failure.MicrosoftUnavailable) }
	h.microsoft.relationships = func() ([]token.Relationship, error) { return nil, failure.New(failure.MicrosoftUnavailable) }
	if _, err := h.tokens.ListCustomers(t.Context(), h.resolved(), owner); !failure.Is(err, failure.MicrosoftUnavailable) {
		t.Errorf("ListCustomers() without any source = %v, want %s", err, failure.MicrosoftUnavailable)
	}
	h.microsoft.customers, h.microsoft.relationships = customers, relationships
	if _, err := h.tokens.ListCustomers(t.Context(), h.resolved(), owner); err != nil {
		t.Errorf("ListCustomers() once Microsoft answers again = %v", err)
	}
}

func TestCustomers_RefusedWithoutAToken(t *testing.T) {
	t.Parallel()
	h := newHarness(t, openStore(t))
	for name, call := range map[string]func() error{
		"ListCustomers": func() error { _, err := h.tokens.ListCustomers(t.Context(), h.resolved(), owner); return err },
		"ConsentCustomer": func() error {
			_, err := h.tokens.ConsentCustomer(t.Context(), h.resolved(), otherID, owner)
			return err
		},
		"WithdrawCustomer": func() error {
			_, err := h.tokens.WithdrawCustomer(t.Context(), h.resolved(), otherID, owner)
			return err
		},
	} {
		if err := call(); !failure.Is(err, failure.GrantAbsent) {
			t.Errorf("%s() = %v, want %s", name, err, failure.GrantAbsent)
		}
	}
}

func TestConsentCustomer_CanBeRepeated(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarness(t, db.Open(t))
		h.consent(tenantID)
		h.withCustomers()
		for _, directory := range []string{"", "not a directory", directoryID} {
			if _, err := h.tokens.ConsentCustomer(t.Context(), h.resolved(), directory, owner); !failure.Is(err, failure.BadRequest) {
				t.Errorf("ConsentCustomer(%q) = %v, want %s", directory, err, failure.BadRequest)
			}
		}
		h.microsoft.scopes = map[token.API][]string{token.ARM: {"user_impersonation"}, token.Graph: {"User.Read"}}
		for range 2 { // repeating it changes nothing
			record, err := h.tokens.ConsentCustomer(t.Context(), h.resolved(), strings.ToUpper(otherID), owner)
			if err != nil || record.DirectoryID != otherID || record.ConsentedAt.IsZero() {
				t.Fatalf("ConsentCustomer() = %+v, %v", record, err)
			}
		}
		if want := []string{"consent arm", "consent graph", "consent arm", "consent graph"}; !slices.Equal(h.microsoft.consents, want) {
			t.Errorf("calls = %v, want %v", h.microsoft.consents, want)
		}
		h.checkCustomer(token.Yes, "")

		// Partner Center cannot change a consent.
		h.microsoft.consents, h.microsoft.scopes = nil, map[token.API][]string{token.ARM: {"user_impersonation"}, token.Graph: {"User.Read", "Directory.Read.All"}}
		h.checkOutdated(true)
		h.microsoft.addFails = failure.New(failure.MicrosoftAnswer)
		if _, err := h.tokens.ConsentCustomer(t.Context(), h.resolved(), otherID, owner); !failure.Is(err, failure.MicrosoftAnswer) {
			t.Errorf("ConsentCustomer() that removes but does not make one = %v", err)
		}
		h.checkCustomer(token.Unknown, "") // the one of before is gone
		h.microsoft.addFails = nil
		_, err := h.tokens.ConsentCustomer(t.Context(), h.resolved(), otherID, owner)
		h.must(err)
		if want := []string{"withdraw", "consent arm", "consent arm", "consent graph"}; !slices.Equal(h.microsoft.consents, want) {
			t.Errorf("calls for other permissions = %v, want %v", h.microsoft.consents, want)
		}
		h.checkOutdated(false)

		h.microsoft.consentFails = failure.New(failure.CustomerRelationshipEnded, "directory", otherID)
		if _, err := h.tokens.ConsentCustomer(t.Context(), h.resolved(), secondCustomer, owner); !failure.Is(err, failure.CustomerRelationshipEnded) {
			t.Errorf("ConsentCustomer() without a relationship = %v", err)
		}
		h.microsoft.consentFails = failure.New(failure.CustomerUnknown, "directory", otherID)
		if _, err := h.tokens.WithdrawCustomer(t.Context(), h.resolved(), otherID, owner); err != nil {
			t.Errorf("WithdrawCustomer() of a consent that is gone = %v", err)
		}
		h.checkCustomer(token.Unknown, "")
		events, err := h.store.EventsOf(t.Context(), tenantID, []audit.Action{audit.CustomerConsented, audit.CustomerWithdrawn}, 10)
		h.must(err)
		if len(events) != 7 || events[0].Action != audit.CustomerWithdrawn || events[1].Result != string(failure.CustomerRelationshipEnded) ||
			events[2].Details["permissions"] != "arm user_impersonation, graph User.Read, graph Directory.Read.All" {
			t.Errorf("events = %+v", events)
		}
		h.checkState(token.StateActive, "") // trouble with a customer never touches the partner's token
	})
}

// checkCustomer checks what is known of the customer with relationships.
func (h *harness) checkCustomer(consent token.Answer, lastResult string) {
	h.Helper()
	list, err := h.tokens.ListCustomers(h.Context(), h.resolved(), owner)
	h.must(err)
	i := slices.IndexFunc(list.Customers, func(c token.CustomerStatus) bool { return c.Customer.DirectoryID == otherID })
	if got := list.Customers[i]; got.Consent != consent || got.LastResult != lastResult {
		h.Errorf("the consent of the customer is %s, its last result %q, want %s, %q", got.Consent, got.LastResult, consent, lastResult)
	}
}

// checkOutdated checks whether the consent of the customer with relationships has other permissions than are asked for now.
func (h *harness) checkOutdated(want bool) {
	h.Helper()
	list, err := h.tokens.ListCustomers(h.Context(), h.resolved(), owner)
	h.must(err)
	for _, c := range list.Customers {
		if got := c.Customer.DirectoryID == otherID && want; c.Outdated != got {
			h.Errorf("the consent of %s is outdated: %t, want %t", c.Name, c.Outdated, got)
		}
		if c.LacksConsent() != c.Outdated { // the other one has no relationship
			h.Errorf("%s lacks a consent: %t, want %t", c.Name, c.LacksConsent(), c.Outdated)
		}
	}
}

// TestConsentCustomer_WhereOneExists replaces a consent whose permissions nobody knows, once, and leaves one of ours alone that works.
func TestConsentCustomer_WhereOneExists(t *testing.T) {
	t.Parallel()
	h := readyForCustomers(t)
	h.withCustomers()
	h.microsoft.scopes = map[token.API][]string{token.ARM: {"user_impersonation"}, token.Graph: {"User.Read"}}
	h.microsoft.addFails = token.ErrConsentExists
	consent := func(what string, want ...string) {
		t.Helper()
		h.advance(time.Minute)
		h.microsoft.consents = nil
		record, err := h.tokens.ConsentCustomer(t.Context(), h.resolved(), otherID, owner)
		if err != nil || !slices.Equal(record.Scopes[token.Graph], []string{"User.Read"}) || !slices.Equal(h.microsoft.consents, want) {
			t.Errorf("ConsentCustomer() for %s = %v, %v with the calls %v, want %v", what, record.Scopes, err, h.microsoft.consents, want)
		}
		h.advance(time.Minute)
	}
	consent("a consent of another program", "consent arm", "consent graph", "withdraw", "consent arm", "consent graph")
	consent("ours", "consent arm", "consent graph")
	_, err := h.lendARM(otherID)
	h.must(err)
	consent("ours, which works", "consent arm", "consent graph")
	h.microsoft.renewFor = func(tenant.Client, token.API) error { return failure.New(failure.ConsentMissing) }
	_, err = h.lendFor(t.Context(), tenantID, token.LoanRequest{API: token.Graph, Directory: otherID}, borrower)
	h.checkFailure("Lend()", err, failure.CustomerConsentMissing)
	consent("ours, of which permissions were taken", "withdraw", "consent arm", "consent graph")
}

// TestConsentCustomer_EndsCachedRefusals: whoever consents does not wait until a cached refusal ends.
func TestConsentCustomer_EndsCachedRefusals(t *testing.T) {
	t.Parallel()
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.withCustomers()
	missing := true
	h.microsoft.renewFor = func(c tenant.Client, _ token.API) error {
		if c.Customer && missing {
			return failure.New(failure.ConsentMissing)
		}
		return nil
	}
	in, err := h.store.Instance(t.Context(), instanceKey)
	h.must(err)
	in.Settings.CustomerDirectories = tenant.AnyCustomers
	in.Settings.Borrowers[0].Directories = []string{tenant.CustomerDirectories}
	h.must(h.store.SaveInstance(t.Context(), &in))
	lend := func() error {
		_, err := h.tokens.Lend(t.Context(), h.resolved(), token.LoanRequest{API: token.ARM, Directory: otherID}, borrower)
		return err
	}
	if err := lend(); !failure.Is(err, failure.CustomerConsentMissing) {
		t.Fatalf("Lend() = %v, want %s", err, failure.CustomerConsentMissing)
	}
	h.checkCustomer(token.No, string(failure.CustomerConsentMissing))
	missing = false
	h.advance(time.Second)
	_, err = h.tokens.ConsentCustomer(t.Context(), h.resolved(), otherID, owner)
	h.must(err)
	h.advance(time.Second)
	h.must(lend())
	h.checkCustomer(token.Yes, audit.OK)

	// After a withdrawal, what the last access token showed no longer holds, and the next refusal is news.
	_, err = h.tokens.WithdrawCustomer(t.Context(), h.resolved(), otherID, owner)
	h.must(err)
	h.checkCustomer(token.Unknown, "")
	missing = true
	h.advance(time.Second)
	if err := lend(); !failure.Is(err, failure.CustomerConsentMissing) {
		t.Fatalf("Lend() after a withdrawal = %v, want %s", err, failure.CustomerConsentMissing)
	}
	h.checkCustomer(token.No, string(failure.CustomerConsentMissing))
	missing = false
	h.advance(time.Second)
	_, err = h.tokens.ConsentCustomer(t.Context(), h.resolved(), otherID, owner)
	h.must(err)
	missing = true
	h.advance(time.Second)
	if err := lend(); !failure.Is(err, failure.CustomerConsentMissing) {
		t.Fatalf("Lend() after a consent that doesn't help = %v, want %s", err, failure.CustomerConsentMissing)
	}
	h.checkCustomer(token.No, string(failure.CustomerConsentMissing))
}

// TestRelationshipEnds_AreThoseThatNobodyExtends leaves out customers with a relationship that extends itself, and those without an
// active one.
func TestRelationshipEnds_AreThoseThatNobodyExtends(t *testing.T) {
	t.Parallel()
	h := newHarness(t, openStore(t))
	if _, err := h.tokens.RelationshipEnds(t.Context(), h.resolved()); !failure.Is(err, failure.GrantAbsent) {
		t.Errorf("RelationshipEnds() without a token = %v, want %s", err, failure.GrantAbsent)
	}
	h.consent(tenantID)
	at := func(days int) time.Time { return h.now().AddDate(0, 0, days) }
	h.microsoft.relationships = func() ([]token.Relationship, error) {
		return []token.Relationship{
			{ID: "1", DirectoryID: "d-later", CustomerName: "Later", Active: true, EndsAt: at(5)},
			{ID: "2", DirectoryID: "d-later", CustomerName: "Later", Active: true, EndsAt: at(9)},
			{ID: "3", DirectoryID: "d-later", CustomerName: "Later", EndsAt: at(90)}, // ended by the customer
			{ID: "4", DirectoryID: "d-extended", Active: true, EndsAt: at(2)},
			{ID: "5", DirectoryID: "d-extended", Active: true, EndsAt: at(1), AutoExtends: true},
			{ID: "6", DirectoryID: "d-ended", EndsAt: at(3)},
			{ID: "7", DirectoryID: "d-untold", Active: true},
			{ID: "8", DirectoryID: "d-first", Name: "Azure", Active: true, EndsAt: at(1)},
		}, nil
	}
	got, err := h.tokens.RelationshipEnds(t.Context(), h.resolved())
	h.must(err)
	want := []token.RelationshipEnd{{DirectoryID: "d-first", Name: "Azure", EndsAt: at(1)}, {DirectoryID: "d-later", Name: "Later", EndsAt: at(9)}}
	if !slices.Equal(got, want) {
		t.Errorf("RelationshipEnds() = %+v, want %+v", got, want)
	}
	h.microsoft.relationships = func() ([]token.Relationship, error) { return nil, failure.New(failure.MicrosoftUnavailable) }
	if _, err := h.tokens.RelationshipEnds(t.Context(), h.resolved()); !failure.Is(err, failure.MicrosoftUnavailable) {
		t.Errorf("RelationshipEnds() while Microsoft is down = %v, want %s", err, failure.MicrosoftUnavailable)
	}
}

// TestPurge_ForgetsDirectoriesThatNobodyAsksFor keeps those of consents, and those that were asked for within 90 days.
func TestPurge_ForgetsDirectoriesThatNobodyAsksFor(t *testing.T) {
	h := readyForCustomers(t)
	_, err := h.lendARM(outsideID)
	h.must(err)
	h.must(h.store.SaveCustomerConsent(t.Context(), token.CustomerRecord{TenantID: tenantID, DirectoryID: otherID, ConsentedAt: h.now()}))
	h.advance(90 * day)
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 2}, {time.Millisecond, 1}} {
		h.advance(step.after)
		h.must(h.tokens.Purge(t.Context()))
		records, err := h.store.CustomerRecords(t.Context(), tenantID)
		h.must(err)
		if len(records) != step.want || records[0].DirectoryID != otherID {
			t.Errorf("%d directories are known %s after 90 days, want %d", len(records), step.after, step.want)
		}
	}
}
