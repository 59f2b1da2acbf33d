package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

	"azure-partner-connector/connector/seal"
)

// resealBatch is how many rows one query reads and one transaction seals again: enough to be fast, and few enough that a
// renewal of one of them does not wait long.
const resealBatch = 200

// A sealedColumn is a column of sealed values. In their associated data, a row is named by the values of its key columns,
// joined by slashes.
type sealedColumn struct {
	table  string
	keys   []string
	column string
	since  int64 // version of the schema
	// bound are the columns that the value is bound to, from formBound on.
	bound []string
	form  int // of the values
}

func sealedColumns() []sealedColumn {
	return []sealedColumn{
		{"instances", []string{"instance_key"}, "credentials", 1, nil, formBound},
		{"tenants", []string{"id"}, "credentials", 1, nil, formBound},
		{"grants", []string{"tenant_id", "slot"}, "refresh_token", 1, []string{"instance_key", "account_id", "directory_id"}, formBound},
		{"consents", []string{"id"}, "link", 1, []string{"tenant_id"}, formBound},
		{"states", []string{"state_hash"}, "nonce", 1, []string{"consent_id", "tenant_id"}, formBound},
		{"states", []string{"state_hash"}, "verifier", 1, []string{"consent_id", "tenant_id"}, formBound},
	}
}

// macColumns are the columns whose values name the key that made them as sealed ones do. An event needs its MAC only until a
// checkpoint covers it.
func macColumns() []sealedColumn {
	return []sealedColumn{
		{"instances", []string{"instance_key"}, "mac", 7, nil, formBound},
		{"tenants", []string{"id"}, "mac", 7, nil, formBound},
		{"clients", []string{"name"}, "mac", 14, nil, formBound},
		{"client_keys", []string{"id"}, "mac", 14, nil, formBound},
		{"events", []string{"seq"}, "mac", 7, nil, formBound},
		{"checkpoints", []string{"number"}, "mac", 7, nil, formBound},
	}
}

// isMAC reports whether use counts MACs.
func isMAC(use KeyUse) bool { return use.Column == "mac" }

// inForm returns the column of a database in another form.
func (c sealedColumn) inForm(form int) sealedColumn {
	if c.form = form; form == formPlain {
		c.bound = nil
	}
	return c
}

// A sealedValue is one value of a sealedColumn, with the keys of its row and what it is bound to.
type sealedValue struct {
	keys       []string
	bound      []string // nil before formBound
	ciphertext []byte
}

func (v sealedValue) row() string { return strings.Join(v.keys, "/") }

// Progress is how far Reseal or CheckSealed has come in one column.
type Progress struct {
	Table, Column string
	// Checked counts the processed values, out of the Total when the column was begun.
	Checked, Total int
	// Older counts the values that open and are, or were before Reseal, sealed with an older key than the primary one.
	Older int
	// Failed counts the values that do not open; Failure names the row of the first, and Rows all of them, as sealedColumn says.
	Failed  int
	Failure error
	Rows    []string
}

func (p *Progress) fail(v sealedValue, err error) {
	p.Failed++
	p.Rows = append(p.Rows, v.row())
	if p.Failure == nil {
		p.Failure = err
	}
}

