package config_test

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"azure-partner-connector/connector/config"
)

// firstExample returns the example of release 1-1, on which operators based their configuration.
func firstExample(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/example-1-1.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestLoad_AcceptsFilesOfTheFirstRelease loads the example of release 1-1, as it is and with every key in it. One
// default has changed since; a file that sets it keeps its value.
func TestLoad_AcceptsFilesOfTheFirstRelease(t *testing.T) {
	load := func(text []byte) config.Config {
		cfg, err := config.Load(write(t, "config.yaml", string(text), 0o600), []string{secretOfExample})
		if err != nil {
			t.Fatalf("Load(example of 1-1) = %v", err)
		}
		return cfg
	}
	first := firstExample(t)
	without, with := load(first), load(uncomment(first))
	// What that example leaves open keeps its meaning in this release, and is warned of.
	if w := without.Warnings; len(w) != 4 || !strings.Contains(w[0], "hooks.listen is not set") || !strings.Contains(w[1], "onboarding.listen is not set") ||
		!strings.Contains(w[2], "keys.file is in the folder of the database") || !strings.Contains(w[3], "retention.events is not set") {
		t.Errorf("Load(example of 1-1) warns %q, want warnings of both listeners, of the key file and of the retention", w)
	}
	if without.Hooks.Listen != ":8080" || without.Onboarding.Listen != ":8081" {
		t.Errorf("Load(example of 1-1) listens on %s and %s, want :8080 and :8081", without.Hooks.Listen, without.Onboarding.Listen)
	}
	today := load(config.Example())
	if len(today.Warnings) > 0 {
		t.Errorf("Load(example of today) warns %q, want no warning", today.Warnings)
	}
	if without.Retention.Events != 0 || today.Retention.Events != 400*24*time.Hour {
		t.Errorf("Load: events are kept for %s by the example of 1-1 and %s by that of today, want forever and 400 days", without.Retention.Events, today.Retention.Events)
	}
	today.Hooks.Listen, today.Onboarding.Listen, today.Keys, today.Warnings = without.Hooks.Listen, without.Onboarding.Listen, without.Keys, without.Warnings
	today.Retention = without.Retention
	with.Warnings = without.Warnings
	if diff := cmp.Diff(today, without, compare); diff != "" {
		t.Errorf("Load: the example of today and that of 1-1 (-today +1-1)\n%s", diff)
	}
	if len(with.Clouds) != 1 || with.Clouds[0].Graph.BaseURL != "https://graph.microsoft.com" {
		t.Errorf("Load(example of 1-1 in full): clouds = %+v, want the one in it", with.Clouds)
	}
	if with.Renewal.Workers != 8 {
		t.Errorf("Load(example of 1-1 in full): %d workers, want the 8 in it", with.Renewal.Workers)
	}
	with.Clouds, with.Renewal.Workers = nil, without.Renewal.Workers
	without.Notify.Mail.To = []string{}
	without.Hooks.TrustedProxies, without.Onboarding.TrustedProxies = []netip.Prefix{}, []netip.Prefix{}
	if diff := cmp.Diff(without, with, compare); diff != "" {
		t.Errorf("Load: example of 1-1 as it is and in full (-as it is +in full)\n%s", diff)
	}
}

// TestLoad_AcceptsVariablesOfTheFirstRelease sets every key of release 1-1 by its environment variable.
func TestLoad_AcceptsVariablesOfTheFirstRelease(t *testing.T) {
	var tree yaml.Node
	if err := yaml.Unmarshal(uncomment(firstExample(t)), &tree); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	var collect func(name string, node *yaml.Node)
	collect = func(name string, node *yaml.Node) {
		switch {
		case node.Kind == yaml.MappingNode:
			for i := 0; i < len(node.Content); i += 2 {
				collect(name+"__"+strings.ToUpper(node.Content[i].Value), node.Content[i+1])
			}
		case node.Kind == yaml.SequenceNode && len(node.Content) > 0:
			for i, member := range node.Content {
				collect(name+"__"+strconv.Itoa(i), member)
			}
		default:
			variables["CONNECTOR"+strings.Replace(name, "__", "_", 1)] = node.Value
		}
	}
	collect("", tree.Content[0])
	variables["CONNECTOR_INSTANCES__0__SECRET"] = canary + "-0123456789"
	if len(variables) < 60 {
		t.Fatalf("the example of 1-1 has %d keys, want all", len(variables))
	}
	var environ []string
	for name, value := range variables {
		environ = append(environ, name+"="+value)
	}
	fromVariables, err := config.Load("", environ)
	if err != nil {
		t.Fatalf("Load(variables of 1-1) = %v", err)
	}
	fromFile, err := config.Load(write(t, "config.yaml", string(uncomment(firstExample(t))), 0o600), []string{secretOfExample})
	if err != nil {
		t.Fatalf("Load(example of 1-1 in full) = %v", err)
	}
	if diff := cmp.Diff(fromFile, fromVariables, compare); diff != "" {
		t.Errorf("Load: file and variables of 1-1 (-file +variables)\n%s", diff)
	}
}

// TestLoad_AcceptsNumbersForSwitches loads 0 and 1 where true or false is meant, which release 1-1 accepted.
func TestLoad_AcceptsNumbersForSwitches(t *testing.T) {
	cfg, err := config.Load(write(t, "config.yaml", valid+"platform: {periodicTask: 0, accountEvents: 1}\nnotify: {panel: 0}\n", 0o600), nil)
	if err != nil {
		t.Fatalf("Load = %v", err)
	}
	if cfg.Platform.PeriodicTask || !cfg.Platform.AccountEvents || cfg.Notify.Panel {
		t.Errorf("Load: periodicTask %t, accountEvents %t, panel %t, want false, true, false",
			cfg.Platform.PeriodicTask, cfg.Platform.AccountEvents, cfg.Notify.Panel)
	}
}

// TestLoad_AcceptsTaggedTexts loads texts in base64, and with a tag of another program, as release 1-1 did.
func TestLoad_AcceptsTaggedTexts(t *testing.T) {
	cfg, err := config.Load(write(t, "config.yaml", valid+"  - {key: !own second, secret: !!binary YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg==}\n", 0o600), nil)
	if err != nil {
		t.Fatalf("Load = %v", err)
	}
	if got := cfg.Instances[1]; got.Key != "second" || got.Secret.Reveal() != "abcdefghijklmnopqrstuv" {
		t.Errorf("Load: instances[1] = %q, %q, want second, abcdefghijklmnopqrstuv", got.Key, got.Secret.Reveal())
	}
}
