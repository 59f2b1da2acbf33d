package platform

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"azure-partner-connector/connector/platform/rql"
	"azure-partner-connector/connector/secret"
)

// instanceBody is an instance as clients send it (docs/reference/aps-protocol.md §7.2).
type instanceBody struct {
	Package struct {
		Type    string `json:"type"`
		Version string `json:"version"`
		Release string `json:"release"`
	} `json:"package"`
	Endpoint string `json:"endpoint"`
	Network  string `json:"network"`
	Auth     struct {
		OAuth struct {
			Key    string      `json:"key"`
			Secret secret.Text `json:"secret"`
		} `json:"oauth"`
	} `json:"auth"`
}

// requireTool refuses all clients except administrators' tools.
func (p *Platform) requireTool(w http.ResponseWriter, r *http.Request, c client) bool {
	if !c.admin {
		p.writeError(w, r, forbidden("instances are for the provider's tools"))
	}
	return c.admin
}

// serveCreate answers POST /aps/2/applications/.
func (p *Platform) serveCreate(w http.ResponseWriter, r *http.Request, c client) {
	if !p.requireTool(w, r, c) {
		return
	}
	request, settings, err := readInstance(r)
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	made, err := p.Create(r.Context(), InstanceRequest{
		PackageID: request.Package.Type, Version: request.Package.Version, Release: request.Package.Release,
		Endpoint: request.Endpoint, Network: request.Network, Key: request.Auth.OAuth.Key, Secret: request.Auth.OAuth.Secret, Settings: settings,
	})
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	p.mu.Lock()
	in := p.instances[made.ID]
	root := p.resources[made.RootID]
	answer := clone(map[string]any{root.service: p.view(audience{account: root.owner}, root), "aps": p.instanceView(in)})
	p.mu.Unlock()
	writeJSON(w, http.StatusOK, answer)
}

