package tenant

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// A Deployment is what the configuration says of an instance. Nothing that the platform or a reseller sends can set any of it,
// and it is never stored: the store adds it to every Instance that it reads.
type Deployment struct {
	// Federated lets the instance's application authenticate with the federated token of the deployment, besides the
	// credentials that are stored. An application of a tenant never does.
	Federated bool
	// Scopes are permissions that are requested besides the usual ones, by the name of a built-in API.
	Scopes map[string][]string
	// APIs are further APIs, for which access tokens are issued too.
	APIs []API
}

// An API is a service of Microsoft beyond the built-in ones.
type API struct {
	// Name is what borrowers, screens and logs call it: lower-case letters, digits and hyphens. Required.
	Name string `yaml:"name"`
	// Resource is its resource URI, for example https://api.partner.microsoft.com. Required.
	Resource string `yaml:"resource"`
	// Scopes are the names of the permissions of Resource that are requested. Required.
	Scopes []string `yaml:"scopes"`
	// Host is the host that serves it, with its port if that is not 443. Default: the host of Resource.
	Host string `yaml:"host"`
	// Probe is the path of a cheap read, with which the token is checked after each renewal. Default: none; then it is not
	// known whether the token works there.
	Probe string `yaml:"probe"`
}

// BaseURL returns the address of the API, without a path: https, unless it is on this machine.
func (a API) BaseURL() string {
	host, _, err := net.SplitHostPort(a.Host)
	if err != nil {
		host = a.Host
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return "http://" + a.Host
	}
	return "https://" + a.Host
}

// Scope returns the scope of a permission of a resource.
func Scope(resource, permission string) string {
	return strings.TrimRight(resource, "/") + "/" + permission
}

// APINames returns the names of all APIs of the instance, the built-in ones first.
func (d Deployment) APINames() []string {
	names := APIs()
	for _, a := range d.APIs {
		names = append(names, a.Name)
	}
	return names
}

// HasAPI reports whether name is one of APINames.
func (d Deployment) HasAPI(name string) bool {
	_, further := d.API(name)
	return further || slices.Contains(apis, name)
}

// API returns the further API with a name.
func (d Deployment) API(name string) (API, bool) {
	i := slices.IndexFunc(d.APIs, func(a API) bool { return a.Name == name })
	if i < 0 {
		return API{}, false
	}
	return d.APIs[i], true
}
