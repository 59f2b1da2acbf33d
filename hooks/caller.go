package hooks

import (
	"cmp"
	"context"
	"slices"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// maxAncestors bounds the walk up from an account. The platform allows three levels of resellers
// (docs/reference/aps-protocol.md §8).
const maxAncestors = 5

// A caller is the sender of a request with its role towards the resource.
type caller struct {
	role  role
	actor audit.Actor
}

// unproven reports whether the role of a caller comes from columns that were altered.
func (by caller) unproven(c *call) bool {
	switch by.role {
	case owner, parent:
		return c.Tenant.Altered
	case application:
		return c.Instance.Altered
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
	if !c.op.allows(c.caller.role) {
		return failure.New(failure.Forbidden)
	}
	return nil
}

// identify returns the least privileged caller that the headers name: what an application does for a person counts as
// done by the application. The headers are trusted because the request is signed and comes over TLS.
func (h *Handler) identify(ctx context.Context, c *call) (caller, error) {
	headers := c.headers
	switch {
	case headers.application != "" && headers.application != headers.instance:
		return caller{application, audit.Actor{Kind: audit.Application, ID: headers.application, OriginalID: headers.original}}, nil
	case headers.identity == "":
		return caller{platform, audit.Actor{Kind: audit.Platform}}, nil
	}
	actor := audit.Actor{Kind: audit.User, ID: headers.identity, OriginalID: headers.original}
	if c.op.allows(other) {
		return caller{other, actor}, nil
	}
	account, err := h.accounts.userAccount(ctx, c.Instance, headers.identity)
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

// roleOf returns the role of account towards the tenant of c. Without a tenant there is only the provider.
func (h *Handler) roleOf(ctx context.Context, c *call, account tenant.Account) (role, error) {
	owns := c.Tenant.AccountID != "" && account.ID == c.Tenant.AccountID
	switch {
	// An end customer owns no tenant, whatever it has bought (docs/reference/aps-protocol.md §8).
	case owns && account.Type != tenant.CustomerAccount:
		return owner, nil
	case account.Type == tenant.ProviderAccount:
		return provider, nil
	case account.Type != tenant.ResellerAccount, c.Tenant.AccountID == "", !c.op.allows(parent):
		return other, nil
	}
	above, err := h.isAbove(ctx, c, account.ID)
	if err != nil || !above {
		return other, err
	}
	return parent, nil
}

// isAbove reports whether ancestor is above the account of c's tenant. It uses the hierarchy in the request if that ends
// with this account, and the platform's answer otherwise.
func (h *Handler) isAbove(ctx context.Context, c *call, ancestor string) (bool, error) {
	if chain := c.headers.hierarchy; len(chain) > 0 && chain[len(chain)-1] == c.Tenant.AccountID {
		return slices.Contains(chain[:len(chain)-1], ancestor), nil
	}
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
