package token

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// directoryBurst is how many renewals for one directory may begin together: those of a few instances that share it.
	directoryBurst = 2
	// throttledFor is how long a cloud is left alone that asks to slow down and does not say for how long
	// (microsoft-identity.md §3.7).
	throttledFor = 5 * time.Second
)

// A pace bounds how fast sweeps begin renewals, and knows which clouds asked to be left alone. It is this process's own:
// every replica keeps its own bounds and learns for itself.
type pace struct {
	perCloud     int // renewals a minute; 0 is no bound
	perDirectory int
	burst        int // of a cloud

	mu          sync.Mutex // guards what follows
	clouds      map[string]*rate.Limiter
	directories map[directoryKey]*rate.Limiter
	until       map[string]time.Time // cloud → when it may be asked again
}

type directoryKey struct{ cloud, directory string }

func newPace(perCloud, perDirectory, burst int) *pace {
	return &pace{
		perCloud: perCloud, perDirectory: perDirectory, burst: burst,
		clouds: map[string]*rate.Limiter{}, directories: map[directoryKey]*rate.Limiter{}, until: map[string]time.Time{},
	}
}

func aMinute(n int) rate.Limit { return rate.Limit(float64(n) / 60) }

// leaveAlone notes that a cloud is not to be asked before until.
func (p *pace) leaveAlone(cloud string, until time.Time) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !until.After(p.until[cloud]) {
		return false
	}
	p.until[cloud] = until
	return true
}

// held returns when a cloud may be asked again for a grant that expires at expires; zero when it may be now. A cloud
// that wants to be left alone for longer than the grant lives is asked all the same: there is nothing to lose by it.
func (p *pace) held(cloud string, now, expires time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	until := p.until[cloud]
	if !now.Before(until) || now.Before(expires) && expires.Before(until.Add(spread)) {
		return time.Time{}
	}
	return until
}

// turn takes the next turn in a cloud and returns how long it is until then.
func (p *pace) turn(cloud string, now time.Time) time.Duration {
	if p.perCloud == 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	limiter := p.clouds[cloud]
	if limiter == nil {
		limiter = rate.NewLimiter(aMinute(p.perCloud), p.burst)
		p.clouds[cloud] = limiter
	}
	return limiter.ReserveN(now, 1).DelayFrom(now)
}

// turnOf takes a turn of a directory if there is one now, and else returns how long it is until there is.
func (p *pace) turnOf(cloud, directory string, now time.Time) time.Duration {
	if p.perDirectory == 0 || directory == "" {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key := directoryKey{cloud, directory}
	limiter := p.directories[key]
	if limiter == nil {
		limiter = rate.NewLimiter(aMinute(p.perDirectory), directoryBurst)
		p.directories[key] = limiter
	}
	turn := limiter.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait > 0 {
		turn.CancelAt(now)
	}
	return wait
}

// forget drops what is of no use any more: directories that have all their turns again, and waits that are over.
func (p *pace) forget(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, limiter := range p.directories {
		if limiter.TokensAt(now) >= directoryBurst {
			delete(p.directories, key)
		}
	}
	for cloud, until := range p.until {
		if until.Before(now) {
			delete(p.until, cloud)
		}
	}
}

// PauseCloud has sweeps ask nothing of a cloud for so long, or for some seconds when that is 0: Microsoft asked to slow
// down, and whoever of its tenants was told so, it means all. What a replica is told stays in that replica; the tenants
// that it puts off are put off for all. People and lendings still ask for themselves.
func (s *Service) PauseCloud(cloud string, wait time.Duration) {
	if wait <= 0 {
		wait = throttledFor
	}
	until := s.cfg.Now().Add(wait)
	if s.pace.leaveAlone(cloud, until) {
		s.cfg.Log.Warn("Microsoft asks to slow down: renewals of the cloud wait", "cloud", cloud, "until", until)
	}
}
