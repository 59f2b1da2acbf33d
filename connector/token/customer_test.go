package token_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const (
	customerID = "66666666-ffff-4fff-8fff-666666666666"
	outsideID  = "77777777-aaaa-4aaa-8aaa-777777777777"
)

var everyAPI = []string{"partnercenter", "graph", "arm"}

// allow changes for which directories the instance and the borrower's entry allow access tokens.
func (h *harness) allow(setting string, directories ...string) {
	h.Helper()
	in, err := h.store.Instance(h.Context(), instanceKey)
	h.must(err)
	in.Settings.CustomerDirectories = setting
	in.Settings.Borrowers = []tenant.Borrower{{ID: borrowerID, APIs: everyAPI, Directories: directories}}
	h.must(h.store.SaveInstance(h.Context(), &in))
}

// ready is a harness with a grant, an instance that allows any customer directory, and a borrower that may ask for all.
func readyForCustomers(t *testing.T) *harness {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.allow(tenant.AnyCustomers, tenant.PartnerDirectory, tenant.CustomerDirectories)
	return h
}

func (h *harness) lendARM(directory string) (token.Loan, error) {
	return h.lendFor(h.Context(), tenantID, token.LoanRequest{API: token.ARM, Directory: directory}, borrower)
}

func TestLend_ForACustomer(t *testing.T) {
	h := readyForCustomers(t)
	before := h.grant(token.Active)
	h.advance(time.Hour)
	loan, err := h.lendARM(customerID)
	h.must(err)
	if loan.DirectoryID != customerID || loan.AccessToken.Empty() {
		t.Errorf("Lend for a customer = a token for %s, want one for %s", loan.DirectoryID, customerID)
	}
	if got := h.microsoft.inCustomers(); !slices.Equal(got, []string{customerID}) {
		t.Errorf("redeemed in %v, want in %s", got, customerID)
	}
	if got := h.grant(token.Active); got.RefreshToken == before.RefreshToken || got.DirectoryID != directoryID || !got.IssuedAt.Equal(h.now()) {
		t.Error("the successor that came with the customer's access token was not stored as the partner's grant")
	}
	if got := h.grant(token.Predecessor); got.RefreshToken != before.RefreshToken {
		t.Error("the predecessor is not the value that was redeemed")
	}
	events, err := h.tokens.History(t.Context(), tenantID, time.Time{}, 2)
	h.must(err)
	for i, want := range []audit.Action{audit.TokenLent, audit.GrantRotated} {
		if e := events[i]; e.Action != want || e.Details["directory"] != customerID || e.Details["api"] != "arm" || e.Actor.ID != borrowerID {
			t.Errorf("event %d = %s %v by %s, want %s with api and directory", i, e.Action, e.Details, e.Actor.ID, want)
		}
	}
	again, err := h.lendARM(customerID)
	h.must(err)
	partners, err := h.lend(t.Context(), tenantID, token.ARM, borrower)
	h.must(err)
	if again.AccessToken != loan.AccessToken || partners.AccessToken == loan.AccessToken || partners.DirectoryID != directoryID {
		t.Errorf("a second loan and one for the partner's directory = %v, %v, want the cached one and another one",
			again.AccessToken == loan.AccessToken, partners.AccessToken == loan.AccessToken)
	}
	h.checkState(token.StateActive, "")
}

func TestLend_PartnersDirectoryByItsName(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	for _, name := range []string{directoryID, " 11111111-AAAA-4aaa-8aaa-111111111111 "} {
		loan, err := h.lendARM(name)
		h.must(err)
		if loan.DirectoryID != directoryID {
			t.Errorf("Lend for %q = a token for %s, want one for the partner's directory", name, loan.DirectoryID)
		}
	}
	h.allow(tenant.AnyCustomers, tenant.PartnerDirectory)
	h.microsoft.resolve = func(string) (string, error) { return directoryID, nil }
	loan, err := h.lendARM("partner.example")
	h.must(err)
	if got := h.microsoft.inCustomers(); loan.DirectoryID != directoryID || len(got) > 0 {
		t.Errorf("Lend for a domain of the partner = a token for %s, redeemed in customers %v", loan.DirectoryID, got)
	}
}

