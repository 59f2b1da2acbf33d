package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
)

// ErrUpgradedBefore is returned by Migrate for a database that was upgraded to the current form and has lost the record of
// that: upgrading it again would accept whatever was changed since.
var ErrUpgradedBefore = errors.New("the database was upgraded before, but the record of that in the table key_checks is gone; restore a backup, or look at connector keys accept")

// storedForm returns the form of what is stored.
func (s *Store) storedForm(ctx context.Context) (int, error) {
	var version int64
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Raw("SELECT COALESCE(MAX(version_id), 0) FROM schema_versions").Row().Scan(&version)
	})
	if err != nil || version < keyChecksVersion {
		return formPlain, nil //nolint:nilerr // without a schema, reading what is stored fails and says why
	}
	var rows []keyCheckRow
	if err := s.db.Read(ctx, func(db *gorm.DB) error { return db.Find(&rows).Error }); err != nil {
		return 0, fmt.Errorf("reading the form of what is stored: %w", err)
	}
	// With other keys nothing opens in any form.
	form := formPlain
	for _, row := range rows {
		if check, err := s.openKeyCheck(row); err == nil {
			form = max(form, check.Form)
		}
	}
	return form, nil
}

// ErrOlderForm is returned for a database that Migrate has not yet brought to the current form.
var ErrOlderForm = errors.New("the database has to be upgraded first; run connector migrate, or start connector serve")

// CheckForm returns ErrOlderForm for a database of an earlier program or an interrupted upgrade, and ErrWrongKeys for one that
// other keys seal. It changes nothing.
func (s *Store) CheckForm(ctx context.Context) error {
	if err := s.CheckKeys(ctx); err != nil {
		return err
	}
	form, err := s.storedForm(ctx)
	if err == nil && form < currentForm {
		return ErrOlderForm
	}
	return err
}

// upgrade brings what is stored from a form to the current one. It runs under the lock of migrations, and continues an
// upgrade that was interrupted.
func (s *Store) upgrade(ctx context.Context, form int) error {
	if form >= currentForm {
		return nil
	}
	if form == formPlain {
		if err := s.refuseSecondUpgrade(ctx); err != nil {
			return err
		}
		if err := s.setForm(ctx, formBegun); err != nil {
			return err
		}
	}
	if form < formBound {
		if err := s.bindAll(ctx); err != nil {
			return fmt.Errorf("resealing what is stored: %w", err)
		}
	}
	if err := s.proveGranted(ctx); err != nil {
		return fmt.Errorf("recording which directories are proven: %w", err)
	}
	for _, table := range s.guardedTables() {
		if err := s.guard(ctx, table, form); err != nil {
			return fmt.Errorf("computing the MACs of %s: %w", table.name, err)
		}
	}
	if form < formBound {
		if err := s.coverEarlierEvents(ctx); err != nil {
			return fmt.Errorf("covering events by checkpoints: %w", err)
		}
	}
	return s.setForm(ctx, currentForm)
}

// proveGranted records the directories of the active grants as proven: each was obtained by a consent in its directory. The
// form before let only one tenant of an instance have a directory.
func (s *Store) proveGranted(ctx context.Context) error {
	const prove = "UPDATE tenants SET proven_directory_id = directory_id WHERE proven_directory_id IS NULL AND EXISTS (" +
		"SELECT 1 FROM grants g WHERE g.tenant_id = tenants.id AND g.slot = 'active' AND g.directory_id = tenants.directory_id)"
	return s.db.Write(ctx, func(db *gorm.DB) error { return db.Exec(prove).Error })
}

// refuseSecondUpgrade returns ErrUpgradedBefore when a value is sealed in the current form already.
func (s *Store) refuseSecondUpgrade(ctx context.Context) error {
	return s.walkForm(ctx, sealedForm, nil, func(_ context.Context, c sealedColumn, values []sealedValue, _ *Progress) error {
		for _, v := range values {
			if _, _, err := s.openValue(c, v); err == nil {
				return ErrUpgradedBefore
			}
		}
		return nil
	})
}

