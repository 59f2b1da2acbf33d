package clock

import (
	"fmt"
	"math"
	"sync"
	"time"
)

// How far our clock may differ from the reference before background work is restricted.
const (
	// DoubtfulFrom is the difference from which on nothing is deleted because of its age, and the operator is warned.
	DoubtfulFrom = 2 * time.Minute
	// WrongFrom is the difference from which on nothing is renewed and nobody is notified. Hooks are refused from there on,
	// too (docs/reference/aps-protocol.md §2.1).
	WrongFrom = 10 * time.Minute
)

const (
	// skewLife is how long a measured skew is used.
	skewLife = 5 * time.Minute
	// StepTolerance is how far the clock and the time that really passed may differ until it counts as having been set.
	StepTolerance = 2 * time.Second
	// maxRoundTrip is the longest request whose answer tells the time: the answer may be half of it older than assumed.
	maxRoundTrip = time.Minute
)

// A Skew is how far the reference's clock is ahead of ours, if that is known. The zero Skew is unknown.
type Skew struct {
	By    time.Duration // negative when our clock is ahead
	Known bool
}

// Doubtful reports whether our clock is known to differ by DoubtfulFrom or more.
func (s Skew) Doubtful() bool { return s.Known && s.By.Abs() >= DoubtfulFrom }

// Wrong reports whether our clock is known to differ by WrongFrom or more.
func (s Skew) Wrong() bool { return s.Known && s.By.Abs() >= WrongFrom }

// String describes our clock, as in "12h0m3s ahead".
func (s Skew) String() string {
	switch by := s.By.Round(time.Second); {
	case !s.Known:
		return "not compared"
	case by < 0:
		return fmt.Sprintf("%s ahead", -by)
	default:
		return fmt.Sprintf("%s behind", by)
	}
}

// A Reference is a clock that is known to be right, for example of a service on the Internet, and remembers how far ours
// differs from it. It is safe for concurrent use.
type Reference struct {
	now     func() time.Time
	elapsed func() time.Duration

	mu   sync.Mutex // guards what follows
	skew Skew
	at   time.Time     // of the measurement, on our clock
	age  time.Duration // elapsed at the measurement
}

// NewReference returns a Reference that knows nothing yet. now is our clock; elapsed returns the time that passed since any
// moment, and does not change when the clock is set.
func NewReference(now func() time.Time, elapsed func() time.Duration) *Reference {
	return &Reference{now: now, elapsed: elapsed}
}

// Elapsed returns a function that returns the time that passed since this call, however the clock is set meanwhile.
func Elapsed() func() time.Duration {
	began := time.Now()
	return func() time.Duration { return time.Since(began) }
}

// Observe measures the skew by the reference's time, in whole seconds, in an answer to a request that our clock saw begin
// and end at two times. It ignores requests that took too long.
func (r *Reference) Observe(date, began, ended time.Time) {
	// Round strips the monotonic readings, because only the wall clock's are compared.
	began, ended = began.Round(0), ended.Round(0)
	took := ended.Sub(began)
	if date.IsZero() || took < 0 || took > maxRoundTrip {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// A date in whole seconds is on average half a second earlier than the time.
	r.skew = Skew{date.Add(time.Second / 2).Sub(began.Add(took / 2)), true}
	r.at, r.age = ended, r.elapsed()
}

// Skew returns the skew that was measured last. It is unknown when that was more than five minutes ago, or when our clock was
// set since.
func (r *Reference) Skew() Skew { return r.within(skewLife) }

// Last is Skew however long ago it was measured.
func (r *Reference) Last() Skew { return r.within(math.MaxInt64) }

func (r *Reference) within(life time.Duration) Skew {
	now := r.now().Round(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	passed := r.elapsed() - r.age
	if passed > life || (now.Sub(r.at)-passed).Abs() > StepTolerance {
		return Skew{}
	}
	return r.skew
}
