package sqldb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gorm.io/gorm"
)

const (
	// maxBatch limits the requests in one batch.
	maxBatch = 128
	// batchTimeout limits a batch with all its retries.
	batchTimeout = time.Minute
)

// A Batcher carries out the requests that several goroutines make at about the same time. As long as few are carried out at
// once, each caller does that itself, as if there were no Batcher; others wait meanwhile and form the next batch. A request never
// waits while a connection is unused, and one that the database refuses does not affect the others. It is safe for concurrent
// use.
type Batcher[A, R any] struct {
	db         *DB
	run        func(ctx context.Context, requests []A) ([]R, error)
	maxWorkers int

	mu      sync.Mutex // guards the fields below
	workers int
	waiting []*request[A, R]
}

// A request is the argument of one caller and its outcome.
type request[A, R any] struct {
	ctx      context.Context
	argument A
	result   R
	err      error
	done     chan struct{} // closed when result or err is set
}

// Access says what the requests of a Batcher do.
type Access bool

// The kinds of access. SQLite has one writer at a time, so that requests to write wait for each other and share its commit.
const (
	Reads  Access = false
	Writes Access = true
)

// NewBatcher returns a Batcher for db. run returns one result for each request, in their order, or fails for all of them,
// having stored nothing: when the database refused one of several, run is called again for each alone. Its context is that of
// the caller for a request that did not wait, and else depends on no caller's. Outside a transaction it ends after batchTimeout.
func NewBatcher[A, R any](db *DB, access Access, run func(ctx context.Context, requests []A) ([]R, error)) *Batcher[A, R] {
	b := &Batcher[A, R]{db: db, run: run, maxWorkers: max(1, db.cfg.MaxConnections/2)} // the others are for transactions
	if access == Writes && db.driver == SQLite {
		b.maxWorkers = 1
	}
	return b
}

// Do returns the result for one request. When ctx ends first, Do returns its error; the request may be carried out nevertheless
// if that has begun, and is dropped if not. In a transaction, the request is a batch of its own and part of the transaction.
func (b *Batcher[A, R]) Do(ctx context.Context, argument A) (R, error) {
	var none R
	if err := ctx.Err(); err != nil {
		return none, err
	}
	r := &request[A, R]{ctx: ctx, argument: argument, done: make(chan struct{})}
	if b.db.InTransaction(ctx) {
		b.runBatch(ctx, []*request[A, R]{r})
		return r.result, r.err
	}
	b.mu.Lock()
	alone := b.workers < b.maxWorkers
	if alone {
		b.workers++
	} else {
		b.waiting = append(b.waiting, r)
	}
	b.mu.Unlock()
	if alone {
		b.runAlone(r)
		if r.err != nil && ctx.Err() != nil {
			return none, ctx.Err()
		}
		return r.result, r.err
	}
	select {
	case <-r.done:
		return r.result, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// runAlone runs a batch of one request, whose caller is a worker meanwhile. If others wait then, a worker takes its place.
func (b *Batcher[A, R]) runAlone(r *request[A, R]) {
	defer func() { // also when run panics
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.waiting) > 0 {
			go b.work()
			return
		}
		b.workers--
	}()
	ctx, cancel := context.WithTimeout(r.ctx, batchTimeout)
	defer cancel()
	b.runBatch(ctx, []*request[A, R]{r})
}

// work runs batches until no request waits.
func (b *Batcher[A, R]) work() {
	for {
		batch := b.next()
		if len(batch) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
		b.runBatch(ctx, batch)
		cancel()
	}
}

// next returns the requests that wait, except those whose callers have left. Without any, the worker ends.
func (b *Batcher[A, R]) next() []*request[A, R] {
	b.mu.Lock()
	defer b.mu.Unlock()
	var batch []*request[A, R]
	for i, r := range b.waiting {
		if len(batch) == maxBatch {
			b.waiting = b.waiting[i:]
			return batch
		}
		if r.ctx.Err() == nil {
			batch = append(batch, r)
		}
	}
	b.waiting = nil
	if len(batch) == 0 {
		b.workers--
	}
	return batch
}

func (b *Batcher[A, R]) runBatch(ctx context.Context, batch []*request[A, R]) {
	arguments := make([]A, len(batch))
	for i, r := range batch {
		arguments[i] = r.argument
	}
	results, err := b.run(ctx, arguments)
	if err == nil && len(results) != len(batch) {
		err = fmt.Errorf("a batch of %d requests has %d results", len(batch), len(results))
	}
	if len(batch) > 1 && isRefusal(err) {
		for i := range batch {
			b.runBatch(ctx, batch[i:i+1])
		}
		return
	}
	for i, r := range batch {
		if r.err = err; err == nil {
			r.result = results[i]
		}
		close(r.done)
	}
}

// isRefusal reports whether the database refused what was to be stored, which may be the fault of one request.
func isRefusal(err error) bool {
	return errors.Is(err, gorm.ErrDuplicatedKey) || errors.Is(err, gorm.ErrForeignKeyViolated) || IsPermanent(err)
}
