package main_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestInstancesAcceptController_TakesOnlyTheNamedAddress(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		v := newSealedDatabase(t, db)
		s := db.Open(t)
		now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		accept := func(args ...string) output {
			return v.run(append([]string{"instances", "accept-controller", "--config", "connector.yaml"}, args...)...)
		}
		v.check("of a key that is not configured", accept("key-9"), 1, `no instance "key-9"`)
		v.check("before the installation", accept("key-1"), 1, "not installed")
		in := tenant.Instance{Key: "key-1", ID: "id-1", RootID: "root-1", ControllerURI: "https://one.example.net:6308/", CreatedAt: now, UpdatedAt: now}
		v.must(s.SaveInstance(t.Context(), &in))
		v.check("without a named address", accept("key-1"), 1, "in use: https://one.example.net:6308/", "no call has named another")
		in.NamedController = "https://two.example.net:6308/"
		v.must(s.SaveInstance(t.Context(), &in))
		v.check("without --address", accept("key-1"), 1, "in use: https://one.example.net:6308/", "named by a call: https://two.example.net:6308/", "nothing was changed")
		v.check("of another address", accept("key-1", "--address", "https://three.example.net:6308/"), 1, "no call has named this address")
		v.check("of the named address", accept("key-1", "--address", "https://two.example.net:6308/"), 0, "accepted")
		v.check("again", accept("key-1"), 1, "in use: https://two.example.net:6308/")
	})
}

// TestInstances_ListAndRemove lists an instance with a tenant that the platform lost, removes the tenant, and then the instance.
func TestInstances_ListAndRemove(t *testing.T) {
	v := newSealedDatabase(t, storetest.SQLite(t))
	s := v.db.Open(t)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	run := func(args ...string) output {
		return v.run(append([]string{"instances"}, append(args, "--config", "connector.yaml")...)...)
	}
	v.check("list before the installation", run(), 0, "key-1: not installed")
	v.check("remove before the installation", run("remove", "key-1", "--force"), 1, "not installed")
	in := tenant.Instance{Key: "key-1", ID: "id-1", RootID: "root-1", ControllerURI: "https://one.example.net:6308/", PackageVersion: "2-1", CreatedAt: now, UpdatedAt: now}
	v.must(s.SaveInstance(t.Context(), &in))
	known := tenant.Tenant{ID: "tenant-1", InstanceKey: "key-1", AccountID: "account-1", Name: "Alpine Cloud"}
	lost := tenant.Tenant{ID: "tenant-2", InstanceKey: "key-1", AccountID: "account-2", Name: "Baltic IT", UnknownAt: now}
	for _, kept := range []*tenant.Tenant{&known, &lost} {
		v.must(s.SaveTenant(t.Context(), kept))
	}
	v.must(s.SaveGrant(t.Context(), &token.Grant{TenantID: "tenant-2", Slot: token.Active, RefreshToken: secret.New("a-refresh-token"), IssuedAt: now, InstanceKey: "key-1", AccountID: "account-2"}))
	line := `not known to the platform since 2026-11-23 12:00:00: tenant tenant-2 "Baltic IT", account account-2, with a refresh token`
	v.check("list", run("list"), 0, "key-1: root root-1, package 2-1", "controller https://one.example.net:6308/", "tenants: 2, refresh tokens: 1", line)

	v.check("remove of a tenant that is known", run("remove", "key-1", "--tenant", "tenant-1", "--force"), 1, "end its subscription")
	v.check("remove of another instance's tenant", run("remove", "key-1", "--tenant", "tenant-3", "--force"), 1, "no tenant tenant-3")
	v.check("remove of a tenant without --force", run("remove", "key-1", "--tenant", "tenant-2"), 1, "nothing was removed")
	v.check("remove of a tenant", run("remove", "key-1", "--tenant", "tenant-2", "--force"), 0, "removed tenant-2")
	v.check("list after that", run(), 0, "tenants: 1, refresh tokens: 0")

	v.check("remove without --force", run("remove", "key-1"), 1, "root root-1", "tenants: 1", "nothing was removed")
	v.check("remove", run("remove", "key-1", "--force"), 0, "removed")
	v.check("list at the end", run(), 0, "key-1: not installed")
	events, err := s.Events(t.Context(), "tenant-1", time.Time{}, 10)
	if err != nil || len(events) != 1 || events[0].Action != audit.TenantRemoved || events[0].Actor.Kind != audit.Operator {
		t.Errorf("events of the tenant = %+v, %v, want its removal by the operator", events, err)
	}
}
