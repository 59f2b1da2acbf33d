package main_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

// TestExport_IsReadByImport exports the refresh token of a tenant in both layouts and imports it again.
func TestExport_IsReadByImport(t *testing.T) {
	d := newDeployment(t)
	run := func(args ...string) output { d.Helper(); return d.run(append(args, "--config", d.config)...) }
	identity, err := age.GenerateX25519Identity()
	d.must(err)
	d.check("export that nobody allowed", run("export", "--to", "json", "--out", "a.age", "--all"), 1, "the configuration allows no export", "export.recipients")
	d.environ = append(d.environ, "CONNECTOR_EXPORT__RECIPIENTS="+identity.Recipient().String())
	d.check("export of no token", run("export", "--to", "json", "--out", "a.age", d.tenant()), 1, "refused: There is no refresh token")
	d.check("export of all of none", run("export", "--to", "json", "--out", "a.age", "--all"), 1, "skipped: it has no refresh token", "nothing was written")
	d.consent()

	d.check("export of nobody", run("export", "--to", "json", "--out", "a.age"), 1, "name tenants, or use --all")
	d.check("export of two things", run("export", "--to", "json", "--out", "a.age", "--all", d.tenant()), 1, "name tenants, or use --all")
	d.check("export in another layout", run("export", "--to", "cipp-export", "--out", "a.age", "--all"), 1, "--to must be one of")
	d.check("export of an unknown tenant", run("export", "--to", "json", "--out", "a.age", "Nobody"), 1, "no tenant")
	d.check("export over a file", run("export", "--to", "json", "--out", d.write("kept", "kept"), "--all"), 1, "creating the export: open kept: file exists")
	d.check("export into a folder that is missing", run("export", "--to", "json", "--out", "missing/a.age", "--all"), 1, "creating the export")
	d.check("dry run", run("export", "--to", "json", "--out", "a.age", "--all", "--dry-run"), 0, "Alpine Cloud ("+d.tenant()+") would be exported", "skipped: it has no refresh token")
	d.checkTerminal("export", "--to", "json", "--out", "-", "--all", "--config", d.config)
	if _, err := os.Stat(filepath.Join(d.folder, "a.age")); !errors.Is(err, os.ErrNotExist) || d.read("kept") != "kept" {
		t.Errorf("a command that exports nothing wrote something: %v", err)
	}
	if listed := run("events", "list", "--action", "grant.exported"); listed.code != 0 || !strings.Contains(listed.stdout, "there are no such events") {
		t.Errorf("the events are %v, want none: nothing could be exported", listed)
	}

	d.check("export", run("export", "--to", "json", "--out", "tokens.age", "Alpine Cloud", d.tenant()), 0, "1/1 Alpine Cloud ("+d.tenant()+") exported", "1 refresh tokens are sealed to "+identity.Recipient().String())
	if info, err := os.Stat(filepath.Join(d.folder, "tokens.age")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the export has the mode %v, %v, want 600", info.Mode(), err)
	}
	streamed := run("export", "--to", "chaperone-dir", "--out", "-", "--all")
	if streamed.code != 0 || !strings.Contains(streamed.stderr, "exported") || !strings.HasPrefix(streamed.stdout, "age-encryption.org/v1\n") {
		t.Fatalf("connector export --out - = %d, %s, want it on standard output alone", streamed.code, streamed.stderr)
	}
	d.check("events of the instance", run("events", "list", "--action", "instance.tokens_exported"), 0, "tokens_exported")
	d.check("history", run("tenants", "show", d.tenant()), 0, "grant.exported")

	d.write("tokens.json", d.opened(identity, d.read("tokens.age")))
	d.untar(d.opened(identity, streamed.stdout), "store")
	d.write("twice.json", `[{"directory": "`+world.AlpineDirectory+`", "refreshToken": "a"}, {"directory": "alpine.onmicrosoft.com", "refreshToken": "b"}]`)
	d.check("import of two for one tenant", run("import", "--from", "json", "twice.json", "--replace", "--dry-run"), 1, "Alpine Cloud has two refresh tokens", "nothing was imported")
	for from, path := range map[string]string{"json": "tokens.json", "chaperone-dir": "store"} {
		d.check("forget", run("tenants", "forget", d.tenant(), "--yes"), 0, "deleted")
		d.check("import from "+from, run("import", "--from", from, path), 0, "imported for Alpine Cloud, consented by "+world.AlpineAdmin)
		d.check("show after the import", run("tenants", "show", d.tenant()), 0, "active")
	}
}

