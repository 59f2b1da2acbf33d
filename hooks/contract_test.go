package hooks_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/hooks"
	"azure-partner-connector/schemas"
)

func TestOperations_MatchSchemas(t *testing.T) {
	declared := map[string]hooks.Operation{}
	files, err := fs.Glob(schemas.Files, "*.schema")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := schemas.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var definition struct {
			Operations map[string]struct{ Verb, Path string }
		}
		if err := json.Unmarshal(text, &definition); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		service := strings.TrimSuffix(file, ".schema")
		for name, op := range definition.Operations {
			declared[service+" "+name] = hooks.Operation{Service: service, Name: name, Verb: op.Verb, Path: op.Path}
		}
	}
	served := map[string]hooks.Operation{}
	for _, op := range hooks.Operations() {
		served[op.Service+" "+op.Name] = op
	}
	if diff := cmp.Diff(declared, served); diff != "" {
		t.Errorf("operations (-schemas +hooks):\n%s", diff)
	}
}

func TestAnswers_HaveDeclaredPropertiesOnly(t *testing.T) {
	h := installed(t)
	for service, r := range map[string]request{
		"app":    {method: "GET", path: "/app/" + rootA},
		"tenant": {method: "GET", path: "/tenant/" + tenantA},
	} {
		text, err := schemas.Files.ReadFile(service + ".schema")
		if err != nil {
			t.Fatal(err)
		}
		var definition struct{ Properties map[string]any }
		if err := json.Unmarshal(text, &definition); err != nil {
			t.Fatal(err)
		}
		want := append(slices.Collect(maps.Keys(definition.Properties)), "aps")
		got := slices.Collect(maps.Keys(h.accepted(r, 200).json(t)))
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("properties of %s (-schema +answer):\n%s", service, diff)
		}
	}
}
