package microsoft

import (
	"crypto/sha256"
	"sync"
	"time"
)

// Microsoft stops a client that sends fifteen equal requests in five minutes (AADSTS50196, microsoft-identity.md
// §3.4). We stop at less than half of that, so that two replicas together stay below it too.
const (
	loopWindow = 5 * time.Minute
	loopLimit  = 7
)

// A loopGuard counts equal requests. It is safe for concurrent use.
type loopGuard struct {
	mu   sync.Mutex                        // guards seen
	seen map[[sha256.Size]byte][]time.Time // digest of a request → when it was sent, oldest first
}

func newLoopGuard() *loopGuard {
	return &loopGuard{seen: make(map[[sha256.Size]byte][]time.Time)}
}

// admit counts a request made of parts and returns 0, or returns how long it must wait and does not count it.
func (g *loopGuard) admit(now time.Time, parts ...string) time.Duration {
	digest := sha256.New()
	for _, part := range parts {
		inner := sha256.Sum256([]byte(part))
		digest.Write(inner[:])
	}
	key := [sha256.Size]byte(digest.Sum(nil))

	g.mu.Lock()
	defer g.mu.Unlock()
	for k, times := range g.seen {
		if now.Sub(times[len(times)-1]) >= loopWindow {
			delete(g.seen, k)
		}
	}
	times := g.seen[key]
	if len(times) == loopLimit {
		if wait := loopWindow - now.Sub(times[0]); wait > 0 {
			return wait
		}
		times = times[1:]
	}
	g.seen[key] = append(times, now)
	return 0
}
