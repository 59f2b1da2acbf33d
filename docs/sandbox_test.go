package docs_test

import (
	"fmt"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

// TestReference_ListsWhatTheSandboxCan compares the reference of the sandbox with its drawer and its control API.
func TestReference_ListsWhatTheSandboxCan(t *testing.T) {
	listed := read(t, "reference/sandbox.md")
	for _, one := range world.Switches() {
		label := "**" + one.Label + "**"
		if one.Momentary {
			label = "*" + one.Label + "*"
		}
		if row := fmt.Sprintf("| %s | %s |", label, one.About); !strings.Contains(listed, row) {
			t.Errorf("reference/sandbox.md does not list\n%s", row)
		}
	}
	for _, step := range world.Tour() {
		if row := fmt.Sprintf("| %s | %s |", step.Title, step.Text); !strings.Contains(listed, row) {
			t.Errorf("reference/sandbox.md does not list\n%s", row)
		}
	}
	for _, c := range microsoft.ControlRequests() {
		body := ""
		if c.Body != "" {
			body = "`" + c.Body + "`"
		}
		if row := strings.TrimSpace("| `" + strings.TrimSuffix(c.Request, "{$}") + "` | " + c.About + " | " + body); !strings.Contains(listed, row+" |") {
			t.Errorf("reference/sandbox.md does not list\n%s |", row)
		}
	}
}
