package torture_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/torture"
)

func prepare(t *testing.T) *torture.Ground {
	t.Helper()
	g, err := torture.Prepare(t.Context(), torture.Config{})
	if err != nil {
		t.Fatalf("Prepare() = _, %v", err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return g
}

func TestShortForm(t *testing.T) {
	g := prepare(t)
	t.Run("examination", func(t *testing.T) { testExamination(t, g) })
	for _, scenario := range torture.Scenarios() {
		t.Run(scenario.Name, func(t *testing.T) {
			t.Parallel()
			result := scenario.Run(t.Context(), g, torture.Short())
			t.Log(result)
			if result.Err != nil {
				t.Errorf("Run() = %v", result.Err)
			}
			if result.Renewals == 0 {
				t.Error("Run() renewed nothing: it proves nothing")
			}
		})
	}
}

// testExamination shows that the examination finds what it is there for.
func testExamination(t *testing.T, g *torture.Ground) {
	for name, tc := range map[string]struct {
		spoil func(ctx context.Context, r *torture.Rig) error
		want  string // empty: nothing is found
	}{
		"nothing": {
			func(context.Context, *torture.Rig) error { return nil }, "",
		},
		"a grant that Microsoft ended": {
			func(_ context.Context, r *torture.Rig) error { return r.Revoke() }, "not accepted by Microsoft",
		},
		"a grant that does not open": {
			func(ctx context.Context, r *torture.Rig) error {
				return r.Spoil(ctx, "UPDATE grants SET refresh_token = (SELECT refresh_token FROM grants WHERE slot = 'predecessor') WHERE slot = 'active'")
			}, "does not open here",
		},
		"a lost event": {
			func(ctx context.Context, r *torture.Rig) error {
				return r.Spoil(ctx, "DELETE FROM events WHERE seq = (SELECT MIN(seq) FROM events)")
			}, "changes and the events of a tenant are not as many",
		},
		"a second renewal": {
			func(ctx context.Context, r *torture.Rig) error {
				columns := "happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference"
				return r.Spoil(ctx, fmt.Sprintf("INSERT INTO events (id, %[1]s) SELECT 'another', %[1]s FROM events WHERE action = 'grant.renewed' LIMIT 1", columns))
			}, "renewed twice",
		},
		"an older grant": {
			func(ctx context.Context, r *torture.Rig) error {
				return r.Spoil(ctx, "UPDATE grants SET issued_at = '2020-01-01 00:00:00.000' WHERE slot = 'active'")
			}, "older time replaced a newer one",
		},
		"a secret in a column": {
			func(ctx context.Context, r *torture.Rig) error {
				value, err := r.Stored(ctx, token.Active)
				if err != nil {
					return err
				}
				return r.Spoil(ctx, "UPDATE tenants SET name = ?", "as in "+value)
			}, "secret is in a row of tenants",
		},
		"a secret in a log": {
			func(ctx context.Context, r *torture.Rig) error {
				value, err := r.Stored(ctx, token.Predecessor)
				if err != nil {
					return err
				}
				return r.SpoilLog("value=" + value)
			}, "a secret is in replica-00000.log",
		},
		"a secret in the metrics": {
			func(_ context.Context, r *torture.Rig) error {
				r.Know("go_goroutines")
				return nil
			}, "a secret is in an answer of the door private",
		},
		"a secret on a page": {
			func(_ context.Context, r *torture.Rig) error {
				r.Know("<html")
				return nil
			}, "a secret is in an answer of the door onboarding",
		},
		"a secret in a refusal": {
			func(_ context.Context, r *torture.Rig) error {
				r.Know(`"error"`)
				return nil
			}, "a secret is in an answer of the door hooks",
		},
		"what looks like a token in a log": {
			func(_ context.Context, r *torture.Rig) error {
				return r.SpoilLog("value=eyJ" + strings.Repeat("a", 20) + "." + strings.Repeat("b", 20))
			}, "a secret is in replica-00000.log",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := g.Renewed(t.Context(), strings.ReplaceAll(name, " ", "-"))
			if err != nil {
				t.Fatalf("Renewed() = _, %v", err)
			}
			defer func() {
				if err := r.Close(); err != nil {
					t.Errorf("Close() = %v", err)
				}
			}()
			if err := tc.spoil(t.Context(), r); err != nil {
				t.Fatalf("spoiling = %v", err)
			}
			_, err = r.Examine(t.Context())
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("Examine() = _, %v, want %q", err, tc.want)
			}
		})
	}
}

func TestPrepareRefusals(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	if g, err := torture.Prepare(t.Context(), torture.Config{}); err == nil {
		t.Errorf("Prepare() without a compiler = %v, nil, want an error", g)
	}
	if files, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(files) > 0 {
		t.Errorf("a refused Prepare() leaves %d files, %v", len(files), err)
	}
}
