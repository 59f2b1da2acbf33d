package store_test

import (
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
)

func TestPurgeEvents_PurgesWholeCheckpoints(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owner := addTenant(t, s)
		const old, fresh = store.PurgeBatch + 7, 5
		events := make([]audit.Event, 0, old+fresh)
		for i := range old + fresh {
			at := noon.AddDate(-1, 0, 0).Add(time.Duration(i) * time.Second)
			if i >= old {
				at = noon.Add(time.Duration(i) * time.Second)
			}
			events = append(events, audit.Event{ID: random.ID(), At: at, TenantID: owner.ID, Action: audit.TokenLent, Result: audit.OK})
		}
		if err := store.WriteEvents(ctx, s, events); err != nil {
			t.Fatalf("writing events: %v", err)
		}
		writeCheckpoints(t, s, noon.AddDate(0, 1, 0))
		for _, purge := range []struct {
			before time.Time
			want   int
		}{
			{noon.AddDate(-1, 0, 0), old + fresh},                      // the first event has exactly this time
			{noon.AddDate(-1, 0, 0).Add(3 * time.Second), old + fresh}, // whole checkpoints only
			{noon.AddDate(-1, 0, 0).Add(store.PurgeBatch * time.Second), old + fresh - store.PurgeBatch},
			{noon, old + fresh - store.PurgeBatch}, // the last of the old ones are in the checkpoint of the fresh ones
			{noon.AddDate(1, 0, 0), 0},
		} {
			if err := s.PurgeEvents(ctx, purge.before); err != nil {
				t.Fatalf("PurgeEvents(%s) = %v", purge.before, err)
			}
			if got, err := s.Events(ctx, owner.ID, time.Time{}, 2*old); err != nil || len(got) != purge.want {
				t.Errorf("Events() after PurgeEvents(%s) = %d events, %v, want %d", purge.before, len(got), err, purge.want)
			}
		}
	})
}

// TestPurgeEvents_KeepsYoungEventsWithLowNumbers purges events that servers numbered independently: after the old ones, another
// server wrote an event with a lower number.
func TestPurgeEvents_KeepsYoungEventsWithLowNumbers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		for _, e := range []audit.Event{{ID: "old", At: noon.Add(-time.Hour)}, {ID: "older", At: noon.Add(-2 * time.Hour)}, {ID: "young", At: noon}} {
			if err := store.WriteEvents(ctx, s, []audit.Event{e}); err != nil {
				t.Fatalf("WriteEvents() = %v", err)
			}
			if e.ID == "young" {
				execute(t, db, "UPDATE events SET seq = -1 WHERE id = 'young'")
			}
			writeCheckpoints(t, s, noon.Add(time.Hour))
		}
		raw := db.Raw(t)
		left := func() string {
			rows, err := raw.QueryContext(ctx, "SELECT id FROM events ORDER BY id")
			if err != nil {
				t.Fatalf("SELECT = %v", err)
			}
			defer rows.Close()
			var ids []string
			for rows.Next() {
				var id string
				if err := rows.Scan(&id); err != nil {
					t.Fatalf("Scan() = %v", err)
				}
				ids = append(ids, id)
			}
			if err := rows.Err(); err != nil {
				t.Fatalf("Next() = %v", err)
			}
			return strings.Join(ids, " ")
		}
		if err := s.PurgeEvents(ctx, noon); err != nil || left() != "young" {
			t.Errorf("after PurgeEvents(noon), %q remain, %v, want the young one", left(), err)
		}
		checkEvents(t, s, 1)
	})
}
