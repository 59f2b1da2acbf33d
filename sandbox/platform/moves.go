package platform

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
)

// moveCheck is the operation by which a type that declares it is asked before a move (docs/reference/aps-protocol.md §3.11).
const moveCheck = "migrationPreCheck"

// Move moves a subscription with its tenant to another account: it asks the application, if its type can be asked, removes the
// link with the old account, and links the new one. When the application refuses, everything is as before.
func (p *Platform) Move(ctx context.Context, tenantID, accountID string) error {
	in, r, err := p.served(tenantID)
	if err != nil {
		return err
	}
	p.mu.Lock()
	before, known := r.owner, p.accounts[accountID] != nil
	_, asks := p.types[r.typeID].Operations[moveCheck]
	p.mu.Unlock()
	switch {
	case !known:
		return notFound("account", accountID)
	case before == accountID:
		return conflict("the subscription is one of %s", accountID)
	}
	if asks {
		if err := p.mayMove(ctx, in, r); err != nil {
			return err
		}
	}
	if err := p.Unlink(ctx, tenantID, before); err != nil {
		return err
	}
	if err := p.Relink(ctx, tenantID, accountID); err != nil {
		if again := p.linkTenant(ctx, in, tenantID, before); again != nil {
			p.cfg.Log.WarnContext(ctx, "linking a resource with its account again failed", "resource", tenantID, "err", again)
		}
		return err
	}
	return nil
}

func (p *Platform) mayMove(ctx context.Context, in *instance, r *resource) error {
	answer, err := p.hook(ctx, in, hookCall{method: http.MethodPost, path: p.path(r.id) + "/" + moveCheck, owner: r.owner})
	if err != nil {
		return err
	}
	var body struct {
		CanMigrate bool `json:"canMigrate"`
	}
	if answer.Status != http.StatusOK || json.Unmarshal(answer.Body, &body) != nil {
		return refused("asking whether the subscription may move", answer)
	}
	if !body.CanMigrate {
		return conflict("the application does not let the subscription move now")
	}
	return nil
}

// Unlink removes the link between a tenant and an account. An application need not support that
// (docs/reference/aps-protocol.md §1.5).
func (p *Platform) Unlink(ctx context.Context, tenantID, accountID string) error {
	in, r, err := p.served(tenantID)
	if err != nil {
		return err
	}
	answer, err := p.hook(ctx, in, hookCall{method: http.MethodDelete, path: p.path(tenantID) + "/account/" + accountID, owner: r.owner})
	if err == nil && !slices.Contains([]int{200, 204, 404, 405, 501}, answer.Status) {
		err = refused("unlinking", answer)
	}
	return err
}

// Relink links a tenant with an account without asking before, and makes the account its owner. The one that was linked stays
// when the application refuses.
func (p *Platform) Relink(ctx context.Context, tenantID, accountID string) error {
	in, r, err := p.served(tenantID)
	if err != nil {
		return err
	}
	if err := p.linkTenant(ctx, in, tenantID, accountID); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, moved := range []*resource{r, p.resources[r.subscription]} {
		if moved != nil {
			moved.owner = accountID
			moved.links["account"] = []string{accountID}
			p.touch(moved)
		}
	}
	return nil
}

func (p *Platform) linkTenant(ctx context.Context, in *instance, tenantID, accountID string) error {
	answer, err := p.hook(ctx, in, hookCall{
		method: http.MethodPost, path: p.path(tenantID) + "/account", body: map[string]any{"aps": map[string]any{"id": accountID}}, owner: accountID,
	})
	if err == nil && !slices.Contains([]int{200, 204, 404, 405, 501}, answer.Status) {
		err = refused("linking", answer)
	}
	return err
}

// ForgetInstance loses an instance without a word to the connector, as a platform does that is restored from a backup, or from
// which an instance is removed by force: its root, and some of its tenants. The other tenants belong to the next instance of the
// package.
func (p *Platform) ForgetInstance(id string, lost ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := p.instances[id]
	if in == nil || in.installed == nil {
		return notFound("application instance", id)
	}
	for _, tenantID := range lost {
		r := p.resources[tenantID]
		if r == nil || r.instance != id {
			return notFound("resource", tenantID)
		}
		p.forget(r.subscription)
		p.forget(tenantID)
	}
	for number, task := range p.tasks {
		if task.ResourceID == in.root {
			delete(p.tasks, number)
		}
	}
	p.forget(in.root)
	delete(p.instances, id)
	return nil
}

// adopt gives an instance the tenants of one of its package that was forgotten. The caller holds p.mu.
func (p *Platform) adopt(in *instance) {
	for _, r := range p.resources {
		t := p.types[r.typeID]
		if r.service != "tenant" || p.instances[r.instance] != nil || t == nil || in.installed.services["tenant"] == nil || in.installed.services["tenant"].ID != t.ID {
			continue
		}
		r.instance = in.id
		for name, d := range t.Relations {
			if implements(p.types, p.resources[in.root].typeID, d.Type) {
				r.links[name] = []string{in.root}
			}
		}
	}
}
