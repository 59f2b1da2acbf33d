package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"
)

// A Resealer is a Sealer that can tell which values are sealed with an older key; seal.Keyring is one.
type Resealer interface {
	Sealer
	// Sealed reports whether ciphertext is sealed with the key that seals now.
	Sealed(ciphertext []byte) bool
}

// resealBatch is how many rows are looked at, at once, and sealed again in one transaction: enough to be quick, and few
// enough that a renewal of one of them does not wait long.
const resealBatch = 200

// A sealedColumn says where sealed values are, and how the seal names their rows: by the key columns with slashes
// between them.
type sealedColumn struct {
	table  string
	keys   []string
	column string
}

func sealedColumns() []sealedColumn {
	return []sealedColumn{
		{"instances", []string{"instance_key"}, "credentials"},
		{"tenants", []string{"id"}, "credentials"},
		{"grants", []string{"tenant_id", "slot"}, "refresh_token"},
		{"consents", []string{"id"}, "link"},
		{"states", []string{"state_hash"}, "nonce"},
		{"states", []string{"state_hash"}, "verifier"},
	}
}

// A sealedValue is one value of a sealedColumn, with the keys of its row.
type sealedValue struct {
	keys       []string
	ciphertext []byte
}

func (v sealedValue) row() string { return strings.Join(v.keys, "/") }

// Progress is how far a walk through everything sealed has come in one column.
type Progress struct {
	Table, Column string
	// Looked counts the values that were looked at, out of Of, which were there at the beginning.
	Looked, Of int
	// Older counts those of them that are, or were, sealed with an older key than the one that seals now.
	Older int
	// Failed counts those that do not open; Failure tells of the first, naming its row. Reseal stops at one.
	Failed  int
	Failure error
}

// Reseal seals every secret that is sealed with an older key once more, with the key that seals now, and returns how
// many there were. It may run while others use the database, if they know that key, and again after it was cut short.
// Once it has returned 0, and nobody seals with an older key any more, older keys are needed no more, except for copies
// of the database. It calls tell, which may be nil, after each batch and at the end of each column.
func (s *Store) Reseal(ctx context.Context, tell func(Progress)) (int, error) {
	total := 0
	err := s.walk(ctx, tell, func(ctx context.Context, resealer Resealer, c sealedColumn, values []sealedValue, p *Progress) error {
		older := 0
		err := s.Transact(ctx, func(ctx context.Context) error {
			older = 0
			for _, v := range values {
				if resealer.Sealed(v.ciphertext) {
					continue
				}
				done, err := s.resealValue(ctx, resealer, c, v)
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
		total += older
		return nil
	})
	return total, err
}

// CheckSealed opens every secret and keeps none. It changes nothing, needs no schema but the tables that it reads, and
// says in the Progress of each column what it found; an error means that it could not look.
func (s *Store) CheckSealed(ctx context.Context, tell func(Progress)) ([]Progress, error) {
	var found []Progress
	err := s.walk(ctx, func(p Progress) {
		if n := len(found); n > 0 && found[n-1].Table == p.Table && found[n-1].Column == p.Column {
			found[n-1] = p
		} else {
			found = append(found, p)
		}
		if tell != nil {
			tell(p)
		}
	}, func(_ context.Context, resealer Resealer, c sealedColumn, values []sealedValue, p *Progress) error {
		for _, v := range values {
			if !resealer.Sealed(v.ciphertext) {
				p.Older++
			}
			if _, err := resealer.Open(v.ciphertext, c.table, v.row(), c.column); err != nil {
				p.Failed++
				if p.Failure == nil {
					p.Failure = err
				}
			}
		}
		return nil
	})
	return found, err
}

// walk calls visit with everything sealed, a batch at a time in the order of the primary keys, and tells how far it is.
func (s *Store) walk(ctx context.Context, tell func(Progress),
	visit func(ctx context.Context, resealer Resealer, c sealedColumn, values []sealedValue, p *Progress) error,
) error {
	resealer, ok := s.sealer.(Resealer)
	if !ok {
		return errors.New("this keyring cannot tell its keys apart")
	}
	if tell == nil {
		tell = func(Progress) {}
	}
	for _, c := range sealedColumns() {
		p := Progress{Table: c.table, Column: c.column}
		var err error
		if p.Of, err = s.sealedCount(ctx, c); err != nil {
			return err
		}
		var after []string
		for {
			values, err := s.sealedValues(ctx, c, after)
			if err != nil {
				return fmt.Errorf("reading %s.%s: %w", c.table, c.column, err)
			}
			if len(values) == 0 {
				break
			}
			if err := visit(ctx, resealer, c, values, &p); err != nil {
				return err
			}
			p.Looked += len(values)
			tell(p)
			after = values[len(values)-1].keys
		}
		if p.Looked == 0 {
			tell(p)
		}
	}
	return nil
}

// sealedCount returns how many values there are in a column.
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

// sealedValues returns the next values of a column behind the row with the keys after.
func (s *Store) sealedValues(ctx context.Context, c sealedColumn, after []string) (values []sealedValue, err error) {
	err = s.db.Read(ctx, func(db *gorm.DB) error {
		values = nil
		query := db.Table(c.table).Select(append(append([]string{}, c.keys...), c.column)).Where(c.column + " IS NOT NULL")
		if after != nil {
			condition, args := behind(c.keys, after)
			query = query.Where(condition, args...)
		}
		rows, err := query.Order(strings.Join(c.keys, ", ")).Limit(resealBatch).Rows()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			v := sealedValue{keys: make([]string, len(c.keys))}
			places := make([]any, 0, len(c.keys)+1)
			for i := range v.keys {
				places = append(places, &v.keys[i])
			}
			if err := rows.Scan(append(places, &v.ciphertext)...); err != nil {
				return err
			}
			values = append(values, v)
		}
		return rows.Err()
	})
	return values, err
}

// behind selects the rows that follow the one with the keys after, in the order of the primary key.
func behind(keys, after []string) (condition string, args []any) {
	if len(keys) == 1 {
		return keys[0] + " > ?", []any{after[0]}
	}
	return fmt.Sprintf("(%[1]s > ? OR (%[1]s = ? AND %[2]s > ?))", keys[0], keys[1]), []any{after[0], after[0], after[1]}
}

// resealValue replaces one value, unless somebody else has replaced it meanwhile.
func (s *Store) resealValue(ctx context.Context, resealer Resealer, c sealedColumn, v sealedValue) (bool, error) {
	plaintext, err := resealer.Open(v.ciphertext, c.table, v.row(), c.column)
	if err != nil {
		return false, err
	}
	next, err := resealer.Seal(plaintext, c.table, v.row(), c.column)
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
