package platform

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Statuses of a resource (docs/reference/aps-protocol.md §3.3).
const (
	ready          = "aps:ready"
	disabled       = "aps:disabled"
	provisioning   = "aps:provisioning"
	configuring    = "aps:configuring"
	upgrading      = "aps:upgrading"
	unprovisioning = "aps:unprovisioning"
)

// A resource is one APS resource.
type resource struct {
	id           string
	typeID       string
	status       string
	revision     int
	modified     time.Time
	owner        string // account id
	instance     string // id of the instance that serves it; empty for the platform's own
	service      string
	subscription string
	properties   map[string]any
	links        map[string][]string // relation → ids
}

// store stores a resource. The caller holds p.mu, or is the only user of p.
func (p *Platform) store(r *resource) {
	if r.properties == nil {
		r.properties = make(map[string]any)
	}
	if _, ok := p.resources[r.id]; !ok {
		p.created = append(p.created, r.id)
	}
	p.resources[r.id] = r
	p.touch(r)
}

// touch marks a resource as changed now.
func (p *Platform) touch(r *resource) {
	r.revision++
	r.modified = p.now()
}

// forget removes a resource, its subscriptions, and every link to it.
func (p *Platform) forget(id string) {
	delete(p.resources, id)
	p.subscriptions = slices.DeleteFunc(p.subscriptions, func(s *subscription) bool { return s.resource == id })
	p.created = slices.DeleteFunc(p.created, func(other string) bool { return other == id })
	for _, r := range p.resources {
		for relation, ids := range r.links {
			r.links[relation] = slices.DeleteFunc(slices.Clone(ids), func(other string) bool { return other == id })
			if len(r.links[relation]) == 0 {
				delete(r.links, relation)
			}
		}
	}
}

// An audience is the reader of a resource. The zero audience is the platform itself.
type audience struct {
	account  string // the account whose rights apply
	instance string // the calling application; empty for a user
	own      bool   // the application calls in its own context, without impersonation (docs/reference/aps-protocol.md §5.3)
}

// role returns the role of an account towards a resource: "owner", "admin", "global" or "" (docs/reference/aps-protocol.md §4.5).
func (p *Platform) role(a audience, r *resource) string {
	switch {
	case a.own && r.instance == a.instance:
		return "owner"
	case a.own && p.linked(a.instance, r):
		return "referrer"
	case a.own:
		return ""
	case a.account == r.owner:
		return "owner"
	case p.isAbove(a.account, r.owner):
		return "admin"
	case p.types[r.typeID] != nil && p.types[r.typeID].Access["global"]:
		return "global"
	}
	return ""
}

// linked reports whether any resource of an instance is linked with r, in either direction.
func (p *Platform) linked(instance string, r *resource) bool {
	for _, ids := range r.links {
		for _, id := range ids {
			if other := p.resources[id]; other != nil && other.instance == instance {
				return true
			}
		}
	}
	for _, other := range p.resources {
		if other.instance != instance {
			continue
		}
		for _, ids := range other.links {
			if slices.Contains(ids, r.id) {
				return true
			}
		}
	}
	return false
}

// view returns a resource as JSON. Only the application that owns encrypted properties sees them
// (docs/reference/aps-protocol.md §4.2).
func (p *Platform) view(a audience, r *resource) map[string]any {
	aps := map[string]any{
		"id": r.id, "type": r.typeID, "status": r.status, "revision": r.revision,
		"modified": r.modified.Format(time.RFC3339),
	}
	if r.subscription != "" {
		aps["subscription"] = r.subscription
	}
	t := p.types[r.typeID]
	if t != nil {
		aps["schema"] = schemaHref(t)
	}
	if in := p.instances[r.instance]; in != nil && in.installed != nil && in.root == r.id {
		aps["package"] = map[string]any{
			"id": in.installed.id, "href": in.installed.href(),
			"type": in.installed.packageID, "version": in.installed.version, "release": in.installed.release,
		}
	}
	view := map[string]any{"aps": aps}
	role := p.role(a, r)
	for name, v := range r.properties {
		if t != nil && t.Properties[name] != nil {
			d := t.Properties[name]
			if d.Encrypted && a.instance != r.instance || !allowed(role, d.Access, map[string]bool{"referrer": true, "global": true}) {
				continue
			}
		}
		view[name] = v
	}
	for relation, link := range p.links(r) {
		view[relation] = link
	}
	return view
}

