package mail

import (
	"cmp"
	"context"
	"fmt"

	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/tenant"
)

// Tenants returns tenants by ID; the store implements it.
type Tenants interface {
	Tenant(ctx context.Context, id string) (tenant.Tenant, error)
}

// Resellers is the channel that sends the notices about a tenant to the mailboxes that its reseller has entered, in the
// reseller's language. It is safe for concurrent use.
type Resellers struct {
	mails   *Channel
	tenants Tenants
}

// NewResellers returns the channel. It sends by the server of mails, whose language is used for resellers that chose none.
func NewResellers(mails *Channel, tenants Tenants) *Resellers { return &Resellers{mails, tenants} }

// Name implements notify.Channel.
func (r *Resellers) Name() string { return "mail_reseller" }

// Audience implements notify.Channel.
func (r *Resellers) Audience() notify.Audience { return notify.Reseller }

// Send implements notify.Channel. It sends to the present recipients of the tenant, and nothing when there are none any more.
func (r *Resellers) Send(ctx context.Context, n notify.Notice) error {
	if n.TenantID == "" {
		return nil
	}
	t, err := r.tenants.Tenant(ctx, n.TenantID)
	if err != nil {
		return fmt.Errorf("reading tenant %s: %w", n.TenantID, err)
	}
	if len(t.Notices.Recipients) == 0 {
		return nil
	}
	return r.mails.send(ctx, n, t.Notices.Recipients, cmp.Or(t.Notices.Language, r.mails.cfg.Language))
}
