package binding_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/binding"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

// A longController gives IDs that are too long to be stored, and records what it cancels.
type longController struct {
	binding.Controller
	cancelled []string
}

var longID = strings.Repeat("t", 256)

func (c *longController) ScheduleDaily(context.Context, tenant.Instance, binding.Task) (string, error) {
	return longID, nil
}

func (c *longController) CancelTask(_ context.Context, _ tenant.Instance, id string) error {
	c.cancelled = append(c.cancelled, id)
	return nil
}

// TestSweep_MySQLRemovesTaskWithLongID leaves no task behind whose ID cannot be stored.
func TestSweep_MySQLRemovesTaskWithLongID(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s, long := newInstallation(t, db), &longController{}
		service, err := binding.New(binding.Config{Store: s.store, Controller: long, Tenants: s.tenants(), PeriodicTask: true, Keys: []string{key}, Now: s.clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		if err := service.Sweep(t.Context()); err != nil {
			t.Errorf("Sweep() = %v", err)
		}
		if len(long.cancelled) != 1 || long.cancelled[0] != longID {
			t.Errorf("%d tasks were cancelled, want the one whose ID is too long", len(long.cancelled))
		}
		if id, err := service.RenewalTask(t.Context(), s.instance); id != "" || err != nil {
			t.Errorf("RenewalTask() has %d bytes, %v, want none", len(id), err)
		}
		db.CheckBounds(t)
	})
}

// A flakyController fails once and then creates tasks.
type flakyController struct {
	binding.Controller
	calls int
}

func (c *flakyController) ScheduleDaily(context.Context, tenant.Instance, binding.Task) (string, error) {
	if c.calls++; c.calls == 1 {
		return "", failure.New(failure.PlatformUnavailable)
	}
	return "task-1", nil
}

func (c *flakyController) PushRoot(context.Context, tenant.Instance, map[string]any) error {
	return nil
}

// TestSweep_BackoffOfAWrongClockIsOver fails while the clock is half a year ahead.
func TestSweep_BackoffOfAWrongClockIsOver(t *testing.T) {
	s, flaky, ahead := newInstallation(t, storetest.SQLite(t)), &flakyController{}, 150*24*time.Hour
	service, err := binding.New(binding.Config{
		Store: s.store, Controller: flaky, Tenants: s.tenants(), PeriodicTask: true, Keys: []string{key}, Now: func() time.Time { return s.clock.Now().Add(ahead) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		ahead time.Duration
		calls int
	}{{ahead, 1}, {ahead, 1}, {0, 2}} {
		ahead = step.ahead
		if err := service.Sweep(t.Context()); err != nil || flaky.calls != step.calls {
			t.Errorf("Sweep() with a clock that is %s ahead = %v after %d calls, want nil after %d", ahead, err, flaky.calls, step.calls)
		}
	}
	if id, err := service.RenewalTask(t.Context(), s.instance); id != "task-1" || err != nil {
		t.Errorf("RenewalTask() = %q, %v, want the task", id, err)
	}
}
