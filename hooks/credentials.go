package hooks

import (
	"encoding/json"
	"net/http"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// nullRemoves reports whether null removes a credential, or clears another property, in c: a person may say so in the types of
// package version 1. Later ones have the operation removeCredential, and the platform itself sends null for what it does not know.
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

type credentialTestView struct {
	Name    string       `json:"name"`
	Works   token.Answer `json:"works"`
	Failure *failureView `json:"failure"`
}

type credentialTestsView struct {
	Credentials []credentialTestView `json:"credentials"`
}

// testCredentials tries what a person has entered as the tenant's own application, before it is stored.
func (h *Handler) testCredentials(c *call) error {
	var properties map[string]json.RawMessage
	if err := h.parameters(c, &properties); err != nil {
		return err
	}
	base := c.Tenant
	base.Application = base.Application.WithoutValues()
	entered, err := resource{properties: properties}.tenant(base, false)
	if err != nil {
		return err
	}
	tests, err := h.cfg.Tenants.TestCredentials(c.ctx(), c.Resolved, entered, c.caller.actor)
	if err != nil {
		return err
	}
	view := credentialTestsView{[]credentialTestView{}}
	for _, test := range tests {
		view.Credentials = append(view.Credentials, credentialTestView{test.Name, worksAfter(test.Failure), viewRecord(test.Failure)})
	}
	return c.echo.JSON(http.StatusOK, view)
}

// worksAfter returns whether a credential works that Microsoft answered with f; nil: it was accepted.
func worksAfter(f *failure.Record) token.Answer {
	switch {
	case f == nil:
		return token.Yes
	case f.Error().Kind() == failure.Transient:
		return token.Unknown
	}
	return token.No
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
