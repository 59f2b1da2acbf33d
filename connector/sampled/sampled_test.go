package sampled_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/sampled"
)

func TestSampler(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	s := sampled.New(func() time.Time { return now })
	check := func(what string, wantSuppressed int, want bool) {
		t.Helper()
		if suppressed, ok := s.Next(); ok != want || suppressed != wantSuppressed {
			t.Errorf("Next() %s = %d, %t, want %d, %t", what, suppressed, ok, wantSuppressed, want)
		}
	}
	check("at first", 0, true)
	check("again", 0, false)
	now = now.Add(9 * time.Second)
	check("within ten seconds", 0, false)
	now = now.Add(time.Second)
	check("after ten seconds", 2, true)
	now = now.Add(-time.Hour)
	check("after the clock was put back", 0, true)
}