// bindAll seals every value again in the current form. Values that do not open stay as they are: they are lost either way.
func (s *Store) bindAll(ctx context.Context) error {
	const owner = "UPDATE grants SET instance_key = (SELECT t.instance_key FROM tenants t WHERE t.id = grants.tenant_id), " +
		"account_id = (SELECT t.account_id FROM tenants t WHERE t.id = grants.tenant_id) WHERE instance_key = ''"
	if err := s.db.Write(ctx, func(db *gorm.DB) error { return db.Exec(owner).Error }); err != nil {
		return err
	}
	return s.walkForm(ctx, formBegun, nil, func(ctx context.Context, c sealedColumn, values []sealedValue, _ *Progress) error {
		return s.Transact(ctx, func(ctx context.Context) error {
			for _, v := range values {
				if err := s.bind(ctx, c, v); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (s *Store) bind(ctx context.Context, c sealedColumn, v sealedValue) error {
	plaintext, bound, err := s.openValue(c, v)
	if err != nil {
		s.log.ErrorContext(ctx, "a stored secret does not open and is left as it is", "table", c.table, "column", c.column, "row", v.row())
		return nil //nolint:nilerr // one damaged value must not stop the upgrade
	}
	if bound != nil {
		return nil
	}
	_, err = s.replaceValue(ctx, c, v, plaintext, boundForm(v.bound))
	return err
}

// A guardedTable is a table whose rows have MACs.
type guardedTable struct {
	name string
	key  string // the primary key
	// rows returns the next rows after the one with a key, with their MACs.
	rows func(ctx context.Context, after string) ([]provenRow, error)
}

// A provenRow is a row with its stored MAC.
type provenRow struct {
	guardedRow
	mac []byte
}

func (s *Store) guardedTables() []guardedTable {
	return []guardedTable{
		{"instances", "instance_key", func(ctx context.Context, after string) ([]provenRow, error) {
			return provenRows(ctx, s, "instance_key", after, func(row *instanceRow) provenRow { return provenRow{row.guarded(), row.MAC} })
		}},
		{"tenants", "id", func(ctx context.Context, after string) ([]provenRow, error) {
			return provenRows(ctx, s, "id", after, func(row *tenantRow) provenRow { return provenRow{row.guarded(), row.MAC} })
		}},
		{"clients", "name", func(ctx context.Context, after string) ([]provenRow, error) {
			return provenRows(ctx, s, "name", after, func(row *clientRow) provenRow { return provenRow{row.guarded(), row.MAC} })
		}},
		{"client_keys", "id", func(ctx context.Context, after string) ([]provenRow, error) {
			return provenRows(ctx, s, "id", after, func(row *clientKeyRow) provenRow { return provenRow{row.guarded(), row.MAC} })
		}},
	}
}

func provenRows[T any](ctx context.Context, s *Store, key, after string, proven func(row *T) provenRow) ([]provenRow, error) {
	var rows []T
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Omit("credentials").Where(key+" > ?", after).Order(key).Limit(resealBatch).Find(&rows).Error
	})
	all := make([]provenRow, len(rows))
	for i := range rows {
		all[i] = proven(&rows[i])
	}
	return all, err
}

// walkGuarded calls visit with all rows of a table that have MACs, in batches.
func (s *Store) walkGuarded(ctx context.Context, table guardedTable, visit func(ctx context.Context, rows []provenRow) error) error {
	after := ""
	for {
		rows, err := table.rows(ctx, after)
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := visit(ctx, rows); err != nil {
			return err
		}
		after = rows[len(rows)-1].id
	}
}

// guard gives every row of a table a MAC of the current form. A row whose MAC is wrong in the form that the database has stays
// as it is: the upgrade must not make it valid.
func (s *Store) guard(ctx context.Context, table guardedTable, form int) error {
	return s.walkGuarded(ctx, table, func(ctx context.Context, rows []provenRow) error {
		return s.Transact(ctx, func(ctx context.Context) error {
			for _, row := range rows {
				if s.proven(row.guardedRow, row.mac) || form >= formBound && !s.provenIn(form, row.guardedRow, row.mac) {
					continue
				}
				if _, err := s.saveMAC(ctx, table, row); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// saveMAC replaces the MAC of a row, unless it was replaced since it was read, and reports whether it did.
func (s *Store) saveMAC(ctx context.Context, table guardedTable, row provenRow) (bool, error) {
	done := false
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		update := db.Table(table.name).Where(table.key+" = ?", row.id)
		if row.mac == nil {
			update = update.Where("mac IS NULL")
		} else {
			update = update.Where("mac = ?", row.mac)
		}
		update = update.Update("mac", s.rowMAC(row.guardedRow))
		done = update.RowsAffected > 0
		return update.Error
	})
	return done, err
}
