package audit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// tallyWindow is how long events of the same actor are counted before they are stored as one event.
	tallyWindow = time.Minute
	// maxTallied bounds the memory of a Tally. Events of further actors are stored one by one.
	maxTallied = 10_000
)

// A Tally stores events that repeat so that they do not fill the trail: the first one of an actor at once, and those that follow
// within a minute as one event with their number. Flush stores that event. It is safe for concurrent use.
type Tally struct {
	trail Trail
	now   func() time.Time
	by    string   // the detail whose values are counted; empty for the result
	apart []string // the details that events of one count share

	mu      sync.Mutex               // guards byActor
	byActor map[tallied]*talliedSpan // of the last minute
}

// A tallied names the events that are counted together.
type tallied struct {
	instanceKey, tenantID string
	action                Action
	kind                  ActorKind
	actorID               string
	apart                 string // the values of Tally.apart, each with a zero byte behind it
}

// A talliedSpan counts the events since its first one. There may be 10,000, so it is small: most count one value.
type talliedSpan struct {
	began  time.Time
	last   Event   // completed, without its details
	counts []count // by value, of the events that the trail does not have
}

// A count says how often a value occurred.
type count struct {
	value string
	n     int
}

// add counts n events with a value.
func (s *talliedSpan) add(value string, n int) {
	for i := range s.counts {
		if s.counts[i].value == value {
			s.counts[i].n += n
			return
		}
	}
	s.counts = append(s.counts, count{value, n})
}

// NewTally returns a Tally of refusals that stores in trail, by a clock. It counts each result.
func NewTally(trail Trail, now func() time.Time) *Tally {
	return &Tally{trail: trail, now: now, byActor: map[tallied]*talliedSpan{}}
}

// NewUses returns a Tally of what actors may do and often do. It counts the values of the detail by, and counts apart what differs
// in one of the details apart.
func NewUses(trail Trail, now func() time.Time, by string, apart ...string) *Tally {
	t := NewTally(trail, now)
	t.by, t.apart = by, apart
	return t
}

// Append stores an event, or counts it.
func (t *Tally) Append(ctx context.Context, e Event) error {
	e = Completed(ctx, t.now(), e)
	if t.count(e) {
		return nil
	}
	if err := t.trail.AppendEvent(ctx, e); err != nil {
		t.unbegin(e)
		return err
	}
	return nil
}

// unbegin ends the span of an event that could not be stored, so that the next one is stored at once. A span that has counted others
// meanwhile goes on: nothing else knows of them.
func (t *Tally) unbegin(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := t.key(e)
	if span, ok := t.byActor[key]; ok && len(span.counts) == 0 {
		delete(t.byActor, key)
	}
}

func (t *Tally) key(e Event) tallied {
	var apart strings.Builder
	for _, name := range t.apart {
		apart.WriteString(e.Details[name])
		apart.WriteByte(0)
	}
	return tallied{e.InstanceKey, e.TenantID, e.Action, e.Actor.Kind, e.Actor.ID, apart.String()}
}

// count counts e, and reports false when it is the first one, to be stored at once.
func (t *Tally) count(e Event) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := t.key(e)
	span, ok := t.byActor[key]
	if !ok {
		if len(t.byActor) < maxTallied {
			t.byActor[key] = &talliedSpan{began: e.At}
		}
		return false
	}
	value := e.Result
	if t.by != "" {
		value = e.Details[t.by]
	}
	span.add(value, 1)
	e.Details = nil
	span.last = e
	return true
}

// Flush stores what was counted for at least a minute. Call it once a minute.
func (t *Tally) Flush(ctx context.Context) error { return t.flush(ctx, false) }

// Close stores everything that was counted. Call it when no more events come.
func (t *Tally) Close(ctx context.Context) error { return t.flush(ctx, true) }

func (t *Tally) flush(ctx context.Context, all bool) error {
	now := t.now()
	due := map[tallied]talliedSpan{}
	t.mu.Lock()
	for key, span := range t.byActor {
		if age := now.Sub(span.began); !all && age >= 0 && age < tallyWindow {
			continue
		}
		if len(span.counts) == 0 {
			delete(t.byActor, key)
			continue
		}
		due[key] = *span
		*span = talliedSpan{began: now}
	}
	t.mu.Unlock()
	var errs []error
	for _, key := range slices.SortedFunc(maps.Keys(due), func(a, b tallied) int { return due[a].last.At.Compare(due[b].last.At) }) {
		span := due[key]
		if err := t.trail.AppendEvent(ctx, t.sum(key, span)); err != nil {
			t.restore(key, span)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// restore counts again what could not be stored.
func (t *Tally) restore(key tallied, unstored talliedSpan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	span, ok := t.byActor[key]
	if !ok {
		t.byActor[key] = &unstored
		return
	}
	span.began = unstored.began
	if len(span.counts) == 0 {
		span.last = unstored.last
	}
	for _, c := range unstored.counts {
		span.add(c.value, c.n)
	}
}

// sum returns the event of everything that a span counted. Its details have how often each value occurred, and its result, unless
// another detail is counted, is the most frequent one.
func (t *Tally) sum(key tallied, s talliedSpan) Event {
	e := s.last
	details := map[string]string{"since": s.began.UTC().Format(time.RFC3339)}
	values := strings.Split(key.apart, "\x00")
	for i, name := range t.apart {
		if values[i] != "" {
			details[name] = values[i]
		}
	}
	total, most := 0, 0
	slices.SortFunc(s.counts, func(a, b count) int { return strings.Compare(a.value, b.value) })
	for _, c := range s.counts {
		total += c.n
		if t.by == "" && c.n > most {
			e.Result, most = c.value, c.n
		}
		if c.value != "" && len(details) < maxDetails-1 {
			details["count_"+c.value] = strconv.Itoa(c.n)
		}
	}
	details["count"] = strconv.Itoa(total)
	e.Details = details
	return e
}
