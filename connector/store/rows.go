package store

import (
	"context"
	"database/sql"
	"errors"

	"gorm.io/gorm"

	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
)

// takeOne reads the one row that query selects into row, or returns tenant.ErrNotFound.
func takeOne(query *gorm.DB, row any) error {
	err := query.Take(row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return tenant.ErrNotFound
	}
	return err
}

// mustMatchKey returns tenant.ErrNotFound unless a row has exactly the requested key: MySQL ignores trailing spaces when it
// compares.
func mustMatchKey(key, requested string) error {
	if key != requested {
		return tenant.ErrNotFound
	}
	return nil
}

// mustAffect returns notAffected when no row met the condition of a statement.
func mustAffect(done *gorm.DB, notAffected error) error {
	if done.Error != nil {
		return done.Error
	}
	if done.RowsAffected == 0 {
		return notAffected
	}
	return nil
}

// insertError translates the errors of an INSERT: the row exists already, or its tenant does not exist.
func insertError(err error) error {
	switch {
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return tenant.ErrChanged
	case errors.Is(err, gorm.ErrForeignKeyViolated):
		return tenant.ErrNotFound
	}
	return err
}

// A result is the value that a query returned for one key, or the error of reading it: tenant.ErrNotFound without a row.
type result[T any] struct {
	value T
	err   error
}

// do requests the value for one key from a Batcher.
func do[T any](ctx context.Context, b *sqldb.Batcher[string, result[T]], key string) (T, error) {
	r, err := b.Do(ctx, key)
	return r.value, errors.Join(err, r.err)
}

// readByKey runs a query that ends in "IN" for some keys, and returns one result for each, in their order. scan reads one
// row and returns its key. A row that cannot be read does not affect the others.
func readByKey[T any](ctx context.Context, s *Store, query string, keys []string, scan func(*sql.Rows) (string, T, error)) ([]result[T], error) {
	byKey := make(map[string]result[T], len(keys))
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		rows, err := db.Raw(query+" ?", keys).Rows()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			key, value, err := scan(rows)
			if key == "" {
				return err
			}
			byKey[key] = result[T]{value, err}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	results := make([]result[T], len(keys))
	for i, key := range keys {
		var ok bool
		if results[i], ok = byKey[key]; !ok {
			results[i].err = tenant.ErrNotFound
		}
	}
	return results, nil
}
