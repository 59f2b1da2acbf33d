package hooks

import (
	"net/http"
	"slices"
	"strings"
)

// upgradeName is the name of the operation by which the platform upgrades an instance.
const upgradeName = "upgrade"

// The services of the package, which are the first segment of every path.
const (
	appService    = "app"
	tenantService = "tenant"
)

// A role is what a caller is to the resource of a request.
type role string

// The roles.
const (
	owner       role = "owner"       // the reseller whose tenant it is
	parent      role = "parent"      // a reseller above the owner
	provider    role = "provider"    // the marketplace operator
	platform    role = "platform"    // the platform itself: lifecycle, events, tasks
	application role = "application" // another application of the platform
	other       role = "other"       // anyone else
)

// anyone returns all roles: every signed request is allowed, and its sender's account is not looked up.
func anyone() []role {
	return []role{owner, parent, provider, platform, application, other}
}

// An Operation is one of the custom operations that the schemas declare.
type Operation struct {
	Service string // "app" or "tenant"
	Name    string
	Verb    string
	Path    string // below the resource, e.g. /consents/{consentId}
}

// Operations returns the custom operations that the handler serves.
func Operations() []Operation {
	var custom []Operation
	for _, op := range operations() {
		if !op.lifecycle {
			custom = append(custom, op.Operation)
		}
	}
	return custom
}

// An operation is one row of the table below.
type operation struct {
	Operation
	// lifecycle marks an operation that the types inherit. Its requests carry the controller's address.
	lifecycle bool
	// collection marks an operation of the service instead of one of its resources.
	collection bool
	// async marks an operation that may be answered with 202 and is then retried (docs/reference/aps-protocol.md §1.5).
	async bool
	// resource says whether the body is a resource.
	resource bodyRule
	allowed  []role
	handle   func(*Handler, *call) error
}

type bodyRule int

const (
	noResource bodyRule = iota
	optionalResource
	requiredResource
)

// operations is the table of all operations and of the roles that may call them.
//
// A tenant is created and removed together with the subscription that it belongs to, and an account above sells the
// subscription: so the provider and parent resellers may do that, through a request of the platform. An instance is
// created before accounts can be looked up, and removed when that may no longer be possible.
func operations() []operation {
	lifecycle := func(service, name, verb, path string, rule bodyRule, handle func(*Handler, *call) error, allowed ...role) operation {
		return operation{
			Operation: Operation{service, name, verb, path}, lifecycle: true, collection: path == "" && verb == http.MethodPost,
			async: path == "" && verb != http.MethodGet, resource: rule, allowed: allowed, handle: handle,
		}
	}
	custom := func(service, name, verb, path string, handle func(*Handler, *call) error, allowed ...role) operation {
		return operation{Operation: Operation{service, name, verb, path}, allowed: allowed, handle: handle}
	}
	return []operation{
		lifecycle(appService, "provision", http.MethodPost, "", requiredResource, (*Handler).install, anyone()...),
		lifecycle(appService, "retrieve", http.MethodGet, "", noResource, (*Handler).retrieveApp, anyone()...),
		lifecycle(appService, "configure", http.MethodPut, "", requiredResource, (*Handler).configureApp, provider, platform),
		lifecycle(appService, "unprovision", http.MethodDelete, "", noResource, (*Handler).removeApp, anyone()...),
		lifecycle(appService, upgradeName, http.MethodPost, "/upgrade", optionalResource, (*Handler).upgradeApp, provider, platform),
		custom(appService, "tenants", http.MethodGet, "/tenants", (*Handler).listTenants, provider),
		custom(appService, "healthCheck", http.MethodGet, "/healthCheck", (*Handler).checkHealth, provider, platform),
		custom(appService, "renewTokens", http.MethodGet, "/renewTokens", (*Handler).renewTokens, provider, platform),
		custom(appService, "removeCredential", http.MethodPost, "/removeCredential", (*Handler).removeAppCredential, provider),
		// An event may name the person who caused it. Its content is read from the platform, so the role doesn't matter.
		custom(appService, "onAccountChange", http.MethodPost, "/onAccountChange", (*Handler).accountChanged, anyone()...),

		lifecycle(tenantService, "provision", http.MethodPost, "", requiredResource, (*Handler).provision, owner, parent, provider, platform),
		lifecycle(tenantService, "retrieve", http.MethodGet, "", noResource, (*Handler).retrieveTenant, owner, parent, provider, platform),
		lifecycle(tenantService, "configure", http.MethodPut, "", requiredResource, (*Handler).configureTenant, owner, provider, platform),
		lifecycle(tenantService, "unprovision", http.MethodDelete, "", noResource, (*Handler).unprovision, owner, parent, provider, platform),
		custom(tenantService, "beginConsent", http.MethodPost, "/consents", (*Handler).beginConsent, owner),
		custom(tenantService, "findConsent", http.MethodGet, "/consents/{consentId}", (*Handler).findConsent, owner),
		custom(tenantService, "consentLink", http.MethodPost, "/consentLink", (*Handler).consentLink, owner),
		custom(tenantService, "redeem", http.MethodPost, "/redeem", (*Handler).redeem, owner),
		custom(tenantService, "tokenStatus", http.MethodGet, "/tokenStatus", (*Handler).tokenStatus, owner, parent, provider, application),
		custom(tenantService, "renew", http.MethodPost, "/renew", (*Handler).renew, owner, provider),
		custom(tenantService, "check", http.MethodPost, "/check", (*Handler).check, owner, provider),
		custom(tenantService, "removeCredential", http.MethodPost, "/removeCredential", (*Handler).removeTenantCredential, owner),
		custom(tenantService, "forget", http.MethodPost, "/forget", (*Handler).forget, owner),
		custom(tenantService, "history", http.MethodGet, "/history", (*Handler).history, owner, provider),
		custom(tenantService, "accessToken", http.MethodPost, "/accessToken", (*Handler).accessToken, application),
	}
}

// route returns the router's pattern of op.
func (op operation) route() string {
	if op.collection {
		return "/" + op.Service
	}
	return "/" + op.Service + "/:id" + strings.NewReplacer("{", ":", "}", "").Replace(op.Path)
}

func (op operation) changes() bool { return op.Verb != http.MethodGet }

// relies reports whether op must be refused when its instance or tenant was altered. What only reads, or removes, goes on:
// people must see what is wrong, and be able to remove it.
func (op operation) relies() bool {
	return op.changes() && op.Verb != http.MethodDelete && op.Name != "onAccountChange"
}

func (op operation) allows(r role) bool { return slices.Contains(op.allowed, r) }

// isOperation reports whether the first segment of a path below a resource of service belongs to an operation. It is not
// a relation then.
func isOperation(service, segment string) bool {
	for _, op := range operations() {
		first, _, _ := strings.Cut(strings.TrimPrefix(op.Path, "/"), "/")
		if op.Service == service && op.Path != "" && first == segment {
			return true
		}
	}
	return false
}
