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

// A Verdict is what becomes of a call.
type Verdict string

// The verdicts.
const (
	Performed Verdict = "performed"
	// Confirmed is a repeated creation by somebody who may not change what it made: it changes nothing and answers what is
	// stored.
	Confirmed Verdict = "confirmed"
	Refused   Verdict = "refused"
)

// A Rule says what becomes of a call of one kind of caller.
type Rule struct {
	Operation
	Caller        string  // owner, parent, provider, platform, application or other
	First, Repeat Verdict // of a creation; of other operations both are the same
	Borrowers     bool    // of applications, only those that may borrow access tokens
}

// Rules returns the rules of all operations.
func Rules() []Rule {
	var rules []Rule
	for _, op := range operations() {
		for _, r := range anyone() {
			rules = append(rules, Rule{op.Operation, string(r), op.decide(r, false), op.decide(r, true), op.borrowers})
		}
	}
	return rules
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
	// suspension marks the two operations of http://aps-standard.org/types/core/suspendable/1.0. Types of package version 1 do
	// not implement it, but nothing is wrong with a platform that calls them.
	suspension bool
	// link is the relation whose link the operation creates or removes; empty for other operations. The id of the linked
	// resource may be in the body, or behind the path.
	link string
	// async marks an operation that may be answered with 202 and is then retried (docs/reference/aps-protocol.md §1.5).
	async bool
	// resource says whether the body is a resource.
	resource bodyRule
	// allowed are the callers that may call the operation; of a creation, those that may make it the first time.
	allowed []role
	// repeat are the callers whose repeated creation changes what is stored. That of anyone else confirms it.
	repeat []role
	// borrowers says that the operation itself refuses applications that may not borrow access tokens.
	borrowers bool
	handle    func(*Handler, *call) error
}

type bodyRule int

const (
	noResource bodyRule = iota
	optionalResource
	requiredResource
)

