package audit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/audit"
)

// A trail keeps events in memory.
type trail struct {
	mu     sync.Mutex
	events []audit.Event
	err    error
}

func (t *trail) AppendEvent(_ context.Context, e audit.Event) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.events = append(t.events, e)
	}
	return t.err
}

// take returns and forgets the events as result and count.
func (t *trail) take() (got [][2]string) {
	for _, e := range t.events {
		got = append(got, [2]string{e.Result, e.Details["count"]})
	}
	t.events = nil
	return got
}

func TestTally_StoresTheFirstAndCountsTheRest(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	stored := &trail{}
	tally := audit.NewTally(stored, func() time.Time { return now })
	refuse := func(actor, result string, times int) {
		t.Helper()
		for range times {
			e := audit.Event{Action: audit.ClientRefused, Actor: audit.Actor{Kind: audit.Client, ID: actor}, Result: result}
			if err := tally.Append(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(what string, want ...[2]string) {
		t.Helper()
		if err := tally.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, stored.take()); diff != "" {
			t.Errorf("events %s (-want +got)\n%s", what, diff)
		}
	}
	refuse("a", "forbidden", 1)
	check("of the first refusal", [2]string{"forbidden", ""})
	refuse("a", "forbidden", 600)
	refuse("a", "bad_request", 72)
	refuse("b", "bad_request", 1)
	check("within the minute", [2]string{"bad_request", ""})
	now = now.Add(time.Minute)
	check("after the minute", [2]string{"forbidden", "672"})
	refuse("a", "forbidden", 3)
	check("within the next minute")
	now = now.Add(-time.Hour)
	check("after the clock was set back", [2]string{"forbidden", "3"})
	now = now.Add(2 * time.Minute)
	check("of nothing")
	refuse("a", "forbidden", 2)
	if err := tally.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("at the end", [2]string{"forbidden", ""}, [2]string{"forbidden", "1"})
}

func TestTally_LosesNoFirstRefusalToAnError(t *testing.T) {
	stored := &trail{err: errors.New("no database")}
	tally := audit.NewTally(stored, time.Now)
	e := audit.Event{Action: audit.ClientRefused, Actor: audit.Actor{Kind: audit.Client, ID: "a"}, Result: "forbidden"}
	if err := tally.Append(t.Context(), e); !errors.Is(err, stored.err) {
		t.Errorf("Append = %v, want the error of the trail", err)
	}
	stored.err = nil
	if err := tally.Append(t.Context(), e); err != nil || len(stored.take()) != 1 {
		t.Errorf("Append after an error = %v, want the event stored at once", err)
	}
}

// An interruptedTrail lets something happen once, before it stores an event or does not.
type interruptedTrail struct {
	trail
	meanwhile func()
}

func (t *interruptedTrail) AppendEvent(ctx context.Context, e audit.Event) error {
	if happens := t.meanwhile; happens != nil {
		t.meanwhile = nil
		happens()
	}
	return t.trail.AppendEvent(ctx, e)
}

// TestTally_LosesNoCountToAnError stores what was counted while the first event of a minute could not be stored: it was granted, or
// refused, and nothing else records it.
func TestTally_LosesNoCountToAnError(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	stored := &interruptedTrail{trail: trail{err: errors.New("no database")}}
	tally := audit.NewTally(stored, func() time.Time { return now })
	e := audit.Event{Action: audit.ClientRefused, Actor: audit.Actor{Kind: audit.Client, ID: "a"}, Result: "forbidden"}
	stored.meanwhile = func() {
		if err := tally.Append(t.Context(), e); err != nil {
			t.Errorf("Append while the first event is being stored = %v, want it counted", err)
		}
	}
	if err := tally.Append(t.Context(), e); !errors.Is(err, stored.err) {
		t.Errorf("Append = %v, want the error of the trail", err)
	}
	stored.err = nil
	now = now.Add(time.Minute)
	if err := tally.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][2]string{{"forbidden", "1"}}, stored.take()); diff != "" {
		t.Errorf("events of the minute (-want +got)\n%s", diff)
	}
}

// TestUses_CountsWhatIsAlike counts apart what differs in one of the details, and counts the values of another.
func TestUses_CountsWhatIsAlike(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	stored := &trail{}
	tally := audit.NewUses(stored, func() time.Time { return now }, "method", "api", "directory")
	use := func(api, directory, method string, times int) {
		t.Helper()
		for range times {
			e := audit.Event{Action: audit.CallForwarded, Actor: audit.Actor{Kind: audit.Client, ID: "a"}, Details: map[string]string{"api": api, "directory": directory, "method": method, "path": "/x"}}
			if err := tally.Append(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	use("graph", "", "GET", 100)
	use("graph", "", "POST", 3)
	use("graph", "d", "GET", 1)
	use("arm", "", "GET", 2)
	if got := stored.take(); len(got) != 3 {
		t.Fatalf("%d events at once, want the first one of each of three", len(got))
	}
	now = now.Add(time.Minute)
	if err := tally.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	byAPI := map[string]map[string]string{}
	for _, e := range stored.events {
		byAPI[e.Details["api"]] = e.Details
		if e.Result != audit.OK {
			t.Errorf("the result is %q, want ok", e.Result)
		}
	}
	since := "2026-11-23T08:00:00Z"
	want := map[string]map[string]string{
		"graph": {"api": "graph", "count": "102", "count_GET": "99", "count_POST": "3", "since": since},
		"arm":   {"api": "arm", "count": "1", "count_GET": "1", "since": since},
	}
	if diff := cmp.Diff(want, byAPI); diff != "" {
		t.Errorf("events of the minute (-want +got)\n%s", diff)
	}
}

// TestTally_KeepsItsCountsWhileTheTrailIsAway: what was counted is stored once the trail takes it, with its first moment.
func TestTally_KeepsItsCountsWhileTheTrailIsAway(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	stored := &trail{}
	tally := audit.NewTally(stored, func() time.Time { return now })
	refuse := func(times int) {
		t.Helper()
		for range times {
			if err := tally.Append(t.Context(), audit.Event{Action: audit.ClientRefused, Actor: audit.Actor{Kind: audit.Client, ID: "billing"}, Result: "forbidden"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	refuse(4)
	stored.err = errors.New("away")
	now = now.Add(time.Minute)
	if err := tally.Flush(t.Context()); !errors.Is(err, stored.err) {
		t.Errorf("Flush() while the trail is away = %v", err)
	}
	refuse(2)
	stored.err = nil
	now = now.Add(time.Minute)
	if err := tally.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	since := stored.events[len(stored.events)-1].Details["since"]
	if diff := cmp.Diff([][2]string{{"forbidden", ""}, {"forbidden", "5"}}, stored.take()); diff != "" || since != "2026-11-23T08:00:00Z" {
		t.Errorf("events since %s (-want +got)\n%s", since, diff)
	}
}
