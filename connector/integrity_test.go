package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// sql changes the database as somebody does who can write to it.
func (v *sealedDatabase) sql(statement string, args ...any) {
	v.Helper()
	_, err := v.db.Raw(v).ExecContext(v.Context(), statement, args...)
	v.must(err)
}

func TestIntegrity_ListsWhatWasChangedOutsideAndAcceptsIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		v := newSealedDatabase(t, db)
		s := db.Open(t)
		now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		owned := tenant.Tenant{ID: random.ID(), InstanceKey: "key-1", AccountID: "alice", DirectoryID: random.ID()}
		owned.ProvenDirectoryID = owned.DirectoryID
		v.must(s.SaveInstance(t.Context(), &tenant.Instance{Key: "key-1", ID: "id-1", RootID: "root-1", Settings: tenant.Settings{Borrowers: []tenant.Borrower{tenant.NewBorrower("one")}}}))
		v.must(s.SaveTenant(t.Context(), &owned))
		g := token.Grant{TenantID: owned.ID, Slot: token.Active, RefreshToken: secret.New(v.hide()), IssuedAt: now, InstanceKey: "key-1", AccountID: "alice", DirectoryID: owned.DirectoryID}
		v.must(s.SaveGrant(t.Context(), &g))

		list := func() output { return v.run("integrity", "list", "--config", "connector.yaml") }
		accept := func(args ...string) output {
			return v.run(append([]string{"integrity", "accept", "--config", "connector.yaml"}, args...)...)
		}
		v.check("integrity list", list(), 0, "as the connector stored them")
		v.check("integrity accept of what is right", accept("--tenant", owned.ID), 1, "not listed")
		v.sql("UPDATE tenants SET account_id = 'mallory'")
		v.sql(`UPDATE instances SET borrowers = '["one","mallory"]'`)
		v.check("integrity list", list(), 1, "tenant "+owned.ID, "account_id is now mallory", "its active grant was given to account alice of instance key-1",
			"instance key-1", `borrowers is now ["one" "mallory"]`, "2 rows were changed")
		v.check("integrity accept without --yes", accept("--tenant", owned.ID), 1, "account_id is now mallory", "nothing was changed")
		v.check("integrity list", list(), 1, "2 rows were changed")
		v.check("integrity accept --tenant", accept("--tenant", owned.ID, "--yes"), 0, "accepted")
		v.check("integrity list", list(), 1, "instance key-1", "1 row was changed")
		v.check("integrity accept --instance", accept("--instance", "key-1", "--yes"), 0, "accepted")
		v.check("integrity list", list(), 0, "as the connector stored them")

		given, err := s.Grant(t.Context(), owned.ID, token.Active)
		if err != nil || given.Unreadable || given.AccountID != "mallory" {
			t.Errorf("Grant() = of %q, unreadable: %t, %v, want one of the accepted owner", given.AccountID, given.Unreadable, err)
		}
		events, err := s.EventsOf(t.Context(), owned.ID, []audit.Action{audit.IntegrityAccepted}, 10)
		if err != nil || len(events) != 1 || events[0].Actor.Kind != audit.Operator || events[0].Details["account_id"] != "mallory" {
			t.Errorf("EventsOf() = %+v, %v, want one of the acceptance", events, err)
		}
	})
}

