package platform

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"azure-partner-connector/connector/random"
)

// CreateTenant subscribes an account to the only instance, and provisions the resource of its service "tenant". If there
// are several instances, use CreateTenantOf.
func (p *Platform) CreateTenant(ctx context.Context, accountID string, properties map[string]any) (id string, err error) {
	p.mu.Lock()
	var found []string
	for _, in := range p.instances {
		if in.installed != nil {
			found = append(found, in.id)
		}
	}
	p.mu.Unlock()
	if len(found) != 1 {
		return "", badRequest("there are %d instances; one must be named", len(found))
	}
	return p.CreateTenantOf(ctx, found[0], accountID, "", properties)
}

// CreateTenantOf subscribes an account to an instance and provisions the resource of its service "tenant", which the
// account then owns. userID is the user who ordered it, or empty for the platform. If the connector refuses,
// CreateTenantOf undoes everything, and the error has the connector's message.
func (p *Platform) CreateTenantOf(ctx context.Context, instanceID, accountID, userID string, properties map[string]any) (id string, err error) {
	return p.CreateTenantAs(ctx, AsUser(userID), instanceID, accountID, properties)
}

// CreateTenantAs is CreateTenantOf for any caller, for example another application that orders the subscription.
func (p *Platform) CreateTenantAs(ctx context.Context, by Caller, instanceID, accountID string, properties map[string]any) (id string, err error) {
	in, r, c, err := p.addTenant(by, instanceID, accountID, properties)
	if err != nil {
		return "", err
	}
	if err := p.provision(ctx, in, r.id, c); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.forget(r.subscription)
		return "", err
	}
	p.notifyRoot(ctx, in, r, c)
	return r.id, nil
}

func (p *Platform) addTenant(by Caller, instanceID, accountID string, properties map[string]any) (*instance, *resource, cause, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := p.instances[instanceID]
	if in == nil || in.installed == nil {
		return nil, nil, cause{}, notFound("application instance", instanceID)
	}
	t := in.installed.services["tenant"]
	switch {
	case t == nil:
		return nil, nil, cause{}, badRequest("the package has no service tenant")
	case p.accounts[accountID] == nil:
		return nil, nil, cause{}, notFound("account", accountID)
	case p.resources[in.root] == nil || p.resources[in.root].status != ready:
		return nil, nil, cause{}, conflict("the instance is not ready")
	}
	values := merged(properties, nil)
	if err := checkCreated(t, values); err != nil {
		return nil, nil, cause{}, err
	}
	subscription := &resource{
		id: random.ID(), typeID: subscriptionType, status: ready, owner: accountID,
		properties: map[string]any{"subscriptionId": p.number(), "name": "Azure Partner"},
		links:      map[string][]string{"account": {accountID}},
	}
	p.store(subscription)
	r := &resource{
		id: random.ID(), typeID: t.ID, status: provisioning, owner: accountID, instance: in.id, service: "tenant",
		subscription: subscription.id, properties: values,
		links: map[string][]string{"account": {accountID}, "subscription": {subscription.id}},
	}
	// Relations to the type of the root are linked with the root.
	for _, name := range slices.Sorted(maps.Keys(t.Relations)) {
		if implements(p.types, p.resources[in.root].typeID, t.Relations[name].Type) {
			r.links[name] = []string{in.root}
		}
	}
	for name, d := range relationsOf(p.types, t) {
		if d.Required && len(r.links[name]) == 0 {
			p.forget(subscription.id)
			return nil, nil, cause{}, badRequest("nothing can be linked as the required %s", name)
		}
	}
	c, _, err := p.identify(by)
	if err != nil {
		p.forget(subscription.id)
		return nil, nil, cause{}, err
	}
	p.store(r)
	return in, r, c, nil
}

// notifyRoot notifies the root that a tenant was linked with it, if its type has a collection of tenants. A connector need
// not support that (docs/reference/aps-protocol.md §1.5).
func (p *Platform) notifyRoot(ctx context.Context, in *instance, r *resource, c cause) {
	p.mu.Lock()
	root := p.resources[in.root]
	relation := ""
	for name, d := range relationsOf(p.types, p.types[root.typeID]) {
		if d.Collection && implements(p.types, r.typeID, d.Type) && !satisfies(resourceType, d.Type) {
			relation = name
			root.links = mergedLinks(root.links, name, r.id)
		}
	}
	call := hookCall{
		method: http.MethodPost, path: "/" + root.service + "/" + root.id + "/" + relation,
		body: map[string]any{"aps": map[string]any{"id": r.id, "type": r.typeID}}, cause: c, owner: r.owner,
	}
	p.mu.Unlock()
	if relation == "" {
		return
	}
	answer, err := p.hook(ctx, in, call)
	if err != nil || !slices.Contains([]int{200, 204, 404, 405, 501}, answer.Status) {
		p.cfg.Log.WarnContext(ctx, "notifying the root of a link failed", "resource", root.id, "relation", relation, "status", answer.Status, "err", err)
	}
}
