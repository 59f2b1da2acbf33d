// Package limit bounds how often something may be done in a minute. The counts are in the database, so the limits hold across
// replicas.
package limit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
)

// Window is how long uses count, from the first one on.
const Window = time.Minute

// A Name is what is limited. Names are stored and are labels of a metric, so they never change their meaning.
type Name string

// The limits.
const (
	Consents       Name = "consents"         // begun, of a tenant
	Openings       Name = "openings"         // of Microsoft's sign-in page, of a tenant
	Codes          Name = "codes"            // authorization codes and redirected addresses that were sent back, of a tenant
	Claims         Name = "claims"           // claim codes that were entered, of a tenant
	ClaimsOfPerson Name = "claims_of_person" // claim codes that one person entered, for all tenants
	Renewals       Name = "renewals"         // renewals and checks that somebody asked for, of a tenant
	// Access tokens that a process requests for borrowers, of a tenant, directory and api. token.Service counts them, in memory.
	Redemptions Name = "redemptions"
)

// Names returns all limits.
func Names() []Name {
	return []Name{Consents, Openings, Codes, Claims, ClaimsOfPerson, Renewals, Redemptions}
}

// Store counts uses. Methods join the transaction of their context and are safe for concurrent use.
type Store interface {
	// TakeAllowance counts a use of name by subject, by one conditional UPDATE, unless most uses were counted within Window. It
	// returns how long to wait then, else 0; first says that it is the first refusal since the last use that was counted. A
	// count that began in the future is of a clock that was wrong, and begins again.
	TakeAllowance(ctx context.Context, name, subject string, most int, now time.Time) (wait time.Duration, first bool, err error)
	AppendEvent(ctx context.Context, e audit.Event) error
}

// Config is what a Limiter needs.
type Config struct {
	Store Store // required

	// Most is how many uses each limit allows within Window. One without a number has no limit.
	Most map[Name]int

	// Refused is called with the name of the limit for each use that is refused. Default: nothing happens.
	Refused func(name Name)

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives one record for the first refusal of a subject. Default: discard.
	Log *slog.Logger
}

// A Limiter refuses what is done too often. A nil Limiter refuses nothing. It is safe for concurrent use.
type Limiter struct{ cfg Config }

// New checks cfg and fills in its defaults.
func New(cfg Config) (*Limiter, error) {
	if cfg.Store == nil {
		return nil, errors.New("limit: a store is required")
	}
	if cfg.Refused == nil {
		cfg.Refused = func(Name) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Limiter{cfg}, nil
}

// Refuse counts a refusal of name and returns its failure, with the time to wait.
func (l *Limiter) Refuse(name Name, wait time.Duration) error {
	if l != nil {
		l.cfg.Refused(name)
	}
	return &failure.Error{Code: failure.TooManyRequests, RetryAfter: wait}
}

// Take counts a use of name by subject, or fails with too_many_requests and the time to wait. Of the refusals of a subject, only
// the first is logged and appended to the trail, as a copy of e: the trail must not grow with them.
func (l *Limiter) Take(ctx context.Context, name Name, subject string, e audit.Event) error {
	if l == nil || l.cfg.Most[name] <= 0 || subject == "" {
		return nil
	}
	now := l.cfg.Now()
	wait, first, err := l.cfg.Store.TakeAllowance(ctx, string(name), subject, l.cfg.Most[name], now)
	if err != nil {
		return fmt.Errorf("counting %s of %s: %w", name, subject, err)
	}
	if wait <= 0 {
		return nil
	}
	refused := l.Refuse(name, wait)
	if first {
		l.cfg.Log.WarnContext(ctx, "too many requests within a minute; further refusals are only counted", "limit", name, "tenant", e.TenantID,
			"instance", e.InstanceKey, "reference", failure.Reference(ctx))
		e.Action, e.Result, e.Details = audit.LimitReached, string(failure.TooManyRequests), map[string]string{"limit": string(name)}
		return errors.Join(refused, audit.Append(ctx, l.cfg.Store, now, e))
	}
	return refused
}
