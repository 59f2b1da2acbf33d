package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/recent"
	"azure-partner-connector/connector/tenant"
)

// Config is what a Service needs.
type Config struct {
	Store     Store     // required
	Microsoft Microsoft // required

	// Every is the time between two renewals of a grant. Default: 10 days.
	Every time.Duration

	// Jitter is how much earlier or later than Every a renewal may be, so that tenants spread. Default: a tenth of Every.
	Jitter time.Duration

	// Lease is how long one renewal may lease its tenant. When a replica is killed, others can renew its tenants after that
	// time. At most LongestLease. Default: 5 minutes.
	Lease time.Duration

	// Workers bounds the renewals that one sweep runs at once. Default: 32.
	Workers int

	// PerCloud limits the renewals a minute that sweeps begin in one cloud, and PerDirectory those for one directory.
	// Renewals that people start and requests of borrowers do not count. Default: no limit.
	PerCloud     int
	PerDirectory int

	// Grace is how long renewals may take to finish after their sweep is stopped. Default: 15 seconds.
	Grace time.Duration

	// Wait waits until the rate limit allows the next renewal, or returns an error when ctx ends. Default: clock.Sleep.
	Wait func(ctx context.Context, d time.Duration) error

	// RenewSuspended reports whether tenants of an instance are renewed while the platform suspends their subscription.
	// Default: they are, so that their tokens work when it is resumed.
	RenewSuspended func(instanceKey string) bool

	// ClaimLife is how long a grant waits for its claim code or for its confirmation. Default: 24 hours.
	ClaimLife time.Duration

	// AcceptUnknownMFA accepts consents for which neither the token nor Partner Center says whether MFA was used. A clear no
	// is still refused. Default: false.
	AcceptUnknownMFA bool

	// AcceptAnotherAccount lets the consent of another Microsoft account than before take effect without the reseller's
	// confirmation. Default: false.
	AcceptAnotherAccount bool

	// CustomerTokens bounds the access tokens for customer directories that are kept in memory, of all tenants together. The
	// least recently used ones are dropped. Default: 10,000.
	CustomerTokens int

	// Redemptions limits the redemptions a minute for borrowers, for each tenant, directory and api. What is in memory does not
	// count. Default: no limit.
	Redemptions int

	// Owner names this process in leases. Default: a random ID.
	Owner string

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Skew returns how far Microsoft's clock is ahead of ours. A sweep calls it before every batch. Default: unknown.
	Skew func(ctx context.Context) clock.Skew

	// Rand returns numbers in [0, 1) for jitter. Default: math/rand/v2.
	Rand func() float64

	// RecordEnds stores when credentials of a tenant's application end. Default: it stores nothing.
	RecordEnds func(ctx context.Context, r tenant.Resolved, ends map[string]time.Time, by audit.Actor) error

	// Limits bounds how often renewals and checks of a tenant may be asked for, and counts the refusals of all limits. Default: no
	// limit.
	Limits *limit.Limiter

	// Observe is called after every renewal, check and lending, with "ok" or a failure code. Default: nothing happens.
	Observe func(action audit.Action, result string)

	// Refusals counts refused lendings. Whoever wires the Service flushes it. Default: one of its own, whose counts are lost.
	Refusals *audit.Tally

	// Uses counts lendings whose request is PerMinute; NewUses makes one. Whoever wires the Service flushes it. Default: one of its
	// own, whose counts are lost.
	Uses *audit.Tally

	// Step is called when a renewal reaches a step or a sweep ends, which go on when it returns. The chaos harness kills the
	// process in it. Default: nothing happens.
	Step func(Step)

	// Log receives one record per outcome. Default: discard.
	Log *slog.Logger
}

// A Service has custody of all grants. Its methods return a *failure.Error for every failure that can be shown to a person,
// and are safe for concurrent use, in one process and across replicas.
type Service struct {
	cfg     Config
	limiter *limiter
	recent  *recent.Cache[string, recentSnapshot] // by ID of the tenant
	loans   *loanCache
	lends   singleflight.Group // joins equal redemptions; the key is that of the loan
	// redemptions are those that lending may begin. They are of this process, as what they are limited for.
	redemptions *budgets[loanKey]

	customerLoans *loanCache
	customers     *lru.Cache[listKey, *customerList]
	// customerResults are those that this process stored last (noteCustomer).
	customerResults *lru.Cache[loanKey, customerResult]
	lists           singleflight.Group // joins equal readings of customers
	sources         *lru.Cache[listKey, *customerSources]

	successors [64]sync.Mutex // each guards the storing of the successors of some tenants; see keepSuccessor
}

