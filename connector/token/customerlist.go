package token

import (
	"context"
	"errors"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

const (
	// listLife is how long a list of customers decides while a newer one cannot be read.
	listLife = 24 * time.Hour
	// listFresh is how long a list is used before it is read again, so that a relationship that ended is noticed.
	listFresh = time.Hour
	// listAgain is the shortest time between two readings, also for a customer that the list does not have yet.
	listAgain = 5 * time.Minute
	// listWithin bounds one reading. A thousand customers take a few seconds.
	listWithin = 5 * time.Minute

	// maxCustomerLists bounds the lists in memory. A customer takes about 100 bytes, so one of 10,000 customers takes 1 MB. A
	// list that was evicted is read again.
	maxCustomerLists = 1000
)

// A Customer is a customer of a partner in Partner Center.
type Customer struct {
	DirectoryID string // in lower case
	Name        string
	Domain      string
}

// A Relationship gives a partner rights in a customer directory (granular delegated admin privileges, GDAP;
// docs/reference/microsoft-identity.md §5.7).
type Relationship struct {
	ID           string
	DirectoryID  string // of the customer, in lower case
	CustomerName string
	Name         string
	Active       bool
	Status       string   // Microsoft's word
	Roles        []string // IDs of the roles
	EndsAt       time.Time
	AutoExtends  bool
}

// A listKey says whose customers a list has: an account's view depends on its consent.
type listKey struct{ tenantID, consentID string }

// A customerList says which directories are those of a partner's customers.
type customerList struct {
	directories map[string]bool
	complete    bool      // both sources answered, so that who is missing is no customer
	readAt      time.Time // zero when no reading succeeded
	triedAt     time.Time // of the last reading
}

// usable reports whether the list may decide.
func (l *customerList) usable(now time.Time) bool {
	return l != nil && !l.readAt.IsZero() && !now.Before(l.readAt) && now.Before(l.readAt.Add(listLife))
}

// due reports whether the list is to be read again before it decides about a directory.
func (l *customerList) due(directory string, now time.Time) bool {
	switch {
	case l == nil, now.Before(l.triedAt):
		return true // our clock was set back since
	case now.Before(l.triedAt.Add(listAgain)):
		return false
	}
	return !l.usable(now) || !l.directories[directory] || !now.Before(l.readAt.Add(listFresh))
}

// mustBeListed refuses a directory that belongs to none of the partner's customers, and one of which that is unknown.
func (s *Service) mustBeListed(ctx context.Context, r *tenant.Resolved, snapshot *Snapshot, directory string, by audit.Actor) error {
	list, err := s.customersOf(ctx, r, snapshot, directory, by)
	switch {
	case err != nil:
		return err
	case list.usable(s.cfg.Now()) && list.directories[directory]:
		return nil
	case list.usable(s.cfg.Now()) && list.complete:
		return failure.New(failure.CustomerNotListed, "directory", directory)
	}
	return failure.New(failure.CustomersUnknown, "directory", directory)
}

// customersOf returns the list of the partner's customers, and reads it first when it is due.
func (s *Service) customersOf(ctx context.Context, r *tenant.Resolved, snapshot *Snapshot, directory string, by audit.Actor) (*customerList, error) {
	key := listKey{r.Tenant.ID, snapshot.Active.ConsentID}
	list, _ := s.customers.Get(key)
	if !list.due(directory, s.cfg.Now()) {
		return list, nil
	}
	result := s.lists.DoChan(key.tenantID+"/"+key.consentID, func() (any, error) {
		// The reading is shared: a caller that cancels must not end it for the others.
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), listWithin)
		defer cancel()
		list, _ := s.customers.Get(key)
		if !list.due(directory, s.cfg.Now()) {
			return list, nil
		}
		list = s.readCustomers(shared, r, snapshot, list, by)
		s.customers.Add(key, list)
		return list, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case res := <-result:
		return res.Val.(*customerList), res.Err
	}
}

// readCustomers reads Partner Center's customers and the active relationships. When one of the two cannot be read, the list
// has those of the other and is incomplete; when neither can, it returns before with a new time of the last reading.
func (s *Service) readCustomers(ctx context.Context, r *tenant.Resolved, snapshot *Snapshot, before *customerList, by audit.Actor) *customerList {
	now := s.cfg.Now()
	list := &customerList{directories: map[string]bool{}, complete: true, readAt: now, triedAt: now}
	customers, err := s.partnerCustomers(ctx, r, snapshot, by)
	for _, c := range customers {
		list.directories[c.DirectoryID] = true
	}
	relationships, relationshipErr := s.relationships(ctx, r, snapshot, by)
	for _, relationship := range relationships {
		if relationship.Active {
			list.directories[relationship.DirectoryID] = true
		}
	}
	list.complete = err == nil && relationshipErr == nil
	if !list.complete {
		s.cfg.Log.WarnContext(ctx, "the partner's customers could not be read completely", "tenant", r.Tenant.ID,
			"customers", len(customers), "relationships", len(relationships), "reference", failure.Reference(ctx), "err", errors.Join(err, relationshipErr))
	}
	switch {
	case list.complete, !before.usable(now) && (err == nil || relationshipErr == nil):
		return list
	case before == nil:
		return &customerList{triedAt: now}
	}
	// What was read before is not forgotten because a source is out of order for a while.
	kept := *before
	kept.triedAt = now
	return &kept
}

// partnerCustomers reads the customers of the tenant's partner from Partner Center.
func (s *Service) partnerCustomers(ctx context.Context, r *tenant.Resolved, snapshot *Snapshot, by audit.Actor) ([]Customer, error) {
	loan, err := s.obtain(ctx, snapshot, loanKey{tenantID: r.Tenant.ID, api: PartnerCenter}, by)
	if err != nil {
		return nil, err
	}
	return s.cfg.Microsoft.Customers(ctx, r.Client(), loan.AccessToken)
}

// relationships reads the relationships of the tenant's partner from Graph.
func (s *Service) relationships(ctx context.Context, r *tenant.Resolved, snapshot *Snapshot, by audit.Actor) ([]Relationship, error) {
	loan, err := s.obtain(ctx, snapshot, loanKey{tenantID: r.Tenant.ID, api: Graph}, by)
	if err != nil {
		return nil, err
	}
	return s.cfg.Microsoft.Relationships(ctx, r.Client(), loan.AccessToken)
}
