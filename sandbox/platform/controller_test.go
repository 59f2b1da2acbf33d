package platform_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/platform/controller"
	"azure-partner-connector/connector/platform/transaction"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"

	"github.com/google/go-cmp/cmp"
)

// TestController_ClientOfConnector makes the calls of the connector's own client.
func TestController_ClientOfConnector(t *testing.T) {
	p, c, made := installed(t)
	north, _ := reseller(t, p, "North", "")
	below, user := reseller(t, p, "Below", north.ID)
	id := newTenant(t, p, below)
	connections, err := httpclient.New(httpclient.Config{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	secrets := []secret.Text{secret.New(sharedSecret)}
	client, err := controller.New(controller.Config{
		HTTP:    connections,
		Secrets: func(string) ([]secret.Text, bool) { return secrets, true },
	})
	if err != nil {
		t.Fatal(err)
	}
	in := tenant.Instance{Key: key, ControllerURI: p.ControllerURI(), RootID: made.RootID}

	want := tenant.Account{ID: below.ID, Type: tenant.ResellerAccount, ParentID: north.ID, Name: "Below", User: "below"}
	if got, err := client.UserAccount(t.Context(), in, user.ID); err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("UserAccount() = %+v, %v, want %+v", got, err, want)
	}
	provider, err := client.Account(t.Context(), in, p.Provider().ID)
	if err != nil || provider.Type != tenant.ProviderAccount || provider.ParentID != "" {
		t.Errorf("Account(provider) = %+v, %v, want the top", provider, err)
	}
	if _, err := client.Account(t.Context(), in, id); !failure.Is(err, failure.NotFound) {
		t.Errorf("Account(tenant) = %v, want not_found", err)
	}
	_, before := c.received()
	if err := client.PushTenant(t.Context(), in, id, map[string]any{"tokenStatus": "active", "tokenExpiresAt": "2027-02-21T00:00:00Z"}); err != nil {
		t.Errorf("PushTenant() = %v", err)
	}
	if r, _ := p.Resource(id); r["tokenStatus"] != "active" {
		t.Errorf("tokenStatus = %v, want active", r["tokenStatus"])
	}
	if _, after := c.received(); len(after) != len(before) {
		t.Errorf("hooks after a push = %v, want none", after[len(before):])
	}
	if err := client.PushTenant(t.Context(), in, id, map[string]any{"colour": "red"}); !failure.Is(err, failure.PlatformRefused) {
		t.Errorf("PushTenant() of an undeclared property = %v, want platform_refused", err)
	}
	// A finished transaction: the platform refuses, and the client retries without it.
	stale := transaction.With(t.Context(), "1-1")
	if _, err := client.Account(stale, in, below.ID); err != nil {
		t.Errorf("Account() in a finished transaction = %v, want it repeated", err)
	}
	secrets = []secret.Text{secret.New("other")}
	if _, err := client.Account(t.Context(), in, below.ID); !failure.Is(err, failure.PlatformRefused) {
		t.Errorf("Account() with a wrong secret = %v, want platform_refused", err)
	}
}
