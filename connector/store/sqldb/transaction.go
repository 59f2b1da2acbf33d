package sqldb

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/trace"
)

// A transaction is attempted up to maxAttempts times. The pauses double from firstPause to longestPause, about three
// seconds in all: longer than deadlocks and flow control in a cluster last.
const (
	maxAttempts  = 10
	firstPause   = 10 * time.Millisecond
	longestPause = 640 * time.Millisecond
)

// transactionKey is the context key of a DB's transaction.
type transactionKey struct{ db *DB }

// A transaction is what the context carries inside Transact.
type transaction struct {
	gorm *gorm.DB
	// undo restores the callers' values when the transaction is rolled back. The functions run in reverse order.
	undo []func()
	// broken is the first error after which the database may have ended the transaction. No statement is sent after it,
	// because that statement would take effect on its own.
	broken error
}

func (db *DB) transaction(ctx context.Context) *transaction {
	t, _ := ctx.Value(transactionKey{db}).(*transaction)
	return t
}

// InTransaction reports whether ctx carries a transaction of db.
func (db *DB) InTransaction(ctx context.Context) bool { return db.transaction(ctx) != nil }

// Transact runs fn in one transaction, which fn's context carries; every call in fn must use that context. It commits
// when fn returns nil. After a deadlock, a lock wait timeout, a failed certification or a lost connection it pauses and
// calls fn again, up to maxAttempts times; values that SetUntilRollback set are restored first. A Transact inside another
// joins it: its changes are committed or rolled back with the outer one.
func (db *DB) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	if t := db.transaction(ctx); t != nil {
		if t.broken != nil {
			return t.broken
		}
		return fn(ctx)
	}
	return db.retry(ctx, "transaction", func() error { return db.attempt(ctx, fn) })
}

// attempt runs fn in one transaction once.
func (db *DB) attempt(ctx context.Context, fn func(ctx context.Context) error) (err error) {
	release, err := db.lockWriting(ctx)
	if err != nil {
		return err
	}
	defer release()
	tx := db.gorm.WithContext(ctx).Begin()
	if tx.Error != nil {
		return fmt.Errorf("beginning a transaction: %w", tx.Error)
	}
	t := &transaction{gorm: tx}
	committed := false
	defer func() { // also when fn panics
		if committed {
			return
		}
		tx.Rollback() // its error does not matter: the database discards what was not committed
		for i := len(t.undo) - 1; i >= 0; i-- {
			t.undo[i]()
		}
	}()
	err = fn(context.WithValue(ctx, transactionKey{db}, t))
	if t.broken != nil {
		return t.broken
	}
	if err != nil {
		return err
	}
	if err := tx.Commit().Error; err != nil {
		return fmt.Errorf("committing a transaction: %w", commitUnknownError{err})
	}
	committed = true
	return nil
}

// retry calls try until it succeeds, fails for good, or has used up its attempts, and observes that. It returns the failure
// database_unavailable when the database cannot be used now.
func (db *DB) retry(ctx context.Context, operation string, try func() error) (err error) {
	began := time.Now()
	_, span := trace.Call(ctx, "database "+operation, trace.String("db.system.name", db.driver), trace.String("db.operation.name", operation))
	attempts := 0
	defer func() {
		db.cfg.Observe(operation, err, time.Since(began))
		span.Add(trace.Int("connector.attempts", attempts))
		span.EndCall(failure.Is(err, failure.DatabaseUnavailable)) // others are refusals
	}()
	return away(ctx, db.repeat(ctx, func() error {
		attempts++
		return try()
	}))
}

// repeat calls try until it succeeds, fails for good, or has used up its attempts, and returns its last error.
func (db *DB) repeat(ctx context.Context, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		if err == nil || n == maxAttempts || ctx.Err() != nil || !isRetryable(err) {
			return err
		}
		d := min(firstPause<<(n-1), longestPause)
		d = d/2 + time.Duration(db.jitter()*float64(d/2))
		db.log.DebugContext(ctx, "retrying what the database aborted", "attempt", n, "dur", d, "err", err)
		if db.wait(ctx, d) != nil {
			return err
		}
	}
}

// lockWriting locks SQLite for writing, for goroutines in the order of their calls, and returns the function that unlocks it.
// SQLite itself allows only one writer, but one that writes often can starve the others.
func (db *DB) lockWriting(ctx context.Context) (release func(), err error) {
	if db.writeLock == nil {
		return func() {}, nil
	}
	select {
	case db.writeLock <- struct{}{}:
		return func() { <-db.writeLock }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting to write: %w", ctx.Err())
	}
}

// Read runs a query in the transaction of ctx, or outside any, with retries.
func (db *DB) Read(ctx context.Context, query func(tx *gorm.DB) error) error {
	if t := db.transaction(ctx); t != nil {
		return t.run(ctx, query)
	}
	return db.retry(ctx, "read", func() error { return query(db.gorm.WithContext(ctx)) })
}

// Write runs one statement that changes rows in the transaction of ctx, or in one of its own, with retries. Several
// statements need Transact.
func (db *DB) Write(ctx context.Context, statement func(tx *gorm.DB) error) error {
	if t := db.transaction(ctx); t != nil {
		return t.run(ctx, statement)
	}
	return db.retry(ctx, "write", func() error {
		release, err := db.lockWriting(ctx)
		if err != nil {
			return err
		}
		defer release()
		if err := statement(db.gorm.WithContext(ctx)); err != nil {
			return commitUnknownError{err}
		}
		return nil
	})
}

func (t *transaction) run(ctx context.Context, statement func(tx *gorm.DB) error) error {
	if t.broken != nil {
		return t.broken
	}
	err := statement(t.gorm.WithContext(ctx))
	if isRetryable(err) {
		t.broken = err
	}
	return err
}

// SetUntilRollback sets *target to value. If ctx carries a transaction of db that is rolled back, *target gets its old value
// again.
func SetUntilRollback[T any](ctx context.Context, db *DB, target *T, value T) {
	before := *target
	*target = value
	if t := db.transaction(ctx); t != nil {
		t.undo = append(t.undo, func() { *target = before })
	}
}
