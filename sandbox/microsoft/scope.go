package microsoft

import (
	"slices"
	"strings"
)

// defaultScope stands for all permissions of the registration for one API.
const defaultScope = ".default"

// A scopeSet is a parsed scope parameter.
type scopeSet struct {
	oidc []string // openid, profile, email, offline_access
	apis []apiScope
}

// An apiScope is one scope of an API, for example https://graph.microsoft.com/User.Read.
type apiScope struct {
	text       string // as sent
	host       Host
	identifier string // the resource part; it decides aud
	name       string // the permission, or ".default"
}

// parseScope reads a scope parameter. Scopes without a resource belong to Graph (docs/reference/microsoft-identity.md
// §1.4).
func (c Cloud) parseScope(text string) (scopeSet, *refusal) {
	var set scopeSet
	for _, word := range strings.Fields(text) {
		if _, ok := oidcPermissions[word]; ok {
			set.oidc = append(set.oidc, word)
			continue
		}
		scope := apiScope{text: word, host: Graph, identifier: c.Graph.Audiences[0], name: word}
		if cut := strings.LastIndex(word, "/"); cut >= 0 {
			host, ok := c.find(word[:cut])
			if !ok {
				return scopeSet{}, refuse(500011).about("The resource named " + word[:cut] + " was not found in this directory.")
			}
			scope.host, scope.identifier, scope.name = host, word[:cut], word[cut+1:]
		}
		if _, ok := permissions[scope.host][scope.name]; !ok && scope.name != defaultScope {
			return scopeSet{}, refuse(70011).about("The scope " + word + " is not valid.")
		}
		set.apis = append(set.apis, scope)
	}
	byDefault := slices.ContainsFunc(set.apis, func(a apiScope) bool { return a.name == defaultScope })
	single := slices.ContainsFunc(set.apis, func(a apiScope) bool { return a.name != defaultScope })
	if byDefault && single {
		return scopeSet{}, refuse(70011).about(".default cannot be combined with resource-specific scopes.")
	}
	return set, nil
}

// has reports whether the set has an OpenID Connect scope.
func (s scopeSet) has(oidc string) bool { return slices.Contains(s.oidc, oidc) }

// hosts returns the APIs in the set, each once, in order.
func (s scopeSet) hosts() []Host {
	var hosts []Host
	for _, a := range s.apis {
		if !slices.Contains(hosts, a.host) {
			hosts = append(hosts, a.host)
		}
	}
	return hosts
}

// permissions returns the permissions for one API, with .default replaced by those on the registration.
func (s scopeSet) permissions(host Host, app *application) []string {
	var names []string
	for _, a := range s.apis {
		if a.host != host {
			continue
		}
		if a.name == defaultScope {
			names = append(names, app.registered[host]...)
		} else {
			names = append(names, a.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
