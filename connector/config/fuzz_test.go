package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"azure-partner-connector/connector/config"
)

// FuzzLoad checks that Load returns for any file and variable, and that its error quotes no secret.
func FuzzLoad(f *testing.F) {
	f.Add(valid, "HOOKS__LISTEN", ":80")
	f.Add(string(config.Example()), "INSTANCES__0__SECRET", "0123456789abcdef")
	f.Add(string(uncommented()), "CLOUDS__0__GRAPH__SCOPE", "x")
	f.Add("instances: {0: {secret: {a: b}}}", "INSTANCES", "x")
	f.Add("{instances: [[{secret: x}]], ? [a] : b, 1: 2}", "__", "")
	f.Add("a: &a [*a]", "LOG__LEVEL__", "x")
	f.Add("hooks: &a {<<: *a}", "HOOKS__TLS__CERTFILE", "x")
	f.Add("hooks: {<<: [{listen: x}, y]}\ninstances: !!str x", "INSTANCES__65535__KEY", "x")
	f.Add("hooks: [null, 2001-01-01, 1e9, !!binary x]", "A.B", "x")
	path := filepath.Join(f.TempDir(), "config.yaml") // one file for all inputs, which come one after the other
	f.Fuzz(func(t *testing.T, file, name, value string) {
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path, []string{"CONNECTOR_" + name + "=" + value, "CONNECTOR_DATABASE__DSN=" + canary})
		if err == nil {
			t.Error("Load = nil, want a problem: sqlite has no dsn, and this one is invalid")
		} else if strings.Contains(err.Error(), canary) && !strings.Contains(file+name+value, canary) {
			t.Errorf("Load = %v, want no secret in it", err)
		}
	})
}
