package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// A CustomerRecord is what we know ourselves of a customer directory of a tenant.
type CustomerRecord struct {
	TenantID    string
	DirectoryID string
	// ConsentedAt is when our application consent there was made; zero without one of ours.
	ConsentedAt time.Time
	// Scopes are the permissions that it has, by api.
	Scopes map[API][]string
	// LastResult is how the last request for an access token there ended: "ok" or a failure code; "" before the first.
	LastResult string
	LastAt     time.Time
}

// A CustomerStatus is one customer of a tenant's partner.
type CustomerStatus struct {
	Customer
	// Listed says that Partner Center lists it as a customer.
	Listed bool
	// Relationships are those that give the partner rights there (GDAP), active ones first, the one that ends last at the top.
	Relationships []Relationship
	// Consent says whether the application has a consent there, as far as our own consent and the last access token tell.
	Consent Answer
	// Outdated says that our consent there has other permissions than the instance asks for now.
	Outdated bool
	CustomerRecord
}

// Active reports whether a relationship is active.
func (c CustomerStatus) Active() bool { return len(c.Relationships) > 0 && c.Relationships[0].Active }

// LacksConsent reports whether a consent is worth making: a relationship is active, and the application has no consent there, or
// one with other permissions than the instance asks for now.
func (c CustomerStatus) LacksConsent() bool { return c.Active() && (c.Consent != Yes || c.Outdated) }

// Matches reports whether a text is part of the customer's name, domain or ID, whatever its case.
func (c CustomerStatus) Matches(text string) bool {
	return strings.Contains(strings.ToLower(c.Name+"\n"+c.Domain+"\n"+c.Customer.DirectoryID), strings.ToLower(text))
}

// A CustomerPlace is the place of a customer in a CustomerList. The zero one is before all.
type CustomerPlace struct{ Name, DirectoryID string }

// Place returns the place of c.
func (c CustomerStatus) Place() CustomerPlace {
	return CustomerPlace{strings.ToLower(c.Name), c.Customer.DirectoryID}
}

// Compare returns -1, 0 or +1 when p is before, at or after another place.
func (p CustomerPlace) Compare(other CustomerPlace) int {
	return cmp.Or(strings.Compare(p.Name, other.Name), strings.Compare(p.DirectoryID, other.DirectoryID))
}

// EndsAt returns when the last active relationship ends; zero without an active one.
func (c CustomerStatus) EndsAt() time.Time {
	if !c.Active() {
		return time.Time{}
	}
	return c.Relationships[0].EndsAt
}

// A CustomerList is all customers of a tenant's partner, by name.
type CustomerList struct {
	Customers []CustomerStatus
	// Incomplete is why Partner Center's customers or the relationships could not be read; nil when both were.
	Incomplete *failure.Record
}

// ListCustomers reads the customers of a tenant that was just resolved from Partner Center, and the relationships from Graph, at
// most once a minute. It fails only when neither can be read.
func (s *Service) ListCustomers(ctx context.Context, r tenant.Resolved, by audit.Actor) (CustomerList, error) {
	snapshot, err := s.usableSnapshot(ctx, &r)
	if err != nil {
		return CustomerList{}, err
	}
	sources, err := s.sourcesOf(ctx, &r, &snapshot, by)
	if err != nil {
		return CustomerList{}, err
	}
	records, err := s.cfg.Store.CustomerRecords(ctx, r.Tenant.ID)
	if err != nil {
		return CustomerList{}, fmt.Errorf("reading the customers of %s: %w", r.Tenant.ID, err)
	}
	list := CustomerList{Customers: joined(sources.customers, sources.relationships, records), Incomplete: sources.incomplete}
	wanted := s.cfg.Microsoft.CustomerScopes(r.Client())
	for i := range list.Customers {
		c := &list.Customers[i]
		c.Outdated = c.Consent == Yes && c.Scopes != nil && !maps.EqualFunc(c.Scopes, wanted, slices.Equal)
	}
	return list, nil
}

// usableSnapshot returns what is stored of a tenant whose token can be used.
func (s *Service) usableSnapshot(ctx context.Context, r *tenant.Resolved) (Snapshot, error) {
	if err := r.Intact(); err != nil {
		return Snapshot{}, err
	}
	if err := r.Tenant.InUse(); err != nil {
		return Snapshot{}, err
	}
	snapshot, err := s.Snapshot(ctx, r.Tenant.ID)
	if err != nil {
		return Snapshot{}, err
	}
	err = s.lendable(r, &snapshot)
	return snapshot, err
}

