package docs_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/connector/audit"
)

var (
	helpCommand = regexp.MustCompile(`(?m)^  ([a-z]+(?: [a-z]+)?)(?: [<\[-].*)?$`)
	metricName  = regexp.MustCompile(`"(connector_[a-z_]+)"`)
	auditAction = regexp.MustCompile(`\bAction = "([a-z_.]+)"`)
	actorKind   = regexp.MustCompile(`\bActorKind = "([a-z]+)"`)
)

// TestReference_ListsEveryCommand compares the reference of commands with what the program says of itself.
func TestReference_ListsEveryCommand(t *testing.T) {
	command := exec.CommandContext(t.Context(), "go", "run", "./connector", "--help")
	command.Dir = root
	help, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	_, commands, _ := strings.Cut(string(help), "\nCommands:\n")
	found := helpCommand.FindAllStringSubmatch(commands, -1)
	if len(found) < 10 {
		t.Fatalf("only %d commands were found in\n%s", len(found), help)
	}
	listed := read(t, "reference/cli.md")
	for _, m := range found {
		if !strings.Contains(listed, "| `connector "+m[1]) {
			t.Errorf("reference/cli.md does not list connector %s", m[1])
		}
	}
}

// TestReference_ListsEveryMetric compares the reference of metrics with the names in the code.
func TestReference_ListsEveryMetric(t *testing.T) {
	listed, found := read(t, "reference/metrics.md"), 0
	for _, name := range sources(t) {
		if filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || !strings.HasPrefix(name, filepath.Join(root, "connector")) {
			continue
		}
		for _, m := range metricName.FindAllStringSubmatch(read(t, name), -1) {
			found++
			if !strings.Contains(listed, "| `"+m[1]+"` |") {
				t.Errorf("reference/metrics.md does not list %s of %s", m[1], name)
			}
		}
	}
	if found == 0 {
		t.Error("no metric was found")
	}
}

// TestReference_ListsEveryEvent compares the reference of events with the actions and the kinds of actors in the code.
func TestReference_ListsEveryEvent(t *testing.T) {
	listed, code := read(t, "reference/events.md"), read(t, filepath.Join(root, "connector", "audit", "audit.go"))
	actions, kinds := auditAction.FindAllStringSubmatch(code, -1), actorKind.FindAllStringSubmatch(code, -1)
	if len(actions) < 50 || len(kinds) < 7 {
		t.Fatalf("only %d actions and %d kinds of actors were found", len(actions), len(kinds))
	}
	if listed := audit.Actions(); len(listed) != len(actions) {
		t.Errorf("audit.Actions() has %d actions, want the %d of the constants", len(listed), len(actions))
	}
	for _, m := range actions {
		if !slices.Contains(audit.Actions(), audit.Action(m[1])) {
			t.Errorf("audit.Actions() lacks %s", m[1])
		}
		if !strings.Contains(listed, "`"+m[1]+"`") {
			t.Errorf("reference/events.md does not list the action %s", m[1])
		}
	}
	for _, m := range kinds {
		if !strings.Contains(listed, "| `"+m[1]+"` |") {
			t.Errorf("reference/events.md does not list the kind of actor %s", m[1])
		}
	}
}

// TestGoLive_ShowsTheSchemaVersion compares the example of the doctor's lines with the migrations.
func TestGoLive_ShowsTheSchemaVersion(t *testing.T) {
	migrations, err := filepath.Glob(filepath.Join(root, "migrations", "sqlite", "*.sql"))
	if err != nil || len(migrations) == 0 {
		t.Fatalf("%d migrations were found, %v", len(migrations), err)
	}
	number, _, _ := strings.Cut(filepath.Base(migrations[len(migrations)-1]), "_") // Glob sorts
	if want := "schema version " + strings.TrimLeft(number, "0") + "\n"; !strings.Contains(read(t, "guides/go-live.md"), want) {
		t.Errorf("guides/go-live.md does not show %q", want)
	}
}
