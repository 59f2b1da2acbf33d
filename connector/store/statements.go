package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"gorm.io/gorm"
)

// knownStatements bounds the statements that are kept prepared, on every connection. The store has far fewer.
const knownStatements = 1000

// statements are connections on which gorm's statements stay prepared. gorm can do that by itself, but what it first
// meets in a transaction it prepares anew in every other one, at the price of two more round trips each time. They are
// safe for concurrent use.
type statements struct {
	pool *sql.DB

	mu     sync.RWMutex         // guards the rest
	known  map[string]*sql.Stmt // text → statement
	wanted map[string]bool      // met in a transaction before it was known
}

var (
	_ gorm.ConnPool         = (*statements)(nil)
	_ gorm.ConnPoolBeginner = (*statements)(nil)
	_ gorm.GetDBConnector   = (*statements)(nil)
	_ gorm.TxCommitter      = (*transacted)(nil)
	_ gorm.ConnPool         = (*transacted)(nil)
)

func newStatements(pool *sql.DB) *statements {
	return &statements{pool: pool, known: map[string]*sql.Stmt{}, wanted: map[string]bool{}}
}

// find returns the statement with a text if it is known, and else notes that it is wanted.
func (s *statements) find(text string) *sql.Stmt {
	s.mu.RLock()
	statement, noted := s.known[text], s.wanted[text] || len(s.known) >= knownStatements
	s.mu.RUnlock()
	if statement == nil && !noted {
		s.mu.Lock()
		s.wanted[text] = true
		s.mu.Unlock()
	}
	return statement
}

// prepared is find for a caller who holds no connection.
func (s *statements) prepared(ctx context.Context, text string) *sql.Stmt {
	if statement := s.find(text); statement != nil {
		return statement
	}
	s.prepare(ctx)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.known[text]
}

// prepare makes known what is wanted. Its caller holds no connection: the last one could not be had for it then. What
// cannot be prepared is told when it is executed.
func (s *statements) prepare(ctx context.Context) {
	s.mu.RLock()
	wanted := len(s.wanted)
	s.mu.RUnlock()
	if wanted == 0 {
		return
	}
	s.mu.Lock()
	texts := s.wanted
	s.wanted = map[string]bool{}
	s.mu.Unlock()
	for text := range texts {
		statement, err := s.pool.PrepareContext(ctx, text)
		if err != nil {
			return
		}
		s.keep(text, statement)
	}
}

func (s *statements) keep(text string, statement *sql.Stmt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[text] != nil {
		statement.Close() // somebody else was faster
		return
	}
	s.known[text] = statement
}

// GetDBConn implements gorm.GetDBConnector.
func (s *statements) GetDBConn() (*sql.DB, error) { return s.pool, nil }

// PrepareContext implements gorm.ConnPool.
func (s *statements) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	return s.pool.PrepareContext(ctx, text)
}

// ExecContext implements gorm.ConnPool.
func (s *statements) ExecContext(ctx context.Context, text string, values ...any) (sql.Result, error) {
	if statement := s.prepared(ctx, text); statement != nil { //nolint:sqlclosecheck // it stays prepared
		return statement.ExecContext(ctx, values...)
	}
	return s.pool.ExecContext(ctx, text, values...)
}

// QueryContext implements gorm.ConnPool.
func (s *statements) QueryContext(ctx context.Context, text string, values ...any) (*sql.Rows, error) {
	if statement := s.prepared(ctx, text); statement != nil { //nolint:sqlclosecheck // it stays prepared
		return statement.QueryContext(ctx, values...)
	}
	return s.pool.QueryContext(ctx, text, values...)
}

// QueryRowContext implements gorm.ConnPool, which uses it for nothing that is asked often.
func (s *statements) QueryRowContext(ctx context.Context, text string, values ...any) *sql.Row {
	return s.pool.QueryRowContext(ctx, text, values...)
}

// BeginTx implements gorm.ConnPoolBeginner.
func (s *statements) BeginTx(ctx context.Context, options *sql.TxOptions) (gorm.ConnPool, error) {
	s.prepare(ctx)
	tx, err := s.pool.BeginTx(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("beginning: %w", err)
	}
	return &transacted{tx, s}, nil
}

// transacted is a transaction in which statements that are known need not be prepared.
type transacted struct {
	*sql.Tx

	all *statements
}

// ExecContext implements gorm.ConnPool.
func (t *transacted) ExecContext(ctx context.Context, text string, values ...any) (sql.Result, error) {
	if statement := t.all.find(text); statement != nil {
		return t.StmtContext(ctx, statement).ExecContext(ctx, values...) //nolint:sqlclosecheck // the transaction closes it
	}
	return t.Tx.ExecContext(ctx, text, values...)
}

// QueryContext implements gorm.ConnPool.
func (t *transacted) QueryContext(ctx context.Context, text string, values ...any) (*sql.Rows, error) {
	if statement := t.all.find(text); statement != nil {
		return t.StmtContext(ctx, statement).QueryContext(ctx, values...) //nolint:sqlclosecheck // the transaction closes it
	}
	return t.Tx.QueryContext(ctx, text, values...)
}
