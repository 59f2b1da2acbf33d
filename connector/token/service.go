package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/singleflight"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
)

// Config is what a Service needs.
type Config struct {
	Store     Store     // required
	Microsoft Microsoft // required

	// Every is the time between two renewals of a grant. Default: 10 days.
	Every time.Duration

	// Jitter is how far a renewal may move to either side, so that tenants spread. Default: a tenth of Every.
	Jitter time.Duration

	// Lease is how long one renewal may hold its tenant. A replica that dies holds it no longer than that.
	// Default: 5 minutes.
	Lease time.Duration

	// Workers bounds the renewals that one sweep runs at once. Default: 8.
	Workers int

	// PerCloud bounds the renewals that sweeps begin a minute in one cloud, and PerDirectory those for one directory.
	// What a person asks for, and lendings, do not count. Default: no bound.
	PerCloud     int
	PerDirectory int

	// Grace is how long renewals of a sweep that is stopped may take to finish. Default: 15 seconds.
	Grace time.Duration

	// Wait passes the time until a renewal's turn, or returns an error when ctx ends. Default: a timer.
	Wait func(ctx context.Context, d time.Duration) error

	// ClaimLife is how long a pending grant waits for its claim code. Default: 24 hours.
	ClaimLife time.Duration

	// AcceptUnknownMFA accepts consents for which neither the token nor Partner Center tells whether MFA was used.
	// A clear no is refused all the same. Default: false.
	AcceptUnknownMFA bool

	// Owner names this process in leases. Default: a random ID.
	Owner string

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Rand returns numbers in [0, 1) for jitter. Default: math/rand/v2.
	Rand func() float64

	// Observe is told of every renewal, check and lending, with "ok" or a failure code. Default: nobody is.
	Observe func(action audit.Action, result string)

	// Step is called when a renewal reaches a step or a sweep ends, and blocks it until it returns. The chaos harness
	// kills the process in it. Default: nothing happens.
	Step func(Step)

	// Log receives one record per outcome. Default: discard.
	Log *slog.Logger
}

