package platform

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// A Caller is the caller of an operation, or who reads or changes a resource. The zero Caller is the platform itself.
type Caller struct {
	userID     string
	originalID string
	instanceID string
	as         string // account under whose rights an application or a tool calls; empty for an application's own context
	locale     string // empty: that of the user
	scheduled  string // the date that a change is planned for
}

// AsUser returns a user of a panel as the caller.
func AsUser(id string) Caller { return Caller{userID: id} }

// AsSession returns the user of a session as the caller, with the user who logged in as them.
func AsSession(s Session) Caller { return Caller{userID: s.UserID, originalID: s.OriginalID} }

// AsApplication returns another application as the caller, in its own context: a referrer of the resources that it is
// linked with.
func AsApplication(instanceID string) Caller { return Caller{instanceID: instanceID} }

// WithLocale returns c in a panel with another language than the user's own, for example de_DE.
func (c Caller) WithLocale(locale string) Caller {
	c.locale = locale
	return c
}

// ScheduledOn returns c, who plans a change for a date, as in 2026-12-01.
func (c Caller) ScheduledOn(date string) Caller {
	c.scheduled = date
	return c
}

// Call calls a custom operation of a resource, as a panel or another application does. path is that of the operation below
// the resource, percent-encoded, with the query and without a leading slash. Call checks the rules of the type, and then
// returns the connector's answer unchanged. A refusal by the platform is an answer, too.
func (p *Platform) Call(ctx context.Context, by Caller, method, resourceID, path string, body []byte) Answer {
	answer, err := p.call(ctx, by, method, resourceID, path, body)
	if err != nil {
		return answerOf(asRefusal(err).Status, asRefusal(err))
	}
	return answer
}

// Read reads a resource as a panel or another application does, after it has refreshed it. A refusal is an answer, too.
func (p *Platform) Read(ctx context.Context, by Caller, resourceID string) Answer {
	view, err := p.refreshed(ctx, by, resourceID)
	if err != nil {
		return answerOf(asRefusal(err).Status, asRefusal(err))
	}
	return answerOf(http.StatusOK, view)
}

// Change changes properties of a resource as a panel does, if the connector accepts that. The answer is the resource, or a
// refusal.
func (p *Platform) Change(ctx context.Context, by Caller, resourceID string, body []byte) Answer {
	changed, err := p.changesOf(resourceID, body)
	if err == nil {
		err = p.ConfigureAs(ctx, by, resourceID, changed)
	}
	var view map[string]any
	if err == nil {
		view, err = p.readAs(by, resourceID)
	}
	if err != nil {
		return answerOf(asRefusal(err).Status, asRefusal(err))
	}
	return answerOf(http.StatusOK, view)
}

// refreshed returns the view of a resource for a caller. A resource of an application is read from it first
// (docs/reference/aps-protocol.md §3.11, §5.1), unless the application itself reads it or the resource is in transition.
func (p *Platform) refreshed(ctx context.Context, by Caller, id string) (map[string]any, error) {
	p.mu.Lock()
	c, a, err := p.identify(by)
	r := p.resources[id]
	switch {
	case err != nil:
	case r == nil || !p.sees(a, r):
		err = notFound("resource", id)
	case r.instance == "" || r.instance == by.instanceID || p.instances[r.instance].installed == nil || r.status != ready && r.status != disabled:
		r = nil
	}
	p.mu.Unlock()
	if err == nil && r != nil {
		err = p.refresh(ctx, id, c)
	}
	if err != nil {
		return nil, err
	}
	return p.read(a, id)
}

// readAs returns the view of a resource for a caller as it is stored.
func (p *Platform) readAs(by Caller, id string) (map[string]any, error) {
	p.mu.Lock()
	_, a, err := p.identify(by)
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return p.read(a, id)
}

// read returns the view of a resource for an audience.
func (p *Platform) read(a audience, id string) (map[string]any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.resources[id]
	if r == nil || !p.sees(a, r) {
		return nil, notFound("resource", id)
	}
	return clone(p.view(a, r)), nil
}

// answerOf returns an answer of the platform itself.
func answerOf(status int, v any) Answer {
	text, err := json.Marshal(v)
	if err != nil {
		panic("platform: an answer is not JSON: " + err.Error())
	}
	return Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: text}
}

func (p *Platform) call(ctx context.Context, by Caller, method, id, path string, body []byte) (Answer, error) {
	in, r, err := p.served(id)
	if err != nil {
		return Answer{}, err
	}
	path, query, _ := strings.Cut(path, "?")
	p.mu.Lock()
	c, a, err := p.identify(by)
	var operation *operationDefinition
	if err == nil {
		operation, err = p.operation(r, method, path)
	}
	if err == nil && !allowed(p.role(a, r), operation.Access, p.types[r.typeID].Access) {
		err = forbidden("%s may not call %s %s of resource %s", p.describe(c.account), method, path, id)
	}
	// Reading a suspended resource, and its other operations, are the application's own affair.
	if err == nil && r.status != ready && r.status != disabled {
		err = conflict("resource %s is not ready: %s", id, r.status)
	}
	owner, definition := r.owner, p.types[r.typeID]
	p.mu.Unlock()
	if err != nil {
		return Answer{}, err
	}
	call := hookCall{method: method, path: p.path(id) + "/" + path, query: query, cause: c, owner: owner}
	if call.body, err = operation.body(definition, body); err != nil {
		return Answer{}, err
	}
	return p.hook(ctx, in, call)
}

