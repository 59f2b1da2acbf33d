package detached_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"azure-partner-connector/connector/detached"
	"azure-partner-connector/connector/failure"
)

func TestRun_ReturnsTheResult(t *testing.T) {
	var g detached.Group
	got, err := detached.Run(t.Context(), &g, func(context.Context) (int, error) { return 7, nil })
	if err != nil || got != 7 {
		t.Errorf("Run() = %d, %v, want 7", got, err)
	}
	want := errors.New("refused")
	if _, err := detached.Run(t.Context(), &g, func(context.Context) (int, error) { return 0, want }); !errors.Is(err, want) {
		t.Errorf("Run() = %v, want %v", err, want)
	}
	if _, err := detached.Run(t.Context(), &g, func(context.Context) (int, error) { panic("a defect") }); err == nil || !strings.Contains(err.Error(), "a defect") {
		t.Errorf("Run() that panics = %v, want an error", err)
	}
}

// TestRun_GoesOn ends the request while the work runs.
func TestRun_GoesOn(t *testing.T) {
	var g detached.Group
	request, leave := context.WithCancel(t.Context())
	finish, finished := make(chan struct{}), false
	_, err := detached.Run(request, &g, func(ctx context.Context) (int, error) {
		leave()
		<-finish
		finished = ctx.Err() == nil
		return 0, nil
	})
	if !failure.Is(err, failure.StillRunning) {
		t.Errorf("Run() of a request that ended = %v, want %s", err, failure.StillRunning)
	}
	if err := g.Wait(request); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait() with a context that ended = %v, want %v", err, context.Canceled)
	}
	close(finish)
	if err := g.Wait(t.Context()); err != nil || !finished {
		t.Errorf("Wait() = %v, finished: %t, want the work done with a context of its own", err, finished)
	}
}
