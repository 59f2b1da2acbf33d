package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/seal"
)

// A Verification is what VerifyEvents found.
type Verification struct {
	Checkpoints, Events int64 // whose hashes were compared
	// Removed counts the events that retention removed, and First is the first checkpoint after those; 0 without checkpoints.
	Removed, First int64
	// Last is the last checkpoint. Its hash proves all events up to it: compared with one that was noted earlier, it shows
	// whether the end of the trail was cut off.
	Last Checkpoint
	// Uncovered counts the events that no checkpoint covers yet.
	Uncovered int64
	// Problems counts the changes and holes that nobody has accepted, and Accepted the others. Found are the former, at most
	// the first ten thousand.
	Problems, Accepted int64
	Found              []EventProblem
}

// An EventProblem is a change or a hole.
type EventProblem struct {
	Text string
	// state identifies the problem and what is there now. After another change it is another problem.
	state string
}

// VerifyEvents compares all events with their checkpoints and the checkpoints with each other, changes nothing, and calls
// problem for every change and every hole. It may run while other processes write events.
func (s *Store) VerifyEvents(ctx context.Context, problem func(text string)) (Verification, error) {
	for {
		v := verifier{store: s, accepted: map[string]bool{}}
		removal, err := v.run(ctx)
		if err != nil {
			return v.result, fmt.Errorf("verifying events: %w", err)
		}
		now, err := s.lastRemoval(ctx)
		if err != nil {
			return v.result, fmt.Errorf("verifying events: %w", err)
		}
		if now.Number != removal.Number {
			continue // retention removed meanwhile what was being compared
		}
		v.result.Found = slices.DeleteFunc(v.problems, func(p EventProblem) bool { return v.accepted[p.state] })
		v.result.Accepted = int64(len(v.problems) - len(v.result.Found))
		v.result.Problems -= v.result.Accepted
		for _, p := range v.result.Found {
			problem(p.Text)
		}
		return v.result, nil
	}
}

// maxProblems is how many problems are kept in memory; all are counted.
const maxProblems = 10_000

type verifier struct {
	store    *Store
	problems []EventProblem
	accepted map[string]bool // states of problems that an event accepts which is proven itself
	result   Verification

	events []eventRow // read ahead, in the order of their checkpoints
	after  eventRow   // the last one that was read
	ended  bool       // no event remains to be read
	limit  int64      // the last checkpoint when the verification began
}

// report reports a problem. evidence is what is there now.
func (v *verifier) report(evidence []byte, format string, args ...any) {
	v.result.Problems++
	if len(v.problems) < maxProblems {
		text := fmt.Sprintf(format, args...)
		state := sha256.Sum256(seal.Encode(text, string(evidence)))
		v.problems = append(v.problems, EventProblem{text, hex.EncodeToString(state[:])})
	}
}

// The details of an event that accepts a problem.
const (
	acceptedTable = "table" // events
	acceptedState = "state" // EventProblem.state
)

// acceptance returns the state of the problem that an event accepts; empty when it accepts none.
func acceptance(e audit.Event) string {
	if e.Action != audit.IntegrityAccepted || e.Details[acceptedTable] != (eventRow{}).TableName() {
		return ""
	}
	return e.Details[acceptedState]
}

