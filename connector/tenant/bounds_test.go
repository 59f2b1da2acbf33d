package tenant_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"azure-partner-connector/connector/failure"
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
				if n := utf8.RuneCountInString(name); n != tenant.MaxName || !utf8.ValidString(name) || !strings.HasSuffix(name, "…") {
					t.Errorf("after %s, the %s has %d characters, want %d with an ellipsis at the end", after, what, n, tenant.MaxName)
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
			"borrowers":   func(s *tenant.Settings) { s.Borrowers = []string{long} },
		} {
			settings := instance(key, rootID).Settings
			change(&settings)
			_, err := h.Configure(t.Context(), key, settings, platform())
			h.checkFailure("Configure() with a long "+name, err, failure.BadRequest)
		}
		_, err := h.Provision(t.Context(), reseller(tenantID, strings.Repeat("d", 300)), platform())
		h.checkFailure("Provision() with a long directory", err, failure.BadRequest)

		// The longest that is accepted can be stored.
		settings := instance(key, rootID).Settings
		settings.Application.Secret.Value = secret.New(long[:19_000])
		settings.Application.NextSecret.Value = secret.New(long[:19_000])
		settings.MFARequest, settings.Borrowers = `{"x": "`+long[:19_000]+`"}`, []string{long[:19_000]}
		_, err = h.Configure(t.Context(), key, settings, platform())
		h.must(err)
	})
}
