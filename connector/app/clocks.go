package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-co-op/gocron/v2"
)

const (
	// purgeEvery is how often what ended long ago is removed.
	purgeEvery = time.Hour
	// tiesEvery is how often it is looked whether a platform lacks what we need there: soon after an installation.
	tiesEvery = time.Minute
)

// clocks returns the scheduler of all background work. It only ticks: what is due is decided by the database, and what
// one replica does the others leave alone by its leases.
func (a *App) clocks(ctx context.Context) (gocron.Scheduler, error) {
	scheduler, err := gocron.NewScheduler(gocron.WithStopTimeout(a.cfg.Shutdown.Grace), gocron.WithLocation(time.UTC))
	if err != nil {
		return nil, fmt.Errorf("making the scheduler: %w", err)
	}
	for _, job := range []struct {
		name  string
		every time.Duration
		run   func(context.Context) error
	}{
		{"renewal", a.cfg.Renewal.Tick, a.rooms.Tokens.Sweep},
		{"notices", a.cfg.Renewal.Tick, a.notices.Sweep},
		{"purge", purgeEvery, a.purge},
		{"ties", min(tiesEvery, a.cfg.Renewal.Tick), a.rooms.Ties.Sweep},
	} {
		task := func() {
			if err := job.run(ctx); err != nil && ctx.Err() == nil {
				a.log.ErrorContext(ctx, "background work failed", "job", job.name, "err", err)
			}
		}
		_, err := scheduler.NewJob(gocron.DurationJob(job.every), gocron.NewTask(task), gocron.WithName(job.name),
			gocron.WithSingletonMode(gocron.LimitModeReschedule), gocron.WithStartAt(gocron.WithStartImmediately()))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("scheduling %s: %w", job.name, err), scheduler.Shutdown())
		}
	}
	return scheduler, nil
}

// ring asks for what is due to be renewed, and does not wait. Rings during a renewal are one.
func (a *App) ring() {
	select {
	case a.bell <- struct{}{}:
	default:
	}
}

// answerBell renews what is due whenever a platform's clock rings, until ctx ends. It depends on no scheduler: it is the
// second clock.
func (a *App) answerBell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.bell:
			a.log.InfoContext(ctx, "a platform's clock wakes the renewal")
			if err := a.rooms.Tokens.Sweep(ctx); err != nil && ctx.Err() == nil {
				a.log.ErrorContext(ctx, "background work failed", "job", "bell", "err", err)
			}
		}
	}
}

func (a *App) purge(ctx context.Context) error {
	return errors.Join(a.rooms.Consents.Purge(ctx), a.rooms.Tokens.Purge(ctx), a.rooms.Store.PurgeNonces(ctx, a.now()))
}
