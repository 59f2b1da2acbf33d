package hooks

import (
	"context"
	"encoding/json"
	"net/http"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// Bindings are what an instance has at its platform besides its resources; binding.Service implements it.
type Bindings interface {
	// RenewalTask returns the id of the platform's periodic task that calls renewTokens, or "" without one.
	RenewalTask(ctx context.Context, in tenant.Instance) (string, error)
	// SubscribeAccount makes the platform report changes of an account.
	SubscribeAccount(ctx context.Context, in tenant.Instance, accountID string) error
	// Unsubscribe cancels the periodic task of an instance that is being removed.
	Unsubscribe(ctx context.Context, in tenant.Instance) error
}

// noBindings are those of a door that was given none.
type noBindings struct{}

func (noBindings) RenewalTask(context.Context, tenant.Instance) (string, error)    { return "", nil }
func (noBindings) SubscribeAccount(context.Context, tenant.Instance, string) error { return nil }
func (noBindings) Unsubscribe(context.Context, tenant.Instance) error              { return nil }

// renewTokens wakes the renewal of what is due and does not wait for it: the platform's clock would be held up.
func (h *Handler) renewTokens(c *call) error {
	h.cfg.RenewDue()
	return c.echo.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// An event is a notification of the platform (aps-protocol.md §3.7). What happened stands in a field of one name in the
// platform's type and of another in its calls; neither is needed: whatever happened to an account, it is looked up.
type event struct {
	Source struct {
		ID string `json:"id"`
	} `json:"source"`
}

// accountChanged takes over the names of an account that changed. An event that cannot be read, or is about nobody
// here, is accepted all the same, for the platform would repeat it; one that cannot be handled now is refused, so that
// it does.
func (h *Handler) accountChanged(c *call) error {
	if err := h.rename(c); err != nil {
		return err
	}
	return c.echo.JSON(http.StatusOK, struct{}{})
}

func (h *Handler) rename(c *call) error {
	var told event
	body, err := h.body(c)
	if err != nil || json.Unmarshal(body, &told) != nil {
		return nil //nolint:nilerr // what cannot be read now cannot be read when it is repeated
	}
	id, ok := canonical(told.Source.ID)
	if !ok {
		return nil
	}
	tenants, err := h.cfg.Tenants.Tenants(c.ctx(), c.key)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if t.AccountID != id {
			continue
		}
		h.accounts.forget(c.Instance, id)
		chain, err := h.ancestors(c.ctx(), c.Instance, id)
		if failure.Is(err, failure.NotFound) {
			return nil // the account is gone, and its tenants will follow
		}
		if err != nil {
			return err
		}
		company, marketplace := names(chain)
		err = h.cfg.Tenants.Rename(c.ctx(), c.key, t.ID, company, marketplace, c.caller.actor)
		if err != nil && !failure.Is(err, failure.NotFound) {
			return err
		}
	}
	return nil
}
