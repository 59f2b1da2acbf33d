package clock_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/clock"
)

// A fakeClock is our clock, which can be set, and the time that really passes.
type fakeClock struct {
	now     time.Time
	elapsed time.Duration
}

func (f *fakeClock) pass(d time.Duration) { f.now, f.elapsed = f.now.Add(d), f.elapsed+d }

func newReference() (*fakeClock, *clock.Reference) {
	f := &fakeClock{now: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)}
	return f, clock.NewReference(func() time.Time { return f.now }, func() time.Duration { return f.elapsed })
}

func TestReference_MeasuresFromTheMiddleOfTheRequest(t *testing.T) {
	for name, tc := range map[string]struct {
		date            time.Duration // after our clock's begin of the request
		took            time.Duration
		want            time.Duration
		doubtful, wrong bool
	}{
		"agrees":                      {0, time.Second, 0, false, false},
		"agrees, slow answer":         {20 * time.Second, 41 * time.Second, 0, false, false},
		"just below doubtful":         {119 * time.Second, time.Second, 119 * time.Second, false, false},
		"two minutes behind":          {2 * time.Minute, time.Second, 2 * time.Minute, true, false},
		"two minutes ahead":           {-2 * time.Minute, time.Second, -2 * time.Minute, true, false},
		"just below wrong":            {-599 * time.Second, time.Second, -599 * time.Second, true, false},
		"ten minutes ahead":           {-10 * time.Minute, time.Second, -10 * time.Minute, true, true},
		"ten minutes behind":          {10 * time.Minute, time.Second, 10 * time.Minute, true, true},
		"85 days ahead":               {-85 * 24 * time.Hour, time.Second, -85 * 24 * time.Hour, true, true},
		"150 days behind, slow":       {150*24*time.Hour + 10*time.Second, 21 * time.Second, 150 * 24 * time.Hour, true, true},
		"within a second of agreeing": {time.Second, time.Second, time.Second, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			f, r := newReference()
			began := f.now
			f.pass(tc.took)
			r.Observe(began.Add(tc.date), began, f.now)
			got := r.Skew()
			if want := (clock.Skew{By: tc.want, Known: true}); got != want || got.Doubtful() != tc.doubtful || got.Wrong() != tc.wrong {
				t.Errorf("Skew() = %+v, doubtful %t, wrong %t, want %+v, %t, %t", got, got.Doubtful(), got.Wrong(), want, tc.doubtful, tc.wrong)
			}
		})
	}
}

func TestReference_IsUnknownWithoutAUsableMeasurement(t *testing.T) {
	f, r := newReference()
	check := func(when string, known bool) {
		t.Helper()
		got := r.Skew()
		if got.Known != known {
			t.Errorf("%s, Skew() = %+v, want known: %t", when, got, known)
		}
		if !known && (got.Doubtful() || got.Wrong()) {
			t.Errorf("%s, Skew() = %+v says more than that it is unknown", when, got)
		}
	}
	observe := func() { r.Observe(f.now, f.now, f.now) }
	check("before the first answer", false)
	r.Observe(time.Time{}, f.now, f.now)
	check("after an answer without a date", false)
	r.Observe(f.now, f.now.Add(-61*time.Second), f.now)
	check("after an answer that took more than a minute", false)
	r.Observe(f.now, f.now.Add(time.Hour), f.now)
	check("after a request during which the clock was set back", false)
	observe()
	f.pass(5 * time.Minute)
	check("five minutes after an answer", true)
	f.pass(time.Second)
	check("more than five minutes after an answer", false)
	observe()
	f.now = f.now.Add(85 * 24 * time.Hour)
	check("after our clock was set ahead", false)
	observe()
	check("after an answer since", true)
	f.now = f.now.Add(-85 * 24 * time.Hour)
	check("after our clock was set right again", false)
	observe()
	f.now, f.elapsed = f.now.Add(time.Minute+time.Second), f.elapsed+time.Minute
	check("while our clock is slewed", true)
}

func TestSkew_String(t *testing.T) {
	for want, skew := range map[string]clock.Skew{
		"not compared":    {},
		"0s behind":       {Known: true},
		"2m3s behind":     {By: 123*time.Second + time.Millisecond, Known: true},
		"2040h0m0s ahead": {By: -85 * 24 * time.Hour, Known: true},
	} {
		if got := skew.String(); got != want {
			t.Errorf("%#v.String() = %q, want %q", skew, got, want)
		}
	}
}

func TestElapsed_Advances(t *testing.T) {
	elapsed := clock.Elapsed()
	if first := elapsed(); first < 0 || elapsed() < first {
		t.Errorf("Elapsed() goes backwards from %s", first)
	}
}
