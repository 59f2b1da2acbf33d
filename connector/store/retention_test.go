package store_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
)

func TestPurgeEvents(t *testing.T) {
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
		for _, purge := range []struct {
			before time.Time
			want   int
		}{
			{noon.AddDate(-1, 0, 0), old + fresh}, // the first event has exactly this time
			{noon.AddDate(-1, 0, 0).Add(3 * time.Second), old + fresh - 3},
			{noon, fresh},
			{noon, fresh},
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
