package audit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// tallyWindow is how long refusals of the same actor are counted before they are stored as one event.
	tallyWindow = time.Minute
	// maxTallied bounds the memory of a Tally. Refusals of further actors are stored one by one.
	maxTallied = 10_000
)

// A Tally stores refusals so that an actor that repeats what is refused does not fill the trail: the first one at once, and those
// that follow within a minute as one event with their number. Flush stores that event. It is safe for concurrent use.
type Tally struct {
	trail Trail
	now   func() time.Time

	mu      sync.Mutex               // guards byActor
	byActor map[tallied]*talliedSpan // of the last minute
}

// A tallied names the refusals that are counted together.
type tallied struct {
	instanceKey, tenantID string
	action                Action
	kind                  ActorKind
	actorID               string
}

// A talliedSpan counts the refusals since its first one.
type talliedSpan struct {
	began    time.Time
	last     Event          // completed
	byResult map[string]int // result → refusals that no event has told
}

// NewTally returns a Tally that stores in trail, by a clock.
func NewTally(trail Trail, now func() time.Time) *Tally {
	return &Tally{trail: trail, now: now, byActor: map[tallied]*talliedSpan{}}
}

// Append stores the event of a refusal, or counts it.
func (t *Tally) Append(ctx context.Context, e Event) error {
	e = Completed(ctx, t.now(), e)
	if t.count(e) {
		return nil
	}
	if err := t.trail.AppendEvent(ctx, e); err != nil {
		t.mu.Lock()
		delete(t.byActor, key(e)) // so that the next one is stored at once
		t.mu.Unlock()
		return err
	}
	return nil
}

func key(e Event) tallied {
	return tallied{e.InstanceKey, e.TenantID, e.Action, e.Actor.Kind, e.Actor.ID}
}

// count counts e, and reports false when it is the first one, to be stored at once.
func (t *Tally) count(e Event) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	span, ok := t.byActor[key(e)]
	if !ok {
		if len(t.byActor) < maxTallied {
			t.byActor[key(e)] = &talliedSpan{began: e.At, byResult: map[string]int{}}
		}
		return false
	}
	span.last = e
	span.byResult[e.Result]++
	return true
}

// Flush stores what was counted for at least a minute. Call it once a minute.
func (t *Tally) Flush(ctx context.Context) error { return t.flush(ctx, false) }

// Close stores everything that was counted. Call it when no more refusals come.
func (t *Tally) Close(ctx context.Context) error { return t.flush(ctx, true) }

func (t *Tally) flush(ctx context.Context, all bool) error {
	now := t.now()
	var due []Event
	t.mu.Lock()
	for key, span := range t.byActor {
		if age := now.Sub(span.began); !all && age >= 0 && age < tallyWindow {
			continue
		}
		if len(span.byResult) == 0 {
			delete(t.byActor, key)
			continue
		}
		due = append(due, span.sum())
		*span = talliedSpan{began: now, byResult: map[string]int{}}
	}
	t.mu.Unlock()
	slices.SortFunc(due, func(a, b Event) int { return a.At.Compare(b.At) })
	var errs []error
	for _, e := range due {
		errs = append(errs, t.trail.AppendEvent(ctx, e))
	}
	return errors.Join(errs...)
}

// sum returns the event of all refusals of the span: its result is the most frequent one, its details count each.
func (s *talliedSpan) sum() Event {
	e := s.last
	details := map[string]string{"since": s.began.UTC().Format(time.RFC3339)}
	total := 0
	e.Result = ""
	for _, result := range slices.Sorted(maps.Keys(s.byResult)) {
		n := s.byResult[result]
		total += n
		if n > s.byResult[e.Result] {
			e.Result = result
		}
		if len(details) < maxDetails-1 {
			details["count_"+result] = strconv.Itoa(n)
		}
	}
	details["count"] = strconv.Itoa(total)
	e.Details = details
	return e
}
