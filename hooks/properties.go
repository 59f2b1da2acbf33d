package hooks

import (
	"time"

	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// properties are the declared properties of a resource, for the platform to store. Secrets are always empty in them:
// the platform keeps no copy, and an empty one that comes back changes nothing.
type properties map[string]any

// viewAPS returns a resource without properties. The type is the one that the platform used, if it did.
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

// viewTenant returns a tenant as far as r may see it: a parent reseller sees the state and no more (design §8).
func (h *Handler) viewTenant(t tenant.Tenant, typeID string, s token.Status, r role) properties {
	v := h.viewAPS(tenantService, t.ID, typeID)
	if r == parent {
		v["tokenStatus"] = s.State
		return v
	}
	v["directory"] = t.Directory
	v.setApplication(t.Application)
	for name, value := range StatusProperties(s) {
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

// StatusProperties returns the read-only properties of a tenant that tell the state of its token. Whoever pushes the
// state to the platform pushes these.
func StatusProperties(s token.Status) map[string]any {
	reason, expires := "", ""
	if s.Failure != nil {
		reason = string(s.Failure.Code)
	}
	if !s.ExpiresAt.IsZero() {
		expires = s.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return map[string]any{"tokenStatus": string(s.State), "tokenExpiresAt": expires, "tokenReason": reason}
}
