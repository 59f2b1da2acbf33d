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

// A customerList says which directories are those of a partner's customers. Callers do not change it: it is shared.
type customerList struct {
	customers     customerPart // Partner Center's customers
	relationships customerPart // with active relationships, from Graph
	triedAt       time.Time    // of the last reading
}

// A customerPart is what one source said when it was last read.
type customerPart struct {
	directories map[string]bool
	readAt      time.Time // zero when no reading succeeded
}

// usable reports whether the part may decide.
func (p customerPart) usable(now time.Time) bool {
	return !p.readAt.IsZero() && !now.Before(p.readAt) && now.Before(p.readAt.Add(listLife))
}

// old reports whether the part was read so long ago that it is read again. One that was never read is not.
func (p customerPart) old(now time.Time) bool {
	return !p.readAt.IsZero() && (now.Before(p.readAt) || !now.Before(p.readAt.Add(listFresh)))
}

// has reports whether a directory is that of a customer.
func (l *customerList) has(directory string, now time.Time) bool {
	return l.customers.usable(now) && l.customers.directories[directory] ||
		l.relationships.usable(now) && l.relationships.directories[directory]
}

// complete reports whether a directory that the list does not have is that of no customer.
func (l *customerList) complete(now time.Time) bool {
	return l.customers.usable(now) && l.relationships.usable(now)
}

// due reports whether the list is to be read again before it decides about a directory.
func (l *customerList) due(directory string, now time.Time) bool {
	switch {
	case l == nil, now.Before(l.triedAt):
		return true // our clock was set back since
	case now.Before(l.triedAt.Add(listAgain)):
		return false
	}
	return !l.has(directory, now) || l.customers.old(now) || l.relationships.old(now)
}

// mustBeListed refuses a directory that belongs to none of the partner's customers, and one of which that is unknown.
func (s *Service) mustBeListed(ctx context.Context, r *tenant.Resolved, snapshot *Snapshot, directory string, by audit.Actor) error {
	list, err := s.customersOf(ctx, r, snapshot, directory, by)
	switch now := s.cfg.Now(); {
	case err != nil:
		return err
	case list.has(directory, now):
		return nil
	case list.complete(now):
		return failure.New(failure.CustomerNotListed, "directory", directory)
	}
	return failure.New(failure.CustomersUnknown, "directory", directory)
}

// customersOf returns the list of the partner's customers, and reads it first when it is due.
func (s *Service) customersOf(ctx context.Context, r *tenant.Resolved, snapshot *Snapshot, directory string, by audit.Actor) (*customerList, error) {
	key := listKey{r.Tenant.ID, snapshot.Active.ConsentID}
	if list, _ := s.customers.Get(key); !list.due(directory, s.cfg.Now()) {
		return list, nil
	}
	return s.newCustomersOf(ctx, *r, snapshot, key, directory, by)
}

// newCustomersOf reads the list of the partner's customers. Of callers at the same time one reads.
func (s *Service) newCustomersOf(ctx context.Context, r tenant.Resolved, snapshot *Snapshot, key listKey, directory string, by audit.Actor) (*customerList, error) {
	result := s.lists.DoChan(key.tenantID+"/"+key.consentID, func() (any, error) {
		// The reading is shared: a caller that cancels must not end it for the others.
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), listWithin)
		defer cancel()
		list, _ := s.customers.Get(key)
		if !list.due(directory, s.cfg.Now()) {
			return list, nil
		}
		list = s.readCustomers(shared, &r, snapshot, list, by)
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

// readCustomers reads Partner Center's customers and the active relationships. Of a source that cannot be read, the list has what
// it said before: one that is out of order, or that the consent does not cover, makes the other one no older.
func (s *Service) readCustomers(ctx context.Context, r *tenant.Resolved, snapshot *Snapshot, before *customerList, by audit.Actor) *customerList {
	now := s.cfg.Now()
	list := customerList{}
	if before != nil {
		list = *before
	}
	list.triedAt = now
	customers, err := s.partnerCustomers(ctx, r, snapshot, by)
	if err == nil {
		list.customers = customerPart{map[string]bool{}, now}
		for _, c := range customers {
			list.customers.directories[c.DirectoryID] = true
		}
	}
	relationships, relationshipErr := s.relationships(ctx, r, snapshot, by)
	if relationshipErr == nil {
		list.relationships = customerPart{map[string]bool{}, now}
		for _, relationship := range relationships {
			if relationship.Active {
				list.relationships.directories[relationship.DirectoryID] = true
			}
		}
	}
	if err := errors.Join(err, relationshipErr); err != nil {
		s.cfg.Log.WarnContext(ctx, "the partner's customers could not be read completely", "tenant", r.Tenant.ID,
			"customers", len(customers), "relationships", len(relationships), "reference", failure.Reference(ctx), "err", err)
	}
	return &list
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