func TestEventsVerify_FindsMissingEventsAndAnotherTrail(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		v := newSealedDatabase(t, db)
		s := db.Open(t)
		now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		cover := func(n int) {
			for range n {
				v.must(s.AppendEvent(t.Context(), audit.Event{ID: random.ID(), At: now, TenantID: "some", Action: audit.TokenLent, Result: audit.OK}))
			}
			_, err := s.WriteCheckpoints(t.Context(), now.Add(time.Hour), func(store.Checkpoint) {})
			v.must(err)
		}
		verify := func(args ...string) output {
			return v.run(append([]string{"events", "verify", "--config", "connector.yaml"}, args...)...)
		}
		v.check("events verify without events", verify(), 0, "verified 0 events of 0 checkpoints")
		cover(3)
		first := verify()
		v.check("events verify", first, 0, "verified 3 events of 1 checkpoints; 0 removed by retention, 0 not covered yet", "the last checkpoint is 1")
		hash := regexp.MustCompile(`hash ([0-9a-f]{64})`).FindStringSubmatch(first.stdout)
		if len(hash) != 2 {
			t.Fatalf("connector events verify = %s, want a hash", first.stdout)
		}
		noted := []string{"--checkpoint", "1", "--hash", hash[1]}
		cover(2)
		v.check("events verify with a noted hash", verify(noted...), 0, "verified 5 events of 2 checkpoints")
		v.check("events verify with half of it", verify("--checkpoint", "1"), 1, "belong together")
		v.sql("DELETE FROM events WHERE checkpoint = 2")
		v.check("events verify of a hole", verify(), 1, "problem: checkpoint 2 covers 2 events, and 0 are there", "1 problem was found")
		accept := func(args ...string) output {
			return v.run(append([]string{"events", "accept", "--config", "connector.yaml"}, args...)...)
		}
		v.check("events accept without --yes", accept(), 1, "problem: checkpoint 2 covers 2 events, and 0 are there", "nothing was changed")
		v.check("events verify after it", verify(), 1, "1 problem was found")
		v.check("events accept", accept("--yes"), 0, "1 problem was accepted")
		v.check("events verify of what was accepted", verify(), 0, "1 problem was accepted")
		v.check("events accept of nothing", accept("--yes"), 0, "nothing to accept")
		accepted, err := s.EventsOf(t.Context(), "", []audit.Action{audit.IntegrityAccepted}, 10)
		if err != nil || len(accepted) != 1 || accepted[0].Actor.Kind != audit.Operator || accepted[0].Details["problem"] != "checkpoint 2 covers 2 events, and 0 are there" {
			t.Errorf("EventsOf() = %+v, %v, want one that names the problem", accepted, err)
		}
		// Somebody removes the whole trail and lets another one grow.
		v.sql("DELETE FROM events")
		v.sql("DELETE FROM checkpoints")
		v.check("events verify of an empty trail", verify(noted...), 1, "the end of the trail was cut off")
		cover(3)
		v.check("events verify of another trail", verify(noted...), 1, "checkpoint 1 does not have the hash that was noted")
	})
}

func TestEventsList_MarksWhatIsNotProven(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		v := newSealedDatabase(t, db)
		s := db.Open(t)
		for _, reference := range []string{"AAAA-1111", "AAAA-2222"} {
			v.must(s.AppendEvent(t.Context(), audit.Event{
				ID: random.ID(), At: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), TenantID: "some", Action: audit.TokenLent, Result: audit.OK, Reference: reference,
			}))
		}
		list := func() output { return v.run("events", "list", "--action", "token.lent", "--config", "connector.yaml") }
		before := list()
		v.check("events list", before, 0, "AAAA-1111", "AAAA-2222")
		if strings.Contains(before.String(), "INTEGRITY") || strings.Contains(before.String(), "proven") {
			t.Errorf("connector events list = %s, want no mark", before)
		}
		v.sql("UPDATE events SET result = 'grant_absent' WHERE reference = 'AAAA-1111'")
		after := list()
		v.check("events list of a changed event", after, 0, "INTEGRITY", "1 event was not proven", "connector events verify")
		for line := range strings.Lines(after.stdout) {
			if changed := strings.Contains(line, "AAAA-1111"); changed != strings.HasPrefix(line, "not proven") && strings.Contains(line, "AAAA-") {
				t.Errorf("connector events list prints %q", line)
			}
		}
		v.check("find of a changed event", v.run("find", "AAAA-1111", "--config", "connector.yaml"), 0, "not proven", "grant_absent")
		v.check("events verify", v.run("events", "verify", "--config", "connector.yaml"), 1, "1 problem was found")
	})
}

