package tenant_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

// TestProvision_MySQLShortensNames stores names that are longer than their column, in characters of several bytes.
func TestProvision_MySQLShortensNames(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		h.install(instance(key, rootID))
		long := reseller(tenantID, alpine)
		long.Name, long.Marketplace = strings.Repeat("ß", 300), strings.Repeat("界", 70_000)
		check := func(after string) {
			t.Helper()
			got := h.storedTenant(tenantID)
			for what, name := range map[string]string{"name": got.Name, "marketplace": got.Marketplace} {
				if n := utf8.RuneCountInString(name); n != length.Name || !utf8.ValidString(name) || !strings.HasSuffix(name, "…") {
					t.Errorf("after %s, the %s has %d characters, want %d with an ellipsis at the end", after, what, n, length.Name)
				}
			}
		}
		h.provision(long)
		check("Provision()")
		h.must(h.Rename(t.Context(), key, tenantID, strings.Repeat("é", 256), strings.Repeat("界", 256), platform()))
		check("Rename()")
		before := h.storedTenant(tenantID)
		h.must(h.Rename(t.Context(), key, tenantID, strings.Repeat("é", 256), strings.Repeat("界", 256), platform()))
		h.checkSame("the tenant after the same long name", h.storedTenant(tenantID), before)
		h.must(h.Rename(t.Context(), key, tenantID, "Alpine \xff Cloud", "", platform()))
		db.CheckBounds(t)
		if got := h.storedTenant(tenantID).Name; got != "Alpine \uFFFD Cloud" {
			t.Errorf("a name that is not UTF-8 is stored as %q", got)
		}
	})
}

func TestConfigure_MySQLRefusesLongSettings(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		h.install(instance(key, rootID))
		long := strings.Repeat("x", 70_000)
		for name, change := range map[string]func(*tenant.Settings){
			"secret":      func(s *tenant.Settings) { s.Application.Secret.Value = secret.New(long) },
			"next secret": func(s *tenant.Settings) { s.Application.NextSecret.Value = secret.New(long) },
			"certificate": func(s *tenant.Settings) { s.Application.Certificate.Value = secret.New(long) },
			"mfaRequest":  func(s *tenant.Settings) { s.MFARequest = `{"x": "` + long + `"}` },
			"borrowers":   func(s *tenant.Settings) { s.Borrowers = []tenant.Borrower{tenant.NewBorrower(long)} },
		} {
			settings := instance(key, rootID).Settings
			change(&settings)
			_, err := h.Configure(t.Context(), key, settings, platform())
			h.checkFailure("Configure() with a long "+name, err, failure.BadRequest)
		}
		for name, change := range map[string]func(*tenant.Instance){
			"key":         func(in *tenant.Instance) { in.Key = long[:129] },
			"instance ID": func(in *tenant.Instance) { in.ID = long[:256] },
			"root ID":     func(in *tenant.Instance) { in.RootID = long[:65] },
			"controller":  func(in *tenant.Instance) { in.ControllerURI = "https://controller.example/" + long },
			"version":     func(in *tenant.Instance) { in.PackageVersion = long[:65] },
		} {
			in := instance(otherKey, otherRoot)
			change(&in)
			_, err := h.Install(t.Context(), in, platform())
			h.checkFailure("Install() with a long "+name, err, failure.BadRequest)
		}
		before := h.stored(key)
		_, err := h.NoteController(t.Context(), before, "https://controller.example/"+long)
		h.must(err)
		_, err = h.Upgrade(t.Context(), key, "1-1", long, instance(key, rootID).Settings, platform())
		h.checkFailure("Upgrade() to a long version", err, failure.BadRequest)
		for name, change := range map[string]func(*tenant.Tenant){
			"ID":           func(t *tenant.Tenant) { t.ID = long[:65] },
			"account":      func(t *tenant.Tenant) { t.AccountID = long[:256] },
			"subscription": func(t *tenant.Tenant) { t.SubscriptionID = long[:256] },
			"directory":    func(t *tenant.Tenant) { t.Directory = long[:256] },
			"secret":       func(t *tenant.Tenant) { t.Application.Secret.Value = secret.New(long) },
		} {
			tn := reseller(tenantID, alpine)
			change(&tn)
			_, err := h.Provision(t.Context(), tn, platform())
			h.checkFailure("Provision() with a long "+name, err, failure.BadRequest)
		}
		h.checkSame("the instance after all refusals", h.stored(key), before)

		// The longest that is accepted can be stored.
		settings := instance(key, rootID).Settings
		settings.Application.Secret.Value = secret.New(long[:19_000])
		settings.Application.NextSecret.Value = secret.New(long[:19_000])
		settings.MFARequest, settings.Borrowers = `{"x": "`+long[:19_000]+`"}`, []tenant.Borrower{tenant.NewBorrower(long[:19_000])}
		_, err = h.Configure(t.Context(), key, settings, platform())
		h.must(err)
		in := h.stored(key)
		_, err = h.NoteController(t.Context(), in, "https://controller.example/"+long[:1900])
		h.must(err)
		db.CheckBounds(t)
	})
}
