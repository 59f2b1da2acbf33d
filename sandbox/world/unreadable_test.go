package world_test

import (
	"strings"
	"testing"

	"azure-partner-connector/sandbox/world"
)

// TestUnreadable_AlarmAndRepair damages stored secrets as a disk or a person could, under the running connector.
func TestUnreadable_AlarmAndRepair(t *testing.T) {
	w, database := startWritable(t, world.Config{})
	s := scenario{t, w}
	s.consent()
	spoil := func(statement string) {
		t.Helper()
		_, err := database.ExecContext(t.Context(), statement, []byte("damaged"))
		check(t, err)
	}
	spoil("UPDATE grants SET refresh_token = ?")
	s.checkState("misconfigured")

	// The check at the start finds it.
	check(t, s.Restart(t.Context()))
	s.eventually("alarm in the metrics", func() bool {
		_, metrics := s.fetch(s.PrivateURL + "/metrics")
		return strings.Contains(metrics, `connector_unreadable_secrets{column="refresh_token",table="grants"} 1`)
	})
	s.checkShown(1, "error", "The refresh token of Alpine Cloud can't be renewed until a setting is changed.")
	if got := s.pushed("misconfigured"); got["tokenReason"] != "grant_unreadable" {
		t.Errorf("the platform's copy says reason %v, want grant_unreadable", got["tokenReason"])
	}
	s.consent()
	s.checkShown(2, "ready", "The refresh token of Alpine Cloud works again.")

	// The credentials of the application, which all resellers share.
	spoil("UPDATE instances SET credentials = ?")
	s.checkState("misconfigured")
	s.configure(s.root(), map[string]any{"applicationSecret": applicationSecret})
	s.checkState("active")

	// Nothing is in the way of removing everything.
	spoil("UPDATE grants SET refresh_token = ?")
	spoil("UPDATE instances SET credentials = ?")
	check(t, s.RemoveTenants(t.Context()))
	check(t, s.Unregister(t.Context()))
}
