package platform

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"azure-partner-connector/connector/platform/rql"
)

// Handler serves the platform: the controller below /aps and the operations API at /RPC2
// (docs/reference/aps-protocol.md §5, §7.1), and the mounted handler.
func (p *Platform) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /aps", p.serveVersions)
	mux.HandleFunc("POST /RPC2", p.serveRPC)
	mux.HandleFunc("GET /aps/2/resources", p.authenticated(p.serveList))
	mux.HandleFunc("GET /aps/2/resources/{$}", p.authenticated(p.serveList))
	mux.HandleFunc("GET /aps/2/resources/{id}", p.authenticated(p.serveRead))
	mux.HandleFunc("POST /aps/2/resources", p.authenticated(p.serveProvision))
	mux.HandleFunc("POST /aps/2/resources/{$}", p.authenticated(p.serveProvision))
	mux.HandleFunc("PUT /aps/2/resources", p.authenticated(p.serveConfigure))
	mux.HandleFunc("PUT /aps/2/resources/{$}", p.authenticated(p.serveConfigure))
	mux.HandleFunc("PUT /aps/2/resources/{id}", p.authenticated(p.serveConfigure))
	mux.HandleFunc("DELETE /aps/2/resources/{id}", p.authenticated(p.serveDelete))
	mux.HandleFunc("GET /aps/2/resources/{id}/aps/links", p.authenticated(p.serveLinks))
	mux.HandleFunc("POST /aps/2/resources/{id}/aps/subscriptions", p.authenticated(p.serveSubscribe))
	mux.HandleFunc("GET /aps/2/resources/{id}/aps/subscriptions", p.authenticated(p.serveSubscriptions))
	mux.HandleFunc("DELETE /aps/2/resources/{id}/aps/subscriptions/{subscription}", p.authenticated(p.serveUnsubscribe))
	mux.HandleFunc("POST /aps/2/services/periodic-task-manager/tasks", p.authenticated(p.serveSchedule))
	mux.HandleFunc("GET /aps/2/services/periodic-task-manager/tasks", p.authenticated(p.serveTasks))
	mux.HandleFunc("PUT /aps/2/services/periodic-task-manager/tasks/{id}", p.authenticated(p.serveReschedule))
	mux.HandleFunc("DELETE /aps/2/services/periodic-task-manager/tasks/{id}", p.authenticated(p.serveCancel))
	mux.HandleFunc("GET /aps/2/services/resource-type-manager", p.authenticated(p.serveTypeManager))
	mux.HandleFunc("GET /aps/2/services/resource-type-manager/resourceTypes/{number}", p.authenticated(p.serveResourceType))
	mux.HandleFunc("/aps/2/resources/{id}/{operation...}", p.authenticated(p.serveOperation))
	mux.HandleFunc("GET /aps/2/types", p.authenticated(p.serveTypes))
	mux.HandleFunc("GET /aps/2/types/{number}", p.authenticated(p.serveType))
	mux.HandleFunc("GET /aps/2/packages", p.authenticated(p.servePackages))
	mux.HandleFunc("GET /aps/2/packages/{id}", p.authenticated(func(w http.ResponseWriter, r *http.Request, _ client) { p.servePackage(w, r) }))
	// Panels load these into frames and as scripts, which send no session when the panel isolates them.
	mux.HandleFunc("GET /aps/2/packages/{id}/{file...}", p.servePackage)
	mux.HandleFunc("GET /aps/2/applications/{$}", p.authenticated(p.serveInstances))
	mux.HandleFunc("GET /aps/2/applications", p.authenticated(p.serveInstances))
	mux.HandleFunc("POST /aps/2/applications/{$}", p.authenticated(p.serveCreate))
	mux.HandleFunc("POST /aps/2/applications", p.authenticated(p.serveCreate))
	mux.HandleFunc("GET /aps/2/applications/{id}", p.authenticated(p.serveInstance))
	mux.HandleFunc("PUT /aps/2/applications/{id}", p.authenticated(p.serveRotate))
	mux.HandleFunc("DELETE /aps/2/applications/{id}", p.authenticated(p.serveRemove))
	mux.HandleFunc("GET /aps/2/application", p.authenticated(p.serveServices))
	mux.HandleFunc("POST /aps/2/application/{service}", p.authenticated(p.serveRegister))
	mux.HandleFunc("POST /aps/2/application/{service}/{$}", p.authenticated(p.serveRegister))
	mux.HandleFunc("PUT /aps/2/application/{service}/{id}", p.authenticated(p.servePush))
	mux.HandleFunc("DELETE /aps/2/application/{service}/{id}", p.authenticated(p.serveUnregister))
	mux.HandleFunc("POST /aps/2/application/{service}/{id}/{relation}/{other}", p.authenticated(p.serveLink))
	mux.HandleFunc("/aps/2/ui/", p.serveMounted)
	mux.HandleFunc("/aps/", func(w http.ResponseWriter, r *http.Request) {
		p.writeError(w, r, notFound("address", r.URL.Path))
	})
	mux.HandleFunc("/", p.serveMounted)
	return singleSlashes(mux)
}

