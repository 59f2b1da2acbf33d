package main_test

import (
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// TestRun_RefusesEmptyArguments passes what a script passes whose variable was never set. Without the argument, most of these commands
// would change more: all tenants of an instance, all keys of a client, all clouds.
func TestRun_RefusesEmptyArguments(t *testing.T) {
	v := newSealedDatabase(t, storetest.SQLite(t))
	s := v.db.Open(t)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	run := func(args ...string) output { return v.run(append(args, "--config", "connector.yaml")...) }
	v.must(s.SaveInstance(t.Context(), &tenant.Instance{Key: "key-1", ID: "id-1", RootID: "root-1", CreatedAt: now, UpdatedAt: now}))
	only := tenant.Tenant{ID: random.ID(), InstanceKey: "key-1", Name: "Alpine Cloud", UnknownAt: now, CreatedAt: now, UpdatedAt: now} // it has no directory
	v.must(s.SaveTenant(t.Context(), &only))
	v.must(s.SaveGrant(t.Context(), &token.Grant{TenantID: only.ID, Slot: token.Active, RefreshToken: secret.New(v.hide()), IssuedAt: now, InstanceKey: "key-1"}))
	added := run("clients", "add", "billing", "--tenants", only.ID)
	v.check("clients add", added, 0)
	v.secrets = append(v.secrets, strings.TrimSpace(added.stdout))
	v.check("renewals pause", run("renewals", "pause", "--cloud", "global"), 0)
	keys := v.read("connector.keys")
	for _, args := range [][]string{
		{"instances", "remove", "key-1", "--tenant", "", "--force"},
		{"instances", "remove", "key-1", "--tenant=", "--force"},
		{"tenants", "forget", "", "--yes"},
		{"tenants", "remove", "", "--force"},
		{"tenants", "show", ""},
		{"tenants", "list", "--state", ""},
		{"tenants", "list", "--state", "active,,absent"},
		{"clients", "remove", "billing", "--key", ""},
		{"clients", "rotate", "billing", "--expires", ""},
		{"clients", "add", "other", "--tenants", only.ID, "--operations", ""},
		{"rekey", "--retire", ""},
		{"renewals", "resume", "--cloud", ""},
		{"renewals", "pause", "--cloud", ""},
		{"events", "list", "--tenant", ""},
		{"doctor", "--tenant", ""},
	} {
		v.check(strings.Join(args, " "), run(args...), 1, " is empty; give it a value, or leave it out")
	}
	v.check("tenants show", run("tenants", "show", only.ID), 0, "issued 2026-11-23 12:00 UTC")
	v.check("clients list", run("clients", "list"), 0, "billing", "  key ")
	v.check("renewals status", run("renewals", "status"), 0, "paused: renewals in cloud global")
	if v.read("connector.keys") != keys {
		t.Error("an empty argument changed the key file")
	}
}

// TestRun_PrintsNothingThatATerminalObeys stores what changes a terminal, and ends lines, wherever the platform and Microsoft name
// something.
func TestRun_PrintsNothingThatATerminalObeys(t *testing.T) {
	v := newSealedDatabase(t, storetest.SQLite(t))
	s := v.db.Open(t)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const evil = "a\x1b[2Jb\x1b[31mc\ad\u202ee\u009bf\ng"
	v.must(s.SaveInstance(t.Context(), &tenant.Instance{
		Key: "key-1", ID: "id-1", RootID: "r" + evil, PackageVersion: "1" + evil, ControllerURI: "https://c.example/" + evil, NamedController: "https://n.example/" + evil, CreatedAt: now, UpdatedAt: now,
	}))
	lost := tenant.Tenant{ID: random.ID(), InstanceKey: "key-1", AccountID: "acc" + evil, Name: "Alpine" + evil, UnknownAt: now, CreatedAt: now, UpdatedAt: now}
	v.must(s.SaveTenant(t.Context(), &lost))
	v.must(s.AppendEvent(t.Context(), anEvent(lost.ID, evil, now)))
	writeCheckpoints(v, s, now)
	for _, tc := range []struct {
		args  []string
		lines int
	}{
		{[]string{"instances", "list"}, 3},
		{[]string{"instances", "accept-controller", "key-1"}, 3},
		{[]string{"instances", "remove", "key-1"}, 4},
		{[]string{"tenants", "list"}, 3},
		{[]string{"find", "AAAA-1111"}, 3},
		{[]string{"events", "list", "--action", "token.lent"}, 2},
		{[]string{"events", "export"}, 2},
		{[]string{"renewals", "pause", "--reason", evil}, 1},
		{[]string{"renewals", "status"}, 1},
	} {
		command := tc.args[0] + " " + tc.args[1]
		got := v.run(append(slices.Clone(tc.args), "--config", "connector.yaml")...)
		if strings.ContainsAny(got.stdout+got.stderr, "\x1b\a\u202e\u009b") {
			t.Errorf("connector %s prints %q, want nothing that a terminal obeys", command, got.stdout+got.stderr)
		}
		if n := strings.Count(got.stdout+got.stderr, "\n"); n != tc.lines {
			t.Errorf("connector %s prints %d lines, want %d: %q", command, n, tc.lines, got.stdout+got.stderr)
		}
	}
}

// TestRun_EndsWhileItWaitsForInput: commands that read standard input end when they are told to, also while nothing comes.
func TestRun_EndsWhileItWaitsForInput(t *testing.T) {
	c := newTerminal(t)
	file := c.configured()
	c.check("migrate", c.run("migrate", "--config", file), 0)
	for _, args := range [][]string{
		{"import", "--from", "json", "-"}, {"instances", "settings", "--file", "-"}, {"tenants", "settings", "--file", "-"},
	} {
		command := c.command(append(slices.Clone(args), "--config", file)...)
		input, err := command.StdinPipe()
		c.must(err)
		var stderr strings.Builder
		command.Stderr = &stderr
		c.must(command.Start())
		_, err = io.WriteString(input, strings.Repeat(" ", 256<<10)) // more than a pipe holds: after it, the command reads
		c.must(err)
		c.must(command.Process.Signal(syscall.SIGTERM))
		err = command.Wait()
		if code := command.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), "context canceled") {
			t.Errorf("connector %s, told to end while it reads, ends with %d (%v), %q, want 1 and why", strings.Join(args, " "), code, err, stderr.String())
		}
	}
}
