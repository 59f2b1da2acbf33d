package store

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// gatherMost bounds what is done at once.
	gatherMost = 128
	// gatherEnough is how many must wait for another batch to be begun while one is under way, and gatherBatches bounds how
	// many are: a database, or its disk, that is slow to answer one can serve others meanwhile.
	gatherEnough  = 32
	gatherBatches = 4
	// gatherWithin bounds how long it may take, with all that is tried again.
	gatherWithin = time.Minute
)

// A gathering does at once what several callers ask for at about the same time: what is asked while the database is at
// work waits and is done together. Nobody waits for company: who comes while nothing runs is served at once. It is safe
// for concurrent use.
type gathering[A, R any] struct {
	// do answers some questions, each at its place, or fails for all of them. Its context is that of no caller.
	do func(ctx context.Context, asked []A) ([]R, error)

	mu      sync.Mutex // guards the rest
	workers int
	waiting []*question[A, R]
}

// A question is one caller's.
type question[A, R any] struct {
	asked  A
	answer R
	err    error
	done   chan struct{} // closed when the answer or the error is there
}

// ask returns the answer, or why there is none. A caller whose context ends does not wait on; what he asked for is done
// all the same.
func (g *gathering[A, R]) ask(ctx context.Context, asked A) (R, error) {
	var none R
	if err := ctx.Err(); err != nil {
		return none, err
	}
	q := &question[A, R]{asked: asked, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, q)
	if g.workers == 0 || g.workers < gatherBatches && len(g.waiting) >= gatherEnough {
		g.workers++
		go g.work()
	}
	g.mu.Unlock()
	select {
	case <-q.done:
		return q.answer, q.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// work answers what waits until nothing does.
func (g *gathering[A, R]) work() {
	for {
		g.mu.Lock()
		n := min(len(g.waiting), gatherMost)
		if n == 0 {
			g.workers--
			g.waiting = nil
			g.mu.Unlock()
			return
		}
		batch := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		g.mu.Unlock()
		g.answer(batch)
	}
}

func (g *gathering[A, R]) answer(batch []*question[A, R]) {
	ctx, cancel := context.WithTimeout(context.Background(), gatherWithin)
	defer cancel()
	asked := make([]A, len(batch))
	for i, q := range batch {
		asked[i] = q.asked
	}
	answers, err := g.do(ctx, asked)
	if err == nil && len(answers) != len(batch) {
		err = fmt.Errorf("%d questions have %d answers", len(batch), len(answers))
	}
	for i, q := range batch {
		if q.err = err; err == nil {
			q.answer = answers[i]
		}
		close(q.done)
	}
}
