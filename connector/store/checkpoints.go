package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store/sqldb"
)

const (
	eventPurpose      = "event"
	checkpointPurpose = "checkpoint"
)

const (
	// checkpointEvents is the most events that one checkpoint covers; it is written in one transaction.
	checkpointEvents = purgeBatch
	// checkpointAge is how old an event is when a checkpoint covers it, so that a checkpoint covers many. An event whose time is
	// as far in the future comes from a clock that was wrong, and is not waited for.
	checkpointAge = time.Minute
	// setAside is the checkpoint of events whose MAC was found wrong.
	setAside = 0
)

// errOtherCheckpoint means that another replica wrote the next checkpoint.
var errOtherCheckpoint = errors.New("another replica wrote this checkpoint")

type checkpointRow struct {
	Number         int64           `gorm:"primaryKey;autoIncrement:false"`
	Written        sqldb.Timestamp `gorm:"column:written_at"`
	EndsAt         sqldb.Timestamp
	Events         int64
	Hash           []byte
	Previous       []byte
	RemovedThrough int64
	RemovedEvents  int64
	RemovedHash    []byte
	MAC            []byte
}

// TableName implements gorm's Tabler.
func (checkpointRow) TableName() string { return "checkpoints" }

func (c checkpointRow) parts() []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{
		number(c.Number), timePart(c.Written.Time), timePart(c.EndsAt.Time), number(c.Events), string(c.Hash), string(c.Previous),
		number(c.RemovedThrough), number(c.RemovedEvents), string(c.RemovedHash),
	}
}

// whole returns the hash of everything that c says, to which the next checkpoint refers. It does not contain the MAC, which
// changes with the keys.
func (c checkpointRow) whole() []byte {
	sum := sha256.Sum256(seal.Encode(c.parts()...))
	return sum[:]
}

func timePart(t time.Time) string { return sqldb.StoredTime(t).Format(time.RFC3339Nano) }

// eventParts returns everything that an event says.
func eventParts(e audit.Event) []string {
	var details []string
	for _, name := range slices.Sorted(maps.Keys(e.Details)) {
		details = append(details, validUTF8(name), validUTF8(e.Details[name]))
	}
	return []string{
		e.ID, timePart(e.At), e.InstanceKey, e.TenantID, string(e.Action), string(e.Actor.Kind), e.Actor.ID, e.Actor.Name, e.Actor.AccountID,
		e.Actor.OriginalID, e.Result, e.Reference, string(seal.Encode(details...)),
	}
}

// validUTF8 returns text as it is read back from JSON.
func validUTF8(text string) string { return string([]rune(text)) }

func (s *Store) eventMAC(e audit.Event) []byte { return s.keyring.MAC(eventPurpose, eventParts(e)...) }

// A digester computes the hash of the events of a checkpoint, in the order of their sequence numbers.
type digester struct {
	events int64
	sum    [sha256.Size]byte
}

func (d *digester) add(e audit.Event) {
	d.events++
	of := sha256.Sum256(seal.Encode(eventParts(e)...))
	d.sum = sha256.Sum256(append(d.sum[:], of[:]...))
}

func (d *digester) hash() []byte { return d.sum[:] }

// A Checkpoint is what WriteCheckpoints reports about one that it wrote.
type Checkpoint struct {
	Number int64
	Events int64
	Hash   []byte // proves this and all earlier checkpoints
}

// WriteCheckpoints covers by checkpoints the events that happened more than a minute before now, and calls written for each
// checkpoint, which covers up to a thousand. It stops, without an error, when ctx ends or another replica writes one. It
// returns how many events had a wrong MAC: they are set aside, and no checkpoint covers them.
func (s *Store) WriteCheckpoints(ctx context.Context, now time.Time, written func(Checkpoint)) (wrong int, err error) {
	for ctx.Err() == nil {
		rows, err := s.uncovered(ctx, "(happened_at <= ? OR happened_at >= ?)", sqldb.NewTimestamp(now.Add(-checkpointAge)), sqldb.NewTimestamp(now.Add(checkpointAge)))
		if err != nil || len(rows) == 0 {
			return wrong, err
		}
		proven := make([]eventRow, 0, len(rows))
		var forged []int64
		for _, row := range rows {
			if s.keyring.CheckMAC(row.MAC, eventPurpose, eventParts(row.event())...) {
				proven = append(proven, row)
			} else {
				forged = append(forged, row.Seq)
			}
		}
		if err := s.setEventsAside(ctx, forged); err != nil {
			return wrong, err
		}
		wrong += len(forged)
		if err := s.cover(ctx, now, proven, written); err != nil {
			if errors.Is(err, errOtherCheckpoint) {
				err = nil
			}
			return wrong, err
		}
		if len(rows) < checkpointEvents {
			return wrong, nil
		}
	}
	return wrong, nil
}

