package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math"

	"gorm.io/gorm"
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
	// Problems counts the changes and holes.
	Problems int64
}

// VerifyEvents compares all events with their checkpoints and the checkpoints with each other, changes nothing, and calls
// problem for every change and every hole. It may run while other processes write events.
func (s *Store) VerifyEvents(ctx context.Context, problem func(text string)) (Verification, error) {
	for {
		v := verifier{store: s}
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
		for _, text := range v.problems {
			problem(text)
		}
		return v.result, nil
	}
}

// maxProblems is how many problems are kept in memory; all are counted.
const maxProblems = 10_000

type verifier struct {
	store    *Store
	problems []string
	result   Verification

	events []eventRow // read ahead, in the order of their checkpoints
	after  eventRow   // the last one that was read
	ended  bool       // no event remains to be read
	limit  int64      // the last checkpoint when the verification began
}

func (v *verifier) report(format string, args ...any) {
	v.result.Problems++
	if len(v.problems) < maxProblems {
		v.problems = append(v.problems, fmt.Sprintf(format, args...))
	}
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
				v.report("checkpoints %d to %d are missing", number+1, row.Number-1)
			} else if !bytes.Equal(row.Previous, previous) {
				v.report("checkpoint %d does not follow the one before it: one of them was changed", row.Number)
			}
			if !v.store.provenCheckpoint(row) {
				v.report("checkpoint %d was changed: its MAC is wrong", row.Number)
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
	for {
		e, ok, err := v.next(ctx)
		if err != nil {
			return err
		}
		if !ok || *e.Checkpoint != c.Number {
			break
		}
		digest.add(e.event())
		v.result.Events++
		v.events = v.events[1:]
	}
	switch {
	case digest.events != c.Events:
		v.report("checkpoint %d covers %d events, and %d are there", c.Number, c.Events, digest.events)
	case !bytes.Equal(digest.hash(), c.Hash):
		v.report("an event of checkpoint %d was changed; it covers %d events until %s", c.Number, c.Events, c.EndsAt.Time.Format("2006-01-02 15:04:05 UTC"))
	}
	return nil
}

// skipTo reports the events whose checkpoint is missing, before one that is there.
func (v *verifier) skipTo(ctx context.Context, number int64) error {
	var skipped int64
	for {
		e, ok, err := v.next(ctx)
		if err != nil {
			return err
		}
		if !ok || *e.Checkpoint >= number {
			break
		}
		skipped++
		v.events = v.events[1:]
	}
	if skipped > 0 {
		v.report("%d events belong to checkpoints before %d that are missing", skipped, number)
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
		v.report("%d events belong to checkpoints after %d that are missing", n, number)
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
	var aside int64
	err := v.store.db.Read(ctx, func(db *gorm.DB) error {
		return db.Model(&eventRow{}).Where("checkpoint = ?", setAside).Count(&aside).Error
	})
	if err != nil {
		return err
	}
	if aside > 0 {
		v.report("%d events were changed, or written by somebody else, before a checkpoint covered them", aside)
	}
	var after int64
	for {
		var rows []eventRow
		err := v.store.db.Read(ctx, func(db *gorm.DB) error {
			rows = nil
			return db.Where("checkpoint IS NULL AND seq > ?", after).Order("seq").Limit(checkpointEvents).Find(&rows).Error
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			v.result.Uncovered++
			if !v.store.keyring.CheckMAC(row.MAC, eventPurpose, eventParts(row.event())...) {
				v.report("event %s was changed, or written by somebody else: its MAC is wrong", row.ID)
			}
		}
		after = rows[len(rows)-1].Seq
	}
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
