package schemas_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"azure-partner-connector/connector/token"
	"azure-partner-connector/schemas"
)

// A definition is the part of a type that the rules below read; the meta-schema checks the rest.
type definition struct {
	ID         string
	Implements []string
	Access     map[string]bool
	Properties map[string]struct {
		Readonly, Encrypted bool
		Enum                []string
	}
	Structures map[string]any
	Operations map[string]struct {
		Verb, Path string
		Parameters map[string]struct{ Kind, Type string }
		Access     map[string]bool
	}
	Relations map[string]struct {
		Type     string
		Required bool
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := schemas.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func parse(t *testing.T, name string) definition {
	t.Helper()
	var d definition
	if err := json.Unmarshal(read(t, name), &d); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}

// check returns the defect of a type definition.
func check(t *testing.T, text []byte) error {
	t.Helper()
	if err := strict(text); err != nil {
		return err
	}
	file, err := os.Open("testdata/type-definition.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	meta, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("type-definition.json", meta); err != nil {
		t.Fatal(err)
	}
	rules, err := c.Compile("type-definition.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	if err := rules.Validate(document); err != nil {
		return err
	}
	var d definition
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	return d.check()
}

var placeholder = regexp.MustCompile(`\{([^}]*)\}`)

// check checks what spans several parts of a definition.
func (d definition) check() error {
	seen := map[string]string{}
	for name, op := range d.Operations {
		route := op.Verb + " " + placeholder.ReplaceAllString(op.Path, "{}")
		if other, twice := seen[route]; twice {
			return fmt.Errorf("operations %s and %s have the same verb and path", name, other)
		}
		seen[route] = name
		if first, _, _ := strings.Cut(op.Path[1:], "/"); d.Relations[first].Type != "" {
			return fmt.Errorf("operation %s has the path of a relation", name)
		}
		var inPath, declared []string
		for _, match := range placeholder.FindAllStringSubmatch(op.Path, -1) {
			inPath = append(inPath, match[1])
		}
		for parameter, p := range op.Parameters {
			if p.Kind == "path" {
				declared = append(declared, parameter)
			}
			if regexp.MustCompile(`^[A-Z]`).MatchString(p.Type) && d.Structures[p.Type] == nil {
				return fmt.Errorf("operation %s takes a %s, which is not a structure", name, p.Type)
			}
			if p.Kind == "body" && op.Verb == "GET" {
				return fmt.Errorf("operation %s is a GET with a body", name)
			}
		}
		slices.Sort(inPath)
		slices.Sort(declared)
		if !slices.Equal(inPath, declared) {
			return fmt.Errorf("operation %s has the path parameters %v and declares %v", name, inPath, declared)
		}
	}
	return nil
}

// strict refuses repeated names in one object, which JSON parsers accept.
func strict(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	var walk func() error
	walk = func() error {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		opening, nested := token.(json.Delim)
		if !nested {
			return nil
		}
		names := map[string]bool{}
		for decoder.More() {
			if opening == '{' {
				name, err := decoder.Token()
				if err != nil {
					return err
				}
				if names[name.(string)] {
					return fmt.Errorf("the name %s is repeated", name)
				}
				names[name.(string)] = true
			}
			if err := walk(); err != nil {
				return err
			}
		}
		_, err = decoder.Token()
		return err
	}
	if err := walk(); err != nil {
		return err
	}
	if decoder.More() {
		return fmt.Errorf("there is text after the definition")
	}
	return nil
}

func TestSchemas_AreValid(t *testing.T) {
	for _, name := range []string{"app.schema", "tenant.schema"} {
		if err := check(t, read(t, name)); err != nil {
			t.Errorf("check(%s) = %v, want no error", name, err)
		}
	}
}

func TestCheck_Refuses(t *testing.T) {
	text := string(read(t, "tenant.schema"))
	for name, edit := range map[string][2]string{
		"comment":                {`{`, "{ // generated\n"},
		"name twice":             {`"name": "tenant",`, `"name": "tenant", "name": "tenant",`},
		"trailing text":          {text, text + "{}"},
		"unknown key":            {`"name": "tenant",`, `"name": "tenant", "extends": [],`},
		"another APS":            {`"2.0"`, `"1.2"`},
		"https id":               {`"id": "http:`, `"id": "https:`},
		"id with a port":         {`"id": "http://aps.example.com/`, `"id": "http://aps.example.com:80/`},
		"id without a minor":     {`tenant/2.0"`, `tenant/2"`},
		"id with a leading zero": {`tenant/2.0"`, `tenant/02.0"`},
		"implements nothing":     {"[\n    \"http://aps-standard.org/types/core/subscription/service/1.0\",\n    \"http://aps-standard.org/types/core/suspendable/1.0\"\n  ]", `[]`},
		"unknown property type":  {`"type": "string"`, `"type": "text"`},
		"property of no type":    {`"type": "string",`, ``},
		"array of nothing":       {`"type": "string"`, `"type": "array"`},
		"secret for referrers":   {"\"encrypted\": true,\n      \"access\": {\"owner\": true, \"referrer\": false}", `"encrypted": true`},
		"unknown role":           {`"owner": true`, `"reseller": true`},
		"admin locked out":       {`"owner": true`, `"admin": false`},
		"unknown verb":           {`"verb": "POST"`, `"verb": "PATCH"`},
		"path without a slash":   {`"path": "/consents"`, `"path": "consents"`},
		"path twice":             {`"path": "/consentLink"`, `"path": "/consents"`},
		"path of a relation":     {`"path": "/consentLink"`, `"path": "/app"`},
		"undeclared parameter":   {`{consentId}`, `{consent}`},
		"optional path":          {`"kind": "path", "type": "string", "required": true`, `"kind": "path", "type": "string", "required": false`},
		"unknown kind":           {`"kind": "body"`, `"kind": "form"`},
		"unknown structure":      {`"type": "ClaimCode"`, `"type": "Claim"`},
		"GET with a body":        {`"kind": "query"`, `"kind": "body"`},
		"operation for anybody":  {",\n      \"access\": {\"owner\": false, \"referrer\": true}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(text, edit[0], edit[1], 1)
			if changed == text {
				t.Fatalf("%q is not in the definition", edit[0])
			}
			if err := check(t, []byte(changed)); err == nil {
				t.Errorf("check with %q = nil, want an error", edit[1])
			}
		})
	}
}

func TestSchemas_FitTogether(t *testing.T) {
	app, tenant := parse(t, "app.schema"), parse(t, "tenant.schema")
	if want := "http://aps.example.com/azure-partner-connector/app/2.0"; app.ID != want {
		t.Errorf("app.schema has the id %s, want %s", app.ID, want)
	}
	if want := "http://aps.example.com/azure-partner-connector/tenant/2.0"; tenant.ID != want {
		t.Errorf("tenant.schema has the id %s, want %s", tenant.ID, want)
	}
	if !slices.Contains(app.Implements, "http://aps-standard.org/types/core/application/1.0") {
		t.Error("app.schema is not a root type")
	}
	if !app.Access["global"] {
		t.Error("app.schema is not visible to the resellers whose tenants are linked to it")
	}
	if relation := tenant.Relations["app"]; relation.Type != app.ID || !relation.Required {
		t.Errorf("the relation app of tenant.schema = %+v, want a required one to %s", relation, app.ID)
	}
}

func TestSchemas_TokenStatesOfDomain(t *testing.T) {
	var want []string
	for _, state := range token.States() {
		want = append(want, string(state))
	}
	if diff := cmp.Diff(want, parse(t, "tenant.schema").Properties["tokenStatus"].Enum); diff != "" {
		t.Errorf("enum of tokenStatus (-domain +schema):\n%s", diff)
	}
}

func TestSchemas_AccessOfConsentOperations(t *testing.T) {
	tenant := parse(t, "tenant.schema")
	for _, name := range []string{"beginConsent", "findConsent", "consentLink", "redeem", "forget", "renew", "check", "history"} {
		if access := tenant.Operations[name].Access; !access["owner"] || access["referrer"] {
			t.Errorf("access of %s = %v, want the owner and not referrers", name, access)
		}
	}
	if access := tenant.Operations["accessToken"].Access; access["owner"] || !access["referrer"] {
		t.Errorf("access of accessToken = %v, want referrers and not the owner", access)
	}
}
