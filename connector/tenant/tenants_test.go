package tenant_test

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

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

func TestProvision_DirectoryBelongsToOneTenantOfAnInstance(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	h.install(instance(otherKey, otherRoot))
	h.provision(reseller(tenantID, alpine))

	_, err := h.Provision(t.Context(), reseller(otherID, alpineID), platform())
	h.checkFailure("Provision() with a taken directory", err, failure.DirectoryTaken)
	before := h.provision(reseller(otherID, baltic))
	_, err = h.ConfigureTenant(t.Context(), reseller(otherID, alpine), platform())
	h.checkFailure("ConfigureTenant() to a taken directory", err, failure.DirectoryTaken)
	h.checkSame("the tenant after a refused change", h.storedTenant(otherID), before)

	elsewhere := reseller("22222222-0000-4000-8000-000000000003", alpine)
	elsewhere.InstanceKey = otherKey
	h.provision(elsewhere) // instances are independent

	h.must(h.Unprovision(t.Context(), key, tenantID, platform()))
	if got := h.provision(reseller(otherID, alpine)); got.DirectoryID != alpineID {
		t.Errorf("Provision() with the directory of a removed tenant = %q, want %s", got.DirectoryID, alpineID)
	}
}

func TestProvision_ConcurrentTenantsOfOneDirectory(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		h.install(instance(key, rootID))
		ids := []string{
			tenantID, otherID,
			"22222222-0000-4000-8000-000000000003", "22222222-0000-4000-8000-000000000004",
		}
		errs := make([]error, len(ids))
		var calls errgroup.Group
		for i, id := range ids {
			s := h.replica()
			calls.Go(func() error {
				_, errs[i] = s.Provision(t.Context(), reseller(id, alpine), platform())
				return nil
			})
		}
		h.must(calls.Wait())
		succeeded := 0
		for _, err := range errs {
			if err == nil {
				succeeded++
				continue
			}
			h.checkFailure("concurrent Provision()", err, failure.DirectoryTaken)
		}
		tenants, err := h.Tenants(t.Context(), key)
		h.must(err)
		if succeeded != 1 || len(tenants) != 1 {
			t.Errorf("%d tenants were provisioned and %d are stored, want one", succeeded, len(tenants))
		}
	})
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

func TestSuspend(t *testing.T) {
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