// Reseal seals every secret that is sealed with an older key again, with the primary key, renews the MACs that an older key made,
// and returns how many of both there were. It may run while other processes use the database, if they have the primary key, and may
// be repeated after an interruption. Once it has returned 0, and no process seals with an older key, only backups of the database
// need the older keys. A value that does not open, and a MAC that is wrong, stay as they are. It calls report, which may be nil,
// after each batch, and once for a column without values.
func (s *Store) Reseal(ctx context.Context, report func(Progress)) (int, error) {
	total := 0
	err := s.walk(ctx, report, func(ctx context.Context, c sealedColumn, values []sealedValue, p *Progress) error {
		older := 0
		var unreadable Progress
		err := s.Transact(ctx, func(ctx context.Context) error {
			older, unreadable = 0, Progress{}
			for _, v := range values {
				if s.keyring.Sealed(v.ciphertext) {
					continue
				}
				done, err := s.resealValue(ctx, c, v)
				if errors.Is(err, seal.ErrNotOpened) {
					unreadable.fail(v, err)
					continue
				}
				if err != nil {
					return err
				}
				if done {
					older++
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("resealing %s.%s: %w", c.table, c.column, err)
		}
		p.Older += older
		p.Failed, p.Rows = p.Failed+unreadable.Failed, append(p.Rows, unreadable.Rows...)
		if p.Failure == nil {
			p.Failure = unreadable.Failure
		}
		total += older
		return nil
	})
	if err != nil {
		return total, err
	}
	renewed, err := s.renewMACs(ctx, report)
	return total + renewed, err
}

// CheckSealed opens every secret, changes nothing, and returns the final Progress of each column. It calls report, which may
// be nil, as Reseal does. It needs only the tables that it reads, and returns an error only when it cannot read them.
func (s *Store) CheckSealed(ctx context.Context, report func(Progress)) ([]Progress, error) {
	var all []Progress
	err := s.walk(ctx, func(p Progress) {
		if n := len(all); n > 0 && all[n-1].Table == p.Table && all[n-1].Column == p.Column {
			all[n-1] = p
		} else {
			all = append(all, p)
		}
		if report != nil {
			report(p)
		}
	}, func(_ context.Context, c sealedColumn, values []sealedValue, p *Progress) error {
		for _, v := range values {
			switch _, _, err := s.openValue(c, v); {
			case err != nil:
				p.fail(v, err)
			case !s.keyring.Sealed(v.ciphertext):
				p.Older++
			}
		}
		return nil
	})
	return all, err
}

// walk calls visit with all sealed values, in batches ordered by primary key, and reports its progress.
func (s *Store) walk(ctx context.Context, report func(Progress),
	visit func(ctx context.Context, c sealedColumn, values []sealedValue, p *Progress) error,
) error {
	form, err := s.storedForm(ctx)
	if err != nil {
		return err
	}
	return s.walkForm(ctx, form, report, visit)
}

// walkForm is walk for a database whose values have a form.
func (s *Store) walkForm(ctx context.Context, form int, report func(Progress),
	visit func(ctx context.Context, c sealedColumn, values []sealedValue, p *Progress) error,
) error {
	if report == nil {
		report = func(Progress) {}
	}
	for _, c := range sealedColumns() {
		c = c.inForm(form)
		p := Progress{Table: c.table, Column: c.column}
		var err error
		if p.Total, err = s.sealedCount(ctx, c); err != nil {
			return err
		}
		err = s.walkColumn(ctx, c, func(values []sealedValue) error {
			if err := visit(ctx, c, values, &p); err != nil {
				return err
			}
			p.Checked += len(values)
			report(p)
			return nil
		})
		if err != nil {
			return err
		}
		if p.Checked == 0 {
			report(p)
		}
	}
	return nil
}

// walkColumn calls visit with all values of a column, in batches ordered by primary key.
func (s *Store) walkColumn(ctx context.Context, c sealedColumn, visit func(values []sealedValue) error) error {
	var after []string
	for {
		values, err := s.sealedValues(ctx, c, func(query *gorm.DB) *gorm.DB {
			if after != nil {
				condition, args := followingRows(c.keys, after)
				query = query.Where(condition, args...)
			}
			return query.Order(strings.Join(c.keys, ", ")).Limit(resealBatch)
		})
		if err != nil {
			return fmt.Errorf("reading %s.%s: %w", c.table, c.column, err)
		}
		if len(values) == 0 {
			return nil
		}
		if err := visit(values); err != nil {
			return err
		}
		after = values[len(values)-1].keys
	}
}

// sealedCount returns the number of values in a column.
func (s *Store) sealedCount(ctx context.Context, c sealedColumn) (int, error) {
	var n int64
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Table(c.table).Where(c.column + " IS NOT NULL").Count(&n).Error
	})
	if err != nil {
		return 0, fmt.Errorf("counting %s.%s: %w", c.table, c.column, err)
	}
	return int(n), nil
}

// sealedValues returns those values of a column that which selects.
func (s *Store) sealedValues(ctx context.Context, c sealedColumn, which func(query *gorm.DB) *gorm.DB) (values []sealedValue, err error) {
	err = s.db.Read(ctx, func(db *gorm.DB) error {
		values = nil
		query := db.Table(c.table).Select(slices.Concat(c.keys, c.bound, []string{c.column})).Where(c.column + " IS NOT NULL")
		rows, err := which(query).Rows()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			v := sealedValue{keys: make([]string, len(c.keys)), bound: make([]string, len(c.bound))}
			dest := make([]any, 0, len(c.keys)+len(c.bound)+1)
			for _, texts := range [][]string{v.keys, v.bound} {
				for i := range texts {
					dest = append(dest, &texts[i])
				}
			}
			if err := rows.Scan(append(dest, &v.ciphertext)...); err != nil {
				return err
			}
			values = append(values, v)
		}
		return rows.Err()
	})
	return values, err
}

// openValue opens a value in the form that its column has, and returns what it is bound to.
func (s *Store) openValue(c sealedColumn, v sealedValue) (plaintext []byte, bound []string, err error) {
	if c.form != formPlain {
		bound = boundForm(v.bound)
		plaintext, err = s.keyring.Open(v.ciphertext, c.table, v.row(), c.column, bound...)
		if err == nil || c.form != formBegun {
			return plaintext, bound, err
		}
	}
	plaintext, err = s.keyring.Open(v.ciphertext, c.table, v.row(), c.column)
	return plaintext, nil, err
}

// followingRows selects the rows that follow the one with the keys after, in the order of the primary key.
func followingRows(keys, after []string) (condition string, args []any) {
	if len(keys) == 1 {
		return keys[0] + " > ?", []any{after[0]}
	}
	return fmt.Sprintf("(%[1]s > ? OR (%[1]s = ? AND %[2]s > ?))", keys[0], keys[1]), []any{after[0], after[0], after[1]}
}

// resealValue replaces one value, unless it changed meanwhile, and reports whether it did.
func (s *Store) resealValue(ctx context.Context, c sealedColumn, v sealedValue) (bool, error) {
	plaintext, bound, err := s.openValue(c, v)
	if err != nil {
		return false, err
	}
	return s.replaceValue(ctx, c, v, plaintext, bound)
}

// replaceValue seals a plaintext in the place of v, unless that changed meanwhile, and reports whether it did.
func (s *Store) replaceValue(ctx context.Context, c sealedColumn, v sealedValue, plaintext []byte, bound []string) (bool, error) {
	next, err := s.keyring.Seal(plaintext, c.table, v.row(), c.column, bound...)
	if err != nil {
		return false, err
	}
	replaced := false
	err = s.db.Write(ctx, func(db *gorm.DB) error {
		update := db.Table(c.table).Where(c.column+" = ?", v.ciphertext)
		for i, key := range c.keys {
			update = update.Where(key+" = ?", v.keys[i])
		}
		update = update.Update(c.column, next)
		replaced = update.RowsAffected > 0
		return update.Error
	})
	return replaced, err
}