// TestEventsExport_MarksWhatIsNotProven changes a covered event, which is exported, and shown with its tenant.
func TestEventsExport_MarksWhatIsNotProven(t *testing.T) {
	v := newSealedDatabase(t, storetest.SQLite(t))
	s := v.db.Open(t)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	v.must(s.SaveInstance(t.Context(), &tenant.Instance{Key: "key-1", ID: "id-1", RootID: "root-1", CreatedAt: now, UpdatedAt: now}))
	of := tenant.Tenant{ID: random.ID(), InstanceKey: "key-1", Name: "Alpine Cloud", CreatedAt: now, UpdatedAt: now}
	v.must(s.SaveTenant(t.Context(), &of))
	for _, reference := range []string{"AAAA-1111", "AAAA-2222"} {
		v.must(s.AppendEvent(t.Context(), audit.Event{ID: random.ID(), At: now, TenantID: of.ID, Action: audit.TokenLent, Result: audit.OK, Reference: reference}))
	}
	writeCheckpoints(v, s, now)
	commands := [][]string{{"events", "export"}, {"events", "export", "--jsonl"}, {"tenants", "show", of.ID}, {"tenants", "show", of.ID, "--json"}}
	marked := func(args []string) (of1, of2 bool) {
		got := v.run(append(slices.Clone(args), "--config", "connector.yaml")...)
		v.check(strings.Join(args, " "), got, 0, "AAAA-1111", "AAAA-2222")
		text := got.stdout
		if slices.Contains(args, "--json") { // one event is on several lines
			text = strings.ReplaceAll(strings.ReplaceAll(text, "\n", " "), "{       \"id\"", "\n")
		}
		for line := range strings.Lines(text) {
			mark := strings.Contains(line, "not proven") || strings.Contains(line, `"proven":false`) || strings.Contains(line, `"proven": false`)
			of1, of2 = of1 || mark && strings.Contains(line, "AAAA-1111"), of2 || mark && strings.Contains(line, "AAAA-2222")
		}
		return of1, of2
	}
	for _, args := range commands {
		if of1, of2 := marked(args); of1 || of2 {
			t.Errorf("connector %s marks events that nobody changed", strings.Join(args, " "))
		}
	}
	v.sql("UPDATE events SET result = 'grant_absent' WHERE reference = 'AAAA-1111'")
	for _, args := range commands {
		if of1, of2 := marked(args); !of1 || of2 {
			t.Errorf("connector %s marks the changed event: %t, the other one: %t", strings.Join(args, " "), of1, of2)
		}
	}
}

// anEvent returns an event with a text in all that others choose.
func anEvent(tenantID, text string, at time.Time) audit.Event {
	return audit.Event{
		ID: random.ID(), At: at, TenantID: tenantID, Action: audit.TokenLent, Result: audit.OK, Reference: "AAAA-1111",
		Actor: audit.Actor{Kind: audit.Operator, ID: text, Name: text}, Details: map[string]string{"api": text},
	}
}

// writeCheckpoints covers all events.
func writeCheckpoints(v *sealedDatabase, s *store.Store, at time.Time) {
	v.Helper()
	_, err := s.WriteCheckpoints(v.Context(), at.Add(time.Hour), func(store.Checkpoint) {})
	v.must(err)
}

func TestKeysAccept_RecordsTheKeysOfADamagedRecord(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		v := newSealedDatabase(t, db)
		s := db.Open(t)
		v.must(s.SaveInstance(t.Context(), &tenant.Instance{
			Key: "key-1", ID: "id-1", RootID: "root-1", Settings: tenant.Settings{Application: tenant.Application{ID: random.ID(), Secret: tenant.Credential{Value: secret.New(v.hide())}}},
		}))
		accept := func(args ...string) output {
			return v.run(append([]string{"keys", "accept", "--config", "connector.yaml"}, args...)...)
		}
		v.check("keys accept of intact records", accept("--yes"), 1, "is intact")
		v.sql("UPDATE key_checks SET sealed = x'64616d61676564'")
		v.check("migrate with a damaged record", v.run("migrate", "--config", "connector.yaml"), 1, "connector keys accept")
		v.check("keys accept without --yes", accept(), 1, "its record in the database is damaged or gone", "the keys open 1 secrets of the database; 0 do not open", "nothing was changed")
		v.check("migrate after it", v.run("migrate", "--config", "connector.yaml"), 1, "connector keys accept")
		v.check("keys accept", accept("--yes"), 0, "recorded")
		v.check("migrate", v.run("migrate", "--config", "connector.yaml"), 0, "up to date")
		events, err := s.EventsOf(t.Context(), "", []audit.Action{audit.IntegrityAccepted}, 10)
		if err != nil || len(events) != 1 || events[0].Actor.Kind != audit.Operator || events[0].Actor.Name == "" {
			t.Errorf("EventsOf() = %+v, %v, want one of the operator", events, err)
		}
		v.must(os.Remove(filepath.Join(v.folder, "connector.keys")))
		v.check("keys create", v.run("keys", "create", "connector.keys"), 0)
		v.sql("DELETE FROM key_checks")
		v.check("keys accept with other keys", accept("--yes"), 1, "the keys do not belong to this database")
	})
}
