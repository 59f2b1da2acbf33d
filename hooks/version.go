package hooks

import (
	"fmt"
	"strings"

	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/schemas"
)

// since names what the types did not have from the beginning, as service.property, service.operation,
// service.operation.parameter or service.operation.field, with the package version that added it. What an instance's package
// does not know is neither answered nor served.
var since = map[string]int{
	"app.removeCredential":                 2,
	"tenant.removeCredential":              2,
	"tenant.migrationPreCheck":             2,
	"tenant.customers":                     2,
	"tenant.consentCustomer":               2,
	"tenant.withdrawCustomer":              2,
	"tenant.remind":                        2,
	"tenant.testCredentials":               2,
	"tenant.beginConsent.panel":            2,
	"tenant.tokenStatus.onboardingURL":     2,
	"app.customerDirectories":              2,
	"tenant.accessToken.directory":         2,
	"tenant.findConsent.progress":          2,
	"app.nextApplicationCertificate":       2,
	"app.nextApplicationCertificateEnd":    2,
	"tenant.nextApplicationCertificate":    2,
	"tenant.nextApplicationCertificateEnd": 2,
	"tenant.tokenStatus.credentials":       2,
	"tenant.tokenStatus.consents":          2,
	"tenant.tokenStatus.borrowers":         2,
	"tenant.tokenStatus.clients":           2,
	"tenant.history.accessTokens":          2,
	"app.tenants.unlistedOrigin":           2,
	"tenant.noticeRecipients":              2,
	"tenant.noticeLanguage":                2,
	"app.tenants.limit":                    2,
	"app.tenants.offset":                   2,
	"app.tenants.state":                    2,
	"app.tenants.search":                   2,
}

// borrowerEntriesSince is the package version in which borrowers are entries instead of ids.
const borrowerEntriesSince = 2

// knows reports whether a package version has what a name in since stands for.
func knows(version int, name string) bool { return version >= since[name] }

// packageVersion returns the version, without its release, of the package whose types a request speaks: the one that the
// instance is at, or the one of the type that the platform sent. They differ when an upgrade did not reach the other side.
func (c *call) packageVersion() int {
	if c.resource.typeID != "" && c.op.Name != upgradeName {
		return typeVersion(c.resource.typeID)
	}
	return c.Instance.PackageMajor()
}

// knows reports whether the package of c has what a name in since stands for.
func (c *call) knows(name string) bool { return knows(c.packageVersion(), name) }

// typeVersion returns the major version of a type id.
func typeVersion(id string) int {
	return tenant.PackageMajor(id[strings.LastIndexByte(id, '/')+1:])
}

// installedVersion returns the "version-release" of the package that the platform installs an instance from: an earlier one
// than ours as long as it was not upgraded. Each earlier version had one release.
func (h *Handler) installedVersion(typeID string) (string, error) {
	version, ours := schemas.Version, tenant.PackageMajor(h.cfg.PackageVersion)
	if typeID != "" {
		version = typeVersion(typeID)
	}
	switch {
	case version > ours:
		return "", badRequest(fmt.Sprintf("aps.type belongs to version %d of the package, and this connector has version %d", version, ours))
	case version < ours:
		return fmt.Sprintf("%d-1", version), nil
	}
	return h.cfg.PackageVersion, nil
}

// declared returns what the package of a version declares of the properties of a service.
func (v properties) declared(service string, version int) properties {
	for name := range v {
		if !knows(version, service+"."+name) {
			delete(v, name)
		}
	}
	return v
}
