package doctor_test

import (
	"strings"
	"testing"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/doctor"
	"azure-partner-connector/sandbox/world"
)

func TestExamine_NamesThePanelThatIsNotListed(t *testing.T) {
	h := newHarness(t)
	named := func() (seen []string) {
		t.Helper()
		for _, f := range h.examine("").Findings {
			if f.Check == "panels" && f.Result == doctor.Warning {
				seen = append(seen, f.Seen)
			}
		}
		return seen
	}
	if got := named(); len(got) != 0 {
		t.Errorf("Examine() warns %q, want nothing about panels", got)
	}
	for _, origin := range []string{"https://panel.brand.example", h.PanelURL} {
		if _, err := h.BeginWith(t.Context(), world.Bjorn, map[string]string{"origin": origin}); err != nil {
			t.Fatal(err)
		}
		if origin == h.PanelURL {
			continue
		}
		if got := named(); len(got) != 1 || !strings.Contains(got[0], origin) {
			t.Errorf("Examine() warns %q, want it to name %s", got, origin)
		}
	}
}

func TestExamine_WithoutAnyPanelListed(t *testing.T) {
	h := newHarness(t)
	report := h.examine("", func(c *doctor.Config) {
		c.Load = func() (config.Config, error) {
			cfg, err := h.load()
			for i := range cfg.Instances {
				cfg.Instances[i].PanelOrigins = nil
			}
			return cfg, err
		}
	})
	checkFinding(t, report, doctor.Warning, "panels", "its panelOrigins is empty")
}
