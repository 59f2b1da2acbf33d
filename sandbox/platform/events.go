package platform

import (
	"context"
	"net/http"
	"slices"
	"time"

	"azure-partner-connector/connector/random"
)

// The beginnings of the ids of events: those of the standard, and those of the platform's billing
// (docs/reference/aps-protocol.md §3.7).
const (
	eventPrefix   = "http://aps-standard.org/core/events/"
	billingPrefix = "http://parallels.com/aps/events/pa/subscription/"
)

var events = []string{
	eventPrefix + "linked", eventPrefix + "unlinked", eventPrefix + "changed", eventPrefix + "available", eventPrefix + "removed",
	billingPrefix + "renewed", billingPrefix + "activate/changes", billingPrefix + "cancel/changes",
}

// Bounds of the delivery of one event.
const (
	maxRedeliveries = 10          // attempts after the first one failed
	redeliverAfter  = time.Minute // between two attempts; the platform's own is not documented
)

// A subscription delivers events to a resource.
type subscription struct {
	ID       string             `json:"id"`
	Event    string             `json:"event"`
	Source   subscriptionSource `json:"source"`
	Relation string             `json:"relation"`
	Handler  string             `json:"handler"` // name of an operation

	resource string
}

type subscriptionSource struct {
	Type string `json:"type,omitempty"`
	ID   string `json:"id,omitempty"`
}

// A delivery is an event that is being delivered to one subscriber.
type delivery struct {
	subscription *subscription
	body         map[string]any
	failures     int
	next         time.Time
}

// serveSubscribe answers POST /aps/2/resources/{id}/aps/subscriptions.
func (p *Platform) serveSubscribe(w http.ResponseWriter, r *http.Request, c client) {
	s := &subscription{}
	err := readJSON(r, s)
	if err == nil {
		s.ID, s.resource = random.ID(), r.PathValue("id")
		err = p.subscribe(c, s)
	}
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, s)
}

func (p *Platform) subscribe(c client, s *subscription) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	resource, err := p.subscriber(c, s.resource)
	if err != nil {
		return err
	}
	t := p.types[resource.typeID]
	handler := t.Operations[s.Handler]
	switch {
	case !slices.Contains(events, s.Event):
		return badRequest("there is no event %q", s.Event)
	case handler == nil || handler.Verb != http.MethodPost:
		return badRequest("type %s has no operation %q with the verb POST to handle events", t.ID, s.Handler)
	case s.Relation != "" && relationsOf(p.types, t)[s.Relation] == nil:
		return badRequest("type %s has no relation %q", t.ID, s.Relation)
	case (s.Source.Type == "") == (s.Source.ID == ""):
		return badRequest("either a type or an id of the source is expected")
	case s.Source.Type != "" && find(p.types, s.Source.Type) == nil:
		return notFound("type", s.Source.Type)
	case s.Source.ID != "" && p.resources[s.Source.ID] == nil:
		return notFound("resource", s.Source.ID)
	}
	p.subscriptions = append(p.subscriptions, s)
	return nil
}

// subscriber returns a resource whose subscriptions a client may see and change. The caller holds p.mu.
func (p *Platform) subscriber(c client, id string) (*resource, error) {
	resource := p.resources[id]
	if resource == nil || c.audience.instance == "" || resource.instance != c.audience.instance {
		return nil, notFound("resource", id)
	}
	return resource, nil
}

// serveSubscriptions answers GET /aps/2/resources/{id}/aps/subscriptions.
func (p *Platform) serveSubscriptions(w http.ResponseWriter, r *http.Request, c client) {
	list := []*subscription{}
	p.mu.Lock()
	_, err := p.subscriber(c, r.PathValue("id"))
	for _, s := range p.subscriptions {
		if s.resource == r.PathValue("id") {
			list = append(list, s)
		}
	}
	p.mu.Unlock()
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, list)
}

