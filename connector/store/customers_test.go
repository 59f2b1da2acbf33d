package store_test

import (
	"testing"

	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

// TestCustomerDirectories_AreProven upgrades an earlier database, which allows no customer directories and keeps its MACs, and
// changes the setting: a value that was written without our keys is noticed, in either direction.
func TestCustomerDirectories_AreProven(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		db.FillEarlier(t)
		s := db.Open(t)
		read := func() tenant.Instance {
			t.Helper()
			in, err := s.Instance(t.Context(), storetest.EarlierInstance)
			if err != nil {
				t.Fatalf("Instance() = %v", err)
			}
			return in
		}
		in := read()
		if in.Altered || in.Settings.CustomerDirectories != tenant.NoCustomers {
			t.Errorf("the upgraded instance is altered: %t, and allows %q, want %s", in.Altered, in.Settings.CustomerDirectories, tenant.NoCustomers)
		}
		execute(t, db, "UPDATE instances SET customer_directories = ?", tenant.AnyCustomers)
		if in := read(); !in.Altered {
			t.Error("customer directories that were allowed without our keys count as proven")
		}
		altered, err := s.Altered(t.Context())
		if err != nil || len(altered) != 1 || altered[0].Columns[1].Value != tenant.AnyCustomers {
			t.Errorf("Altered() = %+v, %v, want the instance with its customer directories", altered, err)
		}
		execute(t, db, "UPDATE instances SET customer_directories = ?", tenant.NoCustomers)
		if in = read(); in.Altered {
			t.Fatal("the instance counts as altered although it is as before")
		}
		in.Settings.CustomerDirectories = tenant.ListedCustomers
		if err := s.SaveInstance(t.Context(), &in); err != nil {
			t.Fatalf("SaveInstance() = %v", err)
		}
		if in := read(); in.Altered || in.Settings.CustomerDirectories != tenant.ListedCustomers {
			t.Errorf("the saved instance is altered: %t, and allows %q, want %s", in.Altered, in.Settings.CustomerDirectories, tenant.ListedCustomers)
		}
		for _, value := range []string{tenant.AnyCustomers, tenant.NoCustomers, ""} {
			execute(t, db, "UPDATE instances SET customer_directories = ?", value)
			if in := read(); !in.Altered {
				t.Errorf("customer directories changed to %q count as proven", value)
			}
		}
	})
}
