package sampling_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/sampling"
)

func TestSampler_LetsTheFirstOfEveryMinuteThrough(t *testing.T) {
	clock := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	s := sampling.New(3, time.Minute, func() time.Time { return clock })
	count := func(requests int) (logged, skipped int) {
		for range requests {
			ok, n := s.Allow()
			if skipped += n; ok {
				logged++
			}
		}
		return logged, skipped
	}
	if logged, skipped := count(1000); logged != 3 || skipped != 0 {
		t.Errorf("of 1000 at once, %d are logged and %d reported, want 3 and 0", logged, skipped)
	}
	clock = clock.Add(59 * time.Second)
	if logged, _ := count(10); logged != 0 {
		t.Errorf("%d are logged within the same minute, want none", logged)
	}
	clock = clock.Add(time.Second)
	if logged, skipped := count(2); logged != 2 || skipped != 1007 {
		t.Errorf("in the next minute, %d are logged and %d reported, want 2 and the 1007 that were left out", logged, skipped)
	}
	clock = clock.Add(-time.Hour) // the clock was set right
	if logged, _ := count(5); logged != 3 {
		t.Errorf("%d are logged after the clock was set back, want 3", logged)
	}
}

func TestSampler_OneInTenSeconds(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	s := sampling.New(1, 10*time.Second, func() time.Time { return now })
	check := func(what string, wantSkipped int, want bool) {
		t.Helper()
		if ok, skipped := s.Allow(); ok != want || skipped != wantSkipped {
			t.Errorf("Allow() %s = %t, %d, want %t, %d", what, ok, skipped, want, wantSkipped)
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
