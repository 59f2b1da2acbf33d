package clock_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"azure-partner-connector/connector/clock"
)

func TestSleep_EndsWithItsContext(t *testing.T) {
	ended, end := context.WithCancel(context.Background())
	end()
	for name, tc := range map[string]struct {
		ctx    func(t *testing.T) context.Context
		d      time.Duration
		want   error
		passed time.Duration
	}{
		"no deadline":       {(*testing.T).Context, time.Minute, nil, time.Minute},
		"zero duration":     {(*testing.T).Context, 0, nil, 0},
		"cancelled":         {endsAfter(time.Second), time.Minute, context.Canceled, time.Second},
		"earlier deadline":  {expiresAfter(time.Second), time.Minute, context.DeadlineExceeded, 0},
		"later deadline":    {expiresAfter(time.Hour), time.Minute, nil, time.Minute},
		"cancelled earlier": {func(*testing.T) context.Context { return ended }, 0, context.Canceled, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, start := tc.ctx(t), time.Now()
				if err := clock.Sleep(ctx, tc.d); !errors.Is(err, tc.want) {
					t.Errorf("Sleep(%s) = %v, want %v", tc.d, err, tc.want)
				}
				if passed := time.Since(start); passed != tc.passed {
					t.Errorf("Sleep(%s) took %s, want %s", tc.d, passed, tc.passed)
				}
			})
		})
	}
}

// endsAfter returns a context that is cancelled after d.
func endsAfter(d time.Duration) func(*testing.T) context.Context {
	return func(t *testing.T) context.Context {
		ctx, end := context.WithCancel(t.Context())
		time.AfterFunc(d, end)
		return ctx
	}
}

// expiresAfter returns a context whose deadline is d away.
func expiresAfter(d time.Duration) func(*testing.T) context.Context {
	return func(t *testing.T) context.Context {
		ctx, end := context.WithTimeout(t.Context(), d)
		t.Cleanup(end)
		return ctx
	}
}
