package microsoft

import (
	"slices"
	"strings"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// defaultPermission stands for all permissions of a resource that were consented to
// (docs/reference/microsoft-identity.md §1.4).
const defaultPermission = ".default"

// endpoint returns the endpoint of api in the cloud and the deployment of r. For one that the operator added, whatever was
// consented to is requested: a single permission that is missing must not cost the others.
func (r resolvedClient) endpoint(api token.API) (Endpoint, error) {
	if a, ok := r.Deployment.API(string(api)); ok {
		return Endpoint{BaseURL: a.BaseURL(), Scope: tenant.Scope(a.Resource, defaultPermission), Audience: a.Resource}, nil
	}
	return r.profile.endpoint(api)
}

// Permissions implements consent.Microsoft.
func (c *Client) Permissions(client tenant.Client) ([]consent.Permission, error) {
	r, err := c.resolve(client)
	if err != nil {
		return nil, err
	}
	return r.requested(), nil
}

// authorizeScopes returns the scopes of all apis of r, which a consent covers.
func (r resolvedClient) authorizeScopes() []string {
	var scopes []string
	for _, p := range r.requested() {
		scopes = append(scopes, p.Scope)
	}
	return scopes
}

// requested returns the permissions of all apis of r that a consent is asked for, each once.
func (r resolvedClient) requested() []consent.Permission {
	var all []consent.Permission
	add := func(api token.API, added bool, scopes ...string) {
		for _, scope := range scopes {
			if !slices.ContainsFunc(all, func(p consent.Permission) bool { return p.Scope == scope }) {
				all = append(all, consent.Permission{API: api, Scope: scope, Added: added})
			}
		}
	}
	add("", false, identityScopes()...)
	for _, api := range token.APIs() {
		e, err := r.profile.endpoint(api)
		if err != nil {
			continue
		}
		add(api, false, strings.Fields(e.Scope)...)
		for _, name := range r.Deployment.Scopes[string(api)] {
			add(api, true, tenant.Scope(e.Audience, name))
		}
	}
	for _, a := range r.Deployment.APIs {
		for _, name := range a.Scopes {
			add(token.API(a.Name), true, tenant.Scope(a.Resource, name))
		}
	}
	return all
}

// permissions returns the names of the permissions of api that a consent is asked for.
func (r resolvedClient) permissions(api token.API) []string {
	if a, ok := r.Deployment.API(string(api)); ok {
		return a.Scopes
	}
	e, err := r.profile.endpoint(api)
	if err != nil {
		return nil
	}
	var names []string
	for _, scope := range strings.Fields(e.Scope) {
		names = append(names, permissionOf(scope))
	}
	return unique(append(names, r.Deployment.Scopes[string(api)]...))
}

// missing returns the permissions of api that a redemption's answer lacks; nil if the answer does not tell. A token contains
// every permission that was consented to, also those that were not requested at the redemption
// (docs/reference/microsoft-identity.md §5.8).
func (r resolvedClient) missing(api token.API, redeemed token.Redemption) []string {
	var claims struct {
		Scopes string `json:"scp"`
	}
	readPayload(redeemed.AccessToken.Reveal(), &claims)
	granted := strings.Fields(claims.Scopes)
	if len(granted) == 0 {
		for _, scope := range redeemed.Scopes {
			if name := permissionOf(scope); name != scope && name != defaultPermission {
				granted = append(granted, name)
			}
		}
	}
	if len(granted) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.permissions(api)), func(name string) bool {
		return slices.ContainsFunc(granted, func(g string) bool { return strings.EqualFold(g, name) })
	})
}

// permissionOf returns the name of the permission in a scope.
func permissionOf(scope string) string { return scope[strings.LastIndexByte(scope, '/')+1:] }

// partly reports whether a redemption for e that failed with f may succeed with whatever was consented to.
func (e Endpoint) partly(f *failure.Error) bool {
	return f != nil && f.Code == failure.ConsentMissing && len(strings.Fields(e.Scope)) > 1
}

// whatever returns e with all permissions that were consented to as its scope.
func (e Endpoint) whatever() Endpoint {
	e.Scope = tenant.Scope(e.Audience, defaultPermission)
	return e
}

// named adds to f, if it says that the consent is missing, which permissions of api those are.
func (r resolvedClient) named(api token.API, f *failure.Error) *failure.Error {
	if f == nil || f.Code != failure.ConsentMissing {
		return f
	}
	named := *f
	named.Params = map[string]string{"permissions": strings.Join(r.permissions(api), ", ")}
	return &named
}

// unique returns values without repetitions, in their order.
func unique(values []string) []string {
	var once []string
	for _, v := range values {
		if !slices.Contains(once, v) {
			once = append(once, v)
		}
	}
	return once
}
