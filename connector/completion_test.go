package main_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCompletion_InBash lets bash complete what an operator has typed.
func TestCompletion_InBash(t *testing.T) {
	c := newTerminal(t)
	script := c.run("completion", "bash")
	c.check("completion bash", script, 0)
	c.write("completion.bash", script.stdout)
	c.write("connector.yaml", "")
	for typed, want := range map[string]string{
		"connector ten":                             "tenants",
		"connector tenants re":                      "remove renew",
		"connector tenants renew --fa":              "--failing",
		"connector tenants --config a.yaml renew -": "--all --config --failing --help --pause",
		"connector instances settings --dry":        "--dry-run",
		"connector tenants list --config conn":      "connector.yaml",
		"connector serve --no":                      "--no-migrate",
		"connector sing":                            "",
	} {
		words := strings.Split(typed, " ")
		command := exec.CommandContext(t.Context(), "bash", "-c",
			`source completion.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _connector; echo "${COMPREPLY[*]}"`, "bash")
		command.Args = append(command.Args, words...)
		command.Dir = filepath.Clean(c.folder)
		got, err := command.CombinedOutput()
		if err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("after %q, bash offers %q (%v), want %q", typed, got, err, want)
		}
	}
	c.check("completion zsh", c.run("completion", "zsh"), 0, "#compdef connector", "bashcompinit", "_connector")
	c.check("completion of another shell", c.run("completion", "fish"), 1, "bash")
}
