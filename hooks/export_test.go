package hooks

import (
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

// IsPackageVersion reports whether the handler accepts text as the version of an upgrade.
func IsPackageVersion(text string) bool { return isPackageVersion(text) }

// Since is the table of what later package versions added.
var Since = since
