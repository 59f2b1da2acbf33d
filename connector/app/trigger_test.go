package app_test

import (
	"context"
	"testing"
	"testing/synctest"

	"azure-partner-connector/connector/app"
)

// TestTrigger_FiringDuringARunCausesAnotherRun fires while the work runs, as a platform's periodic task may do when the
// running sweep has already passed what is due.
func TestTrigger_FiringDuringARunCausesAnotherRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := app.NewTrigger()
		ctx, stop := context.WithCancel(t.Context())
		begun, end := make(chan struct{}, 10), make(chan struct{})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			app.RunTrigger(trigger, ctx, func(context.Context) {
				begun <- struct{}{}
				<-end
			})
		}()
		runs := func() int {
			synctest.Wait()
			return len(begun)
		}
		if got := runs(); got != 0 {
			t.Errorf("%d runs before anything fired, want none", got)
		}
		app.Fire(trigger)
		if got := runs(); got != 1 {
			t.Errorf("%d runs after one firing, want 1", got)
		}
		for range 5 {
			app.Fire(trigger) // does not wait for the run
		}
		if got := runs(); got != 1 {
			t.Errorf("%d runs at once, want one after the other", got)
		}
		end <- struct{}{}
		if got := runs(); got != 2 {
			t.Errorf("%d runs after five firings during the first, want one more", got)
		}
		end <- struct{}{}
		if got := runs(); got != 2 {
			t.Errorf("%d runs after the second ended, want no more: five firings are one run", got)
		}
		stop()
		<-ended
	})
}

func TestTrigger_EndsWithItsContext(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for range 20 { // with a pending firing, both cases of the select are ready
		trigger := app.NewTrigger()
		app.Fire(trigger)
		app.RunTrigger(trigger, ctx, func(context.Context) { t.Error("the work ran although its context had ended") })
	}
}
