// Package app wires the connector from its configuration. The command, the sandbox and end-to-end tests all start an
// App.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/api"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/connector/trace"
	"azure-partner-connector/hooks"
)

// Options are what tests set and the command leaves at its defaults.
type Options struct {
	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives the records of all components. Default: discard.
	Log *slog.Logger

	// Listeners replace the configured ones. Default: none.
	Listeners Listeners

	// Migration says what happens to the schema of the database. Default: MigrateSchema.
	Migration Migration

	// Watch returns what renewals and verifications call instead of the client of Microsoft, so that the doctor can
	// observe the calls. Default: the client itself.
	Watch func(token.Microsoft) token.Microsoft

	// Version is that of the program, for people who compare replicas. Default: none.
	Version string

	// Traces makes the spans of requests and renewals. The caller shuts it down after Run. Default: there are none.
	Traces trace.Provider

	// Step is called at every step of every renewal; the chaos harness stops the process there. Default: none.
	Step func(token.Step)

	// Pause waits between two attempts of a call to Microsoft. Default: clock.Sleep.
	Pause func(ctx context.Context, d time.Duration) error
}

// A Migration says what opening does to the schema of the database.
type Migration int

// The migrations.
const (
	MigrateSchema Migration = iota // bring it up to date
	RequireSchema                  // refuse one that is not up to date: the account may not change tables
	ExamineSchema                  // as RequireSchema, and neither change anything nor wait for a replica that migrates
)

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Watch == nil {
		o.Watch = func(ms token.Microsoft) token.Microsoft { return ms }
	}
	if o.Pause == nil {
		o.Pause = clock.Sleep
	}
	return o
}

func (o Options) component(name string) *slog.Logger { return o.Log.With("component", name) }

// Listeners are where the App serves; a nil one stands for the configured address. The App closes them.
type Listeners struct {
	Hooks      net.Listener
	Onboarding net.Listener
	API        net.Listener
	Egress     net.Listener
	Private    net.Listener
}

// An App is the whole connector, ready to run.
type App struct {
	cfg      config.Config
	now      func() time.Time
	log      *slog.Logger
	version  string
	traces   trace.Provider // nil: none
	registry *prometheus.Registry
	services *Services // nil until they are open
	clock    *clockGuard
	notices  *notify.Service
	servers  []*server
	hooks    *hooks.Handler
	api      *api.Handler // nil when it is off
	renewal  trigger
	fatal    chan error // of capacity 1: why the process must end

	unreadable *prometheus.GaugeVec // see checkSecrets

	replica   store.Replica // this process
	integrity *integrityJob
	summary   *summaryJob
	draining  atomic.Bool   // stopping, but still serving
	hurried   sync.Once     // closes hurry
	hurry     chan struct{} // closed: do not drain any longer
}

// New opens the database, brings its schema up to date (see Options.Migration) and listens; Run serves. A failed New leaves
// nothing open.
func New(ctx context.Context, cfg config.Config, opts Options) (*App, error) {
	opts = opts.withDefaults()
	a := &App{cfg: cfg, now: opts.Now, log: opts.Log, version: opts.Version, traces: opts.Traces, registry: prometheus.NewRegistry(), renewal: newTrigger(), fatal: make(chan error, 1), hurry: make(chan struct{})}
	if err := a.build(ctx, opts); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *App) component(name string) *slog.Logger { return a.log.With("component", name) }

