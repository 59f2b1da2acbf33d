package dbserver_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestScript_SaysWhyThereIsNoServer runs build/mysql.sh where it cannot work: it says why, fails, and leaves nothing.
func TestScript_SaysWhyThereIsNoServer(t *testing.T) {
	script, err := filepath.Abs("../../../../build/mysql.sh")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		answers map[string]string // program → what it does
		want    string
	}{
		"another system":      {nil, "this machine has no apt-get"},
		"no mirror of Debian": {map[string]string{"apt-get": "echo Ubuntu main deb http://ubuntu.example/ubuntu/"}, "name no mirror of Debian"},
		"mirror out of reach": {map[string]string{"apt-get": `case "$*" in
*indextargets*) echo Debian main deb http://debian.example/debian/ ;;
*) echo E: Failed to fetch; exit 100 ;;
esac`}, "cannot be read: E: Failed to fetch"},
	} {
		t.Run(name, func(t *testing.T) {
			programs, cache := t.TempDir(), t.TempDir()
			for _, tool := range []string{"bash", "mkdir", "mktemp", "rm", "awk", "id", "tail", "timeout", "sh"} {
				path, err := exec.LookPath(tool)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(path, filepath.Join(programs, tool)); err != nil {
					t.Fatal(err)
				}
			}
			if tc.answers != nil {
				tc.answers["apt-cache"], tc.answers["dpkg-deb"] = "exit 1", "exit 1"
			}
			for program, does := range tc.answers {
				if err := os.WriteFile(filepath.Join(programs, program), []byte("#!/bin/sh\n"+does+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			command := exec.CommandContext(t.Context(), filepath.Join(programs, "bash"), script)
			command.Env = []string{"PATH=" + programs, "XDG_CACHE_HOME=" + cache, "HOME=" + cache}
			output, err := command.CombinedOutput()
			if err == nil || !strings.Contains(string(output), tc.want) || !strings.Contains(string(output), "make test") {
				t.Errorf("mysql.sh = %v, %q, want a failure that says %q and what works without it", err, output, tc.want)
			}
			left, err := filepath.Glob(filepath.Join(cache, "azure-partner-connector", "*"))
			if err != nil || len(left) > 0 {
				t.Errorf("mysql.sh leaves %q, %v, want nothing", left, err)
			}
		})
	}
}
