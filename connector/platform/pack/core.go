package pack

import (
	"maps"
	"slices"
	"strings"
)

// A CoreType is a type that every platform has (docs/reference/aps-protocol.md §4.7). Its properties are of no use to the
// checks.
type CoreType struct {
	ID         string
	Implements []string
	Relations  map[string]string // name → type
	Operations map[string]string // name → verb and path
	Structures []string
}

const (
	coreSpace     = "http://aps-standard.org/types/core/"
	platformSpace = "http://parallels.com/aps/types/pa/"
	resourceType  = coreSpace + "resource/1.0"
	// applicationType is implemented by the root service only.
	applicationType = coreSpace + "application/1.0"
)

// CoreTypes returns the types of the standard, and those of the platform that packages refer to most. Callers may change the
// list.
func CoreTypes() []CoreType {
	base := []string{resourceType}
	return []CoreType{
		{ID: resourceType, Operations: map[string]string{
			"provision": "POST /", "retrieve": "GET /", "configure": "PUT /", "unprovision": "DELETE /",
		}, Structures: []string{"Counter", "Limit", "Usage", "NotificationSource", "Notification"}},
		{ID: applicationType, Implements: base, Operations: map[string]string{"upgrade": "POST /upgrade"}},
		{ID: coreSpace + "account/1.0", Implements: base, Relations: map[string]string{"users": coreSpace + "user/1.0"}},
		{ID: coreSpace + "user/1.0", Implements: base, Relations: map[string]string{"services": coreSpace + "user/service/1.0"}},
		{ID: coreSpace + "admin-user/1.0", Implements: []string{coreSpace + "user/1.0"}},
		{ID: coreSpace + "service-user/1.0", Implements: []string{coreSpace + "user/1.0"}},
		{ID: coreSpace + "user/service/1.0", Implements: base, Relations: map[string]string{"user": coreSpace + "user/1.0"}},
		{ID: coreSpace + "subscription/1.0", Implements: base},
		{ID: coreSpace + "subscription/service/1.0", Implements: base, Relations: map[string]string{
			"account": coreSpace + "account/1.0", "subscription": coreSpace + "subscription/1.0",
		}},
		{ID: coreSpace + "subscription/migratable/1.0", Operations: map[string]string{"migrationPreCheck": "POST /migrationPreCheck"}},
		{ID: coreSpace + "suspendable/1.0", Operations: map[string]string{"enable": "PUT /enable", "disable": "PUT /disable"}},
		{ID: coreSpace + "backupable/1.0", Operations: map[string]string{"backup": "GET /backup", "restore": "PUT /restore"}},
		{ID: coreSpace + "license/1.0", Operations: map[string]string{"activate": "POST /activationData", "renew": "PUT /renew"}},
		{ID: coreSpace + "brand/1.0"},
		{ID: coreSpace + "profile/service/1.0", Implements: base},
		{ID: coreSpace + "profile/reseller/1.0", Implements: base},
		{
			ID: platformSpace + "account/1.2", Implements: []string{coreSpace + "account/1.0"},
			Relations: map[string]string{"parent": platformSpace + "account/1.0"},
		},
		{
			ID: platformSpace + "user/1.0", Implements: []string{coreSpace + "user/1.0"},
			Relations: map[string]string{"organization": platformSpace + "account/1.0"},
		},
		{ID: platformSpace + "subscription/1.0", Implements: []string{coreSpace + "subscription/1.0"}},
		{ID: platformSpace + "poa/1.0", Implements: base},
	}
}

// core are the types of CoreTypes, by id.
type core map[string]CoreType

func newCore() core {
	types := make(core)
	for _, t := range CoreTypes() {
		types[t.ID] = t
	}
	return types
}

// find returns the type that ref refers to.
func (c core) find(ref string) (CoreType, bool) {
	for id, t := range c {
		if refersTo(ref, id) {
			return t, true
		}
	}
	return CoreType{}, false
}

// inherited is what a type has from the core types that it implements.
type inherited struct {
	relations  map[string]string // name → type
	operations map[string]string // name → verb and path
}

// inherit returns what the given types bring, directly or not.
func (c core) inherit(implements []string) inherited {
	all := inherited{relations: make(map[string]string), operations: make(map[string]string)}
	for _, ref := range implements {
		t, ok := c.find(ref)
		if !ok {
			continue
		}
		above := c.inherit(t.Implements)
		maps.Copy(all.relations, above.relations)
		maps.Copy(all.operations, above.operations)
		maps.Copy(all.relations, t.Relations)
		maps.Copy(all.operations, t.Operations)
	}
	return all
}

// check adds a finding for a reference to a type that platforms don't have. Types of other packages may be there.
func (c core) check(where, ref string, out *findings) {
	if _, ok := c.find(ref); ok {
		return
	}
	switch {
	case strings.HasPrefix(ref, coreSpace):
		out.refuse(where, "there is no core type %s", printable(ref))
	case strings.HasPrefix(ref, platformSpace):
		out.advise(where, "%s is not among the platform's types that are known here", printable(ref))
	default:
		out.advise(where, "%s is a type of another package, which a platform may lack", printable(ref))
	}
}

// checkStructure checks the structure in a reference type#Structure to a core type.
func (c core) checkStructure(where, ref, name string, out *findings) {
	if t, ok := c.find(ref); ok && !slices.Contains(t.Structures, name) && strings.HasPrefix(ref, coreSpace) {
		out.refuse(where, "%s has no structure %s", printable(ref), printable(name))
	}
}
