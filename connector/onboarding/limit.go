package onboarding

import (
	"container/list"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"azure-partner-connector/connector/failure"
)

// A limiter counts the requests of each client address. It is safe for concurrent use.
type limiter struct {
	limit Limit

	mu        sync.Mutex // guards what follows
	byAddress map[netip.Prefix]*list.Element
	recent    *list.List // of *visitor, the last seen first
}

type visitor struct {
	address netip.Prefix
	bucket  *rate.Limiter
}

func newLimiter(limit Limit) *limiter {
	if limit.PerMinute <= 0 {
		limit.PerMinute = 60
	}
	if limit.Burst <= 0 {
		limit.Burst = 30
	}
	if limit.Clients <= 0 {
		limit.Clients = 10_000
	}
	return &limiter{limit: limit, byAddress: map[netip.Prefix]*list.Element{}, recent: list.New()}
}

// take counts one request of address and returns how long it is too early; 0 when it may be served.
func (l *limiter) take(address netip.Prefix, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen, ok := l.byAddress[address]
	if ok {
		l.recent.MoveToFront(seen)
	} else {
		if l.recent.Len() >= l.limit.Clients {
			oldest := l.recent.Back()
			l.recent.Remove(oldest)
			delete(l.byAddress, oldest.Value.(*visitor).address)
		}
		every := rate.Limit(float64(l.limit.PerMinute) / 60)
		seen = l.recent.PushFront(&visitor{address, rate.NewLimiter(every, l.limit.Burst)})
		l.byAddress[address] = seen
	}
	reservation := seen.Value.(*visitor).bucket.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

// limited refuses clients that ask too often. Styles and scripts are not counted: a page brings them along.
func (h *Handler) limited(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if strings.HasPrefix(c.Path(), h.base+assetPath) {
			return next(c)
		}
		if wait := h.limiter.take(network(c.RealIP()), h.cfg.Now()); wait > 0 {
			c.Response().Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
			return failure.New(failure.TooManyRequests)
		}
		return next(c)
	}
}

// network returns what is counted as one client: an IPv4 address, or the network that a client of IPv6 commonly has for
// itself. All addresses that cannot be read are counted as one.
func network(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// clientAddress returns how a client's address is found: the connection's, or what trusted proxies say of it.
func clientAddress(trusted []netip.Prefix) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, prefix := range trusted {
		prefix = prefix.Masked()
		options = append(options, echo.TrustIPRange(&net.IPNet{
			IP:   prefix.Addr().AsSlice(),
			Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
		}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}
