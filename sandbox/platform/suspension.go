package platform

import (
	"context"
	"net/http"
	"slices"
)

// suspendableType is implemented by the types of resources that can be suspended (docs/reference/aps-protocol.md §3.11).
const suspendableType = "http://aps-standard.org/types/core/suspendable/1.0"

// Suspend suspends a resource, as the platform does during a credit hold: the connector's PUT …/disable must succeed. It
// refuses a resource whose type cannot be suspended.
func (p *Platform) Suspend(ctx context.Context, id string) error {
	return p.suspend(ctx, id, "/disable", ready, disabled)
}

// Resume resumes a suspended resource by PUT …/enable.
func (p *Platform) Resume(ctx context.Context, id string) error {
	return p.suspend(ctx, id, "/enable", disabled, ready)
}

func (p *Platform) suspend(ctx context.Context, id, operation, from, to string) error {
	in, r, err := p.served(id)
	if err != nil {
		return err
	}
	p.mu.Lock()
	switch {
	case !implements(p.types, r.typeID, suspendableType):
		err = badRequest("resource %s cannot be suspended: its type %s does not implement %s", id, r.typeID, suspendableType)
	case r.status != from:
		err = conflict("resource %s is not %s but %s", id, from, r.status)
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	answer, err := p.lifecycle(ctx, in, id, http.MethodPut, p.path(id)+operation, cause{})
	if err == nil && !slices.Contains([]int{200, 204}, answer.Status) {
		err = refused("suspending or resuming", answer)
	}
	if err != nil {
		return err
	}
	return p.storeAnswer(id, answer, to)
}
