package app

import "context"

// A trigger starts work that runs once at a time; fire does not block. At most one firing is pending: all firings
// before a run lead to that run, and firings during a run lead to one more, because the current one may already have
// passed what became due meanwhile.
type trigger chan struct{}

func newTrigger() trigger { return make(trigger, 1) }

func (t trigger) fire() {
	select {
	case t <- struct{}{}:
	default:
	}
}

// run calls work after every firing, until ctx ends.
func (t trigger) run(ctx context.Context, work func(context.Context)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t:
			if ctx.Err() == nil {
				work(ctx)
			}
		}
	}
}