// TestImport_FromCIPP imports the refresh token that CIPP has for a tenant, first to see what would happen, which changes nothing.
func TestImport_FromCIPP(t *testing.T) {
	d := newDeployment(t)
	run := func(args ...string) output {
		d.Helper()
		return d.run(append([]string{"import", "--from", "cipp-export", "cipp.json", "--config", d.config}, args...)...)
	}
	d.consent()
	before := d.stored()
	d.write("cipp.json", `{"RefreshToken": "`+before.grant.RefreshToken.Reveal()+`", "ApplicationID": "`+before.grant.ApplicationID+`", "ApplicationSecret": "`+d.hide()+
		`", "TenantID": "`+world.AlpineDirectory+`", "d1000000-0000-4000-8000-00000000000a": "`+d.hide()+`"}`)
	d.world.Microsoft.ForgetRequests()
	line := "/2 " + world.AlpineDirectory + " "
	d.check("dry run with a token that works", run("--dry-run"), 0, line+"skipped: Alpine Cloud has a refresh token that works; --replace replaces it", "skipped: no tenant has this directory")
	d.check("dry run to replace it", run("--dry-run", "--replace"), 0, line+"would be imported for Alpine Cloud instead of the refresh token that works", "skipped: no tenant has this directory")
	d.checkUnchanged("dry runs", before)

	d.check("forget", d.run("tenants", "forget", d.tenant(), "--yes", "--config", d.config), 0, "deleted")
	without := d.stored()
	if !without.grant.RefreshToken.Empty() {
		t.Fatal("the tenant has a refresh token after it was deleted")
	}
	d.check("dry run without a token", run("--dry-run"), 0, line+"would be imported for Alpine Cloud")
	d.checkUnchanged("a dry run", without)
	d.must(d.world.Platform.Suspend(d.Context(), d.tenant()))
	d.check("dry run for a suspended tenant", run("--dry-run"), 1, line+"refused: The marketplace has suspended the subscription.", "(suspended)")
	d.must(d.world.Platform.Resume(d.Context(), d.tenant()))

	outside, err := d.world.Microsoft.IssueRefreshToken(microsoft.RefreshToken{UPN: world.CoralAdmin, ApplicationID: world.ApplicationID})
	d.must(err)
	d.secrets = append(d.secrets, outside)
	d.write("outside.json", `[{"directory": "`+world.AlpineDirectory+`", "refreshToken": "`+outside+`"}]`)
	d.check("import of another directory's token", d.run("import", "--from", "json", "outside.json", "--config", d.config), 1,
		"1/1 "+world.AlpineDirectory+" refused: ", "Import a refresh token of an account of the tenant's partner directory", "(account_outside)")

	d.check("import", run(), 0, line+"imported for Alpine Cloud, consented by "+world.AlpineAdmin, "skipped: no tenant has this directory")
	d.hideStored()
	after := d.stored()
	if g := after.grant; g.Procedure != token.Imported || g.RefreshToken.Empty() || g.RefreshToken == before.grant.RefreshToken || g.ConsentedBy.Username != world.AlpineAdmin ||
		g.AskedBy == "" || g.DirectoryID != world.AlpineDirectory || g.ConsentID == before.grant.ConsentID {
		t.Errorf("the grant is %s, asked by %q, consented by %s, want an imported one with the successor of the token", g.Procedure, g.AskedBy, g.ConsentedBy.Username)
	}
	begun := after.newest(audit.ConsentBegun)
	if begun.Details["source"] != "cipp-export" || begun.Details["procedure"] != string(token.Imported) || begun.Actor.Kind != audit.Operator || begun.Actor.Name != after.grant.AskedBy {
		t.Errorf("the import is recorded as %v by %s %q, want its source, and who asked for it", begun.Details, begun.Actor.Kind, begun.Actor.Name)
	}
	if granted := after.newest(audit.ConsentGranted); granted.Details["procedure"] != string(token.Imported) || granted.At.Before(begun.At) {
		t.Errorf("the grant is recorded as %v, want an imported one", granted.Details)
	}
}

// A storedTenant is what the database has about Rita's tenant.
type storedTenant struct {
	grant, predecessor token.Grant // zero without one
	schedule           token.Schedule
	events             []audit.Event // newest first
}

func (d *deployment) stored() storedTenant {
	d.Helper()
	services := d.services()
	defer services.Close()
	var stored storedTenant
	for slot, into := range map[token.Slot]*token.Grant{token.Active: &stored.grant, token.Predecessor: &stored.predecessor} {
		if g, err := services.Store.Grant(d.Context(), d.tenant(), slot); err == nil {
			*into = g
		} else if !errors.Is(err, tenant.ErrNotFound) {
			d.Fatal(err)
		}
	}
	var err error
	stored.schedule, err = services.Store.Schedule(d.Context(), d.tenant())
	d.must(err)
	stored.events, err = services.Store.Events(d.Context(), d.tenant(), time.Time{}, 1000)
	d.must(err)
	return stored
}

func (s storedTenant) newest(action audit.Action) audit.Event {
	for _, e := range s.events {
		if e.Action == action {
			return e
		}
	}
	return audit.Event{}
}

// checkUnchanged checks that nothing was stored, recorded or redeemed.
func (d *deployment) checkUnchanged(what string, before storedTenant) {
	d.Helper()
	if after := d.stored(); !reflect.DeepEqual(after, before) {
		d.Errorf("%s changed what is stored", what)
	}
	for _, r := range d.world.Microsoft.Requests() {
		if strings.HasSuffix(r.Path, "/token") {
			d.Errorf("%s sent %s %s to Microsoft, want nothing redeemed", what, r.Method, r.Path)
		}
	}
}

// checkTerminal checks that a command refuses to write to a terminal.
func (d *deployment) checkTerminal(args ...string) {
	d.Helper()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	d.must(err)
	defer terminal.Close()
	command := d.command(args...)
	var stderr bytes.Buffer
	command.Stdout, command.Stderr = terminal, &stderr
	if err := command.Run(); !errors.As(err, new(*exec.ExitError)) || !strings.Contains(stderr.String(), "standard output is a terminal") {
		d.Errorf("connector %v to a terminal = %v: %s, want a refusal", args, err, stderr.String())
	}
}

func (d *deployment) opened(identity age.Identity, sealed string) string {
	d.Helper()
	plain, err := age.Decrypt(strings.NewReader(sealed), identity)
	d.must(err)
	text, err := io.ReadAll(plain)
	d.must(err)
	return string(text)
}

func (d *deployment) untar(archive, folder string) {
	d.Helper()
	d.must(os.Mkdir(filepath.Join(d.folder, folder), 0o700))
	for files := tar.NewReader(strings.NewReader(archive)); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		d.must(err)
		content, err := io.ReadAll(files)
		d.must(err)
		d.write(filepath.Join(folder, header.Name), string(content))
	}
}
