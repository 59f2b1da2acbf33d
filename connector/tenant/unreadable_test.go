package tenant_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// spoil damages the credentials of every row of a table.
func (h *harness) spoil(table string) {
	h.Helper()
	_, err := h.db.Raw(h.T).ExecContext(h.Context(), "UPDATE "+table+" SET credentials = ?", []byte("damaged"))
	h.must(err)
}

// credentials returns the sealed credentials of the only row of a table.
func (h *harness) credentials(table string) (sealed []byte) {
	h.Helper()
	h.must(h.db.Raw(h.T).QueryRowContext(h.Context(), "SELECT credentials FROM "+table).Scan(&sealed))
	return sealed
}

func TestConfigure_UnreadableCredentials(t *testing.T) {
	for name, tc := range map[string]struct {
		sent     tenant.Application
		want     failure.Code // why the application cannot be used afterwards; empty when it can
		replaced bool         // the damaged value is gone
	}{
		"other settings":      {application(appID, ""), failure.CredentialsUnreadable, false},
		"a new secret":        {application(appID, "new-secret"), "", true},
		"the secret removed":  {tenant.Application{ID: appID, Secret: tenant.Credential{Remove: true}}, failure.ApplicationMissing, true},
		"another application": {application(otherAppID, ""), failure.ApplicationMissing, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			in := h.install(instance(key, rootID))
			r := reseller("tenant-1", alpine)
			r.Application = application(appID, "tenant-secret")
			h.provision(r)
			h.spoil("instances")
			h.spoil("tenants")
			in.Settings.Application = tc.sent
			in.Settings.Borrowers = []tenant.Borrower{tenant.NewBorrower("another")}
			if _, err := h.Configure(t.Context(), key, in.Settings, platform()); err != nil {
				t.Errorf("Configure() = %v", err)
			}
			r.Application, r.Name = tc.sent, "Renamed"
			if _, err := h.ConfigureTenant(t.Context(), r, platform()); err != nil {
				t.Errorf("ConfigureTenant() = %v", err)
			}
			stored, storedTenant := h.stored(key), h.storedTenant("tenant-1")
			if stored.Settings.Borrowers[0].ID != "another" || storedTenant.Name != "Renamed" {
				t.Errorf("stored borrowers = %v, name = %q, want the new ones", stored.Settings.Borrowers, storedTenant.Name)
			}
			for table, a := range map[string]tenant.Application{"instances": stored.Settings.Application, "tenants": storedTenant.Application} {
				if err := a.Usable(); tc.want == "" && err != nil || tc.want != "" && !failure.Is(err, tc.want) {
					t.Errorf("Usable() of the application in %s = %v, want %q", table, err, tc.want)
				}
				if replaced := string(h.credentials(table)) != "damaged"; replaced != tc.replaced {
					t.Errorf("the damaged value in %s was replaced: %v, want %v", table, replaced, tc.replaced)
				}
			}
		})
	}
}

func TestRemove_UnreadableCredentials(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	h.provision(reseller("tenant-1", alpine))
	h.provision(reseller("tenant-2", baltic))
	h.spoil("instances")
	h.spoil("tenants")
	if err := h.Unprovision(t.Context(), key, "tenant-1", platform()); err != nil {
		t.Errorf("Unprovision() = %v", err)
	}
	if err := h.Remove(t.Context(), key, platform()); err != nil {
		t.Errorf("Remove() = %v", err)
	}
	if stored := h.stored(key); stored.RemovedAt.IsZero() || stored.Settings.Application.Unreadable {
		t.Errorf("the instance was removed at %v, its credentials unreadable: %v; want it removed, without credentials", stored.RemovedAt, stored.Settings.Application.Unreadable)
	}
	if left := h.sealedLeft(); left != 0 {
		t.Errorf("%d sealed values are left", left)
	}
	// Installed again, it takes what it is sent.
	h.clock = h.clock.Add(time.Minute)
	if in := h.install(instance(key, rootID)); in.Settings.Application.Usable() != nil {
		t.Error("the instance that was installed again has no usable application")
	}
}

func TestTenants_UnreadableCredentialsOfOne(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	h.provision(reseller("tenant-1", alpine))
	h.provision(reseller("tenant-2", baltic))
	_, err := h.db.Raw(t).ExecContext(t.Context(), "UPDATE tenants SET credentials = ? WHERE id = ?", []byte("damaged"), "tenant-1")
	h.must(err)
	tenants, err := h.Tenants(t.Context(), key)
	if err != nil || len(tenants) != 2 || !tenants[0].Application.Unreadable || tenants[1].Application.Usable() != nil {
		t.Errorf("Tenants() = %d tenants, %v, want two, of which the first has unreadable credentials", len(tenants), err)
	}
}
