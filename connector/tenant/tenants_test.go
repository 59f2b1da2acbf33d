package tenant_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

func TestProvision_RefusalStoresNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		breaks func(*tenant.Tenant)
		want   failure.Code
	}{
		"unknown instance":      {func(t *tenant.Tenant) { t.InstanceKey = "nobody" }, failure.NotFound},
		"removed instance":      {func(t *tenant.Tenant) { t.InstanceKey = otherKey }, failure.NotFound},
		"unknown directory":     {func(t *tenant.Tenant) { t.Directory = "nowhere.example.com" }, failure.DirectoryUnknown},
		"application id a name": {func(t *tenant.Tenant) { t.Application = application("connector", "s") }, failure.ApplicationInvalid},
		"secret is its id":      {func(t *tenant.Tenant) { t.Application = application(appID, otherAppID) }, failure.SecretIsID},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.install(instance(key, rootID))
			h.install(instance(otherKey, otherRoot))
			h.must(h.Remove(t.Context(), otherKey, platform()))
			sent := reseller(tenantID, alpine)
			tc.breaks(&sent)
			_, err := h.Provision(t.Context(), sent, platform())
			h.checkFailure("Provision()", err, tc.want)
			if _, err := h.store.Tenant(t.Context(), tenantID); !errors.Is(err, tenant.ErrNotFound) {
				t.Errorf("Tenant() after a refused Provision() = %v, want nothing stored", err)
			}

			before := h.provision(reseller(tenantID, alpine))
			_, err = h.ConfigureTenant(t.Context(), sent, platform())
			h.checkFailure("ConfigureTenant()", err, tc.want)
			h.checkSame("the tenant after a refused change", h.storedTenant(tenantID), before)
			h.checkActions(tenantID, audit.TenantProvisioned)
		})
	}
}

// TestProvision_InternalErrorStoresNothing makes ResolveDirectory fail with an error that is not transient.
func TestProvision_InternalErrorStoresNothing(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	fault := errors.New("an internal error")
	h.directories.fail(fault)
	if _, err := h.Provision(t.Context(), reseller(tenantID, alpine), platform()); !errors.Is(err, fault) {
		t.Errorf("Provision() = %v, want %v", err, fault)
	}
	if _, err := h.store.Tenant(t.Context(), tenantID); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("Tenant() = %v, want nothing stored", err)
	}
}

func TestService_TenantOfAnotherInstanceIsNotFound(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	h.install(instance(otherKey, otherRoot))
	before := h.provision(reseller(tenantID, alpine))
	foreign := reseller(tenantID, baltic)
	foreign.InstanceKey = otherKey

	_, err := h.Tenant(t.Context(), otherKey, tenantID)
	h.checkFailure("Tenant()", err, failure.NotFound)
	_, err = h.ConfigureTenant(t.Context(), foreign, platform())
	h.checkFailure("ConfigureTenant()", err, failure.NotFound)
	_, err = h.Provision(t.Context(), foreign, platform())
	h.checkFailure("Provision()", err, failure.Conflict)
	if err := h.Unprovision(t.Context(), otherKey, tenantID, platform()); err != nil {
		t.Errorf("Unprovision() = %v, want nil, because that instance has no such tenant", err)
	}
	if tenants, err := h.Tenants(t.Context(), otherKey); err != nil || len(tenants) != 0 {
		t.Errorf("Tenants() of the other instance = %d, %v, want none", len(tenants), err)
	}
	h.checkSame("the tenant", h.storedTenant(tenantID), before)
	h.checkActions(tenantID, audit.TenantProvisioned)
}

func TestProvision_IsIdempotent(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	first := h.provision(reseller(tenantID, alpine))
	if first.DirectoryID != alpineID || first.Directory != alpine {
		t.Errorf("Provision() = directory %q for %q, want %s", first.DirectoryID, first.Directory, alpineID)
	}
	h.checkSame("the result of Provision()", first, h.storedTenant(tenantID))

	again := reseller(tenantID, alpine)
	again.Application = application(otherAppID, "")
	h.checkSame("the tenant after Provision() twice", h.provision(again), first)
	got, err := h.Tenant(t.Context(), key, tenantID)
	h.must(err)
	h.checkSame("Tenant()", got, first)
}

