package store_test

import (
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/storetest"
)

// TestSuspended_IsProven changes a suspension by SQL.
func TestSuspended_IsProven(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		in := newInstance()
		if err := s.SaveInstance(t.Context(), &in); err != nil {
			t.Fatal(err)
		}
		suspended := addTenant(t, s)
		suspended.SuspendedAt = noon
		if err := s.SaveTenant(t.Context(), &suspended); err != nil {
			t.Fatal(err)
		}
		check := func(what string, altered bool) {
			t.Helper()
			read, err := s.Tenant(t.Context(), suspended.ID)
			r, again := s.Resolve(t.Context(), suspended.ID)
			if err != nil || again != nil || read.Altered != altered || r.Tenant.Altered != altered {
				t.Errorf("Tenant() %s = altered: %t, %t, %v, %v, want %t", what, read.Altered, r.Tenant.Altered, err, again, altered)
			}
		}
		if read, err := s.Tenant(t.Context(), suspended.ID); err != nil || !read.SuspendedAt.Equal(noonStored) || !failure.Is(read.InUse(), failure.Suspended) {
			t.Errorf("Tenant() = suspended at %s, %v, want %s", read.SuspendedAt, err, noonStored)
		}
		check("that was suspended", false)
		execute(t, db, "UPDATE tenants SET suspended_at = NULL")
		check("whose suspension was removed", true)
		listed, err := s.Altered(t.Context())
		if err != nil || len(listed) != 1 {
			t.Fatalf("Altered() = %v, %v, want one row", listed, err)
		}
		execute(t, db, "UPDATE tenants SET suspended_at = '2026-11-23 12:00:00.123'")
		check("whose suspension is back", false)
		execute(t, db, "UPDATE tenants SET suspended_at = '2026-11-24 12:00:00.123'")
		check("with another suspension", true)
	})
}
