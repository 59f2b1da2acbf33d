package main_test

import (
	"context"
	"encoding/json"
	"strings"
	"syscall"
	"testing"
	"time"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/sandbox/world"
)

// TestTenants_BesideARunningConnector uses the commands for tenants while the connector runs on the same database.
func TestTenants_BesideARunningConnector(t *testing.T) {
	d := newDeployment(t)
	run := func(args ...string) output { d.Helper(); return d.run(append(args, "--config", d.config)...) }
	d.check("list before a consent", run("tenants", "list"), 0, "STATE", "absent", "Alpine Cloud", d.tenant())
	d.check("show without a token", run("tenants", "show", d.tenant()), 0, "state ", "absent", "(grant_absent)")
	d.check("renew without a token", run("tenants", "renew", d.tenant()), 1, "There is no refresh token")

	link := run("tenants", "link", "Alpine Cloud")
	d.check("link", link, 0, "works until")
	if again := run("tenants", "link", d.tenant()); again.stdout != link.stdout || !strings.HasPrefix(link.stdout, "http") || strings.Count(link.stdout, "\n") != 1 {
		t.Errorf("connector tenants link prints %d and %d lines, want the same link alone", strings.Count(link.stdout, "\n"), strings.Count(again.stdout, "\n"))
	}

	d.consent()
	d.check("show", run("tenants", "show", "alpine cloud"), 0, "active", "days left", "consent.granted", "MFA yes")
	d.check("renew", run("tenants", "renew", d.tenant()), 0, "renewed: the token of Alpine Cloud ends ")
	d.hideStored()
	d.check("check", run("tenants", "check", d.tenant()), 0, "partnercenter works: yes", "graph works: yes", "arm works: yes")
	d.hideStored()
	d.check("renew --all", run("tenants", "renew", "--all", "--pause", "1ms"), 0, "1/1 "+d.tenant()+" renewed", "1 renewed, 0 failed")
	d.hideStored()
	d.must(d.world.Microsoft.RefuseUser(world.AlpineAdmin, 53003))
	d.check("renew, refused by a policy", run("tenants", "renew", d.tenant()), 1, "Conditional Access")
	d.check("show what Microsoft said", run("tenants", "show", d.tenant()), 0, "(access_blocked)", "code 53003, correlation ID ")
	d.must(d.world.Microsoft.RefuseUser(world.AlpineAdmin, 0))
	d.check("renew after the policy", run("tenants", "renew", "--failing", "--pause", "1ms"), 0, "1 renewed, 0 failed")
	d.hideStored()
	d.check("renew --failing of none", run("tenants", "renew", "--failing"), 0, "0 renewed, 0 failed")

	var listed struct {
		Tenants []struct{ ID, State string }
		Counts  map[string]int
	}
	d.must(json.Unmarshal([]byte(run("tenants", "list", "--search", "ALPINE CLOUD", "--json").stdout), &listed))
	if len(listed.Tenants) != 1 || listed.Tenants[0].State != "active" || listed.Counts["active"] != 1 {
		t.Errorf("connector tenants list --json = %+v, want the one active tenant", listed)
	}
	var shown struct {
		Tenant      struct{ Name string }
		Status      struct{ State string }
		Events      []struct{ Action, Reference string }
		Credentials []struct {
			Name         string
			AcceptedLast bool
		}
	}
	d.must(json.Unmarshal([]byte(run("tenants", "show", d.tenant(), "--json").stdout), &shown))
	if shown.Tenant.Name != "Alpine Cloud" || shown.Status.State != "active" || len(shown.Events) < 2 ||
		len(shown.Credentials) != 1 || shown.Credentials[0].Name == "" || !shown.Credentials[0].AcceptedLast {
		t.Fatalf("connector tenants show --json = %+v", shown)
	}
	d.check("renewals status", run("renewals", "status"), 0, "renewals are not paused")
	d.check("pause in no cloud", run("renewals", "pause", "--cloud", "mars"), 1, "there is no cloud mars", "global")
	d.check("pause for too long", run("renewals", "pause", "--until", "2999-01-01T00:00:00Z"), 1, "within 7 days")
	d.check("pause", run("renewals", "pause", "--cloud", "global", "--reason", "maintenance"), 0, "paused: renewals in cloud global until ", ": maintenance")
	d.check("list during a pause", run("tenants", "list"), 0, "active", "paused: renewals in cloud global until ")
	d.check("resume another pause", run("renewals", "resume", "--cloud", "china"), 0, "there was no such pause", "paused: renewals in cloud global")
	d.check("resume", run("renewals", "resume"), 0, "resumed: renewals in cloud global")
	d.check("events of the pause", run("events", "list", "--action", "renewals.paused"), 0, "renewals.paused")
	d.check("list of a state", run("tenants", "list", "--state", "expired"), 0, "no tenant matches")

	reference := shown.Events[0].Reference
	d.check("events list", run("events", "list", "--tenant", "Alpine Cloud", "--action", "grant.renewed", "--since", "1h"), 0, "grant.renewed", d.tenant())
	d.check("events list of none", run("events", "list", "--since", "2999-01-01"), 0, "there are no such events")
	d.check("find", run("find", reference), 0, reference, shown.Events[0].Action)

	exported := run("events", "export", "--since", "24h", "--jsonl")
	d.check("events export", exported, 0, "continue with --after ")
	for _, line := range strings.Split(strings.TrimSpace(exported.stdout), "\n") {
		var event struct{ ID, Action string }
		if exported.stdout != "" && (json.Unmarshal([]byte(line), &event) != nil || event.Action == "") {
			t.Errorf("connector events export --jsonl writes %q, want an event", line)
		}
	}
	_, place, _ := strings.Cut(exported.stderr, "--after ")
	d.check("events export of the rest", run("events", "export", "--after", strings.TrimSpace(place)), 0, "continue with --after ")

	d.check("forget without --yes", run("tenants", "forget", d.tenant()), 1, "active", "nothing was changed")
	d.check("forget", run("tenants", "forget", d.tenant(), "--yes"), 0, "deleted the token of Alpine Cloud")
	d.check("show afterwards", run("tenants", "show", d.tenant()), 0, "absent", "grant.forgotten")
}

