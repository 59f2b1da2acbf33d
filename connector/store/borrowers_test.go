package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

func storedBorrowers(t *testing.T, db *storetest.Database) (text string) {
	t.Helper()
	if err := db.Raw(t).QueryRowContext(t.Context(), "SELECT borrowers FROM instances").Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// TestBorrowers_EntriesSincePackage2 upgrades an instance: what programs of package version 1 read stays as it was until
// then, and is stored once as entries, with a new MAC.
func TestBorrowers_EntriesSincePackage2(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		db.FillEarlier(t)
		s := db.Open(t)
		in, err := s.Instance(t.Context(), storetest.EarlierInstance)
		if err != nil || in.Altered {
			t.Fatalf("Instance() = %v, altered: %t", err, in.Altered)
		}
		want := []tenant.Borrower{tenant.NewBorrower(storetest.EarlierBorrower)}
		if diff := cmp.Diff(want, in.Settings.Borrowers); diff != "" {
			t.Errorf("borrowers (-want +got):\n%s", diff)
		}
		in.Settings.SkipLanding = true
		save := func() {
			t.Helper()
			if err := s.SaveInstance(t.Context(), &in); err != nil {
				t.Fatalf("SaveInstance() = %v", err)
			}
			if in, err = s.Instance(t.Context(), in.Key); err != nil || in.Altered {
				t.Fatalf("Instance() = %v, altered: %t", err, in.Altered)
			}
		}
		save()
		plain := `["` + storetest.EarlierBorrower + `"]`
		if got := storedBorrowers(t, db); got != plain {
			t.Errorf("stored borrowers at package version 1 = %s, want %s", got, plain)
		}
		in.PackageVersion = "2-1"
		save()
		if diff := cmp.Diff(want, in.Settings.Borrowers); diff != "" {
			t.Errorf("borrowers after the upgrade (-want +got):\n%s", diff)
		}
		if got, want := storedBorrowers(t, db), `[{"id":"`+storetest.EarlierBorrower+`","apis":["partnercenter","graph","arm"],"directories":["partner"]}]`; got != want {
			t.Errorf("stored borrowers = %s, want %s", got, want)
		}
		// The MAC of the IDs is not that of the entries.
		execute(t, db, "UPDATE instances SET borrowers = ?", plain)
		if in, err = s.Instance(t.Context(), in.Key); err != nil || !in.Altered {
			t.Errorf("Instance() with the IDs of before the upgrade = %v, altered: %t, want an altered one", err, in.Altered)
		}
	})
}

// TestBorrowers_NarrowEntriesStayNarrow changes by SQL what the entries of an instance, and of one that says it was not
// upgraded, allow.
func TestBorrowers_NarrowEntriesStayNarrow(t *testing.T) {
	t.Parallel()
	narrow := []tenant.Borrower{{ID: "one", APIs: []string{"graph"}, Directories: []string{"d1"}}}
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		in := newInstance()
		in.Settings.Borrowers = narrow
		if err := s.SaveInstance(t.Context(), &in); err != nil {
			t.Fatal(err)
		}
		right := storedBorrowers(t, db)
		for _, wider := range []string{
			`[{"id":"one","apis":["graph","arm"],"directories":["d1"]}]`,
			`[{"id":"one","apis":["graph"],"directories":["d1","partner"]}]`,
			`[{"id":"one","apis":["graph","d1"],"directories":[]}]`,
			`[{"id":"two","apis":["graph"],"directories":["d1"]}]`,
			`["one"]`,
		} {
			execute(t, db, "UPDATE instances SET borrowers = ?", wider)
			read, err := s.Instance(t.Context(), instanceKey)
			if err != nil || !read.Altered {
				t.Errorf("Instance() with %s = %v, altered: %t, want an altered one", wider, err, read.Altered)
			}
			if err := s.SaveInstance(t.Context(), &read); !failure.Is(err, failure.Integrity) {
				t.Errorf("SaveInstance() with %s = %v, want %s", wider, err, failure.Integrity)
			}
		}
		execute(t, db, "UPDATE instances SET borrowers = ?, package_version = '1-1'", right)
		read, err := s.Instance(t.Context(), instanceKey)
		if err == nil {
			err = s.SaveInstance(t.Context(), &read)
		}
		if read, again := s.Instance(t.Context(), instanceKey); err != nil || again != nil || !cmp.Equal(read.Settings.Borrowers, narrow) {
			t.Errorf("borrowers after another package version was written = %v, %v, %v, want %v", read.Settings.Borrowers, err, again, narrow)
		}
	})
}
