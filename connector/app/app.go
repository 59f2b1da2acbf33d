// Package app wires the connector from its configuration. The command, the sandbox and end-to-end tests all start an
// App.
package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	azurepartner "azure-partner-connector"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/hooks"
)

// Options are what tests set and the command leaves at its defaults.
type Options struct {
	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives the records of all components. Default: discard.
	Log *slog.Logger

	// Manifest replaces app.yaml, which describes the package; a test raises its release. Default: app.yaml.
	Manifest []byte

	// Listeners replace the configured ones. Default: none.
	Listeners Listeners

	// Watch returns what renewals and verifications call instead of the client of Microsoft, so that the doctor can
	// observe the calls. Default: the client itself.
	Watch func(token.Microsoft) token.Microsoft

	// Step is called at every step of every renewal; the chaos harness stops the process there. Default: none.
	Step func(token.Step)

	// Pause waits between two attempts of a call to Microsoft. Default: clock.Sleep.
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
		o.Pause = clock.Sleep
	}
	return o
}

func (o Options) component(name string) *slog.Logger { return o.Log.With("component", name) }

// Listeners are where the App serves; a nil one stands for the configured address. The App closes them.
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
	services *Services // nil until they are open
	notices  *notify.Service
	servers  []*server
	hooks    *hooks.Handler
	renewal  trigger
}

// A server serves one handler on its listener.
type server struct {
	name     string
	listener net.Listener
	http     *http.Server
	tls      config.TLS
}

// New opens the database, brings its schema up to date and listens; Run serves. A failed New leaves nothing open.
func New(ctx context.Context, cfg config.Config, opts Options) (*App, error) {
	opts = opts.withDefaults()
	a := &App{cfg: cfg, now: opts.Now, log: opts.Log, registry: prometheus.NewRegistry(), renewal: newTrigger()}
	if err := a.build(ctx, opts); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *App) component(name string) *slog.Logger { return a.log.With("component", name) }

func (a *App) build(ctx context.Context, opts Options) error {
	var err error
	if a.services, err = open(ctx, a.cfg, opts, a.observer()); err != nil {
		return err
	}
	if a.notices, err = a.newNotices(); err != nil {
		return err
	}
	if a.hooks, err = a.newHooks(opts.Manifest); err != nil {
		return err
	}
	onboarding, err := a.newOnboarding()
	if err != nil {
		return err
	}
	listeners := opts.Listeners
	for _, l := range []struct {
		name    string
		opened  net.Listener
		listen  string
		tls     config.TLS
		handler http.Handler
	}{
		{"hooks", listeners.Hooks, a.cfg.Hooks.Listen, a.cfg.Hooks.TLS, a.hooks},
		{"onboarding", listeners.Onboarding, a.cfg.Onboarding.Listen, a.cfg.Onboarding.TLS, onboarding},
		{"private", listeners.Private, a.cfg.Private.Listen, config.TLS{}, a.private()},
	} {
		listener := l.opened
		if listener == nil {
			if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", l.listen); err != nil {
				return fmt.Errorf("listening for %s: %w", l.name, err)
			}
		}
		a.servers = append(a.servers, &server{name: l.name, listener: listener, tls: l.tls, http: &http.Server{
			Handler: l.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute,
			IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
			ErrorLog: slog.NewLogLogger(a.log.With("listener", l.name).Handler(), slog.LevelDebug),
		}})
	}
	return nil
}

// Run serves and renews until ctx ends, then lets running requests and renewals finish within the configured grace. It
// returns after all of its goroutines have, and leaves nothing open.
func (a *App) Run(ctx context.Context) error {
	serving, ctx := errgroup.WithContext(ctx)
	scheduler, err := a.startScheduler(ctx)
	if err != nil {
		return errors.Join(err, a.close())
	}
	for _, s := range a.servers {
		serving.Go(func() error { return s.serve(a.log) })
	}
	serving.Go(func() error {
		<-ctx.Done()
		var stopping errgroup.Group
		stopping.Go(a.shutdown)
		if err := scheduler.Shutdown(); err != nil {
			return errors.Join(fmt.Errorf("stopping background work: %w", err), stopping.Wait())
		}
		return stopping.Wait()
	})
	return errors.Join(serving.Wait(), a.services.Close())
}

func (s *server) serve(log *slog.Logger) error {
	log.Info("listening", "listener", s.name, "address", s.listener.Addr().String(), "tls", s.tls.Enabled())
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

// shutdown refuses new requests at once and waits for running ones.
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
	if a.services != nil {
		errs = append(errs, a.services.Close())
	}
	return errors.Join(errs...)
}
