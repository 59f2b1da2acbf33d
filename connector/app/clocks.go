package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-co-op/gocron/v2"
	"golang.org/x/sync/errgroup"
)

const (
	// purgeEvery is how often what ended long ago is removed.
	purgeEvery = time.Hour
	// tiesEvery is how often it is looked whether a platform lacks what we need there: soon after an installation.
	tiesEvery = time.Minute
	// secondClockEvery is how often the second clock wakes the renewal by itself. A platform's periodic task rings it once
	// a day, too.
	secondClockEvery = 24 * time.Hour
)

// A chore is one kind of background work.
type chore struct {
	name  string
	every time.Duration
	run   func(context.Context) error
}

// clocks are what sets all background work going. They only tick: what is due is decided by the database, and what one
// replica does the others leave alone by its leases.
type clocks struct {
	first  gocron.Scheduler
	second gocron.Scheduler // nothing of it depends on the first
	bell   gocron.Job       // of the second
}

// startClocks sets all background work going, until ctx ends. Stop them then.
func (a *App) startClocks(ctx context.Context) (*clocks, error) {
	c := &clocks{}
	err := c.build(ctx, a)
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	c.first.Start()
	c.second.Start()
	return c, nil
}

func (c *clocks) build(ctx context.Context, a *App) error {
	var err error
	if c.first, err = a.scheduler(); err != nil {
		return err
	}
	if c.second, err = a.scheduler(); err != nil {
		return err
	}
	for _, work := range []chore{
		{"renewal", a.cfg.Renewal.Tick, a.rooms.Tokens.Sweep},
		{"notices", a.cfg.Renewal.Tick, a.notices.Sweep}, // warnings, alarms and pushes
		{"purge", purgeEvery, a.purge},
		{"ties", min(tiesEvery, a.cfg.Renewal.Tick), a.rooms.Ties.Sweep},
	} {
		if _, err := a.schedule(ctx, c.first, work, gocron.WithStartAt(gocron.WithStartImmediately())); err != nil {
			return err
		}
	}
	c.bell, err = a.schedule(ctx, c.second, chore{"second clock", secondClockEvery, func(ctx context.Context) error {
		a.log.InfoContext(ctx, "the second clock wakes the renewal")
		return a.rooms.Tokens.Sweep(ctx)
	}}, gocron.WithSingletonMode(gocron.LimitModeWait)) // a ring while one ends must not be lost
	return err
}

func (a *App) scheduler() (gocron.Scheduler, error) {
	scheduler, err := gocron.NewScheduler(gocron.WithStopTimeout(a.cfg.Shutdown.Grace), gocron.WithLocation(time.UTC))
	if err != nil {
		return nil, fmt.Errorf("making a scheduler: %w", err)
	}
	return scheduler, nil
}

// schedule adds a chore to a scheduler. While it runs its further ticks are left out, unless an option says otherwise.
func (a *App) schedule(ctx context.Context, on gocron.Scheduler, work chore, options ...gocron.JobOption) (gocron.Job, error) {
	task := func() {
		if err := work.run(ctx); err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "background work failed", "job", work.name, "err", err)
		}
	}
	options = append([]gocron.JobOption{gocron.WithName(work.name), gocron.WithSingletonMode(gocron.LimitModeReschedule)}, options...)
	job, err := on.NewJob(gocron.DurationJob(work.every), gocron.NewTask(task), options...)
	if err != nil {
		return nil, fmt.Errorf("scheduling %s: %w", work.name, err)
	}
	return job, nil
}

// stop waits for what runs, no longer than the configured grace.
func (c *clocks) stop() error {
	var stopping errgroup.Group
	for _, scheduler := range []gocron.Scheduler{c.first, c.second} {
		if scheduler == nil {
			continue
		}
		stopping.Go(func() error {
			if err := scheduler.Shutdown(); err != nil {
				return fmt.Errorf("stopping a clock: %w", err)
			}
			return nil
		})
	}
	return stopping.Wait()
}

// ring has a platform's clock ask for what is due to be renewed, and does not wait for that. A ring while an earlier one's
// renewals run is heard when they have ended.
func (a *App) ring() {
	c := a.clocks.Load()
	if c == nil {
		return // the doors do not serve yet
	}
	if err := c.bell.RunNow(); err != nil {
		a.log.Warn("a platform's clock rang in vain", "err", err)
	}
}

// purge destroys what is of no use any more, and deletes what has been kept for long enough.
func (a *App) purge(ctx context.Context) error {
	err := errors.Join(a.rooms.Consents.Purge(ctx), a.rooms.Tokens.Purge(ctx), a.rooms.Store.PurgeNonces(ctx, a.now()))
	if keep := a.cfg.Retention.Events; keep > 0 {
		err = errors.Join(err, a.rooms.Store.PurgeEvents(ctx, a.now().Add(-keep)))
	}
	return err
}
