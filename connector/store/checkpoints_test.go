package store_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
)

// writeCheckpoints covers what happened before now and returns the checkpoints. No event may have a wrong MAC.
func writeCheckpoints(t *testing.T, s *store.Store, now time.Time) []store.Checkpoint {
	t.Helper()
	var written []store.Checkpoint
	wrong, err := s.WriteCheckpoints(t.Context(), now, func(c store.Checkpoint) { written = append(written, c) })
	if err != nil || wrong != 0 {
		t.Fatalf("WriteCheckpoints() = %d wrong, %v, want none", wrong, err)
	}
	return written
}

// writeEvents writes events that happened one second after the other.
func writeEvents(t *testing.T, s *store.Store, from time.Time, n int) {
	t.Helper()
	events := make([]audit.Event, n)
	for i := range events {
		events[i] = audit.Event{
			ID: random.ID(), At: from.Add(time.Duration(i) * time.Second), TenantID: "some", Action: audit.TokenLent, Result: audit.OK,
			Details: map[string]string{"api": "graph", "n": fmt.Sprint(i)},
		}
	}
	for batch := range slices.Chunk(events, 500) {
		if err := store.WriteEvents(t.Context(), s, batch); err != nil {
			t.Fatalf("writing events = %v", err)
		}
	}
}

func TestWriteCheckpoints_CoversEachEventOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		writeEvents(t, s, noon, 90)
		if got := writeCheckpoints(t, s, noon.Add(100*time.Second)); len(got) != 1 || got[0].Events != 41 {
			t.Fatalf("WriteCheckpoints() = %+v, want one of the 41 events that are a minute old", got)
		}
		if got := writeCheckpoints(t, s, noon.Add(100*time.Second)); len(got) != 0 {
			t.Errorf("WriteCheckpoints() again = %+v, want none", got)
		}
		// Events that come late, from replicas whose clocks are behind or ahead, are covered by the next checkpoint.
		writeEvents(t, s, noon.Add(-time.Hour), 2)
		writeEvents(t, s, noon.AddDate(0, 0, 85), 3)
		if got := writeCheckpoints(t, s, noon.Add(200*time.Second)); len(got) != 1 || got[0].Events != 49+2+3 {
			t.Errorf("WriteCheckpoints() of the rest = %+v, want one of all other events", got)
		}
		writeEvents(t, s, noon, 2*store.PurgeBatch+1)
		if got := writeCheckpoints(t, s, noon.AddDate(0, 0, 1)); len(got) != 3 || got[2].Events != 1 || got[2].Number != 5 {
			t.Errorf("WriteCheckpoints() of many = %+v, want three", got)
		}
		last := checkEvents(t, s, 90+5+2*store.PurgeBatch+1).Last
		if last.Number != 5 || len(last.Hash) == 0 {
			t.Errorf("the last checkpoint = %+v, want the fifth", last)
		}
	})
}

// TestWriteCheckpoints_AnyText checks that what is read back has the MAC of what was written.
func TestWriteCheckpoints_AnyText(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		for _, text := range []string{"", " ", "trailing ", "Größe 株式会社 🙂", "<a>&\"'\\", "line\nbreak\ttab", "\u2028", "null"} {
			if err := s.AppendEvent(t.Context(), audit.Event{
				ID: random.ID(), At: noon.Add(1234567 * time.Nanosecond), TenantID: "some", Action: audit.TokenLent, Result: audit.OK,
				Actor: audit.Actor{Kind: audit.User, ID: text, Name: text, AccountID: text, OriginalID: text}, Details: map[string]string{text: text, "bytes": "a\xffb\xfe\xff"},
			}); err != nil {
				t.Fatalf("AppendEvent(%q) = %v", text, err)
			}
		}
		for _, details := range []map[string]string{nil, {}} {
			if err := s.AppendEvent(t.Context(), audit.Event{ID: random.ID(), At: noon.In(time.FixedZone("east", 3600)), Details: details}); err != nil {
				t.Fatalf("AppendEvent() = %v", err)
			}
		}
		writeCheckpoints(t, s, noon.AddDate(0, 0, 1))
		checkEvents(t, s, 10)
	})
}

