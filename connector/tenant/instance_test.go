package tenant_test

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestNew_RefusesMissingFields(t *testing.T) {
	st := storetest.New(t)
	for name, cfg := range map[string]tenant.Config{
		"store":       {Directories: &directories{}, Clouds: []string{"global"}},
		"directories": {Store: st, Clouds: []string{"global"}},
		"clouds":      {Store: st, Directories: &directories{}},
	} {
		t.Run(name, func(t *testing.T) {
			if s, err := tenant.New(cfg); err == nil {
				t.Errorf("New() without %s = %v, want an error", name, s)
			}
		})
	}
}

func TestInstall_RefusedSettingsStoreNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		settings tenant.Settings
		want     failure.Code
	}{
		"unknown cloud":             {tenant.Settings{Cloud: "mars"}, failure.CloudUnknown},
		"MFA request in words":      {tenant.Settings{MFARequest: "always"}, failure.BadRequest},
		"MFA request cut short":     {tenant.Settings{MFARequest: `{"id_token":`}, failure.BadRequest},
		"MFA request a list":        {tenant.Settings{MFARequest: `["amr"]`}, failure.BadRequest},
		"customers in words":        {tenant.Settings{CustomerDirectories: "all"}, failure.BadRequest},
		"MFA request null":          {tenant.Settings{MFARequest: `null`}, failure.BadRequest},
		"a borrower twice":          {tenant.Settings{Borrowers: []tenant.Borrower{tenant.NewBorrower("one"), tenant.NewBorrower("one")}}, failure.BadRequest},
		"a borrower of no api":      {tenant.Settings{Borrowers: []tenant.Borrower{{ID: "one", APIs: []string{}, Directories: []string{"partner"}}}}, failure.BadRequest},
		"a borrower of no place":    {tenant.Settings{Borrowers: []tenant.Borrower{{ID: "one", APIs: []string{"arm"}}}}, failure.BadRequest},
		"an api twice":              {tenant.Settings{Borrowers: []tenant.Borrower{{ID: "one", APIs: []string{"arm", "arm"}, Directories: []string{"partner"}}}}, failure.BadRequest},
		"an unknown api":            {tenant.Settings{Borrowers: []tenant.Borrower{{ID: "one", APIs: []string{"ARM"}, Directories: []string{"partner"}}}}, failure.BadRequest},
		"a directory by domain":     {tenant.Settings{Borrowers: []tenant.Borrower{{ID: "one", APIs: []string{"arm"}, Directories: []string{"partner.example"}}}}, failure.BadRequest},
		"a directory in capitals":   {tenant.Settings{Borrowers: []tenant.Borrower{{ID: "one", APIs: []string{"arm"}, Directories: []string{"33333333-0000-4000-8000-00000000ABCD"}}}}, failure.BadRequest},
		"application id a name":     {tenant.Settings{Application: application("connector", "")}, failure.ApplicationInvalid},
		"secret is its id":          {tenant.Settings{Application: application(appID, otherAppID)}, failure.SecretIsID},
		"secret is its id, pasted":  {tenant.Settings{Application: application(appID, " "+otherAppID+"\n")}, failure.SecretIsID},
		"secret is its id, capital": {tenant.Settings{Application: application("", "33333333-0000-4000-8000-00000000ABCD")}, failure.SecretIsID},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			in := instance(key, rootID)
			in.Settings = tc.settings
			_, err := h.Install(t.Context(), in, platform())
			h.checkFailure("Install()", err, tc.want)
			if _, err := h.store.Instance(t.Context(), key); err == nil {
				t.Error("Install() stored an instance with refused settings")
			}

			before := h.install(instance(key, rootID))
			_, err = h.Configure(t.Context(), key, tc.settings, platform())
			h.checkFailure("Configure()", err, tc.want)
			_, err = h.Upgrade(t.Context(), key, "1-1", "1-2", tc.settings, platform())
			h.checkFailure("Upgrade()", err, tc.want)
			h.checkSame("the instance after refused changes", h.stored(key), before)
			h.checkActions("", audit.InstanceInstalled)
		})
	}
}

func TestService_UnknownInstanceIsNotFound(t *testing.T) {
	h := newHarness(t)
	h.install(instance(otherKey, otherRoot))
	h.must(h.Remove(t.Context(), otherKey, platform()))
	for name, key := range map[string]string{"unknown": "nobody", "removed": otherKey, "other case": "KEY-2", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Instance(t.Context(), key)
			h.checkFailure("Instance()", err, failure.NotFound)
			_, err = h.Configure(t.Context(), key, tenant.Settings{}, platform())
			h.checkFailure("Configure()", err, failure.NotFound)
			_, err = h.Upgrade(t.Context(), key, "1-1", "1-2", tenant.Settings{}, platform())
			h.checkFailure("Upgrade()", err, failure.NotFound)
			if err := h.Remove(t.Context(), key, platform()); err != nil {
				t.Errorf("Remove() = %v, want nil, because there is no such instance", err)
			}
		})
	}
	h.checkActions("", audit.InstanceInstalled, audit.InstanceRemoved)
}

