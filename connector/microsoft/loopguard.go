package microsoft

import (
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Microsoft blocks a client that sends 15 identical requests within 5 minutes (AADSTS50196,
// docs/reference/microsoft-identity.md §3.4). The limit is less than half of that, so that two replicas together stay
// below it.
const (
	loopWindow = 5 * time.Minute
	loopLimit  = 7

	// maxRequestsCounted bounds the memory of the loop guard to about 40 MB. More distinct requests than these in one
	// window are above the rate at which Microsoft throttles.
	maxRequestsCounted = 1 << 17
)

// A loopGuard counts identical requests. It is safe for concurrent use.
type loopGuard struct {
	mu   sync.Mutex                                     // guards sent
	sent *simplelru.LRU[[sha256.Size]byte, []time.Time] // digest of a request → when it was sent, oldest first
}

func newLoopGuard() *loopGuard {
	sent, _ := simplelru.NewLRU[[sha256.Size]byte, []time.Time](maxRequestsCounted, nil) // fails only without a positive size
	return &loopGuard{sent: sent}
}

// admit counts a request made of parts and returns 0, or returns how long the request must wait and does not count it.
// Its cost does not depend on how many requests it has counted.
func (g *loopGuard) admit(now time.Time, parts ...string) time.Duration {
	digests := make([]byte, 0, len(parts)*sha256.Size)
	for _, part := range parts {
		digest := sha256.Sum256([]byte(part))
		digests = append(digests, digest[:]...)
	}
	key := sha256.Sum256(digests)

	g.mu.Lock()
	defer g.mu.Unlock()
	g.dropExpired(now)
	times, _ := g.sent.Get(key)
	// Requests in the future were counted before the clock was set back.
	times = slices.DeleteFunc(times, now.Before)
	if len(times) == loopLimit {
		if wait := loopWindow - now.Sub(times[0]); wait > 0 {
			return wait
		}
		times = times[1:]
	}
	g.sent.Add(key, append(times, now))
	return 0
}

// dropExpired removes the two least recently used requests if their window has passed. A call adds one request at most,
// so the guard shrinks when there are fewer requests.
func (g *loopGuard) dropExpired(now time.Time) {
	for range 2 {
		_, times, ok := g.sent.GetOldest()
		if !ok || within(loopWindow, times[len(times)-1], now) {
			return
		}
		g.sent.RemoveOldest()
	}
}
