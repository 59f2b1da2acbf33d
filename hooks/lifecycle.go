package hooks

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

func (h *Handler) install(c *call) error {
	settings, err := c.resource.settings(tenant.Settings{})
	if err != nil {
		return err
	}
	in, err := h.cfg.Tenants.Install(c.ctx(), tenant.Instance{
		Key: c.key, ID: c.headers.instance, RootID: c.resource.id, ControllerURI: c.headers.controller,
		PackageVersion: h.cfg.PackageVersion, Settings: settings,
	}, c.caller.actor)
	if err != nil {
		return err
	}
	return h.answerApp(c, http.StatusCreated, in)
}

// retrieveApp tells the settings to the platform itself only. Everybody may read that the resource is there, since
// tenants are linked to it; what he sees of its properties is then up to the platform's own copy.
func (h *Handler) retrieveApp(c *call) error {
	if c.caller.role == platform {
		return h.answerApp(c, http.StatusOK, c.Instance)
	}
	return c.echo.JSON(http.StatusOK, h.viewAPS(appService, c.Instance.RootID, ""))
}

func (h *Handler) configureApp(c *call) error {
	settings, err := c.resource.settings(withoutCredentials(c.Instance.Settings))
	if err != nil {
		return err
	}
	in, err := h.cfg.Tenants.Configure(c.ctx(), c.key, settings, c.caller.actor)
	if err != nil {
		return err
	}
	return h.answerApp(c, http.StatusOK, in)
}

// answerApp answers with in and the task that it has at the platform.
func (h *Handler) answerApp(c *call, status int, in tenant.Instance) error {
	task, err := h.cfg.Bindings.RenewalTask(c.ctx(), in)
	if err != nil {
		return err
	}
	return c.echo.JSON(status, h.viewApp(in, c.resource.typeID, task))
}

func (h *Handler) removeApp(c *call) error {
	byTheWay, cancel := context.WithTimeout(c.ctx(), namesPatience)
	defer cancel()
	if err := h.cfg.Bindings.Unsubscribe(byTheWay, c.Instance); err != nil {
		// The instance goes all the same; a task that stays behind calls a resource that is no more.
		h.cfg.Log.WarnContext(c.ctx(), "the periodic task stays behind", "reference", failure.Reference(c.ctx()), "err", err)
	}
	if err := h.cfg.Tenants.Remove(c.ctx(), c.key, c.caller.actor); err != nil {
		return err
	}
	return c.echo.NoContent(http.StatusNoContent)
}

func (h *Handler) upgradeApp(c *call) error {
	from := c.echo.QueryParam("version")
	if !isPackageVersion(from) {
		return badRequest("the parameter version must be the version and release upgraded from, as in 1-3")
	}
	settings, err := c.resource.settings(withoutCredentials(c.Instance.Settings))
	if err != nil {
		return err
	}
	in, err := h.cfg.Tenants.Upgrade(c.ctx(), c.key, from, h.cfg.PackageVersion, settings, c.caller.actor)
	if err != nil {
		return err
	}
	return h.answerApp(c, http.StatusOK, in)
}

// isPackageVersion reports whether text is "version-release", split at the last hyphen (aps-protocol.md §3.6).
func isPackageVersion(text string) bool {
	i := strings.LastIndexByte(text, '-')
	return i > 0 && i < len(text)-1 && len(text) <= 64 &&
		strings.Trim(text[:i], "0123456789.-") == "" && strings.Trim(text[i+1:], "0123456789.") == ""
}

// withoutCredentials has the domain keep the stored credentials unless new ones are sent.
func withoutCredentials(s tenant.Settings) tenant.Settings {
	s.Application = s.Application.WithoutValues()
	return s
}

func (h *Handler) provision(c *call) error {
	asked := c.Tenant
	byTheWay, cancel := context.WithTimeout(c.ctx(), namesPatience)
	defer cancel()
	asked.Name, asked.Marketplace = h.namesOf(byTheWay, c.Instance, asked.AccountID)
	h.follow(byTheWay, c.Instance, asked.AccountID)
	t, err := h.cfg.Tenants.Provision(c.ctx(), asked, c.caller.actor)
	if err != nil {
		return err
	}
	return h.answerTenant(c, http.StatusCreated, t)
}

