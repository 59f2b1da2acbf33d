package notify

import (
	"context"
	"fmt"
	"strings"

	"azure-partner-connector/connector/tenant"
)

// A PanelNotice is a notice as the panel shows it (docs/reference/aps-protocol.md §5.5).
type PanelNotice struct {
	AccountID string // account whose users see it; never empty, because then everyone would see it
	Alarm     bool
	Message   string
	Details   string
}

// Panels shows notices in the panels of platforms. It is safe for concurrent use.
type Panels interface {
	// Notify shows n in the panel of the platform of in.
	Notify(ctx context.Context, in tenant.Instance, n PanelNotice) error
	// ProviderAccount returns the account of the provider, for notices about the instance.
	ProviderAccount(ctx context.Context, in tenant.Instance) (id string, err error)
}

// Subjects returns instances by key and tenants by ID; the store implements it.
type Subjects interface {
	Instance(ctx context.Context, key string) (tenant.Instance, error)
	Tenant(ctx context.Context, id string) (tenant.Tenant, error)
}

// Words returns a function that translates texts into a language, or into that of the provider for an empty one.
type Words func(language string) (translate func(text string) string, err error)

// A Panel is the channel that shows notices in the platform's panel, to the users of the tenant's account. Notices about an
// instance, and those that are for the provider, are shown to the provider. Resellers read them in their own language.
type Panel struct {
	subjects Subjects
	panels   Panels
	words    Words
}

// NewPanel returns a Panel.
func NewPanel(subjects Subjects, panels Panels, words Words) *Panel {
	return &Panel{subjects, panels, words}
}

// Name implements Channel.
func (p *Panel) Name() string { return "panel" }

// Audience implements Channel.
func (p *Panel) Audience() Audience { return Everyone }

// Send implements Channel. A notice about a tenant without a known account is undeliverable: without an account the panel
// would show it to everyone.
func (p *Panel) Send(ctx context.Context, n Notice) error {
	in, err := p.subjects.Instance(ctx, n.InstanceKey)
	if err != nil {
		return fmt.Errorf("reading instance %s: %w", n.InstanceKey, err)
	}
	account, language := n.AccountID, ""
	if n.TenantID != "" && !n.Provider {
		t, err := p.subjects.Tenant(ctx, n.TenantID)
		if err != nil {
			return fmt.Errorf("reading tenant %s: %w", n.TenantID, err)
		}
		language = t.Notices.Language
	} else {
		if account, err = p.panels.ProviderAccount(ctx, in); err != nil {
			return fmt.Errorf("finding the provider's account: %w", err)
		}
	}
	if account == "" {
		return fmt.Errorf("%w: the account of tenant %s is unknown", ErrUndeliverable, n.TenantID)
	}
	translate, err := p.words(language)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUndeliverable, err)
	}
	return p.panels.Notify(ctx, in, PanelNotice{
		AccountID: account, Alarm: n.Kind == Alarm || n.Kind == Incident, Message: n.HeadlineIn(translate), Details: strings.Join(n.LinesIn(translate), " "),
	})
}
