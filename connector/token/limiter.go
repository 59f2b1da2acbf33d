package token

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const (
	// directoryBurst is how many renewals for one directory may begin together: a directory may be shared by a few instances.
	directoryBurst = 2
	// throttledFor is how long a cloud is paused when Microsoft throttles a request without saying for how long
	// (docs/reference/microsoft-identity.md §3.7).
	throttledFor = 5 * time.Second
	// longestPause is longer than Microsoft may ask us to wait.
	longestPause = 25 * time.Hour
	// maxLimitedDirectories bounds the directories that have a rate limiter. One that was evicted may begin a new burst.
	maxLimitedDirectories = 10_000
	// maxLimitedLoans bounds the tenants' directories and apis whose redemptions for borrowers are limited, likewise. It is more than
	// the access tokens in memory are by default, because one that is evicted there is redeemed for again. One takes about 300 bytes.
	maxLimitedLoans = 50_000
)

// A limiter bounds how fast sweeps begin renewals, and knows which clouds are paused. It limits this process only: every
// replica has its own limits and learns of pauses from its own requests. It is safe for concurrent use.
type limiter struct {
	perCloud    int // renewals a minute; 0 is no limit
	burst       int // of a cloud
	directories *budgets[directoryKey]

	mu     sync.Mutex // guards the fields below
	clouds map[string]*rate.Limiter
	paused map[string]time.Time // cloud → end of its pause
}

type directoryKey struct{ cloud, directory string }

func newLimiter(perCloud, perDirectory, burst int) (*limiter, error) {
	directories, err := newBudgets[directoryKey](perDirectory, directoryBurst, maxLimitedDirectories)
	if err != nil {
		return nil, err
	}
	return &limiter{
		perCloud: perCloud, burst: burst, directories: directories,
		clouds: map[string]*rate.Limiter{}, paused: map[string]time.Time{},
	}, nil
}

func perMinute(n int) rate.Limit { return rate.Limit(float64(n) / 60) }

// pause pauses a cloud until a time, and reports whether that is later than before.
func (l *limiter) pause(cloud string, until time.Time) (extended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !until.After(l.paused[cloud]) {
		return false
	}
	l.paused[cloud] = until
	return true
}

// pausedUntil returns until when a cloud is paused for a grant that expires at expires; zero when it is not. The pause does
// not apply to a grant that would expire during it or the spread after it, because waiting would lose the grant.
func (l *limiter) pausedUntil(cloud string, now, expires time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := l.paused[cloud]
	if until.After(now.Add(longestPause)) { // our clock was set back since
		delete(l.paused, cloud)
		return time.Time{}
	}
	if !now.Before(until) || now.Before(expires) && expires.Before(until.Add(spread)) {
		return time.Time{}
	}
	return until
}

// reserve reserves the next renewal of a cloud and returns how long to wait for it.
func (l *limiter) reserve(cloud string, now time.Time) time.Duration {
	if l.perCloud == 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	limit := l.clouds[cloud]
	if limit == nil {
		limit = rate.NewLimiter(perMinute(l.perCloud), l.burst)
		l.clouds[cloud] = limit
	}
	return limit.ReserveN(now, 1).DelayFrom(now)
}

// reserveDirectory reserves a renewal of a directory if one may begin now; otherwise it returns how long to wait until one
// may, and reserves nothing.
func (l *limiter) reserveDirectory(cloud, directory string, now time.Time) time.Duration {
	if directory == "" {
		return 0
	}
	return l.directories.take(directoryKey{cloud, directory}, now)
}

// PauseCloud stops this replica's sweeps from renewing in a cloud for wait, or for some seconds when wait is 0 or less. It is
// called when Microsoft throttles a request, because that concerns the requests of all tenants. Other replicas are not
// informed, but a tenant that this one postpones is postponed for all. Renewals that people start and requests of borrowers
// are still sent.
func (s *Service) PauseCloud(cloud string, wait time.Duration) {
	if wait <= 0 {
		wait = throttledFor
	}
	until := s.cfg.Now().Add(wait)
	if s.limiter.pause(cloud, until) {
		s.cfg.Log.Warn("Microsoft is limiting our requests; renewals in this cloud are paused", "cloud", cloud, "until", until)
	}
}

// budgets bounds how often something may begin within a minute, for each of the keys that were used last. It is safe for
// concurrent use.
type budgets[K comparable] struct {
	perMinute int // 0 is no limit
	burst     int // how many may begin together

	mu       sync.Mutex // guards limiters: two callers must not make two for one key
	limiters *lru.Cache[K, *rate.Limiter]
}

func newBudgets[K comparable](perMinute, burst, most int) (*budgets[K], error) {
	limiters, err := lru.New[K, *rate.Limiter](most)
	if err != nil {
		return nil, err
	}
	return &budgets[K]{perMinute: perMinute, burst: burst, limiters: limiters}, nil
}

// take counts one for a key if one may begin now; otherwise it returns how long to wait until one may, and counts nothing.
func (b *budgets[K]) take(key K, now time.Time) (wait time.Duration) {
	if b.perMinute == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	limit, ok := b.limiters.Get(key)
	if !ok {
		limit = rate.NewLimiter(perMinute(b.perMinute), b.burst)
		b.limiters.Add(key, limit)
	}
	reservation := limit.ReserveN(now, 1)
	if wait = reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}
