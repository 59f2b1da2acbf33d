package platform

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"azure-partner-connector/connector/random"
)

// A resourceBody is a resource as clients send it (docs/reference/aps-protocol.md §3.2).
type resourceBody struct {
	id, typeID string
	links      map[string]string // relation → id; a relation with several links has the first only
	properties map[string]any
}

// readResource reads a resource from a request. The relations are those of its type.
func (p *Platform) readResource(r *http.Request, typeOf func(b resourceBody) string) (resourceBody, error) {
	body, err := readBody(r.Body)
	if err != nil {
		return resourceBody{}, badRequest("%v", err)
	}
	b := resourceBody{links: make(map[string]string)}
	if err := json.Unmarshal(body, &b.properties); err != nil || b.properties == nil {
		return resourceBody{}, badRequest("the body is not a JSON object")
	}
	aps, _ := b.properties["aps"].(map[string]any)
	b.id, _ = aps["id"].(string)
	b.typeID, _ = aps["type"].(string)
	delete(b.properties, "aps")
	p.mu.Lock()
	defer p.mu.Unlock()
	t := find(p.types, typeOf(b))
	if t == nil {
		return b, nil
	}
	for relation := range relationsOf(p.types, t) {
		if link, ok := b.properties[relation]; ok {
			b.links[relation] = linkedID(link)
			delete(b.properties, relation)
		}
	}
	return b, nil
}

// linkedID returns the id in a link, {"aps":{"id":…}}.
func linkedID(link any) string {
	members, _ := link.(map[string]any)
	aps, _ := members["aps"].(map[string]any)
	id, _ := aps["id"].(string)
	return id
}

// serveProvision answers POST /aps/2/resources: it subscribes an account, which the link names or which is that of the caller, to
// an instance, which a link to its root names if there are several.
func (p *Platform) serveProvision(w http.ResponseWriter, r *http.Request, c client) {
	b, err := p.readResource(r, func(b resourceBody) string { return b.typeID })
	var view map[string]any
	if err == nil {
		view, err = p.provisionAs(r, c, b)
	}
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, view)
}

func (p *Platform) provisionAs(r *http.Request, c client, b resourceBody) (map[string]any, error) {
	p.mu.Lock()
	instanceID, err := p.instanceFor(b)
	account := b.links["account"]
	if account == "" {
		account = c.audience.account
	}
	if err == nil && account != c.audience.account && !p.isAbove(c.audience.account, account) {
		err = forbidden("%s may not order for account %s", p.describe(c.audience.account), account)
	}
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	id, err := p.CreateTenantAs(r.Context(), c.caller(), instanceID, account, b.properties)
	if err != nil {
		return nil, err
	}
	return p.readAs(c.caller(), id)
}

// instanceFor returns the instance whose service tenant has the type of b. The caller holds p.mu.
func (p *Platform) instanceFor(b resourceBody) (id string, err error) {
	var found []string
	for _, in := range p.instances {
		if in.installed == nil || in.installed.services["tenant"] == nil || !satisfies(in.installed.services["tenant"].ID, b.typeID) {
			continue
		}
		if slices.Contains(slices.Collect(maps.Values(b.links)), in.root) {
			return in.id, nil
		}
		found = append(found, in.id)
	}
	switch {
	case len(found) == 0:
		return "", badRequest("no application provisions resources of the type %q", b.typeID)
	case len(found) > 1:
		return "", badRequest("%d instances provision resources of the type %s; link one of their roots", len(found), b.typeID)
	}
	return found[0], nil
}

// serveConfigure answers PUT /aps/2/resources/{id}, or without id of a whole resource.
func (p *Platform) serveConfigure(w http.ResponseWriter, r *http.Request, c client) {
	b, err := p.readResource(r, func(b resourceBody) string { return p.typeOf(cmp.Or(r.PathValue("id"), b.id)) })
	id := cmp.Or(r.PathValue("id"), b.id)
	if err == nil && b.id != "" && b.id != id {
		err = badRequest("the body is that of the resource %s", b.id)
	}
	var view map[string]any
	if err == nil {
		err = p.ConfigureAs(r.Context(), c.caller(), id, b.properties)
	}
	if err == nil {
		view, err = p.readAs(c.caller(), id)
	}
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, view)
}

// typeOf returns the type of a resource; empty for an unknown one. The caller holds p.mu.
func (p *Platform) typeOf(id string) string {
	if r := p.resources[id]; r != nil {
		return r.typeID
	}
	return ""
}

