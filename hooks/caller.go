package hooks

import (
	"cmp"
	"context"
	"slices"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// maxAncestors bounds the walk up from an account. The platform allows three levels of resellers
// (docs/reference/aps-protocol.md §8).
const maxAncestors = 5

// namingTimeout bounds a look-up that only names a person.
const namingTimeout = 2 * time.Second

// A caller is the sender of a request with its role towards the resource.
type caller struct {
	role  role
	actor audit.Actor
}

func platformActor() audit.Actor { return audit.Actor{Kind: audit.Platform} }

// unproven reports whether the role of a caller comes from columns that were altered.
func (by caller) unproven(c *call) bool {
	switch by.role {
	case owner, parent:
		return c.Tenant.Altered
	case application:
		return c.op.borrowers && c.Instance.Altered
	}
	return false
}

// authorize determines the caller of c and refuses one that may not call the operation.
func (h *Handler) authorize(ctx context.Context, c *call) error {
	ctx, cancel := context.WithTimeout(ctx, callerTimeout)
	defer cancel()
	var err error
	if c.caller, err = h.identify(ctx, c); err != nil {
		return err
	}
	c.verdict = c.op.decide(c.caller.role, c.repeated)
	if c.moves() && !slices.Contains(movers(), c.caller.role) {
		c.verdict = Refused
	}
	if c.verdict == Refused {
		h.recordRefusal(ctx, c)
		return failure.New(failure.Forbidden)
	}
	return nil
}

// refusalEvery is how often the same refusal is recorded: screens may repeat a call, and must not fill the audit trail.
const refusalEvery = 10 * time.Minute

// A refusedCall is who was refused what.
type refusedCall struct{ instance, tenant, operation, actor string }

// recordRefusal records that somebody who is named tried to change what they may not change.
func (h *Handler) recordRefusal(ctx context.Context, c *call) {
	if !c.op.changes() || c.caller.role == platform {
		return
	}
	refused := refusedCall{c.key, c.Tenant.ID, c.op.Service + " " + c.op.Name, c.caller.actor.ID}
	if last, ok := h.refusals.Get(refused); ok && h.cfg.Now().Sub(last).Abs() < refusalEvery {
		return
	}
	h.refusals.Add(refused, h.cfg.Now())
	if err := h.cfg.Tenants.RecordRefusal(ctx, refused.instance, refused.tenant, refused.operation, c.caller.actor); err != nil {
		h.log(ctx).WarnContext(ctx, "recording a refusal failed", "err", err)
	}
}

// identify returns the least privileged caller that the headers name: what an application does for a person counts as
// done by the application. The headers are believed as far as TLS goes: the signature does not cover them. A request that
// names nobody comes from the platform itself.
func (h *Handler) identify(ctx context.Context, c *call) (caller, error) {
	headers := c.headers
	if headers.application != "" && headers.application != c.ourselves() {
		borrower, _ := c.Instance.Settings.Borrower(headers.application)
		return caller{application, audit.Actor{Kind: audit.Application, ID: headers.application, Name: borrower.Name, OriginalID: headers.original}}, nil
	}
	person := cmp.Or(headers.identity, headers.actor)
	if person == "" {
		return caller{platform, platformActor()}, nil
	}
	actor := audit.Actor{Kind: audit.User, ID: person, OriginalID: headers.original}
	switch {
	case c.op.isOpen(c.repeated) && !c.moves():
		if c.op.Service == tenantService {
			actor, _ = h.named(ctx, c, actor)
		}
		return caller{other, actor}, nil
	case c.Tenant.AccountID != "" && headers.actor == c.Tenant.AccountID:
		return h.ownerByActor(ctx, c, actor), nil
	}
	account, err := h.accountOf(ctx, c, person)
	if failure.Is(err, failure.NotFound) {
		return caller{other, actor}, nil
	}
	if err != nil {
		return caller{}, err
	}
	actor.Name, actor.AccountID = cmp.Or(account.User, account.Name), account.ID
	r, err := h.roleOf(ctx, c, account)
	return caller{r, actor}, err
}

// ourselves returns the ID of the instance that c is about. One that takes the place of a forgotten one has another ID.
func (c *call) ourselves() string {
	if c.another() {
		return c.headers.instance
	}
	return cmp.Or(c.Instance.ID, c.headers.instance)
}

// another reports whether c creates another root than the stored one.
func (c *call) another() bool {
	return c.op.Service == appService && c.op.collection && !c.repeated
}

// accountOf returns the account of a person. Before the installation there is no address to ask but the one that this call
// would pin, and nothing that it answers is kept.
func (h *Handler) accountOf(ctx context.Context, c *call, person string) (tenant.Account, error) {
	if c.Instance.Key == "" {
		asked := tenant.Instance{Key: c.key, RootID: c.resource.id, ControllerURI: c.headers.controller}
		return h.cfg.Accounts.UserAccount(ctx, asked, person)
	}
	account, err := h.accounts.userAccount(ctx, c.Instance, person)
	if c.another() && (failure.Is(err, failure.PlatformRefused) || failure.Is(err, failure.NotFound)) {
		// The platform may have forgotten the stored root, and then looks up nothing in its context.
		asked := c.Instance
		asked.RootID = c.resource.id
		if found, again := h.cfg.Accounts.UserAccount(ctx, asked, person); again == nil {
			return found, nil
		}
	}
	return account, err
}

// ownerByActor returns the owner of the tenant: the platform says that the tenant's account acts, and no look-up is needed
// for that. So a platform that refuses impersonation, or does not answer, keeps nobody from the screens.
func (h *Handler) ownerByActor(ctx context.Context, c *call, actor audit.Actor) caller {
	actor, account := h.named(ctx, c, actor)
	actor.Name, actor.AccountID = cmp.Or(actor.Name, c.Tenant.Name), c.Tenant.AccountID
	// An end customer owns no tenant, whatever it has bought, and whoever is named beside it (docs/reference/aps-protocol.md §8).
	if account.Type == tenant.CustomerAccount {
		return caller{other, actor}
	}
	return caller{owner, actor}
}

// named returns actor with its name and account, and the account, as far as the platform tells in time.
func (h *Handler) named(ctx context.Context, c *call, actor audit.Actor) (audit.Actor, tenant.Account) {
	ctx, cancel := context.WithTimeout(ctx, namingTimeout)
	defer cancel()
	account, err := h.accounts.tryUserAccount(ctx, c.Instance, actor.ID)
	if err != nil {
		return actor, tenant.Account{}
	}
	actor.Name, actor.AccountID = cmp.Or(account.User, account.Name), account.ID
	return actor, account
}

// roleOf returns the role of account towards the tenant of c. Without a tenant there is only the provider.
func (h *Handler) roleOf(ctx context.Context, c *call, account tenant.Account) (role, error) {
	owns := c.Tenant.AccountID != "" && account.ID == c.Tenant.AccountID
	switch {
	// An end customer owns no tenant, whatever it has bought (docs/reference/aps-protocol.md §8).
	case owns && account.Type != tenant.CustomerAccount:
		return owner, nil
	case account.Type == tenant.ProviderAccount:
		return provider, nil
	case account.Type != tenant.ResellerAccount, c.Tenant.AccountID == "", c.op.decide(parent, c.repeated) == Refused:
		return other, nil
	}
	above, err := h.isAbove(ctx, c, account.ID)
	if err != nil || !above {
		return other, err
	}
	return parent, nil
}

// isAbove reports whether ancestor is above the account of c's tenant. It asks the platform: the hierarchy in the request's
// headers is unsigned.
func (h *Handler) isAbove(ctx context.Context, c *call, ancestor string) (bool, error) {
	chain, err := h.ancestors(ctx, c.Instance, c.Tenant.AccountID)
	if failure.Is(err, failure.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(chain, func(a tenant.Account) bool { return a.ParentID == ancestor }), nil
}

// ancestors returns the account with id, its parent, and so on up to the provider.
func (h *Handler) ancestors(ctx context.Context, in tenant.Instance, id string) ([]tenant.Account, error) {
	var chain []tenant.Account
	for len(chain) < maxAncestors && id != "" {
		account, err := h.accounts.account(ctx, in, id)
		if err != nil {
			return nil, err
		}
		chain = append(chain, account)
		id = account.ParentID
	}
	return chain, nil
}