// TestTenantsRenew_BesideARenewal leases the tenant as another replica does that renews its token.
func TestTenantsRenew_BesideARenewal(t *testing.T) {
	d := newDeployment(t)
	d.consent()
	services := d.services()
	defer services.Close()
	now := time.Now()
	d.must(services.Store.Transact(d.Context(), func(ctx context.Context) error {
		_, err := services.Store.Lease(ctx, d.tenant(), "another replica", now, now.Add(time.Hour))
		return err
	}))
	got := d.run("tenants", "renew", "--all", "--config", d.config)
	d.check("renew --all", got, 0, d.tenant()+" is being renewed already", "0 renewed, 0 failed, 1 being renewed already")
}

func TestTenants_RefusesMistakes(t *testing.T) {
	d := newDeployment(t)
	run := func(args ...string) output { d.Helper(); return d.run(append(args, "--config", d.config)...) }
	d.check("unknown tenant", run("tenants", "show", "Nobody"), 1, `no tenant of an installed instance has the ID, name or directory "Nobody"`)
	d.check("a part of a name", run("tenants", "show", "Alpin"), 1, "no tenant of an installed instance")
	d.check("unknown state", run("tenants", "list", "--state", "broken"), 1, `there is no state "broken"`, "action_required")
	d.check("unknown instance", run("tenants", "list", "--instance", "other"), 1, `instance "other" is not installed`)
	d.check("a limit of 0", run("tenants", "list", "--limit", "0"), 1, "--limit must be positive")
	d.check("renew of nothing", run("tenants", "renew"), 1, "name a tenant, or use --all or --failing")
	d.check("renew of two things", run("tenants", "renew", "--all", "--failing"), 1, "can't be used together")
	d.check("renew of a tenant and all", run("tenants", "renew", "Alpine Cloud", "--all"), 1, "not both")
	d.check("renew with a pause before the last one", run("tenants", "renew", "--all", "--pause=-1s"), 1, "must not be negative")
	d.check("a wrong day", run("events", "list", "--since", "yesterday"), 1, "--since is neither a day")
	d.check("an action with a slip", run("events", "list", "--action", "grant.renewd"), 1, `there is no action "grant.renewd"`, "similar are grant.renewed, grant.renewal_failed")
	d.check("no action", run("events", "list", "--action", "renewed"), 1, `there is no action "renewed"`, "similar are grant.renewed\n")
	d.check("nothing like an action", run("events", "list", "--action", "Typo"), 1, `there is no action "Typo"`, "instance.installed", "renewals.resumed")
	d.check("a wrong place", run("events", "export", "--after", "here"), 1, "--after is not a place")
	d.check("no reference", run("find", "50% off"), 1, "this is no reference")
	d.check("an unknown reference", run("find", "AAAA-BBBB"), 1, "nothing is stored with this reference")
	d.check("no database", d.run("tenants", "list", "--config", d.write("other.yaml", `
hooks: {publicURL: https://connector.example.com/aps}
onboarding: {publicURL: https://onboarding.example.com}
database: {path: missing.db}
keys: {file: connector.keys}
instances: [{key: key-1, secret: `+d.hide()+`}]
`)), 1, "opening the database", "missing.db", "database.path is relative to the working folder, which is "+d.folder+" here")
}

