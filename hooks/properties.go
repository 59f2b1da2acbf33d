package hooks

import (
	"cmp"
	"fmt"

	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// properties are the declared properties of a resource, which the platform stores. Secrets are always empty: the platform
// gets no copy, and an empty secret that it sends back changes nothing.
type properties map[string]any

// The statuses of a resource that we set (docs/reference/aps-protocol.md §3.11). Otherwise the platform knows best.
const (
	statusReady    = "aps:ready"
	statusDisabled = "aps:disabled"
)

// viewAPS returns a resource without properties. Its type is the one that the platform sent, or that of the package that the
// instance is at.
func (h *Handler) viewAPS(c *call, id string) properties {
	typeID := c.resource.typeID
	if typeID == "" {
		typeID = fmt.Sprintf("%s/%s/%d.0", h.cfg.PackageID, c.op.Service, c.packageVersion())
	}
	return properties{"aps": map[string]string{"type": typeID, "id": id}}
}

// viewApp returns the settings of in, which c has changed.
func (h *Handler) viewApp(c *call, in tenant.Instance, renewalTask string) properties {
	c.Instance = in
	v := h.viewAPS(c, in.RootID)
	s := in.Settings
	v["cloud"] = s.Cloud
	v.setApplication(s.Application)
	v["mfaRequest"] = s.MFARequest
	v["borrowers"] = viewBorrowers(s.Borrowers, c.packageVersion())
	v["customerDirectories"] = cmp.Or(s.CustomerDirectories, tenant.NoCustomers)
	v["skipLanding"] = s.SkipLanding
	v["directLink"] = s.DirectLink
	v["tenantApplication"] = s.TenantApplication
	v["renewalTask"] = renewalTask
	return v.declared(appService, c.packageVersion())
}

func viewBorrowers(all []tenant.Borrower, version int) any {
	if version < borrowerEntriesSince {
		ids, _ := tenant.PlainBorrowers(all)
		return ids
	}
	return append([]tenant.Borrower{}, all...)
}

// viewTenantAPS returns a tenant without properties, with its status if that is ours to tell.
func (h *Handler) viewTenantAPS(c *call, t tenant.Tenant) properties {
	v := h.viewAPS(c, t.ID)
	aps, _ := v["aps"].(map[string]string)
	switch {
	case !t.SuspendedAt.IsZero():
		aps["status"] = statusDisabled
	case c.op.suspension:
		aps["status"] = statusReady
	}
	return v
}

// viewTenant returns what role r may see of a tenant: a parent reseller sees the state only.
func (h *Handler) viewTenant(c *call, t tenant.Tenant, s token.Status, r role) properties {
	v := h.viewTenantAPS(c, t)
	if r == parent {
		v["tokenStatus"] = s.State
		return v
	}
	v["directory"] = t.Directory
	v.setApplication(t.Application)
	v["noticeRecipients"], v["noticeLanguage"] = append([]string{}, t.Notices.Recipients...), t.Notices.Language
	for name, value := range s.Properties() {
		v[name] = value
	}
	return v.declared(tenantService, c.packageVersion())
}

func (v properties) setApplication(a tenant.Application) {
	v["applicationId"] = a.ID
	for _, name := range []string{tenant.CertificateName, tenant.NextCertificateName, tenant.SecretName, tenant.NextSecretName} {
		c := a.Slot(name)
		v[name], v[name+"End"] = "", ""
		if !c.Ends.IsZero() {
			v[name+"End"] = c.Ends.UTC().Format(dateLayout)
		}
	}
}
