package hooks

import (
	"cmp"
	"context"
	"slices"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// maxAncestors bounds the walk up from an account; the platform allows three levels of resellers (aps-protocol.md §8).
const maxAncestors = 5

// A caller is who made a request and what he is to the resource he calls on.
type caller struct {
	role  role
	actor audit.Actor
}

// authorize finds out who is calling and refuses who may not.
func (d *Door) authorize(ctx context.Context, c *call) error {
	ctx, cancel := context.WithTimeout(ctx, callerPatience)
	defer cancel()
	var err error
	if c.caller, err = d.identify(ctx, c); err != nil {
		return err
	}
	if !c.op.allows(c.caller.role) {
		return failure.New(failure.Forbidden)
	}
	return nil
}

// identify takes the least that a request claims: what an application does for a person is the application's doing.
// The headers can be trusted because the request is signed, and the connection is TLS.
func (d *Door) identify(ctx context.Context, c *call) (caller, error) {
	h := c.headers
	switch {
	case h.application != "" && h.application != h.instance:
		return caller{application, audit.Actor{Kind: audit.Application, ID: h.application, OriginalID: h.original}}, nil
	case h.identity == "":
		return caller{platform, audit.Actor{Kind: audit.Platform}}, nil
	}
	actor := audit.Actor{Kind: audit.User, ID: h.identity, OriginalID: h.original}
	if c.op.allows(stranger) {
		return caller{stranger, actor}, nil
	}
	account, err := d.accounts.userAccount(ctx, c.Instance, h.identity)
	if failure.Is(err, failure.NotFound) {
		return caller{stranger, actor}, nil
	}
	if err != nil {
		return caller{}, err
	}
	actor.Name, actor.AccountID = cmp.Or(account.User, account.Name), account.ID
	r, err := d.roleOf(ctx, c, account)
	return caller{r, actor}, err
}

// roleOf returns what account is to the tenant of c; without a tenant there is only the provider.
func (d *Door) roleOf(ctx context.Context, c *call, account tenant.Account) (role, error) {
	owns := c.Tenant.AccountID != "" && account.ID == c.Tenant.AccountID
	switch {
	// End customers own nothing here, whatever they have bought (aps-protocol.md §8).
	case owns && account.Type != tenant.CustomerAccount:
		return owner, nil
	case account.Type == tenant.ProviderAccount:
		return provider, nil
	case account.Type != tenant.ResellerAccount, c.Tenant.AccountID == "", !c.op.allows(parent):
		return stranger, nil
	}
	above, err := d.isAbove(ctx, c, account.ID)
	if err != nil || !above {
		return stranger, err
	}
	return parent, nil
}

// isAbove reports whether ancestor is above the account of c's tenant: by the hierarchy that came with the request, if
// it is that account's, else by asking the platform.
func (d *Door) isAbove(ctx context.Context, c *call, ancestor string) (bool, error) {
	if h := c.headers.hierarchy; len(h) > 0 && h[len(h)-1] == c.Tenant.AccountID {
		return slices.Contains(h[:len(h)-1], ancestor), nil
	}
	chain, err := d.ancestors(ctx, c.Instance, c.Tenant.AccountID)
	if failure.Is(err, failure.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(chain, func(a tenant.Account) bool { return a.ParentID == ancestor }), nil
}

// ancestors returns the account with id, its parent, and so on up to the provider.
func (d *Door) ancestors(ctx context.Context, in tenant.Instance, id string) ([]tenant.Account, error) {
	var chain []tenant.Account
	for len(chain) < maxAncestors && id != "" {
		account, err := d.accounts.account(ctx, in, id)
		if err != nil {
			return nil, err
		}
		chain = append(chain, account)
		id = account.ParentID
	}
	return chain, nil
}
