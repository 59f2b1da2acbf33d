package token

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/tenant"
)

// A RelationshipEnd is when the last active relationship with a customer ends that does not extend itself.
type RelationshipEnd struct {
	DirectoryID string
	Name        string // never empty
	EndsAt      time.Time
}

// RelationshipEnds reads from Graph which customers of a tenant that was just resolved have active relationships that all end, the
// first to end first. One that extends itself, or whose end is not told, keeps its customer out.
func (s *Service) RelationshipEnds(ctx context.Context, r tenant.Resolved) ([]RelationshipEnd, error) {
	snapshot, err := s.usableSnapshot(ctx, &r)
	if err != nil {
		return nil, err
	}
	all, err := s.relationships(ctx, &r, &snapshot, audit.Actor{Kind: audit.Scheduler, Name: "relationships"})
	if err != nil {
		return nil, err
	}
	var ends []RelationshipEnd
	for _, c := range joined(nil, all, nil) {
		if c.Active() && !slices.ContainsFunc(c.Relationships, func(r Relationship) bool { return r.Active && (r.AutoExtends || r.EndsAt.IsZero()) }) {
			id := c.Customer.DirectoryID
			ends = append(ends, RelationshipEnd{id, cmp.Or(c.Name, c.Relationships[0].Name, id), c.EndsAt()})
		}
	}
	slices.SortFunc(ends, func(a, b RelationshipEnd) int {
		return cmp.Or(a.EndsAt.Compare(b.EndsAt), strings.Compare(a.DirectoryID, b.DirectoryID))
	})
	return ends, nil
}
