package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"azure-partner-connector/connector/tenant"
)

// TestInstancesSettings_RotatesCredentials rotates a client secret as an operator's program does, beside a running connector.
func TestInstancesSettings_RotatesCredentials(t *testing.T) {
	d := newDeployment(t)
	d.consent()
	run := func(args ...string) output { d.Helper(); return d.run(append(args, "--config", d.config)...) }
	next, wrong := d.hide(), d.hide()
	key := d.world.Key
	file := d.write("settings.yaml", "- instance: "+key+"\n  nextApplicationSecret: {value: "+next+", ends: 2027-03-01}\n")

	d.check("a dry run", run("instances", "settings", "--file", file, "--dry-run"), 0, "1/1 "+key+" would change: nextApplicationSecret replaced, ends 2027-03-01")
	var shown struct {
		Credentials []struct{ Name, Ends string }
	}
	d.must(json.Unmarshal([]byte(run("instances", "show", key, "--json").stdout), &shown))
	if len(shown.Credentials) != 1 {
		t.Fatalf("the instance has the credentials %+v after a dry run, want one", shown.Credentials)
	}
	d.check("settings", run("instances", "settings", "--file", file), 0, "1/1 "+key+" nextApplicationSecret replaced, ends 2027-03-01")
	d.check("show", run("instances", "show", key), 0, "controller", "applicationSecret ", "nextApplicationSecret ", "ends 2027-03-01")
	d.check("the event", run("events", "list", "--action", "instance.configured", "--since", "1h"), 0, "instance.configured")
	checked := run("tenants", "check", d.tenant())
	d.check("a check with a secret that Microsoft does not know", checked, 0, "credential   applicationSecret, ", ", accepted last\n", "credential   nextApplicationSecret, ends 2027-03-01 00:00 UTC\n",
		"MFA yes, Global admin yes, Admin agent yes")
	removal := d.write("removal.yaml", "- instance: "+key+"\n  nextApplicationSecret: {remove: true}\n")
	d.check("a removal", run("instances", "settings", "--file", removal), 0, "nextApplicationSecret removed")
	if got := run("instances", "show", key); strings.Contains(got.stdout, "nextApplicationSecret") {
		t.Errorf("connector instances show = %v after the removal, want no nextApplicationSecret", got)
	}

	for name, tc := range map[string]struct{ content, want string }{
		"nothing":                {"", "the file has no settings"},
		"an empty list":          {"[]", "the file has no settings"},
		"a secret in no list":    {"applicationSecret: " + wrong, "line 1 of the file cannot be read"},
		"a secret without value": {"- instance: " + key + "\n  applicationSecret: " + wrong, "line 2 of the file cannot be read"},
		"an unknown key":         {"- instance: " + key + "\n  " + wrong + ": 1", "line 2 of the file cannot be read"},
		"no YAML":                {"- {" + wrong, "of the file cannot be read"},
		"two documents":          {"- instance: " + key + "\n  applicationSecret: {value: " + wrong + "}\n---\n- instance: " + key + "\n  nextApplicationSecret: {remove: true}\n", "several documents"},
		"no change":              {"- instance: " + key, "refused: it names no credential"},
		"both":                   {"- instance: " + key + "\n  applicationSecret: {value: " + wrong + ", remove: true}", "needs either value or remove"},
		"neither":                {"- instance: " + key + "\n  applicationSecret: {ends: 2027-03-01}", "needs either value or remove"},
		"the secret's ID":        {"- instance: " + key + "\n  applicationSecret: {value: 0b9a7a52-6a0e-4bb0-9d5e-0a6f1e6c2d01}", "(secret_is_id)"},
		"a tenant":               {"- tenant: Alpine Cloud\n  applicationSecret: {value: " + wrong + "}", "must name an instance"},
		"an unknown instance":    {"- instance: other\n  applicationSecret: {value: " + wrong + "}", "refused: "},
	} {
		d.check(name, run("instances", "settings", "--file", d.write("refused.yaml", tc.content)), 1, tc.want)
	}
	d.check("a missing file", run("instances", "settings", "--file", "nowhere.yaml"), 1, "nowhere.yaml")

	own := d.write("own.yaml", "- tenant: Alpine Cloud\n  applicationId: 0b9a7a52-6a0e-4bb0-9d5e-0a6f1e6c2d01\n  applicationSecret: {value: "+next+"}\n")
	d.check("a tenant that may have no own application", run("tenants", "settings", "--file", own), 1, "refused: the instance does not let tenants")
	d.check("tenants remove of one that the platform has", run("tenants", "remove", d.tenant(), "--force"), 1, "the platform knows the tenant")
}

// TestTenantsSettings_ChangesManyTenants changes one tenant's own application, and refuses the entry of another one.
func TestTenantsSettings_ChangesManyTenants(t *testing.T) {
	d := newDeployment(t)
	run := func(args ...string) output { d.Helper(); return d.run(append(args, "--config", d.config)...) }
	d.changeSettings(func(s *tenant.Settings) { s.TenantApplication = true })
	secret := d.hide()
	file := d.write("tenants.yaml", "- tenant: Alpine Cloud\n  applicationId: 0B9A7A52-6A0E-4BB0-9D5E-0A6F1E6C2D01\n  applicationSecret: {value: "+secret+"}\n"+
		"- tenant: Nobody\n  applicationSecret: {value: "+secret+"}\n")
	d.check("settings", run("tenants", "settings", "--file", file), 1,
		"1/2 Alpine Cloud application none → 0b9a7a52-6a0e-4bb0-9d5e-0a6f1e6c2d01; applicationSecret replaced", "2/2 Nobody refused: no tenant", "1 of 2 entries were refused")
	d.check("the event", run("tenants", "show", d.tenant()), 0, "tenant.configured")
}