// CallStatic calls a static operation of a service, which belongs to no resource. Everyone who may see the service's type
// may call it, unless the operation says otherwise.
func (p *Platform) CallStatic(ctx context.Context, by Caller, method, instanceID, service, path string, body []byte) Answer {
	answer, err := p.callStatic(ctx, by, method, instanceID, service, path, body)
	if err != nil {
		return answerOf(asRefusal(err).Status, asRefusal(err))
	}
	return answer
}

func (p *Platform) callStatic(ctx context.Context, by Caller, method, instanceID, service, path string, body []byte) (Answer, error) {
	path, query, _ := strings.Cut(path, "?")
	p.mu.Lock()
	in := p.instances[instanceID]
	c, a, err := p.identify(by)
	var t *typeDefinition
	var root *resource
	switch {
	case err != nil:
	case in == nil || in.installed == nil:
		err = notFound("application instance", instanceID)
	case in.installed.services[service] == nil:
		err = notFound("service", service)
	default:
		t, root = in.installed.services[service], p.resources[in.root]
	}
	var operation *operationDefinition
	if err == nil {
		operation, err = t.operation(method, path, true)
	}
	if err == nil && !allowed(p.role(a, root), operation.Access, t.Access) {
		err = forbidden("%s may not call %s %s of service %s", p.describe(c.account), method, path, service)
	}
	p.mu.Unlock()
	if err != nil {
		return Answer{}, err
	}
	call := hookCall{method: method, path: "/" + service + "/" + path, query: query, cause: c, owner: c.account}
	if call.body, err = operation.body(t, body); err != nil {
		return Answer{}, err
	}
	return p.hook(ctx, in, call)
}

// identify returns the cause of a call, and the audience whose rights apply. The caller holds p.mu.
func (p *Platform) identify(by Caller) (cause, audience, error) {
	if by.instanceID != "" {
		in := p.instances[by.instanceID]
		if in == nil {
			return cause{}, audience{}, notFound("application instance", by.instanceID)
		}
		return cause{application: in.id, account: by.as, scheduled: by.scheduled}, audience{account: by.as, instance: in.id, own: by.as == ""}, nil
	}
	if by.userID == "" { // a tool, or the platform itself
		account := by.as
		if account == "" {
			account = p.provider().ID
		}
		return cause{account: by.as, scheduled: by.scheduled}, audience{account: account}, nil
	}
	u := p.users[by.userID]
	if u == nil {
		return cause{}, audience{}, notFound("user", by.userID)
	}
	locale := by.locale
	if locale == "" {
		locale = u.Locale
	}
	return cause{user: u.ID, original: by.originalID, account: u.AccountID, locale: locale, scheduled: by.scheduled}, audience{account: u.AccountID}, nil
}

// operation finds the operation of a resource by method and path.
func (p *Platform) operation(r *resource, method, path string) (*operationDefinition, error) {
	return p.types[r.typeID].operation(method, path, false)
}

func (t *typeDefinition) operation(method, path string, static bool) (*operationDefinition, error) {
	known := false
	for _, o := range t.Operations {
		if o.Static != static || !matchPath(o.Path, "/"+path) {
			continue
		}
		known = true
		if o.Verb == method {
			return o, nil
		}
	}
	if known {
		return nil, refuse(http.StatusMethodNotAllowed, "Exception", "the operation %s has another verb than %s", path, method)
	}
	return nil, notFound("operation", path)
}

func matchPath(pattern, path string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if strings.HasPrefix(want[i], "{") {
			if plain, err := url.PathUnescape(have[i]); err != nil || plain == "" {
				return false
			}
		} else if want[i] != have[i] {
			return false
		}
	}
	return true
}

// body checks the body of a call against the parameters, and returns the body for the connector: one parameter of an
// object type is the whole body, and primitives are members of it (docs/reference/aps-protocol.md §3.8).
func (o *operationDefinition) body(t *typeDefinition, body []byte) (any, error) {
	members := make(map[string]*parameterDefinition)
	required := false
	for name, d := range o.Parameters {
		if d.Kind == "body" {
			members[name] = d
			required = required || d.Required
		}
	}
	if len(body) == 0 {
		if required {
			return nil, badRequest("the body is missing")
		}
		return nil, nil
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, badRequest("the body is not JSON")
	}
	object, isObject := v.(map[string]any)
	if len(members) == 0 && (!isObject || len(object) > 0) {
		return nil, badRequest("the operation takes no body")
	}
	for name, d := range members {
		if err := d.check(t, name, v, object); err != nil {
			return nil, err
		}
	}
	return json.RawMessage(body), nil
}

// check checks one parameter of kind body.
func (d *parameterDefinition) check(t *typeDefinition, name string, whole any, members map[string]any) error {
	definition := &propertyDefinition{Type: d.Type, Items: d.Items}
	if s := t.Structures[d.Type]; s != nil {
		for member, m := range s.Properties {
			if _, ok := members[member]; m.Required && !ok {
				return badRequest("the parameter %s has no %s", name, member)
			}
		}
	}
	if !isPrimitive(d.Type) {
		return checkValue(t, name, definition, whole)
	}
	v, ok := members[name]
	switch {
	case ok:
		return checkValue(t, name, definition, v)
	case d.Required:
		return badRequest("the parameter %s is missing", name)
	}
	return nil
}

func isPrimitive(kind string) bool {
	switch kind {
	case "string", "number", "integer", "boolean", "array":
		return true
	}
	return false
}
