package platform

import (
	"context"
	"net/http"
	"slices"
)

// Upgrade upgrades an instance to the newest imported version that its own can be upgraded to. It calls the connector first,
// with the root in its old type, and then exchanges the types of all resources and the screens; when the connector refuses, or
// answers with what the new type does not allow, the old version stays.
func (p *Platform) Upgrade(ctx context.Context, instanceID string) error {
	p.mu.Lock()
	in := p.instances[instanceID]
	if in == nil || in.installed == nil {
		p.mu.Unlock()
		return notFound("application instance", instanceID)
	}
	from, root := in.installed, p.resources[in.root]
	to := p.newest(from.packageID, "", "")
	ok, err := upgrades(from, to)
	if err == nil && !ok {
		err = conflict("version %s cannot be upgraded to %s", from.label(), to.label())
	}
	if err != nil {
		p.mu.Unlock()
		return err
	}
	root.status = upgrading
	p.touch(root)
	call := hookCall{
		method: http.MethodPost, path: "/" + root.service + "/" + root.id + "/upgrade", query: "version=" + from.label(),
		body: clone(p.view(audience{account: root.owner, instance: in.id}, root)), phase: "sync", owner: root.owner,
	}
	p.mu.Unlock()

	answer, err := p.hook(ctx, in, call)
	if err == nil && !slices.Contains([]int{200, 204}, answer.Status) {
		err = refused("upgrading", answer)
	}
	if err != nil {
		p.setStatus(in.root, ready)
		return err
	}
	return p.exchangeTypes(in, from, to, answer)
}

// exchangeTypes switches an instance to another version of its package, and its resources to the types of that version. The
// connector's answer to the upgrade may name the old type of the root or the new one, and has values of the new one.
func (p *Platform) exchangeTypes(in *instance, from, to *installed, answer Answer) error {
	values, err := answer.values()
	p.mu.Lock()
	defer p.mu.Unlock()
	type state struct {
		typeID     string
		properties map[string]any
	}
	before := make(map[string]state)
	in.installed = to
	for _, r := range p.resources {
		if t := to.services[r.service]; r.instance == in.id && t != nil {
			before[r.id] = state{r.typeID, r.properties}
			r.typeID, r.properties = t.ID, withDefaults(t, r.properties)
		}
	}
	root := p.resources[in.root]
	if err == nil {
		if aps, _ := values["aps"].(map[string]any); aps["type"] == before[root.id].typeID {
			aps["type"] = root.typeID
		}
		err = p.setProperties(root, values)
	}
	for id := range before {
		if r := p.resources[id]; err == nil {
			err = checkProperties(p.types[r.typeID], r.properties)
		}
	}
	if err != nil {
		in.installed = from
		for id, old := range before {
			p.resources[id].typeID, p.resources[id].properties = old.typeID, old.properties
		}
	}
	root.status = ready
	p.touch(root)
	return err
}

// withDefaults returns the properties that a type declares, and the defaults of those that are missing.
func withDefaults(t *typeDefinition, properties map[string]any) map[string]any {
	kept := make(map[string]any)
	for name, d := range t.Properties {
		if v, ok := properties[name]; ok {
			kept[name] = v
		} else if d.Default != nil {
			kept[name] = d.Default
		}
	}
	return kept
}
