package app_test

import (
	"strings"
	"testing"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

func TestCheckSecrets_RefusesWeakOnesOfNewInstances(t *testing.T) {
	s := storetest.SQLite(t).Open(t)
	known := tenant.Instance{Key: "known", ID: "id-1", RootID: "root-1"}
	if err := s.SaveInstance(t.Context(), &known); err != nil {
		t.Fatalf("SaveInstance() = %v", err)
	}
	const weak, strong = "aaaaaaaaaaaaaaaa", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	for name, tc := range map[string]struct {
		key, secret      string
		warnings, errors int
	}{
		"known and weak":   {"known", weak, 1, 0},
		"known and strong": {"known", strong, 0, 0},
		"new and weak":     {"new", weak, 0, 1},
		"new and strong":   {"new", strong, 0, 0},
	} {
		warnings, err := app.CheckSecrets(t.Context(), s, []config.Instance{{Key: tc.key, Secret: secret.New(tc.secret)}})
		if len(warnings) != tc.warnings || (err != nil) != (tc.errors > 0) {
			t.Errorf("CheckSecrets() of one that is %s = %q, %v, want %d warnings and %d errors", name, warnings, err, tc.warnings, tc.errors)
		}
		if err != nil && (!strings.Contains(err.Error(), "instances[0].secret") || strings.Contains(err.Error(), weak)) {
			t.Errorf("CheckSecrets() = %v, want the key of the setting and not its value", err)
		}
	}
	// The secret that is being replaced signs, too.
	previous := config.Instance{Key: "new", Secret: secret.New(strong), PreviousSecret: secret.New(weak)}
	if _, err := app.CheckSecrets(t.Context(), s, []config.Instance{previous}); err == nil || !strings.Contains(err.Error(), "instances[0].previousSecret") {
		t.Errorf("CheckSecrets() of a new instance with a weak previous secret = %v, want an error about it", err)
	}
	previous.Key = "known" // a rotation away from a weak secret, of which Load warns already
	if warnings, err := app.CheckSecrets(t.Context(), s, []config.Instance{previous}); err != nil || len(warnings) > 0 {
		t.Errorf("CheckSecrets() of a known instance with a weak previous secret = %q, %v, want neither", warnings, err)
	}
	// One that was removed is new again.
	known.RemovedAt = known.CreatedAt.AddDate(2026, 0, 0)
	if err := s.SaveInstance(t.Context(), &known); err != nil {
		t.Fatalf("SaveInstance() = %v", err)
	}
	if _, err := app.CheckSecrets(t.Context(), s, []config.Instance{{Key: "known", Secret: secret.New(weak)}}); err == nil {
		t.Error("CheckSecrets() of a removed instance = nil, want an error")
	}
}