// joined returns the customers of all sources.
func joined(customers []Customer, relationships []Relationship, records []CustomerRecord) []CustomerStatus {
	byDirectory := map[string]*CustomerStatus{}
	of := func(directory string) *CustomerStatus {
		if byDirectory[directory] == nil {
			byDirectory[directory] = &CustomerStatus{Customer: Customer{DirectoryID: directory}, Consent: Unknown}
		}
		return byDirectory[directory]
	}
	for _, c := range customers {
		status := of(c.DirectoryID)
		status.Customer, status.Listed = c, true
	}
	for _, r := range relationships {
		status := of(r.DirectoryID)
		status.Relationships = append(status.Relationships, r)
		status.Name = cmp.Or(status.Name, r.CustomerName)
	}
	for _, r := range records {
		if status := byDirectory[r.DirectoryID]; status != nil { // others are no longer customers
			status.CustomerRecord = r
			status.Consent = r.consent()
		}
	}
	all := make([]CustomerStatus, 0, len(byDirectory))
	for _, status := range byDirectory {
		slices.SortStableFunc(status.Relationships, func(a, b Relationship) int {
			if a.Active != b.Active {
				return cmp.Compare(b2i(b.Active), b2i(a.Active))
			}
			return b.EndsAt.Compare(a.EndsAt)
		})
		all = append(all, *status)
	}
	slices.SortFunc(all, func(a, b CustomerStatus) int { return a.Place().Compare(b.Place()) })
	return all
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// consent returns whether the application has a consent in the directory.
func (r CustomerRecord) consent() Answer {
	switch later := r.LastAt.After(r.ConsentedAt); {
	case later && r.LastResult == audit.OK:
		return Yes
	case later && r.LastResult == string(failure.CustomerConsentMissing):
		return No
	case !r.ConsentedAt.IsZero():
		return Yes
	}
	return Unknown
}

// customerIn returns the ID of a customer directory that a request names by ID or domain.
func (s *Service) customerIn(ctx context.Context, r *tenant.Resolved, snapshot *Snapshot, directory string) (string, error) {
	asked, isID, ok := LoanRequest{Directory: directory}.directory()
	if !ok || asked == "" {
		return "", failure.New(failure.BadRequest, "reason", "directory is neither the ID nor a domain of a directory")
	}
	if !isID {
		id, err := s.cfg.Microsoft.ResolveDirectory(ctx, r.Instance.Settings.Cloud, asked)
		if err != nil {
			return "", customerFailure(err, asked)
		}
		asked = id
	}
	if asked == snapshot.directory() {
		return "", failure.New(failure.BadRequest, "reason", "directory is the partner's own")
	}
	return asked, nil
}

// ConsentCustomer consents for the application in a customer directory, by Partner Center, one resource after the other
// (docs/reference/microsoft-identity.md §5.3). Repeating it changes nothing. Partner Center cannot change a consent: one with other
// permissions than the instance asks for now is withdrawn first. So is one that may have others, because we did not make it, or
// because access tokens have been refused since.
func (s *Service) ConsentCustomer(ctx context.Context, r tenant.Resolved, directory string, by audit.Actor) (CustomerRecord, error) {
	return s.changeCustomer(ctx, r, directory, audit.CustomerConsented, by, func(ctx context.Context, asked customerCall) (map[API][]string, error) {
		wanted := s.cfg.Microsoft.CustomerScopes(asked.client)
		made := asked.record.Scopes
		known := made != nil && maps.EqualFunc(made, wanted, slices.Equal) && asked.record.consent() != No
		if made != nil && !known {
			if _, err := s.WithdrawCustomer(ctx, r, asked.directory, by); err != nil {
				return nil, err
			}
		}
		existed, err := s.addConsents(ctx, asked, wanted)
		if err != nil || !existed || made != nil { // one that appears after a withdrawal was made by somebody like us at the same time
			return wanted, err
		}
		if _, err := s.WithdrawCustomer(ctx, r, asked.directory, by); err != nil {
			return nil, err
		}
		_, err = s.addConsents(ctx, asked, wanted)
		return wanted, err
	})
}

// addConsents consents for each api, and reports whether one existed, which it leaves as it is.
func (s *Service) addConsents(ctx context.Context, asked customerCall, wanted map[API][]string) (existed bool, err error) {
	for _, api := range slices.Sorted(maps.Keys(wanted)) {
		err := s.cfg.Microsoft.AddCustomerConsent(ctx, asked.client, asked.directory, api, asked.loan.AccessToken)
		if err != nil && !errors.Is(err, ErrConsentExists) {
			return existed, err
		}
		existed = existed || err != nil
	}
	return existed, nil
}

// WithdrawCustomer removes the application's consent in a customer directory. Without one it is no error.
func (s *Service) WithdrawCustomer(ctx context.Context, r tenant.Resolved, directory string, by audit.Actor) (CustomerRecord, error) {
	return s.changeCustomer(ctx, r, directory, audit.CustomerWithdrawn, by, func(ctx context.Context, asked customerCall) (map[API][]string, error) {
		err := s.cfg.Microsoft.RemoveCustomerConsent(ctx, asked.client, asked.directory, asked.loan.AccessToken)
		if failure.Is(err, failure.CustomerUnknown) {
			err = nil
		}
		return nil, err
	})
}

// A customerCall is what a call about a customer directory needs.
type customerCall struct {
	client    tenant.Client
	directory string
	record    CustomerRecord
	loan      Loan
}

// changeCustomer makes a call that changes the consent in a customer directory, and stores its outcome with an event. change
// returns the permissions that the application has then; nil for none.
func (s *Service) changeCustomer(
	ctx context.Context, r tenant.Resolved, directory string, action audit.Action, by audit.Actor,
	change func(context.Context, customerCall) (map[API][]string, error),
) (CustomerRecord, error) {
	snapshot, err := s.usableSnapshot(ctx, &r)
	if err != nil {
		return CustomerRecord{}, err
	}
	id, err := s.customerIn(ctx, &r, &snapshot, directory)
	if err != nil {
		return CustomerRecord{}, err
	}
	record, err := s.cfg.Store.CustomerRecord(ctx, r.Tenant.ID, id)
	if errors.Is(err, tenant.ErrNotFound) {
		record, err = CustomerRecord{TenantID: r.Tenant.ID, DirectoryID: id}, nil
	}
	if err != nil {
		return CustomerRecord{}, err
	}
	loan, err := s.obtain(ctx, &snapshot, loanKey{tenantID: r.Tenant.ID, api: PartnerCenter}, by)
	if err == nil {
		record.Scopes, err = change(ctx, customerCall{r.Client(), id, record, loan})
	}
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		event := refusal(action, by, err)
		event.Details["directory"] = id
		return CustomerRecord{}, errors.Join(err, s.append(ctx, &r, event))
	}
	record.ConsentedAt = time.Time{}
	details := map[string]string{"directory": id}
	if record.Scopes != nil {
		record.ConsentedAt = s.cfg.Now()
		details["permissions"] = permissionsText(record.Scopes)
	}
	err = s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		if err := s.cfg.Store.SaveCustomerConsent(ctx, record); err != nil {
			return err
		}
		if record.Scopes == nil { // what the last access token showed no longer holds
			record.LastResult, record.LastAt = "", time.Time{}
			if err := s.cfg.Store.SaveCustomerResult(ctx, record); err != nil {
				return err
			}
		}
		return s.append(ctx, &r, audit.Event{Action: action, Actor: by, Details: details})
	})
	if err != nil {
		return CustomerRecord{}, fmt.Errorf("storing the consent of customer %s: %w", id, err)
	}
	s.customerResults.Remove(loanKey{tenantID: r.Tenant.ID, directory: id}) // the next one is news
	s.customerLoans.dropDirectory(r.Tenant.ID, id)                          // refusals that no longer hold, and tokens with the permissions of before
	return record, nil
}

