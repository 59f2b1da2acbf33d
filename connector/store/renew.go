package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
)

// errWrongMAC is the Failure of a Progress of MACs.
var errWrongMAC = errors.New("the MAC is wrong: see connector integrity list and connector events verify")

// renewMACs renews the MACs that an older key made and that are right, and returns how many. It reports its progress as Reseal
// does.
func (s *Store) renewMACs(ctx context.Context, report func(Progress)) (int, error) {
	form, err := s.storedForm(ctx)
	if err != nil || form < formBound {
		return 0, err // the upgrade makes them
	}
	if report == nil {
		report = func(Progress) {}
	}
	total := 0
	for _, table := range s.guardedTables() {
		n, err := s.renewRows(ctx, table, report)
		total += n
		if err != nil {
			return total, fmt.Errorf("renewing the MACs of %s: %w", table.name, err)
		}
	}
	n, err := s.renewCheckpoints(ctx, report)
	total += n
	if err != nil {
		return total, fmt.Errorf("renewing the MACs of checkpoints: %w", err)
	}
	n, err = s.renewEvents(ctx, report)
	total += n
	if err != nil {
		return total, fmt.Errorf("renewing the MACs of events: %w", err)
	}
	return total, nil
}

func (s *Store) renewRows(ctx context.Context, table guardedTable, report func(Progress)) (int, error) {
	p := Progress{Table: table.name, Column: "mac"}
	var err error
	if p.Total, err = s.countRows(ctx, table.name, ""); err != nil {
		return 0, err
	}
	err = s.walkGuarded(ctx, table, func(ctx context.Context, rows []provenRow) error {
		batch := p
		err := s.Transact(ctx, func(ctx context.Context) error {
			batch = p
			for _, row := range rows {
				batch.Checked++
				if !s.proven(row.guardedRow, row.mac) {
					batch.failMAC(row.id)
					continue
				}
				if s.keyring.CurrentMAC(row.mac) {
					continue
				}
				done, err := s.saveMAC(ctx, table, row)
				if err != nil {
					return err
				}
				if done {
					batch.Older++
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		p = batch
		report(p)
		return nil
	})
	if err == nil && p.Checked == 0 {
		report(p)
	}
	return p.Older, err
}

func (p *Progress) failMAC(row string) {
	p.Failed++
	p.Rows = append(p.Rows, row)
	p.Failure = errWrongMAC
}

func (s *Store) renewCheckpoints(ctx context.Context, report func(Progress)) (int, error) {
	numbered := numberedMACs[checkpointRow]{
		table: &checkpointRow{}, name: "checkpoints", key: "number", next: s.checkpointsAfter,
		read: func(row checkpointRow) (id string, number int64, mac []byte) {
			return fmt.Sprint(row.Number), row.Number, row.MAC
		},
		is:   s.provenCheckpoint,
		make: func(row checkpointRow) []byte { return s.keyring.MAC(checkpointPurpose, row.parts()...) },
	}
	return renewNumbered(ctx, s, numbered, report)
}

// renewEvents renews the MACs of events that no checkpoint covers.
func (s *Store) renewEvents(ctx context.Context, report func(Progress)) (int, error) {
	numbered := numberedMACs[eventRow]{
		table: &eventRow{}, name: "events", key: "seq", condition: "checkpoint IS NULL",
		next: func(ctx context.Context, after int64) ([]eventRow, error) { return s.uncovered(ctx, "seq > ?", after) },
		read: func(row eventRow) (id string, number int64, mac []byte) { return row.ID, row.Seq, row.MAC },
		is:   func(row eventRow) bool { return s.keyring.CheckMAC(row.MAC, eventPurpose, eventParts(row.event())...) },
		make: func(row eventRow) []byte { return s.eventMAC(row.event()) },
	}
	return renewNumbered(ctx, s, numbered, report)
}

// numberedMACs describes the MACs of a table whose rows have numbers.
type numberedMACs[R any] struct {
	table                any
	name, key, condition string // condition selects the rows; empty for all
	next                 func(ctx context.Context, after int64) ([]R, error)
	read                 func(row R) (id string, number int64, mac []byte)
	is                   func(row R) bool // whether the MAC of row is right
	make                 func(row R) []byte
}

func renewNumbered[R any](ctx context.Context, s *Store, m numberedMACs[R], report func(Progress)) (int, error) {
	p := Progress{Table: m.name, Column: "mac"}
	var err error
	if p.Total, err = s.countRows(ctx, m.name, m.condition); err != nil {
		return 0, err
	}
	var after int64
	for {
		rows, err := m.next(ctx, after)
		if err != nil {
			return p.Older, err
		}
		if len(rows) == 0 {
			report(p)
			return p.Older, nil
		}
		batch := p
		err = s.Transact(ctx, func(ctx context.Context) error {
			batch = p
			for _, row := range rows {
				batch.Checked++
				id, number, mac := m.read(row)
				after = number
				switch {
				case !m.is(row):
					batch.failMAC(id)
				case !s.keyring.CurrentMAC(mac):
					batch.Older++
					if err := s.replaceMAC(ctx, m.table, m.key, number, mac, m.make(row)); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return p.Older, err
		}
		p = batch
	}
}

// countRows returns how many rows of a table meet a condition, which may be empty.
func (s *Store) countRows(ctx context.Context, table, condition string) (int, error) {
	var n int64
	err := s.db.Read(ctx, func(db *gorm.DB) error { return db.Table(table).Where(condition).Count(&n).Error })
	return int(n), err
}

func (s *Store) replaceMAC(ctx context.Context, table any, key string, id int64, old, renewed []byte) error {
	return s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Model(table).Where(key+" = ? AND mac = ?", id, old).Update("mac", renewed).Error
	})
}
