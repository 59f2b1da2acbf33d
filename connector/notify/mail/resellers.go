package mail

import (
	"cmp"
	"context"
	"errors"
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

// Recipients implements notify.Mailer. They are the present ones of the tenant.
func (r *Resellers) Recipients(ctx context.Context, n notify.Notice) ([]notify.Recipient, error) {
	if n.TenantID == "" {
		return nil, nil
	}
	t, err := r.tenants.Tenant(ctx, n.TenantID)
	if err != nil {
		return nil, fmt.Errorf("reading tenant %s: %w", n.TenantID, err)
	}
	return recipients(t.Notices.Recipients, cmp.Or(t.Notices.Language, r.mails.cfg.Language)), nil
}

// SendTo implements notify.Mailer.
func (r *Resellers) SendTo(ctx context.Context, to notify.Recipient, notices []notify.Notice) error {
	return r.mails.SendTo(ctx, to, notices)
}

// Send implements notify.Channel. It sends to the present recipients of the tenant, and nothing when there are none any more.
func (r *Resellers) Send(ctx context.Context, n notify.Notice) error {
	all, err := r.Recipients(ctx, n)
	if err != nil {
		return err
	}
	for _, to := range all {
		err = errors.Join(err, r.SendTo(ctx, to, []notify.Notice{n}))
	}
	return err
}