func TestWriteCheckpoints_SeveralReplicas(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		const events = 3*store.PurgeBatch + 10
		writeEvents(t, s, noon, events)
		var writers errgroup.Group
		for range 4 {
			replica := db.Unmigrated(t)
			writers.Go(func() error {
				_, err := replica.WriteCheckpoints(t.Context(), noon.AddDate(0, 0, 1), func(store.Checkpoint) {})
				return err
			})
		}
		if err := writers.Wait(); err != nil {
			t.Errorf("WriteCheckpoints() at once = %v", err)
		}
		writeCheckpoints(t, s, noon.AddDate(0, 0, 1)) // what losers left
		checkEvents(t, s, events)
	})
}

// TestVerifyEvents_FindsEveryChange changes each thing that can be changed by SQL.
func TestVerifyEvents_FindsEveryChange(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		statements string
		want       string
	}{
		"a detail":              {`UPDATE events SET details = '{"api":"arm"}' WHERE seq = #5`, "an event of checkpoint 1 was changed"},
		"a time":                {"UPDATE events SET happened_at = '2020-01-01 00:00:00.000' WHERE seq = #5", "an event of checkpoint 1 was changed"},
		"a tenant":              {"UPDATE events SET tenant_id = 'other' WHERE seq = #5", "an event of checkpoint 1 was changed"},
		"an event removed":      {"DELETE FROM events WHERE seq = #5", "checkpoint 1 covers 10 events, and 9 are there"},
		"two events swapped":    {"UPDATE events SET seq = 1000 WHERE seq = #5", "an event of checkpoint 1 was changed"},
		"an event moved":        {"UPDATE events SET checkpoint = 2 WHERE seq = #5", "checkpoint 2 covers 10 events, and 11 are there"},
		"an event uncovered":    {"UPDATE events SET checkpoint = NULL WHERE seq = #5", "checkpoint 1 covers 10 events, and 9 are there"},
		"an event set aside":    {"UPDATE events SET checkpoint = 0 WHERE seq = #5", "1 events were changed, or written by somebody else"},
		"a checkpoint removed":  {"DELETE FROM checkpoints WHERE number = 2", "checkpoints 2 to 2 are missing"},
		"with its events":       {"DELETE FROM checkpoints WHERE number = 2; DELETE FROM events WHERE checkpoint = 2", "checkpoints 2 to 2 are missing"},
		"the first removed":     {"DELETE FROM checkpoints WHERE number = 1; DELETE FROM events WHERE checkpoint = 1", "checkpoints 1 to 1 are missing"},
		"the last removed":      {"DELETE FROM checkpoints WHERE number = 3", "10 events belong to checkpoints after 2 that are missing"},
		"a count":               {"DELETE FROM events WHERE seq = #5; UPDATE checkpoints SET events = 9 WHERE number = 1", "checkpoint 1 was changed: its MAC is wrong"},
		"an end":                {"UPDATE checkpoints SET ends_at = '2020-01-01 00:00:00.000' WHERE number = 1", "checkpoint 1 was changed: its MAC is wrong"},
		"an invented removal":   {"UPDATE checkpoints SET removed_through = 2 WHERE number = 3; DELETE FROM events WHERE checkpoint <= 2", "checkpoint 3 was changed: its MAC is wrong"},
		"a forged event":        {"INSERT INTO events (id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference) SELECT 'forged', happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference FROM events WHERE seq = #5", "event forged was changed"},
		"a copied event":        {"INSERT INTO events (id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference, details, mac, checkpoint) SELECT id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference, details, mac, checkpoint FROM events WHERE seq = #5", "checkpoint 1 covers 10 events, and 11 are there"},
		"an uncovered one":      {"UPDATE events SET result = 'ok?' WHERE checkpoint IS NULL AND seq = #31", "its MAC is wrong"},
		"the order of two":      {"UPDATE checkpoints SET number = 99 WHERE number = 2; UPDATE checkpoints SET number = 2 WHERE number = 3; UPDATE checkpoints SET number = 3 WHERE number = 99", "checkpoint 2 was changed"},
		"everything before one": {"DELETE FROM checkpoints WHERE number < 3; DELETE FROM events WHERE checkpoint < 3", "checkpoints 1 to 2 are missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *storetest.Database) {
				s := db.Open(t)
				execute(t, db, "DELETE FROM events")
				for i := range 3 {
					writeEvents(t, s, noon.Add(time.Duration(i)*time.Hour), 10)
					writeCheckpoints(t, s, noon.Add(time.Duration(i)*time.Hour+30*time.Minute))
				}
				writeEvents(t, s, noon.Add(4*time.Hour), 2)
				checkEvents(t, s, 30)
				for statement := range strings.SplitSeq(tc.statements, "; ") {
					for _, n := range []int{5, 31} { // the database numbers as it likes
						if name := fmt.Sprintf("#%d", n); strings.Contains(statement, name) {
							statement = strings.ReplaceAll(statement, name, strconv.Itoa(nthSeq(t, db, n)))
						}
					}
					execute(t, db, statement)
				}
				var found []string
				v, err := s.VerifyEvents(t.Context(), func(text string) { found = append(found, text) })
				if err != nil || v.Problems == 0 || !strings.Contains(strings.Join(found, "\n"), tc.want) {
					t.Errorf("VerifyEvents() = %d problems, %v: %q, want %q", v.Problems, err, found, tc.want)
				}
				// What comes later covers nothing up.
				_, err = s.WriteCheckpoints(t.Context(), noon.AddDate(0, 0, 1), func(store.Checkpoint) {})
				if err != nil {
					t.Errorf("WriteCheckpoints() afterwards = %v", err)
				}
				if v, err = s.VerifyEvents(t.Context(), func(string) {}); err != nil || v.Problems == 0 {
					t.Errorf("VerifyEvents() after another checkpoint = %d problems, %v, want some", v.Problems, err)
				}
				checkAccepted(t, s, db, v)
			})
		})
	}
}