func TestConfigureTenant_KeepsWhatIsNotSent(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	want := h.provision(reseller(tenantID, alpine))
	h.clock = h.clock.Add(time.Hour)
	got, err := h.ConfigureTenant(t.Context(), tenant.Tenant{
		ID: tenantID, InstanceKey: key, Directory: alpineID, Application: application(otherAppID, ""),
	}, platform())
	h.must(err)
	want.Directory, want.UpdatedAt = alpineID, h.clock
	h.checkSame("ConfigureTenant()", got, want)
	h.checkActions(tenantID, audit.TenantProvisioned, audit.TenantConfigured)

	got, err = h.ConfigureTenant(t.Context(), tenant.Tenant{ID: tenantID, InstanceKey: key, Directory: alpineID}, platform())
	h.must(err)
	if got.Application.ID != "" || secretOf(got.Application) != "" {
		t.Errorf("ConfigureTenant() without an application left %q, want neither id nor secret", got.Application.ID)
	}
}

func TestProvision_ResolvesTheDirectoryLaterWhenMicrosoftIsUnavailable(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	h.directories.fail(failure.New(failure.MicrosoftUnavailable))
	got := h.provision(reseller(tenantID, alpine))
	if got.DirectoryID != "" || got.Directory != alpine {
		t.Errorf("Provision() while Microsoft is unavailable = %q for %q, want no GUID yet", got.DirectoryID, got.Directory)
	}
	h.directories.fail(nil)
	if got = h.provision(reseller(tenantID, alpine)); got.DirectoryID != alpineID {
		t.Errorf("Provision() afterwards = %q, want %s", got.DirectoryID, alpineID)
	}
	h.directories.fail(failure.New(failure.MicrosoftThrottled))
	if got = h.provision(reseller(tenantID, alpine)); got.DirectoryID != alpineID {
		t.Errorf("Provision() of the same directory while Microsoft is unavailable = %q, want %s as before", got.DirectoryID, alpineID)
	}
}

// TestConfigureTenant_ChangedDirectoryLosesItsOldGUID asserts that the GUID of the old directory is not used for the new one.
func TestConfigureTenant_ChangedDirectoryLosesItsOldGUID(t *testing.T) {
	for name, tc := range map[string]struct {
		directory string
		err       error
		want      string
	}{
		"to another":                            {baltic, nil, balticID},
		"to another, Microsoft is unavailable":  {baltic, failure.New(failure.MicrosoftUnavailable), ""},
		"to none":                               {"", nil, ""},
		"to the same, Microsoft is unavailable": {alpine, failure.New(failure.MicrosoftUnavailable), alpineID},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.install(instance(key, rootID))
			h.provision(reseller(tenantID, alpine))
			h.directories.fail(tc.err)
			got, err := h.ConfigureTenant(t.Context(), reseller(tenantID, tc.directory), platform())
			h.must(err)
			if got.DirectoryID != tc.want || h.storedTenant(tenantID).DirectoryID != tc.want {
				t.Errorf("ConfigureTenant(%q) left the GUID %q, want %q", tc.directory, got.DirectoryID, tc.want)
			}
		})
	}
}

// TestProvision_NamingADirectoryTellsNothing names the directory of another tenant, which has proven it or not, and sees no
// difference.
func TestProvision_NamingADirectoryTellsNothing(t *testing.T) {
	for name, proves := range map[string]bool{"named by another": false, "proven by another": true} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.install(instance(key, rootID))
			h.provision(reseller(tenantID, alpine))
			if proves {
				h.prove(tenantID)
			}
			owner := h.storedTenant(tenantID)

			got := h.provision(reseller(otherID, alpineID))
			if got.DirectoryID != alpineID || got.Proven() {
				t.Errorf("Provision() = directory %q, proven: %t, want %s, not proven", got.DirectoryID, got.Proven(), alpineID)
			}
			for _, directory := range []string{baltic, alpine} {
				got, err := h.ConfigureTenant(t.Context(), reseller(otherID, directory), platform())
				if err != nil || got.Directory != directory || got.Proven() {
					t.Errorf("ConfigureTenant(%s) = %q, proven: %t, %v, want it, not proven", directory, got.Directory, got.Proven(), err)
				}
			}
			h.checkSame("the tenant that had the directory", h.storedTenant(tenantID), owner)
		})
	}
}

