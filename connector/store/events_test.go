package store_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store/storetest"
)

func TestEvents_AreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		want := audit.Event{
			ID: random.ID(), At: noonStored, InstanceKey: instanceKey, TenantID: random.ID(), Action: audit.ConsentGranted,
			Actor:  audit.Actor{Kind: audit.User, ID: random.ID(), Name: "Paul Panel", AccountID: random.ID(), OriginalID: random.ID()},
			Result: audit.OK, Reference: "ABCD", Details: map[string]string{"directory": "x"},
		}
		bare := audit.Event{ID: random.ID(), At: noon.Add(time.Second), TenantID: want.TenantID}
		for _, e := range []audit.Event{want, bare, {ID: random.ID(), At: noon, TenantID: random.ID()}} {
			if err := s.AppendEvent(ctx, e); err != nil {
				t.Fatalf("AppendEvent() = %v", err)
			}
		}
		bare.At = noonStored.Add(time.Second)
		got, err := s.Events(ctx, want.TenantID, time.Time{}, 10)
		if diff := cmp.Diff([]audit.Event{bare, want}, got); err != nil || diff != "" {
			t.Errorf("Events() = _, %v, differs (-want +got):\n%s", err, diff)
		}
		if got, err := s.Events(ctx, random.ID(), time.Time{}, 10); err != nil || len(got) != 0 {
			t.Errorf("Events() of an unknown tenant = %d events, %v, want none", len(got), err)
		}
	})
}

// TestOwnEvents_AreInTheOrderOfTheTrail: a clock that is ahead or behind shows nobody what was before a move.
func TestOwnEvents_AreInTheOrderOfTheTrail(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		moved := newTenant()
		moved.MovedAt = noon.Add(time.Minute)
		if err := s.SaveTenant(ctx, &moved); err != nil {
			t.Fatalf("SaveTenant() = %v", err)
		}
		for i, e := range []audit.Event{
			{Action: audit.ConsentGranted, At: noon},
			{Action: audit.RenewalFailed, At: noon.AddDate(1, 0, 0)},
			{Action: audit.TenantMoved, At: noon.Add(time.Minute)},
			{Action: audit.ConsentGranted, At: noon.Add(-time.Hour)},
			{Action: audit.RenewalFailed, At: noon.Add(time.Hour)},
		} {
			e.ID, e.TenantID = strconv.Itoa(i), moved.ID
			if err := s.AppendEvent(ctx, e); err != nil {
				t.Fatalf("AppendEvent() = %v", err)
			}
		}
		ids := func(events []audit.Event, err error) []string {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range events {
				got = append(got, e.ID)
			}
			return got
		}
		if got := ids(s.OwnEvents(ctx, moved.ID, time.Time{}, 10)); !slices.Equal(got, []string{"4", "2", "3"}) {
			t.Errorf("OwnEvents() = %v, want those since the move", got)
		}
		if got := ids(s.OwnEvents(ctx, moved.ID, noon.Add(time.Minute), 10)); !slices.Equal(got, []string{"3"}) {
			t.Errorf("OwnEvents() before the move's time = %v, want the last one", got)
		}
		if got := ids(s.Events(ctx, moved.ID, time.Time{}, 10)); len(got) != 5 {
			t.Errorf("Events() = %v, want all", got)
		}
		actions := []audit.Action{audit.ConsentGranted, audit.RenewalFailed}
		if got := ids(s.EventsOf(ctx, moved.ID, actions, 10)); !slices.Equal(got, []string{"4", "3"}) {
			t.Errorf("EventsOf() = %v, want those since the move", got)
		}
		if got := ids(s.OwnEvents(ctx, "another", time.Time{}, 10)); len(got) != 0 {
			t.Errorf("OwnEvents() of another tenant = %v, want none", got)
		}
	})
}

func TestEvents_Pages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		seconds := []int{0, 1, 1, 2, 3, 3, 3, 4} // pairs and triples with the same time
		var want []string
		for i, second := range seconds {
			e := audit.Event{ID: strconv.Itoa(i), At: noon.Add(time.Duration(second) * time.Second), TenantID: "tenant"}
			if err := s.AppendEvent(ctx, e); err != nil {
				t.Fatalf("AppendEvent() = %v", err)
			}
			want = append([]string{e.ID}, want...)
		}
		for _, limit := range []int{3, 4, 5, 8, 50} { // no page is smaller than the triple
			var got []string
			var before time.Time
			for {
				page, err := s.Events(ctx, "tenant", before, limit)
				if err != nil || len(page) > limit {
					t.Fatalf("Events(%v, %d) = %d events, %v", before, limit, len(page), err)
				}
				if len(page) == 0 {
					break
				}
				for _, e := range page {
					got = append(got, e.ID)
				}
				before = page[len(page)-1].At
			}
			if !slices.Equal(got, want) {
				t.Errorf("Events() by pages of %d = %q, want %q", limit, got, want)
			}
		}
		for limit, want := range map[int]int{0: 0, -1: 0, 1: 1} {
			if page, err := s.Events(ctx, "tenant", noon.Add(4*time.Second), limit); err != nil || len(page) != want {
				t.Errorf("Events(%d) = %d events, %v, want %d", limit, len(page), err, want)
			}
		}
	})
}