// checkAccepted accepts what was found, and fails unless nothing else counts as accepted then, now and once the acceptance is
// covered.
func checkAccepted(t *testing.T, s *store.Store, db *storetest.Database, found store.Verification) {
	t.Helper()
	if err := s.AcceptEvents(t.Context(), found.Found, noon.AddDate(0, 0, 1), operator); err != nil {
		t.Fatalf("AcceptEvents() = %v", err)
	}
	checkEvents := func(when string, problems, accepted int64) {
		t.Helper()
		var texts []string
		v, err := s.VerifyEvents(t.Context(), func(text string) { texts = append(texts, text) })
		if err != nil || v.Problems != problems || v.Accepted != accepted || len(texts) != int(problems) {
			t.Errorf("VerifyEvents() %s = %d problems %q and %d accepted, %v, want %d and %d", when, v.Problems, texts, v.Accepted, err, problems, accepted)
		}
	}
	n := found.Problems
	checkEvents("after AcceptEvents()", 0, n)
	if _, err := s.WriteCheckpoints(t.Context(), noon.AddDate(0, 0, 2), func(store.Checkpoint) {}); err != nil {
		t.Fatal(err)
	}
	checkEvents("once the acceptance is covered", 0, n)
	// A changed acceptance accepts nothing: its checkpoint is wrong.
	execute(t, db, "UPDATE events SET actor_name = 'mallory' WHERE action = 'integrity.accepted'")
	checkEvents("after the acceptance was changed", n+1, 0)
}

// TestAcceptEvents_AnotherChangeIsAnotherProblem accepts a change, and then finds another one of the same checkpoint.
func TestAcceptEvents_AnotherChangeIsAnotherProblem(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		writeEvents(t, s, noon, 10)
		writeCheckpoints(t, s, noon.Add(time.Hour))
		for i, n := range []int{3, 4, 3} {
			execute(t, db, fmt.Sprintf("UPDATE events SET result = 'changed %d' WHERE seq = %d", i, nthSeq(t, db, n)))
			found, err := s.VerifyEvents(t.Context(), func(string) {})
			if err != nil || found.Problems != 1 || len(found.Found) != 1 {
				t.Fatalf("VerifyEvents() after change %d = %+v, %v, want one problem", i, found, err)
			}
			if err := s.AcceptEvents(t.Context(), found.Found, noon.Add(2*time.Hour), operator); err != nil {
				t.Fatal(err)
			}
			if found, err = s.VerifyEvents(t.Context(), func(string) {}); err != nil || found.Problems != 0 || found.Accepted != 1 {
				t.Errorf("VerifyEvents() after AcceptEvents() = %+v, %v, want one accepted", found, err)
			}
		}
		// Nobody without the keys can accept anything.
		execute(t, db, "UPDATE events SET mac = NULL WHERE action = 'integrity.accepted'")
		if found, err := s.VerifyEvents(t.Context(), func(string) {}); err != nil || found.Accepted != 0 || found.Problems < 2 {
			t.Errorf("VerifyEvents() of forged acceptances = %+v, %v, want none accepted", found, err)
		}
	})
}

