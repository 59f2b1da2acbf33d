package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

// TestTimes_AreProven changes a suspension, and what else keeps tokens from being issued, by SQL.
func TestTimes_AreProven(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		in := newInstance()
		if err := s.SaveInstance(t.Context(), &in); err != nil {
			t.Fatal(err)
		}
		for column, tc := range map[string]struct {
			set  func(*tenant.Tenant)
			want failure.Code // of InUse; empty for none
		}{
			"suspended_at": {func(t *tenant.Tenant) { t.SuspendedAt = noon }, failure.Suspended},
			"unlinked_at":  {func(t *tenant.Tenant) { t.UnlinkedAt = noon }, failure.Unlinked},
			"unknown_at":   {func(t *tenant.Tenant) { t.UnknownAt = noon }, failure.TenantUnknown},
			"moved_at":     {func(t *tenant.Tenant) { t.MovedAt = noon }, ""},
		} {
			t.Run(column, func(t *testing.T) { checkTime(t, db, s, column, tc.set, tc.want) })
		}
	})
}

func checkTime(t *testing.T, db *storetest.Database, s *store.Store, column string, set func(*tenant.Tenant), want failure.Code) {
	held := addTenant(t, s)
	set(&held)
	if err := s.SaveTenant(t.Context(), &held); err != nil {
		t.Fatal(err)
	}
	check := func(what string, altered bool) {
		t.Helper()
		read, err := s.Tenant(t.Context(), held.ID)
		r, again := s.Resolve(t.Context(), held.ID)
		if err != nil || again != nil || read.Altered != altered || r.Tenant.Altered != altered {
			t.Errorf("Tenant() %s = altered: %t, %t, %v, %v, want %t", what, read.Altered, r.Tenant.Altered, err, again, altered)
		}
	}
	read, err := s.Tenant(t.Context(), held.ID)
	var code failure.Code
	if inUse := read.InUse(); inUse != nil {
		code = failure.From(inUse).Code
	}
	if err != nil || code != want {
		t.Errorf("InUse() = %q, %v, want %q", code, err, want)
	}
	if r, err := s.Resolve(t.Context(), held.ID); err != nil || !cmp.Equal(read, r.Tenant, cmp.Comparer(func(a, b secret.Text) bool { return a == b })) {
		t.Errorf("Resolve() = %+v, %v, want the same tenant as Tenant()", r.Tenant, err)
	}
	where := " WHERE id = '" + held.ID + "'"
	check("as it was stored", false)
	execute(t, db, "UPDATE tenants SET "+column+" = NULL"+where)
	check("whose time was removed", true)
	listed, err := s.Altered(t.Context())
	if err != nil || len(listed) != 1 {
		t.Fatalf("Altered() = %v, %v, want one row", listed, err)
	}
	execute(t, db, "UPDATE tenants SET "+column+" = '2026-11-23 12:00:00.123'"+where)
	check("whose time is back", false)
	execute(t, db, "UPDATE tenants SET "+column+" = '2026-11-24 12:00:00.123'"+where)
	check("with another time", true)
	execute(t, db, "UPDATE tenants SET "+column+" = '2026-11-23 12:00:00.123'"+where)
}