// singleSlashes removes doubled slashes, which CloudBlue's installer sends (docs/reference/aps-protocol.md §7.3). The mux
// would answer with a redirect.
func singleSlashes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path, found := strings.CutPrefix(r.URL.Path, "//"); found {
			routed := new(http.Request)
			*routed = *r
			routed.URL = new(url.URL)
			*routed.URL = *r.URL
			routed.URL.Path, routed.URL.RawPath = "/"+strings.TrimLeft(path, "/"), ""
			r = routed
		}
		next.ServeHTTP(w, r)
	})
}

// authenticated serves requests of authenticated clients.
func (p *Platform) authenticated(serve func(http.ResponseWriter, *http.Request, client)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		answer := &statusWriter{ResponseWriter: w}
		if c, err := p.identifyClient(r); err != nil {
			p.writeError(answer, r, err)
		} else {
			serve(answer, r, c)
		}
		// CloudBlue's own client sends the same signed bytes again when it gets a 400 (docs/reference/aps-protocol.md §3.11).
		if answer.status == http.StatusBadRequest {
			p.forgetNonce(r)
		}
	}
}

// A statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (p *Platform) serveMounted(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	mounted := p.mounted
	p.mu.Unlock()
	if mounted == nil {
		http.NotFound(w, r)
		return
	}
	mounted.ServeHTTP(w, r)
}

func (p *Platform) serveVersions(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"versions": map[string]any{"2": map[string]any{
		"version": Version, "href": "/aps/2", "features": map[string]any{"async.customOperation": false},
	}}})
}

// serveList answers GET /aps/2/resources with RQL.
func (p *Platform) serveList(w http.ResponseWriter, r *http.Request, c client) {
	terms, err := rql.Parse(r.URL.RawQuery)
	if err != nil {
		p.writeError(w, r, badRequest("%v", err))
		return
	}
	list, err := p.list(c.audience, terms)
	if err != nil {
		p.writeError(w, r, badRequest("%v", err))
		return
	}
	start, count, err := limits(terms)
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	writePage(w, list, start, count)
}

// writePage writes count items of a list from start on.
func writePage(w http.ResponseWriter, list []map[string]any, start, count int) {
	total := len(list)
	list = list[min(start, total):min(start+count, total)]
	w.Header().Set("Content-Range", fmt.Sprintf("items %d-%d/%d", start, max(start+len(list)-1, start), total))
	writeJSON(w, http.StatusOK, list)
}

// list returns the resources that match the terms, as the audience sees them.
func (p *Platform) list(a audience, terms []rql.Term) ([]map[string]any, error) {
	selected, _ := rql.Find(terms, "select")
	sorted, _ := rql.Find(terms, "sort")
	p.mu.Lock()
	defer p.mu.Unlock()
	found := []map[string]any{}
	for _, id := range p.created {
		res := p.resources[id]
		if !p.sees(a, res) {
			continue
		}
		view := p.view(a, res)
		ok, err := rql.Match(terms, func(name string) any { return lookup(view, name) }, p.asked(res.typeID))
		if err != nil {
			return nil, err
		}
		if ok {
			p.expand(a, view, res, selected)
			found = append(found, clone(view))
		}
	}
	var by []string
	for _, t := range sorted {
		by = append(by, t.Value)
	}
	ordered(found, by)
	return found, nil
}

