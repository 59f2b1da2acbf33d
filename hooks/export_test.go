package hooks

import (
	"net/http"
	"net/url"
	"regexp"

	"azure-partner-connector/connector/tenant"
)

// ReadResource reads a resource of a service with everything that the handler reads from it.
func ReadResource(service string, body []byte) (id, account, subscription string, err error) {
	r, err := parseResource(service, body)
	if err != nil {
		return "", "", "", err
	}
	if service == appService {
		_, err = r.settings(tenant.Settings{}, true)
	} else {
		_, err = r.tenant(tenant.Tenant{}, true)
	}
	return r.id, r.account(), r.subscription(), err
}

// Read returns the route and the parameters that the router and the operations read from r, and whether its signature is
// accepted.
func (h *Handler) Read(r *http.Request) (route string, parameters url.Values, accepted bool) {
	r = h.withTarget(r)
	t, err := targetOf(r)
	if err != nil {
		return "", nil, false
	}
	_, err = h.verify(r)
	return r.URL.Path, t.parameters, err == nil
}

// Routes returns the routes of h, with the names of parameters in braces.
func Routes(h *Handler) []string {
	var routes []string
	for _, r := range h.echo.Routes() {
		routes = append(routes, r.Method+" "+parameter.ReplaceAllString(r.Path, "{$1}"))
	}
	return routes
}

var parameter = regexp.MustCompile(`:(\w+)`)

// IsPackageVersion reports whether the handler accepts text as the version of an upgrade.
func IsPackageVersion(text string) bool { return isPackageVersion(text) }

// Since is the table of what later package versions added.
var Since = since