func TestInstall_IsIdempotent(t *testing.T) {
	h := newHarness(t)
	first := h.install(instance(key, rootID))
	if first.Settings.Cloud != tenant.DefaultCloud || first.Settings.MFARequest != tenant.MFARequestAMR {
		t.Errorf("Install() chose the cloud %q and the MFA request %q, want the defaults", first.Settings.Cloud, first.Settings.MFARequest)
	}
	h.checkSame("the result of Install()", first, h.stored(key))

	// The platform has no copy of the secret, so a repeated call may have none.
	again := instance(key, rootID)
	again.Settings.Application = application(appID, "")
	h.checkSame("the instance after Install() twice", h.install(again), first)
	h.checkSame("the stored instance after Install() twice", h.stored(key), first)
}

// TestInstall_RepeatMovesNothing repeats an installation with other headers, which nothing signs.
func TestInstall_RepeatMovesNothing(t *testing.T) {
	h := newHarness(t)
	first := h.install(instance(key, rootID))
	again := instance(key, rootID)
	again.ID, again.ControllerURI = "aps-9", "https://evil.example.net/"
	if got := h.install(again); got.ID != first.ID || got.ControllerURI != first.ControllerURI {
		t.Errorf("Install() again = %s at %s, want %s at %s", got.ID, got.ControllerURI, first.ID, first.ControllerURI)
	}
}

func TestInstall_SecondRootUnderOneKeyIsAConflict(t *testing.T) {
	h := newHarness(t)
	first := h.install(instance(key, rootID))
	_, err := h.Install(t.Context(), instance(key, otherRoot), platform())
	h.checkFailure("Install() of a second root", err, failure.RootExists)
	h.checkSame("the instance after a second root", h.stored(key), first)
}

func TestInstall_RootUnderSecondKeyIsAConflict(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	_, err := h.Install(t.Context(), instance(otherKey, rootID), platform())
	h.checkFailure("Install() of a root under a second key", err, failure.Conflict)
}

// TestInstall_ConcurrentReplicas repeats a call while other replicas serve it, as the platform does after a timeout.
func TestInstall_ConcurrentReplicas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		roots := []string{rootID, rootID, rootID, otherRoot}
		errs := make([]error, len(roots))
		var calls errgroup.Group
		for i, root := range roots {
			s := h.replica()
			calls.Go(func() error {
				_, errs[i] = s.Install(t.Context(), instance(key, root), platform())
				return nil
			})
		}
		h.must(calls.Wait())
		winner := h.stored(key)
		for i, err := range errs {
			if err != nil && !failure.Is(err, failure.Conflict) {
				h.checkFailure("concurrent Install()", err, failure.RootExists)
			} else if err == nil && roots[i] != winner.RootID {
				t.Errorf("Install(%s) = nil, but %s is stored", roots[i], winner.RootID)
			}
		}
		h.checkSame("the instance after one more Install()", h.install(instance(key, winner.RootID)), winner)
	})
}

func TestInstall_AfterRemove(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	h.must(h.Remove(t.Context(), key, platform()))
	h.clock = h.clock.Add(time.Hour)

	again := instance(key, otherRoot)
	again.Settings.Application = application(appID, "")
	stored := h.install(again)
	if stored.RootID != otherRoot || !stored.RemovedAt.IsZero() || !stored.CreatedAt.Equal(h.clock) {
		t.Errorf("Install() after Remove() = root %s, created %s, removed %s; want a new instance", stored.RootID, stored.CreatedAt, stored.RemovedAt)
	}
	if got := secretOf(stored.Settings.Application); got != "" {
		t.Error("Install() after Remove() restored the old secret")
	}
	h.checkActions("", audit.InstanceInstalled, audit.InstanceRemoved, audit.InstanceInstalled)
}

func TestConfigure_KeepsASecretForItsApplicationOnly(t *testing.T) {
	const capital = "33333333-0000-4000-8000-00000000ABCD"
	for name, tc := range map[string]struct {
		sent tenant.Application
		want string
	}{
		"empty":                        {application(appID, ""), "first-secret"},
		"empty, id in capitals":        {application(capital, ""), "first-secret"},
		"a new one":                    {application(appID, "second-secret"), "second-secret"},
		"empty, other application":     {application(otherAppID, ""), ""},
		"empty, no application":        {application("", ""), ""},
		"a new one, other application": {application(otherAppID, "second-secret"), "second-secret"},
	} {
		t.Run(name, func(t *testing.T) {
			for call, change := range map[string]func(h *harness, settings tenant.Settings) (tenant.Instance, error){
				"Configure": func(h *harness, settings tenant.Settings) (tenant.Instance, error) {
					return h.Configure(t.Context(), key, settings, platform())
				},
				"Upgrade": func(h *harness, settings tenant.Settings) (tenant.Instance, error) {
					return h.Upgrade(t.Context(), key, "1-1", "1-2", settings, platform())
				},
				"Install": func(h *harness, settings tenant.Settings) (tenant.Instance, error) {
					in := instance(key, rootID)
					in.Settings = settings
					return h.Install(t.Context(), in, platform())
				},
			} {
				h := newHarness(t)
				h.install(instance(key, rootID))
				returned, err := change(h, tenant.Settings{Application: tc.sent})
				h.must(err)
				if got := secretOf(h.stored(key).Settings.Application); got != tc.want {
					t.Errorf("%s() left a secret of %d characters, want %d", call, len(got), len(tc.want))
				}
				h.checkSame("the result of "+call+"()", returned, h.stored(key))
			}
		})
	}
}