func (h *Handler) retrieveTenant(c *call) error {
	return h.answerTenant(c, http.StatusOK, c.Tenant)
}

func (h *Handler) configureTenant(c *call) error {
	stored := c.Tenant
	stored.Application = stored.Application.WithoutValues()
	changed, err := c.resource.tenant(stored)
	if err != nil {
		return err
	}
	if changed.Name == "" || changed.Marketplace == "" {
		byTheWay, cancel := context.WithTimeout(c.ctx(), namesPatience)
		changed.Name, changed.Marketplace = h.namesOf(byTheWay, c.Instance, stored.AccountID)
		cancel()
	}
	t, err := h.cfg.Tenants.ConfigureTenant(c.ctx(), c.Resolved, changed, c.caller.actor)
	if err != nil {
		return err
	}
	return h.answerTenant(c, http.StatusOK, t)
}

func (h *Handler) unprovision(c *call) error {
	if err := h.cfg.Tenants.Unprovision(c.ctx(), c.key, c.id, c.caller.actor); err != nil {
		return err
	}
	return c.echo.NoContent(http.StatusNoContent)
}

// answerTenant answers with t and the state of its token.
func (h *Handler) answerTenant(c *call, status int, t tenant.Tenant) error {
	state, err := h.cfg.Tokens.Status(c.ctx(), tenant.Resolved{Tenant: t, Instance: c.Instance})
	if err != nil {
		return err
	}
	return c.echo.JSON(status, h.viewTenant(t, c.resource.typeID, state, c.caller.role))
}

// namesOf returns the companies of an account and of the provider above it, as far as the platform tells: names are
// for people, and nothing waits for them.
func (h *Handler) namesOf(ctx context.Context, in tenant.Instance, accountID string) (company, marketplace string) {
	chain, err := h.ancestors(ctx, in, accountID)
	if err != nil {
		h.cfg.Log.WarnContext(ctx, "tenant stays without names", "reference", failure.Reference(ctx), "err", err)
		return "", ""
	}
	return names(chain)
}

// names returns the companies at both ends of a chain of accounts; the upper one only if it is the provider.
func names(chain []tenant.Account) (company, marketplace string) {
	if len(chain) == 0 {
		return "", ""
	}
	if last := chain[len(chain)-1]; last.Type == tenant.ProviderAccount {
		marketplace = last.Name
	}
	return chain[0].Name, marketplace
}

// follow has the platform tell when the account of a tenant changes its name. Nothing waits for that either.
func (h *Handler) follow(ctx context.Context, in tenant.Instance, accountID string) {
	if accountID == "" {
		return
	}
	if err := h.cfg.Bindings.SubscribeAccount(ctx, in, accountID); err != nil {
		h.cfg.Log.WarnContext(ctx, "changes of the tenant's account will not be told", "reference", failure.Reference(ctx), "err", err)
	}
}

// statusReaders is how many statuses are asked for at the same time. The store reads those together, so that thousands of
// tenants cost a few queries.
const statusReaders = 128

func (h *Handler) listTenants(c *call) error {
	tenants, err := h.cfg.Tenants.Tenants(c.ctx(), c.key)
	if err != nil {
		return err
	}
	rows := make([]*tenantRow, len(tenants))
	readers, ctx := errgroup.WithContext(c.ctx())
	readers.SetLimit(statusReaders)
	for i, t := range tenants {
		readers.Go(func() error {
			status, err := h.cfg.Tokens.Status(ctx, tenant.Resolved{Tenant: t, Instance: c.Instance})
			if failure.Is(err, failure.NotFound) {
				return nil // removed since it was listed
			}
			if err != nil {
				return err
			}
			row := viewRow(t, status)
			rows[i] = &row
			return nil
		})
	}
	if err := readers.Wait(); err != nil {
		return err
	}
	views := slices.DeleteFunc(rows, func(row *tenantRow) bool { return row == nil })
	return c.echo.JSON(http.StatusOK, views)
}

// checkHealth tells the platform that the way to us works and that we still know the instance: load found it.
func (h *Handler) checkHealth(c *call) error {
	return c.echo.JSON(http.StatusOK, map[string]string{"status": "ok"})
}
