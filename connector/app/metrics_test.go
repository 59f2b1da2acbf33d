package app_test

import (
	"database/sql"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
)

var (
	increase = regexp.MustCompile(`increase\((connector_[a-z_]+)(?:\{([^}]*)\})?\[`)
	matcher  = regexp.MustCompile(`([a-z_]+)(=~|!~|!=|=)"([^"]*)"`)
	label    = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
)

// matches reports whether the labels of a series are those that a query selects.
func matches(t *testing.T, series, selector string) bool {
	t.Helper()
	labels := map[string]string{}
	for _, m := range label.FindAllStringSubmatch(series, -1) {
		labels[m[1]] = m[2]
	}
	for _, m := range matcher.FindAllStringSubmatch(selector, -1) {
		pattern := m[3]
		if !strings.HasSuffix(m[2], "~") {
			pattern = regexp.QuoteMeta(pattern)
		}
		equal := regexp.MustCompile("^(?:" + pattern + ")$").MatchString(labels[m[1]])
		if equal == strings.HasPrefix(m[2], "!") {
			return false
		}
	}
	return true
}

// TestMetrics_CountersOfAlertsBeginAtZero: to Prometheus, a counter that begins at 1 has not increased, so an alert would miss the
// first failure.
func TestMetrics_CountersOfAlertsBeginAtZero(t *testing.T) {
	f := newFixture(t)
	_, body := f.get("/metrics")
	rules, err := os.ReadFile("../../deploy/prometheus/rules.yml")
	f.must(err)
	queries := increase.FindAllStringSubmatch(string(rules), -1)
	if len(queries) < 8 {
		t.Fatalf("the alert rules ask for %d increases, want more", len(queries))
	}
	for _, query := range queries {
		found := 0
		for line := range strings.Lines(body) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			series, _, _ := strings.Cut(name, "{")
			if series != query[1] || !matches(t, name, query[2]) {
				continue
			}
			if found++; value != "0" {
				t.Errorf("%s is %s at the start, want 0", name, value)
			}
		}
		if found == 0 {
			t.Errorf("no series of %s{%s} exists at the start", query[1], query[2])
		}
	}
	for _, channel := range []string{notify.Pushing, "panel"} {
		if want := `connector_notices_total{channel="` + channel + `",result="given_up"} 0`; !strings.Contains(body, want) {
			t.Errorf("GET /metrics lacks %s", want)
		}
	}
	for _, code := range failure.Codes() {
		want := `connector_actions_total{action="token.lent",kind="` + string(code.Kind()) + `",result="` + string(code) + `"} 0`
		if code.Kind() != "" && !strings.Contains(body, want) {
			t.Errorf("GET /metrics lacks %s", want)
		}
	}
}

// TestMetrics_TellTheVersionOfTheRelease: a release is built without what go build knows of a repository.
func TestMetrics_TellTheVersionOfTheRelease(t *testing.T) {
	if _, body := newFixture(t).get("/metrics"); !regexp.MustCompile(`connector_build_info\{[^}]*version="v1.2.3"\} 1`).MatchString(body) {
		t.Errorf("GET /metrics = %s, want the version of the program", regexp.MustCompile(`connector_build_info.*`).FindString(body))
	}
}

// TestMetrics_AlteredRowsAreToldByTheReplicaThatLooks: what another replica found repaired must not stay an alarm of this one.
func TestMetrics_AlteredRowsAreToldByTheReplicaThatLooks(t *testing.T) {
	f := newFixture(t)
	raw, err := sql.Open("sqlite", f.file)
	f.must(err)
	defer raw.Close()
	execute := func(statement string, args ...any) {
		t.Helper()
		_, err := raw.ExecContext(t.Context(), statement, args...)
		f.must(err)
	}
	altered := func() string {
		t.Helper()
		f.must(app.CheckIntegrity(t.Context(), f.App))
		_, body := f.get("/metrics")
		return regexp.MustCompile(`(?m)^connector_altered_rows .*$`).FindString(body)
	}
	execute("INSERT INTO clients (name, scopes, created_at, mac) VALUES ('billing', '{}', ?, x'00')", time.Now().UTC().Format("2006-01-02 15:04:05.000"))
	if got := altered(); got != "connector_altered_rows 1" {
		t.Fatalf("with an altered row, the metric is %q", got)
	}
	execute("DELETE FROM clients")
	execute("UPDATE leases SET owner = 'another replica'")
	if got := altered(); got != "connector_altered_rows 0" {
		t.Errorf("when another replica looks, the metric is %q, want 0", got)
	}
}
