package notify_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestNotice_Texts(t *testing.T) {
	revoked := &failure.Record{Code: failure.GrantRevoked}
	for name, tc := range map[string]struct {
		notice notify.Notice
		want   []string
	}{
		"alarm for a person": {notify.Notice{Kind: notify.Alarm, State: token.StateActionRequired, Reason: revoked, Days: 80, Ends: start}, []string{
			"The refresh token of Alpine Cloud needs a new sign-in.",
			"Microsoft no longer accepts the refresh token: it was revoked, or the password was changed.",
			"Use Update Refresh Token, or send the link from Manual Update.",
		}},
		"alarm with parameters": {notify.Notice{Kind: notify.Alarm, State: token.StateMisconfigured, Days: 80, Ends: start, Reason: &failure.Record{
			Code: failure.DirectoryUnknown, Params: map[string]string{"directory": "alpine.example"},
		}}, []string{
			"The refresh token of Alpine Cloud can't be renewed until a setting is changed.",
			"Microsoft doesn't know a directory named alpine.example.",
			"Without another renewal, it expires on 2026-11-23 08:00 UTC.",
			"Check the directory (tenant) ID or domain, and the cloud, in the settings.",
		}},
		"warning": {notify.Notice{Kind: notify.ExpiryWarning, State: token.StateExpiring, Reason: &failure.Record{Code: failure.GrantExpiring}, Days: 14, Ends: start}, []string{
			"The refresh token of Alpine Cloud expires in 14 days.",
			"Without another renewal, it expires on 2026-11-23 08:00 UTC.",
			"Use Renew Now. If that fails, use Update Refresh Token.",
		}},
		"last warning": {notify.Notice{Kind: notify.ExpiryWarning, State: token.StateActionRequired, Reason: revoked, Days: 1, Ends: start}, []string{
			"The refresh token of Alpine Cloud expires within a day.",
			"Microsoft no longer accepts the refresh token: it was revoked, or the password was changed.",
			"Use Update Refresh Token, or send the link from Manual Update.",
		}},
		"expired": {notify.Notice{Kind: notify.Alarm, State: token.StateExpired, Reason: &failure.Record{Code: failure.GrantExpired}, Ends: start}, []string{
			"The refresh token of Alpine Cloud has expired.",
			"The refresh token has expired because it wasn't renewed for 90 days.",
			"Use Update Refresh Token, or send the link from Manual Update.",
		}},
		"suspended": {notify.Notice{Kind: notify.Alarm, State: token.StateSuspended, Reason: &failure.Record{Code: failure.Suspended}, Days: 80, Ends: start}, []string{
			"The subscription of Alpine Cloud is suspended: no access token is issued until it is resumed.",
			"The marketplace has suspended the subscription. The refresh token is kept, but nothing is issued.",
			"Without another renewal, it expires on 2026-11-23 08:00 UTC.",
			"Ask the provider of the marketplace to resume the subscription.",
		}},
		"unlinked": {notify.Notice{Kind: notify.Alarm, State: token.StateSuspended, Reason: &failure.Record{Code: failure.Unlinked}, Days: 80, Ends: start}, []string{
			"The marketplace lost the subscription of Alpine Cloud, or its account: no access token is issued.",
			"The marketplace has no account for this subscription. The refresh token is kept, but nothing is issued.",
			"Without another renewal, it expires on 2026-11-23 08:00 UTC.",
			"Ask the provider of the marketplace to link the subscription to its account again.",
		}},
		"recovery": {notify.Notice{Kind: notify.Recovery, State: token.StateActive, Days: 90, Ends: start}, []string{
			"The refresh token of Alpine Cloud works again.",
			"Without another renewal, it expires on 2026-11-23 08:00 UTC.",
			"There's nothing to do.",
		}},
		"consent to confirm": {notify.Notice{Kind: notify.ConsentWaiting, State: token.StateActive, Days: 1, Ends: start, Reason: &failure.Record{
			Code: failure.ConfirmationWaiting, Params: map[string]string{"username": "bob@alpine.example", "before": "ada@alpine.example"},
		}}, []string{
			"A consent for the refresh token of Alpine Cloud is waiting for you until 2026-11-23 08:00 UTC.",
			"bob@alpine.example signed in this time, ada@alpine.example last time. The consent takes effect once you confirm it.",
			"Confirm the consent under Manage Refresh Token. If the screen has no button for this, upgrade the package on the platform: it's older than the connector.",
		}},
		"consent without its claim code": {notify.Notice{Kind: notify.ConsentWaiting, State: token.StatePending, Days: 1, Ends: start, Reason: &failure.Record{
			Code: failure.ClaimWaiting, Params: map[string]string{"username": "bob@alpine.example"},
		}}, []string{
			"A consent for the refresh token of Alpine Cloud is waiting for you until 2026-11-23 08:00 UTC.",
			"The consent of bob@alpine.example is waiting for the authentication code.",
			"Enter the code that the administrator sent you.",
		}},
		"test": {notify.Notice{Kind: notify.Test}, []string{
			"This is a test of the notices of the Azure Partner connector.",
			"Someone requested it with connector notify test. Notices about refresh tokens arrive the same way.",
			"There's nothing to do.",
		}},
		"credential": {notify.Notice{Kind: notify.CredentialWarning, Credential: tenant.NextCertificateName, Days: 60, Ends: start}, []string{
			"The next certificate of the Microsoft application of Alpine Cloud expires in 60 days.",
			"Unless another credential takes over, add a client secret or certificate to the app registration and enter it in the settings. The refresh token stays valid.",
		}},
		"relationships": {notify.Notice{Kind: notify.RelationshipWarning, State: token.StateActive, Days: 31, Ends: start, Count: 3, Customers: []notify.CustomerEnd{
			{Name: "Fjord Foods", Ends: start}, {Name: "Birch Timber", Ends: start.Add(time.Hour)},
		}}, []string{
			"Relationships (GDAP) of Alpine Cloud with customers end soon: 3.",
			"Fjord Foods: until 2026-11-23 08:00 UTC.",
			"Birch Timber: until 2026-11-23 09:00 UTC.",
			"Further customers: 1.",
			"Renew these relationships in Partner Center, or turn on automatic extension. Once one has ended, access tokens for its customer are refused.",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.notice.Name = "Alpine Cloud"
			got := append([]string{tc.notice.Headline()}, tc.notice.Lines()...)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Headline and Lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNotice_FillsAllPlaceholders(t *testing.T) {
	for _, kind := range []notify.Kind{notify.Alarm, notify.ExpiryWarning, notify.CredentialWarning, notify.Recovery, notify.ConsentWaiting, notify.RelationshipWarning, notify.Reminder} {
		for _, state := range token.States() {
			for _, days := range []int{0, 1, 30} {
				n := notify.Notice{Kind: kind, State: state, Days: days, Ends: start, Name: "Alpine Cloud"}
				text := n.Headline() + strings.Join(n.Lines(), "")
				if strings.Contains(text, "__") || !strings.Contains(text, "Alpine Cloud") {
					t.Errorf("%s in state %s with %d days says %q", kind, state, days, text)
				}
			}
		}
	}
}

// A panels implements notify.Panels and notify.Subjects, and records the notices that it shows.
type panels struct {
	shown []notify.PanelNotice
	err   error
}

func (p *panels) Notify(_ context.Context, _ tenant.Instance, n notify.PanelNotice) error {
	p.shown = append(p.shown, n)
	return p.err
}

func (p *panels) ProviderAccount(context.Context, tenant.Instance) (string, error) {
	return providerID, p.err
}

func (p *panels) Instance(_ context.Context, key string) (tenant.Instance, error) {
	return tenant.Instance{Key: key}, nil
}

// Tenant implements notify.Subjects: the reseller of t-de has chosen German.
func (p *panels) Tenant(_ context.Context, id string) (tenant.Tenant, error) {
	t := tenant.Tenant{ID: id}
	if id == "t-de" {
		t.Notices.Language = "de"
	}
	return t, nil
}

// backwards translates into a language by writing its name before a text.
func backwards(language string) (func(text string) string, error) {
	if language == "" {
		return func(text string) string { return text }, nil
	}
	return func(text string) string { return language + ": " + text }, nil
}

// TestPanel_SpeaksTheLanguageOfTheReseller: and the provider's to the provider.
func TestPanel_SpeaksTheLanguageOfTheReseller(t *testing.T) {
	p := &panels{}
	c := notify.NewPanel(p, p, backwards)
	n := notify.Notice{Kind: notify.Recovery, TenantID: "t-de", Name: "Alpine Cloud", AccountID: "a"}
	for _, provider := range []bool{false, true} {
		n.Provider = provider
		if err := c.Send(t.Context(), n); err != nil {
			t.Fatalf("Send() = %v", err)
		}
	}
	const message, details = "The refresh token of Alpine Cloud works again.", "There's nothing to do."
	want := []notify.PanelNotice{{AccountID: "a", Message: "de: " + message, Details: "de: " + details}, {AccountID: providerID, Message: message, Details: details}}
	if diff := cmp.Diff(want, p.shown); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
}

func TestPanel_ShowsANoticeToItsAccountOnly(t *testing.T) {
	p := &panels{}
	c := notify.NewPanel(p, p, backwards)
	alarm := notify.Notice{Kind: notify.Alarm, TenantID: "t", Name: "Alpine Cloud", AccountID: "a", State: token.StateActionRequired, Reason: &failure.Record{Code: failure.GrantRevoked}}
	if err := c.Send(t.Context(), alarm); err != nil {
		t.Fatalf("Send(alarm) = %v", err)
	}
	if err := c.Send(t.Context(), notify.Notice{Kind: notify.CredentialWarning, Name: "instance k", Days: 7}); err != nil {
		t.Fatalf("Send(warning of the instance) = %v", err)
	}
	want := []notify.PanelNotice{
		{AccountID: "a", Alarm: true, Message: alarm.Headline(), Details: strings.Join(alarm.Lines(), " ")},
		{
			AccountID: providerID, Message: "The last credential of the Microsoft application of instance k expires in 7 days.",
			Details: "Unless another credential takes over, add a client secret or certificate to the app registration and enter it in the settings. The refresh token stays valid.",
		},
	}
	if diff := cmp.Diff(want, p.shown); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
	forProvider := alarm
	forProvider.Provider = true
	if err := c.Send(t.Context(), forProvider); err != nil || len(p.shown) != 3 || p.shown[2].AccountID != providerID {
		t.Errorf("Send(alarm for the provider) = %v, shown %+v, want the provider to see it alone", err, p.shown)
	}
	p.shown = p.shown[:2]
	alarm.AccountID = ""
	if err := c.Send(t.Context(), alarm); !errors.Is(err, notify.ErrUndeliverable) || len(p.shown) != 2 {
		t.Errorf("Send(notice without an account) = %v, %d notices shown, want %v, 2 as before", err, len(p.shown), notify.ErrUndeliverable)
	}
	p.err = errDown
	alarm.AccountID = "a"
	if err := c.Send(t.Context(), alarm); !errors.Is(err, errDown) {
		t.Errorf("Send() = %v, want %v", err, errDown)
	}
	if err := c.Send(t.Context(), notify.Notice{Kind: notify.CredentialWarning}); !errors.Is(err, errDown) {
		t.Errorf("Send(warning of the instance) = %v, want %v", err, errDown)
	}
}
