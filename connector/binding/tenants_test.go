package binding_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/sandbox/platform"
)

// reseller creates an account with a tenant on the platform, and stores what the connector knows of the tenant.
func (s *installation) reseller(known func(*tenant.Tenant)) (accountID, tenantID string) {
	s.t.Helper()
	account, err := s.platform.AddAccount(platform.Account{Name: "Alpine Cloud"})
	if err != nil {
		s.t.Fatal(err)
	}
	id, err := s.platform.CreateTenant(s.t.Context(), account.ID, map[string]any{"directory": ""})
	if err != nil {
		s.t.Fatal(err)
	}
	s.keep(id, known)
	return account.ID, id
}

func (s *installation) keep(id string, known func(*tenant.Tenant)) {
	s.t.Helper()
	t := tenant.Tenant{ID: id, InstanceKey: key, CreatedAt: s.clock.Now(), UpdatedAt: s.clock.Now()}
	known(&t)
	if err := s.store.SaveTenant(s.t.Context(), &t); err != nil {
		s.t.Fatal(err)
	}
}

func (s *installation) tenant(id string) tenant.Tenant {
	s.t.Helper()
	t, err := s.store.Tenant(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return t
}

// TestSweep_BindsTenants: the sweep finds the account of a tenant that was provisioned without it, recognizes one that the
// platform has after all, and makes the platform report the changes of their accounts. It does each of it once.
func TestSweep_BindsTenants(t *testing.T) {
	s := newInstallation(t, storetest.SQLite(t))
	account, lost := s.reseller(func(*tenant.Tenant) {})
	var other string
	other, doubted := s.reseller(func(t *tenant.Tenant) { t.AccountID, t.UnknownAt = "", s.clock.Now() })
	gone := random.ID()
	s.keep(gone, func(t *tenant.Tenant) { t.AccountID, t.WatchedAccountID, t.UnknownAt = account, account, s.clock.Now() })

	s.down.Store(true)
	s.sweep()
	if got := s.tenant(lost); got.AccountID != "" || got.WatchedAccountID != "" {
		t.Errorf("tenant while the platform is down = %+v, want it unchanged", got)
	}
	s.down.Store(false)
	s.clock.Advance(time.Minute)
	s.sweep()
	for id, owner := range map[string]string{lost: account, doubted: other} {
		if got := s.tenant(id); got.AccountID != owner || got.WatchedAccountID != owner || !got.UnknownAt.IsZero() {
			t.Errorf("tenant = %+v, want it bound to %s", got, owner)
		}
	}
	if got := s.tenant(gone); got.UnknownAt.IsZero() || got.InUse() == nil {
		t.Errorf("tenant that the platform doesn't have = %+v, want it doubted still", got)
	}
	events, err := s.store.Events(t.Context(), lost, time.Time{}, 10)
	if err != nil || len(events) != 2 || events[1].Action != audit.TenantLinked || events[0].Action != audit.InstanceBound {
		t.Errorf("events = %+v, %v, want the link and what the platform reports", events, err)
	}

	s.clock.Advance(10 * time.Minute)
	before := s.calls.Load()
	s.sweep()
	if asked := s.calls.Load() - before; asked != 1 {
		t.Errorf("the platform was called %d times, want once, for the tenant that it doesn't have", asked)
	}
	before = s.calls.Load()
	s.sweep()
	if asked := s.calls.Load() - before; asked != 0 {
		t.Errorf("the platform was called %d times at once after that, want not", asked)
	}

	// The one that is lost for good, and asked for ever more rarely, delays no other.
	account, late := s.reseller(func(*tenant.Tenant) {})
	s.sweep()
	if got := s.tenant(late); got.AccountID != account || got.WatchedAccountID != account {
		t.Errorf("tenant beside one that is lost = %+v, want it bound to %s", got, account)
	}
}
