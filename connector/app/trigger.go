package app

import "context"

// A trigger starts work that runs one piece at a time, and whoever fires it does not wait. It holds one pending firing:
// firings before a run begins are served by that run, and a firing during a run causes another run after it, because the
// running one may already have passed what became due meanwhile.
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