// New checks cfg and fills in its defaults. It starts nothing.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Microsoft == nil {
		return nil, errors.New("token: a store and Microsoft are required")
	}
	if cfg.Every == 0 {
		cfg.Every = 10 * 24 * time.Hour
	}
	if cfg.Jitter == 0 {
		cfg.Jitter = cfg.Every / 10
	}
	if cfg.Every < 0 || cfg.Jitter < 0 || cfg.Every+cfg.Jitter > Life/2 || cfg.Jitter >= cfg.Every {
		return nil, fmt.Errorf("token: renewal every %s ± %s does not fit into the %s that a refresh token lives", cfg.Every, cfg.Jitter, Life)
	}
	if cfg.Lease == 0 {
		cfg.Lease = 5 * time.Minute
	}
	if cfg.Lease > LongestLease {
		return nil, fmt.Errorf("token: a lease of %s is longer than %s", cfg.Lease, LongestLease)
	}
	if cfg.Workers == 0 {
		cfg.Workers = 32
	}
	if cfg.Workers < 0 || cfg.PerCloud < 0 || cfg.PerDirectory < 0 {
		return nil, fmt.Errorf("token: %d workers, %d renewals a minute in a cloud, %d for a directory: none may be negative", cfg.Workers, cfg.PerCloud, cfg.PerDirectory)
	}
	if cfg.CustomerTokens == 0 {
		cfg.CustomerTokens = 10_000
	}
	if cfg.CustomerTokens < 0 || cfg.Redemptions < 0 {
		return nil, fmt.Errorf("token: %d access tokens for customer directories, %d redemptions a minute for each: none may be negative", cfg.CustomerTokens, cfg.Redemptions)
	}
	if cfg.Grace == 0 {
		cfg.Grace = 15 * time.Second
	}
	if cfg.Wait == nil {
		cfg.Wait = clock.Sleep
	}
	if cfg.RenewSuspended == nil {
		cfg.RenewSuspended = func(string) bool { return true }
	}
	if cfg.ClaimLife == 0 {
		cfg.ClaimLife = 24 * time.Hour
	}
	if cfg.Owner == "" {
		cfg.Owner = random.ID()
	}
	if !length.Fits(cfg.Owner, length.ID) {
		return nil, errors.New("token: the owner's name is too long")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Skew == nil {
		cfg.Skew = func(context.Context) clock.Skew { return clock.Skew{} }
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	if cfg.Observe == nil {
		cfg.Observe = func(audit.Action, string) {}
	}
	if cfg.Step == nil {
		cfg.Step = func(Step) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return newService(cfg)
}

// NewUses returns a tally of lendings: one event a minute for each borrower, tenant, api and directory, which counts the methods of
// calls.
func NewUses(trail audit.Trail, now func() time.Time) *audit.Tally {
	return audit.NewUses(trail, now, "method", "api", "directory")
}

// newService returns a Service with its tallies, caches and limits; the rest of cfg is complete.
func newService(cfg Config) (*Service, error) {
	if cfg.Refusals == nil {
		cfg.Refusals = audit.NewTally(cfg.Store, cfg.Now)
	}
	if cfg.Uses == nil {
		cfg.Uses = NewUses(cfg.Store, cfg.Now)
	}
	limiter, err := newLimiter(cfg.PerCloud, cfg.PerDirectory, cfg.Workers)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	redemptions, err := newBudgets[loanKey](cfg.Redemptions, cfg.Redemptions, maxLimitedLoans)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	loans, err := newLoanCache(maxCachedLoans)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	customerLoans, err := newLoanCache(cfg.CustomerTokens)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	customers, err := lru.New[listKey, *customerList](maxCustomerLists)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	results, err := lru.New[loanKey, customerResult](maxCustomerResults)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	sources, err := lru.New[listKey, *customerSources](maxCustomerSources)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	kept, err := recent.New[string, recentSnapshot](maxRecent)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	cfg.Store = forgetting{cfg.Store, kept}
	return &Service{
		cfg: cfg, limiter: limiter, recent: kept, loans: loans, redemptions: redemptions,
		customerLoans: customerLoans, customers: customers, customerResults: results, sources: sources,
	}, nil
}
