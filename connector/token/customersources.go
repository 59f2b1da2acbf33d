package token

import (
	"cmp"
	"context"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

const (
	// sourcesFresh is how long an answer of Microsoft about a partner's customers is shown again, so that a list that is read page by
	// page is read from Microsoft once.
	sourcesFresh = time.Minute
	// maxCustomerSources bounds the answers in memory. One about 10,000 customers takes about 4 MB.
	maxCustomerSources = 16
)

// customerSources are what Microsoft said about the customers of a partner.
type customerSources struct {
	customers     []Customer
	relationships []Relationship
	incomplete    *failure.Record // why one of the two is missing; nil when none is
	readAt        time.Time
}

// sourcesOf reads the customers and the relationships of the tenant's partner, unless that was done a short while ago. It fails only
// when neither can be read.
func (s *Service) sourcesOf(ctx context.Context, r *tenant.Resolved, snapshot *Snapshot, by audit.Actor) (*customerSources, error) {
	key := listKey{r.Tenant.ID, snapshot.Active.ConsentID}
	result := s.lists.DoChan("sources/"+key.tenantID+"/"+key.consentID, func() (any, error) {
		if known, ok := s.sources.Get(key); ok && !s.cfg.Now().Before(known.readAt) && s.cfg.Now().Before(known.readAt.Add(sourcesFresh)) {
			return known, nil
		}
		// The reading is shared: a caller that cancels must not end it for the others.
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), listWithin)
		defer cancel()
		read := &customerSources{readAt: s.cfg.Now()}
		var customersErr, relationshipsErr error
		read.customers, customersErr = s.partnerCustomers(shared, r, snapshot, by)
		read.relationships, relationshipsErr = s.relationships(shared, r, snapshot, by)
		if customersErr != nil && relationshipsErr != nil {
			return nil, customersErr
		}
		if err := cmp.Or(customersErr, relationshipsErr); err != nil {
			read.incomplete = failure.NewRecord(shared, err)
		}
		s.sources.Add(key, read)
		return read, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case res := <-result:
		if res.Err != nil {
			return nil, res.Err
		}
		return res.Val.(*customerSources), nil
	}
}