func readInstance(r *http.Request) (request instanceBody, settings map[string]any, err error) {
	body, err := readBody(r.Body)
	if err != nil {
		return request, nil, badRequest("%v", err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members["aps"] == nil {
		return request, nil, badRequest("the body is not an instance")
	}
	if err := json.Unmarshal(members["aps"], &request); err != nil {
		return request, nil, badRequest("the instance cannot be read: %v", err)
	}
	settings = make(map[string]any)
	for name, v := range members {
		if name == "aps" {
			continue
		}
		var value any
		if err := json.Unmarshal(v, &value); err != nil {
			return request, nil, badRequest("the setting %s cannot be read", name)
		}
		settings[name] = value
	}
	return request, settings, nil
}

// instanceView returns the aps part of an instance, without its secret. The caller holds p.mu.
func (p *Platform) instanceView(in *instance) map[string]any {
	return map[string]any{
		"id": in.id, "endpoint": in.endpoint, "network": in.network,
		"auth": map[string]any{"oauth": map[string]any{"key": in.credentials.Key}},
		"package": map[string]any{
			"id": in.installed.id, "href": in.installed.href(), "type": in.installed.packageID,
			"version": in.installed.version, "release": in.installed.release,
		},
	}
}

func (p *Platform) serveInstances(w http.ResponseWriter, r *http.Request, c client) {
	if !p.requireTool(w, r, c) {
		return
	}
	p.mu.Lock()
	list := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(p.instances)) {
		if in := p.instances[id]; in.installed != nil {
			list = append(list, p.wholeInstance(in))
		}
	}
	p.mu.Unlock()
	writeJSON(w, http.StatusOK, list)
}

// wholeInstance returns an instance with its root resource.
func (p *Platform) wholeInstance(in *instance) map[string]any {
	whole := map[string]any{"aps": p.instanceView(in)}
	if root := p.resources[in.root]; root != nil {
		whole[root.service] = p.view(audience{account: root.owner}, root)
	}
	return clone(whole)
}

func (p *Platform) serveInstance(w http.ResponseWriter, r *http.Request, c client) {
	if !p.requireTool(w, r, c) {
		return
	}
	p.mu.Lock()
	var whole map[string]any
	if in := p.instances[r.PathValue("id")]; in != nil && in.installed != nil {
		whole = p.wholeInstance(in)
	}
	p.mu.Unlock()
	if whole == nil {
		p.writeError(w, r, notFound("application instance", r.PathValue("id")))
		return
	}
	writeJSON(w, http.StatusOK, whole)
}

// serveRotate answers PUT /aps/2/applications/{instance} with new credentials.
func (p *Platform) serveRotate(w http.ResponseWriter, r *http.Request, c client) {
	if !p.requireTool(w, r, c) {
		return
	}
	request, _, err := readInstance(r)
	if err == nil {
		err = p.Rotate(r.PathValue("id"), request.Auth.OAuth.Key, request.Auth.OAuth.Secret)
	}
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	p.serveInstance(w, r, c)
}

func (p *Platform) serveRemove(w http.ResponseWriter, r *http.Request, c client) {
	if !p.requireTool(w, r, c) {
		return
	}
	if err := p.DeleteInstance(r.Context(), r.PathValue("id")); err != nil {
		p.writeError(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// serveServices answers GET /aps/2/application: the services of the calling instance.
func (p *Platform) serveServices(w http.ResponseWriter, r *http.Request, c client) {
	p.mu.Lock()
	services := make(map[string]any)
	if in := p.instances[c.audience.instance]; in != nil && in.installed != nil {
		for id, t := range in.installed.services {
			services[id] = map[string]any{"schema": schemaHref(t)[1:]}
		}
	}
	p.mu.Unlock()
	if c.audience.instance == "" {
		p.writeError(w, r, forbidden("only applications have services"))
		return
	}
	writeJSON(w, http.StatusOK, services)
}

// servePush answers PUT /aps/2/application/{service}/{id}: an application stores properties of its own resource. The
// platform doesn't call it back.
func (p *Platform) servePush(w http.ResponseWriter, r *http.Request, c client) {
	properties, err := p.changes(r)
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	p.mu.Lock()
	res := p.resources[r.PathValue("id")]
	switch {
	case c.audience.instance == "":
		err = forbidden("only applications push properties")
	case res == nil || res.instance != c.audience.instance || res.service != r.PathValue("service"):
		err = notFound("resource", r.PathValue("id"))
	default:
		if err = checkProperties(p.types[res.typeID], properties); err == nil {
			res.properties = merged(res.properties, properties)
			p.touch(res)
		}
	}
	var view map[string]any
	if err == nil {
		view = clone(p.view(audience{instance: c.audience.instance, own: true}, res))
	}
	p.mu.Unlock()
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, view)
}

func (p *Platform) servePackages(w http.ResponseWriter, r *http.Request, c client) {
	p.mu.Lock()
	list := []map[string]any{}
	for _, i := range p.packages {
		list = append(list, i.describe())
	}
	p.mu.Unlock()
	if c.audience.own {
		p.writeError(w, r, forbidden("packages are the provider's"))
		return
	}
	writeJSON(w, http.StatusOK, list)
}

// serveTypes answers GET /aps/2/types with RQL: id=URI, implementing(URI), composing(URI) and limit.
func (p *Platform) serveTypes(w http.ResponseWriter, r *http.Request, _ client) {
	list, err := p.listTypes(r.URL.RawQuery)
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	writePage(w, list.items, list.start, list.count)
}

// A page is a part of a list.
type page struct {
	items        []map[string]any
	start, count int
}

func (p *Platform) listTypes(query string) (page, error) {
	terms, err := rql.Parse(query)
	if err != nil {
		return page{}, badRequest("%v", err)
	}
	start, count, err := limits(terms)
	if err != nil {
		return page{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	list := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(p.types)) {
		t := p.types[id]
		view := map[string]any{"id": id, "name": t.Name, "apsVersion": t.APSVersion, "href": schemaHref(t), "implements": t.Implements}
		ok, err := rql.Match(terms, func(name string) any { return lookup(view, name) }, p.asked(id))
		if err != nil {
			return page{}, badRequest("%v", err)
		}
		if ok {
			list = append(list, view)
		}
	}
	return page{list, start, count}, nil
}

func (p *Platform) serveType(w http.ResponseWriter, r *http.Request, _ client) {
	number, err := strconv.Atoi(r.PathValue("number"))
	p.mu.Lock()
	var found *typeDefinition
	for _, t := range p.types {
		if err == nil && t.number == number {
			found = t
		}
	}
	p.mu.Unlock()
	switch {
	case found == nil:
		p.writeError(w, r, notFound("type", r.PathValue("number")))
	case found.source != nil:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(found.source)
	default:
		writeJSON(w, http.StatusOK, map[string]any{"apsVersion": "2.0", "id": found.ID, "implements": found.Implements})
	}
}
