package sqldb

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// maxBatch limits the requests in one batch.
	maxBatch = 128
	// minConcurrentBatch is how many requests must wait for another batch to start while one runs, and maxConcurrentBatches
	// limits the batches that run: a database that waits for its disk can serve others meanwhile.
	minConcurrentBatch   = 32
	maxConcurrentBatches = 4
	// batchTimeout limits a batch with all its retries.
	batchTimeout = time.Minute
)

// A Batcher combines the requests that several goroutines make at about the same time into one call. A request that comes
// while no batch runs starts at once; requests that come meanwhile form the next batch. It is safe for concurrent use.
type Batcher[A, R any] struct {
	db  *DB
	run func(ctx context.Context, requests []A) ([]R, error)

	mu      sync.Mutex // guards the fields below
	workers int
	waiting []*request[A, R]
}

// A request is the argument of one caller and its outcome.
type request[A, R any] struct {
	argument A
	result   R
	err      error
	done     chan struct{} // closed when result or err is set
}

// NewBatcher returns a Batcher for db. run returns one result for each request, in their order, or fails for all of them.
// Outside a transaction, its context does not depend on the callers' and ends after batchTimeout.
func NewBatcher[A, R any](db *DB, run func(ctx context.Context, requests []A) ([]R, error)) *Batcher[A, R] {
	return &Batcher[A, R]{db: db, run: run}
}

// Do returns the result for one request. When ctx ends, Do returns its error, but the request is still carried out. In a
// transaction, the request is a batch of its own and part of the transaction.
func (b *Batcher[A, R]) Do(ctx context.Context, argument A) (R, error) {
	var none R
	if err := ctx.Err(); err != nil {
		return none, err
	}
	r := &request[A, R]{argument: argument, done: make(chan struct{})}
	if b.db.InTransaction(ctx) {
		b.runBatch(ctx, []*request[A, R]{r})
		return r.result, r.err
	}
	b.mu.Lock()
	b.waiting = append(b.waiting, r)
	if b.workers == 0 || b.workers < maxConcurrentBatches && len(b.waiting) >= minConcurrentBatch {
		b.workers++
		go b.work()
	}
	b.mu.Unlock()
	select {
	case <-r.done:
		return r.result, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// work runs batches until no request waits.
func (b *Batcher[A, R]) work() {
	for {
		b.mu.Lock()
		batchSize := min(len(b.waiting), maxBatch)
		if batchSize == 0 {
			b.workers--
			b.waiting = nil
			b.mu.Unlock()
			return
		}
		batch := b.waiting[:batchSize:batchSize]
		b.waiting = b.waiting[batchSize:]
		b.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
		b.runBatch(ctx, batch)
		cancel()
	}
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
	for i, r := range batch {
		if r.err = err; err == nil {
			r.result = results[i]
		}
		close(r.done)
	}
}