// coverEarlierEvents covers the events of a program that wrote none with MACs.
func (s *Store) coverEarlierEvents(ctx context.Context) error {
	for {
		rows, err := s.uncovered(ctx, "mac IS NULL")
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := s.cover(ctx, s.now(), rows, func(Checkpoint) {}); err != nil {
			return err
		}
	}
}

// uncovered returns the next events that no checkpoint covers and that meet a condition. It names the index: a database whose
// statistics are of a time with few checkpoints would read the whole table.
func (s *Store) uncovered(ctx context.Context, condition string, args ...any) (rows []eventRow, err error) {
	index := "FORCE INDEX (events_checkpoint)"
	if s.db.Driver() == sqldb.SQLite {
		index = "INDEXED BY events_checkpoint"
	}
	query := "SELECT * FROM events " + index + " WHERE checkpoint IS NULL AND " + condition + " ORDER BY seq LIMIT ?"
	err = s.db.Read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Raw(query, append(args, checkpointEvents)...).Scan(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading events that no checkpoint covers: %w", err)
	}
	return rows, nil
}

func (s *Store) setEventsAside(ctx context.Context, seqs []int64) error {
	if len(seqs) == 0 {
		return nil
	}
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Model(&eventRow{}).Where("seq IN ?", seqs).Update("checkpoint", setAside).Error
	})
	if err != nil {
		return fmt.Errorf("setting events aside: %w", err)
	}
	return nil
}

// cover writes the next checkpoint, for events in the order of their sequence numbers. It returns errOtherCheckpoint when
// another replica is faster.
func (s *Store) cover(ctx context.Context, now time.Time, rows []eventRow, written func(Checkpoint)) error {
	if len(rows) == 0 {
		return nil
	}
	var digest digester
	seqs := make([]int64, len(rows))
	ends := time.Time{}
	for i, row := range rows {
		seqs[i] = row.Seq
		digest.add(row.event())
		if row.HappenedAt.Time.After(ends) {
			ends = row.HappenedAt.Time
		}
	}
	if ends.After(now) {
		ends = now // a wrong clock does not keep events for longer
	}
	next := checkpointRow{EndsAt: sqldb.NewTimestamp(ends), Events: digest.events, Hash: digest.hash()}
	err := s.Transact(ctx, func(ctx context.Context) error {
		if err := s.addCheckpoint(ctx, now, &next); err != nil {
			return err
		}
		return s.db.Write(ctx, func(db *gorm.DB) error {
			update := db.Model(&eventRow{}).Where("seq IN ? AND checkpoint IS NULL", seqs).Update("checkpoint", next.Number)
			if update.Error == nil && update.RowsAffected != int64(len(seqs)) {
				return errOtherCheckpoint
			}
			return update.Error
		})
	})
	if err != nil {
		return fmt.Errorf("writing a checkpoint: %w", err)
	}
	written(Checkpoint{next.Number, next.Events, next.whole()})
	return nil
}

// addCheckpoint numbers next after the last checkpoint, links it to that, and stores it.
func (s *Store) addCheckpoint(ctx context.Context, now time.Time, next *checkpointRow) error {
	last, err := s.lastCheckpoint(ctx)
	if err != nil {
		return err
	}
	next.Number, next.Written = last.Number+1, sqldb.NewTimestamp(now)
	next.Previous = []byte{}
	if last.Number > 0 {
		next.Previous = last.whole()
	}
	if next.RemovedHash == nil {
		next.RemovedHash = []byte{}
	}
	next.MAC = s.keyring.MAC(checkpointPurpose, next.parts()...)
	err = s.db.Write(ctx, func(db *gorm.DB) error { return db.Create(next).Error })
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return errOtherCheckpoint
	}
	return err
}

// lastCheckpoint returns the zero row when there is none.
func (s *Store) lastCheckpoint(ctx context.Context) (checkpointRow, error) {
	var rows []checkpointRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Order("number DESC").Limit(1).Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return checkpointRow{}, err
	}
	return rows[0], nil
}

// checkpointsAfter returns the next checkpoints after a number.
func (s *Store) checkpointsAfter(ctx context.Context, number int64) (rows []checkpointRow, err error) {
	err = s.db.Read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Where("number > ?", number).Order("number").Limit(checkpointEvents).Find(&rows).Error
	})
	return rows, err
}