// TestTenantsList_ObeysNoName gives a tenant a name with sequences that change what a terminal shows.
func TestTenantsList_ObeysNoName(t *testing.T) {
	v := newSealedDatabase(t, storetest.SQLite(t))
	s := v.db.Open(t)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	v.must(s.SaveInstance(t.Context(), &tenant.Instance{Key: "key-1", ID: "id-1", RootID: "root-1", CreatedAt: now, UpdatedAt: now}))
	evil := tenant.Tenant{ID: random.ID(), InstanceKey: "key-1", Name: "Alpine\x1b[2J\a\u202eCloud", CreatedAt: now, UpdatedAt: now}
	v.must(s.SaveTenant(t.Context(), &evil))
	for _, command := range []string{"list", "show " + evil.ID} {
		printed := v.run(append(append([]string{"tenants"}, strings.Fields(command)...), "--config", "connector.yaml")...)
		v.check("tenants "+command, printed, 0, "Alpine\ufffd[2J\ufffd\ufffdCloud")
		if strings.ContainsAny(printed.stdout, "\x1b\a\u202e") {
			t.Errorf("connector tenants %s = %q, want nothing that a terminal obeys", command, printed.stdout)
		}
	}
}

func TestHealth_ExitsWithOneWithoutAConnector(t *testing.T) {
	c := newTerminal(t)
	file := c.configured()
	s := c.serve("--config", file)
	c.environ = append(c.environ, "CONNECTOR_PRIVATE__LISTEN="+s.listeners["private"])
	c.check("health", c.run("health", "--config", file), 0, "ready")
	c.check("health --live", c.run("health", "--live", "--config", file), 0, "ready")
	if code := s.end(syscall.SIGTERM); code != 0 {
		t.Errorf("connector serve ended with the exit code %d, want 0", code)
	}
	c.check("health of a stopped connector", c.run("health", "--config", file), 1, "the connector does not answer")
}

func TestConfigShow_HidesSecrets(t *testing.T) {
	c := newTerminal(t)
	file := c.configured()
	c.environ = append(c.environ, "CONNECTOR_RENEWAL__EVERY=240h", "CONNECTOR_NOTIFY__WEBHOOK__URL=https://alerts.example.com/"+c.hide(), "CONNECTOR_NOTIFY__WEBHOOK__SECRET="+c.hide())
	shown := c.run("config", "show", "--config", file)
	c.check("config show", shown, 0, "key: key-1", "every: 240h0m0s", "publicURL: https://connector.example.com/aps")
	c.checkSecrets(shown.stdout + shown.stderr)
}