func permissionsText(scopes map[API][]string) string {
	var all []string
	for _, api := range slices.Sorted(maps.Keys(scopes)) {
		for _, name := range scopes[api] {
			all = append(all, string(api)+" "+name)
		}
	}
	return strings.Join(all, ", ")
}

const (
	// maxCustomerResults bounds the results that a process remembers, so that it does not store the same again.
	maxCustomerResults = 20_000
	// sameResultAgain is how long the same result is not stored again.
	sameResultAgain = time.Hour
	// customerKept is how long the last result of a directory without a consent of ours stays. Where any directory may be asked for,
	// most of them may be nobody's customer.
	customerKept = 90 * 24 * time.Hour
)

// A customerResult is a result that was stored.
type customerResult struct {
	result string
	at     time.Time
}

// noteCustomer stores how a request for an access token of a customer directory ended, unless the same was stored a short while
// ago. It is for people to read: that it cannot be stored is no reason to refuse an access token.
func (s *Service) noteCustomer(ctx context.Context, tenantID, directory string, err error) {
	result := audit.OK
	if err != nil {
		f := failure.From(err)
		if f.Retryable() {
			return
		}
		result = string(f.Code)
	}
	key, now := loanKey{tenantID: tenantID, directory: directory}, s.cfg.Now()
	if last, ok := s.customerResults.Get(key); ok && last.result == result && !now.Before(last.at) && now.Before(last.at.Add(sameResultAgain)) {
		return
	}
	err = s.cfg.Store.SaveCustomerResult(ctx, CustomerRecord{TenantID: tenantID, DirectoryID: directory, LastResult: result, LastAt: now})
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "the result for a customer could not be stored", "tenant", tenantID, "directory", directory, "err", err)
		return
	}
	s.customerResults.Add(key, customerResult{result, now})
}