// nthSeq returns the sequence number of the nth event that remains.
func nthSeq(t *testing.T, db *storetest.Database, n int) (seq int) {
	t.Helper()
	if err := db.Raw(t).QueryRowContext(t.Context(), fmt.Sprintf("SELECT seq FROM events ORDER BY seq LIMIT 1 OFFSET %d", n-1)).Scan(&seq); err != nil {
		t.Fatal(err)
	}
	return seq
}

// TestSearchEvents_TellsWhatIsProven changes ten covered events and two that no checkpoint covers yet.
func TestSearchEvents_TellsWhatIsProven(t *testing.T) {
	t.Parallel()
	const retired = "UPDATE events SET mac = NULL WHERE checkpoint IS NOT NULL" // as if its key had been removed
	for name, tc := range map[string]struct {
		statements string
		want       []int // in the order in which they were stored
	}{
		"nothing":                           {"", nil},
		"a covered one":                     {"UPDATE events SET result = 'ok?' WHERE seq = #5", []int{5}},
		"one that is not covered":           {"UPDATE events SET tenant_id = 'other' WHERE seq = #11", []int{11}},
		"without a MAC":                     {"UPDATE events SET mac = NULL WHERE seq = #12", []int{12}},
		"one set aside":                     {"UPDATE events SET checkpoint = 0 WHERE seq = #5", []int{5}},
		"MACs of a retired key":             {retired, nil},
		"the same, and a covered one":       {retired + "; UPDATE events SET result = 'ok?' WHERE seq = #5", []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		"the same, and their checkpoint":    {retired + "; UPDATE checkpoints SET ends_at = '2020-01-01 00:00:00.000'", []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		"the same, without the checkpoint":  {retired + "; DELETE FROM checkpoints", []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		"the same, and one is gone":         {retired + "; DELETE FROM events WHERE seq = #5", []int{1, 2, 3, 4, 6, 7, 8, 9, 10}},
		"a checkpoint of events with a MAC": {"DELETE FROM checkpoints", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *storetest.Database) {
				s := db.Open(t)
				execute(t, db, "DELETE FROM events")
				writeEvents(t, s, noon, 10)
				writeCheckpoints(t, s, noon.Add(time.Hour))
				writeEvents(t, s, noon.Add(2*time.Hour), 2)
				stored, err := s.SearchEvents(t.Context(), store.EventFilter{}, 100)
				if err != nil || len(stored) != 12 {
					t.Fatalf("SearchEvents() = %d events, %v, want 12", len(stored), err)
				}
				number := map[string]int{} // ID → its place in the order in which they were stored
				for i, e := range stored {
					number[e.ID] = len(stored) - i
				}
				for statement := range strings.SplitSeq(tc.statements, "; ") {
					for _, n := range []int{5, 11, 12} { // the database numbers as it likes
						if name := fmt.Sprintf("#%d", n); strings.Contains(statement, name) {
							statement = strings.ReplaceAll(statement, name, strconv.Itoa(nthSeq(t, db, n)))
						}
					}
					if statement != "" {
						execute(t, db, statement)
					}
				}
				found, err := s.SearchEvents(t.Context(), store.EventFilter{}, 100)
				if err != nil {
					t.Fatal(err)
				}
				var unproven []int
				for _, e := range found {
					if !e.Proven {
						unproven = append(unproven, number[e.ID])
					}
				}
				slices.Sort(unproven)
				if !slices.Equal(unproven, tc.want) {
					t.Errorf("SearchEvents() proves all but %v, want all but %v", unproven, tc.want)
				}
			})
		})
	}
}