// operations is the table of all operations and of the roles that may call them (docs/reference/hooks.md).
//
// The platform has authorised the calls that it sends, and repeats those that are refused. So every caller that it names may
// create and remove a tenant, such as another application, or a user who no longer exists. An instance decides about all
// tenants, so only the platform itself and the provider may create and remove it. Only callers who may configure what exists
// can change it, whatever verb they use.
func operations() []operation {
	lifecycle := func(service, name, verb, path string, rule bodyRule, handle func(*Handler, *call) error, allowed ...role) operation {
		return operation{
			Operation: Operation{service, name, verb, path}, lifecycle: true, collection: path == "" && verb == http.MethodPost,
			async: path == "" && verb != http.MethodGet, resource: rule, allowed: allowed, handle: handle,
		}
	}
	repeated := func(op operation, by ...role) operation {
		op.repeat = by
		return op
	}
	suspension := func(name string, handle func(*Handler, *call) error, allowed ...role) operation {
		return operation{
			Operation: Operation{tenantService, name, http.MethodPut, "/" + name}, lifecycle: true, suspension: true, async: true,
			resource: optionalResource, allowed: allowed, handle: handle,
		}
	}
	// The platform has authorised what it links. Who is named matters only when that changes an owner (movers).
	link := func(name, verb, relation string, handle func(*Handler, *call) error, allowed ...role) operation {
		return operation{
			Operation: Operation{tenantService, name, verb, "/" + relation}, lifecycle: true, link: relation, allowed: allowed, handle: handle,
		}
	}
	custom := func(service, name, verb, path string, handle func(*Handler, *call) error, allowed ...role) operation {
		return operation{Operation: Operation{service, name, verb, path}, allowed: allowed, handle: handle}
	}
	borrowed := func(op operation) operation {
		op.borrowers = true
		return op
	}
	return []operation{
		repeated(lifecycle(appService, "provision", http.MethodPost, "", requiredResource, (*Handler).install, provider, platform), provider, platform),
		lifecycle(appService, "retrieve", http.MethodGet, "", noResource, (*Handler).retrieveApp, anyone()...),
		lifecycle(appService, "configure", http.MethodPut, "", requiredResource, (*Handler).configureApp, provider, platform),
		lifecycle(appService, "unprovision", http.MethodDelete, "", noResource, (*Handler).removeApp, provider, platform),
		lifecycle(appService, upgradeName, http.MethodPost, "/upgrade", optionalResource, (*Handler).upgradeApp, provider, platform),
		custom(appService, "tenants", http.MethodGet, "/tenants", (*Handler).listTenants, provider),
		// The platform's scheduler is an application, too (docs/reference/aps-protocol.md §3.11).
		custom(appService, "healthCheck", http.MethodGet, "/healthCheck", (*Handler).checkHealth, provider, platform, application),
		custom(appService, "renewTokens", http.MethodGet, "/renewTokens", (*Handler).renewTokens, provider, platform, application),
		custom(appService, "removeCredential", http.MethodPost, "/removeCredential", (*Handler).removeAppCredential, provider),
		// An event may name the person who caused it. Its content is read from the platform, so the role doesn't matter.
		custom(appService, "onAccountChange", http.MethodPost, "/onAccountChange", (*Handler).accountChanged, anyone()...),

		repeated(lifecycle(tenantService, "provision", http.MethodPost, "", requiredResource, (*Handler).provision, anyone()...), owner, provider, platform),
		lifecycle(tenantService, "retrieve", http.MethodGet, "", noResource, (*Handler).retrieveTenant, owner, parent, provider, platform, application),
		lifecycle(tenantService, "configure", http.MethodPut, "", requiredResource, (*Handler).configureTenant, owner, provider, platform),
		lifecycle(tenantService, "unprovision", http.MethodDelete, "", noResource, (*Handler).unprovision, anyone()...),
		suspension("disable", (*Handler).disable, parent, provider, platform, application),
		suspension("enable", (*Handler).enable, parent, provider, platform, application),
		link("linkAccount", http.MethodPost, accountLink, (*Handler).acknowledgeLink, anyone()...),
		link("unlinkAccount", http.MethodDelete, accountLink, (*Handler).unlinkAccount, movers()...),
		link("linkSubscription", http.MethodPost, subscriptionLink, (*Handler).linkSubscription, anyone()...),
		link("unlinkSubscription", http.MethodDelete, subscriptionLink, (*Handler).unlinkSubscription, anyone()...),
		link("linkApp", http.MethodPost, appLink, (*Handler).linkApp, anyone()...),
		custom(tenantService, "migrationPreCheck", http.MethodPost, "/migrationPreCheck", (*Handler).checkMove, movers()...),
		custom(tenantService, "beginConsent", http.MethodPost, "/consents", (*Handler).beginConsent, owner),
		custom(tenantService, "findConsent", http.MethodGet, "/consents/{consentId}", (*Handler).findConsent, owner),
		custom(tenantService, "consentLink", http.MethodPost, "/consentLink", (*Handler).consentLink, owner),
		custom(tenantService, "redeem", http.MethodPost, "/redeem", (*Handler).redeem, owner),
		borrowed(custom(tenantService, "tokenStatus", http.MethodGet, "/tokenStatus", (*Handler).tokenStatus, owner, parent, provider, application)),
		custom(tenantService, "renew", http.MethodPost, "/renew", (*Handler).renew, owner, provider),
		custom(tenantService, "check", http.MethodPost, "/check", (*Handler).check, owner, provider),
		custom(tenantService, "removeCredential", http.MethodPost, "/removeCredential", (*Handler).removeTenantCredential, owner),
		custom(tenantService, "testCredentials", http.MethodPost, "/testCredentials", (*Handler).testCredentials, owner),
		custom(tenantService, "forget", http.MethodPost, "/forget", (*Handler).forget, owner),
		custom(tenantService, "history", http.MethodGet, "/history", (*Handler).history, owner, provider),
		custom(tenantService, "customers", http.MethodGet, "/customers", (*Handler).listCustomers, owner, provider),
		custom(tenantService, "consentCustomer", http.MethodPost, "/customers/{directory}/consent", (*Handler).consentCustomer, owner),
		custom(tenantService, "withdrawCustomer", http.MethodDelete, "/customers/{directory}/consent", (*Handler).withdrawCustomer, owner),
		custom(tenantService, "remind", http.MethodPost, "/remind", (*Handler).remind, provider),
		borrowed(custom(tenantService, "accessToken", http.MethodPost, "/accessToken", (*Handler).accessToken, application)),
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

// decide returns what becomes of a call by r; repeated says that what the call creates exists already.
func (op operation) decide(r role, repeated bool) Verdict {
	allowed, refusal := op.allowed, Refused
	if repeated && op.repeat != nil {
		allowed, refusal = op.repeat, Confirmed
	}
	if slices.Contains(allowed, r) {
		return Performed
	}
	return refusal
}

// isOpen reports whether a call by anyone is performed.
func (op operation) isOpen(repeated bool) bool {
	return !slices.ContainsFunc(anyone(), func(r role) bool { return op.decide(r, repeated) != Performed })
}

// The links of a tenant. All but the first are inherited (docs/reference/aps-protocol.md §4.7).
const (
	appLink          = "app"
	accountLink      = "account"
	subscriptionLink = "subscription"
)

// relations are the links of a service's resources.
var relations = map[string][]string{appService: {"accounts"}, tenantService: {appLink, accountLink, subscriptionLink}}

// movers are the callers who may give a tenant another owner, in whatever form, or take it from its owner: those who sell and
// manage subscriptions. Owners may not: nobody gives away, or takes, what another one consented to.
func movers() []role { return []role{parent, provider, platform, application} }

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
