package world_test

import (
	"context"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/world"
)

// TestMetrics_TellTheStateOfAllTenants plays the life of one token and reads what an alarm would be made from.
func TestMetrics_TellTheStateOfAllTenants(t *testing.T) {
	w, database := startWritable(t, world.Config{Tick: 100 * time.Millisecond})
	s := scenario{t, w}
	metrics := func() string {
		_, text := s.fetch(s.PrivateURL + "/metrics")
		return text
	}
	shows := func(lines ...string) {
		t.Helper()
		s.eventually(strings.Join(lines, ", "), func() bool {
			text := "\n" + metrics()
			for _, line := range lines {
				if !strings.Contains(text, "\n"+line) {
					return false
				}
			}
			return true
		})
	}
	shows(`connector_database_up 1`, `connector_tenants{state="absent"} `, `connector_tenants{state="active"} 0`,
		`connector_actions_total{action="grant.renewed",kind="signin",result="grant_revoked"} 0`, `connector_actions_total{action="consent.granted",kind="",result="ok"} 0`)
	if text := metrics(); strings.Contains(text, "connector_last_renewal_timestamp_seconds ") || strings.Contains(text, "connector_token_first_end_timestamp_seconds ") {
		t.Error("without a token, the metrics tell times")
	}

	s.consent()
	shows(`connector_tenants{state="active"} 1`, `connector_token_remaining_seconds_count 1`, `connector_tokens_ending{days="90"} 1`, `connector_tokens_ending{days="30"} 0`,
		`connector_actions_total{action="consent.granted",kind="",result="ok"} 1`, `connector_last_renewal_timestamp_seconds `, `connector_renewals_due 0`)
	text := metrics()
	for _, want := range []string{
		`connector_request_duration_seconds_count{listener="hooks"}`, `connector_microsoft_request_duration_seconds_count{host=`, `connector_platform_request_duration_seconds_count{host=`,
		`connector_database_duration_seconds_count{operation="transaction",result="ok"}`, `connector_build_info{`, `connector_credential_end_timestamp_seconds{`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	check := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics = %v\n%s", err, out)
	}

	s.pauses(shows)

	// A time of issue that lies back shows what waits for a renewal.
	old := w.Clock.Now().Add(-token.Life + 2*24*time.Hour).UTC().Format("2006-01-02 15:04:05.000")
	_, err := database.ExecContext(t.Context(), "UPDATE grants SET issued_at = ? WHERE slot = 'active'", old)
	if err != nil {
		t.Fatal(err)
	}
	shows(`connector_tenants{state="expiring"} 1`, `connector_tokens_ending{days="3"} 1`, `connector_tokens_ending{days="1"} 0`)
	_, err = database.ExecContext(t.Context(), "UPDATE grants SET issued_at = '2020-01-01 00:00:00.000' WHERE slot = 'active'")
	if err != nil {
		t.Fatal(err)
	}
	shows(`connector_tenants{state="expired"} 1`, `connector_tokens_ending{days="90"} 0`, `connector_token_remaining_seconds_bucket{le="0"} 1`)
}

// pauses has an operator pause and resume renewals: the metric and the answer to probes tell of it, and the connector stays ready.
func (s scenario) pauses(shows func(lines ...string)) {
	s.Helper()
	probed := func(want string) {
		s.Helper()
		if status, text := s.fetch(s.PrivateURL + "/readyz"); status != http.StatusOK || !strings.HasPrefix(text, want) || want == "" && text != "" {
			s.Errorf("GET /readyz = %d %q, want 200 with %q", status, text, want)
		}
	}
	probed("")
	s.pause()
	shows(`connector_renewals_paused_until_timestamp_seconds{cloud="all"} `)
	probed("renewals in all clouds are paused until ")
	s.order(func(ctx context.Context, tokens *token.Service, by audit.Actor) error {
		_, err := tokens.ResumeRenewals(ctx, "", by)
		return err
	})
	s.eventually("the end of the pause", func() bool {
		_, text := s.fetch(s.PrivateURL + "/metrics")
		return !strings.Contains(text, "connector_renewals_paused_until_timestamp_seconds{")
	})
	probed("")
}

// pause has an operator pause all renewals.
func (s scenario) pause() {
	s.Helper()
	s.order(func(ctx context.Context, tokens *token.Service, by audit.Actor) error {
		_, err := tokens.PauseRenewals(ctx, token.Pause{Reason: "maintenance"}, by)
		return err
	})
}

// order has an operator give an order at the command line, beside the running connector.
func (s scenario) order(give func(context.Context, *token.Service, audit.Actor) error) {
	s.Helper()
	cfg, err := config.Load(filepath.Join(s.Folder(), "connector.yaml"), nil)
	check(s.T, err)
	services, err := app.Open(s.Context(), cfg, app.Options{Now: s.Clock.Now, Migration: app.ExamineSchema})
	check(s.T, err)
	check(s.T, give(s.Context(), services.Tokens, audit.Actor{Kind: audit.Operator, ID: "paula", Name: "paula"}))
	check(s.T, services.Close())
}
