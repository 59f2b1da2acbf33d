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
	p := Progress{Table: "checkpoints", Column: "mac"}
	var err error
	if p.Total, err = s.countRows(ctx, p.Table, ""); err != nil {
		return 0, err
	}
	var after int64
	for {
		rows, err := s.checkpointsAfter(ctx, after)
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
				switch {
				case !s.provenCheckpoint(row):
					batch.failMAC(fmt.Sprint(row.Number))
				case !s.keyring.CurrentMAC(row.MAC):
					batch.Older++
					renewed := s.keyring.MAC(checkpointPurpose, row.parts()...)
					if err := s.replaceMAC(ctx, &checkpointRow{}, "number", row.Number, row.MAC, renewed); err != nil {
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
		after = rows[len(rows)-1].Number
	}
}

// renewEvents renews the MACs of events that no checkpoint covers.
func (s *Store) renewEvents(ctx context.Context, report func(Progress)) (int, error) {
	p := Progress{Table: "events", Column: "mac"}
	var err error
	if p.Total, err = s.countRows(ctx, p.Table, "checkpoint IS NULL"); err != nil {
		return 0, err
	}
	var after int64
	for {
		rows, err := s.uncovered(ctx, "seq > ?", after)
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
				switch {
				case !s.keyring.CheckMAC(row.MAC, eventPurpose, eventParts(row.event())...):
					batch.failMAC(row.ID)
				case !s.keyring.CurrentMAC(row.MAC):
					batch.Older++
					if err := s.replaceMAC(ctx, &eventRow{}, "seq", row.Seq, row.MAC, s.eventMAC(row.event())); err != nil {
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
		after = rows[len(rows)-1].Seq
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
