package tenant_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// An authenticator accepts every client secret but those that begin with "wrong".
type authenticator struct {
	mu    sync.Mutex // guards tried
	tried map[string]string
}

// Authenticate implements tenant.Authenticator.
func (a *authenticator) Authenticate(_ context.Context, c tenant.Client, credential string) error {
	value := c.Application.Slot(credential).Value.Reveal()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tried[credential] = c.Application.ID + " " + value + " " + c.DirectoryID
	if len(value) > 4 && value[:5] == "wrong" {
		return failure.New(failure.ClientSecretWrong)
	}
	return nil
}

func TestTestCredentials_TriesThemAndStoresNone(t *testing.T) {
	h := newHarness(t)
	microsoft := &authenticator{}
	limits, err := limit.New(limit.Config{Store: h.store, Most: map[limit.Name]int{limit.Renewals: 4}, Now: func() time.Time { return h.clock }})
	if err != nil {
		t.Fatal(err)
	}
	s, err := tenant.New(tenant.Config{
		Store: h.store, Directories: h.directories, Clouds: []string{"global"}, Authenticator: microsoft, Limits: limits, Now: func() time.Time { return h.clock },
	})
	if err != nil {
		t.Fatal(err)
	}
	in := instance(key, rootID)
	in.Settings.TenantApplication = true
	if _, err := s.Install(t.Context(), in, platform()); err != nil {
		t.Fatal(err)
	}
	own := reseller(tenantID, alpine)
	own.Application = application(otherAppID, "stored")
	if _, err := s.Provision(t.Context(), own, platform()); err != nil {
		t.Fatal(err)
	}
	stored, err := s.Resolve(t.Context(), key, tenantID)
	if err != nil {
		t.Fatal(err)
	}
	entered := func(id string, secrets ...string) tenant.Tenant {
		changed := stored.Tenant
		changed.Application = changed.Application.WithoutValues()
		changed.Application.ID = id
		for i, credential := range []*tenant.Credential{&changed.Application.Secret, &changed.Application.NextSecret}[:len(secrets)] {
			credential.Value = secret.New(secrets[i])
		}
		return changed
	}
	try := func(what string, changed tenant.Tenant, want map[string]string, refused ...string) {
		t.Helper()
		microsoft.tried = map[string]string{}
		tests, err := s.TestCredentials(t.Context(), stored, changed, platform())
		if err != nil {
			t.Fatalf("TestCredentials() of %s = %v, want nil", what, err)
		}
		if diff := cmp.Diff(want, microsoft.tried); diff != "" {
			t.Errorf("%s was tried as (-want +got):\n%s", what, diff)
		}
		var got []string
		for _, test := range tests {
			if test.Failure != nil {
				got = append(got, test.Name)
			}
		}
		if diff := cmp.Diff(refused, got); diff != "" {
			t.Errorf("refused of %s (-want +got):\n%s", what, diff)
		}
	}
	try("what is stored", entered(otherAppID), map[string]string{tenant.SecretName: otherAppID + " stored " + alpineID})
	try("a new secret", entered(otherAppID, "", "next"), map[string]string{tenant.NextSecretName: otherAppID + " next " + alpineID})
	try("two secrets of another application", entered(appID, "good", "wrong"), map[string]string{
		tenant.SecretName: appID + " good " + alpineID, tenant.NextSecretName: appID + " wrong " + alpineID,
	}, tenant.NextSecretName)

	again, err := s.Resolve(t.Context(), key, tenantID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stored.Tenant.UpdatedAt, again.Tenant.UpdatedAt); diff != "" || secretOf(again.Tenant.Application) != "stored" {
		t.Error("the tests have changed the tenant, want it as it was")
	}
	events, err := h.store.Events(t.Context(), tenantID, time.Time{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := audit.Event{Action: audit.CredentialsTested, Result: string(failure.ClientSecretWrong), Details: map[string]string{
		"directory": alpine, "application": appID, "tested": "applicationSecret nextApplicationSecret", "accepted": "applicationSecret",
	}}
	if got := (audit.Event{Action: events[0].Action, Result: events[0].Result, Details: events[0].Details}); !cmp.Equal(want, got) {
		t.Errorf("event (-want +got):\n%s", cmp.Diff(want, got))
	}

	elsewhere := entered(otherAppID, "good")
	elsewhere.Directory = "nowhere.onmicrosoft.com"
	if _, err := s.TestCredentials(t.Context(), stored, elsewhere, platform()); !failure.Is(err, failure.DirectoryUnknown) {
		t.Errorf("TestCredentials() in an unknown directory = %v, want directory_unknown", err)
	}
	if _, err := s.TestCredentials(t.Context(), stored, entered(otherAppID), platform()); !failure.Is(err, failure.TooManyRequests) {
		t.Errorf("the fifth test within a minute = %v, want too_many_requests", err)
	}
	h.clock = h.clock.Add(time.Hour)
	for name, tc := range map[string]struct {
		entered tenant.Tenant
		want    failure.Code
	}{
		"no application":       {entered("", "good"), failure.ApplicationMissing},
		"no credential":        {entered(appID), failure.ApplicationMissing},
		"the ID of a secret":   {entered(appID, rootID), failure.SecretIsID},
		"an ID that is no one": {entered("mine", "good"), failure.ApplicationInvalid},
	} {
		h.clock = h.clock.Add(time.Hour)
		if _, err := s.TestCredentials(t.Context(), stored, tc.entered, platform()); !failure.Is(err, tc.want) {
			t.Errorf("TestCredentials() with %s = %v, want %s", name, err, tc.want)
		}
	}
	stored.Instance.Settings.TenantApplication = false
	if _, err := s.TestCredentials(t.Context(), stored, entered(appID, "good"), platform()); !failure.Is(err, failure.Forbidden) {
		t.Errorf("TestCredentials() where the provider allows no own application = %v, want forbidden", err)
	}
}