func TestConfigure_ReplacesTheSettings(t *testing.T) {
	h := newHarness(t)
	before := h.install(instance(key, rootID))
	h.clock = h.clock.Add(time.Hour)
	want := tenant.Settings{
		Cloud: "china", Application: application(appID, "first-secret"), MFARequest: `{"id_token":{"amr":null}}`,
		CustomerDirectories: tenant.ListedCustomers, SkipLanding: true, DirectLink: true, TenantApplication: true,
	}
	sent := want
	sent.Application = application(appID, "")
	got, err := h.Configure(t.Context(), key, sent, platform())
	h.must(err)
	// The time at which a credential was entered is set by the service.
	want.Application = before.Settings.Application
	before.Settings, before.UpdatedAt = want, h.clock
	h.checkSame("Configure()", got, before)
	h.checkActions("", audit.InstanceInstalled, audit.InstanceConfigured)
}

func TestUpgrade_RecordsTheVersions(t *testing.T) {
	h := newHarness(t)
	before := h.install(instance(key, rootID))
	got, err := h.Upgrade(t.Context(), key, "1-1", "1-2", before.Settings, platform())
	h.must(err)
	if got.PackageVersion != "1-2" || h.stored(key).PackageVersion != "1-2" {
		t.Errorf("Upgrade() left the package version %s, want 1-2", h.stored(key).PackageVersion)
	}
	events, err := h.store.Events(t.Context(), "", time.Time{}, 1)
	h.must(err)
	if e := events[0]; e.Action != audit.InstanceUpgraded || e.InstanceKey != key || e.Details["from"] != "1-1" || e.Details["to"] != "1-2" {
		t.Errorf("the event of Upgrade() = %+v, want both versions", e)
	}
	again, err := h.Upgrade(t.Context(), key, "1-1", "1-2", tenant.Settings{SkipLanding: true}, platform())
	h.must(err)
	h.checkSame("the instance after a repeated upgrade", again, got)
	h.checkActions("", audit.InstanceInstalled, audit.InstanceUpgraded)
}

func TestRemove_DeletesSecretsAndKeepsEvents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		h.install(instance(key, rootID))
		h.provision(reseller(tenantID, alpine))
		h.provision(reseller(otherID, baltic))
		grantTo(h, tenantID)
		if left := h.sealedLeft(); left < 4 {
			t.Fatalf("%d sealed values are in the database, want at least 4: of the instance, two tenants and the grant", left)
		}
		h.must(h.Remove(t.Context(), key, platform()))
		h.must(h.Remove(t.Context(), key, platform())) // the platform may repeat the call

		if left := h.sealedLeft(); left != 0 {
			t.Errorf("%d sealed values are in the database after Remove(), want none", left)
		}
		if tenants, err := h.Tenants(t.Context(), key); err != nil || len(tenants) != 0 {
			t.Errorf("Tenants() after Remove() = %d, %v, want none", len(tenants), err)
		}
		h.checkActions("", audit.InstanceInstalled, audit.InstanceRemoved)
		h.checkActions(tenantID, audit.TenantProvisioned, audit.TenantRemoved)
		h.checkActions(otherID, audit.TenantProvisioned, audit.TenantRemoved)
	})
}

func TestRemove_LeavesOtherInstancesUnchanged(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	other := h.install(instance(otherKey, otherRoot))
	neighbour := reseller(otherID, baltic)
	neighbour.InstanceKey = otherKey
	stays := h.provision(neighbour)
	h.must(h.Remove(t.Context(), key, platform()))
	h.checkSame("the other instance", h.stored(otherKey), other)
	h.checkSame("the other instance's tenant", h.storedTenant(otherID), stays)
}

// grantTo stores a grant for a tenant.
func grantTo(h *harness, tenantID string) {
	h.Helper()
	g := token.Grant{
		TenantID: tenantID, Slot: token.Active, RefreshToken: secret.New("refresh-token"), IssuedAt: h.clock, ConsentedAt: h.clock,
		DirectoryID: alpineID, ApplicationID: appID, Procedure: token.Automatic,
	}
	h.must(h.store.Transact(h.Context(), func(ctx context.Context) error { return h.store.SaveGrant(ctx, &g) }))
}
