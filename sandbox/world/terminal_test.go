package world_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/panel/paneltest"
	"azure-partner-connector/sandbox/world"
)

// sequence is an escape sequence that colours a text, and the text.
var sequence = regexp.MustCompile("\x1b\\[(\\d+)m(.*?)\x1b\\[0m")

// TestTerminal_TenantsList runs connector tenants list in a terminal beside the running connector, as an operator does. With
// paneltest.ScreensVariable it takes a picture of what the terminal shows.
func TestTerminal_TenantsList(t *testing.T) {
	s := scenario{t, start(t, world.Config{Resellers: true})}
	binary, file := build(t), filepath.Join(s.Folder(), "connector.yaml")
	printed := inTerminal(t, binary, "tenants", "list", "--config", file)
	colours := map[string]string{}
	for _, m := range sequence.FindAllStringSubmatch(printed, -1) {
		colours[m[2]] = m[1]
	}
	for _, state := range token.States() {
		if colours[string(state)] == "" {
			t.Errorf("the terminal shows no %s in a colour:\n%s", state, printed)
		}
	}
	if colours[string(token.StateActive)] == colours[string(token.StateExpired)] {
		t.Errorf("what works has the colour of what has expired:\n%s", printed)
	}
	lines := strings.Split(strings.TrimSpace(sequence.ReplaceAllString(printed, "$2")), "\n")
	column := strings.Index(lines[0], "ID")
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > 120 {
			t.Errorf("a line has %d characters, want 120 at most: %q", n, line)
		}
	}
	for _, line := range lines[1:] {
		if strings.Contains(line, " of ") || strings.HasPrefix(line, "  ") {
			break // the rest counts them
		}
		if at := utf8.RuneCountInString(line) - len(s.tenant()); at != column {
			t.Errorf("an ID begins in column %d, want %d as its head: %q", at, column, line)
		}
	}
	if wide := inTerminal(t, binary, "tenants", "list", "--wide", "--config", file); strings.Contains(wide, "…") || strings.Count(printed, "…") == 0 {
		t.Errorf("the terminal shortens nothing, or also with --wide:\n%s\n%s", printed, wide)
	}
	if paneltest.TakesPictures() {
		picture(t, "sandbox/tenants-list", terminal("connector tenants list", printed))
	}
}

// build builds the command.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "connector")
	command := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "azure-partner-connector/connector")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// inTerminal runs a command whose standard output is a terminal, and returns what it prints there.
func inTerminal(t *testing.T, words ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "script", "--quiet", "--return", "--command", strings.Join(words, " "), os.DevNull)
	command.Env = append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return strings.ReplaceAll(string(out), "\r", "")
}

// terminal returns a page that shows what a terminal shows.
func terminal(command, printed string) string {
	coloured := sequence.ReplaceAllString(html.EscapeString(strings.TrimSpace(printed)), `<span class="c$1">$2</span>`)
	return fmt.Sprintf(`<!doctype html><meta charset="utf-8"><title>Terminal</title>
<style>
body { margin: 0; padding: 24px; background: #16181d; color: #d7dae0; }
pre { margin: 0; font: 14px/1.45 "Liberation Mono", monospace; }
.c31 { color: #ff7b72; } .c32 { color: #56d364; } .c33 { color: #e3b341; }
</style>
<pre><b>$ %s</b>
%s</pre>`, html.EscapeString(command), coloured)
}

// picture takes a picture of a page.
func picture(t *testing.T, name, page string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(page))
	}))
	defer server.Close()
	d := paneltest.Open(t, server.URL)
	d.Wait(`document.readyState === "complete"`)
	d.Capture(name, paneltest.Picture{Whole: true, Fit: true})
}