// serveUnsubscribe answers DELETE /aps/2/resources/{id}/aps/subscriptions/{subscription}.
func (p *Platform) serveUnsubscribe(w http.ResponseWriter, r *http.Request, c client) {
	p.mu.Lock()
	_, err := p.subscriber(c, r.PathValue("id"))
	before := len(p.subscriptions)
	if err == nil {
		p.subscriptions = slices.DeleteFunc(p.subscriptions, func(s *subscription) bool {
			return s.resource == r.PathValue("id") && s.ID == r.PathValue("subscription")
		})
		if len(p.subscriptions) == before {
			err = notFound("subscription", r.PathValue("subscription"))
		}
	}
	p.mu.Unlock()
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// emit queues an event of a resource for its subscribers. The caller holds p.mu.
func (p *Platform) emit(event string, source *resource) {
	for _, s := range p.subscriptions {
		to := p.resources[s.resource]
		if to == nil || s.Event != event || !p.matches(s, to, source) {
			continue
		}
		p.serial++
		p.deliveries = append(p.deliveries, &delivery{subscription: s, next: p.now(), body: map[string]any{
			"event": s.Event, "time": p.now().Format(time.RFC3339), "serial": p.serial, "subscription": s.ID,
			"source": map[string]any{"type": source.typeID, "id": source.id},
		}})
	}
}

// matches reports whether a subscription covers source: a resource of its type, with the same owner as the subscriber or
// linked with it (docs/reference/aps-protocol.md §3.7).
func (p *Platform) matches(s *subscription, to, source *resource) bool {
	if s.Source.ID != "" && s.Source.ID != source.id || s.Source.Type != "" && !implements(p.types, source.typeID, s.Source.Type) {
		return false
	}
	if s.Relation != "" {
		return slices.Contains(to.links[s.Relation], source.id)
	}
	for _, ids := range to.links {
		if slices.Contains(ids, source.id) {
			return true
		}
	}
	return to.owner == source.owner
}

// DeliverEvents delivers all events that are due on the platform's clock and returns their number. 200 and 204 end a
// delivery; 202 is retried without limit, and a failure up to ten times.
func (p *Platform) DeliverEvents(ctx context.Context) (delivered int) {
	p.mu.Lock()
	var due []*delivery
	for _, d := range p.deliveries {
		if !d.next.After(p.now()) {
			due = append(due, d)
		}
	}
	p.mu.Unlock()
	for _, d := range due {
		done := p.deliver(ctx, d)
		delivered++
		if done {
			p.mu.Lock()
			p.deliveries = slices.DeleteFunc(p.deliveries, func(other *delivery) bool { return other == d })
			p.mu.Unlock()
		}
	}
	return delivered
}

func (p *Platform) deliver(ctx context.Context, d *delivery) (done bool) {
	in, r, err := p.served(d.subscription.resource)
	if err != nil {
		return true // the subscriber was removed
	}
	p.mu.Lock()
	path := p.types[r.typeID].Operations[d.subscription.Handler].Path
	p.mu.Unlock()
	answer, err := p.hook(ctx, in, hookCall{method: http.MethodPost, path: p.path(r.id) + path, body: d.body, owner: r.owner})
	if err == nil && slices.Contains([]int{http.StatusOK, http.StatusNoContent}, answer.Status) {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	d.next = p.now().Add(redeliverAfter)
	if err != nil || answer.Status != http.StatusAccepted {
		d.failures++
	}
	return d.failures > maxRedeliveries
}

// Undelivered returns the number of events that are not delivered yet.
func (p *Platform) Undelivered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.deliveries)
}

// RenameAccount changes the company name of an account, as its users can in the panel.
func (p *Platform) RenameAccount(id, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, r := p.accounts[id], p.resources[id]
	if a == nil || r == nil {
		return notFound("account", id)
	}
	a.Name = name
	r.properties = merged(r.properties, map[string]any{"companyName": name})
	p.touch(r)
	p.emit(eventPrefix+"changed", r)
	return nil
}

// Bill emits an event of the billing for the subscription of a tenant: renewed, activate/changes or cancel/changes.
func (p *Platform) Bill(tenantID, event string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.resources[tenantID]
	if r == nil || p.resources[r.subscription] == nil {
		return notFound("subscription of resource", tenantID)
	}
	if !slices.Contains(events, billingPrefix+event) {
		return badRequest("there is no event %q", event)
	}
	p.emit(billingPrefix+event, p.resources[r.subscription])
	return nil
}

// serveLink answers POST /aps/2/application/{service}/{id}/{relation}/{other}: an application links its own resource.
func (p *Platform) serveLink(w http.ResponseWriter, r *http.Request, c client) {
	err := p.link(c, r.PathValue("service"), r.PathValue("id"), r.PathValue("relation"), r.PathValue("other"))
	var linked map[string]any
	if err == nil {
		linked, err = p.read(c.audience, r.PathValue("other"))
	}
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, linked)
}

func (p *Platform) link(c client, service, id, relation, other string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	resource, target := p.resources[id], p.resources[other]
	switch {
	case resource == nil || c.audience.instance == "" || resource.instance != c.audience.instance || resource.service != service:
		return notFound("resource", id)
	case target == nil || !p.sees(c.audience, target):
		return notFound("resource", other)
	}
	definition := relationsOf(p.types, p.types[resource.typeID])[relation]
	switch {
	case definition == nil:
		return badRequest("type %s has no relation %q", resource.typeID, relation)
	case !implements(p.types, target.typeID, definition.Type):
		return badRequest("resource %s is no %s", other, definition.Type)
	case !definition.Collection && len(resource.links[relation]) > 0 && resource.links[relation][0] != other:
		return conflict("resource %s is linked by %s already", id, relation)
	}
	resource.links = mergedLinks(resource.links, relation, other)
	p.touch(resource)
	return nil
}
