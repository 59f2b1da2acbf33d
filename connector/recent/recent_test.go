package recent_test

import (
	"errors"
	"testing"
	"time"

	"azure-partner-connector/connector/recent"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newCache(t *testing.T, size int) *recent.Cache[int, int] {
	t.Helper()
	c, err := recent.New[int, int](size)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGet_ReadsAgainAfterItsLife(t *testing.T) {
	c, reads := newCache(t, 2), 0
	read := func() (int, error) { reads++; return reads, nil }
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {recent.Life - 1, 1}, {recent.Life, 2}, {recent.Life + 1, 2}, {0, 3}, {-time.Hour, 4}} { // the clock is set back twice
		if got, err := c.Get(1, noon.Add(step.after), read); err != nil || got != step.want {
			t.Errorf("Get() after %s = %d, %v, want the value of read %d", step.after, got, err, step.want)
		}
	}
}

func TestGet_KeepsNoFailureAndNoMoreThanItsSize(t *testing.T) {
	c, broken := newCache(t, 2), errors.New("not found")
	for key := range 100 {
		if _, err := c.Get(key, noon, func() (int, error) { return 0, broken }); !errors.Is(err, broken) {
			t.Fatalf("Get() = %v, want %v", err, broken)
		}
	}
	if c.Len() != 0 {
		t.Errorf("Len() after failures = %d, want 0", c.Len())
	}
	for key := range 100 {
		if got, err := c.Get(key, noon, func() (int, error) { return key, nil }); err != nil || got != key {
			t.Fatalf("Get(%d) = %d, %v", key, got, err)
		}
	}
	if c.Len() != 2 {
		t.Errorf("Len() = %d, want 2", c.Len())
	}
	if _, err := c.Get(99, noon.Add(recent.Life), func() (int, error) { return 0, broken }); !errors.Is(err, broken) || c.Len() != 1 {
		t.Errorf("Get() of what is gone = %v with %d values kept, want %v and 1", err, c.Len(), broken)
	}
}

// TestForget_DropsWhatIsBeingRead changes a row between its reading and its keeping.
func TestForget_DropsWhatIsBeingRead(t *testing.T) {
	c := newCache(t, 2)
	if got, _ := c.Get(1, noon, func() (int, error) { c.Forget(); return 1, nil }); got != 1 {
		t.Errorf("Get() = %d, want 1", got)
	}
	if got, _ := c.Get(1, noon, func() (int, error) { return 2, nil }); got != 2 {
		t.Errorf("Get() after a change during the reading = %d, want 2", got)
	}
	c.Forget()
	if got, _ := c.Get(1, noon, func() (int, error) { return 3, nil }); got != 3 {
		t.Errorf("Get() after Forget() = %d, want 3", got)
	}
}