func TestLend_CustomersRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		setting   string
		allowed   []string
		directory string
		want      failure.Code
	}{
		"none, the default":         {tenant.NoCustomers, []string{tenant.CustomerDirectories}, customerID, failure.CustomersNotAllowed},
		"an unknown setting":        {"all", []string{tenant.CustomerDirectories}, customerID, failure.CustomersNotAllowed},
		"a borrower without any":    {tenant.AnyCustomers, []string{tenant.PartnerDirectory}, customerID, failure.BorrowerNotAllowed},
		"a borrower with another":   {tenant.AnyCustomers, []string{outsideID}, customerID, failure.BorrowerNotAllowed},
		"partner's, customers only": {tenant.AnyCustomers, []string{tenant.CustomerDirectories}, "", failure.BorrowerNotAllowed},
		"partner's by its ID":       {tenant.AnyCustomers, []string{tenant.CustomerDirectories}, directoryID, failure.BorrowerNotAllowed},
		"no directory at all":       {tenant.AnyCustomers, []string{tenant.CustomerDirectories}, "common", failure.BadRequest},
		"an address":                {tenant.AnyCustomers, []string{tenant.CustomerDirectories}, "customer.example/oauth2", failure.BadRequest},
		"too long":                  {tenant.AnyCustomers, []string{tenant.CustomerDirectories}, string(make([]byte, 300)), failure.BadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, openStore(t))
			h.consent(tenantID)
			h.allow(tc.setting, tc.allowed...)
			asked := len(h.microsoft.presented())
			_, err := h.lendARM(tc.directory)
			h.checkFailure("Lend", err, tc.want)
			if len(h.microsoft.presented()) != asked {
				t.Error("Microsoft was asked, want a refusal before")
			}
		})
	}
}

// TestLend_CallerThatHangsUp records no failure: nothing was refused, and nothing is wrong with the customer.
func TestLend_CallerThatHangsUp(t *testing.T) {
	h := readyForCustomers(t)
	ctx, hangUp := context.WithCancel(t.Context())
	answer := make(chan struct{})
	h.microsoft.renewFor = func(tenant.Client, token.API) error {
		hangUp()
		<-answer
		return nil
	}
	_, err := h.lendFor(ctx, tenantID, token.LoanRequest{API: token.ARM, Directory: customerID}, borrower)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Lend for a caller that hangs up = %v, want %v", err, context.Canceled)
	}
	records, err := h.store.CustomerRecords(t.Context(), tenantID)
	h.must(err)
	if len(records) > 0 {
		t.Errorf("the customer has the last result %q, want none yet", records[0].LastResult)
	}
	events, err := h.tokens.History(t.Context(), tenantID, time.Time{}, 10)
	h.must(err)
	for _, e := range events {
		if e.Action == audit.LendingRefused {
			t.Errorf("there is an event %s with the result %s, want none", e.Action, e.Result)
		}
	}
	close(answer)
	if _, err := h.lendARM(customerID); err != nil {
		t.Errorf("the next Lend = %v, want the access token", err)
	}
}

func TestLend_UnknownDomainOfACustomer(t *testing.T) {
	h := readyForCustomers(t)
	h.microsoft.resolve = func(directory string) (string, error) {
		return "", failure.New(failure.DirectoryUnknown, "directory", directory)
	}
	_, err := h.lendARM("nobody.example")
	h.checkFailure("Lend", err, failure.CustomerUnknown)
	h.checkState(token.StateActive, "")
}

// refusedBy returns a failure with Microsoft's number.
func refusedBy(code failure.Code, number int) error {
	f := failure.New(code)
	f.Microsoft = &failure.Evidence{Code: strconv.Itoa(number)}
	return f
}

