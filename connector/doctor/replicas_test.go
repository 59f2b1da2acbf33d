package doctor_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/doctor"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
)

// TestExamine_Replicas has replicas that run with one configuration, and then with several.
func TestExamine_Replicas(t *testing.T) {
	h := newHarness(t)
	cfg, err := h.load()
	h.must(err)
	others, err := h.services.Store.Replicas(t.Context())
	h.must(err)
	for _, sandbox := range others {
		h.must(h.services.Store.DeleteReplica(t.Context(), sandbox.ID))
	}
	examined := func() doctor.Report {
		t.Helper()
		return h.examine("", func(d *doctor.Config) { d.Load = loaded(cfg) })
	}
	run := func(id, host, version string, change func(*config.Config)) {
		t.Helper()
		theirs := cfg
		theirs.Instances = append([]config.Instance(nil), cfg.Instances...)
		change(&theirs)
		settings, err := h.services.Fingerprints(theirs)
		h.must(err)
		h.must(h.services.Store.SaveReplica(t.Context(), store.Replica{ID: id, Host: host, Version: version, Settings: settings}))
	}
	checkFinding(t, examined(), doctor.OK, "replicas", "none runs")
	run("aaaaaaaa-1", "alpha", "1.0", func(*config.Config) {})
	run("bbbbbbbb-1", "beta", "1.0", func(c *config.Config) { c.Log.Format, c.Hooks.Listen, c.Renewal.Workers = "text", ":1", 1 })
	checkFinding(t, examined(), doctor.OK, "replicas", "2 run with these settings", "alpha (aaaaaaaa)", "beta (bbbbbbbb)")

	run("cccccccc-1", "gamma", "1.1", func(c *config.Config) {
		c.Hooks.PublicURL, c.Renewal.Every = "https://other.example.com", time.Hour
		c.Instances[0].Secret = secret.New("another-secret-of-32-characters-x")
	})
	report := examined()
	names := "hooks.publicURL, instances[" + h.Key + "].secret, renewal.every"
	checkFinding(t, report, doctor.Failed, "replicas", "alpha (aaaaaaaa) and gamma (cccccccc)", names, "restart")
	checkFinding(t, report, doctor.Warning, "replicas", "gamma (cccccccc) runs with other settings than these: "+names)
	checkFinding(t, report, doctor.Warning, "replicas", "runs version 1.1", "Finish the upgrade")

	h.must(h.services.Store.DeleteReplica(t.Context(), "cccccccc-1"))
	cfg.Retention.Events = 9000 * time.Hour
	checkFinding(t, examined(), doctor.Warning, "replicas", "alpha (aaaaaaaa) runs with other settings than these: retention.events", "restart it")
}
