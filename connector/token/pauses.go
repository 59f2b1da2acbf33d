package token

import (
	"context"
	"fmt"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
)

const (
	// UsualPause is how long a pause of renewals lasts whose end nobody chose.
	UsualPause = 24 * time.Hour
	// LongestPause is the longest pause that an operator may choose. Renewals are due 80 days before a token ends.
	LongestPause = 7 * 24 * time.Hour
	// pauseSlack is how long after the end of a pause a token must work for the pause to hold it: there must be time for
	// the renewals that waited, and for retries.
	pauseSlack = 24 * time.Hour
	// pausedAgainAfter is how long a paused tenant is postponed: so soon are renewals begun after a pause was ended early.
	pausedAgainAfter = 5 * time.Minute
)

// A Pause is an operator's order not to begin scheduled renewals. It ends automatically.
type Pause struct {
	Cloud  string // empty: all clouds
	Until  time.Time
	By     string // who ordered it, for people to read
	Reason string
}

// Scope names what is paused, for people and for metrics.
func (p Pause) Scope() string {
	if p.Cloud == "" {
		return "all clouds"
	}
	return "cloud " + p.Cloud
}

// endangers reports whether the token of a job could end because p keeps it waiting.
func (p Pause) endangers(job Job, now time.Time) bool {
	return now.Before(job.ExpiresAt) && job.ExpiresAt.Before(p.Until.Add(pauseSlack))
}

// PauseRenewals makes the sweeps of all replicas begin no renewals, from their next selection of due tenants until p.Until. It
// replaces an earlier pause of the same cloud. Renewals that people start, and requests of borrowers, are still sent. The name
// of by becomes p.By.
func (s *Service) PauseRenewals(ctx context.Context, p Pause, by audit.Actor) (Pause, error) {
	now := s.cfg.Now()
	if p.Until.IsZero() {
		p.Until = now.Add(UsualPause)
	}
	switch {
	case !now.Before(p.Until):
		return Pause{}, failure.New(failure.BadRequest, "reason", "a pause must end in the future")
	case p.Until.Sub(now) > LongestPause:
		return Pause{}, failure.New(failure.BadRequest, "reason", "a pause must end within 7 days")
	case !length.Fits(p.Reason, length.Detail):
		return Pause{}, failure.New(failure.BadRequest, "reason", "the reason of a pause has at most 500 characters")
	}
	p.Until, p.By = p.Until.UTC().Truncate(time.Second), by.Bounded().Name
	err := s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		if err := s.cfg.Store.SavePause(ctx, p); err != nil {
			return err
		}
		return s.appendPause(ctx, audit.RenewalsPaused, by, p)
	})
	if err != nil {
		return Pause{}, fmt.Errorf("pausing renewals: %w", err)
	}
	return p, nil
}

// ResumeRenewals ends the pause of a cloud, or every pause if cloud is empty, and returns the pauses that it ended.
func (s *Service) ResumeRenewals(ctx context.Context, cloud string, by audit.Actor) ([]Pause, error) {
	var ended []Pause
	err := s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		ended = nil
		pauses, err := s.Pauses(ctx)
		if err != nil {
			return err
		}
		for _, p := range pauses {
			if cloud != "" && p.Cloud != cloud {
				continue
			}
			if err := s.cfg.Store.DeletePause(ctx, p.Cloud); err != nil {
				return err
			}
			if err := s.appendPause(ctx, audit.RenewalsResumed, by, p); err != nil {
				return err
			}
			ended = append(ended, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("resuming renewals: %w", err)
	}
	return ended, nil
}

func (s *Service) appendPause(ctx context.Context, action audit.Action, by audit.Actor, p Pause) error {
	details := map[string]string{"until": p.Until.Format(time.RFC3339)}
	if p.Cloud != "" {
		details["cloud"] = p.Cloud
	}
	if p.Reason != "" {
		details["reason"] = p.Reason
	}
	return audit.Append(ctx, s.cfg.Store, s.cfg.Now(), audit.Event{Action: action, Actor: by, Details: details})
}

// Pauses returns the pauses in effect, that of all clouds first. One that ends later than a pause may was stored by a wrong
// clock, and has no effect.
func (s *Service) Pauses(ctx context.Context) ([]Pause, error) {
	stored, err := s.cfg.Store.Pauses(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the pauses of renewals: %w", err)
	}
	now := s.cfg.Now()
	var pauses []Pause
	for _, p := range stored {
		if now.Before(p.Until) && p.Until.Sub(now) <= LongestPause+Tolerance {
			pauses = append(pauses, p)
		}
	}
	return pauses, nil
}

// heldUntil returns when a job that a pause keeps waiting is to be selected again; zero when it may begin.
func (s *Service) heldUntil(ctx context.Context, job Job, now time.Time, pauses []Pause) time.Time {
	for _, p := range pauses {
		if p.Cloud != "" && p.Cloud != job.Cloud {
			continue
		}
		if p.endangers(job, now) {
			s.cfg.Log.WarnContext(ctx, "renewing in spite of the pause, because the refresh token ends soon", "tenant", job.TenantID,
				"ends", job.ExpiresAt, "until", p.Until)
			continue
		}
		if again := now.Add(pausedAgainAfter); again.Before(p.Until) {
			return again
		}
		return s.spread(now, p.Until)
	}
	return time.Time{}
}