func TestLend_CustomersFailuresAreTheirOwn(t *testing.T) {
	for name, tc := range map[string]struct {
		refusal error
		want    failure.Code
	}{
		"65001":   {refusedBy(failure.ConsentMissing, 65001), failure.CustomerConsentMissing},
		"90099":   {refusedBy(failure.PartnerNotAuthorized, 90099), failure.CustomerConsentMissing},
		"700016":  {refusedBy(failure.ApplicationUnknown, 700016), failure.CustomerConsentMissing},
		"53003":   {refusedBy(failure.AccessBlocked, 53003), failure.CustomerAccessBlocked},
		"50076":   {refusedBy(failure.MFARequired, 50076), failure.CustomerAccessBlocked},
		"70043":   {refusedBy(failure.SignInFrequency, 70043), failure.CustomerAccessBlocked},
		"530084":  {refusedBy(failure.TokenProtection, 530084), failure.CustomerAccessBlocked},
		"50020":   {refusedBy(failure.AccountOutside, 50020), failure.CustomerRelationshipEnded},
		"50034":   {refusedBy(failure.AccountDisabled, 50034), failure.CustomerRelationshipEnded},
		"90002":   {refusedBy(failure.WrongCloud, 90002), failure.CustomerUnknown},
		"500011":  {refusedBy(failure.ServiceMissing, 500011), failure.CustomerServiceMissing},
		"unknown": {refusedBy(failure.SignInRequired, 59999), failure.CustomerRefused},
		// These are about our application, the account, the token or Microsoft, and keep their codes.
		"7000222": {refusedBy(failure.ClientSecretExpired, 7000222), failure.ClientSecretExpired},
		"50057":   {refusedBy(failure.AccountDisabled, 50057), failure.AccountDisabled},
		"50173":   {refusedBy(failure.GrantRevoked, 50173), failure.GrantRevoked},
		"90033":   {refusedBy(failure.MicrosoftUnavailable, 90033), failure.MicrosoftUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			h := readyForCustomers(t)
			schedule, err := h.store.Schedule(t.Context(), tenantID)
			h.must(err)
			h.microsoft.renewFor = func(c tenant.Client, _ token.API) error {
				if c.Customer {
					return tc.refusal
				}
				return nil
			}
			for range 3 {
				_, err := h.lendARM(customerID)
				h.checkFailure("Lend", err, tc.want)
			}
			// What the customer's directory refuses changes nothing about the partner's token, and is not asked again at once.
			if got := len(h.microsoft.inCustomers()); got != 1 && failure.From(tc.refusal).Kind() != failure.Transient {
				t.Errorf("Microsoft was asked %d times, want once", got)
			}
			after, err := h.store.Schedule(t.Context(), tenantID)
			h.must(err)
			if after.Version != schedule.Version || !after.DueAt.Equal(schedule.DueAt) {
				t.Errorf("the schedule changed from version %d, due %s to %d, %s", schedule.Version, schedule.DueAt, after.Version, after.DueAt)
			}
			h.checkState(token.StateActive, "")
			if _, err := h.lend(t.Context(), tenantID, token.ARM, borrower); err != nil {
				t.Errorf("Lend for the partner's own directory = %v, want a token", err)
			}
			if _, err := h.lendARM(outsideID); !failure.Is(err, tc.want) {
				t.Errorf("Lend for another customer = %v, want its own answer", err)
			}
			events, err := h.tokens.History(t.Context(), tenantID, time.Time{}, 20)
			h.must(err)
			refused := slices.IndexFunc(events, func(e audit.Event) bool {
				return e.Action == audit.LendingRefused && e.Details["directory"] == customerID
			})
			if refused < 0 || events[refused].Result != string(tc.want) || events[refused].Details["api"] != "arm" {
				t.Errorf("the refusal's event is missing or wrong in %v", events)
			}
		})
	}
}

// An answer for another directory is refused, whoever it is for, and nothing of it stored.
func TestLend_CustomersAnswerForAnotherDirectory(t *testing.T) {
	h := readyForCustomers(t)
	before := h.grant(token.Active)
	h.microsoft.subject = func(token.API) token.Subject { return token.Subject{DirectoryID: outsideID, ObjectID: "oid-1"} }
	_, err := h.lendARM(customerID)
	h.checkFailure("Lend", err, failure.CustomerRefused)
	if got := h.grant(token.Active); got.RefreshToken != before.RefreshToken {
		t.Error("the refresh token of an answer for another directory was stored")
	}
	// In a customer directory, the account has another object ID than at home.
	h.microsoft.subject = func(token.API) token.Subject { return token.Subject{DirectoryID: otherID, ObjectID: "oid-there"} }
	loan, err := h.lendARM(otherID)
	h.must(err)
	if loan.Account != token.Yes {
		t.Errorf("account = %s, want yes", loan.Account)
	}
}

func TestLend_ManyCustomersAtOnce(t *testing.T) {
	h := readyForCustomers(t)
	const customers, callers = 40, 5
	directory := func(i int) string { return "88888888-0000-4000-8000-0000000000" + strconv.Itoa(10+i) }
	var all sync.WaitGroup
	for i := range customers {
		for range callers {
			all.Go(func() {
				if _, err := h.lendFor(context.Background(), tenantID, token.LoanRequest{API: token.ARM, Directory: directory(i)}, borrower); err != nil {
					t.Errorf("Lend for customer %d = %v", i, err)
				}
			})
		}
	}
	all.Wait()
	if got := h.microsoft.inCustomers(); len(got) != customers {
		t.Errorf("redeemed %d times in customer directories, want once in each of %d", len(got), customers)
	}
	h.advance(time.Minute)
	h.must(h.tokens.Sweep(t.Context()))
	h.checkState(token.StateActive, "")
}

