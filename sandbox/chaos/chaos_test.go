package chaos_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"azure-partner-connector/connector/store/storetest/dbserver"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/chaos"
)

// selected returns the kind of server that the tests run on.
func selected(t *testing.T) dbserver.Flavor {
	t.Helper()
	flavor, err := dbserver.Selected()
	if err != nil {
		t.Fatal(err)
	}
	return flavor
}

func prepare(t *testing.T) *chaos.Env {
	t.Helper()
	e, err := chaos.Prepare(t.Context(), chaos.Config{Flavor: selected(t)})
	if err != nil {
		t.Fatalf("Prepare() = _, %v", err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return e
}

func TestScenarios_LoseNoTenant(t *testing.T) {
	e := prepare(t)
	for _, scenario := range chaos.ScenariosOn(selected(t)) {
		t.Run(scenario.Name, func(t *testing.T) {
			t.Parallel()
			result := scenario.Run(t.Context(), e, chaos.Short())
			t.Log(result)
			if result.Err != nil {
				t.Errorf("Run() = %v", result.Err)
			}
			if result.Renewals == 0 {
				t.Error("Run() renewed no tenant, want some")
			}
		})
	}
	t.Run("verification", func(t *testing.T) { testVerification(t, e) })
}

// testVerification checks that Verify reports each kind of violation.
func testVerification(t *testing.T, e *chaos.Env) {
	for name, tc := range map[string]struct {
		corrupt func(ctx context.Context, d *chaos.Deployment) error
		want    string // empty: no violation
	}{
		"nothing": {
			func(context.Context, *chaos.Deployment) error { return nil }, "",
		},
		"a grant that Microsoft ended": {
			func(_ context.Context, d *chaos.Deployment) error { return d.Revoke() }, "not accepted by Microsoft",
		},
		"a grant that does not open": {
			func(ctx context.Context, d *chaos.Deployment) error {
				return d.Corrupt(ctx, "UPDATE grants SET refresh_token = (SELECT refresh_token FROM grants WHERE slot = 'predecessor') WHERE slot = 'active'")
			}, "cannot be opened",
		},
		"a lost event": {
			func(ctx context.Context, d *chaos.Deployment) error {
				return d.Corrupt(ctx, "DELETE FROM events WHERE seq = (SELECT MIN(seq) FROM events)")
			}, "changes of kind grant and their events differ in number",
		},
		"a changed event": {
			func(ctx context.Context, d *chaos.Deployment) error {
				return d.Corrupt(ctx, "UPDATE events SET actor_name = 'somebody else' WHERE seq = (SELECT MIN(seq) FROM events)")
			}, "the audit trail",
		},
		"a grant that was stored without an event": {
			func(ctx context.Context, d *chaos.Deployment) error {
				return d.Corrupt(ctx, "UPDATE grants SET version = version + 1 WHERE slot = 'active'")
			}, "changes of kind grant and their events differ in number",
		},
		"a failure without an event": {
			func(ctx context.Context, d *chaos.Deployment) error {
				return d.Corrupt(ctx, "UPDATE schedules SET attempt = attempt + 1")
			}, "changes of kind failure and their events differ in number",
		},
		"a tenant that was configured without an event": {
			func(ctx context.Context, d *chaos.Deployment) error {
				return d.Corrupt(ctx, "UPDATE tenants SET name = 'Somebody'")
			}, "changes of kind tenant and their events differ in number",
		},
		"a tenant that was removed without an event": {
			func(ctx context.Context, d *chaos.Deployment) error {
				return d.Corrupt(ctx, "DELETE FROM tenants")
			}, "changes of kind removal of a tenant and their events differ in number",
		},
		"settings that were changed without an event": {
			func(ctx context.Context, d *chaos.Deployment) error {
				return d.Corrupt(ctx, "UPDATE instances SET skip_landing = TRUE")
			}, "changes of kind instance and their events differ in number",
		},
		"a binding without an event": {
			func(ctx context.Context, d *chaos.Deployment) error {
				return d.Corrupt(ctx, "INSERT INTO ties (instance_key, root_id, renewal_task, account_events, version) VALUES ('another', 'root', '', '', 1)")
			}, "changes of kind binding and their events differ in number",
		},
		"a consent without an event": {
			func(ctx context.Context, d *chaos.Deployment) error {
				return d.AddConsent(ctx)
			}, "changes of kind consent and their events differ in number",
		},
		"an event without a change": {
			func(ctx context.Context, d *chaos.Deployment) error {
				return d.AddEvent(ctx, "instance.bound")
			}, "changes of kind binding and their events differ in number",
		},
		"a second renewal": {
			func(ctx context.Context, d *chaos.Deployment) error {
				columns := "happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference"
				return d.Corrupt(ctx, fmt.Sprintf("INSERT INTO events (id, %[1]s) SELECT 'another', %[1]s FROM events WHERE action = 'grant.renewed' LIMIT 1", columns))
			}, "renewed twice",
		},
		"an older grant": {
			func(ctx context.Context, d *chaos.Deployment) error {
				return d.Corrupt(ctx, "UPDATE grants SET issued_at = '2020-01-01 00:00:00.000' WHERE slot = 'active'")
			}, "older time replaced a newer one",
		},
		"a secret in a column": {
			func(ctx context.Context, d *chaos.Deployment) error {
				value, err := d.StoredToken(ctx, token.Active)
				if err != nil {
					return err
				}
				return d.Corrupt(ctx, "UPDATE tenants SET name = ?", "as in "+value)
			}, "secret is in a row of tenants",
		},
		"a secret in a log": {
			func(ctx context.Context, d *chaos.Deployment) error {
				value, err := d.StoredToken(ctx, token.Predecessor)
				if err != nil {
					return err
				}
				return d.AppendToLog("value=" + value)
			}, "a secret is in replica-00000.log",
		},
		"a secret in the metrics": {
			func(_ context.Context, d *chaos.Deployment) error {
				d.AddSecret("go_goroutines")
				return nil
			}, "a secret is in a response of the listener private",
		},
		"a secret on a page": {
			func(_ context.Context, d *chaos.Deployment) error {
				d.AddSecret("<html")
				return nil
			}, "a secret is in a response of the listener onboarding",
		},
		"a secret in a refusal": {
			func(_ context.Context, d *chaos.Deployment) error {
				d.AddSecret(`"error"`)
				return nil
			}, "a secret is in a response of the listener hooks",
		},
		"what looks like a token in a log": {
			func(_ context.Context, d *chaos.Deployment) error {
				return d.AppendToLog("value=eyJ" + strings.Repeat("a", 20) + "." + strings.Repeat("b", 20))
			}, "a secret is in replica-00000.log",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := e.DeployRenewed(t.Context(), strings.ReplaceAll(name, " ", "-"))
			if err != nil {
				t.Fatalf("DeployRenewed() = _, %v", err)
			}
			defer func() {
				if err := d.Close(); err != nil {
					t.Errorf("Close() = %v", err)
				}
			}()
			if err := tc.corrupt(t.Context(), d); err != nil {
				t.Fatalf("corrupt() = %v", err)
			}
			_, err = d.Verify(t.Context())
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("Verify() = _, %v, want %q", err, tc.want)
			}
		})
	}
}

func TestPrepare_RefusesWithoutCompilerAndLeavesNothing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	if e, err := chaos.Prepare(t.Context(), chaos.Config{}); err == nil {
		t.Errorf("Prepare() without a compiler = %v, nil, want an error", e)
	}
	if files, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(files) > 0 {
		t.Errorf("a refused Prepare() leaves %d files, %v", len(files), err)
	}
}
