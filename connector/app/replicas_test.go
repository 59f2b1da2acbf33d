package app_test

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
)

// TestFingerprints_TellNothingWithoutTheKeys compares those of equal and of different settings, with equal and with other keys.
func TestFingerprints_TellNothingWithoutTheKeys(t *testing.T) {
	cfg := config.Config{
		Database:  config.Database{Driver: config.SQLite, Path: filepath.Join(t.TempDir(), "connector.db")},
		Instances: []config.Instance{{Key: "b", Secret: secret.New("the secret of b")}, {Key: "a", Secret: secret.New("the secret of a"), PanelOrigins: []string{"https://y", "https://x"}}},
		Platform:  config.Platform{Timeout: 1}, Onboarding: config.Onboarding{PublicURL: "https://onboarding.example.com"},
	}
	fingerprints := func(keys string, change func(*config.Config)) map[string]string {
		t.Helper()
		theirs := cfg
		theirs.Instances = slices.Clone(cfg.Instances)
		theirs.Keys.File, theirs.Database.Path = keys, keys+".db"
		change(&theirs)
		services, err := app.Open(context.WithoutCancel(t.Context()), theirs, app.Options{})
		if err != nil {
			t.Fatalf("Open() = %v", err)
		}
		defer services.Close()
		got, err := services.Fingerprints(theirs)
		if err != nil {
			t.Fatalf("Fingerprints() = %v", err)
		}
		return got
	}
	ours, others := filepath.Join(t.TempDir(), "keys"), filepath.Join(t.TempDir(), "keys")
	for _, file := range []string{ours, others} {
		if _, err := seal.CreateFile(file); err != nil {
			t.Fatal(err)
		}
	}
	one := fingerprints(ours, func(*config.Config) {})
	if same := fingerprints(ours, func(c *config.Config) {
		slices.Reverse(c.Instances)
		c.Instances[0].PanelOrigins = []string{"https://x", "https://y"}
	}); !maps.Equal(one, same) {
		t.Errorf("the order changes the fingerprints:\n%v\n%v", one, same)
	}
	for name, value := range fingerprints(others, func(*config.Config) {}) {
		if value == one[name] || len(value) != 16 || strings.Contains(value, "secret") {
			t.Errorf("the fingerprint of %s is %q with any keys", name, value)
		}
	}
	changed := fingerprints(ours, func(c *config.Config) { c.Instances[0].Secret = secret.New("another") })
	var differ []string
	for _, name := range slices.Sorted(maps.Keys(one)) {
		if one[name] != changed[name] {
			differ = append(differ, name)
		}
	}
	if !slices.Equal(differ, []string{"instances[b].secret"}) {
		t.Errorf("another secret of b changes %q", differ)
	}
	if one["instances[a].secret"] == one["instances[b].secret"] || len(one) < 40 {
		t.Errorf("there are %d fingerprints, and those of different secrets are equal: %v", len(one), one)
	}
}