// A Service keeps the custody of all grants. Its methods return *failure.Error for what a person can be told, and are
// safe for concurrent use, in one process and across replicas.
type Service struct {
	cfg   Config
	pace  *pace
	loans *loanCache
	lends singleflight.Group // joins equal redemptions; key is tenant and api
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
	if cfg.Workers == 0 {
		cfg.Workers = 8
	}
	if cfg.Workers < 0 || cfg.PerCloud < 0 || cfg.PerDirectory < 0 {
		return nil, fmt.Errorf("token: %d workers, %d renewals a minute in a cloud, %d for a directory: none may be negative", cfg.Workers, cfg.PerCloud, cfg.PerDirectory)
	}
	if cfg.Grace == 0 {
		cfg.Grace = 15 * time.Second
	}
	if cfg.Wait == nil {
		cfg.Wait = clock.Sleep
	}
	if cfg.ClaimLife == 0 {
		cfg.ClaimLife = 24 * time.Hour
	}
	if cfg.Owner == "" {
		cfg.Owner = random.ID()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
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
	loans, err := newLoanCache()
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return &Service{cfg: cfg, pace: newPace(cfg.PerCloud, cfg.PerDirectory, cfg.Workers), loans: loans}, nil
}

// snapshot returns what is stored about a tenant's token, or the failure not_found when the tenant was removed meanwhile.
func (s *Service) snapshot(ctx context.Context, tenantID string) (Snapshot, error) {
	snapshot, err := s.cfg.Store.Snapshot(ctx, tenantID)
	if errors.Is(err, tenant.ErrNotFound) {
		return Snapshot{}, failure.New(failure.NotFound)
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("reading the token of tenant %s: %w", tenantID, err)
	}
	return snapshot, nil
}

// grant returns the grant in a slot and whether there is one.
func (s *Service) grant(ctx context.Context, tenantID string, slot Slot) (Grant, bool, error) {
	g, err := s.cfg.Store.Grant(ctx, tenantID, slot)
	if errors.Is(err, tenant.ErrNotFound) {
		return Grant{}, false, nil
	}
	if err != nil {
		return Grant{}, false, fmt.Errorf("reading %s grant of %s: %w", slot, tenantID, err)
	}
	return g, true, nil
}

// usable returns the client for g, or why g cannot be used any more: a refresh token is bound to its directory's user
// and to the application it was issued to (microsoft-identity.md §3.4).
func usable(r tenant.Resolved, g Grant) (tenant.Client, error) {
	c := r.Client()
	switch {
	case c.DirectoryID == "":
		return c, failure.New(failure.DirectoryMissing)
	case !c.Application.Complete():
		return c, failure.New(failure.ApplicationMissing)
	case c.DirectoryID != g.DirectoryID:
		return c, failure.New(failure.DirectoryChanged, "seen", g.DirectoryID, "expected", c.DirectoryID)
	case c.Application.ID != g.ApplicationID:
		return c, failure.New(failure.ApplicationChanged, "seen", g.ApplicationID, "expected", c.Application.ID)
	}
	return c, nil
}

func (s *Service) append(ctx context.Context, r tenant.Resolved, e audit.Event) error {
	e.InstanceKey, e.TenantID = r.Tenant.InstanceKey, r.Tenant.ID
	return audit.Append(ctx, s.cfg.Store, s.cfg.Now(), e)
}

// refusal returns the event of an action that failed.
func refusal(action audit.Action, by audit.Actor, err error) audit.Event {
	f := failure.From(err)
	e := audit.Event{Action: action, Actor: by, Result: string(f.Code), Details: map[string]string{}}
	for name, value := range f.Params {
		e.Details[name] = value
	}
	if f.Microsoft != nil && f.Microsoft.Code != "" {
		e.Details["microsoft_code"] = f.Microsoft.Code
	}
	return e
}

// observe tells how an action ended.
func (s *Service) observe(action audit.Action, err error) {
	result := audit.OK
	if err != nil {
		result = string(failure.From(err).Code)
	}
	s.cfg.Observe(action, result)
}

// Purge destroys grants whose claim code nobody entered in time, and forgets access tokens that have expired.
func (s *Service) Purge(ctx context.Context) error {
	s.loans.purge(s.cfg.Now())
	s.pace.forget(s.cfg.Now())
	if err := s.cfg.Store.DeletePending(ctx, s.cfg.Now().Add(-s.cfg.ClaimLife)); err != nil {
		return fmt.Errorf("deleting unclaimed grants: %w", err)
	}
	return nil
}

// Forget destroys our copies of a tenant's refresh tokens. It revokes nothing at Microsoft: there is no way to do that
// for one token (microsoft-identity.md §6.4).
func (s *Service) Forget(ctx context.Context, tenantID string, by audit.Actor) (Status, error) {
	r, err := tenant.Resolve(ctx, s.cfg.Store, tenantID)
	if err != nil {
		return Status{}, err
	}
	err = s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		for _, slot := range []Slot{Active, Pending, Predecessor} {
			if err := s.cfg.Store.DeleteGrant(ctx, tenantID, slot); err != nil && !errors.Is(err, tenant.ErrNotFound) {
				return fmt.Errorf("deleting %s grant of %s: %w", slot, tenantID, err)
			}
		}
		if err := s.cfg.Store.DeleteSchedule(ctx, tenantID); err != nil && !errors.Is(err, tenant.ErrNotFound) {
			return fmt.Errorf("deleting schedule of %s: %w", tenantID, err)
		}
		return s.append(ctx, r, audit.Event{Action: audit.GrantForgotten, Actor: by})
	})
	if err != nil {
		return Status{}, err
	}
	s.loans.drop(tenantID)
	return s.Status(ctx, r)
}

// History returns what was done to a tenant, newest first, up to limit, older than before when that is not zero.
func (s *Service) History(ctx context.Context, tenantID string, before time.Time, limit int) ([]audit.Event, error) {
	if _, err := tenant.Resolve(ctx, s.cfg.Store, tenantID); err != nil {
		return nil, err
	}
	events, err := s.cfg.Store.Events(ctx, tenantID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("reading events of %s: %w", tenantID, err)
	}
	return events, nil
}
