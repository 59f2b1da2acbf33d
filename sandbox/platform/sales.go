package platform

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"azure-partner-connector/connector/random"
)

// Classes of resource types (docs/reference/aps-protocol.md §7.3).
const (
	linkClass    = "rc.saas.service.link" // a reference to one resource
	serviceClass = "rc.saas.service"      // a resource of a service, created for each subscription
)

// sales are the resource types and service templates that a provider needs to sell subscriptions.
type sales struct {
	types     []*ResourceType
	templates []*ServiceTemplate
}

// A ResourceType is one component of service templates.
type ResourceType struct {
	Number     int
	Class      string
	Name       string
	Parameters map[string]string // app_id and, by class, resource_uid or service_id and autoprovide_service
}

// A ServiceTemplate is the template of subscriptions.
type ServiceTemplate struct {
	Number int
	Name   string
	Limits map[int]string // number of a resource type → limit; empty for none
}

// ServiceTemplates returns the service templates in the order of their creation.
func (p *Platform) ServiceTemplates() []ServiceTemplate {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []ServiceTemplate
	for _, t := range p.sales.templates {
		list = append(list, *t)
	}
	return list
}

// ResourceTypes returns the resource types in the order of their creation.
func (p *Platform) ResourceTypes() []ResourceType {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []ResourceType
	for _, t := range p.sales.types {
		list = append(list, *t)
	}
	return list
}

// rpcAddResourceType creates a resource type. Only the names of its parameters are documented
// (docs/reference/aps-protocol.md §7.3); their form, a list of structs with var_name and var_value, is inferred.
func (p *Platform) rpcAddResourceType(_ context.Context, m map[string]any) (any, error) {
	class, _ := m["resclass_name"].(string)
	name, _ := m["name"].(string)
	t := &ResourceType{Class: class, Name: name, Parameters: map[string]string{}}
	list, _ := m["act_params"].([]any)
	for _, item := range list {
		pair, _ := item.(map[string]any)
		key, _ := pair["var_name"].(string)
		if key == "" || pair["var_value"] == nil {
			return nil, badRequest("a parameter of the resource type has no name or no value")
		}
		t.Parameters[key] = fmt.Sprint(pair["var_value"])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.checkResourceType(t); err != nil {
		return nil, err
	}
	t.Number = p.number()
	p.sales.types = append(p.sales.types, t)
	return map[string]any{"resource_type_id": t.Number}, nil
}

func (p *Platform) checkResourceType(t *ResourceType) error {
	var of *installed
	for _, i := range p.packages {
		if t.Parameters["app_id"] != "" && t.Parameters["app_id"] == strconv.Itoa(i.application) {
			of = i
		}
	}
	switch {
	case t.Name == "":
		return badRequest("a resource type needs a name")
	case of == nil:
		return notFound("application", t.Parameters["app_id"])
	case t.Class == linkClass && p.resources[t.Parameters["resource_uid"]] == nil:
		return notFound("resource", t.Parameters["resource_uid"])
	case t.Class == serviceClass && of.services[t.Parameters["service_id"]] == nil:
		return notFound("service", t.Parameters["service_id"])
	case t.Class != linkClass && t.Class != serviceClass:
		return badRequest("resource types of the class %q are not for this application", t.Class)
	}
	return nil
}

func (p *Platform) rpcResourceTypes(_ context.Context, m map[string]any) (any, error) {
	list := []any{}
	for _, t := range p.ResourceTypes() {
		if t.Class == m["resclass_name"] {
			list = append(list, map[string]any{"resource_type_id": t.Number, "resource_type_name": t.Name, "resclass_name": t.Class})
		}
	}
	return list, nil
}

func (p *Platform) rpcAddServiceTemplate(_ context.Context, m map[string]any) (any, error) {
	name, _ := m["name"].(string)
	if name == "" || m["owner_id"] != 1 {
		return nil, badRequest("a service template needs a name, and the provider as its owner")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := &ServiceTemplate{Name: name, Limits: map[int]string{}}
	list, _ := m["resources"].([]any)
	for _, item := range list {
		resource, _ := item.(map[string]any)
		id, _ := resource["resource_type_id"].(int)
		if !p.sales.has(id) {
			return nil, notFound("resource type", strconv.Itoa(id))
		}
		t.Limits[id] = ""
	}
	t.Number = p.number()
	p.sales.templates = append(p.sales.templates, t)
	return map[string]any{"st_id": t.Number}, nil
}

func (s *sales) has(number int) bool {
	for _, t := range s.types {
		if t.Number == number {
			return true
		}
	}
	return false
}

func (p *Platform) rpcSetLimits(_ context.Context, m map[string]any) (any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.sales.templates {
		if t.Number != m["st_id"] {
			continue
		}
		list, _ := m["limits"].([]any)
		for _, item := range list {
			limit, _ := item.(map[string]any)
			id, _ := limit["resource_id"].(int)
			if _, ok := t.Limits[id]; !ok {
				return nil, notFound("resource type of the service template", strconv.Itoa(id))
			}
			t.Limits[id], _ = limit["resource_limit64"].(string)
		}
		return map[string]any{}, nil
	}
	return nil, notFound("service template", "")
}

// serveConnections answers the Connect extension's operation connectionsInfo: it knows every product.
func (p *Platform) serveConnections(w http.ResponseWriter, r *http.Request, c client) {
	var request struct {
		Product string `json:"product"`
	}
	err := readJSON(r, &request)
	switch {
	case err != nil:
	case !c.admin:
		err = forbidden("connections are for the provider's tools")
	case strings.TrimSpace(request.Product) == "":
		err = badRequest("the product is missing")
	}
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"id": random.ID(), "product": request.Product})
}
