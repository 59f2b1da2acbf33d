package hooks

import (
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// properties are the declared properties of a resource, which the platform stores. Secrets are always empty: the platform
// gets no copy, and an empty secret that it sends back changes nothing.
type properties map[string]any

// viewAPS returns a resource without properties. Its type is typeID, as the platform sent it, or the published one.
func (h *Handler) viewAPS(service, id, typeID string) properties {
	if typeID == "" {
		typeID = h.cfg.PackageID + "/" + service + "/1.0"
	}
	return properties{"aps": map[string]string{"type": typeID, "id": id}}
}

func (h *Handler) viewApp(in tenant.Instance, typeID, renewalTask string) properties {
	v := h.viewAPS(appService, in.RootID, typeID)
	s := in.Settings
	v["cloud"] = s.Cloud
	v.setApplication(s.Application)
	v["mfaRequest"] = s.MFARequest
	v["borrowers"] = append([]string{}, s.Borrowers...)
	v["skipLanding"] = s.SkipLanding
	v["directLink"] = s.DirectLink
	v["tenantApplication"] = s.TenantApplication
	v["renewalTask"] = renewalTask
	return v
}

// viewTenant returns what role r may see of a tenant: a parent reseller sees the state only.
func (h *Handler) viewTenant(t tenant.Tenant, typeID string, s token.Status, r role) properties {
	v := h.viewAPS(tenantService, t.ID, typeID)
	if r == parent {
		v["tokenStatus"] = s.State
		return v
	}
	v["directory"] = t.Directory
	v.setApplication(t.Application)
	for name, value := range s.Properties() {
		v[name] = value
	}
	return v
}

func (v properties) setApplication(a tenant.Application) {
	v["applicationId"] = a.ID
	for name, c := range map[string]tenant.Credential{
		"applicationCertificate": a.Certificate, "applicationSecret": a.Secret, "nextApplicationSecret": a.NextSecret,
	} {
		v[name], v[name+"End"] = "", ""
		if !c.Ends.IsZero() {
			v[name+"End"] = c.Ends.UTC().Format(dateLayout)
		}
	}
}