// prove records that a consent in the directory of a tenant took effect.
func (h *harness) prove(tenantID string) {
	h.Helper()
	grantTo(h, tenantID)
	h.must(h.store.Transact(h.Context(), func(ctx context.Context) error { return tenant.Prove(ctx, h.store, tenantID, alpineID) }))
}

func TestProve_LetsOneTenantHaveADirectory(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	h.install(instance(otherKey, otherRoot))
	h.provision(reseller(tenantID, alpine))
	h.provision(reseller(otherID, alpine))
	elsewhere := reseller("22222222-0000-4000-8000-000000000003", alpine)
	elsewhere.InstanceKey = otherKey
	h.provision(elsewhere)
	ctx := t.Context()
	h.must(tenant.Prove(ctx, h.store, tenantID, alpineID))
	h.must(tenant.Prove(ctx, h.store, tenantID, alpineID)) // again
	before := h.storedTenant(otherID)
	h.checkFailure("Prove() by a second tenant", tenant.Prove(ctx, h.store, otherID, alpineID), failure.DirectoryRefused)
	h.checkSame("the second tenant", h.storedTenant(otherID), before)
	h.must(tenant.Prove(ctx, h.store, elsewhere.ID, alpineID)) // instances are independent
	h.must(tenant.Prove(ctx, h.store, otherID, balticID))      // it has another directory by now
	h.checkSame("the second tenant", h.storedTenant(otherID), before)
	h.checkFailure("Prove() by nobody", tenant.Prove(ctx, h.store, "nobody", alpineID), failure.NotFound)
	if !h.storedTenant(tenantID).Proven() || !h.storedTenant(elsewhere.ID).Proven() {
		t.Error("Prove() proved nothing")
	}
	h.must(h.Unprovision(ctx, key, tenantID, platform()))
	h.must(tenant.Prove(ctx, h.store, otherID, alpineID)) // the owner went
}

// TestConfigureTenant_ProofLastsUntilTheDirectoryChanges changes the directory of a tenant that has proven alpine.
func TestConfigureTenant_ProofLastsUntilTheDirectoryChanges(t *testing.T) {
	for name, tc := range map[string]struct {
		directories []string
		unavailable bool // Microsoft, for the last change
		taken       bool // by another tenant before the last change
		want        bool
	}{
		"to its GUID":                       {[]string{alpineID}, false, false, true},
		"to its GUID, Microsoft is away":    {[]string{alpineID}, true, false, false}, // not known to be the same
		"to its GUID, once that is known":   {[]string{alpineID, alpineID}, false, false, true},
		"to another":                        {[]string{baltic}, false, false, false},
		"to another and back":               {[]string{baltic, alpine}, false, false, true},
		"to none":                           {[]string{""}, false, false, false},
		"to none and back":                  {[]string{"", alpine}, false, false, true},
		"to another and back, proven since": {[]string{baltic, alpine}, false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.install(instance(key, rootID))
			h.provision(reseller(tenantID, alpine))
			h.provision(reseller(otherID, alpine))
			h.prove(tenantID)
			for i, directory := range tc.directories {
				last := i == len(tc.directories)-1
				if last && tc.taken {
					h.must(tenant.Prove(t.Context(), h.store, otherID, alpineID))
				}
				if last && tc.unavailable {
					h.directories.fail(failure.New(failure.MicrosoftUnavailable))
				}
				if _, err := h.ConfigureTenant(t.Context(), reseller(tenantID, directory), platform()); err != nil {
					t.Errorf("ConfigureTenant(%q) = %v", directory, err)
				}
			}
			if got := h.storedTenant(tenantID); got.Proven() != tc.want {
				t.Errorf("proven after the change: %t, want %t", got.Proven(), tc.want)
			}
		})
	}
}