func TestLend_BoundsTheTokensOfCustomers(t *testing.T) {
	h := readyForCustomers(t)
	s, err := token.New(token.Config{Store: h.store, Microsoft: h.microsoft, Now: h.now, CustomerTokens: 2})
	h.must(err)
	h.tokens = s
	lend := func(directory string) {
		t.Helper()
		_, err := h.lendARM(directory)
		h.must(err)
	}
	partners := func() token.Loan {
		t.Helper()
		loan, err := h.lend(t.Context(), tenantID, token.ARM, borrower)
		h.must(err)
		return loan
	}
	first := partners()
	for _, directory := range []string{customerID, outsideID, otherID, outsideID, customerID} {
		lend(directory)
	}
	if got := h.microsoft.inCustomers(); !slices.Equal(got, []string{customerID, outsideID, otherID, customerID}) {
		t.Errorf("redeemed in %v, want again in the one that was evicted only", got)
	}
	if partners().AccessToken != first.AccessToken {
		t.Error("customers' tokens evicted that of the partner's directory")
	}
	if _, err := token.New(token.Config{Store: h.store, Microsoft: h.microsoft, CustomerTokens: -1}); err == nil {
		t.Error("New with a negative number of tokens = nil, want an error")
	}
}

func TestLend_ToAClientWithItsOwnScope(t *testing.T) {
	h := readyForCustomers(t)
	client := audit.Actor{Kind: audit.Operator, ID: "client-1"}
	scope := tenant.Borrower{ID: "client-1", APIs: []string{"arm"}, Directories: []string{customerID}}
	for name, tc := range map[string]struct {
		api       token.API
		directory string
		want      failure.Code
	}{
		"its customer":        {token.ARM, customerID, ""},
		"another customer":    {token.ARM, outsideID, failure.BorrowerNotAllowed},
		"another api":         {token.Graph, customerID, failure.BorrowerNotAllowed},
		"the partner's own":   {token.ARM, "", failure.BorrowerNotAllowed},
		"an api that is none": {"sharepoint", customerID, failure.BadRequest},
	} {
		_, err := h.lendFor(t.Context(), tenantID, token.LoanRequest{API: tc.api, Directory: tc.directory, Borrower: &scope}, client)
		if tc.want == "" && err != nil || tc.want != "" && !failure.Is(err, tc.want) {
			t.Errorf("%s: Lend = %v, want %q", name, err, tc.want)
		}
	}
}

// TestLend_AfterAConsentElsewhere has another process, as that of "connector customers consent" is, consent where this one was just
// refused.
func TestLend_AfterAConsentElsewhere(t *testing.T) {
	h := readyForCustomers(t)
	consented := false
	h.microsoft.renewFor = func(c tenant.Client, _ token.API) error {
		if c.Customer && !consented {
			return refusedBy(failure.ConsentMissing, 65001)
		}
		return nil
	}
	lend := func(what string, asked int) {
		t.Helper()
		for range 3 {
			_, err := h.lendARM(customerID)
			h.checkFailure("Lend "+what, err, failure.CustomerConsentMissing)
		}
		if got := len(h.microsoft.inCustomers()); got != asked {
			t.Errorf("%s, Microsoft was asked %d times, want %d", what, got, asked)
		}
	}
	lend("before the consent", 1)
	h.advance(time.Second)
	h.must(h.store.SaveCustomerConsent(t.Context(), token.CustomerRecord{TenantID: tenantID, DirectoryID: otherID, ConsentedAt: h.now()}))
	lend("after the consent of another customer", 1)
	h.must(h.store.SaveCustomerConsent(t.Context(), token.CustomerRecord{TenantID: tenantID, DirectoryID: customerID, ConsentedAt: h.now()}))
	h.advance(time.Second)
	lend("while Microsoft does not know the consent yet", 2)
	h.advance(time.Second)
	h.must(h.store.SaveCustomerConsent(t.Context(), token.CustomerRecord{TenantID: tenantID, DirectoryID: customerID, ConsentedAt: h.now()}))
	consented = true
	if _, err := h.lendARM(customerID); err != nil {
		t.Errorf("Lend after the consent = %v, want a token", err)
	}
}
