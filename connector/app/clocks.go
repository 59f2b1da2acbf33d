package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-co-op/gocron/v2"
)

// purgeEvery is how often what ended long ago is removed.
const purgeEvery = time.Hour

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
		{"purge", purgeEvery, a.purge},
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

func (a *App) purge(ctx context.Context) error {
	return errors.Join(a.rooms.Consents.Purge(ctx), a.rooms.Tokens.Purge(ctx), a.rooms.Store.PurgeNonces(ctx, a.now()))
}
