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

// TestTheDocumentQuotesTheProgram compares the lines that go-live.md quotes with what the doctor says in the sandbox:
// they may differ in ids, times and addresses only.
func TestTheDocumentQuotesTheProgram(t *testing.T) {
	c := newClinic(t)
	said := map[string]bool{}
	listen := func() {
		for _, f := range c.examine(c.patient()).Findings {
			said[general(f.String())] = true
		}
	}
	listen() // before the consent
	c.consent()
	listen()
	c.Microsoft.AddFault(simulated.Fault{Host: simulated.PartnerCenter, Status: http.StatusUnauthorized, Body: `{"code":"900421"}`})
	listen()
	c.Microsoft.ClearFaults()
	c.Microsoft.AddFault(simulated.Throttled(simulated.PartnerCenter, "90"))
	listen()
	c.Microsoft.ClearFaults()
	c.must(c.Microsoft.SetPolicy(world.AlpineDirectory, simulated.Policy{BlockServers: true}))
	listen()
	c.must(c.Microsoft.SetPolicy(world.AlpineDirectory, simulated.Policy{}))
	c.must(c.Microsoft.RevokeSessions(world.AlpineAdmin))
	listen()

	document, err := os.ReadFile("../../docs/guides/go-live.md")
	c.must(err)
	quoted := 0
	for _, block := range regexp.MustCompile("(?s)```text\n.*?```").FindAllString(string(document), -1) {
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			if !regexp.MustCompile(`^(ok|warning|failed) +[a-z]`).MatchString(line) {
				continue
			}
			quoted++
			if !said[general(line)] {
				t.Errorf("go-live.md quotes a line that the doctor does not say:\n%s", line)
			}
		}
	}
	if quoted < 20 {
		t.Errorf("go-live.md quotes %d lines, want all of a sound deployment and some of the others", quoted)
	}
}

// general returns a line of the doctor without what differs from one deployment to the next.
func general(line string) string {
	for _, part := range []string{
		`https?://\S+`, `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`, `\d{4}-\d\d-\d\dT[0-9:]+Z`, `reference=\w+`, `instance=\S+`,
		`^(?:\w+ +)?instance \S+`, `^ok +keys: \S+`, `\d+ days?`, `schema version \d+`,
	} {
		line = regexp.MustCompile(part).ReplaceAllString(line, "#")
	}
	return line
}