func TestUnprovision_DeletesSecretsAndKeepsEvents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		h.install(instance(key, rootID))
		before := h.sealedLeft()
		h.provision(reseller(tenantID, alpine))
		grantTo(h, tenantID)
		if left := h.sealedLeft(); left < before+2 {
			t.Fatalf("%d sealed values are in the database, want at least %d: two more, of the tenant and the grant", left, before+2)
		}
		h.must(h.Unprovision(t.Context(), key, tenantID, platform()))
		h.must(h.Unprovision(t.Context(), key, tenantID, platform())) // the platform may repeat the call
		if left := h.sealedLeft(); left != before {
			t.Errorf("%d sealed values are in the database after Unprovision(), want %d", left, before)
		}
		_, err := h.Tenant(t.Context(), key, tenantID)
		h.checkFailure("Tenant() after Unprovision()", err, failure.NotFound)
		h.checkActions(tenantID, audit.TenantProvisioned, audit.TenantRemoved)
	})
}

func TestTenants_AreOrderedByName(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	second, first := reseller(tenantID, alpine), reseller(otherID, baltic)
	second.Name, first.Name = "Baltic", "Alpine"
	h.provision(second)
	h.provision(first)
	tenants, err := h.Tenants(t.Context(), key)
	if err != nil || len(tenants) != 2 || tenants[0].Name != "Alpine" || tenants[1].Name != "Baltic" {
		t.Errorf("Tenants() = %v, %v, want Alpine before Baltic", tenants, err)
	}
	if tenants, err := h.Tenants(t.Context(), "nobody"); err != nil || len(tenants) != 0 {
		t.Errorf("Tenants(nobody) = %v, %v, want none", tenants, err)
	}
}

func TestResolved_ClientUsesTheTenantsApplicationIfAllowed(t *testing.T) {
	for name, tc := range map[string]struct {
		allowed bool
		own     tenant.Application
		want    string
	}{
		"not allowed":       {false, application(otherAppID, "own"), appID},
		"allowed":           {true, application(otherAppID, "own"), otherAppID},
		"allowed, has none": {true, application("", ""), appID},
	} {
		t.Run(name, func(t *testing.T) {
			in := tenant.Instance{Settings: tenant.Settings{
				Cloud: "china", MFARequest: "off", Application: application(appID, "instance"), TenantApplication: tc.allowed,
			}}
			r := tenant.Resolved{Instance: in, Tenant: tenant.Tenant{DirectoryID: alpineID, Application: tc.own}}
			got := r.Client()
			if got.Application.ID != tc.want || got.Cloud != "china" || got.MFARequest != "off" || got.DirectoryID != alpineID {
				t.Errorf("Client() = %+v, want the application %s", got, tc.want)
			}
		})
	}
}

func TestSuspend_LastsUntilItIsResumed(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	stored, err := h.Provision(t.Context(), reseller(tenantID, alpine), platform())
	h.must(err)
	for range 2 { // the second one changes nothing
		got, err := h.Suspend(t.Context(), key, tenantID, true, platform())
		h.must(err)
		if !got.SuspendedAt.Equal(h.clock) || !failure.Is(got.InUse(), failure.Suspended) {
			t.Errorf("Suspend() = suspended at %s, want %s", got.SuspendedAt, h.clock)
		}
	}
	// What the platform configures and provisions again does not resume it.
	again, err := h.Provision(t.Context(), reseller(tenantID, alpine), platform())
	h.must(err)
	if again.SuspendedAt.IsZero() {
		t.Error("Provision() of a suspended tenant resumed it")
	}
	for range 2 {
		got, err := h.Suspend(t.Context(), key, tenantID, false, platform())
		h.must(err)
		if got.InUse() != nil || got.DirectoryID != stored.DirectoryID {
			t.Errorf("Suspend(false) = %+v, want the tenant as it was", got)
		}
	}
	_, err = h.Suspend(t.Context(), otherKey, tenantID, true, platform())
	h.checkFailure("Suspend() of another instance's tenant", err, failure.NotFound)
	h.checkActions(tenantID, audit.TenantProvisioned, audit.TenantSuspended, audit.TenantProvisioned, audit.TenantResumed)
}