func (s *Store) provenCheckpoint(c checkpointRow) bool {
	return s.keyring.CheckMAC(c.MAC, checkpointPurpose, c.parts()...)
}

// lastRemoval returns the last checkpoint that names removed ones; the zero row when there is none.
func (s *Store) lastRemoval(ctx context.Context) (checkpointRow, error) {
	var rows []checkpointRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Where("removed_through > 0").Order("removed_through DESC").Limit(purgeBatch).Find(&rows).Error
	})
	if err != nil {
		return checkpointRow{}, err
	}
	for _, row := range rows {
		if s.provenCheckpoint(row) {
			return row, nil
		}
	}
	return checkpointRow{}, nil
}

// PurgeEvents deletes the events that happened before a time, together with the checkpoints that cover them, once a
// checkpoint names what is removed: so that what retention removes differs from what somebody else removes. It goes by
// whole checkpoints, and so keeps an event until the last one of its checkpoint is old enough. An event that no checkpoint covers
// stays.
func (s *Store) PurgeEvents(ctx context.Context, before time.Time) error {
	if err := s.nameRemoved(ctx, before); err != nil {
		return fmt.Errorf("purging events: %w", err)
	}
	removal, err := s.lastRemoval(ctx)
	if err != nil {
		return fmt.Errorf("purging events: %w", err)
	}
	old := sqldb.NewTimestamp(before)
	// Each order is that of the index: without one, a database may read another index from end to end.
	for _, batch := range []struct {
		table any
		key   string
		order string
		which string
		args  []any
	}{
		{&eventRow{}, "seq", "checkpoint, seq", "checkpoint >= 1 AND checkpoint <= ?", []any{removal.RemovedThrough}},
		{&eventRow{}, "seq", "checkpoint, seq", "checkpoint = ? AND happened_at < ?", []any{setAside, old}},
		{&checkpointRow{}, "number", "number", "number <= ?", []any{removal.RemovedThrough}},
	} {
		if err := s.deleteInBatches(ctx, batch.table, batch.key, batch.order, batch.which, batch.args); err != nil {
			return fmt.Errorf("purging events: %w", err)
		}
	}
	return nil
}

func (s *Store) deleteInBatches(ctx context.Context, table any, key, order, which string, args []any) error {
	for {
		var keys []int64
		err := s.db.Read(ctx, func(db *gorm.DB) error {
			keys = nil
			return db.Model(table).Where(which, args...).Order(order).Limit(purgeBatch).Pluck(key, &keys).Error
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		err = s.db.Write(ctx, func(db *gorm.DB) error { return db.Where(key+" IN ?", keys).Delete(table).Error })
		if err != nil || len(keys) < purgeBatch {
			return err
		}
	}
}

// nameRemoved writes a checkpoint that names the checkpoints whose events all happened before a time, unless there are none.
func (s *Store) nameRemoved(ctx context.Context, before time.Time) error {
	removed, err := s.lastRemoval(ctx)
	if err != nil {
		return err
	}
	old, events, err := s.oldCheckpoints(ctx, removed.RemovedThrough, sqldb.StoredTime(before))
	if err != nil || old.Number == 0 {
		return err
	}
	now := s.now()
	empty := digester{}
	next := checkpointRow{
		EndsAt: sqldb.NewTimestamp(now), Hash: empty.hash(),
		RemovedThrough: old.Number, RemovedEvents: events, RemovedHash: old.whole(),
	}
	err = s.Transact(ctx, func(ctx context.Context) error { return s.addCheckpoint(ctx, now, &next) })
	if errors.Is(err, errOtherCheckpoint) {
		return nil // the next purge continues
	}
	return err
}

// oldCheckpoints returns the last of the checkpoints after a number that end before a time, and how many events they cover.
// One with a wrong MAC counts as old as those around it, because its own time cannot be trusted.
func (s *Store) oldCheckpoints(ctx context.Context, after int64, before time.Time) (last checkpointRow, events int64, err error) {
	var skipped int64
	for {
		rows, err := s.checkpointsAfter(ctx, after)
		if err != nil || len(rows) == 0 {
			return last, events, err
		}
		for _, row := range rows {
			after = row.Number
			switch {
			case !s.provenCheckpoint(row):
				skipped += row.Events
			case !row.EndsAt.Time.Before(before):
				return last, events, nil
			default:
				last, events, skipped = row, events+skipped+row.Events, 0
			}
		}
	}
}
