// Package app wires the connector: configuration in, running program out. The command, the sandbox and end-to-end tests
// start the very same value.
package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	azurepartner "azure-partner-connector"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/hooks"
)

// Options are what the command leaves at its defaults and a test sets.
type Options struct {
	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives everything. Default: discard.
	Log *slog.Logger

	// Manifest describes the package that belongs to this program, as app.yaml; a test raises its release. Default:
	// app.yaml.
	Manifest []byte

	// Listeners replace those that the configuration names. Default: none.
	Listeners Listeners

	// Watch is given the client towards Microsoft and returns what the custody of grants calls in its place, so that a
	// doctor can look over its shoulder. Default: the client itself.
	Watch func(token.Microsoft) token.Microsoft

	// Step is called at every step of every renewal; a fault harness stops the process in it. Default: nothing happens.
	Step func(token.Step)

	// Pause passes the time between two attempts at Microsoft. Default: microsoft.Pause, which waits for it.
	Pause func(ctx context.Context, d time.Duration) error
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Manifest == nil {
		o.Manifest = azurepartner.Manifest()
	}
	if o.Watch == nil {
		o.Watch = func(ms token.Microsoft) token.Microsoft { return ms }
	}
	if o.Pause == nil {
		o.Pause = microsoft.Pause
	}
	return o
}

// Listeners are the three doors' ears. The App closes them.
type Listeners struct {
	Hooks      net.Listener
	Onboarding net.Listener
	Private    net.Listener
}

// An App is the whole connector, ready to run.
type App struct {
	cfg      config.Config
	now      func() time.Time
	log      *slog.Logger
	registry *prometheus.Registry
	rooms    *Rooms // nil until they are open
	notices  *notify.Service
	servers  []*server
	hooks    *hooks.Door
	clocks   atomic.Pointer[clocks] // nil until they run
}

// A server is one door on its listener.
type server struct {
	name     string
	listener net.Listener
	http     *http.Server
	tls      config.TLS
}

// New opens the database, brings its schema up to date and listens; Run serves. A failed New leaves nothing open.
func New(ctx context.Context, cfg config.Config, opts Options) (*App, error) {
	opts = opts.withDefaults()
	a := &App{cfg: cfg, now: opts.Now, log: opts.Log, registry: prometheus.NewRegistry()}
	if err := a.build(ctx, opts); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *App) build(ctx context.Context, opts Options) error {
	var err error
	if a.rooms, err = open(ctx, a.cfg, opts, a.observer()); err != nil {
		return err
	}
	if a.notices, err = a.announcer(); err != nil {
		return err
	}
	if a.hooks, err = a.hooksDoor(opts.Manifest); err != nil {
		return err
	}
	onboardingDoor, err := a.onboardingDoor()
	if err != nil {
		return err
	}
	given := opts.Listeners
	doors := []struct {
		name    string
		given   net.Listener
		listen  string
		tls     config.TLS
		handler http.Handler
	}{
		{"hooks", given.Hooks, a.cfg.Hooks.Listen, a.cfg.Hooks.TLS, a.hooks},
		{"onboarding", given.Onboarding, a.cfg.Onboarding.Listen, a.cfg.Onboarding.TLS, onboardingDoor},
		{"private", given.Private, a.cfg.Private.Listen, config.TLS{}, a.private()},
	}
	for _, d := range doors {
		listener := d.given
		if listener == nil {
			if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", d.listen); err != nil {
				return fmt.Errorf("listening for %s: %w", d.name, err)
			}
		}
		a.servers = append(a.servers, &server{name: d.name, listener: listener, tls: d.tls, http: &http.Server{
			Handler: d.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute,
			IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
			ErrorLog: slog.NewLogLogger(a.log.With("door", d.name).Handler(), slog.LevelDebug),
		}})
	}
	return nil
}

// Run serves and renews until ctx ends, then lets requests and renewals that run finish within the configured grace.
// It returns after all of its goroutines have, and leaves nothing open.
func (a *App) Run(ctx context.Context) error {
	serving, ctx := errgroup.WithContext(ctx)
	ticking, err := a.startClocks(ctx)
	if err != nil {
		return errors.Join(err, a.close())
	}
	a.clocks.Store(ticking)
	for _, s := range a.servers {
		serving.Go(func() error { return s.serve(a.log) })
	}
	serving.Go(func() error {
		<-ctx.Done()
		var stopping errgroup.Group
		stopping.Go(a.shutdown)
		return errors.Join(ticking.stop(), stopping.Wait())
	})
	return errors.Join(serving.Wait(), a.rooms.Close())
}

func (s *server) serve(log *slog.Logger) error {
	log.Info("listening", "door", s.name, "address", s.listener.Addr().String(), "tls", s.tls.Enabled())
	var err error
	if s.tls.Enabled() {
		s.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		err = s.http.ServeTLS(s.listener, s.tls.CertFile, s.tls.KeyFile)
	} else {
		err = s.http.Serve(s.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving %s: %w", s.name, err)
}

// shutdown stops the doors at once for new requests and waits for those that run.
func (a *App) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), a.cfg.Shutdown.Grace)
	defer cancel()
	var stopping errgroup.Group
	for _, s := range a.servers {
		stopping.Go(func() error {
			if err := s.http.Shutdown(ctx); err != nil {
				return errors.Join(fmt.Errorf("stopping %s: %w", s.name, err), s.http.Close())
			}
			return nil
		})
	}
	return errors.Join(stopping.Wait(), a.hooks.Wait(ctx))
}

// close releases what New opened.
func (a *App) close() error {
	var errs []error
	for _, s := range a.servers {
		errs = append(errs, s.listener.Close())
	}
	if a.rooms != nil {
		errs = append(errs, a.rooms.Close())
	}
	return errors.Join(errs...)
}
