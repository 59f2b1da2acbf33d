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

// resealBatch is how many rows are looked at, at once.
const resealBatch = 500

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

// Reseal seals every secret that is sealed with an older key once more, with the key that seals now, and returns how
// many there were. It may run while others use the database, and again after it was cut short. Once it has returned 0
// older keys are needed no more, except for copies of the database.
func (s *Store) Reseal(ctx context.Context) (int, error) {
	resealer, ok := s.sealer.(Resealer)
	if !ok {
		return 0, errors.New("resealing: this keyring cannot tell its keys apart")
	}
	total := 0
	for _, c := range sealedColumns() {
		n, err := s.resealColumn(ctx, resealer, c)
		total += n
		if err != nil {
			return total, fmt.Errorf("resealing %s.%s: %w", c.table, c.column, err)
		}
	}
	return total, nil
}

func (s *Store) resealColumn(ctx context.Context, resealer Resealer, c sealedColumn) (int, error) {
	resealed := 0
	var after []string
	for {
		values, err := s.sealedValues(ctx, c, after)
		if err != nil || len(values) == 0 {
			return resealed, err
		}
		for _, v := range values {
			if resealer.Sealed(v.ciphertext) {
				continue
			}
			done, err := s.resealValue(ctx, resealer, c, v)
			if err != nil {
				return resealed, err
			}
			if done {
				resealed++
			}
		}
		after = values[len(values)-1].keys
	}
}

// sealedValues returns the next values of a column behind the row with the keys after.
func (s *Store) sealedValues(ctx context.Context, c sealedColumn, after []string) (values []sealedValue, err error) {
	err = s.read(ctx, func(db *gorm.DB) error {
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
	row := strings.Join(v.keys, "/")
	plaintext, err := resealer.Open(v.ciphertext, c.table, row, c.column)
	if err != nil {
		return false, err
	}
	next, err := resealer.Seal(plaintext, c.table, row, c.column)
	if err != nil {
		return false, err
	}
	replaced := false
	err = s.write(ctx, func(db *gorm.DB) error {
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