func (p *Platform) serveDelete(w http.ResponseWriter, r *http.Request, c client) {
	if err := p.DeleteAs(r.Context(), c.caller(), r.PathValue("id")); err != nil {
		p.writeError(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// serveRelation answers GET /aps/2/resources/{id}/{relation} with the linked resources that the client sees. It reports false
// for an operation.
func (p *Platform) serveRelation(w http.ResponseWriter, r *http.Request, c client) bool {
	p.mu.Lock()
	res := p.resources[r.PathValue("id")]
	var t *typeDefinition
	if res != nil {
		t = p.types[res.typeID]
	}
	if t == nil || relationsOf(p.types, t)[r.PathValue("operation")] == nil || !p.sees(c.audience, res) {
		p.mu.Unlock()
		return false
	}
	list := []map[string]any{}
	for _, id := range res.links[r.PathValue("operation")] {
		if other := p.resources[id]; other != nil && p.sees(c.audience, other) {
			list = append(list, clone(p.view(c.audience, other)))
		}
	}
	p.mu.Unlock()
	writePage(w, list, 0, len(list))
	return true
}

// serveLinks answers GET /aps/2/resources/{id}/aps/links: every link of a resource, in the order of relations. Only the address is
// documented (docs/reference/aps-protocol.md §5.1); the form of the answer is inferred.
func (p *Platform) serveLinks(w http.ResponseWriter, r *http.Request, c client) {
	p.mu.Lock()
	res := p.resources[r.PathValue("id")]
	if res == nil || !p.sees(c.audience, res) {
		p.mu.Unlock()
		p.writeError(w, r, notFound("resource", r.PathValue("id")))
		return
	}
	list := []map[string]any{}
	for _, relation := range slices.Sorted(maps.Keys(res.links)) {
		for _, id := range res.links[relation] {
			list = append(list, map[string]any{"name": relation, "id": id, "href": "/aps/2/resources/" + id})
		}
	}
	p.mu.Unlock()
	writePage(w, list, 0, len(list))
}

// serveRegister answers POST /aps/2/application/{service}: an application registers a resource that it has already. The platform
// doesn't call it back.
func (p *Platform) serveRegister(w http.ResponseWriter, r *http.Request, c client) {
	b, err := p.readResource(r, func(resourceBody) string {
		in := p.instances[c.audience.instance]
		if in == nil || in.installed == nil || in.installed.services[r.PathValue("service")] == nil {
			return ""
		}
		return in.installed.services[r.PathValue("service")].ID
	})
	var view map[string]any
	if err == nil {
		view, err = p.register(c, r.PathValue("service"), b)
	}
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, view)
}

func (p *Platform) register(c client, service string, b resourceBody) (map[string]any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := p.instances[c.audience.instance]
	switch {
	case in == nil || in.installed == nil:
		return nil, forbidden("only applications register resources")
	case in.installed.services[service] == nil || service == in.installed.root:
		return nil, notFound("service", service)
	case b.id != "" && p.resources[b.id] != nil:
		return nil, conflict("resource %s is registered already", b.id)
	}
	t := in.installed.services[service]
	r := &resource{
		id: cmp.Or(b.id, random.ID()), typeID: t.ID, status: ready, owner: cmp.Or(c.audience.account, p.resources[in.root].owner),
		instance: in.id, service: service, properties: b.properties, links: make(map[string][]string),
	}
	for name, d := range relationsOf(p.types, t) {
		id := b.links[name]
		switch other := p.resources[id]; {
		case id == "" && d.Required:
			return nil, badRequest("the required relation %s is missing", name)
		case id == "":
			continue
		case other == nil || !p.sees(c.audience, other):
			return nil, notFound("resource", id)
		case !implements(p.types, other.typeID, d.Type):
			return nil, badRequest("resource %s is no %s", id, d.Type)
		}
		r.links[name] = []string{id}
	}
	if account := r.links["account"]; len(account) > 0 {
		r.owner = account[0]
	}
	if err := checkProperties(t, r.properties); err != nil {
		return nil, err
	}
	p.store(r)
	return clone(p.view(audience{instance: in.id, own: true}, r)), nil
}

// serveUnregister answers DELETE /aps/2/application/{service}/{id}: an application says that a resource is gone.
func (p *Platform) serveUnregister(w http.ResponseWriter, r *http.Request, c client) {
	id := r.PathValue("id")
	p.mu.Lock()
	res, in := p.resources[id], p.instances[c.audience.instance]
	var err error
	switch {
	case in == nil:
		err = forbidden("only applications unregister resources")
	case res == nil || res.instance != in.id || res.service != r.PathValue("service"):
		err = notFound("resource", id)
	case id == in.root:
		err = conflict("a root resource is removed with its instance")
	default:
		p.forget(id)
	}
	p.mu.Unlock()
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// serveTypeManager answers GET /aps/2/services/resource-type-manager, with which CloudBlue's installer asks whether it can create
// resource types (docs/reference/aps-protocol.md §7.3).
func (p *Platform) serveTypeManager(w http.ResponseWriter, r *http.Request, c client) {
	p.mu.Lock()
	var view map[string]any
	for _, res := range p.resources {
		if res.typeID == managerType && p.sees(c.audience, res) {
			view = clone(p.view(c.audience, res))
		}
	}
	p.mu.Unlock()
	if view == nil {
		p.writeError(w, r, notFound("service", "resource-type-manager"))
		return
	}
	writeJSON(w, http.StatusOK, view)
}

// serveResourceType answers GET /aps/2/services/resource-type-manager/resourceTypes/{number}.
func (p *Platform) serveResourceType(w http.ResponseWriter, r *http.Request, c client) {
	number, _ := strconv.Atoi(r.PathValue("number"))
	for _, t := range p.ResourceTypes() {
		if t.Number == number && !c.audience.own && c.audience.account == p.Provider().ID {
			writeJSON(w, http.StatusOK, map[string]any{"id": t.Number, "name": t.Name, "resourceClass": t.Class, "activationParameters": t.Parameters})
			return
		}
	}
	p.writeError(w, r, notFound("resource type", r.PathValue("number")))
}