func (a *App) build(ctx context.Context, opts Options) error {
	var err error
	if a.services, err = open(ctx, a.cfg, opts, a.observers()); err != nil {
		return err
	}
	warnings, err := CheckSecrets(ctx, a.services.Store, a.cfg.Instances)
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		a.log.WarnContext(ctx, "configuration warning", "warning", warning)
	}
	a.clock = a.services.clock
	a.clock.register(a.registry)
	a.unreadable = a.newUnreadable()
	if a.notices, err = a.newNotices(); err != nil {
		return err
	}
	if a.replica, err = a.newReplica(opts.Version); err != nil {
		return err
	}
	a.integrity = a.newIntegrityJob()
	a.summary = a.newSummaryJob()
	if a.hooks, err = a.newHooks(); err != nil {
		return err
	}
	onboarding, err := a.newOnboarding()
	if err != nil {
		return err
	}
	endpoints := []endpoint{
		{"hooks", opts.Listeners.Hooks, a.cfg.Hooks.Listen, a.cfg.Hooks.TLS, a.cfg.Hooks.Connections, a.cfg.Hooks.TrustedProxies, a.hooks, false, false},
		{
			"onboarding", opts.Listeners.Onboarding, a.cfg.Onboarding.Listen, a.cfg.Onboarding.TLS, a.cfg.Onboarding.Connections,
			a.cfg.Onboarding.TrustedProxies, onboarding, false, false,
		},
		{"private", opts.Listeners.Private, a.cfg.Private.Listen, config.TLS{}, a.cfg.Private.Connections, nil, a.private(), false, false},
	}
	if a.cfg.API.Enabled() || opts.Listeners.API != nil {
		if a.api, err = a.newAPI(); err != nil {
			return err
		}
		endpoints = append(endpoints, endpoint{
			"api", opts.Listeners.API, a.cfg.API.Listen, a.cfg.API.TLS, a.cfg.API.Connections, a.cfg.API.TrustedProxies, a.api, false, true,
		})
	}
	if a.cfg.Egress.Enabled() || opts.Listeners.Egress != nil {
		forwarder, err := a.newEgress()
		if err != nil {
			return err
		}
		endpoints = append(endpoints, endpoint{
			"egress", opts.Listeners.Egress, a.cfg.Egress.Listen, a.cfg.Egress.TLS, a.cfg.Egress.Connections, a.cfg.Egress.TrustedProxies, forwarder, true, true,
		})
	}
	return a.listen(ctx, endpoints)
}

// Run serves and renews until ctx ends. It then starts no new renewals, serves for as long as draining is configured
// while it reports that it is not ready, and lets running requests and renewals finish within the configured grace. It
// returns after all of its goroutines have, and leaves nothing open.
func (a *App) Run(ctx context.Context) error {
	serving, working := errgroup.WithContext(ctx)
	scheduler, err := a.startScheduler(trace.With(working, a.traces))
	if err != nil {
		return errors.Join(err, a.close())
	}
	for _, s := range a.servers {
		serving.Go(func() error { return s.serve(a.log) })
	}
	serving.Go(func() error {
		select {
		case err := <-a.fatal:
			return err
		case <-working.Done():
			return nil
		}
	})
	serving.Go(func() error {
		<-working.Done()
		var stopping errgroup.Group
		stopping.Go(func() error {
			if ctx.Err() != nil { // else a server failed
				a.drain()
			}
			return a.shutdown()
		})
		if err := scheduler.Shutdown(); err != nil {
			return errors.Join(fmt.Errorf("stopping background work: %w", err), stopping.Wait())
		}
		return stopping.Wait()
	})
	err = serving.Wait()
	a.endReplica()
	return errors.Join(err, a.services.Close())
}

// Hurry ends draining, now or when it begins.
func (a *App) Hurry() { a.hurried.Do(func() { close(a.hurry) }) }

// drain waits until balancers have seen that this process is not ready.
func (a *App) drain() {
	if a.cfg.Shutdown.Drain <= 0 {
		return
	}
	a.draining.Store(true)
	a.log.Info("draining: serving while not ready", "drain", a.cfg.Shutdown.Drain)
	end := time.NewTimer(a.cfg.Shutdown.Drain)
	defer end.Stop()
	select {
	case <-end.C:
	case <-a.hurry:
	}
}

// shutdown refuses new requests at once and waits for running ones.
func (a *App) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), a.cfg.Shutdown.Grace)
	defer cancel()
	var stopping errgroup.Group
	for _, s := range a.servers {
		stopping.Go(func() error {
			if err := s.listener.Settle(ctx); err != nil {
				a.log.Warn("connections that wait may be reset", "listener", s.name, "err", err)
			}
			s.listener.AwaitBegun(ctx)
			if err := s.http.Shutdown(ctx); err != nil {
				return errors.Join(fmt.Errorf("stopping %s: %w", s.name, err), s.http.Close())
			}
			return nil
		})
	}
	err := errors.Join(stopping.Wait(), a.hooks.Wait(ctx))
	if a.api != nil {
		err = errors.Join(err, a.api.Wait(ctx))
	}
	return errors.Join(err, a.services.Refusals.Close(ctx), a.services.Uses.Close(ctx))
}

// close releases what New opened.
func (a *App) close() error {
	var errs []error
	for _, s := range a.servers {
		errs = append(errs, s.listener.Close())
	}
	if a.services != nil {
		errs = append(errs, a.services.Close())
	}
	return errors.Join(errs...)
}
