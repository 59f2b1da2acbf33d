package store_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
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

// TestPurgeCustomers_KeepsConsentsOfOurs keeps consents of ours, however old they are, and results that are recent.
func TestPurgeCustomers_KeepsConsentsOfOurs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		owner, other := addTenant(t, s), addTenant(t, s)
		save := func(r token.CustomerRecord) {
			t.Helper()
			r.TenantID = cmp.Or(r.TenantID, owner.ID)
			if err := s.SaveCustomerConsent(t.Context(), r); err != nil {
				t.Fatalf("SaveCustomerConsent() = %v", err)
			}
			if err := s.SaveCustomerResult(t.Context(), r); err != nil {
				t.Fatalf("SaveCustomerResult() = %v", err)
			}
		}
		old := noon.AddDate(-1, 0, 0)
		save(token.CustomerRecord{DirectoryID: "consented", ConsentedAt: old, Scopes: map[token.API][]string{token.ARM: {"x"}}, LastResult: audit.OK, LastAt: old})
		save(token.CustomerRecord{DirectoryID: "consented, never lent", ConsentedAt: old, Scopes: map[token.API][]string{}})
		save(token.CustomerRecord{DirectoryID: "withdrawn"})
		save(token.CustomerRecord{DirectoryID: "old", LastResult: audit.OK, LastAt: noon.Add(-time.Second)})
		save(token.CustomerRecord{DirectoryID: "recent", LastResult: "customer_unknown", LastAt: noon})
		save(token.CustomerRecord{TenantID: other.ID, DirectoryID: "recent", LastResult: audit.OK, LastAt: noon.Add(time.Hour)})
		save(token.CustomerRecord{TenantID: other.ID, DirectoryID: "old", LastResult: audit.OK, LastAt: old})
		var rows []string
		for i := range store.PurgeBatch + 7 {
			rows = append(rows, fmt.Sprintf("('%s', 'd%d', 'customer_unknown', '2020-01-01 00:00:00.000')", owner.ID, i))
		}
		execute(t, db, "INSERT INTO customers (tenant_id, directory_id, last_result, last_at) VALUES "+strings.Join(rows, ", "))

		if err := s.PurgeCustomers(t.Context(), noon); err != nil {
			t.Fatalf("PurgeCustomers() = %v", err)
		}
		for id, want := range map[string][]string{owner.ID: {"consented", "consented, never lent", "recent"}, other.ID: {"recent"}} {
			records, err := s.CustomerRecords(t.Context(), id)
			var got []string
			for _, r := range records {
				got = append(got, r.DirectoryID)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("of tenant %s, the directories %q are left, %v, want %q", id, got, err, want)
			}
		}
	})
}
