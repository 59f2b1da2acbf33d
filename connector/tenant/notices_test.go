package tenant_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

func TestConfigureTenant_RefusesNotices(t *testing.T) {
	six := make([]string, 6)
	for i := range six {
		six[i] = fmt.Sprintf("admin%d@alpine.example", i)
	}
	for name, notices := range map[string]tenant.Notices{
		"no address":            {Recipients: []string{"admin"}},
		"a name before it":      {Recipients: []string{"Admin <admin@alpine.example>"}},
		"two in one":            {Recipients: []string{"a@alpine.example, b@alpine.example"}},
		"another header":        {Recipients: []string{"a@alpine.example\r\nBcc: b@alpine.example"}},
		"too long":              {Recipients: []string{strings.Repeat("a", 240) + "@alpine.example"}},
		"more than five":        {Recipients: six},
		"an unknown language":   {Language: "eo"},
		"a language and region": {Language: "de_DE"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.install(instance(key, rootID))
			before := h.provision(reseller(tenantID, alpine))
			changed := before
			changed.Notices = notices
			_, err := h.ConfigureTenant(t.Context(), changed, platform())
			want := failure.RecipientsInvalid
			if notices.Language != "" {
				want = failure.BadRequest
			}
			h.checkFailure("ConfigureTenant()", err, want)
			h.checkSame("the tenant after a refused change", h.storedTenant(tenantID), before)
		})
	}
}

func TestConfigureTenant_Notices(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	changed := h.provision(reseller(tenantID, alpine))
	changed.Notices = tenant.Notices{Recipients: []string{" admin@alpine.example ", "", "Admin@Alpine.Example", "boss@alpine.example"}, Language: "de"}
	got, err := h.ConfigureTenant(t.Context(), changed, platform())
	if want := []string{"admin@alpine.example", "boss@alpine.example"}; err != nil || !slices.Equal(got.Notices.Recipients, want) || got.Notices.Language != "de" {
		t.Errorf("ConfigureTenant() = %+v, %v, want %q, each once, in German", got.Notices, err, want)
	}
	h.checkSame("the stored tenant", h.storedTenant(tenantID), got)
}
