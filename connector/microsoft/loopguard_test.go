package microsoft_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"azure-partner-connector/connector/microsoft"
)

var loopStart = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func TestLoopGuard_AdmitsSevenIn5Minutes(t *testing.T) {
	guard := microsoft.NewLoopGuard()
	for i := range 20 {
		now := loopStart.Add(time.Duration(i) * 20 * time.Second)
		var want time.Duration // admitted: 7 at once, then each when the one 7 before it is 5 minutes old
		if i >= 7 && i < 15 {
			want = loopStart.Add(5 * time.Minute).Sub(now)
		}
		if got := guard.Admit(now, "directory", "token"); got != want {
			t.Errorf("Admit() %s after the first = %s, want %s", now.Sub(loopStart), got, want)
		}
	}
}

func TestLoopGuard_KeepsPartsApart(t *testing.T) {
	guard := microsoft.NewLoopGuard()
	for range 7 {
		guard.Admit(loopStart, "ab", "c")
	}
	if got := guard.Admit(loopStart, "a", "bc"); got != 0 {
		t.Errorf("Admit() of another request = %s, want 0", got)
	}
	if got := guard.Admit(loopStart, "ab", "c"); got != 5*time.Minute {
		t.Errorf("Admit() of the same request = %s, want 5m0s", got)
	}
}

func TestLoopGuard_DropsExpiredRequests(t *testing.T) {
	guard := microsoft.NewLoopGuard()
	for i := range 1000 {
		guard.Admit(loopStart, strconv.Itoa(i))
	}
	for i := range 1000 {
		guard.Admit(loopStart.Add(5*time.Minute), "later", strconv.Itoa(i))
	}
	if got := guard.Counted(); got != 1000 {
		t.Errorf("Counted() = %d, want the 1000 requests of the last 5 minutes", got)
	}
}

func TestLoopGuard_IsBounded(t *testing.T) {
	guard := microsoft.NewLoopGuard()
	for range 7 {
		guard.Admit(loopStart, "in use")
	}
	for i := range 2 * microsoft.MaxRequestsCounted {
		guard.Admit(loopStart, strconv.Itoa(i))
		if guard.Admit(loopStart, "in use") == 0 {
			t.Fatalf("Admit() of a request in use = 0 after %d others, want a wait", i)
		}
	}
	if got := guard.Counted(); got != microsoft.MaxRequestsCounted {
		t.Errorf("Counted() = %d, want %d", got, microsoft.MaxRequestsCounted)
	}
}

// The cost of a request does not depend on how many requests the guard has counted, except that fewer of them fit into
// the processor's caches.
func BenchmarkLoopGuard_Admit(b *testing.B) {
	for _, counted := range []int{10, 100_000} {
		b.Run(fmt.Sprintf("counted=%d", counted), func(b *testing.B) {
			guard := microsoft.NewLoopGuard()
			requests := make([]string, counted)
			for i := range requests {
				requests[i] = strconv.Itoa(i)
				guard.Admit(loopStart, "global", requests[i])
			}
			step := 5 * time.Minute / time.Duration(7*counted) // the rate at which each request is just admitted
			now, i := loopStart, 0
			b.ReportAllocs()
			for b.Loop() {
				guard.Admit(now, "global", requests[i%counted])
				now, i = now.Add(step), i+1
			}
		})
	}
}
