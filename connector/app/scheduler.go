package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-co-op/gocron/v2"
)

const (
	// purgeEvery is how often expired data is deleted.
	purgeEvery = time.Hour
	// refusalsEvery is how often counted refusals and lendings are stored.
	refusalsEvery = time.Minute
	// bindingEvery bounds how soon after an installation the periodic task and the event subscription exist.
	bindingEvery = time.Minute
	// certificatesEvery bounds how soon replaced certificates are served without a signal.
	certificatesEvery = time.Minute
)

// startScheduler starts all background work. The work ends when ctx ends; Shutdown of the scheduler then waits for it,
// no longer than the configured grace.
//
// The scheduler only triggers sweeps: the database decides what is due, and leases keep replicas apart.
func (a *App) startScheduler(ctx context.Context) (gocron.Scheduler, error) {
	s, err := gocron.NewScheduler(gocron.WithStopTimeout(a.cfg.Shutdown.Grace), gocron.WithLocation(time.UTC))
	if err != nil {
		return nil, fmt.Errorf("creating the scheduler: %w", err)
	}
	if err := a.schedule(ctx, s); err != nil {
		return nil, errors.Join(err, s.Shutdown())
	}
	s.Start()
	return s, nil
}

func (a *App) schedule(ctx context.Context, s gocron.Scheduler) error {
	// Renewals run one sweep at a time, whether the tick or a platform triggered it.
	renewing := gocron.NewTask(func() { a.renewal.run(ctx, a.job("renewal", a.services.Tokens.Sweep)) })
	if _, err := s.NewJob(gocron.OneTimeJob(gocron.OneTimeJobStartImmediately()), renewing); err != nil {
		return fmt.Errorf("scheduling renewals: %w", err)
	}
	for _, job := range []struct {
		name  string
		every time.Duration
		run   func(context.Context) error
	}{
		{"renewal tick", a.cfg.Renewal.Tick, func(context.Context) error { a.renewal.fire(); return nil }},
		{"notices", a.cfg.Renewal.Tick, a.notices.Sweep}, // warnings, alarms and pushes
		{"integrity", min(integrityEvery, a.cfg.Renewal.Tick), a.integrity.run},
		{"refusals", min(refusalsEvery, a.cfg.Renewal.Tick), a.services.Refusals.Flush},
		{"summary", min(summaryEvery, a.cfg.Renewal.Tick), a.summary.run},
		{"uses", min(refusalsEvery, a.cfg.Renewal.Tick), a.services.Uses.Flush},
		{"purge", purgeEvery, a.purge},
		{"keys", keysEvery, a.touchKey},
		{"replica", replicaEvery, a.touchReplica},
		{"secrets", secretsEvery, a.checkSecrets},
		{"certificates", certificatesEvery, func(ctx context.Context) error { a.Reload(ctx); return nil }},
		{"binding", min(bindingEvery, a.cfg.Renewal.Tick), a.services.Bindings.Sweep},
	} {
		run := a.job(job.name, job.run)
		if _, err := s.NewJob(gocron.DurationJob(job.every), gocron.NewTask(func() { run(ctx) }),
			gocron.WithName(job.name), gocron.WithSingletonMode(gocron.LimitModeReschedule), gocron.WithStartAt(gocron.WithStartImmediately())); err != nil {
			return fmt.Errorf("scheduling %s: %w", job.name, err)
		}
	}
	return nil
}

// job returns a function that calls run and logs its failure.
func (a *App) job(name string, run func(context.Context) error) func(context.Context) {
	return func(ctx context.Context) {
		if err := run(ctx); err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "background work failed", "job", name, "err", err)
		}
	}
}

// purge deletes the data of consents, grants and nonces that is no longer needed, and events whose retention has ended. It
// deletes nothing while our clock is known to differ from Microsoft's: what looks old may not be.
func (a *App) purge(ctx context.Context) error {
	now := a.now() // before the comparison: our clock may be set after it
	if a.clock.skew(ctx).Doubtful() {
		return nil
	}
	err := errors.Join(a.services.Consents.Purge(ctx), a.services.Tokens.Purge(ctx), a.services.Store.PurgeNonces(ctx, now), a.services.Store.PurgeReplicas(ctx))
	if keep := a.cfg.Retention.Events; keep > 0 {
		err = errors.Join(err, a.services.Store.PurgeEvents(ctx, now.Add(-keep)))
	}
	return err
}
