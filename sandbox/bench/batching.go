package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/sqldb"
)

// The least rates through the batcher, as shares of the rate of callers that each execute a statement of their own.
const (
	fewBatchedBar  = 0.90 // handing a request to another goroutine takes a few microseconds
	manyBatchedBar = 1.00
)

// fewCallers is up to how many callers the batcher cannot gain anything.
const fewCallers = 4

// batchedRun is how long one run of callers lasts.
const batchedRun = 500 * time.Millisecond

// A batchedStatement is a statement that many callers may share, for any number of arguments.
type batchedStatement struct {
	name   string
	access sqldb.Access
	run    func(ctx context.Context, ids []string) ([]bool, error)
	next   func(n int64) string
}

// batching compares requests through the batcher with callers that execute the same statement for themselves.
func (e *Env) batching(ctx context.Context) (rows []Row, err error) {
	source, err := e.mysql(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := e.fill(ctx, source, e.cfg.Tenants, time.Now().Add(later))
	if err != nil {
		return nil, err
	}
	db, err := sqldb.Open(ctx, sqldb.Config{Driver: source.driver, DSN: secret.New(source.dsn)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, statement := range []batchedStatement{
		{"reading a row", sqldb.Reads, readRows(db), func(n int64) string { return ids[n%int64(len(ids))] }},
		{"committing a nonce", sqldb.Writes, writeRows(db), func(int64) string { return random.ID()[:32] }},
	} {
		for _, callers := range []int{1, fewCallers, fewConnections, maxConnections} {
			row, err := e.batched(ctx, db, statement, callers)
			if err != nil {
				return rows, err
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// readRows returns a statement that reads tenants.
func readRows(db *sqldb.DB) func(ctx context.Context, ids []string) ([]bool, error) {
	return func(ctx context.Context, ids []string) ([]bool, error) {
		values := make([]any, len(ids))
		for i, id := range ids {
			values[i] = id
		}
		var found []string
		err := db.Read(ctx, func(db *gorm.DB) error {
			found = found[:0]
			return db.Raw("SELECT id FROM tenants WHERE id IN (?"+strings.Repeat(", ?", len(ids)-1)+")", values...).Scan(&found).Error
		})
		results := make([]bool, len(ids))
		for i, id := range ids {
			results[i] = slices.Contains(found, id)
		}
		return results, err
	}
}

// writeRows returns a statement that commits nonces.
func writeRows(db *sqldb.DB) func(ctx context.Context, ids []string) ([]bool, error) {
	return func(ctx context.Context, ids []string) ([]bool, error) {
		var values []any
		until := sqldb.NewTimestamp(time.Now().Add(later))
		for _, id := range ids {
			values = append(values, instanceKey, []byte(id), until)
		}
		query := "INSERT INTO nonces (consumer_key, nonce_hash, expires_at) VALUES (?, ?, ?)" + strings.Repeat(", (?, ?, ?)", len(ids)-1)
		return make([]bool, len(ids)), db.Write(ctx, func(db *gorm.DB) error { return db.Exec(query, values...).Error })
	}
}

// batched compares one statement with a number of callers, in turn.
func (e *Env) batched(ctx context.Context, db *sqldb.DB, s batchedStatement, callers int) (Row, error) {
	batcher := sqldb.NewBatcher(db, s.access, s.run)
	var alone, shared []float64
	for turn := range e.cfg.Turns + 1 {
		a, err := callFor(ctx, callers, s.next, func(ctx context.Context, id string) error {
			_, err := s.run(ctx, []string{id})
			return err
		})
		if err != nil {
			return Row{}, err
		}
		b, err := callFor(ctx, callers, s.next, func(ctx context.Context, id string) error {
			_, err := batcher.Do(ctx, id)
			return err
		})
		if err != nil {
			return Row{}, err
		}
		if turn > 0 { // the first one warms up
			alone, shared = append(alone, a), append(shared, b)
		}
	}
	bar := manyBatchedBar
	if callers <= fewCallers {
		bar = fewBatchedBar
	}
	row := percent(fmt.Sprintf("%s through the batcher, %d callers", s.name, callers), median(shared)/median(alone), bar).with(
		"Batcher %s a second; each alone %s.", spread(shared), spread(alone)).because(sharedProcessors)
	if callers == 1 {
		row = row.doing("The baseline are as many callers that execute the same statement for themselves, with the same pool of %d connections, on MariaDB. "+
			"Each figure is of %d runs of %s in turn.", baselineConnections, e.cfg.Turns, batchedRun)
	}
	return row, nil
}

// callFor calls from a number of goroutines for batchedRun, and returns how many calls a second were done.
func callFor(ctx context.Context, callers int, next func(n int64) string, call func(ctx context.Context, id string) error) (float64, error) {
	var all sync.WaitGroup
	var done, number atomic.Int64
	failed := make(chan error, callers)
	began := time.Now()
	for range callers {
		all.Go(func() {
			for time.Since(began) < batchedRun {
				if err := call(ctx, next(number.Add(1))); err != nil {
					failed <- err
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	close(failed)
	return float64(done.Load()) / took.Seconds(), <-failed
}
