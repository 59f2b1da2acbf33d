package hooks

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// unpackLink reads which resource a request links or unlinks: behind the path, or in the body as a link
// (docs/reference/aps-protocol.md §3.11). A removal may leave it out.
func (h *Handler) unpackLink(c *call) error {
	if text := c.echo.Param("linked"); text != "" {
		var ok bool
		if c.linked, ok = canonical(text); !ok {
			return badRequest("the id of the linked resource is not a UUID")
		}
	}
	body, err := h.body(c)
	if err != nil {
		return err
	}
	if len(body) > 0 {
		id := resource{properties: map[string]json.RawMessage{c.op.link: body}}.link(c.op.link)
		switch {
		case c.linked == "":
			c.linked = id
		case id != "" && id != c.linked:
			return badRequest("the linked resource in the body differs from the one in the address")
		}
	}
	if c.linked == "" && (c.op.Verb == http.MethodPost || len(body) > 0) {
		return badRequest("the request names no linked resource")
	}
	return nil
}

// account returns the account that the request links the tenant with, in whatever form; "" for none.
func (c *call) account() string {
	switch {
	case c.op.Service != tenantService, c.op.Verb == http.MethodDelete:
		return ""
	case c.op.link == accountLink:
		return c.linked
	case c.op.link != "", c.op.suspension, c.op.resource == noResource:
		return ""
	}
	return c.resource.account()
}

// moves reports whether the request gives the tenant another owner.
func (c *call) moves() bool {
	account := c.account()
	return account != "" && c.Tenant.AccountID != "" && account != c.Tenant.AccountID
}

// relink stores the account that the request links an existing tenant with, before the rest of the request is done: another
// owner, the first one, or the old one again.
func (h *Handler) relink(c *call) error {
	account := c.account()
	exists := !c.op.collection || c.repeated
	stored := c.Tenant
	if c.op.collection {
		stored = c.stored
	}
	moves, again := c.moves(), !stored.UnlinkedAt.IsZero() && slices.Contains(movers(), c.caller.role)
	if account == "" || !exists || stored.AccountID != "" && !moves && !again {
		return nil
	}
	t, err := h.cfg.Tenants.Link(c.ctx(), c.key, stored.ID, stored.AccountID, account, c.caller.actor)
	if err != nil {
		return err
	}
	c.forgetAhead()
	if t.Name == "" {
		h.name(c, &t)
	}
	if c.op.collection {
		c.stored, c.Tenant.AccountID = t, t.AccountID
		return nil
	}
	c.Tenant = t
	return nil
}

// name stores the names of a tenant's new owner. Without them, the next change of the account or of the tenant stores them.
func (h *Handler) name(c *call, t *tenant.Tenant) {
	ctx, cancel := context.WithTimeout(c.ctx(), bestEffortTimeout)
	defer cancel()
	company, marketplace := h.namesOf(ctx, c.Instance, t.AccountID)
	if company == "" && marketplace == "" {
		return
	}
	err := h.cfg.Tenants.Rename(c.ctx(), c.key, t.ID, company, marketplace, c.caller.actor)
	if err == nil {
		*t, err = h.cfg.Tenants.Tenant(c.ctx(), c.key, t.ID)
	}
	if err != nil {
		h.log(c.ctx()).WarnContext(c.ctx(), "storing the names of the tenant's owner failed", "err", err)
	}
}

// recognized returns t without a doubt whether the platform has it: the platform calls hooks of nothing else.
func (h *Handler) recognized(c *call, t tenant.Tenant) (tenant.Tenant, error) {
	if t.UnknownAt.IsZero() || t.Altered || c.op.Verb == http.MethodDelete {
		return t, nil
	}
	return h.cfg.Tenants.Recognize(c.ctx(), c.key, t.ID, platformActor())
}

// acknowledgeLink answers the link with an account, which relink has stored.
func (h *Handler) acknowledgeLink(c *call) error { return c.echo.JSON(http.StatusOK, struct{}{}) }

func (h *Handler) unlinkAccount(c *call) error {
	if _, err := h.cfg.Tenants.Unlink(c.ctx(), c.key, c.id, c.linked, c.caller.actor); err != nil {
		return err
	}
	return c.echo.NoContent(http.StatusNoContent)
}

func (h *Handler) linkSubscription(c *call) error {
	if _, err := h.cfg.Tenants.LinkSubscription(c.ctx(), c.key, c.id, c.linked, c.caller.actor); err != nil {
		return err
	}
	return c.echo.JSON(http.StatusOK, struct{}{})
}

// unlinkSubscription forgets the subscription, unless another one was linked before.
func (h *Handler) unlinkSubscription(c *call) error {
	if c.linked == "" || c.linked == c.Tenant.SubscriptionID {
		if _, err := h.cfg.Tenants.LinkSubscription(c.ctx(), c.key, c.id, "", c.caller.actor); err != nil {
			return err
		}
	}
	return c.echo.NoContent(http.StatusNoContent)
}

// checkRoot refuses a link with the root of another instance, alone or with the whole tenant: a tenant's token is sealed for
// this one.
func (c *call) checkRoot() error {
	root := ""
	switch {
	case c.op.link == appLink:
		root = c.linked
	case c.op.Service == tenantService && c.op.resource == requiredResource && c.verdict == Performed:
		root = c.resource.link(appLink)
	}
	if root != "" && root != c.Instance.RootID {
		return failure.New(failure.Conflict)
	}
	return nil
}

// linkApp confirms the link with the root, which checkRoot has compared.
func (h *Handler) linkApp(c *call) error {
	return c.echo.JSON(http.StatusOK, struct{}{})
}

// checkMove tells whether the tenant could move to another account now (docs/reference/aps-protocol.md §3.11).
func (h *Handler) checkMove(c *call) error {
	err := h.cfg.Tenants.MayMove(c.ctx(), c.Tenant)
	if err != nil && !failure.Is(err, failure.MoveRefused) {
		return err
	}
	return c.echo.JSON(http.StatusOK, map[string]bool{"canMigrate": err == nil})
}