// AcceptEvents makes VerifyEvents count problems that it has found as accepted, as long as what is there stays the same. It
// appends an event by an actor for each, and changes nothing else.
func (s *Store) AcceptEvents(ctx context.Context, found []EventProblem, now time.Time, by audit.Actor) error {
	return s.Transact(ctx, func(ctx context.Context) error {
		for _, p := range found {
			err := audit.Append(ctx, s, now, audit.Event{
				Action: audit.IntegrityAccepted, Actor: by,
				Details: map[string]string{acceptedTable: (eventRow{}).TableName(), acceptedState: p.state, "problem": p.Text},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// run returns the last removal that it saw.
func (v *verifier) run(ctx context.Context) (removal checkpointRow, err error) {
	last, err := v.store.lastCheckpoint(ctx)
	if err != nil {
		return checkpointRow{}, err
	}
	v.limit = last.Number
	v.result.Last = Checkpoint{last.Number, last.Events, last.whole()}
	if removal, err = v.store.lastRemoval(ctx); err != nil {
		return checkpointRow{}, err
	}
	v.result.Removed = removal.RemovedEvents
	if err := v.walk(ctx, removal); err != nil {
		return checkpointRow{}, err
	}
	return removal, v.rest(ctx)
}

// walk verifies the chain of checkpoints after those that retention removed.
func (v *verifier) walk(ctx context.Context, removal checkpointRow) error {
	number, previous := removal.RemovedThrough, removal.RemovedHash
	v.after.Checkpoint, v.after.Seq = &removal.RemovedThrough, math.MaxInt64 // what retention has not yet removed is not compared
	for number < v.limit {
		rows, err := v.store.checkpointsAfter(ctx, number)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			if row.Number > v.limit {
				break
			}
			if v.result.First == 0 {
				v.result.First = row.Number
			}
			if row.Number != number+1 {
				v.report(nil, "checkpoints %d to %d are missing", number+1, row.Number-1)
			} else if !bytes.Equal(row.Previous, previous) {
				v.report(seal.Encode(string(row.whole()), string(previous)), "checkpoint %d does not follow the one before it: one of them was changed", row.Number)
			}
			if !v.store.provenCheckpoint(row) {
				v.report(row.whole(), "checkpoint %d was changed: its MAC is wrong", row.Number)
			}
			if err := v.compare(ctx, row); err != nil {
				return err
			}
			v.result.Checkpoints++
			number, previous = row.Number, row.whole()
		}
		if rows[len(rows)-1].Number >= v.limit {
			break
		}
	}
	return v.orphans(ctx, number)
}

// compare compares the events of a checkpoint with its hash.
func (v *verifier) compare(ctx context.Context, c checkpointRow) error {
	if err := v.skipTo(ctx, c.Number); err != nil {
		return err
	}
	var digest digester
	var accepted []string
	for {
		e, ok, err := v.next(ctx)
		if err != nil {
			return err
		}
		if !ok || *e.Checkpoint != c.Number {
			break
		}
		digest.add(e.event())
		if state := acceptance(e.event()); state != "" {
			accepted = append(accepted, state)
		}
		v.result.Events++
		v.events = v.events[1:]
	}
	switch {
	case digest.events != c.Events:
		v.report(digest.hash(), "checkpoint %d covers %d events, and %d are there", c.Number, c.Events, digest.events)
	case !bytes.Equal(digest.hash(), c.Hash):
		v.report(digest.hash(), "an event of checkpoint %d was changed; it covers %d events until %s", c.Number, c.Events, c.EndsAt.Time.Format("2006-01-02 15:04:05 UTC"))
	case v.store.provenCheckpoint(c):
		for _, state := range accepted {
			v.accepted[state] = true
		}
	}
	return nil
}

// skipTo reports the events whose checkpoint is missing, before one that is there.
func (v *verifier) skipTo(ctx context.Context, number int64) error {
	var skipped digester
	for {
		e, ok, err := v.next(ctx)
		if err != nil {
			return err
		}
		if !ok || *e.Checkpoint >= number {
			break
		}
		skipped.add(e.event())
		v.events = v.events[1:]
	}
	if skipped.events > 0 {
		v.report(skipped.hash(), "%d events belong to checkpoints before %d that are missing", skipped.events, number)
	}
	return nil
}

// orphans reports the events after the last checkpoint.
func (v *verifier) orphans(ctx context.Context, number int64) error {
	var n int64
	err := v.store.db.Read(ctx, func(db *gorm.DB) error {
		// A checkpoint that was written since the beginning has its events.
		return db.Model(&eventRow{}).Where("checkpoint > ? AND NOT EXISTS (SELECT 1 FROM checkpoints c WHERE c.number = events.checkpoint)", number).Count(&n).Error
	})
	if err == nil && n > 0 {
		v.report(nil, "%d events belong to checkpoints after %d that are missing", n, number)
	}
	return err
}

// next returns the next covered event without taking it.
func (v *verifier) next(ctx context.Context) (eventRow, bool, error) {
	if len(v.events) == 0 && !v.ended {
		err := v.store.db.Read(ctx, func(db *gorm.DB) error {
			v.events = nil
			return db.Where("checkpoint >= ? AND (checkpoint > ? OR seq > ?) AND checkpoint <= ?",
				*v.after.Checkpoint, *v.after.Checkpoint, v.after.Seq, v.limit).
				Order("checkpoint, seq").Limit(checkpointEvents).Find(&v.events).Error
		})
		if err != nil {
			return eventRow{}, false, err
		}
		if len(v.events) == 0 {
			v.ended = true
		} else {
			v.after = v.events[len(v.events)-1]
		}
	}
	if len(v.events) == 0 {
		return eventRow{}, false, nil
	}
	return v.events[0], true, nil
}

// rest looks at the events that no checkpoint covers.
func (v *verifier) rest(ctx context.Context) error {
	var aside digester
	err := v.each(ctx, "checkpoint = 0", func(row eventRow) { aside.add(row.event()) })
	if err != nil {
		return err
	}
	if aside.events > 0 {
		v.report(aside.hash(), "%d events were changed, or written by somebody else, before a checkpoint covered them", aside.events)
	}
	return v.each(ctx, "checkpoint IS NULL", func(row eventRow) {
		v.result.Uncovered++
		e := row.event()
		if !v.store.keyring.CheckMAC(row.MAC, eventPurpose, eventParts(e)...) {
			v.report(seal.Encode(eventParts(e)...), "event %s was changed, or written by somebody else: its MAC is wrong", row.ID)
		} else if state := acceptance(e); state != "" {
			v.accepted[state] = true
		}
	})
}

// each calls fn with the events that meet a condition, in the order of their sequence numbers.
func (v *verifier) each(ctx context.Context, condition string, fn func(row eventRow)) error {
	var after int64
	for {
		var rows []eventRow
		err := v.store.db.Read(ctx, func(db *gorm.DB) error {
			rows = nil
			return db.Where(condition+" AND seq > ?", after).Order("seq").Limit(checkpointEvents).Find(&rows).Error
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			fn(row)
		}
		after = rows[len(rows)-1].Seq
	}
}

// provenEvent reports whether an event is as the connector stored it. Its MAC tells, unless the key of that was retired since: then
// its checkpoint does. intact remembers, by their numbers, the checkpoints that were compared.
func (s *Store) provenEvent(ctx context.Context, row eventRow, intact map[int64]bool) (bool, error) {
	switch {
	case row.Checkpoint != nil && *row.Checkpoint == setAside:
		return false, nil
	case s.keyring.CheckMAC(row.MAC, eventPurpose, eventParts(row.event())...):
		return true, nil
	case row.Checkpoint == nil:
		return false, nil
	}
	number := *row.Checkpoint
	if _, compared := intact[number]; !compared {
		ok, err := s.intactCheckpoint(ctx, number)
		if err != nil {
			return false, err
		}
		intact[number] = ok
	}
	return intact[number], nil
}

// intactCheckpoint reports whether a checkpoint and all events that it covers are as they were stored.
func (s *Store) intactCheckpoint(ctx context.Context, number int64) (bool, error) {
	var checkpoints []checkpointRow
	var rows []eventRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		checkpoints, rows = nil, nil
		err := db.Where("number = ?", number).Limit(1).Find(&checkpoints).Error
		if err != nil || len(checkpoints) == 0 {
			return err
		}
		return db.Where("checkpoint = ?", number).Order("seq").Limit(checkpointEvents + 1).Find(&rows).Error
	})
	if err != nil || len(checkpoints) == 0 || !s.provenCheckpoint(checkpoints[0]) {
		return false, err
	}
	var digest digester
	for _, row := range rows {
		digest.add(row.event())
	}
	return digest.events == checkpoints[0].Events && bytes.Equal(digest.hash(), checkpoints[0].Hash), nil
}

// CompareCheckpoint returns an error unless the checkpoint with a number has a hash, in hexadecimal digits, that was noted
// earlier. It cannot tell for a checkpoint that retention removed.
func (s *Store) CompareCheckpoint(ctx context.Context, number int64, hash string) error {
	rows, err := s.checkpointsAfter(ctx, number-1)
	if err != nil {
		return err
	}
	if len(rows) > 0 && rows[0].Number == number {
		if noted, err := hex.DecodeString(hash); err != nil || !bytes.Equal(noted, rows[0].whole()) {
			return fmt.Errorf("checkpoint %d does not have the hash that was noted: the trail was replaced from there on", number)
		}
		return nil
	}
	removal, err := s.lastRemoval(ctx)
	if err != nil {
		return err
	}
	if number <= removal.RemovedThrough {
		return fmt.Errorf("checkpoint %d cannot be compared: retention removed it", number)
	}
	return fmt.Errorf("checkpoint %d is gone: the end of the trail was cut off", number)
}
