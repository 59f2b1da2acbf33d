package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/glebarez/go-sqlite"
	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/gorm"
)

// tries is how often a transaction is begun; firstPause doubles up to longestPause between them, about three seconds
// in all, longer than any deadlock and any flow control that the cluster recovers from by itself.
const (
	tries        = 10
	firstPause   = 10 * time.Millisecond
	longestPause = 640 * time.Millisecond
)

// transactionKey finds the transaction of one store in a context.
type transactionKey struct{ store *Store }

// A transaction is what a context carries inside Transact.
type transaction struct {
	db *gorm.DB
	// undo restores what the callers hold in memory, last first, when the transaction comes to nothing.
	undo []func()
	// expiries are when the active grants expire that were saved so far, by tenant.
	expiries map[string]time.Time
	// broken is the first error after which the database may have given the transaction up; nothing more is sent then,
	// because it would take effect on its own.
	broken error
}

func (s *Store) transaction(ctx context.Context) *transaction {
	t, _ := ctx.Value(transactionKey{s}).(*transaction)
	return t
}

// Transact runs fn in one transaction, which fn's context carries; every call in fn must use that context. It commits
// when fn returns nil. After a deadlock, a lock that was not had in time, a failed certification or a lost connection
// it calls fn again, after a pause, a bounded number of times; versions that fn advanced are then as they were before.
// A Transact inside another joins it: what it did stays or goes with the outer one.
func (s *Store) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	if t := s.transaction(ctx); t != nil {
		if t.broken != nil {
			return t.broken
		}
		return fn(ctx)
	}
	return s.again(ctx, func() error { return s.attempt(ctx, fn) })
}

// attempt runs fn in one transaction once.
func (s *Store) attempt(ctx context.Context, fn func(ctx context.Context) error) (err error) {
	release, err := s.takeWriting(ctx)
	if err != nil {
		return err
	}
	defer release()
	db := s.db.WithContext(ctx).Begin()
	if db.Error != nil {
		return fmt.Errorf("beginning a transaction: %w", db.Error)
	}
	t := &transaction{db: db, expiries: map[string]time.Time{}}
	committed := false
	defer func() { // also when fn panics
		if committed {
			return
		}
		db.Rollback() // whatever it says, the server drops what was not committed
		for i := len(t.undo) - 1; i >= 0; i-- {
			t.undo[i]()
		}
	}()
	err = fn(context.WithValue(ctx, transactionKey{s}, t))
	if t.broken != nil {
		return t.broken
	}
	if err != nil {
		return err
	}
	if err := db.Commit().Error; err != nil {
		return fmt.Errorf("committing a transaction: %w", undecided{err})
	}
	committed = true
	return nil
}

// undecided marks an error of COMMIT, or of a statement that commits by itself. Only the database's own word that
// nothing was stored allows another try then; a connection lost on the way leaves that open.
type undecided struct{ error }

// Unwrap returns the marked error.
func (e undecided) Unwrap() error { return e.error }

// again calls try until it succeeds, fails for good, or has been called often enough.
func (s *Store) again(ctx context.Context, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		if err == nil || n == tries || ctx.Err() != nil || !repeatable(err) {
			return err
		}
		d := min(firstPause<<(n-1), longestPause)
		d = d/2 + time.Duration(s.jitter()*float64(d/2))
		s.log.DebugContext(ctx, "transaction tried again", "attempt", n, "dur", d, "err", err)
		if waited := s.wait(ctx, d); waited != nil {
			return err
		}
	}
}

// takeWriting waits for its turn to write to SQLite, first come first served, and returns how to end it. SQLite itself
// lets one writer in at a time too, but whoever comes often keeps the others out.
func (s *Store) takeWriting(ctx context.Context) (release func(), err error) {
	if s.writing == nil {
		return func() {}, nil
	}
	select {
	case s.writing <- struct{}{}:
		return func() { <-s.writing }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting to write: %w", ctx.Err())
	}
}

// read runs a query in the transaction of ctx, or by itself.
func (s *Store) read(ctx context.Context, query func(db *gorm.DB) error) error {
	if t := s.transaction(ctx); t != nil {
		return t.run(ctx, query)
	}
	return s.again(ctx, func() error { return query(s.db.WithContext(ctx)) })
}

// write runs one statement that changes something in the transaction of ctx, or by itself. What takes more than one
// statement takes Transact.
func (s *Store) write(ctx context.Context, statement func(db *gorm.DB) error) error {
	if t := s.transaction(ctx); t != nil {
		return t.run(ctx, statement)
	}
	return s.again(ctx, func() error {
		release, err := s.takeWriting(ctx)
		if err != nil {
			return err
		}
		defer release()
		if err := statement(s.db.WithContext(ctx)); err != nil {
			return undecided{err}
		}
		return nil
	})
}

func (t *transaction) run(ctx context.Context, statement func(db *gorm.DB) error) error {
	if t.broken != nil {
		return t.broken
	}
	err := statement(t.db.WithContext(ctx))
	if repeatable(err) {
		t.broken = err
	}
	return err
}

// assign gives *held its stored form, until the transaction of ctx, if there is one, comes to nothing.
func assign[T any](ctx context.Context, s *Store, held *T, stored T) {
	before := *held
	*held = stored
	if t := s.transaction(ctx); t != nil {
		t.undo = append(t.undo, func() { *held = before })
	}
}

// ruledOut reports whether err is the database's own word that nothing was stored, for a reason that trying again does
// not remove.
func ruledOut(err error) bool {
	_, bySQLite := errors.AsType[*sqlite.Error](err)
	_, byMySQL := errors.AsType[*mysqldriver.MySQLError](err)
	return (bySQLite || byMySQL) && !repeatable(err)
}

// repeatable reports whether err means that nothing was stored and that the same may work a moment later.
func repeatable(err error) bool {
	if err == nil {
		return false
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case 5, 6: // SQLITE_BUSY, SQLITE_LOCKED
			return true
		}
		return false
	}
	if e, ok := errors.AsType[*mysqldriver.MySQLError](err); ok {
		switch e.Number {
		case
			1205, // lock wait timeout
			1213, // deadlock; also what Galera answers when certification fails
			1020, // MariaDB: the row changed since the snapshot was taken
			1047, // Galera: the node is not ready
			1053, // the server is shutting down
			9007, // TiDB: write conflict
			8022, // TiDB: commit failed and was rolled back
			8028: // TiDB: the schema changed meanwhile
			return true
		}
		return false
	}
	if errors.Is(err, driver.ErrBadConn) {
		return true // the driver's word that nothing was done: the connection was dead, or its node takes no writes
	}
	if _, ok := errors.AsType[undecided](err); ok {
		return false
	}
	return errors.Is(err, mysqldriver.ErrInvalidConn)
}
