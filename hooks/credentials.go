package hooks

import (
	"net/http"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/tenant"
)

// nullRemoves reports whether null removes a credential, or clears another property, in c: a person may say so in the types of package version 1. Later
// ones have the operation removeCredential, and the platform itself sends null for what it does not know.
func (c *call) nullRemoves() bool {
	return !c.knows(c.op.Service+".removeCredential") && c.caller.actor.Kind == audit.User
}

// removeAppCredential removes one credential of the instance's application.
func (h *Handler) removeAppCredential(c *call) error {
	settings := withoutCredentials(c.Instance.Settings)
	if err := h.markRemoved(c, &settings.Application); err != nil {
		return err
	}
	in, err := h.cfg.Tenants.Configure(c.ctx(), c.key, settings, c.caller.actor)
	if err != nil {
		return err
	}
	return h.answerApp(c, http.StatusOK, in)
}

// removeTenantCredential removes one credential of the tenant's own application.
func (h *Handler) removeTenantCredential(c *call) error {
	changed := c.Tenant
	changed.Application = changed.Application.WithoutValues()
	if err := h.markRemoved(c, &changed.Application); err != nil {
		return err
	}
	t, err := h.cfg.Tenants.ConfigureTenant(c.ctx(), c.Resolved, changed, c.caller.actor)
	if err != nil {
		return err
	}
	return h.answerTenant(c, http.StatusOK, t, c.caller.role)
}

// markRemoved marks the credential that the body names.
func (h *Handler) markRemoved(c *call, a *tenant.Application) error {
	var request struct {
		Credential string `json:"credential"`
	}
	if err := h.parameters(c, &request); err != nil {
		return err
	}
	credential := a.Slot(request.Credential)
	if credential == nil {
		return badRequest("credential is none of applicationSecret, nextApplicationSecret, applicationCertificate, nextApplicationCertificate")
	}
	*credential = tenant.Credential{Remove: true}
	return nil
}