// TestWriteCheckpoints_SetsForgedEventsAside sees that forged events, however many, do not keep the others from being covered.
func TestWriteCheckpoints_SetsForgedEventsAside(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		writeEvents(t, s, noon, 2*store.PurgeBatch)
		execute(t, db, "UPDATE events SET result = 'forged' WHERE id IN (SELECT id FROM (SELECT id FROM events ORDER BY seq LIMIT 1100) e)")
		wrong, err := s.WriteCheckpoints(t.Context(), noon.AddDate(0, 0, 1), func(store.Checkpoint) {})
		if err != nil || wrong != 1100 {
			t.Errorf("WriteCheckpoints() = %d wrong, %v, want 1100", wrong, err)
		}
		var found []string
		v, err := s.VerifyEvents(t.Context(), func(text string) { found = append(found, text) })
		if err != nil || v.Events != 2*store.PurgeBatch-1100 || v.Problems != 1 {
			t.Errorf("VerifyEvents() = %+v, %v: %q, want one problem", v, err, found)
		}
	})
}

func TestPurgeEvents_NamesWhatItRemoves(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t, func(cfg *store.Config) { cfg.Now = func() time.Time { return noon.AddDate(0, 0, 2) } })
		for i := range 4 {
			writeEvents(t, s, noon.Add(time.Duration(i)*time.Hour), 10)
			writeCheckpoints(t, s, noon.Add(time.Duration(i)*time.Hour+30*time.Minute))
		}
		// Somebody makes a checkpoint look old, so that retention would remove it.
		execute(t, db, "UPDATE checkpoints SET ends_at = '2020-01-01 00:00:00.000' WHERE number = 4")
		if err := s.PurgeEvents(t.Context(), noon.Add(90*time.Minute)); err != nil {
			t.Fatalf("PurgeEvents() = %v", err)
		}
		var found []string
		v, err := s.VerifyEvents(t.Context(), func(text string) { found = append(found, text) })
		if err != nil || v.Removed != 20 || v.First != 3 || v.Events != 20 || v.Problems != 1 {
			t.Errorf("VerifyEvents() = %+v, %v: %q, want 20 removed, and the altered checkpoint", v, err, found)
		}
	})
}

func TestPurgeEvents_Interrupted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		now := noon
		s := db.Open(t, func(cfg *store.Config) { cfg.Now = func() time.Time { return now } })
		for i := range 4 {
			writeEvents(t, s, noon.Add(time.Duration(i)*time.Hour), 10)
			writeCheckpoints(t, s, noon.Add(time.Duration(i)*time.Hour+30*time.Minute))
		}
		// It ended after it had named what it would remove, and had removed a part.
		if err := store.NameRemoved(t.Context(), s, noon.Add(90*time.Minute)); err != nil {
			t.Fatalf("NameRemoved() = %v", err)
		}
		execute(t, db, fmt.Sprintf("DELETE FROM events WHERE seq < %d", nthSeq(t, db, 8)))
		if v := checkEvents(t, s, 20); v.Removed != 20 {
			t.Errorf("VerifyEvents() = %+v, want 20 removed", v)
		}
		for range 2 {
			if err := s.PurgeEvents(t.Context(), noon.Add(90*time.Minute)); err != nil {
				t.Fatalf("PurgeEvents() = %v", err)
			}
			if v := checkEvents(t, s, 20); v.Removed != 20 || rowsOf(t, db, "events") != 20 {
				t.Errorf("VerifyEvents() = %+v, want 20 removed", v)
			}
		}
		// The checkpoint that names them ends later and is removed in its turn.
		now = noon.AddDate(1, 0, 0)
		if err := s.PurgeEvents(t.Context(), noon.AddDate(0, 6, 0)); err != nil {
			t.Fatalf("PurgeEvents() = %v", err)
		}
		if v := checkEvents(t, s, 0); v.Removed != 20 || v.Checkpoints != 1 {
			t.Errorf("VerifyEvents() = %+v, want the last 20 named as removed", v)
		}
	})
}

func rowsOf(t *testing.T, db *storetest.Database, table string) (n int) {
	t.Helper()
	if err := db.Raw(t).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