// expand replaces the links in select(…) by the linked resources.
func (p *Platform) expand(a audience, view map[string]any, r *resource, selected []rql.Term) {
	for _, t := range selected {
		if ids := r.links[t.Value]; len(ids) > 0 {
			if other := p.resources[ids[0]]; other != nil && p.sees(a, other) {
				view[t.Value] = p.view(a, other)
			}
		}
	}
}

// limits returns the values of limit(start,count) or limit(start); the platform's pages have 100 items
// (docs/reference/aps-protocol.md §5.1).
func limits(terms []rql.Term) (start, count int, err error) {
	const page = 100
	args, ok := rql.Find(terms, "limit")
	if !ok {
		return 0, page, nil
	}
	if len(args) < 1 || len(args) > 2 {
		return 0, 0, badRequest("limit takes a start and a count")
	}
	start, err = strconv.Atoi(args[0].Value)
	count = page
	if err == nil && len(args) == 2 {
		count, err = strconv.Atoi(args[1].Value)
	}
	if err != nil || start < 0 || count < 1 {
		return 0, 0, badRequest("limit takes a start and a count")
	}
	return start, min(count, page), nil
}

func (p *Platform) serveRead(w http.ResponseWriter, r *http.Request, c client) {
	view, err := p.refreshed(r.Context(), c.caller(), r.PathValue("id"))
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, view)
}

// caller returns a client as the caller of an operation, or as who reads or changes a resource.
func (c client) caller() Caller {
	if c.session != nil {
		return AsSession(*c.session)
	}
	return Caller{instanceID: c.audience.instance, as: c.audience.account}
}

// changes reads the new properties of a request's resource.
func (p *Platform) changes(r *http.Request) (map[string]any, error) {
	body, err := readBody(r.Body)
	if err != nil {
		return nil, badRequest("%v", err)
	}
	return p.changesOf(r.PathValue("id"), body)
}

// changesOf reads a resource's new properties, without its links and its aps part.
func (p *Platform) changesOf(id string, body []byte) (map[string]any, error) {
	var changed map[string]any
	if err := json.Unmarshal(body, &changed); err != nil || changed == nil {
		return nil, badRequest("the body is not a JSON object")
	}
	delete(changed, "aps")
	p.mu.Lock()
	defer p.mu.Unlock()
	if res := p.resources[id]; res != nil && p.types[res.typeID] != nil {
		for relation := range relationsOf(p.types, p.types[res.typeID]) {
			delete(changed, relation)
		}
	}
	return changed, nil
}

// serveOperation forwards custom operations, and accepts notifications.
func (p *Platform) serveOperation(w http.ResponseWriter, r *http.Request, c client) {
	id := r.PathValue("id")
	p.mu.Lock()
	res := p.resources[id]
	manager := res != nil && res.typeID == notificationType
	extension := res != nil && res.typeID == extensionType
	p.mu.Unlock()
	if extension && r.Method == http.MethodPost && r.PathValue("operation") == "connectionsInfo" {
		p.serveConnections(w, r, c)
		return
	}
	if manager && r.Method == http.MethodPost && r.PathValue("operation") == "notifications" {
		p.serveNotify(w, r, c)
		return
	}
	if r.Method == http.MethodGet && p.serveRelation(w, r, c) {
		return
	}
	body, err := readBody(r.Body)
	if err != nil {
		p.writeError(w, r, badRequest("%v", err))
		return
	}
	// The path is forwarded as received, with its escapes.
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/aps/2/resources/"+id+"/")
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	answer := p.Call(r.Context(), c.caller(), r.Method, id, path, body)
	for _, name := range []string{"Content-Type", "Content-Range", "APS-Info", "APS-Retry-Timeout", "Retry-After"} {
		if v := answer.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body)
}
