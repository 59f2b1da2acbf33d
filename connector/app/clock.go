package app

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/tenant"
)

// A clockGuard compares our clock with Microsoft's before background work, and warns when it is wrong. It is safe for
// concurrent use.
type clockGuard struct {
	measure func(ctx context.Context) clock.Skew
	log     *slog.Logger

	mu     sync.Mutex // guards what follows
	last   clock.Skew
	logged severity // of the last skew that was known
}

// A severity is how much a skew restricts the connector.
type severity int

const (
	harmless severity = iota
	doubtful
	wrong
)

func severityOf(skew clock.Skew) severity {
	switch {
	case skew.Wrong():
		return wrong
	case skew.Doubtful():
		return doubtful
	}
	return harmless
}

// skew compares the clocks and logs a changed severity. An unknown skew restricts nothing.
func (g *clockGuard) skew(ctx context.Context) clock.Skew {
	skew := g.measure(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = skew
	if !skew.Known {
		return skew
	}
	now, before := severityOf(skew), g.logged
	g.logged = now
	switch {
	case now == before:
	case now == harmless:
		g.log.InfoContext(ctx, "our clock agrees with Microsoft's again", "clock", skew.String())
	default:
		g.log.WarnContext(ctx, "our clock differs from Microsoft's", "consequence", now.consequence(), "clock", skew.String())
	}
	return skew
}

// consequence says what a severity restricts.
func (s severity) consequence() string {
	if s == wrong {
		return "nothing is renewed, nobody is notified and nothing is purged until it is right"
	}
	return "nothing is purged until it is right"
}

// report returns what the readiness probe says about our clock; empty when all is well or unknown.
func (g *clockGuard) report() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	severity := severityOf(g.last)
	if severity == harmless {
		return ""
	}
	return fmt.Sprintf("the clock is %s: %s\n", g.last, severity.consequence())
}

// seconds returns how far Microsoft's clock was ahead of ours when they were last compared; not a number while that is unknown.
func (g *clockGuard) seconds() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.last.Known {
		return math.NaN()
	}
	return g.last.By.Seconds()
}

// register adds the metric.
func (g *clockGuard) register(registry *prometheus.Registry) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "connector_clock_skew_seconds",
		Help: "How far Microsoft's clock was ahead of ours when they were last compared; NaN while that is unknown.",
	}, g.seconds))
}

// newClockGuard returns a guard that compares our clock by the cloud of an installed instance.
func (s *Services) newClockGuard(keys []string, log *slog.Logger) *clockGuard {
	cloud := func(ctx context.Context) string { return s.cloudInUse(ctx, keys) }
	return &clockGuard{log: log, measure: func(ctx context.Context) clock.Skew { return s.Microsoft.ClockSkew(ctx, cloud) }}
}

// cloudInUse returns the cloud of the first installed instance; the default one when there is none.
func (s *Services) cloudInUse(ctx context.Context, keys []string) string {
	for _, key := range keys {
		in, err := s.Tenants.Instance(ctx, key)
		if err == nil && in.Settings.Cloud != "" {
			return in.Settings.Cloud
		}
	}
	return tenant.DefaultCloud
}
