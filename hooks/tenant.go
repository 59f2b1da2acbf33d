package hooks

import (
	"cmp"
	"context"
	"net/http"

	"azure-partner-connector/connector/tenant"
)

func (h *Handler) provision(c *call) error {
	if c.verdict == Confirmed {
		return h.answerTenant(c, http.StatusCreated, c.stored, c.caller.role)
	}
	requested := c.Tenant
	bestEffort, cancel := context.WithTimeout(c.ctx(), bestEffortTimeout)
	defer cancel()
	requested.Name, requested.Marketplace = h.namesOf(bestEffort, c.Instance, requested.AccountID)
	requested.WatchedAccountID = h.subscribe(bestEffort, c.Instance, requested.AccountID)
	t, err := h.cfg.Tenants.Provision(c.ctx(), requested, c.caller.actor)
	if err != nil {
		return err
	}
	return h.answerTenant(c, http.StatusCreated, t, platform) // the platform stores what it sent
}

func (h *Handler) retrieveTenant(c *call) error {
	return h.answerTenant(c, http.StatusOK, c.Tenant, c.caller.role)
}

func (h *Handler) configureTenant(c *call) error {
	stored := c.Tenant
	stored.Application = stored.Application.WithoutValues()
	changed, err := c.resource.tenant(stored, c.nullRemoves())
	if err != nil {
		return err
	}
	changed.SubscriptionID = cmp.Or(c.resource.subscription(), stored.SubscriptionID)
	if changed.Name == "" || changed.Marketplace == "" {
		bestEffort, cancel := context.WithTimeout(c.ctx(), bestEffortTimeout)
		changed.Name, changed.Marketplace = h.namesOf(bestEffort, c.Instance, stored.AccountID)
		cancel()
	}
	t, err := h.cfg.Tenants.ConfigureTenant(c.ctx(), c.Resolved, changed, c.caller.actor)
	if err != nil {
		return err
	}
	return h.answerTenant(c, http.StatusOK, t, c.caller.role)
}

func (h *Handler) unprovision(c *call) error {
	if err := h.cfg.Tenants.Unprovision(c.ctx(), c.key, c.id, c.caller.actor); err != nil {
		return err
	}
	return c.echo.NoContent(http.StatusNoContent)
}

// disable suspends a tenant's subscription, for example during a credit hold.
func (h *Handler) disable(c *call) error { return h.suspend(c, true) }

// enable resumes it.
func (h *Handler) enable(c *call) error { return h.suspend(c, false) }

func (h *Handler) suspend(c *call, suspended bool) error {
	t, err := h.cfg.Tenants.Suspend(c.ctx(), c.key, c.id, suspended, c.caller.actor)
	if err != nil {
		return err
	}
	return h.answerTenant(c, http.StatusOK, t, c.caller.role)
}

// answerTenant answers what a role may see of a tenant. Another application, or anyone else whose repeated creation is
// confirmed, learns that it exists: the platform decides from its own copy who sees which properties.
func (h *Handler) answerTenant(c *call, code int, t tenant.Tenant, r role) error {
	if r == application || r == other {
		return c.echo.JSON(code, h.viewTenantAPS(c, t))
	}
	status, err := h.statusOf(c, tenant.Resolved{Tenant: t, Instance: c.Instance})
	if err != nil {
		return err
	}
	return c.echo.JSON(code, h.viewTenant(c, t, status, r))
}

// namesOf returns the company names of an account and of the provider above it. A name that the platform doesn't return
// in time stays empty: names only help people.
func (h *Handler) namesOf(ctx context.Context, in tenant.Instance, accountID string) (company, marketplace string) {
	chain, err := h.ancestors(ctx, in, accountID)
	if err != nil {
		h.log(ctx).WarnContext(ctx, "reading the tenant's account failed; its names stay empty", "err", err)
		return "", ""
	}
	return names(chain)
}

// names returns the company names at both ends of a chain of accounts; the upper one only if it is the provider.
func names(chain []tenant.Account) (company, marketplace string) {
	if len(chain) == 0 {
		return "", ""
	}
	if last := chain[len(chain)-1]; last.Type == tenant.ProviderAccount {
		marketplace = last.Name
	}
	return chain[0].Name, marketplace
}

// subscribe makes the platform report when the tenant's account changes its name, and returns the account if it does. Failing
// doesn't fail the provisioning: the sweep of the bindings does it later.
func (h *Handler) subscribe(ctx context.Context, in tenant.Instance, accountID string) string {
	if accountID == "" {
		return ""
	}
	watched, err := h.cfg.Bindings.SubscribeAccount(ctx, in, accountID)
	if err != nil {
		h.log(ctx).WarnContext(ctx, "subscribing to changes of the tenant's account failed; retrying later", "err", err)
	}
	if !watched {
		return ""
	}
	return accountID
}
