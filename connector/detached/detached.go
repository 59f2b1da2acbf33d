// Package detached runs work that goes on when its request is over: what Microsoft returned must be stored even if the caller has
// left.
package detached

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"azure-partner-connector/connector/failure"
)

// A Group knows the work that is running. The zero Group has none. It is safe for concurrent use.
type Group struct{ running sync.WaitGroup }

// Run calls work with a context that outlives ctx, and returns its result. When ctx ends first, it returns still_running and work
// continues. A panic becomes an error.
func Run[T any](ctx context.Context, g *Group, work func(ctx context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	g.running.Go(func() {
		var r result
		defer func() { done <- r }()
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		r.value, r.err = work(context.WithoutCancel(ctx))
	})
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, failure.Wrap(ctx.Err(), failure.StillRunning)
	}
}

// Wait returns when all work is done, or an error when ctx ends first. Call it when no more work begins.
func (g *Group) Wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		g.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
