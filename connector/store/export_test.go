package store

import "context"

// Setting returns what a query for one value says on a connection of s.
func Setting(ctx context.Context, s *Store, query string) (string, error) {
	var value string
	err := s.pool.QueryRowContext(ctx, query).Scan(&value)
	return value, err
}