// links returns a resource's links as JSON (docs/reference/aps-protocol.md §3.2).
func (p *Platform) links(r *resource) map[string]any {
	links := make(map[string]any)
	for relation, ids := range r.links {
		if len(ids) > 0 {
			links[relation] = map[string]any{"aps": map[string]any{"link": "strong", "id": ids[0], "href": "/aps/2/resources/" + ids[0]}}
		}
	}
	if t := p.types[r.typeID]; t != nil {
		for relation, d := range relationsOf(p.types, t) {
			if d.Collection {
				links[relation] = map[string]any{"aps": map[string]any{"link": "collection", "href": "/aps/2/resources/" + r.id + "/" + relation}}
			}
		}
	}
	return links
}

// allowed reports whether rules give access to a role; defaults are the rules of the type or of the protocol.
func allowed(role string, rules, defaults map[string]bool) bool {
	switch role {
	case "":
		return false
	case "admin":
		return true // always (docs/reference/aps-protocol.md §4.5)
	case "global":
		// Everyone who may see the type may use what isn't reserved for the owner.
		if open, ok := rules["global"]; ok {
			return open
		}
		if open, ok := rules["referrer"]; ok {
			return open
		}
		return defaults["global"]
	}
	if open, ok := rules[role]; ok {
		return open
	}
	if open, ok := defaults[role]; ok {
		return open
	}
	return role == "owner"
}

// lookup returns the value of a dotted name of RQL in a resource's JSON.
func lookup(view map[string]any, name string) any {
	var v any = view
	for _, part := range strings.Split(name, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[part]
	}
	return v
}

// Resource returns a resource as stored, with all properties, as JSON. It is for tests and for the sandbox's own pages.
func (p *Platform) Resource(id string) (content map[string]any, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.resources[id]
	if r == nil {
		return nil, false
	}
	return clone(p.view(audience{account: p.provider().ID, instance: r.instance}, r)), true
}

// ResourcesOf returns the ids of the resources that an account owns and whose type is or implements typeID, oldest
// first.
func (p *Platform) ResourcesOf(accountID, typeID string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []string
	for _, id := range p.created {
		if r := p.resources[id]; r.owner == accountID && implements(p.types, r.typeID, typeID) {
			ids = append(ids, id)
		}
	}
	return ids
}

// clone returns a deep copy of JSON.
func clone(m map[string]any) map[string]any {
	text, err := json.Marshal(m)
	var copied map[string]any
	if err == nil {
		err = json.Unmarshal(text, &copied)
	}
	if err != nil {
		panic("platform: a resource is not JSON: " + err.Error())
	}
	return copied
}

// ordered returns resources in the order of their creation, or by the properties in sort(±name).
func ordered(list []map[string]any, by []string) {
	for _, key := range slices.Backward(by) {
		name, descending := strings.TrimPrefix(strings.TrimPrefix(key, "+"), "-"), strings.HasPrefix(key, "-")
		slices.SortStableFunc(list, func(a, b map[string]any) int {
			order := compareValues(lookup(a, name), lookup(b, name))
			if descending {
				return -order
			}
			return order
		})
	}
}

func compareValues(a, b any) int {
	left, okLeft := a.(float64)
	right, okRight := b.(float64)
	if okLeft && okRight {
		return cmp.Compare(left, right)
	}
	l, _ := a.(string)
	r, _ := b.(string)
	return strings.Compare(l, r)
}

// merged returns old with the values of changed.
func merged(old, changed map[string]any) map[string]any {
	all := maps.Clone(old)
	if all == nil {
		all = make(map[string]any)
	}
	maps.Copy(all, changed)
	return all
}
