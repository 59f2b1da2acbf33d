package doctor_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	simulated "azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

// TestExamine_PrintsTheLinesOfTheGoLiveGuide compares the lines that the guide quotes with the lines that the doctor prints
// in the sandbox: they may differ in IDs, times and addresses only.
func TestExamine_PrintsTheLinesOfTheGoLiveGuide(t *testing.T) {
	h := newHarness(t)
	printed := map[string]bool{}
	run := func() {
		for _, f := range h.examine(h.tenantID()).Findings {
			printed[general(f.String())] = true
		}
	}
	run() // before the consent
	h.consent()
	run()
	h.Microsoft.AddFault(simulated.Fault{Host: simulated.PartnerCenter, Status: http.StatusUnauthorized, Body: `{"code":"900421"}`})
	run()
	h.Microsoft.ClearFaults()
	h.Microsoft.AddFault(simulated.Throttled(simulated.PartnerCenter, "90"))
	run()
	h.Microsoft.ClearFaults()
	h.must(h.Microsoft.SetPolicy(world.AlpineDirectory, simulated.Policy{BlockServers: true}))
	run()
	h.must(h.Microsoft.SetPolicy(world.AlpineDirectory, simulated.Policy{}))
	h.must(h.Microsoft.RevokeSessions(world.AlpineAdmin))
	run()

	document, err := os.ReadFile("../../docs/guides/go-live.md")
	h.must(err)
	quoted := 0
	for _, block := range regexp.MustCompile("(?s)```text\n.*?```").FindAllString(string(document), -1) {
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			if !regexp.MustCompile(`^(ok|warning|failed) +[a-z]`).MatchString(line) {
				continue
			}
			quoted++
			if !printed[general(line)] {
				t.Errorf("docs/guides/go-live.md quotes a line that the doctor does not print:\n%s", line)
			}
		}
	}
	if quoted < 20 {
		t.Errorf("docs/guides/go-live.md quotes %d lines, want all lines of a healthy deployment and some others", quoted)
	}
}

// general returns a line of the doctor without the parts that differ between deployments.
func general(line string) string {
	for _, part := range []string{
		`https?://\S+`, `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`, `\d{4}-\d\d-\d\dT[0-9:]+Z`, `reference=\w+`, `instance=\S+`,
		`^(?:\w+ +)?instance \S+`, `^(?:\w+ +)?hooks of \S+`, `^ok +keys: \S+`, `\d+ days?`, `schema version \d+`, `database version: \S+`,
	} {
		line = regexp.MustCompile(part).ReplaceAllString(line, "#")
	}
	return line
}
