// Package deploy_test checks what is shipped beside the program.
package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const root = ".."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "promtool", args...)
	command.Dir = "prometheus"
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("promtool %s = %v\n%s", strings.Join(args, " "), err, out)
	}
}

// rules are the shipped alert rules, and their tests.
type rules struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
	Tests []struct {
		AlertRuleTest []struct {
			Alertname string
			ExpAlerts []any `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	}
}

func readRules(t *testing.T, name string) (r rules) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, name)), &r); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

func TestAlerts_InteropPromtoolSaysThatTheyFireAndKeepQuiet(t *testing.T) {
	promtool(t, "check", "rules", "rules.yml")
	promtool(t, "test", "rules", "rules_test.yml", "rules_days_test.yml")
	promtool(t, "check", "config", "prometheus.yml")
}

// TestAlerts_EachIsTestedAndExplained: an alert that never fires is worse than none, and one that nobody can explain wakes people
// for nothing.
func TestAlerts_EachIsTestedAndExplained(t *testing.T) {
	fires, quiet := map[string]bool{}, map[string]bool{}
	tests := slices.Concat(readRules(t, "deploy/prometheus/rules_test.yml").Tests, readRules(t, "deploy/prometheus/rules_days_test.yml").Tests)
	for _, test := range tests {
		for _, alert := range test.AlertRuleTest {
			if len(alert.ExpAlerts) > 0 {
				fires[alert.Alertname] = true
			} else {
				quiet[alert.Alertname] = true
			}
		}
	}
	runbook := read(t, "docs/guides/alerts.md")
	found := 0
	for _, group := range readRules(t, "deploy/prometheus/rules.yml").Groups {
		for _, rule := range group.Rules {
			found++
			if !fires[rule.Alert] {
				t.Errorf("no test shows that %s fires", rule.Alert)
			}
			if !slices.Contains([]string{"warning", "critical"}, rule.Labels["severity"]) {
				t.Errorf("%s has the severity %q", rule.Alert, rule.Labels["severity"])
			}
			file, section, _ := strings.Cut(rule.Annotations["runbook"], "#")
			heading := regexp.MustCompile(`(?im)^### ` + regexp.QuoteMeta(section) + `$`)
			if file != "docs/guides/alerts.md" || section == "" || !heading.MatchString(runbook) {
				t.Errorf("the runbook of %s is %s, which is no section of docs/guides/alerts.md", rule.Alert, rule.Annotations["runbook"])
			}
		}
	}
	if found < 20 || len(quiet) < 15 {
		t.Errorf("%d rules were found, and %d that are tested to keep quiet", found, len(quiet))
	}
}

var metricName = regexp.MustCompile(`\bconnector_[a-z_]+`)

// exported returns the metrics in the reference, which docs_test compares with the program.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(connector_[a-z_]+)`").FindAllStringSubmatch(read(t, "docs/reference/metrics.md"), -1) {
		names[m[1]] = true
	}
	return names
}

func checkMetrics(t *testing.T, known map[string]bool, where, expression string) {
	t.Helper()
	for _, name := range metricName.FindAllString(expression, -1) {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if !known[name] && !known[base] {
			t.Errorf("%s asks for %s, which the program does not export", where, name)
		}
	}
}

func TestAlerts_AskForMetricsThatExist(t *testing.T) {
	known := exported(t)
	for _, group := range readRules(t, "deploy/prometheus/rules.yml").Groups {
		for _, rule := range group.Rules {
			checkMetrics(t, known, rule.Alert, rule.Expr)
		}
	}
}

// A dashboard is what Grafana imports, as far as its queries are concerned.
type dashboard struct {
	Title  string
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
}

func TestDashboard_InteropQueriesAreValidAndAskForMetricsThatExist(t *testing.T) {
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "deploy/grafana/connector.json")), &d); err != nil {
		t.Fatal(err)
	}
	known := exported(t)
	type recording struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var queries []recording
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			checkMetrics(t, known, panel.Title, target.Expr)
			queries = append(queries, recording{"dashboard:query", strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")})
		}
	}
	if len(queries) < 10 {
		t.Fatalf("only %d queries were found", len(queries))
	}
	for i := range queries {
		queries[i].Record += strings.Repeat("_", i) // promtool complains of equal names
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": queries}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

func TestCompose_NamesWhatIsShipped(t *testing.T) {
	var c struct {
		Services map[string]struct {
			Image       string
			Environment map[string]string
			Volumes     []string
		}
		Networks, Volumes map[string]any
	}
	if err := yaml.Unmarshal([]byte(read(t, "deploy/compose/compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	for name, service := range c.Services {
		if service.Image == "" {
			t.Errorf("service %s has no image", name)
		}
		for _, volume := range service.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if !strings.HasPrefix(source, "../") {
				continue // the operator's, or a volume
			}
			if _, err := os.Stat(filepath.Join("compose", source)); err != nil {
				t.Errorf("service %s: %v", name, err)
			}
		}
	}
	if len(c.Services) < 5 || c.Services["connector-2"].Environment["CONNECTOR_CONFIG"] == "" {
		t.Errorf("the sample has %d services", len(c.Services))
	}
}
